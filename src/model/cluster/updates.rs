//! What is new after a fact was taken in, collected on its way through the cluster.

use std::collections::BTreeSet;

use super::{notice::ClusterNotice, scale_step::ScaleStep};
use crate::model::base::ObjectName;

/// One sink for all of it, handed down to whoever takes the fact in.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Updates {
    /// What people should know, with the `StatefulSet` that it is about; without one it is about Kubernetes itself.
    pub(crate) notices: Vec<(Option<ObjectName>, ClusterNotice)>,
    /// The Services whose routing may be another one.
    pub(crate) routing_changed: BTreeSet<ObjectName>,
    /// The snapshot is another one.
    pub(crate) dirty: bool,
    /// Steps of scale events that nobody has made notices of yet.
    pub(super) steps: Vec<(ObjectName, ScaleStep)>,
}

impl Updates {
    pub(super) fn tell(&mut self, notice: impl IntoIterator<Item = ClusterNotice>) {
        self.tell_of(None, notice);
    }

    pub(super) fn tell_of(&mut self, set: Option<&ObjectName>, notices: impl IntoIterator<Item = ClusterNotice>) {
        let before = self.notices.len();
        self.notices.extend(notices.into_iter().map(|notice| (set.cloned(), notice)));
        self.dirty |= self.notices.len() > before;
    }

    pub(super) fn steps(&mut self, set: &ObjectName, steps: Vec<ScaleStep>) {
        self.dirty |= !steps.is_empty();
        self.steps.extend(steps.into_iter().map(|step| (set.clone(), step)));
    }
}
