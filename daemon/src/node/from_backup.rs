//! An organisation comes back from a backup file.
//!
//! A backup is taken in like what a peer sends: its records are dominated by newer ones, wherever those are held,
//! so an old backup undoes nothing. Until the others were heard, or nobody answers for some time, the
//! organisation's documents are not changed here. This node writes with its own key and an instance of its
//! own, so that it is a sibling of the machine that made the backup, whether that still runs or not.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use fingerpost_config::Settings;
use fingerpost_proto::api::{OrgRef, Restored, RestoredBackup, UseBackup};
use fingerpost_proto::documents::OwnDocument;
use fingerpost_proto::ids::{DocKey, NetworkId, NodeId, OrgId};
use fingerpost_proto::limits;
use fingerpost_proto::replica::{Item, Outcome, Replica, Shown};
use fingerpost_proto::storage::{Batch, Storage, Table};
use fingerpost_proto::sync::receipts;

use super::backups::{contents, key_of, read};
use super::documents::taken_back;
use super::names::card_of;
use super::nodes::CURRENT;
use super::tasks::{Kind, Restoring, Task, Whereabouts, task, write_down};
use super::{Node, NodeError, lock, now_s};
use crate::backup::{Backup, Organisation};
use crate::merge::Answer;
use crate::rescue::Rescue;
use crate::store::SledStorage;

/// How long a restore waits for the peers before it answers how far it has come.
const WAIT: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(100);
/// When nobody was heard for so long after a restore, the organisation goes on from the backup: what peers
/// hold is merged when they come.
pub(super) const ALONE_AFTER_S: u64 = 5 * 60;

/// What became of the parts of a backup.
#[derive(Default)]
struct Begun {
    orgs: Vec<OrgId>,
    need_pass: Vec<OrgRef>,
    notes: Vec<String>,
}

impl Node {
    /// Sets after how many seconds without an answer of a peer a restored organisation goes on alone.
    pub fn set_alone_after(&self, seconds: u64) {
        self.alone_after_s.store(seconds, Ordering::Release);
    }

    /// Brings the organisations of a backup back. It goes on by itself; called again, it tells how far it has
    /// come.
    ///
    /// # Errors
    /// [`NodeError`]; nothing was changed then.
    pub async fn restore_backup(
        self: &Arc<Self>,
        request: UseBackup,
    ) -> Result<RestoredBackup, NodeError> {
        let backup = self.apart(move |_| read(request)).await?;
        let made_at_s = backup.made_at_s;
        let histories = self.read_histories(&backup).await?;
        let begun = self
            .apart(move |node| node.take_backup(&backup, histories))
            .await?;
        self.apart(|node| {
            node.subscribe_all();
            node.feed();
            Ok(())
        })
        .await?;
        self.tend_soon();
        let since = Instant::now();
        let orgs = begun.orgs;
        let organisations = loop {
            let orgs = orgs.clone();
            let asked = move |node: &Self| orgs.iter().map(|org| node.how_far(org)).collect();
            let found: Vec<Restored> = self.apart(asked).await?;
            if found.iter().all(|it| it.complete) || since.elapsed() >= WAIT {
                break found;
            }
            tokio::time::sleep(POLL).await;
        };
        Ok(RestoredBackup {
            made_at_s,
            complete: organisations.iter().all(|it| it.complete),
            organisations,
            need_pass: begun.need_pass,
            notes: begun.notes,
        })
    }

    /// How far an organisation is that was in a backup.
    fn how_far(&self, org: &OrgId) -> Result<Restored, NodeError> {
        if task(&self.replica(), Kind::Restore, org)?.is_some() {
            return self.restored(org);
        }
        let organisation = self.org_info(org)?;
        let replica = self.replica();
        let mut with_history = Vec::new();
        let mut without_history = Vec::new();
        for key in replica.documents_of(org) {
            match self.has_own(&replica, &key)? {
                true => with_history.push(key.name),
                false => without_history.push(key.name),
            }
        }
        Ok(Restored {
            summary: format!(
                "{} was on this node already, with {} service(s). What was missing was taken from the backup; nothing newer was touched.",
                organisation.name, organisation.services
            ),
            organisation,
            with_history,
            without_history,
            complete: true,
        })
    }

    /// Takes a backup in. What can be refused is refused before anything is changed; every step after that can
    /// be taken again.
    fn take_backup(
        &self,
        backup: &Backup,
        mut histories: BTreeMap<DocKey, Answer>,
    ) -> Result<Begun, NodeError> {
        check_clock(backup.made_at_s)?;
        let mut begun = Begun::default();
        let names: BTreeMap<OrgId, OrgRef> = contents(backup)
            .organisations
            .into_iter()
            .map(|it| (it.organisation.id, it.organisation))
            .collect();
        let mut wanted = Vec::new();
        for org in &backup.organisations {
            if self.can_write(org) {
                self.check_not_revoked(&org.org)?;
                wanted.push(org);
            } else {
                begun.need_pass.extend(names.get(&org.org).cloned());
            }
        }
        // Nothing is published before this is over, and then only after the others were heard once more.
        let _edits = lock(&self.edits);
        let is_new = |org: &Organisation| !self.replica().own().contains(&org.org);
        if !backup.nodes.is_empty() && wanted.iter().any(|org| is_new(org)) {
            self.exchanged.store(false, Ordering::Release);
        }
        for charter in backup.charters() {
            self.replica().add_network(charter)?;
        }
        for org in wanted {
            self.begin_org(org, backup, &mut histories)?;
            let refused = self.take_items(org, &mut histories)?;
            begun.orgs.push(org.org);
            if let Some(reason) = refused {
                let name = names.get(&org.org).map_or("", |it| it.name.as_str());
                begun
                    .notes
                    .push(format!("part of {name} was refused: {reason}"));
            }
        }
        for card in &backup.cards {
            // Who is no member any more is refused; that is as it should be.
            receive(&mut self.replica(), card)?;
        }
        self.take_whereabouts(backup)?;
        self.take_choices(backup)?;
        begun.notes.extend(self.take_settings(backup));
        Ok(begun)
    }

    /// Whether this node can write for an organisation of a backup: by its root key, or because the node is the
    /// one that was delegated.
    fn can_write(&self, org: &Organisation) -> bool {
        let delegation = org.delegation();
        org.root.is_some()
            || lock(&self.keys).org(&org.org).is_some()
            || delegation.is_some_and(|it| it.get().node == self.id())
    }

    /// Where to find the networks, once an organisation here takes part in them.
    fn take_whereabouts(&self, backup: &Backup) -> Result<(), NodeError> {
        let charters: Vec<(NetworkId, Vec<u8>)> = {
            let replica = self.replica();
            let active = replica.networks().filter(|(id, _)| replica.is_active(id));
            active
                .map(|(id, charter)| (id, charter.to_bytes()))
                .collect()
        };
        let mut rescue = lock(&self.rescue);
        let mut nodes = rescue.nodes().clone();
        nodes.extend(backup.nodes.iter().cloned());
        nodes.remove(&self.id());
        let now = Rescue::new(charters, nodes);
        if *rescue != now {
            now.save(self.home.dir()).map_err(NodeError::internal)?;
            *rescue = now;
        }
        Ok(())
    }

    /// Writes down that an organisation comes back, with those of its documents of which nothing is here yet, in
    /// one step; and then keeps its key. A crash in between leaves a task that goes on with the network, or
    /// with the backup once more.
    fn begin_org(
        &self,
        org: &Organisation,
        backup: &Backup,
        histories: &mut BTreeMap<DocKey, Answer>,
    ) -> Result<(), NodeError> {
        let mut batch = Batch::default();
        let mut with_history = Vec::new();
        {
            let replica = self.replica();
            for document in &org.documents {
                let key = key_of(org, document);
                if !replica.record_ids(&key).is_empty() || self.has_own(&replica, &key)? {
                    continue;
                }
                if let Some(answer) = histories.remove(&key) {
                    batch.put(Table::Own, key.to_bytes(), answer.document);
                    Replica::<SledStorage>::note_contained(&mut batch, &key, &document.contained);
                    with_history.push(document.name);
                }
            }
            let is_here = replica.own().contains(&org.org) && card_of(&replica, &org.org).is_some();
            let has_task = task(&replica, Kind::Restore, &org.org)?.is_some();
            if !is_here && !has_task {
                let whereabouts = Whereabouts {
                    networks: backup.charters().iter().map(|it| it.network()).collect(),
                    giver: backup.node,
                    addresses: Vec::new(),
                };
                let restoring = Restoring {
                    whereabouts,
                    with_history,
                    complete: false,
                    from_backup_at_s: Some(now_s()),
                };
                write_down(&mut batch, &org.org, &Task::Restore(restoring))?;
            }
        }
        self.commit_durably(batch)?;
        if let Some(key) = org.root_key() {
            self.take_root_key(key)?;
        }
        if let Some(delegation) = org.delegation()
            && delegation.get().node == self.id()
        {
            lock(&self.keys).keep_delegation(delegation)?;
            self.replica().add_own(org.org);
        }
        Ok(())
    }

    /// Takes in what an organisation has signed. Answers why the first item was refused, if any was.
    fn take_items(
        &self,
        org: &Organisation,
        histories: &mut BTreeMap<DocKey, Answer>,
    ) -> Result<Option<String>, NodeError> {
        let mut refused = None;
        let mut replica = self.replica();
        for document in &org.documents {
            let key = key_of(org, document);
            let mut dominated = false;
            let mut accepted = document.items.is_empty();
            for item in &document.items {
                match receive(&mut replica, item)? {
                    Outcome::Refused(refusal) => {
                        refused.get_or_insert(refusal.to_string());
                    }
                    Outcome::Dominated => dominated = true,
                    Outcome::Accepted(_) | Outcome::AlreadyKnown => accepted = true,
                }
            }
            let history = histories.remove(&key);
            if !accepted && !dominated && replica.record_ids(&key).is_empty() {
                // Nothing of it is held, so the history is the backup's: it would be taken for the latest.
                let mut batch = Batch::default();
                batch.remove(Table::Own, key.to_bytes());
                replica.storage_mut().commit(batch)?;
            } else if let Some(answer) = history.filter(|_| accepted || dominated) {
                self.take_history(
                    &mut replica,
                    &key,
                    answer,
                    document.contained.clone(),
                    accepted,
                )?;
            }
        }
        for item in &org.statements {
            if let Outcome::Refused(refusal) = receive(&mut replica, item)? {
                refused.get_or_insert(refusal.to_string());
            }
        }
        replica.storage_mut().flush()?;
        Ok(refused)
    }

    /// Keeps the history of a document of which this node holds a state and no history: of what the backup had, or
    /// of something newer, of which nobody has the history.
    fn take_history(
        &self,
        replica: &mut Replica<SledStorage>,
        key: &DocKey,
        answer: Answer,
        mut contained: Vec<fingerpost_proto::ids::RecordId>,
        is_current: bool,
    ) -> Result<(), NodeError> {
        let newer_is_here = !is_current && !replica.sealed_ids(key).is_empty();
        if self.has_own(replica, key)? || newer_is_here {
            return Ok(());
        }
        let mut bytes = answer.document;
        if !is_current && let Some(shown) = replica.shown(key)? {
            bytes = self
                .caught_up(OwnDocument::load(&bytes, &self.actor)?, &shown)?
                .save();
            contained = vec![shown.record.id()];
        }
        let mut batch = Batch::default();
        batch.put(Table::Own, key.to_bytes(), bytes);
        Replica::<SledStorage>::note_contained(&mut batch, key, &contained);
        replica.storage_mut().commit(batch)?;
        self.note_history(replica, key)
    }

    /// What the admin had chosen on the other machine, unless something else was chosen here.
    fn take_choices(&self, backup: &Backup) -> Result<(), NodeError> {
        let mut replica = self.replica();
        for org in &backup.blocked {
            if !replica.own().contains(org) {
                replica.set_blocked(*org, true)?;
            }
        }
        let current = backup.current.filter(|org| replica.own().contains(org));
        if let Some(org) = current.filter(|_| replica.own().len() > 1)
            && self.current_org(&replica)?.is_none()
        {
            let mut batch = Batch::default();
            batch.put(Table::Meta, CURRENT, *org.as_bytes());
            replica.storage_mut().commit(batch)?;
        }
        Ok(replica.storage_mut().flush()?)
    }

    /// The settings file: put in its place if there is none, and beside it otherwise.
    fn take_settings(&self, backup: &Backup) -> Option<String> {
        let settings = backup.settings.as_ref()?;
        let path = self.home.config();
        let here = std::fs::read_to_string(&path).ok();
        if here.as_ref() == Some(settings) {
            return None;
        }
        let fits = here.is_none() && Settings::parse(settings).is_ok();
        let to = match fits {
            true => path,
            false => path.with_extension("restored.toml"),
        };
        let written = crate::rescue::write_whole(&to, settings.as_bytes());
        Some(match written {
            Err(error) => format!("the settings of the backup could not be written: {error}"),
            Ok(()) if fits => {
                "the settings of the backup are in place; they count from the next start of the daemon".to_owned()
            }
            Ok(()) => format!(
                "this machine has settings of its own, which were kept; those of the backup are in {}",
                to.display()
            ),
        })
    }

    /// Whether an organisation from a backup need not wait for its peers any longer.
    pub(super) fn goes_on_alone(&self, restoring: &Restoring) -> bool {
        let Some(since_s) = restoring.from_backup_at_s else {
            return false;
        };
        let patience_s = self.alone_after_s.load(Ordering::Acquire);
        let overdue = now_s().saturating_sub(since_s) >= patience_s;
        if overdue {
            // Nobody was heard, and nobody is waited for any longer.
            self.exchanged.store(true, Ordering::Release);
        }
        let nobody = self.member_nodes().is_empty() && lock(&self.rescue).nodes().is_empty();
        overdue || nobody
    }

    /// Shows this node to those that the backup named, until an exchange with them was finished: they do not know
    /// yet that it belongs to the organisation.
    pub(super) fn seek_where_known(&self) -> Result<(), NodeError> {
        let met = receipts(&self.replica())?;
        let mut known: Vec<NodeId> = lock(&self.rescue).nodes().keys().copied().collect();
        known.retain(|node| !met.contains_key(node) && self.net().is_connected(node));
        for node in known {
            lock(&self.sessions).seek(node);
            self.sync_soon(node);
        }
        Ok(())
    }

    /// Takes over what peers hold of documents that have become older than that, and whose newer history nobody has.
    pub(super) fn take_back_newer(&self, org: &OrgId) -> Result<(), NodeError> {
        let _edits = lock(&self.edits);
        let mut replica = self.replica();
        let keys: Vec<DocKey> = replica.documents_of(org).collect();
        for key in keys {
            self.take_back(&mut replica, &key)?;
            if self.has_own(&replica, &key)? {
                self.note_history(&mut replica, &key)?;
            }
        }
        Ok(replica.storage_mut().flush()?)
    }

    /// Before this node writes a card that comes back from a backup: if peers hold a newer one, that is gone on
    /// from, whether the history behind it comes or was lost with the other machine. It still takes the place of
    /// what the backup had, if it comes.
    pub(super) fn catch_up(
        &self,
        replica: &mut Replica<SledStorage>,
        key: &DocKey,
    ) -> Result<(), NodeError> {
        let Some(Task::Restore(mut restoring)) = task(replica, Kind::Restore, &key.org)? else {
            return Ok(());
        };
        if restoring.complete
            || restoring.from_backup_at_s.is_none()
            || !self.take_back(replica, key)?
        {
            return Ok(());
        }
        restoring.with_history.retain(|name| *name != key.name);
        let mut batch = Batch::default();
        write_down(&mut batch, &key.org, &Task::Restore(restoring))?;
        Ok(replica.storage_mut().commit(batch)?)
    }

    /// Takes what is shown into an own document that contains nothing of it. Answers whether it was so.
    fn take_back(
        &self,
        replica: &mut Replica<SledStorage>,
        key: &DocKey,
    ) -> Result<bool, NodeError> {
        let is_older = replica.contained(key)?.is_empty() && self.has_own(replica, key)?;
        let Some(shown) = replica.shown(key)?.filter(|_| is_older) else {
            return Ok(false);
        };
        let mut document = self.caught_up(self.own_document(replica, key)?, &shown)?;
        let mut batch = Batch::default();
        batch.put(Table::Own, key.to_bytes(), document.save());
        let contained = [shown.record.id()];
        Replica::<SledStorage>::note_contained(&mut batch, key, &contained);
        replica.storage_mut().commit(batch)?;
        Ok(true)
    }

    /// A document that says what is shown, with the history that it had, unless that is from before something was
    /// erased.
    pub(super) fn caught_up(
        &self,
        mut document: OwnDocument,
        shown: &Shown,
    ) -> Result<OwnDocument, NodeError> {
        if document.generation() < shown.record.get().generation.unwrap_or(0) {
            return self.recovered(shown);
        }
        let state = serde_json::from_slice(&shown.state).map_err(NodeError::internal)?;
        document.update(&state, &taken_back(), i64::try_from(now_s()).unwrap_or(0))?;
        Ok(document)
    }
}

fn receive(replica: &mut Replica<SledStorage>, item: &Item) -> Result<Outcome, NodeError> {
    match item.clone().check() {
        Ok(checked) => Ok(replica.receive(now_s(), checked)?),
        Err(refusal) => Ok(Outcome::Refused(refusal)),
    }
}

/// A clock that is behind would make this node refuse its own organisation's records.
fn check_clock(made_at_s: u64) -> Result<(), NodeError> {
    if made_at_s <= now_s().saturating_add(limits::CLOCK_AHEAD_MAX_S) {
        return Ok(());
    }
    Err(NodeError::refused(
        "by the clock of this machine the backup was made in the future; nothing was changed",
        "set the clock of this machine, and run the restore again",
    ))
}
