//! Bundles written and read, whole, cut and damaged. What compresses is the daemon's affair: here nothing does.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::ids::DocName;
use crate::replica::{Checked, Contained, Draft, Outcome};
use crate::storage::{Batch, MemoryStorage};
use crate::testing::{self, NOW_S, Party, all_shown, listing, send};

const MEMBERS: u32 = 6;

fn plain(bytes: &[u8]) -> Option<Vec<u8>> {
    Some(bytes.to_vec())
}

fn limited(bytes: &[u8], most: usize) -> Option<Vec<u8>> {
    (bytes.len() <= most).then(|| bytes.to_vec())
}

/// A founder's replica: members each on the word of the one before, with listings, and one that has left.
struct World {
    network: NetworkId,
    charter: Charter,
    parties: Vec<Party>,
    replica: Replica<MemoryStorage>,
}

fn world() -> World {
    let parties: Vec<Party> = (1..=MEMBERS + 2).map(Party::new).collect();
    let charter = testing::charter(1, 1, &[&parties[0]]);
    let network = charter.network();
    let mut replica = parties[0].replica(&[&charter]);
    let founders = parties[0].card(&[(network, 1, &[])]);
    parties[0].publish(&mut replica, DocName::Card, &founders.to_bytes());
    let draft = Draft {
        key: parties[0].doc(DocName::Listing(0)),
        state: listing(0, 2, "of the founder"),
        heads: Vec::new(),
        generation: 0,
        delegation: parties[0].delegation.clone(),
        contains: Contained::All,
        sealed: Some(b"sealed".to_vec()),
    };
    let (node, instance) = (&parties[0].node, parties[0].instance);
    replica
        .publish(NOW_S, draft, node, instance, Batch::default())
        .unwrap();
    for (before, party) in parties.iter().zip(parties.iter().skip(1)) {
        send(&mut replica, party.first_card(network, &[before]));
        let state = listing(0, 1, &party.org().short());
        send(
            &mut replica,
            party.item(DocName::Listing(0), 1, &[], &state),
        );
    }
    let last = &parties[parties.len() - 1];
    let membership = last.membership(network, 1, &[&parties[parties.len() - 2]]);
    send(&mut replica, last.departure(&membership, network, NOW_S));
    replica.settle().unwrap();
    World {
        network,
        charter,
        parties,
        replica,
    }
}

impl World {
    fn bundle(&mut self, since_s: Option<u64>) -> String {
        let replica = &mut self.replica;
        let mut contents = Contents::collect(replica, self.network, since_s);
        while contents.sift(replica).unwrap() {}
        let node = self.parties[0].id();
        let mut text = Header::new(&contents, "Brixton".into(), node, NOW_S).to_line();
        text.push_str(
            &charter_line(replica, &self.network, plain)
                .unwrap()
                .unwrap(),
        );
        let mut items = 0;
        while let Some(next) = contents.poll_items(replica).unwrap() {
            for item in next {
                text.push_str(&item_line(&item, plain).unwrap());
                items += 1;
            }
        }
        text.push_str(&end_line(items));
        text
    }

    /// The replica of a member that has only its own card.
    fn sparse(&self) -> Replica<MemoryStorage> {
        let member = &self.parties[2];
        let mut replica = member.replica(&[&self.charter]);
        send(
            &mut replica,
            member.first_card(self.network, &[&self.parties[1]]),
        );
        replica
    }
}

#[derive(Default)]
struct Taken {
    accepted: usize,
    refused: usize,
    damaged: Vec<(u64, LineError)>,
    charters: usize,
    ending: Option<Ending>,
}

/// Takes a bundle in, in parts of `size` bytes.
fn take(
    replica: &mut Replica<MemoryStorage>,
    bundle: &[u8],
    size: usize,
) -> Result<Taken, BundleError> {
    let (mut reader, mut taken) = (Reader::default(), Taken::default());
    let mut parts = bundle.chunks(size);
    let mut is_over = false;
    while !is_over {
        match parts.next() {
            Some(part) => reader.handle_bytes(part),
            None => {
                reader.handle_end();
                is_over = true;
            }
        }
        while let Some(event) = reader.poll(limited) {
            match event? {
                Event::Header(_) => {}
                Event::Charter(_) => taken.charters += 1,
                Event::Damaged { line, error } => taken.damaged.push((line, error)),
                Event::Item { item, .. } => match send(replica, *item) {
                    Outcome::Accepted(_) => taken.accepted += 1,
                    Outcome::Refused(_) => taken.refused += 1,
                    Outcome::AlreadyKnown | Outcome::Dominated => {}
                },
            }
        }
    }
    replica.settle().unwrap();
    taken.ending = Some(reader.ending());
    Ok(taken)
}

#[test]
fn what_was_written_is_read_again_and_twice_changes_nothing() {
    let mut world = world();
    let bundle = world.bundle(None);
    for size in [1, 77, 1 << 16] {
        let mut replica = world.sparse();
        let taken = take(&mut replica, bundle.as_bytes(), size).unwrap();
        assert_eq!(all_shown(&replica), all_shown(&world.replica));
        assert!(taken.damaged.is_empty() && taken.refused == 0);
        let ending = taken.ending.unwrap();
        assert!(ending.is_whole && ending.missing == 0);
        let header = Header::parse(bundle.lines().next().unwrap().as_bytes()).unwrap();
        assert_eq!(ending.items, header.items.total());
        assert_eq!((header.items.departures, header.items.sealed), (1, 1));
        let members = u64::from(MEMBERS + 1);
        assert_eq!(
            (header.items.cards, header.items.documents),
            (members, members)
        );
        assert_eq!(taken.charters, 1);
        let again = take(&mut replica, bundle.as_bytes(), size).unwrap();
        assert_eq!((again.accepted, again.refused), (0, 0));
    }
}

#[test]
fn whoever_vouches_comes_before_those_it_vouches_for() {
    let mut world = world();
    let mut contents = Contents::collect(&mut world.replica, world.network, None);
    let mut order = Vec::new();
    while let Some(items) = contents.poll_items(&world.replica).unwrap() {
        for item in items {
            if let Checked::Record(record) = item.check().unwrap()
                && record.record.get().document.is_card()
            {
                order.push(record.record.get().org);
            }
        }
    }
    let members = world.parties.iter().take(order.len()).map(Party::org);
    assert_eq!(order, members.collect::<Vec<_>>());
    assert_eq!(order.len(), MEMBERS as usize + 1);
}

#[test]
fn a_newcomer_reads_the_charter_of_the_network_on_its_ticket_and_of_no_other() {
    let mut world = world();
    let bundle = world.bundle(None);
    let line = bundle.lines().nth(1).unwrap();
    let read = read_charter_line(line, &world.network, limited).unwrap();
    assert_eq!(read.founding, world.charter);
    let other = NetworkId::from_bytes([9; 32]);
    assert!(matches!(
        read_charter_line(line, &other, limited),
        Err(LineError::Charter(CharterError::OtherNetwork))
    ));
    let long = "x".repeat(limits::BUNDLE_LINE_MAX_BYTES + 1);
    assert_eq!(
        read_charter_line(&long, &other, limited),
        Err(LineError::TooLong)
    );
}

#[test]
fn since_a_moment_only_what_was_issued_then_and_all_that_decides_who_belongs() {
    let mut world = world();
    let all = world.bundle(Some(NOW_S));
    assert_eq!(all.lines().count(), world.bundle(None).lines().count());
    let later = world.bundle(Some(NOW_S + 1));
    let header = Header::parse(later.lines().next().unwrap().as_bytes()).unwrap();
    assert_eq!(header.since_s, Some(NOW_S + 1));
    let counts = Counts {
        cards: u64::from(MEMBERS + 1),
        departures: 1,
        ..Counts::default()
    };
    assert_eq!(header.items, counts);
    let mut replica = world.sparse();
    let taken = take(&mut replica, later.as_bytes(), 999).unwrap();
    assert!(taken.ending.unwrap().is_whole);
}

#[test]
fn of_another_network_nothing_goes_along() {
    let mut world = world();
    let stranger = Party::new(50);
    let elsewhere = testing::charter(2, 1, &[&world.parties[0], &stranger]);
    let other = world.replica.add_network(elsewhere).unwrap();
    let card = stranger.first_card(other, &[]);
    assert!(testing::is_accepted(&send(&mut world.replica, card)));
    let state = listing(0, 1, "of another network");
    let item = stranger.item(DocName::Listing(0), 1, &[], &state);
    assert!(testing::is_accepted(&send(&mut world.replica, item)));
    let bundle = world.bundle(None);
    let mut replica = world.sparse();
    take(&mut replica, bundle.as_bytes(), 4096).unwrap();
    assert!(replica.documents_of(&stranger.org()).next().is_none());
    let counts = Contents::collect(&mut world.replica, world.network, None).counts();
    assert_eq!(counts.cards, u64::from(MEMBERS + 1));
}

#[test]
fn a_header_that_is_none_is_refused_before_anything_else() {
    let mut world = world();
    let bundle = world.bundle(None);
    let newer = bundle.replacen("\"format\":1", "\"format\":2", 1);
    let other = bundle.replacen("\"kind\":\"bundle\"", "\"kind\":\"board\"", 1);
    let long = format!("{}{bundle}", " ".repeat(limits::BUNDLE_HEADER_MAX_BYTES));
    let name = "x".repeat(limits::NAME_MAX_BYTES + 1);
    let named = bundle.replacen("\"Brixton\"", &format!("\"{name}\""), 1);
    for (text, error) in [
        (newer, BundleError::UnknownFormat(2)),
        (other, BundleError::BadHeader),
        (long, BundleError::BadHeader),
        (named, BundleError::BadHeader),
        (bundle.replacen('\n', "", 1), BundleError::BadHeader),
        ("no bundle at all\n".into(), BundleError::BadHeader),
    ] {
        let mut replica = world.sparse();
        let before = all_shown(&replica);
        assert_eq!(take(&mut replica, text.as_bytes(), 4096).err(), Some(error));
        assert_eq!(all_shown(&replica), before);
    }
}

/// The ids of everything that a replica holds.
fn held(replica: &Replica<MemoryStorage>) -> BTreeSet<[u8; 32]> {
    let keys = replica.organisations();
    let keys = keys.iter().flat_map(|org| replica.documents_of(org));
    keys.flat_map(|key| replica.record_ids(&key))
        .map(|id| *id.as_bytes())
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, ..ProptestConfig::default() })]

    /// Nothing but what was signed is taken, and no more is lost than the item that was touched; and where that is a
    /// card that nobody has, what its organisation alone stands behind.
    #[test]
    fn one_flipped_byte_costs_one_item(at: prop::sample::Index, flip in 1..=255_u8) {
        let mut world = world();
        let bundle = world.bundle(None);
        let first = bundle.find('\n').unwrap() + 1;
        let at = first + at.index(bundle.len() - first);
        let mut damaged = bundle.clone().into_bytes();
        damaged[at] ^= flip;

        // To somebody who has the cards.
        let mut replica = world.sparse();
        for party in world.parties.iter().take(MEMBERS as usize + 1) {
            let card = party.doc(DocName::Card);
            for item in world.replica.items(&card).unwrap() {
                send(&mut replica, item);
            }
        }
        let taken = take(&mut replica, &damaged, 4096).unwrap();
        let (wanted, has) = (held(&world.replica), held(&replica));
        prop_assert!(has.is_subset(&wanted));
        prop_assert!(wanted.len() - has.len() <= 1, "{} lost", wanted.len() - has.len());
        let intact = all_shown(&world.replica);
        for (key, state) in all_shown(&replica) {
            prop_assert_eq!(Some(&state), intact.get(&key));
        }
        prop_assert!(taken.damaged.len() <= 2);

        // And the whole bundle mends it.
        take(&mut replica, bundle.as_bytes(), 4096).unwrap();
        prop_assert_eq!(all_shown(&replica), intact);
    }

    #[test]
    fn what_is_cut_off_is_noticed_and_what_came_before_is_kept(at: prop::sample::Index) {
        let mut world = world();
        let bundle = world.bundle(None);
        let first = bundle.find('\n').unwrap() + 1;
        // The last line break may be missing.
        let at = first + at.index(bundle.len() - first - ".\n".len());
        let mut replica = world.sparse();
        let whole = bundle[..at].lines().skip(2).filter(|line| line.ends_with('.')).count();
        let taken = take(&mut replica, &bundle.as_bytes()[..at], 1000).unwrap();
        let ending = taken.ending.unwrap();
        prop_assert!(!ending.is_whole);
        let all = bundle.lines().count() as u64 - 3;
        prop_assert!(ending.items >= whole as u64);
        prop_assert!(ending.items + ending.missing <= all + 1);
        prop_assert!(taken.refused == 0);
        let intact = all_shown(&world.replica);
        for (key, state) in all_shown(&replica) {
            prop_assert_eq!(Some(&state), intact.get(&key));
        }
    }

    #[test]
    fn any_bytes_can_be_read(bytes: Vec<u8>, size in 1..64_usize) {
        let mut world = world();
        let header = world.bundle(None).lines().next().unwrap().to_owned() + "\n";
        let mut replica = world.sparse();
        let before = all_shown(&replica);
        take(&mut replica, &[header.as_bytes(), &bytes].concat(), size).ok();
        prop_assert_eq!(all_shown(&replica), before);
    }
}
