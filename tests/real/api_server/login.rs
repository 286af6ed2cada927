//! Kubeconfigs whose user cannot log in.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};

use crate::support::{
    api_server::kubeconfig,
    program::{Ended, call_with, readscope},
};

/// A call of readscope with this user in the kubeconfig, which is written to `folder`.
fn with_user(folder: &Path, user: &str) -> Ended {
    let path = folder.join("kubeconfig");
    fs::write(&path, kubeconfig("https://127.0.0.1:9", user)).unwrap();
    call_with(readscope(&["check", "--service", "mysql/mysql-read"]).env("KUBECONFIG", path))
}

#[test]
fn an_exec_plugin_is_named_with_its_hint() {
    let folder = tempfile::tempdir().unwrap();
    let plugin = |script: &str| {
        let path = folder.path().join("cloud-login");
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path.display().to_string()
    };
    let exec = |command: &str, more: &str| {
        let version = "client.authentication.k8s.io/v1";
        let env = "env: [{name: TOKEN, value: secret}]";
        let user =
            format!("{{exec: {{apiVersion: {version}, command: '{command}', interactiveMode: Never, {env}{more}}}}}");
        let ended = with_user(folder.path(), &user);
        assert!(!ended.all().contains("secret"), "{ended:?}");
        ended
    };
    let hint = ", installHint: \"Install it from\\n  https://cloud.example/login\"";
    let shown = "; Install it from https://cloud.example/login";
    let says = |problem: &str| format!("of the kubeconfig's user {problem}");
    let missing = "does not start: No such file or directory (os error 2)";
    exec("no-such-plugin", hint).assert_refused(&["the exec plugin no-such-plugin", &says(missing), shown]);
    exec("no-such-plugin", "").assert_refused(&["the exec plugin no-such-plugin", &says(missing), "; install it"]);

    let failing = plugin("echo secret; echo Sorry >&2; echo session expired >&2; exit 7");
    let failed = says("failed (exit status: 7): session expired");
    exec(&failing, hint).assert_refused(&[&format!("the exec plugin {failing}"), &failed, shown]);
    exec(&failing, "").assert_refused(&[&failed, "; run it by hand to see why"]);
    let silent = plugin("exit 1");
    exec(&silent, "").assert_refused(&[&says("failed (exit status: 1); run it by hand")]);

    let babbling = plugin("echo hello");
    exec(&babbling, hint).assert_refused(&[
        &format!("the exec plugin {babbling}"),
        "gave no valid credentials: ",
        shown,
    ]);
    let empty = plugin("echo '{\"apiVersion\": \"client.authentication.k8s.io/v1\", \"kind\": \"ExecCredential\"}'");
    exec(&empty, "").assert_refused(&["gave no valid credentials: ", "; run it by hand to see its output"]);
}

#[test]
fn a_legacy_auth_provider_is_refused_with_its_successor() {
    let folder = tempfile::tempdir().unwrap();
    for (name, successor) in [
        ("gcp", "the exec plugin gke-gcloud-auth-plugin"),
        ("azure", "the exec plugin kubelogin"),
        ("oidc", "the exec plugin kubelogin"),
        ("mine", "an exec plugin"),
    ] {
        let ended = with_user(folder.path(), &format!("{{auth-provider: {{name: {name}, config: {{}}}}}}"));
        ended.assert_refused(&[&format!(
            "cannot log in with auth-provider {name} of the kubeconfig's user; use {successor} instead"
        )]);
    }
}
