//! The roster: who is a member, computed from signed statements.
//!
//! Membership is a function of a *set* of statements, without order, clock, leader or tally:
//!
//! ```text
//! Admitted = the least set that holds the anchors, and every organisation that accepts the charter and
//!            holds vouches from K distinct admitted organisations
//! Removed  = those to whom more than half of the others object that have a voice without their word
//! Members  = Admitted − Left − Removed
//! ```
//!
//! Nodes that hold the same statements have the same roster. An organisation that left stays
//! admitted, so that those who came in on its word keep their place.
//!
//! **Voice.** Where K vouches are needed and K is 2 or more, all that are admitted have a voice in objections
//! and amendments. With K = 1 one member could bring in a swarm that outvotes everybody; so there a voice
//! belongs to the anchors, to those for whom an anchor vouches, and to those for whom two others with a
//! voice vouch. The rest find and are found, and have a voice once a second member vouches for them.
//!
//! **Stages.** The charter's founders are the anchors of the first stage. An amendment that more than half of
//! those with a voice accept begins the next, whose anchors are those who accepted it: so founders can
//! leave like anyone. Of rival amendments an organisation accepts one, so never two come into force.
//!
//! **Heirs.** An organisation that changed its key, or lost it and has more than half of its vouchers say who
//! goes on for it, is one with its heir: it is not counted twice, and what is objected to one is objected
//! to the other.

mod heirs;
mod inquiry;
mod marks;
mod register;
mod stage;
mod standing;

use std::collections::{BTreeMap, BTreeSet};

use crate::charter::Charter;
use crate::ids::{CharterId, OrgId};
use crate::limits;

pub use inquiry::{Inquiry, SuccessionVote};
pub use register::Register;
pub use standing::Standing;

use marks::{Marks, Number};
use stage::Stage;

/// What the roster needs of an amendment that is known, in force or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    /// The text that it would replace.
    pub previous: CharterId,
    /// How many distinct members must vouch for an organisation under it.
    pub vouches_needed: u32,
}

/// Where an organisation stands in a network, the best place first.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Place {
    /// A member: its documents are held and shown.
    Member,
    /// It accepts the charter and waits for vouches: its card is held.
    Applicant,
    /// More than half of the others object to it: its card is held, so that what it says still counts
    /// if they withdraw.
    Removed,
    /// Another organisation goes on for it: its card is held.
    Replaced,
    /// It left: only its statement is held.
    Left,
}

/// How a vote on an amendment stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tally {
    /// Who accepts it, those without a voice left out.
    pub accepted: Vec<OrgId>,
    /// How many must accept it.
    pub needed: usize,
}

/// Who is who in one network.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Roster {
    places: BTreeMap<OrgId, Place>,
    admitted: BTreeSet<OrgId>,
    voice: BTreeSet<OrgId>,
    heirs: BTreeMap<OrgId, OrgId>,
    /// Those of the text in force.
    anchors: BTreeSet<OrgId>,
    chain: Vec<CharterId>,
    tallies: BTreeMap<CharterId, Tally>,
    vouches_needed: u32,
    members: usize,
}

impl Roster {
    /// Computes the roster; a function of its arguments as sets. `known` must have the charter's founders as its own.
    pub fn compute(
        charter: &Charter,
        amendments: &BTreeMap<CharterId, Terms>,
        known: &Register,
    ) -> Self {
        let mut anchors = known.numbers(&charter.anchors);
        let mut needed = charter.vouches_needed;
        let mut current = CharterId::from_bytes(*charter.network().as_bytes());
        let mut chain = vec![current];
        loop {
            let stage = Stage::compute(known, &anchors, needed);
            let mut tallies = BTreeMap::new();
            let mut next: Option<(CharterId, u32, Marks)> = None;
            for (id, terms) in amendments.iter().filter(|(_, it)| it.previous == current) {
                let (accepted, voices) = stage.tally(&current, id);
                let most = (voices / 2 + 1).max(terms.vouches_needed as usize);
                let open = chain.len() <= limits::AMENDMENTS_IN_FORCE_MAX && !chain.contains(id);
                let tally = Tally {
                    accepted: known.ids(accepted.iter()).into_iter().collect(),
                    needed: most,
                };
                if next.is_none() && open && tally.accepted.len() >= most {
                    next = Some((*id, terms.vouches_needed, accepted));
                }
                tallies.insert(*id, tally);
            }
            let Some((id, vouches_needed, acceptors)) = next else {
                return Self::of_stage(&stage, chain, tallies, needed);
            };
            chain.push(id);
            (current, needed, anchors) = (id, vouches_needed, acceptors);
        }
    }

    fn of_stage(
        stage: &Stage<'_>,
        chain: Vec<CharterId>,
        tallies: BTreeMap<CharterId, Tally>,
        vouches_needed: u32,
    ) -> Self {
        let known = stage.known;
        let place = |org: Number, standing: &Standing| {
            if standing.left() {
                Some(Place::Left)
            } else if stage.heirs.is_replaced(org) {
                Some(Place::Replaced)
            } else if !standing.accepts() {
                None
            } else if stage.removed.has(org) {
                Some(Place::Removed)
            } else if stage.admitted.has(org) {
                Some(Place::Member)
            } else {
                Some(Place::Applicant)
            }
        };
        let placed = known
            .standings()
            .filter_map(|(org, standing)| Some((known.id(org)?, place(org, standing)?)));
        let places: BTreeMap<OrgId, Place> = placed.collect();
        // Of keys that nobody has heard from, nothing is said.
        let heard = stage
            .heirs
            .ends()
            .filter(|(old, _)| known.standing(*old).is_some());
        let heirs = heard.filter_map(|(old, heir)| Some((known.id(old)?, known.id(heir)?)));
        let members = places
            .values()
            .filter(|place| **place == Place::Member)
            .count();
        let mut voice = known.ids(stage.voice.iter());
        voice.retain(|org| places.get(org) == Some(&Place::Member));
        Self {
            heirs: heirs.collect(),
            places,
            admitted: known.ids(stage.admitted.iter()),
            voice,
            anchors: known.ids(stage.anchors().iter()),
            chain,
            tallies,
            vouches_needed,
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

    /// Whether a member's word counts in objections and amendments.
    pub fn has_voice(&self, org: &OrgId) -> bool {
        self.voice.contains(org)
    }

    /// Whether an organisation is one of those on whom admission rests: a founder, or one of those who
    /// accepted the amendment in force.
    pub fn is_anchor(&self, org: &OrgId) -> bool {
        self.anchors.contains(org)
    }

    /// Those on whom admission rests.
    pub fn anchors(&self) -> &BTreeSet<OrgId> {
        &self.anchors
    }

    /// How many members have a voice.
    pub fn voice_count(&self) -> usize {
        self.voice.len()
    }

    /// Who goes on for an organisation.
    pub fn heir_of(&self, old: &OrgId) -> Option<OrgId> {
        self.heirs.get(old).copied()
    }

    /// Everybody for whom another goes on, each with that one.
    pub fn heirs(&self) -> impl Iterator<Item = (&OrgId, &OrgId)> {
        self.heirs.iter()
    }

    /// The text of the charter that is in force.
    pub fn charter_in_force(&self) -> Option<CharterId> {
        self.chain.last().copied()
    }

    /// All texts that were ever in force, the founding one first.
    pub fn chain(&self) -> &[CharterId] {
        &self.chain
    }

    /// How the vote stands on an amendment of the text in force; `None` for any other.
    pub fn tally(&self, amendment: &CharterId) -> Option<&Tally> {
        self.tallies.get(amendment)
    }

    /// How many distinct members must vouch for an organisation.
    pub fn vouches_needed(&self) -> u32 {
        self.vouches_needed
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

#[cfg(test)]
mod tests;
