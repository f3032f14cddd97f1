//! Rows for spreadsheets: comma-separated, as RFC 4180 describes it.

use crate::output::one_line;

/// A row with its line end. What a spreadsheet would take for a formula gets an apostrophe in front: names come from
/// other organisations.
pub(crate) fn csv_row<'a>(cells: impl IntoIterator<Item = &'a str>) -> String {
    let cells: Vec<String> = cells.into_iter().map(cell).collect();
    format!("{}\r\n", cells.join(","))
}

fn cell(text: &str) -> String {
    let text = one_line(text);
    let harmless = match text.starts_with(['=', '+', '-', '@', '\t']) {
        true => format!("'{text}"),
        false => text,
    };
    match harmless.contains([',', '"', '\n', '\r']) {
        true => format!("\"{}\"", harmless.replace('"', "\"\"")),
        false => harmless,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_quoted_where_they_must_be_and_formulas_are_harmless() {
        assert_eq!(
            csv_row(["a", "b, c", "say \"x\"", ""]),
            "a,\"b, c\",\"say \"\"x\"\"\",\r\n"
        );
        assert_eq!(
            csv_row(["=1+1", "@SUM(A1)", "-2"]),
            "'=1+1,'@SUM(A1),'-2\r\n"
        );
    }
}
