//! The files of keys and delegations: private, and written whole or not at all.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use data_encoding::BASE64URL_NOPAD;
use fingerpost_proto::certificate::Delegation;
use fingerpost_proto::keys::SecretKey;
use fingerpost_proto::limits;
use fingerpost_proto::signed::Signed;
use zeroize::{Zeroize, Zeroizing};

use super::KeyError;

const MAGIC: &str = "fingerpost-secret-key-1";
const DELEGATION_MAGIC: &str = "fingerpost-delegation-1";
const MAX_BYTES: u64 = 256;
const DELEGATION_FILE_MAX_BYTES: u64 = 2 * limits::CERTIFICATE_MAX_BYTES as u64;

/// For `map_err`: a failure of the system at a path, and whether it was `read`, `written` or `moved`.
pub(super) fn io_error<'a>(
    path: &'a Path,
    what: &'static str,
) -> impl Fn(std::io::Error) -> KeyError + use<'a> {
    move |source| KeyError::Io {
        path: path.to_owned(),
        what,
        source,
    }
}

/// Reads a key file that nobody but its owner can read.
pub(super) fn read(path: &Path, kind: &str) -> Result<SecretKey, KeyError> {
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
    from_line(&text, kind).ok_or_else(not_a_key)
}

/// The key of a key line.
pub(super) fn from_line(text: &str, kind: &str) -> Option<SecretKey> {
    let mut words = text.split_whitespace();
    let (magic, found, seed) = (words.next()?, words.next()?, words.next()?);
    if magic != MAGIC || found != kind || words.next().is_some() {
        return None;
    }
    let bytes = Zeroizing::new(BASE64URL_NOPAD.decode(seed.as_bytes()).ok()?);
    let mut seed: [u8; 32] = bytes.as_slice().try_into().ok()?;
    let key = SecretKey::from_seed(&seed);
    seed.zeroize();
    Some(key)
}

/// The line that stands for a key, with its end.
pub(super) fn to_line(kind: &str, key: &SecretKey) -> Zeroizing<String> {
    let seed = Zeroizing::new(key.to_seed());
    let seed = Zeroizing::new(BASE64URL_NOPAD.encode(seed.as_slice()));
    Zeroizing::new(format!("{MAGIC} {kind} {}\n", *seed))
}

/// Reads a delegation and checks its signature.
pub(super) fn read_delegation(path: &Path) -> Result<Signed<Delegation>, KeyError> {
    let mut text = String::new();
    File::open(path)
        .map_err(io_error(path, "read"))?
        .take(DELEGATION_FILE_MAX_BYTES)
        .read_to_string(&mut text)
        .map_err(io_error(path, "read"))?;
    let read = || {
        let (magic, body) = text.trim_end().split_once(' ')?;
        let bytes = BASE64URL_NOPAD.decode(body.as_bytes()).ok()?;
        let signed = Signed::verified(&bytes).ok()?;
        (magic == DELEGATION_MAGIC).then_some(signed)
    };
    read().ok_or_else(|| KeyError::NotADelegation(path.to_owned()))
}

/// Writes a delegation, in the place of an older one.
pub(super) fn write_delegation(
    path: &Path,
    delegation: &Signed<Delegation>,
) -> Result<(), KeyError> {
    let body = BASE64URL_NOPAD.encode(&delegation.to_bytes());
    let temporary = write_new(path, format!("{DELEGATION_MAGIC} {body}\n").as_bytes())?;
    std::fs::rename(&temporary, path).map_err(io_error(path, "written"))?;
    sync_dir(path.parent().unwrap_or(Path::new(".")))
}

/// Writes a new key file and makes it durable. An existing file is never overwritten.
pub(super) fn write(path: &Path, kind: &str, key: &SecretKey) -> Result<(), KeyError> {
    let temporary = write_new(path, to_line(kind, key).as_bytes())?;
    let failed = io_error(path, "written");
    std::fs::hard_link(&temporary, path).map_err(&failed)?;
    std::fs::remove_file(&temporary).map_err(&failed)?;
    sync_dir(path.parent().unwrap_or(Path::new(".")))
}

/// Writes under another name first: a crash leaves a whole file or none.
fn write_new(path: &Path, content: &[u8]) -> Result<PathBuf, KeyError> {
    let temporary = path.with_extension("new");
    let failed = io_error(path, "written");
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&temporary)
        .map_err(&failed)?;
    file.write_all(content)
        .and_then(|()| file.sync_all())
        .map_err(&failed)?;
    Ok(temporary)
}

/// Overwrites a file and removes it.
pub(super) fn wipe(path: &Path) -> Result<(), KeyError> {
    let failed = io_error(path, "written");
    let mut file = OpenOptions::new().write(true).open(path).map_err(&failed)?;
    let length = file.metadata().map_err(&failed)?.len().min(MAX_BYTES);
    file.write_all(&vec![b' '; usize::try_from(length).unwrap_or(0)])
        .and_then(|()| file.sync_all())
        .map_err(&failed)?;
    std::fs::remove_file(path).map_err(&failed)?;
    sync_dir(path.parent().unwrap_or(Path::new(".")))
}

/// Makes a directory that its owner alone can enter, unless it is there.
pub(super) fn make_private_dir(path: &Path) -> Result<(), KeyError> {
    let mut builder = DirBuilder::new();
    builder.recursive(true).mode(0o700);
    builder.create(path).map_err(io_error(path, "written"))
}

/// Makes names in a directory durable.
pub(super) fn sync_dir(path: &Path) -> Result<(), KeyError> {
    File::open(path)
        .and_then(|dir| dir.sync_all())
        .map_err(io_error(path, "written"))
}
