//! Reopening: what persists, what is made anew, and what damaged files do.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::*;

fn state_of(dir: &Path) -> (SearchIndex, OpenState) {
    SearchIndex::open(dir).unwrap()
}

#[test]
fn a_new_directory_is_empty_and_a_reopened_one_holds_what_it_held() {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("deep").join("search");
    let (index, state) = state_of(&dir);
    assert_eq!(state, OpenState::Empty(EmptyReason::Missing));
    index
        .replace_document("org-a", "listing/0", vec![Entry::example()], 41)
        .unwrap();
    index
        .replace_document("org-b", "listing/0", vec![service("s2", "Swimming")], 42)
        .unwrap();
    // Not flushed: closing commits what is queued.
    drop(index);
    let (index, state) = state_of(&dir);
    assert_eq!(state, OpenState::Ready { marker: Some(42) });
    assert_eq!(index.durable_marker(), Some(42));
    assert_eq!(found(&index, ""), ["s1", "s2"]);
    index
        .replace_document("org-a", "listing/0", Vec::new(), 43)
        .unwrap();
    index.close().unwrap();
    assert_eq!(found(&index, ""), ["s2"], "a closed index still answers");
    assert!(matches!(index.flush(), Err(SearchError::Stopped(_))));
    assert!(matches!(
        index.remove_organisation("org-b", 44),
        Err(SearchError::Stopped(_))
    ));
    index.close().unwrap();
}

#[test]
fn what_is_visible_becomes_durable_soon() {
    let dir = tempfile::tempdir().unwrap();
    let index = holding(dir.path(), vec![Entry::example()]);
    let started = Instant::now();
    while index.durable_marker() != Some(1) {
        assert!(started.elapsed() < Duration::from_secs(20));
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn an_index_of_another_version_is_made_anew() {
    let dir = tempfile::tempdir().unwrap();
    drop(holding(dir.path(), vec![Entry::example()]));
    let version = dir.path().join("version");
    let other = fs::read_to_string(&version)
        .unwrap()
        .replace("search 2", "search 0");
    fs::write(&version, other).unwrap();
    let (index, state) = state_of(dir.path());
    assert_eq!(state, OpenState::Empty(EmptyReason::OtherVersion));
    assert!(found(&index, "").is_empty());
    index
        .replace_document("org-a", "listing/0", vec![Entry::example()], 1)
        .unwrap();
    drop(index);
    assert_eq!(state_of(dir.path()).1, OpenState::Ready { marker: Some(1) });
}

#[test]
fn an_index_that_is_open_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let index = holding(dir.path(), vec![Entry::example()]);
    assert!(matches!(
        SearchIndex::open(dir.path()),
        Err(SearchError::InUse(_))
    ));
    assert!(matches!(
        SearchIndex::create(dir.path(), Box::new(|_| {})),
        Err(SearchError::InUse(_))
    ));
    assert_eq!(found(&index, "debt"), ["s1"]);
    drop(index);
    let index = SearchIndex::create(dir.path(), Box::new(|_| {})).unwrap();
    assert!(found(&index, "").is_empty());
}

#[test]
fn a_directory_that_cannot_be_made_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "in the way").unwrap();
    assert!(matches!(
        SearchIndex::open(&file.join("search")),
        Err(SearchError::Io { .. })
    ));
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(dir.join("index"))
        .unwrap()
        .map(|file| file.unwrap().path())
        .filter(|file| fs::metadata(file).unwrap().len() > 0)
        .collect();
    files.push(dir.join("version"));
    files.sort();
    files
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to.join("index")).unwrap();
    for file in files(from) {
        fs::copy(&file, to.join(file.strip_prefix(from).unwrap())).unwrap();
    }
}

/// Opens a damaged index and uses it. Either it is whole after all, or it is made anew.
fn open_damaged(dir: &Path, what: &str) -> bool {
    let (index, state) = SearchIndex::open(dir).unwrap_or_else(|error| panic!("{what}: {error}"));
    let all = index.search(&Query {
        limit: 100,
        ..Query::default()
    });
    let text = index.search(&Query {
        text: Some("debt advice".into()),
        limit: 100,
        ..Query::default()
    });
    let is_new = match state {
        OpenState::Empty(_) => true,
        OpenState::Ready { .. } => match (&all, &text) {
            (Ok(all), Ok(text)) => {
                assert_eq!(
                    (all.total, text.total),
                    (12, 12),
                    "{what}: entries were lost without a word"
                );
                false
            }
            (Err(SearchError::Damaged(_)), _) | (_, Err(SearchError::Damaged(_))) => return true,
            other => panic!("{what}: {other:?}"),
        },
    };
    index
        .replace_document("org-z", "listing/0", vec![service("z", "Zither")], 9)
        .unwrap();
    index
        .flush()
        .unwrap_or_else(|error| panic!("{what}: {error}"));
    assert_eq!(found(&index, "zither"), ["z"], "{what}");
    is_new
}

#[test]
fn a_flipped_byte_anywhere_is_found_out_or_harmless() {
    let original = tempfile::tempdir().unwrap();
    let index = holding(
        original.path(),
        (0..8)
            .map(|n| service(&format!("a{n}"), "Debt advice"))
            .collect(),
    );
    index
        .replace_document(
            "org-b",
            "listing/0",
            (0..9)
                .map(|n| service(&format!("b{n}"), "Debt advice"))
                .collect(),
            2,
        )
        .unwrap();
    index.flush().unwrap();
    index
        .replace_document(
            "org-a",
            "listing/0",
            (0..3)
                .map(|n| service(&format!("a{n}"), "Debt advice"))
                .collect(),
            3,
        )
        .unwrap();
    drop(index);
    let mut made_anew = 0;
    let mut tried = 0;
    let quiet = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    for file in files(original.path()) {
        let name = file.strip_prefix(original.path()).unwrap().to_owned();
        let length = fs::metadata(&file).unwrap().len() as usize;
        let step = if length < 400 { 13 } else { length / 12 };
        for place in (0..length).step_by(step) {
            let dir = tempfile::tempdir().unwrap();
            copy(original.path(), dir.path());
            let mut bytes = fs::read(dir.path().join(&name)).unwrap();
            bytes[place] ^= 1 << (place % 8);
            fs::write(dir.path().join(&name), bytes).unwrap();
            tried += 1;
            made_anew += usize::from(open_damaged(
                dir.path(),
                &format!("{} at {place}", name.display()),
            ));
        }
    }
    std::panic::set_hook(quiet);
    assert!(
        made_anew * 2 > tried,
        "{made_anew} of {tried} were found out"
    );
}

#[test]
fn a_missing_or_shortened_file_is_found_out() {
    let original = tempfile::tempdir().unwrap();
    let entries = |count| {
        (0..count)
            .map(|n| service(&format!("a{n}"), "Debt advice"))
            .collect()
    };
    let index = holding(original.path(), entries(20));
    index
        .replace_document("org-a", "listing/0", entries(12), 2)
        .unwrap();
    drop(index);
    let quiet = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    for file in files(original.path()) {
        let name = file.strip_prefix(original.path()).unwrap().to_owned();
        for kept in [None, Some(0), Some(1), Some(2)] {
            let dir = tempfile::tempdir().unwrap();
            copy(original.path(), dir.path());
            let target = dir.path().join(&name);
            match kept {
                None => fs::remove_file(&target).unwrap(),
                Some(half) => {
                    let bytes = fs::read(&target).unwrap();
                    fs::write(&target, &bytes[..bytes.len() * half / 3]).unwrap();
                }
            }
            open_damaged(dir.path(), &format!("{} kept {kept:?}", name.display()));
        }
    }
    std::panic::set_hook(quiet);
}
