//! What the public interface pages through: one small row a service, in the order of documents and ids.
//!
//! The rows hold what its filters compare; everything else is read from the store when a page is made. They exist only
//! while the interface is open, and follow the store: whatever the search index takes in again is marked, and
//! read when somebody asks next.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use fingerpost_proto::board::BoardState;
use fingerpost_proto::geography::{self, Point};
use fingerpost_proto::ids::{DocKey, DocName};
use fingerpost_proto::listing::facts::{Facts, parent_of};
use fingerpost_proto::listing::model::{Attribute, Location, TaxonomyTerm};
use fingerpost_proto::listing::{Entities, Service, ShardState};
use uuid::Uuid;

use super::times::seconds;

/// Under which ids are made for taxonomies that have a name alone: a name-based UUID of Fingerpost's own.
const TAXONOMIES: Uuid = Uuid::from_u128(0x5b0e_4f31_93c8_5d0a_a9d5_4e1f_6f0c_2a77);

/// A text that many rows share.
pub(super) type Text = Arc<str>;

/// A service, as far as filters look at it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ServiceRow {
    pub(super) id: Text,
    /// When it was last changed, in seconds since 1970-01-01 UTC.
    pub(super) modified_s: i64,
    /// Ids of its taxonomy terms.
    pub(super) terms: Vec<Text>,
    /// GSS codes of the areas that it serves; none where it does not say.
    pub(super) serves: Vec<Text>,
    pub(super) places: Vec<PlaceRow>,
}

/// A place of a service.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct PlaceRow {
    pub(super) id: Text,
    /// Ids of its own taxonomy terms.
    pub(super) terms: Vec<Text>,
    /// Where it is, as far as the listing says.
    pub(super) point: Option<Point>,
}

/// What a document holds.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Rows {
    /// The HSDS id and the name of the organisation, in its first shard.
    pub(super) organization: Option<(Text, Text)>,
    /// In the order of their ids.
    pub(super) services: Vec<ServiceRow>,
    pub(super) terms: Vec<Arc<TaxonomyTerm>>,
    /// Ids of notices that are meant for all networks of their organisation.
    pub(super) notices: Vec<Text>,
}

/// A taxonomy from which listings take terms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TaxonomyRow {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) description: Option<String>,
    pub(super) uri: Option<String>,
}

/// The rows of everything that is shown.
#[derive(Debug, Default)]
pub(crate) struct Catalogue {
    rows: BTreeMap<DocKey, Rows>,
    texts: BTreeSet<Text>,
    terms: BTreeMap<String, Vec<Arc<TaxonomyTerm>>>,
}

impl Catalogue {
    pub(super) fn rows(&self) -> impl Iterator<Item = (&DocKey, &Rows)> {
        self.rows.iter()
    }

    pub(super) fn get(&self, key: &DocKey) -> Option<&Rows> {
        self.rows.get(key)
    }

    /// The HSDS id and the name of the organisation to which a document belongs, if its listing says.
    pub(super) fn organization_of(&self, key: &DocKey) -> Option<&(Text, Text)> {
        let name = DocName::Listing(0);
        self.rows
            .get(&DocKey { name, ..*key })?
            .organization
            .as_ref()
    }

    /// A document is not shown any more.
    pub(crate) fn remove(&mut self, key: &DocKey) {
        self.rows.remove(key);
    }

    /// Takes in what a shard says. `issued_at_s` is when its record was made; `elsewhere` are services of other shards
    /// to which strands of this one belong, by id.
    pub(crate) fn put_shard(
        &mut self,
        key: DocKey,
        shard: &ShardState,
        issued_at_s: u64,
        elsewhere: &BTreeMap<String, Service>,
    ) {
        let issued_at_s = i64::try_from(issued_at_s).unwrap_or(i64::MAX);
        let mut rows = Rows::default();
        if let Some(organization) = &shard.organization {
            let id = self.text(&organization.id);
            let name = self.text(&organization.name);
            rows.organization = Some((id, name));
            self.note_terms(&mut rows, &organization.attributes);
        }
        for service in &shard.services {
            let parent = parent_of(service);
            let parent = parent.and_then(|id| shard.services.get(id).or_else(|| elsewhere.get(id)));
            let row = self.service_row(service, parent, issued_at_s);
            self.note_terms(&mut rows, &service.attributes);
            for place in &service.service_at_locations {
                self.note_terms(&mut rows, &place.attributes);
            }
            rows.services.push(row);
        }
        self.rows.insert(key, rows);
    }

    /// Takes in what a board says.
    pub(crate) fn put_board(&mut self, key: DocKey, board: &BoardState) {
        let public = board.notices.iter().filter(|it| it.networks.is_empty());
        let notices = public.map(|it| Text::from(it.id.as_str())).collect();
        let rows = Rows {
            notices,
            ..Rows::default()
        };
        self.rows.insert(key, rows);
    }

    fn service_row(
        &mut self,
        service: &Service,
        parent: Option<&Service>,
        issued_at_s: i64,
    ) -> ServiceRow {
        // A strand with a place of its own serves the areas of its service all the same.
        let mut serves = Facts::of_service(service, None).serves;
        if let (true, Some(parent)) = (serves.is_empty(), parent) {
            serves = Facts::of_service(parent, None).serves;
        }
        let modified = service.last_modified.as_deref().and_then(seconds);
        let places = service.service_at_locations.iter();
        let places: Vec<PlaceRow> = places
            .map(|place| PlaceRow {
                id: self.text(&place.id),
                terms: self.term_ids(&place.attributes),
                point: place.location.as_deref().and_then(point_of),
            })
            .collect();
        ServiceRow {
            id: self.text(&service.id),
            modified_s: modified.unwrap_or(issued_at_s),
            terms: self.term_ids(&service.attributes),
            serves: serves.iter().map(|code| self.text(code)).collect(),
            places,
        }
    }

    fn text(&mut self, text: &str) -> Text {
        if let Some(known) = self.texts.get(text) {
            return Text::clone(known);
        }
        let new = Text::from(text);
        self.texts.insert(Text::clone(&new));
        new
    }

    fn term_ids(&mut self, attributes: &Entities<Attribute>) -> Vec<Text> {
        let ids: BTreeSet<&str> = attributes.iter().filter_map(term_id).collect();
        ids.into_iter().map(|id| self.text(id)).collect()
    }

    fn note_terms(&mut self, rows: &mut Rows, attributes: &Entities<Attribute>) {
        for term in attributes
            .iter()
            .filter_map(|it| it.taxonomy_term.as_deref())
        {
            let known = self.terms.entry(term.id.clone()).or_default();
            let shared = match known.iter().find(|it| ***it == *term) {
                Some(shared) => Arc::clone(shared),
                None => {
                    let shared = Arc::new(term.clone());
                    known.push(Arc::clone(&shared));
                    shared
                }
            };
            if !rows.terms.iter().any(|it| Arc::ptr_eq(it, &shared)) {
                rows.terms.push(shared);
            }
        }
    }

    /// Every term that a listing uses, by id. Where listings describe one differently, the same description is
    /// taken on every node.
    pub(super) fn terms(&self) -> BTreeMap<&str, &TaxonomyTerm> {
        let mut terms: BTreeMap<&str, &TaxonomyTerm> = BTreeMap::new();
        for term in self.rows.values().flat_map(|rows| &rows.terms) {
            let kept = terms.entry(term.id.as_str()).or_insert(term);
            if written(term) < written(kept) {
                *kept = term;
            }
        }
        terms
    }

    /// Every taxonomy from which a listing takes a term, by id.
    pub(super) fn taxonomies(&self) -> BTreeMap<String, TaxonomyRow> {
        let mut taxonomies = BTreeMap::new();
        for taxonomy in self.terms().values().filter_map(|term| taxonomy_of(term)) {
            taxonomies.entry(taxonomy.id.clone()).or_insert(taxonomy);
        }
        taxonomies
    }
}

fn written(term: &TaxonomyTerm) -> String {
    serde_json::to_string(term).unwrap_or_default()
}

/// The id of the term that an attribute links to.
fn term_id(attribute: &Attribute) -> Option<&str> {
    let term = attribute.taxonomy_term.as_deref().map(|it| it.id.as_str());
    term.or(attribute.taxonomy_term_id.as_deref())
}

/// The taxonomy of a term, if it names one.
pub(super) fn taxonomy_of(term: &TaxonomyTerm) -> Option<TaxonomyRow> {
    let detail = term.taxonomy_detail.as_deref();
    let name = detail.and_then(|it| it.name.clone());
    let name = name.or_else(|| term.taxonomy.clone());
    let id = term.taxonomy_id.clone();
    let id = id.or_else(|| detail.map(|it| it.id.clone()));
    let by_name = || Some(Uuid::new_v5(&TAXONOMIES, name.as_deref()?.as_bytes()).to_string());
    let id = id.or_else(by_name)?;
    Some(TaxonomyRow {
        name: name.unwrap_or_else(|| id.clone()),
        id,
        description: detail.and_then(|it| it.description.clone()),
        uri: detail.and_then(|it| it.uri.clone()),
    })
}

/// Where a location is: its coordinates, or the centre of its postcode's first half.
fn point_of(location: &Location) -> Option<Point> {
    let degrees = |number: &Option<_>| number.as_ref().and_then(serde_json::Number::as_f64);
    let exact = degrees(&location.latitude).zip(degrees(&location.longitude));
    let exact = exact.and_then(|(latitude, longitude)| Point::from_degrees(latitude, longitude));
    let rough = || {
        let codes = location
            .addresses
            .iter()
            .filter_map(|it| it.postal_code.as_deref());
        codes.filter_map(geography::place).next().map(|it| it.point)
    };
    exact.or_else(rough)
}
