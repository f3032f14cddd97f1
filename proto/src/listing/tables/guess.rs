//! A first mapping for a table that nobody has described: from the names of its columns and what stands in them.
//!
//! The proposal is a beginning that a person corrects. So it says what it left unused, and nothing is imported by a
//! guess alone.

mod rules;
mod words;

use std::collections::BTreeMap;

use super::Table;
use super::hours;
use super::mapping::{Column, Form, MAPPING_FORMAT, Mapping};
use rules::RULES;
use words::{is_postcode, matches, split_of, words};

/// How many rows are looked at.
const SAMPLE_ROWS: usize = 200;

/// Where a postcode, a street or coordinates go.
const PLACE: &str = "service_at_locations.location";
/// In front of a GSS code, so that it is an address that names the area for good.
const GSS_ADDRESS: &str = "http://statistics.data.gov.uk/id/statistical-geography/";

/// Cells that say nothing, in the tables that we have seen.
const EMPTY: &[&str] = &[
    "NA",
    "N/A",
    "n/k",
    "Not known",
    "Unknown",
    "None",
    "-",
    "TBC",
];

/// A mapping for a table, which `source` names in ids.
#[must_use]
pub fn guess(table: &Table, source: &str) -> Mapping {
    let mut guessing = Guessing {
        table,
        mapping: Mapping {
            format: MAPPING_FORMAT,
            source: source.to_owned(),
            sheet: None,
            header_row: 1,
            publisher: false,
            id: Vec::new(),
            empty: Vec::new(),
            unused: Vec::new(),
            constants: BTreeMap::new(),
            column: Vec::new(),
        },
        used: vec![false; table.header.len()],
    };
    for (index, header) in table.header.iter().enumerate() {
        if guessing.values(index).next().is_some() && !header.is_empty() {
            guessing.header(index, header);
        }
    }
    for index in 0..table.header.len() {
        guessing.content(index);
    }
    guessing.name();
    guessing.finish()
}

struct Guessing<'a> {
    table: &'a Table,
    mapping: Mapping,
    used: Vec<bool>,
}

impl Guessing<'_> {
    fn values(&self, index: usize) -> impl Iterator<Item = &str> {
        self.table
            .rows
            .iter()
            .take(SAMPLE_ROWS)
            .filter_map(move |row| row.cells.get(index))
            .map(|cell| cell.trim())
            .filter(|cell| {
                !cell.is_empty() && !EMPTY.iter().any(|word| word.eq_ignore_ascii_case(cell))
            })
    }

    /// What part of the values passes a test, in percent.
    fn share(&self, index: usize, test: impl Fn(&str) -> bool) -> usize {
        let (mut all, mut good) = (0_usize, 0_usize);
        for value in self.values(index) {
            all = all.saturating_add(1);
            good = good.saturating_add(usize::from(test(value)));
        }
        good.saturating_mul(100).checked_div(all).unwrap_or(0)
    }

    fn is_taken(&self, to: &str) -> bool {
        self.mapping.column.iter().any(|column| column.to == to)
    }

    fn push(&mut self, index: usize, column: Column) {
        if let Some(header) = self.table.header.get(index) {
            self.mapping.column.push(Column {
                from: header.clone(),
                ..column
            });
            if let Some(used) = self.used.get_mut(index) {
                *used = true;
            }
        }
    }

    fn to(&mut self, index: usize, to: &str) {
        self.push(
            index,
            Column {
                to: to.to_owned(),
                ..Column::default()
            },
        );
    }

    /// Maps a column by its name, if the name means something and the values do not speak against it.
    fn header(&mut self, index: usize, header: &str) {
        let words = words(header);
        // A question is answered with yes or no, which is the text of no field but a few.
        let yes_no = self.share(index, |value| {
            matches!(value.to_lowercase().as_str(), "yes" | "no")
        }) == 100;
        for (alternatives, to) in RULES {
            let fits = alternatives.split('|').any(|alternative| {
                let (alternative, whole) = match alternative.strip_prefix('=') {
                    Some(alternative) => (alternative, true),
                    None => (alternative, false),
                };
                let mut wanted = alternative.split(' ');
                (!whole || words.len() == wanted.clone().count())
                    && wanted.all(|word| words.iter().any(|have| matches(have, word)))
            });
            let question = matches!(*to, "confidential" | "status");
            if fits && yes_no == question && self.rule(index, to) {
                return;
            }
        }
    }

    /// Maps a column to what a rule says; false where that is taken, or does not fit the values.
    fn rule(&mut self, index: usize, to: &str) -> bool {
        match to {
            "charity" | "company" => self.register(index, to),
            "id" => {
                let distinct: std::collections::BTreeSet<&str> = self.values(index).collect();
                if !self.mapping.id.is_empty() || distinct.len() < self.values(index).count() {
                    return false;
                }
                self.identity(index);
            }
            "location-id" => {
                // The id of each row in a table of places; a reference in a table of services.
                if index != 0 || !self.mapping.id.is_empty() {
                    return false;
                }
                self.identity(index);
            }
            "organization.id" if index == 0 && self.mapping.id.is_empty() => self.identity(index),
            // Ids and numbers are no names, whatever stands above them.
            "name" if self.is_taken("name") || self.share(index, has_letters) < 50 => return false,
            "organization.name" if self.is_taken(to) => return false,
            "confidential" => {
                let shows = self.table.header.get(index).is_some_and(|header| {
                    words(header)
                        .iter()
                        .any(|word| matches(word, "display") || matches(word, "show"))
                });
                let values = if shows {
                    [("No", "true"), ("Yes", "")]
                } else {
                    [("Yes", "true"), ("No", "")]
                };
                self.replaced(index, "x_confidential", &values);
            }
            "status" => self.replaced(index, "status", &[("Yes", "active"), ("No", "inactive")]),
            "hours" | "schedules.description" if self.is_taken("schedules") => return false,
            "hours" => self.push(
                index,
                Column {
                    to: "schedules".to_owned(),
                    form: Form::Hours,
                    ..Column::default()
                },
            ),
            "coordinates" => {
                self.push(
                    index,
                    Column {
                        to: PLACE.to_owned(),
                        form: Form::Coordinates,
                        ..Column::default()
                    },
                );
            }
            "contact" => {
                self.push(
                    index,
                    Column {
                        to: "contact".to_owned(),
                        form: Form::Contact,
                        ..Column::default()
                    },
                );
            }
            "area-code" => self.push(
                index,
                Column {
                    to: "service_areas.uri".to_owned(),
                    prefix: Some(GSS_ADDRESS.to_owned()),
                    ..Column::default()
                },
            ),
            "phones.number" => self.phone(index),
            "service_areas.name" | "languages.name"
                if self.share(index, |value| split_of(value).is_some()) > 5 =>
            {
                if self.is_taken(to) {
                    return false;
                }
                let split = self.values(index).find_map(split_of).map(str::to_owned);
                self.push(
                    index,
                    Column {
                        to: to.to_owned(),
                        split,
                        ..Column::default()
                    },
                );
            }
            "assured_date" => {
                let Some(form) = self.date_form(index) else {
                    return false;
                };
                let date = (form != "%Y-%m-%d").then(|| form.to_owned());
                self.push(
                    index,
                    Column {
                        to: to.to_owned(),
                        date,
                        ..Column::default()
                    },
                );
            }
            "minimum_age" | "maximum_age"
                if self.share(index, |value| value.parse::<u8>().is_ok()) < 90 =>
            {
                return false;
            }
            "email"
                if self.share(index, |value| value.contains('@') && !value.contains(' ')) < 70 =>
            {
                return false;
            }
            "url"
                if self.is_lesser_link(index)
                    || self.share(index, |value| value.contains('.') && !value.contains('@'))
                        < 70 =>
            {
                return false;
            }
            "service_at_locations.location.addresses.address_1" if self.names_web(index) => {
                return false;
            }
            "application_process" | "fees_description" | "eligibility_description" => {
                self.to(index, to)
            }
            _ if self.is_taken(to) => return false,
            _ => self.to(index, to),
        }
        true
    }

    fn names_web(&self, index: usize) -> bool {
        let header = self.table.header.get(index);
        let words = header.map(|header| words(header)).unwrap_or_default();
        let is_web = |word: &String| {
            ["website", "web", "url"]
                .iter()
                .any(|web| matches(word, web))
        };
        words.iter().any(is_web)
    }

    /// Whether a column links to something, where another one names the website.
    fn is_lesser_link(&self, index: usize) -> bool {
        !self.names_web(index) && (0..self.table.header.len()).any(|other| self.names_web(other))
    }

    fn identity(&mut self, index: usize) {
        if let Some(header) = self.table.header.get(index) {
            self.mapping.id.push(header.clone());
        }
        if let Some(used) = self.used.get_mut(index) {
            *used = true;
        }
    }

    /// The number of an organisation in a register. It names the row as well, where no other column does.
    fn register(&mut self, index: usize, which: &str) {
        let (entry, scheme) = match which {
            "charity" => ("organization.organization_identifiers", "GB-CHC"),
            _ => ("organization.organization_identifiers[2]", "GB-COH"),
        };
        self.to(index, &format!("{entry}.identifier"));
        self.mapping
            .constants
            .insert(format!("{entry}.identifier_scheme"), scheme.to_owned());
        let all = self.values(index).count() == self.table.rows.len().min(SAMPLE_ROWS);
        if self.mapping.id.is_empty() && all {
            self.identity(index);
        }
    }

    fn replaced(&mut self, index: usize, to: &str, values: &[(&str, &str)]) {
        let values = values
            .iter()
            .map(|(from, to)| ((*from).to_owned(), (*to).to_owned()))
            .collect();
        self.push(
            index,
            Column {
                to: to.to_owned(),
                values,
                ..Column::default()
            },
        );
    }

    fn phone(&mut self, index: usize) {
        let number = self
            .mapping
            .column
            .iter()
            .filter(|column| column.to.starts_with("phones"))
            .count();
        let to = match number {
            0 => "phones.number".to_owned(),
            more => format!("phones[{}].number", more.saturating_add(1)),
        };
        self.to(index, &to);
        let kind = self
            .table
            .header
            .get(index)
            .map(|header| words(header))
            .unwrap_or_default();
        let text_phone = kind
            .iter()
            .any(|word| matches(word, "tty") || matches(word, "textphone"));
        if text_phone {
            self.mapping
                .constants
                .insert(to.replace(".number", ".type"), "textphone".to_owned());
        }
    }

    /// Maps what the name of a column does not tell, and its values do.
    fn content(&mut self, index: usize) {
        if self.used.get(index) != Some(&false) || self.values(index).next().is_none() {
            return;
        }
        if !self.is_taken("email")
            && self.share(index, |value| value.contains('@') && !value.contains(' ')) > 80
        {
            self.to(index, "email");
        } else if !self.is_taken("url") && self.share(index, |value| value.starts_with("http")) > 80
        {
            self.to(index, "url");
        } else if !self.is_taken("schedules")
            && self.share(index, |value| hours::read(value).is_some()) > 50
        {
            self.push(
                index,
                Column {
                    to: "schedules".to_owned(),
                    form: Form::Hours,
                    ..Column::default()
                },
            );
        } else if !self.is_taken(&format!("{PLACE}.addresses.postal_code"))
            && self.share(index, is_postcode) > 80
        {
            self.to(index, &format!("{PLACE}.addresses.postal_code"));
        }
    }

    /// Some column must be the name: that of the organisation, or the first with short texts that mostly differ.
    fn name(&mut self) {
        if self.is_taken("name") {
            return;
        }
        let of_organization = self
            .mapping
            .column
            .iter()
            .find(|column| column.to == "organization.name");
        let position = of_organization
            .and_then(|column| self.table.column(&column.from))
            .or_else(|| {
                (0..self.table.header.len()).find(|index| {
                    let values: Vec<&str> = self.values(*index).collect();
                    let distinct: std::collections::BTreeSet<&&str> = values.iter().collect();
                    let short = values.iter().filter(|value| value.len() <= 120).count();
                    let letters =
                        self.share(*index, |value| value.chars().any(char::is_alphabetic)) > 90;
                    self.used.get(*index) == Some(&false)
                        && letters
                        && values.len() > self.table.rows.len().min(SAMPLE_ROWS) / 2
                        && distinct.len().saturating_mul(2) > values.len()
                        && short.saturating_mul(10) > values.len().saturating_mul(9)
                })
            });
        if let Some(position) = position {
            self.to(position, "name");
        }
    }

    fn date_form(&self, index: usize) -> Option<&'static str> {
        [
            "%Y-%m-%d", "%d/%m/%Y", "%d-%m-%Y", "%d.%m.%Y", "%d %B %Y", "%d %b %Y",
        ]
        .into_iter()
        .find(|form| {
            self.share(index, |value| {
                jiff::fmt::strtime::parse(form, value)
                    .and_then(|parts| parts.to_date())
                    .is_ok()
            }) > 80
        })
    }

    fn finish(mut self) -> Mapping {
        let unused = self
            .table
            .header
            .iter()
            .zip(&self.used)
            .filter(|(header, used)| !**used && !header.is_empty());
        self.mapping.unused = unused.map(|(header, _)| header.clone()).collect();
        let cells = || {
            self.table
                .rows
                .iter()
                .take(SAMPLE_ROWS)
                .flat_map(|row| &row.cells)
        };
        let says_nothing =
            |word: &&&str| cells().any(|cell| cell.trim().eq_ignore_ascii_case(word));
        self.mapping.empty = EMPTY
            .iter()
            .filter(says_nothing)
            .map(|word| (*word).to_owned())
            .collect();
        self.mapping.publisher = self
            .mapping
            .column
            .iter()
            .any(|column| column.to.starts_with("organization."));
        if self.mapping.id.is_empty() {
            let column = |to: &str| self.mapping.column.iter().find(|column| column.to == to);
            let postcode = format!("{PLACE}.addresses.postal_code");
            let names = [column("name"), column(&postcode)];
            self.mapping.id = names
                .into_iter()
                .flatten()
                .map(|column| column.from.clone())
                .collect();
        }
        if !self.is_taken("status") {
            self.mapping
                .constants
                .insert("status".to_owned(), "active".to_owned());
        }
        if self
            .mapping
            .column
            .iter()
            .any(|column| column.to.starts_with(PLACE))
        {
            self.mapping
                .constants
                .insert(format!("{PLACE}.location_type"), "physical".to_owned());
        }
        self.mapping
    }
}

fn has_letters(value: &str) -> bool {
    value.chars().any(char::is_alphabetic)
}

#[cfg(test)]
#[allow(
    clippy::disallowed_methods,
    reason = "tests may read the real data that lie beside the project"
)]
mod tests;
