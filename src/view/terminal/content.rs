//! What the terminal shows: documents of the JSON API, of this process or of another one.

use std::borrow::Cow;

use crate::{
    api::{Documents, ScaleEvent, ScaleEvents, Target, TargetSummary},
    model::Snapshot,
};

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Content<'a> {
    pub targets: Vec<TargetSummary<'a>>,
    /// The chosen target.
    pub target: Option<Target<'a>>,
    /// Newest first.
    pub scale_events: Vec<ScaleEvent<'a>>,
    /// The current step of the demo.
    pub caption: Option<Cow<'a, str>>,
}

impl<'a> Content<'a> {
    /// `place` wraps around.
    pub fn of(snapshot: &'a Snapshot, place: usize) -> Self {
        Self {
            targets: snapshot.targets.iter().map(|target| TargetSummary::of(target)).collect(),
            target: chosen(&snapshot.targets, place).map(|target| Target::of(snapshot, target)),
            scale_events: ScaleEvents::of(snapshot).scale_events,
            caption: snapshot.caption.as_deref().map(Cow::Borrowed),
        }
    }

    /// `place` wraps around.
    pub fn of_documents(documents: &'a Documents, place: usize) -> Self {
        let Documents { targets, scale_events } = documents;
        Self {
            targets: targets.targets.iter().map(TargetSummary::from).collect(),
            target: chosen(&targets.targets, place).cloned(),
            scale_events: scale_events.scale_events.clone(),
            caption: targets.announcement.clone(),
        }
    }
}

fn chosen<T>(targets: &[T], place: usize) -> Option<&T> {
    place.checked_rem(targets.len()).map(|place| &targets[place])
}
