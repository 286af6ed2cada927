//! Completions, manual page and help, which clap makes from the options.

use std::{fs, process::Command};

use super::files::text;
use crate::support::program::{call, call_with};

#[test]
fn every_shell_has_completions() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let ended = call(&["completions", shell]);
        assert_eq!((ended.code, &*ended.stderr), (Some(0), ""), "{shell}");
        for part in ["readscope", "check", "max-in-flight"] {
            assert!(ended.stdout.contains(part), "{part} is not in the completions of {shell}");
        }
    }
    let script = call(&["completions", "bash"]).stdout;
    let read = call_with(Command::new("bash").args(["--norc", "-n", "-c", &script]));
    assert_eq!((read.code, &*read.stderr), (Some(0), ""));
}

#[test]
fn the_manual_page_has_every_option() {
    let page = call(&["man"]);
    assert_eq!((page.code, &*page.stderr), (Some(0), ""));
    let shown = match Command::new("man").args(["--version"]).output() {
        Ok(version) if version.status.success() => {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("readscope.1");
            fs::write(&path, &page.stdout).unwrap();
            let rendered =
                call_with(Command::new("man").args(["--warnings=mac", "-l", text(&path)]).env("MANWIDTH", "100"));
            assert_eq!((rendered.code, &*rendered.stderr), (Some(0), ""));
            rendered.stdout
        }
        _ => page.stdout.replace("\\-", "-"),
    };
    let shown = shown.replace('\u{2010}', "-");
    for part in
        ["--address", "--password-file", "--tls-ca", "--max-in-flight", "--web.listen-address", "--alpha", "--no-tui"]
    {
        assert!(shown.contains(part), "{part} is not in {shown}");
    }
}

#[test]
fn help_and_version_go_to_standard_output() {
    let of_commands = ["run", "watch", "check", "wait", "demo"].map(|command| [command, "--help"]);
    for arguments in [&["--help"][..], &["-h"]].into_iter().chain(of_commands.iter().map(|words| &words[..])) {
        let ended = call(arguments);
        assert_eq!((ended.code, &*ended.stderr), (Some(0), ""), "{arguments:?}");
        assert!(ended.stdout.contains("Usage: readscope"), "{arguments:?}");
    }
    let version = call(&["--version"]);
    assert_eq!((version.code, &*version.stdout), (Some(0), concat!("readscope ", env!("CARGO_PKG_VERSION"), "\n")));
}
