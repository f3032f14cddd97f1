//! How a network is: its name, what an organisation of this node waits for there, and what it asks.

use std::collections::BTreeSet;

use fingerpost_proto::api::NetworkInfo;
use fingerpost_proto::card::Membership;
use fingerpost_proto::ids::{CharterId, NetworkId, OrgId};
use fingerpost_proto::replica::{InForce, Replica};
use fingerpost_proto::roster::{Inquiry, Place, Standing, SuccessionVote};

use super::best_placed;
use crate::node::documents::By;
use crate::node::names::{card_of, org_ref};
use crate::node::{Node, NodeError};
use crate::store::SledStorage;

/// From so many members on, one vouch for a newcomer is few.
const FEW_VOUCHES_FROM_MEMBERS: usize = 3;

/// The network's name by the text in force.
pub(in crate::node) fn name_of(replica: &mut Replica<SledStorage>, network: &NetworkId) -> String {
    match replica.terms_in_force(network) {
        Ok(Some(terms)) => terms.name,
        _ => network.short(),
    }
}

/// The text in force of a network that this node knows.
pub(super) fn terms_of(
    replica: &mut Replica<SledStorage>,
    network: &NetworkId,
) -> Result<InForce, NodeError> {
    replica.terms_in_force(network)?.ok_or_else(|| {
        NodeError::not_found(
            "this node is not in that network",
            "fingerpost status shows its networks",
        )
    })
}

impl Node {
    /// A network of an own organisation: the one named, or the only one that it is in.
    pub(super) fn network_of(
        &self,
        org: &OrgId,
        text: Option<&str>,
    ) -> Result<NetworkId, NodeError> {
        if text.is_none() {
            let card = card_of(&self.replica(), org);
            let mut networks = card.iter().flat_map(|card| card.networks.keys());
            if let (Some(only), None) = (networks.next(), networks.next()) {
                return Ok(*only);
            }
        }
        self.network(text)
    }

    /// A network in which an own organisation is a member, by name or the only one, with its name.
    pub(super) fn network_of_member(
        &self,
        org: &OrgId,
        text: Option<&str>,
    ) -> Result<(NetworkId, String), NodeError> {
        let network = self.network_of(org, text)?;
        let mut replica = self.replica();
        let name = name_of(&mut replica, &network);
        if replica.place_among(org, &[network]) == Some(Place::Member) {
            return Ok((network, name));
        }
        let who = org_ref(&replica, org).name;
        Err(NodeError::refused(
            format!(
                "{who} is not a member of {name}, so its word does not count there; nothing was changed"
            ),
            "fingerpost status says where it stands and what it waits for; --org speaks for another organisation",
        ))
    }

    /// Changes what an own organisation says in a network. Answers whether anything changed.
    pub(super) fn edit_membership(
        &self,
        org: &OrgId,
        network: &NetworkId,
        what: &str,
        by: &By,
        edit: impl FnOnce(&mut Membership),
    ) -> Result<bool, NodeError> {
        self.edit_card(org, what, by, |card| {
            let membership = card.networks.get_mut(network).ok_or_else(|| {
                NodeError::refused(
                    "the organisation is not in that network; nothing was changed",
                    "fingerpost status shows the networks of this node's organisations",
                )
            })?;
            edit(membership);
            Ok(())
        })
    }

    pub(in crate::node) fn network_info(
        &self,
        network: NetworkId,
        org: Option<&OrgId>,
    ) -> Result<NetworkInfo, NodeError> {
        let mut replica = self.replica();
        let terms = terms_of(&mut replica, &network)?;
        let org = org.copied().or_else(|| best_placed(&mut replica, &network));
        let place = org.and_then(|org| replica.place_among(&org, &[network]));
        let members = replica
            .roster(&network)
            .map_or(0, |roster| roster.member_count());
        let waiting_for = match (org, place) {
            (Some(org), Some(Place::Applicant)) => Some(lacking(&mut replica, &network, &org)),
            (_, Some(Place::Removed)) => Some(
                "members to take their objections back: fingerpost members shows who objects, and why"
                    .to_owned(),
            ),
            (_, None) if replica.is_active(&network) && !replica.own().is_empty() => Some(
                "an exchange with a member: joining was not finished; if none comes about, join again with the ticket"
                    .to_owned(),
            ),
            _ => None,
        };
        let asks = asks(&mut replica, &network, &terms, members)?;
        Ok(NetworkInfo {
            id: network,
            short: network.short(),
            name: terms.name,
            place,
            members,
            vouches_needed: terms.vouches_needed,
            waiting_for,
            last_exchange_s: None,
            asks,
        })
    }
}

/// What an applicant waits for.
fn lacking(replica: &mut Replica<SledStorage>, network: &NetworkId, org: &OrgId) -> String {
    let ask = |inquiry: &Inquiry<'_>| {
        // What does not count by what is known here may still do so: perhaps no card has come yet. But of one
        // that is known, it will not.
        let hopeful = inquiry
            .vouchers(org)
            .into_iter()
            .filter(|(voucher, counts)| *counts || !inquiry.roster().is_admitted(voucher));
        let held: BTreeSet<OrgId> = hopeful.map(|(voucher, _)| voucher).collect();
        let needed = inquiry.roster().vouches_needed() as usize;
        (held, needed, inquiry.invitation_used_by(org))
    };
    let (held, needed, used_by) = replica.inquire(network, ask).unwrap_or_default();
    let missing = needed.saturating_sub(held.len());
    if missing == 0 {
        return "word from the network that its vouches count: an exchange with a member is needed"
            .to_owned();
    }
    let more = if held.is_empty() { "" } else { "more " };
    let members = if missing == 1 { "member" } else { "members" };
    let mut text = format!("{missing} {more}{members} must vouch for it");
    if let Some(other) = used_by {
        let other = org_ref(replica, &other).name;
        text.push_str(&format!(
            " (the ticket counts for {other}, which used it as well)"
        ));
    }
    text
}

/// What waits for a word of this node's organisations.
fn asks(
    replica: &mut Replica<SledStorage>,
    network: &NetworkId,
    terms: &InForce,
    members: usize,
) -> Result<Vec<String>, NodeError> {
    let mut members_here: Vec<OrgId> = replica.own().iter().copied().collect();
    members_here.retain(|org| replica.place_among(org, &[*network]) == Some(Place::Member));
    let own: Vec<(OrgId, Standing)> = members_here
        .into_iter()
        .filter_map(|org| Some((org, replica.standing(network, &org)?.clone())))
        .collect();
    if own.is_empty() {
        return Ok(Vec::new());
    }
    let mut asks = Vec::new();
    asks.extend(absent_founders(replica, network, terms));
    match unvouched(replica, network, &own) {
        0 => {}
        1 => asks.push("1 organisation waits for vouches: fingerpost waiting".to_owned()),
        many => asks.push(format!(
            "{many} organisations wait for vouches: fingerpost waiting"
        )),
    }
    let proposed = proposed_for(replica, network, &terms.id)?;
    let undecided = own.iter().any(|(org, standing)| {
        let has_voice = replica
            .roster(network)
            .is_some_and(|roster| roster.has_voice(org));
        has_voice && !standing.amendments.contains_key(&terms.id)
    });
    if proposed > 0 && undecided {
        asks.push("an amendment waits for your acceptance: fingerpost charter show".to_owned());
    }
    asks.extend(unsigned(replica, network, &own));
    if terms.vouches_needed == 1 && members >= FEW_VOUCHES_FROM_MEMBERS && proposed == 0 {
        asks.push(
            "one vouch is enough to come in here, so one member alone could bring in many: \
             fingerpost charter propose --vouches 2"
                .to_owned(),
        );
    }
    Ok(asks)
}

/// Founders that have not accepted the charter yet, while it rests on them.
fn absent_founders(
    replica: &mut Replica<SledStorage>,
    network: &NetworkId,
    terms: &InForce,
) -> Option<String> {
    if terms.chain.len() > 1 {
        return None;
    }
    let anchors = replica.charter(network)?.anchors.clone();
    let absent = anchors
        .iter()
        .filter(|org| replica.standing(network, org).is_none())
        .count();
    match absent {
        0 => None,
        1 => Some("1 founder has not joined yet: send it a ticket: fingerpost invite".to_owned()),
        many => Some(format!(
            "{many} founders have not joined yet: send each a ticket: fingerpost invite"
        )),
    }
}

/// How many wait for whom no organisation of this node has vouched.
fn unvouched(
    replica: &mut Replica<SledStorage>,
    network: &NetworkId,
    own: &[(OrgId, Standing)],
) -> usize {
    let given: BTreeSet<OrgId> = own
        .iter()
        .filter_map(|(org, _)| card_of(replica, org)?.networks.remove(network))
        .flat_map(|membership| membership.given.into_keys())
        .collect();
    let applicants: Vec<OrgId> = replica
        .roster(network)
        .map(|roster| {
            let waiting = roster
                .places()
                .filter(|(_, place)| *place == Place::Applicant);
            waiting.map(|(org, _)| *org).collect()
        })
        .unwrap_or_default();
    let theirs = replica.own().clone();
    let is_own = |org: &OrgId| own.iter().any(|(own, _)| own == org);
    let unvouched = |inquiry: &Inquiry<'_>| {
        let is_vouched_for = |org: &OrgId| {
            let mut vouchers = inquiry.vouchers(org).into_iter();
            vouchers.any(|(voucher, counts)| counts && is_own(&voucher))
        };
        applicants
            .iter()
            .filter(|org| !given.contains(org) && !theirs.contains(*org) && !is_vouched_for(org))
            .count()
    };
    replica.inquire(network, unvouched).unwrap_or_default()
}

fn proposed_for(
    replica: &Replica<SledStorage>,
    network: &NetworkId,
    in_force: &CharterId,
) -> Result<usize, NodeError> {
    let known = replica.amendments(network)?;
    let of_it = known
        .iter()
        .filter(|(_, amendment)| amendment.get().previous == *in_force);
    Ok(of_it.count())
}

/// Claims to the place of an organisation for which one of this node's vouches, and on which it has not
/// said anything.
fn unsigned(
    replica: &mut Replica<SledStorage>,
    network: &NetworkId,
    own: &[(OrgId, Standing)],
) -> Vec<String> {
    let votes: Vec<SuccessionVote> = replica
        .inquire(network, |inquiry| inquiry.successions())
        .unwrap_or_default();
    let open: BTreeSet<OrgId> = votes
        .iter()
        .filter(|vote| !vote.complete)
        .filter(|vote| {
            own.iter().any(|(org, standing)| {
                vote.voters.contains(org) && !standing.successors.contains_key(&vote.old)
            })
        })
        .map(|vote| vote.old)
        .collect();
    let vouches = |old: &OrgId| {
        let standing = replica.standing(network, old);
        let mut vouches = standing.iter().flat_map(|standing| &standing.vouches);
        vouches.any(|vouch| own.iter().any(|(own, _)| *own == vouch.voucher))
    };
    open.iter()
        .map(|old| {
            let say = match vouches(old) {
                true => "you vouch for",
                false => "you have a say in who goes on for",
            };
            let name = org_ref(replica, old).name;
            format!("{say} {name}, which lost its key: fingerpost succession status")
        })
        .collect()
}
