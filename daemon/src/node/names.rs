//! From what people type to what it names, and back.

use fingerpost_proto::api::OrgRef;
use fingerpost_proto::card::Card;
use fingerpost_proto::ids::{DocKey, DocName, NetworkId, OrgId};
use fingerpost_proto::replica::Replica;

use super::company::LOOKED_AT_MAX;
use super::membership::name_of;
use super::{Node, NodeError};
use crate::search::{Kind, Query, RESULTS_LIMIT};
use crate::store::SledStorage;

/// The card of any organisation, if it is held.
pub(super) fn card_of(replica: &Replica<SledStorage>, org: &OrgId) -> Option<Card> {
    let shown = replica
        .shown(&DocKey {
            org: *org,
            name: DocName::Card,
        })
        .ok()??;
    Card::parse(&shown.state).ok()
}

/// The name on an organisation's card, if that is held: cheaper than to read all that it says.
pub(super) fn name_on_card(replica: &Replica<SledStorage>, org: &OrgId) -> Option<String> {
    let key = DocKey {
        org: *org,
        name: DocName::Card,
    };
    Card::name_in(&replica.shown(&key).ok()??.state)
}

/// An organisation with its name; the short id where no card is held.
pub(super) fn org_ref(replica: &Replica<SledStorage>, org: &OrgId) -> OrgRef {
    let name = name_on_card(replica, org).unwrap_or_else(|| org.short());
    OrgRef { id: *org, name }
}

fn same_name(a: &str, b: &str) -> bool {
    a.trim().to_lowercase() == b.trim().to_lowercase()
}

/// One of several things by id, short id or name.
fn pick<T: Copy>(
    candidates: impl Iterator<Item = (T, bool, Vec<String>)>,
    text: &str,
    what: &str,
    list: &str,
) -> Result<T, NodeError> {
    let mut by_name = Vec::new();
    for (thing, by_id, names) in candidates {
        if by_id {
            return Ok(thing);
        }
        if names.iter().any(|name| same_name(name, text)) {
            by_name.push(thing);
        }
    }
    match by_name.as_slice() {
        [one] => Ok(*one),
        [] => Err(NodeError::not_found(
            format!("no {what} here is called \"{text}\""),
            format!("\"{list}\" shows those that there are, with their ids"),
        )),
        _ => Err(NodeError::bad_input(
            format!("{} {what}s are called \"{text}\"", by_name.len()),
            format!("name one by its id; \"{list}\" shows the ids"),
        )),
    }
}

impl Node {
    /// One of this node's own organisations: the one named, the only one, or the one that was chosen.
    ///
    /// # Errors
    /// [`NodeError`] with what to do.
    pub fn own_org(&self, text: Option<&str>) -> Result<OrgId, NodeError> {
        let orgs = self.own_orgs();
        let replica = self.replica();
        if let Some(text) = text {
            let candidates = orgs
                .iter()
                .map(|org| (*org, org.matches(text), vec![org_ref(&replica, org).name]));
            return pick(candidates, text, "organisation", "fingerpost org list");
        }
        if let Some(current) = self.current_org(&replica)?.filter(|org| orgs.contains(org)) {
            return Ok(current);
        }
        match orgs.as_slice() {
            [org] => Ok(*org),
            [] => Err(NodeError::refused(
                "this node holds no organisation yet",
                "make one: fingerpost org create --name \"Our name\"",
            )),
            _ => Err(NodeError::bad_input(
                format!("this node holds {} organisations", orgs.len()),
                "say which: --org NAME, or choose one for all commands: fingerpost org use NAME; \"fingerpost org list\" shows them",
            )),
        }
    }

    /// An organisation with its name, for whoever does not hold the replica.
    pub(super) fn org_named(&self, org: &OrgId) -> OrgRef {
        org_ref(&self.replica(), org)
    }

    /// Any organisation that this node knows.
    pub(super) fn any_org(&self, text: &str) -> Result<OrgId, NodeError> {
        let replica = self.replica();
        if let Ok(id) = text.parse::<OrgId>() {
            return Ok(id);
        }
        let mut orgs = replica.organisations();
        if orgs.len() > LOOKED_AT_MAX {
            // To read the name of each would take long; search knows them by name.
            orgs.retain(|org| org.matches(text));
            if orgs.is_empty() {
                orgs = self.orgs_by_name(text);
            }
            if orgs.is_empty() {
                return Err(NodeError::not_found(
                    format!("search finds no organisation that is called \"{text}\""),
                    "in so large a network members are found by name, and others, such as applicants, by their id alone",
                ));
            }
        }
        let candidates = orgs
            .iter()
            .map(|org| (*org, org.matches(text), vec![org_ref(&replica, org).name]));
        pick(candidates, text, "organisation", "fingerpost members")
    }

    /// Organisations that search finds by these words, whatever they are called exactly.
    fn orgs_by_name(&self, text: &str) -> Vec<OrgId> {
        let query = Query {
            text: Some(text.to_owned()),
            kind: Some(Kind::Organisation),
            limit: RESULTS_LIMIT,
            ..Query::default()
        };
        let found = self.index.search(&query).unwrap_or_default();
        let hits = found.results.into_iter();
        hits.filter_map(|hit| hit.org.parse().ok()).collect()
    }

    /// A network that this node takes part in: the one named, by the text in force or by the one that it was
    /// founded with, or the only one.
    pub(super) fn network(&self, text: Option<&str>) -> Result<NetworkId, NodeError> {
        let mut replica = self.replica();
        if let Some(text) = text {
            let mut candidates: Vec<_> = replica
                .networks()
                .map(|(id, charter)| (id, id.matches(text), vec![charter.name.clone()]))
                .collect();
            for (id, _, names) in &mut candidates {
                names.push(name_of(&mut replica, id));
            }
            return pick(candidates.into_iter(), text, "network", "fingerpost status");
        }
        let active: Vec<NetworkId> = replica
            .networks()
            .map(|(id, _)| id)
            .filter(|id| replica.is_active(id))
            .collect();
        // One that was not joined to the end, after a crash perhaps, is not meant while there are others.
        let is_joined = |id: &NetworkId| {
            let mut own = replica.own().iter();
            own.any(|org| replica.standing(id, org).is_some())
        };
        let joined: Vec<NetworkId> = active.iter().copied().filter(is_joined).collect();
        let active = if joined.is_empty() { active } else { joined };
        match active.as_slice() {
            [network] => Ok(*network),
            [] => Err(NodeError::refused(
                "this node is in no network yet",
                "found one: fingerpost found \"Name\"; or join one: fingerpost join TICKET",
            )),
            _ => Err(NodeError::bad_input(
                format!("this node is in {} networks", active.len()),
                "say which: --network NAME; \"fingerpost status\" shows them",
            )),
        }
    }
}
