//! What befalls nodes and the network between them.

use fingerpost_proto::certificate::Revocation;
use fingerpost_proto::interest::Follows;
use fingerpost_proto::record::{Record, SignedRecord};
use fingerpost_proto::replica::{Item, Replica};
use fingerpost_proto::storage::{Batch, Storage, Table};

use super::Random;
use super::hostile::Verdict;
use super::plan::{Act, Weather};
use super::report::Kind;
use super::world::{Acknowledged, Cure, Event, World};

impl World {
    pub(super) fn fault(&mut self, act: Act) {
        let of = |node: u32| node as usize % self.nodes.len();
        match act {
            Act::Crash { node, down_ms } => self.crash(of(node), down_ms),
            Act::Backup { node } => {
                let node = of(node);
                let copy = self.nodes[node].replica.storage().after_crash();
                self.nodes[node].backup = Some(copy);
            }
            Act::Restore { node, told } => {
                let saved: Vec<usize> = (0..self.nodes.len())
                    .filter(|it| self.nodes[*it].backup.is_some())
                    .collect();
                if !saved.is_empty() {
                    self.restore(saved[node as usize % saved.len()], told);
                }
            }
            Act::DiskFull { node, for_ms } => {
                let node = of(node);
                self.report.full += 1;
                self.nodes[node].full = true;
                // It may be met between two batches of one act.
                let room = self.random.below(6) as u32;
                self.nodes[node].replica.storage_mut().set_room(Some(room));
                self.later(for_ms, Event::Cure(Cure::DiskFull(node)));
            }
            Act::Slow {
                node,
                by_ms,
                for_ms,
            } => {
                let node = of(node);
                self.report.slow += 1;
                self.nodes[node].slow_ms = by_ms;
                self.later(for_ms, Event::Cure(Cure::Slow(node)));
            }
            Act::OneWay { node, mute, for_ms } => {
                let node = of(node);
                self.report.one_way += 1;
                self.nodes[node].mute = mute;
                self.nodes[node].deaf = !mute;
                self.later(for_ms, Event::Cure(Cure::OneWay(node)));
            }
            Act::Partition {
                sides,
                draw,
                for_ms,
            } => {
                self.report.partitions += 1;
                self.partition += 1;
                let mut random = Random::new(draw);
                for node in &mut self.nodes {
                    node.side = random.below(sides);
                }
                self.later(for_ms, Event::Cure(Cure::Partition(self.partition)));
            }
            Act::Clock { node, off_s } => {
                let node = of(node);
                self.report.clocks += 1;
                self.nodes[node].clock_off_s = off_s;
            }
            _ => {}
        }
    }

    pub(super) fn cure(&mut self, cure: Cure) {
        match cure {
            Cure::DiskFull(node) => {
                self.nodes[node].full = false;
                self.set_full(node);
            }
            Cure::Slow(node) => self.nodes[node].slow_ms = 0,
            Cure::OneWay(node) => {
                self.nodes[node].mute = false;
                self.nodes[node].deaf = false;
            }
            Cure::Partition(number) if number == self.partition => {
                for node in &mut self.nodes {
                    node.side = 0;
                }
            }
            Cure::Partition(_) => {}
        }
    }

    fn set_full(&mut self, node: usize) {
        let room = self.nodes[node].full.then_some(0);
        self.nodes[node].replica.storage_mut().set_room(room);
    }

    /// The power goes: what was not flushed is lost, and so is every session.
    pub(super) fn crash(&mut self, node: usize, down_ms: u64) {
        if !self.nodes[node].up {
            return;
        }
        let crashed = &mut self.nodes[node];
        crashed.up = false;
        crashed.heard = false;
        crashed.sessions.clear();
        self.report.crashes += 1;
        self.report.lost_batches += crashed.replica.storage().unflushed() as u64;
        self.trace.note(self.now_ms, "crash", &[node as u8]);
        self.tell_of(node, || "crashes".into());
        self.later(down_ms, Event::Restart(node));
    }

    pub(super) fn restart(&mut self, node: usize) {
        if self.nodes[node].up {
            return;
        }
        let storage = self.nodes[node].replica.storage().after_crash();
        self.open(node, storage);
        self.nodes[node].up = true;
        self.trace.note(self.now_ms, "restart", &[node as u8]);
        self.tell_of(node, || "starts".into());
    }

    fn open(&mut self, node: usize, mut storage: super::CrashStorage) {
        // A store without room must be read all the same; what is let go of on start waits for room.
        storage.set_room(None);
        let (id, own) = (self.nodes[node].id, self.nodes[node].replica.own().clone());
        match Replica::open(storage, id, own) {
            Ok(replica) => self.nodes[node].replica = replica,
            Err(error) => self.fail(
                Kind::Store,
                format!("the store of node {node} does not open: {error}"),
            ),
        }
        self.set_full(node);
    }

    /// An old copy of the store is put back. A node that is told so begins a new life of its store; one that is
    /// not finds out by what its peers hold.
    fn restore(&mut self, node: usize, told: bool) {
        let Some(mut copy) = self.nodes[node].backup.clone() else {
            return;
        };
        self.report.restored += 1;
        self.trace
            .note(self.now_ms, "restore", &[node as u8, u8::from(told)]);
        self.tell_of(node, || format!("an old copy is put back, told: {told}"));
        copy.set_room(None);
        if told {
            let mut batch = Batch::default();
            batch.remove(Table::Meta, *b"instance");
            copy.commit(batch).ok();
            copy.flush().ok();
        }
        self.forget_what_only_was_here(node);
        self.nodes[node].rolled_back |= !told;
        self.nodes[node].sessions.clear();
        self.nodes[node].heard = false;
        self.open(node, copy);
    }

    /// What was acknowledged by a node whose disk is thrown away is lost unless another holds it, on its disk.
    fn forget_what_only_was_here(&mut self, node: usize) {
        let edits = std::mem::take(&mut self.acknowledged);
        let before = edits.len();
        let stays = |world: &Self, edit: &Acknowledged| {
            let mut others = world.honest().filter(|other| *other != node);
            others.any(|other| world.holds_durably(other, edit))
        };
        let kept: Vec<Acknowledged> = edits.into_iter().filter(|edit| stays(self, edit)).collect();
        self.report.rolled_back_edits += before - kept.len();
        self.acknowledged = kept;
    }

    /// Whether a node has an edit on its disk, to give it back one day: whoever has left lets go of what is others', and
    /// the others of what is theirs, as soon as they hear of it.
    pub(super) fn holds_durably(&self, node: usize, edit: &Acknowledged) -> bool {
        let (org, author) = (self.nodes[node].org, self.nodes[edit.node].org);
        let both_take_part = self.orgs[org].takes_part && self.orgs[author].takes_part;
        if org != author && !both_take_part {
            return false;
        }
        let replica = &self.nodes[node].replica;
        let key = edit.key.to_bytes();
        let live = replica.storage().get(Table::Documents, &key);
        let live = live.expect("a store reads");
        live.is_some()
            && live.as_deref() == replica.storage().durable(Table::Documents, &key)
            && self.contains_stated(node, edit)
    }

    /// Whether a node holds a record that contains an edit, and what that record says: a record alone tells that there
    /// was something, and not what.
    pub(super) fn contains_stated(&self, node: usize, edit: &Acknowledged) -> bool {
        self.has_stated(node, edit, |_| true)
    }

    /// The same of a record that a revocation lets stand.
    pub(super) fn contains_counted(
        &self,
        node: usize,
        edit: &Acknowledged,
        revocation: &Revocation,
    ) -> bool {
        self.has_stated(node, edit, |record| revocation.allows(record))
    }

    fn has_stated(
        &self,
        node: usize,
        edit: &Acknowledged,
        counts: impl Fn(&Record) -> bool,
    ) -> bool {
        let replica = &self.nodes[node].replica;
        let items = replica.items(&edit.key);
        items.expect("a store reads").iter().any(|item| {
            let Item::Record {
                record,
                state: Some(_),
                ..
            } = item
            else {
                return false;
            };
            let held = SignedRecord::from_trusted(record).expect("a node holds records");
            matches!(self.signed.get(&held.id()), Some(Verdict::Counts(_)))
                && held.get().contains(&edit.seen.writer) >= edit.seen.seq
                // That something was taken out stands in the history alone: a state without it may never have had it.
                && (!edit.erased || replica.sealed_ids(&edit.key).contains(&held.id()))
                && counts(held.get())
        })
    }

    fn follow_everything(&mut self, node: usize) {
        let replica = &mut self.nodes[node].replica;
        replica
            .set_follows(Follows::default())
            .expect("there is room");
        while replica.apply_follows(5).expect("there is room") {}
    }

    /// The network heals, clocks are put right, and so much time passes that nothing is dated ahead any more.
    pub(super) fn heal(&mut self) {
        self.healing = true;
        self.weather = Weather::FAIR;
        self.shift_s = super::plan::DAYS_OFF_S + 86_400;
        for node in 0..self.nodes.len() {
            let it = &mut self.nodes[node];
            it.side = 0;
            it.mute = false;
            it.deaf = false;
            it.slow_ms = 0;
            it.clock_off_s = 0;
            it.full = false;
            self.set_full(node);
            self.restart(node);
            // Half of those who follow a part want everything from now on.
            if self.scenario.is_follower(node) && node.is_multiple_of(2) {
                self.follow_everything(node);
            }
        }
    }
}
