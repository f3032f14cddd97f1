//! What changes from one listing to the next, and how a file updates a listing.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::import::Import;
use super::model::{Organization, Service};
use super::state::Listing;

/// One field of the organisation, before and after.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldChange {
    /// Name of the field.
    pub field: String,
    /// What it said; absent when it was not there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Value>,
    /// What it says; absent when it is gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Value>,
}

/// A service, by id and name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EntityRef {
    /// The id.
    pub id: String,
    /// The name (as it is now, or was last).
    pub name: String,
}

/// A service that changed, and in which fields.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceChange {
    /// The service.
    #[serde(flatten)]
    pub service: EntityRef,
    /// Names of the fields that differ, in order.
    pub fields: Vec<String>,
    /// Each of them before and after; only where that was asked for ([`Changes::with_details`]).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub details: Vec<FieldChange>,
}

/// What differs between two listings.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Changes {
    /// Fields of the organisation that differ.
    pub organization_fields: Vec<FieldChange>,
    /// Services that are new.
    pub added: Vec<EntityRef>,
    /// Services that differ.
    pub changed: Vec<ServiceChange>,
    /// Services that are gone.
    pub removed: Vec<EntityRef>,
    /// Number of services that are as they were.
    pub unchanged: usize,
}

impl Changes {
    /// Is everything as it was?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.organization_fields.is_empty()
            && self.added.is_empty()
            && self.changed.is_empty()
            && self.removed.is_empty()
    }

    /// Does the new listing have another organisation id than the old one? Then somebody may have
    /// taken the wrong file.
    #[must_use]
    pub fn other_organization(&self) -> bool {
        self.organization_fields
            .iter()
            .any(|change| change.field == "id" && change.before.is_some())
    }

    /// The same changes, with what each changed field of a service said before and says now.
    #[must_use]
    pub fn with_details(mut self, old: &Listing, new: &Listing) -> Changes {
        for change in &mut self.changed {
            let before = old.services.get(&change.service.id).map(fields_of);
            let after = new.services.get(&change.service.id).map(fields_of);
            let (before, after) = (before.unwrap_or_default(), after.unwrap_or_default());
            change.details = change
                .fields
                .iter()
                .map(|field| FieldChange {
                    field: field.clone(),
                    before: before.get(field).cloned(),
                    after: after.get(field).cloned(),
                })
                .collect();
        }
        self
    }

    /// One line for people, such as `2 services added, 1 changed, 5 as before`.
    #[must_use]
    pub fn summary(&self) -> String {
        if self.is_empty() {
            return format!("nothing changed ({})", services(self.unchanged));
        }
        let mut parts = Vec::new();
        if !self.organization_fields.is_empty() {
            let names: Vec<&str> = self
                .organization_fields
                .iter()
                .map(|change| change.field.as_str())
                .collect();
            parts.push(format!("organisation: {}", names.join(", ")));
        }
        let counts = [
            (self.added.len(), "added"),
            (self.changed.len(), "changed"),
            (self.removed.len(), "removed"),
            (self.unchanged, "as before"),
        ];
        for (count, what) in counts.into_iter().filter(|(count, _)| *count > 0) {
            parts.push(format!("{} {what}", services(count)));
        }
        parts.join("; ")
    }
}

fn services(count: usize) -> String {
    match count {
        1 => "1 service".to_owned(),
        _ => format!("{count} services"),
    }
}

/// Updates a listing from a file: services by id, new ones added, and with `replace` those removed
/// that the file does not have. Where the file describes the organisation only in passing
/// ([`Import::organization_in_passing`]), its fields add to what is known and remove nothing.
#[must_use]
pub fn apply_import(
    current: Option<&Listing>,
    import: &Import,
    replace: bool,
) -> (Listing, Changes) {
    let empty = Listing::default();
    let old = current.unwrap_or(&empty);
    let mut organization = import.organization.clone();
    if import.organization_in_passing && current.is_some() {
        organization = merged_organization(&old.organization, &import.organization);
    }
    let mut services = if replace {
        Default::default()
    } else {
        old.services.clone()
    };
    for service in &import.services {
        services.insert(service.clone());
    }
    let new = Listing {
        organization,
        services,
    };
    let changes = diff(old, &new);
    (new, changes)
}

/// What differs from `old` to `new`.
#[must_use]
pub fn diff(old: &Listing, new: &Listing) -> Changes {
    let mut changes = Changes {
        organization_fields: organization_changes(&old.organization, &new.organization),
        ..Changes::default()
    };
    for service in &new.services {
        match old.services.get(&service.id) {
            None => changes.added.push(reference(service)),
            Some(before) if before == service => {
                changes.unchanged = changes.unchanged.saturating_add(1);
            }
            Some(before) => changes.changed.push(ServiceChange {
                service: reference(service),
                fields: differing(&fields_of(before), &fields_of(service)),
                details: Vec::new(),
            }),
        }
    }
    changes.removed = old
        .services
        .iter()
        .filter(|service| !new.services.contains(&service.id))
        .map(reference)
        .collect();
    changes
}

fn reference(service: &Service) -> EntityRef {
    EntityRef {
        id: service.id.clone(),
        name: service.name.clone(),
    }
}

fn organization_changes(old: &Organization, new: &Organization) -> Vec<FieldChange> {
    if old == new {
        return Vec::new();
    }
    // An organisation without id is the one that a listing has before its first import.
    let blank = |organization: &Organization| organization.id.is_empty();
    let before = if blank(old) {
        Map::new()
    } else {
        fields_of(old)
    };
    let after = fields_of(new);
    differing(&before, &after)
        .into_iter()
        .map(|field| FieldChange {
            before: before.get(&field).cloned(),
            after: after.get(&field).cloned(),
            field,
        })
        .collect()
}

/// Old fields, overlaid with those that the new one has.
fn merged_organization(old: &Organization, new: &Organization) -> Organization {
    let mut fields = fields_of(old);
    fields.extend(fields_of(new));
    serde_json::from_value(Value::Object(fields)).unwrap_or_else(|_| new.clone())
}

fn fields_of<T: Serialize>(entity: &T) -> Map<String, Value> {
    match serde_json::to_value(entity) {
        Ok(Value::Object(fields)) => fields,
        _ => Map::new(),
    }
}

fn differing(before: &Map<String, Value>, after: &Map<String, Value>) -> Vec<String> {
    let mut names: Vec<String> = before
        .keys()
        .chain(after.keys().filter(|name| !before.contains_key(*name)))
        .filter(|name| before.get(*name) != after.get(*name))
        .cloned()
        .collect();
    names.sort_unstable();
    names
}

#[cfg(test)]
mod tests;
