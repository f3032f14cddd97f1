//! Small automerge documents that are large to read. The form is that of automerge's binary format
//! (<https://automerge.org/automerge-binary-format-spec/>).

#![allow(dead_code, reason = "each test takes what it needs of this")]

use sha2::{Digest, Sha256};

const MAGIC: [u8; 4] = [0x85, 0x6f, 0x4a, 0x83];
const CHANGE: u8 = 1;
const COMPRESSED_CHANGE: u8 = 2;

fn uleb(mut number: u64, out: &mut Vec<u8>) {
    loop {
        let byte = (number & 0x7f) as u8;
        number >>= 7;
        if number == 0 {
            out.push(byte);
            return;
        }
        out.push(byte | 0x80);
    }
}

/// Of a positive number.
fn sleb(mut number: u64, out: &mut Vec<u8>) {
    loop {
        let byte = (number & 0x7f) as u8;
        number >>= 7;
        if number == 0 && byte & 0x40 == 0 {
            out.push(byte);
            return;
        }
        out.push(byte | 0x80);
    }
}

/// A run of one value, as columns hold it.
fn run(count: u64, value: &[u8]) -> Vec<u8> {
    let mut column = Vec::new();
    sleb(count, &mut column);
    column.extend(value);
    column
}

/// The content of a change with the columns given, and `rest` after them.
fn change(columns: &[(u64, Vec<u8>)], rest: &[u8]) -> Vec<u8> {
    let mut content = Vec::new();
    uleb(0, &mut content); // builds on nothing
    uleb(4, &mut content);
    content.extend([7; 4]); // the actor
    uleb(1, &mut content); // its first change
    uleb(1, &mut content); // its first operation
    content.push(0); // the time
    uleb(0, &mut content); // no message
    uleb(0, &mut content); // no other actors
    uleb(columns.len() as u64, &mut content);
    for (kind, column) in columns {
        uleb(*kind, &mut content);
        uleb(column.len() as u64, &mut content);
    }
    for (_, column) in columns {
        content.extend(column);
    }
    content.extend(rest);
    content
}

fn chunk(content: &[u8], kind: u8, carried: &[u8]) -> Vec<u8> {
    // The checksum is that of the plain change, whatever is carried.
    let mut hashed = vec![CHANGE];
    uleb(content.len() as u64, &mut hashed);
    hashed.extend(content);
    let mut bytes = MAGIC.to_vec();
    bytes.extend(&Sha256::digest(&hashed)[..4]);
    bytes.push(kind);
    uleb(carried.len() as u64, &mut bytes);
    bytes.extend(carried);
    bytes
}

/// One valid change that sets one field to null so many times.
pub(crate) fn nulls(count: u64) -> Vec<u8> {
    let mut insert = Vec::new();
    uleb(count, &mut insert);
    let columns = [
        (0x15, run(count, &[1, b'a'])), // the key
        (0x34, insert),                 // none inserts
        (0x42, run(count, &[1])),       // each sets
        (0x56, run(count, &[0])),       // a null
        (0x70, run(count, &[0])),       // that replaces nothing
    ];
    let content = change(&columns, &[]);
    chunk(&content, CHANGE, &content)
}

/// A change with so many zeros after it, deflated.
pub(crate) fn zeros(count: usize) -> Vec<u8> {
    use std::io::Write;
    // Hashed and deflated piece by piece, so that the test itself does not hold them all.
    let piece = vec![0; 1 << 20];
    let head = change(&[], &[]);
    let mut hash = Sha256::new();
    let mut prefix = vec![CHANGE];
    uleb((head.len() + count) as u64, &mut prefix);
    hash.update(&prefix);
    hash.update(&head);
    let mut deflate = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::fast());
    deflate.write_all(&head).unwrap();
    for _ in 0..count / piece.len() {
        hash.update(&piece);
        deflate.write_all(&piece).unwrap();
    }
    let carried = deflate.finish().unwrap();
    let mut bytes = MAGIC.to_vec();
    bytes.extend(&hash.finalize()[..4]);
    bytes.push(COMPRESSED_CHANGE);
    uleb(carried.len() as u64, &mut bytes);
    bytes.extend(carried);
    bytes
}
