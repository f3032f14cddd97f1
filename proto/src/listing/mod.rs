//! Listings: an organisation and its services, in the words of Open Referral.
//!
//! A [`Listing`] is the union of its shards; a [`ShardState`] is one of them as it travels. The
//! modules beside this one read listings from files ([`import`]), put them into shards ([`shards`]),
//! compare and update them ([`merge`]) and change single fields ([`edit`]).

#[cfg(test)]
pub(crate) mod arbitrary;
pub mod duplicates;
pub mod edit;
pub mod entities;
pub mod facts;
pub mod import;
pub mod merge;
pub mod model;
pub mod secret;
pub mod shards;
pub mod source;
pub mod state;
pub mod tables;

pub use entities::{Entities, Entity, Shape};
pub use import::{Import, ImportError, parse_import};
pub use merge::{Changes, EntityRef, FieldChange, apply_import, diff};
pub use model::{Organization, Service};
pub use state::{Listing, ShardState, StateError};
