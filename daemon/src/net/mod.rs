//! The network: libp2p, behind a handle and a few events.
//!
//! [`start`] runs the swarm in a task of its own. The node talks to it through [`Net`], which can be
//! cloned, and hears from it through [`NetEvent`]s and [`IncomingStreams`]. A node's identity here is
//! its [`NodeId`]: the Ed25519 key that is also its libp2p identity.
//!
//! Nothing waits for the node: the task takes commands and serves connections however slowly events
//! are taken out. Gossip that is not judged in time is let go, news of connections that came and
//! went unheard is folded away, and everything else has a bound over which it is dropped.

mod addresses;
mod codec;
mod dropped;
mod gossip;
mod guard;
mod handle;
mod listen;
mod outbox;
mod peers;
mod probe;
mod reach;
mod relay;
mod requests;
mod streams;
mod swarm;
mod task;
#[cfg(test)]
mod tests;
mod wanted;

use fingerpost_config::NetworkSettings;
use fingerpost_proto::ids::{NetworkId, NodeId};
use libp2p::PeerId;
use libp2p::gossipsub::MessageId;
use zeroize::Zeroize;

pub use addresses::{is_public_address, range_of_addresses, read_address};
pub use codec::{CodecError, FrameReceiver, FrameSender, frames, frames_with_idle, send_alone};
pub use dropped::Dropped;
pub use gossip::{Acceptance, PENDING_MAX};
pub use handle::{IncomingStreams, Net, start};
pub use peers::{Path, Peer, Relaying};
pub use streams::{OpenError, PROTOCOL, Stream};
pub use wanted::{ADDRESSES_KEPT_MAX, WANTED_MAX};

/// What [`start`] needs to know.
pub struct NetOptions {
    /// The secret seed of the node's key. It is wiped after use.
    pub seed: [u8; 32],
    /// How to reach others and be reached.
    pub settings: NetworkSettings,
    /// The program and its version, as other nodes are told.
    pub agent: String,
}

impl Drop for NetOptions {
    fn drop(&mut self) {
        self.seed.zeroize();
    }
}

/// Something that happened on the network.
#[derive(Debug)]
pub enum NetEvent {
    /// The first connection with a node is up.
    Connected {
        /// Which node.
        node: NodeId,
        /// Its address on this connection.
        address: String,
        /// Whether we called it.
        outbound: bool,
    },
    /// The last connection with a node is gone.
    Disconnected {
        /// Which node.
        node: NodeId,
    },
    /// A piece of gossip, which waits for [`Net::report`].
    Gossip {
        /// Names it in the report.
        message: MessageRef,
        /// Who passed it to us. That need not be its author.
        from: NodeId,
        /// The network it came in.
        network: NetworkId,
        /// What it says: at most `limits::GOSSIP_MAX_BYTES`.
        bytes: Vec<u8>,
    },
    /// A node told us about itself.
    Identified {
        /// Which node.
        node: NodeId,
        /// Where it says that it can be reached; at most [`ADDRESSES_KEPT_MAX`].
        addresses: Vec<String>,
    },
    /// A node was found on the local network. It is being called.
    Found {
        /// Which node.
        node: NodeId,
        /// Where; at most [`ADDRESSES_KEPT_MAX`].
        addresses: Vec<String>,
    },
    /// This node can be reached at one more address.
    Listening {
        /// The address.
        address: String,
    },
    /// Where others can reach this node is not what it was: see [`Net::external_addresses`] and
    /// [`Net::relayed_addresses`], and where it listens.
    AddressesChanged,
    /// Something that the node's owner should know and may want to change.
    Warning(String),
    /// A call to a node came to nothing. Wanted nodes are called again.
    DialFailed {
        /// Which node, when that was known.
        node: Option<NodeId>,
        /// Why.
        reason: String,
    },
}

/// Names a piece of gossip that waits for judgement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageRef {
    id: MessageId,
    source: PeerId,
}

/// Why the network did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum NetError {
    /// None of the addresses in the settings can be listened on.
    #[error(
        "cannot listen on any address in network.listen: {0}. Nothing was started. Change the \
         setting, or stop the program that holds these ports."
    )]
    Listen(String),
    /// A text is no address.
    #[error("\"{address}\" is not an address such as /ip4/192.0.2.1/tcp/7787")]
    Address {
        /// The text, at most 200 characters of it.
        address: String,
    },
    /// The seed is not a usable key.
    #[error("the node's key cannot be used: {0}")]
    Key(String),
    /// The network could not be set up.
    #[error("the network could not be set up: {0}")]
    Setup(String),
    /// The network has been shut down.
    #[error("the network has been shut down")]
    Closed,
    /// A message is over the limit of gossip. Let sync carry it.
    #[error("a message of {bytes} bytes is too large for gossip")]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
    /// A message was not sent to anybody. Sync carries it later.
    #[error("the message was not sent: {0}")]
    NotSent(String),
    /// No stream was opened.
    #[error(transparent)]
    Open(#[from] OpenError),
}
