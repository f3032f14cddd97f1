//! Secret places: what a service that is marked confidential must not say.
//!
//! The address of a refuge must never enter a document, since a document reaches every member and stays in
//! histories. So [`conceal`] runs over a listing before it is written, whatever changed it. Of a confidential service it keeps what
//! it is, whom it serves, when, and in which **area**; it drops the places with all that stands in them,
//! phones and contacts of a place, fields that we do not know, and every mention of what was dropped in any of
//! its texts. Ids that were made from a place are made anew, since an id that is a hash of an address gives
//! the address to whoever tries all of them.

mod text;

use std::collections::BTreeSet;

use serde_json::{Map, Value};
use uuid::Uuid;

use super::entities::{Entities, Entity};
use super::merge::EntityRef;
use super::model::{
    Attribute, Location, Organization, Schedule, Service, ServiceArea, ServiceAtLocation,
};
use super::state::{Listing, ShardState};
use crate::json;

pub use text::postcode;
use text::without_mentions;

/// The mark, on a service, a service at a location, a location or an address.
pub const CONFIDENTIAL: &str = "x_confidential";

/// Fields that publishers use for the same.
const MARKS: &[&str] = &[
    CONFIDENTIAL,
    "confidential",
    "is_confidential",
    "x_confidential_address",
    "confidential_address",
    "address_confidential",
    "hide_address",
];
/// Names of taxonomy terms and labels that mean the same.
const MARK_TERMS: &[&str] = &[
    "confidential",
    "confidential address",
    "confidential location",
    "secret location",
];

/// Own fields that say nothing of a place; all others are dropped.
const HARMLESS: &[&str] = &[
    CONFIDENTIAL,
    "x_parent_service",
    "x_delivery_format",
    "x_delivery_model",
    "x_journey_stage",
    "x_referral",
    "x_payer",
    super::source::ORIGINAL_ORGANIZATION,
];

/// Shorter texts, such as a house number, would be found in texts that say nothing of a place.
const MENTION_MIN_BYTES: usize = 4;

/// What was left out of a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Concealed {
    /// The service; the organisation, if its id is empty.
    pub service: EntityRef,
    /// What was left out, in plain words.
    pub what: Vec<&'static str>,
    /// Does it say in no other way where it is?
    pub without_area: bool,
}

impl Concealed {
    /// One sentence for people; it names nothing of what was left out.
    #[must_use]
    pub fn sentence(&self) -> String {
        let advice = match self.without_area {
            true => " It names no area now: add a service area, such as the borough or county.",
            false => "",
        };
        format!(
            "{}: its place is confidential, so {} did not go into the listing.{advice}",
            self.service.name,
            self.what.join(", ")
        )
    }
}

/// Leaves out of a listing what would show a confidential place, and says of which services what was left out.
/// A listing that says nothing of that kind stays as it is.
pub fn conceal(listing: &mut Listing) -> Vec<Concealed> {
    let confidential = confidential(&listing.services);
    let mut told = Vec::new();
    let mut places = BTreeSet::new();
    let mut words = BTreeSet::new();
    let services: Vec<Service> = listing
        .services
        .iter()
        .filter(|service| {
            confidential.contains(&service.id) || service.service_at_locations.iter().any(is_secret)
        })
        .cloned()
        .collect();
    for mut service in services {
        let whole = confidential.contains(&service.id);
        let before = service.clone();
        let mut hiding = Hiding::default();
        hiding.service(&mut service, whole);
        places.extend(hiding.places.iter().cloned());
        words.extend(hiding.words.iter().cloned());
        if service == before {
            continue;
        }
        told.push(Concealed {
            service: EntityRef {
                id: service.id.clone(),
                name: service.name.clone(),
            },
            what: hiding.what(),
            without_area: service.service_areas.is_empty(),
        });
        listing.services.insert(service);
    }
    let before = listing.organization.clone();
    conceal_organization(&mut listing.organization, &mut places, &mut words);
    if listing.organization != before {
        told.push(Concealed {
            service: EntityRef {
                id: String::new(),
                name: listing.organization.name.clone(),
            },
            what: vec!["a place and what mentions it"],
            without_area: false,
        });
    }
    told
}

/// The same for one shard by itself, as two machines of an organisation have merged it.
pub fn conceal_shard(state: &mut ShardState) -> Vec<Concealed> {
    let described = state.organization.is_some();
    let mut listing = Listing {
        organization: state.organization.take().unwrap_or_default(),
        services: std::mem::take(&mut state.services),
    };
    let told = conceal(&mut listing);
    state.organization = described.then_some(listing.organization);
    state.services = listing.services;
    told
}

/// Ids of the services that are confidential: those that are marked, and their strands.
fn confidential(services: &Entities<Service>) -> BTreeSet<String> {
    let marked = |service: &&Service| is_marked(&service.extra, &service.attributes);
    let mut found: BTreeSet<String> = services
        .iter()
        .filter(marked)
        .map(|service| service.id.clone())
        .collect();
    loop {
        let parent = |service: &Service| {
            service
                .extra
                .get("x_parent_service")
                .and_then(Value::as_str)
                .map(str::to_owned)
        };
        let more: Vec<String> = services
            .iter()
            .filter(|service| !found.contains(&service.id))
            .filter(|service| parent(service).is_some_and(|parent| found.contains(&parent)))
            .map(|service| service.id.clone())
            .collect();
        if more.is_empty() {
            return found;
        }
        found.extend(more);
    }
}

fn is_marked(extra: &Map<String, Value>, attributes: &Entities<Attribute>) -> bool {
    let says_yes = |value: &Value| match value {
        Value::Bool(yes) => *yes,
        Value::Number(number) => number.as_i64() == Some(1),
        Value::String(text) => matches!(
            text.trim().to_lowercase().as_str(),
            "true" | "yes" | "y" | "1"
        ),
        _ => false,
    };
    let term = |attribute: &Attribute| {
        let name = attribute
            .taxonomy_term
            .as_ref()
            .and_then(|term| term.name.as_deref());
        let texts = [name, attribute.label.as_deref()];
        texts
            .into_iter()
            .flatten()
            .any(|text| MARK_TERMS.contains(&text.trim().to_lowercase().as_str()))
    };
    MARKS
        .iter()
        .filter_map(|mark| extra.get(*mark))
        .any(says_yes)
        || attributes.iter().any(term)
}

fn is_secret(place: &ServiceAtLocation) -> bool {
    is_marked(&place.extra, &place.attributes)
        || place
            .location
            .as_ref()
            .is_some_and(|location| is_secret_place(location))
}

fn is_secret_place(location: &Location) -> bool {
    let addresses = location
        .addresses
        .iter()
        .any(|address| is_marked(&address.extra, &address.attributes));
    is_marked(&location.extra, &location.attributes) || addresses
}

/// What is being hidden of one service.
#[derive(Default)]
struct Hiding {
    /// Ids of the places.
    places: BTreeSet<String>,
    /// Words that give a place away, in lower case.
    words: BTreeSet<String>,
    street: bool,
    coordinates: bool,
    names: bool,
    phones: bool,
    other: bool,
}

impl Hiding {
    fn what(&self) -> Vec<&'static str> {
        let parts = [
            (self.street, "street and postcode"),
            (self.coordinates, "coordinates"),
            (self.names, "names of the place"),
            (self.phones, "phones and contacts there"),
            (self.other, "whatever mentions them"),
        ];
        let what: Vec<_> = parts
            .into_iter()
            .filter(|(is, _)| *is)
            .map(|(_, what)| what)
            .collect();
        if what.is_empty() {
            vec!["fields that might show it"]
        } else {
            what
        }
    }

    fn service(&mut self, service: &mut Service, whole: bool) {
        let (secret, open): (Vec<_>, Vec<_>) = std::mem::take(&mut service.service_at_locations)
            .into_iter()
            .partition(|place| whole || is_secret(place));
        service.service_at_locations = open.into_iter().collect();
        let mut area = None;
        for place in secret {
            area = area.or_else(|| self.place(service, place));
        }
        if service.service_areas.is_empty()
            && let Some(name) = area
        {
            let area = ServiceArea {
                name: Some(name),
                ..ServiceArea::default()
            };
            service
                .service_areas
                .insert(renamed(&service.id, area, "service_areas"));
        }
        self.at_places(service, whole);
        if whole {
            service
                .extra
                .insert(CONFIDENTIAL.to_owned(), Value::Bool(true));
            service
                .extra
                .retain(|name, _| HARMLESS.contains(&name.as_str()));
            service.metadata = Entities::default();
            let areas = std::mem::take(&mut service.service_areas);
            let drawn = |area: ServiceArea| ServiceArea {
                extent: None,
                extent_type: None,
                ..area
            };
            service.service_areas = areas.into_iter().map(drawn).collect();
        }
        self.rewrite(service, whole);
    }

    /// Takes in what a place says that may stay, remembers what may not, and gives the area that it is in.
    fn place(&mut self, service: &mut Service, place: ServiceAtLocation) -> Option<String> {
        self.places.insert(place.id.clone());
        self.places.extend(place.location_id.clone());
        self.phones |= !(place.phones.is_empty() && place.contacts.is_empty());
        self.other |= place.description.is_some();
        for area in place.service_areas {
            service
                .service_areas
                .insert(renamed(&service.id, area, "service_areas"));
        }
        let mut schedules: Vec<Schedule> = place.schedules.into_iter().collect();
        let mut area = None;
        if let Some(location) = place.location {
            schedules.extend(location.schedules.iter().cloned());
            area = self.location(&location);
        }
        for schedule in schedules {
            service
                .schedules
                .insert(renamed(&service.id, schedule, "schedules"));
        }
        area
    }

    fn location(&mut self, location: &Location) -> Option<String> {
        self.places.insert(location.id.clone());
        let names = [
            &location.name,
            &location.alternate_name,
            &location.external_identifier,
        ];
        self.names |= location.name.is_some()
            || location.alternate_name.is_some()
            || location.description.is_some();
        self.words
            .extend(names.into_iter().flatten().map(|name| folded(name)));
        self.coordinates |= location.latitude.is_some() || location.longitude.is_some();
        let degrees = [&location.latitude, &location.longitude]
            .into_iter()
            .flatten();
        self.words.extend(
            degrees
                .map(ToString::to_string)
                .filter(|degrees| degrees.len() > MENTION_MIN_BYTES),
        );
        self.phones |= !(location.phones.is_empty() && location.contacts.is_empty());
        self.words
            .extend(location.phones.iter().map(|phone| folded(&phone.number)));
        let mut area = None;
        for address in &location.addresses {
            self.street = true;
            let texts = [
                &address.address_1,
                &address.address_2,
                &address.attention,
                &address.postal_code,
            ];
            self.words
                .extend(texts.into_iter().flatten().map(|text| folded(text)));
            let wide = [&address.region, &address.state_province, &address.city];
            let plain = |text: &&String| {
                !text.trim().is_empty()
                    && !text.contains(|letter: char| letter.is_ascii_digit() || letter == ',')
            };
            area = area.or_else(|| wide.into_iter().flatten().find(plain).cloned());
        }
        area
    }

    /// Phones, contacts and the like that name a place by its id.
    fn at_places(&mut self, service: &mut Service, whole: bool) {
        let places = self.places.clone();
        let there = |ids: [&Option<String>; 2]| {
            ids.into_iter()
                .flatten()
                .any(|id| !id.is_empty() && (whole || places.contains(id)))
        };
        let count = service.phones.len().saturating_add(service.contacts.len());
        for phone in std::mem::take(&mut service.phones) {
            match there([&phone.location_id, &phone.service_at_location_id]) {
                true => self.words.extend([folded(&phone.number)]),
                false => drop(service.phones.insert(phone)),
            }
        }
        for contact in std::mem::take(&mut service.contacts) {
            match there([&contact.location_id, &contact.service_at_location_id]) {
                true => self
                    .words
                    .extend(contact.phones.iter().map(|phone| folded(&phone.number))),
                false => drop(service.contacts.insert(contact)),
            }
        }
        self.phones |= service.phones.len().saturating_add(service.contacts.len()) < count;
    }

    /// Leaves out of all texts what mentions the place, and (where the whole service is confidential) unknown fields and
    /// references to places deep inside.
    fn rewrite(&mut self, service: &mut Service, whole: bool) {
        self.words.retain(|word| word.len() >= MENTION_MIN_BYTES);
        let Ok(Value::Object(mut fields)) = serde_json::to_value(&*service) else {
            return;
        };
        let before = fields.clone();
        // The own fields of the service itself have been looked at.
        for (name, value) in &mut fields {
            if let Some(inner) = Service::shape()
                .many(name)
                .or_else(|| Service::shape().one(name))
            {
                strip(value, inner, whole);
            }
        }
        for value in fields.values_mut() {
            self.texts(value, whole);
        }
        if fields != before
            && let Ok(rewritten) = serde_json::from_value(Value::Object(fields))
        {
            self.other = true;
            *service = rewritten;
        }
    }

    fn texts(&self, value: &mut Value, postcodes: bool) {
        match value {
            Value::String(text) => {
                if let Some(clean) = without_mentions(text, &self.words, postcodes) {
                    *text = clean;
                }
            }
            Value::Array(items) => items
                .iter_mut()
                .for_each(|item| self.texts(item, postcodes)),
            Value::Object(fields) => {
                let names = fields
                    .iter_mut()
                    .filter(|(name, _)| *name != "id" && !name.ends_with("_id"));
                names.for_each(|(_, value)| self.texts(value, postcodes));
            }
            _ => {}
        }
    }
}

/// Takes unknown fields, notes on edits and references to places out of an entity and those in it.
fn strip(value: &mut Value, shape: &'static super::entities::Shape, whole: bool) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| strip(item, shape, whole)),
        Value::Object(fields) if whole => {
            fields.retain(|name, _| {
                shape.knows(name)
                    && !matches!(
                        name.as_str(),
                        "metadata" | "location_id" | "service_at_location_id"
                    )
            });
            for (name, value) in fields {
                if let Some(inner) = shape.many(name).or_else(|| shape.one(name)) {
                    strip(value, inner, whole);
                }
            }
        }
        _ => {}
    }
}

fn conceal_organization(
    organization: &mut Organization,
    places: &mut BTreeSet<String>,
    words: &mut BTreeSet<String>,
) {
    let mut hiding = Hiding::default();
    for location in std::mem::take(&mut organization.locations) {
        if places.contains(&location.id) || is_secret_place(&location) {
            hiding.location(&location);
        } else {
            organization.locations.insert(location);
        }
    }
    places.extend(hiding.places.iter().cloned());
    words.extend(std::mem::take(&mut hiding.words));
    words.retain(|word| word.len() > MENTION_MIN_BYTES);
    hiding.words = words.clone();
    let there = |id: &Option<String>| id.as_ref().is_some_and(|id| places.contains(id));
    let phones = std::mem::take(&mut organization.phones);
    organization.phones = phones
        .into_iter()
        .filter(|phone| !there(&phone.location_id))
        .collect();
    let contacts = std::mem::take(&mut organization.contacts);
    organization.contacts = contacts
        .into_iter()
        .filter(|contact| !there(&contact.location_id))
        .collect();
    if words.is_empty() {
        return;
    }
    let Ok(mut value) = serde_json::to_value(&*organization) else {
        return;
    };
    hiding.texts(&mut value, false);
    if let Ok(rewritten) = serde_json::from_value::<Organization>(value) {
        // An organisation that is called like its house is still called so.
        let name = std::mem::take(&mut organization.name);
        *organization = Organization { name, ..rewritten };
    }
}

/// An entity that moves from a place to its service: without its ties to the place, and with an id that says nothing of it.
fn renamed<T: Entity>(service: &str, entity: T, field: &str) -> T {
    let Ok(Value::Object(mut fields)) = serde_json::to_value(&entity) else {
        return entity;
    };
    let shape = T::shape();
    fields.retain(|name, _| {
        shape.knows(name)
            && !matches!(
                name.as_str(),
                "id" | "metadata"
                    | "location_id"
                    | "service_at_location_id"
                    | "extent"
                    | "extent_type"
            )
    });
    let content = json::to_bytes(&fields).unwrap_or_default();
    let name = [field.as_bytes(), b"\n", &content].concat();
    let namespace = Uuid::parse_str(service).unwrap_or(Uuid::NAMESPACE_OID);
    fields.insert(
        "id".to_owned(),
        Value::from(Uuid::new_v5(&namespace, &name).to_string()),
    );
    serde_json::from_value(Value::Object(fields)).unwrap_or(entity)
}

fn folded(text: &str) -> String {
    text.trim().to_lowercase()
}

#[cfg(test)]
mod tests;
