//! A deterministic simulator of a whole federation.
//!
//! Many nodes with real replicas and real sync sessions, in one thread, under one virtual clock and one
//! source of chance. A seed gives a [`Scenario`]: who takes part, how bad the weather is, and a list of acts, of
//! people (edits, erasures, joining, leaving, stolen machines) and of fate (crashes, old copies put back, full
//! disks, clocks that are days off, partitions, links that work one way). Some organisations are hostile. Everything
//! follows from the scenario, so a run that fails can be run again, step by step, and made smaller.
//!
//! [`run`] is all there is to call: it plays the scenario of a seed, heals the network, lets things settle,
//! and says what did not hold. `docs/protocol/simulation.md` tells the rest.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a simulator stops at what it did not expect"
)]

mod checks;
mod faults;
mod hostile;
mod invariants;
mod left_out;
pub mod membership;
mod orgs;
mod own;
pub mod plan;
mod random;
mod report;
mod shrink;
mod store;
mod trace;
mod wire;
mod work;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};

pub use plan::Scenario;
pub use random::Random;
pub use report::{Failure, Kind, Report};
pub use shrink::{describe, shrink};
pub use store::{CrashStorage, Full};
pub use trace::Trace;
pub use world::World;

/// Plays a scenario from beginning to end. A panic is a failure like any other.
///
/// # Errors
/// The first thing that did not hold.
pub fn play(scenario: &Scenario) -> Result<Report, Failure> {
    let scenario = scenario.clone();
    let played = catch_unwind(AssertUnwindSafe(|| World::new(scenario).play()));
    played.unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|it| (*it).to_owned()));
        Err(Failure::new(Kind::Panic, text.unwrap_or_default()))
    })
}

/// Plays the scenario of a seed with about so many nodes; one that fails is made smaller.
///
/// # Errors
/// What did not hold, in words, with the seed to run again and the smallest scenario that shows it.
pub fn run(seed: u64, nodes: usize) -> Result<Report, String> {
    run_scenario(Scenario::of(seed, nodes), nodes, "")
}

/// The same where some nodes follow a part only.
///
/// # Errors
/// The same.
pub fn run_following(seed: u64, nodes: usize) -> Result<Report, String> {
    let scenario = Scenario::of(seed, nodes).following();
    run_scenario(scenario, nodes, "FINGERPOST_SIM_FOLLOW=1 ")
}

fn run_scenario(scenario: Scenario, nodes: usize, how: &str) -> Result<Report, String> {
    let seed = scenario.seed;
    let failure = match play(&scenario) {
        Ok(report) => return Ok(report),
        Err(failure) => failure,
    };
    let again = format!(
        "{failure}\nrun it again: {how}FINGERPOST_SIM_SEED={seed} FINGERPOST_SIM_NODES={nodes} cargo test -p fingerpost-tests --test simulation"
    );
    // Shrinking plays a scenario over and over; a large one would take hours.
    let shrinks = std::env::var("FINGERPOST_SIM_SHRINK").map_or(nodes <= 100, |it| it != "0");
    if !shrinks {
        return Err(again);
    }
    let (small, shows) = shrink(&scenario, &failure, |it| play(it).err());
    Err(format!(
        "{again}\nmade smaller, it says: {shows}\n{}",
        describe(&small)
    ))
}
