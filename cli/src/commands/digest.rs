//! `fingerpost digest`

use clap::{Args, ValueEnum};
use fingerpost_proto::api;

use crate::commands::Context;
use crate::error::CliError;
use crate::output::page::{html, markdown, text};
use crate::output::words::parse_duration_s;

/// Seconds of a day.
const DAY_S: u64 = 24 * 3600;

#[derive(Debug, Args)]
pub(crate) struct Digest {
    /// How far back to look, such as 7d or 2w
    #[arg(long, value_name = "TIME", default_value = "7d", value_parser = days)]
    since: u32,
    /// Only what is said to your organisation, and what it should look at itself
    #[arg(long)]
    mine: bool,
    /// How to write it
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Format {
    Text,
    Markdown,
    Html,
}

/// A time as whole days, at least one.
fn days(text: &str) -> Result<u32, String> {
    let days = parse_duration_s(text)?.div_ceil(DAY_S);
    u32::try_from(days).map_err(|_| "that is longer ago than there is anything".to_owned())
}

pub(crate) async fn run(digest: Digest, context: &Context) -> Result<(), CliError> {
    let target = context
        .target(&["digest"])
        .with("days", Some(digest.since.to_string()))
        .with("mine", digest.mine.then_some("true"));
    let found: api::Digest = context.client.get(&target).await?;
    context.output.emit(&found, |found| match digest.format {
        Format::Text => text(found),
        Format::Markdown => markdown(found),
        Format::Html => html(found),
    })
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_rounded_up_to_days() {
        assert_eq!(days("7d"), Ok(7));
        assert_eq!(days("36h"), Ok(2));
        assert_eq!(days("2w"), Ok(14));
        assert!(days("week").is_err() && days("99999999999w").is_err());
    }
}
