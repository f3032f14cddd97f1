use std::io::Write as _;
use std::path::Path;

use super::*;
use crate::listing::source::{Of, Source};

fn column<'a>(mapping: &'a Mapping, from: &str) -> Option<&'a str> {
    mapping
        .column
        .iter()
        .find(|column| column.from == from)
        .map(|column| column.to.as_str())
}

#[test]
fn headers_in_any_spelling_and_values_are_understood() {
    let text = "Organisation Name,Service title,postCode,E-mail address,Web Site,Tel No,Last_Checked,Opening Hours,notes\n\
        Acorn,Advice,M1 1AA,a@example.org,https://a.example,0161 496 0000,03/02/2026,Mon 9am-5pm,x\n";
    let table = Table::from_csv("t", text.as_bytes(), 1).unwrap();
    let mapping = guess(&table, "t");
    assert_eq!(
        column(&mapping, "Organisation Name"),
        Some("organization.name")
    );
    assert_eq!(column(&mapping, "Service title"), Some("name"));
    assert_eq!(
        column(&mapping, "postCode"),
        Some("service_at_locations.location.addresses.postal_code")
    );
    assert_eq!(column(&mapping, "E-mail address"), Some("email"));
    assert_eq!(column(&mapping, "Tel No"), Some("phones.number"));
    assert_eq!(column(&mapping, "Last_Checked"), Some("assured_date"));
    assert_eq!(column(&mapping, "Opening Hours"), Some("schedules"));
    assert!(mapping.publisher);
    assert_eq!(mapping.unused, ["notes"]);
    let again = Mapping::parse(&mapping.to_toml().unwrap()).unwrap();
    assert_eq!(again, mapping);
    let source = again.apply(&table).unwrap();
    assert!(source.left_out.is_empty(), "{:?}", source.left_out);
    assert_eq!(source.services[0].service["assured_date"], "2026-02-03");
}

#[test]
fn a_column_that_hides_addresses_is_taken_as_that() {
    let text = "Name,Show address to the public?\nA,No\nB,Yes\n";
    let table = Table::from_csv("t", text.as_bytes(), 1).unwrap();
    let source = guess(&table, "t").apply(&table).unwrap();
    assert_eq!(source.services[0].service["x_confidential"], "true");
    assert!(!source.services[1].service.contains_key("x_confidential"));
}

/// Reads a real table by its proposed mapping; `None` in a clone without the data.
fn real(path: &str) -> Option<(Mapping, Source)> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../shared/data")
        .join(path);
    if !path.exists() {
        writeln!(std::io::stderr(), "skipped: {} is not here", path.display()).unwrap();
        return None;
    }
    let table = Table::from_csv("t", &std::fs::read(&path).unwrap(), 1).unwrap();
    let mapping = guess(&table, "t");
    let mapping =
        Mapping::parse(&mapping.to_toml().unwrap()).unwrap_or_else(|error| panic!("{error}"));
    let source = mapping.apply(&table).unwrap();
    Some((mapping, source))
}

#[test]
fn six_real_sheets_are_guessed() {
    let place = "service_at_locations.location";
    for (sheet, rows, unused, wanted) in [
        (
            "charities",
            736,
            &["date_of_registration"][..],
            &[
                ("charity_activities", "description"),
                ("charity_contact_web", "url"),
                (
                    "registered_charity_number",
                    "organization.organization_identifiers.identifier",
                ),
            ][..],
        ),
        (
            "mental_health_services",
            60,
            &[],
            &[
                ("telephone", "phones.number"),
                ("website", "url"),
                ("description", "description"),
            ],
        ),
        (
            "gm_food_banks",
            171,
            &[],
            &[
                ("Opening times", "schedules"),
                ("Referral method", "application_process"),
                ("Contact", "contact"),
            ],
        ),
        (
            "gm_jobcentreplus",
            26,
            &[],
            &[
                ("area_name", "service_areas.name"),
                ("area_code", "service_areas.uri"),
            ],
        ),
        (
            "gm_libraries",
            141,
            &[],
            &[
                ("type", "attributes.taxonomy_term.name"),
                ("email", "email"),
            ],
        ),
        (
            "gm_probation_offices",
            12,
            &[],
            &[("telephone", "phones.number")],
        ),
    ] {
        let Some((mapping, source)) = real(&format!("trafford-gm/{sheet}.csv")) else {
            return;
        };
        assert_eq!(
            source.services.len(),
            rows,
            "{sheet}: {:?}",
            source.left_out
        );
        assert_eq!(mapping.unused, unused, "{sheet}");
        for (from, to) in wanted {
            assert_eq!(column(&mapping, from), Some(*to), "{sheet}: {from}");
        }
        let places = source
            .services
            .iter()
            .filter(|found| found.service.contains_key("service_at_locations"))
            .count();
        assert!(places * 10 > rows * 9, "{sheet}: {places}");
        let coordinates = mapping
            .column
            .iter()
            .filter(|column| column.to == format!("{place}.latitude"))
            .count();
        assert_eq!(
            coordinates,
            usize::from(
                sheet != "charities"
                    && sheet != "mental_health_services"
                    && sheet != "gm_food_banks"
            )
        );
    }
    let Some((_, charities)) = real("trafford-gm/charities.csv") else {
        return;
    };
    assert!(charities.organizations.len() > 700);
    let Some((_, food)) = real("trafford-gm/gm_food_banks.csv") else {
        return;
    };
    let schedules = food
        .services
        .iter()
        .filter_map(|found| found.service.get("schedules"));
    let read = schedules
        .filter(|schedules| schedules[0].get("opens_at").is_some())
        .count();
    assert!(read > 60, "{read} opening times were read");
}

#[test]
fn the_spreadsheets_of_a_publisher_before_conversion_are_guessed() {
    let Some((mapping, source)) = real("ilao-hsds1/raw/services.csv") else {
        return;
    };
    for (from, to) in [
        ("Title", "name"),
        ("Organization ID", "organization.id"),
        ("Is this service open?", "status"),
        ("Hours of operation", "schedules"),
        ("Phone number", "phones.number"),
        ("Website address", "url"),
        ("Geolocation", "service_at_locations.location"),
        (
            "An individual must be one of these to qualify",
            "eligibility_description",
        ),
        ("Application process", "application_process"),
        ("Income eligibility and fees", "fees_description"),
    ] {
        assert_eq!(column(&mapping, from), Some(to), "{from}");
    }
    assert_eq!(mapping.id, ["Services-ID"]);
    assert_eq!(source.services.len(), 429);
    assert!(
        source
            .services
            .iter()
            .all(|found| matches!(found.of, Of::Absent(_)))
    );
    let Some((mapping, source)) = real("ilao-hsds1/raw/organizations.csv") else {
        return;
    };
    assert_eq!(column(&mapping, "Title"), Some("name"));
    assert_eq!(column(&mapping, "Body"), Some("description"));
    assert_eq!(
        column(&mapping, "Display physical address to public users?"),
        Some("x_confidential")
    );
    assert_eq!(source.services.len(), 33);
    let Some((mapping, source)) = real("ilao-hsds1/raw/locations.csv") else {
        return;
    };
    assert_eq!(column(&mapping, "Field 2"), Some("name"));
    assert_eq!(mapping.id, ["Location_id"]);
    assert_eq!(source.services.len(), 520);
}
