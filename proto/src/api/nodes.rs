//! Keys, the nodes of an organisation, and what siblings disagree about.

use serde::{Deserialize, Serialize};

use super::{OrgInfo, OrgRef};
use crate::certificate::Role;
use crate::ids::{DocName, NodeId, OrgId};

/// `POST /v1/orgs/use`: which organisation commands mean unless they name another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UseOrg {
    /// One of this node's.
    pub org: String,
}

/// `POST /v1/orgs/hand-over`: gives a hosted organisation to a node of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HandOver {
    /// The new node, by its full id; `fingerpost status` shows it there.
    pub to: NodeId,
}

/// A line that only the node it is made for can read: the delegation to write for an organisation, for a
/// hand-over with the root key. It is used there with `POST /v1/nodes/join`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pass {
    /// The line.
    pub pass: String,
    /// For which organisation.
    pub organisation: OrgRef,
    /// For which node.
    pub node: NodeId,
    /// What it may write.
    pub role: Role,
}

/// `POST /v1/nodes/join`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UsePass {
    /// The line.
    pub pass: String,
}

/// `POST /v1/orgs/rekey`: the organisation goes on under a new root key, and so a new id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rekey {
    /// The organisation's name, as confirmation.
    pub confirm: String,
}

/// An organisation has a new key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rekeyed {
    /// Its id under the old key.
    pub old: OrgId,
    /// The organisation under the new key.
    pub organisation: OrgInfo,
}

/// `GET /v1/nodes`: the nodes of an organisation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Nodes {
    /// Whose.
    pub organisation: OrgRef,
    /// The nodes, this one first, those that were revoked last.
    pub nodes: Vec<NodeInfo>,
}

/// A node of an organisation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeInfo {
    /// Which.
    pub node: NodeId,
    /// The short form, for people.
    pub short: String,
    /// What it may write.
    pub role: Role,
    /// Since when.
    pub since_s: u64,
    /// When it was revoked, if it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_at_s: Option<u64>,
    /// Whether it is this very node.
    pub this: bool,
    /// Whether it is connected now.
    pub connected: bool,
    /// When a session with it was last finished.
    pub last_exchange_s: Option<u64>,
    /// When the latest record of it that is held was issued.
    pub last_written_s: Option<u64>,
}

/// `POST /v1/nodes`: lets another node write for the organisation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddNode {
    /// Which, by its full id; `fingerpost status` shows it there.
    pub node: NodeId,
    /// What it may write.
    pub role: Role,
}

/// `POST /v1/nodes/revoke`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RevokeNode {
    /// Which, by its id in full or in short.
    pub node: String,
}

/// A node may write for the organisation no longer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revoked {
    /// Which.
    pub node: NodeId,
    /// Whether it had been revoked before: nothing was done then.
    pub already: bool,
    /// Its last record of each document that still counts.
    pub last: Vec<LastCounted>,
}

/// The last record of one document that still counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastCounted {
    /// Which document.
    pub document: DocName,
    /// The record's number.
    pub seq: u64,
    /// When it was issued, if it is held itself and not only contained in another.
    pub issued_at_s: Option<u64>,
}

/// `POST /v1/keys/export`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExportKey {
    /// Protects the file.
    pub passphrase: String,
}

/// A root key as a file in the age format, encrypted with a passphrase.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyFile {
    /// Whose.
    pub organisation: OrgRef,
    /// The file's content: ASCII armour.
    pub file: String,
}

/// A root key as 24 words (BIP-39, English), to be written on paper.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyWords {
    /// Whose.
    pub organisation: OrgRef,
    /// The words, in order.
    pub words: Vec<String>,
}

/// A root key, as it was kept.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeptKey {
    /// The words of `fingerpost key print`, with spaces between them.
    Words(String),
    /// The file of `fingerpost key export`.
    File {
        /// Its content.
        file: String,
        /// What protects it.
        passphrase: String,
    },
}

/// `POST /v1/keys/import`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportKey {
    /// The key.
    pub key: KeptKey,
}

/// `POST /v1/restore`: brings an organisation back from its peers, on a new machine.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restore {
    /// A ticket of any member: it says where the network is, and is not used up.
    pub ticket: String,
    /// The organisation's root key.
    pub key: KeptKey,
}

/// How far the restoring has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restored {
    /// The organisation; its documents go on coming in by themselves.
    pub organisation: OrgInfo,
    /// Documents that are back with their history.
    pub with_history: Vec<DocName>,
    /// Documents of which peers hold the state alone, so that their history begins anew.
    pub without_history: Vec<DocName>,
    /// Whether all that the peers know of is back.
    pub complete: bool,
    /// What it means, in one sentence.
    pub summary: String,
}

/// `GET /v1/conflicts`: what siblings wrote differently at one time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Conflicts {
    /// Whose documents.
    pub organisation: OrgRef,
    /// Fields with more than one value.
    pub conflicts: Vec<ConflictInfo>,
    /// Records of siblings whose edits are not merged yet.
    pub unmerged: Vec<Unmerged>,
}

/// One field with more than one value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ConflictInfo {
    /// Names it for `conflicts resolve`; the same on every node for as long as the conflict stands.
    pub id: String,
    /// In which document.
    pub document: DocName,
    /// What it is about, for people: the name of the service, or the kind of document.
    pub about: String,
    /// The field, with the fields within its service that lead to it, joined with `/`.
    pub field: String,
    /// The values, the one that is shown first.
    pub values: Vec<ConflictValue>,
}

/// One of the values of a field.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ConflictValue {
    /// The value.
    pub value: serde_json::Value,
    /// Who wrote it, as the history has it.
    pub who: String,
    /// When.
    pub at_s: u64,
}

/// A sibling's record whose edits are not merged yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unmerged {
    /// Which document.
    pub document: DocName,
    /// Who wrote it.
    pub node: NodeId,
    /// When it was issued.
    pub issued_at_s: u64,
    /// Why, in plain words.
    pub reason: String,
}

/// `POST /v1/conflicts/resolve`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resolve {
    /// Which conflict.
    pub id: String,
    /// Which of its values to keep, from 1, in the order of the list.
    pub keep: usize,
}
