//! What can go wrong with a request, in words that a person can act on.

use fingerpost_proto::api::{ApiError, ErrorCode};
use fingerpost_proto::documents::DocumentError;
use fingerpost_proto::replica::{PublishError, Refusal, ReplicaError};

use crate::keys::KeyError;
use crate::search::SearchError;
use crate::store::StoreError;

/// A failed request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeError(pub ApiError);

impl NodeError {
    fn new(code: ErrorCode, message: impl Into<String>, hint: Option<String>) -> Self {
        Self(ApiError {
            code,
            message: message.into(),
            hint,
        })
    }

    /// The input is wrong.
    pub fn bad_input(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::new(ErrorCode::BadInput, message, Some(hint.into()))
    }

    /// There is no such thing.
    pub fn not_found(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::new(ErrorCode::NotFound, message, Some(hint.into()))
    }

    /// It cannot be done as things stand.
    pub fn refused(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::new(ErrorCode::Refused, message, Some(hint.into()))
    }

    /// Something in this node failed.
    pub fn internal(what: impl std::fmt::Display) -> Self {
        Self::new(
            ErrorCode::Internal,
            format!("this node failed: {what}; what was saved before is kept"),
            Some(
                "look at the daemon's log; if the disk is full, make room, restart the daemon and try again"
                    .into(),
            ),
        )
    }
}

impl std::fmt::Display for NodeError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl From<ReplicaError<StoreError>> for NodeError {
    fn from(error: ReplicaError<StoreError>) -> Self {
        Self::internal(error)
    }
}

impl From<StoreError> for NodeError {
    fn from(error: StoreError) -> Self {
        Self::internal(error)
    }
}

impl From<KeyError> for NodeError {
    fn from(error: KeyError) -> Self {
        Self::internal(error)
    }
}

impl From<DocumentError> for NodeError {
    fn from(error: DocumentError) -> Self {
        Self::internal(error)
    }
}

impl From<SearchError> for NodeError {
    fn from(error: SearchError) -> Self {
        match error {
            SearchError::Query(message) => Self::bad_input(message, "change the search"),
            error => Self::internal(error),
        }
    }
}

impl From<PublishError<StoreError>> for NodeError {
    fn from(error: PublishError<StoreError>) -> Self {
        match error {
            PublishError::Replica(error) => error.into(),
            PublishError::Refused(refusal) => refusal.into(),
            PublishError::Record(error) => Self::refused(
                format!("the change cannot be published: {error}; nothing was changed"),
                "too many machines have written this document; ask on the project's page",
            ),
        }
    }
}

impl From<Refusal> for NodeError {
    fn from(refusal: Refusal) -> Self {
        Self::refused(
            format!("the change breaks a rule: {refusal}; nothing was changed"),
            "make it smaller, or mend what the message names",
        )
    }
}
