//! Every limit of a session is met by a test.

use super::*;
use crate::limits::*;
use crate::replica::Item;
use crate::testing::all_shown;

/// The two ends at the point where the responder waits for the first `Open`.
fn at_open(federation: &Federation) -> [End; 2] {
    let [mut one, mut two] = pair(
        federation.holding_all(&federation.members[0]),
        federation.holding_all(&federation.founder),
        Purpose::Sync,
    );
    run(&mut one, &mut two, 4);
    [one, two]
}

fn give(end: &mut End, frame: Frame) -> Result<(), String> {
    let incoming = Incoming::parse(&frame.to_bytes()).map_err(|error| error.to_string())?;
    end.session
        .handle_frame(NOW_S, incoming, &mut end.replica)
        .map_err(|error| error.to_string())
}

#[test]
fn two_that_differ_in_almost_everything_get_on_in_steps() {
    // Two sides that hold as much, but nothing alike: more ids than one session may list.
    let ids = u64::from(RECONCILE_ROUNDS_MAX) * RECONCILE_FRAME_MAX_BYTES / 32;
    assert!(
        ids > 500_000,
        "of a nation's cards all that are missing come in one session, those that vouch first"
    );
    // The same with a side that never stops: the other exchanges what it has found by then.
    let federation = Federation::new(300);
    let one = federation.holding_all(&federation.members[0]);
    let two = federation.holding_card(&federation.founder);
    let [mut one, mut two] = pair(one, two, Purpose::Sync);
    // Hello, networks, and an introduction, for the founder holds nothing but its own card.
    run(&mut one, &mut two, 6);
    let Some(Frame::Open { message, .. }) = one.session.poll_frame(&one.replica).unwrap() else {
        panic!("no open")
    };
    // Fingerprints that never fit make the initiator split and ask again and again.
    let mut answer = message.clone();
    for byte in answer.iter_mut().skip(40).step_by(37) {
        *byte ^= 1;
    }
    let mut rounds = 0;
    let mut items = 0;
    loop {
        rounds += 1;
        assert!(rounds <= RECONCILE_ROUNDS_MAX);
        give(
            &mut one,
            Frame::Reconcile {
                message: answer.clone(),
            },
        )
        .unwrap();
        let mut over = false;
        while let Some(frame) = one.session.poll_frame(&one.replica).unwrap() {
            match frame {
                Frame::Items { items: some } => items += some.len(),
                Frame::Done { .. } => over = true,
                _ => {}
            }
        }
        if over {
            break;
        }
    }
    assert_eq!(rounds, RECONCILE_ROUNDS_MAX);
    assert_eq!(items, 0);
    give(
        &mut one,
        Frame::Done {
            scope: Scope::Cards,
        },
    )
    .unwrap();
    // The scope was broken off, so nobody may take this session for a complete one.
    for scope in [Scope::Rest, Scope::Sealed] {
        give(&mut one, Frame::Done { scope }).unwrap();
    }
    let receipt = loop {
        match one.session.poll_frame(&one.replica).unwrap() {
            Some(Frame::Receipt { complete, .. }) => break complete,
            Some(_) => {}
            None => panic!("no receipt"),
        }
    };
    assert!(!receipt);
    give(
        &mut one,
        Frame::Receipt {
            accepted: 0,
            refused: 0,
            complete: true,
        },
    )
    .unwrap();
    assert!(receipts(&one.replica).unwrap().is_empty());
}

#[test]
fn a_reconciliation_that_does_not_end_is_given_up() {
    let federation = Federation::new(100);
    let [one, mut two] = at_open(&federation);
    let mut one = one;
    let Some(Frame::Open { scope, message, .. }) = one.session.poll_frame(&one.replica).unwrap()
    else {
        panic!("no open")
    };
    give(
        &mut two,
        Frame::Open {
            scope,
            count: 100,
            message: message.clone(),
        },
    )
    .unwrap();
    for _ in 1..RECONCILE_ROUNDS_MAX {
        give(
            &mut two,
            Frame::Reconcile {
                message: message.clone(),
            },
        )
        .unwrap();
        two.session.poll_frame(&two.replica).unwrap().unwrap();
    }
    let error = give(&mut two, Frame::Reconcile { message }).unwrap_err();
    assert_eq!(
        error,
        format!("the reconciliation took more than {RECONCILE_ROUNDS_MAX} rounds")
    );
}

#[test]
fn a_message_of_a_reconciliation_stays_within_its_frame() {
    // One side has just enough that ids are compared, and lacks so many that their ids fill a message.
    let federation = Federation::new(2100);
    let full = federation.holding_all(&federation.members[0]);
    let mut small = federation.holding_card(&federation.founder);
    for party in &federation.members[..40] {
        let card = party.first_card(federation.network(), &[&federation.founder]);
        assert!(matches!(send(&mut small, card), Outcome::Accepted(_)));
    }
    let [mut one, mut two] = pair(small, full, Purpose::Sync);
    let mut largest = 0;
    loop {
        let mut moved = false;
        for way in [true, false] {
            let (from, to) = if way {
                (&mut one, &mut two)
            } else {
                (&mut two, &mut one)
            };
            let Some(frame) = from.session.poll_frame(&from.replica).unwrap() else {
                continue;
            };
            if let Frame::Open { message, .. } | Frame::Reconcile { message } = &frame {
                largest = largest.max(message.len() as u64);
            }
            give(to, frame).unwrap();
            moved = true;
        }
        if !moved {
            break;
        }
    }
    assert!(
        (RECONCILE_FRAME_MAX_BYTES / 2..=RECONCILE_FRAME_MAX_BYTES).contains(&largest),
        "{largest}"
    );
    assert_eq!(all_shown(&one.replica), all_shown(&two.replica));
}

#[test]
fn a_peer_that_sends_without_end_is_cut_off() {
    let federation = Federation::new(3);
    let [_, mut two] = at_open(&federation);
    let mut incoming = Incoming::parse(&Frame::SendAll.to_bytes()).unwrap();
    incoming.size_bytes = usize::try_from(SESSION_MAX_BYTES).unwrap() + 1;
    let error = two
        .session
        .handle_frame(NOW_S, incoming, &mut two.replica)
        .unwrap_err();
    assert!(matches!(error, SessionError::TooManyBytes), "{error}");
}

#[test]
fn a_sender_stops_at_half_of_a_session_and_claims_nothing() {
    let federation = Federation::new(12);
    let (founder, member) = (&federation.founder, &federation.members[0]);
    let [mut one, mut two] = pair(
        federation.holding_all(founder),
        federation.empty(member),
        Purpose::Sync,
    );
    run(&mut one, &mut two, 6);
    one.session
        .note_sent(usize::try_from(SESSION_MAX_BYTES / 2).unwrap() + 1);
    let traffic = run(&mut one, &mut two, usize::MAX);
    assert_eq!(traffic.ended, None);
    assert!(one.session.is_finished() && two.session.is_finished());
    assert!(two.session.stats().accepted < 24);
    assert!(receipts(&one.replica).unwrap().is_empty());
    let ([one, two], _) = sync(one.replica, two.replica);
    assert_eq!(all_shown(&one.replica), all_shown(&two.replica));
}

#[test]
fn items_frames_are_filled_to_their_mark_and_not_over_the_limit() {
    let federation = Federation::new(20);
    let mut full = federation.holding_all(&federation.founder);
    for party in &federation.members {
        send(
            &mut full,
            party.item(
                DocName::Listing(0),
                2,
                &[],
                &listing(0, 1, &"x".repeat(900)),
            ),
        );
        for shard in 1..4u16 {
            let item = party.item(DocName::Listing(shard), 1, &[], &heavy(shard));
            assert!(matches!(send(&mut full, item), Outcome::Accepted(_)));
        }
    }
    let [mut one, mut two] = pair(
        federation.empty(&federation.members[0]),
        full,
        Purpose::Sync,
    );
    let (mut largest, mut frames) = (0, 0);
    loop {
        let mut moved = false;
        for way in [true, false] {
            let (from, to) = if way {
                (&mut one, &mut two)
            } else {
                (&mut two, &mut one)
            };
            let Some(frame) = from.session.poll_frame(&from.replica).unwrap() else {
                continue;
            };
            if let Frame::Items { items } = &frame {
                frames += 1;
                largest = largest.max(frame.to_bytes().len());
                let all_but_last: usize = items.iter().rev().skip(1).map(Item::size_bytes).sum();
                assert!(all_but_last < FRAME_FILL_BYTES);
            }
            give(to, frame).unwrap();
            moved = true;
        }
        if !moved {
            break;
        }
    }
    assert!(
        frames > 20 && largest > FRAME_FILL_BYTES && largest <= FRAME_MAX_BYTES,
        "{frames} {largest}"
    );
}

#[test]
fn asking_again_for_the_same_sends_it_once() {
    let federation = Federation::new(10);
    let [_, mut two] = at_open(&federation);
    // An initiator that claims to hold as much as we do, and asks for all of it, twice.
    let salt: Vec<u8> = [[1; 16], [2; 16]].concat();
    let ids: Vec<SaltedId> = two
        .replica
        .summaries()
        .map(|(_, summary)| {
            SaltedId(crate::record::Hash::of(&[salt.as_slice(), summary.id.as_bytes()].concat()).0)
        })
        .collect();
    let end = vec![0x61, 0, 0, 2, 0];
    give(
        &mut two,
        Frame::Open {
            scope: Scope::Cards,
            count: 10,
            message: end,
        },
    )
    .unwrap();
    let mut sent = 0;
    for _ in 0..20 {
        give(&mut two, Frame::Want { ids: ids.clone() }).unwrap();
        while let Some(frame) = two.session.poll_frame(&two.replica).unwrap() {
            if let Frame::Items { items } = frame {
                sent += items.len();
            }
        }
    }
    assert_eq!(sent, 10);
}

#[test]
fn lists_in_frames_have_limits() {
    let too_many = Frame::Want {
        ids: vec![SaltedId([0; 32]); WANT_MAX_IDS + 1],
    };
    assert!(matches!(
        Incoming::parse(&too_many.to_bytes()),
        Err(FrameError::TooMany)
    ));
    let too_many = Frame::Networks {
        tags: vec![Tag([0; 16]); TAGS_MAX + 1],
        known: Vec::new(),
    };
    assert!(matches!(
        Incoming::parse(&too_many.to_bytes()),
        Err(FrameError::TooMany)
    ));
    let too_large = vec![0; FRAME_MAX_BYTES + 1];
    assert!(matches!(
        Incoming::parse(&too_large),
        Err(FrameError::TooLarge(_))
    ));
}
