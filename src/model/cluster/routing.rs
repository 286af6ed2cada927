//! Which endpoints a connection from readscope to a Service may reach, and why.
//!
//! The rules are those of kube-proxy. `internalTrafficPolicy: Local` allows only endpoints on the own node. Otherwise
//! hints count if every ready endpoint has one and one of them is for the own node, or else for the own zone. Otherwise
//! all endpoints are allowed. Among the allowed endpoints, the ready ones are used; if none is ready, the terminating
//! ones that still serve.

use std::{collections::BTreeMap, fmt, net::IpAddr, sync::Arc, time::Duration};

use super::objects::{Endpoint, Port, ProbeLocation, Service, Slice};
use crate::model::base::{HumanDuration, PodRef};

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Routing {
    pub rule: Rule,
    /// How long after its last connection a client stays with its endpoint; absent if each connection is a new choice.
    /// With affinity, the reads of one client do not show the shares.
    pub affinity: Option<Duration>,
    /// Each pod once, sorted by name.
    pub endpoints: Vec<Routed>,
    pub matching: Matching,
    /// The ports of the Service.
    pub ports: Arc<[Port]>,
}

/// How the endpoints relate to the servers that answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Matching {
    /// Each endpoint is a server.
    #[default]
    Endpoints,
    /// Endpoints lead to servers elsewhere.
    Proxies,
    /// Nothing shows which server is at which endpoint.
    Unknown,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Rule {
    /// All ready endpoints, evenly.
    #[default]
    Ready,
    /// Clients find all ready endpoints in DNS and choose one.
    Headless,
    /// No endpoint is ready, so terminating endpoints that still serve are used.
    Terminating,
    /// Only endpoints on the node of readscope.
    SameNode,
    /// Only endpoints with a hint for the node of readscope.
    HintedNode,
    /// Only endpoints with a hint for the zone of readscope.
    HintedZone,
    /// `internalTrafficPolicy: Local`, and no endpoint is on the node of readscope.
    NoneLocal,
    /// `internalTrafficPolicy: Local`, and the node of readscope is not known.
    NodeUnknown,
    /// A Service of the type `ExternalName`, which has no endpoints.
    ExternalName,
    NoService,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Routed {
    /// Absent for an endpoint without a pod; its name is then its address.
    pub pod: Option<PodRef>,
    pub name: Arc<str>,
    pub node: Option<Arc<str>>,
    /// Of all families.
    pub addresses: Vec<IpAddr>,
    /// The readiness probe succeeds. A Service may publish endpoints whose readiness probe fails.
    pub serving: bool,
    pub standing: EndpointRouting,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndpointRouting {
    Routed,
    /// Ready, but the Service does not lead connections from readscope to it.
    Elsewhere,
    NotReady,
    Terminating,
}

pub fn route<'a>(service: &Service, slices: impl IntoIterator<Item = &'a Slice>, location: &ProbeLocation) -> Routing {
    if service.external {
        return Routing { rule: Rule::ExternalName, ports: Arc::clone(&service.ports), ..Routing::default() };
    }
    let endpoints: Vec<&Endpoint> = slices.into_iter().flat_map(|slice| &slice.endpoints).collect();
    let location = &located(location, &endpoints);
    let rule = rule(service, &endpoints, location);
    let in_place = |endpoint: &Endpoint| rule.takes(endpoint, location);
    let any_ready = endpoints.iter().any(|endpoint| endpoint.ready && in_place(endpoint));
    // DNS contains no terminating endpoint, so a headless Service has no fallback.
    let fallback = !service.headless && !any_ready && endpoints.iter().any(|e| still_serves(e) && in_place(e));
    let standing = |endpoint: &Endpoint| {
        if in_place(endpoint) && (endpoint.ready || (fallback && still_serves(endpoint))) {
            EndpointRouting::Routed
        } else if endpoint.terminating {
            EndpointRouting::Terminating
        } else if endpoint.ready {
            EndpointRouting::Elsewhere
        } else {
            EndpointRouting::NotReady
        }
    };
    // A pod is in two slices if it has two address families or moves between slices.
    let mut routed: BTreeMap<(Arc<str>, Arc<str>), Routed> = BTreeMap::new();
    for endpoint in endpoints {
        let Some(PodRef { name, uid }) = endpoint.place() else { continue };
        let standing = standing(endpoint);
        let known = routed.entry((Arc::clone(&name), uid)).or_insert_with(|| {
            let (pod, node, serving) = (endpoint.pod.clone(), endpoint.node.clone(), endpoint.serving);
            Routed { pod, name, node, addresses: Vec::new(), serving, standing }
        });
        for address in &endpoint.addresses {
            if !known.addresses.contains(address) {
                known.addresses.push(*address);
            }
        }
        if standing == EndpointRouting::Routed {
            known.standing = standing;
        }
    }
    // kube-proxy keeps the affinity, and it does not handle a headless Service.
    let affinity = service.affinity.filter(|_| !service.headless);
    let rule = match rule {
        Rule::Ready if fallback => Rule::Terminating,
        Rule::SameNode if !any_ready && !fallback => Rule::NoneLocal,
        rule => rule,
    };
    Routing {
        rule,
        affinity,
        endpoints: routed.into_values().collect(),
        matching: Matching::default(),
        ports: Arc::clone(&service.ports),
    }
}

/// Takes the zone from an endpoint on the same node if readscope may not read the node itself.
fn located(location: &ProbeLocation, endpoints: &[&Endpoint]) -> ProbeLocation {
    let beside = |endpoint: &&&Endpoint| location.node.is_some() && endpoint.node == location.node;
    let zone = || endpoints.iter().find(beside)?.zone.clone();
    ProbeLocation { node: location.node.clone(), zone: location.zone.clone().or_else(zone) }
}

/// The rule by which endpoints are allowed, whether or not there are any.
fn rule(service: &Service, endpoints: &[&Endpoint], location: &ProbeLocation) -> Rule {
    if service.headless {
        return Rule::Headless;
    }
    if service.local_only {
        return if location.node.is_some() { Rule::SameNode } else { Rule::NodeUnknown };
    }
    let ready = || endpoints.iter().filter(|endpoint| endpoint.ready);
    let usable = |rule: Rule, hinted: &dyn Fn(&Endpoint) -> bool| {
        ready().all(|endpoint| hinted(endpoint)) && ready().any(|endpoint| rule.takes(endpoint, location))
    };
    if usable(Rule::HintedNode, &|endpoint| !endpoint.for_nodes.is_empty()) {
        Rule::HintedNode
    } else if usable(Rule::HintedZone, &|endpoint| !endpoint.for_zones.is_empty()) {
        Rule::HintedZone
    } else {
        Rule::Ready
    }
}

impl Rule {
    /// Whether connections from `location` may reach the endpoint once it is ready.
    fn takes(self, endpoint: &Endpoint, location: &ProbeLocation) -> bool {
        let among = |names: &[Arc<str>], own: &Option<Arc<str>>| own.as_ref().is_some_and(|own| names.contains(own));
        match self {
            Self::SameNode => endpoint.node == location.node,
            Self::HintedNode => among(&endpoint.for_nodes, &location.node),
            Self::HintedZone => among(&endpoint.for_zones, &location.zone),
            Self::NodeUnknown => false,
            _ => true,
        }
    }
}

fn still_serves(endpoint: &Endpoint) -> bool {
    endpoint.serving && endpoint.terminating
}

impl Routing {
    /// Whether the endpoints say which servers should answer.
    pub fn names_servers(&self) -> bool {
        self.rule != Rule::ExternalName && self.matching == Matching::Endpoints
    }

    pub fn routed(&self) -> impl Iterator<Item = &Routed> {
        self.endpoints.iter().filter(|endpoint| endpoint.standing == EndpointRouting::Routed)
    }
}

impl fmt::Display for Routing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.rule.fmt(f)?;
        if self.routed().any(|endpoint| !endpoint.serving) {
            f.write_str("; it also publishes endpoints that are not ready (publishNotReadyAddresses)")?;
        }
        if self.matching == Matching::Proxies {
            f.write_str("; reads go through proxies: its endpoints lead to other servers")?;
        }
        match self.affinity {
            Some(stays) => write!(
                f,
                "; it keeps a client on one endpoint until {} after its last connection (sessionAffinity: ClientIP), so \
                 the reads of one client do not show the shares",
                HumanDuration(stays)
            ),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ready => "the Service spreads connections evenly over its ready endpoints",
            Self::Headless => "the Service is headless: clients find its ready endpoints in DNS and choose among them",
            Self::Terminating => "no endpoint is ready, so terminating endpoints that still serve are used",
            Self::SameNode => "the Service keeps connections on the client's node (internalTrafficPolicy: Local)",
            Self::HintedNode => {
                "every ready endpoint has a hint for nodes; the Service routes to those for readscope's node"
            }
            Self::HintedZone => {
                "every ready endpoint has a hint for zones; the Service routes to those for readscope's zone"
            }
            Self::NoneLocal => {
                "the Service keeps connections on the client's node (internalTrafficPolicy: Local), and readscope's \
                 node has no endpoint; move readscope, or run it on each node"
            }
            Self::NodeUnknown => {
                "the Service keeps connections on the client's node (internalTrafficPolicy: Local), and readscope \
                 does not know its node; set the environment variable NODE_NAME from spec.nodeName"
            }
            Self::ExternalName => "the Service is an ExternalName: clients find another name in DNS",
            Self::NoService => "the Service does not exist; check its namespace and name",
        })
    }
}

impl fmt::Display for EndpointRouting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Routed => "routed",
            Self::Elsewhere => "ready, but for clients on other nodes or in other zones",
            Self::NotReady => "not ready",
            Self::Terminating => "terminating",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::base::ObjectName;

    fn service() -> Service {
        Service {
            name: ObjectName::new("mysql", "mysql-read"),
            headless: false,
            affinity: None,
            local_only: false,
            external: false,
            ports: Arc::default(),
        }
    }

    fn endpoint(ordinal: u8) -> Endpoint {
        let name = format!("mysql-{ordinal}");
        Endpoint {
            addresses: vec![[10, 0, 0, ordinal].into()],
            ready: true,
            serving: true,
            terminating: false,
            pod: Some(PodRef { uid: format!("uid-{ordinal}").into(), name: name.into() }),
            node: Some(format!("node-{ordinal}").into()),
            zone: None,
            for_zones: Vec::new(),
            for_nodes: Vec::new(),
        }
    }

    fn slice(endpoints: Vec<Endpoint>) -> Slice {
        let name = ObjectName::new("mysql", "mysql-read-x");
        Slice { name, service: "mysql-read".into(), ports: Arc::default(), endpoints }
    }

    fn location(node: &str, zone: &str) -> ProbeLocation {
        let known = |text: &str| (!text.is_empty()).then(|| text.into());
        ProbeLocation { node: known(node), zone: known(zone) }
    }

    fn routed(service: &Service, endpoints: Vec<Endpoint>, location: &ProbeLocation) -> (Rule, Vec<String>) {
        let routing = route(service, &[slice(endpoints)], location);
        (routing.rule, routing.routed().map(|endpoint| endpoint.name.to_string()).collect())
    }

    #[test]
    fn ready_endpoints_are_routed_to_and_others_are_not() {
        let unready = Endpoint { ready: false, serving: false, ..endpoint(1) };
        let leaving = Endpoint { ready: false, terminating: true, ..endpoint(2) };
        let routing = route(&service(), &[slice(vec![leaving, endpoint(0), unready])], &ProbeLocation::default());
        let standings: Vec<_> = routing.endpoints.iter().map(|e| (&*e.name, e.standing)).collect();
        assert_eq!(
            standings,
            [
                ("mysql-0", EndpointRouting::Routed),
                ("mysql-1", EndpointRouting::NotReady),
                ("mysql-2", EndpointRouting::Terminating)
            ]
        );
    }

    #[test]
    fn without_ready_endpoints_serving_terminating_endpoints_are_used() {
        let leaving = Endpoint { ready: false, terminating: true, ..endpoint(0) };
        let dead = Endpoint { ready: false, serving: false, terminating: true, ..endpoint(1) };
        let both = vec![leaving, dead];
        assert_eq!(
            routed(&service(), both.clone(), &ProbeLocation::default()),
            (Rule::Terminating, vec!["mysql-0".to_owned()])
        );
        let headless = Service { headless: true, ..service() };
        assert_eq!(routed(&headless, both, &ProbeLocation::default()), (Rule::Headless, vec![]));
    }

    #[test]
    fn local_policy_keeps_to_the_probes_node() {
        let local = Service { local_only: true, ..service() };
        let all = vec![endpoint(0), endpoint(1)];
        assert_eq!(routed(&local, all.clone(), &location("node-1", "")), (Rule::SameNode, vec!["mysql-1".to_owned()]));
        assert_eq!(routed(&local, all.clone(), &location("node-9", "")), (Rule::NoneLocal, vec![]));
        assert_eq!(routed(&local, all, &location("", "")), (Rule::NodeUnknown, vec![]));
    }

    #[test]
    fn a_local_endpoint_that_terminates_is_used_only_where_no_local_one_is_ready() {
        let local = Service { local_only: true, ..service() };
        let on_one = |endpoint: Endpoint| Endpoint { node: Some("node-1".into()), ..endpoint };
        let leaving = on_one(Endpoint { ready: false, terminating: true, ..endpoint(0) });
        let here = location("node-1", "");
        assert_eq!(
            routed(&local, vec![leaving.clone(), on_one(endpoint(1))], &here),
            (Rule::SameNode, vec!["mysql-1".to_owned()])
        );
        assert_eq!(routed(&local, vec![leaving, endpoint(2)], &here), (Rule::SameNode, vec!["mysql-0".to_owned()]));
    }

    #[test]
    fn hints_count_when_every_ready_endpoint_has_one_and_one_is_for_here() {
        let hinted = |ordinal: u8, zone: &str| Endpoint { for_zones: vec![zone.into()], ..endpoint(ordinal) };
        let all = vec![hinted(0, "a"), hinted(1, "b")];
        assert_eq!(
            routed(&service(), all.clone(), &location("node-9", "b")),
            (Rule::HintedZone, vec!["mysql-1".to_owned()])
        );
        assert_eq!(routed(&service(), all.clone(), &location("node-9", "c")).0, Rule::Ready);
        assert_eq!(routed(&service(), all.clone(), &location("node-9", "")).0, Rule::Ready);
        let one_without = vec![hinted(0, "a"), endpoint(1)];
        assert_eq!(routed(&service(), one_without, &location("node-9", "a")).0, Rule::Ready);
    }

    #[test]
    fn without_permission_for_the_node_an_endpoint_on_it_shows_its_zone() {
        let hinted = |ordinal: u8, zone: &str| Endpoint {
            zone: Some(zone.into()),
            for_zones: vec![zone.into()],
            ..endpoint(ordinal)
        };
        let all = vec![hinted(0, "a"), hinted(1, "b")];
        let in_b = (Rule::HintedZone, vec!["mysql-1".to_owned()]);
        assert_eq!(routed(&service(), all.clone(), &location("node-1", "")), in_b);
        assert_eq!(routed(&service(), all.clone(), &location("node-9", "")).0, Rule::Ready, "none of them is here");
        assert_eq!(routed(&service(), all.clone(), &location("", "")).0, Rule::Ready);
        assert_eq!(routed(&service(), all, &location("node-0", "b")), in_b, "the node's own label counts first");
    }

    #[test]
    fn a_hint_for_the_node_goes_before_one_for_the_zone() {
        let hinted = |ordinal: u8| Endpoint {
            for_zones: vec!["a".into()],
            for_nodes: vec![format!("node-{ordinal}").into()],
            ..endpoint(ordinal)
        };
        let all = vec![hinted(0), hinted(1)];
        assert_eq!(
            routed(&service(), all.clone(), &location("node-1", "a")),
            (Rule::HintedNode, vec!["mysql-1".to_owned()])
        );
        assert_eq!(routed(&service(), all, &location("node-9", "a")).0, Rule::HintedZone);
    }

    #[test]
    fn a_pod_of_two_address_families_is_one_endpoint() {
        let v6 = Endpoint { addresses: vec!["fd00::1".parse().unwrap()], ..endpoint(1) };
        let slices = [slice(vec![endpoint(1)]), slice(vec![v6])];
        let routing = route(&service(), &slices, &ProbeLocation::default());
        assert_eq!(routing.endpoints.len(), 1);
        assert_eq!(routing.endpoints[0].addresses.len(), 2);
    }

    #[test]
    fn the_sentence_names_the_policies_of_the_service() {
        let plain = route(&service(), &[slice(vec![endpoint(0)])], &ProbeLocation::default());
        assert_eq!(plain.to_string(), "the Service spreads connections evenly over its ready endpoints");
        let sticky = Service { affinity: Some(Duration::from_secs(90)), ..service() };
        let pinned = route(&sticky, &[slice(vec![endpoint(0)])], &ProbeLocation::default());
        assert_eq!(pinned.affinity, Some(Duration::from_secs(90)));
        assert!(pinned.to_string().contains("until 1 min 30 s after its last connection"), "{pinned}");
        let unready = Endpoint { serving: false, ..endpoint(0) };
        let published = route(&service(), &[slice(vec![unready])], &ProbeLocation::default());
        assert_eq!(published.routed().count(), 1);
        assert!(published.to_string().contains("publishNotReadyAddresses"), "{published}");
    }

    #[test]
    fn a_headless_service_has_no_affinity() {
        let headless = Service { headless: true, affinity: Some(Duration::from_secs(90)), ..service() };
        let routing = route(&headless, &[slice(vec![endpoint(0)])], &ProbeLocation::default());
        assert_eq!((routing.rule, routing.affinity), (Rule::Headless, None));
    }
}
