//! What siblings wrote differently at one time, and what people choose.

use fingerpost_proto::api::{ConflictInfo, ConflictValue, Conflicts, Edited, Resolve, Unmerged};
use fingerpost_proto::documents::Conflict;
use fingerpost_proto::ids::{DocKey, DocName, OrgId, RecordId};
use fingerpost_proto::listing::Changes;
use fingerpost_proto::record::Hash;
use fingerpost_proto::storage::{Storage, Table};

use super::documents::{By, state_of};
use super::names::org_ref;
use super::siblings::conceal_merged;
use super::{Node, NodeError, lock, now_s};

impl Node {
    /// What siblings wrote differently at one time, and what of theirs is not merged.
    ///
    /// # Errors
    /// [`NodeError`].
    pub fn conflicts(&self, org: &OrgId) -> Result<Conflicts, NodeError> {
        let replica = self.replica();
        let (mut conflicts, mut unmerged) = (Vec::new(), Vec::new());
        let keys: Vec<DocKey> = replica.documents_of(org).collect();
        for key in keys {
            let lacking = replica.unmerged(&key)?;
            unmerged.extend(lacking.iter().map(|it| Unmerged {
                document: key.name,
                node: it.node,
                issued_at_s: it.issued_at_s,
                reason: self.why_unmerged(&key, &it.id, it.sealed),
            }));
            if replica
                .storage()
                .get(Table::Own, &key.to_bytes())?
                .is_none()
            {
                continue;
            }
            let mut document = self.own_document(&replica, &key)?;
            let value = document.value()?;
            for conflict in document.conflicts()? {
                conflicts.push(told(key.name, &value, conflict));
            }
        }
        Ok(Conflicts {
            organisation: org_ref(&replica, org),
            conflicts,
            unmerged,
        })
    }

    fn why_unmerged(&self, key: &DocKey, record: &RecordId, sealed: bool) -> String {
        match lock(&self.given_up).get(&(*key, *record)) {
            Some(reason) => reason.clone(),
            None if sealed => "it is just being merged".into(),
            None => {
                "the history behind it has not arrived: an exchange with a member brings it".into()
            }
        }
    }

    /// Ends a conflict as a person chose, and publishes that.
    ///
    /// # Errors
    /// [`NodeError`].
    pub fn resolve(&self, org: &OrgId, request: &Resolve, by: &By) -> Result<Edited, NodeError> {
        let _edits = lock(&self.edits);
        let mut replica = self.replica();
        let keys: Vec<DocKey> = replica.documents_of(org).collect();
        for key in keys {
            if replica
                .storage()
                .get(Table::Own, &key.to_bytes())?
                .is_none()
            {
                continue;
            }
            let mut document = self.own_document(&replica, &key)?;
            let conflicts = document.conflicts()?;
            let wanted = conflicts
                .iter()
                .find(|conflict| conflict_id(key.name, conflict) == request.id.trim());
            let Some(conflict) = wanted else { continue };
            let field = field_of(&conflict.path);
            let index = request.keep.wrapping_sub(1);
            if conflict.values.get(index).is_none() {
                return Err(NodeError::bad_input(
                    format!(
                        "{field} has {} values, and {} names none of them; nothing was changed",
                        conflict.values.len(),
                        request.keep
                    ),
                    "fingerpost conflicts shows them with their numbers, from 1",
                ));
            }
            let about = about(key.name, &document.value()?, &conflict.path);
            let summary = format!("conflict resolved: {field} of {about}");
            let note = by.note(&summary);
            document.resolve(conflict, index, &note, i64::try_from(now_s()).unwrap_or(0))?;
            let state = state_of(key.name, &document.value()?)?;
            let state = conceal_merged(&mut document, key.name, state)?;
            let contains = self.contained_by_own(&replica, &key)?;
            let record =
                self.publish_document(&mut replica, key, &mut document, state, contains)?;
            let organisation = org_ref(&replica, org);
            self.released(replica, &[key])?;
            return Ok(Edited {
                organisation,
                changes: Changes::default(),
                summary,
                records: vec![record],
                service: None,
                notes: Vec::new(),
            });
        }
        Err(NodeError::not_found(
            format!(
                "no conflict is called {}; it may have been resolved on another node. Nothing was changed",
                request.id
            ),
            "fingerpost conflicts shows those that there are",
        ))
    }
}

fn told(document: DocName, value: &serde_json::Value, conflict: Conflict) -> ConflictInfo {
    ConflictInfo {
        id: conflict_id(document, &conflict),
        document,
        about: about(document, value, &conflict.path),
        field: field_of(&conflict.path),
        values: conflict
            .values
            .into_iter()
            .map(|it| ConflictValue {
                value: it.value,
                who: it.who,
                at_s: u64::try_from(it.time_s).unwrap_or(0),
            })
            .collect(),
    }
}

/// The field for people: what leads to it from the service, or from the document where it is in none. Of what
/// has an id, the kind is enough.
fn field_of(path: &[String]) -> String {
    let within = match path {
        [_, _, field, ..] if !field.is_empty() => path.get(2..).unwrap_or(path),
        _ => path,
    };
    let is_id = |part: &&String| uuid::Uuid::parse_str(part).is_err();
    let words: Vec<&str> = within.iter().filter(is_id).map(String::as_str).collect();
    words.join("/")
}

/// Ten hexadecimal digits over the place and the values, which are the same on every node.
fn conflict_id(document: DocName, conflict: &Conflict) -> String {
    let mut parts = vec![document.to_string(), conflict.path.join("/")];
    let mut values: Vec<String> = conflict
        .values
        .iter()
        .map(|it| it.value.to_string())
        .collect();
    values.sort();
    parts.extend(values);
    let hash = Hash::of(parts.join("\0").as_bytes()).0;
    let head = hash.first_chunk::<5>().copied().unwrap_or_default();
    data_encoding::HEXLOWER.encode(&head)
}

/// What a conflict is about, for people: the name of the service it is in, or of the document.
fn about(document: DocName, value: &serde_json::Value, path: &[String]) -> String {
    let named = match path {
        [collection, id, ..] => value
            .get(collection)
            .and_then(|entities| entities.as_array())
            .and_then(|entities| {
                entities
                    .iter()
                    .find(|it| it.get("id").is_some_and(|it| it == id))
            })
            .and_then(|entity| entity.get("name")?.as_str()),
        _ => None,
    };
    match (named, document) {
        (Some(name), _) => name.to_owned(),
        (None, DocName::Card) => "the card".into(),
        (None, DocName::Board) => "the board".into(),
        (None, DocName::Listing(_)) => "the listing".into(),
    }
}
