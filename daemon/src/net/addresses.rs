//! What an address says: where it leads, and over what.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use fingerpost_proto::ids::NodeId;
use libp2p::Multiaddr;
use libp2p::multiaddr::Protocol;

use super::{NetError, peers};

/// Whether an address may be called from outside the network that this machine is in. What is relayed counts as
/// its relay's.
pub(super) fn is_public(address: &Multiaddr) -> bool {
    match address.iter().next() {
        Some(Protocol::Ip4(ip)) => is_public_ip4(ip),
        Some(Protocol::Ip6(ip)) => is_public_ip6(ip),
        Some(Protocol::Dns(_) | Protocol::Dns4(_) | Protocol::Dns6(_)) => true,
        _ => false,
    }
}

/// `is_public` for text; what is no address is not public.
pub fn is_public_address(text: &str) -> bool {
    text.parse().is_ok_and(|address| is_public(&address))
}

fn is_public_ip4(ip: Ipv4Addr) -> bool {
    // What carriers use between themselves and their customers (RFC 6598).
    let is_shared = matches!(ip.octets(), [100, second, ..] if second & 0xc0 == 64);
    !(ip.is_private() || ip.is_loopback() || ip.is_link_local() || ip.is_unspecified() || is_shared)
}

fn is_public_ip6(ip: Ipv6Addr) -> bool {
    match ip.to_ipv4_mapped() {
        Some(ip) => is_public_ip4(ip),
        None => {
            !(ip.is_loopback()
                || ip.is_unicast_link_local()
                || ip.is_unique_local()
                || ip.is_unspecified())
        }
    }
}

/// Reads an address as people type it: as nodes write it, or a name or a number with a port, which is taken for TCP.
/// The node that it names at its end, if it names one, and the address without it.
///
/// # Errors
/// [`NetError::Address`].
pub fn read_address(text: &str) -> Result<(Option<NodeId>, String), NetError> {
    let text = text.trim();
    let written = match (text.parse::<SocketAddr>(), text.rsplit_once(':')) {
        (Ok(SocketAddr::V4(it)), _) => format!("/ip4/{}/tcp/{}", it.ip(), it.port()),
        (Ok(SocketAddr::V6(it)), _) => format!("/ip6/{}/tcp/{}", it.ip(), it.port()),
        (Err(_), Some((host, port))) if !text.starts_with('/') => format!("/dns/{host}/tcp/{port}"),
        _ => text.to_owned(),
    };
    let address = peers::parse_address(&written).map_err(|_| NetError::Address {
        address: text.chars().take(200).collect(),
    })?;
    let named = match written
        .parse::<Multiaddr>()
        .ok()
        .and_then(|it| it.iter().last().map(Protocol::acquire))
    {
        Some(Protocol::P2p(peer)) => peers::node_id(&peer),
        _ => None,
    };
    Ok((named, address.to_string()))
}

/// Whether an address leads over a relay.
pub(super) fn is_relayed(address: &Multiaddr) -> bool {
    address.iter().any(|part| part == Protocol::P2pCircuit)
}

/// The relay that an address leads over, if it names one.
pub(super) fn relay_of(address: &Multiaddr) -> Option<NodeId> {
    let mut named = None;
    for part in address {
        match part {
            Protocol::P2p(peer) => named = peers::node_id(&peer),
            Protocol::P2pCircuit => return named,
            _ => {}
        }
    }
    None
}

/// Whether an address leads over QUIC, as far as this side sees.
pub(super) fn is_quic(address: &Multiaddr) -> bool {
    address.iter().any(|part| part == Protocol::QuicV1)
}

/// Names the range of addresses that one provider or one office has: of IPv4 the first 16 bits, of IPv6 the first 32.
/// `None` for names, whose range nobody knows before they are looked up.
pub(super) fn range_of(address: &Multiaddr) -> Option<u64> {
    let ip = match address.iter().next()? {
        Protocol::Ip4(ip) => IpAddr::V4(ip),
        Protocol::Ip6(ip) => ip.to_ipv4_mapped().map_or(IpAddr::V6(ip), IpAddr::V4),
        _ => return None,
    };
    Some(match ip {
        IpAddr::V4(ip) => u64::from(u32::from(ip) >> 16),
        IpAddr::V6(ip) => (1 << 32) | (u64::try_from(u128::from(ip) >> 96).unwrap_or(0)),
    })
}

/// The range of the first address that leads to a node directly and from outside, else of its relay.
pub fn range_of_addresses(texts: &[String]) -> Option<u64> {
    let parsed: Vec<Multiaddr> = texts.iter().filter_map(|text| text.parse().ok()).collect();
    let direct = parsed.iter().find(|it| is_public(it) && !is_relayed(it));
    direct.or_else(|| parsed.first()).and_then(range_of)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Multiaddr {
        text.parse().unwrap()
    }

    #[test]
    fn home_addresses_are_not_public() {
        for home in [
            "/ip4/192.168.1.2/tcp/1",
            "/ip4/127.0.0.1/tcp/1",
            "/ip4/100.64.0.9/udp/1/quic-v1",
            "/ip6/::1/tcp/1",
            "/ip6/::ffff:10.0.0.1/tcp/1",
            "/ip6/fe80::1/tcp/1",
            "/ip6/fd00::1/tcp/1",
            "",
            "/unix/x",
        ] {
            assert!(!is_public_address(home), "{home}");
        }
        for public in [
            "/ip4/203.0.113.9/tcp/1",
            "/ip4/100.128.0.1/tcp/1",
            "/ip6/2001:db8::1/tcp/1",
            "/dns/node.example.org/tcp/1",
        ] {
            assert!(is_public_address(public), "{public}");
        }
    }

    #[test]
    fn a_relayed_address_names_its_relay() {
        let key = libp2p::identity::Keypair::ed25519_from_bytes([7; 32]).unwrap();
        let relay = key.public().to_peer_id();
        let direct = address("/ip4/203.0.113.9/udp/1/quic-v1");
        assert!(!is_relayed(&direct) && relay_of(&direct).is_none() && is_quic(&direct));
        let to_relay = address(&format!("/ip4/203.0.113.9/tcp/1/p2p/{relay}"));
        assert!(!is_relayed(&to_relay) && relay_of(&to_relay).is_none());
        let relayed = to_relay.with(Protocol::P2pCircuit);
        assert!(is_relayed(&relayed) && !is_quic(&relayed));
        assert_eq!(relay_of(&relayed), peers::node_id(&relay));
    }

    #[test]
    fn addresses_are_read_as_people_write_them() {
        let key = libp2p::identity::Keypair::ed25519_from_bytes([7; 32]).unwrap();
        let peer = key.public().to_peer_id();
        for (typed, address) in [
            ("192.0.2.7:7787", "/ip4/192.0.2.7/tcp/7787"),
            ("[2001:db8::7]:7787", "/ip6/2001:db8::7/tcp/7787"),
            ("node.example.org:7787 ", "/dns/node.example.org/tcp/7787"),
            (
                "/ip4/192.0.2.7/udp/1/quic-v1",
                "/ip4/192.0.2.7/udp/1/quic-v1",
            ),
        ] {
            assert_eq!(read_address(typed).unwrap(), (None, address.to_owned()));
        }
        let with_node = format!("/ip4/192.0.2.7/tcp/1/p2p/{peer}");
        let read = read_address(&with_node).unwrap();
        assert_eq!(
            read,
            (peers::node_id(&peer), "/ip4/192.0.2.7/tcp/1".to_owned())
        );
        for wrong in [
            "",
            "node.example.org",
            "192.0.2.7:port",
            "/ip4/192.0.2.7:7787",
            "a:b:c",
        ] {
            let error = read_address(wrong);
            assert!(
                matches!(error, Err(NetError::Address { .. })),
                "{wrong}: {error:?}"
            );
        }
    }

    #[test]
    fn neighbours_share_a_range() {
        let range = |text: &str| range_of(&address(text));
        assert_eq!(
            range("/ip4/203.0.113.9/tcp/1"),
            range("/ip4/203.0.1.1/tcp/2")
        );
        assert_ne!(
            range("/ip4/203.0.113.9/tcp/1"),
            range("/ip4/203.1.113.9/tcp/1")
        );
        assert_eq!(
            range("/ip6/2001:db8:1::1/tcp/1"),
            range("/ip6/2001:db8:2::1/tcp/1")
        );
        assert_ne!(
            range("/ip6/2001:db8::1/tcp/1"),
            range("/ip6/2001:db9::1/tcp/1")
        );
        assert_ne!(range("/ip6/0:1::1/tcp/1"), range("/ip4/0.1.0.1/tcp/1"));
        assert_eq!(range("/dns/node.example.org/tcp/1"), None);
        let texts = ["/ip4/192.168.1.2/tcp/1", "/ip4/203.0.113.9/tcp/1"].map(str::to_owned);
        assert_eq!(range_of_addresses(&texts), range("/ip4/203.0.113.9/tcp/1"));
    }
}
