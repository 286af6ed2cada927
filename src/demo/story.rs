//! The acts of the demo's story, in words: what is about to happen, and what to look at.

use std::{fmt, sync::Arc};

/// One act of the story that `demo` plays; [`fmt::Display`] makes the sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Act {
    /// Everything is as it should be.
    Balanced {
        /// How many replicas there are.
        replicas: u32,
    },
    /// A replica is added, with a new claim.
    ScaleUp {
        /// The one that comes.
        replica: Arc<str>,
        /// How many there will be.
        to: u32,
    },
    /// A replica is ready, and nothing is routed to it.
    Starved {
        /// Which.
        replica: Arc<str>,
    },
    /// It is routed to again.
    Healed {
        /// Which.
        replica: Arc<str>,
    },
    /// A replica needs long for each answer.
    Slow {
        /// Which.
        replica: Arc<str>,
    },
    /// It refuses connections.
    Refusing {
        /// Which.
        replica: Arc<str>,
    },
    /// It is well again.
    Recovered {
        /// Which.
        replica: Arc<str>,
    },
    /// A replica is taken away; its claim stays.
    ScaleDown {
        /// The one that goes.
        replica: Arc<str>,
        /// How many there will be.
        to: u32,
    },
    /// It comes again, and finds its claim.
    Return {
        /// The one that comes.
        replica: Arc<str>,
        /// How many there will be.
        to: u32,
    },
    /// Everything is put back to how the story began.
    Reset {
        /// The replica that goes, with its claim.
        replica: Arc<str>,
        /// How many there will be.
        to: u32,
    },
}

impl Act {
    /// How many acts the story has.
    pub(super) const COUNT: usize = 10;

    /// Its place in the story, from 1.
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
                "kubectl scale --replicas={to}; {replica} gets a claim, a pod, its first read, and when it has caught \
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
                write!(f, "kubectl scale --replicas={to}; {replica} terminates, and its claim stays")
            }
            Self::Return { replica, to } => write!(
                f,
                "kubectl scale --replicas={to}; {replica} finds the claim that it had, so nothing is provisioned"
            ),
            Self::Reset { replica, to } => write!(
                f,
                "kubectl scale --replicas={to}, and the claim of {replica} is deleted; then the story begins anew"
            ),
        }
    }
}
