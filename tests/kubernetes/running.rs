//! The image by itself.

use std::process::Command;

use serde_json::Value;

use crate::{image, support::commands::run};

const NAME: &str = concat!("ghcr.io/readscope/readscope:", env!("CARGO_PKG_VERSION"));

/// Bytes that it may have, unpacked.
const SIZE_MAX: u64 = 18_000_000;

/// podman running the image with nothing that it does not need.
fn container(options: &[&str], arguments: &[&str]) -> Command {
    let mut command = Command::new("podman");
    // podman would try to raise limits, which is not always allowed.
    command.args([
        "--runtime",
        "runc",
        "run",
        "--pull=never",
        "--rm",
        "--network=none",
        "--read-only",
        "--cap-drop=all",
    ]);
    command.args(["--ulimit", "nofile=1024:1024", "--ulimit", "nproc=20000:20000"]);
    command.args(options).arg(NAME).args(arguments);
    command
}

#[test]
fn the_image_is_one_small_static_program() {
    run(Command::new("podman").args(["load", "--quiet", "--input"]).arg(image::archive()));
    let shown: Value = serde_json::from_str(&run(Command::new("podman").args(["image", "inspect", NAME]))).unwrap();
    let image = &shown[0];
    assert_eq!(image["Config"]["User"], "65532:65532");
    assert_eq!(image["Config"]["Entrypoint"], serde_json::json!(["/readscope"]));
    assert_eq!(image["Config"]["Labels"]["org.opencontainers.image.version"], env!("CARGO_PKG_VERSION"));
    for label in ["title", "description", "licenses", "source", "revision"] {
        assert!(image["Config"]["Labels"][format!("org.opencontainers.image.{label}")].is_string(), "{label}");
    }
    let size = image["Size"].as_u64().unwrap();
    eprintln!("{size} bytes");
    assert!(size <= SIZE_MAX, "{size} bytes");

    assert_eq!(run(&mut container(&[], &["--version"])), format!("readscope {}\n", env!("CARGO_PKG_VERSION")));
    let checked = run(&mut container(&[], &["run", "--address", "mysql-read.mysql", "--config.check"]));
    assert!(checked.contains("mysql-read.mysql:3306"), "{checked}");
    let shell = container(&["--entrypoint=/bin/sh"], &["-c", "true"]).output().unwrap();
    assert!(!shell.status.success(), "there is a shell");

    // Built again, it is the same to the last byte.
    let id = || run(Command::new("podman").args(["image", "inspect", "--format", "{{.Id}}", NAME]));
    let before = id();
    image::build();
    assert_eq!(id(), before);
}
