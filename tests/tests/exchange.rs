//! In and out: foreign files into a listing, secret places that stay secret, and listings out again, with real processes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use fingerpost_daemon::store::SledStorage;
use fingerpost_proto::documents::OwnDocument;
use fingerpost_proto::storage::{Storage, Table};
use fingerpost_tests::Fail;
use fingerpost_tests::binaries::workspace_dir;
use fingerpost_tests::process::{Node, Ran};
use serde_json::{Value, json};

/// Real data that lie beside a working copy of the project; a clean clone does not have them.
fn shared(path: &str) -> Option<PathBuf> {
    let path = workspace_dir().join("../shared").join(path);
    if path.exists() {
        return Some(path);
    }
    // Past the test harness, which would swallow it: nobody should take this for a test that ran.
    let mut past = std::io::stderr();
    writeln!(past, "skipped: {} is not here", path.display()).unwrap();
    None
}

/// Done, or done but for rows that were named.
fn done(node: &Node, args: &[&str]) -> (Ran, Value) {
    let all = [&["--json"], args].concat();
    let ran = node.cli(&all).unwrap();
    assert!(
        matches!(ran.code, Some(0 | 5)),
        "{args:?}: {:?} {} {}",
        ran.code,
        ran.stdout,
        ran.stderr
    );
    let value: Value = serde_json::from_str(&ran.stdout).unwrap();
    let left_out = value["left_out"].as_array().map_or(0, Vec::len);
    assert_eq!(
        ran.code == Some(5),
        left_out > 0,
        "{args:?}: {left_out} left out, {}",
        ran.stderr
    );
    (ran, value)
}

fn org(node: &Node, name: &str) {
    let ran = node.cli(&["org", "create", "--name", name]).unwrap();
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
}

/// Imports, and imports once more; gives the first answer.
fn twice(node: &Node, org_name: &str, args: &[&str]) -> Value {
    let args = [&["--org", org_name, "listing", "import"], args].concat();
    let (_, first) = done(node, &args);
    let (_, second) = done(node, &args);
    assert_eq!(
        second["records"],
        json!([]),
        "{args:?}: {}",
        second["summary"]
    );
    assert!(
        second["summary"]
            .as_str()
            .unwrap()
            .starts_with("nothing changed"),
        "{args:?}: {}",
        second["summary"]
    );
    assert_eq!(second["left_out"], first["left_out"], "{args:?}");
    first
}

fn added(answer: &Value) -> usize {
    answer["changes"]["added"].as_array().unwrap().len()
}

/// Proposes a mapping for a sheet and imports by it, twice.
fn guessed(node: &Node, org_name: &str, sheet: &Path, dir: &Path) -> Value {
    org(node, org_name);
    let sheet = sheet.display().to_string();
    let ran = node.cli(&["listing", "import", &sheet, "--guess"]).unwrap();
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let mapping = dir.join(format!("{org_name}.toml"));
    fs::write(&mapping, ran.stdout).unwrap();
    twice(
        node,
        org_name,
        &[&sheet, "--mapping", &mapping.display().to_string()],
    )
}

#[test]
fn all_of_the_real_data_imports_and_importing_again_changes_nothing() -> Result<(), Fail> {
    let Some(data) = shared("data") else {
        return Ok(());
    };
    let dir = tempfile::tempdir()?;
    let node = Node::start(&dir.path().join("node"))?;
    let mut files = 0;
    for entry in fs::read_dir(data.join("moj-oruk"))? {
        let path = entry?.path();
        if path.extension().is_some_and(|ending| ending == "json") {
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            org(&node, &name);
            let answer = twice(&node, &name, &[&path.display().to_string()]);
            assert!(added(&answer) > 0, "{name}");
            files += 1;
        }
    }
    assert_eq!(files, 46);

    for (sheet, rows) in [
        ("charities", 736),
        ("mental_health_services", 60),
        ("gm_food_banks", 171),
        ("gm_jobcentreplus", 26),
        ("gm_libraries", 141),
        ("gm_probation_offices", 12),
    ] {
        let path = data.join(format!("trafford-gm/{sheet}.csv"));
        assert_eq!(
            added(&guessed(&node, sheet, &path, dir.path())),
            rows,
            "{sheet}"
        );
    }
    // Two publishers list the same things: six names are the same to the letter.
    let found = node.json(&[
        "--org",
        "mental_health_services",
        "duplicates",
        "--limit",
        "10000",
    ])?;
    let same = found["pairs"].as_array().unwrap().iter().filter(|pair| {
        let of = |side: &str| {
            pair[side]["organisation"]["name"]
                .as_str()
                .unwrap()
                .to_owned()
        };
        let name = |side: &str| pair[side]["name"].as_str().unwrap().trim().to_lowercase();
        [of("one"), of("other")].contains(&"charities".to_owned()) && name("one") == name("other")
    });
    assert!(same.count() >= 6, "{found}");

    org(&node, "ilao");
    let package = data.join("ilao-hsds1/hsds").display().to_string();
    let ran = node.cli(&["--org", "ilao", "listing", "import", &package])?;
    assert_eq!(ran.code, Some(1), "{}", ran.stderr);
    assert!(ran.stderr.contains("--publisher"), "{}", ran.stderr);
    let answer = twice(&node, "ilao", &[&package, "--publisher"]);
    assert_eq!(added(&answer), 429);
    let notes = answer["notes"].to_string();
    assert!(
        notes
            .contains("340 of 429 services name an organisation that the source does not describe"),
        "{notes}"
    );
    for (sheet, rows) in [("services", 429), ("organizations", 33), ("locations", 520)] {
        let path = data.join(format!("ilao-hsds1/raw/{sheet}.csv"));
        assert_eq!(
            added(&guessed(&node, &format!("raw {sheet}"), &path, dir.path())),
            rows,
            "{sheet}"
        );
    }
    Ok(())
}

#[test]
fn the_examples_of_the_standards_import_in_every_envelope() -> Result<(), Fail> {
    let Some(hsds) = shared("hsds") else {
        return Ok(());
    };
    let dir = tempfile::tempdir()?;
    let node = Node::start(&dir.path().join("node"))?;
    for (number, (path, options)) in [
        ("hsds-3.2.3/examples/organization_full.json", &[][..]),
        ("hsds-3.2.3/examples/service_full.json", &[]),
        ("hsds-3.2.3/examples/service_list.json", &["--publisher"]),
        (
            "hsds-3.2.3/examples/service_at_location_full.json",
            &["--publisher"],
        ),
        ("hsds-3.2.3/examples/tabular.json", &[]),
        ("hsds-3.2.3/examples/csv", &[]),
        ("oruk-3.0-profile/examples-csv", &[]),
        ("oruk-3.0/examples/organization_full.json", &[]),
        ("oruk-3.0/examples/service_full.json", &[]),
        ("oruk-3.0/examples/service_list.json", &[]),
        ("oruk-3.0-mocks/Test/service_list.json", &["--publisher"]),
        ("live-sample-bristol/bristol-service-1625ip.json", &[]),
        (
            "live-sample-bristol/bristol-services-page1.json",
            &["--publisher"],
        ),
        (
            "live-sample-bristol/bristol-services-page1.json",
            &["--organisation", "nhs"],
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let name = format!("org {number}");
        org(&node, &name);
        let path = hsds.join(path).display().to_string();
        let args: Vec<&str> = std::iter::once(path.as_str())
            .chain(options.iter().copied())
            .collect();
        assert!(added(&twice(&node, &name, &args)) > 0, "{path}");
    }
    Ok(())
}

const SECRETS: &[&str] = &[
    "17 Thornfield Mews",
    "thornfield",
    "M99 9ZZ",
    "M999ZZ",
    "53.123456",
    "2.987654",
    "Larch Cottage",
    "01632 960777",
    "01632 960778",
];

/// The secrets that stand in the store of a stopped node, in its documents with all their history, or in any file, and where.
fn found_in(home: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut search = |bytes: &[u8], place: &str| {
        let lower = bytes.to_ascii_lowercase();
        for secret in SECRETS {
            let wanted = secret.to_ascii_lowercase().into_bytes();
            if lower.windows(wanted.len()).any(|part| part == wanted) {
                found.push(format!("{secret} in {place}"));
            }
        }
    };
    let store = SledStorage::open(&home.join("store"), 8).unwrap();
    for table in &Table::ALL {
        let mut values = Vec::new();
        store
            .scan(*table, &[], &mut |key, value| {
                values.push([key, value].concat());
                if *table == Table::Own {
                    values.extend(versions(value));
                }
                true
            })
            .unwrap();
        for value in &values {
            search(value, &format!("{table:?}"));
        }
    }
    drop(store);
    let mut open = vec![home.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => open.push(path),
                false => search(
                    &fs::read(&path).unwrap_or_default(),
                    &path.display().to_string(),
                ),
            }
        }
    }
    found
}

/// Everything that a document says and ever said.
fn versions(document: &[u8]) -> Vec<Vec<u8>> {
    let mut document = OwnDocument::load(document, &[9; 16]).unwrap();
    let mut texts = vec![document.value().unwrap().to_string().into_bytes()];
    for entry in document.history() {
        let before = document.value_at(&entry.heads_before).unwrap();
        texts.push(before.to_string().into_bytes());
    }
    texts
}

fn refuge(confidential: bool) -> Value {
    json!({
        "id": "8f0b4a52-1d7c-4f0e-9c3a-2b6d5e7f8a01", "name": "Northside",
        "services": [{
            "id": "8f0b4a52-1d7c-4f0e-9c3a-2b6d5e7f8a11", "name": "Refuge", "x_confidential": confidential,
            "description": "Ring first. We are at 17 Thornfield Mews, M99 9ZZ, in Larch Cottage.",
            "service_areas": [{"id": "8f0b4a52-1d7c-4f0e-9c3a-2b6d5e7f8a21", "name": "Trafford"}],
            "phones": [
                {"id": "8f0b4a52-1d7c-4f0e-9c3a-2b6d5e7f8a31", "number": "01632 960001"},
                {"id": "8f0b4a52-1d7c-4f0e-9c3a-2b6d5e7f8a32", "number": "01632 960777", "location_id": "8f0b4a52-1d7c-4f0e-9c3a-2b6d5e7f8a51"},
            ],
            "service_at_locations": [{
                "id": "8f0b4a52-1d7c-4f0e-9c3a-2b6d5e7f8a41",
                "location": {
                    "id": "8f0b4a52-1d7c-4f0e-9c3a-2b6d5e7f8a51", "name": "Larch Cottage", "latitude": 53.123456, "longitude": -2.987654,
                    "addresses": [{"id": "8f0b4a52-1d7c-4f0e-9c3a-2b6d5e7f8a61", "address_1": "17 Thornfield Mews", "postal_code": "M99 9ZZ"}],
                    "phones": [{"id": "8f0b4a52-1d7c-4f0e-9c3a-2b6d5e7f8a71", "number": "01632 960778"}],
                },
            }],
        }],
    })
}

#[test]
fn nothing_of_a_secret_place_enters_a_document() -> Result<(), Fail> {
    let dir = tempfile::tempdir()?;
    let mut node = Node::start(&dir.path().join("node"))?;
    org(&node, "Northside");
    let file = dir.path().join("refuge.json").display().to_string();
    fs::write(&file, refuge(true).to_string())?;
    let (ran, first) = done(&node, &["listing", "import", &file]);
    assert!(
        first["notes"]
            .to_string()
            .contains("its place is confidential"),
        "{}",
        ran.stdout
    );
    let sheet = dir.path().join("houses.csv").display().to_string();
    fs::write(
        &sheet,
        "Name,Address,Postcode,Area,Phone,Confidential\nHouse B,17 Thornfield Mews,M99 9ZZ,Salford,01632 960002,Yes\n",
    )?;
    let mapping = dir.path().join("map.toml").display().to_string();
    fs::write(
        &mapping,
        node.cli(&["listing", "import", &sheet, "--guess"])?.stdout,
    )?;
    done(&node, &["listing", "import", &sheet, "--mapping", &mapping]);
    let (_, again) = done(&node, &["listing", "import", &file]);
    assert_eq!(again["records"], json!([]));
    // What may be said is there and can be found.
    let shown = node.json(&["listing", "export"])?["listing"].to_string();
    for kept in [
        "Trafford",
        "Salford",
        "01632 960001",
        "01632 960002",
        "Ring first",
    ] {
        assert!(shown.contains(kept), "{kept} in {shown}");
    }
    node.stop()?;
    assert_eq!(found_in(node.home()), Vec::<String>::new());

    // The search for secrets finds them where they are: a service that is not marked keeps its place.
    let mut other = Node::start(&dir.path().join("other"))?;
    org(&other, "Northside");
    fs::write(&file, refuge(false).to_string())?;
    done(&other, &["listing", "import", &file]);
    let marked = other.json(&[
        "service",
        "set",
        "8f0b4a52-1d7c-4f0e-9c3a-2b6d5e7f8a11",
        "x_confidential=true",
    ])?;
    assert!(
        marked["notes"].to_string().contains("erase --history"),
        "{marked}"
    );
    let shown = other.json(&["listing", "export"])?["listing"].to_string();
    assert!(
        SECRETS.iter().all(|secret| !shown.contains(secret)),
        "{shown}"
    );
    other.stop()?;
    assert!(
        found_in(other.home())
            .iter()
            .any(|found| found.ends_with("Own"))
    );
    Ok(())
}

#[test]
fn what_is_exported_comes_back_and_a_dry_run_changes_nothing() -> Result<(), Fail> {
    let dir = tempfile::tempdir()?;
    let node = Node::start(&dir.path().join("node"))?;
    let path = |name: &str| dir.path().join(name).display().to_string();
    for (name, area) in [("Northside", "Trafford"), ("Southside", "Salford")] {
        org(&node, name);
        let fields = json!({"id": name, "name": name, "services": [
            {"id": format!("{name}-1"), "name": "=Debt advice", "phones": [{"id": "p", "number": "+44 161 496 0000"}],
             "service_areas": [{"id": "a", "name": area}]},
            {"id": format!("{name}-2"), "name": "Lunch club", "description": " padded "},
        ]});
        fs::write(path("in.json"), fields.to_string())?;
        done(
            &node,
            &["--org", name, "listing", "import", &path("in.json")],
        );
    }
    for output in ["own.zip", "package", "own.json"] {
        let format = if output == "own.json" { "json" } else { "csv" };
        done(
            &node,
            &[
                "listing",
                "export",
                "Northside",
                "--format",
                format,
                "--output",
                &path(output),
            ],
        );
        let (_, again) = done(
            &node,
            &[
                "--org",
                "Northside",
                "listing",
                "import",
                &path(output),
                "--replace",
            ],
        );
        assert_eq!(
            again["records"],
            json!([]),
            "{output}: {}",
            again["changes"]
        );
    }
    done(
        &node,
        &[
            "listing",
            "export",
            "Northside",
            "--output",
            &path("page.html"),
        ],
    );
    assert!(fs::read_to_string(path("page.html"))?.contains("<h3>Lunch club</h3>"));

    let all: Value = serde_json::from_str(&node.cli(&["export"])?.stdout)?;
    assert_eq!(all["total_items"], 4);
    for (args, count) in [
        (&["export", "lunch"][..], 2),
        (&["export", "--area", "trafford"], 1),
        (&["export", "debt", "--organisation", "Southside"], 1),
        (&["export", "--area", "nowhere"], 0),
    ] {
        let part: Value = serde_json::from_str(&node.cli(args)?.stdout)?;
        assert_eq!(part["total_items"], count, "{args:?}");
    }
    // A workbook is read again by the mapping that is proposed for it: each service finds itself.
    done(
        &node,
        &[
            "listing",
            "export",
            "Northside",
            "--output",
            &path("own.xlsx"),
        ],
    );
    let proposed = node.cli(&["listing", "import", &path("own.xlsx"), "--guess"])?;
    assert!(
        proposed.stdout.contains("Service ID"),
        "{}",
        proposed.stdout
    );

    let text = fs::read_to_string(path("own.json"))?.replace("Lunch club", "Supper club");
    fs::write(path("own.json"), text)?;
    let ran = node.cli(&[
        "--org",
        "Northside",
        "listing",
        "import",
        &path("own.json"),
        "--dry-run",
    ])?;
    assert!(
        ran.stdout
            .contains("Nothing was changed. This would be: Northside: 1 service changed"),
        "{}",
        ran.stdout
    );
    assert!(
        ran.stdout.contains("name: Lunch club -> Supper club"),
        "{}",
        ran.stdout
    );
    let shown = node.cli(&["listing", "show", "Northside"])?;
    assert!(shown.stdout.contains("Lunch club"), "{}", shown.stdout);
    Ok(())
}
