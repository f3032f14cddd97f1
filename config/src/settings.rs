//! The settings of a node: `config.toml` in its home.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::rules::{self, Problem};

/// Largest settings file, in bytes.
pub const SETTINGS_MAX_BYTES: u64 = 64 * 1024;

/// Everything the owner of a node may choose. Each part has a default.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// How the node reaches others and is reached.
    pub network: NetworkSettings,
    /// How often and how much it compares itself with others.
    pub sync: SyncSettings,
    /// What it reports.
    pub log: LogSettings,
    /// The store on disk.
    pub store: StoreSettings,
    /// The search index.
    pub search: SearchSettings,
    /// Figures for whoever watches the node.
    pub metrics: MetricsSettings,
    /// The directory as Open Referral UK, for other programs.
    pub public_api: PublicApiSettings,
}

/// How the node reaches others and is reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NetworkSettings {
    /// Addresses to listen on, as multiaddresses over TCP or QUIC; none: the node only calls others.
    /// When a port is taken, the daemon listens on a free one and says so in its log.
    pub listen: Vec<String>,
    /// Addresses to tell others beside those the node finds itself: a name, or what a router forwards.
    pub external: Vec<String>,
    /// Whether to look for nodes on the local network.
    pub mdns: bool,
    /// Whether to ask the router, by UPnP, to let calls of others through.
    pub upnp: bool,
    /// Whether to pass on what members send one another who cannot be called. It takes effect while others can call
    /// this node.
    pub relay: bool,
    /// Most connections at a time, in both directions.
    pub max_connections: u32,
    /// Most connections at a time with one other node.
    pub max_connections_per_peer: u32,
    /// How long a connection that nobody uses stays open, in seconds.
    pub idle_timeout_s: u32,
}

impl Default for NetworkSettings {
    fn default() -> Self {
        Self {
            listen: vec![
                "/ip4/0.0.0.0/tcp/7787".to_owned(),
                "/ip4/0.0.0.0/udp/7787/quic-v1".to_owned(),
                "/ip6/::/tcp/7787".to_owned(),
                "/ip6/::/udp/7787/quic-v1".to_owned(),
            ],
            external: Vec::new(),
            mdns: true,
            upnp: true,
            relay: false,
            max_connections: 256,
            max_connections_per_peer: 8,
            idle_timeout_s: 300,
        }
    }
}

/// How often and how much the node compares itself with others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SyncSettings {
    /// Mean time between two comparisons with the same node, in seconds.
    pub interval_s: u32,
    /// Most comparisons at a time that others began.
    pub max_inbound_sessions: u32,
}

impl Default for SyncSettings {
    fn default() -> Self {
        Self {
            interval_s: 60,
            max_inbound_sessions: 4,
        }
    }
}

/// What the daemon reports.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LogSettings {
    /// Which events, as filter directives: a level, and levels of single modules.
    pub filter: String,
    /// How they are written.
    pub format: LogFormat,
}

impl Default for LogSettings {
    fn default() -> Self {
        Self {
            filter: "info".to_owned(),
            format: LogFormat::default(),
        }
    }
}

/// How log events are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// [`Self::Human`] on a terminal, [`Self::Plain`] elsewhere.
    #[default]
    Auto,
    /// With colours and the time.
    Human,
    /// Without colours or time, for a journal that adds its own.
    Plain,
    /// One JSON object a line.
    Json,
}

/// The store on disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StoreSettings {
    /// Memory for pages of the store, in MiB. The store may exceed it for a while.
    pub cache_mb: u32,
    /// What store and index together may grow to on disk, in MiB. When they have, own edits go on and no more of
    /// others is taken.
    pub disk_budget_mb: u32,
}

impl Default for StoreSettings {
    fn default() -> Self {
        Self {
            cache_mb: 32,
            disk_budget_mb: 8_192,
        }
    }
}

/// The search index.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SearchSettings {
    /// Memory in which the index collects changes before it writes them, in MiB.
    pub writer_mb: u32,
}

impl Default for SearchSettings {
    fn default() -> Self {
        Self { writer_mb: 32 }
    }
}

/// The directory as Open Referral UK, for other programs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PublicApiSettings {
    /// Address on which it is served, if `port` is set.
    pub address: String,
    /// TCP port on which it is served; 0: on none.
    pub port: u32,
    /// Most requests a minute from one address.
    pub requests_per_minute: u32,
}

impl Default for PublicApiSettings {
    fn default() -> Self {
        Self {
            address: "127.0.0.1".to_owned(),
            port: 0,
            requests_per_minute: 600,
        }
    }
}

/// Figures for whoever watches the node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MetricsSettings {
    /// Address on which they are served, if `port` is set.
    pub address: String,
    /// TCP port on which they are served; 0: on none. The local API serves them in any case.
    pub port: u32,
}

impl Default for MetricsSettings {
    fn default() -> Self {
        Self {
            address: "127.0.0.1".to_owned(),
            port: 0,
        }
    }
}

/// Why settings cannot be used. Settings never change because of it.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The file is there and cannot be read.
    #[error("cannot read the settings in {path}: {source}. Check who owns the file.")]
    Unreadable {
        /// The settings file.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The file is larger than [`SETTINGS_MAX_BYTES`].
    #[error(
        "{path} is larger than {SETTINGS_MAX_BYTES} bytes, so it is hardly a settings file. \
         Nothing was read from it."
    )]
    TooLarge {
        /// The settings file.
        path: PathBuf,
    },
    /// The file is not text in UTF-8.
    #[error("{path} is not text in UTF-8. Save it again as UTF-8, or remove it for the defaults.")]
    NotText {
        /// The settings file.
        path: PathBuf,
    },
    /// The file holds settings that are not allowed. All of them are listed.
    #[error(
        "the settings in {path} cannot be used:{}\nNothing was started with them. Mend these \
         lines, or remove them for the defaults.",
        listed(.problems)
    )]
    Invalid {
        /// The settings file.
        path: PathBuf,
        /// The faults, in the order of their lines; at least one.
        problems: Vec<Problem>,
    },
}

fn listed(problems: &[Problem]) -> String {
    let lines = problems.iter().map(|problem| format!("\n  {problem}"));
    lines.collect()
}

impl Settings {
    /// Reads the settings file at `path`. A missing file, like a missing line, means the default.
    ///
    /// # Errors
    /// [`SettingsError`], with every fault of the file and its line.
    pub fn load(path: &Path) -> Result<Self, SettingsError> {
        let Some(text) = read_text(path)? else {
            return Ok(Self::default());
        };
        Self::parse(&text).map_err(|problems| SettingsError::Invalid {
            path: path.to_owned(),
            problems,
        })
    }

    /// Reads settings from text in TOML.
    ///
    /// # Errors
    /// Every fault in the text, in the order of its lines; never an empty list.
    pub fn parse(text: &str) -> Result<Self, Vec<Problem>> {
        let problems = rules::check(text);
        if !problems.is_empty() {
            return Err(problems);
        }
        toml::from_str(text).map_err(|error| vec![rules::unreadable(text, &error)])
    }

    /// The sample file: every setting with its default, commented out and explained.
    #[must_use]
    pub fn sample() -> &'static str {
        include_str!("../fingerpost.sample.toml")
    }
}

/// The text of a settings file; `None` when there is none.
pub(crate) fn read_text(path: &Path) -> Result<Option<String>, SettingsError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(unreadable(path, source)),
    };
    let mut bytes = Vec::new();
    file.take(SETTINGS_MAX_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(|source| unreadable(path, source))?;
    if bytes.len() as u64 > SETTINGS_MAX_BYTES {
        return Err(SettingsError::TooLarge {
            path: path.to_owned(),
        });
    }
    let text = String::from_utf8(bytes).map_err(|_| SettingsError::NotText {
        path: path.to_owned(),
    })?;
    Ok(Some(text))
}

fn unreadable(path: &Path, source: std::io::Error) -> SettingsError {
    SettingsError::Unreadable {
        path: path.to_owned(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::RULES;
    use std::fs;

    /// The sample with its settings switched on: prose starts with a hash and one space, a setting
    /// follows its hash directly or, inside a list, after several spaces.
    fn sample_switched_on() -> String {
        let is_prose =
            |line: &str| line == "#" || (line.starts_with("# ") && !line.starts_with("#  "));
        Settings::sample()
            .lines()
            .filter(|line| !is_prose(line))
            .map(|line| format!("{}\n", line.strip_prefix('#').unwrap_or(line)))
            .collect()
    }

    fn keys(table: &toml::Table) -> Vec<String> {
        let mut keys = Vec::new();
        for (section, content) in table {
            for key in content.as_table().unwrap().keys() {
                keys.push(format!("{section}.{key}"));
            }
        }
        keys.sort();
        keys
    }

    #[test]
    fn the_sample_means_the_defaults_as_shipped_and_switched_on() {
        assert_eq!(Settings::parse(Settings::sample()), Ok(Settings::default()));
        assert_eq!(
            Settings::parse(&sample_switched_on()),
            Ok(Settings::default())
        );
    }

    #[test]
    fn sample_rules_and_settings_name_the_same_keys() {
        let mut ruled: Vec<String> = RULES.iter().map(|(key, _)| (*key).to_owned()).collect();
        ruled.sort();
        let shown = sample_switched_on().parse::<toml::Table>().unwrap();
        assert_eq!(keys(&shown), ruled);
        assert_eq!(
            keys(&toml::Table::try_from(Settings::default()).unwrap()),
            ruled
        );
    }

    #[test]
    fn settings_that_are_written_out_read_back_as_they_were() {
        let settings = Settings {
            network: NetworkSettings {
                listen: vec!["/ip4/127.0.0.1/tcp/0".to_owned()],
                external: vec!["/dns/node.example.org/tcp/7787".to_owned()],
                mdns: false,
                upnp: false,
                relay: true,
                max_connections: 8,
                max_connections_per_peer: 4,
                idle_timeout_s: 11,
            },
            sync: SyncSettings {
                interval_s: 2,
                max_inbound_sessions: 3,
            },
            log: LogSettings {
                filter: "debug".to_owned(),
                format: LogFormat::Json,
            },
            store: StoreSettings {
                cache_mb: 33,
                disk_budget_mb: 99,
            },
            search: SearchSettings { writer_mb: 34 },
            metrics: MetricsSettings {
                address: "::1".to_owned(),
                port: 9787,
            },
            public_api: PublicApiSettings {
                address: "::1".to_owned(),
                port: 8420,
                requests_per_minute: 7,
            },
        };
        let text = toml::to_string(&settings).unwrap();
        assert_eq!(Settings::parse(&text), Ok(settings));
    }

    #[test]
    fn every_log_format_has_a_word() {
        for (word, format) in [
            ("auto", LogFormat::Auto),
            ("human", LogFormat::Human),
            ("plain", LogFormat::Plain),
            ("json", LogFormat::Json),
        ] {
            let settings = Settings::parse(&format!("log.format = \"{word}\"")).unwrap();
            assert_eq!(settings.log.format, format);
        }
    }

    #[test]
    fn what_is_not_set_keeps_its_default() {
        let settings = Settings::parse("[sync]\ninterval_s = 5\n").unwrap();
        let expected = Settings {
            sync: SyncSettings {
                interval_s: 5,
                ..SyncSettings::default()
            },
            ..Settings::default()
        };
        assert_eq!(settings, expected);
    }

    #[test]
    fn a_missing_file_means_the_defaults() {
        let dir = tempfile::tempdir().unwrap();
        let settings = Settings::load(&dir.path().join("config.toml")).unwrap();
        assert_eq!(settings, Settings::default());
    }

    #[test]
    fn an_error_names_the_file_the_line_the_setting_and_what_is_allowed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("config.toml");
        fs::write(
            &path,
            "[network]\nmdns = true\nmax_connections = \"many\"\n",
        )
        .unwrap();
        let text = Settings::load(&path).unwrap_err().to_string();
        for part in [
            path.to_str().unwrap(),
            "line 3",
            "network.max_connections",
            "\"many\"",
            "from 8 to 65535",
        ] {
            assert!(text.contains(part), "{part} is missing in: {text}");
        }
    }

    #[test]
    fn a_file_that_is_no_settings_file_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        assert!(matches!(
            Settings::load(dir.path()),
            Err(SettingsError::Unreadable { .. })
        ));
        let path = dir.path().join("config.toml");
        fs::write(&path, [0xff, 0xfe]).unwrap();
        assert!(matches!(
            Settings::load(&path),
            Err(SettingsError::NotText { .. })
        ));
        let longest = "\n".repeat(usize::try_from(SETTINGS_MAX_BYTES).unwrap());
        fs::write(&path, &longest).unwrap();
        assert_eq!(Settings::load(&path).unwrap(), Settings::default());
        fs::write(&path, format!("{longest}\n")).unwrap();
        assert!(matches!(
            Settings::load(&path),
            Err(SettingsError::TooLarge { .. })
        ));
    }
}
