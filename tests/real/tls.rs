//! TLS as the servers speak it, and logins with and without it.

use std::{fs, os::unix::fs::symlink, path::Path};

use nix::sys::signal::Signal;

use crate::{
    balancer::{READ_ADDRESS, route_to},
    certificates::Authority,
    dns::{NAME, NameServer},
    mariadb::{Mariadb, Series},
    mysql::PASSWORD,
    namespace::Namespace,
    obtained,
    readscope::Call,
    run_directory::RunDirectory,
    service::{PasswordFile, Service},
    sql::USER,
    support::exporter::{Exporter, Metrics},
};

/// A service whose servers have certificates of an authority that is the test's own.
struct Secured {
    service: Service,
    authority: Authority,
    directory: RunDirectory,
}

impl Secured {
    /// The certificates are for the name of the service and its address.
    fn of(size: usize) -> Self {
        // The servers must be able to read the files, so they are inside of their root.
        let directory = RunDirectory::new(obtained::mysql());
        let authority = Authority::new(directory.outside(), "right");
        let server = authority.server(&format!("DNS:{NAME},IP:127.0.1.1"));
        let inside = |path: &Path| {
            let name = path.file_name().expect("it is a file").to_string_lossy();
            format!("{}/{name}", directory.inside().display())
        };
        let settings = [
            "skip-name-resolve=ON".to_owned(),
            format!("ssl-ca={}", inside(&authority.certificate())),
            format!("ssl-cert={}", inside(&server.certificate)),
            format!("ssl-key={}", inside(&server.key)),
        ];
        let service = Service::with_settings(size, &settings.each_ref().map(String::as_str));
        Self { service, authority, directory }
    }

    fn call(&self, address: &str, authority: &Authority) -> Call {
        let ca = authority.certificate().display().to_string();
        let call = self.service.password.call(address).with(&["--tls", "verify-identity", "--tls-ca", &ca]);
        call.with(&["--interval", "20ms"])
    }
}

/// Runs until ten probes have failed, or one login was refused, and checks that all of them did for the reason. Returns
/// what it logged.
fn assert_all_fail(call: &Call, reason: &str) -> Vec<String> {
    let mut probe = call.run();
    // More refusals could lock the account, so there are none.
    let enough = if reason == "auth" { 1 } else { 10 };
    let now = probe.wait_for(reason, |now| now.all_failures() >= enough);
    assert_eq!(now.failures(reason), now.all_failures(), "{:?}", probe.program.log());
    assert_eq!(now.reads(), 0);
    probe.program.log()
}

fn assert_all_answer(call: &Call) {
    let checked = call.clone().with(&["--probes", "20"]).check();
    assert_eq!(checked.code, Some(0), "{checked:?}");
}

#[test]
fn required_accepts_self_signed_certificates() {
    let service = Service::of(1);
    service.fleet.primary().query(&format!("ALTER USER {USER} REQUIRE SSL"));
    let call = service.password.call(READ_ADDRESS).with(&["--interval", "20ms"]);
    assert_all_answer(&call);
    assert_all_answer(&call.with(&["--tls", "required"]));
    assert_all_fail(&service.call().with(&["--interval", "20ms"]), "auth");
}

#[test]
fn verify_identity_accepts_the_right_authority_and_name() {
    let secured = Secured::of(2);
    assert_all_answer(&secured.call(READ_ADDRESS, &secured.authority));
    let names = NameServer::new(&secured.service.fleet.addresses());
    let by_name = secured.call(&format!("{NAME}:3306"), &secured.authority);
    assert_all_answer(&by_name.resolving_with(names.resolver()));
}

#[test]
fn verify_identity_refuses_a_wrong_authority_and_a_wrong_name() {
    let secured = Secured::of(1);
    let directory = tempfile::tempdir().expect("a temporary directory can be made");
    let wrong = Authority::new(directory.path(), "wrong");
    assert_all_fail(&secured.call(READ_ADDRESS, &wrong), "tls");
    // The certificate is not for the address of the server itself.
    let address = format!("{}:3306", secured.service.fleet.primary().address);
    assert_all_fail(&secured.call(&address, &secured.authority), "tls");
}

#[test]
fn a_server_without_tls_is_a_tls_failure_unless_tls_is_disabled() {
    let _namespace = Namespace::enter();
    let server = Mariadb::start(obtained::mariadb, 20, &[]);
    route_to(&[server.address]);
    let password = PasswordFile::new(PASSWORD);
    let call = password.call(READ_ADDRESS).with(&["--interval", "20ms"]);
    let log = assert_all_fail(&call, "tls");
    let advice = "the server offers no TLS; set the TLS mode to disabled, or set up TLS on that server";
    assert!(log.iter().any(|line| line.contains(advice)), "{log:#?}");
    assert_eq!(server.logins(), 0, "no password is sent in the clear");
    assert_all_answer(&call.with(&["--tls", "disabled"]));
}

#[test]
fn a_client_certificate_opens_an_account_that_requires_one() {
    let secured = Secured::of(1);
    secured.service.fleet.primary().query(&format!("ALTER USER {USER} REQUIRE X509"));
    let call = secured.call(READ_ADDRESS, &secured.authority);
    assert_all_fail(&call, "auth");
    let client = secured.authority.client();
    let [certificate, key] = [client.certificate, client.key].map(|path| path.display().to_string());
    assert_all_answer(&call.with(&["--tls-cert", &certificate, "--tls-key", &key]));
}

#[test]
fn without_tls_full_authentication_encrypts_the_password() {
    let service = Service::of(1);
    let mut probe = service.call().with(&["--interval", "20ms"]).run();
    probe.wait_for("20 reads", |now| now.reads() >= 20);
    for _ in 0..5 {
        service.fleet.primary().query("FLUSH PRIVILEGES");
        let before = probe.metrics().reads();
        probe.wait_for("20 more reads", |now| now.reads() >= before + 20);
    }
    assert_eq!(probe.metrics().all_failures(), 0, "{:?}", probe.program.log());
}

/// MariaDB 11.4 and later make a certificate of their own.
#[test]
fn mariadb_11_has_tls_without_a_setting() {
    let _namespace = Namespace::enter();
    let server = Mariadb::start(obtained::mariadb_11, 20, &[]);
    route_to(&[server.address]);
    let password = PasswordFile::new(PASSWORD);
    assert_all_answer(&password.call(READ_ADDRESS).with(&["--interval", "20ms"]));
}

#[test]
fn ed25519_and_parsec_accounts_can_log_in() {
    let _namespace = Namespace::enter();
    let plugins =
        [(obtained::mariadb as Series, "ed25519"), (obtained::mariadb_11, "ed25519"), (obtained::mariadb_11, "parsec")];
    for (series, plugin) in plugins {
        let server = Mariadb::start(series, 20, &[]);
        identify_via(&server, plugin);
        route_to(&[server.address]);
        read_through(&PasswordFile::new(PASSWORD), 20);
        let wrong = PasswordFile::new("another");
        assert_all_fail(&wrong.call(READ_ADDRESS).with(&["--tls", "disabled", "--interval", "20ms"]), "auth");
    }
}

/// The driver fails one login of 256 with these plugins: none in 3,000 has a probability of one in 100,000.
#[test]
fn logins_that_the_driver_fails_pause_nothing() {
    let _namespace = Namespace::enter();
    for (plugin, reason) in [("ed25519", "auth"), ("parsec", "protocol")] {
        let server = Mariadb::start(obtained::mariadb_11, 20, &[]);
        identify_via(&server, plugin);
        route_to(&[server.address]);
        let password = PasswordFile::new(PASSWORD);
        let mut probe = read_through(&password, 3000);
        let now = probe.metrics();
        assert!((1..50).contains(&now.failures(reason)), "{:#?}", probe.program.log());
        assert_eq!(now.failures(reason), now.all_failures());
        assert_eq!(now.sum("readscope_probing_paused", ""), 0, "{:#?}", probe.program.log());

        password.replace("wrong");
        probe.wait_for("a pause", |now| now.sum("readscope_probing_paused", "") == 1);
    }
}

/// Waits for so many reads.
fn read_through(password: &PasswordFile, reads: u64) -> Exporter {
    let mut probe = password.call(READ_ADDRESS).with(&["--tls", "disabled", "--interval", "5ms"]).run();
    let is_paused = |now: &Metrics| now.sum("readscope_probing_paused", "") == 1;
    if is_paused(&probe.wait_for("a read or a pause", |now| now.reads() > 0 || is_paused(now))) {
        // The very first login is one of those that the driver fails.
        probe.program.signal(Signal::SIGHUP);
    }
    probe.wait_for("reads", |now| now.reads() >= reads);
    probe
}

fn identify_via(server: &Mariadb, plugin: &str) {
    server.query(&format!(
        "INSTALL SONAME 'auth_{plugin}'; ALTER USER '{USER}'@'%' IDENTIFIED VIA {plugin} USING PASSWORD('{PASSWORD}')"
    ));
}

#[test]
fn a_certificate_is_checked_again_after_a_second() {
    let service = Service::of(1);
    let call = service.password.call(READ_ADDRESS).with(&["--tls", "required", "--interval", "2s", "--probes", "4"]);
    let checked = call.check();
    assert_eq!(checked.code, Some(0), "{checked:?}");
    let primary = service.fleet.primary();
    assert_eq!((primary.status("Ssl_finished_accepts"), primary.status("Ssl_session_cache_hits")), (4, 0));
}

/// A limit of the driver, which reads every certificate.
#[test]
fn a_version_1_certificate_is_refused_even_without_verification() {
    let directory = RunDirectory::new(obtained::mysql());
    let server = Authority::new(directory.outside(), "own").server_of_version_1();
    let inside = |path: &Path| {
        let name = path.file_name().expect("it is a file").to_string_lossy();
        format!("{}/{name}", directory.inside().display())
    };
    let settings = [format!("ssl-cert={}", inside(&server.certificate)), format!("ssl-key={}", inside(&server.key))];
    let service = Service::with_settings(1, &settings.each_ref().map(String::as_str));
    let call = service.password.call(READ_ADDRESS).with(&["--interval", "20ms"]);
    let log = assert_all_fail(&call, "tls");
    assert!(log.iter().any(|line| line.contains("UnsupportedCertVersion")), "{log:#?}");
}

/// Puts files below the name `..data` all at once, as Kubernetes does it with a Secret.
fn swap(folder: &Path, version: &str, files: [(&str, &[u8]); 3]) {
    fs::create_dir(folder.join(version)).expect("the version is new");
    for (name, content) in files {
        fs::write(folder.join(version).join(name), content).expect("a temporary file can be written");
    }
    symlink(version, folder.join("..next")).expect("nothing is there");
    fs::rename(folder.join("..next"), folder.join("..data")).expect("both are in one directory");
}

#[test]
fn rotated_tls_files_are_reloaded_without_a_failed_probe() {
    let secured = Secured::of(1);
    let server = secured.service.fleet.primary();
    server.query(&format!("ALTER USER {USER} REQUIRE X509"));
    let read = |path: &Path| fs::read(path).expect("it was issued");
    let (old, new) = (&secured.authority, Authority::new(secured.directory.outside(), "next"));
    let (old_client, new_client) = (old.client(), new.client());
    let trusted_now = old.certificate();
    let (old_authority, new_authority) = (read(&trusted_now), read(&new.certificate()));
    let both = [&old_authority[..], &new_authority].concat();
    let serve = |authorities: &[u8]| {
        fs::write(&trusted_now, authorities).expect("the directory can be written");
        server.query("ALTER INSTANCE RELOAD TLS");
    };
    // As it is done: first everybody trusts both authorities, and in the end only the new one.
    serve(&both);

    let folder = tempfile::tempdir().expect("a temporary directory can be made");
    let path = |name: &str| folder.path().join("..data").join(name).display().to_string();
    let (certificate, key) = (read(&old_client.certificate), read(&old_client.key));
    swap(folder.path(), "1", [("ca.crt", &old_authority), ("tls.crt", &certificate), ("tls.key", &key)]);
    let call = secured.service.password.call(READ_ADDRESS).with(&["--tls", "verify-identity", "--interval", "20ms"]);
    let call = call.with(&["--tls-ca", &path("ca.crt"), "--tls-cert", &path("tls.crt"), "--tls-key", &path("tls.key")]);
    let mut probe = call.run();
    probe.wait_for("20 reads", |now| now.reads() >= 20);

    // A certificate that does not fit its key.
    swap(folder.path(), "2", [("ca.crt", &both), ("tls.crt", &read(&new_client.certificate)), ("tls.key", &key)]);
    probe.wait_for_log("failed to reload the TLS files; the previous ones stay in use");
    let before = probe.metrics().reads();
    probe.wait_for("20 reads with the old files", |now| now.reads() >= before + 20);
    let (certificate, key) = (read(&new_client.certificate), read(&new_client.key));
    swap(folder.path(), "3", [("ca.crt", &both), ("tls.crt", &certificate), ("tls.key", &key)]);
    probe.wait_for_log("reloaded the TLS files");

    let next = new.server(&format!("DNS:{NAME},IP:127.0.1.1"));
    for (from, to) in [(next.certificate, "right-server.pem"), (next.key, "right-server.key")] {
        fs::copy(from, secured.directory.outside().join(to)).expect("the directory can be written");
    }
    serve(&new_authority);
    let before = probe.metrics().reads();
    let now = probe.wait_for("20 reads of the new authority's server", |now| now.reads() >= before + 20);
    assert_eq!(now.all_failures(), 0, "{:?}", probe.program.log());
    assert_eq!(
        probe.program.logged(&["failed to reload the TLS files; the previous ones stay in use"]),
        1,
        "{:?}",
        probe.program.log()
    );
}
