//! One replica of a scale event, as the API shows it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::Value;

pub(crate) struct ScaledReplica(Value);

impl ScaledReplica {
    /// The replica of an event with only one.
    pub(crate) fn only(event: &Value) -> Self {
        let [member] = Self::all(event).try_into().unwrap_or_else(|_| panic!("not one: {event:#?}"));
        member
    }

    /// The replicas of an event.
    pub(crate) fn all(event: &Value) -> Vec<Self> {
        event["replicas"].as_array().unwrap().iter().cloned().map(Self).collect()
    }

    /// Whether an event is over, with the end of the endpoints of the pods whose end was seen: the watch of the endpoints
    /// may be behind that of the pods, whose end finishes the event.
    pub(crate) fn all_seen_off(event: &Value) -> bool {
        let seen_off = |member: &Self| {
            let milestones = member.milestones();
            !milestones.contains_key("pod_gone") || milestones.contains_key("endpoint_gone")
        };
        !event["finished"].is_null() && Self::all(event).iter().all(seen_off)
    }

    pub(crate) fn value(&self) -> &Value {
        &self.0
    }

    pub(crate) fn milestones(&self) -> BTreeMap<String, Timestamp> {
        let milestones = self.0["milestones"].as_object().unwrap();
        milestones.iter().map(|(name, date)| (name.clone(), date.as_str().unwrap().parse().unwrap())).collect()
    }

    /// Asserts that it has reached all of these.
    pub(crate) fn assert_reached(&self, names: &[&str]) {
        let milestones = self.milestones();
        let missing: Vec<_> = names.iter().filter(|name| !milestones.contains_key(**name)).collect();
        assert!(missing.is_empty(), "{missing:?} are missing in {:#?}", self.0);
    }

    /// Asserts that these milestones are in this order, as far as they are reached. Events of two watches may cross, by at
    /// most `crossing` seconds.
    pub(crate) fn assert_in_order(&self, names: &[&str], crossing: f64) {
        let milestones = self.milestones();
        for pair in names.windows(2) {
            let (Some(first), Some(second)) = (milestones.get(pair[0]), milestones.get(pair[1])) else { continue };
            let between = second.duration_since(*first).as_secs_f64();
            assert!(between >= -crossing, "{} came {between} s after {} in {:#?}", pair[1], pair[0], self.0);
        }
    }
}
