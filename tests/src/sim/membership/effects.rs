//! What the statements of a run have brought about.

use std::collections::{BTreeMap, BTreeSet};

use fingerpost_proto::ids::{InviteId, OrgId};
use fingerpost_proto::roster::{Place, Standing};

use super::world::World;

impl World {
    /// What stands at the end, as a node knows it: by all nodes, since they agree.
    pub(super) fn effects(&mut self, node: usize) -> BTreeMap<&'static str, u64> {
        let network = self.network;
        let Some(roster) = self.nodes[node].replica.roster(&network).cloned() else {
            return BTreeMap::new();
        };
        let places: BTreeMap<OrgId, Place> = roster.places().map(|(org, it)| (*org, it)).collect();
        let replica = &self.nodes[node].replica;
        let standings: BTreeMap<OrgId, Standing> = places
            .keys()
            .filter_map(|org| Some((*org, replica.standing(&network, org)?.clone())))
            .collect();
        let placed = |place| places.values().filter(|it| **it == place).count();
        let claimed = |(old, heir): &(&OrgId, &OrgId)| {
            standings
                .get(heir)
                .is_some_and(|it| it.claims.contains(*old))
        };
        let mut effects: BTreeMap<&'static str, usize> = [
            ("members", placed(Place::Member)),
            ("removed by majority", placed(Place::Removed)),
            ("left for good", placed(Place::Left)),
            ("texts put into force", roster.chain().len() - 1),
            ("heirs by votes", roster.heirs().filter(claimed).count()),
            (
                "heirs by key",
                roster.heirs().filter(|it| !claimed(it)).count(),
            ),
        ]
        .into();
        effects.extend(self.effects_of_keys(node));
        effects.extend(effects_of_invitations(&standings));
        effects.extend(effects_of_words(&standings));
        effects.extend(self.effects_of_cards(node, &places));
        let mut counts: BTreeMap<&'static str, u64> = BTreeMap::new();
        counts.extend(
            effects
                .into_iter()
                .map(|(what, count)| (what, count as u64)),
        );
        counts
    }

    /// Thieves' nodes that the network believes no longer, and what each node hides for itself.
    fn effects_of_keys(&self, node: usize) -> [(&'static str, usize); 2] {
        let replica = &self.nodes[node].replica;
        let is_revoked = |it: &&super::world::Node| {
            let by = replica.orgs_that_revoked(&it.id);
            it.stolen && by.is_ok_and(|by| !by.is_empty())
        };
        let blocked = self.nodes.iter().map(|it| it.replica.blocked().len());
        [
            (
                "revoked nodes",
                self.nodes.iter().filter(is_revoked).count(),
            ),
            ("blocked by one", blocked.sum()),
        ]
    }

    fn effects_of_cards(
        &mut self,
        node: usize,
        places: &BTreeMap<OrgId, Place>,
    ) -> [(&'static str, usize); 3] {
        let (mut pauses, mut merged, mut closing) = (0, 0, 0);
        for org in places.keys() {
            for card in self.held_cards(node, *org) {
                pauses += card.pauses.len();
                let Some(succession) = card.succession else {
                    continue;
                };
                merged += usize::from(succession.merged_into.is_some());
                closing += usize::from(succession.closes_on.is_some());
            }
        }
        [("away", pauses), ("merged", merged), ("closing", closing)]
    }
}

fn effects_of_invitations(standings: &BTreeMap<OrgId, Standing>) -> [(&'static str, usize); 4] {
    let mut uses: BTreeMap<InviteId, BTreeSet<OrgId>> = BTreeMap::new();
    for (org, standing) in standings {
        let keys = standing.vouches.iter().filter_map(|it| it.by_invitation);
        keys.for_each(|(_, key)| {
            uses.entry(key).or_default().insert(*org);
        });
    }
    let settled = || standings.values().flat_map(|it| it.invitations.values());
    [
        ("invitations used", uses.len()),
        (
            "used twice",
            uses.values().filter(|by| by.len() > 1).count(),
        ),
        ("settled", settled().filter(|by| by.is_some()).count()),
        ("cancelled", settled().filter(|by| by.is_none()).count()),
    ]
}

fn effects_of_words(standings: &BTreeMap<OrgId, Standing>) -> [(&'static str, usize); 5] {
    let all = || standings.values();
    let direct = |it: &Standing| {
        let vouches = it.vouches.iter();
        vouches.filter(|it| it.by_invitation.is_none()).count()
    };
    let came_back = |it: &&Standing| it.left_epoch > 0 && it.accepts();
    [
        ("vouches carried", all().map(direct).sum()),
        ("objections", all().map(|it| it.objections.len()).sum()),
        ("acceptances", all().map(|it| it.amendments.len()).sum()),
        ("signatures", all().map(|it| it.successors.len()).sum()),
        ("back again", all().filter(came_back).count()),
    ]
}
