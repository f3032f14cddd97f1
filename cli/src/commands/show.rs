//! `fingerpost show ID`

use clap::Args;
use fingerpost_proto::api::{EntryKind, EntryView, Findings};

use crate::client::Target;
use crate::commands::Context;
use crate::error::CliError;
use crate::output::words::{ago, count, now_s, pause, succession};
use crate::output::{entity_lines, one_line};

#[derive(Debug, Args)]
pub(crate) struct Show {
    /// Id of a service, an organisation or a notice, as `search` prints it
    id: String,
}

pub(crate) async fn run(show: Show, context: &Context) -> Result<(), CliError> {
    let entry: EntryView = context
        .client
        .get(&Target::new(&["entries", &show.id]))
        .await?;
    context
        .output
        .emit(&entry, |entry| in_words(entry, now_s()))
}

fn in_words(entry: &EntryView, now_s: u64) -> String {
    let kind = match entry.kind {
        EntryKind::Service => "Service",
        EntryKind::Organisation => "Organisation",
        EntryKind::Notice => "Notice",
    };
    let mut text = format!("{kind} {}\n", one_line(&entry.id));
    text.push_str(&before_all_else(entry));
    text.push_str(&format!("\n{}\n", entity_lines(&entry.content)));
    text.push_str(&format!(
        "Who says so: {} ({}), signed by its node {}, record {}\n",
        one_line(&entry.organisation.name),
        entry.organisation.id.short(),
        entry.signed_by.short(),
        entry.record.short(),
    ));
    if !entry.networks.is_empty() {
        text.push_str(&format!(
            "Member of: {}\n",
            one_line(&entry.networks.join(", "))
        ));
    }
    let assured = entry.assured_date.as_deref().unwrap_or("it does not say");
    let by = entry.assured_by.as_ref();
    let by = by.map(|name| format!(" by {}", one_line(name)));
    text.push_str(&format!(
        "Last assured: {}{}\n",
        one_line(assured),
        by.unwrap_or_default()
    ));
    if let Some(findings) = &entry.findings {
        text.push_str(&said_by_others(findings));
    }
    text.push_str(&format!(
        "Our copy: as published {}\n",
        ago(entry.issued_at_s, now_s)
    ));
    if entry.outdated {
        text.push_str("A newer version is known, and its content has not arrived yet.\n");
    }
    if entry.conflict {
        text.push_str(
            "Two nodes of this organisation have published different versions that are not merged \
             yet; this is one of them.\n",
        );
    }
    text
}

/// What organisations that used a service say of its entry.
fn said_by_others(findings: &Findings) -> String {
    let mut text = String::new();
    if findings.confirmed > 0 {
        let on = findings.confirmed_on.as_deref().unwrap_or_default();
        text.push_str(&format!(
            "Found right by {} that used it, last on {}\n",
            count(findings.confirmed, "other organisation"),
            one_line(on)
        ));
    }
    for report in &findings.reports {
        text.push_str(&format!(
            "Reported as wrong by {} on {}: {}\n",
            one_line(&report.organisation.name),
            one_line(&report.posted),
            one_line(&report.text)
        ));
    }
    text
}

/// What somebody must know who wants to refer a person there: where to go instead, and when it is shut.
fn before_all_else(entry: &EntryView) -> String {
    let name = one_line(&entry.organisation.name);
    let mut text = String::new();
    if let Some(asked) = &entry.followed_from {
        text.push_str(&format!(
            "Note: {} goes on as {name}, and this is its entry now.\n",
            one_line(asked)
        ));
    }
    for sentence in entry.succession.iter().flat_map(succession) {
        text.push_str(&format!("Note: {name} {sentence}\n"));
    }
    if let Some(away) = &entry.away {
        text.push_str(&format!("Note: {name} is {}\n", pause(away)));
    }
    text
}
