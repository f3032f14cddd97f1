//! Updates that nobody should take: made from a real record, handed to a node, and refused.

use data_encoding::BASE64;
use fingerpost_proto::api::{Delivered, DeliveryOutcome, RecordItem, Records};
use fingerpost_proto::certificate::{self, Delegation, Role};
use fingerpost_proto::ids::{DocName, OrgId};
use fingerpost_proto::keys::SecretKey;
use fingerpost_proto::record::{self, Hash, Instance, Record, SignedRecord, Writer};
use fingerpost_proto::signed::Signed;

use crate::client::{Client, Target};
use crate::demo::failed;
use crate::demo::node::Node;
use crate::error::CliError;
use crate::output::words::now_s;

/// Seed of the key that the forger makes up; any will do that no organisation has delegated.
const FORGER_SEED: [u8; 32] = *b"a key that nobody has delegated.";

/// A record with its state, taken apart.
#[derive(Clone)]
pub(super) struct Original {
    item: RecordItem,
    record: SignedRecord,
    state: Vec<u8>,
}

/// What a forger tries, and what must come of it.
pub(super) struct Forgery {
    /// What was done, in words.
    pub(super) what: &'static str,
    /// What is handed over.
    item: RecordItem,
    /// Whether it must be refused; otherwise it must be recognised as old.
    must_be_refused: bool,
}

/// The published listing of an organisation, as a node hands it out: one record for each document.
///
/// # Errors
/// Any error of the node, or [`CliError::Demo`] when a record cannot be read.
pub(super) async fn export(client: &Client, org: OrgId) -> Result<Vec<Original>, CliError> {
    let target = Target::new(&["records"]).with("org", Some(org.to_string()));
    let records: Records = client.get(&target).await?;
    let mut originals = Vec::new();
    for item in records.items {
        let state = item.state.as_deref().unwrap_or_default();
        let record = SignedRecord::verified(&decode(&item.record)?)
            .map_err(|error| failed(format!("An exported record cannot be read: {error}.")))?;
        if matches!(record.get().document, DocName::Listing(_)) {
            originals.push(Original {
                state: decode(state)?,
                item,
                record,
            });
        }
    }
    Ok(originals)
}

fn decode(text: &str) -> Result<Vec<u8>, CliError> {
    BASE64
        .decode(text.as_bytes())
        .map_err(|error| failed(format!("An exported record is not in base64: {error}.")))
}

/// The original whose state holds `word`.
pub(super) fn holding<'a>(originals: &'a [Original], word: &str) -> Option<&'a Original> {
    originals
        .iter()
        .find(|one| position(&one.state, word).is_some())
}

/// The original of the same document in another export.
pub(super) fn of_same_document<'a>(
    originals: &'a [Original],
    original: &Original,
) -> Option<&'a Original> {
    originals
        .iter()
        .find(|one| one.record.get().key() == original.record.get().key())
}

fn position(state: &[u8], word: &str) -> Option<usize> {
    state
        .windows(word.len())
        .position(|window| window == word.as_bytes())
}

/// Makes forgeries of `current`, whose state holds `word`, and a replay of `older`.
///
/// # Errors
/// [`CliError::Demo`] when the export was not what it should be.
pub(super) fn forge(
    current: &Original,
    older: &Original,
    word: &str,
) -> Result<Vec<Forgery>, CliError> {
    if older.record.id() == current.record.id() {
        return Err(failed("The edits of node 1 left its record as it was."));
    }
    let state = altered(current, word)?;
    let bit_flipped = with_flipped_bit(current)?;
    let key = SecretKey::from_seed(&FORGER_SEED);
    let record = signed_by_forger(current, &state, &key)?;
    let signed = |delegation: Option<Vec<u8>>| RecordItem {
        record: BASE64.encode(&record),
        delegation: delegation.map(|bytes| BASE64.encode(&bytes)),
        state: Some(BASE64.encode(&state)),
    };
    let altered = RecordItem {
        state: Some(BASE64.encode(&state)),
        ..current.item.clone()
    };
    let forgery = |what, item| Forgery {
        what,
        item,
        must_be_refused: true,
    };
    Ok(vec![
        forgery("one letter of the listing changed on the way", altered),
        forgery("one bit of the signed record flipped", bit_flipped),
        forgery("a changed listing, signed with a made-up key", signed(None)),
        forgery(
            "the same, with a delegation that the forger wrote",
            signed(Some(forged_delegation(current, &key))),
        ),
        Forgery {
            what: "an older, genuine record of node 1 replayed",
            item: older.item.clone(),
            must_be_refused: false,
        },
    ])
}

/// The state with the first letter of `word` changed.
fn altered(original: &Original, word: &str) -> Result<Vec<u8>, CliError> {
    let mut state = original.state.clone();
    let at = position(&state, word);
    let letter = at.and_then(|at| state.get_mut(at));
    let letter = letter.ok_or_else(|| failed("The exported listing lacks the last edit."))?;
    *letter = if *letter == b'x' { b'y' } else { b'x' };
    Ok(state)
}

fn with_flipped_bit(original: &Original) -> Result<RecordItem, CliError> {
    let mut record = original.record.to_bytes();
    let last = record
        .last_mut()
        .ok_or_else(|| failed("An exported record is empty."))?;
    *last ^= 1;
    Ok(RecordItem {
        record: BASE64.encode(&record),
        ..original.item.clone()
    })
}

/// A record that claims to come after `original`, by a node that the forger made up.
fn signed_by_forger(
    original: &Original,
    state: &[u8],
    key: &SecretKey,
) -> Result<Vec<u8>, CliError> {
    let stated = original.record.get();
    let mut saw: Vec<_> = stated.clock().collect();
    saw.sort();
    let record = Record {
        format: record::FORMAT,
        org: stated.org,
        document: stated.document,
        writer: Writer {
            node: key.node_id(),
            instance: Instance(*b"madeup!!"),
        },
        seq: 1,
        saw,
        heads: Vec::new(),
        state_hash: Hash::of(state),
        state_bytes: u64::try_from(state.len()).unwrap_or(u64::MAX),
        issued_at_s: now_s(),
        generation: None,
    };
    SignedRecord::sign(record, key)
        .map(|signed| signed.to_bytes())
        .map_err(|error| failed(format!("The forgery could not be made: {error}.")))
}

/// A delegation that the organisation's root key never signed.
fn forged_delegation(original: &Original, key: &SecretKey) -> Vec<u8> {
    let delegation = Delegation {
        format: certificate::FORMAT,
        org: original.record.get().org,
        node: key.node_id(),
        role: Role::Admin,
        not_before_s: 0,
        not_after_s: None,
    };
    Signed::sign(delegation, key).to_bytes()
}

/// Hands a forgery to a node; the reason that it gives, a fixed name and words.
///
/// # Errors
/// [`CliError::Demo`] when the node takes it.
pub(super) async fn deliver(forgery: &Forgery, node: &Node) -> Result<(String, String), CliError> {
    let records = Records {
        items: vec![forgery.item.clone()],
    };
    let delivered: Delivered = node
        .client
        .post(&Target::new(&["records"]), &records)
        .await?;
    match (delivered.outcomes.first(), forgery.must_be_refused) {
        (Some(DeliveryOutcome::Refused { reason, message }), true) => {
            Ok((reason.clone(), message.clone()))
        }
        (Some(DeliveryOutcome::Dominated), false) => Ok((
            "dominated".to_owned(),
            "it is older than what is held".to_owned(),
        )),
        (outcome, _) => Err(failed(format!(
            "Node {} was handed a forgery ({}) and answered {outcome:?}.",
            node.number, forgery.what
        ))),
    }
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]
mod tests {
    use super::*;
    use fingerpost_proto::replica::Item;

    /// A record of a listing whose state is no valid listing: the forgeries fail before it matters.
    fn original(seq: u64, state: &str) -> Original {
        let root = SecretKey::from_seed(&[1; 32]);
        let node = SecretKey::from_seed(&[2; 32]);
        let record = Record {
            format: record::FORMAT,
            org: root.org_id(),
            document: DocName::Listing(0),
            writer: Writer {
                node: node.node_id(),
                instance: Instance([3; 8]),
            },
            seq,
            saw: Vec::new(),
            heads: Vec::new(),
            state_hash: Hash::of(state.as_bytes()),
            state_bytes: state.len() as u64,
            issued_at_s: 1,
            generation: None,
        };
        let record = SignedRecord::sign(record, &node).unwrap();
        let item = RecordItem {
            record: BASE64.encode(&record.to_bytes()),
            delegation: None,
            state: Some(BASE64.encode(state.as_bytes())),
        };
        Original {
            item,
            record,
            state: state.as_bytes().to_vec(),
        }
    }

    #[test]
    fn each_forgery_fails_for_its_own_reason() {
        let (older, current) = (
            original(1, "{\"a\":\"bulo\"}"),
            original(2, "{\"a\":\"zamiku\"}"),
        );
        let forgeries = forge(&current, &older, "zamiku").unwrap();
        let reason = |forgery: &Forgery| {
            let bytes = |text: &String| decode(text).unwrap();
            let item = Item::Record {
                record: bytes(&forgery.item.record),
                delegation: forgery.item.delegation.as_ref().map(bytes),
                state: forgery.item.state.as_ref().map(bytes),
            };
            item.check().unwrap_err().name()
        };
        let reasons: Vec<&str> = forgeries.iter().map(reason).collect();
        assert_eq!(reasons[..2], ["state_mismatch", "bad_signature"]);
        // Signed and hashed well by the forger: its state is read before anybody asks who that is.
        assert_eq!(reasons[2], "bad_listing");
        assert_eq!(reasons[3], "bad_delegation");
        assert!(!forgeries[4].must_be_refused);
        assert_eq!(forgeries[4].item, older.item);
    }

    #[test]
    fn a_record_that_was_not_edited_cannot_be_replayed() {
        let current = original(2, "{\"a\":\"zamiku\"}");
        assert!(forge(&current, &current, "zamiku").is_err());
        assert!(forge(&current, &original(1, "{}"), "absent").is_err());
        assert!(holding(std::slice::from_ref(&current), "zamiku").is_some());
        assert!(holding(&[current], "absent").is_none());
    }
}
