//! The whole program at an API server that refuses, hangs up or is not Kubernetes, and at kubeconfigs that cannot log in.

#![allow(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

mod login;
mod outage;
#[path = "../support/mod.rs"]
mod support;
