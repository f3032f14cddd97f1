//! What an organisation says on its own board about what others publish: signatures of their statements, and
//! whether the entries of their services are right.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};

use super::Notice;
use crate::json;
use crate::listing::entities::{Entity, Shape};
use crate::record::Hash;

/// Before what is hashed of a statement, so that the hash can mean nothing else.
const STATEMENT_DOMAIN: &[u8] = b"fingerpost/statement/1\0";

/// That an organisation stands behind a statement of another one, word for word.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Signature {
    /// The stable id, a UUID.
    pub id: String,
    /// Id of the organisation whose statement it is.
    pub organisation: String,
    /// Id of the notice.
    pub notice: String,
    /// [`text_hash`] of the wording that was signed. Once the statement says something else, the signature
    /// no longer counts.
    pub text_hash: String,
    /// Day on which it was signed, `YYYY-MM-DD`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub posted: Option<String>,
    /// Fields that this version does not know, carried as they came.
    #[serde(flatten, deserialize_with = "json::fields_without_nulls")]
    pub extra: Map<String, Value>,
}

/// What an organisation found when it used a service of another one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// The stable id, a UUID. An organisation says one thing of a service, so it follows from the two.
    pub id: String,
    /// Id of the organisation that publishes the service.
    pub organisation: String,
    /// Id of the service.
    pub service: String,
    /// Whether the entry is right.
    pub verdict: Verdict,
    /// What is wrong, such as "phone disconnected".
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Day on which it was written, `YYYY-MM-DD`.
    pub posted: String,
    /// The moment, in seconds since 1970-01-01 UTC: of a report and a confirmation on one day the later counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub posted_at_s: Option<u64>,
    /// Last day on which it counts, `YYYY-MM-DD`.
    pub expires: String,
    /// Fields that this version does not know, carried as they came.
    #[serde(flatten, deserialize_with = "json::fields_without_nulls")]
    pub extra: Map<String, Value>,
}

/// Whether the entry of a service is right.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// Something in it is wrong.
    Wrong,
    /// Somebody used the service, and the entry is right.
    Right,
    /// A word of a later version; it counts as neither.
    Other(String),
}

impl Verdict {
    /// The word that stands in the state.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Verdict::Wrong => "wrong",
            Verdict::Right => "right",
            Verdict::Other(word) => word,
        }
    }
}

impl Serialize for Verdict {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Verdict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let word = String::deserialize(deserializer)?;
        Ok(match word.as_str() {
            "wrong" => Verdict::Wrong,
            "right" => Verdict::Right,
            _ => Verdict::Other(word),
        })
    }
}

/// What a signature of a statement pins: the SHA-256 of its title and its text, in hexadecimal digits.
#[must_use]
pub fn text_hash(notice: &Notice) -> String {
    let title = notice.title.as_bytes();
    let text = notice.text.as_deref().unwrap_or_default().as_bytes();
    // The length stands before the title, so that nothing can be moved from one to the other.
    let length = (title.len() as u64).to_be_bytes();
    let bytes = [STATEMENT_DOMAIN, &length, title, text].concat();
    data_encoding::HEXLOWER.encode(&Hash::of(&bytes).0)
}

impl Entity for Signature {
    fn id(&self) -> &str {
        &self.id
    }

    fn shape() -> &'static Shape {
        static SHAPE: Shape = Shape {
            kind: "signature",
            required: &["organisation", "notice", "text_hash"],
            text: &["posted"],
            number: &[],
            loose: &[],
            many: &[],
            one: &[],
        };
        &SHAPE
    }
}

impl Entity for Report {
    fn id(&self) -> &str {
        &self.id
    }

    fn shape() -> &'static Shape {
        static SHAPE: Shape = Shape {
            kind: "report",
            required: &["organisation", "service", "verdict", "posted", "expires"],
            text: &["text"],
            number: &["posted_at_s"],
            loose: &[],
            many: &[],
            one: &[],
        };
        &SHAPE
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn statement(title: &str, text: Option<&str>) -> Notice {
        serde_json::from_value(json!({
            "id": "n", "kind": "statement", "title": title, "text": text, "expires": "2026-12-31",
        }))
        .unwrap()
    }

    #[test]
    fn the_hash_of_a_statement_follows_every_word_of_it_and_nothing_else() {
        let one = statement("One report", Some("accepted by every funder"));
        let mut extended = one.clone();
        extended.expires = "2027-12-31".into();
        extended.areas = vec!["London".into()];
        assert_eq!(text_hash(&one), text_hash(&extended));
        assert_eq!(text_hash(&one).len(), 64);
        for other in [
            statement("One report", Some("accepted by some funders")),
            statement("One reports", Some("accepted by every funder")),
            statement("One reporta", Some("ccepted by every funder")),
            statement("One report", None),
        ] {
            assert_ne!(text_hash(&one), text_hash(&other), "{other:?}");
        }
    }

    #[test]
    fn a_verdict_of_a_later_version_is_carried() {
        let report = json!({
            "id": "r", "organisation": "o", "service": "s", "verdict": "moved", "posted": "2026-11-27",
            "expires": "2026-12-31",
        });
        let read: Report = serde_json::from_value(report.clone()).unwrap();
        assert_eq!(read.verdict, Verdict::Other("moved".into()));
        assert_eq!(serde_json::to_value(&read).unwrap(), report);
    }
}
