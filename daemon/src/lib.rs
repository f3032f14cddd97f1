//! The parts of `fingerpostd`, the node of a Fingerpost federation.
//!
//! Everything impure lives here: the network ([`net`]), the store ([`store`]), the search index
//! ([`search`]), the keys ([`keys`]), the clock, and the local API ([`api`]). What a node does with them is in
//! [`node`]; every rule of the protocol is in `fingerpost-proto`.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

pub mod api;
pub mod backup;
pub mod doctor;
pub mod keys;
pub mod log;
pub mod merge;
pub mod metrics;
pub mod net;
pub mod node;
pub mod oruk;
pub mod rescue;
pub mod run;
pub mod sealing;
pub mod search;
pub mod store;

const _: () = assert!(
    !fingerpost_proto::planted::AVAILABLE,
    "a node is never built with mistakes on purpose (the feature \"planted\")"
);
