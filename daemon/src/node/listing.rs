//! Organisations and their listings: making, importing, editing, taking back.

use std::collections::BTreeMap;

use fingerpost_proto::api::{CreateOrg, Edited, Fields, History, HistoryItem, OrgInfo};
use fingerpost_proto::card::{Card, Identifier};
use fingerpost_proto::documents::OwnDocument;
use fingerpost_proto::ids::{DocKey, DocName, OrgId, RecordId};
use fingerpost_proto::limits;
use fingerpost_proto::listing::edit::{EditError, new_service, set_fields};
use fingerpost_proto::listing::secret::{CONFIDENTIAL, Concealed, conceal};
use fingerpost_proto::listing::shards::assign;
use fingerpost_proto::listing::{Changes, Listing, ShardState, apply_import, diff, parse_import};
use fingerpost_proto::replica::Replica;
use fingerpost_proto::signed::Carry;
use fingerpost_proto::storage::Storage;
use uuid::Uuid;

use super::documents::By;
use super::names::{card_of, org_ref};
use super::{Node, NodeError, lock};
use crate::keys::random;
use crate::store::SledStorage;

/// An organisation's own listing as it stands.
struct Current {
    documents: BTreeMap<u16, OwnDocument>,
    shards: BTreeMap<u16, ShardState>,
}

impl Current {
    fn listing(&self) -> Option<Listing> {
        Listing::from_shards(self.shards.values())
    }

    fn assignment(&self) -> BTreeMap<String, u16> {
        let of = |(shard, state): (&u16, &ShardState)| {
            state
                .services
                .ids()
                .map(|id| (id.to_owned(), *shard))
                .collect::<Vec<_>>()
        };
        self.shards.iter().flat_map(of).collect()
    }
}

/// How a file is imported.
#[derive(Debug, Clone, Copy, Default)]
pub struct Importing {
    /// Also remove the services that the file does not hold.
    pub replace: bool,
    /// Change nothing, and say what would change.
    pub dry_run: bool,
}

fn conceal_in(listing: &mut Listing) -> Vec<String> {
    conceal(listing).iter().map(Concealed::sentence).collect()
}

/// What people should know who mark a service confidential that has been published with its place.
const STILL_IN_HISTORY: &str = "What a service said of its place before is still in the history on your machines, which members keep \
     sealed; let go of it with: fingerpost erase --history";

/// Had a service a place in the published listing that is confidential now?
fn is_told(before: &Listing, after: &Listing) -> bool {
    after.services.iter().any(|service| {
        let told = before.services.get(&service.id);
        service.extra.get(CONFIDENTIAL).is_some()
            && told.is_some_and(|told| !told.service_at_locations.is_empty())
    })
}

fn too_large(error: impl std::fmt::Display) -> NodeError {
    NodeError::bad_input(
        format!("{error}; nothing was changed"),
        "shorten what the message names, or leave something out",
    )
}

fn identifier(text: &str) -> Result<Identifier, NodeError> {
    // `GB-CHC-1234567`: the register's code is what stands before the last hyphen.
    let parts = text.rsplit_once('-').filter(|(scheme, number)| {
        scheme.contains('-') && !number.is_empty() && text.len() <= limits::NAME_MAX_BYTES
    });
    let (scheme, number) = parts.ok_or_else(|| {
        NodeError::bad_input(
            format!("\"{text}\" is not an identifier of an organisation; nothing was made"),
            "write the register's code and the number, such as GB-CHC-1234567 for a charity in England and Wales",
        )
    })?;
    Ok(Identifier {
        scheme: scheme.to_owned(),
        identifier: number.to_owned(),
    })
}

impl Node {
    /// Makes an organisation: its root key, this node's delegation, and its card.
    ///
    /// # Errors
    /// [`NodeError`].
    pub fn create_org(&self, request: &CreateOrg, by: &By) -> Result<OrgInfo, NodeError> {
        let mut card = Card::new(request.name.trim());
        card.identifiers = request
            .identifiers
            .iter()
            .map(|text| identifier(text))
            .collect::<Result<_, _>>()?;
        card.check().map_err(|error| {
            NodeError::bad_input(
                format!("{error}; nothing was made"),
                "give it a name: --name \"Our name\"",
            )
        })?;
        let _edits = lock(&self.edits);
        let org = lock(&self.keys).create_org()?;
        let mut replica = self.replica();
        replica.add_own(org);
        let delegation = self.own_delegation(&replica, &org)?;
        card.delegations.push(Carry::new(&delegation));
        self.set_own_addresses(&mut card);
        let key = DocKey {
            org,
            name: DocName::Card,
        };
        self.publish_card(&mut replica, key, &card, "organisation created", by)?;
        self.released(replica, &[key])?;
        self.org_info(&org)
    }

    /// The organisations that this node holds.
    ///
    /// # Errors
    /// [`NodeError`].
    pub fn orgs(&self) -> Result<Vec<OrgInfo>, NodeError> {
        self.own_orgs()
            .iter()
            .map(|org| self.org_info(org))
            .collect()
    }

    pub(super) fn org_info(&self, org: &OrgId) -> Result<OrgInfo, NodeError> {
        let replica = self.replica();
        let card = card_of(&replica, org);
        let present = card.is_some();
        let (mut services, mut shards) = (0, 0);
        for key in replica
            .documents_of(org)
            .filter(|key| matches!(key.name, DocName::Listing(_)))
        {
            shards += 1;
            services += shard_of(&replica, &key).map_or(0, |state| state.services.len());
        }
        Ok(OrgInfo {
            id: *org,
            short: org.short(),
            name: card
                .as_ref()
                .map_or_else(|| org.short(), |card| card.name.clone()),
            identifiers: card.map(|card| card.identifiers).unwrap_or_default(),
            services,
            shards,
            role: self.own_role(org),
            root_key: lock(&self.keys).org(org).is_some(),
            current: replica.own().len() == 1 || self.current_org(&replica)? == Some(*org),
            present,
        })
    }

    /// Imports a listing file, or shows what that would change.
    ///
    /// # Errors
    /// [`NodeError`] with line and field; nothing is changed then.
    pub fn import(
        &self,
        org: &OrgId,
        file: &[u8],
        how: Importing,
        by: &By,
    ) -> Result<Edited, NodeError> {
        let import = parse_import(file).map_err(|error| {
            NodeError::bad_input(
                format!("{}; nothing was changed", error.message),
                error.hint,
            )
        })?;
        let mut notes = import.notes.clone();
        let edit = |current: Option<&Listing>| {
            let (listing, changes) = apply_import(current, &import, how.replace);
            if changes.other_organization() {
                return Err(NodeError::refused(
                    "this file is the listing of another organisation than the one that was imported before; nothing was changed",
                    "choose the right file; or make another organisation for it: fingerpost org create --name …",
                ));
            }
            Ok(listing)
        };
        let mut edited = match how.dry_run {
            true => self.try_edit(org, edit)?,
            false => self.edit_listing(org, by, "listing imported", edit)?,
        };
        notes.append(&mut edited.notes);
        edited.notes = notes;
        Ok(edited)
    }

    /// What an edit would change, and whether the listing could then be published. Nothing is changed.
    fn try_edit(
        &self,
        org: &OrgId,
        edit: impl FnOnce(Option<&Listing>) -> Result<Listing, NodeError>,
    ) -> Result<Edited, NodeError> {
        let current = self.current_listing(&self.replica(), org)?;
        let before = current.listing();
        let mut after = edit(before.as_ref())?;
        let notes = conceal_in(&mut after);
        assign(&after, &current.assignment()).map_err(too_large)?;
        let changes = match &before {
            Some(before) => diff(before, &after).with_details(before, &after),
            None => added(&after),
        };
        Ok(Edited {
            organisation: org_ref(&self.replica(), org),
            summary: changes.summary(),
            changes,
            records: Vec::new(),
            service: None,
            notes,
        })
    }

    /// Adds a service.
    ///
    /// # Errors
    /// [`NodeError`].
    pub fn add_service(&self, org: &OrgId, fields: &Fields, by: &By) -> Result<Edited, NodeError> {
        let id = new_id()?;
        let what = format!("service added: {id}");
        let mut edited = self.edit_listing(org, by, &what, |current| {
            let mut listing = self.listing_or_new(org, current);
            let service =
                new_service(&id, &listing.organization.id, &fields.fields).map_err(edit_error)?;
            listing.services.insert(service);
            Ok(listing)
        })?;
        edited.service = Some(id);
        Ok(edited)
    }

    /// Changes fields of a service.
    ///
    /// # Errors
    /// [`NodeError`].
    pub fn set_service(
        &self,
        org: &OrgId,
        id: &str,
        fields: &Fields,
        by: &By,
    ) -> Result<Edited, NodeError> {
        let names: Vec<&str> = fields
            .fields
            .iter()
            .map(|(name, _)| name.as_str())
            .collect();
        let what = format!("service {id}: {} set", names.join(", "));
        self.edit_listing(org, by, &what, |current| {
            let mut listing = current.cloned().ok_or_else(|| no_service(id))?;
            let service = listing.services.get_mut(id).ok_or_else(|| no_service(id))?;
            set_fields(service, &fields.fields).map_err(edit_error)?;
            Ok(listing)
        })
    }

    /// Removes a service.
    ///
    /// # Errors
    /// [`NodeError`].
    pub fn remove_service(&self, org: &OrgId, id: &str, by: &By) -> Result<Edited, NodeError> {
        self.edit_listing(org, by, &format!("service removed: {id}"), |current| {
            let mut listing = current.cloned().ok_or_else(|| no_service(id))?;
            listing.services.remove(id).ok_or_else(|| no_service(id))?;
            Ok(listing)
        })
    }

    /// A listing to add to; where there is none yet, an empty one of this organisation.
    fn listing_or_new(&self, org: &OrgId, current: Option<&Listing>) -> Listing {
        if let Some(listing) = current {
            return listing.clone();
        }
        let name = self.org_info(org).map(|info| info.name).unwrap_or_default();
        let id = Uuid::new_v5(&Uuid::NAMESPACE_URL, org.as_bytes()).to_string();
        let organization = serde_json::from_value(serde_json::json!({"id": id, "name": name}));
        Listing {
            organization: organization.unwrap_or_default(),
            services: Default::default(),
        }
    }

    fn current_listing(
        &self,
        replica: &Replica<SledStorage>,
        org: &OrgId,
    ) -> Result<Current, NodeError> {
        let mut current = Current {
            documents: BTreeMap::new(),
            shards: BTreeMap::new(),
        };
        let keys: Vec<DocKey> = replica.documents_of(org).collect();
        for key in keys {
            let DocName::Listing(shard) = key.name else {
                continue;
            };
            let document = self.own_document(replica, &key)?;
            let state: ShardState = document.get()?;
            current.shards.insert(shard, state);
            current.documents.insert(shard, document);
        }
        Ok(current)
    }

    /// Changes a listing as a whole and publishes the documents that changed.
    pub(super) fn edit_listing(
        &self,
        org: &OrgId,
        by: &By,
        what: &str,
        edit: impl FnOnce(Option<&Listing>) -> Result<Listing, NodeError>,
    ) -> Result<Edited, NodeError> {
        self.await_histories(org)?;
        let _edits = lock(&self.edits);
        // While the organisation is still to come back from the network, an edit would compete with it.
        self.own_card(&self.replica(), org)?;
        let current = self.current_listing(&self.replica(), org)?;
        let before = current.listing();
        let mut after = edit(before.as_ref())?;
        // Whatever the edit was: what would show a confidential place is written nowhere.
        let mut notes = conceal_in(&mut after);
        if before
            .as_ref()
            .is_some_and(|before| is_told(before, &after))
        {
            notes.push(STILL_IN_HISTORY.to_owned());
        }
        let changes = match &before {
            Some(before) => diff(before, &after),
            None => added(&after),
        };
        let summary = changes.summary();
        let records = match changes.is_empty() && before.is_some() {
            true => Vec::new(),
            false => {
                let shards = assign(&after, &current.assignment()).map_err(too_large)?;
                self.publish_shards(org, &current, &shards, &format!("{what}; {summary}"), by)?
            }
        };
        let organisation = org_ref(&self.replica(), org);
        Ok(Edited {
            organisation,
            changes,
            summary,
            records,
            service: None,
            notes,
        })
    }

    fn publish_shards(
        &self,
        org: &OrgId,
        current: &Current,
        shards: &BTreeMap<u16, ShardState>,
        what: &str,
        by: &By,
    ) -> Result<Vec<RecordId>, NodeError> {
        // A service that moves must be in its new shard before it leaves the old one.
        let grows = |shard: &u16, state: &ShardState| {
            current
                .shards
                .get(shard)
                .is_none_or(|old| old.services.len() <= state.services.len())
        };
        let (first, then): (Vec<_>, Vec<_>) = shards
            .iter()
            .partition(|(shard, state)| grows(shard, state));
        let changed = first
            .into_iter()
            .chain(then)
            .filter(|(shard, state)| current.shards.get(*shard) != Some(*state));
        let mut replica = self.replica();
        let (mut records, mut keys) = (Vec::new(), Vec::new());
        // A crash leaves all of an edit or nothing of it.
        replica.storage_mut().hold();
        let mut published = Ok(());
        for (shard, state) in changed {
            let key = DocKey {
                org: *org,
                name: DocName::Listing(*shard),
            };
            match self.publish_shard(&mut replica, key, state, what, by) {
                Ok(Some(record)) => {
                    records.push(record);
                    keys.push(key);
                }
                Ok(None) => {}
                Err(error) => {
                    published = Err(error);
                    break;
                }
            }
        }
        if keys.is_empty() {
            replica.storage_mut().flush()?;
        }
        // Also what came before a fault: the replica counts on it already.
        self.released(replica, &keys)?;
        published.map(|()| records)
    }

    fn publish_shard(
        &self,
        replica: &mut Replica<SledStorage>,
        key: DocKey,
        state: &ShardState,
        what: &str,
        by: &By,
    ) -> Result<Option<RecordId>, NodeError> {
        let bytes = state.to_bytes().map_err(|error| {
            NodeError::bad_input(error.to_string(), "shorten what the message names")
        })?;
        let content = serde_json::to_value(state).map_err(NodeError::internal)?;
        self.publish(replica, key, &content, bytes, what, by)
    }

    /// Who changed what and when, newest first.
    ///
    /// # Errors
    /// [`NodeError`].
    pub fn history(&self, org: &OrgId) -> Result<History, NodeError> {
        let replica = self.replica();
        let mut current = self.current_listing(&replica, org)?;
        let mut items: BTreeMap<String, HistoryItem> = BTreeMap::new();
        for (shard, document) in &mut current.documents {
            for entry in document.history() {
                let at_s = u64::try_from(entry.time_s).unwrap_or(0);
                let item = items
                    .entry(entry.operation.clone())
                    .or_insert_with(|| HistoryItem {
                        operation: entry.operation,
                        at_s,
                        who: entry.who,
                        what: entry.what,
                        documents: Vec::new(),
                    });
                item.at_s = item.at_s.max(at_s);
                let name = DocName::Listing(*shard).to_string();
                if !item.documents.contains(&name) {
                    item.documents.push(name);
                }
            }
        }
        let mut entries: Vec<HistoryItem> = items.into_values().collect();
        // Several operations may share a second; the order within a document breaks the tie.
        let order = order_of(&mut current);
        entries.sort_by_key(|item| {
            std::cmp::Reverse((item.at_s, order.get(&item.operation).copied()))
        });
        Ok(History {
            organisation: org_ref(&replica, org),
            entries,
        })
    }

    /// Whether an operation began the history of a document anew: there is nothing before it to go back to.
    fn history_begins_with(&self, operation: &str, org: &OrgId) -> Result<bool, NodeError> {
        let mut current = self.current_listing(&self.replica(), org)?;
        let mut documents = current.documents.values_mut();
        Ok(documents.any(|document| {
            document.generation() > 0
                && document.history().first().is_some_and(|first| {
                    first.operation == operation && first.heads_before.is_empty()
                })
        }))
    }

    /// Takes back the last operation, as a new change: nothing is removed from the history.
    ///
    /// # Errors
    /// [`NodeError`].
    pub fn undo(&self, org: &OrgId, by: &By) -> Result<Edited, NodeError> {
        let history = self.history(org)?;
        let last = history.entries.first().ok_or_else(|| {
            NodeError::not_found(
                "there is nothing to undo: this listing has no history yet",
                "fingerpost listing history shows what was changed",
            )
        })?;
        if self.history_begins_with(&last.operation, org)? {
            return Err(NodeError::not_found(
                "there is nothing to undo: the history of this listing begins there; nothing was changed",
                "fingerpost listing history shows what was changed since",
            ));
        }
        let operation = last.operation.clone();
        let what = format!(
            "undone: {}",
            last.what.split("; ").next().unwrap_or_default()
        );
        self.edit_listing(org, by, &what, |current| {
            let mut past = self.current_listing(&self.replica(), org)?;
            for (shard, document) in &mut past.documents {
                let touched: Vec<_> = document
                    .history()
                    .into_iter()
                    .filter(|e| e.operation == operation)
                    .collect();
                let Some(first) = touched.first() else {
                    continue;
                };
                let value = document.value_at(&first.heads_before)?;
                let state = match value.as_object().is_some_and(|fields| fields.is_empty()) {
                    true => ShardState::empty(*shard),
                    false => serde_json::from_value(value).map_err(NodeError::internal)?,
                };
                past.shards.insert(*shard, state);
            }
            // Before the first import there was no organisation: an empty listing keeps its name.
            Ok(past.listing().unwrap_or_else(|| Listing {
                organization: current
                    .map(|listing| listing.organization.clone())
                    .unwrap_or_default(),
                services: Default::default(),
            }))
        })
    }
}

/// For each operation, its latest position in any document's history.
fn order_of(current: &mut Current) -> BTreeMap<String, usize> {
    let mut order = BTreeMap::new();
    for document in current.documents.values_mut() {
        for (position, entry) in document.history().into_iter().enumerate() {
            let place = order.entry(entry.operation).or_insert(position);
            *place = (*place).max(position);
        }
    }
    order
}

/// A shard's state as this node shows it.
pub(super) fn shard_of(replica: &Replica<SledStorage>, key: &DocKey) -> Option<ShardState> {
    let DocName::Listing(shard) = key.name else {
        return None;
    };
    ShardState::parse(&replica.shown(key).ok()??.state, shard).ok()
}

/// The changes of a first import.
fn added(listing: &Listing) -> Changes {
    let nothing = Listing {
        organization: listing.organization.clone(),
        services: Default::default(),
    };
    diff(&nothing, listing)
}

pub(super) fn no_service(id: &str) -> NodeError {
    NodeError::not_found(
        format!("there is no service {id} in this organisation's listing; nothing was changed"),
        "fingerpost search finds services with their ids",
    )
}

fn edit_error(error: EditError) -> NodeError {
    NodeError::bad_input(
        format!("{error} (nothing was changed)"),
        "fields have the names of Open Referral, such as name, description, status, minimum_age",
    )
}

/// A new id for an entity: a UUID that nobody has drawn before.
pub(super) fn new_id() -> Result<String, NodeError> {
    Ok(Uuid::from_bytes(version_4(random()?)).to_string())
}

/// Random bytes as a UUID of version 4 (RFC 9562, section 5.4).
fn version_4(mut bytes: [u8; 16]) -> [u8; 16] {
    let [_, _, _, _, _, _, version, _, variant, ..] = &mut bytes;
    *version = (*version & 0x0f) | 0x40;
    *variant = (*variant & 0x3f) | 0x80;
    bytes
}
