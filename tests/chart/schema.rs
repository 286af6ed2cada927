//! The JSON Schema of the configuration file, judged by Helm's validator: a chart has it as the schema of its values.

use std::fs;

use crate::{
    file, helm,
    support::commands::{run, try_run},
};

#[test]
fn the_schema_of_the_configuration_accepts_valid_files_and_refuses_others() {
    let chart = tempfile::tempdir().unwrap();
    fs::write(chart.path().join("Chart.yaml"), "{apiVersion: v2, name: schema, version: 0.1.0}").unwrap();
    fs::write(chart.path().join("values.schema.json"), file("docs/configuration.schema.json")).unwrap();
    let root = env!("CARGO_MANIFEST_DIR");
    let validate = |path: &str| {
        let mut command = helm();
        command.arg("template").arg(chart.path()).arg("--values").arg(format!("{root}/{path}"));
        command
    };
    for name in ["one", "fleet", "tls", "rds"] {
        run(&mut validate(&format!("examples/{name}.yaml")));
    }
    run(&mut validate("tests/fixtures/configuration.yaml"));
    for (name, problem) in [
        ("unknown-key", "additional properties"),
        ("unknown-top-level-key", "additional properties"),
        ("name-among-defaults", "additional properties 'name' not allowed"),
        ("no-targets", "missing property 'targets'"),
        ("empty-targets", "minItems"),
        ("targets-no-list", "want array"),
        ("nowhere", "missing property 'service'"),
        ("tls-mode", "value must be one of"),
        ("tolerance", "maximum"),
        ("expect-a-list", "want object"),
    ] {
        let error = try_run(&mut validate(&format!("tests/fixtures/invalid-{name}.yaml"))).unwrap_err();
        assert!(error.contains(problem), "{name}: {error}");
    }
}
