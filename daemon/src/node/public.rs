//! How what the public interface shows follows the store.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError, RwLock};

use fingerpost_proto::board::BoardState;
use fingerpost_proto::ids::{DocKey, DocName, OrgId};
use fingerpost_proto::listing::ShardState;

use super::feed::parents;
use super::names::org_ref;
use super::{Node, days, lock};
use crate::oruk::Catalogue;
use crate::search::{Page, Query, SearchError};

/// The catalogue of the public interface.
#[derive(Debug, Default)]
pub(super) struct Public {
    /// Documents that it has not read again yet; `None` while the interface is closed.
    marked: Mutex<Option<BTreeSet<DocKey>>>,
    catalogue: RwLock<Catalogue>,
}

impl Node {
    /// Begins to follow the store for the public interface.
    pub(crate) fn open_catalogue(&self) {
        let keys: BTreeSet<DocKey> = {
            let replica = self.replica();
            let orgs: Vec<OrgId> = replica.organisations();
            orgs.iter()
                .flat_map(|org| replica.documents_of(org).collect::<Vec<_>>())
                .collect()
        };
        let mut marked = lock(&self.public.marked);
        marked.get_or_insert_default().extend(keys);
    }

    /// A document may be shown otherwise than before.
    pub(super) fn mark_for_catalogue(&self, key: DocKey) {
        if let Some(marked) = lock(&self.public.marked).as_mut() {
            marked.insert(key);
        }
    }

    /// Lets work read the catalogue, brought up to date first.
    pub(crate) fn with_catalogue<T>(&self, work: impl FnOnce(&Catalogue) -> T) -> T {
        let is_marked = lock(&self.public.marked)
            .as_ref()
            .is_some_and(|marked| !marked.is_empty());
        if is_marked {
            // Marks are taken under the lock: whoever finds none waits until what was marked has been read.
            let mut catalogue = self
                .public
                .catalogue
                .write()
                .unwrap_or_else(PoisonError::into_inner);
            let marked = lock(&self.public.marked)
                .as_mut()
                .map(std::mem::take)
                .unwrap_or_default();
            for key in marked {
                self.read_into(&mut catalogue, key);
            }
        }
        work(
            &self
                .public
                .catalogue
                .read()
                .unwrap_or_else(PoisonError::into_inner),
        )
    }

    fn read_into(&self, catalogue: &mut Catalogue, key: DocKey) {
        let hidden = {
            let replica = self.replica();
            self.left_out(&replica, &key.org) == Some(true)
        };
        match key.name {
            DocName::Card => return,
            DocName::Listing(_) if !hidden => {
                if let Some((shard, issued_at_s)) = self.shown_shard(&key) {
                    let elsewhere = parents(&self.replica(), &key, &shard);
                    catalogue.put_shard(key, &shard, issued_at_s, &elsewhere);
                    return;
                }
            }
            DocName::Board if !hidden => {
                if let Some(board) = self.shown_board(&key) {
                    catalogue.put_board(key, &board);
                    return;
                }
            }
            DocName::Listing(_) | DocName::Board => {}
        }
        catalogue.remove(&key);
    }

    /// A shard as it is shown, and when its record was made, in seconds since 1970-01-01 UTC.
    pub(crate) fn shown_shard(&self, key: &DocKey) -> Option<(ShardState, u64)> {
        let DocName::Listing(shard) = key.name else {
            return None;
        };
        let shown = self.replica().shown(key).ok()??;
        let state = ShardState::parse(&shown.state, shard).ok()?;
        Some((state, shown.record.get().issued_at_s))
    }

    /// A board as it is shown.
    pub(crate) fn shown_board(&self, key: &DocKey) -> Option<BoardState> {
        BoardState::parse(&self.replica().shown(key).ok()??.state).ok()
    }

    /// What the search index finds.
    pub(crate) fn search_index(&self, query: &Query) -> Result<Page, SearchError> {
        self.index.search(query)
    }

    /// What an organisation calls itself.
    pub(crate) fn name_of(&self, org: &OrgId) -> String {
        org_ref(&self.replica(), org).name
    }

    /// Today, as `YYYY-MM-DD`.
    pub(crate) fn today(&self) -> String {
        days::today()
    }
}
