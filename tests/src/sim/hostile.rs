//! Those who break the rules: with keys of their own, with a stolen node's, or with none.

use std::rc::Rc;

use fingerpost_proto::card::{Card, Membership, Objection};
use fingerpost_proto::certificate::{
    Delegated, Delegation, Departure, FORMAT as CERTIFICATE_FORMAT, Revocation, Role, Vouch,
};
use fingerpost_proto::ids::{DocKey, DocName, NodeId};
use fingerpost_proto::keys::SecretKey;
use fingerpost_proto::limits;
use fingerpost_proto::record::{FORMAT, Hash, Instance, Record, SignedRecord, Writer};
use fingerpost_proto::replica::{Contained, Item};
use fingerpost_proto::signed::{Carry, Signed};
use fingerpost_proto::storage::Batch;
use fingerpost_proto::sync::{Frame, SaltedId, Spared};

use super::orgs::delegate;
use super::plan::Attack;
use super::world::{EPOCH_S, World};

/// Whether a record may be held.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Verdict {
    /// Whoever signed it had the right to.
    Counts(Record),
    /// Only by those who have not heard that its writer was revoked.
    Ended(Record),
}

/// What a hostile node writes of a document.
struct Written<'a> {
    key: DocKey,
    node: NodeId,
    instance: Instance,
    seq: u64,
    state: &'a [u8],
    issued_at_s: u64,
}

impl Written<'_> {
    fn sign(&self, secret: &SecretKey) -> SignedRecord {
        let record = Record {
            format: FORMAT,
            org: self.key.org,
            document: self.key.name,
            writer: Writer {
                node: self.node,
                instance: self.instance,
            },
            seq: self.seq,
            saw: Vec::new(),
            heads: Vec::new(),
            state_hash: Hash::of(self.state),
            state_bytes: self.state.len() as u64,
            issued_at_s: self.issued_at_s,
            generation: None,
        };
        SignedRecord::sign(record, secret).expect("a record within the limits")
    }
}

fn item(record: &SignedRecord, delegation: &Signed<Delegation>, state: &[u8]) -> Item {
    Item::Record {
        record: record.to_bytes(),
        delegation: Some(delegation.to_bytes()),
        state: Some(state.to_vec()),
    }
}

/// Takes the state out of an item, and says which it was.
fn hide(item: &mut Item) -> Option<Spared> {
    let Item::Record { record, state, .. } = item else {
        return None;
    };
    let record = SignedRecord::from_trusted(record).ok()?;
    state.take()?;
    Some(Spared::of(&record.get().key(), record.id()))
}

/// A board that says something nobody else says.
fn board(number: u64) -> Vec<u8> {
    let text = format!(r#"{{"format":1,"kind":"board","notices":[],"x_says":{number}}}"#);
    text.into_bytes()
}

impl World {
    /// Notes that a node was revoked: what it wrote besides its last records counts no longer.
    pub(super) fn revoked(&mut self, org: usize, revocation: &Revocation) {
        let id = self.orgs[org].id();
        for verdict in self.signed.values_mut() {
            if let Verdict::Counts(record) = verdict
                && record.org == id
                && !revocation.allows(record)
            {
                *verdict = Verdict::Ended(record.clone());
            }
        }
    }

    pub(super) fn attack(&mut self, by: u32, how: Attack) {
        let up = |node: &usize| self.nodes[*node].hostile && self.nodes[*node].up;
        let able: Vec<usize> = (0..self.nodes.len()).filter(up).collect();
        if able.is_empty() {
            return;
        }
        let node = able[by as usize % able.len()];
        self.report.attacks += 1;
        if !self.orgs[self.nodes[node].org].plan.hostile {
            // A thief has one thing to do.
            return self.write_on(node);
        }
        match how {
            Attack::Replay => self.replay(node),
            Attack::Flip => self.flip(node),
            Attack::Forge => self.forge(node),
            Attack::Equivocate => self.equivocate(node),
            Attack::Flood => self.flood(node),
            Attack::Garbage => self.garbage(node),
            Attack::OutOfWindow => self.out_of_window(node),
            Attack::Fill => self.fill(node),
            Attack::SayGone => self.say_gone(node),
            Attack::Slander => self.slander(node),
        }
    }

    /// Sends something to some nodes, and keeps it for sessions.
    fn assail(&mut self, node: usize, item: Item) {
        self.announce(node, item);
    }

    fn archived(&mut self) -> Option<Item> {
        let at = self.random.below(self.archive.len() as u64) as usize;
        self.archive.get(at).map(|item| (**item).clone())
    }

    fn replay(&mut self, node: usize) {
        for _ in 0..10 {
            if let Some(item) = self.archived() {
                self.pass_on(node, &Rc::new(item), 4);
            }
        }
    }

    fn flip(&mut self, node: usize) {
        for _ in 0..6 {
            let Some(mut item) = self.archived() else {
                continue;
            };
            let bits = self.random.bits();
            let flip = |bytes: &mut Vec<u8>| {
                // The last 64 bytes are the signature, the others what it covers.
                let at = match bits % 2 {
                    0 => bytes.len() - 1 - (bits >> 8) as usize % 60,
                    _ => bytes.len() - 65 - (bits >> 8) as usize % 60,
                };
                bytes[at] ^= 1 << ((bits >> 32) % 8);
            };
            match &mut item {
                Item::Record { record, .. } => flip(record),
                Item::Departure { departure, .. } => flip(departure),
                Item::Amendment { amendment, .. } => flip(amendment),
                Item::Sealed { sealed, .. } => flip(sealed),
            }
            self.assail(node, item);
        }
    }

    /// Another organisation's node.
    fn victim(&mut self, node: usize) -> usize {
        let own = self.nodes[node].org;
        let others: Vec<usize> = (0..self.nodes.len())
            .filter(|it| self.nodes[*it].org != own)
            .collect();
        *self.random.pick(&others).expect("there are others")
    }

    fn forge(&mut self, node: usize) {
        let victim = self.victim(node);
        let key = self.doc_key(victim, DocName::Board);
        let state = board(self.random.bits());
        let secret = self.nodes[node].key.clone();
        let own = self.nodes[node].delegation.clone();
        let theirs = self.nodes[victim].delegation.clone();
        // Signed by the attacker's root key in the victim's name.
        let delegation = Delegation {
            node: self.nodes[node].id,
            ..theirs.get().clone()
        };
        let made_up = Signed::sign(delegation, &self.orgs[self.nodes[node].org].root);
        let by = |of: &World, node: usize, seq| Written {
            key,
            node: of.nodes[node].id,
            instance: Instance([7; 8]),
            seq,
            state: &state,
            issued_at_s: of.true_clock_s(),
        };
        let mine = by(self, node, 1).sign(&secret);
        let as_theirs = by(self, victim, 9_999).sign(&secret);
        for (record, delegation) in [(&mine, &own), (&mine, &made_up), (&as_theirs, &theirs)] {
            self.assail(node, item(record, delegation, &state));
        }
    }

    fn equivocate(&mut self, node: usize) {
        let key = self.doc_key(node, DocName::Board);
        let (secret, delegation) = (
            self.nodes[node].key.clone(),
            self.nodes[node].delegation.clone(),
        );
        let seq = self.random.between(1, 5);
        let many = self.random.chance(200);
        for _ in 0..if many { 20 } else { 2 } {
            let state = board(self.random.bits());
            let written = Written {
                key,
                node: self.nodes[node].id,
                instance: Instance([9; 8]),
                seq,
                state: &state,
                issued_at_s: self.true_clock_s(),
            };
            let record = written.sign(&secret);
            self.counts(&record);
            self.assail(node, item(&record, &delegation, &state));
        }
    }

    fn counts(&mut self, record: &SignedRecord) {
        self.signed
            .insert(record.id(), Verdict::Counts(record.get().clone()));
    }

    fn flood(&mut self, node: usize) {
        for _ in 0..20 {
            let junk: [u8; 96] = self.random.bytes();
            let item = Item::Record {
                record: junk.to_vec(),
                delegation: Some(junk[..40].to_vec()),
                state: Some(junk.to_vec()),
            };
            self.pass_on(node, &Rc::new(item), 2);
        }
        for _ in 0..4 {
            let membership = Membership {
                epoch: 1,
                ..Membership::default()
            };
            let (_, _, _, card) = self.puppet(membership);
            self.assail(node, card);
        }
    }

    /// An organisation that exists on paper only, with its card.
    fn puppet(
        &mut self,
        membership: Membership,
    ) -> (SecretKey, SecretKey, Signed<Delegation>, Item) {
        let root = SecretKey::from_seed(&self.random.bytes());
        let secret = SecretKey::from_seed(&self.random.bytes());
        self.puppet_of(root, secret, membership)
    }

    fn puppet_of(
        &mut self,
        root: SecretKey,
        secret: SecretKey,
        membership: Membership,
    ) -> (SecretKey, SecretKey, Signed<Delegation>, Item) {
        let delegation = delegate(&root, &secret, Role::Admin, EPOCH_S - 86_400);
        let mut card = Card::new("A puppet");
        card.networks.insert(self.network, membership);
        let state = card.to_bytes();
        let written = Written {
            key: DocKey {
                org: root.org_id(),
                name: DocName::Card,
            },
            node: secret.node_id(),
            instance: Instance([1; 8]),
            seq: 1,
            state: &state,
            issued_at_s: self.true_clock_s(),
        };
        let record = written.sign(&secret);
        self.counts(&record);
        let item = item(&record, &delegation, &state);
        (root, secret, delegation, item)
    }

    /// More than a member without a voice has room for, of a puppet that this member alone vouches for.
    fn fill(&mut self, node: usize) {
        if self.scenario.vouches_needed > 1 {
            return;
        }
        let root = SecretKey::from_seed(&self.random.bytes());
        let secret = SecretKey::from_seed(&self.random.bytes());
        let host = &self.nodes[node];
        let voucher = self.orgs[host.org].id();
        let vouch = Vouch {
            format: CERTIFICATE_FORMAT,
            network: self.network,
            subject: root.org_id(),
            voucher,
            node: host.id,
            issued_at_s: EPOCH_S,
            note: None,
        };
        let vouch = Delegated::new(&Signed::sign(vouch, &host.key), &host.delegation);
        let membership = Membership {
            epoch: 1,
            vouches: [(voucher, vouch)].into(),
            ..Membership::default()
        };
        self.crowded.insert(root.org_id());
        let (root, secret, delegation, card) = self.puppet_of(root, secret, membership);
        for to in 0..self.nodes.len() {
            self.send(node, to, &Rc::new(card.clone()), 1);
        }
        let filler = "x".repeat(limits::TEXT_MAX_BYTES - 64);
        for shard in 0..20 {
            let state = format!(
                r#"{{"format":1,"kind":"listing","shard":{shard},"services":[],"x_1":"{filler}","x_2":"{filler}","x_3":"{filler}"}}"#
            );
            let state = state.into_bytes();
            let written = Written {
                key: DocKey {
                    org: root.org_id(),
                    name: DocName::Listing(shard),
                },
                node: secret.node_id(),
                instance: Instance([1; 8]),
                seq: 1,
                state: &state,
                issued_at_s: self.true_clock_s(),
            };
            let record = written.sign(&secret);
            self.counts(&record);
            let item = Rc::new(item(&record, &delegation, &state));
            for to in 0..self.nodes.len() {
                self.send(node, to, &item, 5_000 + u64::from(shard) * 100);
            }
        }
    }

    fn send(&mut self, from: usize, to: usize, item: &Rc<Item>, in_ms: u64) {
        let item = Rc::clone(item);
        self.later(in_ms, super::world::Event::Announce { from, to, item });
    }

    fn garbage(&mut self, node: usize) {
        for _ in 0..6 {
            let (Some(mut one), Some(other)) = (self.archived(), self.archived()) else {
                continue;
            };
            match (&mut one, other) {
                (Item::Record { state, .. }, Item::Record { state: wrong, .. }) => *state = wrong,
                (Item::Sealed { bytes, .. }, _) => *bytes = self.random.bytes::<64>().to_vec(),
                _ => {}
            }
            self.assail(node, one);
        }
    }

    fn out_of_window(&mut self, node: usize) {
        let key = self.doc_key(node, DocName::Listing(1));
        let state = format!(
            r#"{{"format":1,"kind":"listing","shard":1,"services":[],"x":{}}}"#,
            node
        );
        let state = state.into_bytes();
        let written = Written {
            key,
            node: self.nodes[node].id,
            instance: Instance([5; 8]),
            seq: 1,
            state: &state,
            issued_at_s: EPOCH_S - 300 * 86_400,
        };
        let record = written.sign(&self.nodes[node].key);
        let delegation = self.nodes[node].delegation.clone();
        self.assail(node, item(&record, &delegation, &state));
    }

    fn say_gone(&mut self, node: usize) {
        let victim = self.victim(node);
        let org = &self.orgs[self.nodes[victim].org];
        let attacker = &self.nodes[node];
        let departure = Departure {
            format: CERTIFICATE_FORMAT,
            network: self.network,
            org: org.id(),
            node: attacker.id,
            epoch: org.membership.epoch,
            left_at_s: self.true_clock_s(),
            membership: b"{\"epoch\":1,\"accepted_at_s\":0}".to_vec(),
        };
        let as_theirs = Departure {
            node: self.nodes[victim].id,
            ..departure.clone()
        };
        let theirs = self.nodes[victim].delegation.to_bytes();
        let items = [
            (departure, attacker.delegation.to_bytes()),
            (as_theirs, theirs),
        ]
        .map(|(departure, delegation)| Item::Departure {
            departure: Signed::sign(departure, &attacker.key).to_bytes(),
            delegation,
        });
        for item in items {
            self.assail(node, item);
        }
    }

    /// Objects to everybody, and lists revocations of their nodes that its own key has signed.
    fn slander(&mut self, node: usize) {
        let own = self.nodes[node].org;
        if !self.orgs[own].takes_part {
            return;
        }
        let victim = self.victim(node);
        let mut card = self.card_of(own);
        let at_s = self.true_clock_s();
        let others: Vec<_> = (0..self.orgs.len())
            .filter(|org| *org != own)
            .map(|org| self.orgs[org].id())
            .take(limits::OBJECTIONS_PER_NETWORK_MAX)
            .collect();
        if let Some(membership) = card.networks.get_mut(&self.network) {
            let objection = |org| {
                let reason = "Never heard of them".into();
                (org, Objection { reason, at_s })
            };
            membership.objections = others.into_iter().map(objection).collect();
        }
        let org = self.orgs[self.nodes[victim].org].id();
        for of in [org, self.orgs[own].id()] {
            let revocation = Revocation {
                format: CERTIFICATE_FORMAT,
                org: of,
                node: self.nodes[victim].id,
                revoked_at_s: at_s,
                last: Vec::new(),
            };
            let signed = Signed::sign(revocation, &self.orgs[own].root);
            card.revocations.push(Carry::new(&signed));
        }
        let key = self.doc_key(node, DocName::Card);
        self.publish(
            node,
            key,
            card.to_bytes(),
            Contained::All,
            None,
            Batch::default(),
        );
    }

    /// A thief writes on, in the name of the organisation whose node was stolen.
    fn write_on(&mut self, node: usize) {
        let name = match self.random.chance(500) {
            true => DocName::Board,
            false => DocName::Listing(1),
        };
        let key = self.doc_key(node, name);
        let state = match name {
            DocName::Board => board(self.random.bits()),
            _ => br#"{"format":1,"kind":"listing","shard":1,"services":[]}"#.to_vec(),
        };
        let now_s = self.true_clock_s();
        let secret = self.nodes[node].key.clone();
        let delegation = self.nodes[node].delegation.clone();
        let instance = self.nodes[node].replica.instance().ok().flatten();
        let written = Written {
            key,
            node: self.nodes[node].id,
            instance: instance.unwrap_or(Instance([3; 8])),
            seq: 1_000_000 + self.random.below(1_000),
            state: &state,
            issued_at_s: now_s,
        };
        let mut record = written.sign(&secret).get().clone();
        // It claims to have merged everything that it has heard of.
        let replica = &self.nodes[node].replica;
        for held in replica.items(&key).unwrap_or_default() {
            if let Item::Record { record: held, .. } = held {
                let held = SignedRecord::from_trusted(&held).expect("a node holds records");
                record
                    .saw
                    .extend(held.get().clock().filter(|it| it.writer != record.writer));
            }
        }
        record.saw.sort();
        record.saw.dedup_by_key(|it| it.writer);
        let Ok(record) = SignedRecord::sign(record, &secret) else {
            return;
        };
        self.signed
            .insert(record.id(), Verdict::Ended(record.get().clone()));
        self.assail(node, item(&record, &delegation, &state));
    }

    /// What becomes of a frame of a hostile node.
    pub(super) fn twist(&mut self, node: usize, frame: Frame) -> Vec<Vec<u8>> {
        let as_it_is = frame.to_bytes();
        let twisted = match (self.random.below(24), frame) {
            (0, Frame::Items { mut items }) => {
                items.retain(|_| self.random.chance(500));
                Frame::Items { items }
            }
            (1..4, Frame::Items { mut items }) => {
                for _ in 0..3 {
                    items.extend(self.archived());
                }
                Frame::Items { items }
            }
            (4..6, Frame::Items { mut items }) => {
                let wrong = self.archived();
                for item in &mut items {
                    if let (Item::Record { state, .. }, Some(Item::Record { state: other, .. })) =
                        (item, &wrong)
                    {
                        state.clone_from(other);
                    }
                }
                Frame::Items { items }
            }
            // Whoever follows a part is told that it would not want what is hidden from it.
            (6..12, Frame::Items { mut items }) if self.scenario.followers_per_mille > 0 => {
                let records = items.iter_mut().filter_map(hide).collect();
                let spared = Frame::Spared { records };
                return vec![Frame::Items { items }.to_bytes(), spared.to_bytes()];
            }
            (0..2, Frame::Reconcile { .. }) => Frame::Reconcile {
                message: self.random.bytes::<48>().to_vec(),
            },
            (2, Frame::Reconcile { mut message }) => {
                message.truncate(message.len() / 2);
                Frame::Reconcile { message }
            }
            (0, Frame::Open { scope, message, .. }) => Frame::Open {
                scope,
                count: self.random.bits(),
                message,
            },
            (1, Frame::Open { scope, count, .. }) => Frame::Open {
                scope,
                count,
                message: self.random.bytes::<64>().to_vec(),
            },
            (0..8, Frame::Want { mut ids }) => {
                // Everything once more, and things that nobody has.
                let again = ids.clone();
                ids.extend(again);
                ids.extend((0..50).map(|_| SaltedId(self.random.bytes())));
                return vec![Frame::Want { ids: ids.clone() }.to_bytes(); 5];
            }
            (20, _) => return vec![as_it_is.clone(), as_it_is],
            (21, _) if node.is_multiple_of(2) => return Vec::new(),
            (22, _) => {
                let size = match self.random.chance(100) {
                    true => limits::FRAME_MAX_BYTES + 1,
                    false => 300,
                };
                return vec![vec![0x8f; size]];
            }
            _ => return vec![as_it_is],
        };
        vec![twisted.to_bytes()]
    }
}
