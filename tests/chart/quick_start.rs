//! The commands of docs/quick-start.md fit the manifests, the chart and the program.

use std::fs;

use serde_json::Value;

use crate::{
    file, helm,
    support::{commands::run, program::call},
};

/// The lines of the page's shell commands, without comments.
fn commands() -> Vec<String> {
    let page = file("docs/quick-start.md");
    let blocks = page.split("```sh\n").skip(1).map(|rest| rest.split("```").next().unwrap().to_owned());
    let lines = blocks.flat_map(|block| block.lines().map(str::to_owned).collect::<Vec<_>>());
    lines.map(|line| line.split("    #").next().unwrap().trim_end().to_owned()).collect()
}

fn only<'a>(commands: &'a [String], part: &str) -> &'a str {
    let found: Vec<_> = commands.iter().filter(|command| command.contains(part)).collect();
    let [command] = found[..] else { panic!("{part}: {found:?}") };
    command
}

fn objects(path: &str) -> Vec<Value> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let yaml = files.filter(|path| path.extension().is_some_and(|extension| extension == "yaml"));
    yaml.flat_map(|path| serde_saphyr::from_multiple::<Value>(&fs::read_to_string(path).unwrap()).unwrap()).collect()
}

fn is(object: &Value, kind: &str, name: &str) -> bool {
    object["kind"] == kind && object["metadata"]["name"] == name
}

#[test]
fn the_installed_chart_finds_the_service_and_the_secrets_of_the_page() {
    let commands = commands();
    assert_eq!(only(&commands, "kubectl apply"), "kubectl apply -k manifests");
    let resources: Value = serde_saphyr::from_str(&file("manifests/kustomization.yaml")).unwrap();
    assert_eq!(resources["resources"], serde_json::json!(["base"]));
    let mysql = objects("manifests/base");
    let set = mysql.iter().find(|object| is(object, "StatefulSet", "mysql")).unwrap();

    // Every account that a pod reads from the Secret is one that the page makes.
    let secret = only(&commands, "--from-env-file");
    assert!(secret.contains("--namespace mysql create secret generic mysql-passwords"), "{secret}");
    let accounts = secret.split("for account in ").nth(1).unwrap().split(';').next().unwrap();
    let accounts: Vec<&str> = accounts.split_whitespace().collect();
    let text = set.to_string();
    assert!(text.contains("\"mysql-passwords\""), "{text}");
    for key in text.split("\"key\":\"").skip(1).map(|rest| rest.split('"').next().unwrap()) {
        assert!(accounts.contains(&key), "{key} is not in {accounts:?}");
    }
    assert!(
        only(&commands, "base64decode").contains("{{.data.readscope|base64decode}}") && accounts.contains(&"readscope")
    );

    let install: Vec<&str> = only(&commands, "helm install").split_whitespace().collect();
    assert_eq!(install[..2], ["helm", "install"]);
    let rendered = run(helm().current_dir(env!("CARGO_MANIFEST_DIR")).arg("template").args(&install[2..]));
    let chart: Vec<Value> = serde_saphyr::from_multiple(&rendered).unwrap();
    let deployment = chart.iter().find(|object| is(object, "Deployment", "readscope")).unwrap();
    let pod = &deployment["spec"]["template"]["spec"];
    let variable = |name: &str| {
        let all = pod["containers"][0]["env"].as_array().unwrap();
        all.iter().find(|variable| variable["name"] == name).unwrap()["value"].as_str().unwrap().to_owned()
    };
    let (namespace, service) =
        variable("READSCOPE_SERVICE").split_once('/').map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
    let found = mysql.iter().find(|object| is(object, "Service", &service)).unwrap();
    assert!(mysql.iter().any(|object| is(object, "Namespace", &namespace)), "{found}");
    let created = only(&commands, "base64decode").split("create secret generic ").nth(1).unwrap();
    let password = &pod["volumes"][0]["secret"]["secretName"];
    assert_eq!(created, format!("{} --from-file=password=/dev/stdin", password.as_str().unwrap()));
    assert_eq!(variable("READSCOPE_PASSWORD_FILE"), "/etc/readscope/password");
    let namespace = deployment["metadata"]["namespace"].as_str().unwrap();
    assert_eq!(only(&commands, "create namespace"), format!("kubectl create namespace {namespace}"));
    let port =
        chart.iter().find(|object| is(object, "Service", "readscope")).unwrap()["spec"]["ports"][0]["port"].clone();
    let forward = format!("kubectl --namespace {namespace} port-forward service/readscope {port}");
    assert_eq!(only(&commands, "port-forward"), forward);
    let image = pod["containers"][0]["image"].as_str().unwrap();
    assert!(
        only(&commands, "docker build").contains(image) && only(&commands, "kind load").ends_with(image),
        "{image}"
    );
}

#[test]
fn the_commands_of_the_program_are_valid() {
    let folder = tempfile::tempdir().unwrap();
    let password = folder.path().join("password");
    fs::write(&password, "secret\n").unwrap();
    let commands = commands();
    let own: Vec<_> = commands.iter().filter_map(|command| command.strip_prefix("readscope ")).collect();
    assert_eq!(own.len(), 3, "{own:?}");
    for command in own {
        let command = command.replace("password-file password", &format!("password-file {}", password.display()));
        let words: Vec<&str> = command.split_whitespace().collect();
        // `watch` has no such check; its target options are those of `run`.
        let checked = if words[0] == "watch" { [&["run"], &words[1..]].concat() } else { words };
        let ended = call(&[&checked[..], &["--config.check"]].concat());
        assert_eq!(ended.code, Some(0), "{ended:?}");
    }
}
