//! The directory of a node.
//!
//! ```text
//! config.toml    settings; may be missing
//! keys/          secret keys, readable by the owner alone (0700)
//! store/         records, states and documents
//! index/         the search index; can be deleted, it is rebuilt
//! api.sock       where the daemon answers the command line
//! daemon.lock    held while a daemon runs, so that a second one refuses to start
//! ```
//!
//! The path of a Unix socket may not be longer than about a hundred bytes. When the home lies too
//! deep for that, the socket is `/tmp/fingerpost-UID/HASH.sock` instead: UID owns the home, HASH is
//! computed from its real path. Both are the same for every program that looks at the home, whatever
//! its environment, its user or the way it spells the path. That is why `XDG_RUNTIME_DIR` and
//! `TMPDIR` are left out: a service and a login shell seldom agree on them.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, Metadata};
use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

/// Longest path of a Unix socket that every Unix takes, in bytes (Linux takes four more).
pub const SOCKET_PATH_MAX_BYTES: usize = 103;

/// Permissions of a directory that only its owner may enter.
const OWNER_ONLY: u32 = 0o700;

/// What the caller's environment says, read once at the start of a program.
///
/// An empty value counts as missing.
#[derive(Debug, Clone, Default)]
pub struct Surroundings {
    /// Value of `FINGERPOST_HOME`.
    pub fingerpost_home: Option<OsString>,
    /// Value of `XDG_DATA_HOME`. A relative one is ignored, as its specification asks.
    pub xdg_data_home: Option<OsString>,
    /// Value of `HOME`.
    pub home: Option<OsString>,
    /// The working directory, from which relative paths are counted.
    pub current_dir: Option<PathBuf>,
}

/// Why the home of a node cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum HomeError {
    /// Neither a flag nor the environment says where the home is.
    #[error(
        "cannot tell where to keep this node's data: HOME is not set. \
         Name a directory with --home DIR or FINGERPOST_HOME."
    )]
    Unknown,
    /// A relative path was given, and there is no working directory to count it from.
    #[error(
        "{path} is a relative path and the working directory cannot be read. \
         Give the whole path, starting with /."
    )]
    NoWorkingDirectory {
        /// The path as it was given.
        path: PathBuf,
    },
    /// The home does not exist: no daemon was ever started there.
    #[error(
        "there is no node in {path}: the directory does not exist. \
         Start one with: fingerpostd --home {path}"
    )]
    Missing {
        /// The home.
        path: PathBuf,
    },
    /// Others than the owner may enter a directory that holds secrets.
    #[error(
        "{path} can be entered by other users of this computer (mode {mode:03o}), so it is not \
         used. Nothing was changed. Close it with: chmod 700 {path}"
    )]
    TooOpen {
        /// The directory.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// Somebody else made the directory in which the socket would lie.
    #[error(
        "{path} belongs to another user or is not a directory, so it is not trusted. Remove it, \
         or use a home with a shorter path (--home DIR)."
    )]
    SocketDirectoryTaken {
        /// The directory in the place for temporary files.
        path: PathBuf,
    },
    /// The operating system refused.
    #[error("cannot use {path}: {source}. Nothing was changed; check who owns it and its space.")]
    Io {
        /// What was being read or made.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
}

/// The directory of one node, and the places in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Home {
    dir: PathBuf,
}

impl Home {
    /// The home in `dir`, which is best an absolute path.
    #[must_use]
    pub fn at(dir: impl Into<PathBuf>) -> Self {
        Self { dir: dir.into() }
    }

    /// Chooses the home: `flag` if given, else `FINGERPOST_HOME`, else `fingerpost` in
    /// `XDG_DATA_HOME`, else `~/.local/share/fingerpost`. Touches no file.
    ///
    /// # Errors
    /// [`HomeError::Unknown`] when nothing says where, [`HomeError::NoWorkingDirectory`] when a
    /// relative path cannot be completed.
    pub fn resolve(flag: Option<PathBuf>, around: &Surroundings) -> Result<Self, HomeError> {
        let chosen = flag
            .filter(|path| !path.as_os_str().is_empty())
            .or_else(|| given(around.fingerpost_home.as_ref()));
        let dir = match chosen {
            Some(path) if path.is_absolute() => path,
            Some(path) => match &around.current_dir {
                Some(current_dir) => current_dir.join(path),
                None => return Err(HomeError::NoWorkingDirectory { path }),
            },
            None => default_dir(around).ok_or(HomeError::Unknown)?,
        };
        Ok(Self { dir })
    }

    /// The directory itself.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The settings file. It may be missing.
    #[must_use]
    pub fn config(&self) -> PathBuf {
        self.dir.join("config.toml")
    }

    /// The directory of the secret keys.
    #[must_use]
    pub fn keys(&self) -> PathBuf {
        self.dir.join("keys")
    }

    /// The directory of the store.
    #[must_use]
    pub fn store(&self) -> PathBuf {
        self.dir.join("store")
    }

    /// The directory of the search index.
    #[must_use]
    pub fn index(&self) -> PathBuf {
        self.dir.join("index")
    }

    /// The file that a running daemon keeps locked.
    #[must_use]
    pub fn lock(&self) -> PathBuf {
        self.dir.join("daemon.lock")
    }

    /// Makes what is missing of the home and of the directory of its socket, closed to other users.
    /// For the daemon; the command line makes nothing.
    ///
    /// # Errors
    /// [`HomeError::TooOpen`] when other users may enter the directory of the keys,
    /// [`HomeError::SocketDirectoryTaken`], or [`HomeError::Io`].
    pub fn prepare(&self) -> Result<(), HomeError> {
        for dir in [&self.dir, &self.keys(), &self.store(), &self.index()] {
            make_dir(dir)?;
        }
        refuse_open(&self.keys(), &metadata(&self.keys())?)?;
        let (real_dir, owner) = self.real()?;
        if let Some(dir) = fallback_dir(&real_dir, owner) {
            make_dir(&dir)?;
            trust_fallback(&dir, owner)?;
        }
        Ok(())
    }

    /// The socket on which the daemon listens and to which the command line connects.
    ///
    /// `api.sock` in the home, or the short path that this module's documentation describes.
    ///
    /// # Errors
    /// [`HomeError::Missing`] when there is no home, hence no daemon;
    /// [`HomeError::SocketDirectoryTaken`] or [`HomeError::TooOpen`] when the short path would lead to
    /// a directory that somebody else controls; [`HomeError::Io`].
    pub fn socket(&self) -> Result<PathBuf, HomeError> {
        let (real_dir, owner) = self.real()?;
        if let Some(dir) = fallback_dir(&real_dir, owner) {
            match trust_fallback(&dir, owner) {
                Err(HomeError::Io { source, .. }) if source.kind() == ErrorKind::NotFound => {}
                other => other?,
            }
        }
        Ok(socket_path(&real_dir, owner))
    }

    /// The home's path without symbolic links, and the user who owns it.
    fn real(&self) -> Result<(PathBuf, u32), HomeError> {
        let real_dir = fs::canonicalize(&self.dir).map_err(|source| match source.kind() {
            ErrorKind::NotFound => HomeError::Missing {
                path: self.dir.clone(),
            },
            _ => io(&self.dir, source),
        })?;
        let owner = metadata(&real_dir)?.uid();
        Ok((real_dir, owner))
    }
}

fn given(value: Option<&OsString>) -> Option<PathBuf> {
    value
        .filter(|text| !text.is_empty())
        .map(|text| PathBuf::from(text.clone()))
}

fn default_dir(around: &Surroundings) -> Option<PathBuf> {
    let data = given(around.xdg_data_home.as_ref()).filter(|path| path.is_absolute());
    let home = given(around.home.as_ref()).filter(|path| path.is_absolute());
    data.or_else(|| home.map(|path| path.join(".local/share")))
        .map(|path| path.join("fingerpost"))
}

/// The directory of the socket when the home's own path is too long for one.
fn fallback_dir(real_dir: &Path, owner: u32) -> Option<PathBuf> {
    let in_home = real_dir.join("api.sock");
    (in_home.as_os_str().len() > SOCKET_PATH_MAX_BYTES)
        .then(|| PathBuf::from(format!("/tmp/fingerpost-{owner}")))
}

fn socket_path(real_dir: &Path, owner: u32) -> PathBuf {
    match fallback_dir(real_dir, owner) {
        Some(dir) => dir.join(format!(
            "{:016x}.sock",
            fnv1a(real_dir.as_os_str().as_bytes())
        )),
        None => real_dir.join("api.sock"),
    }
}

/// FNV-1a. The standard library's hashers may differ between two builds of this program; this one
/// cannot. It keeps homes of one user apart and protects nothing.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

fn make_dir(dir: &Path) -> Result<(), HomeError> {
    DirBuilder::new()
        .recursive(true)
        .mode(OWNER_ONLY)
        .create(dir)
        .map_err(|source| io(dir, source))
}

/// Everybody may write in `/tmp`, so what lies there counts only if the home's owner made it.
fn trust_fallback(dir: &Path, owner: u32) -> Result<(), HomeError> {
    let found = fs::symlink_metadata(dir).map_err(|source| io(dir, source))?;
    if !found.is_dir() || found.uid() != owner {
        return Err(HomeError::SocketDirectoryTaken {
            path: dir.to_owned(),
        });
    }
    refuse_open(dir, &found)
}

fn refuse_open(dir: &Path, found: &Metadata) -> Result<(), HomeError> {
    let mode = found.mode() & 0o777;
    if mode & !OWNER_ONLY == 0 {
        return Ok(());
    }
    Err(HomeError::TooOpen {
        path: dir.to_owned(),
        mode,
    })
}

fn metadata(path: &Path) -> Result<Metadata, HomeError> {
    fs::metadata(path).map_err(|source| io(path, source))
}

fn io(path: &Path, source: std::io::Error) -> HomeError {
    HomeError::Io {
        path: path.to_owned(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::Permissions;
    use std::os::unix::fs::{PermissionsExt, symlink};

    fn around(fingerpost: &str, data: &str, home: &str) -> Surroundings {
        let value = |text: &str| Some(OsString::from(text));
        Surroundings {
            fingerpost_home: value(fingerpost),
            xdg_data_home: value(data),
            home: value(home),
            current_dir: Some(PathBuf::from("/here")),
        }
    }

    fn resolved(flag: Option<&str>, around: &Surroundings) -> PathBuf {
        let home = Home::resolve(flag.map(PathBuf::from), around).unwrap();
        home.dir().to_owned()
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().mode() & 0o777
    }

    /// A home so deep that its socket must lie elsewhere.
    fn deep_home(root: &Path) -> Home {
        Home::at(root.join("d".repeat(SOCKET_PATH_MAX_BYTES)))
    }

    #[test]
    fn flag_comes_before_variable_before_data_home_before_home() {
        let all = around("/variable", "/data", "/home/ada");
        assert_eq!(resolved(Some("/flag"), &all), Path::new("/flag"));
        assert_eq!(resolved(None, &all), Path::new("/variable"));
        let data = around("", "/data", "/home/ada");
        assert_eq!(resolved(None, &data), Path::new("/data/fingerpost"));
        let only_home = around("", "", "/home/ada");
        let expected = Path::new("/home/ada/.local/share/fingerpost");
        assert_eq!(resolved(None, &only_home), expected);
        assert_eq!(resolved(Some(""), &only_home), expected);
    }

    #[test]
    fn relative_paths_count_from_the_working_directory_and_a_relative_data_home_is_ignored() {
        let mut relative = around("nodes/a", "data", "/home/ada");
        assert_eq!(resolved(Some("b"), &relative), Path::new("/here/b"));
        assert_eq!(resolved(None, &relative), Path::new("/here/nodes/a"));
        relative.current_dir = None;
        assert!(matches!(
            Home::resolve(None, &relative),
            Err(HomeError::NoWorkingDirectory { .. })
        ));
        relative.fingerpost_home = None;
        let expected = Path::new("/home/ada/.local/share/fingerpost");
        assert_eq!(resolved(None, &relative), expected);
    }

    #[test]
    fn without_any_hint_the_home_is_unknown() {
        for nothing in [Surroundings::default(), around("", "", "")] {
            let error = Home::resolve(None, &nothing).unwrap_err();
            assert!(matches!(error, HomeError::Unknown));
            assert!(error.to_string().contains("--home"));
        }
    }

    #[test]
    fn prepare_makes_a_home_that_is_closed_to_others_and_can_be_repeated() {
        let root = tempfile::tempdir().unwrap();
        let home = Home::at(root.path().join("deep/in/here"));
        home.prepare().unwrap();
        home.prepare().unwrap();
        for dir in [home.dir(), &home.keys(), &home.store(), &home.index()] {
            assert_eq!(mode(dir), OWNER_ONLY, "{}", dir.display());
        }
        assert!(!home.config().exists());
        assert!(!home.lock().exists());
    }

    #[test]
    fn prepare_refuses_keys_that_others_can_reach() {
        let root = tempfile::tempdir().unwrap();
        let home = Home::at(root.path());
        home.prepare().unwrap();
        fs::set_permissions(home.keys(), Permissions::from_mode(0o750)).unwrap();
        let error = home.prepare().unwrap_err();
        assert!(matches!(error, HomeError::TooOpen { mode: 0o750, .. }));
        assert!(error.to_string().contains("chmod 700"));
        assert_eq!(mode(&home.keys()), 0o750, "nothing was changed");
    }

    #[test]
    fn a_file_in_the_place_of_a_directory_is_an_error() {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("keys"), "not a directory").unwrap();
        let error = Home::at(root.path()).prepare().unwrap_err();
        assert!(matches!(error, HomeError::Io { .. }));
    }

    #[test]
    fn the_socket_of_a_home_that_does_not_exist_is_missing() {
        let root = tempfile::tempdir().unwrap();
        let error = Home::at(root.path().join("none")).socket().unwrap_err();
        assert!(matches!(error, HomeError::Missing { .. }));
    }

    #[test]
    fn the_socket_lies_in_the_home_up_to_the_last_byte() {
        let socket_at = |len: usize| {
            let dir = PathBuf::from(format!("/{}", "x".repeat(len - 1)));
            socket_path(&dir, 1000)
        };
        let longest_dir = SOCKET_PATH_MAX_BYTES - "/api.sock".len();
        let longest = socket_at(longest_dir);
        assert!(longest.ends_with("api.sock"));
        assert_eq!(longest.as_os_str().len(), SOCKET_PATH_MAX_BYTES);
        let moved = socket_at(longest_dir + 1);
        assert!(moved.starts_with("/tmp/fingerpost-1000"));
        assert!(moved.as_os_str().len() < SOCKET_PATH_MAX_BYTES);
        assert_ne!(moved, socket_at(longest_dir + 2), "two homes, two sockets");
    }

    #[test]
    fn the_hash_is_the_published_fnv_1a() {
        assert_eq!(fnv1a(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv1a(b"foobar"), 0x8594_4171_f739_67e8);
    }

    #[test]
    fn every_spelling_of_a_home_has_one_socket() {
        let root = tempfile::tempdir().unwrap();
        for home in [Home::at(root.path().join("short")), deep_home(root.path())] {
            home.prepare().unwrap();
            let link = root.path().join("link");
            symlink(home.dir(), &link).unwrap();
            let dotted = home.dir().join("keys/..");
            let socket = home.socket().unwrap();
            assert_eq!(Home::at(&link).socket().unwrap(), socket);
            assert_eq!(Home::at(&dotted).socket().unwrap(), socket);
            assert!(socket.as_os_str().len() <= SOCKET_PATH_MAX_BYTES);
            fs::remove_file(&link).unwrap();
        }
    }

    #[test]
    fn a_deep_home_gets_a_socket_that_can_be_bound() {
        let root = tempfile::tempdir().unwrap();
        let home = deep_home(root.path());
        home.prepare().unwrap();
        let socket = home.socket().unwrap();
        std::os::unix::net::UnixListener::bind(&socket).unwrap();
        assert_eq!(mode(socket.parent().unwrap()), OWNER_ONLY);
        fs::remove_file(&socket).unwrap();
    }

    #[test]
    fn a_socket_directory_is_trusted_only_if_the_owner_made_it_and_closed_it() {
        let root = tempfile::tempdir().unwrap();
        let owner = fs::metadata(root.path()).unwrap().uid();
        let dir = root.path().join("sockets");
        make_dir(&dir).unwrap();
        trust_fallback(&dir, owner).unwrap();
        assert!(matches!(
            trust_fallback(&dir, owner + 1),
            Err(HomeError::SocketDirectoryTaken { .. })
        ));
        let link = root.path().join("link");
        symlink(&dir, &link).unwrap();
        assert!(matches!(
            trust_fallback(&link, owner),
            Err(HomeError::SocketDirectoryTaken { .. })
        ));
        fs::set_permissions(&dir, Permissions::from_mode(0o777)).unwrap();
        assert!(matches!(
            trust_fallback(&dir, owner),
            Err(HomeError::TooOpen { mode: 0o777, .. })
        ));
    }
}
