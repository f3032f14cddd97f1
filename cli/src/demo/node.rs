//! One node of the demo: a home, a running `fingerpostd`, and a client for it.

use std::fs::{DirBuilder, OpenOptions};
use std::future::Future;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

use fingerpost_config::Home;
use fingerpost_proto::api::Status;
use tokio::process::{Child, Command};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::client::{Client, Target};
use crate::demo::logs;
use crate::demo::{STEP_DEADLINE_S, failed};
use crate::error::CliError;

/// How often a starting node is asked whether it is ready.
const READY_POLL: Duration = Duration::from_millis(25);

/// Settings of a demo node: reachable on this machine alone, and logs that can be counted. Memory is
/// kept low because many nodes run beside each other.
const SETTINGS: &str = "\
[network]
listen = [\"/ip4/127.0.0.1/tcp/0\"]
mdns = false

[log]
format = \"json\"

[store]
cache_mb = 8

[search]
writer_mb = 15
";

/// A node and its process, which is killed when this is dropped.
pub(super) struct Node {
    /// Its number, from 1.
    pub(super) number: usize,
    /// Speaks with it.
    pub(super) client: Client,
    home: Home,
    binary: PathBuf,
    child: Child,
}

impl Node {
    /// Makes a home in `homes` and starts a daemon in it, until it answers.
    ///
    /// # Errors
    /// [`CliError::Demo`] when it ends or stays silent.
    pub(super) async fn start(
        number: usize,
        homes: PathBuf,
        binary: PathBuf,
    ) -> Result<Self, CliError> {
        let home = Home::at(homes.join(format!("node-{number:02}")));
        let what = home.dir().display().to_string();
        DirBuilder::new()
            .mode(0o700)
            .create(home.dir())
            .map_err(CliError::file(&*what))?;
        std::fs::write(home.config(), SETTINGS).map_err(CliError::file(&*what))?;
        let child = spawn(&binary, &home)?;
        let timeout = Duration::from_secs(STEP_DEADLINE_S);
        let client = Client::new(home.clone()).with_timeout(timeout);
        let mut node = Self {
            number,
            client,
            home,
            binary,
            child,
        };
        node.wait_until_ready().await?;
        Ok(node)
    }

    /// The directory of the node.
    pub(super) fn home_dir(&self) -> &Path {
        self.home.dir()
    }

    /// Where the daemon's log goes.
    pub(super) fn log(&self) -> PathBuf {
        log_path(&self.home)
    }

    /// Ends the process at once, without waiting until it is gone.
    pub(super) fn end(&mut self) {
        // It fails only when the process has ended already.
        let _ = self.child.start_kill();
    }

    /// Ends the process at once, as a power cut would, and waits until it is gone.
    pub(super) async fn kill(&mut self) {
        // It fails only when the process has ended already.
        let _ = self.child.kill().await;
    }

    /// Starts the daemon again in the same home, until it answers.
    ///
    /// # Errors
    /// As [`Node::start`].
    pub(super) async fn restart(&mut self) -> Result<(), CliError> {
        self.child = spawn(&self.binary, &self.home)?;
        self.wait_until_ready().await
    }

    async fn wait_until_ready(&mut self) -> Result<(), CliError> {
        let started = Instant::now();
        loop {
            match self.client.get::<Status>(&Target::new(&["status"])).await {
                Ok(_) => return Ok(()),
                Err(CliError::NoDaemon { .. }) => {}
                Err(error) => return Err(self.failed(&error.to_string())),
            }
            if let Ok(Some(status)) = self.child.try_wait() {
                return Err(self.failed(&format!("its daemon ended at once ({status})")));
            }
            if started.elapsed() > Duration::from_secs(STEP_DEADLINE_S) {
                return Err(self.failed("its daemon did not answer in time"));
            }
            tokio::time::sleep(READY_POLL).await;
        }
    }

    /// An error about this node, with the end of its log.
    fn failed(&self, what: &str) -> CliError {
        let end = logs::last_lines(&self.log());
        let end = if end.is_empty() {
            String::new()
        } else {
            format!("\nIts log ends:\n{end}")
        };
        failed(format!("Node {}: {what}.{end}", self.number))
    }
}

fn log_path(home: &Home) -> PathBuf {
    home.dir().join("daemon.log")
}

fn spawn(binary: &Path, home: &Home) -> Result<Child, CliError> {
    let path = log_path(home);
    let what = path.display().to_string();
    let log = OpenOptions::new().create(true).append(true).open(&path);
    let log = log.map_err(CliError::file(&*what))?;
    let same_log = log.try_clone().map_err(CliError::file(&*what))?;
    Command::new(binary)
        .arg("--home")
        .arg(home.dir())
        .stdin(Stdio::null())
        .stdout(log)
        .stderr(same_log)
        // Ctrl-C on the terminal reaches the demo alone, which then ends its nodes.
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .map_err(CliError::file(binary.display().to_string()))
}

/// Runs tasks, at most `at_a_time` of them together, and gives their results in order.
///
/// # Errors
/// The first error of any task; the others are dropped then.
pub(super) async fn in_parallel<T, F>(
    at_a_time: usize,
    tasks: impl IntoIterator<Item = F>,
) -> Result<Vec<T>, CliError>
where
    T: Send + 'static,
    F: Future<Output = Result<T, CliError>> + Send + 'static,
{
    let permits = Arc::new(Semaphore::new(at_a_time));
    let mut running = JoinSet::new();
    for (at, task) in tasks.into_iter().enumerate() {
        let permits = Arc::clone(&permits);
        running.spawn(async move {
            let _permit = permits.acquire_owned().await;
            task.await.map(|result| (at, result))
        });
    }
    let mut results = Vec::new();
    while let Some(joined) = running.join_next().await {
        results
            .push(joined.map_err(|error| failed(format!("A task of the demo broke: {error}")))??);
    }
    results.sort_by_key(|(at, _)| *at);
    Ok(results.into_iter().map(|(_, result)| result).collect())
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
    use fingerpost_config::{LogFormat, Settings};

    #[test]
    fn the_settings_are_valid_and_stay_on_this_machine() {
        let settings = Settings::parse(SETTINGS).unwrap();
        assert_eq!(settings.network.listen, ["/ip4/127.0.0.1/tcp/0"]);
        assert!(!settings.network.mdns);
        assert_eq!(settings.log.format, LogFormat::Json);
    }

    #[tokio::test]
    async fn results_come_in_order_and_the_first_error_ends_all() {
        let tasks = (0..5_u64).map(|at| async move {
            tokio::time::sleep(Duration::from_millis(10 - 2 * at)).await;
            Ok(at)
        });
        assert_eq!(in_parallel(3, tasks).await.unwrap(), [0, 1, 2, 3, 4]);
        let tasks = (0..2).map(|at| async move {
            if at == 1 {
                Err(failed("second"))
            } else {
                Ok(at)
            }
        });
        assert_eq!(
            in_parallel(1, tasks).await.unwrap_err().to_string(),
            "second"
        );
    }

    #[tokio::test]
    async fn a_daemon_that_ends_at_once_is_reported_with_its_log() {
        let homes = tempfile::tempdir().unwrap();
        let binary = homes.path().join("daemon.sh");
        std::fs::write(&binary, "#!/bin/sh\necho no such setting >&2\nexit 1\n").unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o700);
        std::fs::set_permissions(&binary, mode).unwrap();
        let error = Node::start(3, homes.path().to_owned(), binary)
            .await
            .err()
            .unwrap()
            .to_string();
        assert!(
            error.contains("Node 3") && error.contains("no such setting"),
            "{error}"
        );
    }
}
