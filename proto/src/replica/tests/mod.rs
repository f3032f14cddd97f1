//! Tests of the replica, by what they are about.

mod budgets;
mod crowds;
mod departing;
mod follow;
mod full_disk;
mod keeping;
mod limits;
mod membership_limits;
mod order;
mod refusals;
mod replaced;
mod resorts;
mod revoking;
mod siblings;
mod unheard;

use super::*;
use crate::charter::Charter;
use crate::storage::MemoryStorage;
use crate::testing::{Party, charter, send};

/// A network of a founder (this node) and one member, with the member's card held.
struct World {
    charter: Charter,
    network: NetworkId,
    founder: Party,
    member: Party,
    replica: Replica<MemoryStorage>,
}

fn world() -> World {
    let (founder, member) = (Party::new(1), Party::new(2));
    let charter = charter(1, 1, &[&founder]);
    let network = charter.network();
    let mut replica = founder.replica(&[&charter]);
    founder.publish(
        &mut replica,
        DocName::Card,
        &founder.card(&[(network, 1, &[])]).to_bytes(),
    );
    let card = member.first_card(network, &[&founder]);
    assert!(matches!(send(&mut replica, card), Outcome::Accepted(_)));
    assert_eq!(replica.place(&member.org()), Some(Place::Member));
    World {
        charter,
        network,
        founder,
        member,
        replica,
    }
}
