//! A peer that means no good, against a real node on loopback: it goes on, it counts what it refuses, and
//! its memory stays within bounds. Each test prints what it saw (`cargo test … -- --nocapture`).

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;
#[path = "hostile/items.rs"]
mod items;
#[path = "hostile/joining.rs"]
mod joining;
#[path = "hostile/strangers.rs"]
mod strangers;

use std::io::{Read, Write};
use std::time::{Duration, Instant};

use common::{
    DEADLINE, Hostile, Party, Site, alone, compressed, false_member, listing, measured, soon,
    within_bounds,
};
use fingerpost_daemon::net::{CodecError, Stream};
use fingerpost_daemon::node::Patience;
use fingerpost_proto::ids::DocName;
use fingerpost_proto::keys::SecretKey;
use fingerpost_proto::limits;
use fingerpost_proto::record::Hash;
use fingerpost_proto::replica::Item;
use fingerpost_proto::sync::{Farewell, Frame, SaltedId, Scope, Tag, VERSION};
use futures::io::{AsyncReadExt, AsyncWriteExt};

const LISTING: DocName = DocName::Listing(0);

fn bye(farewell: Farewell) -> Frame {
    Frame::Bye { farewell }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_measures_memory_sees_it() {
    if !alone("what_measures_memory_sees_it").await {
        return;
    }
    let (_, rise) = measured(async { std::hint::black_box(vec![1_u8; 100 << 20]).len() }).await;
    assert!((99 << 10..120 << 10).contains(&rise), "{rise} KiB");
    let (_, rise) = measured(async {}).await;
    assert!(rise < 1 << 10, "{rise} KiB, long after");
}

/// Bytes without any order, the same in every run.
fn noise(seed: u8, length: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(length + 32);
    let mut hash = Hash::of(&[seed]);
    while bytes.len() < length {
        bytes.extend_from_slice(&hash.0);
        hash = Hash::of(&hash.0);
    }
    bytes.truncate(length);
    bytes
}

/// `times` copies of a megabyte as one zstd stream, in the window that the protocol allows or a larger one.
fn packed(megabyte: &[u8], times: usize, window_log: u32) -> Vec<u8> {
    let mut encoder = zstd::stream::Encoder::new(Vec::new(), 3).unwrap();
    encoder.window_log(window_log).unwrap();
    for _ in 0..times {
        encoder.write_all(megabyte).unwrap();
    }
    encoder.finish().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nonsense_on_a_stream() {
    let (site, _) = Site::founder().await;
    let hostile = Hostile::at(&site, 1).await;
    let hello = Frame::Hello {
        version: VERSION,
        nonce: [1; 16],
    }
    .to_bytes();
    let other_version = Frame::Hello {
        version: VERSION + 1,
        nonce: [1; 16],
    }
    .to_bytes();
    let thrown = [
        noise(1, 4_000),
        b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n".to_vec(),
        vec![0; 100_000],
        compressed(&[&noise(2, 300)]),
        compressed(&[&hello, &noise(3, 300)]),
        compressed(&[&other_version]),
        // A whole stream, and something behind its end.
        [compressed(&[&hello]), noise(4, 50)].concat(),
    ];
    for (number, bytes) in thrown.iter().enumerate() {
        hostile.throw(&site, bytes).await;
        site.until_refused("session", number as u64 + 1).await;
    }
    site.is_well().await;
    println!(
        "nonsense: {} streams refused",
        site.refused("session").await
    );
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_length_over_the_limit() {
    if !alone("a_length_over_the_limit").await {
        return;
    }
    let (site, _) = Site::founder().await;
    let hostile = Hostile::at(&site, 1).await;
    let just_over = u32::try_from(limits::FRAME_MAX_BYTES + 1).unwrap();
    within_bounds("oversize lengths", async {
        for length in [u32::MAX, just_over] {
            let plain = [&length.to_be_bytes()[..], &[0; 64]].concat();
            hostile
                .throw(&site, &zstd::bulk::compress(&plain, 3).unwrap())
                .await;
        }
        site.until_refused("session", 2).await;
    })
    .await;
    site.is_well().await;
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_expands_to_gigabytes() {
    if !alone("a_stream_that_expands_to_gigabytes").await {
        return;
    }
    let (site, network) = Site::founder().await;
    let zeros = vec![0; 1 << 20];
    let bomb = packed(&zeros, 4096, 20);
    let wide = packed(&zeros, 256, 27);
    println!("four gigabytes of zeros are {} bytes", bomb.len());
    let hostile = Hostile::at(&site, 1).await;
    within_bounds("zeros", async {
        hostile.throw(&site, &bomb).await;
        // This one asks for a window of 128 MiB.
        hostile.throw(&site, &wide).await;
        site.until_refused("session", 2).await;
    })
    .await;

    // The same from a member, dressed up: frames that are whole, of items that are not.
    let (member, _) = false_member(&site, network, 2).await;
    let item = |bytes: usize| Item::Record {
        record: vec![0; bytes],
        delegation: None,
        state: None,
    };
    let large = Frame::Items {
        items: vec![item(limits::FRAME_MAX_BYTES - 64)],
    };
    let many = Frame::Items {
        items: vec![item(0); limits::FRAME_MAX_BYTES / 4 - 8],
    };
    // A frame of more items than a frame may hold ends the session before any of them is looked at.
    for (what, reason, frame, times, expected) in [
        ("large items", "record_too_large", large, 256, 256),
        ("tiny items", "session", many, 4, 1),
    ] {
        let bytes = frame.to_bytes();
        assert!(
            bytes.len() > limits::FRAME_MAX_BYTES - 100 && bytes.len() <= limits::FRAME_MAX_BYTES
        );
        let mut talk = member.introduced(&site, network).await;
        let before = site.refused(reason).await;
        drop(frame);
        within_bounds(what, async {
            let open = Frame::Open {
                scope: Scope::Cards,
                count: 1_000_000,
                message: Vec::new(),
            };
            talk.say(&[open]).await;
            for _ in 0..times {
                let _ = talk.sender.send(&bytes).await;
            }
            let _ = talk.sender.flush().await;
            site.until_refused(reason, before + expected).await;
        })
        .await;
        site.is_well().await;
    }
    site.gains_a_member("Honest Pools").await.stop().await;
    site.stop().await;
}

/// Sends a byte now and then until the node has hung up.
async fn drip(
    hostile: &Hostile,
    site: &Site,
    at_once: &[u8],
    then: &[u8],
    pause: Duration,
) -> Duration {
    // Before the node begins to count.
    let begun = Instant::now();
    let (mut read, mut write) = hostile.stream(site).await.split();
    write.write_all(at_once).await.unwrap();
    write.flush().await.unwrap();
    let dripping = async {
        for byte in then {
            if write.write_all(&[*byte]).await.is_err() || write.flush().await.is_err() {
                return;
            }
            tokio::time::sleep(pause).await;
        }
        panic!("the node took it all");
    };
    let mut heard = Vec::new();
    tokio::select! {
        () = soon("the node to hang up", dripping) => {}
        _ = read.read_to_end(&mut heard) => {}
    }
    begun.elapsed()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_stalls() {
    let (site, network) = Site::founder().await;
    let patience = Patience {
        idle: Duration::from_millis(700),
        whole: Duration::from_secs(3),
    };
    assert_eq!(
        Patience::default().idle,
        Duration::from_millis(limits::SESSION_IDLE_MS)
    );
    site.node().set_patience(patience);
    let most = site.node().settings().sync.max_inbound_sessions as usize;
    let hostiles = [Hostile::at(&site, 1).await, Hostile::at(&site, 2).await];
    let half = compressed(&[&noise(1, 300)]);
    let (half, _) = half.split_at(40);

    // Every place is taken by somebody who says nothing, or half of something.
    let begun = Instant::now();
    let mut held = Vec::new();
    for number in 0..most {
        let mut stream = hostiles[number % 2].stream(&site).await;
        let bytes = if number < 2 { &half[..0] } else { half };
        stream.write_all(bytes).await.unwrap();
        stream.flush().await.unwrap();
        held.push(stream);
    }
    for stream in &mut held {
        let mut heard = Vec::new();
        let _ = soon("the node to hang up", stream.read_to_end(&mut heard)).await;
        assert!(heard.is_empty(), "who says nothing hears nothing");
    }
    let waited = begun.elapsed();
    assert!(waited >= patience.idle, "given up after {waited:?}");
    println!("silence: given up after {waited:?}");
    site.until_refused("session", most as u64).await;

    // A byte now and then is no silence: a stranger is given up all the same, and so is a member in the end.
    let pause = Duration::from_millis(100);
    let waited = drip(
        &hostiles[0],
        &site,
        &[],
        &compressed(&[&noise(2, 4_000)]),
        pause,
    )
    .await;
    assert!(waited >= patience.idle && waited < DEADLINE);
    println!("a stranger's bytes one by one: given up after {waited:?}");
    site.until_refused("session", most as u64 + 1).await;

    let mut talk = hostiles[0].introduced(&site, network).await;
    let begun = Instant::now();
    // Frames that do no work, each before the node's patience with silence ends.
    talk.deliver(Scope::Cards, Vec::new()).await;
    talk.say(&[Frame::Open {
        scope: Scope::Rest,
        count: 1_000_000,
        message: Vec::new(),
    }])
    .await;
    let dripping = async {
        loop {
            talk.sender
                .send(&Frame::Items { items: Vec::new() }.to_bytes())
                .await?;
            talk.sender.flush().await?;
            tokio::time::sleep(pause).await;
        }
    };
    let result: Result<(), CodecError> = soon("the node to hang up", dripping).await;
    result.unwrap_err();
    println!("a slow member: given up after {:?}", begun.elapsed());
    site.until_refused("session", most as u64 + 2).await;

    // The places are free again.
    for hostile in &hostiles {
        hostile.introduced(&site, network).await;
    }
    site.is_well().await;
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_is_called_and_never_answers() {
    let (site, network) = Site::founder().await;
    // Nothing but a call to another node ends the silence that follows.
    let hour = Duration::from_secs(3_600);
    site.node().set_patience(Patience {
        idle: hour,
        whole: hour,
    });
    // The node calls these, and they take every stream and say nothing at all.
    let mut silent = vec![false_member(&site, network, 1).await.0];
    silent.push(false_member(&site, network, 2).await.0);
    let mut held = Vec::new();
    for hostile in &mut silent {
        let (caller, stream) = soon("a call", hostile.streams.next()).await.unwrap();
        assert_eq!(caller, site.node().id());
        held.push(stream);
    }
    // Meanwhile an honest organisation joins, and what it publishes arrives.
    let begun = Instant::now();
    let newcomer = site.gains_a_member("Honest Pools").await;
    println!("joined beside two silent peers in {:?}", begun.elapsed());
    // Nobody honest was blamed for anything.
    assert!(site.status().await.refused.is_empty());
    assert!(newcomer.status().await.refused.is_empty());
    newcomer.stop().await;
    site.is_well().await;
    site.stop().await;
}

/// How the node received a stream.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Clone, Copy)]
enum Received {
    Answered,
    Busy,
    Reset,
}

async fn received(stream: &mut Stream) -> Received {
    let mut bytes = [0; 256];
    let read = soon("an answer", stream.read(&mut bytes))
        .await
        .unwrap_or(0);
    let mut plain = Vec::new();
    // The compressed stream of a session goes on: only its beginning is here.
    let decoder = zstd::stream::Decoder::new(bytes.get(..read).unwrap()).unwrap();
    let _ = decoder
        .take(limits::FRAME_MAX_BYTES as u64)
        .read_to_end(&mut plain);
    match plain.get(4..).and_then(|frame| Frame::parse(frame).ok()) {
        Some(Frame::Hello { .. }) => Received::Answered,
        Some(Frame::Bye {
            farewell: Farewell::Busy,
        }) => Received::Busy,
        None => Received::Reset,
        other => panic!("{other:?}"),
    }
}

/// A frame as the beginning of a zstd stream that goes on.
fn begun(frame: &[u8]) -> Vec<u8> {
    let mut encoder = zstd::stream::Encoder::new(Vec::new(), 3).unwrap();
    encoder.window_log(20).unwrap();
    let length = u32::try_from(frame.len()).unwrap();
    encoder.write_all(&length.to_be_bytes()).unwrap();
    encoder.write_all(frame).unwrap();
    encoder.flush().unwrap();
    encoder.get_ref().clone()
}

/// Opens streams, greets on each and holds them all.
async fn flood(hostile: &Hostile, site: &Site, streams: usize) -> Vec<(Received, Option<Stream>)> {
    let hello = Frame::Hello {
        version: VERSION,
        nonce: [1; 16],
    };
    let hello = begun(&hello.to_bytes());
    let mut all = Vec::new();
    for _ in 0..streams {
        let Ok(mut stream) = hostile.net.open_stream(site.node().id()).await else {
            all.push((Received::Reset, None));
            continue;
        };
        let _ = stream.write_all(&hello).await;
        let _ = stream.flush().await;
        all.push((received(&mut stream).await, Some(stream)));
    }
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_streams() {
    if !alone("a_flood_of_streams").await {
        return;
    }
    let (site, _) = Site::founder().await;
    let most = site.node().settings().sync.max_inbound_sessions as usize;
    let mut hostiles = Vec::new();
    for number in 1..=6 {
        hostiles.push(Hostile::at(&site, number).await);
    }
    // One peer alone leaves room for others.
    let first = flood(&hostiles[0], &site, 50).await;
    let count =
        |all: &[(Received, Option<Stream>)], what| all.iter().filter(|(is, _)| *is == what).count();
    assert_eq!(count(&first, Received::Answered), most.div_ceil(2));

    let mut slowest = Duration::ZERO;
    let mut searches = 0;
    let rest = within_bounds("300 streams", async {
        let floods = hostiles
            .iter()
            .skip(1)
            .map(|hostile| flood(hostile, &site, 50));
        let mut floods = std::pin::pin!(futures::future::join_all(floods));
        loop {
            let begun = Instant::now();
            tokio::select! {
                all = &mut floods => return all,
                () = site.is_well() => {
                    slowest = slowest.max(begun.elapsed());
                    searches += 1;
                }
            }
        }
    })
    .await;
    let all: Vec<_> = first
        .into_iter()
        .chain(rest.into_iter().flatten())
        .collect();
    let [answered, busy, reset] =
        [Received::Answered, Received::Busy, Received::Reset].map(|what| count(&all, what));
    println!(
        "300 streams: {answered} answered, {busy} told to come back, {reset} reset; meanwhile {searches} \
         times status and search, {slowest:?} at most"
    );
    assert_eq!(answered, most, "no more than the settings say");
    assert_eq!((busy, reset), (all.len() - most, 0));
    assert!(searches > 0 && slowest < Duration::from_secs(5));
    let mut talk = hostiles.first().unwrap().talk(&site).await;
    assert_eq!(talk.rest().await, [bye(Farewell::Busy)]);
    drop(all);
    site.gains_a_member("Honest Pools").await.stop().await;
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn frames_out_of_order() {
    let (site, network) = Site::founder().await;
    let (member, party) = false_member(&site, network, 1).await;
    let documents = site.status().await.store.documents;
    let items = || Frame::Items {
        items: vec![party.item(LISTING, 1, &listing("Soup"))],
    };
    let hello = || Frame::Hello {
        version: VERSION,
        nonce: [1; 16],
    };
    let open = |scope| Frame::Open {
        scope,
        count: 1_000_000,
        message: Vec::new(),
    };
    let receipt = || Frame::Receipt {
        accepted: 0,
        refused: 0,
        complete: true,
    };
    let want = || Frame::Want {
        ids: vec![SaltedId([0; 32])],
    };
    let done = |scope| Frame::Done { scope };
    let at_first = [
        vec![items()],
        vec![receipt()],
        vec![open(Scope::Cards)],
        vec![Frame::Networks {
            tags: Vec::new(),
            known: Vec::new(),
        }],
        vec![hello(), hello()],
        vec![hello(), items()],
        vec![hello(), open(Scope::Rest), items()],
    ];
    let once_introduced = [
        vec![open(Scope::Rest)],
        vec![open(Scope::Cards), open(Scope::Cards)],
        vec![open(Scope::Cards), open(Scope::Rest)],
        vec![open(Scope::Cards), done(Scope::Rest)],
        vec![open(Scope::Cards), done(Scope::Cards), done(Scope::Cards)],
        vec![open(Scope::Cards), done(Scope::Cards), open(Scope::Cards)],
        vec![open(Scope::Cards), want()],
        vec![open(Scope::Cards), Frame::SendAll],
        vec![open(Scope::Cards), receipt()],
        vec![open(Scope::Cards), done(Scope::Cards), receipt()],
        vec![items()],
        vec![want()],
        vec![receipt()],
        vec![hello()],
        vec![Frame::Reconcile {
            message: Vec::new(),
        }],
        vec![Frame::Charter {
            charter: Vec::new(),
            in_force: None,
            chain: Vec::new(),
        }],
        vec![Frame::WantCharter { tag: Tag([0; 16]) }],
    ];
    let mut refused = site.refused("session").await;
    for frames in &at_first {
        let mut talk = member.talk(&site).await;
        talk.say(frames).await;
        let heard = talk.rest().await;
        assert!(
            heard
                .iter()
                .all(|frame| matches!(frame, Frame::Hello { .. })),
            "{frames:?}: {heard:?}"
        );
        refused += 1;
        site.until_refused("session", refused).await;
    }
    for frames in &once_introduced {
        let mut talk = member.introduced(&site, network).await;
        talk.say(frames).await;
        talk.rest().await;
        refused += 1;
        site.until_refused("session", refused).await;
    }
    assert_eq!(site.refused("session").await, refused, "each once");
    assert_eq!(
        site.status().await.store.documents,
        documents,
        "nothing was taken in"
    );
    println!("{refused} sessions out of order");
    site.is_well().await;
    site.gains_a_member("Honest Pools").await.stop().await;
    site.stop().await;
}
