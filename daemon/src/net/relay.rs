//! What this node offers as a relay, and its bounds.
//!
//! A node that cannot be called reserves a place at one that can, and is called there. What passes is encrypted
//! between its two ends: the relay sees who talks with whom, how much, and when. Nodes of members alone may
//! reserve. Whoever knows of such a place may knock there, as at any node's own door: an applicant, too, must get to
//! the one that invited it.

use std::collections::HashSet;
use std::num::NonZeroU32;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use libp2p::{Multiaddr, PeerId, relay};

/// Most places that are reserved at one time.
pub(super) const RESERVATIONS_MAX: usize = 128;
/// Most places of one node: a second, so that it can come back before the first is known to be gone.
pub(super) const RESERVATIONS_PER_NODE_MAX: usize = 2;
/// For how long a place is reserved; whoever uses it renews it in time.
const RESERVED_FOR: Duration = Duration::from_secs(60 * 60);
/// Most connections that pass through at one time, and most that one node begins.
pub(super) const CIRCUITS_MAX: usize = 64;
pub(super) const CIRCUITS_PER_NODE_MAX: usize = 8;
/// How long one may last: as long as two of the longest exchanges.
const CIRCUIT_FOR: Duration = Duration::from_secs(30 * 60);
/// How much may pass through one, in bytes of both directions. To join a network of 10,000 organisations takes some 15 MB; an
/// exchange that is cut short here goes on in the next.
const CIRCUIT_MAX_BYTES: u64 = 64 * 1024 * 1024;
/// How many connections one node, and one address, may begin at once, and after how long one more.
const BEGUN_PER_NODE: (u32, Duration) = (64, Duration::from_secs(20));
const BEGUN_PER_ADDRESS: (u32, Duration) = (256, Duration::from_secs(5));
/// The same for reservations.
const RESERVED_PER_NODE: (u32, Duration) = (16, Duration::from_secs(60));

/// The nodes that may reserve. Clones are the same set.
#[derive(Debug, Clone, Default)]
pub(super) struct Members(Arc<RwLock<HashSet<PeerId>>>);

impl Members {
    pub(super) fn set(&self, members: HashSet<PeerId>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = members;
    }

    pub(super) fn holds(&self, peer: &PeerId) -> bool {
        let members = self.0.read().unwrap_or_else(PoisonError::into_inner);
        members.contains(peer)
    }
}

/// The relay. It is closed until it is told otherwise.
pub(super) fn behaviour(own: PeerId, members: Members) -> relay::Behaviour {
    let config = relay::Config {
        max_reservations: RESERVATIONS_MAX,
        // libp2p lets in one more than it is told.
        max_reservations_per_peer: RESERVATIONS_PER_NODE_MAX - 1,
        reservation_duration: RESERVED_FOR,
        reservation_rate_limiters: vec![Box::new(
            move |peer: PeerId, _: &Multiaddr, _: Instant| members.holds(&peer),
        )],
        max_circuits: CIRCUITS_MAX,
        max_circuits_per_peer: CIRCUITS_PER_NODE_MAX - 1,
        max_circuit_duration: CIRCUIT_FOR,
        max_circuit_bytes: CIRCUIT_MAX_BYTES,
        circuit_src_rate_limiters: Vec::new(),
    };
    let at_least_one = |count| NonZeroU32::new(count).unwrap_or(NonZeroU32::MIN);
    let (reserved, begun, of_address) = (RESERVED_PER_NODE, BEGUN_PER_NODE, BEGUN_PER_ADDRESS);
    let config = config
        .reservation_rate_per_peer(at_least_one(reserved.0), reserved.1)
        .circuit_src_per_peer(at_least_one(begun.0), begun.1)
        .circuit_src_per_ip(at_least_one(of_address.0), of_address.1);
    let mut behaviour = relay::Behaviour::new(own, config);
    behaviour.set_status(Some(relay::Status::Disable));
    behaviour
}
