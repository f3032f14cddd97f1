//! Fuzz targets: every decoder that meets bytes which somebody else may have chosen.
//!
//! A target takes any bytes, asserts what must hold of them, and answers whether they were taken for what it
//! decodes. It panics at a fault and at nothing else. The same targets run under libFuzzer
//! (`cargo +nightly fuzz run --fuzz-dir tests/fuzz TARGET`) and, over the seeds and mutations of them, in
//! `cargo test` (`tests/tests/fuzz.rs`, which includes this file).
//!
//! `corpus/TARGET/` holds the seeds, which [`Target::seeds`] makes of real encodings, and whatever once was a
//! fault.
#![allow(
    missing_docs,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    reason = "a target stops at what it did not expect; that is what it is for"
)]

mod bundles;
mod carried;
mod fixtures;
mod node;
mod session;
mod states;
mod texts;
mod wires;

pub use node::stop;

/// Inputs to begin with, by name.
pub type Seeds = Vec<(String, Vec<u8>)>;

fn seed(name: impl Into<String>, bytes: impl AsRef<[u8]>) -> (String, Vec<u8>) {
    (name.into(), bytes.as_ref().to_vec())
}

/// One target.
pub struct Target {
    /// Its name, which is that of the binary and of the directory of its corpus.
    pub name: &'static str,
    /// Runs it; true if the bytes were taken.
    pub run: fn(&[u8]) -> bool,
    /// Makes its seeds.
    pub seeds: fn() -> Seeds,
    /// How much memory a run may hold at once beside its input, in KiB.
    pub memory_kib: usize,
    /// How much more than that for each byte of the input, in bytes.
    pub memory_factor: usize,
    /// By how much fewer runs it gets than the others, because each takes longer.
    pub cost: u32,
}

const fn target(name: &'static str, run: fn(&[u8]) -> bool, seeds: fn() -> Seeds) -> Target {
    Target {
        name,
        run,
        seeds,
        memory_kib: 64,
        memory_factor: 64,
        cost: 1,
    }
}

impl Target {
    const fn costs(self, cost: u32, memory_kib: usize) -> Self {
        Self {
            cost,
            memory_kib,
            ..self
        }
    }
}

/// All of them.
pub const TARGETS: &[Target] = &[
    target("frame", carried::frame, carried::frame_seeds),
    target("item", carried::item, carried::item_seeds),
    target("record", carried::record, carried::record_seeds),
    target(
        "certificate",
        carried::certificate,
        carried::certificate_seeds,
    ),
    target("charter", carried::charter, carried::charter_seeds),
    target(
        "announcement",
        carried::announcement,
        carried::announcement_seeds,
    ),
    target("bundle", bundles::bundle, bundles::bundle_seeds).costs(10, 8 * 1024),
    target("card", states::card, states::card_seeds),
    target("listing", states::listing, states::listing_seeds),
    target("board", states::board, states::board_seeds),
    target("import", states::import, states::import_seeds).costs(2, 512),
    target("identifier", texts::identifier, texts::identifier_seeds),
    target("ticket", texts::ticket, texts::ticket_seeds),
    target("pass", texts::pass, texts::pass_seeds),
    target("words", texts::words, texts::words_seeds),
    target("key_file", texts::key_file, texts::key_file_seeds).costs(20, 300 * 1024),
    target("sealed", texts::sealed, texts::sealed_seeds).costs(4, 512),
    target("session", session::session, session::session_seeds).costs(10, 4 * 1024),
    target("store", session::store, session::store_seeds).costs(10, 4 * 1024),
    target("stream", wires::stream, wires::stream_seeds).costs(2, 8 * 1024),
    target(
        "merge_request",
        wires::merge_request,
        wires::merge_request_seeds,
    ),
    target(
        "merge_answer",
        wires::merge_answer,
        wires::merge_answer_seeds,
    ),
    target("rescue", states::rescue, states::rescue_seeds),
    target("api_body", states::api_body, states::api_body_seeds),
    target("api_request", node::api_request, node::api_request_seeds).costs(20, 16 * 1024),
    target("gossip", node::gossip, carried::announcement_seeds).costs(4, 16 * 1024),
];

/// Runs a target by name.
pub fn run(name: &str, data: &[u8]) -> bool {
    let target = TARGETS.iter().find(|target| target.name == name);
    (target.expect("a target of this name").run)(data)
}
