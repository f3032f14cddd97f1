//! Who is told anything at all, and how a node makes itself known.
//!
//! A peer is **known** in a network if its node is one of an organisation that has a place there. Nothing of a
//! network is shown to a peer that is not known in it, nor taken from it. So a node that the peer does not
//! know, a newcomer's or a member's second one, first shows its own cards and the delegations under
//! which it acts; the peer does likewise once it knows who is there.
//!
//! Whoever is a member and is called by somebody unknown says nothing of itself before the other has: for else
//! everybody who has heard of a network's id could ask who is in it.

use super::error::SessionError;
use super::frame::{Frame, Scope, Tag};
use super::inventory::Standing;
use super::session::{Handled, Phase, Session};
use crate::certificate::Delegation;
use crate::ids::{DocKey, DocName, NetworkId, NodeId, OrgId};
use crate::limits;
use crate::replica::{Checked, CheckedRecord, Item, Refusal, Replica, ReplicaError, State};
use crate::roster::{self, Place};
use crate::signed::Signed;
use crate::storage::Storage;
use minicbor::bytes::ByteVec;

type Answer<T, S> = Result<T, ReplicaError<<S as Storage>::Error>>;

/// The networks in which a node is known for one of a member's or applicant's. Those in which this node takes
/// no part any more count among them: there is nothing left to introduce.
pub(super) fn known_in<S: Storage>(
    peer: &NodeId,
    networks: &[NetworkId],
    replica: &mut Replica<S>,
) -> Answer<Vec<NetworkId>, S> {
    let orgs = replica.orgs_of_node(peer)?;
    let mut known = networks.to_vec();
    known.retain(|id| {
        !replica.is_active(id) || Standing::of(replica, id, &orgs).may_see(Scope::Cards)
    });
    Ok(known)
}

/// The networks in which what a node sends is taken in: those in which it is known, or was, those in
/// which this node has to begin somewhere, and all of them if it is of the same organisation.
pub(super) fn heeded_in<S: Storage>(
    peer: &NodeId,
    networks: &[NetworkId],
    replica: &mut Replica<S>,
) -> Answer<Vec<NetworkId>, S> {
    let orgs = replica.orgs_of_node(peer)?;
    let is_sibling = orgs.iter().any(|org| replica.own().contains(org));
    let mut heeded = networks.to_vec();
    heeded.retain(|id| {
        is_sibling
            || Standing::of(replica, id, &orgs).is_any()
            || !replica.is_active(id)
            || is_alone(id, replica)
    });
    Ok(heeded)
}

/// Whether this node has to begin somewhere: it was invited and knows no other member yet, or it holds nothing of its
/// own organisation there. Who has not heard of itself may know some others all the same, from a session that was cut;
/// they may be gone by now, and nobody else would be listened to.
fn is_alone<S: Storage>(network: &NetworkId, replica: &mut Replica<S>) -> bool {
    let is_lost = {
        let mut own = replica.own().iter();
        own.all(|org| replica.standing(network, org).is_none())
    };
    is_lost || (!knows_others(network, replica) && is_newcomer(network, replica))
}

fn knows_others<S: Storage>(network: &NetworkId, replica: &mut Replica<S>) -> bool {
    let own = replica.own().clone();
    replica.roster(network).is_some_and(|roster| {
        let mut members = roster.places().filter(|(_, it)| *it == Place::Member);
        members.any(|(org, _)| !own.contains(org))
    })
}

/// Whether this node has accepted the charter by somebody's invitation, rather than founded the network.
fn is_newcomer<S: Storage>(network: &NetworkId, replica: &mut Replica<S>) -> bool {
    let own = replica.own().clone();
    let anchors = replica
        .roster(network)
        .map(|roster| roster.anchors().clone());
    let mut accepting = own
        .iter()
        .filter_map(|org| replica.standing(network, org))
        .filter(|standing| standing.accepts());
    let is_vouched_for = |standing: &roster::Standing| {
        let mut vouches = standing.vouches.iter();
        vouches.any(|vouch| !own.contains(&vouch.voucher))
    };
    let founded = anchors.is_some_and(|anchors| own.iter().any(|org| anchors.contains(org)));
    accepting.any(|standing| !founded || is_vouched_for(standing))
}

/// What a node shows of itself.
#[derive(Default)]
struct Introduction {
    items: Vec<Item>,
    delegations: Vec<ByteVec>,
}

impl Introduction {
    /// Of this node's organisations in some networks; as much as fits.
    fn of<S: Storage>(networks: &[NetworkId], replica: &Replica<S>) -> Answer<Self, S> {
        let mut shown = Self::default();
        let mut size_bytes = 0;
        // One whose card is lost has its delegation to show: it is known by that.
        let card_of = |org: &OrgId| DocKey {
            org: *org,
            name: DocName::Card,
        };
        for org in replica.own() {
            let mut standings = networks.iter().map(|id| replica.standing(id, org));
            // A card of which only the record is here, and not what it says, is lost as well.
            let is_lost = !networks.is_empty() && replica.shown_id(&card_of(org))?.is_none();
            if !is_lost && !standings.any(|it| it.is_some_and(roster::Standing::accepts)) {
                continue;
            }
            if shown.delegations.len() >= limits::INTRODUCTION_MAX_ITEMS {
                break;
            }
            if let Some(delegation) = replica.delegation(org, &replica.node())? {
                shown.delegations.push(delegation.to_bytes().into());
            }
            for item in replica.items(&card_of(org))? {
                size_bytes += item.size_bytes();
                let is_room = shown.items.len() < limits::INTRODUCTION_MAX_ITEMS
                    && size_bytes <= limits::FRAME_FILL_BYTES;
                if shown.items.is_empty() || is_room {
                    shown.items.push(item);
                }
            }
        }
        Ok(shown)
    }

    /// Adds the cards of organisations that have revoked the peer: of all that it is told no more, that it
    /// may write no more is what it must hear.
    fn add_revoking<S: Storage>(
        &mut self,
        peer: &NodeId,
        networks: &[NetworkId],
        replica: &mut Replica<S>,
    ) -> Answer<(), S> {
        for org in replica.orgs_that_revoked(peer)? {
            let shared = replica.place_among(&org, networks).is_some();
            if shared && self.items.len() < limits::INTRODUCTION_MAX_ITEMS {
                let name = DocName::Card;
                self.items.extend(replica.items(&DocKey { org, name })?);
            }
        }
        self.items.truncate(limits::INTRODUCTION_MAX_ITEMS);
        Ok(())
    }

    fn is_empty(&self) -> bool {
        self.items.is_empty() && self.delegations.is_empty()
    }
}

/// Whether a card is one of an organisation that this node writes for, by its own word.
fn names(record: &CheckedRecord, node: &NodeId) -> bool {
    let listed = match &record.state {
        Some((_, State::Card(card))) => {
            let mut delegations = card.delegations.iter().filter_map(|it| it.claimed().ok());
            delegations.any(|delegation| delegation.node == *node)
        }
        _ => false,
    };
    listed || record.record.get().writer.node == *node
}

impl Session {
    /// Where this node may show itself to the peer.
    fn open_to_peer<S: Storage>(
        &self,
        networks: &[NetworkId],
        replica: &mut Replica<S>,
    ) -> Answer<Vec<NetworkId>, S> {
        let known = known_in(&self.peer, networks, replica)?;
        let mut open = networks.to_vec();
        open.retain(|id| {
            replica.is_active(id)
                && (self.is_sought
                    || known.contains(id)
                    || (!knows_others(id, replica) && is_newcomer(id, replica)))
        });
        Ok(open)
    }

    fn introduction<S: Storage>(&self, replica: &mut Replica<S>) -> Answer<Introduction, S> {
        let knows = &self.peer_knows;
        let mut unknown = self.shared.clone();
        unknown.retain(|id| !knows.contains(id));
        let open = self.open_to_peer(&unknown, replica)?;
        let mut shown = Introduction::of(&open, replica)?;
        // Where the peer is known for another organisation's, it hears of this like of everything else; or any
        // member could have its card sent in each session by revoking a stranger's node.
        let known = known_in(&self.peer, &self.shared, replica)?;
        let mut not_known = self.shared.clone();
        not_known.retain(|id| !known.contains(id));
        shown.add_revoking(&self.peer, &not_known, replica)?;
        Ok(shown)
    }

    fn push_introduction<S: Storage>(
        &mut self,
        shown: Introduction,
        replica: &mut Replica<S>,
    ) -> Handled<S> {
        let known = match self.initiator {
            true => known_in(&self.peer, &self.shared, replica)?,
            false => heeded_in(&self.peer, &self.shared, replica)?,
        };
        self.stats.sent += shown.items.len() as u64;
        self.push(Frame::Introduce {
            items: shown.items,
            delegations: shown.delegations,
            known: self.tags(&known),
        });
        Ok(())
    }

    /// The initiator, who has heard where the peer knows it.
    pub(super) fn introduce_or_open<S: Storage>(&mut self, replica: &mut Replica<S>) -> Handled<S> {
        let shown = self.introduction(replica)?;
        let known = known_in(&self.peer, &self.shared, replica)?;
        if shown.is_empty() && known.len() == self.shared.len() {
            return self.open(Scope::Cards, replica);
        }
        self.push_introduction(shown, replica)?;
        self.phase = Phase::Introduction;
        Ok(())
    }

    /// The peer shows itself, and says where it knows this node.
    pub(super) fn handle_introduction<S: Storage>(
        &mut self,
        now_s: u64,
        (items, delegations): (Vec<Result<Checked, Refusal>>, Vec<ByteVec>),
        known: &[Tag],
        replica: &mut Replica<S>,
    ) -> Handled<S> {
        let is_card = |item: &Result<Checked, Refusal>| match item {
            Ok(Checked::Record(record)) => record.record.get().document.is_card(),
            Ok(_) => false,
            Err(_) => true,
        };
        let in_turn = !self.was_introduced && self.last_scope.is_none();
        if !in_turn || !items.iter().all(is_card) {
            return Err(SessionError::OutOfOrder);
        }
        self.was_introduced = true;
        for item in items {
            match &item {
                // Whoever shows others' cards has misunderstood, and nothing comes of it.
                // The card of an organisation of our own may say that we write for it no longer.
                Ok(Checked::Record(record))
                    if !names(record, &self.peer)
                        && !replica.own().contains(&record.record.get().org) => {}
                _ => self.take(now_s, item, replica)?,
            }
        }
        for bytes in &delegations {
            let claimed = Signed::<Delegation>::claimed(bytes);
            if claimed.is_ok_and(|claimed| claimed.get().node == self.peer)
                && let Ok(delegation) = Signed::verified(bytes)
            {
                replica.learn_delegation(now_s, &delegation)?;
            }
        }
        replica.settle()?;
        self.peer_knows = self.named(&self.shared, known);
        if self.initiator {
            return self.open(Scope::Cards, replica);
        }
        let shown = self.introduction(replica)?;
        self.push_introduction(shown, replica)
    }
}
