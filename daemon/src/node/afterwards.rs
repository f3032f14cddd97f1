//! What comes after organisations that merged, closed, changed or lost their key, were removed, or are not members
//! yet: what search leaves out, and where links to them lead.
//!
//! What organisations say of it on their cards is kept in the store as well, so that a start need not read all
//! cards. Who goes on for whom follows from the rosters. Take the replica's lock before this one.

use std::collections::{BTreeMap, BTreeSet};

use fingerpost_proto::api::SucceededBy;
use fingerpost_proto::card::Card;
use fingerpost_proto::ids::{DocKey, DocName, NetworkId, OrgId};
use fingerpost_proto::replica::{Replica, ReplicaError};
use fingerpost_proto::roster::Place;
use fingerpost_proto::storage::{Batch, Storage, Table};
use serde::{Deserialize, Serialize};

use super::days::today;
use super::names::{card_of, org_ref};
use super::{Node, lock};
use crate::store::{SledStorage, StoreError};

/// Before the organisation's id, in [`Table::Meta`].
const PREFIX: &[u8] = b"afterwards/";
/// Under at most so many names of organisations that came before it an organisation is found.
const NAMES_BEFORE_MAX: usize = 16;

/// What a card says of what comes after its organisation.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Said {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    merged_into: Option<OrgId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    closes_on: Option<String>,
}

impl Said {
    fn of(card: &Card) -> Option<Self> {
        let succession = card.succession.as_ref()?;
        let said = Self {
            merged_into: succession.merged_into,
            closes_on: succession.closes_on.clone(),
        };
        (said != Self::default()).then_some(said)
    }
}

/// What is known of ends and beginnings.
#[derive(Debug, Default)]
pub(super) struct After {
    said: BTreeMap<OrgId, Said>,
    /// Who goes on for whom.
    heirs: BTreeMap<OrgId, OrgId>,
    /// Those that are members of none of this node's networks, removed or not admitted yet: whoever is not a
    /// member puts nothing into anybody's search.
    outside: BTreeSet<OrgId>,
    today: String,
}

impl After {
    /// Reads what is known.
    pub(super) fn load(
        replica: &mut Replica<SledStorage>,
    ) -> Result<Self, ReplicaError<StoreError>> {
        let mut after = Self {
            today: today(),
            ..Self::default()
        };
        replica
            .storage()
            .scan(Table::Meta, PREFIX, &mut |key, value| {
                let org = key.last_chunk::<32>().copied().map(OrgId::from_bytes);
                if let (Some(org), Ok(said)) = (org, serde_json::from_slice(value)) {
                    after.said.insert(org, said);
                }
                true
            })?;
        (after.heirs, after.outside) = of_rosters(replica);
        Ok(after)
    }

    /// Who comes next after an organisation, if anybody does.
    fn next(&self, org: &OrgId) -> Option<OrgId> {
        let merged = || self.said.get(org).and_then(|said| said.merged_into);
        self.heirs.get(org).copied().or_else(merged)
    }

    /// The end of an organisation's line: itself, if nobody comes after it, or if the line goes round.
    pub(super) fn end(&self, org: &OrgId) -> OrgId {
        let mut seen = BTreeSet::from([*org]);
        let mut at = *org;
        while let Some(next) = self.next(&at) {
            if !seen.insert(next) {
                return *org;
            }
            at = next;
        }
        at
    }

    /// Those whose line ends with an organisation, itself left out.
    fn before(&self, org: &OrgId) -> BTreeSet<OrgId> {
        let ended = self.heirs.keys().chain(self.said.keys());
        ended
            .filter(|old| *old != org && self.end(old) == *org)
            .copied()
            .collect()
    }

    /// Whether search leaves out everything of an organisation.
    fn is_over(&self, org: &OrgId) -> bool {
        self.outside.contains(org)
            || self.said.get(org).is_some_and(|said| {
                let closed = said.closes_on.as_ref().is_some_and(|day| *day < self.today);
                said.merged_into.is_some() || closed
            })
    }

    /// An organisation and whoever's entry tells of it.
    fn around(&self, org: &OrgId) -> BTreeSet<OrgId> {
        BTreeSet::from([*org, self.end(org)])
    }

    /// Everybody that search treats in a special way.
    fn all(&self) -> BTreeSet<OrgId> {
        let ended = self.heirs.keys().chain(self.said.keys());
        let ended = ended.chain(&self.outside);
        ended.flat_map(|org| self.around(org)).collect()
    }

    /// A day has begun: those who closed since the last one that was seen.
    fn turn(&mut self, day: String) -> BTreeSet<OrgId> {
        let last = std::mem::replace(&mut self.today, day);
        let closed = |said: &Said| {
            let on = said.closes_on.as_ref();
            on.is_some_and(|on| (*on < last) != (*on < self.today))
        };
        let concerned = self.said.iter().filter(|(_, said)| closed(said));
        concerned.map(|(org, _)| *org).collect()
    }

    fn set_said(&mut self, org: OrgId, said: Option<Said>) {
        match said {
            Some(said) => self.said.insert(org, said),
            None => self.said.remove(&org),
        };
    }

    fn set_rosters(
        &mut self,
        heirs: BTreeMap<OrgId, OrgId>,
        outside: BTreeSet<OrgId>,
    ) -> BTreeSet<OrgId> {
        let changed: BTreeSet<OrgId> = self
            .heirs
            .keys()
            .chain(heirs.keys())
            .filter(|old| self.heirs.get(old) != heirs.get(old))
            .chain(self.outside.symmetric_difference(&outside))
            .copied()
            .collect();
        let mut concerned: BTreeSet<OrgId> =
            changed.iter().flat_map(|org| self.around(org)).collect();
        (self.heirs, self.outside) = (heirs, outside);
        concerned.extend(changed.iter().flat_map(|org| self.around(org)));
        concerned
    }
}

/// What cards that changed say: each is read once.
#[derive(Default)]
pub(super) struct Followed {
    /// Whose entries change.
    pub(super) concerned: BTreeSet<OrgId>,
    /// The names on the cards.
    pub(super) names: BTreeMap<OrgId, String>,
    /// Those that hold a vouch ready for an organisation of this node.
    pub(super) offers: BTreeSet<OrgId>,
}

fn offers_vouch(card: &Card, own: &BTreeSet<OrgId>) -> bool {
    let mut given = card.networks.values().map(|membership| &membership.given);
    given.any(|given| own.iter().any(|org| given.contains_key(org)))
}

/// Who goes on for whom, and who is a member nowhere, by all rosters together.
fn of_rosters(replica: &mut Replica<SledStorage>) -> (BTreeMap<OrgId, OrgId>, BTreeSet<OrgId>) {
    let networks: Vec<NetworkId> = replica
        .networks()
        .map(|(id, _)| id)
        .filter(|id| replica.is_active(id))
        .collect();
    let (mut heirs, mut out) = (BTreeMap::new(), BTreeSet::new());
    for network in networks {
        let Some(roster) = replica.roster(&network) else {
            continue;
        };
        heirs.extend(roster.heirs());
        out.extend(
            roster
                .places()
                .filter(|(_, place)| is_outside(*place))
                .map(|(org, _)| *org),
        );
    }
    let own = replica.own().clone();
    out.retain(|org| !own.contains(org) && replica.place(org).is_some_and(is_outside));
    (heirs, out)
}

fn is_outside(place: Place) -> bool {
    matches!(place, Place::Removed | Place::Applicant)
}

/// Whether any of an organisation's listing is held.
fn has_listing(replica: &Replica<SledStorage>, org: &OrgId) -> bool {
    replica
        .documents_of(org)
        .any(|key| matches!(key.name, DocName::Listing(_)))
}

impl Node {
    /// The end of an organisation's line.
    pub(super) fn end_of_line(&self, org: &OrgId) -> OrgId {
        lock(&self.after).end(org)
    }

    /// What comes after an organisation, each followed to the end of its line.
    pub(super) fn succession_of(
        &self,
        replica: &Replica<SledStorage>,
        org: &OrgId,
    ) -> Option<SucceededBy> {
        let after = lock(&self.after);
        let at_the_end = |org: &OrgId| org_ref(replica, &after.end(org));
        let said = card_of(replica, org).and_then(|card| card.succession);
        let said = said.unwrap_or_default();
        let succeeded = SucceededBy {
            now: after.heirs.contains_key(org).then(|| at_the_end(org)),
            merged_into: said.merged_into.as_ref().map(at_the_end),
            closes_on: said.closes_on,
            clients_to: said.clients_to.iter().map(at_the_end).collect(),
        };
        (succeeded != SucceededBy::default()).then_some(succeeded)
    }

    /// Whether search leaves out a document of an organisation, whole (`Some(true)`) or but for its services
    /// (`Some(false)`): what another goes on for is found under its own name until the other has a listing.
    pub(super) fn left_out(&self, replica: &Replica<SledStorage>, org: &OrgId) -> Option<bool> {
        let after = lock(&self.after);
        if replica.blocked().contains(org) || after.is_over(org) {
            return Some(true);
        }
        let heir = after.heirs.get(org)?;
        Some(has_listing(replica, heir))
    }

    /// The names of organisations that came before one, under which it is found as well.
    pub(super) fn names_before(&self, replica: &Replica<SledStorage>, org: &OrgId) -> Vec<String> {
        let before = lock(&self.after).before(org);
        let names = before.iter().filter_map(|old| card_of(replica, old));
        names.map(|card| card.name).take(NAMES_BEFORE_MAX).collect()
    }

    /// Other organisations whose entries change with a document of one.
    pub(super) fn also_affected(&self, key: &DocKey) -> BTreeSet<OrgId> {
        let after = lock(&self.after);
        let mut others = BTreeSet::new();
        match key.name {
            // The name on the card is one of the names of whoever comes after it.
            DocName::Card => {
                others.insert(after.end(&key.org));
            }
            DocName::Listing(_) => {
                let old = after.heirs.iter().filter(|(_, heir)| **heir == key.org);
                others.extend(old.map(|(old, _)| *old));
            }
            DocName::Board => {}
        }
        others.remove(&key.org);
        others
    }

    /// Takes in what cards say now and, if `rosters`, who goes on for whom.
    pub(super) fn follow_ends(&self, cards: &BTreeSet<OrgId>, rosters: bool) -> Followed {
        let mut replica = self.replica();
        let of_rosters = rosters.then(|| of_rosters(&mut replica));
        let mut after = lock(&self.after);
        let mut followed = Followed::default();
        let mut batch = Batch::default();
        for org in cards {
            let card = card_of(&replica, org);
            if let Some(card) = &card {
                followed.names.insert(*org, card.name.clone());
                if offers_vouch(card, replica.own()) {
                    followed.offers.insert(*org);
                }
            }
            let said = card.as_ref().and_then(Said::of);
            if after.said.get(org) == said.as_ref() {
                continue;
            }
            followed.concerned.extend(after.around(org));
            let key = [PREFIX, org.as_bytes()].concat();
            match said.as_ref().map(serde_json::to_vec) {
                Some(Ok(bytes)) => batch.put(Table::Meta, key, bytes),
                _ => batch.remove(Table::Meta, key),
            }
            after.set_said(*org, said);
            followed.concerned.extend(after.around(org));
        }
        if let Some((heirs, outside)) = of_rosters {
            followed.concerned.extend(after.set_rosters(heirs, outside));
        }
        drop(after);
        if !batch.is_empty()
            && let Err(error) = replica.storage_mut().commit(batch)
        {
            tracing::error!("what comes after organisations could not be kept: {error}");
        }
        followed
    }

    /// Everybody that search treats in a special way, to be indexed once more after a start.
    pub(super) fn all_ends(&self) -> BTreeSet<OrgId> {
        lock(&self.after).all()
    }

    /// Looks whether a day has begun, and leaves those out of search that closed.
    pub(super) fn turn_day(&self) {
        let concerned = lock(&self.after).turn(today());
        if !concerned.is_empty() {
            self.index_again(concerned);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn org(n: u8) -> OrgId {
        OrgId::from_bytes([n; 32])
    }

    fn merged(into: u8) -> Option<Said> {
        Some(Said {
            merged_into: Some(org(into)),
            closes_on: None,
        })
    }

    #[test]
    fn a_line_is_followed_to_its_end() {
        let mut after = After::default();
        after.set_said(org(1), merged(2));
        let concerned = after.set_rosters([(org(2), org(3))].into(), BTreeSet::new());
        assert_eq!(concerned, [org(2), org(3)].into());
        assert_eq!(after.end(&org(1)), org(3));
        assert_eq!(after.end(&org(9)), org(9));
        assert_eq!(after.before(&org(3)), [org(1), org(2)].into());
        assert_eq!(after.before(&org(2)), BTreeSet::new());
        assert!(after.is_over(&org(1)) && !after.is_over(&org(3)));
    }

    #[test]
    fn a_line_that_goes_round_leads_nowhere() {
        let mut after = After::default();
        after.set_said(org(1), merged(2));
        after.set_said(org(2), merged(1));
        assert_eq!(after.end(&org(1)), org(1));
        assert_eq!(after.before(&org(1)), BTreeSet::new());
        after.set_said(org(3), merged(1));
        assert_eq!(after.end(&org(3)), org(3));
    }

    #[test]
    fn an_organisation_is_found_on_its_last_day_and_not_the_day_after() {
        let mut after = After {
            today: "2026-12-31".into(),
            ..After::default()
        };
        let said = Said {
            merged_into: None,
            closes_on: Some("2026-12-31".into()),
        };
        after.set_said(org(1), Some(said));
        assert!(!after.is_over(&org(1)));
        assert_eq!(after.turn("2026-12-31".into()), BTreeSet::new());
        assert_eq!(after.turn("2027-01-01".into()), [org(1)].into());
        assert!(after.is_over(&org(1)));
        assert_eq!(after.turn("2027-01-02".into()), BTreeSet::new());
        // A clock that is set back.
        assert_eq!(after.turn("2026-12-30".into()), [org(1)].into());
        assert!(!after.is_over(&org(1)));
    }

    #[test]
    fn whoever_is_removed_is_left_out_until_the_objections_are_withdrawn() {
        let mut after = After::default();
        assert_eq!(
            after.set_rosters(BTreeMap::new(), [org(4)].into()),
            [org(4)].into()
        );
        assert!(after.is_over(&org(4)));
        assert_eq!(
            after.set_rosters(BTreeMap::new(), BTreeSet::new()),
            [org(4)].into()
        );
        assert!(!after.is_over(&org(4)));
    }
}
