//! Networks: charters, tickets, vouches, objections, leaving and succession.

use serde::{Deserialize, Serialize};

use super::OrgRef;
use crate::card::Pause;
use crate::ids::{CharterId, InviteId, NetworkId, OrgId};
use crate::roster::Place;

/// A network that this node takes part in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkInfo {
    /// Its id.
    pub id: NetworkId,
    /// The short form, for people.
    pub short: String,
    /// Its name.
    pub name: String,
    /// Where the organisation that asked, or the first of this node, stands; `None` if nowhere.
    pub place: Option<Place>,
    /// How many members there are, as this node sees it.
    pub members: usize,
    /// How many vouches are needed.
    pub vouches_needed: u32,
    /// What is being waited for, in plain words, if anything.
    pub waiting_for: Option<String>,
    /// When an exchange with a member's node was last finished; only in the status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_exchange_s: Option<u64>,
    /// Things in this network that wait for a word of this node's organisations, in plain words.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub asks: Vec<String>,
}

/// `POST /v1/networks`: found a network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Found {
    /// Its name.
    pub name: String,
    /// The text that members accept; may be empty.
    #[serde(default)]
    pub charter: String,
    /// How many members must vouch for a newcomer, from 1.
    #[serde(default = "one")]
    pub vouches: u32,
    /// Other founders, by full id: members without anybody's vouch as soon as they accept the charter.
    /// There must be as many founders as vouches are needed, or nobody could ever be admitted.
    #[serde(default)]
    pub founders: Vec<OrgId>,
}

fn one() -> u32 {
    1
}

/// `POST /v1/networks/preview` and `/v1/networks/join`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UseTicket {
    /// The ticket.
    pub ticket: String,
    /// Whether the charter is accepted; joining needs `true`.
    #[serde(default)]
    pub accept_charter: bool,
    /// The charter's line of a bundle, where no node of the network can be reached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub charter: Option<String>,
}

/// What a ticket invites to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CharterView {
    /// The network.
    pub network: NetworkId,
    /// Its name.
    pub name: String,
    /// The text to accept.
    pub charter: String,
    /// How many vouches are needed.
    pub vouches_needed: u32,
    /// Who invites.
    pub invited_by: OrgId,
    /// Until when the ticket can be used.
    pub expires_at_s: u64,
}

/// `POST /v1/networks/leave`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leave {
    /// Which network; may be left out if there is only one.
    #[serde(default)]
    pub network: Option<String>,
    /// The network's name, as confirmation.
    pub confirm: String,
}

/// A network was left.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Left {
    /// Which.
    pub network: NetworkId,
    /// Its name.
    pub name: String,
    /// Whether it had been left before: nothing was done then.
    pub already: bool,
    /// How many connected nodes were told at once.
    pub told: usize,
}

/// `GET /v1/charter`: the text in force, how it came about, and what is proposed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CharterStatus {
    /// The network.
    pub network: NetworkId,
    /// Its name by the text in force.
    pub name: String,
    /// The text in force.
    pub text: String,
    /// How many vouches it asks for.
    pub vouches_needed: u32,
    /// Its id.
    pub in_force: CharterId,
    /// Those on whom admission rests: the founders, or those who accepted the amendment in force.
    pub anchors: Vec<OrgRef>,
    /// How many members have a voice in amendments and objections.
    pub voices: usize,
    /// The amendments that came into force, oldest first.
    pub adopted: Vec<Proposal>,
    /// The amendments of the text in force that are proposed.
    pub proposed: Vec<Proposal>,
}

/// An amendment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proposal {
    /// Its id.
    pub id: CharterId,
    /// The short form, for people.
    pub short: String,
    /// In which network.
    pub network: NetworkId,
    /// The network's name by it.
    pub name: String,
    /// The text.
    pub text: String,
    /// How many vouches it asks for.
    pub vouches_needed: u32,
    /// Who proposed it.
    pub proposed_by: OrgRef,
    /// When.
    pub proposed_at_s: u64,
    /// Who accepts it, and since when.
    pub accepted: Vec<AcceptedBy>,
    /// How many acceptances it needs; 0 once it is in force.
    pub needed: usize,
    /// Whether it is the text in force, or came before it.
    pub in_force: bool,
}

/// Who accepts an amendment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AcceptedBy {
    /// Who.
    #[serde(flatten)]
    pub org: OrgRef,
    /// Since when, if its card says so.
    pub at_s: Option<u64>,
}

/// `POST /v1/charter/propose`: a new text. What is left out stays as it is. The proposer accepts it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Propose {
    /// Which network; may be left out if there is only one.
    #[serde(default)]
    pub network: Option<String>,
    /// A new name for the network.
    #[serde(default)]
    pub name: Option<String>,
    /// A new text.
    #[serde(default)]
    pub text: Option<String>,
    /// How many vouches a newcomer needs from then on.
    #[serde(default)]
    pub vouches: Option<u32>,
}

/// `POST /v1/charter/accept`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Accept {
    /// Which network; may be left out if there is only one.
    #[serde(default)]
    pub network: Option<String>,
    /// Which amendment, by its id in full or in short; may be left out if only one is proposed.
    #[serde(default)]
    pub amendment: Option<String>,
}

/// `POST /v1/invitations`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invite {
    /// Which network; may be left out if there is only one.
    #[serde(default)]
    pub network: Option<String>,
    /// For how long it can be used.
    pub valid_s: u64,
    /// For whom it is, or why; seen on this node alone.
    #[serde(default)]
    pub note: Option<String>,
}

/// An invitation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invited {
    /// One line to be handed on.
    pub ticket: String,
    /// Names it, for the list and to cancel it.
    pub id: InviteId,
    /// To which network.
    pub network: NetworkId,
    /// Its name.
    pub name: String,
    /// Until when it can be used.
    pub expires_at_s: u64,
}

/// `GET /v1/invitations`: the invitations that this node made, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invitations {
    /// The invitations.
    pub invitations: Vec<InvitationInfo>,
}

/// What became of an invitation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum InvitationState {
    /// It can be used.
    Open,
    /// It was used.
    Used,
    /// It was cancelled before it was used.
    Cancelled,
    /// Its time is over, and nobody used it.
    Expired,
}

/// An invitation that this node made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InvitationInfo {
    /// Names it.
    pub id: InviteId,
    /// The short form, for people.
    pub short: String,
    /// To which network.
    pub network: NetworkId,
    /// Its name.
    pub name: String,
    /// For whom it is, or why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// When it was made.
    pub issued_at_s: u64,
    /// Until when it can be used.
    pub expires_at_s: u64,
    /// What became of it.
    pub state: InvitationState,
    /// Who used it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub used_by: Option<OrgRef>,
    /// Others that used it too: it counts for one, and these wait for a vouch.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub also_used_by: Vec<OrgRef>,
}

/// `POST /v1/invitations/cancel`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CancelInvitation {
    /// Its id in full or in short, or the ticket itself.
    pub invitation: String,
}

/// `GET /v1/members`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Members {
    /// The network.
    pub network: NetworkId,
    /// Its name.
    pub name: String,
    /// Everybody that the network knows of.
    pub members: Vec<Member>,
}

/// One organisation in a network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// The organisation.
    #[serde(flatten)]
    pub org: OrgRef,
    /// The short form of its id, for people.
    pub short: String,
    /// Where it stands.
    pub place: Place,
    /// Whether its word counts in objections and amendments.
    pub has_voice: bool,
    /// Whether it is a member without anybody's vouch: it founded the network or accepted the terms in force.
    pub anchor: bool,
    /// Who vouches for it.
    pub vouched_by: Vec<VouchInfo>,
    /// Who objects to it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub objections: Vec<ObjectionInfo>,
    /// With how many objections that count it is removed; 0 if nobody objects.
    #[serde(default)]
    pub objections_needed: usize,
    /// Since when it accepts the charter, if its card says so.
    pub since_s: Option<u64>,
    /// When a session with one of its nodes was last finished.
    pub last_exchange_s: Option<u64>,
    /// Whether one of its nodes is connected now.
    pub connected: bool,
    /// How many services of it this node holds.
    pub services: usize,
    /// Whether the latest that this node has heard of its listing is held in full.
    pub latest_held: bool,
    /// The pause that it is in today, or the next one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub away: Option<Pause>,
    /// What comes after it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub succession: Option<SucceededBy>,
    /// Whether this node blocks it.
    pub blocked: bool,
    /// Whether it is held by this very node.
    pub own: bool,
}

/// A vouch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VouchInfo {
    /// Who vouches.
    #[serde(flatten)]
    pub org: OrgRef,
    /// What it wants the others to know.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Whether it is by invitation.
    pub by_invitation: bool,
    /// Whether it counts: not if the voucher is not admitted, or if the invitation counts for another.
    pub counts: bool,
}

/// An objection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectionInfo {
    /// Who objects.
    #[serde(flatten)]
    pub org: OrgRef,
    /// Why.
    pub reason: String,
    /// Since when.
    pub at_s: u64,
    /// Whether it counts: whether the objector has a say in this.
    pub counts: bool,
}

/// `GET /v1/waiting`: who has asked to join, and who vouches.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waiting {
    /// The network.
    pub network: NetworkId,
    /// Its name.
    pub name: String,
    /// How many vouches are needed.
    pub vouches_needed: u32,
    /// Those that wait, longest first.
    pub applicants: Vec<Applicant>,
}

/// An organisation that waits to be admitted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Applicant {
    /// The organisation.
    #[serde(flatten)]
    pub org: OrgRef,
    /// The short form of its id, for people.
    pub short: String,
    /// Since when it accepts the charter, if its card says so.
    pub since_s: Option<u64>,
    /// Who vouches for it.
    pub vouched_by: Vec<VouchInfo>,
    /// Who has vouched for it on a card of its own, but it does not carry the vouch yet.
    pub on_the_way: Vec<OrgRef>,
    /// How many vouches it lacks.
    pub missing: u32,
    /// If it used an invitation that counts for another: for which.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invitation_used_by: Option<OrgRef>,
}

/// `POST /v1/vouches`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VouchFor {
    /// Which network; may be left out if there is only one.
    #[serde(default)]
    pub network: Option<String>,
    /// For whom.
    pub subject: String,
    /// What the others should know.
    #[serde(default)]
    pub note: Option<String>,
}

/// `POST /v1/objections`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Object {
    /// Which network; may be left out if there is only one.
    #[serde(default)]
    pub network: Option<String>,
    /// To whom.
    pub subject: String,
    /// Why, for every member to read.
    pub reason: String,
}

/// `POST /v1/objections/withdraw`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Withdraw {
    /// Which network; may be left out if there is only one.
    #[serde(default)]
    pub network: Option<String>,
    /// To whom the objection was.
    pub subject: String,
}

/// An organisation has said something about another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Said {
    /// In which network.
    pub network: NetworkId,
    /// Its name.
    pub name: String,
    /// About whom.
    pub subject: OrgRef,
    /// Whether it had been said before: nothing was done then.
    pub already: bool,
    /// Where the subject stands now, as far as this node can tell.
    pub place: Option<Place>,
    /// What it means, in one sentence.
    pub summary: String,
}

/// `GET /v1/blocks`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Blocks {
    /// The organisations that this node neither takes nor shows.
    pub blocked: Vec<OrgRef>,
    /// Whether the request changed anything.
    #[serde(default)]
    pub changed: bool,
}

/// `POST /v1/blocks`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Block {
    /// Whom.
    pub subject: String,
    /// Whether it is to be blocked.
    pub block: bool,
}

/// `POST /v1/away`: a pause, or its end.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Away {
    /// The first day, as `YYYY-MM-DD`; today if absent.
    #[serde(default)]
    pub from: Option<String>,
    /// The last day, as `YYYY-MM-DD`. Absent: the organisation is back, and pauses that have not ended are over.
    #[serde(default)]
    pub until: Option<String>,
    /// What people should know, such as whom to ask meanwhile.
    #[serde(default)]
    pub note: Option<String>,
}

/// The pauses on an organisation's card that have not ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pauses {
    /// Whose.
    pub organisation: OrgRef,
    /// The pauses, in order.
    pub pauses: Vec<Pause>,
}

/// What comes after an organisation.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SucceededBy {
    /// It goes on under this id: its key was changed, or lost and replaced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub now: Option<OrgRef>,
    /// It became part of this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub merged_into: Option<OrgRef>,
    /// Its last day, as `YYYY-MM-DD`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closes_on: Option<String>,
    /// Where the people it served can turn.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub clients_to: Vec<OrgRef>,
}

/// `POST /v1/close`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Close {
    /// Its last day, as `YYYY-MM-DD`. Absent: it does not close after all.
    #[serde(default)]
    pub on: Option<String>,
    /// Where the people it served can turn.
    #[serde(default)]
    pub clients_to: Vec<String>,
    /// The organisation's name, as confirmation.
    pub confirm: String,
}

/// `POST /v1/succession/merge`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Merge {
    /// Into which organisation. Absent: it does not merge after all.
    #[serde(default)]
    pub into: Option<String>,
    /// The organisation's name, as confirmation.
    pub confirm: String,
}

/// What an organisation says comes after it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Closing {
    /// Which organisation.
    pub organisation: OrgRef,
    /// What comes after it; nothing if it goes on.
    pub succession: SucceededBy,
    /// Whether it had said so before: nothing was done then.
    pub already: bool,
}

/// `POST /v1/succession/propose`: says that the organisation that asks goes on for another, which has lost
/// its root key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// Which network; may be left out if there is only one.
    #[serde(default)]
    pub network: Option<String>,
    /// The organisation that lost its key.
    pub old: String,
    /// Whether to take the claim back.
    #[serde(default)]
    pub withdraw: bool,
}

/// `POST /v1/succession/sign`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignSuccession {
    /// Which network; may be left out if there is only one.
    #[serde(default)]
    pub network: Option<String>,
    /// The organisation that lost its key.
    pub old: String,
    /// Who goes on for it; may be left out if only one claims to.
    #[serde(default)]
    pub new: Option<String>,
    /// Whether to take the signature back.
    #[serde(default)]
    pub withdraw: bool,
}

/// `GET /v1/succession`: who claims to go on for whom, and who has gone on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Successions {
    /// The network.
    pub network: NetworkId,
    /// Its name.
    pub name: String,
    /// The claims.
    pub successions: Vec<SuccessionInfo>,
}

/// How far one claim has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SuccessionInfo {
    /// The organisation that lost its key.
    pub old: OrgRef,
    /// Who claims to go on for it.
    pub new: OrgRef,
    /// Those who have a say in it: who vouches for the old one.
    pub voters: Vec<OrgRef>,
    /// Those of them who have signed.
    pub signed: Vec<OrgRef>,
    /// How many must sign.
    pub needed: usize,
    /// Whether the new one stands in the place of the old.
    pub complete: bool,
}
