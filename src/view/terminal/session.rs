//! The terminal itself: taken over for drawing, and given back as it was on every way out.

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

/// Whether the terminal is taken over.
static TAKEN: AtomicBool = AtomicBool::new(false);

/// The hook that gives it back before a panic is told.
static HOOKED: Once = Once::new();

/// The terminal of standard output while it is drawn on.
#[derive(Debug)]
pub struct Session {
    terminal: Terminal<CrosstermBackend<Stdout>>,
}

impl Session {
    /// Takes the terminal over: what was on it is kept and comes back at the end.
    ///
    /// # Errors
    /// When there is no terminal to read keys from or to write to.
    pub fn open() -> io::Result<Self> {
        HOOKED.call_once(|| {
            let told = std::panic::take_hook();
            std::panic::set_hook(Box::new(move |panic| {
                if !panics::are_contained() {
                    restore();
                }
                told(panic);
            }));
        });
        enable_raw_mode()?;
        TAKEN.store(true, Ordering::SeqCst);
        let opened = io::stdout().queue(EnterAlternateScreen).and_then(Write::flush);
        let terminal = opened.and_then(|()| Terminal::new(CrosstermBackend::new(io::stdout())));
        terminal.map(|terminal| Self { terminal }).inspect_err(|_| restore())
    }

    /// Draws, unless the terminal was given back meanwhile.
    ///
    /// # Errors
    /// When the terminal is gone.
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

/// Gives the terminal back as it was, if it is taken. A terminal that is gone needs nothing.
pub fn restore() {
    if TAKEN.swap(false, Ordering::SeqCst) {
        let mut out = io::stdout();
        let _ = out.queue(LeaveAlternateScreen).and_then(|out| out.queue(Show)).and_then(Write::flush);
        let _ = disable_raw_mode();
    }
}
