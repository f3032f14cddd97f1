//! `fingerpost doctor`: what can be looked at whether a node runs or not. What a running node knows besides is
//! in `node/doctor.rs`.

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Mutex;

use fingerpost_config::{Home, Settings};
use fingerpost_proto::api::{Check, Checkup, Outcome};
use fingerpost_proto::replica::Replica;

use crate::keys::Keys;
use crate::node::{DISK_FREE_MIN_BYTES, free_bytes, now_s, size_of};
use crate::store::SledStorage;

/// No clock of a machine that runs this program shows an earlier time: 2026-01-01.
const BUILT_AFTER_S: u64 = 1_767_225_600;
/// From so much of the budget on, an admin is told.
const NEARLY_PERCENT: u64 = 90;

pub(crate) fn ok(name: &str, found: impl Into<String>) -> Check {
    Check {
        name: name.to_owned(),
        outcome: Outcome::Ok,
        found: found.into(),
        remedy: None,
    }
}

pub(crate) fn warning(name: &str, found: impl Into<String>, remedy: impl Into<String>) -> Check {
    Check {
        name: name.to_owned(),
        outcome: Outcome::Warning,
        found: found.into(),
        remedy: Some(remedy.into()),
    }
}

pub(crate) fn failure(name: &str, found: impl Into<String>, remedy: impl Into<String>) -> Check {
    Check {
        outcome: Outcome::Failure,
        ..warning(name, found, remedy)
    }
}

/// Runs checks in parallel; the answers are in the order of the checks.
pub(crate) fn in_parallel(checks: &[&(dyn Fn() -> Check + Sync)]) -> Vec<Check> {
    let found = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for (at, check) in checks.iter().enumerate() {
            let found = &found;
            scope.spawn(move || {
                let answer = check();
                found
                    .lock()
                    .unwrap_or_else(|it| it.into_inner())
                    .push((at, answer));
            });
        }
    });
    let mut found = found.into_inner().unwrap_or_else(|it| it.into_inner());
    found.sort_by_key(|(at, _)| *at);
    found.into_iter().map(|(_, answer)| answer).collect()
}

/// The checks of a node that does not run. The caller holds the home's lock, or knows that nobody does.
pub fn without_node(home: &Home) -> Checkup {
    let settings = || settings(home);
    let keys = || keys(home);
    let permissions = || permissions(home);
    let clock = || clock(home);
    let store = || store(home);
    let disk = || disk(home, &Settings::load(&home.config()).unwrap_or_default());
    Checkup {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        checks: in_parallel(&[&settings, &keys, &permissions, &clock, &store, &disk]),
    }
}

/// Whether the settings can be used.
pub(crate) fn settings(home: &Home) -> Check {
    match Settings::load(&home.config()) {
        Ok(_) if home.config().exists() => ok("settings", "the settings can be used"),
        Ok(_) => ok(
            "settings",
            "there is no settings file: all have their defaults",
        ),
        Err(error) => failure(
            "settings",
            error.to_string(),
            format!("mend {}, or move it away", home.config().display()),
        ),
    }
}

/// Whether the keys can be read.
pub(crate) fn keys(home: &Home) -> Check {
    let dir = home.keys();
    if !dir.join("node.key").exists() {
        return failure(
            "keys",
            format!("{} holds no key of this node", dir.display()),
            "put the directory back from a copy, or start the daemon, which makes a new key; organisations come back with fingerpost restore",
        );
    }
    match Keys::open(&dir) {
        Ok(keys) => {
            let (with_root, all) = (
                keys.orgs().filter(|org| keys.org(org).is_some()),
                keys.orgs(),
            );
            ok(
                "keys",
                format!(
                    "the node's key, and keys for {} organisation(s), {} with the root key",
                    all.count(),
                    with_root.count()
                ),
            )
        }
        Err(error) => failure("keys", error.to_string(), "see what the message says"),
    }
}

/// Whether others can read what is secret.
pub(crate) fn permissions(home: &Home) -> Check {
    let mut open = Vec::new();
    let mut look = |path: &Path| {
        if let Ok(meta) = path.metadata()
            && meta.mode() & 0o077 != 0
        {
            open.push(format!(
                "{} (mode {:o})",
                path.display(),
                meta.mode() & 0o777
            ));
        }
    };
    look(&home.keys());
    for entry in std::fs::read_dir(home.keys())
        .into_iter()
        .flatten()
        .flatten()
    {
        look(&entry.path());
    }
    let is_private = home
        .dir()
        .metadata()
        .is_ok_and(|meta| meta.mode() & 0o077 == 0);
    let writable = tempfile_in(home.dir());
    match (open.is_empty(), writable) {
        (false, _) => failure(
            "permissions",
            format!("other users of this machine can read: {}", open.join(", ")),
            "if they may have read it, replace the keys (fingerpost org rekey); then take the right away: chmod -R go= on these",
        ),
        (true, Err(error)) => failure(
            "permissions",
            format!("{} cannot be written: {error}", home.dir().display()),
            "run the daemon as the user who owns the directory, and see that its disk is not read-only",
        ),
        (true, Ok(())) if !is_private => warning(
            "permissions",
            "others can look into the home, though not at the keys",
            format!("chmod go= {}", home.dir().display()),
        ),
        (true, Ok(())) => ok(
            "permissions",
            "the keys are for their owner alone, and the home can be written",
        ),
    }
}

/// Tries whether something can be written.
fn tempfile_in(dir: &Path) -> std::io::Result<()> {
    let path = dir.join(format!(".doctor-{}", std::process::id()));
    std::fs::File::create_new(&path)?.sync_all()?;
    std::fs::remove_file(&path)
}

/// Whether the clock can be right, as far as files tell.
pub(crate) fn clock(home: &Home) -> Check {
    let remedy = "set the clock of this machine, and have it follow a time server (timedatectl set-ntp true)";
    let now_s = now_s();
    if now_s < BUILT_AFTER_S {
        return failure(
            "clock",
            "the clock shows a time before this program was written",
            remedy,
        );
    }
    let newest = std::fs::read_dir(home.store())
        .into_iter()
        .flatten()
        .flatten();
    let newest = newest.filter_map(|it| it.metadata().ok()?.modified().ok());
    let newest = newest.filter_map(|it| it.duration_since(std::time::UNIX_EPOCH).ok());
    let ahead_s = newest
        .map(|it| it.as_secs())
        .max()
        .unwrap_or(0)
        .saturating_sub(now_s);
    match ahead_s > 60 {
        true => failure(
            "clock",
            format!("the store was written {ahead_s} seconds ahead of what the clock shows now"),
            remedy,
        ),
        false => ok(
            "clock",
            "the clock is not before anything that was written here",
        ),
    }
}

fn store(home: &Home) -> Check {
    let remedy = "start the daemon: it sets a damaged store aside, and peers fill a new one; your own come back from them, or with fingerpost restore FILE";
    if !home.store().join("db").exists() {
        return warning(
            "store",
            "there is no store yet",
            "start the daemon, which makes one",
        );
    }
    let opened = SledStorage::open(&home.store(), 8).map_err(|error| error.to_string());
    let read = opened.and_then(|store| {
        let keys = Keys::open(&home.keys()).map_err(|error| error.to_string())?;
        let replica = Replica::open(store, keys.node().node_id(), keys.orgs().collect());
        replica.map_err(|error| error.to_string())
    });
    match read {
        Ok(replica) => ok(
            "store",
            format!("{} documents, all can be read", replica.counts().0),
        ),
        Err(error) => failure("store", error, remedy),
    }
}

/// Whether the disk has what the node needs.
pub(crate) fn disk(home: &Home, settings: &Settings) -> Check {
    let mib = |bytes: u64| bytes / 1024 / 1024;
    let used = size_of(&home.store()) + size_of(&home.index());
    let budget = u64::from(settings.store.disk_budget_mb) * 1024 * 1024;
    let free = free_bytes(home.dir()).unwrap_or(u64::MAX);
    let found = format!(
        "store and index take {} MiB of {} MiB, and the disk has {} MiB left",
        mib(used),
        mib(budget),
        mib(free)
    );
    // The store grows to half as much again before it gives anything back.
    let needs = DISK_FREE_MIN_BYTES + used / 2;
    if free < DISK_FREE_MIN_BYTES {
        failure(
            "disk",
            found,
            "make room on the disk: until then, no more of others is taken",
        )
    } else if used >= budget {
        failure(
            "disk",
            found,
            "raise store.disk_budget_mb in the settings, and restart the daemon: until then, no more of others is taken",
        )
    } else if free < needs || used >= budget / 100 * NEARLY_PERCENT {
        warning(
            "disk",
            found,
            "make room, or raise store.disk_budget_mb, before it is full",
        )
    } else {
        ok("disk", found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn home() -> (tempfile::TempDir, Home) {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::at(dir.path().join("home"));
        home.prepare().unwrap();
        (dir, home)
    }

    fn outcomes(home: &Home) -> Vec<(String, Outcome)> {
        let checks = without_node(home).checks;
        checks.into_iter().map(|it| (it.name, it.outcome)).collect()
    }

    fn of(home: &Home, name: &str) -> Check {
        let checks = without_node(home).checks;
        checks.into_iter().find(|it| it.name == name).unwrap()
    }

    #[test]
    fn a_sound_home_is_well() {
        let (_dir, home) = home();
        Keys::open(&home.keys()).unwrap();
        drop(SledStorage::open(&home.store(), 8).unwrap());
        for (name, outcome) in outcomes(&home) {
            assert_eq!(outcome, Outcome::Ok, "{name}");
        }
    }

    #[test]
    fn what_is_wrong_is_named_with_its_remedy() {
        let (_dir, home) = home();
        assert_eq!(of(&home, "keys").outcome, Outcome::Failure);
        assert_eq!(of(&home, "store").outcome, Outcome::Warning);
        Keys::open(&home.keys()).unwrap();
        let key = home.keys().join("node.key");
        std::fs::set_permissions(&key, PermissionsExt::from_mode(0o644)).unwrap();
        let check = of(&home, "permissions");
        assert_eq!(check.outcome, Outcome::Failure);
        assert!(check.found.contains("node.key (mode 644)"), "{check:?}");
        assert_eq!(of(&home, "keys").outcome, Outcome::Failure);
        std::fs::write(home.config(), "[store]\ncache_mb = 0\n").unwrap();
        assert_eq!(of(&home, "settings").outcome, Outcome::Failure);
        std::fs::create_dir_all(home.store().join("db")).unwrap();
        assert_eq!(of(&home, "store").outcome, Outcome::Failure);
        let ahead = std::time::SystemTime::now() + std::time::Duration::from_secs(3600);
        let file = std::fs::File::create(home.store().join("late")).unwrap();
        file.set_modified(ahead).unwrap();
        let check = of(&home, "clock");
        assert_eq!(check.outcome, Outcome::Failure);
        for check in without_node(&home).checks {
            assert_eq!(
                check.remedy.is_none(),
                check.outcome == Outcome::Ok,
                "{check:?}"
            );
        }
    }

    #[test]
    fn the_disk_is_compared_with_its_budget() {
        let (_dir, home) = home();
        let mut settings = Settings::default();
        assert_eq!(disk(&home, &settings).outcome, Outcome::Ok);
        settings.store.disk_budget_mb = 1;
        std::fs::write(home.store().join("large"), vec![0; 1024 * 1000]).unwrap();
        assert_eq!(disk(&home, &settings).outcome, Outcome::Warning);
        std::fs::write(home.store().join("large"), vec![0; 1024 * 1024]).unwrap();
        assert_eq!(disk(&home, &settings).outcome, Outcome::Failure);
    }
}
