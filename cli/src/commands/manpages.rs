//! `fingerpost manpages DIR`

use std::path::{Path, PathBuf};

use clap::{Args, Command, CommandFactory};
use clap_mangen::Man;
use serde::Serialize;

use crate::commands::Cli;
use crate::error::CliError;
use crate::output::Output;
use crate::output::words::count;

#[derive(Debug, Args)]
pub(crate) struct Manpages {
    /// Directory to write them to; it is made if it does not exist
    dir: PathBuf,
}

#[derive(Serialize)]
struct Written {
    files: Vec<String>,
}

pub(crate) fn run(manpages: &Manpages, output: &Output) -> Result<(), CliError> {
    let dir = &manpages.dir;
    std::fs::create_dir_all(dir).map_err(CliError::file(dir.display().to_string()))?;
    let mut command = Cli::command();
    // Tells every command its full name and the options that all take.
    command.build();
    let mut written = Written { files: Vec::new() };
    write(&command, dir, &mut written.files)?;
    output.emit(&written, |written| {
        written
            .files
            .iter()
            .map(|file| format!("{file}\n"))
            .collect()
    })?;
    output.talk(&format!(
        "{} written. Read one with: man -l FILE",
        count(written.files.len(), "man page")
    ));
    Ok(())
}

/// Writes the page of a command, and those of the commands below it.
fn write(command: &Command, dir: &Path, files: &mut Vec<String>) -> Result<(), CliError> {
    let path = Man::new(command.clone())
        .source(concat!("fingerpost ", env!("CARGO_PKG_VERSION")))
        .generate_to(dir)
        .map_err(CliError::file(dir.display().to_string()))?;
    files.push(path.display().to_string());
    command
        .get_subcommands()
        .try_for_each(|inner| write(inner, dir, files))
}
