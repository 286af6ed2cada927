//! Invalid options, and the errors that say what is valid.

use std::net::TcpListener;

use clap::CommandFactory;
use readscope::cli::Cli;

use super::files::text;
use crate::support::{
    fixtures::tls,
    program::{Ended, call, call_with, readscope},
};

/// No test connects to it: the options are invalid.
pub(crate) const ADDRESS: [&str; 2] = ["--address", "127.0.0.1:3306"];

pub(crate) fn run(options: &[&str]) -> Ended {
    call(&[&["run"], &ADDRESS[..], options].concat())
}

#[test]
fn an_invalid_value_is_refused_with_an_example() {
    let cases: [(&str, &str, &[&str]); 29] = [
        ("--interval", "1", &["'1'", "--interval", "not a duration", "such as 500ms"]),
        ("--interval", "soon", &["--interval", "not a duration", "such as 500ms"]),
        ("--interval", "2ms", &["--interval", "shorter than 2.5ms", "TIME_WAIT", "such as 10ms"]),
        ("--interval", "0", &["--interval", "shorter than 2.5ms", "such as 10ms"]),
        ("--interval", "400d", &["--interval", "0s to 366d"]),
        ("--interval", "-1s", &["'-1s'", "--interval", "not a duration", "such as 500ms"]),
        ("--timeout", "-1s", &["'-1s'", "--timeout", "not a duration", "such as 500ms"]),
        ("--forget-after", "-1h", &["'-1h'", "--forget-after", "not a duration", "such as 500ms"]),
        ("--max-in-flight", "-1", &["'-1'", "--max-in-flight", "from 1 to 32", "such as 8"]),
        ("--timeout", "0s", &["--timeout", "longer than 0", "such as 3s"]),
        ("--timeout", "1 month", &["--timeout", "not a duration", "such as 500ms"]),
        ("--forget-after", "1fortnight", &["--forget-after", "not a duration"]),
        ("--max-in-flight", "0", &["--max-in-flight", "from 1 to 32", "such as 8"]),
        ("--max-in-flight", "33", &["--max-in-flight", "from 1 to 32", "such as 8"]),
        ("--max-in-flight", "many", &["--max-in-flight", "from 1 to 32", "such as 8"]),
        ("--expect", "mysql-0=0", &["--expect", "not a number above 0", "such as mysql-0=2"]),
        ("--expect", "mysql-0=nan", &["--expect", "not a number above 0", "such as mysql-0=2"]),
        ("--expect", "mysql-0=", &["--expect", "not a number above 0", "such as mysql-0=2"]),
        ("--expect", "=2", &["--expect", "the name is empty", "such as mysql-0"]),
        ("--tls", "preferred", &["--tls", "preferred is not possible", "another replica", "verify-identity"]),
        ("--tls", "verify-ca", &["--tls", "verify-ca is not possible", "certificate of the CA", "verify-identity"]),
        ("--tls", "on", &["--tls", "disabled, required or verify-identity"]),
        ("--web.listen-address", "10306", &["--web.listen-address", "such as :10306"]),
        ("--web.listen-address", ":65536", &["--web.listen-address", "from 0 to 65535", "such as :10306"]),
        ("--web.listen-address", "somewhere:80", &["--web.listen-address", "such as :10306"]),
        ("--log.level", "verbose", &["--log.level", "error, warn, info, debug, trace"]),
        ("--log.format", "xml", &["--log.format", "logfmt, json"]),
        ("--password-file", "/nonexistent/password", &["/nonexistent/password", "check that it exists"]),
        ("--password-file", "/", &["password file"]),
    ];
    for (option, value, parts) in cases {
        run(&[option, value]).assert_refused(parts);
    }
}

/// Without further settings, clap takes a value with a hyphen for an unknown option.
#[test]
fn a_negative_value_is_refused_with_the_error_of_its_option() {
    let mut durations = 0;
    for command in Cli::command().get_subcommands() {
        for option in command.get_arguments() {
            let Some([name]) = option.get_value_names() else { continue };
            let (value, expected) = match name.as_str() {
                "DURATION" => ("-5s", "not a duration; write a number and a unit, such as 500ms"),
                "PART" => ("-0.5", "not a number from 0 to 0.5"),
                _ => continue,
            };
            durations += 1;
            let long = format!("--{}", option.get_long().unwrap());
            let refused = call(&[command.get_name(), &long, value]);
            refused.assert_refused(&[&format!("'{value}'"), &long, expected]);
        }
    }
    assert!(durations > 20, "{durations}");
}

#[test]
fn a_statefulset_in_another_namespace_than_its_service_is_refused() {
    let service = ["run", "--service", "mysql/mysql-read", "--config.check", "--statefulset"];
    let refused = call(&[&service[..], &["other/mysql"]].concat());
    refused.assert_refused(&[
        "the StatefulSet other/mysql is not in the namespace of the Service",
        "name the StatefulSet behind the Service",
    ]);
    let shown = call(&[&service[..], &["mysql/mysql"]].concat());
    assert!(shown.stdout.contains("statefulset: mysql/mysql"), "{shown:?}");
}

#[test]
fn an_invalid_address_is_refused_with_an_example() {
    for address in ["mysql-read:0", "mysql-read:65536", "mysql-read:port", ":3306", "a b", "tcp://mysql-read", "[::1"] {
        call(&["run", "--address", address]).assert_refused(&["--address", "such as mysql-read.mysql:3306"]);
    }
    let by_environment = call_with(readscope(&["run"]).env("READSCOPE_ADDRESS", "mysql-read:0"));
    by_environment.assert_refused(&["--address", "such as mysql-read.mysql:3306"]);
}

#[test]
fn invalid_values_of_check_are_refused_with_an_example() {
    let check = |options: &[&str]| call(&[&["check"], &ADDRESS[..], options].concat());
    for alpha in ["0", "1", "-0.1", "2", "NaN", "often"] {
        check(&[&format!("--alpha={alpha}")]).assert_refused(&["--alpha", "above 0 and below 1", "such as 0.001"]);
    }
    for probes in ["0", "-5", "some"] {
        check(&["--probes", probes]).assert_refused(&[&format!("'{probes}'"), "--probes"]);
    }
    check(&["--probes", "0"]).assert_refused(&["--probes", "1..=10000000"]);
    check(&["--for", "0"]).assert_refused(&["--for", "longer than 0", "such as 3s"]);
    check(&["--probes", "10", "--for", "1s"]).assert_refused(&["--probes", "--for"]);
    check(&["--for", "1"]).assert_refused(&["--for", "such as 500ms"]);
    check(&["--output", "yaml"]).assert_refused(&["--output", "text, json"]);
}

#[test]
fn an_unknown_option_or_command_is_refused_with_the_nearest_one() {
    run(&["--intervall", "1s"]).assert_refused(&["'--intervall'", "'--interval'"]);
    run(&["--tls-keys", "x"]).assert_refused(&["'--tls-keys'", "'--tls-key'"]);
    run(&["--web.listen-adress", ":0"]).assert_refused(&["'--web.listen-address'"]);
    run(&["--password", "secret"]).assert_refused(&["'--password'", "'--password-file'"]);
    call(&["chekc"]).assert_refused(&["'chekc'", "'check'"]);
    call(&["completions", "zhs"]).assert_refused(&["'zhs'", "zsh"]);
}

#[test]
fn a_target_is_required() {
    let one_of = "<--service <NAMESPACE/NAME>|--address <HOST[:PORT]>|--config.file <FILE>";
    for command in [&["run"][..], &["check"], &["watch"], &["wait", "--for", "first_read", "mysql-3"]] {
        call(command).assert_refused(&[one_of]);
    }
    let without_a_command = call(&[]);
    assert_eq!(without_a_command.code, Some(2));
    assert!(without_a_command.stderr.contains("Usage: readscope"), "{without_a_command:?}");
}

#[test]
fn options_that_exclude_each_other_are_refused() {
    let twice = run(&["--expect", "a", "--expect", "a=2"]);
    twice.assert_refused(&["--expect: \"a\" is named twice"]);
    assert_eq!(twice.stderr.matches("named twice").count(), 1, "{twice:?}");
    let many: Vec<String> = (0..65).map(|number| format!("--expect=mysql-{number}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    run(&many).assert_refused(&["--expect", "65 replicas", "at most 64"]);
    let authority = tls("authority.pem");
    let disabled = run(&["--tls", "disabled", "--tls-ca", text(&authority)]);
    disabled.assert_refused(&["TLS: the mode disabled does not use a CA file", "the mode verify-identity"]);
    run(&["--tls-ca", text(&authority)]).assert_refused(&["the mode required does not use a CA file"]);
}

#[test]
fn a_port_in_use_ends_run_with_1() {
    let taken = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let ended = run(&["--web.listen-address", &address]);
    assert_eq!((ended.code, &*ended.stdout), (Some(1), ""), "{ended:?}");
    for part in [&*address, "cannot listen", "in use", "--web.listen-address", "port 0"] {
        assert!(ended.stderr.contains(part), "{part} is not in {}", ended.stderr);
    }
    assert_eq!(ended.stderr.lines().filter(|line| line.starts_with("error: ")).count(), 1);
    let foreign = run(&["--web.listen-address", "192.0.2.1:0"]);
    assert_eq!(foreign.code, Some(1), "{foreign:?}");
}
