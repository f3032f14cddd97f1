use std::sync::{Arc, Mutex};

use proptest::prelude::*;

use super::*;

#[test]
fn an_entry_is_found_by_every_text_of_it_and_shown_whole() {
    let dir = tempfile::tempdir().unwrap();
    let index = holding(dir.path(), vec![Entry::example()]);
    for text in [
        "debt",
        "advice",
        "Harbour",
        "confidential",
        "management",
        "leeds",
        "ls1",
        "owing",
        "debt leeds",
    ] {
        assert_eq!(found(&index, text), ["s1"], "{text}");
    }
    assert!(
        found(&index, "debt paris").is_empty(),
        "all words are demanded"
    );
    let page = index
        .search(&Query {
            text: Some("debt".into()),
            limit: 10,
            ..Query::default()
        })
        .unwrap();
    let hit = &page.results[0];
    assert!(hit.score_milli > 0);
    assert_eq!(
        (
            hit.kind,
            hit.name.as_str(),
            hit.org.as_str(),
            hit.document.as_str(),
            hit.organisation_name.as_str()
        ),
        (
            Kind::Service,
            "Debt advice",
            "org-a",
            "listing/0",
            "Harbour Trust"
        )
    );
    assert_eq!(
        hit.snippet.as_deref(),
        Some("Free and confidential help with money.")
    );
    assert_eq!(hit.status.as_deref(), Some("active"));
    assert_eq!(hit.assured_date.as_deref(), Some("2026-10-01"));
}

#[test]
fn a_replaced_document_is_found_by_its_new_text_alone() {
    let dir = tempfile::tempdir().unwrap();
    let index = holding(
        dir.path(),
        vec![service("s1", "Gardening"), service("s2", "Cooking")],
    );
    index
        .replace_document("org-a", "listing/1", vec![service("s3", "Swimming")], 2)
        .unwrap();
    index
        .replace_document("org-a", "listing/0", vec![service("s1", "Knitting")], 3)
        .unwrap();
    index.flush().unwrap();
    assert!(found(&index, "gardening").is_empty());
    assert!(found(&index, "cooking").is_empty());
    assert_eq!(found(&index, "knitting"), ["s1"]);
    assert_eq!(
        found(&index, "swimming"),
        ["s3"],
        "another document of the organisation stays"
    );
    index
        .replace_document("org-a", "listing/0", Vec::new(), 4)
        .unwrap();
    index.flush().unwrap();
    assert!(found(&index, "knitting").is_empty());
}

#[test]
fn entries_belong_to_the_document_they_are_given_for() {
    let dir = tempfile::tempdir().unwrap();
    let index = opened(dir.path());
    index
        .replace_document(
            "org-b",
            "listing/7",
            vec![Entry::example(), service("s1", "Twin")],
            1,
        )
        .unwrap();
    index.flush().unwrap();
    let hits = index.lookup("s1").unwrap();
    assert_eq!(hits.len(), 1, "of two entries with one id the first counts");
    assert_eq!(
        (hits[0].org.as_str(), hits[0].document.as_str()),
        ("org-b", "listing/7")
    );
    assert_eq!(hits[0].name, "Debt advice");
}

#[test]
fn a_removed_organisation_is_not_found_and_others_are() {
    let dir = tempfile::tempdir().unwrap();
    let index = opened(dir.path());
    for (marker, org) in [(1, "org-a"), (2, "org-b")] {
        for document in ["listing/0", "listing/1"] {
            index
                .replace_document(
                    org,
                    document,
                    vec![service(&format!("{org}-{document}"), "Advice")],
                    marker,
                )
                .unwrap();
        }
    }
    index.remove_organisation("org-a", 3).unwrap();
    index.flush().unwrap();
    assert_eq!(
        found(&index, "advice"),
        ["org-b-listing/0", "org-b-listing/1"]
    );
    assert_eq!(index.stats().unwrap().services, 2);
}

#[test]
fn phrases_prefixes_stems_and_accents() {
    let dir = tempfile::tempdir().unwrap();
    let bare = |id: &str, name: &str| Entry {
        organisation_name: String::new(),
        description: String::new(),
        terms: vec!["Young people".into(), "Health".into()],
        places: Vec::new(),
        other: Vec::new(),
        ..service(id, name)
    };
    let index = holding(
        dir.path(),
        vec![
            bare("1", "Mental health counselling"),
            bare("2", "Health and mental wellbeing"),
            bare("3", "Café for women’s groups"),
            bare("4", "Womens aid"),
        ],
    );
    assert_eq!(found(&index, "\"mental health\""), ["1"]);
    assert_eq!(found(&index, "mental health").len(), 2);
    assert!(
        found(&index, "\"people health\"").is_empty(),
        "a phrase does not run from term to term"
    );
    assert_eq!(found(&index, "wom*"), ["3", "4"]);
    assert_eq!(
        found(&index, "counselli*"),
        ["1"],
        "a prefix longer than the stem"
    );
    assert!(found(&index, "wom").is_empty(), "a prefix only with a star");
    assert_eq!(found(&index, "counsellor"), Vec::<String>::new());
    assert_eq!(found(&index, "counsels"), ["1"]);
    for text in ["cafe", "CAFÉ", "cafe\u{301}", "cafés"] {
        assert_eq!(found(&index, text), ["3"], "{text}");
    }
    for text in ["women's", "women", "WOMENS", "women’s"] {
        assert_eq!(found(&index, text), ["3", "4"], "{text}");
    }
    assert_eq!(
        found(&index, "café for the women").len(),
        1,
        "common words are not demanded"
    );
}

#[test]
fn one_wrong_letter_is_tolerated_in_a_long_word_that_nobody_has() {
    let dir = tempfile::tempdir().unwrap();
    let index = holding(
        dir.path(),
        vec![
            service("1", "Counselling"),
            service("2", "Housing"),
            service("3", "Horsing about"),
        ],
    );
    assert_eq!(found(&index, "counceling"), ["1"]);
    assert_eq!(
        found(&index, "cuonselling"),
        ["1"],
        "two letters in the wrong order"
    );
    assert_eq!(
        found(&index, "housing"),
        ["2"],
        "a word that is there is meant as it stands"
    );
    assert!(found(&index, "hose").is_empty());
}

#[test]
fn a_word_that_only_a_removed_entry_had_counts_as_unknown() {
    let dir = tempfile::tempdir().unwrap();
    let index = holding(
        dir.path(),
        vec![service("1", "Grading"), service("2", "Trading")],
    );
    assert_eq!(found(&index, "grading"), ["1"]);
    index
        .replace_document("org-a", "listing/0", vec![service("2", "Trading")], 2)
        .unwrap();
    index.flush().unwrap();
    assert_eq!(found(&index, "grading"), ["2"]);
}

#[test]
fn without_text_everything_is_listed_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let organisation = Entry {
        kind: Kind::Organisation,
        ..service("org-a", "Harbour Trust")
    };
    let index = holding(
        dir.path(),
        vec![
            service("3", "zebra"),
            organisation,
            service("1", "Éclair"),
            service("2", "apple"),
        ],
    );
    for text in ["", "   ", "*"] {
        assert_eq!(found(&index, text), ["2", "1", "org-a", "3"], "{text:?}");
    }
    let of_kind = |kind, organisation: Option<&str>| {
        let query = Query {
            kind,
            organisation: organisation.map(str::to_owned),
            limit: 10,
            ..Query::default()
        };
        index.search(&query).unwrap().total
    };
    assert_eq!(of_kind(Some(Kind::Organisation), None), 1);
    assert_eq!(of_kind(Some(Kind::Service), Some("org-a")), 3);
    assert_eq!(of_kind(None, Some("org-b")), 0);
    let stats = index.stats().unwrap();
    assert_eq!(
        (stats.services, stats.organisations, stats.generation),
        (3, 1, 1)
    );
    assert!(
        found(&index, "?!").is_empty(),
        "what holds no word is not the same as no text"
    );
}

#[test]
fn a_name_counts_more_than_a_description_and_a_rare_word_more_than_a_common_one() {
    let dir = tempfile::tempdir().unwrap();
    let mut entries: Vec<Entry> = (0..20)
        .map(|n| service(&format!("c{n:02}"), "Advice"))
        .collect();
    entries.push(Entry {
        description: "advice and sailing".into(),
        ..service("a", "Boats")
    });
    entries.push(Entry {
        description: "advice".into(),
        ..service("b", "Sailing")
    });
    let index = holding(dir.path(), entries);
    assert_eq!(found(&index, "advice sailing"), ["b", "a"]);
    assert_eq!(found(&index, "advice").len(), 22);
}

#[test]
fn the_limits_of_a_search_are_kept() {
    let dir = tempfile::tempdir().unwrap();
    let index = holding(dir.path(), vec![Entry::example()]);
    let search = |limit, offset| {
        index.search(&Query {
            limit,
            offset,
            ..Query::default()
        })
    };
    assert!(matches!(
        search(RESULTS_LIMIT + 1, 0),
        Err(SearchError::Query(_))
    ));
    assert_eq!(search(RESULTS_LIMIT, 0).unwrap().results.len(), 1);
    let beyond = search(10, usize::MAX).unwrap();
    assert_eq!((beyond.total, beyond.results.len()), (1, 0));
    assert_eq!(search(0, 0).unwrap().total, 1);
}

#[test]
fn the_caller_is_told_what_became_visible_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let seen: Arc<Mutex<Vec<Change>>> = Arc::default();
    let sink = Arc::clone(&seen);
    let (index, _) = SearchIndex::open_with(
        dir.path(),
        Box::new(move |changes| sink.lock().unwrap().extend_from_slice(changes)),
    )
    .unwrap();
    for marker in 1..=200 {
        index
            .replace_document(
                "org-a",
                &format!("listing/{}", marker % 5),
                vec![Entry::example()],
                marker,
            )
            .unwrap();
    }
    index.remove_organisation("org-a", 201).unwrap();
    index.flush().unwrap();
    let markers: Vec<u64> = seen
        .lock()
        .unwrap()
        .iter()
        .map(|change| change.marker)
        .collect();
    assert_eq!(markers, (1..=201).collect::<Vec<_>>());
    assert_eq!(seen.lock().unwrap().last().unwrap().document, None);
    assert!(
        index.visible_generation() < 100,
        "changes that come together are committed together"
    );
}

#[test]
fn many_threads_can_write_and_search_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let index = opened(dir.path());
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let index = index.clone();
            scope.spawn(move || {
                for round in 0..50 {
                    let id = format!("{thread}-{round}");
                    index
                        .replace_document(
                            &format!("org-{thread}"),
                            "listing/0",
                            vec![service(&id, "Advice")],
                            0,
                        )
                        .unwrap();
                    index
                        .search(&Query {
                            text: Some("advice".into()),
                            limit: 5,
                            ..Query::default()
                        })
                        .unwrap();
                    if round % 10 == 0 {
                        index.flush().unwrap();
                    }
                }
            });
        }
    });
    index.flush().unwrap();
    assert_eq!(found(&index, "advice"), ["0-49", "1-49", "2-49", "3-49"]);
}

#[test]
fn after_a_purge_no_file_holds_what_was_removed() {
    let dir = tempfile::tempdir().unwrap();
    let index = holding(
        dir.path(),
        vec![service("s1", "Quetzalcoatl"), service("s2", "Gardening")],
    );
    index
        .replace_document("org-b", "listing/0", vec![service("s3", "Xylophones")], 2)
        .unwrap();
    index.flush().unwrap();
    index
        .replace_document("org-a", "listing/0", vec![service("s2", "Gardening")], 3)
        .unwrap();
    index.remove_organisation("org-b", 4).unwrap();
    index.purge().unwrap();
    assert_eq!(index.durable_marker(), Some(4));
    assert_eq!(found(&index, ""), ["s2"]);
    for file in std::fs::read_dir(dir.path().join("index")).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        for gone in ["uetzalcoatl", "ylophone"] {
            assert!(
                !bytes
                    .windows(gone.len())
                    .any(|window| window == gone.as_bytes()),
                "{gone}"
            );
        }
    }
}

fn random_query() -> impl Strategy<Value = String> {
    let word = prop_oneof![
        Just("advice".to_owned()),
        Just("leeds".to_owned()),
        Just("the".to_owned()),
        "\\PC{0,12}",
        "[a-z\"* ()\\-+~^:/'\\[\\]]{0,16}",
    ];
    proptest::collection::vec(word, 0..8).prop_map(|words| words.join(" "))
}

#[test]
fn no_text_makes_a_search_panic() {
    let dir = tempfile::tempdir().unwrap();
    let index = holding(
        dir.path(),
        vec![Entry::example(), service("s2", "Café \"de\" l'été*")],
    );
    proptest!(ProptestConfig::with_cases(2_000), |(text in random_query())| {
        let query = Query { text: Some(text), limit: 10, ..Query::default() };
        match index.search(&query) {
            Ok(page) => prop_assert!(page.results.len() <= page.total),
            Err(error) => prop_assert!(matches!(error, SearchError::Query(_)), "{}", error),
        }
    });
}

#[test]
fn no_text_of_an_entry_stops_the_writer() {
    let dir = tempfile::tempdir().unwrap();
    let index = opened(dir.path());
    proptest!(ProptestConfig::with_cases(64), |(name in "\\PC{0,300}", text in any::<String>())| {
        let entry = Entry { description: text.clone(), other: vec![text], ..service("s", &name) };
        index.replace_document("org-a", "listing/0", vec![entry], 1).unwrap();
    });
    let huge = Entry {
        description: "x".repeat(300_000),
        id: "i".repeat(70_000),
        ..service("", "Huge")
    };
    index
        .replace_document(
            "org-a",
            "listing/0",
            vec![huge, service("after", "After")],
            2,
        )
        .unwrap();
    index.flush().unwrap();
    assert_eq!(found(&index, "after"), ["after"]);
    assert_eq!(found(&index, "huge").len(), 1);
}

/// The ids found, and how many of the words each of them lacks.
fn most(index: &SearchIndex, text: &str, change: impl FnOnce(&mut Query)) -> (Vec<String>, usize) {
    let mut query = Query {
        text: Some(text.into()),
        limit: 100,
        or_most_words: true,
        ..Query::default()
    };
    change(&mut query);
    let page = index.search(&query).unwrap();
    assert_eq!(page.total, page.results.len(), "{text}");
    let ids = page.results.into_iter().map(|hit| hit.id).collect();
    (ids, page.words_missing)
}

#[test]
fn where_no_entry_has_all_words_those_that_have_most_are_given_if_wanted() {
    let dir = tempfile::tempdir().unwrap();
    let entries = vec![
        service("s1", "Anxiety group"),
        service("s2", "Depression group"),
        service("s3", "Depression walks"),
        service("s4", "Therapist"),
    ];
    let index = holding(dir.path(), entries);
    let ids = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect::<Vec<_>>();
    let plain = |_: &mut Query| {};
    assert_eq!(most(&index, "depression group", plain), (ids(&["s2"]), 0));
    assert_eq!(
        most(&index, "anxiety depression", plain),
        (ids(&["s1", "s2", "s3"]), 1),
        "the rarer word weighs more"
    );
    assert_eq!(
        most(&index, "anxiety depression group", plain),
        (ids(&["s1", "s2"]), 1),
        "s3 has but one of the words"
    );
    assert_eq!(
        most(&index, "plumber anxiety tiler", plain),
        (ids(&["s1"]), 2)
    );
    assert_eq!(most(&index, "plumber tiler", plain), (Vec::new(), 0));
    let strict = |query: &mut Query| query.or_most_words = false;
    assert_eq!(most(&index, "anxiety depression", strict), (Vec::new(), 0));
    let with_synonyms = |query: &mut Query| {
        query.vocabulary = Some(Arc::new(Vocabulary::built_in().clone()));
    };
    assert_eq!(
        most(&index, "counsellor plumber", with_synonyms),
        (ids(&["s4"]), 1)
    );
    let elsewhere = |query: &mut Query| query.organisation = Some("org-b".into());
    assert_eq!(
        most(&index, "anxiety depression", elsewhere),
        (Vec::new(), 0),
        "everything but the words is demanded still"
    );
}

#[test]
fn a_long_word_may_have_two_wrong_letters_where_none_has_one() {
    let dir = tempfile::tempdir().unwrap();
    let entries = vec![
        service("s1", "Bereavement"),
        service("s2", "Garden"),
        service("s3", "Volunteering"),
    ];
    let index = holding(dir.path(), entries);
    assert_eq!(found(&index, "berevment"), ["s1"]);
    assert_eq!(found(&index, "volantearing"), ["s3"]);
    assert!(found(&index, "gorten").is_empty(), "too short for two");
    index
        .replace_document("org-a", "listing/1", vec![service("s4", "Volunteerinx")], 2)
        .unwrap();
    index.flush().unwrap();
    assert_eq!(
        found(&index, "volunteeriny"),
        ["s3", "s4"],
        "both are one letter away"
    );
}
