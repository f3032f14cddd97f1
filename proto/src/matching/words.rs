//! Words as they are compared: without case, accents and endings, and with what is another word for the same.

/// What is another word for the same. The matching asks this, so that a larger vocabulary can take the place of
/// [`Plain`].
pub trait Wording {
    /// The idea that a word stands for, if it is known, as one stem for all words of that idea. `word` is
    /// [folded](fold).
    fn idea(&self, word: &str) -> Option<&str>;
    /// The code of the language that a word names, such as `fa` for "farsi" or "persian". `word` is [folded](fold).
    fn language(&self, word: &str) -> Option<&str>;
    /// All names of a language, the usual one first.
    fn language_names(&self, code: &str) -> Vec<&str>;
    /// Whether an area lies within another one, or is the same; both are [folded](fold).
    fn is_within(&self, inner: &str, outer: &str) -> bool;
    /// Other words for the same idea, to look for in an index.
    fn others(&self, word: &str) -> Vec<&str>;
}

/// The few words without which nothing would be found; all that an organisation without any vocabulary has.
#[derive(Debug, Clone, Copy, Default)]
pub struct Plain;

/// Words of one idea. The first is the one that it is known by.
const IDEAS: &[&[&str]] = &[
    &[
        "therapy",
        "therapist",
        "psychotherapy",
        "psychotherapist",
        "counselling",
        "counsellor",
        "counselor",
        "counseling",
    ],
    &[
        "venue", "venues", "room", "rooms", "hall", "space", "premises",
    ],
    &["creche", "childcare", "nursery"],
    &[
        "translation",
        "translate",
        "translator",
        "interpret",
        "interpreter",
        "interpreting",
        "interpretation",
    ],
    &[
        "training",
        "train",
        "course",
        "courses",
        "workshop",
        "workshops",
        "class",
        "classes",
        "lesson",
        "lessons",
    ],
    &[
        "funding", "fund", "funds", "funder", "grant", "grants", "bid", "bids",
    ],
    &["advice", "adviser", "advisor", "advise", "guidance"],
    &["volunteer", "volunteers", "volunteering"],
    &[
        "employment",
        "job",
        "jobs",
        "work",
        "career",
        "careers",
        "employability",
    ],
    &["debt", "debts", "money", "budget", "budgeting", "financial"],
    &["benefit", "benefits", "welfare"],
    &[
        "housing",
        "accommodation",
        "tenancy",
        "home",
        "homes",
        "homeless",
        "homelessness",
    ],
    &["cv", "resume", "curriculum"],
    &["refugee", "refugees", "asylum", "migrant", "migrants"],
    &[
        "mentor",
        "mentoring",
        "mentors",
        "befriending",
        "befriender",
        "buddy",
    ],
    &["food", "foodbank", "meal", "meals"],
    &["addiction", "drug", "drugs", "alcohol", "substance"],
    &["carer", "carers", "caring"],
    &["woman", "women", "womens", "female"],
    &["young", "youth", "teenage", "teenager", "teenagers"],
];

/// Languages with all of their names, the usual one first.
const LANGUAGES: &[(&str, &[&str])] = &[
    ("am", &["amharic"]),
    ("ar", &["arabic"]),
    ("bfi", &["bsl"]),
    ("bn", &["bengali", "bangla", "sylheti"]),
    ("cy", &["welsh"]),
    ("es", &["spanish", "castilian"]),
    ("fa", &["persian", "farsi", "dari"]),
    ("fr", &["french"]),
    ("gu", &["gujarati"]),
    ("hi", &["hindi"]),
    ("it", &["italian"]),
    ("ku", &["kurdish", "kurmanji", "sorani"]),
    ("lt", &["lithuanian"]),
    ("pa", &["punjabi", "panjabi"]),
    ("pl", &["polish"]),
    ("ps", &["pashto", "pushto"]),
    ("pt", &["portuguese"]),
    ("ro", &["romanian", "moldovan"]),
    ("ru", &["russian"]),
    ("so", &["somali"]),
    ("sq", &["albanian"]),
    ("ta", &["tamil"]),
    ("ti", &["tigrinya"]),
    ("tr", &["turkish"]),
    ("uk", &["ukrainian"]),
    ("ur", &["urdu"]),
    ("vi", &["vietnamese"]),
    ("yo", &["yoruba"]),
    ("zh", &["chinese", "mandarin", "cantonese"]),
];

/// Areas that hold all others.
const EVERYWHERE: &[&str] = &[
    "uk",
    "united kingdom",
    "national",
    "england",
    "nationwide",
    "online",
];

/// Areas with those that lie within them.
const WITHIN: &[(&str, &[&str])] = &[
    (
        "london",
        &[
            "barking and dagenham",
            "barnet",
            "bexley",
            "brent",
            "bromley",
            "camden",
            "city of london",
            "croydon",
            "ealing",
            "enfield",
            "greenwich",
            "hackney",
            "hammersmith and fulham",
            "haringey",
            "harrow",
            "havering",
            "hillingdon",
            "hounslow",
            "islington",
            "kensington and chelsea",
            "kingston upon thames",
            "lambeth",
            "lewisham",
            "merton",
            "newham",
            "redbridge",
            "richmond upon thames",
            "southwark",
            "sutton",
            "tower hamlets",
            "waltham forest",
            "wandsworth",
            "westminster",
        ],
    ),
    (
        "greater manchester",
        &[
            "bolton",
            "bury",
            "manchester",
            "oldham",
            "rochdale",
            "salford",
            "stockport",
            "tameside",
            "trafford",
            "wigan",
        ],
    ),
];

impl Wording for Plain {
    fn idea(&self, word: &str) -> Option<&str> {
        let group = IDEAS.iter().find(|group| group.contains(&word))?;
        group.first().copied()
    }

    fn language(&self, word: &str) -> Option<&str> {
        let named = |(code, names): &&(&str, &[&str])| *code == word || names.contains(&word);
        LANGUAGES.iter().find(named).map(|(code, _)| *code)
    }

    fn language_names(&self, code: &str) -> Vec<&str> {
        let known = LANGUAGES.iter().find(|(known, _)| *known == code);
        known.map_or_else(Vec::new, |(_, names)| names.to_vec())
    }

    fn is_within(&self, inner: &str, outer: &str) -> bool {
        let usual = |area: &'_ str| match area {
            "greater london" => "london".to_owned(),
            other => other.to_owned(),
        };
        let (inner, outer) = (usual(inner), usual(outer));
        let mut regions = WITHIN.iter().filter(|(region, _)| *region == outer);
        inner == outer
            || EVERYWHERE.contains(&outer.as_str())
            || regions.any(|(_, areas)| areas.contains(&inner.as_str()))
    }

    fn others(&self, word: &str) -> Vec<&str> {
        let group = IDEAS.iter().find(|group| group.contains(&word));
        group.map_or_else(Vec::new, |group| group.to_vec())
    }
}

/// A text in lower case, without accents, its words parted by single spaces.
#[must_use]
pub fn fold(text: &str) -> String {
    let mut folded = String::with_capacity(text.len());
    let mut gap = false;
    for letter in text.chars().flat_map(char::to_lowercase) {
        match letter {
            '\'' | '’' | '\u{300}'..='\u{36f}' => {}
            letter if letter.is_alphanumeric() => {
                if gap && !folded.is_empty() {
                    folded.push(' ');
                }
                gap = false;
                folded.push(bare(letter));
            }
            _ => gap = true,
        }
    }
    folded
}

/// A letter without its accent, for the letters of western Europe.
fn bare(letter: char) -> char {
    match letter {
        'à' | 'á' | 'â' | 'ã' | 'ä' | 'å' => 'a',
        'ç' => 'c',
        'è' | 'é' | 'ê' | 'ë' => 'e',
        'ì' | 'í' | 'î' | 'ï' => 'i',
        'ñ' => 'n',
        'ò' | 'ó' | 'ô' | 'õ' | 'ö' => 'o',
        'ù' | 'ú' | 'û' | 'ü' => 'u',
        'ý' | 'ÿ' => 'y',
        other => other,
    }
}

/// A folded word without its most common English endings. Two forms of one word become one stem; what that
/// looks like is nobody's business.
#[must_use]
pub fn stem(word: &str) -> String {
    const ENDINGS: [(&str, &str); 9] = [
        ("ies", "y"),
        ("sses", "ss"),
        ("ings", ""),
        ("ing", ""),
        ("ers", ""),
        ("ed", ""),
        ("er", ""),
        ("es", ""),
        ("s", ""),
    ];
    for (ending, instead) in ENDINGS {
        if let Some(head) = word.strip_suffix(ending)
            && head.chars().count() >= 4
            && !(ending == "s" && head.ends_with('s'))
        {
            return format!("{}{instead}", head.trim_end_matches('e'));
        }
    }
    word.trim_end_matches('e').to_owned()
}

/// Words that say nothing of what is needed or offered.
pub(super) fn is_common(word: &str) -> bool {
    const COMMON: &[&str] = &[
        "a",
        "about",
        "accepted",
        "all",
        "also",
        "and",
        "any",
        "are",
        "as",
        "at",
        "available",
        "be",
        "been",
        "by",
        "can",
        "client",
        "clients",
        "community",
        "different",
        "do",
        "every",
        "everybody",
        "for",
        "free",
        "from",
        "group",
        "groups",
        "has",
        "have",
        "help",
        "helps",
        "how",
        "i",
        "in",
        "into",
        "is",
        "it",
        "its",
        "make",
        "may",
        "meeting",
        "more",
        "morning",
        "mornings",
        "need",
        "needed",
        "needs",
        "new",
        "no",
        "not",
        "of",
        "offer",
        "offered",
        "offers",
        "on",
        "one",
        "only",
        "or",
        "organisation",
        "organisations",
        "our",
        "part",
        "parts",
        "people",
        "person",
        "place",
        "places",
        "project",
        "same",
        "service",
        "services",
        "six",
        "some",
        "speak",
        "speaker",
        "speakers",
        "speaking",
        "speaks",
        "staff",
        "support",
        "that",
        "the",
        "their",
        "them",
        "they",
        "this",
        "those",
        "through",
        "to",
        "two",
        "up",
        "us",
        "use",
        "we",
        "weekday",
        "weekdays",
        "well",
        "who",
        "will",
        "with",
        "you",
        "your",
    ];
    word.chars().count() < 2 || COMMON.binary_search(&word).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn forms_of_a_word_have_one_stem() {
        for forms in [
            &["venue", "venues"][..],
            &["translate", "translating", "translated", "translates"],
            &["mother", "mothers"],
            &["charity", "charities"],
            &["course", "courses"],
        ] {
            let stems: Vec<String> = forms.iter().map(|form| stem(form)).collect();
            assert!(stems.iter().all(|one| *one == stems[0]), "{stems:?}");
        }
        assert_ne!(stem("debt"), stem("diet"));
        assert_eq!(stem("cv"), "cv");
    }

    #[test]
    fn farsi_is_persian_and_lambeth_is_in_london() {
        assert_eq!(Plain.language("farsi"), Plain.language("persian"));
        assert_eq!(Plain.language_names("fa").first(), Some(&"persian"));
        assert_eq!(Plain.language("klingon"), None);
        assert_eq!(Plain.idea("counsellor"), Plain.idea("therapist"));
        assert!(Plain.is_within("lambeth", "greater london"));
        assert!(Plain.is_within("leeds", "uk"));
        assert!(Plain.is_within("bolton", "greater manchester"));
        assert!(!Plain.is_within("greater manchester", "manchester"));
        assert!(!Plain.is_within("london", "lambeth"));
    }

    #[test]
    fn common_words_are_in_order_for_the_search() {
        for word in ["a", "client", "speaking", "your", "weekday"] {
            assert!(is_common(word), "{word}");
        }
        assert!(!is_common("therapist") && !is_common("cv"));
    }

    #[test]
    fn folding_keeps_letters_and_drops_what_people_type_differently() {
        assert_eq!(fold(" Women’s  Crèche—(SW9) "), "womens creche sw9");
        assert_eq!(fold("cre\u{300}che"), "creche");
    }

    proptest! {
        #[test]
        fn any_text_folds_to_what_folds_no_further(text in any::<String>()) {
            let once = fold(&text);
            prop_assert_eq!(fold(&once), once.clone());
            for word in once.split(' ') {
                let _ = stem(word);
            }
        }
    }
}
