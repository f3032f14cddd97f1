//! A federation under bad weather and attack, many times over.
//!
//! A fixed set of seeds runs always. `FINGERPOST_SIM_SEEDS=N` runs N more, `FINGERPOST_SIM_SEEDS=a..b` those, and
//! `FINGERPOST_SIM_SEED=x` that one alone; `FINGERPOST_SIM_NODES=n` says how many nodes each has, and
//! `FINGERPOST_SIM_THREADS=n` how many run at one time; with `FINGERPOST_SIM_FOLLOW=1` some nodes follow a part only. A failure prints its seed and the smallest scenario that
//! shows it, unless `FINGERPOST_SIM_SHRINK=0`; `FINGERPOST_SIM_WATCH="board of org1…,node 3"` tells what becomes of
//! documents and nodes.
#![allow(clippy::panic, reason = "a test stops at what it did not expect")]

use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use fingerpost_tests::sim::{self, Report, Scenario};

/// Small federations, each of which is gone through in a moment.
const SMALL: (Range<u64>, usize) = (0..60, 12);
/// Larger ones.
const LARGE: (Range<u64>, usize) = (0..10, 50);
/// Those where some nodes follow a part only.
const FOLLOWING_SMALL: (Range<u64>, usize) = (0..30, 12);
const FOLLOWING_LARGE: (Range<u64>, usize) = (0..3, 50);
const MORE_NODES: u64 = 50;

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    let number = text.parse();
    Some(number.unwrap_or_else(|_| panic!("{name} must be a number, not {text:?}")))
}

/// What is played of a seed.
fn how() -> Run {
    match number("FINGERPOST_SIM_FOLLOW") {
        None | Some(0) => sim::run,
        Some(_) => sim::run_following,
    }
}

/// What is asked for: ranges of seeds, each with the number of nodes.
fn asked_for() -> Vec<(Range<u64>, usize)> {
    let nodes = number("FINGERPOST_SIM_NODES").unwrap_or(MORE_NODES) as usize;
    if let Some(seed) = number("FINGERPOST_SIM_SEED") {
        return vec![(seed..seed + 1, nodes)];
    }
    let more = std::env::var("FINGERPOST_SIM_SEEDS").unwrap_or_default();
    match more.split_once("..") {
        Some((from, to)) => match (from.parse(), to.parse()) {
            (Ok(from), Ok(to)) => vec![(from..to, nodes)],
            _ => panic!("FINGERPOST_SIM_SEEDS must be a number or a range a..b, not {more:?}"),
        },
        None => {
            let more = number("FINGERPOST_SIM_SEEDS").unwrap_or(0);
            let besides = (LARGE.0.end..LARGE.0.end + more, nodes);
            vec![SMALL, LARGE, besides]
        }
    }
}

type Run = fn(u64, usize) -> Result<Report, String>;

/// Plays all seeds on several threads; answers the reports, and what failed.
fn play(asked: &[(Range<u64>, usize)], run: Run) -> (Vec<Report>, Vec<String>) {
    let runs: Vec<(u64, usize)> = asked
        .iter()
        .flat_map(|(seeds, nodes)| seeds.clone().map(|seed| (seed, *nodes)))
        .collect();
    let threads = number("FINGERPOST_SIM_THREADS").map_or_else(
        || std::thread::available_parallelism().map_or(2, usize::from),
        |threads| threads as usize,
    );
    let next = AtomicU64::new(0);
    let played = Mutex::new((Vec::new(), Vec::new()));
    let one = || {
        while let Some((seed, nodes)) = runs.get(next.fetch_add(1, Ordering::Relaxed) as usize) {
            let began = Instant::now();
            let result = run(*seed, *nodes);
            let took_s = began.elapsed().as_secs_f64();
            let mut played = played.lock().unwrap_or_else(|it| it.into_inner());
            match result {
                Ok(report) => {
                    println!("seed {seed}: {} in {took_s:.2} s", told(&report));
                    played.0.push(report);
                }
                Err(fault) => {
                    println!("seed {seed} with {nodes} nodes: {fault}");
                    played
                        .1
                        .push(format!("seed {seed} with {nodes} nodes: {fault}"));
                }
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..threads.max(1) {
            scope.spawn(one);
        }
    });
    played.into_inner().unwrap_or_else(|it| it.into_inner())
}

fn told(report: &Report) -> String {
    format!(
        "{} nodes ({} hostile), {} members, {} documents, {} edits, {} sessions ({} cut), {} crashes, {} restored, {} attacks, {} events, agreed after {} s, trace {:016x}",
        report.nodes,
        report.hostile,
        report.members,
        report.documents,
        report.acknowledged,
        report.sessions,
        report.cut,
        report.crashes,
        report.restored,
        report.attacks,
        report.events,
        report.settled_in_ms / 1000,
        report.trace.hash(),
    )
}

#[test]
fn all_agree_and_nothing_is_lost_once_the_network_has_healed() {
    let asked = asked_for();
    let began = Instant::now();
    let (reports, faults) = play(&asked, how());
    let took_s = began.elapsed().as_secs_f64();
    let sum = |of: fn(&Report) -> u64| reports.iter().map(of).sum::<u64>();
    let events = sum(|it| it.events);
    println!(
        "{} seeds held, {} did not; {events} events in {took_s:.1} s, {:.0} a second; {} edits acknowledged, {} of them on a disk that was thrown away, {} refused; {} erased, {} merges; {} sessions, {} MB of frames; {} items refused, {} sessions broken off",
        reports.len(),
        faults.len(),
        events as f64 / took_s,
        sum(|it| it.acknowledged as u64),
        sum(|it| it.rolled_back_edits as u64),
        sum(|it| it.refused_edits),
        sum(|it| it.erased),
        sum(|it| it.merged),
        sum(|it| it.sessions),
        sum(|it| it.bytes) / 1_000_000,
        sum(|it| it.refused_items),
        sum(|it| it.broken_off),
    );
    assert!(faults.is_empty(), "{}", faults.join("\n\n"));
    // The seeds together have met everything that they are there for.
    let met: [fn(&Report) -> u64; 19] = [
        |it| it.crashes,
        |it| it.lost_batches,
        |it| it.restored,
        |it| it.full,
        |it| it.partitions,
        |it| it.one_way,
        |it| it.slow,
        |it| it.clocks,
        |it| it.left,
        |it| it.came_back,
        |it| it.joined,
        |it| it.stolen,
        |it| it.attacks,
        |it| it.refused_items,
        |it| it.broken_off,
        |it| it.cut,
        |it| it.erased,
        |it| it.merged,
        |it| it.refused_edits,
    ];
    let unmet = met.iter().position(|of| sum(*of) == 0);
    assert!(reports.len() < 50 || unmet.is_none(), "number {unmet:?}");
}

#[test]
fn the_same_holds_where_some_follow_a_part_and_others_hide_things_from_them() {
    let (reports, faults) = play(&[FOLLOWING_SMALL, FOLLOWING_LARGE], sim::run_following);
    assert!(faults.is_empty(), "{}", faults.join("\n\n"));
    assert!(reports.iter().any(|it| it.left_out > 0));
}

#[test]
fn a_seed_reproduces_its_run_exactly() {
    let run = |seed| sim::run(seed, 12).unwrap_or_else(|fault| panic!("{fault}"));
    let (one, two) = (run(3), run(3));
    assert_eq!(one, two);
    assert!(one.trace.events() > 500, "{one:?}");
    assert_ne!(one.trace, run(4).trace);
}

/// A scenario that fails for one reason is cut down to that reason.
#[test]
fn a_scenario_that_fails_is_made_smaller() {
    use fingerpost_tests::sim::plan::Act;
    use fingerpost_tests::sim::{Failure, Kind};
    let scenario = Scenario::of(7, 50);
    let is_it = |act: &Act| matches!(act, Act::Partition { .. });
    let fails = |it: &Scenario| {
        let found = it.acts.iter().any(|(_, act)| is_it(act)) && it.orgs.len() > 5;
        found.then(|| Failure::new(Kind::Loss, "it fell apart"))
    };
    let failure = fails(&scenario).unwrap_or_else(|| panic!("seed 7 falls apart"));
    let (small, _) = sim::shrink(&scenario, &failure, fails);
    assert_eq!(small.acts.len(), 1, "{}", sim::describe(&small));
    assert_eq!(small.orgs.len(), 6);
    assert_eq!(small.weather.loss_per_mille, 0);
    assert!(sim::describe(&small).contains("Partition"));
}
