//! Backup and restore, erasing for good, and the checks of `fingerpost doctor`.

use serde::{Deserialize, Serialize};

use super::{OrgRef, Restored};
use crate::ids::{DocName, NodeId};

/// `POST /v1/backup?org=`: everything that brings this node's organisations back, in one file.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MakeBackup {
    /// Protects the file.
    pub passphrase: String,
}

/// A backup, encrypted with a passphrase in the age format.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupFile {
    /// The file's content: ASCII armour.
    pub file: String,
    /// What is in it.
    pub contents: BackupContents,
}

/// `POST /v1/backup/check`, and `POST /v1/backup/restore`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UseBackup {
    /// The content of the file.
    pub file: String,
    /// What protects it.
    pub passphrase: String,
}

/// What a backup holds; nothing in here is secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupContents {
    /// When it was made.
    pub made_at_s: u64,
    /// The node that made it.
    pub node: NodeId,
    /// The version of the program that made it.
    pub version: String,
    /// The organisations in it.
    pub organisations: Vec<BackedUp>,
    /// The names of the networks that it knows the way to.
    pub networks: Vec<String>,
    /// Whether it holds a settings file.
    pub settings: bool,
}

/// One organisation in a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackedUp {
    /// Which.
    pub organisation: OrgRef,
    /// Whether its root key is in the backup. Without it, another machine cannot write for it.
    pub root_key: bool,
    /// How many documents.
    pub documents: usize,
    /// How many services its listing has.
    pub services: usize,
}

/// How far a restore from a backup has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestoredBackup {
    /// When the backup was made.
    pub made_at_s: u64,
    /// The organisations that are back, or on their way.
    pub organisations: Vec<Restored>,
    /// Organisations that this node cannot write for until a node with their root key lets it in.
    pub need_pass: Vec<OrgRef>,
    /// What else the admin should know, one sentence each.
    pub notes: Vec<String>,
    /// Whether all that the peers know of is back.
    pub complete: bool,
}

/// How a check went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// All is well.
    Ok,
    /// It works, and something should be looked at.
    Warning,
    /// Something does not work.
    Failure,
}

/// One check of `fingerpost doctor`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// What was looked at, in one word.
    pub name: String,
    /// How it went.
    pub outcome: Outcome,
    /// What was found, in words.
    pub found: String,
    /// What to do, unless all is well.
    pub remedy: Option<String>,
}

/// `GET /v1/doctor`, and what `fingerpostd --doctor` prints.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkup {
    /// The version of the daemon.
    pub version: String,
    /// The checks, in a fixed order.
    pub checks: Vec<Check>,
}

/// `POST /v1/erase?org=`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Erase {
    /// Ids of services, contacts, phones, places, needs and whatever else has one.
    pub ids: Vec<String>,
    /// Let go of the history of the listing and the needs, though nothing in them is named.
    pub history: bool,
    /// The organisation's name, as confirmation.
    pub confirm: String,
}

/// What was erased, with its history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Erased {
    /// Whose it was.
    pub organisation: OrgRef,
    /// The ids.
    pub ids: Vec<String>,
    /// The documents whose history begins anew.
    pub documents: Vec<DocName>,
    /// What a person should know of.
    pub notes: Vec<String>,
}
