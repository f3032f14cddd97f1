//! `fingerpost found NAME`

use clap::Args;
use fingerpost_proto::api::{self, NetworkInfo};
use fingerpost_proto::limits;

use crate::commands::{Context, read_input};
use crate::error::CliError;
use crate::output::one_line;

#[derive(Debug, Args)]
pub(crate) struct Found {
    /// Name of the network
    name: String,
    /// File with the text that members accept when they join; - reads standard input
    #[arg(long, value_name = "FILE")]
    charter: Option<String>,
}

pub(crate) async fn run(found: Found, context: &Context) -> Result<(), CliError> {
    let charter = match &found.charter {
        None => String::new(),
        Some(file) => {
            String::from_utf8(read_input(file, limits::CHARTER_MAX_BYTES)?).map_err(|_| {
                CliError::Refused {
                    message: format!("{file} is not text in UTF-8. No network was founded."),
                    hint: "Save it as plain text in UTF-8.".to_owned(),
                }
            })?
        }
    };
    let body = api::Found {
        name: found.name,
        charter,
        vouches: 1,
        founders: Vec::new(),
    };
    let network: NetworkInfo = context
        .client
        .post(&context.target(&["networks"]), &body)
        .await?;
    context
        .output
        .emit(&network, |network| format!("{}\n", network.id))?;
    context.output.talk(&format!(
        "The network {} was founded ({}). Invite others with: fingerpost invite",
        one_line(&network.name),
        network.short,
    ));
    Ok(())
}
