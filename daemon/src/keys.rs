//! The secret keys of a node: one file each, outside the database, readable by their owner alone.
//!
//! `keys/node.key` is the device key; `keys/<org id>.key` the root key of each organisation that this node
//! holds. A file is one line: a fixed word, the kind, and the seed in base64url. Keys are never logged.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use fingerpost_proto::ids::OrgId;
use fingerpost_proto::keys::SecretKey;
use zeroize::{Zeroize, Zeroizing};

const MAGIC: &str = "fingerpost-secret-key-1";
const MAX_BYTES: u64 = 256;

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
        let mut orgs = BTreeMap::new();
        let listing = std::fs::read_dir(dir).map_err(io_error(dir, "read"))?;
        for entry in listing {
            let path = entry.map_err(io_error(dir, "read"))?.path();
            let name = path
                .file_name()
                .and_then(|name| name.to_str())
                .unwrap_or_default();
            if name.starts_with("org1") && name.ends_with(".key") {
                let key = read(&path, "org")?;
                if format!("{}.key", key.org_id()) != name {
                    return Err(KeyError::NotAKey(path));
                }
                orgs.insert(key.org_id(), key);
            }
        }
        Ok(Self {
            dir: dir.to_owned(),
            node,
            orgs,
        })
    }

    /// The device key.
    pub fn node(&self) -> &SecretKey {
        &self.node
    }

    /// The root key of an organisation, if this node holds it.
    pub fn org(&self, org: &OrgId) -> Option<&SecretKey> {
        self.orgs.get(org)
    }

    /// The organisations whose root keys this node holds.
    pub fn orgs(&self) -> impl Iterator<Item = OrgId> + '_ {
        self.orgs.keys().copied()
    }

    /// Makes the root key of a new organisation; it is on disk when this returns.
    ///
    /// # Errors
    /// Any [`KeyError`].
    pub fn create_org(&mut self) -> Result<OrgId, KeyError> {
        let key = fresh_key()?;
        let org = key.org_id();
        write(&self.dir.join(format!("{org}.key")), "org", &key)?;
        self.orgs.insert(org, key);
        Ok(org)
    }
}

fn io_error<'a>(
    path: &'a Path,
    what: &'static str,
) -> impl Fn(std::io::Error) -> KeyError + use<'a> {
    move |source| KeyError::Io {
        path: path.to_owned(),
        what,
        source,
    }
}

fn read(path: &Path, kind: &str) -> Result<SecretKey, KeyError> {
    let not_a_key = || KeyError::NotAKey(path.to_owned());
    let file = File::open(path).map_err(io_error(path, "read"))?;
    let meta = file.metadata().map_err(io_error(path, "read"))?;
    if meta.mode() & 0o077 != 0 {
        return Err(KeyError::TooOpen {
            path: path.to_owned(),
            mode: meta.mode() & 0o777,
        });
    }
    let mut text = Zeroizing::new(String::new());
    file.take(MAX_BYTES)
        .read_to_string(&mut text)
        .map_err(|_| not_a_key())?;
    let words: Vec<&str> = text.split_whitespace().collect();
    let [magic, found, seed] = words.as_slice() else {
        return Err(not_a_key());
    };
    if *magic != MAGIC || *found != kind {
        return Err(not_a_key());
    }
    let bytes = Zeroizing::new(
        data_encoding::BASE64URL_NOPAD
            .decode(seed.as_bytes())
            .map_err(|_| not_a_key())?,
    );
    let mut seed: [u8; 32] = bytes.as_slice().try_into().map_err(|_| not_a_key())?;
    let key = SecretKey::from_seed(&seed);
    seed.zeroize();
    Ok(key)
}

/// Writes a new key file and makes it durable. An existing file is never overwritten.
fn write(path: &Path, kind: &str, key: &SecretKey) -> Result<(), KeyError> {
    let seed = Zeroizing::new(key.to_seed());
    let text = Zeroizing::new(format!(
        "{MAGIC} {kind} {}\n",
        data_encoding::BASE64URL_NOPAD.encode(seed.as_slice())
    ));
    // Under another name first: a crash leaves a whole key or none.
    let temporary = path.with_extension("new");
    let failed = io_error(path, "written");
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&temporary)
        .map_err(&failed)?;
    file.write_all(text.as_bytes())
        .and_then(|()| file.sync_all())
        .map_err(&failed)?;
    std::fs::hard_link(&temporary, path).map_err(&failed)?;
    std::fs::remove_file(&temporary).map_err(&failed)?;
    let dir = path.parent().unwrap_or(Path::new("."));
    File::open(dir)
        .and_then(|dir| dir.sync_all())
        .map_err(&failed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

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
}
