//! `fingerpost reply NOTICE TEXT`

use clap::Args;
use fingerpost_proto::api::{PostReply, Posted};

use crate::commands::Context;
use crate::error::CliError;
use crate::input::names_nobody;
use crate::output::one_line;

#[derive(Debug, Args)]
pub(crate) struct Reply {
    /// Id of the notice, or the beginning of it
    notice: String,
    /// Your answer. All members can read it: arrange what concerns a person elsewhere
    text: String,
    /// It names nobody whom you serve, though it may look so
    #[arg(long)]
    yes: bool,
}

pub(crate) async fn run(reply: Reply, context: &Context) -> Result<(), CliError> {
    names_nobody([Some(reply.text.as_str()), None], reply.yes, context)?;
    let target = context.target(&["notices", &reply.notice, "replies"]);
    let body = PostReply { text: reply.text };
    let posted: Posted = context.client.post(&target, &body).await?;
    context
        .output
        .emit(&posted, |posted| format!("{}\n", one_line(&posted.id)))?;
    context
        .output
        .talk("Your reply stands beside the notice as long as that is shown. To take it back: fingerpost notice undo");
    Ok(())
}
