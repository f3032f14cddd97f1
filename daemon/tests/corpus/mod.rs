//! Listings in a search index: what a node would hold of them, without the node.

mod shared;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use fingerpost_daemon::search::{Entry, SearchIndex, entries_with};
use fingerpost_proto::listing::shards::assign;
use fingerpost_proto::listing::source::{Source, Whose, choose};
use fingerpost_proto::listing::tables::Table;
use fingerpost_proto::listing::tables::guess::guess;
use fingerpost_proto::listing::tables::package::read_package;
use fingerpost_proto::listing::{Service, apply_import, parse_import};
use serde_json::{Map, Value, json};

pub(crate) use shared::shared;

/// Listings that nobody published, for what the real ones do not say: hours, costs, languages, who may refer, and places
/// to go to; some fit a question, and some nearly do.
#[allow(dead_code, reason = "each program takes what it needs of this")]
const INVENTED: &str = include_str!("invented.json");

/// Spreadsheets of what there is in and around Trafford.
#[allow(dead_code, reason = "each program takes what it needs of this")]
const SHEETS: [&str; 6] = [
    "charities",
    "mental_health_services",
    "gm_food_banks",
    "gm_jobcentreplus",
    "gm_libraries",
    "gm_probation_offices",
];

/// Listings, as they came and as they can be found.
#[allow(dead_code, reason = "each program takes what it needs of this")]
pub(crate) struct Corpus {
    /// Every service as its file has it, by id.
    pub(crate) services: BTreeMap<String, Value>,
    /// Everything that can be found.
    pub(crate) entries: Vec<Entry>,
    pub(crate) index: SearchIndex,
    marker: u64,
    _dir: tempfile::TempDir,
}

/// The JSON files of some folders in an index, each as an organisation of its own.
#[allow(dead_code, reason = "each program takes what it needs of this")]
pub(crate) fn corpus(folders: &[PathBuf]) -> Corpus {
    let mut corpus = Corpus::empty();
    for path in files(folders, "json") {
        let listing = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        corpus.add(&stem(&path), &listing);
    }
    corpus.index.flush().unwrap();
    corpus
}

/// All real listings that lie beside a working copy, and the invented ones; `None` where there are no real ones.
#[allow(dead_code, reason = "each program takes what it needs of this")]
pub(crate) fn everything() -> Option<Corpus> {
    let data = shared("data")?;
    let mut corpus = corpus(&[data.join("moj-oruk")]);
    for sheet in SHEETS {
        let table = table(&data.join(format!("trafford-gm/{sheet}.csv")));
        let mapping = guess(&table, sheet);
        let whose = match mapping.publisher {
            true => Whose::Publisher,
            false => Whose::Only,
        };
        let source = mapping.apply(&table).unwrap();
        corpus.take(&sheet.replace('_', " "), source, whose);
    }
    let tables = files(&[data.join("ilao-hsds1/hsds")], "csv");
    let tables: Vec<Table> = tables.iter().map(|path| table(path)).collect();
    corpus.take(
        "Illinois Legal Aid Online",
        read_package(&tables),
        Whose::Publisher,
    );
    let invented: Vec<Value> = serde_json::from_str(INVENTED).unwrap();
    for listing in &invented {
        corpus.add(listing["id"].as_str().unwrap(), listing);
    }
    corpus.index.flush().unwrap();
    Some(corpus)
}

fn files(folders: &[PathBuf], ending: &str) -> Vec<PathBuf> {
    let entries = folders
        .iter()
        .flat_map(|folder| std::fs::read_dir(folder).unwrap());
    let paths = entries.map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> = paths
        .filter(|path| path.extension().is_some_and(|it| it == ending))
        .collect();
    files.sort();
    files
}

fn stem(path: &Path) -> String {
    path.file_stem().unwrap().to_string_lossy().into_owned()
}

fn table(path: &Path) -> Table {
    Table::from_csv(&stem(path), &std::fs::read(path).unwrap(), 1).unwrap()
}

impl Corpus {
    fn empty() -> Corpus {
        let dir = tempfile::tempdir().unwrap();
        let (index, _) = SearchIndex::open(dir.path()).unwrap();
        Corpus {
            services: BTreeMap::new(),
            entries: Vec::new(),
            index,
            marker: 0,
            _dir: dir,
        }
    }

    /// Adds what `name` imports.
    fn take(&mut self, name: &str, source: Source, whose: Whose<'_>) {
        let importer = json!({"id": name, "name": name});
        let importer: &Map<String, Value> = importer.as_object().unwrap();
        let chosen = choose(source, whose, importer).unwrap();
        self.add(name, &chosen.listing);
    }

    /// Adds the listing of an organisation with the Fingerpost id `org`, as good as one.
    fn add(&mut self, org: &str, raw: &Value) {
        let import = parse_import(raw.to_string().as_bytes()).unwrap();
        let listing = apply_import(None, &import, false).0;
        for service in raw["services"].as_array().unwrap() {
            let id = service["id"].as_str().unwrap().to_owned();
            self.services.insert(id, service.clone());
        }
        let elsewhere = |id: &str| -> Option<Service> { listing.services.get(id).cloned() };
        for (shard, state) in assign(&listing, &BTreeMap::new()).unwrap() {
            let document = format!("listing/{shard}");
            let name = listing.organization.name.as_str();
            let found = entries_with(org, &document, name, &state, &elsewhere);
            self.entries.extend(found.clone());
            self.marker += 1;
            self.index
                .replace_document(org, &document, found, self.marker)
                .unwrap();
        }
    }
}
