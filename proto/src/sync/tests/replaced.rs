//! What members show one another of an organisation for which another goes on.

use super::*;
use crate::card::Card;
use crate::certificate::{FORMAT, Rekeying};
use crate::signed::{Carry, Signed};

#[test]
fn the_heir_fetches_the_old_listing_and_all_let_go_of_it_when_its_own_is_out() {
    let federation = Federation::new(4);
    let old = &federation.members[0];
    let heir = Party::new(60);
    let rekeying = Rekeying {
        format: FORMAT,
        old: old.org(),
        new: heir.org(),
        at_s: NOW_S,
    };
    let mut card: Card = heir.card(&[(federation.network(), 1, &[])]);
    card.rekeyings
        .push(Carry::new(&Signed::sign(rekeying, &old.root)));
    let mut new = heir.replica(&[&federation.charter]);
    heir.publish(&mut new, DocName::Card, &card.to_bytes());
    let shards = |replica: &Replica<MemoryStorage>, party: &Party| {
        let keys = replica.documents_of(&party.org());
        keys.filter(|key| !key.name.is_card()).count()
    };

    // Its machine is new and empty; whoever answers still has the old listing for it.
    let ([one, two], _) = sync(new, federation.holding_all(&federation.founder));
    assert_eq!(shards(&one.replica, old), 1);
    assert_eq!(shards(&two.replica, old), 1);
    let mut new = one.replica;
    heir.publish(&mut new, DocName::Listing(0), &listing(0, 1, "heir"));
    let ([one, two], _) = sync(new, two.replica);
    assert_eq!(shards(&one.replica, old), 0);
    assert_eq!(shards(&two.replica, old), 0);
    assert_eq!(shards(&two.replica, &heir), 1);
    // A third node, which was away, holds the old one's still: nobody takes it back, nobody is refused.
    let third = federation.holding_all(&federation.members[2]);
    let ([one, three], _) = sync(two.replica, third);
    for end in [&one, &three] {
        assert_eq!(shards(&end.replica, old), 0);
        assert_eq!(shards(&end.replica, &heir), 1);
        assert!(end.session.stats().refused.is_empty());
    }
}
