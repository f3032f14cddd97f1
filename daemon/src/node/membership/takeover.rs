//! An organisation of this node goes on for one that lost its root key: it takes over the old listing.

use std::collections::BTreeMap;

use fingerpost_proto::ids::{DocKey, DocName, OrgId};
use fingerpost_proto::replica::Replica;

use crate::node::documents::By;
use crate::node::names::org_ref;
use crate::node::{Node, NodeError, lock};
use crate::store::SledStorage;

/// By the old organisation: how many sessions had come to their end when its heir was first seen to be one of
/// this node's.
pub(super) type Awaited = BTreeMap<OrgId, u64>;

impl Node {
    /// Copies the listing of an organisation for which `org` goes on, if `org` has none of its own yet. The
    /// services keep their ids, so that links to them keep working. `Some(true)`: it is done, `Some(false)`:
    /// it is still to come.
    pub(super) fn take_over_listing(
        &self,
        org: &OrgId,
        awaited: &mut Awaited,
    ) -> Result<Option<bool>, NodeError> {
        let _edits = lock(&self.edits);
        let mut replica = self.replica();
        if listing_of(&replica, org).next().is_some() {
            return Ok(None);
        }
        let Some((old, keys)) = predecessor(&mut replica, org) else {
            return Ok(None);
        };
        // One whole session after the succession: by then all that others still keep of it has come.
        let finished = self.sessions_finished();
        let since = *awaited.entry(old).or_insert(finished);
        let complete = keys.iter().all(|key| {
            let shown = replica.shown(key).ok().flatten();
            shown.is_some_and(|shown| !shown.outdated)
        });
        if !complete || (finished == since && !self.net().connected().is_empty()) {
            return Ok(Some(false));
        }
        let by = By::node()?;
        let what = format!(
            "listing taken over from {} ({}), for which this organisation goes on",
            org_ref(&replica, &old).name,
            old.short()
        );
        let mut published = Vec::new();
        for from in keys {
            let Some(shown) = replica.shown(&from)? else {
                continue;
            };
            let content = serde_json::from_slice(&shown.state).map_err(NodeError::internal)?;
            let to = DocKey {
                org: *org,
                name: from.name,
            };
            self.publish(&mut replica, to, &content, shown.state, &what, &by)?;
            published.push(to);
        }
        self.released(replica, &published)?;
        tracing::info!("{what}");
        Ok(Some(true))
    }
}

fn listing_of(replica: &Replica<SledStorage>, org: &OrgId) -> impl Iterator<Item = DocKey> {
    replica
        .documents_of(org)
        .filter(|key| matches!(key.name, DocName::Listing(_)))
}

/// An organisation for which `org` goes on and of which a listing is held.
fn predecessor(replica: &mut Replica<SledStorage>, org: &OrgId) -> Option<(OrgId, Vec<DocKey>)> {
    let networks: Vec<_> = replica.networks().map(|(id, _)| id).collect();
    let mut old: Vec<OrgId> = Vec::new();
    for network in networks {
        let heirs = replica
            .roster(&network)
            .into_iter()
            .flat_map(|roster| roster.heirs());
        old.extend(heirs.filter(|(_, heir)| *heir == org).map(|(old, _)| *old));
    }
    old.into_iter().find_map(|old| {
        let keys: Vec<DocKey> = listing_of(replica, &old).collect();
        (!keys.is_empty()).then_some((old, keys))
    })
}
