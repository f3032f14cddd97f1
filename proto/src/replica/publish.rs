//! Publishing this node's own documents.

use super::writes::Writes;
use super::{Checked, CheckedRecord, Kept, Outcome, Refusal, Replica, ReplicaError, State};
use crate::certificate::{Delegation, Departure, FORMAT as CERTIFICATE_FORMAT};
use crate::ids::{DocKey, NetworkId, NodeId, OrgId, RecordId};
use crate::keys::SecretKey;
use crate::limits;
use crate::planted::{self, Planted};
use crate::record::{
    FORMAT, Hash, Instance, Record, Seen, SignedRecord, SignedRecordError, Writer, merged_clock,
};
use crate::signed::Signed;
use crate::storage::{Batch, Storage, Table};

const INSTANCE: &[u8] = b"instance";

/// A state to be published.
#[derive(Debug, Clone)]
pub struct Draft {
    /// Which document.
    pub key: DocKey,
    /// The state's bytes.
    pub state: Vec<u8>,
    /// The heads of the owner's automerge document, sorted.
    pub heads: Vec<Hash>,
    /// How often the history of that was begun anew.
    pub generation: u64,
    /// The delegation of this node by the organisation.
    pub delegation: Signed<Delegation>,
    /// What of the document's undominated records the state contains.
    pub contains: Contained,
    /// The owner's automerge document, sealed to its own nodes and its paper key.
    pub sealed: Option<Vec<u8>>,
}

/// Which undominated records a new state contains, and so dominates. A sibling's record whose edits are
/// not merged yet is left beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Contained {
    /// All of them: nobody else writes this document, or all was merged.
    All,
    /// These, and what this store wrote last.
    These(Vec<RecordId>),
}

impl Contained {
    fn has(&self, kept: &Kept) -> bool {
        match self {
            Self::All => true,
            Self::These(ids) => ids.contains(&kept.record.id()),
        }
    }
}

/// Where a new record stands.
struct Position {
    writer: Writer,
    seq: u64,
    saw: Vec<Seen>,
    life: Life,
}

/// Under which name a node writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Life {
    /// The name that its store knows.
    Kept,
    /// A new one, which the store is to know from now on.
    New,
    /// One that lasts until it hears from the others.
    Unheard,
}

/// Why this node could not publish; nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum PublishError<E: std::error::Error> {
    /// The store failed.
    #[error(transparent)]
    Replica(#[from] ReplicaError<E>),
    /// The state breaks a limit, or this node may not write the document.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The record breaks a limit: too many writers have taken part.
    #[error(transparent)]
    Record(#[from] SignedRecordError),
}

impl<S: Storage> Replica<S> {
    /// Signs the new state of one of this node's own documents and takes it in, like any other record.
    /// `fresh` is random; it becomes this store's instance if there is none yet, or if the store was
    /// found behind what peers hold. The caller commits `also` with it, and flushes the store before
    /// it lets the record out.
    ///
    /// # Errors
    /// Any [`PublishError`].
    pub fn publish(
        &mut self,
        now_s: u64,
        draft: Draft,
        key: &SecretKey,
        fresh: Instance,
        also: Batch,
    ) -> Result<SignedRecord, PublishError<S::Error>> {
        let parsed = State::parse(draft.key.name, &draft.state)?;
        self.publish_parsed(now_s, draft, parsed, key, fresh, also)
    }

    /// The same for a caller who has made the state's bytes from `parsed` just now, under all limits: to read
    /// them again would mean to check again every certificate on a card.
    ///
    /// # Errors
    /// Any [`PublishError`].
    pub fn publish_parsed(
        &mut self,
        now_s: u64,
        draft: Draft,
        parsed: State,
        key: &SecretKey,
        fresh: Instance,
        also: Batch,
    ) -> Result<SignedRecord, PublishError<S::Error>> {
        let mut writes = Writes::publishing(also);
        let entry = self.entry(&draft.key)?;
        let last = self.last_clock(&draft.key)?;
        let contained = entry
            .current
            .iter()
            .filter(|kept| draft.contains.has(kept))
            .map(|kept| kept.record.get());
        let contained: Vec<&Record> = contained.collect();
        // Never less than what it replaces says, or a peer could take it for the older one.
        let before = contained.iter().filter_map(|record| record.generation);
        let generation = before.fold(draft.generation, u64::max);
        let Position {
            writer,
            seq,
            saw,
            life,
        } = self.next_place(&draft.key, key.node_id(), fresh, &contained, &last)?;
        if life == Life::New {
            writes.batch.put(Table::Meta, INSTANCE, writer.instance.0);
        }
        let saw = match planted::is(Planted::ForgetSaw) {
            true => Vec::new(),
            false => saw,
        };
        let mut heads = draft.heads;
        heads.sort();
        let record = Record {
            format: FORMAT,
            org: draft.key.org,
            document: draft.key.name,
            writer,
            seq,
            saw,
            heads,
            state_hash: Hash::of(&draft.state),
            state_bytes: draft.state.len() as u64,
            issued_at_s: now_s,
            generation: Some(generation).filter(|it| *it > 0),
        };
        let record = SignedRecord::sign(record, key)?;
        let document = draft.key;
        if life != Life::Unheard {
            writes
                .batch
                .put(Table::Meta, written_key(&document), seq.to_be_bytes());
        }
        writes.batch.put(
            Table::Meta,
            written_id_key(&document),
            *record.id().as_bytes(),
        );
        let clock: Vec<Seen> = record.get().clock().collect();
        writes.batch.put(
            Table::Meta,
            clock_key(&document),
            crate::cbor::to_vec(&clock),
        );
        let is_sealed = draft.sealed.is_some();
        if let Some(bytes) = draft.sealed {
            self.seal_own(now_s, &record, bytes, key, &mut writes)?;
        }
        let item = CheckedRecord {
            record: record.clone(),
            delegation: Some(draft.delegation),
            state: Some((draft.state, parsed)),
        };
        match self.receive_with(now_s, item, writes)? {
            Outcome::Refused(refusal) => Err(refusal.into()),
            _ => {
                self.published.insert(document, Seen { writer, seq });
                self.behind &= life != Life::New;
                if is_sealed {
                    // The edit is made, and must not be called refused if the disk is full just now: what is left
                    // over goes with the next one.
                    self.settle_sealed(&document, &record.id()).ok();
                }
                Ok(record)
            }
        }
    }

    /// Who writes the next record of a document, under which number, and what it has seen of others.
    ///
    /// A store may have been put back from a copy without anybody's saying so. Until members have told what they hold,
    /// this node therefore writes under another name than the one that its store knows, so that it cannot write
    /// at a place at which it wrote before. Names are few, so a document that has seen many goes without that.
    fn next_place(
        &mut self,
        key: &DocKey,
        node: NodeId,
        fresh: Instance,
        contained: &[&Record],
        last: &[Seen],
    ) -> Result<Position, ReplicaError<S::Error>> {
        let position = |life, instance, written: u64| {
            let writer = Writer { node, instance };
            let contained = contained.iter().copied();
            let (own, saw) = merged_clock(contained, last.iter().copied(), &writer);
            let seq = own.max(written) + 1;
            Position {
                writer,
                seq,
                saw,
                life,
            }
        };
        let kept = match self.instance()? {
            Some(kept) if !self.behind => kept,
            _ => return Ok(position(Life::New, fresh, 0)),
        };
        if !self.has_heard() {
            let instance = *self.unheard.get_or_insert(fresh);
            let published = self.published.get(key);
            let written = published.filter(|it| it.writer.instance == instance);
            let position = position(Life::Unheard, instance, written.map_or(0, |it| it.seq));
            if instance != kept && position.saw.len() <= limits::SAW_UNHEARD_MAX_WRITERS {
                return Ok(position);
            }
        }
        Ok(position(Life::Kept, kept, self.last_written(key)?))
    }

    /// Notes that a member has told what it holds, since this store was opened: what this node wrote and its store
    /// has forgotten may have come to light. One member may not have heard of it either, so it takes
    /// [`HEARD_MIN_SESSIONS`](limits::HEARD_MIN_SESSIONS).
    pub fn note_heard(&mut self) {
        self.heard = self.heard.saturating_add(1);
    }

    /// Notes that there is nobody who could know of anything that this node's store has forgotten.
    pub fn note_alone(&mut self) {
        self.heard = limits::HEARD_MIN_SESSIONS;
    }

    pub(super) fn has_heard(&self) -> bool {
        self.heard >= limits::HEARD_MIN_SESSIONS
    }

    /// Makes an organisation's departure from a network, with the membership that its card proves. The
    /// result is taken in with [`Replica::receive`].
    pub fn departure(
        &self,
        now_s: u64,
        network: NetworkId,
        org: OrgId,
        membership: &crate::card::Membership,
        delegation: &Signed<Delegation>,
        key: &SecretKey,
    ) -> Checked {
        // What cannot be read now is not carried: the departure is worth more than the older keys.
        let cards = self.held_cards(&org).unwrap_or_default();
        let mut rekeyings: Vec<_> = cards.into_iter().flat_map(|card| card.rekeyings).collect();
        rekeyings.sort();
        rekeyings.dedup();
        rekeyings.truncate(limits::REKEYINGS_MAX);
        let carried = membership.for_departure(rekeyings);
        let departure = Departure {
            format: CERTIFICATE_FORMAT,
            network,
            org,
            node: key.node_id(),
            epoch: membership.epoch,
            left_at_s: now_s,
            membership: crate::json::to_bytes(&carried).unwrap_or_default(),
        };
        Checked::Departure(Box::new(super::CheckedDeparture {
            departure: Signed::sign(departure, key),
            delegation: delegation.clone(),
            membership: carried,
        }))
    }

    /// The instance of this node's store; `None` before anything was published.
    ///
    /// # Errors
    /// [`ReplicaError`].
    pub fn instance(&self) -> Result<Option<Instance>, ReplicaError<S::Error>> {
        match self.storage.get(Table::Meta, INSTANCE)? {
            None => Ok(None),
            Some(bytes) => match bytes.try_into() {
                Ok(bytes) => Ok(Some(Instance(bytes))),
                Err(_) => Err(ReplicaError::Damaged(Table::Meta)),
            },
        }
    }

    /// What the last record contains that this store has written for a document, itself included.
    fn last_clock(&self, key: &DocKey) -> Result<Vec<Seen>, ReplicaError<S::Error>> {
        match self.storage.get(Table::Meta, &clock_key(key))? {
            None => Ok(Vec::new()),
            Some(bytes) => {
                crate::cbor::from_slice(&bytes).map_err(|_| ReplicaError::Damaged(Table::Meta))
            }
        }
    }

    /// The last number that this store has written under for a document; 0 if none.
    pub(super) fn last_written(&self, key: &DocKey) -> Result<u64, ReplicaError<S::Error>> {
        match self.storage.get(Table::Meta, &written_key(key))? {
            None => Ok(0),
            Some(bytes) => match bytes.try_into() {
                Ok(bytes) => Ok(u64::from_be_bytes(bytes)),
                Err(_) => Err(ReplicaError::Damaged(Table::Meta)),
            },
        }
    }
}

fn clock_key(key: &DocKey) -> Vec<u8> {
    [b"clock/".as_slice(), &key.to_bytes()].concat()
}

/// Under which the store keeps the id of the last record that it wrote of a document.
pub(super) fn written_id_key(key: &DocKey) -> Vec<u8> {
    [b"written-id/".as_slice(), &key.to_bytes()].concat()
}

fn written_key(key: &DocKey) -> Vec<u8> {
    [b"written/".as_slice(), &key.to_bytes()].concat()
}
