//! The keys that the program accepts, from its own errors, with what its options say about them.

use std::fs;

use clap::CommandFactory as _;
use readscope::cli::Cli;

use crate::support::program::call;

/// What a key holds.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    Duration,
    /// 0 to 0.5.
    Tolerance,
    Integer,
    Text,
    Path,
    ObjectName,
    OneOf(&'static [&'static str]),
    Texts,
    /// Names with weights.
    Weights,
    /// With the path of its level.
    Mapping(&'static str),
    Targets,
    Defaults,
}

pub(crate) struct Key {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    pub(crate) default: String,
    pub(crate) meaning: String,
    /// A line of the file; empty for mappings that have a table of their own.
    pub(crate) example: String,
    /// The option of `run` for the same setting.
    pub(crate) option: Option<String>,
}

/// Keys of one mapping.
pub(crate) struct Level {
    pub(crate) path: &'static str,
    pub(crate) title: &'static str,
    pub(crate) about: &'static str,
    /// A file in which `KEYS` stands for keys of this mapping.
    file: &'static str,
}

/// Keys that `defaults` does not have.
pub(crate) const OF_ONE_TARGET: [&str; 5] = ["name", "service", "statefulset", "address", "discover"];

const ONE: &str = "targets: [{service: mysql/mysql-read}]\n";

pub(crate) const LEVELS: [Level; 6] = [
    Level { path: "", title: "The file", about: "`targets` is required.", file: "KEYS\n" },
    Level {
        path: "targets",
        title: "A target",
        about: "Keys of each entry of `targets`. An entry has `service`, `address` or both, or `discover`. `defaults` takes \
                the keys from `user` on; a target's own value wins.",
        file: "targets: [{KEYS}]\n",
    },
    Level {
        path: "discover",
        title: "`discover`",
        about: "Each Service that matches is a target, as it comes and goes.",
        file: "targets: [{discover: {KEYS}}]\n",
    },
    Level {
        path: "tls",
        title: "`tls`",
        about: "TLS to MySQL. readscope reads the files again when they change.",
        file: "targets: [{service: mysql/mysql-read, tls: {KEYS}}]\n",
    },
    Level {
        path: "imbalance",
        title: "`imbalance`",
        about: "The alarm for unbalanced reads ([verdict.md](verdict.md)).",
        file: "imbalance: {KEYS}\ntargets: [{service: mysql/mysql-read}]\n",
    },
    Level {
        path: "freshness",
        title: "`freshness`",
        about: "Stale reads ([probing.md](probing.md)).",
        file: "freshness: {KEYS}\ntargets: [{service: mysql/mysql-read}]\n",
    },
];

/// Keys without an option, and keys whose option needs other words: path, kind, default, example, meaning.
const OWN: [(&str, Kind, &str, &str, &str); 20] = [
    (
        "defaults",
        Kind::Defaults,
        "",
        "defaults: {user: readscope, interval: 1s}",
        "Keys of all targets that do not set them",
    ),
    ("targets", Kind::Targets, "", "targets: [{service: mysql/mysql-read}]", "What to probe"),
    ("imbalance", Kind::Mapping("imbalance"), "", "", "When reads count as unbalanced"),
    ("freshness", Kind::Mapping("freshness"), "", "", "When reads count as stale"),
    ("targets.name", Kind::Text, "`NAMESPACE/NAME` of the Service, or the address", "name: shop", "The label `target`"),
    (
        "targets.service",
        Kind::ObjectName,
        "",
        "service: mysql/mysql-read",
        "Kubernetes Service; its endpoints are the expected replicas",
    ),
    (
        "targets.statefulset",
        Kind::ObjectName,
        "the owner of the endpoints' pods",
        "statefulset: mysql/mysql",
        "StatefulSet behind the Service, in the same namespace",
    ),
    (
        "targets.address",
        Kind::Text,
        "the Service's DNS name",
        "address: shop-db-read.example:3306",
        "`HOST` or `HOST:PORT` to connect to; the default port is the only one of the Service, the one named `mysql`, else 3306",
    ),
    ("targets.discover", Kind::Mapping("discover"), "", "", "Services to find by their labels"),
    (
        "targets.password_file",
        Kind::Path,
        "`READSCOPE_PASSWORD`, else no password",
        "password_file: password",
        "File with the password; readscope reads it again when it changes. One line break at the end and a byte order mark at the beginning are not part of the password, in the file and in the variable",
    ),
    ("targets.tls", Kind::Mapping("tls"), "", "", "TLS to MySQL"),
    (
        "targets.expect",
        Kind::Weights,
        "from Kubernetes, else the replicas seen",
        "expect: {mysql-0: 2, mysql-1: 1}",
        "Expected replicas with their weights, by host name or as `server-SERVER_ID`",
    ),
    ("discover.namespaces", Kind::Texts, "all namespaces", "namespaces: [team-a, team-b]", "Namespaces to search"),
    (
        "discover.selector",
        Kind::Text,
        "",
        "selector: readscope.io/probe=true",
        "Label selector, as of `kubectl --selector`; required",
    ),
    (
        "tls.mode",
        Kind::OneOf(&["disabled", "required", "verify-identity"]),
        "`required`",
        "mode: required",
        "`disabled`, `required` (any certificate) or `verify-identity`",
    ),
    (
        "tls.ca_file",
        Kind::Path,
        "the Mozilla root certificates",
        "ca_file: ca.pem",
        "CA certificates for `verify-identity`, PEM",
    ),
    ("tls.cert_file", Kind::Path, "", "cert_file: client.pem", "Client certificate, PEM"),
    ("tls.key_file", Kind::Path, "", "key_file: client.key", "Private key of the client certificate, PEM"),
    (
        "imbalance.tolerance",
        Kind::Tolerance,
        "`0.02`",
        "tolerance: 0.02",
        "Relative deviation from the expected share that still counts as balanced, 0 to 0.5",
    ),
    (
        "imbalance.false_alarm_period",
        Kind::Duration,
        "`30d`",
        "false_alarm_period: 30d",
        "Average time between false alarms, for all targets together",
    ),
];

impl Level {
    /// In the order of the program.
    pub(crate) fn keys(&self) -> Vec<Key> {
        self.accepted().iter().map(|name| self.key(name)).collect()
    }

    /// The file with this text in place of the keys.
    pub(crate) fn with(&self, keys: &str) -> String {
        let own = if self.path.is_empty() && !keys.contains("targets:") { ONE } else { "" };
        format!("{}{own}", self.file.replace("KEYS", keys))
    }

    /// Every key that the program accepts here: its error for an unknown key lists them.
    fn accepted(&self) -> Vec<String> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("readscope.yaml");
        fs::write(&file, self.with("qqq: 1")).unwrap();
        let refused = call(&["run", "--config.check", "--config.file", file.to_str().unwrap()]).stderr;
        let (_, list) = refused.split_once("unknown key; valid keys are ").unwrap_or_else(|| panic!("{refused}"));
        list.split(';').next().unwrap().split(", ").map(str::to_owned).collect()
    }

    fn key(&self, name: &str) -> Key {
        let path = if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) };
        let option = self.option(name);
        let own = OWN.iter().find(|(known, ..)| *known == path);
        if let Some(&(_, kind, default, example, meaning)) = own {
            let option = option.map(|option| option.get_long().unwrap().to_owned());
            return Key {
                name: name.to_owned(),
                kind,
                default: default.to_owned(),
                meaning: meaning.to_owned(),
                example: example.to_owned(),
                option,
            };
        }
        let option = option.unwrap_or_else(|| panic!("the key {path} has no option: describe it in OWN"));
        let value = option.get_value_names().unwrap()[0].as_str();
        let kind = match value {
            "DURATION" => Kind::Duration,
            "N" => Kind::Integer,
            "FILE" => Kind::Path,
            _ => Kind::Text,
        };
        let default = option.get_default_values().first().unwrap_or_else(|| panic!("{path}: describe it in OWN"));
        let default = default.to_str().unwrap();
        Key {
            name: name.to_owned(),
            kind,
            default: format!("`{default}`"),
            meaning: option.get_help().unwrap().to_string(),
            example: format!("{name}: {default}"),
            option: option.get_long().map(str::to_owned),
        }
    }

    /// The option of `run` for the same setting.
    fn option(&self, key: &str) -> Option<clap::Arg> {
        let name = key.replace('_', "-");
        let name = match (self.path, key) {
            ("targets", "tls") => return None,
            ("targets", _) => name,
            ("tls", "mode") => "tls".to_owned(),
            ("tls", _) => format!("tls-{}", name.trim_end_matches("-file")),
            (level, _) => format!("{level}.{name}"),
        };
        let cli = Cli::command();
        let run = cli.find_subcommand("run").unwrap();
        run.get_arguments().find(|option| option.get_long() == Some(&*name)).cloned()
    }
}

impl Kind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Duration => "duration",
            Self::Tolerance => "number",
            Self::Integer => "whole number",
            Self::Text | Self::OneOf(_) => "text",
            Self::Path => "path",
            Self::ObjectName => "`NAMESPACE/NAME`",
            Self::Texts => "list of texts",
            Self::Weights => "name: weight",
            Self::Mapping(_) | Self::Defaults => "mapping",
            Self::Targets => "list of mappings",
        }
    }
}

#[test]
fn every_description_is_of_a_key() {
    let keys: Vec<String> = LEVELS
        .iter()
        .flat_map(|level| {
            let path = if level.path.is_empty() { String::new() } else { format!("{}.", level.path) };
            level.keys().into_iter().map(move |key| format!("{path}{}", key.name))
        })
        .collect();
    for (path, ..) in OWN {
        assert!(keys.iter().any(|key| key == path), "the program does not know {path}");
    }
    let of_defaults: Vec<_> = LEVELS[1].keys().into_iter().take(OF_ONE_TARGET.len()).map(|key| key.name).collect();
    assert_eq!(of_defaults, OF_ONE_TARGET);
}
