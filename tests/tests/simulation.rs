//! A federation under bad weather, many times over.
//!
//! A fixed set of seeds runs always. `FINGERPOST_SIM_SEEDS=N` runs N more, `FINGERPOST_SIM_SEED=x` that
//! one alone. A failure prints its seed.
#![allow(clippy::panic, reason = "a test stops at what it did not expect")]

use fingerpost_tests::sim;

const ALWAYS: std::ops::Range<u64> = 0..24;

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{name} must be a number, not {text:?}")),
    )
}

#[test]
fn all_agree_and_nothing_is_lost_once_the_network_has_healed() {
    let seeds = match number("FINGERPOST_SIM_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..ALWAYS.end + number("FINGERPOST_SIM_SEEDS").unwrap_or(0),
    };
    let only = seeds.end - seeds.start == 1;
    let (mut crashes, mut lost, mut left, mut came_back, mut cut) = (0, 0, 0, 0, 0);
    for seed in seeds {
        let report = sim::run(seed).unwrap_or_else(|fault| panic!("seed {seed}: {fault}"));
        println!(
            "seed {seed}: {} nodes, {} members, {} documents, {} edits, {} sessions ({} cut), {} crashes, agreed after {} s",
            report.nodes,
            report.members,
            report.documents,
            report.acknowledged,
            report.sessions,
            report.cut,
            report.crashes,
            report.settled_in_ms / 1000,
        );
        crashes += report.crashes;
        lost += report.lost_batches;
        left += report.left;
        came_back += report.came_back;
        cut += report.cut;
    }
    // The seeds together have met everything that they are there for.
    assert!(
        only || [crashes, lost, left, came_back, cut]
            .iter()
            .all(|count| *count > 0)
    );
}

#[test]
fn a_seed_reproduces_its_run_exactly() {
    let [one, two] =
        [sim::run(3), sim::run(3)].map(|run| run.unwrap_or_else(|fault| panic!("{fault}")));
    assert_eq!(one, two);
    assert!(one.trace.events() > 500, "{one:?}");
    let other = sim::run(4).unwrap_or_else(|fault| panic!("{fault}"));
    assert_ne!(one.trace, other.trace);
}
