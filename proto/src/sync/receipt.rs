//! What a session did, and what is remembered of it.

use std::collections::BTreeMap;

use minicbor::{Decode, Encode};

use crate::cbor;
use crate::ids::{NodeId, OrgId};
use crate::record::Hash;
use crate::replica::{Replica, ReplicaError};
use crate::storage::{Storage, Table};

/// What a session did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stats {
    /// Items received that were new.
    pub accepted: u64,
    /// Items received, by reason of refusal.
    pub refused: BTreeMap<&'static str, u64>,
    /// Items received that this node does not want to hold, by reason: that is nobody's fault.
    pub declined: BTreeMap<&'static str, u64>,
    /// Items sent.
    pub sent: u64,
    /// Rounds of reconciliation, over both scopes.
    pub rounds: u32,
    /// Bytes of frames received, after decompression.
    pub received_bytes: u64,
    /// Bytes of frames sent, before compression.
    pub sent_bytes: u64,
    /// Bytes of states that were read and left out, since the peer does not follow them.
    pub spared_bytes: u64,
}

/// What is remembered of the last finished session with a peer.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Receipt {
    /// When, in seconds since 1970-01-01 UTC.
    #[n(0)]
    pub at_s: u64,
    /// Of each of this node's organisations that the peer may see: the [`Replica::fingerprint`] of what
    /// the peer held when the session ended.
    #[n(1)]
    pub held: Vec<(OrgId, Hash)>,
}

/// The receipts of all peers, by node.
///
/// # Errors
/// [`ReplicaError`].
pub fn receipts<S: Storage>(
    replica: &Replica<S>,
) -> Result<BTreeMap<NodeId, Receipt>, ReplicaError<S::Error>> {
    let mut receipts = BTreeMap::new();
    replica
        .storage()
        .scan(Table::Receipts, &[], &mut |key, value| {
            if let (Ok(node), Ok(receipt)) = (key.try_into(), cbor::from_slice(value)) {
                receipts.insert(NodeId::from_bytes(node), receipt);
            }
            true
        })?;
    Ok(receipts)
}
