//! Where in a JSON document something stands, in the terms of the person who has the file open.

use std::fmt;
use std::ops::ControlFlow;

use serde::{Deserialize, Serialize};

use super::scan::measure_text;

/// One step on the way from the root of a document to a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// The field of an object.
    Key(String),
    /// The position in an array, counted from 0.
    Index(usize),
}

/// A place in a JSON document.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// Line, counted from 1; 0 when unknown.
    pub line: usize,
    /// Column in characters, counted from 1; 0 when unknown.
    pub column: usize,
    /// Field path such as `services[3].schedules[0].opens_at`; empty for the whole document.
    pub path: String,
}

impl Place {
    /// The place of the byte at `offset`.
    #[must_use]
    pub fn of_offset(bytes: &[u8], offset: usize, path: Vec<Step>) -> Place {
        let before = bytes.get(..offset).unwrap_or(bytes);
        let line_start = before
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |newline| newline.saturating_add(1));
        // Continuation bytes of UTF-8 are not characters of their own.
        let characters = before
            .iter()
            .skip(line_start)
            .filter(|byte| **byte & 0xc0 != 0x80)
            .count();
        Place {
            line: before
                .iter()
                .filter(|byte| **byte == b'\n')
                .count()
                .saturating_add(1),
            column: characters.saturating_add(1),
            path: path_text(&path),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.line, self.path.is_empty()) {
            (0, true) => formatter.write_str("document"),
            (0, false) => formatter.write_str(&self.path),
            (line, true) => write!(formatter, "line {line}, column {}", self.column),
            (line, false) => write!(
                formatter,
                "line {line}, column {}, {}",
                self.column, self.path
            ),
        }
    }
}

/// Writes a path the way people write it: `services[3].name`.
#[must_use]
pub fn path_text(path: &[Step]) -> String {
    let mut text = String::new();
    for step in path {
        match step {
            Step::Key(key) => {
                if !text.is_empty() {
                    text.push('.');
                }
                text.push_str(key);
            }
            Step::Index(index) => {
                text.push('[');
                text.push_str(&index.to_string());
                text.push(']');
            }
        }
    }
    text
}

/// The path that serde_path_to_error recorded.
pub(crate) fn steps_of(path: &serde_path_to_error::Path) -> Vec<Step> {
    path.iter()
        .filter_map(|segment| match segment {
            serde_path_to_error::Segment::Seq { index } => Some(Step::Index(*index)),
            serde_path_to_error::Segment::Map { key } => Some(Step::Key(key.clone())),
            serde_path_to_error::Segment::Enum { .. } | serde_path_to_error::Segment::Unknown => {
                None
            }
        })
        .collect()
}

/// Where the value at `path` begins. When the path does not exist to its end (a missing field),
/// this is the place of the innermost value that does.
#[must_use]
pub fn locate(bytes: &[u8], path: &[Step]) -> Place {
    let mut best = (0_usize, 0_usize);
    walk(bytes, |offset, frames| {
        let depth = frames.len();
        if depth > path.len() || (depth <= best.0 && depth > 0) {
            return ControlFlow::Continue(());
        }
        let on_the_way = frames.iter().zip(path).all(|(frame, step)| frame.is(step));
        if on_the_way {
            best = (depth, offset);
            if depth == path.len() {
                return ControlFlow::Break(());
            }
        }
        ControlFlow::Continue(())
    });
    Place::of_offset(bytes, best.1, path.to_vec())
}

/// The path of the last value that begins at or before `offset`.
#[must_use]
pub fn path_at(bytes: &[u8], offset: usize) -> Vec<Step> {
    let mut last = 0_usize;
    walk(bytes, |start, _| {
        if start > offset {
            return ControlFlow::Break(());
        }
        last = start;
        ControlFlow::Continue(())
    });
    // A second walk, so that no path is built for the values that are passed by.
    let mut path = Vec::new();
    walk(bytes, |start, frames| {
        if start < last {
            return ControlFlow::Continue(());
        }
        path = frames.iter().filter_map(Frame::step).collect();
        ControlFlow::Break(())
    });
    path
}

/// An open bracket on the way to the value being looked at.
enum Frame {
    Object(Option<String>),
    Array(usize),
}

impl Frame {
    fn step(&self) -> Option<Step> {
        match self {
            Frame::Object(key) => key.clone().map(Step::Key),
            Frame::Array(index) => Some(Step::Index(*index)),
        }
    }

    fn is(&self, step: &Step) -> bool {
        match (self, step) {
            (Frame::Object(Some(key)), Step::Key(wanted)) => key == wanted,
            (Frame::Array(index), Step::Index(wanted)) => index == wanted,
            _ => false,
        }
    }
}

/// Calls `visit` at the beginning of every value, with the brackets that are open around it. It
/// trusts nothing: on bytes that are not JSON it visits something and ends.
fn walk(bytes: &[u8], mut visit: impl FnMut(usize, &[Frame]) -> ControlFlow<()>) {
    let mut frames: Vec<Frame> = Vec::new();
    let mut at = 0_usize;
    while let Some(&byte) = bytes.get(at) {
        let next = at.saturating_add(1);
        match byte {
            b' ' | b'\n' | b'\r' | b'\t' | b':' => at = next,
            b',' => {
                match frames.last_mut() {
                    Some(Frame::Object(key)) => *key = None,
                    Some(Frame::Array(index)) => *index = index.saturating_add(1),
                    None => {}
                }
                at = next;
            }
            b'}' | b']' => {
                frames.pop();
                at = next;
            }
            b'"' => {
                let end = measure_text(bytes, at).end;
                if let Some(Frame::Object(key @ None)) = frames.last_mut() {
                    let token = bytes.get(at..end).unwrap_or_default();
                    *key = Some(serde_json::from_slice(token).unwrap_or_default());
                } else if visit(at, &frames).is_break() {
                    return;
                }
                at = end;
            }
            b'{' | b'[' => {
                if visit(at, &frames).is_break() {
                    return;
                }
                frames.push(if byte == b'{' {
                    Frame::Object(None)
                } else {
                    Frame::Array(0)
                });
                at = next;
            }
            _ => {
                if visit(at, &frames).is_break() {
                    return;
                }
                at = end_of_scalar(bytes, next);
            }
        }
    }
}

fn end_of_scalar(bytes: &[u8], from: usize) -> usize {
    let rest = bytes.get(from..).unwrap_or_default();
    rest.iter()
        .position(|byte| {
            matches!(
                byte,
                b',' | b'}' | b']' | b' ' | b'\n' | b'\r' | b'\t' | b':' | b'"' | b'{' | b'['
            )
        })
        .map_or(bytes.len(), |length| from.saturating_add(length))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOCUMENT: &str = r#"{
 "name": "Caf\u00e9 \"x\" {[",
 "services": [
  {"id": "a", "schedules": []},
  {"id": "é", "schedules": [{"opens_at": 9}]}
 ]
}"#;

    #[test]
    fn a_path_is_found_in_the_text_and_back() {
        let path = [
            Step::Key("services".into()),
            Step::Index(1),
            Step::Key("schedules".into()),
            Step::Index(0),
            Step::Key("opens_at".into()),
        ];
        let place = locate(DOCUMENT.as_bytes(), &path);
        assert_eq!(place.path, "services[1].schedules[0].opens_at");
        assert_eq!((place.line, place.column), (5, 42));
        let offset = DOCUMENT.find("9}").unwrap();
        assert_eq!(path_at(DOCUMENT.as_bytes(), offset), path);
        assert_eq!(
            place.to_string(),
            "line 5, column 42, services[1].schedules[0].opens_at"
        );
    }

    #[test]
    fn a_missing_field_is_placed_at_the_object_that_lacks_it() {
        let path = [
            Step::Key("services".into()),
            Step::Index(0),
            Step::Key("name".into()),
        ];
        let place = locate(DOCUMENT.as_bytes(), &path);
        assert_eq!((place.line, place.column), (4, 3));
        assert_eq!(place.path, "services[0].name");
    }

    #[test]
    fn bytes_that_are_not_json_end_the_walk() {
        for nonsense in ["\"", "{\"", "]]]}", "\\", "{:,:,", "\u{0}\u{1}"] {
            assert!(path_at(nonsense.as_bytes(), 100).len() < 3);
        }
    }
}
