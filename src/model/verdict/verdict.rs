//! The verdict on a target's reads, and its sentence.

use std::{fmt, sync::Arc, time::Duration};

use super::evidence::Suspect;
use crate::model::{
    base::{Count, HumanDuration, named_enum},
    probe::FailureReason,
};

#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// Chance alone explains how reads divide.
    Balanced(AllAnswer),
    Unbalanced {
        /// The largest part of the evidence first; never empty.
        culprits: Vec<Culprit>,
        /// Evidence this large occurs by chance at most once in this many seconds.
        evidence_seconds: f64,
    },
    Undecided(Undecided),
}

#[derive(Clone, Debug, PartialEq)]
pub enum Undecided {
    FewReplicas {
        replicas: usize,
    },
    Affinity {
        /// Time after the client's last connection.
        stays: Duration,
    },
    Failures {
        failed: usize,
        probes: usize,
        /// Failures that `window` may hold.
        allowed: usize,
        window: usize,
        reason: FailureReason,
    },
    FewReads {
        reads: u64,
        /// Reads after which a replica without reads would show.
        needed: u64,
        replicas: usize,
    },
    /// More evidence than balanced reads give, less than an alarm.
    Suspicion {
        evidence_seconds: f64,
        threshold_seconds: f64,
    },
}

named_enum! {
    pub enum UndecidedReason {
        FewReplicas = "few_replicas",
        SessionAffinity = "session_affinity",
        Failures = "failures",
        FewReads = "few_reads",
        Suspicion = "suspicion",
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct Culprit {
    pub replica: Arc<str>,
    pub kind: CulpritKind,
    /// Of the evidence, 0 to 1.
    pub part: f64,
    /// 0 to 1.
    pub share: f64,
    /// 0 to 1.
    pub expected: f64,
}

named_enum! {
    pub enum CulpritKind {
        Dead = "dead",
        Starved = "starved",
        Hot = "hot",
    }
}

/// Reads that chance alone explains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AllAnswer {
    pub answering: usize,
    pub replicas: usize,
    /// False: the replicas were seen, not configured.
    pub listed: bool,
}

/// The period holds too few probes: ordinary noise can keep an alarm from clearing.
#[derive(Clone, Debug, PartialEq)]
pub struct FewProbes {
    pub probes: f64,
    pub needed: f64,
    pub replicas: usize,
    /// The false-alarm period times the number of targets.
    pub threshold_seconds: f64,
    pub interval_seconds: f64,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Evidence {
    pub seconds: f64,
    pub threshold_seconds: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum VerdictKind {
    Balanced,
    Unbalanced,
    FewReplicas,
    Affinity,
    Failures,
    FewReads,
    Suspicion,
}

impl Verdict {
    pub fn name(&self) -> &'static str {
        match self {
            Self::Balanced(_) => "balanced",
            Self::Unbalanced { .. } => "unbalanced",
            Self::Undecided(_) => "undecided",
        }
    }

    pub fn is_unbalanced(&self) -> bool {
        matches!(self, Self::Unbalanced { .. })
    }

    pub fn undecided(&self) -> Option<UndecidedReason> {
        let Self::Undecided(why) = self else { return None };
        Some(match why {
            Undecided::FewReplicas { .. } => UndecidedReason::FewReplicas,
            Undecided::Affinity { .. } => UndecidedReason::SessionAffinity,
            Undecided::Failures { .. } => UndecidedReason::Failures,
            Undecided::FewReads { .. } => UndecidedReason::FewReads,
            Undecided::Suspicion { .. } => UndecidedReason::Suspicion,
        })
    }

    /// The largest part of the evidence first; empty without an alarm.
    pub fn culprits(&self) -> &[Culprit] {
        match self {
            Self::Unbalanced { culprits, .. } => culprits,
            Self::Balanced(_) | Self::Undecided(_) => &[],
        }
    }
}

impl CulpritKind {
    pub(crate) fn of(suspect: &Suspect) -> Self {
        match suspect.odds {
            odds if odds <= 0.0 => Self::Dead,
            odds if odds < 1.0 => Self::Starved,
            _ => Self::Hot,
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Balanced(all) => write!(f, "Balanced: {all}"),
            Self::Unbalanced { culprits, evidence_seconds } => {
                let (culprits, long) = (culprits.iter().map(ToString::to_string), Long(*evidence_seconds));
                let culprits = culprits.collect::<Vec<_>>().join(", ");
                write!(f, "Unbalanced: {culprits}; reads this uneven occur by chance once in {long}")
            }
            Self::Undecided(why) => write!(f, "Undecided: {why}"),
        }
    }
}

impl fmt::Display for Undecided {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FewReplicas { replicas: 0 } => f.write_str("no replica is known"),
            Self::FewReplicas { replicas } => {
                write!(f, "{replicas} replica is expected; a comparison needs two")
            }
            Self::Affinity { stays } => write!(
                f,
                "the Service keeps a client on one endpoint until {} after its last connection (sessionAffinity: \
                 ClientIP), so the reads of one client do not show the shares",
                HumanDuration(*stays)
            ),
            Self::Failures { failed, probes, allowed, window, reason } => write!(
                f,
                "{failed} of the last {} failed ({reason}), and a verdict allows {allowed} of {window}: the failures of one \
                 replica look like reads that it does not get; {}",
                Count(*probes, "probe"),
                reason.advice()
            ),
            Self::FewReads { reads, needed, replicas } => write!(
                f,
                "{} so far; it takes {needed} to tell that one of {replicas} replicas gets no reads",
                Count(*reads, "read")
            ),
            Self::Suspicion { evidence_seconds, threshold_seconds } => write!(
                f,
                "reads this uneven occur by chance once in {}; the alarm is set to once in {}",
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
        write!(f, "occurs by chance once in {}; alarm at once in {}", Long(self.seconds), Long(self.threshold_seconds))
    }
}

impl fmt::Display for AllAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { answering, replicas, listed } = self;
        let (the, seen) = if *listed { ("", "") } else { ("the ", " seen") };
        write!(f, "{answering} of {the}{replicas} replicas{seen} answer, chance alone explains the differences")
    }
}

impl fmt::Display for FewProbes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { probes, needed, replicas, threshold_seconds, interval_seconds } = self;
        write!(
            f,
            "the false-alarm period times the number of targets is {} and holds {probes:.0} probes, but {replicas} \
             replicas need {needed:.0}: ordinary noise can keep an alarm from clearing; lower the interval to {:.0} ms, \
             or raise the false-alarm period until the product is {}",
            Long(*threshold_seconds),
            threshold_seconds / needed * 1000.0,
            Long(needed * interval_seconds)
        )
    }
}

/// Writes a part as a percentage with two digits; small parts keep a decimal.
struct Percent(f64);

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let percent = self.0 * 100.0;
        let digits = usize::from(percent < 10.0 && (percent - percent.round()).abs() >= 0.05);
        write!(f, "{percent:.digits$}")
    }
}

/// Writes seconds in the largest unit that fits at least twice.
pub(crate) struct Long(pub(crate) f64);

impl fmt::Display for Long {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [(f64, &str); 4] =
            [(365.25 * 86_400.0, "years"), (86_400.0, "days"), (3600.0, "hours"), (60.0, "minutes")];
        // "90 minutes" says more than "1 hour".
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
    fn verdicts_are_sentences() {
        let unbalanced = |culprits| Verdict::Unbalanced { culprits, evidence_seconds: 41.2 * 86_400.0 }.to_string();
        assert_eq!(
            unbalanced(vec![culprit(CulpritKind::Starved, 0.08)]),
            "Unbalanced: mysql-2 gets 8 % of the reads where 33 % is expected; reads this uneven occur by chance once \
             in 41 days"
        );
        let two = vec![culprit(CulpritKind::Dead, 0.001), culprit(CulpritKind::Starved, 0.041)];
        assert_eq!(
            unbalanced(two),
            "Unbalanced: mysql-2 gets none of the reads where 33 % is expected, mysql-2 gets 4.1 % of the reads where \
             33 % is expected; reads this uneven occur by chance once in 41 days"
        );
        let all = AllAnswer { answering: 3, replicas: 3, listed: true };
        assert_eq!(
            Verdict::Balanced(all).to_string(),
            "Balanced: 3 of 3 replicas answer, chance alone explains the differences"
        );
        let few = Undecided::FewReads { reads: 12, needed: 54, replicas: 3 };
        assert_eq!(
            Verdict::Undecided(few).to_string(),
            "Undecided: 12 reads so far; it takes 54 to tell that one of 3 replicas gets no reads"
        );
    }

    #[test]
    fn long_times_have_the_largest_unit_that_fits_twice() {
        for (seconds, text) in [
            (0.0, "0 seconds"),
            (1.4, "1 second"),
            (119.0, "119 seconds"),
            (7200.0, "2 hours"),
            (3.5e6, "41 days"),
            (1e9, "32 years"),
        ] {
            assert_eq!(Long(seconds).to_string(), text);
        }
    }
}
