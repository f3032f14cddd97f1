//! Invitations: what became of them.

use std::collections::BTreeMap;

use fingerpost_proto::api::{CancelInvitation, InvitationInfo, InvitationState, Invitations};
use fingerpost_proto::card::Settled;
use fingerpost_proto::ids::{InviteId, NetworkId, OrgId};
use fingerpost_proto::replica::Replica;
use fingerpost_proto::storage::{Batch, Storage, Table};
use fingerpost_proto::ticket::Ticket;
use serde::{Deserialize, Serialize};

use super::networks::name_of;
use crate::node::documents::By;
use crate::node::names::org_ref;
use crate::node::{Node, NodeError, now_s};
use crate::store::SledStorage;

/// What this node remembers of an invitation that it made. The ticket itself is not kept: whoever holds it
/// can join.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Remembered {
    network: NetworkId,
    issued_at_s: u64,
    expires_at_s: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    note: Option<String>,
}

fn prefix(org: &OrgId) -> Vec<u8> {
    format!("invitation/{org}/").into_bytes()
}

/// Who used the invitations of an organisation: by key, when and who, the earliest use first.
pub(super) fn users(
    replica: &mut Replica<SledStorage>,
    network: &NetworkId,
    inviter: &OrgId,
) -> BTreeMap<InviteId, Vec<(u64, OrgId)>> {
    let known: Vec<OrgId> = replica
        .roster(network)
        .map(|roster| roster.places().map(|(org, _)| *org).collect())
        .unwrap_or_default();
    let mut users: BTreeMap<InviteId, Vec<(u64, OrgId)>> = BTreeMap::new();
    for org in known {
        let standing = replica.standing(network, &org);
        for vouch in standing.iter().flat_map(|standing| &standing.vouches) {
            if let (true, Some((at_s, key))) = (vouch.voucher == *inviter, vouch.by_invitation) {
                users.entry(key).or_default().push((at_s, org));
            }
        }
    }
    users.values_mut().for_each(|uses| uses.sort());
    users
}

impl Node {
    /// Remembers an invitation, for the list.
    pub(super) fn note_invitation(
        &self,
        org: &OrgId,
        ticket: &Ticket,
        note: Option<&str>,
    ) -> Result<(), NodeError> {
        let invitation = ticket.invitation.get();
        let remembered = Remembered {
            network: invitation.network,
            issued_at_s: invitation.issued_at_s,
            expires_at_s: invitation.expires_at_s,
            note: note.map(str::to_owned),
        };
        let mut key = prefix(org);
        key.extend_from_slice(&invitation.key);
        let mut batch = Batch::default();
        batch.put(
            Table::Meta,
            key,
            serde_json::to_vec(&remembered).map_err(NodeError::internal)?,
        );
        let mut replica = self.replica();
        replica.storage_mut().commit(batch)?;
        replica.storage_mut().flush()?;
        Ok(())
    }

    /// The invitations that this node made for an organisation, newest first.
    ///
    /// # Errors
    /// [`NodeError`].
    pub fn invitations(
        &self,
        org: &OrgId,
        network: Option<&str>,
    ) -> Result<Invitations, NodeError> {
        let only = network.map(|text| self.network(Some(text))).transpose()?;
        let mut replica = self.replica();
        let mut used: BTreeMap<NetworkId, BTreeMap<InviteId, Vec<(u64, OrgId)>>> = BTreeMap::new();
        let mut invitations = Vec::new();
        for (id, remembered) in remembered(&replica, org)? {
            let network = remembered.network;
            if only.is_some_and(|only| only != network) {
                continue;
            }
            let of_network = used
                .entry(network)
                .or_insert_with(|| users(&mut replica, &network, org));
            let uses = of_network.get(&id).cloned().unwrap_or_default();
            invitations.push(info(&mut replica, org, id, remembered, &uses));
        }
        invitations
            .sort_by_key(|one: &InvitationInfo| std::cmp::Reverse((one.issued_at_s, one.id)));
        Ok(Invitations { invitations })
    }

    /// Cancels an invitation that nobody has used.
    ///
    /// # Errors
    /// [`NodeError`].
    pub fn cancel_invitation(
        &self,
        org: &OrgId,
        request: &CancelInvitation,
        by: &By,
    ) -> Result<InvitationInfo, NodeError> {
        let (id, remembered) = self.find_invitation(org, &request.invitation)?;
        let network = remembered.network;
        let look = || {
            let mut replica = self.replica();
            let uses = users(&mut replica, &network, org).remove(&id);
            info(
                &mut replica,
                org,
                id,
                remembered.clone(),
                &uses.unwrap_or_default(),
            )
        };
        let before = look();
        match (before.state, &before.used_by) {
            (InvitationState::Used, Some(user)) => {
                return Err(NodeError::refused(
                    format!(
                        "{} has used this invitation already; nothing was changed",
                        user.name
                    ),
                    "whoever does not belong can be objected to: fingerpost object ORG --reason TEXT",
                ));
            }
            (InvitationState::Open, _) => {}
            _ => return Ok(before),
        }
        let what = format!("invitation cancelled: {}", id.short());
        self.edit_membership(org, &network, &what, by, |membership| {
            let settled = Settled {
                used_by: None,
                at_s: now_s(),
            };
            membership.invitations.entry(id).or_insert(settled);
        })?;
        Ok(look())
    }

    /// An invitation by its id, or by the ticket itself, even if this node has forgotten it.
    fn find_invitation(
        &self,
        org: &OrgId,
        text: &str,
    ) -> Result<(InviteId, Remembered), NodeError> {
        if let Ok(ticket) = Ticket::parse(text) {
            let invitation = ticket.invitation.get();
            if invitation.voucher == *org {
                let id = InviteId::from_bytes(ticket.key.public());
                let known = remembered(&self.replica(), org)?.remove(&id);
                let made = Remembered {
                    network: invitation.network,
                    issued_at_s: invitation.issued_at_s,
                    expires_at_s: invitation.expires_at_s,
                    note: None,
                };
                return Ok((id, known.unwrap_or(made)));
            }
        }
        let known = remembered(&self.replica(), org)?;
        let mut found = known.into_iter().filter(|(id, _)| id.matches(text.trim()));
        match (found.next(), found.next()) {
            (Some(one), None) => Ok(one),
            (Some(_), Some(_)) => Err(NodeError::bad_input(
                "several invitations have this short id; nothing was changed",
                "name it by its full id: fingerpost invite list --json",
            )),
            (None, _) => Err(NodeError::not_found(
                "the organisation has made no such invitation on this node; nothing was changed",
                "fingerpost invite list shows them; the ticket itself will do as well",
            )),
        }
    }
}

fn remembered(
    replica: &Replica<SledStorage>,
    org: &OrgId,
) -> Result<BTreeMap<InviteId, Remembered>, NodeError> {
    let mut found = BTreeMap::new();
    replica
        .storage()
        .scan(Table::Meta, &prefix(org), &mut |key, value| {
            let id = key.last_chunk::<32>().copied().map(InviteId::from_bytes);
            if let (Some(id), Ok(one)) = (id, serde_json::from_slice::<Remembered>(value)) {
                found.insert(id, one);
            }
            true
        })?;
    Ok(found)
}

fn info(
    replica: &mut Replica<SledStorage>,
    org: &OrgId,
    id: InviteId,
    remembered: Remembered,
    uses: &[(u64, OrgId)],
) -> InvitationInfo {
    let settled = replica
        .standing(&remembered.network, org)
        .and_then(|standing| standing.invitations.get(&id).copied());
    let used_by = match settled {
        Some(settled) => settled,
        None => uses.first().map(|(_, user)| *user),
    };
    let state = match (settled, used_by) {
        (_, Some(_)) => InvitationState::Used,
        (Some(_), None) => InvitationState::Cancelled,
        (None, None) if now_s() >= remembered.expires_at_s => InvitationState::Expired,
        (None, None) => InvitationState::Open,
    };
    let others = uses.iter().filter(|(_, user)| Some(*user) != used_by);
    InvitationInfo {
        id,
        short: id.short(),
        network: remembered.network,
        name: name_of(replica, &remembered.network),
        note: remembered.note,
        issued_at_s: remembered.issued_at_s,
        expires_at_s: remembered.expires_at_s,
        state,
        also_used_by: others.map(|(_, user)| org_ref(replica, user)).collect(),
        used_by: used_by.map(|user| org_ref(replica, &user)),
    }
}
