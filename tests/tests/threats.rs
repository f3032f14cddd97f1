//! Every attack that the book lists names tests that carry it out, and they exist.

use std::fs;

use fingerpost_tests::Fail;
use fingerpost_tests::binaries::workspace_dir;

const PAGE: &str = "docs/protocol/threats.md";

/// The rows of the table under a heading, without its head.
fn rows<'a>(page: &'a str, heading: &str) -> Vec<&'a str> {
    let section = page.split(heading).nth(1).unwrap_or_default();
    let section = section.split("\n## ").next().unwrap_or_default();
    let rows = section.lines().filter(|line| line.starts_with('|'));
    rows.skip(2).collect()
}

/// What stands in backticks and names a test: a file and a function.
fn tests_in(row: &str) -> Vec<(&str, &str)> {
    let spans = row.split('`').skip(1).step_by(2);
    spans.filter_map(|span| span.split_once("::")).collect()
}

/// Whether a file has a function of this name that the test harness runs.
fn has_test(source: &str, name: &str) -> bool {
    let Some(at) = source.find(&format!("fn {name}(")) else {
        return false;
    };
    let before = source.get(..at).unwrap_or_default();
    // The attributes stand between the end of whatever comes before and the name.
    let own = before.rsplit("\n\n").next().unwrap_or_default();
    own.contains("#[test]") || own.contains("#[tokio::test")
}

#[test]
fn every_attack_has_a_test_that_carries_it_out() -> Result<(), Fail> {
    let root = workspace_dir();
    let page = fs::read_to_string(root.join(PAGE))?;
    let rows = rows(&page, "## Attacks");
    assert!(rows.len() >= 9, "the table of attacks was not found");
    let mut faults = Vec::new();
    for row in rows {
        let tests = tests_in(row);
        if tests.is_empty() {
            faults.push(format!("no test carries out: {row}"));
        }
        for (file, name) in tests {
            let source = fs::read_to_string(root.join(file)).unwrap_or_default();
            if !has_test(&source, name) {
                faults.push(format!("{file} has no test {name}"));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    Ok(())
}

#[test]
fn every_fuzz_target_is_in_the_book() -> Result<(), Fail> {
    let root = workspace_dir();
    let page = fs::read_to_string(root.join(PAGE))?;
    let listed = rows(&page, "## Hostile bytes").join("\n");
    let mut count = 0;
    for entry in fs::read_dir(root.join("tests/fuzz/fuzz_targets"))? {
        let file = entry?.file_name().to_string_lossy().into_owned();
        let name = file.trim_end_matches(".rs");
        assert!(listed.contains(&format!("`{name}`")), "{PAGE} lacks {name}");
        count += 1;
    }
    assert!(count > 20, "the targets were not found");
    Ok(())
}

#[test]
fn the_rules_find_what_they_look_for() {
    let page = "## Attacks\n\n| a | b |\n|---|---|\n| x | `a.rs::b` |\n\n## Next\n\n| no | no |\n";
    assert_eq!(rows(page, "## Attacks"), ["| x | `a.rs::b` |"]);
    assert_eq!(tests_in("| x | `y` `a/b.rs::c` |"), [("a/b.rs", "c")]);
    let source = "#[test]\nfn a() {}\n\nfn b() {}\n\n/// Says.\n#[tokio::test(flavor = \"x\")]\nasync fn c() {}\n";
    assert!(has_test(source, "a") && has_test(source, "c"));
    assert!(!has_test(source, "b") && !has_test(source, "d"));
}
