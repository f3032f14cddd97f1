//! Charters that are amended, and networks and organisations that are told apart.

use fingerpost_proto::api::{Accept, ErrorCode, Found, Propose};
use fingerpost_proto::roster::Place;

use crate::site::{self, Site};
use crate::{leave, object};

#[tokio::test(flavor = "multi_thread")]
async fn a_majority_amends_the_charter_and_both_names_are_known() {
    let (ada, bob) = (Site::start("Ada").await, Site::start("Bob").await);
    let network = ada.found("Lambeth", 1, &[]).await.id;
    bob.join(&ada.ticket(network).await).await;
    ada.sees(network, bob.org, Place::Member).await;
    let propose = |name: &str, vouches| Propose {
        network: Some("lambeth".into()),
        name: Some(name.into()),
        text: None,
        vouches,
    };
    let (same, impossible) = (propose("Lambeth", None), propose("X", Some(3)));
    for refused in [same, impossible] {
        let refused = ada
            .say(move |node, org, by| node.propose(org, &refused, by))
            .await;
        assert_eq!(refused.unwrap_err().0.code, ErrorCode::BadInput);
    }
    let request = propose("Lambeth and Southwark", Some(2));
    let again = request.clone();
    let proposal = ada
        .say(move |node, org, by| node.propose(org, &request, by))
        .await
        .unwrap();
    assert_eq!(
        (proposal.accepted.len(), proposal.needed, proposal.in_force),
        (1, 2, false)
    );
    let repeated = ada
        .say(move |node, org, by| node.propose(org, &again, by))
        .await
        .unwrap();
    assert_eq!(repeated.id, proposal.id);
    bob.until("Bob is asked", |node| {
        let asks = node.status().unwrap().networks[0].asks.clone();
        let asked = asks
            .iter()
            .any(|ask| ask.contains("amendment waits for your acceptance"));
        asked.then_some(())
    })
    .await;
    let accept = Accept::default();
    let accepted = bob
        .say(move |node, org, by| node.accept(org, &accept, by))
        .await
        .unwrap();
    assert!(accepted.in_force && accepted.id == proposal.id);
    for site in [&ada, &bob] {
        let status = site
            .until("the amendment is in force", |node| {
                let status = node.charter_status(Some("Lambeth and Southwark")).ok()?;
                (status.adopted.len() == 1).then_some(status)
            })
            .await;
        assert_eq!((status.vouches_needed, status.in_force), (2, proposal.id));
        assert_eq!(status.text, "We take care.");
        assert_eq!((status.proposed.len(), status.anchors.len()), (0, 2));
        let accepted = &status.adopted[0].accepted;
        assert!(accepted.len() == 2 && accepted.iter().all(|by| by.at_s.is_some()));
        let founding = site.ask(|node| node.charter_status(Some("Lambeth"))).await;
        assert_eq!(founding.unwrap().network, network);
        assert_eq!(
            site.network_info(network).await.name,
            "Lambeth and Southwark"
        );
    }
    let late = Accept {
        network: None,
        amendment: Some(proposal.short),
    };
    assert!(
        bob.say(move |node, org, by| node.accept(org, &late, by))
            .await
            .unwrap()
            .in_force
    );
    let old_name = leave(None, "Lambeth");
    let left = bob
        .say(move |node, org, by| node.leave(org, &old_name, by))
        .await
        .unwrap();
    assert_eq!(left.name, "Lambeth and Southwark");
    ada.sees(network, bob.org, Place::Left).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn several_organisations_and_networks_of_one_name_are_told_apart() {
    let ada = Site::start("Ada").await;
    let other = ada.create_org("Ada's Café").await;
    let refused = ada.ask(|node| node.own_org(None)).await.unwrap_err();
    assert!(refused.0.hint.unwrap().contains("org use"));
    let used = ada.ask(|node| node.use_org("ada's café").unwrap()).await;
    assert!(used.current && used.id == other);
    assert_eq!(ada.ask(|node| node.own_org(None)).await, Ok(other));
    let orgs = ada.ask(|node| node.orgs().unwrap()).await;
    assert_eq!(orgs.iter().filter(|org| org.current).count(), 1);

    let one = ada.found("Lambeth", 1, &[]).await.id;
    let request = Found {
        name: "Lambeth".into(),
        charter: String::new(),
        vouches: 1,
        founders: Vec::new(),
    };
    let two = ada
        .ask(move |node| node.found(&other, &request, &site::by()).unwrap().id)
        .await;
    assert_ne!(one, two);
    let refused = ada
        .ask(|node| node.members(Some("Lambeth")))
        .await
        .unwrap_err();
    assert!(
        refused.0.message.contains("2 networks are called"),
        "{refused}"
    );
    let short = two.short();
    assert_eq!(
        ada.ask(move |node| node.members(Some(&short)).unwrap().network)
            .await,
        two
    );
    // An organisation that is in one network only need not say which.
    let request = object(other);
    let refused = ada
        .say(move |node, org, by| node.object(org, &request, by))
        .await;
    assert!(
        refused
            .unwrap_err()
            .0
            .message
            .contains("stranger to Lambeth")
    );
    let org = ada.org;
    let left = ada
        .ask(move |node| {
            node.leave(&org, &leave(None, "Lambeth"), &site::by())
                .unwrap()
        })
        .await;
    assert_eq!(left.network, one);
    let info = ada.network_info(two).await;
    assert_eq!((info.place, info.members), (Some(Place::Member), 1));
}
