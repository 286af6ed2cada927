//! What goes wrong with a target again and again: failing samples by reason, samples not taken, answers of servers that
//! should not get any. Each is told as an [`Condition`].

use std::sync::Arc;

use super::notice::TargetNotice;
use crate::model::{
    base::{Condition, Moment, Progress, TOLD_EVERY},
    probe::{Anomaly, AnomalyKind, AnomalySeen, FailureReason, Unrouted},
};

/// The troubles of one target that are open now.
#[derive(Debug, Default)]
pub(crate) struct Troubles {
    /// By `FailureReason as usize`.
    failing: [Option<Condition>; FailureReason::ALL.len()],
    skipping: Option<Condition>,
    /// By `Unrouted as usize`, with the latest one's name as the text.
    strange: [Option<Condition>; Unrouted::ALL.len()],
}

impl Troubles {
    /// A sample failed, the `samples`-th one; returns what is new.
    pub(crate) fn failed(
        &mut self,
        reason: FailureReason,
        text: &str,
        samples: u64,
        now: Moment,
    ) -> Option<TargetNotice> {
        let slot = &mut self.failing[reason as usize];
        let begins = slot.is_none();
        let episode = slot.get_or_insert_with(|| Condition::begin(samples - 1, now));
        episode.occurred(1, text, now);
        begins.then(|| failing(reason, episode, samples))
    }

    /// So many samples were not taken; returns what is new.
    pub(crate) fn skipped(&mut self, count: u64, samples: u64, now: Moment) -> Option<TargetNotice> {
        let begins = self.skipping.is_none();
        let episode = self.skipping.get_or_insert_with(|| Condition::begin(samples, now));
        episode.occurred(count, "", now);
        begins.then(|| skipping(episode))
    }

    /// A server answered that should not have been asked; returns what is new.
    pub(crate) fn strange(
        &mut self,
        stranger: Unrouted,
        name: &str,
        samples: u64,
        now: Moment,
    ) -> Option<TargetNotice> {
        let slot = &mut self.strange[stranger as usize];
        let begins = slot.is_none();
        let episode = slot.get_or_insert_with(|| Condition::begin(samples, now));
        episode.occurred(1, name, now);
        begins.then(|| strange(stranger, episode))
    }

    /// Time passed; returns what goes on or is over by that.
    pub(crate) fn tick(&mut self, samples: u64, now: Moment) -> Vec<TargetNotice> {
        let mut news = Vec::new();
        for reason in FailureReason::ALL {
            let over =
                |episode: &Condition| TargetNotice::Recovered { reason, failed: episode.count, quiet: TOLD_EVERY };
            let on = |episode: &Condition| failing(reason, episode, samples);
            news.extend(progress(&mut self.failing[reason as usize], now, on, over));
        }
        let over = |episode: &Condition| TargetNotice::OnTime { skipped: episode.count };
        news.extend(progress(&mut self.skipping, now, skipping, over));
        for stranger in Unrouted::ALL {
            let over = |episode: &Condition| TargetNotice::StrangeNoMore { stranger, answers: episode.count };
            let on = |episode: &Condition| strange(stranger, episode);
            news.extend(progress(&mut self.strange[stranger as usize], now, on, over));
        }
        news
    }

    /// What is wrong now, the gravest first.
    pub(crate) fn notices(&self, samples: u64) -> impl Iterator<Item = TargetNotice> + '_ {
        let failing = FailureReason::ALL.into_iter().filter_map(move |reason| {
            self.failing[reason as usize].as_ref().map(|episode| failing(reason, episode, samples))
        });
        let strange = Unrouted::ALL
            .into_iter()
            .filter_map(|stranger| self.strange[stranger as usize].as_ref().map(|episode| strange(stranger, episode)));
        failing.chain(strange).chain(self.skipping.iter().map(skipping))
    }
}

fn progress(
    slot: &mut Option<Condition>,
    now: Moment,
    on: impl FnOnce(&Condition) -> TargetNotice,
    over: impl FnOnce(&Condition) -> TargetNotice,
) -> Option<TargetNotice> {
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

fn failing(reason: FailureReason, episode: &Condition, samples: u64) -> TargetNotice {
    let samples = samples - episode.samples_before;
    TargetNotice::Failing { reason, failed: episode.count, samples, text: episode.text.clone() }
}

fn skipping(episode: &Condition) -> TargetNotice {
    TargetNotice::Skipping { skipped: episode.count }
}

fn strange(stranger: Unrouted, episode: &Condition) -> TargetNotice {
    TargetNotice::Strange { replica: Arc::from(&*episode.text), stranger, answers: episode.count }
}

/// The anomalies of one target.
#[derive(Debug, Default)]
pub(crate) struct Anomalies {
    /// By `AnomalyKind as usize`.
    counts: [u64; AnomalyKind::ALL.len()],
    latest: [Option<Anomaly>; AnomalyKind::ALL.len()],
    /// Those that go on.
    open: [Option<Condition>; AnomalyKind::ALL.len()],
}

impl Anomalies {
    /// Takes one in; returns what is new to people.
    pub(crate) fn seen(&mut self, anomaly: Anomaly, samples: u64, now: Moment) -> Option<TargetNotice> {
        let kind = anomaly.kind() as usize;
        self.counts[kind] += 1;
        self.latest[kind] = Some(anomaly);
        let begins = self.open[kind].is_none();
        self.open[kind].get_or_insert_with(|| Condition::begin(samples, now)).occurred(1, "", now);
        if begins { self.notice(kind) } else { None }
    }

    /// Time passed; returns what goes on or is over by that.
    pub(crate) fn tick(&mut self, now: Moment) -> Vec<TargetNotice> {
        let mut news = Vec::new();
        for kind in AnomalyKind::ALL {
            match self.open[kind as usize].as_mut().map(|episode| episode.progress(now)) {
                None | Some(Progress::Nothing) => {}
                Some(Progress::GoesOn) => news.extend(self.notice(kind as usize)),
                Some(Progress::Over) => self.open[kind as usize] = None,
            }
        }
        news
    }

    /// What goes on now.
    pub(crate) fn notices(&self) -> impl Iterator<Item = TargetNotice> + '_ {
        (0..self.open.len()).filter_map(|kind| self.notice(kind))
    }

    pub(crate) fn counts(&self) -> impl Iterator<Item = AnomalySeen> + '_ {
        AnomalyKind::ALL.into_iter().map(|kind| AnomalySeen {
            kind: kind.name(),
            answers: self.counts[kind as usize],
            latest: self.latest[kind as usize].as_ref().map(ToString::to_string),
        })
    }

    fn notice(&self, kind: usize) -> Option<TargetNotice> {
        let (anomaly, episode) = (self.latest[kind].clone()?, self.open[kind].as_ref()?);
        Some(TargetNotice::Anomaly { anomaly, answers: episode.count })
    }
}
