//! An edit on one node, and how long until every node shows it.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use fingerpost_proto::api::{Edited, EntryView, Fields, SearchPage};
use serde_json::Value;

use crate::client::{Client, Target};
use crate::demo::node::{Node, in_parallel};
use crate::demo::view::search_target;
use crate::demo::{STEP_DEADLINE_S, failed};
use crate::error::CliError;

/// Letters of a made-up word, of which no two are alike to a search that forgives misspelling.
const WORD_LETTERS: usize = 14;

/// A service that the demo edits: the end of its description becomes a word that stands nowhere else.
pub(super) struct Edits {
    client: Client,
    /// The service.
    pub(super) service: String,
    description: String,
    made: u64,
}

impl Edits {
    /// Reads the description as it is.
    ///
    /// # Errors
    /// Any error of the node.
    pub(super) async fn of(node: &Node, service: &str) -> Result<Self, CliError> {
        let entry: EntryView = node.client.get(&Target::new(&["entries", service])).await?;
        let description = entry.content.get("description").and_then(Value::as_str);
        Ok(Self {
            client: node.client.clone(),
            service: service.to_owned(),
            description: description.unwrap_or_default().to_owned(),
            made: 0,
        })
    }

    /// Edits the service and gives the new word.
    ///
    /// # Errors
    /// Any error of the node; [`CliError::Demo`] when the edit published nothing.
    pub(super) async fn make(&mut self) -> Result<String, CliError> {
        let word = self.next_word();
        self.publish(&word).await?;
        Ok(word)
    }

    /// Edits the service and measures how long it takes until each of the nodes finds the new word,
    /// from the moment the edit is sent. Gives the word and one time for each node.
    ///
    /// # Errors
    /// As [`Edits::make`]; [`CliError::Demo`] when a node does not show it in time.
    pub(super) async fn time(
        &mut self,
        nodes: &[&Node],
    ) -> Result<(String, Vec<Duration>), CliError> {
        let word = self.next_word();
        let interval = poll_interval(nodes.len());
        let started = Instant::now();
        let watchers = nodes.iter().map(|node| {
            let (client, number, word) = (node.client.clone(), node.number, word.clone());
            async move { shown(&client, number, &word, started, interval).await }
        });
        let watching = in_parallel(nodes.len(), watchers);
        let (times, ()) = tokio::try_join!(watching, self.publish(&word))?;
        Ok((word, times))
    }

    async fn publish(&self, word: &str) -> Result<(), CliError> {
        let description = format!("{} {word}", self.description);
        let fields = Fields {
            fields: vec![("description".to_owned(), description)],
        };
        let target = Target::new(&["services", &self.service]);
        let edited: Edited = self.client.patch(&target, &fields).await?;
        if edited.records.is_empty() {
            return Err(failed("An edit of node 1 published nothing."));
        }
        Ok(())
    }

    fn next_word(&mut self) -> String {
        self.made += 1;
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let seed = u64::try_from(since.as_nanos() % u128::from(u64::MAX)).unwrap_or_default();
        made_up_word(seed.wrapping_add(self.made))
    }
}

/// Waits until a node finds `word`; the time since `started`.
///
/// # Errors
/// Any error of the node; [`CliError::Demo`] after the deadline.
pub(super) async fn shown(
    client: &Client,
    number: usize,
    word: &str,
    started: Instant,
    interval: Duration,
) -> Result<Duration, CliError> {
    let target = search_target(word, 1, 0);
    let mut connection = client.connect().await?;
    loop {
        let page: SearchPage = connection.get(&target).await?;
        if page.total > 0 {
            return Ok(started.elapsed());
        }
        if started.elapsed() > Duration::from_secs(STEP_DEADLINE_S) {
            return Err(failed(format!(
                "Node {number} does not show an edit of node 1 after {STEP_DEADLINE_S} seconds."
            )));
        }
        tokio::time::sleep(interval).await;
    }
}

/// A few milliseconds; more when many nodes are asked, so that asking does not slow them down.
pub(super) fn poll_interval(nodes: usize) -> Duration {
    Duration::from_millis(u64::try_from(nodes).unwrap_or(50).max(5))
}

/// A word of changing consonants and vowels, so that it can be read out.
fn made_up_word(seed: u64) -> String {
    const CONSONANTS: &[u8] = b"bdfgklmnprtvz";
    const VOWELS: &[u8] = b"aiou";
    let mut state = seed;
    let letters = (0..WORD_LETTERS).map(|at| {
        // One step of splitmix64: neighbouring seeds give words that have nothing in common.
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        let alphabet = if at % 2 == 0 { CONSONANTS } else { VOWELS };
        let index = usize::try_from(mixed % alphabet.len() as u64).unwrap_or_default();
        alphabet.get(index).copied().map_or('a', char::from)
    });
    letters.collect()
}

/// The middle and the largest of some times, in milliseconds.
pub(super) fn median_and_max_ms(times: &[Duration]) -> (u64, u64) {
    let mut sorted: Vec<u64> = times
        .iter()
        .map(|time| u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
        .collect();
    sorted.sort_unstable();
    let middle = sorted.get(sorted.len() / 2).copied().unwrap_or_default();
    (middle, sorted.last().copied().unwrap_or_default())
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]
mod tests {
    use super::*;

    #[test]
    fn made_up_words_of_neighbouring_seeds_differ_in_many_letters() {
        let words: Vec<String> = (0..50).map(made_up_word).collect();
        for (at, word) in words.iter().enumerate() {
            assert_eq!(word.len(), WORD_LETTERS);
            for other in &words[..at] {
                let same = word
                    .bytes()
                    .zip(other.bytes())
                    .filter(|(a, b)| a == b)
                    .count();
                assert!(same <= WORD_LETTERS - 4, "{word} {other}");
            }
        }
    }

    #[test]
    fn middle_and_largest() {
        let times = [30, 10, 20].map(Duration::from_millis);
        assert_eq!(median_and_max_ms(&times), (20, 30));
        assert_eq!(median_and_max_ms(&[]), (0, 0));
    }
}
