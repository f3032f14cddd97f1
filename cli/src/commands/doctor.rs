//! `fingerpost doctor`

use std::process::Stdio;
use std::time::Duration;

use clap::Args;
use fingerpost_proto::api::{Check, Checkup, Outcome};
use serde::Serialize;

use crate::client::Target;
use crate::commands::Context;
use crate::demo;
use crate::error::CliError;
use crate::output::one_line;

/// How long the checks of a home whose daemon is off may take: a large store takes some seconds to open.
const OFFLINE_MAX: Duration = Duration::from_secs(120);

#[derive(Debug, Args)]
pub(crate) struct Doctor {}

/// All checks, and whether all is well.
#[derive(Serialize)]
struct Report {
    well: bool,
    running: bool,
    checks: Vec<Check>,
}

pub(crate) async fn run(_: Doctor, context: &Context) -> Result<(), CliError> {
    let asked: Result<Checkup, CliError> = context.client.get(&Target::new(&["doctor"])).await;
    let (running, mut checks) = match asked {
        Ok(checkup) => {
            let mut checks = vec![is_running(context)];
            checks.extend(same_version(&checkup.version));
            checks.extend(checkup.checks);
            (true, checks)
        }
        Err(error) if error.kind().0 == "no_daemon" => {
            let mut checks = vec![is_off(&error)];
            checks.extend(offline(context).await);
            (false, checks)
        }
        Err(error) => return Err(error),
    };
    checks.iter_mut().for_each(|check| {
        check.found = one_line(&check.found);
    });
    let failed = checks
        .iter()
        .filter(|check| check.outcome == Outcome::Failure)
        .count();
    let report = Report {
        well: failed == 0,
        running,
        checks,
    };
    context.output.emit(&report, in_words)?;
    match failed {
        0 => Ok(()),
        _ => Err(CliError::Refused {
            message: format!("{failed} of {} checks failed.", report.checks.len()),
            hint: "Begin with the first that failed; others may follow from it.".to_owned(),
        }),
    }
}

fn is_running(context: &Context) -> Check {
    Check {
        name: "daemon".to_owned(),
        outcome: Outcome::Ok,
        found: format!("it runs in {}", context.client.home_dir().display()),
        remedy: None,
    }
}

fn is_off(error: &CliError) -> Check {
    Check {
        name: "daemon".to_owned(),
        outcome: Outcome::Failure,
        found: "it does not run, so peers, reachability and search were not checked".to_owned(),
        remedy: error.hint(),
    }
}

fn same_version(daemon: &str) -> Option<Check> {
    let own = env!("CARGO_PKG_VERSION");
    (daemon != own).then(|| Check {
        name: "programs".to_owned(),
        outcome: Outcome::Warning,
        found: format!("this program is version {own}, the daemon {daemon}"),
        remedy: Some("Install the same version of both, and restart the daemon.".to_owned()),
    })
}

/// What the daemon's program finds in a home while no daemon runs there.
async fn offline(context: &Context) -> Vec<Check> {
    match examine(context).await {
        Ok(checkup) => same_version(&checkup.version)
            .into_iter()
            .chain(checkup.checks)
            .collect(),
        Err((found, remedy)) => vec![Check {
            name: "home".to_owned(),
            outcome: Outcome::Failure,
            found,
            remedy: Some(remedy),
        }],
    }
}

async fn examine(context: &Context) -> Result<Checkup, (String, String)> {
    let program = demo::find_daemon().map_err(|error| {
        (
            error.to_string(),
            "Install fingerpostd beside this program.".to_owned(),
        )
    })?;
    let running = tokio::process::Command::new(program)
        .arg("--doctor")
        .arg("--home")
        .arg(context.client.home_dir())
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let hint = || "Start the daemon in the foreground, and read what it says.".to_owned();
    let output = tokio::time::timeout(OFFLINE_MAX, running)
        .await
        .map_err(|_| ("the checks took too long".to_owned(), hint()))?
        .map_err(|error| (error.to_string(), hint()))?;
    serde_json::from_slice(&output.stdout).map_err(|_| {
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        let said = said.strip_prefix("fingerpostd: ").unwrap_or(&said);
        (said.to_owned(), hint())
    })
}

fn in_words(report: &Report) -> String {
    let width = report.checks.iter().map(|it| it.name.len()).max();
    let width = width.unwrap_or(0);
    let mut text = String::new();
    for check in &report.checks {
        let outcome = match check.outcome {
            Outcome::Ok => "ok",
            Outcome::Warning => "warning",
            Outcome::Failure => "FAILED",
        };
        text.push_str(&format!(
            "{outcome:<7}  {:<width$}  {}\n",
            check.name, check.found
        ));
        if let Some(remedy) = &check.remedy {
            for line in remedy.lines() {
                text.push_str(&format!(
                    "{:<7}  {:<width$}  → {}\n",
                    "",
                    "",
                    one_line(line)
                ));
            }
        }
    }
    text
}
