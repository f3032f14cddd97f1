//! Listings as tables: CSV, spreadsheets, and the packages of HSDS.
//!
//! A [`Table`] is a header and rows of text, wherever they came from: reading CSV is here, reading
//! XLSX is the command line's work, because the files of strangers are not taken apart in the daemon.
//! [`package`] puts the tables of an HSDS package together to listings and takes listings apart again;
//! [`mapping`] reads any other table by a mapping that a person has looked at, and [`guess`] proposes one.

mod csv_text;
pub mod guess;
pub mod hours;
pub mod mapping;
pub mod package;
mod paths;
mod write;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::limits::{IMPORT_MAX_BYTES, TABLE_COLUMNS_MAX, TABLE_ROWS_MAX};

pub use csv_text::{harmless, unguarded};
pub use write::{flat, package_of};

/// A header and rows of text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    /// Name of the file or sheet, without its ending.
    pub name: String,
    /// Names of the columns.
    pub header: Vec<String>,
    /// The rows below the header.
    pub rows: Vec<Row>,
}

/// A row of a table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Row {
    /// Its number as a spreadsheet program shows it: the first row of the file is 1.
    pub number: usize,
    /// Its cells; a row may be shorter or longer than the header.
    pub cells: Vec<String>,
}

impl Row {
    /// Is nothing written in it?
    #[must_use]
    pub fn is_blank(&self) -> bool {
        self.cells.iter().all(|cell| cell.trim().is_empty())
    }
}

/// Something of a source that is not in the listing, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftOut {
    /// Name of the table (or of the file).
    pub table: String,
    /// Row as a spreadsheet program shows it; 0 where the source has no rows.
    pub row: usize,
    /// The column, where only one cell of the row is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<String>,
    /// Why, in plain words.
    pub reason: String,
}

/// Why bytes are not taken as a table.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum TableError {
    /// Larger than [`IMPORT_MAX_BYTES`].
    #[error("{name} has {bytes} bytes; at most {IMPORT_MAX_BYTES} are taken")]
    TooLarge {
        /// Name of the table.
        name: String,
        /// Size, in bytes.
        bytes: usize,
    },
    /// More than [`TABLE_ROWS_MAX`] rows.
    #[error("{name} has more than {TABLE_ROWS_MAX} rows")]
    TooManyRows {
        /// Name of the table.
        name: String,
    },
    /// More than [`TABLE_COLUMNS_MAX`] columns.
    #[error("{name}: row {row} has more than {TABLE_COLUMNS_MAX} columns")]
    TooManyColumns {
        /// Name of the table.
        name: String,
        /// The row.
        row: usize,
    },
    /// There is no header.
    #[error("{name} is empty: it has no row with the names of the columns")]
    Empty {
        /// Name of the table.
        name: String,
    },
    /// Not to be read as CSV.
    #[error("{name} cannot be read as CSV: {message}")]
    NotCsv {
        /// Name of the table.
        name: String,
        /// What the reader found.
        message: String,
    },
}

impl Table {
    /// Makes a table of rows of text, of which number `header_row` (counted from 1) is the header.
    /// Blank rows are passed over.
    ///
    /// # Errors
    /// [`TableError`] when there is no header, or a limit is passed.
    pub fn from_rows<I>(name: &str, rows: I, header_row: usize) -> Result<Table, TableError>
    where
        I: IntoIterator<Item = Vec<String>>,
    {
        let mut table = Table {
            name: name.to_owned(),
            ..Table::default()
        };
        for (index, cells) in rows.into_iter().enumerate() {
            let row = Row {
                number: index.saturating_add(1),
                cells,
            };
            if row.number < header_row {
                continue;
            }
            if row.number == header_row {
                table.header = row.cells.iter().map(|cell| one_line(cell)).collect();
                while table.header.last().is_some_and(String::is_empty) {
                    table.header.pop();
                }
                if table.header.len() > TABLE_COLUMNS_MAX {
                    return Err(TableError::TooManyColumns {
                        name: table.name,
                        row: row.number,
                    });
                }
                continue;
            }
            if row.is_blank() {
                continue;
            }
            table.push(row)?;
        }
        if table.header.is_empty() {
            return Err(TableError::Empty { name: table.name });
        }
        Ok(table)
    }

    fn push(&mut self, row: Row) -> Result<(), TableError> {
        if row.cells.len() > TABLE_COLUMNS_MAX {
            return Err(TableError::TooManyColumns {
                name: self.name.clone(),
                row: row.number,
            });
        }
        if self.rows.len() >= TABLE_ROWS_MAX {
            return Err(TableError::TooManyRows {
                name: self.name.clone(),
            });
        }
        self.rows.push(row);
        Ok(())
    }

    /// The position of a column, whatever the case of its letters.
    #[must_use]
    pub fn column(&self, name: &str) -> Option<usize> {
        let wanted = one_line(name);
        self.header
            .iter()
            .position(|header| *header == wanted)
            .or_else(|| {
                self.header
                    .iter()
                    .position(|header| header.eq_ignore_ascii_case(&wanted))
            })
    }
}

/// Takes out of a service what is empty or lacks what nothing works without; gives the kinds of the latter.
pub(crate) fn tidy_service(
    service: &mut serde_json::Map<String, serde_json::Value>,
) -> Vec<&'static str> {
    paths::tidy(
        service,
        <crate::listing::model::Service as crate::listing::entities::Entity>::shape(),
    )
}

/// The same for an organisation.
pub(crate) fn tidy_organization(
    organization: &mut serde_json::Map<String, serde_json::Value>,
) -> Vec<&'static str> {
    paths::tidy(
        organization,
        <crate::listing::model::Organization as crate::listing::entities::Entity>::shape(),
    )
}

/// A header on one line, without space around it.
fn one_line(text: &str) -> String {
    text.trim_matches('\u{feff}')
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cells(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    #[test]
    fn rows_keep_the_numbers_that_a_spreadsheet_shows() {
        let rows = [
            cells(&["Our services", ""]),
            cells(&["Name", " Post\ncode ", ""]),
            cells(&["A", "M1"]),
            cells(&["", " "]),
            cells(&["B"]),
        ];
        let table = Table::from_rows("sheet", rows, 2).unwrap();
        assert_eq!(table.header, ["Name", "Post code"]);
        let numbers: Vec<usize> = table.rows.iter().map(|row| row.number).collect();
        assert_eq!(numbers, [3, 5]);
        assert_eq!(table.column("POST CODE"), Some(1));
        assert_eq!(table.column("phone"), None);
    }

    #[test]
    fn a_table_over_a_limit_is_refused() {
        let none: [Vec<String>; 0] = [];
        assert!(matches!(
            Table::from_rows("t", none, 1),
            Err(TableError::Empty { .. })
        ));
        let header = || cells(&["a"]);
        let many = std::iter::once(header()).chain(std::iter::repeat_n(
            header(),
            TABLE_ROWS_MAX.saturating_add(1),
        ));
        assert!(matches!(
            Table::from_rows("t", many, 1),
            Err(TableError::TooManyRows { .. })
        ));
        let full = std::iter::once(header()).chain(std::iter::repeat_n(header(), TABLE_ROWS_MAX));
        assert!(Table::from_rows("t", full, 1).is_ok());
        let wide = vec!["a".to_owned(); TABLE_COLUMNS_MAX.saturating_add(1)];
        for rows in [vec![wide.clone()], vec![header(), wide]] {
            assert!(matches!(
                Table::from_rows("t", rows, 1),
                Err(TableError::TooManyColumns { .. })
            ));
        }
    }
}
