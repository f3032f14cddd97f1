//! Foreign files, and files for foreign programs: what is read here becomes Open Referral JSON before the daemon sees it.
//!
//! ZIP, XLSX and answers of strangers' servers are taken apart in this short-lived program and never in the
//! daemon; what the tables mean is decided in `proto`.

mod feed;
mod files;
mod html;
mod write;

use std::path::Path;

use fingerpost_proto::limits;
use fingerpost_proto::listing::source::{Source, read_json};
use fingerpost_proto::listing::tables::package::{is_package_table, read_package};
use fingerpost_proto::listing::tables::{Table, TableError};

use crate::error::CliError;
use crate::input::{named, read_input};

pub(crate) use feed::is_address;
pub(crate) use write::{Format, Target, write_listings};

/// What somebody hands over to be imported.
pub(crate) enum Loaded {
    /// Open Referral JSON, as it is, and perhaps what was found in it.
    Json(Vec<u8>),
    /// Services that were found in a package or a feed.
    Source(Source),
    /// Tables that a mapping must explain: a CSV file, or the sheets of a workbook, each as rows.
    Sheets(Vec<Sheet>),
}

/// A sheet of a workbook, or a CSV file.
pub(crate) struct Sheet {
    /// Its name.
    pub(crate) name: String,
    content: Content,
}

enum Content {
    Csv(Vec<u8>),
    Rows(Vec<Vec<String>>),
}

impl Sheet {
    /// The sheet as a table of which row `header_row` has the names of the columns.
    ///
    /// # Errors
    /// [`CliError::Refused`].
    pub(crate) fn table(&self, header_row: usize) -> Result<Table, CliError> {
        match &self.content {
            Content::Csv(bytes) => Table::from_csv(&self.name, bytes, header_row),
            Content::Rows(rows) => Table::from_rows(&self.name, rows.iter().cloned(), header_row),
        }
        .map_err(table_refused)
    }

    fn has_rows(&self) -> bool {
        match &self.content {
            Content::Csv(_) => true,
            Content::Rows(rows) => rows.len() > 1,
        }
    }
}

/// The sheet with this name, or the first one that has rows.
///
/// # Errors
/// [`CliError::Refused`] with the names that there are.
pub(crate) fn sheet<'a>(sheets: &'a [Sheet], name: Option<&str>) -> Result<&'a Sheet, CliError> {
    let found = match name {
        Some(name) => sheets
            .iter()
            .find(|sheet| sheet.name.eq_ignore_ascii_case(name.trim())),
        None => sheets.iter().find(|sheet| sheet.has_rows()),
    };
    found.ok_or_else(|| {
        let names: Vec<&str> = sheets.iter().map(|sheet| sheet.name.as_str()).collect();
        refused(
            match name {
                Some(name) => format!("There is no sheet \"{name}\". Nothing was changed."),
                None => "There are no rows in it. Nothing was changed.".to_owned(),
            },
            format!("Its sheets: {}.", names.join(", ")),
        )
    })
}

/// Reads a file, a directory, a web address, or standard input.
///
/// # Errors
/// [`CliError`] with what to do; nothing has been changed.
pub(crate) async fn load(source: &str, tell: &dyn Fn(&str)) -> Result<Loaded, CliError> {
    if is_address(source) {
        return Ok(Loaded::Source(feed::fetch(source, tell).await?));
    }
    let path = Path::new(source);
    if source != "-" && path.is_dir() {
        return package(files::csv_files(path)?);
    }
    let bytes = read_input(source, limits::IMPORT_MAX_BYTES)?;
    let name = path.file_stem().map_or_else(
        || "listing".to_owned(),
        |stem| stem.to_string_lossy().into_owned(),
    );
    if bytes.starts_with(b"PK\x03\x04") {
        return match files::open_zip(named(source), bytes)? {
            files::Opened::Workbook(sheets) => Ok(Loaded::Sheets(sheets)),
            files::Opened::Tables(tables) => package(tables),
        };
    }
    let text = bytes
        .strip_prefix(b"\xef\xbb\xbf")
        .unwrap_or(&bytes)
        .trim_ascii_start();
    // What is neither a table nor JSON is explained by whoever reads JSON.
    let is_table =
        text.first().is_some_and(|first| !b"{[<%".contains(first)) && looks_like_table(text);
    if !is_table {
        return Ok(Loaded::Json(bytes));
    }
    Ok(Loaded::Sheets(vec![Sheet {
        name,
        content: Content::Csv(bytes),
    }]))
}

fn looks_like_table(text: &[u8]) -> bool {
    let first = text.split(|byte| *byte == b'\n').next().unwrap_or_default();
    first.iter().any(|byte| b",;\t|".contains(byte)) || text.contains(&b'\n')
}

fn package(files: Vec<(String, Vec<u8>)>) -> Result<Loaded, CliError> {
    if !files.iter().any(|(name, _)| is_package_table(name)) {
        return Err(refused(
            "There is no table of an HSDS package in it (such as services.csv). Nothing was changed.",
            "Import one CSV file or workbook by itself, with a mapping: --guess proposes one.",
        ));
    }
    let read = |(name, bytes): (String, Vec<u8>)| match Table::from_csv(&name, &bytes, 1) {
        // An empty table of a package says that there is nothing of its kind.
        Err(TableError::Empty { .. }) => None,
        other => Some(other.map_err(table_refused)),
    };
    let tables = files
        .into_iter()
        .filter_map(read)
        .collect::<Result<Vec<_>, _>>()?;
    Ok(Loaded::Source(read_package(&tables)))
}

/// The services of JSON that holds more than one organisation, or another envelope.
///
/// # Errors
/// [`CliError::Refused`] when it is not JSON.
pub(crate) fn source_of_json(name: &str, bytes: &[u8]) -> Result<Option<Source>, CliError> {
    read_json(name, bytes).map_err(|error| {
        refused(
            format!("{error}. Nothing was changed."),
            "The file must be JSON in UTF-8.",
        )
    })
}

fn table_refused(error: TableError) -> CliError {
    refused(
        format!("{error}. Nothing was changed."),
        "Export a smaller part, or save the table as CSV in UTF-8.",
    )
}

/// Something that was handed over is refused.
pub(crate) fn refused(message: impl Into<String>, hint: impl Into<String>) -> CliError {
    CliError::Refused {
        message: message.into(),
        hint: hint.into(),
    }
}
