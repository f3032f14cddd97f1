//! Organisations for which another goes on: their documents stay until the heir's listing is here.

use proptest::prelude::*;

use super::*;
use crate::card::Card;
use crate::certificate::{FORMAT, Rekeying};
use crate::roster::Place;
use crate::signed::{Carry, Signed};
use crate::testing::{NOW_S, is_accepted, listing, without_state};

struct Succession {
    founder: Party,
    old: Party,
    heir: Party,
    charter: crate::charter::Charter,
}

impl Succession {
    fn new() -> Self {
        let (founder, old, heir) = (Party::new(1), Party::new(2), Party::new(3));
        let charter = charter(1, 1, &[&founder]);
        Self {
            founder,
            old,
            heir,
            charter,
        }
    }

    fn old_items(&self) -> Vec<Item> {
        let network = self.charter.network();
        vec![
            self.founder.first_card(network, &[]),
            self.old.first_card(network, &[&self.founder]),
            self.old
                .item(DocName::Listing(0), 1, &[], &listing(0, 1, "old")),
            self.old
                .item(DocName::Listing(1), 1, &[], &listing(1, 1, "old")),
        ]
    }

    /// The card of the heir, which the old key has signed over to.
    fn heir_card(&self) -> Item {
        self.heir_card_with(&[])
    }

    fn heir_card_with(&self, vouchers: &[&Party]) -> Item {
        let rekeying = Rekeying {
            format: FORMAT,
            old: self.old.org(),
            new: self.heir.org(),
            at_s: NOW_S,
        };
        let mut card: Card = self.heir.card(&[(self.charter.network(), 1, vouchers)]);
        card.rekeyings
            .push(Carry::new(&Signed::sign(rekeying, &self.old.root)));
        self.heir.item(DocName::Card, 1, &[], &card.to_bytes())
    }

    fn heir_listing(&self) -> Item {
        self.heir
            .item(DocName::Listing(0), 1, &[], &listing(0, 1, "heir"))
    }

    fn replica(&self, number: u32) -> Replica<MemoryStorage> {
        Party::new(number).replica(&[&self.charter])
    }

    fn shards_of_old(&self, replica: &Replica<MemoryStorage>) -> usize {
        let keys = replica.documents_of(&self.old.org());
        keys.filter(|key| !key.name.is_card()).count()
    }
}

#[test]
fn the_old_listing_stays_until_the_heirs_is_here() {
    let it = Succession::new();
    let mut replica = it.replica(0);
    for item in it.old_items() {
        assert!(is_accepted(&send(&mut replica, item)));
    }
    assert!(is_accepted(&send(&mut replica, it.heir_card())));
    replica.settle().unwrap();
    assert_eq!(replica.place(&it.old.org()), Some(Place::Replaced));
    assert_eq!(replica.place(&it.heir.org()), Some(Place::Member));
    assert_eq!(it.shards_of_old(&replica), 2);
    // A crash does not change it, and what is missing may still come.
    let mut replica = reopened(&replica, 0);
    let more = it
        .old
        .item(DocName::Listing(2), 1, &[], &listing(2, 1, "old"));
    assert!(is_accepted(&send(&mut replica, more.clone())));
    assert_eq!(it.shards_of_old(&replica), 3);

    // A record of the heir's listing without its state shows nobody anything.
    assert!(is_accepted(&send(
        &mut replica,
        without_state(&it.heir_listing())
    )));
    replica.settle().unwrap();
    assert_eq!(it.shards_of_old(&replica), 3);
    assert!(is_accepted(&send(&mut replica, it.heir_listing())));
    replica.settle().unwrap();
    assert_eq!(it.shards_of_old(&replica), 0);
    assert_eq!(send(&mut replica, more), Outcome::Dominated);
    assert_eq!(it.shards_of_old(&reopened(&replica, 0)), 0);
}

fn reopened(replica: &Replica<MemoryStorage>, number: u32) -> Replica<MemoryStorage> {
    let party = Party::new(number);
    Replica::open(replica.storage().clone(), party.id(), [party.org()].into()).unwrap()
}

#[test]
fn nothing_is_kept_for_an_heir_that_this_node_blocks() {
    let it = Succession::new();
    let mut replica = it.replica(0);
    for item in it.old_items() {
        send(&mut replica, item);
    }
    send(&mut replica, it.heir_card());
    replica.settle().unwrap();
    assert_eq!(it.shards_of_old(&replica), 2);
    assert!(replica.set_blocked(it.heir.org(), true).unwrap());
    replica.settle().unwrap();
    assert_eq!(it.shards_of_old(&replica), 0);
}

#[test]
fn what_was_kept_for_an_heir_goes_when_nobody_is_one_any_more() {
    let it = Succession::new();
    let mut replica = it.replica(0);
    for item in it.old_items() {
        send(&mut replica, item);
    }
    send(&mut replica, it.heir_card_with(&[&it.founder]));
    replica.settle().unwrap();
    // The old one shows no vouch any more, and the new one does not say that it goes on for it.
    let network = it.charter.network();
    for (party, vouchers, kept) in [(&it.old, vec![], 2), (&it.heir, vec![&it.founder], 0)] {
        let card = party.card(&[(network, 1, &vouchers)]);
        let item = party.item(DocName::Card, 2, &[], &card.to_bytes());
        assert!(is_accepted(&send(&mut replica, item)));
        replica.settle().unwrap();
        assert_eq!(it.shards_of_old(&replica), kept);
    }
    assert_eq!(replica.place(&it.old.org()), Some(Place::Applicant));
}

proptest! {
    /// Whatever the order of arrival: who holds the heir's listing has let go of the old one's documents,
    /// and who does not, has what has arrived of them.
    #[test]
    fn once_all_hold_the_heirs_listing_all_have_let_go(
        order in Just((0..6usize).collect::<Vec<_>>()).prop_shuffle(),
    ) {
        let it = Succession::new();
        let mut items = it.old_items();
        items.extend([it.heir_card(), it.heir_listing()]);
        let mut replica = it.replica(0);
        for at in &order {
            send(&mut replica, items[*at].clone());
            replica.settle().unwrap();
        }
        // What came before the card that makes it welcome comes again with the next exchanges.
        for _ in 0..3 {
            for item in &items {
                send(&mut replica, item.clone());
            }
            replica.settle().unwrap();
        }
        prop_assert_eq!(it.shards_of_old(&replica), 0);
        prop_assert_eq!(replica.documents_of(&it.heir.org()).count(), 2);
        prop_assert_eq!(replica.documents_of(&it.old.org()).count(), 1);
    }
}
