//! Every fuzz target, on the stable toolchain: over its corpus, and over mutations of it.
//!
//! The targets are those of `tests/fuzz`, which libFuzzer drives with coverage. Here each gets
//! `FINGERPOST_FUZZ_RUNS` mutated inputs (2,000 if that is not set; fewer where one takes long), drawn from
//! `FINGERPOST_FUZZ_SEED` or else afresh. The memory that a run holds at once is bounded too. A failure
//! prints the seed, and leaves the smallest input that fails where it says.
//!
//! `FINGERPOST_WRITE_CORPUS=1` writes the seeds anew.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops at what it did not expect"
)]

#[path = "fuzz/mutation.rs"]
mod mutation;
#[path = "../fuzz/src/lib.rs"]
#[allow(dead_code, reason = "what only libFuzzer needs")]
mod targets;

use std::collections::BTreeSet;
use std::fs;
use std::hash::{BuildHasher, RandomState};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::PathBuf;

use fingerpost_tests::Fail;
use fingerpost_tests::binaries::workspace_dir;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};
use targets::{TARGETS, Target};

/// Mutated inputs for a target of which one costs little.
const RUNS: u32 = 2_000;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// The inputs of a target's corpus, by name.
fn corpus(target: &Target) -> Result<Vec<(String, Vec<u8>)>, Fail> {
    let dir = workspace_dir().join("tests/fuzz/corpus").join(target.name);
    let seeds = (target.seeds)();
    if std::env::var_os("FINGERPOST_WRITE_CORPUS").is_some() {
        fs::create_dir_all(&dir)?;
        for (name, bytes) in &seeds {
            fs::write(dir.join(name), bytes)?;
        }
    }
    let mut inputs = Vec::new();
    for entry in fs::read_dir(&dir)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        inputs.push((name, fs::read(entry.path())?));
    }
    inputs.sort();
    let names: BTreeSet<&String> = inputs.iter().map(|(name, _)| name).collect();
    for (name, _) in &seeds {
        assert!(
            names.contains(name),
            "the corpus of {} lacks {name}",
            target.name
        );
    }
    Ok(inputs)
}

/// Runs a target once, and measures what it holds at the most. True if the bytes were taken.
fn run(target: &Target, bytes: &[u8]) -> (bool, u64) {
    let mut outcome = Ok(false);
    let memory = allocation_counter::measure(|| {
        outcome = catch_unwind(AssertUnwindSafe(|| (target.run)(bytes)));
    });
    match outcome {
        Ok(taken) => (taken, memory.bytes_max),
        Err(panic) => resume_unwind(panic),
    }
}

fn check(target: &Target, bytes: &[u8]) -> (bool, u64) {
    let (taken, held) = run(target, bytes);
    let most = target.memory_kib * 1024 + target.memory_factor * bytes.len();
    assert!(
        held <= most as u64,
        "{} bytes made {} hold {held} bytes, more than {most}",
        bytes.len(),
        target.name
    );
    (taken, held)
}

/// The seeds are taken: they lead as deep as real input does.
fn seeds_are_taken(target: &Target, corpus: &[(String, Vec<u8>)]) {
    let seeds = (target.seeds)();
    for (name, bytes) in corpus {
        let (taken, _) = check(target, bytes);
        let is_seed = seeds.iter().any(|(seed, _)| seed == name);
        let meant = !name.starts_with("refused-");
        assert!(
            !is_seed || taken == meant,
            "{} takes the seed {name}: {taken}",
            target.name
        );
    }
}

fn mutations_do_no_harm(target: &Target, corpus: Vec<Vec<u8>>) {
    let runs = number("FINGERPOST_FUZZ_RUNS").map_or(RUNS, |runs| u32::try_from(runs).unwrap());
    let runs = (runs / target.cost).max(1);
    let seed = number("FINGERPOST_FUZZ_SEED").unwrap_or_else(|| RandomState::new().hash_one(0));
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let config = Config {
        cases: runs,
        failure_persistence: None,
        max_shrink_iters: 4_096 / target.cost,
        ..Config::default()
    };
    let (taken, most) = (std::cell::Cell::new(0), std::cell::Cell::new(0));
    let outcome = TestRunner::new_with_rng(config, rng).run(&mutation::inputs(corpus), |input| {
        let bytes = input.bytes();
        match catch_unwind(AssertUnwindSafe(|| check(target, &bytes))) {
            Ok((was_taken, held)) => {
                taken.set(taken.get() + u32::from(was_taken));
                most.set(most.get().max(held));
                Ok(())
            }
            Err(panic) => Err(TestCaseError::fail(words_of(&*panic))),
        }
    });
    if let Err(error) = outcome {
        let TestError::Fail(reason, input) = error else {
            panic!("{}: {error}", target.name);
        };
        let path =
            PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{}-failed", target.name));
        fs::write(&path, input.bytes()).unwrap();
        panic!(
            "{}: {reason}\nFINGERPOST_FUZZ_SEED={seed} finds it again; the input is in {}. Once it is \
             mended, put it into the corpus.",
            target.name,
            path.display()
        );
    }
    println!(
        "{}: {runs} inputs from seed {seed}, {} of them taken, {} KiB at the most",
        target.name,
        taken.get(),
        most.get() / 1024
    );
}

fn words_of(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
    text.unwrap_or_else(|| "a panic".to_owned())
}

fn drive(name: &str) -> Result<(), Fail> {
    let target = TARGETS.iter().find(|target| target.name == name);
    let target = target.ok_or_else(|| Fail::new(format!("there is no target {name}")))?;
    let corpus = corpus(target)?;
    seeds_are_taken(target, &corpus);
    mutations_do_no_harm(target, corpus.into_iter().map(|(_, bytes)| bytes).collect());
    Ok(())
}

macro_rules! driven {
    ($($name:ident)*) => {
        const DRIVEN: &[&str] = &[$(stringify!($name)),*];
        $(
            #[test]
            fn $name() -> Result<(), Fail> {
                drive(stringify!($name))
            }
        )*
    };
}

driven! {
    frame item record certificate charter announcement bundle card listing board import identifier ticket pass words
    key_file sealed session store stream merge_request merge_answer rescue api_body
}

#[test]
fn api_request_and_gossip() -> Result<(), Fail> {
    // One node serves both.
    let outcome = drive("api_request").and_then(|()| drive("gossip"));
    targets::stop();
    outcome
}

#[test]
fn a_megabyte_that_announces_a_million_holds_little_more_than_itself() {
    let target = TARGETS
        .iter()
        .find(|target| target.name == "frame")
        .unwrap();
    let count = 1_000_000_u32;
    let list = |entry: &[u8]| {
        let entries = entry.repeat(count as usize / entry.len());
        let announced = u32::try_from(entries.len() / entry.len()).unwrap();
        [&[0x9a][..], &announced.to_be_bytes(), &entries].concat()
    };
    let empty = list(&[0x40]);
    let departures = list(&[0x82, 1, 0x82, 0x40, 0x40]);
    let tags = list(&[&[0x50][..], &[7; 16]].concat());
    let ids = list(&[&[0x58, 32][..], &[7; 32]].concat());
    // A list that ends where it ends says nothing of its length.
    let endless = [&[0x9f][..], &departures[5..], &[0xff]].concat();
    let frames: [(&str, Vec<u8>); 7] = [
        (
            "introduced delegations",
            [&[0x82, 12, 0x83, 0x80][..], &empty, &[0x80]].concat(),
        ),
        (
            "introduced items",
            [&[0x82, 12, 0x83][..], &departures, &[0x80, 0x80]].concat(),
        ),
        ("items", [&[0x82, 8, 0x81][..], &departures].concat()),
        (
            "items without end",
            [&[0x82, 8, 0x81][..], &endless].concat(),
        ),
        ("tags", [&[0x82, 1, 0x82][..], &tags, &[0x80]].concat()),
        ("known", [&[0x82, 1, 0x82, 0x80][..], &tags].concat()),
        ("wanted", [&[0x82, 7, 0x81][..], &ids].concat()),
    ];
    for (what, frame) in frames {
        let (taken, held) = run(target, &frame);
        println!("{what}: {} bytes hold {held}", frame.len());
        assert!(!taken, "{what}");
        assert!(
            held <= 5 * frame.len() as u64,
            "{what}: {} bytes hold {held}",
            frame.len()
        );
    }
}

#[test]
fn every_target_is_driven_here_and_by_libfuzzer() -> Result<(), Fail> {
    let names: BTreeSet<&str> = TARGETS.iter().map(|target| target.name).collect();
    let driven = DRIVEN.iter().copied().chain(["api_request", "gossip"]);
    assert_eq!(driven.collect::<BTreeSet<_>>(), names);
    let manifest = fs::read_to_string(workspace_dir().join("tests/fuzz/Cargo.toml"))?;
    let binaries = manifest.split("[[bin]]").skip(1);
    let binaries = binaries.filter_map(|binary| binary.split('"').nth(1));
    assert_eq!(binaries.collect::<BTreeSet<_>>(), names);
    for name in names {
        let file = workspace_dir().join(format!("tests/fuzz/fuzz_targets/{name}.rs"));
        let text = fs::read_to_string(&file)?;
        assert!(
            text.contains(&format!("run(\"{name}\", data)")),
            "{}",
            file.display()
        );
    }
    Ok(())
}
