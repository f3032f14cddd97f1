//! Answers about the organisations of a node, their keys and nodes, and what siblings disagree about.

use fingerpost_proto::api;
use fingerpost_proto::certificate::Role;
use fingerpost_proto::ids::{DocName, NodeId, OrgId};
use serde_json::{Value, json};

use super::listing::edited;
use super::{NAME, org, value};

/// The answer to a request, if it is one of these.
pub(super) fn canned(method: &str, path: &str) -> Option<Value> {
    Some(match (method, path) {
        ("GET", "/v1/orgs") => value(&api::Organisations {
            organisations: vec![org_info()],
        }),
        ("POST", "/v1/orgs" | "/v1/orgs/use" | "/v1/nodes/join" | "/v1/keys/import") => {
            value(&org_info())
        }
        ("POST", "/v1/orgs/hand-over" | "/v1/nodes") => value(&api::Pass {
            pass: "fingerpostpass1_abc".into(),
            organisation: org(),
            node: node(),
            role: Role::Admin,
        }),
        ("POST", "/v1/orgs/rekey") => value(&api::Rekeyed {
            old: OrgId::from_bytes([7; 32]),
            organisation: org_info(),
        }),
        ("GET", "/v1/nodes") => value(&nodes()),
        ("POST", "/v1/nodes/revoke") => value(&api::Revoked {
            node: node(),
            already: false,
            last: vec![api::LastCounted {
                document: DocName::Listing(0),
                seq: 12,
                issued_at_s: Some(1_800_000_000),
            }],
        }),
        ("POST", "/v1/keys/export") => value(&api::KeyFile {
            organisation: org(),
            file: "-----BEGIN AGE ENCRYPTED FILE-----\n".into(),
        }),
        ("POST", "/v1/keys/words") => value(&api::KeyWords {
            organisation: org(),
            words: (1..=24).map(|at| format!("word{}", letter(at))).collect(),
        }),
        ("POST", "/v1/restore") => value(&restored()),
        ("GET", "/v1/conflicts") => value(&conflicts()),
        ("POST", "/v1/conflicts/resolve") => value(&edited()),
        _ => return None,
    })
}

/// An organisation on its way back.
pub(super) fn restored() -> api::Restored {
    api::Restored {
        organisation: org_info(),
        with_history: vec![DocName::Card, DocName::Listing(0)],
        without_history: vec![DocName::Board],
        complete: false,
        summary: format!("{NAME} is back."),
    }
}

fn letter(at: u8) -> char {
    char::from(b'a' + at - 1)
}

fn node() -> NodeId {
    NodeId::from_bytes([6; 32])
}

pub(super) fn org_info() -> api::OrgInfo {
    let id = OrgId::from_bytes([1; 32]);
    api::OrgInfo {
        id,
        short: id.short(),
        name: NAME.into(),
        identifiers: Vec::new(),
        services: 3,
        shards: 1,
        role: Role::Admin,
        root_key: true,
        current: true,
        present: true,
    }
}

fn nodes() -> api::Nodes {
    let mut unknown = info(NodeId::from_bytes([12; 32]), false, Some(1_810_000_000));
    unknown.since_s = 0;
    unknown.last_written_s = None;
    api::Nodes {
        organisation: org(),
        nodes: vec![
            info(NodeId::from_bytes([2; 32]), true, None),
            info(node(), false, Some(1_800_000_000)),
            unknown,
        ],
    }
}

fn info(node: NodeId, this: bool, revoked_at_s: Option<u64>) -> api::NodeInfo {
    api::NodeInfo {
        node,
        short: node.short(),
        role: Role::Editor,
        since_s: 1_790_000_000,
        revoked_at_s,
        this,
        connected: false,
        last_exchange_s: None,
        last_written_s: Some(1_790_000_000),
    }
}

fn conflicts() -> api::Conflicts {
    let one = |text: &str, who: &str| api::ConflictValue {
        value: json!(text),
        who: who.into(),
        at_s: 1_790_000_000,
    };
    api::Conflicts {
        organisation: org(),
        conflicts: vec![api::ConflictInfo {
            id: "c1".into(),
            document: DocName::Listing(0),
            about: NAME.into(),
            field: "services/s-1/description".into(),
            values: vec![one("Warm\u{1b}[5m meals.", "alice"), one("", NAME)],
        }],
        unmerged: vec![api::Unmerged {
            document: DocName::Board,
            node: node(),
            issued_at_s: 1_800_000_000,
            reason: "its sealed document has not arrived".into(),
        }],
    }
}
