//! Tables: drawn on a terminal, plain aligned text elsewhere.

use comfy_table::{ColumnConstraint, ContentArrangement, Table, presets};

use crate::output::{Output, one_line};

/// Columns of ids, which people copy from, and of days: they are never broken over lines.
const WHOLE: &[&str] = &["id", "node", "since"];

/// The narrowest terminal that a table is fitted to, in columns. Some report none at all.
const WIDTH_MIN_COLUMNS: u16 = 40;

/// What is left free beside a table, for those that stand indented, in columns.
const MARGIN_COLUMNS: u16 = 4;

/// Lays out rows under a header. On a terminal it fits its width; piped, every row is one line, so
/// that other programs can work with it.
pub(crate) fn table<const N: usize>(
    output: &Output,
    header: [&str; N],
    rows: impl IntoIterator<Item = [String; N]>,
) -> String {
    let columns = Table::new()
        .width()
        .filter(|columns| *columns >= WIDTH_MIN_COLUMNS);
    laid_out(output, header, rows, columns)
}

/// [`table`] for a terminal of this width, if it says how wide it is.
fn laid_out<const N: usize>(
    output: &Output,
    header: [&str; N],
    rows: impl IntoIterator<Item = [String; N]>,
    columns: Option<u16>,
) -> String {
    let rows: Vec<[String; N]> = rows
        .into_iter()
        .map(|row| row.map(|cell| one_line(&cell)))
        .collect();
    let mut table = Table::new();
    if output.on_terminal {
        table.load_style(presets::UTF8_FULL_CONDENSED);
        fit(&mut table, columns);
    } else {
        table.force_no_tty();
        table.load_style(presets::NOTHING);
        table.set_content_arrangement(ContentArrangement::Disabled);
    }
    // People need no column in which nothing stands; programs count on all of them.
    let is_shown = |at: usize| {
        let filled = rows
            .iter()
            .filter_map(|row| row.get(at))
            .any(|cell| !cell.is_empty());
        filled || !output.on_terminal
    };
    let shown: Vec<usize> = (0..N).filter(|at| is_shown(*at)).collect();
    table.set_header(shown.iter().filter_map(|at| header.get(*at)));
    for row in &rows {
        table.add_row(shown.iter().filter_map(|at| row.get(*at)));
    }
    for (position, at) in shown.iter().enumerate() {
        let whole = header.get(*at).is_some_and(|name| WHOLE.contains(name));
        if let Some(column) = table.column_mut(position).filter(|_| whole) {
            column.set_constraint(ColumnConstraint::ContentWidth);
        }
    }
    let lines = table.lines().map(|line| {
        let line = line.trim_end();
        // Without borders every cell is padded by one space, the first one too.
        format!("{}\n", line.strip_prefix(' ').unwrap_or(line))
    });
    lines.collect()
}

/// Makes a table fit the terminal, if that says how wide it is.
fn fit(table: &mut Table, columns: Option<u16>) {
    match columns {
        Some(columns) => {
            table.set_content_arrangement(ContentArrangement::Dynamic);
            table.set_width(columns.saturating_sub(MARGIN_COLUMNS));
        }
        None => {
            table.set_content_arrangement(ContentArrangement::Disabled);
        }
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

    #[test]
    fn on_a_terminal_ids_stay_whole_and_empty_columns_are_left_out() {
        let output = Output {
            json: false,
            on_terminal: true,
        };
        let id = "0922dc9c-cc1e-592e-a68b-15fd4446a5b0";
        let rows = [["a long name ".repeat(30), String::new(), id.to_owned()]];
        let text = table(&output, ["name", "last assured", "id"], rows);
        assert!(text.contains(id), "{text}");
        assert!(!text.contains("last assured"), "{text}");
    }

    #[test]
    fn the_members_of_a_network_fit_100_columns() {
        let output = Output {
            json: false,
            on_terminal: true,
        };
        let header = ["name", "id", "state", "since", "vouches", "seen", "listing"];
        let row = [
            "Brixton Advice Centre for Families",
            "org1qyqszqgpqyqszxc6urk",
            "succeeded",
            "2026-11-22",
            "2 of 2: North Lambeth Food Bank, South Wellbeing",
            "13 minutes ago",
            "latest",
        ];
        let text = laid_out(&output, header, [row.map(str::to_owned)], Some(100));
        assert!(
            text.lines().all(|line| line.chars().count() <= 100),
            "{text}"
        );
        for whole in [
            "org1qyqszqgpqyqszxc6urk",
            "succeeded",
            "2026-11-22",
            "Lambeth",
        ] {
            assert!(text.contains(whole), "{whole} is broken: {text}");
        }
        assert!(text.lines().count() <= 12, "{text}");
    }
}
