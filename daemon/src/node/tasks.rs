//! What this node has begun with an organisation's keys and goes on with until it is done, restarts included.
//!
//! Each task is an entry of the store's own settings, written before its first step. Every step looks at what
//! is there and does what is missing, so that it may be cut off anywhere and taken again.

use std::sync::Arc;
use std::time::Duration;

use fingerpost_proto::certificate::Delegation;
use fingerpost_proto::ids::{DocName, NetworkId, NodeId, OrgId};
use fingerpost_proto::replica::Replica;
use fingerpost_proto::signed::Carry;
use fingerpost_proto::storage::{Batch, Storage, Table};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::{Node, NodeError, lock};
use crate::store::SledStorage;

/// How often tasks are looked at when nothing happens.
const EVERY: Duration = Duration::from_secs(2);
/// Shortest time between two looks.
const PAUSE: Duration = Duration::from_millis(200);
const PREFIX: &[u8] = b"task/";

/// A task of one organisation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Task {
    /// This node was let in with a pass, and fetches what it needs.
    Join(Joining),
    /// The organisation goes to a node of its own.
    HandOver(HandingOver),
    /// The organisation goes on under another key.
    Rekey(Rekeying),
    /// The organisation comes back from its peers.
    Restore(Restoring),
}

/// See [`Task::Join`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Joining {
    pub(super) delegation: Carry<Delegation>,
    pub(super) whereabouts: Whereabouts,
    /// Set when the root key came with the pass: this node takes the organisation over from the giver.
    pub(super) take_over: Option<TakeOver>,
}

/// Where to find an organisation's networks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Whereabouts {
    pub(super) networks: Vec<NetworkId>,
    pub(super) giver: NodeId,
    pub(super) addresses: Vec<String>,
}

/// How far a take-over has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct TakeOver {
    /// When the giver was first seen to hold the card that names this node, and so to write no longer.
    pub(super) stopped_at_s: Option<u64>,
}

/// See [`Task::HandOver`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct HandingOver {
    pub(super) to: NodeId,
    /// What the new node had written of the card before, as [`super::passes::written_by`] counts it.
    pub(super) written: u64,
    pub(super) done: bool,
}

/// See [`Task::Rekey`]. It is kept under the old id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Rekeying {
    pub(super) new: OrgId,
    pub(super) at_s: u64,
    /// Since when every sibling was seen to hold the new card.
    pub(super) known_since_s: Option<u64>,
    pub(super) who: String,
    pub(super) operation: String,
}

/// See [`Task::Restore`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Restoring {
    pub(super) whereabouts: Whereabouts,
    /// Documents whose history is back.
    pub(super) with_history: Vec<DocName>,
    pub(super) complete: bool,
    /// When a backup was taken in, if it comes back from one.
    #[serde(default)]
    pub(super) from_backup_at_s: Option<u64>,
}

/// Which task of an organisation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Kind {
    Join = b'j',
    HandOver = b'h',
    Rekey = b'k',
    Restore = b'r',
}

impl Task {
    fn kind(&self) -> Kind {
        match self {
            Self::Join(_) => Kind::Join,
            Self::HandOver(_) => Kind::HandOver,
            Self::Rekey(_) => Kind::Rekey,
            Self::Restore(_) => Kind::Restore,
        }
    }
}

fn key(kind: Kind, org: &OrgId) -> Vec<u8> {
    [PREFIX, &[kind as u8], org.as_bytes()].concat()
}

/// A task of an organisation, if there is one.
pub(super) fn task(
    replica: &Replica<SledStorage>,
    kind: Kind,
    org: &OrgId,
) -> Result<Option<Task>, NodeError> {
    let stored = replica.storage().get(Table::Meta, &key(kind, org))?;
    stored
        .map(|bytes| serde_json::from_slice(&bytes).map_err(NodeError::internal))
        .transpose()
}

/// Adds a task to a batch.
pub(super) fn write_down(batch: &mut Batch, org: &OrgId, task: &Task) -> Result<(), NodeError> {
    let bytes = serde_json::to_vec(task).map_err(NodeError::internal)?;
    batch.put(Table::Meta, key(task.kind(), org), bytes);
    Ok(())
}

/// Adds to a batch that a task is done.
pub(super) fn forget(batch: &mut Batch, kind: Kind, org: &OrgId) {
    batch.remove(Table::Meta, key(kind, org));
}

impl Node {
    /// Writes down a task; it is durable when this returns.
    pub(super) fn put_task(&self, org: &OrgId, task: &Task) -> Result<(), NodeError> {
        let mut batch = Batch::default();
        write_down(&mut batch, org, task)?;
        self.commit_durably(batch)
    }

    /// Forgets a task.
    pub(super) fn drop_task(&self, kind: Kind, org: &OrgId) -> Result<(), NodeError> {
        let mut batch = Batch::default();
        forget(&mut batch, kind, org);
        self.commit_durably(batch)
    }

    pub(super) fn commit_durably(&self, batch: Batch) -> Result<(), NodeError> {
        let mut replica = self.replica();
        replica.storage_mut().commit(batch)?;
        Ok(replica.storage_mut().flush()?)
    }

    /// All tasks, with their organisations.
    pub(super) fn tasks(&self) -> Result<Vec<(OrgId, Task)>, NodeError> {
        let mut tasks = Vec::new();
        let mut damaged = 0;
        self.replica()
            .storage()
            .scan(Table::Meta, PREFIX, &mut |key, value| {
                let org = key.last_chunk::<32>().map(|org| OrgId::from_bytes(*org));
                match org.zip(serde_json::from_slice(value).ok()) {
                    Some(found) => tasks.push(found),
                    None => damaged += 1,
                }
                true
            })?;
        match damaged {
            0 => Ok(tasks),
            _ => Err(NodeError::internal("a task in the store cannot be read")),
        }
    }

    /// Refuses to write a document while its organisation is on its way to another node or another key, or
    /// is still coming back: what was written would be lost, or would compete with what is coming.
    pub(super) fn check_not_moving(
        &self,
        replica: &Replica<SledStorage>,
        org: &OrgId,
        document: DocName,
    ) -> Result<(), NodeError> {
        if let Some(Task::HandOver(task)) = task(replica, Kind::HandOver, org)?
            && super::passes::written_by(replica, org, &task.to)? > task.written
        {
            return Err(NodeError::refused(
                "this organisation has moved to a node of its own; nothing was changed",
                "make the change there",
            ));
        }
        if task(replica, Kind::Rekey, org)?.is_some() {
            return Err(NodeError::refused(
                "this organisation is getting a new key at this moment; nothing was changed",
                "try again in a moment: it has a new id then, which fingerpost org list shows",
            ));
        }
        if let Some(Task::Restore(task)) = task(replica, Kind::Restore, org)?
            && !task.complete
            && !document.is_card()
        {
            return Err(NodeError::refused(
                "this organisation is still coming back from its peers; nothing was changed",
                "run the restore again to see how far it is; a change that is made too early would begin the history anew",
            ));
        }
        Ok(())
    }

    /// The charters that are missing: of networks that an own card or a task names, with where to ask.
    fn missing_charters(&self) -> Result<Vec<(NetworkId, Option<Whereabouts>)>, NodeError> {
        let mut wanted = Vec::new();
        for (_, task) in self.tasks()? {
            let whereabouts = match task {
                Task::Join(task) => task.whereabouts,
                Task::Restore(task) if !task.complete => task.whereabouts,
                _ => continue,
            };
            for network in &whereabouts.networks {
                wanted.push((*network, Some(whereabouts.clone())));
            }
        }
        let replica = self.replica();
        for org in replica.own() {
            let card = super::names::card_of(&replica, org);
            let networks = card.into_iter().flat_map(|card| card.networks.into_keys());
            wanted.extend(networks.map(|network| (network, None)));
        }
        wanted.retain(|(network, _)| replica.charter(network).is_none());
        Ok(wanted)
    }

    /// Asks whoever is connected for the charters that are missing, and calls those who should have them.
    async fn fetch_missing_charters(&self) -> Result<(), NodeError> {
        for (network, whereabouts) in self.missing_charters()? {
            if let Some(whereabouts) = whereabouts
                && !self.net().is_connected(&whereabouts.giver)
            {
                self.net().dial(None, whereabouts.addresses);
            }
            for peer in self.net().connected() {
                match self.try_fetch_charter(peer, network).await {
                    Ok(charter) => {
                        self.replica().add_network(charter.founding)?;
                        self.net().subscribe(network);
                        // Nobody knows this node yet: it has to show itself where it was told to look.
                        lock(&self.sessions).seek(peer);
                        self.sync_soon(peer);
                        break;
                    }
                    Err(error) => {
                        tracing::debug!(peer = %peer.short(), "no charter from this node: {error}");
                    }
                }
            }
        }
        Ok(())
    }

    /// Takes every task one step further.
    fn tend(&self) -> Result<(), NodeError> {
        self.look_at_disk_sometimes();
        self.wipe_when_due()?;
        self.publish_overtaken()?;
        self.stop_where_revoked()?;
        self.follow_rekeyings()?;
        if self.has_heard() {
            self.show_where_missing()?;
            self.say_revocations_again()?;
        }
        for (org, task) in self.tasks()? {
            match task {
                Task::Join(task) => self.step_join(&org, task)?,
                Task::HandOver(task) => self.step_hand_over(&org, task)?,
                Task::Rekey(task) if self.has_heard() => self.step_rekey(&org, &task)?,
                Task::Rekey(_) => {}
                Task::Restore(task) => self.step_restore(&org, task)?,
            }
        }
        Ok(())
    }

    /// Something happened that a task may be waiting for.
    pub(super) fn tend_soon(&self) {
        self.tending.notify_one();
    }

    /// Exchange with every connected node as soon as may be.
    pub(super) fn sync_all_soon(&self) {
        for peer in self.net().connected() {
            self.sync_soon(peer);
        }
    }

    /// Does something that blocks on the disk away from the tasks that serve the network.
    pub(super) async fn apart<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Self) -> Result<T, NodeError> + Send + 'static,
    ) -> Result<T, NodeError> {
        let node = Arc::clone(self);
        tokio::task::spawn_blocking(move || work(&node))
            .await
            .map_err(NodeError::internal)?
    }
}

/// Runs until `stop` becomes true: goes on with whatever was begun.
pub async fn run(node: Arc<Node>, mut stop: watch::Receiver<bool>) {
    while !*stop.borrow() {
        if let Err(error) = node.apart(Node::tend).await {
            tracing::warn!("a task could not go on: {error}; it is tried again");
        }
        if let Err(error) = node.fetch_missing_charters().await {
            tracing::warn!("a charter could not be fetched: {error}; it is tried again");
        }
        tokio::select! {
            () = tokio::time::sleep(EVERY) => {}
            () = node.tending.notified() => tokio::time::sleep(PAUSE).await,
            _ = stop.changed() => {}
        }
    }
}

impl Node {
    /// What people should know of organisations that come, go, or went.
    pub(super) fn task_warnings(&self) -> Result<Vec<String>, NodeError> {
        let mut warnings: Vec<String> = self.wipe_warning().into_iter().collect();
        for (org, task) in self.tasks()? {
            let name = super::names::org_ref(&self.replica(), &org).name;
            warnings.extend(match task {
                Task::Join(task) if task.take_over.is_some() => Some(format!(
                    "{name} is moving here: its former node ({}) writes for it until all is here",
                    task.whereabouts.giver.short()
                )),
                Task::Join(_) => Some(format!("{name} is still coming in from its other nodes")),
                Task::HandOver(task) if task.done => Some(format!(
                    "{name} was handed over to its own node {}; this node is a peer of it now",
                    task.to.short()
                )),
                Task::HandOver(task) => Some(format!(
                    "{name} stays here until its new node {} has taken over",
                    task.to.short()
                )),
                Task::Restore(task) if !task.complete => {
                    Some(format!("{name} is still coming back from its peers"))
                }
                _ => None,
            });
        }
        let former = lock(&self.keys).former();
        for org in former {
            let replica = self.replica();
            let revoked = replica.revocations(&org, &self.id())?;
            let handed = task(&replica, Kind::HandOver, &org)?.is_some();
            if !revoked.is_empty() && !handed {
                warnings.push(format!(
                    "{} has revoked this node, which writes for it no longer; what was written here before and reached a peer stands",
                    super::names::org_ref(&replica, &org).name
                ));
            }
        }
        Ok(warnings)
    }
}
