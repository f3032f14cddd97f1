//! Searching through a whole node: charters' words and times, filters, reasons, suggestions, strands over shards.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod common;

use common::{Site, until};
use fingerpost_daemon::node::{By, Importing, Node};
use fingerpost_proto::api::{EntryKind, Found, Propose, SearchPage, SearchRequest};
use serde_json::{Value, json};

const BLOCK: &str = "```toml directory\nstale_after_days = 30\nhide_after_days = 60\nsynonyms = [[\"hub\", \"one-stop shop\"]]\n\
    [[glossary]]\nterm = \"SNMH\"\nmeans = \"Our network.\"\n```\n";

fn by() -> By {
    By::user("test").unwrap()
}

/// A day so long ago, as a listing writes it.
fn days_ago(days: u64) -> String {
    let at = i64::try_from(fingerpost_daemon::node::now_s() - days * 86_400).unwrap();
    let text = jiff::Timestamp::from_second(at).unwrap().to_string();
    text.chars().take(10).collect()
}

fn import(site: &Site, services: Value) {
    let listing = json!({"id": "o", "name": "Lambeth Pools", "services": services});
    let bytes = serde_json::to_vec(&listing).unwrap();
    let (node, org) = (site.node().clone(), site.org);
    tokio::task::block_in_place(|| {
        node.import(&org, &bytes, Importing::default(), &by())
            .unwrap()
    });
}

fn find(node: &Node, change: impl FnOnce(&mut SearchRequest)) -> SearchPage {
    let mut request = SearchRequest::default();
    change(&mut request);
    tokio::task::block_in_place(|| node.find(&request).unwrap())
}

fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_charter_gives_words_and_times_and_one_that_cannot_be_read_is_refused() {
    let site = Site::start("Lambeth Pools").await;
    let (node, org) = (site.node().clone(), site.org);
    import(
        &site,
        json!([
            {"id": "a", "name": "Welcome hub", "assured_date": days_ago(10)},
            {"id": "b", "name": "Old hub", "assured_date": days_ago(45)},
            {"id": "c", "name": "Very old hub", "assured_date": days_ago(90)},
        ]),
    );
    until("the listing can be found", || {
        find(&node, |it| it.text = some("hub")).total == 3
    })
    .await;
    assert_eq!(
        find(&node, |it| it.text = some("\"one-stop shop\"")).total,
        0
    );

    let found = |charter: &str| Found {
        name: "Brixton".into(),
        charter: charter.into(),
        vouches: 1,
        founders: Vec::new(),
    };
    let broken = found("Text.\n```toml directory\nstale_days = 3\n```\n");
    let error = tokio::task::block_in_place(|| node.found(&org, &broken, &by()).unwrap_err().0);
    assert!(
        error.message.contains("line 3") && error.message.contains("nothing was founded"),
        "{error:?}"
    );
    tokio::task::block_in_place(|| node.found(&org, &found(BLOCK), &by()).unwrap());
    let propose = Propose {
        text: some("```toml directory\n"),
        ..Propose::default()
    };
    let error = tokio::task::block_in_place(|| node.propose(&org, &propose, &by()).unwrap_err().0);
    assert!(
        error.message.contains("line 1") && error.message.contains("nothing was proposed"),
        "{error:?}"
    );

    let page = find(&node, |it| {
        (it.text, it.kind) = (some("\"one-stop shop\""), Some(EntryKind::Service))
    });
    let shown: Vec<(&str, bool)> = page
        .results
        .iter()
        .map(|it| (it.name.as_str(), it.stale))
        .collect();
    assert_eq!(
        (shown, page.hidden),
        (vec![("Welcome hub", false), ("Old hub", true)], 1)
    );
    let page = find(&node, |it| {
        (it.text, it.include_stale) = (some("hub"), true)
    });
    assert_eq!((page.total, page.hidden), (3, 0));
    let explained = tokio::task::block_in_place(|| node.explain("snmh").unwrap());
    assert_eq!(explained.meanings[0].from.as_deref(), Some("Brixton"));
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn results_say_why_they_are_there_and_nothing_found_says_what_to_leave_out() {
    let site = Site::start("Lambeth Pools").await;
    let node = site.node().clone();
    import(
        &site,
        json!([
            {"id": "a", "name": "Counselling in Farsi", "minimum_age": 18,
                "languages": [{"id": "l", "name": "Persian"}], "service_areas": [{"id": "s", "name": "Lambeth"}]},
            {"id": "b", "name": "Counselling", "x_delivery_format": "group"},
        ]),
    );
    until("the listing can be found", || {
        find(&node, |_| {}).total == 3
    })
    .await;

    let page = find(&node, |it| {
        it.text = some("persian therapist");
        (it.language, it.area, it.age) = (some("fa"), some("London"), Some(20));
        (it.near, it.within_km) = (some("SW9 7AA"), Some(2.0));
        (it.explain, it.facets) = (true, true);
    });
    assert_eq!(
        (page.total, page.results[0].name.as_str()),
        (1, "Counselling in Farsi")
    );
    let why: Vec<String> = page.results[0]
        .why
        .iter()
        .map(|why| format!("{}: {}", why.asked, why.answer))
        .collect();
    assert_eq!(
        why,
        [
            "\"persian\": in the description and other texts",
            "\"therapist\": as \"counselling\" in the name",
            "--within 2: names no place, and serves Lambeth",
            "--area \"London\": serves Lambeth",
            "--age 20: for people of 18 and over",
            "--language \"fa\": says \"Persian\"",
            "--near: names no place",
        ]
    );
    assert!(page.notes[0].contains("approximate"));
    let languages = page
        .facets
        .iter()
        .find(|group| group.name == "language")
        .unwrap();
    assert_eq!(
        (
            languages.counts[0].value.as_str(),
            languages.counts[0].count
        ),
        ("Persian", 1)
    );
    let unsaid = find(&node, |it| {
        (it.age, it.format, it.explain) = (Some(20), some("group"), true)
    });
    assert!(
        unsaid.results[0]
            .why
            .iter()
            .any(|why| !why.said && why.asked == "--age 20")
    );

    let page = find(&node, |it| {
        it.text = some("counselling");
        (it.language, it.format) = (some("Farsi"), some("group"));
    });
    assert_eq!(page.total, 0);
    let mut without: Vec<(&str, usize)> = page
        .suggestions
        .iter()
        .map(|it| (it.without.as_str(), it.found))
        .collect();
    without.sort_unstable();
    assert_eq!(
        without,
        [("--format \"group\"", 1), ("--language \"Farsi\"", 1)]
    );
    let unknown = SearchRequest {
        near: some("Brixton"),
        ..SearchRequest::default()
    };
    let error = tokio::task::block_in_place(|| node.find(&unknown).unwrap_err().0);
    assert!(error.message.contains("nothing was searched"), "{error:?}");
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn strands_follow_their_service_into_other_shards() {
    let site = Site::start("Lambeth Pools").await;
    let node = site.node().clone();
    // Strands come first in the order of ids, so their service stands in the second shard.
    let services = |age: u32| {
        let strands = (0..80).map(
            |n| json!({"id": format!("a{n:03}"), "name": "Strand", "x_parent_service": "parent"}),
        );
        let parent = json!({"id": "parent", "name": "Whole", "minimum_age": age});
        Value::Array(strands.chain([parent]).collect())
    };
    let of_age = |age: u32| find(&node, |it| it.age = Some(age)).total;
    import(&site, services(18));
    until("strands take their service's age", || {
        of_age(18) == 81 && of_age(17) == 0
    })
    .await;
    // Only the service changes, and the strands follow.
    import(&site, services(21));
    until("strands follow", || of_age(21) == 81 && of_age(18) == 0).await;
    site.stop().await;
}
