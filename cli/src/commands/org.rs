//! `fingerpost org create|list|id|use|hand-over|rekey`

use clap::Subcommand;
use fingerpost_proto::api::{
    CreateOrg, HandOver, OrgInfo, Organisations, Pass, Rekey, Rekeyed, UseOrg,
};

use crate::client::Target;
use crate::commands::{Context, node};
use crate::error::CliError;
use crate::input::{confirmation, own_org, parse_node};
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
    /// Print the full id of an organisation, which others need to name it as a founder
    Id {
        /// Which of this node's, by name or id [default: the current one]
        #[arg(value_name = "ORG")]
        organisation: Option<String>,
    },
    /// Choose the organisation that commands mean unless they name another
    Use {
        /// One of this node's, by name or id
        #[arg(value_name = "ORG")]
        organisation: String,
    },
    /// Give an organisation that this node hosts, with its root key, to a node of its own
    HandOver {
        /// Which, by name or id
        #[arg(value_name = "ORG")]
        organisation: String,
        /// The new node, by the full id that `fingerpost node id` prints there
        #[arg(long, value_name = "NODE")]
        to: String,
    },
    /// Give an organisation a new root key, when the old one may have been copied
    Rekey {
        /// Which, by name or id [default: the current one]
        #[arg(value_name = "ORG")]
        organisation: Option<String>,
        /// The organisation's name, as confirmation
        #[arg(long, value_name = "NAME")]
        confirm: Option<String>,
    },
}

impl Org {
    /// Whether `--org` can say which organisation is meant.
    pub(crate) fn takes_org(&self) -> bool {
        matches!(self, Self::Id { .. } | Self::Rekey { .. })
    }
}

pub(crate) async fn run(org: Org, context: &Context) -> Result<(), CliError> {
    match org {
        Org::Create { name, identifiers } => create(CreateOrg { name, identifiers }, context).await,
        Org::List => list(context).await,
        Org::Id { organisation } => {
            let org = context.org_or(organisation)?;
            let found = own_org(context, org.as_deref()).await?;
            context.output.emit(&found, |org| format!("{}\n", org.id))
        }
        Org::Use { organisation } => {
            let body = UseOrg { org: organisation };
            let target = Target::new(&["orgs", "use"]);
            let used: OrgInfo = context.client.post(&target, &body).await?;
            context.output.emit(&used, |org| format!("{}\n", org.id))?;
            context.output.talk(&format!(
                "Commands mean {} from now on, unless they name another with --org.",
                one_line(&used.name)
            ));
            Ok(())
        }
        Org::HandOver { organisation, to } => {
            let body = HandOver {
                to: parse_node(&to)?,
            };
            let target = Target::new(&["orgs", "hand-over"]).with("org", Some(organisation));
            let pass: Pass = context.client.post(&target, &body).await?;
            node::tell_pass(&pass, context)?;
            context.output.talk(
                "It holds the root key, encrypted to that node. When the new node has everything, it ends \
                 this one's right to write by itself, and the key here is wiped; leave both running until \
                 `fingerpost status` says here that it was handed over.",
            );
            Ok(())
        }
        Org::Rekey {
            organisation,
            confirm,
        } => rekey(organisation, confirm, context).await,
    }
}

async fn create(body: CreateOrg, context: &Context) -> Result<(), CliError> {
    let target = Target::new(&["orgs"]);
    let created: OrgInfo = context.client.post(&target, &body).await?;
    context
        .output
        .emit(&created, |org| format!("{}\n", org.id))?;
    context.output.talk(&format!(
        "{} was created ({}). Whoever loses its key loses it: print the key and lock it away, with: \
         fingerpost key print\nNext, fill its listing: fingerpost listing import FILE",
        one_line(&created.name),
        created.short,
    ));
    Ok(())
}

async fn list(context: &Context) -> Result<(), CliError> {
    let held: Organisations = context.client.get(&Target::new(&["orgs"])).await?;
    if held.organisations.is_empty() {
        context.output.talk(
            "This node holds no organisation yet. Create one with: fingerpost org create --name NAME",
        );
    }
    context.output.emit(&held, |held| in_words(held, context))
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
            match org.present {
                true => count(org.services, "entry"),
                false => "coming back".to_owned(),
            },
            if org.current { "yes" } else { "" }.to_owned(),
            node::role_in_words(org.role).to_owned(),
            if org.root_key { "here" } else { "elsewhere" }.to_owned(),
            identifiers.join(", "),
        ]
    };
    let header = [
        "name",
        "id",
        "listing",
        "current",
        "role",
        "root key",
        "identifiers",
    ];
    table(&context.output, header, held.organisations.iter().map(row))
}

async fn rekey(
    organisation: Option<String>,
    confirm: Option<String>,
    context: &Context,
) -> Result<(), CliError> {
    let org = context.org_or(organisation)?;
    let warning = "The organisation gets a new root key and so a new id, which takes the place of the old one \
                   everywhere. Its other nodes follow by themselves; its paper key and key files must be made \
                   anew afterwards.";
    let confirm = confirmation(confirm, context, warning, "give it a new key")?;
    let target = Target::new(&["orgs", "rekey"]).with("org", org);
    let rekeyed: Rekeyed = context.client.post(&target, &Rekey { confirm }).await?;
    context
        .output
        .emit(&rekeyed, |rekeyed| format!("{}\n", rekeyed.organisation.id))?;
    context.output.talk(&format!(
        "{} goes on as {}; what was {} leads there. Its other nodes follow by themselves. The old paper \
         key and key files are of no use any more: make new ones with fingerpost key print and fingerpost \
         key export.",
        one_line(&rekeyed.organisation.name),
        rekeyed.organisation.short,
        rekeyed.old.short(),
    ));
    Ok(())
}
