//! What people and fate do, one act of the scenario after the other.

use fingerpost_proto::ids::{DocKey, DocName};
use fingerpost_proto::planted::{self, Planted};
use fingerpost_proto::record::{Instance, Seen, SignedRecord};
use fingerpost_proto::replica::{Contained, Draft, Item, PublishError};
use fingerpost_proto::storage::{Batch, Storage};

use super::hostile::Verdict;
use super::own::OwnDoc;
use super::plan::Act;
use super::report::Kind;
use super::world::{Acknowledged, Node, World};

impl World {
    pub(super) fn act(&mut self, number: usize) {
        let (_, act) = self.scenario.acts[number];
        self.trace
            .note(self.now_ms, "act", &(number as u32).to_le_bytes());
        match act {
            Act::Edit { org, by, document } => self.edit(org, by, document, false),
            Act::Erase { org, by, document } => self.edit(org, by, document, true),
            Act::Card { org, by } => self.by_a_writer(org, by, |world, node| {
                world.publish_card(node);
            }),
            Act::Leave { org, by } => self.by_a_writer(org, by, Self::leave),
            Act::ComeBack { org, by } => self.by_a_writer(org, by, Self::come_back),
            Act::Join { inviter } => {
                let inviter = inviter as usize % self.nodes.len();
                self.join(inviter);
            }
            Act::Steal { org } => {
                let org = org as usize % self.orgs.len();
                self.steal(org);
            }
            Act::Attack { by, how } => self.attack(by, how),
            fault => self.fault(fault),
        }
    }

    /// Lets one of an organisation's nodes that are up do something.
    fn by_a_writer(&mut self, org: u32, by: u32, act: impl FnOnce(&mut Self, usize)) {
        let org = org as usize % self.orgs.len();
        let nodes = self.orgs[org].nodes.iter().copied();
        let up: Vec<usize> = nodes.filter(|node| self.nodes[*node].up).collect();
        if !up.is_empty() {
            act(self, up[by as usize % up.len()]);
        }
    }

    /// Adds an item to a document, or takes one out.
    fn edit(&mut self, org: u32, by: u32, document: u8, erase: bool) {
        let name = match document % 3 {
            2 => DocName::Board,
            shard => DocName::Listing(u16::from(shard)),
        };
        self.by_a_writer(org, by, |world, node| {
            let key = world.doc_key(node, name);
            let Some(mut own) = world.own_doc(node, &key) else {
                return;
            };
            let live = own.live();
            let (item, erased) = if !live.is_empty() && (erase || live.len() >= OwnDoc::LIVE_MAX) {
                (live[world.random.below(live.len() as u64) as usize], true)
            } else {
                world.last_item += 1;
                (world.last_item, false)
            };
            match erased {
                true => {
                    own.erase(item);
                    world.erasing.insert((key, item));
                }
                false => own.add(item),
            }
            let contains = world.contained_by_own(node, &key);
            let Some(record) = world.publish_own(node, key, &own, contains) else {
                return;
            };
            world.report.erased += u64::from(erased);
            world.acknowledged.push(Acknowledged {
                key,
                item,
                erased,
                node,
                seen: Seen {
                    writer: record.get().writer,
                    seq: record.get().seq,
                },
                at_ms: world.now_ms,
            });
        });
    }

    /// Publishes as a node does: committed, flushed, and only then told. `None` if it was refused, or if the
    /// power went before the flush: then nobody may have heard of it, and nobody was told that it is safe.
    pub(super) fn publish(
        &mut self,
        node: usize,
        key: DocKey,
        state: Vec<u8>,
        contains: Contained,
        sealed: Option<Vec<u8>>,
        also: Batch,
    ) -> Option<SignedRecord> {
        let now_s = self.clock_s(node);
        let draft = Draft {
            key,
            state: state.clone(),
            heads: Vec::new(),
            generation: 0,
            delegation: self.nodes[node].delegation.clone(),
            contains,
            sealed,
        };
        let fresh = Instance(self.random.bytes());
        let Node {
            replica,
            key: secret,
            delegation,
            ..
        } = &mut self.nodes[node];
        let delegation = delegation.to_bytes();
        let record = match replica.publish(now_s, draft, secret, fresh, also) {
            Ok(record) => record,
            Err(PublishError::Record(error)) => {
                self.fail(
                    Kind::Limit,
                    format!("node {node} cannot write {key}: {error}"),
                );
                return None;
            }
            Err(_) => {
                self.report.refused_edits += 1;
                return None;
            }
        };
        self.signed
            .insert(record.id(), Verdict::Counts(record.get().clone()));
        self.trace
            .note(self.now_ms, "publish", record.id().as_bytes());
        self.tell(&key, || {
            format!("node {node} publishes: {}", self.held_of(node, &key))
        });
        if !self.healing
            && self
                .random
                .chance(self.weather.crash_before_flush_per_mille)
        {
            self.crash(node, 5_000);
            return None;
        }
        if !planted::is(Planted::ForgetFlush) {
            self.nodes[node].replica.storage_mut().flush().ok()?;
        }
        // What is large is announced without its state.
        let is_small = self.random.chance(750);
        self.announce(
            node,
            Item::Record {
                record: record.to_bytes(),
                delegation: Some(delegation),
                state: is_small.then_some(state),
            },
        );
        Some(record)
    }
}
