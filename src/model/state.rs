//! The state: events in, snapshots out. Its owner is its only writer.

#[cfg(test)]
mod properties;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{
    event::{Event, TargetSet, WatchUpdate},
    notice::{Notice, Notification, Subject},
    snapshot::{ConfigStatus, Snapshot},
};
use crate::model::{
    base::{Cached, Moment, ObjectName, PodRef},
    cluster::{Change, Cluster, ClusterSnapshot, Kind, Updates, WatchName},
    probe::{PodProbeResult, Probe, ProbePlan, StartDelay},
    target::{Target, TargetId, TargetNotice, TargetSnapshot, TargetSpec},
};

/// Targets advanced per tick. Advancing all 1,000 at once would delay probes that are due.
const TICKED_AT_ONCE: usize = 50;

#[derive(Debug, Default)]
pub struct State {
    /// Boxed: spare slots of the map then cost a pointer each.
    targets: BTreeMap<TargetId, Box<Cached<Target, TargetSnapshot>>>,
    /// Display order.
    order: Vec<TargetId>,
    /// Targets changed since the last [`new_plans`](Self::new_plans), which visits only these.
    changed: BTreeSet<TargetId>,
    config_status: Option<ConfigStatus>,
    start_delay: StartDelay,
    ticks: usize,
    /// Absent where Kubernetes is not watched.
    cluster: Option<Cached<Cluster, ClusterSnapshot>>,
    caption: Option<Arc<str>>,
    /// Of the event that is being applied.
    notifications: Vec<Notification>,
}

impl State {
    pub fn new(targets: impl IntoIterator<Item = (TargetId, TargetSpec)>, watches: Vec<WatchName>) -> Self {
        let mut state = Self::default();
        let new: Vec<_> = targets.into_iter().collect();
        let mut order: Vec<_> = new.iter().map(|(id, _)| *id).collect();
        order.sort_unstable();
        state.set_targets(TargetSet { order, new, watches }, Moment::START);
        // The initial targets produce no notices.
        state.notifications.clear();
        state
    }

    /// Returns new notices. Events of unknown targets are ignored: the target may have been removed.
    pub fn apply(&mut self, event: Event, now: Moment) -> Vec<Notification> {
        match event {
            Event::Probed { target, probe, late } => {
                self.start_delay.record(late);
                self.probed(target, *probe, now);
            }
            Event::Skipped { target, count } => {
                self.change(target, |target, notices| target.skipped(count, now, notices));
            }
            Event::ProbingPaused { target, pause } => {
                self.change(target, |target, notices| target.paused(pause, notices));
            }
            Event::PodProbed { target, probe } => self.pod_probed(target, &probe, now),
            Event::Cluster { watch, update } => self.watched(&watch, update, now),
            Event::Caption(caption) => self.caption = Some(caption),
            Event::EventWritten(problem) => {
                self.in_cluster(|cluster, updates| cluster.events_written(problem, updates));
            }
            Event::Leadership(leadership) => {
                // It may be known before the first target.
                self.cluster.get_or_insert_with(|| Cached::new(Cluster::default()));
                self.in_cluster(|cluster, updates| cluster.lead(leadership, now, updates));
            }
            Event::TargetsChanged(targets) => self.set_targets(targets, now),
            Event::ConfigLoaded(loaded) => self.config_loaded(loaded, now),
            Event::Tick => self.tick(now),
        }
        std::mem::take(&mut self.notifications)
    }

    pub fn new_plans(&mut self, now: Moment) -> Vec<(TargetId, ProbePlan)> {
        let changed = std::mem::take(&mut self.changed);
        let mut plans = Vec::new();
        for id in changed {
            let Some(target) = self.targets.get_mut(&id) else { continue };
            // No view shows a plan.
            target.change(|target| {
                plans.extend(target.new_plan(now).map(|plan| (id, plan)));
                false
            });
        }
        plans
    }

    pub fn snapshot(&mut self, now: Moment) -> Snapshot {
        let targets = &mut self.targets;
        let target = |id| Some(targets.get_mut(id)?.rendered(Target::snapshot));
        Snapshot {
            taken: now,
            targets: self.order.iter().filter_map(target).collect(),
            cluster: self.cluster.as_mut().map(|cluster| cluster.rendered(|cluster| cluster.snapshot(now))),
            caption: self.caption.clone(),
            config_status: self.config_status.clone(),
            start_delay: self.start_delay.clone(),
        }
    }

    pub fn statefulset_uid(&self, name: &ObjectName) -> Option<&Arc<str>> {
        self.cluster.as_ref()?.get().statefulset_uid(name)
    }

    /// Ticks that it takes to advance every target once a second.
    pub fn ticks_a_second(&self) -> usize {
        self.targets.len().div_ceil(TICKED_AT_ONCE).max(1)
    }

    fn probed(&mut self, id: TargetId, probe: Probe, now: Moment) {
        let finished = probe.finished;
        let host = self.host(id, &probe);
        let read =
            self.change(id, |target, notices| target.probed(probe, host, now, notices).zip(target.service().cloned()));
        if let Some((read, service)) = read.flatten() {
            self.in_cluster(|cluster, updates| cluster.read(&service, &read, finished, updates));
        }
        self.meet_clients(id);
    }

    fn meet_clients(&mut self, id: TargetId) {
        let Some(target) = self.targets.get_mut(&id).map(|target| target.get_mut()) else { return };
        if let Some((met, service)) = target.take_met_clients().zip(target.service().cloned()) {
            self.in_cluster(|cluster, updates| cluster.met_clients(&service, &met, updates));
        }
    }

    fn pod_probed(&mut self, id: TargetId, probed: &PodProbeResult, now: Moment) {
        let host = self.host(id, &probed.probe);
        let service = self.change(id, |target, notices| {
            target.pod_probed(probed, host.as_ref(), now, notices);
            target.service().cloned()
        });
        let probe = &probed.probe;
        if let (Some(service), Ok(_)) = (service.flatten(), &probe.outcome) {
            self.in_cluster(|cluster, updates| {
                cluster.direct_read(&service, &probed.pod, probe.started, probe.finished, updates);
            });
        }
        self.meet_clients(id);
        self.know_freshness(id, now);
    }

    /// The pod whose name is the host name of the server that answered.
    fn host(&self, id: TargetId, probe: &Probe) -> Option<PodRef> {
        let service = self.targets.get(&id)?.get().service()?;
        let identity = &probe.outcome.as_ref().ok()?.identity;
        self.cluster.as_ref()?.get().index().tracked.pod_of_host(&service.namespace, &identity.host_name)
    }

    fn set_targets(&mut self, targets: TargetSet, now: Moment) {
        let TargetSet { order, new, watches } = targets;
        let stays: BTreeSet<_> = order.iter().collect();
        self.targets.retain(|id, _| stays.contains(id));
        let added: Vec<_> = new.iter().map(|(id, _)| *id).collect();
        self.changed.extend(&added);
        self.targets.extend(new.into_iter().map(|(id, spec)| (id, Box::new(Cached::new(Target::new(spec))))));
        self.order = order;
        let count = u32::try_from(self.targets.len()).unwrap_or(u32::MAX);
        for target in self.targets.values_mut() {
            target.change(|target| target.share_period(count));
        }
        if self.cluster.is_none() && !watches.is_empty() {
            self.cluster = Some(Cached::new(Cluster::default()));
        }
        let targets = || self.targets.values().map(|target| target.get());
        let services = targets().filter_map(|target| target.service().cloned()).collect();
        let named = |target: &Target| Some((target.service()?.clone(), target.statefulset()?.clone()));
        let named = targets().filter_map(named).collect();
        self.in_cluster(|cluster, updates| cluster.observe(services, named, watches, now, updates));
        let Some(cluster) = self.cluster.as_ref().map(Cached::get) else { return };
        for id in added {
            let Some(target) = self.targets.get_mut(&id).map(|target| target.get_mut()) else { continue };
            let Some(service) = target.service().cloned() else { continue };
            // The routing may be known before the target. It is absent while the watches are incomplete.
            if let Some(routing) = cluster.routing(&service) {
                target.routed(Some(routing), now);
            }
            if let Some(port) = target.pod_probe_port() {
                target.reach(cluster.index().reachable(&service, port), now);
            }
            target.rolls_out(cluster.index().rollout(&service), now);
        }
    }

    fn config_loaded(&mut self, loaded: Result<(), Arc<str>>, now: Moment) {
        let before = self.config_status.take();
        let again = before.is_some();
        let notice = match loaded {
            Ok(()) => {
                self.config_status = Some(ConfigStatus { since: now, refused: None });
                again.then_some(Notice::Reconfigured { targets: self.order.len() })
            }
            Err(why) => {
                let since = before.as_ref().map_or(now, |before| before.since);
                let known = before.and_then(|before| before.refused).is_some_and(|refused| refused == why);
                self.config_status = Some(ConfigStatus { since, refused: Some(Arc::clone(&why)) });
                (!known).then_some(Notice::ConfigurationRefused { why })
            }
        };
        self.notifications.extend(notice.map(|notice| Notification { subject: Subject::Configuration, notice }));
    }

    fn tick(&mut self, now: Moment) {
        let parts = self.ticks_a_second();
        let part = self.ticks % parts;
        self.ticks += 1;
        let ids: Vec<_> = self.targets.keys().copied().skip(part).step_by(parts).collect();
        for id in ids {
            self.time_passes(id, now);
            self.know_freshness(id, now);
        }
        if part == 0 {
            self.in_cluster(|cluster, updates| cluster.tick(now, updates));
        }
    }

    fn time_passes(&mut self, id: TargetId, now: Moment) {
        let Some(target) = self.targets.get_mut(&id) else { return };
        self.changed.insert(id);
        let cluster = self.cluster.as_ref().map(Cached::get).zip(target.get().service());
        let members = cluster.map(|(cluster, service)| cluster.members(service)).unwrap_or_default();
        let mut notices = Vec::new();
        target.changes_later(|target| {
            target.tick(now, &mut notices);
            target.assess(&members, now, &mut notices);
            !notices.is_empty()
        });
        notify(target.get(), notices, &mut self.notifications);
    }

    /// Scale events depend on whether stale reads can be recognised.
    fn know_freshness(&mut self, id: TargetId, now: Moment) {
        let Some(target) = self.targets.get(&id).map(|target| target.get()) else { return };
        let Some(service) = target.service().cloned() else { return };
        let known = target.knows_freshness(now);
        self.in_cluster(|cluster, updates| cluster.know_freshness(&service, known, now, updates));
    }

    fn watched(&mut self, watch: &WatchName, update: WatchUpdate, now: Moment) {
        let of_pods = matches!(watch.kind, Kind::Service | Kind::Slice | Kind::Pod | Kind::StatefulSet);
        let (mut endpoints_known, mut gone) = (None, None);
        let routed = self.in_cluster(|cluster, updates| match update {
            WatchUpdate::Change(change) => {
                if let Change::Deleted(Kind::Pod, name, _) = &*change {
                    gone = Some(name.clone());
                }
                cluster.apply(watch, *change, now, updates);
            }
            WatchUpdate::Listed => {
                endpoints_known = Some(true);
                cluster.listed(watch, now, updates);
            }
            WatchUpdate::Broken(problem) => {
                endpoints_known = Some(false);
                cluster.broken(watch, problem, updates);
            }
        });
        let Some(cluster) = self.cluster.as_ref().map(Cached::get) else { return };
        if routed.is_empty() && !of_pods {
            return;
        }
        let endpoints_known = endpoints_known.filter(|_| watch.kind == Kind::Slice);
        for (id, target) in &mut self.targets {
            let Some(service) = target.get().service() else { continue };
            let is_routed = routed.contains(service);
            let is_here = service.namespace == watch.namespace;
            let gone = gone.as_ref().filter(|pod| pod.namespace == service.namespace);
            let port = target.get().pod_probe_port().filter(|_| of_pods && is_here);
            let checks = of_pods && is_here && target.get().checks();
            if !(is_routed || gone.is_some() || port.is_some() || checks || is_here && endpoints_known.is_some()) {
                continue;
            }
            let service = service.clone();
            self.changed.insert(*id);
            let target = target.get_mut();
            if let Some(known) = endpoints_known.filter(|_| is_here) {
                target.set_endpoints_known(known);
            }
            if is_routed {
                target.routed(cluster.routing(&service), now);
            } else if let Some(pod) = gone {
                target.pod_gone(&pod.name, now);
            }
            // A change of the Service may change its port.
            if let Some(port) = target.pod_probe_port().filter(|_| port.is_some()) {
                target.reach(cluster.index().reachable(&service, port), now);
            }
            if checks {
                target.rolls_out(cluster.index().rollout(&service), now);
            }
        }
    }

    fn change<R>(&mut self, id: TargetId, change: impl FnOnce(&mut Target, &mut Vec<TargetNotice>) -> R) -> Option<R> {
        let target = self.targets.get_mut(&id)?.get_mut();
        self.changed.insert(id);
        let mut notices = Vec::new();
        let result = change(target, &mut notices);
        notify(target, notices, &mut self.notifications);
        Some(result)
    }

    /// Returns the Services whose routing may have changed.
    fn in_cluster(&mut self, change: impl FnOnce(&mut Cluster, &mut Updates)) -> BTreeSet<ObjectName> {
        let mut updates = Updates::default();
        if let Some(cluster) = &mut self.cluster {
            cluster.change(|cluster| {
                change(cluster, &mut updates);
                updates.dirty
            });
        }
        self.notifications.extend(updates.notices.into_iter().map(|(set, notice)| Notification {
            subject: set.map_or(Subject::Kubernetes, Subject::StatefulSet),
            notice: Notice::Cluster(notice),
        }));
        updates.routing_changed
    }
}

fn notify(target: &Target, notices: Vec<TargetNotice>, notifications: &mut Vec<Notification>) {
    let subject = || Subject::Target(Arc::clone(target.name()));
    notifications
        .extend(notices.into_iter().map(|notice| Notification { subject: subject(), notice: Notice::Target(notice) }));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::verdict::Expectation;

    fn state(targets: usize) -> State {
        let spec = |number| TargetSpec::regular(&format!("mysql/mysql-read-{number}"), Expectation::Seen);
        let targets = u32::try_from(targets).unwrap();
        State::new((0..targets).map(|number| (TargetId(number), spec(number))), Vec::new())
    }

    /// Number of targets with `times` points in their trend.
    fn shown(state: &mut State, times: usize) -> usize {
        let snapshot = state.snapshot(Moment::at(0.0));
        snapshot.targets.iter().filter(|target| target.trend.points().len() == times).count()
    }

    #[test]
    fn a_second_passes_for_every_target_in_several_ticks() {
        let targets = 2 * TICKED_AT_ONCE + 1;
        let mut state = state(targets);
        assert_eq!((state.ticks_a_second(), shown(&mut state, 0)), (3, targets));
        for tick in 1..=3 {
            state.apply(Event::Tick, Moment::at(0.0));
            assert!(shown(&mut state, 1) <= tick * TICKED_AT_ONCE);
        }
        assert_eq!(shown(&mut state, 1), targets);
        assert_eq!(State::default().ticks_a_second(), 1);
    }

    #[test]
    fn time_changes_of_a_busy_target_appear_with_its_next_event_or_tick() {
        let mut state = state(1);
        let event = || Event::Skipped { target: TargetId(0), count: 1 };
        let tick = |state: &mut State, second| state.apply(Event::Tick, Moment::at(second));
        state.apply(event(), Moment::at(0.0));
        assert_eq!(shown(&mut state, 0), 1);
        tick(&mut state, 0.1);
        assert_eq!(shown(&mut state, 0), 1, "it has just been made");
        state.apply(event(), Moment::at(0.2));
        assert_eq!(shown(&mut state, 1), 1);
        tick(&mut state, 10.0);
        assert_eq!(shown(&mut state, 1), 1);
        tick(&mut state, 11.0);
        assert_eq!(shown(&mut state, 2), 1, "nothing else came");
    }
}
