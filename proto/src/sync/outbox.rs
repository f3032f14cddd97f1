//! What a session has to send: frames, and items that are loaded only when there is room for them.

use std::collections::VecDeque;

use super::follow::{Follower, Spared};
use super::frame::Frame;
use super::inventory::{ItemRef, load};
use super::receipt::Stats;
use crate::limits;
use crate::replica::{Item, Replica, ReplicaError};
use crate::storage::Storage;

enum Outgoing {
    Frame(Frame),
    Items(std::vec::IntoIter<ItemRef>),
}

#[derive(Default)]
pub(super) struct Outbox {
    queue: VecDeque<Outgoing>,
    /// Items of a document that was loaded, for the next frame.
    carry: VecDeque<Item>,
    /// Records of the last frame whose states were left out for the peer.
    spared: Vec<Spared>,
    cut_short: bool,
}

impl Outbox {
    pub(super) fn push(&mut self, frame: Frame) {
        self.queue.push_back(Outgoing::Frame(frame));
    }

    pub(super) fn push_items(&mut self, items: Vec<ItemRef>) {
        if !items.is_empty() {
            self.queue.push_back(Outgoing::Items(items.into_iter()));
        }
    }

    /// Whether items were left out because the session has sent enough.
    pub(super) fn is_cut_short(&self) -> bool {
        self.cut_short
    }

    /// The next frame, if there is one now.
    pub(super) fn poll<S: Storage>(
        &mut self,
        stats: &mut Stats,
        follower: Option<&Follower>,
        replica: &Replica<S>,
    ) -> Result<Option<Frame>, ReplicaError<S::Error>> {
        loop {
            let items = match self.queue.pop_front() {
                None => return Ok(None),
                Some(Outgoing::Frame(frame)) => return Ok(Some(frame)),
                Some(Outgoing::Items(refs)) => self.next_items(refs, stats, follower, replica)?,
            };
            if !items.is_empty() {
                stats.sent += items.len() as u64;
                if !self.spared.is_empty() {
                    let records = std::mem::take(&mut self.spared);
                    let frame = Frame::Spared { records };
                    self.queue.push_front(Outgoing::Frame(frame));
                }
                return Ok(Some(Frame::Items { items }));
            }
        }
    }

    fn next_items<S: Storage>(
        &mut self,
        mut refs: std::vec::IntoIter<ItemRef>,
        stats: &mut Stats,
        follower: Option<&Follower>,
        replica: &Replica<S>,
    ) -> Result<Vec<Item>, ReplicaError<S::Error>> {
        let mut items = Vec::new();
        if stats.sent_bytes > limits::SESSION_MAX_BYTES / 2 {
            // Enough for one session: the next one goes on from here.
            self.cut_short = true;
            self.carry.clear();
            return Ok(items);
        }
        let mut size_bytes = 0;
        loop {
            if let Some(mut item) = self.carry.pop_front() {
                // A sealed document nearly fills a frame of its own.
                if !items.is_empty() && size_bytes + item.size_bytes() > limits::FRAME_MAX_BYTES / 2
                {
                    self.carry.push_front(item);
                    self.queue.push_front(Outgoing::Items(refs));
                    break;
                }
                let spared = follower.and_then(|it| it.spare(replica, &mut item));
                size_bytes += item.size_bytes();
                items.push(item);
                if let Some((record, bytes)) = spared {
                    self.spared.push(record);
                    stats.spared_bytes += bytes;
                }
            } else if let Some(next) = refs.next() {
                self.carry.extend(load(replica, next)?);
                continue;
            } else {
                break;
            }
            if size_bytes >= limits::FRAME_FILL_BYTES {
                self.queue.push_front(Outgoing::Items(refs));
                break;
            }
        }
        Ok(items)
    }
}
