//! Announcements, out and in.

use std::time::Instant;

use fingerpost_proto::announcement::{Announcement, AnnouncementError};
use fingerpost_proto::ids::{DocKey, NetworkId, NodeId};
use fingerpost_proto::replica::{Item, Outcome, Refusal};
use tokio::sync::mpsc;

use super::{Node, lock, now_s};
use crate::net::Acceptance;

const COMPRESSION_LEVEL: i32 = 3;

/// An announcement to be published.
#[derive(Debug)]
pub struct Outgoing {
    /// To which network.
    pub network: NetworkId,
    /// The message.
    pub bytes: Vec<u8>,
}

impl Node {
    /// Announces the current records of an own document to every network that may see it.
    pub(super) fn announce(&self, key: DocKey) {
        let replica = self.replica();
        let items = match replica.items(&key) {
            Ok(items) => items,
            Err(error) => {
                tracing::error!("{key} could not be announced: {error}");
                return;
            }
        };
        let networks: Vec<NetworkId> = replica
            .networks()
            .map(|(id, _)| id)
            .filter(|id| {
                replica.is_active(id)
                    && replica
                        .standing(id, &key.org)
                        .is_some_and(|standing| standing.accepts())
            })
            .collect();
        drop(replica);
        for item in items {
            self.announce_item(&item, &networks);
        }
    }

    pub(super) fn announce_item(&self, item: &Item, networks: &[NetworkId]) {
        if networks.is_empty() {
            return;
        }
        let compress = |state: &[u8]| zstd::bulk::compress(state, COMPRESSION_LEVEL).ok();
        let bytes = Announcement::of(item.clone(), compress).to_bytes();
        for network in networks {
            let outgoing = Outgoing {
                network: *network,
                bytes: bytes.clone(),
            };
            // A full queue is no loss: the next sync with each peer carries the record.
            if let Err(mpsc::error::TrySendError::Full(_)) = self.outgoing.try_send(outgoing) {
                tracing::debug!("an announcement was left to the next sync");
            }
        }
    }

    /// Takes in a message of a peer and says whether it should travel on.
    pub fn handle_gossip(&self, from: NodeId, bytes: &[u8]) -> Acceptance {
        if !lock(&self.budgets).may_gossip(from, Instant::now()) {
            self.count_refusal("gossip_over_budget");
            self.metrics.gossip("ignored");
            self.refresh_trusted();
            return Acceptance::Ignore;
        }
        let mut arrived = None;
        let acceptance = match self.take_announcement(bytes) {
            Ok(Outcome::Accepted(accepted)) => {
                arrived = Some(accepted.key);
                Acceptance::Accept
            }
            Ok(Outcome::AlreadyKnown) => Acceptance::Accept,
            Ok(Outcome::Dominated) => Acceptance::Ignore,
            Ok(Outcome::Refused(refusal)) | Err(AnnouncementError::Refused(refusal)) => {
                self.handle_refusal(from, &refusal)
            }
            Err(error) => {
                self.count_refusal("bad_announcement");
                tracing::debug!("an announcement was refused: {error}");
                Acceptance::Reject
            }
        };
        self.feed_with(arrived);
        self.metrics.gossip(match acceptance {
            Acceptance::Accept => "accepted",
            Acceptance::Ignore => "ignored",
            Acceptance::Reject => "rejected",
        });
        acceptance
    }

    fn handle_refusal(&self, from: NodeId, refusal: &Refusal) -> Acceptance {
        self.count_refusal(refusal.name());
        tracing::debug!("an announcement was refused: {refusal}");
        if refusal.is_senders_fault() {
            return Acceptance::Reject;
        }
        // Perhaps we lack the card that would make it welcome.
        if matches!(
            refusal,
            Refusal::NotAMember(_) | Refusal::NotDelegated { .. }
        ) {
            self.sync_soon(from);
        }
        Acceptance::Ignore
    }

    fn take_announcement(&self, bytes: &[u8]) -> Result<Outcome, AnnouncementError> {
        let announcement = Announcement::parse(bytes)?;
        let capacity = announcement.state_bytes()?;
        let mut item = announcement.item;
        if let (Item::Record { state, .. }, Some(compressed), Some(capacity)) =
            (&mut item, &announcement.compressed_state, capacity)
        {
            // Never more than the signed length, whatever the compressed bytes claim.
            let bytes = zstd::bulk::decompress(compressed, capacity.max(1))
                .map_err(|_| Refusal::StateMismatch)?;
            *state = Some(bytes);
        }
        let checked = item.check()?;
        let mut replica = self.replica();
        let lacking = matches!(&checked, fingerpost_proto::replica::Checked::Record(record) if record.state.is_none());
        let outcome = replica.receive(now_s(), checked).unwrap_or_else(|error| {
            tracing::error!("an announcement could not be kept: {error}");
            Outcome::Dominated
        });
        drop(replica);
        if lacking && matches!(outcome, Outcome::Accepted(_)) {
            self.wake.notify_one();
        }
        Ok(outcome)
    }
}
