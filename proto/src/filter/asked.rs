//! From what somebody asks to filters.

use crate::api::SearchRequest;
use crate::day::{Day, WEEKDAY_NAMES, weekday};
use crate::filter::{Filter, SoughtArea};
use crate::geography::{self, Place};
use crate::limits::WITHIN_MAX_KM;
use crate::listing::facts::{Aspect, DAY_MINUTES, Span};
use crate::vocabulary::Vocabulary;

/// Beyond this distance a place far away is as good as one farther, where no distance was asked for, in metres.
const REACH_M: u32 = 50_000;

/// The parts of a day that have a name.
const PARTS: [(&str, Span); 3] = [
    (
        "morning",
        Span {
            from: 0,
            to: 12 * 60,
        },
    ),
    (
        "afternoon",
        Span {
            from: 12 * 60,
            to: 17 * 60,
        },
    ),
    (
        "evening",
        Span {
            from: 17 * 60,
            to: DAY_MINUTES,
        },
    ),
];

/// The moment at which somebody asks, at the place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// The day.
    pub today: Day,
    /// Minutes after midnight.
    pub minute: u16,
}

/// A search, understood.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// The filters, each with how it was written, such as `--age 18`.
    pub filters: Vec<(String, Filter)>,
    /// The place near which results rank higher.
    pub near: Option<Place>,
    /// Beyond which distance nearness counts no more, in metres.
    pub reach_m: u32,
    /// What the person who asks should know.
    pub notes: Vec<String>,
}

/// Why a search is not understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}; nothing was searched")]
pub struct AskError {
    /// What is wrong.
    pub message: String,
    /// What to write instead.
    pub hint: String,
}

fn refuse<T>(message: String, hint: impl Into<String>) -> Result<T, AskError> {
    Err(AskError {
        message,
        hint: hint.into(),
    })
}

/// The filters of a request. Times are those of `now`.
///
/// # Errors
/// [`AskError`]: a place, day or time that cannot be read, a distance without a place or out of range. A term or an
/// area that is not known is no error: it is looked for as it stands, and a note says so.
pub fn filters(
    request: &SearchRequest,
    vocabulary: &Vocabulary,
    now: Now,
) -> Result<Asked, AskError> {
    let mut asked = Asked::default();
    add_place(&mut asked, request)?;
    if let Some(age) = request.age {
        asked.add(format!("--age {age}"), Filter::Age(age));
    }
    let terms = [
        (Aspect::People, &request.people),
        (Aspect::Type, &request.kind_of_support),
        (Aspect::Stage, &request.stage),
        (Aspect::Model, &request.model),
        (Aspect::Language, &request.language),
        (Aspect::Referral, &request.refer),
        (Aspect::Format, &request.format),
        (Aspect::Payer, &request.payer),
    ];
    for (aspect, text) in terms {
        if let Some(text) = text {
            add_term(&mut asked, vocabulary, aspect, text);
        }
    }
    if request.free {
        asked.add("--free".to_owned(), Filter::Free);
    }
    if let Some(text) = &request.on {
        asked.add(format!("--on {text:?}"), day_of(text, now.today)?);
    }
    if request.open_now {
        let minute = now.minute.min(DAY_MINUTES - 1);
        let span = Span {
            from: minute,
            to: minute + 1,
        };
        let filter = Filter::Open {
            days: vec![now.today],
            span: Some(span),
        };
        asked.add("--open-now".to_owned(), filter);
    }
    if request.accessible {
        asked.add("--accessible".to_owned(), Filter::Accessible);
    }
    if let Some(text) = &request.fresh {
        let Some(days) = days_of(text) else {
            return refuse(
                format!("{text:?} is no time"),
                "write it as 90d, 12w, 6m or 1y",
            );
        };
        let since = now.today.plus(-days);
        asked.add(format!("--fresh {text}"), Filter::Fresh(since));
    }
    Ok(asked)
}

impl Asked {
    fn add(&mut self, written: String, filter: Filter) {
        self.filters.push((written, filter));
    }
}

fn add_place(asked: &mut Asked, request: &SearchRequest) -> Result<(), AskError> {
    let within_m = match request.within_km {
        None => None,
        Some(km) if km > 0.0 && km <= f64::from(WITHIN_MAX_KM) => {
            Some((km * 1_000.0).round() as u32)
        }
        Some(km) => {
            return refuse(
                format!("{km} is no distance to search within"),
                format!("ask for more than 0 and at most {WITHIN_MAX_KM} kilometres"),
            );
        }
    };
    if let Some(text) = &request.near {
        let Some(place) = geography::place(text) else {
            return refuse(
                format!("no place is known for {text:?}"),
                "give a postcode such as \"SW9 7AA\" or its first half, or 51.47,-0.11; for a town or council use --area",
            );
        };
        if place.is_rough {
            asked.notes.push(format!(
                "distances are measured from the middle of {}, so they are approximate",
                place.name
            ));
        }
        if let (Some(within_m), Some(km)) = (within_m, request.within_km) {
            asked.add(format!("--within {km}"), Filter::near(&place, within_m));
        }
        asked.reach_m = within_m.unwrap_or(REACH_M);
        asked.near = Some(place);
    } else if within_m.is_some() {
        return refuse(
            "a distance needs a place".to_owned(),
            "add --near with a postcode",
        );
    }
    if let Some(text) = &request.area {
        let area = SoughtArea::of(text);
        if area.code.is_none() {
            let near = geography::near_names(text).into_iter().collect::<Vec<_>>();
            asked.notes.push(match near.is_empty() {
                true => {
                    format!("no area is known as {text:?}: only listings that name it so are found")
                }
                false => format!(
                    "no area is known as {text:?}; did you mean {}?",
                    near.join(", ")
                ),
            });
        }
        asked.add(format!("--area {text:?}"), Filter::Area(area));
    }
    Ok(())
}

fn add_term(asked: &mut Asked, vocabulary: &Vocabulary, aspect: Aspect, text: &str) {
    let filter = Filter::term(vocabulary, aspect, text);
    if let Filter::Term { sought, .. } = &filter
        && !sought.is_known
    {
        let near = vocabulary.near(super::lists_of(aspect), text);
        asked.notes.push(match near.is_empty() {
            true => format!(
                "{text:?} is in no list for --{}: only listings that say just that are found",
                aspect.as_str()
            ),
            false => format!(
                "{text:?} is in no list for --{}; near it: {}",
                aspect.as_str(),
                near.join(", ")
            ),
        });
    }
    asked.add(format!("--{} {text:?}", aspect.as_str()), filter);
}

/// A day such as `2026-12-01`, `today`, `tomorrow` or `tuesday`, and perhaps a time: `18:30` or `evening`.
fn day_of(text: &str, today: Day) -> Result<Filter, AskError> {
    let hint = "write a day such as 2026-12-01, today or tuesday; a time may follow: \"tuesday 18:30\", \"tuesday evening\"";
    let mut words = text.split_whitespace();
    let (day, time, more) = (words.next().unwrap_or_default(), words.next(), words.next());
    let span = match (time, more) {
        (None, _) => None,
        (Some(time), None) => match span_of(time) {
            Some(span) => Some(span),
            None => return refuse(format!("{time:?} is no time of day"), hint),
        },
        _ => return refuse(format!("{text:?} is no day"), hint),
    };
    let single = match day.to_lowercase().as_str() {
        "today" => Some(today),
        "tomorrow" => Some(today.plus(1)),
        day => Day::parse(day),
    };
    match (
        single,
        weekday(day.trim_end_matches('s')).or_else(|| weekday(day)),
    ) {
        (Some(day), _) => Ok(Filter::Open {
            days: vec![day],
            span,
        }),
        (None, Some(weekday)) => Ok(Filter::on_weekday(weekday, today, span)),
        (None, None) => refuse(
            format!("{day:?} is no day"),
            format!("{hint}; the days are {}", WEEKDAY_NAMES.join(", ")),
        ),
    }
}

fn span_of(text: &str) -> Option<Span> {
    let lower = text.to_lowercase();
    if let Some((_, span)) = PARTS.iter().find(|(name, _)| *name == lower) {
        return Some(*span);
    }
    let (hour, minute) = lower.split_once(':')?;
    let (hour, minute): (u16, u16) = (hour.parse().ok()?, minute.parse().ok()?);
    let from = hour.checked_mul(60)?.checked_add(minute)?;
    (hour < 24 && minute < 60).then_some(Span { from, to: from + 1 })
}

/// A time such as `90d`, `12w`, `6m` or `1y`, in days: at most a hundred years.
#[must_use]
pub fn days_of(text: &str) -> Option<i32> {
    let text = text.trim();
    let unit = text.chars().next_back()?;
    let (number, days) = match unit.to_ascii_lowercase() {
        'd' => (text.strip_suffix(unit)?, 1),
        'w' => (text.strip_suffix(unit)?, 7),
        'm' => (text.strip_suffix(unit)?, 30),
        'y' => (text.strip_suffix(unit)?, 365),
        _ => (text, 1),
    };
    let days = number.parse::<i32>().ok()?.checked_mul(days)?;
    (1..=36_500).contains(&days).then_some(days)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn now() -> Now {
        Now {
            today: Day::parse("2026-11-27").unwrap(),
            minute: 600,
        }
    }

    fn asked(request: SearchRequest) -> Result<Asked, AskError> {
        filters(&request, Vocabulary::built_in(), now())
    }

    #[test]
    fn a_place_ranks_and_a_distance_filters() {
        let near = |within_km| SearchRequest {
            near: Some("SW9 7AA".into()),
            within_km,
            ..SearchRequest::default()
        };
        let found = asked(near(None)).unwrap();
        assert!(found.filters.is_empty() && found.reach_m == REACH_M);
        assert!(found.notes.first().unwrap().contains("approximate"));
        let found = asked(near(Some(2.5))).unwrap();
        assert_eq!(found.filters.first().unwrap().0, "--within 2.5");
        assert_eq!(found.reach_m, 2_500);
        assert!(asked(near(Some(f64::from(WITHIN_MAX_KM)))).is_ok());
        for km in [0.0, -1.0, f64::NAN, f64::from(WITHIN_MAX_KM) + 1.0] {
            assert!(asked(near(Some(km))).is_err(), "{km}");
        }
        let alone = SearchRequest {
            within_km: Some(1.0),
            ..SearchRequest::default()
        };
        assert!(asked(alone).unwrap_err().hint.contains("--near"));
        let nowhere = SearchRequest {
            near: Some("Brixton".into()),
            ..SearchRequest::default()
        };
        assert!(
            asked(nowhere)
                .unwrap_err()
                .to_string()
                .contains("nothing was searched")
        );
    }

    #[test]
    fn unknown_terms_and_areas_are_noted_with_near_ones() {
        let request = SearchRequest {
            area: Some("Traford".into()),
            language: Some("Farsy".into()),
            ..SearchRequest::default()
        };
        let notes = asked(request).unwrap().notes.join("\n");
        assert!(
            notes.contains("Trafford") && notes.contains("Farsi"),
            "{notes}"
        );
    }

    #[test]
    fn days_are_read_as_people_write_them() {
        let days = |text: &str| match day_of(text, now().today) {
            Ok(Filter::Open { days, span }) => {
                (days.first().unwrap().to_string(), days.len(), span)
            }
            other => panic!("{other:?}"),
        };
        assert_eq!(days("2026-12-01"), ("2026-12-01".into(), 1, None));
        assert_eq!(days("Tuesday"), ("2026-12-01".into(), 5, None));
        assert_eq!(days("tuesdays").0, "2026-12-01");
        assert_eq!(days("friday").0, "2026-11-27");
        assert_eq!(days("tomorrow"), ("2026-11-28".into(), 1, None));
        assert_eq!(days("tue evening").2.unwrap().from, 17 * 60);
        assert_eq!(days("tuesday 18:30").2.unwrap().from, 18 * 60 + 30);
        for text in [
            "",
            "someday",
            "2026-13-01",
            "tuesday 25:00",
            "tuesday at night",
        ] {
            assert!(day_of(text, now().today).is_err(), "{text}");
        }
    }

    #[test]
    fn times_have_units() {
        assert_eq!(
            ["90d", "2w", "1y", "30"].map(days_of),
            [Some(90), Some(14), Some(365), Some(30)]
        );
        for text in ["", "d", "0d", "-1d", "90q", "999999999y"] {
            assert_eq!(days_of(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_request_is_too_strange(text in ".{0,30}", km in any::<f64>()) {
            let request = SearchRequest {
                near: Some(text.clone()), within_km: Some(km), area: Some(text.clone()), people: Some(text.clone()),
                on: Some(text.clone()), fresh: Some(text), ..SearchRequest::default()
            };
            let _ = asked(request);
        }
    }
}
