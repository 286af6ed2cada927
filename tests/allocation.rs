//! What is done for every answer takes no memory from the allocator.

use allocation_counter::measure;
use readscope::model::evidence::{Detector, DetectorRules, ShareStats};

#[test]
fn an_answer_is_weighed_and_counted_without_an_allocation() {
    for replicas in [2, 3, 50] {
        let weights = vec![1.0; replicas];
        let (mut detector, mut tally) = (Detector::new(DetectorRules::default(), &weights), ShareStats::new(&weights));
        let taken = measure(|| {
            for n in 0..5000 {
                // The last one gets none, so that there is an alarm and the evidence reaches its greatest value.
                detector.observe(n % (replicas - 1), 60.0);
                tally.observe(n % (replicas - 1));
            }
        });
        assert!(detector.alarm(), "{replicas} replicas");
        assert_eq!(taken.count_total, 0, "{replicas} replicas: {taken:?}");
    }
    assert!(measure(|| drop(std::hint::black_box(vec![1_u8; 64]))).count_total > 0, "allocations are counted");
}
