//! Saying that an organisation belongs in a network, or that it does not.

use fingerpost_proto::api::{Object, Said, VouchFor, Withdraw};
use fingerpost_proto::card::{Membership, Objection};
use fingerpost_proto::certificate::{Delegated, FORMAT, Vouch};
use fingerpost_proto::ids::{NetworkId, OrgId};
use fingerpost_proto::limits;
use fingerpost_proto::replica::Replica;
use fingerpost_proto::roster::Place;
use fingerpost_proto::signed::Signed;

use super::check_note;
use crate::node::documents::By;
use crate::node::names::org_ref;
use crate::node::{Node, NodeError, lock, now_s};
use crate::store::SledStorage;

/// About whom something is said, and where.
struct Matter {
    network: NetworkId,
    name: String,
    subject: OrgId,
    place: Option<Place>,
}

impl Node {
    /// Vouches for an organisation that has asked to join. Its node takes the vouch up by itself.
    ///
    /// # Errors
    /// [`NodeError`].
    pub fn vouch(&self, org: &OrgId, request: &VouchFor, by: &By) -> Result<Said, NodeError> {
        check_note(request.note.as_deref())?;
        let matter = self.matter(org, request.network.as_deref(), &request.subject)?;
        if matter.subject == *org {
            return Err(NodeError::bad_input(
                "nobody can vouch for themselves; nothing was changed",
                "a member that knows the organisation can: fingerpost vouch",
            ));
        }
        if matches!(matter.place, None | Some(Place::Left | Place::Replaced)) {
            return Err(not_in(&matter, self));
        }
        let carried = {
            let replica = self.replica();
            let standing = replica.standing(&matter.network, &matter.subject);
            let mut vouches = standing.iter().flat_map(|standing| &standing.vouches);
            vouches.any(|vouch| vouch.voucher == *org && vouch.by_invitation.is_none())
        };
        let already = carried
            || self
                .own_membership(org, &matter.network)?
                .given
                .contains_key(&matter.subject);
        if !already {
            let vouch = self.signed_vouch(org, &matter, request.note.clone())?;
            let what = format!("vouched for {}", matter.subject.short());
            self.edit_membership(org, &matter.network, &what, by, |membership| {
                membership.given.insert(matter.subject, vouch);
            })?;
            self.chores_due();
        }
        self.said(matter, already, |place, subject, name| match place {
            Some(Place::Member) => format!("{subject} is a member of {name}, and this vouch stands behind it as well."),
            Some(Place::Removed) => format!(
                "{subject} stays removed from {name} as long as more than half of the others object to it."
            ),
            _ => format!(
                "The vouch is on its way: {subject} takes it up by itself as soon as its node hears of it."
            ),
        })
    }

    fn signed_vouch(
        &self,
        org: &OrgId,
        matter: &Matter,
        note: Option<String>,
    ) -> Result<Delegated<Vouch>, NodeError> {
        let delegation = self.own_delegation(&self.replica(), org)?;
        let keys = lock(&self.keys);
        let vouch = Vouch {
            format: FORMAT,
            network: matter.network,
            subject: matter.subject,
            voucher: *org,
            node: keys.node().node_id(),
            issued_at_s: now_s(),
            note,
        };
        Ok(Delegated::new(
            &Signed::sign(vouch, keys.node()),
            &delegation,
        ))
    }

    /// Says for every member to read that an organisation does not belong in a network. It is removed when
    /// more than half of the others say so.
    ///
    /// # Errors
    /// [`NodeError`].
    pub fn object(&self, org: &OrgId, request: &Object, by: &By) -> Result<Said, NodeError> {
        let reason = request.reason.trim();
        if reason.is_empty() || reason.len() > limits::REASON_MAX_BYTES {
            return Err(NodeError::bad_input(
                format!(
                    "an objection needs a reason of 1 to {} bytes; nothing was changed",
                    limits::REASON_MAX_BYTES
                ),
                "say it in a sentence or two: --reason TEXT; every member reads it",
            ));
        }
        let matter = self.matter(org, request.network.as_deref(), &request.subject)?;
        if matter.subject == *org {
            return Err(NodeError::bad_input(
                "an organisation cannot object to itself; nothing was changed",
                "to go: fingerpost leave",
            ));
        }
        if matches!(matter.place, None | Some(Place::Left)) {
            return Err(not_in(&matter, self));
        }
        let what = format!("objected to {}", matter.subject.short());
        let changed = self.edit_membership(org, &matter.network, &what, by, |membership| {
            let same = membership.objections.get(&matter.subject);
            if same.is_none_or(|objection| objection.reason != reason) {
                let objection = Objection {
                    reason: reason.to_owned(),
                    at_s: now_s(),
                };
                membership.objections.insert(matter.subject, objection);
            }
        })?;
        let count = self.objections(&matter);
        self.said(matter, !changed, |place, subject, name| match place {
            Some(Place::Removed) => format!("{subject} is removed from {name}: {count}."),
            _ => format!("{subject} stays in {name} so far: {count}."),
        })
    }

    /// Takes an objection back.
    ///
    /// # Errors
    /// [`NodeError`].
    pub fn withdraw(&self, org: &OrgId, request: &Withdraw, by: &By) -> Result<Said, NodeError> {
        let matter = self.matter(org, request.network.as_deref(), &request.subject)?;
        let what = format!("objection to {} withdrawn", matter.subject.short());
        let changed = self.edit_membership(org, &matter.network, &what, by, |membership| {
            membership.objections.remove(&matter.subject);
        })?;
        let count = self.objections(&matter);
        self.said(matter, !changed, |place, subject, name| match place {
            Some(Place::Removed) => format!("{subject} is still removed from {name}: {count}."),
            _ => format!("{subject} stands in {name} as before any objection of yours: {count}."),
        })
    }

    /// How many objections to an organisation count, in words.
    fn objections(&self, matter: &Matter) -> String {
        let counted = self.replica().inquire(&matter.network, |inquiry| {
            let objectors = inquiry.objectors(&matter.subject);
            let counting = objectors.iter().filter(|(_, counts)| *counts).count();
            (
                objectors.len(),
                counting,
                inquiry.objections_needed(&matter.subject),
            )
        });
        let (all, counting, needed) = counted.unwrap_or_default();
        let verb = if counting == 1 { "counts" } else { "count" };
        let mut text = format!("{counting} of {needed} objections that it takes {verb}");
        if all > counting {
            text.push_str(
                "; one that does not count is by a member for whom too few vouch to have a voice",
            );
        }
        text
    }

    fn matter(
        &self,
        org: &OrgId,
        network: Option<&str>,
        subject: &str,
    ) -> Result<Matter, NodeError> {
        let (network, name) = self.network_of_member(org, network)?;
        let subject = self.any_org(subject)?;
        let place = self.replica().place_among(&subject, &[network]);
        Ok(Matter {
            network,
            name,
            subject,
            place,
        })
    }

    pub(super) fn own_membership(
        &self,
        org: &OrgId,
        network: &NetworkId,
    ) -> Result<Membership, NodeError> {
        let mut card = self.own_card(&self.replica(), org)?;
        Ok(card.networks.remove(network).unwrap_or_default())
    }

    fn said(
        &self,
        matter: Matter,
        already: bool,
        summary: impl FnOnce(Option<Place>, &str, &str) -> String,
    ) -> Result<Said, NodeError> {
        let mut replica = self.replica();
        let place = replica.place_among(&matter.subject, &[matter.network]);
        let subject = org_ref(&replica, &matter.subject);
        Ok(Said {
            network: matter.network,
            summary: summary(place, &subject.name, &matter.name),
            name: matter.name,
            subject,
            already,
            place,
        })
    }
}

fn not_in(matter: &Matter, node: &Node) -> NodeError {
    let replica: &Replica<SledStorage> = &node.replica();
    let subject = org_ref(replica, &matter.subject).name;
    let (name, why) = match matter.place {
        Some(Place::Left) => (&matter.name, "has left"),
        Some(Place::Replaced) => (&matter.name, "goes on under another id in"),
        _ => (&matter.name, "is a stranger to"),
    };
    NodeError::refused(
        format!("{subject} {why} {name}; nothing was changed"),
        "fingerpost members and fingerpost waiting show whom the network knows; a ticket lets others in: fingerpost invite",
    )
}
