//! Nodes on loopback, with real sockets. Conditions are polled for, with generous deadlines.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::*;
use fingerpost_proto::limits;
use tokio::sync::mpsc;

#[path = "guard_tests.rs"]
mod guard;
#[path = "relay_tests.rs"]
mod relay;

const DEADLINE: Duration = Duration::from_secs(30);

/// A node whose events are collected and whose gossip is judged as the test says.
struct TestNode {
    net: Net,
    seen: Arc<Mutex<Seen>>,
    streams: IncomingStreams,
}

struct Seen {
    verdict: Acceptance,
    gossip: Vec<(NodeId, NetworkId, Vec<u8>)>,
    came: Vec<(NodeId, bool)>,
    went: Vec<NodeId>,
    identified: Vec<(NodeId, Vec<String>)>,
    warnings: Vec<String>,
    failed: Vec<(Option<NodeId>, String)>,
}

fn settings(listen: &[&str]) -> NetworkSettings {
    NetworkSettings {
        listen: listen.iter().map(|text| (*text).to_owned()).collect(),
        mdns: false,
        ..NetworkSettings::default()
    }
}

const TCP: &[&str] = &["/ip4/127.0.0.1/tcp/0"];
const QUIC: &[&str] = &["/ip4/127.0.0.1/udp/0/quic-v1"];

async fn watch(net: Net, mut events: mpsc::Receiver<NetEvent>, seen: Arc<Mutex<Seen>>) {
    while let Some(event) = events.recv().await {
        let mut seen = seen.lock().unwrap();
        match event {
            NetEvent::Gossip {
                message,
                from,
                network,
                bytes,
            } => {
                net.report(message, seen.verdict);
                seen.gossip.push((from, network, bytes));
            }
            NetEvent::Connected { node, outbound, .. } => seen.came.push((node, outbound)),
            NetEvent::Disconnected { node } => seen.went.push(node),
            NetEvent::Identified { node, addresses } => seen.identified.push((node, addresses)),
            NetEvent::Warning(text) => seen.warnings.push(text),
            NetEvent::DialFailed { node, reason } => seen.failed.push((node, reason)),
            NetEvent::Found { .. } | NetEvent::Listening { .. } | NetEvent::AddressesChanged => {}
        }
    }
}

async fn try_node(seed: u8, settings: NetworkSettings) -> Result<TestNode, NetError> {
    let options = NetOptions {
        seed: [seed; 32],
        settings,
        agent: format!("test/{seed}"),
    };
    let (net, events, streams) = start(options).await?;
    let seen = Arc::new(Mutex::new(Seen {
        verdict: Acceptance::Accept,
        gossip: Vec::new(),
        came: Vec::new(),
        went: Vec::new(),
        identified: Vec::new(),
        warnings: Vec::new(),
        failed: Vec::new(),
    }));
    tokio::spawn(watch(net.clone(), events, Arc::clone(&seen)));
    Ok(TestNode { net, seen, streams })
}

async fn node(seed: u8, listen: &[&str]) -> TestNode {
    try_node(seed, settings(listen)).await.unwrap()
}

impl TestNode {
    fn id(&self) -> NodeId {
        self.net.node_id()
    }

    fn seen<T>(&self, look: impl FnOnce(&mut Seen) -> T) -> T {
        look(&mut self.seen.lock().unwrap())
    }

    fn heard(&self, bytes: &[u8]) -> bool {
        self.seen(|seen| seen.gossip.iter().any(|(_, _, heard)| heard == bytes))
    }

    fn call(&self, other: &Self) {
        self.net
            .dial(Some(other.id()), other.net.listen_addresses());
    }
}

async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = std::time::Instant::now();
    while !holds() {
        assert!(begun.elapsed() < DEADLINE, "in vain: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Connects two nodes that trust each other, as members' do.
async fn connect(a: &TestNode, b: &TestNode) {
    meet(a, b).await;
    for node in [a, b] {
        node.net
            .set_trusted(node.net.connected().into_iter().collect());
    }
}

/// Connects two nodes, and no more.
async fn meet(a: &TestNode, b: &TestNode) {
    a.call(b);
    until("a connection", || {
        a.net.is_connected(&b.id()) && b.net.is_connected(&a.id())
    })
    .await;
}

/// Waits until a node knows so many subscribers of a network: that takes a moment.
async fn known(net: &Net, network: NetworkId, subscribers: usize) {
    let begun = std::time::Instant::now();
    while net.subscribers(network).await.unwrap() != subscribers {
        assert!(
            begun.elapsed() < DEADLINE,
            "never {subscribers} subscribers"
        );
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn publish(from: &TestNode, network: NetworkId, bytes: &[u8], listeners: usize) {
    known(&from.net, network, listeners).await;
    let reached = from.net.publish(network, bytes.to_vec()).await;
    assert_eq!(reached.unwrap(), listeners);
}

fn network(n: u8) -> NetworkId {
    NetworkId::from_bytes([n; 32])
}

async fn exchange(a: &TestNode, b: &mut TestNode) {
    let stream = a.net.open_stream(b.id()).await.unwrap();
    let (mut ask, mut hear) = frames(stream);
    ask.send(b"question").await.unwrap();
    ask.flush().await.unwrap();
    let (from, stream) = tokio::time::timeout(DEADLINE, b.streams.next())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(from, a.id());
    let (mut answer, mut listen) = frames(stream);
    assert_eq!(listen.receive().await.unwrap().unwrap(), b"question");
    // More than the flow control of either transport lets through unread.
    let large = vec![7; limits::FRAME_MAX_BYTES];
    let send = async {
        for _ in 0..12 {
            answer.send(&large).await?;
        }
        answer.finish().await
    };
    let receive = async {
        let mut frames = 0;
        while let Some(frame) = hear.receive().await? {
            assert_eq!(frame, large);
            frames += 1;
        }
        Ok(frames)
    };
    assert_eq!(tokio::try_join!(send, receive).unwrap().1, 12);
    ask.finish().await.unwrap();
    assert_eq!(listen.receive().await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_meet_and_talk_over_tcp_and_quic() {
    for (transport, listen) in [("tcp", TCP), ("quic-v1", QUIC)] {
        let (mut a, mut b) = (node(1, listen).await, node(2, listen).await);
        assert!(
            !a.net.listen_addresses().is_empty(),
            "known when the start returns"
        );
        connect(&a, &b).await;
        until("who called whom", || {
            a.seen(|seen| seen.came == [(b.id(), true)])
                && b.seen(|seen| seen.came == [(a.id(), false)])
        })
        .await;
        until("who they are", || {
            a.seen(|seen| seen.identified == [(b.id(), Vec::new())])
        })
        .await;
        let peer = a.net.peers().pop().unwrap();
        assert_eq!(
            (peer.node, peer.outbound, peer.connections),
            (b.id(), true, 1)
        );
        assert!(peer.address.contains(transport), "{}", peer.address);
        assert_eq!(peer.agent.as_deref(), Some("test/2"));
        exchange(&a, &mut b).await;
        exchange(&b, &mut a).await;
        a.net.disconnect(b.id());
        until("the end of it", || {
            b.seen(|seen| seen.went == [a.id()]) && a.net.connected().is_empty()
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_needs_a_connection() {
    let (a, b) = (node(1, TCP).await, node(2, TCP).await);
    let outcome = a.net.open_stream(b.id()).await;
    assert!(matches!(
        outcome,
        Err(NetError::Open(OpenError::NotConnected))
    ));
    let nobody = NodeId::from_bytes([2; 32]);
    assert!(matches!(
        a.net.open_stream(nobody).await,
        Err(NetError::Open(_))
    ));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_that_nobody_takes_are_reset_and_the_rest_work() {
    let (a, mut b) = (node(1, TCP).await, node(2, TCP).await);
    connect(&a, &b).await;
    let mut kept = Vec::new();
    for _ in 0..40 {
        let stream = a.net.open_stream(b.id()).await.unwrap();
        let (mut sender, receiver) = frames(stream);
        if sender.send(b"x").await.is_ok() && sender.flush().await.is_ok() {
            kept.push((sender, receiver));
        }
    }
    let mut taken = 0;
    while let Ok(Some(_)) = tokio::time::timeout(Duration::from_millis(500), b.streams.next()).await
    {
        taken += 1;
    }
    assert!((1..=16).contains(&taken), "{taken} waited");
    exchange(&a, &mut b).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn good_gossip_travels_on_and_other_gossip_does_not() {
    // a – b – c: what c hears of a has come through b.
    let (a, b, c) = (node(1, TCP).await, node(2, TCP).await, node(3, QUIC).await);
    for node in [&a, &b, &c] {
        node.net.subscribe(network(1));
    }
    connect(&a, &b).await;
    connect(&b, &c).await;
    publish(&b, network(1), b"first", 2).await;
    until("both neighbours", || a.heard(b"first") && c.heard(b"first")).await;

    publish(&a, network(1), b"good", 1).await;
    until("the far node", || c.heard(b"good")).await;
    assert_eq!(
        c.seen(|seen| seen.gossip.last().cloned()),
        Some((b.id(), network(1), b"good".to_vec()))
    );
    assert_eq!(
        a.net.publish(network(1), b"good".to_vec()).await.unwrap(),
        0,
        "sent before"
    );

    for (verdict, bytes) in [
        (Acceptance::Ignore, b"stale"),
        (Acceptance::Reject, b"wrong"),
    ] {
        b.seen(|seen| seen.verdict = verdict);
        publish(&a, network(1), bytes, 1).await;
        until("the near node", || b.heard(bytes)).await;
    }
    b.seen(|seen| seen.verdict = Acceptance::Accept);
    publish(&a, network(1), b"last", 1).await;
    until("the far node again", || c.heard(b"last")).await;
    assert!(
        !c.heard(b"stale") && !c.heard(b"wrong"),
        "it came before the last, had it come"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_sends_what_is_wrong_is_not_listened_to_for_a_while() {
    let (a, b, c) = (node(1, TCP).await, node(2, TCP).await, node(3, TCP).await);
    for node in [&a, &b, &c] {
        node.net.subscribe(network(1));
    }
    connect(&a, &b).await;
    connect(&c, &b).await;
    b.seen(|seen| seen.verdict = Acceptance::Ignore);
    for n in 0..6 {
        publish(&a, network(1), &[n], 1).await;
        until("a stale message", || b.heard(&[n])).await;
    }
    b.seen(|seen| seen.verdict = Acceptance::Reject);
    for wrong in [b"wrong 1", b"wrong 2", b"wrong 3"] {
        publish(&a, network(1), wrong, 1).await;
        until("a wrong message", || b.heard(wrong)).await;
    }
    publish(&a, network(1), b"more", 1).await;
    publish(&c, network(1), b"another's", 1).await;
    until("who did nothing wrong", || b.heard(b"another's")).await;
    assert!(!b.heard(b"more"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn gossip_stays_in_its_network_and_within_its_size() {
    let (a, b) = (node(1, TCP).await, node(2, TCP).await);
    a.net.subscribe(network(1));
    a.net.subscribe(network(2));
    b.net.subscribe(network(2));
    connect(&a, &b).await;
    let largest = vec![5; limits::GOSSIP_MAX_BYTES];
    publish(&a, network(2), &largest, 1).await;
    until("the largest message", || b.heard(&largest)).await;
    let outcome = a
        .net
        .publish(network(2), vec![5; limits::GOSSIP_MAX_BYTES + 1])
        .await;
    assert!(matches!(outcome, Err(NetError::TooLarge { .. })));
    assert_eq!(
        a.net
            .publish(network(1), b"to nobody".to_vec())
            .await
            .unwrap(),
        0
    );
    b.net.unsubscribe(network(2));
    known(&a.net, network(2), 0).await;
    assert_eq!(
        a.net
            .publish(network(2), b"too late".to_vec())
            .await
            .unwrap(),
        0
    );
    assert!(!b.heard(b"to nobody"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_takes_no_events_is_no_stop_for_others() {
    let options = NetOptions {
        seed: [1; 32],
        settings: settings(TCP),
        agent: "deaf".to_owned(),
    };
    let (deaf, events, _streams) = start(options).await.unwrap();
    let b = node(2, TCP).await;
    deaf.subscribe(network(1));
    b.net.subscribe(network(1));
    b.net.dial(Some(deaf.node_id()), deaf.listen_addresses());
    let trust = async || {
        until("a connection", || {
            deaf.is_connected(&b.id()) && b.net.is_connected(&deaf.node_id())
        })
        .await;
        deaf.set_trusted([b.id()].into());
        b.net.set_trusted([deaf.node_id()].into());
    };
    trust().await;
    publish(&b, network(1), b"0", 1).await;
    // More than the channel and the messages that may wait, several times over.
    for n in 1..1500_u32 {
        match b.net.publish(network(1), n.to_be_bytes().to_vec()).await {
            Ok(_) | Err(NetError::NotSent(_)) => {}
            Err(error) => panic!("{error}"),
        }
    }
    for _ in 0..20 {
        b.net.disconnect(deaf.node_id());
        until("gone", || deaf.connected().is_empty()).await;
        b.net.dial(Some(deaf.node_id()), deaf.listen_addresses());
        until("back", || deaf.is_connected(&b.id())).await;
    }
    trust().await;
    // Its handle still does what it is told.
    known(&deaf, network(1), 1).await;
    assert_eq!(
        deaf.publish(network(1), b"still here".to_vec())
            .await
            .unwrap_or(0),
        1
    );
    until("news of it", || b.heard(b"still here")).await;
    drop(events);
    tokio::time::timeout(DEADLINE, deaf.shutdown())
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_taken_port_is_replaced_and_said() {
    for listen in [TCP, QUIC] {
        let a = node(1, listen).await;
        let taken = a.net.listen_addresses().pop().unwrap();
        let b = node(2, &[&taken]).await;
        let got = b.net.listen_addresses().pop().unwrap();
        assert_ne!(got, taken);
        until("a warning", || {
            b.seen(|seen| seen.warnings.iter().any(|text| text.contains(&taken)))
        })
        .await;
        connect(&a, &b).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_address_that_cannot_be_had_is_a_warning_and_all_are_an_error() {
    // 198.51.100.0/24 is for documentation: no machine should have it.
    let elsewhere = "/ip4/198.51.100.77/tcp/7787";
    let a = node(1, &[elsewhere, TCP[0]]).await;
    until("a warning", || {
        a.seen(|seen| seen.warnings.iter().any(|text| text.contains(elsewhere)))
    })
    .await;
    assert_eq!(a.net.listen_addresses().len(), 1);
    let outcome = try_node(2, settings(&[elsewhere])).await;
    assert!(matches!(outcome, Err(NetError::Listen(reason)) if reason.contains(elsewhere)));
    let outcome = try_node(2, settings(&["127.0.0.1:7787"])).await;
    assert!(matches!(outcome, Err(NetError::Address { .. })));
    let caller = node(3, &[]).await;
    assert!(caller.net.listen_addresses().is_empty());
    connect(&caller, &a).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wanted_node_is_called_again_when_it_comes_back() {
    let a = node(1, TCP).await;
    let b = node(2, TCP).await;
    let address = b.net.listen_addresses().pop().unwrap();
    let id = b.id();
    // An address where nobody answers first, and the right one learnt later.
    a.net.set_wanted(vec![(
        id,
        vec!["/ip4/127.0.0.1/tcp/1".to_owned(), "nonsense".to_owned()],
    )]);
    until("a failed call", || {
        a.seen(|seen| seen.failed.iter().any(|(node, _)| *node == Some(id)))
    })
    .await;
    a.net.add_address(id, &address).unwrap();
    until("a connection", || a.net.is_connected(&id)).await;
    b.net.shutdown().await;
    assert!(b.net.connected().is_empty());
    assert!(matches!(
        b.net.open_stream(a.id()).await,
        Err(NetError::Closed)
    ));
    until("the news", || a.seen(|seen| seen.went.contains(&id))).await;
    // The old socket may linger for a moment; the node must come back at the same address.
    let begun = std::time::Instant::now();
    let again = loop {
        let again = node(2, &[&address]).await;
        if again.net.listen_addresses() == [address.clone()] {
            break again;
        }
        again.net.shutdown().await;
        assert!(begun.elapsed() < DEADLINE, "the port never became free");
    };
    until("the second connection", || {
        a.net.is_connected(&id) && !again.net.connected().is_empty()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_to_wanted_nodes_stay_and_others_end_when_unused() {
    let brief = || NetworkSettings {
        idle_timeout_s: 1,
        ..settings(TCP)
    };
    let [a, b, c] = [1, 2, 3].map(|seed| async move { try_node(seed, brief()).await.unwrap() });
    let (a, b, c) = tokio::join!(a, b, c);
    for (node, other) in [(&a, &b), (&b, &a)] {
        node.net
            .set_wanted(vec![(other.id(), other.net.listen_addresses())]);
    }
    connect(&a, &c).await;
    until("the wanted one", || a.net.is_connected(&b.id())).await;
    until("the end of the other", || !a.net.is_connected(&c.id())).await;
    assert!(a.net.is_connected(&b.id()));
    assert!(a.seen(|seen| !seen.went.contains(&b.id())), "it never went");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connection_limits_hold() {
    let few = NetworkSettings {
        max_connections: 8,
        ..settings(TCP)
    };
    let a = try_node(1, few).await.unwrap();
    let mut others = Vec::new();
    for seed in 2..12 {
        others.push(node(seed, TCP).await);
    }
    for other in &others {
        other.call(&a);
    }
    until("all to have their answer", || {
        others
            .iter()
            .all(|other| other.seen(|seen| !seen.came.is_empty() || !seen.failed.is_empty()))
    })
    .await;
    // Whom it takes first and refuses then has seen a connection; none of these is left in the end.
    until("the refused to know it", || {
        others
            .iter()
            .filter(|other| other.net.is_connected(&a.id()))
            .count()
            == a.net.connected().len()
    })
    .await;
    assert_eq!(
        a.net.connected().len(),
        6,
        "three quarters of eight are for others"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_that_come_to_nothing_are_told() {
    let a = node(1, TCP).await;
    let b = node(2, TCP).await;
    let c = node(3, TCP).await;
    let failed = |of: Option<NodeId>, part: &'static str| {
        let seen = Arc::clone(&a.seen);
        move || {
            let seen = seen.lock().unwrap();
            seen.failed
                .iter()
                .any(|(node, reason)| *node == of && reason.contains(part))
        }
    };
    a.net.dial(Some(b.id()), c.net.listen_addresses());
    until("another node answers", failed(Some(b.id()), "another node")).await;
    a.net.dial(Some(b.id()), vec!["nonsense".to_owned()]);
    until("no address", failed(Some(b.id()), "no address")).await;
    a.net.dial(None, vec!["/ip4/127.0.0.1/tcp/1".to_owned()]);
    until("nobody answers", failed(None, "/ip4/127.0.0.1/tcp/1")).await;
    a.net.dial(Some(a.id()), c.net.listen_addresses());
    until("it is us", failed(Some(a.id()), "this node")).await;
    assert!(!a.net.is_connected(&b.id()));
    a.net.dial(None, c.net.listen_addresses());
    until("whoever answers", || a.net.is_connected(&c.id())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_network_ends_with_its_last_handle() {
    let a = node(1, TCP).await;
    let options = NetOptions {
        seed: [2; 32],
        settings: settings(TCP),
        agent: String::new(),
    };
    let (net, mut events, mut streams) = start(options).await.unwrap();
    net.dial(Some(a.id()), a.net.listen_addresses());
    until("a connection", || a.net.is_connected(&net.node_id())).await;
    drop(net);
    until("its end", || a.net.connected().is_empty()).await;
    let end = async {
        while events.recv().await.is_some() {}
        streams.next().await.is_none()
    };
    assert!(tokio::time::timeout(DEADLINE, end).await.unwrap());
}
