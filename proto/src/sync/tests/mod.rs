//! Tests of sync: two replicas over a pipe in memory.

mod attacks;
mod exchanges;
mod follow;
mod hostile;
mod introductions;
mod limits;
mod replaced;

use super::*;
use crate::charter::Charter;
use crate::ids::{DocName, NetworkId, NodeId};
use crate::replica::{Outcome, Replica};
use crate::storage::MemoryStorage;
use crate::testing::{NOW_S, Party, charter, listing, send};

/// One end of a pipe.
struct End {
    session: Session,
    replica: Replica<MemoryStorage>,
}

/// What went over the pipe, both ways.
#[derive(Debug, Default)]
struct Traffic {
    frames: usize,
    bytes: usize,
    ended: Option<String>,
}

/// Runs a session until nothing more is to be sent, or until `cut` frames have crossed.
fn run(one: &mut End, two: &mut End, cut: usize) -> Traffic {
    let mut traffic = Traffic::default();
    loop {
        let mut moved = false;
        for way in [true, false] {
            let (from, to) = if way {
                (&mut *one, &mut *two)
            } else {
                (&mut *two, &mut *one)
            };
            if traffic.frames == cut {
                return traffic;
            }
            let Some(frame) = from.session.poll_frame(&from.replica).unwrap() else {
                continue;
            };
            let bytes = frame.to_bytes();
            assert!(bytes.len() <= crate::limits::FRAME_MAX_BYTES);
            from.session.note_sent(bytes.len());
            traffic.frames += 1;
            traffic.bytes += bytes.len();
            moved = true;
            let incoming = Incoming::parse(&bytes).unwrap();
            if let Err(error) = to.session.handle_frame(NOW_S, incoming, &mut to.replica) {
                traffic.ended = Some(error.to_string());
                return traffic;
            }
        }
        if !moved {
            return traffic;
        }
    }
}

/// A pair of sessions between the nodes of two replicas, for all networks of both.
fn pair(one: Replica<MemoryStorage>, two: Replica<MemoryStorage>, purpose: Purpose) -> [End; 2] {
    let networks =
        |replica: &Replica<MemoryStorage>| replica.networks().map(|(id, _)| id).collect::<Vec<_>>();
    let mut known = networks(&one);
    if let Purpose::Charter(network) = purpose {
        known.push(network);
    }
    let initiator = Session::initiate(two.node(), purpose, known, [1; 16]);
    let responder = Session::respond(one.node(), networks(&two), [2; 16]);
    [
        End {
            session: initiator,
            replica: one,
        },
        End {
            session: responder,
            replica: two,
        },
    ]
}

/// A whole session, which must end well on both sides.
fn sync(one: Replica<MemoryStorage>, two: Replica<MemoryStorage>) -> ([End; 2], Traffic) {
    let [mut one, mut two] = pair(one, two, Purpose::Sync);
    let traffic = run(&mut one, &mut two, usize::MAX);
    assert_eq!(traffic.ended, None);
    assert!(one.session.is_finished() && two.session.is_finished());
    ([one, two], traffic)
}

/// A network of a founder (organisation 1) and some members, whose documents a store may hold.
struct Federation {
    charter: Charter,
    founder: Party,
    members: Vec<Party>,
    full: MemoryStorage,
}

impl Federation {
    /// Of `size` organisations with a card and a shard each.
    fn new(size: u32) -> Self {
        let founder = Party::new(1);
        let members: Vec<Party> = (2..=size).map(Party::new).collect();
        let charter = charter(1, 1, &[&founder]);
        let network = charter.network();
        let mut replica = Party::new(0).replica(&[&charter]);
        let all = || std::iter::once(&founder).chain(&members);
        // Cards first, as peers send them: the roster is then computed once.
        for party in all() {
            let by: &[&Party] = if party.org() == founder.org() {
                &[]
            } else {
                &[&founder]
            };
            let card = party.first_card(network, by);
            assert!(matches!(send(&mut replica, card), Outcome::Accepted(_)));
        }
        for party in all() {
            let shard = party.item(DocName::Listing(0), 1, &[], &listing(0, 2, "x"));
            assert!(matches!(send(&mut replica, shard), Outcome::Accepted(_)));
        }
        Self {
            charter,
            founder,
            members,
            full: replica.storage().clone(),
        }
    }

    fn network(&self) -> NetworkId {
        self.charter.network()
    }

    /// A replica of one organisation that holds everything.
    fn holding_all(&self, party: &Party) -> Replica<MemoryStorage> {
        Replica::open(self.full.clone(), party.id(), [party.org()].into()).unwrap()
    }

    /// A replica of one organisation that holds nothing but its own card.
    fn holding_card(&self, party: &Party) -> Replica<MemoryStorage> {
        let mut replica = party.replica(&[&self.charter]);
        let by: &[&Party] = if party.org() == self.founder.org() {
            &[]
        } else {
            &[&self.founder]
        };
        let card = party.card(&[(self.network(), 1, by)]);
        let Outcome::Accepted(_) = send(
            &mut replica,
            party.item(DocName::Card, 1, &[], &card.to_bytes()),
        ) else {
            panic!("own card")
        };
        replica
    }

    /// A replica that holds nothing at all.
    fn empty(&self, party: &Party) -> Replica<MemoryStorage> {
        party.replica(&[&self.charter])
    }
}

/// A shard of 180 KB, of which hardly two fit a frame.
fn heavy(shard: u16) -> Vec<u8> {
    let text = "a".repeat(60_000);
    let fields = ["x_a", "x_b", "x_c"]
        .map(|name| format!("\"{name}\":\"{text}\""))
        .join(",");
    let head = format!("\"format\":1,\"kind\":\"listing\",\"services\":[],\"shard\":{shard}");
    format!("{{{head},{fields}}}").into_bytes()
}
