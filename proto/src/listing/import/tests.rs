use std::io::Write as _;
use std::path::Path;

use serde_json::json;

use super::*;
use crate::json::Place;
use crate::limits::STATE_MAX_BYTES;
use crate::listing::merge::apply_import;
use crate::listing::shards::assign;
use crate::listing::state::Listing;

fn id(number: u8) -> String {
    uuid::Uuid::from_bytes([number; 16]).to_string()
}

fn file() -> Value {
    json!({
        "id": id(1), "name": "Acorn",
        "services": [
            {"id": id(2), "name": "Counselling", "schedules": [{"id": id(4), "opens_at": "09:00"}]},
            {"id": id(3), "name": "Advice"},
        ],
    })
}

fn pretty(value: &Value) -> Vec<u8> {
    serde_json::to_vec_pretty(value).unwrap()
}

fn refused(bytes: &[u8]) -> (ImportProblem, Place, ImportError) {
    let error = parse_import(bytes).unwrap_err();
    let place = error.place.clone().unwrap_or_default();
    assert!(!error.hint.is_empty());
    (error.problem, place, error)
}

#[test]
fn an_organisation_with_services_is_taken_whole() {
    let import = parse_import(&pretty(&file())).unwrap();
    assert_eq!(import.organization.name, "Acorn");
    assert_eq!(import.services.len(), 2);
    assert!(!import.organization_in_passing && import.notes.is_empty());
    // The same with a byte order mark, and with a copy of the organisation inside a service.
    let mut copy = file();
    copy["services"][0]["organization"] = json!({"id": id(1), "name": "Acorn"});
    let bytes = [b"\xef\xbb\xbf".as_slice(), &pretty(&copy)].concat();
    assert_eq!(parse_import(&bytes).unwrap(), import);
}

#[test]
fn a_page_an_array_and_a_single_service_are_taken() {
    let service = |number: u8, organization: Value| json!({"id": id(number), "name": "A", "organization": organization});
    let first = service(2, json!({"id": id(1), "name": "Acorn"}));
    let second = service(
        3,
        json!({"id": id(1), "name": "Acorn", "email": "a@example.org"}),
    );
    let page = json!({"total_pages": 2, "contents": [first, second]});
    let import = parse_import(&pretty(&page)).unwrap();
    assert_eq!(import.services.len(), 2);
    assert_eq!(import.organization.email.as_deref(), Some("a@example.org"));
    assert!(import.organization_in_passing);
    assert_eq!(import.notes.len(), 1);
    assert!(parse_import(&pretty(&json!([first]))).is_ok());
    assert_eq!(parse_import(&pretty(&first)).unwrap().services.len(), 1);

    let mixed = json!({"contents": [first, service(3, json!({"id": id(9), "name": "Beech"}))]});
    let (problem, place, _) = refused(&pretty(&mixed));
    assert_eq!(problem, ImportProblem::SeveralOrganizations);
    assert_eq!(place.path, "contents[1].organization");
    let bare = json!([{"id": id(2), "name": "A"}]);
    let (problem, place, _) = refused(&pretty(&bare));
    assert_eq!(
        (problem, place.path.as_str()),
        (ImportProblem::MissingField, "[0].organization")
    );
}

#[test]
fn a_truncated_file_and_one_that_is_not_json_are_refused_with_the_line() {
    let bytes = pretty(&file());
    for length in 1..bytes.len() {
        let (problem, ..) = refused(&bytes[..length]);
        assert_eq!(
            problem,
            ImportProblem::Truncated,
            "cut after {length} bytes"
        );
    }
    let (problem, place, _) = refused(b"{\n \"id\": \"x\"\n \"name\": \"y\"}");
    assert_eq!((problem, place.line), (ImportProblem::NotJson, 3));
    assert_eq!(refused(b"{\"id\": \"\xff\"}").0, ImportProblem::NotJson);
    assert_eq!(refused(b"hello").0, ImportProblem::NotJson);
    assert_eq!(refused(b"\xff\xfe{\0").0, ImportProblem::NotJson);
}

#[test]
fn other_standards_are_named() {
    for (bytes, word) in [
        (b"PK\x03\x04rest".as_slice(), "XLSX"),
        (b"%PDF-1.7", "PDF"),
        (b"\n <!doctype html>", "HTML"),
        (b"id,name,description\n1,a,b\n", "CSV"),
        (
            b"{\"totalElements\": 1, \"content\": []}",
            "Open Referral UK 1",
        ),
        (
            b"{\"@context\": \"https://schema.org\", \"@type\": \"NGO\"}",
            "schema.org",
        ),
        (
            b"{\"type\": \"FeatureCollection\", \"features\": []}",
            "GeoJSON",
        ),
        (
            b"{\"version\": \"HSDS-UK-3.0\", \"openapi_url\": \"https://example.org\"}",
            "interface",
        ),
        (b"{\"resourceType\": \"HealthcareService\"}", "FHIR"),
    ] {
        let (problem, _, error) = refused(bytes);
        assert_eq!(problem, ImportProblem::OtherStandard, "{error}");
        assert!(error.message.contains(word), "{error}");
    }
}

#[test]
fn files_without_services_are_refused() {
    assert_eq!(refused(b"").0, ImportProblem::Empty);
    assert_eq!(refused(b" \n").0, ImportProblem::Empty);
    assert_eq!(refused(b"[]").0, ImportProblem::NoServices);
    assert_eq!(refused(b"{\"contents\": []}").0, ImportProblem::NoServices);
    assert_eq!(
        refused(b"{\"id\": \"x\", \"name\": \"y\"}").0,
        ImportProblem::NoServices
    );
    assert_eq!(refused(b"{\"services\": {}}").0, ImportProblem::WrongType);
    // An organisation with no services yet is a listing.
    let empty = json!({"id": id(1), "name": "Acorn", "services": []});
    assert!(parse_import(&pretty(&empty)).is_ok());
}

#[test]
fn a_duplicate_id_is_shown_where_it_stands_the_second_time() {
    let mut twice = file();
    twice["services"][0]["id"] = json!(id(0xab));
    twice["services"][1]["id"] = json!(id(0xab).to_uppercase());
    let bytes = pretty(&twice);
    let (problem, place, error) = refused(&bytes);
    assert_eq!(
        (problem, place.path.as_str()),
        (ImportProblem::DuplicateId, "services[1]")
    );
    let text = String::from_utf8(bytes).unwrap();
    let second = text.find(&id(0xab).to_uppercase()).unwrap();
    let line = text[..second].lines().count();
    // The object begins on the line before its id.
    assert_eq!(place.line + 1, line, "{error}");
    let mut inner = file();
    inner["services"][0]["schedules"] = json!([{"id": id(4)}, {"id": id(4)}]);
    let (problem, place, _) = refused(&pretty(&inner));
    assert_eq!(problem, ImportProblem::DuplicateId);
    assert_eq!(place.path, "services[0].schedules[1]");
}

#[test]
fn a_field_of_the_wrong_type_is_named() {
    for (field, value, path) in [
        ("minimum_age", json!("eighteen"), "services[1].minimum_age"),
        ("name", json!(7), "services[1].name"),
        ("phones", json!("0161"), "services[1].phones"),
        (
            "phones",
            json!([{"number": 1}]),
            "services[1].phones[0].number",
        ),
        ("phones", json!(["0161"]), "services[1].phones[0]"),
        ("id", json!([]), "services[1].id"),
        ("program", json!("text"), "services[1].program"),
    ] {
        let mut wrong = file();
        wrong["services"][1][field] = value;
        let (problem, place, error) = refused(&pretty(&wrong));
        assert_eq!(problem, ImportProblem::WrongType, "{error}");
        assert_eq!(place.path, path, "{error}");
        assert!(place.line > 8, "{error}");
    }
    let mut schedule = file();
    schedule["services"][0]["schedules"][0]["opens_at"] = json!(9);
    let (_, place, error) = refused(&pretty(&schedule));
    assert_eq!(place.path, "services[0].schedules[0].opens_at");
    assert!(error.message.contains("belongs here"), "{error}");
    assert_eq!(refused(b"{\"services\": [1]}").0, ImportProblem::WrongType);
}

#[test]
fn names_and_ids_must_be_there() {
    let mut nameless = file();
    nameless["services"][1]
        .as_object_mut()
        .unwrap()
        .remove("name");
    let (problem, place, _) = refused(&pretty(&nameless));
    assert_eq!(
        (problem, place.path.as_str()),
        (ImportProblem::MissingField, "services[1].name")
    );
    nameless["services"][1]["name"] = json!(null);
    assert_eq!(refused(&pretty(&nameless)).0, ImportProblem::MissingField);
    nameless["services"][1]["name"] = json!(" ");
    assert_eq!(refused(&pretty(&nameless)).0, ImportProblem::MissingField);

    let mut without_id = file();
    without_id["services"][0]
        .as_object_mut()
        .unwrap()
        .remove("id");
    let (problem, place, _) = refused(&pretty(&without_id));
    assert_eq!(
        (problem, place.path.as_str()),
        (ImportProblem::MissingField, "services[0].id")
    );
    let mut without_id = file();
    without_id.as_object_mut().unwrap().remove("id");
    let (problem, place, _) = refused(&pretty(&without_id));
    assert_eq!(
        (problem, place.path.as_str()),
        (ImportProblem::MissingField, "id")
    );
}

#[test]
fn a_file_over_each_limit_is_refused() {
    let mut long = file();
    long["services"][1]["description"] = json!("x".repeat(10 * 1024 * 1024));
    let (problem, place, _) = refused(&pretty(&long));
    assert_eq!(
        (problem, place.path.as_str()),
        (ImportProblem::TextTooLong, "services[1].description")
    );
    let mut long = file();
    long["name"] = json!("x".repeat(NAME_MAX_BYTES + 1));
    let (problem, place, _) = refused(&pretty(&long));
    assert_eq!(
        (problem, place.path.as_str()),
        (ImportProblem::TextTooLong, "name")
    );

    let mut deep = file();
    deep["x_deep"] = (0..JSON_MAX_DEPTH).fold(json!(1), |inner, _| json!([inner]));
    assert_eq!(refused(&pretty(&deep)).0, ImportProblem::TooDeep);
    // Deep enough to exhaust a stack, were it parsed.
    let brackets = "[".repeat(1_000_000);
    assert_eq!(refused(brackets.as_bytes()).0, ImportProblem::TooDeep);
    let large = vec![b' '; IMPORT_MAX_BYTES + 1];
    assert_eq!(refused(&large).0, ImportProblem::TooLarge);
}

#[test]
fn ids_that_are_not_uuids_are_replaced_and_references_follow() {
    let value = json!({
        "id": "acorn", "name": "Acorn",
        "services": [
            {"id": 17, "name": "A", "organization_id": "acorn",
             "attributes": [{"id": "a1", "link_id": 17, "taxonomy_term": {"id": "esd:1", "name": "t", "parent_id": "esd:0"}}]},
            {"id": id(5).to_uppercase(), "name": "B", "x_parent_service": "17"},
        ],
    });
    let import = parse_import(&pretty(&value)).unwrap();
    assert_eq!(parse_import(&pretty(&value)).unwrap(), import);
    assert_eq!(import.notes.len(), 1);
    assert_eq!(import.organization.extra["x_original_id"], "acorn");
    let service = import
        .services
        .iter()
        .find(|service| service.name == "A")
        .unwrap();
    let strand = import
        .services
        .iter()
        .find(|service| service.name == "B")
        .unwrap();
    assert_eq!(strand.id, id(5));
    assert!(!strand.extra.contains_key("x_original_id"));
    assert_eq!(strand.extra["x_parent_service"], service.id.as_str());
    assert_eq!(
        service.organization_id.as_ref(),
        Some(&import.organization.id)
    );
    let attribute = service.attributes.iter().next().unwrap();
    assert_eq!(attribute.link_id.as_ref(), Some(&service.id));
    // A term has the same id in every organisation's listing; a service of another does not.
    let mut other = value.clone();
    other["id"] = json!("beech");
    let other = parse_import(&pretty(&other)).unwrap();
    let namesake = other
        .services
        .iter()
        .find(|service| service.name == "A")
        .unwrap();
    assert_ne!(namesake.id, service.id);
    let term = |service: &Service| {
        service
            .attributes
            .iter()
            .next()
            .unwrap()
            .taxonomy_term
            .clone()
            .unwrap()
    };
    assert_eq!(term(namesake), term(service));
}

#[test]
fn entries_without_id_get_the_same_one_every_time() {
    let mut value = file();
    value["services"][0]["contacts"] =
        json!([{"id": id(6), "phones": [{"number": "1"}, {"number": "2"}, {"number": "1"}]}]);
    let phones = |value: &Value| {
        let import = parse_import(&pretty(value)).unwrap();
        let contacts = import.services.get(&id(2)).unwrap().contacts.clone();
        contacts.get(&id(6)).unwrap().phones.clone()
    };
    let first = phones(&value);
    assert_eq!(first.len(), 3);
    assert_eq!(phones(&value), first);
    // The order in the file does not matter.
    value["services"][0]["contacts"][0]["phones"] =
        json!([{"number": "2"}, {"number": "1"}, {"number": "1"}]);
    assert_eq!(phones(&value), first);
}

/// Real files that lie beside a working copy of the project; a clean clone does not have them.
fn shared(path: &str) -> Option<std::path::PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../shared")
        .join(path);
    if path.exists() {
        return Some(path);
    }
    // Past the test harness, which would swallow it: nobody should take this for a test that ran.
    writeln!(std::io::stderr(), "skipped: {} is not here", path.display()).unwrap();
    None
}

#[test]
fn all_real_listings_import_and_five_need_more_than_one_shard_for_their_size() {
    let Some(folder) = shared("data/moj-oruk") else {
        return;
    };
    let (mut files, mut entries, mut over) = (0, 0, Vec::new());
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        let bytes = std::fs::read(&path).unwrap();
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let import = parse_import(&bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(import.notes.is_empty(), "{name}: {:?}", import.notes);
        files += 1;
        entries += import.services.len();
        let (listing, changes) = apply_import(None, &import, false);
        assert_eq!(changes.added.len(), import.services.len());
        assert!(apply_import(Some(&listing), &import, true).1.is_empty());

        // Nothing is lost on the way: not a field, not a letter.
        let mut original: Value = serde_json::from_slice(&bytes).unwrap();
        sort_entities(&mut original);
        let mut export = listing.to_export().unwrap();
        sort_entities(&mut export);
        assert_eq!(export, original, "{name}");

        let states = assign(&listing, &std::collections::BTreeMap::new()).unwrap();
        assert_eq!(Listing::from_shards(states.values()).unwrap(), listing);
        if crate::json::to_bytes(&listing.to_export().unwrap())
            .unwrap()
            .len()
            > STATE_MAX_BYTES
        {
            assert!(states.len() > 1, "{name}");
            over.push(name);
        }
    }
    over.sort();
    assert_eq!((files, entries), (46, 3226));
    assert_eq!(
        over,
        [
            "CATCH_22_CHARITY_LTD",
            "CHANGING_LIVES",
            "INGEUS_UK_LIMITED",
            "ST_GILES_WISE_GRP",
            "THE_FORWARD_TRUST"
        ]
    );
}

fn sort_entities(value: &mut Value) {
    match value {
        Value::Array(items) => {
            items.iter_mut().for_each(sort_entities);
            if items.iter().all(|item| item.get("id").is_some()) {
                items.sort_by_key(|item| item["id"].to_string());
            }
        }
        Value::Object(fields) => fields.values_mut().for_each(sort_entities),
        _ => {}
    }
}

#[test]
fn real_feeds_and_the_standards_own_examples_import() {
    let Some(folder) = shared("hsds") else { return };
    let read = |path: &str| std::fs::read(folder.join(path)).unwrap();
    let bristol = parse_import(&read("live-sample-bristol/bristol-service-1625ip.json")).unwrap();
    let service = bristol.services.iter().next().unwrap();
    assert_eq!(service.minimum_age, Some((-1).into()));
    assert_eq!(service.extra["pc_targetAudience"][1]["id"], "80425");
    assert_eq!(service.contacts.iter().next().unwrap().phones.len(), 2);
    assert_eq!(bristol.notes.len(), 1);
    let page = parse_import(&read("live-sample-bristol/bristol-services-page1.json")).unwrap_err();
    assert_eq!(page.problem, ImportProblem::SeveralOrganizations);
    for example in ["oruk-3.0/examples", "hsds-3.2.3/examples"] {
        let full = parse_import(&read(&format!("{example}/organization_full.json"))).unwrap();
        assert_eq!(full.services.len(), 1);
        let known = |extra: &serde_json::Map<String, Value>| assert!(extra.is_empty(), "{extra:?}");
        known(&full.organization.extra);
        known(&full.services.iter().next().unwrap().extra);
        assert!(parse_import(&read(&format!("{example}/service_full.json"))).is_ok());
    }
}
