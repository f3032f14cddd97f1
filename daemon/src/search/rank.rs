//! Which entries match, and in which order: the same on every node that holds the same entries.
//!
//! The usual ranking (BM25) takes its statistics from the segments of the index, deleted entries
//! included, so two nodes with the same entries rank them differently. Here a score is a sum of whole
//! points that depend on the live entries alone:
//!
//! ```text
//! points(word, field) = weight(field) × rarity(word)
//! rarity(word) = 1000 + 1000 × log2((1 + entries) / (1 + entries that have the word))
//! ```
//!
//! "Entries that have the word" is counted exactly, in the field where most have it, and the logarithm
//! is taken in whole numbers, so that no floating-point unit can disagree. Entries of equal score
//! follow one another by name, then by id. How often a word stands in a text, how long the text is and
//! how many entries an organisation has count for nothing.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::ops::Bound;

use tantivy::columnar::BytesColumn;
use tantivy::query::{
    EnableScoring, FuzzyTermQuery, InvertedIndexRangeQuery, PhraseQuery, TermQuery, Weight,
};
use tantivy::schema::IndexRecordOption;
use tantivy::{DocAddress, DocId, Searcher, SegmentReader, Term};

use super::SearchError;
use super::query::Clause;
use super::schema::{Fields, ORDER_FIELD};
use super::words::{WHOLE, Word};

/// The rarity of a word that every entry has, and of whatever is not one word: prefixes and
/// misspellings.
const RARITY_LEAST: u32 = 1_000;

/// Words of fewer characters must be spelt as they stand.
const FUZZY_LEAST_CHARS: usize = 5;

/// Entries found, the wanted page of them in order.
#[derive(Debug)]
pub(super) struct Ranked {
    pub(super) total: usize,
    pub(super) page: Vec<(u32, DocAddress)>,
}

/// A set of documents, and the points that each of them gets for being in it.
struct Matcher {
    weight: Box<dyn Weight>,
    points: u32,
}

/// Finds the entries that have every filter and every clause.
pub(super) fn rank(
    searcher: &Searcher,
    fields: &Fields,
    filters: &[Term],
    clauses: &[Clause],
    offset: usize,
    limit: usize,
) -> Result<Ranked, SearchError> {
    let mut demands: Vec<Vec<Matcher>> = Vec::with_capacity(filters.len() + clauses.len());
    for filter in filters {
        demands.push(vec![term_matcher(searcher, filter.clone(), 0)?]);
    }
    for clause in clauses {
        demands.push(matchers(searcher, fields, clause)?);
    }
    let wanted = offset.saturating_add(limit);
    let mut total = 0;
    let mut segments = Vec::with_capacity(searcher.segment_readers().len());
    for (segment_ord, reader) in (0u32..).zip(searcher.segment_readers()) {
        let found = best_of_segment(reader, &demands, wanted)?;
        total += found.total;
        segments.push(SegmentPage {
            segment_ord,
            best: found.best,
            order: found.order,
        });
    }
    Ok(Ranked {
        total,
        page: merge(segments, offset, limit)?,
    })
}

/// What has `clause`, field by field.
fn matchers(
    searcher: &Searcher,
    fields: &Fields,
    clause: &Clause,
) -> Result<Vec<Matcher>, SearchError> {
    let scoring = EnableScoring::disabled_from_searcher(searcher);
    let mut found = Vec::with_capacity(fields.texts.len());
    match clause {
        Clause::Word(word) => {
            let (rarity, is_known) = rarity(searcher, fields, word)?;
            if !is_known && word.whole.chars().count() >= FUZZY_LEAST_CHARS {
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

/// What has a word one letter away from `word`, which no entry has as it stands. Both the stem and
/// the whole word are tried: one wrong letter can change where the stem ends.
fn misspelt(
    searcher: &Searcher,
    fields: &Fields,
    word: &Word,
) -> Result<Vec<Matcher>, SearchError> {
    let scoring = EnableScoring::disabled_from_searcher(searcher);
    let mut found = Vec::with_capacity(2 * fields.texts.len());
    for text in &fields.texts {
        let points = text.points * RARITY_LEAST;
        for spelling in [word.stem.clone(), format!("{}{WHOLE}", word.whole)] {
            let term = Term::from_field_text(text.field, &spelling);
            found.push(matcher(
                &FuzzyTermQuery::new(term, 1, true),
                scoring,
                points,
            )?);
        }
    }
    Ok(found)
}

fn term_matcher(searcher: &Searcher, term: Term, points: u32) -> Result<Matcher, SearchError> {
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

/// A document of a segment as it is ordered within that segment: most points first, then by the
/// ordinal of its order key.
type Placed = (Reverse<u32>, u64, DocId);

struct SegmentFound {
    total: usize,
    best: Vec<Placed>,
    order: Option<BytesColumn>,
}

/// The first `wanted` matches of one segment, in order.
fn best_of_segment(
    reader: &SegmentReader,
    demands: &[Vec<Matcher>],
    wanted: usize,
) -> Result<SegmentFound, SearchError> {
    let none = SegmentFound {
        total: 0,
        best: Vec::new(),
        order: None,
    };
    let size = reader.max_doc() as usize;
    // How many demands in a row each document has met, and its points.
    let mut met = vec![0u8; size];
    let mut points = vec![0u32; if demands.is_empty() { 0 } else { size }];
    let mut met_all: u8 = 0;
    for demand in demands {
        let met_before = met_all;
        met_all = met_before.saturating_add(1);
        let mut is_met = false;
        for matcher in demand {
            matcher.weight.for_each_no_score(reader, &mut |docs| {
                for doc in docs {
                    let doc = *doc as usize;
                    let (Some(met), Some(points)) = (met.get_mut(doc), points.get_mut(doc)) else {
                        continue;
                    };
                    if *met == met_before || *met == met_all {
                        *met = met_all;
                        *points = points.saturating_add(matcher.points);
                        is_met = true;
                    }
                }
            })?;
        }
        if !is_met {
            return Ok(none);
        }
    }
    let order = reader.fast_fields().bytes(ORDER_FIELD)?;
    let column = order
        .as_ref()
        .ok_or_else(|| damaged("the order of the entries is missing"))?;
    let mut total = 0;
    let mut best = Best::new(wanted);
    for (doc, met) in (0u32..).zip(&met) {
        if *met != met_all || reader.is_deleted(doc) {
            continue;
        }
        total += 1;
        let points = points.get(doc as usize).copied().unwrap_or(0);
        if best.has_room_for(points) {
            let ord = column
                .ords()
                .first(doc)
                .ok_or_else(|| damaged("an entry has no place in the order"))?;
            best.add((Reverse(points), ord, doc));
        }
    }
    Ok(SegmentFound {
        total,
        best: best.sorted(),
        order,
    })
}

/// Keeps the first `wanted` of what it is given, in any order, in room for little more.
struct Best {
    wanted: usize,
    kept: Vec<Placed>,
    /// What has fewer points than this cannot be among them.
    least_points: u32,
}

impl Best {
    fn new(wanted: usize) -> Best {
        Best {
            wanted,
            kept: Vec::new(),
            least_points: 0,
        }
    }

    fn has_room_for(&self, points: u32) -> bool {
        self.wanted > 0 && points >= self.least_points
    }

    fn add(&mut self, placed: Placed) {
        self.kept.push(placed);
        if self.kept.len() >= self.wanted.saturating_mul(2).saturating_add(1_024) {
            self.cut();
        }
    }

    fn cut(&mut self) {
        if self.wanted > 0 && self.kept.len() > self.wanted {
            let (_, last, _) = self.kept.select_nth_unstable(self.wanted - 1);
            self.least_points = last.0.0;
            self.kept.truncate(self.wanted);
        }
    }

    fn sorted(mut self) -> Vec<Placed> {
        self.cut();
        self.kept.sort_unstable();
        self.kept
    }
}

struct SegmentPage {
    segment_ord: u32,
    best: Vec<Placed>,
    order: Option<BytesColumn>,
}

/// Leaves out `offset` entries of all segments in their common order and gives the next `limit`.
fn merge(
    segments: Vec<SegmentPage>,
    offset: usize,
    limit: usize,
) -> Result<Vec<(u32, DocAddress)>, SearchError> {
    let mut segments: Vec<SegmentPage> = segments
        .into_iter()
        .filter(|page| !page.best.is_empty())
        .collect();
    if let [only] = segments.as_mut_slice() {
        // Its own order is the common order: no key has to be read.
        let address = |placed: &Placed| (placed.0.0, DocAddress::new(only.segment_ord, placed.2));
        return Ok(only
            .best
            .iter()
            .skip(offset)
            .take(limit)
            .map(address)
            .collect());
    }
    let mut heads: BinaryHeap<Reverse<Head>> = BinaryHeap::with_capacity(segments.len());
    for index in 0..segments.len() {
        heads.extend(head(&segments, index, 0)?.map(Reverse));
    }
    let mut page = Vec::with_capacity(limit.min(1_024));
    for place in 0..offset.saturating_add(limit) {
        let Some(Reverse(first)) = heads.pop() else {
            break;
        };
        if place >= offset {
            page.push((first.points.0, first.address));
        }
        heads.extend(head(&segments, first.index, first.place + 1)?.map(Reverse));
    }
    Ok(page)
}

/// The first entry of a segment that has not been taken, as it is ordered among those of others.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Head {
    points: Reverse<u32>,
    key: Vec<u8>,
    index: usize,
    place: usize,
    address: DocAddress,
}

fn head(segments: &[SegmentPage], index: usize, place: usize) -> Result<Option<Head>, SearchError> {
    let Some(page) = segments.get(index) else {
        return Ok(None);
    };
    let Some((points, ord, doc)) = page.best.get(place) else {
        return Ok(None);
    };
    let mut key = Vec::new();
    let is_known = match &page.order {
        Some(order) => order.ord_to_bytes(*ord, &mut key)?,
        None => false,
    };
    if !is_known {
        return Err(damaged("an entry has no place in the order"));
    }
    Ok(Some(Head {
        points: *points,
        key,
        index,
        place,
        address: DocAddress::new(page.segment_ord, *doc),
    }))
}

fn damaged(reason: &str) -> SearchError {
    SearchError::Damaged(reason.to_owned())
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

    #[test]
    fn the_best_are_kept_whatever_the_order_they_come_in() {
        let all: Vec<Placed> = (0..10_000u32)
            .map(|n| n.wrapping_mul(2_654_435_761))
            .map(|n| (Reverse(n % 7), u64::from(n), n))
            .collect();
        let mut sorted = all.clone();
        sorted.sort_unstable();
        for wanted in [0, 1, 20, 3_000, 20_000] {
            let mut best = Best::new(wanted);
            for placed in &all {
                if best.has_room_for(placed.0.0) {
                    best.add(*placed);
                }
            }
            assert_eq!(best.sorted(), sorted[..wanted.min(sorted.len())]);
        }
    }
}
