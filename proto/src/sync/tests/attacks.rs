//! Peers that hold back what they have, and peers that ask for what is not theirs to read.

use super::*;
use crate::certificate::{FORMAT, LastRecord, Revocation, Role};
use crate::ids::DocKey;
use crate::replica::{Contained, Draft, Item, Shown};
use crate::roster::Place;
use crate::signed::{Carry, Signed};
use crate::storage::Batch;
use crate::testing::{is_accepted, without_state};

fn shown(replica: &Replica<MemoryStorage>, key: &DocKey) -> Shown {
    replica.shown(key).unwrap().unwrap()
}

#[test]
fn what_one_peer_withholds_another_brings_and_until_then_the_age_is_shown() {
    let federation = Federation::new(5);
    let [author, liar, honest, asker] = [0, 1, 2, 3].map(|at| &federation.members[at]);
    let key = author.doc(DocName::Listing(0));
    let mut newer = author.record(DocName::Listing(0), 2, &[], &listing(0, 2, "newer"));
    newer.issued_at_s = NOW_S + 60;
    let newer = author.sign(newer, &listing(0, 2, "newer"));
    let mut up_to_date = federation.holding_all(honest);
    assert!(is_accepted(&send(&mut up_to_date, newer.clone())));

    // The liar has heard of the newer record, but says so to nobody; or passes it on without its state.
    let silent = federation.holding_all(liar);
    let mut half = federation.holding_all(liar);
    assert!(is_accepted(&send(&mut half, without_state(&newer))));
    for (withholds, outdated) in [(silent, false), (half, true)] {
        let ([one, _], _) = sync(federation.holding_all(asker), withholds);
        let old = shown(&one.replica, &key);
        assert_eq!(old.record.get().issued_at_s, NOW_S);
        assert_eq!(old.outdated, outdated);

        let honest = Replica::open(
            up_to_date.storage().clone(),
            honest.id(),
            [honest.org()].into(),
        );
        let ([one, _], _) = sync(one.replica, honest.unwrap());
        let new = shown(&one.replica, &key);
        assert_eq!(new.record.get().issued_at_s, NOW_S + 60);
        assert!(!new.outdated);

        // And the liar cannot roll it back, however often it is met.
        for _ in 0..2 {
            let again = Replica::open(
                one.replica.storage().clone(),
                asker.id(),
                [asker.org()].into(),
            );
            let ([one, _], _) = sync(again.unwrap(), federation.holding_all(liar));
            assert_eq!(shown(&one.replica, &key).state, new.state);
        }
    }
}

/// The founder's replica, which holds a sealed document of its own beside everything else.
fn sealing(federation: &Federation) -> Replica<MemoryStorage> {
    let founder = &federation.founder;
    let mut full = federation.holding_all(founder);
    let draft = Draft {
        key: founder.doc(DocName::Listing(0)),
        state: listing(0, 2, "of the founder"),
        heads: Vec::new(),
        generation: 0,
        delegation: founder.delegation.clone(),
        contains: Contained::All,
        sealed: Some(b"only siblings open this".to_vec()),
    };
    full.publish(
        NOW_S,
        draft,
        &founder.node,
        founder.instance,
        Batch::default(),
    )
    .unwrap();
    full
}

fn copy(replica: &Replica<MemoryStorage>) -> Replica<MemoryStorage> {
    let own = replica.own().clone();
    Replica::open(replica.storage().clone(), replica.node(), own).unwrap()
}

/// What a member says that holds nothing and gets everything.
fn members_frames(full: &Replica<MemoryStorage>, federation: &Federation) -> Vec<Frame> {
    let asks = federation.holding_card(&federation.members[0]);
    let [mut one, mut two] = pair(asks, copy(full), Purpose::Sync);
    let mut said = Vec::new();
    loop {
        let before = said.len();
        while let Some(frame) = one.session.poll_frame(&one.replica).unwrap() {
            hear(&mut two, &frame);
            said.push(frame);
        }
        while let Some(frame) = two.session.poll_frame(&two.replica).unwrap() {
            hear(&mut one, &frame);
        }
        if said.len() == before {
            return said;
        }
    }
}

fn hear(end: &mut End, frame: &Frame) {
    let incoming = Incoming::parse(&frame.to_bytes()).unwrap();
    end.session
        .handle_frame(NOW_S, incoming, &mut end.replica)
        .unwrap();
}

/// The items that a replica gives to a node which says all that; and to one that begins as the member did and
/// goes straight to what it wants, for each thing that it may want.
fn given(full: &Replica<MemoryStorage>, peer: NodeId, frames: &[Frame]) -> Vec<Item> {
    let opens = |frame: &Frame| matches!(frame, Frame::Open { .. });
    let begun = frames.iter().position(opens).unwrap();
    let (begin, rest) = frames.split_at(begun);
    let scopes = rest.chunk_by(|_, next| !opens(next));
    let short_ways = scopes.map(|scope| [begin, scope].concat());
    let conversations = std::iter::once(frames.to_vec()).chain(short_ways);
    conversations
        .flat_map(|frames| answers(full, peer, &frames))
        .collect()
}

fn answers(full: &Replica<MemoryStorage>, peer: NodeId, frames: &[Frame]) -> Vec<Item> {
    let networks = full.networks().map(|(id, _)| id).collect();
    let mut end = End {
        session: Session::respond(peer, networks, [2; 16]),
        replica: copy(full),
    };
    let mut items = Vec::new();
    for frame in frames {
        let incoming = Incoming::parse(&frame.to_bytes()).unwrap();
        let borne = end
            .session
            .handle_frame(NOW_S, incoming, &mut end.replica)
            .is_ok();
        while let Some(frame) = end.session.poll_frame(&end.replica).unwrap() {
            if let Frame::Items { items: more } | Frame::Introduce { items: more, .. } = frame {
                items.extend(more);
            }
        }
        if !borne {
            break;
        }
    }
    items
}

fn is_sealed(item: &Item) -> bool {
    matches!(item, Item::Sealed { .. })
}

fn is_card(item: &Item) -> bool {
    let Item::Record { record, .. } = item else {
        return false;
    };
    crate::record::SignedRecord::verified(record)
        .is_ok_and(|record| record.get().document.is_card())
}

#[test]
fn whoever_repeats_what_a_member_said_is_given_nothing_that_is_a_members() {
    let federation = Federation::new(5);
    let full = sealing(&federation);
    let frames = members_frames(&full, &federation);
    // From the member itself this brings everything, the sealed document too.
    let members = given(&full, federation.members[0].id(), &frames);
    assert!(members.iter().any(is_sealed));
    assert!(
        members
            .iter()
            .any(|item| !is_card(item) && !is_sealed(item))
    );

    // A stranger: nothing at all.
    assert_eq!(given(&full, Party::new(60).id(), &frames), []);

    // One that waits for a vouch: cards alone.
    let applicant = Party::new(61);
    let mut waiting = copy(&full);
    let card = applicant.card(&[(federation.network(), 1, &[])]);
    let card = applicant.item(DocName::Card, 1, &[], &card.to_bytes());
    assert!(is_accepted(&send(&mut waiting, card)));
    let place = waiting.place_among(&applicant.org(), &[federation.network()]);
    assert_eq!(place, Some(Place::Applicant));
    let items = given(&waiting, applicant.id(), &frames);
    assert!(!items.is_empty() && items.iter().all(is_card));

    // One that has left: that it did.
    let former = &federation.members[1];
    let membership = former.membership(federation.network(), 1, &[&federation.founder]);
    let mut left = copy(&full);
    let departure = former.departure(&membership, federation.network(), NOW_S);
    assert!(is_accepted(&send(&mut left, departure)));
    let items = given(&left, former.id(), &frames);
    assert!(
        items
            .iter()
            .all(|item| matches!(item, Item::Departure { .. }))
    );

    // A laptop of a member's that was stolen and is revoked: the card that says so.
    let owner = &federation.members[2];
    let stolen = Party::on(4, 300, Role::Admin);
    assert_eq!(stolen.org(), owner.org());
    let mut revoked = copy(&full);
    revoke(&mut revoked, &federation, owner, &stolen);
    let items = given(&revoked, stolen.id(), &frames);
    let own = revoked.items(&owner.doc(DocName::Card)).unwrap();
    assert!(!items.is_empty() && items.iter().all(|item| own.contains(item)));
}

/// The owner delegates a second node on its card, and then revokes it.
fn revoke(
    replica: &mut Replica<MemoryStorage>,
    federation: &Federation,
    owner: &Party,
    stolen: &Party,
) {
    let mut card = owner.card(&[(federation.network(), 1, &[&federation.founder])]);
    card.delegations.push(Carry::new(&stolen.delegation));
    let delegated = owner.item(DocName::Card, 2, &[], &card.to_bytes());
    assert!(is_accepted(&send(replica, delegated)));
    assert_eq!(replica.orgs_of_node(&stolen.id()).unwrap(), [owner.org()]);
    let revocation = Revocation {
        format: FORMAT,
        org: owner.org(),
        node: stolen.id(),
        revoked_at_s: NOW_S,
        last: Vec::<LastRecord>::new(),
    };
    card.revocations
        .push(Carry::new(&Signed::sign(revocation, &owner.root)));
    let card = owner.item(DocName::Card, 3, &[], &card.to_bytes());
    assert!(is_accepted(&send(replica, card)));
}

/// A member cannot have its card sent over and over to another by "revoking" the other's node, which never wrote for
/// it: whoever is known anyway hears of revocations like of everything else.
#[test]
fn a_revocation_of_a_strangers_node_is_not_told_in_each_session() {
    let federation = Federation::new(3);
    let [victim, liar] = [&federation.members[0], &federation.members[1]];
    let between = |[one, two]: [Replica<MemoryStorage>; 2]| {
        let ([one, two], traffic) = sync(one, two);
        ([one.replica, two.replica], traffic)
    };
    let parties = [&federation.founder, victim];
    let (_, before) = between(parties.map(|party| federation.holding_all(party)));
    let revocation = Revocation {
        format: FORMAT,
        org: liar.org(),
        node: victim.id(),
        revoked_at_s: NOW_S,
        last: Vec::new(),
    };
    let mut card = liar.card(&[(federation.network(), 1, &[&federation.founder])]);
    card.revocations = vec![Carry::new(&Signed::sign(revocation, &liar.root))];
    let replicas = parties.map(|party| {
        let mut replica = federation.holding_all(party);
        let card = liar.item(DocName::Card, 2, &[], &card.to_bytes());
        assert!(matches!(send(&mut replica, card), Outcome::Accepted(_)));
        replica
    });
    let (_, after) = between(replicas);
    assert_eq!((after.frames, after.bytes), (before.frames, before.bytes));
}
