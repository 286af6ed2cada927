//! kube-proxy, stopped while its rules are changed.

use crate::{
    WITHIN,
    lab::Lab,
    support::{commands::try_run, waiting::wait_for},
};

/// A stopped kube-proxy. When this is dropped, a new one starts and restores the rules.
pub(crate) struct Frozen<'a>(&'a Lab);

impl<'a> Frozen<'a> {
    pub(crate) fn kube_proxy(lab: &'a Lab) -> Self {
        lab.script("component", &["freeze", "kube-proxy"]);
        Self(lab)
    }

    /// Removes the first rule that chooses an endpoint, so that the others share its reads evenly. Returns the endpoint's
    /// address.
    pub(crate) fn forget_first_endpoint(&self) -> String {
        let (rule, address) = self.first_rule();
        self.change(&rule.replacen("-A ", "-D ", 1));
        wait_for("the rules without it", WITHIN, || (self.share(&address) == 0.0).then_some(()));
        address
    }

    /// Reduces the share of the first endpoint to 1/25. Returns its address.
    pub(crate) fn starve_first_endpoint(&self) -> String {
        let (rule, address) = self.first_rule();
        let (before, after) = rule.split_once("--probability ").expect("it is chosen at random");
        let (_, after) = after.split_once(' ').expect("the target of the rule");
        self.change(&format!("{before}--probability 0.04 {after}").replacen("-A ", "-I ", 1));
        self.change(&rule.replacen("-A ", "-D ", 1));
        wait_for("the rules with a twenty-fifth", WITHIN, || (self.share(&address) < 0.05).then_some(()));
        address
    }

    /// The first rule, which chooses from all endpoints, and its address.
    fn first_rule(&self) -> (String, String) {
        let rules = self.0.script("rules", &["list", "mysql/mysql-read"]);
        let chooses = |rule: &&str| rule.contains(" -> ") && rule.contains("--probability ");
        let rule = rules.lines().find(chooses).expect("one of several endpoints is chosen at random");
        let (_, address) = rule.split_once(" -> ").expect("a comment says where it leads");
        let (address, _) = address.split_once(':').expect("an address and its port");
        (rule.to_owned(), address.to_owned())
    }

    fn change(&self, rule: &str) {
        self.0.script("inside", &["bash", "-c", &format!("iptables --wait 30 --table nat {rule}")]);
    }

    fn share(&self, address: &str) -> f64 {
        self.0.cluster().shares("mysql/mysql-read").get(address).copied().unwrap_or(0.0)
    }
}

impl Drop for Frozen<'_> {
    fn drop(&mut self) {
        // A failure shows in the next wait; a panic here would hide why the test failed.
        let _ = try_run(self.0.cluster().script("component").args(["restart", "kube-proxy"]));
    }
}
