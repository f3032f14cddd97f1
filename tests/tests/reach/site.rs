//! Nodes of the tests behind routers, and what people do with them.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use fingerpost_tests::Fail;
use fingerpost_tests::binaries::workspace_dir;
use fingerpost_tests::federation::ok;
use fingerpost_tests::netns::Link;
use fingerpost_tests::process::Node;
use serde_json::Value;

pub(crate) const PATIENCE: Duration = Duration::from_secs(180);
/// What a home's line does to frames.
pub(crate) const HOME_LINE: Link = Link {
    loss_per_mille: 10,
    delay_ms: 40,
    jitter_ms: 5,
};
/// What a home may send, in bits a second.
pub(crate) const HOME_RATE: u64 = 1_000_000;
/// With how many others a node is connected at most.
pub(crate) const CONNECTED_MAX: u64 = fingerpost_proto::limits::CONNECTED_MAX_NODES as u64;

/// Something beside the workspace; `None`, said where nobody overlooks it, if it is not there.
pub(crate) fn shared(path: &str) -> Option<PathBuf> {
    let path = workspace_dir().join("../shared").join(path);
    if path.exists() {
        return Some(path);
    }
    let mut past = std::io::stderr();
    writeln!(past, "skipped: {} is not here", path.display()).ok();
    None
}

/// Settings as they are shipped, but that nodes compare themselves often and look for nobody near.
pub(crate) fn settings(relay: bool) -> String {
    format!(
        "\
[network]
listen = [\"/ip4/0.0.0.0/tcp/7787\", \"/ip4/0.0.0.0/udp/7787/quic-v1\"]
mdns = false
upnp = false
relay = {relay}

[sync]
interval_s = 2

[log]
filter = \"info,fingerpost_daemon=debug\"
format = \"plain\"
"
    )
}

/// A node in a namespace, with an organisation of the same name.
pub(crate) fn start(namespace: &str, dir: &Path, name: &str, relay: bool) -> Result<Node, Fail> {
    let node = Node::start_in(
        namespace,
        &dir.join(name.replace(' ', "-")),
        &settings(relay),
    )?;
    ok(&node, &["org", "create", "--name", name])?;
    Ok(node)
}

/// Makes a network of nodes that have an organisation each; the first one founds it and invites the others.
pub(crate) fn meet(nodes: &[Node], network: &str) -> Result<(), Fail> {
    let Some((first, others)) = nodes.split_first() else {
        return Ok(());
    };
    ok(first, &["found", network])?;
    for other in others {
        let invited = ok(first, &["invite", "--network", network])?;
        let ticket = invited["ticket"].as_str().unwrap_or_default();
        ok(other, &["join", ticket, "--accept-charter"])?;
    }
    for node in nodes {
        node.wait_for(&["members", "--network", network], PATIENCE, |it| {
            let members = it["members"].as_array().map_or(&[][..], Vec::as_slice);
            members.iter().filter(|it| it["place"] == "member").count() == nodes.len()
        })
        .map_err(|error| Fail::new(format!("{error}\n{}", node.log())))?;
    }
    Ok(())
}

fn ticket(node: &Node, org: &str, network: &str) -> Result<String, Fail> {
    let invited = ok(node, &["--org", org, "invite", "--network", network])?;
    Ok(invited["ticket"].as_str().unwrap_or_default().to_owned())
}

/// Lets the organisation of a node join a network on the word of an organisation of another.
pub(crate) fn join(
    node: &Node,
    org: &str,
    inviter: (&Node, &str),
    network: &str,
) -> Result<(), Fail> {
    let ticket = ticket(inviter.0, inviter.1, network)?;
    let args = ["--org", org, "join", &ticket, "--accept-charter"];
    ok(node, &args).map(|_| ())
}

/// The organisation that founds the network of all listings.
pub(crate) const FOUNDER: &str = "ACHIEVE_NW";

/// How many listings there are.
pub(crate) const ALL_LISTINGS: usize = 46;

/// Gives a node an organisation for each of so many listings in a directory, and makes a network of them.
pub(crate) fn hold_listings(
    node: &Node,
    data: &Path,
    count: usize,
    network: &str,
) -> Result<(), Fail> {
    let mut files: Vec<PathBuf> = fs::read_dir(data)?
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "json"))
        .collect();
    files.sort();
    assert_eq!(files.len(), ALL_LISTINGS, "all listings are there");
    files.truncate(count);
    let name = |path: &PathBuf| {
        path.file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned()
    };
    for path in &files {
        ok(node, &["org", "create", "--name", &name(path)])?;
        let ran = node.cli(&[
            "--org",
            &name(path),
            "listing",
            "import",
            &path.display().to_string(),
        ])?;
        // Some rows of the real data are left out, and named.
        if !matches!(ran.code, Some(0 | 5)) {
            return Err(Fail::new(ran.stderr));
        }
    }
    assert_eq!(name(&files[0]), FOUNDER);
    ok(node, &["--org", FOUNDER, "found", network])?;
    let tickets = files[1..].iter().map(|_| ticket(node, FOUNDER, network));
    let tickets = tickets.collect::<Result<Vec<_>, _>>()?;
    // A join waits for word of another node, and there is none: all at once, then.
    std::thread::scope(|scope| {
        let joins: Vec<_> = files[1..]
            .iter()
            .zip(&tickets)
            .map(|(path, ticket)| {
                let org = name(path);
                scope.spawn(move || {
                    let args = ["--org", &org, "join", ticket, "--accept-charter"];
                    ok(node, &args).map(|_| ())
                })
            })
            .collect();
        joins.into_iter().try_for_each(|join| join.join().unwrap())
    })?;
    let all = ["members", "--network", network];
    node.wait_for(&all, PATIENCE, |it| {
        let members = it["members"].as_array().map_or(&[][..], Vec::as_slice);
        members.iter().filter(|it| it["place"] == "member").count() == files.len()
    })?;
    Ok(())
}

/// How many documents a status says that a node holds.
pub(crate) fn documents(status: &Value) -> u64 {
    status["store"]["documents"].as_u64().unwrap_or_default()
}

/// The entry of an organisation's node in a list of peers.
pub(crate) fn peer<'a>(peers: &'a Value, org: &str) -> Option<&'a Value> {
    let speaks = |it: &&Value| {
        let orgs = it["organisations"]
            .as_array()
            .map_or(&[][..], Vec::as_slice);
        orgs.iter().any(|it| it["name"] == org)
    };
    peers["peers"].as_array()?.iter().find(speaks)
}

/// What the connection with an organisation's node runs over; empty while there is none.
pub(crate) fn path_to(node: &Node, org: &str) -> Result<String, Fail> {
    let peers = ok(node, &["peers"])?;
    let path = peer(&peers, org).and_then(|it| it["path"].as_str());
    Ok(path.unwrap_or_default().to_owned())
}

/// Waits until the connection with an organisation's node runs over one of these.
pub(crate) fn wait_for_path(node: &Node, org: &str, paths: &[&str]) -> Result<(), Fail> {
    let is_there = |peers: &Value| {
        let path = peer(peers, org).and_then(|it| it["path"].as_str());
        path.is_some_and(|path| paths.contains(&path))
    };
    node.wait_for(&["peers"], PATIENCE, is_there)
        .map(|_| ())
        .map_err(|error| Fail::new(format!("{error}\n{}", node.log())))
}

/// The state of the first record in an export, as text.
pub(crate) fn state(records: &Value) -> Option<String> {
    let state = records["items"][0]["state"].as_str()?;
    let bytes = data_encoding::BASE64.decode(state.as_bytes()).ok()?;
    String::from_utf8(bytes).ok()
}
