//! Conditions of a replica: what keeps it from doing its part, since when, and what to do.

use std::{fmt, sync::Arc};

use jiff::Timestamp;

use crate::model::base::named_enum;

named_enum! {
    /// The `kind` label of `readscope_replica_condition`. The worst first.
    pub enum ConditionKind {
        /// It should be an endpoint that is ready, and is not.
        Missing = "missing",
        /// It is ready, and does not answer at its own address.
        CannotServe = "cannot_serve",
        /// It answers at its own address, and gets no reads.
        NotRouted = "not_routed",
        /// It answers several times more slowly than the others.
        Slow = "slow",
        Flapping = "flapping",
        Stale = "stale",
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct ReplicaCondition {
    pub replica: Arc<str>,
    pub kind: ConditionKind,
    pub since: Timestamp,
    /// With the name of the replica.
    pub what: String,
    /// Empty for a planned step.
    pub advice: &'static str,
    /// A step of a roll-out, a scale event or a restart, within its usual time.
    pub planned: bool,
}

impl ConditionKind {
    /// The replica does not serve.
    pub(crate) fn is_outage(self) -> bool {
        matches!(self, Self::Missing | Self::CannotServe)
    }

    /// The replica gives no reads.
    pub(crate) fn is_outage_of_reads(self) -> bool {
        self.is_outage() || self == Self::NotRouted
    }
}

impl ReplicaCondition {
    /// The replica does not serve, and no planned step explains it.
    pub fn is_outage(&self) -> bool {
        !self.planned && self.kind.is_outage()
    }
}

impl fmt::Display for ReplicaCondition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        if self.advice.is_empty() { Ok(()) } else { write!(f, "; {}", self.advice) }
    }
}
