//! The steps of the demo, in order.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

use fingerpost_proto::api::{
    CreateOrg, Edited, EntryView, Found, Invite, Invited, NetworkInfo, OrgInfo, Status, UseTicket,
};
use serde::Serialize;

use crate::client::{Client, Target};
use crate::demo::listings::{Input, Question, question};
use crate::demo::node::{Node, in_parallel};
use crate::demo::screen::Screen;
use crate::demo::spread::{Edits, median_and_max_ms, poll_interval, shown};
use crate::demo::view::{compare_all, grow, same_answer};
use crate::demo::{AT_A_TIME, binary, failed, forgery, logs, together};
use crate::error::CliError;
use crate::output::one_line;
use crate::output::words::{count, grouped};

/// Name of the network that the demo founds.
const NETWORK: &str = "Fingerpost demo";

/// What its members accept.
const CHARTER: &str = "We show each other's listings, as their owners publish them, and nobody edits \
    another's. This network exists for a demonstration and ends with it.";

/// How long tickets can be used, in seconds.
const TICKET_VALID_S: u64 = 24 * 3600;

/// How many edits are timed.
const TIMED_EDITS: usize = 5;

/// How many edits a stopped node misses.
const MISSED_EDITS: usize = 3;

/// Most organisations that are named one by one.
const NAMED_MAX: usize = 12;

/// Among how many results, counted from the best, the service that is looked for must be.
const FOUND_AMONG: usize = 10;

/// What the demo works with.
pub(super) struct Story<'a> {
    /// One listing for each node.
    pub(super) inputs: &'a [Input],
    /// Where the homes go.
    pub(super) homes: &'a Path,
    /// Where it is shown.
    pub(super) screen: &'a Screen,
    /// Whether the nodes stay up afterwards.
    pub(super) keep: bool,
}

/// What the demo found out; the document of `--json`.
#[derive(Debug, Default, Serialize)]
struct Findings {
    nodes: usize,
    entries: usize,
    entries_on_each_node: Vec<usize>,
    merged_after_ms: u64,
    search: String,
    edit_median_ms: u64,
    edit_max_ms: u64,
    ready_again_ms: u64,
    caught_up_ms: u64,
    refused: Vec<RefusedForgery>,
    matched_after_ms: u64,
    matched_because: String,
    map: String,
    log_lines: usize,
    log_warnings: usize,
    log_errors: usize,
    seconds: u64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    homes: Vec<String>,
}

#[derive(Debug, Serialize)]
struct RefusedForgery {
    forgery: String,
    reason: String,
    message: String,
}

impl Story<'_> {
    /// Tells it, with the nodes that it starts in `nodes`, where they stay.
    ///
    /// # Errors
    /// Whatever did not go as it should.
    pub(super) async fn tell(&self, nodes: &mut Vec<Node>) -> Result<(), CliError> {
        let question = question(self.inputs)?;
        let binary = binary::find(self.screen).await?;
        let started = Instant::now();
        let mut found = Findings {
            nodes: self.inputs.len(),
            ..Findings::default()
        };
        self.start(nodes, &binary).await?;
        let orgs = self.publish(nodes).await?;
        self.join_and_grow(nodes, &mut found).await?;
        self.search(nodes, &question, &orgs, &mut found).await?;
        let before = match orgs.first() {
            Some(first) => forgery::export(&node_at(nodes, 0)?.client, first.id).await?,
            None => Vec::new(),
        };
        let mut edits = Edits::of(node_at(nodes, 0)?, &question.service.id).await?;
        self.edit(nodes, &mut edits, &mut found).await?;
        let word = self
            .stop_and_catch_up(nodes, &mut edits, &mut found)
            .await?;
        self.forge(nodes, &edits, &word, &before, &question, &mut found)
            .await?;
        let together = together::show(nodes, self.screen).await?;
        found.matched_after_ms = together.matched_after_ms;
        found.matched_because = together.reasons;
        found.map = together.map.display().to_string();
        self.check_logs(nodes, &mut found)?;
        found.seconds = started.elapsed().as_secs();
        self.end(nodes, &question, found)
    }

    async fn start(&self, nodes: &mut Vec<Node>, binary: &Path) -> Result<(), CliError> {
        let wanted = self.inputs.len();
        self.screen.step(&format!(
            "1. {wanted} nodes start, each a process with its own home."
        ))?;
        let started = Instant::now();
        let start = |number| Node::start(number, self.homes.to_owned(), binary.to_owned());
        *nodes = in_parallel(AT_A_TIME, (1..=wanted).map(start)).await?;
        self.screen.line(&format!(
            "   All answer after {}.",
            seconds(started.elapsed())
        ))
    }

    /// Every node creates its organisation and imports its listing.
    async fn publish(&self, nodes: &[Node]) -> Result<Vec<OrgInfo>, CliError> {
        self.screen
            .step("2. Each creates its organisation and imports its listing.")?;
        let publish = |(node, input): (&Node, &Input)| {
            let (client, name) = (node.client.clone(), input.name.clone());
            let (file, json) = (input.file.clone(), input.json.clone());
            let services = input.services.len();
            async move {
                let body = CreateOrg {
                    name,
                    identifiers: Vec::new(),
                };
                let org: OrgInfo = client.post(&Target::new(&["orgs"]), &body).await?;
                let target = Target::new(&["listing", "import"]);
                let edited: Edited = client.post_bytes(&target, json.into_bytes()).await?;
                if edited.changes.added.len() != services {
                    let added = edited.changes.added.len();
                    return Err(failed(format!(
                        "{file} has {services} services; {added} arrived."
                    )));
                }
                Ok(org)
            }
        };
        let publishing = nodes.iter().zip(self.inputs).map(publish);
        let started = Instant::now();
        let orgs = in_parallel(AT_A_TIME, publishing).await?;
        if self.inputs.len() > NAMED_MAX {
            self.screen.line(&format!(
                "   {} in {}, imported in {}.",
                count(self.ids().len(), "entry"),
                count(self.inputs.len(), "listing"),
                seconds(started.elapsed()),
            ))?;
        } else {
            for (node, input) in nodes.iter().zip(self.inputs) {
                let entries = count(input.services.len(), "entry");
                self.screen.line(&format!(
                    "   node {}: {}, {entries}",
                    node.number,
                    one_line(&input.name)
                ))?;
            }
        }
        Ok(orgs)
    }

    /// Node 1 founds a network and invites; the others join; the views grow until all have all.
    async fn join_and_grow(&self, nodes: &[Node], found: &mut Findings) -> Result<(), CliError> {
        self.screen.step(&format!(
            "3. Node 1 founds the network \"{NETWORK}\"; the others join it with tickets."
        ))?;
        let expected: BTreeSet<String> = self.ids();
        let names: Vec<String> = self.inputs.iter().map(|input| input.name.clone()).collect();
        let started = Instant::now();
        let first = &node_at(nodes, 0)?.client;
        let body = Found {
            name: NETWORK.to_owned(),
            charter: CHARTER.to_owned(),
            vouches: 1,
            founders: Vec::new(),
        };
        let _: NetworkInfo = first.post(&Target::new(&["networks"]), &body).await?;
        let joins = nodes
            .iter()
            .skip(1)
            .map(|node| join(first.clone(), node.client.clone()));
        let joining = in_parallel(AT_A_TIME, joins);
        grow(nodes, &names, expected.len(), self.screen, joining).await?;
        found.merged_after_ms = millis(started.elapsed());
        found.entries = expected.len();
        found.entries_on_each_node = compare_all(nodes, &expected).await?;
        self.screen.line(&format!(
            "   {} on each of {}, {} after the first ticket; every node lists the same in the same \
             order.",
            count(found.entries, "entry"),
            count(nodes.len(), "node"),
            seconds(Duration::from_millis(found.merged_after_ms)),
        ))?;
        let last = nodes.last().ok_or_else(|| failed("There are no nodes."))?;
        let status: Status = last.client.get(&Target::new(&["status"])).await?;
        self.screen.line(&format!(
            "   Node {} says: {}",
            last.number,
            one_line(&status.headline)
        ))
    }

    fn ids(&self) -> BTreeSet<String> {
        let services = self.inputs.iter().flat_map(|input| &input.services);
        services.map(|service| service.id.clone()).collect()
    }

    async fn search(
        &self,
        nodes: &[Node],
        question: &Question,
        orgs: &[OrgInfo],
        found: &mut Findings,
    ) -> Result<(), CliError> {
        let (last, text) = (nodes.len(), &question.text);
        self.screen
            .step(&format!("4. Search on node {last}: {text}"))?;
        let page = same_answer(nodes, text).await?;
        let org = orgs.first().map(|org| org.id);
        let wanted =
            page.results.iter().take(FOUND_AMONG).find(|result| {
                result.id == question.service.id && Some(result.organisation.id) == org
            });
        let Some(result) = wanted else {
            return Err(failed(format!(
                "Node {last} does not find \"{}\".",
                question.service.name
            )));
        };
        self.screen.line(&format!(
            "   finds \"{}\", which {} publishes on node 1.",
            one_line(&result.name),
            one_line(&result.organisation.name)
        ))?;
        found.search.clone_from(text);
        self.screen.line(&format!(
            "   {} found; all {} nodes answer with the same, in the same order.",
            count(page.total, "entry"),
            nodes.len()
        ))
    }

    async fn edit(
        &self,
        nodes: &[Node],
        edits: &mut Edits,
        found: &mut Findings,
    ) -> Result<(), CliError> {
        self.screen
            .step("5. Node 1 edits that service; every node is asked until it shows the edit.")?;
        let all: Vec<&Node> = nodes.iter().collect();
        let mut times = Vec::new();
        for _ in 0..TIMED_EDITS {
            times.extend(edits.time(&all).await?.1);
        }
        (found.edit_median_ms, found.edit_max_ms) = median_and_max_ms(&times);
        self.screen.line(&format!(
            "   Visible in search on all {} nodes, {TIMED_EDITS} edits: median {} ms, slowest {} ms \
             after the edit was sent.",
            nodes.len(),
            found.edit_median_ms,
            found.edit_max_ms
        ))
    }

    /// Kills a node, edits, starts it again. Gives the word of the last edit.
    async fn stop_and_catch_up(
        &self,
        nodes: &mut [Node],
        edits: &mut Edits,
        found: &mut Findings,
    ) -> Result<String, CliError> {
        let victim_at = nodes.len() / 2;
        let number = victim_at + 1;
        self.screen.step(&format!(
            "6. Node {number} is killed, misses edits, and starts again."
        ))?;
        let victim = nodes
            .get_mut(victim_at)
            .ok_or_else(|| failed("There are no nodes."))?;
        victim.kill().await;
        for _ in 1..MISSED_EDITS {
            edits.make().await?;
        }
        let others: Vec<&Node> = nodes.iter().filter(|node| node.number != number).collect();
        let (word, _) = edits.time(&others).await?;
        let started = Instant::now();
        let victim = nodes
            .get_mut(victim_at)
            .ok_or_else(|| failed("There are no nodes."))?;
        victim.restart().await?;
        found.ready_again_ms = millis(started.elapsed());
        let time = shown(&victim.client, number, &word, started, poll_interval(1)).await?;
        found.caught_up_ms = millis(time);
        found.entries_on_each_node = compare_all(nodes, &self.ids()).await?;
        self.screen.line(&format!(
            "   It missed {MISSED_EDITS} edits, answers {} ms after its start, and shows the last \
             edit after {} ms.",
            found.ready_again_ms, found.caught_up_ms
        ))?;
        Ok(word)
    }

    async fn forge(
        &self,
        nodes: &[Node],
        edits: &Edits,
        word: &str,
        before: &[forgery::Original],
        question: &Question,
        found: &mut Findings,
    ) -> Result<(), CliError> {
        let (first, last) = (
            node_at(nodes, 0)?,
            node_at(nodes, nodes.len().saturating_sub(1))?,
        );
        self.screen.step(&format!(
            "7. Forged updates of node 1's listing are handed to node {}.",
            last.number
        ))?;
        let target = Target::new(&["entries", &edits.service]);
        let shown_before: EntryView = last.client.get(&target).await?;
        let page_before = same_answer(nodes, &question.text).await?;
        let current = forgery::export(&first.client, shown_before.organisation.id).await?;
        let lacking = || failed("The export of node 1 lacks the listing that was edited.");
        let current = forgery::holding(&current, word).ok_or_else(lacking)?;
        let older = forgery::of_same_document(before, current).ok_or_else(lacking)?;
        for forgery in forgery::forge(current, older, word)? {
            let (reason, message) = forgery::deliver(&forgery, last).await?;
            self.screen.line(&format!(
                "   {}\n      → {}: {}",
                forgery.what,
                one_line(&reason),
                one_line(&message)
            ))?;
            let forgery = forgery.what.to_owned();
            found.refused.push(RefusedForgery {
                forgery,
                reason,
                message,
            });
        }
        let shown_after: EntryView = last.client.get(&target).await?;
        let page_after = same_answer(nodes, &question.text).await?;
        if shown_after != shown_before || page_after != page_before {
            return Err(failed(format!(
                "A forgery changed what node {} shows.",
                last.number
            )));
        }
        self.screen.line(&format!(
            "   Node {} shows what it showed before.",
            last.number
        ))
    }

    fn check_logs(&self, nodes: &[Node], found: &mut Findings) -> Result<(), CliError> {
        let mut counts = logs::Counts::default();
        for node in nodes {
            counts.add(&node.log())?;
        }
        (found.log_lines, found.log_warnings) = (counts.lines, counts.warnings);
        found.log_errors = counts.errors.len();
        self.screen.step(&format!(
            "10. The logs of all nodes: {}, {}, {}.",
            count(counts.lines, "line"),
            count(counts.warnings, "warning"),
            count(counts.errors.len(), "error"),
        ))?;
        match counts.errors.first() {
            None => Ok(()),
            Some(first) => Err(failed(format!(
                "A log holds errors. The first: {}",
                one_line(first)
            ))),
        }
    }

    fn end(
        &self,
        nodes: &[Node],
        question: &Question,
        mut found: Findings,
    ) -> Result<(), CliError> {
        self.screen.step(&format!(
            "Done in {} s: {} with one directory and nobody in the middle; {} found on each of them.",
            found.seconds,
            count(found.nodes, "node"),
            count(found.entries, "entry"),
        ))?;
        if self.keep {
            found.homes = nodes
                .iter()
                .map(|node| node.home_dir().display().to_string())
                .collect();
            self.advise(&found.homes, question)?;
        }
        if self.screen.output().json {
            self.screen.output().document(&found)
        } else {
            Ok(())
        }
    }

    fn advise(&self, homes: &[String], question: &Question) -> Result<(), CliError> {
        let program =
            std::env::current_exe().map_err(CliError::file("the path of this program"))?;
        let program = program.display();
        let first = homes.first().map(String::as_str).unwrap_or_default();
        let last = homes.last().map(String::as_str).unwrap_or_default();
        self.screen
            .step("The nodes stay up until you press Ctrl-C. Try, in another terminal:")?;
        for (home, command) in [
            (last, "status".to_owned()),
            (last, format!("search {}", question.text)),
            (last, format!("show {}", question.service.id)),
            (
                first,
                format!("service set {} status=inactive", question.service.id),
            ),
            (first, "listing history".to_owned()),
            (first, "members".to_owned()),
            (first, "matches".to_owned()),
            (first, "map --format mermaid".to_owned()),
        ] {
            self.screen
                .line(&format!("   {program} --home {home} {command}"))?;
        }
        let others = grouped(u64::try_from(homes.len()).unwrap_or(u64::MAX));
        self.screen.line(&format!(
            "   The {others} homes lie in {}",
            self.homes.display()
        ))
    }
}

/// One organisation joins on a ticket that node 1 makes for it.
async fn join(inviter: Client, joiner: Client) -> Result<(), CliError> {
    let body = Invite {
        network: None,
        valid_s: TICKET_VALID_S,
        note: None,
    };
    let invited: Invited = inviter.post(&Target::new(&["invitations"]), &body).await?;
    let ticket = UseTicket {
        ticket: invited.ticket,
        accept_charter: true,
        charter: None,
    };
    let _: NetworkInfo = joiner
        .post(&Target::new(&["networks", "join"]), &ticket)
        .await?;
    Ok(())
}

fn node_at(nodes: &[Node], at: usize) -> Result<&Node, CliError> {
    nodes.get(at).ok_or_else(|| failed("There are no nodes."))
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}
