//! What a node learns that nobody let in.

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stranger_learns_next_to_nothing() {
    let (site, network) = Site::founder().await;
    let hostile = Hostile::at(&site, 1).await;
    let guesses: Vec<Tag> = noise(5, 16 * 512)
        .chunks(16)
        .map(|tag| Tag(tag.try_into().unwrap()))
        .collect();
    // The network's id, but not as a tag; and the tag of another session.
    let stale = Tag::of(&network, &[[9; 16], [9; 16]]);
    let bare = Tag(network.as_bytes()[..16].try_into().unwrap());
    let mut nonces = std::collections::BTreeSet::new();
    for tags in [guesses, vec![stale, bare], Vec::new()] {
        let mut talk = hostile.talk(&site).await;
        talk.say(&[Frame::Hello {
            version: VERSION,
            nonce: [9; 16],
        }])
        .await;
        let Some(Frame::Hello {
            version: VERSION,
            nonce,
        }) = talk.hear().await
        else {
            panic!("no greeting")
        };
        assert!(nonces.insert(nonce), "a fresh nonce each time");
        talk.say(&[Frame::Networks {
            tags,
            known: Vec::new(),
        }])
        .await;
        assert_eq!(talk.rest().await, [bye(Farewell::NothingInCommon)]);
        let heard = talk.receiver.wire_bytes();
        assert!(heard < 100, "{heard} bytes");
        println!("a stranger got {heard} bytes");
    }
    site.is_well().await;
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stranger_that_knows_the_networks_id_learns_no_more_and_a_member_does() {
    let (site, network) = Site::founder().await;
    let honest = site.gains_a_member("Honest Pools").await;
    let stranger = Hostile::at(&site, 7).await;
    // It holds somebody's card, and speaks gossip about the network's topic.
    stranger.net.subscribe(network);
    let card = Party::on(stranger.key());
    let foreign = Party::on(SecretKey::from_seed(&[99; 32]));
    let foreign = foreign.card(&site.ticket().await);
    let documents = site.status().await.store.documents;
    let mut talk = stranger.introduced(&site, network).await;
    assert_eq!(talk.show(vec![foreign.clone()]).await, []);
    assert_eq!(talk.deliver(Scope::Cards, vec![foreign]).await, []);
    let shard = card.item(LISTING, 1, &listing("Soup"));
    assert_eq!(talk.deliver(Scope::Rest, vec![shard]).await, []);
    assert_eq!(talk.receipt().await, (0, 0));
    assert_eq!(site.status().await.store.documents, documents);
    // A change is announced: the member has it, and the stranger has heard neither that nor a topic.
    site.publishes("aquafit").await;
    honest.until_found("aquafit", &["Gentle aquafit"]).await;
    stranger.throw(&site, &noise(9, 200)).await;
    assert_eq!(stranger.net.subscribers(network).await.unwrap(), 0);
    assert_eq!(stranger.heard(), 0);

    let (member, _) = false_member(&site, network, 8).await;
    member.net.subscribe(network);
    let begun = Instant::now();
    while member.net.subscribers(network).await.unwrap() == 0 {
        assert!(begun.elapsed() < DEADLINE, "a member was told no topic");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    site.publishes("aquajog").await;
    common::until("the member to hear", || member.heard() > 0).await;
    assert_eq!(stranger.heard(), 0);
    let mut talk = member.introduced(&site, network).await;
    let cards = talk.deliver(Scope::Cards, Vec::new()).await;
    assert!(cards.len() >= 2, "{}", cards.len());
    honest.stop().await;
    site.stop().await;
}
