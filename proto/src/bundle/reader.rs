//! Reading a bundle as it comes in, one item at a time.

use data_encoding::BASE64;

use super::lines::{Lines, Piece};
use super::{BundleError, CHARTER, CharterLine, END, Header, LineError};
use crate::cbor;
use crate::ids::NetworkId;
use crate::limits;
use crate::replica::Item;
use crate::sync::FetchedCharter;

/// What comes out of a bundle. Nothing about an item has been checked but its form.
#[derive(Debug, PartialEq)]
pub enum Event {
    /// The first line; it comes before anything else.
    Header(Header),
    /// The charter, which is the one whose hash is the network's id.
    Charter(Box<FetchedCharter>),
    /// An item.
    Item {
        /// The line that it stands in, from 1.
        line: u64,
        /// The item.
        item: Box<Item>,
    },
    /// A line that is no item.
    Damaged {
        /// Which, from 1.
        line: u64,
        /// Why.
        error: LineError,
    },
}

/// How a bundle ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ending {
    /// How many items came, damaged ones included.
    pub items: u64,
    /// How many more there should have been, by the last line or, where that is missing, by the first.
    pub missing: u64,
    /// Whether the last line came, and nothing is missing.
    pub is_whole: bool,
}

/// Takes a bundle apart: bytes go in, events come out. Holds one line, and what was handed in last.
#[derive(Debug)]
pub struct Reader {
    lines: Lines,
    header: Option<Header>,
    bytes: u64,
    items: u64,
    has_charter: bool,
    end: Option<u64>,
    failed: bool,
}

impl Default for Reader {
    fn default() -> Self {
        Self {
            lines: Lines::new(),
            header: None,
            bytes: 0,
            items: 0,
            has_charter: false,
            end: None,
            failed: false,
        }
    }
}

impl Reader {
    /// Takes in the next bytes; ask [`Reader::poll`] until it has nothing more before handing in others.
    pub fn handle_bytes(&mut self, bytes: &[u8]) {
        self.bytes = self.bytes.saturating_add(bytes.len() as u64);
        if !self.failed {
            self.lines.push(bytes);
        }
    }

    /// There are no more bytes.
    pub fn handle_end(&mut self) {
        self.lines.finish();
    }

    /// The first line, once it was read.
    pub fn header(&self) -> Option<&Header> {
        self.header.as_ref()
    }

    /// What comes next, if there is anything now. `decompress` is given one zstd frame and the most bytes that it
    /// may expand to. After an error there is nothing more.
    pub fn poll(
        &mut self,
        decompress: impl FnOnce(&[u8], usize) -> Option<Vec<u8>>,
    ) -> Option<Result<Event, BundleError>> {
        if self.failed {
            return None;
        }
        if self.bytes > limits::BUNDLE_MAX_BYTES {
            return Some(Err(self.fail(BundleError::TooLarge)));
        }
        let Piece { line, content } = self.lines.poll()?;
        let Some(header) = &self.header else {
            let read = content.map_err(|_| BundleError::BadHeader);
            return Some(match read.and_then(|line| Header::parse(&line)) {
                Ok(header) => {
                    self.header = Some(header.clone());
                    Ok(Event::Header(header))
                }
                Err(error) => Err(self.fail(error)),
            });
        };
        let network = header.network;
        let read = match content {
            Err(error) => Err(error),
            Ok(_) if self.end.is_some() => Err(LineError::AfterEnd),
            Ok(content) => match (strip(&content, CHARTER), strip(&content, END)) {
                (Some(_), _) if self.has_charter => Err(LineError::SecondCharter),
                (Some(text), _) => {
                    self.has_charter = true;
                    let read = read_charter(text, &network, decompress);
                    return Some(Ok(match read {
                        Ok(charter) => Event::Charter(Box::new(charter)),
                        Err(error) => Event::Damaged { line, error },
                    }));
                }
                (_, Some(text)) => match parse_count(text) {
                    Some(count) => {
                        self.end = Some(count);
                        return self.poll(decompress);
                    }
                    None => Err(LineError::NotBase64),
                },
                (None, None) => read_item(&content, decompress),
            },
        };
        if self.items >= limits::BUNDLE_ITEMS_MAX {
            return Some(Err(self.fail(BundleError::TooManyItems)));
        }
        self.items += u64::from(read != Err(LineError::AfterEnd));
        Some(Ok(match read {
            Ok(item) => Event::Item {
                line,
                item: Box::new(item),
            },
            Err(error) => Event::Damaged { line, error },
        }))
    }

    /// How it ended.
    pub fn ending(&self) -> Ending {
        let announced = self.header.as_ref().map_or(0, |it| it.items.total());
        let missing = self.end.unwrap_or(announced).saturating_sub(self.items);
        Ending {
            items: self.items,
            missing,
            is_whole: self.end.is_some() && missing == 0 && !self.failed,
        }
    }

    fn fail(&mut self, error: BundleError) -> BundleError {
        self.failed = true;
        self.lines = Lines::new();
        error
    }
}

fn strip<'a>(content: &'a [u8], word: &str) -> Option<&'a [u8]> {
    content.strip_prefix(word.as_bytes())
}

fn parse_count(text: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(text).ok()?;
    let is_plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_plain.then(|| text.parse().ok()).flatten()
}

fn unpack(
    text: &[u8],
    decompress: impl FnOnce(&[u8], usize) -> Option<Vec<u8>>,
) -> Result<Vec<u8>, LineError> {
    let compressed = BASE64.decode(text).map_err(|_| LineError::NotBase64)?;
    // Whatever it claims to expand to: no frame of sync holds a larger item.
    let most = limits::FRAME_MAX_BYTES;
    let bytes = decompress(&compressed, most).ok_or(LineError::NotCompressed)?;
    match bytes.len() > most {
        true => Err(LineError::NotCompressed),
        false => Ok(bytes),
    }
}

fn read_item(
    text: &[u8],
    decompress: impl FnOnce(&[u8], usize) -> Option<Vec<u8>>,
) -> Result<Item, LineError> {
    Ok(cbor::from_slice(&unpack(text, decompress)?)?)
}

fn read_charter(
    text: &[u8],
    network: &NetworkId,
    decompress: impl FnOnce(&[u8], usize) -> Option<Vec<u8>>,
) -> Result<FetchedCharter, LineError> {
    CharterLine::read(&unpack(text, decompress)?, network)
}

/// Reads a charter's line alone, for whoever is about to join: the bundle's network is not known here yet.
///
/// # Errors
/// [`LineError`]; [`LineError::Charter`] if it is not the charter of `network`.
pub fn read_charter_line(
    line: &str,
    network: &NetworkId,
    decompress: impl FnOnce(&[u8], usize) -> Option<Vec<u8>>,
) -> Result<FetchedCharter, LineError> {
    if line.len() > limits::BUNDLE_LINE_MAX_BYTES {
        return Err(LineError::TooLong);
    }
    let text = line.trim().trim_end_matches('.');
    let text = text.strip_prefix(CHARTER).ok_or(LineError::NotBase64)?;
    read_charter(text.as_bytes(), network, decompress)
}

#[cfg(test)]
mod tests {
    use super::super::{Counts, end_line};
    use super::*;
    use crate::ids::NodeId;

    fn begun() -> Reader {
        let line = serde_json::json!({
            "kind": "bundle", "format": 1, "network": NetworkId::from_bytes([1; 32]), "name": "Brixton",
            "node": NodeId::from_bytes([2; 32]), "made_at_s": 1, "since_s": null, "items": Counts::default(),
        });
        let mut reader = Reader::default();
        reader.handle_bytes(format!("{line}\n").as_bytes());
        assert!(matches!(next(&mut reader), Some(Ok(Event::Header(_)))));
        reader
    }

    fn next(reader: &mut Reader) -> Option<Result<Event, BundleError>> {
        reader.poll(|bytes, most| (bytes.len() <= most).then(|| bytes.to_vec()))
    }

    #[test]
    fn a_bundle_has_so_many_items_and_bytes_and_no_more() {
        let mut reader = begun();
        reader.items = limits::BUNDLE_ITEMS_MAX - 1;
        reader.handle_bytes(b"x.\nx.\nx.\n");
        assert!(matches!(
            next(&mut reader),
            Some(Ok(Event::Damaged { line: 2, .. }))
        ));
        assert_eq!(next(&mut reader), Some(Err(BundleError::TooManyItems)));
        assert_eq!(next(&mut reader), None);
        assert!(!reader.ending().is_whole);

        let mut reader = begun();
        reader.bytes = limits::BUNDLE_MAX_BYTES - 3;
        reader.handle_bytes(b"x.\n");
        assert!(matches!(next(&mut reader), Some(Ok(Event::Damaged { .. }))));
        reader.handle_bytes(b"x");
        assert_eq!(next(&mut reader), Some(Err(BundleError::TooLarge)));
    }

    #[test]
    fn the_end_is_said_once_and_nothing_follows_it() {
        let mut reader = begun();
        reader.handle_bytes(end_line(2).as_bytes());
        reader.handle_bytes(b"end 2.\nx.\n");
        for line in [3, 4] {
            let error = LineError::AfterEnd;
            assert_eq!(next(&mut reader), Some(Ok(Event::Damaged { line, error })));
        }
        let ending = reader.ending();
        assert_eq!(
            (ending.items, ending.missing, ending.is_whole),
            (0, 2, false)
        );
        for text in ["end .\n", "end -1.\n", "end 18446744073709551616.\n"] {
            let mut reader = begun();
            reader.handle_bytes(text.as_bytes());
            assert!(matches!(next(&mut reader), Some(Ok(Event::Damaged { .. }))));
        }
    }

    #[test]
    fn what_expands_to_more_than_an_item_is_damaged() {
        let mut reader = begun();
        reader.handle_bytes(b"AAAA.\nAAAA.\n");
        let bomb = |_: &[u8], most: usize| Some(vec![0; most + 1]);
        let error = LineError::NotCompressed;
        let wanted = Some(Ok(Event::Damaged { line: 2, error }));
        assert_eq!(reader.poll(bomb), wanted);
        let filled = |_: &[u8], most: usize| {
            assert_eq!(most, limits::FRAME_MAX_BYTES);
            Some(vec![0; most])
        };
        assert!(matches!(
            reader.poll(filled),
            Some(Ok(Event::Damaged {
                error: LineError::Malformed(_),
                ..
            }))
        ));
    }
}
