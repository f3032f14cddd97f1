//! The network is the backup: an organisation comes back from its peers, on a new machine.
//!
//! Nothing is published until the organisation's own card has come back. Then this node is put on the card, so
//! that peers know it for the organisation's and give it the rest: its documents, and their sealed forms
//! with the history. A new store has a new instance, so that nothing is written at a place already used.

use std::sync::Arc;
use std::time::{Duration, Instant};

use fingerpost_proto::api::{Restore, Restored};
use fingerpost_proto::ids::{DocKey, OrgId};
use fingerpost_proto::replica::Replica;
use fingerpost_proto::roster::Place;
use fingerpost_proto::storage::{Batch, Storage};
use fingerpost_proto::sync::receipts;
use fingerpost_proto::ticket::Ticket;

use super::kept_keys::kept_key;
use super::names::card_of;
use super::passes::same_as;
use super::tasks::{Kind, Restoring, Task, Whereabouts, task, write_down};
use super::{Node, NodeError};
use crate::store::SledStorage;

/// How long a restore waits for the peers before it answers how far it has come.
const WAIT: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(100);

impl Node {
    /// Brings an organisation back. It goes on by itself; called again, it tells how far it has come.
    ///
    /// # Errors
    /// [`NodeError`].
    pub async fn restore(self: &Arc<Self>, request: Restore) -> Result<Restored, NodeError> {
        let ticket = Ticket::parse(&request.ticket).map_err(|error| {
            NodeError::bad_input(
                format!("{error}; nothing was changed"),
                "ask any member of the network for a ticket: fingerpost invite",
            )
        })?;
        let org = self
            .apart(move |node| node.begin_restore(&ticket, request.key))
            .await?;
        self.tend_soon();
        let begun = Instant::now();
        loop {
            let restored = self.apart(move |node| node.restored(&org)).await?;
            if restored.complete || begun.elapsed() >= WAIT {
                return Ok(restored);
            }
            tokio::time::sleep(POLL).await;
        }
    }

    fn begin_restore(
        &self,
        ticket: &Ticket,
        key: fingerpost_proto::api::KeptKey,
    ) -> Result<OrgId, NodeError> {
        let key = kept_key(key)?;
        let org = key.org_id();
        self.check_not_revoked(&org)?;
        if task(&self.replica(), Kind::Restore, &org)?.is_some() {
            self.take_root_key(key)?;
            return Ok(org);
        }
        if self.replica().own().contains(&org) && card_of(&self.replica(), &org).is_some() {
            return Err(NodeError::refused(
                "that organisation is on this node, and nothing of it is missing; nothing was changed",
                "fingerpost status shows it",
            ));
        }
        let restoring = Restoring {
            whereabouts: Whereabouts {
                networks: vec![ticket.network()],
                giver: ticket.invitation.get().node,
                addresses: ticket.addresses.clone(),
            },
            with_history: Vec::new(),
            complete: false,
            from_backup_at_s: None,
        };
        self.put_task(&org, &Task::Restore(restoring))?;
        self.take_root_key(key)?;
        Ok(org)
    }

    /// One step of coming back.
    pub(super) fn step_restore(
        &self,
        org: &OrgId,
        mut restoring: Restoring,
    ) -> Result<(), NodeError> {
        if restoring.from_backup_at_s.is_some() {
            self.seek_where_known()?;
        }
        if restoring.complete || !self.replica().own().contains(org) {
            return Ok(());
        }
        if !self.goes_on_alone(&restoring) && !self.is_back(org)? {
            self.sync_all_soon();
            return Ok(());
        }
        if !self.has_histories(org)? {
            return Ok(());
        }
        if restoring.from_backup_at_s.is_some() {
            self.take_back_newer(org)?;
        }
        if let Some(Task::Restore(now)) = task(&self.replica(), Kind::Restore, org)? {
            restoring = now;
        }
        restoring.complete = true;
        self.put_task(org, &Task::Restore(restoring))?;
        self.begin_histories_anew(org);
        // From now on the histories go on from here, sealed to this node as well.
        self.reseal(org)
    }

    /// Whether all that the peers have of an organisation is here: a peer holds the very same, and either the
    /// history of every document is here too or every peer that could have it was asked.
    fn is_back(&self, org: &OrgId) -> Result<bool, NodeError> {
        let connected = self.net().connected();
        let members = self.member_nodes();
        let mut replica = self.replica();
        let Some(card) = card_of(&replica, org) else {
            return Ok(false);
        };
        if !super::nodes::delegations_on(&card, org).contains_key(&self.id()) {
            return Ok(false);
        }
        let met = receipts(&replica)?;
        if replica.place(org) != Some(Place::Member) {
            // Of an applicant, peers hold the card alone.
            return Ok(!met.is_empty());
        }
        let mut same = Vec::new();
        for node in met.keys() {
            if same_as(&replica, org, node)?.is_some() {
                same.push(*node);
            }
        }
        let keys: Vec<DocKey> = replica.documents_of(org).collect();
        let sealed = keys.iter().all(|key| !replica.sealed_ids(key).is_empty());
        let mut others = connected.iter().filter(|node| members.contains_key(*node));
        Ok(!same.is_empty() && (sealed || others.all(|node| same.contains(node))))
    }

    /// Whether the history of a document is still to come back.
    pub(super) fn is_restoring(
        &self,
        replica: &Replica<SledStorage>,
        key: &DocKey,
    ) -> Result<bool, NodeError> {
        Ok(match task(replica, Kind::Restore, &key.org)? {
            Some(Task::Restore(task)) => !task.complete && !task.with_history.contains(&key.name),
            _ => false,
        })
    }

    /// Notes that the history of a document is back, if it was being waited for.
    pub(super) fn note_history(
        &self,
        replica: &mut Replica<SledStorage>,
        key: &DocKey,
    ) -> Result<(), NodeError> {
        if !self.is_restoring(replica, key)? {
            return Ok(());
        }
        if let Some(Task::Restore(mut restoring)) = task(replica, Kind::Restore, &key.org)? {
            restoring.with_history.push(key.name);
            let mut batch = Batch::default();
            write_down(&mut batch, &key.org, &Task::Restore(restoring))?;
            replica.storage_mut().commit(batch)?;
        }
        Ok(())
    }

    pub(super) fn restored(&self, org: &OrgId) -> Result<Restored, NodeError> {
        let organisation = self.org_info(org)?;
        let Some(Task::Restore(restoring)) = task(&self.replica(), Kind::Restore, org)? else {
            return Err(NodeError::internal("the restore was not written down"));
        };
        let replica = self.replica();
        let (with_history, without_history) = replica
            .documents_of(org)
            .map(|key| key.name)
            .partition(|name| restoring.with_history.contains(name));
        let network = restoring.whereabouts.networks.first();
        let reached = network.is_some_and(|network| replica.charter(network).is_some());
        drop(replica);
        let summary = match (restoring.complete, organisation.present, reached) {
            (true, ..) => format!(
                "{} is back with {} service(s). If the lost machine could be in other hands, end its right to write: fingerpost node revoke.",
                organisation.name, organisation.services
            ),
            (_, true, _) if restoring.from_backup_at_s.is_some() => format!(
                "{} is here as the backup has it, with {} service(s). What its peers hold that is newer follows by itself; it can be changed once they were heard, or after some minutes if none of them answers.",
                organisation.name, organisation.services
            ),
            (_, true, _) => format!(
                "{} is coming back: its card is here, and the rest follows by itself.",
                organisation.name
            ),
            (_, _, true) => "The network was reached, and nobody there has sent the organisation's card yet: the search goes on by itself. If the organisation has changed its key since (fingerpost org rekey), the older key brings nothing back: use the newest.".to_owned(),
            _ => "The network was not reached yet through this ticket: the search goes on by itself, and a newer ticket may help.".to_owned(),
        };
        Ok(Restored {
            organisation,
            with_history,
            without_history,
            complete: restoring.complete,
            summary,
        })
    }
}
