//! `fingerpost backup`

use std::path::{Path, PathBuf};

use clap::Args;
use fingerpost_proto::api::{BackupContents, BackupFile, MakeBackup, UseBackup};
use serde::Serialize;
use zeroize::Zeroizing;

use crate::client::Target;
use crate::commands::Context;
use crate::error::CliError;
use crate::input::read_input;
use crate::input::secret::{kept_passphrase, new_passphrase};
use crate::output::one_line;
use crate::output::whole::{WholeFile, refuse_existing};
use crate::output::words::{bytes, count, moment};

/// Largest backup file that is read, in bytes; no node makes a larger one.
pub(crate) const BACKUP_MAX_BYTES: usize = 192 * 1024 * 1024;

#[derive(Debug, Args)]
pub(crate) struct Backup {
    /// The file to be written
    #[arg(value_name = "FILE", required_unless_present = "check")]
    file: Option<PathBuf>,
    /// Write nothing: open a backup, check everything in it, and say what it holds
    #[arg(long, value_name = "FILE", conflicts_with_all = ["file", "overwrite"])]
    check: Option<PathBuf>,
    /// Take the place of a file that exists, once the new one is written and checked
    #[arg(long)]
    overwrite: bool,
    /// File whose first line is the passphrase [default: asked for]
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<String>,
}

impl Backup {
    /// Whether `--org` can say which organisation is meant.
    pub(crate) fn takes_org(&self) -> bool {
        self.check.is_none()
    }
}

/// What was written where, or found there.
#[derive(Serialize)]
struct Report<'a> {
    path: String,
    size_bytes: u64,
    #[serde(flatten)]
    contents: &'a BackupContents,
}

pub(crate) async fn run(backup: Backup, context: &Context) -> Result<(), CliError> {
    match (&backup.check, &backup.file) {
        (Some(path), _) => check(path, backup.passphrase_file.as_deref(), context).await,
        (None, Some(path)) => write(path, &backup, context).await,
        (None, None) => Err(CliError::usage(
            "No file is named.",
            "Name one: fingerpost backup FILE",
        )),
    }
}

async fn check(
    path: &Path,
    passphrase_file: Option<&str>,
    context: &Context,
) -> Result<(), CliError> {
    let file = read_backup(path)?;
    let passphrase = kept_passphrase(passphrase_file, "Passphrase of the backup: ", context)?;
    let contents = opened(&file, &passphrase, context).await?;
    report(path, file.len() as u64, &contents, context)?;
    context
        .output
        .talk("Everything in it was checked. To bring it back: fingerpost restore FILE");
    Ok(())
}

async fn write(path: &Path, backup: &Backup, context: &Context) -> Result<(), CliError> {
    if path == Path::new("-") {
        return Err(CliError::usage(
            "A backup holds keys, and is written to a file that only its owner can read.",
            "Name a file: fingerpost backup FILE",
        ));
    }
    // Before anybody thinks of a passphrase; the writing makes sure.
    let replace = ("--overwrite", backup.overwrite);
    refuse_existing(path, replace)?;
    let passphrase = new_passphrase(backup.passphrase_file.as_deref(), context)?;
    let body = MakeBackup {
        passphrase: passphrase.to_string(),
    };
    let made: BackupFile = context
        .client
        .post(&context.target(&["backup"]), &body)
        .await?;
    let mut part = WholeFile::begin(path, replace)?;
    part.write(made.file.as_bytes())?;
    // What counts is what the disk gives back.
    let written = read_backup(part.settle()?)?;
    let contents = opened(&written, &passphrase, context).await?;
    part.place()?;
    report(path, written.len() as u64, &contents, context)?;
    context.output.talk(
        "It was read back and checked. Keep it away from this machine, and its passphrase away from it: \
         whoever has both is your organisation.",
    );
    Ok(())
}

/// The text of a backup file.
pub(crate) fn read_backup(path: &Path) -> Result<String, CliError> {
    let Some(name) = path.to_str() else {
        return Err(CliError::usage(
            "The name of the file is not text.",
            "Give it another name.",
        ));
    };
    let bytes = read_input(name, BACKUP_MAX_BYTES)?;
    // One that was changed need not be text any more; the daemon says what is wrong with it.
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

async fn opened(
    file: &str,
    passphrase: &Zeroizing<String>,
    context: &Context,
) -> Result<BackupContents, CliError> {
    let body = UseBackup {
        file: file.to_owned(),
        passphrase: passphrase.to_string(),
    };
    let target = Target::new(&["backup", "check"]);
    context.client.post(&target, &body).await
}

fn report(
    path: &Path,
    size_bytes: u64,
    contents: &BackupContents,
    context: &Context,
) -> Result<(), CliError> {
    let report = Report {
        path: path.display().to_string(),
        size_bytes,
        contents,
    };
    context.output.emit(&report, in_words)
}

fn in_words(report: &Report<'_>) -> String {
    let contents = report.contents;
    let mut text = format!(
        "{} ({}), made {} by node {}\n",
        report.path,
        bytes(report.size_bytes),
        moment(contents.made_at_s),
        contents.node.short(),
    );
    for org in &contents.organisations {
        text.push_str(&format!(
            "  {}: {}, {}{}\n",
            one_line(&org.organisation.name),
            count(org.documents, "document"),
            count(org.services, "service"),
            match org.root_key {
                true => ", with its root key",
                false => ", without its root key",
            },
        ));
    }
    for network in &contents.networks {
        text.push_str(&format!("  the way to {}\n", one_line(network)));
    }
    if contents.settings {
        text.push_str("  the settings of the node\n");
    }
    text
}
