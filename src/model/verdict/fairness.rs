//! Tests whether a bounded run of reads fits the expected shares; valid at every look.
//!
//! The test is the e-process of a Dirichlet mixture against a multinomial with known shares (Lindon & Malek,
//! "Anytime-valid inference for multinomial count data", 2022). Each read x multiplies the evidence by q(x)/p(x), where
//! q is the mixture's prediction from the earlier reads. While the shares p hold, the evidence has mean 1 at every
//! stopping time, so by Ville's inequality it ever reaches 1/alpha with probability at most alpha.

use std::sync::Arc;

use super::{evidence::shares, expectation::Expectation};

#[derive(Clone, Debug)]
pub(crate) struct DirichletTest {
    /// Above 0, sum 1.
    shares: Vec<f64>,
    counts: Vec<u64>,
    reads: u64,
    ln_evidence: f64,
    ln_evidence_max: f64,
}

/// [`DirichletTest`] by replica name. Without a list, replicas join as they answer.
#[derive(Clone, Debug)]
pub(crate) struct Fairness {
    names: Vec<Arc<str>>,
    /// Covers a single replica until a second one is known.
    test: DirichletTest,
    /// True: a new replica joins, which restarts the test.
    open: bool,
    /// Smallest p-value of the earlier tests, each corrected for their number.
    p_before: f64,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Deviation {
    pub replica: Arc<str>,
    /// 0 to 1.
    pub share: f64,
    /// 0 to 1.
    pub expected: f64,
}

/// The natural logarithm of the evidence against these weights.
pub fn dirichlet_ln_evidence(weights: &[f64], counts: &[u64]) -> f64 {
    let mut test = DirichletTest::new(shares(weights));
    for (index, count) in counts.iter().enumerate().take(weights.len()) {
        (0..*count).for_each(|_| test.observe(index));
    }
    test.ln_evidence
}

impl DirichletTest {
    pub(crate) fn new(shares: Vec<f64>) -> Self {
        let counts = vec![0; shares.len()];
        Self { shares, counts, reads: 0, ln_evidence: 0.0, ln_evidence_max: 0.0 }
    }

    /// The prior has the expected shares as its mean and half a pseudo-count per replica, kappa = K/2:
    /// q(x) = (kappa p(x) + count(x)) / (kappa + n).
    #[expect(clippy::cast_precision_loss, reason = "counts stay below 2^53")]
    pub(crate) fn observe(&mut self, index: usize) {
        let kappa = self.shares.len() as f64 / 2.0;
        let share = self.shares[index];
        let predicted = (kappa * share + self.counts[index] as f64) / (kappa + self.reads as f64);
        self.ln_evidence += (predicted / share).ln();
        self.ln_evidence_max = self.ln_evidence_max.max(self.ln_evidence);
        self.counts[index] += 1;
        self.reads += 1;
    }

    /// Probability that chance alone ever reaches the largest evidence so far.
    fn p_value(&self) -> f64 {
        (-self.ln_evidence_max).exp().min(1.0)
    }

    /// The replica whose own count fits its share least, by its binomial likelihood ratio.
    #[expect(clippy::cast_precision_loss, reason = "counts stay below 2^53")]
    fn worst(&self) -> Option<usize> {
        let divergence = |index: usize| {
            let (p, s) = (self.shares[index], self.counts[index] as f64 / self.reads as f64);
            let part = |s: f64, p: f64| if s > 0.0 { s * (s / p).ln() } else { 0.0 };
            part(s, p) + part(1.0 - s, 1.0 - p)
        };
        if self.reads == 0 {
            return None;
        }
        (0..self.shares.len()).max_by(|a, b| divergence(*a).total_cmp(&divergence(*b)))
    }
}

impl Fairness {
    pub(crate) fn new(expectation: &Expectation) -> Self {
        let names: Vec<_> = expectation.entries().iter().map(|entry| Arc::clone(&entry.name)).collect();
        let shares = names.iter().map(|name| expectation.share(name, names.len())).collect();
        Self { open: names.is_empty(), names, test: DirichletTest::new(shares), p_before: 1.0 }
    }

    /// Tests other replicas. Evidence of balance carries over and evidence of imbalance does not, so all tests together
    /// keep the false-alarm probability: the evidence stays a supermartingale with start 1.
    pub(crate) fn again(&self, expectation: &Expectation) -> Self {
        let mut fairness = Self::new(expectation);
        fairness.test.ln_evidence = self.test.ln_evidence.min(0.0);
        fairness
    }

    /// Expects reads in start order. A read of a replica outside a closed set is not evidence about the shares inside,
    /// and does not count.
    pub(crate) fn observe(&mut self, replica: &Arc<str>) {
        match self.names.iter().position(|name| name == replica) {
            Some(index) => self.test.observe(index),
            None if self.open => self.join(replica),
            None => {}
        }
    }

    pub(crate) fn replicas(&self) -> usize {
        self.names.len()
    }

    /// Probability that chance alone ever reaches the largest evidence so far.
    pub(crate) fn p_value(&self) -> f64 {
        self.p_before.min(self.corrected()).min(1.0)
    }

    #[expect(clippy::cast_precision_loss, reason = "counts stay below 2^53")]
    pub(crate) fn worst(&self) -> Option<Deviation> {
        let index = self.test.worst()?;
        Some(Deviation {
            replica: Arc::clone(&self.names[index]),
            share: self.test.counts[index] as f64 / self.test.reads as f64,
            expected: self.test.shares[index],
        })
    }

    /// The test restarts over equal shares of all known replicas. The read that made the replica known does not count,
    /// since it decided when to start.
    fn join(&mut self, replica: &Arc<str>) {
        self.p_before = self.p_before.min(self.corrected());
        self.names.push(Arc::clone(replica));
        #[expect(clippy::cast_precision_loss, reason = "at most 65 replicas")]
        let share = 1.0 / self.names.len() as f64;
        self.test = DirichletTest::new(vec![share; self.names.len()]);
    }

    /// In an open set, the k-th test gets the part 1/(k(k+1)) of the false-alarm probability. These parts add up to
    /// less than 1, whatever the number of replicas.
    #[expect(clippy::cast_precision_loss, reason = "at most 65 replicas")]
    fn corrected(&self) -> f64 {
        let k = self.names.len() as f64;
        if self.open && k > 0.0 { self.test.p_value() * k * (k + 1.0) } else { self.test.p_value() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dead_replica_of_three_is_found_and_named() {
        let entries = ["a", "b", "c"].map(|n| n.parse().unwrap()).to_vec();
        let mut fairness = Fairness::new(&Expectation::listed(entries).unwrap());
        let mut reads = 0;
        while fairness.p_value() > 0.001 {
            fairness.observe(&["a", "b"][reads % 2].into());
            reads += 1;
        }
        assert!(reads < 40, "{reads}");
        assert_eq!(fairness.worst().unwrap().replica, "c".into());
    }

    #[test]
    fn one_replica_alone_is_no_evidence_of_anything() {
        let mut fairness = Fairness::new(&Expectation::Seen);
        (0..1000).for_each(|_| fairness.observe(&"a".into()));
        assert_eq!(fairness.p_value(), 1.0);
    }

    #[test]
    fn false_alarms_are_at_most_alpha() {
        use rand::{RngExt, SeedableRng, rngs::StdRng};
        let mut random = StdRng::seed_from_u64(7);
        let names = ["a", "b", "c"].map(Arc::<str>::from);
        for expectation in
            [Expectation::Seen, Expectation::listed(["a", "b", "c"].map(|n| n.parse().unwrap()).to_vec()).unwrap()]
        {
            let alarms = (0..2000)
                .filter(|_| {
                    let mut fairness = Fairness::new(&expectation);
                    (0..600).any(|_| {
                        fairness.observe(&names[random.random_range(0..3)]);
                        fairness.p_value() <= 0.05
                    })
                })
                .count();
            assert!(alarms <= 130, "{alarms} of 2000 where at most 100 are to be expected");
            assert!(alarms >= 1, "a test that never alarms is no test");
        }
    }
}
