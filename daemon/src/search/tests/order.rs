//! The same entries give the same results, however the index came to hold them.

use super::*;

/// A small generator of numbers: the tests need variety, not chance.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % limit
    }

    fn words(&mut self, count: usize) -> String {
        const WORDS: [&str; 24] = [
            "advice", "housing", "debt", "women", "café", "mental", "health", "youth", "training",
            "work", "garden", "support", "group", "families", "carers", "the", "and", "for",
            "drop-in", "recovery", "legal", "Leeds", "Hull", "everyone",
        ];
        let words: Vec<&str> = (0..count).map(|_| WORDS[self.below(WORDS.len())]).collect();
        words.join(" ")
    }
}

type Documents = Vec<(String, String, Vec<Entry>)>;

fn documents(seed: u64) -> Documents {
    let mut numbers = Numbers(seed);
    let mut documents = Vec::new();
    for org in 0..30 {
        for document in 0..1 + numbers.below(3) {
            let mut entries: Vec<Entry> = (0..numbers.below(12))
                .map(|n| Entry {
                    id: format!("{org}-{document}-{n}"),
                    // Two words make many equal names.
                    name: numbers.words(2),
                    description: format!("everyone {}", numbers.words(12)),
                    terms: vec![numbers.words(1), numbers.words(2)],
                    organisation_name: format!("Organisation {}", org % 7),
                    ..Entry::example()
                })
                .collect();
            if document == 0 {
                let id = format!("org-{org}");
                entries.push(Entry {
                    kind: Kind::Organisation,
                    name: format!("Organisation {}", org % 7),
                    id,
                    ..Entry::example()
                });
            }
            // The same id in different organisations.
            entries.push(Entry {
                id: "shared".into(),
                name: "Shared advice".into(),
                ..Entry::example()
            });
            documents.push((format!("org-{org}"), format!("listing/{document}"), entries));
        }
    }
    documents
}

/// Puts `wanted` into an index by a path that depends on `seed`: other texts first, other organisations
/// that go again, many or few commits.
fn built(dir: &Path, wanted: &Documents, seed: u64) -> SearchIndex {
    let mut numbers = Numbers(seed);
    let index = opened(dir);
    let put = |(org, document, entries): &(String, String, Vec<Entry>)| {
        index
            .replace_document(org, document, entries.clone(), 0)
            .unwrap();
    };
    if seed > 0 {
        for stale in documents(seed * 77).iter().take(40) {
            put(stale);
            if numbers.below(6) == 0 {
                index.flush().unwrap();
            }
        }
        for org in 0..30 {
            index.remove_organisation(&format!("org-{org}"), 0).unwrap();
        }
        index
            .replace_document("elsewhere", "listing/0", documents(5)[0].2.clone(), 0)
            .unwrap();
    }
    let mut order: Vec<usize> = (0..wanted.len()).collect();
    for place in (1..order.len()).rev() {
        order.swap(place, numbers.below(place + 1));
    }
    for place in order {
        put(&wanted[place]);
        if numbers.below(8) == 0 {
            // Twice, so that one of the two is a deleted entry.
            put(&wanted[place]);
            index.flush().unwrap();
        }
    }
    index.remove_organisation("elsewhere", 0).unwrap();
    index.flush().unwrap();
    if seed.is_multiple_of(2) {
        index.purge().unwrap();
    }
    index
}

fn queries() -> Vec<Query> {
    let texts = [
        "",
        "advice",
        "housing advice",
        "everyone",
        "women mental health",
        "\"mental health\"",
        "caf*",
        "t*",
        "trainning",
        "drop-in leeds",
        "organisation",
        "the",
        "shared",
        "suport groop",
        "nothingatall",
        "family legal debt",
        "organisation 3 advice",
    ];
    let mut queries = Vec::new();
    for text in texts {
        for kind in [None, Some(Kind::Service), Some(Kind::Organisation)] {
            for organisation in [None, Some("org-3".to_owned())] {
                queries.push(Query {
                    text: Some(text.into()),
                    kind,
                    organisation,
                    limit: 1_000,
                    offset: 0,
                    ..Query::default()
                });
            }
        }
    }
    queries
}

#[test]
fn results_depend_on_the_entries_alone() {
    let wanted = documents(1);
    let dirs: Vec<tempfile::TempDir> = (0..4).map(|_| tempfile::tempdir().unwrap()).collect();
    let indexes: Vec<SearchIndex> = dirs
        .iter()
        .zip(0..)
        .map(|(dir, seed)| built(dir.path(), &wanted, seed))
        .collect();
    let parts: Vec<usize> = indexes
        .iter()
        .map(|index| index.stats().unwrap().segments)
        .collect();
    assert!(
        parts.iter().any(|count| *count != parts[0]),
        "the indexes are to be laid out differently: {parts:?}"
    );
    let mut in_all = 0;
    for query in queries() {
        let first = indexes[0].search(&query).unwrap();
        in_all += first.total;
        assert_eq!(first.total, first.results.len());
        for other in &indexes[1..] {
            assert_eq!(first, other.search(&query).unwrap(), "{query:?}");
        }
    }
    assert!(in_all > 2_000, "{in_all}");
}

#[test]
fn pages_join_without_gap_or_repeat() {
    let wanted = documents(2);
    let dirs: Vec<tempfile::TempDir> = (0..2).map(|_| tempfile::tempdir().unwrap()).collect();
    let indexes: Vec<SearchIndex> = dirs
        .iter()
        .zip(2..)
        .map(|(dir, seed)| built(dir.path(), &wanted, seed))
        .collect();
    for query in queries()
        .into_iter()
        .filter(|query| query.organisation.is_none())
    {
        let whole = indexes[0].search(&query).unwrap();
        for page_length in [9, 64] {
            let mut pages = Vec::new();
            for (turn, offset) in (0..whole.total).step_by(page_length).enumerate() {
                // Every page from another node.
                let page = Query {
                    limit: page_length,
                    offset,
                    ..query.clone()
                };
                let page = indexes[turn % 2].search(&page).unwrap();
                assert_eq!(page.total, whole.total);
                pages.extend(page.results);
            }
            assert_eq!(pages, whole.results, "{query:?} by {page_length}");
        }
    }
}

#[test]
fn a_large_organisation_is_ranked_like_a_small_one() {
    let dir = tempfile::tempdir().unwrap();
    let index = opened(dir.path());
    let many: Vec<Entry> = (0..60)
        .map(|n| service(&format!("big-{n}"), "Debt advice"))
        .collect();
    index
        .replace_document("org-big", "listing/0", many, 0)
        .unwrap();
    index
        .replace_document(
            "org-small",
            "listing/0",
            vec![service("small", "Debt advice")],
            0,
        )
        .unwrap();
    index.flush().unwrap();
    let page = index
        .search(&Query {
            text: Some("debt".into()),
            limit: 100,
            ..Query::default()
        })
        .unwrap();
    assert!(
        page.results
            .iter()
            .all(|hit| hit.score_milli == page.results[0].score_milli)
    );
}

#[test]
fn many_small_commits_lose_nothing_and_bring_nothing_back() {
    let dir = tempfile::tempdir().unwrap();
    let index = opened(dir.path());
    let mut numbers = Numbers(9);
    // What each document should hold, as names.
    let mut held: std::collections::BTreeMap<(String, String), Vec<String>> = Default::default();
    for round in 0..1_500u64 {
        let (org, document) = (
            format!("org-{}", numbers.below(6)),
            format!("listing/{}", numbers.below(4)),
        );
        if numbers.below(20) == 0 {
            index.remove_organisation(&org, round).unwrap();
            held.retain(|(of, _), _| *of != org);
        } else {
            let names: Vec<String> = (0..numbers.below(5))
                .map(|n| format!("Round {round} number {n}"))
                .collect();
            let entries = names.iter().map(|name| service(name, name)).collect();
            index
                .replace_document(&org, &document, entries, round)
                .unwrap();
            held.insert((org, document), names);
        }
        if numbers.below(4) == 0 {
            index.flush().unwrap();
            let mut expected: Vec<String> = held.values().flatten().cloned().collect();
            expected.sort();
            let mut seen = found(&index, "");
            seen.sort();
            assert_eq!(seen, expected, "round {round}");
        }
    }
    assert!(index.visible_generation() > 200);
}
