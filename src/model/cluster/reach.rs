//! Which endpoints can be probed at their own addresses: those of a Service, ready or not, and the other pods of their
//! `StatefulSet`s, such as a primary that a read Service leaves out.

use std::{net::SocketAddr, sync::Arc};

use super::{milestones::Milestone, objects::StatefulSet, tracked::TrackedObjects};
use crate::model::base::{Moment, ObjectName, PodRef, REPLICAS_MAX};

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reachable {
    pub(crate) pod: PodRef,
    /// Of all families, tried in this order as a client does.
    pub(crate) addresses: Vec<SocketAddr>,
    /// Of its containers together.
    pub(crate) restarts: u32,
    /// The creation of the pod, if it was seen and no pod probe was answered yet.
    pub(crate) coming_since: Option<Moment>,
}

/// The pods behind `service` at `addresses` and the other pods of their `StatefulSet`s; at most [`REPLICAS_MAX`].
pub(super) fn reachable<'a>(
    service: &ObjectName,
    addresses: impl Iterator<Item = (PodRef, SocketAddr)>,
    tracked: &TrackedObjects,
    set: impl Fn(&ObjectName) -> Option<&'a StatefulSet>,
) -> Vec<Reachable> {
    let mut reachable: Vec<Reachable> = Vec::new();
    let mut sets: Vec<Arc<str>> = Vec::new();
    let mut usual_port = None;
    for (pod, address) in addresses {
        usual_port = usual_port.or(Some(address.port()));
        match reachable.iter().position(|known| known.pod.uid == pod.uid) {
            Some(at) if reachable[at].addresses.contains(&address) => {}
            Some(at) => reachable[at].addresses.push(address),
            None if reachable.len() < REPLICAS_MAX => {
                let name = service.sibling(&pod.name);
                let coming_since = coming_since(tracked, &name, &pod.uid);
                let restarts = tracked.pod_of(&name, &pod.uid).map_or(0, |pod| pod.restarts);
                reachable.push(Reachable { pod, addresses: vec![address], restarts, coming_since });
                let set = tracked.pod(&name).and_then(|pod| pod.statefulset.as_ref());
                sets.extend(set.filter(|set| !sets.contains(set)).cloned());
            }
            None => {}
        }
    }
    let Some(port) = usual_port else { return reachable };
    let sets = sets.iter().filter_map(|name| set(&service.sibling(name)));
    let places = sets.flat_map(|set| set.ordinals().take(REPLICAS_MAX).map(|ordinal| set.pod_name(ordinal)));
    for name in places.map(|name| service.sibling(&name)) {
        let Some(pod) = tracked.pod(&name).filter(|pod| !pod.addresses.is_empty()) else { continue };
        if reachable.len() < REPLICAS_MAX && reachable.iter().all(|known| known.pod.uid != pod.uid) {
            let addresses = pod.addresses.iter().map(|ip| SocketAddr::new(*ip, port)).collect();
            let coming_since = coming_since(tracked, &name, &pod.uid);
            let restarts = pod.restarts;
            let pod = PodRef { name: Arc::clone(&name.name), uid: Arc::clone(&pod.uid) };
            reachable.push(Reachable { pod, addresses, restarts, coming_since });
        }
    }
    reachable
}

fn coming_since(tracked: &TrackedObjects, name: &ObjectName, uid: &str) -> Option<Moment> {
    let pod = tracked.pod_of(name, uid)?;
    let coming = !pod.terminating() && !pod.milestones.has(Milestone::DirectRead);
    pod.milestones.get(Milestone::PodCreated).filter(|_| coming)?.live
}
