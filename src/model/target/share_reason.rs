//! Why a replica has its expected share, in words.

use std::fmt;

use crate::model::{base::GRACE, cluster::EndpointRouting};

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ShareReason {
    /// Neither configuration nor routing names the expected replicas.
    Seen {
        replicas: usize,
    },
    Configured {
        /// Relative to the weights of the others.
        weight: f64,
    },
    NotConfigured,
    Routed {
        /// Expected replicas with the same share.
        alike: usize,
    },
    /// Routed to, but not expected yet.
    Joining,
    Unrouted {
        standing: EndpointRouting,
    },
    NoEndpoint,
}

impl fmt::Display for ShareReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Seen { replicas: 1 } => {
                f.write_str("nothing names the expected replicas, so the only replica seen should get all reads")
            }
            Self::Seen { replicas } => {
                write!(
                    f,
                    "nothing names the expected replicas, so each of the {replicas} replicas seen should get the same share"
                )
            }
            Self::Configured { weight } => write!(f, "the configuration expects it with weight {weight}"),
            Self::NotConfigured => f.write_str("the configuration does not expect it"),
            Self::Routed { alike: 1 } => f.write_str("the Service routes to it alone"),
            Self::Routed { alike } => write!(f, "it is one of {alike} endpoints to which the Service routes evenly"),
            Self::Joining => write!(
                f,
                "it is a new endpoint, expected from its first read or after {} s, whichever comes first",
                GRACE.as_secs()
            ),
            Self::Unrouted { standing } => write!(f, "the Service does not route to it from here: it is {standing}"),
            Self::NoEndpoint => f.write_str("it is not an endpoint of the Service"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::model::{
        base::Moment,
        cluster::{Routed, Routing, Rule},
        target::expected_replicas::ExpectedReplicas,
        verdict::Expectation,
    };

    fn routing(endpoints: &[(&str, EndpointRouting)]) -> Routing {
        let endpoint = |(name, standing): &(&str, EndpointRouting)| {
            let name = Arc::from(*name);
            Routed { pod: None, name, node: None, addresses: Vec::new(), serving: true, standing: *standing }
        };
        Routing { rule: Rule::Ready, endpoints: endpoints.iter().map(endpoint).collect(), ..Routing::default() }
    }

    #[test]
    fn every_share_has_its_reason() {
        let mut expected_replicas = ExpectedReplicas::new(Expectation::Seen);
        assert_eq!(expected_replicas.why("a", 2), ShareReason::Seen { replicas: 2 });
        expected_replicas.routed(
            Some(routing(&[("a", EndpointRouting::Routed), ("b", EndpointRouting::NotReady)])),
            Moment::at(0.0),
        );
        assert_eq!(expected_replicas.why("a", 2), ShareReason::Routed { alike: 1 });
        assert_eq!(expected_replicas.why("b", 2), ShareReason::Unrouted { standing: EndpointRouting::NotReady });
        assert_eq!(expected_replicas.why("c", 2), ShareReason::NoEndpoint);
        expected_replicas
            .routed(Some(routing(&[("a", EndpointRouting::Routed), ("b", EndpointRouting::Routed)])), Moment::at(1.0));
        assert_eq!(expected_replicas.why("b", 2), ShareReason::Joining);
        expected_replicas.answered("b");
        assert_eq!(expected_replicas.why("b", 2), ShareReason::Routed { alike: 2 });
    }

    #[test]
    fn a_configured_share_comes_from_the_configuration() {
        let listed = Expectation::listed(vec!["a=2".parse().unwrap()]).unwrap();
        let mut expected_replicas = ExpectedReplicas::new(listed);
        expected_replicas.routed(Some(routing(&[("b", EndpointRouting::Routed)])), Moment::at(0.0));
        assert_eq!(expected_replicas.why("a", 2), ShareReason::Configured { weight: 2.0 });
        assert_eq!(expected_replicas.why("b", 2), ShareReason::NotConfigured);
    }
}
