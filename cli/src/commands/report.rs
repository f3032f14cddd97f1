//! `fingerpost report SERVICE TEXT` and `fingerpost report --confirm SERVICE`

use clap::Args;
use fingerpost_proto::api::{PostReport, Posted};

use crate::commands::Context;
use crate::error::CliError;
use crate::input::names_nobody;
use crate::output::one_line;

#[derive(Debug, Args)]
pub(crate) struct Report {
    /// Id of the service, as `search` prints it
    service: String,
    /// What is wrong, such as "phone disconnected"
    #[arg(required_unless_present = "confirm", conflicts_with = "confirm")]
    text: Option<String>,
    /// You used the service, and its entry is right
    #[arg(long)]
    confirm: bool,
    /// Who publishes it, by name or id; needed where several do under one id
    #[arg(long, value_name = "ORG")]
    of: Option<String>,
    /// It names nobody whom you serve, though it may look so
    #[arg(long)]
    yes: bool,
}

pub(crate) async fn run(report: Report, context: &Context) -> Result<(), CliError> {
    names_nobody([report.text.as_deref(), None], report.yes, context)?;
    let confirm = report.confirm;
    let body = PostReport {
        service: report.service,
        organisation: report.of,
        wrong: report.text,
    };
    let target = context.target(&["reports"]);
    let posted: Posted = context.client.post(&target, &body).await?;
    context
        .output
        .emit(&posted, |posted| format!("{}\n", one_line(&posted.id)))?;
    let name = one_line(&posted.organisation.name);
    context.output.talk(&match confirm {
        true => format!("{name} confirms that the entry is right. It counts as one organisation's word."),
        false => format!("{name} reports it. The organisation that publishes the service sees it in: fingerpost due"),
    });
    Ok(())
}
