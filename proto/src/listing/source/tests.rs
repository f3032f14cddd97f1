use std::io::Write as _;
use std::path::{Path, PathBuf};

use proptest::prelude::*;

use super::*;
use crate::limits::{PACKAGE_ENTITIES_MAX, TABLES_MAX};
use crate::listing::arbitrary;
use crate::listing::import::parse_import;
use crate::listing::merge::apply_import;
use crate::listing::state::Listing;
use crate::listing::tables::{Table, package_of};

fn importer() -> Map<String, Value> {
    match json!({"id": "6f1c1f4e-9b1d-5a53-8c0e-2f6d7a41e903", "name": "Publisher"}) {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}

fn listing_of(source: Source, whose: Whose<'_>) -> Listing {
    let chosen = choose(source, whose, &importer()).unwrap();
    let bytes = serde_json::to_vec(&chosen.listing).unwrap();
    let import = parse_import(&bytes).unwrap_or_else(|error| panic!("{error}"));
    apply_import(None, &import, false).0
}

/// The tables as they come back from their CSV files.
fn through_csv(tables: &[Table]) -> Vec<Table> {
    let read = |table: &Table| Table::from_csv(&table.name, &table.to_csv(), 1).unwrap();
    tables.iter().map(read).collect()
}

fn sorted(mut value: Value) -> Value {
    fn sort(value: &mut Value) {
        match value {
            Value::Array(items) => {
                items.iter_mut().for_each(sort);
                if items.iter().all(|item| item.get("id").is_some()) {
                    items.sort_by_key(|item| item["id"].to_string());
                }
            }
            Value::Object(fields) => fields.values_mut().for_each(sort),
            _ => {}
        }
    }
    sort(&mut value);
    value
}

fn package_round_trip(listing: &Listing) -> Value {
    let (tables, _) = package_of(std::slice::from_ref(listing)).unwrap();
    let source = package::read_package(&through_csv(&tables));
    assert!(source.left_out.is_empty(), "{:?}", source.left_out);
    sorted(choose(source, Whose::Only, &importer()).unwrap().listing)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_listing_comes_back_from_its_csv_package(listing in arbitrary::listing()) {
        prop_assert_eq!(package_round_trip(&listing), sorted(listing.to_export().unwrap()));
    }

    /// References in random listings are no UUIDs; one import makes them so, and from then on nothing changes.
    #[test]
    fn a_listing_comes_back_from_its_json(listing in arbitrary::listing()) {
        let import = |listing: &Listing| {
            let bytes = serde_json::to_vec(&listing.to_export().unwrap()).unwrap();
            apply_import(None, &parse_import(&bytes).unwrap(), false).0
        };
        let once = import(&listing);
        prop_assert_eq!(import(&once), once);
    }

    #[test]
    fn several_listings_come_back_from_one_package(listings in proptest::collection::vec(arbitrary::listing(), 2..4)) {
        let (tables, described) = package_of(&listings).unwrap();
        prop_assert_eq!(described["resources"].as_array().unwrap().len(), tables.len());
        let source = package::read_package(&through_csv(&tables));
        prop_assert_eq!(source.organizations.len(), listings.len());
        for listing in &listings {
            let chosen = choose(source.clone(), Whose::Named(&listing.organization.id), &importer()).unwrap();
            prop_assert_eq!(sorted(chosen.listing), sorted(listing.to_export().unwrap()));
        }
    }
}

#[test]
fn a_shared_place_is_one_row_and_an_edited_cell_is_heeded() {
    let place =
        |id: &str| json!({"id": id, "location": {"id": "hall", "name": "Hall", "latitude": 53.5}});
    let listing: Listing = serde_json::from_value(json!({
        "organization": {"id": "o", "name": "=Acorn"},
        "services": [
            {"id": "a", "name": "A", "description": " padded ", "x_format": "group", "service_at_locations": [place("1")]},
            {"id": "b", "name": "B", "service_at_locations": [place("2")]},
        ],
    }))
    .unwrap();
    let (tables, _) = package_of(std::slice::from_ref(&listing)).unwrap();
    let named = |name: &str| tables.iter().position(|table| table.name == name).unwrap();
    assert_eq!(tables[named("locations")].rows.len(), 1);
    let text = String::from_utf8(tables[named("organizations")].to_csv()).unwrap();
    assert!(text.contains("'=Acorn"), "{text}");

    let mut edited = through_csv(&tables);
    let services = &mut edited[named("services")];
    let column = services.column("description").unwrap();
    assert!(services.column("x_format").is_some());
    services.rows[0].cells[column] = "better".to_owned();
    // A row that somebody added has no mark; it names what it belongs to like any other.
    let phones = Table::from_csv(
        "phones",
        b"id,service_id,number\np,b,0161 496 0000\nq,nobody,1\n",
        1,
    )
    .unwrap();
    edited.push(phones);
    let source = package::read_package(&edited);
    assert_eq!(source.left_out.len(), 1);
    let listing = choose(source, Whose::Only, &importer()).unwrap().listing;
    assert_eq!(listing["services"][0]["description"], "better");
    assert_eq!(
        listing["services"][1]["phones"],
        json!([{"id": "p", "number": "0161 496 0000"}])
    );
    assert_eq!(
        listing["services"][1]["service_at_locations"][0]["location"]["name"],
        "Hall"
    );
}

#[test]
fn rows_that_hold_one_another_in_circles_or_masses_are_bounded() {
    let marked = |kind: &str, id: &str, mark: &str| {
        format!(
            "id,name,x_fingerpost\n{id},{kind},\"{}\"\n",
            mark.replace('"', "\"\"")
        )
    };
    let circle = [
        ("organizations", marked("o", "o", "{}")),
        (
            "services",
            marked(
                "s",
                "s",
                r#"{"in":["organization","o","services"],"holds":{"program":"p"}}"#,
            ),
        ),
        (
            "programs",
            marked("p", "p", r#"{"in":["program","p","programs"]}"#),
        ),
        (
            "taxonomy_terms",
            marked("t", "t", r#"{"holds":{"taxonomy_detail":"t"}}"#),
        ),
    ];
    let tables: Vec<Table> = circle
        .iter()
        .map(|(name, text)| Table::from_csv(name, text.as_bytes(), 1).unwrap())
        .collect();
    assert_eq!(package::read_package(&tables).services.len(), 1);

    // Two thousand services at one place that has a thousand phones: more than is put together.
    let mut places = String::from("id,service_id,location_id\n");
    let mut services = String::from("id,name,organization_id\n");
    let mut phones = String::from("id,location_id,number\n");
    for number in 0..1_000 {
        services.push_str(&format!("{number},S,o\n"));
        places.push_str(&format!("{number},{number},l\n"));
        phones.push_str(&format!("{number},l,1\n"));
    }
    let texts = [
        ("organizations", "id,name\no,O\n"),
        ("services", &services),
        ("service_at_location", &places),
        ("locations", "id,name\nl,L\n"),
        ("phones", &phones),
    ];
    let tables: Vec<Table> = texts
        .iter()
        .map(|(name, text)| Table::from_csv(name, text.as_bytes(), 1).unwrap())
        .collect();
    let source = package::read_package(&tables);
    assert!(
        source
            .notes
            .iter()
            .any(|note| note.contains(&PACKAGE_ENTITIES_MAX.to_string())),
        "{:?}",
        source.notes
    );

    let many = vec![tables[0].clone(); TABLES_MAX + 1];
    let source = package::read_package(&many);
    assert!(
        source
            .notes
            .iter()
            .any(|note| note.contains(&TABLES_MAX.to_string()))
    );
}

#[test]
fn one_of_several_organisations_is_named_or_all_are_published() {
    let page = json!({"contents": [
        {"id": "1", "name": "One", "organization": {"id": "a", "name": "Acorn", "website": "https://a.example"}},
        {"id": "2", "name": "Two", "organization": {"id": "b", "name": "Beech"}},
        {"id": "3", "name": "Three", "organization_id": "c"},
    ]});
    let read = || {
        read_json("page", &serde_json::to_vec(&page).unwrap())
            .unwrap()
            .unwrap()
    };
    let error = choose(read(), Whose::Only, &importer()).unwrap_err();
    assert!(
        error.to_string().contains("Acorn (1), Beech (1)"),
        "{error}"
    );
    let error = choose(read(), Whose::Named("Cedar"), &importer()).unwrap_err();
    assert!(matches!(error, ChooseError::Unknown { .. }));

    let chosen = choose(read(), Whose::Named("beech"), &importer()).unwrap();
    assert_eq!(chosen.listing["name"], "Beech");
    assert_eq!(chosen.listing["services"].as_array().unwrap().len(), 1);
    assert_eq!(
        chosen.notes,
        ["2 services of other organisations were passed over."]
    );

    let chosen = choose(read(), Whose::Publisher, &importer()).unwrap();
    assert_eq!(chosen.listing["name"], "Publisher");
    let services = &chosen.listing["services"];
    assert_eq!(
        services[0]["x_original_organization"]["website"],
        "https://a.example"
    );
    assert_eq!(services[2]["x_original_organization"], json!({"id": "c"}));
    assert_eq!(services[2]["organization_id"], importer()["id"]);
    assert!(
        chosen
            .notes
            .iter()
            .any(|note| note.starts_with("1 of 3 services name an organisation"))
    );
}

#[test]
fn what_would_spoil_the_whole_import_is_left_out_with_its_row() {
    let long = "x".repeat(NAME_MAX_BYTES + 1);
    let page = json!([
        {"id": "1", "name": "One", "phones": [{"description": "no number"}], "organization": {"id": "a", "name": "Acorn"}},
        {"id": "1", "name": "Again", "organization": {"id": "a", "name": "Acorn"}},
        {"id": "2", "name": long, "organization": {"id": "a", "name": "Acorn"}},
        {"id": "3", "name": " ", "organization": {"id": "a", "name": "Acorn"}},
        {"name": "No id", "organization": {"id": "a", "name": "Acorn"}},
        {"id": "4", "name": "Four", "description": "x".repeat(TEXT_MAX_BYTES), "organization": {"id": "a", "name": "Acorn"}},
    ]);
    let source = read_json("page", &serde_json::to_vec(&page).unwrap())
        .unwrap()
        .unwrap();
    let chosen = choose(source, Whose::Only, &importer()).unwrap();
    let rows: Vec<usize> = chosen
        .left_out
        .iter()
        .map(|left_out| left_out.row)
        .collect();
    assert_eq!(rows, [1, 2, 3, 4, 5]);
    assert_eq!(chosen.left_out[0].column.as_deref(), Some("phone"));
    assert_eq!(chosen.listing["services"].as_array().unwrap().len(), 2);
    assert!(read_json("x", b"[]").unwrap().is_none());
    assert!(read_json("x", b"{\"a\": 1}").unwrap().is_none());
    assert!(read_json("x", b"{\"a\": 1").is_err());
}

/// Real data that lie beside a working copy of the project; a clean clone does not have them.
fn shared(path: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../shared")
        .join(path);
    if path.exists() {
        return Some(path);
    }
    writeln!(std::io::stderr(), "skipped: {} is not here", path.display()).unwrap();
    None
}

fn package_in(folder: &Path) -> Vec<Table> {
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    let read = |path: PathBuf| {
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        Table::from_csv(&name, &std::fs::read(&path).unwrap(), 1).unwrap()
    };
    paths.into_iter().map(read).collect()
}

#[test]
fn a_publishers_imperfect_package_of_version_1_is_read() {
    let Some(folder) = shared("data/ilao-hsds1/hsds") else {
        return;
    };
    let source = package::read_package(&package_in(&folder));
    assert_eq!(
        (source.organizations.len(), source.services.len()),
        (33, 429)
    );
    // The one service without an id, and what belongs to organisations that are not there.
    let without_id = source
        .left_out
        .iter()
        .find(|left_out| left_out.table == "services")
        .unwrap();
    assert!(without_id.reason.contains("no id"), "{without_id:?}");
    let absent = source
        .services
        .iter()
        .filter(|found| matches!(found.of, Of::Absent(_)))
        .count();
    assert_eq!(absent, 340);
    assert!(matches!(
        choose(source.clone(), Whose::Only, &importer()),
        Err(ChooseError::Several(_))
    ));
    let chosen = choose(source.clone(), Whose::Publisher, &importer()).unwrap();
    assert!(
        chosen
            .notes
            .iter()
            .any(|note| note.starts_with("340 of 429 services")),
        "{:?}",
        chosen.notes
    );
    let listing = listing_of(source, Whose::Publisher);
    assert_eq!(listing.services.len(), 429);
    let of = listing
        .services
        .iter()
        .filter(|service| service.extra.contains_key(ORIGINAL_ORGANIZATION))
        .count();
    assert_eq!(of, 429);
}

#[test]
fn every_envelope_of_the_standards_is_read() {
    let Some(folder) = shared("hsds") else { return };
    for (folder_name, files) in [
        (
            "hsds-3.2.3/examples",
            &[
                "organization_full",
                "service_full",
                "service_list",
                "tabular",
                "service_at_location_full",
                "service_at_location_list",
                "organization_list",
            ][..],
        ),
        (
            "oruk-3.0/examples",
            &[
                "organization_full",
                "service_full",
                "service_list",
                "service_at_location_full",
                "organization_list",
            ],
        ),
        (
            "oruk-3.0-mocks/Default",
            &[
                "organization",
                "service_full",
                "service_list",
                "service_at_location_full",
            ],
        ),
        ("oruk-3.0-mocks/Test", &["service_list"]),
        (
            "live-sample-bristol",
            &["bristol-service-1625ip", "bristol-services-page1"],
        ),
    ] {
        for file in files {
            let path = folder.join(folder_name).join(format!("{file}.json"));
            let bytes = std::fs::read(&path).unwrap();
            let source = read_json(file, &bytes)
                .unwrap()
                .unwrap_or_else(|| panic!("{folder_name}/{file}"));
            let count = source.services.len();
            assert_eq!(
                count == 0,
                *file == "organization_list",
                "{folder_name}/{file}: {count}"
            );
            let listing = listing_of(source.clone(), Whose::Publisher);
            assert_eq!(listing_of(source, Whose::Publisher), listing, "{file}");
            assert!(listing.services.len() <= count);
        }
    }
    for package in ["hsds-3.2.3/examples/csv", "oruk-3.0-profile/examples-csv"] {
        let source = package::read_package(&package_in(&folder.join(package)));
        assert_eq!(
            (source.organizations.len(), source.services.len()),
            (1, 1),
            "{package}"
        );
        let service = &source.services[0].service;
        assert!(
            service.contains_key("schedules") || service.contains_key("service_at_locations"),
            "{service:?}"
        );
        listing_of(source, Whose::Only);
    }
}
