//! The words this node searches with, and when an entry is stale: what is built in, and what the charters in force
//! add.

use std::sync::Arc;

use fingerpost_proto::charter::directory::{Directory, HIDE_AFTER_DAYS, STALE_AFTER_DAYS};
use fingerpost_proto::ids::NetworkId;
use fingerpost_proto::vocabulary::{Explanation, Vocabulary};

use super::{Node, NodeError, lock};

/// What the charters of this node's networks say about the directory, taken together.
#[derive(Debug)]
pub struct Lexicon {
    /// The words.
    pub vocabulary: Arc<Vocabulary>,
    /// After how many days without confirmation an entry is stale.
    pub stale_after_days: u32,
    /// After how many days without confirmation search leaves an entry out.
    pub hide_after_days: u32,
}

/// The last lexicon, with the names and texts of the charters that it was made of.
pub(super) type KeptLexicon = Option<(Vec<(String, String)>, Arc<Lexicon>)>;

impl Lexicon {
    fn of(charters: &[(String, String)]) -> Lexicon {
        let blocks: Vec<(&str, Directory)> = charters
            .iter()
            .filter_map(|(name, text)| Some((name.as_str(), Directory::of(text).ok()??)))
            .collect();
        let longest =
            |days: fn(&Directory) -> u32| blocks.iter().map(|(_, block)| days(block)).max();
        let added = blocks.iter().map(|(name, block)| (*name, block));
        Lexicon {
            vocabulary: Arc::new(Vocabulary::built_in().with(added)),
            // Of several networks the most patient counts: nothing is hidden that one of them would show.
            stale_after_days: longest(|it| it.stale_after_days).unwrap_or(STALE_AFTER_DAYS),
            hide_after_days: longest(|it| it.hide_after_days).unwrap_or(HIDE_AFTER_DAYS),
        }
    }
}

impl Node {
    /// The words and rules that hold on this node now.
    ///
    /// # Errors
    /// [`NodeError`] when the store cannot be read.
    pub fn lexicon(&self) -> Result<Arc<Lexicon>, NodeError> {
        let charters = {
            let mut replica = self.replica();
            let networks: Vec<NetworkId> = replica.networks().map(|(id, _)| id).collect();
            let mut charters = Vec::with_capacity(networks.len());
            for network in networks {
                let terms = replica.terms_in_force(&network)?;
                charters.extend(terms.map(|terms| (terms.name, terms.text)));
            }
            charters
        };
        let mut kept = lock(&self.lexicon);
        if let Some((of, lexicon)) = &*kept
            && *of == charters
        {
            return Ok(Arc::clone(lexicon));
        }
        let lexicon = Arc::new(Lexicon::of(&charters));
        *kept = Some((charters, Arc::clone(&lexicon)));
        Ok(lexicon)
    }

    /// What a term means.
    ///
    /// # Errors
    /// [`NodeError`] when the store cannot be read, or the term is empty.
    pub fn explain(&self, term: &str) -> Result<Explanation, NodeError> {
        if term.trim().is_empty() {
            return Err(NodeError::bad_input(
                "there is no term to explain",
                "name one: fingerpost explain CMHT",
            ));
        }
        Ok(self.lexicon()?.vocabulary.explain(term))
    }
}

/// Refuses a charter whose directory block cannot be read.
pub(super) fn check_block(text: &str, kept: &str) -> Result<(), NodeError> {
    let refused = |error| {
        NodeError::bad_input(
            format!("{error}; {kept}"),
            "mend that line; docs/reference/vocabularies.md says what a block may hold",
        )
    };
    Directory::of(text).map(|_| ()).map_err(refused)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn charter(name: &str, block: &str) -> (String, String) {
        (
            name.to_owned(),
            format!("Text.\n```toml directory\n{block}\n```\n"),
        )
    }

    #[test]
    fn the_most_patient_network_counts_and_the_words_of_all() {
        let none = ("Plain".to_owned(), "No block.".to_owned());
        let strict = charter(
            "Strict",
            "stale_after_days = 30\nhide_after_days = 60\nsynonyms = [[\"hub\", \"one-stop shop\"]]",
        );
        let patient = charter("Patient", "stale_after_days = 40\nhide_after_days = 50");
        let broken = charter("Broken", "stale_after_days = \"x\"");
        let days = |charters: &[(String, String)]| {
            let lexicon = Lexicon::of(charters);
            (lexicon.stale_after_days, lexicon.hide_after_days)
        };
        assert_eq!(days(&[]), (180, 730));
        assert_eq!(days(std::slice::from_ref(&none)), (180, 730));
        assert_eq!(days(std::slice::from_ref(&broken)), (180, 730));
        assert_eq!(days(&[none, strict.clone()]), (30, 60));
        assert_eq!(days(&[strict.clone(), patient, broken]), (40, 60));
        assert_eq!(
            Lexicon::of(&[strict]).vocabulary.synonyms("hub"),
            ["one-stop shop"]
        );
    }

    #[test]
    fn a_block_that_cannot_be_read_is_refused_with_its_line() {
        let (_, text) = charter("x", "stale = 1");
        let error = check_block(&text, "nothing was founded").unwrap_err().0;
        assert!(
            error.message.contains("line 3") && error.message.ends_with("nothing was founded"),
            "{error:?}"
        );
        assert!(check_block("No block.", "").is_ok());
    }
}
