//! One target, built from its probes and the routing of its Service.

#[cfg(test)]
mod answering;
#[cfg(test)]
mod standing;
#[cfg(test)]
mod verdicts;

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use super::{
    burst::Bursts,
    conditions::Conditions,
    expected_replicas::ExpectedReplicas,
    health::{self, Health},
    notice::TargetNotice,
    pod_servers::{SETTLE_EVERY, is_address},
    read_counters::{DOWN_AFTER, ReadCounters},
    read_history::ReadHistory,
    replica::Replica,
    replicas::Replicas,
    resequencer::Resequencer,
    slowness::LatestReads,
    snapshot::{AnswerSeen, FailureSeen, ReplicaSnapshot, TargetSnapshot},
    spec::TargetSpec,
    status::{self, Status},
};
use crate::model::{
    base::{GRACE, Moment, OTHER, ObjectName, PodRef, SERVICE_PORT},
    clients::{self, Balance, NewConnections, Round},
    cluster::{EndpointRouting, Matching, Member, Reachable, Rollout, Routing, Rule, client_port},
    freshness::PodProbes,
    probe::{
        Anomaly, AnomalySeen, Answer, FailureReason, Latency, Pause, PodClients, PodProbeResult, PodRead, Probe,
        ProbePlan, Role, ServerStatus, Unrouted,
    },
    verdict::{Check, Culprit, CulpritKind, Evaluator, Expectation, UnderWay, Verdict, VerdictKind},
};

#[derive(Debug)]
pub(crate) struct Target {
    spec: TargetSpec,
    expected_replicas: ExpectedReplicas,
    replicas: Replicas,
    bursts: Bursts,
    pod_probes: Option<PodProbes>,
    plan: ProbePlan,
    counters: ReadCounters,
    history: ReadHistory,
    latency: Latency,
    latest_reads: LatestReads,
    conditions: Conditions,
    pause: Option<Pause>,
    health: Health,
    /// Of the last notice.
    status: Option<Status>,
    skewed: bool,
    few_probes: bool,
    /// Start and result of each probe, on the way to the evaluator and the check.
    resequencer: Resequencer<(Moment, Result<Arc<str>, FailureReason>)>,
    evaluator: Evaluator,
    /// The verdict of the last notice.
    noticed: Option<VerdictKind>,
    check: Option<Check>,
    /// Of the `StatefulSet` behind the Service, while it is not complete.
    rollout: Option<(ObjectName, Rollout)>,
    balance: Balance,
    met_clients: Option<PodClients>,
}

impl Target {
    pub(crate) fn new(spec: TargetSpec) -> Self {
        let mut target = Self {
            expected_replicas: ExpectedReplicas::new(spec.expectation.clone()),
            replicas: Replicas::new(&spec.expectation),
            bursts: Bursts::new(&spec.pace),
            pod_probes: PodProbes::new(&spec.pace),
            plan: ProbePlan::default(),
            counters: ReadCounters::default(),
            history: ReadHistory::default(),
            latency: Latency::default(),
            latest_reads: LatestReads::default(),
            conditions: Conditions::default(),
            pause: None,
            health: Health::default(),
            status: None,
            skewed: false,
            few_probes: false,
            resequencer: Resequencer::default(),
            evaluator: Evaluator::new(&spec.verdict),
            noticed: None,
            check: None,
            rollout: None,
            balance: Balance::new(spec.pace.clients_interval),
            met_clients: None,
            spec,
        };
        target.expect(Moment::START);
        target
    }

    pub(crate) fn name(&self) -> &Arc<str> {
        &self.spec.name
    }

    pub(crate) fn service(&self) -> Option<&ObjectName> {
        self.spec.service.as_ref()
    }

    pub(crate) fn statefulset(&self) -> Option<&ObjectName> {
        self.spec.statefulset.as_ref()
    }

    pub(crate) fn checks(&self) -> bool {
        self.spec.check.is_some()
    }

    pub(crate) fn pod_probe_port(&self) -> Option<u16> {
        self.pod_probes.as_ref().map(|_| self.port().unwrap_or(SERVICE_PORT))
    }

    /// Absent while the Service is not known, and if it has no port that must be meant.
    fn port(&self) -> Option<u16> {
        self.spec.port.or_else(|| client_port(&self.expected_replicas.routing()?.ports))
    }

    /// `host` is the pod whose name is the server's host name. Returns details if a pod answered.
    pub(crate) fn probed(
        &mut self,
        probe: Probe,
        host: Option<PodRef>,
        now: Moment,
        notices: &mut Vec<TargetNotice>,
    ) -> Option<PodRead> {
        let Probe { sequence, started, finished, outcome } = probe;
        let (answered_by, read) = match outcome {
            Ok(mut answer) => {
                self.expected_replicas.read_by(&answer.identity, host);
                let status = answer.status.take();
                let name = self.answered(answer, started, finished, now, notices);
                let read = self.read(&name, started, now);
                self.status_read(&name, status, now, notices);
                (Ok(name), read)
            }
            Err(failure) => {
                let reason = failure.reason;
                self.counters.failed(reason);
                if let Some(pod_probes) = &mut self.pod_probes {
                    pod_probes.failed(now);
                }
                if failure.charge.is_some() {
                    self.bursts.end();
                }
                self.conditions.failed(reason, &failure.text_and_advice(), now, notices);
                self.history.failed(FailureSeen::new(failure, started, finished));
                (Err(reason), None)
            }
        };
        if let (Some(rules), None) = (&self.spec.check, &self.check) {
            let affinity = self.affinity();
            // Created with the first probe, when the routing is known.
            self.check = Some(Check::new(rules.clone(), self.expected_replicas.expectation(), affinity));
        }
        self.expect(now);
        notices.extend(self.check.as_mut().and_then(Check::waits).map(TargetNotice::CheckWaits));
        self.resequencer.insert(sequence, (started, answered_by));
        while let Some((started, answered_by)) = self.resequencer.pop() {
            let answered_by = answered_by.as_ref().map_err(|reason| *reason);
            self.evaluator.observe(started, answered_by);
            if let Some(check) = &mut self.check {
                check.observe(started, answered_by);
            }
        }
        notices.extend(self.new_verdict());
        read
    }

    pub(crate) fn skipped(&mut self, count: u64, now: Moment, notices: &mut Vec<TargetNotice>) {
        self.counters.skipped += count;
        self.conditions.skipped(count, now, notices);
    }

    pub(crate) fn paused(&mut self, pause: Option<Pause>, notices: &mut Vec<TargetNotice>) {
        if let (Some(pause), Some(check)) = (pause.as_ref().filter(|pause| pause.service), &mut self.check) {
            check.give_up(pause.held.charge);
        }
        notices.push(pause.clone().map_or(TargetNotice::ProbingResumed, TargetNotice::ProbingPaused));
        self.pause = pause;
    }

    /// `host` is the pod whose name is the server's host name.
    pub(crate) fn pod_probed(
        &mut self,
        probed: &PodProbeResult,
        host: Option<&PodRef>,
        now: Moment,
        notices: &mut Vec<TargetNotice>,
    ) {
        let Some(pod_probes) = &mut self.pod_probes else { return };
        let pod = &probed.pod;
        if let Ok(answer) = &probed.probe.outcome
            && pod_probes.is_reachable(&pod.uid)
        {
            self.expected_replicas.found_in(pod, &answer.identity, host, now);
            if self.expected_replicas.pod_servers().is_proxy(&pod.uid) {
                pod_probes.leave_out(&pod.uid);
            } else if is_address(&pod.name) && self.expected_replicas.pod_servers().is_server(&pod.uid) {
                let name = self.replicas.meet_server(&answer.identity, &self.expected_replicas, now);
                let earlier = self.expected_replicas.name_address(&pod.name, &name);
                if earlier != name {
                    self.replicas.rename(&earlier, &name, &self.expected_replicas);
                }
            }
        }
        pod_probes.probed(probed, now);
        if let Ok(answer) = &probed.probe.outcome {
            let started = probed.probe.started;
            let judged = pod_probes.assess(&answer.identity, started, now);
            let name = self.expected_replicas.replica_in(pod).cloned();
            if let Some(replica) = name.as_ref().and_then(|name| self.replicas.get_mut(name)) {
                replica.lags(judged.lag, started);
            }
            if let Some(name) = name {
                self.status_read(&name, answer.status.clone(), now, notices);
            }
        }
        self.compare(now);
        self.update_pods();
    }

    pub(crate) fn reach(&mut self, mut reachable: Vec<Reachable>, now: Moment) {
        if let Some(pod_probes) = &mut self.pod_probes {
            self.expected_replicas.reach(&reachable);
            let servers = self.expected_replicas.pod_servers();
            reachable.retain(|reachable| !servers.is_proxy(&reachable.pod.uid));
            pod_probes.reach(reachable, now);
            self.compare(now);
            self.update_pods();
        }
    }

    pub(crate) fn set_endpoints_known(&mut self, known: bool) {
        self.expected_replicas.set_endpoints_known(known);
    }

    pub(crate) fn routed(&mut self, routing: Option<Routing>, now: Moment) {
        if let Some(routing) = &routing {
            self.bursts.routed(routing, now);
        }
        let newly_expected = self.expected_replicas.routed(routing, now);
        self.meet_endpoints();
        self.replicas.expect_from_now(&newly_expected);
        self.compare(now);
        self.expect(now);
    }

    /// A check waits for a `StatefulSet` that is not complete.
    pub(crate) fn rolls_out(&mut self, rollout: Option<(ObjectName, Rollout)>, now: Moment) {
        self.rollout = rollout;
        self.expect(now);
    }

    fn meet_endpoints(&mut self) {
        let Some(routing) = self.expected_replicas.routing() else { return };
        for endpoint in &routing.endpoints {
            let has_server = match routing.matching {
                Matching::Endpoints => true,
                Matching::Unknown => self.replicas.answered().any(|name| *name == endpoint.name),
                Matching::Proxies => false,
            };
            if has_server || self.expected_replicas.is_configured(&endpoint.name) {
                self.replicas.meet(&endpoint.name);
                self.replicas.pod(&endpoint.name, None);
            } else {
                self.replicas.leave_out(&endpoint.name);
            }
        }
    }

    /// Compares the servers that answer with the endpoints.
    fn compare(&mut self, now: Moment) {
        let pod_probes = self.pod_probes.as_ref();
        let is_known = |at: &str| pod_probes.is_none_or(|pod_probes| !pod_probes.may_find(at));
        let before = self.expected_replicas.matching();
        let newly_expected = self.expected_replicas.compare(&self.replicas.answered(), is_known);
        if self.expected_replicas.matching() != before {
            self.meet_endpoints();
            self.replicas.expect_from_now(&newly_expected);
            self.expect(now);
        }
    }

    pub(crate) fn pod_gone(&mut self, name: &str, now: Moment) {
        self.expected_replicas.pod_gone(name);
        self.replicas.pod(name, Some(now));
    }

    pub(crate) fn tick(&mut self, now: Moment, notices: &mut Vec<TargetNotice>) {
        self.bursts.tick(now);
        self.forget_lags(now);
        let newly_expected = self.expected_replicas.tick(now);
        self.replicas.expect_from_now(&newly_expected);
        self.conditions.tick(&self.evaluator, now, notices);
        let keeps = |name: &str| self.expected_replicas.keeps(name) || self.health.misses(name);
        notices.extend(self.replicas.forget(self.spec.forget_after, keeps, now));
        self.expect(now);
        notices.extend(self.check.as_mut().and_then(Check::waits).map(TargetNotice::CheckWaits));
        self.silence(notices);
        notices.extend(self.new_verdict());
        self.follow_clients(now, notices);
        self.history.tick(self.evaluator.evidence_seconds(), &self.counters, now);
        let skew = self.replicas.version_skew();
        let few = self.few_probes();
        let skewed = std::mem::replace(&mut self.skewed, skew.is_some());
        let had_few = std::mem::replace(&mut self.few_probes, few.is_some());
        notices.extend(skew.filter(|_| !skewed));
        notices.extend(few.filter(|_| !had_few));
    }

    /// Finds the conditions of the replicas. `members` are the pods behind the Service, and those that should be.
    pub(crate) fn assess(&mut self, members: &[Member], now: Moment, notices: &mut Vec<TargetNotice>) {
        let routing = self.expected_replicas.routing();
        let endpoints_known = routing.is_some_and(Routing::names_servers);
        let members = if endpoints_known { members } else { &[] };
        // Replicas that were only missed.
        let is_over = |name: &str| self.health.misses(name) && members.iter().all(|member| *member.name != *name);
        let over: Vec<_> =
            self.replicas.iter().map(|replica| Arc::clone(&replica.name)).filter(|name| is_over(name)).collect();
        for name in over.iter().filter(|name| !self.expected_replicas.keeps(name)) {
            self.replicas.leave_out(name);
        }
        let is_endpoint =
            |name: &str| routing.is_some_and(|routing| routing.endpoints.iter().any(|at| *at.name == *name));
        let verdict = self.verdict();
        let is_dead = |name: &str| {
            let dead = |culprit: &Culprit| *culprit.replica == *name && culprit.kind == CulpritKind::Dead;
            verdict.culprits().iter().any(dead)
        };
        let known = self.replicas.iter().map(|replica| &replica.name);
        let names: BTreeSet<_> = known.chain(members.iter().map(|member| &member.name)).cloned().collect();
        let facts = names.iter().map(|name| {
            let replica = self.replicas.get(name);
            let at = self.expected_replicas.probed_at(name);
            health::Facts {
                name,
                member: members.iter().find(|member| member.name == *name),
                is_endpoint: is_endpoint(name),
                expected: self.expected_replicas.expectation().includes(name),
                configured: self.expected_replicas.is_configured(name),
                pod_probe: at.and_then(|uid| self.pod_probes.as_ref()?.result(uid)),
                last_read: replica.and_then(|replica| replica.last_answer),
                silent: replica.is_some_and(|replica| replica.silent || is_dead(name)),
                slow: replica.and_then(|replica| replica.slowness.slow(now)),
                lag: replica.and_then(|replica| Some(replica.lag?.1)),
            }
        });
        let facts: Vec<_> = facts.collect();
        let failures: Vec<_> = self.history.failures().map(|failure| (failure.reason, failure.time)).collect();
        let max_lag = self.spec.pace.max_lag;
        self.health.assess(&health::Scene { facts: &facts, endpoints_known, max_lag, failures: &failures }, now);
        for name in &names {
            if self.health.misses(name) {
                self.replicas.meet(name);
            }
        }
        notices.extend(self.new_status());
    }

    /// `None` if the last notice reported the same status.
    fn new_status(&mut self) -> Option<TargetNotice> {
        let (status, headline) = self.headline();
        let before = self.status.replace(status);
        let calm =
            matches!(status, Status::Ok | Status::Unknown) && before.is_none_or(|before| before == Status::Unknown);
        (before != Some(status) && !calm).then_some(TargetNotice::Status { status, headline })
    }

    /// The status, and the worse of status and verdict in one sentence.
    fn headline(&self) -> (Status, String) {
        let outcome = self.check.as_ref().and_then(Check::outcome);
        let verdict = self.verdict();
        let nowhere = self.nowhere();
        let unread = |read: Moment| self.health.assessed().map_or(Duration::ZERO, |now| now.since(read));
        let facts = status::Facts {
            probes: self.counters.probes,
            up: self.counters.is_up(),
            early: self.counters.probes < DOWN_AFTER,
            pods_answer: self.health.pods_answer(),
            unread: self.replicas.last_answer().map(unread),
            failure: self.history.failures().next(),
            pause: self.pause.as_ref(),
            nowhere: nowhere.as_ref(),
            conditions: self.health.conditions(),
            wanted_and_serving: self.health.wanted_and_serving(),
            verdict_counts: outcome.is_some() || verdict.is_unbalanced(),
            verdict: outcome.map_or_else(|| verdict.to_string(), |outcome| outcome.finding.to_string()),
        };
        (facts.status(), facts.headline())
    }

    fn nowhere(&self) -> Option<TargetNotice> {
        let routing = self.expected_replicas.routing()?;
        let nowhere = routing.names_servers() && routing.routed().next().is_none();
        nowhere.then_some(TargetNotice::NothingRouted { rule: routing.rule })
    }

    /// `targets` share the false-alarm period of the process. Returns true if the threshold changed.
    pub(crate) fn share_period(&mut self, targets: u32) -> bool {
        let before = self.evaluator.threshold_seconds();
        self.evaluator.set_threshold(self.spec.verdict.false_alarm_period.saturating_mul(targets.max(1)));
        self.evaluator.threshold_seconds().total_cmp(&before).is_ne()
    }

    pub(crate) fn knows_freshness(&self, now: Moment) -> bool {
        self.pod_probes.as_ref().is_some_and(|pod_probes| pod_probes.knows_freshness(now))
    }

    pub(crate) fn new_plan(&mut self, now: Moment) -> Option<ProbePlan> {
        let mut pod_probes = self.pod_probes.as_ref().map(|pod_probes| pod_probes.plan(now)).unwrap_or_default();
        let servers = self.expected_replicas.pod_servers();
        // A check needs only the names of the servers.
        pod_probes.retain(|probe| self.spec.check.is_none() || !servers.is_server(&probe.pod.uid));
        for pod_probe in &mut pod_probes {
            if servers.is_unclear(&pod_probe.pod.uid) {
                pod_probe.every = pod_probe.every.min(SETTLE_EVERY);
            }
        }
        let plan = ProbePlan {
            burst: self.bursts.is_on(),
            port: self.port(),
            chooses_address: self.expected_replicas.routing().is_some_and(|routing| routing.rule == Rule::Headless),
            pod_probes,
        };
        if plan == self.plan {
            return None;
        }
        self.plan = plan.clone();
        Some(plan)
    }

    pub(crate) fn snapshot(&self) -> TargetSnapshot {
        let counters = &self.counters;
        let (status, headline) = self.headline();
        TargetSnapshot {
            name: Arc::clone(&self.spec.name),
            service: self.spec.service.clone(),
            up: counters.is_up(),
            status,
            headline,
            probes: counters.probes,
            failures: counters.failures,
            skipped: counters.skipped,
            pause: self.pause.clone(),
            primary_reads: counters.primary_reads,
            unrouted: counters.unrouted,
            anomalies: self.anomalies(),
            verdict: self.verdict(),
            evidence_seconds: self.evaluator.evidence_seconds(),
            threshold_seconds: self.evaluator.threshold_seconds(),
            alarms: self.evaluator.alarms(),
            restarts: self.evaluator.restarts(),
            indices: self.evaluator.indices(),
            trend: Arc::clone(&self.history.trend),
            latency: self.latency.clone(),
            pod_probes: self.pod_probes.as_ref().map(PodProbes::counts),
            replicas: self.replica_snapshots(),
            share_basis: self.evaluator.share_basis(),
            failing: self.evaluator.failing(),
            routing: self.expected_replicas.routing().cloned(),
            servers_known: self.servers_known(),
            last_reads: Arc::clone(&self.history.last_reads),
            last_failures: self.history.failures().cloned().collect(),
            clients: self.balance.state().clone(),
            notices: self.notices(),
            check: self.check.as_ref().and_then(Check::outcome),
        }
    }

    /// False while pod probes may still find the servers of endpoints.
    fn servers_known(&self) -> bool {
        let pod_probes = self.pod_probes.as_ref();
        self.expected_replicas.servers_known(|at| pod_probes.is_none_or(|pod_probes| !pod_probes.may_find(at)))
    }

    fn replica_snapshots(&self) -> Vec<ReplicaSnapshot> {
        let seen = self.replicas.iter().filter(|replica| replica.reads > 0).count();
        let knew_freshness = self.pod_probes.as_ref().is_some_and(PodProbes::knew_freshness);
        let clients = self.balance.of_members(&self.clients_round(self.balance.now()));
        let of_replica = |name: &Arc<str>| {
            self.health.conditions().iter().filter(|condition| condition.replica == *name).cloned().collect()
        };
        let snapshot = |(replica, clients): (&Replica, _)| ReplicaSnapshot {
            name: Arc::clone(&replica.name),
            is_pod: self.expected_replicas.pod(&replica.name).is_some(),
            node: self.expected_replicas.node(&replica.name).cloned(),
            identity: replica.identity.clone(),
            reads: replica.reads,
            last_answer: replica.last_answer,
            share: self.evaluator.share(&replica.name),
            expected_share: self.expected_replicas.expectation().share(&replica.name, seen),
            why: self.expected_replicas.why(&replica.name, seen),
            pod_probe_up: replica.pod_probe_up,
            lag: replica.lag.map(|(_, lag)| lag),
            stale_reads: knew_freshness.then_some(replica.stale_reads),
            share_interval: self.evaluator.interval(&replica.name),
            durations: replica.durations.clone(),
            clients,
            client_reads: replica.clients.reads(),
            conditions: of_replica(&replica.name),
        };
        self.replicas.iter().zip(clients).map(snapshot).collect()
    }

    fn anomalies(&self) -> Vec<AnomalySeen> {
        let unrouted = Unrouted::ALL.into_iter().zip(self.counters.unrouted);
        let unrouted = unrouted.map(|(kind, reads)| AnomalySeen { kind: kind.name(), reads, latest: None });
        unrouted.chain(self.conditions.anomalies()).collect()
    }

    fn notices(&self) -> Vec<TargetNotice> {
        let (reads, replicas) = (self.replicas.reads(), self.replicas.len());
        // A condition says more.
        let is_said = |replica: &Replica| {
            let mut conditions = self.health.conditions().iter();
            conditions.any(|condition| condition.replica == replica.name && condition.kind.is_outage_of_reads())
        };
        let silent = self.replicas.iter().filter(|replica| replica.silent && !is_said(replica));
        let silent = silent.map(|replica| silence(replica, reads, self.expected_replicas.expectation(), replicas));
        let overflow = self.replicas.iter().any(|replica| &*replica.name == OTHER);
        let overflow = overflow.then_some(TargetNotice::TooManyReplicas);
        let routing = self.expected_replicas.routing();
        let unnamed = routing.filter(|routing| !routing.names_servers());
        let unnamed = unnamed.map(|routing| TargetNotice::EndpointsNameNoServers {
            matching: (routing.rule != Rule::ExternalName).then_some(routing.matching),
            listed: matches!(self.expected_replicas.expectation(), Expectation::Listed(_)),
        });
        let portless = routing.filter(|routing| self.port().is_none() && !routing.ports.is_empty());
        let portless = portless.map(|routing| TargetNotice::NoPort { ports: Arc::clone(&routing.ports) });
        let alarm = Some(self.verdict()).filter(Verdict::is_unbalanced).map(TargetNotice::Verdict);
        let paused = self.pause.clone().map(TargetNotice::ProbingPaused);
        let clients = Some(self.balance.state()).filter(|state| state.is_notice()).cloned().map(TargetNotice::Clients);
        let wrong = alarm.into_iter().chain(paused).chain(self.conditions.notices(&self.evaluator));
        let wrong = wrong.chain(portless).chain(self.nowhere()).chain(silent).chain(overflow).chain(clients);
        wrong.chain(self.few_probes()).chain(unnamed).chain(self.replicas.version_skew()).collect()
    }

    fn answered(
        &mut self,
        answer: Answer,
        started: Moment,
        finished: Moment,
        now: Moment,
        notices: &mut Vec<TargetNotice>,
    ) -> Arc<str> {
        self.latency.record(&answer.timings);
        let role = Role::of(answer.identity.read_only);
        self.counters.answered(role);
        let (server_id, server_time, total) =
            (answer.identity.server_id, answer.identity.server_time, answer.timings.total);
        let without_resolving = total.saturating_sub(answer.timings.resolve);
        let (replica, changed) = self.replicas.record(answer, &self.expected_replicas, now);
        let name = Arc::clone(&replica.name);
        replica.durations.record(without_resolving);
        replica.slowness.observe(&name, without_resolving, &self.latest_reads, now);
        self.latest_reads.push(&name, without_resolving);
        if let (1, Some(identity)) = (replica.reads, &replica.identity) {
            notices.push(match &*name {
                OTHER => TargetNotice::TooManyReplicas,
                _ => TargetNotice::Appeared {
                    replica: Arc::clone(&name),
                    server_id,
                    role,
                    version: identity.version.clone(),
                },
            });
        }
        let left_out = self.expected_replicas.leaves_out(&name).then(|| match role {
            Role::Primary => Anomaly::Primary { replica: Arc::clone(&name) },
            Role::Replica => Anomaly::Unexpected { replica: Arc::clone(&name) },
        });
        self.compare(now);
        for anomaly in changed.into_iter().chain(left_out).chain(self.replicas.shares(&name, now)) {
            if let Some(check) = &mut self.check {
                check.anomaly(&anomaly);
            }
            self.conditions.anomaly(anomaly, now, notices);
        }
        self.expected_replicas.answered(&name);
        if let Some(unrouted) = self.expected_replicas.unrouted(&name, started) {
            self.counters.unrouted[unrouted as usize] += 1;
            self.conditions.unrouted(unrouted, &name, now, notices);
        }
        self.history.answered(AnswerSeen {
            time: finished.wall,
            replica: Arc::clone(&name),
            server_id,
            server_time,
            duration: total,
        });
        name
    }

    /// `started` is the start of the probe. Returns details if a pod answered.
    fn read(&mut self, name: &Arc<str>, started: Moment, now: Moment) -> Option<PodRead> {
        let pod = self.expected_replicas.pod(name).cloned();
        // The read that ends a pause comes before the news of its end.
        let paused =
            self.pause.as_ref().filter(|pause| pause.service).map_or(Duration::ZERO, |pause| pause.held.length);
        let uncertainty = pod.as_ref().map(|pod| self.bursts.answered(&pod.uid, started) + paused);
        let mut fresh = false;
        if let (Some(pod_probes), Some(replica)) = (&mut self.pod_probes, self.replicas.get_mut(name))
            && let Some(identity) = &replica.identity
        {
            if let Some(uid) = self.expected_replicas.probed_at(name) {
                pod_probes.answered(uid, identity, started, now);
            }
            let judged = pod_probes.assess(identity, started, now);
            fresh = judged.stale == Some(false);
            replica.stale_reads += u64::from(judged.stale == Some(true));
            replica.lags(judged.lag, started);
        }
        Some(PodRead { pod: pod?, started, fresh, uncertainty: uncertainty? })
    }

    /// A reading of the status counters, if the probe took one.
    fn status_read(
        &mut self,
        name: &Arc<str>,
        status: Option<Box<Result<ServerStatus, String>>>,
        now: Moment,
        notices: &mut Vec<TargetNotice>,
    ) {
        let (Some(status), Some(replica)) = (status, self.replicas.get_mut(name)) else { return };
        replica.clients.read(*status);
        self.follow_clients(now, notices);
        let has_share = self.balance.has_its_share(name, &self.clients_round(now));
        let pod = has_share.and_then(|has_share| Some((self.expected_replicas.pod(name)?.clone(), has_share)));
        self.met_clients = pod.map(|(pod, has_share)| PodClients { pod, has_share, at: now });
    }

    /// Client connections of a pod, found by the last reading.
    pub(crate) fn take_met_clients(&mut self) -> Option<PodClients> {
        self.met_clients.take()
    }

    fn follow_clients(&mut self, now: Moment, notices: &mut Vec<TargetNotice>) {
        if !self.balance.has_readings() {
            return;
        }
        let mut balance = std::mem::replace(&mut self.balance, Balance::new(None));
        if balance.follow(&self.clients_round(now)) {
            notices.push(TargetNotice::Clients(balance.state().clone()));
        }
        self.balance = balance;
    }

    fn clients_round(&self, now: Moment) -> Round<'_> {
        let expectation = self.expected_replicas.expectation();
        let seen = self.replicas.iter().filter(|replica| replica.reads > 0).count();
        let writable = |replica: &Replica| replica.identity.as_ref().is_some_and(|identity| !identity.read_only);
        // Where every server takes writes, none of them has more clients for that reason.
        let has_primary = self.replicas.iter().filter(|replica| writable(replica)).count() == 1;
        let joined = |replica: &Replica| {
            let first = replica.first_answer?;
            let others = self.replicas.iter().filter(|other| other.name != replica.name);
            let earlier = others.filter_map(|other| other.first_answer).min()?;
            (first.since(earlier) >= GRACE).then_some(first)
        };
        Round {
            members: self
                .replicas
                .iter()
                .map(|replica| clients::Member {
                    name: &replica.name,
                    counters: &replica.clients,
                    expected: if &*replica.name == OTHER { 0.0 } else { expectation.share(&replica.name, seen) },
                    is_primary: has_primary && writable(replica),
                    joined: joined(replica),
                })
                .collect(),
            new_connections: match self.evaluator.kind() {
                VerdictKind::Balanced => NewConnections::Balanced,
                VerdictKind::Unbalanced => NewConnections::Unbalanced,
                _ => NewConnections::Undecided,
            },
            through_proxies: self.expected_replicas.matching() == Matching::Proxies,
            now,
        }
    }

    fn forget_lags(&mut self, now: Moment) {
        let Some(lasting) = self.pod_probes.as_ref().map(PodProbes::lag_lasts) else { return };
        for replica in self.replicas.iter_mut() {
            replica.lag = replica.lag.filter(|(started, _)| now.since(*started) < lasting);
        }
    }

    fn update_pods(&mut self) {
        let Some(pod_probes) = &self.pod_probes else { return };
        for replica in self.replicas.iter_mut() {
            let at = self.expected_replicas.probed_at(&replica.name);
            replica.pod_probe_up = at.and_then(|uid| pod_probes.is_up(uid));
        }
    }

    fn affinity(&self) -> Option<Duration> {
        self.expected_replicas.routing().and_then(|routing| routing.affinity)
    }

    fn expect(&mut self, now: Moment) {
        self.evaluator.pin(self.affinity());
        match self.expected_replicas.expectation() {
            Expectation::Listed(entries) => {
                self.evaluator.expect(entries.iter().map(|entry| (&entry.name, entry.weight)), true, now);
            }
            Expectation::Seen => {
                let seen = self.replicas.iter().filter(|replica| replica.reads > 0 && &*replica.name != OTHER);
                self.evaluator.expect(seen.map(|replica| (&replica.name, 1.0)), false, now);
            }
        }
        let under_way = self.check.as_ref().and_then(|_| self.under_way());
        if let Some(check) = &mut self.check {
            check.follow(self.expected_replicas.expectation(), under_way, now);
        }
    }

    fn under_way(&self) -> Option<UnderWay> {
        let routing = self.expected_replicas.routing()?;
        if let Some((statefulset, Rollout { replicas, ready, updated })) = self.rollout.clone() {
            return Some(UnderWay::Rollout { statefulset, replicas, ready, updated });
        }
        let endpoint = |standing| {
            let endpoint = routing.endpoints.iter().find(|endpoint| endpoint.standing == standing)?;
            Some(Arc::clone(&endpoint.name))
        };
        let not_ready = endpoint(EndpointRouting::NotReady).map(UnderWay::NotReady);
        let terminating = || endpoint(EndpointRouting::Terminating).map(UnderWay::Terminating);
        let joining = || self.expected_replicas.joining().next().cloned().map(UnderWay::Joining);
        let nowhere = || {
            let may_come = matches!(routing.rule, Rule::Ready | Rule::Headless | Rule::Terminating);
            (may_come && routing.routed().next().is_none()).then_some(UnderWay::NoEndpoint)
        };
        not_ready.or_else(terminating).or_else(joining).or_else(nowhere)
    }

    /// Its sentence counts the replicas that answer as `replicas_answering` does.
    fn verdict(&self) -> Verdict {
        self.evaluator
            .verdict(|name| self.replicas.get(name).is_some_and(|replica| replica.reads > 0 && !replica.silent))
    }

    /// `None` if the last notice reported the same verdict.
    fn new_verdict(&mut self) -> Option<TargetNotice> {
        let kind = self.evaluator.kind();
        let beginning = self.noticed.is_none() && matches!(kind, VerdictKind::FewReplicas | VerdictKind::FewReads);
        // A suspicion becomes an alarm or ends within a few reads.
        if beginning || kind == VerdictKind::Suspicion || self.noticed == Some(kind) {
            return None;
        }
        self.noticed = Some(kind);
        Some(TargetNotice::Verdict(self.verdict()))
    }

    fn few_probes(&self) -> Option<TargetNotice> {
        self.evaluator.few_probes().map(TargetNotice::FewProbes)
    }

    fn silence(&mut self, notices: &mut Vec<TargetNotice>) {
        let (reads, replicas) = (self.replicas.reads(), self.replicas.len());
        let expectation = self.expected_replicas.expectation();
        let pinned = self.affinity().is_some();
        for replica in self.replicas.iter_mut() {
            if pinned {
                // The reads of a pinned client say nothing about the other replicas, and do not count as missed later.
                replica.expect_from(reads);
                replica.silent = false;
                continue;
            }
            let silent = replica.is_silent(expectation, replicas);
            if silent != replica.silent {
                replica.silent = silent;
                notices.push(if silent {
                    silence(replica, reads, expectation, replicas)
                } else {
                    TargetNotice::Returned { replica: Arc::clone(&replica.name) }
                });
            }
        }
    }
}

fn silence(replica: &Replica, reads: u64, expectation: &Expectation, replicas: usize) -> TargetNotice {
    TargetNotice::Silent {
        replica: Arc::clone(&replica.name),
        share: expectation.share(&replica.name, replicas),
        missed: reads - replica.reads_then,
        serves: replica.pod_probe_up == Some(true),
    }
}
