//! SQLite with FTS5 over the same texts: the `sqlite3` program as a child, asked over a pipe.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use fingerpost_daemon::search::Entry;

const DONE: &str = "-- done --";

/// Tables as somebody would make them who wants them fast: words stemmed, a log instead of a rollback journal, and room for
/// pages in memory.
const TABLES: &str = "
    PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA cache_size = -400000; PRAGMA mmap_size = 4000000000;
    CREATE TABLE facts (id INTEGER PRIMARY KEY, entry TEXT UNIQUE, lat REAL, lng REAL);
    CREATE INDEX places ON facts (lat, lng);
    CREATE VIRTUAL TABLE texts USING fts5(name, terms, organisation, places, other, tokenize = 'porter unicode61 remove_diacritics 2');
";

/// A database, and the program that holds it open.
pub(crate) struct Sqlite {
    child: Child,
    into: Option<ChildStdin>,
    out: BufReader<ChildStdout>,
    rows: usize,
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

impl Sqlite {
    /// Makes the database; `None` where there is no such program, or it has no FTS5.
    pub(crate) fn create(path: &Path) -> Option<Sqlite> {
        let mut child = Command::new("sqlite3")
            .args(["-batch", "-bail"])
            .arg(path)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .ok()?;
        let into = child.stdin.take();
        let out = BufReader::new(child.stdout.take()?);
        let mut sqlite = Sqlite {
            child,
            into,
            out,
            rows: 0,
        };
        sqlite.ask(TABLES)?;
        Some(sqlite)
    }

    fn send(&mut self, sql: &str) -> Option<()> {
        self.into.as_mut()?.write_all(sql.as_bytes()).ok()
    }

    /// Runs statements; how many lines they answered.
    pub(crate) fn ask(&mut self, sql: &str) -> Option<usize> {
        self.send(&format!("{sql}\nSELECT '{DONE}';\n"))?;
        self.into.as_mut()?.flush().ok()?;
        let mut lines = 0;
        loop {
            let mut line = String::new();
            if self.out.read_line(&mut line).ok()? == 0 {
                return None;
            }
            if line.trim_end() == DONE {
                return Some(lines);
            }
            lines += 1;
        }
    }

    /// Puts entries in, in the transaction that is open.
    pub(crate) fn insert(&mut self, entries: &[Entry]) -> Option<()> {
        let mut sql = String::new();
        for entry in entries {
            self.rows += 1;
            let point = entry.facts.points.iter().next();
            let degrees = |tenths: i32| f64::from(tenths) / 10_000.0;
            let point = point.map_or("NULL, NULL".to_owned(), |it| {
                format!("{}, {}", degrees(it.lat_e4), degrees(it.lng_e4))
            });
            writeln!(
                sql,
                "INSERT INTO facts VALUES ({}, {}, {point});",
                self.rows,
                quoted(&entry.id)
            )
            .ok()?;
            let other = format!("{} {}", entry.description, entry.other.join(" "));
            let texts = [
                &entry.name,
                &entry.terms.join(" "),
                &entry.organisation_name,
                &entry.places.join(" "),
                &other,
            ];
            let texts: Vec<String> = texts.map(|text| quoted(text)).into();
            writeln!(
                sql,
                "INSERT INTO texts (rowid, name, terms, organisation, places, other) VALUES ({}, {});",
                self.rows,
                texts.join(", ")
            )
            .ok()?;
        }
        self.send(&sql)
    }

    /// Puts entries in the place of those with the same ids, in one transaction.
    pub(crate) fn replace(&mut self, entries: &[Entry]) -> Option<()> {
        self.send("BEGIN;\n")?;
        for entry in entries {
            let id = quoted(&entry.id);
            self.send(&format!(
                "DELETE FROM texts WHERE rowid IN (SELECT id FROM facts WHERE entry = {id}); DELETE FROM facts WHERE entry = {id};\n"
            ))?;
        }
        self.insert(entries)?;
        self.ask("COMMIT;").map(drop)
    }
}

impl Drop for Sqlite {
    fn drop(&mut self) {
        // At the end of its input it ends by itself.
        drop(self.into.take());
        self.child.wait().ok();
    }
}
