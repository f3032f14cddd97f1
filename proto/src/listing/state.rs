//! The state of one shard, and the listing that shards make together.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use thiserror::Error;

use super::entities::{Entities, Entity, Shape};
use super::model::{Organization, Service};
use crate::json::{self, Bounds, JsonError, Place};
use crate::limits::{NAME_MAX_BYTES, SERVICES_PER_SHARD_MAX, SHARDS_MAX};

/// Format of the states that this version writes and reads.
pub const STATE_FORMAT: u32 = 1;
/// What `kind` says in the state of a shard.
pub const LISTING_KIND: &str = "listing";

/// One shard of a listing as it travels between organisations.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ShardState {
    /// Always [`STATE_FORMAT`].
    pub format: u32,
    /// Always [`LISTING_KIND`].
    pub kind: String,
    /// Number of the shard, counted from 0.
    pub shard: u16,
    /// The organisation; in shard 0 only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub organization: Option<Organization>,
    /// The services of this shard.
    #[serde(default)]
    pub services: Entities<Service>,
    /// Fields that this version does not know, carried as they came.
    #[serde(flatten, deserialize_with = "json::fields_without_nulls")]
    pub extra: Map<String, Value>,
}

/// Why the bytes of a state were refused, or a state cannot be written.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum StateError {
    /// Larger than a state may be.
    #[error("the state has {bytes} bytes; at most {max} are allowed")]
    TooLarge {
        /// Size, in bytes.
        bytes: usize,
        /// The bound, in bytes.
        max: usize,
    },
    /// Brackets are nested too deep.
    #[error("{place}: brackets are nested more than {max} deep")]
    TooDeep {
        /// The bound, in levels.
        max: usize,
        /// Where.
        place: Place,
    },
    /// A text or a name is too long.
    #[error("{place}: this text has {bytes} bytes; at most {max} are allowed")]
    TextTooLong {
        /// Length, in bytes of UTF-8.
        bytes: usize,
        /// The bound, in bytes.
        max: usize,
        /// Where.
        place: Place,
    },
    /// Not JSON, or cut off.
    #[error("{place}: not JSON: {message}")]
    NotJson {
        /// Where the parser stopped.
        place: Place,
        /// What it found.
        message: String,
        /// The bytes end before the document does.
        truncated: bool,
    },
    /// A field is missing or holds what it may not.
    #[error("{place}: {message}")]
    Field {
        /// Which one, and where.
        place: Place,
        /// What is wrong.
        message: String,
    },
    /// Two entities of one collection have the same id.
    #[error("{place}: a second entry with the id {id:?}")]
    DuplicateId {
        /// Where the second one stands.
        place: Place,
        /// The id.
        id: String,
    },
    /// More entries than a document of this kind may hold.
    #[error("{count} {what} in one document; at most {max} are allowed")]
    TooMany {
        /// What there is too much of: `services`, `notices`, `replies`.
        what: &'static str,
        /// How many there are.
        count: usize,
        /// The bound.
        max: usize,
    },
    /// The state is of another shard than its record says.
    #[error("this is the state of shard {found}, where shard {expected} belongs")]
    WrongShard {
        /// The shard that the record names.
        expected: u16,
        /// The shard that the state names.
        found: u16,
    },
    /// The state is of another kind of document.
    #[error("this is the state of a {found:?}, where a {expected:?} belongs")]
    WrongKind {
        /// The kind that the record names.
        expected: &'static str,
        /// The kind that the state names.
        found: String,
    },
    /// The state is of a format that this version does not know.
    #[error("the state has format {found}; this version reads format {STATE_FORMAT}")]
    UnknownFormat {
        /// What the state says.
        found: String,
    },
    /// The organisation stands in another shard than shard 0.
    #[error("shard {shard} describes the organisation, which only shard 0 may do")]
    MisplacedOrganization {
        /// The shard that does so.
        shard: u16,
    },
}

impl ShardState {
    /// An empty shard.
    #[must_use]
    pub fn empty(shard: u16) -> ShardState {
        ShardState {
            format: STATE_FORMAT,
            kind: LISTING_KIND.to_owned(),
            shard,
            organization: None,
            services: Entities::default(),
            extra: Map::new(),
        }
    }

    /// Reads the state that a record vouches for as shard number `shard`.
    ///
    /// # Errors
    /// [`StateError`]: each limit and each fault has its own variant.
    pub fn parse(bytes: &[u8], shard: u16) -> Result<ShardState, StateError> {
        let state: ShardState = parse_state(bytes, LISTING_KIND, &SHAPE)?;
        if state.shard != shard {
            return Err(StateError::WrongShard {
                expected: shard,
                found: state.shard,
            });
        }
        state.check()?;
        Ok(state)
    }

    /// Writes the state in the one form in which it is hashed and sent.
    ///
    /// # Errors
    /// [`StateError`] when the state breaks a limit, so that nothing is published which others
    /// must refuse.
    pub fn to_bytes(&self) -> Result<Vec<u8>, StateError> {
        self.check()?;
        state_bytes(self)
    }

    fn check(&self) -> Result<(), StateError> {
        if self.shard >= SHARDS_MAX {
            return Err(StateError::TooMany {
                what: "shards",
                count: usize::from(self.shard).saturating_add(1),
                max: usize::from(SHARDS_MAX),
            });
        }
        check_count("services", self.services.len(), SERVICES_PER_SHARD_MAX)?;
        if let Some(organization) = &self.organization {
            if self.shard != 0 {
                return Err(StateError::MisplacedOrganization { shard: self.shard });
            }
            check_name("organization", &organization.name)?;
        }
        for service in &self.services {
            check_name(&format!("services, id {}", service.id), &service.name)?;
        }
        Ok(())
    }
}

/// What a shard is made of, for folding and for finding duplicates.
pub(crate) static SHAPE: Shape = Shape {
    kind: LISTING_KIND,
    required: &[],
    text: &[],
    number: &[],
    loose: &[],
    many: &[("services", <Service as Entity>::shape)],
    one: &[("organization", <Organization as Entity>::shape)],
};

/// Refuses a collection of more than `max` entries.
pub(crate) fn check_count(what: &'static str, count: usize, max: usize) -> Result<(), StateError> {
    if count > max {
        return Err(StateError::TooMany { what, count, max });
    }
    Ok(())
}

/// Refuses an empty name and one that is too long.
pub(crate) fn check_name(owner: &str, name: &str) -> Result<(), StateError> {
    let place = Place {
        path: format!("{owner}: name"),
        ..Place::default()
    };
    if name.trim().is_empty() {
        return Err(StateError::Field {
            place,
            message: "the name is empty".to_owned(),
        });
    }
    if name.len() > NAME_MAX_BYTES {
        return Err(StateError::TextTooLong {
            bytes: name.len(),
            max: NAME_MAX_BYTES,
            place,
        });
    }
    Ok(())
}

/// Parses the state of a document of kind `kind`, and says as exactly as possible what is wrong.
pub(crate) fn parse_state<T: DeserializeOwned + Head>(
    bytes: &[u8],
    kind: &'static str,
    shape: &Shape,
) -> Result<T, StateError> {
    let parsed = json::parse_typed::<T>(bytes, &Bounds::STATE);
    let parsed = match parsed {
        Ok(parsed) => Ok(parsed),
        // The typed parser stops at the first fault. Look again, for the fault behind it.
        Err(JsonError::Field { place, message }) => {
            let Ok(value) = json::parse_bounded(bytes, &Bounds::STATE) else {
                return Err(StateError::Field { place, message });
            };
            let found = value.get("kind").and_then(Value::as_str).unwrap_or("");
            check_head(value.get("format").unwrap_or(&Value::Null), found, kind)?;
            if let Some((path, id)) = duplicate_id(&value, shape) {
                let place = json::locate(bytes, &path);
                return Err(StateError::DuplicateId { place, id });
            }
            Err(StateError::Field { place, message })
        }
        Err(error) => Err(error.into()),
    }?;
    let (format, found) = parsed.head();
    check_head(&format.into(), found, kind)?;
    Ok(parsed)
}

/// What every state says first.
pub(crate) trait Head {
    /// `format` and `kind`.
    fn head(&self) -> (u32, &str);
}

impl Head for ShardState {
    fn head(&self) -> (u32, &str) {
        (self.format, &self.kind)
    }
}

fn check_head(format: &Value, found: &str, kind: &'static str) -> Result<(), StateError> {
    if format.as_u64() != Some(u64::from(STATE_FORMAT)) {
        return Err(StateError::UnknownFormat {
            found: format.to_string(),
        });
    }
    if found != kind {
        return Err(StateError::WrongKind {
            expected: kind,
            found: found.to_owned(),
        });
    }
    Ok(())
}

/// Writes a state in the one form, unless it is too large, too deep or holds too long a text.
pub(crate) fn state_bytes<T: Serialize>(state: &T) -> Result<Vec<u8>, StateError> {
    let bytes = json::to_bytes(state).map_err(|error| StateError::Field {
        place: Place::default(),
        message: error.to_string(),
    })?;
    json::scan(&bytes, &Bounds::STATE)?;
    Ok(bytes)
}

impl From<JsonError> for StateError {
    fn from(error: JsonError) -> StateError {
        match error {
            JsonError::TooLarge { bytes, max } => StateError::TooLarge { bytes, max },
            JsonError::TooDeep { max, place } => StateError::TooDeep { max, place },
            JsonError::TextTooLong { bytes, max, place } => {
                StateError::TextTooLong { bytes, max, place }
            }
            JsonError::Syntax {
                place,
                message,
                truncated,
            } => StateError::NotJson {
                place,
                message,
                truncated,
            },
            JsonError::Field { place, message } => StateError::Field { place, message },
        }
    }
}

/// The path of the second of two entities with one id, and the id, if there are any.
pub(crate) fn duplicate_id(value: &Value, shape: &Shape) -> Option<(Vec<json::Step>, String)> {
    for (field, child) in value.as_object()? {
        let step = json::Step::Key(field.clone());
        let mut found = None;
        if let (Some(shape), Some(items)) = (shape.many(field), child.as_array()) {
            found = duplicate_among(items, shape);
        } else if let Some(shape) = shape.one(field) {
            found = duplicate_id(child, shape);
        }
        if let Some((mut path, id)) = found {
            path.insert(0, step);
            return Some((path, id));
        }
    }
    None
}

fn duplicate_among(items: &[Value], shape: &Shape) -> Option<(Vec<json::Step>, String)> {
    let mut seen = std::collections::BTreeSet::new();
    for (index, item) in items.iter().enumerate() {
        let id = item.get("id").and_then(Value::as_str);
        if let Some(id) = id.filter(|id| !seen.insert(*id)) {
            return Some((vec![json::Step::Index(index)], id.to_owned()));
        }
        if let Some((mut path, id)) = duplicate_id(item, shape) {
            path.insert(0, json::Step::Index(index));
            return Some((path, id));
        }
    }
    None
}

/// A whole listing: the organisation and all its services.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Listing {
    /// The organisation.
    pub organization: Organization,
    /// Its services, strands among them.
    #[serde(default)]
    pub services: Entities<Service>,
}

impl Listing {
    /// The union of shards. A service that stands in two of them (it was moved, and one of the two
    /// states is older) is taken from the shard with the lower number, everywhere alike.
    ///
    /// Returns `None` when no shard describes the organisation, as when shard 0 has not arrived.
    pub fn from_shards<'a, I>(shards: I) -> Option<Listing>
    where
        I: IntoIterator<Item = &'a ShardState>,
    {
        let ordered: BTreeMap<u16, &ShardState> = shards
            .into_iter()
            .map(|shard| (shard.shard, shard))
            .collect();
        let organization = ordered.get(&0)?.organization.clone()?;
        let services = ordered
            .values()
            .rev()
            .flat_map(|shard| shard.services.iter().cloned())
            .collect();
        Some(Listing {
            organization,
            services,
        })
    }

    /// The listing as one Open Referral file: the organisation with its `services`.
    ///
    /// # Errors
    /// None in practice; the type is serde's.
    pub fn to_export(&self) -> Result<Value, serde_json::Error> {
        let mut value = serde_json::to_value(&self.organization)?;
        if let Some(fields) = value.as_object_mut() {
            fields.insert("services".to_owned(), serde_json::to_value(&self.services)?);
        }
        Ok(value)
    }
}

#[cfg(test)]
mod tests;
