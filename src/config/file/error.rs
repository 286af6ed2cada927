//! Errors in a configuration file: place, problem and a correct example.

use std::path::{Path, PathBuf};

#[derive(Debug, thiserror::Error)]
pub enum FileError {
    #[error("cannot read {path:?}: {reason}; check that it is a file and that this user may read it")]
    Unreadable { path: PathBuf, reason: std::io::Error },
    #[error("{path:?} is longer than {bytes_max} bytes, which no configuration is; check the path")]
    TooLong { path: PathBuf, bytes_max: u64 },
    #[error("{path:?} is not text in UTF-8; save it as UTF-8, and check the path")]
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
    pub(crate) example: &'static str,
}

impl Wrong {
    pub(crate) fn of_yaml(error: &serde_saphyr::Error, text: &str, example: &'static str) -> Self {
        let place = error.location();
        let line = place.map_or(1, |place| place.line());
        let problem = problem(error.without_snippet());
        let named = ["unknown field `", "missing field `", "duplicate mapping key: "]
            .iter()
            .find_map(|start| problem.strip_prefix(start)?.split(['`', ',']).next());
        // The parser reports a place but no key here. The key is in that line, at the place or before it.
        let index = |number: u64| usize::try_from(number.saturating_sub(1)).unwrap_or(usize::MAX);
        let in_line = || text.lines().nth(index(line)).and_then(|text| key_at(text, index(place?.column())));
        let key = named.or_else(in_line).unwrap_or("YAML").to_owned();
        Self { line, key, problem, example }
    }

    pub(crate) fn in_file(self, path: &Path) -> FileError {
        let Self { line, key, problem, example } = self;
        FileError::Wrong { path: path.to_owned(), line, key, problem, example: example.to_owned() }
    }
}

/// The parser's message in simpler words, without the place, which is printed before it.
fn problem(error: &serde_saphyr::Error) -> String {
    use serde_saphyr::{Error, budget::BudgetBreach};

    match error {
        Error::Budget { breach: BudgetBreach::Documents { .. }, .. } => {
            "the file has more than one document".to_owned()
        }
        Error::Budget { .. } => "the file has more in it than any configuration; check its anchors".to_owned(),
        _ => {
            let said = error.to_string();
            let said = said.lines().next().unwrap_or_default();
            let said = said.split(" at line ").next().unwrap_or_default();
            let said = said.split(", set DuplicateKeyPolicy").next().unwrap_or_default();
            said.replace("mapping start", "a mapping (KEY: VALUE)")
                .replace("sequence start", "a list (- ITEM)")
                .replace("string scalar", "a text")
        }
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
