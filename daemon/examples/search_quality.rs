//! Prints docs/search-quality.md: questions in users' own words, what was asked of the search, and its first five
//! answers over the real listings beside a working copy of the project.
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

use fingerpost_daemon::search::{Hit, Kind, Query};
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
    /// What to make of the answers.
    judgement: String,
}

fn main() {
    let Some(folder) = corpus::shared("data/moj-oruk") else {
        return;
    };
    let corpus = corpus::corpus(&[folder]);
    let text = include_str!("questions.json");
    let questions: Vec<Question> = serde_json::from_str(text).unwrap();
    let vocabulary = Arc::new(Vocabulary::built_in().clone());
    let now = Now {
        today: Day::parse("2026-11-27").unwrap(),
        minute: 600,
    };
    print!("{}", include_str!("search_quality_head.md"));
    for (number, question) in (1..).zip(&questions) {
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
            vocabulary: Some(Arc::clone(&vocabulary)),
            ..Query::default()
        };
        let page = corpus.index.search(&query).unwrap();
        println!("\n## {number}. {}\n", question.ask);
        println!(
            "`fingerpost search {}`: {} found.\n",
            question.command, page.total
        );
        for hit in &page.results {
            println!("1. {}", shown(hit));
        }
        println!("\n{}", question.judgement);
    }
}

fn shown(hit: &Hit) -> String {
    let status = match hit.status.as_deref() {
        None | Some("active") => String::new(),
        Some(other) => format!(" *({other})*"),
    };
    let name = hit.name.replace(['|', '*', '_', '<', '>', '[', ']'], " ");
    format!("{name}, {}{status}", hit.organisation_name)
}
