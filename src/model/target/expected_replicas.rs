//! Expected replicas: the configured ones, or those that the Service routes to.
//!
//! A new endpoint is expected from its first read, or after [`GRACE`] in the routing. A load balancer may need seconds
//! to learn of it, and a scale-up must not look like a missing replica.
//!
//! Endpoints need not be servers with known names. An endpoint without a pod goes by its address until a probe of the
//! address finds its server. Where endpoints are proxies, or no answer can be matched with them, they say nothing about
//! the replicas, and every replica seen is expected.

use std::{collections::BTreeMap, sync::Arc};

use super::{
    pod_servers::{PodServers, is_address},
    share_reason::ShareReason,
};
use crate::model::{
    base::{GRACE, Moment, PodRef, is_host_of},
    cluster::{EndpointRouting, Matching, Reachable, Routed, Routing},
    probe::{Identity, ServerKey, Unrouted},
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
    pod_servers: PodServers,
    /// Names of the servers at endpoints without a pod, by address.
    at_addresses: BTreeMap<Arc<str>, Arc<str>>,
    /// Pods with servers that are not endpoints, by name.
    others: BTreeMap<Arc<str>, PodRef>,
    /// An endpoint was matched with a server.
    matched: bool,
}

/// What names a server.
#[derive(Debug)]
pub(crate) struct NameFact {
    pub(crate) name: Arc<str>,
    /// The name of a pod; otherwise of a configured replica.
    pub(crate) is_pod: bool,
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
            pod_servers: PodServers::default(),
            at_addresses: BTreeMap::new(),
            others: BTreeMap::new(),
            matched: false,
        }
    }

    pub(crate) fn expectation(&self) -> &Expectation {
        &self.in_force
    }

    pub(crate) fn routing(&self) -> Option<&Routing> {
        self.routing.as_ref()
    }

    pub(crate) fn pod(&self, name: &str) -> Option<&PodRef> {
        let endpoints = self.endpoints().filter_map(|endpoint| endpoint.pod.as_ref());
        endpoints.chain(self.others.get(name)).find(|pod| *pod.name == *name)
    }

    pub(crate) fn node(&self, name: &str) -> Option<&Arc<str>> {
        self.endpoints().find(|endpoint| *endpoint.name == *name)?.node.as_ref()
    }

    /// Where pod probes reach the replica: the uid of its pod, or its address.
    pub(crate) fn probed_at(&self, name: &str) -> Option<&Arc<str>> {
        let address = || self.at_addresses.iter().find(|(_, at)| ***at == *name).map(|(address, _)| address);
        self.pod(name).map(|pod| &pod.uid).or_else(address)
    }

    /// The replica in this pod, or at this address; `None` for a proxy, and until it is known.
    pub(crate) fn replica_in<'a>(&'a self, pod: &'a PodRef) -> Option<&'a Arc<str>> {
        let name = if is_address(&pod.name) { self.at_addresses.get(&pod.name)? } else { &pod.name };
        Some(name).filter(|_| !self.pod_servers.is_proxy(&pod.uid))
    }

    fn endpoints(&self) -> impl Iterator<Item = &Routed> {
        self.routing.iter().flat_map(|routing| &routing.endpoints)
    }

    /// True for configured replicas and endpoints.
    pub(crate) fn keeps(&self, name: &str) -> bool {
        self.is_configured(name) || self.endpoints().any(|endpoint| *endpoint.name == *name)
    }

    pub(crate) fn name_of(&self, identity: &Identity) -> Option<NameFact> {
        let fact = |name: &Arc<str>, is_pod| NameFact { name: Arc::clone(name), is_pod };
        let found = self.pod_servers.pod_of(&ServerKey::of(identity)).map(|name| fact(name, true));
        let by_host = || {
            let pods = self.endpoints().filter_map(|endpoint| endpoint.pod.as_ref()).chain(self.others.values());
            // The longest: a name may contain dots.
            let pod = pods.filter(|pod| is_host_of(&identity.host_name, &pod.name)).max_by_key(|pod| pod.name.len())?;
            Some(fact(&pod.name, true))
        };
        let configured = || Some(fact(&self.configured.entry_of(identity)?.name, false));
        found.or_else(by_host).or_else(configured)
    }

    /// A read of this server. `host` is the pod whose name is its host name.
    pub(crate) fn read_by(&mut self, identity: &Identity, host: Option<PodRef>) {
        self.pod_servers.answered(&ServerKey::of(identity));
        self.meet_pod(host);
    }

    fn meet_pod(&mut self, pod: Option<PodRef>) {
        let Some(pod) = pod else { return };
        if self.endpoints().all(|endpoint| endpoint.pod.as_ref().is_none_or(|known| known.name != pod.name)) {
            self.others.insert(Arc::clone(&pod.name), pod);
        }
    }

    /// A pod probe found this server. `host` is the pod whose name is its host name.
    pub(crate) fn found_in(&mut self, pod: &PodRef, identity: &Identity, host: Option<&PodRef>, now: Moment) {
        self.pod_servers.found(pod, ServerKey::of(identity), host, now);
        self.meet_pod(host.cloned());
    }

    /// Names the server at an endpoint without a pod, once it is known. Returns the earlier name.
    pub(crate) fn name_address(&mut self, address: &Arc<str>, name: &Arc<str>) -> Arc<str> {
        let before = self.at_addresses.insert(Arc::clone(address), Arc::clone(name));
        let before = before.unwrap_or_else(|| Arc::clone(address));
        if before == *name {
            return before;
        }
        if let Some(stood) = self.standings.remove(&before) {
            self.standings.insert(Arc::clone(name), stood);
        }
        if let Some(since) = self.joining.remove(&before) {
            self.joining.insert(Arc::clone(name), since);
        }
        for endpoint in self.routing.iter_mut().flat_map(|routing| &mut routing.endpoints) {
            if endpoint.pod.is_none() && endpoint.name == before {
                endpoint.name = Arc::clone(name);
            }
        }
        self.renew();
        before
    }

    pub(crate) fn reach(&mut self, reachable: &[Reachable]) {
        self.pod_servers.keep(|uid| reachable.iter().any(|pod| *pod.pod.uid == *uid));
        self.at_addresses.retain(|address, _| reachable.iter().any(|pod| pod.pod.uid == *address));
    }

    pub(crate) fn pod_gone(&mut self, name: &str) {
        self.others.remove(name);
    }

    pub(crate) fn pod_servers(&self) -> &PodServers {
        &self.pod_servers
    }

    pub(crate) fn matching(&self) -> Matching {
        self.routing.as_ref().map_or(Matching::Endpoints, |routing| routing.matching)
    }

    /// Compares the replicas that answered with the endpoints. `is_known` says whether pod probes can say more about an
    /// endpoint. Returns newly expected replicas.
    pub(crate) fn compare<'a>(
        &mut self,
        answered: &(impl Iterator<Item = &'a Arc<str>> + Clone),
        is_known: impl Fn(&str) -> bool,
    ) -> Vec<Arc<str>> {
        let Some(routing) = &self.routing else { return Vec::new() };
        let routed: Vec<_> = routing.routed().map(|endpoint| (endpoint, place(endpoint))).collect();
        let is_proxy = routed.iter().any(|(_, at)| self.pod_servers.is_proxy(at));
        let is_matched = |(endpoint, at): &(&Routed, Arc<str>)| {
            self.pod_servers.is_server(at) || answered.clone().any(|name| *name == endpoint.name)
        };
        self.matched |= routed.iter().any(is_matched);
        let is_endpoint = |name: &str| routing.endpoints.iter().any(|endpoint| *endpoint.name == *name);
        let strangers = || answered.clone().filter(|name| !is_endpoint(name));
        let is_known = |at: &str| is_known(at) || self.pod_servers.is_server(at);
        let all_known = routed.iter().all(|(_, at)| is_known(at));
        let unmatched = !self.matched || routed.iter().any(|one| one.0.pod.is_none() && !is_matched(one));
        let matching = if routed.is_empty() {
            Matching::Endpoints
        } else if is_proxy {
            Matching::Proxies
        } else if !(all_known && unmatched && strangers().next().is_some()) {
            Matching::Endpoints
        } else if strangers().all(|name| self.others.contains_key(name)) {
            Matching::Proxies
        } else {
            Matching::Unknown
        };
        if matching == routing.matching {
            return Vec::new();
        }
        if let Some(routing) = &mut self.routing {
            routing.matching = matching;
        }
        self.renew()
    }

    pub(crate) fn is_configured(&self, name: &str) -> bool {
        self.configured.entries().iter().any(|entry| *entry.name == *name)
    }

    /// While endpoints may be outdated, no read is unrouted: any server may be a new endpoint.
    pub(crate) fn set_endpoints_known(&mut self, known: bool) {
        self.endpoints_known = known;
    }

    pub(crate) fn leaves_out(&self, name: &str) -> bool {
        matches!(self.configured, Expectation::Listed(_)) && !self.configured.includes(name)
    }

    /// Returns newly expected replicas.
    pub(crate) fn routed(&mut self, mut routing: Option<Routing>, now: Moment) -> Vec<Arc<str>> {
        if let Some(routing) = &mut routing {
            routing.matching = self.matching();
            for endpoint in routing.endpoints.iter_mut().filter(|endpoint| endpoint.pod.is_none()) {
                let known = self.at_addresses.get(&endpoint.name);
                endpoint.name = known.map_or_else(|| Arc::clone(&endpoint.name), Arc::clone);
            }
        }
        // The start of the routing is unknown for endpoints of the first list.
        let first = self.routing.is_none();
        let endpoints = || routing.iter().flat_map(|routing| &routing.endpoints);
        for endpoint in endpoints() {
            let stood = Stood { standing: Some(endpoint.standing), since: now, strange: None };
            self.standings.entry(Arc::clone(&endpoint.name)).or_insert(stood);
        }
        for (name, stood) in &mut self.standings {
            let endpoint = endpoints().rfind(|endpoint| endpoint.name == *name);
            let standing = endpoint.map(|endpoint| endpoint.standing);
            if stood.standing != standing {
                *stood = Stood { standing, since: now, strange: None };
            }
        }
        self.routing = routing;
        let endpoints = self.routing.iter().flat_map(|routing| &routing.endpoints);
        let pods: Vec<_> = endpoints.filter_map(|endpoint| endpoint.pod.as_ref()).map(|pod| &pod.name).collect();
        self.others.retain(|name, _| !pods.contains(&name));
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
        let routing = self.routing.as_ref()?;
        if !self.endpoints_known || !routing.names_servers() {
            return None;
        }
        // A new server may become an endpoint shortly after its first read.
        let unknown = Stood { standing: None, since: started, strange: None };
        let stood = self.standings.entry(Arc::clone(name)).or_insert(unknown);
        stood.strange = Some(started);
        if started.since(stood.since) < GRACE {
            return None;
        }
        let standing = stood.standing;
        match standing {
            // The configuration knows better than the endpoints.
            None if self.is_configured(name) => None,
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
        let Some(routing) = self.routing.as_ref().filter(|routing| routing.names_servers()) else {
            return ShareReason::Seen { replicas: seen };
        };
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

    /// Whether the server of each endpoint is known, as far as `is_known` says that pod probes cannot find it.
    pub(crate) fn servers_known(&self, is_known: impl Fn(&str) -> bool) -> bool {
        let places = self.routing.iter().flat_map(Routing::routed).map(place);
        let mut unknown = places.filter(|at| !self.pod_servers.is_server(at) && !self.pod_servers.is_proxy(at));
        unknown.all(|at| is_known(&at))
    }

    fn routed_names(&self) -> impl Iterator<Item = Arc<str>> + '_ {
        self.routing.iter().flat_map(Routing::routed).map(|endpoint| Arc::clone(&endpoint.name))
    }

    /// Returns newly expected replicas.
    fn renew(&mut self) -> Vec<Arc<str>> {
        let expectation = match (&self.configured, &self.routing) {
            (Expectation::Seen, Some(routing)) if routing.names_servers() => {
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

/// Where pod probes reach an endpoint: the uid of its pod, or its address.
fn place(endpoint: &Routed) -> Arc<str> {
    let address = || endpoint.addresses.first().map(|address| Arc::from(address.to_string()));
    endpoint.pod.as_ref().map(|pod| Arc::clone(&pod.uid)).or_else(address).unwrap_or_default()
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
    fn a_new_endpoint_is_expected_from_its_first_read_or_after_the_grace() {
        let endpoint = |name: &str| Routed {
            pod: Some(PodRef { name: name.into(), uid: name.into() }),
            name: name.into(),
            node: None,
            addresses: Vec::new(),
            serving: true,
            standing: EndpointRouting::Routed,
        };
        let to = |names: &[&str]| {
            Some(Routing { endpoints: names.iter().map(|name| endpoint(name)).collect(), ..Routing::default() })
        };
        let names = |expected: &ExpectedReplicas| -> Vec<String> {
            expected.expectation().entries().iter().map(|entry| entry.name.to_string()).collect()
        };
        let mut expected = ExpectedReplicas::new(Expectation::Seen);
        expected.routed(to(&["a"]), Moment::at(0.0));
        assert_eq!(names(&expected), ["a"], "the first ones are not new");
        expected.routed(to(&["a", "b", "c"]), Moment::at(100.0));
        expected.tick(Moment::at(101.0));
        expected.answered("b");
        assert_eq!(names(&expected), ["a", "b"]);
        expected.tick(Moment::at(129.0));
        assert_eq!(names(&expected), ["a", "b"]);
        expected.tick(Moment::at(130.0));
        assert_eq!(names(&expected), ["a", "b", "c"]);
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
