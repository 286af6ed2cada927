//! Refusals of real servers have a reason and advice that fit.

use std::time::Duration;

use nix::sys::signal::Signal;

use crate::{
    balancer::{READ_ADDRESS, route_to},
    mariadb::{Mariadb, SERIES, Series},
    mysql::PASSWORD,
    namespace::Namespace,
    service::{PasswordFile, Service},
    sql::{Sql, USER},
    support::{exporter::Exporter, waiting::wait_until},
};

const WITHIN: Duration = Duration::from_secs(60);

/// Waits for a failure with this error, and checks the rest of it.
fn assert_fails(probe: &Exporter, error: &str, reason: &str, advice: &str) {
    // A refusal pauses the probes.
    probe.program.signal(Signal::SIGHUP);
    let mut seen = serde_json::Value::Null;
    wait_until(error, WITHIN, || {
        let failures = probe.target()["last_failures"].clone();
        let found = failures.as_array().and_then(|failures| {
            failures.iter().find(|failure| failure["error"].as_str().is_some_and(|text| text.contains(error)))
        });
        seen = found.cloned().unwrap_or_default();
        !seen.is_null()
    });
    assert_eq!((seen["reason"].as_str(), seen["advice"].as_str()), (Some(reason), Some(advice)), "{seen}");
}

/// Runs the statements with `%` in place of the account, as root.
fn change(server: &Sql, statements: &str) {
    server.query(&statements.replace('%', &format!("'{USER}'@'%'")));
}

#[test]
fn refusals_of_mysql_have_advice() {
    let service = Service::of(1);
    let server = service.fleet.primary();
    let mut probe = service.call().with(&["--interval", "20ms"]).run();
    probe.wait_for("a read", |now| now.reads() >= 1);
    let unlock = "unlock the account on that server with ALTER USER ... ACCOUNT UNLOCK";
    let renew = "give the account a new password: the old one has expired";
    for (broken, error, reason, advice, fixed) in [
        ("ALTER USER % ACCOUNT LOCK", "ERROR 3118", "auth", unlock, "ALTER USER % ACCOUNT UNLOCK"),
        ("ALTER USER % PASSWORD EXPIRE", "ERROR 1862", "auth", renew, "ALTER USER % IDENTIFIED BY 'correct horse'"),
        (
            "SET GLOBAL offline_mode = ON",
            "ERROR 3032",
            "other",
            "set offline_mode to OFF on that server, or take it out of the Service",
            "SET GLOBAL offline_mode = OFF",
        ),
        (
            "SET GLOBAL require_secure_transport = ON",
            "ERROR 3159",
            "tls",
            "set the TLS mode to required or verify-identity",
            "SET GLOBAL require_secure_transport = OFF",
        ),
        (
            "ALTER USER % WITH MAX_CONNECTIONS_PER_HOUR 1",
            "'max_connections_per_hour' resource",
            "too_many_connections",
            "raise MAX_CONNECTIONS_PER_HOUR of the account, or the interval: each probe is one connection",
            "ALTER USER % WITH MAX_CONNECTIONS_PER_HOUR 0",
        ),
        (
            "ALTER USER % WITH MAX_QUERIES_PER_HOUR 1",
            "'max_questions' resource",
            "too_many_connections",
            "raise MAX_QUERIES_PER_HOUR of the account, or the interval: each probe is one query",
            "ALTER USER % WITH MAX_QUERIES_PER_HOUR 0",
        ),
    ] {
        change(server, broken);
        assert_fails(&probe, error, reason, advice);
        change(server, fixed);
    }
    change(server, "ALTER USER % FAILED_LOGIN_ATTEMPTS 1 PASSWORD_LOCK_TIME 1");
    service.password.replace("wrong");
    let refused = probe.metrics().failures("auth");
    probe.wait_for("a refusal", |now| now.failures("auth") > refused);
    service.password.replace(PASSWORD);
    assert_fails(&probe, "ERROR 3955", "auth", unlock);
    change(server, "ALTER USER % ACCOUNT UNLOCK");
    probe.program.signal(Signal::SIGHUP);
    let before = probe.metrics().reads();
    probe.wait_for("reads", |now| now.reads() >= before + 5);
}

#[test]
fn refusals_of_mariadb_have_advice() {
    let _namespace = Namespace::enter();
    SERIES.into_iter().for_each(assert_advice);
}

fn assert_advice(series: Series) {
    let server = Mariadb::start(series, 20, &["max-password-errors=1"]);
    route_to(&[server.address]);
    let password = PasswordFile::new(PASSWORD);
    let call = password.call(READ_ADDRESS).with(&["--tls", "disabled", "--interval", "20ms"]);
    let mut probe = call.run();
    probe.wait_for("a read", |now| now.reads() >= 1);
    change(&server, "ALTER USER % ACCOUNT LOCK");
    let unlock = "unlock the account on that server with ALTER USER ... ACCOUNT UNLOCK";
    assert_fails(&probe, "ERROR 4151", "auth", unlock);
    change(&server, "ALTER USER % ACCOUNT UNLOCK");
    probe.program.signal(Signal::SIGHUP);
    let before = probe.metrics().reads();
    probe.wait_for("reads", |now| now.reads() >= before + 5);

    let refused = probe.metrics().failures("auth");
    password.replace("wrong");
    probe.wait_for("a refusal", |now| now.failures("auth") > refused);
    password.replace(PASSWORD);
    let flush = "correct the password, then unblock the account on that server with FLUSH PRIVILEGES";
    assert_fails(&probe, "ERROR 4150", "auth", flush);
}
