//! Takes the terminal over for drawing, and restores it on every exit path.

use std::{
    io::{self, Stdout, Write},
    sync::{
        Once,
        atomic::{AtomicBool, Ordering},
    },
};

use ratatui::{
    Terminal,
    backend::CrosstermBackend,
    crossterm::{
        QueueableCommand,
        cursor::Show,
        terminal::{EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode},
    },
};

use super::{Screen, draw};
use crate::panics;

static TAKEN: AtomicBool = AtomicBool::new(false);

static HOOKED: Once = Once::new();

#[derive(Debug)]
pub struct Session {
    terminal: Terminal<CrosstermBackend<Stdout>>,
}

impl Session {
    pub fn open() -> io::Result<Self> {
        HOOKED.call_once(|| {
            let hook = std::panic::take_hook();
            std::panic::set_hook(Box::new(move |panic| {
                if !panics::are_contained() {
                    restore();
                }
                hook(panic);
            }));
        });
        enable_raw_mode()?;
        TAKEN.store(true, Ordering::SeqCst);
        let opened = io::stdout().queue(EnterAlternateScreen).and_then(Write::flush);
        let terminal = opened.and_then(|()| Terminal::new(CrosstermBackend::new(io::stdout())));
        terminal.map(|terminal| Self { terminal }).inspect_err(|_| restore())
    }

    pub fn draw(&mut self, screen: &Screen<'_>) -> io::Result<()> {
        if TAKEN.load(Ordering::SeqCst) {
            self.terminal.draw(|frame| draw(frame, screen))?;
        }
        Ok(())
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        restore();
    }
}

/// Restores the terminal if it is taken. Errors are ignored: they mean that the terminal is gone.
pub fn restore() {
    if TAKEN.swap(false, Ordering::SeqCst) {
        let mut out = io::stdout();
        let _ = out.queue(LeaveAlternateScreen).and_then(|out| out.queue(Show)).and_then(Write::flush);
        let _ = disable_raw_mode();
    }
}
