//! A network namespace for each test, so that all tests use the same addresses and ports at once.
//!
//! It has no name: the kernel removes it, with everything in it, when its last thread and process have left, so nothing
//! stale can stay behind.

use std::{fs::File, process::Command};

use nix::sched::{CloneFlags, setns, unshare};

use crate::{obtained, program::run};

/// The test's thread lives in a namespace of its own until this is dropped, and so does what it starts: threads,
/// processes, sockets.
pub(crate) struct Namespace {
    outside: File,
}

impl Namespace {
    pub(crate) fn enter() -> Self {
        obtained::everything();
        let outside = File::open("/proc/thread-self/ns/net").expect("/proc is mounted");
        unshare(CloneFlags::CLONE_NEWNET).unwrap_or_else(|error| {
            panic!("a network namespace cannot be made ({error}): run the tests with real servers as root")
        });
        run(Command::new("ip").args(["link", "set", "lo", "up"]));
        Self { outside }
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        // The thread may end with the test; where it does not, the next test makes its own namespace anyway.
        let _ = setns(&self.outside, CloneFlags::CLONE_NEWNET);
    }
}
