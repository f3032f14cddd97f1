//! The thread that writes the index.
//!
//! It takes changes from a bounded queue. When nothing more is waiting, what it has is committed at
//! once and made visible, so a single edit waits for nobody. When many changes come in a row it goes on
//! taking them for a while, so that the cost of a commit is shared. Files are made durable when the queue
//! has been quiet for a moment, and from time to time under load.

use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TryRecvError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tantivy::indexer::{IndexWriterOptions, LogMergePolicy};
use tantivy::tokenizer::TextAnalyzer;
use tantivy::{Index, IndexReader, IndexWriter};

use super::batch::Batch;
use super::directory::QuietDirectory;
use super::schema::Fields;
use super::{Change, Entry, OnVisible, SearchError, words};

/// Changes that wait to be taken: 64 shards of the largest size are 16 MiB.
const QUEUE_LIMIT: usize = 64;

/// What tantivy's own writer may hold of new entries: the least it allows. It gets none, see [`Batch`].
const BUFFER_BYTES: usize = 15_000_000;

/// From so many changes in one batch on, the writer takes its time to gather more.
const BUSY_CHANGES: usize = 16;

/// How long a busy writer gathers changes before it commits.
const GATHER_MS: u64 = 250;

/// How long a busy writer waits for the next change before it commits what it has.
const GAP_MS: u64 = 5;

/// How long the queue must be quiet before files are made durable.
const QUIET_MS: u64 = 1_000;

/// After how long files are made durable even though the queue is not quiet.
const DURABLE_MS: u64 = 10_000;

/// The share of deleted entries from which on a part of the index is rewritten.
const DELETED_RATIO: f32 = 0.3;

/// Parts of up to so many entries are merged alike.
const SMALL_SEGMENT_ENTRIES: u32 = 1_000;

/// How far the writer has come.
#[derive(Clone, Debug, Default)]
pub(super) struct Progress {
    pub(super) generation: u64,
    pub(super) durable_marker: Option<u64>,
    pub(super) stopped: Option<String>,
}

enum Job {
    Replace {
        org: String,
        document: String,
        entries: Vec<Entry>,
        marker: u64,
    },
    Remove {
        org: String,
        marker: u64,
    },
    Flush(SyncSender<()>),
    Purge(SyncSender<()>),
}

/// The near end of the queue.
pub(super) struct Handle {
    queue: Mutex<Option<SyncSender<Job>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
    progress: Arc<Mutex<Progress>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // None of these values is ever left half changed by a panic.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Handle {
    /// Starts the thread.
    pub(super) fn start(
        index: Index,
        reader: IndexReader,
        fields: Fields,
        directory: QuietDirectory,
        marker: Option<u64>,
        on_visible: OnVisible,
    ) -> Result<Handle, SearchError> {
        let options = IndexWriterOptions::builder()
            .memory_budget_per_thread(BUFFER_BYTES)
            .num_worker_threads(1)
            .num_merge_threads(1)
            .build();
        let tantivy_writer: IndexWriter = index.writer_with_options(options)?;
        let mut merge_policy = LogMergePolicy::default();
        merge_policy.set_del_docs_ratio_before_merge(DELETED_RATIO);
        merge_policy.set_min_layer_size(SMALL_SEGMENT_ENTRIES);
        tantivy_writer.set_merge_policy(Box::new(merge_policy));
        let progress = Progress {
            durable_marker: marker,
            ..Progress::default()
        };
        let progress = Arc::new(Mutex::new(progress));
        let (queue, jobs) = sync_channel(QUEUE_LIMIT);
        let batch = Batch::new(fields, &tantivy_writer);
        let writer = Writer {
            index,
            tantivy_writer,
            reader,
            batch,
            directory,
            analyser: words::analyser(),
            progress: Arc::clone(&progress),
            on_visible,
            marker,
            changes: Vec::new(),
            unsynced_since: None,
        };
        let shared = Arc::clone(&progress);
        let thread = std::thread::Builder::new()
            .name("search-writer".to_owned())
            .spawn(move || run(writer, &jobs, &shared))?;
        Ok(Handle {
            queue: Mutex::new(Some(queue)),
            thread: Mutex::new(Some(thread)),
            progress,
        })
    }

    pub(super) fn progress(&self) -> Progress {
        lock(&self.progress).clone()
    }

    pub(super) fn replace_document(
        &self,
        org: &str,
        document: &str,
        mut entries: Vec<Entry>,
        marker: u64,
    ) -> Result<(), SearchError> {
        let mut seen = HashSet::with_capacity(entries.len());
        entries.retain(|entry| seen.insert((entry.kind, entry.id.clone())));
        for entry in &mut entries {
            org.clone_into(&mut entry.org);
            document.clone_into(&mut entry.document);
        }
        self.send(Job::Replace {
            org: org.to_owned(),
            document: document.to_owned(),
            entries,
            marker,
        })
    }

    pub(super) fn remove_organisation(&self, org: &str, marker: u64) -> Result<(), SearchError> {
        self.send(Job::Remove {
            org: org.to_owned(),
            marker,
        })
    }

    pub(super) fn flush(&self) -> Result<(), SearchError> {
        self.wait_for(Job::Flush)
    }

    pub(super) fn purge(&self) -> Result<(), SearchError> {
        self.wait_for(Job::Purge)
    }

    /// Lets the thread finish what is queued, and waits for its end.
    pub(super) fn close(&self) -> Result<(), SearchError> {
        drop(lock(&self.queue).take());
        let thread = lock(&self.thread).take();
        if let Some(thread) = thread {
            // Its panics are caught and noted inside.
            let _ = thread.join();
        }
        match self.progress().stopped {
            None => Ok(()),
            Some(reason) => Err(SearchError::Stopped(reason)),
        }
    }

    fn wait_for(&self, job: impl FnOnce(SyncSender<()>) -> Job) -> Result<(), SearchError> {
        let (done, is_done) = sync_channel(1);
        self.send(job(done))?;
        is_done.recv().map_err(|_| self.stopped())
    }

    fn send(&self, job: Job) -> Result<(), SearchError> {
        // The queue is not locked while waiting for room in it.
        let queue = lock(&self.queue).clone().ok_or_else(|| self.stopped())?;
        queue.send(job).map_err(|_| self.stopped())
    }

    fn stopped(&self) -> SearchError {
        let reason = self.progress().stopped;
        SearchError::Stopped(reason.unwrap_or_else(|| "it has been closed".to_owned()))
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        // A failure is noted in `progress`; nobody is left to read it.
        let _ = self.close();
    }
}

/// Runs the writer to its end. When it fails, the queue is dropped with it: whoever waits is told.
fn run(mut writer: Writer, jobs: &Receiver<Job>, progress: &Mutex<Progress>) {
    let outcome = catch_unwind(AssertUnwindSafe(|| writer.work(jobs)));
    let reason = match outcome {
        Ok(Ok(())) => return,
        Ok(Err(error)) => error.to_string(),
        Err(_) => "the writer broke off".to_owned(),
    };
    tracing::error!(%reason, "the search index takes no more changes; it must be rebuilt");
    lock(progress).stopped = Some(reason);
}

struct Writer {
    index: Index,
    tantivy_writer: IndexWriter,
    reader: IndexReader,
    batch: Batch,
    directory: QuietDirectory,
    analyser: TextAnalyzer,
    progress: Arc<Mutex<Progress>>,
    on_visible: OnVisible,
    /// The highest marker taken from the queue.
    marker: Option<u64>,
    /// Changes taken and not yet visible.
    changes: Vec<Change>,
    /// Since when there are commits that are not durable.
    unsynced_since: Option<Instant>,
}

impl Writer {
    fn work(&mut self, jobs: &Receiver<Job>) -> tantivy::Result<()> {
        while let Some(job) = self.next_job(jobs)? {
            self.gather(job, jobs)?;
        }
        self.sync()
    }

    /// Waits for a job, and uses a quiet moment to make files durable. `None` when no more can come.
    fn next_job(&mut self, jobs: &Receiver<Job>) -> tantivy::Result<Option<Job>> {
        let Some(unsynced_since) = self.unsynced_since else {
            return Ok(jobs.recv().ok());
        };
        let overdue = unsynced_since.elapsed() >= Duration::from_millis(DURABLE_MS);
        if !overdue {
            match jobs.recv_timeout(Duration::from_millis(QUIET_MS)) {
                Ok(job) => return Ok(Some(job)),
                Err(RecvTimeoutError::Disconnected) => return Ok(None),
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
        self.sync()?;
        Ok(jobs.recv().ok())
    }

    /// Takes `first` and what follows it closely, then commits.
    fn gather(&mut self, first: Job, jobs: &Receiver<Job>) -> tantivy::Result<()> {
        let gather_until = Instant::now() + Duration::from_millis(GATHER_MS);
        let mut waiting = self.take(first)?;
        while waiting.is_none() && Instant::now() < gather_until {
            let next = match jobs.try_recv() {
                Ok(job) => job,
                Err(TryRecvError::Disconnected) => break,
                Err(TryRecvError::Empty) if self.changes.len() < BUSY_CHANGES => break,
                Err(TryRecvError::Empty) => {
                    match jobs.recv_timeout(Duration::from_millis(GAP_MS)) {
                        Ok(job) => job,
                        Err(_) => break,
                    }
                }
            };
            waiting = self.take(next)?;
        }
        self.commit()?;
        if let Some(waiting) = waiting {
            if waiting.purge {
                self.purge()?;
            }
            // Whoever asked may have given up.
            let _ = waiting.done.send(());
        }
        Ok(())
    }

    /// Takes one job; somebody who waits for the commit is handed back.
    fn take(&mut self, job: Job) -> tantivy::Result<Option<Waiting>> {
        match job {
            Job::Replace {
                org,
                document,
                entries,
                marker,
            } => {
                if self.batch.is_due_before(&org, Some(&document)) {
                    self.commit()?;
                }
                let (writer, analyser) = (&self.tantivy_writer, &mut self.analyser);
                self.batch
                    .replace(writer, analyser, &org, &document, &entries)?;
                self.note(Change {
                    org,
                    document: Some(document),
                    marker,
                });
            }
            Job::Remove { org, marker } => {
                if self.batch.is_due_before(&org, None) {
                    self.commit()?;
                }
                self.batch.remove(&self.tantivy_writer, &org)?;
                self.note(Change {
                    org,
                    document: None,
                    marker,
                });
            }
            Job::Flush(done) => return Ok(Some(Waiting { done, purge: false })),
            Job::Purge(done) => return Ok(Some(Waiting { done, purge: true })),
        }
        Ok(None)
    }

    fn note(&mut self, change: Change) {
        self.marker = self.marker.max(Some(change.marker));
        self.changes.push(change);
    }

    /// Makes what was taken visible.
    fn commit(&mut self) -> tantivy::Result<()> {
        if self.changes.is_empty() {
            return Ok(());
        }
        self.batch.hand_over(&self.tantivy_writer)?;
        let mut prepared = self.tantivy_writer.prepare_commit()?;
        if let Some(marker) = self.marker {
            prepared.set_payload(&marker.to_string());
        }
        prepared.commit()?;
        self.reader.reload()?;
        self.unsynced_since.get_or_insert_with(Instant::now);
        lock(&self.progress).generation += 1;
        (self.on_visible)(&self.changes);
        self.changes.clear();
        Ok(())
    }

    /// Makes what is visible durable.
    fn sync(&mut self) -> tantivy::Result<()> {
        if self.unsynced_since.take().is_some() {
            // A quiet moment: let go of files that merges have left behind.
            self.reader.reload()?;
            self.tantivy_writer.garbage_collect_files().wait()?;
            self.directory.sync()?;
            lock(&self.progress).durable_marker = self.marker;
        }
        Ok(())
    }

    /// Rewrites every part that holds deleted entries, until none is left.
    fn purge(&mut self) -> tantivy::Result<()> {
        loop {
            let segments = self.index.searchable_segment_metas()?;
            let Some(stale) = segments.iter().find(|segment| segment.has_deletes()) else {
                break;
            };
            // A merge of its own that is under way holds the segment: it is then gone on the next look.
            if let Err(error) = self.tantivy_writer.merge(&[stale.id()]).wait() {
                tracing::debug!(%error, "a part of the search index is being merged already");
                std::thread::sleep(Duration::from_millis(QUIET_MS / 10));
            }
        }
        self.unsynced_since.get_or_insert_with(Instant::now);
        self.sync()
    }
}

/// Somebody who waits for a commit.
struct Waiting {
    done: SyncSender<()>,
    purge: bool,
}
