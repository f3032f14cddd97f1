//! Everybody whose data lie beside a working copy: who publishes what, and how it is imported.

use std::fs;
use std::path::{Path, PathBuf};

use fingerpost_tests::Fail;
use fingerpost_tests::federation::ok;
use fingerpost_tests::process::Node;
use serde_json::Value;

/// An organisation and the source of its listing.
pub(crate) struct Publisher {
    pub(crate) name: String,
    source: PathBuf,
    options: &'static [&'static str],
    /// Whether it is a spreadsheet, for which a mapping is proposed first.
    is_sheet: bool,
}

/// Spreadsheets, the largest first: they take the longest, and are begun first.
const SHEETS: [&str; 9] = [
    "trafford-gm/charities",
    "trafford-gm/mental_health_services",
    "trafford-gm/gm_food_banks",
    "trafford-gm/gm_jobcentreplus",
    "trafford-gm/gm_libraries",
    "trafford-gm/gm_probation_offices",
    "ilao-hsds1/raw/services",
    "ilao-hsds1/raw/organizations",
    "ilao-hsds1/raw/locations",
];

/// Examples of the standards, which come in every envelope.
const EXAMPLES: [(&str, &[&str]); 13] = [
    ("hsds-3.2.3/examples/organization_full.json", &[]),
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
];

/// All publishers, in an order that is always the same.
pub(crate) fn publishers(data: &Path, hsds: &Path) -> Result<Vec<Publisher>, Fail> {
    let sheets = SHEETS.map(|sheet| Publisher {
        name: sheet.replace('/', " "),
        source: data.join(format!("{sheet}.csv")),
        options: &[],
        is_sheet: true,
    });
    let mut all = Vec::from(sheets);
    let mut add = |name: String, source: PathBuf, options| {
        let is_sheet = false;
        all.push(Publisher {
            name,
            source,
            options,
            is_sheet,
        });
    };
    let package = data.join("ilao-hsds1/hsds");
    add("ilao".to_owned(), package, &["--publisher"]);
    let mut files: Vec<PathBuf> = fs::read_dir(data.join("moj-oruk"))?
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<_, Fail>>()?;
    files.retain(|path| path.extension().is_some_and(|ending| ending == "json"));
    files.sort();
    for path in files {
        let listing: Value = serde_json::from_slice(&fs::read(&path)?)?;
        add(listing["name"].as_str().unwrap().to_owned(), path, &[]);
    }
    for (path, options) in EXAMPLES {
        add(path.replace(['/', '.'], " "), hsds.join(path), options);
    }
    Ok(all)
}

impl Publisher {
    /// Makes the organisation on its node and imports its listing; how many rows were left out, each of them named.
    pub(crate) fn publish(&self, node: &Node) -> Result<usize, Fail> {
        ok(node, &["org", "create", "--name", &self.name])?;
        let source = self.source.display().to_string();
        let mut args = vec!["--json", "--org", &self.name, "listing", "import", &source];
        args.extend(self.options);
        let mapping = node.home().join(format!("{}.toml", self.name));
        let mapping = mapping.display().to_string();
        if self.is_sheet {
            let proposed = node.cli(&["listing", "import", &source, "--guess"])?;
            fs::write(&mapping, proposed.stdout)?;
            args.extend(["--mapping", &mapping]);
        }
        let ran = node.cli(&args)?;
        let answer: Value = serde_json::from_str(&ran.stdout)
            .map_err(|_| Fail::new(format!("{}: {}", self.name, ran.stderr)))?;
        let left_out = answer["left_out"].as_array().map_or(0, Vec::len);
        let expected = if left_out == 0 { 0 } else { 5 };
        match ran.code {
            Some(code) if code == expected => Ok(left_out),
            _ => Err(Fail::new(format!("{}: {ran:?}", self.name))),
        }
    }

    /// The Fingerpost id of the organisation, and the listing as its own node has it.
    pub(crate) fn own(&self, node: &Node) -> Result<(String, Value), Fail> {
        let shown = ok(node, &["listing", "export", &self.name])?;
        let id = shown["organisation"]["id"].as_str();
        let id = id.ok_or_else(|| Fail::new(format!("no id: {shown}")))?;
        Ok((id.to_owned(), shown["listing"].clone()))
    }
}
