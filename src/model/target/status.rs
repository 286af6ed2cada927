//! The status of a target, and its headline: the worse of status and verdict, in one sentence.

use std::{fmt, time::Duration};

use super::{condition::ReplicaCondition, notice::TargetNotice, snapshot::FailureSeen};
use crate::model::{
    base::{HumanDuration, named_enum},
    probe::Pause,
};

/// Conditions that a headline names.
const NAMED_MAX: usize = 3;

named_enum! {
    /// From facts; the verdict says how reads divide.
    pub enum Status {
        Ok = "ok",
        /// Some replica cannot do its part.
        Degraded = "degraded",
        /// The last 10 probes failed, or all of fewer.
        Down = "down",
        Unknown = "unknown",
    }
}

#[derive(Debug)]
pub(crate) struct Facts<'a> {
    pub(crate) probes: u64,
    pub(crate) up: bool,
    /// Fewer probes than it takes to be sure that the target is not up.
    pub(crate) early: bool,
    /// Whether a pod probe was answered lately; absent before the first.
    pub(crate) pods_answer: Option<bool>,
    /// Time since the last read; absent without one.
    pub(crate) unread: Option<Duration>,
    pub(crate) failure: Option<&'a FailureSeen>,
    pub(crate) pause: Option<&'a Pause>,
    /// The Service routes no reads.
    pub(crate) nowhere: Option<&'a TargetNotice>,
    /// The worst first.
    pub(crate) conditions: &'a [ReplicaCondition],
    /// The replicas that should serve, and those of them that do.
    pub(crate) wanted_and_serving: (usize, usize),
    /// The sentence of the verdict, or of a check.
    pub(crate) verdict: String,
    /// The verdict outweighs a replica that serves.
    pub(crate) verdict_counts: bool,
}

impl Facts<'_> {
    pub(crate) fn status(&self) -> Status {
        if self.probes == 0 {
            Status::Unknown
        } else if self.is_down() {
            Status::Down
        } else if self.conditions.iter().any(|condition| !condition.planned) {
            Status::Degraded
        } else if self.pauses() {
            Status::Unknown
        } else {
            Status::Ok
        }
    }

    /// While probes are paused, pod probes show whether the servers answer.
    fn is_down(&self) -> bool {
        match self.pods_answer.filter(|_| self.pauses()) {
            Some(true) => !self.up && !self.early,
            Some(false) => true,
            None => !self.up,
        }
    }

    fn pauses(&self) -> bool {
        self.pause.is_some_and(|pause| pause.service)
    }

    pub(crate) fn headline(&self) -> String {
        let worst = self.conditions.first();
        match self.status() {
            Status::Down => format!("Down: {}", self.cause()),
            Status::Degraded if self.verdict_counts && worst.is_some_and(|worst| !worst.kind.is_outage_of_reads()) => {
                self.verdict.clone()
            }
            Status::Degraded => {
                let (wanted, serving) = self.wanted_and_serving;
                let outage = worst.is_some_and(|worst| worst.kind.is_outage());
                let serve = if outage { format!("{serving} of {wanted} replicas serve: ") } else { String::new() };
                format!("Degraded: {serve}{}", Named(self.conditions))
            }
            Status::Unknown if self.probes == 0 => "Unknown: no probe has ended yet".to_owned(),
            Status::Unknown => {
                let pause = self.pause.cloned().map(|pause| TargetNotice::ProbingPaused(pause).to_string());
                format!("Unknown: {}", pause.unwrap_or_default())
            }
            Status::Ok if worst.is_some() => format!("{}; {}", self.verdict, Named(self.conditions)),
            Status::Ok => self.verdict.clone(),
        }
    }

    fn cause(&self) -> String {
        let unread = self
            .unread
            .map_or("no read so far".to_owned(), |unread| format!("no read since {}", HumanDuration(unread)));
        let missing = self.conditions.first().filter(|worst| worst.kind.is_outage());
        if missing.is_some() && self.wanted_and_serving.1 == 0 {
            return format!("{unread}: {}", Named(self.conditions));
        }
        let failure =
            self.failure.map(|failure| format!(" ({}: {})", failure.reason, failure.text)).unwrap_or_default();
        if let Some(nowhere) = self.nowhere {
            return format!("{unread}{failure}: {nowhere}");
        }
        let harm = self.pause.filter(|pause| pause.service).map(|pause| pause.held.charge.harm());
        let harm = harm.map(|harm| format!(", and further failed probes {harm}")).unwrap_or_default();
        let advice = self.failure.map(|failure| format!("; {}", failure.advice)).unwrap_or_default();
        format!("{unread}{failure}{harm}{advice}")
    }
}

/// The first conditions in one sentence, with the advice for the worst.
struct Named<'a>(&'a [ReplicaCondition]);

impl fmt::Display for Named<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named: Vec<_> = self.0.iter().take(NAMED_MAX).map(|condition| &*condition.what).collect();
        f.write_str(&named.join(", "))?;
        if self.0.len() > NAMED_MAX {
            write!(f, ", and {} more", self.0.len() - NAMED_MAX)?;
        }
        match self.0.first() {
            Some(worst) if !worst.advice.is_empty() => write!(f, "; {}", worst.advice),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use jiff::Timestamp;

    use super::*;
    use crate::model::{
        base::Moment,
        cluster::Rule,
        probe::{Charge, FailureReason, Held},
        target::condition::ConditionKind,
    };

    const BALANCED: &str = "Balanced: 3 of 3 replicas answer, chance alone explains the differences";

    fn condition(replica: &str, kind: ConditionKind, what: &str, planned: bool) -> ReplicaCondition {
        let (what, since) = (format!("{replica} {what}"), Timestamp::UNIX_EPOCH);
        let advice = if planned { "" } else { "check it" };
        ReplicaCondition { replica: replica.into(), kind, since, what, advice, planned }
    }

    fn facts<'a>() -> Facts<'a> {
        Facts {
            probes: 100,
            up: true,
            early: false,
            pods_answer: Some(true),
            unread: Some(Duration::from_secs(12)),
            failure: None,
            pause: None,
            nowhere: None,
            conditions: &[],
            wanted_and_serving: (3, 3),
            verdict: BALANCED.to_owned(),
            verdict_counts: false,
        }
    }

    fn refused() -> FailureSeen {
        FailureSeen {
            time: Moment::START,
            reason: FailureReason::Auth,
            text: "Access denied for user 'readscope'".to_owned(),
            advice: FailureReason::Auth.advice(),
            address: None,
            duration: Duration::ZERO,
        }
    }

    fn pause(service: bool) -> Pause {
        let held =
            Held { charge: Charge::Login, failures: 1, length: Duration::from_secs(300), until: Moment::at(400.0) };
        Pause { held, service, pods: Vec::new() }
    }

    #[track_caller]
    fn assert_is(facts: &Facts<'_>, status: Status, headline: &str) {
        assert_eq!((facts.status(), &*facts.headline()), (status, headline));
    }

    #[test]
    fn without_trouble_the_headline_is_the_verdict() {
        assert_is(&facts(), Status::Ok, BALANCED);
        let undecided = "Undecided: 12 reads so far; it takes 54 to tell that one of 3 replicas gets no reads";
        assert_is(&Facts { verdict: undecided.to_owned(), ..facts() }, Status::Ok, undecided);
    }

    #[test]
    fn a_degraded_target_names_the_worst_replicas_and_the_advice() {
        let pending = condition("mysql-0", ConditionKind::Missing, "is Pending since 1 min 10 s (cordoned)", false);
        let planned = condition("mysql-3", ConditionKind::Missing, "is starting since 9 s", true);
        let one = [pending.clone(), planned.clone()];
        let degraded = Facts { conditions: &one, wanted_and_serving: (4, 2), ..facts() };
        let sentence = "Degraded: 2 of 4 replicas serve: mysql-0 is Pending since 1 min 10 s (cordoned), mysql-3 is starting \
                        since 9 s; check it";
        assert_is(&degraded, Status::Degraded, sentence);
        let ordinals = 0..5;
        let five: Vec<_> =
            ordinals.map(|ordinal| condition(&format!("mysql-{ordinal}"), pending.kind, "fails", false)).collect();
        let sentence =
            "Degraded: 3 of 8 replicas serve: mysql-0 fails, mysql-1 fails, mysql-2 fails, and 2 more; check it";
        assert_is(&Facts { conditions: &five, wanted_and_serving: (8, 3), ..facts() }, Status::Degraded, sentence);
        // Planned steps alone are no trouble, and are said.
        let step = [planned];
        let sentence = format!("{BALANCED}; mysql-3 is starting since 9 s");
        assert_is(&Facts { conditions: &step, wanted_and_serving: (4, 3), ..facts() }, Status::Ok, &sentence);
    }

    #[test]
    fn unbalanced_reads_outweigh_a_replica_that_serves() {
        let unbalanced = "Unbalanced: mysql-1 gets 8 % of the reads where 33 % is expected";
        for (kind, outweighs) in ConditionKind::ALL.into_iter().zip([false, false, false, true, true, true]) {
            let conditions = [condition("mysql-2", kind, "is in trouble", false)];
            let facts =
                Facts { conditions: &conditions, verdict: unbalanced.to_owned(), verdict_counts: true, ..facts() };
            assert_eq!((facts.status(), facts.headline() == unbalanced), (Status::Degraded, outweighs), "{kind:?}");
        }
    }

    #[test]
    fn a_target_without_reads_is_down_with_its_cause() {
        let failure = refused();
        let down = || Facts { up: false, failure: Some(&failure), ..facts() };
        let advice = "check the user and the password, and the account's hosts and state on every replica";
        let cause = format!("(auth: Access denied for user 'readscope'); {advice}");
        assert_is(&down(), Status::Down, &format!("Down: no read since 12 s {cause}"));
        assert_is(&Facts { unread: None, ..down() }, Status::Down, &format!("Down: no read so far {cause}"));
        let held = pause(true);
        let sentence = "Down: no read so far (auth: Access denied for user 'readscope'), and further failed probes could lock \
                        the account; check the user and the password, and the account's hosts and state on every replica";
        assert_is(&Facts { unread: None, pause: Some(&held), pods_answer: None, ..down() }, Status::Down, sentence);
        let nowhere = TargetNotice::NothingRouted { rule: Rule::NoService };
        let sentence = "Down: no read since 12 s (auth: Access denied for user 'readscope'): no reads are routed here: the \
                        Service does not exist; check its namespace and name";
        assert_is(&Facts { nowhere: Some(&nowhere), ..down() }, Status::Down, sentence);
        let missing = [condition("mysql-0", ConditionKind::Missing, "is Pending", false)];
        let alone = Facts { conditions: &missing, wanted_and_serving: (1, 0), nowhere: Some(&nowhere), ..down() };
        assert_is(&alone, Status::Down, "Down: no read since 12 s: mysql-0 is Pending; check it");
        // Another replica serves: the cause is elsewhere.
        let others = Facts { wanted_and_serving: (3, 2), nowhere: None, ..alone };
        assert_is(&others, Status::Down, &format!("Down: no read since 12 s {cause}"));
    }

    #[test]
    fn what_is_not_known_is_unknown() {
        let none = Facts { probes: 0, up: false, ..facts() };
        assert_is(&none, Status::Unknown, "Unknown: no probe has ended yet");
        let (failure, held) = (refused(), pause(true));
        let first = Facts { probes: 1, up: false, early: true, failure: Some(&failure), pause: Some(&held), ..facts() };
        let sentence = "Unknown: probes are paused until 1970-01-01T00:06:40Z after 1 refused login: more of them can lock \
                        the account; fix the cause of the failed probes and reload the configuration, which ends the pause";
        assert_is(&first, Status::Unknown, sentence);
        // Pods of which one refuses the login: the others serve.
        let conditions = [condition("mysql-1", ConditionKind::CannotServe, "refuses", false)];
        let sentence = "Degraded: 2 of 3 replicas serve: mysql-1 refuses; check it";
        let of_pods = Facts { conditions: &conditions, wanted_and_serving: (3, 2), ..first };
        assert_is(&of_pods, Status::Degraded, sentence);
    }

    #[test]
    fn a_pause_with_no_server_that_answers_is_down() {
        let (failure, held, of_pods) = (refused(), pause(true), pause(false));
        let paused = || Facts { failure: Some(&failure), pause: Some(&held), ..facts() };
        let status = |facts: Facts<'_>| facts.status();
        assert_eq!(status(Facts { pods_answer: Some(false), ..paused() }), Status::Down);
        assert_eq!(status(Facts { pods_answer: Some(true), ..paused() }), Status::Unknown);
        assert_eq!(status(Facts { pods_answer: None, ..paused() }), Status::Unknown);
        assert_eq!(status(Facts { pods_answer: None, up: false, ..paused() }), Status::Down);
        assert_eq!(status(Facts { pods_answer: Some(true), up: false, ..paused() }), Status::Down, "ten failed");
        assert_eq!(status(Facts { pods_answer: Some(false), pause: Some(&of_pods), ..facts() }), Status::Ok);
    }

    #[test]
    fn statuses_have_the_names_of_the_metric() {
        let names: Vec<Arc<str>> = Status::ALL.into_iter().map(|status| status.name().into()).collect();
        assert_eq!(names, ["ok", "degraded", "down", "unknown"].map(Arc::from));
    }
}
