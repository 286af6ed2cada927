//! The detector: every bet, their sum, and whether it is an alarm.

use super::{
    grid::Grid,
    plug_in_bets::{PlugInBets, WINDOWS},
    shares,
};

/// The part of the income that goes to bets on single replicas; plug-in bets get the rest.
pub const GRID_PART: f64 = 0.5;

/// When to alarm and what to tolerate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DetectorRules {
    /// The evidence, in seconds, at which it alarms: false alarms are at least so far apart on average. Above 0.
    pub threshold_seconds: f64,
    /// By which part the chance of each replica may be off its expected share: 0 to below 1.
    pub tolerance: f64,
    /// An alarm ends when the evidence is below this part of the threshold.
    pub clear_ratio: f64,
    /// The evidence is kept below this multiple of the threshold, so that an alarm ends soon after its cause.
    pub cap_ratio: f64,
    /// A longer time between answers counts as this, in seconds.
    pub gap_seconds_max: f64,
}

/// The evidence that answers do not divide as expected.
#[derive(Clone, Debug)]
pub struct Detector {
    rules: DetectorRules,
    shares: Vec<f64>,
    grid: Grid,
    plug_ins: [PlugInBets; WINDOWS.len()],
    /// M, the sum of all capitals, in seconds.
    evidence: f64,
    alarm: bool,
    alarms: u64,
}

/// A replica on which bets have won.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Suspect {
    /// Its index among the weights.
    pub index: usize,
    /// At which multiple of the odds that it should have: 0 is dead, below 1 starved, above 1 hot.
    pub odds: f64,
    /// The part of all the evidence that bets on it have won, 0 to 1.
    pub part: f64,
}

impl Default for DetectorRules {
    fn default() -> Self {
        Self {
            threshold_seconds: 30.0 * 86_400.0,
            tolerance: 0.02,
            clear_ratio: 0.05,
            cap_ratio: 1000.0,
            gap_seconds_max: 60.0,
        }
    }
}

impl Detector {
    /// A detector without evidence. Replicas whose weight is no number above 0 are not bet on.
    #[must_use]
    pub fn new(rules: DetectorRules, weights: &[f64]) -> Self {
        let shares = shares(weights);
        Self {
            grid: Grid::new(&shares, rules.tolerance),
            plug_ins: WINDOWS.map(|window| PlugInBets::new(window, shares.len())),
            rules,
            shares,
            evidence: 0.0,
            alarm: false,
            alarms: 0,
        }
    }

    /// Takes in that the replica of index `x` answered, `seconds` after the answer before. An answer of a replica that
    /// is not bet on, or of the only one, says nothing.
    pub fn observe(&mut self, x: usize, seconds: f64) {
        if self.comparable() < 2 || self.shares.get(x).is_none_or(|share| *share <= 0.0) {
            return;
        }
        // What is no number is no time either.
        let seconds = if seconds > 0.0 { seconds.min(self.rules.gap_seconds_max) } else { 0.0 };
        self.grid.settle(x, seconds * GRID_PART);
        #[expect(clippy::cast_precision_loss, reason = "there are three")]
        let each = seconds * (1.0 - GRID_PART) / WINDOWS.len() as f64;
        for plug_in in &mut self.plug_ins {
            plug_in.settle(x, &self.shares, self.rules.tolerance, each);
        }
        self.add_up();
        let cap = self.rules.cap_ratio * self.rules.threshold_seconds;
        if self.evidence > cap {
            let by = cap / self.evidence;
            self.grid.scale(by);
            self.plug_ins.iter_mut().for_each(|plug_in| plug_in.scale(by));
            self.evidence = cap;
        }
        if !self.alarm && self.evidence >= self.rules.threshold_seconds {
            self.alarm = true;
            self.alarms += 1;
        }
        self.clear();
    }

    /// Begins anew with other weights; only the count of alarms stays.
    pub fn restart(&mut self, weights: &[f64]) {
        let alarms = self.alarms;
        *self = Self { alarms, ..Self::new(self.rules, weights) };
    }

    /// Goes on with other replicas; `before` says at which index each was, if it was there. What bets on single replicas
    /// have won stays with those that stay: each factor's mean is at most 1 under the shares in force when it is used, and
    /// those are known before the answer. A newcomer's bets begin with nothing, and plug-in bets begin anew.
    pub fn change(&mut self, weights: &[f64], before: &[Option<usize>]) {
        self.shares = shares(weights);
        self.grid.change(&self.shares, before, self.rules.tolerance);
        self.plug_ins = WINDOWS.map(|window| PlugInBets::new(window, self.shares.len()));
        self.add_up();
        self.clear();
    }

    /// Alarms at another threshold from now on, in seconds.
    pub fn set_threshold(&mut self, seconds: f64) {
        self.rules.threshold_seconds = seconds;
    }

    /// When it alarms and what it tolerates.
    #[must_use]
    pub fn rules(&self) -> &DetectorRules {
        &self.rules
    }

    /// The evidence M in seconds: chance alone brings this much about at most once in so many seconds.
    #[must_use]
    pub fn evidence_seconds(&self) -> f64 {
        self.evidence
    }

    /// Whether the evidence has reached the threshold and not fallen below the clear level since.
    #[must_use]
    pub fn alarm(&self) -> bool {
        self.alarm
    }

    /// How often an alarm began.
    #[must_use]
    pub fn alarms(&self) -> u64 {
        self.alarms
    }

    /// The expected shares, by index; 0 where a replica is not bet on.
    #[must_use]
    pub fn shares(&self) -> &[f64] {
        &self.shares
    }

    /// How many replicas are bet on.
    #[must_use]
    pub fn comparable(&self) -> usize {
        self.shares.iter().filter(|share| **share > 0.0).count()
    }

    /// The evidence below which an alarm ends, in seconds.
    #[must_use]
    pub fn clear_seconds(&self) -> f64 {
        self.rules.clear_ratio * self.rules.threshold_seconds
    }

    /// The replica on which bets have won most; absent without evidence.
    #[must_use]
    pub fn culprit(&self) -> Option<Suspect> {
        let capitals = (0..self.grid.len()).map(|index| (index, self.grid.of(index)));
        let first = capitals.fold(None, |best: Option<(usize, f64)>, of| match best {
            Some(best) if best.1 >= of.1 => Some(best),
            _ => Some(of),
        });
        first.filter(|(_, capital)| *capital > 0.0).map(|(index, _)| self.suspect(index))
    }

    /// The culprit, and all others that deviate in the same direction and on which alone bets have won enough to hold an
    /// alarm, the greatest part first. Others get more when one gets less; that makes them no culprits.
    #[must_use]
    pub fn culprits(&self) -> Vec<Suspect> {
        let Some(first) = self.culprit() else { return Vec::new() };
        let alike = |suspect: &Suspect| (suspect.odds > 1.0) == (first.odds > 1.0);
        let others = (0..self.grid.len()).filter(|index| *index != first.index);
        let strong = others.filter(|index| self.grid.of(*index) >= self.clear_seconds());
        let mut found: Vec<_> = strong.map(|index| self.suspect(index)).filter(alike).collect();
        found.push(first);
        found.sort_by(|a, b| b.part.total_cmp(&a.part));
        found
    }

    /// The part of the answers that a replica gave lately, 0 to 1, over the memory with which the plug-in bets have won
    /// most: after a change it is as long as fits the size of the change. Absent while there are too few answers.
    #[must_use]
    pub fn recent_share(&self, index: usize) -> Option<f64> {
        let best = self.plug_ins.iter().max_by(|a, b| a.capital().total_cmp(&b.capital()))?;
        best.share(index)
    }

    fn suspect(&self, index: usize) -> Suspect {
        let part = if self.evidence > 0.0 { self.grid.of(index) / self.evidence } else { 0.0 };
        Suspect { index, odds: self.grid.odds(index), part }
    }

    fn add_up(&mut self) {
        self.evidence = self.grid.sum() + self.plug_ins.iter().map(PlugInBets::capital).sum::<f64>();
    }

    fn clear(&mut self) {
        if self.alarm && self.evidence < self.clear_seconds() {
            self.alarm = false;
        }
    }
}
