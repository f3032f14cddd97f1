//! What comes after an organisation: pauses, closing, mergers, and heirs by vote.

use fingerpost_proto::api::{Away, Claim, Close, EntryKind, Merge, SignSuccession};
use fingerpost_proto::ids::NetworkId;
use fingerpost_proto::roster::Place;

use crate::site::Site;

/// Ada, who founded a network, and two members that each offer a service.
async fn three() -> (NetworkId, Site, (Site, String), (Site, String)) {
    let ada = Site::start("Ada").await;
    let (bob, cleo) = (
        Site::with_service("Bob").await,
        Site::with_service("Cleo").await,
    );
    let network = ada.found("Lambeth", 1, &[]).await.id;
    for site in [&bob.0, &cleo.0] {
        site.join(&ada.ticket(network).await).await;
    }
    for site in [&ada, &bob.0, &cleo.0] {
        site.finds("drop-in", &["Bob drop-in", "Cleo drop-in"])
            .await;
    }
    (network, ada, bob, cleo)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_is_shown_until_it_is_over() {
    let (network, ada, (bob, service), _) = three().await;
    let away = |until: Option<&str>| Away {
        from: None,
        until: until.map(str::to_owned),
        note: until.map(|_| "ask Cleo meanwhile".to_owned()),
    };
    let past = away(Some("2020-01-01"));
    assert!(
        bob.say(move |node, org, by| node.away(org, &past, by))
            .await
            .is_err()
    );
    let pause = away(Some("2999-12-31"));
    let pauses = bob
        .say(move |node, org, by| node.away(org, &pause, by))
        .await
        .unwrap();
    assert_eq!(pauses.pauses.len(), 1);
    let org = bob.org;
    let shown = service.clone();
    let paused = ada
        .until("the pause is shown", move |node| {
            node.entry(&shown).ok()?.away
        })
        .await;
    assert_eq!(paused.note.as_deref(), Some("ask Cleo meanwhile"));
    assert_eq!(
        ada.sees(network, org, Place::Member).await.away,
        Some(paused)
    );
    let back = away(None);
    let pauses = bob
        .say(move |node, org, by| node.away(org, &back, by))
        .await
        .unwrap();
    assert_eq!(pauses.pauses, []);
    ada.until("the pause is over", move |node| {
        node.entry(&service).ok()?.away.is_none().then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_merged_is_found_under_what_it_became_part_of() {
    let (network, ada, (bob, _), (cleo, service)) = three().await;
    let merge = |into: Option<&Site>, confirm: &str| Merge {
        into: into.map(|site| site.org.to_string()),
        confirm: confirm.into(),
    };
    for wrong in [merge(Some(&bob), "Bob"), merge(Some(&cleo), "Cleo")] {
        assert!(
            cleo.say(move |node, org, by| node.merge_org(org, &wrong, by))
                .await
                .is_err()
        );
    }
    let request = merge(Some(&bob), "Cleo");
    let again = request.clone();
    let said = cleo
        .say(move |node, org, by| node.merge_org(org, &request, by))
        .await
        .unwrap();
    assert_eq!(said.succession.merged_into.unwrap().id, bob.org);
    let said = cleo
        .say(move |node, org, by| node.merge_org(org, &again, by))
        .await
        .unwrap();
    assert!(said.already);
    for site in [&ada, &bob, &cleo] {
        site.finds("drop-in", &["Bob drop-in"]).await;
        let found = site.finds("Cleo", &["Bob"]).await;
        assert_eq!(
            (found[0].kind, found[0].organisation.id),
            (EntryKind::Organisation, bob.org)
        );
    }
    for id in [cleo.org.to_string(), service.clone()] {
        let entry = ada.entry(&id).await.unwrap();
        assert_eq!(entry.organisation.id, cleo.org);
        assert_eq!(entry.succession.unwrap().merged_into.unwrap().id, bob.org);
    }
    let member = ada.sees(network, cleo.org, Place::Member).await;
    assert_eq!(member.succession.unwrap().merged_into.unwrap().id, bob.org);
    // Two that each became part of the other would both be gone.
    let round = merge(Some(&cleo), "Bob");
    let refused = bob
        .say(move |node, org, by| node.merge_org(org, &round, by))
        .await;
    assert!(
        refused
            .unwrap_err()
            .0
            .message
            .contains("became part of this")
    );
    // The chain is followed: Bob becomes part of Ada.
    let next = merge(Some(&ada), "Bob");
    bob.say(move |node, org, by| node.merge_org(org, &next, by))
        .await
        .unwrap();
    ada.finds("Cleo", &["Ada"]).await;
    ada.finds("Bob", &["Ada"]).await;
    let entry = ada.entry(&service).await.unwrap();
    assert_eq!(entry.succession.unwrap().merged_into.unwrap().id, ada.org);
    let undone = merge(None, "Cleo");
    cleo.say(move |node, org, by| node.merge_org(org, &undone, by))
        .await
        .unwrap();
    ada.finds("drop-in", &["Cleo drop-in"]).await;
    assert_eq!(ada.entry(&service).await.unwrap().succession, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_closed_leaves_the_results_and_still_says_where_to_go() {
    let (_, mut ada, (bob, _), (cleo, service)) = three().await;
    let close = |on: Option<&str>, to: &[&Site]| Close {
        on: on.map(str::to_owned),
        clients_to: to.iter().map(|site| site.org.to_string()).collect(),
        confirm: "Cleo".into(),
    };
    for wrong in [
        close(Some("soon"), &[]),
        close(None, &[&bob]),
        close(Some("2999-12-31"), &[&cleo]),
    ] {
        assert!(
            cleo.say(move |node, org, by| node.close_org(org, &wrong, by))
                .await
                .is_err()
        );
    }
    let later = close(Some("2999-12-31"), &[&bob]);
    cleo.say(move |node, org, by| node.close_org(org, &later, by))
        .await
        .unwrap();
    let shown = service.clone();
    let succession = ada
        .until("the closing is shown", move |node| {
            node.entry(&shown).ok()?.succession
        })
        .await;
    assert_eq!(succession.closes_on.as_deref(), Some("2999-12-31"));
    assert_eq!(succession.clients_to[0].id, bob.org);
    ada.finds("drop-in", &["Bob drop-in", "Cleo drop-in"]).await;

    let closed = close(Some("2020-01-01"), &[&bob]);
    cleo.say(move |node, org, by| node.close_org(org, &closed, by))
        .await
        .unwrap();
    ada.finds("drop-in", &["Bob drop-in"]).await;
    ada.finds("Cleo", &[]).await;
    ada.stop().await;
    ada.resume().await;
    ada.finds("drop-in", &["Bob drop-in"]).await;
    for id in [cleo.org.to_string(), service.clone()] {
        let succession = ada.entry(&id).await.unwrap().succession.unwrap();
        assert_eq!(succession.clients_to[0].id, bob.org);
    }
    let open = close(None, &[]);
    let said = cleo
        .say(move |node, org, by| node.close_org(org, &open, by))
        .await
        .unwrap();
    assert_eq!((said.already, said.succession), (false, Default::default()));
    ada.finds("drop-in", &["Bob drop-in", "Cleo drop-in"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_heir_by_vote_takes_over_the_listing() {
    let (network, ada, (bob, _), (mut cleo, service)) = three().await;
    let heir = Site::start("New Cleo").await;
    heir.join(&ada.ticket(network).await).await;
    heir.finds("drop-in", &["Bob drop-in", "Cleo drop-in"])
        .await;
    // Cleo's machine and key are lost.
    cleo.stop().await;

    let claim = |old: &Site| Claim {
        network: None,
        old: old.org.to_string(),
        withdraw: false,
    };
    let sign = |old: &Site| SignSuccession {
        network: None,
        old: old.org.to_string(),
        new: None,
        withdraw: false,
    };
    let itself = claim(&heir);
    assert!(
        heir.say(move |node, org, by| node.claim(org, &itself, by))
            .await
            .is_err()
    );
    let unclaimed = sign(&cleo);
    let refused = ada
        .say(move |node, org, by| node.sign_succession(org, &unclaimed, by))
        .await;
    assert!(refused.unwrap_err().0.hint.unwrap().contains("propose"));
    let request = claim(&cleo);
    let info = heir
        .say(move |node, org, by| node.claim(org, &request, by))
        .await
        .unwrap();
    assert_eq!(
        (info.voters.len(), info.needed, info.complete),
        (1, 1, false)
    );
    ada.until("Ada is asked", |node| {
        let asks = node.status().unwrap().networks[0].asks.clone();
        let asked = asks
            .iter()
            .any(|ask| ask.starts_with("you vouch for Cleo, which lost its key"));
        asked.then_some(())
    })
    .await;
    bob.until("Bob hears of it", |node| {
        (node.successions(None).unwrap().successions.len() == 1).then_some(())
    })
    .await;
    let no_say = sign(&cleo);
    let refused = bob
        .say(move |node, org, by| node.sign_succession(org, &no_say, by))
        .await;
    assert!(refused.unwrap_err().0.hint.unwrap().contains("Ada"));
    let request = sign(&cleo);
    let info = ada
        .say(move |node, org, by| node.sign_succession(org, &request, by))
        .await
        .unwrap();
    assert!(info.complete && info.new.id == heir.org);

    for site in [&ada, &bob, &heir] {
        site.sees(network, cleo.org, Place::Replaced).await;
        let (id, now) = (service.clone(), heir.org);
        site.until("the service is the heir's", move |node| {
            (node.entry(&id).ok()?.organisation.id == now).then_some(())
        })
        .await;
        site.finds("drop-in", &["Bob drop-in", "Cleo drop-in"])
            .await;
        let entry = site.entry(&cleo.org.to_string()).await.unwrap();
        assert_eq!(entry.succession.unwrap().now.unwrap().id, heir.org);
    }
    let org = heir.org;
    let history = heir.ask(move |node| node.history(&org).unwrap()).await;
    assert!(
        history.entries[0]
            .what
            .starts_with("listing taken over from Cleo")
    );
}
