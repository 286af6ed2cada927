//! Which replicas do not do their part: facts of Kubernetes, pod probes and reads become conditions.
//!
//! A pod should serve if it was an endpoint of the Service when it was last ready. A pod that was never seen ready should
//! serve if every ready pod is an endpoint: the selector of the Service may leave pods out, such as the primary.

#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, VecDeque, btree_map::Entry},
    sync::Arc,
    time::Duration,
};

use jiff::Timestamp;

use super::{
    condition::{ConditionKind, ReplicaCondition},
    notice::CHECK_ROUTING,
    slowness::Slow,
};
use crate::model::{
    base::{GRACE, HumanDuration, Moment},
    cluster::{EndpointRouting, Member, PodState, PvcReason, Step},
    freshness::{Lag, PodFailing},
    probe::FailureReason,
};

/// Usual times of planned steps.
const TERMINATES: Duration = Duration::from_secs(120);
const RECREATED: Duration = Duration::from_secs(15);
const SCHEDULED: Duration = Duration::from_secs(5);
const STARTS: Duration = Duration::from_secs(300);
/// In a scale event, where a volume may be provisioned and perhaps a node started.
const SCHEDULED_IN_EVENT: Duration = Duration::from_secs(30);
/// In a scale event or a roll-out, where a pod waits for others and a new replica copies the data.
const STEP_LASTS: Duration = Duration::from_secs(900);
/// After a restart, a replica catches up.
const CATCHES_UP: Duration = Duration::from_secs(60);

/// Pod probes must have been failing for this time, in which reads may still show that the replica serves. Probes through the
/// Service that fail for the same reason show it at once.
const FAILING_FOR: Duration = Duration::from_secs(3);

/// Shorter lags are no condition.
const LAGS_FOR: Duration = Duration::from_secs(10);

const FLAPS_WITHIN: Duration = Duration::from_secs(600);
const FLAPS: usize = 3;
const TURNS_MAX: usize = 60;

/// What is known of one replica.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub(crate) struct Facts<'a> {
    pub(crate) name: &'a Arc<str>,
    pub(crate) member: Option<&'a Member>,
    pub(crate) is_endpoint: bool,
    /// Reads are routed to it, and it has an expected share.
    pub(crate) expected: bool,
    /// The configuration expects it.
    pub(crate) configured: bool,
    /// The result of its last pod probe.
    pub(crate) pod_probe: Option<Result<(), &'a PodFailing>>,
    pub(crate) last_read: Option<Moment>,
    /// It gets none of the reads.
    pub(crate) silent: bool,
    pub(crate) slow: Option<Slow>,
    pub(crate) lag: Option<Lag>,
}

impl Facts<'_> {
    /// A condition that no planned step explains.
    fn condition(&self, kind: ConditionKind, since: Moment, what: String, advice: &'static str) -> ReplicaCondition {
        let (replica, since) = (Arc::clone(self.name), since.wall);
        ReplicaCondition { replica, kind, since, what, advice, planned: false }
    }

    /// Why its server should answer.
    fn ready_or_expected(&self) -> &'static str {
        if self.member.is_some() { "ready" } else { "expected" }
    }
}

#[derive(Debug, Default)]
pub(crate) struct Health {
    followed: BTreeMap<Arc<str>, Followed>,
    /// The worst first.
    conditions: Vec<ReplicaCondition>,
    wanted: usize,
    serving: usize,
    pods_answer: Option<bool>,
    assessed: Option<Moment>,
}

#[derive(Debug, Default)]
struct Followed {
    uid: Option<Arc<str>>,
    /// Whether the Service selects it, as of when it was last ready.
    selected: Option<bool>,
    /// Ready, but no endpoint.
    unlisted: Option<Moment>,
    serves: bool,
    was_serving: bool,
    /// When `serves` changed after it was true for the first time; newest first.
    turns: VecDeque<Moment>,
    flapping: Option<Moment>,
    absent: Option<Since>,
    /// What is said about its pod, and since when.
    state: Option<(&'static str, Since)>,
    returned: Option<Moment>,
    lagging: Option<Moment>,
}

/// What is known of all replicas of a target.
#[derive(Debug)]
pub(crate) struct Scene<'a> {
    pub(crate) facts: &'a [Facts<'a>],
    /// The endpoints are known, and each is a server.
    pub(crate) endpoints_known: bool,
    pub(crate) max_lag: Duration,
    /// Reason and time of the latest failures of probes through the Service.
    pub(crate) failures: &'a [(FailureReason, Moment)],
}

/// A beginning, which may precede the first look by `before`.
#[derive(Clone, Copy, Debug)]
struct Since {
    seen: Moment,
    before: Duration,
}

impl Since {
    fn lasted(self, now: Moment) -> Duration {
        now.since(self.seen) + self.before
    }

    fn wall(self) -> Timestamp {
        self.seen.wall.checked_sub(self.before).unwrap_or(self.seen.wall)
    }
}

impl Health {
    /// The worst first.
    pub(crate) fn conditions(&self) -> &[ReplicaCondition] {
        &self.conditions
    }

    /// The replicas that should serve, and those of them that do.
    pub(crate) fn wanted_and_serving(&self) -> (usize, usize) {
        (self.wanted, self.serving)
    }

    /// Whether any pod probe was answered lately; absent before the first.
    pub(crate) fn pods_answer(&self) -> Option<bool> {
        self.pods_answer
    }

    pub(crate) fn assessed(&self) -> Option<Moment> {
        self.assessed
    }

    /// Whether the replica should serve and does not.
    pub(crate) fn misses(&self, name: &str) -> bool {
        self.followed.get(name).is_some_and(|followed| followed.absent.is_some())
    }

    pub(crate) fn assess(&mut self, scene: &Scene<'_>, now: Moment) {
        self.assessed = Some(now);
        let facts = scene.facts;
        self.followed.retain(|name, _| facts.iter().any(|facts| facts.name == name));
        let mut ready = facts.iter().filter_map(|facts| facts.member).filter(|member| member.state == PodState::Ready);
        let all_selected = ready.all(|member| member.endpoint.is_some());
        let (mut conditions, mut wanted, mut serving) = (Vec::new(), 0, 0);
        for facts in facts {
            let followed = self.followed.entry(Arc::clone(facts.name));
            let is_new = matches!(followed, Entry::Vacant(_));
            let followed = followed.or_default();
            let missing = followed.missing(facts, all_selected, scene.endpoints_known, is_new, now);
            let outage = missing.or_else(|| cannot_serve(facts, scene, now));
            wanted += usize::from(facts.expected || outage.is_some());
            serving += usize::from(facts.expected && outage.is_none());
            let unread = if outage.is_none() { not_routed(facts, now) } else { None };
            let slow = if outage.is_none() { slow(facts) } else { None };
            let (flapping, stale) = (followed.flaps(facts, now), followed.stale(facts, scene.max_lag, now));
            conditions.extend(outage.into_iter().chain(unread).chain(slow).chain(flapping).chain(stale));
        }
        conditions.sort_by_key(|condition| (condition.planned, condition.kind));
        (self.conditions, self.wanted, self.serving) = (conditions, wanted, serving);
        self.pods_answer =
            facts.iter().filter_map(|facts| facts.pod_probe).map(|probe| probe.is_ok()).reduce(|a, b| a || b);
    }
}

impl Followed {
    fn missing(
        &mut self,
        facts: &Facts<'_>,
        all_selected: bool,
        endpoints_known: bool,
        is_new: bool,
        now: Moment,
    ) -> Option<ReplicaCondition> {
        let is_ready = facts.member.is_none_or(|member| member.state == PodState::Ready);
        self.unlisted = (is_ready && !facts.is_endpoint).then(|| self.unlisted.unwrap_or(now));
        let unlisted = self.unlisted.filter(|since| now.since(*since) >= GRACE);
        if facts.is_endpoint || unlisted.is_some() {
            self.selected = Some(facts.is_endpoint);
        }
        let should_serve = facts.configured || self.selected.unwrap_or(all_selected);
        let Some(member) = facts.member.filter(|_| !is_ready && should_serve) else {
            self.returned = self.absent.take().map(|_| now).or(self.returned);
            self.state = None;
            let answers = facts.last_read.is_some_and(|read| now.since(read) < GRACE);
            let unlisted = unlisted.filter(|_| facts.configured && endpoints_known && !answers)?;
            return Some(not_selected(facts, unlisted, now));
        };
        let before = member.since.filter(|_| is_new).and_then(|since| now.wall.duration_since(since).try_into().ok());
        let since = Since { seen: now, before: before.unwrap_or_default() };
        let absent = *self.absent.get_or_insert(since);
        let is = said(&member.state);
        let state = self.state.filter(|(before, _)| *before == is).unwrap_or((is, since));
        self.state = Some(state);
        // A container that crashes again and again has not been ready since the first crash.
        let lasted = if is == NOT_READY { absent } else { state.1 }.lasted(now);
        Some(absent_as(member, absent, lasted, facts.pod_probe.and_then(Result::err)))
    }

    /// Readiness or membership changed often.
    fn flaps(&mut self, facts: &Facts<'_>, now: Moment) -> Option<ReplicaCondition> {
        let member = facts.member?;
        if self.uid != member.uid {
            self.uid.clone_from(&member.uid);
            (self.serves, self.was_serving) = (false, false);
            self.turns.clear();
        }
        if member.state != PodState::Terminating {
            let is_listed = matches!(member.endpoint, Some(EndpointRouting::Routed | EndpointRouting::Elsewhere));
            let serves = is_listed && member.state == PodState::Ready;
            if serves != self.serves && self.was_serving {
                self.turns.truncate(TURNS_MAX - 1);
                self.turns.push_front(now);
            }
            self.was_serving |= serves;
            self.serves = serves;
        }
        while self.turns.back().is_some_and(|turn| now.since(*turn) >= FLAPS_WITHIN) {
            self.turns.pop_back();
        }
        let first = self.turns.back().copied().filter(|_| self.turns.len() >= FLAPS);
        self.flapping = first.map(|first| self.flapping.unwrap_or(first));
        let (name, times, within) = (facts.name, self.turns.len(), HumanDuration(FLAPS_WITHIN));
        let what = format!("{name} is flapping: it became ready or not ready {times} times in {within}");
        let advice = "check its readiness probe, and its log at these times";
        Some(facts.condition(ConditionKind::Flapping, self.flapping?, what, advice))
    }

    fn stale(&mut self, facts: &Facts<'_>, max_lag: Duration, now: Moment) -> Option<ReplicaCondition> {
        let wanted = facts.expected || self.absent.is_some();
        let lag = facts.lag.filter(|lag| wanted && lag.behind >= max_lag);
        self.lagging = lag.map(|_| self.lagging.unwrap_or(now));
        let (since, behind) = (self.lagging?, lag?.behind);
        let lasted = now.since(since);
        let step = facts.member.and_then(|member| member.step);
        let restarted = self.returned.is_some_and(|returned| now.since(returned) < CATCHES_UP);
        let planned = restarted || step.is_some() && lasted < STEP_LASTS;
        let name = facts.name;
        let what = if planned {
            format!("{name} catches up: it is {:.1} behind the primary", HumanDuration(behind))
        } else {
            format!(
                "{name} is stale since {}: it is {:.1} behind the primary, and the limit is {:.1}",
                HumanDuration(lasted),
                HumanDuration(behind),
                HumanDuration(max_lag)
            )
        };
        let advice = if planned { "" } else { "check its replication threads, its disk and its load" };
        let (replica, kind) = (Arc::clone(name), ConditionKind::Stale);
        (lasted >= LAGS_FOR).then_some(ReplicaCondition { replica, kind, since: since.wall, what, advice, planned })
    }
}

const NOT_READY: &str = "is not ready";

/// The same for states that change without a change of the trouble.
fn said(state: &PodState) -> &'static str {
    match state {
        PodState::Absent | PodState::Ready => "has no pod",
        PodState::Terminating => "is terminating",
        PodState::Unscheduled(_) | PodState::WithoutVolume { .. } => "is Pending",
        PodState::Waiting(_) | PodState::NotReady(_) => NOT_READY,
        PodState::Starting => "is starting",
    }
}

/// The pod should serve and is not ready for the time `lasted`.
fn absent_as(member: &Member, since: Since, lasted: Duration, failing: Option<&PodFailing>) -> ReplicaCondition {
    let usual = match (&member.state, member.step) {
        (PodState::Terminating, _) => TERMINATES,
        (PodState::Absent | PodState::Starting, Some(_)) => STEP_LASTS,
        (PodState::Absent, None) => RECREATED,
        (PodState::Starting, None) => STARTS,
        (PodState::Unscheduled(_) | PodState::WithoutVolume { lost: false, .. }, Some(Step::ScaleEvent { .. })) => {
            SCHEDULED_IN_EVENT
        }
        (PodState::Unscheduled(_) | PodState::WithoutVolume { lost: false, .. }, _) => SCHEDULED,
        _ => Duration::ZERO,
    };
    let planned = lasted < usual;
    let in_brackets = |text: &str| if text.is_empty() { String::new() } else { format!(" ({text})") };
    let (why, advice) = match &member.state {
        PodState::Absent | PodState::Ready => (
            String::new(),
            "check the Events of its StatefulSet: a lower ordinal may not be ready, or a quota is used up",
        ),
        PodState::Terminating => {
            (String::new(), "check its node, its finalizers, and how long mysqld takes to shut down")
        }
        PodState::Unscheduled(text) => (
            in_brackets(text),
            "uncordon or add a node, or change the requests, affinity or volume that no node satisfies",
        ),
        PodState::WithoutVolume { pvc, lost: true, .. } => (
            format!(": the volume of its PVC {pvc} is lost"),
            "restore the volume, or delete the PVC and the pod to clone the data again",
        ),
        PodState::WithoutVolume { pvc, reason, .. } => {
            let text = reason.as_ref().map(ToString::to_string).unwrap_or_default();
            let advice = reason.as_ref().map_or("check the Events of the PVC", PvcReason::advice);
            (format!(": its PVC {pvc} is not bound{}", in_brackets(&text)), advice)
        }
        PodState::Waiting(text) => (
            in_brackets(text),
            "check the Events of the pod, and the log of its last container (kubectl logs --previous)",
        ),
        PodState::Starting => (String::new(), "check its log, and the Events of the pod"),
        PodState::NotReady(text) => {
            let failing = failing.map(|failing| format!("pod probe: {}: {}", failing.reason, failing.text));
            let text: Vec<_> = [text.to_string()].into_iter().chain(failing).filter(|text| !text.is_empty()).collect();
            (in_brackets(&text.join("; ")), "check its log, and its readiness probe (kubectl describe pod)")
        }
    };
    let step = member.step.filter(|_| planned).map(|step| format!(" ({step})"));
    let (name, is, lasted) = (&member.name, said(&member.state), HumanDuration(lasted));
    ReplicaCondition {
        replica: Arc::clone(name),
        kind: ConditionKind::Missing,
        since: since.wall(),
        what: format!("{name} {is} since {lasted}{why}{}", step.unwrap_or_default()),
        advice: if planned { "" } else { advice },
        planned,
    }
}

/// The configuration expects the replica.
fn not_selected(facts: &Facts<'_>, since: Moment, now: Moment) -> ReplicaCondition {
    let (name, ready, lasted) = (facts.name, facts.ready_or_expected(), HumanDuration(now.since(since)));
    let what = format!("{name} is {ready} and not an endpoint of the Service since {lasted}");
    let advice = "check the selector of the Service, the labels of the pod, and the expected replicas";
    facts.condition(ConditionKind::Missing, since, what, advice)
}

/// Its pod probes fail, while those of others succeed and it gives no reads.
fn cannot_serve(facts: &Facts<'_>, scene: &Scene<'_>, now: Moment) -> Option<ReplicaCondition> {
    let fails = |facts: &Facts<'_>| facts.expected && matches!(facts.pod_probe, Some(Err(_)));
    let answers = |facts: &Facts<'_>| matches!(facts.pod_probe, Some(Ok(())));
    let failing = facts.pod_probe.filter(|_| facts.expected)?.err()?;
    let read = facts.last_read.is_some_and(|read| read > failing.since);
    let alone = scene.facts.iter().filter(|facts| fails(facts)).count() == 1;
    let same = |(reason, time): &(FailureReason, Moment)| *reason == failing.reason && *time >= failing.since;
    let its = alone && scene.failures.iter().any(same);
    // Without one that answers, readscope may reach no pod at its own address.
    if read || !its && now.since(failing.since) < FAILING_FOR || !scene.facts.iter().any(answers) {
        return None;
    }
    let what = format!(
        "{} is {} and does not serve reads at its own address since {} ({}: {}){}",
        facts.name,
        facts.ready_or_expected(),
        HumanDuration(now.since(failing.since)),
        failing.reason,
        failing.text,
        if its { ", and the failed probes through the Service are its" } else { "" }
    );
    Some(facts.condition(ConditionKind::CannotServe, failing.since, what, failing.advice))
}

fn not_routed(facts: &Facts<'_>, now: Moment) -> Option<ReplicaCondition> {
    let serves = facts.expected && facts.pod_probe == Some(Ok(()));
    if !(serves && facts.silent) {
        return None;
    }
    let since = facts.last_read.map(|read| format!(" since {}", HumanDuration(now.since(read))));
    let what = format!(
        "{} gets no reads{}, although it is ready, is an endpoint of the Service, and answers at its own address",
        facts.name,
        since.unwrap_or_default()
    );
    Some(facts.condition(ConditionKind::NotRouted, facts.last_read.unwrap_or(now), what, CHECK_ROUTING))
}

fn slow(facts: &Facts<'_>) -> Option<ReplicaCondition> {
    let slow = facts.slow?;
    let advice = "check the CPU limit, the load, the disk and the network of its pod";
    Some(facts.condition(ConditionKind::Slow, slow.since, format!("{} {slow}", facts.name), advice))
}
