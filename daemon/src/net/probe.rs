//! Finding out whether this node can be called, by asking others to call it (AutoNAT v2), and answering when they ask.
//!
//! libp2p's own two halves do the work. What is added are bounds: only addresses that lead through the internet are
//! tried, so that nobody can make this node call a printer in its office, and only so many of them.

use std::collections::HashSet;
use std::task::{Context, Poll};

use libp2p::autonat::v2::{client, server};
use libp2p::core::Endpoint;
use libp2p::core::transport::PortUse;
use libp2p::swarm::{
    ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, NewExternalAddrCandidate,
    THandler, THandlerInEvent, THandlerOutEvent, ToSwarm,
};
use libp2p::{Multiaddr, PeerId};

use super::addresses::{is_public, is_relayed};

/// Most addresses that others are asked to try until the next start. Others say under which they see this node.
const TRIED_MAX: usize = 64;
/// Most calls that others have asked for and that are not over.
const CALLS_MAX: usize = 16;

fn may_be_tried(address: &Multiaddr) -> bool {
    is_public(address) && !is_relayed(address)
}

/// Asks. See the module.
#[derive(Default)]
pub(super) struct Asking {
    inner: client::Behaviour,
    tried: HashSet<Multiaddr>,
}

impl Asking {
    fn is_worth_trying(&mut self, address: &Multiaddr) -> bool {
        may_be_tried(address)
            && (self.tried.contains(address)
                || self.tried.len() < TRIED_MAX && self.tried.insert(address.clone()))
    }
}

impl NetworkBehaviour for Asking {
    type ConnectionHandler = THandler<client::Behaviour>;
    type ToSwarm = <client::Behaviour as NetworkBehaviour>::ToSwarm;

    fn handle_established_inbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        local: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.inner
            .handle_established_inbound_connection(connection, peer, local, remote)
    }

    fn handle_established_outbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        address: &Multiaddr,
        role: Endpoint,
        port: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.inner
            .handle_established_outbound_connection(connection, peer, address, role, port)
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        match event {
            FromSwarm::NewExternalAddrCandidate(candidate) => {
                if self.is_worth_trying(candidate.addr) {
                    self.inner.on_swarm_event(event);
                }
            }
            FromSwarm::NewListenAddr(listen) if self.is_worth_trying(listen.addr) => {
                // A machine with an address of its own that calls nobody is told it by nobody.
                let candidate = NewExternalAddrCandidate { addr: listen.addr };
                self.inner
                    .on_swarm_event(FromSwarm::NewExternalAddrCandidate(candidate));
                self.inner.on_swarm_event(event);
            }
            event => self.inner.on_swarm_event(event),
        }
    }

    fn on_connection_handler_event(
        &mut self,
        peer: PeerId,
        connection: ConnectionId,
        event: THandlerOutEvent<Self>,
    ) {
        self.inner
            .on_connection_handler_event(peer, connection, event);
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        self.inner.poll(cx)
    }
}

/// Answers. See the module.
#[derive(Default)]
pub(super) struct Answering {
    inner: server::Behaviour,
    calls: HashSet<ConnectionId>,
}

/// Why a call that another node asked for is not made.
#[derive(Debug, thiserror::Error)]
#[error("nobody is called at such an address for another")]
struct NotForOthers;

impl NetworkBehaviour for Answering {
    type ConnectionHandler = THandler<server::Behaviour>;
    type ToSwarm = <server::Behaviour as NetworkBehaviour>::ToSwarm;

    fn handle_pending_outbound_connection(
        &mut self,
        connection: ConnectionId,
        _: Option<PeerId>,
        addresses: &[Multiaddr],
        _: Endpoint,
    ) -> Result<Vec<Multiaddr>, ConnectionDenied> {
        let is_asked_for = self.calls.contains(&connection);
        if is_asked_for && (self.calls.len() > CALLS_MAX || !addresses.iter().all(may_be_tried)) {
            return Err(ConnectionDenied::new(NotForOthers));
        }
        Ok(Vec::new())
    }

    fn handle_established_inbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        local: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.inner
            .handle_established_inbound_connection(connection, peer, local, remote)
    }

    fn handle_established_outbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        address: &Multiaddr,
        role: Endpoint,
        port: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.calls.remove(&connection);
        self.inner
            .handle_established_outbound_connection(connection, peer, address, role, port)
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        if let FromSwarm::DialFailure(failure) = &event {
            self.calls.remove(&failure.connection_id);
        }
        self.inner.on_swarm_event(event);
    }

    fn on_connection_handler_event(
        &mut self,
        peer: PeerId,
        connection: ConnectionId,
        event: THandlerOutEvent<Self>,
    ) {
        self.inner
            .on_connection_handler_event(peer, connection, event);
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        let polled = self.inner.poll(cx);
        if let Poll::Ready(ToSwarm::Dial { opts }) = &polled {
            self.calls.insert(opts.connection_id());
        }
        polled
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_so_many_addresses_are_tried_and_none_of_an_office() {
        let mut asking = Asking::default();
        let office: Multiaddr = "/ip4/192.168.1.2/tcp/1".parse().unwrap();
        assert!(!asking.is_worth_trying(&office));
        let public = |port: usize| format!("/ip4/203.0.113.9/tcp/{port}").parse().unwrap();
        for port in 0..TRIED_MAX {
            assert!(asking.is_worth_trying(&public(port)));
        }
        assert!(!asking.is_worth_trying(&public(TRIED_MAX)));
        assert!(asking.is_worth_trying(&public(0)), "it is known already");
    }

    #[test]
    fn nobody_is_called_in_an_office_because_another_asked() {
        let mut answering = Answering::default();
        let [asked, own] = [1, 2].map(ConnectionId::new_unchecked);
        answering.calls.insert(asked);
        let office: Multiaddr = "/ip4/192.168.1.2/tcp/631".parse().unwrap();
        let public: Multiaddr = "/ip4/203.0.113.9/tcp/7787".parse().unwrap();
        let mut may = |connection, address: &Multiaddr| {
            let addresses = std::slice::from_ref(address);
            let answer = answering.handle_pending_outbound_connection(
                connection,
                None,
                addresses,
                Endpoint::Dialer,
            );
            answer.is_ok()
        };
        assert!(!may(asked, &office));
        assert!(may(asked, &public));
        assert!(may(own, &office), "this node's own calls go where it wants");
    }
}
