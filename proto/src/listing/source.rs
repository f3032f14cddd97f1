//! What a foreign source holds, and which of it becomes a listing.
//!
//! A source (a feed, a package, a spreadsheet) often has the services of many organisations, where one
//! listing belongs to one. [`choose`] takes one of them, or, for a publisher of others' services, all:
//! each service then says in [`ORIGINAL_ORGANIZATION`] whose it is. docs/decisions/0017-a-publishers-listing.md
//! says why.

mod envelopes;

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::tables::LeftOut;
use super::tables::package;
use crate::ids::OrgId;
use crate::limits::{NAME_MAX_BYTES, TEXT_MAX_BYTES};

pub use envelopes::read_json;

/// Field of a service that somebody else than its own organisation publishes: an object with what the source
/// says of that organisation (`id`, `name`, `website`, `email`, `organization_identifiers`).
pub const ORIGINAL_ORGANIZATION: &str = "x_original_organization";

/// What is kept of an organisation in [`ORIGINAL_ORGANIZATION`].
const KEPT: &[&str] = &[
    "id",
    "name",
    "alternate_name",
    "website",
    "url",
    "email",
    "uri",
    "organization_identifiers",
];

/// Whose a service is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Of {
    /// Of the organisation with this number in [`Source::organizations`].
    Organization(usize),
    /// Of one that the source does not describe; its id there, perhaps empty.
    Absent(String),
    /// The source names no organisation: it is of whoever imports it.
    Importer,
}

/// A service of a source.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// Its fields in Open Referral terms.
    pub service: Map<String, Value>,
    /// Whose it is.
    pub of: Of,
    /// Where it stands.
    pub table: String,
    /// In which row, or as which entry.
    pub row: usize,
}

/// What a source holds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Source {
    /// Organisations, without their services.
    pub organizations: Vec<Map<String, Value>>,
    /// Services.
    pub services: Vec<Found>,
    /// What could not be read, and why.
    pub left_out: Vec<LeftOut>,
    /// What people should know, one sentence each.
    pub notes: Vec<String>,
}

/// Which part of a source becomes the listing.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Whose<'a> {
    /// That of the only organisation in it.
    Only,
    /// That of the organisation with this name or id.
    Named(&'a str),
    /// All of it, as the listing of a publisher.
    Publisher,
}

/// What becomes the listing.
#[derive(Clone, Debug, PartialEq)]
pub struct Chosen {
    /// An organisation with its `services`, to be imported.
    pub listing: Value,
    /// What is not in it, and why.
    pub left_out: Vec<LeftOut>,
    /// What people should know, one sentence each.
    pub notes: Vec<String>,
}

/// Why nothing was chosen.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChooseError {
    /// The services are of several organisations.
    #[error("the services are of {} organisations, and a listing is one organisation's: {}", .0.len(), first(.0))]
    Several(
        /// Names, each with how many services it has.
        Vec<(String, usize)>,
    ),
    /// No organisation is called so.
    #[error("no organisation in it is called {wanted:?}; there are: {}", first(.known))]
    Unknown {
        /// The name or id as it was given.
        wanted: String,
        /// Names, each with how many services it has.
        known: Vec<(String, usize)>,
    },
    /// There is nothing to import.
    #[error("there are no services in it")]
    Nothing,
}

fn first(known: &[(String, usize)]) -> String {
    let mut names: Vec<String> = known
        .iter()
        .take(5)
        .map(|(name, count)| format!("{name} ({count})"))
        .collect();
    if let Some(more) = known.len().checked_sub(5).filter(|more| *more > 0) {
        names.push(format!("and {more} more"));
    }
    names.join(", ")
}

/// Takes from a source what becomes the listing. `importer` is the organisation that imports, as its own listing
/// describes it; services of nobody in particular, and those of a publisher, become its.
///
/// # Errors
/// [`ChooseError`].
pub fn choose(
    source: Source,
    whose: Whose<'_>,
    importer: &Map<String, Value>,
) -> Result<Chosen, ChooseError> {
    let Source {
        organizations,
        services,
        mut left_out,
        mut notes,
    } = source;
    let names_one = matches!(whose, Whose::Named(_)) || organizations.len() == 1;
    if services.is_empty() && !names_one {
        return Err(ChooseError::Nothing);
    }
    let known = counts(&organizations, &services);
    let publisher = whose == Whose::Publisher;
    let chosen = match whose {
        Whose::Publisher => None,
        Whose::Named(name) => {
            Some(
                named(&organizations, name).ok_or_else(|| ChooseError::Unknown {
                    wanted: name.to_owned(),
                    known: known.clone(),
                })?,
            )
        }
        Whose::Only => match (
            organizations.len(),
            services
                .iter()
                .any(|found| matches!(found.of, Of::Absent(_))),
        ) {
            (1, false) => Some(0),
            (0, false) => None,
            _ => return Err(ChooseError::Several(known)),
        },
    };
    let organization = match chosen.and_then(|number| organizations.get(number)) {
        Some(organization) => organization.clone(),
        None => importer.clone(),
    };
    let mut taking = Taking {
        passed_over: 0,
        absent: 0,
        taken: BTreeMap::new(),
        kept: Vec::new(),
    };
    for found in services {
        taking.take(
            found,
            chosen,
            publisher,
            &organizations,
            &organization,
            &mut left_out,
        );
    }
    if publisher {
        notes.extend(idle(&organizations, &known));
    }
    notes.extend(taking.notes());
    let mut listing = organization;
    listing.insert("services".to_owned(), Value::Array(taking.kept));
    Ok(Chosen {
        listing: Value::Object(listing),
        left_out,
        notes,
    })
}

/// An organisation that has no listing yet, as its first service makes it.
#[must_use]
pub fn unlisted(org: &OrgId, name: &str) -> Map<String, Value> {
    let id = uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_URL, org.as_bytes());
    let mut fields = Map::new();
    fields.insert("id".to_owned(), Value::from(id.to_string()));
    fields.insert("name".to_owned(), Value::from(name));
    fields
}

struct Taking {
    passed_over: usize,
    absent: usize,
    taken: BTreeMap<String, usize>,
    kept: Vec<Value>,
}

impl Taking {
    fn take(
        &mut self,
        found: Found,
        chosen: Option<usize>,
        publisher: bool,
        organizations: &[Map<String, Value>],
        organization: &Map<String, Value>,
        left_out: &mut Vec<LeftOut>,
    ) {
        let ours = match (&found.of, chosen) {
            (Of::Organization(number), Some(chosen)) => *number == chosen,
            (Of::Importer, _) => true,
            _ => publisher,
        };
        if !ours {
            self.passed_over = self.passed_over.saturating_add(1);
            return;
        }
        let mut service = found.service;
        let lacking = super::tables::tidy_service(&mut service);
        for kind in lacking {
            left_out.push(LeftOut {
                table: found.table.clone(),
                row: found.row,
                column: Some(kind.to_owned()),
                reason: "what it cannot do without is empty".to_owned(),
            });
        }
        if let Err(reason) = self.check(&service) {
            left_out.push(LeftOut {
                table: found.table,
                row: found.row,
                column: None,
                reason,
            });
            return;
        }
        if publisher {
            match &found.of {
                Of::Organization(number) => {
                    let of = organizations.get(*number).map(kept_of).unwrap_or_default();
                    service.insert(ORIGINAL_ORGANIZATION.to_owned(), Value::Object(of));
                }
                Of::Absent(id) => {
                    self.absent = self.absent.saturating_add(1);
                    if !id.is_empty() {
                        service.insert(ORIGINAL_ORGANIZATION.to_owned(), json!({"id": id}));
                    }
                }
                Of::Importer => {}
            }
            service.remove("organization_id");
        }
        if publisher && let Some(id) = organization.get("id") {
            service.insert("organization_id".to_owned(), id.clone());
        }
        self.kept.push(Value::Object(service));
    }

    /// What would make the daemon refuse the whole file is left out here, with its row.
    fn check(&mut self, service: &Map<String, Value>) -> Result<(), String> {
        let name = service
            .get("name")
            .and_then(Value::as_str)
            .unwrap_or_default();
        if name.trim().is_empty() {
            return Err("it has no name".to_owned());
        }
        if name.len() > NAME_MAX_BYTES {
            return Err(format!(
                "its name has {} bytes; at most {NAME_MAX_BYTES} are allowed",
                name.len()
            ));
        }
        let too_long = |(field, value): (&String, &Value)| {
            value
                .as_str()
                .filter(|text| text.len() > TEXT_MAX_BYTES)
                .map(|text| {
                    format!(
                        "{field} has {} bytes; at most {TEXT_MAX_BYTES} are allowed",
                        text.len()
                    )
                })
        };
        if let Some(reason) = service.iter().find_map(too_long) {
            return Err(reason);
        }
        let id = match service.get("id") {
            Some(Value::String(id)) => id.to_lowercase(),
            Some(Value::Number(id)) => id.to_string(),
            _ => String::new(),
        };
        if id.trim().is_empty() {
            return Err("it has no id: a second import could not find it again".to_owned());
        }
        let count = self.taken.entry(id.clone()).or_default();
        *count = count.saturating_add(1);
        match count {
            1 => Ok(()),
            _ => Err(format!("a second service with the id {id}")),
        }
    }

    fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        if self.passed_over > 0 {
            notes.push(format!(
                "{} services of other organisations were passed over.",
                self.passed_over
            ));
        }
        if self.absent > 0 {
            notes.push(format!(
                "{} of {} services name an organisation that the source does not describe; {ORIGINAL_ORGANIZATION} keeps its id.",
                self.absent,
                self.kept.len()
            ));
        }
        notes
    }
}

/// Organisations of which a publisher's listing says nothing, since they have no services there.
fn idle(organizations: &[Map<String, Value>], known: &[(String, usize)]) -> Option<String> {
    let count = known.iter().filter(|(_, services)| *services == 0).count();
    (count > 0).then(|| {
        format!(
            "{count} of {} organisations have no service in it; nothing of them is in the listing.",
            organizations.len()
        )
    })
}

fn kept_of(organization: &Map<String, Value>) -> Map<String, Value> {
    let field = |name: &&str| {
        organization
            .get(*name)
            .map(|value| ((*name).to_owned(), value.clone()))
    };
    KEPT.iter().filter_map(field).collect()
}

fn name_of(organization: &Map<String, Value>) -> String {
    let text = |name: &str| {
        organization
            .get(name)
            .and_then(Value::as_str)
            .filter(|text| !text.trim().is_empty())
    };
    text("name")
        .or_else(|| text("id"))
        .unwrap_or("(without a name)")
        .to_owned()
}

fn counts(organizations: &[Map<String, Value>], services: &[Found]) -> Vec<(String, usize)> {
    let mut counts: Vec<(String, usize)> = organizations
        .iter()
        .map(|organization| (name_of(organization), 0))
        .collect();
    let mut absent = 0_usize;
    for found in services {
        match &found.of {
            Of::Organization(number) => {
                if let Some((_, count)) = counts.get_mut(*number) {
                    *count = count.saturating_add(1);
                }
            }
            Of::Absent(_) => absent = absent.saturating_add(1),
            Of::Importer => {}
        }
    }
    counts.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    if absent > 0 {
        counts.push(("organisations that it does not describe".to_owned(), absent));
    }
    counts
}

fn named(organizations: &[Map<String, Value>], wanted: &str) -> Option<usize> {
    let wanted = wanted.trim().to_lowercase();
    let is = |organization: &Map<String, Value>, field: &str| {
        package::text_of(organization, field)
            .is_some_and(|text| text.trim().to_lowercase() == wanted)
    };
    organizations
        .iter()
        .position(|organization| is(organization, "id"))
        .or_else(|| {
            organizations
                .iter()
                .position(|organization| is(organization, "name"))
        })
}

impl Source {
    /// Takes in another source, which is one entry (number `row`) of this one.
    pub fn append(&mut self, other: &mut Source, row: usize) {
        let numbers: Vec<Of> = std::mem::take(&mut other.organizations)
            .into_iter()
            .map(|organization| self.organization(organization))
            .collect();
        for mut found in std::mem::take(&mut other.services) {
            if let Of::Organization(number) = found.of {
                found.of = numbers.get(number).cloned().unwrap_or(Of::Importer);
            }
            found.row = row;
            self.services.push(found);
        }
        self.left_out.append(&mut other.left_out);
        self.notes.append(&mut other.notes);
    }

    /// Takes in an organisation, or finds it again by its id; what one entry says of it and another does not is kept.
    pub(super) fn organization(&mut self, organization: Map<String, Value>) -> Of {
        let id = package::text_of(&organization, "id");
        let known = self
            .organizations
            .iter()
            .position(|known| id.is_some() && package::text_of(known, "id") == id);
        let number = match known {
            Some(number) => {
                if let Some(known) = self.organizations.get_mut(number) {
                    for (field, value) in organization {
                        known.entry(field).or_insert(value);
                    }
                }
                number
            }
            None => {
                self.organizations.push(organization);
                self.organizations.len().saturating_sub(1)
            }
        };
        Of::Organization(number)
    }
}

#[cfg(test)]
#[allow(
    clippy::disallowed_methods,
    reason = "tests may read the real data that lie beside the project"
)]
mod tests;
