//! Clients reach a new replica after its first read, perhaps long after.

use std::sync::Arc;

use crate::model::{
    base::{Moment, PodRef},
    cluster::{
        milestones::{Milestone, ScalePhase},
        tests::builders::{Story, name, pod, set},
    },
    probe::PodClients,
};

impl Story {
    /// The clients of the pod that has this name, or of an earlier one.
    fn meets_clients(&mut self, seconds: f64, pod: &str, is_this: bool, has_share: bool) {
        let known = self.index.tracked.pod(&name(pod)).map(|pod| Arc::clone(&pod.uid));
        let uid = known.filter(|_| is_this).unwrap_or_else(|| "earlier".into());
        let met = PodClients { pod: PodRef { name: pod.into(), uid }, has_share, at: Moment::at(seconds) };
        let (uid, at) = (Some(&*met.pod.uid), met.at);
        self.takes(|index, updates| index.answered(&name(pod), uid, at, at, |pod| pod.met_clients(&met), updates));
    }
}

fn scaled() -> Story {
    let mut story = Story::of(3);
    story.at(6000.0).sees(set(4));
    story.rises("mysql-3", 6000.0);
    story
}

#[test]
fn clients_are_dated_after_the_event_is_over() {
    let mut story = scaled();
    assert!(story.event().finished.is_some(), "it does not wait for clients");
    story.meets_clients(6030.0, "mysql-3", true, false);
    assert_eq!(story.reached(3, Milestone::FirstClient), Some(6030.0));
    assert_eq!(story.reached(3, Milestone::ClientShare), None);
    story.meets_clients(9621.0, "mysql-3", true, true);
    story.meets_clients(9700.0, "mysql-3", true, true);
    assert_eq!(story.reached(3, Milestone::FirstClient), Some(6030.0));
    assert_eq!(story.reached(3, Milestone::ClientShare), Some(9621.0));
    let filled = story.measured(ScalePhase::Fill);
    assert!(filled.len() == 1 && (filled[0] - 3600.0).abs() < 1e-6, "{filled:?}");
}

#[test]
fn clients_of_another_pod_or_before_the_first_read_do_not_count() {
    let mut story = scaled();
    story.meets_clients(6030.0, "mysql-3", false, true);
    assert_eq!(story.reached(3, Milestone::FirstClient), None);
    let mut story = Story::of(3);
    story.at(6000.0).sees(set(4));
    story.at(6000.2).sees(pod("mysql-3"));
    story.meets_clients(6010.0, "mysql-3", true, true);
    assert_eq!(story.reached(3, Milestone::FirstClient), None);
}
