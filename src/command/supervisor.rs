//! Names and supervises every long-lived task: the first task that ends unasked stops the program.

use std::{collections::HashMap, future::Future, time::Duration};

use anyhow::{Context, anyhow};
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    task::{Id, JoinError, JoinSet},
    time::timeout,
};
use tokio_util::sync::CancellationToken;

/// Time to finish probes and requests on shutdown; Kubernetes kills the container after 30 s.
pub(super) const DRAIN_WITHIN: Duration = Duration::from_secs(5);

pub(super) struct Supervisor {
    tasks: JoinSet<anyhow::Result<()>>,
    names: HashMap<Id, String>,
    stop: CancellationToken,
}

pub(super) struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    Drained,
    /// A second signal came, or the time to drain was over.
    Cut,
}

impl Supervisor {
    pub(super) fn new(stop: CancellationToken) -> Self {
        Self { tasks: JoinSet::new(), names: HashMap::new(), stop }
    }

    /// The task must not end before `stop` is cancelled.
    pub(super) fn spawn<F>(&mut self, name: impl Into<String>, task: F)
    where
        F: Future<Output = anyhow::Result<()>> + Send + 'static,
    {
        let id = self.tasks.spawn(task).id();
        self.names.insert(id, name.into());
    }

    /// Drains the tasks after a signal or `stop`. Fails with the name of a task that ended unasked, failed or panicked.
    pub(super) async fn supervise(mut self, signals: &mut Signals) -> anyhow::Result<Ending> {
        let stop = self.stop.clone();
        // The stop is checked first: a task that cancels `stop` and then ends has not ended unasked.
        let first = tokio::select! {
            biased;
            () = stop.cancelled() => Ok(()),
            name = signals.next() => {
                tracing::info!(signal = name, "stopping; a second signal stops at once");
                Ok(())
            }
            Some(ended) = self.tasks.join_next_with_id() => self.judge(ended).and_then(|name| Err(anyhow!("the task {name} ended by itself"))),
        };
        stop.cancel();
        let drained = tokio::select! {
            drained = timeout(DRAIN_WITHIN, self.drain()) => drained,
            _ = signals.next() => {
                self.tasks.abort_all();
                return first.map(|()| Ending::Cut);
            }
        };
        first?;
        if let Ok(drained) = drained {
            return drained.map(|()| Ending::Drained);
        }
        tracing::warn!("not everything under way ended within {DRAIN_WITHIN:?}");
        Ok(Ending::Cut)
    }

    async fn drain(&mut self) -> anyhow::Result<()> {
        while let Some(ended) = self.tasks.join_next_with_id().await {
            self.judge(ended)?;
        }
        Ok(())
    }

    fn judge(&mut self, ended: Result<(Id, anyhow::Result<()>), JoinError>) -> anyhow::Result<String> {
        let id = ended.as_ref().map_or_else(JoinError::id, |(id, _)| *id);
        let name = self.names.remove(&id).unwrap_or_else(|| "without a name".to_owned());
        match ended {
            Ok((_, Ok(()))) => Ok(name),
            Ok((_, Err(error))) => Err(error).with_context(|| format!("the task {name} failed")),
            Err(error) => Err(anyhow!("the task {name} panicked: {}", panic_message(error))),
        }
    }
}

impl Signals {
    /// Replaces the default handlers: the signals no longer end the process.
    pub(super) fn listen() -> anyhow::Result<Self> {
        let listen = |kind| signal(kind).context("cannot listen for signals");
        Ok(Self { interrupt: listen(SignalKind::interrupt())?, terminate: listen(SignalKind::terminate())? })
    }

    pub(super) async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.interrupt.recv() => "SIGINT",
            _ = self.terminate.recv() => "SIGTERM",
        }
    }
}

pub(super) fn panic_message(error: JoinError) -> String {
    let Ok(panic) = error.try_into_panic() else { return "it was cancelled".to_owned() };
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "without a message".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn ending_of(task: impl Future<Output = anyhow::Result<()>> + Send + 'static) -> anyhow::Result<Ending> {
        let stop = CancellationToken::new();
        let mut supervisor = Supervisor::new(stop.clone());
        supervisor.spawn("other", async move {
            stop.cancelled().await;
            Ok(())
        });
        supervisor.spawn("this one", task);
        supervisor.supervise(&mut Signals::listen().unwrap()).await
    }

    #[tokio::test]
    async fn a_task_that_ends_fails_or_panics_stops_the_program_and_is_named() {
        let ended = ending_of(async { Ok(()) }).await.unwrap_err();
        assert_eq!(ended.to_string(), "the task this one ended by itself");
        let failed = ending_of(async { Err(anyhow!("no luck")) }).await.unwrap_err();
        assert_eq!(format!("{failed:#}"), "the task this one failed: no luck");
        let panicked = ending_of(async { panic!("out of {}", "luck") }).await.unwrap_err();
        assert_eq!(panicked.to_string(), "the task this one panicked: out of luck");
    }

    #[tokio::test(start_paused = true)]
    async fn a_task_that_does_not_stop_is_cut_off() {
        let stop = CancellationToken::new();
        let mut supervisor = Supervisor::new(stop.clone());
        supervisor.spawn("deaf", std::future::pending());
        stop.cancel();
        let ending = supervisor.supervise(&mut Signals::listen().unwrap()).await.unwrap();
        assert_eq!(ending, Ending::Cut);
    }
}
