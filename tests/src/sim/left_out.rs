//! Whether what a node does not hold is nowhere to be had, or of no use to it.

use std::collections::HashSet;

use fingerpost_proto::ids::{DocKey, RecordId};
use fingerpost_proto::interest::Interest;
use fingerpost_proto::replica::State;
use fingerpost_proto::storage::{Storage, Table};

use super::invariants::{Check, fault};
use super::report::Kind;
use super::world::World;

impl World {
    /// Whether the states that a node lacks are held by no honest node: the disk of their writer was thrown away
    /// before it could tell, or the writer keeps them to itself.
    pub(super) fn states_are_gone(&self, honest: &[usize]) -> Check {
        let stores = |node: &usize| self.nodes[*node].replica.storage().entries(Table::States);
        let mut somewhere: Option<HashSet<&[u8]>> = None;
        for node in honest.iter().copied() {
            let replica = &self.nodes[node].replica;
            let lacks_any = replica.counts().1 > 0 || !replica.unfollowed().is_empty();
            if !self.orgs[self.nodes[node].org].takes_part || !lacks_any {
                continue;
            }
            let held = somewhere.get_or_insert_with(|| {
                let all = honest.iter().flat_map(stores);
                all.map(|(key, _)| key).collect()
            });
            for key in replica
                .organisations()
                .iter()
                .flat_map(|org| replica.documents_of(org))
            {
                let lacks = |id: &RecordId| {
                    let at = [key.to_bytes().as_slice(), id.as_bytes()].concat();
                    let state = replica.storage().get(Table::States, &at);
                    let is_gone =
                        held.contains(at.as_slice()) && state.is_ok_and(|it| it.is_none());
                    is_gone && !self.is_rightly_left_out(node, &key, id, honest)
                };
                if let Some(id) = replica.record_ids(&key).iter().find(|id| lacks(id)) {
                    let what = format!(
                        "node {node} lacks a state of {key}, which it follows: {}",
                        !replica.is_unfollowed(&key, id)
                    );
                    return fault(Kind::Agreement, what);
                }
            }
        }
        Ok(())
    }

    /// Whether a node does not follow a record, and what it says is of no use to it.
    fn is_rightly_left_out(
        &self,
        node: usize,
        key: &DocKey,
        id: &RecordId,
        honest: &[usize],
    ) -> bool {
        let replica = &self.nodes[node].replica;
        let follows = replica.follows();
        let interest = Interest::of(&follows.areas, &follows.types);
        let at = [key.to_bytes().as_slice(), id.as_bytes()].concat();
        let mut states = honest.iter().filter_map(|other| {
            let storage = self.nodes[*other].replica.storage();
            storage.get(Table::States, &at).ok()?
        });
        let state = states.next();
        let state = state.and_then(|bytes| State::parse(key.name, &bytes).ok());
        replica.is_unfollowed(key, id) && state.is_some_and(|state| !interest.wants(&state))
    }

    /// Whether a node keeps everything.
    pub(super) fn keeps_all(&self, node: usize) -> bool {
        self.nodes[node].replica.follows().is_everything()
    }
}
