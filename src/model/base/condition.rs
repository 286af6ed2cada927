//! Conditions begin, last and clear. Each gives a notice at its start, once a minute while it lasts, and at its end.

use std::time::Duration;

use super::moment::Moment;

/// Time between notices of a lasting condition. A condition clears after this time without an occurrence.
pub(crate) const NOTICE_EVERY: Duration = Duration::from_secs(60);

#[derive(Clone, Debug)]
pub(crate) struct Condition {
    pub(crate) count: u64,
    pub(crate) last: Moment,
    /// The latest error; empty without one.
    pub(crate) text: String,
    noticed: Moment,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    Nothing,
    Continues,
    Cleared,
}

impl Condition {
    pub(crate) fn begin(now: Moment) -> Self {
        Self { count: 0, last: now, text: String::new(), noticed: now }
    }

    pub(crate) fn occurred(&mut self, count: u64, text: &str, now: Moment) {
        self.count += count;
        self.last = now;
        text.clone_into(&mut self.text);
    }

    pub(crate) fn progress(&mut self, now: Moment) -> Progress {
        if now.since(self.last) >= NOTICE_EVERY {
            Progress::Cleared
        } else if now.since(self.noticed) >= NOTICE_EVERY {
            self.noticed = now;
            Progress::Continues
        } else {
            Progress::Nothing
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_condition_gives_a_notice_every_minute_and_clears_after_a_quiet_one() {
        let mut condition = Condition::begin(Moment::at(0.0));
        let mut notices = Vec::new();
        for second in 0..200_u32 {
            let now = Moment::at(f64::from(second));
            if second <= 100 {
                condition.occurred(1, "refused", now);
            }
            match condition.progress(now) {
                Progress::Nothing => {}
                progress => notices.push((second, progress)),
            }
            if notices.last().is_some_and(|(_, p)| *p == Progress::Cleared) {
                break;
            }
        }
        assert_eq!(notices, [(60, Progress::Continues), (120, Progress::Continues), (160, Progress::Cleared)]);
    }
}
