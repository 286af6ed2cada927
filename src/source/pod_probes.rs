//! Pod probes: probes of pods at their own addresses. The plan says which pods, and how often.
//!
//! Each pod has at most one probe in flight, and only a few pods are probed at once. The limit excludes the primary,
//! which must be probed on time.

use std::{collections::HashMap, future::Future, sync::Arc, time::Duration};

use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
    time::{Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;

use super::joined;
use crate::model::{Event, PodProbe, PodProbeResult, Probe, ProbePlan, ProbePurpose, TargetId};

/// Maximum number of pods probed at once, without the primary.
const AT_ONCE: usize = 8;

/// Spread of pod probes, as part of their interval. It keeps the pods of one target, and several instances of
/// readscope, out of step.
const JITTER: f64 = 0.25;

/// Sleep while nothing is due; a change of the plan ends it.
const IDLE: Duration = Duration::from_secs(3600);

/// The last probe of a pod.
struct Last {
    started: Instant,
    /// Position within the jitter, 0 to 1.
    jitter: f64,
    in_flight: bool,
}

/// Probes pods as `plan` says and sends the results to `events`, until `stop` is cancelled or `events` is closed. After
/// `stop`, it waits for probes in flight.
pub async fn run<S, F>(
    target: TargetId,
    mut plan: watch::Receiver<ProbePlan>,
    probe: S,
    events: mpsc::Sender<Event>,
    stop: CancellationToken,
) where
    S: Fn(&PodProbe) -> Option<F>,
    F: Future<Output = Probe> + Send + 'static,
{
    let mut last: HashMap<Arc<str>, Last> = HashMap::new();
    let mut in_flight: JoinSet<PodProbeResult> = JoinSet::new();
    loop {
        let next = next(&plan.borrow_and_update(), &last, in_flight.len());
        let due = next.as_ref().map_or_else(|| Instant::now() + IDLE, |(due, _)| *due);
        tokio::select! {
            biased;
            () = stop.cancelled() => break,
            Some(done) = in_flight.join_next() => {
                let done = joined(done);
                if let Some(last) = last.get_mut(&done.pod.uid) {
                    last.in_flight = false;
                }
                if !send(&events, target, done).await {
                    return;
                }
            }
            // If the sender is gone, the plan stays as it is.
            Ok(()) = plan.changed() => {
                let plan = plan.borrow();
                last.retain(|uid, last| last.in_flight || plan.pod_probes.iter().any(|probe| probe.pod.uid == *uid));
            }
            () = sleep_until(due) => {
                let Some((_, next)) = next else { continue };
                let probe = probe(&next);
                let state = Last { started: Instant::now(), jitter: rand::random(), in_flight: probe.is_some() };
                last.insert(Arc::clone(&next.pod.uid), state);
                if let Some(probe) = probe {
                    in_flight.spawn(async move {
                        PodProbeResult { pod: next.pod, purpose: next.purpose, probe: probe.await }
                    });
                }
            }
        }
    }
    while let Some(done) = in_flight.join_next().await {
        if !send(&events, target, joined(done)).await {
            return;
        }
    }
}

async fn send(events: &mpsc::Sender<Event>, target: TargetId, probe: PodProbeResult) -> bool {
    events.send(Event::PodProbed { target, probe: Box::new(probe) }).await.is_ok()
}

/// The pod to probe next, and when.
fn next(plan: &ProbePlan, last: &HashMap<Arc<str>, Last>, in_flight: usize) -> Option<(Instant, PodProbe)> {
    let now = Instant::now();
    // New pods come before overdue ones.
    let due = |probe: &PodProbe| match last.get(&probe.pod.uid) {
        None => Some((false, now)),
        Some(last) if last.in_flight => None,
        // No jitter for the primary.
        Some(last) if probe.purpose == ProbePurpose::Primary => Some((true, last.started + probe.every)),
        Some(last) => Some((true, last.started + probe.every.mul_f64(1.0 + JITTER * (last.jitter - 0.5)))),
    };
    let allowed = |probe: &&PodProbe| probe.purpose == ProbePurpose::Primary || in_flight < AT_ONCE;
    let candidates = plan.pod_probes.iter().filter(allowed).filter_map(|probe| Some((due(probe)?, probe)));
    candidates.min_by_key(|(due, _)| *due).map(|((_, due), probe)| (due, probe.clone()))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::{
        clock::Clock,
        model::{Failure, FailureReason, cluster::PodRef},
    };

    fn pod_probe(uid: &str, purpose: ProbePurpose, every: f64) -> PodProbe {
        let pod = PodRef { name: uid.into(), uid: uid.into() };
        PodProbe { pod, restarts: 0, addresses: Vec::new(), purpose, every: Duration::from_secs_f64(every) }
    }

    /// Runs `plans`, each for some seconds of paused time, with probes that take `lasting`. Returns the number of
    /// probes per pod, and the maximum in flight.
    async fn probe_counts(plans: Vec<(Vec<PodProbe>, u64)>, lasting: Duration) -> (HashMap<String, usize>, usize) {
        let clock = Clock::start();
        let (events, mut received) = mpsc::channel(100_000);
        let (planned, plan) = watch::channel(ProbePlan::default());
        let stop = CancellationToken::new();
        let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let probe = {
            let most = Arc::clone(&most);
            move |_: &PodProbe| {
                let (now, most) = (Arc::clone(&now), Arc::clone(&most));
                Some(async move {
                    most.fetch_max(now.fetch_add(1, Ordering::Relaxed) + 1, Ordering::Relaxed);
                    let started = clock.now();
                    tokio::time::sleep(lasting).await;
                    now.fetch_sub(1, Ordering::Relaxed);
                    let failure = Failure {
                        reason: FailureReason::Other,
                        text: String::new(),
                        address: None,
                        charge: None,
                        advice: None,
                    };
                    Probe { sequence: 0, started, finished: clock.now(), outcome: Err(failure) }
                })
            }
        };
        let running = run(TargetId(0), plan, probe, events, stop.clone());
        let planning = async {
            for (pod_probes, seconds) in plans {
                planned.send_replace(ProbePlan { pod_probes, ..ProbePlan::default() });
                tokio::time::sleep(Duration::from_secs(seconds)).await;
            }
            stop.cancel();
        };
        tokio::join!(running, planning);
        let mut counts = HashMap::new();
        while let Ok(event) = received.try_recv() {
            let Event::PodProbed { probe, .. } = event else { panic!("{event:?}") };
            *counts.entry(probe.pod.name.to_string()).or_default() += 1;
        }
        (counts, most.load(Ordering::Relaxed))
    }

    #[tokio::test(start_paused = true)]
    async fn each_pod_is_probed_at_once_and_then_at_its_own_interval() {
        let plan = vec![pod_probe("a", ProbePurpose::Primary, 0.25), pod_probe("b", ProbePurpose::Replica, 10.0)];
        let (counts, _) = probe_counts(vec![(plan, 100)], Duration::from_millis(5)).await;
        assert!((390..=401).contains(&counts["a"]), "{counts:?}");
        assert!((9..=12).contains(&counts["b"]), "{counts:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_pod_has_one_probe_in_flight() {
        let plan = vec![pod_probe("a", ProbePurpose::Primary, 0.25)];
        let (counts, at_once) = probe_counts(vec![(plan, 30)], Duration::from_secs(3)).await;
        assert_eq!((counts["a"], at_once), (10, 1));
    }

    #[tokio::test(start_paused = true)]
    async fn hanging_pods_do_not_delay_probes_of_the_primary() {
        let mut plan: Vec<_> = (0..20).map(|pod| pod_probe(&pod.to_string(), ProbePurpose::Replica, 0.2)).collect();
        plan.push(pod_probe("primary", ProbePurpose::Primary, 0.25));
        let (counts, at_once) = probe_counts(vec![(plan, 30)], Duration::from_secs(3)).await;
        assert_eq!(at_once, AT_ONCE + 1);
        assert_eq!(counts["primary"], 10);
        assert_eq!(counts.len(), 21, "every pod is probed: {counts:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_changed_plan_applies_at_once() {
        let slow = vec![pod_probe("a", ProbePurpose::Replica, 1000.0)];
        let quick = vec![pod_probe("a", ProbePurpose::Replica, 1.0)];
        let (counts, _) = probe_counts(vec![(slow, 500), (quick, 10), (vec![], 100)], Duration::from_millis(5)).await;
        assert!((9..=13).contains(&counts["a"]), "{counts:?}");
    }
}
