//! The files of `examples/` and the examples of the reference are valid.

use std::{collections::BTreeSet, fs};

use tempfile::TempDir;

use super::keys::{LEVELS, Level};
use crate::support::{fixtures, program::call};

/// A folder with the files that the examples name.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("password"), "secret\n").unwrap();
    for (fixture, name) in [
        ("authority.pem", "ca.pem"),
        ("client.pem", "client.pem"),
        ("client.key", "client.key"),
        ("server.pem", "tls.crt"),
        ("server.key", "tls.key"),
    ] {
        fs::copy(fixtures::tls(fixture), folder.path().join(name)).unwrap();
    }
    folder
}

#[track_caller]
fn assert_valid(option: &str, text: &str, further: &[&str]) {
    let folder = folder();
    let file = folder.path().join("file.yaml");
    fs::write(&file, text).unwrap();
    let checked = call(&[&["run", "--config.check", option, file.to_str().unwrap()], further].concat());
    assert_eq!(checked.code, Some(0), "{text}{}", checked.stderr);
}

#[test]
fn the_examples_of_all_keys_are_valid_together() {
    for level in &LEVELS {
        let between = if level.path.is_empty() { "\n" } else { ", " };
        let all = level.keys().into_iter().map(|key| key.example).filter(|example| !example.is_empty());
        let mut all: Vec<_> = all.collect();
        if level.path == "tls" {
            // Files have a use only in this mode.
            all[0] = "mode: verify-identity".to_owned();
        }
        assert_valid("--config.file", &Level::with(level, &all.join(between)), &[]);
    }
}

#[test]
fn every_file_is_valid_and_listed() {
    let root = crate::root().join("examples");
    let index = fs::read_to_string(root.join("README.md")).unwrap();
    let mut checked = BTreeSet::new();
    for path in fs::read_dir(&root).unwrap().map(|entry| entry.unwrap().path()) {
        let name = path.file_name().unwrap().to_str().unwrap();
        assert!(name == "README.md" || index.contains(&format!("]({name})")), "README.md does not list {name}");
        let text = fs::read_to_string(&path).unwrap();
        match name {
            "web.yaml" => assert_valid("--web.config.file", &text, &["--address", "127.0.0.1:1"]),
            _ if path.extension().is_some_and(|extension| extension == "yaml") => {
                assert_valid("--config.file", &text, &[]);
            }
            _ => continue,
        }
        checked.insert(name.to_owned());
    }
    assert!(checked.len() >= 5, "{checked:?}");
}
