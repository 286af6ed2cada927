//! The milestones of replicas, with or without a scale event.

use crate::model::cluster::{
    change::Kind,
    milestone_status::MilestoneStatus,
    milestones::Milestone,
    tests::builders::{Story, pod, set},
};

fn has(story: &Story, replica: &str, milestone: Milestone) -> bool {
    let sets: Vec<_> =
        story.index.scale_events().map(|events| MilestoneStatus::of(events, &story.index.tracked)).collect();
    MilestoneStatus::has(&sets, replica, milestone)
}

#[test]
fn milestones_before_the_first_list_count_at_once() {
    let mut story = Story::of(3);
    for milestone in [Milestone::Requested, Milestone::PvcBound, Milestone::PodReady, Milestone::EndpointReady] {
        assert!(has(&story, "mysql-2", milestone), "{milestone:?}");
    }
    assert!(!has(&story, "mysql-2", Milestone::FirstRead));
    story.at(5001.0).reads("mysql-2");
    assert!(has(&story, "mysql-2", Milestone::FirstRead));
    assert!(!has(&story, "mysql-2", Milestone::FreshRead));
    story.at(5002.0).reads_fresh("mysql-2");
    assert!(has(&story, "mysql-2", Milestone::FreshRead));
}

#[test]
fn a_replica_beyond_the_statefulset_is_gone() {
    let story = Story::of(3);
    assert!(has(&story, "mysql-3", Milestone::PodGone));
    assert!(!has(&story, "mysql-3", Milestone::PodReady));
    assert!(!has(&story, "postgres-3", Milestone::PodGone), "no StatefulSet that is known has it");
    assert!(!has(&story, "mysql-2", Milestone::PodGone));
}

#[test]
fn a_starting_replica_reaches_milestones_in_order() {
    let mut story = Story::of(3);
    story.at(6000.0).sees(set(4));
    assert!(has(&story, "mysql-3", Milestone::Requested));
    assert!(!has(&story, "mysql-3", Milestone::PodGone), "it is on its way");
    story.rises("mysql-3", 6000.0);
    assert!(has(&story, "mysql-3", Milestone::PvcBound) && has(&story, "mysql-3", Milestone::FirstRead));
}

#[test]
fn the_previous_pod_is_not_the_requested_pod() {
    let mut story = Story::of(4);
    story.at(5001.0).reads("mysql-3");
    story.at(6000.0).sees(set(3));
    story.at(6000.2).sees(pod("mysql-3").running_since(1000.0).deleted_at(6000.0));
    assert!(has(&story, "mysql-3", Milestone::Terminating));
    story.at(6001.0).sees(set(4));
    assert!(!has(&story, "mysql-3", Milestone::FirstRead), "that was the other one");
    story.at(6010.0).sees_gone(Kind::Pod, "mysql-3");
    assert!(!has(&story, "mysql-3", Milestone::PodGone));
    story.rises_reusing("mysql-3", "b", 6011.0);
    assert!(has(&story, "mysql-3", Milestone::FirstRead));
}

#[test]
fn a_replacement_pod_starts_again() {
    let mut story = Story::of(3);
    story.at(6000.0).sees(set(4));
    story.rises("mysql-3", 6000.0);
    story.at(7000.0).sees_gone(Kind::Pod, "mysql-3");
    story.at(7001.0).sees(pod("mysql-3").uid("b").created_at(7001.0));
    assert!(has(&story, "mysql-3", Milestone::PodCreated));
    assert!(!has(&story, "mysql-3", Milestone::PodReady) && !has(&story, "mysql-3", Milestone::FirstRead));
}

#[test]
fn a_pod_that_terminates_or_is_scaled_away_no_longer_counts_as_fresh() {
    let mut story = Story::of(3);
    story.at(5001.0).reads_fresh("mysql-2");
    story.at(5001.0).reads_fresh("mysql-1");
    story.at(6000.0).sees(set(2));
    assert!(!has(&story, "mysql-2", Milestone::FreshRead), "the StatefulSet is about to delete it");
    story.at(6001.0).sees(pod("mysql-1").running_since(1000.0).deleted_at(6001.0));
    assert!(!has(&story, "mysql-1", Milestone::FreshRead) && !has(&story, "mysql-1", Milestone::PodReady));
    assert!(has(&story, "mysql-1", Milestone::Terminating));
    story.at(6002.0).sees(pod("mysql-1").uid("b").created_at(6002.0));
    assert!(!has(&story, "mysql-1", Milestone::FreshRead));
}

#[test]
fn a_deleted_statefulset_has_replicas_that_go() {
    let mut story = Story::of(1);
    story.at(6000.0).sees_gone(Kind::StatefulSet, "mysql");
    assert!(!has(&story, "mysql-0", Milestone::Requested));
    story.falls("mysql-0", "a", 6000.0);
    assert!(has(&story, "mysql-0", Milestone::PodGone));
}
