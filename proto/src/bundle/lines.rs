//! A bundle as a stream of bytes, taken apart into its lines.

use std::collections::VecDeque;

use super::LineError;
use crate::limits;

/// Ends every line after the first, before the line break: where a break was damaged, the line before it is still
/// known to be whole.
pub(super) const FULL_STOP: u8 = b'.';

/// What stands between two ends.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Piece {
    /// The line that it stands in, from 1.
    pub(super) line: u64,
    pub(super) content: Result<Vec<u8>, LineError>,
}

/// Takes bytes and gives pieces; holds no more than one unfinished line.
#[derive(Debug)]
pub(super) struct Lines {
    partial: Vec<u8>,
    is_too_long: bool,
    line: u64,
    ready: VecDeque<Piece>,
}

impl Lines {
    pub(super) fn new() -> Self {
        Self {
            partial: Vec::new(),
            is_too_long: false,
            line: 1,
            ready: VecDeque::new(),
        }
    }

    /// Takes in what comes next.
    pub(super) fn push(&mut self, mut bytes: &[u8]) {
        while let Some(at) = bytes.iter().position(|byte| self.is_end(*byte)) {
            let (head, rest) = bytes.split_at(at);
            self.extend(head);
            let Some((end, rest)) = rest.split_first() else {
                break;
            };
            self.close(*end == b'\n');
            bytes = rest;
        }
        self.extend(bytes);
    }

    /// The next piece that is whole.
    pub(super) fn poll(&mut self) -> Option<Piece> {
        self.ready.pop_front()
    }

    /// There is no more: what has no end yet was cut off.
    pub(super) fn finish(&mut self) {
        if self.is_too_long || !self.partial.trim_ascii().is_empty() {
            self.ready.push_back(Piece {
                line: self.line,
                content: Err(LineError::CutOff),
            });
        }
        self.partial = Vec::new();
        self.is_too_long = false;
    }

    fn is_end(&self, byte: u8) -> bool {
        byte == b'\n' || (byte == FULL_STOP && self.line > 1)
    }

    fn most_bytes(&self) -> usize {
        match self.line {
            1 => limits::BUNDLE_HEADER_MAX_BYTES,
            _ => limits::BUNDLE_LINE_MAX_BYTES,
        }
    }

    fn extend(&mut self, bytes: &[u8]) {
        if self.partial.len() + bytes.len() > self.most_bytes() {
            // The rest is passed over; nothing of it is held.
            self.is_too_long = true;
            self.partial = Vec::new();
        }
        if !self.is_too_long {
            self.partial.extend_from_slice(bytes);
        }
    }

    fn close(&mut self, is_line_break: bool) {
        let partial = std::mem::take(&mut self.partial);
        let content = match std::mem::take(&mut self.is_too_long) {
            true => Err(LineError::TooLong),
            // Some programs end lines in another way, or indent them.
            false => Ok(partial.trim_ascii().to_vec()),
        };
        if content.as_ref().map_or(true, |content| !content.is_empty()) {
            let line = self.line;
            self.ready.push_back(Piece { line, content });
        }
        self.line += u64::from(is_line_break);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The pieces of a text that comes in parts of `size` bytes.
    fn pieces(text: &[u8], size: usize) -> Vec<(u64, Result<Vec<u8>, LineError>)> {
        let mut lines = Lines::new();
        let mut found = Vec::new();
        for part in text.chunks(size) {
            lines.push(part);
            found.extend(std::iter::from_fn(|| lines.poll()));
        }
        lines.finish();
        found.extend(std::iter::from_fn(|| lines.poll()));
        found
            .into_iter()
            .map(|piece| (piece.line, piece.content))
            .collect()
    }

    fn whole(line: u64, text: &str) -> (u64, Result<Vec<u8>, LineError>) {
        (line, Ok(text.as_bytes().to_vec()))
    }

    #[test]
    fn lines_come_out_as_they_are_however_they_come_in() {
        let text = b"{\"a\":1.5}\nAB.\r\n  CD=.\n\n.\nend 2.\n";
        let wanted = vec![
            whole(1, "{\"a\":1.5}"),
            whole(2, "AB"),
            whole(3, "CD="),
            whole(6, "end 2"),
        ];
        for size in 1..text.len() {
            assert_eq!(pieces(text, size), wanted, "{size} bytes at a time");
        }
    }

    #[test]
    fn a_damaged_line_break_costs_one_piece_and_not_two() {
        let both = pieces(b"h\nAB.xCD.\n", 4);
        assert_eq!(both, vec![whole(1, "h"), whole(2, "AB"), whole(2, "xCD")]);
        let both = pieces(b"h\nABx\nCD.\n", 4);
        assert_eq!(both, vec![whole(1, "h"), whole(2, "ABx"), whole(3, "CD")]);
    }

    #[test]
    fn what_has_no_end_was_cut_off() {
        let cut = pieces(b"h\nAB.\nCD", 3);
        assert_eq!(cut.last(), Some(&(3, Err(LineError::CutOff))));
        assert_eq!(pieces(b"", 1), vec![]);
    }

    #[test]
    fn a_line_that_is_too_long_is_passed_over_and_never_held() {
        let mut lines = Lines::new();
        lines.push(b"h\n");
        let part = vec![b'A'; 64 * 1024];
        for _ in 0..=limits::BUNDLE_LINE_MAX_BYTES / part.len() + 16 {
            lines.push(&part);
            assert!(lines.partial.capacity() <= 2 * limits::BUNDLE_LINE_MAX_BYTES);
        }
        assert_eq!(lines.partial.len(), 0);
        lines.push(b".\nAB.\n");
        let found: Vec<Piece> = std::iter::from_fn(|| lines.poll()).collect();
        let found: Vec<_> = found.into_iter().map(|it| (it.line, it.content)).collect();
        let wanted = vec![whole(1, "h"), (2, Err(LineError::TooLong)), whole(3, "AB")];
        assert_eq!(found, wanted);

        let most = vec![b'A'; limits::BUNDLE_LINE_MAX_BYTES];
        lines.push(&most);
        lines.push(b".\n");
        assert_eq!(lines.poll().map(|piece| piece.content.is_ok()), Some(true));

        let mut lines = Lines::new();
        lines.push(&vec![b' '; limits::BUNDLE_HEADER_MAX_BYTES + 1]);
        lines.push(b"\n");
        let content = lines.poll().map(|piece| piece.content);
        assert_eq!(content, Some(Err(LineError::TooLong)));
    }
}
