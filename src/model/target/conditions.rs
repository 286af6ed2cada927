//! What goes wrong with a target again and again: failing samples by reason, samples not taken, answers of servers that
//! should not get any. Each is told as an [`Episode`].

use std::sync::Arc;

use crate::model::{
    base::{Episode, Moment, Progress, TOLD_EVERY},
    notice::{Notice, Stranger},
    probe::FailureReason,
};

/// The troubles of one target that are open now.
#[derive(Debug, Default)]
pub(crate) struct Troubles {
    /// By `FailureReason as usize`.
    failing: [Option<Episode>; FailureReason::ALL.len()],
    skipping: Option<Episode>,
    /// By `Stranger as usize`, with the latest one's name as the text.
    strange: [Option<Episode>; Stranger::ALL.len()],
}

impl Troubles {
    /// A sample failed, the `samples`-th one; returns what is new.
    pub(crate) fn failed(&mut self, reason: FailureReason, text: &str, samples: u64, now: Moment) -> Option<Notice> {
        let slot = &mut self.failing[reason as usize];
        let begins = slot.is_none();
        let episode = slot.get_or_insert_with(|| Episode::begin(samples - 1, now));
        episode.occurred(1, text, now);
        begins.then(|| failing(reason, episode, samples))
    }

    /// So many samples were not taken; returns what is new.
    pub(crate) fn skipped(&mut self, count: u64, samples: u64, now: Moment) -> Option<Notice> {
        let begins = self.skipping.is_none();
        let episode = self.skipping.get_or_insert_with(|| Episode::begin(samples, now));
        episode.occurred(count, "", now);
        begins.then(|| skipping(episode))
    }

    /// A server answered that should not have been asked; returns what is new.
    pub(crate) fn strange(&mut self, stranger: Stranger, name: &str, samples: u64, now: Moment) -> Option<Notice> {
        let slot = &mut self.strange[stranger as usize];
        let begins = slot.is_none();
        let episode = slot.get_or_insert_with(|| Episode::begin(samples, now));
        episode.occurred(1, name, now);
        begins.then(|| strange(stranger, episode))
    }

    /// Time passed; returns what goes on or is over by that.
    pub(crate) fn tick(&mut self, samples: u64, now: Moment) -> Vec<Notice> {
        let mut news = Vec::new();
        for reason in FailureReason::ALL {
            let over = |episode: &Episode| Notice::Recovered { reason, failed: episode.count, quiet: TOLD_EVERY };
            let on = |episode: &Episode| failing(reason, episode, samples);
            news.extend(progress(&mut self.failing[reason as usize], now, on, over));
        }
        let over = |episode: &Episode| Notice::OnTime { skipped: episode.count };
        news.extend(progress(&mut self.skipping, now, skipping, over));
        for stranger in Stranger::ALL {
            let over = |episode: &Episode| Notice::StrangeNoMore { stranger, answers: episode.count };
            let on = |episode: &Episode| strange(stranger, episode);
            news.extend(progress(&mut self.strange[stranger as usize], now, on, over));
        }
        news
    }

    /// What is wrong now, the gravest first.
    pub(crate) fn notices(&self, samples: u64) -> impl Iterator<Item = Notice> + '_ {
        let failing = FailureReason::ALL.into_iter().filter_map(move |reason| {
            self.failing[reason as usize].as_ref().map(|episode| failing(reason, episode, samples))
        });
        let strange = Stranger::ALL
            .into_iter()
            .filter_map(|stranger| self.strange[stranger as usize].as_ref().map(|episode| strange(stranger, episode)));
        failing.chain(strange).chain(self.skipping.iter().map(skipping))
    }
}

fn progress(
    slot: &mut Option<Episode>,
    now: Moment,
    on: impl FnOnce(&Episode) -> Notice,
    over: impl FnOnce(&Episode) -> Notice,
) -> Option<Notice> {
    let episode = slot.as_mut()?;
    match episode.progress(now) {
        Progress::Nothing => None,
        Progress::GoesOn => Some(on(episode)),
        Progress::Over => {
            let notice = over(episode);
            *slot = None;
            Some(notice)
        }
    }
}

fn failing(reason: FailureReason, episode: &Episode, samples: u64) -> Notice {
    let samples = samples - episode.samples_before;
    Notice::Failing { reason, failed: episode.count, samples, text: episode.text.clone() }
}

fn skipping(episode: &Episode) -> Notice {
    Notice::Skipping { skipped: episode.count }
}

fn strange(stranger: Stranger, episode: &Episode) -> Notice {
    Notice::Strange { replica: Arc::from(&*episode.text), stranger, answers: episode.count }
}
