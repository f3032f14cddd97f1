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
//!
//! Of its points an entry keeps less when nobody has confirmed it lately, when it has ended, and when a place was
//! asked for and it is far from there. Entries with the same points, or none, come in the order of distance, then of
//! how surely they are right, then of names.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use fingerpost_proto::day::Day;
use fingerpost_proto::filter::Filter;
use fingerpost_proto::geography::Point;
use tantivy::columnar::{BytesColumn, StrColumn};
use tantivy::{DocAddress, DocId, Searcher, SegmentReader, Term};

use super::SearchError;
use super::numbers::Columns;
use super::query::Clause;
use super::schema::{FACETS_FIELD, Fields, ORDER_FIELD};
use super::tally::{Demand, Tally, demands};

/// What an entry keeps of its points, in thousandths, when nobody has confirmed it, when it is stale, and when it has
/// ended or is closed.
const UNSAID_MILLI: u64 = 950;
const STALE_MILLI: u64 = 800;
const ENDED_MILLI: u64 = 600;

/// What the farthest entry loses of its points, in thousandths; nearer ones in proportion.
const FAR_MILLI: u64 = 250;

/// What is wanted of the index.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// Exact keys that an entry must have, each.
    pub(super) keys: Vec<Term>,
    /// Filters by what the listing says.
    pub(super) filters: Vec<Filter>,
    /// Words, each with what means the same.
    pub(super) clauses: Vec<(Clause, Vec<Clause>)>,
    /// How many of the words an entry must have; `None` for all of them.
    pub(super) least_words: Option<u8>,
    pub(super) offset: usize,
    pub(super) limit: usize,
    /// Nearer entries rank higher: from where, and beyond which distance (in metres) nothing is lost any more.
    pub(super) near: Option<(Point, u32)>,
    /// Entries confirmed before this day are stale.
    pub(super) stale_before: Option<Day>,
    /// Entries confirmed before this day are left out and counted.
    pub(super) hide_before: Option<Day>,
    /// Entries whose last day is before this one are left out.
    pub(super) today: Option<Day>,
    pub(super) facets: bool,
}

/// Entries found, the wanted page of them in order.
#[derive(Debug)]
pub(super) struct Ranked {
    pub(super) total: usize,
    /// How many more were left out because nobody has confirmed them for long.
    pub(super) hidden: usize,
    pub(super) page: Vec<Found>,
    /// How many entries have each facet.
    pub(super) facets: BTreeMap<String, u64>,
}

/// One of the entries found.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) points: u32,
    pub(super) distance_m: Option<u32>,
    pub(super) address: DocAddress,
}

/// Finds the entries that have every key, filter and clause.
pub(super) fn rank(
    searcher: &Searcher,
    fields: &Fields,
    plan: &Plan,
) -> Result<Ranked, SearchError> {
    let mut demands = demands(searcher, fields, plan)?;
    let wanted = plan.offset.saturating_add(plan.limit);
    let (mut total, mut hidden, mut facets) = (0, 0, BTreeMap::new());
    let mut segments = Vec::with_capacity(searcher.segment_readers().len());
    for (segment_ord, reader) in (0u32..).zip(searcher.segment_readers()) {
        let found = best_of_segment(reader, &mut demands, plan, wanted, &mut facets)?;
        total += found.total;
        hidden += found.hidden;
        segments.push(SegmentPage {
            segment_ord,
            best: found.best,
            order: found.order,
        });
    }
    Ok(Ranked {
        total,
        hidden,
        page: merge(segments, plan.offset, plan.limit)?,
        facets,
    })
}

/// How entries are ordered, the first the least.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Rank {
    points: Reverse<u32>,
    /// In metres; `u32::MAX` without a place, or where nearness does not count.
    distance_m: u32,
    /// Confirmed, never confirmed, stale, ended.
    age: u8,
}

impl Rank {
    fn of(plan: &Plan, columns: &Columns, doc: DocId, points: u32) -> Rank {
        let said = columns.said(doc);
        let (age, kept) = match (plan.stale_before, said.assured()) {
            _ if said.has_ended() && plan.stale_before.is_some() => (3, ENDED_MILLI),
            (None, _) => (0, 1_000),
            (Some(before), Some(day)) if day < before => (2, STALE_MILLI),
            (Some(_), Some(_)) => (0, 1_000),
            (Some(_), None) => (1, UNSAID_MILLI),
        };
        let mut kept = u64::from(points) * kept / 1_000;
        let mut distance_m = u32::MAX;
        if let Some((from, reach_m)) = plan.near {
            distance_m = columns.distance_m(doc, from).unwrap_or(u32::MAX);
            let far = u64::from(distance_m.min(reach_m)) * FAR_MILLI / u64::from(reach_m.max(1));
            kept = kept * (1_000 - far) / 1_000;
        }
        Rank {
            points: Reverse(u32::try_from(kept).unwrap_or(u32::MAX)),
            distance_m,
            age,
        }
    }
}

/// A document of a segment as it is ordered within that segment: by rank, then by the ordinal of its order key.
type Placed = (Rank, u64, DocId);

struct SegmentFound {
    total: usize,
    hidden: usize,
    best: Vec<Placed>,
    order: Option<BytesColumn>,
}

/// The first `wanted` matches of one segment, in order.
fn best_of_segment(
    reader: &SegmentReader,
    demands: &mut [Demand],
    plan: &Plan,
    wanted: usize,
    facets: &mut BTreeMap<String, u64>,
) -> Result<SegmentFound, SearchError> {
    let columns = Columns::open(reader)?;
    let mut tally = Tally::new(reader, demands);
    let mut found = SegmentFound {
        total: 0,
        hidden: 0,
        best: Vec::new(),
        order: None,
    };
    if !tally.take_all(reader, &columns, demands)? {
        return Ok(found);
    }
    let order = reader.fast_fields().bytes(ORDER_FIELD)?;
    let column = order
        .as_ref()
        .ok_or_else(|| damaged("the order of the entries is missing"))?;
    let mut counts = FacetCounts::open(reader, plan.facets)?;
    let mut best = Best::new(wanted);
    for doc in 0..reader.max_doc() {
        if !tally.is_in(doc as usize, plan.least_words) || reader.is_deleted(doc) {
            continue;
        }
        let said = columns.said(doc);
        if said
            .expires()
            .is_some_and(|last| plan.today.is_some_and(|today| last < today))
        {
            continue;
        }
        if said
            .assured()
            .is_some_and(|day| plan.hide_before.is_some_and(|before| day < before))
        {
            found.hidden += 1;
            continue;
        }
        found.total += 1;
        counts.count(doc);
        let points = tally.points.get(doc as usize).copied().unwrap_or(0);
        // Nothing adds to the points of the words, so what is too low before it loses any is too low.
        if best.has_room_for(points) {
            let rank = Rank::of(plan, &columns, doc, points);
            let ord = column
                .ords()
                .first(doc)
                .ok_or_else(|| damaged("an entry has no place in the order"))?;
            best.add((rank, ord, doc));
        }
    }
    counts.add_to(facets)?;
    found.best = best.sorted();
    found.order = order;
    Ok(found)
}

/// Counts how many matches of one segment have each facet.
struct FacetCounts {
    column: Option<StrColumn>,
    counts: Vec<u64>,
}

impl FacetCounts {
    fn open(reader: &SegmentReader, wanted: bool) -> Result<FacetCounts, SearchError> {
        let column = match wanted {
            true => reader.fast_fields().str(FACETS_FIELD)?,
            false => None,
        };
        let size = column.as_ref().map_or(0, |column| column.num_terms());
        Ok(FacetCounts {
            column,
            counts: vec![0; size],
        })
    }

    fn count(&mut self, doc: DocId) {
        let Some(column) = &self.column else { return };
        for ord in column.ords().values_for_doc(doc) {
            let place = usize::try_from(ord).unwrap_or(usize::MAX);
            if let Some(count) = self.counts.get_mut(place) {
                *count += 1;
            }
        }
    }

    fn add_to(self, facets: &mut BTreeMap<String, u64>) -> Result<(), SearchError> {
        let Some(column) = &self.column else {
            return Ok(());
        };
        for (ord, count) in (0u64..).zip(self.counts).filter(|(_, count)| *count > 0) {
            let mut name = String::new();
            if column.ord_to_str(ord, &mut name)? {
                *facets.entry(name).or_insert(0) += count;
            }
        }
        Ok(())
    }
}

/// Keeps the first `wanted` of what it is given, in any order, in room for little more.
struct Best {
    wanted: usize,
    kept: Vec<Placed>,
    /// The last of those kept, once there are as many as wanted: nothing after it can be among them.
    last: Option<Placed>,
}

impl Best {
    fn new(wanted: usize) -> Best {
        Best {
            wanted,
            kept: Vec::new(),
            last: None,
        }
    }

    fn has_room_for(&self, points: u32) -> bool {
        let is_behind = |(rank, ..): Placed| points < rank.points.0;
        self.wanted > 0 && !self.last.is_some_and(is_behind)
    }

    fn add(&mut self, placed: Placed) {
        if self.last.is_some_and(|last| placed > last) {
            return;
        }
        self.kept.push(placed);
        if self.kept.len() >= self.wanted.saturating_mul(2).saturating_add(1_024) {
            self.cut();
        }
    }

    fn cut(&mut self) {
        if self.wanted > 0 && self.kept.len() > self.wanted {
            let (_, last, _) = self.kept.select_nth_unstable(self.wanted - 1);
            self.last = Some(*last);
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
) -> Result<Vec<Found>, SearchError> {
    let mut segments: Vec<SegmentPage> = segments
        .into_iter()
        .filter(|page| !page.best.is_empty())
        .collect();
    if let [only] = segments.as_mut_slice() {
        // Its own order is the common order: no key has to be read.
        let page = only.best.iter().skip(offset).take(limit);
        let found = |placed: &Placed| Found::of(placed, only.segment_ord);
        return Ok(page.map(found).collect());
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
            page.push(first.found());
        }
        heads.extend(head(&segments, first.index, first.place + 1)?.map(Reverse));
    }
    Ok(page)
}

/// The first entry of a segment that has not been taken, as it is ordered among those of others.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Head {
    rank: Rank,
    key: Vec<u8>,
    index: usize,
    place: usize,
    address: DocAddress,
}

impl Head {
    fn found(&self) -> Found {
        let placed = (self.rank, 0, self.address.doc_id);
        Found::of(&placed, self.address.segment_ord)
    }
}

impl Found {
    fn of(placed: &Placed, segment_ord: u32) -> Found {
        let (rank, _, doc) = *placed;
        Found {
            points: rank.points.0,
            distance_m: (rank.distance_m < u32::MAX).then_some(rank.distance_m),
            address: DocAddress::new(segment_ord, doc),
        }
    }
}

fn head(segments: &[SegmentPage], index: usize, place: usize) -> Result<Option<Head>, SearchError> {
    let Some(page) = segments.get(index) else {
        return Ok(None);
    };
    let Some((rank, ord, doc)) = page.best.get(place) else {
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
        rank: *rank,
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
    fn the_best_are_kept_whatever_the_order_they_come_in() {
        let all: Vec<Placed> = (0..10_000u32)
            .map(|n| n.wrapping_mul(2_654_435_761))
            .map(|n| {
                (
                    Rank {
                        points: Reverse(n % 7),
                        distance_m: u32::MAX,
                        age: 0,
                    },
                    u64::from(n),
                    n,
                )
            })
            .collect();
        let mut sorted = all.clone();
        sorted.sort_unstable();
        for wanted in [0, 1, 20, 3_000, 20_000] {
            let mut best = Best::new(wanted);
            for placed in &all {
                if best.has_room_for(placed.0.points.0) {
                    best.add(*placed);
                }
            }
            assert_eq!(best.sorted(), sorted[..wanted.min(sorted.len())]);
        }
    }
}
