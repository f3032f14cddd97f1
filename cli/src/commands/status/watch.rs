//! `fingerpost status --watch`: what changes, and what is still coming in.

use std::time::Duration;

use fingerpost_proto::api::{CatchingUp, Status};
use indicatif::{ProgressBar, ProgressStyle};

use super::names;
use crate::commands::Context;
use crate::error::CliError;
use crate::output::one_line;
use crate::output::words::{count, grouped, now_s};

/// How often the node is asked.
const EVERY: Duration = Duration::from_secs(1);
const TEMPLATE: &str =
    "{msg}\n{wide_bar} {human_pos} of {human_len} listings, {per_sec:.0}, {eta} left";

/// Tells what the node says, again whenever it says something else. While much comes in, a bar on the terminal tells how
/// much is still to come.
pub(super) async fn run(context: &Context) -> Result<(), CliError> {
    let target = context.target(&["status"]);
    let mut said = String::new();
    let mut bar: Option<ProgressBar> = None;
    loop {
        let status: Status = context.client.get(&target).await?;
        if context.output.json {
            context.output.document(&status)?;
        } else {
            let says = sentence(&status);
            bar = match &status.catching_up {
                Some(coming) => Some(show(bar, coming, &status)),
                None => bar.and_then(finish),
            };
            // A line for each listing that comes would be no help.
            if says != said && bar.is_none() {
                context.output.data(&says)?;
                said = says;
            }
        }
        tokio::time::sleep(EVERY).await;
    }
}

fn show(bar: Option<ProgressBar>, coming: &CatchingUp, status: &Status) -> ProgressBar {
    let bar = bar.unwrap_or_else(|| {
        let style = ProgressStyle::with_template(TEMPLATE);
        let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
        ProgressBar::new(0).with_style(style)
    });
    let members = coming.members as u64;
    bar.set_length(members);
    bar.set_position(members.saturating_sub(status.lacking.listings_count as u64));
    bar.set_message(coming_in(coming, now_s()).trim_end().to_owned());
    bar
}

fn finish(bar: ProgressBar) -> Option<ProgressBar> {
    bar.finish_and_clear();
    None
}

fn sentence(status: &Status) -> String {
    let mut text = format!("{}\n", one_line(&status.headline));
    for warning in &status.warnings {
        text.push_str(&format!("warning: {}\n", one_line(warning)));
    }
    text
}

/// From whom much is coming in, how much so far, and how fast.
pub(super) fn coming_in(coming: &CatchingUp, now_s: u64) -> String {
    let from = match coming.organisations.is_empty() {
        true => format!("node {}", coming.node.short()),
        false => format!("the node of {}", names(&coming.organisations, 0)),
    };
    let seconds = now_s.saturating_sub(coming.since_s).max(1);
    let items = usize::try_from(coming.items).unwrap_or(usize::MAX);
    format!(
        "{} from {from} so far, {} a second\n",
        count(items, "update"),
        grouped(coming.items / seconds)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use fingerpost_proto::api::OrgRef;
    use fingerpost_proto::ids::{NodeId, OrgId};

    #[test]
    fn what_comes_in_is_told_with_how_fast_it_comes() {
        let mut coming = CatchingUp {
            node: NodeId::from_bytes([4; 32]),
            organisations: vec![OrgRef {
                id: OrgId::from_bytes([1; 32]),
                name: "Brixton Advice".into(),
            }],
            since_s: 1_000,
            items: 12_400,
            members: 20_000,
        };
        assert_eq!(
            coming_in(&coming, 1_010),
            "12,400 updates from the node of Brixton Advice so far, 1,240 a second\n"
        );
        coming.organisations.clear();
        // It has just begun, or the clock was put back.
        assert!(coming_in(&coming, 1_000).ends_with(" so far, 12,400 a second\n"));
        assert!(coming_in(&coming, 900).ends_with(" so far, 12,400 a second\n"));
    }
}
