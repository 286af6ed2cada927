//! Tells the program which compiler built it, for `readscope_build_info`.

#![allow(clippy::print_stdout, reason = "Cargo reads standard output")]

use std::{env, process::Command};

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let said = Command::new(rustc).arg("--version").output().map(|output| output.stdout).unwrap_or_default();
    // `rustc 1.95.0 (0123abc 2026-01-31)`.
    let version = String::from_utf8_lossy(&said).split(' ').nth(1).unwrap_or("unknown").to_owned();
    println!("cargo::rustc-env=READSCOPE_RUSTC={version}");
}
