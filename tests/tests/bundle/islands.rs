//! Nodes that listen nowhere, so that none can ever call another; what goes from one to the other is carried.

use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use fingerpost_tests::Fail;
use fingerpost_tests::federation::ok;
use fingerpost_tests::process::{Node, Ran};
use serde_json::Value;

/// How long something may take that a node does by itself.
pub(crate) const PATIENCE: Duration = Duration::from_secs(90);

const ALONE: &str = "\
[network]
listen = []
mdns = false

[log]
filter = \"info\"
format = \"plain\"
";

/// A place for islands, and for what is carried between them.
pub(crate) struct Sea(tempfile::TempDir);

/// A node that nobody can call, with one organisation.
pub(crate) struct Island {
    pub(crate) node: Node,
    pub(crate) org: String,
}

impl Sea {
    pub(crate) fn new() -> Result<Self, Fail> {
        Ok(Self(tempfile::tempdir()?))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Keeps a text in a file; its path.
    pub(crate) fn file(&self, name: &str, text: &str) -> Result<String, Fail> {
        fs::write(self.path(name), text)?;
        Ok(self.path(name).display().to_string())
    }

    pub(crate) fn island(&self, home: &str, organisation: &str) -> Result<Island, Fail> {
        let home = self.path(home);
        fs::DirBuilder::new().mode(0o700).create(&home)?;
        fs::write(home.join("config.toml"), ALONE)?;
        let node = Node::start(&home)?;
        let org = ok(&node, &["org", "create", "--name", organisation])?;
        let org = org["id"].as_str().unwrap().to_owned();
        Ok(Island { node, org })
    }

    /// Two members of one network, who know of each other; each has a service.
    pub(crate) fn pair(&self) -> Result<(Island, Island), Fail> {
        let north = self.island("north", "North Advice")?;
        ok(&north.node, &["found", "Lambeth"])?;
        ok(&north.node, &["service", "add", "name=Advice"])?;
        let south = self.island("south", "South Hub")?;
        ok(&south.node, &["service", "add", "name=Lunch club"])?;
        south.join(&north)?;
        self.bring_into_step(&north, &south)?;
        Ok((north, south))
    }

    /// Carries bundles to and fro until both hold the same: a node has a word to say on what it hears, such as that its
    /// invitation was used, and says it a moment later.
    pub(crate) fn bring_into_step(&self, one: &Island, other: &Island) -> Result<(), Fail> {
        let end = Instant::now() + PATIENCE;
        loop {
            self.carry(other, one)?;
            self.carry(one, other)?;
            let (here, there) = (documents(one)?, documents(other)?);
            if here == there {
                return Ok(());
            }
            if Instant::now() >= end {
                return Err(Fail::new(format!("{here:?}\n{there:?}")));
            }
        }
    }

    /// The bundle that an island makes now.
    pub(crate) fn bundle(&self, of: &Island, options: &[&str]) -> Result<String, Fail> {
        let path = self
            .path(&format!("{}.bundle", of.org))
            .display()
            .to_string();
        let args = [&["bundle", "export", &path, "--force"], options].concat();
        ok(&of.node, &args)?;
        Ok(fs::read_to_string(&path)?)
    }

    /// Takes a bundle from one island to another, which must take it whole.
    pub(crate) fn carry(&self, from: &Island, to: &Island) -> Result<Value, Fail> {
        let bundle = self.bundle(from, &[])?;
        imported(&to.import(bundle.as_bytes())?)
    }

    pub(crate) fn nodes<const N: usize>(&self, islands: [Island; N]) -> [Node; N] {
        islands.map(|island| island.node)
    }
}

impl Island {
    /// Joins on a ticket and a bundle of a member, which come on the same stick.
    pub(crate) fn join(&self, member: &Island) -> Result<Value, Fail> {
        let ticket = ok(&member.node, &["invite"])?["ticket"].clone();
        let ticket = ticket.as_str().unwrap();
        let path = member
            .node
            .home()
            .join("stick.bundle")
            .display()
            .to_string();
        ok(&member.node, &["bundle", "export", &path, "--force"])?;
        ok(
            &self.node,
            &["join", ticket, "--accept-charter", "--bundle", &path],
        )
    }

    /// Hands a bundle to the node; what it said, as JSON.
    pub(crate) fn import(&self, bundle: &[u8]) -> Result<Ran, Fail> {
        self.node
            .cli_with_input(&["--json", "bundle", "import", "-"], bundle)
    }
}

/// The report of an import that went well.
pub(crate) fn imported(ran: &Ran) -> Result<Value, Fail> {
    match ran.code {
        Some(0) => Ok(serde_json::from_str(&ran.stdout)?),
        code => Err(Fail::new(format!("{code:?}: {}{}", ran.stdout, ran.stderr))),
    }
}

fn texts(values: &Value, field: &str) -> Vec<String> {
    let values = values.as_array().map_or(&[][..], Vec::as_slice);
    let mut texts: Vec<String> = values
        .iter()
        .filter_map(|value| Some(value[field].as_str()?.to_owned()))
        .collect();
    texts.sort_unstable();
    texts
}

/// Waits until a node finds services of exactly these names.
pub(crate) fn finds(island: &Island, names: &[&str]) -> Result<(), Fail> {
    let all = ["search", "--kind", "service", "--limit", "100"];
    let found = |page: &Value| texts(&page["results"], "name") == names;
    island.node.wait_for(&all, PATIENCE, found).map(|_| ())
}

/// The id of the service that is found by a name.
pub(crate) fn shown(island: &Island, name: &str) -> Result<String, Fail> {
    let args = ["search", name, "--kind", "service"];
    let found = island
        .node
        .wait_for(&args, PATIENCE, |page| page["total"].as_u64() > Some(0))?;
    let results = found["results"].as_array().cloned().unwrap_or_default();
    let one = results.iter().find(|it| it["name"] == name);
    let one = one.and_then(|it| it["id"].as_str().map(str::to_owned));
    one.ok_or_else(|| Fail::new(format!("no {name}: {found}")))
}

/// Who is in the network, and where each stands.
pub(crate) fn roster(island: &Island) -> Result<Vec<(String, String)>, Fail> {
    let members = ok(&island.node, &["members"])?;
    let members = members["members"].as_array().cloned().unwrap_or_default();
    let mut roster: Vec<(String, String)> = members
        .iter()
        .map(|member| (member["id"].to_string(), member["place"].to_string()))
        .collect();
    roster.sort_unstable();
    Ok(roster)
}

/// The signed records that a node holds of everybody in the network.
fn documents(island: &Island) -> Result<Vec<String>, Fail> {
    let mut records = Vec::new();
    for (org, _) in roster(island)? {
        let org = org.trim_matches('"');
        let held = ok(&island.node, &["record", "export", org])?;
        records.extend(texts(&held["items"], "record"));
    }
    records.sort_unstable();
    Ok(records)
}
