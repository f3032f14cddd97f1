//! `fingerpost node id|list|add|join|revoke`

use clap::{ArgGroup, Args, Subcommand, ValueEnum};
use fingerpost_proto::api::{
    AddNode, LastCounted, NodeInfo, Nodes, OrgInfo, Pass, RevokeNode, Revoked, Status, UsePass,
};
use fingerpost_proto::certificate::Role;
use fingerpost_proto::ids::NodeId;
use serde::Serialize;

use crate::client::Target;
use crate::commands::Context;
use crate::error::CliError;
use crate::input::{confirmation, parse_node, read_text, same_name};
use crate::output::words::{ago, ago_or_never, date, moment, now_s};
use crate::output::{one_line, table};

/// Longest pass that is read, in bytes, with white space around it.
const PASS_MAX_BYTES: usize = 64 * 1024;

#[derive(Debug, Subcommand)]
pub(crate) enum Node {
    /// Print this node's full id, which others need to add it or to hand an organisation over to it
    Id,
    /// List the nodes that may write for your organisation
    List,
    /// Let another node write for your organisation; prints a pass for that node
    Add {
        /// Its full id, which `fingerpost node id` prints there
        #[arg(value_name = "NODE_ID")]
        node: String,
        /// What it may write: an editor the listing and the board, an admin also who belongs to what
        #[arg(long, value_enum, default_value_t = Writes::Editor)]
        role: Writes,
    },
    /// Use the pass that another node made for this one, with `node add` or `org hand-over`
    Join(Join),
    /// Take the right to write from a node, such as a stolen laptop
    Revoke {
        /// Which, by its id in full or in short, as `node list` shows it
        #[arg(value_name = "NODE")]
        node: String,
        /// The organisation's name, as confirmation
        #[arg(long, value_name = "NAME")]
        confirm: Option<String>,
    },
}

#[derive(Debug, Args)]
#[command(group = ArgGroup::new("from").required(true).multiple(false).args(["pass", "file"]))]
pub(crate) struct Join {
    /// The pass: one line; - reads it from standard input
    pass: Option<String>,
    /// File that holds the pass
    #[arg(long, value_name = "FILE")]
    file: Option<String>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Writes {
    Admin,
    Editor,
}

impl From<Writes> for Role {
    fn from(writes: Writes) -> Self {
        match writes {
            Writes::Admin => Self::Admin,
            Writes::Editor => Self::Editor,
        }
    }
}

impl Node {
    /// Whether `--org` can say which organisation is meant.
    pub(crate) fn takes_org(&self) -> bool {
        !matches!(self, Self::Id | Self::Join(_))
    }
}

/// What a node may write, in a word.
pub(crate) fn role_in_words(role: Role) -> &'static str {
    match role {
        Role::Admin => "admin",
        Role::Editor => "editor",
    }
}

pub(crate) async fn run(node: Node, context: &Context) -> Result<(), CliError> {
    match node {
        Node::Id => id(context).await,
        Node::List => {
            let nodes = nodes(context).await?;
            context
                .output
                .emit(&nodes, |nodes| in_words(nodes, context, now_s()))
        }
        Node::Add { node, role } => {
            let body = AddNode {
                node: parse_node(&node)?,
                role: role.into(),
            };
            let target = context.target(&["nodes"]);
            let pass: Pass = context.client.post(&target, &body).await?;
            tell_pass(&pass, context)
        }
        Node::Join(join) => run_join(join, context).await,
        Node::Revoke { node, confirm } => revoke(node, confirm, context).await,
    }
}

/// This node's id.
#[derive(Serialize)]
struct ThisNode {
    node: NodeId,
}

async fn id(context: &Context) -> Result<(), CliError> {
    let status: Status = context.client.get(&Target::new(&["status"])).await?;
    let this = ThisNode { node: status.node };
    context
        .output
        .emit(&this, |this| format!("{}\n", this.node))
}

async fn nodes(context: &Context) -> Result<Nodes, CliError> {
    context.client.get(&context.target(&["nodes"])).await
}

fn in_words(nodes: &Nodes, context: &Context, now_s: u64) -> String {
    let row = |node: &NodeInfo| {
        let state = match node.revoked_at_s {
            Some(at_s) => format!("revoked on {}", date(at_s)),
            None if node.this => "this node".to_owned(),
            None if node.connected => "connected".to_owned(),
            None => format!("seen {}", ago_or_never(node.last_exchange_s, now_s)),
        };
        // Of a node whose delegation is not held any more, neither role nor beginning is known.
        let (role, since) = match node.since_s {
            0 => (String::new(), String::new()),
            since_s => (role_in_words(node.role).to_owned(), date(since_s)),
        };
        // None is no proof that it never wrote: others may have written since, and only that is kept.
        let written = node.last_written_s.map(|at_s| ago(at_s, now_s));
        [
            node.short.clone(),
            role,
            since,
            state,
            written.unwrap_or_default(),
        ]
    };
    let header = ["node", "role", "since", "state", "last written"];
    table(&context.output, header, nodes.nodes.iter().map(row))
}

/// Prints a pass, and how it is used.
pub(crate) fn tell_pass(pass: &Pass, context: &Context) -> Result<(), CliError> {
    context
        .output
        .emit(pass, |pass| format!("{}\n", one_line(&pass.pass)))?;
    context.output.talk(&format!(
        "With this pass the node {} writes for {} as {}. Only that node can read it; use it there with: \
         fingerpost node join PASS",
        pass.node.short(),
        one_line(&pass.organisation.name),
        role_in_words(pass.role),
    ));
    Ok(())
}

async fn run_join(join: Join, context: &Context) -> Result<(), CliError> {
    let pass = match (join.pass, join.file) {
        (Some(pass), _) if pass != "-" => pass,
        (_, file) => read_text(file.as_deref().unwrap_or("-"), PASS_MAX_BYTES)?,
    };
    // A line that went through a letter may have been broken; a pass has no white space.
    let body = UsePass {
        pass: pass.split_whitespace().collect(),
    };
    let target = Target::new(&["nodes", "join"]);
    let org: OrgInfo = context.client.post(&target, &body).await?;
    context.output.emit(&org, |org| format!("{}\n", org.id))?;
    context.output.talk(&format!(
        "This node writes for {} as {} from now on{}.{}",
        one_line(&org.name),
        role_in_words(org.role),
        if org.root_key {
            ", and holds its root key"
        } else {
            ""
        },
        if org.present {
            ""
        } else {
            " Its documents come with the next exchanges; `fingerpost org list` shows when they are here."
        }
    ));
    Ok(())
}

async fn revoke(node: String, confirm: Option<String>, context: &Context) -> Result<(), CliError> {
    if confirm.is_none() && !context.output.can_ask() {
        // Said before the daemon is asked for the name.
        confirmation(None, context, "", "revoke a node")?;
    }
    let known = nodes(context).await?;
    let name = &known.organisation.name;
    let warning = format!(
        "The node {} will write for {} no longer, for ever. What it wrote until now stays.",
        one_line(&node),
        one_line(name)
    );
    let typed = confirmation(confirm, context, &warning, "revoke a node")?;
    if !same_name(name, &typed) {
        return Err(CliError::Refused {
            message: format!(
                "The confirmation does not match: the organisation is called \"{}\". Nothing was changed.",
                one_line(name)
            ),
            hint: format!("To revoke the node: --confirm \"{}\"", one_line(name)),
        });
    }
    let target = context.target(&["nodes", "revoke"]);
    let revoked: Revoked = context.client.post(&target, &RevokeNode { node }).await?;
    context.output.emit(&revoked, revoked_in_words)?;
    if revoked.already {
        context
            .output
            .talk("It had been revoked before. Nothing was changed.");
    } else {
        context.output.talk(
            "Other nodes refuse what it writes as soon as they hear of this. If the root key was on that \
             machine too: fingerpost org rekey",
        );
    }
    Ok(())
}

fn revoked_in_words(revoked: &Revoked) -> String {
    let mut text = format!("Revoked: {}\n", revoked.node);
    if revoked.last.is_empty() {
        text.push_str("Nothing that it wrote counts\n");
    }
    for LastCounted {
        document,
        seq,
        issued_at_s,
    } in &revoked.last
    {
        let when = issued_at_s.map(|at_s| format!(" of {}", moment(at_s)));
        text.push_str(&format!(
            "Its last record of {document} that counts: number {seq}{}\n",
            when.unwrap_or_default()
        ));
    }
    text
}
