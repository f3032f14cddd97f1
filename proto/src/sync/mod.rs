//! Sync: two nodes bring each other up to date, whatever either has missed.
//!
//! ```text
//! initiator                          responder
//! Hello{version, nonce}        →
//!                              ←     Hello{version, nonce}
//! Networks{tags}               →                            (a stranger learns no more than the version)
//!                              ←     Networks{shared tags, known}
//! Introduce{own cards, known}  →                            (only if either side does not know the other)
//!                              ←     Introduce{own cards, known}
//! Open{Cards, count, message}  →
//!                              ←     Reconcile{message}     (until the initiator knows what differs;
//! Reconcile{message}           →                             or SendAll, or everything at once)
//! Want{ids} Items… Done{Cards} →
//!                              ←     Items… Done{Cards}
//! Follow{…}                    →                            (only who does not follow everything; Spared{…} goes with Items)
//! Open{Rest, …}                →                            (the same again, for members)
//!                              ←     Follow{…}
//! Open{Sealed, …}              →                            (and again, for those who keep them)
//! Receipt{…}                   →
//!                              ←     Receipt{…}
//! ```
//!
//! A [`Session`] is a state machine without I/O: frames go in through [`Session::handle_frame`], and
//! [`Session::poll_frame`] gives the next frame to send, made only when the transport has room for it.
//! Every accepted item is kept at once, so a session that is cut loses nothing: the next one finds less to do.

mod charter;
mod error;
mod exchange;
mod follow;
mod frame;
mod incoming;
mod introduction;
mod inventory;
mod outbox;
mod receipt;
mod session;
#[cfg(test)]
mod tests;

pub use charter::FetchedCharter;
pub use error::SessionError;
pub use follow::{Followed, Spared};
pub use frame::{Farewell, Frame, FrameError, SaltedId, Scope, Tag, VERSION};
pub use incoming::Incoming;
pub use receipt::{Receipt, Stats, receipts};
pub use session::Session;

use crate::ids::NetworkId;

/// What a session is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Bring each other up to date.
    Sync,
    /// Read the charter of a network, before deciding to join it.
    Charter(NetworkId),
}
