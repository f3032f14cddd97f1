use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::documents::three_way::entity_ids;
use crate::listing::arbitrary;

const ACTOR: [u8; 16] = [1; 16];

fn note() -> ChangeNote {
    ChangeNote::default()
}

/// A document that has said these one after the other.
fn said(versions: &[&Value]) -> OwnDocument {
    let mut document = OwnDocument::new(&ACTOR);
    for (time_s, version) in (1..).zip(versions) {
        document.update(version, &note(), time_s).unwrap();
    }
    document
}

fn with_services(services: Value) -> Value {
    json!({"format": 1, "kind": "listing", "shard": 0, "services": services})
}

#[test]
fn what_was_never_known_here_is_taken_in_and_nothing_goes() {
    let mut document = said(&[
        &with_services(json!([{"id": "a", "name": "one"}, {"id": "gone", "name": "one"}])),
        &with_services(json!([{"id": "a", "name": "two"}, {"id": "b", "name": "one"}])),
    ]);
    let lost = with_services(json!([
        {"id": "a", "name": "one", "email": "a@example.org"},
        {"id": "gone", "name": "one"},
        {"id": "c", "name": "one"},
    ]));
    assert!(document.take_in(&lost, &note(), 3).unwrap());
    let all = with_services(json!([
        // Its former name is known here, and was changed since.
        {"id": "a", "name": "two", "email": "a@example.org"},
        {"id": "b", "name": "one"},
        {"id": "c", "name": "one"},
    ]));
    assert_eq!(document.value().unwrap(), all);
    assert!(!document.take_in(&lost, &note(), 4).unwrap());
}

#[test]
fn a_value_that_this_document_never_had_is_taken() {
    let ours = with_services(json!([{"id": "a", "name": "ours"}]));
    let theirs = with_services(json!([{"id": "a", "name": "theirs"}]));
    let mut document = said(&[&ours]);
    let before = document.heads();
    assert!(document.take_in(&theirs, &note(), 3).unwrap());
    assert_eq!(document.value().unwrap(), theirs);
    assert_eq!(document.value_at(&before).unwrap(), ours);
    assert!(!document.take_in(&ours, &note(), 4).unwrap());
}

#[test]
fn what_was_erased_does_not_come_back() {
    let both = with_services(json!([{"id": "a", "name": "one"}, {"id": "b", "name": "one"}]));
    let mut document = said(&[&both]);
    document.begin_anew(&["b".to_owned()], &note(), 2).unwrap();
    assert!(!document.take_in(&both, &note(), 3).unwrap());
    assert!(document.take_in(&json!([]), &note(), 3).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn nothing_of_either_is_lost_and_once_is_enough(
        before in arbitrary::shard_value(), ours in arbitrary::shard_value(), theirs in arbitrary::shard_value(),
    ) {
        let ids = |value: &Value| entity_ids(&fold(value.as_object().unwrap()));
        let mut document = said(&[&before, &ours]);
        document.take_in(&theirs, &note(), 3).unwrap();
        let after = document.value().unwrap();
        let here = ids(&after);
        prop_assert!(ids(&ours).is_subset(&here));
        let was_known = ids(&before);
        for id in ids(&theirs) {
            prop_assert!(here.contains(&id) || was_known.contains(&id), "{id} is lost");
        }
        prop_assert!(!document.take_in(&theirs, &note(), 4).unwrap());
        prop_assert!(!document.take_in(&ours, &note(), 5).unwrap());
        prop_assert_eq!(document.value().unwrap(), after);
    }

    #[test]
    fn what_it_said_once_brings_nothing(before in arbitrary::shard_value(), ours in arbitrary::shard_value()) {
        let mut document = said(&[&before, &ours]);
        prop_assert!(!document.take_in(&before, &note(), 3).unwrap());
        prop_assert_eq!(document.value().unwrap(), ours);
    }
}
