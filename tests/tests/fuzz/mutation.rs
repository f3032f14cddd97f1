//! Inputs that are nearly right: what is in the corpus, with a few faults.

use std::sync::Arc;

use proptest::prelude::*;
use proptest::sample::{Index, select};

/// Largest input, in bytes: a little over the largest frame.
const INPUT_MAX_BYTES: usize = 1024 * 1024 + 1024;

/// Pieces that decoders treat in a way of their own.
const PIECES: &[&[u8]] = &[
    b"null",
    b"true",
    b"-0.0",
    b"1e999",
    b"18446744073709551616",
    b"\"\"",
    b"\\u0000",
    b"\\ud800",
    b"{}",
    b"[]",
    b",",
    b":",
    b"\"",
    b"\xff",
    b"\xf6",
    b"\x9f",
    b"\xbf",
    b"\x5f",
    b"\x1b\xff\xff\xff\xff\xff\xff\xff\xff",
    b"\x80",
    b"\x40",
    b"\xc2\x85",
    b"\xe2\x80\xae",
    b"%00",
    b"&",
    b"\n",
    b" ",
];
/// What opens a bracket, in JSON and in CBOR.
const OPENERS: &[&[u8]] = &[b"[", b"{\"a\":", b"\x81", b"\xa1\x00", b"\xc1", b"\xd8\x20"];
/// Numbers at which sizes and counts go wrong.
const NUMBERS: &[u64] = &[
    0,
    1,
    15,
    16,
    63,
    64,
    127,
    128,
    255,
    256,
    1_023,
    1_024,
    4_095,
    4_096,
    65_535,
    65_536,
    1 << 20,
    (1 << 20) + 1,
    i32::MAX as u64,
    u32::MAX as u64,
    1 << 32,
    i64::MAX as u64,
    u64::MAX - 1,
    u64::MAX,
];

/// One fault.
#[derive(Debug, Clone)]
enum Fault {
    Flip(Index, u8),
    Set(Index, u8),
    Cut(Index),
    Remove(Index, usize),
    Insert(Index, Vec<u8>),
    Repeat(Index, usize, usize),
    /// The rest is that of another input of the corpus.
    Splice(Index, Index, Index),
    /// A number of so many bytes, as lengths are written.
    Number(Index, usize, u64),
    Nest(Index, &'static [u8], usize),
}

fn fault() -> impl Strategy<Value = Fault> {
    let at = any::<Index>;
    let number = prop_oneof![select(NUMBERS), any::<u64>()];
    let piece = prop_oneof![
        select(PIECES).prop_map(<[u8]>::to_vec),
        prop::collection::vec(any::<u8>(), 1..16),
    ];
    prop_oneof![
        4 => (at(), 0u8..8).prop_map(|(at, bit)| Fault::Flip(at, bit)),
        4 => (at(), any::<u8>()).prop_map(|(at, byte)| Fault::Set(at, byte)),
        1 => at().prop_map(Fault::Cut),
        2 => (at(), 1usize..40).prop_map(|(at, length)| Fault::Remove(at, length)),
        3 => (at(), piece).prop_map(|(at, piece)| Fault::Insert(at, piece)),
        2 => (at(), 1usize..200, 1usize..300).prop_map(|(at, length, times)| Fault::Repeat(at, length, times)),
        1 => (at(), at(), at()).prop_map(|(from, start, at)| Fault::Splice(from, start, at)),
        3 => (at(), select(&[1usize, 2, 4, 8][..]), number).prop_map(|(at, width, number)| Fault::Number(at, width, number)),
        1 => (at(), select(OPENERS), 1usize..2_000).prop_map(|(at, opener, depth)| Fault::Nest(at, opener, depth)),
    ]
}

/// An input of the corpus with faults; or something of no kind at all.
#[derive(Clone)]
pub(crate) struct Input {
    corpus: Arc<Vec<Vec<u8>>>,
    begin: Option<Index>,
    rubbish: Vec<u8>,
    faults: Vec<Fault>,
}

impl std::fmt::Debug for Input {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let begin = self.begin.map(|index| index.index(self.corpus.len()));
        write!(f, "input {begin:?} of the corpus with {:?}", self.faults)
    }
}

impl Input {
    /// The bytes.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut bytes = match &self.begin {
            Some(index) => index.get(&self.corpus).clone(),
            None => self.rubbish.clone(),
        };
        for fault in &self.faults {
            self.apply(fault, &mut bytes);
            bytes.truncate(INPUT_MAX_BYTES);
        }
        bytes
    }

    fn apply(&self, fault: &Fault, bytes: &mut Vec<u8>) {
        // One place behind the last byte is a place too.
        let place = |index: &Index, bytes: &[u8]| index.index(bytes.len() + 1);
        match fault {
            Fault::Flip(at, _) | Fault::Set(at, _) if place(at, bytes) == bytes.len() => {}
            Fault::Flip(at, bit) => {
                let at = place(at, bytes);
                bytes[at] ^= 1 << bit;
            }
            Fault::Set(at, byte) => {
                let at = place(at, bytes);
                bytes[at] = *byte;
            }
            Fault::Cut(at) => bytes.truncate(place(at, bytes)),
            Fault::Remove(at, length) => {
                let at = place(at, bytes);
                bytes.drain(at..(at + length).min(bytes.len()));
            }
            Fault::Insert(at, piece) => {
                let at = place(at, bytes);
                bytes.splice(at..at, piece.iter().copied());
            }
            Fault::Repeat(at, length, times) => {
                let at = place(at, bytes);
                let piece = bytes[at..(at + length).min(bytes.len())].repeat(*times);
                bytes.splice(at..at, piece);
            }
            Fault::Splice(from, start, at) => {
                let other = from.get(&self.corpus);
                bytes.truncate(place(at, bytes));
                bytes.extend(&other[place(start, other)..]);
            }
            Fault::Number(at, width, number) => {
                let at = place(at, bytes);
                let end = (at + width).min(bytes.len());
                bytes.splice(at..end, number.to_be_bytes()[8 - width..].iter().copied());
            }
            Fault::Nest(at, opener, depth) => {
                let at = place(at, bytes);
                bytes.splice(at..at, opener.repeat(*depth));
            }
        }
    }
}

/// Draws inputs.
pub(crate) fn inputs(corpus: Vec<Vec<u8>>) -> impl Strategy<Value = Input> {
    let corpus = Arc::new(corpus);
    let begin = prop::option::weighted(0.97, any::<Index>());
    let rubbish = prop::collection::vec(any::<u8>(), 0..200);
    let faults = prop::collection::vec(fault(), 0..6);
    (begin, rubbish, faults).prop_map(move |(begin, rubbish, faults)| Input {
        corpus: Arc::clone(&corpus),
        begin,
        rubbish,
        faults,
    })
}
