//! `deploy/` as a user edits it.

use std::{fs, path::Path, process::Command};

use serde_json::Value;
use tempfile::TempDir;

use super::commands::run;

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A copy of it and of the files that it refers to.
pub(crate) struct Deploy {
    folder: TempDir,
}

impl Deploy {
    /// With these components besides the default ones.
    pub(crate) fn with(components: &[&str]) -> Self {
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        for part in ["deploy", "grafana"] {
            copy_directory(&repository().join(part), &folder.path().join(part));
        }
        let new = Self { folder };
        components.iter().fold(new, |deploy, name| {
            let on = format!("\n- components/{name}\n");
            deploy.replacing(&format!("\n# - components/{name}\n"), &on)
        })
    }

    /// With another text in its kustomization.
    pub(crate) fn replacing(self, from: &str, to: &str) -> Self {
        let file = self.folder.path().join("deploy/kustomization.yaml");
        let kustomization = fs::read_to_string(&file).unwrap();
        assert!(kustomization.contains(from), "{from}");
        fs::write(&file, kustomization.replace(from, to)).unwrap();
        self
    }

    /// For another Service than the lab's.
    pub(crate) fn naming(self, service: &str) -> Self {
        self.replacing("service=mysql/mysql-read", &format!("service={service}"))
    }

    /// Where it is, for `kubectl apply -k`.
    pub(crate) fn path(&self) -> String {
        self.folder.path().join("deploy").display().to_string()
    }

    /// The rendered objects.
    pub(crate) fn rendered(&self) -> Vec<Value> {
        Self::render(Path::new(&self.path()))
    }

    /// What an overlay beside it with this kustomization would apply.
    pub(crate) fn overlaid(&self, kustomization: &str) -> Vec<Value> {
        self.beside("overlay", kustomization);
        Self::render(&self.folder.path().join("overlay"))
    }

    /// Writes the kustomization of another directory beside it.
    pub(crate) fn beside(&self, directory: &str, kustomization: &str) {
        let directory = self.folder.path().join(directory);
        fs::create_dir_all(&directory).unwrap();
        fs::write(directory.join("kustomization.yaml"), kustomization).unwrap();
    }

    fn render(directory: &Path) -> Vec<Value> {
        let programs = run(&mut Command::new(repository().join("tests/cluster/build")));
        let kubectl = Path::new(programs.trim()).join("kubectl");
        let yaml = run(Command::new(kubectl).arg("kustomize").arg(directory));
        serde_saphyr::from_multiple(&yaml).unwrap()
    }
}

/// Copies a directory recursively.
fn copy_directory(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let (path, copy) = (entry.path(), to.join(entry.file_name()));
        if path.is_dir() {
            copy_directory(&path, &copy);
        } else {
            fs::copy(path, copy).unwrap();
        }
    }
}
