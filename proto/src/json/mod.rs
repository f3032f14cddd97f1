//! Bounded JSON: what every JSON document passes on its way in, and the one form it has going out.
//!
//! Bytes from elsewhere are measured before they are parsed ([`scan`]): size, nesting and the
//! longest text are known without building anything, so a hostile document costs one pass over
//! its bytes. Only then does serde parse them, straight into the typed structure.
//!
//! Going out there is one form ([`to_bytes`]): no white space, keys in byte order. So equal values
//! are equal bytes on every node.

mod canonical;
mod place;
mod scan;

use std::fmt;

use serde::de::{DeserializeOwned, Deserializer, MapAccess, Visitor};
use serde_json::{Map, Value};
use thiserror::Error;

use crate::limits::{JSON_MAX_DEPTH, STATE_MAX_BYTES, TEXT_MAX_BYTES};

pub use canonical::{to_bytes, value_to_bytes};
pub(crate) use place::steps_of;
pub use place::{Place, Step, locate, path_at, path_text};
pub use scan::{check_depth, scan};

/// What a JSON document may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Most bytes of the whole document.
    pub max_bytes: usize,
    /// Most nested brackets.
    pub max_depth: usize,
    /// Most bytes of UTF-8 in one text, after escapes are resolved.
    pub max_text_bytes: usize,
}

impl Bounds {
    /// The bounds of a document's state, as it travels between organisations.
    pub const STATE: Bounds = Bounds {
        max_bytes: STATE_MAX_BYTES,
        max_depth: JSON_MAX_DEPTH,
        max_text_bytes: TEXT_MAX_BYTES,
    };
}

/// Why bytes were not accepted as JSON.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum JsonError {
    /// The document is larger than it may be.
    #[error("the document has {bytes} bytes; at most {max} are allowed")]
    TooLarge {
        /// Size of the document, in bytes.
        bytes: usize,
        /// The bound, in bytes.
        max: usize,
    },
    /// Brackets are nested deeper than they may be.
    #[error("{place}: brackets are nested more than {max} deep")]
    TooDeep {
        /// The bound, in levels.
        max: usize,
        /// Where the first bracket too many stands.
        place: Place,
    },
    /// One text is longer than it may be.
    #[error("{place}: this text has {bytes} bytes; at most {max} are allowed")]
    TextTooLong {
        /// Length of the text, in bytes of UTF-8.
        bytes: usize,
        /// The bound, in bytes.
        max: usize,
        /// Where the text begins.
        place: Place,
    },
    /// The bytes are not JSON.
    #[error("{place}: not JSON: {message}")]
    Syntax {
        /// Where the parser stopped.
        place: Place,
        /// What the parser found.
        message: String,
        /// The document ends before it is complete.
        truncated: bool,
    },
    /// The bytes are JSON, but a value is not what its field needs.
    #[error("{place}: {message}")]
    Field {
        /// Which field, and where it stands.
        place: Place,
        /// What is wrong with it.
        message: String,
    },
}

/// Parses bytes into `T` after measuring them against `bounds`.
///
/// # Errors
/// [`JsonError`], with line, column and field path wherever there is one.
pub fn parse_typed<T: DeserializeOwned>(bytes: &[u8], bounds: &Bounds) -> Result<T, JsonError> {
    scan(bytes, bounds)?;
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let value = match serde_path_to_error::deserialize(&mut deserializer) {
        Ok(value) => value,
        Err(error) => {
            let path = steps_of(error.path());
            return Err(classify(error.inner(), path_text(&path)));
        }
    };
    deserializer
        .end()
        .map_err(|error| classify(&error, String::new()))?;
    Ok(value)
}

/// Parses bytes into a plain value after measuring them against `bounds`. Explicit nulls stay.
///
/// # Errors
/// [`JsonError`], as [`parse_typed`].
pub fn parse_bounded(bytes: &[u8], bounds: &Bounds) -> Result<Value, JsonError> {
    parse_typed(bytes, bounds)
}

fn classify(error: &serde_json::Error, path: String) -> JsonError {
    let place = Place {
        line: error.line(),
        column: error.column(),
        path,
    };
    let message = message_without_place(error);
    match error.classify() {
        serde_json::error::Category::Data => JsonError::Field { place, message },
        serde_json::error::Category::Eof => JsonError::Syntax {
            place,
            message,
            truncated: true,
        },
        _ => JsonError::Syntax {
            place,
            message,
            truncated: false,
        },
    }
}

/// serde_json ends its messages with the place, which we already show in our own words.
pub(crate) fn message_without_place(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let suffix = format!(" at line {} column {}", error.line(), error.column());
    text.strip_suffix(&suffix).unwrap_or(&text).to_owned()
}

/// Removes every object field whose value is null: in Fingerpost an explicit null means absent.
/// Nulls that stand in arrays are values and stay.
pub fn strip_nulls(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.retain(|_, field| !field.is_null());
            map.values_mut().for_each(strip_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(strip_nulls),
        _ => {}
    }
}

/// For `#[serde(flatten, deserialize_with)]`: collects the fields that a struct does not know,
/// without the null ones.
///
/// # Errors
/// Whatever the deserializer reports.
pub fn fields_without_nulls<'de, D>(deserializer: D) -> Result<Map<String, Value>, D::Error>
where
    D: Deserializer<'de>,
{
    struct Fields;
    impl<'de> Visitor<'de> for Fields {
        type Value = Map<String, Value>;

        fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            formatter.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut fields = Map::new();
            while let Some((key, mut value)) = map.next_entry::<String, Value>()? {
                if !value.is_null() {
                    strip_nulls(&mut value);
                    fields.insert(key, value);
                }
            }
            Ok(fields)
        }
    }
    deserializer.deserialize_map(Fields)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const SMALL: Bounds = Bounds {
        max_bytes: 200,
        max_depth: 3,
        max_text_bytes: 5,
    };

    #[test]
    fn a_document_over_a_bound_is_refused_with_its_place() {
        let large = vec![b' '; 201];
        assert!(matches!(
            parse_bounded(&large, &SMALL),
            Err(JsonError::TooLarge {
                bytes: 201,
                max: 200
            })
        ));
        let deep = parse_bounded(b"{\"a\":\n [[[1]]]}", &SMALL).unwrap_err();
        let JsonError::TooDeep { place, .. } = deep else {
            panic!("{deep}")
        };
        assert_eq!((place.line, place.column), (2, 4));
        assert_eq!(place.path, "a[0][0]");
        let long = parse_bounded(b"{\"a\":[\"ok\",\"123456\"]}", &SMALL).unwrap_err();
        let JsonError::TextTooLong { bytes, place, .. } = long else {
            panic!("{long}")
        };
        assert_eq!((bytes, place.path.as_str()), (6, "a[1]"));
    }

    #[test]
    fn text_length_counts_what_the_text_says_not_how_it_is_escaped() {
        // Five bytes each: plain, as an escaped e-acute and three letters, as a surrogate pair and one.
        for text in ["12345", r"\u00e9abc", r"\ud83d\ude00x", r"\n\t\\\u0041x"] {
            let document = format!("[\"{text}\"]");
            assert!(parse_bounded(document.as_bytes(), &SMALL).is_ok(), "{text}");
            let longer = format!("[\"{text}y\"]");
            assert!(
                matches!(
                    parse_bounded(longer.as_bytes(), &SMALL),
                    Err(JsonError::TextTooLong { bytes: 6, .. })
                ),
                "{text}"
            );
        }
    }

    #[test]
    fn a_truncated_document_and_a_broken_one_are_told_apart() {
        let cut = parse_bounded(b"{\"a\": [1, 2", &SMALL).unwrap_err();
        assert!(matches!(
            cut,
            JsonError::Syntax {
                truncated: true,
                ..
            }
        ));
        let broken = parse_bounded(b"{\"a\":\n nope}", &SMALL).unwrap_err();
        let JsonError::Syntax {
            place,
            truncated: false,
            ..
        } = broken
        else {
            panic!("{broken}")
        };
        assert_eq!(place.line, 2);
        assert!(parse_bounded(b"{} {}", &SMALL).is_err());
        assert!(parse_bounded(b"", &SMALL).is_err());
        assert!(parse_bounded(b"[\"\xff\"]", &SMALL).is_err());
    }

    #[test]
    fn nulls_go_from_objects_and_stay_in_arrays() {
        let mut value = json!({"a": null, "b": {"c": null, "d": [null, {"e": null}]}});
        strip_nulls(&mut value);
        assert_eq!(value, json!({"b": {"d": [null, {}]}}));
    }
}
