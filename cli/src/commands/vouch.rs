//! `fingerpost vouch ORG`

use clap::Args;
use fingerpost_proto::api::{Said, VouchFor};

use crate::commands::{Context, InNetwork};
use crate::error::CliError;
use crate::output::one_line;

#[derive(Debug, Args)]
pub(crate) struct Vouch {
    /// For whom, by name or id; `fingerpost waiting` lists those that have asked
    #[arg(value_name = "ORG")]
    subject: String,
    /// What the other members should know
    #[arg(long, value_name = "TEXT")]
    note: Option<String>,
    #[command(flatten)]
    network: InNetwork,
}

pub(crate) async fn run(vouch: Vouch, context: &Context) -> Result<(), CliError> {
    let body = VouchFor {
        network: vouch.network.network,
        subject: vouch.subject,
        note: vouch.note,
    };
    let said: Said = context
        .client
        .post(&context.target(&["vouches"]), &body)
        .await?;
    context.output.emit(&said, in_words)
}

/// What was said about another, in one sentence.
pub(crate) fn in_words(said: &Said) -> String {
    format!(
        "{}: {}{}\n",
        one_line(&said.name),
        one_line(&said.summary),
        if said.already {
            " (It had been said before; nothing was changed.)"
        } else {
            ""
        }
    )
}
