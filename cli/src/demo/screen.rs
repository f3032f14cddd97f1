//! What the demo shows: lines on standard output, progress on standard error.
//!
//! With `--json` the lines go to standard error too, because the result is the one document.

use std::io::{IsTerminal, stderr};
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use crate::error::CliError;
use crate::output::words::grouped;
use crate::output::{Output, one_line, plain, say};

/// Up to so many nodes have a progress bar each; more share one.
const BARS_MAX: usize = 12;

/// Without a terminal, progress is a line now and then.
const LINE_INTERVAL: Duration = Duration::from_secs(5);

/// Longest name before a progress bar, in characters.
const NAME_CHARS: usize = 28;

/// Shows the steps of the demo.
pub(super) struct Screen {
    output: Output,
    bars: MultiProgress,
    interactive: bool,
}

impl Screen {
    /// Looks at the standard streams.
    pub(super) fn new(output: Output) -> Self {
        let interactive = !output.json && output.on_terminal && stderr().is_terminal();
        Self {
            output,
            bars: MultiProgress::new(),
            interactive,
        }
    }

    /// How data are printed.
    pub(super) fn output(&self) -> &Output {
        &self.output
    }

    /// Prints a line.
    ///
    /// # Errors
    /// [`CliError::BrokenPipe`] or [`CliError::Output`].
    pub(super) fn line(&self, text: &str) -> Result<(), CliError> {
        if self.output.json {
            say(text);
            return Ok(());
        }
        self.bars
            .suspend(|| self.output.data(&format!("{}\n", plain(text))))
    }

    /// Prints the title of a step.
    ///
    /// # Errors
    /// As [`Screen::line`].
    pub(super) fn step(&self, title: &str) -> Result<(), CliError> {
        self.line(&format!("\n{title}"))
    }

    /// Takes progress bars away.
    pub(super) fn clear(&self) {
        // Nothing is lost when a bar cannot be wiped.
        let _ = self.bars.clear();
    }

    /// Shows how many of `expected` entries each of the named nodes can find, from now on.
    pub(super) fn progress(&self, names: &[String], expected: usize) -> Progress<'_> {
        let bars = match (self.interactive, names.len()) {
            (false, _) => Vec::new(),
            (true, nodes) if nodes <= BARS_MAX => {
                names.iter().map(|name| self.bar(name, expected)).collect()
            }
            (true, nodes) => vec![self.bar("all nodes together", expected * nodes)],
        };
        Progress {
            screen: self,
            bars,
            expected,
            last: (0, Instant::now()),
        }
    }

    fn bar(&self, name: &str, length: usize) -> ProgressBar {
        let style = ProgressStyle::with_template("   {prefix} {bar:32} {pos}/{len}")
            .unwrap_or_else(|_| ProgressStyle::default_bar());
        let name: String = one_line(name).chars().take(NAME_CHARS).collect();
        let bar = ProgressBar::new(u64::try_from(length).unwrap_or(u64::MAX));
        let bar = self.bars.add(bar.with_style(style));
        bar.with_prefix(format!("{name:<NAME_CHARS$}"))
    }
}

/// The merged view, growing.
pub(super) struct Progress<'a> {
    screen: &'a Screen,
    bars: Vec<ProgressBar>,
    expected: usize,
    last: (usize, Instant),
}

impl Progress<'_> {
    /// Shows how many entries each node can find now.
    ///
    /// # Errors
    /// As [`Screen::line`].
    pub(super) fn show(&mut self, counts: &[usize]) -> Result<(), CliError> {
        let position = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        let sum: usize = counts.iter().sum();
        match self.bars.as_slice() {
            [] => return self.show_line(counts, sum),
            [bar] => bar.set_position(position(sum)),
            bars => {
                for (bar, count) in bars.iter().zip(counts) {
                    bar.set_position(position(*count));
                }
            }
        }
        Ok(())
    }

    fn show_line(&mut self, counts: &[usize], sum: usize) -> Result<(), CliError> {
        let (last_sum, last_at) = self.last;
        if sum == last_sum || last_at.elapsed() < LINE_INTERVAL {
            return Ok(());
        }
        self.last = (sum, Instant::now());
        let complete = counts
            .iter()
            .filter(|count| **count == self.expected)
            .count();
        let grouped = |number: usize| grouped(u64::try_from(number).unwrap_or(u64::MAX));
        self.screen.line(&format!(
            "   … {complete} of {} nodes complete; together they show {} of {} × {} entries",
            counts.len(),
            grouped(sum),
            counts.len(),
            grouped(self.expected),
        ))
    }
}

impl Drop for Progress<'_> {
    fn drop(&mut self) {
        for bar in &self.bars {
            bar.abandon();
        }
    }
}
