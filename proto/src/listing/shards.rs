//! Which service stands in which shard.
//!
//! A service stays where it is, because moving it costs two new states instead of one. New services
//! go into the first shard with room; a shard is filled to [`SHARD_FILL_BYTES`] only, so that
//! services can grow in place.

use std::collections::{BTreeMap, BTreeSet};

use thiserror::Error;

use super::entities::Entities;
use super::model::{Organization, Service};
use super::state::{Listing, ShardState, StateError};
use crate::json;
use crate::limits::{SERVICES_PER_SHARD_MAX, SHARD_FILL_BYTES, SHARDS_MAX, STATE_MAX_BYTES};

/// Why a listing does not fit into shards.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum ListingError {
    /// One service is larger than a whole shard may be.
    #[error(
        "the service {name:?} (id {id}) has {bytes} bytes; at most {max} fit. Shorten its texts or split it"
    )]
    ServiceTooLarge {
        /// Id of the service.
        id: String,
        /// Its name.
        name: String,
        /// Its size, in bytes of JSON.
        bytes: usize,
        /// The bound, in bytes.
        max: usize,
    },
    /// The description of the organisation alone is larger than a shard may be.
    #[error("the description of the organisation has {bytes} bytes; at most {max} fit")]
    OrganizationTooLarge {
        /// Its size, in bytes of JSON.
        bytes: usize,
        /// The bound, in bytes.
        max: usize,
    },
    /// The listing needs more shards than there may be.
    #[error(
        "this listing needs more than {max} shards. Publish it as several organisations, or shorten its texts"
    )]
    TooManyShards {
        /// The bound.
        max: u16,
    },
    /// One of the shards breaks another limit.
    #[error(transparent)]
    State(#[from] StateError),
}

/// A shard being filled.
struct Bin {
    bytes: usize,
    services: BTreeMap<String, usize>,
}

impl Bin {
    fn new(base_bytes: usize) -> Bin {
        Bin {
            bytes: base_bytes,
            services: BTreeMap::new(),
        }
    }

    fn put(&mut self, id: &str, bytes: usize) {
        self.bytes = self.bytes.saturating_add(bytes);
        self.services.insert(id.to_owned(), bytes);
    }

    fn take(&mut self, id: &str) {
        if let Some(bytes) = self.services.remove(id) {
            self.bytes = self.bytes.saturating_sub(bytes);
        }
    }

    /// May a service of this size be added? The fill mark holds only where there is something to
    /// keep room for: one large service may have a shard of its own.
    fn has_room(&self, bytes: usize) -> bool {
        let max = if self.services.is_empty() {
            STATE_MAX_BYTES
        } else {
            SHARD_FILL_BYTES
        };
        self.services.len() < SERVICES_PER_SHARD_MAX && self.bytes.saturating_add(bytes) <= max
    }

    fn overflows(&self) -> bool {
        self.bytes > STATE_MAX_BYTES || self.services.len() > SERVICES_PER_SHARD_MAX
    }

    /// Which service to move out: the largest, which is most likely the one that grew, and which
    /// leaves most room for the others.
    fn to_move(&self) -> Option<String> {
        self.services
            .iter()
            .max_by_key(|(_, bytes)| **bytes)
            .map(|(id, _)| id.clone())
    }
}

/// Puts a listing into shards. `current` says where each service stands now; services that are
/// gone may be among them. The answer holds every shard that has or had a service, and shard 0: a
/// shard that lost its last service is there, empty, so that its new state replaces the old one.
///
/// # Errors
/// [`ListingError`] when the listing does not fit.
pub fn assign(
    listing: &Listing,
    current: &BTreeMap<String, u16>,
) -> Result<BTreeMap<u16, ShardState>, ListingError> {
    let mut bins = Bins::new(&listing.organization)?;
    for shard in current.values() {
        bins.open(*shard)?;
    }
    let mut homeless = Vec::new();
    for service in &listing.services {
        let bytes = bins.check_size(service)?;
        match current.get(&service.id) {
            Some(shard) => bins.open(*shard)?.put(&service.id, bytes),
            None => homeless.push((service.id.clone(), bytes)),
        }
    }
    homeless.extend(bins.relieve());
    for (id, bytes) in homeless {
        bins.place(&id, bytes)?;
    }
    bins.into_states(listing)
}

struct Bins {
    /// Bytes of shard 0 before any service.
    first_bytes: usize,
    /// Bytes of any other shard before any service.
    other_bytes: usize,
    bins: BTreeMap<u16, Bin>,
}

impl Bins {
    fn new(organization: &Organization) -> Result<Bins, ListingError> {
        let mut first = ShardState::empty(0);
        first.organization = Some(organization.clone());
        let first_bytes = size_bytes(&first)?;
        if first_bytes > STATE_MAX_BYTES {
            return Err(ListingError::OrganizationTooLarge {
                bytes: first_bytes,
                max: STATE_MAX_BYTES,
            });
        }
        // The longest shard number, so that the estimate holds for each.
        let other_bytes = size_bytes(&ShardState::empty(SHARDS_MAX))?;
        Ok(Bins {
            first_bytes,
            other_bytes,
            bins: BTreeMap::from([(0, Bin::new(first_bytes))]),
        })
    }

    fn open(&mut self, shard: u16) -> Result<&mut Bin, ListingError> {
        if shard >= SHARDS_MAX {
            return Err(ListingError::TooManyShards { max: SHARDS_MAX });
        }
        let base_bytes = if shard == 0 {
            self.first_bytes
        } else {
            self.other_bytes
        };
        Ok(self
            .bins
            .entry(shard)
            .or_insert_with(|| Bin::new(base_bytes)))
    }

    /// Size of a service in a shard, its comma included.
    fn check_size(&self, service: &Service) -> Result<usize, ListingError> {
        let bytes = size_bytes(service)?.saturating_add(1);
        let max = STATE_MAX_BYTES.saturating_sub(self.other_bytes);
        if bytes > max {
            return Err(ListingError::ServiceTooLarge {
                id: service.id.clone(),
                name: service.name.clone(),
                bytes,
                max,
            });
        }
        Ok(bytes)
    }

    /// Takes services out of shards that have grown too large.
    fn relieve(&mut self) -> Vec<(String, usize)> {
        let mut moved = Vec::new();
        for bin in self.bins.values_mut() {
            while bin.overflows() {
                let Some(id) = bin.to_move() else { break };
                let bytes = bin.services.get(&id).copied().unwrap_or_default();
                bin.take(&id);
                moved.push((id, bytes));
            }
        }
        moved
    }

    fn place(&mut self, id: &str, bytes: usize) -> Result<(), ListingError> {
        for shard in 0..SHARDS_MAX {
            let bin = self.open(shard)?;
            if bin.has_room(bytes) {
                bin.put(id, bytes);
                return Ok(());
            }
        }
        Err(ListingError::TooManyShards { max: SHARDS_MAX })
    }

    fn into_states(self, listing: &Listing) -> Result<BTreeMap<u16, ShardState>, ListingError> {
        let mut states = BTreeMap::new();
        for (number, bin) in self.bins {
            let mut state = ShardState::empty(number);
            if number == 0 {
                state.organization = Some(listing.organization.clone());
            }
            let ids: BTreeSet<&str> = bin.services.keys().map(String::as_str).collect();
            state.services = ids
                .iter()
                .filter_map(|id| listing.services.get(id))
                .cloned()
                .collect::<Entities<Service>>();
            state.to_bytes()?;
            states.insert(number, state);
        }
        Ok(states)
    }
}

fn size_bytes<T: serde::Serialize>(value: &T) -> Result<usize, ListingError> {
    let bytes = serde_json::to_vec(value).map_err(|error| {
        ListingError::State(StateError::Field {
            place: json::Place::default(),
            message: error.to_string(),
        })
    })?;
    Ok(bytes.len())
}

#[cfg(test)]
mod tests;
