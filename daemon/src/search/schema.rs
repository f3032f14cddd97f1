//! What the index holds of an entry, and under which fields.

use tantivy::schema::{
    BytesOptions, FAST, Field, IndexRecordOption, OwnedValue, STORED, Schema, TextFieldIndexing,
    TextOptions,
};
use tantivy::tokenizer::TextAnalyzer;
use tantivy::{TantivyDocument, Term};

use super::numbers::{HOURS_FIELD, POINTS_FIELD, SAID_FIELD, hours_bytes, pack, point_number};
use super::{Entry, Hit, Kind, words};

/// How much of a description is kept to be shown with a result, in characters.
const SNIPPET_LIMIT_CHARS: usize = 200;

/// How much of the sorted form of a name decides the order, in bytes; names that agree so far are
/// ordered by id.
const SORT_NAME_LIMIT_BYTES: usize = 128;

/// The name of the fast field that orders results of equal score.
pub(super) const ORDER_FIELD: &str = "order";

/// The name of the fast field that says what entries are counted under.
pub(super) const FACETS_FIELD: &str = "facets";

/// Parts the group of a facet from its name.
pub(super) const FACET_PARTS: char = '\u{1f}';

/// A searchable field, and the points that a word found in it is worth.
#[derive(Clone, Copy, Debug)]
pub(super) struct TextField {
    pub(super) field: Field,
    pub(super) points: u32,
}

/// The fields of the index.
#[derive(Clone, Debug)]
pub(super) struct Fields {
    /// What entries are filtered and deleted by: one field for all, because every indexed field costs
    /// time at each commit. A letter before the value says what it is.
    key: Field,
    /// Searchable texts, the most telling first.
    pub(super) texts: [TextField; 5],
    id: Field,
    kind: Field,
    org: Field,
    document: Field,
    stored_name: Field,
    stored_organisation: Field,
    snippet: Field,
    status: Field,
    assured_date: Field,
    order: Field,
    said: Field,
    points: Field,
    hours: Field,
    facets: Field,
}

impl Fields {
    /// The schema, and the handles of its fields. Any change here needs a new
    /// [`super::open::INDEX_VERSION`].
    pub(super) fn schema() -> (Schema, Fields) {
        let mut builder = Schema::builder();
        let exact = TextFieldIndexing::default()
            .set_tokenizer("raw")
            .set_fieldnorms(false)
            .set_index_option(IndexRecordOption::Basic);
        let exact = TextOptions::default().set_indexing_options(exact);
        // Positions for phrases; no field norms, because a short text is not ranked above a long one.
        let text = TextFieldIndexing::default()
            .set_tokenizer(words::ANALYSER_NAME)
            .set_fieldnorms(false)
            .set_index_option(IndexRecordOption::WithFreqsAndPositions);
        let text = TextOptions::default().set_indexing_options(text);
        let mut text = |name: &str, points: u32| TextField {
            field: builder.add_text_field(name, text.clone()),
            points,
        };
        let texts = [
            text("name", 8),
            text("terms", 4),
            text("organisation_name", 3),
            text("places", 2),
            text("other", 1),
        ];
        let stored = TextOptions::default() | STORED;
        let fields = Fields {
            key: builder.add_text_field("key", exact),
            texts,
            id: builder.add_text_field("id", stored.clone()),
            kind: builder.add_text_field("kind", stored.clone()),
            org: builder.add_text_field("org", stored.clone()),
            document: builder.add_text_field("document", stored.clone()),
            stored_name: builder.add_text_field("stored_name", stored.clone()),
            stored_organisation: builder.add_text_field("stored_organisation", stored.clone()),
            snippet: builder.add_text_field("snippet", stored.clone()),
            status: builder.add_text_field("status", stored.clone()),
            assured_date: builder.add_text_field("assured_date", stored),
            order: builder.add_bytes_field(ORDER_FIELD, BytesOptions::default().set_fast()),
            said: builder.add_u64_field(SAID_FIELD, FAST),
            points: builder.add_u64_field(POINTS_FIELD, FAST),
            hours: builder.add_bytes_field(HOURS_FIELD, BytesOptions::default().set_fast()),
            facets: builder.add_text_field(FACETS_FIELD, TextOptions::default() | FAST),
        };
        (builder.build(), fields)
    }

    /// The term of the entries of one document of an organisation.
    pub(super) fn source_term(&self, org: &str, document: &str) -> Term {
        Term::from_field_text(self.key, &source_key(org, document))
    }

    /// The term of the entries of an organisation.
    pub(super) fn org_term(&self, org: &str) -> Term {
        Term::from_field_text(self.key, &org_key(org))
    }

    /// The term of the entries of a kind.
    pub(super) fn kind_term(&self, kind: Kind) -> Term {
        Term::from_field_text(self.key, &kind_key(kind))
    }

    /// The term of the entries with an id.
    pub(super) fn id_term(&self, id: &str) -> Term {
        Term::from_field_text(self.key, &id_key(id))
    }

    /// The term of the entries with a key of [`fingerpost_proto::listing::facts::Facts::keys`].
    pub(super) fn fact_term(&self, key: &str) -> Term {
        Term::from_field_text(self.key, &fact_key(key))
    }

    /// `entry` as it goes into the index.
    pub(super) fn document(&self, analyser: &mut TextAnalyzer, entry: &Entry) -> TantivyDocument {
        let [name, terms, organisation_name, places, other] = self.texts.map(|text| text.field);
        let mut document = TantivyDocument::new();
        document.add_text(self.key, source_key(&entry.org, &entry.document));
        document.add_text(self.key, org_key(&entry.org));
        document.add_text(self.key, kind_key(entry.kind));
        document.add_text(self.key, id_key(&entry.id));
        document.add_text(self.id, &entry.id);
        document.add_text(self.kind, entry.kind.as_str());
        document.add_text(self.org, &entry.org);
        document.add_text(self.document, &entry.document);
        document.add_text(self.stored_name, &entry.name);
        document.add_text(self.stored_organisation, &entry.organisation_name);
        document.add_text(name, &entry.name);
        document.add_text(organisation_name, &entry.organisation_name);
        for term in &entry.terms {
            document.add_text(terms, term);
        }
        for place in &entry.places {
            document.add_text(places, place);
        }
        document.add_text(other, &entry.description);
        for text in &entry.other {
            document.add_text(other, text);
        }
        if let Some(snippet) = snippet_of(&entry.description) {
            document.add_text(self.snippet, snippet);
        }
        if let Some(status) = &entry.status {
            document.add_text(self.status, status);
        }
        if let Some(assured_date) = &entry.assured_date {
            document.add_text(self.assured_date, assured_date);
        }
        document.add_bytes(self.order, &order_key(analyser, entry));
        self.add_facts(&mut document, entry);
        document
    }

    fn add_facts(&self, document: &mut TantivyDocument, entry: &Entry) {
        let facts = &entry.facts;
        for key in facts.keys() {
            document.add_text(self.key, fact_key(&key));
        }
        document.add_u64(self.said, pack(facts));
        for point in &facts.points {
            document.add_u64(self.points, point_number(*point));
        }
        if !facts.hours.is_empty() {
            document.add_bytes(self.hours, &hours_bytes(&facts.hours));
        }
        document.add_text(self.facets, facet("kind", entry.kind.as_str()));
        for (group, name) in facts.facets() {
            document.add_text(self.facets, facet(group, &name));
        }
    }

    /// The result that a stored document stands for; `None` if it is not one of ours.
    pub(super) fn hit(
        &self,
        document: TantivyDocument,
        score_milli: u64,
        distance_m: Option<u32>,
    ) -> Option<Hit> {
        let text = |field: Field| match document.get_first(field).map(OwnedValue::from) {
            Some(OwnedValue::Str(text)) => Some(text),
            _ => None,
        };
        Some(Hit {
            id: text(self.id)?,
            kind: Kind::from_name(&text(self.kind)?)?,
            name: text(self.stored_name)?,
            org: text(self.org)?,
            document: text(self.document)?,
            organisation_name: text(self.stored_organisation)?,
            score_milli,
            distance_m,
            snippet: text(self.snippet),
            status: text(self.status),
            assured_date: text(self.assured_date),
        })
    }
}

fn facet(group: &str, name: &str) -> String {
    format!("{group}{FACET_PARTS}{name}")
}

fn fact_key(key: &str) -> String {
    format!("f{key}")
}

fn source_key(org: &str, document: &str) -> String {
    format!("d{org}\n{document}")
}

fn org_key(org: &str) -> String {
    format!("o{org}")
}

fn kind_key(kind: Kind) -> String {
    format!("k{}", kind.as_str())
}

fn id_key(id: &str) -> String {
    format!("i{id}")
}

/// What orders entries of equal score: the name as it sorts, then everything that tells two entries
/// apart. Made from the entry alone, so every node that holds the entry makes the same key.
fn order_key(analyser: &mut TextAnalyzer, entry: &Entry) -> Vec<u8> {
    let mut key = words::sort_text(analyser, &entry.name).into_bytes();
    key.truncate(SORT_NAME_LIMIT_BYTES);
    for part in [&entry.id, &entry.org, &entry.document] {
        key.push(0);
        key.extend_from_slice(part.as_bytes());
    }
    key.push(0);
    key.extend_from_slice(entry.kind.as_str().as_bytes());
    key
}

/// The beginning of a description on one line, cut after a word.
fn snippet_of(description: &str) -> Option<String> {
    let mut snippet = String::new();
    let mut length_chars = 0;
    for word in description.split_whitespace() {
        let word_chars = word.chars().count();
        if length_chars + word_chars + 1 > SNIPPET_LIMIT_CHARS {
            if snippet.is_empty() {
                snippet.extend(word.chars().take(SNIPPET_LIMIT_CHARS));
            }
            snippet.push('…');
            break;
        }
        if !snippet.is_empty() {
            snippet.push(' ');
        }
        snippet.push_str(word);
        length_chars += word_chars + 1;
    }
    (!snippet.is_empty()).then_some(snippet)
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
    fn a_snippet_is_one_line_cut_after_a_word() {
        assert_eq!(snippet_of("  \n "), None);
        assert_eq!(
            snippet_of("Hot meals\n\n every  day").unwrap(),
            "Hot meals every day"
        );
        let long = "help ".repeat(100);
        let snippet = snippet_of(&long).unwrap();
        assert!(snippet.chars().count() <= SNIPPET_LIMIT_CHARS + 1);
        assert!(snippet.ends_with("help…"));
        assert_eq!(
            snippet_of(&"é".repeat(900)).unwrap().chars().count(),
            SNIPPET_LIMIT_CHARS + 1
        );
    }

    #[test]
    fn order_is_by_name_without_case_then_by_id() {
        let mut analyser = words::analyser();
        let mut key = |name: &str, id: &str| {
            let entry = Entry {
                name: name.into(),
                id: id.into(),
                ..Entry::example()
            };
            order_key(&mut analyser, &entry)
        };
        assert!(key("Éclair", "9") < key("elan", "1"));
        assert!(key("Advice", "2") < key("advice", "3"));
        assert!(key("Advice", "2") < key("Advice Line", "1"));
    }
}
