//! Running one sync session over a stream, and what waits while much comes in by one.

use std::sync::Mutex;
use std::sync::atomic::Ordering;
use std::time::Instant;

use fingerpost_proto::ids::NodeId;
use fingerpost_proto::sync::{Frame, Incoming, Session, SessionError, Stats};
use futures::StreamExt;
use futures::stream::FuturesOrdered;
use tokio::sync::Notify;

use super::sessions::{Patience, RunError};
use super::{Node, lock, now_s};
use crate::net::{FrameReceiver, FrameSender, Stream, frames_with_idle};

/// From so many new items on, a session is the one by which this node catches up.
const MUCH_ITEMS: u64 = 256;
/// Most frames that are checked before the turn of the first of them: each may hold [`fingerpost_proto::limits::FRAME_MAX_BYTES`].
const CHECKED_AHEAD_MAX: usize = 4;

/// A node from which much is coming in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Source {
    pub(super) node: NodeId,
    /// Since when, in seconds since 1970-01-01 UTC.
    pub(super) since_s: u64,
    /// How many items were taken in.
    pub(super) items: u64,
}

/// A session by which this node may come to catch up; with its end, however it comes, what waited for that goes on.
struct PossibleSource<'a> {
    node: &'a Node,
    peer: NodeId,
}

impl Drop for PossibleSource<'_> {
    fn drop(&mut self) {
        let mut sessions = lock(&self.node.sessions);
        let of_this = sessions.source.take_if(|it| it.node == self.peer);
        drop(sessions);
        if of_this.is_some() {
            self.node.feed_due.notify_one();
        }
    }
}

impl Node {
    /// Runs a session to its end: one task reads, one writes, so that two sides that both have much to
    /// send never wait for each other. A peer that began it, the `guest`, pays for what it carried.
    pub(super) async fn drive(
        &self,
        session: Session,
        stream: Stream,
        guest: Option<NodeId>,
    ) -> Result<Session, RunError> {
        let begun = Instant::now();
        let patience = lock(&self.sessions).patience;
        let source = PossibleSource {
            node: self,
            peer: session.peer(),
        };
        let is_relayed = stream.is_relayed();
        let (mut sender, mut receiver) = frames_with_idle(stream, patience.idle);
        let session = Mutex::new(session);
        let handled = Notify::new();
        let whole = async {
            let write = self.write_frames(&session, &mut sender, &handled);
            let read = self.read_frames(&session, &mut receiver, &handled);
            tokio::try_join!(write, read)?;
            // All has been said. Whoever hangs up first now does no wrong.
            if let Err(error) = sender.finish().await {
                tracing::debug!("a stream was not closed in order: {error}");
            }
            Ok(())
        };
        let finished = tokio::select! {
            finished = whole => finished,
            () = until_overdue(&session, patience) => Err(RunError::Overdue),
        };
        drop(source);
        // Whoever was taken in, or has left, takes part in gossip from now on, or no more.
        self.refresh_trusted();
        if finished.is_ok() {
            self.exchanged.store(true, Ordering::Release);
        }
        let mut traffic = lock(&self.traffic);
        traffic.sessions += u64::from(finished.is_ok());
        traffic.sent_bytes += sender.wire_bytes();
        traffic.received_bytes += receiver.wire_bytes();
        if is_relayed {
            traffic.relayed_bytes += sender.wire_bytes() + receiver.wire_bytes();
        }
        drop(traffic);
        let (sent, received) = (sender.wire_bytes(), receiver.wire_bytes());
        let took = finished.is_ok().then(|| begun.elapsed());
        self.metrics.synced(sent, received, took);
        if let Some(guest) = guest {
            let stats = lock(&session).stats().clone();
            let refused = stats.refused.values().sum();
            // What is left out for it had to be read as well.
            let work = sent + received + stats.spared_bytes;
            lock(&self.budgets).charge(guest, work, refused, Instant::now());
        }
        finished?;
        Ok(session
            .into_inner()
            .unwrap_or_else(std::sync::PoisonError::into_inner))
    }

    async fn write_frames(
        &self,
        session: &Mutex<Session>,
        sender: &mut FrameSender,
        handled: &Notify,
    ) -> Result<(), RunError> {
        loop {
            let (frame, finished) = tokio::task::block_in_place(|| {
                let mut session = lock(session);
                let frame = session
                    .poll_frame(&self.replica())
                    .map_err(SessionError::Replica)?;
                let bytes = frame.as_ref().map(Frame::to_bytes);
                session.note_sent(bytes.as_ref().map_or(0, Vec::len));
                Ok::<_, RunError>((bytes, session.is_finished()))
            })?;
            match (frame, finished) {
                (Some(bytes), _) => sender.send(&bytes).await?,
                (None, true) => return Ok(sender.flush().await?),
                (None, false) => {
                    sender.flush().await?;
                    handled.notified().await;
                }
            }
        }
    }

    /// Takes in what the peer sends. Some frames ahead of the one whose turn it is, signatures and hashes are checked
    /// already, on as many processors as there are.
    async fn read_frames(
        &self,
        session: &Mutex<Session>,
        receiver: &mut FrameReceiver,
        handled: &Notify,
    ) -> Result<(), RunError> {
        let ahead = std::thread::available_parallelism().map_or(1, usize::from);
        let ahead = ahead.min(CHECKED_AHEAD_MAX);
        let mut checking = FuturesOrdered::new();
        let mut is_open = true;
        while !lock(session).is_finished() {
            let checked = tokio::select! {
                biased;
                received = receiver.receive(), if is_open && checking.len() < ahead => {
                    match received? {
                        Some(bytes) => {
                            let networks = lock(session).shared().to_vec();
                            let check = move || {
                                let incoming = Incoming::parse(&bytes)?;
                                incoming.prove_ahead(&networks);
                                Ok(incoming)
                            };
                            checking.push_back(tokio::task::spawn_blocking(check));
                        }
                        None => is_open = false,
                    }
                    continue;
                }
                Some(checked) = checking.next() => checked,
                else => return Err(RunError::Closed),
            };
            let incoming = checked.map_err(|error| RunError::Own(error.to_string()))?;
            let incoming = incoming.map_err(SessionError::Frame)?;
            tokio::task::block_in_place(|| self.take_frame(session, incoming))?;
            handled.notify_one();
        }
        Ok(())
    }

    fn take_frame(&self, session: &Mutex<Session>, incoming: Incoming) -> Result<(), RunError> {
        let mut session = lock(session);
        let before = session.stats().clone();
        let result = session.handle_frame(now_s(), incoming, &mut self.replica());
        self.count_refusals(&before, session.stats());
        self.note_source(&session);
        drop(session);
        match self.is_catching_up() {
            // What comes is kept as fast as it comes; search follows.
            true => self.feed_due.notify_one(),
            false => self.feed(),
        }
        result.map_err(RunError::Session)
    }

    fn note_source(&self, session: &Session) {
        let items = session.stats().accepted;
        if items < MUCH_ITEMS {
            return;
        }
        let mut sessions = lock(&self.sessions);
        let source = sessions.source.get_or_insert_with(|| Source {
            node: session.peer(),
            since_s: now_s(),
            items,
        });
        if source.node == session.peer() {
            source.items = items;
        }
    }

    /// From whom much is coming in at present.
    pub(super) fn source(&self) -> Option<Source> {
        lock(&self.sessions).source
    }

    /// Whether much is coming in from one node at present: what need not be done for each of its frames waits.
    pub(super) fn is_catching_up(&self) -> bool {
        self.source().is_some()
    }

    fn count_refusals(&self, before: &Stats, stats: &Stats) {
        let refused = stats.refused.iter().map(|it| (it, &before.refused));
        let declined = stats.declined.iter().map(|it| (it, &before.declined));
        for ((reason, count), before) in refused.chain(declined) {
            let more = count.saturating_sub(before.get(reason).copied().unwrap_or(0));
            if more > 0 {
                self.count_refusals_of(reason, more);
            }
        }
    }
}

/// Waits until a session has taken too long. A peer that sends a byte now and then is never silent, so
/// silence is not all that ends a session; and who does not even know a network of ours is not borne with
/// for long.
async fn until_overdue(session: &Mutex<Session>, patience: Patience) {
    tokio::time::sleep(patience.idle).await;
    if !lock(session).shared().is_empty() {
        tokio::time::sleep(patience.whole.saturating_sub(patience.idle)).await;
    }
}
