//! `fingerpost feed --atom` and `fingerpost feed --ical`

use clap::{ArgGroup, Args};
use fingerpost_proto::api::{Calendar, Notices};

use crate::commands::Context;
use crate::error::CliError;
use crate::feeds::{atom, ical};

#[derive(Debug, Args)]
#[command(group = ArgGroup::new("form").required(true).multiple(false).args(["atom", "ical"]))]
pub(crate) struct Feed {
    /// The notices that stand, as an Atom feed for news readers
    #[arg(long)]
    atom: bool,
    /// Events, trainings and dated courses, as an iCalendar file
    #[arg(long)]
    ical: bool,
    /// Only those of your organisation
    #[arg(long)]
    mine: bool,
}

pub(crate) async fn run(feed: Feed, context: &Context) -> Result<(), CliError> {
    let mine = feed.mine.then_some("true");
    if feed.atom {
        let target = context.target(&["notices"]).with("mine", mine);
        let notices: Notices = context.client.get(&target).await?;
        return context.output.emit(&notices, atom);
    }
    let target = context.target(&["calendar"]).with("mine", mine);
    let calendar: Calendar = context.client.get(&target).await?;
    context.output.emit(&calendar, ical)
}
