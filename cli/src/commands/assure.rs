//! `fingerpost assure [SERVICE]… [--all]`

use clap::{ArgGroup, Args};
use fingerpost_proto::api::{self, Edited};

use crate::commands::{Context, listing};
use crate::error::CliError;
use crate::output::one_line;
use crate::output::words::count;

#[derive(Debug, Args)]
#[command(group = ArgGroup::new("which").required(true).multiple(false).args(["services", "all"]))]
pub(crate) struct Assure {
    /// Services that you have looked at and found right: ids, or names
    #[arg(value_name = "SERVICE")]
    services: Vec<String>,
    /// All services of your listing but those that have ended
    #[arg(long)]
    all: bool,
}

pub(crate) async fn run(assure: Assure, context: &Context) -> Result<(), CliError> {
    let body = api::Assure {
        services: assure.services,
        all: assure.all,
    };
    let target = context.target(&["assure"]);
    let edited: Edited = context.client.post(&target, &body).await?;
    context.output.emit(&edited, |edited| {
        format!(
            "{}: {} confirmed as right\n",
            one_line(&edited.organisation.name),
            count(edited.changes.changed.len(), "service")
        )
    })?;
    listing::advise_undo(&edited, context);
    Ok(())
}
