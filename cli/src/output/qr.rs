//! A ticket as a code to be photographed from the screen.

use std::io::{self, IsTerminal, Write};

use qrcode::render::unicode::Dense1x2;
use qrcode::{EcLevel, QrCode};

use crate::error::CliError;
use crate::output::plain;

/// White on black, whatever the colours of the terminal: not every reader takes a code in reverse.
const COLOURS: &str = "\u{1b}[97;40m";

/// Ends [`COLOURS`].
const COLOURS_END: &str = "\u{1b}[0m";

/// Shows the code of a text on standard error.
///
/// # Errors
/// [`CliError::Answer`] when the text is too long for any code.
pub(crate) fn show(text: &str) -> Result<(), CliError> {
    let code = drawn(text)?;
    let mut stderr = io::stderr();
    let coloured = stderr.is_terminal();
    for line in plain(&code).lines() {
        // There is nobody to tell when standard error is gone; the ticket was printed.
        let _ = if coloured {
            writeln!(stderr, "{COLOURS}{line}{COLOURS_END}")
        } else {
            writeln!(stderr, "{line}")
        };
    }
    Ok(())
}

/// The code in half blocks, two rows of it to a line, light where it is filled.
fn drawn(text: &str) -> Result<String, CliError> {
    // A screen gets no scratches: the least redundancy makes the smallest code.
    let code = QrCode::with_error_correction_level(text, EcLevel::L)
        .map_err(|error| CliError::Answer(format!("the ticket cannot be drawn ({error})")))?;
    Ok(code
        .render::<Dense1x2>()
        .dark_color(Dense1x2::Light)
        .light_color(Dense1x2::Dark)
        .build())
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
    use fingerpost_proto::limits::TICKET_MAX_CHARS;

    #[test]
    fn the_longest_ticket_fits_a_screen_of_100_columns() {
        let code = drawn(&"a".repeat(TICKET_MAX_CHARS)).unwrap();
        let lines: Vec<&str> = code.lines().collect();
        assert!(lines.len() > 20 && lines.len() <= 50, "{}", lines.len());
        assert!(lines.iter().all(|line| line.chars().count() <= 100));
        assert!(
            code.chars()
                .all(|letter| matches!(letter, ' ' | '█' | '▀' | '▄' | '\n')),
            "{code}"
        );
        // The quiet margin around it is light, so it is filled.
        assert!(lines[0].chars().all(|letter| letter == '█'), "{}", lines[0]);
    }

    #[test]
    fn a_text_that_no_code_holds_is_an_error() {
        assert!(drawn(&"a".repeat(5000)).is_err());
    }
}
