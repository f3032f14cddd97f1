//! What the user sees: data on standard output, talk on standard error.
//!
//! With `--json` a command prints exactly one JSON document whose first key is `format`. Names and
//! texts come from other organisations, so whatever is printed is first freed of characters that
//! could drive a terminal.

mod content;
mod csv;
pub(crate) mod page;
pub(crate) mod qr;
mod table;
pub(crate) mod whole;
pub(crate) mod words;

use std::io::{self, ErrorKind, IsTerminal, Write};

use fingerpost_proto::api::FORMAT;
use serde::Serialize;

pub(crate) use content::entity_lines;
pub(crate) use csv::csv_row;
pub(crate) use table::table;

use crate::error::CliError;

/// Where and how to print.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Output {
    /// Whether data are printed as JSON.
    pub(crate) json: bool,
    /// Whether standard output is a terminal.
    pub(crate) on_terminal: bool,
}

/// Puts the format version before the fields of an API type.
#[derive(Serialize)]
struct Document<'a, T> {
    format: u32,
    #[serde(flatten)]
    body: &'a T,
}

impl Output {
    /// Looks at the standard streams of this process.
    pub(crate) fn new(json: bool) -> Self {
        Self {
            json,
            on_terminal: io::stdout().is_terminal(),
        }
    }

    /// Prints data: as JSON if that is wanted, else as the lines that `human` makes of it.
    ///
    /// # Errors
    /// [`CliError::BrokenPipe`] or [`CliError::Output`].
    pub(crate) fn emit<T: Serialize>(
        &self,
        data: &T,
        human: impl FnOnce(&T) -> String,
    ) -> Result<(), CliError> {
        if self.json {
            self.document(data)
        } else {
            self.data(&human(data))
        }
    }

    /// Prints one JSON document, its format version first.
    ///
    /// # Errors
    /// As [`Output::emit`].
    pub(crate) fn document<T: Serialize>(&self, data: &T) -> Result<(), CliError> {
        self.data(&json_document(data))
    }

    /// Writes text to standard output as it is.
    ///
    /// # Errors
    /// As [`Output::emit`].
    pub(crate) fn data(&self, text: &str) -> Result<(), CliError> {
        let mut stdout = io::stdout().lock();
        stdout
            .write_all(text.as_bytes())
            .and_then(|()| stdout.flush())
            .map_err(|error| match error.kind() {
                ErrorKind::BrokenPipe => CliError::BrokenPipe,
                _ => CliError::Output(error),
            })
    }

    /// Says something on standard error, unless the output is for a program.
    pub(crate) fn talk(&self, text: &str) {
        if !self.json {
            say(text);
        }
    }

    /// Whether the user can be asked: somebody reads, somebody types, and no program is listening.
    pub(crate) fn can_ask(&self) -> bool {
        !self.json && io::stdin().is_terminal() && io::stderr().is_terminal()
    }
}

/// Writes a line to standard error. There is nobody to tell when that fails.
pub(crate) fn say(text: &str) {
    let _ = writeln!(io::stderr(), "{}", plain(text.trim_end_matches('\n')));
}

/// Asks on the terminal and reads one line, trimmed.
///
/// # Errors
/// [`CliError::Stopped`] at the end of the input.
pub(crate) fn ask(question: &str) -> Result<String, CliError> {
    let mut stderr = io::stderr();
    let _ = write!(stderr, "{} ", plain(question));
    let _ = stderr.flush();
    let mut line = String::new();
    match io::stdin().read_line(&mut line) {
        Ok(length) if length > 0 => Ok(line.trim().to_owned()),
        _ => Err(CliError::Stopped(
            "No answer was given. Nothing was changed.".to_owned(),
        )),
    }
}

/// One line of JSON, the format version first, in which no character can drive a terminal.
pub(crate) fn json_document<T: Serialize>(data: &T) -> String {
    let document = Document {
        format: FORMAT,
        body: data,
    };
    // Types of the API have text keys and finite numbers: they can always be written.
    let mut line = escaped(&serde_json::to_string(&document).unwrap_or_default());
    line.push('\n');
    line
}

/// JSON for people and editors: indented, ending with a line break.
pub(crate) fn json_pretty<T: Serialize>(value: &T) -> String {
    let mut text = escaped(&serde_json::to_string_pretty(value).unwrap_or_default());
    text.push('\n');
    text
}

/// JSON escapes only the first 32 control characters; the rest of those that a terminal may obey
/// can only stand inside its texts, where an escape means the same.
fn escaped(json: &str) -> String {
    if !json.chars().any(drives_terminal) {
        return json.to_owned();
    }
    let mut safe = String::with_capacity(json.len() + 16);
    for letter in json.chars() {
        if drives_terminal(letter) && letter != '\n' {
            safe.push_str(&format!("\\u{:04x}", u32::from(letter)));
        } else {
            safe.push(letter);
        }
    }
    safe
}

/// Text without characters that could drive a terminal; line breaks stay.
pub(crate) fn plain(text: &str) -> String {
    text.chars()
        .filter_map(|letter| match letter {
            '\n' => Some('\n'),
            '\t' => Some(' '),
            letter if drives_terminal(letter) => None,
            letter => Some(letter),
        })
        .collect()
}

/// [`plain`] on one line, for a name or a cell of a table.
pub(crate) fn one_line(text: &str) -> String {
    let text = plain(text);
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Control characters, and those that turn the direction of the text around them. The joiners that
/// Persian and other scripts need stay.
fn drives_terminal(letter: char) -> bool {
    letter.is_control()
        || matches!(letter, '\u{200e}' | '\u{200f}' | '\u{061c}' | '\u{feff}')
        || matches!(letter, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
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
    fn what_drives_a_terminal_is_left_out_and_words_stay() {
        assert_eq!(
            plain("a\u{1b}[31mred\u{9b}2J\r\nnext\tone"),
            "a[31mred2J\nnext one"
        );
        assert_eq!(plain("abc\u{202e}def\u{2066}"), "abcdef");
        assert_eq!(one_line(" two\n lines \u{7}"), "two lines");
        // Persian "can be" needs the joiner that holds two letters apart.
        assert_eq!(one_line("می\u{200c}شود"), "می\u{200c}شود");
    }

    #[test]
    fn json_is_one_line_with_the_format_first_and_means_the_same() {
        let body = serde_json::json!({"name": "a\u{1b}b\u{9b}c\u{202e}d\n"});
        let text = json_document(&body);
        assert!(text.starts_with("{\"format\":1,"), "{text}");
        assert!(
            text.trim_end()
                .chars()
                .all(|letter| !drives_terminal(letter)),
            "{text}"
        );
        assert_eq!(text.lines().count(), 1);
        let back: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(back["name"], body["name"]);
        let pretty = json_pretty(&body);
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(&pretty).unwrap(),
            body
        );
        assert_eq!(pretty.lines().count(), 3);
    }
}
