//! Passes: how another node is let in, and how an organisation moves to a node of its own.
//!
//! **Moving.** The pass of a hand-over holds the root key. The new node takes the organisation over in three
//! steps, none of which can lose an edit: it fetches everything and writes its address on the card; the old node,
//! seeing that card, writes no longer; once the new node has exchanged with it again and both hold the
//! same, it revokes the old node, naming the last records of it that count. Seeing that, the old node wipes its
//! copy of the root key.

use std::sync::Arc;
use std::time::Duration;

use fingerpost_proto::api::{HandOver, OrgInfo, Pass};
use fingerpost_proto::certificate::{Delegation, Role};
use fingerpost_proto::ids::{DocKey, DocName, NodeId, OrgId};
use fingerpost_proto::keys::{SecretKey, sealing_recipient};
use fingerpost_proto::limits;
use fingerpost_proto::pass::{self, Content};
use fingerpost_proto::record::SignedRecord;
use fingerpost_proto::replica::{Item, Replica};
use fingerpost_proto::signed::{Carry, Signed};
use fingerpost_proto::sync::receipts;

use super::contacts::is_relayed;
use super::documents::By;
use super::names::{card_of, org_ref};
use super::tasks::{HandingOver, Joining, Kind, TakeOver, Task, Whereabouts, task};
use super::{Node, NodeError, lock, now_s};
use crate::sealing::{SealError, open, seal};
use crate::store::SledStorage;

/// How long the use of a pass waits for the organisation to come in, so that its answer can say more.
const JOIN_WAIT_MS: u64 = 20_000;
const JOIN_POLL_MS: u64 = 50;

/// How much of an organisation's card a node has written, as far as the current records contain it: the sum of
/// the numbers of its last records.
pub(super) fn written_by(
    replica: &Replica<SledStorage>,
    org: &OrgId,
    node: &NodeId,
) -> Result<u64, NodeError> {
    let key = DocKey {
        org: *org,
        name: DocName::Card,
    };
    let mut most = 0;
    for item in replica.items(&key)? {
        if let Item::Record { record, .. } = item {
            let record = SignedRecord::from_trusted(&record).map_err(NodeError::internal)?;
            let seen = record.get().clock().filter(|it| it.writer.node == *node);
            most = most.max(seen.map(|it| it.seq).sum());
        }
    }
    Ok(most)
}

/// Whether all states of what is known of an organisation are here.
fn is_whole(replica: &Replica<SledStorage>, org: &OrgId) -> Result<bool, NodeError> {
    let keys: Vec<DocKey> = replica.documents_of(org).collect();
    for key in keys {
        if replica.shown(&key)?.is_none_or(|shown| shown.outdated) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// When a session ended after which a node held of an organisation exactly what is held here now; `None` if
/// it holds something else, or anything is missing here.
pub(super) fn same_as(
    replica: &Replica<SledStorage>,
    org: &OrgId,
    node: &NodeId,
) -> Result<Option<u64>, NodeError> {
    if !is_whole(replica, org)? {
        return Ok(None);
    }
    let held = (*org, replica.fingerprint(org));
    let receipts = receipts(replica)?;
    let receipt = receipts.get(node).filter(|it| it.held.contains(&held));
    Ok(receipt.map(|receipt| receipt.at_s))
}

impl Node {
    /// Makes the pass for the node of a delegation.
    pub(super) fn make_pass(
        &self,
        delegation: Signed<Delegation>,
        root: Option<SecretKey>,
    ) -> Result<Pass, NodeError> {
        let (org, node, role) = {
            let it = delegation.get();
            (it.org, it.node, it.role)
        };
        let networks = self.own_card(&self.replica(), &org)?.networks;
        let mut addresses = self.addresses_for_others();
        // Should this node be away when the pass is used, the others know the network too.
        let others = self.member_nodes().into_values();
        addresses.extend(others.filter_map(|known| known.into_iter().find(|it| !is_relayed(it))));
        addresses.truncate(limits::ADDRESSES_MAX);
        let content = Content {
            delegation,
            root,
            networks: networks.into_keys().collect(),
            giver: self.id(),
            addresses,
        };
        let recipient = sealing_recipient(node.as_bytes()).ok_or_else(|| {
            NodeError::bad_input(
                format!("{node} is no node's id; no pass was made"),
                "fingerpost status on the other machine shows its id",
            )
        })?;
        let sealed = seal(&content.to_bytes(), &[recipient]).map_err(NodeError::internal)?;
        Ok(Pass {
            pass: pass::to_text(&sealed),
            organisation: org_ref(&self.replica(), &org),
            node,
            role,
        })
    }

    pub(super) fn read_pass(&self, text: &str) -> Result<Content, NodeError> {
        let ask = "ask whoever made it for a new one: fingerpost node add, with the id that fingerpost status shows here";
        let bad = |error: pass::PassError| {
            NodeError::bad_input(format!("{error}; nothing was changed"), ask)
        };
        let sealed = pass::from_text(text).map_err(bad)?;
        let identity = lock(&self.keys).node().sealing_identity();
        let for_another = || {
            NodeError::bad_input(
                "this pass is for another node than this one; nothing was changed",
                ask,
            )
        };
        let content =
            open(&sealed, &[identity], limits::PASS_MAX_CHARS).map_err(|error| match error {
                SealError::NotForUs => for_another(),
                _ => bad(pass::PassError::Damaged),
            })?;
        let content = Content::parse(&content).map_err(bad)?;
        let delegation = content.delegation.get();
        if delegation.node != self.id() {
            return Err(for_another());
        }
        if !delegation.holds_at(now_s()) {
            return Err(NodeError::refused(
                "what this pass allows has ended already, or begins later by this machine's clock; nothing was changed",
                "check the clock of this machine; if it is right, ask for a new pass",
            ));
        }
        self.check_not_revoked(&delegation.org)?;
        Ok(content)
    }

    /// Uses a pass: from now on this node writes for the organisation. Used again, it goes on where it was.
    ///
    /// # Errors
    /// [`NodeError`].
    pub async fn use_pass(self: &Arc<Self>, text: &str) -> Result<OrgInfo, NodeError> {
        let content = self.read_pass(text)?;
        let org = content.delegation.get().org;
        self.apart(move |node| node.begin_join(content)).await?;
        self.tend_soon();
        for _ in 0..JOIN_WAIT_MS / JOIN_POLL_MS {
            if card_of(&self.replica(), &org).is_some() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(JOIN_POLL_MS)).await;
        }
        self.apart(move |node| node.org_info(&org)).await
    }

    /// Keeps what a pass brings. The root key comes first, for it is nowhere else yet; the delegation last,
    /// when everything is written down that is needed to go on.
    fn begin_join(&self, content: Content) -> Result<(), NodeError> {
        let delegation = &content.delegation;
        let org = delegation.get().org;
        let held = lock(&self.keys).delegation(&org) == Some(delegation);
        let present = held && card_of(&self.replica(), &org).is_some();
        let pending = task(&self.replica(), Kind::Join, &org)?.is_some();
        let settled = present && !pending && lock(&self.keys).org(&org).is_some();
        if settled || (present && content.root.is_none()) {
            return Ok(());
        }
        let take_over = content
            .root
            .is_some()
            .then_some(TakeOver { stopped_at_s: None });
        if let Some(root) = content.root {
            lock(&self.keys).add_org(root)?;
        }
        let joining = Joining {
            delegation: Carry::new(delegation),
            whereabouts: Whereabouts {
                networks: content.networks,
                giver: content.giver,
                addresses: content.addresses,
            },
            take_over,
        };
        self.put_task(&org, &Task::Join(joining))?;
        self.keep_own_delegation(content.delegation)
    }

    /// Keeps a delegation of this node, and writes for the organisation from now on.
    pub(super) fn keep_own_delegation(
        &self,
        delegation: Signed<Delegation>,
    ) -> Result<(), NodeError> {
        let org = delegation.get().org;
        let mut keys = lock(&self.keys);
        if keys.delegation(&org) != Some(&delegation) {
            keys.keep_delegation(delegation)?;
        }
        drop(keys);
        self.replica().add_own(org);
        Ok(())
    }

    /// One step of coming in with a pass.
    pub(super) fn step_join(&self, org: &OrgId, joining: Joining) -> Result<(), NodeError> {
        if lock(&self.keys).delegation(org).is_none() {
            let delegation = joining.delegation.verified().map_err(NodeError::internal)?;
            self.keep_own_delegation(delegation)?;
        }
        for address in &joining.whereabouts.addresses {
            if self.net().is_connected(&joining.whereabouts.giver) {
                break;
            }
            // Of all these addresses, those over relays are the giver's own.
            let giver = is_relayed(address).then_some(joining.whereabouts.giver);
            self.net().dial(giver, vec![address.clone()]);
        }
        if card_of(&self.replica(), org).is_none() {
            self.sync_all_soon();
            return Ok(());
        }
        let known = |it: &_| self.replica().charter(it).is_some();
        if !joining.whereabouts.networks.iter().all(known) {
            return Ok(());
        }
        let role = self.own_role(org);
        if role == Role::Admin {
            let what = format!("node joined: {}", self.id().short());
            self.edit_card(org, &what, &By::node()?, |card| {
                self.set_own_addresses(card);
                Ok(())
            })?;
        }
        match joining.take_over.clone() {
            Some(state) => self.step_take_over(org, joining, state),
            None => self.drop_task(Kind::Join, org),
        }
    }

    /// One step of taking an organisation over: see the module's documentation.
    fn step_take_over(
        &self,
        org: &OrgId,
        mut joining: Joining,
        mut state: TakeOver,
    ) -> Result<(), NodeError> {
        let giver = joining.whereabouts.giver;
        let Some(root) = lock(&self.keys).org(org).cloned() else {
            return Ok(());
        };
        if !self.replica().revocations(org, &giver)?.is_empty() {
            return self.drop_task(Kind::Join, org);
        }
        let same_at_s = same_as(&self.replica(), org, &giver)?;
        match (same_at_s, state.stopped_at_s) {
            (None, _) => {}
            (Some(at_s), None) => {
                state.stopped_at_s = Some(at_s);
                joining.take_over = Some(state);
                self.put_task(org, &Task::Join(joining))?;
            }
            // What it had still written before it saw the card has come with a later session.
            (Some(at_s), Some(stopped_at_s)) if at_s > stopped_at_s => {
                if !self.has_histories(org)? {
                    return Ok(());
                }
                self.publish_revocation(&root, giver, &By::node()?)?;
                return self.drop_task(Kind::Join, org);
            }
            (Some(_), Some(_)) => {}
        }
        self.sync_soon(giver);
        Ok(())
    }

    /// What a crash may have left: the keys are gone, and the task does not know it yet.
    pub(super) fn step_hand_over(
        &self,
        org: &OrgId,
        mut task: HandingOver,
    ) -> Result<(), NodeError> {
        if task.done || self.replica().own().contains(org) {
            return Ok(());
        }
        task.done = true;
        self.put_task(org, &Task::HandOver(task))
    }

    /// Begins to hand a hosted organisation over to a node of its own.
    ///
    /// # Errors
    /// [`NodeError`].
    pub fn hand_over(&self, org: &OrgId, request: &HandOver, by: &By) -> Result<Pass, NodeError> {
        let root = self.root_key(org)?;
        let delegation = self.delegate(&root, request.to, Role::Admin, by)?;
        let begun = match task(&self.replica(), Kind::HandOver, org)? {
            Some(Task::HandOver(task)) => task.to == request.to && !task.done,
            _ => false,
        };
        if !begun {
            let written = written_by(&self.replica(), org, &request.to)?;
            let task = HandingOver {
                to: request.to,
                written,
                done: false,
            };
            self.put_task(org, &Task::HandOver(task))?;
        }
        self.make_pass(delegation, Some(root))
    }
}
