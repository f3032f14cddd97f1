use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::listing::arbitrary;
use crate::listing::import::parse_import;

fn import(value: &Value) -> Import {
    parse_import(value.to_string().as_bytes()).unwrap()
}

fn id(number: u8) -> String {
    uuid::Uuid::from_bytes([number; 16]).to_string()
}

fn file() -> Value {
    json!({
        "id": id(1), "name": "Acorn", "description": "A charity",
        "services": [{"id": id(2), "name": "Counselling"}, {"id": id(3), "name": "Advice", "minimum_age": 16}],
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn importing_what_was_exported_changes_nothing(listing in arbitrary::listing()) {
        // References that were no UUIDs become some at the first import, so start from there.
        let first = import(&listing.to_export().unwrap());
        let (first, _) = apply_import(None, &first, false);
        let file = first.to_export().unwrap().to_string();
        let again = parse_import(file.as_bytes()).unwrap();
        for replace in [false, true] {
            let (second, changes) = apply_import(Some(&first), &again, replace);
            prop_assert!(changes.is_empty(), "{}", changes.summary());
            prop_assert_eq!(changes.unchanged, first.services.len());
            prop_assert_eq!(&second, &first);
        }
    }

    #[test]
    fn with_replace_the_listing_is_the_file(old in arbitrary::listing(), new in arbitrary::listing()) {
        let file = import(&new.to_export().unwrap());
        let (listing, changes) = apply_import(Some(&old), &file, true);
        prop_assert_eq!(&listing.services, &file.services);
        prop_assert_eq!(changes.removed.len(), old.services.len());
        let (kept, changes) = apply_import(Some(&old), &file, false);
        prop_assert_eq!(kept.services.len(), old.services.len() + file.services.len());
        prop_assert!(changes.removed.is_empty());
        prop_assert_eq!(&diff(&old, &kept), &changes);
    }
}

#[test]
fn an_import_updates_by_id_adds_and_removes_only_when_told() {
    let (first, changes) = apply_import(None, &import(&file()), false);
    assert_eq!(changes.added.len(), 2);
    assert_eq!(changes.organization_fields.len(), 3);
    assert!(!changes.other_organization());

    let mut edited = file();
    edited["description"] = json!("A small charity");
    edited["services"] = json!([
        {"id": id(3), "name": "Advice", "maximum_age": 25},
        {"id": id(4), "name": "Training"},
    ]);
    let (kept, changes) = apply_import(Some(&first), &import(&edited), false);
    assert_eq!(kept.services.len(), 3);
    assert_eq!(changes.added[0].name, "Training");
    assert_eq!(changes.changed[0].fields, ["maximum_age", "minimum_age"]);
    assert_eq!(changes.organization_fields[0].field, "description");
    assert_eq!(
        changes.summary(),
        "organisation: description; 1 service added; 1 service changed; 1 service as before"
    );
    let (replaced, changes) = apply_import(Some(&first), &import(&edited), true);
    assert_eq!(replaced.services.len(), 2);
    assert_eq!(changes.removed[0].name, "Counselling");
    let json = serde_json::to_value(&changes).unwrap();
    assert_eq!(json["changed"][0]["id"], id(3));
    assert_eq!(serde_json::from_value::<Changes>(json).unwrap(), changes);
}

#[test]
fn an_organisation_named_in_passing_loses_nothing() {
    let (first, _) = apply_import(None, &import(&file()), false);
    let page = json!({"contents": [
        {"id": id(2), "name": "Counselling", "organization": {"id": id(1), "name": "Acorn", "website": "https://example.org"}},
    ]});
    let (listing, changes) = apply_import(Some(&first), &import(&page), false);
    assert_eq!(
        listing.organization.description.as_deref(),
        Some("A charity")
    );
    assert_eq!(changes.organization_fields.len(), 1);
    assert_eq!(changes.organization_fields[0].field, "website");
    assert_eq!(changes.unchanged, 2);
}

#[test]
fn the_file_of_another_organisation_is_noticed() {
    let (first, _) = apply_import(None, &import(&file()), false);
    let mut other = file();
    other["id"] = json!(id(9));
    let (_, changes) = apply_import(Some(&first), &import(&other), false);
    assert!(changes.other_organization());
}
