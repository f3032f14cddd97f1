//! Makes the ids of a file into stable UUIDs.

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use uuid::Uuid;

use super::error::{Fault, ImportProblem, join};
use crate::json::{self, Step};
use crate::listing::entities::{Entity, Shape};
use crate::listing::model::Service;

/// Namespace of the ids that do not hang on one organisation: organisations and taxonomy terms.
/// Changing it would give every such entity a new id at its next import.
const NAMESPACE: Uuid = Uuid::from_u128(0x6f0c_1f4e_9b1d_5a53_8c0e_2f6d_7a41_e903);

/// Where the id of a file is kept when it was not a UUID.
pub(super) const ORIGINAL_ID: &str = "x_original_id";

/// Fields that hold the id of another entity, and of what kind that is.
const REFERENCES: &[(&str, &str)] = &[
    ("organization_id", "organization"),
    ("service_id", "service"),
    ("x_parent_service", "service"),
    ("program_id", "program"),
    ("location_id", "location"),
    ("service_at_location_id", "service_at_location"),
    ("contact_id", "contact"),
    ("phone_id", "phone"),
    ("taxonomy_term_id", "taxonomy_term"),
    ("taxonomy_id", "taxonomy"),
    ("unit_id", "unit"),
];

/// Walks entities and mends their ids.
pub(super) struct Normaliser {
    organization: Uuid,
    replaced: usize,
    made: usize,
}

/// The entity that holds the one being looked at.
#[derive(Clone, Copy)]
pub(super) struct Holder<'a> {
    id: &'a str,
    kind: &'static str,
    field: &'a str,
    /// How many siblings with the same content came before.
    repetition: usize,
}

impl Normaliser {
    /// Takes the organisation's id, on which the others hang.
    pub(super) fn new(organization: &mut Value, path: &[Step]) -> Result<Normaliser, Fault> {
        let Some(fields) = organization.as_object_mut() else {
            return Err(Fault::not_an_object(path.to_vec()));
        };
        let Some(id) = text_id(fields, path)? else {
            return Err(missing_id("organisation", path));
        };
        Ok(Normaliser {
            organization: Uuid::parse_str(&id)
                .unwrap_or_else(|_| derived(NAMESPACE, "organization", &id)),
            replaced: 0,
            made: 0,
        })
    }

    /// What was done, one sentence each.
    pub(super) fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        if self.replaced > 0 {
            notes.push(format!(
                "{} ids were not UUIDs; they were replaced by UUIDs made from them, and kept in {ORIGINAL_ID}.",
                self.replaced
            ));
        }
        if self.made > 0 {
            notes.push(format!(
                "{} entries had no id; they were given ids made from their content.",
                self.made
            ));
        }
        notes
    }

    /// Mends a service, which must have an id.
    pub(super) fn service(&mut self, service: &mut Value, path: &[Step]) -> Result<(), Fault> {
        let Some(fields) = service.as_object_mut() else {
            return Err(Fault::not_an_object(path.to_vec()));
        };
        if text_id(fields, path)?.is_none() {
            return Err(missing_id("service", path));
        }
        self.entity(service, Service::shape(), path, None)
    }

    /// Mends an entity and everything in it.
    pub(super) fn entity(
        &mut self,
        entity: &mut Value,
        shape: &Shape,
        path: &[Step],
        holder: Option<Holder<'_>>,
    ) -> Result<(), Fault> {
        let Some(fields) = entity.as_object_mut() else {
            return Err(Fault::not_an_object(path.to_vec()));
        };
        let id = self.own_id(fields, shape.kind, path, holder)?;
        self.references(fields, shape.kind, holder);
        for (field, child) in fields.iter_mut() {
            let here = join(path, Step::Key(field.clone()));
            let inside = Holder {
                id: &id,
                kind: shape.kind,
                field,
                repetition: 0,
            };
            if let (Some(shape), Some(items)) = (shape.many(field), child.as_array_mut()) {
                self.collection(items, shape, &here, inside)?;
            } else if let (Some(shape), true) = (shape.one(field), child.is_object()) {
                self.entity(child, shape, &here, Some(inside))?;
            }
        }
        Ok(())
    }

    fn collection(
        &mut self,
        items: &mut [Value],
        shape: &Shape,
        path: &[Step],
        holder: Holder<'_>,
    ) -> Result<(), Fault> {
        let mut seen: BTreeMap<String, ()> = BTreeMap::new();
        let mut contents: BTreeMap<Vec<u8>, usize> = BTreeMap::new();
        for (index, item) in items.iter_mut().enumerate() {
            let here = join(path, Step::Index(index));
            let mut holder = holder;
            if item.get("id").is_none() {
                let count = contents
                    .entry(json::value_to_bytes(item).unwrap_or_default())
                    .or_default();
                holder.repetition = *count;
                *count = count.saturating_add(1);
            }
            self.entity(item, shape, &here, Some(holder))?;
            let id = item.get("id").and_then(Value::as_str).unwrap_or_default();
            if seen.insert(id.to_owned(), ()).is_some() {
                return Err(Fault::duplicate(id, here));
            }
        }
        Ok(())
    }

    fn own_id(
        &mut self,
        fields: &mut Map<String, Value>,
        kind: &'static str,
        path: &[Step],
        holder: Option<Holder<'_>>,
    ) -> Result<String, Fault> {
        let id = match text_id(fields, path)? {
            Some(id) => {
                let uuid = self.uuid_of(kind, &id);
                if Uuid::parse_str(&id).is_err() {
                    self.replaced = self.replaced.saturating_add(1);
                    fields
                        .entry(ORIGINAL_ID)
                        .or_insert_with(|| Value::String(id));
                }
                uuid
            }
            None => {
                self.made = self.made.saturating_add(1);
                self.made_id(fields, kind, holder)
            }
        };
        fields.insert("id".to_owned(), Value::String(id.clone()));
        Ok(id)
    }

    /// An id made of where the entity stands and what it says.
    fn made_id(
        &self,
        fields: &Map<String, Value>,
        kind: &'static str,
        holder: Option<Holder<'_>>,
    ) -> String {
        let content = json::to_bytes(fields).unwrap_or_default();
        let content = String::from_utf8_lossy(&content);
        let Some(holder) = holder else {
            return derived(self.organization, kind, &content).to_string();
        };
        let namespace = Uuid::parse_str(holder.id).unwrap_or(self.organization);
        let content = match holder.repetition {
            0 => content.into_owned(),
            repetition => format!("{content}\n{repetition}"),
        };
        derived(namespace, holder.field, &content).to_string()
    }

    /// The UUID for an id of the file: itself in its usual spelling, or one made from it.
    fn uuid_of(&self, kind: &str, id: &str) -> String {
        if let Ok(uuid) = Uuid::parse_str(id) {
            return uuid.to_string();
        }
        // Terms are shared between organisations, so their ids must come out the same for all.
        let namespace = match kind {
            "organization" | "taxonomy_term" | "taxonomy" => NAMESPACE,
            _ => self.organization,
        };
        derived(namespace, kind, id).to_string()
    }

    /// References follow the ids they point to.
    fn references(
        &self,
        fields: &mut Map<String, Value>,
        kind: &'static str,
        holder: Option<Holder<'_>>,
    ) {
        let shared = REFERENCES.iter().copied();
        let parent = (kind == "taxonomy_term").then_some(("parent_id", "taxonomy_term"));
        let link = (kind == "attribute")
            .then_some(holder)
            .flatten()
            .map(|holder| ("link_id", holder.kind));
        for (field, kind) in shared.chain(parent).chain(link) {
            let target = match fields.get(field) {
                Some(Value::String(id)) if !id.is_empty() => self.uuid_of(kind, id),
                Some(Value::Number(id)) => self.uuid_of(kind, &id.to_string()),
                _ => continue,
            };
            fields.insert(field.to_owned(), Value::String(target));
        }
    }
}

fn derived(namespace: Uuid, kind: &str, name: &str) -> Uuid {
    Uuid::new_v5(&namespace, format!("{kind}\n{name}").as_bytes())
}

/// The id as a text; feeds also have numbers.
fn text_id(fields: &Map<String, Value>, path: &[Step]) -> Result<Option<String>, Fault> {
    match fields.get("id") {
        None => Ok(None),
        Some(Value::String(id)) if id.trim().is_empty() => Ok(None),
        Some(Value::String(id)) => Ok(Some(id.clone())),
        Some(Value::Number(id)) => Ok(Some(id.to_string())),
        Some(_) => Err(Fault::new(
            ImportProblem::WrongType,
            "an id must be a text",
            "Use a UUID.",
            join(path, Step::Key("id".to_owned())),
        )),
    }
}

fn missing_id(what: &str, path: &[Step]) -> Fault {
    Fault::new(
        ImportProblem::MissingField,
        format!("the {what} has no \"id\""),
        "Give it a UUID that stays the same in every export.",
        join(path, Step::Key("id".to_owned())),
    )
}
