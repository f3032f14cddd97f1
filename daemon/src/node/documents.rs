//! This node's own documents: kept in automerge with their history, published as record and state.

use fingerpost_proto::board::BoardState;
use fingerpost_proto::card::Card;
use fingerpost_proto::certificate::{Delegation, Role};
use fingerpost_proto::documents::{ChangeNote, OwnDocument};
use fingerpost_proto::ids::{DocKey, DocName, NodeId, OrgId, RecordId};
use fingerpost_proto::keys::sealing_recipient;
use fingerpost_proto::limits;
use fingerpost_proto::listing::ShardState;
use fingerpost_proto::record::{Hash, Instance};
use fingerpost_proto::replica::{Contained, Draft, Replica, Shown, State};
use fingerpost_proto::signed::Signed;
use fingerpost_proto::storage::{Batch, Storage, Table};

use super::names::card_of;
use super::nodes::new_delegation;
use super::{Node, NodeError, lock, now_s};
use crate::keys::random;
use crate::store::SledStorage;

/// Who asks for a change, and which operation it belongs to.
#[derive(Debug, Clone)]
pub struct By {
    /// The user of this machine.
    pub who: String,
    /// Names the operation, which may touch several documents.
    pub operation: String,
}

impl By {
    /// A new operation of a user.
    ///
    /// # Errors
    /// [`NodeError`] if the system gives no random bytes.
    pub fn user(who: impl Into<String>) -> Result<Self, NodeError> {
        let operation = data_encoding::HEXLOWER.encode(&random::<8>()?);
        Ok(Self {
            who: who.into(),
            operation,
        })
    }

    /// What stands in a document's history of a change that this operation makes.
    pub(super) fn note(&self, what: &str) -> ChangeNote {
        ChangeNote {
            who: self.who.clone(),
            what: what.to_owned(),
            operation: self.operation.clone(),
        }
    }

    /// A new operation of the node itself.
    ///
    /// # Errors
    /// As [`By::user`].
    pub fn node() -> Result<Self, NodeError> {
        Self::user("this node")
    }
}

/// How long a document with its history may be before the history begins anew, in bytes.
const HISTORY_MAX_BYTES: usize = limits::SEALED_MAX_BYTES / 4 * 3;
/// The same, on all nodes of an organisation but one.
const HISTORY_OTHERS_MAX_BYTES: usize = limits::SEALED_MAX_BYTES / 8 * 7;

impl Node {
    /// Opens an own document. One whose history is lost (the store was begun anew) goes on from the state
    /// that peers gave back, unless they keep its history sealed: that is taken in first.
    pub(super) fn own_document(
        &self,
        replica: &Replica<SledStorage>,
        key: &DocKey,
    ) -> Result<OwnDocument, NodeError> {
        if let Some(bytes) = replica.storage().get(Table::Own, &key.to_bytes())? {
            return Ok(OwnDocument::load(&bytes, &self.actor)?);
        }
        let Some(shown) = replica.shown(key)? else {
            return Ok(OwnDocument::new(&self.actor));
        };
        if self.awaits_history(replica, key)? {
            self.merging.notify_one();
            return Err(NodeError::refused(
                "the history of this document is just coming back from the network; nothing was changed",
                "try again in a moment",
            ));
        }
        self.recovered(&shown)
    }

    /// A document that goes on from what is shown, without the history of that.
    pub(super) fn recovered(&self, shown: &Shown) -> Result<OwnDocument, NodeError> {
        let state: serde_json::Value =
            serde_json::from_slice(&shown.state).map_err(NodeError::internal)?;
        let generation = shown.record.get().generation.unwrap_or(0);
        let now_s = i64::try_from(now_s()).unwrap_or(0);
        Ok(OwnDocument::recovered(
            &state,
            generation,
            &self.actor,
            &taken_back(),
            now_s,
        )?)
    }

    /// The delegation of this node by one of its organisations; made from the root key where it is
    /// missing.
    pub(super) fn own_delegation(
        &self,
        replica: &Replica<SledStorage>,
        org: &OrgId,
    ) -> Result<Signed<Delegation>, NodeError> {
        if let Some(delegation) = replica.delegation(org, &self.id())? {
            return Ok(delegation);
        }
        if let Some(delegation) = lock(&self.keys).delegation(org) {
            return Ok(delegation.clone());
        }
        let root = self.root_key(org)?;
        Ok(new_delegation(&root, self.id(), Role::Admin))
    }

    /// Writes the new content of an own document and publishes it: automerge document, record, state and
    /// sealed document in one batch, flushed before anybody hears of it. Answers `None` if nothing changed.
    pub(super) fn publish(
        &self,
        replica: &mut Replica<SledStorage>,
        key: DocKey,
        content: &serde_json::Value,
        state: Vec<u8>,
        what: &str,
        by: &By,
    ) -> Result<Option<RecordId>, NodeError> {
        self.check_not_moving(replica, &key.org, key.name)?;
        let mut document = self.own_document(replica, &key)?;
        let changed =
            document.update(content, &by.note(what), i64::try_from(now_s()).unwrap_or(0))?;
        if !changed && replica.shown_id(&key)?.is_some() {
            return Ok(None);
        }
        let contains = self.contained_by_own(replica, &key)?;
        self.publish_document(replica, key, &mut document, state, contains)
            .map(Some)
    }

    /// The undominated records that an own document contains. One without a history of its own is made from
    /// what is shown.
    pub(super) fn contained_by_own(
        &self,
        replica: &Replica<SledStorage>,
        key: &DocKey,
    ) -> Result<Vec<RecordId>, NodeError> {
        match replica.storage().get(Table::Own, &key.to_bytes())? {
            Some(_) => Ok(replica.contained(key)?),
            None => Ok(replica.shown_id(key)?.into_iter().collect()),
        }
    }

    /// Publishes an own document as it stands, sealed to all that may write it by the card that is being
    /// published or that is held. `state` is what it says; `contains` are the undominated records whose
    /// edits are in it.
    pub(super) fn publish_document(
        &self,
        replica: &mut Replica<SledStorage>,
        key: DocKey,
        document: &mut OwnDocument,
        state: Vec<u8>,
        contains: Vec<RecordId>,
    ) -> Result<RecordId, NodeError> {
        let card = match key.name {
            DocName::Card => Card::parse(&state).ok(),
            _ => card_of(replica, &key.org),
        };
        let nodes = card.as_ref().map(nodes_of_card).unwrap_or_default();
        self.publish_document_for(replica, key, document, state, contains, &nodes)
    }

    /// The same, sealed to the nodes that are named, and to the organisation.
    pub(super) fn publish_document_for(
        &self,
        replica: &mut Replica<SledStorage>,
        key: DocKey,
        document: &mut OwnDocument,
        state: Vec<u8>,
        contains: Vec<RecordId>,
        nodes: &[NodeId],
    ) -> Result<RecordId, NodeError> {
        self.check_not_moving(replica, &key.org, key.name)?;
        self.check_room_for_edit()?;
        self.metrics.edit_begins();
        self.shorten(&key, document, nodes)?;
        let bytes = document.save();
        // While an organisation comes back, its peers keep the histories that it had; a new one that is
        // sealed would take the place of an older one that has not come back yet.
        let sealed = match self.is_restoring(replica, &key)? {
            true => None,
            false => seal_own(&key, &bytes, nodes),
        };
        let draft = Draft {
            key,
            state,
            heads: document.heads().into_iter().map(Hash).collect(),
            generation: document.generation(),
            delegation: self.own_delegation(replica, &key.org)?,
            contains: Contained::These(contains),
            sealed,
        };
        let mut also = Batch::default();
        also.put(Table::Own, key.to_bytes(), bytes);
        let record = {
            let keys = lock(&self.keys);
            replica.publish(now_s(), draft, keys.node(), Instance(random()?), also)?
        };
        Ok(record.id())
    }

    /// Lets go of the history of a document that has grown so long that peers could soon not keep it. One node does
    /// so a little earlier than the others, so that it rarely happens on two at once.
    fn shorten(
        &self,
        key: &DocKey,
        document: &mut OwnDocument,
        nodes: &[NodeId],
    ) -> Result<(), NodeError> {
        let most = match nodes.iter().min() {
            Some(first) if *first != self.id() => HISTORY_OTHERS_MAX_BYTES,
            _ => HISTORY_MAX_BYTES,
        };
        let size_bytes = document.save().len();
        if size_bytes <= most {
            return Ok(());
        }
        let mut shorter = document.clone();
        let note = By::node()?.note("history begun anew, because it had grown too long");
        shorter.begin_anew(&[], &note, i64::try_from(now_s()).unwrap_or(0))?;
        // A document whose content alone is as large gains nothing.
        if shorter.save().len() <= size_bytes / 2 {
            tracing::info!("the history of {key} had grown too long, and begins anew");
            *document = shorter;
        }
        Ok(())
    }

    /// Publishes all documents of an organisation anew, unchanged: after its nodes have changed, so that the
    /// new ones can open what is sealed, and those that were revoked cannot. A document whose history is
    /// still awaited is sealed to them with its next change.
    pub(super) fn reseal(&self, org: &OrgId) -> Result<(), NodeError> {
        let _edits = lock(&self.edits);
        let mut replica = self.replica();
        let keys: Vec<DocKey> = replica.documents_of(org).collect();
        let mut published = Vec::new();
        for key in keys {
            if !self.has_own(&replica, &key)? && self.awaits_history(&replica, &key)? {
                continue;
            }
            let mut document = self.own_document(&replica, &key)?;
            let state = state_of(key.name, &document.value()?)?;
            let contains = self.contained_by_own(&replica, &key)?;
            self.publish_document(&mut replica, key, &mut document, state, contains)?;
            published.push(key);
        }
        self.released(replica, &published)
    }

    /// Publishes once more what a forgotten life of this node's store has overtaken, beside that.
    pub(super) fn publish_overtaken(&self) -> Result<(), NodeError> {
        let _edits = lock(&self.edits);
        let mut replica = self.replica();
        let own = replica.own().clone();
        let keys = own.iter().flat_map(|org| replica.documents_of(org));
        let mut published = Vec::new();
        for key in keys.collect::<Vec<_>>() {
            if replica.is_overtaken(&key)? && self.has_own(&replica, &key)? {
                let mut document = self.own_document(&replica, &key)?;
                let state = state_of(key.name, &document.value()?)?;
                self.publish_document(&mut replica, key, &mut document, state, Vec::new())?;
                published.push(key);
            }
        }
        self.released(replica, &published)
    }

    /// Flushes the store, then tells the network and the index of new records.
    pub(super) fn released(
        &self,
        mut replica: std::sync::MutexGuard<'_, Replica<SledStorage>>,
        keys: &[DocKey],
    ) -> Result<(), NodeError> {
        if keys.is_empty() {
            return Ok(());
        }
        replica.storage_mut().flush()?;
        self.metrics.edit_durable();
        drop(replica);
        for key in keys {
            self.announce(*key);
        }
        self.feed();
        self.changed_own();
        Ok(())
    }

    /// The card of one of this node's own organisations.
    pub(super) fn own_card(
        &self,
        replica: &Replica<SledStorage>,
        org: &OrgId,
    ) -> Result<Card, NodeError> {
        let key = DocKey {
            org: *org,
            name: DocName::Card,
        };
        let shown = replica.shown(&key)?.ok_or_else(|| {
            NodeError::refused(
                "the card of that organisation has not come back from the network yet; nothing was changed",
                "wait until \"fingerpost status\" shows an exchange with a peer, then try again",
            )
        })?;
        // While siblings differ, what this node's own document says is what an edit goes on from.
        if !replica.unmerged(&key)?.is_empty() && self.has_own(replica, &key)? {
            return Ok(self.own_document(replica, &key)?.get()?);
        }
        Card::parse(&shown.state).map_err(NodeError::internal)
    }

    pub(super) fn has_own(
        &self,
        replica: &Replica<SledStorage>,
        key: &DocKey,
    ) -> Result<bool, NodeError> {
        let stored = replica.storage().get(Table::Own, &key.to_bytes())?;
        Ok(stored.is_some())
    }

    /// Changes an own card and publishes it. Answers whether anything changed.
    pub(super) fn edit_card(
        &self,
        org: &OrgId,
        what: &str,
        by: &By,
        edit: impl FnOnce(&mut Card) -> Result<(), NodeError>,
    ) -> Result<bool, NodeError> {
        let _edits = lock(&self.edits);
        let mut replica = self.replica();
        let key = DocKey {
            org: *org,
            name: DocName::Card,
        };
        self.catch_up(&mut replica, &key)?;
        let mut card = self.own_card(&replica, org)?;
        edit(&mut card)?;
        card.say_revocations(&replica.unsaid_revocations(org)?);
        let published = self.publish_card(&mut replica, key, &card, what, by)?;
        let keys: Vec<DocKey> = published.map(|_| key).into_iter().collect();
        self.released(replica, &keys)?;
        Ok(!keys.is_empty())
    }

    pub(super) fn publish_card(
        &self,
        replica: &mut Replica<SledStorage>,
        key: DocKey,
        card: &Card,
        what: &str,
        by: &By,
    ) -> Result<Option<RecordId>, NodeError> {
        card.check()
            .map_err(|error| NodeError::bad_input(error.to_string(), "mend the input"))?;
        let content = serde_json::to_value(card).map_err(NodeError::internal)?;
        self.publish(replica, key, &content, card.to_bytes(), what, by)
    }
}

/// The note in a history that begins anew.
pub(super) fn taken_back() -> ChangeNote {
    ChangeNote {
        who: "this node".into(),
        what: "taken back from the network".into(),
        operation: String::new(),
    }
}

/// Seals an own document to nodes and to its organisation's root key. A document that cannot be sealed is
/// published all the same: it is the backup that is missing then, and the log says so.
fn seal_own(key: &DocKey, document: &[u8], nodes: &[NodeId]) -> Option<Vec<u8>> {
    let all = nodes.iter().map(NodeId::as_bytes);
    let recipients: Vec<String> = all
        .chain([key.org.as_bytes()])
        .filter_map(sealing_recipient)
        .collect();
    match crate::sealing::seal(document, &recipients) {
        Ok(sealed) if sealed.len() <= limits::SEALED_MAX_BYTES => Some(sealed),
        Ok(sealed) => {
            tracing::warn!(
                "{key} with its history is too large to be kept by others ({} KiB): they hold what it says, but not how it came about",
                sealed.len() / 1024
            );
            None
        }
        Err(error) => {
            tracing::warn!("{key} could not be sealed: {error}");
            None
        }
    }
}

/// The nodes that a card delegates and does not revoke, by what it claims: to seal to one more does no harm
/// that its writer could not do anyway.
pub(super) fn nodes_of_card(card: &Card) -> Vec<NodeId> {
    let revoked: Vec<NodeId> = card
        .revocations
        .iter()
        .filter_map(|carried| Some(carried.claimed().ok()?.node))
        .collect();
    let nodes = card
        .delegations
        .iter()
        .filter_map(|carried| Some(carried.claimed().ok()?.node));
    nodes.filter(|node| !revoked.contains(node)).collect()
}

/// What an own document says, as the bytes of its state, under all rules of its kind.
pub(super) fn state_of(name: DocName, value: &serde_json::Value) -> Result<Vec<u8>, NodeError> {
    let bytes = match name {
        DocName::Card => serde_json::from_value::<Card>(value.clone())
            .map_err(not_such_a_document)?
            .to_bytes(),
        DocName::Listing(_) => serde_json::from_value::<ShardState>(value.clone())
            .map_err(not_such_a_document)?
            .to_bytes()
            .map_err(|error| {
                NodeError::bad_input(error.to_string(), "shorten what the message names")
            })?,
        DocName::Board => serde_json::from_value::<BoardState>(value.clone())
            .map_err(not_such_a_document)?
            .to_bytes()
            .map_err(|error| {
                NodeError::bad_input(error.to_string(), "shorten what the message names")
            })?,
    };
    State::parse(name, &bytes).map_err(|refusal| {
        NodeError::bad_input(refusal.to_string(), "shorten what the message names")
    })?;
    Ok(bytes)
}

fn not_such_a_document(error: serde_json::Error) -> NodeError {
    NodeError::bad_input(
        format!("the document does not hold what belongs there: {error}; nothing was changed"),
        "undo what was changed last, or look at the node that wrote it",
    )
}
