//! The schemas of Open Referral UK 3.0, where they lie beside a working copy of the project.

use std::collections::BTreeMap;
use std::path::Path;

use jsonschema::Validator;
use serde_json::Value;

use crate::shared::shared;

/// Schemas by name.
pub(crate) struct Schemas(BTreeMap<String, Validator>);

/// Puts in place what a schema refers to in other files: no schema refers to itself.
fn written_out(folder: &Path, value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            if let Some(other) = fields.get("$ref").and_then(Value::as_str)
                && other.ends_with(".json")
            {
                let name = other.rsplit('/').next().unwrap();
                let bytes = std::fs::read(folder.join(name)).unwrap();
                return written_out(folder, serde_json::from_slice(&bytes).unwrap());
            }
            let fields = fields.into_iter();
            Value::Object(
                fields
                    .map(|(name, it)| (name, written_out(folder, it)))
                    .collect(),
            )
        }
        Value::Array(items) => Value::Array(
            items
                .into_iter()
                .map(|it| written_out(folder, it))
                .collect(),
        ),
        other => other,
    }
}

impl Schemas {
    pub(crate) fn load() -> Option<Self> {
        let folder = shared("hsds/oruk-3.0-offline")?;
        let mut all = BTreeMap::new();
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            if name != "openapi" {
                let schema = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
                let schema = written_out(&folder, schema);
                let options = jsonschema::options().should_validate_formats(true);
                all.insert(name, options.build(&schema).unwrap());
            }
        }
        Some(Self(all))
    }

    pub(crate) fn errors(&self, name: &str, value: &Value) -> Vec<String> {
        let errors = self.0[name].iter_errors(value);
        errors
            .map(|it| format!("{}: {it}", it.instance_path()))
            .collect()
    }

    pub(crate) fn check(&self, name: &str, value: &Value) {
        let errors = self.errors(name, value);
        let first = errors.first();
        assert!(
            first.is_none(),
            "{name}, {} errors, the first: {first:?}",
            errors.len()
        );
    }
}
