//! How statements travel: announcements in bad weather, and sessions.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use fingerpost_proto::card::Card;
use fingerpost_proto::certificate::Delegation;
use fingerpost_proto::ids::{DocKey, DocName, NetworkId, OrgId};
use fingerpost_proto::record::SignedRecord;
use fingerpost_proto::replica::{Checked, CheckedRecord, Item, Outcome, Refusal, State};
use fingerpost_proto::signed::Signed;
use fingerpost_proto::sync::{Incoming, Purpose, Session, SessionError};

use super::world::{Node, World};

/// An announcement on its way.
pub(super) struct Parcel {
    to: usize,
    item: Item,
}

/// What [`Item::check`] has answered: it is a pure function, and some hundred nodes take in the same items.
#[derive(Default)]
pub(super) struct Checks {
    items: HashMap<u64, Result<Checked, Refusal>>,
    delegations: HashMap<u64, Signed<Delegation>>,
    cards: HashMap<u64, Card>,
}

impl Checks {
    const KEPT_MAX: usize = 20_000;

    fn check(&mut self, mut item: Item) -> Result<Checked, Refusal> {
        // A record comes with its delegation or without.
        let delegation = match &mut item {
            Item::Record { delegation, .. } => delegation.take(),
            _ => None,
        };
        let mut checked = self.check_bare(item)?;
        if let (Checked::Record(record), Some(bytes)) = (&mut checked, delegation) {
            record.delegation = Some(self.delegation(&bytes)?);
        }
        Ok(checked)
    }

    fn check_bare(&mut self, item: Item) -> Result<Checked, Refusal> {
        if self.items.len() > Self::KEPT_MAX {
            self.items.clear();
            self.cards.clear();
        }
        let checked = self.items.entry(hash_of(&parts_of(&item)));
        let checked = checked.or_insert_with(|| prove(item.check())).clone()?;
        if let Checked::Record(record) = &checked
            && let Some((bytes, State::Card(card))) = &record.state
        {
            let known = self.cards.entry(hash_of(bytes));
            known.or_insert_with(|| (**card).clone());
        }
        Ok(checked)
    }

    fn delegation(&mut self, bytes: &[u8]) -> Result<Signed<Delegation>, Refusal> {
        if let Some(known) = self.delegations.get(&hash_of(bytes)) {
            return Ok(known.clone());
        }
        let delegation = Signed::verified(bytes).map_err(Refusal::BadDelegation)?;
        self.delegations.insert(hash_of(bytes), delegation.clone());
        Ok(delegation)
    }

    /// Reads a card whose record was checked.
    pub(super) fn card(&mut self, state: &[u8]) -> Option<Card> {
        if let Some(known) = self.cards.get(&hash_of(state)) {
            return Some(known.clone());
        }
        let card = Card::parse(state).ok()?;
        self.cards.insert(hash_of(state), card.clone());
        Some(card)
    }

    /// Takes in what was published just now: it is what a check would answer.
    pub(super) fn remember(&mut self, record: &SignedRecord, bytes: &[u8], state: State) {
        if let State::Card(card) = &state {
            self.cards.insert(hash_of(bytes), (**card).clone());
        }
        let item = Item::Record {
            record: record.to_bytes(),
            delegation: None,
            state: Some(bytes.to_vec()),
        };
        let checked = Checked::Record(Box::new(CheckedRecord {
            record: record.clone(),
            delegation: None,
            state: Some((bytes.to_vec(), state)),
        }));
        self.items
            .insert(hash_of(&parts_of(&item)), prove(Ok(checked)));
    }
}

/// Asks once for what a card proves: a signature that was found good stays so in all copies of the card.
fn prove(checked: Result<Checked, Refusal>) -> Result<Checked, Refusal> {
    if let Ok(Checked::Record(record)) = &checked
        && let Some((_, State::Card(card))) = &record.state
    {
        let org = record.record.get().org;
        for (network, membership) in &card.networks {
            membership.proven(network, &org);
        }
        for rekeying in &card.rekeyings {
            rekeying.verified().ok();
        }
    }
    checked
}

fn hash_of(of: &(impl Hash + ?Sized)) -> u64 {
    let mut hasher = DefaultHasher::new();
    of.hash(&mut hasher);
    hasher.finish()
}

fn parts_of(item: &Item) -> [Option<&[u8]>; 3] {
    match item {
        Item::Record {
            record,
            delegation,
            state,
        } => [Some(record), delegation.as_deref(), state.as_deref()],
        Item::Departure {
            departure: one,
            delegation: two,
        }
        | Item::Amendment {
            amendment: one,
            delegation: two,
        }
        | Item::Sealed {
            sealed: one,
            bytes: two,
        } => [Some(one), Some(two), None],
    }
}

impl World {
    /// Tells some nodes of an item.
    pub(super) fn announce(&mut self, from: usize, item: &Item) {
        for _ in 0..2 {
            let to = self.random.below(self.nodes.len() as u64) as usize;
            if to != from {
                self.send(to, item);
            }
        }
    }

    /// Sends an item to one node; it may be lost, or arrive twice.
    pub(super) fn send(&mut self, to: usize, item: &Item) {
        if self.random.chance(self.plan.loss_per_mille) {
            return;
        }
        for _ in 0..1 + u64::from(self.random.chance(self.plan.duplicate_per_mille)) {
            // Each copy takes a time of its own, so they overtake one another.
            let at = self.now + self.random.between(1, self.plan.delay_max);
            let item = item.clone();
            self.parcels
                .entry(at)
                .or_default()
                .push(Parcel { to, item });
        }
    }

    /// Sends the card of a node's organisation to those whom it concerns.
    pub(super) fn tell(&mut self, from: usize, orgs: &[usize]) {
        let key = DocKey {
            org: self.own_id(from),
            name: DocName::Card,
        };
        let items = self.nodes[from].replica.items(&key);
        let items = items.expect("memory does not fail");
        for org in orgs {
            let nodes = self.orgs[*org].nodes.clone();
            for (to, item) in nodes
                .iter()
                .flat_map(|to| items.iter().map(move |it| (*to, it)))
            {
                self.send(to, item);
            }
        }
    }

    /// Where an organisation is among all.
    pub(super) fn index_of(&self, org: &OrgId) -> Option<usize> {
        self.orgs.iter().position(|it| it.id() == *org)
    }

    /// Delivers what has arrived. Whoever finds it new tells others, now and then.
    pub(super) fn arrive(&mut self) {
        for Parcel { to, item } in self.parcels.remove(&self.now).unwrap_or_default() {
            if !self.nodes[to].up {
                continue;
            }
            let now_s = self.clock_s(to);
            let checked = self.checks.check(item.clone());
            let checked = checked.expect("what is published checks");
            let outcome = self.nodes[to].replica.receive(now_s, checked);
            self.report.announced += 1;
            if matches!(outcome, Ok(Outcome::Accepted(_))) {
                self.report.trace.note(self.now, "accepted", &[to as u8]);
                if self.random.chance(400) {
                    self.announce(to, &item);
                }
            }
        }
    }

    /// Runs a session between two nodes that can reach each other; some are cut at one of their frames.
    pub(super) fn session(&mut self, one: usize, two: usize) {
        let ends = [one, two];
        let apart = self.nodes[one].side != self.nodes[two].side;
        if one == two || apart || ends.iter().any(|node| !self.nodes[*node].up) {
            return;
        }
        let frames_max = match self.random.chance(self.plan.cut_per_mille) {
            true => self.random.between(1, 12),
            false => u64::MAX,
        };
        let known = |node: &Node| node.replica.networks().map(|(id, _)| id).collect();
        let networks: [Vec<NetworkId>; 2] = ends.map(|node| known(&self.nodes[node]));
        let [first, second] = networks;
        let mut sides = [
            Session::initiate(
                self.nodes[two].id,
                Purpose::Sync,
                first,
                self.random.bytes(),
            ),
            Session::respond(self.nodes[one].id, second, self.random.bytes()),
        ];
        self.report.sessions += 1;
        let mut frames = 0;
        let mut quiet = 0;
        let mut from = 0;
        while quiet < 2 {
            quiet += 1;
            while let Some(bytes) = self.next_frame(ends[from], &mut sides[from]) {
                quiet = 0;
                frames += 1;
                if frames > frames_max {
                    self.report.cut += 1;
                    return;
                }
                if !self.take_frame(ends[1 - from], &mut sides[1 - from], &bytes) {
                    return;
                }
            }
            from = 1 - from;
        }
        let finished = sides.iter().all(Session::is_finished);
        assert!(
            finished,
            "seed {}: a session came to rest unfinished",
            self.plan.seed
        );
    }

    fn next_frame(&mut self, node: usize, side: &mut Session) -> Option<Vec<u8>> {
        let frame = side.poll_frame(&self.nodes[node].replica);
        let bytes = frame.expect("memory does not fail")?.to_bytes();
        side.note_sent(bytes.len());
        self.report.bytes += bytes.len() as u64;
        Some(bytes)
    }

    /// Whether the session goes on.
    fn take_frame(&mut self, node: usize, side: &mut Session, bytes: &[u8]) -> bool {
        let now_s = self.clock_s(node);
        let incoming = Incoming::parse_with(bytes, |item| self.checks.check(item));
        let incoming = incoming.expect("an honest node sends frames");
        match side.handle_frame(now_s, incoming, &mut self.nodes[node].replica) {
            Ok(()) => true,
            Err(SessionError::Farewell(_)) => false,
            Err(error) => panic!("seed {}: an honest session failed: {error}", self.plan.seed),
        }
    }
}
