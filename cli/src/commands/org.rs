//! `fingerpost org create`, `fingerpost org list`

use clap::Subcommand;
use fingerpost_proto::api::{CreateOrg, OrgInfo, Organisations};

use crate::commands::Context;
use crate::error::CliError;
use crate::output::words::count;
use crate::output::{one_line, table};

#[derive(Debug, Subcommand)]
pub(crate) enum Org {
    /// Create an organisation on this node
    Create {
        /// The name that people know it by
        #[arg(long)]
        name: String,
        /// Its number in a public register, such as GB-CHC-1234567; may be given several times
        #[arg(long = "identifier", value_name = "REGISTER-NUMBER")]
        identifiers: Vec<String>,
    },
    /// List the organisations that this node holds
    List,
}

pub(crate) async fn run(org: Org, context: &Context) -> Result<(), CliError> {
    let target = context.target(&["orgs"]);
    match org {
        Org::Create { name, identifiers } => {
            let body = CreateOrg { name, identifiers };
            let created: OrgInfo = context.client.post(&target, &body).await?;
            context
                .output
                .emit(&created, |org| format!("{}\n", org.id))?;
            context.output.talk(&format!(
                "{} was created ({}). Its key lies in the keys directory of {}: keep a copy of that \
                 directory in a safe place.\nNext, fill its listing: fingerpost listing import FILE",
                one_line(&created.name),
                created.short,
                context.client.home_dir().display(),
            ));
            Ok(())
        }
        Org::List => {
            let held: Organisations = context.client.get(&target).await?;
            if held.organisations.is_empty() {
                context.output.talk(
                    "This node holds no organisation yet. Create one with: fingerpost org create \
                     --name NAME",
                );
            }
            context.output.emit(&held, |held| in_words(held, context))
        }
    }
}

fn in_words(held: &Organisations, context: &Context) -> String {
    if held.organisations.is_empty() {
        return String::new();
    }
    let row = |org: &OrgInfo| {
        let identifiers = org.identifiers.iter();
        let identifiers: Vec<String> = identifiers
            .map(|one| format!("{}-{}", one.scheme, one.identifier))
            .collect();
        [
            org.name.clone(),
            org.short.clone(),
            count(org.services, "entry"),
            identifiers.join(", "),
        ]
    };
    let header = ["name", "id", "listing", "identifiers"];
    table(&context.output, header, held.organisations.iter().map(row))
}
