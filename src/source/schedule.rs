//! When samples are taken: on time, with jitter, never queued.
//!
//! Time is divided into slots of one interval. The first sample is at once; each other one starts at a random moment in
//! the first quarter of its slot, so that it does not keep step with other periodic clients of the same balancer. A slot
//! that cannot be used, because too many samples are under way or because the program came late, is dropped and counted.

use std::{future::Future, num::NonZeroUsize, time::Duration};

use tokio::{
    sync::mpsc,
    task::{JoinError, JoinSet},
    time::{Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;

use crate::{
    config::Interval,
    model::{Event, Sample, TargetId},
};

/// The part of a slot in which its sample may start.
const JITTER: f64 = 0.25;

/// How samples of one target follow each other.
#[derive(Clone, Copy, Debug)]
pub struct Schedule {
    /// The length of a slot.
    pub interval: Interval,
    /// How many samples may be under way at once.
    pub max_in_flight: NonZeroUsize,
    /// After so many samples the schedule ends.
    pub limit: Option<u64>,
}

impl Schedule {
    /// Takes samples by `sample`, which is given their numbers 0, 1, 2, …, and tells `events` what came of them, until
    /// `stop` is cancelled, the limit is reached or nobody listens. Samples under way at the end are waited for.
    ///
    /// # Panics
    /// When a sample panics: the panic goes on in the caller.
    pub async fn run<S, F>(self, target: TargetId, sample: S, events: mpsc::Sender<Event>, stop: CancellationToken)
    where
        S: Fn(u64) -> F,
        F: Future<Output = Sample> + Send + 'static,
    {
        let interval = self.interval.get();
        let began = Instant::now();
        let due_in = |slot| began + start_of(slot, interval) + interval.mul_f64(JITTER * rand::random::<f64>());
        let (mut slot, mut taken) = (0_u64, 0_u64);
        // The first sample is at once: somebody waits for it.
        let mut due = began;
        let mut in_flight = JoinSet::new();
        while self.limit.is_none_or(|limit| taken < limit) {
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                Some(done) = in_flight.join_next() => {
                    if !tell(&events, Event::Sampled { target, sample: Box::new(finished(done)) }).await {
                        return;
                    }
                    continue;
                }
                () = sleep_until(due) => {}
            }
            let now_in = slot_of(began.elapsed(), interval).max(slot);
            let mut dropped = now_in - slot;
            slot = now_in + 1;
            due = due_in(slot);
            if in_flight.len() < self.max_in_flight.get() {
                in_flight.spawn(sample(taken));
                taken += 1;
            } else {
                dropped += 1;
            }
            if dropped > 0 && !tell(&events, Event::Skipped { target, count: dropped }).await {
                return;
            }
        }
        while let Some(done) = in_flight.join_next().await {
            if !tell(&events, Event::Sampled { target, sample: Box::new(finished(done)) }).await {
                return;
            }
        }
    }
}

async fn tell(events: &mpsc::Sender<Event>, event: Event) -> bool {
    events.send(event).await.is_ok()
}

fn finished(done: Result<Sample, JoinError>) -> Sample {
    match done {
        Ok(sample) => sample,
        // Nothing aborts a sample, so this is a panic: it belongs to whoever supervises the schedule.
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

fn start_of(slot: u64, interval: Duration) -> Duration {
    let nanoseconds = u128::from(slot) * interval.as_nanos();
    Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(u64::MAX))
}

fn slot_of(elapsed: Duration, interval: Duration) -> u64 {
    u64::try_from(elapsed.as_nanos() / interval.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        clock::Clock,
        model::{Failure, FailureReason},
    };

    const TARGET: TargetId = TargetId(0);

    /// Runs a schedule of 100 ms in paused time, with samples that take `lasting`, and returns what it told.
    async fn told(limit: u64, max_in_flight: usize, lasting: Duration, stop_after: Duration) -> Vec<Event> {
        let clock = Clock::start();
        let (events, mut told) = mpsc::channel(10_000);
        let stop = CancellationToken::new();
        let schedule = Schedule {
            interval: Duration::from_millis(100).try_into().unwrap(),
            max_in_flight: max_in_flight.try_into().unwrap(),
            limit: Some(limit),
        };
        let sample = move |sequence| async move {
            let started = clock.now();
            tokio::time::sleep(lasting).await;
            let failure = Failure { reason: FailureReason::Other, text: String::new(), address: None };
            Sample { sequence, started, finished: clock.now(), outcome: Err(failure) }
        };
        let running = schedule.run(TARGET, sample, events, stop.clone());
        let stopping = async {
            tokio::time::sleep(stop_after).await;
            stop.cancel();
        };
        tokio::join!(running, stopping);
        std::iter::from_fn(|| told.try_recv().ok()).collect()
    }

    fn samples(events: &[Event]) -> Vec<(u64, Duration)> {
        let sampled = events.iter().filter_map(|event| match event {
            Event::Sampled { sample, .. } => Some((sample.sequence, sample.started.elapsed)),
            _ => None,
        });
        sampled.collect()
    }

    fn skipped(events: &[Event]) -> u64 {
        let counts = events.iter().map(|event| match event {
            Event::Skipped { count, .. } => *count,
            _ => 0,
        });
        counts.sum()
    }

    const LONG: Duration = Duration::from_secs(1000);

    #[tokio::test(start_paused = true)]
    async fn every_slot_has_its_sample_in_its_first_quarter() {
        let events = told(50, 8, Duration::from_millis(5), LONG).await;
        let samples = samples(&events);
        assert_eq!((samples.len(), skipped(&events)), (50, 0));
        for (sequence, started) in samples {
            let slot = Duration::from_millis(100 * sequence);
            // The runtime's timer has a resolution of one millisecond.
            assert!(started >= slot && started <= slot + Duration::from_millis(27), "{sequence}: {started:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn samples_that_take_too_long_are_dropped_and_counted_not_queued() {
        let events = told(20, 2, Duration::from_secs(1), LONG).await;
        let samples = samples(&events);
        assert_eq!(samples.len(), 20);
        let last = samples.iter().map(|(_, started)| *started).max().unwrap();
        // Two at a time, a second each: the last two of twenty start in the tenth second.
        assert!(last >= Duration::from_millis(8900) && last <= Duration::from_millis(10_100), "{last:?}");
        let slots = last.as_millis() / 100 + 1;
        assert_eq!(u128::from(skipped(&events)) + 20, slots);
    }

    #[tokio::test(start_paused = true)]
    async fn a_stop_waits_for_the_samples_under_way() {
        let events = told(1000, 8, Duration::from_millis(350), Duration::from_millis(950)).await;
        assert_eq!(samples(&events).len(), 10);
    }

    #[tokio::test(start_paused = true)]
    async fn slots_that_passed_while_the_program_stood_still_are_dropped() {
        let (events, mut told) = mpsc::channel(1);
        let schedule = Schedule {
            interval: Duration::from_millis(100).try_into().unwrap(),
            max_in_flight: 8.try_into().unwrap(),
            limit: Some(2),
        };
        let clock = Clock::start();
        let sample = move |sequence| async move {
            let failure = Failure { reason: FailureReason::Other, text: String::new(), address: None };
            Sample { sequence, started: clock.now(), finished: clock.now(), outcome: Err(failure) }
        };
        let stop = CancellationToken::new();
        let mut running = std::pin::pin!(schedule.run(TARGET, sample, events, stop));
        // Nothing polls the schedule for half a second after its first sample.
        tokio::select! { () = &mut running => {} , first = told.recv() => assert!(first.is_some()) }
        tokio::time::advance(Duration::from_millis(500)).await;
        let mut dropped = 0;
        let listening = async {
            while let Some(event) = told.recv().await {
                if let Event::Skipped { count, .. } = event {
                    dropped += count;
                }
            }
        };
        tokio::join!(running, listening);
        assert_eq!(dropped, 4);
    }
}
