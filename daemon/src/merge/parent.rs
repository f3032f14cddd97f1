//! The node's side: starting a worker, and bearing with it for so long.

use std::io;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::Command;

use super::wire::{Answer, Request};
use super::{ANSWER_MAX_BYTES, ARGUMENT, DOCUMENT_MAX_BYTES, WAIT_MAX_S};

/// Why a sibling's document was not merged; this node's own is as it was.
#[derive(Debug, thiserror::Error)]
pub enum MergeError {
    /// The document is too large to be looked at.
    #[error("the document is over the limit of {} MiB", DOCUMENT_MAX_BYTES / 1024 / 1024)]
    TooLarge,
    /// The worker could not be started.
    #[error("the program that merges could not be started: {0}")]
    Start(io::Error),
    /// The worker ended without an answer: the document is damaged, or was built to do harm.
    #[error("the document is damaged, or takes more memory or time than any honest one")]
    Refused,
    /// No answer in time.
    #[error("merging took longer than {WAIT_MAX_S} seconds")]
    Overdue,
}

/// How to start merge workers.
#[derive(Debug, Clone)]
pub struct Worker {
    program: PathBuf,
}

impl Worker {
    /// Workers of this very program.
    ///
    /// # Errors
    /// What the system said when asked which program this is.
    pub fn of_this_program() -> io::Result<Self> {
        // Still the same program if the file was replaced by an update meanwhile.
        let running = PathBuf::from("/proc/self/exe");
        match running.exists() {
            true => Ok(Self { program: running }),
            false => std::env::current_exe().map(|program| Self { program }),
        }
    }

    /// Workers of a `fingerpostd` elsewhere.
    pub fn of(program: PathBuf) -> Self {
        Self { program }
    }

    /// Has two documents merged.
    ///
    /// # Errors
    /// [`MergeError`].
    pub async fn merge(&self, request: &Request) -> Result<Answer, MergeError> {
        if request.own.len() > DOCUMENT_MAX_BYTES || request.sibling.len() > DOCUMENT_MAX_BYTES {
            return Err(MergeError::TooLarge);
        }
        let mut child = Command::new(&self.program)
            .arg(ARGUMENT)
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .map_err(MergeError::Start)?;
        let (Some(mut stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(MergeError::Start(io::ErrorKind::BrokenPipe.into()));
        };
        let mut bytes = Vec::new();
        request.write(&mut bytes).map_err(MergeError::Start)?;
        let exchange = async {
            // A worker that ends early leaves the pipe broken; its exit tells.
            stdin.write_all(&bytes).await.ok();
            drop(stdin);
            let mut answer = Vec::new();
            let most = ANSWER_MAX_BYTES as u64 + 1;
            stdout.take(most).read_to_end(&mut answer).await.ok();
            (answer, child.wait().await)
        };
        let waited = tokio::time::timeout(Duration::from_secs(WAIT_MAX_S), exchange).await;
        match waited {
            Err(_) => Err(MergeError::Overdue),
            Ok((answer, Ok(status))) if status.success() => {
                Answer::read(&answer).map_err(|_| MergeError::Refused)
            }
            Ok(_) => Err(MergeError::Refused),
        }
    }
}
