//! Calling other nodes.

use std::time::{Duration, Instant};

use fingerpost_proto::ids::NodeId;
use libp2p::swarm::DialError;
use libp2p::swarm::dial_opts::{DialOpts, PeerCondition};
use libp2p::{Multiaddr, PeerId};

use super::Task;
use crate::net::addresses::{is_relayed, relay_of};
use crate::net::{NetEvent, listen, peers, swarm};

/// Most calls to wanted nodes that begin at once.
const CALLS_AT_ONCE_MAX: usize = 16;
/// How long calls are put off when there are connections enough.
const FULL_PAUSE: Duration = Duration::from_secs(30);

impl Task {
    pub(super) fn call_wanted(&mut self, now: Instant) {
        let has_room = self.connections() < swarm::incoming_max(self.max_connections);
        for (node, addresses) in self.wanted.take_due(now, CALLS_AT_ONCE_MAX) {
            if !has_room {
                self.wanted.put_off(&node, now + FULL_PAUSE);
            } else if let Err(error) = self.call(&node, addresses) {
                tracing::debug!(?node, "cannot call: {error}");
                self.wanted.on_failed(&node, now, jitter());
            }
        }
    }

    pub(super) fn connections(&self) -> u32 {
        self.swarm
            .network_info()
            .connection_counters()
            .num_connections()
    }

    pub(super) fn call(
        &mut self,
        node: &NodeId,
        mut addresses: Vec<Multiaddr>,
    ) -> Result<(), DialError> {
        let Some(peer) = peers::peer_id(node) else {
            return Err(DialError::NoAddresses);
        };
        // Whoever has a place here is connected, or cannot be reached through it.
        addresses.retain(|address| relay_of(address) != Some(self.node));
        // Several are called at a time; the direct ones are among the first.
        addresses.sort_by_key(is_relayed);
        let options = DialOpts::peer_id(peer)
            .condition(PeerCondition::DisconnectedAndNotDialing)
            .addresses(addresses)
            // Two nodes that call each other from their listening ports at once would meet in one
            // connection that each believes it made.
            .allocate_new_port()
            .build();
        match self.swarm.dial(options) {
            Err(DialError::DialPeerConditionFalse(_)) => Ok(()),
            outcome => outcome,
        }
    }

    pub(super) fn dial(
        &mut self,
        node: Option<NodeId>,
        mut addresses: Vec<Multiaddr>,
    ) -> Result<(), DialError> {
        if node == Some(self.node) {
            return Err(DialError::LocalPeerId {
                address: Multiaddr::empty(),
            });
        }
        if let Some(node) = node {
            let mut all = addresses;
            for known in self.wanted.addresses(&node) {
                if !all.contains(&known) {
                    all.push(known);
                }
            }
            return self.call(&node, all);
        }
        // A relay has to be told whom to call.
        addresses.retain(|address| !is_relayed(address));
        if addresses.is_empty() {
            return Err(DialError::NoAddresses);
        }
        for address in addresses {
            let options = DialOpts::unknown_peer_id()
                .address(address)
                .allocate_new_port()
                .build();
            self.swarm.dial(options)?;
        }
        Ok(())
    }

    pub(super) fn on_dial_failed(&mut self, peer: Option<PeerId>, error: &DialError) {
        let node = peer.as_ref().and_then(peers::node_id);
        let reason = dial_reason(error);
        tracing::debug!(?node, "a call came to nothing: {reason}");
        if let Some(node) = &node {
            self.wanted.on_failed(node, Instant::now(), jitter());
        }
        self.emit(NetEvent::DialFailed { node, reason });
    }
}

/// Random, so that nodes do not act in step. Without entropy they do; nothing else depends on it.
pub(super) fn jitter() -> u32 {
    getrandom::u32().unwrap_or(u32::MAX / 2)
}

/// What went wrong with a call, in a line.
pub(super) fn dial_reason(error: &DialError) -> String {
    match error {
        DialError::LocalPeerId { .. } => "it is this node".to_owned(),
        DialError::NoAddresses => "no address is known".to_owned(),
        DialError::WrongPeerId { .. } => "another node answers at this address".to_owned(),
        DialError::Denied { cause } => cause.to_string(),
        DialError::Transport(tried) => {
            let mut texts = Vec::new();
            for (address, error) in tried.iter().take(4) {
                let address = peers::without_peer(address.clone());
                texts.push(format!("{address}: {}", listen::innermost(error)));
            }
            texts.join("; ")
        }
        other => other.to_string(),
    }
}
