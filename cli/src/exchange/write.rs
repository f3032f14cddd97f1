//! Listings for other programs and for people: JSON, a CSV package, a workbook, a page to print.

use std::io::{Cursor, Write as _};
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use fingerpost_proto::listing::Listing;
use fingerpost_proto::listing::tables::{Table, flat, package_of};
use serde_json::{Value, json};

use super::{html, refused};
use crate::error::CliError;
use crate::output::json_pretty;

/// Most letters of a cell of a workbook.
const CELL_MAX_LETTERS: usize = 32_767;
/// Most rows of a sheet, without its header.
const SHEET_MAX_ROWS: usize = 1_048_575;

/// What an export is written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Open Referral JSON (ORUK 3)
    Json,
    /// A package of CSV files (HSDS 3): a directory, or one file if the name ends in .zip
    Csv,
    /// A workbook with one row a service
    Xlsx,
    /// A page to read and to print
    Html,
}

/// Where an export goes.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Target {
    /// What to write [default: what the name of the output ends in, else json]
    #[arg(long, value_name = "FORMAT")]
    pub(crate) format: Option<Format>,
    /// File or directory to write to; needed for csv and xlsx [default: standard output]
    #[arg(long, short, value_name = "PATH")]
    pub(crate) output: Option<PathBuf>,
}

impl Target {
    /// The format that is meant.
    pub(crate) fn format(&self) -> Format {
        let ending = self
            .output
            .as_deref()
            .and_then(Path::extension)
            .map(|ending| ending.to_ascii_lowercase());
        let by_ending = match ending.as_deref().and_then(std::ffi::OsStr::to_str) {
            Some("zip") => Format::Csv,
            Some("xlsx") => Format::Xlsx,
            Some("html" | "htm") => Format::Html,
            _ => Format::Json,
        };
        self.format.unwrap_or(by_ending)
    }
}

/// Writes listings where they are wanted; gives what goes to standard output instead, and a sentence about what was written.
///
/// # Errors
/// [`CliError::Usage`] where a file is needed, [`CliError::File`], [`CliError::Refused`].
pub(crate) fn write_listings(
    listings: &[Listing],
    title: &str,
    own: bool,
    target: &Target,
) -> Result<(Option<String>, String), CliError> {
    let services: usize = listings.iter().map(|listing| listing.services.len()).sum();
    let mut told = format!(
        "{services} service{} of {} organisation{}",
        if services == 1 { "" } else { "s" },
        listings.len(),
        if listings.len() == 1 { "" } else { "s" },
    );
    let format = target.format();
    let text = match format {
        Format::Json => json_pretty(&match listings {
            [listing] if own => listing.to_export().map_err(failed)?,
            many => page(many)?,
        }),
        Format::Html => html::page(&flat(listings), title),
        Format::Csv | Format::Xlsx => {
            let Some(path) = &target.output else {
                return Err(CliError::usage(
                    "This format is not for standard output.",
                    "Name a file or directory: --output listing.zip",
                ));
            };
            match format {
                Format::Csv => write_package(listings, path)?,
                _ => {
                    let (bytes, cut) = workbook(&flat(listings))?;
                    write_file(path, &bytes)?;
                    if cut > 0 {
                        told.push_str(&format!(
                            "; {cut} cells were too long for a workbook and are cut"
                        ));
                    }
                }
            }
            return Ok((None, format!("{told}: {}", path.display())));
        }
    };
    let Some(path) = &target.output else {
        return Ok((Some(text), told));
    };
    write_file(path, text.as_bytes())?;
    Ok((None, format!("{told}: {}", path.display())))
}

fn failed(error: serde_json::Error) -> CliError {
    refused(format!("The listing cannot be written: {error}."), "")
}

/// Services with their organisation inside, in the envelope of an Open Referral web interface.
fn page(listings: &[Listing]) -> Result<Value, CliError> {
    let mut contents = Vec::new();
    for listing in listings {
        let organization = serde_json::to_value(&listing.organization).map_err(failed)?;
        for service in &listing.services {
            let mut service = serde_json::to_value(service).map_err(failed)?;
            if let Some(fields) = service.as_object_mut() {
                fields.insert("organization".to_owned(), organization.clone());
            }
            contents.push(service);
        }
    }
    Ok(json!({
        "total_items": contents.len(), "total_pages": 1, "page_number": 1, "size": contents.len(),
        "first_page": true, "last_page": true, "empty": contents.is_empty(), "contents": contents,
    }))
}

fn write_file(path: &Path, bytes: &[u8]) -> Result<(), CliError> {
    std::fs::write(path, bytes).map_err(CliError::file(path.display().to_string()))
}

fn write_package(listings: &[Listing], path: &Path) -> Result<(), CliError> {
    let (tables, described) = package_of(listings).map_err(failed)?;
    let mut files: Vec<(String, Vec<u8>)> = tables
        .iter()
        .map(|table| (format!("{}.csv", table.name), table.to_csv()))
        .collect();
    files.push((
        "datapackage.json".to_owned(),
        json_pretty(&described).into_bytes(),
    ));
    if path
        .extension()
        .is_some_and(|ending| ending.eq_ignore_ascii_case("zip"))
    {
        return write_file(
            path,
            &zipped(&files).map_err(CliError::file(path.display().to_string()))?,
        );
    }
    let shown = path.display().to_string();
    // A table of an older export that is not written again would be imported with the new ones.
    if path
        .read_dir()
        .is_ok_and(|mut entries| entries.next().is_some())
    {
        return Err(refused(
            format!("The directory {shown} is not empty. Nothing was written."),
            "Name a new directory, or a file that ends in .zip.",
        ));
    }
    std::fs::create_dir_all(path).map_err(CliError::file(&shown))?;
    for (name, bytes) in &files {
        write_file(&path.join(name), bytes)?;
    }
    Ok(())
}

fn zipped(files: &[(String, Vec<u8>)]) -> std::io::Result<Vec<u8>> {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default();
    for (name, bytes) in files {
        writer.start_file(name.as_str(), options)?;
        writer.write_all(bytes)?;
    }
    Ok(writer.finish()?.into_inner())
}

/// The table as a workbook, and how many cells were cut. Every cell is a text: nothing is taken for a formula.
fn workbook(table: &Table) -> Result<(Vec<u8>, usize), CliError> {
    let failed = |error: rust_xlsxwriter::XlsxError| {
        refused(format!("The workbook cannot be written: {error}."), "")
    };
    if table.rows.len() > SHEET_MAX_ROWS {
        return Err(refused(
            format!(
                "A workbook holds at most {SHEET_MAX_ROWS} rows; there are {}.",
                table.rows.len()
            ),
            "Export a part, or as csv.",
        ));
    }
    let mut book = rust_xlsxwriter::Workbook::new();
    let bold = rust_xlsxwriter::Format::new().set_bold();
    let sheet = book.add_worksheet();
    sheet.set_name("Services").map_err(failed)?;
    sheet.set_freeze_panes(1, 0).map_err(failed)?;
    let mut cut = 0;
    for (column, name) in (0_u16..).zip(&table.header) {
        sheet
            .write_string_with_format(0, column, name, &bold)
            .map_err(failed)?;
        sheet
            .set_column_width(column, if name == "Description" { 60 } else { 20 })
            .map_err(failed)?;
    }
    for (number, row) in (1_u32..).zip(&table.rows) {
        for (column, cell) in (0_u16..)
            .zip(&row.cells)
            .filter(|(_, cell)| !cell.is_empty())
        {
            let mut text = cell.clone();
            if text.encode_utf16().count() > CELL_MAX_LETTERS {
                text = text.chars().take(CELL_MAX_LETTERS / 2).collect();
                text.push('…');
                cut += 1;
            }
            sheet.write_string(number, column, &text).map_err(failed)?;
        }
    }
    let last = u32::try_from(table.rows.len()).unwrap_or(u32::MAX);
    let columns = u16::try_from(table.header.len().saturating_sub(1)).unwrap_or(u16::MAX);
    sheet.autofilter(0, 0, last, columns).map_err(failed)?;
    Ok((book.save_to_buffer().map_err(failed)?, cut))
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]
mod tests {
    use super::super::files::{Opened, open_zip};
    use super::super::sheet;
    use super::*;

    fn listing() -> Listing {
        serde_json::from_value(json!({
            "organization": {"id": "o", "name": "Acorn & Co"},
            "services": [{"id": "s", "name": "=1+1", "description": "<b>Bold</b> & more", "phones": [{"id": "p", "number": "+44 1"}]}],
        }))
        .unwrap()
    }

    #[test]
    fn a_workbook_comes_back_and_its_cells_are_texts() {
        let long = "x".repeat(CELL_MAX_LETTERS + 1);
        let mut table = flat(&[listing()]);
        table.rows[0].cells[3] = long;
        let (bytes, cut) = workbook(&table).unwrap();
        assert_eq!(cut, 1);
        let Opened::Workbook(sheets) = open_zip("t", bytes).unwrap() else {
            panic!()
        };
        let back = sheet(&sheets, None).unwrap().table(1).unwrap();
        assert_eq!(back.header, table.header);
        assert_eq!(back.rows[0].cells[1], "=1+1");
    }

    #[test]
    fn a_page_to_print_shows_texts_and_runs_nothing() {
        let page = html::page(&flat(&[listing()]), "Acorn & Co");
        assert!(
            page.contains("<h3>=1+1</h3>") && page.contains("Acorn &amp; Co"),
            "{page}"
        );
        assert!(
            page.contains("Bold &amp; more") && !page.contains("<b>"),
            "{page}"
        );
        assert!(!page.contains("<script"));
    }

    #[test]
    fn the_format_follows_from_the_name_of_the_output() {
        let of = |output: Option<&str>, format| {
            Target {
                format,
                output: output.map(PathBuf::from),
            }
            .format()
        };
        assert_eq!(of(Some("a.ZIP"), None), Format::Csv);
        assert_eq!(of(Some("a.xlsx"), None), Format::Xlsx);
        assert_eq!(of(Some("a.html"), None), Format::Html);
        assert_eq!(of(None, None), Format::Json);
        assert_eq!(of(Some("folder"), Some(Format::Csv)), Format::Csv);
        let target = Target {
            format: Some(Format::Csv),
            output: None,
        };
        assert_eq!(
            write_listings(&[listing()], "t", true, &target)
                .unwrap_err()
                .kind()
                .1,
            2
        );
    }

    #[test]
    fn a_package_goes_into_a_new_directory_or_a_zip_file() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("package");
        write_package(&[listing()], &folder).unwrap();
        let services = std::fs::read_to_string(folder.join("services.csv")).unwrap();
        assert!(services.contains("'=1+1"), "{services}");
        assert!(folder.join("datapackage.json").exists());
        assert!(
            write_package(&[listing()], &folder)
                .unwrap_err()
                .to_string()
                .contains("not empty")
        );
        let zip = dir.path().join("package.zip");
        write_package(&[listing()], &zip).unwrap();
        let Opened::Tables(tables) = open_zip("t", std::fs::read(zip).unwrap()).unwrap() else {
            panic!()
        };
        assert_eq!(tables.len(), 3);
    }
}
