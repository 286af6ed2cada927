//! The directories that are given to `kubectl apply -k`, as kubectl renders them; and what a user sees who named the wrong
//! Service. One cluster for all, because it is there.

use std::{fs, path::Path, time::Duration};

use crate::{
    cluster::{Cluster, repository},
    deployed, mysql,
    waiting::wait_until,
};

/// Every kind that readscope's directory has by itself.
const KINDS: usize = 12;

/// A copy of `deploy/` in which a text of its kustomization is another one.
fn deploy_with(directory: &Path, from: &str, to: &str) -> String {
    let copy = directory.join("deploy");
    let _ = fs::remove_dir_all(&copy);
    copy_directory(&repository().join("deploy"), &copy);
    let file = copy.join("kustomization.yaml");
    let text = fs::read_to_string(&file).unwrap();
    assert!(text.contains(from), "{from}");
    fs::write(&file, text.replace(from, to)).unwrap();
    copy.display().to_string()
}

/// Copies what is in a directory, and in those in it.
pub(crate) fn copy_directory(from: &Path, to: &Path) {
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

fn kinds(rendered: &str) -> usize {
    rendered.lines().filter(|line| line.starts_with("kind: ")).count()
}

#[test]
fn every_directory_is_rendered_and_a_wrong_service_is_told() {
    let cluster = Cluster::start();
    let scratch = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();

    let old = cluster.kubectl("kustomize manifests/mysql-8.4");
    assert_eq!(old.matches("image: docker.io/library/mysql:8.4").count(), 3, "{old}");
    assert_eq!(cluster.kubectl("kustomize manifests").replace("mysql:9.7", "mysql:8.4"), old, "nothing else differs");

    let plain = cluster.kubectl("kustomize deploy");
    assert_eq!(kinds(&plain), KINDS, "{plain}");
    for (component, adds) in [("topology", 2), ("per-node", 3), ("prometheus-operator", 2), ("kubernetes-events", 0)] {
        let (off, on) = (format!("# - components/{component}\n"), format!("- components/{component}\n"));
        let rendered = cluster.kubectl(&format!("kustomize {}", deploy_with(scratch.path(), &off, &on)));
        assert_eq!(kinds(&rendered), KINDS + adds, "{component}: {rendered}");
    }

    // The operator is not there.
    let with = deploy_with(scratch.path(), "# - components/prometheus-operator", "- components/prometheus-operator");
    let error = cluster.try_kubectl(&format!("apply -k {with}")).unwrap_err();
    assert!(error.contains("no matches for kind \"PodMonitor\""), "{error}");
    // Neither is the namespace of MySQL.
    let error = cluster.try_kubectl("apply -k deploy").unwrap_err();
    assert!(error.contains("namespaces \"mysql\" not found"), "{error}");

    mysql::apply(&cluster);
    // Nobody is behind the Service, however long readscope takes to start.
    cluster.kubectl("-n mysql scale statefulset/mysql --replicas=0");
    mysql::make_secret(&cluster);
    deployed::apply(&cluster);
    deployed::make_secret(&cluster);
    says(&cluster, "that the Service has ready endpoints");
    // No Service of this name.
    let wrong = deploy_with(scratch.path(), "service=mysql/mysql-read", "service=mysql/mysql-reed");
    cluster.kubectl(&format!("apply -k {wrong}"));
    says(&cluster, "cannot resolve mysql-reed.mysql.svc");
    // No Service at all.
    let none = deploy_with(scratch.path(), "service=mysql/mysql-read", "service=");
    let _ = cluster.try_kubectl(&format!("apply -k {none}"));
    deployed::ends_saying(&cluster, "readscope", "--service");
}

fn says(cluster: &Cluster, words: &str) {
    wait_until(&format!("a log that says {words:?}"), Duration::from_secs(120), || {
        cluster.try_kubectl("-n readscope logs deployment/readscope").is_ok_and(|log| log.contains(words))
    });
}
