//! PVCs are created, provisioned, bound and reused.

use crate::model::cluster::{
    change::Kind,
    milestones::{Milestone, ScalePhase},
    tests::builders::{Story, class, pod, pvc, set},
};

#[test]
fn waiting_for_the_consumer_is_not_provisioning() {
    let mut story = Story::of(3);
    story.at(6000.0).sees(set(4));
    story.at(6000.1).sees(pvc("data-mysql-3"));
    // No node has room for the pod for a minute.
    story.at(6060.0).sees(pvc("data-mysql-3").selected());
    story.at(6063.0).sees(pvc("data-mysql-3").selected().bound());
    assert_eq!(story.measured(ScalePhase::Provision), [3.0]);
    let binds = story.binds();
    assert_eq!((&*binds[0].0, binds[0].1, binds[0].2), ("fast", "WaitForFirstConsumer", 1));
    assert!((binds[0].3 - 62.9).abs() < 1e-6, "from creation to binding");
}

#[test]
fn an_immediate_pvc_is_provisioned_from_its_creation_on() {
    let mut story = Story::of(3);
    story.at(5000.0).lists(class("fast").immediate());
    story.at(6000.0).sees(set(4));
    story.at(6000.25).sees(pvc("data-mysql-3"));
    assert_eq!(story.reached(3, Milestone::PvcProvisioning), Some(6000.25));
    story.at(6002.25).sees(pvc("data-mysql-3").bound());
    assert_eq!(story.measured(ScalePhase::Provision), [2.0]);
    assert_eq!(story.binds(), [("fast".to_owned(), "Immediate", 1, 2.0)]);
}

#[test]
fn a_pvc_of_an_unknown_class_waits_for_a_consumer_if_a_node_is_selected_for_one() {
    let mut story = Story::of(3);
    story.at(6000.0).sees(set(4));
    story.at(6000.25).sees(pvc("data-mysql-3").class(Some("other")));
    assert!(!story.member(3).milestones.has(Milestone::PvcProvisioning), "not known yet");
    story.at(6030.25).sees(pvc("data-mysql-3").class(Some("other")).selected());
    story.at(6032.25).sees(pvc("data-mysql-3").class(Some("other")).selected().bound());
    assert_eq!(story.measured(ScalePhase::Provision), [2.0]);
    assert_eq!(story.binds(), [("other".to_owned(), "unknown", 1, 32.0)]);
}

#[test]
fn a_pvc_of_an_unknown_class_that_is_bound_without_a_node_was_provisioned_from_its_creation_on() {
    let mut story = Story::of(3);
    story.at(6000.0).sees(set(4));
    story.at(6000.25).sees(pvc("data-mysql-3").class(Some("other")));
    story.at(6002.25).sees(pvc("data-mysql-3").class(Some("other")).bound());
    assert_eq!(story.reached(3, Milestone::PvcProvisioning), Some(6000.25));
    assert_eq!(story.measured(ScalePhase::Provision), [2.0]);
}

#[test]
fn a_pod_with_a_fixed_node_has_its_pvc_bound_without_a_selected_one() {
    let mut story = Story::of(3);
    story.at(6000.0).sees(set(4));
    story.at(6000.25).sees(pvc("data-mysql-3"));
    story.at(6000.5).sees(pod("mysql-3"));
    story.at(6000.75).sees(pod("mysql-3").scheduled_at(6000.0));
    story.at(6004.25).sees(pvc("data-mysql-3").bound());
    assert_eq!(story.reached(3, Milestone::PvcProvisioning), Some(6000.25));
    assert_eq!(story.measured(ScalePhase::Provision), [4.0]);
    assert_eq!(story.measured(ScalePhase::Schedule), [0.25]);
}

#[test]
fn the_class_is_labelled_as_it_is_when_the_pvc_is_bound() {
    let mut story = Story::of(3);
    story.at(6000.0).sees(set(5));
    story.at(6000.0).sees(pvc("data-mysql-3").class(None));
    story.at(6001.0).sees(pvc("data-mysql-3"));
    story.at(6001.5).sees(pvc("data-mysql-3").selected());
    story.at(6002.0).sees(pvc("data-mysql-3").selected().bound());
    story.at(6000.0).sees(pvc("data-mysql-4").class(None));
    story.at(6002.0).sees(pvc("data-mysql-4").class(None).bound());
    let binds = story.binds();
    assert_eq!(binds, [(String::new(), "unknown", 1, 2.0), ("fast".to_owned(), "WaitForFirstConsumer", 1, 2.0)]);
}

#[test]
fn a_reused_pvc_is_labelled_and_gives_no_bind_time() {
    let mut story = Story::of(3);
    story.at(6000.0).sees(set(4));
    story.rises("mysql-3", 6000.0);
    story.at(6100.0).sees(set(3));
    story.falls("mysql-3", "a", 6100.0);
    story.at(6200.0).sees(set(4));
    assert_eq!(story.member(3).pvc_reused, Some(true));
    story.rises_reusing("mysql-3", "b", 6200.0);
    for milestone in [Milestone::PvcCreated, Milestone::PvcProvisioning, Milestone::PvcBound] {
        assert!(!story.member(3).milestones.has(milestone));
    }
    assert_eq!(story.measured(ScalePhase::Provision).len(), 1);
    assert_eq!(story.measured(ScalePhase::Schedule).len(), 2);
    assert_eq!(story.binds()[0].2, 1);
}

#[test]
fn a_pvc_reused_within_a_second_gives_no_second_bind_time() {
    let mut story = Story::of(3);
    story.at(6000.0).sees(set(4));
    story.at(6000.125).sees(pvc("data-mysql-3"));
    story.at(6000.25).sees(pvc("data-mysql-3").selected());
    story.at(6000.5).sees(pvc("data-mysql-3").selected().bound());
    story.at(6000.6).sees(set(3));
    story.at(6001.0).sees(set(4));
    assert_eq!(story.member(3).pvc_reused, Some(true));
    assert_eq!(story.measured(ScalePhase::Provision), [0.25]);
}

#[test]
fn a_pvc_without_seen_node_selection_gives_no_provision_time() {
    let mut story = Story::of(3);
    story.at(6000.0).sees(set(4));
    story.at(6000.1).sees(pvc("data-mysql-3"));
    story.at(6002.0).sees(pvc("data-mysql-3").selected().bound());
    assert_eq!(story.measured(ScalePhase::Provision), [0.0; 0]);
    assert_eq!(story.binds()[0].2, 1);
}

#[test]
fn a_pvc_recreated_during_an_outage_is_another_pvc() {
    let mut story = Story::of(3);
    story.at(6000.0).sees(set(4));
    story.at(6000.1).sees(pvc("data-mysql-3"));
    story.at(6000.5).sees(pvc("data-mysql-3").selected());
    story.at(6060.0).lists(pvc("data-mysql-3").uid("b").created_at(6050.0));
    story.at(6061.0).sees(pvc("data-mysql-3").uid("b").selected());
    story.at(6063.0).sees(pvc("data-mysql-3").uid("b").selected().bound());
    assert_eq!(story.measured(ScalePhase::Provision), [2.0]);
    assert!(story.binds().is_empty(), "its creation was not seen");
}

#[test]
fn a_pvc_from_before_the_first_list_is_reused() {
    let mut story = Story::empty();
    story.at(5000.0).lists(set(3));
    story.at(5000.0).lists(pvc("data-mysql-3").created_at(1000.0).selected().bound());
    story.at(6000.0).sees(set(4));
    story.rises_reusing("mysql-3", "a", 6000.0);
    assert_eq!(story.member(3).pvc_reused, Some(true));
    assert_eq!(story.measured(ScalePhase::Provision), [0.0; 0]);
    assert_eq!(story.measured(ScalePhase::ToFirstRead), [21.0]);
}

#[test]
fn a_reused_pvc_that_is_listed_only_after_the_request_is_reused() {
    let mut story = Story::empty();
    story.at(5000.0).lists(set(3));
    story.at(5001.0).sees(set(4));
    assert_eq!(story.member(3).pvc_reused, None, "not known yet");
    story.at(5002.0).lists(pvc("data-mysql-3").created_at(1000.0).selected().bound());
    assert_eq!(story.member(3).pvc_reused, Some(true));
}

#[test]
fn a_pvc_deleted_with_the_scale_down_and_recreated_is_new() {
    let mut story = Story::of(4);
    story.at(6000.0).sees(set(3));
    story.falls("mysql-3", "a", 6000.0);
    story.at(6010.5).sees(set(4));
    assert_eq!(story.member(3).pvc_reused, Some(true), "as far as is known");
    // persistentVolumeClaimRetentionPolicy: whenScaled: Delete
    story.at(6011.0).sees_gone(Kind::Pvc, "data-mysql-3");
    story.at(6011.1).sees(pvc("data-mysql-3").uid("b"));
    assert_eq!(story.member(3).pvc_reused, Some(false));
    story.at(6011.5).sees(pvc("data-mysql-3").uid("b").selected());
    story.at(6013.5).sees(pvc("data-mysql-3").uid("b").selected().bound());
    assert_eq!(story.measured(ScalePhase::Provision), [2.0]);
}

#[test]
fn a_pending_pvc_recreated_by_hand_starts_again() {
    let mut story = Story::of(3);
    story.at(6000.0).sees(set(4));
    story.at(6000.1).sees(pvc("data-mysql-3"));
    story.at(6000.5).sees(pvc("data-mysql-3").selected());
    story.at(6050.0).sees_gone(Kind::Pvc, "data-mysql-3");
    story.at(6051.0).sees(pvc("data-mysql-3").uid("b"));
    story.at(6052.0).sees(pvc("data-mysql-3").uid("b").selected());
    story.at(6053.0).sees(pvc("data-mysql-3").uid("b").selected().bound());
    assert_eq!(story.reached(3, Milestone::PvcCreated), Some(6051.0));
    assert_eq!(story.measured(ScalePhase::Provision), [1.0]);
    assert_eq!(story.binds()[0].2, 1);
}

#[test]
fn of_several_pvcs_the_first_begins_and_the_last_one_binds() {
    let mut story = Story::empty();
    story.at(5000.0).lists(set(3).templates(&["data", "logs"]));
    story.at(6000.0).sees(set(4).templates(&["data", "logs"]));
    story.at(6000.1).sees(pvc("data-mysql-3"));
    story.at(6000.2).sees(pvc("logs-mysql-3"));
    story.at(6001.0).sees(pvc("logs-mysql-3").selected());
    story.at(6001.5).sees(pvc("data-mysql-3").selected());
    story.at(6003.0).sees(pvc("logs-mysql-3").selected().bound());
    assert!(!story.member(3).milestones.has(Milestone::PvcBound));
    story.at(6005.0).sees(pvc("data-mysql-3").selected().bound());
    assert_eq!(story.reached(3, Milestone::PvcCreated), Some(6000.1));
    assert_eq!(story.reached(3, Milestone::PvcProvisioning), Some(6001.0));
    assert_eq!(story.reached(3, Milestone::PvcBound), Some(6005.0));
    assert_eq!(story.measured(ScalePhase::Provision), [4.0]);
    assert_eq!(story.binds()[0].2, 2);
}

#[test]
fn of_an_old_and_a_new_pvc_only_the_new_one_is_measured() {
    let mut story = Story::empty();
    story.at(5000.0).lists(set(3).templates(&["data", "logs"]));
    story.at(5000.0).lists(pvc("data-mysql-3").created_at(1000.0).selected().bound());
    story.at(6000.0).sees(set(4).templates(&["data", "logs"]));
    story.at(6000.2).sees(pvc("logs-mysql-3"));
    story.at(6001.0).sees(pvc("logs-mysql-3").selected());
    story.at(6003.0).sees(pvc("logs-mysql-3").selected().bound());
    assert_eq!(story.member(3).pvc_reused, Some(false));
    assert_eq!(story.reached(3, Milestone::PvcCreated), Some(6000.2));
    assert_eq!(story.measured(ScalePhase::Provision), [2.0]);
}

#[test]
fn a_pvc_that_never_binds_holds_its_event_open_until_the_next_one() {
    let mut story = Story::of(3);
    story.at(6000.0).sees(set(4));
    story.at(6000.1).sees(pvc("data-mysql-3"));
    story.at(6000.2).sees(pod("mysql-3"));
    for minutes in 1..60 {
        story.at(6000.0 + 60.0 * f64::from(minutes)).sees(pvc("data-mysql-3"));
    }
    assert_eq!(story.event().finished, None);
    story.at(9700.0).sees(set(3));
    story.at(9700.1).sees(pod("mysql-3").deleted_at(9700.0));
    story.at(9700.2).sees_gone(Kind::Pod, "mysql-3");
    assert!(story.events().iter().all(|event| event.finished.is_some()));
    assert_eq!(story.measures(), [("terminate", 1)].into());
    assert!(story.binds().is_empty());
}

#[test]
fn a_statefulset_without_pvcs_has_no_pvc_milestones() {
    let mut story = Story::empty();
    story.at(5000.0).lists(set(3).templates(&[]));
    story.at(6000.0).sees(set(4).templates(&[]));
    story.rises_reusing("mysql-3", "a", 6000.0);
    assert_eq!(story.member(3).pvc_reused, None);
    assert!(story.event().finished.is_some());
}

#[test]
fn without_permission_for_pvcs_their_reuse_is_unknown() {
    let mut story = Story::of(3);
    story.at(6000.0).sees(set(4));
    story.rises_reusing("mysql-3", "a", 6000.0);
    assert_eq!(story.member(3).pvc_reused, None);
    assert_eq!(story.measured(ScalePhase::ToFirstRead), [21.0]);
}

#[test]
fn a_pvc_that_lost_its_volume_and_has_it_again_is_bound_once() {
    let mut story = Story::of(3);
    story.at(6000.0).sees(set(4));
    story.rises("mysql-3", 6000.0);
    story.at(6100.0).sees(pvc("data-mysql-3").selected().lost());
    story.at(6200.0).sees(pvc("data-mysql-3").selected().bound());
    assert_eq!(story.binds()[0].2, 1);
    assert_eq!(story.reached(3, Milestone::PvcBound), Some(6002.5));
}

#[test]
fn pvcs_of_other_statefulsets_or_none_are_not_counted() {
    let mut story = Story::of(3);
    for other in ["data-mysql", "scratch", "data-mysql-x", "logs-mysql-3", "data-mysql-read-3"] {
        story.at(6000.0).sees(pvc(other));
        story.at(6001.0).sees(pvc(other).selected());
        story.at(6002.0).sees(pvc(other).selected().bound());
    }
    assert!(story.binds().is_empty());
}

#[test]
fn pvcs_are_known_while_they_exist() {
    let mut story = Story::of(3);
    assert_eq!(story.index.tracked.pvcs().count(), 3);
    story.at(6000.0).sees_gone(Kind::Pvc, "data-mysql-2");
    story.at(6001.0).lists_gone(Kind::Pvc, "data-mysql-1");
    assert_eq!(story.index.tracked.pvcs().count(), 1);
}

#[test]
fn a_pvc_that_was_bound_and_comes_back_was_not_bound_when_it_is_seen_to_bind() {
    let mut story = Story::of(3);
    story.at(6000.0).sees(set(4));
    story.at(6001.0).lists(pvc("data-mysql-3").created_at(6000.5).selected().bound());
    story.at(6002.0).lists_gone(Kind::Pvc, "data-mysql-3");
    story.at(6003.0).sees(pvc("data-mysql-3").created_at(6000.5));
    story.at(6004.0).sees(pvc("data-mysql-3").created_at(6000.5).selected().bound());
    assert!(story.member(3).milestones.has(Milestone::PvcBound));
    assert_eq!(story.reached(3, Milestone::PvcBound), None);
}
