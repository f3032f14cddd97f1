//! Passphrases and the words of a paper key: typed on a terminal, or read from a file.

use fingerpost_proto::api::KeptKey;
use zeroize::Zeroizing;

use crate::commands::Context;
use crate::error::CliError;
use crate::input::{named, read_text};
use crate::output::ask;

/// How many words a root key has on paper.
pub(crate) const WORDS: usize = 24;

/// How many of them stand in a row.
pub(crate) const WORDS_PER_ROW: usize = 4;

/// Shortest passphrase that may protect a key, in characters.
pub(crate) const PASSPHRASE_MIN_CHARS: usize = 10;

/// Largest file that a passphrase or words are read from, in bytes.
const SECRET_FILE_MAX_BYTES: usize = 4 * 1024;

/// Largest key file, in bytes: one holds 32 encrypted bytes in the age format.
const KEY_FILE_MAX_BYTES: usize = 16 * 1024;

/// Where the root key comes from, as the options of a command say.
#[derive(Debug, Default)]
pub(crate) struct KeySource<'a> {
    /// A file of `fingerpost key export`.
    pub(crate) key_file: Option<&'a str>,
    /// A file with the words of `fingerpost key print`.
    pub(crate) words_file: Option<&'a str>,
    /// A file with the passphrase of the key file.
    pub(crate) passphrase_file: Option<&'a str>,
}

impl KeySource<'_> {
    /// Reads the key, or asks for its words on a terminal.
    ///
    /// # Errors
    /// [`CliError::Usage`] when there is nobody to ask, and those of reading.
    pub(crate) fn read(&self, context: &Context) -> Result<KeptKey, CliError> {
        match (self.key_file, self.words_file) {
            (Some(path), _) => {
                let file = read_text(path, KEY_FILE_MAX_BYTES)?;
                if file.trim().is_empty() {
                    return Err(CliError::Refused {
                        message: format!("{} is empty. Nothing was changed.", named(path)),
                        hint: "Use the file that `fingerpost key export` wrote.".to_owned(),
                    });
                }
                let passphrase = kept_passphrase(
                    self.passphrase_file,
                    "Passphrase of the key file: ",
                    context,
                )?;
                Ok(KeptKey::File {
                    file,
                    passphrase: passphrase.to_string(),
                })
            }
            (None, Some(path)) => {
                let text = Zeroizing::new(read_text(path, SECRET_FILE_MAX_BYTES)?);
                words_of(&text)
                    .map(KeptKey::Words)
                    .ok_or_else(|| CliError::Refused {
                        message: format!(
                            "{} does not hold the {WORDS} words of a paper key. Nothing was changed.",
                            named(path)
                        ),
                        hint: "Write the words in their order, or the whole output of `fingerpost \
                               key print`."
                            .to_owned(),
                    })
            }
            (None, None) if context.output.can_ask() => asked_words(context).map(KeptKey::Words),
            (None, None) => Err(CliError::usage(
                "The root key is needed, and there is nobody to ask for its words.",
                "Give a file: --words-file FILE for the paper key, or the file of `fingerpost key \
                 export` with --passphrase-file FILE.",
            )),
        }
    }
}

/// The passphrase of a file that exists; `question` is what is asked on a terminal.
///
/// # Errors
/// [`CliError::Usage`] when there is nobody to ask, and those of reading.
pub(crate) fn kept_passphrase(
    file: Option<&str>,
    question: &str,
    context: &Context,
) -> Result<Zeroizing<String>, CliError> {
    match file {
        Some(path) => from_file(path),
        None if context.output.can_ask() => typed(question),
        None => Err(nobody_to_ask()),
    }
}

/// A passphrase for a new file: from a file, or typed twice.
///
/// # Errors
/// [`CliError::Usage`] when there is nobody to ask; [`CliError::Refused`] when it is too short or the
/// two differ; those of reading.
pub(crate) fn new_passphrase(
    file: Option<&str>,
    context: &Context,
) -> Result<Zeroizing<String>, CliError> {
    let passphrase = match file {
        Some(path) => from_file(path)?,
        None if context.output.can_ask() => {
            let first = typed("New passphrase for the file: ")?;
            if first.chars().count() >= PASSPHRASE_MIN_CHARS {
                let second = typed("The same again: ")?;
                if first != second {
                    return Err(CliError::Refused {
                        message: "The two are not the same. No file was written.".to_owned(),
                        hint: "Run the command again.".to_owned(),
                    });
                }
            }
            first
        }
        None => return Err(nobody_to_ask()),
    };
    if passphrase.chars().count() < PASSPHRASE_MIN_CHARS {
        return Err(CliError::Refused {
            message: format!(
                "The passphrase has fewer than {PASSPHRASE_MIN_CHARS} characters. No file was written."
            ),
            hint: "Four or five words that do not belong together make a good one.".to_owned(),
        });
    }
    Ok(passphrase)
}

fn nobody_to_ask() -> CliError {
    CliError::usage(
        "A passphrase is needed, and there is nobody to ask.",
        "Add --passphrase-file with a file whose first line it is.",
    )
}

/// The first line of a file, without its line break.
fn from_file(path: &str) -> Result<Zeroizing<String>, CliError> {
    let text = Zeroizing::new(read_text(path, SECRET_FILE_MAX_BYTES)?);
    Ok(Zeroizing::new(
        text.lines().next().unwrap_or_default().to_owned(),
    ))
}

/// Reads from the terminal, without showing what is typed.
fn typed(question: &str) -> Result<Zeroizing<String>, CliError> {
    rpassword::prompt_password(question)
        .map(Zeroizing::new)
        .map_err(CliError::file("the terminal"))
}

/// Asks for the words, row by row as they stand on the paper. They are shown while they are typed:
/// nobody types 24 words blindly.
fn asked_words(context: &Context) -> Result<String, CliError> {
    context.output.talk(&format!(
        "Type the {WORDS} words of the paper key, {WORDS_PER_ROW} to a line, with or without their \
         numbers. Clear this screen afterwards."
    ));
    let mut words = Vec::new();
    while words.len() < WORDS {
        let (first, last) = (words.len() + 1, words.len() + WORDS_PER_ROW);
        let line = Zeroizing::new(ask(&format!("Words {first} to {last}:"))?);
        let more: Vec<String> = line
            .split_whitespace()
            .filter(|word| !is_number(word))
            .map(str::to_lowercase)
            .collect();
        // All at once is as good, for those who paste them.
        if more.len() != WORDS_PER_ROW && words.len() + more.len() != WORDS {
            context.output.talk(&format!(
                "That was {} of {WORDS_PER_ROW} words. The same line again, please.",
                more.len()
            ));
            continue;
        }
        words.extend(more);
    }
    Ok(words.join(" "))
}

/// The words in a text: those of the lines that begin with a number, as `key print` writes them, or
/// else all of it. `None` unless there are [`WORDS`].
fn words_of(text: &str) -> Option<String> {
    let numbered = |line: &&str| line.split_whitespace().next().is_some_and(is_number);
    let any = text.lines().any(|line| numbered(&line));
    let words: Vec<String> = text
        .lines()
        .filter(|line| !any || numbered(line))
        .flat_map(str::split_whitespace)
        .filter(|word| !is_number(word))
        .map(str::to_lowercase)
        .collect();
    (words.len() == WORDS).then(|| words.join(" "))
}

/// Whether it is the number of a word: `7` or `7.`.
fn is_number(word: &str) -> bool {
    let digits = word.strip_suffix('.').unwrap_or(word);
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
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
    fn words_are_read_plain_and_as_they_are_printed() {
        let words: Vec<&str> = std::iter::repeat_n("abandon", WORDS).collect();
        let plain = words.join(" ");
        assert_eq!(words_of(&plain).unwrap(), plain);
        assert_eq!(words_of(&words.join("\n").to_uppercase()).unwrap(), plain);
        let rows: Vec<String> = words
            .chunks(WORDS_PER_ROW)
            .enumerate()
            .map(|(row, four)| format!("  {}. {}", row * WORDS_PER_ROW + 1, four.join(" 9 ")))
            .collect();
        let printed = format!(
            "Paper key of 42nd Street\nPrinted on 1 May\n\n{}\n",
            rows.join("\n")
        );
        assert_eq!(words_of(&printed).unwrap(), plain);
        assert_eq!(words_of(&words[1..].join(" ")), None);
        assert_eq!(words_of(&format!("{plain} abandon")), None);
        assert_eq!(words_of(""), None);
    }
}
