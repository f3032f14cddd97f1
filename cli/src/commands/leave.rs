//! `fingerpost leave`

use clap::Args;
use fingerpost_proto::api::{self, Left, Status};

use crate::client::Target;
use crate::commands::{Context, InNetwork};
use crate::error::CliError;
use crate::output::words::count;
use crate::output::{ask, one_line};

#[derive(Debug, Args)]
pub(crate) struct Leave {
    #[command(flatten)]
    network: InNetwork,
    /// The network's name, as confirmation
    #[arg(long, value_name = "NAME")]
    confirm: Option<String>,
}

pub(crate) async fn run(leave: Leave, context: &Context) -> Result<(), CliError> {
    let network = leave.network.network;
    let confirm = match leave.confirm {
        Some(name) => name,
        None if context.output.can_ask() => confirmed(network.as_deref(), context).await?,
        None => {
            return Err(CliError::usage(
                "Leaving must be confirmed, and there is nobody to ask.",
                "Add --confirm with the network's name.",
            ));
        }
    };
    let body = api::Leave { network, confirm };
    let left: Left = context
        .client
        .post(&context.target(&["networks", "leave"]), &body)
        .await?;
    context
        .output
        .emit(&left, |left| format!("{}\n", left.network))?;
    let name = one_line(&left.name);
    context.output.talk(&match left.already {
        true => format!("{name} had been left before. Nothing was changed."),
        false => format!(
            "{name} was left. {} told at once; the others learn of it when they are next in touch. \
             Your listing stays on this node. To come back, ask a member for a ticket.",
            match left.told {
                1 => "1 connected node was".to_owned(),
                told => format!("{} were", count(told, "connected node")),
            },
        ),
    });
    Ok(())
}

/// Asks for the network's name, which the daemon compares.
async fn confirmed(network: Option<&str>, context: &Context) -> Result<String, CliError> {
    let status: Status = context.client.get(&Target::new(&["status"])).await?;
    let named = status.networks.iter().find(|known| match network {
        Some(text) => known.name == text || known.id.matches(text),
        None => true,
    });
    if let Some(known) = named.filter(|_| network.is_some() || status.networks.len() == 1) {
        context.output.talk(&format!(
            "Its other members will stop showing your organisation in {}.",
            one_line(&known.name)
        ));
    }
    ask("Type the name of the network to leave it:")
}
