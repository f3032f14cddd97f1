//! The programs under test: `fingerpost` and `fingerpostd`, built from the sources as they are now.
//!
//! The first test that asks has cargo build both. After `cargo test --workspace` there is
//! next to nothing left to do; after a test run of this crate alone, an old program would otherwise
//! be tested in silence.

use std::env;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::Fail;

/// Where the two programs are.
#[derive(Debug, Clone)]
pub struct Binaries {
    /// The directory of both, to be put in front of `PATH`.
    pub dir: PathBuf,
    /// The command line.
    pub fingerpost: PathBuf,
    /// The daemon.
    pub fingerpostd: PathBuf,
}

/// What cargo tells the tests that it runs, and must not tell itself: build scripts may look at it,
/// and everything would be built anew.
const TOLD_BY_CARGO: &[&str] = &[
    "CARGO_BIN_",
    "CARGO_CRATE_",
    "CARGO_MANIFEST_",
    "CARGO_PKG_",
    "CARGO_PRIMARY_",
    "CARGO_TARGET_TMPDIR",
];

/// Builds both programs in the profile of the running test, and says where they are.
///
/// # Errors
/// What cargo said, if they cannot be built; tests cannot go on then.
pub fn binaries() -> Result<&'static Binaries, Fail> {
    static BUILT: OnceLock<Result<Binaries, String>> = OnceLock::new();
    let built = BUILT.get_or_init(|| build().map_err(|error| error.to_string()));
    built.as_ref().map_err(Fail::new)
}

/// The root of the workspace.
pub fn workspace_dir() -> PathBuf {
    let crate_dir = Path::new(env!("CARGO_MANIFEST_DIR"));
    crate_dir.parent().unwrap_or(crate_dir).to_owned()
}

fn build() -> Result<Binaries, Fail> {
    let dir = profile_dir()?;
    // Several test programs may start at once.
    let lock = File::create(dir.join(".fingerpost-tests.lock"))?;
    lock.lock()?;
    // What `cargo test --workspace` builds, programs included; a plain `cargo build` would resolve features
    // without the tests' own dependencies, and build half the tree once more.
    let mut command = cargo(&dir, "test");
    command.args(["--no-run", "--quiet", "--workspace"]);
    let output = command.output()?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(Fail::new(format!(
            "the programs under test could not be built:\n{said}"
        )));
    }
    let program = |name: &str| {
        let path = dir.join(format!("{name}{}", env::consts::EXE_SUFFIX));
        match path.exists() {
            true => Ok(path),
            false => Err(Fail::new(format!("cargo did not build {}", path.display()))),
        }
    };
    Ok(Binaries {
        fingerpost: program("fingerpost")?,
        fingerpostd: program("fingerpostd")?,
        dir,
    })
}

/// A command of cargo in the workspace, in the profile of the running test, without the network.
fn cargo(profile_dir: &Path, command: &str) -> Command {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut cargo = Command::new(cargo);
    cargo
        .args([command, "--offline"])
        .current_dir(workspace_dir());
    match profile_dir.file_name().and_then(|name| name.to_str()) {
        Some("debug") | None => {}
        Some(profile) => {
            cargo.args(["--profile", profile]);
        }
    }
    for (name, _) in env::vars_os() {
        let text = name.to_string_lossy();
        if TOLD_BY_CARGO.iter().any(|prefix| text.starts_with(prefix)) {
            cargo.env_remove(&name);
        }
    }
    cargo
}

/// Runs the tests of a package with a feature that nothing else is built with. Answers what they printed.
///
/// # Errors
/// The same, if one of them failed.
pub fn test_with_feature(package: &str, feature: &str) -> Result<String, Fail> {
    let mut command = cargo(&profile_dir()?, "test");
    command.args(["--quiet", "-p", package, "--features", feature]);
    let output = command.args(["--", "--nocapture"]).output()?;
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    match output.status.success() {
        true => Ok(said),
        false => Err(Fail::new(said)),
    }
}

/// `target/debug` or its like: the directory above the one that holds the running test.
fn profile_dir() -> Result<PathBuf, Fail> {
    let test = env::current_exe()?;
    let dir = test.parent().and_then(Path::parent);
    dir.map(Path::to_owned)
        .ok_or_else(|| Fail::new("the test lies in no target directory"))
}
