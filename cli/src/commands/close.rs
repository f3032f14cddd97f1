//! `fingerpost close`

use clap::{ArgGroup, Args};
use fingerpost_proto::api::{self, Closing};

use crate::commands::Context;
use crate::error::CliError;
use crate::input::{confirmation, own_org, parse_day};
use crate::output::one_line;
use crate::output::words::succession;

#[derive(Debug, Args)]
#[command(group = ArgGroup::new("what").required(true).multiple(false).args(["on", "cancel"]))]
pub(crate) struct Close {
    /// Its last day; from the next on, search leaves it out
    #[arg(long, value_name = "YYYY-MM-DD", value_parser = parse_day)]
    on: Option<String>,
    /// Where the people it served can turn, by name or id; one or several
    #[arg(long, value_name = "ORG", num_args = 1.., conflicts_with = "cancel")]
    clients_to: Vec<String>,
    /// It does not close after all
    #[arg(long)]
    cancel: bool,
    /// The organisation's name, as confirmation
    #[arg(long, value_name = "NAME")]
    confirm: Option<String>,
}

pub(crate) async fn run(close: Close, context: &Context) -> Result<(), CliError> {
    let confirm = match (&close.on, close.confirm) {
        (Some(day), confirm) => {
            let warning = format!(
                "After {day} search leaves your organisation out, in all its networks. Until then it can \
                 be taken back: fingerpost close --cancel"
            );
            confirmation(confirm, context, &warning, "close it")?
        }
        // Nothing is lost by going on: there is nothing to ask.
        (None, Some(name)) => name,
        (None, None) => own_org(context, context.org.as_deref()).await?.name,
    };
    let advise = close.on.is_some() && close.clients_to.is_empty();
    let body = api::Close {
        on: close.on,
        clients_to: close.clients_to,
        confirm,
    };
    let closing: Closing = context
        .client
        .post(&context.target(&["close"]), &body)
        .await?;
    tell(&closing, context)?;
    if advise {
        context.output.talk(
            "Nobody is named to whom people can turn. Say it with: fingerpost close --on DATE \
             --clients-to ORG",
        );
    }
    Ok(())
}

/// Prints what comes after an organisation now.
pub(crate) fn tell(closing: &Closing, context: &Context) -> Result<(), CliError> {
    context.output.emit(closing, in_words)?;
    if closing.already {
        context
            .output
            .talk("It had said so before. Nothing was changed.");
    }
    Ok(())
}

fn in_words(closing: &Closing) -> String {
    let name = one_line(&closing.organisation.name);
    let sentences = succession(&closing.succession);
    if sentences.is_empty() {
        return format!("{name} goes on\n");
    }
    sentences
        .into_iter()
        .map(|sentence| format!("{name} {sentence}\n"))
        .collect()
}
