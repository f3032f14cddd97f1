//! Opening, checking and making the index's directory:
//!
//! ```text
//! lock      held while the index is open
//! version   what the index was made by; written last when one is made, removed first when one goes
//! index/    tantivy's files
//! ```

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tantivy::schema::Schema;
use tantivy::{Directory, Index, IndexReader, IndexSettings, ReloadPolicy, SegmentReader};

use super::directory::QuietDirectory;
use super::schema::{Fields, ORDER_FIELD};
use super::{
    EmptyReason, Inner, OnVisible, OpenState, SearchError, SearchIndex, guarded, words, writer,
};

/// Goes up with every change to what is indexed and how: an index of another version is made anew.
pub(super) const INDEX_VERSION: u32 = 2;

/// Blocks of stored texts kept unpacked for each part of the index: results of one page lie apart, so
/// more would only hold memory.
const STORE_CACHE_BLOCKS: usize = 4;

/// Opens the index in `dir` or makes an empty one.
pub(super) fn open(
    dir: &Path,
    on_visible: OnVisible,
) -> Result<(SearchIndex, OpenState), SearchError> {
    let lock = take_lock(dir)?;
    let reason = match fs::read_to_string(version_path(dir)) {
        Ok(found) if found == version_text() => match guarded(|| open_checked(dir)) {
            Ok((parts, marker)) => {
                let index = parts.start(lock, marker, on_visible)?;
                return Ok((index, OpenState::Ready { marker }));
            }
            Err(SearchError::Damaged(reason)) => EmptyReason::Damaged(reason),
            Err(other) => return Err(other),
        },
        Ok(_) => EmptyReason::OtherVersion,
        Err(error) if error.kind() == io::ErrorKind::NotFound => EmptyReason::Missing,
        Err(error) => EmptyReason::Damaged(error.to_string()),
    };
    let index = create_locked(dir, lock, on_visible)?;
    Ok((index, OpenState::Empty(reason)))
}

/// Makes an empty index in `dir`, whatever is there.
pub(super) fn create(dir: &Path, on_visible: OnVisible) -> Result<SearchIndex, SearchError> {
    let lock = take_lock(dir)?;
    create_locked(dir, lock, on_visible)
}

fn create_locked(
    dir: &Path,
    lock: File,
    on_visible: OnVisible,
) -> Result<SearchIndex, SearchError> {
    let files = files_path(dir);
    let version = version_path(dir);
    remove(&version, |path| fs::remove_file(path))?;
    remove(&files, |path| fs::remove_dir_all(path))?;
    fs::create_dir_all(&files).map_err(|source| io_error(&files, source))?;
    let (schema, fields) = Fields::schema();
    let failed = |error: tantivy::TantivyError| io_error(&files, io::Error::other(error));
    let directory = QuietDirectory::open(&files).map_err(failed)?;
    let index =
        Index::create(directory.clone(), schema, IndexSettings::default()).map_err(failed)?;
    register_words(&index);
    directory
        .sync()
        .map_err(|source| io_error(&files, source))?;
    write_version(&version).map_err(|source| io_error(&version, source))?;
    let reader = open_reader(&index).map_err(failed)?;
    Parts {
        index,
        reader,
        fields,
        directory,
    }
    .start(lock, None, on_visible)
}

/// An index whose files are in order.
struct Parts {
    index: Index,
    reader: IndexReader,
    fields: Fields,
    directory: QuietDirectory,
}

impl Parts {
    fn start(
        self,
        lock: File,
        marker: Option<u64>,
        on_visible: OnVisible,
    ) -> Result<SearchIndex, SearchError> {
        let Parts {
            index,
            reader,
            fields,
            directory,
        } = self;
        let writer = writer::Handle::start(
            index,
            reader.clone(),
            fields.clone(),
            directory,
            marker,
            on_visible,
        )?;
        Ok(SearchIndex {
            inner: Arc::new(Inner {
                fields,
                reader,
                writer,
                _lock: lock,
            }),
        })
    }
}

/// Opens what is there, and checks that every file is as it was written. A panic of tantivy's on a
/// damaged file is caught by the caller.
fn open_checked(dir: &Path) -> Result<(Parts, Option<u64>), SearchError> {
    let damaged = |reason: String| SearchError::Damaged(reason);
    let directory = QuietDirectory::open(&files_path(dir))?;
    let index = Index::open(directory.clone())?;
    let (schema, fields) = Fields::schema();
    check_schema(&index, &schema)?;
    register_words(&index);
    let metas = index.load_metas()?;
    for path in metas.list_segment_files() {
        // Parts that a segment need not have, such as its deletions, are listed too; the reader below
        // finds out whether one that it must have is missing.
        let exists = index
            .directory()
            .exists(&path)
            .map_err(tantivy::TantivyError::from)?;
        if exists
            && !index
                .directory()
                .validate_checksum(&path)
                .map_err(tantivy::TantivyError::from)?
        {
            return Err(damaged(format!(
                "{} is not as it was written",
                path.display()
            )));
        }
    }
    let marker = match metas.payload.as_deref() {
        None => None,
        Some(text) => Some(
            text.parse()
                .map_err(|_| damaged("its marker is unreadable".to_owned()))?,
        ),
    };
    let reader = open_reader(&index)?;
    for segment in reader.searcher().segment_readers() {
        check_segment(segment)?;
    }
    Ok((
        Parts {
            index,
            reader,
            fields,
            directory,
        },
        marker,
    ))
}

fn check_schema(index: &Index, schema: &Schema) -> Result<(), SearchError> {
    if index.schema() == *schema {
        Ok(())
    } else {
        Err(SearchError::Damaged(
            "its fields are not those of its version".to_owned(),
        ))
    }
}

/// Compares the counts in the index's table of contents, which has no checksum, with those in the files.
fn check_segment(segment: &SegmentReader) -> Result<(), SearchError> {
    let order = segment.fast_fields().bytes(ORDER_FIELD)?;
    let rows = order.map_or(0, |order| order.ords().num_docs());
    let alive = segment
        .alive_bitset()
        .map_or(segment.max_doc() as usize, |alive| alive.num_alive_docs());
    if rows == segment.max_doc() && alive == segment.num_docs() as usize {
        Ok(())
    } else {
        Err(SearchError::Damaged(
            "its table of contents does not fit its files".to_owned(),
        ))
    }
}

fn open_reader(index: &Index) -> tantivy::Result<IndexReader> {
    index
        .reader_builder()
        // The writer thread reloads after each commit; watching the files would only cost wake-ups.
        .reload_policy(ReloadPolicy::Manual)
        .doc_store_cache_num_blocks(STORE_CACHE_BLOCKS)
        .try_into()
}

fn register_words(index: &Index) {
    index
        .tokenizers()
        .register(words::ANALYSER_NAME, words::analyser());
}

fn take_lock(dir: &Path) -> Result<File, SearchError> {
    fs::create_dir_all(dir).map_err(|source| io_error(dir, source))?;
    let path = dir.join("lock");
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path)
        .map_err(|source| io_error(&path, source))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(SearchError::InUse(dir.to_owned())),
        Err(TryLockError::Error(source)) => Err(io_error(&path, source)),
    }
}

fn write_version(path: &Path) -> io::Result<()> {
    let new_path = path.with_extension("new");
    fs::write(&new_path, version_text())?;
    File::open(&new_path)?.sync_all()?;
    fs::rename(&new_path, path)
}

/// Another version of the library may cut words differently or write other files.
fn version_text() -> String {
    format!(
        "fingerpost-search {INDEX_VERSION}\n{}\n",
        tantivy::version_string()
    )
}

fn version_path(dir: &Path) -> PathBuf {
    dir.join("version")
}

fn files_path(dir: &Path) -> PathBuf {
    dir.join("index")
}

fn remove(path: &Path, how: impl Fn(&Path) -> io::Result<()>) -> Result<(), SearchError> {
    match how(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(io_error(path, error)),
        _ => Ok(()),
    }
}

fn io_error(path: &Path, source: io::Error) -> SearchError {
    SearchError::Io {
        path: path.to_owned(),
        source,
    }
}
