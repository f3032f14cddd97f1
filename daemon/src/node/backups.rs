//! Making backups, and looking into them.

use std::collections::BTreeMap;
use std::sync::Arc;

use fingerpost_proto::api::{BackedUp, BackupContents, BackupFile, MakeBackup, OrgRef, UseBackup};
use fingerpost_proto::card::Card;
use fingerpost_proto::ids::{DocKey, DocName, NetworkId, NodeId, OrgId};
use fingerpost_proto::listing::ShardState;
use fingerpost_proto::replica::{Item, Replica};
use fingerpost_proto::roster::Place;
use fingerpost_proto::storage::{Storage, Table};
use zeroize::Zeroizing;

use super::names::{card_of, org_ref};
use super::tasks::{Kind, Task, task};
use super::{Node, NodeError, lock, now_s};
use crate::backup::{Backup, BackupError, Document, Organisation};
use crate::keys::random;
use crate::merge::{Answer, MergeError, Request};
use crate::sealing::SealError;
use crate::store::SledStorage;

/// Most cards of other members in a backup, and most bytes of them. The rest comes from whoever of these answers.
const CARDS_MAX: usize = 256;
const CARDS_MAX_BYTES: usize = 16 * 1024 * 1024;

pub(super) fn failure(error: &BackupError) -> NodeError {
    NodeError::bad_input(
        format!("{error}; nothing was changed"),
        match error {
            BackupError::ShortPassphrase => "some unrelated words make a good one",
            BackupError::TooLarge(_) => {
                "make one backup for each organisation: fingerpost backup --org ORG FILE"
            }
            BackupError::Newer => "install the newer version on this machine first",
            BackupError::Sealed(SealError::WrongPassphrase) => {
                "give the passphrase that this very backup was made with; older backups may have had another"
            }
            _ => {
                "use another copy of the file: this one was cut off, changed, or is something else"
            }
        },
    )
}

impl Node {
    /// Everything that brings this node's organisations back, or one of them, as it is at one moment.
    ///
    /// # Errors
    /// [`NodeError`].
    pub fn backup(&self, org: Option<&str>, request: MakeBackup) -> Result<BackupFile, NodeError> {
        let passphrase = Zeroizing::new(request.passphrase);
        let orgs = match org {
            Some(_) => vec![self.own_org(org)?],
            None => self.own_orgs(),
        };
        if orgs.is_empty() {
            return Err(NodeError::refused(
                "this node holds no organisation, so there is nothing to back up; no file was written",
                "create one: fingerpost org create --name NAME",
            ));
        }
        let backup = self.gather(&orgs)?;
        Ok(BackupFile {
            file: backup
                .to_file(passphrase)
                .map_err(|error| failure(&error))?,
            contents: contents(&backup),
        })
    }

    /// What a backup holds, after everything in it was checked: every signature and hash, and that every
    /// document can be read.
    ///
    /// # Errors
    /// [`NodeError`].
    pub async fn check_backup(
        self: &Arc<Self>,
        request: UseBackup,
    ) -> Result<BackupContents, NodeError> {
        let backup = self.apart(move |_| read(request)).await?;
        self.read_histories(&backup).await?;
        Ok(contents(&backup))
    }

    /// The documents of a backup with their histories, each read and written anew by a worker: whoever knows the
    /// passphrase could have put anything there.
    pub(super) async fn read_histories(
        &self,
        backup: &Backup,
    ) -> Result<BTreeMap<DocKey, Answer>, NodeError> {
        let worker = lock(&self.merge_worker).clone();
        let mut histories = BTreeMap::new();
        for org in &backup.organisations {
            for document in &org.documents {
                let Some(own) = &document.own else { continue };
                let request = Request {
                    own: Vec::new(),
                    sibling: own.clone(),
                    actor: random()?,
                    now_s: now_s(),
                };
                let answer = worker.merge(&request).await.map_err(|error| match error {
                    MergeError::Start(_) | MergeError::Overdue => NodeError::internal(error),
                    MergeError::TooLarge | MergeError::Refused => {
                        failure(&BackupError::Unsound("a document"))
                    }
                })?;
                histories.insert(key_of(org, document), answer);
            }
        }
        Ok(histories)
    }

    fn gather(&self, orgs: &[OrgId]) -> Result<Backup, NodeError> {
        let settings = std::fs::read_to_string(self.home.config()).ok();
        let nodes: Vec<(NodeId, Vec<String>)> =
            lock(&self.rescue).nodes().clone().into_iter().collect();
        // The lock makes it one moment: whatever is written is written under it.
        let mut replica = self.replica();
        let mut organisations = Vec::new();
        for org in orgs {
            organisations.push(self.gather_org(&replica, org)?);
        }
        let active = replica.networks().filter(|(id, _)| replica.is_active(id));
        let charters = active.map(|(_, charter)| charter.to_bytes().into());
        Ok(Backup {
            made_at_s: now_s(),
            node: self.id(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            settings,
            organisations,
            charters: charters.collect(),
            cards: other_cards(&mut replica, &nodes)?,
            nodes,
            blocked: replica.blocked().iter().copied().collect(),
            current: self.current_org(&replica)?,
        })
    }

    fn gather_org(
        &self,
        replica: &Replica<SledStorage>,
        org: &OrgId,
    ) -> Result<Organisation, NodeError> {
        let restoring = task(replica, Kind::Restore, org)?;
        let coming = matches!(restoring, Some(Task::Restore(task)) if !task.complete);
        if coming || card_of(replica, org).is_none() {
            return Err(NodeError::refused(
                format!(
                    "{} is still coming back from its peers, and a backup would lack what is not here yet; no file was written",
                    org_ref(replica, org).name
                ),
                "try again when fingerpost status no longer says so",
            ));
        }
        let mut documents = Vec::new();
        for key in replica.documents_of(org) {
            documents.push(Document {
                name: key.name,
                items: replica.items(&key)?,
                own: replica.storage().get(Table::Own, &key.to_bytes())?,
                contained: replica.contained(&key)?,
            });
        }
        let keys = lock(&self.keys);
        Ok(Organisation {
            org: *org,
            root: keys.org(org).map(|key| key.to_seed()),
            delegation: keys.delegation(org).map(|it| it.to_bytes().into()),
            documents,
            statements: statements(replica, org)?,
        })
    }
}

/// Reads a backup, and checks what can be checked without starting a worker.
pub(super) fn read(request: UseBackup) -> Result<Backup, NodeError> {
    let passphrase = Zeroizing::new(request.passphrase);
    Backup::from_file(&request.file, passphrase).map_err(|error| failure(&error))
}

/// The departures and the amendments of an organisation.
fn statements(replica: &Replica<SledStorage>, org: &OrgId) -> Result<Vec<Item>, NodeError> {
    let networks: Vec<NetworkId> = replica.networks().map(|(id, _)| id).collect();
    let mut found = Vec::new();
    for network in networks {
        found.extend(replica.departure_item(&network, org)?);
        for (id, amendment) in replica.amendments(&network)? {
            if amendment.get().proposer == *org {
                found.extend(replica.amendment_item(&network, &id)?);
            }
        }
    }
    Ok(found)
}

/// The cards of other members, those of nodes that were in touch first, as many as a backup carries.
fn other_cards(
    replica: &mut Replica<SledStorage>,
    nodes: &[(NodeId, Vec<String>)],
) -> Result<Vec<Item>, NodeError> {
    let mut orgs = Vec::new();
    for (node, _) in nodes {
        orgs.extend(replica.orgs_of_node(node)?);
    }
    orgs.extend(replica.organisations());
    let mut seen = replica.own().clone();
    let (mut cards, mut left_bytes) = (Vec::new(), CARDS_MAX_BYTES);
    for org in orgs {
        if !seen.insert(org) || replica.place(&org) != Some(Place::Member) {
            continue;
        }
        let name = DocName::Card;
        for item in replica.items(&DocKey { org, name })? {
            match left_bytes.checked_sub(item.size_bytes()) {
                Some(left) if cards.len() < CARDS_MAX => {
                    left_bytes = left;
                    cards.push(item);
                }
                _ => return Ok(cards),
            }
        }
    }
    Ok(cards)
}

/// What a backup holds, in words and numbers.
pub(super) fn contents(backup: &Backup) -> BackupContents {
    let charters = backup.charters();
    BackupContents {
        made_at_s: backup.made_at_s,
        node: backup.node,
        version: backup.version.clone(),
        organisations: backup.organisations.iter().map(backed_up).collect(),
        networks: charters.into_iter().map(|charter| charter.name).collect(),
        settings: backup.settings.is_some(),
    }
}

fn backed_up(org: &Organisation) -> BackedUp {
    let (mut name, mut services) = (org.org.short(), 0);
    for document in &org.documents {
        let state = document.items.iter().find_map(|item| match item {
            Item::Record { state, .. } => state.as_deref(),
            _ => None,
        });
        match (document.name, state) {
            (DocName::Card, Some(state)) => {
                if let Ok(card) = Card::parse(state) {
                    name = card.name;
                }
            }
            (DocName::Listing(shard), Some(state)) => {
                services += ShardState::parse(state, shard).map_or(0, |it| it.services.len());
            }
            _ => {}
        }
    }
    BackedUp {
        organisation: OrgRef { id: org.org, name },
        root_key: org.root.is_some(),
        documents: org.documents.len(),
        services,
    }
}

/// The key of a document in a backup.
pub(super) fn key_of(org: &Organisation, document: &Document) -> DocKey {
    DocKey {
        org: org.org,
        name: document.name,
    }
}
