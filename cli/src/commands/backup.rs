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
    if !backup.overwrite && path.symlink_metadata().is_ok() {
        return Err(exists(path));
    }
    let passphrase = new_passphrase(backup.passphrase_file.as_deref(), context)?;
    let body = MakeBackup {
        passphrase: passphrase.to_string(),
    };
    let made: BackupFile = context
        .client
        .post(&context.target(&["backup"]), &body)
        .await?;
    let part = put_beside(path, made.file.as_bytes())?;
    // What counts is what the disk gives back.
    let written = read_backup(part.path())?;
    let contents = opened(&written, &passphrase, context).await?;
    put_in_place(part, path, backup.overwrite)?;
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

fn exists(path: &Path) -> CliError {
    CliError::Refused {
        message: format!("{} exists. Nothing was changed.", path.display()),
        hint: "Choose another name, or say that it may be replaced: --overwrite".to_owned(),
    }
}

/// Writes a file for its owner's eyes alone beside where it is to be, and makes sure that it is on disk. It is
/// removed again when dropped.
fn put_beside(path: &Path, content: &[u8]) -> Result<tempfile::NamedTempFile, CliError> {
    use std::io::Write;
    let failed = || CliError::file(path.display().to_string());
    let mut part = tempfile::Builder::new()
        .prefix(".fingerpost-backup-")
        .tempfile_in(directory(path))
        .map_err(failed())?;
    part.write_all(content).map_err(failed())?;
    part.as_file().sync_all().map_err(failed())?;
    Ok(part)
}

fn directory(path: &Path) -> &Path {
    let parent = path.parent().filter(|it| !it.as_os_str().is_empty());
    parent.unwrap_or(Path::new("."))
}

/// Gives a file that is whole its name.
fn put_in_place(
    part: tempfile::NamedTempFile,
    path: &Path,
    overwrite: bool,
) -> Result<(), CliError> {
    let placed = match overwrite {
        true => part.persist(path),
        false => part.persist_noclobber(path),
    };
    placed.map_err(|error| match error.error.kind() {
        std::io::ErrorKind::AlreadyExists => exists(path),
        _ => CliError::file(path.display().to_string())(error.error),
    })?;
    std::fs::File::open(directory(path))
        .and_then(|dir| dir.sync_all())
        .map_err(CliError::file(path.display().to_string()))
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
