//! The schedule of probes: on time, with jitter, never queued.
//!
//! Time is divided into slots of one interval. The first probe starts at once. Each later one starts at a random time
//! in the first quarter of its slot, so that it does not stay in step with other periodic clients of the load balancer.
//! A slot is skipped and counted if too many probes are in flight or readscope is late.
//!
//! During a burst there are probes between these. They count as reads like all others, but skipped ones are not
//! counted.

use std::{future::Future, num::NonZeroUsize, time::Duration};

use futures_util::FutureExt;
use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
    time::{Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;

use super::joined;
use crate::{
    config::Interval,
    model::{Event, Probe, ProbePlan, TargetId},
};

/// Part of a slot in which its probe may start.
const JITTER: f64 = 0.25;

/// Limit of burst probes in flight, as a multiple of `max_in_flight`. They are counted separately: a new endpoint that
/// hangs must not stop the burst that waits for it.
const BURST_IN_FLIGHT: usize = 3;

#[derive(Clone, Copy, Debug)]
pub struct Schedule {
    /// Length of a slot.
    pub interval: Interval,
    pub max_in_flight: NonZeroUsize,
    /// `None` disables bursts.
    pub burst_interval: Option<Duration>,
    /// Number of probes after which the schedule ends.
    pub limit: Option<u64>,
}

impl Schedule {
    /// Calls `probe` with the numbers 0, 1, 2, …; a number is used again, and nothing is counted as skipped, if it returns
    /// `None`. Sends the results to `events`, until `stop` is cancelled, the limit is reached or `events` is closed. `plan`
    /// starts and ends bursts. At the end, it waits for probes in flight.
    pub async fn run<S, F>(
        self,
        target: TargetId,
        mut plan: watch::Receiver<ProbePlan>,
        probe: S,
        events: mpsc::Sender<Event>,
        stop: CancellationToken,
    ) where
        S: Fn(u64) -> Option<F>,
        F: Future<Output = Probe> + Send + 'static,
    {
        let interval = self.interval.get();
        let began = Instant::now();
        let due_in = |slot| began + start_of(slot, interval) + interval.mul_f64(JITTER * rand::random::<f64>());
        let (mut slot, mut taken) = (0_u64, 0_u64);
        // No jitter for the first probe: users wait for it.
        let mut due = began;
        let mut in_flight: JoinSet<(Event, bool)> = JoinSet::new();
        // How many of these are burst probes, each with `true`, and when the next one is due.
        let mut in_burst = 0;
        let mut burst: Option<Instant> = None;
        while self.limit.is_none_or(|limit| taken < limit) {
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                Some(done) = in_flight.join_next() => {
                    let (probed, was_burst) = joined(done);
                    in_burst -= usize::from(was_burst);
                    if !send(&events, probed).await {
                        return;
                    }
                    continue;
                }
                // If the sender is gone, the plan stays as it is.
                Ok(()) = plan.changed() => {
                    let wanted = plan.borrow_and_update().burst && self.burst_interval.is_some();
                    burst = wanted.then(|| burst.unwrap_or_else(Instant::now));
                    continue;
                }
                () = sleep_until(due) => {}
                () = sleep_until(burst.unwrap_or(due)), if burst.is_some() => {
                    if in_burst < self.max_in_flight.get() * BURST_IN_FLIGHT
                        && let Some(probe) = probe(taken)
                    {
                        in_flight.spawn(timed(target, burst.unwrap_or(due), probe).map(|probed| (probed, true)));
                        in_burst += 1;
                        taken += 1;
                    }
                    // Missed burst probes are not repeated.
                    burst = self.burst_interval.map(|interval| due_next(burst, interval));
                    continue;
                }
            }
            let now_in = slot_of(began.elapsed(), interval).max(slot);
            let mut dropped = now_in - slot;
            slot = now_in + 1;
            let was_due = std::mem::replace(&mut due, due_in(slot));
            if in_flight.len() - in_burst >= self.max_in_flight.get() {
                dropped += 1;
            } else if let Some(probe) = probe(taken) {
                in_flight.spawn(timed(target, was_due, probe).map(|probed| (probed, false)));
                taken += 1;
            }
            if dropped > 0 && !send(&events, Event::Skipped { target, count: dropped }).await {
                return;
            }
        }
        while let Some(done) = in_flight.join_next().await {
            if !send(&events, joined(done).0).await {
                return;
            }
        }
    }
}

async fn send(events: &mpsc::Sender<Event>, event: Event) -> bool {
    events.send(event).await.is_ok()
}

/// Measures the start delay.
async fn timed(target: TargetId, due: Instant, probe: impl Future<Output = Probe>) -> Event {
    let late = due.elapsed();
    Event::Probed { target, probe: Box::new(probe.await), late }
}

/// One interval after `last`, or after now if that has passed.
fn due_next(last: Option<Instant>, interval: Duration) -> Instant {
    let now = Instant::now();
    last.map(|last| last + interval).filter(|next| *next >= now).unwrap_or(now + interval)
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
    use std::ops::Range;

    use super::*;
    use crate::{
        clock::Clock,
        model::{Failure, FailureReason, Moment},
    };

    const TARGET: TargetId = TargetId(0);

    /// Runs a schedule of 100 ms in paused time, with probes that take `lasting`, and returns its events.
    async fn events(limit: u64, max_in_flight: usize, lasting: Duration, stop_after: Duration) -> Vec<Event> {
        events_with_burst(limit, max_in_flight, lasting, stop_after, LONG..LONG).await
    }

    /// With a burst during `burst`.
    async fn events_with_burst(
        limit: u64,
        max_in_flight: usize,
        lasting: Duration,
        stop_after: Duration,
        burst: Range<Duration>,
    ) -> Vec<Event> {
        let (planned, plan) = watch::channel(ProbePlan::default());
        let planning = async move {
            tokio::time::sleep(burst.start).await;
            planned.send_replace(ProbePlan { burst: true, ..ProbePlan::default() });
            tokio::time::sleep(burst.end.saturating_sub(burst.start)).await;
            planned.send_replace(ProbePlan::default());
        };
        let clock = Clock::start();
        let (events, mut received) = mpsc::channel(10_000);
        let stop = CancellationToken::new();
        let schedule = Schedule {
            interval: Duration::from_millis(100).try_into().unwrap(),
            max_in_flight: max_in_flight.try_into().unwrap(),
            burst_interval: Some(Duration::from_millis(20)),
            limit: Some(limit),
        };
        let probe = move |sequence| {
            Some(async move {
                let started = clock.now();
                tokio::time::sleep(lasting).await;
                failed(sequence, started, clock.now())
            })
        };
        let running = schedule.run(TARGET, plan, probe, events, stop.clone());
        let stopping = async {
            tokio::time::sleep(stop_after).await;
            stop.cancel();
        };
        tokio::select! { ((), ()) = async { tokio::join!(running, stopping) } => {}, () = async { planning.await; std::future::pending().await } => {} }
        std::iter::from_fn(|| received.try_recv().ok()).collect()
    }

    fn failed(sequence: u64, started: Moment, finished: Moment) -> Probe {
        let failure =
            Failure { reason: FailureReason::Other, text: String::new(), address: None, charge: None, advice: None };
        Probe { sequence, started, finished, outcome: Err(failure) }
    }

    fn probes(events: &[Event]) -> Vec<(u64, Duration)> {
        let probed = events.iter().filter_map(|event| match event {
            Event::Probed { probe, .. } => Some((probe.sequence, probe.started.elapsed)),
            _ => None,
        });
        probed.collect()
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
    async fn every_slot_has_a_probe_in_its_first_quarter() {
        let events = events(50, 8, Duration::from_millis(5), LONG).await;
        let probes = probes(&events);
        assert_eq!((probes.len(), skipped(&events)), (50, 0));
        for (sequence, started) in probes {
            let slot = Duration::from_millis(100 * sequence);
            // The runtime's timer has a resolution of 1 ms.
            assert!(started >= slot && started <= slot + Duration::from_millis(27), "{sequence}: {started:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn probes_beyond_the_limit_are_skipped_and_counted() {
        let events = events(20, 2, Duration::from_secs(1), LONG).await;
        let probes = probes(&events);
        assert_eq!(probes.len(), 20);
        let last = probes.iter().map(|(_, started)| *started).max().unwrap();
        // Two at a time, 1 s each: the last two of twenty start in the tenth second.
        assert!(last >= Duration::from_millis(8900) && last <= Duration::from_millis(10_100), "{last:?}");
        let slots = last.as_millis() / 100 + 1;
        assert_eq!(u128::from(skipped(&events)) + 20, slots);
    }

    #[tokio::test(start_paused = true)]
    async fn a_burst_adds_probes_and_leaves_the_regular_ones_unchanged() {
        let milliseconds = Duration::from_millis;
        let burst = milliseconds(1050)..milliseconds(2050);
        let events = events_with_burst(1000, 8, milliseconds(5), milliseconds(2995), burst).await;
        let probes = probes(&events);
        assert_eq!(skipped(&events), 0);
        let during = |from, to| {
            let span = milliseconds(from)..milliseconds(to);
            probes.iter().filter(|(_, at)| span.contains(at)).count()
        };
        assert_eq!(during(0, 1050), 11);
        assert!((58..=62).contains(&during(1050, 2050)), "{}", during(1050, 2050));
        assert!((9..=11).contains(&during(2050, 3000)), "{}", during(2050, 3000));
        let gaps = probes.windows(2).filter(|pair| pair[1].0 != pair[0].0 + 1);
        assert_eq!(gaps.count(), 0, "numbers are consecutive");
    }

    #[tokio::test(start_paused = true)]
    async fn a_hanging_endpoint_does_not_end_its_burst() {
        let burst = Duration::from_secs(1)..Duration::from_secs(3);
        let events = events_with_burst(1000, 8, Duration::from_millis(700), Duration::from_secs(4), burst).await;
        assert_eq!(skipped(&events), 0);
        // 24 burst probes at once beside the regular ones, 0.7 s each.
        let during = probes(&events).iter().filter(|(_, at)| (1.0..3.0).contains(&at.as_secs_f64())).count();
        assert!((80..=100).contains(&during), "{during}");
    }

    #[tokio::test(start_paused = true)]
    async fn probes_that_may_not_start_are_not_counted_and_keep_their_number() {
        let (events, mut received) = mpsc::channel(1000);
        let schedule = Schedule {
            interval: Duration::from_millis(100).try_into().unwrap(),
            max_in_flight: 8.try_into().unwrap(),
            burst_interval: None,
            limit: Some(10),
        };
        let clock = Clock::start();
        let allowed = move || !(0.5..1.5).contains(&clock.now().elapsed.as_secs_f64());
        let probe = move |sequence| allowed().then_some(async move { failed(sequence, clock.now(), clock.now()) });
        schedule.run(TARGET, watch::channel(ProbePlan::default()).1, probe, events, CancellationToken::new()).await;
        let events: Vec<_> = std::iter::from_fn(|| received.try_recv().ok()).collect();
        let probes = probes(&events);
        assert_eq!(probes.iter().map(|(sequence, _)| *sequence).collect::<Vec<_>>(), (0..10).collect::<Vec<_>>());
        assert!(probes.last().unwrap().1 > Duration::from_millis(1900), "{probes:?}");
        assert_eq!(skipped(&events), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_stop_waits_for_probes_in_flight() {
        let events = events(1000, 8, Duration::from_millis(350), Duration::from_millis(950)).await;
        assert_eq!(probes(&events).len(), 10);
    }

    #[tokio::test(start_paused = true)]
    async fn slots_missed_while_the_program_is_paused_are_skipped() {
        let (events, mut received) = mpsc::channel(1);
        let schedule = Schedule {
            interval: Duration::from_millis(100).try_into().unwrap(),
            max_in_flight: 8.try_into().unwrap(),
            burst_interval: None,
            limit: Some(2),
        };
        let clock = Clock::start();
        let probe = move |sequence| Some(async move { failed(sequence, clock.now(), clock.now()) });
        let stop = CancellationToken::new();
        let mut running =
            std::pin::pin!(schedule.run(TARGET, watch::channel(ProbePlan::default()).1, probe, events, stop));
        // Nothing polls the schedule for half a second after its first probe.
        tokio::select! { () = &mut running => {} , first = received.recv() => assert!(first.is_some()) }
        tokio::time::advance(Duration::from_millis(500)).await;
        let (mut dropped, mut delays) = (0, Vec::new());
        let listening = async {
            while let Some(event) = received.recv().await {
                match event {
                    Event::Skipped { count, .. } => dropped += count,
                    Event::Probed { late, .. } => delays.push(late.as_millis()),
                    _ => {}
                }
            }
        };
        tokio::join!(running, listening);
        assert_eq!(dropped, 4);
        // Due in the first quarter of the second slot.
        assert!(matches!(delays[..], [375..=400]), "{delays:?}");
    }
}
