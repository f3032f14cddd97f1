//! Root keys out of and into the node: words for paper, files for a drawer.

use fingerpost_proto::api::{ExportKey, KeptKey, KeyFile, KeyWords, OrgInfo};
use fingerpost_proto::ids::OrgId;
use fingerpost_proto::keys::SecretKey;
use zeroize::Zeroizing;

use super::names::org_ref;
use super::{Node, NodeError, lock};
use crate::keys::{BackupError, read_kept, to_file, to_words};

fn failure(error: &BackupError) -> NodeError {
    NodeError::bad_input(
        format!("{error}; nothing was changed"),
        match error {
            BackupError::WordCount(_) => {
                "type the words of the paper in their order, with spaces between them"
            }
            BackupError::UnknownWord(_) | BackupError::Checksum => {
                "the words are short and plain English; fingerpost key print on a node that holds the key shows them again"
            }
            BackupError::ShortPassphrase => "some unrelated words make a good one",
            BackupError::Sealed(_) | BackupError::NoKey => {
                "give the whole file that fingerpost key export wrote, and the passphrase it was given"
            }
        },
    )
}

/// The root key that somebody kept.
pub(super) fn kept_key(kept: KeptKey) -> Result<SecretKey, NodeError> {
    read_kept(kept).map_err(|error| failure(&error))
}

impl Node {
    /// An organisation's root key as a file that a passphrase protects.
    ///
    /// # Errors
    /// [`NodeError`].
    pub fn export_key(&self, org: &OrgId, request: ExportKey) -> Result<KeyFile, NodeError> {
        let root = self.root_key(org)?;
        let passphrase = Zeroizing::new(request.passphrase);
        Ok(KeyFile {
            organisation: org_ref(&self.replica(), org),
            file: to_file(&root, passphrase).map_err(|error| failure(&error))?,
        })
    }

    /// An organisation's root key as words for paper.
    ///
    /// # Errors
    /// [`NodeError`].
    pub fn key_words(&self, org: &OrgId) -> Result<KeyWords, NodeError> {
        let root = self.root_key(org)?;
        Ok(KeyWords {
            organisation: org_ref(&self.replica(), org),
            words: to_words(&root).map_err(|error| failure(&error))?,
        })
    }

    /// Brings an organisation's root key to this node.
    ///
    /// # Errors
    /// [`NodeError`]; a key that is here already is refused as such.
    pub fn import_key(&self, kept: KeptKey) -> Result<OrgInfo, NodeError> {
        let key = kept_key(kept)?;
        let org = key.org_id();
        if lock(&self.keys).org(&org).is_some() {
            let name = org_ref(&self.replica(), &org).name;
            return Err(NodeError::refused(
                format!("the key of {name} is here already; nothing was changed"),
                "fingerpost org list shows the organisations of this node",
            ));
        }
        self.check_not_revoked(&org)?;
        self.take_root_key(key)?;
        self.tend_soon();
        self.org_info(&org)
    }

    /// Refuses to begin anything with an organisation that has revoked this node.
    pub(super) fn check_not_revoked(&self, org: &OrgId) -> Result<(), NodeError> {
        if self.replica().revocations(org, &self.id())?.is_empty() {
            return Ok(());
        }
        Err(NodeError::refused(
            "the organisation has revoked this node, and what it writes counts for nobody; nothing was changed",
            "move the home directory of this node away and start it anew: it gets a new id, which can be added",
        ))
    }

    /// Keeps a root key, and writes for its organisation from now on.
    pub(super) fn take_root_key(&self, key: SecretKey) -> Result<(), NodeError> {
        let org = key.org_id();
        lock(&self.keys).add_org(key)?;
        self.replica().add_own(org);
        Ok(())
    }
}
