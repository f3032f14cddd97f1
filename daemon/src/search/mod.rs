//! The merged view's full-text index (tantivy): derived from the store and disposable.
//!
//! [`SearchIndex::open`] opens the index of a directory, or makes an empty one and says why; the
//! caller then fills it from the store. Changes go to one writer thread through a bounded queue
//! (see `writer.rs`): a single edit is committed at once, many are committed together. Searches run on
//! the caller's thread. All calls may block on a file or on the queue: from async code use
//! `spawn_blocking`.
//!
//! Results come in the same order, with the same total and scores, on every node that holds the same
//! entries (see `rank.rs`). Large and small organisations are ranked alike.
//!
//! Architecture invariant: nothing but this module reads or writes the index's directory, and nothing
//! is kept in it that the store does not hold.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{fmt, io};

use fingerpost_proto::day::Day;
use fingerpost_proto::filter::Filter;
use fingerpost_proto::geography::Point;
use fingerpost_proto::listing::facts::Facts;
use fingerpost_proto::vocabulary::Vocabulary;
use serde::{Deserialize, Serialize};
use tantivy::IndexReader;

mod batch;
mod directory;
mod entries;
mod matching;
mod numbers;
mod open;
mod query;
mod rank;
mod schema;
mod tally;
#[cfg(test)]
mod tests;
mod why;
mod words;
mod writer;

pub use entries::{entries_of, entries_with, notice_entries};
pub(crate) use entries::{names_parents_elsewhere, parents_elsewhere};
use query::Wanted;
use rank::{Plan, Ranked};
use schema::{FACET_PARTS, Fields};
pub use why::words_found;

/// The most results that one search gives.
pub const RESULTS_LIMIT: usize = 1_000;

/// The longest text of a search, in characters.
pub const QUERY_LIMIT_CHARS: usize = 500;

/// The most words in the text of a search.
pub const QUERY_LIMIT_WORDS: usize = 16;

/// What an entry stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A service of an organisation.
    Service,
    /// An organisation.
    Organisation,
    /// A notice on a board.
    Notice,
}

impl Kind {
    /// The kind as it is written in commands and JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Service => "service",
            Kind::Organisation => "organisation",
            Kind::Notice => "notice",
        }
    }

    /// The kind that [`Kind::as_str`] writes as `name`.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Kind> {
        [Kind::Service, Kind::Organisation, Kind::Notice]
            .into_iter()
            .find(|kind| kind.as_str() == name)
    }
}

/// One thing that can be found.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// The service's id; for an organisation its Fingerpost id, as in `org`.
    pub id: String,
    /// What the entry stands for.
    pub kind: Kind,
    /// The Fingerpost id of the organisation that says so.
    pub org: String,
    /// The document that says so, for instance `listing/0`.
    pub document: String,
    /// The organisation's name.
    pub organisation_name: String,
    /// The name of the service or organisation.
    pub name: String,
    /// What it is, in prose. The beginning is kept to be shown with a result.
    pub description: String,
    /// Names of the taxonomy terms it is filed under.
    pub terms: Vec<String>,
    /// Service areas, names of locations, towns, postcodes.
    pub places: Vec<String>,
    /// Whatever else can be searched: alternate names, texts of extensions.
    pub other: Vec<String>,
    /// The service's status, for instance `active`.
    pub status: Option<String>,
    /// The day on which somebody last confirmed it, as written in the listing.
    pub assured_date: Option<String>,
    /// What it can be filtered and counted by.
    pub facts: Facts,
}

/// A search.
#[derive(Clone, Debug, Default)]
pub struct Query {
    /// Words that must all be there, in any form; `"quoted words"` in that order; `begin*`. Without
    /// text everything is found, in order of names.
    pub text: Option<String>,
    /// Only entries of this kind.
    pub kind: Option<Kind>,
    /// Only entries of the organisation with this Fingerpost id.
    pub organisation: Option<String>,
    /// How many results are wanted; at most [`RESULTS_LIMIT`].
    pub limit: usize,
    /// How many results are left out before them.
    pub offset: usize,
    /// Only entries that pass each of these.
    pub filters: Vec<Filter>,
    /// Nearer entries rank higher: from where, and beyond which distance, in metres, no more is lost.
    pub near: Option<(Point, u32)>,
    /// Entries confirmed before this day are stale and rank lower, as do those that nobody confirmed or that have
    /// ended. Without it, nothing of this counts.
    pub stale_before: Option<Day>,
    /// Entries confirmed before this day are left out, and counted in [`Page::hidden`].
    pub hide_before: Option<Day>,
    /// Entries whose last day is before this one are left out.
    pub today: Option<Day>,
    /// Whether [`Page::facets`] is wanted.
    pub facets: bool,
    /// Where synonyms of the words come from, if they count.
    pub vocabulary: Option<Arc<Vocabulary>>,
    /// Where no entry has all the words, those that have the most of them are wanted: see [`Page::words_missing`].
    pub or_most_words: bool,
}

/// One page of the results of a search.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Page {
    /// How many entries were found in all.
    pub total: usize,
    /// How many more there are that nobody has confirmed for long.
    pub hidden: usize,
    /// How many of the words each of the entries found lacks; not 0 only where none has all of them.
    pub words_missing: usize,
    /// By group and name, how many of the entries found say so.
    pub facets: BTreeMap<(String, String), u64>,
    /// Those of this page, the best first.
    pub results: Vec<Hit>,
}

/// One result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Hit {
    /// See [`Entry::id`].
    pub id: String,
    /// See [`Entry::kind`].
    pub kind: Kind,
    /// See [`Entry::name`].
    pub name: String,
    /// See [`Entry::org`].
    pub org: String,
    /// See [`Entry::document`].
    pub document: String,
    /// See [`Entry::organisation_name`].
    pub organisation_name: String,
    /// How well it matches, in thousandths of a point; 0 when no text was asked for. Comparable only
    /// within one search.
    pub score_milli: u64,
    /// How far its nearest place is from the one asked for, in metres.
    pub distance_m: Option<u32>,
    /// The beginning of the description, on one line.
    pub snippet: Option<String>,
    /// See [`Entry::status`].
    pub status: Option<String>,
    /// See [`Entry::assured_date`].
    pub assured_date: Option<String>,
}

/// How an index was found when it was opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OpenState {
    /// It holds everything up to the durable marker.
    Ready {
        /// The highest marker that was given before the last durable commit; `None` if none was.
        marker: Option<u64>,
    },
    /// It is empty, and must be filled by the caller.
    Empty(EmptyReason),
}

/// Why an index is empty after it was opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EmptyReason {
    /// There was none.
    Missing,
    /// It was made by another version of this program.
    OtherVersion,
    /// It could not be read; it was removed. Why, in words.
    Damaged(String),
}

impl fmt::Display for EmptyReason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            EmptyReason::Missing => formatter.write_str("there was no search index"),
            EmptyReason::OtherVersion => {
                formatter.write_str("the search index was of another version")
            }
            EmptyReason::Damaged(reason) => {
                write!(formatter, "the search index was damaged ({reason})")
            }
        }
    }
}

/// Why the index did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum SearchError {
    /// The search itself is at fault.
    #[error("{0}")]
    Query(String),
    /// The index cannot be read. Rebuild it: [`SearchIndex::create`], then fill it again.
    #[error(
        "the search index is damaged ({0}); no listing is lost; it must be rebuilt from the store"
    )]
    Damaged(String),
    /// The writer has stopped, and the index no longer follows the store. Searches still answer from
    /// what was last visible. When the cause is gone (often a full disk), rebuild it.
    #[error(
        "the search index takes no more changes ({0}); no listing is lost; it must be rebuilt from the store"
    )]
    Stopped(String),
    /// Another handle or process has this index open.
    #[error("the search index in {} is open elsewhere; nothing was changed; close the other program first", .0.display())]
    InUse(PathBuf),
    /// A file of the index could not be made, read or removed.
    #[error("the search index in {} cannot be used: {source}; no listing is lost", .path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl From<tantivy::TantivyError> for SearchError {
    fn from(error: tantivy::TantivyError) -> SearchError {
        SearchError::Damaged(error.to_string())
    }
}

impl From<io::Error> for SearchError {
    fn from(error: io::Error) -> SearchError {
        SearchError::Damaged(error.to_string())
    }
}

/// A change that searches now see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The organisation.
    pub org: String,
    /// The document; `None` when the whole organisation was removed.
    pub document: Option<String>,
    /// The marker that came with the change.
    pub marker: u64,
}

/// Is called on the writer thread after every commit with the changes it made visible, in the order in
/// which they were queued. It must return soon, must not call the index, and must not own a handle of it.
pub type OnVisible = Box<dyn Fn(&[Change]) + Send + 'static>;

/// Counts for `status`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Stats {
    /// Services that can be found.
    pub services: u64,
    /// Organisations that can be found.
    pub organisations: u64,
    /// Parts of which the index consists at present.
    pub segments: usize,
    /// Commits that became visible since it was opened.
    pub generation: u64,
}

/// The index: a handle that can be cloned and shared between threads. When the last handle is dropped,
/// what is queued is still committed and made durable.
#[derive(Clone)]
pub struct SearchIndex {
    inner: Arc<Inner>,
}

struct Inner {
    fields: Fields,
    reader: IndexReader,
    writer: writer::Handle,
    /// Held as long as the index is open. Declared last: released last.
    _lock: std::fs::File,
}

impl fmt::Debug for SearchIndex {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("SearchIndex")
            .finish_non_exhaustive()
    }
}

impl SearchIndex {
    /// Opens the index in `dir`, which is made if it is missing. An index of another version, or one
    /// that is damaged, is removed and made anew, empty.
    ///
    /// Reads the whole index once, to check it.
    ///
    /// # Errors
    /// [`SearchError::InUse`]; [`SearchError::Io`] if no index can be made in `dir`.
    pub fn open(dir: &Path) -> Result<(SearchIndex, OpenState), SearchError> {
        SearchIndex::open_with(dir, Box::new(|_| {}))
    }

    /// Like [`SearchIndex::open`], and `on_visible` is told of every change that becomes visible.
    ///
    /// # Errors
    /// As [`SearchIndex::open`].
    pub fn open_with(
        dir: &Path,
        on_visible: OnVisible,
    ) -> Result<(SearchIndex, OpenState), SearchError> {
        open::open(dir, on_visible)
    }

    /// Makes an empty index in `dir`, removing one that is there: how a rebuild begins. Drop the other
    /// handles first.
    ///
    /// # Errors
    /// As [`SearchIndex::open`].
    pub fn create(dir: &Path, on_visible: OnVisible) -> Result<SearchIndex, SearchError> {
        open::create(dir, on_visible)
    }

    /// Queues that `entries` are now what `document` of organisation `org` holds; what it held before
    /// can no longer be found. `entries` may be empty. Both happen for searches at one moment, soon;
    /// see [`SearchIndex::flush`]. Of two entries of one kind and id the first counts. `org` and
    /// `document` of the entries are set to those given here.
    ///
    /// `marker` is a number of the caller's that never decreases, for instance that of the change in
    /// its store: see [`SearchIndex::durable_marker`]. Waits while the queue is full.
    ///
    /// # Errors
    /// [`SearchError::Stopped`].
    pub fn replace_document(
        &self,
        org: &str,
        document: &str,
        entries: Vec<Entry>,
        marker: u64,
    ) -> Result<(), SearchError> {
        self.inner
            .writer
            .replace_document(org, document, entries, marker)
    }

    /// Queues that nothing of organisation `org` can be found any more. `marker` as in
    /// [`SearchIndex::replace_document`].
    ///
    /// # Errors
    /// [`SearchError::Stopped`].
    pub fn remove_organisation(&self, org: &str, marker: u64) -> Result<(), SearchError> {
        self.inner.writer.remove_organisation(org, marker)
    }

    /// Waits until everything queued before is visible.
    ///
    /// # Errors
    /// [`SearchError::Stopped`].
    pub fn flush(&self) -> Result<(), SearchError> {
        self.inner.writer.flush()
    }

    /// Waits until everything queued before is visible and on disk, and until the texts of entries that
    /// were replaced or removed are gone from the index's files. Costs the rewriting of every part that
    /// holds such an entry: for quiet hours, and after an erasure.
    ///
    /// # Errors
    /// [`SearchError::Stopped`].
    pub fn purge(&self) -> Result<(), SearchError> {
        self.inner.writer.purge()
    }

    /// Commits what is queued, makes it durable and stops the writer. Searches still answer; changes
    /// are refused from now on. Calling it again does nothing.
    ///
    /// # Errors
    /// [`SearchError::Stopped`] if something queued could not be committed.
    pub fn close(&self) -> Result<(), SearchError> {
        self.inner.writer.close()
    }

    /// The highest marker whose change, with all before it, survives even a power cut. `None` if there
    /// is none yet. Follows what is visible by a few seconds.
    #[must_use]
    pub fn durable_marker(&self) -> Option<u64> {
        self.inner.writer.progress().durable_marker
    }

    /// How many commits have become visible since the index was opened.
    #[must_use]
    pub fn visible_generation(&self) -> u64 {
        self.inner.writer.progress().generation
    }

    /// Why the writer has stopped, if it has: the index must then be rebuilt.
    #[must_use]
    pub fn stopped(&self) -> Option<String> {
        self.inner.writer.progress().stopped
    }

    /// Finds entries.
    ///
    /// Every word must be there, in any of its English forms, whatever its case and accents. A word of
    /// five letters or more that no entry has is taken for one with one wrong letter, and a long one that still no entry has
    /// for one with two. Very common words are not demanded unless there are no others. Where no entry has all the words,
    /// a query may ask for those that have the most of them.
    ///
    /// # Errors
    /// [`SearchError::Query`] for more results, words or characters than the limits allow;
    /// [`SearchError::Damaged`].
    pub fn search(&self, query: &Query) -> Result<Page, SearchError> {
        if query.limit > RESULTS_LIMIT {
            return Err(SearchError::Query(format!(
                "{} results were asked for at once; nothing was searched; ask for at most {RESULTS_LIMIT} and go on with an offset",
                query.limit
            )));
        }
        let mut analyser = words::analyser();
        let wanted = query::parse(&mut analyser, query.text.as_deref().unwrap_or_default())?;
        let clauses = match wanted {
            Wanted::Nothing => return Ok(Page::default()),
            Wanted::Everything => Vec::new(),
            Wanted::All(clauses) => clauses,
        };
        let synonyms = match &query.vocabulary {
            Some(vocabulary) => query::synonyms(&mut analyser, &clauses, vocabulary),
            None => vec![Vec::new(); clauses.len()],
        };
        let fields = &self.inner.fields;
        let kind = query.kind.map(|kind| fields.kind_term(kind));
        let organisation = query
            .organisation
            .as_deref()
            .map(|org| fields.org_term(org));
        let mut plan = Plan {
            keys: kind.into_iter().chain(organisation).collect(),
            filters: query.filters.clone(),
            clauses: clauses.into_iter().zip(synonyms).collect(),
            least_words: None,
            offset: query.offset,
            limit: query.limit,
            near: query.near,
            stale_before: query.stale_before,
            hide_before: query.hide_before,
            today: query.today,
            facets: query.facets,
        };
        let mut page = self.page(&plan)?;
        let words = plan.clauses.len();
        for missing in 1..words {
            if !query.or_most_words || page.total + page.hidden > 0 {
                break;
            }
            plan.least_words = u8::try_from(words - missing).ok();
            page = Page {
                words_missing: missing,
                ..self.page(&plan)?
            };
        }
        Ok(match page.total + page.hidden {
            0 => Page::default(),
            _ => page,
        })
    }

    /// All entries with this id: usually one, but nothing keeps two organisations from using the same.
    ///
    /// # Errors
    /// [`SearchError::Damaged`].
    pub fn lookup(&self, id: &str) -> Result<Vec<Hit>, SearchError> {
        let plan = Plan {
            keys: vec![self.inner.fields.id_term(id)],
            limit: RESULTS_LIMIT,
            ..Plan::default()
        };
        Ok(self.page(&plan)?.results)
    }

    /// Counts for `status`.
    ///
    /// # Errors
    /// [`SearchError::Damaged`].
    pub fn stats(&self) -> Result<Stats, SearchError> {
        let generation = self.visible_generation();
        guarded(|| {
            let searcher = self.inner.reader.searcher();
            let count =
                |kind: Kind| matching::live_count(&searcher, &self.inner.fields.kind_term(kind));
            Ok(Stats {
                services: count(Kind::Service)?,
                organisations: count(Kind::Organisation)?,
                segments: searcher.segment_readers().len(),
                generation,
            })
        })
    }

    fn page(&self, plan: &Plan) -> Result<Page, SearchError> {
        let fields = &self.inner.fields;
        guarded(|| {
            let searcher = self.inner.reader.searcher();
            let Ranked {
                total,
                hidden,
                page,
                facets,
            } = rank::rank(&searcher, fields, plan)?;
            let mut results = Vec::with_capacity(page.len());
            for found in page {
                let document = searcher.doc(found.address)?;
                let hit = fields.hit(document, u64::from(found.points), found.distance_m);
                results.push(
                    hit.ok_or_else(|| SearchError::Damaged("an entry is incomplete".to_owned()))?,
                );
            }
            let facets = facets.into_iter().filter_map(|(name, count)| {
                let (group, name) = name.split_once(FACET_PARTS)?;
                Some(((group.to_owned(), name.to_owned()), count))
            });
            Ok(Page {
                total,
                hidden,
                words_missing: 0,
                facets: facets.collect(),
                results,
            })
        })
    }
}

/// Runs `work`; a panic in it is a damaged index: tantivy checks files when they are opened, and panics
/// on what it then finds wrong in them.
fn guarded<T>(work: impl FnOnce() -> Result<T, SearchError>) -> Result<T, SearchError> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| {
        Err(SearchError::Damaged(
            "a part of it makes no sense".to_owned(),
        ))
    })
}
