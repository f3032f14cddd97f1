//! What the requests answer, made from the catalogue and the store.

use std::collections::BTreeSet;

use axum::http::StatusCode;
use fingerpost_proto::board::BoardState;
use fingerpost_proto::geography;
use fingerpost_proto::ids::{DocKey, DocName};
use fingerpost_proto::listing::entities::Entity;
use fingerpost_proto::listing::model::{Taxonomy, TaxonomyTerm};
use fingerpost_proto::listing::{Organization, Service, ShardState};
use serde_json::{Map, Value, json};

use super::Failure;
use super::catalogue::{Catalogue, PlaceRow, ServiceRow, TaxonomyRow, Text};
use super::conform::conform;
use super::page::Parameters;
use super::times::rfc3339;
use crate::node::Node;
use crate::search::{Kind, Query, RESULTS_LIMIT, SearchError};

/// Collections that the lists leave out of entries unless they are to be full.
fn drop_nested(entity: &mut Map<String, Value>, keep: &[&str]) {
    entity.retain(|field, value| {
        keep.contains(&field.as_str()) || !(value.is_array() || value.is_object())
    });
}

pub(super) fn not_found(what: &str, id: &str) -> Failure {
    Failure {
        status: StatusCode::NOT_FOUND,
        message: format!("there is no {what} with the id {id:?}"),
    }
}

/// A service that was found, or with `place` one of its places.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) key: DocKey,
    service: Text,
    place: Option<Text>,
}

impl Found {
    /// The row of the service, if it is still there.
    fn row<'c>(&self, catalogue: &'c Catalogue) -> Option<&'c ServiceRow> {
        let services = &catalogue.get(&self.key)?.services;
        let at = services
            .binary_search_by(|row| row.id.cmp(&self.service))
            .ok()?;
        services.get(at)
    }
}

/// What a request asks of services or their places.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    search: Option<String>,
    term: Option<String>,
    taxonomy: Option<BTreeSet<String>>,
    organization: Option<String>,
    modified_after_s: Option<i64>,
    /// The centre of a postcode's area, and the areas that it lies in.
    postcode: Option<(geography::Point, BTreeSet<String>)>,
    proximity_m: Option<u32>,
}

impl Wanted {
    pub(super) fn of(parameters: &Parameters, catalogue: &Catalogue) -> Result<Self, Failure> {
        let text = |name| parameters.text(name).map(str::to_owned);
        let taxonomy = parameters.text("taxonomy_id").map(|wanted| {
            let terms = catalogue.terms();
            let of_it = terms.into_iter().filter(|(_, term)| is_of(term, wanted));
            of_it.map(|(id, _)| id.to_owned()).collect()
        });
        let postcode = match parameters.text("postcode") {
            None => None,
            Some(postcode) => Some(place(postcode)?),
        };
        Ok(Self {
            search: text("search"),
            term: text("taxonomy_term_id"),
            taxonomy,
            organization: text("organization_id"),
            modified_after_s: parameters.moment("modified_after")?,
            postcode,
            proximity_m: parameters.metres("proximity")?,
        })
    }

    fn takes(&self, catalogue: &Catalogue, key: &DocKey, row: &ServiceRow) -> bool {
        let of_organization = |wanted: &String| {
            let known = catalogue.organization_of(key);
            known.is_some_and(|(id, _)| **id == **wanted) || key.org.to_string() == *wanted
        };
        self.organization.as_ref().is_none_or(of_organization)
            && self
                .modified_after_s
                .is_none_or(|after| row.modified_s >= after)
    }

    /// Whether a service, or one of its places, is filed under what is wanted.
    fn is_filed(&self, row: &ServiceRow, place: Option<&PlaceRow>) -> bool {
        let own = || {
            row.terms
                .iter()
                .chain(place.into_iter().flat_map(|it| &it.terms))
        };
        let term = |wanted: &String| own().any(|it| **it == **wanted);
        let taxonomy = |wanted: &BTreeSet<String>| own().any(|it| wanted.contains(&**it));
        self.term.as_ref().is_none_or(term) && self.taxonomy.as_ref().is_none_or(taxonomy)
    }

    /// Whether a place covers the postcode: by the areas that its service names, or else by how far it is.
    fn is_near(&self, row: &ServiceRow, place: &PlaceRow) -> bool {
        let Some((centre, areas)) = &self.postcode else {
            return true;
        };
        let covered =
            row.serves.is_empty() || row.serves.iter().any(|code| areas.contains(&**code));
        let within = |most| place.point.is_some_and(|it| it.distance_m(*centre) <= most);
        covered && self.proximity_m.is_none_or(within)
    }
}

fn place(postcode: &str) -> Result<(geography::Point, BTreeSet<String>), Failure> {
    let place = geography::outcode_of(postcode).and_then(|code| geography::place(&code));
    let place = place.ok_or_else(|| Failure {
        status: StatusCode::BAD_REQUEST,
        message: format!("{postcode:?} is no postcode that this node knows"),
    })?;
    let own = place.authority.iter().cloned();
    let wider = place
        .authority
        .iter()
        .flat_map(|code| geography::lies_in(code));
    let areas = own.chain(wider.map(str::to_owned)).collect();
    Ok((place.point, areas))
}

/// Whether a term is of the taxonomy with this id or name.
fn is_of(term: &TaxonomyTerm, wanted: &str) -> bool {
    let taxonomy = super::catalogue::taxonomy_of(term);
    taxonomy.is_some_and(|it| it.id == wanted || it.name == wanted)
}

/// Everything that is found, in order: of best fit for a search, else of organisations and ids.
pub(super) fn find(
    node: &Node,
    catalogue: &Catalogue,
    wanted: &Wanted,
    by_place: bool,
) -> Result<Vec<Found>, Failure> {
    let mut found = Vec::new();
    let mut take = |key: &DocKey, row: &ServiceRow| {
        if !wanted.takes(catalogue, key, row) {
            return;
        }
        let one = |place| Found {
            key: *key,
            service: Text::clone(&row.id),
            place,
        };
        if !by_place {
            found.extend(wanted.is_filed(row, None).then(|| one(None)));
            return;
        }
        for place in &row.places {
            let fits = wanted.is_filed(row, Some(place)) && wanted.is_near(row, place);
            found.extend(fits.then(|| one(Some(Text::clone(&place.id)))));
        }
    };
    if let Some(text) = &wanted.search {
        each_hit(node, text, Kind::Service, |key, id| {
            let hit = Found {
                key,
                service: Text::from(id),
                place: None,
            };
            hit.row(catalogue)
                .into_iter()
                .for_each(|row| take(&key, row));
        })?;
    } else {
        for (key, rows) in catalogue.rows() {
            rows.services.iter().for_each(|row| take(key, row));
        }
    }
    Ok(found)
}

/// Everything that a full-text search finds, the best first.
fn each_hit(
    node: &Node,
    text: &str,
    kind: Kind,
    mut take: impl FnMut(DocKey, &str),
) -> Result<(), Failure> {
    let mut offset = 0;
    loop {
        let page = node.search_index(&Query {
            text: Some(text.to_owned()),
            kind: Some(kind),
            limit: RESULTS_LIMIT,
            offset,
            ..Query::default()
        });
        let page = page.map_err(|error| match error {
            SearchError::Query(message) => Failure {
                status: StatusCode::BAD_REQUEST,
                message,
            },
            other => Failure::internal(&other),
        })?;
        for hit in &page.results {
            let key = hit.org.parse().ok().zip(hit.document.parse().ok());
            if let Some((org, name)) = key {
                take(DocKey { org, name }, &hit.id);
            }
        }
        offset += page.results.len();
        if page.results.is_empty() || offset >= page.total {
            return Ok(());
        }
    }
}

/// Reads documents for one answer, each once.
pub(super) struct Reader<'a> {
    node: &'a Node,
    catalogue: &'a Catalogue,
    shard: Option<(DocKey, ShardState)>,
    organization: Option<(DocKey, Map<String, Value>)>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(node: &'a Node, catalogue: &'a Catalogue) -> Self {
        Self {
            node,
            catalogue,
            shard: None,
            organization: None,
        }
    }

    fn shard(&mut self, key: &DocKey) -> Option<&ShardState> {
        if self.shard.as_ref().map(|(held, _)| held) != Some(key) {
            let (shard, _) = self.node.shown_shard(key)?;
            self.shard = Some((*key, shard));
        }
        self.shard.as_ref().map(|(_, shard)| shard)
    }

    /// The organisation to which a document belongs, without its collections. One that has published services
    /// alone is known by its card.
    fn organization(&mut self, key: &DocKey) -> Map<String, Value> {
        let first = DocKey {
            name: DocName::Listing(0),
            ..*key
        };
        if let Some((held, organization)) = &self.organization
            && *held == first
        {
            return organization.clone();
        }
        let said = self
            .node
            .shown_shard(&first)
            .and_then(|(shard, _)| shard.organization);
        let said = said.unwrap_or_else(|| Organization {
            id: uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_OID, key.org.as_bytes()).to_string(),
            name: self.node.name_of(&key.org),
            ..Organization::default()
        });
        let mut organization = object(&said);
        conform(&mut organization, Organization::shape());
        drop_nested(&mut organization, &["organization_identifiers"]);
        self.organization = Some((first, organization.clone()));
        organization
    }

    /// A service as the lists show it, or whole.
    pub(super) fn service(&mut self, found: &Found, full: bool) -> Option<Value> {
        let modified_s = found.row(self.catalogue)?.modified_s;
        let service = self.shard(&found.key)?.services.get(&found.service)?;
        let mut service = object(service);
        conform(&mut service, Service::shape());
        if !full {
            drop_nested(&mut service, &[]);
        }
        let organization = self.organization(&found.key);
        if let Some(id) = organization.get("id") {
            service.insert("organization_id".to_owned(), id.clone());
        }
        service.insert("organization".to_owned(), Value::Object(organization));
        if let Some(modified) = rfc3339(modified_s) {
            service.insert("last_modified".to_owned(), Value::from(modified));
        }
        Some(Value::Object(service))
    }

    /// No more than who a service is and when it was changed, with what the schema demands.
    pub(super) fn minimal(&mut self, found: &Found) -> Option<Value> {
        let whole = self.service(found, false)?;
        let mut whole = whole.as_object()?.clone();
        whole.retain(|field, _| {
            matches!(field.as_str(), "id" | "name" | "status" | "last_modified")
        });
        let modified = whole.get("last_modified").cloned();
        whole.extend(modified.map(|it| ("modified_date".to_owned(), it)));
        Some(Value::Object(whole))
    }

    /// A place of a service; with the whole service, if it is to be full.
    pub(super) fn place(&mut self, found: &Found, full: bool) -> Option<Value> {
        let service = self.service(found, true)?;
        let id = found.place.as_deref()?;
        let places = service.get("service_at_locations")?.as_array()?;
        let mut place = places
            .iter()
            .find(|it| it["id"] == *id)?
            .as_object()?
            .clone();
        place.insert("service_id".to_owned(), service["id"].clone());
        if let Some(location) = place.get("location").map(|it| it["id"].clone()) {
            place.entry("location_id").or_insert(location);
        }
        if full {
            let mut service = service.as_object()?.clone();
            service.remove("service_at_locations");
            place.insert("service".to_owned(), Value::Object(service));
        } else {
            drop_nested(&mut place, &["location"]);
        }
        Some(Value::Object(place))
    }

    /// An organisation as the lists show it, or whole; with its services, if they are wanted.
    pub(super) fn organisation(
        &mut self,
        key: &DocKey,
        full: bool,
        services: bool,
    ) -> Option<Value> {
        let said = self.shard(key)?.organization.clone()?;
        let mut organization = object(&said);
        conform(&mut organization, Organization::shape());
        if !full {
            drop_nested(&mut organization, &["organization_identifiers"]);
        }
        if services {
            let own = self.catalogue.rows().filter(|(it, _)| it.org == key.org);
            let all: Vec<Found> = own
                .flat_map(|(key, rows)| rows.services.iter().map(|row| found_service(key, row)))
                .collect();
            let all: Vec<Value> = all.iter().filter_map(|it| self.service(it, true)).collect();
            organization.insert("services".to_owned(), Value::from(all));
        }
        organization.insert(
            "x_fingerpost_id".to_owned(),
            Value::from(key.org.to_string()),
        );
        Some(Value::Object(organization))
    }
}

fn object(entity: &impl serde::Serialize) -> Map<String, Value> {
    match serde_json::to_value(entity) {
        Ok(Value::Object(fields)) => fields,
        _ => Map::new(),
    }
}

/// The first shards of all organisations that a search finds, or of all.
pub(super) fn find_organizations(
    node: &Node,
    catalogue: &Catalogue,
    search: Option<&str>,
) -> Result<Vec<DocKey>, Failure> {
    let described = |key: &DocKey| {
        let rows = catalogue.get(key);
        rows.is_some_and(|rows| rows.organization.is_some())
    };
    let Some(text) = search else {
        let all = catalogue.rows().map(|(key, _)| *key);
        return Ok(all.filter(described).collect());
    };
    let mut found = Vec::new();
    each_hit(node, text, Kind::Organisation, |key, _| {
        let first = DocKey {
            name: DocName::Listing(0),
            ..key
        };
        found.extend(described(&first).then_some(first));
    })?;
    Ok(found)
}

fn found_service(key: &DocKey, row: &ServiceRow) -> Found {
    Found {
        key: *key,
        service: Text::clone(&row.id),
        place: None,
    }
}

/// The service with this id: of several, the first in order.
pub(super) fn service_by_id(catalogue: &Catalogue, id: &str) -> Option<Found> {
    catalogue.rows().find_map(|(key, rows)| {
        let at = rows
            .services
            .binary_search_by(|row| (*row.id).cmp(id))
            .ok()?;
        Some(found_service(key, rows.services.get(at)?))
    })
}

/// The place with this id.
pub(super) fn place_by_id(catalogue: &Catalogue, id: &str) -> Option<Found> {
    catalogue.rows().find_map(|(key, rows)| {
        rows.services.iter().find_map(|row| {
            let place = row.places.iter().find(|place| *place.id == *id)?;
            Some(Found {
                place: Some(Text::clone(&place.id)),
                ..found_service(key, row)
            })
        })
    })
}

/// A term as the interface shows it.
pub(super) fn term(term: &TaxonomyTerm, full: bool) -> Value {
    let mut shown = object(term);
    if let Some(taxonomy) = super::catalogue::taxonomy_of(term) {
        shown.insert("taxonomy_id".to_owned(), Value::from(taxonomy.id.clone()));
        shown.insert("taxonomy".to_owned(), Value::from(taxonomy.name.clone()));
        if full {
            shown.insert("taxonomy_detail".to_owned(), self::taxonomy(&taxonomy));
        }
    }
    if !full {
        drop_nested(&mut shown, &[]);
    }
    conform(&mut shown, TaxonomyTerm::shape());
    Value::Object(shown)
}

/// A taxonomy as the interface shows it.
pub(super) fn taxonomy(taxonomy: &TaxonomyRow) -> Value {
    let mut shown = Map::new();
    shown.insert("id".to_owned(), Value::from(taxonomy.id.clone()));
    shown.insert("name".to_owned(), Value::from(taxonomy.name.clone()));
    let more = [
        ("description", &taxonomy.description),
        ("uri", &taxonomy.uri),
    ];
    for (field, value) in more {
        shown.extend(value.clone().map(|it| (field.to_owned(), Value::from(it))));
    }
    conform(&mut shown, Taxonomy::shape());
    Value::Object(shown)
}

/// Terms that a request asks for.
pub(super) fn find_terms(
    catalogue: &Catalogue,
    parameters: &Parameters,
) -> Result<Vec<Value>, Failure> {
    let top_only = parameters.flag("top_only")?;
    let search = parameters.text("search").map(str::to_lowercase);
    let fits = |term: &&TaxonomyTerm| {
        let texts = [&term.name, &term.term, &term.description, &term.code];
        let has = |words: &String| {
            texts
                .into_iter()
                .flatten()
                .any(|it| it.to_lowercase().contains(words.as_str()))
        };
        search.as_ref().is_none_or(has)
            && parameters
                .text("taxonomy_id")
                .is_none_or(|wanted| is_of(term, wanted))
            && parameters
                .text("parent_id")
                .is_none_or(|it| term.parent_id.as_deref() == Some(it))
            && !(top_only && term.parent_id.is_some())
    };
    let terms = catalogue.terms();
    let found = terms.into_values().filter(fits);
    Ok(found.map(|it| term(it, false)).collect())
}

/// Taxonomies that a request asks for.
pub(super) fn find_taxonomies(catalogue: &Catalogue, parameters: &Parameters) -> Vec<Value> {
    let search = parameters.text("search").map(str::to_lowercase);
    let fits = |it: &&TaxonomyRow| {
        let has = |words: &String| it.name.to_lowercase().contains(words.as_str());
        search.as_ref().is_none_or(has)
    };
    let all = catalogue.taxonomies();
    all.values().filter(fits).map(taxonomy).collect()
}

/// Notices that are meant for everybody, as far as they are shown today.
pub(super) fn find_notices(
    node: &Node,
    catalogue: &Catalogue,
    parameters: &Parameters,
    today: &str,
) -> Vec<Value> {
    let [kind, area, search] = ["kind", "area", "search"].map(|it| parameters.text(it));
    let search = search.map(str::to_lowercase);
    let mut found = Vec::new();
    let boards = catalogue
        .rows()
        .filter(|(_, rows)| !rows.notices.is_empty());
    for (key, rows) in boards {
        let Some(board) = node.shown_board(key) else {
            continue;
        };
        let organisation = catalogue.organization_of(key).map_or_else(
            || json!({"name": node.name_of(&key.org)}),
            |(id, name)| json!({"id": **id, "name": **name}),
        );
        let of_board = |board: &BoardState, id: &str| board.notices.get(id).cloned();
        for notice in rows.notices.iter().filter_map(|id| of_board(&board, id)) {
            let texts = [Some(&notice.title), notice.text.as_ref()];
            let has = |words: &String| {
                texts
                    .into_iter()
                    .flatten()
                    .any(|it| it.to_lowercase().contains(words.as_str()))
            };
            let fits = !notice.closed
                && notice.expires.as_str() >= today
                && kind.is_none_or(|it| notice.kind.as_str() == it)
                && area
                    .is_none_or(|it| notice.areas.iter().any(|own| own.eq_ignore_ascii_case(it)))
                && search.as_ref().is_none_or(has);
            if fits {
                let mut shown = object(&notice);
                shown.insert("organization".to_owned(), organisation.clone());
                found.push(Value::Object(shown));
            }
        }
    }
    found
}
