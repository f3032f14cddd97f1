//! Merging a sibling's document in a process of its own.
//!
//! A sibling may be a stolen laptop, and a document can be built to cost minutes and gigabytes to read, or
//! to end the process that reads it. So this program starts itself once more as a **merge worker**: a child
//! with limits on its memory and its time, no descriptors but its pipe, and no environment. It gets this
//! node's document and the sibling's, and answers with the merged one; or it ends, and the sibling's document
//! is refused.

mod parent;
mod wire;
mod worker;

pub use parent::{MergeError, Worker};
pub use wire::{Answer, Request};
pub use worker::main as worker_main;

/// The argument that makes this program a merge worker.
pub const ARGUMENT: &str = "--merge-worker";

/// Most bytes of one automerge document that is handed to a worker.
pub const DOCUMENT_MAX_BYTES: usize = 8 * 1024 * 1024;
/// Most bytes that a worker may answer.
pub const ANSWER_MAX_BYTES: usize = 16 * 1024 * 1024;
/// Most bytes of memory that a worker may write to. A full shard takes some 10 MB, a long history of one some
/// ten times as much.
pub const MEMORY_MAX_BYTES: u64 = 256 * 1024 * 1024;
/// Most seconds of computing that a worker may take.
pub const CPU_MAX_S: u64 = 10;
/// Most seconds until its answer must be there, on a machine that is busy.
pub const WAIT_MAX_S: u64 = 60;
