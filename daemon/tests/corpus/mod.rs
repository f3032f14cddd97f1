//! Real listings in a search index: what a node would hold of them, without the node.

mod shared;

use std::collections::BTreeMap;
use std::path::PathBuf;

use fingerpost_daemon::search::{Entry, SearchIndex, entries_with};
use fingerpost_proto::listing::shards::assign;
use fingerpost_proto::listing::{Service, apply_import, parse_import};
use serde_json::Value;

pub(crate) use shared::shared;

/// Listings, as they came and as they can be found.
#[allow(dead_code, reason = "each program takes what it needs of this")]
pub(crate) struct Corpus {
    /// Every service as its file has it, by id.
    pub(crate) services: BTreeMap<String, Value>,
    /// Everything that can be found.
    pub(crate) entries: Vec<Entry>,
    pub(crate) index: SearchIndex,
    _dir: tempfile::TempDir,
}

/// Puts the listings of some folders into an index, each file as an organisation of its own.
pub(crate) fn corpus(folders: &[PathBuf]) -> Corpus {
    let dir = tempfile::tempdir().unwrap();
    let (index, _) = SearchIndex::open(dir.path()).unwrap();
    let (mut services, mut entries) = (BTreeMap::new(), Vec::new());
    let mut files: Vec<PathBuf> = folders
        .iter()
        .flat_map(|folder| std::fs::read_dir(folder).unwrap())
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|it| it == "json"))
        .collect();
    files.sort();
    for (marker, path) in (1..).zip(&files) {
        let bytes = std::fs::read(path).unwrap();
        let listing = apply_import(None, &parse_import(&bytes).unwrap(), false).0;
        let raw: Value = serde_json::from_slice(&bytes).unwrap();
        for service in raw["services"].as_array().unwrap() {
            services.insert(service["id"].as_str().unwrap().to_owned(), service.clone());
        }
        let org = path.file_stem().unwrap().to_string_lossy().into_owned();
        let elsewhere = |id: &str| -> Option<Service> { listing.services.get(id).cloned() };
        for (shard, state) in assign(&listing, &BTreeMap::new()).unwrap() {
            let document = format!("listing/{shard}");
            let name = listing.organization.name.as_str();
            let found = entries_with(&org, &document, name, &state, &elsewhere);
            entries.extend(found.clone());
            index
                .replace_document(&org, &document, found, marker)
                .unwrap();
        }
    }
    index.flush().unwrap();
    Corpus {
        services,
        entries,
        index,
        _dir: dir,
    }
}
