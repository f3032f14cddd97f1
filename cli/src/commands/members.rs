//! `fingerpost members`

use clap::Args;
use fingerpost_proto::api::{self, Member};
use fingerpost_proto::roster::Place;

use crate::client::Target;
use crate::commands::Context;
use crate::error::CliError;
use crate::output::table;
use crate::output::words::{ago_or_never, grouped, now_s};

#[derive(Debug, Args)]
pub(crate) struct Members {
    /// Of which network, by name or id; needed when there are several
    #[arg(long, value_name = "NETWORK")]
    network: Option<String>,
}

pub(crate) async fn run(members: Members, context: &Context) -> Result<(), CliError> {
    let target = Target::new(&["members"]).with("network", members.network);
    let members: api::Members = context.client.get(&target).await?;
    context
        .output
        .emit(&members, |members| in_words(members, context, now_s()))
}

/// Where an organisation stands, in words.
pub(crate) fn place_in_words(place: Option<Place>) -> &'static str {
    match place {
        Some(Place::Member) => "member",
        Some(Place::Applicant) => "waiting to be admitted",
        Some(Place::Removed) => "removed: most others object to it",
        Some(Place::Replaced) => "succeeded by another",
        Some(Place::Left) => "has left",
        None => "no part in it",
    }
}

fn in_words(members: &api::Members, context: &Context, now_s: u64) -> String {
    let row = |member: &Member| {
        let vouchers: Vec<&str> = member
            .vouched_by
            .iter()
            .map(|vouch| vouch.org.name.as_str())
            .collect();
        [
            member.org.name.clone(),
            member.short.clone(),
            place_in_words(Some(member.place)).to_owned(),
            grouped(u64::try_from(member.services).unwrap_or(u64::MAX)),
            match (member.own, member.connected) {
                (true, _) => "this node".to_owned(),
                (_, true) => "connected".to_owned(),
                _ => ago_or_never(member.last_exchange_s, now_s),
            },
            vouchers.join(", "),
        ]
    };
    let header = [
        "name",
        "id",
        "place",
        "entries",
        "last exchange",
        "vouched for by",
    ];
    table(&context.output, header, members.members.iter().map(row))
}
