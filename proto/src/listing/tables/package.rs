//! HSDS packages: tables that point at one another, of versions 1 to 3, put together to listings.
//!
//! What stands where in the tables of version 3 follows from the [`Shape`]s. Tables of versions 1 and
//! 2 have other names and some other columns; `table_kind` and `old_columns` know them. A row belongs
//! to the most particular thing that it names: a phone with a contact and a service is the contact's.
//!
//! A package that Fingerpost wrote (`write.rs`) has one more column in each table, [`MARK`]: which row holds this one, and
//! what a cell cannot say (that a text is empty, that a field is not there). So it comes back exactly. A row
//! that somebody added with another program has nothing in that column, and is read like any other.

mod kinds;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Number, Value};

use super::{LeftOut, Row, Table, unguarded};
use crate::limits::{PACKAGE_ENTITIES_MAX, TABLES_MAX};
use crate::listing::entities::Shape;
use crate::listing::source::{Found, Of, Source};

pub use kinds::is_package_table;
use kinds::{PASSED_OVER, old_columns};
pub(super) use kinds::{field_in, holders_of, reference_of, shapes, table_kind, tables};

/// Column of our own packages that says what cells cannot.
pub const MARK: &str = "x_fingerpost";

/// How deep entities may hold one another by reference.
const DEPTH_MAX: usize = 8;

/// What [`MARK`] holds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Mark {
    /// Kind and row of what holds this one, and in which field.
    #[serde(default, rename = "in", skip_serializing_if = "Option::is_none")]
    pub(super) inside: Option<(String, String, String)>,
    /// Rows that stand in single fields of this one.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) holds: BTreeMap<String, String>,
    /// Fields that read otherwise than the cell says, each with that cell: who edits the cell is heeded. Without
    /// a value the field is not there.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) fields: BTreeMap<String, (String, Option<Value>)>,
}

/// A row on its way into a listing.
struct Record {
    kind: &'static str,
    shape: &'static Shape,
    table: String,
    row: usize,
    id: String,
    fields: Map<String, Value>,
    mark: Option<Mark>,
    used: bool,
}

type Key = (&'static str, String);

/// Puts the tables of a package together. Every row that does not find its place is named.
#[must_use]
pub fn read_package(tables: &[Table]) -> Source {
    let mut reading = Reading::default();
    let shapes = shapes();
    if tables.len() > TABLES_MAX {
        reading.source.notes.push(format!(
            "The package has {} tables; the first {TABLES_MAX} were read.",
            tables.len()
        ));
    }
    let named = |name: &str| {
        tables
            .iter()
            .any(|table| table_kind(&table.name) == Some(name))
    };
    let terms = named("taxonomy_term");
    for table in tables.iter().take(TABLES_MAX) {
        let mut kind = table_kind(&table.name);
        // Version 1 calls the terms taxonomies.
        if kind == Some("taxonomy") && !terms && table.column("parent_id").is_some() {
            kind = Some("taxonomy_term");
        }
        match kind.and_then(|kind| shapes.get(kind)) {
            Some(shape) => reading.table(table, shape),
            None if table.name.to_ascii_lowercase().starts_with("eligib") => {
                reading.later.push(table.clone())
            }
            None if PASSED_OVER.contains(&table.name.to_ascii_lowercase().as_str()) => {}
            None => reading.source.left_out.push(LeftOut {
                table: table.name.clone(),
                row: 0,
                column: None,
                reason: format!("HSDS 3 has no such table ({} rows)", table.rows.len()),
            }),
        }
    }
    reading.eligibility();
    reading.addresses_of_organizations(&shapes);
    reading.place(&shapes);
    reading.finish()
}

#[derive(Default)]
struct Reading {
    source: Source,
    records: Vec<Record>,
    by_key: BTreeMap<Key, usize>,
    children: BTreeMap<usize, Vec<(&'static str, usize)>>,
    later: Vec<Table>,
    built: usize,
}

impl Reading {
    fn leave_out(&mut self, table: &str, row: usize, reason: impl Into<String>) {
        self.source.left_out.push(LeftOut {
            table: table.to_owned(),
            row,
            column: None,
            reason: reason.into(),
        });
    }

    fn table(&mut self, table: &Table, shape: &'static Shape) {
        for row in &table.rows {
            let (id, mut fields, mark) =
                match read_row(table, row, shape, &mut self.source.left_out) {
                    Ok(read) => read,
                    Err(reason) => {
                        self.leave_out(&table.name, row.number, reason);
                        continue;
                    }
                };
            if mark.is_none() {
                old_columns(&table.name.to_ascii_lowercase(), &mut fields);
            }
            if !id.is_empty() && self.by_key.contains_key(&(shape.kind, id.clone())) {
                self.leave_out(
                    &table.name,
                    row.number,
                    format!("a second row with the id {id}"),
                );
                continue;
            }
            if id.is_empty() && matches!(shape.kind, "service" | "organization") {
                self.leave_out(
                    &table.name,
                    row.number,
                    "it has no id: a second import could not find it again",
                );
                continue;
            }
            self.add(Record {
                kind: shape.kind,
                shape,
                table: table.name.clone(),
                row: row.number,
                id,
                fields,
                mark,
                used: false,
            });
        }
    }

    fn add(&mut self, record: Record) -> usize {
        let index = self.records.len();
        if !record.id.is_empty() {
            self.by_key.insert((record.kind, record.id.clone()), index);
        }
        self.records.push(record);
        index
    }

    /// Versions 1 and 2 keep who may come in a table of its own.
    fn eligibility(&mut self) {
        for table in std::mem::take(&mut self.later) {
            for row in &table.rows {
                let cell = |name: &str| cell_of(&table, row, name).trim().to_owned();
                let Some(index) = self.by_key.get(&("service", cell("service_id"))) else {
                    self.leave_out(
                        &table.name,
                        row.number,
                        "it belongs to a service that is not in the package",
                    );
                    continue;
                };
                let Some(service) = self.records.get_mut(*index) else {
                    continue;
                };
                let words = [cell("eligibility"), cell("eligibility_description")].concat();
                if !words.is_empty() {
                    service
                        .fields
                        .entry("eligibility_description")
                        .or_insert(Value::from(words));
                }
                for age in ["minimum_age", "maximum_age"] {
                    if let Ok(years) = cell(age).parse::<Number>() {
                        service.fields.entry(age).or_insert(Value::Number(years));
                    }
                }
            }
        }
    }

    /// An address of an organisation becomes one of its places.
    fn addresses_of_organizations(&mut self, shapes: &BTreeMap<&'static str, &'static Shape>) {
        let Some(shape) = shapes.get("location") else {
            return;
        };
        for index in 0..self.records.len() {
            let Some(record) = self.records.get(index) else {
                continue;
            };
            let text = |name: &str| {
                record
                    .fields
                    .get(name)
                    .and_then(Value::as_str)
                    .unwrap_or_default()
            };
            let owner = text("organization_id").to_owned();
            let of_organization =
                record.kind == "address" && record.mark.is_none() && text("location_id").is_empty();
            if !of_organization || !self.by_key.contains_key(&("organization", owner.clone())) {
                continue;
            }
            let kind = text("address_type").to_owned();
            let id = format!("{kind} address of {owner}");
            let (table, row) = (record.table.clone(), record.row);
            if !self.by_key.contains_key(&("location", id.clone())) {
                let mut fields = Map::new();
                fields.insert("organization_id".to_owned(), Value::from(owner));
                fields.insert("location_type".to_owned(), Value::from(kind));
                self.add(Record {
                    kind: "location",
                    shape,
                    table,
                    row,
                    id: id.clone(),
                    fields,
                    mark: None,
                    used: false,
                });
            }
            if let Some(record) = self.records.get_mut(index) {
                record.fields.remove("organization_id");
                record
                    .fields
                    .insert("location_id".to_owned(), Value::from(id));
            }
        }
    }

    /// Finds for every row the one that holds it.
    fn place(&mut self, shapes: &BTreeMap<&'static str, &'static Shape>) {
        // A place that a service names stands there, and not beside the organisation too.
        let named: std::collections::BTreeSet<String> = self
            .records
            .iter()
            .filter(|record| record.kind == "service_at_location" && record.mark.is_none())
            .filter_map(|record| text_of(&record.fields, "location_id"))
            .collect();
        let mut placed = Vec::new();
        for (index, record) in self.records.iter().enumerate() {
            if record.kind == "location" && record.mark.is_none() && named.contains(&record.id) {
                continue;
            }
            if let Some((holder, field, column)) = self.holder(record, shapes) {
                placed.push((index, holder, field, column));
            }
        }
        for (index, holder, field, column) in placed {
            self.children
                .entry(holder)
                .or_default()
                .push((field, index));
            if let Some(record) = self.records.get_mut(index) {
                record.used = true;
                if let Some(column) = column {
                    record.fields.remove(column);
                }
            }
        }
    }

    /// The row that holds this one, in which field, and the column that says so.
    fn holder(
        &self,
        record: &Record,
        shapes: &BTreeMap<&'static str, &'static Shape>,
    ) -> Option<(usize, &'static str, Option<&'static str>)> {
        if let Some((kind, id, _)) = record.mark.as_ref().and_then(|mark| mark.inside.as_ref()) {
            let shape = shapes.get(kind.as_str())?;
            let holder = self.by_key.get(&(shape.kind, id.clone()))?;
            return Some((*holder, field_in(shape, record.kind)?, None));
        }
        if matches!(record.kind, "attribute" | "metadata") {
            let column = if record.kind == "attribute" {
                "link_id"
            } else {
                "resource_id"
            };
            let id = text_of(&record.fields, column)?;
            let hint = text_of(&record.fields, "link_entity")
                .or_else(|| text_of(&record.fields, "resource_type"));
            let first =
                hint.and_then(|hint| shapes.get_key_value(hint.as_str()).map(|(kind, _)| *kind));
            let usual = ["service", "organization", "location", "service_at_location"];
            let kinds = first.into_iter().chain(usual).chain(shapes.keys().copied());
            for kind in kinds {
                let holder = self.by_key.get(&(kind, id.clone()));
                let field = shapes
                    .get(kind)
                    .and_then(|shape| field_in(shape, record.kind));
                if let (Some(holder), Some(field)) = (holder, field) {
                    // What it links is said by where it stands; the id stays, as in the standard's own examples.
                    return Some((*holder, field, None));
                }
            }
            return None;
        }
        for (column, kind) in holders_of(record.kind) {
            let Some(id) = text_of(&record.fields, column) else {
                continue;
            };
            let holder = self.by_key.get(&(*kind, id));
            let field = shapes
                .get(kind)
                .and_then(|shape| field_in(shape, record.kind));
            if let (Some(holder), Some(field)) = (holder, field) {
                let keeps = record.kind == "service";
                return Some((*holder, field, (!keeps).then_some(*column)));
            }
        }
        None
    }

    /// The entity of a row with everything that it holds.
    fn build(&mut self, index: usize, depth: usize) -> Option<Map<String, Value>> {
        self.built = self.built.saturating_add(1);
        if depth > DEPTH_MAX || self.built > PACKAGE_ENTITIES_MAX {
            return None;
        }
        let record = self.records.get_mut(index)?;
        record.used = true;
        let (shape, mut fields) = (record.shape, record.fields.clone());
        let holds = record.mark.as_ref().map(|mark| mark.holds.clone());
        for (field, inner) in shape.one {
            let column = reference_of(field);
            let id = match &holds {
                Some(holds) => holds.get(*field).cloned(),
                None => text_of(&fields, &column),
            };
            let Some(held) = id.and_then(|id| self.by_key.get(&(inner().kind, id)).copied()) else {
                continue;
            };
            // A programme of the organisation stands there, and the service names it.
            let beside = holds.is_none()
                && inner().kind == "program"
                && self
                    .records
                    .get(held)
                    .is_some_and(|program| program.used && depth == 1);
            if beside {
                continue;
            }
            if let Some(entity) = self.build(held, depth.saturating_add(1)) {
                fields.insert((*field).to_owned(), Value::Object(entity));
                if holds.is_none() {
                    fields.remove(&column);
                }
            }
        }
        for (field, child) in self.children.get(&index).cloned().unwrap_or_default() {
            if field == "services" && shape.kind == "organization" {
                continue;
            }
            if let Some(entity) = self.build(child, depth.saturating_add(1)) {
                let entry = fields
                    .entry(field)
                    .or_insert_with(|| Value::Array(Vec::new()));
                if let Some(items) = entry.as_array_mut() {
                    items.push(Value::Object(entity));
                }
            }
        }
        Some(fields)
    }

    fn finish(mut self) -> Source {
        let mut organizations = BTreeMap::new();
        for index in 0..self.records.len() {
            if self
                .records
                .get(index)
                .is_some_and(|record| record.kind == "organization")
                && let Some(fields) = self.build(index, 0)
            {
                organizations.insert(index, self.source.organizations.len());
                self.source.organizations.push(fields);
            }
        }
        let mut owners = BTreeMap::new();
        for (holder, children) in &self.children {
            for (field, child) in children {
                if let (&"services", Some(number)) = (field, organizations.get(holder)) {
                    owners.insert(*child, *number);
                }
            }
        }
        for index in 0..self.records.len() {
            if self
                .records
                .get(index)
                .is_none_or(|record| record.kind != "service")
            {
                continue;
            }
            let Some(fields) = self.build(index, 1) else {
                continue;
            };
            let of = match owners.get(&index) {
                Some(number) => Of::Organization(*number),
                None => Of::Absent(text_of(&fields, "organization_id").unwrap_or_default()),
            };
            if let Some(record) = self.records.get(index) {
                let (table, row) = (record.table.clone(), record.row);
                self.source.services.push(Found {
                    service: fields,
                    of,
                    table,
                    row,
                });
            }
        }
        for record in self.records.iter().filter(|record| !record.used) {
            let reason = match record.kind {
                "taxonomy_term" | "taxonomy" | "unit" => "nothing in the package uses it",
                _ => "it belongs to nothing that is in the package",
            };
            self.source.left_out.push(LeftOut {
                table: record.table.clone(),
                row: record.row,
                column: None,
                reason: reason.to_owned(),
            });
        }
        if self.built > PACKAGE_ENTITIES_MAX {
            self.source.notes.push(format!(
                "The rows of the package refer to one another so often that only the first {PACKAGE_ENTITIES_MAX} entries were put together."
            ));
        }
        self.source
    }
}

fn cell_of<'a>(table: &Table, row: &'a Row, name: &str) -> &'a str {
    table
        .column(name)
        .and_then(|index| row.cells.get(index))
        .map_or("", |cell| unguarded(cell))
}

pub(crate) fn text_of(fields: &Map<String, Value>, name: &str) -> Option<String> {
    match fields.get(name)? {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

type ReadRow = (String, Map<String, Value>, Option<Mark>);

fn read_row(
    table: &Table,
    row: &Row,
    shape: &'static Shape,
    left_out: &mut Vec<LeftOut>,
) -> Result<ReadRow, String> {
    let cells: BTreeMap<&str, &str> = table
        .header
        .iter()
        .map(String::as_str)
        .zip(row.cells.iter().map(|cell| unguarded(cell)))
        .collect();
    let mark = match cells.get(MARK).map(|cell| cell.trim()) {
        None | Some("") => None,
        Some(text) => Some(serde_json::from_str(text).map_err(|_| {
            format!("the column {MARK} does not hold what Fingerpost wrote there; empty it, or export again")
        })?),
    };
    let (id, fields, faults) = read_cells(&cells, shape, mark.as_ref());
    left_out.extend(faults.into_iter().map(|(column, reason)| LeftOut {
        table: table.name.clone(),
        row: row.number,
        column: Some(column),
        reason,
    }));
    Ok((id, fields, mark))
}

/// The id of a row, its fields, and the cells that cannot be read, each with the reason.
pub(super) fn read_cells(
    cells: &BTreeMap<&str, &str>,
    shape: &'static Shape,
    mark: Option<&Mark>,
) -> (String, Map<String, Value>, Vec<(String, String)>) {
    let mut fields = Map::new();
    let mut faults = Vec::new();
    let id = cells.get("id").map(|cell| cell.trim()).unwrap_or_default();
    for (column, cell) in cells {
        let text = cell.trim();
        if text.is_empty() || *column == MARK || column.is_empty() {
            continue;
        }
        match value_of(shape, column, text) {
            Ok(value) => {
                fields.insert((*column).to_owned(), value);
            }
            Err(reason) => faults.push(((*column).to_owned(), reason)),
        }
    }
    if let Some(mark) = mark {
        said_by_place(&mut fields, shape, mark);
        for (field, (cell, value)) in &mark.fields {
            let now = cells.get(field.as_str()).copied().unwrap_or_default();
            if now != cell {
                continue;
            }
            match value {
                Some(value) => fields.insert(field.clone(), value.clone()),
                None => fields.remove(field),
            };
        }
    }
    (id.to_owned(), fields, faults)
}

/// Takes out the columns that say only where the row stands.
fn said_by_place(fields: &mut Map<String, Value>, shape: &'static Shape, mark: &Mark) {
    let mut places: Vec<(String, &str)> = Vec::new();
    if let Some((kind, id, _)) = &mark.inside {
        for (column, holder) in holders_of(shape.kind) {
            if holder == kind {
                places.push(((*column).to_owned(), id));
            }
        }
        places.extend([
            ("link_id".to_owned(), id.as_str()),
            ("resource_id".to_owned(), id),
        ]);
        places.extend([
            ("link_entity".to_owned(), kind.as_str()),
            ("resource_type".to_owned(), kind),
        ]);
    }
    places.extend(
        mark.holds
            .iter()
            .map(|(field, id)| (reference_of(field), id.as_str())),
    );
    for (column, id) in places {
        if fields.get(&column).and_then(Value::as_str) == Some(id) && shape.knows(&column) {
            fields.remove(&column);
        }
    }
}

fn value_of(shape: &'static Shape, column: &str, text: &str) -> Result<Value, String> {
    if shape.is_number(column) {
        return text
            .parse::<Number>()
            .map(Value::Number)
            .map_err(|_| format!("a number belongs here, not {text:?}"));
    }
    let loose = shape.knows(column) && !shape.is_text(column) && column != "id";
    if loose && let Ok(number) = text.parse::<Number>() {
        return Ok(Value::Number(number));
    }
    Ok(Value::from(text))
}
