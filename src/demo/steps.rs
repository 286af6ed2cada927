//! The steps of the demo's scenario and their captions: what happens next, and what to watch.

use std::{fmt, sync::Arc};

/// [`fmt::Display`] writes the caption.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Balanced {
        replicas: u32,
    },
    /// With a new PVC.
    ScaleUp {
        replica: Arc<str>,
        to: u32,
    },
    /// Clients keep their connections.
    Pooled {
        replica: Arc<str>,
    },
    /// Clients connect again.
    Recycled {
        replica: Arc<str>,
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

impl Step {
    pub(super) const COUNT: usize = 12;

    /// From 1.
    pub(super) fn number(&self) -> usize {
        match self {
            Self::Balanced { .. } => 1,
            Self::ScaleUp { .. } => 2,
            Self::Pooled { .. } => 3,
            Self::Recycled { .. } => 4,
            Self::Starved { .. } => 5,
            Self::Healed { .. } => 6,
            Self::Slow { .. } => 7,
            Self::Refusing { .. } => 8,
            Self::Recovered { .. } => 9,
            Self::ScaleDown { .. } => 10,
            Self::Return { .. } => 11,
            Self::Reset { .. } => 12,
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Demo, step {} of {}: ", self.number(), Self::COUNT)?;
        match self {
            Self::Balanced { replicas } => {
                write!(f, "{replicas} replicas share the reads; each connection goes to a random one")
            }
            Self::ScaleUp { replica, to } => write!(
                f,
                "kubectl scale --replicas={to}; {replica} gets a PVC and a pod, gives its first read, and catches up to \
                 its first fresh read"
            ),
            Self::Pooled { replica } => write!(
                f,
                "new connections are balanced, but the clients' pools keep their old ones; {replica} holds none of them and \
                 serves none of their reads"
            ),
            Self::Recycled { replica } => {
                write!(
                    f,
                    "the pools replace their connections; {replica} gets its share of the clients and of their reads"
                )
            }
            Self::Starved { replica } => write!(
                f,
                "{replica} is ready but gets no connections; the evidence grows until the alarm names it (sooner than \
                 with the default settings)"
            ),
            Self::Healed { replica } => {
                write!(f, "{replica} gets connections again; the evidence fades and the alarm clears")
            }
            Self::Slow { replica } => {
                write!(f, "{replica} answers slowly; the durations show that, and reads stay balanced")
            }
            Self::Refusing { replica } => write!(
                f,
                "{replica} refuses connections (too many connections); pod probes show whose failures these are, and the \
                 verdict is undecided"
            ),
            Self::Recovered { replica } => write!(f, "{replica} accepts connections again"),
            Self::ScaleDown { replica, to } => {
                write!(f, "kubectl scale --replicas={to}; {replica} terminates, and its PVC stays")
            }
            Self::Return { replica, to } => {
                write!(f, "kubectl scale --replicas={to}; {replica} reuses its PVC, so no volume is provisioned")
            }
            Self::Reset { replica, to } => write!(
                f,
                "kubectl scale --replicas={to}; the PVC of {replica} is deleted too, then the scenario starts again"
            ),
        }
    }
}
