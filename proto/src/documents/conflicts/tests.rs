use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::listing::arbitrary;

fn note(who: &str) -> ChangeNote {
    ChangeNote {
        who: who.to_owned(),
        ..ChangeNote::default()
    }
}

/// Two nodes that start alike, write something each, and meet.
fn met(start: &Value, left: &Value, right: &Value) -> [OwnDocument; 2] {
    let mut one = OwnDocument::new(&[1; 16]);
    one.update(start, &note("both"), 1).unwrap();
    let mut two = OwnDocument::load(&one.save(), &[2; 16]).unwrap();
    one.update(left, &note("left"), 2).unwrap();
    two.update(right, &note("right"), 3).unwrap();
    one.merge(&mut two, &note("node"), 4).unwrap();
    two.merge(&mut one, &note("node"), 4).unwrap();
    [one, two]
}

fn shard(services: Value) -> Value {
    json!({"format": 1, "kind": "listing", "shard": 0, "services": services})
}

#[test]
fn a_conflict_names_place_values_and_writers_and_is_resolved_once_for_all() {
    let start = shard(json!([{"id": "s", "name": "n"}, {"id": "t", "name": "n"}]));
    let left = shard(
        json!([{"id": "s", "name": "one", "phones": [{"id": "p", "number": "1"}]}, {"id": "t", "name": "n"}]),
    );
    let right = shard(
        json!([{"id": "s", "name": "two", "phones": [{"id": "p", "number": "2"}]}, {"id": "t", "name": "other"}]),
    );
    let [mut one, mut two] = met(&start, &left, &right);
    let conflicts = one.conflicts().unwrap();
    assert_eq!(conflicts, two.conflicts().unwrap());
    let paths: Vec<String> = conflicts.iter().map(|it| it.path.join("/")).collect();
    assert_eq!(
        paths,
        ["services/s/name", "services/s/phones/p/number"],
        "what one alone wrote is none"
    );
    let name = &conflicts[0];
    let mut told: Vec<(String, i64, Value)> = name
        .values
        .iter()
        .map(|it| (it.who.clone(), it.time_s, it.value.clone()))
        .collect();
    let shown = one.value().unwrap()["services"][0]["name"].clone();
    assert_eq!(told[0].2, shown);
    told.sort_by_key(|(_, time_s, _)| *time_s);
    assert_eq!(
        told,
        [
            ("left".to_owned(), 2, json!("one")),
            ("right".to_owned(), 3, json!("two"))
        ]
    );
    for (conflict, wanted) in [(name, "two"), (&conflicts[1], "1")] {
        let index = conflict
            .values
            .iter()
            .position(|it| it.value == json!(wanted))
            .unwrap();
        one.resolve(conflict, index, &note("chooser"), 5).unwrap();
    }
    assert_eq!(one.conflicts().unwrap(), []);
    two.merge(&mut one, &note("node"), 6).unwrap();
    assert_eq!(two.conflicts().unwrap(), []);
    let value = two.value().unwrap();
    assert_eq!(value["services"][0]["name"], json!("two"));
    assert_eq!(value["services"][0]["phones"][0]["number"], json!("1"));
    assert!(matches!(
        two.resolve(name, 0, &note("late"), 7),
        Err(DocumentError::NoSuchConflict)
    ));
}

#[test]
fn an_entity_that_both_made_keeps_what_either_says() {
    let start = shard(json!([]));
    let left = shard(json!([{"id": "s", "name": "one", "email": "a@example.org"}]));
    let right = shard(json!([{"id": "s", "name": "two", "url": "https://example.org"}]));
    let [mut one, _] = met(&start, &left, &right);
    for (field, values) in [
        ("email", vec![json!("a@example.org"), Value::Null]),
        ("name", vec![json!("one"), json!("two")]),
        ("url", vec![json!("https://example.org"), Value::Null]),
    ] {
        let conflicts = one.conflicts().unwrap();
        let path = vec!["services".to_owned(), "s".to_owned(), field.to_owned()];
        let Some(conflict) = conflicts.iter().find(|it| it.path == path) else {
            // What only the one wrote whose entity is read is simply shown.
            assert_eq!(one.value().unwrap()["services"][0][field], values[0]);
            continue;
        };
        let index = conflict
            .values
            .iter()
            .position(|it| it.value == values[0])
            .unwrap();
        assert!(
            values
                .iter()
                .all(|value| conflict.values.iter().any(|it| it.value == *value))
        );
        one.resolve(conflict, index, &note("chooser"), 5).unwrap();
    }
    assert_eq!(one.conflicts().unwrap(), []);
    assert_eq!(
        one.value().unwrap(),
        shard(
            json!([{"id": "s", "name": "one", "email": "a@example.org", "url": "https://example.org"}])
        )
    );
}

#[test]
fn a_change_wins_over_a_removal_and_a_removal_over_nothing() {
    let start = shard(json!([{"id": "s", "name": "n"}, {"id": "t", "name": "n"}]));
    let changed = shard(json!([{"id": "s", "name": "changed"}, {"id": "t", "name": "n"}]));
    let removed = shard(json!([]));
    for (left, right) in [(&changed, &removed), (&removed, &changed)] {
        let [one, two] = met(&start, left, right);
        let expected = shard(json!([{"id": "s", "name": "changed"}]));
        assert_eq!(one.value().unwrap(), expected);
        assert_eq!(two.value().unwrap(), expected);
    }
}

#[test]
fn places_in_networks_that_two_nodes_took_at_once_are_merged() {
    let card =
        |networks: Value| json!({"format": 1, "kind": "card", "name": "n", "networks": networks});
    let start = card(json!({"net": {"epoch": 1}}));
    let left = card(json!({"net": {"epoch": 1, "given": {"a": {"certificate": "x"}}}}));
    let right = card(
        json!({"net": {"epoch": 1, "given": {"b": {"certificate": "y"}}}, "other": {"epoch": 1}}),
    );
    let [mut one, _] = met(&start, &left, &right);
    assert_eq!(
        one.value().unwrap(),
        card(
            json!({"net": {"epoch": 1, "given": {"a": {"certificate": "x"}, "b": {"certificate": "y"}}}, "other": {"epoch": 1}})
        )
    );
    assert_eq!(one.conflicts().unwrap(), []);
}

/// Whether `merged`, with the values of its conflicts, has every field of every service of `side` that differs
/// from `start`.
fn has_all(side: &Value, start: &Value, merged: &Value, conflicts: &[Conflict]) -> bool {
    let by_id = |listing: &Value, id: &Value| {
        let services = listing["services"].as_array().cloned().unwrap_or_default();
        services.into_iter().find(|service| service["id"] == *id)
    };
    let services = side["services"].as_array().cloned().unwrap_or_default();
    services.iter().all(|service| {
        let before = by_id(start, &service["id"]);
        if before.as_ref() == Some(service) {
            return true;
        }
        let Some(after) = by_id(merged, &service["id"]) else {
            return false;
        };
        service.as_object().unwrap().iter().all(|(field, value)| {
            let same_before = before.as_ref().and_then(|it| it.get(field)) == Some(value);
            let kept = after.get(field) == Some(value) || value.is_array() || value.is_object();
            let told = conflicts.iter().any(|conflict| {
                conflict.path.len() == 3
                    && conflict.path[1] == service["id"]
                    && conflict.path[2] == *field
                    && conflict.values.iter().any(|it| it.value == *value)
            });
            same_before || kept || told
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Whatever two nodes write while apart, each value that one of them wrote is either shown or told
    /// of as one of a conflict's.
    #[test]
    fn nothing_that_anybody_wrote_is_lost(
        start in arbitrary::shard_value(),
        left in arbitrary::shard_value(),
        right in arbitrary::shard_value(),
    ) {
        let [mut one, mut two] = met(&start, &left, &right);
        let conflicts = one.conflicts().unwrap();
        prop_assert_eq!(&conflicts, &two.conflicts().unwrap());
        let merged = one.value().unwrap();
        prop_assert!(has_all(&left, &start, &merged, &conflicts));
        prop_assert!(has_all(&right, &start, &merged, &conflicts));
        // Each can be resolved in favour of either value.
        while let Some(conflict) = one.conflicts().unwrap().first().cloned() {
            let last = conflict.values.len() - 1;
            one.resolve(&conflict, last, &note("chooser"), 5).unwrap();
            prop_assert!(!one.conflicts().unwrap().iter().any(|it| it.path == conflict.path));
        }
    }
}

#[test]
fn a_document_never_has_more_heads_than_a_record_can_name() {
    let mut first = OwnDocument::new(&[0; 16]);
    first.update(&shard(json!([])), &note("first"), 1).unwrap();
    let start = first.save();
    for n in 1..=crate::limits::HEADS_MAX as u8 + 2 {
        let mut other = OwnDocument::load(&start, &[n; 16]).unwrap();
        let added = shard(json!([{"id": format!("s{n}"), "name": "n"}]));
        other.update(&added, &note("other"), 2).unwrap();
        first.merge(&mut other, &note("node"), 3).unwrap();
        assert!(first.heads().len() <= crate::limits::HEADS_MAX);
    }
    let services = first.value().unwrap()["services"].as_array().unwrap().len();
    assert_eq!(services, crate::limits::HEADS_MAX + 2);
}
