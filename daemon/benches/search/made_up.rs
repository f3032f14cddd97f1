//! Listings that nobody wrote, as varied as real ones: the same in every run.

use fingerpost_proto::listing::ShardState;
use serde_json::{Value, json};

/// Services of one organisation.
pub(crate) const SERVICES_EACH: usize = 3;

/// How many different words there are.
const WORDS_COUNT: f64 = 30_000.0;
/// How much the most frequent words are held back: without it the first would stand in every text.
const WORDS_EVEN: f64 = 10.0;

/// The most frequent words, the first the most frequent.
const WORDS: [&str; 40] = [
    "support",
    "advice",
    "people",
    "help",
    "group",
    "community",
    "health",
    "housing",
    "women",
    "mental",
    "training",
    "work",
    "families",
    "young",
    "children",
    "debt",
    "counselling",
    "food",
    "carers",
    "recovery",
    "legal",
    "older",
    "disability",
    "benefits",
    "welfare",
    "rights",
    "autism",
    "dementia",
    "refugee",
    "language",
    "sports",
    "music",
    "art",
    "volunteering",
    "bereavement",
    "addiction",
    "employment",
    "garden",
    "childcare",
    "therapist",
];

const SYLLABLES: [&str; 24] = [
    "ba", "con", "dri", "el", "fan", "go", "hil", "in", "jo", "ker", "lum", "mo", "nar", "ost",
    "per", "qua", "ris", "sto", "tam", "ul", "ven", "wi", "yar", "zet",
];

const OUTCODES: [&str; 32] = [
    "SW9", "M32", "M33", "M1", "SE5", "GL55", "SY25", "CT21", "BS3", "TF3", "B19", "SK2", "GL15",
    "SE23", "NE25", "UB1", "DE24", "TW12", "S73", "N19", "WS5", "DH8", "BD9", "HU9", "TA10", "N1",
    "NR20", "OX5", "CV22", "M20", "CB2", "NP19",
];

const AREAS: [&str; 16] = [
    "Trafford",
    "Lambeth",
    "Greater Manchester",
    "London",
    "Wales",
    "Bristol, City of",
    "Leeds",
    "Cornwall",
    "Southwark",
    "Manchester",
    "Birmingham",
    "Salford",
    "Sheffield",
    "Oxford",
    "England",
    "Cardiff",
];

const TYPES: [&str; 8] = [
    "Accommodation",
    "Debt advice",
    "Counselling",
    "Mentoring",
    "Food",
    "Training",
    "Legal advice",
    "Employment support",
];

const LANGUAGES: [&str; 8] = [
    "English", "Farsi", "Polish", "Urdu", "Welsh", "Somali", "Arabic", "Bengali",
];

const DAYS: [&str; 10] = [
    "MO",
    "TU",
    "WE",
    "TH",
    "FR",
    "MO,WE",
    "TU,TH",
    "MO,TU,WE,TH,FR",
    "SA",
    "SA,SU",
];

/// A small generator (SplitMix64).
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn roll(&mut self, sides: usize) -> usize {
        (self.number() % sides as u64) as usize
    }

    pub(crate) fn pick<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.roll(of.len())]
    }

    /// True once in so many times.
    fn one_in(&mut self, times: usize) -> bool {
        self.roll(times) == 0
    }

    /// A word as often as its rank has it (Zipf and Mandelbrot's law), of the `count` most frequent.
    pub(crate) fn word_of(&mut self, count: f64) -> String {
        let share = (self.number() >> 11) as f64 / (1u64 << 53) as f64;
        let rank = WORDS_EVEN * ((count / WORDS_EVEN + 1.0).ln() * share).exp() - WORDS_EVEN;
        let mut rank = rank as usize;
        if let Some(word) = WORDS.get(rank) {
            return (*word).to_owned();
        }
        let mut word = String::new();
        while rank > 0 || word.len() < 6 {
            word.push_str(SYLLABLES[rank % SYLLABLES.len()]);
            rank /= SYLLABLES.len();
        }
        word
    }

    fn word(&mut self) -> String {
        self.word_of(WORDS_COUNT)
    }

    pub(crate) fn words(&mut self, count: usize) -> String {
        let words: Vec<String> = (0..count).map(|_| self.word()).collect();
        words.join(" ")
    }
}

/// The description of a service: what phrases are taken from.
pub(crate) fn description(number: usize) -> String {
    Dice(number as u64 ^ 0xdead_beef).words(60)
}

fn service(number: usize) -> Value {
    let mut dice = Dice(number as u64);
    let id = |part: usize| format!("{part:08x}-0000-4000-8000-{number:012}");
    let term = |part: usize, link: &str, name: &str| {
        let slug = name.to_lowercase().replace(' ', "-");
        json!({"id": id(part), "link_type": link, "taxonomy_term": {"id": slug, "name": name}})
    };
    let mut attributes = vec![
        term(1, "service_type", dice.pick(&TYPES)),
        term(
            2,
            "delivery_format",
            dice.pick(&["group", "one to one", "online", "telephone"]),
        ),
    ];
    if dice.one_in(2) {
        attributes.push(term(3, "eligibility", dice.pick(&["female", "male"])));
    }
    let mut service = json!({
        "id": id(0), "name": dice.words(4), "description": description(number),
        "status": if dice.one_in(20) { "defunct" } else { "active" },
        "attributes": attributes,
        "service_areas": [{"id": id(4), "name": dice.pick(&AREAS)}],
    });
    if dice.one_in(2) {
        service["minimum_age"] = json!([16, 18, 25, 50][dice.roll(4)]);
    }
    if !dice.one_in(4) {
        let (month, day) = (dice.roll(11) + 1, dice.roll(28) + 1);
        service["assured_date"] = json!(format!("2026-{month:02}-{day:02}"));
    }
    if dice.one_in(2) {
        let code = format!("{} 1AA", dice.pick(&OUTCODES));
        let latitude = 50.5 + dice.roll(40_000) as f64 / 10_000.0;
        let longitude = -3.5 + dice.roll(35_000) as f64 / 10_000.0;
        let address = json!({"id": id(7), "address_1": dice.words(2), "postal_code": code});
        let location = json!({
            "id": id(6), "name": dice.words(2), "latitude": latitude, "longitude": longitude,
            "addresses": [address],
            "accessibility": if dice.one_in(2) { json!([{"id": id(8), "description": "Ramp"}]) } else { json!([]) },
        });
        service["service_at_locations"] = json!([{"id": id(5), "location": location}]);
    }
    if dice.one_in(3) {
        let (opens, closes) = (dice.roll(8) + 8, dice.roll(6) + 16);
        service["schedules"] = json!([{
            "id": id(9), "freq": "WEEKLY", "byday": dice.pick(&DAYS),
            "opens_at": format!("{opens:02}:00"), "closes_at": format!("{closes:02}:00"),
        }]);
    }
    if dice.one_in(4) {
        service["languages"] = json!([{"id": id(10), "name": dice.pick(&LANGUAGES)}]);
    }
    if dice.one_in(3) {
        service["fees"] = json!(dice.pick(&["free", "ask us"]));
    }
    if dice.one_in(5) {
        service["x_referral"] = json!([dice.pick(&["self", "GP", "social worker"])]);
    }
    service
}

/// The Fingerpost id, as good as one, of an organisation.
pub(crate) fn org(number: usize) -> String {
    format!("org-{number:050}")
}

/// The listing of an organisation; with `word` in the description of its first service.
pub(crate) fn listing(number: usize, word: Option<&str>) -> (String, ShardState) {
    let name = format!("{} trust", Dice(number as u64 ^ 0xf00d).words(2));
    let first = number * SERVICES_EACH;
    let mut services: Vec<Value> = (first..first + SERVICES_EACH).map(service).collect();
    if let Some(word) = word {
        services[0]["description"] = json!(format!("{} {word}", description(first)));
    }
    let shard = json!({
        "format": 1, "kind": "listing", "shard": 0,
        "organization": {"id": format!("organisation-{number}"), "name": name}, "services": services,
    });
    (name, serde_json::from_value(shard).unwrap())
}
