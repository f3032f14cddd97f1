//! The backup file: everything that brings a node's organisations back, encrypted with a passphrase.
//!
//! The file is in the age format, so that its content can be had with the `age` command alone. Inside is a line
//! that names the format, and then a zstd stream of deterministic CBOR. A network's own records are in
//! it as they travel between nodes: what is restored is taken in like what a peer sends, so that an
//! old backup can neither fork an organisation nor undo what others hold already.
//!
//! The node's own key is not in it: see `docs/decisions/0016-backup.md`.

use fingerpost_proto::cbor;
use fingerpost_proto::certificate::Delegation;
use fingerpost_proto::charter::Charter;
use fingerpost_proto::ids::{DocName, NodeId, OrgId, RecordId};
use fingerpost_proto::keys::SecretKey;
use fingerpost_proto::replica::Item;
use fingerpost_proto::signed::Signed;
use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};
use zeroize::{Zeroize, Zeroizing};

use crate::sealing::{SealError, open_large_with_passphrase, seal_with_passphrase};

/// The first line of what is in the file. A later format has another number.
const MAGIC: &[u8] = b"fingerpost-backup-1\n";
/// What every format of ours begins with.
const FAMILY: &[u8] = b"fingerpost-backup-";
const COMPRESSION_LEVEL: i32 = 9;
/// Largest content of a backup, in bytes: the full listings of two organisations with long histories, or the
/// ordinary ones of a thousand.
pub const CONTENT_MAX_BYTES: usize = 128 * 1024 * 1024;
/// Largest backup file, in bytes: content that cannot be compressed, in ASCII armour.
pub const FILE_MAX_BYTES: usize = CONTENT_MAX_BYTES / 2 * 3;
/// Shortest passphrase of a backup, in characters.
const PASSPHRASE_MIN_CHARS: usize = 8;

/// Why a backup cannot be made or read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BackupError {
    /// A passphrase that is too short.
    #[error("a passphrase needs {PASSPHRASE_MIN_CHARS} characters at least")]
    ShortPassphrase,
    /// Too much for one file.
    #[error(
        "the organisations of this node are too large for one file ({0} MiB; {max} MiB fit)",
        max = CONTENT_MAX_BYTES / 1024 / 1024
    )]
    TooLarge(usize),
    /// The file is longer than any backup.
    #[error("the file is longer than a backup may be")]
    FileTooLarge,
    /// The file cannot be opened.
    #[error("the backup cannot be opened: {0}")]
    Sealed(#[from] SealError),
    /// The file opens, and holds something else.
    #[error("the file was opened, but it is no backup of a node")]
    NoBackup,
    /// A later version of the program made it.
    #[error("the backup was made by a newer version of this program")]
    Newer,
    /// It was made wrongly; nothing that was changed on the way gets so far.
    #[error("the backup was opened, but {0} in it is not sound")]
    Unsound(&'static str),
}

/// Everything that is in a backup.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
#[cbor(map)]
pub struct Backup {
    /// When it was made.
    #[n(0)]
    pub made_at_s: u64,
    /// The node that made it.
    #[n(1)]
    pub node: NodeId,
    /// The version of the program that made it.
    #[n(2)]
    pub version: String,
    /// The settings file, if there was one.
    #[n(3)]
    pub settings: Option<String>,
    /// The organisations.
    #[n(4)]
    pub organisations: Vec<Organisation>,
    /// The charters of their networks.
    #[n(5)]
    pub charters: Vec<ByteVec>,
    /// Where nodes of members were.
    #[n(6)]
    pub nodes: Vec<(NodeId, Vec<String>)>,
    /// Cards of other members, without which nobody knows who is one.
    #[n(7)]
    pub cards: Vec<Item>,
    /// Organisations that the node blocked.
    #[n(8)]
    pub blocked: Vec<OrgId>,
    /// The organisation that commands meant.
    #[n(9)]
    pub current: Option<OrgId>,
}

/// One organisation in a backup.
#[derive(Clone, PartialEq, Encode, Decode)]
#[cbor(map)]
pub struct Organisation {
    /// Which.
    #[n(0)]
    pub org: OrgId,
    /// The seed of its root key, if the node held it.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub root: Option<[u8; 32]>,
    /// The node's delegation, if that was signed elsewhere.
    #[n(2)]
    pub delegation: Option<ByteVec>,
    /// Its documents.
    #[n(3)]
    pub documents: Vec<Document>,
    /// What else it has said: departures and amendments.
    #[n(4)]
    pub statements: Vec<Item>,
}

impl std::fmt::Debug for Organisation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Not the key.
        write!(f, "Organisation({:?})", self.org)
    }
}

impl Drop for Organisation {
    fn drop(&mut self) {
        self.root.zeroize();
    }
}

/// One document in a backup.
#[derive(Clone, PartialEq, Encode, Decode)]
#[cbor(map)]
pub struct Document {
    /// Which.
    #[n(0)]
    pub name: DocName,
    /// Its undominated records with their states.
    #[n(1)]
    pub items: Vec<Item>,
    /// The document with its history, if the node had it.
    #[cbor(n(2), with = "minicbor::bytes")]
    pub own: Option<Vec<u8>>,
    /// The records whose edits are in it.
    #[n(3)]
    pub contained: Vec<RecordId>,
}

impl std::fmt::Debug for Document {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Histories say who wrote what.
        write!(f, "Document({})", self.name)
    }
}

impl Organisation {
    /// Its root key, if it is here.
    pub fn root_key(&self) -> Option<SecretKey> {
        self.root.as_ref().map(SecretKey::from_seed)
    }

    /// The delegation, if there is one.
    pub fn delegation(&self) -> Option<Signed<Delegation>> {
        let bytes = self.delegation.as_ref()?;
        Signed::verified(bytes).ok()
    }
}

impl Backup {
    /// The charters, with their networks.
    pub fn charters(&self) -> Vec<Charter> {
        let read = self.charters.iter().filter_map(|bytes| {
            let charter: Charter = cbor::from_slice(bytes).ok()?;
            Charter::parse(bytes, &charter.network()).ok()
        });
        read.collect()
    }

    /// The file.
    ///
    /// # Errors
    /// [`BackupError::ShortPassphrase`], [`BackupError::TooLarge`], [`BackupError::Sealed`].
    pub fn to_file(&self, passphrase: Zeroizing<String>) -> Result<String, BackupError> {
        if passphrase.chars().count() < PASSPHRASE_MIN_CHARS {
            return Err(BackupError::ShortPassphrase);
        }
        let content = Zeroizing::new(cbor::to_vec(self));
        if content.len() > CONTENT_MAX_BYTES {
            return Err(BackupError::TooLarge(content.len() / 1024 / 1024));
        }
        let packed = zstd::bulk::compress(&content, COMPRESSION_LEVEL).map(Zeroizing::new);
        let packed = packed.map_err(|_| SealError::Failed)?;
        // All of it at once: a vector that grows leaves pieces of the secret behind.
        let mut framed = Zeroizing::new(Vec::with_capacity(MAGIC.len() + packed.len()));
        framed.extend_from_slice(MAGIC);
        framed.extend_from_slice(&packed);
        Ok(seal_with_passphrase(&framed, passphrase)?)
    }

    /// Reads a file, and checks everything in it that can be checked without a node: that keys are those of their
    /// organisations, and every signature, hash and limit.
    ///
    /// # Errors
    /// Any [`BackupError`] but those of making one.
    pub fn from_file(file: &str, passphrase: Zeroizing<String>) -> Result<Self, BackupError> {
        if file.len() > FILE_MAX_BYTES {
            return Err(BackupError::FileTooLarge);
        }
        let framed = open_large_with_passphrase(file.as_bytes(), passphrase, CONTENT_MAX_BYTES)?;
        let packed = match framed.strip_prefix(MAGIC) {
            Some(packed) => packed,
            None if framed.starts_with(FAMILY) => return Err(BackupError::Newer),
            None => return Err(BackupError::NoBackup),
        };
        let content = zstd::bulk::decompress(packed, capacity(packed)?).map(Zeroizing::new);
        let content = content.map_err(|_| BackupError::NoBackup)?;
        let backup: Self = cbor::from_slice(&content).map_err(|_| BackupError::NoBackup)?;
        backup.check()?;
        Ok(backup)
    }

    fn check(&self) -> Result<(), BackupError> {
        if self.charters().len() != self.charters.len() {
            return Err(BackupError::Unsound("the charter of a network"));
        }
        let sound = |item: &Item| item.clone().check().is_ok();
        if !self.cards.iter().all(sound) {
            return Err(BackupError::Unsound("a card"));
        }
        for org in &self.organisations {
            if org.root_key().is_some_and(|key| key.org_id() != org.org) {
                return Err(BackupError::Unsound("a root key"));
            }
            let delegation = org.delegation();
            let fits = |it: &Signed<Delegation>| it.get().org == org.org;
            if org.delegation.is_some() && !delegation.is_some_and(|it| fits(&it)) {
                return Err(BackupError::Unsound("a delegation"));
            }
            let items = org.documents.iter().flat_map(|document| &document.items);
            if !items.chain(&org.statements).all(sound) {
                return Err(BackupError::Unsound("a record"));
            }
        }
        Ok(())
    }
}

/// How long the content says that it is; what was made here says it.
fn capacity(packed: &[u8]) -> Result<usize, BackupError> {
    let length = zstd::bulk::Decompressor::upper_bound(packed);
    length
        .filter(|length| *length <= CONTENT_MAX_BYTES)
        .ok_or(BackupError::NoBackup)
}
