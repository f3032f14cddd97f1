//! The figures of `/metrics`.

use super::{Node, NodeError, OUTGOING_MAX};
use crate::metrics::Gauges;
use crate::net::Dropped;

impl Node {
    /// All figures, in the text format of Prometheus.
    ///
    /// # Errors
    /// [`NodeError`].
    pub fn figures(&self) -> Result<String, NodeError> {
        for reason in Dropped::ALL {
            let count = self.net().dropped(reason);
            self.metrics.set_dropped(reason.name(), count);
        }
        self.set_gauges(self.metrics.gauges())?;
        self.metrics.text().map_err(NodeError::internal)
    }

    fn set_gauges(&self, gauges: &Gauges) -> Result<(), NodeError> {
        let set = |gauge: &prometheus_client::metrics::gauge::Gauge, value: u64| {
            gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
        };
        set(&gauges.peers_connected, self.net().connected().len() as u64);
        set(&gauges.peers_known, self.member_nodes().len() as u64);
        let room = self.look_at_disk();
        set(&gauges.disk_bytes, room.used_bytes);
        set(&gauges.disk_free_bytes, room.free_bytes.unwrap_or(0));
        set(&gauges.has_room, u64::from(room.is_left()));
        let stats = self.index.stats()?;
        set(&gauges.index_entries, stats.services + stats.organisations);
        set(&gauges.index_lag, self.index_lag());
        let waiting = OUTGOING_MAX.saturating_sub(self.outgoing.capacity());
        set(&gauges.announcements_waiting, waiting as u64);
        set(&gauges.sessions_inbound, u64::from(self.sessions_inbound()));
        set(&gauges.memory_bytes, memory_bytes());
        set(&gauges.started_at_seconds, self.started_at_s);
        let replica = self.replica();
        let (documents, missing) = replica.counts();
        set(&gauges.documents, documents as u64);
        set(&gauges.states_missing, missing as u64);
        set(&gauges.organisations, replica.organisations().len() as u64);
        set(&gauges.organisations_own, replica.own().len() as u64);
        let active = replica.networks().filter(|(id, _)| replica.is_active(id));
        set(&gauges.networks, active.count() as u64);
        let mut merges = 0;
        for org in replica.own() {
            for key in replica.documents_of(org) {
                merges += replica.unmerged(&key)?.len();
            }
        }
        set(&gauges.merges_waiting, merges as u64);
        Ok(())
    }
}

/// Resident memory of this process; 0 where the system does not say.
fn memory_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|it| it.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kib.unwrap_or(0) * 1024
}
