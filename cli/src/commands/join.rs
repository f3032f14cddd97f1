//! `fingerpost join TICKET`

use std::path::PathBuf;

use clap::Args;
use fingerpost_proto::api::{CharterView, NetworkInfo, Status, UseTicket};
use fingerpost_proto::roster::Place;

use crate::client::Target;
use crate::commands::Context;
use crate::commands::bundle::{charter_line, import, in_words, judge};
use crate::error::CliError;
use crate::output::words::{count, moment};
use crate::output::{ask, one_line, plain};

#[derive(Debug, Args)]
pub(crate) struct Join {
    /// The ticket that a member made with `fingerpost invite`
    ticket: String,
    /// Accept the network's charter without being asked
    #[arg(long)]
    accept_charter: bool,
    /// Without a connection: read the charter from a bundle of the network, and take the bundle in
    #[arg(long, value_name = "FILE")]
    bundle: Option<PathBuf>,
}

pub(crate) async fn run(join: Join, context: &Context) -> Result<(), CliError> {
    if !join.accept_charter && !context.output.can_ask() {
        return Err(CliError::usage(
            "Joining means accepting the network's charter, and there is nobody to ask.",
            "Add --accept-charter, or run this on a terminal to read the charter first.",
        ));
    }
    let mut ticket = UseTicket {
        ticket: join.ticket,
        accept_charter: false,
        charter: join.bundle.as_deref().map(charter_line).transpose()?,
    };
    let preview = Target::new(&["networks", "preview"]);
    let charter: CharterView = context.client.post(&preview, &ticket).await?;
    context.output.talk(&charter_in_words(&charter));
    if !join.accept_charter {
        let answer = ask("Does your organisation accept this charter? [y/N]")?;
        if !matches!(answer.to_lowercase().as_str(), "y" | "yes") {
            return Err(CliError::Stopped(
                "The charter was not accepted; nothing was joined.".into(),
            ));
        }
    }
    ticket.accept_charter = true;
    let target = context.target(&["networks", "join"]);
    let mut network: NetworkInfo = context.client.post(&target, &ticket).await?;
    let mut imported = Ok(());
    if let Some(path) = &join.bundle {
        let report = import(path, context).await?;
        context.output.talk(in_words(&report).trim_end());
        imported = judge(&report);
        network = standing(network, context).await?;
    }
    context
        .output
        .emit(&network, |network| format!("{}\n", network.id))?;
    context.output.talk(&outcome(&network));
    imported
}

/// How a network is by now.
async fn standing(before: NetworkInfo, context: &Context) -> Result<NetworkInfo, CliError> {
    let status: Status = context.client.get(&Target::new(&["status"])).await?;
    let mut networks = status.networks.into_iter();
    Ok(networks.find(|it| it.id == before.id).unwrap_or(before))
}

fn charter_in_words(charter: &CharterView) -> String {
    let text = plain(charter.charter.trim());
    let text = if text.is_empty() {
        "(The charter has no text.)".to_owned()
    } else {
        text
    };
    format!(
        "Charter of {}\n{}\n\n{text}\n\nInvited by {}; a member needs {}; the ticket can be used until \
         {}.",
        one_line(&charter.name),
        charter.network,
        charter.invited_by.short(),
        count(charter.vouches_needed, "vouch"),
        moment(charter.expires_at_s),
    )
}

fn outcome(network: &NetworkInfo) -> String {
    let name = one_line(&network.name);
    let waiting = network.waiting_for.as_ref();
    match (network.place, waiting) {
        (_, Some(what)) => format!(
            "{name}: asked to join. Waiting for: {}. `fingerpost status` shows when it is done.",
            one_line(what)
        ),
        (Some(Place::Member), None) => {
            format!(
                "{name}: joined, with {} so far.",
                count(network.members, "member")
            )
        }
        _ => format!("{name}: asked to join. `fingerpost status` shows how it stands."),
    }
}
