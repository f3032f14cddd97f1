use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::limits::{JSON_MAX_DEPTH, STATE_MAX_BYTES, TEXT_MAX_BYTES};
use crate::listing::arbitrary;

fn shard(services: usize) -> Value {
    let services: Vec<Value> = (0..services)
        .map(|index| json!({"id": format!("s{index:03}"), "name": "Counselling"}))
        .collect();
    json!({"format": 1, "kind": "listing", "shard": 0,
           "organization": {"id": "o", "name": "Acorn"}, "services": services})
}

fn parse(value: &Value) -> Result<ShardState, StateError> {
    ShardState::parse(value.to_string().as_bytes(), 0)
}

fn refused(value: &Value) -> StateError {
    parse(value).unwrap_err()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn equal_states_are_equal_bytes_however_they_were_spelled(wire in arbitrary::shard_value()) {
        let number = u16::try_from(wire["shard"].as_u64().unwrap()).unwrap();
        let pretty = serde_json::to_vec_pretty(&wire).unwrap();
        let mut shuffled = wire.clone();
        shuffled["services"].as_array_mut().unwrap().reverse();
        shuffled["x_absent"] = Value::Null;
        let bytes = ShardState::parse(&pretty, number).unwrap().to_bytes().unwrap();
        let again = ShardState::parse(shuffled.to_string().as_bytes(), number).unwrap();
        prop_assert_eq!(&again.to_bytes().unwrap(), &bytes);
        prop_assert_eq!(serde_json::from_slice::<Value>(&bytes).unwrap(), wire);
    }

    #[test]
    fn bytes_with_one_thing_wrong_never_panic(
        wire in arbitrary::shard_value(), at in any::<prop::sample::Index>(), byte in any::<u8>(),
    ) {
        let mut bytes = wire.to_string().into_bytes();
        let at = at.index(bytes.len());
        let _ = ShardState::parse(&bytes[..at], 0);
        bytes[at] = byte;
        let _ = ShardState::parse(&bytes, 0);
    }
}

#[test]
fn a_state_over_each_limit_is_refused_for_that_limit() {
    assert!(parse(&shard(SERVICES_PER_SHARD_MAX)).is_ok());
    let error = refused(&shard(SERVICES_PER_SHARD_MAX + 1));
    assert!(
        matches!(
            error,
            StateError::TooMany {
                what: "services",
                count: 65,
                max: 64
            }
        ),
        "{error}"
    );

    let mut large = shard(0);
    large["x_pad"] = json!(vec!["x".repeat(TEXT_MAX_BYTES); 4]);
    let error = refused(&large);
    assert!(
        matches!(
            error,
            StateError::TooLarge {
                max: STATE_MAX_BYTES,
                ..
            }
        ),
        "{error}"
    );

    let mut long = shard(2);
    long["services"][1]["description"] = json!("x".repeat(TEXT_MAX_BYTES));
    assert!(parse(&long).is_ok());
    long["services"][1]["description"] = json!("x".repeat(TEXT_MAX_BYTES + 1));
    let StateError::TextTooLong { place, .. } = refused(&long) else {
        panic!("accepted a long text")
    };
    assert_eq!(place.path, "services[1].description");

    let mut name = shard(1);
    name["services"][0]["name"] = json!("x".repeat(NAME_MAX_BYTES));
    assert!(parse(&name).is_ok());
    name["services"][0]["name"] = json!("x".repeat(NAME_MAX_BYTES + 1));
    assert!(matches!(
        refused(&name),
        StateError::TextTooLong {
            max: NAME_MAX_BYTES,
            ..
        }
    ));
    name["services"][0]["name"] = json!("  ");
    assert!(matches!(refused(&name), StateError::Field { .. }));

    let nested = |levels: usize| {
        let mut state = shard(0);
        // The state itself is the first level.
        let value = (1..levels).fold(json!(1), |inner, _| json!([inner]));
        state["x_deep"] = value;
        state
    };
    assert!(parse(&nested(JSON_MAX_DEPTH)).is_ok());
    assert!(matches!(
        refused(&nested(JSON_MAX_DEPTH + 1)),
        StateError::TooDeep {
            max: JSON_MAX_DEPTH,
            ..
        }
    ));
}

#[test]
fn a_service_inside_a_service_at_its_fullest_fits_the_depth() {
    let term = json!({"id": "t", "taxonomy_detail": {"id": "x", "name": "n"}});
    let attributes = json!([{"id": "a", "taxonomy_term": term}]);
    let languages = json!([{"id": "l", "attributes": attributes}]);
    let contacts =
        json!([{"id": "c", "phones": [{"id": "p", "number": "1", "languages": languages}]}]);
    let location = json!({"id": "loc", "contacts": contacts});
    let mut state = shard(1);
    state["services"][0]["service_at_locations"] = json!([{"id": "sal", "location": location}]);
    assert!(parse(&state).is_ok());
}

#[test]
fn each_fault_has_its_own_reason() {
    let mut twice = shard(3);
    twice["services"][2]["id"] = json!("s000");
    let StateError::DuplicateId { place, id } = refused(&twice) else {
        panic!("accepted one id twice")
    };
    assert_eq!((place.path.as_str(), id.as_str()), ("services[2]", "s000"));

    let mut inner = shard(2);
    inner["services"][1]["phones"] =
        json!([{"id": "p", "number": "1"}, {"id": "p", "number": "2"}]);
    assert!(
        matches!(refused(&inner), StateError::DuplicateId { place, .. } if place.path == "services[1].phones[1]")
    );

    let mut typed = shard(1);
    typed["services"][0]["minimum_age"] = json!("eighteen");
    let StateError::Field { place, .. } = refused(&typed) else {
        panic!("accepted a text for a number")
    };
    assert_eq!(place.path, "services[0].minimum_age");
    assert_eq!(place.line, 1);

    assert!(matches!(
        ShardState::parse(shard(0).to_string().as_bytes(), 3),
        Err(StateError::WrongShard {
            expected: 3,
            found: 0
        })
    ));
    let mut misplaced = shard(0);
    misplaced["shard"] = json!(3);
    assert!(matches!(
        ShardState::parse(misplaced.to_string().as_bytes(), 3),
        Err(StateError::MisplacedOrganization { shard: 3 })
    ));
    let mut far = json!({"format": 1, "kind": "listing", "shard": SHARDS_MAX});
    assert!(matches!(
        ShardState::parse(far.to_string().as_bytes(), SHARDS_MAX),
        Err(StateError::TooMany { what: "shards", .. })
    ));
    far["kind"] = json!("board");
    assert!(matches!(refused(&far), StateError::WrongKind { .. }));
    far["format"] = json!(2);
    assert!(matches!(refused(&far), StateError::UnknownFormat { .. }));

    let bytes = shard(2).to_string().into_bytes();
    assert!(matches!(
        ShardState::parse(&bytes[..bytes.len() - 5], 0),
        Err(StateError::NotJson {
            truncated: true,
            ..
        })
    ));
    assert!(matches!(
        ShardState::parse(b"<html>", 0),
        Err(StateError::NotJson {
            truncated: false,
            ..
        })
    ));
    assert!(matches!(
        ShardState::parse(b"[]", 0),
        Err(StateError::Field { .. }) | Err(StateError::UnknownFormat { .. })
    ));
}

#[test]
fn what_others_must_refuse_is_not_written() {
    let mut state = parse(&shard(1)).unwrap();
    state.extra.insert(
        "x_pad".to_owned(),
        json!(vec!["x".repeat(TEXT_MAX_BYTES); 4]),
    );
    assert!(matches!(state.to_bytes(), Err(StateError::TooLarge { .. })));
    state
        .extra
        .insert("x_pad".to_owned(), json!("x".repeat(TEXT_MAX_BYTES + 1)));
    assert!(matches!(
        state.to_bytes(),
        Err(StateError::TextTooLong { .. })
    ));
}

#[test]
fn a_listing_is_the_union_of_its_shards() {
    let first = parse(&shard(2)).unwrap();
    let mut second = ShardState::empty(1);
    let mut moved = first.services.get("s001").unwrap().clone();
    moved.name = "Older".to_owned();
    second.services.insert(moved);
    second.services.insert(Service {
        id: "s100".into(),
        name: "More".into(),
        ..Service::default()
    });
    let listing = Listing::from_shards([&second, &first]).unwrap();
    assert_eq!(
        listing.services.ids().collect::<Vec<_>>(),
        ["s000", "s001", "s100"]
    );
    assert_eq!(listing.services.get("s001").unwrap().name, "Counselling");
    assert_eq!(listing.to_export().unwrap()["services"][2]["name"], "More");
    assert_eq!(Listing::from_shards([&second]), None);
}
