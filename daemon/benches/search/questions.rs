//! What is asked: many questions of each kind, the same in every run.

use std::sync::{Arc, LazyLock};

use fingerpost_daemon::search::{Kind, Query};
use fingerpost_proto::api::SearchRequest;
use fingerpost_proto::day::Day;
use fingerpost_proto::filter::{Filter, Now, filters};
use fingerpost_proto::vocabulary::Vocabulary;

use crate::made_up::{Dice, description};

/// Words that people ask for are seldom the rarest.
const ASKED_WORDS: f64 = 3_000.0;
/// Results on a page.
const PAGE: usize = 20;

/// One question: as a node asks its index, and as an SQLite user would ask the same.
pub(crate) struct Question {
    pub(crate) query: Query,
    /// A statement, where SQLite can answer.
    pub(crate) sql: Option<String>,
}

/// A kind of question.
pub(crate) type Make = fn(&mut Dice, usize) -> Question;

/// The kinds, by name. The second argument of each is how many services there are.
pub(crate) const KINDS: &[(&str, Make)] = &[
    ("one word", |dice, _| one(&dice.word_of(ASKED_WORDS))),
    ("two words", |dice, _| {
        let (one, other) = (dice.word_of(ASKED_WORDS), dice.word_of(ASKED_WORDS));
        text(
            &format!("{one} {other}"),
            Some(format!("{one} AND {other}")),
        )
    }),
    ("any of several (synonyms)", |dice, _| {
        let word = dice.pick(&[
            "childcare",
            "therapist",
            "farsi",
            "debt",
            "autism",
            "dementia",
        ]);
        let others = Vocabulary::built_in().synonyms(word);
        let any: Vec<String> = others
            .iter()
            .chain([&word])
            .map(|it| format!("\"{it}\""))
            .collect();
        text(word, Some(any.join(" OR ")))
    }),
    ("phrase", |dice, services| {
        let words = description(dice.roll(services));
        let words: Vec<&str> = words.split(' ').collect();
        let at = dice.roll(words.len() - 1);
        let phrase = format!("\"{}\"", words[at..at + 2].join(" "));
        text(&phrase, Some(phrase.clone()))
    }),
    ("prefix", |dice, _| {
        let word = dice.word_of(ASKED_WORDS);
        let prefix = format!("{}*", &word[..word.len().min(4)]);
        text(&prefix, Some(prefix.clone()))
    }),
    ("misspelt", |dice, _| {
        let word = dice.word_of(ASKED_WORDS);
        let at = 1 + dice.roll(word.len() - 2);
        text(&format!("{}x{}", &word[..at], &word[at + 1..]), None)
    }),
    ("word, near a place", |dice, _| {
        let (word, code) = (dice.word_of(ASKED_WORDS), place(dice));
        asked(SearchRequest {
            text: Some(word),
            near: Some(code),
            ..some()
        })
    }),
    ("word, within 10 km", |dice, _| {
        let word = dice.word_of(ASKED_WORDS);
        let (latitude, longitude) = (coordinate(dice, 50.5), coordinate(dice, -3.5));
        let near = Some(format!("{latitude:.3},{longitude:.3}"));
        let sql = format!(
            "SELECT texts.rowid FROM texts JOIN facts ON facts.id = texts.rowid WHERE texts MATCH '{word}' \
             AND lat BETWEEN {} AND {} AND lng BETWEEN {} AND {} ORDER BY rank LIMIT {PAGE};",
            latitude - 0.09,
            latitude + 0.09,
            longitude - 0.14,
            longitude + 0.14,
        );
        let request = SearchRequest {
            text: Some(word),
            near,
            within_km: Some(10.0),
            ..some()
        };
        Question {
            sql: Some(sql),
            ..asked(request)
        }
    }),
    ("filter: near", |dice, _| {
        asked(SearchRequest {
            near: Some(place(dice)),
            within_km: Some(5.0),
            ..some()
        })
    }),
    ("filter: area", |dice, _| {
        asked(SearchRequest {
            area: Some(area(dice)),
            ..some()
        })
    }),
    ("filter: age", |dice, _| {
        asked(SearchRequest {
            age: Some(dice.roll(80) as u32),
            ..some()
        })
    }),
    ("filter: for", |dice, _| {
        asked(SearchRequest {
            people: Some(people(dice)),
            ..some()
        })
    }),
    ("filter: type", |dice, _| {
        let kind = dice.pick(&["housing", "debt advice", "counselling", "food"]);
        asked(SearchRequest {
            kind_of_support: Some(kind.into()),
            ..some()
        })
    }),
    ("filter: language", |dice, _| {
        let language = dice.pick(&["English", "Farsi", "Polish", "Welsh"]);
        asked(SearchRequest {
            language: Some(language.into()),
            ..some()
        })
    }),
    ("filter: format", |dice, _| {
        let format = dice.pick(&["group", "online", "telephone"]);
        asked(SearchRequest {
            format: Some(format.into()),
            ..some()
        })
    }),
    ("filter: refer", |_, _| {
        asked(SearchRequest {
            refer: Some("self".into()),
            ..some()
        })
    }),
    ("filter: free", |_, _| {
        asked(SearchRequest {
            free: true,
            ..some()
        })
    }),
    ("filter: accessible", |_, _| {
        asked(SearchRequest {
            accessible: true,
            ..some()
        })
    }),
    ("filter: on", |dice, _| {
        let on = dice.pick(&[
            "tuesday evening",
            "monday",
            "saturday 10:00",
            "friday morning",
        ]);
        asked(SearchRequest {
            on: Some(on.into()),
            ..some()
        })
    }),
    ("filter: fresh", |dice, _| {
        asked(SearchRequest {
            fresh: Some(format!("{}d", 30 + dice.roll(150))),
            ..some()
        })
    }),
    ("facets of a word", |dice, _| {
        asked(SearchRequest {
            text: Some(dice.word_of(ASKED_WORDS)),
            facets: true,
            ..some()
        })
    }),
    ("facets of everything", |_, _| {
        asked(SearchRequest {
            facets: true,
            ..some()
        })
    }),
    ("everything, by name", |_, _| asked(some())),
    ("word, area, age, for, on", |dice, _| {
        asked(SearchRequest {
            text: Some(dice.word_of(ASKED_WORDS)),
            area: Some(area(dice)),
            age: Some(18),
            people: Some(people(dice)),
            on: Some("tuesday".into()),
            ..some()
        })
    }),
    ("the same with near and facets", |dice, _| {
        asked(SearchRequest {
            text: Some(dice.word_of(ASKED_WORDS)),
            area: Some(area(dice)),
            age: Some(18),
            people: Some(people(dice)),
            on: Some("tuesday".into()),
            near: Some(place(dice)),
            facets: true,
            ..some()
        })
    }),
];

fn some() -> SearchRequest {
    SearchRequest::default()
}

fn place(dice: &mut Dice) -> String {
    dice.pick(&["SW9", "M32", "NE25", "BS3", "CV22", "N19"])
        .to_owned()
}

fn area(dice: &mut Dice) -> String {
    dice.pick(&["Trafford", "London", "Wales", "Leeds", "Greater Manchester"])
        .to_owned()
}

fn people(dice: &mut Dice) -> String {
    dice.pick(&["women", "men"]).to_owned()
}

fn coordinate(dice: &mut Dice, from: f64) -> f64 {
    from + dice.roll(3_500) as f64 / 1_000.0
}

fn one(word: &str) -> Question {
    text(word, Some(word.to_owned()))
}

/// A question of words alone; `terms` is the same for FTS5.
fn text(text: &str, terms: Option<String>) -> Question {
    let sql = terms.map(|terms| {
        let terms = terms.replace('\'', "''");
        format!("SELECT rowid FROM texts WHERE texts MATCH '{terms}' ORDER BY rank LIMIT {PAGE};")
    });
    Question {
        sql,
        ..asked(SearchRequest {
            text: Some(text.to_owned()),
            ..some()
        })
    }
}

/// A question as a node puts it to its index.
fn asked(request: SearchRequest) -> Question {
    static VOCABULARY: LazyLock<Arc<Vocabulary>> =
        LazyLock::new(|| Arc::new(Vocabulary::built_in().clone()));
    let vocabulary = Arc::clone(&VOCABULARY);
    let now = Now {
        today: Day::parse("2026-11-27").unwrap(),
        minute: 600,
    };
    let asked = filters(&request, &vocabulary, now).unwrap();
    let filters: Vec<Filter> = asked
        .filters
        .into_iter()
        .map(|(_, filter)| filter)
        .collect();
    let of_services = filters.iter().any(Filter::is_about_services);
    let query = Query {
        text: request.text,
        kind: of_services.then_some(Kind::Service),
        limit: PAGE,
        filters,
        near: asked.near.map(|place| (place.point, asked.reach_m)),
        stale_before: Some(now.today.plus(-180)),
        hide_before: Some(now.today.plus(-730)),
        today: Some(now.today),
        facets: request.facets,
        vocabulary: Some(vocabulary),
        ..Query::default()
    };
    Question { query, sql: None }
}
