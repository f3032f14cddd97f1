//! Why something that a peer sent is refused.

use crate::card::CardError;
use crate::certificate::{CertificateError, Role};
use crate::charter::CharterError;
use crate::ids::{DocName, NodeId, OrgId};
use crate::listing::StateError;
use crate::record::{RecordError, SignedRecordError};
use crate::signed::SignedError;

/// The typed reason of a refusal.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Refusal {
    /// The record's bytes or signature are wrong.
    #[error("the record: {0}")]
    Signed(#[from] SignedError),
    /// The record's content breaks a rule.
    #[error("the record: {0}")]
    Record(#[from] RecordError),
    /// The delegation's bytes or signature are wrong.
    #[error("the delegation: {0}")]
    BadDelegation(SignedError),
    /// The statement or its delegation is wrong.
    #[error("the statement: {0}")]
    Certificate(#[from] CertificateError),
    /// The node was never delegated by the organisation.
    #[error("{node:?} is not delegated to write for {org:?}")]
    NotDelegated {
        /// For whom it claims to write.
        org: OrgId,
        /// The node.
        node: NodeId,
    },
    /// The delegation did not hold when the record was issued.
    #[error("the delegation of {0:?} did not hold when this was issued")]
    DelegationNotValid(NodeId),
    /// The node's role does not let it write this document.
    #[error("an {role:?} may not write the {document}")]
    RoleForbids {
        /// The role.
        role: Role,
        /// The document.
        document: DocName,
    },
    /// Too many nodes write for one organisation.
    #[error("more nodes than one organisation may have")]
    TooManyNodes,
    /// Dated further ahead of our clock than clocks may differ.
    #[error("dated {0} seconds ahead of this node's clock")]
    FromTheFuture(u64),
    /// The state is not the one that the record vouches for.
    #[error("the state does not match its record")]
    StateMismatch,
    /// The state of a listing breaks a limit or a rule.
    #[error("the listing: {0}")]
    Listing(#[from] StateError),
    /// The state of a card breaks a limit or a rule.
    #[error("the card: {0}")]
    Card(#[from] CardError),
    /// The state of a board breaks a limit or a rule.
    #[error("the board: {0}")]
    Board(StateError),
    /// Of an organisation that is in none of this node's networks.
    #[error("{0:?} is not a member of any network of this node")]
    NotAMember(OrgId),
    /// Of an organisation that has left, from before it left.
    #[error("{0:?} has left")]
    HasLeft(OrgId),
    /// More undominated records of one document than are kept.
    #[error("too many concurrent records of one document")]
    TooManyConcurrent,
    /// More applicants than one network holds.
    #[error("too many organisations are waiting to join this network")]
    TooManyApplicants,
    /// The text of an amendment breaks a rule.
    #[error("the amendment: {0}")]
    Charter(#[from] CharterError),
    /// More amendments of one organisation that nobody accepts than are kept.
    #[error("too many amendments of one organisation wait for acceptance")]
    TooManyAmendments,
    /// By a node whose right to write has ended, after the last record that counts.
    #[error("{0:?} may write for its organisation no longer")]
    Revoked(NodeId),
    /// Of an organisation that this node has blocked.
    #[error("this node has blocked {0:?}")]
    Blocked(OrgId),
    /// More bytes of one organisation than are held: less of a member without a voice, to whom a second member's
    /// vouch gives one.
    #[error("more bytes of {0:?} than are held of one organisation")]
    OverQuota(OrgId),
    /// This node has no room on its disk for more of others.
    #[error("this node has no room for more of others")]
    NoRoom,
    /// A sealed document over the limit.
    #[error("a sealed document is over the limit of {} KiB", crate::limits::SEALED_MAX_BYTES / 1024)]
    SealedTooLarge,
}

impl Refusal {
    /// A short fixed name, for counters.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Signed(SignedError::BadSignature(_)) => "bad_signature",
            Self::Signed(SignedError::TooLarge) => "record_too_large",
            Self::Signed(SignedError::Malformed(_)) => "malformed",
            Self::Record(_) => "bad_record",
            Self::BadDelegation(_) => "bad_delegation",
            Self::Certificate(_) => "bad_certificate",
            Self::NotDelegated { .. } => "not_delegated",
            Self::DelegationNotValid(_) => "delegation_not_valid",
            Self::RoleForbids { .. } => "role_forbids",
            Self::TooManyNodes => "too_many_nodes",
            Self::FromTheFuture(_) => "from_the_future",
            Self::StateMismatch => "state_mismatch",
            Self::Listing(_) => "bad_listing",
            Self::Card(_) => "bad_card",
            Self::Board(_) => "bad_board",
            Self::NotAMember(_) => "not_a_member",
            Self::HasLeft(_) => "has_left",
            Self::TooManyConcurrent => "too_many_concurrent",
            Self::TooManyApplicants => "too_many_applicants",
            Self::Charter(_) => "bad_charter",
            Self::TooManyAmendments => "too_many_amendments",
            Self::Revoked(_) => "revoked",
            Self::Blocked(_) => "blocked",
            Self::OverQuota(_) => "over_quota",
            Self::NoRoom => "no_room",
            Self::SealedTooLarge => "sealed_too_large",
        }
    }

    /// Whether an honest, up-to-date sender could not have sent this: gossip that carries it is
    /// rejected, and counts against the sender. All else may be a matter of who knows what already.
    pub fn is_senders_fault(&self) -> bool {
        !matches!(
            self,
            Self::NotAMember(_)
                | Self::HasLeft(_)
                | Self::NotDelegated { .. }
                | Self::FromTheFuture(_)
                | Self::TooManyApplicants
                | Self::TooManyAmendments
                | Self::Revoked(_)
                | Self::Blocked(_)
                | Self::OverQuota(_)
                | Self::NoRoom
                | Self::Charter(CharterError::UnknownFormat(_))
                | Self::TooManyConcurrent
                | Self::TooManyNodes
                | Self::Record(RecordError::UnknownFormat(_))
                | Self::Card(CardError::UnknownFormat(_))
                | Self::Listing(StateError::UnknownFormat { .. })
                | Self::Board(StateError::UnknownFormat { .. })
                | Self::Certificate(CertificateError::UnknownFormat(_))
        )
    }
}

impl From<SignedRecordError> for Refusal {
    fn from(error: SignedRecordError) -> Self {
        match error {
            SignedRecordError::Signed(error) => Self::Signed(error),
            SignedRecordError::Record(error) => Self::Record(error),
        }
    }
}
