//! Making a scenario that fails as small as it goes: acts, organisations and faults are left out, and whatever
//! still breaks the same promise stays out.

use super::plan::{Scenario, Weather};
use super::report::Failure;

/// Most scenarios that are played to shrink one.
const ATTEMPTS_MAX: usize = 120;

/// Shrinks a scenario that fails. `play` runs one.
pub fn shrink(
    scenario: &Scenario,
    failure: &Failure,
    mut play: impl FnMut(&Scenario) -> Option<Failure>,
) -> (Scenario, Failure) {
    let mut best = (scenario.clone(), failure.clone());
    let mut left = ATTEMPTS_MAX;
    let mut attempt = |best: &mut (Scenario, Failure), smaller: Scenario| {
        if left == 0 || smaller == best.0 {
            return false;
        }
        left -= 1;
        match play(&smaller) {
            Some(failure) if failure.kind == best.1.kind => {
                *best = (smaller, failure);
                true
            }
            _ => false,
        }
    };
    for milder in MILDER {
        let mut smaller = best.0.clone();
        milder(&mut smaller.weather);
        attempt(&mut best, smaller);
    }
    let mut part = best.0.acts.len().div_ceil(2);
    while part > 0 {
        let mut from = 0;
        while from < best.0.acts.len() {
            let mut smaller = best.0.clone();
            let end = (from + part).min(smaller.acts.len());
            smaller.acts.drain(from..end);
            if !attempt(&mut best, smaller) {
                from += part;
            }
        }
        // Organisations go from the end, so that the numbers of the others stay.
        let mut smaller = best.0.clone();
        let orgs = smaller.orgs.len();
        let least = smaller.vouches_needed as usize + 1;
        smaller
            .orgs
            .truncate(orgs.saturating_sub(part.min(orgs / 2)).max(least));
        attempt(&mut best, smaller);
        part /= 2;
    }
    best
}

/// What makes the weather milder, each upon what was milder before.
const MILDER: [fn(&mut Weather); 7] = [
    |it| *it = Weather::FAIR,
    |it| it.loss_per_mille = 0,
    |it| it.duplicate_per_mille = 0,
    |it| it.cut_per_mille = 0,
    |it| it.clock_off_max_s = 0,
    |it| it.crash_before_flush_per_mille = 0,
    |it| it.delay_max_ms = 50,
];

/// A scenario in words, to be read beside a failure.
pub fn describe(scenario: &Scenario) -> String {
    let mut text = format!(
        "{} organisations, {} nodes, {} vouches needed, {:?}, a session every {} ms",
        scenario.orgs.len(),
        scenario.orgs.iter().map(|org| org.nodes).sum::<usize>(),
        scenario.vouches_needed,
        scenario.weather,
        scenario.sync_every_ms
    );
    for (at, org) in scenario.orgs.iter().enumerate() {
        if org.hostile || org.nodes > 1 || !org.founding {
            text += &format!(
                "\n  organisation {at}: {} nodes{}{}",
                org.nodes,
                if org.hostile { ", hostile" } else { "" },
                if org.founding { "" } else { ", joins" }
            );
        }
    }
    for (at_ms, act) in &scenario.acts {
        text += &format!("\n  {at_ms:>6} ms  {act:?}");
    }
    text
}
