//! Where the words of a search stand in an entry: for people who ask why it was found.

use fingerpost_proto::vocabulary::Vocabulary;
use fingerpost_proto::words::distance;
use tantivy::tokenizer::TextAnalyzer;

use super::query::{self, Clause, Wanted};
use super::words::{self, Word};
use super::{Entry, SearchError};

/// A part of an entry, and its words; every text of it on its own.
struct Part {
    name: &'static str,
    texts: Vec<Vec<Word>>,
}

/// For each word, phrase or prefix of a search: how it was asked, and where the entry has it.
///
/// # Errors
/// [`SearchError::Query`] as [`super::SearchIndex::search`].
pub fn words_found(
    text: &str,
    vocabulary: Option<&Vocabulary>,
    entry: &Entry,
) -> Result<Vec<(String, String)>, SearchError> {
    let mut analyser = words::analyser();
    let Wanted::All(clauses) = query::parse(&mut analyser, text)? else {
        return Ok(Vec::new());
    };
    let synonyms = match vocabulary {
        Some(vocabulary) => query::synonyms(&mut analyser, &clauses, vocabulary),
        None => vec![Vec::new(); clauses.len()],
    };
    let parts = parts(&mut analyser, entry);
    let mut found = Vec::with_capacity(clauses.len());
    for (clause, synonyms) in clauses.iter().zip(&synonyms) {
        let exact = place(&parts, clause).map(|place| format!("in {place}"));
        let by_synonym = || {
            let mut places = synonyms
                .iter()
                .filter_map(|synonym| Some((synonym, place(&parts, synonym)?)));
            let (synonym, place) = places.next()?;
            Some(format!("as {} in {place}", written(synonym)))
        };
        let misspelt = || misspelt(&parts, clause);
        let answer = exact.or_else(by_synonym).or_else(misspelt);
        found.extend(answer.map(|answer| (written(clause), answer)));
    }
    Ok(found)
}

fn parts(analyser: &mut TextAnalyzer, entry: &Entry) -> Vec<Part> {
    let mut part = |name, texts: &[&[String]]| Part {
        name,
        texts: texts
            .iter()
            .flat_map(|texts| texts.iter())
            .map(|text| words::words(analyser, text))
            .collect(),
    };
    let one = std::slice::from_ref;
    vec![
        part("the name", &[one(&entry.name)]),
        part("its terms", &[&entry.terms]),
        part("the organisation's name", &[one(&entry.organisation_name)]),
        part("its places", &[&entry.places]),
        part(
            "the description and other texts",
            &[one(&entry.description), &entry.other],
        ),
    ]
}

fn place(parts: &[Part], clause: &Clause) -> Option<&'static str> {
    let has = |words: &Vec<Word>| match clause {
        Clause::Word(word) => words.iter().any(|other| other.stem == word.stem),
        Clause::Prefix(prefix) => words.iter().any(|other| other.whole.starts_with(prefix)),
        Clause::Phrase(wanted) => words.windows(wanted.len().max(1)).any(|window| {
            window
                .iter()
                .zip(wanted)
                .all(|(word, wanted)| word.stem == wanted.stem)
        }),
    };
    let part = parts.iter().find(|part| part.texts.iter().any(has))?;
    Some(part.name)
}

fn misspelt(parts: &[Part], clause: &Clause) -> Option<String> {
    let Clause::Word(word) = clause else {
        return None;
    };
    let is_near = |other: &&Word| {
        distance(&other.whole, &word.whole, 2).is_some()
            || distance(&other.stem, &word.stem, 2).is_some()
    };
    parts.iter().find_map(|part| {
        let near = part.texts.iter().flatten().find(is_near)?;
        Some(format!("spelt {:?} in {}", near.whole, part.name))
    })
}

fn written(clause: &Clause) -> String {
    match clause {
        Clause::Word(word) => format!("{:?}", word.whole),
        Clause::Prefix(prefix) => format!("{prefix:?}…"),
        Clause::Phrase(words) => {
            let words: Vec<&str> = words.iter().map(|word| word.whole.as_str()).collect();
            format!("{:?}", words.join(" "))
        }
    }
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
    fn each_word_is_accounted_for() {
        let entry = Entry {
            name: "Persian counselling".into(),
            ..Entry::example()
        };
        let why = |text: &str| words_found(text, Some(Vocabulary::built_in()), &entry).unwrap();
        let answers: Vec<String> = why("farsi counsellor leeds harbour confidential monney")
            .into_iter()
            .map(|(asked, answer)| format!("{asked} {answer}"))
            .collect();
        assert_eq!(
            answers,
            [
                "\"farsi\" as \"persian\" in the name",
                "\"counsellor\" as \"counselling\" in the name",
                "\"leeds\" in its places",
                "\"harbour\" in the organisation's name",
                "\"confidential\" in the description and other texts",
                "\"monney\" spelt \"money\" in its terms",
            ]
        );
        assert_eq!(why("\"money management\"")[0].1, "in its terms");
        assert_eq!(why("couns*")[0].1, "in the name");
        assert!(why("").is_empty() && why("plumber").is_empty());
    }
}
