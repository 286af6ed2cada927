//! One read Service to probe, with its settings.

use std::{num::NonZeroUsize, sync::Arc, time::Duration};

use super::{
    address::Address,
    duration::{Interval, Timeout},
    pacing::Pacing,
    secret::PasswordSource,
    tls::Tls,
};
use crate::model::{Expectation, cluster::ObjectName};

pub const USER: &str = "readscope";

pub const MAX_IN_FLIGHT: NonZeroUsize = NonZeroUsize::new(8).expect("8 is not 0");

const MAX_IN_FLIGHT_LIMIT: usize = 1000;

pub(super) const FORGET_AFTER: Duration = Duration::from_secs(3600);

#[derive(Clone, Debug, PartialEq)]
pub struct Target {
    /// The `target` label.
    pub name: Arc<str>,
    /// `None` for a target without Kubernetes data.
    pub service: Option<ObjectName>,
    /// `None` means that it is found from the endpoints.
    pub statefulset: Option<ObjectName>,
    pub address: Address,
    /// Needs no privilege except to log in.
    pub user: String,
    pub password: PasswordSource,
    pub tls: Tls,
    /// Between regular probes.
    pub interval: Interval,
    pub pacing: Pacing,
    /// For one whole probe.
    pub timeout: Timeout,
    pub max_in_flight: NonZeroUsize,
    pub expectation: Expectation,
    /// Time without a read after which an unexpected replica is forgotten.
    pub forget_after: Duration,
}

/// # Errors
/// When the text is not a number from 1 to 1000.
pub fn parse_in_flight(text: &str) -> Result<NonZeroUsize, String> {
    match text.parse::<NonZeroUsize>() {
        Ok(number) if number.get() <= MAX_IN_FLIGHT_LIMIT => Ok(number),
        _ => Err(format!("write a number from 1 to {MAX_IN_FLIGHT_LIMIT}, such as 8")),
    }
}
