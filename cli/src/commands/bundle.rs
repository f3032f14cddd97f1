//! `fingerpost bundle export|import`: a network in one file.

mod export;
mod import;

use std::io::{BufRead, BufReader, IsTerminal, Read};
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use fingerpost_proto::limits;
use indicatif::{ProgressBar, ProgressStyle};

use crate::commands::{Context, InNetwork};
use crate::error::CliError;
use crate::input::since;

pub(super) use import::{import, in_words, judge};

#[derive(Debug, Subcommand)]
pub(crate) enum Bundle {
    /// Write what the members of a network may see to a file: for a stick, an e-mail, a place without internet
    Export(Export),
    /// Take in a bundle, from whomever it comes: each record in it is checked
    Import {
        /// The file; - reads standard input
        file: PathBuf,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Export {
    /// The file to be written; - writes to standard output
    file: PathBuf,
    /// Only listings and boards changed since then, such as 7d, 2026-11-01 or 2026-11-01T18:00Z; cards always travel
    #[arg(long, value_name = "WHEN", value_parser = since)]
    since: Option<u64>,
    #[command(flatten)]
    network: InNetwork,
    /// Take the place of a file that exists, once the new one is whole
    #[arg(long)]
    force: bool,
}

pub(crate) async fn run(bundle: Bundle, context: &Context) -> Result<(), CliError> {
    match bundle {
        Bundle::Export(export) => export::run(export, context).await,
        Bundle::Import { file } => import::run(&file, context).await,
    }
}

/// Whether a file is a standard stream.
fn is_stream(path: &Path) -> bool {
    path == Path::new("-")
}

/// A bar where somebody looks, which counts up to `length` in `unit`.
fn bar(length: Option<u64>, template: &str, context: &Context) -> ProgressBar {
    if context.output.json || !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template(template);
    let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
    let bar = match length {
        Some(length) => ProgressBar::new(length),
        None => ProgressBar::no_length(),
    };
    bar.with_style(style)
}

/// The line of a bundle that holds the charter, as whoever joins with a ticket and without a connection needs it.
///
/// # Errors
/// [`CliError::File`]; [`CliError::Refused`] if the file has no such line.
pub(super) fn charter_line(path: &Path) -> Result<String, CliError> {
    let failed = || CliError::file(path.display().to_string());
    let file = std::fs::File::open(path).map_err(failed())?;
    let most = limits::BUNDLE_HEADER_MAX_BYTES + limits::BUNDLE_LINE_MAX_BYTES;
    let mut lines = BufReader::new(file.take(most as u64)).split(b'\n').skip(1);
    let line = lines.next().transpose().map_err(failed())?;
    line.and_then(|line| String::from_utf8(line).ok())
        .ok_or_else(|| CliError::Refused {
            message: format!("{} is not a bundle. Nothing was changed.", path.display()),
            hint: "Ask whoever invited you for one: fingerpost bundle export FILE".to_owned(),
        })
}
