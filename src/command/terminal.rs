//! The interactive terminal. One thread draws, so that a blocked terminal delays no probe; another reads keys. Without
//! a terminal, the lines of the tape are printed.

use std::{
    io::{self, IsTerminal},
    sync::{Arc, mpsc},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, anyhow};
use ratatui::crossterm::event::{self, Event};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::{oneshot, watch},
};
use tokio_util::sync::CancellationToken;

use super::{log, output, supervisor::Supervisor};
use crate::{
    api::Documents,
    clock::Clock,
    model::{Moment, Snapshot},
    view::{
        tape::Tape,
        terminal::{self, Content, Look, Pressed, Screen, Session},
    },
};

/// Maximum delay of a change.
const LOOK_EVERY: Duration = Duration::from_millis(100);

const DRAW_EVERY: Duration = Duration::from_secs(1);

const RESTORE_WITHIN: Duration = Duration::from_secs(1);

const LOG_SHOWN: usize = 200;

#[derive(Clone)]
pub(super) enum Feed {
    Own(watch::Receiver<Snapshot>),
    Attached(watch::Receiver<Arc<Attached>>),
}

#[derive(Clone, Debug)]
pub(super) struct Attached {
    pub(super) documents: Documents,
    /// Why the documents are out of date, if they are.
    pub(super) stale: Option<String>,
}

enum Seen {
    Own(Box<Snapshot>),
    Attached(Arc<Attached>),
}

pub(super) struct Shown {
    /// Closed after the last drawing; `None` if plain lines are printed.
    over: Option<mpsc::Receiver<()>>,
}

struct Drawing {
    session: Session,
    feed: Feed,
    page: Option<String>,
    clock: Clock,
    keys: mpsc::Receiver<Event>,
    stop: CancellationToken,
    colour: bool,
}

/// Keep the result until the program ends: dropping it restores the terminal.
pub(super) fn show(feed: Feed, page: Option<String>, clock: Clock, supervisor: &Supervisor) -> anyhow::Result<Shown> {
    if !can_draw() {
        supervisor.spawn("tape", |stop| print_tape(feed, stop));
        return Ok(Shown { over: None });
    }
    let mut hangup = signal(SignalKind::hangup()).context("cannot listen for SIGHUP")?;
    let session =
        Session::open().context("cannot draw on the terminal; pipe the output through `cat` for plain lines")?;
    if io::stderr().is_terminal() {
        log::keep();
    }
    let (pressed, keys) = mpsc::channel();
    // This thread blocks on the next key and ends with the process.
    thread::spawn(move || while event::read().is_ok_and(|event| pressed.send(event).is_ok()) {});
    let colour = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let stop = supervisor.stop().clone();
    let drawing = Drawing { session, feed, page, clock, keys, stop: stop.clone(), colour };
    let (over, is_over) = mpsc::channel::<()>();
    let (result, ended) = oneshot::channel();
    thread::spawn(move || {
        let drawn = drawing.run();
        drop(over);
        // The receiver is gone if the shutdown was cut short.
        let _ = result.send(drawn);
    });
    supervisor.spawn("terminal", |_| async move {
        tokio::select! {
            ended = ended => return ended.unwrap_or_else(|_| Err(anyhow!("the drawing thread ended unexpectedly"))),
            _ = hangup.recv() => stop.cancel(),
        }
        Ok(())
    });
    Ok(Shown { over: Some(is_over) })
}

fn can_draw() -> bool {
    io::stdout().is_terminal() && std::env::var_os("TERM").is_none_or(|kind| kind != "dumb")
}

impl Drawing {
    fn run(mut self) -> anyhow::Result<()> {
        let mut seen = self.feed.latest();
        let mut now = self.clock.now();
        let mut look = Look::at(seen.targets());
        while !self.stop.is_cancelled() {
            if !look.paused {
                seen = self.feed.latest();
                now = self.clock.now();
            }
            self.draw(&seen, &look, now)?;
            let drawn = Instant::now();
            while !self.stop.is_cancelled() {
                match self.keys.recv_timeout(LOOK_EVERY) {
                    Ok(Event::Key(key)) => match look.press(key, seen.targets()) {
                        Some(Pressed::Quit) => {
                            self.stop.cancel();
                            return Ok(());
                        }
                        Some(Pressed::Changed) => break,
                        None => {}
                    },
                    Ok(Event::Resize(..)) => break,
                    Ok(_) | Err(mpsc::RecvTimeoutError::Timeout) => {}
                    // Key input has ended; signals still stop the program.
                    Err(mpsc::RecvTimeoutError::Disconnected) => thread::sleep(LOOK_EVERY),
                }
                if self.feed.has_changed() && drawn.elapsed() >= LOOK_EVERY || drawn.elapsed() >= DRAW_EVERY {
                    break;
                }
            }
        }
        Ok(())
    }

    fn draw(&mut self, seen: &Seen, look: &Look, now: Moment) -> anyhow::Result<()> {
        let (content, stale) = match seen {
            Seen::Own(snapshot) => (Content::of(snapshot, look.place), None),
            Seen::Attached(attached) => {
                (Content::of_documents(&attached.documents, look.place), attached.stale.as_deref())
            }
        };
        let lines = log::kept();
        let screen = Screen {
            content: &content,
            look,
            now: now.wall,
            stale,
            page: self.page.as_deref(),
            log: &lines[lines.len().saturating_sub(LOG_SHOWN)..],
            colour: self.colour,
        };
        self.session.draw(&screen).context("cannot draw on the terminal")
    }
}

impl Feed {
    fn latest(&mut self) -> Seen {
        match self {
            Self::Own(snapshots) => Seen::Own(Box::new(snapshots.borrow_and_update().clone())),
            Self::Attached(attached) => Seen::Attached(Arc::clone(&attached.borrow_and_update())),
        }
    }

    fn has_changed(&self) -> bool {
        // A closed channel means that the shutdown has started.
        match self {
            Self::Own(snapshots) => snapshots.has_changed().unwrap_or(false),
            Self::Attached(attached) => attached.has_changed().unwrap_or(false),
        }
    }

    async fn changed(&mut self) -> bool {
        match self {
            Self::Own(snapshots) => snapshots.changed().await.is_ok(),
            Self::Attached(attached) => attached.changed().await.is_ok(),
        }
    }
}

impl Seen {
    fn targets(&self) -> usize {
        match self {
            Self::Own(snapshot) => snapshot.targets.len(),
            Self::Attached(attached) => attached.documents.targets.targets.len(),
        }
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        if let Some(over) = &self.over {
            // A blocked terminal does not delay the exit.
            let _ = over.recv_timeout(RESTORE_WITHIN);
            terminal::restore();
            log::write_again();
        }
    }
}

async fn print_tape(mut feed: Feed, stop: CancellationToken) -> anyhow::Result<()> {
    let mut tape = Tape::default();
    loop {
        let lines = match feed.latest() {
            Seen::Own(snapshot) => tape.lines(&snapshot),
            Seen::Attached(attached) => tape.lines_of(&attached.documents.targets),
        };
        for line in lines {
            output::line(&line)?;
        }
        tokio::select! {
            more = feed.changed() => if !more { break },
            () = stop.cancelled() => break,
        }
    }
    stop.cancelled().await;
    Ok(())
}
