//! `fingerpost bundle import`

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use fingerpost_proto::api::{BUNDLE_TYPE, ImportedBundle};
use hyper::body::Bytes;
use indicatif::ProgressBar;
use tokio::sync::{mpsc, oneshot};

use super::{bar, is_stream};
use crate::client::Target;
use crate::commands::Context;
use crate::error::CliError;
use crate::output::one_line;
use crate::output::words::{count, moment};

/// How much is read at a time.
const PART_BYTES: usize = 64 * 1024;
/// Most parts that wait for the daemon.
const PARTS_MAX: usize = 4;

pub(super) async fn run(file: &Path, context: &Context) -> Result<(), CliError> {
    let imported = import(file, context).await?;
    context.output.emit(&imported, in_words)?;
    judge(&imported)
}

/// Hands a bundle to the daemon, part by part.
///
/// # Errors
/// Any [`CliError`] of the daemon, or of reading the file.
pub(in crate::commands) async fn import(
    path: &Path,
    context: &Context,
) -> Result<ImportedBundle, CliError> {
    let named = path.display().to_string();
    let (source, length): (Box<dyn Read + Send>, _) = match is_stream(path) {
        true => (Box::new(io::stdin()), None),
        false => {
            let file = File::open(path).map_err(CliError::file(&named))?;
            let length = file.metadata().map_err(CliError::file(&named))?.len();
            (Box::new(file), Some(length))
        }
    };
    let (sender, parts) = mpsc::channel(PARTS_MAX);
    let bar = bar(length, "{bar:32} {bytes}/{total_bytes}", context);
    let shown = bar.clone();
    // A thread of its own: nobody waits for it where whoever writes to a pipe is silent.
    let (done, mut read) = oneshot::channel();
    std::thread::spawn(move || done.send(send_parts(source, &sender, &shown)));
    let target = Target::new(&["bundle"]);
    let imported = context.client.post_parts(&target, BUNDLE_TYPE, parts).await;
    bar.finish_and_clear();
    let imported = imported.map_err(cut_off)?;
    if let Ok(read) = read.try_recv() {
        read.map_err(CliError::file(named))?;
    }
    Ok(imported)
}

/// Reads a file until its end, or until nobody asks for more.
fn send_parts(
    mut source: impl Read,
    sender: &mpsc::Sender<Bytes>,
    bar: &ProgressBar,
) -> io::Result<()> {
    let mut buffer = vec![0; PART_BYTES];
    loop {
        let length = match source.read(&mut buffer) {
            Ok(length) => length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        let part = buffer.get(..length).unwrap_or_default();
        if part.is_empty() || sender.blocking_send(Bytes::copy_from_slice(part)).is_err() {
            return Ok(());
        }
        bar.inc(length as u64);
    }
}

/// What a daemon has taken before it went away stays.
fn cut_off(error: CliError) -> CliError {
    match error {
        CliError::Answer(what) => CliError::Refused {
            message: format!(
                "The daemon went away while it took the bundle in ({what}). What it had taken is kept."
            ),
            hint: "Start it, and import the bundle again: what is known already is passed over."
                .to_owned(),
        },
        other => other,
    }
}

/// What became of it.
pub(in crate::commands) fn in_words(imported: &ImportedBundle) -> String {
    let since = match imported.since_s {
        Some(at_s) => format!(", of what was changed since {}", moment(at_s)),
        None => String::new(),
    };
    let mut text = format!(
        "{}: {} from node {}, made {}{since}\n",
        one_line(&imported.name),
        count(imported.items, "item"),
        imported.node.short(),
        moment(imported.made_at_s),
    );
    let kinds = [
        (imported.added, "new"),
        (imported.known, "known already"),
        (imported.older, "superseded, or for others to keep"),
        (
            imported.declined,
            "not wanted here (blocked, or over a quota)",
        ),
        (imported.foreign, "not of your networks"),
        (imported.refused, "refused"),
    ];
    let told = kinds.iter().filter(|(number, _)| *number > 0);
    let told: Vec<String> = told
        .map(|(number, what)| format!("{number} {what}"))
        .collect();
    if !told.is_empty() {
        text.push_str(&format!("  {}\n", told.join(", ")));
    }
    for fault in &imported.faults {
        text.push_str(&format!(
            "left out: line {}: {}\n",
            fault.line,
            one_line(&fault.message)
        ));
    }
    let named = imported.faults.len() as u64;
    let others = (imported.refused + imported.foreign).saturating_sub(named);
    if others > 0 {
        text.push_str(&format!("left out: {} more\n", count(others, "line")));
    }
    if imported.missing > 0 {
        text.push_str(&format!(
            "missing: {}: the file ends early\n",
            count(imported.missing, "item")
        ));
    }
    if let Some(why) = &imported.stopped {
        text.push_str(&format!("stopped: {}\n", one_line(why)));
    }
    text
}

/// Whether everything came in.
///
/// # Errors
/// [`CliError::Partly`] if not.
pub(in crate::commands) fn judge(imported: &ImportedBundle) -> Result<(), CliError> {
    if imported.is_complete() {
        return Ok(());
    }
    let (message, hint) = match (&imported.stopped, imported.left_out()) {
        (Some(why), _) => (
            format!("The bundle was not read to its end: {why}. What was taken before is kept."),
            "Look at the lines that were left out. If the file is what it should be, import it again.",
        ),
        (None, 0) => (
            "The file does not end as a bundle does. What was in it is kept.".to_owned(),
            "Ask for a fresh copy, if anything seems to be missing: importing twice does no harm.",
        ),
        (None, left_out) => (
            format!(
                "{} left out or missing; everything else is kept.",
                count(left_out, "item")
            ),
            "Ask for a fresh copy of the file, and import that too: what is known already is passed over.",
        ),
    };
    Err(CliError::Partly {
        message,
        hint: hint.to_owned(),
    })
}
