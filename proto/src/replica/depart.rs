//! Departures: an organisation leaves a network, and this node lets go of what it held of it.

use std::cmp::Ordering;

use super::item::{departure_id, departure_membership};
use super::network::Departed;
use super::receive::Received;
use super::writes::Writes;
use super::{
    Accepted, CheckedDeparture, Outcome, Refusal, Replica, ReplicaError, delegation_key,
    node_org_key, standing_key, view,
};
use crate::certificate::Departure;
use crate::ids::{DocKey, DocName, NetworkId, OrgId, RecordId};
use crate::limits;
use crate::planted::{self, Planted};
use crate::roster::Standing;
use crate::storage::{Storage, Table};

impl<S: Storage> Replica<S> {
    pub(super) fn receive_departure(&mut self, now_s: u64, item: &CheckedDeparture) -> Received<S> {
        let departure = item.departure.get();
        let ahead_s = item.at_s().saturating_sub(now_s);
        if ahead_s > limits::CLOCK_AHEAD_MAX_S {
            return Ok(Outcome::Refused(Refusal::FromTheFuture(ahead_s)));
        }
        let id = departure_id(&item.departure);
        if let Some(known) = self.compare_departure(departure, &id) {
            return Ok(known);
        }
        let (network, org) = (departure.network, departure.org);
        let cards = self.held_cards(&org)?;
        let departed = Standing::of_departure(&network, &org, departure.epoch, &item.membership);
        let standing = Standing::of(&network, &org, &cards, Some(&departed)).unwrap_or_default();
        let vouches = standing.vouches.clone();
        let room = self
            .networks
            .get_mut(&network)
            .map(|known| known.has_room_for(&org, || vouches));
        if room == Some(false) {
            return Ok(Outcome::Refused(Refusal::TooManyApplicants));
        }
        let mut writes = Writes::default();
        let stored = crate::cbor::to_vec(&item.to_item());
        writes.put_departure(network, org, Departed::proving(id, departed), stored);
        for stranger in self.strangers_after(&network, &org, &standing) {
            let keys: Vec<DocKey> = self.documents_of(&stranger).collect();
            for key in keys {
                if planted::is(Planted::KeepDeparted) {
                    continue;
                }
                self.drop_document(&mut writes, key)?;
            }
            self.forget_word(&stranger, &mut writes)?;
            // Of one that left, revocations stay: else a thief could come back in its name.
            if stranger != org {
                self.forget_revocations(&stranger, &mut writes)?;
            }
        }
        self.keep_departed_node(item, &mut writes)?;
        writes.put_standing(network, org, Some(standing));
        self.apply(writes)?;
        let key = DocKey {
            org,
            name: DocName::Card,
        };
        Ok(Outcome::Accepted(Accepted {
            key,
            id: RecordId::from_bytes(id),
            only_state: false,
        }))
    }

    /// What to say of a departure that changes nothing: of several, the one of the highest epoch is
    /// kept, and among those the one with the smallest id.
    fn compare_departure(&self, departure: &Departure, id: &[u8; 32]) -> Option<Outcome> {
        let Some(network) = self.networks.get(&departure.network) else {
            return Some(Outcome::Refused(Refusal::NotAMember(departure.org)));
        };
        let held = network.departures.get(&departure.org)?;
        match (
            departure.epoch.cmp(&network.left_epoch(&departure.org)),
            id.cmp(&held.id),
        ) {
            (_, Ordering::Equal) => Some(Outcome::AlreadyKnown),
            (Ordering::Less, _) | (Ordering::Equal, Ordering::Greater) => Some(Outcome::Dominated),
            _ => None,
        }
    }

    /// What the departure proves that is held; `None` if there is none.
    pub(super) fn departed(
        &self,
        network: &NetworkId,
        org: &OrgId,
    ) -> Result<Option<&Standing>, ReplicaError<S::Error>> {
        let held = self.networks.get(network);
        let held = held.and_then(|known| known.departures.get(org));
        held.map(|held| held.proof(|| self.read_departed(network, org)))
            .transpose()
    }

    fn read_departed(
        &self,
        network: &NetworkId,
        org: &OrgId,
    ) -> Result<Standing, ReplicaError<S::Error>> {
        let damaged = || ReplicaError::Damaged(Table::Departures);
        let key = standing_key(network, org);
        let bytes = self.storage.get(Table::Departures, &key)?;
        let held = bytes.and_then(|bytes| view::stored_departure(&bytes));
        let departure = held.ok_or_else(damaged)?;
        let membership = departure_membership(departure.get()).ok_or_else(damaged)?;
        let epoch = departure.get().epoch;
        Ok(Standing::of_departure(network, org, epoch, &membership))
    }

    /// The organisations whose documents are held, but that would share no network with this node any
    /// more if `org` stood in `network` as `standing` says.
    fn strangers_after(&self, network: &NetworkId, org: &OrgId, standing: &Standing) -> Vec<OrgId> {
        let active: Vec<_> = self
            .networks
            .iter()
            .filter(|(id, known)| match *id == network {
                true => known.active_with(&self.own, Some((org, standing))),
                false => known.active,
            })
            .collect();
        let accepts = |candidate: &OrgId| {
            active
                .iter()
                .any(|(id, known)| match *id == network && candidate == org {
                    true => standing.accepts(),
                    false => known.accepts(candidate),
                })
        };
        // Others are concerned only when this node itself takes part no longer.
        let candidates = match self.own.contains(org) {
            true => self.organisations(),
            false => vec![*org],
        };
        let strange = |org: &OrgId| !self.own.contains(org) && !accepts(org);
        candidates.into_iter().filter(strange).collect()
    }

    /// Of an organisation whose card is held no longer, only its departures say anything: else a node that
    /// comes back would count a card that has been replaced or revoked meanwhile.
    fn forget_word(&self, org: &OrgId, writes: &mut Writes) -> Result<(), ReplicaError<S::Error>> {
        for (id, network) in &self.networks {
            let standing = Standing::of(id, org, [], self.departed(id, org)?);
            if network.standings.get(org) != standing.as_ref() {
                writes.put_standing(*id, *org, standing);
            }
        }
        Ok(())
    }

    /// Remembers for whom the departed node spoke, so that it is known when it calls.
    fn keep_departed_node(
        &self,
        item: &CheckedDeparture,
        writes: &mut Writes,
    ) -> Result<(), ReplicaError<S::Error>> {
        let (org, node) = (item.departure.get().org, item.departure.get().node);
        let mut held = self.delegations(&org, &node)?;
        let full = held.is_empty() && self.count_nodes(&org)? >= limits::NODES_PER_ORG_MAX;
        if !full && held.add(&item.delegation) {
            writes.batch.put(
                Table::Delegations,
                delegation_key(&org, &node),
                held.encode(),
            );
            if !self.is_revoked(&org, &node)? {
                writes
                    .batch
                    .put(Table::NodeOrgs, node_org_key(&node, &org), Vec::new());
            }
        }
        Ok(())
    }
}
