//! What a charter says about the network's directory: when an entry is stale, and words of its own.
//!
//! It stands in the charter's text between two lines, so that whoever accepts the charter reads it too:
//!
//! ````text
//! ```toml directory
//! stale_after_days = 90
//!
//! [[glossary]]
//! term = "SNMH"
//! means = "Our network."
//! ```
//! ````
//!
//! A block that cannot be read is refused when a charter is founded or proposed. In a charter that came from
//! others it counts as absent: see [`Directory::or_default`].

use serde::Deserialize;

use crate::limits::{DIRECTORY_DAYS_MAX, DIRECTORY_ENTRIES_MAX, NAME_MAX_BYTES, REASON_MAX_BYTES};
use crate::vocabulary::{List, Meaning, Term};

/// The line before the block.
pub const OPENS: &str = "```toml directory";

/// The line after it.
pub const CLOSES: &str = "```";

/// After how many days without confirmation an entry is stale, where no charter says otherwise.
pub const STALE_AFTER_DAYS: u32 = 180;

/// After how many days without confirmation search leaves an entry out, where no charter says otherwise.
pub const HIDE_AFTER_DAYS: u32 = 730;

/// What a charter says about the directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Directory {
    /// After how many days without confirmation an entry is stale: 1 to [`DIRECTORY_DAYS_MAX`].
    pub stale_after_days: u32,
    /// After how many days without confirmation search leaves it out: at least `stale_after_days`.
    pub hide_after_days: u32,
    /// Terms that the network adds to the lists.
    pub terms: Vec<Term>,
    /// Groups of words and phrases for the same thing.
    pub synonyms: Vec<Vec<String>>,
    /// What the network's own terms mean.
    pub glossary: Vec<Meaning>,
}

impl Default for Directory {
    fn default() -> Self {
        Directory {
            stale_after_days: STALE_AFTER_DAYS,
            hide_after_days: HIDE_AFTER_DAYS,
            terms: Vec::new(),
            synonyms: Vec::new(),
            glossary: Vec::new(),
        }
    }
}

/// Why the block of a charter cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line} of the charter, in its directory block: {problem}")]
pub struct DirectoryError {
    /// The line of the charter's text, from 1.
    pub line: usize,
    /// What is wrong there.
    pub problem: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Block {
    stale_after_days: Option<u32>,
    hide_after_days: Option<u32>,
    #[serde(default)]
    term: Vec<TermBlock>,
    #[serde(default)]
    synonyms: Vec<Vec<String>>,
    #[serde(default)]
    glossary: Vec<GlossaryBlock>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TermBlock {
    list: List,
    id: String,
    name: String,
    under: Option<String>,
    #[serde(default)]
    also: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GlossaryBlock {
    term: String,
    stands_for: Option<String>,
    means: String,
}

impl Directory {
    /// Reads the block of a charter's text; `None` if it has none.
    ///
    /// # Errors
    /// [`DirectoryError`] with the line: a block that does not end, a second one, TOML that cannot be read, a field
    /// that does not exist, a number out of range, too many entries, or texts that are empty or too long.
    pub fn of(text: &str) -> Result<Option<Directory>, DirectoryError> {
        let lines = || text.lines().map(str::trim_end).enumerate();
        let Some((opens, _)) = lines().find(|(_, line)| *line == OPENS) else {
            return Ok(None);
        };
        let fault = |at: usize, problem: &str| DirectoryError {
            line: at + 1,
            problem: problem.to_owned(),
        };
        let after = |(at, line): &(usize, &str)| *at > opens && *line == CLOSES;
        let Some((closes, _)) = lines().find(after) else {
            return Err(fault(opens, "a line with ``` must end the block"));
        };
        if let Some((at, _)) = lines().find(|(at, line)| *at > closes && *line == OPENS) {
            return Err(fault(
                at,
                "a charter has one such block; move everything into the first",
            ));
        }
        let inside: Vec<&str> = text
            .lines()
            .skip(opens + 1)
            .take(closes - opens - 1)
            .collect();
        let inside = inside.join("\n");
        let block: Block = toml::from_str(&inside).map_err(|error| {
            let start = error.span().map_or(0, |span| span.start);
            let before = inside.get(..start).unwrap_or_default();
            fault(opens + 1 + before.matches('\n').count(), error.message())
        })?;
        let directory = block.checked().map_err(|problem| fault(opens, &problem))?;
        Ok(Some(directory))
    }

    /// The block of a charter that came from others: the default where it has none, or none that can be read.
    #[must_use]
    pub fn or_default(text: &str) -> Directory {
        Directory::of(text).ok().flatten().unwrap_or_default()
    }
}

impl Block {
    fn checked(self) -> Result<Directory, String> {
        let stale_after_days = self.stale_after_days.unwrap_or(STALE_AFTER_DAYS);
        let hide_after_days = self
            .hide_after_days
            .unwrap_or(HIDE_AFTER_DAYS.max(stale_after_days));
        let is_in_range = |days: u32| (1..=DIRECTORY_DAYS_MAX).contains(&days);
        if !is_in_range(stale_after_days) || !is_in_range(hide_after_days) {
            return Err(format!(
                "a number of days must be 1 to {DIRECTORY_DAYS_MAX}"
            ));
        }
        if hide_after_days < stale_after_days {
            return Err("hide_after_days must not be less than stale_after_days".to_owned());
        }
        let names = self
            .term
            .iter()
            .map(|term| 1 + term.also.len())
            .sum::<usize>()
            + self.synonyms.iter().map(Vec::len).sum::<usize>()
            + self.glossary.len();
        if names > DIRECTORY_ENTRIES_MAX {
            return Err(format!(
                "it has {names} names, synonyms and explanations; at most {DIRECTORY_ENTRIES_MAX}"
            ));
        }
        if let Some(group) = self.synonyms.iter().find(|group| group.len() < 2) {
            return Err(format!(
                "a group of synonyms needs two words or more: {group:?}"
            ));
        }
        for term in &self.term {
            check_texts(
                term.also
                    .iter()
                    .chain([&term.id, &term.name])
                    .chain(&term.under),
                NAME_MAX_BYTES,
            )?;
        }
        check_texts(self.synonyms.iter().flatten(), NAME_MAX_BYTES)?;
        for entry in &self.glossary {
            check_texts(
                [&entry.term].into_iter().chain(&entry.stands_for),
                NAME_MAX_BYTES,
            )?;
            check_texts([&entry.means], REASON_MAX_BYTES)?;
        }
        let terms = self.term.into_iter().map(|term| Term {
            list: term.list,
            id: term.id,
            under: term.under,
            name: term.name,
            also: term.also,
        });
        let glossary = self.glossary.into_iter().map(|entry| Meaning {
            term: entry.term,
            stands_for: entry.stands_for,
            means: entry.means,
            from: None,
        });
        Ok(Directory {
            stale_after_days,
            hide_after_days,
            terms: terms.collect(),
            synonyms: self.synonyms,
            glossary: glossary.collect(),
        })
    }
}

fn check_texts<'a>(
    texts: impl IntoIterator<Item = &'a String>,
    max_bytes: usize,
) -> Result<(), String> {
    let is_bad = |text: &&String| {
        text.trim().is_empty() || text.len() > max_bytes || text.chars().any(char::is_control)
    };
    match texts.into_iter().find(is_bad) {
        None => Ok(()),
        Some(text) => {
            let begins: String = text.chars().take(40).collect();
            Err(format!(
                "a text must have 1 to {max_bytes} bytes on one line: {begins:?}"
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn charter(inside: &str) -> String {
        format!("We refer people with care.\n\n{OPENS}\n{inside}\n{CLOSES}\nSigned by all.\n")
    }

    fn refused(inside: &str) -> DirectoryError {
        Directory::of(&charter(inside)).unwrap_err()
    }

    #[test]
    fn a_charter_without_a_block_has_the_defaults() {
        assert_eq!(
            Directory::of("We refer people.\n```toml\nx = 1\n```\n"),
            Ok(None)
        );
        let directory = Directory::or_default("");
        assert_eq!(
            (directory.stale_after_days, directory.hide_after_days),
            (180, 730)
        );
        assert_eq!(Directory::of(&charter("")), Ok(Some(Directory::default())));
    }

    #[test]
    fn a_block_is_read_whole() {
        let text = charter(
            "stale_after_days = 90\nhide_after_days = 365\nsynonyms = [[\"hub\", \"one-stop shop\"]]\n\
             [[term]]\nlist = \"support\"\nid = \"hub\"\nname = \"Hub\"\nunder = \"social\"\nalso = [\"centre\"]\n\
             [[glossary]]\nterm = \"SNMH\"\nstands_for = \"Strategic Network for Mental Health\"\nmeans = \"Us.\"",
        );
        let directory = Directory::of(&text).unwrap().unwrap();
        assert_eq!(
            (directory.stale_after_days, directory.hide_after_days),
            (90, 365)
        );
        let term = directory.terms.first().unwrap();
        assert_eq!(
            (term.list, term.under.as_deref()),
            (List::Support, Some("social"))
        );
        assert_eq!(directory.synonyms, [["hub", "one-stop shop"]]);
        assert_eq!(directory.glossary.first().unwrap().term, "SNMH");
    }

    #[test]
    fn what_is_wrong_is_named_with_its_line() {
        assert_eq!(refused("stale_after_days = 90\nhide_after = 3").line, 5);
        assert!(
            refused("stale_after_days = 90\nhide_after = 3")
                .problem
                .contains("hide_after")
        );
        assert_eq!(refused("\nstale_after_days = many").line, 5);
        let problem = |inside: &str| refused(inside).problem;
        assert!(problem("stale_after_days = 0").contains("1 to"));
        assert!(problem("stale_after_days = 10\nhide_after_days = 9").contains("less than"));
        assert!(problem(&format!("hide_after_days = {}", DIRECTORY_DAYS_MAX + 1)).contains("1 to"));
        assert!(problem("synonyms = [[\"alone\"]]").contains("two words"));
        assert!(problem("[[glossary]]\nterm = \" \"\nmeans = \"x\"").contains("bytes"));
        let long = "x".repeat(NAME_MAX_BYTES + 1);
        assert!(problem(&format!("synonyms = [[\"a\", \"{long}\"]]")).contains("bytes"));
        let many = vec!["[\"a\", \"b\"]"; DIRECTORY_ENTRIES_MAX / 2 + 1].join(",");
        assert!(problem(&format!("synonyms = [{many}]")).contains("at most"));
        let enough = vec!["[\"a\", \"b\"]"; DIRECTORY_ENTRIES_MAX / 2].join(",");
        assert!(Directory::of(&charter(&format!("synonyms = [{enough}]"))).is_ok());
        let open = format!("text\n{OPENS}\nstale_after_days = 9");
        assert_eq!(Directory::of(&open).unwrap_err().line, 2);
        let two = format!("{}{}", charter(""), charter(""));
        assert_eq!(Directory::of(&two).unwrap_err().line, 9);
        assert_eq!(Directory::or_default(&open), Directory::default());
    }

    proptest! {
        #[test]
        fn no_text_is_too_strange(inside in "[a-z_=\\[\\]\" 0-9\n`]{0,80}", around in ".{0,20}") {
            let text = format!("{around}\n{OPENS}\n{inside}\n{CLOSES}");
            if let Err(error) = Directory::of(&text) {
                prop_assert!(error.line >= 1 && error.line <= text.lines().count());
            }
        }

        #[test]
        fn days_are_kept(stale in 1..=DIRECTORY_DAYS_MAX, more in 0..100u32) {
            let hide = (stale + more).min(DIRECTORY_DAYS_MAX);
            let inside = format!("stale_after_days = {stale}\nhide_after_days = {hide}");
            let directory = Directory::of(&charter(&inside)).unwrap().unwrap();
            prop_assert_eq!((directory.stale_after_days, directory.hide_after_days), (stale, hide));
        }
    }
}
