//! Federations that are made up: the same from the same seed, like real ones in their figures, and sound.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use fingerpost_proto::board::BoardState;
use fingerpost_proto::ids::{DocName, NodeId};
use fingerpost_proto::listing::ShardState;
use fingerpost_proto::replica::{Checked, Item, Outcome, Replica, State};
use fingerpost_proto::roster::Place;
use fingerpost_proto::storage::MemoryStorage;
use fingerpost_tests::Fail;
use fingerpost_tests::federation::{check_logs, ok};
use fingerpost_tests::generate::tables::Tables;
use fingerpost_tests::generate::{AT_S, BOARDS_PER_MILLE, Federation, Plan};
use fingerpost_tests::process::Node;

fn federation(organisations: u32, seed: u64) -> Federation {
    Federation::new(Plan {
        organisations,
        seed,
        at_s: AT_S,
    })
}

fn bundle(of: &Federation) -> Vec<u8> {
    let mut bundle = Vec::new();
    let compress = |bytes: &[u8]| zstd::bulk::compress(bytes, 3).ok();
    of.write_bundle(&mut bundle, compress).unwrap();
    bundle
}

#[test]
fn a_seed_gives_the_same_bytes_and_another_seed_others() {
    let one = bundle(&federation(40, 7));
    assert_eq!(one, bundle(&federation(40, 7)));
    assert_eq!(
        federation(40, 7).ticket().to_text(),
        federation(40, 7).ticket().to_text()
    );
    let other = bundle(&federation(40, 8));
    let lines = |of: &[u8]| -> BTreeSet<Vec<u8>> {
        let lines = of.split(|byte| *byte == b'\n');
        lines
            .filter(|line| line.len() > 100)
            .map(<[u8]>::to_vec)
            .collect()
    };
    assert!(lines(&one).is_disjoint(&lines(&other)));
    // An organisation is the same, however many others there are.
    let more: Vec<Item> = federation(60, 7).documents().map(Result::unwrap).collect();
    let few: Vec<Item> = federation(40, 7).documents().map(Result::unwrap).collect();
    assert_eq!(more[..few.len()], few);
}

#[test]
fn everything_is_taken_by_a_replica_in_the_order_in_which_it_is_made() {
    // More than there may be applicants: in a wrong order some would be refused.
    let made = federation(1_500, 1);
    let node = NodeId::from_bytes([9; 32]);
    let mut replica = Replica::open(MemoryStorage::new(), node, BTreeSet::new()).unwrap();
    let network = replica.add_network(made.charter().clone()).unwrap();
    let mut items = 0;
    for item in made.cards().chain(made.documents()) {
        // As whoever takes a bundle in does when there seem to be too many applicants.
        if items % 500 == 0 {
            replica.roster(&network);
        }
        let outcome = replica
            .receive(AT_S, item.unwrap().check().unwrap())
            .unwrap();
        assert!(matches!(outcome, Outcome::Accepted(_)), "{outcome:?}");
        items += 1;
    }
    assert_eq!(items, made.counts().total());
    let roster = replica.roster(&network).unwrap();
    assert_eq!(roster.member_count(), 1_500);
    assert!(roster.places().all(|(_, place)| place == Place::Member));
}

/// The states of all listings and boards.
fn states(of: &Federation) -> (Vec<ShardState>, Vec<BoardState>) {
    let (mut listings, mut boards) = (Vec::new(), Vec::new());
    for item in of.documents() {
        let Checked::Record(record) = item.unwrap().check().unwrap() else {
            unreachable!()
        };
        match (record.record.get().document, record.state.unwrap().1) {
            (DocName::Listing(0), State::Listing(state)) => listings.push(*state),
            (DocName::Board, State::Board(state)) => boards.push(*state),
            other => unreachable!("{other:?}"),
        }
    }
    (listings, boards)
}

fn word_count(text: &str) -> u64 {
    text.split_whitespace().count() as u64
}

/// Whether the middle and the quartiles of what was drawn are those of the figures, or near them: each lies between
/// its neighbours among the percentiles.
fn is_like(what: &str, mut drawn: Vec<u64>) {
    let steps = Tables::get().percentiles(what);
    drawn.sort_unstable();
    for quarter in 1..4 {
        let at = (steps.len() - 1) * quarter / 4;
        let found = drawn[drawn.len() * quarter / 4];
        let (low, high) = (steps[at - 1], steps[at + 1]);
        assert!(
            (low..=high).contains(&found),
            "{what}: {found} is not in {low}..={high}"
        );
    }
    let most = steps[steps.len() - 1];
    assert!(
        drawn.iter().all(|it| *it <= most),
        "{what}: more than {most}"
    );
    assert!(drawn[drawn.len() - 1] > steps[steps.len() - 2] || steps[steps.len() - 2] == most);
}

#[test]
fn numbers_lengths_words_and_terms_are_those_of_real_listings() {
    let (listings, boards) = states(&federation(1_200, 3));
    let services: Vec<_> = listings.iter().flat_map(|it| it.services.iter()).collect();
    is_like(
        "organisation_services",
        listings
            .iter()
            .map(|it| it.services.iter().count() as u64)
            .collect(),
    );
    let about = listings
        .iter()
        .filter_map(|it| it.organization.as_ref()?.description.as_deref());
    is_like(
        "organisation_description_words",
        about.map(word_count).collect(),
    );
    let texts: Vec<&str> = services
        .iter()
        .filter_map(|it| it.description.as_deref())
        .collect();
    is_like(
        "service_description_words",
        texts.iter().map(|it| word_count(it)).collect(),
    );
    is_like(
        "service_terms",
        services
            .iter()
            .map(|it| it.attributes.iter().count() as u64)
            .collect(),
    );
    let shares = boards.len() * 1_000 / listings.len();
    assert!(shares.abs_diff(BOARDS_PER_MILLE as usize) < 60, "{shares}");

    // Of the commonest words, each has the share that it has in real texts.
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    for word in texts.iter().flat_map(|text| text.split_whitespace()) {
        *counts
            .entry(word.trim_end_matches('.').to_lowercase())
            .or_default() += 1;
    }
    let drawn: u64 = counts.values().sum();
    let tables = Tables::get();
    for (word, weight) in tables.words.iter().take(20) {
        let wanted = weight as f64 / tables.words.total() as f64;
        let found = counts[*word] as f64 / drawn as f64;
        assert!(
            (0.9..1.1).contains(&(found / wanted)),
            "{word}: {found} instead of {wanted}"
        );
    }
    // Nothing is made up that is not in the tables.
    let known: BTreeSet<&str> = tables.words.iter().map(|(word, _)| *word).collect();
    assert!(counts.keys().all(|word| known.contains(word.as_str())));
}

#[test]
fn a_node_joins_a_federation_that_is_made_up() -> Result<(), Fail> {
    let made = federation(200, 5);
    let (listings, _) = states(&made);
    let services: usize = listings.iter().map(|it| it.services.iter().count()).sum();
    let dir = tempfile::tempdir()?;
    let file = dir.path().join("federation.bundle").display().to_string();
    std::fs::write(&file, bundle(&made))?;
    let node = Node::start(&dir.path().join("home"))?;
    ok(&node, &["org", "create", "--name", "Newcomer"])?;
    let ticket = made.ticket().to_text();
    let joined = ok(
        &node,
        &["join", &ticket, "--accept-charter", "--bundle", &file],
    )?;
    assert_eq!(joined["place"], "member");
    assert_eq!(joined["members"], 201);
    let all = ["search", "--kind", "service", "--limit", "1"];
    node.wait_for(&all, Duration::from_secs(120), |page| {
        page["total"].as_u64() == Some(services as u64)
    })?;
    check_logs(&[node])
}
