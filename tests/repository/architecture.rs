//! The lines between the layers, which the compiler does not draw inside one crate.
#![allow(clippy::unwrap_used, reason = "a test that cannot read the sources has failed")]

use std::{fs, path::Path};

use syn::{Attribute, ItemMod, ItemUse, UseTree, visit::Visit};

/// What a layer must not name.
struct Rule {
    layer: &'static str,
    forbidden: &'static [&'static str],
}

const RULES: [Rule; 5] = [
    Rule {
        layer: "src/model",
        forbidden: &[
            "tokio",
            "tokio_util",
            "kube",
            "k8s_openapi",
            "hyper",
            "hyper_util",
            "http_body_util",
            "prometheus",
            "hickory_resolver",
            "rustls",
            "tokio_rustls",
            "ring",
            "mysql_async",
            "rand",
            "tracing",
            "clap",
            "anyhow",
            "serde",
            "serde_json",
            "crate::api",
            "crate::source",
            "crate::view",
            "crate::command",
            "crate::config",
            "crate::cli",
            "crate::clock",
            "crate::demo",
            "std::fs",
            "std::process",
            "std::thread",
            "std::env",
            "std::io",
        ],
    },
    Rule {
        layer: "src/api",
        forbidden: &[
            "tokio",
            "kube",
            "k8s_openapi",
            "hyper",
            "prometheus",
            "ratatui",
            "rustls",
            "mysql_async",
            "clap",
            "anyhow",
            "crate::source",
            "crate::view",
            "crate::command",
            "crate::config",
            "crate::cli",
            "crate::clock",
            "crate::demo",
        ],
    },
    Rule {
        layer: "src/source",
        forbidden: &["crate::view", "crate::command", "crate::cli", "crate::demo", "prometheus", "clap", "anyhow"],
    },
    Rule {
        layer: "src/demo",
        forbidden: &[
            "crate::api",
            "crate::source",
            "crate::view",
            "crate::command",
            "crate::config",
            "crate::cli",
            "kube",
            "clap",
        ],
    },
    Rule {
        layer: "src/view",
        forbidden: &[
            "crate::source",
            "crate::command",
            "crate::config",
            "crate::cli",
            "crate::demo",
            "rustls",
            "mysql_async",
            "kube",
            "k8s_openapi",
            "hickory_resolver",
            "clap",
            "anyhow",
        ],
    },
];

/// The rooms of the model by floor: each imports only rooms on floors below its own. Files beside them stand on top.
const MODEL: [&[&str]; 5] = [&["base"], &["probe"], &["verdict", "cluster", "clients"], &["freshness"], &["target"]];

/// The paths that shipped code names, in `use` and elsewhere. What macros are given is not looked into.
#[derive(Default)]
struct Paths(Vec<String>);

impl<'ast> Visit<'ast> for Paths {
    fn visit_item_mod(&mut self, module: &'ast ItemMod) {
        // Tests of a layer may use what they need.
        if !module.attrs.iter().any(is_for_tests) {
            syn::visit::visit_item_mod(self, module);
        }
    }

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        self.collect(String::new(), &item.tree);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let names: Vec<_> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        self.0.push(names.join("::"));
        syn::visit::visit_path(self, path);
    }
}

impl Paths {
    fn collect(&mut self, before: String, tree: &UseTree) {
        match tree {
            UseTree::Path(path) => self.collect(format!("{before}{}::", path.ident), &path.tree),
            UseTree::Name(name) => self.0.push(format!("{before}{}", name.ident)),
            UseTree::Rename(rename) => self.0.push(format!("{before}{}", rename.ident)),
            UseTree::Glob(_) => self.0.push(before),
            UseTree::Group(group) => group.items.iter().for_each(|tree| self.collect(before.clone(), tree)),
        }
    }
}

fn is_for_tests(attribute: &Attribute) -> bool {
    attribute.path().is_ident("cfg") && attribute.parse_args::<syn::Ident>().is_ok_and(|ident| ident == "test")
}

/// The paths in `code` that `rule` forbids.
fn violations(rule: &Rule, code: &str) -> Vec<String> {
    let mut paths = Paths::default();
    paths.visit_file(&syn::parse_file(code).unwrap());
    let inside =
        |path: &str, root: &str| path.strip_prefix(root).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"));
    let forbidden = |path: &String| rule.forbidden.iter().any(|root| inside(path, root));
    paths.0.into_iter().filter(forbidden).collect()
}

/// The paths in `code`, the file of `module` below the model, that leave its room for anything but a room below `floor`.
fn climbing(floor: usize, module: &[&str], code: &str) -> Vec<String> {
    let mut paths = Paths::default();
    paths.visit_file(&syn::parse_file(code).unwrap());
    // The file of a folder is the folder's module.
    let module = module.strip_suffix(&["mod"]).unwrap_or(module);
    let room = module[0];
    let climbs = |path: &String| {
        let parts: Vec<_> = path.split("::").filter(|part| !part.is_empty()).collect();
        let supers = parts.iter().take_while(|part| **part == "super").count();
        let named = match &*parts {
            ["crate", "model", named @ ..] => named.to_vec(),
            _ if supers > 0 => [&module[..module.len().saturating_sub(supers)], &parts[supers..]].concat(),
            _ => return false,
        };
        let below = MODEL[..floor].iter().any(|rooms| named.first().is_some_and(|named| rooms.contains(named)));
        named.first() != Some(&room) && !below
    };
    paths.0.into_iter().filter(climbs).collect()
}

fn sources(folder: &Path) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push((path.display().to_string(), fs::read_to_string(&path).unwrap()));
        }
    }
    found
}

#[test]
fn no_layer_names_what_it_must_not() {
    let root = crate::root();
    let mut found = Vec::new();
    for rule in &RULES {
        let files = sources(&root.join(rule.layer));
        assert!(!files.is_empty(), "{} has no files", rule.layer);
        for (file, code) in files {
            found.extend(violations(rule, &code).into_iter().map(|path| format!("{file} names {path}")));
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn every_form_of_a_forbidden_import_is_found() {
    let rule = &RULES[0];
    for code in [
        "use tokio::sync::mpsc;",
        "use crate::{model::{Moment, State}, source::mysql};",
        "use std::{collections::BTreeMap, fs};",
        "pub use hyper;",
        "use tokio as runtime;",
        "use std::io::*;",
        "fn f() -> u8 { prometheus::gather() }",
        "fn f() { tracing::info!(\"x\"); }",
        "struct S(std::fs::File);",
        "mod inner { use kube::Client; }",
    ] {
        assert_eq!(violations(rule, code).len(), 1, "{code}");
    }
    for code in [
        "use super::tokio_like::X;",
        "use std::time::Duration;",
        "fn f() { let kube_like = 1; }",
        "#[cfg(test)] mod tests { use tokio::time::sleep; }",
    ] {
        assert!(violations(rule, code).is_empty(), "{code}");
    }
}

#[test]
fn the_rooms_of_the_model_import_only_the_rooms_below_them() {
    let root = crate::root().join("src/model");
    let mut found = Vec::new();
    for (floor, rooms) in MODEL.iter().enumerate() {
        for room in *rooms {
            let files = sources(&root.join(room));
            assert!(!files.is_empty(), "{room} has no files");
            for (file, code) in files {
                let inside = Path::new(&file).strip_prefix(&root).unwrap().with_extension("");
                let module: Vec<_> = inside.iter().map(|part| part.to_str().unwrap()).collect();
                found.extend(climbing(floor, &module, &code).into_iter().map(|path| format!("{file} names {path}")));
            }
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
    let rooms =
        fs::read_dir(&root).unwrap().filter(|entry| entry.as_ref().unwrap().path().join("mod.rs").exists()).count();
    assert_eq!(rooms, MODEL.concat().len(), "every room has its floor");
}

#[test]
fn every_form_of_an_import_from_a_room_above_or_beside_is_found() {
    let of_cluster = |code| climbing(2, &["cluster", "routing"], code);
    for code in [
        "use crate::model::target::Target;",
        "use crate::model::{base::Moment, verdict::Verdict};",
        "use crate::model::State;",
        "use super::super::event::Event;",
        "fn f() -> crate::model::freshness::Lag { loop {} }",
        "struct S(super::super::Notice);",
        "use crate::model::*;",
    ] {
        assert_eq!(of_cluster(code).len(), 1, "{code}");
    }
    assert_eq!(climbing(2, &["cluster", "mod"], "use super::State;").len(), 1);
    assert_eq!(climbing(2, &["verdict", "evidence", "mod"], "use super::super::target::Target;").len(), 1);
    for code in [
        "use super::milestones::Milestone;",
        "use super::super::cluster::Milestone;",
        "use crate::model::{base::Moment, cluster::Milestone, probe::Probe};",
        "use std::fmt;",
        "#[cfg(test)] mod tests { use crate::model::State; }",
    ] {
        assert!(of_cluster(code).is_empty(), "{code}");
    }
    assert!(climbing(2, &["verdict", "evidence", "detector"], "use super::super::check::Check;").is_empty());
}
