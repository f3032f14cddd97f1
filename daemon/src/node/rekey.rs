//! Another root key: the organisation goes on under a new id, with its listing, its history and its place.
//!
//! The order makes a crash harmless anywhere: the task is written down, then the key; the documents are carried
//! over and the new card last, which alone makes them count; only when that is durable is the old key put
//! away; and the old organisation leaves its networks when every sibling has taken the new one up, for a
//! node whose organisations have all left a network hears nothing from it any more. Until then peers take the
//! old one for replaced.

use std::collections::BTreeMap;

use fingerpost_proto::api::{Rekey, Rekeyed};
use fingerpost_proto::card::{Card, Membership};
use fingerpost_proto::certificate::{Delegated, FORMAT, Rekeying as Certificate, Role};
use fingerpost_proto::ids::{DocKey, DocName, NetworkId, NodeId, OrgId};
use fingerpost_proto::keys::SecretKey;
use fingerpost_proto::limits;
use fingerpost_proto::replica::Replica;
use fingerpost_proto::signed::{Carry, Signed};
use fingerpost_proto::storage::{Batch, Storage, Table};

use super::documents::{By, nodes_of_card};
use super::names::card_of;
use super::nodes::{CURRENT, delegations_on, new_delegation};
use super::passes::same_as;
use super::tasks::{Kind, Rekeying, Task, forget, task};
use super::{Node, NodeError, lock, now_s};
use crate::keys::fresh_key;
use crate::store::SledStorage;

/// How long a sibling that holds the new card may take to take the organisation up, in seconds.
const TAKE_UP_S: u64 = 6;

fn card_key(org: &OrgId) -> DocKey {
    DocKey {
        org: *org,
        name: DocName::Card,
    }
}

impl Node {
    /// Gives an organisation another root key, and so another id.
    ///
    /// # Errors
    /// [`NodeError`].
    pub fn rekey(&self, org: &OrgId, request: &Rekey, by: &By) -> Result<Rekeyed, NodeError> {
        let rekeying = self.begin_rekey(org, request, by)?;
        let key = fresh_key()?;
        let rekeying = Rekeying {
            new: key.org_id(),
            ..rekeying
        };
        self.put_task(org, &Task::Rekey(rekeying.clone()))?;
        lock(&self.keys).add_org(key)?;
        self.step_rekey(org, &rekeying)?;
        Ok(Rekeyed {
            old: *org,
            organisation: self.org_info(&rekeying.new)?,
        })
    }

    fn begin_rekey(&self, org: &OrgId, request: &Rekey, by: &By) -> Result<Rekeying, NodeError> {
        self.root_key(org)?;
        let replica = self.replica();
        self.check_not_moving(&replica, org, DocName::Card)?;
        let card = self.own_card(&replica, org)?;
        if card.name.trim() != request.confirm.trim() {
            return Err(NodeError::refused(
                format!(
                    "the confirmation does not match: the organisation is called \"{}\"; nothing was changed",
                    card.name
                ),
                format!(
                    "to give it a new key: fingerpost org rekey --confirm \"{}\"",
                    card.name
                ),
            ));
        }
        if card.rekeyings.len() >= limits::REKEYINGS_MAX {
            return Err(NodeError::refused(
                format!(
                    "this organisation has had {} keys before, and a card lists no more; nothing was changed",
                    card.rekeyings.len()
                ),
                "make a new organisation, and let the old one point to it: fingerpost succession merge",
            ));
        }
        if let Some(Task::HandOver(moving)) = task(&replica, Kind::HandOver, org)?
            && !moving.done
        {
            return Err(NodeError::refused(
                "this organisation is being handed over to a node of its own; nothing was changed",
                "give it a new key there, once it has moved",
            ));
        }
        Ok(Rekeying {
            new: *org,
            at_s: now_s(),
            known_since_s: None,
            who: by.who.clone(),
            operation: by.operation.clone(),
        })
    }

    /// Does whatever is missing of a rekeying.
    pub(super) fn step_rekey(&self, old: &OrgId, rekeying: &Rekeying) -> Result<(), NodeError> {
        let new = rekeying.new;
        let Some(key) = lock(&self.keys).org(&new).cloned() else {
            // The crash came before the key was on disk: nothing else has happened.
            return self.drop_task(Kind::Rekey, old);
        };
        if card_of(&self.replica(), &new).is_none() {
            self.carry_over(old, &key, rekeying)?;
        }
        self.put_away(old, &new)?;
        match self.siblings_know(&new)? {
            None => return self.finish_rekey(old),
            Some(false) => self.sync_all_soon(),
            Some(true) => match rekeying.known_since_s {
                Some(since_s) if now_s() >= since_s.saturating_add(TAKE_UP_S) => {
                    return self.finish_rekey(old);
                }
                Some(_) => {}
                None => {
                    let known_since_s = Some(now_s());
                    let rekeying = Rekeying {
                        known_since_s,
                        ..rekeying.clone()
                    };
                    self.put_task(old, &Task::Rekey(rekeying))?;
                }
            },
        }
        Ok(())
    }

    /// The last steps: the old organisation leaves its networks, and nothing is kept of it.
    fn finish_rekey(&self, old: &OrgId) -> Result<(), NodeError> {
        self.depart_replaced(old)?;
        let mut batch = Batch::default();
        forget(&mut batch, Kind::Rekey, old);
        let replica = self.replica();
        replica
            .storage()
            .scan(Table::Own, old.as_bytes(), &mut |key, _| {
                batch.remove(Table::Own, key);
                true
            })?;
        drop(replica);
        self.commit_durably(batch)
    }

    /// Publishes the documents under the new id, and last the card.
    pub(super) fn carry_over(
        &self,
        old: &OrgId,
        key: &SecretKey,
        rekeying: &Rekeying,
    ) -> Result<(), NodeError> {
        let by = By {
            who: rekeying.who.clone(),
            operation: rekeying.operation.clone(),
        };
        let _edits = lock(&self.edits);
        let new = key.org_id();
        let root = self.root_key(old)?;
        let mut replica = self.replica();
        replica.add_own(new);
        let before = self.own_card(&replica, old)?;
        let nodes = nodes_of_card(&before);
        let names: Vec<DocName> = replica.documents_of(old).map(|key| key.name).collect();
        let mut published = vec![card_key(&new)];
        for name in names.into_iter().filter(|name| !name.is_card()) {
            let (from, to) = (DocKey { org: *old, name }, DocKey { org: new, name });
            let Some(shown) = replica.shown(&from)? else {
                continue;
            };
            self.carry_history(&mut replica, &from, &to)?;
            let mut document = self.own_document(&replica, &to)?;
            let content = serde_json::from_slice(&shown.state).map_err(NodeError::internal)?;
            let at_s = i64::try_from(rekeying.at_s).unwrap_or(0);
            document.update(&content, &by.note("new key"), at_s)?;
            let contains = self.contained_by_own(&replica, &to)?;
            // The new card, which names the nodes, comes last.
            self.publish_document_for(
                &mut replica,
                to,
                &mut document,
                shown.state,
                contains,
                &nodes,
            )?;
            published.push(to);
        }
        self.carry_history(&mut replica, &card_key(old), &card_key(&new))?;
        let card = self.new_card(&replica, &before, &root, key, rekeying)?;
        self.publish_card(&mut replica, card_key(&new), &card, "new key", &by)?;
        self.released(replica, &published)
    }

    /// Lets a document under the new id go on from the history of the same under the old one.
    fn carry_history(
        &self,
        replica: &mut Replica<SledStorage>,
        from: &DocKey,
        to: &DocKey,
    ) -> Result<(), NodeError> {
        let storage = replica.storage_mut();
        if storage.get(Table::Own, &to.to_bytes())?.is_some() {
            return Ok(());
        }
        if let Some(bytes) = storage.get(Table::Own, &from.to_bytes())? {
            let mut batch = Batch::default();
            batch.put(Table::Own, to.to_bytes(), bytes);
            storage.commit(batch)?;
        }
        Ok(())
    }

    /// The card under the new key: all that the old one said and that still holds.
    fn new_card(
        &self,
        replica: &Replica<SledStorage>,
        before: &Card,
        root: &SecretKey,
        key: &SecretKey,
        rekeying: &Rekeying,
    ) -> Result<Card, NodeError> {
        let (old, new) = (root.org_id(), key.org_id());
        let mut card = before.clone();
        let certificate = Certificate {
            format: FORMAT,
            old,
            new,
            at_s: rekeying.at_s,
        };
        card.rekeyings
            .push(Carry::new(&Signed::sign(certificate, root)));
        // Revocations by the old key mean nothing for the new organisation: who is not delegated cannot write.
        card.revocations.clear();
        let own = self.own_delegation(replica, &new)?;
        let mut roles: BTreeMap<NodeId, Role> = delegations_on(before, &old)
            .into_iter()
            .map(|(node, delegation)| (node, delegation.get().role))
            .collect();
        roles.remove(&self.id());
        card.delegations = vec![Carry::new(&own)];
        for (node, role) in &roles {
            let delegation = new_delegation(key, *node, *role);
            card.delegations.push(Carry::new(&delegation));
        }
        card.nodes.retain(|node, _| roles.contains_key(node));
        self.set_own_addresses(&mut card);
        for membership in card.networks.values_mut() {
            *membership = self.new_membership(membership, &new, &own, rekeying.at_s);
        }
        Ok(card)
    }

    /// The place in a network under the new key. It is the heir of the old one's admission; what it says of
    /// others it goes on saying.
    fn new_membership(
        &self,
        before: &Membership,
        new: &OrgId,
        delegation: &Signed<fingerpost_proto::certificate::Delegation>,
        at_s: u64,
    ) -> Membership {
        let keys = lock(&self.keys);
        let given = before.given.iter().filter_map(|(subject, vouch)| {
            let mut vouch = vouch.verified().ok()?.get().clone();
            vouch.voucher = *new;
            vouch.node = self.id();
            vouch.issued_at_s = at_s;
            let vouch = Signed::sign(vouch, keys.node());
            Some((*subject, Delegated::new(&vouch, delegation)))
        });
        Membership {
            epoch: 1,
            accepted_at_s: at_s,
            given: given.collect(),
            objections: before.objections.clone(),
            amendments: before.amendments.clone(),
            successors: before.successors.clone(),
            claims: before.claims.clone(),
            extra: before.extra.clone(),
            ..Membership::default()
        }
    }

    /// Writes for the old organisation no longer; commands that meant it mean the new one.
    pub(super) fn put_away(&self, old: &OrgId, new: &OrgId) -> Result<(), NodeError> {
        let current = self.replica().storage().get(Table::Meta, CURRENT)?;
        if current.as_deref() == Some(old.as_bytes().as_slice()) {
            let mut batch = Batch::default();
            batch.put(Table::Meta, CURRENT, *new.as_bytes());
            self.commit_durably(batch)?;
        }
        lock(&self.keys).retire(old)?;
        self.replica().remove_own(old);
        Ok(())
    }

    /// Whether every other node of an organisation holds what is here of it; `None` if there is no other.
    fn siblings_know(&self, org: &OrgId) -> Result<Option<bool>, NodeError> {
        let replica = self.replica();
        let card = card_of(&replica, org);
        let mut siblings = card.map_or_else(BTreeMap::new, |card| delegations_on(&card, org));
        siblings.remove(&self.id());
        let mut known = None;
        for node in siblings.into_keys() {
            let same = same_as(&replica, org, &node)?.is_some();
            known = Some(known.unwrap_or(true) && same);
        }
        Ok(known)
    }

    /// Leaves the networks of an organisation that another goes on for.
    pub(super) fn depart_replaced(&self, old: &OrgId) -> Result<(), NodeError> {
        let card = card_of(&self.replica(), old);
        for (network, membership) in card.into_iter().flat_map(|card| card.networks) {
            let left = {
                let replica = self.replica();
                let standing = replica.standing(&network, old);
                standing.is_none_or(|it| it.left()) || replica.charter(&network).is_none()
            };
            if !left {
                let item = self.depart(network, old, &membership)?;
                self.announce_item(&item, &[network]);
            }
        }
        self.feed();
        self.changed_own();
        Ok(())
    }

    /// Takes up organisations that go on, under a new key, for one that this node writes for: a sibling gave
    /// it the key, and delegated this node again.
    pub(super) fn follow_rekeyings(&self) -> Result<(), NodeError> {
        for old in self.own_orgs() {
            if task(&self.replica(), Kind::Rekey, &old)?.is_some() {
                continue;
            }
            let Some((new, delegation)) = self.delegating_heir(&old)? else {
                continue;
            };
            self.take_up(&old, &new, delegation)?;
        }
        Ok(())
    }

    /// The organisation that an old key of ours has signed for, with its delegation of this node.
    fn delegating_heir(
        &self,
        old: &OrgId,
    ) -> Result<Option<(OrgId, Signed<fingerpost_proto::certificate::Delegation>)>, NodeError> {
        let mut replica = self.replica();
        let networks: Vec<NetworkId> = replica.networks().map(|(id, _)| id).collect();
        for network in networks {
            let heir = replica.roster(&network).and_then(|it| it.heir_of(old));
            let Some(new) = heir else {
                continue;
            };
            let rekeyed = replica
                .standing(&network, &new)
                .is_some_and(|it| it.rekeyed_from.contains(old));
            let card = card_of(&replica, &new).filter(|_| rekeyed);
            let delegation = card.and_then(|card| delegations_on(&card, &new).remove(&self.id()));
            if let Some(delegation) = delegation {
                return Ok(Some((new, delegation)));
            }
        }
        Ok(None)
    }

    fn take_up(
        &self,
        old: &OrgId,
        new: &OrgId,
        delegation: Signed<fingerpost_proto::certificate::Delegation>,
    ) -> Result<(), NodeError> {
        let _edits = lock(&self.edits);
        let mut replica = self.replica();
        let names: Vec<DocName> = replica.documents_of(old).map(|key| key.name).collect();
        for name in names {
            let (from, to) = (DocKey { org: *old, name }, DocKey { org: *new, name });
            self.carry_history(&mut replica, &from, &to)?;
        }
        replica.storage_mut().flush()?;
        drop(replica);
        self.keep_own_delegation(delegation)?;
        tracing::info!("{} goes on as {}", old.short(), new.short());
        self.put_away(old, new)
    }
}
