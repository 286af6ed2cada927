//! Pods and `StatefulSet`s are replaced by others of the same name.

use crate::model::{
    base::Moment,
    cluster::{
        change::Kind,
        milestones::{Milestone, ScalePhase},
        notice::ClusterNotice,
        tests::builders::{Story, pod, pvc, set},
        updates::ScaleStep,
    },
};

#[test]
fn a_restart_of_a_pod_is_no_new_replica() {
    let mut story = Story::of(3);
    story.at(6000.0).sees(set(4));
    story.rises("mysql-3", 6000.0);
    let milestones = story.member(3).milestones.clone();
    let unready = pod("mysql-3").created_at(6000.0).scheduled_at(6000.0).sandbox_at(6000.0).initialized_at(6000.0);
    story.at(6100.0).sees(unready);
    story.at(6100.1).leaves("mysql-3");
    story.at(6110.0).sees(pod("mysql-3").running_since(6000.0));
    story.at(6110.1).joins("mysql-3", "a");
    story.at(6110.2).reads("mysql-3");
    assert_eq!(story.member(3).milestones, milestones);
    assert_eq!(story.measured(ScalePhase::Route).len(), 1);
    assert_eq!(story.events().len(), 1);
}

#[test]
fn a_pod_that_flaps_on_its_way_up_is_dated_once() {
    let mut story = Story::of(3);
    story.at(6000.0).sees(set(4));
    story.at(6000.2).sees(pod("mysql-3"));
    story.at(6010.0).sees(pod("mysql-3").running_since(6000.0));
    story.at(6010.1).joins("mysql-3", "a");
    story.at(6011.0).sees(pod("mysql-3").created_at(6000.0).scheduled_at(6000.0).sandbox_at(6000.0));
    story.at(6011.1).leaves("mysql-3");
    story.rises_reusing("mysql-3", "a", 6000.0);
    assert_eq!(story.reached(3, Milestone::PodReady), Some(6010.0));
    assert_eq!(story.reached(3, Milestone::EndpointReady), Some(6010.1));
    assert!(story.measures().values().all(|times| *times == 1));
}

#[test]
fn another_uid_during_the_start_is_a_new_pod() {
    let mut story = Story::of(3);
    story.at(6000.0).sees(set(4));
    story.at(6000.1).sees(pvc("data-mysql-3"));
    story.at(6000.2).sees(pod("mysql-3"));
    story.at(6003.0).sees(pod("mysql-3").scheduled_at(6003.0));
    story.at(6005.0).sees(pod("mysql-3").scheduled_at(6003.0).sandbox_at(6005.0));
    story.at(6006.0).sees(pod("mysql-3").scheduled_at(6003.0).sandbox_at(6005.0).deleted_at(6006.0));
    story.at(6008.0).sees_gone(Kind::Pod, "mysql-3");
    story.rises_reusing("mysql-3", "b", 6010.0);
    assert_eq!(story.reached(3, Milestone::PodCreated), Some(6010.2));
    assert_eq!(story.reached(3, Milestone::SandboxReady), Some(6015.0));
    assert_eq!(story.reached(3, Milestone::PvcCreated), Some(6000.1), "the PVC is the same");
    assert_eq!(story.measured(ScalePhase::Schedule).len(), 1, "once an event and a replica");
    assert_eq!(story.measured(ScalePhase::Initialize), [10.0]);
    assert_eq!(story.measured(ScalePhase::ToFirstRead), [31.0]);
    assert!(story.event().finished.is_some());
}

#[test]
fn a_replica_that_has_arrived_is_done() {
    let mut story = Story::of(3);
    story.at(6000.0).sees(set(5));
    story.rises("mysql-3", 6000.0);
    let milestones = story.member(3).milestones.clone();
    // The pod is replaced while the event still waits for the other replica.
    story.falls("mysql-3", "a", 6030.0);
    story.rises_reusing("mysql-3", "b", 6040.0);
    assert_eq!(story.member(3).milestones, milestones);
    story.rises("mysql-4", 6070.0);
    assert!(story.event().finished.is_some());
    assert_eq!(story.measured(ScalePhase::Route).len(), 2);
}

#[test]
fn a_rolling_update_is_no_scale_event() {
    let mut story = Story::of(3);
    for ordinal in [2, 1, 0] {
        let pod_name = format!("mysql-{ordinal}");
        let begin = 6000.0 + 100.0 * f64::from(2 - ordinal);
        story.falls(&pod_name, "a", begin);
        story.rises_reusing(&pod_name, "b", begin + 20.0);
        story.at(begin + 50.0).sees(set(3));
    }
    assert!(story.events().is_empty());
    assert!(story.steps.is_empty());
}

#[test]
fn a_statefulset_deleted_takes_every_replica_away() {
    let mut story = Story::of(2);
    story.at(6000.0).sees_gone(Kind::StatefulSet, "mysql");
    assert_eq!((story.event().from, story.event().to), (2, 0));
    story.falls("mysql-1", "a", 6000.0);
    assert_eq!(story.event().finished, None);
    story.falls("mysql-0", "a", 6000.0);
    assert_eq!(story.event().finished.and_then(|date| date.live), Some(Moment::at(6010.0)));
    assert_eq!(story.measured(ScalePhase::Terminate).len(), 2);
    // A repeated deletion changes nothing.
    story.at(6011.0).lists_gone(Kind::StatefulSet, "mysql");
    assert_eq!(story.events().len(), 1);
}

#[test]
fn a_recreated_namespace_is_a_scale_down_and_a_scale_up() {
    let mut story = Story::of(2);
    // Everything is deleted in some order, the pods before the StatefulSet.
    for pod_name in ["mysql-0", "mysql-1"] {
        story.at(6000.0).sees(pod(pod_name).running_since(1000.0).deleted_at(6000.0));
        story.at(6000.1).leaves(pod_name);
    }
    story.at(6010.0).sees_gone(Kind::Pod, "mysql-1");
    story.at(6010.5).sees_gone(Kind::StatefulSet, "mysql");
    story.at(6010.7).sees_gone(Kind::Pod, "mysql-0");
    story.at(6011.0).sees_gone(Kind::Pvc, "data-mysql-0");
    story.at(6011.0).sees_gone(Kind::Pvc, "data-mysql-1");
    assert!(story.event().finished.is_some());
    assert_eq!(story.measured(ScalePhase::Terminate).len(), 2, "also of the one that went a moment before");
    story.at(6100.0).sees(set(1).uid("b"));
    story.at(6100.1).sees(pvc("data-mysql-0").uid("b"));
    story.at(6100.5).sees(pvc("data-mysql-0").uid("b").selected());
    story.at(6102.5).sees(pvc("data-mysql-0").uid("b").selected().bound());
    story.rises_reusing("mysql-0", "b", 6100.0);
    assert_eq!((story.event().from, story.event().to), (0, 1));
    assert_eq!(story.member(0).pvc_reused, Some(false));
    assert_eq!(story.measured(ScalePhase::Provision), [2.0]);
    assert_eq!(story.measured(ScalePhase::ToFirstRead), [21.0]);
}

#[test]
fn an_event_cut_short_by_a_deletion_has_no_duration() {
    let mut story = Story::of(3);
    story.at(6000.0).sees(set(4));
    story.at(6000.2).sees(pod("mysql-3"));
    story.at(6001.0).sees_gone(Kind::StatefulSet, "mysql");
    assert!(story.steps.contains(&ScaleStep::Notice(ClusterNotice::ScaleOver { from: 3, to: 4, lasted: None })));
    assert_eq!((story.event().from, story.event().to), (4, 0));
    assert_eq!(story.event().finished, None);
}

#[test]
fn a_statefulset_recreated_before_its_old_pods_are_gone_waits_for_new_pods() {
    let mut story = Story::of(2);
    story.at(6000.0).sees_gone(Kind::StatefulSet, "mysql");
    story.at(6000.1).sees(set(2).uid("b"));
    story.at(6000.5).reads("mysql-0");
    story.at(6000.5).reads("mysql-1");
    assert_eq!(story.event().finished, None, "the garbage collector has not come yet");
    for pod_name in ["mysql-0", "mysql-1"] {
        story.falls(pod_name, "a", 6001.0);
        story.rises_reusing(pod_name, "b", 6020.0);
    }
    assert!(story.event().finished.is_some());
    let to_first_read = story.measured(ScalePhase::ToFirstRead);
    assert!(to_first_read.len() == 2 && to_first_read.iter().all(|seconds| (seconds - 40.9).abs() < 1e-6));
    assert_eq!(story.measured(ScalePhase::Terminate), [0.0; 0], "the new StatefulSet took the places over");
}

#[test]
fn a_statefulset_recreated_around_its_pods_is_soon_complete() {
    let mut story = Story::of(2);
    for pod_name in ["mysql-0", "mysql-1"] {
        story.at(5999.9).sees(pod(pod_name).running_since(1000.0).orphaned());
    }
    story.at(6000.0).sees_gone(Kind::StatefulSet, "mysql");
    assert!(story.event().finished.is_some(), "its pods were let go");
    story.at(6010.0).sees(set(2).uid("b"));
    for pod_name in ["mysql-0", "mysql-1"] {
        story.at(6010.1).sees(pod(pod_name).running_since(1000.0));
        story.at(6011.0).reads(pod_name);
    }
    assert_eq!(story.event().finished, None);
    for pod_name in ["mysql-0", "mysql-1"] {
        story.at(6041.0).reads(pod_name);
    }
    assert!(story.event().finished.is_some());
    assert!(story.measures().is_empty());
}

#[test]
fn pods_that_were_there_before_their_statefulset_are_not_new() {
    let mut story = Story::empty();
    for pod_name in ["mysql-0", "mysql-1"] {
        story.at(5000.0).lists(pod(pod_name).created_at(1000.0).orphaned());
    }
    story.at(6000.0).sees(set(2));
    for pod_name in ["mysql-0", "mysql-1"] {
        story.at(6000.1).sees(pod(pod_name).running_since(1000.0));
        story.at(6001.0).joins(pod_name, "a");
        story.at(6002.0).reads(pod_name);
    }
    assert!(story.measures().is_empty());
    assert_eq!(story.member(0).milestones.reached().count(), 1, "nothing but the request");
    assert_eq!(story.event().finished, None);
    for pod_name in ["mysql-0", "mysql-1"] {
        story.at(6031.0).reads(pod_name);
    }
    assert!(story.event().finished.is_some());
}

#[test]
fn pods_released_by_a_deletion_are_not_awaited() {
    let mut story = Story::of(1);
    story.at(6000.0).sees_gone(Kind::StatefulSet, "mysql");
    assert_eq!(story.event().finished, None);
    story.at(6000.1).sees(pod("mysql-0").running_since(1000.0).orphaned());
    assert!(story.event().finished.is_some());
    assert_eq!(story.member(0).milestones.get(Milestone::PodGone), None);
}

#[test]
fn a_new_pod_with_the_name_and_server_id_of_an_old_one_has_its_own_reads() {
    let mut story = Story::of(3);
    story.at(6000.0).sees(set(4));
    story.rises("mysql-3", 6000.0);
    story.at(6100.0).sees(set(3));
    story.falls("mysql-3", "a", 6100.0);
    story.at(6200.0).sees(set(4));
    story.rises_reusing("mysql-3", "b", 6200.0);
    let events = story.events();
    let first_read = |event: usize| events[event].members[0].milestones.get(Milestone::FirstRead);
    assert_eq!(first_read(0).and_then(|date| date.live), Some(Moment::at(6021.0)));
    assert_eq!(first_read(1), None);
    assert_eq!(first_read(2).and_then(|date| date.live), Some(Moment::at(6221.0)));
    assert_eq!(story.measured(ScalePhase::ToFirstRead), [21.0; 2]);
    assert_eq!(story.measured(ScalePhase::Drain).len(), 1);
}
