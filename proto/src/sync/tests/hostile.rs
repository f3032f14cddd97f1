//! Peers that speak nonsense, out of turn, or what they have no right to say.

use std::sync::LazyLock;

use proptest::prelude::*;

use super::*;
use crate::replica::Item;
use crate::roster::Place;
use crate::testing::all_shown;

fn give(end: &mut End, frame: Frame) -> Result<(), SessionError<std::convert::Infallible>> {
    let incoming = Incoming::parse(&frame.to_bytes()).unwrap();
    end.session.handle_frame(NOW_S, incoming, &mut end.replica)
}

fn hello(version: u32) -> Frame {
    Frame::Hello {
        version,
        nonce: [1; 16],
    }
}

fn tag(federation: &Federation) -> Tag {
    Tag::of(&federation.network(), &[[1; 16], [2; 16]])
}

/// A responder that has been through its first `frames`.
fn responder(federation: &Federation, frames: &[Frame]) -> End {
    let founder = &federation.founder;
    let replica = federation.holding_all(founder);
    let session = Session::respond(
        federation.members[0].id(),
        vec![federation.network()],
        [2; 16],
    );
    let mut end = End { session, replica };
    for frame in frames {
        give(&mut end, frame.clone()).unwrap();
    }
    end
}

#[test]
fn another_version_is_told_apart() {
    let federation = Federation::new(2);
    let mut end = responder(&federation, &[]);
    let error = give(&mut end, hello(2)).unwrap_err();
    assert!(matches!(error, SessionError::OtherVersion(2)), "{error}");
    assert!(error.to_string().contains("version 2"));
}

#[test]
fn every_frame_that_has_no_place_ends_the_session() {
    let federation = Federation::new(2);
    let open = |scope| Frame::Open {
        scope,
        count: 0,
        message: Vec::new(),
    };
    let networks = Frame::Networks {
        tags: vec![tag(&federation)],
        known: Vec::new(),
    };
    let nothing_yet: &[Frame] = &[];
    let greeted = &[hello(VERSION)];
    let between = &[hello(VERSION), networks.clone()];
    let cards = &[hello(VERSION), networks.clone(), open(Scope::Cards)];
    let after_cards = &[
        hello(VERSION),
        networks.clone(),
        open(Scope::Cards),
        Frame::Done {
            scope: Scope::Cards,
        },
    ];
    let charter = &[
        hello(VERSION),
        networks.clone(),
        Frame::WantCharter {
            tag: tag(&federation),
        },
    ];
    let receipt = Frame::Receipt {
        accepted: 0,
        refused: 0,
        complete: true,
    };
    let items = Frame::Items { items: Vec::new() };
    let cases: [(&[Frame], Vec<Frame>); 6] = [
        (
            nothing_yet,
            vec![
                networks.clone(),
                open(Scope::Cards),
                receipt.clone(),
                items.clone(),
                Frame::SendAll,
            ],
        ),
        (
            greeted,
            vec![
                hello(VERSION),
                open(Scope::Cards),
                items.clone(),
                receipt.clone(),
            ],
        ),
        (
            between,
            vec![
                hello(VERSION),
                networks.clone(),
                open(Scope::Rest),
                items.clone(),
                receipt.clone(),
                Frame::Want { ids: Vec::new() },
                Frame::Reconcile {
                    message: Vec::new(),
                },
                Frame::WantCharter { tag: Tag([0; 16]) },
                Frame::Charter {
                    charter: Vec::new(),
                    in_force: None,
                    chain: Vec::new(),
                },
                Frame::Done {
                    scope: Scope::Cards,
                },
            ],
        ),
        (
            cards,
            vec![
                hello(VERSION),
                open(Scope::Rest),
                open(Scope::Cards),
                Frame::SendAll,
                Frame::Done { scope: Scope::Rest },
                Frame::Want { ids: Vec::new() },
                Frame::Reconcile {
                    message: vec![0x61],
                },
                receipt.clone(),
            ],
        ),
        (
            after_cards,
            vec![
                open(Scope::Cards),
                items.clone(),
                receipt,
                Frame::Done {
                    scope: Scope::Cards,
                },
            ],
        ),
        // One charter in a session, and nothing after it.
        (
            charter,
            vec![
                Frame::WantCharter {
                    tag: tag(&federation),
                },
                open(Scope::Cards),
                Frame::Charter {
                    charter: Vec::new(),
                    in_force: None,
                    chain: Vec::new(),
                },
            ],
        ),
    ];
    for (before, frames) in cases {
        for frame in frames {
            let mut end = responder(&federation, before);
            let outcome = give(&mut end, frame.clone());
            assert!(
                matches!(outcome, Err(SessionError::OutOfOrder)),
                "{frame:?} after {before:?}: {outcome:?}"
            );
        }
    }
}

#[test]
fn garbage_in_place_of_a_reconciliation_ends_the_session() {
    let federation = Federation::new(40);
    for message in [
        vec![],
        vec![0x60],
        vec![0xff; 40],
        vec![0x61, 0, 0, 1],
        vec![0x61, 0, 0, 9, 9],
        vec![0x61, 0, 40],
    ] {
        let before = [
            hello(VERSION),
            Frame::Networks {
                tags: vec![tag(&federation)],
                known: Vec::new(),
            },
        ];
        let mut end = responder(&federation, &before);
        let outcome = give(
            &mut end,
            Frame::Open {
                scope: Scope::Cards,
                count: 40,
                message: message.clone(),
            },
        );
        match outcome {
            Err(SessionError::Reconcile(_)) => {}
            // A version of it that we do not speak is answered with ours, and nothing else.
            Ok(()) if message == [0x60] => {}
            other => panic!("{message:x?}: {other:?}"),
        }
    }
}

#[test]
fn asking_for_what_is_not_there_gets_nothing() {
    let federation = Federation::new(40);
    let before = [
        hello(VERSION),
        Frame::Networks {
            tags: vec![tag(&federation)],
            known: Vec::new(),
        },
        Frame::Open {
            scope: Scope::Cards,
            count: 40,
            message: vec![0x61, 0, 0, 2, 0],
        },
        Frame::Want {
            ids: (0..200).map(|n| SaltedId([n; 32])).collect(),
        },
    ];
    let mut end = responder(&federation, &before);
    while let Some(frame) = end.session.poll_frame(&end.replica).unwrap() {
        assert!(!matches!(frame, Frame::Items { .. }), "{frame:?}");
    }
    assert_eq!(end.session.stats().sent, 0);
}

#[test]
fn a_charter_of_another_network_is_refused() {
    let federation = Federation::new(2);
    let newcomer = Party::new(60);
    let [mut one, mut two] = pair(
        newcomer.replica(&[]),
        federation.holding_all(&federation.founder),
        Purpose::Charter(federation.network()),
    );
    run(&mut one, &mut two, 5);
    let other = charter(9, 1, &[&newcomer]).to_bytes();
    let error = give(
        &mut one,
        Frame::Charter {
            charter: other,
            in_force: None,
            chain: Vec::new(),
        },
    )
    .unwrap_err();
    assert!(
        matches!(
            error,
            SessionError::Charter(crate::charter::CharterError::OtherNetwork)
        ),
        "{error}"
    );
    assert_eq!(one.session.charter(), None);
}

#[test]
fn what_a_peer_slips_in_is_checked_like_everything_else() {
    let federation = Federation::new(3);
    let member = &federation.members[0];
    let stranger = Party::new(60);
    let before = [
        hello(VERSION),
        Frame::Networks {
            tags: vec![tag(&federation)],
            known: Vec::new(),
        },
        Frame::Open {
            scope: Scope::Cards,
            count: 0,
            message: Vec::new(),
        },
    ];
    let mut end = responder(&federation, &before);
    let shown = all_shown(&end.replica);
    let thief = Party {
        root: stranger.root.clone(),
        ..Party::on(60, 2, crate::certificate::Role::Admin)
    };
    let forged = Item::Record {
        record: crate::signed::Signed::sign(
            member.record(DocName::Listing(0), 9, &[], &listing(0, 1, "forged")),
            &thief.root,
        )
        .to_bytes(),
        delegation: Some(member.delegation.to_bytes()),
        state: Some(listing(0, 1, "forged")),
    };
    let items = vec![
        forged,
        stranger.item(DocName::Listing(0), 1, &[], &listing(0, 1, "x")),
        member.item(DocName::Listing(0), 2, &[], b"[[[[[[[[[[[[[[[[[[[[[[[[[[[["),
        member.item(DocName::Listing(0), 1, &[], &listing(0, 2, "x")),
    ];
    give(&mut end, Frame::Items { items }).unwrap();
    assert_eq!(all_shown(&end.replica), shown);
    let stats = end.session.stats();
    let refused: Vec<_> = stats
        .refused
        .iter()
        .map(|(name, count)| (*name, *count))
        .collect();
    assert_eq!(
        refused,
        [
            ("bad_listing", 1),
            ("bad_signature", 1),
            ("not_a_member", 1)
        ]
    );
    assert_eq!(stats.accepted, 0);
}

/// All frames of an honest session in which much is exchanged, one list for each direction.
fn honest_frames(federation: &Federation) -> [Vec<Vec<u8>>; 2] {
    let [mut one, mut two] = ends(federation);
    let mut frames = [Vec::new(), Vec::new()];
    loop {
        let mut moved = false;
        for way in [0, 1] {
            let (from, to) = if way == 0 {
                (&mut one, &mut two)
            } else {
                (&mut two, &mut one)
            };
            let Some(frame) = from.session.poll_frame(&from.replica).unwrap() else {
                continue;
            };
            frames[way].push(frame.to_bytes());
            give(to, frame).unwrap();
            moved = true;
        }
        if !moved {
            return frames;
        }
    }
}

/// Two members that each miss something of what the other holds.
fn ends(federation: &Federation) -> [End; 2] {
    let mut one = federation.holding_all(&federation.founder);
    let mut two = federation.holding_all(&federation.members[0]);
    for (replica, parties) in [
        (&mut one, &federation.members[1..4]),
        (&mut two, &federation.members[4..7]),
    ] {
        for party in parties {
            send(
                replica,
                party.item(DocName::Listing(0), 2, &[], &listing(0, 1, "changed")),
            );
        }
    }
    pair(one, two, Purpose::Sync)
}

#[derive(Debug, Clone)]
enum Damage {
    Byte { at: usize, with: u8 },
    Cut { at: usize },
    Insert { at: usize, bytes: Vec<u8> },
    Swap { with: usize },
    Drop,
}

fn damage() -> impl Strategy<Value = Damage> {
    prop_oneof![
        4 => (any::<usize>(), any::<u8>()).prop_map(|(at, with)| Damage::Byte { at, with }),
        1 => any::<usize>().prop_map(|at| Damage::Cut { at }),
        1 => (any::<usize>(), prop::collection::vec(any::<u8>(), 1..9)).prop_map(|(at, bytes)| Damage::Insert { at, bytes }),
        1 => any::<usize>().prop_map(|with| Damage::Swap { with }),
        1 => Just(Damage::Drop),
    ]
}

static SMALL: LazyLock<Federation> = LazyLock::new(|| Federation::new(8));
static LARGER: LazyLock<Federation> = LazyLock::new(|| Federation::new(40));

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    /// Whatever is done to the frames of a session, neither side panics, and nothing that its owner did
    /// not publish is ever shown.
    #[test]
    fn damaged_frames_admit_nothing(to_responder: bool, which in prop::collection::vec((any::<usize>(), damage()), 1..5)) {
        let frames = honest_frames(&SMALL);
        let [one, two] = ends(&SMALL);
        let (mut end, honest) = if to_responder { (two, one) } else { (one, two) };
        let mut allowed = all_shown(&honest.replica).into_values().collect::<std::collections::BTreeSet<_>>();
        allowed.extend(all_shown(&end.replica).into_values());
        let mut frames = frames[usize::from(!to_responder)].clone();
        for (frame, damage) in which {
            let frame = frame % frames.len();
            let bytes = &mut frames[frame];
            match damage {
                Damage::Byte { at, with } => {
                    let at = at % bytes.len().max(1);
                    if let Some(byte) = bytes.get_mut(at) { *byte ^= with; }
                }
                Damage::Cut { at } => bytes.truncate(at % (bytes.len() + 1)),
                Damage::Insert { at, bytes: more } => {
                    let at = at % (bytes.len() + 1);
                    bytes.splice(at..at, more);
                }
                Damage::Swap { with } => { let with = with % frames.len(); frames.swap(frame, with); }
                Damage::Drop => bytes.clear(),
            }
        }
        for bytes in frames {
            // As a transport would: own frames are made meanwhile, and a broken session is over.
            while end.session.poll_frame(&end.replica).unwrap().is_some() {}
            let Ok(incoming) = Incoming::parse(&bytes) else { break };
            if end.session.handle_frame(NOW_S, incoming, &mut end.replica).is_err() {
                break;
            }
        }
        for (key, state) in all_shown(&end.replica) {
            prop_assert!(allowed.contains(&state), "{key} shows what nobody published");
        }
        prop_assert_eq!(end.replica.roster(&SMALL.network()).unwrap().member_count(), 8);
    }

    #[test]
    fn damaged_reconciliations_never_panic(count in 1u64..2000, message in prop::collection::vec(any::<u8>(), 0..300), keep in 0usize..60) {
        let [mut one, mut two] = ends(&LARGER);
        run(&mut one, &mut two, 4);
        let Some(Frame::Open { message: good, scope, .. }) = one.session.poll_frame(&one.replica).unwrap() else {
            panic!("no open")
        };
        let mut mixed = good[..keep.min(good.len())].to_vec();
        mixed.extend(&message);
        if give(&mut two, Frame::Open { scope, count, message: mixed }).is_ok() {
            let _ = give(&mut two, Frame::Reconcile { message: message.clone() });
        }
        let _ = give(&mut one, Frame::Reconcile { message });
        prop_assert_eq!(two.replica.place(&LARGER.members[0].org()), Some(Place::Member));
    }
}
