//! Messages, sessions, and what becomes of them on the way.

use std::rc::Rc;

use fingerpost_proto::ids::NetworkId;
use fingerpost_proto::limits;
use fingerpost_proto::replica::{Item, Outcome};
use fingerpost_proto::sync::{Frame, Incoming, Purpose, Session, SessionError};

use super::report::Kind;
use super::world::{Event, Node, World};

/// To how many others a node passes on what is new to it.
const FANOUT: usize = 2;
/// Most sessions that a node has at one time.
const SESSIONS_MAX: usize = 12;
/// What a session may cost beside the items themselves and its reconciliation, in bytes.
const SESSION_BASE_BYTES: u64 = 32 * 1024;
/// Frames of a side beside items and reconciliation.
const SESSION_BASE_FRAMES: u64 = 24;
const SCOPES: u64 = 3;
/// In federations of so many nodes each meets its siblings soon enough by chance.
const CHANCE_FINDS_SIBLINGS_MAX: usize = 100;
/// In larger ones, how often the next exchange is with a sibling, if there is one.
const SIBLING_PER_MILLE: u64 = 250;

/// One side of a session.
pub(super) struct Side {
    peer: usize,
    machine: Session,
    last_ms: u64,
    /// When the last frame arrives that it has sent: frames do not overtake one another.
    arrives_ms: u64,
    work: Work,
}

/// What an honest side has sent.
#[derive(Debug, Clone, Copy, Default)]
struct Work {
    frames: u64,
    bytes: u64,
    reconcile_frames: u64,
    reconcile_bytes: u64,
    /// The most that it has held meanwhile.
    held_bytes: u64,
}

impl Work {
    fn add(&mut self, frame: &Frame, bytes: u64, held_bytes: u64) {
        self.held_bytes = self.held_bytes.max(held_bytes);
        match frame {
            Frame::Reconcile { .. } | Frame::Open { .. } => {
                self.reconcile_frames += 1;
                self.reconcile_bytes += bytes;
            }
            _ => {
                self.frames += 1;
                self.bytes += bytes;
            }
        }
    }

    /// Whether it is more than a session may cost one who holds so much: each item goes once, whatever the peer
    /// says.
    fn is_too_much(&self) -> bool {
        let rounds = SCOPES * (u64::from(limits::RECONCILE_ROUNDS_MAX) + 1);
        let bytes = SESSION_BASE_BYTES + 2 * self.held_bytes;
        self.bytes > bytes
            || self.frames > SESSION_BASE_FRAMES + 2 * bytes / limits::FRAME_FILL_BYTES as u64
            || self.reconcile_frames > rounds
            || self.reconcile_bytes > rounds * (limits::RECONCILE_FRAME_MAX_BYTES + 64)
    }
}

impl World {
    /// Tells some nodes of an item. Whoever finds it new tells others.
    pub(super) fn announce(&mut self, from: usize, item: Item) {
        let item = Rc::new(item);
        if self.archive.len() < 4_000 {
            self.archive.push(Rc::clone(&item));
        }
        self.pass_on(from, &item, FANOUT + 1);
    }

    pub(super) fn pass_on(&mut self, from: usize, item: &Rc<Item>, to_others: usize) {
        for _ in 0..to_others {
            let to = self.random.below(self.nodes.len() as u64) as usize;
            if to == from || self.random.chance(self.weather.loss_per_mille) {
                continue;
            }
            let twice = self.random.chance(self.weather.duplicate_per_mille);
            for _ in 0..1 + u64::from(twice) {
                // Each copy takes a time of its own, so they overtake one another.
                let in_ms = self.random.between(1, self.weather.delay_max_ms);
                let in_ms = in_ms + self.nodes[from].slow_ms;
                let item = Rc::clone(item);
                self.later(in_ms, Event::Announce { from, to, item });
            }
        }
    }

    pub(super) fn hear(&mut self, from: usize, to: usize, item: &Rc<Item>) {
        if !self.can_reach(from, to) {
            return;
        }
        let now_s = self.clock_s(to);
        let Ok(checked) = self.checks.check((**item).clone()) else {
            self.report.refused_items += 1;
            if !self.nodes[from].hostile {
                self.fail(
                    Kind::Session,
                    format!("node {from} passed on what does not check"),
                );
            }
            return;
        };
        match self.nodes[to].replica.receive(now_s, checked) {
            Ok(Outcome::Accepted(_)) => {
                self.trace
                    .note(self.now_ms, "accepted", &(to as u32).to_le_bytes());
                self.follow(to);
                // A hostile node keeps most to itself.
                if !self.nodes[to].hostile || self.random.chance(300) {
                    self.pass_on(to, item, FANOUT);
                }
            }
            Ok(Outcome::Refused(_)) => self.report.refused_items += 1,
            Ok(_) => {}
            Err(_) if self.nodes[to].full => {}
            Err(error) => self.fail(Kind::Store, format!("node {to}: {error}")),
        }
    }

    /// A node begins a session with another, as it does every now and then.
    pub(super) fn sync(&mut self, node: usize) {
        let idle = self.now_ms.saturating_sub(limits::SESSION_IDLE_MS);
        let it = &mut self.nodes[node];
        it.sessions.retain(|_, side| side.last_ms >= idle);
        if it.up {
            self.tend(node);
            self.merge_all(node);
            let to = self.partner(node);
            self.begin_session(node, to);
        }
        self.again(Event::Sync(node));
    }

    /// With whom a node exchanges next: with anybody. It always stays connected with its siblings, so where chance would
    /// hardly ever choose them it is one of them now and then.
    fn partner(&mut self, node: usize) -> usize {
        if self.nodes.len() > CHANCE_FINDS_SIBLINGS_MAX && self.random.chance(SIBLING_PER_MILLE) {
            let siblings = &self.orgs[self.nodes[node].org].nodes;
            if let Some(sibling) = self.random.pick(siblings) {
                return *sibling;
            }
        }
        self.random.below(self.nodes.len() as u64) as usize
    }

    fn begin_session(&mut self, from: usize, to: usize) {
        let busy = |node: usize| self.nodes[node].sessions.len() >= SESSIONS_MAX;
        if from == to || !self.nodes[from].up || !self.can_reach(from, to) || busy(from) || busy(to)
        {
            return;
        }
        self.last_session += 1;
        let session = self.last_session;
        let (one, two) = self.both_sides(from, to);
        let side = |peer, machine| Side {
            peer,
            machine,
            last_ms: self.now_ms,
            arrives_ms: 0,
            work: Work::default(),
        };
        let (one, two) = (side(to, one), side(from, two));
        self.nodes[from].sessions.insert(session, one);
        self.nodes[to].sessions.insert(session, two);
        self.report.sessions += 1;
        self.pump(from, session);
    }

    fn both_sides(&mut self, from: usize, to: usize) -> (Session, Session) {
        let nonces: [[u8; 16]; 2] = [self.random.bytes(), self.random.bytes()];
        let known =
            |node: &Node| -> Vec<NetworkId> { node.replica.networks().map(|(id, _)| id).collect() };
        let [one, two] = [from, to].map(|node| &self.nodes[node]);
        (
            Session::initiate(two.id, Purpose::Sync, known(one), nonces[0]).sought(),
            Session::respond(one.id, known(two), nonces[1]),
        )
    }

    /// Sends what a session has to send.
    fn pump(&mut self, node: usize, session: u64) {
        loop {
            let sender = &mut self.nodes[node];
            let Some(side) = sender.sessions.get_mut(&session) else {
                return;
            };
            let frame = side.machine.poll_frame(&sender.replica);
            let Some(frame) = frame.expect("a store reads") else {
                break;
            };
            let to = side.peer;
            if sender.hostile {
                for bytes in self.twist(node, frame) {
                    self.send_frame(node, to, session, bytes);
                }
                continue;
            }
            let bytes = frame.to_bytes();
            let held = sender.replica.storage().size_bytes();
            side.work.add(&frame, bytes.len() as u64, held);
            let work = side.work;
            if work.is_too_much() || bytes.len() > limits::FRAME_MAX_BYTES {
                let size = bytes.len();
                self.fail(
                    Kind::Session,
                    format!("node {node} has sent {work:?}, the last frame of {size} bytes"),
                );
                return;
            }
            if self.random.chance(self.weather.cut_per_mille) {
                self.report.cut += 1;
                self.end(node, session);
                self.end(to, session);
                return;
            }
            self.send_frame(node, to, session, bytes);
        }
        let sessions = &mut self.nodes[node].sessions;
        if sessions
            .get(&session)
            .is_some_and(|side| side.machine.is_finished())
        {
            sessions.remove(&session);
            self.nodes[node].heard = true;
            self.report.finished += 1;
        }
    }

    fn send_frame(&mut self, from: usize, to: usize, session: u64, bytes: Vec<u8>) {
        let in_ms = self.random.between(1, self.weather.delay_max_ms) + self.nodes[from].slow_ms;
        let Some(side) = self.nodes[from].sessions.get_mut(&session) else {
            return;
        };
        side.machine.note_sent(bytes.len());
        self.report.bytes += bytes.len() as u64;
        side.arrives_ms = (self.now_ms + in_ms).max(side.arrives_ms + 1);
        let at_ms = side.arrives_ms;
        self.at(
            at_ms,
            Event::Frame {
                from,
                to,
                session,
                bytes,
            },
        );
    }

    fn end(&mut self, node: usize, session: u64) {
        self.nodes[node].sessions.remove(&session);
    }

    pub(super) fn take_frame(&mut self, from: usize, to: usize, session: u64, bytes: &[u8]) {
        if !self.can_reach(from, to) {
            // A stream that misses a frame brings no more; the sender learns of it by the silence.
            self.end(to, session);
            return;
        }
        let now_s = self.clock_s(to);
        let node = &mut self.nodes[to];
        let Some(side) = node.sessions.get_mut(&session) else {
            return;
        };
        side.last_ms = self.now_ms;
        let incoming = Incoming::parse_with(bytes, |item| self.checks.check(item));
        let handled = match incoming {
            Ok(incoming) => side
                .machine
                .handle_frame(now_s, incoming, &mut node.replica),
            Err(error) => Err(error.into()),
        };
        self.trace
            .note(self.now_ms, "frame", &(bytes.len() as u64).to_le_bytes());
        self.follow(to);
        match handled {
            Ok(()) => self.pump(to, session),
            // Sessions end when somebody leaves meanwhile.
            Err(SessionError::Farewell(_)) => self.end(to, session),
            Err(SessionError::Replica(error)) => {
                self.end(to, session);
                if !self.nodes[to].full {
                    self.fail(Kind::Store, format!("node {to}: {error}"));
                }
            }
            Err(error) => {
                self.end(to, session);
                self.report.broken_off += 1;
                if !self.nodes[from].hostile && !self.nodes[to].hostile {
                    self.fail(
                        Kind::Session,
                        format!("an honest session of {from} with {to} failed: {error}"),
                    );
                }
            }
        }
    }

    /// Runs one session between two nodes from beginning to end, at once. Answers how many frames and bytes both
    /// sides have sent.
    pub(super) fn session_now(
        &mut self,
        one: usize,
        two: usize,
    ) -> Result<(u64, u64, Vec<String>), String> {
        let (first, second) = self.both_sides(one, two);
        let mut sides = [(one, first), (two, second)];
        let mut told: Vec<String> = Vec::new();
        let (mut frames, mut total, mut quiet, mut at) = (0, 0, 0, 0);
        while quiet < 2 {
            quiet += 1;
            let (node, side) = &mut sides[at];
            let mut sent = Vec::new();
            while let Some(frame) = side
                .poll_frame(&self.nodes[*node].replica)
                .map_err(|error| error.to_string())?
            {
                if !matches!(frame, Frame::Items { .. }) {
                    told.push(format!("{frame:?}").chars().take(24).collect());
                } else {
                    told.push(format!("{frame:?}").chars().take(100).collect());
                }
                sent.push(frame.to_bytes());
            }
            at = 1 - at;
            for bytes in sent {
                quiet = 0;
                frames += 1;
                total += bytes.len() as u64;
                let now_s = self.true_clock_s();
                let incoming = Incoming::parse_with(&bytes, |item| self.checks.check(item));
                let incoming = incoming.map_err(|error| error.to_string())?;
                let (node, side) = &mut sides[at];
                side.handle_frame(now_s, incoming, &mut self.nodes[*node].replica)
                    .map_err(|error| error.to_string())?;
            }
        }
        match sides.iter().all(|(_, side)| side.is_finished()) {
            true => Ok((frames, total, told)),
            false => Err("it came to rest unfinished".into()),
        }
    }
}
