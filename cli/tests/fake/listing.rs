//! Answers about this node, its listing, and what it holds.

use fingerpost_proto::api;
use fingerpost_proto::card::Pause;
use fingerpost_proto::ids::{NodeId, RecordId};
use fingerpost_proto::listing::{Changes, EntityRef};
use serde_json::{Value, json};

use super::membership::network;
use super::nodes::org_info;
use super::{NAME, org, other, value};

/// The answer to a request, if it is one of these.
pub(super) fn canned(method: &str, path: &str) -> Option<Value> {
    Some(match (method, path) {
        ("GET", "/v1/status") => value(&status()),
        ("POST", "/v1/listing/import" | "/v1/listing/undo" | "/v1/services") => value(&edited()),
        ("PATCH" | "DELETE", "/v1/services/s-1") => value(&edited()),
        ("GET", "/v1/listing") => value(&api::ListingView {
            organisation: org(),
            listing: json!({"id": "o-1", "name": NAME, "services": [service()]}),
            issued_at_s: Some(1),
            outdated: true,
        }),
        ("GET", "/v1/listing/history") => value(&history()),
        ("GET", "/v1/search") => value(&page()),
        ("GET", "/v1/entries/s-1") => value(&entry()),
        ("GET", "/v1/records") => value(&api::Records {
            items: vec![record_item()],
        }),
        ("POST", "/v1/records") => value(&api::Delivered {
            outcomes: vec![
                api::DeliveryOutcome::Accepted,
                api::DeliveryOutcome::Dominated,
            ],
        }),
        _ => return None,
    })
}

fn status() -> api::Status {
    api::Status {
        headline: format!("{NAME}: 1 of 1 other nodes has your latest listing."),
        node: NodeId::from_bytes([2; 32]),
        version: "0.1.0".into(),
        started_at_s: 1,
        addresses: vec!["/ip4/127.0.0.1/tcp/1".into()],
        reachability: super::reach::reachability(),
        organisations: vec![api::OrgStatus {
            org: org_info(),
            nodes_known: 1,
            nodes_with_latest: 1,
            last_exchange_s: Some(1),
        }],
        networks: vec![network()],
        peers: vec![api::PeerInfo {
            node: NodeId::from_bytes([4; 32]),
            organisations: vec![org()],
            connected: true,
            address: None,
            last_exchange_s: None,
            has_latest: true,
        }],
        lacking: api::Lacking {
            states: 1,
            listings: vec![org()],
            listings_count: 1,
            never_met: Vec::new(),
            never_met_count: 0,
        },
        catching_up: None,
        store: api::StoreHealth {
            documents: 4,
            size_bytes: 1500,
            set_aside: None,
        },
        index: api::IndexHealth {
            entries: 3,
            ready: true,
        },
        warnings: vec![format!("Look at {NAME}")],
        refused: [("bad_signature".to_owned(), 2)].into(),
        traffic: api::Traffic {
            sessions: 4,
            sent_bytes: 12_000,
            received_bytes: 900,
            relayed_bytes: 700,
        },
        last_bundle: Some(super::operating::last_bundle()),
    }
}

pub(super) fn edited() -> api::Edited {
    let added = EntityRef {
        id: "s-1".into(),
        name: NAME.into(),
    };
    api::Edited {
        organisation: org(),
        changes: Changes {
            added: vec![added; 25],
            ..Changes::default()
        },
        summary: "25 services added".into(),
        records: vec![RecordId::from_bytes([5; 32])],
        service: None,
        notes: vec![format!("{NAME} has no status")],
    }
}

pub(super) fn history() -> api::History {
    api::History {
        organisation: org(),
        entries: vec![api::HistoryItem {
            operation: "op-1".into(),
            at_s: 1,
            who: "alice".into(),
            what: format!("added {NAME}"),
            documents: vec!["listing/0".into()],
        }],
    }
}

fn service() -> Value {
    json!({"id": "s-1", "name": NAME, "description": "Warm\u{1b}[5m meals.", "status": "active"})
}

fn page() -> api::SearchPage {
    api::SearchPage {
        total: 57,
        results: vec![api::SearchResult {
            id: "s-1".into(),
            kind: api::EntryKind::Service,
            name: NAME.into(),
            organisation: org(),
            status: Some("active".into()),
            assured_date: None,
            stale: false,
            distance_m: None,
            why: Vec::new(),
        }],
        ..api::SearchPage::default()
    }
}

fn entry() -> api::EntryView {
    api::EntryView {
        id: "s-1".into(),
        kind: api::EntryKind::Service,
        name: NAME.into(),
        organisation: org(),
        content: service(),
        assured_date: None,
        issued_at_s: 1,
        signed_by: NodeId::from_bytes([2; 32]),
        record: RecordId::from_bytes([5; 32]),
        networks: vec!["North West".into()],
        conflict: true,
        outdated: true,
        away: Some(Pause {
            from: "2026-12-20".into(),
            until: "2027-01-04".into(),
            note: Some(format!("ask {NAME}")),
        }),
        succession: Some(api::SucceededBy {
            now: None,
            merged_into: Some(other(7, "Aid & Co")),
            closes_on: Some("2027-03-31".into()),
            clients_to: vec![other(8, "South Aid")],
        }),
        followed_from: None,
        assured_by: Some(NAME.into()),
        findings: Some(api::Findings {
            confirmed: 2,
            confirmed_on: Some("2026-11-20".into()),
            reports: vec![api::ReportView {
                organisation: other(7, "Aid & Co"),
                text: "phone disconnected".into(),
                posted: "2026-11-21".into(),
            }],
        }),
    }
}

fn record_item() -> api::RecordItem {
    api::RecordItem {
        record: "cmVjb3Jk".into(),
        delegation: None,
        state: Some("e30=".into()),
    }
}
