//! Tests of the index as a whole.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod damage;
mod filtering;
mod finding;
mod order;

use std::path::Path;

use super::*;

impl Entry {
    /// A service to vary.
    pub(super) fn example() -> Entry {
        Entry {
            id: "s1".into(),
            kind: Kind::Service,
            org: "org-a".into(),
            document: "listing/0".into(),
            organisation_name: "Harbour Trust".into(),
            name: "Debt advice".into(),
            description: "Free and confidential help with money.".into(),
            terms: vec!["Money management".into()],
            places: vec!["Leeds".into(), "LS1 4AP".into()],
            other: vec!["Owing support".into()],
            status: Some("active".into()),
            assured_date: Some("2026-10-01".into()),
            facts: Facts::default(),
        }
    }
}

fn service(id: &str, name: &str) -> Entry {
    Entry {
        id: id.into(),
        name: name.into(),
        ..Entry::example()
    }
}

fn opened(dir: &Path) -> SearchIndex {
    SearchIndex::open(dir).unwrap().0
}

fn found(index: &SearchIndex, text: &str) -> Vec<String> {
    let query = Query {
        text: Some(text.into()),
        limit: 100,
        ..Query::default()
    };
    let page = index.search(&query).unwrap();
    assert_eq!(page.total, page.results.len(), "{text}");
    page.results.into_iter().map(|hit| hit.id).collect()
}

/// An index with `entries` as the only document of one organisation.
fn holding(dir: &Path, entries: Vec<Entry>) -> SearchIndex {
    let index = opened(dir);
    index
        .replace_document("org-a", "listing/0", entries, 1)
        .unwrap();
    index.flush().unwrap();
    index
}
