//! Names and supervises every long-lived task. The first task that ends without being stopped ends the program.

use std::{
    collections::HashMap,
    future::{Future, pending, poll_fn},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, anyhow};
use parking_lot::Mutex;
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    task::{Id, JoinError, JoinSet},
    time::timeout,
};
use tokio_util::sync::CancellationToken;

/// Time to finish probes and requests on shutdown; Kubernetes kills the container after 30 s.
pub(super) const DRAIN_WITHIN: Duration = Duration::from_secs(5);

/// Clones share their tasks.
#[derive(Clone)]
pub(super) struct Supervisor {
    tasks: Arc<Mutex<Tasks>>,
    stop: CancellationToken,
}

#[derive(Default)]
struct Tasks {
    running: JoinSet<anyhow::Result<()>>,
    /// Each task's name, and the token that lets it end.
    names: HashMap<Id, (String, CancellationToken)>,
}

type Ended = Result<(Id, anyhow::Result<()>), JoinError>;

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
    pub(super) fn new() -> Self {
        Self { tasks: Arc::default(), stop: CancellationToken::new() }
    }

    /// Stops the program when it is cancelled.
    pub(super) fn stop(&self) -> &CancellationToken {
        &self.stop
    }

    /// `task` makes the task from its stop token, which must be cancelled before the task ends. It is cancelled by the
    /// program's stop. The caller may cancel the returned token earlier, to release this task alone.
    pub(super) fn spawn<F>(
        &self,
        name: impl Into<String>,
        task: impl FnOnce(CancellationToken) -> F,
    ) -> CancellationToken
    where
        F: Future<Output = anyhow::Result<()>> + Send + 'static,
    {
        let stop = self.stop.child_token();
        let task = task(stop.clone());
        let mut tasks = self.tasks.lock();
        let id = tasks.running.spawn(task).id();
        tasks.names.insert(id, (name.into(), stop.clone()));
        stop
    }

    /// Drains the tasks after a signal or a stop. Fails with the name of a task that ended early, failed or panicked.
    pub(super) async fn supervise(self, signals: &mut Signals) -> anyhow::Result<Ending> {
        let first = tokio::select! {
            biased;
            () = self.stop.cancelled() => Ok(()),
            name = signals.next() => {
                tracing::info!(signal = name, "shutting down; a second signal exits at once");
                Ok(())
            }
            error = self.failed() => Err(error),
        };
        self.stop.cancel();
        let drained = tokio::select! {
            drained = timeout(DRAIN_WITHIN, self.drain()) => drained,
            _ = signals.next() => {
                self.tasks.lock().running.abort_all();
                return first.map(|()| Ending::Cut);
            }
        };
        first?;
        if let Ok(drained) = drained {
            return drained.map(|()| Ending::Drained);
        }
        tracing::warn!("shutdown cut short after {DRAIN_WITHIN:?}; probes and requests in flight are lost");
        Ok(Ending::Cut)
    }

    async fn failed(&self) -> anyhow::Error {
        match self.drain().await {
            Err(error) => error,
            Ok(()) => pending().await,
        }
    }

    /// Waits until all tasks have ended, or one has failed.
    async fn drain(&self) -> anyhow::Result<()> {
        while let Some(ended) = poll_fn(|context| self.tasks.lock().running.poll_join_next_with_id(context)).await {
            self.judge(ended)?;
        }
        Ok(())
    }

    fn judge(&self, ended: Ended) -> anyhow::Result<()> {
        let id = ended.as_ref().map_or_else(JoinError::id, |(id, _)| *id);
        let Some((name, stop)) = self.tasks.lock().names.remove(&id) else { return Ok(()) };
        match ended {
            Ok((_, Ok(()))) if stop.is_cancelled() => Ok(()),
            Ok((_, Ok(()))) => Err(anyhow!("the task {name} ended unexpectedly")),
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

fn panic_message(error: JoinError) -> String {
    let Ok(panic) = error.try_into_panic() else { return "it was cancelled".to_owned() };
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "without a message".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A supervisor with one task that ends when it is stopped.
    fn supervisor() -> Supervisor {
        let supervisor = Supervisor::new();
        supervisor.spawn("other", |stop| async move {
            stop.cancelled().await;
            Ok(())
        });
        supervisor
    }

    async fn ending_of(task: impl Future<Output = anyhow::Result<()>> + Send + 'static) -> anyhow::Result<Ending> {
        let supervisor = supervisor();
        supervisor.spawn("this one", |_| task);
        supervisor.supervise(&mut Signals::listen().unwrap()).await
    }

    #[tokio::test]
    async fn a_task_that_ends_fails_or_panics_stops_the_program_and_is_named() {
        let ended = ending_of(async { Ok(()) }).await.unwrap_err();
        assert_eq!(ended.to_string(), "the task this one ended unexpectedly");
        let failed = ending_of(async { Err(anyhow!("no luck")) }).await.unwrap_err();
        assert_eq!(format!("{failed:#}"), "the task this one failed: no luck");
        let panicked = ending_of(async { panic!("out of {}", "luck") }).await.unwrap_err();
        assert_eq!(panicked.to_string(), "the task this one panicked: out of luck");
    }

    #[tokio::test]
    async fn tasks_come_and_go_while_the_program_runs() {
        let supervisor = supervisor();
        let tasks = supervisor.clone();
        supervisor.spawn("targets", |stop| async move {
            let probing = tasks.spawn("probing one", |stop| async move {
                stop.cancelled().await;
                Ok(())
            });
            tokio::task::yield_now().await;
            probing.cancel();
            tokio::task::yield_now().await;
            tasks.spawn("probing another", |_| async { Err(anyhow!("no luck")) });
            stop.cancelled().await;
            Ok(())
        });
        let ended = supervisor.supervise(&mut Signals::listen().unwrap()).await.unwrap_err();
        assert_eq!(format!("{ended:#}"), "the task probing another failed: no luck");
    }

    #[tokio::test]
    async fn a_task_that_is_released_may_still_panic_and_is_named() {
        let supervisor = supervisor();
        supervisor.spawn("gone", |_| async { panic!("late") }).cancel();
        let ended = supervisor.supervise(&mut Signals::listen().unwrap()).await.unwrap_err();
        assert_eq!(ended.to_string(), "the task gone panicked: late");
    }

    #[tokio::test(start_paused = true)]
    async fn a_task_that_does_not_stop_is_cut_off() {
        let supervisor = supervisor();
        supervisor.spawn("deaf", |_| std::future::pending());
        supervisor.stop().cancel();
        let ending = supervisor.supervise(&mut Signals::listen().unwrap()).await.unwrap();
        assert_eq!(ending, Ending::Cut);
    }
}
