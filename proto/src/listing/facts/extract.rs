//! Taking facts from a service, an organisation, or a notice.

use serde_json::{Map, Number, Value};

use super::{Aspect, Cost, Facts, Hours};
use crate::board::Notice;
use crate::day::Day;
use crate::geography::{self, Point};
use crate::limits::FACTS_PER_ENTRY_MAX;
use crate::listing::entities::Entities;
use crate::listing::model::{
    Address, Attribute, Language, Location, Organization, Schedule, Service, ServiceArea,
};
use crate::vocabulary::{List, Vocabulary};
use crate::words::fold;

/// Extensions that hold a term, or several.
const TERM_FIELDS: [(&str, Aspect); 5] = [
    ("x_delivery_format", Aspect::Format),
    ("x_journey_stage", Aspect::Stage),
    ("x_delivery_model", Aspect::Model),
    ("x_referral", Aspect::Referral),
    ("x_payer", Aspect::Payer),
];

/// The field of a strand that names the service it belongs to.
pub const PARENT_FIELD: &str = "x_parent_service";

/// The id of the service of which this one is a strand.
#[must_use]
pub fn parent_of(service: &Service) -> Option<&str> {
    service.extra.get(PARENT_FIELD)?.as_str()
}

impl Facts {
    /// The facts of a service. `parent` is the service of which it is a strand.
    #[must_use]
    pub fn of_service(service: &Service, parent: Option<&Service>) -> Facts {
        let mut facts = of_service_alone(service);
        if let Some(parent) = parent {
            facts.fill_from(of_service_alone(parent));
        }
        facts
    }

    /// The facts of an organisation: where it is, and its terms.
    #[must_use]
    pub fn of_organisation(organization: &Organization) -> Facts {
        let mut facts = Facts::default();
        facts.add_attributes(&organization.attributes);
        for location in &organization.locations {
            facts.add_location(location);
        }
        facts
    }

    /// The facts of a notice: areas, languages, and until when it is shown.
    #[must_use]
    pub fn of_notice(notice: &Notice) -> Facts {
        let mut facts = Facts {
            expires: Day::parse(&notice.expires),
            ..Facts::default()
        };
        for area in &notice.areas {
            facts.add_area_name(area);
        }
        for language in &notice.languages {
            facts.add_term(Aspect::Language, language);
        }
        facts
    }

    /// Takes from a parent what is not said here.
    fn fill_from(&mut self, parent: Facts) {
        if (self.min_age, self.max_age) == (None, None) {
            (self.min_age, self.max_age) = (parent.min_age, parent.max_age);
        }
        for aspect in Aspect::ALL {
            // What a strand does is part of what its service does; the rest it has unless it says otherwise.
            if aspect == Aspect::Type || self.terms_of(aspect).next().is_none() {
                let terms = parent.terms.iter().filter(|((of, _), _)| *of == aspect);
                let terms = terms.map(|(key, shown)| (key.clone(), shown.clone()));
                self.terms.extend(terms.collect::<Vec<_>>());
            }
        }
        if self.serves.is_empty() && self.lies_in.is_empty() && self.places.is_empty() {
            self.serves = parent.serves;
            self.lies_in = parent.lies_in;
            self.places = parent.places;
        }
        if self.points.is_empty() {
            (self.points, self.is_rough) = (parent.points, parent.is_rough);
        }
        if self.hours.is_empty() {
            self.hours = parent.hours;
        }
        self.cost = self.cost.or(parent.cost);
        self.accessible = self.accessible.or(parent.accessible);
        self.assured = self.assured.or(parent.assured);
        self.has_ended |= parent.has_ended;
    }

    fn add_term(&mut self, aspect: Aspect, name: &str) {
        let folded = fold(name);
        if !folded.is_empty() && self.terms.len() < FACTS_PER_ENTRY_MAX {
            let shown = self.terms.entry((aspect, folded));
            shown.or_insert_with(|| name.trim().to_owned());
        }
    }

    /// Terms of a list that stand in a text, under their own names.
    fn add_terms_in(&mut self, aspect: Aspect, lists: &[List], text: Option<&str>) {
        for term in Vocabulary::built_in().in_text(lists, text.unwrap_or_default()) {
            self.add_term(aspect, &term.name);
        }
    }

    fn add_attributes(&mut self, attributes: &Entities<Attribute>) {
        for attribute in attributes {
            let term = attribute.taxonomy_term.as_deref();
            let of = [
                attribute.link_type.as_deref(),
                term.and_then(|term| term.taxonomy.as_deref()),
            ];
            let aspect = aspect_of(&of.map(|of| fold(of.unwrap_or_default())));
            let names = term.into_iter().flat_map(|term| [&term.name, &term.term]);
            for name in names.chain([&attribute.label, &attribute.value]).flatten() {
                self.add_term(aspect, name);
            }
        }
    }

    fn add_extensions(&mut self, extra: &Map<String, Value>) {
        for (field, aspect) in TERM_FIELDS {
            let Some(value) = extra.get(field) else {
                continue;
            };
            let items = value
                .as_array()
                .map_or(std::slice::from_ref(value), Vec::as_slice);
            for item in items {
                let name = item
                    .as_str()
                    .or_else(|| item.get("name").and_then(Value::as_str));
                self.add_term(aspect, name.unwrap_or_default());
            }
        }
        let places = extra.get("x_delivery_places").and_then(Value::as_array);
        for place in places.into_iter().flatten().filter_map(Value::as_str) {
            self.add_place(place);
        }
    }

    fn add_languages(&mut self, languages: &Entities<Language>) {
        for language in languages {
            for name in [&language.name, &language.language].into_iter().flatten() {
                self.add_term(Aspect::Language, name);
            }
            // `en-GB` is English.
            let code = language
                .code
                .as_deref()
                .and_then(|code| code.split(['-', '_']).next());
            self.add_term(Aspect::Language, code.unwrap_or_default());
        }
    }

    /// A place where it takes place, by name.
    fn add_place(&mut self, name: &str) {
        self.add_place_name(name);
        if let Some(area) = geography::area(name) {
            self.lies_in.insert(area.code.clone());
        }
    }

    fn add_place_name(&mut self, name: &str) {
        let folded = fold(name);
        if !folded.is_empty() && self.places.len() < FACTS_PER_ENTRY_MAX {
            self.places.insert(folded);
        }
    }

    /// An area that it serves, by name or code. "Kent, Surrey and Sussex" is taken for each of them.
    fn add_area_name(&mut self, name: &str) {
        self.add_place_name(name);
        if let Some(area) = geography::area(name) {
            self.serves.insert(area.code.clone());
            return;
        }
        for part in name
            .split([',', ';', '/', '&'])
            .flat_map(|part| part.split(" and "))
        {
            if let Some(area) = geography::area(part) {
                self.serves.insert(area.code.clone());
            }
        }
    }

    fn add_areas(&mut self, areas: &Entities<ServiceArea>) {
        for area in areas {
            let code = area.uri.as_deref().and_then(geography::code_in_uri);
            self.serves.extend(code.map(str::to_owned));
            for name in [&area.name, &area.service_area].into_iter().flatten() {
                match code {
                    Some(_) => self.add_place_name(name),
                    None => self.add_area_name(name),
                }
            }
        }
    }

    fn add_location(&mut self, location: &Location) {
        if location.location_type.as_deref() == Some("virtual") {
            self.add_term(Aspect::Format, "online");
        }
        let degrees = |number: &Option<Number>| number.as_ref().and_then(Number::as_f64);
        let point = degrees(&location.latitude)
            .zip(degrees(&location.longitude))
            .and_then(|(latitude, longitude)| Point::from_degrees(latitude, longitude));
        let mut has_authority = false;
        for address in &location.addresses {
            has_authority |= self.add_address(address, point.is_none());
        }
        if let Some(point) = point.filter(|_| self.points.len() < FACTS_PER_ENTRY_MAX) {
            self.points.insert(point);
            if !has_authority {
                self.lies_in
                    .extend(geography::authority_at(point).map(str::to_owned));
            }
        }
        if let Some(name) = &location.name {
            self.add_place_name(name);
        }
        self.add_languages(&location.languages);
        self.add_schedules(&location.schedules);
        for access in &location.accessibility {
            let texts = [&access.description, &access.accessibility, &access.details];
            for text in texts.into_iter().flatten() {
                let says_no = ["no ", "not ", "none", "inaccessible"];
                let text = text.trim().to_lowercase();
                let is_yes = !text.is_empty()
                    && !says_no.iter().any(|no| text.starts_with(no))
                    && text != "no";
                self.accessible = Some(self.accessible.unwrap_or(false) || is_yes);
            }
        }
    }

    /// Takes the town of an address and what its postcode says. Whether that gave a local authority.
    fn add_address(&mut self, address: &Address, needs_point: bool) -> bool {
        for name in [&address.city, &address.region, &address.state_province]
            .into_iter()
            .flatten()
        {
            self.add_place_name(name);
        }
        let postcode = address.postal_code.as_deref();
        let Some(place) = postcode
            .filter(|code| !code.contains(','))
            .and_then(geography::place)
        else {
            return false;
        };
        if needs_point && self.points.len() < FACTS_PER_ENTRY_MAX {
            self.points.insert(place.point);
            self.is_rough = true;
        }
        let authority = place.authority.map(|code| self.lies_in.insert(code));
        authority.is_some()
    }

    fn add_schedules(&mut self, schedules: &Entities<Schedule>) {
        let room = FACTS_PER_ENTRY_MAX.saturating_sub(self.hours.len());
        self.hours
            .extend(schedules.iter().filter_map(Hours::of).take(room));
    }
}

fn of_service_alone(service: &Service) -> Facts {
    let mut facts = Facts {
        assured: service.assured_date.as_deref().and_then(Day::parse),
        has_ended: matches!(
            service.status.as_deref(),
            Some("inactive" | "defunct" | "temporarily closed")
        ),
        ..Facts::default()
    };
    (facts.min_age, facts.max_age) = ages(service);
    facts.add_attributes(&service.attributes);
    facts.add_extensions(&service.extra);
    facts.add_languages(&service.languages);
    facts.add_areas(&service.service_areas);
    facts.add_schedules(&service.schedules);
    for place in &service.service_at_locations {
        facts.add_attributes(&place.attributes);
        facts.add_areas(&place.service_areas);
        facts.add_schedules(&place.schedules);
        if let Some(location) = &place.location {
            facts.add_location(location);
        }
    }
    for name in [Some(&service.name), service.alternate_name.as_ref()]
        .into_iter()
        .flatten()
    {
        facts.add_terms_in(Aspect::Type, List::TYPES, Some(name));
    }
    facts.add_terms_in(
        Aspect::People,
        &[List::People],
        service.eligibility_description.as_deref(),
    );
    facts.add_terms_in(
        Aspect::Referral,
        &[List::Referral],
        service.application_process.as_deref(),
    );
    facts.add_terms_in(
        Aspect::Language,
        &[List::Language],
        service.interpretation_services.as_deref(),
    );
    facts.cost = cost(service, &facts);
    facts.hours.sort_unstable();
    facts.hours.dedup();
    facts
}

/// Ages in whole years; feeds write -1 for none, and 0 to 0.
fn ages(service: &Service) -> (Option<u32>, Option<u32>) {
    let years = |number: &Option<Number>| {
        let years = number.as_ref().and_then(Number::as_f64)?;
        (0.0..=150.0).contains(&years).then_some(years as u32)
    };
    match (years(&service.minimum_age), years(&service.maximum_age)) {
        (Some(0) | None, Some(0)) => (None, None),
        found => found,
    }
}

/// What an attribute is about, by its link type and its taxonomy, folded.
fn aspect_of(of: &[String; 2]) -> Aspect {
    let has = |words: &[&str]| {
        of.iter()
            .any(|of| words.iter().any(|word| of.contains(word)))
    };
    match () {
        () if has(&["format"]) => Aspect::Format,
        () if has(&[
            "eligib",
            "sex",
            "gender",
            "situation",
            "circumstance",
            "audience",
        ]) =>
        {
            Aspect::People
        }
        () if has(&["stage"]) => Aspect::Stage,
        () if has(&["model"]) => Aspect::Model,
        () if has(&["referral", "pathway"]) => Aspect::Referral,
        () if has(&["payer"]) => Aspect::Payer,
        () if has(&["language"]) => Aspect::Language,
        () => Aspect::Type,
    }
}

/// What it costs: amounts first, then who pays, then words that leave no doubt.
fn cost(service: &Service, facts: &Facts) -> Option<Cost> {
    let amounts: Vec<f64> = service
        .cost_options
        .iter()
        .filter_map(|option| option.amount.as_ref()?.as_f64())
        .collect();
    if !amounts.is_empty() {
        let is_free = amounts.contains(&0.0);
        return Some(if is_free { Cost::Free } else { Cost::Paid });
    }
    let payers: Vec<&str> = facts.terms_of(Aspect::Payer).collect();
    if !payers.is_empty() {
        let person = Vocabulary::built_in()
            .sought(&[List::Payer], "person")
            .names;
        let pays = payers.iter().any(|payer| person.contains(*payer));
        return Some(if pays { Cost::Paid } else { Cost::Free });
    }
    let options = service
        .cost_options
        .iter()
        .flat_map(|it| [&it.option, &it.amount_description]);
    let texts = [&service.fees, &service.fees_description]
        .into_iter()
        .chain(options);
    let texts: Vec<String> = texts.flatten().map(|text| fold(text)).collect();
    let free = [
        "free",
        "free of charge",
        "no charge",
        "no cost",
        "no fee",
        "none",
        "nil",
        "0",
        "0 00",
    ];
    let says_free = |text: &String| {
        let is_short = free.contains(&text.as_str()) || text == "this service is free";
        is_short
            || text.starts_with("free of charge")
            || text.starts_with("free to ")
            || text.starts_with("free for ")
    };
    texts.iter().any(says_free).then_some(Cost::Free)
}
