//! A deterministic simulator of a whole federation.
//!
//! Many nodes with real replicas and real sync sessions, in one thread, under one virtual clock and one
//! source of chance. The network delays, loses, duplicates and reorders announcements, cuts sessions at any
//! frame, and falls apart; nodes crash and lose what they had not flushed. Everything follows from the
//! seed, so a run that fails can be run again, step by step.
//!
//! [`run`] is all there is to call: it plays out the seed's plan, heals the network, lets things settle,
//! and checks what must hold then ([`World::check`]).

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a simulator stops at what it did not expect"
)]

pub mod membership;
mod plan;
mod random;
mod store;
mod trace;
mod wire;
mod work;
mod world;

pub use plan::Plan;
pub use random::Random;
pub use store::CrashStorage;
pub use trace::Trace;
pub use world::{Report, World};

/// Plays out one seed from beginning to end.
///
/// # Errors
/// What did not hold at the end, in words, with the seed to run again.
pub fn run(seed: u64) -> Result<Report, String> {
    let mut world = World::new(Plan::of(seed));
    world.play();
    world.settle();
    world.check().map_err(|fault| {
        format!("{fault}\nrun it again: FINGERPOST_SIM_SEED={seed} cargo test -p fingerpost-tests --test simulation")
    })
}
