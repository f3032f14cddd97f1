//! The search index over 10,000 services of 2,500 organisations: how fast it is filled, how soon one edit
//! is visible, and how long a search takes.
#![allow(clippy::unwrap_used)]

use std::hint::black_box;
use std::path::Path;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use fingerpost_daemon::search::{Entry, Kind, Query, SearchIndex};
use fingerpost_proto::listing::facts::Facts;

const ORGANISATIONS: usize = 2_500;
const SERVICES_EACH: usize = 4;

const WORDS: [&str; 40] = [
    "advice",
    "housing",
    "debt",
    "women",
    "café",
    "mental",
    "health",
    "youth",
    "training",
    "work",
    "garden",
    "support",
    "group",
    "families",
    "carers",
    "recovery",
    "legal",
    "counselling",
    "everyone",
    "community",
    "older",
    "people",
    "disability",
    "children",
    "food",
    "bank",
    "benefits",
    "welfare",
    "rights",
    "autism",
    "dementia",
    "refugee",
    "language",
    "sports",
    "music",
    "art",
    "volunteering",
    "bereavement",
    "addiction",
    "employment",
];

/// Varied words, the same in every run; low ones come far more often, as in real texts.
fn words(seed: usize, count: usize) -> String {
    let mut state = (seed as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut text = String::new();
    for _ in 0..count {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let share = (state >> 40) as usize % 1_600;
        text.push_str(WORDS[(share * share / 64_000) % WORDS.len()]);
        text.push(' ');
        if state >> 62 == 0 {
            text.push_str(&format!("place{} ", share * 7));
        }
    }
    text
}

fn services(organisation: usize) -> Vec<Entry> {
    (0..SERVICES_EACH)
        .map(|n| {
            let seed = organisation * SERVICES_EACH + n;
            Entry {
                id: format!("00000000-0000-4000-8000-{seed:012}"),
                kind: Kind::Service,
                org: String::new(),
                document: String::new(),
                organisation_name: format!("{}trust {organisation}", words(organisation, 2)),
                name: words(seed + 1, 4),
                description: words(seed + 2, 60),
                terms: vec![words(seed + 3, 2), words(seed + 4, 1)],
                places: vec![words(seed + 5, 2)],
                other: vec![words(seed + 6, 10)],
                status: Some("active".to_owned()),
                assured_date: Some("2026-10-01".to_owned()),
                facts: Facts::default(),
            }
        })
        .collect()
}

fn filled(dir: &Path, documents: &[(String, Vec<Entry>)]) -> SearchIndex {
    let (index, _) = SearchIndex::open(dir).unwrap();
    for (marker, (org, entries)) in (0..).zip(documents) {
        index
            .replace_document(org, "listing/0", entries.clone(), marker)
            .unwrap();
    }
    index.flush().unwrap();
    index
}

fn bench(criterion: &mut Criterion) {
    let documents: Vec<(String, Vec<Entry>)> = (0..ORGANISATIONS)
        .map(|n| (format!("org-{n:050}"), services(n)))
        .collect();

    let mut group = criterion.benchmark_group("search_fill");
    group
        .sample_size(10)
        .throughput(Throughput::Elements((ORGANISATIONS * SERVICES_EACH) as u64));
    group.bench_function("10,000 services", |bencher| {
        bencher.iter_batched(
            || tempfile::tempdir().unwrap(),
            |dir| {
                let index = filled(dir.path(), &documents);
                (index, dir)
            },
            BatchSize::PerIteration,
        );
    });
    group.finish();

    let dir = tempfile::tempdir().unwrap();
    let index = filled(dir.path(), &documents);

    let mut group = criterion.benchmark_group("search_edit");
    let mut marker = ORGANISATIONS as u64;
    group.bench_function("one listing, until visible", |bencher| {
        bencher.iter(|| {
            marker += 1;
            let (org, entries) = &documents[marker as usize % ORGANISATIONS];
            index
                .replace_document(org, "listing/0", entries.clone(), marker)
                .unwrap();
            index.flush().unwrap();
        });
    });
    group.finish();

    let mut group = criterion.benchmark_group("search_query");
    for (name, text) in [
        ("common word", "advice"),
        ("two words", "women employment"),
        ("phrase", "\"mental health\""),
        ("prefix", "place12*"),
        ("misspelt", "employmnt"),
        ("everything", ""),
    ] {
        let query = Query {
            text: Some(text.to_owned()),
            limit: 20,
            ..Query::default()
        };
        group.bench_function(name, |bencher| {
            bencher.iter(|| index.search(black_box(&query)).unwrap())
        });
    }
    let deep = Query {
        text: Some("advice".to_owned()),
        limit: 20,
        offset: 3_000,
        ..Query::default()
    };
    group.bench_function("page 151", |bencher| {
        bencher.iter(|| index.search(black_box(&deep)).unwrap())
    });
    group.finish();
}

criterion_group!(benches, bench);
criterion_main!(benches);
