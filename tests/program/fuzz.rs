//! Files, texts and URLs with random changes: each is accepted or refused with a sentence, and nothing panics.

use std::{fmt, fs, path::Path, str::FromStr};

use proptest::{collection::vec, prelude::*, sample::Index};
use readscope::{
    config::{
        Address, Configuration, FileError, HttpConfiguration, Interval, Listen, RoutePrefix, Selector, Settings,
        TlsMode, Tolerance, WebConfiguration,
    },
    model::{Expected, GtidSet, cluster::ObjectName},
    source::exporter::ExporterUrl,
};
use tempfile::TempDir;

const WEB: &str = "http_server_config: {http2: false, headers: {X-Frame-Options: deny}}
basic_auth_users: {prometheus: $2y$04$QOauhQNbBCuQDKes6eFzPeMqBSjb7Mr5DUmpZ/VcEd00UAV/LDeSi}
rate_limit: {interval: 10ms, burst: 5}
";
const HTTP: &str = "basic_auth: {username: prometheus, password: secret}
tls_config: {insecure_skip_verify: true}
";

/// What a parser may stumble over.
const PIECES: [&str; 24] = [
    "",
    "\0",
    "\n",
    "\r\n",
    "\t",
    " ",
    "-",
    ":",
    ": ",
    "&a ",
    "*a",
    "[",
    "]",
    "{",
    "}",
    "\"",
    "'",
    "%",
    "@",
    "!!",
    "\u{202e}",
    "é",
    "99999999999999999999",
    "-1",
];

#[derive(Clone, Debug)]
enum Edit {
    Remove(Index, usize),
    Repeat(Index, usize),
    Insert(Index, usize),
    Any(Index, char),
}

fn edits() -> impl Strategy<Value = Vec<Edit>> {
    let edit = prop_oneof![
        (any::<Index>(), 1..40_usize).prop_map(|(at, length)| Edit::Remove(at, length)),
        (any::<Index>(), 1..40_usize).prop_map(|(at, length)| Edit::Repeat(at, length)),
        (any::<Index>(), 0..PIECES.len()).prop_map(|(at, piece)| Edit::Insert(at, piece)),
        (any::<Index>(), any::<char>()).prop_map(|(at, char)| Edit::Any(at, char)),
    ];
    vec(edit, 0..6)
}

fn edited(text: &str, edits: &[Edit]) -> String {
    let mut chars: Vec<char> = text.chars().collect();
    for edit in edits {
        let at = |index: &Index| index.index(chars.len() + 1);
        match edit {
            Edit::Remove(index, length) => {
                let from = at(index);
                let to = chars.len().min(from + length);
                chars.drain(from..to);
            }
            Edit::Repeat(index, length) => {
                let from = at(index);
                let part: Vec<_> = chars[from..chars.len().min(from + length)].to_vec();
                chars.splice(from..from, part);
            }
            Edit::Insert(index, piece) => {
                let from = at(index);
                chars.splice(from..from, PIECES[*piece].chars());
            }
            Edit::Any(index, char) => {
                let from = at(index);
                chars.insert(from, *char);
            }
        }
    }
    chars.into_iter().collect()
}

/// The sentence of a refusal names the file.
fn assert_said(error: &FileError, path: &Path) -> Result<(), TestCaseError> {
    let text = error.to_string();
    prop_assert!(text.contains(path.file_name().unwrap().to_str().unwrap()), "{text:?}");
    Ok(())
}

fn written(text: &str) -> (TempDir, std::path::PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file.yaml");
    fs::write(&path, text).unwrap();
    (folder, path)
}

/// What is shown means the same when it is read again.
fn assert_same_again<T>(text: &str) -> Result<(), TestCaseError>
where
    T: FromStr + fmt::Display + PartialEq + fmt::Debug,
    T::Err: fmt::Display,
{
    match text.parse::<T>() {
        Ok(read) => {
            let shown = read.to_string();
            let again = shown.parse::<T>();
            prop_assert!(again.as_ref().is_ok_and(|again| *again == read), "{text:?} is shown as {shown:?}");
        }
        Err(error) => prop_assert!(!error.to_string().is_empty()),
    }
    Ok(())
}

fn assert_read<T: FromStr>(text: &str) {
    let _ = text.parse::<T>();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn a_configuration_is_accepted_or_refused_and_what_is_shown_is_accepted(edits in edits()) {
        let usual = include_str!("../fixtures/configuration.yaml").replace("tls: {mode: verify-identity, ca_file: tls/authority.pem, cert_file: tls/client.pem, key_file: tls/client.key}", "tls: {mode: disabled}");
        let (_folder, path) = written(&edited(&usual, &edits));
        match Configuration::load(&path, Settings::default()) {
            Err(error) => assert_said(&error, &path)?,
            Ok(configuration) => {
                let shown = configuration.show().unwrap();
                let (_folder, path) = written(&shown);
                let again = Configuration::load(&path, Settings::default());
                prop_assert!(again.is_ok(), "{}\n{shown}", again.unwrap_err());
            }
        }
    }

    #[test]
    fn a_web_configuration_is_accepted_or_refused(edits in edits()) {
        let (_folder, path) = written(&edited(WEB, &edits));
        if let Err(error) = WebConfiguration::load(&path) {
            assert_said(&error, &path)?;
            prop_assert!(!error.to_string().contains("QOauhQNbBCuQDKes6eFzPeMqBSjb7Mr5DUmpZ"), "{error}");
        }
        let (_folder, path) = written(&edited(HTTP, &edits));
        if let Err(error) = HttpConfiguration::load(&path) {
            assert_said(&error, &path)?;
        }
    }

    #[test]
    fn a_url_or_an_address_is_shown_as_it_is_read(edits in edits(), form in 0..6_usize) {
        let usual = [
            "http://127.0.0.1:10306/prefix/", "https://user:pass@exporter.example", "[2001:db8::1]:3306", "mysql-read.mysql:3306",
            ":10306", "/readscope/",
        ];
        let text = edited(usual[form], &edits);
        assert_same_again::<ExporterUrl>(&text)?;
        assert_same_again::<Address>(&text)?;
        assert_same_again::<Listen>(&text)?;
        assert_read::<RoutePrefix>(&text);
        let _ = RoutePrefix::of_url(&text);
    }

    #[test]
    fn a_selector_or_a_name_is_shown_as_it_is_read(edits in edits(), form in 0..5_usize) {
        let usual = ["a=b,c!=d", "tier in (db,cache),!old", "readscope.io/probe", "mysql/mysql-read", "shop-a=2.5"];
        let text = edited(usual[form], &edits);
        if let Ok(selector) = text.parse::<Selector>() {
            prop_assert_eq!(selector.as_str().parse::<Selector>().ok(), Some(selector));
        }
        assert_same_again::<ObjectName>(&text)?;
        assert_read::<Expected>(&text);
    }

    #[test]
    fn a_number_or_a_word_is_read_or_refused(edits in edits(), form in 0..4_usize) {
        let text = edited(["1m30s500ms", "0.02", "verify-identity", "30d"][form], &edits);
        assert_read::<Interval>(&text);
        assert_read::<Tolerance>(&text);
        assert_read::<TlsMode>(&text);
    }

    #[test]
    fn a_gtid_set_is_read_or_refused(edits in edits(), form in 0..3_usize) {
        let usual = [
            "3e11fa47-71ca-11e1-9e33-c80aa9429562:1-5:7,\n4e11fa47-71ca-11e1-9e33-c80aa9429562:tag:1-18446744073709551615",
            "3E11FA47-71CA-11E1-9E33-C80AA9429562:1-3:5-9:tag_1:4:other:1-2",
            "",
        ];
        assert_read::<GtidSet>(&edited(usual[form], &edits));
    }
}
