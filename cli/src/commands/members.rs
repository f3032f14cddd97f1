//! `fingerpost members`

use std::collections::BTreeSet;

use clap::Args;
use fingerpost_proto::api::{self, Member, OrgRef, Waiting};
use fingerpost_proto::ids::OrgId;
use fingerpost_proto::roster::Place;
use serde::Serialize;

use crate::client::Target;
use crate::commands::waiting::vouches;
use crate::commands::{Context, InNetwork};
use crate::error::CliError;
use crate::output::words::{DATE_FROM_S, ago_or_never, date, names, now_s, pause, succession};
use crate::output::{one_line, table};

#[derive(Debug, Args)]
pub(crate) struct Members {
    #[command(flatten)]
    network: InNetwork,
}

/// The members, and how many vouches their network asks for.
#[derive(Serialize)]
struct Shown {
    #[serde(flatten)]
    members: api::Members,
    vouches_needed: u32,
}

pub(crate) async fn run(members: Members, context: &Context) -> Result<(), CliError> {
    let target = Target::new(&["members"]).with("network", members.network.network);
    let members: api::Members = context.client.get(&target).await?;
    let target = Target::new(&["waiting"]).with("network", Some(members.network.to_string()));
    let waiting: Waiting = context.client.get(&target).await?;
    let shown = Shown {
        members,
        vouches_needed: waiting.vouches_needed,
    };
    context
        .output
        .emit(&shown, |shown| in_words(shown, context, now_s()))
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

/// The same in a word, for a narrow column.
fn state(member: &Member) -> &'static str {
    match member.place {
        // An old key leaves by itself when all have taken up the new one.
        Place::Left if heir_of(member).is_some() => "succeeded",
        Place::Member => "member",
        Place::Applicant => "waiting",
        Place::Removed => "removed",
        Place::Replaced => "succeeded",
        Place::Left => "left",
    }
}

/// Whether the latest listing of a member is held. Of others a node holds none.
fn listing(member: &Member) -> &'static str {
    match (member.place, member.latest_held, member.services) {
        (Place::Member, true, 0) if !member.own => "none yet",
        (Place::Member, true, _) => "latest",
        (Place::Member, false, 0) => "not yet",
        (Place::Member, false, _) => "older",
        _ => "",
    }
}

/// Who goes on for an organisation under another key.
fn heir_of(member: &Member) -> Option<&OrgRef> {
    member.succession.as_ref()?.now.as_ref()
}

/// Those that go on for a member whose key was replaced: they are members in its stead.
fn heirs(members: &[Member]) -> BTreeSet<OrgId> {
    members
        .iter()
        .filter_map(heir_of)
        .map(|heir| heir.id)
        .collect()
}

/// On what its membership rests: its vouches, unless it needs none.
fn grounds(member: &Member, needed: u32, heirs: &BTreeSet<OrgId>) -> String {
    let counting = member.vouched_by.iter().filter(|vouch| vouch.counts);
    let vouchers: Vec<OrgRef> = counting.map(|vouch| vouch.org.clone()).collect();
    match (member.place, vouchers.is_empty()) {
        (Place::Member, true) if member.anchor => "needs none".to_owned(),
        // "1 of 2" would read as if one were missing.
        (Place::Member, false) if member.anchor => format!("needs none; has {}", names(&vouchers)),
        (Place::Member, true) if heirs.contains(&member.org.id) => "by succession".to_owned(),
        _ => vouches(&member.vouched_by, needed),
    }
}

/// When a session with it was last finished: a day where that says more than a length of time.
fn seen(member: &Member, now_s: u64) -> String {
    match (member.own, member.connected, member.last_exchange_s) {
        (true, _, _) => "this node".to_owned(),
        (_, true, _) => "connected".to_owned(),
        (_, _, Some(at_s)) if now_s.saturating_sub(at_s) >= DATE_FROM_S => date(at_s),
        (_, _, at_s) => ago_or_never(at_s, now_s),
    }
}

fn in_words(shown: &Shown, context: &Context, now_s: u64) -> String {
    let members = &shown.members.members;
    let heirs = heirs(members);
    let row = |member: &Member| {
        [
            member.org.name.clone(),
            member.short.clone(),
            state(member).to_owned(),
            member.since_s.map(date).unwrap_or_default(),
            grounds(member, shown.vouches_needed, &heirs),
            seen(member, now_s),
            listing(member).to_owned(),
        ]
    };
    let header = ["name", "id", "state", "since", "vouches", "seen", "listing"];
    let mut text = table(&context.output, header, members.iter().map(row));
    let remarks: String = members.iter().map(remarks).collect();
    if !remarks.is_empty() {
        text.push_str(&format!("\n{remarks}"));
    }
    text
}

/// What is too long for a column: objections, a block, a pause, and what comes after an organisation.
fn remarks(member: &Member) -> String {
    let name = one_line(&member.org.name);
    let mut lines = String::new();
    if !member.objections.is_empty() {
        let counting = member.objections.iter().filter(|one| one.counts).count();
        lines.push_str(&format!(
            "Objections to {name}: {counting} of the {} that remove it\n",
            member.objections_needed
        ));
        for one in &member.objections {
            lines.push_str(&format!(
                "  {} on {}: {}{}\n",
                one_line(&one.org.name),
                date(one.at_s),
                one_line(&one.reason),
                if one.counts { "" } else { " (does not count)" }
            ));
        }
    }
    if member.blocked {
        lines.push_str(&format!("{name} is blocked on this node\n"));
    }
    if let Some(away) = &member.away {
        lines.push_str(&format!("{name} is {}\n", pause(away)));
    }
    if let Some(after) = &member.succession {
        for sentence in succession(after) {
            lines.push_str(&format!("{name} {sentence}\n"));
        }
    }
    lines
}
