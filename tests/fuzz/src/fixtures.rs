//! A small network with fixed keys, from which the seeds are made and against which targets run.

use std::collections::BTreeSet;
use std::sync::OnceLock;

use fingerpost_proto::card::{Card, Membership};
use fingerpost_proto::certificate::{
    Amendment, Delegated, Delegation, Departure, FORMAT as CERTIFICATE_FORMAT, LastRecord,
    Rekeying, Revocation, Role, Vouch,
};
use fingerpost_proto::charter::{Charter, FORMAT as CHARTER_FORMAT};
use fingerpost_proto::ids::{CharterId, DocKey, DocName, NetworkId, OrgId};
use fingerpost_proto::keys::{SecretKey, sealing_recipient};
use fingerpost_proto::listing::{Listing, ShardState, parse_import};
use fingerpost_proto::record::{FORMAT, Hash, Instance, Record, Writer};
use fingerpost_proto::replica::{Contained, Draft, Item, Outcome, Replica};
use fingerpost_proto::signed::{Carry, Signed};
use fingerpost_proto::storage::{Batch, MemoryStorage, Table};
use serde_json::json;

/// The moment at which targets run, in seconds since 1970-01-01 UTC.
pub const NOW_S: u64 = 1_790_000_000;

/// An organisation on a node of its own.
pub struct Party {
    pub root: SecretKey,
    pub node: SecretKey,
    pub delegation: Signed<Delegation>,
}

impl Party {
    pub fn new(number: u8) -> Self {
        Self::on(number, number)
    }

    /// An organisation on one of its nodes.
    pub fn on(number: u8, node: u8) -> Self {
        let root = SecretKey::from_seed(&[number; 32]);
        let node = SecretKey::from_seed(&[100 + node; 32]);
        let delegation = Delegation {
            format: CERTIFICATE_FORMAT,
            org: root.org_id(),
            node: node.node_id(),
            role: Role::Admin,
            not_before_s: 0,
            not_after_s: None,
        };
        let delegation = Signed::sign(delegation, &root);
        Self {
            root,
            node,
            delegation,
        }
    }

    pub fn org(&self) -> OrgId {
        self.root.org_id()
    }

    pub fn key(&self, name: DocName) -> DocKey {
        DocKey {
            org: self.org(),
            name,
        }
    }

    pub fn vouch(&self, network: NetworkId, subject: OrgId) -> Signed<Vouch> {
        let vouch = Vouch {
            format: CERTIFICATE_FORMAT,
            network,
            subject,
            voucher: self.org(),
            node: self.node.node_id(),
            issued_at_s: NOW_S,
            note: Some("Known to us for years".into()),
        };
        Signed::sign(vouch, &self.node)
    }

    /// What its card says of a network.
    pub fn membership(&self, network: NetworkId, by: &[&Self]) -> Membership {
        let vouch = |voucher: &&Self| {
            let vouch = voucher.vouch(network, self.org());
            (voucher.org(), Delegated::new(&vouch, &voucher.delegation))
        };
        Membership {
            epoch: 1,
            accepted_at_s: NOW_S,
            vouches: by.iter().map(vouch).collect(),
            ..Membership::default()
        }
    }

    pub fn card(&self, network: NetworkId, by: &[&Self]) -> Card {
        let mut card = Card::new("Brixton Advice");
        card.delegations.push(Carry::new(&self.delegation));
        card.nodes
            .insert(self.node.node_id(), vec!["/ip4/192.0.2.7/tcp/7787".into()]);
        card.networks.insert(network, self.membership(network, by));
        card
    }

    /// The record of a state, as an item that brings everything along.
    pub fn item(&self, document: DocName, seq: u64, state: &[u8]) -> Item {
        let record = Record {
            format: FORMAT,
            org: self.org(),
            document,
            writer: Writer {
                node: self.node.node_id(),
                instance: Instance([7; 8]),
            },
            seq,
            saw: Vec::new(),
            heads: vec![Hash([8; 32])],
            state_hash: Hash::of(state),
            state_bytes: state.len() as u64,
            issued_at_s: NOW_S,
            generation: None,
        };
        Item::Record {
            record: Signed::sign(record, &self.node).to_bytes(),
            delegation: Some(self.delegation.to_bytes()),
            state: Some(state.to_vec()),
        }
    }

    pub fn departure(&self, network: NetworkId, membership: &Membership) -> Signed<Departure> {
        let departure = Departure {
            format: CERTIFICATE_FORMAT,
            network,
            org: self.org(),
            node: self.node.node_id(),
            epoch: membership.epoch,
            left_at_s: NOW_S,
            membership: serde_json::to_vec(membership).unwrap(),
        };
        Signed::sign(departure, &self.node)
    }

    pub fn amendment(&self, network: NetworkId) -> Signed<Amendment> {
        let amendment = Amendment {
            format: CERTIFICATE_FORMAT,
            network,
            previous: CharterId::from_bytes(*network.as_bytes()),
            name: "Brixton referrals".into(),
            text: "We refer people to one another with more care.".into(),
            vouches_needed: 2,
            proposer: self.org(),
            node: self.node.node_id(),
            proposed_at_s: NOW_S,
        };
        Signed::sign(amendment, &self.node)
    }

    pub fn revocation(&self, other: &Self) -> Signed<Revocation> {
        let revocation = Revocation {
            format: CERTIFICATE_FORMAT,
            org: self.org(),
            node: other.node.node_id(),
            revoked_at_s: NOW_S,
            last: vec![LastRecord {
                document: DocName::Card,
                instance: Instance([7; 8]),
                seq: 3,
            }],
        };
        Signed::sign(revocation, &self.root)
    }

    pub fn rekeying(&self, new: OrgId) -> Signed<Rekeying> {
        let rekeying = Rekeying {
            format: CERTIFICATE_FORMAT,
            old: self.org(),
            new,
            at_s: NOW_S,
        };
        Signed::sign(rekeying, &self.root)
    }

    /// To whom it seals.
    pub fn recipient(&self) -> String {
        sealing_recipient(&self.node.public()).unwrap()
    }
}

/// A listing as files hold it.
pub fn listing_file() -> Vec<u8> {
    let service = |number: u32, name: &str| {
        json!({
            "id": format!("5d6a1a8e-2f0b-4b52-8a5c-{number:012}"),
            "name": name,
            "description": "In Farsi too; ask for <b>Leila</b>.",
            "status": "active",
            "schedules": [{"id": "x", "byday": "MO,TU", "opens_at": "09:00"}],
            "cost_options": [{"id": "y", "amount": 2.5, "currency": "GBP", "x_payer": "nhs"}],
            "service_at_locations": [{"id": "z", "location": {"id": "l", "latitude": 51.46, "longitude": -0.11}}],
            "attributes": [{"id": "t", "taxonomy_term": {"id": "u", "name": "Debt", "code": "D1"}}],
        })
    };
    let file = json!({
        "id": "1b9dd02c-6f38-4c4a-9c5e-0a8a2c3f7a10",
        "name": "Brixton Advice",
        "services": [service(1, "Débt advice"), service(2, "Crèche")],
    });
    serde_json::to_vec(&file).unwrap()
}

/// The same as the state of a shard.
pub fn shard() -> Vec<u8> {
    let import = parse_import(&listing_file()).unwrap();
    let mut state = ShardState::empty(0);
    state.organization = Some(import.organization);
    state.services = import.services;
    // As every shard can be read as a listing.
    assert!(Listing::from_shards([&state]).is_some());
    state.to_bytes().unwrap()
}

/// A board with a notice and a reply.
pub fn board() -> Vec<u8> {
    let board = json!({
        "format": 1,
        "kind": "board",
        "notices": [{"id": "n1", "kind": "need", "title": "A venue with a crèche", "expires": "2027-01-01"}],
        "replies": [],
    });
    serde_json::to_vec(&board).unwrap()
}

/// A founder, a member, and one that has left; and what each node holds.
pub struct World {
    pub charter: Charter,
    pub founder: Party,
    pub member: Party,
    pub former: Party,
    /// The founder's node: it holds everything.
    pub full: MemoryStorage,
    /// The member's node: it holds its own card and listing.
    pub sparse: MemoryStorage,
    /// Items of every kind.
    pub items: Vec<Item>,
}

impl World {
    pub fn network(&self) -> NetworkId {
        self.charter.network()
    }

    /// Everybody whose documents exist.
    pub fn orgs(&self) -> BTreeSet<OrgId> {
        [&self.founder, &self.member, &self.former]
            .map(Party::org)
            .into()
    }

    /// The founder's replica, which holds everything.
    pub fn founders(&self) -> Replica<MemoryStorage> {
        open(self.full.clone(), &self.founder)
    }

    /// The member's replica, which lacks most.
    pub fn members(&self) -> Replica<MemoryStorage> {
        open(self.sparse.clone(), &self.member)
    }
}

fn open(storage: MemoryStorage, party: &Party) -> Replica<MemoryStorage> {
    Replica::open(storage, party.node.node_id(), [party.org()].into()).unwrap()
}

fn take(replica: &mut Replica<MemoryStorage>, item: &Item) {
    let outcome = replica
        .receive(NOW_S, item.clone().check().unwrap())
        .unwrap();
    assert!(
        matches!(outcome, Outcome::Accepted(_) | Outcome::AlreadyKnown),
        "{outcome:?}"
    );
}

/// Publishes a document of its own, with a sealed one behind it.
fn publish(replica: &mut Replica<MemoryStorage>, party: &Party, name: DocName, state: Vec<u8>) {
    let draft = Draft {
        key: party.key(name),
        state,
        heads: Vec::new(),
        generation: 0,
        delegation: party.delegation.clone(),
        contains: Contained::All,
        sealed: Some(b"sealed by somebody who can".to_vec()),
    };
    let mut also = Batch::default();
    also.put(
        Table::Peers,
        *party.node.node_id().as_bytes(),
        "/ip4/192.0.2.7/tcp/7787",
    );
    replica
        .publish(NOW_S, draft, &party.node, Instance([7; 8]), also)
        .unwrap();
}

/// The world, made once.
pub fn world() -> &'static World {
    static WORLD: OnceLock<World> = OnceLock::new();
    WORLD.get_or_init(|| {
        let [founder, member, former] = [1, 2, 3].map(Party::new);
        let charter = charter(&founder);
        let network = charter.network();
        let own_card = founder.card(network, &[]);
        let member_card = member.item(
            DocName::Card,
            1,
            &member.card(network, &[&founder]).to_bytes(),
        );
        let former_card = former.item(
            DocName::Card,
            1,
            &former.card(network, &[&founder]).to_bytes(),
        );
        let departure = former.departure(network, &former.membership(network, &[&founder]));
        let departure = Item::Departure {
            departure: departure.to_bytes(),
            delegation: former.delegation.to_bytes(),
        };
        let amendment = Item::Amendment {
            amendment: member.amendment(network).to_bytes(),
            delegation: member.delegation.to_bytes(),
        };
        let listing = member.item(DocName::Listing(0), 1, &shard());
        let board = member.item(DocName::Board, 1, &board());

        let mut full = open(MemoryStorage::new(), &founder);
        full.add_network(charter.clone()).unwrap();
        publish(&mut full, &founder, DocName::Card, own_card.to_bytes());
        publish(&mut full, &founder, DocName::Listing(0), shard());
        let mut items = vec![member_card.clone(), former_card, listing.clone(), board];
        items.extend([amendment, departure]);
        for item in &items {
            take(&mut full, item);
        }
        let founders = full.items(&founder.key(DocName::Card)).unwrap();
        items.extend(founders.iter().cloned());

        let mut sparse = open(MemoryStorage::new(), &member);
        sparse.add_network(charter.clone()).unwrap();
        for item in founders.iter().chain([&member_card, &listing]) {
            take(&mut sparse, item);
        }
        World {
            charter,
            founder,
            member,
            former,
            full: full.storage().clone(),
            sparse: sparse.storage().clone(),
            items,
        }
    })
}

fn charter(founder: &Party) -> Charter {
    Charter {
        format: CHARTER_FORMAT,
        name: "Brixton referrals".into(),
        text: "We refer people to one another with care.".into(),
        vouches_needed: 1,
        anchors: vec![founder.org()],
        founded_at_s: NOW_S,
        nonce: [5; 16],
    }
}

/// Joins pieces, each behind its length in two bytes: the form of inputs that are made of several.
pub fn join(pieces: &[Vec<u8>]) -> Vec<u8> {
    let mut joined = Vec::new();
    for piece in pieces {
        let length = u16::try_from(piece.len()).unwrap_or(u16::MAX);
        joined.extend(length.to_be_bytes());
        joined.extend(piece.iter().take(usize::from(length)));
    }
    joined
}

/// Takes the pieces apart again; a length beyond the end means all that is left.
pub fn split(mut joined: &[u8]) -> Vec<&[u8]> {
    let mut pieces = Vec::new();
    while let Some((length, rest)) = joined.split_first_chunk::<2>() {
        let length = usize::from(u16::from_be_bytes(*length)).min(rest.len());
        let (piece, after) = rest.split_at(length);
        pieces.push(piece);
        joined = after;
    }
    pieces
}
