//! Bets that one replica gets a multiple of its expected odds.

/// Multiples of the odds that follow from the expected share; 0 is a replica without reads. Powers of two, closer
/// together around 1, where the size of a small change matters most.
pub const ODDS: [f64; 10] = [
    0.0,
    0.25,
    0.5,
    std::f64::consts::FRAC_1_SQRT_2,
    0.840_896_415_253_714_5,
    1.189_207_115_002_721,
    std::f64::consts::SQRT_2,
    2.0,
    4.0,
    16.0,
];

const BETS: usize = ODDS.len();

/// One capital per replica and odds, in seconds.
#[derive(Clone, Debug)]
pub(super) struct Grid {
    capital: Vec<[f64; BETS]>,
    factors: Vec<Factors>,
}

/// Factors of a read for the bets on one replica.
#[derive(Clone, Copy, Debug)]
struct Factors {
    hit: [f64; BETS],
    miss: [f64; BETS],
}

impl Factors {
    /// `p` is the expected share; chances may be off by the part `tolerance`.
    ///
    /// Each bet compares its own chance q of a hit with the nearest tolerated chance r. If q is not beyond r, there is
    /// nothing to win, and the bet is off.
    fn new(p: f64, tolerance: f64) -> Self {
        let mut factors = Self { hit: [0.0; BETS], miss: [0.0; BETS] };
        for (index, odds) in ODDS.into_iter().enumerate() {
            let q = odds * p / (1.0 - p + odds * p);
            let r = if odds > 1.0 { p * (1.0 + tolerance) } else { p * (1.0 - tolerance) };
            let beyond = if odds > 1.0 { q > r } else { q < r };
            // A share of 0 or 1 leaves nothing to bet on; comparisons with NaN are false.
            if beyond && r > 0.0 && r < 1.0 && p < 1.0 {
                factors.hit[index] = q / r;
                factors.miss[index] = (1.0 - q) / (1.0 - r);
            }
        }
        factors
    }
}

impl Grid {
    pub(super) fn new(shares: &[f64], tolerance: f64) -> Self {
        Self {
            capital: vec![[0.0; BETS]; shares.len()],
            factors: shares.iter().map(|share| Factors::new(*share, tolerance)).collect(),
        }
    }

    /// Each replica keeps the capital of its former index, if any.
    pub(super) fn change(&mut self, shares: &[f64], before: &[Option<usize>], tolerance: f64) {
        let kept = |index: &Option<usize>| index.and_then(|index| self.capital.get(index)).copied();
        let capital = before.iter().map(|index| kept(index).unwrap_or([0.0; BETS])).collect();
        *self = Self { capital, ..Self::new(shares, tolerance) };
    }

    /// Settles the bets, then adds `income` seconds in equal parts.
    pub(super) fn settle(&mut self, x: usize, income: f64) {
        #[expect(clippy::cast_precision_loss, reason = "at most a few hundred bets")]
        let each = income / (self.capital.len() * BETS) as f64;
        for (index, (capital, factors)) in self.capital.iter_mut().zip(&self.factors).enumerate() {
            let by = if index == x { &factors.hit } else { &factors.miss };
            for (capital, factor) in capital.iter_mut().zip(by) {
                *capital = *capital * factor + each;
            }
        }
    }

    pub(super) fn sum(&self) -> f64 {
        self.capital.iter().flatten().sum()
    }

    pub(super) fn scale(&mut self, by: f64) {
        self.capital.iter_mut().flatten().for_each(|capital| *capital *= by);
    }

    pub(super) fn of(&self, index: usize) -> f64 {
        self.capital[index].iter().sum()
    }

    pub(super) fn odds(&self, index: usize) -> f64 {
        let bets = self.capital[index].into_iter().zip(ODDS);
        bets.fold((f64::NEG_INFINITY, 1.0), |best, bet| if bet.0 > best.0 { bet } else { best }).1
    }

    pub(super) fn len(&self) -> usize {
        self.capital.len()
    }
}
