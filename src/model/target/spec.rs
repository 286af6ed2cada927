//! The configuration of a target.

use std::{sync::Arc, time::Duration};

use crate::model::{
    base::ObjectName,
    probe::ProbeIntervals,
    verdict::{CheckRules, Expectation, VerdictRules},
};

/// Unique among all targets in the life of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TargetId(pub u32);

#[derive(Clone, Debug)]
pub struct TargetSpec {
    /// The `target` label.
    pub name: Arc<str>,
    pub expectation: Expectation,
    /// Absent if the target is not known as a Service.
    pub service: Option<ObjectName>,
    /// The port that clients connect to; absent: that of the Service.
    pub port: Option<u16>,
    pub pace: ProbeIntervals,
    /// In the Service's namespace; absent: found from the endpoints.
    pub statefulset: Option<ObjectName>,
    /// Time from the last read until a replica is forgotten, unless it is configured or an endpoint.
    pub forget_after: Duration,
    pub verdict: VerdictRules,
    pub check: Option<CheckRules>,
}

impl TargetSpec {
    /// One probe a second, without a Service.
    pub fn regular(name: &str, expectation: Expectation) -> Self {
        Self {
            name: name.into(),
            expectation,
            service: None,
            port: None,
            pace: ProbeIntervals::regular(Duration::from_secs(1)),
            statefulset: None,
            forget_after: Duration::from_secs(3600),
            verdict: VerdictRules::default(),
            check: None,
        }
    }
}
