//! Each planted mistake is found by the simulator.
//!
//! `cargo test -p fingerpost-planted --features planted` shows it. `FINGERPOST_PLANTED_SEARCH=n` looks for the first
//! of `n` seeds that finds each, after the simulator or the protocol has changed, and prints the table anew.
#![allow(clippy::panic, reason = "a test stops at what it did not expect")]

use std::sync::Mutex;

use fingerpost_proto::planted::{Planted, plant};
use fingerpost_tests::sim::{Failure, Kind, Scenario, play};

/// How many nodes each federation has.
const NODES: usize = 12;

/// Which seed finds which mistake, and which promise it sees broken.
const FOUND: [(Planted, u64, Kind); 19] = [
    (Planted::SkipSignature, 1, Kind::Agreement),
    (Planted::SkipDelegationOwner, 9, Kind::Unauthorised),
    (Planted::SkipWindow, 1, Kind::Unauthorised),
    (Planted::SkipStateHash, 7, Kind::Unauthorised),
    (Planted::AcceptDominated, 1, Kind::Agreement),
    (Planted::IgnoreSaw, 3, Kind::Loss),
    (Planted::ForgetSaw, 1, Kind::Stuck),
    (Planted::ForgetFlush, 54, Kind::Loss),
    (Planted::KeepRevoked, 31, Kind::Agreement),
    (Planted::ForgetLastRecord, 31, Kind::Unauthorised),
    (Planted::KeepDeparted, 1, Kind::Agreement),
    (Planted::TakeAnothersDeparture, 1, Kind::Agreement),
    (Planted::ForgetHave, 12, Kind::Agreement),
    (Planted::ForgetLacking, 0, Kind::Agreement),
    (Planted::KeepOldState, 0, Kind::Unauthorised),
    (Planted::SendAgain, 5, Kind::Session),
    (Planted::IgnoreFullDisk, 1, Kind::Store),
    (Planted::ForgetSibling, 1, Kind::Loss),
    (Planted::KeepAllConcurrent, 5, Kind::Limit),
];

fn with(mistake: Option<Planted>, seed: u64) -> Option<Failure> {
    plant(mistake);
    let failure = play(&Scenario::of(seed, NODES)).err();
    plant(None);
    failure
}

/// Does something for each of several things, on two threads.
fn on_two_threads<T: Sync>(things: &[T], each: impl Fn(&T) + Sync) {
    let next = Mutex::new(things.iter());
    let take = || next.lock().unwrap_or_else(|it| it.into_inner()).next();
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some(thing) = take() {
                    each(thing);
                }
            });
        }
    });
}

fn search(seeds: u64) {
    let sound: Vec<bool> = (0..seeds).map(|seed| with(None, seed).is_none()).collect();
    on_two_threads(&Planted::ALL, |mistake| {
        let mut sound = (0..seeds).filter(|seed| sound[*seed as usize]);
        match sound.find_map(|seed| Some((seed, with(Some(*mistake), seed)?))) {
            Some((seed, failure)) => println!(
                "    (Planted::{mistake:?}, {seed}, Kind::{:?}), // {}",
                failure.kind,
                failure.what.chars().take(150).collect::<String>()
            ),
            None => println!("    // {mistake:?} was not found"),
        }
    });
}

#[test]
fn every_planted_mistake_is_found() {
    if let Ok(seeds) = std::env::var("FINGERPOST_PLANTED_SEARCH") {
        let seeds = seeds.parse();
        return search(seeds.unwrap_or_else(|_| panic!("FINGERPOST_PLANTED_SEARCH is a number")));
    }
    for mistake in Planted::ALL {
        assert!(
            FOUND.iter().any(|(found, ..)| *found == mistake),
            "{mistake:?} is not in the table"
        );
    }
    let missed = Mutex::new(Vec::new());
    on_two_threads(&FOUND, |(mistake, seed, kind)| {
        let sound = with(None, *seed);
        let found = with(Some(*mistake), *seed);
        println!("{mistake:?}, seed {seed}: {found:?}");
        if sound.is_some() || found.map(|it| it.kind) != Some(*kind) {
            let mut missed = missed.lock().unwrap_or_else(|it| it.into_inner());
            missed.push(*mistake);
        }
    });
    let missed = missed.into_inner().unwrap_or_else(|it| it.into_inner());
    assert!(missed.is_empty(), "not found: {missed:?}");
}
