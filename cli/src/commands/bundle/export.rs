//! `fingerpost bundle export`

use std::io::Write;

use fingerpost_proto::bundle::Header;
use fingerpost_proto::ids::NetworkId;
use fingerpost_proto::limits;
use indicatif::ProgressBar;
use serde::Serialize;

use super::{Export, bar, is_stream};
use crate::client::Target;
use crate::commands::Context;
use crate::error::CliError;
use crate::output::one_line;
use crate::output::whole::WholeFile;
use crate::output::words::{bytes, count, moment};

/// How much of the end is remembered, to see that it is there.
const TAIL_BYTES: usize = 64;

/// What was written where.
#[derive(Serialize)]
struct Report {
    path: String,
    size_bytes: u64,
    network: NetworkId,
    name: String,
    since_s: Option<u64>,
    items: u64,
}

/// What is seen of a bundle that passes by.
struct Passing {
    first: Vec<u8>,
    header: Option<Header>,
    tail: Vec<u8>,
    lines: u64,
    size_bytes: u64,
    bar: ProgressBar,
}

pub(super) async fn run(export: Export, context: &Context) -> Result<(), CliError> {
    let to_stream = is_stream(&export.file);
    if to_stream && context.output.json {
        return Err(CliError::usage(
            "Both the bundle and the JSON document would go to standard output.",
            "Name a file, or leave --json out.",
        ));
    }
    let mut file = match to_stream {
        true => None,
        false => Some(WholeFile::begin(&export.file, ("--force", export.force))?),
    };
    let target = Target::new(&["bundle"])
        .with("network", export.network.network)
        .with("since_s", export.since.map(|at_s| at_s.to_string()));
    let mut passing = Passing::new(bar(None, "{bar:32} {pos}/{len} items", context));
    let passed = context.client.get_parts(&target, |part| {
        passing.look(part);
        match &mut file {
            Some(file) => file.write(part),
            None => write_out(part),
        }
    });
    passed.await?;
    let report = passing.finish(export.file.display().to_string())?;
    if let Some(file) = file {
        file.place()?;
        context.output.emit(&report, in_words)?;
    } else {
        context.output.talk(in_words(&report).trim_end());
    }
    context.output.talk(
        "Whoever has it can read what members of the network can read. To take it in elsewhere: \
         fingerpost bundle import FILE",
    );
    Ok(())
}

fn write_out(part: &[u8]) -> Result<(), CliError> {
    let written = std::io::stdout().write_all(part);
    written.map_err(|error| match error.kind() {
        std::io::ErrorKind::BrokenPipe => CliError::BrokenPipe,
        _ => CliError::Output(error),
    })
}

fn in_words(report: &Report) -> String {
    let since = match report.since_s {
        Some(at_s) => format!(", with what was changed since {}", moment(at_s)),
        None => String::new(),
    };
    format!(
        "{} ({}): {}, {}{since}\n",
        report.path,
        bytes(report.size_bytes),
        one_line(&report.name),
        count(report.items, "item"),
    )
}

impl Passing {
    fn new(bar: ProgressBar) -> Self {
        Self {
            first: Vec::new(),
            header: None,
            tail: Vec::new(),
            lines: 0,
            size_bytes: 0,
            bar,
        }
    }

    fn look(&mut self, part: &[u8]) {
        if self.header.is_none() && self.first.len() <= limits::BUNDLE_HEADER_MAX_BYTES {
            self.first.extend_from_slice(part);
            let line = self.first.split(|byte| *byte == b'\n').next();
            self.header = line.and_then(|line| Header::parse(line).ok());
            if let Some(header) = &self.header {
                self.bar.set_length(header.items.total());
            }
        }
        self.size_bytes += part.len() as u64;
        self.lines += part.iter().filter(|byte| **byte == b'\n').count() as u64;
        self.bar.set_position(self.items());
        self.tail.extend_from_slice(part);
        let from = self.tail.len().saturating_sub(TAIL_BYTES);
        self.tail.drain(..from);
    }

    /// Every line but the first, the charter's and the last is an item.
    fn items(&self) -> u64 {
        self.lines.saturating_sub(3)
    }

    fn finish(self, path: String) -> Result<Report, CliError> {
        self.bar.finish_and_clear();
        let end = format!("\nend {}.\n", self.items());
        match self.header {
            Some(header) if self.tail.ends_with(end.as_bytes()) => Ok(Report {
                path,
                size_bytes: self.size_bytes,
                network: header.network,
                items: self.lines.saturating_sub(3),
                name: header.name,
                since_s: header.since_s,
            }),
            _ => Err(CliError::Answer(
                "the bundle ended early; no file was left".to_owned(),
            )),
        }
    }
}
