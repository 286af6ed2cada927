//! Memory of thousands of pods and PVCs.

use std::mem::size_of;

use crate::model::cluster::{
    change::Kind,
    pods::TrackedPod,
    pvcs::TrackedPvc,
    scaled_replica::ScaledReplica,
    tests::builders::{Story, pod, pvc, slice},
};

#[test]
fn lives_are_small() {
    // With names, uids and map entries, 5,000 of each take 1.3 KB per pod and 1.1 KB per PVC.
    assert!(size_of::<TrackedPod>() <= 208, "{}", size_of::<TrackedPod>());
    assert!(size_of::<TrackedPvc>() <= 208, "{}", size_of::<TrackedPvc>());
    assert!(size_of::<ScaledReplica>() <= 160, "{}", size_of::<ScaledReplica>());
}

#[test]
fn gone_pods_and_pvcs_leave_nothing() {
    assert_eq!(kept_of(500), kept_of(1));
}

/// The state that is left after `rounds` pods and PVCs came and went.
fn kept_of(rounds: u32) -> String {
    let mut story = Story::empty();
    for round in 0..rounds {
        let seconds = 6000.0 + 10.0 * f64::from(round);
        let pod_name = format!("job-{round}");
        story.at(seconds).sees(pod(&pod_name));
        story.at(seconds).sees(pvc(&format!("data-{pod_name}")));
        story.at(seconds).joins(&pod_name, "a");
        story.at(seconds + 5.0).leaves(&pod_name);
        story.at(seconds + 5.0).sees_gone(Kind::Pod, &pod_name);
        story.at(seconds + 5.0).sees_gone(Kind::Pvc, &format!("data-{pod_name}"));
    }
    story.at(20000.0).sees(slice("mysql-read", []));
    format!("{:?}", story.index)
}
