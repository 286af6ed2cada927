//! The scripts of the release workflow, run as the forge runs them, with what cannot be had here written down instead of done:
//! `docker` and `gh`.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use serde_json::Value;
use tempfile::TempDir;

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Says what it was called with, and leaves what its caller needs: the program that is taken out of the image.
const STAND_IN: &str = r#"#!/bin/bash
printf '%s' "${0##*/}" >>"$CALLS"; printf ' %s' "$@" >>"$CALLS"; echo >>"$CALLS"
case "$1 $2" in
  'cp '*) printf '#!/bin/sh\necho readscope\n' >"$3" ;;
  'run '*) echo "readscope $WITHIN" ;;
  'login '*) cat >/dev/null ;;
esac
"#;

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn workflow() -> Value {
    let text = fs::read_to_string(repository().join(".github/workflows/release.yml")).unwrap();
    serde_saphyr::from_str(&text).unwrap()
}

/// A machine of the forge: a checkout of this tree, and programs that stand in for those that are not here.
struct Machine {
    folder: TempDir,
    tag: String,
}

impl Machine {
    fn of_tag(tag: &str) -> Self {
        let machine = Self { folder: tempfile::tempdir().unwrap(), tag: tag.to_owned() };
        fs::create_dir(machine.checkout()).unwrap();
        for file in ["Cargo.toml", "CHANGELOG.md", "LICENSE", "README.md"] {
            fs::copy(repository().join(file), machine.checkout().join(file)).unwrap();
        }
        let programs = machine.folder.path().join("programs");
        fs::create_dir(&programs).unwrap();
        for (name, script) in [("docker", STAND_IN), ("gh", STAND_IN), ("git", "#!/bin/sh\necho 1700000000\n")] {
            let path = programs.join(name);
            fs::write(&path, script).unwrap();
            fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        }
        machine
    }

    fn checkout(&self) -> PathBuf {
        self.folder.path().join("checkout")
    }

    /// Says in `CHANGELOG.md` what is new in this version.
    fn with_notes(self) -> Self {
        let file = self.checkout().join("CHANGELOG.md");
        let text = fs::read_to_string(&file).unwrap();
        let released = text.replace("## Unreleased\n", &format!("## Unreleased\n\n## {VERSION} - 2026-11-30\n"));
        fs::write(&file, format!("{released}\n## 0.0.9 - 2026-01-01\n\n- What was new before.\n")).unwrap();
        self
    }

    /// Runs the script of a step in the shell that the forge uses.
    fn runs(&self, job: &str, step: &str, with: &[(&str, &str)]) -> Output {
        let workflow = workflow();
        let steps = workflow["jobs"][job]["steps"].as_array().unwrap();
        let step = steps.iter().find(|found| found["name"] == step).unwrap_or_else(|| panic!("no step {step:?}"));
        let path = format!("{}:{}", self.folder.path().join("programs").display(), std::env::var("PATH").unwrap());
        let mut command = Command::new("bash");
        command.args(["--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"].as_str().unwrap()]);
        command.current_dir(self.checkout()).env("PATH", path).env("CALLS", self.folder.path().join("calls"));
        command.env("WITHIN", VERSION).env("IMAGE", "ghcr.io/readscope/readscope");
        let of_the_forge = [
            ("GITHUB_REF_NAME", &*self.tag),
            ("GITHUB_SHA", "0123456789"),
            ("GITHUB_ACTOR", "somebody"),
            ("GITHUB_REPOSITORY", "readscope/readscope"),
            ("TOKEN", "secret"),
            ("GH_TOKEN", "secret"),
        ];
        command.envs(of_the_forge.into_iter().chain(with.iter().copied())).output().unwrap()
    }

    #[track_caller]
    fn runs_well(&self, job: &str, step: &str, with: &[(&str, &str)]) {
        let output = self.runs(job, step, with);
        assert!(output.status.success(), "{step}: {}", said(&output));
    }

    fn calls(&self) -> String {
        fs::read_to_string(self.folder.path().join("calls")).unwrap()
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.checkout().join(name)).unwrap()
    }
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr].concat()).into_owned()
}

const CHECK: &str = "Check the tag against Cargo.toml and CHANGELOG.md";

#[test]
fn a_release_has_programs_with_checksums_an_image_for_both_architectures_and_notes() {
    let machine = Machine::of_tag(&format!("v{VERSION}")).with_notes();
    machine.runs_well("check", CHECK, &[]);
    let notes = machine.read("notes.md");
    assert!(notes.starts_with(&format!("## {VERSION} ")) && notes.contains("### Added"), "{notes}");
    assert!(!notes.contains("Unreleased") && !notes.contains("0.0.9"), "{notes}");

    let workflow = workflow();
    let matrix = workflow["jobs"]["program"]["strategy"]["matrix"]["include"].as_array().unwrap();
    for kind in matrix {
        let of = |name: &str| kind[name].as_str().unwrap();
        let with = [("ARCHITECTURE", of("architecture")), ("TRIPLE", of("triple"))];
        for step in ["Build the image", "Copy the binary out of the image", "Push the image"] {
            machine.runs_well("program", step, &with);
        }
        let name = format!("readscope-{VERSION}-{}", of("triple"));
        let listed = Command::new("tar").arg("tf").arg(machine.checkout().join(format!("{name}.tar.gz"))).output();
        let listed = said(&listed.unwrap());
        let files = ["", "CHANGELOG.md", "LICENSE", "README.md", "readscope"];
        assert_eq!(listed.lines().collect::<Vec<_>>(), files.map(|file| format!("{name}/{file}")));
        fs::remove_dir_all(machine.checkout().join(&name)).unwrap();
    }

    for step in ["Merge the checksums", "Merge the images of both architectures", "Publish"] {
        machine.runs_well("release", step, &[]);
    }
    let sums = machine.read("SHA256SUMS");
    assert_eq!(sums.lines().count(), matrix.len(), "{sums}");
    let calls = machine.calls();
    let image = "ghcr.io/readscope/readscope";
    for call in [
        format!("docker build --build-arg VERSION={VERSION} --build-arg REVISION=0123456789 "),
        format!("docker push {image}:v{VERSION}-amd64\n"),
        format!("docker push {image}:v{VERSION}-arm64\n"),
        format!(
            "docker buildx imagetools create --tag {image}:{VERSION} --tag {image}:latest {image}:v{VERSION}-amd64 \
             {image}:v{VERSION}-arm64\n"
        ),
        format!("gh release create v{VERSION} --repo readscope/readscope --verify-tag --notes-file notes.md "),
    ] {
        assert!(calls.contains(&call), "{call:?} is not in {calls}");
    }
    assert!(calls.contains("x86_64-unknown-linux-gnu.tar.gz SHA256SUMS\n"), "{calls}");
    assert!(!calls.contains("secret"), "passwords are no arguments: {calls}");
}

#[test]
fn a_tag_of_another_version_and_a_version_without_notes_are_refused() {
    let other = Machine::of_tag("v99.0.0").with_notes().runs("check", CHECK, &[]);
    assert!(!other.status.success() && said(&other).contains("the tag is v99.0.0, but Cargo.toml has"), "{other:?}");
    let silent = Machine::of_tag(&format!("v{VERSION}"));
    // What the next release brings is not in this one.
    let changes = silent.read("CHANGELOG.md").replace(&format!("## {VERSION}"), "## 0.0.0");
    fs::write(silent.checkout().join("CHANGELOG.md"), changes).unwrap();
    let refused = silent.runs("check", CHECK, &[]);
    assert!(!refused.status.success() && said(&refused).contains("CHANGELOG.md has no section"), "{refused:?}");
}

#[test]
fn a_changed_program_does_not_pass_its_checksum() {
    let machine = Machine::of_tag(&format!("v{VERSION}"));
    fs::write(machine.checkout().join("a.tar.gz"), "as it was").unwrap();
    let sum = Command::new("sha256sum").arg("a.tar.gz").current_dir(machine.checkout()).output().unwrap();
    fs::write(machine.checkout().join("a.tar.gz.sha256"), sum.stdout).unwrap();
    machine.runs_well("release", "Merge the checksums", &[]);
    fs::write(machine.checkout().join("a.tar.gz"), "as it is").unwrap();
    assert!(!machine.runs("release", "Merge the checksums", &[]).status.success());
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
