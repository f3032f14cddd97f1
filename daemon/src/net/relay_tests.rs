//! Places at relays, on loopback: the relay is told its own address by its settings.

use super::*;

/// A port of this machine that nobody has.
fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

async fn relay(seed: u8) -> TestNode {
    let address = format!("/ip4/127.0.0.1/tcp/{}", free_port());
    let settings = NetworkSettings {
        external: vec![address.clone()],
        relay: true,
        ..settings(&[&address])
    };
    try_node(seed, settings).await.unwrap()
}

fn trust(one: &TestNode, others: &[&TestNode]) {
    one.net
        .set_trusted(others.iter().map(|it| it.id()).collect());
}

fn path(from: &TestNode, to: &TestNode) -> Option<Path> {
    let mut peers = from.net.peers().into_iter();
    peers.find(|it| it.node == to.id()).map(|it| it.path)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_is_called_at_its_relay_and_a_stranger_gets_no_place() {
    let (relay, member, stranger) = (relay(1).await, node(2, TCP).await, node(3, TCP).await);
    assert!(relay.net.can_be_called() && relay.net.relaying().offered);
    for it in [&member, &stranger] {
        it.call(&relay);
        until("a connection with the relay", || {
            it.net.is_connected(&relay.id())
        })
        .await;
        trust(it, &[&relay]);
    }
    until("the relay knows the member", || {
        relay.net.is_connected(&member.id())
    })
    .await;
    trust(&relay, &[&member]);
    until("a place at the relay", || {
        !member.net.relayed_addresses().is_empty()
    })
    .await;
    until("the stranger is refused", || {
        relay.net.dropped(Dropped::Reservation) > 0
    })
    .await;
    assert_eq!(relay.net.relaying().places, 1);
    assert!(stranger.net.relayed_addresses().is_empty());

    let (at, address) = member.net.relayed_addresses().remove(0);
    assert_eq!(at, relay.id());
    assert!(address.ends_with("/p2p-circuit"), "{address}");
    let caller = node(4, TCP).await;
    caller.net.dial(Some(member.id()), vec![address]);
    until("a connection through the relay", || {
        path(&caller, &member).is_some()
    })
    .await;
    assert_eq!(relay.net.relaying().circuits_begun, 1);
    // The direct way may take over in the middle of a measurement, which then fails.
    let mut took = caller.net.ping(member.id(), 3).await;
    for _ in 0..100 {
        if took.is_ok() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
        took = caller.net.ping(member.id(), 3).await;
    }
    assert_eq!(took.unwrap().len(), 3);
    // Nothing is between the two: they find the direct way, and what goes over the relay ends.
    until("the direct way", || {
        path(&caller, &member) == Some(Path::Tcp)
    })
    .await;
    until("nothing passes the relay", || {
        relay.net.relaying().circuits == 0
    })
    .await;
    assert!(
        path(&caller, &member) == Some(Path::Tcp),
        "it is still there"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_place_that_is_lost_is_replaced_at_another_relay() {
    let (first, second, member) = (relay(1).await, relay(2).await, node(3, TCP).await);
    member.call(&first);
    until("a connection with the first", || {
        first.net.is_connected(&member.id()) && member.net.is_connected(&first.id())
    })
    .await;
    trust(&first, &[&member]);
    trust(&member, &[&first]);
    let is_at = |relay: &TestNode| {
        let places = member.net.relayed_addresses();
        places.iter().any(|(at, _)| *at == relay.id())
    };
    until("a place at the first", || is_at(&first)).await;
    member.call(&second);
    until("a connection with the second", || {
        second.net.is_connected(&member.id()) && member.net.is_connected(&second.id())
    })
    .await;
    trust(&second, &[&member]);
    trust(&member, &[&first, &second]);
    first.net.shutdown().await;
    until("a place at the second", || is_at(&second) && !is_at(&first)).await;
}
