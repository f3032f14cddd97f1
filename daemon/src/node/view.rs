//! Reading the merged view: search, and what stands behind a result.

use fingerpost_proto::api::{EntryKind, EntryView, ListingView, SearchPage, SearchResult};
use fingerpost_proto::ids::{DocKey, DocName, OrgId};
use fingerpost_proto::listing::{Listing, ShardState};
use fingerpost_proto::replica::Shown;
use fingerpost_proto::roster::Place;
use serde_json::Value;

use super::names::{card_of, org_ref};
use super::{Node, NodeError};
use crate::search::{Hit, Kind, Query};

fn entry_kind(kind: Kind) -> EntryKind {
    match kind {
        Kind::Service => EntryKind::Service,
        Kind::Organisation => EntryKind::Organisation,
    }
}

fn result(hit: Hit) -> Option<SearchResult> {
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
            return Err(NodeError::not_found(
                format!("this node knows no service or organisation with the id {id}"),
                "fingerpost search finds services with their ids",
            ));
        };
        self.entry_of(hit)
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
        let content = content_of(hit, name, &shown).ok_or_else(gone)?;
        let networks = replica
            .networks()
            .map(|(id, charter)| (id, charter.name.clone()))
            .collect::<Vec<_>>()
            .into_iter()
            .filter(|(id, _)| replica.place_among(&org, &[*id]) == Some(Place::Member))
            .map(|(_, name)| name)
            .collect();
        let record = shown.record.get();
        Ok(EntryView {
            id: hit.id.clone(),
            kind: entry_kind(hit.kind),
            name: hit.name.clone(),
            organisation: org_ref(&replica, &org),
            content,
            assured_date: hit.assured_date.clone(),
            issued_at_s: record.issued_at_s,
            signed_by: record.writer.node,
            record: shown.record.id(),
            networks,
            conflict: shown.concurrent > 0,
            outdated: shown.outdated,
            away: None,
            succession: None,
        })
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

fn content_of(hit: &Hit, name: DocName, shown: &Shown) -> Option<Value> {
    let DocName::Listing(shard) = name else {
        return serde_json::from_slice(&shown.state).ok();
    };
    let state = ShardState::parse(&shown.state, shard).ok()?;
    match hit.kind {
        Kind::Service => serde_json::to_value(state.services.get(&hit.id)?).ok(),
        Kind::Organisation => serde_json::to_value(state.organization?).ok(),
    }
}
