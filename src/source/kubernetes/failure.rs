//! Why a request to the API server failed, or why the kubeconfig's user cannot log in.

use std::{error::Error, process::Output, time::Duration};

use hyper_util::client::legacy;
use kube::{client::AuthError, config::AuthInfo, core::Status};

use crate::{
    model::cluster::Problem,
    source::cause::{causes, with_cause},
};

/// The reason that the library gives to a response that is not a `Status`.
const NOT_A_STATUS: &str = "Failed to parse error data";

/// Characters of a text from outside that a sentence may hold.
const QUOTED_MAX: usize = 300;

const ADDRESS: &str = "check the API server's address and the proxies before it";

/// The library's own texts contain `Debug` dumps.
pub(super) fn reason(error: &(dyn Error + 'static)) -> String {
    let chain = || causes(error);
    if let Some(status) = chain().find_map(|cause| cause.downcast_ref::<Box<Status>>()) {
        return answered(status);
    }
    let what = if chain().any(|cause| cause.downcast_ref().is_some_and(legacy::Error::is_connect)) {
        "cannot connect to the API server"
    } else {
        match chain().find_map(|cause| cause.downcast_ref::<kube::Error>()) {
            Some(kube::Error::SerdeError(error)) => {
                return format!("the response is not from Kubernetes: {error}; {ADDRESS}");
            }
            Some(kube::Error::Service(_) | kube::Error::HyperError(_) | kube::Error::ReadEvents(_)) => {
                "the request to the API server failed"
            }
            _ => return quoted(&with_cause(error)),
        }
    };
    let last = chain().last().map(ToString::to_string).unwrap_or_default();
    format!("{what}: {}", quoted(&last))
}

pub(super) fn problem(error: &kube::Error) -> Problem {
    let forbidden = matches!(error, kube::Error::Api(status) if status.code == 403);
    Problem { forbidden, text: reason(error).into() }
}

pub(super) fn silence(limit: Duration) -> Problem {
    Problem { forbidden: false, text: format!("no response within {limit:?}").into() }
}

fn answered(status: &Status) -> String {
    let Status { code, reason, message, .. } = status;
    let message = quoted(message);
    match &**reason {
        NOT_A_STATUS if message.starts_with('<') => {
            format!("the API server answered HTTP {code} with a page that is not from Kubernetes; {ADDRESS}")
        }
        NOT_A_STATUS | "" => format!("the API server answered HTTP {code}: {message}"),
        reason => {
            let advice =
                if *code == 401 { "; renew the token or certificate with which readscope logs in there" } else { "" };
            format!("the API server answered HTTP {code} {reason}: {message}{advice}")
        }
    }
}

/// One line of limited length.
fn quoted(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(QUOTED_MAX) {
        Some((end, _)) => format!("{}...", &line[..end]),
        None => line,
    }
}

/// How the kubeconfig's user logs in.
#[derive(Clone, Debug)]
pub(super) enum Login {
    Plugin {
        program: String,
        /// How to install the program.
        hint: Option<String>,
    },
    /// A provider inside the client, which Kubernetes replaced by exec plugins.
    Provider(String),
    Other,
}

#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct LoginError(String);

impl Login {
    pub(super) fn of(user: &AuthInfo) -> Self {
        if let Some(provider) = &user.auth_provider {
            return Self::Provider(provider.name.clone());
        }
        match &user.exec {
            Some(exec) => Self::Plugin {
                program: exec.command.clone().unwrap_or_default(),
                hint: exec.install_hint.as_deref().map(quoted).filter(|hint| !hint.is_empty()),
            },
            None => Self::Other,
        }
    }

    /// The library's text has no name of the program, or dumps its command, environment and output.
    pub(super) fn explain(&self, error: &AuthError) -> LoginError {
        LoginError(match (self, error) {
            (Self::Plugin { .. }, AuthError::MissingCommand) => {
                "the exec plugin of the kubeconfig's user has no command; write it there".to_owned()
            }
            (Self::Plugin { program, hint }, error) => {
                let (problem, advice) = match error {
                    AuthError::AuthExecStart(error) => (format!("does not start: {error}"), "install it"),
                    AuthError::AuthExecRun { out, .. } => (failed(out), "run it by hand to see why"),
                    error => (format!("gave no valid credentials: {error}"), "run it by hand to see its output"),
                };
                let advice = hint.as_deref().unwrap_or(advice);
                format!("the exec plugin {program} of the kubeconfig's user {problem}; {advice}")
            }
            (Self::Provider(name), _) => {
                let instead = match &**name {
                    "gcp" => "the exec plugin gke-gcloud-auth-plugin",
                    "azure" | "oidc" => "the exec plugin kubelogin",
                    _ => "an exec plugin",
                };
                format!("cannot log in with auth-provider {name} of the kubeconfig's user; use {instead} instead")
            }
            (Self::Other, error) => {
                format!("cannot use the credentials of the kubeconfig's user: {}", with_cause(error))
            }
        })
    }
}

/// The plugin's standard error is here only if the plugin may not talk to the terminal itself.
fn failed(output: &Output) -> String {
    let error = String::from_utf8_lossy(&output.stderr);
    match error.lines().rfind(|line| !line.trim().is_empty()) {
        Some(line) => format!("failed ({}): {}", output.status, quoted(line)),
        None => format!("failed ({})", output.status),
    }
}

#[cfg(test)]
mod tests {
    use kube::runtime::watcher;

    use super::*;

    fn of_status(status: Status) -> String {
        reason(&watcher::Error::InitialListFailed(kube::Error::Api(status.boxed())))
    }

    #[test]
    fn a_status_is_one_sentence() {
        let busy = Status::failure("etcdserver:\n leader changed", "ServiceUnavailable").with_code(503);
        let sentence = "the API server answered HTTP 503 ServiceUnavailable: etcdserver: leader changed";
        assert_eq!(of_status(busy.clone()), sentence);
        assert_eq!(reason(&watcher::Error::WatchError(busy.boxed())), sentence);
        let plain = Status::failure("404 page not found", NOT_A_STATUS).with_code(404);
        assert_eq!(of_status(plain), "the API server answered HTTP 404: 404 page not found");
        let long = of_status(Status::failure(&"ä".repeat(5000), "Any").with_code(500));
        assert!(long.ends_with("ää...") && long.chars().count() < 400, "{long}");
    }

    #[test]
    fn a_page_is_not_quoted() {
        let page = Status::failure("<!DOCTYPE html><html>Sign in</html>", NOT_A_STATUS).with_code(404);
        assert_eq!(
            of_status(page),
            "the API server answered HTTP 404 with a page that is not from Kubernetes; check the API server's address \
             and the proxies before it"
        );
    }
}
