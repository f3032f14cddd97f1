//! The merged view as the nodes answer it.

use std::collections::BTreeSet;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use fingerpost_proto::api::{SearchPage, SearchResult};
use tokio::task::JoinSet;

use crate::client::{Client, Target};
use crate::demo::node::{Node, in_parallel};
use crate::demo::screen::Screen;
use crate::demo::{AT_A_TIME, STEP_DEADLINE_S, failed};
use crate::error::CliError;

/// How many results a page has when everything is read.
const PAGE_LIMIT: usize = 100;

/// How often the screen is brought up to date.
const SHOW_INTERVAL: Duration = Duration::from_millis(100);

/// How long to wait before a node is asked again how many entries it has: longer when there are more
/// nodes, so that the asking itself stays cheap.
fn count_interval(nodes: usize) -> Duration {
    Duration::from_millis(
        u64::try_from(nodes)
            .unwrap_or(50)
            .saturating_mul(10)
            .max(50),
    )
}

/// Asks for services.
pub(super) fn search_target(text: &str, limit: usize, offset: usize) -> Target {
    Target::new(&["search"])
        .with("text", (!text.is_empty()).then_some(text))
        .with("kind", Some("service"))
        .with("limit", Some(limit.to_string()))
        .with("offset", Some(offset.to_string()))
}

/// Shows how the view of every node grows until each can find `expected` services, while
/// `meanwhile` goes on.
///
/// # Errors
/// The first error of a node or of `meanwhile`; [`CliError::Demo`] when it takes too long.
pub(super) async fn grow<T>(
    nodes: &[Node],
    names: &[String],
    expected: usize,
    screen: &Screen,
    meanwhile: impl Future<Output = Result<T, CliError>>,
) -> Result<T, CliError> {
    let counts: Arc<Vec<AtomicUsize>> =
        Arc::new(nodes.iter().map(|_| AtomicUsize::new(0)).collect());
    let mut watchers = JoinSet::new();
    for (at, node) in nodes.iter().enumerate() {
        let (client, counts) = (node.client.clone(), Arc::clone(&counts));
        let interval = count_interval(nodes.len());
        watchers.spawn(async move { watch(&client, at, &counts, expected, interval).await });
    }
    let growing = async {
        let mut progress = screen.progress(names, expected);
        let mut complete = 0;
        let started = Instant::now();
        while complete < nodes.len() {
            let now: Vec<usize> = counts
                .iter()
                .map(|one| one.load(Ordering::Relaxed))
                .collect();
            progress.show(&now)?;
            if started.elapsed() > Duration::from_secs(STEP_DEADLINE_S) {
                return Err(behind(&now, expected));
            }
            let ended = tokio::time::timeout(SHOW_INTERVAL, watchers.join_next()).await;
            if let Ok(Some(ended)) = ended {
                ended.map_err(|error| failed(format!("A task of the demo broke: {error}")))??;
                complete += 1;
            }
        }
        progress.show(&vec![expected; nodes.len()])
    };
    let (result, ()) = tokio::try_join!(meanwhile, growing)?;
    Ok(result)
}

async fn watch(
    client: &Client,
    at: usize,
    counts: &[AtomicUsize],
    expected: usize,
    interval: Duration,
) -> Result<(), CliError> {
    let mut connection = client.connect().await?;
    loop {
        let page: SearchPage = connection.get(&search_target("", 1, 0)).await?;
        if let Some(count) = counts.get(at) {
            count.store(page.total, Ordering::Relaxed);
        }
        if page.total == expected {
            return Ok(());
        }
        tokio::time::sleep(interval).await;
    }
}

fn behind(counts: &[usize], expected: usize) -> CliError {
    let late = counts
        .iter()
        .enumerate()
        .filter(|(_, count)| **count != expected);
    let late: Vec<String> = late
        .map(|(at, count)| format!("node {} shows {count}", at + 1))
        .collect();
    failed(format!(
        "After {STEP_DEADLINE_S} seconds not every node shows {expected} entries: {}.",
        late.join(", ")
    ))
}

/// The first page of the same search on every node, which must be the same everywhere.
///
/// # Errors
/// [`CliError::Demo`] naming the first node that answers otherwise than the first.
pub(super) async fn same_answer(nodes: &[Node], text: &str) -> Result<SearchPage, CliError> {
    let ask = |node: &Node| {
        let (client, target) = (node.client.clone(), search_target(text, PAGE_LIMIT, 0));
        async move { client.get::<SearchPage>(&target).await }
    };
    let pages = in_parallel(AT_A_TIME, nodes.iter().map(ask)).await?;
    let mut pages = pages.into_iter();
    let first = pages.next().unwrap_or_default();
    for (at, page) in pages.enumerate() {
        if page.total != first.total || ids(&page.results) != ids(&first.results) {
            return Err(failed(format!(
                "Node {} answers the search \"{text}\" otherwise than node 1: {} against {} results, \
                 or another order.",
                at + 2,
                page.total,
                first.total
            )));
        }
    }
    Ok(first)
}

/// Reads everything that every node can find, page by page, and compares: the same entries in the
/// same order on all, and exactly the `expected` ids. Gives the number of entries of each node.
///
/// # Errors
/// [`CliError::Demo`] naming the node and what it lacks.
pub(super) async fn compare_all(
    nodes: &[Node],
    expected: &BTreeSet<String>,
) -> Result<Vec<usize>, CliError> {
    let read = |node: &Node| {
        let client = node.client.clone();
        async move { all_ids(&client).await }
    };
    let lists = in_parallel(AT_A_TIME, nodes.iter().map(read)).await?;
    let first = lists.first().cloned().unwrap_or_default();
    for (at, list) in lists.iter().enumerate() {
        let node = at + 1;
        let held: BTreeSet<String> = list.iter().map(|(id, _)| id.clone()).collect();
        if let Some(id) = expected.difference(&held).next() {
            return Err(failed(format!(
                "Node {node} does not show the entry {id} of the files."
            )));
        }
        if let Some(id) = held.difference(expected).next() {
            return Err(failed(format!(
                "Node {node} shows the entry {id}, which is in no file."
            )));
        }
        if *list != first {
            return Err(failed(format!(
                "Node {node} lists its entries otherwise than node 1."
            )));
        }
    }
    Ok(lists.iter().map(Vec::len).collect())
}

async fn all_ids(client: &Client) -> Result<Vec<(String, String)>, CliError> {
    let mut connection = client.connect().await?;
    let mut found = Vec::new();
    loop {
        let target = search_target("", PAGE_LIMIT, found.len());
        let page: SearchPage = connection.get(&target).await?;
        found.extend(ids(&page.results));
        if page.results.is_empty() || found.len() >= page.total {
            return Ok(found);
        }
    }
}

/// What identifies results: the entry, and who publishes it.
pub(super) fn ids(results: &[SearchResult]) -> Vec<(String, String)> {
    results
        .iter()
        .map(|one| (one.id.clone(), one.organisation.id.to_string()))
        .collect()
}
