//! The demo's load balancer: each connection goes to a random routed replica, as with kube-proxy.

use std::collections::BTreeSet;

use rand::{RngExt, SeedableRng, rngs::StdRng};

#[derive(Debug)]
pub(super) struct Balancer {
    routed: BTreeSet<u32>,
    random: StdRng,
}

impl Balancer {
    /// `seed` alone decides the choices.
    pub(super) fn new(routed: impl IntoIterator<Item = u32>, seed: u64) -> Self {
        Self { routed: routed.into_iter().collect(), random: StdRng::seed_from_u64(seed) }
    }

    pub(super) fn route(&mut self, replica: u32, routed: bool) {
        if routed {
            self.routed.insert(replica);
        } else {
            self.routed.remove(&replica);
        }
    }

    /// `None` if no replica is routed.
    pub(super) fn choose(&mut self) -> Option<u32> {
        if self.routed.is_empty() {
            return None;
        }
        let index = self.random.random_range(0..self.routed.len());
        self.routed.iter().nth(index).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn choices_follow_from_the_seed() {
        let choices = |seed| {
            let mut balancer = Balancer::new(0..3, seed);
            (0..100).map(|_| balancer.choose()).collect::<Vec<_>>()
        };
        assert_eq!(choices(7), choices(7));
        assert_ne!(choices(7), choices(8));
    }

    #[test]
    fn connections_go_to_routed_replicas_only() {
        let mut balancer = Balancer::new([0, 1], 1);
        balancer.route(3, true);
        balancer.route(1, false);
        let chosen: BTreeSet<_> = (0..100).map(|_| balancer.choose()).collect();
        assert_eq!(chosen, [Some(0), Some(3)].into());
        balancer.route(0, false);
        balancer.route(3, false);
        assert_eq!(balancer.choose(), None);
    }
}
