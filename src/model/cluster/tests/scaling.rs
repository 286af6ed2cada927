//! A `StatefulSet` is scaled up and down, and every watch event arrives.

use std::time::Duration;

use crate::model::{
    base::Moment,
    cluster::{
        change::Kind,
        milestones::{Milestone, ScalePhase},
        notice::ClusterNotice,
        scaled_replica::Direction,
        tests::builders::{Story, UNCERTAINTY, class, name, pod, pvc, set},
        updates::ScaleStep,
    },
};

#[test]
fn a_new_replica_is_dated_at_every_step() {
    let mut story = Story::of(3);
    story.at(6000.0).sees(set(4));
    story.rises("mysql-3", 6000.0);
    let seen = |milestone| story.reached(3, milestone);
    assert_eq!(seen(Milestone::Requested), Some(6000.0));
    assert_eq!(seen(Milestone::PvcCreated), Some(6000.1));
    assert_eq!(seen(Milestone::PodCreated), Some(6000.2));
    assert_eq!(seen(Milestone::PvcProvisioning), Some(6000.5));
    assert_eq!(seen(Milestone::PvcBound), Some(6002.5));
    assert_eq!(seen(Milestone::PodScheduled), Some(6003.0));
    assert_eq!(seen(Milestone::SandboxReady), Some(6005.0));
    assert_eq!(seen(Milestone::Initialized), Some(6015.0));
    assert_eq!(seen(Milestone::PodReady), Some(6020.0));
    assert_eq!(seen(Milestone::EndpointReady), Some(6020.5));
    assert_eq!(seen(Milestone::FirstRead), Some(6021.0));
    assert_eq!(story.member(3).pvc_reused, Some(false));
    assert_eq!(story.member(3).direction, Direction::Up);
}

#[test]
fn a_new_replica_is_measured_in_every_phase_once() {
    let mut story = Story::of(3);
    story.at(6000.0).sees(set(4));
    story.rises("mysql-3", 6000.0);
    let expected = [
        (ScalePhase::Provision, 2.0),
        (ScalePhase::Schedule, 2.8),
        (ScalePhase::Start, 2.0),
        (ScalePhase::Initialize, 10.0),
        (ScalePhase::BecomeReady, 5.0),
        (ScalePhase::Publish, 0.5),
        (ScalePhase::Route, 0.5),
        (ScalePhase::ToReady, 20.0),
        (ScalePhase::ToFirstRead, 21.0),
    ];
    for (phase, seconds) in expected {
        let measured = story.measured(phase);
        assert!(measured.len() == 1 && (measured[0] - seconds).abs() < 1e-6, "{}: {measured:?}", phase.name());
    }
    assert_eq!(story.measures().len(), expected.len());
    assert_eq!(story.index.measures.phases().len(), expected.len());
    assert!(story.index.measures.phases().values().all(|times| times.count() == 1));
}

#[test]
fn an_event_reports_its_start_steps_and_end() {
    let mut story = Story::of(3);
    story.at(6000.0).sees(set(4));
    assert_eq!(story.steps, [ScaleStep::Notice(ClusterNotice::ScaleBegan { from: 3, to: 4 })]);
    assert_eq!(story.event().finished, None);
    story.rises("mysql-3", 6000.0);
    let first_read = ScaleStep::Notice(ClusterNotice::Reached {
        replica: "mysql-3".into(),
        milestone: Milestone::FirstRead,
        since_request: Some(Duration::from_secs(21)),
        uncertainty: Some(UNCERTAINTY),
    });
    assert!(story.steps.contains(&first_read), "{:?}", story.steps);
    assert_eq!(
        story.steps.last(),
        Some(&ScaleStep::Notice(ClusterNotice::ScaleOver { from: 3, to: 4, lasted: Some(Duration::from_secs(21)) }))
    );
    assert_eq!(story.event().finished.and_then(|date| date.live), Some(Moment::at(6021.0)));
}

#[test]
fn a_removed_replica_is_dated_and_measured_until_it_is_gone() {
    let mut story = Story::of(4);
    story.at(6000.0).sees(set(3));
    story.falls("mysql-3", "a", 6000.0);
    assert_eq!(story.member(3).direction, Direction::Down);
    assert_eq!(story.reached(3, Milestone::Terminating), Some(6000.2));
    assert_eq!(story.reached(3, Milestone::EndpointGone), Some(6000.4));
    assert_eq!(story.reached(3, Milestone::LastRead), Some(6000.6));
    assert_eq!(story.reached(3, Milestone::PodGone), Some(6010.0));
    assert_eq!(story.reached(3, Milestone::FirstRead), None);
    for (phase, seconds) in [(ScalePhase::Withdraw, 0.2), (ScalePhase::Drain, 0.4), (ScalePhase::Terminate, 9.8)] {
        let measured = story.measured(phase);
        assert!(measured.len() == 1 && (measured[0] - seconds).abs() < 1e-6, "{}: {measured:?}", phase.name());
    }
    assert_eq!(story.measures().len(), 3);
    assert_eq!(story.event().finished.and_then(|date| date.live), Some(Moment::at(6010.0)));
}

#[test]
fn the_last_read_is_renewed_until_the_pod_is_gone_and_measured_only_then() {
    let mut story = Story::of(4);
    story.at(6000.0).sees(set(3));
    story.at(6000.1).sees(pod("mysql-3").running_since(1000.0).deleted_at(6000.0));
    for seconds in [6001.0, 6002.0, 6005.0] {
        story.at(seconds).reads("mysql-3");
        assert_eq!(story.reached(3, Milestone::LastRead), Some(seconds));
    }
    assert_eq!(story.measured(ScalePhase::Drain), [0.0; 0]);
    story.at(6010.1).sees_gone(Kind::Pod, "mysql-3");
    let drained = story.measured(ScalePhase::Drain);
    assert!(drained.len() == 1 && (drained[0] - 4.9).abs() < 1e-6, "{drained:?}");
    let last_reads = |step: &&ScaleStep| {
        matches!(step, ScaleStep::Notice(ClusterNotice::Reached { milestone: Milestone::LastRead, .. }))
    };
    assert_eq!(story.steps.iter().filter(last_reads).count(), 1);
}

#[test]
fn a_replica_whose_last_read_came_before_it_terminated_drained_in_no_time() {
    let mut story = Story::of(4);
    story.at(5998.0).reads("mysql-3");
    story.at(6000.0).sees(set(3));
    story.at(6000.1).sees(pod("mysql-3").running_since(1000.0).deleted_at(6000.0));
    story.at(6000.2).leaves("mysql-3");
    story.at(6010.0).sees_gone(Kind::Pod, "mysql-3");
    assert_eq!(story.reached(3, Milestone::LastRead), Some(5998.0));
    assert_eq!(story.measured(ScalePhase::Drain), [0.0]);
}

#[test]
fn a_replica_that_never_answered_has_no_last_read() {
    let mut story = Story::of(4);
    story.at(6000.0).sees(set(3));
    story.at(6000.1).sees(pod("mysql-3").running_since(1000.0).deleted_at(6000.0));
    story.at(6010.0).sees_gone(Kind::Pod, "mysql-3");
    assert!(!story.member(3).milestones.has(Milestone::LastRead));
    assert_eq!(story.measured(ScalePhase::Drain), [0.0; 0]);
    assert!(story.event().finished.is_some());
}

#[test]
fn replicas_of_the_first_list_are_no_event() {
    let mut story = Story::of(3);
    for ordinal in 0..3 {
        story.at(5001.0).reads(&format!("mysql-{ordinal}"));
    }
    story.at(5002.0).sees(set(3));
    assert!(story.events().is_empty());
    assert!(story.steps.is_empty());
    assert!(story.index.measures.phases().is_empty());
    assert!(story.binds().is_empty());
}

#[test]
fn a_new_statefulset_is_an_event_of_all_its_replicas() {
    let mut story = Story::empty();
    story.at(6000.0).sees(set(2));
    story.rises("mysql-0", 6000.0);
    assert!(story.event().finished.is_none());
    story.rises("mysql-1", 6030.0);
    assert_eq!((story.event().from, story.event().to), (0, 2));
    assert_eq!(story.event().finished.and_then(|date| date.live), Some(Moment::at(6051.0)));
    let to_first_read = story.measured(ScalePhase::ToFirstRead);
    assert_eq!(to_first_read, [21.0, 51.0]);
}

#[test]
fn replicas_may_come_all_at_once() {
    let mut story = Story::of(3);
    story.at(6000.0).sees(set(6));
    let pods = ["mysql-3", "mysql-4", "mysql-5"];
    // In parallel and in another order: all pods take a step before the next step begins.
    for (step, pods) in [(0.0, pods), (0.001, ["mysql-5", "mysql-3", "mysql-4"])] {
        for pod_name in pods {
            story.at(6000.1 + step).sees(pvc(&format!("data-{pod_name}")));
            story.at(6000.2 + step).sees(pod(pod_name));
        }
    }
    for pod_name in ["mysql-5", "mysql-3", "mysql-4"] {
        story.rises_reusing(pod_name, "a", 6000.0);
    }
    assert!(story.event().finished.is_some());
    assert_eq!(story.measured(ScalePhase::ToFirstRead), [21.0; 3]);
    assert_eq!(story.measured(ScalePhase::Schedule).len(), 3);
}

#[test]
fn ordinals_start_where_the_statefulset_says() {
    let mut story = Story::empty();
    story.at(5000.0).lists(set(2).start(5));
    story.at(6000.0).sees(set(3).start(5));
    story.rises("mysql-7", 6000.0);
    assert_eq!(story.event().members.len(), 1);
    assert_eq!(story.reached(7, Milestone::FirstRead), Some(6021.0));
    assert!(story.event().finished.is_some());
    // The same number of replicas from another first ordinal: some go and others come.
    story.at(7000.0).sees(set(3).start(6));
    let moved: Vec<_> = story.event().members.iter().map(|member| (member.ordinal, member.direction)).collect();
    assert_eq!(moved, [(5, Direction::Down), (8, Direction::Up)]);
}

#[test]
fn a_second_event_takes_over_the_ordinals_that_it_changes_and_no_others() {
    let mut story = Story::of(3);
    story.at(6000.0).sees(set(5));
    story.at(6000.1).sees(pvc("data-mysql-3"));
    story.at(6000.2).sees(pod("mysql-3"));
    story.at(6005.0).sees(set(4));
    assert_eq!(story.events().len(), 2);
    assert!(story.events()[1].finished.is_some(), "mysql-4 never came");
    assert!(story.events()[0].members[1].taken_over);
    assert!(!story.events()[0].members[0].taken_over);
    story.rises_reusing("mysql-3", "a", 6010.0);
    let first = story.events()[0];
    assert_eq!(first.finished.and_then(|date| date.live), Some(Moment::at(6031.0)));
    assert_eq!(story.measured(ScalePhase::ToFirstRead), [31.0]);
    // The event ends without its second replica, so it has no duration.
    assert_eq!(story.steps.last(), Some(&ScaleStep::Notice(ClusterNotice::ScaleOver { from: 3, to: 5, lasted: None })));
}

#[test]
fn a_replica_that_never_came_is_gone_at_once() {
    let mut story = Story::of(3);
    story.at(6000.0).sees(set(4));
    story.at(6001.0).sees(set(3));
    assert!(story.events().iter().all(|event| event.finished.is_some()));
    assert!(story.measures().is_empty());
    assert_eq!(
        story.steps,
        [
            ScaleStep::Notice(ClusterNotice::ScaleBegan { from: 3, to: 4 }),
            ScaleStep::Notice(ClusterNotice::ScaleBegan { from: 4, to: 3 }),
            ScaleStep::Notice(ClusterNotice::ScaleOver { from: 3, to: 4, lasted: None }),
            ScaleStep::Notice(ClusterNotice::ScaleOver { from: 4, to: 3, lasted: Some(Duration::ZERO) }),
        ]
    );
}

#[test]
fn a_terminating_pod_is_not_the_requested_pod() {
    let mut story = Story::of(4);
    story.at(6000.0).sees(set(3));
    story.at(6000.2).sees(pod("mysql-3").running_since(1000.0).deleted_at(6000.0));
    story.at(6000.3).leaves("mysql-3");
    story.at(6002.0).sees(set(4));
    assert!(story.events()[0].finished.is_some(), "the second event took its only ordinal over");
    story.at(6003.0).reads("mysql-3");
    story.at(6010.0).sees_gone(Kind::Pod, "mysql-3");
    assert_eq!(story.event().finished, None);
    assert_eq!(story.member(3).milestones.reached().count(), 1, "nothing but the request");
    story.rises_reusing("mysql-3", "b", 6010.0);
    assert_eq!(story.reached(3, Milestone::PodCreated), Some(6010.2));
    assert_eq!(story.measured(ScalePhase::ToFirstRead), [29.0]);
    assert_eq!(story.member(3).pvc_reused, Some(true));
    assert!(story.event().finished.is_some());
}

#[test]
fn a_pod_that_stays_through_down_and_up_is_measured_by_the_first_event_alone() {
    let mut story = Story::of(3);
    story.at(6000.0).sees(set(4));
    story.at(6000.1).sees(pvc("data-mysql-3"));
    story.at(6000.2).sees(pod("mysql-3"));
    story.at(6000.3).sees(pod("mysql-3").scheduled_at(6000.0));
    // The controller is down and misses this.
    story.at(6000.4).sees(set(3));
    story.at(6000.5).sees(set(4));
    story.rises_reusing("mysql-3", "a", 6000.5);
    assert_eq!(story.measured(ScalePhase::Schedule).len(), 1);
    assert_eq!(story.measures(), [("schedule", 1)].into());
    assert_eq!(story.event().finished, None, "it might go yet");
    story.at(6040.0).reads("mysql-3");
    assert!(story.event().finished.is_some());
    assert_eq!(story.steps.last(), Some(&ScaleStep::Notice(ClusterNotice::ScaleOver { from: 3, to: 4, lasted: None })));
}

#[test]
fn a_pod_that_two_events_remove_is_measured_by_the_first_one() {
    let mut story = Story::of(4);
    story.at(6000.0).sees(set(3));
    story.at(6000.2).sees(pod("mysql-3").running_since(1000.0).deleted_at(6000.0));
    story.at(6000.4).leaves("mysql-3");
    // The pod still exists and goes later.
    for (up, down) in [(6000.5, 6000.6), (6005.5, 6005.6)] {
        story.at(up).sees(set(4));
        story.at(down).sees(set(3));
        story.at(6005.0).sees_gone(Kind::Pod, "mysql-3");
    }
    assert_eq!(story.measures(), [("terminate", 1), ("withdraw", 1)].into());
    assert!(story.events().iter().all(|event| event.finished.is_some()));
    assert_eq!(story.member(3).milestones.reached().count(), 0, "it was seen off before");
}

#[test]
fn a_first_read_is_not_taken_from_the_previous_pod_of_the_name() {
    let mut story = Story::of(4);
    story.at(6000.0).sees(set(3));
    story.falls("mysql-3", "a", 6000.0);
    story.at(6010.5).sees(set(4));
    story.at(6010.7).sees(pod("mysql-3").uid("b"));
    // The probe started before the new pod existed.
    story.at(6010.9).reads_since(6010.6, "mysql-3");
    assert_eq!(story.reached(3, Milestone::FirstRead), None);
    story.rises_reusing("mysql-3", "b", 6011.0);
    assert_eq!(story.reached(3, Milestone::FirstRead), Some(6032.0));
    assert_eq!(story.measured(ScalePhase::Route), [0.5]);
}

#[test]
fn direct_and_fresh_reads_are_milestones_of_their_own() {
    let mut story = Story::of(3);
    story.takes(|index, updates| index.know_freshness(&name("mysql"), true, Moment::at(5000.0), updates));
    story.at(6000.0).sees(set(4));
    story.at(6000.2).sees(pod("mysql-3"));
    story.at(6015.0).answers_pod_probe("mysql-3");
    story.rises_reusing("mysql-3", "a", 6000.0);
    assert_eq!(story.reached(3, Milestone::DirectRead), Some(6015.0));
    assert_eq!(story.reached(3, Milestone::FirstRead), Some(6021.0));
    assert_eq!(story.event().finished, None, "no read was fresh");
    story.at(6024.0).reads_fresh("mysql-3");
    assert_eq!(story.measured(ScalePhase::CatchUp), [3.0]);
    assert_eq!(story.measured(ScalePhase::ToFreshRead), [24.0]);
    assert_eq!(story.event().finished.and_then(|date| date.live), Some(Moment::at(6024.0)));
}

#[test]
fn a_first_read_that_is_fresh_is_both() {
    let mut story = Story::of(3);
    story.at(6000.0).sees(set(4));
    story.at(6000.2).sees(pod("mysql-3"));
    story.at(6021.0).reads_fresh("mysql-3");
    assert_eq!(story.reached(3, Milestone::FirstRead), story.reached(3, Milestone::FreshRead));
    assert_eq!(story.measured(ScalePhase::CatchUp), [0.0]);
}

#[test]
fn where_freshness_becomes_unknown_a_first_read_is_enough() {
    let mut story = Story::of(3);
    story.takes(|index, updates| index.know_freshness(&name("mysql"), true, Moment::at(5000.0), updates));
    story.at(6000.0).sees(set(4));
    story.rises("mysql-3", 6000.0);
    assert_eq!(story.event().finished, None);
    story.takes(|index, updates| index.know_freshness(&name("mysql"), false, Moment::at(6030.0), updates));
    assert!(story.event().finished.is_some());
    assert_eq!(story.steps.last(), Some(&ScaleStep::Notice(ClusterNotice::ScaleOver { from: 3, to: 4, lasted: None })));
}

#[test]
fn other_statefulsets_and_bare_pods_do_not_matter() {
    let mut story = Story::of(3);
    story.at(6000.0).sees(set(4));
    story.at(6000.2).sees(pod("mysql-3").orphaned());
    story.at(6000.3).sees(pod("web-3"));
    story.at(6021.0).reads("mysql-3");
    story.at(6021.0).reads("web-3");
    assert_eq!(story.member(3).milestones.reached().count(), 1, "nothing but the request");
    assert_eq!(story.event().finished, None);
}

#[test]
fn a_request_for_a_billion_replicas_is_limited() {
    let mut story = Story::of(3);
    story.at(6000.0).sees(set(1_000_000_000));
    story.at(6001.0).sees(set(1_000_000_000));
    assert_eq!(story.event().members.len(), 1000);
    story.at(6002.0).sees(set(3));
    assert!(story.events().iter().all(|event| event.finished.is_some()));
}

#[test]
fn only_the_last_events_are_kept() {
    let mut story = Story::of(3);
    for round in 0..50 {
        story.at(6000.0 + f64::from(round)).sees(set(3 + round % 2));
    }
    assert_eq!(story.events().len(), 20);
}

#[test]
fn the_last_deleted_statefulsets_are_kept() {
    let mut story = Story::empty();
    story.at(1.0).lists(class("fast"));
    for round in 0_u32..200 {
        let mut fact = set(1);
        fact.0.name = name(&format!("db{round}"));
        let seconds = 6000.0 + f64::from(round);
        story.at(seconds).sees(fact);
        story.at(seconds + 0.5).sees_gone(Kind::StatefulSet, &format!("db{round}"));
    }
    assert_eq!(story.index.scale_events().count(), 64);
}
