//! `fingerpost map`

use clap::{Args, ValueEnum};
use fingerpost_proto::api::MapView;

use crate::client::Target;
use crate::commands::Context;
use crate::error::CliError;
use crate::map::{Graph, dot, lines, mermaid, svg};
use crate::output::words::count;

#[derive(Debug, Args)]
pub(crate) struct Map {
    /// What to print: lines of text, a picture, a diagram for Graphviz or Mermaid, or JSON
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Draw the nodes of members too, and which of them this one is connected to
    #[arg(long)]
    peers: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    Svg,
    Dot,
    Mermaid,
    Json,
}

pub(crate) async fn run(map: Map, context: &Context) -> Result<(), CliError> {
    let target = Target::new(&["map"]).with("peers", map.peers.then_some("true"));
    let view: MapView = context.client.get(&target).await?;
    let graph = Graph::of(&view);
    if context.output.json || map.format == Format::Json {
        context.output.document(&view)?;
    } else {
        context.output.data(&match map.format {
            Format::Svg => svg(&graph, "Who represents whom"),
            Format::Dot => dot(&graph),
            Format::Mermaid => mermaid(&graph),
            Format::Text | Format::Json => lines(&graph),
        })?;
    }
    let mut said = format!(
        "{} and {} between them.",
        count(view.places.len(), "place"),
        count(view.links.len(), "link")
    );
    if view.without_seats > 0 {
        said.push_str(&format!(
            " {} without a seat left out. To list one's seats: fingerpost seat add BODY --role member",
            count(view.without_seats, "organisation")
        ));
    }
    context.output.talk(&said);
    Ok(())
}
