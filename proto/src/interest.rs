//! What a node follows: of whose and of which documents it keeps the states.
//!
//! Cards and records always travel, so that everybody knows who belongs and what there is. The states of listings and
//! boards are the bulk of a directory; a small computer may do without those that are of no use to the people it
//! serves. What a listing does not say decides nothing against it: a service that names no area is of use everywhere.

use std::collections::BTreeSet;

use minicbor::{Decode, Encode};

use crate::board::BoardState;
use crate::filter::{Filter, SoughtArea, Verdict};
use crate::ids::{NetworkId, OrgId};
use crate::limits;
use crate::listing::ShardState;
use crate::listing::facts::{Aspect, Facts, parent_of};
use crate::replica::State;
use crate::vocabulary::Vocabulary;

/// The conditions as people gave them. Of several of one kind, one must fit; of each kind that is given, one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Follows {
    /// Names or GSS codes of areas.
    #[n(0)]
    pub areas: BTreeSet<String>,
    /// What a service does, by a term or in words.
    #[n(1)]
    pub types: BTreeSet<String>,
    /// Networks; the documents of members of others are not followed.
    #[n(2)]
    pub networks: BTreeSet<NetworkId>,
    /// Organisations of which everything is kept, whatever else is said here.
    #[n(3)]
    pub organisations: BTreeSet<OrgId>,
}

/// Why something cannot be followed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FollowsError {
    /// More than [`limits::FOLLOWED_MAX`] of one kind.
    #[error("at most {} of one kind can be followed", limits::FOLLOWED_MAX)]
    TooMany,
    /// Empty, or longer than [`limits::NAME_MAX_BYTES`].
    #[error("{0:?} is no name of an area or a type")]
    NoName(String),
}

impl Follows {
    /// Whether everything is followed.
    pub fn is_everything(&self) -> bool {
        self.areas.is_empty() && self.types.is_empty() && self.networks.is_empty()
    }

    /// Checks its limits.
    ///
    /// # Errors
    /// [`FollowsError`].
    pub fn check(&self) -> Result<(), FollowsError> {
        let counts = [
            self.areas.len(),
            self.types.len(),
            self.networks.len(),
            self.organisations.len(),
        ];
        if counts.iter().any(|count| *count > limits::FOLLOWED_MAX) {
            return Err(FollowsError::TooMany);
        }
        let mut texts = self.areas.iter().chain(&self.types);
        match texts.find(|text| text.trim().is_empty() || text.len() > limits::NAME_MAX_BYTES) {
            Some(text) => Err(FollowsError::NoName(text.chars().take(40).collect())),
            None => Ok(()),
        }
    }
}

/// Which states are of use, by what they say: areas and types, ready to be compared.
#[derive(Debug, Clone, Default)]
pub struct Interest {
    areas: Vec<Filter>,
    types: Vec<Filter>,
}

impl Interest {
    /// What these areas and types ask for.
    pub fn of<'a>(
        areas: impl IntoIterator<Item = &'a String>,
        types: impl IntoIterator<Item = &'a String>,
    ) -> Self {
        let area = |text: &String| Filter::Area(SoughtArea::of(text));
        let vocabulary = Vocabulary::built_in();
        let kind = |text: &String| Filter::term(vocabulary, Aspect::Type, text);
        Self {
            areas: areas.into_iter().map(area).collect(),
            types: types.into_iter().map(kind).collect(),
        }
    }

    /// Whether anything in a state is of use. One that holds nothing that could be judged is.
    pub fn wants(&self, state: &State) -> bool {
        if self.areas.is_empty() && self.types.is_empty() {
            return true;
        }
        match state {
            State::Card(_) => true,
            State::Listing(shard) => self.wants_listing(shard),
            State::Board(board) => self.wants_board(board),
        }
    }

    fn wants_listing(&self, shard: &ShardState) -> bool {
        let mut services = shard.services.iter().peekable();
        services.peek().is_none()
            || services.any(|service| match parent_of(service) {
                None => self.fits(&Facts::of_service(service, None)),
                // What a strand leaves out stands in its parent service, which may be in another shard.
                Some(id) => match shard.services.get(id) {
                    Some(parent) => self.fits(&Facts::of_service(service, Some(parent))),
                    None => true,
                },
            })
    }

    /// What answers others is of use wherever its writer is.
    fn wants_board(&self, board: &BoardState) -> bool {
        let answers_others =
            !board.replies.is_empty() || !board.signatures.is_empty() || !board.reports.is_empty();
        let mut notices = board.notices.iter().peekable();
        answers_others
            || notices.peek().is_none()
            || notices.any(|notice| self.fits(&Facts::of_notice(notice)))
    }

    fn fits(&self, facts: &Facts) -> bool {
        [&self.areas, &self.types].into_iter().all(|of_kind| {
            let mut verdicts = of_kind.iter().map(|filter| filter.judge(facts));
            of_kind.is_empty() || verdicts.any(|verdict| verdict != Verdict::No)
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::cbor;
    use crate::ids::DocName;
    use crate::listing::facts::PARENT_FIELD;

    fn listing(services: &str) -> State {
        let state = format!(r#"{{"format":1,"kind":"listing","shard":1,"services":[{services}]}}"#);
        State::parse(DocName::Listing(1), state.as_bytes()).unwrap()
    }

    fn service(id: &str, area: &str, more: &str) -> String {
        let areas = match area {
            "" => String::new(),
            _ => format!(r#","service_areas":[{{"id":"{id}-a","name":"{area}"}}]"#),
        };
        format!(r#"{{"id":"{id}","name":"Somewhere","status":"active"{areas}{more}}}"#)
    }

    fn of_areas(areas: &[&str]) -> Interest {
        let areas: Vec<String> = areas.iter().map(|it| (*it).to_owned()).collect();
        Interest::of(&areas, &[])
    }

    #[test]
    fn a_listing_is_of_use_if_any_of_its_services_is() {
        let lambeth = of_areas(&["Lambeth"]);
        assert!(lambeth.wants(&listing(&service("a", "Lambeth", ""))));
        assert!(!lambeth.wants(&listing(&service("a", "Trafford", ""))));
        let both = [service("a", "Trafford", ""), service("b", "Lambeth", "")].join(",");
        assert!(lambeth.wants(&listing(&both)));
        assert!(of_areas(&["Lambeth", "Trafford"]).wants(&listing(&service("a", "Trafford", ""))));
    }

    #[test]
    fn what_is_not_said_decides_nothing_against_a_listing() {
        let lambeth = of_areas(&["Lambeth"]);
        assert!(lambeth.wants(&listing("")), "it holds no services");
        assert!(lambeth.wants(&listing(&service("a", "", ""))));
        let strand = format!(r#","{PARENT_FIELD}":"elsewhere""#);
        assert!(lambeth.wants(&listing(&service("a", "Trafford", &strand))));
        let here = format!(r#","{PARENT_FIELD}":"b""#);
        let both = [service("a", "", &here), service("b", "Trafford", "")].join(",");
        assert!(!lambeth.wants(&listing(&both)));
    }

    #[test]
    fn each_kind_that_is_given_must_fit() {
        let areas = ["Lambeth".to_owned()];
        let types = ["Food bank".to_owned()];
        let interest = Interest::of(&areas, &types);
        let typed = |area: &str, term: &str| {
            let attributes = format!(
                r#","attributes":[{{"id":"x","link_type":"service_type","taxonomy_term":{{"id":"t","name":"{term}"}}}}]"#
            );
            listing(&service("a", area, &attributes))
        };
        let filter = Filter::term(Vocabulary::built_in(), Aspect::Type, "Food bank");
        let Filter::Term { sought, .. } = filter else {
            panic!("a term makes a term");
        };
        assert!(!sought.names.is_empty());
        assert!(interest.wants(&listing(&service("a", "Lambeth", ""))));
        assert!(!interest.wants(&typed("Trafford", "Food bank")));
    }

    #[test]
    fn boards_are_judged_by_their_notices() {
        let board = |area: &str, more: &str| {
            let text = format!(
                r#"{{"format":1,"kind":"board","notices":[{{"id":"n","kind":"need","title":"Sofa","areas":["{area}"],"expires":"2027-01-01"}}]{more}}}"#
            );
            State::parse(DocName::Board, text.as_bytes()).unwrap()
        };
        let lambeth = of_areas(&["Lambeth"]);
        assert!(lambeth.wants(&board("Lambeth", "")));
        assert!(!lambeth.wants(&board("Trafford", "")));
        assert!(of_areas(&[]).wants(&board("Trafford", "")));
        let org = OrgId::from_bytes([1; 32]);
        let reply = format!(
            r#","replies":[{{"id":"r","organisation":"{org}","notice":"m","text":"We have one."}}]"#
        );
        assert!(
            lambeth.wants(&board("Trafford", &reply)),
            "it answers somebody"
        );
    }

    #[test]
    fn limits_are_kept() {
        let many = (0..=limits::FOLLOWED_MAX).map(|number| number.to_string());
        let follows = Follows {
            areas: many.collect(),
            ..Follows::default()
        };
        assert_eq!(follows.check(), Err(FollowsError::TooMany));
        for text in [" ", &"x".repeat(limits::NAME_MAX_BYTES + 1)] {
            let follows = Follows {
                types: [text.to_owned()].into(),
                ..Follows::default()
            };
            assert!(matches!(follows.check(), Err(FollowsError::NoName(_))));
        }
        assert!(Follows::default().is_everything());
        assert_eq!(Follows::default().check(), Ok(()));
    }

    proptest! {
        #[test]
        fn what_is_followed_comes_back(
            areas in prop::collection::btree_set(".{1,12}", 0..4),
            types in prop::collection::btree_set(".{1,12}", 0..4),
            networks in prop::collection::btree_set(any::<[u8; 32]>(), 0..3),
            organisations in prop::collection::btree_set(any::<[u8; 32]>(), 0..3),
        ) {
            let follows = Follows {
                areas,
                types,
                networks: networks.into_iter().map(NetworkId::from_bytes).collect(),
                organisations: organisations.into_iter().map(OrgId::from_bytes).collect(),
            };
            prop_assert_eq!(cbor::from_slice::<Follows>(&cbor::to_vec(&follows)), Ok(follows));
        }
    }
}
