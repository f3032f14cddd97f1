//! Listening, and what to do when a port is taken.

use std::net::{IpAddr, Ipv6Addr, TcpListener};

use libp2p::multiaddr::Protocol;
use libp2p::{Multiaddr, Swarm, core::transport::ListenerId, swarm::NetworkBehaviour};

use super::NetError;

/// What became of the addresses in the settings.
#[derive(Debug, Default)]
pub(super) struct Listeners {
    /// Those that are open.
    pub(super) ids: Vec<ListenerId>,
    /// What the owner should know.
    pub(super) warnings: Vec<String>,
}

/// Listens on each address. A taken port is replaced by a free one, with a warning; an address that
/// cannot be had at all (no IPv6 on this machine) is left out, with a warning.
///
/// # Errors
/// [`NetError::Listen`] when there are addresses and none can be listened on.
pub(super) fn listen_all<B: NetworkBehaviour>(
    swarm: &mut Swarm<B>,
    addresses: &[Multiaddr],
) -> Result<Listeners, NetError> {
    let mut listeners = Listeners::default();
    let mut reasons = Vec::new();
    for address in addresses {
        match listen_on(swarm, address, &mut listeners.warnings) {
            Ok(id) => listeners.ids.push(id),
            Err(reason) => reasons.push(format!("{address}: {reason}")),
        }
    }
    if listeners.ids.is_empty() && !reasons.is_empty() {
        return Err(NetError::Listen(reasons.join("; ")));
    }
    let left_out = reasons
        .iter()
        .map(|reason| format!("not listening on {reason}"));
    listeners.warnings.extend(left_out);
    Ok(listeners)
}

fn listen_on<B: NetworkBehaviour>(
    swarm: &mut Swarm<B>,
    address: &Multiaddr,
    warnings: &mut Vec<String>,
) -> Result<ListenerId, String> {
    let reason = match taken(address) {
        Some(reason) => reason,
        None => match swarm.listen_on(address.clone()) {
            Ok(id) => return Ok(id),
            Err(error) => innermost(&error),
        },
    };
    let Some(free) = on_any_port(address) else {
        return Err(reason);
    };
    let id = swarm.listen_on(free.clone()).map_err(|_| reason.clone())?;
    warnings.push(format!(
        "cannot listen on {address} ({reason}), so a free port was taken instead. Nodes that know \
         the old port do not find this node there; to keep it, stop the program that holds it, or \
         set another port in network.listen."
    ));
    Ok(id)
}

/// Whether another socket listens on the TCP port. libp2p would share the port with another node of
/// the same user and each would get half of the calls, so it cannot be asked.
fn taken(address: &Multiaddr) -> Option<String> {
    let mut parts = address.iter();
    let ip: IpAddr = match parts.next()? {
        Protocol::Ip4(ip) => ip.into(),
        // Our own IPv4 socket on the same port would be in the way of the unspecified address, which
        // stands for both here; it is not in the way of libp2p, which asks for IPv6 alone.
        Protocol::Ip6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        Protocol::Ip6(ip) => ip.into(),
        _ => return None,
    };
    let Protocol::Tcp(port) = parts.next()? else {
        return None;
    };
    match TcpListener::bind((ip, port)) {
        Err(error) if port != 0 => Some(error.to_string()),
        _ => None,
    }
}

/// The same address with the port left to the system; `None` when it is already.
fn on_any_port(address: &Multiaddr) -> Option<Multiaddr> {
    let mut changed = false;
    let free: Multiaddr = address
        .iter()
        .map(|part| match part {
            Protocol::Tcp(port) if port != 0 => {
                changed = true;
                Protocol::Tcp(0)
            }
            Protocol::Udp(port) if port != 0 => {
                changed = true;
                Protocol::Udp(0)
            }
            other => other,
        })
        .collect();
    changed.then_some(free)
}

/// The cause at the bottom, which is the one that says something.
pub(super) fn innermost(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_becomes_free_and_a_free_one_stays() {
        let free =
            |text: &str| on_any_port(&text.parse().unwrap()).map(|address| address.to_string());
        assert_eq!(
            free("/ip4/1.2.3.4/tcp/5").as_deref(),
            Some("/ip4/1.2.3.4/tcp/0")
        );
        assert_eq!(
            free("/ip6/::/udp/5/quic-v1").as_deref(),
            Some("/ip6/::/udp/0/quic-v1")
        );
        assert_eq!(free("/ip6/::/udp/0/quic-v1"), None);
    }

    #[test]
    fn a_taken_port_is_noticed_before_libp2p_shares_it() {
        let holder = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = holder.local_addr().unwrap().port();
        let address = |ip: &str| format!("/ip4/{ip}/tcp/{port}").parse().unwrap();
        assert!(taken(&address("127.0.0.1")).is_some());
        assert!(taken(&address("0.0.0.0")).is_some());
        drop(holder);
        assert!(taken(&address("127.0.0.1")).is_none());
        assert!(taken(&"/ip4/127.0.0.1/tcp/0".parse().unwrap()).is_none());
        assert!(taken(&"/ip4/127.0.0.1/udp/1/quic-v1".parse().unwrap()).is_none());
    }
}
