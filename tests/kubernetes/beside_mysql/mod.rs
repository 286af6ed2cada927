//! `deploy/` beside the MySQL of `manifests/`, which the tests share and put right.

mod chart;
mod drain;
mod everywhere;
mod fleet;
mod permissions;
mod rotation;
