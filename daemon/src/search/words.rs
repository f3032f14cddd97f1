//! How text becomes words, the same way for what is indexed and for what is asked.
//!
//! A word is a run of letters and digits. Apostrophes, combining accents and invisible joiners
//! never split one: "women's", "womens" and "women’s" are one word, and an accent written as its
//! own character folds like one written with its letter. Words are lower-cased, accents folded and
//! English endings cut.
//!
//! A word whose stem differs from it is indexed twice at one place: the stem, which plain words are
//! looked up by, and the whole word followed by [`WHOLE`], which prefixes are looked up by: the
//! stem of "counselling" does not begin with "counsell".

use std::cell::RefCell;
use std::collections::HashMap;

use tantivy::tokenizer::{
    AsciiFoldingFilter, Language, LowerCaser, RawTokenizer, Stemmer, TextAnalyzer, Token,
    TokenStream, Tokenizer,
};

/// The name under which the analyser is registered with the index.
pub(super) const ANALYSER_NAME: &str = "fingerpost_en";

/// Ends a whole word beside its stem. A control character is never part of a word.
pub(super) const WHOLE: char = '\u{1}';

/// The longest word, in characters; the rest of a longer one is cut off.
const WORD_LIMIT_CHARS: usize = 64;

/// So many words each thread keeps folded and stemmed: of texts, a few thousand make up nearly all.
const KEPT_WORDS: usize = 8_192;

/// One word of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Word {
    /// Lower case, without accents.
    pub(super) whole: String,
    /// The same with its English ending cut.
    pub(super) stem: String,
    /// Its place in the text, counted in words.
    pub(super) position: usize,
}

/// The analyser of every searchable text.
pub(super) fn analyser() -> TextAnalyzer {
    TextAnalyzer::builder(WordTokenizer::default()).build()
}

/// The words of `text`, in order.
pub(super) fn words(analyser: &mut TextAnalyzer, text: &str) -> Vec<Word> {
    let mut found: Vec<Word> = Vec::new();
    let mut whole: Option<(usize, String)> = None;
    let mut stream = analyser.token_stream(text);
    while stream.advance() {
        let token = stream.token();
        if let Some(word) = token.text.strip_suffix(WHOLE) {
            whole = Some((token.position, word.to_owned()));
            continue;
        }
        let before = whole
            .take()
            .filter(|(position, _)| *position == token.position);
        found.push(Word {
            whole: before.map_or_else(|| token.text.clone(), |(_, word)| word),
            stem: token.text.clone(),
            position: token.position,
        });
    }
    found
}

/// `text` as it is sorted: its whole words, lower case, without accents or punctuation.
pub(super) fn sort_text(analyser: &mut TextAnalyzer, text: &str) -> String {
    let words = words(analyser, text);
    let mut sorted = String::with_capacity(text.len());
    for word in &words {
        if !sorted.is_empty() {
            sorted.push(' ');
        }
        sorted.push_str(&word.whole);
    }
    sorted
}

/// Words too common in English to be demanded of a result.
pub(super) fn is_stop_word(word: &str) -> bool {
    const STOP_WORDS: &[&str] = &[
        "a", "an", "and", "any", "are", "as", "at", "be", "been", "but", "by", "can", "do", "for",
        "from", "has", "have", "how", "i", "if", "in", "into", "is", "it", "its", "me", "my",
        "near", "no", "not", "of", "on", "or", "our", "so", "some", "such", "that", "the", "their",
        "them", "then", "there", "these", "they", "this", "to", "was", "we", "what", "when",
        "where", "which", "who", "will", "with", "you", "your",
    ];
    STOP_WORDS.binary_search(&word).is_ok()
}

/// Characters that belong to a word but are not spelt: apostrophes, combining accents, joiners.
fn is_silent(character: char) -> bool {
    matches!(
        character,
        '\'' | '’' | '‘' | 'ʼ' | '\u{ad}' | '\u{200b}'..='\u{200d}' | '\u{2060}' | '\u{300}'..='\u{36f}'
    )
}

/// A word as it is indexed.
struct Folded {
    /// Lower case, without accents, marked [`WHOLE`]; empty if the stem is the same.
    whole: String,
    stem: String,
}

/// Folds and stems words, and keeps the last ones.
struct Folder {
    fold: TextAnalyzer,
    stem: TextAnalyzer,
    kept: HashMap<String, Folded>,
}

thread_local! {
    static FOLDER: RefCell<Folder> = RefCell::new(Folder::new());
}

impl Folder {
    fn new() -> Self {
        let fold = || {
            TextAnalyzer::builder(RawTokenizer::default())
                .filter(LowerCaser)
                .filter(AsciiFoldingFilter)
        };
        Self {
            fold: fold().build(),
            stem: fold().filter(Stemmer::new(Language::English)).build(),
            kept: HashMap::new(),
        }
    }

    /// Shows what a word becomes.
    fn folded<T>(&mut self, spelt: &str, show: impl FnOnce(&Folded) -> T) -> T {
        if let Some(folded) = self.kept.get(spelt) {
            return show(folded);
        }
        let (mut whole, stem) = (only(&mut self.fold, spelt), only(&mut self.stem, spelt));
        match whole == stem {
            true => whole.clear(),
            false => whole.push(WHOLE),
        }
        let folded = Folded { whole, stem };
        let shown = show(&folded);
        if self.kept.len() >= KEPT_WORDS {
            self.kept.clear();
        }
        self.kept.insert(spelt.to_owned(), folded);
        shown
    }
}

/// What an analyser makes of one word.
fn only(analyser: &mut TextAnalyzer, word: &str) -> String {
    let mut stream = analyser.token_stream(word);
    match stream.advance() {
        true => stream.token().text.clone(),
        false => String::new(),
    }
}

/// Cuts a text into words and hands out each twice, marked [`WHOLE`] and stemmed, unless both are spelt the same.
#[derive(Clone, Default)]
struct WordTokenizer {
    token: Token,
    spelt: String,
    stem: String,
}

struct WordStream<'a> {
    text: &'a str,
    /// Where the search for the next word begins, in bytes.
    next: usize,
    /// Whether the stem of the word in `token`, which is marked, comes next.
    stem_due: bool,
    words: &'a mut WordTokenizer,
}

impl Tokenizer for WordTokenizer {
    type TokenStream<'a> = WordStream<'a>;

    fn token_stream<'a>(&'a mut self, text: &'a str) -> WordStream<'a> {
        self.token.reset();
        WordStream {
            text,
            next: 0,
            stem_due: false,
            words: self,
        }
    }
}

impl WordStream<'_> {
    /// Finds the next word, leaves it in `spelt`, and says where it lies.
    fn next_word(&mut self) -> Option<(usize, usize)> {
        let rest = self.text.get(self.next..)?;
        let is_spelt = |c: char| c.is_alphanumeric() && !is_silent(c);
        let start = self.next + rest.find(is_spelt)?;
        let tail = self.text.get(start..)?;
        let length = tail
            .find(|c: char| !is_spelt(c) && !is_silent(c))
            .unwrap_or(tail.len());
        let spelt = tail.get(..length)?.chars().filter(|c| is_spelt(*c));
        self.words.spelt.clear();
        self.words.spelt.extend(spelt.take(WORD_LIMIT_CHARS));
        self.next = start + length;
        Some((start, start + length))
    }
}

impl TokenStream for WordStream<'_> {
    fn advance(&mut self) -> bool {
        if self.stem_due {
            self.stem_due = false;
            let WordTokenizer { token, stem, .. } = &mut *self.words;
            std::mem::swap(&mut token.text, stem);
            return true;
        }
        let Some((from, to)) = self.next_word() else {
            return false;
        };
        let WordTokenizer { token, spelt, stem } = &mut *self.words;
        token.offset_from = from;
        token.offset_to = to;
        token.position = token.position.wrapping_add(1);
        let take = |folded: &Folded| {
            let has_whole = !folded.whole.is_empty();
            if has_whole {
                token.text.clone_from(&folded.whole);
                stem.clone_from(&folded.stem);
            } else {
                token.text.clone_from(&folded.stem);
            }
            has_whole
        };
        self.stem_due = FOLDER.with_borrow_mut(|folder| folder.folded(spelt, take));
        true
    }

    fn token(&self) -> &Token {
        &self.words.token
    }

    fn token_mut(&mut self) -> &mut Token {
        &mut self.words.token
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

    fn pairs(text: &str) -> Vec<(String, String, usize)> {
        words(&mut analyser(), text)
            .into_iter()
            .map(|word| (word.whole, word.stem, word.position))
            .collect()
    }

    #[test]
    fn words_are_folded_stemmed_and_numbered() {
        assert_eq!(
            pairs("Counselling at the Café"),
            [
                ("counselling".into(), "counsel".into(), 0),
                ("at".into(), "at".into(), 1),
                ("the".into(), "the".into(), 2),
                ("cafe".into(), "cafe".into(), 3),
            ]
        );
    }

    #[test]
    fn apostrophes_and_combining_accents_do_not_split_words() {
        assert_eq!(pairs("women's"), pairs("womens"));
        assert_eq!(pairs("Women’s"), pairs("womens"));
        assert_eq!(pairs("cafe\u{301}"), pairs("café"));
        assert_eq!(pairs("'quoted'"), pairs("quoted"));
        assert!(pairs(" '’' --- \u{301} ").is_empty());
    }

    #[test]
    fn a_whole_word_is_indexed_beside_its_stem_only_when_they_differ() {
        let mut analyser = analyser();
        let mut stream = analyser.token_stream("housing help");
        let mut texts = Vec::new();
        while stream.advance() {
            texts.push((stream.token().text.clone(), stream.token().position));
        }
        assert_eq!(
            texts,
            [
                (format!("housing{WHOLE}"), 0),
                ("hous".to_owned(), 0),
                ("help".to_owned(), 1),
            ]
        );
    }

    #[test]
    fn long_words_are_cut_and_marks_of_ours_in_a_text_are_ignored() {
        let long = "x".repeat(5_000);
        assert_eq!(pairs(&long)[0].0.len(), WORD_LIMIT_CHARS);
        assert_eq!(pairs(&format!("one{WHOLE}two")).len(), 2);
    }

    #[test]
    fn stop_words_are_sorted_for_the_binary_search() {
        for word in ["a", "and", "for", "the", "your", "in"] {
            assert!(is_stop_word(word), "{word}");
        }
        assert!(!is_stop_word("housing"));
    }

    #[test]
    fn names_sort_without_case_accents_or_punctuation() {
        assert_eq!(
            sort_text(&mut analyser(), "“Élan” — The Women's Café"),
            "elan the womens cafe"
        );
    }
}
