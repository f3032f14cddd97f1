//! Gossip and identify with nodes that are not trusted.

use std::collections::BTreeSet;

use super::*;

fn trust(node: &TestNode, others: &[&TestNode]) {
    let others: BTreeSet<NodeId> = others.iter().map(|other| other.id()).collect();
    node.net.set_trusted(others);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stranger_sees_no_topic_and_no_message_until_it_is_trusted() {
    for listen in [TCP, QUIC] {
        let (a, member, stranger) = (
            node(1, listen).await,
            node(2, TCP).await,
            node(3, TCP).await,
        );
        let (member, stranger) = match listen == TCP {
            true => (member, stranger),
            false => (node(4, QUIC).await, node(5, QUIC).await),
        };
        // It knows the network's id, and would like to hear everything.
        for node in [&a, &member, &stranger] {
            node.net.subscribe(network(1));
        }
        connect(&member, &a).await;
        meet(&stranger, &a).await;
        trust(&stranger, &[&a]);
        trust(&a, &[&member]);
        until("who it is", || {
            stranger.seen(|seen| seen.identified == [(a.id(), Vec::new())])
        })
        .await;
        // A network that is joined later is told to those alone who are trusted, too.
        a.net.subscribe(network(2));
        member.net.subscribe(network(2));
        for number in [1, 2] {
            publish(&a, network(number), b"for members", 1).await;
            let heard = || member.seen(|seen| seen.gossip.iter().any(|it| it.1 == network(number)));
            until("the member to hear", heard).await;
        }
        // What the stranger says goes nowhere: it knows nobody who would listen, and is not listened to.
        assert_eq!(
            stranger
                .net
                .publish(network(1), b"spam".to_vec())
                .await
                .unwrap(),
            0
        );
        exchange_nothing(&stranger, &a).await;
        for number in [1, 2] {
            assert_eq!(stranger.net.subscribers(network(number)).await.unwrap(), 0);
        }
        assert!(!stranger.heard(b"for members"));
        assert_eq!(a.net.subscribers(network(1)).await.unwrap(), 1);

        // Now it is a member. All that both had to say before comes through, on the same connection.
        trust(&a, &[&member, &stranger]);
        known(&a.net, network(1), 2).await;
        known(&stranger.net, network(1), 1).await;
        publish(&a, network(1), b"for all members", 2).await;
        until("the newcomer to hear", || {
            stranger.heard(b"for all members")
        })
        .await;
        publish(&stranger, network(1), b"thank you", 1).await;
        until("the answer", || {
            a.heard(b"thank you") && member.heard(b"thank you")
        })
        .await;
        assert_eq!(stranger.seen(|seen| seen.came.len()), 1, "connected once");
        assert_eq!(stranger.seen(|seen| seen.went.len()), 0);
    }
}

/// A stream of the sync protocol, there and back: whatever was under way on the connection before has had
/// its time.
async fn exchange_nothing(from: &TestNode, to: &TestNode) {
    let stream = from.net.open_stream(to.id()).await.unwrap();
    let (mut sender, _) = frames(stream);
    sender.send(b"hello").await.unwrap();
    sender.finish().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_loses_trust_hears_no_more_and_is_let_go() {
    let brief = || NetworkSettings {
        idle_timeout_s: 1,
        ..settings(TCP)
    };
    let a = try_node(1, brief()).await.unwrap();
    let (gone, stays) = (node(2, TCP).await, node(3, TCP).await);
    for node in [&a, &gone, &stays] {
        node.net.subscribe(network(1));
        node.net.set_wanted(vec![]);
    }
    a.net
        .set_wanted(vec![(stays.id(), stays.net.listen_addresses())]);
    connect(&gone, &a).await;
    connect(&stays, &a).await;
    publish(&a, network(1), b"to both", 2).await;
    until("both to hear", || {
        gone.heard(b"to both") && stays.heard(b"to both")
    })
    .await;
    trust(&a, &[&stays]);
    publish(&a, network(1), b"to one", 1).await;
    until("one to hear", || stays.heard(b"to one")).await;
    until("the other to be let go", || !a.net.is_connected(&gone.id())).await;
    assert!(a.net.is_connected(&stays.id()));
    assert!(!gone.heard(b"to one"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_connected_nodes_are_trusted_and_whoever_returns_is_judged_anew() {
    let (a, b) = (node(1, TCP).await, node(2, TCP).await);
    for node in [&a, &b] {
        node.net.subscribe(network(1));
    }
    // Named before it is there: forgotten.
    trust(&a, &[&b]);
    meet(&b, &a).await;
    trust(&b, &[&a]);
    exchange_nothing(&b, &a).await;
    assert_eq!(b.net.subscribers(network(1)).await.unwrap(), 0);
    connect(&a, &b).await;
    known(&b.net, network(1), 1).await;
    b.net.disconnect(a.id());
    until("the end", || !a.net.is_connected(&b.id())).await;
    meet(&b, &a).await;
    trust(&b, &[&a]);
    exchange_nothing(&b, &a).await;
    assert_eq!(b.net.subscribers(network(1)).await.unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn external_addresses_are_told_to_others() {
    let outside = "/dns/node.example.org/tcp/7787".to_owned();
    let mut with = settings(TCP);
    with.external = vec![outside.clone()];
    let (a, b) = (try_node(1, with).await.unwrap(), node(2, TCP).await);
    assert_eq!(a.net.external_addresses(), std::slice::from_ref(&outside));
    connect(&a, &b).await;
    until("the address", || {
        b.seen(|seen| {
            seen.identified
                .iter()
                .any(|(id, at)| *id == a.id() && at.contains(&outside))
        })
    })
    .await;
}
