//! Making entries fit the schemas of Open Referral UK 3.0, without saying anything that the listing does not.
//!
//! The schemas demand fields that many honest listings lack. Where one is missing it is there and empty; a `status`
//! is `active`, for a service that a directory lists without saying that it has ended is on offer. A value that the
//! schema's list of words does not have is left out, and so is a link or e-mail address that is none.

use fingerpost_proto::listing::entities::Shape;
use serde_json::{Map, Value};

/// What is written where a field that the schemas demand is missing: kind of entity, field, value.
const DEMANDED: &[(&str, &str, &str)] = &[
    ("service", "status", "active"),
    ("organization", "description", ""),
    ("organization_identifier", "identifier_type", ""),
    ("organization_identifier", "identifier", ""),
    ("location", "location_type", "physical"),
    ("address", "address_1", ""),
    ("address", "city", ""),
    ("address", "state_province", ""),
    ("address", "postal_code", ""),
    ("address", "country", "GB"),
    ("address", "address_type", "physical"),
    ("taxonomy_term", "name", ""),
    ("taxonomy_term", "description", ""),
    ("taxonomy", "name", ""),
    ("taxonomy", "description", ""),
];

/// Fields that may hold certain words alone.
const WORDS: &[(&str, &str, &[&str])] = &[
    (
        "service",
        "status",
        &["active", "inactive", "defunct", "temporarily closed"],
    ),
    (
        "location",
        "location_type",
        &["physical", "postal", "virtual"],
    ),
    (
        "address",
        "address_type",
        &["physical", "postal", "virtual"],
    ),
    ("schedule", "freq", &["WEEKLY", "MONTHLY"]),
];

/// Fields that hold an address on the web.
const LINKS: &[(&str, &str)] = &[
    ("accessibility", "url"),
    ("organization", "website"),
    ("organization", "uri"),
    ("schedule", "schedule_link"),
    ("service", "url"),
    ("taxonomy", "uri"),
    ("taxonomy_term", "term_uri"),
];

/// Fields that hold an e-mail address.
const MAILS: &[(&str, &str)] = &[
    ("organization", "email"),
    ("service", "assurer_email"),
    ("service", "email"),
];

/// An address on the web as it was meant: people leave out how it begins.
fn link(text: &str) -> Option<String> {
    let text = text.trim();
    let is_plain = |it: char| it.is_ascii_graphic() && !"<>\"{}|\\^`".contains(it);
    if text.is_empty() || !text.chars().all(is_plain) {
        return None;
    }
    match text.split_once(':') {
        Some((scheme, _)) if scheme.bytes().all(|it| it.is_ascii_alphabetic()) => {
            Some(text.to_owned())
        }
        _ if text.contains('.') => Some(format!("https://{text}")),
        _ => None,
    }
}

fn mail(text: &str) -> Option<String> {
    let text = text.trim();
    let (name, host) = text.split_once('@')?;
    let is_plain = |it: u8| it.is_ascii_alphanumeric() || b".-_+".contains(&it);
    let is_dotted = |part: &str| {
        part.split('.')
            .all(|it| !it.is_empty() && !it.starts_with('-'))
    };
    let fits = is_dotted(name) && is_dotted(host) && host.contains('.');
    let plain = name.bytes().chain(host.bytes()).all(is_plain) && !host.contains(['_', '+']);
    (fits && plain).then(|| text.to_owned())
}

/// Makes an entity fit, with everything in it.
pub(super) fn conform(entity: &mut Map<String, Value>, shape: &Shape) {
    for (_, field, words) in WORDS.iter().filter(|(kind, ..)| *kind == shape.kind) {
        let fits = |it: &Value| it.as_str().is_some_and(|it| words.contains(&it));
        if entity.get(*field).is_some_and(|it| !fits(it)) {
            entity.remove(*field);
        }
    }
    type Mend = fn(&str) -> Option<String>;
    for (fields, mend) in [(LINKS, link as Mend), (MAILS, mail as Mend)] {
        for (_, field) in fields.iter().filter(|(kind, _)| *kind == shape.kind) {
            if let Some(said) = entity.remove(*field) {
                let mended = said.as_str().and_then(mend);
                entity.extend(mended.map(|it| ((*field).to_owned(), Value::from(it))));
            }
        }
    }
    for (_, field, value) in DEMANDED.iter().filter(|(kind, ..)| *kind == shape.kind) {
        entity.entry(*field).or_insert_with(|| Value::from(*value));
    }
    for (field, inner) in shape.many {
        let items = entity.get_mut(*field).and_then(Value::as_array_mut);
        for item in items.into_iter().flatten() {
            if let Some(item) = item.as_object_mut() {
                conform(item, inner());
            }
        }
    }
    for (field, inner) in shape.one {
        if let Some(item) = entity.get_mut(*field).and_then(Value::as_object_mut) {
            conform(item, inner());
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]
mod tests {
    use fingerpost_proto::listing::Service;
    use fingerpost_proto::listing::entities::Entity;
    use serde_json::json;

    use super::*;

    #[test]
    fn links_and_addresses_are_what_they_say_or_are_left_out() {
        for (said, meant) in [
            (
                "https://example.org/a?b=c",
                Some("https://example.org/a?b=c"),
            ),
            (" www.example.org ", Some("https://www.example.org")),
            ("mailto:a@example.org", Some("mailto:a@example.org")),
            ("see the poster", None),
            ("poster", None),
            ("", None),
        ] {
            assert_eq!(link(said).as_deref(), meant, "{said}");
        }
        for (said, fits) in [
            ("advice.line+a@example.org", true),
            ("advice@localhost", false),
            ("ask at the door", false),
            ("a@b@example.org", false),
            ("a..b@example.org", false),
            ("@example.org", false),
        ] {
            assert_eq!(mail(said).is_some(), fits, "{said}");
        }
    }

    #[test]
    fn what_is_demanded_is_there_and_what_does_not_fit_is_not() {
        let mut service = json!({
            "id": "s", "name": "Advice", "status": "open",
            "schedules": [{"id": "a", "freq": "DAILY"}, {"id": "b", "freq": "WEEKLY"}],
            "service_at_locations": [{"id": "p", "location": {"id": "l", "addresses": [{"id": "d", "city": "Sale"}]}}],
        });
        conform(service.as_object_mut().unwrap(), Service::shape());
        assert_eq!(
            service,
            json!({
                "id": "s", "name": "Advice", "status": "active",
                "schedules": [{"id": "a"}, {"id": "b", "freq": "WEEKLY"}],
                "service_at_locations": [{"id": "p", "location": {
                    "id": "l", "location_type": "physical",
                    "addresses": [{"id": "d", "address_1": "", "city": "Sale", "state_province": "",
                        "postal_code": "", "country": "GB", "address_type": "physical"}],
                }}],
            })
        );
    }
}
