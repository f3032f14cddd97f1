//! CSV as people have it: with any of four separators, in UTF-8 or in the old encoding of Windows.

use super::{Table, TableError};
use crate::limits::IMPORT_MAX_BYTES;

/// What the bytes 0x80 to 0x9f mean in Windows-1252; the others are those of Latin-1. (WHATWG
/// Encoding Standard, index-windows-1252.)
const WINDOWS_1252: [char; 32] = [
    '€', '\u{81}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{8d}', 'Ž', '\u{8f}',
    '\u{90}', '‘', '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\u{9d}', 'ž', 'Ÿ',
];

/// How many bytes are looked at to find the separator.
const SNIFFED_BYTES: usize = 16 * 1024;

impl Table {
    /// Reads CSV of which row `header_row` (counted from 1) has the names of the columns.
    ///
    /// # Errors
    /// [`TableError`].
    pub fn from_csv(name: &str, bytes: &[u8], header_row: usize) -> Result<Table, TableError> {
        if bytes.len() > IMPORT_MAX_BYTES {
            return Err(TableError::TooLarge {
                name: name.to_owned(),
                bytes: bytes.len(),
            });
        }
        let text = decode(bytes);
        let mut reader = csv::ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .delimiter(separator(&text))
            .from_reader(text.as_bytes());
        let mut rows = Vec::new();
        for record in reader.records() {
            let record = record.map_err(|error| TableError::NotCsv {
                name: name.to_owned(),
                message: error.to_string(),
            })?;
            rows.push(record.iter().map(str::to_owned).collect());
            if rows.len() > crate::limits::TABLE_ROWS_MAX.saturating_add(header_row) {
                return Err(TableError::TooManyRows {
                    name: name.to_owned(),
                });
            }
        }
        Table::from_rows(name, rows, header_row)
    }

    /// Writes the table as CSV (RFC 4180). No cell is taken for a formula by a spreadsheet program.
    #[must_use]
    pub fn to_csv(&self) -> Vec<u8> {
        let mut writer = csv::WriterBuilder::new()
            .flexible(true)
            .terminator(csv::Terminator::CRLF)
            .from_writer(Vec::new());
        // Writing to memory does not fail.
        let _ = writer.write_record(&self.header);
        for row in &self.rows {
            let _ = writer.write_record(row.cells.iter().map(|cell| harmless(cell)));
        }
        writer.into_inner().unwrap_or_default()
    }
}

/// UTF-8 where it is that; otherwise what Windows programs write in western Europe.
fn decode(bytes: &[u8]) -> String {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => bytes.iter().map(|byte| from_windows(*byte)).collect(),
    }
}

fn from_windows(byte: u8) -> char {
    byte.checked_sub(0x80)
        .and_then(|index| WINDOWS_1252.get(usize::from(index)).copied())
        .unwrap_or(char::from(byte))
}

/// The separator that stands most often in the first line, outside quotes.
fn separator(text: &str) -> u8 {
    let mut counts = [(b',', 0_usize), (b';', 0), (b'\t', 0), (b'|', 0)];
    let mut quoted = false;
    for byte in text.bytes().take(SNIFFED_BYTES) {
        match byte {
            b'"' => quoted = !quoted,
            b'\n' if !quoted && counts.iter().any(|(_, count)| *count > 0) => break,
            _ if quoted => {}
            _ => {
                for (separator, count) in &mut counts {
                    if *separator == byte {
                        *count = count.saturating_add(1);
                    }
                }
            }
        }
    }
    // Of equals the comma wins, which stands first.
    counts
        .into_iter()
        .rev()
        .max_by_key(|(_, count)| *count)
        .map_or(b',', |(separator, _)| separator)
}

fn starts_a_formula(text: &str) -> bool {
    text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n'])
}

/// The text of a cell such that no spreadsheet program takes it for a formula: an apostrophe goes in
/// front where it must. Plain numbers stay as they are.
#[must_use]
pub fn harmless(cell: &str) -> String {
    let number = cell.parse::<f64>().is_ok() && !cell.starts_with('+');
    if (starts_a_formula(cell) && !number) || unguarded(cell) != cell {
        format!("'{cell}")
    } else {
        cell.to_owned()
    }
}

/// The text without the apostrophe that [`harmless`] has put in front.
#[must_use]
pub fn unguarded(cell: &str) -> &str {
    match cell.strip_prefix('\'') {
        Some(rest) if starts_a_formula(rest) || rest.starts_with('\'') => rest,
        _ => cell,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn separators_encodings_and_line_breaks_in_cells_are_read() {
        for (bytes, cell) in [
            (&b"name,town\nA,\"Ely, Cambs\"\n"[..], "Ely, Cambs"),
            (b"name;town\nA;Ely, Cambs", "Ely, Cambs"),
            (b"name\ttown\r\nA\t\"two\nlines\"\r\n", "two\nlines"),
            (b"name|town\nA|Ely", "Ely"),
            (b"\xef\xbb\xbfname,town\nA,caf\xc3\xa9", "café"),
            (b"name,town\nA,Kids\x92 caf\xe9 \x80", "Kids’ café €"),
        ] {
            let table = Table::from_csv("t", bytes, 1).unwrap();
            assert_eq!(table.header, ["name", "town"]);
            assert_eq!(table.rows[0].cells, ["A", cell]);
        }
        let large = vec![b'a'; IMPORT_MAX_BYTES + 1];
        assert!(matches!(
            Table::from_csv("t", &large, 1),
            Err(TableError::TooLarge { .. })
        ));
    }

    #[test]
    fn formulas_are_made_harmless() {
        for (cell, written) in [
            ("=HYPERLINK(\"http://x\")", "'=HYPERLINK(\"http://x\")"),
            ("+44 161 496 0000", "'+44 161 496 0000"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("-2+3", "'-2+3"),
            ("\t=1", "'\t=1"),
            ("-2.25", "-2.25"),
            ("'quoted'", "'quoted'"),
            ("'=1", "''=1"),
            ("plain = text", "plain = text"),
        ] {
            assert_eq!(harmless(cell), written);
        }
    }

    proptest! {
        #[test]
        fn a_harmless_cell_comes_back_as_it_was(text in "['=+\\-@\\t\\r\\n]{0,3}\\PC{0,8}") {
            let written = harmless(&text);
            prop_assert_eq!(unguarded(&written), text.as_str());
            prop_assert!(!starts_a_formula(&written) || written.parse::<f64>().is_ok());
        }

        #[test]
        fn a_table_comes_back_from_csv(
            rows in proptest::collection::vec(proptest::collection::vec(any::<String>(), 2..4), 0..5),
        ) {
            let mut header = vec!["a".to_owned(), "b".to_owned(), "c".to_owned()];
            header.truncate(3);
            let rows: Vec<Vec<String>> = rows
                .into_iter()
                .map(|mut row| { row.insert(0, "x".to_owned()); row.truncate(3); row })
                .collect();
            let all: Vec<Vec<String>> = std::iter::once(header).chain(rows).collect();
            let table = Table::from_rows("t", all, 1).unwrap();
            let mut back = Table::from_csv("t", &table.to_csv(), 1).unwrap();
            for cell in back.rows.iter_mut().flat_map(|row| row.cells.iter_mut()) {
                *cell = unguarded(cell).to_owned();
            }
            prop_assert_eq!(back, table);
        }
    }
}
