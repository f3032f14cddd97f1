//! `fingerpost key export|import|print`

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use fingerpost_proto::api::{ExportKey, ImportKey, KeyFile, KeyWords, OrgInfo, OrgRef};
use serde::Serialize;

use crate::client::Target;
use crate::commands::Context;
use crate::error::CliError;
use crate::input::secret::{KeySource, WORDS_PER_ROW, new_passphrase};
use crate::output::one_line;
use crate::output::words::{date, now_s};

/// Room for the longest word of the list, in characters.
const WORD_MAX_CHARS: usize = 8;

#[derive(Debug, Subcommand)]
pub(crate) enum Key {
    /// Write the root key to a file, encrypted with a passphrase in the age format
    Export {
        /// The file, which must not exist yet
        #[arg(long, value_name = "FILE")]
        to: PathBuf,
        /// File whose first line is the passphrase [default: asked for]
        #[arg(long, value_name = "FILE")]
        passphrase_file: Option<String>,
    },
    /// Bring the root key of an organisation to this node
    Import(Import),
    /// Print the root key as 24 words, to be kept on paper
    Print,
}

#[derive(Debug, Args)]
pub(crate) struct Import {
    /// File of `fingerpost key export` [default: the words are asked for]
    #[arg(conflicts_with = "words_file")]
    file: Option<String>,
    /// File with the words of `fingerpost key print`
    #[arg(long, value_name = "FILE")]
    words_file: Option<String>,
    /// File whose first line is the passphrase of the key file [default: asked for]
    #[arg(
        long,
        value_name = "FILE",
        requires = "file",
        conflicts_with = "words_file"
    )]
    passphrase_file: Option<String>,
}

impl Key {
    /// Whether `--org` can say which organisation is meant.
    pub(crate) fn takes_org(&self) -> bool {
        !matches!(self, Self::Import(_))
    }
}

pub(crate) async fn run(key: Key, context: &Context) -> Result<(), CliError> {
    match key {
        Key::Export {
            to,
            passphrase_file,
        } => export(&to, passphrase_file.as_deref(), context).await,
        Key::Import(import) => run_import(import, context).await,
        Key::Print => print(context).await,
    }
}

/// What was written where; the file itself is for the file alone.
#[derive(Serialize)]
struct Exported<'a> {
    organisation: &'a OrgRef,
    path: String,
}

async fn export(
    path: &Path,
    passphrase_file: Option<&str>,
    context: &Context,
) -> Result<(), CliError> {
    if path == Path::new("-") {
        return Err(CliError::usage(
            "A key is written to a file that only its owner can read, not to standard output.",
            "Name a file: --to FILE. For the words on paper: fingerpost key print",
        ));
    }
    // Before anybody thinks of a passphrase; `write_new` makes sure.
    if path.symlink_metadata().is_ok() {
        return Err(exists(path));
    }
    let passphrase = new_passphrase(passphrase_file, context)?;
    let body = ExportKey {
        passphrase: passphrase.to_string(),
    };
    let target = context.target(&["keys", "export"]);
    let key: KeyFile = context.client.post(&target, &body).await?;
    write_new(path, key.file.as_bytes())?;
    let exported = Exported {
        organisation: &key.organisation,
        path: path.display().to_string(),
    };
    context
        .output
        .emit(&exported, |exported| format!("{}\n", exported.path))?;
    context.output.talk(&format!(
        "The root key of {} is in this file. Whoever has the file and the passphrase is that organisation: \
         keep them apart. To use it: fingerpost key import FILE",
        one_line(&key.organisation.name)
    ));
    Ok(())
}

fn exists(path: &Path) -> CliError {
    CliError::Refused {
        message: format!(
            "{} exists, and is never overwritten. Nothing was changed.",
            path.display()
        ),
        hint: "Choose another name.".to_owned(),
    }
}

/// Writes a file that did not exist, for its owner's eyes alone, and makes sure that it is on disk.
fn write_new(path: &Path, content: &[u8]) -> Result<(), CliError> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    let file = options.open(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => exists(path),
        _ => CliError::file(path.display().to_string())(error),
    })?;
    fill(file, content).map_err(|error| {
        // Half a key is worse than none: somebody may rely on it.
        let _ = fs::remove_file(path);
        CliError::file(path.display().to_string())(error)
    })
}

fn fill(mut file: File, content: &[u8]) -> std::io::Result<()> {
    file.write_all(content)?;
    file.sync_all()
}

async fn run_import(import: Import, context: &Context) -> Result<(), CliError> {
    let source = KeySource {
        key_file: import.file.as_deref(),
        words_file: import.words_file.as_deref(),
        passphrase_file: import.passphrase_file.as_deref(),
    };
    let body = ImportKey {
        key: source.read(context)?,
    };
    let target = Target::new(&["keys", "import"]);
    let org: OrgInfo = context.client.post(&target, &body).await?;
    context.output.emit(&org, |org| format!("{}\n", org.id))?;
    context.output.talk(&format!(
        "This node holds the root key of {}.{}",
        one_line(&org.name),
        if org.present {
            ""
        } else {
            " Its documents are not here: if they come from no other node, fetch them with fingerpost \
             restore --from-network"
        }
    ));
    Ok(())
}

/// The words, with the day on which they were printed.
#[derive(Serialize)]
struct Paper {
    #[serde(flatten)]
    key: KeyWords,
    printed_on: String,
}

async fn print(context: &Context) -> Result<(), CliError> {
    let target = context.target(&["keys", "words"]);
    // The request has no body, and an empty object is the shortest JSON.
    let key: KeyWords = context.client.post(&target, &serde_json::json!({})).await?;
    let paper = Paper {
        key,
        printed_on: date(now_s()),
    };
    context.output.talk(
        "Whoever reads these words is your organisation. Write or print them on paper, keep it locked away, \
         and clear this screen.",
    );
    context.output.emit(&paper, in_words)
}

fn in_words(paper: &Paper) -> String {
    let mut text = format!(
        "Paper key of {}\n{}\nPrinted on {}\n\n",
        one_line(&paper.key.organisation.name),
        paper.key.organisation.id,
        paper.printed_on,
    );
    for (row, words) in paper.key.words.chunks(WORDS_PER_ROW).enumerate() {
        let cells = words.iter().enumerate().map(|(at, word)| {
            let number = row * WORDS_PER_ROW + at + 1;
            format!("{number:>2} {:<WORD_MAX_CHARS$}", one_line(word))
        });
        let cells: Vec<String> = cells.collect();
        text.push_str(cells.join("   ").trim_end());
        text.push('\n');
    }
    text
}
