//! The detector: all bets, their sum, and the alarm.

use super::{
    grid::Grid,
    plug_in_bets::{PlugInBets, WINDOWS},
    shares,
};

/// Part of the income for bets on single replicas; plug-in bets get the rest.
pub const GRID_PART: f64 = 0.5;

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DetectorRules {
    /// Evidence of an alarm, and minimum average time between false alarms. Above 0.
    pub threshold_seconds: f64,
    /// Tolerated relative deviation from the expected share: 0 to below 1.
    pub tolerance: f64,
    /// An alarm ends below this part of the threshold.
    pub clear_ratio: f64,
    /// Maximum evidence as a multiple of the threshold, so that an alarm ends soon after its cause.
    pub cap_ratio: f64,
    /// A longer time between reads counts as this.
    pub gap_seconds_max: f64,
}

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

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Suspect {
    pub index: usize,
    /// Multiple of the expected odds: 0 is dead, below 1 starved, above 1 hot.
    pub odds: f64,
    /// Part of all evidence won on this replica, 0 to 1.
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
    /// Replicas without a weight above 0 get no bets.
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

    /// `seconds` is the time since the previous read. A read of a replica without bets, or of the only replica, is
    /// ignored.
    pub fn observe(&mut self, x: usize, seconds: f64) {
        if self.comparable() < 2 || self.shares.get(x).is_none_or(|share| *share <= 0.0) {
            return;
        }
        // NaN and negative times count as 0.
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

    /// Only the count of alarms stays.
    pub fn restart(&mut self, weights: &[f64]) {
        let alarms = self.alarms;
        *self = Self { alarms, ..Self::new(self.rules, weights) };
    }

    /// `before` gives the former index of each replica, if any. A replica that stays keeps the capital won on it: each
    /// factor has a mean of at most 1 under the shares in force when it is used, and these are known before the read. A
    /// new replica starts without capital, and the plug-in bets restart.
    pub fn change(&mut self, weights: &[f64], before: &[Option<usize>]) {
        self.shares = shares(weights);
        self.grid.change(&self.shares, before, self.rules.tolerance);
        self.plug_ins = WINDOWS.map(|window| PlugInBets::new(window, self.shares.len()));
        self.add_up();
        self.clear();
    }

    pub fn set_threshold(&mut self, seconds: f64) {
        self.rules.threshold_seconds = seconds;
    }

    pub fn rules(&self) -> &DetectorRules {
        &self.rules
    }

    /// M: evidence this large occurs by chance at most about once in this many seconds.
    pub fn evidence_seconds(&self) -> f64 {
        self.evidence
    }

    /// True from the threshold until the evidence falls below the clear level.
    pub fn alarm(&self) -> bool {
        self.alarm
    }

    pub fn alarms(&self) -> u64 {
        self.alarms
    }

    /// By index; 0 for replicas without bets.
    pub fn shares(&self) -> &[f64] {
        &self.shares
    }

    pub fn comparable(&self) -> usize {
        self.shares.iter().filter(|share| **share > 0.0).count()
    }

    pub fn clear_seconds(&self) -> f64 {
        self.rules.clear_ratio * self.rules.threshold_seconds
    }

    /// The replica on which bets won most; absent without evidence.
    pub fn culprit(&self) -> Option<Suspect> {
        // Of equals, the first.
        let indices = (0..self.grid.len()).rev();
        let most = indices.max_by(|one, other| self.grid.of(*one).total_cmp(&self.grid.of(*other)))?;
        (self.grid.of(most) > 0.0).then(|| self.suspect(most))
    }

    /// The culprit, and the replicas that deviate in the same direction and alone hold enough evidence for an alarm,
    /// the largest part first. If one replica gets less, the others get more; that does not make them culprits.
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
