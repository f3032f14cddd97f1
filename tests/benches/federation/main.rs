//! Whole nodes, each a process of its own, over loopback, with everything on: signatures, store, index.
//!
//! ```text
//! cargo bench --workspace --bench federation
//! ```
//!
//! `FINGERPOST_BENCH` names the parts wanted (`floor,spread,join,follow,edits,resync,hold,kill`, all by default), `FINGERPOST_BENCH_ORGS`
//! the sizes (`1000,10000` by default), `FINGERPOST_BENCH_NODES` the numbers of nodes for edits (`8,32`). The made-up
//! federations are filled once and kept in the target directory. Where the system allows it, all runs in a network namespace of its own, so that the bytes on
//! loopback, with all headers, are those of the nodes alone.
//!
//! Prints each result as it comes, and at the end all of them as one line of JSON.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod edits;
mod fill;
mod floor;
mod hold;
mod join;
mod measure;
mod node;
mod peers;
mod resync;
mod spread;

use std::env;
use std::process::{Command, ExitCode};

use serde_json::{Value, json};

/// Set in the process that runs in a namespace of its own.
const INSIDE: &str = "FINGERPOST_BENCH_INSIDE";

fn list(name: &str, otherwise: &str) -> Vec<String> {
    let text = env::var(name).unwrap_or_else(|_| otherwise.to_owned());
    text.split(',').map(|it| it.trim().to_owned()).collect()
}

fn numbers(name: &str, otherwise: &str) -> Vec<u32> {
    let list = list(name, otherwise).into_iter();
    list.map(|it| it.parse().expect("a number")).collect()
}

/// Runs this program again in a network namespace with nothing in it but loopback.
fn run_inside() -> Option<ExitCode> {
    let program = env::current_exe().ok()?;
    let script = "ip link set lo up && exec \"$0\"";
    let mut command = Command::new("unshare");
    command.args(["--net", "--map-root-user", "sh", "-c", script]);
    let allowed = Command::new("unshare")
        .args(["--net", "--map-root-user", "ip", "link", "set", "lo", "up"])
        .status();
    if !allowed.is_ok_and(|status| status.success()) {
        return None;
    }
    let ended = command.arg(program).env(INSIDE, "1").status().ok()?;
    Some(match ended.success() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

fn run() {
    let sizes = numbers("FINGERPOST_BENCH_ORGS", "1000,10000");
    let parts = list(
        "FINGERPOST_BENCH",
        "floor,spread,join,follow,edits,resync,hold,kill",
    );
    let mut results = Vec::new();
    let mut note = |part: &str, result: Value| {
        println!("{part}: {result:#}");
        results.push(json!({ "part": part, "result": result }));
    };
    for part in &parts {
        match part.as_str() {
            "spread" => note(part, spread::measure()),
            "floor" => note(part, floor::measure(sizes[0].min(10_000))),
            "join" => {
                for size in &sizes {
                    note(part, join::measure(*size));
                }
            }
            "follow" => {
                for size in &sizes {
                    note(part, join::measure_following(*size));
                }
            }
            "edits" => {
                for nodes in numbers("FINGERPOST_BENCH_NODES", "8,32") {
                    note(part, edits::measure(nodes as usize));
                }
            }
            "resync" => {
                for size in &sizes {
                    note(part, resync::measure(*size));
                }
            }
            "hold" => {
                for size in &sizes {
                    note(part, hold::measure(*size));
                }
            }
            "kill" => note(part, join::measure_killed(sizes[sizes.len() - 1])),
            other => panic!("there is no part {other}"),
        }
    }
    println!("{}", json!({ "format": 1, "results": results }));
}

fn main() -> ExitCode {
    let mut args = env::args().skip(1);
    match args.next().as_deref() {
        // `cargo test --benches` only wants to see that it starts.
        Some("--test") => return ExitCode::SUCCESS,
        Some("node") => {
            let home = args.next().expect("a home");
            let port = args.next().expect("a port").parse().expect("a port");
            let interval_s = args.next().expect("an interval").parse().expect("seconds");
            node::run(home.as_ref(), port, interval_s);
            return ExitCode::SUCCESS;
        }
        _ => {}
    }
    if env::var_os(INSIDE).is_none()
        && let Some(code) = run_inside()
    {
        return code;
    }
    if env::var_os(INSIDE).is_none() {
        println!(
            "no network namespace can be made here: bytes on the wire are those of everything on loopback"
        );
    }
    run();
    ExitCode::SUCCESS
}
