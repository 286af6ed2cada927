//! The JSON documents of the HTTP API. This process builds them from a [`Snapshot`]; `--attach` parses those of another
//! process, perhaps of another version, which may send more fields or fewer.
//!
//! Field names are a contract and never change. Unknown values are `null`.

mod cluster;
mod events;
mod scale_events;
mod target;
mod time;
mod verdict;

pub use self::{
    cluster::{Endpoint, Pvc, Routing},
    events::{AnswersEvent, OverviewEvent, Point, SnapshotEvent, TargetSummary},
    scale_events::{ReplicaMilestones, ScaleEvent, ScaleEvents, ScaledReplica, StatefulSetMilestones},
    target::{ByPhase, Checked, Clients, Condition, Failure, Quantiles, Read, Replica, ReplicaClients, Target},
    time::Time,
    verdict::{Anomaly, Culprit, Indices},
};

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::model::Snapshot;

type Text<'a> = Cow<'a, str>;

/// `/api/v1/targets`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Targets<'a> {
    pub targets: Vec<Target<'a>>,
    /// The current step of the demo.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub announcement: Option<Text<'a>>,
}

/// What `--attach` reads.
#[derive(Clone, Debug)]
pub struct Documents {
    pub targets: Targets<'static>,
    pub scale_events: ScaleEvents<'static>,
}

impl<'a> Targets<'a> {
    pub fn of(snapshot: &'a Snapshot) -> Self {
        Self {
            targets: snapshot.targets.iter().map(|target| Target::of(snapshot, target)).collect(),
            announcement: announcement(snapshot),
        }
    }
}

fn announcement(snapshot: &Snapshot) -> Option<Text<'_>> {
    snapshot.caption.as_deref().map(Cow::Borrowed)
}
