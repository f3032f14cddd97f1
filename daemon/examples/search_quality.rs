//! Prints docs/search-quality.md: questions in users' own words, what was asked of the search, its first five
//! answers over the real listings beside a working copy of the project, and what they are worth.
//!
//! ```console
//! $ cargo run -p fingerpost-daemon --example search_quality > docs/search-quality.md
//! ```
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a tool for developers"
)]
#![allow(missing_docs)]

#[path = "../tests/corpus/mod.rs"]
mod corpus;

use std::sync::Arc;

use fingerpost_daemon::search::{Hit, Kind, Page, Query};
use fingerpost_proto::api::{EntryKind, SearchRequest};
use fingerpost_proto::day::Day;
use fingerpost_proto::filter::{Now, filters};
use fingerpost_proto::vocabulary::Vocabulary;
use serde::Deserialize;

#[derive(Deserialize)]
struct Question {
    /// In a user's words.
    ask: String,
    /// The command for it.
    command: String,
    /// The same as the search gets it.
    search: SearchRequest,
    /// What the answers are worth.
    verdict: Verdict,
    /// Why.
    judgement: String,
}

#[derive(Deserialize, Clone, Copy, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Verdict {
    Good,
    Honest,
    Poor,
}

impl Verdict {
    fn word(self) -> &'static str {
        match self {
            Verdict::Good => "good",
            Verdict::Honest => "honest",
            Verdict::Poor => "poor",
        }
    }
}

fn main() {
    let Some(corpus) = corpus::everything() else {
        return;
    };
    let text = include_str!("questions.json");
    let questions: Vec<Question> = serde_json::from_str(text).unwrap();
    print!("{}", include_str!("search_quality_head.md"));
    let count = |verdict| questions.iter().filter(|it| it.verdict == verdict).count();
    println!("\n| good | honest | poor |\n|---|---|---|");
    println!(
        "| {} | {} | {} |",
        count(Verdict::Good),
        count(Verdict::Honest),
        count(Verdict::Poor)
    );
    println!("\n| | question | found | verdict |\n|---|---|---|---|");
    let pages: Vec<Page> = questions.iter().map(|it| ask(&corpus, it)).collect();
    for (number, (question, page)) in (1..).zip(questions.iter().zip(&pages)) {
        let found = found(page);
        println!(
            "| {number} | {} | {found} | {} |",
            question.ask,
            question.verdict.word()
        );
    }
    for (number, (question, page)) in (1..).zip(questions.iter().zip(&pages)) {
        println!("\n## {number}. {}\n", question.ask);
        println!(
            "`fingerpost search {}`: {} found.\n",
            question.command,
            found(page)
        );
        for hit in &page.results {
            println!("1. {}", shown(hit));
        }
        if !page.results.is_empty() {
            println!();
        }
        let mut verdict = question.verdict.word().to_owned();
        verdict[..1].make_ascii_uppercase();
        println!("**{verdict}.** {}", question.judgement);
    }
}

fn found(page: &Page) -> String {
    match page.words_missing {
        0 => page.total.to_string(),
        _ => format!("none with all words, {} with most of them", page.total),
    }
}

/// Asks as a node does.
fn ask(corpus: &corpus::Corpus, question: &Question) -> Page {
    let vocabulary = Arc::new(Vocabulary::built_in().clone());
    let now = Now {
        today: Day::parse("2026-11-27").unwrap(),
        minute: 600,
    };
    let asked = filters(&question.search, &vocabulary, now).unwrap();
    let filters: Vec<_> = asked
        .filters
        .into_iter()
        .map(|(_, filter)| filter)
        .collect();
    let of_services = filters.iter().any(|it| it.is_about_services());
    let kind = question.search.kind.map(|kind| match kind {
        EntryKind::Service => Kind::Service,
        EntryKind::Organisation => Kind::Organisation,
        EntryKind::Notice => Kind::Notice,
    });
    let query = Query {
        text: question.search.text.clone(),
        kind: kind.or(of_services.then_some(Kind::Service)),
        limit: 5,
        filters,
        near: asked.near.map(|place| (place.point, asked.reach_m)),
        stale_before: Some(now.today.plus(-180)),
        hide_before: Some(now.today.plus(-730)),
        today: Some(now.today),
        vocabulary: Some(vocabulary),
        or_most_words: true,
        ..Query::default()
    };
    corpus.index.search(&query).unwrap()
}

fn shown(hit: &Hit) -> String {
    let status = match hit.status.as_deref() {
        None | Some("active") => String::new(),
        Some(other) => format!(" *({other})*"),
    };
    let far = hit
        .distance_m
        .map(fingerpost_proto::filter::kilometres)
        .map_or(String::new(), |far| format!(", {far} away"));
    let name = hit.name.replace(['|', '*', '_', '<', '>', '[', ']'], " ");
    format!("{name}, {}{far}{status}", hit.organisation_name)
}
