//! Entries on their way into the index.
//!
//! tantivy's own path for new entries prepares tables of many megabytes for every commit, however small,
//! which costs more than all the rest of a single edit. Here a part of the index (a *segment*) is
//! written directly, with tables that begin small and grow, and is handed to tantivy's writer at the
//! commit; deleting, committing and merging stay tantivy's task.
//!
//! tantivy would apply a deletion that was queued before a segment was handed over to that segment too.
//! So every deletion spares the segment that is being written when it is queued. That holds only while
//! the segment keeps its identity, so a segment is committed as soon as it has been handed over, before
//! it can be merged with another: see [`Batch::is_due_before`].

use std::collections::HashSet;

use tantivy::index::SegmentId;
use tantivy::indexer::{AddOperation, SegmentWriter};
use tantivy::query::{EmptyScorer, EnableScoring, Explanation, Query, Scorer, TermQuery, Weight};
use tantivy::schema::IndexRecordOption;
use tantivy::tokenizer::TextAnalyzer;
use tantivy::{DocId, IndexWriter, Score, Segment, SegmentReader, Term};

use super::Entry;
use super::schema::Fields;

/// What the tables of a segment may take before the first entry.
const FIRST_TABLES_BYTES: usize = 1_000_000;

/// How much a segment may take in memory before it must be committed.
const SEGMENT_LIMIT_BYTES: usize = 12_000_000;

/// The segment being written.
pub(super) struct Batch {
    fields: Fields,
    segment: Segment,
    /// `None` as long as it holds nothing.
    writer: Option<SegmentWriter>,
    orgs: HashSet<String>,
    /// Organisation and document.
    sources: HashSet<(String, String)>,
}

impl Batch {
    pub(super) fn new(fields: Fields, index_writer: &IndexWriter) -> Batch {
        Batch {
            fields,
            segment: index_writer.new_segment(),
            writer: None,
            orgs: HashSet::new(),
            sources: HashSet::new(),
        }
    }

    /// Whether what is held must be committed before the next change to `document` of `org` (to the
    /// whole organisation if `None`): a deletion does not reach what is held.
    pub(super) fn is_due_before(&self, org: &str, document: Option<&str>) -> bool {
        let holds_old = match document {
            Some(document) => self
                .sources
                .contains(&(org.to_owned(), document.to_owned())),
            None => self.orgs.contains(org),
        };
        let is_full = self
            .writer
            .as_ref()
            .is_some_and(|writer| writer.mem_usage() >= SEGMENT_LIMIT_BYTES);
        holds_old || is_full
    }

    /// Puts `entries` in the place of what `document` of `org` holds, at the next commit.
    pub(super) fn replace(
        &mut self,
        index_writer: &IndexWriter,
        analyser: &mut TextAnalyzer,
        org: &str,
        document: &str,
        entries: &[Entry],
    ) -> tantivy::Result<()> {
        self.delete(index_writer, self.fields.source_term(org, document))?;
        if entries.is_empty() {
            return Ok(());
        }
        let writer = match &mut self.writer {
            Some(writer) => writer,
            empty => empty.insert(SegmentWriter::for_segment(
                FIRST_TABLES_BYTES,
                self.segment.clone(),
            )?),
        };
        for entry in entries {
            // Stamps tell additions from deletions within a segment; no deletion falls within ours.
            let document = self.fields.document(analyser, entry);
            writer.add_document(AddOperation {
                opstamp: 0,
                document,
            })?;
        }
        self.orgs.insert(org.to_owned());
        self.sources.insert((org.to_owned(), document.to_owned()));
        Ok(())
    }

    /// Takes out everything of `org`, at the next commit.
    pub(super) fn remove(&mut self, index_writer: &IndexWriter, org: &str) -> tantivy::Result<()> {
        self.delete(index_writer, self.fields.org_term(org))
    }

    fn delete(&self, index_writer: &IndexWriter, term: Term) -> tantivy::Result<()> {
        let deletion = Deletion {
            term,
            spared: self.segment.id(),
        };
        index_writer.delete_query(Box::new(deletion))?;
        Ok(())
    }

    /// Hands over what is held. A commit must follow at once.
    pub(super) fn hand_over(&mut self, index_writer: &IndexWriter) -> tantivy::Result<()> {
        let next = Batch::new(self.fields.clone(), index_writer);
        let Batch {
            segment, writer, ..
        } = std::mem::replace(self, next);
        let Some(writer) = writer else { return Ok(()) };
        let entry_count = writer.max_doc();
        writer.finalize()?;
        let segment = segment.with_max_doc(entry_count);
        segment.meta().untrack_temp_docstore();
        index_writer.add_segment(segment.meta().clone())
    }
}

/// What has a term, except in one segment.
#[derive(Clone, Debug)]
struct Deletion {
    term: Term,
    spared: SegmentId,
}

impl Query for Deletion {
    fn weight(&self, scoring: EnableScoring<'_>) -> tantivy::Result<Box<dyn Weight>> {
        let weight = TermQuery::new(self.term.clone(), IndexRecordOption::Basic).weight(scoring)?;
        Ok(Box::new(DeletionWeight {
            weight,
            spared: self.spared,
        }))
    }
}

struct DeletionWeight {
    weight: Box<dyn Weight>,
    spared: SegmentId,
}

impl Weight for DeletionWeight {
    fn scorer(&self, reader: &SegmentReader, boost: Score) -> tantivy::Result<Box<dyn Scorer>> {
        if reader.segment_id() == self.spared {
            return Ok(Box::new(EmptyScorer));
        }
        self.weight.scorer(reader, boost)
    }

    fn explain(&self, reader: &SegmentReader, doc: DocId) -> tantivy::Result<Explanation> {
        self.weight.explain(reader, doc)
    }
}
