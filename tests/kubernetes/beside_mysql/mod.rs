//! `deploy/` beside the MySQL of `manifests/`, which the tests share and put right.

mod everywhere;
mod rights;
mod rotation;
