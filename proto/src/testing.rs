//! Builders for the tests of this crate: organisations with fixed keys, their documents and items.

use std::collections::BTreeMap;

use crate::card::{Card, Membership};
use crate::certificate::{
    Delegated, Delegation, Departure, FORMAT as CERTIFICATE_FORMAT, Role, Vouch,
};
use crate::charter::{Charter, FORMAT as CHARTER_FORMAT};
use crate::ids::{DocKey, DocName, NetworkId, NodeId, OrgId};
use crate::interest::Follows;
use crate::keys::SecretKey;
use crate::listing::model::ServiceArea;
use crate::listing::{Organization, Service, ShardState};
use crate::record::{FORMAT, Hash, Instance, Record, Seen, Writer};
use crate::replica::{Contained, Draft, Item, Outcome, Replica};
use crate::signed::Signed;
use crate::storage::{Batch, MemoryStorage, Storage};

/// The moment at which tests take place, in seconds since 1970-01-01 UTC.
pub(crate) const NOW_S: u64 = 1_790_000_000;

/// A key by number; roots and nodes take theirs from different ranges.
pub(crate) fn key(kind: u8, number: u32) -> SecretKey {
    let mut seed = [kind; 32];
    seed[..4].copy_from_slice(&number.to_le_bytes());
    SecretKey::from_seed(&seed)
}

/// An organisation on one of its nodes.
#[derive(Clone)]
pub(crate) struct Party {
    pub(crate) root: SecretKey,
    pub(crate) node: SecretKey,
    pub(crate) delegation: Signed<Delegation>,
    pub(crate) instance: Instance,
}

impl Party {
    /// Organisation `number` on a node of its own, as admin from the beginning of time.
    pub(crate) fn new(number: u32) -> Self {
        Self::on(number, number, Role::Admin)
    }

    /// Organisation `org` on node `node`.
    pub(crate) fn on(org: u32, node: u32, role: Role) -> Self {
        let (root, node) = (key(1, org), key(2, node));
        let delegation = delegation(&root, node.node_id(), role, 0, None);
        Self {
            root,
            node,
            delegation,
            instance: Instance([7; 8]),
        }
    }

    pub(crate) fn org(&self) -> OrgId {
        self.root.org_id()
    }

    pub(crate) fn id(&self) -> NodeId {
        self.node.node_id()
    }

    pub(crate) fn writer(&self) -> Writer {
        Writer {
            node: self.id(),
            instance: self.instance,
        }
    }

    pub(crate) fn doc(&self, name: DocName) -> DocKey {
        DocKey {
            org: self.org(),
            name,
        }
    }

    /// The same node under another delegation.
    pub(crate) fn delegated(&self, role: Role, from_s: u64, until_s: Option<u64>) -> Self {
        let delegation = delegation(&self.root, self.id(), role, from_s, until_s);
        Self {
            delegation,
            ..self.clone()
        }
    }

    pub(crate) fn vouch(&self, network: NetworkId, subject: OrgId) -> Delegated<Vouch> {
        let vouch = Vouch {
            format: CERTIFICATE_FORMAT,
            network,
            subject,
            voucher: self.org(),
            node: self.id(),
            issued_at_s: NOW_S,
            note: None,
        };
        Delegated::new(&Signed::sign(vouch, &self.node), &self.delegation)
    }

    /// What a card says of one network: the epoch, and who vouches.
    pub(crate) fn membership(&self, network: NetworkId, epoch: u32, by: &[&Party]) -> Membership {
        let vouches = by
            .iter()
            .map(|voucher| (voucher.org(), voucher.vouch(network, self.org())))
            .collect();
        Membership {
            epoch,
            accepted_at_s: NOW_S,
            vouches,
            ..Membership::default()
        }
    }

    /// A card that accepts some networks.
    pub(crate) fn card(&self, networks: &[(NetworkId, u32, &[&Party])]) -> Card {
        let mut card = Card::new("An organisation");
        for (network, epoch, by) in networks {
            card.networks
                .insert(*network, self.membership(*network, *epoch, by));
        }
        card
    }

    /// The record of a state at a place of this writer's.
    pub(crate) fn record(&self, name: DocName, seq: u64, saw: &[Seen], state: &[u8]) -> Record {
        let mut saw = saw.to_vec();
        saw.sort();
        Record {
            format: FORMAT,
            org: self.org(),
            document: name,
            writer: self.writer(),
            seq,
            saw,
            heads: Vec::new(),
            state_hash: Hash::of(state),
            state_bytes: state.len() as u64,
            issued_at_s: NOW_S,
            generation: None,
        }
    }

    /// A record as an item, with this writer's delegation and the state.
    pub(crate) fn sign(&self, record: Record, state: &[u8]) -> Item {
        Item::Record {
            record: Signed::sign(record, &self.node).to_bytes(),
            delegation: Some(self.delegation.to_bytes()),
            state: Some(state.to_vec()),
        }
    }

    pub(crate) fn item(&self, name: DocName, seq: u64, saw: &[Seen], state: &[u8]) -> Item {
        self.sign(self.record(name, seq, saw, state), state)
    }

    /// The first card, which accepts one network in epoch 1.
    pub(crate) fn first_card(&self, network: NetworkId, by: &[&Party]) -> Item {
        self.item(
            DocName::Card,
            1,
            &[],
            &self.card(&[(network, 1, by)]).to_bytes(),
        )
    }

    pub(crate) fn departure(&self, membership: &Membership, network: NetworkId, at_s: u64) -> Item {
        let departure = Departure {
            format: CERTIFICATE_FORMAT,
            network,
            org: self.org(),
            node: self.id(),
            epoch: membership.epoch,
            left_at_s: at_s,
            membership: crate::json::to_bytes(membership).unwrap(),
        };
        Item::Departure {
            departure: Signed::sign(departure, &self.node).to_bytes(),
            delegation: self.delegation.to_bytes(),
        }
    }

    /// A replica on this node that takes part in some networks.
    pub(crate) fn replica(&self, charters: &[&Charter]) -> Replica<MemoryStorage> {
        let own = [self.org()].into();
        let mut replica = Replica::open(MemoryStorage::new(), self.id(), own).unwrap();
        for charter in charters {
            replica.add_network((*charter).clone()).unwrap();
        }
        replica
    }

    /// Publishes a state of this organisation's own.
    pub(crate) fn publish<S: Storage>(
        &self,
        replica: &mut Replica<S>,
        name: DocName,
        state: &[u8],
    ) {
        let draft = Draft {
            key: self.doc(name),
            state: state.to_vec(),
            heads: Vec::new(),
            generation: 0,
            delegation: self.delegation.clone(),
            contains: Contained::All,
            sealed: None,
        };
        replica
            .publish(NOW_S, draft, &self.node, self.instance, Batch::default())
            .unwrap();
    }
}

pub(crate) fn delegation(
    root: &SecretKey,
    node: NodeId,
    role: Role,
    not_before_s: u64,
    not_after_s: Option<u64>,
) -> Signed<Delegation> {
    let format = CERTIFICATE_FORMAT;
    let org = root.org_id();
    Signed::sign(
        Delegation {
            format,
            org,
            node,
            role,
            not_before_s,
            not_after_s,
        },
        root,
    )
}

/// A charter; `number` tells networks apart.
pub(crate) fn charter(number: u8, vouches_needed: u32, anchors: &[&Party]) -> Charter {
    let mut anchors: Vec<OrgId> = anchors.iter().map(|party| party.org()).collect();
    anchors.sort();
    Charter {
        format: CHARTER_FORMAT,
        name: "Brixton".into(),
        text: "We refer people to one another with care.".into(),
        vouches_needed,
        anchors,
        founded_at_s: NOW_S,
        nonce: [number; 16],
    }
}

/// The state of a shard with some services, the first of which says `text`.
pub(crate) fn listing(shard: u16, services: usize, text: &str) -> Vec<u8> {
    let mut state = ShardState::empty(shard);
    if shard == 0 {
        let organization = Organization {
            id: "o".into(),
            name: "An organisation".into(),
            ..Organization::default()
        };
        state.organization = Some(organization);
    }
    for number in 0..services {
        state.services.insert(Service {
            id: format!("service-{number}"),
            name: if number == 0 {
                format!("Advice {text}")
            } else {
                "Advice".into()
            },
            ..Service::default()
        });
    }
    state.to_bytes().unwrap()
}

/// The state of shard 0 with one service, which serves an area.
pub(crate) fn listing_in(area: &str, text: &str) -> Vec<u8> {
    let mut state = ShardState::empty(0);
    state.services.insert(Service {
        id: "service".into(),
        name: format!("Advice {text}"),
        service_areas: [ServiceArea {
            id: "area".into(),
            name: Some(area.into()),
            ..ServiceArea::default()
        }]
        .into_iter()
        .collect(),
        ..Service::default()
    });
    state.to_bytes().unwrap()
}

/// What follows these areas.
pub(crate) fn following(areas: &[&str]) -> Follows {
    Follows {
        areas: areas.iter().map(|area| (*area).to_owned()).collect(),
        ..Follows::default()
    }
}

/// Checks an item and gives it to a replica, as a peer's would be.
pub(crate) fn send<S: Storage>(replica: &mut Replica<S>, item: Item) -> Outcome {
    match item.check() {
        Ok(checked) => replica.receive(NOW_S, checked).unwrap(),
        Err(refusal) => Outcome::Refused(refusal),
    }
}

pub(crate) fn is_accepted(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Accepted(_))
}

/// The same item without its state.
pub(crate) fn without_state(item: &Item) -> Item {
    match item.clone() {
        Item::Record {
            record, delegation, ..
        } => Item::Record {
            record,
            delegation,
            state: None,
        },
        departure => departure,
    }
}

/// What is shown of every document that is held.
pub(crate) fn all_shown<S: Storage>(replica: &Replica<S>) -> BTreeMap<DocKey, Vec<u8>> {
    let keys = replica
        .organisations()
        .into_iter()
        .flat_map(|org| replica.documents_of(&org).collect::<Vec<_>>());
    keys.filter_map(|key| Some((key, replica.shown(&key).unwrap()?.state)))
        .collect()
}
