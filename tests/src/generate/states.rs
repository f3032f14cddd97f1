//! Listings and boards whose lengths, words, terms and places are distributed as in real ones.

use fingerpost_proto::board::BoardState;
use fingerpost_proto::day::Day;
use fingerpost_proto::listing::ShardState;
use serde_json::{Value, json};

use super::tables::{Spot, Tables};
use crate::Fail;
use crate::sim::Random;

/// Of so many organisations in a thousand there is a board. Nobody has counted this: boards are new.
pub const BOARDS_PER_MILLE: u64 = 300;
/// Most notices on a board that is made here.
const NOTICES: u64 = 3;
/// A name is no longer, in bytes: real ones of nineteen words exist.
const NAME_MAX_BYTES: usize = 200;
/// Most places of an organisation; the few with more are bodies of the state.
const LOCATIONS: u64 = 5;
const DAY_S: u64 = 86_400;
const WEEKS: [&str; 4] = ["MO", "TU,TH", "MO,TU,WE,TH,FR", "SA"];
const KINDS: [&str; 5] = ["need", "offer", "training", "venue", "event"];

/// One organisation, as its listing and its board show it.
pub struct Content<'a> {
    tables: &'static Tables,
    random: &'a mut Random,
    home: &'static Spot,
    /// The name.
    pub name: String,
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|letter| letter.to_ascii_uppercase());
    first.into_iter().chain(letters).collect()
}

/// The day of a moment, as listings write it.
fn day(at_s: u64) -> String {
    let days = i32::try_from(at_s / DAY_S).unwrap_or(i32::MAX);
    Day(days)
        .date()
        .map(|it| it.to_string())
        .unwrap_or_default()
}

impl<'a> Content<'a> {
    /// Draws an organisation.
    ///
    /// # Errors
    /// When the tables are empty.
    pub fn draw(random: &'a mut Random) -> Result<Self, Fail> {
        let tables = Tables::get();
        let home = random.pick(&tables.spots);
        let home = home.ok_or_else(|| Fail::new("there are no places"))?;
        let mut content = Self {
            tables,
            random,
            home,
            name: String::new(),
        };
        content.name = content.organisation_name();
        Ok(content)
    }

    fn organisation_name(&mut self) -> String {
        let mut words = Vec::new();
        if self.random.chance(400) {
            words.push(self.home.authority_name.to_owned());
        }
        for _ in 0..self.random.between(1, 3) {
            words.extend(self.tables.names.draw(self.random).map(|it| capital(it)));
        }
        words.extend(self.tables.ends.draw(self.random).map(|it| capital(it)));
        words.join(" ")
    }

    fn words(&mut self, count: u64) -> Vec<&'static str> {
        let tables = self.tables;
        let drawn = (0..count).filter_map(|_| tables.words.draw(self.random));
        drawn.copied().collect()
    }

    /// Sentences of so many words together.
    fn text(&mut self, what: &str) -> String {
        let mut left = self.tables.figure(what, self.random);
        let mut sentences = Vec::new();
        while left > 0 {
            let length = self.random.between(6, 22).min(left);
            left -= length;
            sentences.push(capital(&self.words(length).join(" ")) + ".");
        }
        sentences.join(" ")
    }

    fn service_name(&mut self) -> String {
        let length = self.tables.figure("service_name_words", self.random).max(1);
        let mut name = capital(&self.words(length).join(" "));
        while name.len() > NAME_MAX_BYTES {
            name.pop();
        }
        name
    }

    fn id(&mut self) -> String {
        let [a, b] = [self.random.bits(), self.random.bits()];
        format!(
            "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
            a >> 32,
            (a >> 16) & 0xffff,
            a & 0xfff,
            0x8000 | (b >> 48) & 0x3fff,
            b & 0xffff_ffff_ffff
        )
    }

    fn area(&mut self, spot: &Spot) -> Value {
        json!({
            "id": self.id(),
            "name": spot.authority_name,
            "uri": format!("http://statistics.data.gov.uk/id/statistical-geography/{}", spot.authority),
        })
    }

    fn areas(&mut self) -> Vec<Value> {
        let count = self.tables.figure("service_areas", self.random).max(1);
        let mut areas = vec![self.area(self.home)];
        for _ in 1..count {
            if let Some(spot) = self.random.pick(&self.tables.spots) {
                areas.push(self.area(spot));
            }
        }
        areas
    }

    fn attributes(&mut self) -> Vec<Value> {
        let count = self.tables.figure("service_terms", self.random).max(1);
        let mut attributes: Vec<Value> = Vec::new();
        for _ in 0..count {
            if let Some(term) = self.tables.terms.draw(self.random) {
                attributes.push(json!({
                    "id": self.id(),
                    "link_type": term.link_type,
                    "taxonomy_term": {"id": self.id(), "name": term.name, "taxonomy": term.taxonomy},
                }));
            }
        }
        attributes
    }

    fn location(&mut self) -> Value {
        // Within a mile or so of the middle of its outward code.
        let shift = |random: &mut Random| random.between(0, 300) as f64 / 10_000.0 - 0.015;
        let (north, east) = (shift(self.random), shift(self.random));
        json!({
            "id": self.id(),
            "name": format!("{} {}", self.home.authority_name, self.home.outcode),
            "latitude": self.home.latitude + north,
            "longitude": self.home.longitude + east,
        })
    }

    fn service(&mut self, locations: &[Value], at_s: u64) -> Value {
        let mut service = json!({
            "id": self.id(),
            "name": self.service_name(),
            "description": self.text("service_description_words"),
            "status": "active",
            "service_areas": self.areas(),
            "attributes": self.attributes(),
            "assured_date": day(at_s),
        });
        if let (Some(location), Some(days)) =
            (self.random.pick(locations), self.random.pick(&WEEKS))
        {
            service["service_at_locations"] = json!([{"id": self.id(), "location": location}]);
            service["schedules"] = json!([{"id": self.id(), "byday": days, "opens_at": "09:30", "closes_at": "16:00"}]);
        }
        service
    }

    /// The state of its listing, last confirmed at `at_s`.
    ///
    /// # Errors
    /// When what was drawn breaks a rule of listings.
    pub fn listing(&mut self, at_s: u64) -> Result<Vec<u8>, Fail> {
        let count = self.tables.figure("organisation_locations", self.random);
        let locations: Vec<Value> = (0..count.min(LOCATIONS)).map(|_| self.location()).collect();
        let count = self
            .tables
            .figure("organisation_services", self.random)
            .max(1);
        let services: Vec<Value> = (0..count).map(|_| self.service(&locations, at_s)).collect();
        let organization = json!({
            "id": self.id(),
            "name": self.name,
            "description": self.text("organisation_description_words"),
        });
        let state = json!({
            "format": 1, "kind": "listing", "shard": 0, "organization": organization, "services": services,
        });
        // Parsing is the check, and writes it in its one form.
        let state = ShardState::parse(state.to_string().as_bytes(), 0)?;
        Ok(state.to_bytes()?)
    }

    /// The state of its board, last changed at `at_s`.
    ///
    /// # Errors
    /// When what was drawn breaks a rule of boards.
    pub fn board(&mut self, at_s: u64) -> Result<Vec<u8>, Fail> {
        let count = self.random.between(1, NOTICES);
        let notices: Vec<Value> = (0..count).map(|_| self.notice(at_s)).collect();
        let state = json!({"format": 1, "kind": "board", "notices": notices, "replies": []});
        let state = BoardState::parse(state.to_string().as_bytes())?;
        Ok(state.to_bytes()?)
    }

    fn notice(&mut self, at_s: u64) -> Value {
        let lasts_s = self.random.between(60, 360) * DAY_S;
        json!({
            "id": self.id(),
            "kind": self.random.pick(&KINDS),
            "title": self.service_name(),
            "text": self.text("organisation_description_words"),
            "areas": [self.home.authority],
            "expires": day(at_s + lasts_s),
            "posted": day(at_s),
        })
    }
}
