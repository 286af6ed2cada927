//! Starts only the probes that the target's budgets allow, and reports when they pause.

use std::{future::Future, sync::Arc};

use parking_lot::Mutex;
use tokio::sync::{mpsc, watch};

use super::mysql::Prober;
use crate::{
    clock::Clock,
    model::{Budgets, Event, Pause, PodKey, PodProbe, Probe, ProbePlan, TargetId},
};

pub struct Gate {
    target: TargetId,
    prober: Prober,
    clock: Clock,
    events: mpsc::Sender<Event>,
    /// Held for look-ups only, never across an await.
    state: Mutex<State>,
}

struct State {
    budgets: Budgets,
    plan: watch::Receiver<ProbePlan>,
    reported: Option<Pause>,
}

impl Gate {
    pub fn new(
        target: TargetId,
        prober: Prober,
        clock: Clock,
        mut plan: watch::Receiver<ProbePlan>,
        events: mpsc::Sender<Event>,
    ) -> Self {
        let mut budgets = Budgets::default();
        budgets.set_pods(plan.borrow_and_update().pod_probes.iter().map(PodKey::of));
        let state = Mutex::new(State { budgets, plan, reported: None });
        Self { target, prober, clock, events, state }
    }

    /// `None` if the budget does not allow the probe now.
    pub fn probe(self: &Arc<Self>, sequence: u64) -> Option<impl Future<Output = Probe> + Send + use<>> {
        // Here and not when a probe ends: the failure is reported before the pause that it causes.
        self.report();
        self.start(None)?;
        let gate = Arc::clone(self);
        let (port, any) = {
            let state = self.state.lock();
            let plan = state.plan.borrow();
            (plan.port, plan.chooses_address)
        };
        Some(async move { gate.ended(None, gate.prober.probe_service(sequence, port, any).await) })
    }

    /// `None` if the budget does not allow the probe now.
    pub fn probe_pod(self: &Arc<Self>, probe: &PodProbe) -> Option<impl Future<Output = Probe> + Send + use<>> {
        let (pod, addresses) = (PodKey::of(probe), probe.addresses.clone());
        self.start(Some(&pod))?;
        let gate = Arc::clone(self);
        Some(async move { gate.ended(Some(&pod), gate.prober.probe_at(&addresses).await) })
    }

    /// After a reload: the cause of the failures may be gone.
    pub fn refill(&self) {
        // A password that was replaced just before the reload is used from the next probe on.
        self.prober.look_at_files();
        self.state.lock().budgets.refill();
    }

    fn start(&self, pod: Option<&PodKey>) -> Option<()> {
        // While no probe starts, nothing else looks at the files.
        let changed = self.prober.files_changed();
        let mut state = self.state.lock();
        let State { budgets, plan, .. } = &mut *state;
        if changed {
            budgets.refill();
        }
        if plan.has_changed().unwrap_or(false) {
            budgets.set_pods(plan.borrow_and_update().pod_probes.iter().map(PodKey::of));
        }
        budgets.start(pod, self.clock.now()).then_some(())
    }

    fn ended(&self, pod: Option<&PodKey>, probe: Probe) -> Probe {
        let counted = probe.outcome.as_ref().map(|answer| answer.identity.server_id).map_err(|failure| failure.charge);
        self.state.lock().budgets.ended(pod, counted, probe.finished);
        probe
    }

    fn report(&self) {
        let mut state = self.state.lock();
        let pause = state.budgets.pause();
        // Tried again at the next probe if the channel is full.
        if pause != state.reported
            && self.events.try_send(Event::ProbingPaused { target: self.target, pause: pause.clone() }).is_ok()
        {
            state.reported = pause;
        }
    }
}
