//! Taking the merged view out in pages, and finding what in it is probably there twice.

use std::collections::{BTreeMap, BTreeSet};

use fingerpost_proto::api::{
    DuplicateEntry, DuplicatePair, Duplicates, EntryKind, ExportPage, ExportedListing, OrgRef,
};
use fingerpost_proto::filter::{Filter, SoughtArea};
use fingerpost_proto::ids::{DocKey, DocName, OrgId};
use fingerpost_proto::listing::duplicates::{Subject, pairs};
use fingerpost_proto::listing::facts::{Facts, parent_of};
use fingerpost_proto::listing::{Listing, Service, ShardState};

use super::listing::shard_of;
use super::names::{card_of, org_ref};
use super::{Node, NodeError};
use crate::search::{Hit, Kind, Query, RESULTS_LIMIT};

/// After so many bytes of states a page of an export ends.
const PAGE_FILL_BYTES: usize = 8 * 1024 * 1024;
/// Most services that a text may match in an export.
const MATCHES_MAX: usize = 50_000;
/// Most entries that are compared to find duplicates.
const COMPARED_MAX: usize = 500_000;

/// What of the merged view is wanted; everything that is given must fit.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// Services that a search for this text finds.
    pub text: Option<String>,
    /// Those of this organisation, by name or id.
    pub organisation: Option<String>,
    /// Those that serve or are in an area: its name, its GSS code, a town, or the beginning of a postcode.
    pub area: Option<String>,
}

impl Node {
    /// A page of the merged view: the listings of whole organisations, or of each the services that are wanted.
    ///
    /// # Errors
    /// [`NodeError`].
    pub fn export(&self, wanted: &Wanted, offset: usize) -> Result<ExportPage, NodeError> {
        let organisation = match &wanted.organisation {
            Some(text) => Some(self.any_org(text)?),
            None => None,
        };
        let area = wanted.area.as_deref().map(Area::of);
        let orgs = self.matching(wanted.text.as_deref(), organisation)?;
        let total = orgs.len();
        let mut page = ExportPage {
            listings: Vec::new(),
            total,
            next: None,
        };
        let mut filled = 0;
        for (index, (org, ids)) in orgs.into_iter().enumerate().skip(offset) {
            if filled > PAGE_FILL_BYTES {
                page.next = Some(index);
                break;
            }
            let Some((mut exported, bytes)) = self.shown_listing(&org)? else {
                continue;
            };
            filled += bytes;
            let services = std::mem::take(&mut exported.listing.services);
            let is_within = |service: &Service| {
                let parent = parent_of(service);
                let parent = parent.and_then(|id| services.get(id));
                area.as_ref().is_none_or(|area| area.has(service, parent))
            };
            exported.listing.services = services
                .iter()
                .filter(|service| ids.as_ref().is_none_or(|ids| ids.contains(&service.id)))
                .filter(|service| is_within(service))
                .cloned()
                .collect();
            let filtered = ids.is_some() || area.is_some();
            if !(filtered && exported.listing.services.is_empty()) {
                page.listings.push(exported);
            }
        }
        Ok(page)
    }

    /// The organisations that search shows, and where a text is wanted, which of their services it finds.
    fn matching(
        &self,
        text: Option<&str>,
        organisation: Option<OrgId>,
    ) -> Result<BTreeMap<OrgId, Option<BTreeSet<String>>>, NodeError> {
        let mut found: BTreeMap<OrgId, Option<BTreeSet<String>>> = BTreeMap::new();
        let kind = match text {
            Some(_) => Kind::Service,
            None => Kind::Organisation,
        };
        for hit in self.all_hits(text, kind, organisation)? {
            let Ok(org) = hit.org.parse() else {
                continue;
            };
            let ids = found.entry(org).or_default();
            if text.is_some() {
                ids.get_or_insert_default().insert(hit.id);
            }
        }
        Ok(found)
    }

    fn all_hits(
        &self,
        text: Option<&str>,
        kind: Kind,
        organisation: Option<OrgId>,
    ) -> Result<Vec<Hit>, NodeError> {
        let mut hits = Vec::new();
        loop {
            let page = self.index.search(&Query {
                text: text.map(str::to_owned),
                kind: Some(kind),
                organisation: organisation.map(|org| org.to_string()),
                limit: RESULTS_LIMIT,
                offset: hits.len(),
                ..Query::default()
            })?;
            if text.is_some() && page.total > MATCHES_MAX {
                return Err(NodeError::bad_input(
                    format!(
                        "{} services match; at most {MATCHES_MAX} can be exported by a text",
                        page.total
                    ),
                    "leave the text out to export everything, or use more words",
                ));
            }
            let last = page.results.is_empty();
            hits.extend(page.results);
            if last || hits.len() >= page.total {
                return Ok(hits);
            }
        }
    }

    /// The listing of an organisation as this node shows it, and how many bytes its states have. An organisation that has only
    /// a card yet has no listing.
    fn shown_listing(&self, org: &OrgId) -> Result<Option<(ExportedListing, usize)>, NodeError> {
        let replica = self.replica();
        let keys: Vec<DocKey> = replica.documents_of(org).collect();
        let (mut shards, mut bytes) = (Vec::new(), 0_usize);
        for key in keys {
            let DocName::Listing(shard) = key.name else {
                continue;
            };
            if let Some(shown) = replica.shown(&key)? {
                bytes += shown.state.len();
                shards.extend(ShardState::parse(&shown.state, shard).ok());
            }
        }
        let organisation = org_ref(&replica, org);
        let listing = Listing::from_shards(&shards);
        Ok(listing.map(|listing| {
            let exported = ExportedListing {
                organisation,
                listing,
            };
            (exported, bytes)
        }))
    }

    /// Entries of different organisations that are probably about the same thing; of one organisation with others, if
    /// one is named.
    ///
    /// # Errors
    /// [`NodeError`].
    pub fn duplicates(&self, org: Option<&str>) -> Result<Duplicates, NodeError> {
        let only = match org {
            Some(text) => Some(self.any_org(text)?),
            None => None,
        };
        let mut subjects = Vec::new();
        let mut orgs: BTreeMap<String, OrgRef> = BTreeMap::new();
        for hit in self.all_hits(None, Kind::Organisation, None)? {
            if let Ok(org) = hit.org.parse::<OrgId>() {
                orgs.insert(hit.org, self.compared(&org, &mut subjects));
            }
            if subjects.len() > COMPARED_MAX {
                return Err(NodeError::refused(
                    format!("more than {COMPARED_MAX} entries are held; so many are not compared"),
                    "compare those of one network on a node that belongs to that network alone",
                ));
            }
        }
        let (found, more) = pairs(&subjects);
        let entry = |index: usize| -> Option<DuplicateEntry> {
            let subject = subjects.get(index)?;
            let organisation = orgs.get(&subject.org)?.clone();
            let (id, kind) = match subject.id.is_empty() {
                true => (organisation.id.to_string(), EntryKind::Organisation),
                false => (subject.id.clone(), EntryKind::Service),
            };
            Some(DuplicateEntry {
                id,
                kind,
                name: subject.name.clone(),
                organisation,
            })
        };
        let pair = |pair: fingerpost_proto::listing::duplicates::Pair| {
            Some(DuplicatePair {
                one: entry(pair.entries.0)?,
                other: entry(pair.entries.1)?,
                reasons: pair.reasons,
                score: pair.score,
            })
        };
        let concerns = |pair: &DuplicatePair| {
            only.is_none_or(|org| {
                pair.one.organisation.id == org || pair.other.organisation.id == org
            })
        };
        Ok(Duplicates {
            compared: subjects.len(),
            pairs: found
                .into_iter()
                .filter_map(pair)
                .filter(concerns)
                .collect(),
            more,
        })
    }

    /// Adds what is compared of an organisation.
    fn compared(&self, org: &OrgId, subjects: &mut Vec<Subject>) -> OrgRef {
        let replica = self.replica();
        let id = org.to_string();
        let card = card_of(&replica, org);
        let identifiers = card
            .iter()
            .flat_map(|card| &card.identifiers)
            .map(|identifier| {
                let number = identifier.identifier.trim_start_matches('0');
                format!("{}-{number}", identifier.scheme)
            });
        let shards: Vec<ShardState> = replica
            .documents_of(org)
            .filter_map(|key| shard_of(&replica, &key))
            .collect();
        let organization = shards.iter().find_map(|shard| shard.organization.clone());
        let mut organization = organization.unwrap_or_default();
        if let Some(card) = &card {
            organization.name.clone_from(&card.name);
        }
        subjects.push(Subject::of_organization(&id, &organization, identifiers));
        let services = shards.iter().flat_map(|shard| &shard.services);
        subjects.extend(services.map(|service| Subject::of_service(&id, service)));
        org_ref(&replica, org)
    }
}

/// An area that somebody asked for, by name, code, or the beginning of a postcode.
struct Area {
    filter: Filter,
    postcode: String,
}

impl Area {
    fn of(text: &str) -> Area {
        Area {
            filter: Filter::Area(SoughtArea::of(text)),
            postcode: text.trim().to_lowercase(),
        }
    }

    /// Does a service say that it serves the area, or is in it? A search judges alike; it does not know postcodes.
    /// `parent` is the service of which it is a strand.
    fn has(&self, service: &Service, parent: Option<&Service>) -> bool {
        let facts = Facts::of_service(service, parent);
        self.filter.judge(&facts).passes() || self.has_postcode(service)
    }

    fn has_postcode(&self, service: &Service) -> bool {
        let locations = service.service_at_locations.iter();
        let locations = locations.filter_map(|place| place.location.as_ref());
        let mut codes = locations
            .flat_map(|location| &location.addresses)
            .filter_map(|address| Some(address.postal_code.as_deref()?.to_lowercase()));
        codes.any(|code| {
            // "M1" means neither M11 nor M16.
            let rest = code.strip_prefix(&self.postcode);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_area_is_a_name_a_code_a_town_or_the_beginning_of_a_postcode() {
        let service: Service = serde_json::from_value(json!({
            "id": "s", "name": "S",
            "service_areas": [{"id": "a", "name": "Trafford", "uri": "http://example.org/id/E08000009"}],
            "service_at_locations": [{"id": "l", "location": {"id": "m", "addresses":
                [{"id": "n", "city": "Stretford", "postal_code": "M32 0DF"}]}}],
        }))
        .unwrap();
        for area in [
            "trafford",
            "E08000009",
            "Stretford ",
            "M32",
            "m32 0df",
            "Greater Manchester",
        ] {
            assert!(Area::of(area).has(&service, None), "{area}");
        }
        for area in ["Traf", "M3", "E08", "Salford", "0DF"] {
            assert!(!Area::of(area).has(&service, None), "{area}");
        }
        let strand: Service = serde_json::from_value(json!({"id": "t", "name": "T"})).unwrap();
        assert!(Area::of("Trafford").has(&strand, Some(&service)));
        assert!(!Area::of("Trafford").has(&strand, None));
    }
}
