//! `fingerpost block ORG`, `fingerpost block --list`

use clap::{ArgGroup, Args};
use fingerpost_proto::api::{self, Blocks, OrgRef};

use crate::client::Target;
use crate::commands::Context;
use crate::error::CliError;
use crate::output::table;

#[derive(Debug, Args)]
#[command(group = ArgGroup::new("whom").required(true).multiple(false).args(["subject", "list"]))]
pub(crate) struct Block {
    /// Whom, by name or id
    #[arg(value_name = "ORG")]
    subject: Option<String>,
    /// List those that this node blocks
    #[arg(long)]
    list: bool,
}

pub(crate) async fn run(block: Block, context: &Context) -> Result<(), CliError> {
    let Some(subject) = block.subject else {
        let blocks: Blocks = context.client.get(&Target::new(&["blocks"])).await?;
        if blocks.blocked.is_empty() {
            context.output.talk("This node blocks nobody.");
        }
        return context
            .output
            .emit(&blocks, |blocks| in_words(blocks, context));
    };
    let blocks = set(subject, true, context).await?;
    context.output.talk(if blocks.changed {
        "Blocked: this node neither takes nor shows what it publishes. Nobody else's view is changed, \
         and the others are not told. To end it: fingerpost unblock ORG"
    } else {
        "It was blocked already. Nothing was changed."
    });
    Ok(())
}

/// Blocks an organisation or ends that, and prints all that are blocked then.
pub(crate) async fn set(
    subject: String,
    block: bool,
    context: &Context,
) -> Result<Blocks, CliError> {
    let body = api::Block { subject, block };
    let blocks: Blocks = context
        .client
        .post(&Target::new(&["blocks"]), &body)
        .await?;
    context
        .output
        .emit(&blocks, |blocks| in_words(blocks, context))?;
    Ok(blocks)
}

fn in_words(blocks: &Blocks, context: &Context) -> String {
    if blocks.blocked.is_empty() {
        return String::new();
    }
    let row = |org: &OrgRef| [org.name.clone(), org.id.short()];
    let rows = blocks.blocked.iter().map(row);
    table(&context.output, ["blocked", "id"], rows)
}
