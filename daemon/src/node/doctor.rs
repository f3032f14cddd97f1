//! `fingerpost doctor` on a running node.

use std::sync::atomic::Ordering;

use fingerpost_proto::api::{Check, Checkup};
use fingerpost_proto::storage::{Batch, Storage, Table};
use fingerpost_proto::sync::receipts;

use super::{Node, NodeError, lock, now_s};
use crate::doctor::{self, failure, in_parallel, ok, warning};
use crate::net::Peer;

/// After so long without an exchange, an admin should look.
const SILENT_S: u64 = 60 * 60;
/// What the store is tried with.
const PROBE: &[u8] = b"doctor";

impl Node {
    /// Runs all checks.
    pub fn checkup(&self) -> Checkup {
        let settings = || doctor::settings(&self.home);
        let keys = || doctor::keys(&self.home);
        let permissions = || doctor::permissions(&self.home);
        let clock = || self.check_clock();
        let store = || self.check_store();
        let index = || self.check_index();
        let peers = || self.check_peers();
        let reachability = || self.check_reachability();
        let disk = || self.check_disk();
        let version = || self.check_version();
        Checkup {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            checks: in_parallel(&[
                &settings,
                &keys,
                &permissions,
                &clock,
                &store,
                &index,
                &peers,
                &reachability,
                &disk,
                &version,
            ]),
        }
    }

    /// Nobody is asked for the time; but a clock that is wrong shows in what is refused on either side.
    fn check_clock(&self) -> Check {
        let here = doctor::clock(&self.home);
        let met = receipts(&self.replica()).map_err(NodeError::from);
        let told = met.and_then(|met| Ok((met.len(), self.clock_warnings(&met)?)));
        match told {
            _ if here.remedy.is_some() => here,
            Ok((0, _)) => ok(
                "clock",
                format!("{}; no peer was met that could tell otherwise", here.found),
            ),
            Ok((_, warnings)) => match warnings.first() {
                Some(said) => failure(
                    "clock",
                    said.clone(),
                    "compare the clock of this machine with another, and set the one that is wrong",
                ),
                None => ok("clock", "the clock agrees with what peers send and take"),
            },
            Err(error) => failure("clock", error.to_string(), "see the check of the store"),
        }
    }

    fn check_store(&self) -> Check {
        if let Some(path) = &self.set_aside {
            return warning(
                "store",
                format!(
                    "the store was damaged when this node started, and is now {}",
                    path.display()
                ),
                "wait until the peers have filled the new one (fingerpost status), then delete the old one; or bring your own back: fingerpost restore FILE",
            );
        }
        let now = now_s().to_be_bytes();
        let tried = {
            let mut replica = self.replica();
            let mut batch = Batch::default();
            batch.put(Table::Meta, PROBE, now);
            let store = replica.storage_mut();
            store
                .commit(batch)
                .and_then(|()| store.flush())
                .and_then(|()| store.get(Table::Meta, PROBE))
        };
        match tried {
            Ok(Some(found)) if found == now => {
                let (documents, missing) = self.replica().counts();
                ok(
                    "store",
                    format!(
                        "{documents} documents, {missing} without their content yet; it can be written and read"
                    ),
                )
            }
            Ok(_) => failure(
                "store",
                "it gave back something else than was written",
                "back up what you can (fingerpost backup), stop the daemon, and move the store away: peers fill a new one",
            ),
            Err(error) => failure(
                "store",
                format!("it cannot be written: {error}"),
                "make room on the disk, see that it is not read-only, and restart the daemon",
            ),
        }
    }

    fn check_index(&self) -> Check {
        if let Some(reason) = self.index.stopped() {
            return failure(
                "index",
                format!("search no longer follows changes: {reason}"),
                "restart the daemon; if that does not help, delete the directory index in the home: it is built anew",
            );
        }
        match (self.index.stats(), self.index_ready.load(Ordering::Acquire)) {
            (Err(error), _) => failure(
                "index",
                error.to_string(),
                "stop the daemon, delete the directory index in the home, and start it: the index is built anew",
            ),
            (Ok(_), false) => warning(
                "index",
                "it is still being built",
                "wait: searches find more and more",
            ),
            (Ok(stats), true) => ok(
                "index",
                format!(
                    "{} entries can be found, {} changes behind",
                    stats.services + stats.organisations,
                    self.index_lag()
                ),
            ),
        }
    }

    /// How many changes of the store the index has not made durable.
    pub(super) fn index_lag(&self) -> u64 {
        let journal = self.replica().journal();
        journal.saturating_sub(self.index.durable_marker().unwrap_or(0))
    }

    fn check_peers(&self) -> Check {
        let status = match self.status() {
            Ok(status) => status,
            Err(error) => return failure("peers", error.to_string(), "see the check of the store"),
        };
        if status.networks.is_empty() {
            return warning(
                "peers",
                "this node is in no network: nobody else has your listing",
                "join one with a ticket (fingerpost join), or found one (fingerpost found)",
            );
        }
        let members = status
            .peers
            .iter()
            .filter(|it| !it.organisations.is_empty());
        let (known, connected) = (
            members.clone().count(),
            members.clone().filter(|it| it.connected).count(),
        );
        let last_s = members.filter_map(|it| it.last_exchange_s).max();
        let lost: Vec<&str> = status
            .organisations
            .iter()
            .filter(|it| it.nodes_known > 0 && it.nodes_with_latest == 0)
            .map(|it| it.org.name.as_str())
            .collect();
        let found = format!("{connected} of {known} known nodes are connected");
        if known == 0 {
            warning(
                "peers",
                "no other member is known yet",
                "invite one: fingerpost invite",
            )
        } else if connected == 0 {
            failure(
                "peers",
                format!("{found}: nothing is exchanged"),
                "see that this machine is online, and that others run; a ticket with a newer address helps: fingerpost join",
            )
        } else if last_s.is_none_or(|at_s| now_s().saturating_sub(at_s) > SILENT_S) {
            warning(
                "peers",
                format!("{found}, and no exchange was finished in the last hour"),
                "look at the log for the reason: journalctl -u fingerpostd",
            )
        } else if !lost.is_empty() {
            warning(
                "peers",
                format!(
                    "{found}, and none of them has the latest of {}",
                    lost.join(", ")
                ),
                "wait a minute; if it stays so, look at the clock and at fingerpost status",
            )
        } else {
            ok("peers", found)
        }
    }

    fn check_reachability(&self) -> Check {
        let listening = self.net().listen_addresses();
        if listening.is_empty() {
            return warning(
                "reachability",
                "this node listens nowhere: it calls others, and nobody can call it",
                "set network.listen, unless that is meant so",
            );
        }
        let was_called = self.net().peers().iter().any(|peer: &Peer| !peer.outbound);
        let external = self.net().external_addresses();
        let public = listening.iter().filter(|it| is_public(it)).count() + external.len();
        match (was_called, public) {
            (true, _) => ok("reachability", "another node has called this one"),
            (false, 0) => warning(
                "reachability",
                "this node is known by addresses of its own network only, and nobody has called it since it was started",
                "have the router forward port 7787 (TCP and UDP) to this machine, and name its outer address in network.external; within one office nothing needs to be done",
            ),
            (false, count) => ok(
                "reachability",
                format!(
                    "{count} address(es) can be called from outside; nobody has since the start"
                ),
            ),
        }
    }

    fn check_disk(&self) -> Check {
        let mut settings = self.settings.clone();
        let budget = self.disk_budget_bytes.load(Ordering::Acquire) / 1024 / 1024;
        settings.store.disk_budget_mb = u32::try_from(budget).unwrap_or(u32::MAX);
        self.look_at_disk();
        doctor::disk(&self.home, &settings)
    }

    fn check_version(&self) -> Check {
        let own = concat!("fingerpostd/", env!("CARGO_PKG_VERSION"));
        let mut others: Vec<String> = self
            .net()
            .peers()
            .into_iter()
            .filter_map(|it| it.agent)
            .filter(|it| it != own && it.starts_with("fingerpostd/"))
            .collect();
        others.sort();
        others.dedup();
        others.truncate(5);
        let refused = lock(&self.other_versions).clone();
        match (refused, others.is_empty()) {
            (Some(said), _) => warning("version", said, "install the same version on both sides"),
            (None, true) => ok("version", own),
            (None, false) => ok(
                "version",
                format!("{own}; connected nodes also run {}", others.join(", ")),
            ),
        }
    }
}

/// Whether an address may be called from outside the network that this machine is in.
fn is_public(address: &str) -> bool {
    let mut parts = address.split('/').skip(1);
    match (parts.next(), parts.next()) {
        (Some("ip4"), Some(ip)) => ip.parse::<std::net::Ipv4Addr>().is_ok_and(|ip| {
            let shared = ip.octets()[0] == 100 && ip.octets()[1] & 0xc0 == 64;
            !(ip.is_private()
                || ip.is_loopback()
                || ip.is_link_local()
                || ip.is_unspecified()
                || shared)
        }),
        (Some("ip6"), Some(ip)) => ip.parse::<std::net::Ipv6Addr>().is_ok_and(|ip| {
            !(ip.is_loopback()
                || ip.is_unicast_link_local()
                || ip.is_unique_local()
                || ip.is_unspecified())
        }),
        (Some(kind), Some(_)) => kind.starts_with("dns"),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::is_public;

    #[test]
    fn home_addresses_are_not_public() {
        for address in [
            "/ip4/192.168.1.2/tcp/1",
            "/ip4/127.0.0.1/tcp/1",
            "/ip4/100.64.0.9/udp/1/quic-v1",
            "/ip6/::1/tcp/1",
            "/ip6/fe80::1/tcp/1",
            "/ip6/fd00::1/tcp/1",
            "",
            "/unix/x",
        ] {
            assert!(!is_public(address), "{address}");
        }
        for address in [
            "/ip4/203.0.113.9/tcp/1",
            "/ip4/100.128.0.1/tcp/1",
            "/ip6/2001:db8::1/tcp/1",
            "/dns/node.example.org/tcp/1",
        ] {
            assert!(is_public(address), "{address}");
        }
    }
}
