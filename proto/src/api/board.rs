//! The board: notices, replies, signatures; and keeping entries right: confirmations, reports, what is due.

use serde::{Deserialize, Serialize};

use super::OrgRef;
use crate::board::edit::Content;

/// `GET /v1/notices?org=&kind=&area=&mine=&all=`: newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notices {
    /// The organisation that looks: it sees what is meant for a network that it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub organisation: Option<OrgRef>,
    /// The notices.
    pub notices: Vec<NoticeView>,
}

/// A notice, and whose it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NoticeView {
    /// Its id.
    pub id: String,
    /// Whose it is.
    pub organisation: OrgRef,
    /// `need`, `offer` and so on.
    pub kind: String,
    /// One line.
    pub title: String,
    /// The whole of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Areas that it concerns.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub areas: Vec<String>,
    /// Languages that it concerns.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub languages: Vec<String>,
    /// When it was put up, `YYYY-MM-DD`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub posted: Option<String>,
    /// Last day on which it is shown, `YYYY-MM-DD`.
    pub expires: String,
    /// When what it tells of begins: a day, or a day with a time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub starts: Option<String>,
    /// When that ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ends: Option<String>,
    /// The names of the networks that it is meant for; none means all of its organisation's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub networks: Vec<String>,
    /// Whether it stands, or why it does not.
    pub state: NoticeState,
    /// Whether it is of an organisation of this node.
    pub own: bool,
    /// How many replies there are.
    pub replies: usize,
    /// How many organisations besides its own sign it as it stands.
    pub signatures: usize,
}

/// Whether a notice stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NoticeState {
    /// It stands.
    Open,
    /// Its owner has closed it.
    Closed,
    /// Its time is over.
    Expired,
}

/// `GET /v1/notices/{id}?org=`: a notice with what others say to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NoticeDetail {
    /// The notice.
    pub notice: NoticeView,
    /// The replies, the oldest first.
    pub replies: Vec<ReplyView>,
    /// Who signs it.
    pub signed_by: Vec<SignatureView>,
    /// What pins the wording that is shown: `POST /v1/notices/{id}/sign` names it.
    pub text_hash: String,
    /// When the record that vouches for it was issued, in seconds since 1970-01-01 UTC.
    pub issued_at_s: u64,
}

/// A reply to a notice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplyView {
    /// Its id.
    pub id: String,
    /// Who replies.
    pub organisation: OrgRef,
    /// What.
    pub text: String,
    /// When, `YYYY-MM-DD`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub posted: Option<String>,
}

/// A signature of a statement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignatureView {
    /// Who signs.
    pub organisation: OrgRef,
    /// When, `YYYY-MM-DD`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub posted: Option<String>,
    /// Whether the statement still says what was signed. If not, the signature does not count.
    pub current: bool,
}

/// `POST /v1/notices?org=` and `PATCH /v1/notices/{id}?org=`: what the notice is to say. Networks by name or id.
pub type NoticeContent = Content;

/// What an edit of a board did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Posted {
    /// The organisation whose board it is.
    pub organisation: OrgRef,
    /// The notice that it concerns, as it is now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notice: Option<NoticeView>,
    /// The id of the entry that was written: of the notice, the reply, or the report.
    pub id: String,
    /// Whether anything was changed.
    pub changed: bool,
}

/// `POST /v1/notices/{id}/replies?org=`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PostReply {
    /// The answer.
    pub text: String,
}

/// `POST /v1/notices/{id}/sign?org=`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sign {
    /// The wording that the signer has read, as [`NoticeDetail::text_hash`]; the one that stands where absent.
    #[serde(default)]
    pub text_hash: Option<String>,
    /// Take the signature back instead.
    #[serde(default)]
    pub withdraw: bool,
}

/// `POST /v1/assure?org=`: say that entries are right.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Assure {
    /// Ids of services, or names that only one of them has.
    #[serde(default)]
    pub services: Vec<String>,
    /// All services of the listing that are not marked as ended.
    #[serde(default)]
    pub all: bool,
}

/// `POST /v1/reports?org=`: say of another organisation's service that its entry is wrong, or right.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PostReport {
    /// Id of the service.
    pub service: String,
    /// Who publishes it, where several do under this id.
    #[serde(default)]
    pub organisation: Option<String>,
    /// What is wrong; nothing to confirm that the entry is right.
    #[serde(default)]
    pub wrong: Option<String>,
}

/// What others say of a service, each organisation counted once.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Findings {
    /// How many organisations used it and say that the entry is right.
    pub confirmed: usize,
    /// When the last of them said so, `YYYY-MM-DD`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirmed_on: Option<String>,
    /// What organisations say is wrong, and the owner has not looked at since.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reports: Vec<ReportView>,
}

/// A report about a service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportView {
    /// Who reports.
    pub organisation: OrgRef,
    /// What is wrong.
    pub text: String,
    /// When, `YYYY-MM-DD`.
    pub posted: String,
}

/// `GET /v1/due?org=&days=`: what an organisation should look at, the most pressing first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Due {
    /// Whose.
    pub organisation: OrgRef,
    /// After how many days an entry is due.
    pub days: u32,
    /// The services.
    pub services: Vec<DueService>,
    /// How many services the listing has that are not marked as ended.
    pub of: usize,
}

/// A service that its organisation should look at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DueService {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// When it was last assured, `YYYY-MM-DD`, if ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assured_date: Option<String>,
    /// How many days ago that was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub age_days: Option<i64>,
    /// What others say of it.
    pub findings: Findings,
}
