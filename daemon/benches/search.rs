//! The search index at the size of a town and of a nation, beside SQLite's FTS5 over the same texts in the same run: how
//! fast it is filled, how long each kind of question takes, and how soon an edit is found.
//!
//! `cargo bench -p fingerpost-daemon --bench search`; `FINGERPOST_BENCH_SERVICES=10000,600000` chooses the sizes. Where
//! there is no `sqlite3` program, its columns stay empty, and a line says so. Prints a table, then the same as one line
//! of JSON.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "search/made_up.rs"]
mod made_up;
#[path = "search/questions.rs"]
mod questions;
#[path = "search/sqlite.rs"]
mod sqlite;

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use fingerpost_daemon::search::{Entry, Query, SearchIndex, entries_of};
use made_up::{Dice, SERVICES_EACH, listing, org};
use questions::{KINDS, Question};
use serde_json::{Value, json};
use sqlite::Sqlite;

/// Different questions of each kind.
const QUESTIONS: usize = 200;
/// How often each is asked. Its median counts, so that what is shown is hard questions and not a busy machine.
const TIMES: usize = 3;
/// SQLite is asked fewer of a kind once they have taken so long.
const SQLITE_PATIENCE_S: u64 = 15;
/// Edits whose way into the answers is timed.
const EDITS: usize = 100;
/// Pause between edits, as people make them.
const EDIT_PAUSE_MS: u64 = 20;

fn ms(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1e3
}

/// Half of all, and all but one in a hundred, took no longer; in milliseconds.
fn percentiles(mut times: Vec<f64>) -> Value {
    times.sort_by(f64::total_cmp);
    let at = |share: usize| times.get(times.len() * share / 100).copied();
    json!({"p50_ms": at(50), "p99_ms": at(99), "questions": times.len()})
}

fn entries(number: usize, word: Option<&str>) -> Vec<Entry> {
    let (name, shard) = listing(number, word);
    entries_of(&org(number), "listing/0", &name, &shard)
}

fn disk_mb(dir: &Path) -> u64 {
    disk_bytes(dir) / 1_000_000
}

fn disk_bytes(dir: &Path) -> u64 {
    let files = std::fs::read_dir(dir).unwrap();
    let sizes = files.map(|file| {
        let path = file.unwrap().path();
        match path.is_dir() {
            true => disk_bytes(&path),
            false => path.metadata().map_or(0, |it| it.len()),
        }
    });
    sizes.sum()
}

fn peak_rss_mb() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.trim().split(' ').next()?.parse().ok()?;
    Some(kib * 1_024 / 1_000_000)
}

fn fill(index: &SearchIndex, organisations: usize) -> f64 {
    let begun = Instant::now();
    for (marker, number) in (0..).zip(0..organisations) {
        index
            .replace_document(&org(number), "listing/0", entries(number, None), marker)
            .unwrap();
    }
    index.flush().unwrap();
    begun.elapsed().as_secs_f64()
}

fn fill_sqlite(path: &Path, organisations: usize) -> Option<(Sqlite, f64)> {
    let mut sqlite = Sqlite::create(path)?;
    let begun = Instant::now();
    sqlite.ask("BEGIN;")?;
    for number in 0..organisations {
        sqlite.insert(&entries(number, None))?;
    }
    sqlite.ask("COMMIT; INSERT INTO texts(texts) VALUES ('optimize'); ANALYZE facts;")?;
    Some((sqlite, begun.elapsed().as_secs_f64()))
}

/// The median time of a question, asked several times.
fn median(mut ask: impl FnMut()) -> f64 {
    let mut times: Vec<f64> = (0..TIMES)
        .map(|_| {
            let begun = Instant::now();
            ask();
            ms(begun)
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times[TIMES / 2]
}

fn ask_sqlite(sqlite: &mut Sqlite, questions: &[Question]) -> Option<Value> {
    let begun = Instant::now();
    let mut times = Vec::new();
    for question in questions {
        let sql = question.sql.as_deref()?;
        times.push(median(|| {
            sqlite.ask(sql).expect("sqlite3 answers");
        }));
        if begun.elapsed().as_secs() >= SQLITE_PATIENCE_S {
            break;
        }
    }
    Some(percentiles(times))
}

fn ask_all(index: &SearchIndex, mut sqlite: Option<&mut Sqlite>, services: usize) -> Vec<Value> {
    let kinds = (1..).zip(KINDS).map(|(seed, (name, make))| {
        let mut dice = Dice(seed);
        let questions: Vec<Question> = (0..QUESTIONS).map(|_| make(&mut dice, services)).collect();
        let mut found = 0;
        let times = questions.iter().map(|question| {
            found += index.search(&question.query).unwrap().total;
            median(|| drop(index.search(&question.query).unwrap()))
        });
        let ours = percentiles(times.collect());
        let theirs = sqlite
            .as_deref_mut()
            .and_then(|it| ask_sqlite(it, &questions));
        json!({"kind": name, "found_mean": found / QUESTIONS, "fingerpost": ours, "sqlite": theirs})
    });
    kinds.collect()
}

/// How long after an edit it is found.
fn edits(index: &SearchIndex, organisations: usize, round: &str) -> Value {
    let mut dice = Dice(7);
    let times = (0..EDITS).map(|edit| {
        std::thread::sleep(Duration::from_millis(EDIT_PAUSE_MS));
        // The other half changes meanwhile, when there is to be load.
        let (number, word) = (dice.roll(organisations / 2), format!("{round}{edit}edit"));
        let entries = entries(number, Some(&word));
        let query = Query {
            text: Some(word),
            limit: 1,
            ..Query::default()
        };
        let begun = Instant::now();
        index
            .replace_document(&org(number), "listing/0", entries, u64::MAX)
            .unwrap();
        while index.search(&query).unwrap().total == 0 {
            std::thread::yield_now();
        }
        ms(begun)
    });
    percentiles(times.collect())
}

/// The same while others ask without pause, and other listings change.
fn edits_under_load(index: &SearchIndex, organisations: usize) -> Value {
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut dice = Dice(11);
            while !stop.load(Ordering::Relaxed) {
                let make = KINDS[dice.roll(KINDS.len())].1;
                let question = make(&mut dice, organisations * SERVICES_EACH);
                index.search(&question.query).unwrap();
            }
        });
        scope.spawn(|| {
            let mut dice = Dice(13);
            while !stop.load(Ordering::Relaxed) {
                let number = organisations / 2 + dice.roll(organisations / 2);
                index
                    .replace_document(&org(number), "listing/0", entries(number, None), u64::MAX)
                    .unwrap();
                std::thread::sleep(Duration::from_millis(EDIT_PAUSE_MS));
            }
        });
        let times = edits(index, organisations, "busy");
        stop.store(true, Ordering::Relaxed);
        times
    })
}

fn edits_sqlite(sqlite: &mut Sqlite, organisations: usize) -> Option<Value> {
    let mut dice = Dice(7);
    let mut times = Vec::new();
    for edit in 0..EDITS {
        let (number, word) = (dice.roll(organisations), format!("sqlite{edit}edit"));
        let entries = entries(number, Some(&word));
        let begun = Instant::now();
        sqlite.replace(&entries)?;
        let found = sqlite.ask(&format!(
            "SELECT rowid FROM texts WHERE texts MATCH '{word}' LIMIT 1;"
        ))?;
        assert_eq!(found, 1, "{word}");
        times.push(ms(begun));
    }
    Some(percentiles(times))
}

fn measure(services: usize) -> Value {
    let organisations = services / SERVICES_EACH;
    let dir = tempfile::tempdir().unwrap();
    let index_dir = dir.path().join("index");
    let (index, _) = SearchIndex::open(&index_dir).unwrap();
    let fill_s = fill(&index, organisations);
    let sqlite_dir = dir.path().join("sqlite");
    std::fs::create_dir(&sqlite_dir).unwrap();
    let mut sqlite = fill_sqlite(&sqlite_dir.join("texts.db"), organisations);
    if sqlite.is_none() {
        println!("no comparison: there is no sqlite3 program with FTS5 here");
    }
    let kinds = ask_all(&index, sqlite.as_mut().map(|(it, _)| it), services);
    let sizes = (
        disk_mb(&index_dir),
        sqlite.is_some().then(|| disk_mb(&sqlite_dir)),
    );
    json!({
        "services": services,
        "entries": organisations * (SERVICES_EACH + 1),
        "fill_s": {"fingerpost": fill_s, "sqlite": sqlite.as_ref().map(|(_, fill_s)| fill_s)},
        "disk_mb": {"fingerpost": sizes.0, "sqlite": sizes.1},
        "parts": index.stats().unwrap().segments,
        "kinds": kinds,
        "edit_to_found": {
            "idle": edits(&index, organisations, "idle"),
            "under_load": edits_under_load(&index, organisations),
            "sqlite": sqlite.as_mut().and_then(|(it, _)| edits_sqlite(it, organisations)),
        },
        "peak_rss_mb": peak_rss_mb(),
    })
}

fn show(result: &Value) {
    println!(
        "\n{} services, {} entries",
        result["services"], result["entries"]
    );
    for what in ["fill_s", "disk_mb", "parts", "peak_rss_mb"] {
        println!("{what}: {}", result[what]);
    }
    println!(
        "{:34} {:>9} {:>9} {:>9} {:>9} {:>9}",
        "", "found", "p50 ms", "p99 ms", "SQLite 50", "99"
    );
    let number = |value: &Value| {
        value
            .as_f64()
            .map_or("-".to_owned(), |it| format!("{it:.2}"))
    };
    let line = |name: &str, found: &Value, ours: &Value, theirs: &Value| {
        let of = |side: &Value| (number(&side["p50_ms"]), number(&side["p99_ms"]));
        let ((a, b), (c, d)) = (of(ours), of(theirs));
        println!(
            "{name:34} {:>9} {a:>9} {b:>9} {c:>9} {d:>9}",
            found.to_string()
        );
    };
    for kind in result["kinds"].as_array().unwrap() {
        let name = kind["kind"].as_str().unwrap();
        line(
            name,
            &kind["found_mean"],
            &kind["fingerpost"],
            &kind["sqlite"],
        );
    }
    let edits = &result["edit_to_found"];
    line(
        "an edit until it is found",
        &json!(1),
        &edits["idle"],
        &edits["sqlite"],
    );
    line(
        "the same under load",
        &json!(1),
        &edits["under_load"],
        &Value::Null,
    );
}

fn main() {
    // `cargo test --benches` only wants to see that it starts.
    if std::env::args().any(|arg| arg == "--test") {
        return;
    }
    let sizes = std::env::var("FINGERPOST_BENCH_SERVICES").unwrap_or_else(|_| "10000".into());
    let sizes = sizes.split(',').filter_map(|size| size.trim().parse().ok());
    let results: Vec<Value> = sizes
        .map(|size| {
            let result = measure(size);
            show(&result);
            result
        })
        .collect();
    println!("{}", json!({ "format": 1, "results": results }));
}
