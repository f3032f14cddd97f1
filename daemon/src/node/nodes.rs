//! The nodes of an organisation: who may write for it, and who may no longer.

use std::collections::{BTreeMap, BTreeSet};

use fingerpost_proto::api::{
    AddNode, LastCounted, NodeInfo, Nodes, OrgInfo, Pass, RevokeNode, Revoked,
};
use fingerpost_proto::card::Card;
use fingerpost_proto::certificate::{Delegation, FORMAT, LastRecord, Revocation, Role};
use fingerpost_proto::ids::{DocKey, NodeId, OrgId};
use fingerpost_proto::keys::SecretKey;
use fingerpost_proto::limits;
use fingerpost_proto::record::SignedRecord;
use fingerpost_proto::replica::{Item, Replica};
use fingerpost_proto::signed::{Carry, Signed, Statement};
use fingerpost_proto::storage::{Batch, Storage, Table};
use fingerpost_proto::sync::receipts;

use super::documents::By;
use super::names::{card_of, org_ref};
use super::tasks::{Kind, Task, task};
use super::{Node, NodeError, lock, now_s};
use crate::store::SledStorage;

/// Delegations are dated back so far: a clock that is set right later must not make a node's first records
/// invalid.
const BACKDATED_S: u64 = 24 * 60 * 60;
/// Under which the store keeps which organisation commands mean.
pub(super) const CURRENT: &[u8] = b"current-org";

/// A new delegation by an organisation's root key.
pub(super) fn new_delegation(root: &SecretKey, node: NodeId, role: Role) -> Signed<Delegation> {
    let delegation = Delegation {
        format: FORMAT,
        org: root.org_id(),
        node,
        role,
        not_before_s: now_s().saturating_sub(BACKDATED_S),
        not_after_s: None,
    };
    Signed::sign(delegation, root)
}

/// The delegations on a card that its organisation has signed.
pub(super) fn delegations_on(card: &Card, org: &OrgId) -> BTreeMap<NodeId, Signed<Delegation>> {
    let signed = card.delegations.iter().filter_map(|it| it.verified().ok());
    let valid = signed.filter(|it| it.get().org == *org && it.get().format == FORMAT);
    valid.map(|it| (it.get().node, it)).collect()
}

/// The records of an organisation that are held, of all its documents.
fn records_of(replica: &Replica<SledStorage>, org: &OrgId) -> Result<Vec<SignedRecord>, NodeError> {
    let keys: Vec<DocKey> = replica.documents_of(org).collect();
    let mut records = Vec::new();
    for key in keys {
        for item in replica.items(&key)? {
            if let Item::Record { record, .. } = item {
                records.push(SignedRecord::from_trusted(&record).map_err(NodeError::internal)?);
            }
        }
    }
    Ok(records)
}

/// The end of a node's right to write: everything that is held of it as of now still counts, but for records that
/// nobody has told the content of.
pub(super) fn revocation_of(
    replica: &Replica<SledStorage>,
    root: &SecretKey,
    node: NodeId,
) -> Result<Signed<Revocation>, NodeError> {
    let org = root.org_id();
    let sign = |last: Vec<LastRecord>| {
        let revocation = Revocation {
            format: FORMAT,
            org,
            node,
            revoked_at_s: now_s(),
            last,
        };
        Signed::sign(revocation, root)
    };
    let mut last = replica.last_records(&org, &node)?;
    let whole = sign(last.clone());
    if whole.to_bytes().len() <= <Revocation as Statement>::MAX_BYTES {
        return Ok(whole);
    }
    // A node with very many lives: what newer records contain needs no naming, only what stands by itself.
    let records = records_of(replica, &org)?;
    let stands = |last: &LastRecord| {
        let mut records = records.iter().map(SignedRecord::get);
        records.any(|it| {
            (it.document, it.writer.instance) == (last.document, last.instance)
                && it.writer.node == node
        })
    };
    last.retain(stands);
    Ok(sign(last))
}

fn last_counted(
    replica: &Replica<SledStorage>,
    revocation: &Revocation,
) -> Result<Vec<LastCounted>, NodeError> {
    let records = records_of(replica, &revocation.org)?;
    let issued = |last: &LastRecord| {
        let written = |it: &&SignedRecord| {
            let record = it.get();
            record.document == last.document
                && record.seq == last.seq
                && record.writer.node == revocation.node
                && record.writer.instance == last.instance
        };
        let found = records.iter().find(written);
        found.map(|record| record.get().issued_at_s)
    };
    let counted = revocation.last.iter().map(|last| LastCounted {
        document: last.document,
        seq: last.seq,
        issued_at_s: issued(last),
    });
    Ok(counted.collect())
}

impl Node {
    /// The root key of an organisation, for what it alone can sign.
    pub(super) fn root_key(&self, org: &OrgId) -> Result<SecretKey, NodeError> {
        lock(&self.keys).org(org).cloned().ok_or_else(|| {
            NodeError::refused(
                "this node does not hold the root key of that organisation; nothing was changed",
                "run the command on the node that holds it; or bring the key here: fingerpost key import",
            )
        })
    }

    /// What this node may write for one of its organisations.
    pub(super) fn own_role(&self, org: &OrgId) -> Role {
        let keys = lock(&self.keys);
        match (keys.org(org), keys.delegation(org)) {
            (None, Some(delegation)) => delegation.get().role,
            _ => Role::Admin,
        }
    }

    /// Chooses which of this node's organisations commands mean unless they name another.
    ///
    /// # Errors
    /// [`NodeError`].
    pub fn use_org(&self, org: &str) -> Result<OrgInfo, NodeError> {
        let org = self.own_org(Some(org))?;
        let mut batch = Batch::default();
        batch.put(Table::Meta, CURRENT, *org.as_bytes());
        self.commit_durably(batch)?;
        self.org_info(&org)
    }

    /// The organisation that was chosen, if one was and it is still of this node.
    pub(super) fn current_org(
        &self,
        replica: &Replica<SledStorage>,
    ) -> Result<Option<OrgId>, NodeError> {
        let stored = replica.storage().get(Table::Meta, CURRENT)?;
        let chosen = stored.and_then(|bytes| bytes.try_into().ok());
        let chosen = chosen.map(OrgId::from_bytes);
        Ok(chosen.filter(|org| replica.own().contains(org)))
    }

    /// The nodes of an organisation.
    ///
    /// # Errors
    /// [`NodeError`].
    pub fn nodes(&self, org: &OrgId) -> Result<Nodes, NodeError> {
        let connected = self.net().connected();
        let replica = self.replica();
        let card = self.own_card(&replica, org)?;
        let receipts = receipts(&replica)?;
        let records = records_of(&replica, org)?;
        let mut delegated = delegations_on(&card, org);
        if !delegated.contains_key(&self.id()) {
            delegated.extend(
                replica
                    .delegation(org, &self.id())?
                    .map(|it| (self.id(), it)),
            );
        }
        let signed = card.revocations.iter().filter_map(|it| it.verified().ok());
        let revoked: BTreeMap<NodeId, u64> = signed
            .filter(|it| it.get().org == *org)
            .map(|it| (it.get().node, it.get().revoked_at_s))
            .collect();
        let ids: BTreeSet<NodeId> = delegated.keys().chain(revoked.keys()).copied().collect();
        let mut nodes = Vec::new();
        for node in ids {
            let delegation = match delegated.remove(&node) {
                Some(delegation) => Some(delegation),
                None => replica.delegation(org, &node)?,
            };
            let delegation = delegation.as_ref().map(Signed::get);
            let written = records.iter().map(SignedRecord::get);
            let written = written.filter(|it| it.writer.node == node);
            nodes.push(NodeInfo {
                node,
                short: node.short(),
                role: delegation.map_or(Role::Editor, |it| it.role),
                since_s: delegation.map_or(0, |it| it.not_before_s.saturating_add(BACKDATED_S)),
                revoked_at_s: revoked.get(&node).copied(),
                this: node == self.id(),
                connected: connected.contains(&node),
                last_exchange_s: receipts.get(&node).map(|receipt| receipt.at_s),
                last_written_s: written.map(|it| it.issued_at_s).max(),
            });
        }
        nodes.sort_by_key(|it| (it.revoked_at_s, !it.this, it.since_s, it.node));
        Ok(Nodes {
            organisation: org_ref(&replica, org),
            nodes,
        })
    }

    /// Lets another node write for an organisation. The same request again makes the same pass.
    ///
    /// # Errors
    /// [`NodeError`].
    pub fn add_node(&self, org: &OrgId, request: &AddNode, by: &By) -> Result<Pass, NodeError> {
        let root = self.root_key(org)?;
        let delegation = self.delegate(&root, request.node, request.role, by)?;
        // The new node is to be able to open what was sealed before it was let in.
        self.await_histories(org)?;
        self.reseal(org)?;
        self.make_pass(delegation, None)
    }

    /// Puts a node's delegation on the organisation's card, unless it is there already.
    pub(super) fn delegate(
        &self,
        root: &SecretKey,
        node: NodeId,
        role: Role,
        by: &By,
    ) -> Result<Signed<Delegation>, NodeError> {
        let org = root.org_id();
        if node == self.id() {
            return Err(NodeError::refused(
                "this is the id of this very node, which writes for the organisation already; nothing was changed",
                "fingerpost status on the other machine shows the id of that one",
            ));
        }
        if !self.replica().revocations(&org, &node)?.is_empty() {
            return Err(NodeError::refused(
                "that node was revoked, and what it writes counts for nobody; nothing was changed",
                "on that machine, move its home directory away and start the daemon: it gets a new id, which can be added",
            ));
        }
        let mut kept = None;
        let what = format!("node added: {}", node.short());
        self.edit_card(&org, &what, by, |card| {
            if card.networks.is_empty() {
                return Err(NodeError::refused(
                    "the organisation is in no network, and it is through a network that its documents reach another node; nothing was changed",
                    "found a network, or join one: fingerpost found, fingerpost join",
                ));
            }
            let mut on_card = delegations_on(card, &org);
            kept = Some(match on_card.remove(&node) {
                Some(held) if held.get().role == role => held,
                Some(held) if held.get().role > role => {
                    return Err(NodeError::refused(
                        "that node may write everything already, and less cannot be made of it; nothing was changed",
                        "revoke it, and add it with a new id: fingerpost node revoke",
                    ));
                }
                _ if on_card.len() >= limits::NODES_PER_ORG_MAX => {
                    return Err(NodeError::refused(
                        format!(
                            "{} nodes write for this organisation, and more cannot; nothing was changed",
                            on_card.len()
                        ),
                        "revoke one that is no longer used: fingerpost node revoke",
                    ));
                }
                _ => new_delegation(root, node, role),
            });
            put_on(card, kept.as_ref(), node);
            Ok(())
        })?;
        kept.ok_or_else(|| NodeError::internal("the delegation was not made"))
    }

    /// Ends a node's right to write for an organisation.
    ///
    /// # Errors
    /// [`NodeError`].
    pub fn revoke_node(
        &self,
        org: &OrgId,
        request: &RevokeNode,
        by: &By,
    ) -> Result<Revoked, NodeError> {
        let root = self.root_key(org)?;
        let known = self.nodes(org)?.nodes;
        let named = known.iter().find(|it| it.node.matches(&request.node));
        let node = named.map(|it| it.node).ok_or_else(|| {
            NodeError::not_found(
                format!(
                    "no node \"{}\" writes for this organisation; nothing was changed",
                    request.node
                ),
                "fingerpost node list shows those that do, with their ids",
            )
        })?;
        if node == self.id() {
            return Err(NodeError::refused(
                "this is the very node that you are using; nothing was changed",
                "run the command on another node of the organisation",
            ));
        }
        let before = self.replica().revocations(org, &node)?;
        if let Some(held) = before.first() {
            return Ok(Revoked {
                node,
                already: true,
                last: last_counted(&self.replica(), held)?,
            });
        }
        let revocation = self.publish_revocation(&root, node, by)?;
        let handing = task(&self.replica(), Kind::HandOver, org)?;
        if matches!(handing, Some(Task::HandOver(handing)) if handing.to == node) {
            // The organisation stays here after all.
            self.drop_task(Kind::HandOver, org)?;
        }
        Ok(Revoked {
            node,
            already: false,
            last: last_counted(&self.replica(), revocation.get())?,
        })
    }

    /// Puts a node's revocation on the card, and takes the node off it.
    pub(super) fn publish_revocation(
        &self,
        root: &SecretKey,
        node: NodeId,
        by: &By,
    ) -> Result<Signed<Revocation>, NodeError> {
        let org = root.org_id();
        let revocation = revocation_of(&self.replica(), root, node)?;
        let what = format!("node revoked: {}", node.short());
        self.edit_card(&org, &what, by, |card| {
            let keeps = |it: &Carry<Delegation>| it.claimed().is_ok_and(|it| it.node != node);
            card.delegations.retain(keeps);
            card.nodes.remove(&node);
            card.revocations.push(Carry::new(&revocation));
            self.set_own_addresses(card);
            Ok(())
        })?;
        // What is written from now on the revoked node cannot open.
        self.reseal(&org)?;
        Ok(revocation)
    }

    /// Stops writing for organisations that have revoked this node. Their documents stay as any peer's.
    pub(super) fn stop_where_revoked(&self) -> Result<(), NodeError> {
        for org in self.own_orgs() {
            if self.replica().revocations(&org, &self.id())?.is_empty() {
                continue;
            }
            let handing = task(&self.replica(), Kind::HandOver, &org)?;
            match handing {
                // Only the new node, which holds the root key, can have revoked this one.
                Some(Task::HandOver(mut task)) if self.replica().speaks_for(&task.to, &org)? => {
                    lock(&self.keys).hand_over(&org)?;
                    task.done = true;
                    self.put_task(&org, &Task::HandOver(task))?;
                    tracing::info!("{} has moved to its own node", org.short());
                }
                _ => {
                    lock(&self.keys).retire(&org)?;
                    tracing::warn!(
                        "{} has revoked this node, which writes for it no longer; its keys are in keys/former",
                        org.short()
                    );
                }
            }
            self.replica().remove_own(&org);
        }
        Ok(())
    }

    /// Says revocations again that a thief's card has pushed off an own organisation's card: some have never heard
    /// of them.
    pub(super) fn say_revocations_again(&self) -> Result<(), NodeError> {
        for org in self.own_orgs() {
            let (unsaid, card) = {
                let replica = self.replica();
                (replica.unsaid_revocations(&org)?, card_of(&replica, &org))
            };
            let has_room = card.is_some_and(|it| it.revocations.len() < limits::REVOCATIONS_MAX);
            if unsaid.is_empty() || !has_room || self.own_role(&org) != Role::Admin {
                continue;
            }
            self.edit_card(&org, "revocations said again", &By::node()?, |_| Ok(()))?;
        }
        Ok(())
    }

    /// Puts this node on the cards of organisations whose root key it holds and that do not name it: the key
    /// was brought here from elsewhere.
    pub(super) fn show_where_missing(&self) -> Result<(), NodeError> {
        for org in self.own_orgs() {
            let card = card_of(&self.replica(), &org);
            let Some((root, card)) = lock(&self.keys).org(&org).cloned().zip(card) else {
                continue;
            };
            if delegations_on(&card, &org).contains_key(&self.id()) {
                continue;
            }
            let delegation = match self.replica().delegation(&org, &self.id())? {
                Some(delegation) if delegation.get().role == Role::Admin => delegation,
                _ => new_delegation(&root, self.id(), Role::Admin),
            };
            let what = format!("node added: {}", self.id().short());
            self.edit_card(&org, &what, &By::node()?, |card| {
                put_on(card, Some(&delegation), self.id());
                self.set_own_addresses(card);
                Ok(())
            })?;
        }
        Ok(())
    }
}

/// Puts a node's delegation on a card, in the place of an older one.
fn put_on(card: &mut Card, delegation: Option<&Signed<Delegation>>, node: NodeId) {
    let Some(delegation) = delegation.map(Carry::new) else {
        return;
    };
    if !card.delegations.contains(&delegation) {
        let keeps = |it: &Carry<Delegation>| it.claimed().is_ok_and(|it| it.node != node);
        card.delegations.retain(keeps);
        card.delegations.push(delegation);
    }
}
