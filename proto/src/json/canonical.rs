//! The one form in which we write JSON.

use serde::ser::{SerializeMap, SerializeSeq};
use serde::{Serialize, Serializer};
use serde_json::Value;

/// Writes anything serialisable in the one form: keys in byte order, no white space, UTF-8
/// unescaped.
///
/// # Errors
/// When `value` cannot be JSON: a map key that is not a text, a number that is not finite.
pub fn to_bytes<T: Serialize>(value: &T) -> Result<Vec<u8>, serde_json::Error> {
    value_to_bytes(&serde_json::to_value(value)?)
}

/// [`to_bytes`] for a value that is already plain.
///
/// # Errors
/// None in practice; the type is serde's.
pub fn value_to_bytes(value: &Value) -> Result<Vec<u8>, serde_json::Error> {
    serde_json::to_vec(&Sorted(value))
}

/// Serialises with sorted keys even where some crate in the build turns on serde_json's
/// `preserve_order`, which would silently change the bytes that nodes hash.
struct Sorted<'a>(&'a Value);

impl Serialize for Sorted<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Array(items) => {
                let mut sequence = serializer.serialize_seq(Some(items.len()))?;
                for item in items {
                    sequence.serialize_element(&Sorted(item))?;
                }
                sequence.end()
            }
            Value::Object(fields) => {
                let mut sorted: Vec<(&String, &Value)> = fields.iter().collect();
                sorted.sort_unstable_by_key(|(key, _)| *key);
                let mut map = serializer.serialize_map(Some(sorted.len()))?;
                for (key, field) in sorted {
                    map.serialize_entry(key, &Sorted(field))?;
                }
                map.end()
            }
            scalar => scalar.serialize(serializer),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn keys_are_sorted_and_text_is_not_escaped() {
        let value =
            json!({"b": [1, 1.0, -2, 18446744073709551615_u64], "a": {"z": "é\n", "Y": null}});
        assert_eq!(
            String::from_utf8(to_bytes(&value).unwrap()).unwrap(),
            r#"{"a":{"Y":null,"z":"é\n"},"b":[1,1.0,-2,18446744073709551615]}"#
        );
    }
}
