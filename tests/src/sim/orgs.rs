//! The organisations: their keys, nodes, cards and membership.

use std::collections::BTreeMap;

use fingerpost_proto::card::{Card, Membership};
use fingerpost_proto::certificate::{Delegated, Delegation, FORMAT, Revocation, Role, Vouch};
use fingerpost_proto::ids::{DocKey, DocName, OrgId};
use fingerpost_proto::interest::Follows;
use fingerpost_proto::keys::SecretKey;
use fingerpost_proto::record::Instance;
use fingerpost_proto::replica::{Checked, Contained, Item, Outcome, Replica};
use fingerpost_proto::signed::{Carry, Signed};
use fingerpost_proto::storage::{Batch, Storage};
use fingerpost_proto::ticket::Ticket;

use super::Random;
use super::own::FOLLOWED;
use super::plan::OrgPlan;
use super::store::CrashStorage;
use super::world::{Acknowledged, EPOCH_S, Event, Node, World};

/// An organisation, and which nodes write for it.
pub(super) struct Org {
    pub(super) root: SecretKey,
    pub(super) plan: OrgPlan,
    pub(super) nodes: Vec<usize>,
    pub(super) membership: Membership,
    /// Whether it has ever taken part.
    pub(super) joined: bool,
    /// Whether its last word was that it takes part.
    pub(super) takes_part: bool,
    /// Who gave its last word.
    pub(super) speaker: usize,
    pub(super) revocations: Vec<Carry<Revocation>>,
}

impl Org {
    pub(super) fn id(&self) -> OrgId {
        self.root.org_id()
    }
}

fn key(seed: u64, kind: u64, number: u64) -> SecretKey {
    let mut random = Random::new(seed ^ (kind << 56) ^ (number << 24));
    random.bits();
    SecretKey::from_seed(&random.bytes())
}

/// The root key of an organisation: the same whatever else is in the scenario.
pub(super) fn root_key(seed: u64, org: usize) -> SecretKey {
    key(seed, 1, org as u64)
}

/// What followers follow.
fn followed() -> Follows {
    Follows {
        areas: [FOLLOWED.to_owned()].into(),
        ..Follows::default()
    }
}

/// Says that a node may write for an organisation.
pub(super) fn delegate(
    root: &SecretKey,
    node: &SecretKey,
    role: Role,
    from_s: u64,
) -> Signed<Delegation> {
    let delegation = Delegation {
        format: FORMAT,
        org: root.org_id(),
        node: node.node_id(),
        role,
        not_before_s: from_s,
        not_after_s: Some(EPOCH_S + 400 * 86_400),
    };
    Signed::sign(delegation, root)
}

impl World {
    pub(super) fn found(&mut self) {
        for (org, plan) in self.scenario.orgs.clone().into_iter().enumerate() {
            self.orgs.push(Org {
                root: root_key(self.scenario.seed, org),
                plan,
                nodes: Vec::new(),
                membership: Membership::default(),
                joined: false,
                takes_part: false,
                speaker: 0,
                revocations: Vec::new(),
            });
        }
        let founding: Vec<usize> = (0..self.orgs.len())
            .filter(|org| self.orgs[*org].plan.founding)
            .collect();
        let anchors = self.scenario.vouches_needed as usize;
        for org in founding {
            let membership = match org < anchors {
                true => Membership {
                    epoch: 1,
                    ..Membership::default()
                },
                false => self.vouched_for(self.orgs[org].id(), 0..anchors),
            };
            self.begin(org, membership);
        }
    }

    /// What the vouches of some organisations, by their first nodes, make of a newcomer.
    fn vouched_for(&self, subject: OrgId, vouchers: impl IntoIterator<Item = usize>) -> Membership {
        let mut membership = Membership {
            epoch: 1,
            accepted_at_s: EPOCH_S,
            ..Membership::default()
        };
        for voucher in vouchers {
            let node = &self.nodes[self.orgs[voucher].nodes[0]];
            let vouch = Vouch {
                format: FORMAT,
                network: self.network,
                subject,
                voucher: self.orgs[voucher].id(),
                node: node.id,
                issued_at_s: EPOCH_S,
                note: None,
            };
            let vouch = Delegated::new(&Signed::sign(vouch, &node.key), &node.delegation);
            membership.vouches.insert(self.orgs[voucher].id(), vouch);
        }
        membership
    }

    /// Starts an organisation's nodes, and lets the first publish its card.
    fn begin(&mut self, org: usize, membership: Membership) {
        self.orgs[org].membership = membership;
        self.orgs[org].joined = true;
        self.orgs[org].takes_part = true;
        for number in 0..self.orgs[org].plan.nodes {
            let node = self.nodes.len();
            self.orgs[org].nodes.push(node);
            self.start_node(org, number);
            self.again(Event::Sync(node));
            self.again(Event::Flush(node));
        }
        let first = self.orgs[org].nodes[0];
        self.trace
            .note(self.now_ms, "organisation", self.nodes[first].id.as_bytes());
        self.orgs[org].speaker = first;
        self.publish_card(first);
    }

    fn start_node(&mut self, org: usize, number: usize) {
        let key = key(self.scenario.seed, 2, (org * 16 + number) as u64);
        let root = &self.orgs[org].root;
        let role = match number {
            2 => Role::Editor,
            _ => Role::Admin,
        };
        let delegation = delegate(root, &key, role, EPOCH_S - 100 * 86_400);
        let mut replica = Replica::open(
            CrashStorage::default(),
            key.node_id(),
            [root.org_id()].into(),
        )
        .expect("an empty store opens");
        replica
            .add_network(self.charter.clone())
            .expect("there is room");
        // By that it is known for the organisation's, whichever node wrote the card.
        replica
            .learn_delegation(EPOCH_S, &delegation)
            .expect("there is room");
        if self.scenario.is_follower(self.nodes.len()) {
            let follows = followed();
            replica.set_follows(follows).expect("there is room");
        }
        replica.storage_mut().flush().expect("there is room");
        let off_s = self.random.below(2 * self.weather.clock_off_max_s + 1);
        self.nodes.push(Node {
            id: key.node_id(),
            key,
            org,
            delegation,
            replica,
            sessions: BTreeMap::new(),
            up: true,
            hostile: self.orgs[org].plan.hostile,
            side: 0,
            mute: false,
            deaf: false,
            full: false,
            slow_ms: 0,
            clock_off_s: off_s as i64 - self.weather.clock_off_max_s as i64,
            heard: false,
            backup: None,
            rolled_back: false,
        });
    }

    pub(super) fn doc_key(&self, node: usize, name: DocName) -> DocKey {
        DocKey {
            org: self.orgs[self.nodes[node].org].id(),
            name,
        }
    }

    /// The card of a node's organisation, as its people want it.
    pub(super) fn card_of(&mut self, org: usize) -> Card {
        self.last_item += 1;
        let mut card = Card::new(format!("Organisation {org}, version {}", self.last_item));
        card.networks
            .insert(self.network, self.orgs[org].membership.clone());
        let delegation = |node: &usize| Carry::new(&self.nodes[*node].delegation);
        card.delegations = self.orgs[org].nodes.iter().map(delegation).collect();
        card.revocations.clone_from(&self.orgs[org].revocations);
        card
    }

    pub(super) fn publish_card(&mut self, node: usize) {
        if self.nodes[node].delegation.get().role != Role::Admin {
            return;
        }
        let state = self.card_of(self.nodes[node].org).to_bytes();
        let key = self.doc_key(node, DocName::Card);
        self.publish(node, key, state, Contained::All, None, Batch::default());
    }

    /// The next organisation that is waiting joins with a ticket of one that is a member in the eyes of its
    /// node, and if that is not enough, with the vouch of an anchor.
    pub(super) fn join(&mut self, inviter: usize) {
        let Some(org) = self.orgs.iter().position(|org| !org.joined) else {
            return;
        };
        let host = self.nodes[inviter].org;
        if !self.is_member_here(inviter, host) || !self.nodes[inviter].up {
            return;
        }
        let now_s = self.true_clock_s();
        let secret = SecretKey::from_seed(&self.random.bytes());
        let node = &self.nodes[inviter];
        if node.delegation.get().role != Role::Admin {
            return;
        }
        let ticket = Ticket::issue(
            self.network,
            node.delegation.clone(),
            &node.key,
            secret,
            now_s,
            now_s + 7 * 86_400,
            Vec::new(),
        );
        let ticket = Ticket::parse(&ticket.to_text()).expect("a ticket comes back from its text");
        let subject = self.orgs[org].id();
        let besides = match self.scenario.vouches_needed {
            1 => Vec::new(),
            _ => vec![usize::from(host == 0)],
        };
        let mut membership = self.vouched_for(subject, besides);
        membership.invitation = Some(ticket.redeem(subject, now_s));
        self.report.joined += 1;
        self.begin(org, membership);
    }

    /// Whether an organisation is a member in the eyes of a node.
    pub(super) fn is_member_here(&mut self, node: usize, org: usize) -> bool {
        let (network, id) = (self.network, self.orgs[org].id());
        let roster = self.nodes[node].replica.roster(&network);
        roster.is_some_and(|roster| roster.is_member(&id))
    }

    pub(super) fn leave(&mut self, node: usize) {
        let org = self.nodes[node].org;
        let may = self.nodes[node].delegation.get().role == Role::Admin;
        // Anchors stay, so that there is always somebody to meet.
        if !self.orgs[org].takes_part || org <= self.scenario.vouches_needed as usize || !may {
            return;
        }
        let kept = self.outlast_leaving(org);
        if self.say_goodbye(node) {
            self.acknowledged = kept;
            self.orgs[org].takes_part = false;
            self.orgs[org].speaker = node;
            self.report.left += 1;
        }
    }

    /// The acknowledged edits that an organisation's leaving must not cost. It and the others let go of what they hold
    /// of each other, and if it comes back, it comes with what its own nodes hold. So what its author has lost, because
    /// an old copy of a store was put back, and only the other side holds, is lost. What nobody holds stays: leaving
    /// is not to blame for that.
    fn outlast_leaving(&self, org: usize) -> Vec<Acknowledged> {
        let stays = |edit: &&Acknowledged| {
            let is_own = self.nodes[edit.node].org == org;
            let is_held = |on_its_side: bool| {
                let is_there =
                    |node: &usize| (self.nodes[*node].org == org) == (is_own == on_its_side);
                let mut nodes = self.honest().filter(is_there);
                nodes.any(|node| self.holds_durably(node, edit))
            };
            is_held(true) || !is_held(false)
        };
        self.acknowledged.iter().filter(stays).cloned().collect()
    }

    fn say_goodbye(&mut self, node: usize) -> bool {
        let now_s = self.clock_s(node);
        let network = self.network;
        let org = self.nodes[node].org;
        let Org {
            root, membership, ..
        } = &self.orgs[org];
        let Node {
            replica,
            key,
            delegation,
            ..
        } = &mut self.nodes[node];
        let departure =
            replica.departure(now_s, network, root.org_id(), membership, delegation, key);
        let Checked::Departure(stated) = &departure else {
            return false;
        };
        let item = Item::Departure {
            departure: stated.departure.to_bytes(),
            delegation: stated.delegation.to_bytes(),
        };
        let left = matches!(
            replica.receive(now_s, departure),
            Ok(Outcome::Accepted(_) | Outcome::AlreadyKnown | Outcome::Dominated)
        );
        if left {
            replica.storage_mut().flush().ok();
            self.trace.note(self.now_ms, "leave", &[org as u8]);
            self.tell_of(node, || "has its organisation leave".into());
            self.announce(node, item);
        }
        left
    }

    pub(super) fn come_back(&mut self, node: usize) {
        let org = self.nodes[node].org;
        let may = self.nodes[node].delegation.get().role == Role::Admin;
        if self.orgs[org].takes_part || !self.orgs[org].joined || !may {
            return;
        }
        self.orgs[org].membership.epoch += 1;
        self.orgs[org].takes_part = true;
        self.orgs[org].speaker = node;
        self.report.came_back += 1;
        self.trace.note(self.now_ms, "come back", &[org as u8]);
        self.publish_card(node);
    }

    /// Whoever was told that a command failed gives it again, and so does whoever finds, after an old copy was
    /// put back, that their organisation does not stand as they left it.
    pub(super) fn tend(&mut self, node: usize) {
        let org = self.nodes[node].org;
        if !self.nodes[node].heard || self.orgs[org].speaker != node || self.nodes[node].hostile {
            return;
        }
        let id = self.orgs[org].id();
        let standing = self.nodes[node].replica.standing(&self.network, &id);
        let (epoch, left) = standing.map_or((0, 0), |it| (it.epoch, it.left_epoch));
        let wanted = self.orgs[org].membership.epoch;
        let replica = &self.nodes[node].replica;
        let is_known = |revocation: &Carry<Revocation>| {
            let stated = revocation.claimed().expect("it was signed here");
            let known = replica.revocations(&id, &stated.node);
            !known.expect("a store reads").is_empty()
        };
        let revoked = self.orgs[org].revocations.iter().all(is_known);
        match self.orgs[org].takes_part {
            true if epoch < wanted => self.publish_card(node),
            true if !revoked => {
                self.publish_card(node);
                self.reseal(node);
            }
            false if left < wanted => {
                self.say_goodbye(node);
            }
            _ => {}
        }
    }

    /// A node is stolen; a sibling revokes it and seals everything anew.
    pub(super) fn steal(&mut self, org: usize) {
        let nodes = self.orgs[org].nodes.clone();
        let able = |node: &&usize| {
            let node = &self.nodes[**node];
            node.up && !node.full && node.delegation.get().role == Role::Admin
        };
        let Some(revoker) = nodes.iter().find(able).copied() else {
            return;
        };
        let Some(stolen) = nodes.iter().rev().find(|node| **node != revoker).copied() else {
            return;
        };
        if self.orgs[org].plan.hostile || !self.orgs[org].takes_part {
            return;
        }
        // If the stolen node left and came back unheard, the card that revokes it is of an epoch that was left,
        // and not everybody takes it: see the page on certificates.
        let id = self.orgs[org].id();
        let wanted = self.orgs[org].membership.epoch;
        let standing = self.nodes[revoker].replica.standing(&self.network, &id);
        if standing.map_or(0, |it| it.epoch) != wanted {
            return;
        }
        self.report.stolen += 1;
        self.trace.note(self.now_ms, "steal", &[stolen as u8]);
        self.nodes[stolen].hostile = true;
        self.orgs[org].nodes.retain(|it| *it != stolen);
        self.orgs[org].speaker = revoker;
        let last = self.nodes[revoker]
            .replica
            .last_records(&id, &self.nodes[stolen].id);
        let last = last.expect("a store reads");
        let counts = |key: &DocKey, instance: Instance, seq: u64| {
            last.iter()
                .any(|it| it.document == key.name && it.instance == instance && seq <= it.seq)
        };
        let thief = self.nodes[stolen].id;
        let revocation = Revocation {
            format: FORMAT,
            org: id,
            node: thief,
            revoked_at_s: self.clock_s(revoker),
            last: last.clone(),
        };
        self.tell_of(revoker, || {
            format!("revokes node {stolen}, of which counts {last:?}")
        });
        self.revoked(org, &revocation);
        // A thief tells nobody what a record says of which only the record had been heard, nor what it alone still held of
        // others; and what had come to others within a later record that does not count goes with that.
        let stays = |world: &Self, it: &Acknowledged| {
            let is_safe = |counts: &dyn Fn(usize) -> bool| {
                let mut honest = world.honest();
                honest.any(|node| world.holds_durably(node, it) && counts(node))
            };
            match it.seen.writer.node == thief {
                true => {
                    counts(&it.key, it.seen.writer.instance, it.seen.seq)
                        && is_safe(&|node| world.contains_counted(node, it, &revocation))
                }
                false => is_safe(&|_| true) || !world.holds_durably(stolen, it),
            }
        };
        let edits = std::mem::take(&mut self.acknowledged);
        let kept = edits.into_iter().filter(|it| stays(self, it)).collect();
        self.acknowledged = kept;
        let carried = Carry::new(&Signed::sign(revocation, &self.orgs[org].root));
        self.orgs[org].revocations.push(carried);
        self.publish_card(revoker);
        self.reseal(revoker);
    }
}
