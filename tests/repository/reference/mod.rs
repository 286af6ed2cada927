//! The references: `docs/api.md`; `docs/configuration.md` and its JSON Schema, generated from the keys that the
//! program accepts and from the help of its options; and the files of `examples/`.

mod api;
mod examples;
mod keys;

use std::fmt::Write as _;

use crate::support::golden;
use keys::{Key, Kind, LEVELS, Level};
use serde_json::{Map, Value, json};

const HEAD: &str = "\
# Configuration file: all keys

This page is generated from the program; `tests/repository/reference` compares it. [targets.md](targets.md) explains the file, and
[`examples/`](../examples) has complete ones. All keys exist since version 0.1.0.

[configuration.schema.json](configuration.schema.json) is the JSON Schema for editors. With the YAML language server, the
first line of the file names it:

```text
# yaml-language-server: $schema=https://raw.githubusercontent.com/readscope/readscope/main/docs/configuration.schema.json
```

A duration is a number with a unit, or several: `500ms`, `1s`, `5m`, `1h30m`, `30d`. Relative paths start at the folder of
the file. An option of the command line sets the same value for a single target.
";

fn table(level: &Level) -> String {
    let mut text = format!("\n## {}\n\n{}\n\n", level.title, level.about);
    text += "| key | type | default | meaning | example | option |\n| --- | --- | --- | --- | --- | --- |\n";
    for key in level.keys() {
        let code = |text: &str| if text.is_empty() { String::new() } else { format!("`{text}`") };
        let Key { name, kind, default, meaning, example, option } = &key;
        for cell in [default, meaning, example] {
            assert!(!cell.contains('|'), "{name}: a bar would end the cell");
        }
        let option = option.as_ref().map_or(String::new(), |option| format!("`--{option}`"));
        let kind = kind.name();
        writeln!(text, "| `{name}` | {kind} | {default} | {meaning} | {} | {option} |", code(example)).unwrap();
    }
    text
}

fn schema_of(level: &str) -> Value {
    let level = LEVELS.iter().find(|known| known.path == level).unwrap();
    let mut properties = Map::new();
    for key in level.keys() {
        let mut property = match key.kind {
            Kind::Duration => {
                json!({"type": ["string", "integer"], "pattern": "^(0|([0-9.]+(ns|us|µs|ms|s|m|h|d|w))+)$"})
            }
            Kind::Tolerance => json!({"type": "number", "minimum": 0, "maximum": 0.5}),
            Kind::Integer => json!({"type": "integer", "minimum": 1}),
            Kind::Text | Kind::Path => json!({"type": "string"}),
            Kind::ObjectName => json!({"type": "string", "pattern": "^[^/]+/[^/]+$"}),
            Kind::OneOf(values) => json!({"enum": values}),
            Kind::Texts => json!({"type": "array", "items": {"type": "string"}, "minItems": 1}),
            Kind::Weights => json!({"type": "object", "additionalProperties": {"type": ["integer", "string"]}}),
            Kind::Mapping(inner) => schema_of(inner),
            Kind::Targets => json!({"type": "array", "items": {"$ref": "#/$defs/target"}, "minItems": 1}),
            Kind::Defaults => json!({"$ref": "#/$defs/defaults"}),
        };
        // Keywords beside `$ref` are valid since draft 2019-09.
        property["description"] = key.meaning.replace('`', "").into();
        properties.insert(key.name, property);
    }
    json!({"type": "object", "additionalProperties": false, "properties": properties})
}

fn schema() -> Value {
    let mut target = schema_of("targets");
    let mut defaults = target.clone();
    defaults["properties"].as_object_mut().unwrap().retain(|key, _| !keys::OF_ONE_TARGET.contains(&&**key));
    target["anyOf"] = json!([{"required": ["service"]}, {"required": ["address"]}, {"required": ["discover"]}]);
    let mut file = schema_of("");
    file["$schema"] = "https://json-schema.org/draft/2020-12/schema".into();
    file["title"] = "Configuration file of readscope".into();
    file["required"] = json!(["targets"]);
    file["$defs"] = json!({"target": target, "defaults": defaults});
    file
}

#[test]
fn the_page_and_the_schema_match_the_program() {
    let tables: String = LEVELS.iter().map(table).collect();
    golden::assert_is("docs/configuration.md", &format!("{HEAD}{tables}"));
    golden::assert_is("docs/configuration.schema.json", &(serde_json::to_string_pretty(&schema()).unwrap() + "\n"));
}
