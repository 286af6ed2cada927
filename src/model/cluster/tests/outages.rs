//! Watches are interrupted, and lists show later what happened.

use crate::model::cluster::{
    change::Kind,
    milestones::{Milestone, MilestoneTime, ScalePhase},
    notice::ClusterNotice,
    tests::builders::{Story, pod, pvc, set, wall},
    updates::ScaleStep,
};

#[test]
fn milestones_before_the_first_list_are_not_measured() {
    let mut story = Story::of(3);
    story.at(5100.0).sees(set(2));
    // The termination is seen live, the creation is not.
    story.falls("mysql-2", "a", 5100.0);
    assert_eq!(story.measures(), [("drain", 1), ("terminate", 1), ("withdraw", 1)].into());
    // A pod that existed before the first list flaps.
    story.at(5200.0).sees(pod("mysql-1").created_at(1000.0).scheduled_at(1000.0).sandbox_at(1000.0));
    story.at(5201.0).leaves("mysql-1");
    story.at(5202.0).sees(pod("mysql-1").running_since(1000.0));
    story.at(5203.0).joins("mysql-1", "a");
    story.at(5204.0).reads("mysql-1");
    assert_eq!(story.measures().len(), 3);
    assert_eq!(story.events().len(), 1);
}

#[test]
fn a_listed_scale_up_is_shown_but_not_measured_from_the_request() {
    let mut story = Story::of(3);
    story.at(6060.0).lists(set(4));
    story.at(6060.1).lists(pvc("data-mysql-3").created_at(6001.0).selected());
    story.at(6060.1).lists(pod("mysql-3").created_at(6001.0).scheduled_at(6003.0).sandbox_at(6005.0));
    let milestones = &story.member(3).milestones;
    assert_eq!(story.event().started, MilestoneTime::written(wall(6060.0)));
    assert!(!milestones.has(Milestone::Requested), "at an unknown time");
    assert_eq!(milestones.get(Milestone::PodScheduled), Some(MilestoneTime::written(wall(6003.0))));
    assert_eq!(milestones.get(Milestone::PvcCreated), Some(MilestoneTime::written(wall(6001.0))));
    assert_eq!(milestones.get(Milestone::PvcProvisioning), None, "the API server dates no annotation");
    assert!(milestones.has(Milestone::PvcProvisioning));
    assert_eq!(story.member(3).pvc_reused, Some(false));
    assert!(story.measures().is_empty());
    // The rest is seen live.
    let initialized = pod("mysql-3").created_at(6001.0).scheduled_at(6003.0).sandbox_at(6005.0).initialized_at(6070.0);
    story.at(6070.0).sees(initialized.clone());
    story.at(6075.0).sees(initialized.ready_at(6075.0));
    story.at(6075.5).joins("mysql-3", "a");
    story.at(6076.0).reads("mysql-3");
    assert_eq!(story.measures(), [("become_ready", 1), ("publish", 1), ("route", 1)].into());
    assert_eq!(story.steps.last(), Some(&ScaleStep::Notice(ClusterNotice::ScaleOver { from: 3, to: 4, lasted: None })));
}

#[test]
fn a_listed_serving_replica_arrives_with_its_next_read() {
    let mut story = Story::of(3);
    story.at(6060.0).lists(set(4));
    story.at(6060.1).lists(pvc("data-mysql-3").created_at(6001.0).selected().bound());
    story.at(6060.1).lists(pod("mysql-3").running_since(6001.0));
    story.ready.insert("mysql-3".into(), "mysql-3-a".into());
    story.at(6060.2).lists_endpoints();
    assert_eq!(story.event().finished, None);
    story.at(6061.0).reads("mysql-3");
    assert!(story.event().finished.is_some());
    let milestones = &story.member(3).milestones;
    assert!(milestones.has(Milestone::FirstRead));
    assert_eq!(milestones.get(Milestone::FirstRead), None, "at an unknown time");
    assert_eq!(milestones.get(Milestone::EndpointReady), None);
    assert!(story.measures().is_empty());
}

#[test]
fn a_milestone_during_an_outage_starts_and_ends_no_measurement() {
    let mut story = Story::of(3);
    story.at(6000.0).sees(set(4));
    story.at(6000.1).sees(pvc("data-mysql-3"));
    story.at(6000.2).sees(pod("mysql-3"));
    story.at(6000.5).sees(pvc("data-mysql-3").selected());
    story.at(6040.0).lists(pvc("data-mysql-3").selected().bound());
    story.at(6040.0).lists(pod("mysql-3").scheduled_at(6003.0).sandbox_at(6005.0));
    story.at(6040.1).lists(set(4));
    story.rises_reusing("mysql-3", "a", 6040.0);
    let expected = [("become_ready", 1), ("publish", 1), ("route", 1), ("to_first_read", 1), ("to_ready", 1)];
    assert_eq!(story.measures(), expected.into());
    assert!(story.binds().is_empty());
    assert_eq!(story.events().len(), 1);
}

#[test]
fn a_relist_of_what_is_known_changes_nothing() {
    let mut story = Story::of(3);
    story.at(6000.0).sees(set(4));
    story.rises("mysql-3", 6000.0);
    let (event, steps) = (story.event().clone(), story.steps.clone());
    for seconds in [6030.0, 6031.0] {
        story.at(seconds).lists(set(4));
        story.at(seconds).lists(pvc("data-mysql-3").created_at(6000.0).selected().bound());
        story.at(seconds).lists(pod("mysql-3").running_since(6000.0));
        story.at(seconds).lists_endpoints();
        story.at(seconds).reads("mysql-3");
    }
    assert_eq!(*story.event(), event);
    assert_eq!(story.steps, steps);
}

#[test]
fn a_pod_deleted_while_the_watch_was_down_is_seen_leaving_at_the_relist() {
    let mut story = Story::of(4);
    story.at(6000.0).sees(set(3));
    story.at(6000.2).sees(pod("mysql-3").running_since(1000.0).deleted_at(6000.0));
    story.at(6060.0).lists_gone(Kind::Pod, "mysql-3");
    assert_eq!(story.reached(3, Milestone::Terminating), Some(6000.2));
    assert_eq!(story.member(3).milestones.get(Milestone::PodGone), Some(MilestoneTime::written(wall(6060.0))));
    assert!(story.event().finished.is_some());
    assert!(story.measures().is_empty());
    assert_eq!(story.steps.last(), Some(&ScaleStep::Notice(ClusterNotice::ScaleOver { from: 4, to: 3, lasted: None })));
}

#[test]
fn a_listed_scale_down_finds_its_pod_gone() {
    for pods_first in [true, false] {
        let mut story = Story::of(4);
        if pods_first {
            story.at(6060.0).lists_gone(Kind::Pod, "mysql-3");
        }
        story.at(6060.1).lists(set(3));
        if !pods_first {
            assert_eq!(story.event().finished, None);
            story.at(6060.2).lists_gone(Kind::Pod, "mysql-3");
        }
        assert!(story.event().finished.is_some());
        assert_eq!(story.member(3).milestones.get(Milestone::PodGone).and_then(|date| date.live), None);
        assert!(story.measures().is_empty());
    }
}

#[test]
fn a_pod_recreated_during_an_outage_is_another_pod() {
    let mut story = Story::of(3);
    story.at(6000.0).sees(set(4));
    story.at(6000.1).sees(pvc("data-mysql-3"));
    story.at(6000.2).sees(pod("mysql-3"));
    story.at(6003.0).sees(pod("mysql-3").scheduled_at(6003.0));
    story.at(6060.0).lists(pod("mysql-3").uid("b").created_at(6050.0).scheduled_at(6051.0));
    assert_eq!(story.member(3).milestones.get(Milestone::PodScheduled), Some(MilestoneTime::written(wall(6051.0))));
    assert_eq!(story.measured(ScalePhase::Schedule).len(), 1, "of the first one");
    story.rises_reusing("mysql-3", "b", 6060.0);
    assert_eq!(story.measured(ScalePhase::Schedule).len(), 1);
    assert_eq!(story.measured(ScalePhase::ToFirstRead), [81.0]);
}

#[test]
fn a_listed_terminating_pod_is_not_the_requested_pod() {
    let mut story = Story::of(3);
    story.at(6000.0).sees(set(4));
    story.at(6060.0).lists(pod("mysql-3").running_since(6002.0).deleted_at(6059.0));
    assert_eq!(story.member(3).milestones.reached().count(), 1, "nothing but the request");
    story.at(6061.0).sees_gone(Kind::Pod, "mysql-3");
    story.rises_reusing("mysql-3", "b", 6061.0);
    assert_eq!(story.measured(ScalePhase::ToFirstRead), [82.0]);
}

#[test]
fn up_down_and_up_during_an_outage_is_no_event() {
    let mut story = Story::of(4);
    story.at(6060.0).lists(set(4));
    story.at(6060.0).lists(pod("mysql-3").uid("b").running_since(6030.0));
    story.ready.insert("mysql-3".into(), "mysql-3-b".into());
    story.at(6060.0).lists_endpoints();
    story.at(6061.0).reads("mysql-3");
    assert!(story.events().is_empty());
    assert!(story.steps.is_empty());
}

#[test]
fn a_statefulset_recreated_during_an_outage_is_two_events() {
    let mut story = Story::of(2);
    story.at(6060.0).lists(set(2).uid("b"));
    assert_eq!(story.events().iter().map(|event| (event.from, event.to)).collect::<Vec<_>>(), [(2, 0), (0, 2)]);
    // The old pods still seem to exist, and one of them seems to answer.
    story.at(6060.1).reads("mysql-0");
    assert_eq!(story.event().finished, None);
    story.at(6060.2).lists(pod("mysql-0").uid("b").created_at(6050.0).scheduled_at(6051.0));
    story.at(6060.2).lists_gone(Kind::Pod, "mysql-1");
    story.rises_reusing("mysql-0", "b", 6060.0);
    story.rises_reusing("mysql-1", "b", 6080.0);
    assert!(story.event().finished.is_some());
    assert!(!story.measures().contains_key("to_first_read"), "the time of the request is unknown");
    assert_eq!(story.measures()["schedule"], 1, "of mysql-1, which was seen from its start");
}

#[test]
fn a_statefulset_deleted_and_listed_again_is_an_event() {
    let mut story = Story::of(2);
    story.at(6000.0).sees_gone(Kind::StatefulSet, "mysql");
    story.falls("mysql-0", "a", 6000.0);
    story.falls("mysql-1", "a", 6000.0);
    assert!(story.event().finished.is_some());
    story.at(6060.0).lists(set(2).uid("b"));
    assert_eq!((story.event().from, story.event().to), (0, 2));
    assert!(!story.event().members[0].milestones.has(Milestone::Requested));
}

/// The target is taken out of the configuration and put in again.
#[test]
fn a_namespace_that_is_watched_again_has_no_new_scale_event() {
    let mut story = Story::of(3);
    story.at(6000.0).sees(set(4));
    story.rises("mysql-3", 6000.0);
    let (event, measures) = (story.event().clone(), story.measures());
    story.takes(|index, _| index.leave(|namespace| **namespace == *"mysql"));
    for ordinal in 0..4 {
        story.at(6100.0).lists_gone(Kind::Pod, &format!("mysql-{ordinal}"));
    }
    story.at(6100.0).lists_gone(Kind::StatefulSet, "mysql");
    story.at(6200.0).lists(set(4));
    for ordinal in 0..4 {
        story.at(6200.0).lists(pod(&format!("mysql-{ordinal}")).running_since(1000.0));
        story.at(6200.0).reads(&format!("mysql-{ordinal}"));
    }
    assert_eq!(story.events(), [&event]);
    assert_eq!(story.measures(), measures);
    story.at(6300.0).sees(set(3));
    assert_eq!((story.event().from, story.event().to), (4, 3));
}
