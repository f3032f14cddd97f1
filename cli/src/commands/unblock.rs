//! `fingerpost unblock ORG`

use clap::Args;

use crate::commands::{Context, block};
use crate::error::CliError;

#[derive(Debug, Args)]
pub(crate) struct Unblock {
    /// Whom, by name or id
    #[arg(value_name = "ORG")]
    subject: String,
}

pub(crate) async fn run(unblock: Unblock, context: &Context) -> Result<(), CliError> {
    let blocks = block::set(unblock.subject, false, context).await?;
    context.output.talk(if blocks.changed {
        "No longer blocked: what it publishes comes back with the next exchanges."
    } else {
        "It was not blocked. Nothing was changed."
    });
    Ok(())
}
