//! What has the words of a search, and how many points each of them is worth: see `rank.rs`.

use std::ops::Bound;

use tantivy::query::{
    EnableScoring, FuzzyTermQuery, InvertedIndexRangeQuery, PhraseQuery, TermQuery, Weight,
};
use tantivy::schema::IndexRecordOption;
use tantivy::{Searcher, Term};

use super::SearchError;
use super::query::Clause;
use super::schema::Fields;
use super::words::{WHOLE, Word};

/// The rarity of a word that every entry has, and of whatever is not one word as it was asked: prefixes,
/// misspellings and synonyms.
const RARITY_LEAST: u32 = 1_000;

/// A synonym is worth this part of the word itself.
const SYNONYM_PART: u32 = 2;

/// Words of fewer characters must be spelt as they stand.
const FUZZY_LEAST_CHARS: usize = 5;

/// Words of so many characters may have two wrong letters, where no entry has them with one.
const FUZZY_TWICE_LEAST_CHARS: usize = 8;

/// A set of documents, and the points that each of them gets for being in it.
pub(super) struct Matcher {
    pub(super) weight: Box<dyn Weight>,
    pub(super) points: u32,
}

/// What has `clause`, and then, each on its own, what has another clause that means the same: worth less than what was
/// asked for, and only for entries that have none of those before it.
pub(super) fn stages(
    searcher: &Searcher,
    fields: &Fields,
    clause: &Clause,
    synonyms: &[Clause],
) -> Result<Vec<Vec<Matcher>>, SearchError> {
    let mut stages = vec![asked(searcher, fields, clause, synonyms.is_empty())?];
    for synonym in synonyms {
        let mut stage = asked(searcher, fields, synonym, false)?;
        for matcher in &mut stage {
            matcher.points /= SYNONYM_PART;
        }
        stages.push(stage);
    }
    Ok(stages)
}

/// What has `clause`, field by field.
fn asked(
    searcher: &Searcher,
    fields: &Fields,
    clause: &Clause,
    may_be_misspelt: bool,
) -> Result<Vec<Matcher>, SearchError> {
    let scoring = EnableScoring::disabled_from_searcher(searcher);
    let mut found = Vec::with_capacity(fields.texts.len());
    match clause {
        Clause::Word(word) => {
            let (rarity, is_known) = rarity(searcher, fields, word)?;
            if may_be_misspelt && !is_known && word.whole.chars().count() >= FUZZY_LEAST_CHARS {
                return misspelt(searcher, fields, word);
            }
            for text in &fields.texts {
                let term = Term::from_field_text(text.field, &word.stem);
                found.push(term_matcher(searcher, term, text.points * rarity)?);
            }
        }
        Clause::Phrase(words) => {
            let mut rarity_sum = 0;
            for word in words {
                rarity_sum += rarity(searcher, fields, word)?.0;
            }
            for text in &fields.texts {
                let terms = words
                    .iter()
                    .map(|word| (word.position, Term::from_field_text(text.field, &word.stem)))
                    .collect();
                let query = PhraseQuery::new_with_offset(terms);
                found.push(matcher(&query, scoring, text.points * rarity_sum)?);
            }
        }
        Clause::Prefix(prefix) => {
            for text in &fields.texts {
                let first = Term::from_field_text(text.field, prefix);
                let end = Term::from_field_text(text.field, &format!("{prefix}{}", char::MAX));
                let query =
                    InvertedIndexRangeQuery::new(Bound::Included(first), Bound::Excluded(end));
                found.push(matcher(&query, scoring, text.points * RARITY_LEAST)?);
            }
        }
    }
    Ok(found)
}

/// What has a word one letter away from `word`, which no entry has as it stands, or where there is none and it is
/// long, two letters away.
fn misspelt(
    searcher: &Searcher,
    fields: &Fields,
    word: &Word,
) -> Result<Vec<Matcher>, SearchError> {
    let near = spelt_within(searcher, fields, word, 1)?;
    if word.whole.chars().count() < FUZZY_TWICE_LEAST_CHARS || is_any_met(searcher, &near)? {
        return Ok(near);
    }
    spelt_within(searcher, fields, word, 2)
}

/// Whether any entry has any of this.
fn is_any_met(searcher: &Searcher, matchers: &[Matcher]) -> Result<bool, SearchError> {
    for reader in searcher.segment_readers() {
        for matcher in matchers {
            if matcher.weight.count(reader)? > 0 {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

/// What has a word at most `letters` away from `word`. Both the stem and the whole word are tried: one wrong letter can
/// change where the stem ends.
fn spelt_within(
    searcher: &Searcher,
    fields: &Fields,
    word: &Word,
    letters: u8,
) -> Result<Vec<Matcher>, SearchError> {
    let scoring = EnableScoring::disabled_from_searcher(searcher);
    let mut found = Vec::with_capacity(2 * fields.texts.len());
    for text in &fields.texts {
        let points = text.points * RARITY_LEAST;
        for spelling in [word.stem.clone(), format!("{}{WHOLE}", word.whole)] {
            let term = Term::from_field_text(text.field, &spelling);
            found.push(matcher(
                &FuzzyTermQuery::new(term, letters, true),
                scoring,
                points,
            )?);
        }
    }
    Ok(found)
}

pub(super) fn term_matcher(
    searcher: &Searcher,
    term: Term,
    points: u32,
) -> Result<Matcher, SearchError> {
    let scoring = EnableScoring::disabled_from_searcher(searcher);
    matcher(
        &TermQuery::new(term, IndexRecordOption::Basic),
        scoring,
        points,
    )
}

fn matcher(
    query: &dyn tantivy::query::Query,
    scoring: EnableScoring<'_>,
    points: u32,
) -> Result<Matcher, SearchError> {
    Ok(Matcher {
        weight: query.weight(scoring)?,
        points,
    })
}

/// The rarity of `word`, and whether any entry has it at all.
fn rarity(searcher: &Searcher, fields: &Fields, word: &Word) -> Result<(u32, bool), SearchError> {
    let mut most = 0;
    for text in &fields.texts {
        let term = Term::from_field_text(text.field, &word.stem);
        most = most.max(live_count(searcher, &term)?);
    }
    let rarity =
        RARITY_LEAST + log2_milli(searcher.num_docs() + 1).saturating_sub(log2_milli(most + 1));
    Ok((rarity, most > 0))
}

/// How many live entries have `term`.
pub(super) fn live_count(searcher: &Searcher, term: &Term) -> Result<u64, SearchError> {
    let mut count = 0;
    for reader in searcher.segment_readers() {
        let inverted = reader.inverted_index(term.field())?;
        count += u64::from(match reader.alive_bitset() {
            None => inverted.doc_freq(term)?,
            Some(alive) => inverted
                .read_postings(term, IndexRecordOption::Basic)?
                .map_or(0, |postings| postings.doc_freq_given_deletes(alive)),
        });
    }
    Ok(count)
}

/// 1000 × log2(`value`), rounded down, without floating point; 0 for 0.
fn log2_milli(value: u64) -> u32 {
    let Some(whole) = value.checked_ilog2() else {
        return 0;
    };
    // The mantissa in [1, 2) with 31 binary places; each squaring gives one more bit of the logarithm.
    let mut mantissa = if whole > 31 {
        value >> (whole - 31)
    } else {
        value << (31 - whole)
    };
    let mut fraction: u32 = 0;
    for bit in (0..16).rev() {
        mantissa = (mantissa * mantissa) >> 31;
        if mantissa >= 1 << 32 {
            mantissa >>= 1;
            fraction |= 1 << bit;
        }
    }
    whole * 1_000 + ((u64::from(fraction) * 1_000) >> 16) as u32
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
    fn the_logarithm_in_whole_numbers_agrees_with_the_real_one() {
        assert_eq!(log2_milli(0), 0);
        for value in (1..5_000u64).chain([1 << 20, (1 << 31) + 7, 1 << 40, u64::MAX]) {
            let real = (value as f64).log2() * 1_000.0;
            let ours = f64::from(log2_milli(value));
            assert!(
                (real - ours).abs() <= 1.1,
                "log2({value}): {ours} for {real}"
            );
        }
    }

    #[test]
    fn points_cannot_run_over() {
        let weights: u32 = Fields::schema()
            .1
            .texts
            .iter()
            .map(|text| text.points)
            .sum();
        let rarest = u64::from(RARITY_LEAST + log2_milli(u64::from(u32::MAX)));
        let most = rarest * u64::from(weights) * super::super::QUERY_LIMIT_WORDS as u64;
        assert!(most < u64::from(u32::MAX), "{most}");
    }
}
