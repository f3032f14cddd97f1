//! `fingerpost away`

use clap::{ArgGroup, Args};
use fingerpost_proto::api::{self, Pauses};

use crate::commands::Context;
use crate::error::CliError;
use crate::input::parse_day;
use crate::output::one_line;
use crate::output::words::pause;

#[derive(Debug, Args)]
#[command(group = ArgGroup::new("when").required(true).multiple(false).args(["until", "back"]))]
pub(crate) struct Away {
    /// The last day of the pause
    #[arg(long, value_name = "YYYY-MM-DD", value_parser = parse_day)]
    until: Option<String>,
    /// The first day of the pause [default: today]
    #[arg(long, value_name = "YYYY-MM-DD", value_parser = parse_day, conflicts_with = "back")]
    from: Option<String>,
    /// What people should know, such as whom to ask meanwhile
    #[arg(long, value_name = "TEXT", conflicts_with = "back")]
    note: Option<String>,
    /// Your organisation is back: take every pause that has not ended off its card
    #[arg(long)]
    back: bool,
}

pub(crate) async fn run(away: Away, context: &Context) -> Result<(), CliError> {
    // Days in this form are in order as texts.
    if let (Some(from), Some(until)) = (&away.from, &away.until)
        && from > until
    {
        return Err(CliError::usage(
            "The pause would end before it begins.",
            "Give the first day with --from and the last with --until.",
        ));
    }
    let body = api::Away {
        from: away.from,
        until: away.until,
        note: away.note,
    };
    let pauses: Pauses = context
        .client
        .post(&context.target(&["away"]), &body)
        .await?;
    context.output.emit(&pauses, in_words)?;
    if pauses.pauses.is_empty() {
        context.output.talk(&format!(
            "{} is open to referrals.",
            one_line(&pauses.organisation.name)
        ));
    }
    Ok(())
}

fn in_words(pauses: &Pauses) -> String {
    let name = one_line(&pauses.organisation.name);
    let lines = pauses.pauses.iter();
    lines
        .map(|one| format!("{name} is {}\n", pause(one)))
        .collect()
}
