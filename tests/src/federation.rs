//! What people do with several nodes: make a network of them, edit on each, and look on all.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use crate::Fail;
use crate::process::Node;

/// What people were told is saved: the description of each service, by its id.
pub type Promised = BTreeMap<String, String>;

/// Runs a command that must succeed.
///
/// # Errors
/// When it does not, with what it said and the log of the node.
pub fn ok(node: &Node, args: &[&str]) -> Result<Value, Fail> {
    node.json(args).map_err(|error| with_log(node, &error))
}

/// Creates the organisation `Org N` on each node; the first one founds a network, and each of the others joins on
/// the word of the one before it.
///
/// # Errors
/// When a command fails.
pub fn federate(nodes: &[Node], network: &str) -> Result<(), Fail> {
    let mut inviter: Option<&Node> = None;
    for (number, node) in nodes.iter().enumerate() {
        ok(node, &["org", "create", "--name", &organisation(number)])?;
        match inviter {
            None => ok(node, &["found", network])?,
            Some(inviter) => {
                let ticket = ok(inviter, &["invite"])?["ticket"].clone();
                let ticket = ticket.as_str().unwrap_or_default();
                ok(node, &["join", ticket, "--accept-charter"])?
            }
        };
        inviter = Some(node);
    }
    Ok(())
}

/// What [`federate`] calls the organisation of a node.
pub fn organisation(number: usize) -> String {
    format!("Org {number}")
}

/// Adds a service to the listing of a node's organisation; its id.
///
/// # Errors
/// When the command fails.
pub fn add_service(node: &Node, description: &str, promised: &mut Promised) -> Result<(), Fail> {
    let field = format!("description={description}");
    let added = ok(node, &["service", "add", "name=A service", &field])?;
    let id = added["service"].as_str();
    let id = id.ok_or_else(|| Fail::new(format!("no id: {added}")))?;
    promised.insert(id.to_owned(), description.to_owned());
    Ok(())
}

/// Changes the description of a service on the node of its organisation.
///
/// # Errors
/// When the command fails.
pub fn describe(
    node: &Node,
    service: &str,
    description: &str,
    promised: &mut Promised,
) -> Result<(), Fail> {
    let field = format!("description={description}");
    ok(node, &["service", "set", service, &field])?;
    promised.insert(service.to_owned(), description.to_owned());
    Ok(())
}

/// Waits until every node finds exactly the services that were promised, each with its latest description.
///
/// # Errors
/// When one still does not after `patience`, with what it shows and its log.
pub fn wait_until_all_show(
    nodes: &[Node],
    promised: &Promised,
    patience: Duration,
) -> Result<(), Fail> {
    for node in nodes {
        let all = ["search", "--kind", "service", "--limit", "100"];
        node.wait_for(&all, patience, |page| {
            found(page).eq(promised.keys().map(String::as_str))
        })
        .map_err(|error| with_log(node, &error))?;
        for (id, description) in promised {
            node.wait_for(&["show", id], patience, |shown| {
                shown["content"]["description"] == **description && shown["conflict"] == false
            })
            .map_err(|error| with_log(node, &error))?;
        }
    }
    Ok(())
}

/// The ids that a search found, in order.
fn found(page: &Value) -> impl Iterator<Item = &str> {
    let results = page["results"].as_array().map_or(&[][..], Vec::as_slice);
    let mut ids: Vec<&str> = results.iter().filter_map(|it| it["id"].as_str()).collect();
    ids.sort_unstable();
    ids.into_iter()
}

/// Checks that no node had an error, nor panicked.
///
/// # Errors
/// The log of the first that had.
pub fn check_logs(nodes: &[Node]) -> Result<(), Fail> {
    for node in nodes {
        let log = node.log();
        // The storage engine says of its own accord what it found damaged.
        let is_fault = |line: &str| {
            line.contains("panicked") || line.contains("ERROR") && !line.contains(" sled::")
        };
        if log.lines().any(is_fault) {
            return Err(Fail::new(log));
        }
    }
    Ok(())
}

/// Asks each node to end; it must do so, and well.
///
/// # Errors
/// When one does not, with its log.
pub fn stop_all(nodes: &mut [Node]) -> Result<(), Fail> {
    for node in nodes {
        let status = node.stop()?;
        if !status.success() {
            return Err(with_log(node, &format!("the node ended with {status}")));
        }
    }
    Ok(())
}

fn with_log(node: &Node, error: &impl std::fmt::Display) -> Fail {
    let home = node.home().display();
    Fail::new(format!("{home}: {error}\n{}", node.log()))
}
