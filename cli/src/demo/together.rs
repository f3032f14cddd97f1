//! The steps of the demo in which organisations come together: a need meets an offer, and the map shows who
//! represents whom.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use fingerpost_proto::api::{
    AddSeat, MapView, MatchView, Matches, NoticeContent, NoticeDetail, PostReply, Posted, Seats,
};

use crate::client::{Client, Target};
use crate::demo::node::Node;
use crate::demo::screen::Screen;
use crate::demo::{STEP_DEADLINE_S, failed};
use crate::error::CliError;
use crate::map::{Graph, lines, svg};
use crate::output::one_line;

/// How long between two questions whether something has arrived.
const POLL: Duration = Duration::from_millis(50);

/// What one organisation needs, as a provider in London once put it, and what another one has, in other words.
const NEED: &str = "Farsi-speaking therapist";
const OFFER: &str = "Counselling in Persian";
const REPLY: &str = "We have two places from Monday.";

/// Bodies for the map, each with its sort and with what organisations do there. The first is chaired, the second reached
/// through the first.
const FORUM: (&str, &str) = ("Providers' forum", "forum");
const BOARD: (&str, &str) = ("Partnership board", "partnership board");

/// What the steps found out.
pub(super) struct Together {
    /// After how many milliseconds the first node saw that the offer answers its need.
    pub(super) matched_after_ms: u64,
    /// Why it does, in words.
    pub(super) reasons: String,
    /// Where the map was drawn.
    pub(super) map: PathBuf,
}

/// Shows both steps.
///
/// # Errors
/// Whatever did not go as it should.
pub(super) async fn show(nodes: &[Node], screen: &Screen) -> Result<Together, CliError> {
    let (Some(first), Some(last)) = (nodes.first(), nodes.last()) else {
        return Err(failed("There are no nodes."));
    };
    screen.step("8. A need meets an offer.")?;
    let (need, found, after) = meet(first, last, screen).await?;
    let reasons: Vec<String> = found.reasons.iter().map(ToString::to_string).collect();
    let reasons = reasons.join("; ");
    screen.line(&format!(
        "   After {} ms node {} says: \"{}\" of {} may answer it:\n      {reasons}",
        after.as_millis(),
        first.number,
        one_line(&found.title),
        one_line(&found.organisation.name),
    ))?;
    answer(first, last, &need, screen).await?;
    screen.step("9. Who represents whom.")?;
    let map = draw(nodes, screen).await?;
    Ok(Together {
        matched_after_ms: u64::try_from(after.as_millis()).unwrap_or(u64::MAX),
        reasons,
        map,
    })
}

/// Puts up a need on one node and an offer on another, and waits until the first says that they go together.
async fn meet(
    first: &Node,
    last: &Node,
    screen: &Screen,
) -> Result<(String, MatchView, Duration), CliError> {
    let need = NoticeContent {
        kind: Some("need".to_owned()),
        title: Some(NEED.to_owned()),
        text: Some("Counselling for a client who speaks Farsi.".to_owned()),
        ..NoticeContent::default()
    };
    let offer = NoticeContent {
        kind: Some("offer".to_owned()),
        title: Some(OFFER.to_owned()),
        languages: Some(vec!["fa".to_owned()]),
        ..NoticeContent::default()
    };
    let target = Target::new(&["notices"]);
    let need: Posted = first.client.post(&target, &need).await?;
    screen.line(&format!("   Node {} needs: {NEED}", first.number))?;
    let started = Instant::now();
    let offer: Posted = last.client.post(&target, &offer).await?;
    screen.line(&format!("   Node {} offers: {OFFER}", last.number))?;
    let target = Target::new(&["matches"]);
    let found = until(&first.client, &target, started, |all: Matches| {
        let matched = all.needs.into_iter().find(|one| one.need.id == need.id)?;
        matched.matches.into_iter().find(|one| one.id == offer.id)
    });
    let found = found.await?.ok_or_else(|| {
        failed(format!(
            "Node {} does not see that the offer fits.",
            first.number
        ))
    })?;
    Ok((need.id, found, started.elapsed()))
}

/// The one who offers answers, and the one who needs reads it.
async fn answer(first: &Node, last: &Node, need: &str, screen: &Screen) -> Result<(), CliError> {
    let started = Instant::now();
    let body = PostReply {
        text: REPLY.to_owned(),
    };
    let target = Target::new(&["notices", need]);
    let seen = until(&last.client, &target, started, |detail: NoticeDetail| {
        Some(detail.notice.title)
    });
    seen.await?
        .ok_or_else(|| failed(format!("Node {} does not see the need.", last.number)))?;
    let replies = Target::new(&["notices", need, "replies"]);
    let _: Posted = last.client.post(&replies, &body).await?;
    let read = until(&first.client, &target, started, |detail: NoticeDetail| {
        detail.replies.into_iter().next()
    });
    let reply = read
        .await?
        .ok_or_else(|| failed(format!("Node {} does not see the reply.", first.number)))?;
    screen.line(&format!(
        "   {} replies: {}",
        one_line(&reply.organisation.name),
        one_line(&reply.text)
    ))
}

/// Every organisation notes its seats on its card, and the first node draws them all.
async fn draw(nodes: &[Node], screen: &Screen) -> Result<PathBuf, CliError> {
    let mut seats = 0;
    for (at, node) in nodes.iter().enumerate() {
        let mut held = vec![(FORUM, if at == 0 { "chair" } else { "member" })];
        if at < 2 {
            held.push((
                BOARD,
                if at == 0 {
                    "represents the forum"
                } else {
                    "co-opted member"
                },
            ));
        }
        for ((body, kind), role) in held {
            let request = AddSeat {
                body: body.to_owned(),
                role: role.to_owned(),
                kind: Some(kind.to_owned()),
            };
            let _: Seats = node.client.post(&Target::new(&["seats"]), &request).await?;
            seats += 1;
        }
    }
    let (first, started) = (
        &nodes
            .first()
            .ok_or_else(|| failed("There are no nodes."))?
            .client,
        Instant::now(),
    );
    let all = |map: MapView| (map.links.len() == seats).then_some(map);
    let map = until(first, &Target::new(&["map"]), started, all).await?;
    let map = map.ok_or_else(|| failed("Node 1 does not see all seats."))?;
    let graph = Graph::of(&map);
    for line in lines(&graph).lines() {
        screen.line(&format!("   {line}"))?;
    }
    let file = tempfile::Builder::new()
        .prefix("fingerpost-map-")
        .suffix(".svg")
        .tempfile()
        .map_err(CliError::file("the directory for temporary files"))?;
    let (_, path) = file
        .keep()
        .map_err(|error| CliError::file("the map")(error.error))?;
    std::fs::write(&path, svg(&graph, "Who represents whom")).map_err(CliError::file("the map"))?;
    screen.line(&format!("   Drawn in {}", path.display()))?;
    Ok(path)
}

/// Asks a node again and again until its answer holds what is wanted; `None` when it has been asked for too long.
async fn until<T: serde::de::DeserializeOwned, F>(
    client: &Client,
    target: &Target,
    started: Instant,
    wanted: impl Fn(T) -> Option<F>,
) -> Result<Option<F>, CliError> {
    loop {
        match client.get::<T>(target).await {
            Ok(answer) => {
                if let Some(found) = wanted(answer) {
                    return Ok(Some(found));
                }
            }
            // What has not arrived yet is not found.
            Err(error) if error.kind().1 == 4 => {}
            Err(error) => return Err(error),
        }
        if started.elapsed() > Duration::from_secs(STEP_DEADLINE_S) {
            return Ok(None);
        }
        tokio::time::sleep(POLL).await;
    }
}
