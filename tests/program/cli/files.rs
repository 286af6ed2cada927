//! Files that options name, and secrets that must not be printed.

use std::{
    ffi::OsStr,
    fs,
    os::unix::{ffi::OsStrExt, fs::PermissionsExt},
    path::Path,
};

use nix::sys::signal::Signal;

use super::options::{ADDRESS, run};
use crate::support::{
    exporter::{Exporter, PATIENT, QUICK, SOON, arguments},
    fixtures::{tls, tls_server},
    http,
    program::{Ended, call, call_with, readscope, readscope_without_privileges},
    script::Script,
    server::Server,
    waiting::wait_until,
    wire::{self, packet},
};

pub(crate) fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn an_invalid_tls_file_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("missing.pem");
    let empty = folder.path().join("empty.pem");
    fs::write(&empty, "").unwrap();
    let broken = folder.path().join("broken.pem");
    fs::write(&broken, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").unwrap();
    let verified = |authority: &Path| run(&["--tls", "verify-identity", "--tls-ca", text(authority)]);
    verified(&missing).assert_refused(&[text(&missing), "check that it exists"]);
    verified(&empty).assert_refused(&[text(&empty), "-----BEGIN CERTIFICATE-----"]);
    verified(&broken).assert_refused(&[text(&broken), "cannot be used"]);
    verified(folder.path()).assert_refused(&[text(folder.path())]);

    let (certificate, key) = (tls("client.pem"), tls("client.key"));
    let client = |certificate: &Path, key: &Path| run(&["--tls-cert", text(certificate), "--tls-key", text(key)]);
    run(&["--tls-cert", text(&certificate)])
        .assert_refused(&["the client certificate and its private key belong together"]);
    run(&["--tls-key", text(&key)]).assert_refused(&["the client certificate and its private key belong together"]);
    client(&missing, &key).assert_refused(&[text(&missing), "check that it exists"]);
    client(&certificate, &missing).assert_refused(&[text(&missing), "check that it exists"]);
    client(&certificate, &empty).assert_refused(&[text(&empty), "-----BEGIN PRIVATE KEY-----"]);
    client(&key, &certificate).assert_refused(&[text(&key), "-----BEGIN CERTIFICATE-----"]);
    let other = tls("server.key");
    client(&certificate, &other).assert_refused(&[text(&certificate), "check that the private key belongs to it"]);
    let valid = client_check(&certificate, &key);
    assert_eq!(valid.code, Some(0), "{valid:?}");
}

fn client_check(certificate: &Path, key: &Path) -> Ended {
    run(&["--tls-cert", text(certificate), "--tls-key", text(key), "--config.check"])
}

#[test]
fn a_password_file_without_a_password_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("password");
    for (content, part) in [
        (&b""[..], "is empty"),
        (b"\n", "is empty"),
        (b"one\ntwo\n", "not one line of UTF-8 text"),
        (b"\xff\xfe", "not one line of UTF-8 text"),
        (&[b'x'; 10_000], "not one line of UTF-8 text"),
    ] {
        fs::write(&path, content).unwrap();
        for further in [&[][..], &["--config.check"]] {
            run(&[&["--password-file", text(&path)], further].concat()).assert_refused(&[text(&path), part]);
        }
    }
    for (text, part) in [
        (&b""[..], "is empty"),
        (b"\r\n", "is empty"),
        (b"one\ntwo", "is not one line of UTF-8 text"),
        (b"\xff", "is not one line of UTF-8 text"),
    ] {
        let mut command = readscope(&["run", ADDRESS[0], ADDRESS[1]]);
        let ended = call_with(command.env("READSCOPE_PASSWORD", OsStr::from_bytes(text)));
        ended.assert_refused(&["the environment variable READSCOPE_PASSWORD", part]);
        // An empty variable counts as unset.
        if !text.is_empty() {
            let mut command = readscope(&["run", ADDRESS[0], ADDRESS[1]]);
            let ended = call_with(command.env("READSCOPE_USER", OsStr::from_bytes(text)));
            assert_eq!(ended.code, Some(2), "{ended:?}");
        }
    }
    let by_environment = call_with(readscope(&["run", ADDRESS[0], ADDRESS[1]]).env("READSCOPE_PASSWORD_FILE", &path));
    by_environment.assert_refused(&[text(&path), "not one line of UTF-8 text"]);

    fs::write(&path, "hunter2\n").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o0)).unwrap();
    let arguments = ["run", ADDRESS[0], ADDRESS[1], "--password-file", text(&path)];
    call_with(&mut readscope_without_privileges(&arguments)).assert_refused(&[text(&path), "this user may read it"]);
}

#[test]
fn a_password_file_that_is_away_for_a_time_fails_no_probe() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("password");
    fs::write(&path, "hunter2\n").unwrap();
    let server = Server::playing(Script::good());
    let further = [&PATIENT[..], &["--password-file", text(&path)]].concat();
    let mut exporter = Exporter::with(server.address, &further);
    exporter.wait_for_reads(3);
    fs::rename(&path, folder.path().join("away")).unwrap();
    let logged = |exporter: &Exporter, part: &str| exporter.program.logged(&[part]);
    wait_until("the warning", SOON, || {
        logged(&exporter, "failed to reload the password; the previous one stays in use") == 1
    });
    exporter.wait_for_reads(200);
    fs::rename(folder.path().join("away"), &path).unwrap();
    exporter.wait_for_reads(200);
    assert_eq!(logged(&exporter, "reloaded the password"), 0, "{:?}", exporter.program.log());
    fs::write(&path, "hunter3\n").unwrap();
    wait_until("the new password", SOON, || logged(&exporter, "reloaded the password") == 1);
    let metrics = exporter.wait_for_reads(3);
    assert_eq!(metrics.all_failures(), 0, "{:?}", exporter.program.log());
    assert_eq!(
        logged(&exporter, "failed to reload the password; the previous one stays in use"),
        1,
        "{:?}",
        exporter.program.log()
    );
    assert!(!exporter.program.log().iter().any(|line| line.contains("hunter")));
}

#[test]
fn a_line_break_and_a_byte_order_mark_are_not_sent() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("secret");
    // The server requests the password in clear text, which needs TLS.
    let script = || {
        let login = Script::tls_request().encrypt(&tls_server("server")).receive();
        let switch = packet(3, &wire::auth_switch(b"caching_sha2_password", &[7; 20]));
        let full = login.send(switch).receive().send(packet(5, b"\x01\x04")).receive();
        full.send(packet(7, &wire::ok())).receive().send(wire::identity_answer(&wire::identity("101", "mysql-1")))
    };
    for text in ["hunter2", "hunter2\n", "hunter2\r\n", "\u{feff}hunter2\n"] {
        fs::write(&path, text).unwrap();
        for given in [("READSCOPE_PASSWORD_FILE", text_of(&path)), ("READSCOPE_PASSWORD", text.to_owned())] {
            let server = Server::playing(script());
            let mut command = readscope(&[]);
            let arguments = arguments(server.address, &["--interval", "10ms", "--timeout", "30s"]);
            command.args(arguments).env(given.0, &given.1).env("READSCOPE_USER", "probe\n");
            let mut exporter = Exporter::start(&mut command);
            wait_until("the password", SOON, || server.received(b"hunter2\0"));
            assert!(exporter.program.is_running());
            assert!(
                !server.received("\u{feff}".as_bytes())
                    && !server.received(b"hunter2\r")
                    && !server.received(b"hunter2\n")
            );
            assert!(server.received(b"probe\0") && !server.received(b"probe\n"), "{given:?}");
        }
    }
}

fn text_of(path: &Path) -> String {
    text(path).to_owned()
}

#[test]
fn config_check_prints_the_configuration_without_secrets() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("password");
    fs::write(&path, "hunter2\n").unwrap();
    let shown = run(&["--password-file", text(&path), "--expect", "mysql-0=2", "--config.check"]);
    assert_eq!((shown.code, &*shown.stderr), (Some(0), ""), "{shown:?}");
    let lines: Vec<&str> = shown.stdout.lines().collect();
    assert_eq!(lines[0], "targets:");
    for part in ["address: \"127.0.0.1:3306\"", "user: readscope", "mode: required", "interval: 1s", "mysql-0: 2"] {
        let bare = |text: &str| text.replace(['"', '\''], "");
        assert!(lines.iter().any(|line| bare(line).contains(&bare(part))), "{part} is not in {}", shown.stdout);
    }
    assert!(shown.stdout.contains(text(&path)));
    assert!(!shown.all().contains("hunter2"));

    let checked = call(&["check", ADDRESS[0], ADDRESS[1], "--config.check"]);
    assert_eq!(checked.code, Some(0));
    assert!(checked.stdout.contains("interval: 50ms"), "{checked:?}");
    run(&["--interval", "1ms", "--config.check"]).assert_refused(&["--interval"]);
}

#[test]
fn a_password_in_the_environment_is_never_printed() {
    let secret = "correct horse battery staple";
    let shown = call_with(readscope(&["run", "--config.check"]).args(ADDRESS).env("READSCOPE_PASSWORD", secret));
    assert!(shown.stdout.contains("<secret>"), "{shown:?}");
    assert!(!shown.all().contains(secret), "{shown:?}");

    let server = Server::playing(Script::good());
    let arguments = arguments(server.address, &QUICK);
    for (variable, level) in [("RUST_LOG", "trace"), ("RUST_LOG", "readscope=trace,rustls=trace")] {
        let mut command = readscope(&[]);
        let mut exporter =
            Exporter::start(command.args(&arguments).env("READSCOPE_PASSWORD", secret).env(variable, level));
        exporter.wait_for_reads(3);
        let shown =
            ["/config", "/metrics", "/api/v1/targets", "/"].map(|path| http::get(exporter.address, path).text());
        assert!(shown[0].contains("<secret>"), "{}", shown[0]);
        exporter.program.signal(Signal::SIGTERM);
        let ended = exporter.program.ended(SOON);
        for text in shown.iter().chain([&ended.stdout, &ended.stderr]) {
            assert!(!text.contains(secret), "{text}");
        }
    }
}
