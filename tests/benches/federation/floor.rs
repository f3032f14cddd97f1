//! What nobody can do without: signatures, hashes, reading JSON, and writing it all down, on one processor.

use std::io::Write;
use std::time::Instant;

use fingerpost_proto::ids::OrgId;
use fingerpost_proto::replica::Item;
use serde_json::{Value, json};

use crate::fill;

/// Checks everything of this many organisations, and writes it.
pub(crate) fn measure(size: u32) -> Value {
    let made = fill::federation(size, OrgId::from_bytes([1; 32]));
    let items: Vec<Item> = fill::items(&made, 0..size).collect();
    let count = items.len();
    let begun = Instant::now();
    for item in &items {
        item.clone().check().unwrap();
    }
    let check_s = begun.elapsed().as_secs_f64();
    let mut file = tempfile::tempfile().unwrap();
    let begun = Instant::now();
    let mut stream = zstd::stream::write::Encoder::new(&mut file, 3).unwrap();
    for item in &items {
        if let Item::Record {
            state: Some(state), ..
        } = item
        {
            stream.write_all(state).unwrap();
        }
    }
    stream.finish().unwrap();
    file.sync_all().unwrap();
    let write_s = begun.elapsed().as_secs_f64();
    json!({
        "organisations": size,
        "documents": count,
        "check_s": check_s,
        "compress_and_write_s": write_s,
    })
}
