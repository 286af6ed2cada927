//! The JSON documents of the HTTP API. This process builds them from a [`Snapshot`]; `--attach` parses those of another
//! process, perhaps of another version, which may send more fields or fewer.
//!
//! Field names are a contract and never change. Unknown values are `null`.

mod cluster;
mod events;
mod scale_events;
mod target;

pub use self::{
    cluster::{Endpoint, Pvc, Routing},
    events::{AnswersEvent, OverviewEvent, Point, SnapshotEvent, TargetSummary},
    scale_events::{ReplicaMilestones, ScaleEvent, ScaleEvents, ScaledReplica, StatefulSetMilestones},
    target::{
        Anomaly, ByPhase, Checked, Clients, Condition, Culprit, Failure, Indices, Quantiles, Read, Replica,
        ReplicaClients, Target,
    },
};

use std::borrow::Cow;

use jiff::Timestamp;
use serde::{Deserialize, Serialize, Serializer};

use crate::model::Snapshot;

type Text<'a> = Cow<'a, str>;

/// RFC 3339 in UTC with milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(transparent)]
pub struct Time(pub Timestamp);

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{:.3}", self.0))
    }
}

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
