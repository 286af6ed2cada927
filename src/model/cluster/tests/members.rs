//! Which pods a Service should have, and what keeps each from being ready.

use crate::model::{
    base::Moment,
    cluster::{
        change::Kind,
        members::{Member, PodState, Step},
        objects::{PodTroubleKind, Rollout},
        routing::EndpointRouting,
        tests::builders::{Fact, Story, event, name, pod, pvc, set, wall},
    },
};

fn members(story: &Story) -> Vec<Member> {
    story.index.members(&name("mysql-read"), [&name("mysql")].into_iter(), true)
}

fn member(story: &Story, name: &str) -> Member {
    members(story).into_iter().find(|member| *member.name == *name).unwrap()
}

fn states(story: &Story) -> Vec<PodState> {
    members(story).into_iter().map(|member| member.state).collect()
}

#[test]
fn ready_endpoints_are_members_with_their_pods() {
    let story = Story::of(2);
    let members = members(&story);
    assert_eq!(members.iter().map(|member| &*member.name).collect::<Vec<_>>(), ["mysql-0", "mysql-1"]);
    for member in members {
        assert_eq!(
            (member.state, member.endpoint, member.step),
            (PodState::Ready, Some(EndpointRouting::Routed), None)
        );
    }
}

#[test]
fn a_drained_replica_terminates_is_absent_and_waits_for_a_node() {
    let mut story = Story::of(3);
    story.at(6000.0).sees(pod("mysql-1").running_since(1000.0).deleted_at(6000.0));
    let terminating = member(&story, "mysql-1");
    assert_eq!((terminating.state, terminating.since), (PodState::Terminating, Some(wall(6000.0))));
    story.at(6001.0).leaves("mysql-1");
    story.at(6002.0).sees_gone(Kind::Pod, "mysql-1");
    assert_eq!((member(&story, "mysql-1").state, member(&story, "mysql-1").endpoint), (PodState::Absent, None));
    let unscheduled = |text: &str| pod("mysql-1").uid("b").troubled(PodTroubleKind::Unscheduled, text, 6003.0);
    story.at(6003.0).sees(unscheduled("0/1 nodes are available"));
    let pending = member(&story, "mysql-1");
    assert_eq!(
        (pending.state, pending.since),
        (PodState::Unscheduled("0/1 nodes are available".into()), Some(wall(6003.0)))
    );
}

#[test]
fn a_pod_that_starts_is_planned_in_a_scale_event() {
    let mut story = Story::of(3);
    story.at(6000.0).sees(set(4));
    let coming = member(&story, "mysql-3");
    assert_eq!((coming.state, coming.step), (PodState::Absent, Some(Step::ScaleEvent { from: 3, to: 4 })));
    story.at(6000.2).sees(pod("mysql-3").created_at(6000.0));
    let coming = member(&story, "mysql-3");
    assert_eq!((coming.state, coming.since), (PodState::Starting, Some(Moment::at(6000.2).wall)));
    story.rises_reusing("mysql-3", "a", 6000.0);
    let arrived = member(&story, "mysql-3");
    assert_eq!((arrived.state, arrived.step), (PodState::Ready, None));
    story.at(6100.0).sees(set(3));
    assert_eq!(members(&story).iter().filter(|member| *member.name == *"mysql-3").count(), 1, "still an endpoint");
    story.falls("mysql-3", "a", 6100.0);
    assert_eq!(members(&story).len(), 3);
}

#[test]
fn a_roll_out_is_a_planned_step() {
    let mut story = Story::of(3);
    let Fact(mut rolling) = set(3);
    rolling.rollout = Some(Rollout { replicas: 3, ready: 3, updated: 1 });
    story.at(6000.0).sees(Fact(rolling.clone()));
    assert_eq!(member(&story, "mysql-0").step, Some(Step::RollOut { updated: 1, replicas: 3 }));
    // A replica that is not ready does not make a roll-out.
    rolling.rollout = Some(Rollout { replicas: 3, ready: 2, updated: 3 });
    story.at(6001.0).sees(Fact(rolling));
    assert_eq!(member(&story, "mysql-0").step, None);
}

#[test]
fn a_pvc_that_is_not_bound_is_the_cause_unless_it_waits_for_the_pod() {
    for (reason, is_cause) in [("ProvisioningFailed", true), ("WaitForFirstConsumer", false), ("", false)] {
        let mut story = Story::of(3);
        story.at(6000.0).sees(set(4));
        story.at(6000.1).sees(pvc("data-mysql-3").created_at(6000.0));
        if !reason.is_empty() {
            story.at(6000.2).sees(event("data-mysql-3", reason, "words"));
        }
        let waiting = pod("mysql-3").troubled(PodTroubleKind::Unscheduled, "0/1 nodes are available", 6000.0);
        story.at(6000.3).sees(waiting);
        let state = member(&story, "mysql-3").state;
        assert_eq!(matches!(state, PodState::WithoutVolume { lost: false, .. }), is_cause, "{reason} {state:?}");
    }
}

#[test]
fn a_lost_volume_is_the_cause() {
    let mut story = Story::of(1);
    story.at(6000.0).sees(pvc("data-mysql-0").lost());
    assert_eq!(states(&story), [PodState::Ready]);
    story.at(6001.0).sees(pod("mysql-0").uid("b").created_at(6001.0));
    let state = member(&story, "mysql-0").state;
    assert!(matches!(state, PodState::WithoutVolume { lost: true, .. }), "{state:?}");
}

#[test]
fn absent_pods_are_unknown_until_pods_were_listed() {
    let mut story = Story::of(2);
    story.at(6000.0).sees(set(3));
    let of = |known| story.index.members(&name("mysql-read"), [&name("mysql")].into_iter(), known).len();
    assert_eq!((of(false), of(true)), (2, 3));
}
