//! Errors in a configuration file: place, problem and a correct example.

use std::{
    fmt::Display,
    path::{Path, PathBuf},
};

#[derive(Debug, thiserror::Error)]
pub enum FileError {
    #[error("cannot read {path:?}: {reason}; check that it is a file and that this user may read it")]
    Unreadable { path: PathBuf, reason: std::io::Error },
    #[error("{path:?} is longer than {bytes_max} bytes, the maximum for a configuration file; check the path")]
    TooLong { path: PathBuf, bytes_max: u64 },
    #[error("{path:?} is not UTF-8 text; check the path, or save the file as UTF-8")]
    NotText { path: PathBuf },
    #[error("{}:{line}: {key}: {problem}; for example:\n{example}", path.display())]
    Wrong {
        path: PathBuf,
        /// From 1.
        line: u64,
        key: String,
        problem: String,
        example: String,
    },
}

/// An error without the path of the file, which the caller adds.
#[derive(Debug)]
pub(crate) struct Wrong {
    pub(crate) line: u64,
    pub(crate) key: String,
    pub(crate) problem: String,
    pub(crate) example: String,
}

impl Wrong {
    pub(crate) fn new(line: u64, key: &str, problem: impl Display, example: impl Into<String>) -> Self {
        Self { line, key: key.to_owned(), problem: problem.to_string(), example: example.into() }
    }

    /// `example` gives the example for a key.
    pub(crate) fn of_yaml(error: &serde_saphyr::Error, text: &str, example: impl Fn(&str) -> String) -> Self {
        let place = error.location();
        let line = place.map_or(1, |place| place.line());
        let (key, problem) = problem(error.without_snippet());
        // The parser reports a place but no key here. The key is in that line, at the place or before it.
        let index = |number: u64| usize::try_from(number.saturating_sub(1)).unwrap_or(usize::MAX);
        let in_line = || text.lines().nth(index(line)).and_then(|text| key_at(text, index(place?.column())));
        let key = key.or_else(in_line).unwrap_or("YAML").to_owned();
        Self { line, example: example(&key), key, problem }
    }

    pub(crate) fn in_file(self, path: &Path) -> FileError {
        let Self { line, key, problem, example } = self;
        FileError::Wrong { path: path.to_owned(), line, key, problem, example }
    }
}

/// The key if the error names it, and the error without its place, which is printed before it.
fn problem(error: &serde_saphyr::Error) -> (Option<&str>, String) {
    use serde_saphyr::{Error, budget::BudgetBreach};

    match error {
        Error::AliasError { error, .. } => problem(error),
        // A sentence of `text::invalid`.
        Error::SerdeInvalidValue { expected, .. } => (None, expected.clone()),
        Error::SerdeUnknownField { field, expected, .. } => (Some(field), unknown(field, expected)),
        Error::SerdeMissingField { field, .. } => (Some(field), "missing; this key is required".to_owned()),
        Error::DuplicateMappingKey { key, .. } => {
            (key.as_deref(), "duplicate key; leave all but one of them out".to_owned())
        }
        Error::Budget { breach: BudgetBreach::Documents { .. }, .. } => {
            (None, "the file has more than one document".to_owned())
        }
        Error::Budget { .. } => (None, "the file is larger than any configuration; check its anchors".to_owned()),
        _ => {
            let message = error.to_string();
            let message = message.lines().next().unwrap_or_default();
            let message = message.split(" at line ").next().unwrap_or_default();
            let plain = message
                .replace("mapping start", "a mapping (KEY: VALUE)")
                .replace("sequence start", "a list (- ITEM)")
                .replace("string scalar", "a text");
            (None, plain)
        }
    }
}

fn unknown(key: &str, valid: &[&str]) -> String {
    /// Less similar names would mislead.
    const SIMILAR: f64 = 0.7;
    let likeness = |name: &&&str| strsim::jaro(key, name);
    let nearest =
        valid.iter().max_by(|a, b| likeness(a).total_cmp(&likeness(b))).filter(|name| likeness(name) > SIMILAR);
    let valid = valid.join(", ");
    match nearest {
        Some(name) => format!("unknown key, did you mean {name}? Valid keys are {valid}"),
        None => format!("unknown key; valid keys are {valid}"),
    }
}

/// The key at `column`, or the last key before it.
fn key_at(line: &str, column: usize) -> Option<&str> {
    let at = line.char_indices().nth(column).map_or(line.len(), |(at, _)| at);
    let ends = line[at..].find(':').map_or(line.len(), |colon| at + colon);
    let is_key = !line[at..ends].contains(|c: char| c.is_whitespace() || "{}[],".contains(c));
    let text = if is_key && ends < line.len() { &line[..ends] } else { &line[..line[..at].rfind(':')?] };
    let key = text.rsplit(|c: char| c.is_whitespace() || "{[,".contains(c)).next()?;
    Some(key.trim_matches(['"', '\''])).filter(|key| !key.is_empty())
}
