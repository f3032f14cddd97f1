//! The logs of the nodes: one JSON object a line.

use std::path::Path;

use serde_json::Value;

use crate::error::CliError;

/// How many lines of a log are shown with an error.
const LAST_LINES: usize = 5;

/// What stands in one or more logs.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    /// Lines of the level error, and lines that a crash left.
    pub(super) errors: Vec<String>,
    /// Lines of the level warn.
    pub(super) warnings: usize,
    /// All lines.
    pub(super) lines: usize,
}

impl Counts {
    /// Adds the lines of one log.
    ///
    /// # Errors
    /// [`CliError::File`].
    pub(super) fn add(&mut self, log: &Path) -> Result<(), CliError> {
        let bytes = std::fs::read(log).map_err(CliError::file(log.display().to_string()))?;
        for line in String::from_utf8_lossy(&bytes)
            .lines()
            .filter(|line| !line.trim().is_empty())
        {
            self.lines += 1;
            let parsed: Option<Value> = serde_json::from_str(line).ok();
            let level = parsed
                .as_ref()
                .and_then(|line| line.get("level"))
                .and_then(Value::as_str);
            match level {
                Some("ERROR") => self.errors.push(line.to_owned()),
                Some("WARN") => self.warnings += 1,
                Some(_) => {}
                // Everything that the daemon logs is JSON: this was printed by something that broke.
                None => self.errors.push(line.to_owned()),
            }
        }
        Ok(())
    }
}

/// The end of a log, for an error message; empty if there is none.
pub(super) fn last_lines(log: &Path) -> String {
    let bytes = std::fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text.lines().collect();
    let first = lines.len().saturating_sub(LAST_LINES);
    lines.get(first..).unwrap_or_default().join("\n")
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
    fn errors_warnings_and_crashes_are_counted() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("daemon.log");
        std::fs::write(
            &log,
            "{\"level\":\"INFO\",\"fields\":{\"message\":\"ERROR is only a word here\"}}\n\
             {\"level\":\"WARN\"}\n\n{\"level\":\"ERROR\"}\nthread 'main' panicked at x\n",
        )
        .unwrap();
        let mut counts = Counts::default();
        counts.add(&log).unwrap();
        assert_eq!(
            (counts.errors.len(), counts.warnings, counts.lines),
            (2, 1, 4)
        );
        assert!(last_lines(&log).ends_with("panicked at x"));
        assert_eq!(last_lines(&dir.path().join("none")), "");
        assert!(counts.add(&dir.path().join("none")).is_err());
    }
}
