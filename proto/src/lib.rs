//! The Fingerpost protocol: many organisations, one directory, nobody in the middle.
//!
//! This crate is the whole protocol and nothing but the protocol. It opens no socket, reads no file,
//! asks no clock and draws no random number: time, entropy and bytes are arguments, and what is to be sent or
//! stored is a result. So all of it runs in a test, a simulator or a browser exactly as it runs in the
//! daemon. Read this page first; then [`record`], [`replica`] and [`sync`], in that order.
//!
//! # What is published
//!
//! An **organisation** is an Ed25519 key ([`ids::OrgId`]). It owns three kinds of document: its **card**
//! ([`card`]: who it is, and which networks it belongs to), its **listing** in one or more shards
//! ([`listing`]: its services, in the words of Open Referral) and its **board** ([`board`]: what it needs
//! and offers). Only nodes that the organisation has delegated ([`certificate::Delegation`]) write them.
//!
//! What travels between organisations is the **state** of a document: bounded plain JSON ([`json`],
//! [`limits`]), never its history. A **record** ([`record::Record`]) vouches for a state: it names the
//! state's hash, the node that wrote it, and its place among the document's other records. It is signed
//! over the bytes that are carried ([`signed`]), and nothing is ever encoded again to check a signature.
//!
//! On the owner's side a document has a history, with an author for each change and undo
//! ([`documents`]); that stays at home.
//!
//! # What a replica is
//!
//! A [`replica::Replica`] is everything that one node holds: a value over a [`storage::Storage`] of a few
//! ordered tables. It takes one item after the other and answers what became of it: accepted, already
//! known, dominated, or refused with a typed reason ([`replica::Refusal`]).
//!
//! **Dominance** is its only order. Each record says in `saw` how far it contains every other writer's
//! records, so that of any two either one contains the other or they are concurrent
//! ([`record::Record::compare`], the order of version vectors). A replica keeps the records that no other
//! contains, nearly always one for each document. Clocks play no part in it. Siblings that wrote while apart
//! leave two; all replicas show the same one of them, and say so, until a node of the organisation merges
//! them. Old records that come again change nothing.
//!
//! From this follows what everything else leans on: *replicas that were given the same items are equal, byte
//! for byte, in whatever order and however often the items came.* `replica/tests/order.rs` holds it to that.
//!
//! # Who is a member
//!
//! A network is founded by a [`charter::Charter`], whose hash is its name. Whoever accepts the charter and
//! holds enough vouches of members is a member. The vouches stand on the newcomer's own card, so membership
//! is computed from a set of signed statements ([`roster::Roster`]) and nobody keeps a list. A
//! [`ticket::Ticket`] is a vouch for whoever holds a one-time key; a [`pass`] lets another node write for an
//! organisation that is in already. Leaving is a statement as well
//! ([`certificate::Departure`]); it carries what others need so that nobody else's membership moves.
//! Cards decide whose other documents are taken, so they always come first.
//!
//! # How two nodes agree
//!
//! A [`sync::Session`] is one side of a conversation: [`sync::Session::handle_frame`] takes a frame of the
//! peer, [`sync::Session::poll_frame`] gives the next one to send. The two find out what differs by comparing
//! fingerprints of ranges, so agreement costs some hundred bytes, however large the directory. What
//! arrives is kept at once: a session that is cut has lost nothing. Gossip ([`announcement`]) is faster and
//! promises nothing; whatever it misses, the next session brings.
//!
//! # In which order to call
//!
//! ```text
//! open      Replica::open(storage, node, own organisations), then Replica::add_network for each charter
//! publish   Replica::publish(now, draft, key, fresh, batch) -> Storage::flush -> only then tell anybody
//! receive   Item::check (pure: on any core, without the replica) -> Replica::receive(now, checked)
//! sync      Session::initiate or respond, then until is_finished:
//!           poll_frame -> send -> note_sent;   receive -> Incoming::parse -> handle_frame
//! after     Replica::poll_changes says which documents and rosters to look at again
//! ```
//!
//! `handle_*` takes something in, `poll_*` gives something out, and neither waits.
//!
//! # What is deliberately absent
//!
//! - No I/O, clock, randomness, environment, thread or async: see `clippy.toml` and `tests/purity.rs`.
//! - No history of other organisations, and no automerge on bytes that they wrote: a document can be built to
//!   cost minutes and gigabytes to read, and a valid signature is no protection against a member's bad day.
//! - No leader, tally, consensus or trusted time: what a node believes follows from what it was given.
//! - No trust in a peer beyond what is signed: withholding is answered by asking somebody else.
//! - No panics on input, and nothing without a limit: every bound stands in [`limits`].
#![deny(clippy::indexing_slicing)]
#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing
    )
)]

pub mod announcement;
pub mod api;
pub mod board;
pub mod bundle;
pub mod card;
pub mod cbor;
pub mod certificate;
pub mod charter;
pub mod day;
pub mod documents;
pub mod filter;
pub mod geography;
pub mod ids;
pub mod interest;
pub mod json;
pub mod keys;
pub mod limits;
pub mod listing;
pub mod matching;
pub mod pass;
pub mod peering;
pub mod planted;
pub mod record;
pub mod replica;
pub mod roster;
pub mod signed;
pub mod storage;
pub mod sync;
pub mod ticket;
pub mod vocabulary;
pub mod words;

#[cfg(test)]
mod testing;
