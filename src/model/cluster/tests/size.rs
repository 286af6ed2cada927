//! What thousands of pods and claims cost.

use std::mem::size_of;

use crate::model::cluster::{
    change::Kind,
    claims::TrackedClaim,
    pods::TrackedPod,
    scaled_replica::ScaledReplica,
    tests::builders::{Story, claim, pod, slice},
};

#[test]
fn lives_are_small() {
    // With their names, uids and places in maps, 5,000 of each took 1.3 KB a pod and 1.1 KB a claim.
    assert!(size_of::<TrackedPod>() <= 200, "{}", size_of::<TrackedPod>());
    assert!(size_of::<TrackedClaim>() <= 208, "{}", size_of::<TrackedClaim>());
    assert!(size_of::<ScaledReplica>() <= 160, "{}", size_of::<ScaledReplica>());
}

#[test]
fn nothing_is_kept_of_pods_and_claims_that_are_gone() {
    assert_eq!(kept_of(500), kept_of(1));
}

/// What is kept after so many pods and claims came and went.
fn kept_of(rounds: u32) -> String {
    let mut story = Story::empty();
    for round in 0..rounds {
        let seconds = 6000.0 + 10.0 * f64::from(round);
        let pod_name = format!("job-{round}");
        story.at(seconds).sees(pod(&pod_name));
        story.at(seconds).sees(claim(&format!("data-{pod_name}")));
        story.at(seconds).joins(&pod_name, "a");
        story.at(seconds + 5.0).leaves(&pod_name);
        story.at(seconds + 5.0).sees_gone(Kind::Pod, &pod_name);
        story.at(seconds + 5.0).sees_gone(Kind::Claim, &format!("data-{pod_name}"));
    }
    story.at(20000.0).sees(slice("mysql-read", []));
    format!("{:?}", story.index)
}
