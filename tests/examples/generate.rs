//! Writes a federation that is made up as a bundle to standard output, and a ticket to it to standard error:
//!
//! ```text
//! cargo run --release -p fingerpost-tests --example generate -- --organisations 10000 --seed 1 > federation.bundle
//! fingerpost join TICKET --accept-charter --bundle federation.bundle
//! ```

use std::io::{BufWriter, stdout};
use std::process::ExitCode;

use fingerpost_tests::Fail;
use fingerpost_tests::generate::{AT_S, Federation, Plan};

const USAGE: &str = "generate --organisations N [--seed N] [--at SECONDS] > FILE";
/// As everything that the daemon writes.
const COMPRESSION_LEVEL: i32 = 3;

fn plan(mut args: impl Iterator<Item = String>) -> Result<Plan, Fail> {
    let mut plan = Plan {
        organisations: 0,
        seed: 1,
        at_s: AT_S,
    };
    while let Some(option) = args.next() {
        let value = args.next().ok_or_else(|| Fail::new(USAGE))?;
        match option.as_str() {
            "--organisations" => plan.organisations = value.parse()?,
            "--seed" => plan.seed = value.parse()?,
            "--at" => plan.at_s = value.parse()?,
            _ => return Err(Fail::new(USAGE)),
        }
    }
    match plan.organisations {
        0 => Err(Fail::new(USAGE)),
        _ => Ok(plan),
    }
}

fn run() -> Result<(), Fail> {
    let federation = Federation::new(plan(std::env::args().skip(1))?);
    let compress = |bytes: &[u8]| zstd::bulk::compress(bytes, COMPRESSION_LEVEL).ok();
    let items = federation.write_bundle(&mut BufWriter::new(stdout().lock()), compress)?;
    eprintln!("{items} items; to join: {}", federation.ticket().to_text());
    Ok(())
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
