//! The configuration file: its keys, and the error for each mistake.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use super::files::text;
use crate::support::{
    fixtures::fixture,
    program::{Ended, call, call_with, readscope, readscope_without_privileges},
};

fn check(file: &Path) -> Ended {
    call(&["run", "--config.check", "--config.file", text(file)])
}

/// `tests/fixtures/invalid-*.yaml`, each with one mistake.
fn invalid() -> Vec<std::path::PathBuf> {
    let files = fs::read_dir(fixture("")).unwrap().map(|entry| entry.unwrap().path());
    let mut invalid: Vec<_> = files
        .filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with("invalid-"))
        .filter(|path| path.extension().is_some_and(|extension| extension == "yaml"))
        .collect();
    invalid.sort();
    invalid
}

#[test]
fn every_error_has_file_line_key_and_an_example() {
    let files = invalid();
    assert!(files.len() > 30, "{files:?}");
    for file in files {
        let content = fs::read_to_string(&file).unwrap();
        // The last line is the expected error: `# refused: LINE: KEY: START OF THE SENTENCE`.
        let refused = content.lines().last().unwrap().strip_prefix("# refused: ").unwrap();
        check(&file).assert_refused(&[&format!("{}:{refused}", file.display()), "; for example:\n"]);
    }
}

#[test]
fn a_path_without_a_text_file_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("readscope.yaml");
    check(&file).assert_refused(&[text(&file), "check that it is a file"]);
    check(folder.path()).assert_refused(&[text(folder.path()), "check that it is a file"]);
    fs::write(&file, "targets: [{address: 10.0.0.1}]").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o0)).unwrap();
    let arguments = ["run", "--config.check", "--config.file", text(&file)];
    let unreadable = call_with(&mut readscope_without_privileges(&arguments));
    unreadable.assert_refused(&[text(&file), "Permission denied", "this user may read it"]);
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    fs::write(&file, b"targets: \xff\xfe").unwrap();
    check(&file).assert_refused(&[text(&file), "UTF-8"]);
    fs::write(&file, "").unwrap();
    check(&file).assert_refused(&[text(&file), ":1: targets: the file is empty", "- service: mysql/mysql-read"]);
    let many = "  - address: 10.0.0.1\n".repeat(10_001);
    fs::write(&file, format!("targets:\n{many}")).unwrap();
    check(&file).assert_refused(&["10001 entries; the maximum in one process is 10000"]);
    fs::File::create(&file).unwrap().set_len(17 << 20).unwrap();
    check(&file).assert_refused(&[text(&file), "longer than"]);
}

#[test]
fn config_check_prints_the_configuration_in_a_form_that_can_be_loaded() {
    let shown = check(&fixture("configuration.yaml"));
    assert_eq!((shown.code, &*shown.stderr), (Some(0), ""), "{shown:?}");
    for part in [
        "name: mysql/mysql-read",
        "user: probe",
        "interval: 2s",
        "shop-db-read.example:3307",
        "interval: 500ms",
        "forget_after: 90m",
        "mode: verify-identity",
        "shop-a: 2",
        "selector: readscope.io/probe=true",
        "false_alarm_period: 7d",
        "tolerance: 0.05",
        "max_lag: 250ms",
    ] {
        assert!(shown.stdout.replace(['"', '\''], "").contains(part), "{part} is not in {}", shown.stdout);
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("again.yaml");
    // With the byte order mark and the line ends of Windows editors.
    fs::write(&file, format!("\u{feff}{}", shown.stdout.replace('\n', "\r\n"))).unwrap();
    let again = check(&file);
    assert_eq!((again.code, again.stdout), (Some(0), shown.stdout), "{}", again.stderr);
}

#[test]
fn a_key_without_a_value_is_not_set() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("readscope.yaml");
    let shown = |content: &str| {
        fs::write(&file, content).unwrap();
        check(&file)
    };
    let short = shown("targets: [{address: 10.0.0.1}]");
    let long = "defaults:\ntargets:\n  - {address: 10.0.0.1, service: , interval: ~, tls: {mode: }, expect: }\n\
                imbalance: {tolerance: }\nfreshness:\n";
    assert_eq!(shown(long).stdout, short.stdout);
    assert_eq!(short.code, Some(0), "{short:?}");
}

#[test]
fn a_file_and_options_of_one_target_exclude_each_other() {
    let file = fixture("configuration.yaml");
    for option in [["--address", "127.0.0.1"], ["--user", "probe"], ["--tls", "disabled"], ["--expect", "mysql-0"]] {
        let both = call(&["run", "--config.check", "--config.file", text(&file), option[0], option[1]]);
        both.assert_refused(&[option[0], "--config.file"]);
    }
    let mut by_environment = readscope(&["run", "--config.check"]);
    by_environment.env("READSCOPE_CONFIG_FILE", &file);
    assert_eq!(call_with(&mut by_environment).code, Some(0));
    call_with(by_environment.env("READSCOPE_ADDRESS", "127.0.0.1")).assert_refused(&["--config.file", "--address"]);
    // A chart leaves a variable out by making it empty.
    for variable in ["READSCOPE_ADDRESS", "READSCOPE_SERVICE", "READSCOPE_TLS", "READSCOPE_USER"] {
        by_environment.env(variable, "");
    }
    assert_eq!(call_with(&mut by_environment).code, Some(0));
    call(&["check", "--config.file", text(&file)]).assert_refused(&["discover"]);
}
