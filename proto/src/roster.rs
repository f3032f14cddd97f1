//! The roster: who is a member, computed from signed statements.
//!
//! Membership is a function of a *set* of statements, without order, clock, leader or tally:
//!
//! ```text
//! Admitted = the least set that holds the charter's anchors, and every organisation that accepts
//!            the charter and holds vouches from K distinct admitted organisations
//! Members  = Admitted − Left
//! ```
//!
//! Nodes that hold the same statements have the same roster. An organisation that left stays
//! admitted, so that those who came in on its word keep their place.

use std::collections::{BTreeMap, BTreeSet};

use crate::card::{Membership, ProvenVouch};
use crate::charter::Charter;
use crate::ids::{NetworkId, OrgId};

/// What one organisation's statements say of its place in one network.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Standing {
    /// The epoch of the acceptance on its card; 0 if it accepts nothing, or its card is not held.
    pub epoch: u32,
    /// The epoch that its departure ends; 0 if it never left.
    pub left_epoch: u32,
    /// Its proven vouches, from the card or the departure.
    pub vouches: Vec<ProvenVouch>,
}

impl Standing {
    /// What an organisation's cards (several, while siblings have written apart) and its departure say
    /// together; `None` if none of them counts. A card that a departure has ended says nothing, so it
    /// does not matter whether it is still held, nor what came first.
    pub fn of<'a>(
        network: &NetworkId,
        org: &OrgId,
        cards: impl IntoIterator<Item = &'a Membership>,
        departure: Option<(u32, &Membership)>,
    ) -> Option<Self> {
        let mut standing = Self::default();
        if let Some((epoch, membership)) = departure {
            standing.left_epoch = epoch;
            standing.add_vouches(membership.proven(network, org));
        }
        for membership in cards {
            if membership.epoch > standing.left_epoch {
                standing.epoch = standing.epoch.max(membership.epoch);
                standing.add_vouches(membership.proven(network, org));
            }
        }
        (standing != Self::default()).then_some(standing)
    }

    fn add_vouches(&mut self, vouches: Vec<ProvenVouch>) {
        self.vouches.extend(vouches);
        self.vouches.sort();
        self.vouches.dedup();
    }

    /// Whether the organisation accepts the charter now.
    pub fn accepts(&self) -> bool {
        self.epoch > self.left_epoch
    }

    /// Whether its last word is that it left.
    pub fn left(&self) -> bool {
        self.left_epoch > 0 && self.epoch <= self.left_epoch
    }
}

/// Where an organisation stands in a network.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Place {
    /// A member: its documents are held and shown.
    Member,
    /// It accepts the charter and waits for vouches: its card is held.
    Applicant,
    /// It left: only its statement is held.
    Left,
}

/// Who is who in one network.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Roster {
    places: BTreeMap<OrgId, Place>,
    admitted: BTreeSet<OrgId>,
    members: usize,
}

impl Roster {
    /// Computes the roster; a function of its arguments as sets.
    pub fn compute(charter: &Charter, standings: &BTreeMap<OrgId, Standing>) -> Self {
        let invited = invitation_winners(standings);
        let counts = |org: &OrgId, vouch: &ProvenVouch| {
            vouch
                .by_invitation
                .is_none_or(|(_, key)| invited.get(&key).map(|(_, org)| org) == Some(org))
        };
        // Who vouches for whom, then outwards from the anchors: each edge is walked once.
        let mut vouched: BTreeMap<OrgId, BTreeSet<OrgId>> = BTreeMap::new();
        for (org, standing) in standings {
            let ever_accepted = standing.epoch > 0 || standing.left_epoch > 0;
            for vouch in standing
                .vouches
                .iter()
                .filter(|v| ever_accepted && counts(org, v))
            {
                vouched.entry(vouch.voucher).or_default().insert(*org);
            }
        }
        let mut admitted: BTreeSet<OrgId> = charter.anchors.iter().copied().collect();
        let mut received: BTreeMap<OrgId, u32> = BTreeMap::new();
        let mut queue: Vec<OrgId> = charter.anchors.clone();
        while let Some(voucher) = queue.pop() {
            for subject in vouched.get(&voucher).into_iter().flatten() {
                let count = received.entry(*subject).or_default();
                *count += 1;
                if *count >= charter.vouches_needed && admitted.insert(*subject) {
                    queue.push(*subject);
                }
            }
        }
        Self::place(admitted, standings)
    }

    fn place(admitted: BTreeSet<OrgId>, standings: &BTreeMap<OrgId, Standing>) -> Self {
        let places: BTreeMap<OrgId, Place> = standings
            .iter()
            .filter_map(|(org, standing)| {
                let place = if standing.left() {
                    Place::Left
                } else if !standing.accepts() {
                    return None;
                } else if admitted.contains(org) {
                    Place::Member
                } else {
                    Place::Applicant
                };
                Some((*org, place))
            })
            .collect();
        let members = places
            .values()
            .filter(|place| **place == Place::Member)
            .count();
        Self {
            places,
            admitted,
            members,
        }
    }

    /// Where an organisation stands; `None` if the network knows nothing of it.
    pub fn place_of(&self, org: &OrgId) -> Option<Place> {
        self.places.get(org).copied()
    }

    /// Whether an organisation is a member.
    pub fn is_member(&self, org: &OrgId) -> bool {
        self.place_of(org) == Some(Place::Member)
    }

    /// Whether an organisation's vouches count: it is a member, was one when it left, or is a founder.
    pub fn is_admitted(&self, org: &OrgId) -> bool {
        self.admitted.contains(org)
    }

    /// Everybody that the network knows of, with their place.
    pub fn places(&self) -> impl Iterator<Item = (&OrgId, Place)> {
        self.places.iter().map(|(org, place)| (org, *place))
    }

    /// How many members there are.
    pub fn member_count(&self) -> usize {
        self.members
    }
}

/// An invitation vouches once. Of several organisations that used its key, all nodes count the same one:
/// the earliest use, then the smallest id. (The date is the user's own word; the inviter can set a
/// wrong choice right with a direct vouch.)
fn invitation_winners(standings: &BTreeMap<OrgId, Standing>) -> BTreeMap<[u8; 32], (u64, OrgId)> {
    let mut winners: BTreeMap<[u8; 32], (u64, OrgId)> = BTreeMap::new();
    for (org, standing) in standings {
        for (at_s, key) in standing.vouches.iter().filter_map(|v| v.by_invitation) {
            let claim = (at_s, *org);
            let winner = winners.entry(key).or_insert(claim);
            *winner = (*winner).min(claim);
        }
    }
    winners
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::charter::FORMAT;
    use proptest::prelude::*;

    fn org(n: u8) -> OrgId {
        OrgId::from_bytes([n; 32])
    }

    fn charter(anchors: &[u8], vouches_needed: u32) -> Charter {
        Charter {
            format: FORMAT,
            name: "n".into(),
            text: String::new(),
            vouches_needed,
            anchors: anchors.iter().map(|n| org(*n)).collect(),
            founded_at_s: 0,
            nonce: [0; 16],
        }
    }

    fn standing(vouchers: &[u8]) -> Standing {
        Standing {
            epoch: 1,
            left_epoch: 0,
            vouches: vouchers
                .iter()
                .map(|n| ProvenVouch {
                    voucher: org(*n),
                    by_invitation: None,
                })
                .collect(),
        }
    }

    fn roster(charter: &Charter, standings: &[(u8, Standing)]) -> Roster {
        Roster::compute(
            charter,
            &standings
                .iter()
                .map(|(n, s)| (org(*n), s.clone()))
                .collect(),
        )
    }

    #[test]
    fn vouches_reach_outwards_from_the_anchors() {
        let one = roster(
            &charter(&[1], 1),
            &[
                (1, standing(&[])),
                (2, standing(&[1])),
                (3, standing(&[2])),
                (4, standing(&[5])),
                (5, standing(&[4])),
            ],
        );
        assert_eq!(one.member_count(), 3);
        assert_eq!(one.place_of(&org(3)), Some(Place::Member));
        // Two strangers that vouch for each other stay outside.
        assert_eq!(one.place_of(&org(4)), Some(Place::Applicant));
        assert_eq!(one.place_of(&org(9)), None);
    }

    #[test]
    fn with_two_vouches_needed_one_member_admits_nobody() {
        let sybils: Vec<(u8, Standing)> = (10..60).map(|n| (n, standing(&[2, n + 1]))).collect();
        let mut all = vec![
            (1, standing(&[])),
            (2, standing(&[])),
            (3, standing(&[1, 2])),
        ];
        all.extend(sybils);
        let roster = roster(&charter(&[1, 2], 2), &all);
        assert_eq!(roster.member_count(), 3);
    }

    #[test]
    fn leaving_moves_nobody_else_and_coming_back_is_possible() {
        let left = Standing {
            left_epoch: 1,
            ..standing(&[1])
        };
        let of_two = |two: Standing| {
            roster(
                &charter(&[1], 1),
                &[(1, standing(&[])), (2, two), (3, standing(&[2]))],
            )
        };
        let gone = of_two(left.clone());
        assert_eq!(gone.place_of(&org(2)), Some(Place::Left));
        assert!(gone.is_member(&org(3)));
        let dropped_card = of_two(Standing {
            epoch: 0,
            ..left.clone()
        });
        assert_eq!(dropped_card, gone);
        assert!(of_two(Standing { epoch: 2, ..left }).is_member(&org(2)));
    }

    #[test]
    fn an_invitation_vouches_once() {
        let by = |at_s| Standing {
            vouches: vec![ProvenVouch {
                voucher: org(1),
                by_invitation: Some((at_s, [7; 32])),
            }],
            ..standing(&[])
        };
        let roster = roster(
            &charter(&[1], 1),
            &[(1, standing(&[])), (2, by(20)), (3, by(10))],
        );
        assert_eq!(roster.place_of(&org(2)), Some(Place::Applicant));
        assert!(roster.is_member(&org(3)));
    }

    proptest! {
        /// More statements of others never take a membership away.
        #[test]
        fn admission_is_monotone(edges in prop::collection::vec((0u8..12, 0u8..12), 0..40), k in 1u32..4, more in (0u8..12, 0u8..12)) {
            let build = |edges: &[(u8, u8)]| {
                let mut all: BTreeMap<OrgId, Standing> = (0..12).map(|n| (org(n), standing(&[]))).collect();
                for (from, to) in edges.iter().filter(|(a, b)| a != b) {
                    all.get_mut(&org(*to)).unwrap().add_vouches(vec![ProvenVouch { voucher: org(*from), by_invitation: None }]);
                }
                Roster::compute(&charter(&[0, 1], k), &all)
            };
            let before = build(&edges);
            let mut edges = edges;
            edges.push(more);
            let after = build(&edges);
            for (org, place) in before.places() {
                if place == Place::Member {
                    prop_assert!(after.is_member(org));
                }
            }
            edges.reverse();
            prop_assert_eq!(build(&edges), after);
        }
    }
}
