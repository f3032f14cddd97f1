//! Joining by a ticket while its maker is off, and when the machine is stopped in the middle of it.

use std::time::Instant;

use fingerpost_daemon::net::frames;
use fingerpost_daemon::node::{By, now_s};
use fingerpost_proto::api::UseTicket;
use fingerpost_proto::charter::{Charter, FORMAT};
use fingerpost_proto::sync::{Frame, VERSION};
use fingerpost_proto::ticket::Ticket;

use crate::common::{DEADLINE, Hostile, Party, Site, WORD, soon, until};
use fingerpost_proto::keys::SecretKey;

fn by() -> By {
    By::user("test").unwrap()
}

/// A ticket of a site that names another's address.
async fn ticket_with_address_of(site: &Site, other: &Site) -> String {
    let wanted = other.node().net().listen_addresses();
    let begun = Instant::now();
    loop {
        let text = site.ticket().await;
        let ticket = Ticket::parse(&text).unwrap();
        if ticket.addresses.iter().any(|it| wanted.contains(it)) {
            let own = site.node().net().listen_addresses();
            assert!(own.contains(&ticket.addresses[0]), "its own first");
            return text;
        }
        assert!(begun.elapsed() < DEADLINE, "{:?}", ticket.addresses);
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ticket_works_while_its_maker_is_off() {
    let (site, network) = Site::founder().await;
    let member = site.gains_a_member("Honest Pools").await;
    let ticket = ticket_with_address_of(&site, &member).await;
    site.stop().await;
    let newcomer = Site::start("Late Lanes").await;
    let request = UseTicket {
        ticket: ticket.clone(),
        accept_charter: false,
        charter: None,
    };
    let charter = soon("the charter", newcomer.node().preview(&request)).await;
    assert_eq!(charter.unwrap().charter, "We take care.");
    let join = newcomer.node().join(newcomer.org, &ticket, true, by());
    let info = soon("joining", join).await.unwrap();
    assert_eq!(info.id, network);
    // The maker's listing, from the one who is there.
    newcomer
        .until_found(WORD, &[&format!("Gentle {WORD}")])
        .await;
    until("the member to know the newcomer", || {
        let members = tokio::task::block_in_place(|| member.node().members(None).unwrap());
        members.members.iter().any(|it| it.org.name == "Late Lanes")
    })
    .await;
    newcomer.stop().await;
    member.stop().await;
}

/// Hands out a charter to whoever asks for it, and hangs up on everybody else.
async fn hand_out(mut hostile: Hostile, charter: Charter) {
    while let Some((_, stream)) = hostile.streams.next().await {
        let (mut sender, mut receiver) = frames(stream);
        while let Ok(Some(bytes)) = receiver.receive().await {
            let answer = match Frame::parse(&bytes).unwrap() {
                Frame::Hello { .. } => Frame::Hello {
                    version: VERSION,
                    nonce: [2; 16],
                },
                Frame::Networks { tags, .. } => Frame::Networks {
                    tags,
                    known: Vec::new(),
                },
                Frame::WantCharter { .. } => Frame::Charter {
                    charter: charter.to_bytes(),
                    in_force: None,
                    chain: Vec::new(),
                },
                _ => break,
            };
            sender.send(&answer.to_bytes()).await.unwrap();
            sender.flush().await.unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_is_stopped_before_its_first_exchange_still_finds_the_network() {
    // The one whose address the ticket names hands out the charter, and is then of no use.
    let elsewhere = Site::start("Elsewhere").await;
    let contact = Hostile::at(&elsewhere, 5).await;
    elsewhere.stop().await;
    let founder = Party::on(SecretKey::from_seed(&[44; 32]));
    let charter = Charter {
        format: FORMAT,
        name: "Brixton".into(),
        text: "We take care.".into(),
        vouches_needed: 1,
        anchors: vec![founder.org()],
        founded_at_s: now_s(),
        nonce: [1; 16],
    };
    let ticket = Ticket::issue(
        charter.network(),
        founder.delegation.clone(),
        &founder.node,
        SecretKey::from_seed(&[45; 32]),
        now_s(),
        now_s() + 3_600,
        contact.net.listen_addresses(),
    );
    let ticket = ticket.to_text();
    let net = contact.net.clone();
    tokio::spawn(hand_out(contact, charter));

    let newcomer = Site::start("Late Lanes").await;
    let join = newcomer.node().join(newcomer.org, &ticket, true, by());
    soon("joining", join).await.unwrap();
    let id = newcomer.node().id();
    let newcomer = newcomer.restart().await;
    assert_eq!(newcomer.node().id(), id);
    assert_eq!(newcomer.status().await.networks.len(), 1);
    until("the restarted node to call", || net.is_connected(&id)).await;
    // And again, when the connection is lost before anything came of it.
    net.disconnect(id);
    until("the end of it", || !net.is_connected(&id)).await;
    until("another call", || net.is_connected(&id)).await;
    newcomer.stop().await;
}
