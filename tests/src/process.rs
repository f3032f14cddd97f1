//! Nodes as real processes, in homes of their own, on loopback alone.

use std::fs;
use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::Fail;
use crate::binaries::binaries;

/// How long a node may take to answer after its start, and to end.
const PATIENCE: Duration = Duration::from_secs(60);
/// Pause between two looks at something that is to happen.
const PAUSE: Duration = Duration::from_millis(100);

/// Settings with which a node keeps to loopback, on a port that is free, and compares itself with
/// the others every few seconds.
pub const LOOPBACK_CONFIG: &str = "\
[network]
listen = [\"/ip4/127.0.0.1/tcp/0\"]
mdns = false

[sync]
interval_s = 2

[log]
filter = \"info\"
format = \"plain\"
";

/// What a command did.
#[derive(Debug, Clone)]
pub struct Ran {
    /// Its exit code; `None` when a signal ended it.
    pub code: Option<i32>,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
}

/// A node: a home, and while it runs, its process. Dropping it kills the process.
#[derive(Debug)]
pub struct Node {
    home: PathBuf,
    /// The network namespace that it runs in, unless it is the one of the test.
    namespace: Option<String>,
    child: Option<Child>,
}

impl Node {
    /// Makes the home with [`LOOPBACK_CONFIG`], unless there are settings in it already, and starts a
    /// node there.
    ///
    /// # Errors
    /// When it does not answer within a minute; its log is in the error.
    pub fn start(home: &Path) -> Result<Self, Fail> {
        write_loopback_config(home)?;
        let mut node = Self {
            home: home.to_owned(),
            namespace: None,
            child: None,
        };
        node.restart()?;
        Ok(node)
    }

    /// Starts a node in a network namespace, with these settings. Commands reach it from outside, since they use a
    /// socket in its home.
    ///
    /// # Errors
    /// As [`Node::start`]; and when this process may not enter the namespace.
    pub fn start_in(namespace: &str, home: &Path, settings: &str) -> Result<Self, Fail> {
        make_home(home)?;
        fs::write(home.join("config.toml"), settings)?;
        let mut node = Self {
            home: home.to_owned(),
            namespace: Some(namespace.to_owned()),
            child: None,
        };
        node.restart()?;
        Ok(node)
    }

    /// The directory of the node.
    pub fn home(&self) -> &Path {
        &self.home
    }

    /// What it has logged in all its lives.
    pub fn log(&self) -> String {
        fs::read_to_string(log_path(&self.home)).unwrap_or_default()
    }

    /// The process id, while it runs.
    pub fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// Runs `fingerpost --home … ARGS`.
    ///
    /// # Errors
    /// When the program cannot be run; its own failures are in [`Ran::code`].
    pub fn cli(&self, args: &[&str]) -> Result<Ran, Fail> {
        run_cli(&self.home, args, &[])
    }

    /// The same with something on standard input.
    ///
    /// # Errors
    /// As [`Node::cli`].
    pub fn cli_with_input(&self, args: &[&str], input: &[u8]) -> Result<Ran, Fail> {
        run_cli(&self.home, args, input)
    }

    /// Runs `fingerpost --home … --json ARGS` and parses what it printed.
    ///
    /// # Errors
    /// When it fails, with what it said; when it prints no JSON.
    pub fn json(&self, args: &[&str]) -> Result<Value, Fail> {
        let mut all = vec!["--json"];
        all.extend_from_slice(args);
        let ran = self.cli(&all)?;
        if ran.code != Some(0) {
            let args = args.join(" ");
            return Err(Fail::new(format!(
                "fingerpost {args} ended with {:?}: {}",
                ran.code, ran.stderr
            )));
        }
        Ok(serde_json::from_str(&ran.stdout)?)
    }

    /// Runs a command again and again until its JSON is as `wanted`.
    ///
    /// # Errors
    /// When it is not within `patience`; the last answer is in the error.
    pub fn wait_for(
        &self,
        args: &[&str],
        patience: Duration,
        wanted: impl Fn(&Value) -> bool,
    ) -> Result<Value, Fail> {
        let end = Instant::now() + patience;
        loop {
            let answer = self.json(args)?;
            if wanted(&answer) {
                return Ok(answer);
            }
            if Instant::now() >= end {
                let args = args.join(" ");
                return Err(Fail::new(format!(
                    "fingerpost {args} still says, after {patience:?}: {answer}"
                )));
            }
            std::thread::sleep(PAUSE);
        }
    }

    /// Ends the process as a power cut would: SIGKILL.
    ///
    /// # Errors
    /// What the system said.
    pub fn kill(&mut self) -> Result<(), Fail> {
        if let Some(mut child) = self.child.take() {
            child.kill()?;
            child.wait()?;
        }
        Ok(())
    }

    /// Asks the process to end: SIGTERM. Waits until it has, and gives its exit status.
    ///
    /// # Errors
    /// When it does not end within a minute.
    pub fn stop(&mut self) -> Result<ExitStatus, Fail> {
        let Some(mut child) = self.child.take() else {
            return Ok(ExitStatus::from_raw(0));
        };
        let asked = Command::new("kill")
            .args(["-TERM", &child.id().to_string()])
            .status()?;
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = child.try_wait()? {
                return Ok(status);
            }
            if !asked.success() || Instant::now() >= end {
                child.kill()?;
                child.wait()?;
                return Err(Fail::new(format!(
                    "the node did not end when asked to; its log:\n{}",
                    self.log()
                )));
            }
            std::thread::sleep(PAUSE);
        }
    }

    /// Starts the process, ending the one that runs, if any, by SIGKILL; waits until it answers.
    ///
    /// # Errors
    /// As [`Node::start`].
    pub fn restart(&mut self) -> Result<(), Fail> {
        self.kill()?;
        self.child = Some(spawn(&self.home, self.namespace.as_deref())?);
        let end = Instant::now() + PATIENCE;
        loop {
            if self.cli(&["status"])?.code == Some(0) {
                return Ok(());
            }
            let ended = match &mut self.child {
                Some(child) => child.try_wait()?,
                None => None,
            };
            if ended.is_some() || Instant::now() >= end {
                return Err(Fail::new(format!(
                    "the node does not answer; its log:\n{}",
                    self.log()
                )));
            }
            std::thread::sleep(PAUSE);
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // Nobody to tell: the test is over.
        self.kill().ok();
    }
}

/// Makes a home, closed to others, with [`LOOPBACK_CONFIG`]; settings that are there stay.
///
/// # Errors
/// What the system said.
pub fn write_loopback_config(home: &Path) -> Result<(), Fail> {
    make_home(home)?;
    let config = home.join("config.toml");
    if !config.exists() {
        fs::write(config, LOOPBACK_CONFIG)?;
    }
    Ok(())
}

fn make_home(home: &Path) -> Result<(), Fail> {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(home)?;
    Ok(())
}

fn log_path(home: &Path) -> PathBuf {
    home.join("daemon.log")
}

fn spawn(home: &Path, namespace: Option<&str>) -> Result<Child, Fail> {
    let log = fs::File::options()
        .create(true)
        .append(true)
        .open(log_path(home))?;
    let daemon = &binaries()?.fingerpostd;
    let mut command = match namespace {
        None => Command::new(daemon),
        Some(namespace) => {
            // It becomes the program, so the process is the node's.
            let mut command = Command::new("ip");
            command.args(["netns", "exec", namespace]).arg(daemon);
            command
        }
    };
    let child = command
        .arg("--home")
        .arg(home)
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .spawn()?;
    Ok(child)
}

fn run_cli(home: &Path, args: &[&str], input: &[u8]) -> Result<Ran, Fail> {
    let mut child = Command::new(&binaries()?.fingerpost)
        .arg("--home")
        .arg(home)
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        // A command that reads no input has closed it.
        stdin.write_all(input).ok();
    }
    let output = child.wait_with_output()?;
    Ok(Ran {
        code: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}
