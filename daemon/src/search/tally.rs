//! Which documents of a segment meet what is demanded, and what they get for it: see `rank.rs`.

use tantivy::{Searcher, SegmentReader};

use super::SearchError;
use super::matching::{Matcher, stages, term_matcher};
use super::numbers::{Check, Columns};
use super::rank::Plan;
use super::schema::Fields;

/// What an entry must have: of each demand one part.
#[derive(Default)]
pub(super) struct Demand {
    /// What has it, and what has something that means the same; an entry gets the points of the first that it meets.
    stages: Vec<Vec<Matcher>>,
    /// Or it passes this.
    check: Option<Check>,
    /// Whether it is one of several words of which not all must be there.
    is_optional: bool,
}

/// In which order demands are taken up.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Turn {
    /// What the index has lists of.
    Lists,
    /// What compares numbers: it looks at nothing that is out already.
    Numbers,
    /// Words of which not all must be there: they are counted in what is left.
    OptionalWords,
}

impl Demand {
    fn turn(&self) -> Turn {
        match (self.is_optional, &self.check) {
            (true, _) => Turn::OptionalWords,
            (false, Some(_)) => Turn::Numbers,
            (false, None) => Turn::Lists,
        }
    }
}

/// Everything that a plan demands.
pub(super) fn demands(
    searcher: &Searcher,
    fields: &Fields,
    plan: &Plan,
) -> Result<Vec<Demand>, SearchError> {
    let mut demands = Vec::with_capacity(plan.keys.len() + plan.filters.len() + plan.clauses.len());
    for key in &plan.keys {
        demands.push(Demand {
            stages: vec![vec![term_matcher(searcher, key.clone(), 0)?]],
            ..Demand::default()
        });
    }
    for filter in &plan.filters {
        let keys = filter.keys().unwrap_or_default();
        let terms = keys.iter().map(|key| fields.fact_term(key));
        let stage: Result<Vec<Matcher>, SearchError> =
            terms.map(|term| term_matcher(searcher, term, 0)).collect();
        demands.push(Demand {
            stages: vec![stage?],
            check: Check::of(filter),
            ..Demand::default()
        });
    }
    for (clause, synonyms) in &plan.clauses {
        demands.push(Demand {
            stages: stages(searcher, fields, clause, synonyms)?,
            is_optional: plan.least_words.is_some(),
            ..Demand::default()
        });
    }
    Ok(demands)
}

/// How many demands in a row each document of a segment has met, and its points.
pub(super) struct Tally {
    met: Vec<u8>,
    pub(super) points: Vec<u32>,
    met_all: u8,
    /// How many of the words that need not all be there each document has; empty where there are none.
    words: Vec<u8>,
}

impl Tally {
    pub(super) fn new(reader: &SegmentReader, demands: &[Demand]) -> Tally {
        let size = reader.max_doc() as usize;
        Tally {
            met: vec![0u8; size],
            points: vec![0u32; if demands.is_empty() { 0 } else { size }],
            met_all: 0,
            words: Vec::new(),
        }
    }

    /// Takes up all demands. Whether any document may be in.
    pub(super) fn take_all(
        &mut self,
        reader: &SegmentReader,
        columns: &Columns,
        demands: &mut [Demand],
    ) -> Result<bool, SearchError> {
        for turn in [Turn::Lists, Turn::Numbers, Turn::OptionalWords] {
            for demand in demands.iter_mut().filter(|demand| demand.turn() == turn) {
                if turn == Turn::OptionalWords {
                    self.count_word(reader, demand)?;
                } else if !self.take(reader, columns, demand)? {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    /// Takes up one demand. Whether any document that met those before meets this one too.
    fn take(
        &mut self,
        reader: &SegmentReader,
        columns: &Columns,
        demand: &mut Demand,
    ) -> Result<bool, SearchError> {
        let met_before = self.met_all;
        self.met_all = met_before.saturating_add(1);
        let met_all = self.met_all;
        let mut is_met = false;
        // Which stage let a document in; needed only where there are several.
        let mut by_stage = vec![
            0u8;
            if demand.stages.len() > 1 {
                self.met.len()
            } else {
                0
            }
        ];
        for (stage, matchers) in (1u8..).zip(&demand.stages) {
            for matcher in matchers {
                matcher.weight.for_each_no_score(reader, &mut |docs| {
                    for doc in docs {
                        let doc = *doc as usize;
                        let (Some(met), Some(points)) =
                            (self.met.get_mut(doc), self.points.get_mut(doc))
                        else {
                            continue;
                        };
                        let mut unknown = stage;
                        let let_in_by = by_stage.get_mut(doc).unwrap_or(&mut unknown);
                        if *met == met_before {
                            *let_in_by = stage;
                        }
                        if *met == met_before || (*met == met_all && *let_in_by == stage) {
                            *met = met_all;
                            *points = points.saturating_add(matcher.points);
                            is_met = true;
                        }
                    }
                })?;
            }
        }
        if let Some(check) = &mut demand.check {
            for (doc, met) in (0u32..).zip(&mut self.met) {
                if *met == met_before && check.passes(columns, doc)? {
                    *met = met_all;
                    is_met = true;
                }
            }
            // What is remembered belongs to this segment.
            check.forget();
        }
        Ok(is_met)
    }

    /// Counts one word that need not be there, in documents that have met everything else.
    fn count_word(&mut self, reader: &SegmentReader, demand: &Demand) -> Result<(), SearchError> {
        let met_all = self.met_all;
        self.words.resize(self.met.len(), 0);
        let mut by_stage = vec![0u8; self.met.len()];
        for (stage, matchers) in (1u8..).zip(&demand.stages) {
            for matcher in matchers {
                matcher.weight.for_each_no_score(reader, &mut |docs| {
                    for doc in docs.iter().map(|doc| *doc as usize) {
                        let place = (self.words.get_mut(doc), by_stage.get_mut(doc));
                        let (Some(words), Some(counted_by)) = place else {
                            continue;
                        };
                        if self.met.get(doc) != Some(&met_all) {
                            continue;
                        }
                        if *counted_by == 0 {
                            *counted_by = stage;
                            *words = words.saturating_add(1);
                        }
                        if let (true, Some(points)) =
                            (*counted_by == stage, self.points.get_mut(doc))
                        {
                            *points = points.saturating_add(matcher.points);
                        }
                    }
                })?;
            }
        }
        Ok(())
    }

    /// Whether a document is in.
    pub(super) fn is_in(&self, doc: usize, least_words: Option<u8>) -> bool {
        let has_words = |least| self.words.get(doc).is_some_and(|words| *words >= least);
        self.met.get(doc) == Some(&self.met_all) && least_words.is_none_or(has_words)
    }
}
