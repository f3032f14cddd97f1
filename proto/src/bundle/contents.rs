//! What goes into a bundle, and in which order.

use std::vec::IntoIter;

use super::Counts;
use crate::ids::{CharterId, DocKey, DocName, NetworkId, OrgId, RecordId};
use crate::replica::{Item, Replica, ReplicaError};
use crate::storage::Storage;

/// How many documents are looked at before the replica is let go of.
const SIFT_DOCUMENTS: usize = 512;

/// What a bundle is to hold: everything that a member of the network may see, by what it is. What an item says is
/// read when its turn comes, so the whole is never in memory.
///
/// First the cards, so that each is preceded by those who vouch for it; then departures and amendments; then listings
/// and boards; then sealed documents. Whoever takes them in this order knows of each whether it is a member's.
#[derive(Debug)]
pub struct Contents {
    network: NetworkId,
    since_s: Option<u64>,
    cards: IntoIter<OrgId>,
    departures: IntoIter<OrgId>,
    amendments: IntoIter<CharterId>,
    documents: IntoIter<DocKey>,
    sealed: IntoIter<(DocKey, RecordId)>,
    /// Those of which it is not known yet whether they are new enough.
    unsifted: Unsifted,
    counts: Counts,
}

#[derive(Debug, Default)]
struct Unsifted {
    documents: IntoIter<DocKey>,
    sealed: IntoIter<(DocKey, RecordId)>,
    kept: Vec<DocKey>,
    kept_sealed: Vec<(DocKey, RecordId)>,
}

type Read<T, S> = Result<T, ReplicaError<<S as Storage>::Error>>;

impl Contents {
    /// Looks what there is of a network. `since_s` leaves out listings, boards and sealed documents whose record was
    /// issued before that moment; what decides who is a member always travels.
    pub fn collect<S: Storage>(
        replica: &mut Replica<S>,
        network: NetworkId,
        since_s: Option<u64>,
    ) -> Self {
        let cards = replica.cards_in_order(&network);
        let open = [network];
        let mut documents: Vec<DocKey> = replica
            .summaries()
            .map(|(key, _)| *key)
            .filter(|key| !key.name.is_card())
            .collect();
        documents.dedup();
        let mut shown = Shown::default();
        documents.retain(|key| shown.is(&key.org, replica, &open));
        let mut sealed: Vec<(DocKey, RecordId)> = replica
            .sealed()
            .filter(|(_, _, is_current)| *is_current)
            .map(|(key, record, _)| (key, record))
            .collect();
        sealed.retain(|(key, _)| shown.is(&key.org, replica, &open));
        let departures: Vec<OrgId> = replica.departures(&network).map(|(org, _)| org).collect();
        let amendments = replica.amendment_ids(&network);
        let card_of = |org: &OrgId| DocKey {
            org: *org,
            name: DocName::Card,
        };
        let cards_count = cards
            .iter()
            .map(|org| replica.record_ids(&card_of(org)).len());
        let mut contents = Self {
            network,
            since_s,
            counts: Counts {
                cards: cards_count.sum::<usize>() as u64,
                departures: departures.len() as u64,
                amendments: amendments.len() as u64,
                ..Counts::default()
            },
            cards: cards.into_iter(),
            departures: departures.into_iter(),
            amendments: amendments.into_iter(),
            documents: Vec::new().into_iter(),
            sealed: Vec::new().into_iter(),
            unsifted: Unsifted::default(),
        };
        match since_s {
            None => contents.settle(replica, documents, sealed),
            Some(_) => {
                contents.unsifted.documents = documents.into_iter();
                contents.unsifted.sealed = sealed.into_iter();
            }
        }
        contents
    }

    /// Reads of some more documents when they were issued; false when nothing is left to be read.
    ///
    /// # Errors
    /// [`ReplicaError`].
    pub fn sift<S: Storage>(&mut self, replica: &Replica<S>) -> Read<bool, S> {
        let Some(since_s) = self.since_s else {
            return Ok(false);
        };
        let unsifted = &mut self.unsifted;
        for key in unsifted.documents.by_ref().take(SIFT_DOCUMENTS) {
            if replica.is_issued_since(&key, since_s)? {
                unsifted.kept.push(key);
            }
        }
        if unsifted.documents.len() > 0 {
            return Ok(true);
        }
        for (key, record) in unsifted.sealed.by_ref().take(SIFT_DOCUMENTS) {
            if replica.is_issued_since(&key, since_s)? {
                unsifted.kept_sealed.push((key, record));
            }
        }
        if unsifted.sealed.len() > 0 {
            return Ok(true);
        }
        let Unsifted {
            kept, kept_sealed, ..
        } = std::mem::take(unsifted);
        if !kept.is_empty() || !kept_sealed.is_empty() {
            self.settle(replica, kept, kept_sealed);
        }
        Ok(false)
    }

    fn settle<S: Storage>(
        &mut self,
        replica: &Replica<S>,
        documents: Vec<DocKey>,
        sealed: Vec<(DocKey, RecordId)>,
    ) {
        let records = documents.iter().map(|key| replica.record_ids(key).len());
        self.counts.documents = records.sum::<usize>() as u64;
        self.counts.sealed = sealed.len() as u64;
        self.documents = documents.into_iter();
        self.sealed = sealed.into_iter();
    }

    /// The network.
    pub fn network(&self) -> NetworkId {
        self.network
    }

    /// From which moment on, if not everything is wanted.
    pub fn since_s(&self) -> Option<u64> {
        self.since_s
    }

    /// How many items there are; those of documents once [`Contents::sift`] has answered false.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// The next items, all undominated records of one document for instance; `None` when there are no more. What
    /// went away meanwhile is an empty list.
    ///
    /// # Errors
    /// [`ReplicaError`].
    pub fn poll_items<S: Storage>(&mut self, replica: &Replica<S>) -> Read<Option<Vec<Item>>, S> {
        if let Some(org) = self.cards.next() {
            let name = DocName::Card;
            return replica.items(&DocKey { org, name }).map(Some);
        }
        let one = if let Some(org) = self.departures.next() {
            replica.departure_item(&self.network, &org)?
        } else if let Some(id) = self.amendments.next() {
            replica.amendment_item(&self.network, &id)?
        } else if let Some(key) = self.documents.next() {
            // With its delegation, though the card brought that: the card's line may be the one that is damaged.
            return replica.items(&key).map(Some);
        } else if let Some((key, record)) = self.sealed.next() {
            replica.sealed_item(&key, &record)?
        } else {
            return Ok(None);
        };
        Ok(Some(one.into_iter().collect()))
    }
}

/// Whether the documents of organisations are shown to members; one look-up for each organisation, not for each
/// document.
#[derive(Default)]
struct Shown(Option<(OrgId, bool)>);

impl Shown {
    fn is<S: Storage>(
        &mut self,
        org: &OrgId,
        replica: &mut Replica<S>,
        networks: &[NetworkId],
    ) -> bool {
        match self.0 {
            Some((known, shown)) if known == *org => shown,
            _ => {
                let shown = replica.is_shown_among(org, networks);
                self.0 = Some((*org, shown));
                shown
            }
        }
    }
}
