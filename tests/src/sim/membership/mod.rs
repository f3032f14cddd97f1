//! Many organisations that join, vouch, object, amend, leave and come back, all at once.
//!
//! Where [`super::run`] is about documents and sessions cut at any frame, this is about membership: some
//! hundred organisations make thousands of statements, which reach the others late, twice, in another order or not at
//! all, across partitions and crashes. Then the network heals, and all honest nodes that take part must hold the
//! same roster and the same records.
//!
//! Each node acts on what its own replica says, as its daemon would; what it knows may be out of date.

mod acts;
mod charters;
mod check;
mod deliver;
mod effects;
mod keys;
mod world;

pub use world::{Plan, Report, World};

/// Plays out one seed from beginning to end.
///
/// # Errors
/// What did not hold at the end, in words, with the seed to run again.
pub fn run(plan: Plan) -> Result<Report, String> {
    let seed = plan.seed;
    let mut world = World::new(plan);
    world.play();
    world.settle().map_err(|fault| {
        format!("{fault}\nrun it again: FINGERPOST_SIM_SEED={seed} cargo test -p fingerpost-tests --test membership")
    })
}
