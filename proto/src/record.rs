//! Records: the signed statements "this is now the state of my document".
//!
//! A record names the hash and length of a state, never the state itself, and its place among the
//! other records of the document: the writer (a node and its instance), a sequence number, and what
//! of every other writer it has merged (`saw`). Order comes from that alone, never from a clock.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use minicbor::{Decode, Encode};
use sha2::{Digest, Sha256};

use crate::ids::{DocKey, DocName, NodeId, OrgId, RecordId};
use crate::keys::Domain;
use crate::limits;
use crate::planted::{self, Planted};
use crate::signed::{Signed, SignedError, Statement};

/// The only record format of this version.
pub const FORMAT: u32 = 1;

/// The instance of a node's store. It is drawn afresh whenever a store is created, restored, or
/// found to be behind what peers hold, so that an old backup never writes at a place already used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(transparent)]
pub struct Instance(#[cbor(n(0), with = "minicbor::bytes")] pub [u8; 8]);

/// One writer of a document: a node, in one life of its store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(array)]
pub struct Writer {
    /// The node.
    #[n(0)]
    pub node: NodeId,
    /// The life of its store.
    #[n(1)]
    pub instance: Instance,
}

/// How far one writer had been merged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(array)]
pub struct Seen {
    /// The writer.
    #[n(0)]
    pub writer: Writer,
    /// Its last record that is contained, counted from 1.
    #[n(1)]
    pub seq: u64,
}

/// The signed statement about one state of one document.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Record {
    /// [`FORMAT`].
    #[n(0)]
    pub format: u32,
    /// Whose document.
    #[n(1)]
    pub org: OrgId,
    /// Which document.
    #[n(2)]
    pub document: DocName,
    /// Who writes.
    #[n(3)]
    pub writer: Writer,
    /// The writer's running number for this document, from 1.
    #[n(4)]
    pub seq: u64,
    /// What it has merged of other writers, ordered by writer, the writer itself left out.
    #[n(5)]
    pub saw: Vec<Seen>,
    /// The automerge heads of the owner's document, sorted; empty for a document without history.
    #[n(6)]
    pub heads: Vec<Hash>,
    /// SHA-256 of the state's bytes.
    #[n(7)]
    pub state_hash: Hash,
    /// Length of the state in bytes.
    #[n(8)]
    pub state_bytes: u64,
    /// When it was issued, in seconds since 1970-01-01 UTC: shown to people, never used for order
    /// between records of which one contains the other.
    #[n(9)]
    pub issued_at_s: u64,
    /// How often the history behind the document was begun anew, from 1; absent if it never was. A replica that
    /// replaces a record of a lower generation by one of a higher makes sure that nothing of the former is left on
    /// its disk: something may have been erased.
    #[n(10)]
    pub generation: Option<u64>,
}

/// A SHA-256 hash.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(transparent)]
pub struct Hash(#[cbor(n(0), with = "minicbor::bytes")] pub [u8; 32]);

impl Hash {
    /// The SHA-256 of some bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }
}

impl std::fmt::Debug for Hash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let head = self.0.first_chunk::<6>().map_or(&[][..], |c| &c[..]);
        write!(f, "{}…", data_encoding::HEXLOWER.encode(head))
    }
}

impl Statement for Record {
    const DOMAIN: Domain = Domain::Record;
    const MAX_BYTES: usize = limits::RECORD_MAX_BYTES;

    fn signer(&self) -> &[u8; 32] {
        self.writer.node.as_bytes()
    }
}

/// Why a record's content is refused, its bytes and signature being in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// A format that this version does not know.
    #[error("written by a newer version (format {0})")]
    UnknownFormat(u32),
    /// A sequence number of 0.
    #[error("its sequence number is 0; they count from 1")]
    ZeroSeq,
    /// A generation of 0.
    #[error("its generation is 0; they count from 1")]
    ZeroGeneration,
    /// `saw` is unsorted, names a writer twice, names the writer itself, or is too long.
    #[error("its list of merged writers is out of order or too long")]
    BadSaw,
    /// `heads` is unsorted or too long.
    #[error("its list of heads is out of order or too long")]
    BadHeads,
    /// The state it announces is over the limit.
    #[error("it announces a state of {0} bytes, over the limit")]
    StateTooLarge(u64),
}

impl Record {
    /// Checks everything that can be checked of a record alone.
    ///
    /// # Errors
    /// Any [`RecordError`].
    pub fn check(&self) -> Result<(), RecordError> {
        if self.format != FORMAT {
            return Err(RecordError::UnknownFormat(self.format));
        }
        if self.seq == 0 || self.saw.iter().any(|seen| seen.seq == 0) {
            return Err(RecordError::ZeroSeq);
        }
        if self.generation == Some(0) {
            return Err(RecordError::ZeroGeneration);
        }
        let sorted = self.saw.is_sorted_by(|a, b| a.writer < b.writer);
        if !sorted
            || self.saw.len() > limits::SAW_MAX_WRITERS
            || self.saw.iter().any(|seen| seen.writer == self.writer)
        {
            return Err(RecordError::BadSaw);
        }
        if self.heads.len() > limits::HEADS_MAX || !self.heads.is_sorted_by(|a, b| a < b) {
            return Err(RecordError::BadHeads);
        }
        if self.state_bytes > limits::STATE_MAX_BYTES as u64 {
            return Err(RecordError::StateTooLarge(self.state_bytes));
        }
        Ok(())
    }

    /// Which document it is about.
    pub fn key(&self) -> DocKey {
        DocKey {
            org: self.org,
            name: self.document,
        }
    }

    /// How far this record contains a writer's records; 0 if not at all.
    pub fn contains(&self, writer: &Writer) -> u64 {
        if *writer == self.writer {
            return self.seq;
        }
        self.saw
            .binary_search_by(|seen| seen.writer.cmp(writer))
            .ok()
            .and_then(|at| self.saw.get(at))
            .map_or(0, |seen| seen.seq)
    }

    /// Everything that this record contains, itself included.
    pub fn clock(&self) -> impl Iterator<Item = Seen> + '_ {
        let own = Seen {
            writer: self.writer,
            seq: self.seq,
        };
        self.saw.iter().copied().chain(std::iter::once(own))
    }

    fn contains_all_of(&self, other: &Self) -> bool {
        other
            .clock()
            .all(|seen| self.contains(&seen.writer) >= seen.seq)
    }

    /// How two records of one document stand: `Greater` if this one dominates the other, `None` if
    /// they are concurrent, `Equal` only if their clocks are the same.
    ///
    /// The order is that of version vectors, entry by entry: a partial order whatever the records
    /// say, so that replicas agree even about a lying writer (see
    /// `docs/decisions/0003-dominance-by-version-vector.md`).
    pub fn compare(&self, other: &Self) -> Option<Ordering> {
        if planted::is(Planted::IgnoreSaw) {
            return Some(self.seq.cmp(&other.seq));
        }
        match (self.contains_all_of(other), other.contains_all_of(self)) {
            (true, true) => Some(Ordering::Equal),
            (true, false) => Some(Ordering::Greater),
            (false, true) => Some(Ordering::Less),
            (false, false) => None,
        }
    }

    /// Whether both claim the same place of the same document: with different content, that is
    /// proof that a key was copied.
    pub fn same_place(&self, other: &Self) -> bool {
        self.key() == other.key() && self.writer == other.writer && self.seq == other.seq
    }
}

/// A record whose signature and content were checked, with its identity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedRecord {
    signed: Signed<Record>,
    id: RecordId,
}

/// Why a signed record is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignedRecordError {
    /// The bytes or the signature are wrong.
    #[error(transparent)]
    Signed(#[from] SignedError),
    /// The content breaks a rule.
    #[error(transparent)]
    Record(#[from] RecordError),
}

impl SignedRecord {
    /// Decodes carried bytes, checks the signature over them, and the content.
    ///
    /// # Errors
    /// Any [`SignedRecordError`].
    pub fn verified(bytes: &[u8]) -> Result<Self, SignedRecordError> {
        let signed = Signed::<Record>::verified(bytes)?;
        signed.get().check()?;
        Ok(Self::new(signed))
    }

    /// Decodes bytes that this node verified before it stored them.
    ///
    /// # Errors
    /// [`SignedRecordError`], if the store is damaged.
    pub fn from_trusted(bytes: &[u8]) -> Result<Self, SignedRecordError> {
        Ok(Self::new(Signed::from_trusted(bytes)?))
    }

    /// Signs a record of this node's own.
    ///
    /// # Errors
    /// [`RecordError`] if the content breaks a rule; [`SignedError::TooLarge`] over the limit.
    pub fn sign(record: Record, key: &crate::keys::SecretKey) -> Result<Self, SignedRecordError> {
        record.check()?;
        let signed = Signed::sign(record, key);
        if signed.to_bytes().len() > limits::RECORD_MAX_BYTES {
            return Err(SignedError::TooLarge.into());
        }
        Ok(Self::new(signed))
    }

    fn new(signed: Signed<Record>) -> Self {
        let id = RecordId::from_bytes(Hash::of(signed.payload()).0);
        Self { signed, id }
    }

    /// SHA-256 of the signed payload: two signatures of one payload are one record.
    pub fn id(&self) -> RecordId {
        self.id
    }

    /// What is stated.
    pub fn get(&self) -> &Record {
        self.signed.get()
    }

    /// The form that is sent and stored.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.signed.to_bytes()
    }

    /// The payload and signature, for export.
    pub fn signed(&self) -> &Signed<Record> {
        &self.signed
    }
}

/// Merges what several records contain, and what else is known to be contained, into the `saw` of their
/// successor by `writer`.
pub fn merged_clock<'a>(
    records: impl IntoIterator<Item = &'a Record>,
    besides: impl IntoIterator<Item = Seen>,
    writer: &Writer,
) -> (u64, Vec<Seen>) {
    let mut clock: BTreeMap<Writer, u64> = BTreeMap::new();
    let of_records = records.into_iter().flat_map(Record::clock);
    for seen in of_records.chain(besides) {
        let seq = clock.entry(seen.writer).or_default();
        *seq = (*seq).max(seen.seq);
    }
    let own = clock.remove(writer).unwrap_or_default();
    (
        own,
        clock
            .into_iter()
            .map(|(writer, seq)| Seen { writer, seq })
            .collect(),
    )
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::keys::SecretKey;
    use proptest::prelude::*;

    pub(crate) fn writer(n: u8) -> Writer {
        let key = SecretKey::from_seed(&[n; 32]);
        Writer {
            node: key.node_id(),
            instance: Instance([n; 8]),
        }
    }

    fn record(by: u8, seq: u64, saw: &[(u8, u64)]) -> Record {
        let mut saw: Vec<Seen> = saw
            .iter()
            .filter(|(n, seq)| *n != by && *seq > 0)
            .map(|&(n, seq)| Seen {
                writer: writer(n),
                seq,
            })
            .collect();
        saw.sort();
        saw.dedup_by_key(|seen| seen.writer);
        Record {
            format: FORMAT,
            org: OrgId::from_bytes([9; 32]),
            document: DocName::Listing(0),
            writer: writer(by),
            seq,
            saw,
            heads: vec![],
            state_hash: Hash::of(b"x"),
            state_bytes: 1,
            issued_at_s: 1,
            generation: None,
        }
    }

    prop_compose! {
        /// Any record that passes `check`, truthful or not.
        fn any_record()(by in 1u8..5, seq in 1u64..5, saw in prop::collection::vec((1u8..5, 0u64..5), 0..4)) -> Record {
            record(by, seq, &saw)
        }
    }

    proptest! {
        #[test]
        fn dominance_is_a_partial_order(a in any_record(), b in any_record(), c in any_record()) {
            prop_assert_eq!(a.compare(&a), Some(Ordering::Equal));
            prop_assert_eq!(a.compare(&b), b.compare(&a).map(Ordering::reverse));
            let below = |x: &Record, y: &Record| matches!(x.compare(y), Some(Ordering::Less | Ordering::Equal));
            if below(&a, &b) && below(&b, &c) {
                prop_assert!(below(&a, &c), "not transitive");
            }
            if below(&a, &b) && below(&b, &a) {
                prop_assert_eq!(a.compare(&b), Some(Ordering::Equal));
            }
        }

        #[test]
        fn a_successor_dominates_what_it_merged(records in prop::collection::vec(any_record(), 1..6), by in 1u8..5) {
            let (seq, saw) = merged_clock(&records, [], &writer(by));
            let next = Record { writer: writer(by), seq: seq + 1, saw, ..record(by, 1, &[]) };
            prop_assert_eq!(next.check(), Ok(()));
            for old in &records {
                prop_assert_eq!(next.compare(old), Some(Ordering::Greater));
            }
        }

        #[test]
        fn bytes_come_back(record in any_record()) {
            let key = SecretKey::from_seed(&[9; 32]);
            let record = Record { writer: Writer { node: key.node_id(), ..record.writer }, ..record };
            let signed = SignedRecord::sign(record, &key).unwrap();
            prop_assert_eq!(SignedRecord::verified(&signed.to_bytes()).unwrap(), signed);
        }

        #[test]
        fn random_bytes_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(SignedRecord::verified(&bytes).is_err());
        }
    }

    #[test]
    fn the_largest_record_fits_its_limit() {
        let key = SecretKey::from_seed(&[1; 32]);
        let mut saw: Vec<Seen> = (0..limits::SAW_MAX_WRITERS as u8)
            .map(|n| Seen {
                writer: writer(n + 100),
                seq: u64::from(u32::MAX),
            })
            .collect();
        saw.sort();
        let full = Record {
            writer: Writer {
                node: key.node_id(),
                instance: Instance([1; 8]),
            },
            document: DocName::Listing(63),
            saw,
            heads: vec![Hash([1; 32])],
            ..record(1, u64::from(u32::MAX), &[])
        };
        assert!(
            SignedRecord::sign(full, &key).unwrap().to_bytes().len() <= limits::RECORD_MAX_BYTES
        );
    }

    #[test]
    fn each_rule_has_its_reason() {
        let good = record(1, 1, &[(2, 1), (3, 1)]);
        assert_eq!(good.check(), Ok(()));
        let with = |change: &dyn Fn(&mut Record)| {
            let mut record = good.clone();
            change(&mut record);
            record.check()
        };
        assert_eq!(with(&|r| r.format = 2), Err(RecordError::UnknownFormat(2)));
        assert_eq!(with(&|r| r.seq = 0), Err(RecordError::ZeroSeq));
        assert_eq!(with(&|r| r.saw.reverse()), Err(RecordError::BadSaw));
        assert_eq!(
            with(&|r| r.saw = vec![r.saw[0]; 2]),
            Err(RecordError::BadSaw)
        );
        assert_eq!(
            with(&|r| r.saw = vec![Seen {
                writer: r.writer,
                seq: 1
            }]),
            Err(RecordError::BadSaw)
        );
        assert_eq!(
            with(&|r| {
                r.saw = (10..11 + limits::SAW_MAX_WRITERS as u8)
                    .map(|n| Seen {
                        writer: writer(n),
                        seq: 1,
                    })
                    .collect();
                r.saw.sort();
            }),
            Err(RecordError::BadSaw)
        );
        assert_eq!(
            with(&|r| r.heads = vec![Hash([2; 32]), Hash([1; 32])]),
            Err(RecordError::BadHeads)
        );
        assert_eq!(
            with(&|r| r.heads = vec![Hash([1; 32]); 5]),
            Err(RecordError::BadHeads)
        );
        let over = limits::STATE_MAX_BYTES as u64 + 1;
        assert_eq!(
            with(&|r| r.state_bytes = over),
            Err(RecordError::StateTooLarge(over))
        );
    }

    #[test]
    fn an_oversize_record_is_refused_before_parsing() {
        assert_eq!(
            SignedRecord::verified(&vec![0x82; limits::RECORD_MAX_BYTES + 1]),
            Err(SignedRecordError::Signed(SignedError::TooLarge))
        );
    }
}
