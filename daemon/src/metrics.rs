//! Counters, gauges and times for whoever watches a node, in the text format of Prometheus (OpenMetrics 1.0).
//!
//! Names and meanings stand in `docs/reference/metrics.md`, which a test keeps in step. Nothing here says who
//! anybody is: labels are fixed words.

use std::sync::Mutex;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

type Labels<const N: usize> = [(&'static str, &'static str); N];
type Counters<const N: usize> = Family<Labels<N>, Counter>;

/// What is counted while a node runs.
pub struct Metrics {
    registry: Registry,
    refused: Counters<1>,
    sessions: Counters<2>,
    synced: Counters<1>,
    gossip: Counters<1>,
    session_seconds: Histogram,
    durable_seconds: Histogram,
    dropped: Counters<1>,
    gauges: Gauges,
    /// Since when an edit is under way that is not durable yet. Edits happen one after the other.
    edit_since: Mutex<Option<Instant>>,
}

/// What is read when somebody asks.
#[derive(Debug, Default, Clone)]
pub struct Gauges {
    /// Nodes that are connected.
    pub peers_connected: Gauge,
    /// Nodes of members that are known.
    pub peers_known: Gauge,
    /// Networks that the node takes part in.
    pub networks: Gauge,
    /// Organisations of which anything is held.
    pub organisations: Gauge,
    /// Organisations that the node writes for.
    pub organisations_own: Gauge,
    /// Documents that are held.
    pub documents: Gauge,
    /// Records whose state is missing.
    pub states_missing: Gauge,
    /// Size of the store and the index on disk.
    pub disk_bytes: Gauge,
    /// What the disk has left.
    pub disk_free_bytes: Gauge,
    /// Whether more of others is taken.
    pub has_room: Gauge,
    /// Entries that can be found.
    pub index_entries: Gauge,
    /// Changes of the store that the index has not made durable.
    pub index_lag: Gauge,
    /// Announcements that wait to be sent.
    pub announcements_waiting: Gauge,
    /// Sessions under way that others began.
    pub sessions_inbound: Gauge,
    /// Siblings' edits that wait to be merged.
    pub merges_waiting: Gauge,
    /// Memory of the process.
    pub memory_bytes: Gauge,
    /// When the node was started.
    pub started_at_seconds: Gauge,
}

impl Gauges {
    fn register(&self, registry: &mut Registry) {
        let all = [
            (
                "peers_connected",
                "Nodes that are connected",
                &self.peers_connected,
            ),
            (
                "peers_known",
                "Nodes of other members that are known",
                &self.peers_known,
            ),
            (
                "networks",
                "Networks that this node takes part in",
                &self.networks,
            ),
            (
                "organisations",
                "Organisations of which anything is held",
                &self.organisations,
            ),
            (
                "organisations_own",
                "Organisations that this node writes for",
                &self.organisations_own,
            ),
            ("documents", "Documents that are held", &self.documents),
            (
                "states_missing",
                "Known records whose content has not arrived",
                &self.states_missing,
            ),
            (
                "disk_bytes",
                "Size of the store and the index",
                &self.disk_bytes,
            ),
            (
                "disk_free_bytes",
                "What the disk of the home has left",
                &self.disk_free_bytes,
            ),
            (
                "has_room",
                "1 while more of others is taken, 0 while the disk budget is met",
                &self.has_room,
            ),
            (
                "index_entries",
                "Entries that can be found",
                &self.index_entries,
            ),
            (
                "index_lag",
                "Changes of the store that the index has not made durable",
                &self.index_lag,
            ),
            (
                "announcements_waiting",
                "Announcements that wait to be sent",
                &self.announcements_waiting,
            ),
            (
                "sessions_inbound",
                "Sessions under way that others began",
                &self.sessions_inbound,
            ),
            (
                "merges_waiting",
                "Records of siblings whose edits are not merged",
                &self.merges_waiting,
            ),
            (
                "memory_bytes",
                "Resident memory of the process",
                &self.memory_bytes,
            ),
            (
                "started_at_seconds",
                "When this node was started, since 1970",
                &self.started_at_seconds,
            ),
        ];
        for (name, help, gauge) in all {
            registry.register(name, help, gauge.clone());
        }
    }
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("fingerpost");
        let times = || exponential_buckets(0.001, 4.0, 10);
        let metrics = Self {
            refused: Family::default(),
            sessions: Family::default(),
            synced: Family::default(),
            gossip: Family::default(),
            session_seconds: Histogram::new(times()),
            durable_seconds: Histogram::new(times()),
            dropped: Family::default(),
            gauges: Gauges::default(),
            edit_since: Mutex::new(None),
            registry: Registry::default(),
        };
        let counted = [
            (
                "refused",
                "What others sent and this node refused, by reason",
                &metrics.refused,
            ),
            (
                "synced_bytes",
                "Bytes of sessions on the wire, by direction",
                &metrics.synced,
            ),
            (
                "gossip",
                "Pieces of gossip judged, by judgement",
                &metrics.gossip,
            ),
            (
                "dropped",
                "What was turned away before it was looked at, by reason",
                &metrics.dropped,
            ),
        ];
        for (name, help, family) in counted {
            registry.register(name, help, family.clone());
        }
        registry.register(
            "sessions",
            "Sessions that have ended, by who began them and how they ended",
            metrics.sessions.clone(),
        );
        registry.register_with_unit(
            "session",
            "How long sessions took that came to their end",
            Unit::Seconds,
            metrics.session_seconds.clone(),
        );
        registry.register_with_unit(
            "edit_durable",
            "From an edit to its being on disk",
            Unit::Seconds,
            metrics.durable_seconds.clone(),
        );
        metrics.gauges.register(&mut registry);
        Self {
            registry,
            ..metrics
        }
    }
}

impl Metrics {
    /// Counts what was refused.
    pub fn refused(&self, reason: &'static str, count: u64) {
        self.refused
            .get_or_create(&[("reason", reason)])
            .inc_by(count);
    }

    /// Counts a session that has ended. `began` says whether this node began it.
    pub fn session(&self, began: bool, ended: &'static str) {
        let by = if began { "us" } else { "them" };
        self.sessions
            .get_or_create(&[("began", by), ("ended", ended)])
            .inc();
    }

    /// Notes how much a session carried and, if it came to its end, how long it took.
    pub fn synced(&self, sent_bytes: u64, received_bytes: u64, took: Option<Duration>) {
        for (direction, bytes) in [("out", sent_bytes), ("in", received_bytes)] {
            let count = self.synced.get_or_create(&[("direction", direction)]);
            count.inc_by(bytes);
        }
        if let Some(took) = took {
            self.session_seconds.observe(took.as_secs_f64());
        }
    }

    /// Counts a piece of gossip.
    pub fn gossip(&self, judgement: &'static str) {
        self.gossip.get_or_create(&[("judgement", judgement)]).inc();
    }

    /// An edit has begun.
    pub fn edit_begins(&self) {
        let mut since = self.edit_since.lock().unwrap_or_else(|it| it.into_inner());
        since.get_or_insert_with(Instant::now);
    }

    /// What was edited is on disk.
    pub fn edit_durable(&self) {
        let mut since = self.edit_since.lock().unwrap_or_else(|it| it.into_inner());
        if let Some(since) = since.take() {
            self.durable_seconds.observe(since.elapsed().as_secs_f64());
        }
    }

    /// What is to be set before the text is read.
    pub fn gauges(&self) -> &Gauges {
        &self.gauges
    }

    /// Takes over a count that is kept elsewhere.
    pub fn set_dropped(&self, reason: &'static str, count: u64) {
        let counter = self.dropped.get_or_create(&[("reason", reason)]);
        let inner: &AtomicU64 = counter.inner();
        inner.store(count, std::sync::atomic::Ordering::Relaxed);
    }

    /// All of it as text.
    ///
    /// # Errors
    /// If it could not be written.
    pub fn text(&self) -> Result<String, std::fmt::Error> {
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_and_times_come_out_as_text() {
        let metrics = Metrics::default();
        metrics.refused("over_quota", 3);
        metrics.session(true, "finished");
        metrics.synced(10, 20, Some(Duration::from_millis(5)));
        metrics.gossip("accepted");
        metrics.set_dropped("streams_waiting", 7);
        metrics.gauges().documents.set(4);
        metrics.edit_durable();
        metrics.edit_begins();
        metrics.edit_durable();
        let text = metrics.text().unwrap();
        for line in [
            "fingerpost_refused_total{reason=\"over_quota\"} 3",
            "fingerpost_sessions_total{began=\"us\",ended=\"finished\"} 1",
            "fingerpost_synced_bytes_total{direction=\"in\"} 20",
            "fingerpost_gossip_total{judgement=\"accepted\"} 1",
            "fingerpost_dropped_total{reason=\"streams_waiting\"} 7",
            "fingerpost_documents 4",
            "fingerpost_session_seconds_count 1",
            // An edit that never began is none.
            "fingerpost_edit_durable_seconds_count 1",
            "# EOF",
        ] {
            assert!(text.lines().any(|it| it == line), "{line} in:\n{text}");
        }
    }
}
