//! The Fingerpost protocol.
#![deny(clippy::indexing_slicing)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing))]

pub mod announcement;
pub mod api;
pub mod board;
pub mod card;
pub mod cbor;
pub mod certificate;
pub mod charter;
pub mod documents;
pub mod ids;
pub mod json;
pub mod keys;
pub mod limits;
pub mod listing;
pub mod record;
pub mod replica;
pub mod roster;
pub mod signed;
pub mod storage;
pub mod sync;
pub mod ticket;

#[cfg(test)]
mod testing;
