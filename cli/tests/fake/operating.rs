//! Answers about backups and checks.

use fingerpost_proto::api::{self, Outcome};
use fingerpost_proto::ids::{NetworkId, NodeId};
use serde_json::Value;

use super::nodes::restored;
use super::{org, value};

/// The answer to a request, if it is one of these.
pub(super) fn canned(method: &str, path: &str) -> Option<Value> {
    Some(match (method, path) {
        ("POST", "/v1/backup") => value(&api::BackupFile {
            file: "-----BEGIN AGE ENCRYPTED FILE-----\n".into(),
            contents: contents(),
        }),
        ("POST", "/v1/backup/check") => value(&contents()),
        ("POST", "/v1/backup/restore") => value(&api::RestoredBackup {
            made_at_s: 1_800_000_000,
            organisations: vec![restored()],
            need_pass: vec![org()],
            notes: vec!["the settings are in place".into()],
            complete: false,
        }),
        ("GET", "/v1/doctor") => value(&api::Checkup {
            version: "0.0.0".into(),
            checks: vec![
                check("keys", Outcome::Ok, None),
                check("clock", Outcome::Warning, Some("look at it")),
                check("disk", Outcome::Failure, Some("make room")),
            ],
        }),
        _ => return None,
    })
}

pub(super) fn last_bundle() -> api::LastBundle {
    api::LastBundle {
        imported_at_s: 1_800_000_000,
        network: NetworkId::from_bytes([4; 32]),
        name: "North West".into(),
        node: NodeId::from_bytes([3; 32]),
        organisations: vec![org()],
        made_at_s: 1_799_990_000,
        added: 7,
        complete: false,
    }
}

fn check(name: &str, outcome: Outcome, remedy: Option<&str>) -> api::Check {
    api::Check {
        name: name.into(),
        outcome,
        found: format!("what was found of the {name}"),
        remedy: remedy.map(str::to_owned),
    }
}

fn contents() -> api::BackupContents {
    api::BackupContents {
        made_at_s: 1_800_000_000,
        node: NodeId::from_bytes([3; 32]),
        version: "0.1.0".into(),
        organisations: vec![api::BackedUp {
            organisation: org(),
            root_key: true,
            documents: 3,
            services: 1,
        }],
        networks: vec!["North West".into()],
        settings: true,
    }
}
