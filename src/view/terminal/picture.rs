//! The terminal's input: documents of the JSON API, from this process or from another one.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::text::Text;
use crate::{
    model::Snapshot,
    view::api::{self, Overview, ScaleEvents},
};

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Picture {
    pub targets: Vec<Short>,
    pub shown: Option<Target>,
    /// Newest first.
    pub scale_events: Vec<ScaleEvent>,
    /// The current step of the demo.
    pub announcement: Option<Text>,
}

/// Documents that another readscope serves: `/api/v1/targets` and `/api/v1/scale-events`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Documents {
    targets: Vec<Target>,
    scale_events: Vec<ScaleEvent>,
    announcement: Option<Text>,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub struct Short {
    pub target: Text,
    pub verdict: Option<Text>,
    pub reason: Option<Text>,
    pub probes: u64,
    pub failures: u64,
}

/// The fields of a target that the terminal shows. Other versions of readscope may send more fields or fewer.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[expect(clippy::struct_field_names, reason = "the API's names")]
pub struct Target {
    pub target: Text,
    pub verdict: Option<Text>,
    pub reason: Option<Text>,
    pub probes: u64,
    pub failures: u64,
    #[serde(default)]
    pub evidence: Option<Text>,
    #[serde(default)]
    pub share_basis: Option<Text>,
    pub replicas: Vec<Replica>,
    #[serde(default)]
    pub notices: Vec<Text>,
    #[serde(default)]
    pub pvcs: Option<Vec<Pvc>>,
    #[serde(default)]
    pub last_reads: Vec<Answer>,
    #[serde(default)]
    pub last_failures: Vec<Failure>,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
#[expect(clippy::struct_field_names, reason = "the API's names")]
pub struct Replica {
    pub replica: Text,
    pub server_id: Option<u32>,
    pub role: Option<Text>,
    pub version: Option<Text>,
    pub why: Option<Text>,
    pub reads: u64,
    pub share: Option<f64>,
    pub expected_share: f64,
    pub share_lower: Option<f64>,
    pub share_upper: Option<f64>,
    pub lag_seconds: Option<f64>,
    pub stale_reads: Option<u64>,
    pub pod_probe_up: Option<bool>,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Answer {
    pub time: Timestamp,
    pub replica: Text,
    pub server_id: u32,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Failure {
    pub time: Timestamp,
    pub reason: Text,
    pub error: Text,
    pub advice: Text,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[expect(clippy::struct_field_names, reason = "the API's names")]
pub struct Pvc {
    pub pvc: Text,
    pub phase: Text,
    pub storage_class: Option<Text>,
    pub volume: Option<Text>,
    pub capacity: Option<Text>,
    #[serde(default)]
    pub access_modes: Option<Text>,
    pub created: Option<Timestamp>,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct ScaleEvent {
    pub statefulset: Text,
    pub from: u32,
    pub to: u32,
    pub started: Timestamp,
    pub finished: Option<Timestamp>,
    pub replicas: Vec<Member>,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Member {
    pub replica: Text,
    pub pvc_reused: Option<bool>,
    pub milestones: BTreeMap<Text, Timestamp>,
}

/// `/api/v1/targets`, and the event `snapshot`.
#[derive(Deserialize)]
struct TargetsDocument {
    targets: Vec<Target>,
    #[serde(default)]
    announcement: Option<Text>,
}

/// The event `overview`.
#[derive(Deserialize)]
struct OverviewDocument {
    targets: Vec<Short>,
}

/// `/api/v1/scale-events`.
#[derive(Deserialize)]
struct ScaleEventsDocument {
    scale_events: Vec<ScaleEvent>,
}

impl Picture {
    /// `place` wraps around.
    ///
    /// # Errors
    /// A document that does not match the API, which is a defect of readscope.
    pub fn of(snapshot: &Snapshot, place: usize) -> serde_json::Result<Self> {
        let OverviewDocument { targets } = reread(&Overview::whole(snapshot))?;
        let ScaleEventsDocument { scale_events } = reread(&ScaleEvents::of(snapshot))?;
        let chosen = place.checked_rem(snapshot.targets.len()).map(|place| &snapshot.targets[place]);
        let shown = match chosen {
            Some(target) => {
                reread::<TargetsDocument>(&api::Picture::whole(snapshot, target))?.targets.into_iter().next()
            }
            None => None,
        };
        let announcement = snapshot.caption.as_ref().map(|caption| Text::from(caption.to_string()));
        Ok(Self { targets, shown, scale_events, announcement })
    }
}

impl Documents {
    /// # Errors
    /// Documents that readscope does not serve.
    pub fn read(targets: &[u8], scale_events: &[u8]) -> serde_json::Result<Self> {
        let TargetsDocument { targets, announcement } = serde_json::from_slice(targets)?;
        let ScaleEventsDocument { scale_events } = serde_json::from_slice(scale_events)?;
        Ok(Self { targets, scale_events, announcement })
    }

    /// `place` wraps around.
    #[must_use]
    pub fn picture(&self, place: usize) -> Picture {
        let chosen = place.checked_rem(self.targets.len()).map(|place| &self.targets[place]);
        Picture {
            targets: self.targets.iter().map(Short::of).collect(),
            shown: chosen.cloned(),
            scale_events: self.scale_events.clone(),
            announcement: self.announcement.clone(),
        }
    }

    #[must_use]
    pub fn targets(&self) -> &[Target] {
        &self.targets
    }
}

impl Short {
    fn of(target: &Target) -> Self {
        let Target { target, verdict, reason, probes, failures, .. } = target.clone();
        Self { target, verdict, reason, probes, failures }
    }
}

fn reread<T: for<'a> Deserialize<'a>>(document: &impl Serialize) -> serde_json::Result<T> {
    serde_json::from_slice(&serde_json::to_vec(document)?)
}
