//! Networks with nobody in charge, on real nodes over loopback.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "membership/charters.rs"]
mod charters;
#[path = "membership/lines.rs"]
mod lines;
#[path = "membership/site.rs"]
mod site;

use fingerpost_daemon::keys::Keys;
use fingerpost_daemon::node::now_s;
use fingerpost_daemon::store::SledStorage;
use fingerpost_proto::api::{
    CancelInvitation, ErrorCode, Found, InvitationState, Leave, Object, VouchFor, Withdraw,
};
use fingerpost_proto::ids::{NetworkId, OrgId};
use fingerpost_proto::replica::Replica;
use fingerpost_proto::roster::Place;
use fingerpost_proto::storage::Storage;

use site::{Site, held_card};

#[tokio::test(flavor = "multi_thread")]
async fn two_founders_and_two_vouches() {
    let (ada, bob, cleo) = (
        Site::start("Ada").await,
        Site::start("Bob").await,
        Site::start("Cleo").await,
    );
    let alone = |vouches| Found {
        name: "Lambeth".into(),
        charter: String::new(),
        vouches,
        founders: Vec::new(),
    };
    let refused = ada
        .say(move |node, org, by| node.found(org, &alone(2), by))
        .await
        .unwrap_err();
    assert!(refused.0.hint.unwrap().contains("--founder"));
    let network = ada.found("Lambeth", 2, &[&bob]).await;
    assert_eq!(network.place, Some(Place::Member));
    assert!(
        network.asks[0].contains("1 founder has not joined yet"),
        "{:?}",
        network.asks
    );
    let network = network.id;

    let joined = bob.join(&ada.ticket(network).await).await;
    assert_eq!(
        joined.place,
        Some(Place::Member),
        "a founder needs nobody's vouch"
    );
    ada.sees(network, bob.org, Place::Member).await;
    assert_eq!(ada.network_info(network).await.asks, Vec::<String>::new());

    let joined = cleo.join(&ada.ticket(network).await).await;
    assert_eq!(joined.place, Some(Place::Applicant));
    let waits = cleo.network_info(network).await.waiting_for.unwrap();
    assert!(waits.contains("1 more member must vouch for it"), "{waits}");
    bob.sees(network, cleo.org, Place::Applicant).await;
    let waiting = bob.ask(|node| node.waiting(None).unwrap()).await;
    assert_eq!(waiting.vouches_needed, 2);
    assert_eq!(
        (waiting.applicants.len(), waiting.applicants[0].missing),
        (1, 1)
    );
    let asks = bob.network_info(network).await.asks;
    assert_eq!(
        asks,
        ["1 organisation waits for vouches: fingerpost waiting"]
    );
    assert_eq!(
        ada.network_info(network).await.asks,
        Vec::<String>::new(),
        "Ada has vouched"
    );

    // Whoever is not a member yet puts nothing into anybody's search.
    let asked = cleo.org.to_string();
    let said = bob.ask(move |node| node.entry(&asked).unwrap_err()).await;
    assert!(said.0.message.contains("is not a member yet"), "{said}");

    bob.vouch_for(cleo.org, Some("we share a building")).await;
    let asked = cleo.org.to_string();
    bob.until("Cleo can be found", move |node| node.entry(&asked).ok())
        .await;
    for site in [&ada, &bob, &cleo] {
        let member = site.sees(network, cleo.org, Place::Member).await;
        let mut vouches: Vec<_> = member
            .vouched_by
            .iter()
            .map(|vouch| {
                (
                    vouch.org.name.as_str(),
                    vouch.by_invitation,
                    vouch.counts,
                    vouch.note.as_deref(),
                )
            })
            .collect();
        vouches.sort();
        assert_eq!(
            vouches,
            [
                ("Ada", true, true, None),
                ("Bob", false, true, Some("we share a building"))
            ]
        );
    }
    // Cleo carries the vouch now, and Bob has let go of it.
    assert!(
        cleo.membership_of(cleo.org, network)
            .await
            .vouches
            .contains_key(&bob.org)
    );
    let bob_org = bob.org;
    bob.until("the vouch given is dropped", move |node| {
        held_card(node, bob_org).networks[&network]
            .given
            .is_empty()
            .then_some(())
    })
    .await;
    let subject = cleo.org.to_string();
    let again = VouchFor {
        network: None,
        subject,
        note: None,
    };
    let said = bob
        .say(move |node, org, by| node.vouch(org, &again, by))
        .await
        .unwrap();
    assert!(said.already);
    let ada_org = ada.org;
    ada.until("both invitations are settled", move |node| {
        let settled = held_card(node, ada_org).networks[&network]
            .invitations
            .len();
        (settled == 2).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invitation_counts_once_and_can_be_cancelled() {
    let (ada, bob, cleo) = (
        Site::start("Ada").await,
        Site::start("Bob").await,
        Site::start("Cleo").await,
    );
    let network = ada.found("Lambeth", 1, &[]).await.id;
    let ticket = ada.ticket(network).await;
    assert_eq!(bob.join(&ticket).await.place, Some(Place::Member));
    ada.sees(network, bob.org, Place::Member).await;
    let list = ada
        .say(|node, org, _| node.invitations(org, None))
        .await
        .unwrap();
    assert_eq!(list.invitations.len(), 1);
    assert_eq!(
        list.invitations[0].note.as_deref(),
        Some("for our neighbours")
    );
    assert_eq!(list.invitations[0].state, InvitationState::Used);
    // Once Ada's node has noted who used it, it can never count for another.
    let ada_org = ada.org;
    ada.until("it is settled", move |node| {
        let settled = &held_card(node, ada_org).networks[&network].invitations;
        (!settled.is_empty()).then_some(())
    })
    .await;

    cleo.join(&ticket).await;
    ada.sees(network, cleo.org, Place::Applicant).await;
    let list = ada
        .say(|node, org, _| node.invitations(org, None))
        .await
        .unwrap();
    let used = &list.invitations[0];
    assert_eq!(used.used_by.as_ref().map(|org| org.id), Some(bob.org));
    assert_eq!(
        used.also_used_by
            .iter()
            .map(|org| org.id)
            .collect::<Vec<_>>(),
        [cleo.org]
    );
    let waiting = ada.ask(|node| node.waiting(None).unwrap()).await;
    let other = waiting.applicants[0].invitation_used_by.as_ref();
    assert_eq!(other.map(|org| org.id), Some(bob.org));
    let cleo_org = cleo.org;
    cleo.until("Cleo is told", move |node| {
        let networks = node.status().unwrap().networks;
        let waits = networks[0].waiting_for.clone().unwrap_or_default();
        (waits.contains("must vouch") && waits.contains("Bob")).then_some(())
    })
    .await;
    let used = CancelInvitation {
        invitation: used.short.clone(),
    };
    let refused = ada
        .say(move |node, org, by| node.cancel_invitation(org, &used, by))
        .await
        .unwrap_err();
    assert!(refused.0.message.contains("Bob has used"), "{refused}");
    ada.vouch_for(cleo_org, None).await;
    cleo.sees(network, cleo_org, Place::Member).await;

    let dan = Site::start("Dan").await;
    let ticket = ada.ticket(network).await;
    let cancel = CancelInvitation {
        invitation: ticket.clone(),
    };
    for _ in 0..2 {
        let cancel = cancel.clone();
        let info = ada
            .say(move |node, org, by| node.cancel_invitation(org, &cancel, by))
            .await
            .unwrap();
        assert_eq!(info.state, InvitationState::Cancelled);
    }
    dan.join(&ticket).await;
    ada.sees(network, dan.org, Place::Applicant).await;
    dan.sees(network, dan.org, Place::Applicant).await;
    dan.until("Dan is told", |node| {
        let networks = node.status().unwrap().networks;
        let waits = networks[0].waiting_for.clone().unwrap_or_default();
        (waits == "1 member must vouch for it").then_some(())
    })
    .await;
}

fn object(subject: OrgId) -> Object {
    Object {
        network: None,
        subject: subject.to_string(),
        reason: "sells our lists".into(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_majority_removes_and_taking_it_back_restores() {
    let ada = Site::start("Ada").await;
    let bob = Site::start("Bob").await;
    let (cleo, service) = Site::with_service("Cleo").await;
    let network = ada.found("Lambeth", 1, &[]).await.id;
    bob.join(&ada.ticket(network).await).await;
    cleo.join(&ada.ticket(network).await).await;
    bob.sees(network, cleo.org, Place::Member).await;
    bob.finds("drop-in", &["Cleo drop-in"]).await;

    let (accused, itself) = (object(cleo.org), object(ada.org));
    let stranger = object(OrgId::from_bytes([7; 32]));
    let refused = ada
        .say(move |node, org, by| node.object(org, &itself, by))
        .await;
    assert_eq!(refused.unwrap_err().0.code, ErrorCode::BadInput);
    let refused = ada
        .say(move |node, org, by| node.object(org, &stranger, by))
        .await;
    assert!(refused.unwrap_err().0.message.contains("stranger"));
    let own = VouchFor {
        network: None,
        subject: ada.org.to_string(),
        note: None,
    };
    let refused = ada
        .say(move |node, org, by| node.vouch(org, &own, by))
        .await;
    assert!(refused.unwrap_err().0.message.contains("for themselves"));

    let one = accused.clone();
    let said = ada
        .say(move |node, org, by| node.object(org, &one, by))
        .await
        .unwrap();
    assert_eq!(
        (said.place, said.already),
        (Some(Place::Member), false),
        "one alone removes nobody"
    );
    let member = bob.sees(network, cleo.org, Place::Member).await;
    let one = accused.clone();
    bob.say(move |node, org, by| node.object(org, &one, by))
        .await
        .unwrap();
    for site in [&ada, &bob, &cleo] {
        site.sees(network, cleo.org, Place::Removed).await;
    }
    let waits = cleo.network_info(network).await.waiting_for.unwrap();
    assert!(waits.contains("objections"), "{waits}");
    let removed = ada.sees(network, cleo.org, Place::Removed).await;
    assert_eq!(
        (removed.objections.len(), removed.objections_needed),
        (2, 2)
    );
    assert!(
        removed
            .objections
            .iter()
            .all(|it| it.counts && it.reason == "sells our lists")
    );
    assert_eq!(member.services, 1);
    ada.finds("drop-in", &[]).await;
    ada.finds("Cleo", &[]).await;
    assert!(ada.entry(&service).await.is_err());

    let withdraw = Withdraw {
        network: None,
        subject: cleo.org.to_string(),
    };
    let again = withdraw.clone();
    ada.say(move |node, org, by| node.withdraw(org, &withdraw, by))
        .await
        .unwrap();
    let said = ada
        .say(move |node, org, by| node.withdraw(org, &again, by))
        .await
        .unwrap();
    assert!(said.already);
    for site in [&ada, &bob, &cleo] {
        site.sees(network, cleo.org, Place::Member).await;
    }
    for site in [&ada, &bob] {
        site.finds("drop-in", &["Cleo drop-in"]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_block_is_this_nodes_alone() {
    let (ada, bob) = (Site::start("Ada").await, Site::start("Bob").await);
    let (cleo, _) = Site::with_service("Cleo").await;
    let network = ada.found("Lambeth", 1, &[]).await.id;
    bob.join(&ada.ticket(network).await).await;
    cleo.join(&ada.ticket(network).await).await;
    for site in [&ada, &bob] {
        site.finds("drop-in", &["Cleo drop-in"]).await;
    }
    let (own, subject) = (ada.org.to_string(), cleo.org.to_string());
    assert!(ada.ask(move |node| node.block(&own, true)).await.is_err());
    let blocked = subject.clone();
    assert!(
        ada.ask(move |node| node.block(&blocked, true))
            .await
            .unwrap()
    );
    ada.finds("drop-in", &[]).await;
    ada.finds("Cleo", &[]).await;
    let member = ada.sees(network, cleo.org, Place::Member).await;
    assert!(member.blocked);
    assert_eq!(ada.ask(|node| node.blocks(false).blocked.len()).await, 1);
    bob.finds("drop-in", &["Cleo drop-in"]).await;
    let blocked = subject.clone();
    assert!(
        !ada.ask(move |node| node.block(&blocked, true))
            .await
            .unwrap()
    );
    assert!(
        ada.ask(move |node| node.block(&subject, false))
            .await
            .unwrap()
    );
    ada.finds("drop-in", &["Cleo drop-in"]).await;
}

fn leave(network: Option<NetworkId>, confirm: &str) -> Leave {
    Leave {
        network: network.map(|id| id.to_string()),
        confirm: confirm.into(),
    }
}

/// What a crash leaves that comes after the departure is stored, and before the card follows.
fn depart_by_hand(site: &Site, network: NetworkId) {
    let keys = Keys::open(&site.home().keys()).unwrap();
    let store = SledStorage::open(&site.home().store(), 8).unwrap();
    let node = keys.node().node_id();
    let mut replica = Replica::open(store, node, [site.org].into()).unwrap();
    let delegation = replica.delegation(&site.org, &node).unwrap().unwrap();
    let key = fingerpost_proto::ids::DocKey {
        org: site.org,
        name: fingerpost_proto::ids::DocName::Card,
    };
    let state = replica.shown(&key).unwrap().unwrap().state;
    let card = fingerpost_proto::card::Card::parse(&state).unwrap();
    let membership = &card.networks[&network];
    let departure = replica.departure(
        now_s(),
        network,
        site.org,
        membership,
        &delegation,
        keys.node(),
    );
    replica.receive(now_s(), departure).unwrap();
    replica.storage_mut().flush().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn leaving_is_finished_after_a_crash_and_touches_no_other_network() {
    let ada = Site::start("Ada").await;
    let (mut bob, _) = Site::with_service("Bob").await;
    let one = ada.found("Lambeth", 1, &[]).await.id;
    let two = ada.found("Southwark", 1, &[]).await.id;
    let three = ada.found("Lewisham", 1, &[]).await.id;
    for network in [one, two, three] {
        bob.join(&ada.ticket(network).await).await;
        ada.sees(network, bob.org, Place::Member).await;
    }
    ada.finds("drop-in", &["Bob drop-in"]).await;
    let wrong = leave(Some(one), "Southwark");
    let refused = bob
        .say(move |node, org, by| node.leave(org, &wrong, by))
        .await;
    assert!(refused.unwrap_err().0.hint.unwrap().contains("Lambeth"));

    bob.stop().await;
    depart_by_hand(&bob, one);
    bob.resume().await;
    let org = bob.org;
    bob.until("the card follows", move |node| {
        let networks = held_card(node, org).networks;
        (!networks.contains_key(&one) && networks.len() == 2).then_some(())
    })
    .await;
    ada.sees(one, bob.org, Place::Left).await;
    ada.sees(two, bob.org, Place::Member).await;
    ada.finds("drop-in", &["Bob drop-in"]).await;

    let by_name = leave(None, "Southwark");
    let left = bob
        .say(move |node, org, by| node.leave(org, &by_name, by))
        .await
        .unwrap();
    assert_eq!((left.network, left.already), (two, false));
    ada.sees(two, bob.org, Place::Left).await;
    ada.sees(three, bob.org, Place::Member).await;
    ada.finds("drop-in", &["Bob drop-in"]).await;
    for network in [one, two] {
        let name = if network == one {
            "Lambeth"
        } else {
            "Southwark"
        };
        let again = leave(None, name);
        let left = bob
            .say(move |node, org, by| node.leave(org, &again, by))
            .await
            .unwrap();
        assert_eq!((left.network, left.already), (network, true));
    }
    let last = leave(None, "Lewisham");
    bob.say(move |node, org, by| node.leave(org, &last, by))
        .await
        .unwrap();
    ada.finds("drop-in", &[]).await;
    bob.finds("drop-in", &["Bob drop-in"]).await;
    // Coming back is possible.
    let joined = bob.join(&ada.ticket(one).await).await;
    assert_eq!(joined.place, Some(Place::Member));
    ada.sees(one, bob.org, Place::Member).await;
    ada.finds("drop-in", &["Bob drop-in"]).await;
}
