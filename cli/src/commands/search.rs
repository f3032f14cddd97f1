//! `fingerpost search`

use clap::{Args, ValueEnum};
use fingerpost_proto::api::{EntryKind, SearchPage, SearchResult};

use crate::client::Target;
use crate::commands::Context;
use crate::error::CliError;
use crate::output::table;
use crate::output::words::{count, grouped};

#[derive(Debug, Args)]
pub(crate) struct Search {
    /// Words to look for [default: everything]
    text: Vec<String>,
    /// Services only, or organisations only
    #[arg(long)]
    kind: Option<Kind>,
    /// Most results to print
    #[arg(long, default_value_t = 20)]
    limit: u32,
    /// How many results to pass over
    #[arg(long, default_value_t = 0)]
    offset: u32,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Kind {
    Service,
    Organisation,
}

pub(crate) async fn run(search: Search, context: &Context) -> Result<(), CliError> {
    let kind = search.kind.map(|kind| match kind {
        Kind::Service => "service",
        Kind::Organisation => "organisation",
    });
    let text = search.text.join(" ");
    let target = Target::new(&["search"])
        .with("text", (!text.is_empty()).then_some(text))
        .with("kind", kind)
        .with("organisation", context.org.as_deref())
        .with("limit", Some(search.limit.to_string()))
        .with("offset", Some(search.offset.to_string()));
    let page: SearchPage = context.client.get(&target).await?;
    context.output.emit(&page, |page| in_words(page, context))?;
    context.output.talk(&summary(&page, search.offset));
    Ok(())
}

fn in_words(page: &SearchPage, context: &Context) -> String {
    if page.results.is_empty() {
        return String::new();
    }
    let row = |result: &SearchResult| {
        let of = match result.kind {
            EntryKind::Service => result.organisation.name.clone(),
            EntryKind::Organisation => "(organisation)".to_owned(),
        };
        [
            result.name.clone(),
            of,
            result.status.clone().unwrap_or_default(),
            result.assured_date.clone().unwrap_or_default(),
            result.id.clone(),
        ]
    };
    let header = ["name", "organisation", "status", "last assured", "id"];
    table(&context.output, header, page.results.iter().map(row))
}

fn summary(page: &SearchPage, offset: u32) -> String {
    let first = usize::try_from(offset).unwrap_or(usize::MAX);
    let last = first.saturating_add(page.results.len());
    let total = count(page.total, "entry");
    match (page.total, page.results.len()) {
        (0, _) => "Nothing was found. Fewer or other words may find more.".to_owned(),
        (all, shown) if all == shown => format!("{total} found."),
        (_, 0) => format!("{total} found, none of them on this page."),
        (all, _) if last < all => format!(
            "{} to {} of {total} found. The next: --offset {last}",
            grouped(u64::from(offset) + 1),
            grouped(u64::try_from(last).unwrap_or(u64::MAX)),
        ),
        _ => format!("The last {} of {total} found.", page.results.len()),
    }
}
