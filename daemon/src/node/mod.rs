//! The node: everything that the daemon holds, and what can be asked of it.
//!
//! The replica is behind one lock that is held for short, synchronous work only, never over network I/O.
//! Edits of this node's own documents take a second lock first, so that they happen one after another.
//! Methods here block on the disk: async callers use `spawn_blocking`.

mod afterwards;
mod backups;
mod board;
mod budgets;
mod bundles;
mod clock;
mod company;
mod conflicts;
mod contacts;
#[cfg(test)]
mod crash_tests;
mod days;
mod doctor;
mod documents;
mod drive;
mod ended;
mod erase;
mod error;
mod exchange;
mod feed;
mod figures;
mod following;
mod from_backup;
mod gossip;
mod kept_keys;
mod lexicon;
mod listing;
mod membership;
mod names;
mod nodes;
mod passes;
mod public;
mod reach;
mod records;
mod rekey;
mod restore;
mod room;
mod scheduler;
mod searching;
mod sessions;
mod siblings;
mod status;
mod tasks;
mod view;
mod wipe;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use fingerpost_config::{Home, Settings};
use fingerpost_proto::api::Traffic;
use fingerpost_proto::ids::{DocKey, NodeId, OrgId, RecordId};
use fingerpost_proto::replica::{Replica, ReplicaError};
use tokio::sync::{Notify, Semaphore, mpsc};

use crate::keys::{KeyError, Keys};
use crate::merge::Worker;
use crate::metrics::Metrics;
use crate::net::Net;
use crate::rescue::Rescue;
use crate::search::{OpenState, SearchError, SearchIndex};
use crate::store::{SledStorage, StoreError, set_aside};

pub use board::Wanted as WantedNotices;
pub use budgets::{
    GOSSIP_BURST, GOSSIP_PER_S, PEERS_MAX, REFUSED_BYTES, SESSIONS_BURST, SESSIONS_PER_S,
    WORK_BURST_BYTES, WORK_PER_S_BYTES,
};
pub use bundles::{BundleOut, EXPORTS_MAX, IMPORT_MAX_S, REFUSED_MAX};
pub use documents::By;
pub use error::NodeError;
pub use exchange::Wanted;
pub use feed::run as run_feeder;
pub use following::run as run_follower;
pub use gossip::Outgoing;
pub use listing::Importing;
pub use room::{DISK_FREE_MIN_BYTES, EDIT_FREE_MIN_BYTES};
pub(crate) use room::{free_bytes, size_of};
pub use scheduler::run as run_scheduler;
pub use sessions::Patience;
pub use siblings::run as run_merger;
pub use tasks::run as run_tasks;

/// Most announcements that wait to be handed to the network. Gossip is a hint: what does not fit is
/// found by the next sync.
const OUTGOING_MAX: usize = 1024;

/// Seconds since 1970-01-01 UTC.
pub fn now_s() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

/// Why a node could not start.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The keys.
    #[error(transparent)]
    Keys(#[from] KeyError),
    /// The store, and it is not damage that could be set aside.
    #[error("the store could not be opened: {0}")]
    Store(#[from] StoreError),
    /// The store is damaged and could not be moved away.
    #[error("the store is damaged and could not be moved out of the way: {0}")]
    SetAside(std::io::Error),
    /// The store opens, but cannot be read, even when it is new.
    #[error("the store could not be read: {0}")]
    Replica(#[from] ReplicaError<StoreError>),
    /// The system does not say which program this is.
    #[error("the program could not be found that merges documents: {0}")]
    Program(std::io::Error),
    /// The search index.
    #[error(transparent)]
    Index(#[from] SearchError),
}

/// A running node.
pub struct Node {
    home: Home,
    settings: Settings,
    net: Net,
    keys: Mutex<Keys>,
    replica: Mutex<Replica<SledStorage>>,
    /// Whom this node looks at when it chooses whom to be connected with. Take the replica's lock before this one.
    company: Mutex<company::Company>,
    edits: Mutex<()>,
    index: SearchIndex,
    index_ready: AtomicBool,
    /// Whether the node is ending: the index is closed then, and catches up at the next start.
    closing: AtomicBool,
    /// Whether an exchange was finished since the start.
    exchanged: AtomicBool,
    /// The turn of whoever brings the derived views up to date, and what the last one left.
    feeding: Mutex<feed::Deferred>,
    /// Wakes whoever brings them up to date while much comes in.
    feed_due: Notify,
    follows_due: Notify,
    /// The words that searches use, made anew when a charter changes.
    lexicon: Mutex<lexicon::KeptLexicon>,
    outgoing: mpsc::Sender<Outgoing>,
    /// Wakes the scheduler: something of ours changed, or a peer seems to know more.
    wake: Notify,
    /// Wakes the merger: a sibling may have written something.
    merging: Notify,
    /// How to start merge workers.
    merge_worker: Mutex<Worker>,
    /// Siblings' records that could not be merged, and why.
    given_up: Mutex<BTreeMap<(DocKey, RecordId), String>>,
    /// Wakes what goes on with tasks: something happened that one may be waiting for.
    tending: Notify,
    /// Own documents without a history, and since when it is missed.
    missed_since: Mutex<BTreeMap<DocKey, Instant>>,
    sessions: Mutex<sessions::Sessions>,
    /// What this node is to do by itself.
    chores: Mutex<membership::Chores>,
    /// What comes after organisations that are no more. Taken after the replica's lock, never before.
    after: Mutex<afterwards::After>,
    refused: Mutex<BTreeMap<String, u64>>,
    metrics: Metrics,
    public: public::Public,
    budgets: Mutex<budgets::Budgets>,
    disk_budget_bytes: AtomicU64,
    room: Mutex<Option<room::Room>>,
    /// That a peer speaks another version of the sync protocol, in words.
    other_versions: Mutex<Option<String>>,
    traffic: Mutex<Traffic>,
    /// Held while a bundle is taken in: one at a time.
    bundles: Mutex<()>,
    /// So many more bundles may be written at the same time.
    bundles_out: Arc<Semaphore>,
    actor: [u8; 16],
    started_at_s: u64,
    /// After how many seconds without an answer of a peer a restored organisation goes on alone.
    alone_after_s: AtomicU64,
    set_aside: Option<PathBuf>,
    /// Where to find the network again while the store is still empty.
    rescue: Mutex<Rescue>,
    /// What became of making sure that erased bytes are gone.
    wiped: Mutex<wipe::Wiped>,
    /// How many seconds after a wipe the next one waits.
    wipe_gap_s: AtomicU64,
}

/// What [`Node::open`] hands out besides the node.
pub struct Opened {
    /// The node.
    pub node: Arc<Node>,
    /// Announcements to be handed to the network.
    pub outgoing: mpsc::Receiver<Outgoing>,
}

/// Takes a lock; a panic elsewhere while it was held leaves data that is still sound, because every
/// change reaches the store as one batch.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn open_replica(
    home: &Home,
    settings: &Settings,
    keys: &Keys,
) -> Result<Replica<SledStorage>, OpenError> {
    let store = SledStorage::open(&home.store(), settings.store.cache_mb)?;
    Ok(Replica::open(
        store,
        keys.node().node_id(),
        keys.orgs().collect(),
    )?)
}

fn is_damage(error: &OpenError) -> bool {
    match error {
        OpenError::Store(error) => error.is_damage(),
        OpenError::Replica(ReplicaError::Storage(error)) => error.is_damage(),
        OpenError::Replica(ReplicaError::Damaged(_)) => true,
        _ => false,
    }
}

/// Opens the index, and tells which documents it lacks, and up to which number of the journal it has everything.
fn open_index(
    home: &Home,
    replica: &Replica<SledStorage>,
) -> Result<(SearchIndex, Vec<DocKey>, u64), OpenError> {
    let everything = || {
        replica
            .organisations()
            .iter()
            .flat_map(|org| replica.documents_of(org))
            .collect()
    };
    let (index, state) = SearchIndex::open(&home.index())?;
    match state {
        // It was being filled for the first time when it ended.
        OpenState::Ready {
            marker: None | Some(0),
        } => Ok((index, everything(), 0)),
        OpenState::Ready {
            marker: Some(marker),
        } if marker <= replica.journal() => Ok((index, replica.changed_since(marker)?, marker)),
        OpenState::Ready { .. } => {
            tracing::warn!(
                "the search index knows more than the store, which has lost something: it is being built anew"
            );
            drop(index);
            Ok((
                SearchIndex::create(&home.index(), Box::new(|_| {}))?,
                everything(),
                0,
            ))
        }
        OpenState::Empty(reason) => {
            tracing::info!("{reason}: it is being built from the store");
            Ok((index, everything(), 0))
        }
    }
}

impl Node {
    /// Opens everything in a prepared home. A damaged store is set aside and begun anew: peers fill it
    /// again. The caller holds the home's lock.
    ///
    /// # Errors
    /// Any [`OpenError`].
    pub fn open(home: Home, settings: Settings, keys: Keys, net: Net) -> Result<Opened, OpenError> {
        let mut aside = None;
        let mut replica = match open_replica(&home, &settings, &keys) {
            Err(error) if is_damage(&error) => {
                let path = set_aside(&home.store(), now_s()).map_err(OpenError::SetAside)?;
                tracing::warn!(
                    "the store was damaged ({error}); it is now {} and a new one was begun; peers will fill it again",
                    path.display()
                );
                aside = Some(path);
                open_replica(&home, &settings, &keys)?
            }
            opened => opened?,
        };
        let rescue = Rescue::load(home.dir());
        if replica.networks().next().is_none() {
            for charter in rescue.charters() {
                tracing::warn!(
                    "the store knows nothing of the network {}: asking its nodes",
                    charter.name
                );
                replica.add_network(charter)?;
            }
        }
        let (index, refill, indexed_to) = open_index(&home, &replica)?;
        replica.poll_changes();
        let after = afterwards::After::load(&mut replica)?;
        let journal = replica.journal();
        let (sender, outgoing) = mpsc::channel(OUTGOING_MAX);
        let disk_budget_bytes = u64::from(settings.store.disk_budget_mb) * 1024 * 1024;
        let node = Arc::new(Self {
            home,
            settings,
            net,
            keys: Mutex::new(keys),
            replica: Mutex::new(replica),
            company: Mutex::default(),
            edits: Mutex::new(()),
            index,
            index_ready: AtomicBool::new(false),
            closing: AtomicBool::new(false),
            exchanged: AtomicBool::new(false),
            feeding: Mutex::new(feed::Deferred::at_start(indexed_to, journal)),
            feed_due: Notify::new(),
            follows_due: Notify::new(),
            lexicon: Mutex::default(),
            outgoing: sender,
            wake: Notify::new(),
            merging: Notify::new(),
            merge_worker: Mutex::new(Worker::of_this_program().map_err(OpenError::Program)?),
            given_up: Mutex::default(),
            tending: Notify::new(),
            missed_since: Mutex::default(),
            sessions: Mutex::default(),
            chores: Mutex::default(),
            after: Mutex::new(after),
            refused: Mutex::default(),
            metrics: Metrics::default(),
            public: public::Public::default(),
            budgets: Mutex::default(),
            disk_budget_bytes: AtomicU64::new(disk_budget_bytes),
            room: Mutex::default(),
            other_versions: Mutex::default(),
            traffic: Mutex::default(),
            bundles: Mutex::default(),
            bundles_out: Arc::new(Semaphore::new(bundles::EXPORTS_MAX)),
            actor: crate::keys::random()?,
            started_at_s: now_s(),
            alone_after_s: AtomicU64::new(from_backup::ALONE_AFTER_S),
            set_aside: aside,
            rescue: Mutex::new(rescue),
            wiped: Mutex::default(),
            wipe_gap_s: AtomicU64::new(wipe::GAP_S),
        });
        let filler = Arc::clone(&node);
        // A large index takes a while: answers come from what is there already.
        std::thread::spawn(move || {
            filler.feed_documents(refill);
            filler.index_ready.store(true, Ordering::Release);
        });
        if node.has_heard() {
            // There is nobody to hear from.
            node.replica().note_alone();
        }
        node.look_at_disk();
        node.subscribe_all();
        Ok(Opened { node, outgoing })
    }

    /// The replica; hold it briefly.
    fn replica(&self) -> MutexGuard<'_, Replica<SledStorage>> {
        lock(&self.replica)
    }

    /// This node's id.
    pub fn id(&self) -> NodeId {
        self.net.node_id()
    }

    /// The settings it was started with.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The network layer.
    pub fn net(&self) -> &Net {
        &self.net
    }

    fn own_orgs(&self) -> Vec<OrgId> {
        self.replica().own().iter().copied().collect()
    }

    fn count_refusal(&self, reason: &'static str) {
        self.count_refusals_of(reason, 1);
    }

    fn count_refusals_of(&self, reason: &'static str, count: u64) {
        self.metrics.refused(reason, count);
        *lock(&self.refused).entry(reason.to_owned()).or_default() += count;
    }

    /// Makes everything durable; for a clean end.
    pub fn close(&self) {
        use fingerpost_proto::storage::Storage;
        self.closing.store(true, Ordering::Release);
        if let Err(error) = self.index.close() {
            tracing::warn!("{error}");
        }
        let mut replica = self.replica();
        let confirmed = self
            .index
            .durable_marker()
            .map(|marker| replica.confirm_changes(marker));
        let flushed = replica.storage_mut().flush();
        if let Err(error) = confirmed.unwrap_or(Ok(())) {
            tracing::error!("the journal could not be shortened: {error}");
        }
        if let Err(error) = flushed {
            tracing::error!("the store could not be flushed: {error}");
        }
    }
}
