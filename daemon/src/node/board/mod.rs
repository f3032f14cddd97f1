//! Boards: what organisations need and offer, and what they say of one another's entries.
//!
//! The boards that others publish are read anew for each question. Their number is that of organisations that have ever
//! put something up, each has a few entries, and nothing derived from them can then be out of date.

mod calendar;
mod digest;
mod edits;
mod keeping;
mod map;
mod matches;
mod notices;
mod seen;
mod twins;

pub(super) use keeping::assurer_of;
pub use notices::Wanted;
