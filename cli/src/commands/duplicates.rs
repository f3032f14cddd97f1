//! `fingerpost duplicates`: what different organisations probably list twice.

use clap::Args;
use fingerpost_proto::api::{DuplicateEntry, DuplicatePair, Duplicates as Found, EntryKind};
use fingerpost_proto::listing::duplicates::Reason;

use crate::client::Target;
use crate::commands::Context;
use crate::error::CliError;
use crate::output::words::count;
use crate::output::{one_line, table};

#[derive(Debug, Args)]
pub(crate) struct Duplicates {
    /// Most pairs to print
    #[arg(long, default_value_t = 50)]
    limit: usize,
}

pub(crate) async fn run(duplicates: Duplicates, context: &Context) -> Result<(), CliError> {
    let target = Target::new(&["duplicates"]).with("org", context.org.as_deref());
    let mut found: Found = context.client.get(&target).await?;
    let over = found.pairs.len().saturating_sub(duplicates.limit);
    found.pairs.truncate(duplicates.limit);
    found.more = found.more.saturating_add(over);
    context
        .output
        .emit(&found, |found| in_words(found, context))?;
    let compared = count(found.compared, "entry");
    context.output.talk(&match (found.pairs.len(), found.more) {
        (0, _) => format!("{compared} compared; nothing seems to be listed twice."),
        (_, 0) => format!(
            "{compared} compared. Nothing was changed: what belongs together, its owners decide."
        ),
        (_, more) => {
            format!("{compared} compared; {more} more pairs are not shown. More: --limit N")
        }
    });
    Ok(())
}

fn in_words(found: &Found, context: &Context) -> String {
    if found.pairs.is_empty() {
        return String::new();
    }
    let entry = |entry: &DuplicateEntry| match entry.kind {
        EntryKind::Service => format!(
            "{} ({})",
            one_line(&entry.name),
            one_line(&entry.organisation.name)
        ),
        _ => format!("{} (organisation)", one_line(&entry.name)),
    };
    let row = |pair: &DuplicatePair| {
        let reasons: Vec<&str> = pair
            .reasons
            .iter()
            .map(|reason: &Reason| reason.in_words())
            .collect();
        [
            pair.score.to_string(),
            entry(&pair.one),
            entry(&pair.other),
            reasons.join(", "),
        ]
    };
    let header = ["sure", "one", "other", "because"];
    table(&context.output, header, found.pairs.iter().map(row))
}
