//! What the protocol costs, without network and disk.
//!
//! `records` measures a record verified, hashed, parsed and stored, beside the floor: what
//! `verify_strict`, SHA-256 and parsing the JSON alone allow, in the same run. `in_sync` is a session between
//! two that agree; `cold_join` one between a full node and a newcomer, every signature checked. The bytes
//! of those sessions are printed once each. `roster` computes who is a member from the standings alone.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    reason = "a benchmark stops at what it did not expect"
)]
#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "the criterion crate times for us"
)]

use std::collections::BTreeMap;
use std::hint::black_box;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use fingerpost_proto::card::{Card, Membership, ProvenVouch};
use fingerpost_proto::certificate::{Delegated, Delegation, FORMAT, Role, Vouch};
use fingerpost_proto::charter::Charter;
use fingerpost_proto::ids::{CharterId, DocName, InviteId, NetworkId, OrgId};
use fingerpost_proto::keys::{Domain, SecretKey, verify};
use fingerpost_proto::listing::{Organization, Service, ShardState};
use fingerpost_proto::record::{Hash, Instance, Record, Writer};
use fingerpost_proto::replica::{Item, Outcome, Replica};
use fingerpost_proto::roster::{Register, Roster, Standing, Terms};
use fingerpost_proto::signed::Signed;
use fingerpost_proto::storage::MemoryStorage;
use fingerpost_proto::sync::{Incoming, Purpose, Session};

const NOW_S: u64 = 1_790_000_000;

struct Party {
    root: SecretKey,
    node: SecretKey,
    delegation: Signed<Delegation>,
}

impl Party {
    fn new(number: u32) -> Self {
        let key = |kind| {
            let mut seed = [kind; 32];
            seed[..4].copy_from_slice(&number.to_le_bytes());
            SecretKey::from_seed(&seed)
        };
        let (root, node) = (key(1), key(2));
        let (org, id) = (root.org_id(), node.node_id());
        let delegation = Delegation {
            format: FORMAT,
            org,
            node: id,
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

    fn org(&self) -> OrgId {
        self.root.org_id()
    }

    fn item(&self, document: DocName, seq: u64, state: &[u8], delegated: bool) -> Item {
        let record = Record {
            format: 1,
            org: self.org(),
            document,
            writer: Writer {
                node: self.node.node_id(),
                instance: Instance([7; 8]),
            },
            seq,
            saw: Vec::new(),
            heads: vec![Hash([9; 32])],
            state_hash: Hash::of(state),
            state_bytes: state.len() as u64,
            issued_at_s: NOW_S,
            generation: None,
        };
        Item::Record {
            record: Signed::sign(record, &self.node).to_bytes(),
            delegation: delegated.then(|| self.delegation.to_bytes()),
            state: Some(state.to_vec()),
        }
    }

    fn card(&self, network: NetworkId, founder: &Party) -> Item {
        let mut membership = Membership {
            epoch: 1,
            accepted_at_s: NOW_S,
            ..Membership::default()
        };
        if founder.org() != self.org() {
            let vouch = Vouch {
                format: FORMAT,
                network,
                subject: self.org(),
                voucher: founder.org(),
                node: founder.node.node_id(),
                issued_at_s: NOW_S,
                note: None,
            };
            let vouch = Delegated::new(&Signed::sign(vouch, &founder.node), &founder.delegation);
            membership.vouches.insert(founder.org(), vouch);
        }
        let mut card = Card::new("An organisation");
        card.networks.insert(network, membership);
        self.item(DocName::Card, 1, &card.to_bytes(), true)
    }
}

/// A listing of about 4 KB: an organisation and eight services.
fn listing(number: u32) -> Vec<u8> {
    let words = [
        "advice",
        "housing",
        "debt",
        "listening",
        "training",
        "mental health",
        "families",
        "evenings",
    ];
    let mut state = ShardState::empty(0);
    state.organization = Some(Organization {
        id: format!("3b1e9d1c-7c51-4f0e-9d52-{number:012}"),
        name: format!("Organisation {number}"),
        description: Some("A small charity that helps people in the borough.".repeat(4)),
        ..Organization::default()
    });
    for (at, word) in words.iter().enumerate() {
        state.services.insert(Service {
            id: format!("5b1e9d1c-7c51-4f0e-{at:04}-{number:012}"),
            name: format!("{word} in ward {}", number % 97),
            description: Some(
                format!("We offer {word} to whoever lives in ward {number}. ").repeat(6),
            ),
            status: Some("active".into()),
            ..Service::default()
        });
    }
    state.to_bytes().unwrap()
}

struct Federation {
    charter: Charter,
    founder: Party,
    full: MemoryStorage,
}

impl Federation {
    fn new(size: u32) -> Self {
        let founder = Party::new(0);
        let charter = Charter {
            format: 1,
            name: "Bench".into(),
            text: String::new(),
            vouches_needed: 1,
            anchors: vec![founder.org()],
            founded_at_s: NOW_S,
            nonce: [1; 16],
        };
        let mut replica = empty(&charter, &Party::new(u32::MAX));
        let parties: Vec<Party> = (0..size).map(Party::new).collect();
        for party in &parties {
            take(&mut replica, party.card(charter.network(), &founder));
        }
        for (number, party) in (0..).zip(&parties) {
            take(
                &mut replica,
                party.item(DocName::Listing(0), 1, &listing(number), true),
            );
        }
        Self {
            full: replica.storage().clone(),
            charter,
            founder,
        }
    }

    fn holding_all(&self, party: &Party) -> Replica<MemoryStorage> {
        Replica::open(
            self.full.clone(),
            party.node.node_id(),
            [party.org()].into(),
        )
        .unwrap()
    }
}

fn empty(charter: &Charter, party: &Party) -> Replica<MemoryStorage> {
    let own = [party.org()].into();
    let mut replica = Replica::open(MemoryStorage::new(), party.node.node_id(), own).unwrap();
    replica.add_network(charter.clone()).unwrap();
    replica
}

fn take(replica: &mut Replica<MemoryStorage>, item: Item) {
    let outcome = replica.receive(NOW_S, item.check().unwrap()).unwrap();
    assert!(matches!(outcome, Outcome::Accepted(_)), "{outcome:?}");
}

/// Runs a session to its end; answers the bytes of its frames, both ways.
fn sync(one: &mut Replica<MemoryStorage>, two: &mut Replica<MemoryStorage>) -> usize {
    let networks =
        |replica: &Replica<MemoryStorage>| replica.networks().map(|(id, _)| id).collect();
    let mut calls = Session::initiate(two.node(), Purpose::Sync, networks(one), [1; 16]);
    let mut answers = Session::respond(one.node(), networks(two), [2; 16]);
    let mut bytes = 0;
    loop {
        let mut moved = false;
        while let Some(frame) = calls.poll_frame(one).unwrap() {
            let frame = frame.to_bytes();
            bytes += frame.len();
            answers
                .handle_frame(NOW_S, Incoming::parse(&frame).unwrap(), two)
                .unwrap();
            moved = true;
        }
        while let Some(frame) = answers.poll_frame(two).unwrap() {
            let frame = frame.to_bytes();
            bytes += frame.len();
            calls
                .handle_frame(NOW_S, Incoming::parse(&frame).unwrap(), one)
                .unwrap();
            moved = true;
        }
        if !moved {
            assert!(calls.is_finished() && answers.is_finished());
            return bytes;
        }
    }
}

fn records(criterion: &mut Criterion) {
    const COUNT: u32 = 500;
    let federation = Federation::new(COUNT);
    let members = {
        let mut replica = empty(&federation.charter, &Party::new(u32::MAX));
        for number in 0..COUNT {
            take(
                &mut replica,
                Party::new(number).card(federation.charter.network(), &federation.founder),
            );
        }
        replica.storage().clone()
    };
    let items: Vec<Item> = (0..COUNT)
        .map(|number| Party::new(number).item(DocName::Listing(0), 1, &listing(number), false))
        .collect();
    let mut group = criterion.benchmark_group("records");
    group.throughput(Throughput::Elements(u64::from(COUNT)));
    group.bench_function("verified and stored", |bencher| {
        let own = [Party::new(u32::MAX).org()].into();
        let id = Party::new(u32::MAX).node.node_id();
        let fresh = || {
            (
                Replica::open(members.clone(), id, std::collections::BTreeSet::clone(&own))
                    .unwrap(),
                items.clone(),
            )
        };
        bencher.iter_batched(
            fresh,
            |(mut replica, items)| {
                items.into_iter().for_each(|item| take(&mut replica, item));
                replica
            },
            BatchSize::LargeInput,
        );
    });
    group.bench_function("floor: signature, hash and JSON", |bencher| {
        bencher.iter(|| items.iter().for_each(|item| floor(item, true)));
    });
    group.bench_function("floor: signature and hash", |bencher| {
        bencher.iter(|| items.iter().for_each(|item| floor(item, false)));
    });
    group.finish();
}

/// What no implementation can do without: the signature, the hash, and reading the JSON into its type.
fn floor(item: &Item, with_json: bool) {
    let Item::Record {
        record,
        state: Some(state),
        ..
    } = item
    else {
        return;
    };
    let record = Signed::<Record>::from_trusted(record).unwrap();
    verify(
        Domain::Record,
        record.get().writer.node.as_bytes(),
        record.payload(),
        record.signature(),
    )
    .unwrap();
    assert_eq!(Hash::of(state), record.get().state_hash);
    if with_json {
        black_box(serde_json::from_slice::<ShardState>(state).unwrap());
    }
}

fn sessions(criterion: &mut Criterion) {
    for size in [1_000, 10_000] {
        let federation = Federation::new(size);
        let (founder, member, newcomer) = (&federation.founder, Party::new(1), Party::new(2));
        let mut one = federation.holding_all(founder);
        let mut two = federation.holding_all(&member);
        println!(
            "in sync, {size} organisations: {} bytes of frames",
            sync(&mut one, &mut two)
        );
        let mut group = criterion.benchmark_group("in_sync");
        group.sample_size(10);
        group.bench_function(format!("{size} organisations"), |bencher| {
            bencher.iter(|| sync(&mut one, &mut two))
        });
        group.finish();

        let mut new = empty(&federation.charter, &newcomer);
        take(
            &mut new,
            newcomer.card(federation.charter.network(), founder),
        );
        println!(
            "cold join, {size} organisations: {} bytes of frames",
            sync(&mut new, &mut two)
        );
        assert_eq!(new.counts(), (size as usize * 2, 0));
        let mut group = criterion.benchmark_group("cold_join");
        group
            .sample_size(10)
            .throughput(Throughput::Elements(u64::from(size)));
        group.bench_function(format!("{size} organisations"), |bencher| {
            let fresh = || {
                let mut new = empty(&federation.charter, &newcomer);
                take(
                    &mut new,
                    newcomer.card(federation.charter.network(), founder),
                );
                new
            };
            bencher.iter_batched(
                fresh,
                |mut new| {
                    sync(&mut new, &mut two);
                    new
                },
                BatchSize::PerIteration,
            );
        });
        group.finish();
    }
}

/// A network in which everything happens: everybody has three vouches of earlier ones, some joined by
/// invitation, one in fifty was rekeyed, one in twenty left, some object to a few, and two thirds accept an amendment.
fn standings(
    size: u32,
) -> (
    BTreeMap<OrgId, Standing>,
    BTreeMap<CharterId, Terms>,
    Charter,
) {
    let org = |n: u32| OrgId::from_bytes(Hash::of(&n.to_le_bytes()).0);
    let mut anchors: Vec<OrgId> = (0..4).map(org).collect();
    anchors.sort();
    let charter = Charter {
        format: 1,
        name: "Bench".into(),
        text: String::new(),
        vouches_needed: 2,
        anchors,
        founded_at_s: NOW_S,
        nonce: [1; 16],
    };
    let founding = CharterId::from_bytes(*charter.network().as_bytes());
    let amendment = CharterId::from_bytes([3; 32]);
    let one = |n: u32| {
        let vouch = |at: u32| ProvenVouch {
            voucher: org(n.wrapping_mul(2_654_435_761).wrapping_add(at) % n.max(4)),
            by_invitation: (at == 0 && n.is_multiple_of(3))
                .then(|| (NOW_S, InviteId::from_bytes(*org(n).as_bytes()))),
        };
        let mut standing = Standing {
            epoch: u32::from(n % 20 != 7),
            left_epoch: u32::from(n % 20 == 7),
            vouches: (0..3).map(vouch).collect(),
            ..Standing::default()
        };
        if n % 10 == 3 {
            standing.objections = (0..4).map(|at| org(n % 40 + 40 * at)).collect();
        }
        if !n.is_multiple_of(3) {
            standing.amendments.insert(founding, amendment);
        }
        if n % 50 == 49 {
            standing.rekeyed_from.insert(org(n - 1));
        }
        (org(n), standing)
    };
    let terms = Terms {
        previous: founding,
        vouches_needed: 2,
    };
    let amendments = [(amendment, terms)].into();
    ((0..size).map(one).collect(), amendments, charter)
}

fn rosters(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("roster");
    group.sample_size(10);
    for size in [1_000, 10_000] {
        let (standings, amendments, charter) = standings(size);
        let register_of = |standings: &BTreeMap<OrgId, Standing>| {
            let mut register = Register::new(charter.anchors.iter().copied());
            for (org, standing) in standings {
                register.set(*org, Some(standing.clone()));
            }
            register
        };
        let mut register = register_of(&standings);
        let roster = Roster::compute(&charter, &amendments, &register);
        let members = roster.member_count();
        println!(
            "roster, {size} organisations: {members} members, {} texts",
            roster.chain().len()
        );
        assert!(members > size as usize / 2 && roster.chain().len() == 2);
        group.throughput(Throughput::Elements(u64::from(size)));
        group.bench_function(format!("{size} organisations, from nothing"), |bencher| {
            bencher.iter(|| {
                Roster::compute(&charter, &amendments, &register_of(black_box(&standings)))
            });
        });
        let changing = standings
            .iter()
            .next_back()
            .map(|(org, it)| (*org, it.clone()));
        let (changing, mut standing) = changing.expect("there are some");
        group.bench_function(format!("{size} organisations, one changed"), |bencher| {
            bencher.iter(|| {
                standing.epoch += 1;
                register.set(changing, Some(standing.clone()));
                Roster::compute(&charter, &amendments, black_box(&register))
            });
        });
    }
    group.finish();
}

criterion_group!(benches, rosters, records, sessions);
criterion_main!(benches);
