use proptest::prelude::*;

use super::*;

/// Some statements: vouches, objections, who left.
#[derive(Debug, Clone)]
struct World {
    needed: u32,
    vouches: Vec<(u8, u8)>,
    objections: Vec<(u8, u8)>,
    left: BTreeSet<u8>,
}

const ORGS: u8 = 9;

fn worlds() -> impl Strategy<Value = World> {
    let pair = || (0..ORGS, 0..ORGS);
    (
        1u32..4,
        prop::collection::vec(pair(), 0..40),
        prop::collection::vec(pair(), 0..20),
        prop::collection::btree_set(0..ORGS, 0..3),
    )
        .prop_map(|(needed, vouches, objections, left)| World {
            needed,
            vouches,
            objections,
            left,
        })
}

impl World {
    fn standings(&self) -> BTreeMap<OrgId, Standing> {
        let all = (0..ORGS).map(|n| {
            let vouchers: BTreeSet<u8> = self
                .vouches
                .iter()
                .filter(|(from, to)| *to == n && from != to)
                .map(|(from, _)| *from)
                .collect();
            let mut it = standing(&vouchers.into_iter().collect::<Vec<_>>());
            it.left_epoch = u32::from(self.left.contains(&n));
            if it.left_epoch == 0 {
                let objections = self.objections.iter().filter(|(a, b)| *a == n && a != b);
                it.objections = objections.map(|(_, to)| org(*to)).collect();
            }
            (org(n), it)
        });
        all.collect()
    }

    fn charter(&self) -> Charter {
        charter(&[0, 1, 2], self.needed)
    }

    fn roster(&self) -> Roster {
        compute(&self.charter(), self.standings())
    }
}

fn compute(charter: &Charter, standings: BTreeMap<OrgId, Standing>) -> Roster {
    Roster::compute(charter, &BTreeMap::new(), &register(charter, standings))
}

proptest! {
    /// Without objections, more statements of others never take a membership away.
    #[test]
    fn admission_is_monotone(world in worlds(), more in (0..ORGS, 0..ORGS)) {
        let mut world = World { objections: Vec::new(), ..world };
        let before = world.roster();
        world.vouches.push(more);
        let after = world.roster();
        for (org, place) in before.places() {
            prop_assert!(place != Place::Member || after.is_member(org));
        }
        world.vouches.reverse();
        prop_assert_eq!(world.roster(), after);
    }

    /// Where nobody objects, no organisation alone removes another, whatever it says, or unsays by leaving.
    #[test]
    fn nobody_removes_another_alone(world in worlds(), who in 0..ORGS, to in prop::collection::btree_set(0..ORGS, 0..9), leaves: bool) {
        let quiet = World { objections: Vec::new(), ..world };
        let before = quiet.roster();
        let mut loud = quiet.clone();
        loud.objections = to.iter().map(|to| (who, *to)).collect();
        if leaves {
            loud.left.insert(who);
        }
        let after = loud.roster();
        for (other, place) in before.places().filter(|(other, _)| **other != org(who)) {
            prop_assert!(place != Place::Member || after.is_member(other), "{other:?}");
        }
    }

    /// A member with organisations of its own making admits none of them, and moves nobody.
    #[test]
    fn fewer_than_needed_colluders_admit_nobody(world in worlds(), hostile in 3..ORGS) {
        let world = World { needed: world.needed.max(2), ..world };
        let before = world.roster();
        let mut standings = world.standings();
        // The hostile member makes up twenty organisations that vouch for one another.
        for n in 100..120 {
            let vouchers: Vec<u8> = (100..120).filter(|m| *m != n).chain([hostile]).collect();
            standings.insert(org(n), objecting(&vouchers, &[0, 1, 2, 3, 4, 5, 6, 7, 8]));
        }
        let after = compute(&world.charter(), standings);
        for n in 100..120 {
            prop_assert_eq!(after.place_of(&org(n)), Some(Place::Applicant));
        }
        for (org, place) in before.places() {
            prop_assert_eq!(after.place_of(org), Some(place));
        }
    }

    /// With one vouch needed, the swarm of one member that is no founder moves nobody.
    #[test]
    fn a_swarm_of_one_moves_nobody(world in worlds(), hostile in 3..ORGS) {
        let world = World { needed: 1, ..world };
        let before = world.roster();
        let mut standings = world.standings();
        for n in 100..120 {
            standings.insert(org(n), objecting(&[hostile], &[0, 1, 2, 3, 4, 5, 6, 7, 8]));
        }
        let after = compute(&world.charter(), standings);
        for (org, place) in before.places() {
            prop_assert_eq!(after.place_of(org), Some(place));
        }
    }
}
