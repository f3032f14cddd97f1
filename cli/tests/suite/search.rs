//! Searching with filters, and explaining terms.

use fingerpost_proto::api::{
    EntryKind, FacetCount, FacetGroup, OrgRef, SearchPage, SearchResult, Suggestion, Why,
};
use fingerpost_proto::ids::OrgId;
use fingerpost_proto::vocabulary::{Explanation, Vocabulary};
use serde_json::Value;

use super::{done, has, streams};
use crate::fake::{Fake, run_in};

fn page() -> SearchPage {
    let result = |kind, name: &str, distance_m| SearchResult {
        id: "s-1".into(),
        kind,
        name: name.into(),
        organisation: OrgRef {
            id: OrgId::from_bytes([1; 32]),
            name: "Aid\u{1b}[5m".into(),
        },
        status: None,
        assured_date: Some("2024-01-01".into()),
        stale: true,
        distance_m,
        why: vec![Why {
            asked: "--age 18".into(),
            answer: "for people of 18 and over".into(),
            said: true,
        }],
    };
    SearchPage {
        total: 2,
        results: vec![
            result(EntryKind::Service, "=Meals, \"warm\"", Some(2_345)),
            result(EntryKind::Notice, "A need", None),
        ],
        hidden: 1,
        notes: vec!["distances are approximate".into()],
        facets: vec![FacetGroup {
            name: "type".into(),
            counts: vec![FacetCount {
                value: "Meals".into(),
                count: 1_200,
            }],
        }],
        suggestions: Vec::new(),
    }
}

fn answering(page: SearchPage) -> Fake {
    let body = serde_json::to_vec(&page).unwrap();
    Fake::new(move |_| (200, body.clone()))
}

#[test]
fn every_filter_reaches_the_daemon() {
    let fake = answering(page());
    let args = [
        "search",
        "meals",
        "--kind",
        "notice",
        "--near",
        "51.5,-0.1",
        "--within",
        "2.5",
        "--area",
        "E09000022",
        "--age",
        "18",
        "--for",
        "women",
        "--type",
        "debt advice",
        "--stage",
        "ready",
        "--model",
        "bespoke",
        "--language",
        "fa",
        "--free",
        "--refer",
        "self",
        "--format",
        "group",
        "--payer",
        "grant",
        "--on",
        "tuesday evening",
        "--open-now",
        "--accessible",
        "--organisation",
        "Aid",
        "--fresh",
        "90d",
        "--include-stale",
        "--facets",
        "--explain",
    ];
    let (data, talk) = done(&fake, &args);
    assert_eq!(
        fake.requests().last().unwrap().line,
        "GET /v1/search?text=meals&kind=notice&organisation=Aid&limit=20&offset=0&near=51.5%2C-0.1&within_km=2.5&\
         area=E09000022&age=18&for=women&type=debt%20advice&stage=ready&model=bespoke&language=fa&free=true&refer=self&\
         format=group&payer=grant&on=tuesday%20evening&open_now=true&accessible=true&fresh=90d&include_stale=true&\
         facets=true&explain=true"
    );
    has(
        &data,
        &[
            "2.3 km",
            "2024-01-01 (stale)",
            "(notice) Aid",
            "  --age 18: for people of 18 and over",
            "    1,200  Meals",
        ],
    );
    has(
        &talk,
        &[
            "Note: distances are approximate.",
            "2 entries found.",
            "1 more entry left out",
            "--include-stale",
        ],
    );
    assert!(!data.contains('\u{1b}'));
}

#[test]
fn rows_for_a_spreadsheet_are_quoted_and_harmless() {
    let (data, _) = done(&answering(page()), &["search", "--csv"]);
    let rows: Vec<&str> = data.lines().collect();
    assert_eq!(rows.len(), 3);
    assert!(rows[0].starts_with("id,kind,name,"));
    assert!(
        rows[1].starts_with("s-1,service,\"'=Meals, \"\"warm\"\"\",Aid"),
        "{data}"
    );
    assert!(rows[1].ends_with(",2024-01-01,true,2345"));
}

#[test]
fn nothing_found_says_what_to_leave_out() {
    let page = SearchPage {
        suggestions: vec![Suggestion {
            without: "--age 18".into(),
            found: 1_234,
        }],
        ..SearchPage::default()
    };
    let (data, talk) = done(&answering(page), &["search", "meals", "--age", "18"]);
    assert_eq!(data, "");
    assert_eq!(talk, "Nothing was found.\n  without --age 18: 1,234\n");
}

#[test]
fn a_term_is_explained_and_an_unknown_one_is_not_found() {
    let explained = |term: &str| {
        let body = serde_json::to_vec(&Vocabulary::built_in().explain(term)).unwrap();
        Fake::new(move |_| (200, body.clone()))
    };
    let (data, _) = done(&explained("CMHT"), &["explain", "CMHT"]);
    has(&data, &["CMHT: community mental health team\n  NHS nurses"]);
    let (data, _) = done(&explained("debt advice"), &["explain", "debt", "advice"]);
    has(
        &data,
        &[
            "a term of the list \"support\", part of Financial advice",
            "Also called: money advice",
        ],
    );

    let fake = explained("CMHTT");
    let (data, talk) = streams(&fake.run(&["explain", "CMHTT"]), 4);
    assert_eq!(data, "");
    has(
        &talk,
        &["Nothing is known of \"CMHTT\".", "Terms like it: ", "CMHT"],
    );
    let output = fake.run(&["explain", "CMHTT", "--json"]);
    assert_eq!(output.status.code(), Some(4));
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (&answer["format"], &answer["near"][0]),
        (&Value::from(1), &Value::from("CMHT"))
    );
}

#[test]
fn what_is_built_in_is_explained_without_a_daemon() {
    let home = tempfile::tempdir().unwrap();
    let output = run_in(home.path(), &["explain", "PIP", "--json"], b"");
    assert_eq!(output.status.code(), Some(0));
    let answer: Explanation = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        answer.meanings[0].stands_for.as_deref(),
        Some("Personal Independence Payment")
    );
}
