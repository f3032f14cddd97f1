//! What a node does by itself for its organisations: it settles invitations that were used, takes up vouches
//! that others hold ready, lets go of those that arrived, and mends what a crash has left half done.
//!
//! It looks at cards that changed. A crash between the arrival of a card and that look loses nothing: after a
//! start all cards are looked at in networks that are not very large, or where an organisation of this node
//! waits, and in others those that the index had not confirmed.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use fingerpost_proto::card::{Card, Membership, Settled};
use fingerpost_proto::certificate::{Delegated, Role, Vouch};
use fingerpost_proto::ids::{InviteId, NetworkId, OrgId};
use fingerpost_proto::limits;
use fingerpost_proto::replica::Replica;
use fingerpost_proto::roster::Place;

use super::invitations::users;
use super::leaving::has_ended;
use super::networks::name_of;
use super::takeover::Awaited;
use crate::node::documents::By;
use crate::node::names::card_of;
use crate::node::{Node, NodeError, lock, now_s};
use crate::store::SledStorage;

/// After a start, the cards of a network are all looked at if it knows at most so many organisations, or if
/// an organisation of this node waits there.
const LOOK_AT_ALL_MAX_ORGS: usize = 2_000;

/// How long to wait with what cannot be done just now.
const AGAIN_AFTER: Duration = Duration::from_secs(2);

/// What is to be looked at.
#[derive(Default)]
pub(in crate::node) struct Chores {
    due: bool,
    /// When to look again at what could not be done.
    again_at: Option<Instant>,
    /// Whether everything was looked at since the start.
    begun: bool,
    /// Organisations whose cards hold a vouch ready for one of this node's.
    cards: BTreeSet<OrgId>,
    awaited: Awaited,
}

/// What is to be changed in one network on the card of an own organisation.
#[derive(Default)]
struct Change {
    /// The network was left, and the card does not say so.
    ended: bool,
    settled: BTreeMap<InviteId, OrgId>,
    carried: BTreeMap<OrgId, Delegated<Vouch>>,
    arrived: BTreeSet<OrgId>,
}

impl Change {
    fn is_nothing(&self) -> bool {
        !self.ended && self.settled.is_empty() && self.carried.is_empty() && self.arrived.is_empty()
    }

    fn apply(self, membership: &mut Membership) {
        for (id, user) in self.settled {
            let settled = Settled {
                used_by: Some(user),
                at_s: now_s(),
            };
            membership.invitations.entry(id).or_insert(settled);
        }
        membership.vouches.extend(self.carried);
        membership
            .given
            .retain(|subject, _| !self.arrived.contains(subject));
    }

    fn words(&self, name: &str) -> Vec<String> {
        let mut words = Vec::new();
        if self.ended {
            words.push(format!("network left: {name}"));
        }
        let counts = [
            (self.settled.len(), "invitations used"),
            (self.carried.len(), "vouches taken up"),
            (self.arrived.len(), "vouches for others arrived"),
        ];
        for (count, what) in counts.into_iter().filter(|(count, _)| *count > 0) {
            words.push(format!("{what} in {name}: {count}"));
        }
        words
    }
}

impl Node {
    /// There may be something to do.
    pub(in crate::node) fn chores_due(&self) {
        lock(&self.chores).due = true;
        self.wake.notify_one();
    }

    /// Whether anything may be to do.
    pub(in crate::node) fn has_chores(&self) -> bool {
        lock(&self.chores).due
    }

    /// A roster changed, or cards that hold something ready for an organisation of this node.
    pub(in crate::node) fn note_for_chores(&self, cards: &BTreeSet<OrgId>) {
        lock(&self.chores).cards.extend(cards);
        self.chores_due();
    }

    /// Does what there is to do, if this node may publish of its own accord.
    pub fn do_chores(&self) {
        if !self.has_heard() {
            return;
        }
        let mut cards = {
            let mut chores = lock(&self.chores);
            let again = chores.again_at.is_some_and(|at| at <= Instant::now());
            if !chores.due && !again {
                return;
            }
            (chores.due, chores.again_at) = (false, None);
            std::mem::take(&mut chores.cards)
        };
        if !lock(&self.chores).begun {
            cards.extend(self.all_cards());
            lock(&self.chores).begun = true;
        }
        let mut later = BTreeSet::new();
        for org in self.own_orgs() {
            if let Err(error) = self.do_chores_of(&org, &cards, &mut later) {
                tracing::debug!("what {} should do by itself waits: {error}", org.short());
                later.extend(cards.iter().copied());
                lock(&self.chores).again_at = Some(Instant::now() + AGAIN_AFTER);
            }
        }
        lock(&self.chores).cards.extend(later);
    }

    /// The organisations whose cards are looked at after a start.
    fn all_cards(&self) -> BTreeSet<OrgId> {
        let mut replica = self.replica();
        let own = replica.own().clone();
        let networks: Vec<NetworkId> = replica.networks().map(|(id, _)| id).collect();
        let mut cards = BTreeSet::new();
        for network in networks {
            let Some(roster) = replica.roster(&network) else {
                continue;
            };
            let waits = own
                .iter()
                .any(|org| roster.place_of(org) == Some(Place::Applicant));
            if waits || roster.places().count() <= LOOK_AT_ALL_MAX_ORGS {
                cards.extend(roster.places().map(|(org, _)| *org));
            }
        }
        cards
    }

    fn do_chores_of(
        &self,
        org: &OrgId,
        cards: &BTreeSet<OrgId>,
        later: &mut BTreeSet<OrgId>,
    ) -> Result<(), NodeError> {
        let (changes, what) = {
            let mut replica = self.replica();
            let Some(card) = card_of(&replica, org) else {
                return Ok(());
            };
            let delegation = self.own_delegation(&replica, org)?;
            if delegation.get().role != Role::Admin {
                return Ok(());
            }
            let changes = changes(&mut replica, org, &card, cards, later);
            let mut what = Vec::new();
            for (network, change) in &changes {
                what.extend(change.words(&name_of(&mut replica, network)));
            }
            (changes, what.join("; "))
        };
        if !changes.is_empty() {
            self.edit_card(org, &what, &By::node()?, |card| {
                apply(card, changes);
                Ok(())
            })?;
        }
        let mut awaited = std::mem::take(&mut lock(&self.chores).awaited);
        let taken = self.take_over_listing(org, &mut awaited);
        let mut chores = lock(&self.chores);
        chores.awaited.extend(awaited);
        if taken? == Some(false) {
            chores.again_at = Some(Instant::now() + AGAIN_AFTER);
        }
        Ok(())
    }
}

fn apply(card: &mut Card, changes: BTreeMap<NetworkId, Change>) {
    for (network, change) in changes {
        if change.ended {
            card.networks.remove(&network);
        } else if let Some(membership) = card.networks.get_mut(&network) {
            change.apply(membership);
        }
    }
}

/// What the card of an own organisation should say that it does not say yet.
fn changes(
    replica: &mut Replica<SledStorage>,
    org: &OrgId,
    card: &Card,
    cards: &BTreeSet<OrgId>,
    later: &mut BTreeSet<OrgId>,
) -> BTreeMap<NetworkId, Change> {
    let mut changes = BTreeMap::new();
    for (network, membership) in &card.networks {
        let mut change = Change::default();
        if has_ended(replica, network, org, membership) {
            change.ended = true;
        } else {
            change.settled = to_settle(replica, network, org, membership);
            change.arrived = arrived(replica, network, org, membership);
            for voucher in cards.iter().filter(|voucher| *voucher != org) {
                match offered(replica, network, org, voucher) {
                    Some((vouch, true)) if !membership.vouches.contains_key(voucher) => {
                        let room = membership.vouches.len() + change.carried.len();
                        if room < limits::VOUCHES_PER_NETWORK_MAX {
                            change.carried.insert(*voucher, vouch);
                        }
                    }
                    // Whoever is no member yet may become one.
                    Some((_, false)) => {
                        later.insert(*voucher);
                    }
                    _ => {}
                }
            }
        }
        if !change.is_nothing() {
            changes.insert(*network, change);
        }
    }
    changes
}

/// Invitations that were used, and whose end the card does not note.
fn to_settle(
    replica: &mut Replica<SledStorage>,
    network: &NetworkId,
    org: &OrgId,
    membership: &Membership,
) -> BTreeMap<InviteId, OrgId> {
    let room = limits::INVITATIONS_PER_NETWORK_MAX.saturating_sub(membership.invitations.len());
    users(replica, network, org)
        .into_iter()
        .filter(|(id, _)| !membership.invitations.contains_key(id))
        .filter_map(|(id, uses)| Some((id, uses.first()?.1)))
        .take(room)
        .collect()
}

/// For whom the card holds a vouch ready that they carry by now, or will not need: they left.
fn arrived(
    replica: &mut Replica<SledStorage>,
    network: &NetworkId,
    org: &OrgId,
    membership: &Membership,
) -> BTreeSet<OrgId> {
    let has_arrived = |subject: &&OrgId| {
        replica.standing(network, subject).is_some_and(|standing| {
            let mut vouches = standing.vouches.iter();
            standing.left() || vouches.any(|it| it.voucher == *org && it.by_invitation.is_none())
        })
    };
    membership
        .given
        .keys()
        .filter(has_arrived)
        .copied()
        .collect()
}

/// A vouch for `org` that another holds ready and that is sound, and whether the other is a member.
fn offered(
    replica: &mut Replica<SledStorage>,
    network: &NetworkId,
    org: &OrgId,
    voucher: &OrgId,
) -> Option<(Delegated<Vouch>, bool)> {
    let mut card = card_of(replica, voucher)?;
    let vouch = card.networks.remove(network)?.given.remove(org)?;
    let verified = vouch.verified().ok()?;
    let said = verified.get();
    let sound = said.network == *network && said.subject == *org && said.voucher == *voucher;
    let member = replica.place_among(voucher, &[*network]) == Some(Place::Member);
    sound.then_some((vouch, member))
}
