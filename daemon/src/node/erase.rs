//! Erasing for good: an item and every trace of it, or the history of what a listing used to say.
//!
//! The documents that ever held the item begin their history anew without it. What they say now is published like any
//! edit; the record tells peers that something was erased, and everybody who held it writes its store anew (see
//! [`super::wipe`]).

use std::collections::BTreeSet;

use fingerpost_proto::api::{Erase, Erased};
use fingerpost_proto::documents::OwnDocument;
use fingerpost_proto::ids::{DocKey, DocName, OrgId};
use fingerpost_proto::replica::Replica;

use super::documents::{By, state_of};
use super::names::org_ref;
use super::{Node, NodeError, lock, now_s};
use crate::store::SledStorage;

/// Most items that one command erases.
const ITEMS_MAX: usize = 256;

impl Node {
    /// Erases items of an organisation's listing or board, or only the history of both. This node's own disk holds
    /// nothing of it any more when it returns; peers follow as they hear of it.
    ///
    /// # Errors
    /// [`NodeError`]; nothing was changed then, unless it says otherwise.
    pub fn erase(&self, org: &OrgId, request: &Erase, by: &By) -> Result<Erased, NodeError> {
        self.check_confirmed(org, &request.confirm)?;
        let ids: BTreeSet<String> = request.ids.iter().cloned().collect();
        if (ids.is_empty() && !request.history) || ids.len() > ITEMS_MAX {
            return Err(NodeError::bad_input(
                format!(
                    "between 1 and {ITEMS_MAX} items can be erased at once, or the history alone; nothing was changed"
                ),
                "name the ids of what should go, or add --history",
            ));
        }
        let edits = lock(&self.edits);
        let mut replica = self.replica();
        let mut documents = self.documents_with(&replica, org, &ids, request.history)?;
        let erased: Vec<String> = ids.into_iter().collect();
        let what = match erased.len() {
            0 => "history erased".to_owned(),
            count => format!("{count} erased for good"),
        };
        let mut states = Vec::new();
        for (key, document) in &mut documents {
            self.check_not_moving(&replica, org, key.name)?;
            let now_s = i64::try_from(now_s()).unwrap_or(0);
            document.begin_anew(&erased, &by.note(&what), now_s)?;
            states.push(state_of(key.name, &document.value()?)?);
        }
        // All of it, or none, survives a crash.
        replica.storage_mut().hold();
        let mut notes = Vec::new();
        for ((key, document), state) in documents.iter_mut().zip(states) {
            for waiting in replica.unmerged(key)? {
                notes.push(format!(
                    "what {} wrote last has not arrived in full: if that says it too, it goes as soon as it does",
                    waiting.node.short()
                ));
            }
            let contains = self.contained_by_own(&replica, key)?;
            self.publish_document(&mut replica, *key, document, state, contains)?;
        }
        let keys: Vec<DocKey> = documents.iter().map(|(key, _)| *key).collect();
        let organisation = org_ref(&replica, org);
        self.released(replica, &keys)?;
        drop(edits);
        if let Err(error) = self.wipe() {
            notes.push(format!(
                "it is erased for everybody, but its bytes are still on this disk, and are tried to be removed again: {error}"
            ));
        }
        Ok(Erased {
            organisation,
            ids: erased,
            documents: keys.into_iter().map(|key| key.name).collect(),
            notes,
        })
    }

    /// The documents to be begun anew: of the listing all shards, between which services move, and the board, where any
    /// of them ever held one of the items.
    fn documents_with(
        &self,
        replica: &Replica<SledStorage>,
        org: &OrgId,
        ids: &BTreeSet<String>,
        history: bool,
    ) -> Result<Vec<(DocKey, OwnDocument)>, NodeError> {
        let keys: Vec<DocKey> = replica.documents_of(org).collect();
        let (mut listing, mut board) = (Vec::new(), Vec::new());
        let (mut in_listing, mut in_board) = (BTreeSet::new(), BTreeSet::new());
        for key in keys {
            let (documents, found) = match key.name {
                DocName::Card => continue,
                DocName::Listing(_) => (&mut listing, &mut in_listing),
                DocName::Board => (&mut board, &mut in_board),
            };
            if replica.unmerged(&key)?.iter().any(|it| it.sealed) {
                self.merging.notify_one();
                return Err(NodeError::refused(
                    "what another of your nodes wrote is just being merged; nothing was changed",
                    "try again in a moment",
                ));
            }
            let mut document = self.own_document(replica, &key)?;
            found.append(&mut document.ever_held(ids)?);
            documents.push((key, document));
        }
        if let Some(unknown) = ids
            .iter()
            .find(|id| !in_listing.contains(*id) && !in_board.contains(*id))
        {
            return Err(NodeError::not_found(
                format!(
                    "nothing with the id {unknown} is or was in what this organisation says; nothing was changed"
                ),
                "fingerpost show and fingerpost listing export tell the ids of services, contacts, phones and places",
            ));
        }
        let mut chosen = Vec::new();
        if history || !in_listing.is_empty() {
            chosen.append(&mut listing);
        }
        if history || !in_board.is_empty() {
            chosen.append(&mut board);
        }
        if chosen.is_empty() {
            return Err(NodeError::not_found(
                "this organisation has neither a listing nor needs; nothing was changed",
                "fingerpost org list shows the organisations of this node",
            ));
        }
        Ok(chosen)
    }
}
