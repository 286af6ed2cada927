//! The endpoints of the Services that are probed: which pods they are, and where connections go.
//!
//! Slices of other Services are kept because a Service may become a target later. Until then they do not count: a
//! governing Service, for example, may publish pods that are not ready.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    sync::Arc,
};

use super::{
    milestones::{MilestoneTime, Seen},
    objects::{ProbeLocation, Service, Slice, port_behind},
    routing::{Routing, route},
};
use crate::model::base::{Moment, ObjectName, PodRef};

#[derive(Debug, Default)]
pub(super) struct Endpoints {
    observed: BTreeSet<ObjectName>,
    services: BTreeMap<ObjectName, Service>,
    /// By Service, then by the name of the slice.
    slices: BTreeMap<ObjectName, BTreeMap<Arc<str>, Slice>>,
    /// By uid of the pod.
    ready: BTreeMap<Arc<str>, Ready>,
    location: ProbeLocation,
}

#[derive(Debug)]
pub(super) struct Ready {
    /// Number of slices that contain it: two address families, two Services, or a move between slices.
    times: usize,
    /// Absent if a list showed it.
    pub(super) since: Option<MilestoneTime>,
}

/// A pod became a ready endpoint or stopped being one.
#[derive(Debug)]
pub(super) struct Turn {
    pub(super) pod: ObjectName,
    pub(super) uid: Arc<str>,
    pub(super) ready: bool,
    /// Absent if a list showed it.
    pub(super) date: Option<MilestoneTime>,
}

#[derive(Debug, Default)]
pub(super) struct Turned {
    /// The Services whose routing may have changed.
    pub(super) services: Vec<ObjectName>,
    pub(super) turns: Vec<Turn>,
}

impl Endpoints {
    pub(super) fn are_observed_in(&self, namespace: &str) -> bool {
        self.observed.iter().any(|service| *service.namespace == *namespace)
    }

    /// `None` while the Service is not known.
    pub(super) fn routing(&self, name: &ObjectName) -> Option<Routing> {
        let service = self.services.get(name)?;
        Some(route(service, self.slices.get(name).into_iter().flat_map(BTreeMap::values), &self.location))
    }

    /// The endpoints of a Service, ready or not, each with the address and port that a connection to `port` of the
    /// Service would get.
    pub(super) fn addresses(&self, name: &ObjectName, port: u16) -> impl Iterator<Item = (PodRef, SocketAddr)> {
        let service = self.services.get(name);
        let slices = service.and_then(|_| self.slices.get(name)).into_iter().flat_map(BTreeMap::values);
        slices.flat_map(move |slice| {
            let port = service.and_then(|service| port_behind(&service.ports, port, &slice.ports));
            let places = slice.endpoints.iter().filter_map(move |endpoint| Some((endpoint.place()?, endpoint, port?)));
            places.flat_map(|(pod, endpoint, port)| {
                endpoint.addresses.iter().map(move |ip| (pod.clone(), (*ip, port).into()))
            })
        })
    }

    pub(super) fn ready(&self, uid: &str) -> Option<&Ready> {
        self.ready.get(uid)
    }

    /// Replaces the Services that count.
    pub(super) fn observe(&mut self, services: BTreeSet<ObjectName>) -> Turned {
        let before = std::mem::replace(&mut self.observed, services);
        let mut turned = Turned::default();
        for name in self.observed.difference(&before) {
            turned.services.push(name.clone());
            let slices = self.slices.get(name).into_iter().flat_map(BTreeMap::values);
            for (uid, pod) in slices.flat_map(ready_pods) {
                let ready = self.ready.entry(Arc::clone(uid)).or_insert(Ready { times: 0, since: None });
                ready.times += 1;
                if ready.times == 1 {
                    turned.turns.push(Turn { pod: name.sibling(pod), uid: Arc::clone(uid), ready: true, date: None });
                }
            }
        }
        // The pods of other Services are forgotten without a turn: the pods themselves did not change.
        for name in before.difference(&self.observed) {
            let slices = self.slices.get(name).into_iter().flat_map(BTreeMap::values);
            for (uid, _) in slices.flat_map(ready_pods) {
                let Some(ready) = self.ready.get_mut(uid) else { continue };
                ready.times -= 1;
                if ready.times == 0 {
                    self.ready.remove(uid);
                }
            }
        }
        turned
    }

    pub(super) fn service_applied(&mut self, service: Service) -> bool {
        let matters = self.observed.contains(&service.name) && self.services.get(&service.name) != Some(&service);
        self.services.insert(service.name.clone(), service);
        matters
    }

    pub(super) fn service_deleted(&mut self, name: &ObjectName) -> bool {
        self.services.remove(name).is_some() && self.observed.contains(name)
    }

    pub(super) fn vantage_applied(&mut self, location: ProbeLocation) -> impl Iterator<Item = &ObjectName> {
        self.location = location;
        self.services.keys().filter(|name| self.observed.contains(name))
    }

    /// The zone is known from the node alone.
    pub(super) fn node_deleted(&mut self) -> impl Iterator<Item = &ObjectName> {
        self.location.zone = None;
        self.services.keys().filter(|name| self.observed.contains(name))
    }

    pub(super) fn slice_applied(&mut self, slice: Slice, seen: Seen, now: Moment) -> Turned {
        let name = slice.name.clone();
        self.replace(&name, Some(slice), seen, now)
    }

    pub(super) fn slice_deleted(&mut self, name: &ObjectName, seen: Seen, now: Moment) -> Turned {
        self.replace(name, None, seen, now)
    }

    fn replace(&mut self, name: &ObjectName, slice: Option<Slice>, seen: Seen, now: Moment) -> Turned {
        let mut here = self.slices.iter_mut().filter(|(service, _)| service.namespace == name.namespace);
        let before = here.find_map(|(_, slices)| slices.remove(&name.name));
        let date = seen.date(None, now);
        let mut turned = Turned::default();
        let matters = |slice: &&Slice| self.observed.contains(&name.sibling(&slice.service));
        // Ready pods of the new slice come first, so a pod that stays does not turn.
        for (uid, pod) in slice.iter().filter(matters).flat_map(ready_pods) {
            let ready = self.ready.entry(Arc::clone(uid)).or_insert(Ready { times: 0, since: date });
            ready.times += 1;
            if ready.times == 1 {
                turned.turns.push(Turn { pod: name.sibling(pod), uid: Arc::clone(uid), ready: true, date });
            }
        }
        for (uid, pod) in before.iter().filter(matters).flat_map(ready_pods) {
            let Some(ready) = self.ready.get_mut(uid) else { continue };
            ready.times -= 1;
            if ready.times == 0 {
                self.ready.remove(uid);
                turned.turns.push(Turn { pod: name.sibling(pod), uid: Arc::clone(uid), ready: false, date });
            }
        }
        if before != slice {
            let services: BTreeSet<_> =
                before.iter().chain(&slice).filter(matters).map(|slice| name.sibling(&slice.service)).collect();
            turned.services = services.into_iter().collect();
        }
        if let Some(slice) = slice {
            self.slices.entry(name.sibling(&slice.service)).or_default().insert(Arc::clone(&name.name), slice);
        }
        turned
    }
}

/// Uid and name of the ready pods of a slice.
fn ready_pods(slice: &Slice) -> impl Iterator<Item = (&Arc<str>, &Arc<str>)> {
    let ready = slice.endpoints.iter().filter(|endpoint| endpoint.ready);
    ready.filter_map(|endpoint| endpoint.pod.as_ref()).map(|pod| (&pod.uid, &pod.name))
}
