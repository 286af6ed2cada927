//! What a target is before anything is known about it.

use std::{sync::Arc, time::Duration};

use crate::model::{
    base::ObjectName,
    probe::ProbeIntervals,
    verdict::{CheckRules, Expectation, VerdictRules},
};

/// Names one target among all; never used twice in the life of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TargetId(pub u32);

/// What a target is before anything is known about it.
#[derive(Clone, Debug)]
pub struct TargetSpec {
    /// The `target` label.
    pub name: Arc<str>,
    /// Which replicas should answer.
    pub expectation: Expectation,
    /// The Service that it reads through, if it is known as one.
    pub service: Option<ObjectName>,
    /// The port that clients connect to.
    pub port: u16,
    /// How often it is asked.
    pub pace: ProbeIntervals,
    /// The `StatefulSet` behind it, in the Service's namespace; absent where it is found from the endpoints.
    pub statefulset: Option<ObjectName>,
    /// A replica that is neither configured nor an endpoint is forgotten this long after its last answer.
    pub forget_after: Duration,
    /// When to call its reads unbalanced.
    pub verdict: VerdictRules,
    /// One bounded test of the reads, for `check`.
    pub check: Option<CheckRules>,
}

#[cfg(test)]
impl TargetSpec {
    /// Of no Service, once a second, by the usual rules.
    pub(crate) fn regular(name: &str, expectation: Expectation) -> Self {
        Self {
            name: name.into(),
            expectation,
            service: None,
            port: 3306,
            pace: ProbeIntervals::regular(Duration::from_secs(1)),
            statefulset: None,
            forget_after: Duration::from_secs(3600),
            verdict: VerdictRules::default(),
            check: None,
        }
    }
}
