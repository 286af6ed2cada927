//! What readscope says of a target's reads: balanced, unbalanced, or undecided and why; each with its sentence.

use std::{fmt, sync::Arc, time::Duration};

use super::evidence::Suspect;
use crate::model::probe::FailureReason;

/// Whether the reads of a target are balanced; [`fmt::Display`] makes the sentence for people.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// Chance alone explains how answers divide.
    Balanced(AllAnswer),
    /// The detector alarms.
    Unbalanced {
        /// Who causes it, the greatest part of the evidence first; never empty.
        culprits: Vec<Culprit>,
        /// Chance alone looks like this at most once in so many seconds.
        evidence_seconds: f64,
    },
    /// It cannot be told now.
    Undecided(Undecided),
}

/// Why it cannot be told whether reads are balanced.
#[derive(Clone, Debug, PartialEq)]
pub enum Undecided {
    /// Fewer than two replicas are expected, or known.
    FewReplicas {
        /// How many there are.
        replicas: usize,
    },
    /// The Service keeps a client with the endpoint that it had.
    Affinity {
        /// For so long after its last connection.
        stays: Duration,
    },
    /// More samples fail than the tolerance allows.
    Failures {
        /// How many failed.
        failed: usize,
        /// Of how many samples, the latest ones.
        samples: usize,
        /// So many may.
        allowed: usize,
        /// Of how many samples, once there are as many.
        window: usize,
        /// Why the latest one failed.
        reason: FailureReason,
    },
    /// Too few answers so far.
    FewAnswers {
        /// How many there are.
        answers: u64,
        /// After how many it would show that one replica gets none.
        needed: u64,
        /// How many replicas are compared.
        replicas: usize,
    },
    /// There is more evidence than balanced reads give, and too little for an alarm.
    Suspicion {
        /// Chance alone looks like this at most once in so many seconds.
        evidence_seconds: f64,
        /// The evidence of an alarm, in seconds.
        threshold_seconds: f64,
    },
}

/// A replica that causes an alarm.
#[derive(Clone, Debug, PartialEq)]
pub struct Culprit {
    /// Its name.
    pub replica: Arc<str>,
    /// What is wrong with its reads.
    pub kind: CulpritKind,
    /// Its part of the evidence, 0 to 1.
    pub part: f64,
    /// The part of the reads that it gets, 0 to 1.
    pub share: f64,
    /// The part of the reads that it should get, 0 to 1.
    pub expected: f64,
}

/// What is wrong with the reads of a replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum CulpritKind {
    /// It gets none.
    Dead,
    /// It gets too few.
    Starved,
    /// It gets too many.
    Hot,
}

/// The sentence of reads that chance alone explains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AllAnswer {
    /// How many answer.
    pub answering: usize,
    /// How many are compared.
    pub replicas: usize,
    /// Whether the set is known, or is just who was seen.
    pub listed: bool,
}

/// So few samples fit into the false-alarm period that healthy reads may hold an alarm up once it has begun.
#[derive(Clone, Debug, PartialEq)]
pub struct FewSamples {
    /// How many fit.
    pub samples: f64,
    /// How many should.
    pub needed: f64,
    /// For how many replicas.
    pub replicas: usize,
    /// The evidence of an alarm, in seconds: the period times the number of targets.
    pub threshold_seconds: f64,
    /// Between samples.
    pub interval_seconds: f64,
}

/// How much speaks against balanced reads, in words.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Evidence {
    /// Chance alone looks like this at most once in so many seconds.
    pub seconds: f64,
    /// The evidence of an alarm, in seconds.
    pub threshold_seconds: f64,
}

/// A verdict without what it rests on: two of the same kind say the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum VerdictKind {
    Balanced,
    Unbalanced,
    FewReplicas,
    Affinity,
    Failures,
    FewAnswers,
    Suspicion,
}

impl Verdict {
    /// The name in the API.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Balanced(_) => "balanced",
            Self::Unbalanced { .. } => "unbalanced",
            Self::Undecided(_) => "undecided",
        }
    }

    /// Whether the detector alarms and may be believed.
    #[must_use]
    pub fn is_unbalanced(&self) -> bool {
        matches!(self, Self::Unbalanced { .. })
    }

    /// Whether it cannot be told.
    #[must_use]
    pub fn is_undecided(&self) -> bool {
        matches!(self, Self::Undecided(_))
    }

    /// Who causes the alarm, the greatest part of the evidence first; nobody without one.
    #[must_use]
    pub fn culprits(&self) -> &[Culprit] {
        match self {
            Self::Unbalanced { culprits, .. } => culprits,
            Self::Balanced(_) | Self::Undecided(_) => &[],
        }
    }
}

impl CulpritKind {
    /// Every one.
    pub const ALL: [Self; 3] = [Self::Dead, Self::Starved, Self::Hot];

    /// What bets on these odds that won say.
    pub(crate) fn of(suspect: &Suspect) -> Self {
        match suspect.odds {
            odds if odds <= 0.0 => Self::Dead,
            odds if odds < 1.0 => Self::Starved,
            _ => Self::Hot,
        }
    }

    /// The name in metrics and API.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Dead => "dead",
            Self::Starved => "starved",
            Self::Hot => "hot",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Balanced(all) => write!(f, "Balanced: {all}"),
            Self::Unbalanced { culprits, evidence_seconds } => {
                f.write_str("Unbalanced: ")?;
                for (index, culprit) in culprits.iter().enumerate() {
                    write!(f, "{}{culprit}", if index > 0 { ", " } else { "" })?;
                }
                write!(f, "; chance alone would look like this once in {}", Long(*evidence_seconds))
            }
            Self::Undecided(why) => write!(f, "Undecided: {why}"),
        }
    }
}

impl fmt::Display for Undecided {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FewReplicas { replicas: 0 } => f.write_str("no replica is known yet"),
            Self::FewReplicas { replicas } => {
                write!(f, "{replicas} replica is expected; with fewer than two there is nothing to compare")
            }
            Self::Affinity { stays } => write!(
                f,
                "the Service keeps a client with the endpoint that it had until {} s after its last connection \
                 (sessionAffinity: ClientIP), so that one client's answers do not show the shares",
                stays.as_secs()
            ),
            Self::Failures { failed, samples, allowed, window, reason } => write!(
                f,
                "{failed} of the last {samples} samples failed ({reason}), and at most {allowed} of {window} may; a \
                 failed sample has no replica, so the failures of one would look like reads that it does not get; {}",
                reason.advice()
            ),
            Self::FewAnswers { answers, needed, replicas } => write!(
                f,
                "{answers} answers so far; it takes {needed} to tell that one of {replicas} replicas gets no reads"
            ),
            Self::Suspicion { evidence_seconds, threshold_seconds } => write!(
                f,
                "answers divide as chance alone would divide them once in {}; it is an alarm at once in {}",
                Long(*evidence_seconds),
                Long(*threshold_seconds)
            ),
        }
    }
}

impl fmt::Display for Culprit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} gets ", self.replica)?;
        match self.kind {
            CulpritKind::Dead => f.write_str("none")?,
            CulpritKind::Starved | CulpritKind::Hot => write!(f, "{} %", Percent(self.share))?,
        }
        write!(f, " of the reads where {} % is expected", Percent(self.expected))
    }
}

impl fmt::Display for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "chance alone brings it once in {}, an alarm once in {}",
            Long(self.seconds),
            Long(self.threshold_seconds)
        )
    }
}

impl fmt::Display for AllAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { answering, replicas, listed } = self;
        let (the, seen) = if *listed { ("", "") } else { ("the ", " seen") };
        write!(f, "{answering} of {the}{replicas} replicas{seen} answer, chance alone explains the differences")
    }
}

impl fmt::Display for FewSamples {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { samples, needed, replicas, threshold_seconds, interval_seconds } = self;
        write!(
            f,
            "only {samples:.0} samples fit into {}, the false-alarm period times the number of targets; with {replicas} \
             replicas {needed:.0} should, or healthy reads may hold an alarm up: sample every {:.0} ms, or let \
             --imbalance.false-alarm-period times the number of targets be {}",
            Long(*threshold_seconds),
            threshold_seconds / needed * 1000.0,
            Long(needed * interval_seconds)
        )
    }
}

/// A part as a percentage of two digits; small ones keep a digit.
struct Percent(f64);

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let percent = self.0 * 100.0;
        let digits = usize::from(percent < 10.0 && (percent - percent.round()).abs() >= 0.05);
        write!(f, "{percent:.digits$}")
    }
}

/// A time in seconds as people say long times.
pub(crate) struct Long(pub(crate) f64);

impl fmt::Display for Long {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [(f64, &str); 4] =
            [(365.25 * 86_400.0, "years"), (86_400.0, "days"), (3600.0, "hours"), (60.0, "minutes")];
        // Two of the next smaller unit say more than one.
        let (seconds, name) = UNITS.into_iter().find(|(unit, _)| self.0 >= 2.0 * unit).unwrap_or((1.0, "seconds"));
        let count = format!("{:.0}", self.0 / seconds);
        write!(f, "{count} {}", if count == "1" { "second" } else { name })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn culprit(kind: CulpritKind, share: f64) -> Culprit {
        Culprit { replica: "mysql-2".into(), kind, part: 0.9, share, expected: 1.0 / 3.0 }
    }

    #[test]
    fn verdicts_are_said_in_words() {
        let unbalanced = |culprits| Verdict::Unbalanced { culprits, evidence_seconds: 41.2 * 86_400.0 }.to_string();
        assert_eq!(
            unbalanced(vec![culprit(CulpritKind::Starved, 0.08)]),
            "Unbalanced: mysql-2 gets 8 % of the reads where 33 % is expected; chance alone would look like this once \
             in 41 days"
        );
        let two = vec![culprit(CulpritKind::Dead, 0.001), culprit(CulpritKind::Starved, 0.041)];
        assert_eq!(
            unbalanced(two),
            "Unbalanced: mysql-2 gets none of the reads where 33 % is expected, mysql-2 gets 4.1 % of the reads where \
             33 % is expected; chance alone would look like this once in 41 days"
        );
        let all = AllAnswer { answering: 3, replicas: 3, listed: true };
        assert_eq!(
            Verdict::Balanced(all).to_string(),
            "Balanced: 3 of 3 replicas answer, chance alone explains the differences"
        );
        let few = Undecided::FewAnswers { answers: 12, needed: 54, replicas: 3 };
        assert_eq!(
            Verdict::Undecided(few).to_string(),
            "Undecided: 12 answers so far; it takes 54 to tell that one of 3 replicas gets no reads"
        );
    }

    #[test]
    fn long_times_are_said_in_the_unit_that_fits() {
        for (seconds, said) in [
            (0.0, "0 seconds"),
            (1.4, "1 second"),
            (119.0, "119 seconds"),
            (7200.0, "2 hours"),
            (3.5e6, "41 days"),
            (1e9, "32 years"),
        ] {
            assert_eq!(Long(seconds).to_string(), said);
        }
    }
}
