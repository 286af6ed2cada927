//! One read Service to probe, and how.

use std::{num::NonZeroUsize, sync::Arc, time::Duration};

use super::{
    address::Address,
    duration::{Interval, Timeout},
    pacing::Pacing,
    secret::PasswordSource,
    tls::Tls,
};
use crate::model::{Expectation, cluster::ObjectName};

/// The account unless another is written.
pub const USER: &str = "readscope";

/// How many samples may be under way at once unless it is written.
pub const MAX_IN_FLIGHT: NonZeroUsize = NonZeroUsize::new(8).expect("8 is not 0");

/// The most that may be written.
const MAX_IN_FLIGHT_LIMIT: usize = 1000;

/// When an unexpected replica is forgotten unless it is written.
pub(super) const FORGET_AFTER: Duration = Duration::from_secs(3600);

/// One target with everything that sampling it needs.
#[derive(Clone, Debug, PartialEq)]
pub struct Target {
    /// The `target` label.
    pub name: Arc<str>,
    /// The Service that it is, if Kubernetes is to be asked about it.
    pub service: Option<ObjectName>,
    /// The `StatefulSet` behind it; absent where it is found from the endpoints.
    pub statefulset: Option<ObjectName>,
    /// Where to connect.
    pub address: Address,
    /// The account; it needs no privilege but to log in.
    pub user: String,
    /// Where its password comes from.
    pub password: PasswordSource,
    /// How connections are encrypted.
    pub tls: Tls,
    /// Between samples.
    pub interval: Interval,
    /// How it is asked beyond its regular samples.
    pub pacing: Pacing,
    /// For one whole sample.
    pub timeout: Timeout,
    /// How many samples may be under way at once.
    pub max_in_flight: NonZeroUsize,
    /// Which replicas should answer.
    pub expectation: Expectation,
    /// After this time without an answer an unexpected replica is forgotten.
    pub forget_after: Duration,
}

/// Reads how many samples may be under way at once.
///
/// # Errors
/// When it is no number from 1 to 1000.
pub fn parse_in_flight(text: &str) -> Result<NonZeroUsize, String> {
    match text.parse::<NonZeroUsize>() {
        Ok(number) if number.get() <= MAX_IN_FLIGHT_LIMIT => Ok(number),
        _ => Err(format!("write a number from 1 to {MAX_IN_FLIGHT_LIMIT}, such as 8")),
    }
}
