//! What each setting may be, and the check of a settings file against it.
//!
//! The check walks the parsed file with its positions, so that every fault is reported at its line,
//! and all of them at once. Its table is the only place that says what is allowed; the words in an
//! error and the test that refuses a value come from the same entry.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Most characters of a refused value that an error repeats.
const SHOWN_MAX_CHARS: usize = 60;
/// Longest host name, in bytes.
const HOST_MAX_BYTES: usize = 253;
/// Longest log filter, in bytes.
const FILTER_MAX_BYTES: usize = 1024;

/// What a setting may be.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Allowed {
    /// A whole number in this range, its unit in words.
    Whole {
        min: u32,
        max: u32,
        unit: &'static str,
    },
    /// `true` or `false`.
    Switch,
    /// One of these words.
    Word(&'static [&'static str]),
    /// Filter directives for the log.
    Filter,
    /// The number of an address of this machine.
    Ip,
    /// At most this many addresses to listen on.
    Listen { max: usize },
    /// At most this many addresses under which others can reach the node.
    External { max: usize },
}

/// Every setting, under its full name, with what it may be.
pub(crate) const RULES: &[(&str, Allowed)] = &[
    ("network.listen", Allowed::Listen { max: 16 }),
    ("network.external", Allowed::External { max: 8 }),
    ("network.mdns", Allowed::Switch),
    ("network.upnp", Allowed::Switch),
    ("network.relay", Allowed::Switch),
    ("network.max_connections", whole(8, 65_535, "connections")),
    (
        "network.max_connections_per_peer",
        whole(3, 16, "connections"),
    ),
    ("network.idle_timeout_s", whole(10, 86_400, "seconds")),
    ("sync.interval_s", whole(1, 86_400, "seconds")),
    ("sync.max_inbound_sessions", whole(1, 64, "sessions")),
    ("log.filter", Allowed::Filter),
    (
        "log.format",
        Allowed::Word(&["auto", "human", "plain", "json"]),
    ),
    ("store.cache_mb", whole(1, 65_536, "MiB")),
    ("store.disk_budget_mb", whole(64, 16_777_216, "MiB")),
    ("search.writer_mb", whole(15, 2_048, "MiB")),
    ("metrics.address", Allowed::Ip),
    ("metrics.port", whole(0, 65_535, "0 for none")),
    ("public_api.address", Allowed::Ip),
    ("public_api.port", whole(0, 65_535, "0 for none")),
    (
        "public_api.requests_per_minute",
        whole(1, 1_000_000, "requests"),
    ),
];

const fn whole(min: u32, max: u32, unit: &'static str) -> Allowed {
    Allowed::Whole { min, max, unit }
}

impl fmt::Display for Allowed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole { min, max, unit } => {
                write!(f, "a whole number from {min} to {max} ({unit})")
            }
            Self::Switch => f.write_str("true or false"),
            Self::Word(words) => write!(f, "one of \"{}\"", words.join("\", \"")),
            Self::Filter => f.write_str(
                "a log filter in quotes, such as \"info\" or \"info,fingerpost_daemon=debug\"",
            ),
            Self::Ip => f.write_str("an IP address in quotes, such as \"127.0.0.1\" or \"::1\""),
            Self::Listen { max } => write!(
                f,
                "a list of at most {max} addresses such as \"/ip4/0.0.0.0/tcp/7787\" or \
                 \"/ip6/::/udp/7787/quic-v1\""
            ),
            Self::External { max } => write!(
                f,
                "a list of at most {max} addresses that others can reach, with a port, such as \
                 \"/dns/node.example.org/tcp/7787\" or \"/ip4/192.0.2.7/udp/7787/quic-v1\""
            ),
        }
    }
}

/// One fault in a settings file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The line it is in, counted from 1.
    pub line: usize,
    /// The setting, with its section (`network.listen`); `None` when the file cannot be read so far.
    pub key: Option<String>,
    /// What is wrong and what is allowed, in words.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.message)
    }
}

/// Every fault of the settings in `text`, in the order of its lines.
pub(crate) fn check(text: &str) -> Vec<Problem> {
    let document = match DeTable::parse(text) {
        Ok(document) => document,
        Err(error) => return vec![unreadable(text, &error)],
    };
    let mut checker = Checker {
        text,
        problems: Vec::new(),
    };
    for (section, content) in document.get_ref() {
        checker.section(section.get_ref(), section.span(), content);
    }
    checker.problems.sort_by_key(|problem| problem.line);
    checker.problems
}

/// The fault that the TOML parser itself reports.
pub(crate) fn unreadable(text: &str, error: &toml::de::Error) -> Problem {
    Problem {
        line: error.span().map_or(1, |span| line_of(text, &span)),
        key: None,
        message: format!("this is not TOML as expected: {}", error.message()),
    }
}

fn line_of(text: &str, span: &Range<usize>) -> usize {
    let before = text.as_bytes().iter().take(span.start);
    before.filter(|byte| **byte == b'\n').count() + 1
}

struct Checker<'a> {
    text: &'a str,
    problems: Vec<Problem>,
}

impl Checker<'_> {
    fn section(&mut self, name: &str, span: Range<usize>, content: &Spanned<DeValue<'_>>) {
        let prefix = format!("{name}.");
        let known: Vec<&str> = RULES
            .iter()
            .filter_map(|(key, _)| key.strip_prefix(prefix.as_str()))
            .collect();
        let Some(table) = content.get_ref().as_table().filter(|_| !known.is_empty()) else {
            let what = if known.is_empty() {
                let sections = section_names().join("], [");
                format!("there is no section [{name}]; the sections are [{sections}]")
            } else {
                format!("{name} is a section: write [{name}] on a line and its settings below")
            };
            return self.report(&span, name, what);
        };
        for (key, value) in table {
            let full = format!("{name}.{}", key.get_ref());
            match RULES.iter().find(|(rule, _)| *rule == full) {
                Some((_, allowed)) => self.value(&full, *allowed, value),
                None => {
                    let others = known.join(", ");
                    let what = format!("there is no setting {full}; [{name}] has: {others}");
                    self.report(&key.span(), &full, what);
                }
            }
        }
    }

    fn value(&mut self, key: &str, allowed: Allowed, value: &Spanned<DeValue<'_>>) {
        let good = match (allowed, value.get_ref()) {
            (Allowed::Whole { min, max, .. }, DeValue::Integer(number)) => {
                i64::from_str_radix(number.as_str(), number.radix())
                    .is_ok_and(|number| (i64::from(min)..=i64::from(max)).contains(&number))
            }
            (Allowed::Switch, DeValue::Boolean(_)) => true,
            (Allowed::Word(words), DeValue::String(text)) => words.contains(&text.as_ref()),
            (Allowed::Filter, DeValue::String(text)) => is_filter(text),
            (Allowed::Ip, DeValue::String(text)) => text.parse::<IpAddr>().is_ok(),
            (Allowed::Listen { max }, DeValue::Array(list)) if list.len() <= max => {
                return self.each(key, allowed, list, is_listen_address);
            }
            (Allowed::External { max }, DeValue::Array(list)) if list.len() <= max => {
                return self.each(key, allowed, list, is_external_address);
            }
            _ => false,
        };
        if !good {
            self.refuse(key, allowed, &value.span());
        }
    }

    fn each(
        &mut self,
        key: &str,
        allowed: Allowed,
        list: &[Spanned<DeValue<'_>>],
        is_good: fn(&str) -> bool,
    ) {
        for entry in list {
            if !entry.get_ref().as_str().is_some_and(is_good) {
                self.refuse(key, allowed, &entry.span());
            }
        }
    }

    /// Reports a value, as it stands in the file, that its setting does not allow.
    fn refuse(&mut self, key: &str, allowed: Allowed, span: &Range<usize>) {
        let written = self.text.get(span.clone()).unwrap_or_default();
        let mut shown: String = written.chars().take(SHOWN_MAX_CHARS).collect();
        if shown.len() < written.len() {
            shown.push('…');
        }
        let what = format!("{key} cannot be {}; it must be {allowed}", shown.trim());
        self.report(span, key, what);
    }

    fn report(&mut self, span: &Range<usize>, key: &str, message: String) {
        self.problems.push(Problem {
            line: line_of(self.text, span),
            key: Some(key.to_owned()),
            message,
        });
    }
}

fn section_names() -> Vec<&'static str> {
    let mut names: Vec<&str> = RULES
        .iter()
        .filter_map(|(key, _)| key.split_once('.').map(|(section, _)| section))
        .collect();
    names.dedup();
    names
}

/// The daemon's log library has the last word on a filter; this refuses what no filter can be.
fn is_filter(text: &str) -> bool {
    !text.trim().is_empty() && text.len() <= FILTER_MAX_BYTES && !text.contains(char::is_control)
}

fn is_listen_address(text: &str) -> bool {
    let parts: Vec<&str> = text.split('/').collect();
    match parts.as_slice() {
        ["", "ip4", ip, transport @ ..] => is::<Ipv4Addr>(ip) && port(transport).is_some(),
        ["", "ip6", ip, transport @ ..] => is::<Ipv6Addr>(ip) && port(transport).is_some(),
        _ => false,
    }
}

/// An address that can be told to others: a definite host and a definite port.
fn is_external_address(text: &str) -> bool {
    let parts: Vec<&str> = text.split('/').collect();
    let (host_is_good, transport) = match parts.as_slice() {
        ["", "ip4", ip, transport @ ..] => (
            ip.parse::<Ipv4Addr>().is_ok_and(|ip| !ip.is_unspecified()),
            transport,
        ),
        ["", "ip6", ip, transport @ ..] => (
            ip.parse::<Ipv6Addr>().is_ok_and(|ip| !ip.is_unspecified()),
            transport,
        ),
        ["", "dns" | "dns4" | "dns6", host, transport @ ..] => (is_host_name(host), transport),
        _ => return false,
    };
    host_is_good && port(transport).is_some_and(|port| port != 0)
}

fn is<T: std::str::FromStr>(text: &str) -> bool {
    text.parse::<T>().is_ok()
}

/// The port of the two transports that a node speaks.
fn port(transport: &[&str]) -> Option<u16> {
    match transport {
        ["tcp", port] | ["udp", port, "quic-v1"] => port.parse().ok(),
        _ => None,
    }
}

fn is_host_name(host: &str) -> bool {
    let is_label = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    host.len() <= HOST_MAX_BYTES && host.split('.').all(is_label)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn only(text: &str) -> Problem {
        let mut problems = check(text);
        assert_eq!(problems.len(), 1, "{problems:?}");
        problems.remove(0)
    }

    /// The section and the name of a rule, as lines of a file.
    fn line_for(key: &str, value: &str) -> String {
        let (section, name) = key.split_once('.').unwrap();
        format!("[{section}]\n{name} = {value}\n")
    }

    #[test]
    fn numbers_are_held_to_their_range() {
        let mut seen = 0;
        for (key, allowed) in RULES {
            let Allowed::Whole { min, max, .. } = *allowed else {
                continue;
            };
            seen += 1;
            for good in [min, max] {
                assert!(check(&line_for(key, &good.to_string())).is_empty(), "{key}");
            }
            for bad in [i64::from(min) - 1, i64::from(max) + 1, -1, i64::MAX] {
                let problem = only(&line_for(key, &bad.to_string()));
                assert_eq!(problem.key.as_deref(), Some(*key));
                assert_eq!(problem.line, 2);
                assert!(problem.message.contains(&format!("from {min} to {max}")));
            }
        }
        assert!(seen > 0);
    }

    #[test]
    fn a_value_of_another_type_is_refused_with_what_is_allowed() {
        for (key, allowed) in RULES {
            for wrong in ["1.5", "1979-05-27", "{ a = 1 }", "[[]]"] {
                let problem = only(&line_for(key, wrong));
                assert_eq!(problem.key.as_deref(), Some(*key));
                assert!(problem.message.ends_with(&allowed.to_string()), "{problem}");
            }
        }
    }

    #[test]
    fn numbers_may_be_written_in_any_way_that_toml_has() {
        for text in ["0x20", "0b100000", "3_2", "+32"] {
            assert!(
                check(&line_for("store.cache_mb", text)).is_empty(),
                "{text}"
            );
        }
        only(&line_for("store.cache_mb", "99999999999999999999999"));
    }

    #[test]
    fn unknown_sections_and_settings_are_named_with_the_known_ones() {
        let problem = only("[network]\nmdns = true\nmdsn = true\n");
        assert_eq!(problem.key.as_deref(), Some("network.mdsn"));
        assert_eq!(problem.line, 3);
        assert!(problem.message.contains("max_connections_per_peer"));
        let problem = only("\n[netwrok]\nmdns = true\n");
        assert_eq!(problem.line, 2);
        assert!(
            problem
                .message
                .contains("[network], [sync], [log], [store], [search]")
        );
        let problem = only("mdns = true\n");
        assert_eq!(problem.key.as_deref(), Some("mdns"));
        assert!(only("network = 3\n").message.contains("is a section"));
    }

    #[test]
    fn all_faults_are_reported_in_the_order_of_their_lines() {
        let text = "[sync]\ninterval_s = 0\n[log]\nformat = 'loud'\n[network]\nmdns = 'yes'\n";
        let lines: Vec<usize> = check(text).iter().map(|problem| problem.line).collect();
        assert_eq!(lines, [2, 4, 6]);
    }

    #[test]
    fn what_is_not_toml_is_reported_at_its_line() {
        for (text, line) in [
            ("[network\n", 1),
            ("[log]\nfilter = \n", 2),
            ("[log]\n\nfilter = 'a'\nfilter = 'b'\n", 4),
        ] {
            let problem = only(text);
            assert_eq!((problem.line, problem.key), (line, None), "{text}");
        }
    }

    #[test]
    fn words_and_filters() {
        assert!(check("[log]\nformat = 'json'\nfilter = 'info,libp2p=warn'\n").is_empty());
        assert!(
            only("[log]\nformat = 'JSON'\n")
                .message
                .contains("\"plain\"")
        );
        only("[log]\nfilter = ' '\n");
        only("[log]\nfilter = \"a\\nb\"\n");
        let longest = "a".repeat(FILTER_MAX_BYTES);
        assert!(check(&format!("[log]\nfilter = '{longest}'\n")).is_empty());
        let problem = only(&format!("[log]\nfilter = '{longest}a'\n"));
        assert!(
            problem.message.len() < 300,
            "a long value is shortened: {problem}"
        );
    }

    #[test]
    fn addresses_to_listen_on() {
        for good in [
            "/ip4/0.0.0.0/tcp/0",
            "/ip4/127.0.0.1/udp/65535/quic-v1",
            "/ip6/::/tcp/7787",
            "/ip6/fe80::1/udp/7787/quic-v1",
        ] {
            assert!(is_listen_address(good), "{good}");
        }
        for bad in [
            "",
            "/",
            "0.0.0.0:7787",
            "ip4/0.0.0.0/tcp/1",
            "/ip4/0.0.0.0",
            "/ip4/0.0.0.0/tcp",
            "/ip4/0.0.0.0/tcp/65536",
            "/ip4/0.0.0.0/tcp/1/",
            "/ip4/0.0.0.0/udp/1",
            "/ip4/0.0.0.0/udp/1/quic",
            "/ip4/::/tcp/1",
            "/ip6/0.0.0.0/tcp/1",
            "/dns/node.example.org/tcp/1",
        ] {
            assert!(!is_listen_address(bad), "{bad}");
        }
    }

    #[test]
    fn addresses_to_tell_others() {
        for good in [
            "/ip4/192.0.2.7/tcp/7787",
            "/ip6/2001:db8::7/udp/7787/quic-v1",
            "/dns/node.example.org/tcp/7787",
            "/dns4/a-b.example/udp/443/quic-v1",
        ] {
            assert!(is_external_address(good), "{good}");
        }
        for bad in [
            "/ip4/0.0.0.0/tcp/7787",
            "/ip6/::/tcp/7787",
            "/ip4/192.0.2.7/tcp/0",
            "/dns//tcp/1",
            "/dns/-a.example/tcp/1",
            "/dns/a..example/tcp/1",
            "/dns/a_b.example/tcp/1",
            "/ip4/192.0.2.7/tcp/1/ws",
        ] {
            assert!(!is_external_address(bad), "{bad}");
        }
        let host = |len: usize| format!("/dns/{}/tcp/1", "a".repeat(len));
        assert!(is_external_address(&host(HOST_MAX_BYTES)));
        assert!(!is_external_address(&host(HOST_MAX_BYTES + 1)));
    }

    #[test]
    fn a_bad_address_is_reported_at_its_own_line_and_lists_have_an_end() {
        let text = "[network]\nlisten = [\n  '/ip4/0.0.0.0/tcp/1',\n  'home',\n  7,\n]\n";
        let lines: Vec<usize> = check(text).iter().map(|problem| problem.line).collect();
        assert_eq!(lines, [4, 5]);
        for (key, most) in [("network.listen", 16), ("network.external", 8)] {
            let list = |len: usize| format!("{:?}", vec!["/ip4/192.0.2.7/tcp/1"; len]);
            assert!(check(&line_for(key, &list(most))).is_empty());
            let problem = only(&line_for(key, &list(most + 1)));
            assert!(
                problem
                    .message
                    .contains(&format!("at most {most} addresses"))
            );
        }
    }
}
