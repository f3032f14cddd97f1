//! Siblings: other nodes that write for an organisation of this one. What they write comes sealed through any
//! peer, and is merged by a worker.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use fingerpost_proto::api::ErrorCode;
use fingerpost_proto::documents::OwnDocument;
use fingerpost_proto::ids::{DocKey, DocName, OrgId, RecordId};
use fingerpost_proto::listing::ShardState;
use fingerpost_proto::listing::secret::conceal_shard;
use fingerpost_proto::replica::Replica;
use fingerpost_proto::storage::{Batch, Storage, Table};
use zeroize::Zeroizing;

use super::documents::{By, state_of, taken_back};
use super::{Node, NodeError, lock, now_s};
use crate::keys::random;
use crate::merge::{Answer, DOCUMENT_MAX_BYTES, MergeError, Request, Worker};
use crate::store::SledStorage;

/// After what went wrong for now, how long until the next try.
const TRY_AGAIN: Duration = Duration::from_secs(60);
/// Longest that an edit waits for a history that is just coming in, and how often it looks.
const HISTORY_WAIT: Duration = Duration::from_secs(10);
const HISTORY_POLL: Duration = Duration::from_millis(50);
/// After this a history is taken for lost, and a new one begins.
const HISTORY_MAX: Duration = Duration::from_secs(30);

/// Merges what siblings wrote whenever something arrives, until `stop`.
pub async fn run(node: Arc<Node>, mut stop: tokio::sync::watch::Receiver<bool>) {
    while !*stop.borrow() {
        node.merge_all().await;
        tokio::select! {
            () = node.merging.notified() => {}
            () = tokio::time::sleep(TRY_AGAIN) => {}
            _ = stop.changed() => {}
        }
    }
}

/// A sealed document that is to be merged, opened.
struct Job {
    key: DocKey,
    record: RecordId,
    own: Vec<u8>,
    sibling: Zeroizing<Vec<u8>>,
    how: How,
}

/// What a sealed document is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum How {
    /// Its record is undominated: its edits are merged.
    Merge,
    /// Its record is not, but may be all that is left of a newer one whose content is not here: merged as well.
    LastResort,
    /// Its record is not, and its history is wanted for lack of anything newer: it takes the place of what is here,
    /// and goes on with what is shown.
    Restore,
}

/// Why one merge came to nothing; this node's own document is as it was.
enum Failed {
    /// Something is wrong with this node just now.
    ForNow(String),
    /// Something is wrong with what the sibling wrote.
    ForGood(String),
}

impl From<NodeError> for Failed {
    fn from(error: NodeError) -> Self {
        match error.0.code {
            ErrorCode::Internal => Self::ForNow(error.to_string()),
            _ => Self::ForGood(error.to_string()),
        }
    }
}

impl From<MergeError> for Failed {
    fn from(error: MergeError) -> Self {
        match error {
            MergeError::Start(_) | MergeError::Overdue => Self::ForNow(error.to_string()),
            MergeError::TooLarge | MergeError::Refused => Self::ForGood(error.to_string()),
        }
    }
}

impl Node {
    /// Has merge workers started from another program than this one, for programs that embed a node.
    pub fn set_merge_worker(&self, program: PathBuf) {
        *lock(&self.merge_worker) = Worker::of(program);
    }

    /// Takes in all that siblings wrote and that is here sealed, and publishes the end of it.
    async fn merge_all(self: &Arc<Self>) {
        loop {
            let node = Arc::clone(self);
            let found = tokio::task::spawn_blocking(move || node.next_job()).await;
            match found {
                Ok(Ok(Some(job))) => {
                    let (key, record) = (job.key, job.record);
                    match self.merge_one(job).await {
                        Ok(()) => {}
                        Err(Failed::ForNow(error)) => {
                            tracing::warn!(
                                "{key} could not be merged, and is tried again: {error}"
                            );
                            return;
                        }
                        Err(Failed::ForGood(reason)) => {
                            tracing::warn!("what a sibling wrote in {key} is refused: {reason}");
                            self.count_refusal("merge");
                            lock(&self.given_up).insert((key, record), reason);
                        }
                    }
                }
                Ok(Ok(None)) => break,
                Ok(Err(error)) => {
                    tracing::error!("siblings' documents could not be looked at: {error}");
                    return;
                }
                Err(_) => return,
            }
        }
        let node = Arc::clone(self);
        let ended = tokio::task::spawn_blocking(move || {
            node.take_in_lost()?;
            node.end_differences()
        });
        let ended = ended.await;
        if let Ok(Err(error)) = ended {
            tracing::error!("siblings' documents could not be published: {error}");
        }
    }

    /// The next sealed document to be merged, opened. What cannot be opened is given up.
    fn next_job(&self) -> Result<Option<Job>, NodeError> {
        let replica = self.replica();
        for org in replica.own().clone() {
            let keys: Vec<DocKey> = replica.documents_of(&org).collect();
            for key in keys {
                for (record, how) in self.wanted_sealed(&replica, &key)? {
                    match self.open_sealed(&replica, &key, &record) {
                        Ok(sibling) => {
                            let own = replica.storage().get(Table::Own, &key.to_bytes())?;
                            return Ok(Some(Job {
                                key,
                                record,
                                own: own.unwrap_or_default(),
                                sibling,
                                how,
                            }));
                        }
                        Err(error) => {
                            lock(&self.given_up).insert((key, record), error.to_string());
                        }
                    }
                }
            }
        }
        Ok(None)
    }

    /// The sealed documents of siblings that are not merged and not given up.
    fn wanted_sealed(
        &self,
        replica: &Replica<SledStorage>,
        key: &DocKey,
    ) -> Result<Vec<(RecordId, How)>, NodeError> {
        let given_up = lock(&self.given_up);
        let hopeful = |record: &RecordId| !given_up.contains_key(&(*key, *record));
        let unmerged = replica.unmerged(key)?;
        let mut wanted: Vec<(RecordId, How)> = unmerged
            .iter()
            .filter(|it| it.sealed && hopeful(&it.id))
            .map(|it| (it.id, How::Merge))
            .collect();
        let has_own = replica
            .storage()
            .get(Table::Own, &key.to_bytes())?
            .is_some();
        if wanted.is_empty() && (!has_own || self.is_restoring(replica, key)?) {
            // The owner was lost between a record and its sealed document: an older history is better than none.
            let older = replica.sealed_ids(key);
            let restored = older.into_iter().filter(hopeful);
            wanted.extend(restored.map(|id| (id, How::Restore)));
        } else {
            let resorts = replica.last_resorts(key)?.into_iter().filter(hopeful);
            wanted.extend(resorts.map(|id| (id, How::LastResort)));
        }
        Ok(wanted)
    }

    /// Whether something that a sibling wrote in a document is here and about to be merged.
    fn awaits_merge(
        &self,
        replica: &Replica<SledStorage>,
        key: &DocKey,
    ) -> Result<bool, NodeError> {
        let wanted = self.wanted_sealed(replica, key)?;
        Ok(wanted.iter().any(|(_, how)| *how == How::Merge))
    }

    /// Whether the history of a document that has none here may still come: it is here sealed and was not
    /// tried in vain, or has not been waited for long. What is shown arrives a moment before it.
    pub(super) fn awaits_history(
        &self,
        replica: &Replica<SledStorage>,
        key: &DocKey,
    ) -> Result<bool, NodeError> {
        if self.is_restoring(replica, key)? {
            // It takes the place of what is written meanwhile.
            return Ok(false);
        }
        let sealed = replica.sealed_ids(key);
        if !sealed.is_empty() {
            let given_up = lock(&self.given_up);
            return Ok(sealed.iter().any(|id| !given_up.contains_key(&(*key, *id))));
        }
        let mut missed = lock(&self.missed_since);
        let since = *missed.entry(*key).or_insert_with(Instant::now);
        Ok(since.elapsed() < HISTORY_MAX || !self.exchanged.load(Ordering::Acquire))
    }

    /// No longer waits for the histories of an organisation that are not here: all who could have them were
    /// asked.
    pub(super) fn begin_histories_anew(&self, org: &OrgId) {
        let Some(long_ago) = Instant::now().checked_sub(HISTORY_MAX) else {
            return;
        };
        let keys: Vec<DocKey> = self.replica().documents_of(org).collect();
        let mut missed = lock(&self.missed_since);
        missed.extend(keys.into_iter().map(|key| (key, long_ago)));
    }

    /// Waits a little for histories that are just coming in, so that an edit need not be refused for them, and for what
    /// siblings wrote that is just being merged: a person edits what is shown, and that is shown already.
    pub(super) fn await_histories(&self, org: &OrgId) -> Result<(), NodeError> {
        let begun = Instant::now();
        while begun.elapsed() < HISTORY_WAIT {
            let replica = self.replica();
            let keys: Vec<DocKey> = replica.documents_of(org).collect();
            let mut pending = false;
            for key in keys {
                let own = replica.storage().get(Table::Own, &key.to_bytes())?;
                pending |= match own {
                    None => self.awaits_history(&replica, &key)?,
                    Some(_) => self.awaits_merge(&replica, &key)?,
                };
            }
            drop(replica);
            if !pending {
                break;
            }
            self.merging.notify_one();
            std::thread::sleep(HISTORY_POLL);
        }
        Ok(())
    }

    fn open_sealed(
        &self,
        replica: &Replica<SledStorage>,
        key: &DocKey,
        record: &RecordId,
    ) -> Result<Zeroizing<Vec<u8>>, NodeError> {
        let bytes = replica.sealed_bytes(key, record)?.unwrap_or_default();
        let identities = self.sealing_identities(&key.org);
        crate::sealing::open(&bytes, &identities, DOCUMENT_MAX_BYTES).map_err(|error| {
            NodeError::bad_input(error.to_string(), "look at the node that sealed it")
        })
    }

    /// What opens documents that are sealed for an organisation's nodes.
    fn sealing_identities(&self, org: &OrgId) -> Vec<Zeroizing<String>> {
        let keys = lock(&self.keys);
        let root = keys.org(org).map(|root| root.sealing_identity());
        std::iter::once(keys.node().sealing_identity())
            .chain(root)
            .collect()
    }

    async fn merge_one(self: &Arc<Self>, job: Job) -> Result<(), Failed> {
        let worker = lock(&self.merge_worker).clone();
        let request = Request {
            own: match job.how {
                How::Merge | How::LastResort => job.own.clone(),
                How::Restore => Vec::new(),
            },
            sibling: job.sibling.to_vec(),
            actor: random().map_err(NodeError::from)?,
            now_s: now_s(),
        };
        let answer = worker.merge(&request).await?;
        let node = Arc::clone(self);
        let took = tokio::task::spawn_blocking(move || node.take_merged(&job, &answer));
        Ok(took.await.map_err(NodeError::internal)??)
    }

    /// Keeps a merged document, and publishes it if it is this node's turn to end the difference. If this
    /// node's own changed while the worker ran, nothing is done: [`Node::next_job`] finds the same again.
    fn take_merged(&self, job: &Job, answer: &Answer) -> Result<(), NodeError> {
        let _edits = lock(&self.edits);
        let mut replica = self.replica();
        let key = job.key;
        let own = replica.storage().get(Table::Own, &key.to_bytes())?;
        if own.unwrap_or_default() != job.own {
            return Ok(());
        }
        let mut document = OwnDocument::load(&answer.document, &self.actor)?;
        let mut contains = replica.contained(&key)?;
        let mut batch = Batch::default();
        match job.how {
            How::Merge => contains.push(job.record),
            How::LastResort => replica.note_last_resort(&mut batch, &key, job.record)?,
            How::Restore => {
                if let Some(shown) = replica.shown(&key)? {
                    document = self.caught_up(document, &shown)?;
                    contains.push(shown.record.id());
                }
            }
        }
        let value: serde_json::Value = match job.how {
            How::Restore => document.value()?,
            How::Merge | How::LastResort => {
                serde_json::from_slice(&answer.value).map_err(NodeError::internal)?
            }
        };
        // What a last resort brought is nowhere else.
        let brings = job.how == How::LastResort
            && value != OwnDocument::load(&job.own, &self.actor)?.value()?;
        let state = state_of(key.name, &value)?;
        for id in &answer.kept {
            tracing::info!(
                "{id} in {key} was changed on one node and removed on another: it is kept"
            );
        }
        batch.put(Table::Own, key.to_bytes(), document.save());
        Replica::<SledStorage>::note_contained(&mut batch, &key, &contains);
        replica.storage_mut().commit(batch)?;
        self.note_history(&mut replica, &key)?;
        let is_due = brings || replica.is_to_publish_merge(&key)?;
        let published = match is_due {
            true => self.publish_merged(&mut replica, key, &mut document, state)?,
            false => Vec::new(),
        };
        replica.storage_mut().flush()?;
        self.released(replica, &published)?;
        self.tend_soon();
        Ok(())
    }

    /// Takes in, and publishes, states that are all that is left of what this node wrote in a life that its store has
    /// forgotten. A document that has no history here, when none is to be waited for any more, goes on from what is shown.
    fn take_in_lost(&self) -> Result<(), NodeError> {
        let _edits = lock(&self.edits);
        let mut replica = self.replica();
        let mut published = Vec::new();
        for key in own_documents(&replica) {
            let Some((record, state)) = replica.lost_state(&key)? else {
                continue;
            };
            if !self.has_own(&replica, &key)? && self.awaits_history(&replica, &key)? {
                continue;
            }
            let mut document = self.own_document(&replica, &key)?;
            let contains = self.contained_by_own(&replica, &key)?;
            let mut batch = Batch::default();
            match take_in(&mut document, key.name, &state) {
                Ok(brought) => {
                    if let Some(state) = brought {
                        match self.publish_merged(&mut replica, key, &mut document, state) {
                            Ok(ended) => published.extend(ended),
                            Err(error) => {
                                tracing::warn!(
                                    "what peers keep of a forgotten change of {key} could not be published, and is tried again: {error}"
                                );
                                continue;
                            }
                        }
                        tracing::info!(
                            "{key}: what peers keep of a forgotten change was taken back"
                        );
                    }
                    batch.put(Table::Own, key.to_bytes(), document.save());
                    Replica::<SledStorage>::note_contained(&mut batch, &key, &contains);
                }
                Err(error) => tracing::warn!(
                    "what peers keep of a forgotten change of {key} could not be taken back: {error}"
                ),
            }
            replica.note_last_resort(&mut batch, &key, record)?;
            replica.storage_mut().commit(batch)?;
            replica.storage_mut().flush()?;
        }
        self.released(replica, &published)
    }

    /// Publishes a document with what was merged, if this node may. Gives what was published.
    fn publish_merged(
        &self,
        replica: &mut Replica<SledStorage>,
        key: DocKey,
        document: &mut OwnDocument,
        state: Vec<u8>,
    ) -> Result<Vec<DocKey>, NodeError> {
        let may = self.may_write(replica, &key)?
            && self.check_not_moving(replica, &key.org, key.name).is_ok();
        if !may {
            return Ok(Vec::new());
        }
        let state = conceal_merged(document, key.name, state)?;
        let contains = self.contained_by_own(replica, &key)?;
        self.publish_document(replica, key, document, state, contains)?;
        Ok(vec![key])
    }

    /// Publishes what was merged earlier and could not be published then: there was no room, the clock was wrong, or
    /// it was the turn of a node that is revoked by now.
    fn end_differences(&self) -> Result<(), NodeError> {
        let _edits = lock(&self.edits);
        let mut replica = self.replica();
        let mut published = Vec::new();
        for key in own_documents(&replica) {
            if !replica.is_to_publish_merge(&key)? || !self.has_own(&replica, &key)? {
                continue;
            }
            let mut document = self.own_document(&replica, &key)?;
            let state = state_of(key.name, &document.value()?)?;
            match self.publish_merged(&mut replica, key, &mut document, state) {
                Ok(ended) => published.extend(ended),
                Err(error) => tracing::warn!(
                    "what was merged in {key} could not be published, and is tried again: {error}"
                ),
            }
        }
        self.released(replica, &published)
    }

    /// Whether the histories of an organisation's documents are here, as far as they are to be had.
    pub(super) fn has_histories(&self, org: &OrgId) -> Result<bool, NodeError> {
        let replica = self.replica();
        let keys: Vec<DocKey> = replica.documents_of(org).collect();
        for key in keys {
            if !self.wanted_sealed(&replica, &key)?.is_empty() {
                self.merging.notify_one();
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Whether this node's role lets it write a document.
    fn may_write(&self, replica: &Replica<SledStorage>, key: &DocKey) -> Result<bool, NodeError> {
        let delegation = self.own_delegation(replica, &key.org)?;
        Ok(delegation.get().role.may_write(key.name))
    }
}

/// The documents of the organisations that this node writes for.
fn own_documents(replica: &Replica<SledStorage>) -> Vec<DocKey> {
    let own = replica.own().iter();
    own.flat_map(|org| replica.documents_of(org)).collect()
}

/// Takes a state into a document. Gives what the document then says, if that brought anything.
fn take_in(
    document: &mut OwnDocument,
    name: DocName,
    state: &[u8],
) -> Result<Option<Vec<u8>>, NodeError> {
    let state: serde_json::Value = serde_json::from_slice(state).map_err(NodeError::internal)?;
    let now_s = i64::try_from(now_s()).unwrap_or(0);
    match document.take_in(&state, &taken_back(), now_s)? {
        true => state_of(name, &document.value()?).map(Some),
        false => Ok(None),
    }
}

/// One machine may have marked a service confidential while another wrote its address: what the merge put
/// together is not published with it. Gives the state to publish.
pub(super) fn conceal_merged(
    document: &mut OwnDocument,
    name: DocName,
    state: Vec<u8>,
) -> Result<Vec<u8>, NodeError> {
    let DocName::Listing(shard) = name else {
        return Ok(state);
    };
    let Ok(mut shown) = ShardState::parse(&state, shard) else {
        return Ok(state);
    };
    if conceal_shard(&mut shown).is_empty() {
        return Ok(state);
    }
    let content = serde_json::to_value(&shown).map_err(NodeError::internal)?;
    let note = By::node()?.note("the place of a confidential service left out");
    document.update(&content, &note, i64::try_from(now_s()).unwrap_or(0))?;
    state_of(name, &document.value()?)
}
