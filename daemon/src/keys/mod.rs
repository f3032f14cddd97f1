//! The secret keys of a node: one file each, outside the database, readable by their owner alone.
//!
//! `keys/node.key` is the device key; `keys/<org id>.key` the root key of each organisation that this node
//! holds; `keys/<org id>.delegation` what an organisation lets this node write, where that was signed
//! elsewhere. A key file is one line: a fixed word, the kind, and the seed in base64url. What is used no longer
//! moves to `keys/former/`. Keys are never logged.

mod backup;
mod files;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use fingerpost_proto::certificate::Delegation;
use fingerpost_proto::ids::OrgId;
use fingerpost_proto::keys::SecretKey;
use fingerpost_proto::signed::Signed;
use zeroize::Zeroizing;

pub use backup::{BackupError, KEY_WORDS, read_kept, to_file, to_words};
use files::{io_error, read, read_delegation, write, write_delegation};

/// The directory of what is used no longer, beside the keys.
const FORMER: &str = "former";

/// Why the keys cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// A file could not be read or written.
    #[error("the key file {path} could not be {what}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// `read` or `written`.
        what: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file is not a key.
    #[error(
        "{0} is not a key of this program; nothing was changed. Put back the file from a copy, or move it away"
    )]
    NotAKey(PathBuf),
    /// Others can read a key.
    #[error(
        "other users of this machine can read the key {path} (mode {mode:o}); nothing was changed. \
         If they may have read it, replace the key; then: chmod 600 {path}"
    )]
    TooOpen {
        /// The file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// A file is no delegation of this node.
    #[error(
        "{0} is not a delegation of this node; nothing was changed. Put back the file from a copy, or move it away"
    )]
    NotADelegation(PathBuf),
    /// The system has no randomness to give.
    #[error("the system gave no random bytes: {0}")]
    Entropy(getrandom::Error),
}

/// The keys of this node.
#[derive(Debug)]
pub struct Keys {
    dir: PathBuf,
    node: SecretKey,
    orgs: BTreeMap<OrgId, SecretKey>,
    delegations: BTreeMap<OrgId, Signed<Delegation>>,
}

/// Random bytes from the system.
///
/// # Errors
/// [`KeyError::Entropy`].
pub fn random<const N: usize>() -> Result<[u8; N], KeyError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(KeyError::Entropy)?;
    Ok(bytes)
}

/// A fresh secret key.
///
/// # Errors
/// [`KeyError::Entropy`].
pub fn fresh_key() -> Result<SecretKey, KeyError> {
    let seed = Zeroizing::new(random()?);
    Ok(SecretKey::from_seed(&seed))
}

impl Keys {
    /// Reads all keys in `dir`, making the node's own on the first start.
    ///
    /// # Errors
    /// Any [`KeyError`].
    pub fn open(dir: &Path) -> Result<Self, KeyError> {
        let path = dir.join("node.key");
        let node = match path.exists() {
            true => read(&path, "node")?,
            false => {
                let key = fresh_key()?;
                write(&path, "node", &key)?;
                key
            }
        };
        let mut keys = Self {
            dir: dir.to_owned(),
            node,
            orgs: BTreeMap::new(),
            delegations: BTreeMap::new(),
        };
        let listing = std::fs::read_dir(dir).map_err(io_error(dir, "read"))?;
        for entry in listing {
            keys.take_in(entry.map_err(io_error(dir, "read"))?.path())?;
        }
        Ok(keys)
    }

    /// Reads one file of the directory; those of other names are none of ours.
    fn take_in(&mut self, path: PathBuf) -> Result<(), KeyError> {
        let name = path.file_name().and_then(|name| name.to_str());
        let Some((stem, kind)) = name.and_then(|name| name.rsplit_once('.')) else {
            return Ok(());
        };
        match kind {
            "key" if stem.starts_with(OrgId::PREFIX) => {
                let key = read(&path, "org")?;
                if key.org_id().to_string() != stem {
                    return Err(KeyError::NotAKey(path));
                }
                self.orgs.insert(key.org_id(), key);
            }
            "delegation" => {
                let delegation = read_delegation(&path)?;
                let fits = delegation.get().node == self.node.node_id()
                    && delegation.get().org.to_string() == stem;
                if !fits {
                    return Err(KeyError::NotADelegation(path));
                }
                self.delegations.insert(delegation.get().org, delegation);
            }
            // A crash came between the renaming and the wiping of a key that was handed over.
            "wiped" => files::wipe(&path)?,
            _ => {}
        }
        Ok(())
    }

    /// The device key.
    pub fn node(&self) -> &SecretKey {
        &self.node
    }

    /// The root key of an organisation, if this node holds it.
    pub fn org(&self, org: &OrgId) -> Option<&SecretKey> {
        self.orgs.get(org)
    }

    /// The delegation of this node that an organisation's root key signed elsewhere.
    pub fn delegation(&self, org: &OrgId) -> Option<&Signed<Delegation>> {
        self.delegations.get(org)
    }

    /// The organisations for which this node writes: whose root key it holds, or who delegated it.
    pub fn orgs(&self) -> impl Iterator<Item = OrgId> + '_ {
        let delegated = self.delegations.keys();
        let others = delegated.filter(|org| !self.orgs.contains_key(org));
        self.orgs.keys().chain(others).copied()
    }

    /// Makes the root key of a new organisation; it is on disk when this returns.
    ///
    /// # Errors
    /// Any [`KeyError`].
    pub fn create_org(&mut self) -> Result<OrgId, KeyError> {
        let key = fresh_key()?;
        let org = key.org_id();
        self.add_org(key)?;
        Ok(org)
    }

    /// Keeps a root key that was made elsewhere or before; it is on disk when this returns. Answers whether it
    /// is new here.
    ///
    /// # Errors
    /// Any [`KeyError`].
    pub fn add_org(&mut self, key: SecretKey) -> Result<bool, KeyError> {
        let org = key.org_id();
        if self.orgs.contains_key(&org) {
            return Ok(false);
        }
        write(&self.key_file(&org), "org", &key)?;
        self.orgs.insert(org, key);
        Ok(true)
    }

    /// Keeps a delegation of this node in the place of an older one; it is on disk when this returns.
    ///
    /// # Errors
    /// Any [`KeyError`]; the older one is kept then.
    pub fn keep_delegation(&mut self, delegation: Signed<Delegation>) -> Result<(), KeyError> {
        let org = delegation.get().org;
        let path = self.delegation_file(&org);
        if delegation.get().node != self.node.node_id() {
            return Err(KeyError::NotADelegation(path));
        }
        write_delegation(&path, &delegation)?;
        self.delegations.insert(org, delegation);
        Ok(())
    }

    /// Writes for an organisation no longer: its files move to `former/`, in one step each, the key first:
    /// as long as the delegation stands, the node knows that there is something to be finished.
    ///
    /// # Errors
    /// Any [`KeyError`].
    pub fn retire(&mut self, org: &OrgId) -> Result<(), KeyError> {
        if self.orgs.contains_key(org) {
            self.move_away(&self.key_file(org))?;
            self.orgs.remove(org);
        }
        if self.delegations.contains_key(org) {
            self.move_away(&self.delegation_file(org))?;
            self.delegations.remove(org);
        }
        Ok(())
    }

    /// Writes for an organisation no longer, and wipes its root key, which another node holds now.
    ///
    /// # Errors
    /// Any [`KeyError`].
    pub fn hand_over(&mut self, org: &OrgId) -> Result<(), KeyError> {
        if self.orgs.contains_key(org) {
            let path = self.key_file(org);
            let wiped = path.with_extension("wiped");
            std::fs::rename(&path, &wiped).map_err(io_error(&path, "written"))?;
            files::sync_dir(&self.dir)?;
            self.orgs.remove(org);
            files::wipe(&wiped)?;
        }
        self.retire(org)
    }

    /// The organisations of whose keys and delegations any is in `former/` and none is in use; nothing if the
    /// directory cannot be read.
    pub fn former(&self) -> Vec<OrgId> {
        let entries = std::fs::read_dir(self.dir.join(FORMER))
            .into_iter()
            .flatten();
        let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        let mut orgs: Vec<OrgId> = names
            .filter_map(|name| name.rsplit_once('.')?.0.parse().ok())
            .filter(|org| !self.orgs.contains_key(org) && !self.delegations.contains_key(org))
            .collect();
        orgs.sort();
        orgs.dedup();
        orgs
    }

    fn move_away(&self, path: &Path) -> Result<(), KeyError> {
        let former = self.dir.join(FORMER);
        files::make_private_dir(&former)?;
        let failed = io_error(path, "moved");
        let name = path.file_name().unwrap_or_default();
        std::fs::rename(path, former.join(name)).map_err(failed)?;
        files::sync_dir(&former)?;
        files::sync_dir(&self.dir)
    }

    fn key_file(&self, org: &OrgId) -> PathBuf {
        self.dir.join(format!("{org}.key"))
    }

    fn delegation_file(&self, org: &OrgId) -> PathBuf {
        self.dir.join(format!("{org}.delegation"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fingerpost_proto::certificate::{FORMAT, Role};
    use std::os::unix::fs::{MetadataExt, PermissionsExt};

    fn delegation(keys: &Keys, root: &SecretKey) -> Signed<Delegation> {
        let delegation = Delegation {
            format: FORMAT,
            org: root.org_id(),
            node: keys.node().node_id(),
            role: Role::Editor,
            not_before_s: 1,
            not_after_s: None,
        };
        Signed::sign(delegation, root)
    }

    #[test]
    fn keys_come_back_and_are_private() {
        let dir = tempfile::tempdir().unwrap();
        let mut keys = Keys::open(dir.path()).unwrap();
        let org = keys.create_org().unwrap();
        let again = Keys::open(dir.path()).unwrap();
        assert_eq!(again.node().node_id(), keys.node().node_id());
        assert_eq!(again.orgs().collect::<Vec<_>>(), [org]);
        assert_eq!(again.org(&org).unwrap().org_id(), org);
        for entry in std::fs::read_dir(dir.path()).unwrap() {
            let entry = entry.unwrap();
            assert_eq!(
                entry.metadata().unwrap().mode() & 0o777,
                0o600,
                "{:?}",
                entry.path()
            );
        }
    }

    #[test]
    fn a_key_that_others_can_read_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        Keys::open(dir.path()).unwrap();
        let path = dir.path().join("node.key");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(
            Keys::open(dir.path()),
            Err(KeyError::TooOpen { mode: 0o644, .. })
        ));
    }

    #[test]
    fn a_damaged_or_misnamed_key_is_refused_and_kept() {
        let dir = tempfile::tempdir().unwrap();
        let mut keys = Keys::open(dir.path()).unwrap();
        let org = keys.create_org().unwrap();
        let path = dir.path().join(format!("{org}.key"));
        let other = dir
            .path()
            .join(format!("{}.key", OrgId::from_bytes([1; 32])));
        std::fs::rename(&path, &other).unwrap();
        assert!(matches!(Keys::open(dir.path()), Err(KeyError::NotAKey(_))));
        assert!(other.exists());
        std::fs::remove_file(&other).unwrap();
        std::fs::write(dir.path().join("node.key"), "rubbish").unwrap();
        assert!(matches!(Keys::open(dir.path()), Err(KeyError::NotAKey(_))));
    }

    #[test]
    fn a_delegation_counts_like_a_key_until_it_is_retired() {
        let dir = tempfile::tempdir().unwrap();
        let mut keys = Keys::open(dir.path()).unwrap();
        let root = SecretKey::from_seed(&[1; 32]);
        let signed = delegation(&keys, &root);
        keys.keep_delegation(signed.clone()).unwrap();
        keys.keep_delegation(signed.clone()).unwrap();
        let mut keys = Keys::open(dir.path()).unwrap();
        assert_eq!(keys.delegation(&root.org_id()), Some(&signed));
        assert_eq!(keys.orgs().collect::<Vec<_>>(), [root.org_id()]);
        assert!(keys.org(&root.org_id()).is_none());
        // With the root key beside it, the organisation is still one.
        assert!(keys.add_org(root.clone()).unwrap());
        assert!(!keys.add_org(root.clone()).unwrap());
        assert_eq!(keys.orgs().count(), 1);
        let path = dir.path().join(format!("{}.delegation", root.org_id()));
        assert_eq!(path.metadata().unwrap().mode() & 0o777, 0o600);
        keys.retire(&root.org_id()).unwrap();
        keys.retire(&root.org_id()).unwrap();
        assert_eq!(Keys::open(dir.path()).unwrap().orgs().count(), 0);
        let former = dir.path().join(FORMER);
        assert_eq!(former.metadata().unwrap().mode() & 0o777, 0o700);
        assert_eq!(std::fs::read_dir(former).unwrap().count(), 2);
    }

    #[test]
    fn a_delegation_of_another_node_is_refused() {
        let (dir, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let mut keys = Keys::open(dir.path()).unwrap();
        let mut others = Keys::open(other.path()).unwrap();
        let root = SecretKey::from_seed(&[1; 32]);
        let theirs = delegation(&others, &root);
        assert!(matches!(
            keys.keep_delegation(theirs.clone()),
            Err(KeyError::NotADelegation(_))
        ));
        others.keep_delegation(theirs).unwrap();
        let name = format!("{}.delegation", root.org_id());
        std::fs::copy(other.path().join(&name), dir.path().join(&name)).unwrap();
        assert!(matches!(
            Keys::open(dir.path()),
            Err(KeyError::NotADelegation(_))
        ));
        std::fs::write(dir.path().join(&name), "fingerpost-delegation-1 rubbish").unwrap();
        assert!(matches!(
            Keys::open(dir.path()),
            Err(KeyError::NotADelegation(_))
        ));
    }

    #[test]
    fn a_key_that_was_handed_over_is_gone_even_after_a_crash() {
        let dir = tempfile::tempdir().unwrap();
        let mut keys = Keys::open(dir.path()).unwrap();
        let org = keys.create_org().unwrap();
        let key = keys.key_file(&org);
        let copy = dir.path().join("copy");
        std::fs::copy(&key, &copy).unwrap();
        keys.hand_over(&org).unwrap();
        assert!(!key.exists() && keys.org(&org).is_none());
        // The crash came after the renaming.
        let half = key.with_extension("wiped");
        std::fs::rename(&copy, &half).unwrap();
        let again = Keys::open(dir.path()).unwrap();
        assert!(!half.exists());
        assert_eq!(again.orgs().count(), 0);
    }
}
