//! Signed records out of and into the node by hand: what a peer would send, as JSON.

use data_encoding::BASE64;
use fingerpost_proto::api::{Delivered, DeliveryOutcome, RecordItem, Records};
use fingerpost_proto::ids::{DocKey, DocName, OrgId};
use fingerpost_proto::replica::{Item, Outcome, Refusal};

use super::{Node, NodeError, now_s};

impl Node {
    /// The current records of an organisation, of all its documents or of one.
    ///
    /// # Errors
    /// [`NodeError`].
    pub fn export_records(&self, org: &str, document: Option<&str>) -> Result<Records, NodeError> {
        let org: OrgId = self.any_org(org)?;
        let only: Option<DocName> = document.map(str::parse).transpose().map_err(|error| {
            NodeError::bad_input(
                format!("{error}"),
                "documents are called card, board, listing/0, listing/1 and so on",
            )
        })?;
        let replica = self.replica();
        let keys: Vec<DocKey> = replica
            .documents_of(&org)
            .filter(|key| only.is_none_or(|name| key.name == name))
            .collect();
        let mut items = Vec::new();
        for key in keys {
            for item in replica.items(&key)? {
                if let Item::Record {
                    record,
                    delegation,
                    state,
                } = item
                {
                    items.push(RecordItem {
                        record: BASE64.encode(&record),
                        delegation: delegation.map(|bytes| BASE64.encode(&bytes)),
                        state: state.map(|bytes| BASE64.encode(&bytes)),
                    });
                }
            }
        }
        if items.is_empty() {
            return Err(NodeError::not_found(
                "this node holds no such record",
                "fingerpost status shows what it holds and what it lacks",
            ));
        }
        Ok(Records { items })
    }

    /// Takes in records from anywhere: each is checked like anything that a peer sends.
    ///
    /// # Errors
    /// [`NodeError`] only if the store fails; refusals are outcomes.
    pub fn import_records(&self, records: &Records) -> Result<Delivered, NodeError> {
        let mut outcomes = Vec::new();
        for item in &records.items {
            outcomes.push(self.import_record(item)?);
        }
        self.feed();
        Ok(Delivered { outcomes })
    }

    fn import_record(&self, item: &RecordItem) -> Result<DeliveryOutcome, NodeError> {
        let decode = |text: &String| BASE64.decode(text.trim().as_bytes());
        let parts = decode(&item.record).and_then(|record| {
            let delegation = item.delegation.as_ref().map(decode).transpose()?;
            let state = item.state.as_ref().map(decode).transpose()?;
            Ok(Item::Record {
                record,
                delegation,
                state,
            })
        });
        let refused = |refusal: &Refusal| {
            self.count_refusal(refusal.name());
            DeliveryOutcome::Refused {
                reason: refusal.name().into(),
                message: refusal.to_string(),
            }
        };
        let Ok(parts) = parts else {
            return Ok(DeliveryOutcome::Refused {
                reason: "malformed".into(),
                message: "not base64".into(),
            });
        };
        let outcome = match parts.check() {
            Ok(checked) => self.replica().receive(now_s(), checked)?,
            Err(refusal) => Outcome::Refused(refusal),
        };
        Ok(match outcome {
            Outcome::Accepted(_) => DeliveryOutcome::Accepted,
            Outcome::AlreadyKnown => DeliveryOutcome::AlreadyKnown,
            Outcome::Dominated => DeliveryOutcome::Dominated,
            Outcome::Refused(refusal) => refused(&refusal),
        })
    }
}
