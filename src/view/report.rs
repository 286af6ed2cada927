//! The result of `check`: a table for people, CSV and Markdown for files.

use super::terminal::{columns, escaped};
use crate::api::{Checked, Replica, Target};

/// The first column is to the left, the numbers are to the right.
const HEADINGS: [&str; 7] = ["replica", "reads", "share", "interval", "expected", "pod probe", "clients"];

const CSV_HEADINGS: &str = "target,verdict,exit_code,replica,reads,share,share_lower,share_upper,expected_share,\
                            pod_probe_up,client_connections";

type Row = [String; HEADINGS.len()];

/// Without a replica, nothing.
pub fn table(target: &Target<'_>) -> Vec<String> {
    if target.replicas.is_empty() {
        return Vec::new();
    }
    let rows: Vec<Row> = [HEADINGS.map(str::to_owned)].into_iter().chain(target.replicas.iter().map(row)).collect();
    let width = |column: usize| rows.iter().map(|row| columns(&row[column])).max().unwrap_or(0);
    let widths: [usize; HEADINGS.len()] = std::array::from_fn(width);
    let line = |row: &Row| {
        let cells = row.iter().zip(widths).enumerate().map(|(column, (cell, width))| {
            let (cell, room) = (escaped(cell), " ".repeat(width.saturating_sub(columns(cell))));
            if column == 0 { format!("{cell}{room}") } else { format!("{room}{cell}") }
        });
        cells.collect::<Vec<_>>().join("  ")
    };
    rows.iter().map(line).collect()
}

/// One row per replica; a target without replicas has one row, too.
pub fn csv(results: &[Checked<'_>]) -> String {
    let mut lines = vec![CSV_HEADINGS.to_owned()];
    for Checked { target, exit_code, .. } in results {
        let verdict = target.verdict.as_deref().unwrap_or_default();
        let first = format!("{},{verdict},{exit_code}", quoted(&target.target));
        if target.replicas.is_empty() {
            lines.push(format!("{first},,,,,,,,"));
        }
        for replica in &target.replicas {
            let number = |number: Option<f64>| number.map(|number| number.to_string()).unwrap_or_default();
            let (share, lower, upper) =
                (number(replica.share), number(replica.share_lower), number(replica.share_upper));
            let up = replica.pod_probe_up.map(|up| up.to_string()).unwrap_or_default();
            let clients = replica.clients.map(|clients| clients.connections.to_string()).unwrap_or_default();
            let (name, reads, expected) = (quoted(&replica.replica), replica.reads, replica.expected_share);
            lines.push(format!("{first},{name},{reads},{share},{lower},{upper},{expected},{up},{clients}"));
        }
    }
    lines.join("\n")
}

/// With several targets, each has a heading.
pub fn markdown(results: &[Checked<'_>]) -> String {
    let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
    let head = format!("{}|:---|{}\n", line(&HEADINGS.map(str::to_owned)), "---:|".repeat(HEADINGS.len() - 1));
    let of_target = |Checked { target, .. }: &Checked<'_>| {
        let heading = if results.len() > 1 { format!("## {}\n\n", target.target) } else { String::new() };
        let in_cell = |cell: String| escaped(&cell).replace('|', "\\|");
        let rows: String = target.replicas.iter().map(|replica| line(&row(replica).map(in_cell))).collect();
        let table = if rows.is_empty() { rows } else { format!("{head}{rows}\n") };
        format!("{heading}{table}{}\n", escaped(target.headline.as_deref().unwrap_or_default()))
    };
    results.iter().map(of_target).collect::<Vec<_>>().join("\n").trim_end().to_owned()
}

fn row(replica: &Replica<'_>) -> Row {
    let percent = |part: f64| format!("{:.1}%", part * 100.0);
    let unknown = || "-".to_owned();
    let interval = replica.share_lower.zip(replica.share_upper);
    let pod_probe = replica.pod_probe_up.map(|up| if up { "up" } else { "down" }.to_owned());
    [
        replica.replica.to_string(),
        replica.reads.to_string(),
        replica.share.map_or_else(unknown, percent),
        interval.map_or_else(unknown, |(lower, upper)| format!("{:.1}–{}", lower * 100.0, percent(upper))),
        percent(replica.expected_share),
        pod_probe.unwrap_or_else(unknown),
        replica.clients.map_or_else(unknown, |clients| clients.connections.to_string()),
    ]
}

/// As RFC 4180 has it.
fn quoted(text: &str) -> String {
    if text.contains(['"', ',', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn checked(replicas: &serde_json::Value) -> Checked<'static> {
        let target = json!({"target": "shop,\"eu\"", "verdict": "unbalanced", "headline": "Unbalanced: | rules",
                            "probes": 10, "failures": 0, "replicas": replicas});
        Checked { target: serde_json::from_value(target).unwrap(), exit_code: 1, p_value: None }
    }

    fn some() -> Checked<'static> {
        checked(&json!([
            {"replica": "mysql-0", "reads": 1234, "share": 0.5, "share_lower": 0.4512, "share_upper": 0.5488,
             "expected_share": 0.333_333, "pod_probe_up": true, "clients": {"connections": 12}},
            {"replica": "a|b\u{1b}[2J\n", "reads": 0, "share": null, "expected_share": 0.0, "pod_probe_up": false},
        ]))
    }

    #[test]
    fn a_table_is_aligned_and_shows_what_is_unknown() {
        let expected = [
            r"replica         reads  share    interval  expected  pod probe  clients",
            r"mysql-0          1234  50.0%  45.1–54.9%     33.3%         up       12",
            r"a|b\u{1b}[2J\n      0      -           -      0.0%       down        -",
        ];
        assert_eq!(table(&some().target), expected);
        assert_eq!(table(&checked(&json!([])).target), [""; 0]);
    }

    #[test]
    fn csv_has_a_row_per_replica_and_quotes_names() {
        let expected = concat!(
            "target,verdict,exit_code,replica,reads,share,share_lower,share_upper,expected_share,pod_probe_up,",
            "client_connections\n",
            "\"shop,\"\"eu\"\"\",unbalanced,1,mysql-0,1234,0.5,0.4512,0.5488,0.333333,true,12\n",
            "\"shop,\"\"eu\"\"\",unbalanced,1,\"a|b\u{1b}[2J\n\",0,,,,0,false,\n",
            "\"shop,\"\"eu\"\"\",unbalanced,1,,,,,,,,",
        );
        assert_eq!(csv(&[some(), checked(&json!([]))]), expected);
    }

    #[test]
    fn markdown_has_a_table_and_the_sentence() {
        let table = concat!(
            "| replica | reads | share | interval | expected | pod probe | clients |\n",
            "|:---|---:|---:|---:|---:|---:|---:|\n",
            "| mysql-0 | 1234 | 50.0% | 45.1–54.9% | 33.3% | up | 12 |\n",
            "| a\\|b\\u{1b}[2J\\n | 0 | - | - | 0.0% | down | - |\n",
            "\nUnbalanced: | rules",
        );
        assert_eq!(markdown(&[some()]), table);
        let heading = "## shop,\"eu\"\n\n";
        let second = format!("{heading}Unbalanced: | rules");
        assert_eq!(markdown(&[some(), checked(&json!([]))]), format!("{heading}{table}\n\n{second}"));
    }
}
