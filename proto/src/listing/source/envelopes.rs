//! The envelopes in which Open Referral JSON comes.

use serde_json::{Map, Value};

use super::{Found, Of, Source};
use crate::json::{self, Bounds, JsonError};
use crate::limits::{IMPORT_MAX_BYTES, JSON_MAX_DEPTH, TEXT_MAX_BYTES};
use crate::listing::entities::Entity;
use crate::listing::model::{Organization, Service};
use crate::listing::tables::{Table, package};

/// Reads Open Referral JSON in any of its envelopes, also with several organisations in it. `None` when it has none of
/// them.
///
/// # Errors
/// [`JsonError`] when it is not JSON, or over a limit.
pub fn read_json(name: &str, bytes: &[u8]) -> Result<Option<Source>, JsonError> {
    let bounds = Bounds {
        max_bytes: IMPORT_MAX_BYTES,
        max_depth: JSON_MAX_DEPTH,
        max_text_bytes: TEXT_MAX_BYTES,
    };
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let mut value = json::parse_bounded(bytes, &bounds)?;
    json::strip_nulls(&mut value);
    if let Some(tables) = tabular(&value) {
        return Ok(Some(package::read_package(&tables)));
    }
    let mut source = Source::default();
    let items = match value {
        Value::Array(items) => items,
        Value::Object(mut fields) => match fields.remove("contents") {
            Some(Value::Array(items)) => items,
            _ => vec![Value::Object(fields)],
        },
        _ => return Ok(None),
    };
    if items.is_empty() {
        return Ok(None);
    }
    for (index, item) in items.into_iter().enumerate() {
        let Value::Object(fields) = item else {
            return Ok(None);
        };
        if !source.json_item(name, index.saturating_add(1), fields) {
            return Ok(None);
        }
    }
    Ok(Some(source))
}

impl Source {
    /// Takes in one entry of a page; false when it is neither a service nor an organisation.
    fn json_item(&mut self, table: &str, row: usize, mut fields: Map<String, Value>) -> bool {
        if let Some(Value::Array(services)) = fields.remove("services") {
            let of = self.organization(fields);
            for service in services {
                if let Value::Object(mut service) = service {
                    service.remove("organization");
                    self.services.push(Found {
                        service,
                        of: of.clone(),
                        table: table.to_owned(),
                        row,
                    });
                }
            }
            return true;
        }
        if let Some(Value::Object(mut service)) = fields.remove("service") {
            // A service at a location, with the service written out inside.
            let places = service
                .entry("service_at_locations")
                .or_insert_with(|| Value::Array(Vec::new()));
            if let Some(places) = places.as_array_mut() {
                let id = fields.get("id");
                places.retain(|place| place.get("id") != id);
                places.push(Value::Object(fields));
            }
            return self.json_item(table, row, service);
        }
        let of = match fields.remove("organization") {
            Some(Value::Object(organization)) => self.organization(organization),
            _ if is_organization(&fields) => {
                self.organization(fields);
                return true;
            }
            _ if !is_service(&fields) => return false,
            _ => Of::Absent(package::text_of(&fields, "organization_id").unwrap_or_default()),
        };
        self.services.push(Found {
            service: fields,
            of,
            table: table.to_owned(),
            row,
        });
        true
    }
}

fn is_service(fields: &Map<String, Value>) -> bool {
    let own = [
        "status",
        "organization_id",
        "service_at_locations",
        "eligibility_description",
        "fees",
    ];
    fields.contains_key("name") && own.iter().any(|field| fields.contains_key(*field))
}

fn is_organization(fields: &Map<String, Value>) -> bool {
    let service = Service::shape();
    let own = |field: &String| Organization::shape().knows(field) && !service.knows(field);
    fields.contains_key("name") && !is_service(fields) && fields.keys().any(own)
}

/// A package as one JSON file: rows under the names of the CSV files.
fn tabular(value: &Value) -> Option<Vec<Table>> {
    let fields = value.as_object()?;
    let name = |key: &str| key.strip_suffix(".csv").map(str::to_owned);
    if fields.is_empty()
        || !fields
            .keys()
            .all(|key| name(key).is_some_and(|name| package::is_package_table(&name)))
    {
        return None;
    }
    let table = |(key, rows): (&String, &Value)| {
        let rows = rows.as_array()?;
        let mut header: Vec<String> = rows
            .iter()
            .filter_map(Value::as_object)
            .flat_map(Map::keys)
            .cloned()
            .collect();
        header.sort_unstable();
        header.dedup();
        let cells = |row: &Value| {
            let cell = |column: &String| match row.get(column) {
                Some(Value::String(text)) => text.clone(),
                Some(other) => other.to_string(),
                None => String::new(),
            };
            header.iter().map(cell).collect::<Vec<_>>()
        };
        let all = std::iter::once(header.clone()).chain(rows.iter().map(cells));
        Table::from_rows(&name(key)?, all, 1).ok()
    };
    fields.iter().map(table).collect()
}
