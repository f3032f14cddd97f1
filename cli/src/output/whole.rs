//! Files that get their name only once they are whole.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use crate::error::CliError;

/// A file that is being written, for its owner's eyes alone, beside where it is to be. Dropped before it got its name,
/// it is removed again.
pub(crate) struct WholeFile {
    part: NamedTempFile,
    path: PathBuf,
    /// The option that lets it take the place of another, and whether it was given.
    replace: (&'static str, bool),
}

impl WholeFile {
    /// Begins a file that is to be at `path`. `replace` is the option with which it may take the place of one that
    /// exists, and whether it was given.
    ///
    /// # Errors
    /// [`CliError::Refused`] if there is one already; [`CliError::File`].
    pub(crate) fn begin(path: &Path, replace: (&'static str, bool)) -> Result<Self, CliError> {
        refuse_existing(path, replace)?;
        let part = tempfile::Builder::new()
            .prefix(".fingerpost-")
            .tempfile_in(directory(path))
            .map_err(CliError::file(path.display().to_string()))?;
        Ok(Self {
            part,
            path: path.to_owned(),
            replace,
        })
    }

    /// Adds to it.
    ///
    /// # Errors
    /// [`CliError::File`].
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<(), CliError> {
        let written = self.part.write_all(bytes);
        written.map_err(CliError::file(self.path.display().to_string()))
    }

    /// Makes sure that it is on disk, and says where it is for now.
    ///
    /// # Errors
    /// [`CliError::File`].
    pub(crate) fn settle(&self) -> Result<&Path, CliError> {
        let settled = self.part.as_file().sync_all();
        settled.map_err(CliError::file(self.path.display().to_string()))?;
        Ok(self.part.path())
    }

    /// Gives it its name.
    ///
    /// # Errors
    /// [`CliError::Refused`] if something has that name by now; [`CliError::File`].
    pub(crate) fn place(self) -> Result<(), CliError> {
        self.settle()?;
        let Self {
            part,
            path,
            replace,
        } = self;
        let placed = match replace.1 {
            true => part.persist(&path),
            false => part.persist_noclobber(&path),
        };
        placed.map_err(|error| match error.error.kind() {
            io::ErrorKind::AlreadyExists => exists(&path, replace.0),
            _ => CliError::file(path.display().to_string())(error.error),
        })?;
        std::fs::File::open(directory(&path))
            .and_then(|dir| dir.sync_all())
            .map_err(CliError::file(path.display().to_string()))
    }
}

/// Refuses to write where something is already, unless it may be replaced.
///
/// # Errors
/// [`CliError::Refused`].
pub(crate) fn refuse_existing(
    path: &Path,
    (option, may_replace): (&'static str, bool),
) -> Result<(), CliError> {
    match !may_replace && path.symlink_metadata().is_ok() {
        true => Err(exists(path, option)),
        false => Ok(()),
    }
}

fn exists(path: &Path, option: &str) -> CliError {
    CliError::Refused {
        message: format!("{} exists. Nothing was changed.", path.display()),
        hint: format!("Choose another name, or say that it may be replaced: {option}"),
    }
}

fn directory(path: &Path) -> &Path {
    let parent = path.parent().filter(|it| !it.as_os_str().is_empty());
    parent.unwrap_or(Path::new("."))
}
