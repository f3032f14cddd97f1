//! What can be found of a listing: its services, and the organisation itself.

use fingerpost_proto::board::{BoardState, Notice};
use fingerpost_proto::ids::DocName;
use fingerpost_proto::listing::facts::{Facts, PARENT_FIELD, parent_of};
use fingerpost_proto::listing::model::{Address, Attribute, Location, ServiceArea};
use fingerpost_proto::listing::{Entities, Organization, Service, ShardState};
use serde_json::Value;

use super::{Entry, Kind};

/// The entries of one shard of a listing.
///
/// `org` is the organisation's Fingerpost id, `document` the shard's name (`listing/0`).
/// `organisation_name` is shown with its services; shards other than the first do not hold it, so when it
/// changes the entries of all shards change.
///
/// A strand whose parent service stands in another shard says what it says alone: see [`entries_with`].
#[must_use]
pub fn entries_of(
    org: &str,
    document: &str,
    organisation_name: &str,
    state: &ShardState,
) -> Vec<Entry> {
    entries_with(org, document, organisation_name, state, &|_| None)
}

/// Like [`entries_of`], and `elsewhere` gives services of the same organisation that stand in other shards.
///
/// A strand can be found by its parent's taxonomy terms too, and takes from it what it does not say itself. So what
/// this gives changes with the parent's shard, and the caller indexes this one again when that one changes.
#[must_use]
pub fn entries_with(
    org: &str,
    document: &str,
    organisation_name: &str,
    state: &ShardState,
    elsewhere: &dyn Fn(&str) -> Option<Service>,
) -> Vec<Entry> {
    let blank = || blank(org, document, organisation_name);
    let organisation = state
        .organization
        .iter()
        .map(|organization| organisation_entry(organization, blank()));
    let services = state.services.iter().map(|service| {
        let id = parent_of(service);
        let here = id.and_then(|id| state.services.get(id)).cloned();
        let parent = here.or_else(|| elsewhere(id?));
        service_entry(service, parent.as_ref(), blank())
    });
    organisation.chain(services).collect()
}

/// The ids of services that strands of this shard belong to and that stand in another.
pub(crate) fn parents_elsewhere(state: &ShardState) -> impl Iterator<Item = &str> {
    let parents = state.services.iter().filter_map(parent_of);
    parents.filter(|id| !state.services.contains(id))
}

/// Whether a shard, as it is stored, has strands of services in other shards.
pub(crate) fn names_parents_elsewhere(name: DocName, state: &[u8]) -> bool {
    let DocName::Listing(shard) = name else {
        return false;
    };
    // Most listings have no strands, and reading the whole of a shard costs more than looking for the word.
    let field = PARENT_FIELD.as_bytes();
    state.windows(field.len()).any(|part| part == field)
        && ShardState::parse(state, shard)
            .is_ok_and(|state| parents_elsewhere(&state).next().is_some())
}

/// The notices of a board that are still open. One that has expired is indexed and not shown, so that nothing has to
/// happen at midnight; `is_meant` says whether a notice is meant for a network of this node's.
#[must_use]
pub fn notice_entries(
    org: &str,
    document: &str,
    organisation_name: &str,
    board: &BoardState,
    is_meant: &dyn Fn(&Notice) -> bool,
) -> Vec<Entry> {
    let open = board
        .notices
        .iter()
        .filter(|notice| !notice.closed && is_meant(notice));
    open.map(|notice| Entry {
        id: notice.id.clone(),
        kind: Kind::Notice,
        name: notice.title.clone(),
        description: plain(notice.text.as_deref()),
        terms: vec![notice.kind.to_string()],
        places: notice.areas.clone(),
        other: notice.languages.clone(),
        facts: Facts::of_notice(notice),
        ..blank(org, document, organisation_name)
    })
    .collect()
}

fn blank(org: &str, document: &str, organisation_name: &str) -> Entry {
    Entry {
        id: String::new(),
        kind: Kind::Service,
        org: org.to_owned(),
        document: document.to_owned(),
        organisation_name: organisation_name.to_owned(),
        name: String::new(),
        description: String::new(),
        terms: Vec::new(),
        places: Vec::new(),
        other: Vec::new(),
        status: None,
        assured_date: None,
        facts: Facts::default(),
    }
}

fn organisation_entry(organization: &Organization, blank: Entry) -> Entry {
    let mut entry = Entry {
        id: blank.org.clone(),
        kind: Kind::Organisation,
        name: organization.name.clone(),
        description: plain(organization.description.as_deref()),
        facts: Facts::of_organisation(organization),
        ..blank
    };
    entry.other.extend(organization.alternate_name.clone());
    for identifier in organization.organization_identifiers.iter() {
        entry.other.extend(identifier.identifier.clone());
    }
    for program in organization.programs.iter() {
        entry.other.extend(program.name.clone());
    }
    entry.other.extend(extension_texts(&organization.extra));
    add_terms(&mut entry.terms, &organization.attributes);
    for location in organization.locations.iter() {
        add_location(&mut entry, location);
    }
    entry
}

fn service_entry(service: &Service, parent: Option<&Service>, blank: Entry) -> Entry {
    let mut entry = Entry {
        id: service.id.clone(),
        name: service.name.clone(),
        description: plain(service.description.as_deref()),
        status: service.status.clone(),
        assured_date: service.assured_date.clone(),
        facts: Facts::of_service(service, parent),
        ..blank
    };
    let prose = [
        &service.eligibility_description,
        &service.application_process,
        &service.fees_description,
        &service.fees,
        &service.interpretation_services,
    ];
    entry.other.extend(service.alternate_name.clone());
    entry
        .other
        .extend(prose.into_iter().flatten().map(|text| plain(Some(text))));
    for language in service.languages.iter() {
        entry.other.extend(language.name.clone());
    }
    if let Some(program) = &service.program {
        entry.other.extend(program.name.clone());
    }
    entry.other.extend(extension_texts(&service.extra));
    add_terms(&mut entry.terms, &service.attributes);
    add_areas(&mut entry.places, &service.service_areas);
    for place in service.service_at_locations.iter() {
        entry.other.push(plain(place.description.as_deref()));
        add_terms(&mut entry.terms, &place.attributes);
        add_areas(&mut entry.places, &place.service_areas);
        if let Some(location) = &place.location {
            add_location(&mut entry, location);
        }
    }
    if let Some(parent) = parent {
        add_terms(&mut entry.terms, &parent.attributes);
    }
    entry
}

fn add_terms(terms: &mut Vec<String>, attributes: &Entities<Attribute>) {
    for attribute in attributes.iter() {
        let term = attribute.taxonomy_term.as_deref();
        let names = term.into_iter().flat_map(|term| [&term.name, &term.term]);
        for text in names.chain([&attribute.label, &attribute.value]).flatten() {
            if !terms.contains(text) {
                terms.push(text.clone());
            }
        }
    }
}

fn add_areas(places: &mut Vec<String>, areas: &Entities<ServiceArea>) {
    for area in areas.iter() {
        places.extend(
            [&area.name, &area.service_area, &area.description]
                .into_iter()
                .flatten()
                .cloned(),
        );
    }
}

fn add_location(entry: &mut Entry, location: &Location) {
    entry.places.extend(
        [&location.name, &location.alternate_name]
            .into_iter()
            .flatten()
            .cloned(),
    );
    entry.other.push(plain(location.description.as_deref()));
    for access in location.accessibility.iter() {
        entry.other.extend(
            [&access.description, &access.accessibility]
                .into_iter()
                .flatten()
                .cloned(),
        );
    }
    for address in location.addresses.iter() {
        add_address(&mut entry.places, address);
    }
}

fn add_address(places: &mut Vec<String>, address: &Address) {
    let lines = [
        &address.address_1,
        &address.address_2,
        &address.city,
        &address.region,
        &address.state_province,
        &address.postal_code,
    ];
    places.extend(lines.into_iter().flatten().cloned());
    // People write postcodes with and without the space.
    let joined = address
        .postal_code
        .iter()
        .filter(|code| code.contains(' '))
        .map(|code| code.replace(' ', ""));
    places.extend(joined);
}

/// The texts of namespaced extensions, without those that only point somewhere.
fn extension_texts(extra: &serde_json::Map<String, Value>) -> Vec<String> {
    let mut texts = Vec::new();
    // Depth and size of a state are bounded where it is read.
    let extensions = extra
        .iter()
        .filter(|(field, _)| field.starts_with("x_") && *field != PARENT_FIELD);
    let mut rest: Vec<&Value> = extensions.map(|(_, value)| value).collect();
    while let Some(value) = rest.pop() {
        match value {
            Value::String(text) if !text.contains("://") => texts.push(plain(Some(text))),
            Value::Array(items) => rest.extend(items),
            Value::Object(fields) => {
                rest.extend(
                    fields
                        .iter()
                        .filter(|(field, _)| *field != "id")
                        .map(|(_, value)| value),
                );
            }
            _ => {}
        }
    }
    texts
}

/// `text` without the HTML that some feeds put into descriptions.
fn plain(text: Option<&str>) -> String {
    const ENTITIES: [(&str, &str); 7] = [
        ("&nbsp;", " "),
        ("&#39;", "'"),
        ("&rsquo;", "’"),
        ("&quot;", "\""),
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&amp;", "&"),
    ];
    let text = text.unwrap_or_default();
    let mut bare = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, from)) = rest.find('<').map(|at| rest.split_at(at)) {
        bare.push_str(before);
        let is_tag = from
            .chars()
            .nth(1)
            .is_some_and(|c| c.is_ascii_alphabetic() || c == '/' || c == '!');
        let after = is_tag
            .then(|| from.split_once('>'))
            .flatten()
            .map(|(_, after)| after);
        match after {
            Some(after) => {
                bare.push(' ');
                rest = after;
            }
            None => {
                // A "less than", not a tag.
                bare.push('<');
                rest = from.get(1..).unwrap_or_default();
            }
        }
    }
    bare.push_str(rest);
    for (entity, character) in ENTITIES {
        if bare.contains(entity) {
            bare = bare.replace(entity, character);
        }
    }
    bare
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]
mod tests {
    use serde_json::json;

    use super::*;

    fn shard(value: Value) -> ShardState {
        serde_json::from_value(value).unwrap()
    }

    fn example() -> ShardState {
        shard(json!({
            "format": 1, "kind": "listing", "shard": 0,
            "organization": {
                "id": "o", "name": "Harbour Trust", "alternate_name": "HT", "description": "<p>We &amp; you</p>",
                "organization_identifiers": [{"id": "oi", "identifier_scheme": "GB-CHC", "identifier": "1234567"}],
                "locations": [{"id": "l", "name": "The Quay", "addresses": [{"id": "a", "city": "Hull", "postal_code": "HU1 1AA"}]}],
            },
            "services": [
                {
                    "id": "s1", "name": "Counselling", "status": "active", "assured_date": "2026-10-01",
                    "attributes": [{"id": "at", "taxonomy_term": {"id": "t", "name": "Bereavement"}}],
                    "service_areas": [{"id": "sa", "name": "East Riding"}],
                    "service_at_locations": [{"id": "sl", "location": {"id": "l2", "name": "Annexe"}}],
                    "languages": [{"id": "la", "name": "Farsi"}],
                    "x_payer": {"id": "77", "who": "NHS", "page": "https://example.org/"},
                },
                {"id": "s2", "name": "Evening strand", "x_parent_service": "s1"},
            ],
        }))
    }

    #[test]
    fn the_organisation_and_its_services_become_entries() {
        let entries = entries_of("org1", "listing/0", "Harbour Trust", &example());
        assert_eq!(entries.len(), 3);
        let organisation = &entries[0];
        assert_eq!(
            (organisation.kind, organisation.id.as_str()),
            (Kind::Organisation, "org1")
        );
        assert_eq!(organisation.name, "Harbour Trust");
        assert_eq!(organisation.description.trim(), "We & you");
        assert_eq!(
            organisation.places,
            ["The Quay", "Hull", "HU1 1AA", "HU11AA"]
        );
        assert!(organisation.other.contains(&"1234567".to_owned()));
        let service = &entries[1];
        assert_eq!((service.kind, service.id.as_str()), (Kind::Service, "s1"));
        assert_eq!(service.terms, ["Bereavement"]);
        assert_eq!(service.places, ["East Riding", "Annexe"]);
        assert!(
            service.other.contains(&"Farsi".to_owned())
                && service.other.contains(&"NHS".to_owned())
        );
        assert!(
            !service
                .other
                .iter()
                .any(|text| text.contains("example.org") || text == "77")
        );
        assert_eq!(service.status.as_deref(), Some("active"));
        assert_eq!(service.assured_date.as_deref(), Some("2026-10-01"));
        for entry in &entries {
            assert_eq!(
                (entry.org.as_str(), entry.document.as_str()),
                ("org1", "listing/0")
            );
            assert_eq!(entry.organisation_name, "Harbour Trust");
        }
    }

    #[test]
    fn a_strand_is_found_by_the_terms_of_its_parent() {
        let entries = entries_of("org1", "listing/0", "Harbour Trust", &example());
        assert_eq!(entries[2].terms, ["Bereavement"]);
        let alone = shard(json!({
            "format": 1, "kind": "listing", "shard": 1,
            "services": [{"id": "s2", "name": "Evening strand", "x_parent_service": "s1"}],
        }));
        let entries = entries_of("org1", "listing/1", "Harbour Trust", &alone);
        assert_eq!(entries.len(), 1);
        assert!(entries[0].terms.is_empty() && entries[0].other.iter().all(|text| text != "s1"));
    }

    #[test]
    fn html_is_taken_out_and_a_less_than_is_not() {
        assert_eq!(
            plain(Some("<p class=\"x\">Fish&nbsp;&amp; chips</p><br/>")),
            " Fish & chips  "
        );
        assert_eq!(plain(Some("ages < 18 and <3 é<")), "ages < 18 and <3 é<");
        assert_eq!(plain(Some("&amp;lt;")), "&lt;");
        assert_eq!(plain(Some("a <b")), "a <b");
        assert_eq!(plain(None), "");
    }
}
