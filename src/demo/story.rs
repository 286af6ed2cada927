//! The steps of the demo's scenario, as sentences: what happens next, and what to watch.

use std::{fmt, sync::Arc};

/// [`fmt::Display`] writes the sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Act {
    Balanced {
        replicas: u32,
    },
    /// With a new PVC.
    ScaleUp {
        replica: Arc<str>,
        to: u32,
    },
    /// The replica is ready, but not routed to.
    Starved {
        replica: Arc<str>,
    },
    Healed {
        replica: Arc<str>,
    },
    Slow {
        replica: Arc<str>,
    },
    Refusing {
        replica: Arc<str>,
    },
    Recovered {
        replica: Arc<str>,
    },
    /// The PVC stays.
    ScaleDown {
        replica: Arc<str>,
        to: u32,
    },
    /// The replica finds its PVC.
    Return {
        replica: Arc<str>,
        to: u32,
    },
    /// The replica and its PVC go: back to the start of the scenario.
    Reset {
        replica: Arc<str>,
        to: u32,
    },
}

impl Act {
    pub(super) const COUNT: usize = 10;

    /// From 1.
    pub(super) fn number(&self) -> usize {
        match self {
            Self::Balanced { .. } => 1,
            Self::ScaleUp { .. } => 2,
            Self::Starved { .. } => 3,
            Self::Healed { .. } => 4,
            Self::Slow { .. } => 5,
            Self::Refusing { .. } => 6,
            Self::Recovered { .. } => 7,
            Self::ScaleDown { .. } => 8,
            Self::Return { .. } => 9,
            Self::Reset { .. } => 10,
        }
    }
}

impl fmt::Display for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Demo, act {} of {}: ", self.number(), Self::COUNT)?;
        match self {
            Self::Balanced { replicas } => {
                write!(f, "{replicas} replicas share the reads; each connection goes to one of them at random")
            }
            Self::ScaleUp { replica, to } => write!(
                f,
                "kubectl scale --replicas={to}; {replica} gets a PVC, a pod, its first read, and when it has caught \
                 up its first fresh read"
            ),
            Self::Starved { replica } => write!(
                f,
                "nothing is routed to {replica} any more, although it is ready; evidence grows until the alarm names \
                 it (by the demo's settings sooner than by those of an exporter)"
            ),
            Self::Healed { replica } => {
                write!(f, "{replica} is routed to again; the evidence fades and the alarm ends")
            }
            Self::Slow { replica } => {
                write!(f, "{replica} answers slowly; that shows in the durations and is no imbalance")
            }
            Self::Refusing { replica } => write!(
                f,
                "{replica} refuses connections, too many are open; whose answers are missing nobody can tell, so the \
                 verdict is undecided"
            ),
            Self::Recovered { replica } => write!(f, "{replica} is well again"),
            Self::ScaleDown { replica, to } => {
                write!(f, "kubectl scale --replicas={to}; {replica} terminates, and its PVC stays")
            }
            Self::Return { replica, to } => write!(
                f,
                "kubectl scale --replicas={to}; {replica} finds the PVC that it had, so nothing is provisioned"
            ),
            Self::Reset { replica, to } => write!(
                f,
                "kubectl scale --replicas={to}, and the PVC of {replica} is deleted; then the story begins anew"
            ),
        }
    }
}
