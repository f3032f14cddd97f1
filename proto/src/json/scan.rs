//! One pass over JSON bytes that measures without building anything.

use super::{Bounds, JsonError, Place, path_at};

/// Measures a document: its size, its nesting, its longest text. It does not check that the bytes
/// are JSON; what is not JSON fails in the parser afterwards, at no more cost.
///
/// # Errors
/// [`JsonError::TooLarge`], [`JsonError::TooDeep`] or [`JsonError::TextTooLong`].
pub fn scan(bytes: &[u8], bounds: &Bounds) -> Result<(), JsonError> {
    if bytes.len() > bounds.max_bytes {
        return Err(JsonError::TooLarge {
            bytes: bytes.len(),
            max: bounds.max_bytes,
        });
    }
    let mut depth = 0_usize;
    let mut at = 0_usize;
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'{' | b'[' => {
                depth = depth.saturating_add(1);
                if depth > bounds.max_depth {
                    return Err(JsonError::TooDeep {
                        max: bounds.max_depth,
                        place: Place::of_offset(bytes, at, path_at(bytes, at)),
                    });
                }
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            b'"' => {
                let text = measure_text(bytes, at);
                if text.length > bounds.max_text_bytes {
                    return Err(JsonError::TextTooLong {
                        bytes: text.length,
                        max: bounds.max_text_bytes,
                        place: Place::of_offset(bytes, at, path_at(bytes, at)),
                    });
                }
                at = text.end;
                continue;
            }
            _ => {}
        }
        at = at.saturating_add(1);
    }
    Ok(())
}

/// Checks nesting alone.
///
/// # Errors
/// [`JsonError::TooDeep`].
pub fn check_depth(bytes: &[u8], max_depth: usize) -> Result<(), JsonError> {
    scan(
        bytes,
        &Bounds {
            max_bytes: usize::MAX,
            max_depth,
            max_text_bytes: usize::MAX,
        },
    )
}

/// A text in the bytes.
pub(super) struct Text {
    /// Offset just behind the closing quote, or the end of the bytes when there is none.
    pub(super) end: usize,
    /// Length in bytes of UTF-8 once escapes are resolved.
    pub(super) length: usize,
}

/// Measures the text whose opening quote stands at `start`.
pub(super) fn measure_text(bytes: &[u8], start: usize) -> Text {
    let mut at = start.saturating_add(1);
    let mut length = 0_usize;
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'"' => {
                return Text {
                    end: at.saturating_add(1),
                    length,
                };
            }
            b'\\' if bytes.get(at.saturating_add(1)) == Some(&b'u') => {
                length = length.saturating_add(escaped_length(bytes, at));
                at = at.saturating_add(6);
            }
            b'\\' => {
                length = length.saturating_add(1);
                at = at.saturating_add(2);
            }
            _ => {
                length = length.saturating_add(1);
                at = at.saturating_add(1);
            }
        }
    }
    Text {
        end: bytes.len(),
        length,
    }
}

/// Bytes of UTF-8 that the `\uXXXX` at `at` stands for; each half of a surrogate pair counts for
/// two of the four.
fn escaped_length(bytes: &[u8], at: usize) -> usize {
    let digits = bytes
        .get(at.saturating_add(2)..at.saturating_add(6))
        .and_then(|digits| std::str::from_utf8(digits).ok())
        .and_then(|digits| u32::from_str_radix(digits, 16).ok());
    match digits {
        Some(0..=0x7f) => 1,
        Some(0x80..=0x7ff | 0xd800..=0xdfff) => 2,
        _ => 3,
    }
}
