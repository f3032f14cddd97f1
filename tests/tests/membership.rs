//! Membership with nobody in charge, under bad weather, many times over.
//!
//! Small networks run always, and one of 200 organisations that make 2,500 statements. The full size is 10,000:
//! `FINGERPOST_SIM_SEEDS=100` runs a hundred seeds of the full size, `FINGERPOST_SIM_SEEDS=40..60` some of them,
//! `FINGERPOST_SIM_SEED=x` that one alone (seeds from 1,000 on are the small ones). A failure prints its seed.
#![allow(clippy::panic, reason = "a test stops at what it did not expect")]

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use fingerpost_tests::sim::membership::{Plan, Report, run};

const SMALL: Range<u64> = 0..40;
const SMALL_FROM: u64 = 1_000;
const ORGANISATIONS: usize = 200;
const STATEMENTS: u64 = 10_000;
/// As many as a run makes that nobody has asked for, so that it takes less than a minute.
const STATEMENTS_USUALLY: u64 = STATEMENTS / 4;
/// So many seeds together have met everything.
const ENOUGH: u64 = 5;

/// What organisations do: over some seeds each was done.
const KINDS: [&str; 25] = [
    "accept",
    "block",
    "cancel",
    "carry",
    "claim",
    "close",
    "join by a used invitation",
    "join by invitation",
    "join with nothing",
    "leave",
    "list",
    "merge",
    "node",
    "object",
    "pause",
    "propose",
    "rejoin",
    "rekey",
    "revoke",
    "settle",
    "sign",
    "unblock",
    "vouch",
    "vouch with a note",
    "withdraw",
];

/// What comes of it: over some seeds each came about.
const EFFECTS: [&str; 20] = [
    "acceptances",
    "away",
    "back again",
    "blocked by one",
    "cancelled",
    "closing",
    "heirs by key",
    "heirs by votes",
    "invitations used",
    "left for good",
    "members",
    "merged",
    "objections",
    "removed by majority",
    "revoked nodes",
    "settled",
    "signatures",
    "texts put into force",
    "used twice",
    "vouches carried",
];

fn number(name: &str, text: &str) -> u64 {
    text.parse()
        .unwrap_or_else(|_| panic!("{name} must be a number or two as in 40..60, not {text:?}"))
}

fn asked_for(name: &str) -> Option<Range<u64>> {
    let text = std::env::var(name).ok()?;
    Some(match text.split_once("..") {
        Some((from, to)) => number(name, from)..number(name, to),
        None => 0..number(name, &text),
    })
}

/// The one seed that is asked for.
fn alone() -> Option<u64> {
    asked_for("FINGERPOST_SIM_SEED").map(|range| range.end)
}

fn play(plan: Plan) -> Report {
    let seed = plan.seed;
    run(plan).unwrap_or_else(|fault| panic!("seed {seed}: {fault}"))
}

/// What some seeds have met together.
#[derive(Default)]
struct Sum {
    kinds: BTreeMap<&'static str, u64>,
    effects: BTreeMap<&'static str, u64>,
    weather: [u64; 3],
}

impl Sum {
    fn add(&mut self, report: Report) {
        for (sum, counts) in [
            (&mut self.kinds, report.kinds),
            (&mut self.effects, report.effects),
        ] {
            for (what, count) in counts {
                *sum.entry(what).or_default() += count;
            }
        }
        let weather = [report.crashes, report.lost_batches, report.cut];
        for (sum, count) in self.weather.iter_mut().zip(weather) {
            *sum += count;
        }
    }

    /// Everything was done, and had its effect.
    fn assert_is_whole(&self) {
        for (wanted, found) in [(&KINDS[..], &self.kinds), (&EFFECTS[..], &self.effects)] {
            let wanted: BTreeSet<&str> = wanted.iter().copied().collect();
            let found_of = found.iter().filter(|(_, count)| **count > 0);
            let met: BTreeSet<&str> = found_of.map(|(what, _)| *what).collect();
            assert_eq!(wanted, met, "{found:?}");
        }
        assert!(
            self.weather.iter().all(|count| *count > 0),
            "{:?}",
            self.weather
        );
    }
}

#[test]
fn all_hold_one_roster_once_the_network_has_healed() {
    let (seeds, wanted) = match (alone(), asked_for("FINGERPOST_SIM_SEEDS")) {
        (Some(seed), _) if seed >= SMALL_FROM => (seed..seed, STATEMENTS),
        (Some(seed), _) => (seed..seed + 1, STATEMENTS),
        (None, Some(seeds)) => (seeds, STATEMENTS),
        (None, None) => (0..1, STATEMENTS_USUALLY),
    };
    let enough = seeds.end.saturating_sub(seeds.start) >= ENOUGH;
    let mut sum = Sum::default();
    for seed in seeds {
        let report = play(Plan::of(seed, ORGANISATIONS, wanted));
        println!(
            "seed {seed}: {} statements, {} of {} nodes compared, {} sessions ({} cut), {} announcements, {} MB, {} crashes, agreed after {} rounds, {:?}, {:?}",
            report.statements(),
            report.compared,
            report.nodes,
            report.sessions,
            report.cut,
            report.announced,
            report.bytes / 1_000_000,
            report.crashes,
            report.rounds,
            report.kinds,
            report.effects,
        );
        assert!(report.statements() >= wanted, "seed {seed}");
        let members = report.effects.get("members").copied().unwrap_or(0);
        assert!(members > 0, "seed {seed}: nobody is a member at the end");
        sum.add(report);
    }
    println!("{:?}\n{:?}", sum.kinds, sum.effects);
    if enough {
        sum.assert_is_whole();
    }
}

/// Small networks meet odd cases more often: hardly anybody is left who did not leave, lose a key or object.
#[test]
fn small_networks_hold_one_roster_too() {
    let seeds = match alone() {
        Some(seed) => seed.saturating_sub(SMALL_FROM)..(seed + 1).saturating_sub(SMALL_FROM),
        None => SMALL,
    };
    let all = seeds == SMALL;
    let mut sum = Sum::default();
    for seed in seeds {
        let (organisations, statements) = (4 + seed as usize % 30, 150 + 20 * (seed % 20));
        sum.add(play(Plan::of(SMALL_FROM + seed, organisations, statements)));
    }
    if all {
        println!("{:?}\n{:?}", sum.kinds, sum.effects);
        sum.assert_is_whole();
    }
}

#[test]
fn a_seed_reproduces_its_run_exactly() {
    let [one, two] = [play(Plan::of(3, 12, 300)), play(Plan::of(3, 12, 300))];
    assert_eq!(one, two);
    assert!(one.trace.events() > 300, "{one:?}");
    assert_ne!(one.trace, play(Plan::of(4, 12, 300)).trace);
}
