//! Boards on real nodes: notices, replies, statements that others sign, and what others say of a service.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

#[allow(dead_code)]
#[path = "membership/site.rs"]
mod site;

use fingerpost_daemon::node::{Node, WantedNotices};
use fingerpost_proto::api::{
    Assure, ErrorCode, NoticeContent, NoticeState, Notices, PostReply, PostReport, Posted, Sign,
};
use fingerpost_proto::ids::NetworkId;
use fingerpost_proto::roster::Place;

use site::Site;

fn notice(kind: &str, title: &str) -> NoticeContent {
    NoticeContent {
        kind: Some(kind.into()),
        title: Some(title.into()),
        ..NoticeContent::default()
    }
}

async fn post(site: &Site, content: NoticeContent) -> Posted {
    site.say(move |node, org, by| node.post_notice(org, &content, by))
        .await
        .unwrap()
}

fn seen(node: &Node) -> Notices {
    node.notices(None, &WantedNotices::default()).unwrap()
}

/// Waits until a node sees exactly these notices, by title.
async fn sees_notices(site: &Site, titles: &[&str]) {
    let mut wanted: Vec<String> = titles.iter().map(|title| (*title).to_owned()).collect();
    wanted.sort();
    site.until(&format!("it sees the notices {titles:?}"), move |node| {
        let mut found: Vec<String> = seen(node).notices.into_iter().map(|it| it.title).collect();
        found.sort();
        (found == wanted).then_some(())
    })
    .await;
}

/// Two organisations in one network.
async fn pair() -> (Site, Site, String, NetworkId) {
    let (ada, service) = Site::with_service("Ada").await;
    let bob = Site::start("Bob").await;
    let network = ada.found("Lambeth", 1, &[]).await.id;
    bob.join(&ada.ticket(network).await).await;
    ada.sees(network, bob.org, Place::Member).await;
    (ada, bob, service, network)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_need_is_seen_answered_changed_closed_and_taken_back() {
    let (ada, bob, _, network) = pair().await;
    let posted = post(&ada, notice("need", "A venue with a crèche")).await;
    assert!(posted.changed);
    let shown = posted.notice.unwrap();
    assert_eq!((shown.state, shown.own), (NoticeState::Open, true));
    sees_notices(&bob, &["A venue with a crèche"]).await;

    // The beginning of an id will do; a wrong one changes nothing.
    let short = posted.id[..8].to_owned();
    let id = short.clone();
    let reply = PostReply {
        text: "We have one in SW9".into(),
    };
    bob.say(move |node, org, by| node.reply(org, &id, &reply, by))
        .await
        .unwrap();
    let id = posted.id.clone();
    let replied = ada
        .until("the reply arrives", move |node| {
            let detail = node.notice(None, &id).unwrap();
            detail.replies.first().cloned()
        })
        .await;
    assert_eq!(
        (replied.organisation.name.as_str(), replied.text.as_str()),
        ("Bob", "We have one in SW9")
    );
    let refused = bob
        .say(|node, org, by| node.close_notice(org, "0000", by))
        .await
        .unwrap_err();
    assert_eq!(refused.0.code, ErrorCode::NotFound);
    let id = short.clone();
    let own = ada
        .say(move |node, org, by| node.reply(org, &id, &PostReply { text: "x".into() }, by))
        .await
        .unwrap_err();
    assert!(own.0.message.contains("your own notice"), "{own}");

    let (id, change) = (
        short.clone(),
        NoticeContent {
            title: Some("A venue with a crèche, from January".into()),
            networks: Some(vec!["Lambeth".into()]),
            ..NoticeContent::default()
        },
    );
    let changed = ada
        .say(move |node, org, by| node.change_notice(org, &id, &change, by))
        .await
        .unwrap();
    assert_eq!(changed.notice.unwrap().networks, ["Lambeth"]);
    sees_notices(&bob, &["A venue with a crèche, from January"]).await;

    let id = short.clone();
    ada.say(move |node, org, by| node.close_notice(org, &id, by))
        .await
        .unwrap();
    sees_notices(&bob, &[]).await;
    let id = posted.id.clone();
    let hidden = bob
        .ask(move |node| node.notice(None, &id).unwrap_err())
        .await;
    assert!(hidden.0.message.contains("not shown any more"), "{hidden}");
    let mine = WantedNotices {
        all: true,
        ..WantedNotices::default()
    };
    let all = ada
        .ask(move |node| node.notices(None, &mine).unwrap())
        .await;
    assert_eq!(all.notices[0].state, NoticeState::Closed);

    ada.say(|node, org, by| node.undo_board(org, by))
        .await
        .unwrap();
    sees_notices(&bob, &["A venue with a crèche, from January"]).await;
    let history = ada
        .say(|node, org, _| node.board_history(org))
        .await
        .unwrap();
    let first = history.entries.last().unwrap();
    assert_eq!(
        (
            first.who.as_str(),
            first.what.as_str(),
            history.entries.len()
        ),
        ("test", "need put up: A venue with a crèche", 4)
    );

    // A block hides it on this node alone, and a member that leaves takes its notices with it.
    let ada_id = ada.org.to_string();
    bob.ask(move |node| node.block(&ada_id, true).unwrap())
        .await;
    sees_notices(&bob, &[]).await;
    let ada_id = ada.org.to_string();
    bob.ask(move |node| node.block(&ada_id, false).unwrap())
        .await;
    sees_notices(&bob, &["A venue with a crèche, from January"]).await;
    assert_eq!(ada.network_info(network).await.members, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_notice_for_one_network_is_not_shown_in_another() {
    let (ada, bob, cleo) = (
        Site::start("Ada").await,
        Site::start("Bob").await,
        Site::start("Cleo").await,
    );
    let north = ada.found("North", 1, &[]).await.id;
    let south = ada.found("South", 1, &[]).await.id;
    bob.join(&ada.ticket(north).await).await;
    cleo.join(&ada.ticket(south).await).await;
    let only_north = NoticeContent {
        networks: Some(vec!["North".into()]),
        ..notice("offer", "A room in the north")
    };
    post(&ada, only_north).await;
    post(&ada, notice("offer", "A room for everybody")).await;
    sees_notices(&bob, &["A room in the north", "A room for everybody"]).await;
    sees_notices(&cleo, &["A room for everybody"]).await;
    sees_notices(&ada, &["A room in the north", "A room for everybody"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_is_signed_word_for_word() {
    let (ada, bob, _, _) = pair().await;
    let posted = post(&ada, notice("statement", "One report for every funder")).await;
    sees_notices(&bob, &["One report for every funder"]).await;
    let id = posted.id.clone();
    let sign = |withdraw, text_hash| {
        let id = id.clone();
        move |node: &Node| {
            let org = node.own_org(None).unwrap();
            let request = Sign {
                text_hash,
                withdraw,
            };
            node.sign(&org, &id, &request, &site::by())
        }
    };
    let stale = bob
        .ask(sign(false, Some("00".repeat(32))))
        .await
        .unwrap_err();
    assert!(stale.0.message.contains("nothing was signed"), "{stale}");
    assert!(bob.ask(sign(false, None)).await.unwrap().changed);
    assert!(!bob.ask(sign(false, None)).await.unwrap().changed);
    let signed = |current: bool| {
        let id = posted.id.clone();
        move |node: &Node| {
            let detail = node.notice(None, &id).unwrap();
            let [signature] = detail.signed_by.as_slice() else {
                return None;
            };
            let counts = detail.notice.signatures == usize::from(current);
            (signature.current == current && counts).then(|| signature.organisation.name.clone())
        }
    };
    assert_eq!(
        ada.until("the signature arrives", signed(true)).await,
        "Bob"
    );

    let (id, change) = (
        posted.id.clone(),
        NoticeContent {
            text: Some("And one form.".into()),
            ..NoticeContent::default()
        },
    );
    ada.say(move |node, org, by| node.change_notice(org, &id, &change, by))
        .await
        .unwrap();
    ada.until("the signature does not count", signed(false))
        .await;
    bob.until("Bob sees the new wording", signed(false)).await;
    assert!(bob.ask(sign(false, None)).await.unwrap().changed);
    ada.until("the signature counts again", signed(true)).await;
    bob.ask(sign(true, None)).await.unwrap();
    let id = posted.id.clone();
    ada.until("the signature is gone", move |node| {
        let detail = node.notice(None, &id).unwrap();
        detail.signed_by.is_empty().then_some(())
    })
    .await;
    let need = post(&ada, notice("need", "A projector")).await.id;
    let refused = bob
        .until("the need arrives", move |node| {
            let org = node.own_org(None).unwrap();
            let request = Sign {
                text_hash: None,
                withdraw: false,
            };
            let error = node.sign(&org, &need, &request, &site::by()).unwrap_err();
            (error.0.code == ErrorCode::Refused).then_some(error)
        })
        .await;
    assert!(refused.0.message.contains("no statement"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_reaches_the_owner_and_ends_when_the_entry_is_confirmed() {
    let (ada, bob, service, network) = pair().await;
    let cleo = Site::start("Cleo").await;
    cleo.join(&ada.ticket(network).await).await;
    for site in [&bob, &cleo] {
        site.finds("drop-in", &["Ada drop-in"]).await;
    }
    let due = ada
        .say(|node, org, _| node.due(org, Some(180)))
        .await
        .unwrap();
    assert_eq!((due.services.len(), due.of), (1, 1));
    assert_eq!(due.services[0].assured_date, None);
    let assure = |all: bool, services: &[&str]| Assure {
        services: services.iter().map(|name| (*name).to_owned()).collect(),
        all,
    };
    let request = assure(false, &["ada drop-in"]);
    let edited = ada
        .say(move |node, org, by| node.assure(org, &request, by))
        .await
        .unwrap();
    assert_eq!(edited.changes.changed.len(), 1);
    let due = ada
        .say(|node, org, _| node.due(org, Some(180)))
        .await
        .unwrap();
    assert_eq!(due.services, []);
    for wrong in [
        assure(false, &[]),
        assure(true, &["x"]),
        assure(false, &["x"]),
    ] {
        let error = ada
            .say(move |node, org, by| node.assure(org, &wrong, by))
            .await;
        assert!(error.is_err());
    }

    let report = |wrong: Option<&str>| {
        let request = PostReport {
            service: service.clone(),
            organisation: None,
            wrong: wrong.map(str::to_owned),
        };
        move |node: &Node| {
            let org = node.own_org(None).unwrap();
            node.report(&org, &request, &site::by())
        }
    };
    let own = ada.ask(report(Some("x"))).await.unwrap_err();
    assert!(own.0.message.contains("your own service"), "{own}");
    // The moments of what is said are whole seconds; the report must come after the confirmation.
    ada.until("a second passes", {
        let begun = fingerpost_daemon::node::now_s();
        move |_| (fingerpost_daemon::node::now_s() > begun).then_some(())
    })
    .await;
    bob.ask(report(Some("phone disconnected"))).await.unwrap();
    bob.ask(report(Some("phone disconnected, still")))
        .await
        .unwrap();
    cleo.ask(report(None)).await.unwrap();
    let due = ada
        .until("both arrive", |node| {
            let due = node.due(&node.own_org(None).unwrap(), Some(180)).unwrap();
            let [service] = due.services.as_slice() else {
                return None;
            };
            (service.findings.confirmed == 1).then(|| service.clone())
        })
        .await;
    assert_eq!(due.findings.reports.len(), 1, "one for each who reports");
    assert_eq!(due.findings.reports[0].text, "phone disconnected, still");
    assert_eq!(due.findings.reports[0].organisation.name, "Bob");
    let id = service.clone();
    let entry = cleo
        .until("Cleo sees the report", move |node| {
            let entry = node.entry(&id).unwrap();
            let findings = entry.findings.clone().unwrap();
            (findings.reports.len() == 1 && findings.confirmed == 1).then_some(entry)
        })
        .await;
    assert_eq!(entry.assured_by.as_deref(), Some("Ada"));

    ada.until("a second passes", {
        let begun = fingerpost_daemon::node::now_s();
        move |_| (fingerpost_daemon::node::now_s() > begun).then_some(())
    })
    .await;
    let request = assure(true, &[]);
    ada.say(move |node, org, by| node.assure(org, &request, by))
        .await
        .unwrap();
    let due = ada
        .say(|node, org, _| node.due(org, Some(180)))
        .await
        .unwrap();
    assert_eq!(due.services, []);
    let id = service.clone();
    cleo.until("the report has ended everywhere", move |node| {
        let findings = node.entry(&id).unwrap().findings.unwrap();
        (findings.reports.is_empty() && findings.confirmed == 1).then_some(())
    })
    .await;
}
