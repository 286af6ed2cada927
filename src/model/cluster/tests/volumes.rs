//! Volumes tell since when claims are bound that nobody saw binding.

use crate::model::{
    base::ObjectName,
    cluster::{
        change::{Change, Kind, Object},
        milestones::{Dated, Milestone, Receipt},
        objects::Volume,
        tests::builders::{Fact, Story, claim, name, set, wall},
    },
};

/// The volume of a claim that was just created, which is bound to it since.
pub(super) fn volume(of: &str, since: f64) -> Fact<Volume> {
    Fact(Volume { claim: name(of), claim_uid: claim(of).0.uid, bound: Some(wall(since)) })
}

impl Fact<Volume> {
    /// Of the claim with this uid.
    pub(super) fn uid(mut self, uid: &str) -> Self {
        self.0.claim_uid = format!("{}-{uid}", self.0.claim.name).into();
        self
    }

    /// The claim is gone.
    pub(super) fn released(mut self) -> Self {
        self.0.bound = None;
        self
    }
}

fn bound(story: &Story, of: &str) -> Option<Dated> {
    story.index.tracked().claim(&name(of)).expect("the claim").milestones.get(Milestone::ClaimBound)
}

#[test]
fn a_claim_that_was_bound_before_anybody_looked_is_dated_by_its_volume_in_any_order() {
    for volume_first in [true, false] {
        let mut story = Story::empty();
        story.at(5000.0).lists(set(3));
        if volume_first {
            story.at(5000.0).lists(volume("data-mysql-0", 1003.0));
        }
        story.at(5000.1).lists(claim("data-mysql-0").created_at(1000.0).selected().bound());
        if !volume_first {
            assert_eq!(bound(&story, "data-mysql-0"), None);
            story.at(5000.2).lists(volume("data-mysql-0", 1003.0));
        }
        assert_eq!(bound(&story, "data-mysql-0"), Some(Dated::told(wall(1003.0))));
        // A claim that is listed again, and a volume whose phase changes, are the same.
        story.at(5060.0).lists(claim("data-mysql-0").created_at(1000.0).selected().bound());
        story.at(5060.0).sees(volume("data-mysql-0", 5060.0));
        assert_eq!(bound(&story, "data-mysql-0"), Some(Dated::told(wall(1003.0))));
        assert!(story.measures().is_empty() && story.binds().is_empty());
    }
}

#[test]
fn a_binding_that_was_seen_is_dated_by_that() {
    let mut story = Story::of(3);
    story.at(6000.0).sees(set(4));
    story.at(6000.1).sees(claim("data-mysql-3"));
    story.at(6000.5).sees(claim("data-mysql-3").selected());
    story.at(6002.4).sees(volume("data-mysql-3", 6002.0));
    story.at(6002.5).sees(claim("data-mysql-3").selected().bound());
    story.at(6002.6).sees(volume("data-mysql-3", 6002.0));
    assert_eq!(story.reached(3, Milestone::ClaimBound), Some(6002.5));
    assert_eq!(story.measures(), [("provision", 1)].into());
}

#[test]
fn a_binding_during_an_outage_is_shown_and_neither_measured_nor_news() {
    for volume_first in [true, false] {
        let mut story = Story::of(3);
        story.at(6000.0).sees(set(4));
        story.at(6000.1).sees(claim("data-mysql-3"));
        story.at(6000.5).sees(claim("data-mysql-3").selected());
        if volume_first {
            story.at(6040.0).lists(volume("data-mysql-3", 6003.0));
        }
        story.at(6040.1).lists(claim("data-mysql-3").selected().bound());
        let steps = story.steps.len();
        if !volume_first {
            assert!(story.member(3).milestones.has(Milestone::ClaimBound));
            story.at(6040.2).lists(volume("data-mysql-3", 6003.0));
        }
        assert_eq!(story.member(3).milestones.get(Milestone::ClaimBound), Some(Dated::told(wall(6003.0))));
        assert_eq!(story.steps.len(), steps);
        assert!(story.measures().is_empty() && story.binds().is_empty());
    }
}

#[test]
fn of_several_claims_the_last_one_binds_when_every_volume_has_told() {
    let mut story = Story::of(0);
    story.at(6000.0).lists(set(1).templates(&["data", "logs"]));
    for claim_name in ["data-mysql-0", "logs-mysql-0"] {
        story.at(6000.0).lists(claim(claim_name).created_at(5999.0).selected().bound());
    }
    let dated = |story: &Story| story.member(0).milestones.get(Milestone::ClaimBound);
    story.at(6001.0).lists(volume("logs-mysql-0", 5999.0));
    assert_eq!(dated(&story), None, "the other one may have been later");
    story.at(6001.0).lists(volume("data-mysql-0", 5999.5));
    assert_eq!(dated(&story), Some(Dated::told(wall(5999.5))));
}

#[test]
fn the_volume_of_another_claim_of_the_name_says_nothing_of_this_one() {
    let mut story = Story::empty();
    story.at(5000.0).lists(set(3));
    story.at(5000.0).lists(volume("data-mysql-0", 1003.0));
    story.at(5000.1).lists(claim("data-mysql-0").uid("b").created_at(2000.0).selected().bound());
    story.at(5000.2).lists(volume("data-mysql-0", 1003.0));
    assert_eq!(bound(&story, "data-mysql-0"), None);
    story.at(5000.3).lists(volume("data-mysql-0", 2003.0).uid("b"));
    assert_eq!(bound(&story, "data-mysql-0"), Some(Dated::told(wall(2003.0))));
}

#[test]
fn nothing_is_kept_of_volumes_without_a_claim_that_matters() {
    let mut story = Story::empty();
    let elsewhere = Volume { claim: ObjectName::new("shop", "data-shop-0"), ..volume("data-shop-0", 1000.0).0 };
    story.at(5000.0).takes(Change::Applied(Object::Volume(elsewhere), Receipt::Listed));
    story.at(5000.0).lists(volume("data-job-1", 1000.0));
    story.at(5000.0).lists(volume("data-job-2", 1000.0));
    story.at(5000.0).lists(volume("data-job-3", 1000.0));
    story.at(5001.0).sees(volume("data-job-1", 1000.0).released());
    story.at(5001.0).sees_gone(Kind::Claim, "data-job-2");
    story.index.claims_listed("mysql");
    let debug = format!("{:?}", story.index);
    assert!(!debug.contains("data-"), "{debug}");
}
