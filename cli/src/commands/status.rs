//! `fingerpost status`

mod watch;

use clap::Args;
use fingerpost_proto::api::{
    Lacking, LastBundle, OrgRef, OrgStatus, PeerInfo, Reachability, Status,
};

use crate::commands::Context;
use crate::commands::members::place_in_words;
use crate::error::CliError;
use crate::output::words::{ago, ago_or_never, bytes, count, moment, now_s};
use crate::output::{one_line, plain, table};

/// Most names that are written out where any number may be lacking.
const NAMES_MAX: usize = 10;

#[derive(Debug, Args)]
pub(crate) struct StatusCommand {
    /// Go on telling what changes and what is still coming in, until Ctrl-C
    #[arg(long)]
    watch: bool,
}

pub(crate) async fn run(command: &StatusCommand, context: &Context) -> Result<(), CliError> {
    if command.watch {
        return watch::run(context).await;
    }
    let status: Status = context.client.get(&context.target(&["status"])).await?;
    context
        .output
        .emit(&status, |status| in_words(status, context, now_s()))
}

fn in_words(status: &Status, context: &Context, now_s: u64) -> String {
    let mut text = format!("{}\n", one_line(&status.headline));
    for warning in &status.warnings {
        text.push_str(&format!("warning: {}\n", one_line(warning)));
    }
    section(&mut text, "Organisations", &organisations(status, now_s));
    section(&mut text, "Networks", &networks(status, now_s));
    section(
        &mut text,
        "Reached by others",
        &reached(&status.reachability),
    );
    section(&mut text, "Other nodes", &peers(status, context, now_s));
    if let Some(coming) = &status.catching_up {
        section(&mut text, "Coming in", &watch::coming_in(coming, now_s));
    }
    section(&mut text, "Lacking", &lacking(&status.lacking));
    section(&mut text, "This node", &this_node(status, context, now_s));
    text
}

fn section(text: &mut String, title: &str, body: &str) {
    text.push_str(&format!("\n{title}\n"));
    for line in plain(body).lines() {
        text.push_str(&format!("  {line}\n"));
    }
}

fn organisations(status: &Status, now_s: u64) -> String {
    if status.organisations.is_empty() {
        return "None yet. Create one with: fingerpost org create --name NAME".to_owned();
    }
    let lines = status.organisations.iter().map(|org| {
        format!(
            "{} ({}): {}\n  {}\n",
            one_line(&org.org.name),
            org.org.short,
            count(org.org.services, "entry"),
            who_has_latest(org, now_s),
        )
    });
    lines.collect()
}

fn who_has_latest(org: &OrgStatus, now_s: u64) -> String {
    match org.nodes_known {
        0 => "No other node is known, so nobody else has this listing yet.".to_owned(),
        known => format!(
            "{} of {} {} the latest; last exchange {}.",
            org.nodes_with_latest,
            count(known, "other node"),
            if org.nodes_with_latest == 1 {
                "has"
            } else {
                "have"
            },
            ago_or_never(org.last_exchange_s, now_s),
        ),
    }
}

fn networks(status: &Status, now_s: u64) -> String {
    if status.networks.is_empty() {
        return "None yet. Found one with: fingerpost found NAME, or join with a ticket: fingerpost \
                join TICKET"
            .to_owned();
    }
    let lines = status.networks.iter().map(|network| {
        let place = place_in_words(network.place);
        let waiting = network.waiting_for.as_ref();
        let waiting = waiting.map(|what| format!("\n  Waiting for: {}", one_line(what)));
        let asks = network.asks.iter();
        let asks: String = asks
            .map(|what| format!("\n  To do: {}", one_line(what)))
            .collect();
        format!(
            "{} ({}): {place}, {}, {} needed to join; last exchange {}{}{asks}\n",
            one_line(&network.name),
            network.short,
            count(network.members, "member"),
            count(network.vouches_needed, "vouch"),
            ago_or_never(network.last_exchange_s, now_s),
            waiting.unwrap_or_default(),
        )
    });
    lines.collect()
}

fn reached(reach: &Reachability) -> String {
    let mut text = format!("{}\n", one_line(&reach.sentence));
    if let Some(advice) = &reach.advice {
        text.push_str(&format!("To do: {}\n", one_line(advice)));
    }
    if let Some(relaying) = reach.relaying.filter(|it| it.open) {
        text.push_str(&format!(
            "It relays for {}: {} now, {} since the start.\n",
            count(relaying.places, "node"),
            count(relaying.circuits, "connection"),
            count(relaying.circuits_begun, "connection"),
        ));
    }
    text
}

fn peers(status: &Status, context: &Context, now_s: u64) -> String {
    if status.peers.is_empty() {
        return "None known yet.".to_owned();
    }
    let row = |peer: &PeerInfo| {
        let names: Vec<&str> = peer
            .organisations
            .iter()
            .map(|org| org.name.as_str())
            .collect();
        [
            if names.is_empty() {
                "(unknown)".to_owned()
            } else {
                names.join(", ")
            },
            peer.node.short(),
            if peer.connected { "connected" } else { "away" }.to_owned(),
            ago_or_never(peer.last_exchange_s, now_s),
            if peer.has_latest { "yes" } else { "not yet" }.to_owned(),
        ]
    };
    let header = [
        "speaks for",
        "node",
        "now",
        "last exchange",
        "has our latest",
    ];
    table(&context.output, header, status.peers.iter().map(row))
}

fn lacking(lacking: &Lacking) -> String {
    let mut text = String::new();
    if lacking.states > 0 {
        text.push_str(&format!(
            "{} whose content has not arrived yet.\n",
            count(lacking.states, "known update")
        ));
    }
    for (orgs, total, what) in [
        (
            &lacking.listings,
            lacking.listings_count,
            "No listing yet of",
        ),
        (
            &lacking.never_met,
            lacking.never_met_count,
            "Never in touch with a node of",
        ),
    ] {
        if !orgs.is_empty() {
            text.push_str(&format!("{what}: {}.\n", names(orgs, total)));
        }
    }
    if text.is_empty() {
        "Nothing: every listing that is known of is here.".to_owned()
    } else {
        text
    }
}

/// Some of so many in all.
fn names(orgs: &[OrgRef], total: usize) -> String {
    let mut names: Vec<String> = orgs
        .iter()
        .take(NAMES_MAX)
        .map(|org| one_line(&org.name))
        .collect();
    let more = total.max(orgs.len()).saturating_sub(names.len());
    if more > 0 {
        names.push(format!("and {more} more"));
    }
    names.join(", ")
}

fn last_bundle(last: &LastBundle, now_s: u64) -> String {
    let makers = match last.organisations.is_empty() {
        true => "(unknown)".to_owned(),
        false => names(&last.organisations, last.organisations.len()),
    };
    format!(
        "Last bundle imported: {}, of {}, made by {makers} (node {}) on {}: {} new{}",
        ago(last.imported_at_s, now_s),
        one_line(&last.name),
        last.node.short(),
        moment(last.made_at_s),
        last.added,
        if last.complete {
            ""
        } else {
            "; it was not complete"
        },
    )
}

fn this_node(status: &Status, context: &Context, now_s: u64) -> String {
    let mut text = format!(
        "{}, version {}, started {}, home {}\n",
        status.node,
        one_line(&status.version),
        ago(status.started_at_s, now_s),
        context.client.home_dir().display(),
    );
    for address in &status.addresses {
        text.push_str(&format!("Listens at {}\n", one_line(address)));
    }
    text.push_str(&format!(
        "Store: {}, {}\n",
        count(status.store.documents, "document"),
        bytes(status.store.size_bytes)
    ));
    if let Some(place) = &status.store.set_aside {
        text.push_str(&format!(
            "A damaged store was set aside: {}. What others hold comes back from them.\n",
            one_line(place)
        ));
    }
    text.push_str(&format!(
        "Search: {} can be found{}\n",
        count(status.index.entries, "entry"),
        if status.index.ready {
            ""
        } else {
            "; more are being added"
        }
    ));
    text.push_str(&format!(
        "Comparing with others since the start: {}, {} sent, {} received\n",
        count(status.traffic.sessions, "session"),
        bytes(status.traffic.sent_bytes),
        bytes(status.traffic.received_bytes),
    ));
    if status.traffic.relayed_bytes > 0 {
        text.push_str(&format!(
            "Of it over relays: {}\n",
            bytes(status.traffic.relayed_bytes)
        ));
    }
    if let Some(last) = &status.last_bundle {
        text.push_str(&format!("{}\n", last_bundle(last, now_s)));
    }
    if !status.refused.is_empty() {
        let reasons = status
            .refused
            .iter()
            .map(|(reason, times)| format!("{times} {reason}"));
        let reasons: Vec<String> = reasons.collect();
        text.push_str(&format!(
            "Refused since the start: {}\n",
            reasons.join(", ")
        ));
    }
    text
}
