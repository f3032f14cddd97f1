//! How the columns of somebody's own table become fields of services: a file in TOML that people can read and
//! correct.
//!
//! ```toml
//! format = 1
//! source = "food-banks"          # names the source in ids; keep it, and a second import finds the same services
//! id = ["Name", "Postcode"]      # the columns that tell one row from another
//! empty = ["NA", "Not known"]    # cells that say nothing
//!
//! [constants]
//! status = "active"
//!
//! [[column]]
//! from = "Name"
//! to = "name"
//!
//! [[column]]
//! from = "Opening times"
//! to = "schedules"
//! as = "hours"
//! ```

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use thiserror::Error;

use super::hours;
use super::paths::{check, is_there, put, shifted};
use super::{LeftOut, Row, Table};
use crate::limits::TABLE_COLUMNS_MAX;
use crate::listing::entities::{Entity, Shape};
use crate::listing::model::{Organization, Service};
use crate::listing::source::{Found, Of, Source};

/// Format of the mapping files that this version reads and writes.
pub const MAPPING_FORMAT: u32 = 1;

/// In front of a field of the organisation that a row names.
pub const ORGANIZATION: &str = "organization.";

/// A mapping file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mapping {
    /// Always [`MAPPING_FORMAT`].
    pub format: u32,
    /// Name of the source; part of the ids of its services.
    pub source: String,
    /// The sheet of a workbook; without it, the first one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sheet: Option<String>,
    /// The row that has the names of the columns, counted from 1.
    #[serde(default = "first_row", skip_serializing_if = "is_first_row")]
    pub header_row: usize,
    /// Are these services of many organisations, published by one that is none of them?
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub publisher: bool,
    /// The columns that tell one row from another. Without any, the name does.
    #[serde(default)]
    pub id: Vec<String>,
    /// Cells that say nothing, such as `NA`; whatever the case of their letters.
    #[serde(default)]
    pub empty: Vec<String>,
    /// Columns that are not mapped. Says nothing to the program; it reminds people.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unused: Vec<String>,
    /// Fields with the same value in every row. One inside an entry is set where a column made that entry.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub constants: BTreeMap<String, String>,
    /// What becomes of the columns. One column may stand here more than once.
    #[serde(default)]
    pub column: Vec<Column>,
}

/// What becomes of a column.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Column {
    /// Name of the column.
    pub from: String,
    /// Path of the field, such as `phones.number`; behind `organization.`, of the organisation.
    pub to: String,
    /// How to read the cell.
    #[serde(default, rename = "as", skip_serializing_if = "Form::is_text")]
    pub form: Form,
    /// What separates several values in one cell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub split: Option<String>,
    /// What an empty cell means.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<String>,
    /// Form of the date, as in `%d/%m/%Y`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub date: Option<String>,
    /// What goes before the value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
    /// Values to replace; an empty one leaves the field out. What is not named stays as it is.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub values: BTreeMap<String, String>,
}

/// How a cell is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Form {
    /// As it is.
    #[default]
    Text,
    /// Opening hours, to `schedules`: times where they can be read, and always the words.
    Hours,
    /// E-mail addresses and phone numbers mixed, to `email` and `phones`.
    Contact,
    /// Latitude and longitude with anything around them, to a path that ends in `location`.
    Coordinates,
}

impl Form {
    fn is_text(&self) -> bool {
        *self == Form::Text
    }
}

fn first_row() -> usize {
    1
}

fn is_first_row(row: &usize) -> bool {
    *row == 1
}

/// Why a mapping cannot be used. Nothing has been imported.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum MappingError {
    /// Not TOML, or not a mapping.
    #[error("the mapping cannot be read: {0}")]
    NotAMapping(String),
    /// Of a format that this version does not know.
    #[error("the mapping has format {0}; this version reads format {MAPPING_FORMAT}")]
    UnknownFormat(u32),
    /// A column is not in the table.
    #[error("the table has no column {name:?}; it has: {known}")]
    NoColumn {
        /// The column.
        name: String,
        /// Those that there are.
        known: String,
    },
    /// A field is none of a service.
    #[error("{path:?} cannot be mapped to: {reason}")]
    BadPath {
        /// The path.
        path: String,
        /// Why not.
        reason: String,
    },
    /// No column gives the name.
    #[error("no column is mapped to \"name\", and a service must have one")]
    NoName,
    /// More than [`TABLE_COLUMNS_MAX`] columns.
    #[error("the mapping has more than {TABLE_COLUMNS_MAX} columns")]
    TooLong,
}

impl Mapping {
    /// Reads a mapping file.
    ///
    /// # Errors
    /// [`MappingError`], with line and column where the file is not TOML.
    pub fn parse(text: &str) -> Result<Mapping, MappingError> {
        let mapping: Mapping = toml::from_str(text)
            .map_err(|error| MappingError::NotAMapping(error.to_string().trim().to_owned()))?;
        if mapping.format != MAPPING_FORMAT {
            return Err(MappingError::UnknownFormat(mapping.format));
        }
        if mapping.column.len() > TABLE_COLUMNS_MAX {
            return Err(MappingError::TooLong);
        }
        mapping.check_paths()?;
        Ok(mapping)
    }

    /// Writes the file.
    ///
    /// # Errors
    /// None in practice: every field can be written in TOML.
    pub fn to_toml(&self) -> Result<String, MappingError> {
        toml::to_string(self).map_err(|error| MappingError::NotAMapping(error.to_string()))
    }

    fn check_paths(&self) -> Result<(), MappingError> {
        let constants = self
            .constants
            .keys()
            .map(|path| (path.as_str(), Form::Text));
        let columns = self
            .column
            .iter()
            .map(|column| (column.to.as_str(), column.form));
        for (path, form) in columns.chain(constants) {
            let (shape, inner) = target(path);
            let checked = match form {
                // Rows name their organisation by its id in the source.
                Form::Text if path == "organization.id" => Ok(()),
                Form::Text => check(shape, inner),
                Form::Hours => check(shape, &format!("{inner}.description")),
                Form::Coordinates => check(shape, &format!("{inner}.latitude")),
                Form::Contact if inner == "contact" => Ok(()),
                Form::Contact => {
                    Err("a column with as = \"contact\" goes to \"contact\"".to_owned())
                }
            };
            checked.map_err(|reason| MappingError::BadPath {
                path: path.to_owned(),
                reason,
            })?;
        }
        match self.column.iter().any(|column| column.to == "name")
            || self.constants.contains_key("name")
        {
            true => Ok(()),
            false => Err(MappingError::NoName),
        }
    }

    /// Reads a table by this mapping. Rows and cells that cannot be read are named in the source's `left_out`.
    ///
    /// # Errors
    /// [`MappingError::NoColumn`].
    pub fn apply(&self, table: &Table) -> Result<Source, MappingError> {
        let position = |name: &String| {
            table.column(name).ok_or_else(|| MappingError::NoColumn {
                name: name.clone(),
                known: table.header.join(", "),
            })
        };
        let columns = self
            .column
            .iter()
            .map(|column| Ok((column, position(&column.from)?)))
            .collect::<Result<Vec<_>, _>>()?;
        let ids = self
            .id
            .iter()
            .map(position)
            .collect::<Result<Vec<_>, _>>()?;
        let mut reading = Reading {
            mapping: self,
            table,
            source: Source::default(),
            keys: BTreeMap::new(),
        };
        for row in &table.rows {
            reading.row(row, &columns, &ids);
        }
        Ok(reading.source)
    }
}

/// What a path is a path in, and the path there.
fn target(path: &str) -> (&'static Shape, &str) {
    match path.strip_prefix(ORGANIZATION) {
        Some(inner) => (Organization::shape(), inner),
        None => (Service::shape(), path),
    }
}

struct Reading<'a> {
    mapping: &'a Mapping,
    table: &'a Table,
    source: Source,
    keys: BTreeMap<String, usize>,
}

/// A row on its way to a service.
#[derive(Default)]
struct Draft {
    service: Map<String, Value>,
    organization: Map<String, Value>,
}

impl Draft {
    fn put(&mut self, path: &str, text: &str) -> Result<(), String> {
        let (shape, inner) = target(path);
        put(self.part(path), shape, inner, text)
    }

    fn part(&mut self, path: &str) -> &mut Map<String, Value> {
        match path.starts_with(ORGANIZATION) {
            true => &mut self.organization,
            false => &mut self.service,
        }
    }
}

impl Reading<'_> {
    /// What a cell says, or nothing.
    fn cell<'r>(&self, row: &'r Row, position: usize) -> &'r str {
        let cell = row
            .cells
            .get(position)
            .map_or("", |cell| super::unguarded(cell).trim());
        let says_nothing = |word: &String| word.trim().to_lowercase() == cell.to_lowercase();
        if self.mapping.empty.iter().any(says_nothing) {
            ""
        } else {
            cell
        }
    }

    fn row(&mut self, row: &Row, columns: &[(&Column, usize)], ids: &[usize]) {
        let mut draft = Draft::default();
        for (column, position) in columns {
            let cell = self.cell(row, *position);
            if let Err(reason) = fill(&mut draft, column, cell) {
                self.source.left_out.push(LeftOut {
                    table: self.table.name.clone(),
                    row: row.number,
                    column: Some(column.from.clone()),
                    reason,
                });
            }
        }
        for (path, value) in &self.mapping.constants {
            let (_, inner) = target(path);
            if is_there(draft.part(path), inner) && !draft.part(path).contains_key(inner) {
                // Paths and values of constants were checked; a value that does not fit is that of no row.
                let _ = draft.put(path, value);
            }
        }
        let name = draft
            .service
            .get("name")
            .and_then(Value::as_str)
            .unwrap_or_default();
        if name.trim().is_empty() {
            self.source.left_out.push(LeftOut {
                table: self.table.name.clone(),
                row: row.number,
                column: None,
                reason: "it has no name".to_owned(),
            });
            return;
        }
        // An id that is made from an address would give it away.
        let secret = draft
            .service
            .contains_key(crate::listing::secret::CONFIDENTIAL);
        let ids: Vec<usize> = ids
            .iter()
            .copied()
            .filter(|id| !secret || !is_place(columns, *id))
            .collect();
        let id = self.id(row, &ids, name);
        let Draft {
            mut service,
            organization,
        } = draft;
        service.insert("id".to_owned(), Value::from(id));
        let of = self.owner(organization);
        self.source.services.push(Found {
            service,
            of,
            table: self.table.name.clone(),
            row: row.number,
        });
    }

    /// The same for the same row in every import: of the columns named for it, or of the name.
    fn id(&mut self, row: &Row, ids: &[usize], name: &str) -> String {
        let cells: Vec<&str> = ids
            .iter()
            .map(|position| self.cell(row, *position))
            .collect();
        let key = match cells.iter().all(|cell| cell.is_empty()) {
            true => name.to_owned(),
            false => cells.join("/"),
        };
        if let [only] = cells.as_slice()
            && let Ok(uuid) = uuid::Uuid::parse_str(only)
        {
            return uuid.to_string();
        }
        let folded: String = key
            .to_lowercase()
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ");
        let count = self.keys.entry(folded.clone()).or_default();
        *count = count.saturating_add(1);
        match count {
            1 => format!("{}:{folded}", self.mapping.source),
            // Rows that are told apart by nothing are told apart by their order.
            count => format!("{}:{folded}#{count}", self.mapping.source),
        }
    }

    fn owner(&mut self, mut organization: Map<String, Value>) -> Of {
        let text = |field: &str| {
            organization
                .get(field)
                .and_then(Value::as_str)
                .map(str::to_owned)
        };
        match (text("id"), text("name")) {
            (None, None) => Of::Importer,
            (Some(id), None) => Of::Absent(id),
            (id, Some(name)) => {
                let id = id
                    .unwrap_or_else(|| format!("{}:{}", self.mapping.source, name.to_lowercase()));
                organization.insert("id".to_owned(), Value::from(id));
                super::tidy_organization(&mut organization);
                self.source.organization(organization)
            }
        }
    }
}

/// Does this column say where something is?
fn is_place(columns: &[(&Column, usize)], position: usize) -> bool {
    let says = |(column, at): &(&Column, usize)| {
        *at == position && column.to.starts_with("service_at_locations")
    };
    columns.iter().any(says)
}

fn fill(draft: &mut Draft, column: &Column, cell: &str) -> Result<(), String> {
    let cell = match cell {
        "" => column.default.as_deref().unwrap_or_default(),
        cell => cell,
    };
    let replaced = column
        .values
        .iter()
        .find(|(from, _)| from.eq_ignore_ascii_case(cell));
    let cell = replaced.map_or(cell, |(_, to)| to.as_str());
    if cell.is_empty() {
        return Ok(());
    }
    match column.form {
        Form::Hours => return fill_hours(draft, &column.to, cell),
        Form::Contact => return fill_contact(draft, cell),
        Form::Coordinates => return fill_coordinates(draft, &column.to, cell),
        Form::Text => {}
    }
    let parts: Vec<&str> = match column.split.as_deref().filter(|split| !split.is_empty()) {
        Some(split) => cell
            .split(split)
            .map(str::trim)
            .filter(|part| !part.is_empty())
            .collect(),
        None => vec![cell],
    };
    for (index, part) in parts.into_iter().enumerate() {
        let (shape, inner) = target(&column.to);
        let path = match index {
            0 => column.to.clone(),
            // Several values of one field, which no entry holds, go below one another.
            _ => shifted(shape, inner, index).map_or_else(
                || column.to.clone(),
                |shifted| {
                    let outer = column.to.strip_suffix(inner).unwrap_or_default();
                    format!("{outer}{shifted}")
                },
            ),
        };
        draft.put(&path, &text_for(column, part)?)?;
    }
    Ok(())
}

fn text_for(column: &Column, cell: &str) -> Result<String, String> {
    let prefix = column.prefix.as_deref().unwrap_or_default();
    let Some(form) = &column.date else {
        return Ok(format!("{prefix}{cell}"));
    };
    jiff::fmt::strtime::parse(form, cell)
        .and_then(|parts| parts.to_date())
        .map(|date| date.to_string())
        .map_err(|_| format!("{cell:?} is not a date of the form {form}"))
}

/// The words always, so that nothing is lost; each opening beside them where it can be read.
fn fill_hours(draft: &mut Draft, path: &str, cell: &str) -> Result<(), String> {
    let Some(openings) = hours::read(cell) else {
        return draft.put(&format!("{path}.description"), cell);
    };
    let (shape, inner) = target(path);
    for (index, opening) in openings.iter().enumerate() {
        let at = |field: &str| {
            let plain = format!("{inner}.{field}");
            let shifted = if index == 0 {
                None
            } else {
                shifted(shape, &plain, index)
            };
            let outer = path.strip_suffix(inner).unwrap_or_default();
            format!("{outer}{}", shifted.unwrap_or(plain))
        };
        draft.put(&at("freq"), "WEEKLY")?;
        draft.put(&at("byday"), &opening.days.join(","))?;
        draft.put(&at("opens_at"), &opening.opens_at)?;
        draft.put(&at("closes_at"), &opening.closes_at)?;
        if openings.len() == 1 {
            draft.put(&at("description"), cell)?;
        }
    }
    Ok(())
}

/// E-mail addresses are recognised by their sign, phone numbers by having many digits; the rest is words about them.
fn fill_contact(draft: &mut Draft, cell: &str) -> Result<(), String> {
    let mut digits = String::new();
    let mut phones = Vec::new();
    let mut words = Vec::new();
    let mut close = |digits: &mut String| {
        let number = std::mem::take(digits);
        if number.chars().filter(char::is_ascii_digit).count() >= 7 {
            phones.push(number.trim().to_owned());
        } else if !number.trim().is_empty() {
            words.push(number.trim().to_owned());
        }
    };
    let mut others = Vec::new();
    for word in cell.split(|letter: char| letter.is_whitespace() || matches!(letter, ';' | ',')) {
        let numeric = !word.is_empty()
            && word
                .chars()
                .all(|letter| letter.is_ascii_digit() || "+()-.".contains(letter));
        if numeric {
            digits.push(' ');
            digits.push_str(word);
            continue;
        }
        close(&mut digits);
        if word.contains('@') && !draft.service.contains_key("email") {
            let word = word.trim_matches(|letter: char| "<>().".contains(letter));
            draft.put("email", word)?;
        } else if !word.is_empty()
            && !matches!(
                word.to_lowercase().as_str(),
                "or" | "and" | "/" | "tel:" | "email:"
            )
        {
            others.push(word.to_owned());
        }
    }
    close(&mut digits);
    let taken = draft
        .service
        .get("phones")
        .and_then(Value::as_array)
        .map_or(0, Vec::len);
    for (index, number) in phones.iter().enumerate() {
        draft.put(
            &format!(
                "phones[{}].number",
                taken.saturating_add(index).saturating_add(1)
            ),
            number,
        )?;
    }
    others.extend(words);
    match others.is_empty() {
        true => Ok(()),
        false => draft.put("contacts.name", &others.join(" ")),
    }
}

fn fill_coordinates(draft: &mut Draft, path: &str, cell: &str) -> Result<(), String> {
    let numbers: Vec<&str> = cell
        .split(|letter: char| !(letter.is_ascii_digit() || matches!(letter, '.' | '-')))
        .map(|part| part.trim_matches('.'))
        .filter(|part| part.parse::<f64>().is_ok())
        .collect();
    match numbers.as_slice() {
        [latitude, longitude] => {
            draft.put(&format!("{path}.latitude"), latitude)?;
            draft.put(&format!("{path}.longitude"), longitude)
        }
        _ => Err(format!(
            "two numbers belong here, not {:?}",
            json!(cell).to_string()
        )),
    }
}

#[cfg(test)]
mod tests;
