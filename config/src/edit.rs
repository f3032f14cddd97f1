//! Looking at settings one by one, and changing some in the file without losing what people wrote beside them.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{MetadataExt, chown};
use std::path::Path;

use serde::Serialize;
use toml_edit::{Array, DocumentMut, Item, Table, Value};

use crate::rules::{self, Allowed, Problem, RULES};
use crate::settings::{Settings, SettingsError, read_text};

/// One setting, as it is or will be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Setting {
    /// Its full name, such as `network.relay`.
    pub key: String,
    /// Its value, as it is written in the file.
    pub value: String,
    /// Whether that is the default.
    pub is_default: bool,
}

/// Why settings were not changed.
#[derive(Debug, thiserror::Error)]
pub enum EditError {
    /// The file cannot be read, or holds faults that the change does not mend.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// No setting is called so.
    #[error("there is no setting \"{key}\". Nothing was changed. The settings are: {}", .known.join(", "))]
    Unknown {
        /// What was typed.
        key: String,
        /// Those that are meant, or all.
        known: Vec<&'static str>,
    },
    /// Several settings end in this name.
    #[error("several settings are called \"{key}\": {}. Nothing was changed. Give the full name.", .known.join(", "))]
    Ambiguous {
        /// What was typed.
        key: String,
        /// Their full names.
        known: Vec<&'static str>,
    },
    /// The setting does not allow the value.
    #[error("{0}. Nothing was changed.")]
    Refused(String),
    /// The file cannot be written.
    #[error("cannot write the settings to {path}: {source}. What was in the file is still there.")]
    Write {
        /// The file.
        path: std::path::PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
}

/// Every setting, in the order of the sample file's sections.
#[must_use]
pub fn all(settings: &Settings) -> Vec<Setting> {
    let (now, default) = (as_table(settings), as_table(&Settings::default()));
    let shown = |(key, _): &(&'static str, Allowed)| {
        let value = lookup(&now, key)?;
        Some(Setting {
            key: (*key).to_owned(),
            value: value.to_string(),
            is_default: lookup(&default, key) == Some(value),
        })
    };
    RULES.iter().filter_map(shown).collect()
}

fn as_table(settings: &Settings) -> toml::Table {
    // Numbers, words and lists of words alone: there is nothing that TOML could not hold.
    toml::Table::try_from(settings).unwrap_or_default()
}

fn lookup<'a>(table: &'a toml::Table, key: &str) -> Option<&'a toml::Value> {
    let (section, name) = key.split_once('.')?;
    table.get(section)?.get(name)
}

/// The full name of a setting that is given by it, or by its last part where no other has the same.
fn full_name(key: &str) -> Result<&'static str, EditError> {
    let names = RULES.iter().map(|(name, _)| *name);
    let is_meant =
        |name: &&str| *name == key || name.split_once('.').is_some_and(|(_, it)| it == key);
    let meant: Vec<&'static str> = names.clone().filter(is_meant).collect();
    match meant.as_slice() {
        [one] => Ok(one),
        [] => Err(EditError::Unknown {
            key: key.to_owned(),
            known: names.collect(),
        }),
        _ => Err(EditError::Ambiguous {
            key: key.to_owned(),
            known: meant,
        }),
    }
}

/// A value as it is typed: TOML, or words without their quotes, of a list with commas between them.
fn read_value(key: &str, text: &str) -> Value {
    if let Ok(value) = text.trim().parse::<Value>() {
        return value;
    }
    let rule = RULES.iter().find(|(name, _)| *name == key);
    match rule {
        Some((_, Allowed::Listen { .. } | Allowed::External { .. })) => {
            let words = text.split(',').map(str::trim).filter(|it| !it.is_empty());
            Value::Array(words.collect::<Array>())
        }
        _ => Value::from(text),
    }
}

/// Changes settings in the text of a file; everything else in it stays. The settings that were named, by full name.
///
/// # Errors
/// [`EditError`]; the text is not changed in part.
fn change(
    text: &str,
    path: &Path,
    changes: &[(String, String)],
) -> Result<(String, Vec<&'static str>), EditError> {
    let broken = |problems| SettingsError::Invalid {
        path: path.to_owned(),
        problems,
    };
    let mut document: DocumentMut = text.parse().map_err(|_| broken(rules::check(text)))?;
    let mut named = Vec::new();
    for (key, typed) in changes {
        let full = full_name(key)?;
        let Some((section, name)) = full.split_once('.') else {
            continue;
        };
        let mut value = read_value(full, typed);
        let table = document
            .entry(section)
            .or_insert_with(|| Item::Table(Table::new()));
        let Some(table) = table.as_table_like_mut() else {
            return Err(broken(rules::check(text)).into());
        };
        if let Some(old) = table.get(name).and_then(Item::as_value) {
            *value.decor_mut() = old.decor().clone();
        }
        table.insert(name, Item::Value(value));
        named.push(full);
    }
    let changed = document.to_string();
    let problems = rules::check(&changed);
    let own = |problem: &&Problem| {
        let key = problem.key.as_deref();
        key.is_some_and(|key| named.contains(&key))
    };
    if let Some(problem) = problems.iter().find(own) {
        return Err(EditError::Refused(problem.message.clone()));
    }
    match problems.is_empty() {
        true => Ok((changed, named)),
        false => Err(broken(rules::check(text)).into()),
    }
}

/// Changes settings in a file, which may be missing: it is replaced as a whole, and keeps its owner and its
/// permissions. The settings that were named, as they are now.
///
/// # Errors
/// [`EditError`]; the file is as it was.
pub fn change_file(path: &Path, changes: &[(String, String)]) -> Result<Vec<Setting>, EditError> {
    let text = read_text(path)?.unwrap_or_default();
    let (changed, named) = change(&text, path, changes)?;
    let settings = Settings::parse(&changed).map_err(|problems| SettingsError::Invalid {
        path: path.to_owned(),
        problems,
    })?;
    replace(path, &changed).map_err(|source| EditError::Write {
        path: path.to_owned(),
        source,
    })?;
    let shown = all(&settings).into_iter();
    Ok(shown
        .filter(|it| named.contains(&it.key.as_str()))
        .collect())
}

fn replace(path: &Path, text: &str) -> std::io::Result<()> {
    let old = fs::metadata(path).ok();
    let beside = path.with_extension(format!("toml.{}", std::process::id()));
    let written = (|| {
        let mut file = fs::File::create_new(&beside)?;
        file.write_all(text.as_bytes())?;
        if let Some(old) = &old {
            file.set_permissions(old.permissions())?;
            let new = file.metadata()?;
            if (new.uid(), new.gid()) != (old.uid(), old.gid()) {
                chown(&beside, Some(old.uid()), Some(old.gid()))?;
            }
        }
        file.sync_all()?;
        fs::rename(&beside, path)
    })();
    if written.is_err() {
        // What is half written is of no use.
        fs::remove_file(&beside).ok();
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn set(text: &str, key: &str, value: &str) -> Result<String, EditError> {
        let changes = [(key.to_owned(), value.to_owned())];
        change(text, Path::new("config.toml"), &changes).map(|(text, _)| text)
    }

    #[test]
    fn what_people_wrote_beside_a_setting_stays() {
        let text = "# ours\n[network]\nmdns = true # the old office\n\n[log]\nfilter = \"info\"\n";
        assert_eq!(
            set(text, "mdns", "false").unwrap(),
            text.replace("true", "false")
        );
        let with_relay = set(text, "network.relay", "true").unwrap();
        assert!(
            with_relay
                .starts_with("# ours\n[network]\nmdns = true # the old office\nrelay = true\n"),
            "{with_relay}"
        );
        let sample = set(Settings::sample(), "relay", "true").unwrap();
        assert!(Settings::parse(&sample).unwrap().network.relay);
        assert_eq!(
            sample.lines().count(),
            Settings::sample().lines().count() + 1
        );
        assert!(
            Settings::parse(&set("", "interval_s", "7").unwrap())
                .is_ok_and(|it| it.sync.interval_s == 7)
        );
        let dotted = set("log.format = \"json\"\n", "format", "plain").unwrap();
        assert_eq!(dotted, "log.format = \"plain\"\n");
    }

    #[test]
    fn lists_are_typed_with_commas_or_as_they_are_written() {
        for typed in [
            "/dns/a.example/tcp/1, /ip4/192.0.2.7/tcp/2",
            "[\"/dns/a.example/tcp/1\", \"/ip4/192.0.2.7/tcp/2\"]",
        ] {
            let settings = Settings::parse(&set("", "external", typed).unwrap()).unwrap();
            let expected = ["/dns/a.example/tcp/1", "/ip4/192.0.2.7/tcp/2"];
            assert_eq!(settings.network.external, expected);
        }
        let none = Settings::parse(&set("", "listen", "").unwrap()).unwrap();
        assert!(none.network.listen.is_empty());
    }

    #[test]
    fn what_a_setting_does_not_allow_changes_nothing() {
        let refused = |key: &str, value: &str| set("", key, value).unwrap_err().to_string();
        assert!(refused("relay", "perhaps").contains("true or false"));
        assert!(refused("max_connections", "7").contains("from 8 to 65535"));
        assert!(refused("relais", "true").contains("network.relay"));
        let ambiguous = refused("port", "1");
        assert!(
            ambiguous.contains("metrics.port, public_api.port"),
            "{ambiguous}"
        );
        let broken = set("[network]\nmdns = 3\n", "relay", "true").unwrap_err();
        assert!(broken.to_string().contains("line 2"), "{broken}");
        assert!(
            set("[network]\nmdns = 3\n", "mdns", "true").is_ok(),
            "it mends it"
        );
        assert!(set("[network\n", "mdns", "true").is_err());
        assert!(set("network = 3\n", "mdns", "true").is_err());
    }

    #[test]
    fn a_file_is_replaced_as_a_whole_and_keeps_its_permissions() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("config.toml");
        let changes = [("relay".to_owned(), "true".to_owned())];
        let now = change_file(&path, &changes).unwrap();
        assert_eq!(now.len(), 1);
        assert_eq!(
            (now[0].key.as_str(), now[0].value.as_str()),
            ("network.relay", "true")
        );
        assert!(!now[0].is_default);
        fs::set_permissions(&path, PermissionsExt::from_mode(0o640)).unwrap();
        let back = [("relay".to_owned(), "false".to_owned())];
        assert!(change_file(&path, &back).unwrap()[0].is_default);
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o640);
        let before = fs::read_to_string(&path).unwrap();
        let wrong = [("relay".to_owned(), "no".to_owned())];
        assert!(change_file(&path, &wrong).is_err());
        assert_eq!(fs::read_to_string(&path).unwrap(), before);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn every_setting_is_shown_with_whether_it_is_the_default() {
        let mut settings = Settings::default();
        assert!(all(&settings).iter().all(|it| it.is_default));
        assert_eq!(all(&settings).len(), RULES.len());
        settings.network.relay = true;
        let changed: Vec<Setting> = all(&settings)
            .into_iter()
            .filter(|it| !it.is_default)
            .collect();
        assert_eq!(changed.len(), 1);
        assert_eq!(changed[0].key, "network.relay");
    }
}
