//! The consequences of a watch event, a read or a tick.

use std::{collections::BTreeSet, time::Duration};

use super::{milestones::ScalePhase, notice::ClusterNotice};
use crate::model::base::ObjectName;

/// The caller passes one value down to every function that takes part.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Updates {
    /// Each with its `StatefulSet`; without one, the notice is about Kubernetes itself.
    pub(crate) notices: Vec<(Option<ObjectName>, ClusterNotice)>,
    /// The Services whose routing may have changed.
    pub(crate) routing_changed: BTreeSet<ObjectName>,
    /// The snapshot has changed.
    pub(crate) dirty: bool,
    /// Steps of scale events that wait to become notices.
    pub(super) steps: Vec<(ObjectName, ScaleStep)>,
}

/// What a watch event or a read changed in the scale events of a `StatefulSet`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum ScaleStep {
    Notice(ClusterNotice),
    Measured {
        phase: ScalePhase,
        duration: Duration,
    },
    /// The replica is a pod from before the request, and it stays.
    Settled,
}

impl Updates {
    pub(super) fn notify(&mut self, notice: impl IntoIterator<Item = ClusterNotice>) {
        self.notify_of(None, notice);
    }

    pub(super) fn notify_of(&mut self, set: Option<&ObjectName>, notices: impl IntoIterator<Item = ClusterNotice>) {
        let before = self.notices.len();
        self.notices.extend(notices.into_iter().map(|notice| (set.cloned(), notice)));
        self.dirty |= self.notices.len() > before;
    }

    pub(super) fn steps(&mut self, set: &ObjectName, steps: Vec<ScaleStep>) {
        self.dirty |= !steps.is_empty();
        self.steps.extend(steps.into_iter().map(|step| (set.clone(), step)));
    }
}
