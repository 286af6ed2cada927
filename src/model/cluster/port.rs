//! At which port an endpoint serves what a client asks its Service for: a Service's port leads to the port of the same
//! name in each `EndpointSlice`, which may be another number, and not the same one in every slice.

use std::sync::Arc;

/// A port of a Service, or the one of an endpoint that it leads to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Port {
    /// The name that the two have in common; empty where a Service has one port.
    pub name: Arc<str>,
    /// The number.
    pub number: u16,
}

/// The port of an endpoint with the ports `endpoint` to which a Service with the ports `service` leads a connection to
/// its port `asked`.
///
/// A client that connects elsewhere, through a forwarded port or a balancer outside the cluster, asks for none of them;
/// where there is but one port, that is the one all the same.
#[must_use]
pub(crate) fn port_behind(service: &[Port], asked: u16, endpoint: &[Port]) -> Option<u16> {
    let of_service = service.iter().find(|port| port.number == asked).or(only(service));
    let named = of_service.and_then(|of_service| endpoint.iter().find(|port| port.name == of_service.name));
    let same_number = || endpoint.iter().find(|port| port.number == asked);
    Some(named.or_else(|| only(endpoint)).or_else(same_number)?.number)
}

fn only(ports: &[Port]) -> Option<&Port> {
    match ports {
        [port] => Some(port),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ports(ports: &[(&str, u16)]) -> Vec<Port> {
        ports.iter().map(|(name, number)| Port { name: (*name).into(), number: *number }).collect()
    }

    fn behind(service: &[(&str, u16)], asked: u16, endpoint: &[(&str, u16)]) -> Option<u16> {
        port_behind(&ports(service), asked, &ports(endpoint))
    }

    #[test]
    fn the_name_leads_from_the_port_of_the_service_to_that_of_the_endpoint() {
        let service = [("mysql", 3306), ("metrics", 9104)];
        assert_eq!(behind(&service, 3306, &[("metrics", 9104), ("mysql", 33_060)]), Some(33_060));
        assert_eq!(behind(&service, 9104, &[("metrics", 9105), ("mysql", 33_060)]), Some(9105));
    }

    #[test]
    fn a_single_port_without_a_name_is_the_one() {
        assert_eq!(behind(&[("", 3306)], 3306, &[("", 33_060)]), Some(33_060));
    }

    #[test]
    fn a_client_that_comes_through_another_port_is_led_to_the_only_one() {
        assert_eq!(behind(&[("mysql", 3306)], 13_306, &[("mysql", 3307), ("other", 1)]), Some(3307));
        assert_eq!(behind(&[("a", 1), ("b", 2)], 3306, &[("c", 3307)]), Some(3307));
        assert_eq!(behind(&[("a", 1), ("b", 2)], 3306, &[("c", 3306), ("d", 5)]), Some(3306));
    }

    #[test]
    fn where_there_is_no_saying_there_is_no_port() {
        assert_eq!(behind(&[("a", 1), ("b", 2)], 3306, &[("a", 1), ("b", 2)]), None);
        assert_eq!(behind(&[], 3306, &[]), None);
    }
}
