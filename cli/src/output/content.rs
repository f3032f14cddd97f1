//! A service or an organisation in Open Referral terms, as lines for people.

use serde_json::{Map, Value};

use crate::output::{one_line, plain};

/// Fields that are read first, in this order; the others follow by name.
const FIRST: &[&str] = &[
    "name",
    "alternate_name",
    "status",
    "description",
    "url",
    "email",
];

/// The fields of an entity, one to a line, entries inside it indented below their field. Ids and
/// references by id are left out: `--json` has them.
pub(crate) fn entity_lines(content: &Value) -> String {
    let mut lines = String::new();
    if let Value::Object(map) = content {
        object(map, 0, &mut lines);
    }
    lines
}

fn object(map: &Map<String, Value>, depth: usize, lines: &mut String) {
    let first = FIRST.iter().filter_map(|name| map.get_key_value(*name));
    let others = map
        .iter()
        .filter(|(name, _)| !FIRST.contains(&name.as_str()));
    for (name, value) in first.chain(others) {
        if name != "id" && !name.ends_with("_id") && !is_empty(value) {
            field(&label(name), value, depth, lines);
        }
    }
}

fn field(label: &str, value: &Value, depth: usize, lines: &mut String) {
    let indent = "  ".repeat(depth);
    match value {
        Value::Object(map) => {
            lines.push_str(&format!("{indent}{label}:\n"));
            object(map, depth + 1, lines);
        }
        Value::Array(entries)
            if entries
                .iter()
                .any(|entry| entry.is_object() || entry.is_array()) =>
        {
            lines.push_str(&format!("{indent}{label}:\n"));
            for entry in entries {
                item(entry, depth + 1, lines);
            }
        }
        Value::Array(entries) => {
            let texts: Vec<String> = entries.iter().map(scalar).collect();
            lines.push_str(&format!("{indent}{label}: {}\n", texts.join(", ")));
        }
        other => {
            let text = scalar(other);
            let below = format!("\n{indent}  ");
            lines.push_str(&format!(
                "{indent}{label}: {}\n",
                text.trim().replace('\n', &below)
            ));
        }
    }
}

/// One entry of a list: its lines behind a dash.
fn item(entry: &Value, depth: usize, lines: &mut String) {
    let mut inner = String::new();
    match entry {
        Value::Object(map) => object(map, depth + 1, &mut inner),
        other => inner = format!("{}{}\n", "  ".repeat(depth + 1), one_line(&scalar(other))),
    }
    let indent = "  ".repeat(depth);
    let rest = inner.trim_start();
    if !rest.is_empty() {
        lines.push_str(&format!("{indent}- {rest}"));
    }
}

fn scalar(value: &Value) -> String {
    match value {
        Value::String(text) => plain(text),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        other => plain(&other.to_string()),
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(entries) => entries.is_empty(),
        Value::Object(map) => map.is_empty(),
        _ => false,
    }
}

fn label(name: &str) -> String {
    one_line(&name.strip_prefix("x_").unwrap_or(name).replace('_', " "))
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]
mod tests {
    use super::*;

    #[test]
    fn fields_entries_and_several_lines_are_indented() {
        let content = serde_json::json!({
            "id": "s1",
            "organization_id": "o1",
            "minimum_age": 18,
            "name": "Lunch \u{1b}[1mclub",
            "description": "Warm meals.\nEvery Tuesday.",
            "phones": [{"id": "p1", "number": "0123", "extension": ""}],
            "x_formats": ["in person", "phone"],
            "languages": [],
            "location": {"name": "Hall", "is_accessible": true},
        });
        assert_eq!(
            entity_lines(&content),
            "name: Lunch [1mclub\n\
             description: Warm meals.\n  Every Tuesday.\n\
             location:\n  name: Hall\n  is accessible: yes\n\
             minimum age: 18\n\
             phones:\n  - number: 0123\n\
             formats: in person, phone\n"
        );
    }
}
