//! What was asked, taken apart: words, "phrases" and prefixes*.

use fingerpost_proto::vocabulary::Vocabulary;
use tantivy::tokenizer::TextAnalyzer;

use super::words::{self, Word};
use super::{QUERY_LIMIT_CHARS, QUERY_LIMIT_WORDS, SearchError};

/// The longest run of words whose synonyms are looked for.
const SYNONYM_LIMIT_WORDS: usize = 5;

/// The most synonyms of one clause.
const SYNONYM_LIMIT: usize = 16;

/// One thing that a result must have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Clause {
    /// A word, or another form of it.
    Word(Word),
    /// These words one after the other; at least two.
    Phrase(Vec<Word>),
    /// A word that begins with this.
    Prefix(String),
}

/// A text taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// Nothing was asked: everything is wanted.
    Everything,
    /// What was asked holds no word: nothing has it.
    Nothing,
    /// All of these.
    All(Vec<Clause>),
}

/// Takes `text` apart.
///
/// Words that are too common to be demanded are left out, unless there are no others or they stand in
/// a phrase. Words joined by a hyphen, full stop, `@` or underscore are a phrase.
///
/// # Errors
/// [`SearchError::Query`] if the text or the number of its words is over the limit.
pub(super) fn parse(analyser: &mut TextAnalyzer, text: &str) -> Result<Wanted, SearchError> {
    let text = text.trim();
    if text.is_empty() || text == "*" {
        return Ok(Wanted::Everything);
    }
    if text.chars().count() > QUERY_LIMIT_CHARS {
        return Err(SearchError::Query(format!(
            "the search is longer than {QUERY_LIMIT_CHARS} characters; nothing was searched; use fewer words"
        )));
    }
    let mut clauses: Vec<Clause> = Vec::new();
    // Every second part stands between quotes; an unfinished quote runs to the end.
    for (index, part) in text.split(['"', '“', '”']).enumerate() {
        if index % 2 == 1 {
            clauses.extend(phrase(analyser, part));
        } else {
            for chunk in part.split(|c: char| !belongs_to_chunk(c)) {
                clauses.extend(chunk_clause(analyser, chunk));
            }
        }
    }
    let is_common = |clause: &Clause| match clause {
        Clause::Word(word) => words::is_stop_word(&word.whole),
        Clause::Phrase(_) | Clause::Prefix(_) => false,
    };
    if !clauses.iter().all(is_common) {
        clauses.retain(|clause| !is_common(clause));
    }
    let mut distinct: Vec<Clause> = Vec::with_capacity(clauses.len());
    for clause in clauses {
        if !distinct.iter().any(|other| same(other, &clause)) {
            distinct.push(clause);
        }
    }
    if distinct.iter().map(word_count).sum::<usize>() > QUERY_LIMIT_WORDS {
        return Err(SearchError::Query(format!(
            "the search has more than {QUERY_LIMIT_WORDS} words; nothing was searched; use fewer words"
        )));
    }
    Ok(if distinct.is_empty() {
        Wanted::Nothing
    } else {
        Wanted::All(distinct)
    })
}

/// Whether `character` does not end a chunk of a text outside quotes.
fn belongs_to_chunk(character: char) -> bool {
    let ends = character.is_whitespace() || "/,;:&+()[]{}|<>!?=…–—".contains(character);
    !ends
}

fn chunk_clause(analyser: &mut TextAnalyzer, chunk: &str) -> Option<Clause> {
    let is_prefix = chunk.ends_with('*');
    let words = words::words(analyser, chunk);
    match words.as_slice() {
        [word] if is_prefix => Some(Clause::Prefix(word.whole.clone())),
        _ => clause_of(words),
    }
}

fn phrase(analyser: &mut TextAnalyzer, text: &str) -> Option<Clause> {
    clause_of(words::words(analyser, text))
}

fn clause_of(words: Vec<Word>) -> Option<Clause> {
    match words.as_slice() {
        [] => None,
        [word] => Some(Clause::Word(Word {
            position: 0,
            ..word.clone()
        })),
        _ => Some(Clause::Phrase(words)),
    }
}

/// Whether two clauses ask for the same: another form of a word is the same word.
fn same(left: &Clause, right: &Clause) -> bool {
    match (left, right) {
        (Clause::Word(left), Clause::Word(right)) => left.stem == right.stem,
        _ => left == right,
    }
}

/// For each clause the clauses that mean the same: synonyms of a word, of a phrase, and of words that follow one
/// another, such as "domestic violence".
pub(super) fn synonyms(
    analyser: &mut TextAnalyzer,
    clauses: &[Clause],
    vocabulary: &Vocabulary,
) -> Vec<Vec<Clause>> {
    let mut found: Vec<Vec<Clause>> = vec![Vec::new(); clauses.len()];
    for first in 0..clauses.len() {
        for length in 1..=SYNONYM_LIMIT_WORDS.min(clauses.len() - first) {
            let Some(text) = clauses.get(first..first + length).and_then(words_of) else {
                break;
            };
            for synonym in vocabulary.synonyms(&text) {
                let Some(clause) = phrase(analyser, synonym) else {
                    continue;
                };
                for others in found.iter_mut().skip(first).take(length) {
                    if others.len() < SYNONYM_LIMIT && !others.contains(&clause) {
                        others.push(clause.clone());
                    }
                }
            }
        }
    }
    found
}

/// The words of some clauses as a text; `None` if one is a prefix, or a phrase is among several.
fn words_of(clauses: &[Clause]) -> Option<String> {
    let words: Option<Vec<&str>> = match clauses {
        [Clause::Phrase(words)] => Some(words.iter().map(|word| word.whole.as_str()).collect()),
        several => several
            .iter()
            .map(|clause| match clause {
                Clause::Word(word) => Some(word.whole.as_str()),
                Clause::Phrase(_) | Clause::Prefix(_) => None,
            })
            .collect(),
    };
    words.map(|words| words.join(" "))
}

fn word_count(clause: &Clause) -> usize {
    match clause {
        Clause::Word(_) | Clause::Prefix(_) => 1,
        Clause::Phrase(words) => words.len(),
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

    fn shown(text: &str) -> Vec<String> {
        match parse(&mut words::analyser(), text).unwrap() {
            Wanted::Everything => vec!["everything".into()],
            Wanted::Nothing => vec![],
            Wanted::All(clauses) => clauses
                .iter()
                .map(|clause| match clause {
                    Clause::Word(word) => word.stem.clone(),
                    Clause::Prefix(prefix) => format!("{prefix}*"),
                    Clause::Phrase(words) => {
                        let stems: Vec<&str> =
                            words.iter().map(|word| word.stem.as_str()).collect();
                        format!("\"{}\"", stems.join(" "))
                    }
                })
                .collect(),
        }
    }

    #[test]
    fn text_is_taken_apart() {
        assert_eq!(shown("  "), ["everything"]);
        assert_eq!(shown("*"), ["everything"]);
        assert_eq!(shown("Housing advice"), ["hous", "advic"]);
        assert_eq!(shown("wom*"), ["wom*"]);
        assert_eq!(
            shown("\"mental health\" youth"),
            ["\"mental health\"", "youth"]
        );
        assert_eq!(shown("“mental health”"), ["\"mental health\""]);
        assert_eq!(shown("\"mental health"), ["\"mental health\""]);
        assert_eq!(
            shown("drop-in housing/benefits"),
            ["\"drop in\"", "hous", "benefit"]
        );
        assert_eq!(shown("\"debt\""), ["debt"]);
    }

    #[test]
    fn common_words_are_left_out_unless_there_are_no_others() {
        assert_eq!(shown("help for the homeless"), ["help", "homeless"]);
        assert_eq!(shown("the who"), ["the", "who"]);
        assert_eq!(shown("\"the who\""), ["\"the who\""]);
    }

    #[test]
    fn a_word_asked_twice_counts_once() {
        assert_eq!(shown("train training trains"), ["train"]);
    }

    #[test]
    fn a_text_without_words_wants_nothing() {
        assert!(shown("!!! ... \"\" -").is_empty());
        assert!(shown("**").is_empty());
    }

    #[test]
    fn synonyms_belong_to_each_of_the_words_that_they_stand_for() {
        let mut analyser = words::analyser();
        let mut others = |text: &str| {
            let Wanted::All(clauses) = parse(&mut analyser, text).unwrap() else {
                panic!("{text}");
            };
            synonyms(&mut analyser, &clauses, Vocabulary::built_in())
        };
        let found = others("farsi therapist");
        assert!(matches!(&found[0][..], [Clause::Word(word), ..] if word.whole == "persian"));
        assert!(
            found[1]
                .iter()
                .any(|clause| matches!(clause, Clause::Word(word) if word.whole == "counsellor"))
        );
        let found = others("domestic violence help");
        let abuse = phrase(&mut words::analyser(), "domestic abuse").unwrap();
        assert!(
            found[0].contains(&abuse) && found[1].contains(&abuse) && !found[2].contains(&abuse)
        );
        assert!(
            others("\"mental illness\"")[0]
                .contains(&phrase(&mut words::analyser(), "mental health").unwrap())
        );
        assert!(others("couns*")[0].is_empty());
    }

    #[test]
    fn long_texts_are_refused() {
        let mut analyser = words::analyser();
        let many: Vec<String> = (0..=QUERY_LIMIT_WORDS)
            .map(|n| format!("word{n}"))
            .collect();
        assert!(matches!(
            parse(&mut analyser, &many.join(" ")),
            Err(SearchError::Query(_))
        ));
        assert!(parse(&mut analyser, &many[1..].join(" ")).is_ok());
        let long = "é".repeat(QUERY_LIMIT_CHARS + 1);
        assert!(matches!(
            parse(&mut analyser, &long),
            Err(SearchError::Query(_))
        ));
        assert!(parse(&mut analyser, &"é".repeat(QUERY_LIMIT_CHARS)).is_ok());
    }
}
