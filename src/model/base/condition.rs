//! Something that goes wrong again and again, told once at its start, once a minute while it goes on, and at its end.

use std::time::Duration;

use super::moment::Moment;

/// While trouble goes on it is told this often, and it is over when it has not been seen for so long.
pub(crate) const TOLD_EVERY: Duration = Duration::from_secs(60);

/// One run of the same trouble, from its first occurrence until none came for [`TOLD_EVERY`].
#[derive(Clone, Debug)]
pub(crate) struct Condition {
    /// Occurrences since it began.
    pub(crate) count: u64,
    /// How many samples the target had finished when it began, the first occurrence not included.
    pub(crate) samples_before: u64,
    pub(crate) last: Moment,
    /// The latest error in full; empty where there is none.
    pub(crate) text: String,
    told: Moment,
}

/// What time did to an episode.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    Nothing,
    /// It goes on and should be told again.
    GoesOn,
    Over,
}

impl Condition {
    pub(crate) fn begin(samples_before: u64, now: Moment) -> Self {
        Self { count: 0, samples_before, last: now, text: String::new(), told: now }
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
