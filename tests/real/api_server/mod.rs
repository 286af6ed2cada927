//! The whole program at an API server that refuses, hangs up or is not Kubernetes, and at kubeconfigs that cannot log in.

mod login;
mod outage;
