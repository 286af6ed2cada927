//! readscope's image, built by the `Dockerfile`.

use std::{path::PathBuf, process::Command, sync::OnceLock};

use crate::{cluster::repository, support::commands::run};

/// Names an archive that is the image already, to try a test without building it.
const GIVEN: &str = "READSCOPE_IMAGE_ARCHIVE";

/// An archive of it; built once for all tests.
pub(crate) fn archive() -> PathBuf {
    static ARCHIVE: OnceLock<PathBuf> = OnceLock::new();
    ARCHIVE.get_or_init(|| std::env::var_os(GIVEN).map_or_else(build, PathBuf::from)).clone()
}

/// Builds it and returns the archive.
pub(crate) fn build() -> PathBuf {
    PathBuf::from(run(&mut Command::new(repository().join("tests/image/build"))).trim_end())
}
