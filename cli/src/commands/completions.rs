//! `fingerpost completions SHELL`

use clap::{Args, CommandFactory};
use clap_complete::Shell;
use serde::Serialize;

use crate::commands::Cli;
use crate::error::CliError;
use crate::output::Output;

#[derive(Debug, Args)]
pub(crate) struct Completions {
    /// For which shell
    shell: Shell,
}

#[derive(Serialize)]
struct Script {
    shell: String,
    script: String,
}

pub(crate) fn run(completions: &Completions, output: &Output) -> Result<(), CliError> {
    let mut script = Vec::new();
    clap_complete::generate(
        completions.shell,
        &mut Cli::command(),
        "fingerpost",
        &mut script,
    );
    let script = Script {
        shell: completions.shell.to_string(),
        script: String::from_utf8_lossy(&script).into_owned(),
    };
    output.emit(&script, |script| script.script.clone())
}
