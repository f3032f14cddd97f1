//! JSON that others wrote: states, listing files, and what the local API is asked.

use fingerpost_daemon::rescue::Rescue;
use fingerpost_daemon::search::entries_of;
use fingerpost_proto::api;
use fingerpost_proto::board::BoardState;
use fingerpost_proto::card::Card;
use fingerpost_proto::ids::DocName;
use fingerpost_proto::limits;
use fingerpost_proto::listing::{Listing, ShardState, parse_import};
use fingerpost_proto::replica::{Checked, State};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::fixtures::{Party, board as a_board, listing_file, shard, world};
use super::{Seeds, seed};

/// A state is read alone as it is read under a signature, and within the limits.
fn vouched(document: DocName, data: &[u8]) -> Option<State> {
    let state = State::parse(document, data).ok()?;
    assert!(data.len() <= limits::STATE_MAX_BYTES);
    let checked = Party::new(1).item(document, 1, data).check();
    let Ok(Checked::Record(record)) = checked else {
        unreachable!("{checked:?}")
    };
    assert_eq!(record.state, Some((data.to_vec(), state.clone())));
    Some(state)
}

pub fn card(data: &[u8]) -> bool {
    let Some(State::Card(card)) = vouched(DocName::Card, data) else {
        return false;
    };
    assert!(!card.name.trim().is_empty() && card.name.len() <= limits::NAME_MAX_BYTES);
    assert!(card.networks.len() <= limits::NETWORKS_PER_ORG_MAX);
    for (network, membership) in &card.networks {
        let vouches = membership.proven(network, &world().member.org());
        assert!(vouches.len() <= limits::VOUCHES_PER_NETWORK_MAX + 1);
    }
    let bytes = card.to_bytes();
    assert_eq!(Card::parse(&bytes).as_ref(), Ok(card.as_ref()));
    assert_eq!(Card::parse(&bytes).unwrap().to_bytes(), bytes);
    true
}

pub fn card_seeds() -> Seeds {
    let network = world().network();
    let card = world().member.card(network, &[&world().founder]);
    vec![
        seed("plain", Card::new("Brixton Advice").to_bytes()),
        seed("member", card.to_bytes()),
    ]
}

pub fn listing(data: &[u8]) -> bool {
    let Some(State::Listing(state)) = vouched(DocName::Listing(0), data) else {
        return false;
    };
    assert!(state.services.iter().count() <= limits::SERVICES_PER_SHARD_MAX);
    // What goes to the search index and to exports.
    let entries = entries_of("org1x", "listing/0", "Brixton Advice", &state);
    assert!(entries.len() <= limits::SERVICES_PER_SHARD_MAX + 1);
    let listing = Listing::from_shards([state.as_ref()]);
    if let Some(listing) = listing {
        listing.to_export().unwrap();
    }
    if let Ok(bytes) = state.to_bytes() {
        let again = ShardState::parse(&bytes, 0).unwrap();
        assert_eq!(again.to_bytes().unwrap(), bytes);
    }
    true
}

pub fn listing_seeds() -> Seeds {
    vec![
        seed("empty", ShardState::empty(0).to_bytes().unwrap()),
        seed("services", shard()),
    ]
}

pub fn board(data: &[u8]) -> bool {
    let Some(State::Board(board)) = vouched(DocName::Board, data) else {
        return false;
    };
    assert!(
        board.notices.len() <= limits::NOTICES_MAX
            && board.replies.len() <= limits::REPLIES_MAX
            && board.signatures.len() <= limits::SIGNATURES_MAX
            && board.reports.len() <= limits::REPORTS_MAX
    );
    for notice in &board.notices {
        let _ = notice.is_shown_in(&world().network(), "2026-11-25");
    }
    if let Ok(bytes) = board.to_bytes() {
        let again = BoardState::parse(&bytes).unwrap();
        assert_eq!(again.to_bytes().unwrap(), bytes);
    }
    true
}

pub fn board_seeds() -> Seeds {
    vec![seed("board", a_board())]
}

/// A file is taken whole or refused with a reason and a hint; what is taken can be taken again from its own
/// export.
pub fn import(data: &[u8]) -> bool {
    let import = match parse_import(data) {
        Ok(import) => import,
        Err(error) => {
            assert!(!error.to_string().is_empty());
            return false;
        }
    };
    let mut state = ShardState::empty(0);
    state.organization = Some(import.organization.clone());
    state.services = import.services.clone();
    let exported = Listing::from_shards([&state]).unwrap().to_export().unwrap();
    let again = parse_import(&serde_json::to_vec(&exported).unwrap());
    match again {
        Ok(again) => {
            assert_eq!(again.organization, import.organization);
            assert_eq!(again.services, import.services);
        }
        // Put together it may be over a limit that its parts are within.
        Err(error) => assert!(is_over_a_limit(&error.to_string()), "{error}"),
    }
    true
}

fn is_over_a_limit(message: &str) -> bool {
    ["at most", "deep", "limit"]
        .iter()
        .any(|word| message.contains(word))
}

pub fn import_seeds() -> Seeds {
    let page = br#"{"contents":[{"id":"a","name":"Advice","organization":{"id":"o","name":"Brixton Advice"}}]}"#;
    let list = br#"[{"id":7,"name":"Advice","organization":{"id":"o","name":"Brixton"}}]"#;
    vec![
        seed("organisation", listing_file()),
        seed("page", page),
        seed("list", list),
        seed("marked", [b"\xef\xbb\xbf".as_slice(), list].concat()),
    ]
}

fn comes_back<T: Serialize + DeserializeOwned>(data: &[u8]) -> bool {
    let Ok(read) = serde_json::from_slice::<T>(data) else {
        return false;
    };
    let bytes = serde_json::to_vec(&read).unwrap();
    let again: T = serde_json::from_slice(&bytes).unwrap();
    assert_eq!(serde_json::to_vec(&again).unwrap(), bytes);
    true
}

macro_rules! kinds {
    ($($kind:ty),* $(,)?) => {
        /// Every type that the local API reads from a body.
        const BODIES: &[fn(&[u8]) -> bool] = &[$(comes_back::<$kind>),*];
    };
}

kinds! {
    api::CreateOrg, api::Fields, api::Records, api::Found, api::UseTicket, api::Leave, api::Propose, api::Accept,
    api::Invite, api::CancelInvitation, api::VouchFor, api::Object, api::Withdraw, api::Block, api::Away,
    api::Close, api::Merge, api::Claim, api::SignSuccession, api::UseOrg, api::HandOver, api::UsePass, api::Rekey,
    api::AddNode, api::RevokeNode, api::ExportKey, api::ImportKey, api::Restore, api::Resolve,
    api::NoticeContent, api::PostReply, api::Sign, api::Assure, api::PostReport, api::AddSeat, api::RemoveSeat,
}

/// A body is what one of the requests needs, and says the same when it is written again; or it is refused. The
/// first byte chooses which request.
pub fn api_body(data: &[u8]) -> bool {
    let Some((kind, data)) = data.split_first() else {
        return false;
    };
    let read = BODIES[usize::from(*kind) % BODIES.len()];
    read(data)
}

pub fn api_body_seeds() -> Seeds {
    let node = world().member.node.node_id();
    let bodies = [
        (
            0,
            r#"{"name":"Brixton Advice","identifiers":["GB-CHC-1234567"]}"#.to_owned(),
        ),
        (
            1,
            r#"{"fields":[["name","Advice"],["status",""]]}"#.to_owned(),
        ),
        (23, format!(r#"{{"node":"{node}","role":"editor"}}"#)),
        (26, r#"{"key":{"words":"abandon art"}}"#.to_owned()),
        (
            26,
            r#"{"key":{"file":{"file":"x","passphrase":"y"}}}"#.to_owned(),
        ),
    ];
    let bodies = bodies.into_iter().enumerate();
    bodies
        .map(|(at, (kind, body))| {
            seed(
                format!("body-{at}"),
                [vec![kind], body.into_bytes()].concat(),
            )
        })
        .collect()
}

/// The file that helps a lost node to find its way holds charters that fit their networks, or nothing.
pub fn rescue(data: &[u8]) -> bool {
    let rescue = Rescue::parse(data);
    let charters = rescue.charters();
    assert!(charters.len() <= limits::NETWORKS_PER_ORG_MAX);
    for charter in charters {
        charter.check().unwrap();
    }
    assert_eq!(Rescue::parse(&rescue.to_bytes().unwrap()), rescue);
    rescue != Rescue::default()
}

pub fn rescue_seeds() -> Seeds {
    let charter = (world().network(), world().charter.to_bytes());
    let node = (
        world().member.node.node_id(),
        vec!["/ip4/192.0.2.7/tcp/7787".to_owned()],
    );
    vec![seed(
        "rescue",
        Rescue::new([charter], [node]).to_bytes().unwrap(),
    )]
}
