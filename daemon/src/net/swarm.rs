//! The swarm: transports and behaviours, each with its bounds.

use std::time::Duration;

use fingerpost_config::NetworkSettings;
use fingerpost_proto::limits;
use libp2p::connection_limits::{self, ConnectionLimits};
use libp2p::identity::Keypair;
use libp2p::swarm::behaviour::toggle::Toggle;
use libp2p::swarm::{self, NetworkBehaviour};
use libp2p::{
    Swarm, SwarmBuilder, dcutr, dns, identify, mdns, noise, ping, quic, relay, tcp, upnp, yamux,
};

use super::NetError;
use super::gossip;
use super::guard::Guard;
use super::probe::{Answering, Asking};
use super::relay::{self as relaying, Members};
use super::streams::{self, Incoming};

/// Names our family of protocols to other nodes.
pub(super) const FAMILY: &str = "/fingerpost/1";
/// Fewest connections a node is allowed: two nodes that call each other at once need two, and one
/// more makes room for a connection that is dead and not yet known to be.
const PER_PEER_MIN: u32 = 3;
/// Most streams on one connection.
const STREAMS_MAX: u32 = 64;
/// Most streams of one connection that are still being negotiated.
const NEGOTIATING_MAX: usize = 32;
/// Most bytes of one QUIC stream that wait to be read.
const QUIC_STREAM_BYTES: u32 = 2 * 1024 * 1024;
/// Most bytes of one QUIC connection that wait to be read.
const QUIC_CONNECTION_BYTES: u32 = 6 * 1024 * 1024;
/// How often a QUIC connection shows that it lives, and after how long a silence it is given up.
const QUIC_ALIVE: Duration = Duration::from_secs(20);
const QUIC_DEAD_MS: u32 = 50_000;
/// How often a node is asked whether it is still there, and how long it may take to answer.
const PING: Duration = Duration::from_secs(60);
const PING_TIMEOUT: Duration = Duration::from_secs(20);
/// How often nodes tell one another again what they are. They also do when something changes.
const IDENTIFY: Duration = Duration::from_secs(30 * 60);

/// All that runs on a connection. The limits come first, so that nothing is set up for a connection
/// that they refuse.
#[derive(NetworkBehaviour)]
pub(super) struct Behaviour {
    pub(super) limits: connection_limits::Behaviour,
    pub(super) streams: streams::Behaviour,
    pub(super) gossip: Guard,
    pub(super) identify: identify::Behaviour,
    pub(super) ping: ping::Behaviour,
    pub(super) mdns: Toggle<mdns::tokio::Behaviour>,
    pub(super) asking: Asking,
    pub(super) answering: Answering,
    pub(super) upnp: Toggle<upnp::tokio::Behaviour>,
    pub(super) relay: Toggle<relay::Behaviour>,
    pub(super) relayed: relay::client::Behaviour,
    pub(super) punching: dcutr::Behaviour,
}

/// What a node is built with besides its key.
pub(super) struct Parts<'a> {
    pub(super) settings: &'a NetworkSettings,
    pub(super) agent: &'a str,
    pub(super) incoming: Incoming,
    /// The nodes that may reserve a place here.
    pub(super) members: Members,
}

/// Makes the swarm. Warnings go to `warnings`.
///
/// # Errors
/// [`NetError::Setup`].
pub(super) fn build(
    key: Keypair,
    parts: Parts<'_>,
    warnings: &mut Vec<String>,
) -> Result<Swarm<Behaviour>, NetError> {
    let idle = Duration::from_secs(u64::from(parts.settings.idle_timeout_s));
    let gossip = gossip::behaviour(limits::TAGS_MAX).map_err(NetError::Setup)?;
    let mdns = mdns_of(&key, parts.settings, warnings);
    let behaviour = |key: &Keypair, relayed| behaviour(key, parts, gossip, mdns, relayed);
    let config = move |config: swarm::Config| {
        config
            .with_idle_connection_timeout(idle)
            .with_max_negotiating_inbound_streams(NEGOTIATING_MAX)
    };
    let setup = |error: &dyn std::fmt::Display| NetError::Setup(error.to_string());
    let transports = || {
        SwarmBuilder::with_existing_identity(key.clone())
            .with_tokio()
            .with_tcp(tcp::Config::default(), noise::Config::new, yamux_config)
            .map(|builder| builder.with_quic_config(quic_config))
    };
    let builder = transports().map_err(|error| setup(&error))?;
    match builder.with_dns() {
        Ok(builder) => Ok(builder
            .with_relay_client(noise::Config::new, yamux_config)
            .map_err(|error| setup(&error))?
            .with_behaviour(behaviour)
            .map_err(|error| setup(&error))?
            .with_swarm_config(config)
            .build()),
        Err(error) => {
            // A machine whose name service is not set up still has numbers for its neighbours.
            warnings.push(format!(
                "names of other nodes cannot be looked up ({error}); addresses with numbers work. \
                 Set up name service on this machine and restart."
            ));
            let none = dns::ResolverConfig::from_parts(None, Vec::new(), Vec::new());
            Ok(transports()
                .map_err(|error| setup(&error))?
                .with_dns_config(none, dns::ResolverOpts::default())
                .with_relay_client(noise::Config::new, yamux_config)
                .map_err(|error| setup(&error))?
                .with_behaviour(behaviour)
                .map_err(|error| setup(&error))?
                .with_swarm_config(config)
                .build())
        }
    }
}

fn yamux_config() -> yamux::Config {
    let mut config = yamux::Config::default();
    config.set_max_num_streams(STREAMS_MAX as usize);
    config
}

fn quic_config(mut config: quic::Config) -> quic::Config {
    config.max_concurrent_stream_limit = STREAMS_MAX;
    config.max_stream_data = QUIC_STREAM_BYTES;
    config.max_connection_data = QUIC_CONNECTION_BYTES;
    config.keep_alive_interval = QUIC_ALIVE;
    config.max_idle_timeout = QUIC_DEAD_MS;
    config
}

fn mdns_of(
    key: &Keypair,
    settings: &NetworkSettings,
    warnings: &mut Vec<String>,
) -> Toggle<mdns::tokio::Behaviour> {
    let peer = key.public().to_peer_id();
    let made = settings
        .mdns
        .then(|| mdns::tokio::Behaviour::new(mdns::Config::default(), peer));
    let made = made.map(|made| {
        made.inspect_err(|error| {
            warnings.push(format!(
                "not looking for nodes on the local network: {error}"
            ));
        })
        .ok()
    });
    Toggle::from(made.flatten())
}

/// Whether a router could let calls through: not to a node that listens nowhere, or on this machine alone.
fn asks_router(settings: &NetworkSettings) -> bool {
    let is_here = |it: &String| it.starts_with("/ip4/127.") || it.starts_with("/ip6/::1/");
    settings.upnp && !settings.listen.iter().all(is_here)
}

fn behaviour(
    key: &Keypair,
    parts: Parts<'_>,
    gossip: gossip::Gossip,
    mdns: Toggle<mdns::tokio::Behaviour>,
    relayed: relay::client::Behaviour,
) -> Behaviour {
    let peer = key.public().to_peer_id();
    let settings = parts.settings;
    let identify = identify::Config::new(FAMILY.to_owned(), key.public())
        .with_agent_version(parts.agent.to_owned())
        .with_push_listen_addr_updates(true)
        .with_interval(IDENTIFY)
        // Members find one another by their cards; it is nobody else's business where this node listens.
        .with_hide_listen_addrs(true)
        // We keep the addresses that we want ourselves.
        .with_cache_size(0);
    let ping = ping::Config::new()
        .with_interval(PING)
        .with_timeout(PING_TIMEOUT);
    let relay = settings
        .relay
        .then(|| relaying::behaviour(peer, parts.members));
    Behaviour {
        limits: connection_limits::Behaviour::new(connection_limits(settings)),
        streams: streams::Behaviour::new(parts.incoming),
        gossip: Guard::new(gossip),
        identify: identify::Behaviour::new(identify),
        ping: ping::Behaviour::new(ping),
        mdns,
        asking: Asking::default(),
        answering: Answering::default(),
        upnp: Toggle::from(asks_router(settings).then(upnp::tokio::Behaviour::default)),
        relay: Toggle::from(relay),
        relayed,
        punching: dcutr::Behaviour::new(peer),
    }
}

/// Every limit is set. Others may fill three quarters of the connections, so that there is always
/// room to call whom we choose; calls in the making are bounded apart, for they cost nothing to begin.
fn connection_limits(settings: &NetworkSettings) -> ConnectionLimits {
    let all = settings.max_connections;
    let pending = (all / 4).max(8);
    ConnectionLimits::default()
        .with_max_pending_incoming(Some(pending))
        .with_max_pending_outgoing(Some(pending))
        .with_max_established_incoming(Some(incoming_max(all)))
        .with_max_established_outgoing(Some(all))
        .with_max_established(Some(all))
        .with_max_established_per_peer(Some(settings.max_connections_per_peer.max(PER_PEER_MIN)))
}

/// How many connections others may make.
pub(super) fn incoming_max(all: u32) -> u32 {
    all - all / 4
}
