//! The scripts of the release workflow that refuse a release, run as the forge runs them.

use std::{
    fs,
    path::PathBuf,
    process::{Command, Output},
};

use serde_json::Value;
use tempfile::TempDir;

const VERSION: &str = env!("CARGO_PKG_VERSION");

fn workflow() -> Value {
    let text = crate::read(".github/workflows/release.yml");
    serde_saphyr::from_str(&text).unwrap()
}

/// A machine of the forge, with a checkout of this tree.
struct Machine {
    checkout: TempDir,
    tag: String,
}

impl Machine {
    fn of_tag(tag: &str) -> Self {
        let machine = Self { checkout: tempfile::tempdir().unwrap(), tag: tag.to_owned() };
        for file in ["Cargo.toml", "CHANGELOG.md"] {
            fs::copy(crate::root().join(file), machine.file(file)).unwrap();
        }
        machine
    }

    fn file(&self, name: &str) -> PathBuf {
        self.checkout.path().join(name)
    }

    /// Says in `CHANGELOG.md` what is new in this version.
    fn with_notes(self) -> Self {
        let file = self.file("CHANGELOG.md");
        let text = fs::read_to_string(&file).unwrap();
        let released = text.replace("## Unreleased\n", &format!("## Unreleased\n\n## {VERSION} - 2026-11-30\n"));
        fs::write(&file, format!("{released}\n## 0.0.9 - 2026-01-01\n\n- What was new before.\n")).unwrap();
        self
    }

    /// Runs the script of a step in the shell that the forge uses.
    fn runs(&self, job: &str, step: &str) -> Output {
        let workflow = workflow();
        let steps = workflow["jobs"][job]["steps"].as_array().unwrap();
        let step = steps.iter().find(|found| found["name"] == step).unwrap_or_else(|| panic!("no step {step:?}"));
        let mut command = Command::new("bash");
        command.args(["--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"].as_str().unwrap()]);
        command
            .current_dir(self.checkout.path())
            .env("GITHUB_REF_NAME", &self.tag)
            .env("TRIPLE", "x86_64-unknown-linux-gnu")
            .output()
            .unwrap()
    }

    #[track_caller]
    fn runs_well(&self, job: &str, step: &str) {
        let output = self.runs(job, step);
        assert!(output.status.success(), "{step}: {}", said(&output));
    }
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr].concat()).into_owned()
}

const CHECK: &str = "Check the tag against Cargo.toml and CHANGELOG.md";

#[test]
fn the_notes_of_a_release_are_its_section_of_the_changelog() {
    let machine = Machine::of_tag(&format!("v{VERSION}")).with_notes();
    machine.runs_well("check", CHECK);
    let notes = fs::read_to_string(machine.file("notes.md")).unwrap();
    assert!(notes.starts_with(&format!("## {VERSION} ")) && notes.contains("### Added"), "{notes}");
    assert!(!notes.contains("Unreleased") && !notes.contains("0.0.9"), "{notes}");
}

#[test]
fn a_tag_of_another_version_and_a_version_without_notes_are_refused() {
    let other = Machine::of_tag("v99.0.0").with_notes().runs("check", CHECK);
    assert!(!other.status.success() && said(&other).contains("the tag is v99.0.0, but Cargo.toml has"), "{other:?}");
    let silent = Machine::of_tag(&format!("v{VERSION}"));
    // What the next release brings is not in this one.
    let changes = fs::read_to_string(silent.file("CHANGELOG.md")).unwrap();
    fs::write(silent.file("CHANGELOG.md"), changes.replace(&format!("## {VERSION}"), "## 0.0.0")).unwrap();
    let refused = silent.runs("check", CHECK);
    assert!(!refused.status.success() && said(&refused).contains("CHANGELOG.md has no section"), "{refused:?}");
}

#[test]
fn a_changed_program_does_not_pass_its_checksum() {
    let machine = Machine::of_tag(&format!("v{VERSION}"));
    fs::write(machine.file("a.tar.gz"), "as it was").unwrap();
    let sum = Command::new("sha256sum").arg("a.tar.gz").current_dir(machine.checkout.path()).output().unwrap();
    fs::write(machine.file("a.tar.gz.sha256"), sum.stdout).unwrap();
    machine.runs_well("release", "Merge the checksums");
    fs::write(machine.file("a.tar.gz"), "as it is").unwrap();
    assert!(!machine.runs("release", "Merge the checksums").status.success());
}

#[test]
fn the_archive_has_the_program_with_its_manual_and_completions() {
    let machine = Machine::of_tag(&format!("v{VERSION}")).with_notes();
    for file in ["LICENSE", "README.md", "SECURITY.md"] {
        fs::copy(crate::root().join(file), machine.file(file)).unwrap();
    }
    fs::copy(env!("CARGO_BIN_EXE_readscope"), machine.file("readscope")).unwrap();
    let git = |arguments: &[&str]| {
        let identity = ["-c", "user.name=readscope", "-c", "user.email=readscope@localhost"];
        let called = Command::new("git").args(identity).args(arguments).current_dir(machine.checkout.path()).output();
        assert!(called.as_ref().unwrap().status.success(), "{called:?}");
    };
    git(&["init", "--quiet"]);
    git(&["add", "LICENSE"]);
    git(&["commit", "--quiet", "--message", "A release"]);
    machine.runs_well("program", "Pack the archive");
    let archive = format!("readscope-{VERSION}-x86_64-unknown-linux-gnu.tar.gz");
    let listed = Command::new("tar").args(["--list", "--file"]).arg(machine.file(&archive)).output().unwrap();
    let listed = said(&listed);
    for file in ["readscope", "readscope.1", "readscope.bash", "readscope.zsh", "LICENSE", "SECURITY.md"] {
        assert!(listed.lines().any(|line| line.ends_with(&format!("/{file}"))), "{file} in {listed}");
    }
}

/// A tag can be moved to another commit.
#[test]
fn actions_are_pinned_by_their_commits() {
    for entry in fs::read_dir(crate::root().join(".github/workflows")).unwrap() {
        let text = fs::read_to_string(entry.unwrap().path()).unwrap();
        for line in text.lines().filter_map(|line| line.split_once("uses: ")) {
            let (_, pin) = line.1.split_once('@').unwrap();
            let commit = pin.split(' ').next().unwrap();
            assert!(commit.len() == 40 && pin.contains(" # v"), "{line:?}");
        }
    }
}

/// What is put into a script by the forge would be part of it, whatever characters it has.
#[test]
fn scripts_take_what_the_forge_says_from_their_environment() {
    for job in workflow()["jobs"].as_object().unwrap().values() {
        for step in job["steps"].as_array().unwrap() {
            let script = step["run"].as_str().unwrap_or_default();
            assert!(!script.contains("${{"), "{script}");
        }
    }
}
