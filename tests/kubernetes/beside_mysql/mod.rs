//! `deploy/` beside the MySQL of `manifests/`, which the tests share and put right.

mod everywhere;
mod permissions;
mod rotation;
