//! Federations of any size, made up: organisations with cards, vouches, listings and boards, as signed items.
//!
//! Lengths, numbers, words, terms and places are distributed as in real listings. What is in `tables/` are figures that
//! were counted in public data (the commissioned services of the Ministry of Justice, the charities of Trafford, and
//! the places of Illinois Legal Aid Online; see `config/samples/README.md`): words and how often they stand there, and
//! percentiles. No sentence, no name and no address is anybody's.
//!
//! Everything follows from the seed, each organisation for itself: so a federation of 200,000 is made while it is
//! written, and nothing of it is held. Every organisation is vouched for by one to three that come before it.

mod states;
pub mod tables;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;

use fingerpost_proto::bundle::{Counts, charter_line, end_line, item_line};
use fingerpost_proto::card::{Card, Membership};
use fingerpost_proto::certificate::{Delegated, Delegation, FORMAT, Role, Vouch};
use fingerpost_proto::charter::{self, Charter};
use fingerpost_proto::ids::{DocName, NetworkId, OrgId};
use fingerpost_proto::keys::SecretKey;
use fingerpost_proto::record::{self, Hash, Instance, Record, SignedRecord, Writer};
use fingerpost_proto::replica::{Item, Replica};
use fingerpost_proto::signed::{Carry, Signed};
use fingerpost_proto::storage::MemoryStorage;
use fingerpost_proto::ticket::Ticket;
use serde_json::json;

use crate::Fail;
use crate::sim::Random;

pub use states::{BOARDS_PER_MILLE, Content};

/// 1 November 2026: what is generated is of the year before, unless something else is asked for.
pub const AT_S: u64 = 1_793_491_200;
/// So many founders, if there are as many organisations.
const FOUNDERS: u32 = 3;
const YEAR_S: u64 = 365 * 86_400;
/// How long the ticket can be used: tests and benchmarks run for years.
const TICKET_VALID_S: u64 = 10 * YEAR_S;
/// Draws of one organisation that are for one purpose: who it is.
const KEYS: u64 = 1;
/// See [`KEYS`]: what it publishes.
const CONTENT: u64 = 2;
/// See [`KEYS`]: who vouches for it, and when it wrote.
const VOUCHERS: u64 = 3;

/// What is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plan {
    /// How many organisations, at least one.
    pub organisations: u32,
    /// Decides everything.
    pub seed: u64,
    /// The moment after which nothing is dated, in seconds since 1970-01-01 UTC.
    pub at_s: u64,
}

/// A federation that is made as it is asked for.
#[derive(Debug)]
pub struct Federation {
    plan: Plan,
    charter: Charter,
}

/// Who stands behind one organisation.
struct Party {
    root: SecretKey,
    node: SecretKey,
    delegation: Signed<Delegation>,
}

impl Party {
    fn org(&self) -> OrgId {
        self.root.org_id()
    }
}

impl Federation {
    /// The federation of a plan.
    pub fn new(plan: Plan) -> Self {
        Self::with_founders(plan, &[])
    }

    /// The same with other founders besides those that are made up.
    pub fn with_founders(plan: Plan, others: &[OrgId]) -> Self {
        let founders = FOUNDERS.min(plan.organisations.max(1));
        let mut anchors: Vec<OrgId> = (0..founders).map(|it| party(plan.seed, it).org()).collect();
        anchors.extend(others);
        anchors.sort_unstable();
        let charter = Charter {
            format: charter::FORMAT,
            name: format!(
                "Made up, {} organisations, seed {}",
                plan.organisations, plan.seed
            ),
            text: "Nothing in this network is real.".into(),
            vouches_needed: 1,
            anchors,
            founded_at_s: plan.at_s.saturating_sub(2 * YEAR_S),
            nonce: random(plan.seed, 0, KEYS).bytes(),
        };
        Self { plan, charter }
    }

    /// Its charter.
    pub fn charter(&self) -> &Charter {
        &self.charter
    }

    /// Its network.
    pub fn network(&self) -> NetworkId {
        self.charter.network()
    }

    /// A ticket of the first founder's, with which one node can join.
    pub fn ticket(&self) -> Ticket {
        let founder = party(self.plan.seed, 0);
        Ticket::issue(
            self.network(),
            founder.delegation,
            &founder.node,
            SecretKey::from_seed(&random(self.plan.seed, 0, VOUCHERS).bytes()),
            self.plan.at_s,
            self.plan.at_s + TICKET_VALID_S,
            Vec::new(),
        )
    }

    /// How many items there are.
    pub fn counts(&self) -> Counts {
        let organisations = u64::from(self.plan.organisations);
        let boards = self.numbers().filter(|it| self.has_board(*it)).count();
        Counts {
            cards: organisations,
            documents: organisations + boards as u64,
            ..Counts::default()
        }
    }

    /// The cards, each after those of whoever vouches for it.
    pub fn cards(&self) -> impl Iterator<Item = Result<Item, Fail>> {
        self.numbers().map(|number| self.card(number))
    }

    /// Listings and boards, those of one organisation side by side.
    pub fn documents(&self) -> impl Iterator<Item = Result<Item, Fail>> {
        let documents = self.numbers().map(|number| self.documents_of(number));
        documents.flat_map(|made| match made {
            Ok(items) => items.into_iter().map(Ok).collect(),
            Err(error) => vec![Err(error)],
        })
    }

    fn numbers(&self) -> std::ops::Range<u32> {
        0..self.plan.organisations.max(1)
    }

    fn has_board(&self, number: u32) -> bool {
        random(self.plan.seed, number, KEYS).chance(BOARDS_PER_MILLE)
    }

    /// When an organisation last wrote; its card came before.
    fn written_at_s(&self, number: u32) -> u64 {
        let ago_s = random(self.plan.seed, number, VOUCHERS).below(YEAR_S);
        self.plan.at_s.saturating_sub(ago_s)
    }

    /// The card of one organisation. Those who vouch for it have smaller numbers.
    ///
    /// # Errors
    /// When something cannot be signed or written.
    pub fn card(&self, number: u32) -> Result<Item, Fail> {
        let network = self.network();
        let own = party(self.plan.seed, number);
        let at_s = self.plan.at_s.saturating_sub(YEAR_S);
        let mut vouches = BTreeMap::new();
        let mut random_vouchers = random(self.plan.seed, number, VOUCHERS);
        // Founders need nobody's word.
        let count = match number < FOUNDERS {
            true => 0,
            false => random_vouchers.between(1, 3),
        };
        for _ in 0..count {
            let before = random_vouchers.below(u64::from(number));
            let voucher = party(self.plan.seed, u32::try_from(before)?);
            let vouch = Vouch {
                format: FORMAT,
                network,
                subject: own.org(),
                voucher: voucher.org(),
                node: voucher.node.node_id(),
                issued_at_s: at_s,
                note: None,
            };
            let signed = Signed::sign(vouch, &voucher.node);
            vouches.insert(voucher.org(), Delegated::new(&signed, &voucher.delegation));
        }
        let mut random = random(self.plan.seed, number, CONTENT);
        let mut card = Card::new(Content::draw(&mut random)?.name);
        card.delegations.push(Carry::new(&own.delegation));
        let membership = Membership {
            epoch: 1,
            accepted_at_s: at_s,
            vouches,
            ..Membership::default()
        };
        card.networks.insert(network, membership);
        item(&own, DocName::Card, at_s, card.to_bytes())
    }

    /// The listing of one organisation, and its board if it has one.
    ///
    /// # Errors
    /// As [`Federation::card`].
    pub fn documents_of(&self, number: u32) -> Result<Vec<Item>, Fail> {
        let own = party(self.plan.seed, number);
        let at_s = self.written_at_s(number);
        let mut random = random(self.plan.seed, number, CONTENT);
        let mut content = Content::draw(&mut random)?;
        let listing = content.listing(at_s)?;
        let mut items = vec![item(&own, DocName::Listing(0), at_s, listing)?];
        if self.has_board(number) {
            items.push(item(&own, DocName::Board, at_s, content.board(at_s)?)?);
        }
        Ok(items)
    }

    /// Writes all of it as a bundle, which `fingerpost join TICKET --bundle FILE` takes in; how many items it has.
    /// `compress` turns bytes into one zstd frame.
    ///
    /// # Errors
    /// What the system said.
    pub fn write_bundle(
        &self,
        to: &mut impl Write,
        compress: impl Fn(&[u8]) -> Option<Vec<u8>>,
    ) -> Result<u64, Fail> {
        let not_compressed = || Fail::new("an item could not be compressed");
        let founder = party(self.plan.seed, 0).node.node_id();
        let network = self.network();
        let header = json!({
            "kind": "bundle", "format": 1, "network": network, "name": self.charter.name, "node": founder,
            "made_at_s": self.plan.at_s, "since_s": null, "items": self.counts(),
        });
        writeln!(to, "{header}")?;
        let mut replica = Replica::open(MemoryStorage::new(), founder, BTreeSet::new())?;
        replica.add_network(self.charter.clone())?;
        let line = charter_line(&mut replica, &network, &compress)?;
        to.write_all(line.ok_or_else(not_compressed)?.as_bytes())?;
        let mut items = 0;
        for made in self.cards().chain(self.documents()) {
            let line = item_line(&made?, &compress).ok_or_else(not_compressed)?;
            to.write_all(line.as_bytes())?;
            items += 1;
        }
        to.write_all(end_line(items).as_bytes())?;
        to.flush()?;
        Ok(items)
    }
}

/// The draws of one organisation, for one purpose.
fn random(seed: u64, number: u32, purpose: u64) -> Random {
    let mut mixed = Random::new(seed);
    let mut mixed = Random::new(mixed.bits() ^ u64::from(number).rotate_left(32) ^ purpose);
    Random::new(mixed.bits())
}

fn party(seed: u64, number: u32) -> Party {
    let mut random = random(seed, number, KEYS);
    // The first draw says whether there is a board.
    random.bits();
    let root = SecretKey::from_seed(&random.bytes());
    let node = SecretKey::from_seed(&random.bytes());
    let delegation = Delegation {
        format: FORMAT,
        org: root.org_id(),
        node: node.node_id(),
        role: Role::Admin,
        not_before_s: 0,
        not_after_s: None,
    };
    let delegation = Signed::sign(delegation, &root);
    Party {
        root,
        node,
        delegation,
    }
}

/// A first record with its state, as another organisation's node would send it.
fn item(of: &Party, document: DocName, issued_at_s: u64, state: Vec<u8>) -> Result<Item, Fail> {
    let record = Record {
        format: record::FORMAT,
        org: of.org(),
        document,
        writer: Writer {
            node: of.node.node_id(),
            instance: Instance([1; 8]),
        },
        seq: 1,
        saw: Vec::new(),
        heads: vec![Hash::of(&state)],
        state_hash: Hash::of(&state),
        state_bytes: state.len() as u64,
        issued_at_s,
        generation: None,
    };
    Ok(Item::Record {
        record: SignedRecord::sign(record, &of.node)?.to_bytes(),
        delegation: Some(of.delegation.to_bytes()),
        state: Some(state),
    })
}
