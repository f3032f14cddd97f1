//! Answers about networks: charters, invitations, vouches, objections, pauses and successions.

use fingerpost_proto::api::{self, AcceptedBy, VouchInfo};
use fingerpost_proto::card::Pause;
use fingerpost_proto::ids::{CharterId, InviteId, NetworkId, OrgId};
use fingerpost_proto::roster::Place;
use serde_json::Value;

use super::{NAME, org, other, value};

/// The answer to a request, if it is one of these.
pub(super) fn canned(method: &str, path: &str) -> Option<Value> {
    Some(match (method, path) {
        ("POST", "/v1/networks" | "/v1/networks/join") => value(&network()),
        ("POST", "/v1/networks/preview") => value(&api::CharterView {
            network: NetworkId::from_bytes([3; 32]),
            name: "North \u{1b}[31mWest".into(),
            charter: "Be kind.\u{1b}[2J".into(),
            vouches_needed: 1,
            invited_by: OrgId::from_bytes([1; 32]),
            expires_at_s: 2_000_000_000,
        }),
        ("POST", "/v1/networks/leave") => value(&api::Left {
            network: NetworkId::from_bytes([3; 32]),
            name: "North West".into(),
            already: false,
            told: 2,
        }),
        ("POST", "/v1/invitations") => value(&api::Invited {
            ticket: "fingerpost-ticket".into(),
            id: InviteId::from_bytes([4; 32]),
            network: NetworkId::from_bytes([3; 32]),
            name: "North West".into(),
            expires_at_s: 2_000_000_000,
        }),
        ("GET", "/v1/invitations") => value(&api::Invitations {
            invitations: vec![invitation(api::InvitationState::Used)],
        }),
        ("POST", "/v1/invitations/cancel") => value(&invitation(api::InvitationState::Cancelled)),
        ("GET", "/v1/charter") => value(&charter()),
        ("POST", "/v1/charter/propose" | "/v1/charter/accept") => value(&proposal()),
        ("GET", "/v1/members") => value(&members()),
        ("GET", "/v1/waiting") => value(&waiting()),
        ("POST", "/v1/vouches" | "/v1/objections" | "/v1/objections/withdraw") => value(&said()),
        ("GET" | "POST", "/v1/blocks") => value(&api::Blocks {
            blocked: vec![org()],
            changed: true,
        }),
        ("POST", "/v1/away") => value(&api::Pauses {
            organisation: org(),
            pauses: vec![pause()],
        }),
        ("POST", "/v1/close" | "/v1/succession/merge") => value(&closing()),
        ("GET", "/v1/succession") => value(&api::Successions {
            network: network_id(),
            name: "North West".into(),
            successions: vec![succession()],
        }),
        ("POST", "/v1/succession/propose" | "/v1/succession/sign") => value(&succession()),
        _ => return None,
    })
}

fn network_id() -> NetworkId {
    NetworkId::from_bytes([3; 32])
}

pub(super) fn network() -> api::NetworkInfo {
    let id = NetworkId::from_bytes([3; 32]);
    api::NetworkInfo {
        id,
        short: id.short(),
        name: "North West".into(),
        place: Some(Place::Applicant),
        members: 2,
        vouches_needed: 1,
        waiting_for: Some("a member to be reached".into()),
        last_exchange_s: None,
        asks: vec![format!("vouch for {NAME}")],
    }
}

fn invitation(state: api::InvitationState) -> api::InvitationInfo {
    let id = InviteId::from_bytes([4; 32]);
    api::InvitationInfo {
        id,
        short: id.short(),
        network: network_id(),
        name: "North West".into(),
        note: Some(format!("for {NAME}")),
        issued_at_s: 1_900_000_000,
        expires_at_s: 2_000_000_000,
        state,
        used_by: Some(org()),
        also_used_by: vec![other(5, "Copycat")],
    }
}

fn charter() -> api::CharterStatus {
    api::CharterStatus {
        network: network_id(),
        name: "North West".into(),
        text: "Be kind.\u{1b}[2J\nMeet once a year.\n".into(),
        vouches_needed: 1,
        in_force: CharterId::from_bytes([3; 32]),
        anchors: vec![org()],
        voices: 3,
        adopted: Vec::new(),
        proposed: vec![proposal()],
    }
}

fn proposal() -> api::Proposal {
    let id = CharterId::from_bytes([6; 32]);
    api::Proposal {
        id,
        short: id.short(),
        network: network_id(),
        name: "North West".into(),
        text: "Be kind.\u{1b}[2J\nMeet every month.\n".into(),
        vouches_needed: 2,
        proposed_by: org(),
        proposed_at_s: 1_800_000_000,
        accepted: vec![AcceptedBy {
            org: org(),
            at_s: Some(1_800_000_000),
        }],
        needed: 2,
        in_force: false,
    }
}

fn vouch_of(voucher: api::OrgRef, counts: bool) -> VouchInfo {
    VouchInfo {
        org: voucher,
        note: Some(NAME.into()),
        by_invitation: false,
        counts,
    }
}

fn member(who: api::OrgRef, place: Place) -> api::Member {
    api::Member {
        short: who.id.short(),
        org: who,
        place,
        has_voice: true,
        anchor: false,
        vouched_by: vec![vouch_of(org(), true), vouch_of(other(9, "Gone"), false)],
        objections: Vec::new(),
        objections_needed: 0,
        since_s: Some(1_790_000_000),
        last_exchange_s: None,
        connected: false,
        services: 3,
        latest_held: true,
        away: None,
        succession: None,
        blocked: false,
        own: false,
    }
}

fn members() -> api::Members {
    let mut founder = member(org(), Place::Member);
    founder.anchor = true;
    founder.own = true;
    founder.vouched_by = Vec::new();
    let mut second = member(other(12, "Second Founder"), Place::Member);
    second.anchor = true;
    second.has_voice = false;
    let mut disputed = member(other(7, "Aid & Co"), Place::Member);
    disputed.latest_held = false;
    disputed.blocked = true;
    disputed.objections_needed = 2;
    disputed.objections = vec![
        api::ObjectionInfo {
            org: org(),
            reason: format!("{NAME} says so"),
            at_s: 1_800_000_000,
            counts: true,
        },
        api::ObjectionInfo {
            org: other(9, "Gone"),
            reason: "no reason".into(),
            at_s: 1_800_000_000,
            counts: false,
        },
    ];
    disputed.away = Some(pause());
    disputed.succession = Some(api::SucceededBy {
        closes_on: Some("2027-03-31".into()),
        clients_to: vec![other(8, "South Aid")],
        ..Default::default()
    });
    let mut replaced = member(other(10, "Old Key"), Place::Replaced);
    replaced.succession = Some(api::SucceededBy {
        now: Some(other(11, "New Key")),
        ..Default::default()
    });
    let mut older = member(other(13, "Older Key"), Place::Left);
    older.succession = Some(api::SucceededBy {
        now: Some(other(14, "Newer Key")),
        ..Default::default()
    });
    let mut newer = member(other(14, "Newer Key"), Place::Member);
    newer.vouched_by = Vec::new();
    newer.has_voice = false;
    let mut heir = member(other(11, "New Key"), Place::Member);
    heir.vouched_by = Vec::new();
    heir.has_voice = false;
    heir.services = 0;
    api::Members {
        network: network_id(),
        name: "North West".into(),
        members: vec![
            founder,
            disputed,
            heir,
            second,
            newer,
            older,
            member(other(8, "South Aid"), Place::Applicant),
            replaced,
        ],
    }
}

fn waiting() -> api::Waiting {
    let applicant = other(8, "South Aid");
    api::Waiting {
        network: network_id(),
        name: "North West".into(),
        vouches_needed: 2,
        applicants: vec![api::Applicant {
            short: applicant.id.short(),
            org: applicant,
            since_s: Some(1_790_000_000),
            vouched_by: vec![vouch_of(org(), true), vouch_of(other(9, "Gone"), false)],
            on_the_way: vec![other(7, "Aid & Co")],
            missing: 1,
            invitation_used_by: Some(org()),
        }],
    }
}

fn said() -> api::Said {
    api::Said {
        network: network_id(),
        name: "North West".into(),
        subject: other(8, "South Aid"),
        already: true,
        place: Some(Place::Applicant),
        summary: format!("{NAME} has spoken."),
    }
}

fn pause() -> Pause {
    Pause {
        from: "2026-12-20".into(),
        until: "2027-01-04".into(),
        note: Some(format!("ask {NAME}")),
    }
}

fn closing() -> api::Closing {
    api::Closing {
        organisation: org(),
        succession: api::SucceededBy {
            merged_into: Some(other(7, "Aid & Co")),
            closes_on: Some("2027-03-31".into()),
            clients_to: vec![other(8, "South Aid")],
            now: None,
        },
        already: true,
    }
}

fn succession() -> api::SuccessionInfo {
    api::SuccessionInfo {
        old: other(7, "Aid & Co"),
        new: org(),
        voters: vec![other(8, "South Aid"), other(9, "Gone")],
        signed: vec![other(9, "Gone")],
        needed: 2,
        complete: false,
    }
}
