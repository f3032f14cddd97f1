//! Messages, sessions, and what becomes of them on the way.

use fingerpost_proto::ids::NetworkId;
use fingerpost_proto::replica::{Item, Outcome};
use fingerpost_proto::sync::{Incoming, Purpose, Session};

use super::world::{Event, Node, World};

/// What travels between two nodes.
#[derive(Debug, Clone)]
pub(super) enum Message {
    /// A new item, as gossip spreads it.
    Announcement(Item),
    /// A frame of a session.
    Frame { session: u64, bytes: Vec<u8> },
}

impl World {
    /// Tells some nodes of an item. Whoever finds it new tells others.
    pub(super) fn announce(&mut self, from: usize, item: &Item) {
        for _ in 0..3 {
            let to = self.random.below(self.nodes.len() as u64) as usize;
            if to == from || self.random.chance(self.faults.loss_per_mille) {
                continue;
            }
            let copies = 1 + u64::from(self.random.chance(self.faults.duplicate_per_mille));
            for _ in 0..copies {
                // Each copy takes a time of its own, so they overtake one another.
                let at_ms = self.now_ms + self.random.between(1, self.faults.delay_max_ms);
                let message = Message::Announcement(item.clone());
                self.at(at_ms, Event::Deliver { from, to, message });
            }
        }
    }

    /// A node begins a session with another.
    pub(super) fn begin_session(&mut self, from: usize, to: usize) {
        if from == to || !self.can_reach(from, to) {
            return;
        }
        self.last_session += 1;
        let session = self.last_session;
        let nonces: [[u8; 16]; 2] = [self.random.bytes(), self.random.bytes()];
        let ids = [self.nodes[from].id, self.nodes[to].id];
        let known = |node: &Node| {
            node.replica
                .networks()
                .map(|(id, _)| id)
                .collect::<Vec<NetworkId>>()
        };
        let initiator =
            Session::initiate(ids[1], Purpose::Sync, known(&self.nodes[from]), nonces[0]).sought();
        let responder = Session::respond(ids[0], known(&self.nodes[to]), nonces[1]);
        self.nodes[from].sessions.insert(session, (to, initiator));
        self.nodes[to].sessions.insert(session, (from, responder));
        self.report.sessions += 1;
        self.pump(from, session);
    }

    /// Sends what a session has to send. Frames of one session arrive in the order they were sent.
    fn pump(&mut self, node: usize, session: u64) {
        loop {
            let sender = &mut self.nodes[node];
            let Some((peer, machine)) = sender.sessions.get_mut(&session) else {
                return;
            };
            let peer = *peer;
            let frame = machine
                .poll_frame(&sender.replica)
                .expect("memory does not fail");
            let Some(frame) = frame else { break };
            let bytes = frame.to_bytes();
            machine.note_sent(bytes.len());
            self.report.bytes += bytes.len() as u64;
            if self.random.chance(self.faults.cut_per_mille) {
                self.cut(node, peer, session);
                return;
            }
            let earliest = self.now_ms + self.random.between(1, self.faults.delay_max_ms);
            let last = self.last_arrival.entry((session, node)).or_default();
            *last = earliest.max(*last + 1);
            let at_ms = *last;
            let message = Message::Frame { session, bytes };
            self.at(
                at_ms,
                Event::Deliver {
                    from: node,
                    to: peer,
                    message,
                },
            );
        }
    }

    fn cut(&mut self, one: usize, two: usize, session: u64) {
        self.nodes[one].sessions.remove(&session);
        self.nodes[two].sessions.remove(&session);
        self.report.cut += 1;
    }

    pub(super) fn deliver(&mut self, from: usize, to: usize, message: Message) {
        if !self.can_reach(from, to) {
            if let Message::Frame { session, .. } = message {
                self.cut(from, to, session);
            }
            return;
        }
        match message {
            Message::Announcement(item) => self.take(to, item),
            Message::Frame { session, bytes } => self.take_frame(to, session, &bytes),
        }
    }

    fn take(&mut self, to: usize, item: Item) {
        let now_s = self.clock_s(to);
        let Ok(checked) = item.clone().check() else {
            panic!("an honest node sent what does not check");
        };
        let outcome = self.nodes[to]
            .replica
            .receive(now_s, checked)
            .expect("memory does not fail");
        if matches!(outcome, Outcome::Accepted(_)) {
            self.trace
                .note(self.now_ms, "accepted", &self.nodes[to].id.as_bytes()[..4]);
            self.announce(to, &item);
        }
    }

    fn take_frame(&mut self, to: usize, session: u64, bytes: &[u8]) {
        let now_s = self.clock_s(to);
        let node = &mut self.nodes[to];
        let Some((from, machine)) = node.sessions.get_mut(&session) else {
            return;
        };
        let from = *from;
        let incoming = Incoming::parse(bytes).expect("an honest node sent a frame");
        match machine.handle_frame(now_s, incoming, &mut node.replica) {
            Ok(()) => {
                self.trace
                    .note(self.now_ms, "frame", &(bytes.len() as u64).to_le_bytes());
                self.pump(to, session);
                if self.nodes[to]
                    .sessions
                    .get(&session)
                    .is_some_and(|(_, it)| it.is_finished())
                {
                    self.nodes[to].sessions.remove(&session);
                    self.report.finished += 1;
                }
            }
            // Sessions end when somebody leaves meanwhile; nothing else may go wrong among honest nodes.
            Err(fingerpost_proto::sync::SessionError::Farewell(_)) => self.cut(to, from, session),
            Err(error) => panic!("seed {}: an honest session failed: {error}", self.plan.seed),
        }
    }
}
