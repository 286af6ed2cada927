//! What every command that probes has: a clock, the state task, targets, and a supervisor for all tasks.

use std::time::Duration;

use tokio::{sync::watch, time::timeout};

use super::{
    CommandError,
    state_task::StateHandle,
    supervisor::{Ending, Signals, Supervisor},
    targets::{KubernetesOptions, Targets},
};
use crate::{
    clock::Clock,
    config::{Configuration, Target},
    model::{CheckRules, Snapshot},
};

/// The shutdown was cut short by a second signal or by the time limit.
const EXIT_CUT: u8 = 130;

pub(super) struct Session {
    pub(super) clock: Clock,
    pub(super) supervisor: Supervisor,
    pub(super) snapshots: watch::Receiver<Snapshot>,
    pub(super) targets: Targets,
    pub(super) signals: Signals,
}

impl Session {
    /// Starts the state task and listens for signals; there are no targets yet.
    pub(super) fn start(kubernetes: KubernetesOptions) -> Result<Self, CommandError> {
        let (clock, supervisor) = (Clock::start(), Supervisor::new());
        let signals = Signals::listen().map_err(CommandError::failure)?;
        let state = StateHandle::start(clock, &supervisor);
        let snapshots = state.snapshots.clone();
        let targets = Targets::new(state, supervisor.clone(), kubernetes);
        Ok(Self { clock, supervisor, snapshots, targets, signals })
    }

    /// Probes the targets that the configuration lists.
    pub(super) async fn probe(
        &mut self,
        configuration: &Configuration,
        check: impl Fn(&Target) -> Option<CheckRules>,
    ) -> Result<(), CommandError> {
        if configuration.needs_kubernetes() {
            self.targets.connect().await.map_err(CommandError::usage)?;
        }
        let wanted = configuration.targets().map(|target| (target.clone(), check(target))).collect();
        self.targets.set(wanted, configuration.imbalance).await.map_err(CommandError::usage)
    }

    /// Runs until a signal, a stop or the failure of a task.
    pub(super) async fn run(self) -> Result<u8, CommandError> {
        let Self { supervisor, targets, signals, .. } = self;
        // The state ends with the last sender of events, and `targets` has one.
        supervisor.spawn("targets", |stop| async move {
            stop.cancelled().await;
            drop(targets);
            Ok(())
        });
        supervise(supervisor, signals).await
    }

    /// Runs until a snapshot is as wanted, at most for this time. Returns the last snapshot.
    pub(super) async fn run_until(
        self,
        wanted: impl Fn(&Snapshot) -> bool + Send + 'static,
        patience: Duration,
    ) -> Result<Snapshot, CommandError> {
        let (snapshots, stop) = (self.snapshots.clone(), self.supervisor.stop().clone());
        let mut waiting = snapshots.clone();
        self.supervisor.spawn("waiting for the result", |_| async move {
            // An error means that the state task has ended because of a signal.
            let _ = timeout(patience, waiting.wait_for(wanted)).await;
            stop.cancel();
            Ok(())
        });
        self.run().await?;
        Ok(snapshots.borrow().clone())
    }
}

/// Returns the exit code.
pub(super) async fn supervise(supervisor: Supervisor, mut signals: Signals) -> Result<u8, CommandError> {
    match supervisor.supervise(&mut signals).await.map_err(CommandError::failure)? {
        Ending::Drained => Ok(0),
        Ending::Cut => Ok(EXIT_CUT),
    }
}
