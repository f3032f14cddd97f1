//! Leaving a network: a signed statement that reaches peers. The listing is kept here.

use fingerpost_proto::api::{Leave, Left};
use fingerpost_proto::card::Membership;
use fingerpost_proto::ids::{NetworkId, OrgId};
use fingerpost_proto::replica::{Checked, Item, Outcome, Replica};
use fingerpost_proto::storage::Storage;

use super::networks::name_of;
use crate::node::documents::By;
use crate::node::{Node, NodeError, lock, now_s};
use crate::store::SledStorage;

fn same_name(a: &str, b: &str) -> bool {
    a.trim() == b.trim()
}

/// Whether a text is the name of a network, by the text in force or by the one that it was founded with.
fn is_called(replica: &mut Replica<SledStorage>, network: &NetworkId, text: &str) -> bool {
    let founding = replica.charter(network).map(|charter| charter.name.clone());
    founding.is_some_and(|name| same_name(&name, text))
        || same_name(&name_of(replica, network), text)
}

impl Node {
    /// Leaves a network. First the statement is stored, which ends the membership whatever the card says;
    /// then the card follows. A crash in between is mended by [`Node::do_chores`], or by leaving again.
    ///
    /// # Errors
    /// [`NodeError`].
    pub fn leave(&self, org: &OrgId, request: &Leave, by: &By) -> Result<Left, NodeError> {
        let network = self.network_to_leave(org, request)?;
        let (name, confirmed) = {
            let mut replica = self.replica();
            let confirmed = is_called(&mut replica, &network, &request.confirm);
            (name_of(&mut replica, &network), confirmed)
        };
        if !confirmed {
            return Err(NodeError::refused(
                format!(
                    "the confirmation does not match: the network is called \"{name}\"; nothing was changed"
                ),
                format!("to leave it: fingerpost leave --confirm \"{name}\""),
            ));
        }
        let card = self.own_card(&self.replica(), org)?;
        let Some(membership) = card.networks.get(&network) else {
            return Ok(Left {
                network,
                name,
                already: true,
                told: 0,
            });
        };
        // Those who were connected as members, to be told; afterwards they are strangers.
        let connected = self.net().connected();
        let already = has_ended(&self.replica(), &network, org, membership);
        if !already {
            let item = self.depart(network, org, membership)?;
            self.announce_item(&item, &[network]);
        }
        self.take_off_card(org, &network, &name, by)?;
        for node in &connected {
            self.sync_soon(*node);
        }
        Ok(Left {
            network,
            name,
            already,
            told: if already { 0 } else { connected.len() },
        })
    }

    /// Takes a network that the organisation has left off its card.
    pub(super) fn take_off_card(
        &self,
        org: &OrgId,
        network: &NetworkId,
        name: &str,
        by: &By,
    ) -> Result<(), NodeError> {
        self.edit_card(org, &format!("network left: {name}"), by, |card| {
            card.networks.remove(network);
            Ok(())
        })?;
        Ok(())
    }

    fn network_to_leave(&self, org: &OrgId, request: &Leave) -> Result<NetworkId, NodeError> {
        if request.network.is_some() {
            return self.network(request.network.as_deref());
        }
        // Without a name: the one that is confirmed, so that repeating the command does no harm.
        let mut replica = self.replica();
        let known: Vec<NetworkId> = replica.networks().map(|(id, _)| id).collect();
        let named: Vec<NetworkId> = known
            .into_iter()
            .filter(|id| {
                replica.standing(id, org).is_some() && is_called(&mut replica, id, &request.confirm)
            })
            .collect();
        drop(replica);
        match named.as_slice() {
            [network] => Ok(*network),
            [] => self.network_of(org, None),
            several => Err(NodeError::bad_input(
                format!(
                    "{} networks are called \"{}\"; nothing was changed",
                    several.len(),
                    request.confirm.trim()
                ),
                "say which by its id: --network ID; \"fingerpost status\" shows the ids",
            )),
        }
    }

    pub(in crate::node) fn depart(
        &self,
        network: NetworkId,
        org: &OrgId,
        membership: &Membership,
    ) -> Result<Item, NodeError> {
        let mut replica = self.replica();
        let delegation = self.own_delegation(&replica, org)?;
        let departure: Checked = {
            let keys = lock(&self.keys);
            replica.departure(now_s(), network, *org, membership, &delegation, keys.node())
        };
        if let Outcome::Refused(refusal) = replica.receive(now_s(), departure)? {
            return Err(refusal.into());
        }
        replica.storage_mut().flush()?;
        replica
            .departure_item(&network, org)?
            .ok_or_else(|| NodeError::internal("the departure was not kept"))
    }
}

/// Whether a departure that is stored has ended what the card still says.
pub(super) fn has_ended(
    replica: &Replica<SledStorage>,
    network: &NetworkId,
    org: &OrgId,
    membership: &Membership,
) -> bool {
    let standing = replica.standing(network, org);
    standing
        .is_some_and(|standing| standing.left_epoch > 0 && membership.epoch <= standing.left_epoch)
}
