//! What all publishers say together, and what a plain look at it finds.

use std::collections::{BTreeMap, BTreeSet};

use fingerpost_proto::geography;
use serde_json::Value;

use crate::plain::{covers, each, is_within, text};

/// An entry, wherever its id is used: the id of its organisation, and its own.
pub(crate) type Key = (String, String);

/// A publisher's listing as its own node has it.
pub(crate) struct Own {
    /// The Fingerpost id of the organisation.
    pub(crate) org: String,
    /// Under which name it joined.
    name: String,
    /// The organisation, without its services.
    pub(crate) organization: Value,
    services: BTreeMap<String, Value>,
}

impl Own {
    pub(crate) fn new(org: String, name: &str, mut listing: Value) -> Own {
        let services = listing["services"].take();
        let services = services.as_array().into_iter().flatten();
        let services = services.map(|it| (text(&it["id"]), it.clone())).collect();
        Own {
            org,
            name: name.to_owned(),
            organization: listing,
            services,
        }
    }

    pub(crate) fn id(&self) -> String {
        text(&self.organization["id"])
    }
}

/// All of them.
pub(crate) struct Union(pub(crate) Vec<Own>);

/// A service as a plain look sees it.
#[derive(Clone, Copy)]
pub(crate) struct Seen<'a> {
    pub(crate) own: &'a Own,
    pub(crate) service: &'a Value,
}

impl Seen<'_> {
    fn key(&self) -> Key {
        (self.own.id(), text(&self.service["id"]))
    }

    /// Whether it is filed under one of these terms; for one of its places, that place's terms count too.
    pub(crate) fn is_filed(&self, place: Option<&Value>, terms: &BTreeSet<String>) -> bool {
        let all = [Some(self.service), place].into_iter().flatten();
        let mut own = all.flat_map(|of| each(of, "attributes")).map(|attribute| {
            let term = attribute["taxonomy_term"]["id"].as_str();
            term.or(attribute["taxonomy_term_id"].as_str())
        });
        own.any(|id| id.is_some_and(|id| terms.contains(id)))
    }

    pub(crate) fn covers(&self, outcode: &str) -> bool {
        covers(self.service, &self.own.services, outcode)
    }

    /// Whether a word stands in what can be searched.
    pub(crate) fn has_word(&self, word: &str) -> bool {
        let mut texts = vec![self.own.name.as_str()];
        let parent = self.service["x_parent_service"].as_str();
        let parent = parent.and_then(|id| self.own.services.get(id));
        fields(self.service, &TEXTS, &mut texts);
        fields(&self.service["program"], &["name"], &mut texts);
        for language in each(self.service, "languages") {
            fields(language, &["name"], &mut texts);
        }
        for of in [Some(self.service), parent].into_iter().flatten() {
            terms(of, &mut texts);
        }
        areas(self.service, &mut texts);
        for place in each(self.service, "service_at_locations") {
            fields(place, &["description"], &mut texts);
            terms(place, &mut texts);
            areas(place, &mut texts);
            location(&place["location"], &mut texts);
        }
        let extensions = self.service.as_object().unwrap().iter();
        for (_, value) in extensions.filter(|(field, _)| field.starts_with("x_")) {
            strings(value, &mut texts);
        }
        texts.iter().any(|text| has_word(text, word))
    }
}

/// Fields of a service whose texts are searched.
const TEXTS: [&str; 8] = [
    "name",
    "alternate_name",
    "description",
    "eligibility_description",
    "application_process",
    "fees_description",
    "fees",
    "interpretation_services",
];

fn fields<'a>(of: &'a Value, names: &[&str], into: &mut Vec<&'a str>) {
    into.extend(names.iter().filter_map(|name| of[*name].as_str()));
}

fn terms<'a>(of: &'a Value, into: &mut Vec<&'a str>) {
    for attribute in each(of, "attributes") {
        fields(attribute, &["label", "value"], into);
        fields(&attribute["taxonomy_term"], &["name", "term"], into);
    }
}

fn areas<'a>(of: &'a Value, into: &mut Vec<&'a str>) {
    for area in each(of, "service_areas") {
        fields(area, &["name", "service_area", "description"], into);
    }
}

fn location<'a>(location: &'a Value, into: &mut Vec<&'a str>) {
    fields(location, &["name", "alternate_name", "description"], into);
    for access in each(location, "accessibility") {
        fields(access, &["description", "accessibility"], into);
    }
    for address in each(location, "addresses") {
        let lines = ["address_1", "address_2", "city", "region", "state_province"];
        fields(address, &lines, into);
    }
}

/// Every text in an extension but ids and links.
fn strings<'a>(value: &'a Value, into: &mut Vec<&'a str>) {
    match value {
        Value::String(text) if !text.contains("://") => into.push(text),
        Value::Array(items) => items.iter().for_each(|it| strings(it, into)),
        Value::Object(fields) => {
            let shown = fields.iter().filter(|(field, _)| *field != "id");
            shown.for_each(|(_, it)| strings(it, into));
        }
        _ => {}
    }
}

/// Whether a word stands in a text, not counting what stands in its HTML tags.
fn has_word(text: &str, word: &str) -> bool {
    let mut in_tag = false;
    let bare: String = text
        .chars()
        .map(|it| match it {
            '<' => {
                in_tag = true;
                ' '
            }
            '>' => {
                in_tag = false;
                ' '
            }
            _ if in_tag => ' ',
            it => it,
        })
        .collect();
    let mut words = bare.split(|it: char| !it.is_alphanumeric());
    words.any(|it| it.to_lowercase() == word)
}

impl Union {
    pub(crate) fn services(&self) -> impl Iterator<Item = Seen<'_>> {
        self.0.iter().flat_map(|own| {
            let services = own.services.values();
            services.map(move |service| Seen { own, service })
        })
    }

    /// The services that fit, in order.
    pub(crate) fn which(&self, fits: impl Fn(Seen<'_>) -> bool) -> Vec<Key> {
        let fitting = self.services().filter(|it| fits(*it));
        sorted(fitting.map(|it| it.key()).collect())
    }

    /// The places that fit, in order, each with the id of its service.
    pub(crate) fn places(&self, fits: impl Fn(Seen<'_>, &Value) -> bool) -> Vec<Key> {
        let all = self.services().flat_map(|it| {
            let places = each(it.service, "service_at_locations");
            places.map(move |place| (it, place))
        });
        let fitting = all.filter(|(it, place)| fits(*it, place));
        let keys = fitting.map(|(it, place)| (text(&it.service["id"]), text(&place["id"])));
        sorted(keys.collect())
    }

    /// The places of services that cover an outcode, and, with `metres`, within so far of it.
    pub(crate) fn near(&self, outcode: &str, metres: Option<u32>) -> Vec<Key> {
        let centre = geography::place(outcode).unwrap().point;
        self.places(|it, place| {
            let within = |most| is_within(&place["location"], centre, most);
            it.covers(outcode) && metres.is_none_or(within)
        })
    }

    /// Ids of every term that a service, a place of one or an organisation is filed under and describes.
    pub(crate) fn terms(&self) -> BTreeSet<String> {
        let mut terms = BTreeSet::new();
        let mut add = |of: &Value| {
            let ids = each(of, "attributes").filter_map(|it| it["taxonomy_term"]["id"].as_str());
            terms.extend(ids.map(str::to_owned));
        };
        self.0.iter().for_each(|own| add(&own.organization));
        for seen in self.services() {
            add(seen.service);
            each(seen.service, "service_at_locations").for_each(&mut add);
        }
        terms
    }
}

pub(crate) fn sorted(mut keys: Vec<Key>) -> Vec<Key> {
    keys.sort();
    keys
}

/// What the interface gave, in the same form.
pub(crate) fn keys_of(services: &[Value]) -> Vec<Key> {
    let key = |it: &Value| (text(&it["organization"]["id"]), text(&it["id"]));
    sorted(services.iter().map(key).collect())
}

/// The same of places.
pub(crate) fn places_of(places: &[Value]) -> Vec<Key> {
    let key = |it: &Value| (text(&it["service_id"]), text(&it["id"]));
    sorted(places.iter().map(key).collect())
}
