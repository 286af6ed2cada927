//! Volumes give the time of a binding that was not seen.

use crate::model::{
    base::ObjectName,
    cluster::{
        change::{Change, Kind, Object},
        milestones::{Milestone, MilestoneTime, Seen},
        objects::Volume,
        tests::builders::{Fact, Story, name, pvc, set, wall},
    },
};

/// The volume of a new PVC, bound since `since`.
pub(super) fn volume(of: &str, since: f64) -> Fact<Volume> {
    Fact(Volume { pvc: name(of), pvc_uid: pvc(of).0.uid, bound: Some(wall(since)) })
}

impl Fact<Volume> {
    /// Sets the uid of the PVC.
    pub(super) fn uid(mut self, uid: &str) -> Self {
        self.0.pvc_uid = format!("{}-{uid}", self.0.pvc.name).into();
        self
    }

    pub(super) fn released(mut self) -> Self {
        self.0.bound = None;
        self
    }
}

fn bound(story: &Story, of: &str) -> Option<MilestoneTime> {
    story.index.tracked.pvc(&name(of)).expect("the pvc").milestones.get(Milestone::PvcBound)
}

#[test]
fn a_pvc_bound_before_the_first_list_is_dated_by_its_volume_in_any_order() {
    for volume_first in [true, false] {
        let mut story = Story::empty();
        story.at(5000.0).lists(set(3));
        if volume_first {
            story.at(5000.0).lists(volume("data-mysql-0", 1003.0));
        }
        story.at(5000.1).lists(pvc("data-mysql-0").created_at(1000.0).selected().bound());
        if !volume_first {
            assert_eq!(bound(&story, "data-mysql-0"), None);
            story.at(5000.2).lists(volume("data-mysql-0", 1003.0));
        }
        assert_eq!(bound(&story, "data-mysql-0"), Some(MilestoneTime::written(wall(1003.0))));
        // A PVC that is listed again, and a volume whose phase changes, change nothing.
        story.at(5060.0).lists(pvc("data-mysql-0").created_at(1000.0).selected().bound());
        story.at(5060.0).sees(volume("data-mysql-0", 5060.0));
        assert_eq!(bound(&story, "data-mysql-0"), Some(MilestoneTime::written(wall(1003.0))));
        assert!(story.measures().is_empty() && story.binds().is_empty());
    }
}

#[test]
fn a_seen_binding_keeps_its_time() {
    let mut story = Story::of(3);
    story.at(6000.0).sees(set(4));
    story.at(6000.1).sees(pvc("data-mysql-3"));
    story.at(6000.5).sees(pvc("data-mysql-3").selected());
    story.at(6002.4).sees(volume("data-mysql-3", 6002.0));
    story.at(6002.5).sees(pvc("data-mysql-3").selected().bound());
    story.at(6002.6).sees(volume("data-mysql-3", 6002.0));
    assert_eq!(story.reached(3, Milestone::PvcBound), Some(6002.5));
    assert_eq!(story.measures(), [("provision", 1)].into());
}

#[test]
fn a_binding_during_an_outage_is_shown_without_measurement_and_notice() {
    for volume_first in [true, false] {
        let mut story = Story::of(3);
        story.at(6000.0).sees(set(4));
        story.at(6000.1).sees(pvc("data-mysql-3"));
        story.at(6000.5).sees(pvc("data-mysql-3").selected());
        if volume_first {
            story.at(6040.0).lists(volume("data-mysql-3", 6003.0));
        }
        story.at(6040.1).lists(pvc("data-mysql-3").selected().bound());
        let steps = story.steps.len();
        if !volume_first {
            assert!(story.member(3).milestones.has(Milestone::PvcBound));
            story.at(6040.2).lists(volume("data-mysql-3", 6003.0));
        }
        assert_eq!(story.member(3).milestones.get(Milestone::PvcBound), Some(MilestoneTime::written(wall(6003.0))));
        assert_eq!(story.steps.len(), steps);
        assert!(story.measures().is_empty() && story.binds().is_empty());
    }
}

#[test]
fn several_pvcs_are_bound_when_every_volume_is_known() {
    let mut story = Story::of(0);
    story.at(6000.0).lists(set(1).templates(&["data", "logs"]));
    for pvc_name in ["data-mysql-0", "logs-mysql-0"] {
        story.at(6000.0).lists(pvc(pvc_name).created_at(5999.0).selected().bound());
    }
    let dated = |story: &Story| story.member(0).milestones.get(Milestone::PvcBound);
    story.at(6001.0).lists(volume("logs-mysql-0", 5999.0));
    assert_eq!(dated(&story), None, "the other one may have been later");
    story.at(6001.0).lists(volume("data-mysql-0", 5999.5));
    assert_eq!(dated(&story), Some(MilestoneTime::written(wall(5999.5))));
}

#[test]
fn the_volume_of_an_earlier_pvc_does_not_date_this_pvc() {
    let mut story = Story::empty();
    story.at(5000.0).lists(set(3));
    story.at(5000.0).lists(volume("data-mysql-0", 1003.0));
    story.at(5000.1).lists(pvc("data-mysql-0").uid("b").created_at(2000.0).selected().bound());
    story.at(5000.2).lists(volume("data-mysql-0", 1003.0));
    assert_eq!(bound(&story, "data-mysql-0"), None);
    story.at(5000.3).lists(volume("data-mysql-0", 2003.0).uid("b"));
    assert_eq!(bound(&story, "data-mysql-0"), Some(MilestoneTime::written(wall(2003.0))));
}

#[test]
fn volumes_of_irrelevant_pvcs_leave_nothing() {
    let mut story = Story::empty();
    let elsewhere = Volume { pvc: ObjectName::new("shop", "data-shop-0"), ..volume("data-shop-0", 1000.0).0 };
    story.at(5000.0).takes(Change::Applied(Object::Volume(elsewhere), Seen::Listed));
    story.at(5000.0).lists(volume("data-job-1", 1000.0));
    story.at(5000.0).lists(volume("data-job-2", 1000.0));
    story.at(5000.0).lists(volume("data-job-3", 1000.0));
    story.at(5001.0).sees(volume("data-job-1", 1000.0).released());
    story.at(5001.0).sees_gone(Kind::Pvc, "data-job-2");
    story.index.pvcs_listed("mysql");
    let debug = format!("{:?}", story.index);
    assert!(!debug.contains("data-"), "{debug}");
}
