//! `fingerpost help [COMMAND]…`

use clap::{Args, CommandFactory};
use serde::Serialize;

use crate::commands::Cli;
use crate::error::CliError;
use crate::output::Output;

#[derive(Debug, Args)]
pub(crate) struct Help {
    /// Which command, such as `listing import` [default: an overview of all]
    command: Vec<String>,
}

#[derive(Serialize)]
struct Text {
    help: String,
}

pub(crate) fn run(help: &Help, output: &Output) -> Result<(), CliError> {
    let mut command = Cli::command();
    // Tells every command its full name and the options that all take.
    command.build();
    let mut at = &mut command;
    for name in &help.command {
        let Some(inner) = at.find_subcommand_mut(name) else {
            return Err(CliError::usage(
                format!("There is no command \"{}\".", help.command.join(" ")),
                "See all commands with: fingerpost help",
            ));
        };
        at = inner;
    }
    output.emit(
        &Text {
            help: at.render_long_help().to_string(),
        },
        |text| text.help.clone(),
    )
}
