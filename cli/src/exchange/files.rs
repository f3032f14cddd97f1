//! Directories of CSV files, ZIP files, and workbooks.

use std::io::{Cursor, Read};
use std::path::Path;

use calamine::{Data, Reader, Xlsx};
use fingerpost_proto::limits;

use super::{Content, Sheet, refused};
use crate::error::CliError;
use crate::input::read_input;

/// Most bytes of all files of a ZIP file together, unpacked.
const UNPACKED_MAX_BYTES: u64 = 256 * 1024 * 1024;
/// Most files in a ZIP file.
const FILES_MAX: usize = 1_024;

/// What a ZIP file holds.
pub(super) enum Opened {
    /// A workbook (XLSX).
    Workbook(Vec<Sheet>),
    /// CSV files with their names.
    Tables(Vec<(String, Vec<u8>)>),
}

/// The CSV files of a directory with their names, without the ending.
pub(super) fn csv_files(folder: &Path) -> Result<Vec<(String, Vec<u8>)>, CliError> {
    let shown = folder.display().to_string();
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(CliError::file(&shown))? {
        let path = entry.map_err(CliError::file(&shown))?.path();
        if path
            .extension()
            .is_some_and(|ending| ending.eq_ignore_ascii_case("csv"))
        {
            paths.push(path);
        }
    }
    paths.sort();
    let read = |path: &std::path::PathBuf| {
        let name = path
            .file_stem()
            .map(|stem| stem.to_string_lossy().into_owned());
        let bytes = read_input(&path.to_string_lossy(), limits::IMPORT_MAX_BYTES)?;
        Ok((name.unwrap_or_default(), bytes))
    };
    paths.iter().take(limits::TABLES_MAX).map(read).collect()
}

/// Opens a ZIP file, which a workbook is too. What it holds is measured as it is unpacked, whatever it claims.
pub(super) fn open_zip(shown: &str, bytes: Vec<u8>) -> Result<Opened, CliError> {
    let broken = |error: &dyn std::fmt::Display| {
        refused(
            format!(
                "{shown} cannot be opened as a ZIP file or workbook: {error}. Nothing was changed."
            ),
            "Export or download it again.",
        )
    };
    let mut archive = zip::ZipArchive::new(Cursor::new(&bytes)).map_err(|error| broken(&error))?;
    if archive.len() > FILES_MAX {
        return Err(refused(
            format!("{shown} holds more than {FILES_MAX} files. Nothing was changed."),
            "Is it the right file?",
        ));
    }
    let workbook = archive.index_for_name("xl/workbook.xml").is_some();
    let mut left = UNPACKED_MAX_BYTES;
    let mut tables = Vec::new();
    for index in 0..archive.len() {
        let mut file = archive.by_index(index).map_err(|error| broken(&error))?;
        let name = file.name().map_err(|error| broken(&error))?.into_owned();
        let path = Path::new(&name).to_owned();
        let wanted = !workbook
            && path
                .extension()
                .is_some_and(|ending| ending.eq_ignore_ascii_case("csv"));
        let mut content = Vec::new();
        let mut limited = (&mut file).take(left.saturating_add(1));
        let size = match wanted {
            true => limited
                .read_to_end(&mut content)
                .map(|size| u64::try_from(size).unwrap_or(u64::MAX)),
            false => std::io::copy(&mut limited, &mut std::io::sink()),
        };
        let size = size.map_err(|error| broken(&error))?;
        left = left.checked_sub(size).ok_or_else(|| {
            refused(
                format!("{shown} holds more than {UNPACKED_MAX_BYTES} bytes when it is unpacked. Nothing was changed."),
                "Is it the right file?",
            )
        })?;
        if wanted && tables.len() < limits::TABLES_MAX {
            let name = path
                .file_stem()
                .map(|stem| stem.to_string_lossy().into_owned());
            tables.push((name.unwrap_or_default(), content));
        }
    }
    if !workbook {
        return Ok(Opened::Tables(tables));
    }
    sheets(bytes)
        .map(Opened::Workbook)
        .map_err(|error| broken(&error))
}

fn sheets(bytes: Vec<u8>) -> Result<Vec<Sheet>, calamine::XlsxError> {
    let mut workbook: Xlsx<_> = Xlsx::new(Cursor::new(bytes))?;
    let mut sheets = Vec::new();
    for name in workbook.sheet_names().into_iter().take(limits::TABLES_MAX) {
        let range = workbook.worksheet_range(&name)?;
        // A sheet may begin anywhere; rows keep the numbers that people see.
        let above = range
            .start()
            .map_or(0, |(row, _)| usize::try_from(row).unwrap_or(0));
        let mut rows = vec![Vec::new(); above.min(limits::TABLE_ROWS_MAX)];
        rows.extend(
            range
                .rows()
                .map(|row| row.iter().map(cell).collect::<Vec<_>>()),
        );
        sheets.push(Sheet {
            name,
            content: Content::Rows(rows),
        });
    }
    Ok(sheets)
}

/// A cell as a person sees it; dates in the form of ISO 8601.
fn cell(data: &Data) -> String {
    match data {
        Data::DateTime(date) if date.is_datetime() => {
            let (year, month, day, hour, minute, _, _) = date.to_ymd_hms_milli();
            match (year, hour, minute) {
                // A time of day alone counts from the day before the calendar of spreadsheets begins.
                (..=1900, _, _) => format!("{hour:02}:{minute:02}"),
                (_, 0, 0) => format!("{year:04}-{month:02}-{day:02}"),
                _ => format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}"),
            }
        }
        // Whole numbers, such as the digits of an id, are kept as floating point there.
        Data::Float(number) if number.fract() == 0.0 && number.abs() < 1e15 => {
            format!("{number:.0}")
        }
        Data::Error(_) => String::new(),
        other => other.to_string(),
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
    fn a_workbook_is_read_with_its_dates_and_numbers() {
        let mut workbook = rust_xlsxwriter::Workbook::new();
        let sheet = workbook.add_worksheet().set_name("Services").unwrap();
        let date = rust_xlsxwriter::ExcelDateTime::parse_from_str("2026-02-03").unwrap();
        let format = rust_xlsxwriter::Format::new().set_num_format("dd/mm/yyyy");
        for (column, header) in ["Ref", "Name", "Checked"].into_iter().enumerate() {
            sheet
                .write_string(1, u16::try_from(column).unwrap(), header)
                .unwrap();
        }
        sheet.write_number(2, 0, 1_234_567_890.0).unwrap();
        sheet.write_string(2, 1, "Lunch").unwrap();
        sheet
            .write_datetime_with_format(2, 2, &date, &format)
            .unwrap();
        let bytes = workbook.save_to_buffer().unwrap();
        let Opened::Workbook(sheets) = open_zip("t.xlsx", bytes).unwrap() else {
            panic!()
        };
        let table = super::super::sheet(&sheets, Some("services"))
            .unwrap()
            .table(2)
            .unwrap();
        assert_eq!(table.header, ["Ref", "Name", "Checked"]);
        assert_eq!(table.rows[0].number, 3);
        assert_eq!(table.rows[0].cells, ["1234567890", "Lunch", "2026-02-03"]);
        let names = super::super::sheet(&sheets, Some("other"))
            .err()
            .unwrap()
            .hint()
            .unwrap();
        assert!(names.contains("Services"), "{names}");
    }

    #[test]
    fn a_zip_file_that_grows_without_end_is_refused() {
        let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
        let options = zip::write::SimpleFileOptions::default();
        writer.start_file("services.csv", options).unwrap();
        let zeros = vec![b'0'; 1024 * 1024];
        for _ in 0..=UNPACKED_MAX_BYTES / (1024 * 1024) {
            std::io::Write::write_all(&mut writer, &zeros).unwrap();
        }
        let bytes = writer.finish().unwrap().into_inner();
        assert!(bytes.len() < 1024 * 1024);
        let error = open_zip("bomb.zip", bytes).err().unwrap();
        assert!(error.to_string().contains("unpacked"), "{error}");
        assert!(open_zip("broken.zip", b"PK\x03\x04rest".to_vec()).is_err());
    }
}
