//! The types of the local API, which the daemon serves and every program on the same machine may use.
//!
//! HTTP and JSON over a Unix socket, under `/v1`. Identifiers are texts in full form; wherever a request
//! names an organisation or a network, the short form, or a name that only one of them has, will do.
//! Times are seconds since 1970-01-01 UTC. Fields may be added in later versions; none changes meaning.
//!
//! Every request says `Host: fingerpost`, and one that changes something `Content-Type: application/json`, or
//! [`BUNDLE_TYPE`] for a bundle: so that no page in a browser can make it. Anything else is refused with status 403.
//!
//! | request | body | answer |
//! |---|---|---|
//! | `GET /v1/status` | | [`Status`] |
//! | `GET /v1/orgs` | | [`Organisations`] |
//! | `POST /v1/orgs` | [`CreateOrg`] | [`OrgInfo`] |
//! | `POST /v1/listing/import?org=&replace=&dry_run=` | the file, as it is | [`Edited`] |
//! | `GET /v1/listing?org=` | | [`ListingView`] |
//! | `GET /v1/listing/history?org=` | | [`History`] |
//! | `POST /v1/listing/undo?org=` | | [`Edited`] |
//! | `POST /v1/services?org=` | [`Fields`] | [`Edited`] |
//! | `PATCH /v1/services/{id}?org=` | [`Fields`] | [`Edited`] |
//! | `DELETE /v1/services/{id}?org=` | | [`Edited`] |
//! | `GET /v1/search?text=&kind=&organisation=&limit=&offset=` | | [`SearchPage`] |
//! | `GET /v1/entries/{id}` | | [`EntryView`] |
//! | `POST /v1/orgs/use` | [`UseOrg`] | [`OrgInfo`] |
//! | `POST /v1/orgs/hand-over?org=` | [`HandOver`] | [`Pass`] |
//! | `POST /v1/orgs/rekey?org=` | [`Rekey`] | [`Rekeyed`] |
//! | `GET /v1/conflicts?org=` | | [`Conflicts`] |
//! | `POST /v1/conflicts/resolve?org=` | [`Resolve`] | [`Edited`] |
//! | `GET /v1/nodes?org=` | | [`Nodes`] |
//! | `POST /v1/nodes?org=` | [`AddNode`] | [`Pass`] |
//! | `POST /v1/nodes/join` | [`UsePass`] | [`OrgInfo`] |
//! | `POST /v1/nodes/revoke?org=` | [`RevokeNode`] | [`Revoked`] |
//! | `POST /v1/keys/export?org=` | [`ExportKey`] | [`KeyFile`] |
//! | `POST /v1/keys/words?org=` | | [`KeyWords`] |
//! | `POST /v1/keys/import` | [`ImportKey`] | [`OrgInfo`] |
//! | `POST /v1/restore` | [`Restore`] | [`Restored`] |
//! | `POST /v1/backup?org=` | [`MakeBackup`] | [`BackupFile`] |
//! | `POST /v1/backup/check` | [`UseBackup`] | [`BackupContents`] |
//! | `POST /v1/backup/restore` | [`UseBackup`] | [`RestoredBackup`] |
//! | `POST /v1/erase?org=` | [`Erase`] | [`Erased`] |
//! | `GET /v1/export?text=&organisation=&area=&offset=` | | [`ExportPage`] |
//! | `GET /v1/duplicates?org=` | | [`Duplicates`] |
//! | `GET /v1/bundle?network=&since_s=` | | a bundle, as a stream |
//! | `POST /v1/bundle` | a bundle, of the type [`BUNDLE_TYPE`] | [`ImportedBundle`] |
//! | `GET /v1/doctor` | | [`Checkup`] |
//! | `GET /v1/peers` | | [`Peers`] |
//! | `POST /v1/peers` | [`AddPeer`] | [`AddedPeer`] |
//! | `POST /v1/ping` | [`Ping`] | [`Pinged`] |
//! | `GET /metrics` | | text in the format of Prometheus |
//! | `POST /v1/networks?org=` | [`Found`] | [`NetworkInfo`] |
//! | `POST /v1/networks/preview` | [`UseTicket`] | [`CharterView`] |
//! | `POST /v1/networks/join?org=` | [`UseTicket`] | [`NetworkInfo`] |
//! | `POST /v1/networks/leave?org=` | [`Leave`] | [`Left`] |
//! | `GET /v1/charter?network=` | | [`CharterStatus`] |
//! | `POST /v1/charter/propose?org=` | [`Propose`] | [`Proposal`] |
//! | `POST /v1/charter/accept?org=` | [`Accept`] | [`Proposal`] |
//! | `GET /v1/invitations?org=&network=` | | [`Invitations`] |
//! | `POST /v1/invitations?org=` | [`Invite`] | [`Invited`] |
//! | `POST /v1/invitations/cancel?org=` | [`CancelInvitation`] | [`InvitationInfo`] |
//! | `GET /v1/members?network=` | | [`Members`] |
//! | `GET /v1/waiting?network=` | | [`Waiting`] |
//! | `POST /v1/vouches?org=` | [`VouchFor`] | [`Said`] |
//! | `POST /v1/objections?org=` | [`Object`] | [`Said`] |
//! | `POST /v1/objections/withdraw?org=` | [`Withdraw`] | [`Said`] |
//! | `GET /v1/blocks` | | [`Blocks`] |
//! | `POST /v1/blocks` | [`Block`] | [`Blocks`] |
//! | `POST /v1/away?org=` | [`Away`] | [`Pauses`] |
//! | `POST /v1/close?org=` | [`Close`] | [`Closing`] |
//! | `POST /v1/succession/merge?org=` | [`Merge`] | [`Closing`] |
//! | `GET /v1/succession?network=` | | [`Successions`] |
//! | `POST /v1/succession/propose?org=` | [`Claim`] | [`SuccessionInfo`] |
//! | `POST /v1/succession/sign?org=` | [`SignSuccession`] | [`SuccessionInfo`] |
//! | `GET /v1/notices?org=&kind=&area=&mine=&all=` | | [`Notices`] |
//! | `POST /v1/notices?org=` | [`NoticeContent`] | [`Posted`] |
//! | `GET /v1/notices/{id}?org=` | | [`NoticeDetail`] |
//! | `PATCH /v1/notices/{id}?org=` | [`NoticeContent`] | [`Posted`] |
//! | `POST /v1/notices/{id}/close?org=` | | [`Posted`] |
//! | `POST /v1/notices/{id}/replies?org=` | [`PostReply`] | [`Posted`] |
//! | `POST /v1/notices/{id}/sign?org=` | [`Sign`] | [`Posted`] |
//! | `GET /v1/board/history?org=` | | [`History`] |
//! | `POST /v1/board/undo?org=` | | [`Posted`] |
//! | `POST /v1/assure?org=` | [`Assure`] | [`Edited`] |
//! | `GET /v1/due?org=&days=` | | [`Due`] |
//! | `GET /v1/seats?org=` | | [`Seats`] |
//! | `POST /v1/seats?org=` | [`AddSeat`] | [`Seats`] |
//! | `POST /v1/seats/remove?org=` | [`RemoveSeat`] | [`Seats`] |
//! | `GET /v1/map?peers=` | | [`MapView`] |
//! | `GET /v1/digest?org=&days=&mine=` | | [`Digest`] |
//! | `GET /v1/calendar?org=&mine=` | | [`Calendar`] |
//! | `GET /v1/matches?org=` | | [`Matches`] |
//! | `GET /v1/twins?org=&where=` | | [`Twins`] |
//! | `POST /v1/reports?org=` | [`PostReport`] | [`Posted`] |
//! | `GET /v1/records?org=&document=` | | [`Records`] |
//! | `POST /v1/records` | [`Records`] | [`Delivered`] |
//!
//! A request that fails is answered with [`ApiError`] and a status of 400 (bad input), 404 (no such
//! thing), 409 (refused as things stand), or 500 (this node's fault).

mod board;
mod bundle;
mod digest;
mod exchange;
mod follow;
mod map;
mod matching;
mod membership;
mod nodes;
mod operating;
mod reach;
mod search;

use serde::{Deserialize, Serialize};

use crate::card::{Identifier, Pause};
use crate::certificate::Role;
use crate::ids::{NodeId, OrgId, RecordId};
use crate::listing::Changes;

pub use board::*;
pub use bundle::*;
pub use digest::*;
pub use exchange::*;
pub use follow::*;
pub use map::*;
pub use matching::*;
pub use membership::*;
pub use nodes::*;
pub use operating::*;
pub use reach::*;
pub use search::*;

/// Version of the JSON documents that the command line prints.
pub const FORMAT: u32 = 1;

/// Why a request failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiError {
    /// What kind of failure.
    pub code: ErrorCode,
    /// What happened, and what was kept, in plain words.
    pub message: String,
    /// What to do next.
    pub hint: Option<String>,
}

/// What kind of failure; decides the exit code of the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorCode {
    /// The input is wrong.
    BadInput,
    /// There is no such thing here.
    NotFound,
    /// It cannot be done as things stand.
    Refused,
    /// Something in this node failed.
    Internal,
}

/// An organisation, by id and name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrgRef {
    /// Its id.
    pub id: OrgId,
    /// Its name, or its short id where the name is not known.
    pub name: String,
}

/// `GET /v1/status`: how this node is doing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// One sentence for people.
    pub headline: String,
    /// This node.
    pub node: NodeId,
    /// Version of the program.
    pub version: String,
    /// Since when it has been running.
    pub started_at_s: u64,
    /// Addresses at which it listens, with its peer id.
    pub addresses: Vec<String>,
    /// Whether others can reach it.
    #[serde(default)]
    pub reachability: Reachability,
    /// The organisations that it holds.
    pub organisations: Vec<OrgStatus>,
    /// The networks that it takes part in.
    pub networks: Vec<NetworkInfo>,
    /// The nodes that it knows.
    pub peers: Vec<PeerInfo>,
    /// What it lacks.
    pub lacking: Lacking,
    /// What is just coming in, if that is much.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub catching_up: Option<CatchingUp>,
    /// How the store is.
    pub store: StoreHealth,
    /// How the search index is.
    pub index: IndexHealth,
    /// Things that a person should look at, in plain words.
    pub warnings: Vec<String>,
    /// How often peers' items were refused since the start, by reason.
    pub refused: std::collections::BTreeMap<String, u64>,
    /// What sync has carried since the start.
    #[serde(default)]
    pub traffic: Traffic,
    /// The bundle that was imported last, if any was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_bundle: Option<LastBundle>,
}

/// What sync sessions have carried since the daemon started, as compressed on the wire.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Traffic {
    /// Sessions that came to their end.
    pub sessions: u64,
    /// Bytes sent.
    pub sent_bytes: u64,
    /// Bytes received.
    pub received_bytes: u64,
    /// Of both, the bytes that went over a relay.
    #[serde(default)]
    pub relayed_bytes: u64,
}

/// An organisation of this node, and who holds its latest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OrgStatus {
    /// The organisation.
    #[serde(flatten)]
    pub org: OrgInfo,
    /// Nodes of other members in its networks that are known.
    pub nodes_known: usize,
    /// Of those, how many hold its latest, as far as this node can tell.
    pub nodes_with_latest: usize,
    /// When any of them was last seen to hold the latest.
    pub last_exchange_s: Option<u64>,
}

/// An organisation that this node holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrgInfo {
    /// Its id.
    pub id: OrgId,
    /// The short form, for people.
    pub short: String,
    /// Its name.
    pub name: String,
    /// Its numbers in public registers.
    pub identifiers: Vec<Identifier>,
    /// How many entries its listing has.
    pub services: usize,
    /// In how many documents.
    pub shards: usize,
    /// What this node may write for it.
    pub role: Role,
    /// Whether this node holds its root key.
    pub root_key: bool,
    /// Whether commands mean it unless they name another.
    pub current: bool,
    /// Whether its card is here. If not, it comes back from the network with the next exchange.
    pub present: bool,
}

/// `GET /v1/orgs`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Organisations {
    /// The organisations that this node holds.
    pub organisations: Vec<OrgInfo>,
}

/// `POST /v1/orgs`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreateOrg {
    /// Its name.
    pub name: String,
    /// Its numbers in public registers, such as `GB-CHC-1234567`.
    #[serde(default)]
    pub identifiers: Vec<String>,
}

/// A node that this node knows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerInfo {
    /// The node.
    pub node: NodeId,
    /// The organisations that it speaks for.
    pub organisations: Vec<OrgRef>,
    /// Whether there is a connection now.
    pub connected: bool,
    /// The address of the connection, or the last one known.
    pub address: Option<String>,
    /// When the last session with it was finished.
    pub last_exchange_s: Option<u64>,
    /// Whether it holds the latest of all organisations of this node that it may see.
    pub has_latest: bool,
}

/// What is just coming in from a node that has much of what this one lacked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CatchingUp {
    /// That node.
    pub node: NodeId,
    /// For whom it speaks.
    pub organisations: Vec<OrgRef>,
    /// Since when, in seconds since 1970-01-01 UTC.
    pub since_s: u64,
    /// How many updates were taken in so far.
    pub items: u64,
    /// How many members there are by what is known so far.
    pub members: usize,
}

/// What this node lacks.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lacking {
    /// Records whose state has not arrived.
    pub states: usize,
    /// Members of whom no listing is held; of many, only some.
    pub listings: Vec<OrgRef>,
    /// How many they are.
    #[serde(default)]
    pub listings_count: usize,
    /// Members with whose nodes no session was ever finished; of many, only some.
    pub never_met: Vec<OrgRef>,
    /// How many they are.
    #[serde(default)]
    pub never_met_count: usize,
}

/// How the store is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoreHealth {
    /// Documents held.
    pub documents: usize,
    /// Size on disk.
    pub size_bytes: u64,
    /// If a damaged store was set aside when the node started: where it is now.
    pub set_aside: Option<String>,
}

/// How the search index is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IndexHealth {
    /// Entries that can be found.
    pub entries: u64,
    /// Whether everything that is held can be found already.
    pub ready: bool,
}

/// What an edit did.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Edited {
    /// The organisation whose listing it is.
    pub organisation: OrgRef,
    /// What changed; nothing if the listing was like that already.
    pub changes: Changes,
    /// One line for people.
    pub summary: String,
    /// The records that were published, if anything changed.
    pub records: Vec<RecordId>,
    /// The id of the service that was added, if one was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// Things in the input that a person should know of.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// `POST` or `PATCH /v1/services`: fields by HSDS name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fields {
    /// Name and value; an empty value removes an optional field.
    pub fields: Vec<(String, String)>,
}

/// `GET /v1/listing`: a listing as this node shows it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ListingView {
    /// Whose.
    pub organisation: OrgRef,
    /// The listing in Open Referral terms: an organisation with its services.
    pub listing: serde_json::Value,
    /// When the newest of its records was issued.
    pub issued_at_s: Option<u64>,
    /// Whether a newer record is known whose state is missing.
    pub outdated: bool,
}

/// `GET /v1/listing/history`: newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct History {
    /// Whose listing.
    pub organisation: OrgRef,
    /// The changes.
    pub entries: Vec<HistoryItem>,
}

/// One change of a listing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HistoryItem {
    /// Names the operation, which may have touched several documents.
    pub operation: String,
    /// When.
    pub at_s: u64,
    /// Who: the user of this machine that asked for it.
    pub who: String,
    /// What, in plain words.
    pub what: String,
    /// The documents that it touched.
    pub documents: Vec<String>,
}

/// `GET /v1/entries/{id}`: a service or an organisation, who says so, and how old our copy is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EntryView {
    /// The id.
    pub id: String,
    /// What it is.
    pub kind: EntryKind,
    /// Its name.
    pub name: String,
    /// Who publishes it.
    pub organisation: OrgRef,
    /// Its content in Open Referral terms.
    pub content: serde_json::Value,
    /// When it was last assured, if it says.
    pub assured_date: Option<String>,
    /// When the record that vouches for it was issued.
    pub issued_at_s: u64,
    /// The node that signed that record.
    pub signed_by: NodeId,
    /// The record.
    pub record: RecordId,
    /// The networks in which its organisation is a member.
    pub networks: Vec<String>,
    /// Whether siblings have published different versions that are not merged yet.
    pub conflict: bool,
    /// The pause that the organisation is in today, or the next one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub away: Option<Pause>,
    /// What comes after the organisation, if it merged, closes, or goes on under another key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub succession: Option<SucceededBy>,
    /// The id that was asked for, where this is the entry of whoever goes on for that organisation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub followed_from: Option<String>,
    /// Whether a newer version is known whose content has not arrived.
    pub outdated: bool,
    /// Who assured it, if it says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assured_by: Option<String>,
    /// What other organisations say of a service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub findings: Option<Findings>,
}

/// `GET` and `POST /v1/records`: items as they are carried between nodes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Records {
    /// The items.
    pub items: Vec<RecordItem>,
}

/// One record with what is needed to check it; all three in standard base64.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordItem {
    /// The signed record.
    pub record: String,
    /// The delegation of the node that signed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delegation: Option<String>,
    /// The state's bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
}

/// What became of delivered items.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivered {
    /// One for each item, in order.
    pub outcomes: Vec<DeliveryOutcome>,
}

/// What became of one delivered item.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "outcome")]
pub enum DeliveryOutcome {
    /// New, and kept.
    Accepted,
    /// Held already.
    AlreadyKnown,
    /// Contained in something that is held.
    Dominated,
    /// Refused.
    Refused {
        /// The fixed name of the reason.
        reason: String,
        /// The reason in words.
        message: String,
    },
}
