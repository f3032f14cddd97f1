//! Who is told anything, and how a node that is not known makes itself known.

use super::*;
use crate::certificate::Role;
use crate::ids::DocKey;
use crate::replica::Item;
use crate::roster::Place;
use crate::signed::Signed;
use crate::testing::{all_shown, delegation};

/// What each side was sent, with the frames in order.
fn listen(one: &mut End, two: &mut End) -> [Vec<Frame>; 2] {
    let mut heard = [Vec::new(), Vec::new()];
    loop {
        let mut moved = false;
        for way in [0, 1] {
            let (from, to) = match way {
                0 => (&mut *one, &mut *two),
                _ => (&mut *two, &mut *one),
            };
            let Some(frame) = from.session.poll_frame(&from.replica).unwrap() else {
                continue;
            };
            moved = true;
            let incoming = Incoming::parse(&frame.to_bytes()).unwrap();
            heard[1 - way].push(frame);
            to.session
                .handle_frame(NOW_S, incoming, &mut to.replica)
                .unwrap();
        }
        if !moved {
            return heard;
        }
    }
}

/// Frames that say anything of what is held, or where a peer is known.
fn telling(frames: &[Frame]) -> Vec<&Frame> {
    let tells = |frame: &&Frame| match frame {
        Frame::Introduce {
            items,
            delegations,
            known,
        } => !items.is_empty() || !delegations.is_empty() || !known.is_empty(),
        Frame::Networks { known, .. } => !known.is_empty(),
        Frame::Open { count, .. } => *count > 0,
        Frame::Want { ids } => !ids.is_empty(),
        Frame::Reconcile { .. } | Frame::Items { .. } | Frame::SendAll => true,
        _ => false,
    };
    frames.iter().filter(tells).collect()
}

fn founder_with_departure(federation: &Federation) -> Replica<MemoryStorage> {
    let gone = &federation.members[1];
    let membership = gone.membership(federation.network(), 1, &[&federation.founder]);
    let mut full = federation.holding_all(&federation.founder);
    let departure = gone.departure(&membership, federation.network(), NOW_S);
    assert!(matches!(send(&mut full, departure), Outcome::Accepted(_)));
    full
}

#[test]
fn a_stranger_that_knows_the_networks_id_is_told_nothing_at_all() {
    let federation = Federation::new(6);
    let stranger = Party::new(60);
    // It has the charter, perhaps, but no organisation of its has accepted it.
    for stranger_calls in [true, false] {
        let full = founder_with_departure(&federation);
        let before = (full.storage().clone(), full.counts());
        let empty = stranger.replica(&[&federation.charter]);
        let (one, two) = match stranger_calls {
            true => (empty, full),
            false => (full, empty),
        };
        let [mut one, mut two] = pair(one, two, Purpose::Sync);
        let [to_one, to_two] = listen(&mut one, &mut two);
        let (strange, full, heard) = match stranger_calls {
            true => (one, two, to_one),
            false => (two, one, to_two),
        };
        assert_eq!(telling(&heard), Vec::<&Frame>::new());
        assert_eq!(strange.replica.counts().0, 0);
        assert!(receipts(&full.replica).unwrap().is_empty());
        assert_eq!(full.replica.counts(), before.1);
    }
}

#[test]
fn nothing_is_taken_from_a_stranger() {
    let federation = Federation::new(6);
    let stranger = Party::new(60);
    let mut end = End {
        session: Session::respond(stranger.id(), vec![federation.network()], [2; 16]),
        replica: federation.holding_card(&federation.founder),
    };
    let tags = vec![Tag::of(&federation.network(), &[[1; 16], [2; 16]])];
    let items =
        vec![federation.members[0].first_card(federation.network(), &[&federation.founder])];
    for frame in [
        Frame::Hello {
            version: VERSION,
            nonce: [1; 16],
        },
        Frame::Networks {
            tags,
            known: Vec::new(),
        },
        Frame::Open {
            scope: Scope::Cards,
            count: 1_000,
            message: Vec::new(),
        },
        Frame::Items { items },
    ] {
        let incoming = Incoming::parse(&frame.to_bytes()).unwrap();
        end.session
            .handle_frame(NOW_S, incoming, &mut end.replica)
            .unwrap();
    }
    assert_eq!(end.replica.counts().0, 1);
    assert_eq!(end.session.stats().accepted, 0);
}

/// A newcomer that has just accepted the charter; the founder vouches for it.
fn newcomer(federation: &Federation) -> (Party, Replica<MemoryStorage>) {
    let party = Party::new(60);
    let mut replica = party.replica(&[&federation.charter]);
    let card = party.card(&[(federation.network(), 1, &[&federation.founder])]);
    party.publish(&mut replica, DocName::Card, &card.to_bytes());
    party.publish(&mut replica, DocName::Listing(0), &listing(0, 1, "new"));
    (party, replica)
}

#[test]
fn the_first_session_of_a_newcomer_brings_everything_both_ways() {
    let federation = Federation::new(30);
    for newcomer_calls in [true, false] {
        let (party, new) = newcomer(&federation);
        let full = federation.holding_all(&federation.founder);
        let ([one, two], _) = match newcomer_calls {
            true => sync(new, full),
            false => sync(full, new),
        };
        assert!(all_shown(&one.replica) == all_shown(&two.replica));
        assert_eq!(one.replica.counts(), (62, 0));
        for mut end in [one, two] {
            assert_eq!(end.replica.place(&party.org()), Some(Place::Member));
            assert_eq!(receipts(&end.replica).unwrap().len(), 1);
        }
    }
}

#[test]
fn whoever_is_known_on_both_sides_is_spared_the_introduction() {
    let federation = Federation::new(10);
    let one = federation.holding_all(&federation.founder);
    let two = federation.holding_all(&federation.members[0]);
    let [mut one, mut two] = pair(one, two, Purpose::Sync);
    let heard = listen(&mut one, &mut two);
    let introduced = |frame: &Frame| matches!(frame, Frame::Introduce { .. });
    assert!(!heard.iter().flatten().any(introduced));
    // Greetings, networks, two scopes in one round each, an empty one, receipts.
    let frames = heard.iter().map(Vec::len).sum::<usize>();
    assert_eq!(frames, 2 + 2 + 4 + 4 + 3 + 2);
}

#[test]
fn a_founder_that_is_alone_introduces_itself_to_nobody_it_does_not_know() {
    let founder = Party::new(1);
    let alone = charter(3, 1, &[&founder]);
    let stranger = Party::new(60);
    for stranger_calls in [true, false] {
        let mut full = founder.replica(&[&alone]);
        let card = founder.card(&[(alone.network(), 1, &[])]);
        founder.publish(&mut full, DocName::Card, &card.to_bytes());
        let empty = stranger.replica(&[&alone]);
        let [mut one, mut two] = match stranger_calls {
            true => pair(empty, full, Purpose::Sync),
            false => pair(full, empty, Purpose::Sync),
        };
        let [to_one, to_two] = listen(&mut one, &mut two);
        let heard = if stranger_calls { to_one } else { to_two };
        assert_eq!(telling(&heard), Vec::<&Frame>::new());
    }
}

#[test]
fn a_second_founder_is_heard_where_it_was_told_to_look() {
    let (first, second) = (Party::new(1), Party::new(2));
    let both = charter(3, 1, &[&first, &second]);
    let founding = |party: &Party| {
        let mut replica = party.replica(&[&both]);
        let card = party.card(&[(both.network(), 1, &[])]);
        party.publish(&mut replica, DocName::Card, &card.to_bytes());
        replica
    };
    let [mut one, mut two] = pair(founding(&second), founding(&first), Purpose::Sync);
    one.session =
        Session::initiate(first.id(), Purpose::Sync, vec![both.network()], [1; 16]).sought();
    listen(&mut one, &mut two);
    assert_eq!(one.replica.counts().0, 2);
    assert_eq!(two.replica.counts().0, 2);
}

#[test]
fn a_second_node_is_known_by_its_delegation() {
    let federation = Federation::new(8);
    let member = &federation.members[0];
    let second = Party::on(2, 300, Role::Editor);
    assert_eq!(second.org(), member.org());
    // It holds what the first node gave it, or nothing at all yet; nobody's card lists it.
    for holds_all in [true, false] {
        let mut replica = match holds_all {
            true => federation.holding_all(&second),
            false => federation.empty(&second),
        };
        assert!(replica.learn_delegation(NOW_S, &second.delegation).unwrap());
        let full = federation.holding_all(&federation.founder);
        let [mut one, mut two] = pair(replica, full, Purpose::Sync);
        one.session = Session::initiate(
            federation.founder.id(),
            Purpose::Sync,
            vec![federation.network()],
            [1; 16],
        )
        .sought();
        let heard = listen(&mut one, &mut two);
        assert!(heard.iter().flatten().count() > 8);
        assert!(one.session.is_finished() && two.session.is_finished());
        assert_eq!(
            two.replica.orgs_of_node(&second.id()).unwrap(),
            [member.org()]
        );
        assert!(all_shown(&one.replica) == all_shown(&two.replica));
        assert_eq!(one.replica.counts(), (16, 0));
    }
}

#[test]
fn a_delegation_that_does_not_count_introduces_nobody() {
    let federation = Federation::new(4);
    let member = &federation.members[0];
    let thief = Party::new(70);
    let mut replica = federation.holding_all(&federation.founder);
    let bogus = [
        // By another root; of an organisation that nobody knows; of the past; of the future.
        Signed::sign(
            delegation(&member.root, thief.id(), Role::Admin, 0, None)
                .get()
                .clone(),
            &thief.root,
        )
        .to_bytes(),
        thief.delegation.to_bytes(),
        delegation(&member.root, thief.id(), Role::Admin, 0, Some(NOW_S - 1)).to_bytes(),
        delegation(&member.root, thief.id(), Role::Admin, NOW_S + 1, None).to_bytes(),
        // Somebody else's, good as it is.
        member.delegation.to_bytes(),
        b"nonsense".to_vec(),
    ];
    for bytes in bogus {
        let mut end = greeted(&federation, &thief, replica);
        let introduction = Frame::Introduce {
            items: Vec::new(),
            delegations: vec![bytes.into()],
            known: Vec::new(),
        };
        give(&mut end, introduction).unwrap();
        assert_eq!(telling(&said(&mut end)), Vec::<&Frame>::new());
        replica = end.replica;
        assert_eq!(replica.orgs_of_node(&thief.id()).unwrap(), []);
    }
}

/// A responder that has been asked for the network by a peer.
fn greeted(federation: &Federation, peer: &Party, replica: Replica<MemoryStorage>) -> End {
    let mut end = End {
        session: Session::respond(peer.id(), vec![federation.network()], [2; 16]),
        replica,
    };
    let tags = vec![Tag::of(&federation.network(), &[[1; 16], [2; 16]])];
    for frame in [
        Frame::Hello {
            version: VERSION,
            nonce: [1; 16],
        },
        Frame::Networks {
            tags,
            known: Vec::new(),
        },
    ] {
        give(&mut end, frame).unwrap();
    }
    end
}

fn give(end: &mut End, frame: Frame) -> Result<(), SessionError<std::convert::Infallible>> {
    let incoming = Incoming::parse(&frame.to_bytes()).unwrap();
    end.session.handle_frame(NOW_S, incoming, &mut end.replica)
}

fn said(end: &mut End) -> Vec<Frame> {
    let mut frames = Vec::new();
    while let Some(frame) = end.session.poll_frame(&end.replica).unwrap() {
        frames.push(frame);
    }
    frames
}

fn introduce(items: Vec<Item>) -> Frame {
    Frame::Introduce {
        items,
        delegations: Vec::new(),
        known: Vec::new(),
    }
}

#[test]
fn introductions_come_once_and_hold_ones_own_cards_alone() {
    let federation = Federation::new(4);
    let full = || federation.holding_all(&federation.founder);
    let (party, _) = newcomer(&federation);
    let card = || party.first_card(federation.network(), &[&federation.founder]);

    let mut end = greeted(&federation, &party, full());
    give(&mut end, introduce(vec![card()])).unwrap();
    assert_eq!(end.session.stats().accepted, 1);
    let answers = said(&mut end);
    let [
        Frame::Hello { .. },
        Frame::Networks { known, .. },
        Frame::Introduce { items, .. },
    ] = answers.as_slice()
    else {
        panic!("{answers:?}")
    };
    assert_eq!((known.len(), items.len()), (0, 1));
    let twice = give(&mut end, introduce(vec![card()]));
    assert!(matches!(twice, Err(SessionError::OutOfOrder)), "{twice:?}");

    // A listing among the cards: nothing of it all is taken.
    let mut end = greeted(&federation, &party, full());
    let shard = party.item(DocName::Listing(0), 1, &[], &listing(0, 1, "x"));
    let mixed = give(&mut end, introduce(vec![card(), shard]));
    assert!(matches!(mixed, Err(SessionError::OutOfOrder)), "{mixed:?}");
    assert_eq!(end.session.stats().accepted, 0);

    // Somebody else's card is passed over, and does not make its bearer known.
    let mut end = greeted(&federation, &Party::new(71), full());
    give(&mut end, introduce(vec![card()])).unwrap();
    assert_eq!(end.session.stats().accepted, 0);
    assert_eq!(telling(&said(&mut end)), Vec::<&Frame>::new());

    // Too late: the scopes have begun.
    let mut end = greeted(&federation, &party, full());
    let open = Frame::Open {
        scope: Scope::Cards,
        count: 0,
        message: Vec::new(),
    };
    give(&mut end, open).unwrap();
    let done = Frame::Done {
        scope: Scope::Cards,
    };
    give(&mut end, done).unwrap();
    let late = give(&mut end, introduce(vec![card()]));
    assert!(matches!(late, Err(SessionError::OutOfOrder)), "{late:?}");
}

#[test]
fn a_host_of_many_introduces_as_many_as_fit_and_the_rest_follows() {
    let federation = Federation::new(3);
    let host = Party::new(60);
    let mut replica = host.replica(&[&federation.charter]);
    let most = crate::limits::INTRODUCTION_MAX_ITEMS as u32;
    let hosted: Vec<Party> = (0..most + 6)
        .map(|number| Party::on(600 + number, 60, Role::Admin))
        .collect();
    for party in &hosted {
        replica.add_own(party.org());
        let mut card = party.card(&[(federation.network(), 1, &[&federation.founder])]);
        card.extra.insert("x_text".into(), "x".repeat(8_000).into());
        party.publish(&mut replica, DocName::Card, &card.to_bytes());
    }
    let full = federation.holding_all(&federation.founder);
    let [mut one, mut two] = pair(replica, full, Purpose::Sync);
    let [_, to_two] = listen(&mut one, &mut two);
    let sizes = to_two.iter().filter_map(|frame| match frame {
        Frame::Introduce { items, .. } => Some((
            items.len(),
            items.iter().map(Item::size_bytes).sum::<usize>(),
        )),
        _ => None,
    });
    let sizes: Vec<_> = sizes.collect();
    let [(items, size_bytes)] = sizes.as_slice() else {
        panic!("{sizes:?}")
    };
    assert!(*items > 10 && *items < hosted.len(), "{items}");
    assert!(*size_bytes <= crate::limits::FRAME_FILL_BYTES);
    let held: Vec<DocKey> = hosted
        .iter()
        .map(|party| party.doc(DocName::Card))
        .collect();
    let shown = all_shown(&two.replica);
    assert!(held.iter().all(|key| shown.contains_key(key)));
}

#[test]
fn one_that_left_and_comes_back_is_taken_in_again() {
    let federation = Federation::new(5);
    let gone = &federation.members[1];
    let full = founder_with_departure(&federation);
    let mut back = gone.replica(&[&federation.charter]);
    let card = gone.card(&[(federation.network(), 2, &[&federation.founder])]);
    gone.publish(&mut back, DocName::Card, &card.to_bytes());
    let ([one, mut two], _) = sync(back, full);
    assert_eq!(two.replica.place(&gone.org()), Some(Place::Member));
    assert_eq!(all_shown(&one.replica), all_shown(&two.replica));
}

#[test]
fn one_that_left_before_it_met_anybody_still_tells_those_who_know_it() {
    let federation = Federation::new(5);
    let gone = &federation.members[1];
    let mut left = federation.holding_card(gone);
    let membership = gone.membership(federation.network(), 1, &[&federation.founder]);
    let departure = gone.departure(&membership, federation.network(), NOW_S);
    assert!(matches!(send(&mut left, departure), Outcome::Accepted(_)));
    assert!(!left.is_active(&federation.network()));
    let ([left, mut two], _) = sync(left, federation.holding_all(&federation.founder));
    assert_eq!(two.replica.place(&gone.org()), Some(Place::Left));
    // A stranger does not know it, and is not told.
    let [mut one, mut two] = pair(
        left.replica,
        Party::new(60).replica(&[&federation.charter]),
        Purpose::Sync,
    );
    let [_, to_stranger] = listen(&mut one, &mut two);
    assert_eq!(telling(&to_stranger), Vec::<&Frame>::new());
}

/// A node that lost its card, by a crash perhaps, and holds other documents of its organisation is known by its
/// delegation all the same, and hears what became of its organisation.
#[test]
fn a_node_that_lost_its_card_alone_is_known_by_its_delegation() {
    card_alone_is_lost(false);
}

/// The same where the record of the card is here, and what it says is not: it was announced without that.
#[test]
fn a_node_that_knows_of_its_card_alone_is_known_by_its_delegation() {
    card_alone_is_lost(true);
}

fn card_alone_is_lost(is_known: bool) {
    let federation = Federation::new(3);
    let member = &federation.members[0];
    let sibling = Party::on(2, 12, crate::certificate::Role::Admin);
    let mut replica = sibling.replica(&[&federation.charter]);
    replica
        .learn_delegation(NOW_S, &sibling.delegation)
        .unwrap();
    if is_known {
        let Item::Record {
            record, delegation, ..
        } = member.first_card(federation.network(), &[&federation.founder])
        else {
            panic!("a card");
        };
        let alone = Item::Record {
            record,
            delegation,
            state: None,
        };
        assert!(matches!(send(&mut replica, alone), Outcome::Accepted(_)));
        // It knows others, so that it does not heed just anybody.
        send(
            &mut replica,
            federation.founder.first_card(federation.network(), &[]),
        );
    }
    sibling.publish(
        &mut replica,
        DocName::Board,
        b"{\"format\":1,\"kind\":\"board\",\"notices\":[]}",
    );
    let mut holder = federation.holding_all(&federation.founder);
    let membership = member.membership(federation.network(), 1, &[&federation.founder]);
    let departure = member.departure(&membership, federation.network(), NOW_S);
    assert!(matches!(send(&mut holder, departure), Outcome::Accepted(_)));
    let [mut one, mut two] = pair(replica, holder, Purpose::Sync);
    one.session = one.session.sought();
    let traffic = run(&mut one, &mut two, usize::MAX);
    assert_eq!(traffic.ended, None);
    assert!(!one.replica.is_active(&federation.network()));
}

/// A new machine's first session was cut before the card of its own organisation came. Then the organisation left, and of
/// those few whom the machine knows nobody is there any more: seed 76 of the membership simulator.
#[test]
fn a_machine_that_knows_some_but_not_itself_hears_that_its_organisation_left() {
    let federation = Federation::new(6);
    let (member, other) = (&federation.members[0], &federation.members[3]);
    let network = federation.network();
    for calls in [true, false] {
        let mut replica = federation.empty(member);
        let known = other.first_card(network, &[&federation.founder]);
        assert!(matches!(send(&mut replica, known), Outcome::Accepted(_)));
        assert!(replica.roster(&network).unwrap().is_member(&other.org()));
        let mut holder = federation.holding_all(&federation.founder);
        let membership = member.membership(network, 1, &[&federation.founder]);
        let departure = member.departure(&membership, network, NOW_S);
        assert!(matches!(send(&mut holder, departure), Outcome::Accepted(_)));
        let one = match calls {
            true => sync(replica, holder).0.into_iter().next(),
            false => sync(holder, replica).0.into_iter().next_back(),
        };
        assert!(!one.unwrap().replica.is_active(&network), "{calls}");
    }
}
