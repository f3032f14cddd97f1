//! `fingerpost invite`

use clap::Args;
use fingerpost_proto::api::{self, Invited};

use crate::commands::Context;
use crate::error::CliError;
use crate::output::one_line;
use crate::output::words::{moment, parse_duration_s};

#[derive(Debug, Args)]
pub(crate) struct Invite {
    /// For how long the ticket can be used: 30m, 12h, 7d, 2w
    #[arg(long, value_name = "DURATION", default_value = "7d", value_parser = parse_duration_s)]
    expires: u64,
    /// To which network, by name or id; needed when there are several
    #[arg(long, value_name = "NETWORK")]
    network: Option<String>,
}

pub(crate) async fn run(invite: Invite, context: &Context) -> Result<(), CliError> {
    let body = api::Invite {
        network: invite.network,
        valid_s: invite.expires,
        note: None,
    };
    let invited: Invited = context
        .client
        .post(&context.target(&["invitations"]), &body)
        .await?;
    context.output.emit(&invited, |invited| {
        format!("{}\n", one_line(&invited.ticket))
    })?;
    context.output.talk(&format!(
        "This ticket lets one organisation join {} on your word until {}. Hand it to them alone; \
         they use it with: fingerpost join TICKET",
        one_line(&invited.name),
        moment(invited.expires_at_s),
    ));
    Ok(())
}
