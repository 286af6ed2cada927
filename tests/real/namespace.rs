//! A network namespace for each test, so that all tests use the same addresses and ports at once.
//!
//! The namespace has no name: the kernel removes it and everything in it after its last thread and process.

use std::{fs::File, process::Command};

use nix::sched::{CloneFlags, setns, unshare};

use crate::{obtained, program::run};

/// Until this is dropped, the test's thread and all its threads, processes and sockets are in a namespace of their own.
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
        // If the thread does not end with the test, the next test creates its own namespace.
        let _ = setns(&self.outside, CloneFlags::CLONE_NEWNET);
    }
}
