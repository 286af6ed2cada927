//! Events of different watches cross: each watch keeps its order, and may be up to a second later than another one.

use crate::model::cluster::{
    change::Kind,
    milestones::{Milestone, ScalePhase},
    tests::builders::{Story, pod, pvc, set},
};

#[test]
fn a_request_may_be_received_after_its_pvc_and_pod() {
    let mut story = Story::of(3);
    story.at(6000.0).sees(pvc("data-mysql-3").created_at(6000.0));
    story.at(6000.1).sees(pod("mysql-3").created_at(6000.0));
    story.at(6000.3).sees(pvc("data-mysql-3").selected());
    story.at(6001.0).sees(set(4));
    assert_eq!(story.member(3).pvc_reused, Some(false));
    assert_eq!(story.reached(3, Milestone::PodCreated), Some(6000.1));
    assert_eq!(story.reached(3, Milestone::PvcProvisioning), Some(6000.3));
    story.at(6002.3).sees(pvc("data-mysql-3").selected().bound());
    story.rises_reusing("mysql-3", "a", 6000.0);
    assert_eq!(story.measured(ScalePhase::Provision), [2.0]);
    assert_eq!(story.measured(ScalePhase::ToFirstRead), [20.0]);
    assert!(story.event().finished.is_some());
}

#[test]
fn a_new_statefulset_may_be_received_after_its_pvc_is_bound() {
    let mut story = Story::empty();
    story.at(6000.0).sees(pvc("data-mysql-0"));
    story.at(6000.25).sees(pvc("data-mysql-0").selected());
    story.at(6000.5).sees(pvc("data-mysql-0").selected().bound());
    story.at(6000.75).sees(set(1));
    assert_eq!(story.measured(ScalePhase::Provision), [0.25]);
    assert_eq!(story.binds(), [("fast".to_owned(), "WaitForFirstConsumer", 1, 0.5)]);
}

#[test]
fn a_removal_may_be_received_after_its_pod_terminates() {
    let mut story = Story::of(4);
    story.at(6000.0).sees(pod("mysql-3").running_since(1000.0).deleted_at(6000.0));
    story.at(6000.2).leaves("mysql-3");
    story.at(6001.0).sees(set(3));
    story.at(6005.0).sees_gone(Kind::Pod, "mysql-3");
    assert_eq!(story.measured(ScalePhase::Terminate), [5.0]);
    assert_eq!(story.measured(ScalePhase::Withdraw).len(), 1);
}

#[test]
fn a_removal_may_be_received_after_its_pod_is_gone() {
    let mut story = Story::of(3);
    story.at(5500.0).sees(set(4));
    story.rises("mysql-3", 5500.0);
    story.at(6000.0).sees(pod("mysql-3").running_since(5500.0).deleted_at(6000.0));
    story.at(6000.5).sees_gone(Kind::Pod, "mysql-3");
    story.at(6001.0).sees(set(3));
    assert_eq!(story.measured(ScalePhase::Terminate), [0.5]);
    assert!(story.event().finished.is_some());
}

#[test]
fn an_endpoint_may_be_received_before_its_pod_is_ready() {
    let mut story = Story::of(3);
    story.at(6000.0).sees(set(4));
    story.at(6000.2).sees(pod("mysql-3"));
    story.at(6020.0).joins("mysql-3", "a");
    story.at(6020.5).sees(pod("mysql-3").running_since(6000.0));
    story.at(6021.0).reads("mysql-3");
    assert_eq!(story.measured(ScalePhase::Publish), [0.0]);
    assert_eq!(story.measured(ScalePhase::Route), [1.0]);
}

#[test]
fn an_endpoint_may_even_be_received_before_its_pod() {
    let mut story = Story::of(3);
    story.at(6000.0).sees(set(4));
    story.at(6000.1).joins("mysql-3", "a");
    story.at(6000.2).sees(pod("mysql-3"));
    story.at(6000.4).sees(pod("mysql-3").running_since(6000.0));
    assert_eq!(story.reached(3, Milestone::EndpointReady), Some(6000.1));
}

#[test]
fn a_first_read_may_come_before_its_endpoint_and_its_readiness() {
    let mut story = Story::of(3);
    story.at(6000.0).sees(set(4));
    story.at(6000.2).sees(pod("mysql-3"));
    story.at(6020.0).reads("mysql-3");
    assert!(story.event().finished.is_some());
    story.at(6020.4).joins("mysql-3", "a");
    story.at(6021.0).sees(pod("mysql-3").running_since(6000.0));
    assert_eq!(story.measured(ScalePhase::Route), [0.0]);
    assert_eq!(story.measured(ScalePhase::ToFirstRead), [20.0]);
    assert_eq!(story.measured(ScalePhase::ToReady), [21.0]);
}

#[test]
fn late_watch_events_do_not_belong_to_a_finished_event() {
    let mut story = Story::of(3);
    story.at(6000.0).sees(set(4));
    story.at(6000.2).sees(pod("mysql-3"));
    story.at(6020.0).reads("mysql-3");
    let event = story.event().clone();
    story.at(6030.0).joins("mysql-3", "a");
    story.at(6031.0).answers_pod_probe("mysql-3");
    assert_eq!(*story.event(), event);
}

#[test]
fn an_endpoint_may_go_before_its_pod_is_seen_to_terminate() {
    let mut story = Story::of(4);
    story.at(6000.0).sees(set(3));
    story.at(6000.1).leaves("mysql-3");
    story.at(6000.6).sees(pod("mysql-3").running_since(1000.0).deleted_at(6000.0));
    story.at(6010.0).sees_gone(Kind::Pod, "mysql-3");
    assert_eq!(story.reached(3, Milestone::EndpointGone), Some(6000.1));
    assert_eq!(story.measured(ScalePhase::Withdraw), [0.0]);
}

#[test]
fn an_endpoint_may_go_after_its_pod_is_gone() {
    let mut story = Story::of(4);
    story.at(6000.0).sees(set(3));
    story.at(6000.25).sees(pod("mysql-3").running_since(1000.0).deleted_at(6000.0));
    story.at(6000.5).sees_gone(Kind::Pod, "mysql-3");
    story.at(6001.25).leaves("mysql-3");
    assert_eq!(story.reached(3, Milestone::EndpointGone), Some(6001.25));
    assert_eq!(story.measured(ScalePhase::Withdraw), [1.0]);
    assert_eq!(story.measured(ScalePhase::Terminate), [0.25]);
}

#[test]
fn a_read_in_flight_belongs_to_the_previous_pod() {
    let mut story = Story::of(4);
    story.at(6000.0).sees(set(3));
    story.at(6000.1).sees(pod("mysql-3").running_since(1000.0).deleted_at(6000.0));
    story.at(6000.5).sees_gone(Kind::Pod, "mysql-3");
    story.at(6000.6).sees(set(4));
    story.at(6000.8).sees(pod("mysql-3").uid("b"));
    story.at(6001.0).reads_since(6000.4, "mysql-3");
    assert!(!story.member(3).milestones.has(Milestone::FirstRead));
}

#[test]
fn a_read_after_the_end_of_its_pod_changes_nothing() {
    let mut story = Story::of(4);
    story.at(6000.0).sees(set(3));
    story.falls("mysql-3", "a", 6000.0);
    let event = story.event().clone();
    story.at(6010.5).reads_since(6009.9, "mysql-3");
    assert_eq!(*story.event(), event);
}

#[test]
fn repeated_watch_events_change_nothing() {
    let mut story = Story::of(3);
    for _ in 0..2 {
        story.at(6000.0).sees(set(4));
        story.at(6000.1).sees(pvc("data-mysql-3"));
        story.at(6000.2).sees(pod("mysql-3"));
        story.at(6003.0).sees(pod("mysql-3").scheduled_at(6003.0));
        story.at(6020.0).joins("mysql-3", "a");
    }
    assert_eq!(story.events().len(), 1);
    assert_eq!(story.measures(), [("schedule", 1)].into());
}

#[test]
fn a_pod_without_init_containers_is_initialized_in_no_time() {
    let mut story = Story::of(3);
    story.at(6000.0).sees(set(4));
    story.at(6000.2).sees(pod("mysql-3"));
    story.at(6001.0).sees(pod("mysql-3").scheduled_at(6001.0));
    story.at(6001.5).sees(pod("mysql-3").scheduled_at(6001.0).initialized_at(6001.0));
    story.at(6005.0).sees(pod("mysql-3").scheduled_at(6001.0).initialized_at(6001.0).sandbox_at(6005.0));
    assert_eq!(story.measured(ScalePhase::Initialize), [0.0]);
    assert_eq!(story.measured(ScalePhase::Start), [4.0]);
}

#[test]
fn objects_not_watched_from_their_start_are_not_dated_by_receipt() {
    let mut story = Story::of(3);
    story.at(6000.0).sees(set(4));
    // A watch delivers the objects for the first time when everything is over.
    story.at(6030.0).sees(pvc("data-mysql-3").created_at(6000.0).selected().bound());
    story.at(6030.0).sees(pod("mysql-3").running_since(6001.0));
    assert!(story.measures().is_empty());
    assert!(story.binds().is_empty());
    assert_eq!(story.reached(3, Milestone::PodReady), None);
    assert!(story.member(3).milestones.has(Milestone::PodReady));
}
