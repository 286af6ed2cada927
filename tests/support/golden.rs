//! Texts that are compared with a file of the repository.

use std::{fs, path::Path};

/// If 1, the tests write the files instead of comparing them.
const WRITE: &str = "READSCOPE_WRITE_DOCS";

/// Asserts that the file at `path`, relative to the repository, has this text.
pub(crate) fn assert_is(path: &str, text: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    if std::env::var_os(WRITE).is_some_and(|value| value == "1") {
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, text).unwrap();
        return;
    }
    let found = fs::read_to_string(&file).unwrap_or_else(|error| panic!("{path}: {error}; {}", hint()));
    let differs = found.lines().zip(text.lines()).position(|(found, text)| found != text);
    let line = differs.unwrap_or_else(|| found.lines().count().min(text.lines().count()));
    assert!(
        found == text,
        "{path} differs from the code in line {}:\n  file: {:?}\n  code: {:?}\n{}",
        line + 1,
        found.lines().nth(line),
        text.lines().nth(line),
        hint()
    );
}

fn hint() -> String {
    format!(
        "if the code is right, write the file again with `{WRITE}=1 cargo test --test program --test repository -- documents documentation reference`"
    )
}
