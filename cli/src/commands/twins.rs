//! `fingerpost twins`

use clap::Args;
use fingerpost_proto::api;

use crate::commands::Context;
use crate::commands::matches::reasons;
use crate::error::CliError;
use crate::output::one_line;
use crate::output::words::count;

#[derive(Debug, Args)]
pub(crate) struct Twins {
    /// Those that work in the same area
    #[arg(long, conflicts_with = "elsewhere")]
    near: bool,
    /// Those that work elsewhere
    #[arg(long)]
    elsewhere: bool,
}

pub(crate) async fn run(twins: Twins, context: &Context) -> Result<(), CliError> {
    let place = match (twins.near, twins.elsewhere) {
        (true, _) => Some("near"),
        (_, true) => Some("elsewhere"),
        _ => None,
    };
    let target = context.target(&["twins"]).with("where", place);
    let found: api::Twins = context.client.get(&target).await?;
    context.output.emit(&found, in_words)?;
    let name = one_line(&found.organisation.name);
    context.output.talk(&match found.twins.len() {
        0 => format!("Nobody else lists anything like {name}."),
        some => format!(
            "{} like {name}, the most alike first.",
            count(some, "organisation")
        ),
    });
    Ok(())
}

fn in_words(found: &api::Twins) -> String {
    let lines = found.twins.iter().map(|twin| {
        format!(
            "{} ({}), {}, {}% alike\n      {}\n",
            one_line(&twin.organisation.name),
            twin.organisation.id.short(),
            count(twin.services, "service"),
            twin.score / 10,
            reasons(&twin.reasons)
        )
    });
    lines.collect()
}
