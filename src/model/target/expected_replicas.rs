//! Expected replicas: the configured ones, or those that the Service routes to.
//!
//! A new endpoint is expected from its first read, or after [`GRACE`] in the routing. A load balancer may need seconds
//! to learn of it, and a scale-up must not look like a missing replica.

use std::{collections::BTreeMap, sync::Arc};

use super::share_reason::ShareReason;
use crate::model::{
    base::{GRACE, Moment, PodRef},
    cluster::{EndpointRouting, Routing},
    probe::{Identity, Unrouted},
    verdict::{Expectation, Expected},
};

#[derive(Debug)]
pub(crate) struct ExpectedReplicas {
    configured: Expectation,
    /// Absent without a Service, and until the routing is known.
    routing: Option<Routing>,
    /// Former endpoints stay until twice [`GRACE`] after they left or last answered.
    standings: BTreeMap<Arc<str>, Stood>,
    /// False while the endpoints may be outdated.
    endpoints_known: bool,
    /// Routed endpoints that are not expected yet, and since when they are routed.
    joining: BTreeMap<Arc<str>, Moment>,
    in_force: Expectation,
}

#[derive(Debug)]
struct Stood {
    standing: Option<EndpointRouting>,
    since: Moment,
    /// Start of the last probe that should not have reached this server.
    strange: Option<Moment>,
}

impl ExpectedReplicas {
    pub(crate) fn new(configured: Expectation) -> Self {
        Self {
            in_force: configured.clone(),
            configured,
            routing: None,
            standings: BTreeMap::new(),
            endpoints_known: true,
            joining: BTreeMap::new(),
        }
    }

    pub(crate) fn expectation(&self) -> &Expectation {
        &self.in_force
    }

    pub(crate) fn routing(&self) -> Option<&Routing> {
        self.routing.as_ref()
    }

    pub(crate) fn pod(&self, name: &str) -> Option<&PodRef> {
        let endpoints = self.routing.iter().flat_map(|routing| &routing.endpoints);
        endpoints.filter_map(|endpoint| endpoint.pod.as_ref()).find(|pod| *pod.name == *name)
    }

    /// True for configured replicas and endpoints.
    pub(crate) fn keeps(&self, name: &str) -> bool {
        let mut endpoints = self.routing.iter().flat_map(|routing| &routing.endpoints);
        let configured = self.configured.entries().iter().any(|entry| *entry.name == *name);
        configured || endpoints.any(|endpoint| *endpoint.name == *name)
    }

    pub(crate) fn name_of(&self, identity: &Identity) -> Option<Arc<str>> {
        let pod = self.pod(&identity.host_name).map(|pod| Arc::clone(&pod.name));
        pod.or_else(|| self.configured.entry_of(identity).map(|entry| Arc::clone(&entry.name)))
    }

    /// While endpoints may be outdated, no read is unrouted: any server may be a new endpoint.
    pub(crate) fn set_endpoints_known(&mut self, known: bool) {
        self.endpoints_known = known;
    }

    pub(crate) fn leaves_out(&self, name: &str) -> bool {
        matches!(self.configured, Expectation::Listed(_)) && !self.configured.includes(name)
    }

    /// Returns newly expected replicas.
    pub(crate) fn routed(&mut self, routing: Option<Routing>, now: Moment) -> Vec<Arc<str>> {
        // The start of the routing is unknown for endpoints of the first list.
        let first = self.routing.is_none();
        let mut left: Vec<Arc<str>> = self.standings.keys().cloned().collect();
        for endpoint in routing.iter().flat_map(|routing| &routing.endpoints) {
            left.retain(|name| *name != endpoint.name);
            let standing = Some(endpoint.standing);
            let stood = self.standings.entry(Arc::clone(&endpoint.name)).or_insert(Stood {
                standing,
                since: now,
                strange: None,
            });
            if stood.standing != standing {
                *stood = Stood { standing, since: now, strange: None };
            }
        }
        for name in left {
            if let Some(stood) = self.standings.get_mut(&name).filter(|stood| stood.standing.is_some()) {
                *stood = Stood { standing: None, since: now, strange: None };
            }
        }
        self.routing = routing;
        let expected: Vec<Arc<str>> = self.in_force.entries().iter().map(|entry| Arc::clone(&entry.name)).collect();
        let routed: Vec<Arc<str>> = self.routed_names().collect();
        self.joining.retain(|name, _| routed.contains(name));
        if !first {
            for name in routed.iter().filter(|name| !expected.contains(name)) {
                self.joining.entry(Arc::clone(name)).or_insert(now);
            }
        }
        self.renew()
    }

    pub(crate) fn answered(&mut self, name: &str) {
        if self.joining.remove(name).is_some() {
            self.renew();
        }
    }

    /// Returns newly expected replicas.
    pub(crate) fn tick(&mut self, now: Moment) -> Vec<Arc<str>> {
        let last = |stood: &Stood| stood.strange.map_or(stood.since, |strange| strange.max(stood.since));
        self.standings.retain(|_, stood| stood.standing.is_some() || now.since(last(stood)) < GRACE * 2);
        let joining = self.joining.len();
        self.joining.retain(|_, since| now.since(*since) < GRACE);
        if joining == self.joining.len() { Vec::new() } else { self.renew() }
    }

    /// Set if nothing should have been routed to the replica for [`GRACE`] when the probe started.
    pub(crate) fn unrouted(&mut self, name: &Arc<str>, started: Moment) -> Option<Unrouted> {
        self.routing.as_ref()?;
        if !self.endpoints_known {
            return None;
        }
        // A new server may become an endpoint shortly after its first read.
        let unknown = Stood { standing: None, since: started, strange: None };
        let stood = self.standings.entry(Arc::clone(name)).or_insert(unknown);
        stood.strange = Some(started);
        if started.since(stood.since) < GRACE {
            return None;
        }
        match stood.standing {
            None => Some(Unrouted::NoEndpoint),
            Some(EndpointRouting::Routed) => None,
            Some(EndpointRouting::Elsewhere) => Some(Unrouted::Elsewhere),
            Some(EndpointRouting::NotReady) => Some(Unrouted::NotReady),
            Some(EndpointRouting::Terminating) => Some(Unrouted::Terminating),
        }
    }

    pub(crate) fn why(&self, name: &str, seen: usize) -> ShareReason {
        if let Some(entry) = self.configured.entries().iter().find(|entry| *entry.name == *name) {
            return ShareReason::Configured { weight: entry.weight };
        }
        if !self.configured.entries().is_empty() {
            return ShareReason::NotConfigured;
        }
        let Some(routing) = &self.routing else { return ShareReason::Seen { replicas: seen } };
        match routing.endpoints.iter().find(|endpoint| *endpoint.name == *name).map(|endpoint| endpoint.standing) {
            None => ShareReason::NoEndpoint,
            Some(EndpointRouting::Routed) if self.joining.contains_key(name) => ShareReason::Joining,
            Some(EndpointRouting::Routed) => ShareReason::Routed { alike: self.in_force.entries().len() },
            Some(standing) => ShareReason::Unrouted { standing },
        }
    }

    /// Endpoints that are not expected yet.
    pub(crate) fn joining(&self) -> impl Iterator<Item = &Arc<str>> {
        self.joining.keys()
    }

    fn routed_names(&self) -> impl Iterator<Item = Arc<str>> + '_ {
        self.routing.iter().flat_map(Routing::routed).map(|endpoint| Arc::clone(&endpoint.name))
    }

    /// Returns newly expected replicas.
    fn renew(&mut self) -> Vec<Arc<str>> {
        let expectation = match (&self.configured, &self.routing) {
            (Expectation::Seen, Some(_)) => {
                let settled = self.routed_names().filter(|name| !self.joining.contains_key(name));
                Expectation::Listed(settled.map(|name| Expected { name, weight: 1.0 }).collect())
            }
            (configured, _) => configured.clone(),
        };
        let before = std::mem::replace(&mut self.in_force, expectation);
        let new = self.in_force.entries().iter().filter(|entry| !before.entries().contains(entry));
        new.map(|entry| Arc::clone(&entry.name)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nowhere() -> ExpectedReplicas {
        let mut expected_replicas = ExpectedReplicas::new(Expectation::Seen);
        expected_replicas.routed(Some(Routing::default()), Moment::at(0.0));
        expected_replicas
    }

    #[test]
    fn a_server_without_endpoint_is_unrouted_after_the_grace() {
        let mut expected_replicas = nowhere();
        let name = "server-9".into();
        for second in 100..129 {
            assert_eq!(
                expected_replicas.unrouted(&name, Moment::at(f64::from(second))),
                None,
                "it may be about to become one"
            );
        }
        for second in 130..400 {
            expected_replicas.tick(Moment::at(f64::from(second)));
            assert_eq!(expected_replicas.unrouted(&name, Moment::at(f64::from(second))), Some(Unrouted::NoEndpoint));
        }
        expected_replicas.tick(Moment::at(500.0));
        assert!(expected_replicas.standings.is_empty(), "who answers no more is forgotten");
    }

    #[test]
    fn no_server_is_unrouted_while_watches_fail() {
        let mut expected_replicas = nowhere();
        let name = "server-9".into();
        expected_replicas.unrouted(&name, Moment::at(100.0));
        expected_replicas.set_endpoints_known(false);
        assert_eq!(expected_replicas.unrouted(&name, Moment::at(200.0)), None);
        expected_replicas.set_endpoints_known(true);
        assert_eq!(expected_replicas.unrouted(&name, Moment::at(200.0)), Some(Unrouted::NoEndpoint));
    }
}
