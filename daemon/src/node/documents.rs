//! This node's own documents: kept in automerge with their history, published as record and state.

use fingerpost_proto::card::Card;
use fingerpost_proto::certificate::{Delegation, Role};
use fingerpost_proto::documents::{ChangeNote, OwnDocument};
use fingerpost_proto::ids::{DocKey, DocName, OrgId, RecordId};
use fingerpost_proto::record::{Hash, Instance};
use fingerpost_proto::replica::{Contained, Draft, Replica};
use fingerpost_proto::signed::Signed;
use fingerpost_proto::storage::{Batch, Storage, Table};

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

    /// A new operation of the node itself.
    ///
    /// # Errors
    /// As [`By::user`].
    pub fn node() -> Result<Self, NodeError> {
        Self::user("this node")
    }
}

impl Node {
    /// Opens an own document. One whose history is lost (the store was begun anew) goes on from the state
    /// that peers gave back.
    pub(super) fn own_document(
        &self,
        replica: &Replica<SledStorage>,
        key: &DocKey,
    ) -> Result<OwnDocument, NodeError> {
        if let Some(bytes) = replica.storage().get(Table::Own, &key.to_bytes())? {
            return Ok(OwnDocument::load(&bytes, &self.actor)?);
        }
        let mut document = OwnDocument::new(&self.actor);
        if let Some(shown) = replica.shown(key)? {
            let state: serde_json::Value =
                serde_json::from_slice(&shown.state).map_err(NodeError::internal)?;
            let note = ChangeNote {
                who: "this node".into(),
                what: "taken back from the network".into(),
                operation: String::new(),
            };
            document.update(&state, &note, i64::try_from(now_s()).unwrap_or(0))?;
        }
        Ok(document)
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

    /// Writes the new content of an own document and publishes it: automerge document, record and state
    /// in one batch, flushed before anybody hears of it. Answers `None` if nothing changed.
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
        let note = ChangeNote {
            who: by.who.clone(),
            what: what.to_owned(),
            operation: by.operation.clone(),
        };
        let changed = document.update(content, &note, i64::try_from(now_s()).unwrap_or(0))?;
        if !changed && replica.shown_id(&key)?.is_some() {
            return Ok(None);
        }
        let draft = Draft {
            key,
            state,
            heads: document.heads().into_iter().map(Hash).collect(),
            delegation: self.own_delegation(replica, &key.org)?,
            contains: Contained::All,
            sealed: None,
        };
        let mut also = Batch::default();
        also.put(Table::Own, key.to_bytes(), document.save());
        let record = {
            let keys = lock(&self.keys);
            replica.publish(now_s(), draft, keys.node(), Instance(random()?), also)?
        };
        Ok(Some(record.id()))
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
        Card::parse(&shown.state).map_err(NodeError::internal)
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
        let mut card = self.own_card(&replica, org)?;
        edit(&mut card)?;
        let key = DocKey {
            org: *org,
            name: DocName::Card,
        };
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
