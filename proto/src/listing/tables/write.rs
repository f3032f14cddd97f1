//! Listings taken apart into tables: the package of HSDS 3, and one flat table for people.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::package::{MARK, Mark, field_in, holders_of, read_cells, reference_of, shapes, tables};
use super::{Row, Table};
use crate::listing::entities::{Entities, Entity, Shape};
use crate::listing::model::{Address, Service};
use crate::listing::state::Listing;

/// Most columns of a table for fields that the standard does not know; the others stand in [`MARK`].
const OWN_COLUMNS_MAX: usize = 64;

/// The tables of an HSDS 3 package that holds these listings, and its `datapackage.json`.
///
/// # Errors
/// None in practice; the type is serde's.
pub fn package_of(listings: &[Listing]) -> Result<(Vec<Table>, Value), serde_json::Error> {
    let mut writing = Writing {
        shapes: shapes(),
        rows: BTreeMap::new(),
        ids: BTreeSet::new(),
        shared: BTreeMap::new(),
    };
    for listing in listings {
        let organization = serde_json::to_value(&listing.organization)?;
        let shape = crate::listing::model::Organization::shape();
        let owner = writing.entity(organization, shape, None);
        for service in &listing.services {
            let inside = ("organization", owner.clone(), "services");
            writing.entity(
                serde_json::to_value(service)?,
                Service::shape(),
                Some(inside),
            );
        }
    }
    let tables = writing.tables();
    let described = describe(&tables);
    Ok((tables, described))
}

/// A row on its way out.
struct Written {
    id: String,
    /// Its fields without those that hold other entities.
    fields: Map<String, Value>,
    mark: Mark,
}

struct Writing {
    shapes: BTreeMap<&'static str, &'static Shape>,
    rows: BTreeMap<&'static str, Vec<Written>>,
    ids: BTreeSet<(&'static str, String)>,
    /// Rows that single fields share: many services at one place.
    shared: BTreeMap<(&'static str, String), String>,
}

impl Writing {
    /// Writes an entity and all that it holds, and gives the id of its row.
    fn entity(
        &mut self,
        value: Value,
        shape: &'static Shape,
        inside: Option<(&'static str, String, &'static str)>,
    ) -> String {
        let mut fields = match value {
            Value::Object(fields) => fields,
            _ => Map::new(),
        };
        let id = self.unused(
            shape.kind,
            fields.get("id").and_then(Value::as_str).unwrap_or_default(),
        );
        let mut mark = Mark {
            inside: inside.map(|(kind, id, field)| (kind.to_owned(), id, field.to_owned())),
            ..Mark::default()
        };
        for (field, inner) in shape.one {
            if let Some(held) = fields.remove(*field) {
                let key = (inner().kind, held.to_string());
                let row = match self.shared.get(&key) {
                    Some(row) => row.clone(),
                    None => {
                        let row = self.entity(held, inner(), None);
                        self.shared.insert(key, row.clone());
                        row
                    }
                };
                mark.holds.insert((*field).to_owned(), row);
            }
        }
        for (field, inner) in shape.many {
            if let Some(Value::Array(items)) = fields.remove(*field) {
                for item in items {
                    self.entity(item, inner(), Some((shape.kind, id.clone(), field)));
                }
            }
        }
        let written = Written {
            id: id.clone(),
            fields,
            mark,
        };
        self.rows.entry(shape.kind).or_default().push(written);
        id
    }

    /// The id itself, or where a row has it already, the id with a number behind it.
    fn unused(&mut self, kind: &'static str, id: &str) -> String {
        let mut candidate = id.to_owned();
        let mut number = 1_usize;
        while !self.ids.insert((kind, candidate.clone())) {
            number = number.saturating_add(1);
            candidate = format!("{id}~{number}");
        }
        candidate
    }

    fn tables(self) -> Vec<Table> {
        let Writing {
            shapes, mut rows, ..
        } = self;
        tables()
            .filter_map(|(kind, name)| Some((name, shapes.get(kind)?, rows.remove(kind)?)))
            .map(|(name, shape, rows)| table(name, shape, rows))
            .collect()
    }
}

fn table(name: &str, shape: &'static Shape, rows: Vec<Written>) -> Table {
    let own = own_columns(&rows, shape);
    let mut header = vec!["id".to_owned()];
    header.extend(shape.scalars().map(str::to_owned));
    for (column, _) in holders_of(shape.kind).iter().filter(|(_, holder)| {
        shapes()
            .get(holder)
            .is_some_and(|holder| field_in(holder, shape.kind).is_some())
    }) {
        // Every kind names what holds it, also where the shape does not list the column.
        if !header.iter().any(|known| known == column) {
            header.push((*column).to_owned());
        }
    }
    header.extend(own);
    header.push(MARK.to_owned());
    let rows = rows.into_iter().enumerate().map(|(index, row)| Row {
        number: index.saturating_add(2),
        cells: cells(row, &header, shape),
    });
    Table {
        name: name.to_owned(),
        rows: rows.collect(),
        header,
    }
}

/// Own fields with texts that get a column; the others would make the table wider than it is useful.
fn own_columns(rows: &[Written], shape: &'static Shape) -> Vec<String> {
    let fit = |name: &str| {
        name.len() <= 64
            && name.starts_with("x_")
            && name != MARK
            && name
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
    };
    let mut found = BTreeSet::new();
    for (name, value) in rows.iter().flat_map(|row| &row.fields) {
        if value.is_string() && !shape.knows(name) && fit(name) && found.len() < OWN_COLUMNS_MAX {
            found.insert(name.clone());
        }
    }
    found.into_iter().collect()
}

fn cells(row: Written, header: &[String], shape: &'static Shape) -> Vec<String> {
    let Written {
        id,
        mut fields,
        mut mark,
    } = row;
    let mut cells: BTreeMap<&str, String> = BTreeMap::new();
    for column in header {
        if let Some(value) = fields.get(column) {
            match value {
                Value::String(text) => cells.insert(column, text.clone()),
                Value::Number(number) => cells.insert(column, number.to_string()),
                _ => None,
            };
        }
    }
    for (column, place) in places(&mark, shape) {
        if let Some((column, _)) = header
            .iter()
            .find(|known| **known == column)
            .map(|known| (known, ()))
        {
            cells.entry(column).or_insert(place);
        }
    }
    cells.insert("id", id.clone());
    // What a reader would make of the cells, and where that is not what was there.
    let read = {
        let borrowed = cells
            .iter()
            .map(|(column, cell)| (*column, cell.as_str()))
            .collect();
        read_cells(&borrowed, shape, Some(&mark)).1
    };
    let cell = |name: &str| cells.get(name).cloned().unwrap_or_default();
    for name in read.keys().filter(|name| !fields.contains_key(*name)) {
        mark.fields.insert(name.clone(), (cell(name), None));
    }
    fields.retain(|name, value| read.get(name) != Some(value));
    for (name, value) in fields {
        let seen = cell(&name);
        mark.fields.insert(name, (seen, Some(value)));
    }
    cells.insert(MARK, serde_json::to_string(&mark).unwrap_or_default());
    header
        .iter()
        .map(|column| cells.remove(column.as_str()).unwrap_or_default())
        .collect()
}

/// Columns in which other programs look for where a row belongs, and what belongs into them.
fn places(mark: &Mark, shape: &'static Shape) -> Vec<(String, String)> {
    let mut places = Vec::new();
    if let Some((kind, id, _)) = &mark.inside {
        match shape.kind {
            "attribute" => {
                places.push(("link_id".to_owned(), id.clone()));
                places.push(("link_entity".to_owned(), kind.clone()));
            }
            "metadata" => {
                places.push(("resource_id".to_owned(), id.clone()));
                places.push(("resource_type".to_owned(), kind.clone()));
            }
            other => {
                let column = holders_of(other).iter().find(|(_, holder)| holder == kind);
                places.extend(column.map(|(column, _)| ((*column).to_owned(), id.clone())));
            }
        }
    }
    places.extend(
        mark.holds
            .iter()
            .map(|(field, id)| (reference_of(field), id.clone())),
    );
    places
}

fn describe(tables: &[Table]) -> Value {
    let shapes = shapes();
    let field = |table: &Table, name: &String| {
        let shape = super::package::table_kind(&table.name).and_then(|kind| shapes.get(kind));
        let number = shape.is_some_and(|shape| shape.is_number(name));
        json!({"name": name, "type": if number { "number" } else { "string" }})
    };
    let resource = |table: &Table| {
        let fields: Vec<Value> = table.header.iter().map(|name| field(table, name)).collect();
        json!({
            "name": table.name,
            "path": format!("{}.csv", table.name),
            "profile": "tabular-data-resource",
            "schema": {"fields": fields, "primaryKey": "id"},
        })
    };
    json!({
        "name": "hsds",
        "title": "Human Services Data Specification (HSDS 3), exported by Fingerpost",
        "profile": "tabular-data-package",
        "resources": tables.iter().map(resource).collect::<Vec<_>>(),
    })
}

/// Columns of the flat table; the names are such that a proposed mapping reads them again.
const FLAT: &[&str] = &[
    "Service ID",
    "Service name",
    "Organisation",
    "Description",
    "Status",
    "Phone",
    "Email",
    "Website",
    "Address",
    "Town",
    "Postcode",
    "Area",
    "Opening times",
    "Minimum age",
    "Maximum age",
    "Eligibility",
    "Cost",
    "How to apply",
    "Languages",
    "Last assured",
];

/// One row a service, with what people look for first, for reading and printing.
#[must_use]
pub fn flat(listings: &[Listing]) -> Table {
    let mut table = Table {
        name: "services".to_owned(),
        header: FLAT.iter().map(|name| (*name).to_owned()).collect(),
        rows: Vec::new(),
    };
    for listing in listings {
        for service in &listing.services {
            table.rows.push(Row {
                number: table.rows.len().saturating_add(2),
                cells: flat_cells(service, &listing.organization.name),
            });
        }
    }
    table
}

fn list<T, F: Fn(&T) -> String>(entities: &Entities<T>, text: F) -> String {
    let mut texts: Vec<String> = entities
        .iter()
        .map(text)
        .filter(|text| !text.is_empty())
        .collect();
    texts.dedup();
    texts.join("; ")
}

fn flat_cells(service: &Service, organization: &str) -> Vec<String> {
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    let age = |value: &Option<serde_json::Number>| {
        value
            .as_ref()
            .map(ToString::to_string)
            .filter(|age| age != "-1")
            .unwrap_or_default()
    };
    let addresses = |part: fn(&Address) -> String| {
        list(&service.service_at_locations, |place| {
            place
                .location
                .as_ref()
                .map(|location| list(&location.addresses, part))
                .unwrap_or_default()
        })
    };
    let street = |address: &Address| {
        let lines =
            [&address.address_1, &address.address_2].map(|line| line.clone().unwrap_or_default());
        lines.join(", ").trim_matches([',', ' ']).to_owned()
    };
    vec![
        service.id.clone(),
        service.name.clone(),
        original(service).unwrap_or_else(|| organization.to_owned()),
        text(&service.description),
        text(&service.status),
        list(&service.phones, |phone| phone.number.clone()),
        text(&service.email),
        text(&service.url),
        addresses(street),
        addresses(|address| address.city.clone().unwrap_or_default()),
        addresses(|address| address.postal_code.clone().unwrap_or_default()),
        list(&service.service_areas, |area| {
            area.name.clone().unwrap_or_default()
        }),
        list(&service.schedules, super::hours::in_words),
        age(&service.minimum_age),
        age(&service.maximum_age),
        text(&service.eligibility_description),
        service
            .fees_description
            .clone()
            .or_else(|| service.fees.clone())
            .unwrap_or_default(),
        text(&service.application_process),
        list(&service.languages, |language| {
            language.name.clone().unwrap_or_default()
        }),
        text(&service.assured_date),
    ]
}

/// The organisation that a publisher's service is really of.
fn original(service: &Service) -> Option<String> {
    let of = service
        .extra
        .get(crate::listing::source::ORIGINAL_ORGANIZATION)?;
    of.get("name").and_then(Value::as_str).map(str::to_owned)
}
