//! The charter: what it says, how it came about, and what is to be changed.

use fingerpost_proto::api::{Accept, AcceptedBy, CharterStatus, Proposal, Propose};
use fingerpost_proto::card::Acceptance;
use fingerpost_proto::certificate::{Amendment, FORMAT, charter_id};
use fingerpost_proto::ids::{CharterId, NetworkId, OrgId};
use fingerpost_proto::replica::{InForce, Item, Outcome, Replica};
use fingerpost_proto::roster::Tally;
use fingerpost_proto::signed::Signed;
use fingerpost_proto::storage::Storage;

use super::networks::terms_of;
use crate::node::documents::By;
use crate::node::lexicon::check_block;
use crate::node::names::{card_of, org_ref};
use crate::node::{Node, NodeError, lock, now_s};
use crate::store::SledStorage;

type Known = (CharterId, Signed<Amendment>);

impl Node {
    /// The text in force, how it came about, and what is proposed.
    ///
    /// # Errors
    /// [`NodeError`].
    pub fn charter_status(&self, network: Option<&str>) -> Result<CharterStatus, NodeError> {
        let network = self.network(network)?;
        let mut replica = self.replica();
        let terms = terms_of(&mut replica, &network)?;
        let known = replica.amendments(&network)?;
        let adopted = terms.chain.iter().filter_map(|id| find(&known, id));
        let adopted: Vec<Known> = adopted.cloned().collect();
        let proposed = proposed(&known, &terms);
        let mut told = |list: Vec<Known>, in_force: bool| -> Vec<Proposal> {
            list.iter()
                .map(|one| proposal(&mut replica, &network, one, in_force))
                .collect()
        };
        let (adopted, proposed) = (told(adopted, true), told(proposed, false));
        let (anchors, voices) = replica
            .roster(&network)
            .map(|roster| (roster.anchors().clone(), roster.voice_count()))
            .unwrap_or_default();
        Ok(CharterStatus {
            network,
            name: terms.name,
            text: terms.text,
            vouches_needed: terms.vouches_needed,
            in_force: terms.id,
            anchors: anchors.iter().map(|org| org_ref(&replica, org)).collect(),
            voices,
            adopted,
            proposed,
        })
    }

    /// Proposes a new text for a charter, and accepts it for the organisation.
    ///
    /// # Errors
    /// [`NodeError`].
    pub fn propose(&self, org: &OrgId, request: &Propose, by: &By) -> Result<Proposal, NodeError> {
        let (network, _) = self.network_of_member(org, request.network.as_deref())?;
        let (terms, known, voices) = {
            let mut replica = self.replica();
            let voices = replica
                .roster(&network)
                .map_or(0, |roster| roster.voice_count());
            (
                terms_of(&mut replica, &network)?,
                replica.amendments(&network)?,
                voices,
            )
        };
        // What is in force already may hold a block that others wrote and nobody can read.
        if let Some(text) = &request.text {
            check_block(text, "nothing was proposed")?;
        }
        let name = request.name.as_deref().map(str::trim);
        let mut wanted = Amendment {
            format: FORMAT,
            network,
            previous: terms.id,
            name: name.unwrap_or(&terms.name).to_owned(),
            text: request.text.clone().unwrap_or_else(|| terms.text.clone()),
            vouches_needed: request.vouches.unwrap_or(terms.vouches_needed),
            proposer: *org,
            node: self.id(),
            proposed_at_s: now_s(),
        };
        check_change(&wanted, &terms, voices)?;
        // The same text once more is the same proposal: whoever asks twice, or after a crash, does no harm.
        let same = proposed(&known, &terms).into_iter().find(|(_, it)| {
            let it = it.get();
            (&it.name, &it.text, it.vouches_needed)
                == (&wanted.name, &wanted.text, wanted.vouches_needed)
        });
        let id = match same {
            Some((id, _)) => id,
            None => {
                wanted.proposed_at_s = now_s();
                self.publish_amendment(org, wanted)?
            }
        };
        self.accept_amendment(org, &network, &terms, id, by)
    }

    fn publish_amendment(&self, org: &OrgId, amendment: Amendment) -> Result<CharterId, NodeError> {
        let mut replica = self.replica();
        let delegation = self.own_delegation(&replica, org)?;
        let network = amendment.network;
        let signed = Signed::sign(amendment, lock(&self.keys).node());
        let item = Item::Amendment {
            amendment: signed.to_bytes(),
            delegation: delegation.to_bytes(),
        };
        let checked = item.clone().check()?;
        if let Outcome::Refused(refusal) = replica.receive(now_s(), checked)? {
            return Err(refusal.into());
        }
        replica.storage_mut().flush()?;
        drop(replica);
        self.announce_item(&item, &[network]);
        Ok(charter_id(&signed))
    }

    /// Accepts an amendment for the organisation: of several rivals one.
    ///
    /// # Errors
    /// [`NodeError`].
    pub fn accept(&self, org: &OrgId, request: &Accept, by: &By) -> Result<Proposal, NodeError> {
        let (network, name) = self.network_of_member(org, request.network.as_deref())?;
        let (terms, known) = {
            let mut replica = self.replica();
            (
                terms_of(&mut replica, &network)?,
                replica.amendments(&network)?,
            )
        };
        let open = proposed(&known, &terms);
        let found = match (&request.amendment, open.as_slice()) {
            (Some(text), _) => known.iter().find(|(id, _)| id.matches(text)).cloned(),
            (None, [one]) => Some(one.clone()),
            (None, []) => {
                return Err(NodeError::not_found(
                    format!(
                        "no amendment of the charter of {name} is proposed; nothing was changed"
                    ),
                    "fingerpost charter show shows the text in force; propose FILE proposes another",
                ));
            }
            (None, several) => {
                return Err(NodeError::bad_input(
                    format!(
                        "{} amendments are proposed; nothing was changed",
                        several.len()
                    ),
                    "fingerpost charter show shows them; name one by its id",
                ));
            }
        };
        let (id, amendment) = found.ok_or_else(|| {
            NodeError::not_found(
                "this node knows no such amendment; nothing was changed",
                "fingerpost charter show shows those that are proposed, with their ids",
            )
        })?;
        if terms.chain.contains(&id) {
            return Ok(proposal(
                &mut self.replica(),
                &network,
                &(id, amendment),
                true,
            ));
        }
        if amendment.get().previous != terms.id {
            return Err(NodeError::refused(
                "this amendment would replace a text that is not in force any more; nothing was changed",
                "whoever wants it still can propose it anew: fingerpost charter propose",
            ));
        }
        self.accept_amendment(org, &network, &terms, id, by)
    }

    fn accept_amendment(
        &self,
        org: &OrgId,
        network: &NetworkId,
        terms: &InForce,
        id: CharterId,
        by: &By,
    ) -> Result<Proposal, NodeError> {
        let what = format!("amendment accepted: {}", id.short());
        self.edit_membership(org, network, &what, by, |membership| {
            let accepted = membership.amendments.get(&terms.id);
            if accepted.is_none_or(|accepted| accepted.amendment != id) {
                let acceptance = Acceptance {
                    amendment: id,
                    at_s: now_s(),
                };
                membership.amendments.insert(terms.id, acceptance);
            }
        })?;
        let mut replica = self.replica();
        let known = replica.amendments(network)?;
        let one = find(&known, &id)
            .cloned()
            .ok_or_else(|| NodeError::internal("the amendment was not kept"))?;
        let in_force = terms_of(&mut replica, network)?.chain.contains(&id);
        Ok(proposal(&mut replica, network, &one, in_force))
    }
}

fn find<'a>(known: &'a [Known], id: &CharterId) -> Option<&'a Known> {
    known.iter().find(|(found, _)| found == id)
}

/// The amendments of the text in force, oldest first.
fn proposed(known: &[Known], terms: &InForce) -> Vec<Known> {
    let mut open: Vec<Known> = known
        .iter()
        .filter(|(id, amendment)| amendment.get().previous == terms.id && !terms.chain.contains(id))
        .cloned()
        .collect();
    open.sort_by_key(|(id, amendment)| (amendment.get().proposed_at_s, *id));
    open
}

/// Refuses a proposal that changes nothing, breaks a rule, or could never come into force.
fn check_change(wanted: &Amendment, terms: &InForce, voices: usize) -> Result<(), NodeError> {
    wanted.check().map_err(|error| {
        NodeError::bad_input(
            format!("{error}; nothing was proposed"),
            "a charter has a name and at most 64 KiB of text",
        )
    })?;
    if (&wanted.name, &wanted.text, wanted.vouches_needed)
        == (&terms.name, &terms.text, terms.vouches_needed)
    {
        return Err(NodeError::bad_input(
            "this is the text in force already; nothing was proposed",
            "change the file, or give another --name or --vouches",
        ));
    }
    if wanted.vouches_needed as usize > voices {
        return Err(NodeError::bad_input(
            format!(
                "{} members must vouch for a newcomer by this text, but only {voices} have a voice: it could never come \
                 into force; nothing was proposed",
                wanted.vouches_needed
            ),
            "ask for fewer vouches, or invite more members first",
        ));
    }
    Ok(())
}

/// Tells of an amendment: who accepts it, and how many it takes.
fn proposal(
    replica: &mut Replica<SledStorage>,
    network: &NetworkId,
    (id, amendment): &Known,
    in_force: bool,
) -> Proposal {
    let amendment = amendment.get();
    let tally: Option<Tally> = replica
        .roster(network)
        .and_then(|roster| roster.tally(id).cloned());
    let (accepted, needed) = match tally {
        Some(tally) if !in_force => (tally.accepted, tally.needed),
        _ => (acceptors(replica, network, &amendment.previous, id), 0),
    };
    let since = |org: &OrgId| {
        let membership = card_of(replica, org)?.networks.remove(network)?;
        let acceptance = membership.amendments.get(&amendment.previous)?;
        (acceptance.amendment == *id).then_some(acceptance.at_s)
    };
    let mut accepted: Vec<AcceptedBy> = accepted
        .iter()
        .map(|org| AcceptedBy {
            org: org_ref(replica, org),
            at_s: since(org),
        })
        .collect();
    accepted.sort_by_key(|by| (by.at_s, by.org.id));
    Proposal {
        id: *id,
        short: id.short(),
        network: *network,
        name: amendment.name.clone(),
        text: amendment.text.clone(),
        vouches_needed: amendment.vouches_needed,
        proposed_by: org_ref(replica, &amendment.proposer),
        proposed_at_s: amendment.proposed_at_s,
        accepted,
        needed,
        in_force,
    }
}

/// Everybody who accepts an amendment, whatever their voice.
fn acceptors(
    replica: &mut Replica<SledStorage>,
    network: &NetworkId,
    previous: &CharterId,
    id: &CharterId,
) -> Vec<OrgId> {
    let known: Vec<OrgId> = replica
        .roster(network)
        .map(|roster| roster.places().map(|(org, _)| *org).collect())
        .unwrap_or_default();
    let accepts = |org: &OrgId| {
        let standing = replica.standing(network, org);
        standing.and_then(|standing| standing.amendments.get(previous)) == Some(id)
    };
    known.into_iter().filter(accepts).collect()
}
