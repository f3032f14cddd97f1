//! Finds `fingerpostd`; under `cargo run`, builds it first.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::process::Command;

use crate::demo::failed;
use crate::demo::screen::Screen;
use crate::error::CliError;

const DAEMON: &str = "fingerpostd";

/// What `cargo run` says about itself.
struct CargoRun {
    cargo: OsString,
    workspace: PathBuf,
}

/// The daemon that belongs to this program: beside it, or else on the search path.
///
/// # Errors
/// [`CliError::Demo`] when there is none, or when it cannot be built.
pub(super) async fn find(screen: &Screen) -> Result<PathBuf, CliError> {
    let own = std::env::current_exe().map_err(CliError::file("the path of this program"))?;
    let beside = own.with_file_name(DAEMON);
    if let Some(run) = CargoRun::detect() {
        build(&run, &own, &beside, screen).await?;
    }
    installed()
}

/// The same, as it is: nothing is built.
///
/// # Errors
/// [`CliError::Demo`] when there is none.
pub(crate) fn installed() -> Result<PathBuf, CliError> {
    let own = std::env::current_exe().map_err(CliError::file("the path of this program"))?;
    let beside = own.with_file_name(DAEMON);
    if beside.is_file() {
        return Ok(beside);
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .map(|dir| dir.join(DAEMON))
        .find(|path| path.is_file())
        .ok_or_else(|| {
            failed(format!(
                "{DAEMON} is neither beside this program ({}) nor on the search path. In the \
                 project's folder, `cargo run --release -- demo` builds it.",
                own.display()
            ))
        })
}

impl CargoRun {
    /// Whether this program was started by `cargo run`, and where its workspace is.
    fn detect() -> Option<Self> {
        // `cargo test` sets the same variables, for the package that is tested.
        let package = std::env::var_os("CARGO_PKG_NAME")?;
        let manifest_dir = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR")?);
        let workspace = manifest_dir.parent()?.to_owned();
        let fits = package == env!("CARGO_PKG_NAME") && workspace.join("Cargo.toml").is_file();
        Some(Self {
            cargo: std::env::var_os("CARGO")?,
            workspace,
        })
        .filter(|_| fits)
    }
}

/// Has cargo bring the daemon up to date, in the same target directory and profile as this program.
async fn build(run: &CargoRun, own: &Path, beside: &Path, screen: &Screen) -> Result<(), CliError> {
    let arguments = build_arguments(own).ok_or_else(|| {
        failed(format!(
            "cannot tell the target directory from {}",
            own.display()
        ))
    })?;
    let mut command = Command::new(&run.cargo);
    command.args(arguments).current_dir(&run.workspace);
    // Cargo describes the running package to it; a build must not see that.
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
            command.env_remove(&name);
        }
    }
    if beside.is_file() {
        command.arg("--quiet");
    } else {
        screen.line("Building the daemon. This takes some minutes, once.")?;
    }
    // Cargo talks on standard error; standard output is ours.
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .kill_on_drop(true);
    let status = command
        .status()
        .await
        .map_err(CliError::file(run.cargo.to_string_lossy()))?;
    if status.success() {
        Ok(())
    } else {
        Err(failed(
            "The daemon could not be built; cargo says why above.",
        ))
    }
}

/// Arguments for `cargo`, from where this program lies: `TARGET/PROFILE/fingerpost`.
fn build_arguments(own: &Path) -> Option<Vec<OsString>> {
    let profile_dir = own.parent()?;
    let target_dir = profile_dir.parent()?;
    let mut arguments: Vec<OsString> = ["build", "--bin", DAEMON].map(OsString::from).into();
    arguments.push("--target-dir".into());
    arguments.push(target_dir.into());
    match profile_dir.file_name()?.to_str()? {
        "debug" => {}
        "release" => arguments.push("--release".into()),
        other => arguments.extend(["--profile".into(), OsString::from(other)]),
    }
    Some(arguments)
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]
mod tests {
    use super::*;

    #[test]
    fn profile_and_target_directory_follow_from_the_path() {
        let arguments = |path: &str| {
            let arguments = build_arguments(Path::new(path)).unwrap();
            arguments
                .iter()
                .map(|one| one.to_str().unwrap())
                .collect::<Vec<_>>()
                .join(" ")
        };
        let start = "build --bin fingerpostd --target-dir /x/target";
        assert_eq!(arguments("/x/target/debug/fingerpost"), start);
        assert_eq!(
            arguments("/x/target/release/fingerpost"),
            format!("{start} --release")
        );
        assert_eq!(
            arguments("/x/target/dist/fingerpost"),
            format!("{start} --profile dist")
        );
    }
}
