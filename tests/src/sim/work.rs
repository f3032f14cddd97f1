//! What people do meanwhile: edit, open shards, join, leave, come back.

use std::collections::BTreeMap;

use fingerpost_proto::board::BoardState;
use fingerpost_proto::card::{Card, Membership};
use fingerpost_proto::certificate::{Delegated, Delegation, FORMAT, Role, Vouch};
use fingerpost_proto::ids::{DocKey, DocName, OrgId};
use fingerpost_proto::keys::SecretKey;
use fingerpost_proto::listing::{Organization, Service, ShardState};
use fingerpost_proto::record::Instance;
use fingerpost_proto::replica::{Checked, Contained, Draft, Item, Replica};
use fingerpost_proto::signed::{Carry, Signed};
use fingerpost_proto::storage::{Batch, Storage};
use fingerpost_proto::ticket::Ticket;

use super::store::CrashStorage;
use super::world::{Acknowledged, Node, World};

/// An organisation, and which nodes write for it.
pub(super) struct Org {
    pub(super) root: SecretKey,
    pub(super) nodes: Vec<usize>,
    pub(super) membership: Membership,
    /// Whether its last word was that it takes part.
    pub(super) takes_part: bool,
}

impl World {
    /// Somebody does something.
    pub(super) fn work(&mut self) {
        let org = self.random.below(self.orgs.len() as u64) as usize;
        let writers: Vec<usize> = self.orgs[org]
            .nodes
            .iter()
            .copied()
            .filter(|node| self.nodes[*node].up)
            .collect();
        let Some(node) = self.random.pick(&writers).copied() else {
            return;
        };
        match self.random.below(100) {
            0..70 => self.edit_listing(org, node),
            70..80 => self.edit_board(org, node),
            80..86 => self.publish_card(org, node),
            86..91 => self.join(node),
            // The founder stays, so that there is always somebody to meet.
            91..95 if org != 0 => self.leave(org, node),
            _ => self.come_back(org, node),
        }
    }

    fn edit_listing(&mut self, org: usize, node: usize) {
        let shard = self.random.below(3) as u16;
        self.edits += 1;
        let mut state = ShardState::empty(shard);
        if shard == 0 {
            state.organization = Some(Organization {
                id: "organisation".into(),
                name: format!("Organisation {org}"),
                ..Organization::default()
            });
        }
        for number in 0..=self.random.below(3) {
            state.services.insert(Service {
                id: format!("service-{number}"),
                name: format!("Edit {}", self.edits),
                ..Service::default()
            });
        }
        let state = state.to_bytes().expect("within the limits");
        self.publish(org, node, DocName::Listing(shard), state);
    }

    fn edit_board(&mut self, org: usize, node: usize) {
        self.edits += 1;
        let mut board = BoardState::default();
        board.extra.insert("x_edit".into(), self.edits.into());
        let state = board.to_bytes().expect("within the limits");
        self.publish(org, node, DocName::Board, state);
    }

    pub(super) fn publish_card(&mut self, org: usize, node: usize) {
        self.edits += 1;
        let mut card = Card::new(format!("Organisation {org} after {} edits", self.edits));
        card.networks
            .insert(self.network, self.orgs[org].membership.clone());
        let of =
            |node: &usize| Carry::new(&delegation(&self.orgs[org].root, &self.nodes[*node].key));
        card.delegations = self.orgs[org].nodes.iter().map(of).collect();
        self.publish(org, node, DocName::Card, card.to_bytes());
    }

    /// Publishes; in some cases the node crashes before the flush, and then nobody may have heard of it.
    fn publish(&mut self, org: usize, node: usize, name: DocName, state: Vec<u8>) {
        let key = DocKey {
            org: self.orgs[org].root.org_id(),
            name,
        };
        let now_s = self.clock_s(node);
        let delegation = delegation(&self.orgs[org].root, &self.nodes[node].key);
        let draft = Draft {
            key,
            state: state.clone(),
            heads: Vec::new(),
            delegation: delegation.clone(),
            contains: Contained::All,
            sealed: None,
        };
        let fresh = Instance(self.random.bytes());
        let Node {
            replica,
            key: secret,
            ..
        } = &mut self.nodes[node];
        let record = replica
            .publish(now_s, draft, secret, fresh, Batch::default())
            .expect("a node may write for its organisation");
        self.trace
            .note(self.now_ms, "publish", record.id().as_bytes());
        if self.random.chance(self.faults.crash_before_flush_per_mille) {
            self.crash(node);
            return;
        }
        self.nodes[node]
            .replica
            .storage_mut()
            .flush()
            .expect("memory does not fail");
        let item = Item::Record {
            record: record.to_bytes(),
            delegation: Some(delegation.to_bytes()),
            state: Some(state),
        };
        self.acknowledged.push(Acknowledged {
            key,
            record,
            takes_part: self.orgs[org].takes_part,
        });
        self.announce(node, &item);
    }

    /// An organisation joins with a ticket of one that is a member in the eyes of its node.
    fn join(&mut self, inviter: usize) {
        if self.joined >= self.plan.joiners {
            return;
        }
        let org = self.nodes[inviter].org;
        let id = self.orgs[org].root.org_id();
        let network = self.network;
        let is_member = self.nodes[inviter]
            .replica
            .roster(&network)
            .is_some_and(|it| it.is_member(&id));
        if !is_member {
            return;
        }
        self.joined += 1;
        let now_s = self.clock_s(inviter);
        let node = &self.nodes[inviter];
        let ticket = Ticket::issue(
            self.network,
            delegation(&self.orgs[org].root, &node.key),
            &node.key,
            SecretKey::from_seed(&self.random.bytes()),
            now_s,
            now_s + 7 * 86_400,
            Vec::new(),
        );
        let ticket = Ticket::parse(&ticket.to_text()).expect("a ticket comes back from its text");
        let root = SecretKey::from_seed(&self.random.bytes());
        let invitation = Some(ticket.redeem(root.org_id(), now_s));
        let membership = Membership {
            epoch: 1,
            accepted_at_s: now_s,
            invitation,
            ..Membership::default()
        };
        self.add_org(root, membership);
    }

    /// Adds an organisation with its nodes, and lets it publish its card.
    pub(super) fn add_org(&mut self, root: SecretKey, membership: Membership) {
        let org = self.orgs.len();
        let count = 1 + usize::from(self.random.chance(self.plan.sibling_per_mille));
        let nodes: Vec<usize> = (self.nodes.len()..self.nodes.len() + count).collect();
        self.orgs.push(Org {
            root,
            nodes: nodes.clone(),
            membership,
            takes_part: true,
        });
        for _ in &nodes {
            let key = SecretKey::from_seed(&self.random.bytes());
            let own = [self.orgs[org].root.org_id()].into();
            let mut replica = Replica::open(CrashStorage::default(), key.node_id(), own)
                .expect("an empty store opens");
            replica
                .add_network(self.charter.clone())
                .expect("memory does not fail");
            // By that it is known for the organisation's, whichever node wrote the card.
            let own = delegation(&self.orgs[org].root, &key);
            replica
                .learn_delegation(own.get().not_before_s, &own)
                .expect("memory does not fail");
            replica.storage_mut().flush().expect("memory does not fail");
            let off_s = self.random.below(2 * self.plan.clock_off_max_s + 1);
            self.nodes.push(Node {
                id: key.node_id(),
                key,
                org,
                replica,
                sessions: BTreeMap::new(),
                up: true,
                side: 0,
                clock_off_s: off_s as i64 - self.plan.clock_off_max_s as i64,
            });
            self.schedule_sync(self.nodes.len() - 1);
        }
        self.trace.note(
            self.now_ms,
            "organisation",
            self.orgs[org].root.org_id().as_bytes(),
        );
        self.publish_card(org, nodes[0]);
    }

    fn leave(&mut self, org: usize, node: usize) {
        if !self.orgs[org].takes_part {
            return;
        }
        let now_s = self.clock_s(node);
        let Org {
            root, membership, ..
        } = &self.orgs[org];
        let delegation = delegation(root, &self.nodes[node].key);
        let Node { replica, key, .. } = &mut self.nodes[node];
        let departure = replica.departure(
            now_s,
            self.network,
            root.org_id(),
            membership,
            &delegation,
            key,
        );
        let Checked::Departure(stated) = &departure else {
            panic!("not a departure")
        };
        let item = Item::Departure {
            departure: stated.departure.to_bytes(),
            delegation: stated.delegation.to_bytes(),
        };
        replica
            .receive(now_s, departure)
            .expect("memory does not fail");
        replica.storage_mut().flush().expect("memory does not fail");
        self.orgs[org].takes_part = false;
        self.report.left += 1;
        self.trace.note(self.now_ms, "leave", &[org as u8]);
        self.announce(node, &item);
    }

    fn come_back(&mut self, org: usize, node: usize) {
        if self.orgs[org].takes_part {
            return;
        }
        self.orgs[org].membership.epoch += 1;
        self.orgs[org].takes_part = true;
        self.report.came_back += 1;
        self.trace.note(self.now_ms, "come back", &[org as u8]);
        self.publish_card(org, node);
    }

    /// Whoever was told that a command failed, because the node crashed before the flush, gives it again
    /// after the restart: the organisation's card with its acceptance, in so far as the node lacks it.
    pub(super) fn redo(&mut self, node: usize) {
        let org = self.nodes[node].org;
        let id = self.orgs[org].root.org_id();
        let standing = self.nodes[node].replica.standing(&self.network, &id);
        let held = standing.map_or(0, |standing| standing.epoch);
        if self.orgs[org].takes_part && held < self.orgs[org].membership.epoch {
            self.publish_card(org, node);
        }
    }

    /// What the founder's vouch makes of an organisation that was there from the beginning.
    pub(super) fn vouched_by_founder(&mut self, subject: OrgId) -> Membership {
        let founder = &self.orgs[0];
        let node = &self.nodes[founder.nodes[0]];
        let vouch = Vouch {
            format: FORMAT,
            network: self.network,
            subject,
            voucher: founder.root.org_id(),
            node: node.key.node_id(),
            issued_at_s: self.clock_s(founder.nodes[0]),
            note: None,
        };
        let vouch = Delegated::new(
            &Signed::sign(vouch, &node.key),
            &delegation(&founder.root, &node.key),
        );
        let vouches = [(founder.root.org_id(), vouch)].into();
        Membership {
            epoch: 1,
            accepted_at_s: 0,
            vouches,
            ..Membership::default()
        }
    }
}

/// A node's delegation by its organisation, from the beginning of time.
fn delegation(root: &SecretKey, node: &SecretKey) -> Signed<Delegation> {
    let (org, node) = (root.org_id(), node.node_id());
    let delegation = Delegation {
        format: FORMAT,
        org,
        node,
        role: Role::Admin,
        not_before_s: 0,
        not_after_s: None,
    };
    Signed::sign(delegation, root)
}
