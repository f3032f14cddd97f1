//! Tables: drawn on a terminal, plain aligned text elsewhere.

use comfy_table::{ContentArrangement, Table, presets};

use crate::output::{Output, one_line};

/// Lays out rows under a header. On a terminal it fits its width; piped, every row is one line, so
/// that other programs can work with it.
pub(crate) fn table<const N: usize>(
    output: &Output,
    header: [&str; N],
    rows: impl IntoIterator<Item = [String; N]>,
) -> String {
    let mut table = Table::new();
    if output.on_terminal {
        table.load_style(presets::UTF8_NO_BORDERS);
        table.set_content_arrangement(ContentArrangement::Dynamic);
    } else {
        table.force_no_tty();
        table.load_style(presets::NOTHING);
        table.set_content_arrangement(ContentArrangement::Disabled);
    }
    table.set_header(header);
    for row in rows {
        table.add_row(row.map(|cell| one_line(&cell)));
    }
    let lines = table.lines().map(|line| {
        let line = line.trim_end();
        // Without borders every cell is padded by one space, the first one too.
        format!("{}\n", line.strip_prefix(' ').unwrap_or(line))
    });
    lines.collect()
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
    fn piped_rows_are_single_aligned_lines() {
        let output = Output {
            json: false,
            on_terminal: false,
        };
        let long = "a long name ".repeat(30);
        let text = table(
            &output,
            ["id", "name"],
            [
                ["1".into(), long.clone()],
                ["22".into(), "b\u{1b}[2J\nc".into()],
            ],
        );
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 3, "{text}");
        assert_eq!(lines[1], format!("1   {}", long.trim_end()));
        assert_eq!(lines[2], "22  b[2J c");
    }
}
