//! Every sentence for people about what readscope sees, in one place: the same in log, API, page and terminal.
//! Each says what is so and, where something is wrong, what to do.

use std::{fmt, sync::Arc, time::Duration};

use super::{
    failure::FailureReason,
    replica::Role,
    roster::{OTHER, REPLICAS_MAX},
};

/// How much a notice asks of its reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Good to know.
    Info,
    /// Somebody should look.
    Warning,
}

/// One thing about a target that a person should know; [`fmt::Display`] makes the sentence.
#[derive(Clone, Debug, PartialEq)]
pub enum Notice {
    /// A replica's first answer.
    Appeared {
        /// Its name.
        replica: Arc<str>,
        /// Its `server_id`.
        server_id: u32,
        /// What it is.
        role: Role,
        /// Its version, as it writes it.
        version: String,
    },
    /// A replica's series have ended.
    Forgotten {
        /// Its name.
        replica: Arc<str>,
        /// How long it had not answered.
        after: Duration,
    },
    /// A replica gives none of the answers that it should give a part of.
    Silent {
        /// Its name.
        replica: Arc<str>,
        /// The part it should give, 0 to 1.
        share: f64,
        /// Answers of others since its last one.
        missed: u64,
    },
    /// A replica that was silent answers again.
    Returned {
        /// Its name.
        replica: Arc<str>,
    },
    /// Samples fail for one reason.
    Failing {
        /// The reason.
        reason: FailureReason,
        /// How many failed since the first of this run of failures.
        failed: u64,
        /// Of how many samples.
        samples: u64,
        /// The latest error.
        text: String,
    },
    /// Samples no longer fail for a reason.
    Recovered {
        /// The reason.
        reason: FailureReason,
        /// How many had failed.
        failed: u64,
        /// For how long none has failed.
        quiet: Duration,
    },
    /// Samples are not taken when they are due.
    Skipping {
        /// How many were not, since the first of this run.
        skipped: u64,
    },
    /// Samples are taken again when they are due.
    OnTime {
        /// How many had not been.
        skipped: u64,
    },
    /// There are more replicas than are told apart.
    TooManyReplicas,
}

impl Notice {
    /// How much it asks of its reader.
    #[must_use]
    pub fn severity(&self) -> Severity {
        match self {
            Self::Appeared { .. }
            | Self::Forgotten { .. }
            | Self::Returned { .. }
            | Self::Recovered { .. }
            | Self::OnTime { .. } => Severity::Info,
            Self::Silent { .. } | Self::Failing { .. } | Self::Skipping { .. } | Self::TooManyReplicas => {
                Severity::Warning
            }
        }
    }
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Appeared { replica, server_id, role, version } => {
                write!(f, "{replica} gave its first answer: server_id {server_id}, {}, version {version}", role.name())
            }
            Self::Forgotten { replica, after } => {
                write!(f, "{replica} has not answered for {} s and is forgotten: its series end here", after.as_secs())
            }
            Self::Silent { replica, share, missed } => write!(
                f,
                "{replica} should give {:.0} % of the answers but gave none of the last {missed}; \
                 check that it runs, is ready, and that the Service selects it",
                share * 100.0
            ),
            Self::Returned { replica } => write!(f, "{replica} answers again"),
            Self::Failing { reason, failed: 1, samples: 1, text } => {
                write!(f, "a sample failed ({reason}): {text}; {}", reason.advice())
            }
            Self::Failing { reason, failed, samples, text } => {
                write!(f, "{failed} of the last {samples} samples failed ({reason}): {text}; {}", reason.advice())
            }
            Self::Recovered { reason, failed, quiet } => {
                write!(f, "no sample has failed ({reason}) for {} s, after {failed} that did", quiet.as_secs())
            }
            Self::Skipping { skipped } => write!(
                f,
                "samples were not taken when they were due ({skipped} so far), because others were still under way or \
                 the program came late; raise --interval or --max-in-flight, or lower --timeout"
            ),
            Self::OnTime { skipped } => {
                write!(f, "samples are taken on time again, after {skipped} that were not taken")
            }
            Self::TooManyReplicas => {
                write!(f, "more than {REPLICAS_MAX} replicas answer; those past that are counted together as {OTHER:?}")
            }
        }
    }
}
