//! Searching for people: filters, what is stale, why something was found, and what to leave out when nothing was.

use std::collections::BTreeMap;

use fingerpost_proto::api::{
    EntryKind, FacetCount, FacetGroup, SearchPage, SearchRequest, Suggestion, Why,
};
use fingerpost_proto::day::Day;
use fingerpost_proto::filter::{Asked, Filter, Now, Verdict, filters, kilometres};
use fingerpost_proto::ids::DocKey;

use super::days::here_and_now;
use super::lexicon::Lexicon;
use super::view::result;
use super::{Node, NodeError};
use crate::search::{Entry, Hit, Kind, Query, words_found};

/// How many results are given where nobody says.
const RESULTS_DEFAULT: usize = 20;

/// The most values of one facet that are given.
const FACET_VALUES_MAX: usize = 25;

/// The groups of facets, in the order in which they are shown.
const FACET_GROUPS: [&str; 11] = [
    "kind", "type", "for", "area", "language", "format", "refer", "stage", "model", "payer", "cost",
];

/// A search, ready for the index.
struct Prepared {
    query: Query,
    /// How each filter of the query was written.
    written: Vec<String>,
    notes: Vec<String>,
    stale_before: Day,
}

impl Node {
    /// Searches the merged view with everything that a person can ask for.
    ///
    /// # Errors
    /// [`NodeError`]: a condition that cannot be read, or an organisation that is not known.
    pub fn find(&self, request: &SearchRequest) -> Result<SearchPage, NodeError> {
        let prepared = self.prepare(request, here_and_now())?;
        let page = self.index.search(&prepared.query)?;
        let mut answer = SearchPage {
            total: page.total,
            hidden: page.hidden,
            notes: prepared.notes.clone(),
            facets: facet_groups(page.facets),
            ..SearchPage::default()
        };
        answer.notes.extend(self.left_out_in_words());
        if page.words_missing > 0 {
            answer.notes.push(missing_in_words(page.words_missing));
        }
        let mut entries = BTreeMap::new();
        for hit in page.results {
            let why = match request.explain {
                true => self.why(&prepared, &hit, &mut entries)?,
                false => Vec::new(),
            };
            let (distance_m, assured) = (hit.distance_m, hit.assured_date.as_deref());
            let assured = assured.and_then(Day::parse);
            if let Some(mut result) = result(hit) {
                result.distance_m = distance_m;
                result.stale = assured.is_some_and(|day| day < prepared.stale_before);
                result.why = why;
                answer.results.push(result);
            }
        }
        if answer.total == 0 || page.words_missing > 0 {
            answer.suggestions = self.suggestions(&prepared)?;
        }
        Ok(answer)
    }

    fn prepare(&self, request: &SearchRequest, now: Now) -> Result<Prepared, NodeError> {
        let lexicon = self.lexicon()?;
        let Asked {
            filters,
            near,
            reach_m,
            notes,
        } = filters(request, &lexicon.vocabulary, now)
            .map_err(|error| NodeError::bad_input(error.to_string(), error.hint))?;
        let organisation = match &request.organisation {
            Some(text) => Some(self.any_org(text)?.to_string()),
            None => None,
        };
        let days = |days: u32| now.today.plus(-i32::try_from(days).unwrap_or(i32::MAX));
        let stale_before = days(lexicon.stale_after_days);
        let (written, filters): (Vec<String>, Vec<Filter>) = filters.into_iter().unzip();
        let kind = request.kind.map(|kind| match kind {
            EntryKind::Service => Kind::Service,
            EntryKind::Organisation => Kind::Organisation,
            EntryKind::Notice => Kind::Notice,
        });
        // Only services say what these filters ask for; an organisation that says no age is not "for 18".
        let of_services = || {
            filters
                .iter()
                .any(Filter::is_about_services)
                .then_some(Kind::Service)
        };
        let query = Query {
            text: request.text.clone(),
            kind: kind.or_else(of_services),
            organisation,
            limit: request.limit.unwrap_or(RESULTS_DEFAULT),
            offset: request.offset.unwrap_or(0),
            filters,
            near: near.map(|place| (place.point, reach_m)),
            stale_before: Some(stale_before),
            hide_before: (!request.include_stale).then(|| days(lexicon.hide_after_days)),
            today: Some(now.today),
            facets: request.facets,
            vocabulary: Some(lexicon.vocabulary.clone()),
            or_most_words: true,
        };
        Ok(Prepared {
            query,
            written,
            notes,
            stale_before,
        })
    }

    /// What would be found without each of the conditions.
    fn suggestions(&self, prepared: &Prepared) -> Result<Vec<Suggestion>, NodeError> {
        let without = |change: &dyn Fn(&mut Query)| -> Result<usize, NodeError> {
            let mut query = Query {
                limit: 0,
                offset: 0,
                facets: false,
                or_most_words: false,
                ..prepared.query.clone()
            };
            change(&mut query);
            Ok(self.index.search(&query)?.total)
        };
        let mut suggestions = Vec::new();
        let mut suggest = |without: String, found: usize| {
            if found > 0 {
                suggestions.push(Suggestion { without, found });
            }
        };
        for (at, written) in prepared.written.iter().enumerate() {
            let found = without(&|query| {
                query.filters.remove(at);
            })?;
            suggest(written.clone(), found);
        }
        let text = prepared.query.text.as_deref().unwrap_or_default();
        let words: Vec<&str> = text.split_whitespace().collect();
        if words.len() > 1 && !text.contains(['"', '“', '”']) {
            for (at, word) in words.iter().enumerate() {
                let mut others = words.clone();
                others.remove(at);
                let found = without(&|query| query.text = Some(others.join(" ")))?;
                suggest(format!("{word:?}"), found);
            }
        } else if !words.is_empty() && !prepared.written.is_empty() {
            suggest(format!("{text:?}"), without(&|query| query.text = None)?);
        }
        if prepared.query.organisation.is_some() {
            let found = without(&|query| query.organisation = None)?;
            suggest("--organisation".to_owned(), found);
        }
        suggestions.sort_by_key(|suggestion| std::cmp::Reverse(suggestion.found));
        Ok(suggestions)
    }

    /// What an entry says to each condition. `entries` keeps those of documents that were read.
    fn why(
        &self,
        prepared: &Prepared,
        hit: &Hit,
        entries: &mut BTreeMap<(String, String), Vec<Entry>>,
    ) -> Result<Vec<Why>, NodeError> {
        let source = (hit.org.clone(), hit.document.clone());
        let of_document = entries
            .entry(source)
            .or_insert_with(|| self.entries_of_hit(hit).unwrap_or_default());
        let same = |entry: &&Entry| entry.kind == hit.kind && entry.id == hit.id;
        // It has just been changed: the next search shows it as it is now.
        let Some(entry) = of_document.iter().find(same) else {
            return Ok(Vec::new());
        };
        let text = prepared.query.text.as_deref().unwrap_or_default();
        let vocabulary = prepared.query.vocabulary.as_deref();
        let words = words_found(text, vocabulary, entry)?;
        let mut why: Vec<Why> = words
            .into_iter()
            .map(|(asked, answer)| Why {
                asked,
                answer,
                said: true,
            })
            .collect();
        for (written, filter) in prepared.written.iter().zip(&prepared.query.filters) {
            let (answer, said) = match filter.judge(&entry.facts) {
                Verdict::Yes(answer) => (answer, true),
                Verdict::Unsaid(_) => ("does not say, so it may be".to_owned(), false),
                Verdict::No => continue,
            };
            let asked = written.clone();
            why.push(Why {
                asked,
                answer,
                said,
            });
        }
        if let Some((point, _)) = prepared.query.near {
            let distance_m = entry.facts.distance_m(point);
            let answer = distance_m.map_or("names no place".to_owned(), |it| {
                let about = if entry.facts.is_rough { "about " } else { "" };
                format!("{about}{} away", kilometres(it))
            });
            why.push(Why {
                asked: "--near".to_owned(),
                answer,
                said: distance_m.is_some(),
            });
        }
        Ok(why)
    }

    fn entries_of_hit(&self, hit: &Hit) -> Option<Vec<Entry>> {
        let key = DocKey {
            org: hit.org.parse().ok()?,
            name: hit.document.parse().ok()?,
        };
        Some(self.entries(&self.replica(), &key, &hit.organisation_name))
    }
}

fn missing_in_words(missing: usize) -> String {
    match missing {
        1 => "no entry has all of these words; those shown have all but one of them".to_owned(),
        _ => format!("no entry has all of these words; those shown have all but {missing} of them"),
    }
}

fn facet_groups(facets: BTreeMap<(String, String), u64>) -> Vec<FacetGroup> {
    let mut groups: BTreeMap<String, Vec<FacetCount>> = BTreeMap::new();
    for ((group, value), count) in facets {
        let counts = groups.entry(group).or_default();
        counts.push(FacetCount { value, count });
    }
    let ordered = FACET_GROUPS.iter().filter_map(|name| {
        let mut counts = groups.remove(*name)?;
        // Those that come equally often stay in the order of their names.
        counts.sort_by_key(|count| std::cmp::Reverse(count.count));
        counts.truncate(FACET_VALUES_MAX);
        let name = (*name).to_owned();
        Some(FacetGroup { name, counts })
    });
    ordered.collect()
}

impl Lexicon {
    /// The day before which a confirmation is stale.
    #[must_use]
    pub fn stale_before(&self, today: Day) -> Day {
        today.plus(-i32::try_from(self.stale_after_days).unwrap_or(i32::MAX))
    }
}
