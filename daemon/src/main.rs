//! `fingerpostd`: see `fingerpostd --help`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use fingerpost_proto::api::{Checkup, Outcome};

/// The node of a Fingerpost federation: holds your listing, finds its peers, answers searches.
#[derive(Debug, Parser)]
#[command(name = "fingerpostd", version)]
struct Args {
    /// The directory that holds this node's keys, store and settings.
    #[arg(long, value_name = "DIR")]
    home: Option<PathBuf>,
    /// Print the settings file with every setting explained, and exit.
    #[arg(long)]
    sample_config: bool,
    /// Look at the directory of a node that does not run, print what was found as JSON, and exit:
    /// `fingerpost doctor` does the same in words.
    #[arg(long)]
    doctor: bool,
    /// Be a merge worker: see the module `merge`.
    #[arg(long, hide = true)]
    merge_worker: bool,
}

fn main() -> ExitCode {
    let args = Args::parse();
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    share_memory();
    if args.merge_worker {
        return fingerpost_daemon::merge::worker_main();
    }
    if args.sample_config {
        print_sample();
        return ExitCode::SUCCESS;
    }
    if args.doctor {
        return match fingerpost_daemon::run::examine(args.home) {
            Ok(checkup) => print_checkup(&checkup),
            Err(error) => {
                complain(&error.to_string());
                ExitCode::FAILURE
            }
        };
    }
    match fingerpost_daemon::run::run(args.home) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // The log may not have been started yet, so this goes to the terminal in any case.
            complain(&error.to_string());
            ExitCode::FAILURE
        }
    }
}

/// Begins this program once more, as the same process, with one pool of memory for all its threads. By itself the system's
/// library keeps for each thread what that once used: a third more in all, for nothing that could be measured. It reads this
/// at the start of a program only. If it cannot be begun once more, or somebody has set it otherwise, it goes on as it is.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn share_memory() {
    use std::os::unix::process::CommandExt;
    const SETTING: &str = "MALLOC_ARENA_MAX";
    if std::env::var_os(SETTING).is_some() {
        return;
    }
    let mut args = std::env::args_os();
    if let (Some(name), Ok(program)) = (args.next(), std::env::current_exe()) {
        let mut again = std::process::Command::new(program);
        // It comes back only where that failed.
        let _error = again.arg0(name).args(args).env(SETTING, "1").exec();
    }
}

fn print_sample() {
    use std::io::Write;
    let sample = fingerpost_config::Settings::sample();
    // A reader that stopped reading has seen enough.
    std::io::stdout().write_all(sample.as_bytes()).ok();
}

fn print_checkup(checkup: &Checkup) -> ExitCode {
    use std::io::Write;
    let failed = checkup
        .checks
        .iter()
        .any(|it| it.outcome == Outcome::Failure);
    let text = serde_json::to_string(checkup).unwrap_or_default();
    writeln!(std::io::stdout(), "{text}").ok();
    match failed {
        true => ExitCode::FAILURE,
        false => ExitCode::SUCCESS,
    }
}

fn complain(message: &str) {
    use std::io::Write;
    writeln!(std::io::stderr(), "fingerpostd: {message}").ok();
}
