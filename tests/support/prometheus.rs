//! A real Prometheus, and promtool.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs,
    net::SocketAddr,
    process::{Command, Output},
    time::Duration,
};

use tempfile::TempDir;

use super::{
    commands::{mortal, run_with_input},
    http, obtained,
    program::Program,
    waiting::wait_for,
};

/// It lives in the network of the test's thread.
pub(crate) struct Prometheus {
    address: SocketAddr,
    _program: Program,
    _directory: TempDir,
}

impl Prometheus {
    pub(crate) fn scraping(target: SocketAddr) -> Self {
        Self::scraping_with(target, "scheme: http")
    }

    /// With further keys of the `scrape_config`, as the inside of a YAML flow mapping.
    pub(crate) fn scraping_with(target: SocketAddr, how: &str) -> Self {
        let configuration = format!(
            "global: {{scrape_interval: 1s, scrape_timeout: 1s}}
scrape_configs: [{{job_name: readscope, honor_labels: true, {how}, static_configs: [{{targets: ['{target}']}}]}}]\n"
        );
        Self::start(mortal("env"), &configuration, &[])
    }

    /// With a configuration and further options; `launcher` gets the program to run with its arguments.
    pub(crate) fn start(mut launcher: Command, configuration: &str, options: &[&str]) -> Self {
        let directory = TempDir::new().expect("a temporary directory can be made");
        let file = directory.path().join("prometheus.yml");
        fs::write(&file, configuration).expect("a temporary file can be written");
        let address = SocketAddr::from(([127, 0, 0, 1], 9090));
        launcher
            .arg(obtained::prometheus().join("usr/bin/prometheus"))
            .arg(format!("--config.file={}", file.display()))
            .arg(format!("--storage.tsdb.path={}", directory.path().join("data").display()))
            .arg(format!("--web.listen-address={address}"))
            .args(options);
        let mut program = Program::start(&mut launcher);
        wait_for("Prometheus to be ready", Duration::from_secs(60), || {
            assert!(program.is_running(), "Prometheus ends: {:?}", program.log());
            (program.logged(&["Server is ready"]) > 0).then_some(())
        });
        Self { address, _program: program, _directory: directory }
    }

    /// The value of an instant query for each value of one label; a result without the label has the empty one.
    pub(crate) fn query(&self, expression: &str, label: &str) -> BTreeMap<String, f64> {
        let answer = http::get(self.address, &format!("/api/v1/query?query={}", encode(expression))).json();
        let results = answer["data"]["result"].as_array().expect("the result is a vector");
        let entry = |result: &serde_json::Value| {
            let name = result["metric"][label].as_str().unwrap_or_default().to_owned();
            let value = result["value"][1].as_str().expect("values are strings");
            (name, value.parse().expect("values are numbers"))
        };
        results.iter().map(entry).collect()
    }
}

impl Prometheus {
    /// How many series an instant query gives that are numbers.
    pub(crate) fn values(&self, expression: &str) -> usize {
        let answer = http::get(self.address, &format!("/api/v1/query?query={}", encode(expression))).json();
        assert_eq!(answer["status"], "success", "{expression}: {answer}");
        let results = answer["data"]["result"].as_array().expect("the result is a vector");
        results.iter().filter(|result| result["value"][1] != "NaN").count()
    }
}

fn encode(text: &str) -> String {
    text.bytes().fold(String::new(), |mut encoded, byte| {
        write!(encoded, "%{byte:02X}").expect("a String takes what is written");
        encoded
    })
}

/// The output of `promtool check metrics` for an exposition.
pub(crate) fn check_metrics(exposition: &str) -> Output {
    let program = obtained::prometheus().join("usr/bin/promtool");
    run_with_input(Command::new(program).args(["check", "metrics"]), exposition)
}
