//! Reading the merged view: search, and what stands behind a result.

use fingerpost_proto::api::{EntryKind, EntryView, ListingView, SearchPage, SearchResult};
use fingerpost_proto::board::BoardState;
use fingerpost_proto::card::Card;
use fingerpost_proto::ids::{DocKey, DocName, NetworkId, OrgId};
use fingerpost_proto::listing::{Listing, ShardState};
use fingerpost_proto::replica::{Replica, Shown};
use fingerpost_proto::roster::Place;
use serde_json::Value;

use super::board::assurer_of;
use super::days::today;
use super::membership::{name_of, pause_of};
use super::names::{card_of, org_ref};
use super::{Node, NodeError};
use crate::search::{Hit, Kind, Query};
use crate::store::SledStorage;

fn entry_kind(kind: Kind) -> EntryKind {
    match kind {
        Kind::Service => EntryKind::Service,
        Kind::Organisation => EntryKind::Organisation,
        Kind::Notice => EntryKind::Notice,
    }
}

pub(super) fn result(hit: Hit) -> Option<SearchResult> {
    let organisation = fingerpost_proto::api::OrgRef {
        id: hit.org.parse().ok()?,
        name: hit.organisation_name,
    };
    Some(SearchResult {
        id: hit.id,
        kind: entry_kind(hit.kind),
        name: hit.name,
        organisation,
        status: hit.status,
        assured_date: hit.assured_date,
        stale: false,
        distance_m: None,
        why: Vec::new(),
    })
}

impl Node {
    /// Searches the merged view.
    ///
    /// # Errors
    /// [`NodeError`].
    pub fn search(&self, mut query: Query) -> Result<SearchPage, NodeError> {
        if let Some(org) = query.organisation.take() {
            query.organisation = Some(self.any_org(&org)?.to_string());
        }
        let page = self.index.search(&query)?;
        Ok(SearchPage {
            total: page.total,
            results: page.results.into_iter().filter_map(result).collect(),
            ..SearchPage::default()
        })
    }

    /// One entry: what it says, who says so, and how old our copy is. `id` is a service's id, or an
    /// organisation's in full or in short.
    ///
    /// # Errors
    /// [`NodeError`].
    pub fn entry(&self, id: &str) -> Result<EntryView, NodeError> {
        let id = match id.starts_with(OrgId::PREFIX) {
            true => self.any_org(id)?.to_string(),
            false => id.trim().to_owned(),
        };
        let hits = self.index.lookup(&id)?;
        let Some(hit) = hits.first() else {
            if let Some(gone) = self.gone_entry(&id)? {
                return Ok(gone);
            }
            if let Some(next) = self.goes_on_as(&id) {
                let mut entry = self.entry(&next.to_string())?;
                entry.followed_from.get_or_insert(id);
                return Ok(entry);
            }
            self.refuse_applicant(&id)?;
            return Err(NodeError::not_found(
                format!("this node knows no service or organisation with the id {id}"),
                "fingerpost search finds services with their ids",
            ));
        };
        let mut entry = self.entry_of(hit)?;
        if entry.kind == EntryKind::Service {
            entry.findings = Some(self.findings_of(&entry)?);
        }
        Ok(entry)
    }

    /// The organisation that goes on for one whose own card is held no more.
    fn goes_on_as(&self, id: &str) -> Option<OrgId> {
        let org: OrgId = id.parse().ok()?;
        let end = self.end_of_line(&org);
        (end != org).then_some(end)
    }

    /// Says why nothing is shown of an organisation that is not a member.
    fn refuse_applicant(&self, id: &str) -> Result<(), NodeError> {
        let Ok(org) = id.parse::<OrgId>() else {
            return Ok(());
        };
        let mut replica = self.replica();
        if replica.place(&org) != Some(Place::Applicant) {
            return Ok(());
        }
        Err(NodeError::not_found(
            format!(
                "{} has asked to join and is not a member yet: nothing of it is shown",
                org_ref(&replica, &org).name
            ),
            "fingerpost waiting shows who vouches for it",
        ))
    }

    fn entry_of(&self, hit: &Hit) -> Result<EntryView, NodeError> {
        let gone = || {
            NodeError::not_found(
                "this entry has just been changed or withdrawn",
                "search again in a moment",
            )
        };
        let org: OrgId = hit.org.parse().map_err(|_| gone())?;
        let name: DocName = hit.document.parse().map_err(|_| gone())?;
        let key = DocKey { org, name };
        let mut replica = self.replica();
        let shown = replica.shown(&key)?.ok_or_else(gone)?;
        let content = content_of(&hit.id, hit.kind, name, &shown).ok_or_else(gone)?;
        let found = Found {
            id: hit.id.clone(),
            kind: entry_kind(hit.kind),
            name: hit.name.clone(),
            content,
            assured_date: hit.assured_date.clone(),
        };
        Ok(self.view_of(&mut replica, &org, found, &shown))
    }

    fn view_of(
        &self,
        replica: &mut Replica<SledStorage>,
        org: &OrgId,
        found: Found,
        shown: &Shown,
    ) -> EntryView {
        let networks: Vec<NetworkId> = replica.networks().map(|(id, _)| id).collect();
        let networks = networks
            .into_iter()
            .filter(|id| replica.place_among(org, &[*id]) == Some(Place::Member))
            .collect::<Vec<_>>()
            .iter()
            .map(|id| name_of(replica, id))
            .collect();
        let record = shown.record.get();
        let card = card_of(replica, org);
        let assured_by = assurer_of(&found.content);
        EntryView {
            id: found.id,
            kind: found.kind,
            name: found.name,
            organisation: org_ref(replica, org),
            content: found.content,
            assured_date: found.assured_date,
            issued_at_s: record.issued_at_s,
            signed_by: record.writer.node,
            record: shown.record.id(),
            networks,
            conflict: shown.concurrent > 0,
            outdated: shown.outdated,
            away: card.and_then(|card| pause_of(&card, &today())),
            succession: self.succession_of(replica, org),
            followed_from: None,
            assured_by,
            findings: None,
        }
    }

    /// An entry that search leaves out, because its organisation merged, closed, or goes on under another
    /// key: links to it still lead somewhere, as long as its card is held.
    fn gone_entry(&self, id: &str) -> Result<Option<EntryView>, NodeError> {
        let mut replica = self.replica();
        for org in self.all_ends() {
            let Some(card) = card_of(&replica, &org) else {
                continue;
            };
            if replica.blocked().contains(&org) || self.succession_of(&replica, &org).is_none() {
                continue;
            }
            let found = match org.to_string() == id {
                true => gone_organisation(&replica, &org, card)?,
                false => gone_service(&replica, &org, id)?,
            };
            if let Some((found, shown)) = found {
                return Ok(Some(self.view_of(&mut replica, &org, found, &shown)));
            }
        }
        Ok(None)
    }

    /// A listing as this node shows it: an own one, or any other by id or name.
    ///
    /// # Errors
    /// [`NodeError`].
    pub fn listing(&self, org: Option<&str>) -> Result<ListingView, NodeError> {
        let org = match org {
            Some(text) => self.any_org(text)?,
            None => self.own_org(None)?,
        };
        let replica = self.replica();
        let keys: Vec<DocKey> = replica.documents_of(&org).collect();
        let (mut shards, mut issued_at_s, mut outdated) = (Vec::new(), None, false);
        for key in keys {
            let DocName::Listing(shard) = key.name else {
                continue;
            };
            let Some(shown) = replica.shown(&key)? else {
                outdated = true;
                continue;
            };
            issued_at_s = issued_at_s.max(Some(shown.record.get().issued_at_s));
            outdated |= shown.outdated;
            shards.extend(ShardState::parse(&shown.state, shard).ok());
        }
        let organisation = org_ref(&replica, &org);
        let listing = Listing::from_shards(&shards).ok_or_else(|| {
            let known = card_of(&replica, &org).is_some();
            NodeError::not_found(
                match known {
                    true => format!("{} has no listing yet", organisation.name),
                    false => "this node knows no such organisation".to_owned(),
                },
                "an organisation's own node publishes it: fingerpost listing import FILE",
            )
        })?;
        let listing = listing.to_export().map_err(NodeError::internal)?;
        Ok(ListingView {
            organisation,
            listing,
            issued_at_s,
            outdated,
        })
    }
}

/// What an organisation said of itself that search leaves out now: in its listing, or on its card.
fn gone_organisation(
    replica: &Replica<SledStorage>,
    org: &OrgId,
    card: Card,
) -> Result<Option<(Found, Shown)>, NodeError> {
    let id = org.to_string();
    let key = |name| DocKey { org: *org, name };
    let found = |content| Found {
        id: id.clone(),
        kind: EntryKind::Organisation,
        name: card.name.clone(),
        content,
        assured_date: None,
    };
    let listing = DocName::Listing(0);
    if let Some(shown) = replica.shown(&key(listing))?
        && let Some(content) = content_of(&id, Kind::Organisation, listing, &shown)
    {
        return Ok(Some((found(content), shown)));
    }
    let Some(shown) = replica.shown(&key(DocName::Card))? else {
        return Ok(None);
    };
    let content = serde_json::from_slice(&shown.state).map_err(NodeError::internal)?;
    Ok(Some((found(content), shown)))
}

/// A service of an organisation that search leaves out, if its documents are still held.
fn gone_service(
    replica: &Replica<SledStorage>,
    org: &OrgId,
    id: &str,
) -> Result<Option<(Found, Shown)>, NodeError> {
    for key in replica.documents_of(org) {
        let DocName::Listing(shard) = key.name else {
            continue;
        };
        let Some(shown) = replica.shown(&key)? else {
            continue;
        };
        let state = ShardState::parse(&shown.state, shard).ok();
        if let Some(service) = state.as_ref().and_then(|state| state.services.get(id)) {
            let found = Found {
                id: id.to_owned(),
                kind: EntryKind::Service,
                name: service.name.clone(),
                content: serde_json::to_value(service).map_err(NodeError::internal)?,
                assured_date: service.assured_date.clone(),
            };
            return Ok(Some((found, shown)));
        }
    }
    Ok(None)
}

/// What an entry says.
struct Found {
    id: String,
    kind: EntryKind,
    name: String,
    content: Value,
    assured_date: Option<String>,
}

fn content_of(id: &str, kind: Kind, name: DocName, shown: &Shown) -> Option<Value> {
    let shard = match name {
        DocName::Listing(shard) => shard,
        DocName::Card => return serde_json::from_slice(&shown.state).ok(),
        DocName::Board => {
            let board = BoardState::parse(&shown.state).ok()?;
            return serde_json::to_value(board.notices.get(id)?).ok();
        }
    };
    let state = ShardState::parse(&shown.state, shard).ok()?;
    match kind {
        Kind::Service => serde_json::to_value(state.services.get(id)?).ok(),
        Kind::Organisation => serde_json::to_value(state.organization?).ok(),
        Kind::Notice => None,
    }
}
