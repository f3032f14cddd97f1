//! Bundles between real nodes that never have a path to one another, through the command line alone; and bundles that
//! were damaged, cut, made up, or interrupted.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

#[path = "bundle/islands.rs"]
mod islands;

use std::fs;
use std::io::Write;
use std::process::{Command, Stdio};

use data_encoding::BASE64;
use fingerpost_tests::Fail;
use fingerpost_tests::binaries::binaries;
use fingerpost_tests::federation::{check_logs, ok};
use fingerpost_tests::process::Ran;
use islands::{Island, PATIENCE, Sea, finds, imported, roster, shown};
use serde_json::Value;

/// By how much a daemon may grow, in KiB, while it refuses a bomb.
const GROWTH_MAX_KIB: u64 = 48 * 1024;

/// A bundle's text with the line at `at` (from 0) changed by `change`.
fn with_line(bundle: &str, at: usize, change: impl FnOnce(&str) -> String) -> String {
    let mut lines: Vec<String> = bundle.lines().map(str::to_owned).collect();
    lines[at] = change(&lines[at]);
    lines.join("\n") + "\n"
}

#[test]
fn two_islands_are_in_step_after_a_bundle_in_each_direction() -> Result<(), Fail> {
    let sea = Sea::new()?;
    let north = sea.island("north", "North Advice")?;
    ok(&north.node, &["found", "Lambeth"])?;
    ok(&north.node, &["service", "add", "name=Debt advice"])?;
    let south = sea.island("south", "South Hub")?;
    ok(&south.node, &["service", "add", "name=Lunch club"])?;

    // A ticket and a bundle on one stick are enough to join.
    let joined = south.join(&north)?;
    assert_eq!(joined["place"], "member", "{joined}");
    finds(&south, &["Debt advice", "Lunch club"])?;

    // And its bundle brings the newcomer to those who have never heard of it.
    let report = sea.carry(&south, &north)?;
    assert!(report["added"].as_u64() >= Some(2), "{report}");
    finds(&north, &["Debt advice", "Lunch club"])?;
    // What the inviter says of its invitation now goes the other way.
    sea.bring_into_step(&north, &south)?;
    assert_eq!(roster(&north)?, roster(&south)?);
    for (island, maker) in [(&north, "South Hub"), (&south, "North Advice")] {
        let status = ok(&island.node, &["status"])?;
        assert_eq!(status["traffic"]["sessions"], 0, "they have never met");
        assert_eq!(status["lacking"]["listings"], Value::Array(vec![]));
        let last = &status["last_bundle"];
        assert_eq!(last["organisations"][0]["name"], maker, "{last}");
        assert_eq!(last["complete"], true);
        let words = island.node.cli(&["status"])?.stdout;
        assert!(
            words.contains(&format!("of Lambeth, made by {maker}")),
            "{words}"
        );
    }

    // What was written within the last weeks is everything.
    let whole = sea.bundle(&north, &[])?;
    let since = sea.bundle(&north, &["--since", "2w"])?;
    assert_eq!(whole.lines().count(), since.lines().count());
    check_logs(&sea.nodes([north, south]))
}

#[test]
fn a_newcomer_is_admitted_by_a_vouch_that_a_bundle_carries() -> Result<(), Fail> {
    let sea = Sea::new()?;
    let north = sea.island("north", "North Advice")?;
    let south = sea.island("south", "South Hub")?;
    let east = sea.island("east", "East Women")?;
    let founder = format!("--founder={}", south.org);
    ok(
        &north.node,
        &["found", "Lambeth", "--vouches", "2", &founder],
    )?;
    assert_eq!(south.join(&north)?["place"], "member");
    sea.carry(&south, &north)?;

    let joined = east.join(&north)?;
    assert_eq!(joined["place"], "applicant", "{joined}");
    assert!(
        joined["waiting_for"]
            .as_str()
            .unwrap()
            .contains("1 more member"),
        "{joined}"
    );
    ok(&east.node, &["service", "add", "name=Refuge outreach"])?;

    // The other founder hears of it by a bundle, and says its word.
    sea.carry(&east, &south)?;
    let listing = south
        .node
        .cli(&["record", "export", &east.org, "listing/0"])?;
    assert_eq!(
        listing.code,
        Some(4),
        "of an applicant there are cards alone"
    );
    ok(&south.node, &["vouch", "East Women"])?;
    sea.carry(&south, &east)?;
    east.node.wait_for(&["status"], PATIENCE, |status| {
        status["networks"][0]["place"] == "member"
    })?;
    // Its card now carries both vouches, wherever it is carried.
    for other in [&south, &north] {
        sea.carry(&east, other)?;
        finds(other, &["Refuge outreach"])?;
        assert_eq!(roster(other)?, roster(&east)?);
    }
    check_logs(&sea.nodes([north, south, east]))
}

#[test]
fn a_touched_line_is_named_and_costs_itself_alone() -> Result<(), Fail> {
    let sea = Sea::new()?;
    let (north, south) = sea.pair()?;
    let before = sea.bundle(&north, &[])?;
    let need = [
        "notice",
        "post",
        "--kind",
        "need",
        "--title",
        "A venue with a crèche",
    ];
    ok(&north.node, &need)?;
    let service = shown(&north, "Advice")?;
    ok(
        &north.node,
        &["service", "set", &service, "description=By phone too"],
    )?;
    let bundle = sea.bundle(&north, &[])?;
    // The first line of a document that is new to the other, after the header, the charter and the cards.
    let header: Value = serde_json::from_str(bundle.lines().next().unwrap_or_default())?;
    let cards = header["items"]["cards"].as_u64().unwrap() as usize;
    let is_new = |line: &str| !before.lines().any(|known| known == line);
    let found = bundle.lines().skip(2 + cards).position(is_new);
    let at = 2 + cards + found.unwrap();
    let touched = with_line(&bundle, at, |line| {
        let middle = line.len() / 2;
        let other = if line.as_bytes()[middle] == b'A' {
            "B"
        } else {
            "A"
        };
        format!("{}{other}{}", &line[..middle], &line[middle + 1..])
    });
    let ran = south.import(touched.as_bytes())?;
    assert_eq!(ran.code, Some(5), "{}", ran.stderr);
    let report: Value = serde_json::from_str(&ran.stdout)?;
    assert_eq!(report["refused"], 1, "{report}");
    assert_eq!(report["faults"][0]["line"], at as u64 + 1, "{report}");
    assert!(
        report["added"].as_u64() > Some(0),
        "before and after it: {report}"
    );
    let words = south
        .node
        .cli_with_input(&["bundle", "import", "-"], touched.as_bytes())?;
    assert!(
        words
            .stdout
            .contains(&format!("left out: line {}: ", at + 1)),
        "{}",
        words.stdout
    );
    assert!(
        words.stderr.contains("everything else is kept"),
        "{}",
        words.stderr
    );
    assert!(words.stderr.contains("fresh copy"), "{}", words.stderr);

    // The fresh copy mends it, and again changes nothing.
    let report = imported(&south.import(bundle.as_bytes())?)?;
    assert!(report["added"].as_u64() >= Some(1), "{report}");
    let again = imported(&south.import(bundle.as_bytes())?)?;
    assert_eq!(
        (again["added"].as_u64(), again["refused"].as_u64()),
        (Some(0), Some(0))
    );
    sea.bring_into_step(&north, &south)?;
    check_logs(&sea.nodes([north, south]))
}

#[test]
fn a_file_that_was_cut_off_is_kept_as_far_as_it_goes() -> Result<(), Fail> {
    let sea = Sea::new()?;
    let (north, south) = sea.pair()?;
    ok(&north.node, &["service", "add", "name=Debt advice"])?;
    let bundle = sea.bundle(&north, &[])?;
    let whole = bundle.lines().count() - 3;
    // In the middle of the last item but one.
    let ends: Vec<usize> = bundle.match_indices('\n').map(|(at, _)| at).collect();
    let cut = ends[ends.len() - 3] - 20;
    let ran = south.import(&bundle.as_bytes()[..cut])?;
    assert_eq!(ran.code, Some(5), "{}", ran.stderr);
    let report: Value = serde_json::from_str(&ran.stdout)?;
    assert_eq!(report["whole"], false);
    let (items, missing) = (&report["items"], &report["missing"]);
    let known = items.as_u64().unwrap() + missing.as_u64().unwrap();
    assert_eq!(known, whole as u64, "{report}");
    assert!(missing.as_u64() >= Some(1), "{report}");
    assert!(ran.stderr.contains("left out or missing"), "{}", ran.stderr);
    finds(&south, &["Advice", "Debt advice", "Lunch club"])?;

    // Only the last line is gone: nothing is missing, and still it is said.
    let cut = ends[ends.len() - 2] + 1;
    let ran = south.import(&bundle.as_bytes()[..cut])?;
    assert_eq!(ran.code, Some(5));
    assert!(
        ran.stderr.contains("does not end as a bundle does"),
        "{}",
        ran.stderr
    );
    // Not even the first line.
    let ran = south.import(&bundle.as_bytes()[..20])?;
    assert_eq!(ran.code, Some(1));
    assert!(ran.stderr.contains("nothing was changed"), "{}", ran.stderr);
    check_logs(&sea.nodes([north, south]))
}

#[test]
fn of_a_strangers_network_nothing_is_taken_whatever_the_header_says() -> Result<(), Fail> {
    let sea = Sea::new()?;
    let (north, south) = sea.pair()?;
    let stranger = sea.island("stranger", "Far Away")?;
    ok(&stranger.node, &["found", "Elsewhere"])?;
    ok(&stranger.node, &["service", "add", "name=Lion taming"])?;
    let theirs = sea.bundle(&stranger, &[])?;
    let held = ok(&south.node, &["status"])?["store"]["documents"].clone();
    let ran = south.import(theirs.as_bytes())?;
    assert_eq!(ran.code, Some(1), "{}", ran.stdout);
    assert!(ran.stderr.contains("takes no part"), "{}", ran.stderr);

    // Behind the header of a network that is known.
    let ours = sea.bundle(&north, &[])?;
    let lying = with_line(&theirs, 0, |_| ours.lines().next().unwrap().to_owned());
    let ran = south.import(lying.as_bytes())?;
    assert_eq!(ran.code, Some(5), "{}", ran.stderr);
    let report: Value = serde_json::from_str(&ran.stdout)?;
    assert_eq!(report["added"], 0, "{report}");
    let foreign = report["foreign"].as_u64().unwrap();
    assert_eq!(foreign, report["items"].as_u64().unwrap(), "{report}");
    assert_eq!(ok(&south.node, &["status"])?["store"]["documents"], held);
    finds(&south, &["Advice", "Lunch club"])?;

    // Nor does a ticket take another network's charter for its own.
    let ticket = ok(&north.node, &["invite"])?["ticket"].clone();
    let file = sea.file("theirs.bundle", &theirs)?;
    let args = [
        "join",
        ticket.as_str().unwrap(),
        "--accept-charter",
        "--bundle",
        &file,
    ];
    let ran = stranger.node.cli(&args)?;
    assert_eq!(ran.code, Some(1));
    assert!(
        ran.stderr.contains("the charter of the ticket's network"),
        "{}",
        ran.stderr
    );
    check_logs(&sea.nodes([north, south, stranger]))
}

/// A zstd frame of some hundred kilobytes that expands to 3 GiB of nothing: blocks that say a byte and how often.
fn bomb() -> Vec<u8> {
    const BLOCK_BYTES: u32 = 128 * 1024;
    const BLOCKS: u32 = 24 * 1024;
    let mut frame = vec![0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x38];
    for block in 0..BLOCKS {
        let is_last = u32::from(block + 1 == BLOCKS);
        let head = BLOCK_BYTES << 3 | 1 << 1 | is_last;
        frame.extend(&head.to_le_bytes()[..3]);
        frame.push(0);
    }
    frame
}

#[test]
fn a_line_that_expands_to_gigabytes_costs_a_refusal() -> Result<(), Fail> {
    // It is one, as far as it is looked at.
    assert_eq!(
        zstd::stream::Decoder::new(&bomb()[..])?
            .window_log_max(27)
            .err()
            .map(|_| ()),
        None
    );
    let sea = Sea::new()?;
    let (north, south) = sea.pair()?;
    ok(&north.node, &["service", "add", "name=Debt advice"])?;
    let bundle = sea.bundle(&north, &[])?;
    let before = peak_kib(&south)?;
    let line = BASE64.encode(&bomb()) + ".";
    let bombs = format!("{line}\n").repeat(40);
    let loaded = with_line(&bundle, 1, |charter| {
        format!("{charter}\n{}", bombs.trim_end())
    });
    let ran = south.import(loaded.as_bytes())?;
    assert_eq!(ran.code, Some(5), "{}", ran.stderr);
    let report: Value = serde_json::from_str(&ran.stdout)?;
    assert_eq!(report["refused"], 40, "{report}");
    assert_eq!(report["faults"][0]["line"], 3, "{report}");
    finds(&south, &["Advice", "Debt advice", "Lunch club"])?;
    let after = peak_kib(&south)?;
    assert!(
        after - before < GROWTH_MAX_KIB,
        "from {before} to {after} KiB"
    );
    check_logs(&sea.nodes([north, south]))
}

/// The most memory that a daemon has held, in KiB.
fn peak_kib(island: &Island) -> Result<u64, Fail> {
    let pid = island.node.pid().unwrap();
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    Ok(line
        .and_then(|line| line.split_whitespace().nth(1))
        .unwrap()
        .parse()?)
}

#[test]
fn an_import_that_was_killed_is_done_again() -> Result<(), Fail> {
    let sea = Sea::new()?;
    let (north, mut south) = sea.pair()?;
    // With a bundle at hand, joining does not wait for somebody to answer.
    let stick = sea.file("stick.bundle", &sea.bundle(&north, &[])?)?;
    for number in 0..6 {
        let name = format!("Org {number}");
        ok(&north.node, &["org", "create", "--name", &name])?;
        let ticket = ok(&north.node, &["invite", "--org", "North Advice"])?["ticket"].clone();
        let ticket = ticket.as_str().unwrap();
        ok(
            &north.node,
            &[
                "join",
                ticket,
                "--accept-charter",
                "--org",
                &name,
                "--bundle",
                &stick,
            ],
        )?;
        ok(
            &north.node,
            &["service", "add", "name=Advice too", "--org", &name],
        )?;
    }
    let bundle = sea.bundle(&north, &[])?;
    let held = |island: &Island| {
        let status = ok(&island.node, &["status"])?;
        Ok::<_, Fail>(status["store"]["documents"].as_u64().unwrap())
    };
    let before = held(&south)?;

    // All but the last lines, and then nothing: the daemon waits for more when it is killed.
    let lines: Vec<&str> = bundle.split_inclusive('\n').collect();
    let mut child = Command::new(&binaries()?.fingerpost)
        .arg("--home")
        .arg(south.node.home())
        .args(["bundle", "import", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(lines[..lines.len() - 4].concat().as_bytes())?;
    stdin.flush()?;
    south.node.wait_for(&["status"], PATIENCE, |status| {
        status["store"]["documents"].as_u64() > Some(before + 3)
    })?;
    // Another one waits its turn.
    let ran = south.import(bundle.as_bytes())?;
    assert_eq!(ran.code, Some(1));
    assert!(
        ran.stderr.contains("another bundle is being imported"),
        "{}",
        ran.stderr
    );
    south.node.kill()?;
    // What reads the file notices when it next has something to send.
    stdin.write_all(b"\n").ok();
    drop(stdin);
    let output = child.wait_with_output()?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("import the bundle again"), "{said}");

    south.node.restart()?;
    let report = imported(&south.import(bundle.as_bytes())?)?;
    assert_eq!(report["refused"], 0, "{report}");
    sea.bring_into_step(&north, &south)?;
    check_logs(&sea.nodes([north, south]))
}

#[test]
fn a_file_that_exists_is_not_replaced_unasked_and_streams_work() -> Result<(), Fail> {
    let sea = Sea::new()?;
    let (north, south) = sea.pair()?;
    let path = sea.file("mine.txt", "something else")?;
    let ran = north.node.cli(&["bundle", "export", &path])?;
    assert_eq!(ran.code, Some(1));
    assert!(ran.stderr.contains("--force"), "{}", ran.stderr);
    assert_eq!(fs::read_to_string(&path)?, "something else");
    let written = ok(&north.node, &["bundle", "export", &path, "--force"])?;
    let bundle = fs::read_to_string(&path)?;
    assert_eq!(written["size_bytes"], bundle.len() as u64);
    assert_eq!(written["items"], bundle.lines().count() as u64 - 3);

    let Ran { code, stdout, .. } = north.node.cli(&["bundle", "export", "-"])?;
    assert_eq!(code, Some(0));
    assert_eq!(
        stdout.lines().skip(1).collect::<Vec<_>>(),
        bundle.lines().skip(1).collect::<Vec<_>>()
    );
    imported(&south.import(stdout.as_bytes())?)?;
    for (args, code) in [
        (&["--json", "bundle", "export", "-"][..], 2),
        (&["bundle", "export", "x.bundle", "--since", "tomorrow"], 2),
        (
            &["bundle", "export", "x.bundle", "--since", "2999-01-01"],
            2,
        ),
        (&["bundle", "export", "x.bundle", "--network", "Nowhere"], 4),
        (&["bundle", "import", "there-is-none.bundle"], 1),
    ] {
        let ran = north.node.cli(args)?;
        assert_eq!(ran.code, Some(code), "{args:?}: {}", ran.stderr);
    }
    check_logs(&sea.nodes([north, south]))
}
