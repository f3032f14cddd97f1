use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::limits::TEXT_MAX_BYTES;
use crate::listing::arbitrary;

fn listing(services: Vec<Service>) -> Listing {
    Listing {
        organization: Organization {
            id: "o".to_owned(),
            name: "Acorn".to_owned(),
            ..Organization::default()
        },
        services: services.into_iter().collect(),
    }
}

fn service(id: &str, length: usize) -> Service {
    let mut service = Service {
        id: id.to_owned(),
        name: "Counselling".to_owned(),
        ..Service::default()
    };
    let texts =
        vec![json!("x".repeat(length.min(TEXT_MAX_BYTES))); length.div_ceil(TEXT_MAX_BYTES)];
    service.extra.insert("x_texts".to_owned(), json!(texts));
    service
}

fn places(states: &BTreeMap<u16, ShardState>) -> BTreeMap<String, u16> {
    let of = |(number, state): (&u16, &ShardState)| {
        let number = *number;
        let ids: Vec<String> = state.services.ids().map(str::to_owned).collect();
        ids.into_iter().map(move |id| (id, number))
    };
    states.iter().flat_map(of).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn no_service_is_lost_and_every_shard_is_within_its_limits(
        first in arbitrary::large_listing(), more in arbitrary::large_listing(), keep in any::<u64>(),
    ) {
        let states = assign(&first, &BTreeMap::new()).unwrap();
        prop_assert_eq!(&Listing::from_shards(states.values()).unwrap(), &first);
        for (number, state) in &states {
            let bytes = state.to_bytes().unwrap();
            prop_assert!(bytes.len() <= SHARD_FILL_BYTES || state.services.len() == 1);
            prop_assert!(ShardState::parse(&bytes, *number).is_ok());
        }

        // Some go, some come: those that stay do not move, for nothing has grown.
        let current = places(&states);
        let mut second = first.clone();
        for (index, id) in first.services.ids().enumerate() {
            if keep >> (index % 64) & 1 == 0 {
                second.services.remove(id);
            }
        }
        for service in &more.services {
            second.services.insert(service.clone());
        }
        let states = assign(&second, &current).unwrap();
        prop_assert_eq!(&Listing::from_shards(states.values()).unwrap(), &second);
        let now = places(&states);
        for (id, shard) in &current {
            if second.services.contains(id) && !more.services.contains(id) {
                prop_assert_eq!(now.get(id), Some(shard));
            }
        }
        // A shard that held something before is published again, even when it holds nothing now.
        for shard in current.values() {
            prop_assert!(states.contains_key(shard));
        }
        // And once more, with nothing new, changes nothing.
        prop_assert_eq!(&assign(&second, &now).unwrap().into_iter().filter(|(_, state)| !state.services.is_empty()).collect::<BTreeMap<_, _>>(),
            &states.into_iter().filter(|(_, state)| !state.services.is_empty()).collect::<BTreeMap<_, _>>());
    }
}

#[test]
fn a_service_that_outgrows_its_shard_moves_and_the_others_stay() {
    let before = listing((0..3).map(|i| service(&format!("s{i}"), 60_000)).collect());
    let current = places(&assign(&before, &BTreeMap::new()).unwrap());
    assert!(current.values().all(|shard| *shard == 0));
    let mut after = before.clone();
    after.services.insert(service("s1", 190_000));
    let states = assign(&after, &current).unwrap();
    let now = places(&states);
    assert_eq!(
        now,
        BTreeMap::from([("s0".into(), 0), ("s1".into(), 1), ("s2".into(), 0)])
    );
}

#[test]
fn a_shard_that_lost_everything_stays_as_an_empty_state() {
    let current = BTreeMap::from([("gone".to_owned(), 2_u16)]);
    let states = assign(&listing(vec![service("s", 10)]), &current).unwrap();
    assert_eq!(states.keys().copied().collect::<Vec<_>>(), [0, 2]);
    assert!(states[&2].services.is_empty());
    assert!(states[&0].organization.is_some() && states[&2].organization.is_none());
}

#[test]
fn more_services_than_one_shard_holds_go_into_the_next() {
    let services = (0..=SERVICES_PER_SHARD_MAX).map(|i| service(&format!("{i:03}"), 1));
    let states = assign(&listing(services.collect()), &BTreeMap::new()).unwrap();
    let counts: Vec<usize> = states.values().map(|state| state.services.len()).collect();
    assert_eq!(counts, [SERVICES_PER_SHARD_MAX, 1]);
}

#[test]
fn what_cannot_fit_is_refused() {
    let error = assign(
        &listing(vec![service("big", STATE_MAX_BYTES)]),
        &BTreeMap::new(),
    )
    .unwrap_err();
    assert!(
        matches!(error, ListingError::ServiceTooLarge { ref id, .. } if id == "big"),
        "{error}"
    );

    let full: Vec<Service> = (0..usize::from(SHARDS_MAX) * SERVICES_PER_SHARD_MAX)
        .map(|i| service(&format!("{i:05}"), 1))
        .collect();
    assert_eq!(
        assign(&listing(full.clone()), &BTreeMap::new())
            .unwrap()
            .len(),
        usize::from(SHARDS_MAX)
    );
    let mut over = full;
    over.push(service("one more", 1));
    assert!(matches!(
        assign(&listing(over), &BTreeMap::new()),
        Err(ListingError::TooManyShards { max: SHARDS_MAX })
    ));

    let mut large = listing(Vec::new());
    let texts = vec![json!("x".repeat(TEXT_MAX_BYTES)); 5];
    large
        .organization
        .extra
        .insert("x_texts".to_owned(), json!(texts));
    assert!(matches!(
        assign(&large, &BTreeMap::new()),
        Err(ListingError::OrganizationTooLarge { .. })
    ));
    let mut long = listing(vec![service("s", 1)]);
    long.organization.description = Some("x".repeat(TEXT_MAX_BYTES + 1));
    assert!(matches!(
        assign(&long, &BTreeMap::new()),
        Err(ListingError::State(StateError::TextTooLong { .. }))
    ));
}
