//! `fingerpost object ORG`

use clap::{ArgGroup, Args};
use fingerpost_proto::api::{self, Said, Withdraw};

use crate::commands::vouch::in_words;
use crate::commands::{Context, InNetwork};
use crate::error::CliError;

#[derive(Debug, Args)]
#[command(group = ArgGroup::new("saying").required(true).multiple(false).args(["reason", "withdraw"]))]
pub(crate) struct Object {
    /// To whom, by name or id
    #[arg(value_name = "ORG")]
    subject: String,
    /// Why, for every member to read
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// Take your objection back
    #[arg(long)]
    withdraw: bool,
    #[command(flatten)]
    network: InNetwork,
}

pub(crate) async fn run(object: Object, context: &Context) -> Result<(), CliError> {
    let network = object.network.network;
    let subject = object.subject;
    let said: Said = match object.reason {
        Some(reason) => {
            let body = api::Object {
                network,
                subject,
                reason,
            };
            let target = context.target(&["objections"]);
            context.client.post(&target, &body).await?
        }
        None => {
            let target = context.target(&["objections", "withdraw"]);
            let body = Withdraw { network, subject };
            context.client.post(&target, &body).await?
        }
    };
    context.output.emit(&said, in_words)
}
