//! Rules about the source itself, which no compiler and no lint looks after.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use fingerpost_tests::Fail;
use fingerpost_tests::binaries::workspace_dir;
use serde_json::Value;

/// Most lines of a Rust file.
const LINES_MAX: usize = 600;

/// What marks unfinished work; put together here, so that this file does not hold it.
const UNFINISHED: &[&str] = &[
    concat!("to", "do!("),
    concat!("unimple", "mented!("),
    concat!("db", "g!("),
    concat!("FIX", "ME"),
    concat!("XX", "X"),
];

/// Words that say less than the plain one, or that we do not want to use.
const BANNED_WORDS: &[&str] = &[
    concat!("black", "list"),
    concat!("white", "list"),
    concat!("util", "ise"),
    concat!("util", "ize"),
    concat!("lever", "age"),
    concat!("seam", "less"),
    concat!("sanity ", "check"),
];

/// Crates that would give the protocol a clock, sockets or a runtime.
const IMPURE: &[&str] = &[
    "tokio",
    "libp2p",
    "async-std",
    "smol",
    "axum",
    "hyper",
    "sled",
    "tantivy",
    "rand",
    "getrandom",
    "chrono",
    "rustix",
    "tracing",
];

struct Source {
    /// From the root of the workspace, with `/`.
    name: String,
    text: String,
}

impl Source {
    fn is_rust(&self) -> bool {
        self.name.ends_with(".rs")
    }

    /// What of it is tests: a file of tests, or what stands after `mod tests`.
    fn tests(&self) -> &str {
        let is_test = self
            .name
            .split('/')
            .any(|part| part == "tests" || part == "benches")
            || self.name.ends_with("tests.rs");
        if is_test {
            return &self.text;
        }
        self.text
            .split_once("mod tests {")
            .map_or("", |(_, tests)| tests)
    }
}

/// Every text file of the project.
fn sources() -> Result<Vec<Source>, Fail> {
    let root = workspace_dir();
    let mut found = Vec::new();
    let mut dirs = vec![root.clone()];
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(&dir)? {
            let path = entry?.path();
            let name = path
                .strip_prefix(&root)?
                .to_string_lossy()
                .replace('\\', "/");
            if path.is_dir() {
                // The fuzz targets are a workspace with a target directory of its own.
                if name != ".git" && !path.ends_with("target") {
                    dirs.push(path);
                }
            } else if let Ok(text) = fs::read_to_string(&path) {
                found.push(Source { name, text });
            }
        }
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    assert!(
        found
            .iter()
            .any(|source| source.name == "proto/src/limits.rs"),
        "looked in a wrong place"
    );
    Ok(found)
}

/// The test's answer to a list of faults: each on a line of its own.
fn none(faults: Vec<String>) -> Result<(), Fail> {
    match faults.is_empty() {
        true => Ok(()),
        false => Err(Fail::new(format!("\n{}\n", faults.join("\n")))),
    }
}

#[test]
fn rust_files_are_short() -> Result<(), Fail> {
    let faults = sources()?
        .into_iter()
        .filter(Source::is_rust)
        .filter_map(|source| {
            let lines = source.text.lines().count();
            (lines > LINES_MAX)
                .then(|| format!("{} has {lines} lines; at most {LINES_MAX}", source.name))
        });
    none(faults.collect())
}

#[test]
fn nothing_is_unfinished_and_words_are_plain() -> Result<(), Fail> {
    let mut faults = Vec::new();
    for source in sources()?
        .iter()
        .filter(|source| source.name != "Cargo.lock")
    {
        for (at, line) in source.text.lines().enumerate() {
            let place = format!("{}:{}", source.name, at + 1);
            let has = |mark: &str| match mark.ends_with('(') {
                true => line.contains(mark),
                false => names(line, mark),
            };
            let marks = UNFINISHED
                .iter()
                .filter(|mark| source.is_rust() && has(mark));
            faults.extend(marks.map(|mark| format!("{place}: {mark}")));
            let lower = line.to_lowercase();
            let words = BANNED_WORDS.iter().filter(|word| lower.contains(**word));
            // Samples are other people's data.
            let words = words.filter(|_| !source.name.ends_with(".json"));
            faults.extend(words.map(|word| format!("{place}: say \"{word}\" in plainer words")));
        }
    }
    none(faults)
}

#[test]
fn no_file_names_a_place_on_the_machine_where_it_was_written() -> Result<(), Fail> {
    let here = workspace_dir();
    let above = here.parent().unwrap_or(&here);
    let mut banned = vec![
        concat!("/Us", "ers/").to_owned(),
        concat!("/ro", "ot/").to_owned(),
    ];
    for dir in [here.as_path(), above] {
        if dir.components().count() > 1 {
            banned.push(format!("{}/", dir.display()));
        }
    }
    let mut faults = Vec::new();
    for source in sources()? {
        for path in banned
            .iter()
            .filter(|path| source.text.contains(path.as_str()))
        {
            faults.push(format!("{} names {path}", source.name));
        }
    }
    none(faults)
}

/// The packages of the workspace, with the names of what they depend on.
fn packages() -> Result<Vec<(String, BTreeSet<String>)>, Fail> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args([
            "metadata",
            "--offline",
            "--no-deps",
            "--format-version",
            "1",
        ])
        .current_dir(workspace_dir())
        .output()?;
    if !output.status.success() {
        return Err(Fail::new(String::from_utf8_lossy(&output.stderr)));
    }
    let metadata: Value = serde_json::from_slice(&output.stdout)?;
    let packages = metadata["packages"].as_array().cloned().unwrap_or_default();
    let packages = packages.iter().map(|package| {
        let dependencies = package["dependencies"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        // Tests and benchmarks may use what the crate itself may not.
        let shipped = dependencies
            .iter()
            .filter(|dependency| dependency["kind"].is_null());
        let names = shipped.filter_map(|dependency| dependency["name"].as_str().map(str::to_owned));
        (
            package["name"].as_str().unwrap_or_default().to_owned(),
            names.collect(),
        )
    });
    Ok(packages.collect())
}

#[test]
fn the_layers_depend_on_one_another_in_one_direction() -> Result<(), Fail> {
    let allowed: &[(&str, &[&str])] = &[
        ("fingerpost-proto", &[]),
        ("fingerpost-config", &[]),
        (
            "fingerpost-daemon",
            &["fingerpost-proto", "fingerpost-config"],
        ),
        ("fingerpost-cli", &["fingerpost-proto", "fingerpost-config"]),
        ("fingerpost-tests", &["fingerpost-proto"]),
        ("fingerpost-planted", &[]),
    ];
    let packages = packages()?;
    let names: Vec<&str> = packages.iter().map(|(name, _)| name.as_str()).collect();
    let known: Vec<&str> = allowed.iter().map(|(name, _)| *name).collect();
    assert_eq!(BTreeSet::from_iter(names), BTreeSet::from_iter(known));
    let mut faults = Vec::new();
    for (name, dependencies) in &packages {
        let may = allowed
            .iter()
            .find(|(allowed, _)| allowed == name)
            .map_or(&[][..], |(_, may)| *may);
        for ours in dependencies
            .iter()
            .filter(|dependency| dependency.starts_with("fingerpost-"))
        {
            if !may.contains(&ours.as_str()) {
                faults.push(format!("{name} depends on {ours}"));
            }
        }
        if name == "fingerpost-proto" {
            let impure = IMPURE
                .iter()
                .filter(|impure| dependencies.contains(**impure));
            faults.extend(impure.map(|impure| format!("{name} depends on {impure}")));
        }
    }
    none(faults)
}

#[test]
fn the_protocol_names_no_runtime() -> Result<(), Fail> {
    let mut faults = Vec::new();
    for source in sources()?
        .iter()
        .filter(|s| s.is_rust() && s.name.starts_with("proto/src/"))
    {
        for (at, line) in source.text.lines().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            for word in ["tokio", "libp2p", "async fn", ".await"] {
                if code.contains(word) {
                    faults.push(format!("{}:{}: {word}", source.name, at + 1));
                }
            }
        }
    }
    none(faults)
}

fn limits(sources: &[Source]) -> Vec<String> {
    let text = sources
        .iter()
        .find(|source| source.name == "proto/src/limits.rs");
    let lines = text.map_or("", |source| &source.text).lines();
    let names = lines.filter_map(|line| line.strip_prefix("pub const ")?.split(':').next());
    names.map(str::to_owned).collect()
}

/// Whether a text has a name as a word of its own, not as part of a longer one.
fn names(text: &str, name: &str) -> bool {
    let part_of_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.match_indices(name).any(|(at, _)| {
        let before = text.get(..at).and_then(|head| head.chars().next_back());
        let after = text
            .get(at + name.len()..)
            .and_then(|rest| rest.chars().next());
        !before.is_some_and(part_of_name) && !after.is_some_and(part_of_name)
    })
}

#[test]
fn every_limit_is_met_by_a_test_and_stands_in_the_book() -> Result<(), Fail> {
    let sources = sources()?;
    let limits = limits(&sources);
    assert!(limits.len() > 20, "the limits were not found");
    let wire = sources
        .iter()
        .find(|source| source.name == "docs/protocol/wire.md");
    let wire = wire.map_or("", |source| &source.text);
    let mut faults = Vec::new();
    for limit in &limits {
        if !sources
            .iter()
            .any(|source| source.is_rust() && names(source.tests(), limit))
        {
            faults.push(format!("no test names {limit}"));
        }
        if !names(wire, limit) {
            faults.push(format!("docs/protocol/wire.md does not list {limit}"));
        }
    }
    none(faults)
}

/// The targets of the links in a page of Markdown.
fn links(page: &str) -> Vec<&str> {
    page.split("](")
        .skip(1)
        .filter_map(|rest| rest.split(')').next())
        .collect()
}

#[test]
fn every_page_is_in_the_summary_and_every_link_leads_somewhere() -> Result<(), Fail> {
    let root = workspace_dir();
    let summary = fs::read_to_string(root.join("docs/SUMMARY.md"))?;
    let listed: BTreeSet<&str> = links(&summary).into_iter().collect();
    let mut faults = Vec::new();
    for page in sources()?
        .iter()
        .filter(|source| source.name.ends_with(".md"))
    {
        if let Some(name) = page.name.strip_prefix("docs/")
            && name != "SUMMARY.md"
            && !listed.contains(name)
        {
            faults.push(format!("{} is not in docs/SUMMARY.md", page.name));
        }
        let dir = root.join(Path::new(&page.name).parent().unwrap_or(Path::new("")));
        for link in links(&page.text) {
            let (file, heading) = link.split_once('#').unwrap_or((link, ""));
            if file.contains("://") || file.starts_with("mailto:") {
                continue;
            }
            let target: PathBuf = if file.is_empty() {
                root.join(&page.name)
            } else {
                dir.join(file)
            };
            if !target.exists() {
                faults.push(format!("{}: the link to {link} leads nowhere", page.name));
            } else if !heading.is_empty() && !has_heading(&fs::read_to_string(&target)?, heading) {
                faults.push(format!(
                    "{}: {file} has no heading for #{heading}",
                    page.name
                ));
            }
        }
    }
    none(faults)
}

/// Whether a page has a heading that is linked to like this: in lower case, with hyphens for spaces.
fn has_heading(page: &str, anchor: &str) -> bool {
    page.lines()
        .filter(|line| line.starts_with('#'))
        .any(|line| {
            let heading = line.trim_start_matches('#').trim().to_lowercase();
            let plain = heading
                .chars()
                .filter(|c| c.is_alphanumeric() || *c == ' ' || *c == '-');
            plain.collect::<String>().replace(' ', "-") == anchor
        })
}

#[test]
fn every_setting_and_every_command_is_in_the_reference() -> Result<(), Fail> {
    let root = workspace_dir();
    let settings = fs::read_to_string(root.join("docs/reference/settings.md"))?;
    let sample = fs::read_to_string(root.join("config/fingerpost.sample.toml"))?;
    let (mut section, mut faults, mut count) = ("", Vec::new(), 0);
    for line in sample.lines() {
        if let Some(name) = line.strip_prefix('[') {
            section = name.trim_end_matches(']');
        } else if let Some((key, _)) = line
            .strip_prefix('#')
            .and_then(|rest| rest.split_once(" = "))
            && key.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')
        {
            count += 1;
            if !settings.contains(&format!("`{section}.{key}`")) {
                faults.push(format!("docs/reference/settings.md lacks {section}.{key}"));
            }
        }
    }
    assert!(count > 5, "the settings were not found");
    let commands = fs::read_to_string(root.join("docs/reference/commands.md"))?;
    for entry in fs::read_dir(root.join("cli/src/commands"))? {
        let name = entry?
            .file_name()
            .to_string_lossy()
            .trim_end_matches(".rs")
            .to_owned();
        if name != "mod" && !commands.contains(&format!("`fingerpost {name}")) {
            faults.push(format!("docs/reference/commands.md lacks {name}"));
        }
    }
    none(faults)
}

#[test]
fn the_rules_find_what_they_look_for() {
    assert!(names("a.len() > TEXT_MAX;", "TEXT_MAX") && !names("TEXT_MAX_BYTES", "TEXT_MAX"));
    assert!(!names("RECONCILE_FRAME_MAX_BYTES", "FRAME_MAX_BYTES"));
    assert_eq!(links("[a](b.md) and [c](d.md#e)"), ["b.md", "d.md#e"]);
    assert!(has_heading(
        "# One\n## The wire, and all limits",
        "the-wire-and-all-limits"
    ));
    let source = |name: &str, text: &str| Source {
        name: name.into(),
        text: text.into(),
    };
    assert_eq!(
        source("proto/src/a.rs", "X mod tests { Y }").tests(),
        " Y }"
    );
    assert_eq!(source("proto/src/a/tests.rs", "X").tests(), "X");
    assert_eq!(source("daemon/tests/a.rs", "X").tests(), "X");
}
