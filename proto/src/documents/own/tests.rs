use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::board::BoardState;
use crate::listing::arbitrary;
use crate::listing::state::ShardState;

const ONE: [u8; 16] = [1; 16];
const TWO: [u8; 16] = [2; 16];

fn note(what: &str) -> ChangeNote {
    ChangeNote {
        who: "Amina".to_owned(),
        what: what.to_owned(),
        operation: "op".to_owned(),
    }
}

fn shard(services: Value) -> Value {
    json!({"format": 1, "kind": "listing", "shard": 0, "services": services})
}

fn document(wire: &Value) -> OwnDocument {
    let mut document = OwnDocument::new(&ONE);
    document.update(wire, &note("made"), 1).unwrap();
    document
}

/// Two nodes with the same document.
fn siblings(wire: &Value) -> (OwnDocument, OwnDocument) {
    let mut one = document(wire);
    let two = OwnDocument::load(&one.save(), &TWO).unwrap();
    (one, two)
}

/// Lets two nodes meet, and insists that they then say the same.
fn meet(one: &mut OwnDocument, two: &mut OwnDocument) -> Value {
    one.merge(two, &note("merged"), 9).unwrap();
    two.merge(one, &note("merged"), 9).unwrap();
    assert_eq!(one.value().unwrap(), two.value().unwrap());
    assert_eq!(one.heads(), two.heads());
    one.value().unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_state_comes_through_types_and_automerge_with_every_field(wire in arbitrary::shard_value()) {
        let number = u16::try_from(wire["shard"].as_u64().unwrap()).unwrap();
        let typed = ShardState::parse(wire.to_string().as_bytes(), number).unwrap();
        let mut document = OwnDocument::new(&ONE);
        document.set(&typed, &note("set"), 5).unwrap();
        let mut document = OwnDocument::load(&document.save(), &TWO).unwrap();
        prop_assert_eq!(&document.value().unwrap(), &wire);
        let back: ShardState = document.get().unwrap();
        prop_assert_eq!(&back, &typed);
        prop_assert_eq!(&serde_json::from_slice::<Value>(&back.to_bytes().unwrap()).unwrap(), &wire);
        prop_assert!(!document.set(&back, &note("again"), 6).unwrap());
    }

    #[test]
    fn any_object_is_kept_and_changed_into_any_other_and_back(
        first in arbitrary::extra(), second in arbitrary::extra(),
    ) {
        let (first, second) = (Value::Object(first), Value::Object(second));
        let mut document = document(&first);
        prop_assert_eq!(&document.value().unwrap(), &first);
        let before = document.heads();
        let changed = document.update(&second, &note("changed"), 2).unwrap();
        prop_assert_eq!(changed, first != second);
        prop_assert_eq!(&document.value().unwrap(), &second);
        if !before.is_empty() {
            prop_assert_eq!(&document.value_at(&before).unwrap(), &first);
        }
        document.update(&first, &note("undone"), 3).unwrap();
        prop_assert_eq!(&document.value().unwrap(), &first);
    }

    #[test]
    fn a_listing_is_changed_into_any_other_and_back(
        first in arbitrary::shard_value(), second in arbitrary::shard_value(),
    ) {
        let mut document = document(&first);
        let before = document.heads();
        document.update(&second, &note("changed"), 2).unwrap();
        prop_assert_eq!(&document.value().unwrap(), &second);
        let old = document.value_at(&before).unwrap();
        prop_assert_eq!(&old, &first);
        document.update(&old, &note("undone"), 3).unwrap();
        prop_assert_eq!(&document.value().unwrap(), &first);
    }

    #[test]
    fn siblings_that_changed_anything_while_apart_agree_after_meeting(
        start in arbitrary::shard_value(),
        left in arbitrary::shard_value(),
        right in arbitrary::shard_value(),
        after in arbitrary::shard_value(),
    ) {
        let (mut one, mut two) = siblings(&start);
        one.update(&left, &note("left"), 2).unwrap();
        two.update(&right, &note("right"), 3).unwrap();
        let met = meet(&mut one, &mut two);
        // Saying what the merged document says changes nothing; conflicts are left to people.
        prop_assert!(!one.update(&met, &note("nothing"), 4).unwrap());
        one.update(&after, &note("after"), 5).unwrap();
        prop_assert_eq!(&one.value().unwrap(), &after);
    }
}

#[test]
fn services_and_phones_added_by_two_nodes_are_all_there() {
    let start = shard(json!([{"id": "s", "name": "n"}]));
    let (mut one, mut two) = siblings(&start);
    // Both add the service's first phone, and a service each.
    one.update(
        &shard(json!([{"id": "a", "name": "n"}, {"id": "s", "name": "n", "phones": [{"id": "p", "number": "1"}]}])),
        &note("one"),
        2,
    )
    .unwrap();
    two.update(
        &shard(json!([{"id": "b", "name": "n"}, {"id": "s", "name": "n", "phones": [{"id": "q", "number": "2"}]}])),
        &note("two"),
        3,
    )
    .unwrap();
    let met = meet(&mut one, &mut two);
    let expected = shard(json!([
        {"id": "a", "name": "n"},
        {"id": "b", "name": "n"},
        {"id": "s", "name": "n", "phones": [{"id": "p", "number": "1"}, {"id": "q", "number": "2"}]},
    ]));
    assert_eq!(met, expected);

    // Each phone can still be changed and removed, on whichever side it was added.
    let without = shard(json!([{"id": "s", "name": "n", "phones": [{"id": "p", "number": "3"}]}]));
    two.update(&without, &note("tidied"), 4).unwrap();
    assert_eq!(two.value().unwrap(), without);
    let without = shard(json!([{"id": "s", "name": "n", "phones": [{"id": "q", "number": "4"}]}]));
    one.update(&without, &note("tidied"), 4).unwrap();
    assert_eq!(one.value().unwrap(), without);
    let none = shard(json!([{"id": "s", "name": "n"}]));
    two.update(&none, &note("tidied"), 5).unwrap();
    assert_eq!(two.value().unwrap(), none);
}

#[test]
fn one_field_written_by_two_nodes_shows_the_same_value_on_both() {
    let (mut one, mut two) = siblings(&shard(json!([{"id": "s", "name": "n"}])));
    one.update(&shard(json!([{"id": "s", "name": "one"}])), &note("one"), 2)
        .unwrap();
    two.update(&shard(json!([{"id": "s", "name": "two"}])), &note("two"), 3)
        .unwrap();
    let met = meet(&mut one, &mut two);
    let shown = met["services"][0]["name"].as_str().unwrap().to_owned();
    assert!(["one", "two"].contains(&shown.as_str()));
}

#[test]
fn only_what_differs_is_written() {
    let services: Vec<Value> = (0..60)
        .map(|index| json!({"id": format!("s{index}"), "name": "n", "description": "d".repeat(3000)}))
        .collect();
    let mut wire = shard(json!(services));
    let mut document = document(&wire);
    let ops = |document: &mut OwnDocument| {
        let changes = document.doc.get_changes(&[]);
        changes.last().unwrap().len()
    };
    wire["services"][7]["name"] = json!("another");
    wire["services"][8]["phones"] = json!([{"id": "p", "number": "1"}]);
    assert!(document.update(&wire, &note("edit"), 2).unwrap());
    // The name; the collection, the phone and its number.
    assert_eq!(ops(&mut document), 4);
    wire["services"][8]["x_list"] = json!([1, 2, 3, 4, 5]);
    document.update(&wire, &note("list"), 3).unwrap();
    wire["services"][8]["x_list"] = json!([1, 2, 9, 4, 5]);
    document.update(&wire, &note("list"), 4).unwrap();
    assert_eq!(ops(&mut document), 2);
    assert!(!document.update(&wire, &note("nothing"), 5).unwrap());
}

#[test]
fn history_says_who_did_what_when_and_what_it_was_before() {
    let mut document = document(&shard(json!([{"id": "s", "name": "first"}])));
    let first = document.heads();
    document
        .update(
            &shard(json!([{"id": "s", "name": "second"}])),
            &note("renamed"),
            1_795_000_000,
        )
        .unwrap();
    let history = document.history();
    assert_eq!(history.len(), 2);
    let last = &history[1];
    assert_eq!(
        (
            last.who.as_str(),
            last.what.as_str(),
            last.operation.as_str(),
            last.time_s
        ),
        ("Amina", "renamed", "op", 1_795_000_000)
    );
    assert_eq!(last.heads_before, first);
    assert_eq!(last.heads_after, document.heads());
    assert_eq!(history[0].heads_before, Vec::<[u8; 32]>::new());
    assert_eq!(document.value_at(&[]).unwrap(), json!({}));
    assert!(matches!(
        document.value_at(&[[7; 32]]),
        Err(DocumentError::UnknownVersion(_))
    ));
}

#[test]
fn what_is_not_a_document_is_refused_and_changes_nothing() {
    let mut document = document(&json!({"kind": "board", "a": 1}));
    let heads = document.heads();
    assert!(matches!(
        document.update(&json!([1]), &note("wrong"), 2),
        Err(DocumentError::NotAnObject)
    ));
    assert_eq!(document.heads(), heads);
    assert!(document.get::<BoardState>().is_err());
    let mut bytes = document.save();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0xff;
    assert!(OwnDocument::load(&bytes, &TWO).is_err());
}
