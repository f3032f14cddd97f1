//! Why a session ends early.

use super::frame::{Farewell, FrameError, VERSION};
use crate::limits;
use crate::replica::ReplicaError;

/// Why a session ended early. What was accepted until then is kept.
#[derive(Debug, thiserror::Error)]
pub enum SessionError<E: std::error::Error> {
    /// This node's store failed.
    #[error(transparent)]
    Replica(#[from] ReplicaError<E>),
    /// The peer speaks another version of the protocol.
    #[error("the peer speaks version {0} of the sync protocol, this node version {VERSION}")]
    OtherVersion(u32),
    /// The peer sent bytes that are not a frame.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// The peer sent a frame where it has no place.
    #[error("the peer sent a frame out of order")]
    OutOfOrder,
    /// The peer's reconciliation makes no sense.
    #[error("the peer's reconciliation message is wrong: {0}")]
    Reconcile(negentropy::Error),
    /// The peer's reconciliation does not end.
    #[error(
        "the reconciliation took more than {} rounds",
        limits::RECONCILE_ROUNDS_MAX
    )]
    TooManyRounds,
    /// The peer sent more than a session may carry.
    #[error("the peer sent more than a session may carry")]
    TooManyBytes,
    /// The peer ended the session.
    #[error("the peer ended the session: {0:?}")]
    Farewell(Farewell),
    /// The peer's charter is not the one that was asked for.
    #[error("the peer's charter is wrong: {0}")]
    Charter(#[from] crate::charter::CharterError),
}
