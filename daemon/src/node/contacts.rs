//! Finding a network of which no node is known yet: the addresses on tickets, and whom to trust with gossip.
//!
//! A ticket says where the network can be reached, not which node answers there. The addresses are kept, so
//! that a node that was stopped right after it joined still finds the others.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use fingerpost_proto::ids::{NetworkId, NodeId};
use fingerpost_proto::limits;
use fingerpost_proto::replica::{Replica, ReplicaError};
use fingerpost_proto::roster::Place;
use fingerpost_proto::storage::{Batch, Storage, Table};
use fingerpost_proto::sync::{Farewell, FetchedCharter, SessionError, receipts};
use fingerpost_proto::ticket::Ticket;

use super::sessions::RunError;
use super::{Node, NodeError, lock};
use crate::store::{SledStorage, StoreError};

/// Before the network's id, in the table of peers, whose other keys are node ids.
const CONTACTS: &[u8] = b"network/";
/// Pause before addresses of a ticket are called again, while no member is connected; it doubles.
const CALL_AGAIN_MIN: Duration = Duration::from_secs(5);
const CALL_AGAIN_MAX: Duration = Duration::from_secs(5 * 60);
/// How long a charter is looked for, and how often.
const FETCH_MAX: Duration = Duration::from_secs(30);
const FETCH_EVERY: Duration = Duration::from_millis(200);
/// How long one node may take to hand it out.
const FETCH_ONE_MAX: Duration = Duration::from_secs(10);
/// When all that answer have said that they do not know the network, how long to wait for others.
const FETCH_NOBODY_MAX: Duration = Duration::from_secs(5);
/// How many of its own addresses an inviter puts before those of others.
const OWN_FIRST: usize = 2;

/// When the addresses of tickets are called again.
#[derive(Default)]
pub(super) struct Calls(BTreeMap<NetworkId, (Instant, u32)>);

impl Calls {
    /// Whether it is time to call; if so, the next time is set.
    fn take_due(&mut self, network: NetworkId, now: Instant) -> bool {
        let (due, calls) = self.0.entry(network).or_insert((now, 0));
        if *due > now {
            return false;
        }
        let pause = CALL_AGAIN_MIN.saturating_mul(2_u32.saturating_pow(*calls));
        *due = now + pause.min(CALL_AGAIN_MAX);
        *calls = calls.saturating_add(1);
        true
    }

    fn forget(&mut self, network: &NetworkId) {
        self.0.remove(network);
    }
}

/// Whether an address leads over a relay: then it is of use only with the id of the node.
pub(super) fn is_relayed(address: &str) -> bool {
    address.contains("/p2p-circuit")
}

fn contacts_key(network: &NetworkId) -> Vec<u8> {
    [CONTACTS, network.as_bytes()].concat()
}

fn contacts_of(replica: &Replica<SledStorage>) -> BTreeMap<NetworkId, Vec<String>> {
    let mut contacts = BTreeMap::new();
    let scanned = replica
        .storage()
        .scan(Table::Peers, CONTACTS, &mut |key, value| {
            let id = key
                .strip_prefix(CONTACTS)
                .and_then(|id| <[u8; 32]>::try_from(id).ok());
            if let (Some(id), Ok(text)) = (id, std::str::from_utf8(value)) {
                let addresses = text.lines().map(str::to_owned).collect();
                contacts.insert(NetworkId::from_bytes(id), addresses);
            }
            true
        });
    if let Err(error) = scanned {
        tracing::warn!("the addresses of tickets could not be read: {error}");
    }
    contacts
}

/// Whether a node is one of a member's of a network.
fn is_members(
    replica: &mut Replica<SledStorage>,
    node: &NodeId,
    networks: &[NetworkId],
) -> Result<bool, ReplicaError<StoreError>> {
    let orgs = replica.orgs_of_node(node)?;
    let mut places = orgs.iter().map(|org| replica.place_among(org, networks));
    Ok(places.any(|place| place == Some(Place::Member)))
}

impl Node {
    /// Keeps the addresses of a ticket, for after a restart.
    pub(super) fn remember_contacts(&self, ticket: &Ticket) -> Result<(), NodeError> {
        let mut addresses = ticket.addresses.clone();
        addresses.truncate(limits::ADDRESSES_MAX);
        if addresses.is_empty() {
            return Ok(());
        }
        let mut batch = Batch::default();
        batch.put(
            Table::Peers,
            contacts_key(&ticket.network()),
            addresses.join("\n").into_bytes(),
        );
        let mut replica = self.replica();
        replica
            .storage_mut()
            .commit(batch)
            .map_err(ReplicaError::Storage)?;
        Ok(())
    }

    /// Whether a ticket has told this node to look at an address.
    pub(super) fn is_contact(&self, address: &str) -> bool {
        let contacts = contacts_of(&self.replica());
        contacts.values().flatten().any(|known| known == address)
    }

    /// Calls the addresses of tickets to networks of which no member is connected.
    pub(super) fn call_contacts(&self) {
        let connected = self.net().connected();
        let mut due = Vec::new();
        {
            let mut replica = self.replica();
            for (network, addresses) in contacts_of(&replica) {
                let reached = connected
                    .iter()
                    .any(|node| is_members(&mut replica, node, &[network]).unwrap_or(true));
                let mut sessions = lock(&self.sessions);
                if reached || !replica.is_active(&network) {
                    sessions.calls.forget(&network);
                } else if sessions.calls.take_due(network, Instant::now()) {
                    due.extend(addresses);
                }
            }
        }
        if !due.is_empty() {
            self.net().dial(None, due);
        }
    }

    /// Tells the network layer which connected nodes take part in gossip: those of members. An applicant
    /// may see cards alone, and announcements hold listings.
    pub(super) fn refresh_trusted(&self) {
        let connected = self.net().connected();
        let mut replica = self.replica();
        let active: Vec<NetworkId> = replica
            .networks()
            .map(|(id, _)| id)
            .filter(|id| replica.is_active(id))
            .collect();
        let trusted: BTreeSet<NodeId> = connected
            .into_iter()
            .filter(|node| is_members(&mut replica, node, &active).unwrap_or(false))
            .collect();
        drop(replica);
        let now = Instant::now();
        let mut budgets = lock(&self.budgets);
        let trusted = trusted.into_iter();
        let trusted = trusted
            .filter(|node| !budgets.is_muted(node, now))
            .collect();
        drop(budgets);
        self.net().set_trusted(trusted);
    }

    /// Makes sure that the replica holds the delegations by which this node introduces itself.
    pub(super) fn hold_own_delegations(&self) {
        let mut replica = self.replica();
        let own: Vec<_> = replica.own().iter().copied().collect();
        for org in own {
            if matches!(replica.delegation(&org, &self.id()), Ok(Some(_))) {
                continue;
            }
            let Ok(delegation) = self.own_delegation(&replica, &org) else {
                continue;
            };
            if let Err(error) = replica.learn_delegation(super::now_s(), &delegation) {
                tracing::error!("a delegation could not be kept: {error}");
            }
        }
    }

    /// Where to find the network, for a ticket: this node first, then other members' nodes, those first
    /// that are connected.
    pub(super) fn addresses_for_ticket(&self, network: &NetworkId) -> Vec<String> {
        // A relay that leads to this node is a member's node itself, and its own address shorter.
        let mut own = self.addresses_for_others();
        own.retain(|address| !is_relayed(address));
        let is_local =
            |address: &String| address.starts_with("/ip4/127.") || address.starts_with("/ip6/::1/");
        let local_only = own.iter().all(is_local);
        let connected = self.net().connected();
        // Whoever joins this network is told nothing of others that this node belongs to.
        let mut members = self.member_nodes();
        {
            let mut replica = self.replica();
            let of_network = [*network];
            members.retain(|node, _| is_members(&mut replica, node, &of_network).unwrap_or(false));
        }
        let (near, far): (Vec<_>, Vec<_>) = members
            .into_iter()
            .partition(|(node, _)| connected.contains(node));
        let others = near.into_iter().chain(far).filter_map(|(_, addresses)| {
            let mut useful = addresses
                .into_iter()
                .filter(|a| (local_only || !is_local(a)) && !is_relayed(a));
            useful.next()
        });
        let mut addresses: Vec<String> = own.iter().take(OWN_FIRST).cloned().collect();
        addresses.extend(others.take(limits::ADDRESSES_MAX.saturating_sub(OWN_FIRST)));
        addresses.extend(own.into_iter().skip(OWN_FIRST));
        let mut seen = BTreeSet::new();
        addresses.retain(|address| seen.insert(address.clone()));
        addresses.truncate(limits::ADDRESSES_MAX);
        addresses
    }

    /// The charter of a ticket's network: as this node knows it, or from whoever answers at the ticket's
    /// addresses or is connected already and knows the network.
    ///
    /// # Errors
    /// Why nobody handed it out.
    pub(super) async fn find_charter(
        self: &Arc<Self>,
        ticket: &Ticket,
    ) -> Result<FetchedCharter, String> {
        let network = ticket.network();
        self.net().dial(None, ticket.addresses.clone());
        let held = FetchedCharter::held(&mut self.replica(), &network);
        if let Some(charter) = held.map_err(|error| error.to_string())? {
            return Ok(charter);
        }
        let begun = Instant::now();
        let mut strangers = BTreeSet::new();
        let mut last = "nobody answered within 30 seconds".to_owned();
        while begun.elapsed() < FETCH_MAX {
            let mut connected = self.net().connected();
            // The inviter knows for sure.
            connected.sort_by_key(|node| *node != ticket.invitation.get().node);
            connected.retain(|node| !strangers.contains(node));
            if connected.is_empty() && !strangers.is_empty() && begun.elapsed() > FETCH_NOBODY_MAX {
                break;
            }
            for node in connected {
                let fetching = self.try_fetch_charter(node, network);
                let fetched = tokio::time::timeout(FETCH_ONE_MAX, fetching)
                    .await
                    .unwrap_or(Err(RunError::Overdue));
                match fetched {
                    Ok(charter) => {
                        lock(&self.sessions).seek(node);
                        return Ok(charter);
                    }
                    Err(error) => {
                        let farewell = Farewell::NothingInCommon;
                        if matches!(&error, RunError::Session(SessionError::Farewell(it)) if *it == farewell)
                        {
                            strangers.insert(node);
                        }
                        last = error.to_string();
                    }
                }
            }
            tokio::time::sleep(FETCH_EVERY).await;
        }
        Err(last)
    }

    /// Begins exchanges with all nodes that may be of a network that was just joined.
    pub(super) fn sync_with_sought(&self) {
        for node in self.net().connected() {
            if lock(&self.sessions).is_sought(&node) {
                self.sync_soon(node);
            }
        }
    }

    /// Whether an exchange with a member of a network was finished at `since_s` or later.
    pub(super) fn has_met_anybody(
        &self,
        network: NetworkId,
        since_s: u64,
    ) -> Result<bool, NodeError> {
        let mut replica = self.replica();
        for (node, receipt) in receipts(&replica)? {
            if receipt.at_s >= since_s && is_members(&mut replica, &node, &[network])? {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_called_less_and_less_often() {
        let mut calls = Calls::default();
        let network = NetworkId::from_bytes([1; 32]);
        let mut now = Instant::now();
        assert!(calls.take_due(network, now));
        assert!(!calls.take_due(network, now));
        let mut pauses = Vec::new();
        for _ in 0..10 {
            let (due, _) = calls.0[&network];
            pauses.push(due - now);
            now = due;
            assert!(calls.take_due(network, now));
        }
        assert_eq!(pauses[0], CALL_AGAIN_MIN);
        assert_eq!(pauses[1], CALL_AGAIN_MIN * 2);
        assert_eq!(pauses[9], CALL_AGAIN_MAX);
        calls.forget(&network);
        assert!(
            calls.take_due(network, now),
            "at once, when it is lost again"
        );
    }
}
