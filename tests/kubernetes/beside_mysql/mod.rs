//! `deploy/` beside the MySQL of `manifests/`, which the tests share and put right.

mod chart;
mod everywhere;
mod permissions;
mod rotation;
