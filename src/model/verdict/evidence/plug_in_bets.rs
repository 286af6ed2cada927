//! Bets that reads keep dividing as the latest ones did, which finds patterns over several replicas.

/// Above any capital that matters, and finite after the next multiplication.
const CAPITAL_MAX: f64 = 1e300;

/// Memory of each bet in reads: a short memory finds large changes, a long one small changes.
pub const WINDOWS: [f64; 3] = [16.0, 64.0, 512.0];

#[derive(Clone, Debug)]
pub(super) struct PlugInBets {
    window: f64,
    /// In seconds.
    capital: f64,
    /// Reads of each replica; every read forgets the part 1/window.
    counts: Vec<f64>,
    reads: f64,
}

impl PlugInBets {
    pub(super) fn new(window: f64, replicas: usize) -> Self {
        Self { window, capital: 0.0, counts: vec![0.0; replicas], reads: 0.0 }
    }

    /// Settles the bet, adds `income` seconds, and remembers the read.
    ///
    /// The bet's chances q are the remembered parts plus half a pseudo-read per replica. Against chances that are off
    /// by at most the part `tolerance`, q(x)/p(x) has a mean of at most 1 + tolerance |q - p|, so the factor is divided
    /// by that.
    #[expect(clippy::cast_precision_loss, reason = "at most a few hundred replicas")]
    pub(super) fn settle(&mut self, x: usize, shares: &[f64], tolerance: f64, income: f64) {
        let kappa = shares.len() as f64 / 2.0;
        let all = kappa + self.reads;
        let chance = |share: f64, count: f64| (kappa * share + count) / all;
        let distance: f64 =
            shares.iter().zip(&self.counts).map(|(share, count)| (chance(*share, *count) - share).abs()).sum();
        let gain = chance(shares[x], self.counts[x]) / (shares[x] * (1.0 + tolerance * distance));
        self.capital = (self.capital * gain + income).min(CAPITAL_MAX);
        let keep = 1.0 - 1.0 / self.window;
        self.counts.iter_mut().for_each(|count| *count *= keep);
        self.counts[x] += 1.0;
        self.reads = self.reads * keep + 1.0;
    }

    pub(super) fn capital(&self) -> f64 {
        self.capital
    }

    pub(super) fn scale(&mut self, by: f64) {
        self.capital *= by;
    }
}
