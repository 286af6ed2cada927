//! The endpoints of the Services that targets read through: which pods they are, and where connections go.
//!
//! What belongs to other Services is kept for the day when one of them becomes a target, and counts for nothing until
//! then. A governing Service, say, may publish pods that are not ready, which says nothing about reads.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    sync::Arc,
};

use super::{
    milestones::{Dated, Receipt},
    objects::{Service, Slice, Vantage, port_behind},
    routing::{Routing, route},
};
use crate::model::base::{Moment, ObjectName, PodRef};

/// The Services that targets read through, and their endpoints.
#[derive(Debug, Default)]
pub(super) struct Endpoints {
    observed: BTreeSet<ObjectName>,
    services: BTreeMap<ObjectName, Service>,
    /// By Service, then by their own names.
    slices: BTreeMap<ObjectName, BTreeMap<Arc<str>, Slice>>,
    /// The pods that are ready endpoints, by uid.
    ready: BTreeMap<Arc<str>, Ready>,
    vantage: Vantage,
}

/// A pod that is a ready endpoint.
#[derive(Debug)]
pub(super) struct Ready {
    /// How often: in the slices of two address families, of two Services, or while it moves between slices.
    times: usize,
    /// Absent if a list told it.
    pub(super) since: Option<Dated>,
}

/// A pod became a ready endpoint, or is none any more.
#[derive(Debug)]
pub(super) struct Turn {
    pub(super) pod: ObjectName,
    pub(super) uid: Arc<str>,
    pub(super) ready: bool,
    /// Absent if a list told it.
    pub(super) date: Option<Dated>,
}

/// What a change of a slice did.
#[derive(Debug, Default)]
pub(super) struct Turned {
    /// The Services whose routing may be another one.
    pub(super) services: Vec<ObjectName>,
    pub(super) turns: Vec<Turn>,
}

impl Endpoints {
    /// Whether a Service of this namespace matters.
    pub(super) fn are_observed_in(&self, namespace: &str) -> bool {
        self.observed.iter().any(|service| *service.namespace == *namespace)
    }

    /// What a connection to the Service may reach; `None` while the Service is not known.
    pub(super) fn routing(&self, name: &ObjectName) -> Option<Routing> {
        let service = self.services.get(name)?;
        Some(route(service, self.slices.get(name).into_iter().flat_map(BTreeMap::values), &self.vantage))
    }

    /// The pods behind a Service, ready or not, each with the address and port to which a connection to `port` of the
    /// Service would be led.
    pub(super) fn addresses(&self, name: &ObjectName, port: u16) -> impl Iterator<Item = (&PodRef, SocketAddr)> {
        let service = self.services.get(name);
        let slices = service.and_then(|_| self.slices.get(name)).into_iter().flat_map(BTreeMap::values);
        slices.flat_map(move |slice| {
            let port = service.and_then(|service| port_behind(&service.ports, port, &slice.ports));
            let pods =
                slice.endpoints.iter().filter_map(move |endpoint| Some((endpoint, endpoint.pod.as_ref()?, port?)));
            pods.flat_map(|(endpoint, pod, port)| endpoint.addresses.iter().map(move |ip| (pod, (*ip, port).into())))
        })
    }

    pub(super) fn ready(&self, uid: &str) -> Option<&Ready> {
        self.ready.get(uid)
    }

    /// Takes in which Services matter from now on.
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
        // Those that do not matter any more are forgotten, which is no change of the pods themselves.
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

    /// Takes in how a Service is now; says whether it is one that matters and was another.
    pub(super) fn service_applied(&mut self, service: Service) -> bool {
        let matters = self.observed.contains(&service.name) && self.services.get(&service.name) != Some(&service);
        self.services.insert(service.name.clone(), service);
        matters
    }

    /// Takes in that a Service is gone; says whether it was known and matters.
    pub(super) fn service_deleted(&mut self, name: &ObjectName) -> bool {
        self.services.remove(name).is_some() && self.observed.contains(name)
    }

    /// Takes in where the probe runs; gives the Services whose routing may be another one.
    pub(super) fn vantage_applied(&mut self, vantage: Vantage) -> impl Iterator<Item = &ObjectName> {
        self.vantage = vantage;
        self.services.keys().filter(|name| self.observed.contains(name))
    }

    /// Takes in that the probe's node is gone, and with it what is known of its zone.
    pub(super) fn node_deleted(&mut self) -> impl Iterator<Item = &ObjectName> {
        self.vantage.zone = None;
        self.services.keys().filter(|name| self.observed.contains(name))
    }

    pub(super) fn slice_applied(&mut self, slice: Slice, receipt: Receipt, now: Moment) -> Turned {
        let name = slice.name.clone();
        self.replace(&name, Some(slice), receipt, now)
    }

    pub(super) fn slice_deleted(&mut self, name: &ObjectName, receipt: Receipt, now: Moment) -> Turned {
        self.replace(name, None, receipt, now)
    }

    fn replace(&mut self, name: &ObjectName, slice: Option<Slice>, receipt: Receipt, now: Moment) -> Turned {
        let mut here = self.slices.iter_mut().filter(|(service, _)| service.namespace == name.namespace);
        let before = here.find_map(|(_, slices)| slices.remove(&name.name));
        let date = receipt.date(None, now);
        let mut turned = Turned::default();
        let matters = |slice: &&Slice| self.observed.contains(&name.sibling(&slice.service));
        // Those that come first, so that a pod that stays does not turn.
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

/// The pods that a slice has as ready endpoints: uid and name.
fn ready_pods(slice: &Slice) -> impl Iterator<Item = (&Arc<str>, &Arc<str>)> {
    let ready = slice.endpoints.iter().filter(|endpoint| endpoint.ready);
    ready.filter_map(|endpoint| endpoint.pod.as_ref()).map(|pod| (&pod.uid, &pod.name))
}
