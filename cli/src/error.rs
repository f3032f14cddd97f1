//! What can go wrong, the exit code that each kind means, and what to do about it.
//!
//! | exit code | meaning |
//! |---|---|
//! | 0 | done |
//! | 1 | refused or failed |
//! | 2 | usage: the command line itself is wrong |
//! | 3 | no daemon runs |
//! | 4 | there is no such thing |
//! | 5 | done, but part of what was handed over was left out |
//!
//! Data goes to standard output and talk to standard error, so errors go to standard error: in words,
//! or with `--json` as one line `{"format":1,"error":{"code","exit_code","message","hint"}}`.

use std::path::PathBuf;
use std::process::ExitCode;

use fingerpost_config::HomeError;
use fingerpost_proto::api::{ApiError, ErrorCode};
use serde_json::json;

use crate::output::{json_document, plain};

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CliError {
    /// The command line is wrong.
    #[error("{message}")]
    Usage {
        /// What is wrong.
        message: String,
        /// What to write instead.
        hint: String,
    },
    /// Nothing answers at the socket of this home.
    #[error("No daemon runs for {}.", home.display())]
    NoDaemon {
        /// The home.
        home: PathBuf,
    },
    /// The home of the node cannot be used.
    #[error(transparent)]
    Home(#[from] HomeError),
    /// The daemon refused or failed.
    #[error("{}", .0.message)]
    Api(ApiError),
    /// The daemon did not answer in time.
    #[error("The daemon did not answer within {seconds} seconds.")]
    Timeout {
        /// How long was waited.
        seconds: u64,
    },
    /// The daemon's answer, or the connection to it, makes no sense.
    #[error("The daemon's answer cannot be used: {0}")]
    Answer(String),
    /// A file cannot be read or written.
    #[error("Cannot use {what}: {source}.")]
    File {
        /// The file.
        what: String,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// Something that was handed over was refused; the details were printed.
    #[error("{message}")]
    Refused {
        /// What.
        message: String,
        /// What to do next.
        hint: String,
    },
    /// Done, but part of what was handed over was left out; the details were printed.
    #[error("{message}")]
    Partly {
        /// What.
        message: String,
        /// What to do next.
        hint: String,
    },
    /// The user said no, or stopped the command.
    #[error("{0}")]
    Stopped(String),
    /// The demonstration failed.
    #[error("{message}")]
    Demo {
        /// At which step, and what happened.
        message: String,
        /// Where the logs are.
        hint: String,
    },
    /// Whoever read the output has gone: not an error of ours.
    #[error("the reader of the output has gone")]
    BrokenPipe,
    /// The output cannot be written.
    #[error("Cannot write the output: {0}.")]
    Output(std::io::Error),
}

impl CliError {
    /// A usage error.
    pub(crate) fn usage(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Usage {
            message: message.into(),
            hint: hint.into(),
        }
    }

    /// There is no such thing, as this program finds in what the daemon says.
    pub(crate) fn not_found(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Api(ApiError {
            code: ErrorCode::NotFound,
            message: message.into(),
            hint: Some(hint.into()),
        })
    }

    /// Wraps an error of reading or writing `what`.
    pub(crate) fn file(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        |source| Self::File {
            what: what.into(),
            source,
        }
    }

    /// The fixed name of the kind, and its exit code.
    pub(crate) fn kind(&self) -> (&'static str, u8) {
        match self {
            Self::Usage { .. } => ("usage", 2),
            Self::NoDaemon { .. } | Self::Home(HomeError::Missing { .. }) => ("no_daemon", 3),
            Self::Home(_) => ("bad_home", 1),
            Self::Api(ApiError { code, .. }) => match code {
                ErrorCode::BadInput => ("bad_input", 1),
                ErrorCode::NotFound => ("not_found", 4),
                ErrorCode::Refused => ("refused", 1),
                ErrorCode::Internal => ("internal", 1),
            },
            Self::Timeout { .. } => ("timeout", 1),
            Self::Answer(_) => ("bad_answer", 1),
            Self::File { .. } => ("file", 1),
            Self::Refused { .. } => ("refused", 1),
            Self::Partly { .. } => ("partly", 5),
            Self::Stopped(_) => ("stopped", 1),
            Self::Demo { .. } => ("demo", 1),
            Self::BrokenPipe => ("broken_pipe", 0),
            Self::Output(_) => ("output", 1),
        }
    }

    /// What to do next, if there is something.
    pub(crate) fn hint(&self) -> Option<String> {
        let text = match self {
            Self::Usage { hint, .. }
            | Self::Refused { hint, .. }
            | Self::Partly { hint, .. }
            | Self::Demo { hint, .. } => hint.clone(),
            Self::NoDaemon { home } | Self::Home(HomeError::Missing { path: home }) => format!(
                "Start it with: fingerpostd --home {}\nFor another node, use --home DIR or set \
                 FINGERPOST_HOME.",
                home.display()
            ),
            Self::Api(error) => error.hint.clone()?,
            Self::Timeout { .. } => {
                "It may still be at work. Look at its log, then try: fingerpost status".to_owned()
            }
            Self::Answer(_) => {
                "The daemon may be of another version than this program. Restart it, and look at \
                 its log."
                    .to_owned()
            }
            Self::File { .. } => "Check the path, and who may read it.".to_owned(),
            Self::Home(_) | Self::Stopped(_) | Self::BrokenPipe | Self::Output(_) => return None,
        };
        (!text.is_empty()).then_some(text)
    }

    fn message(&self) -> String {
        match self {
            // Its own text ends with how to start a daemon, which the hint says too.
            Self::Home(HomeError::Missing { path }) => {
                format!(
                    "No daemon runs for {}: the directory does not exist.",
                    path.display()
                )
            }
            other => other.to_string(),
        }
    }

    /// Tells the user on standard error, and gives the exit code.
    pub(crate) fn report(&self, as_json: bool) -> ExitCode {
        let (code, exit_code) = self.kind();
        if matches!(self, Self::BrokenPipe) {
            return ExitCode::from(exit_code);
        }
        let (message, hint) = (self.message(), self.hint());
        let text = if as_json {
            json_document(&json!({
                "error": { "code": code, "exit_code": exit_code, "message": message, "hint": hint },
            }))
        } else {
            let hint = hint.map(|hint| format!("\nhint: {}", hint.replace('\n', "\n      ")));
            format!(
                "error: {}{}\n",
                plain(&message),
                plain(&hint.unwrap_or_default())
            )
        };
        // When standard error is gone as well, the exit code is all that is left.
        let _ = std::io::Write::write_all(&mut std::io::stderr(), text.as_bytes());
        ExitCode::from(exit_code)
    }
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
    fn each_kind_has_its_exit_code_and_nearly_all_a_hint() {
        let api = |code| {
            CliError::Api(ApiError {
                code,
                message: "It did not work.".into(),
                hint: Some("Try again.".into()),
            })
        };
        for (error, exit_code, hint) in [
            (CliError::usage("wrong", "right"), 2, Some("right")),
            (
                CliError::NoDaemon { home: "/h".into() },
                3,
                Some("fingerpostd --home /h"),
            ),
            (
                CliError::Home(HomeError::Missing { path: "/h".into() }),
                3,
                Some("--home /h"),
            ),
            (CliError::Home(HomeError::Unknown), 1, None),
            (api(ErrorCode::BadInput), 1, Some("Try again.")),
            (api(ErrorCode::NotFound), 4, Some("Try again.")),
            (api(ErrorCode::Refused), 1, Some("Try again.")),
            (api(ErrorCode::Internal), 1, Some("Try again.")),
            (
                CliError::Timeout { seconds: 3 },
                1,
                Some("fingerpost status"),
            ),
            (CliError::BrokenPipe, 0, None),
        ] {
            assert_eq!(error.kind().1, exit_code, "{error}");
            let given = error.hint();
            match hint {
                Some(part) => assert!(given.unwrap().contains(part), "{error}"),
                None => assert_eq!(given, None, "{error}"),
            }
        }
    }
}
