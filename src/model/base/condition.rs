//! Conditions begin, last and clear. Each gives a notice at its start, once a minute while it lasts, and at its end.

use std::time::Duration;

use super::moment::Moment;

/// Time between notices of a lasting condition. A condition clears after this time without an occurrence.
pub(crate) const TOLD_EVERY: Duration = Duration::from_secs(60);

#[derive(Clone, Debug)]
pub(crate) struct Condition {
    pub(crate) count: u64,
    /// Probes of the target that ended before the first occurrence.
    pub(crate) probes_before: u64,
    pub(crate) last: Moment,
    /// The latest error; empty without one.
    pub(crate) text: String,
    told: Moment,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    Nothing,
    GoesOn,
    Over,
}

impl Condition {
    pub(crate) fn begin(probes_before: u64, now: Moment) -> Self {
        Self { count: 0, probes_before, last: now, text: String::new(), told: now }
    }

    pub(crate) fn occurred(&mut self, count: u64, text: &str, now: Moment) {
        self.count += count;
        self.last = now;
        text.clone_into(&mut self.text);
    }

    pub(crate) fn progress(&mut self, now: Moment) -> Progress {
        if now.since(self.last) >= TOLD_EVERY {
            Progress::Over
        } else if now.since(self.told) >= TOLD_EVERY {
            self.told = now;
            Progress::GoesOn
        } else {
            Progress::Nothing
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trouble_is_told_once_a_minute_and_ends_after_a_quiet_one() {
        let mut episode = Condition::begin(0, Moment::at(0.0));
        let mut told = Vec::new();
        for second in 0..200_u32 {
            let now = Moment::at(f64::from(second));
            if second <= 100 {
                episode.occurred(1, "refused", now);
            }
            match episode.progress(now) {
                Progress::Nothing => {}
                progress => told.push((second, progress)),
            }
            if told.last().is_some_and(|(_, p)| *p == Progress::Over) {
                break;
            }
        }
        assert_eq!(told, [(60, Progress::GoesOn), (120, Progress::GoesOn), (160, Progress::Over)]);
    }
}
