//! The built program on a pseudo-terminal of its own, and what is on its screen.

use std::{
    fs::File,
    io::{Read, Write},
    os::{fd::OwnedFd, unix::fs::OpenOptionsExt},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use nix::{
    fcntl::OFlag,
    pty::{grantpt, posix_openpt, ptsname_r, unlockpt},
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use crate::support::waiting::{wait_for, wait_until};

/// Longer than anything here takes, even where other programs keep the machine busy.
pub(crate) const SOON: Duration = Duration::from_secs(60);

/// A program on a terminal; it is killed when this is dropped.
pub(crate) struct Pseudo {
    child: Child,
    slave: File,
    /// Absent once the terminal is closed.
    master: Option<File>,
    screen: Arc<Mutex<vt100::Parser>>,
    closing: Arc<AtomicBool>,
    reading: Option<JoinHandle<()>>,
    settings_before: String,
}

impl Pseudo {
    /// Starts a command with a terminal of this many columns and rows as its standard input, output and error, and as its
    /// controlling terminal.
    pub(crate) fn start(command: &Command, (columns, rows): (u16, u16)) -> Self {
        // Closed on `exec`, or each program that a test starts would keep every terminal open.
        let master = posix_openpt(OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let path = ptsname_r(&master).unwrap();
        let slave = File::options().read(true).write(true).custom_flags(OFlag::O_NOCTTY.bits()).open(path).unwrap();
        set_size(&slave, columns, rows);
        let settings_before = settings(&slave);
        let end = || Stdio::from(slave.try_clone().unwrap());
        let mut attached = Command::new("setsid");
        attached.arg("--ctty").arg(command.get_program()).args(command.get_args());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => attached.env(name, value),
                None => attached.env_remove(name),
            };
        }
        attached.env("TERM", "xterm-256color").stdin(end()).stdout(end()).stderr(end());
        let child = attached.spawn().unwrap();
        let screen = Arc::new(Mutex::new(vt100::Parser::new(rows, columns, 0)));
        let closing = Arc::new(AtomicBool::new(false));
        let master = File::from(OwnedFd::from(master));
        let reading = {
            let (mut master, screen, closing) =
                (master.try_clone().unwrap(), Arc::clone(&screen), Arc::clone(&closing));
            std::thread::spawn(move || {
                let mut bytes = [0; 4096];
                while let Ok(read @ 1..) = master.read(&mut bytes) {
                    screen.lock().unwrap_or_else(PoisonError::into_inner).process(&bytes[..read]);
                    if closing.load(Ordering::SeqCst) {
                        break;
                    }
                }
            })
        };
        Self { child, slave, master: Some(master), screen, closing, reading: Some(reading), settings_before }
    }

    /// Types.
    pub(crate) fn types(&mut self, keys: &str) {
        self.master.as_mut().unwrap().write_all(keys.as_bytes()).unwrap();
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id().try_into().unwrap()), signal).unwrap();
    }

    /// Makes the terminal another size.
    pub(crate) fn resize(&self, columns: u16, rows: u16) {
        self.screen.lock().unwrap().screen_mut().set_size(rows, columns);
        set_size(&self.slave, columns, rows);
    }

    /// Closes the terminal, as a window that is closed.
    pub(crate) fn close(&mut self) {
        self.closing.store(true, Ordering::SeqCst);
        // The clock on the screen goes on, so that there is something to read.
        self.reading.take().unwrap().join().unwrap();
        self.master = None;
    }

    /// What is on the screen, row by row.
    pub(crate) fn text(&self) -> String {
        self.look(vt100::Screen::contents)
    }

    pub(crate) fn look<T>(&self, of: impl FnOnce(&vt100::Screen) -> T) -> T {
        of(self.screen.lock().unwrap_or_else(PoisonError::into_inner).screen())
    }

    /// Waits until all of these are on the screen.
    pub(crate) fn wait_for(&mut self, parts: &[&str]) {
        let start = std::time::Instant::now();
        loop {
            let text = self.text();
            let missing: Vec<_> = parts.iter().filter(|part| !text.contains(**part)).collect();
            if missing.is_empty() {
                return;
            }
            let ended = self.child.try_wait().unwrap();
            assert!(ended.is_none() && start.elapsed() < SOON, "{missing:?} not on the screen ({ended:?}):\n{text}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Waits for its end.
    pub(crate) fn ended(&mut self) -> ExitStatus {
        let text = self.text();
        wait_for(&format!("the end of the program, which showed\n{text}"), SOON, || self.child.try_wait().unwrap())
    }

    /// Asserts that the terminal is as it was: its settings, its screen, its cursor.
    pub(crate) fn assert_restored(&self) {
        assert_eq!(settings(&self.slave), self.settings_before);
        let as_before = || self.look(|screen| !screen.alternate_screen() && !screen.hide_cursor());
        wait_until("the screen from before, with its cursor", SOON, as_before);
    }
}

impl Drop for Pseudo {
    fn drop(&mut self) {
        // Both fail only where the process has ended and was waited for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn set_size(slave: &File, columns: u16, rows: u16) {
    let (columns, rows, stdin) = (columns.to_string(), rows.to_string(), slave.try_clone().unwrap());
    assert!(Command::new("stty").args(["cols", &columns, "rows", &rows]).stdin(stdin).status().unwrap().success());
}

/// All settings of a terminal.
fn settings(slave: &File) -> String {
    let output = Command::new("stty").arg("-a").stdin(slave.try_clone().unwrap()).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}
