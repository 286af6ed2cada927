//! The kernel's load balancer in front of the servers: one random choice for each connection, as kube-proxy makes it.

use std::{fmt::Write as _, net::Ipv4Addr, process::Command};

use crate::program::{run, run_with_input};

/// Where clients connect to.
pub(crate) const READ_ADDRESS: &str = "127.0.1.1:3306";

/// Servers see all clients at this address, as behind the masquerading of a node. They never block a loopback address,
/// so that a blocked host could not be shown otherwise.
const SEEN_AS: &str = "192.0.2.7";

/// Lets the service's connections go to the backends from now on, in one step. An address that is given twice gets twice
/// the share; without any, connections are refused. The rules belong to the test's namespace and end with it.
pub(crate) fn route_to(backends: &[Ipv4Addr]) {
    let (service, port) = READ_ADDRESS.split_once(':').expect("the address has a port");
    let mut choice = String::new();
    if !backends.is_empty() {
        write!(choice, "ip daddr {service} tcp dport {port} dnat to numgen random mod {} map {{", backends.len())
            .expect("a String takes what is written");
        for (number, backend) in backends.iter().enumerate() {
            write!(choice, "{number} : {backend}, ").expect("a String takes what is written");
        }
        choice.push('}');
    }
    let rules = format!(
        "table ip service
        delete table ip service
        table ip service {{
            chain choose {{
                type nat hook output priority -100;
                {choice}
            }}
            chain hide_clients {{
                type nat hook postrouting priority 100;
                ct original ip daddr {service} tcp dport {port} snat to {SEEN_AS}
            }}
        }}"
    );
    run(Command::new("ip").args(["address", "replace", SEEN_AS, "dev", "lo"]));
    let output = run_with_input(Command::new("nft").args(["-f", "-"]), &rules);
    assert!(output.status.success(), "nft refuses {rules}: {}", String::from_utf8_lossy(&output.stderr));
}
