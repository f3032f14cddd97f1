//! `fingerpost doctor` on a running node.

use std::sync::atomic::Ordering;

use fingerpost_proto::api::{Check, Checkup, Way};
use fingerpost_proto::storage::{Batch, Storage, Table};
use fingerpost_proto::sync::receipts;

use super::reach::public_count;
use super::{Node, NodeError, lock, now_s};
use crate::doctor::{self, failure, in_parallel, ok, warning};

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
        let reach = self.reachability();
        let said = reach.sentence.trim_end_matches('.').to_owned();
        let count = public_count(&reach.addresses);
        match (reach.advice, reach.way) {
            // A member with an address of its own is called as soon as others run.
            (Some(_), Way::Outward) if count > 0 && reach.relaying.is_none() => ok(
                "reachability",
                format!(
                    "{count} address(es) can be called from outside; nobody has since the start"
                ),
            ),
            (Some(advice), _) => warning("reachability", said, advice),
            (None, _) => ok("reachability", said),
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
