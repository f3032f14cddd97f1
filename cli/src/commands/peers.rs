//! `fingerpost peers`

use clap::{Args, Subcommand};
use fingerpost_proto::api::{AddPeer, AddedPeer, NodeRef, OrgRef, Path, PeerView, Peers};

use crate::client::Target;
use crate::commands::Context;
use crate::error::CliError;
use crate::output::words::{ago_or_never, names, now_s};
use crate::output::{one_line, table};

#[derive(Debug, Args)]
pub(crate) struct PeersCommand {
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Call whoever answers at an address; from there this node learns the present addresses of all others
    Add {
        /// The address, such as /ip4/192.0.2.7/tcp/7787 or node.example.org:7787
        address: String,
    },
}

pub(crate) async fn run(command: PeersCommand, context: &Context) -> Result<(), CliError> {
    match command.action {
        Some(Action::Add { address }) => add(address, context).await,
        None => list(context).await,
    }
}

async fn list(context: &Context) -> Result<(), CliError> {
    let peers: Peers = context.client.get(&Target::new(&["peers"])).await?;
    context
        .output
        .emit(&peers, |peers| in_words(peers, context, now_s()))
}

async fn add(address: String, context: &Context) -> Result<(), CliError> {
    let target = Target::new(&["peers"]);
    let added: AddedPeer = context.client.post(&target, &AddPeer { address }).await?;
    context.output.emit(&added, |added| {
        format!(
            "Connected with the node of {} at {}. What it knows follows; see: fingerpost peers\n",
            speaks_for(&added.node),
            one_line(&added.address)
        )
    })
}

/// For whom a node speaks, or its id where nobody knows.
pub(crate) fn speaks_for(node: &NodeRef) -> String {
    match node.organisations.is_empty() {
        true => format!("an unknown organisation ({})", node.node.short()),
        false => names(&node.organisations),
    }
}

/// What a connection runs over, in words.
pub(crate) fn path_in_words(path: Option<Path>, via: Option<&NodeRef>, near: bool) -> String {
    let near = if near { ", local network" } else { "" };
    match (path, via) {
        (None, _) => "not connected".to_owned(),
        (Some(Path::Tcp), _) => format!("direct, TCP{near}"),
        (Some(Path::Quic), _) => format!("direct, QUIC{near}"),
        (Some(Path::Relayed), Some(relay)) => format!("relayed by {}", speaks_for(relay)),
        (Some(Path::Relayed), None) => "relayed".to_owned(),
    }
}

/// A time in milliseconds: `12.3 ms`.
pub(crate) fn milliseconds(time_us: u64) -> String {
    format!("{}.{} ms", time_us / 1000, time_us % 1000 / 100)
}

fn in_words(peers: &Peers, context: &Context, now_s: u64) -> String {
    if peers.peers.is_empty() {
        return "No other node is known yet. Join a network with a ticket (fingerpost join TICKET), or name \
                an address: fingerpost peers add ADDRESS\n"
            .to_owned();
    }
    let row = |peer: &PeerView| {
        [
            speaks_for(&peer.node),
            peer.node.node.short(),
            path_in_words(peer.path, peer.via.as_ref(), peer.near),
            peer.round_trip_us.map(milliseconds).unwrap_or_default(),
            ago_or_never(peer.last_exchange_s, now_s),
            lacks(&peer.lacks),
            lacks(&peer.lacking),
        ]
    };
    let header = [
        "speaks for",
        "node",
        "path",
        "round trip",
        "last exchange",
        "it lacks",
        "we lack",
    ];
    table(&context.output, header, peers.peers.iter().map(row))
}

fn lacks(orgs: &[OrgRef]) -> String {
    match orgs.is_empty() {
        true => "nothing".to_owned(),
        false => names(orgs),
    }
}
