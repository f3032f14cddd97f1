//! `fingerpost invite`, `invite list`, `invite cancel`

use clap::{Args, Subcommand};
use fingerpost_proto::api::{
    self, CancelInvitation, InvitationInfo, InvitationState, Invitations, Invited,
};

use crate::commands::{Context, InNetwork};
use crate::error::CliError;
use crate::output::words::{moment, names, parse_duration_s};
use crate::output::{one_line, qr, table};

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Invite {
    #[command(subcommand)]
    command: Option<Kept>,
    #[command(flatten)]
    new: New,
}

#[derive(Debug, Args)]
struct New {
    /// For how long the ticket can be used: 30m, 12h, 7d, 2w
    #[arg(long, value_name = "DURATION", default_value = "7d", value_parser = parse_duration_s)]
    expires: u64,
    /// For whom it is, or why; only this node keeps it
    #[arg(long, value_name = "TEXT")]
    note: Option<String>,
    /// Show the ticket on standard error as a code to be photographed, too
    #[arg(long)]
    qr: bool,
    #[command(flatten)]
    network: InNetwork,
}

#[derive(Debug, Subcommand)]
enum Kept {
    /// List the invitations that this node made, and what became of them
    List(InNetwork),
    /// Take an invitation back that was not used
    Cancel {
        /// Its id as `invite list` shows it, or the ticket itself
        #[arg(value_name = "ID|TICKET")]
        invitation: String,
    },
}

pub(crate) async fn run(invite: Invite, context: &Context) -> Result<(), CliError> {
    match invite.command {
        None => make(invite.new, context).await,
        Some(Kept::List(network)) => list(network, context).await,
        Some(Kept::Cancel { invitation }) => cancel(invitation, context).await,
    }
}

async fn make(new: New, context: &Context) -> Result<(), CliError> {
    if new.qr && context.output.json {
        return Err(CliError::usage(
            "--qr is for people, and --json for programs.",
            "Leave one of them out.",
        ));
    }
    let body = api::Invite {
        network: new.network.network,
        valid_s: new.expires,
        note: new.note,
    };
    let invited: Invited = context
        .client
        .post(&context.target(&["invitations"]), &body)
        .await?;
    context.output.emit(&invited, |invited| {
        format!("{}\n", one_line(&invited.ticket))
    })?;
    if new.qr {
        qr::show(&invited.ticket)?;
    }
    context.output.talk(&format!(
        "This ticket lets one organisation join {} on your word until {}. Hand it to them alone; \
         they use it with: fingerpost join TICKET",
        one_line(&invited.name),
        moment(invited.expires_at_s),
    ));
    Ok(())
}

async fn list(network: InNetwork, context: &Context) -> Result<(), CliError> {
    let target = context
        .target(&["invitations"])
        .with("network", network.network);
    let made: Invitations = context.client.get(&target).await?;
    if made.invitations.is_empty() {
        context
            .output
            .talk("This node has made no invitation. Make one with: fingerpost invite");
    }
    context.output.emit(&made, |made| in_words(made, context))
}

fn in_words(made: &Invitations, context: &Context) -> String {
    if made.invitations.is_empty() {
        return String::new();
    }
    let row = |one: &InvitationInfo| {
        let mut used_by = one.used_by.iter().map(|org| org.name.clone());
        let mut used_by = used_by.next().unwrap_or_default();
        if !one.also_used_by.is_empty() {
            used_by.push_str(&format!(
                "; also {}, which must be vouched for",
                names(&one.also_used_by)
            ));
        }
        [
            one.short.clone(),
            state_in_words(one.state).to_owned(),
            one.name.clone(),
            moment(one.expires_at_s),
            used_by,
            one.note.clone().unwrap_or_default(),
        ]
    };
    let header = ["id", "state", "network", "until", "used by", "note"];
    table(&context.output, header, made.invitations.iter().map(row))
}

fn state_in_words(state: InvitationState) -> &'static str {
    match state {
        InvitationState::Open => "open",
        InvitationState::Used => "used",
        InvitationState::Cancelled => "cancelled",
        InvitationState::Expired => "expired",
    }
}

async fn cancel(invitation: String, context: &Context) -> Result<(), CliError> {
    let target = context.target(&["invitations", "cancel"]);
    let body = CancelInvitation { invitation };
    let cancelled: InvitationInfo = context.client.post(&target, &body).await?;
    context
        .output
        .emit(&cancelled, |one| format!("{}\n", one.id))?;
    context.output.talk(&format!(
        "The invitation {} to {} is cancelled: its ticket lets nobody in any more.",
        cancelled.short,
        one_line(&cancelled.name),
    ));
    Ok(())
}
