//! Keeping the derived views (index, subscriptions) in step with the replica.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use fingerpost_proto::board::{BoardState, Notice};
use fingerpost_proto::ids::{DocKey, DocName, OrgId};
use fingerpost_proto::listing::facts::Facts;
use fingerpost_proto::listing::{Service, ShardState};
use fingerpost_proto::replica::{Change, Replica};

use super::listing::shard_of;
use super::names::{card_of, name_on_card};
use super::{Node, lock};
use crate::search::{
    Entry, Kind, SearchError, entries_with, names_parents_elsewhere, notice_entries,
    parents_elsewhere,
};
use crate::store::SledStorage;

/// What was left for later, because so much else was coming in, and how far search has come.
#[derive(Debug)]
pub(super) struct Deferred {
    rosters: bool,
    documents: BTreeSet<DocKey>,
    cards: BTreeSet<DocKey>,
    /// Whether the index is still being filled with what it lacked at the start.
    is_filling: bool,
    /// The replica's journal when its changes were last taken over.
    polled_to: u64,
    /// Up to where in the journal everything has been handed to the index.
    indexed_to: u64,
}

impl Deferred {
    /// At a start, with an index that has everything up to one number of the journal, which goes up to another.
    pub(super) fn at_start(indexed_to: u64, journal: u64) -> Self {
        Self {
            rosters: false,
            documents: BTreeSet::new(),
            cards: BTreeSet::new(),
            is_filling: true,
            polled_to: journal,
            indexed_to,
        }
    }

    fn is_empty(&self) -> bool {
        self.documents.is_empty() && self.cards.is_empty()
    }

    /// Up to where in the journal the index will have everything, once it has what was taken out of this.
    fn marker(&self) -> u64 {
        match self.is_filling || !self.is_empty() {
            true => self.indexed_to,
            false => self.polled_to,
        }
    }
}

/// So many documents that were left for later are taken over in one turn: an edit waits no longer than for these.
const DEFERRED_CHUNK: usize = 64;
/// How many changes the journal holds before it is shortened.
const JOURNAL_KEEP: u64 = 256;

/// Brings the derived views up to date whenever somebody leaves it to this, until `stop`.
pub async fn run(node: Arc<Node>, mut stop: tokio::sync::watch::Receiver<bool>) {
    while !*stop.borrow() {
        tokio::select! {
            () = node.feed_due.notified() => {
                while tokio::task::block_in_place(|| node.feed_deferred()) && !*stop.borrow() {
                    tokio::task::yield_now().await;
                }
            }
            _ = stop.changed() => {}
        }
    }
}

impl Node {
    /// Takes over what changed since the last call. Feeders take turns, and each reads what is shown
    /// at its turn, so the views never go back to an older state.
    pub(super) fn feed(&self) {
        self.feed_with(None);
    }

    /// The same. While much comes in from somebody, what is neither this node's own nor `urgent` is left for later.
    pub(super) fn feed_with(&self, urgent: Option<DocKey>) {
        let mut deferred = lock(&self.feeding);
        let is_catching_up = self.is_catching_up();
        let (changes, own) = {
            let mut replica = self.replica();
            // To compute the roster anew after each frame of many would take longer with each.
            if !is_catching_up && let Err(error) = replica.settle() {
                tracing::error!("documents of former members could not be let go: {error}");
            }
            deferred.polled_to = replica.journal();
            (replica.poll_changes(), replica.own().clone())
        };
        if !changes.is_empty() {
            self.tend_soon();
        }
        let mut documents = BTreeSet::new();
        for change in changes {
            match change {
                Change::Document(key) => {
                    let waits = is_catching_up && !own.contains(&key.org) && urgent != Some(key);
                    let left = match key.name.is_card() {
                        true => &mut deferred.cards,
                        false => &mut deferred.documents,
                    };
                    let into = if waits { left } else { &mut documents };
                    into.insert(key);
                }
                // The task that follows makes sure of it.
                Change::Erased => {}
                Change::Sealed(_) => self.merging.notify_one(),
                Change::Roster(_) => deferred.rosters = true,
                Change::Equivocation(key) => tracing::warn!(
                    "two different records at one place of {key}: a key of that organisation was copied; \
                     both are kept as proof, and its administrators should replace the key"
                ),
                Change::FoundBehind => tracing::warn!(
                    "peers hold newer records of this node than its store: the store was put back from a copy; \
                     it goes on under a new instance and nothing is lost"
                ),
            }
        }
        let rosters = !is_catching_up && std::mem::take(&mut deferred.rosters);
        if !deferred.is_empty() {
            self.feed_due.notify_one();
        }
        self.feed_documents_now(documents, rosters, &mut deferred);
    }

    /// Takes over some of what was left for later. Whether there is more that can be taken over now.
    fn feed_deferred(&self) -> bool {
        self.feed();
        let is_catching_up = self.is_catching_up();
        let mut deferred = lock(&self.feeding);
        // Mostly the listing under which an organisation is found follows its card soon: what is found under the card
        // alone comes last.
        let waiting = match deferred.documents.is_empty() && !is_catching_up {
            true => &mut deferred.cards,
            false => &mut deferred.documents,
        };
        let some: BTreeSet<DocKey> = std::iter::from_fn(|| waiting.pop_first())
            .take(DEFERRED_CHUNK)
            .collect();
        let is_more = !some.is_empty();
        self.feed_documents_now(some, false, &mut deferred);
        is_more
    }

    fn feed_documents_now(
        &self,
        documents: BTreeSet<DocKey>,
        rosters: bool,
        deferred: &mut Deferred,
    ) {
        if documents.is_empty() && !rosters {
            return;
        }
        if rosters {
            self.note_roster_change();
        }
        let cards = documents.iter().filter(|key| key.name.is_card());
        let cards: BTreeSet<OrgId> = cards.map(|key| key.org).collect();
        let followed = self.follow_ends(&cards, rosters);
        let mut keys: BTreeSet<DocKey> = documents
            .into_iter()
            .flat_map(|key| self.affected(key))
            .collect();
        keys.extend(self.strands_elsewhere(&keys));
        let ends = followed.concerned.iter();
        keys.extend(ends.flat_map(|org| self.documents_with_card(org)));
        self.index_documents(&keys, &followed.names, deferred);
        if rosters || !followed.offers.is_empty() {
            self.note_for_chores(&followed.offers);
        }
    }

    /// Indexes everything of some organisations once more: what search shows of them has changed, but not
    /// their documents.
    pub(super) fn index_again(&self, orgs: BTreeSet<OrgId>) {
        let mut deferred = lock(&self.feeding);
        let keys = orgs.iter().flat_map(|org| self.documents_with_card(org));
        self.index_documents(&keys.collect(), &BTreeMap::new(), &mut deferred);
    }

    /// The documents of an organisation; the card even if it is not held any more.
    fn documents_with_card(&self, org: &OrgId) -> Vec<DocKey> {
        let mut keys: Vec<DocKey> = self.replica().documents_of(org).collect();
        keys.push(DocKey {
            org: *org,
            name: DocName::Card,
        });
        keys
    }

    /// Indexes documents that a fresh or interrupted index lacks.
    pub(super) fn feed_documents(&self, keys: Vec<DocKey>) {
        let keys: BTreeSet<DocKey> = keys
            .into_iter()
            .flat_map(|key| self.affected(key))
            .collect();
        let mut keys = keys;
        keys.extend(self.strands_elsewhere(&keys));
        let keys: Vec<DocKey> = keys.into_iter().collect();
        let mut chunks = keys.chunks(DEFERRED_CHUNK).peekable();
        while let Some(chunk) = chunks.next() {
            let mut deferred = lock(&self.feeding);
            // Interrupted before its end, it begins where it began.
            deferred.is_filling = chunks.peek().is_some();
            let cards = chunk.iter().filter(|key| key.name.is_card());
            let followed = self.follow_ends(&cards.map(|key| key.org).collect(), false);
            let chunk = chunk.iter().copied().collect();
            self.index_documents(&chunk, &followed.names, &mut deferred);
            if !followed.offers.is_empty() {
                self.note_for_chores(&followed.offers);
            }
        }
        lock(&self.feeding).is_filling = false;
        self.chores_due();
        // A roster may have changed, or a day begun, that the index has not followed.
        self.index_again(self.all_ends());
        if let Err(error) = self.index.flush() {
            tracing::error!("{error}");
        }
    }

    /// Shards that hold strands of services in other shards, of organisations of whose listing a shard changed: what is
    /// found of a strand depends on its parent service.
    fn strands_elsewhere(&self, changed: &BTreeSet<DocKey>) -> Vec<DocKey> {
        let is_shard = |key: &&DocKey| matches!(key.name, DocName::Listing(_));
        let orgs: BTreeSet<OrgId> = changed.iter().filter(is_shard).map(|key| key.org).collect();
        let replica = self.replica();
        let mut found = Vec::new();
        for org in orgs {
            let shards: Vec<DocKey> = replica
                .documents_of(&org)
                .filter(|key| is_shard(&key))
                .collect();
            let others = shards
                .iter()
                .filter(|key| shards.len() > 1 && !changed.contains(key));
            found.extend(others.filter(|key| {
                let shown = replica.shown(key).ok().flatten();
                shown.is_some_and(|shown| names_parents_elsewhere(key.name, &shown.state))
            }));
        }
        found
    }

    /// The name on the card stands on every entry, and the organisation's entry is made from the first
    /// shard or, while there is none, from the card.
    fn affected(&self, key: DocKey) -> Vec<DocKey> {
        let mut keys = match key.name {
            DocName::Card => self.documents_with_card(&key.org),
            DocName::Listing(0) => vec![
                key,
                DocKey {
                    name: DocName::Card,
                    ..key
                },
            ],
            _ => vec![key],
        };
        let others = self.also_affected(&key);
        keys.extend(others.iter().flat_map(|org| self.documents_with_card(org)));
        keys
    }

    /// Indexes documents. `names` are those of organisations whose cards were just read.
    fn index_documents(
        &self,
        keys: &BTreeSet<DocKey>,
        names: &BTreeMap<OrgId, String>,
        deferred: &mut Deferred,
    ) {
        let mut name: Option<(OrgId, String)> = None;
        for key in keys {
            // Only with the last one the index has everything up to there.
            if keys.last() == Some(key) {
                deferred.indexed_to = deferred.marker();
            }
            let marker = deferred.indexed_to;
            self.mark_for_catalogue(*key);
            let replica = self.replica();
            if name.as_ref().map(|(org, _)| *org) != Some(key.org) {
                let known = names.get(&key.org).cloned();
                let known = known.or_else(|| name_on_card(&replica, &key.org));
                name = Some((key.org, known.unwrap_or_else(|| key.org.short())));
            }
            let shown_as = name.as_ref().map_or("", |(_, name)| name.as_str());
            let entries = self.entries(&replica, key, shown_as);
            drop(replica);
            let org = key.org.to_string();
            let queued = self
                .index
                .replace_document(&org, &key.name.to_string(), entries, marker);
            if let Err(error) = queued {
                self.report_index(&error);
                return;
            }
        }
        self.shorten_journal();
    }

    /// What can be found of a document.
    pub(super) fn entries(
        &self,
        replica: &Replica<SledStorage>,
        key: &DocKey,
        organisation_name: &str,
    ) -> Vec<Entry> {
        let left_out = self.left_out(replica, &key.org);
        if left_out == Some(true) {
            return Vec::new();
        }
        let mut entries = all_entries(replica, key, organisation_name);
        if left_out.is_some() {
            entries.retain(|entry| entry.kind != Kind::Organisation);
        }
        let of_organisation = |entry: &&mut Entry| entry.kind == Kind::Organisation;
        for entry in entries.iter_mut().filter(of_organisation) {
            entry.other.extend(self.names_before(replica, &key.org));
        }
        entries
    }

    fn report_index(&self, error: &SearchError) {
        if !self.closing.load(Ordering::Acquire) {
            tracing::error!("{error}; restart the daemon to rebuild it");
        }
    }

    fn shorten_journal(&self) {
        let Some(durable) = self.index.durable_marker() else {
            return;
        };
        let mut replica = self.replica();
        if replica.journal_length() > JOURNAL_KEEP
            && let Err(error) = replica.confirm_changes(durable)
        {
            tracing::error!("the journal could not be shortened: {error}");
        }
    }
}

fn all_entries(
    replica: &Replica<SledStorage>,
    key: &DocKey,
    organisation_name: &str,
) -> Vec<Entry> {
    let org = key.org.to_string();
    match key.name {
        DocName::Listing(_) => match shard_of(replica, key) {
            Some(state) => {
                let parents = parents(replica, key, &state);
                let elsewhere = |id: &str| parents.get(id).cloned();
                let document = key.name.to_string();
                entries_with(&org, &document, organisation_name, &state, &elsewhere)
            }
            None => Vec::new(),
        },
        DocName::Card => {
            let first = DocKey {
                org: key.org,
                name: DocName::Listing(0),
            };
            match (card_of(replica, &key.org), shard_of(replica, &first)) {
                (Some(card), None) => vec![card_entry(org, card)],
                _ => Vec::new(),
            }
        }
        DocName::Board => {
            let networks: Vec<_> = replica.networks().map(|(id, _)| id).collect();
            let is_meant = |notice: &Notice| {
                let meant = |text: &String| networks.iter().any(|network| network.matches(text));
                notice.networks.is_empty() || notice.networks.iter().any(meant)
            };
            let shown = replica.shown(key).ok().flatten();
            let board = shown.and_then(|shown| BoardState::parse(&shown.state).ok());
            let document = key.name.to_string();
            board.map_or_else(Vec::new, |board| {
                notice_entries(&org, &document, organisation_name, &board, &is_meant)
            })
        }
    }
}

/// The services of other shards to which strands of this one belong.
pub(super) fn parents(
    replica: &Replica<SledStorage>,
    key: &DocKey,
    state: &ShardState,
) -> BTreeMap<String, Service> {
    let mut wanted: BTreeSet<&str> = parents_elsewhere(state).collect();
    let mut found = BTreeMap::new();
    if wanted.is_empty() {
        return found;
    }
    for other in replica.documents_of(&key.org).filter(|other| other != key) {
        let Some(state) = shard_of(replica, &other) else {
            continue;
        };
        wanted.retain(|id| match state.services.get(id) {
            Some(service) => {
                found.insert((*id).to_owned(), service.clone());
                false
            }
            None => true,
        });
    }
    found
}

fn card_entry(org: String, card: fingerpost_proto::card::Card) -> Entry {
    let numbers = card
        .identifiers
        .iter()
        .map(|one| format!("{}-{}", one.scheme, one.identifier));
    Entry {
        id: org.clone(),
        kind: Kind::Organisation,
        org,
        document: DocName::Card.to_string(),
        organisation_name: card.name.clone(),
        name: card.name.clone(),
        description: String::new(),
        terms: Vec::new(),
        places: Vec::new(),
        other: card.aliases.iter().cloned().chain(numbers).collect(),
        status: None,
        assured_date: None,
        facts: Facts::default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn card(number: u8) -> DocKey {
        DocKey {
            org: OrgId::from_bytes([number; 32]),
            name: DocName::Card,
        }
    }

    #[test]
    fn an_index_that_lacks_something_is_not_marked_as_if_it_had_everything() {
        let mut deferred = Deferred::at_start(7, 100);
        assert_eq!(deferred.marker(), 7, "it is being filled");
        deferred.polled_to = 120;
        assert_eq!(deferred.marker(), 7, "and more has come meanwhile");
        deferred.is_filling = false;
        deferred.cards.insert(card(1));
        assert_eq!(deferred.marker(), 7, "something was left for later");
        deferred.cards.clear();
        assert_eq!(deferred.marker(), 120);
    }
}
