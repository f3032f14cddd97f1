//! Who goes on for an organisation that lost its root key: claimed by the new one, decided by those who vouch
//! for the old one.

use fingerpost_proto::api::{Claim, SignSuccession, SuccessionInfo, Successions};
use fingerpost_proto::card::SuccessorVote;
use fingerpost_proto::ids::{NetworkId, OrgId};
use fingerpost_proto::replica::Replica;
use fingerpost_proto::roster::{Place, SuccessionVote};

use super::networks::name_of;
use crate::node::documents::By;
use crate::node::names::org_ref;
use crate::node::{Node, NodeError, now_s};
use crate::store::SledStorage;

impl Node {
    /// Who claims to go on for whom, and who has gone on.
    ///
    /// # Errors
    /// [`NodeError`].
    pub fn successions(&self, network: Option<&str>) -> Result<Successions, NodeError> {
        let network = self.network(network)?;
        let mut replica = self.replica();
        let votes = replica
            .inquire(&network, |inquiry| inquiry.successions())
            .unwrap_or_default();
        Ok(Successions {
            network,
            name: name_of(&mut replica, &network),
            successions: votes.into_iter().map(|vote| info(&replica, vote)).collect(),
        })
    }

    /// Says that an own organisation goes on for one that has lost its root key, or takes that back.
    ///
    /// # Errors
    /// [`NodeError`].
    pub fn claim(
        &self,
        org: &OrgId,
        request: &Claim,
        by: &By,
    ) -> Result<SuccessionInfo, NodeError> {
        let network = self.network_of(org, request.network.as_deref())?;
        let old = self.any_org(&request.old)?;
        if !request.withdraw {
            self.check_claim(org, &network, &old)?;
        }
        let what = match request.withdraw {
            true => format!("no longer says that it goes on for {}", old.short()),
            false => format!("says that it goes on for {}", old.short()),
        };
        self.edit_membership(org, &network, &what, by, |membership| {
            match request.withdraw {
                true => {
                    membership.claims.remove(&old);
                }
                false => {
                    membership.claims.insert(old);
                }
            }
        })?;
        self.chores_due();
        self.succession(&network, &old, org)
    }

    fn check_claim(&self, org: &OrgId, network: &NetworkId, old: &OrgId) -> Result<(), NodeError> {
        if old == org {
            return Err(NodeError::bad_input(
                "an organisation cannot come after itself; nothing was changed",
                "make a new organisation, join the network with it, then claim the old one's place with it: --org NEW",
            ));
        }
        let mut replica = self.replica();
        let place = replica.place_among(old, &[*network]);
        let known = replica
            .roster(network)
            .is_some_and(|roster| roster.is_admitted(old));
        if !known || matches!(place, None | Some(Place::Left)) {
            let name = name_of(&mut replica, network);
            return Err(NodeError::refused(
                format!(
                    "{} is not a member of {name}: there is no place to take; nothing was changed",
                    org_ref(&replica, old).name
                ),
                "fingerpost members shows who is",
            ));
        }
        Ok(())
    }

    /// Signs for a claim, or takes the signature back.
    ///
    /// # Errors
    /// [`NodeError`].
    pub fn sign_succession(
        &self,
        org: &OrgId,
        request: &SignSuccession,
        by: &By,
    ) -> Result<SuccessionInfo, NodeError> {
        let (network, name) = self.network_of_member(org, request.network.as_deref())?;
        let old = self.any_org(&request.old)?;
        let new = self.claimant(org, &network, &old, request)?;
        let vote = self.vote(&network, &old, &new)?;
        if !vote.voters.contains(org) && !request.withdraw {
            let replica = self.replica();
            let voters: Vec<String> = vote
                .voters
                .iter()
                .map(|voter| org_ref(&replica, voter).name)
                .collect();
            return Err(NodeError::refused(
                format!(
                    "this organisation has no say in who goes on for {} in {name}: it does not vouch for it; nothing was changed",
                    org_ref(&replica, &old).name
                ),
                format!("these have: {}", voters.join(", ")),
            ));
        }
        let what = match request.withdraw {
            true => format!("signature for the successor of {} taken back", old.short()),
            false => format!("signed that {} goes on for {}", new.short(), old.short()),
        };
        self.edit_membership(org, &network, &what, by, |membership| {
            if request.withdraw {
                membership.successors.remove(&old);
                return;
            }
            let said = membership.successors.get(&old);
            if said.is_none_or(|vote| vote.to != new) {
                let vote = SuccessorVote {
                    to: new,
                    at_s: now_s(),
                };
                membership.successors.insert(old, vote);
            }
        })?;
        self.succession(&network, &old, &new)
    }

    /// For whose claim a signature is.
    fn claimant(
        &self,
        org: &OrgId,
        network: &NetworkId,
        old: &OrgId,
        request: &SignSuccession,
    ) -> Result<OrgId, NodeError> {
        let new = match &request.new {
            Some(text) => Some(self.any_org(text)?),
            None => None,
        };
        if request.withdraw {
            // Whatever has become of the claim, what was signed can be taken back.
            let signed = self.own_membership(org, network)?.successors.remove(old);
            if let Some(signed) = signed {
                return Ok(signed.to);
            }
        }
        let claimed = self.claims_to(network, old);
        match (new, claimed.as_slice()) {
            (Some(new), claimed) if claimed.contains(&new) || request.withdraw => Ok(new),
            (None, [only]) => Ok(*only),
            (None, [_, _, ..]) => Err(NodeError::bad_input(
                "several organisations claim that place; nothing was changed",
                "fingerpost succession status shows them; name one: --to ORG",
            )),
            (_, _) => Err(NodeError::refused(
                "the organisation has not said that it goes on for that one; nothing was changed",
                "it says so with: fingerpost succession propose OLD; speak to its people first, by telephone or in person",
            )),
        }
    }

    fn claims_to(&self, network: &NetworkId, old: &OrgId) -> Vec<OrgId> {
        let mut replica = self.replica();
        let votes = replica.inquire(network, |inquiry| inquiry.successions());
        let votes = votes.unwrap_or_default().into_iter();
        votes
            .filter(|vote| vote.old == *old)
            .map(|vote| vote.new)
            .collect()
    }

    fn vote(
        &self,
        network: &NetworkId,
        old: &OrgId,
        new: &OrgId,
    ) -> Result<SuccessionVote, NodeError> {
        self.replica()
            .inquire(network, |inquiry| inquiry.succession(old, new))
            .ok_or_else(|| NodeError::internal("the network is not known any more"))
    }

    fn succession(
        &self,
        network: &NetworkId,
        old: &OrgId,
        new: &OrgId,
    ) -> Result<SuccessionInfo, NodeError> {
        let vote = self.vote(network, old, new)?;
        Ok(info(&self.replica(), vote))
    }
}

fn info(replica: &Replica<SledStorage>, vote: SuccessionVote) -> SuccessionInfo {
    let named = |orgs: &std::collections::BTreeSet<OrgId>| {
        orgs.iter().map(|org| org_ref(replica, org)).collect()
    };
    SuccessionInfo {
        old: org_ref(replica, &vote.old),
        new: org_ref(replica, &vote.new),
        voters: named(&vote.voters),
        signed: named(&vote.signed),
        needed: vote.needed,
        complete: vote.complete,
    }
}
