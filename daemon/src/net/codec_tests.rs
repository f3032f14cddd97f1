#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use super::*;
use futures::io::AsyncWriteExt;
use proptest::prelude::*;
use std::task::Context;
use tokio::io::{AsyncRead as _, AsyncWrite as _, DuplexStream, ReadBuf};

/// Long enough for a slow machine, short enough to end a test that hangs.
const PATIENT: Duration = Duration::from_secs(30);

/// One end of a pipe in memory.
struct Pipe(DuplexStream);

impl AsyncRead for Pipe {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let mut buffer = ReadBuf::new(buffer);
        Pin::new(&mut self.0)
            .poll_read(cx, &mut buffer)
            .map_ok(|()| buffer.filled().len())
    }
}

impl AsyncWrite for Pipe {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

fn pipe(bytes: usize) -> (Pipe, Pipe) {
    let (a, b) = tokio::io::duplex(bytes);
    (Pipe(a), Pipe(b))
}

fn run<T>(test: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build();
    runtime.unwrap().block_on(test)
}

/// What the receiver makes of these bytes on the wire, followed by the end of the transport.
fn received(wire: Vec<u8>) -> (Vec<Vec<u8>>, Result<(), CodecError>) {
    run(async move {
        let (mut ours, theirs) = pipe(1 << 16);
        let writing = tokio::spawn(async move {
            let _ = ours.write_all(&wire).await;
        });
        let (_sender, mut receiver) = frames_with_idle(theirs, PATIENT);
        let mut got = Vec::new();
        let outcome = loop {
            match receiver.receive().await {
                Ok(Some(frame)) => got.push(frame),
                Ok(None) => break Ok(()),
                Err(error) => break Err(error),
            }
        };
        drop((receiver, _sender));
        writing.await.unwrap();
        (got, outcome)
    })
}

fn compressed(plain: &[u8]) -> Vec<u8> {
    let mut encoder = zstd::Encoder::new(Vec::new(), LEVEL).unwrap();
    encoder.window_log(WINDOW_LOG).unwrap();
    io::Write::write_all(&mut encoder, plain).unwrap();
    encoder.finish().unwrap()
}

/// The wire bytes of these frames, as a sender makes them.
fn sent(frames: &[Vec<u8>]) -> Vec<u8> {
    run(async {
        let (ours, theirs) = pipe(1 << 24);
        let (mut sender, _receiver) = frames_with_idle(ours, PATIENT);
        for frame in frames {
            sender.send(frame).await.unwrap();
        }
        sender.finish().await.unwrap();
        drop((sender, _receiver));
        let mut wire = Vec::new();
        let mut theirs = theirs;
        theirs.read_to_end(&mut wire).await.unwrap();
        wire
    })
}

fn any_frames() -> impl Strategy<Value = Vec<(Vec<u8>, bool)>> {
    let frame = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..40),
        prop::collection::vec(any::<u8>(), 0..70_000),
        (0..limits::FRAME_MAX_BYTES + 1, any::<u8>()).prop_map(|(n, byte)| vec![byte; n]),
    ];
    prop::collection::vec((frame, any::<bool>()), 0..12)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn frames_come_through_in_both_directions(
        there in any_frames(),
        back in any_frames(),
        room in 1_usize..40_000,
    ) {
        run(async {
            let (a, b) = pipe(room);
            let end = |stream, says: Vec<(Vec<u8>, bool)>| async move {
                let (mut sender, mut receiver) = frames_with_idle(stream, PATIENT);
                let send = async {
                    for (frame, flush) in &says {
                        sender.send(frame).await?;
                        if *flush {
                            sender.flush().await?;
                        }
                    }
                    sender.finish().await
                };
                let receive = async {
                    let mut heard = Vec::new();
                    while let Some(frame) = receiver.receive().await? {
                        heard.push(frame);
                    }
                    Ok::<_, CodecError>(heard)
                };
                let heard = tokio::try_join!(send, receive).unwrap().1;
                (heard, sender.wire_bytes(), receiver.wire_bytes())
            };
            let plain = |says: &[(Vec<u8>, bool)]| -> Vec<Vec<u8>> {
                says.iter().map(|(frame, _)| frame.clone()).collect()
            };
            let (first, second) = tokio::join!(end(a, there.clone()), end(b, back.clone()));
            assert_eq!(first.0, plain(&back));
            assert_eq!(second.0, plain(&there));
            assert_eq!((first.1, first.2), (second.2, second.1), "both count the same bytes");
        });
    }

    #[test]
    fn garbage_is_refused_without_panic(wire in prop::collection::vec(any::<u8>(), 0..400)) {
        let (frames, outcome) = received(wire);
        prop_assert!(frames.is_empty());
        prop_assert!(outcome.is_err());
    }

    #[test]
    fn a_changed_byte_never_gets_past_the_bounds(at in 0_usize..5000, with: u8) {
        let mut wire = sent(&[vec![1; 3000], b"a listing".to_vec(), (0..=255).collect()]);
        let at = at % wire.len();
        wire[at] = with;
        for frame in received(wire).0 {
            prop_assert!(frame.len() <= limits::FRAME_MAX_BYTES);
        }
    }

    #[test]
    fn a_cut_stream_is_noticed(cut in 1_usize..5000) {
        let wire = sent(&[(0..=255).collect(), b"a listing".to_vec()]);
        let end = wire.len() - (cut % wire.len()).max(1);
        let outcome = received(wire[..end].to_vec()).1;
        prop_assert!(matches!(outcome, Err(CodecError::Truncated)), "{outcome:?}");
    }
}

#[test]
fn a_peer_gets_what_was_flushed_before_the_stream_ends() {
    run(async {
        let (a, b) = pipe(1 << 16);
        let (mut ask, mut hear) = frames_with_idle(a, PATIENT);
        let (mut answer, mut listen) = frames_with_idle(b, PATIENT);
        for n in 0..50_u8 {
            ask.send(&[n]).await.unwrap();
            assert!(ask.needs_flush());
            ask.flush().await.unwrap();
            assert!(!ask.needs_flush());
            assert_eq!(listen.receive().await.unwrap(), Some(vec![n]));
            answer.send(&[n, n]).await.unwrap();
            answer.flush().await.unwrap();
            assert_eq!(hear.receive().await.unwrap(), Some(vec![n, n]));
        }
    });
}

#[test]
fn an_empty_frame_is_a_frame_and_an_empty_stream_has_none() {
    assert_eq!(
        received(sent(&[vec![], vec![]])).0,
        [vec![], vec![]] as [Vec<u8>; 2]
    );
    let (frames, outcome) = received(sent(&[]));
    assert!(frames.is_empty() && outcome.is_ok());
    let outcome = received(Vec::new()).1;
    assert!(
        matches!(outcome, Err(CodecError::Truncated)),
        "nothing at all is no end: {outcome:?}"
    );
}

#[test]
fn neighbours_share_what_they_have_in_common() {
    let frame = |n: u32| {
        let words = "a service for people who look for work after prison; ".repeat(20);
        format!("{words}{n}").into_bytes()
    };
    let together = sent(&(0..50).map(frame).collect::<Vec<_>>()).len();
    let alone: usize = (0..50).map(|n| sent(&[frame(n)]).len()).sum();
    assert!(
        together * 4 < alone,
        "{together} bytes together, {alone} alone"
    );
}

#[test]
fn a_frame_over_the_limit_is_neither_sent_nor_taken() {
    let large = vec![0; limits::FRAME_MAX_BYTES + 1];
    run(async {
        let (a, _b) = pipe(64);
        let (mut sender, _receiver) = frames_with_idle(a, PATIENT);
        let refused = sender.push(&large);
        assert!(matches!(refused, Err(CodecError::TooLarge { bytes }) if bytes == large.len()));
        assert!(!sender.needs_flush(), "nothing of it was taken in");
    });
    let mut plain = u32::try_from(large.len()).unwrap().to_be_bytes().to_vec();
    plain.extend_from_slice(&large);
    let (frames, outcome) = received(compressed(&plain));
    assert!(frames.is_empty());
    assert!(matches!(outcome, Err(CodecError::TooLarge { bytes }) if bytes == large.len()));
}

#[test]
fn a_length_alone_reserves_no_memory_for_it() {
    let length = u32::try_from(limits::FRAME_MAX_BYTES)
        .unwrap()
        .to_be_bytes();
    run(async {
        let (mut ours, theirs) = pipe(1 << 16);
        ours.write_all(&compressed(&length)[..]).await.unwrap();
        let (_sender, mut receiver) = frames_with_idle(theirs, Duration::from_millis(50));
        let outcome = receiver.receive().await;
        assert!(matches!(
            outcome,
            Err(CodecError::Truncated | CodecError::Stalled { .. })
        ));
        assert!(receiver.body.capacity() <= GROW_BYTES);
    });
}

#[test]
fn a_bomb_is_handed_out_frame_by_frame() {
    // A gigabyte of full frames that hold nothing but zeros.
    let mut full = u32::try_from(limits::FRAME_MAX_BYTES)
        .unwrap()
        .to_be_bytes()
        .to_vec();
    full.resize(4 + limits::FRAME_MAX_BYTES, 0);
    let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
    for _ in 0..1024 {
        io::Write::write_all(&mut encoder, &full).unwrap();
    }
    let wire = encoder.finish().unwrap();
    assert!(
        wire.len() < 1 << 18,
        "a bomb is small: {} bytes",
        wire.len()
    );
    run(async {
        let (mut ours, theirs) = pipe(1 << 18);
        ours.write_all(&wire).await.unwrap();
        let (_sender, mut receiver) = frames_with_idle(theirs, PATIENT);
        for _ in 0..3 {
            let frame = receiver.receive().await.unwrap().unwrap();
            assert_eq!(frame.len(), limits::FRAME_MAX_BYTES);
            assert!(receiver.body.capacity() <= limits::FRAME_MAX_BYTES);
        }
        let taken = receiver.wire_bytes();
        assert!(
            taken <= READ_BYTES as u64,
            "it reads no further than it is asked: {taken}"
        );
    });
    // Zeros alone are empty frames.
    let empty = received(compressed(&[0; 4000]));
    assert!(empty.0.len() == 1000 && empty.1.is_ok());
}

#[test]
fn a_window_over_the_limit_is_refused() {
    let mut encoder = zstd::Encoder::new(Vec::new(), 3).unwrap();
    encoder.window_log(27).unwrap();
    io::Write::write_all(&mut encoder, &vec![0; 1 << 20]).unwrap();
    let outcome = received(encoder.finish().unwrap()).1;
    assert!(
        matches!(outcome, Err(CodecError::Corrupt(_))),
        "{outcome:?}"
    );
}

#[test]
fn what_comes_after_the_end_is_refused() {
    let mut wire = sent(&[vec![1, 2, 3]]);
    wire.extend_from_slice(&sent(&[vec![4]]));
    let (frames, outcome) = received(wire);
    assert_eq!(frames, [vec![1, 2, 3]]);
    assert!(
        matches!(outcome, Err(CodecError::Corrupt(_))),
        "{outcome:?}"
    );
    // The end in the middle of a frame.
    let outcome = received(compressed(&[0, 0, 0, 9, 1])).1;
    assert!(matches!(outcome, Err(CodecError::Truncated)), "{outcome:?}");
}

#[test]
fn nothing_follows_the_end() {
    run(async {
        let (a, _b) = pipe(1 << 10);
        let (mut sender, _receiver) = frames_with_idle(a, PATIENT);
        sender.finish().await.unwrap();
        sender.finish().await.unwrap();
        assert!(matches!(
            sender.send(b"late").await,
            Err(CodecError::Finished)
        ));
    });
}

#[test]
fn a_peer_that_says_nothing_or_reads_nothing_is_given_up() {
    let idle = Duration::from_millis(60);
    run(async {
        let (a, _b) = pipe(1 << 10);
        let (_sender, mut receiver) = frames_with_idle(a, idle);
        let outcome = receiver.receive().await;
        assert!(
            matches!(outcome, Err(CodecError::Stalled { ms: 60 })),
            "{outcome:?}"
        );

        let (a, _b) = pipe(16);
        let (mut sender, _receiver) = frames_with_idle(a, idle);
        sender
            .send(b"more than the pipe takes, by a good deal")
            .await
            .unwrap();
        let outcome = sender.flush().await;
        assert!(
            matches!(outcome, Err(CodecError::Stalled { ms: 60 })),
            "{outcome:?}"
        );
    });
}

#[test]
fn silence_is_measured_across_dropped_futures() {
    let idle = Duration::from_millis(200);
    run(async {
        let (a, _b) = pipe(1 << 10);
        let (_sender, mut receiver) = frames_with_idle(a, idle);
        let begun = Instant::now();
        let outcome = loop {
            // A caller that looks in often must not keep a silent peer alive.
            let look = tokio::time::timeout(idle / 10, receiver.receive()).await;
            if let Ok(outcome) = look {
                break outcome;
            }
            assert!(begun.elapsed() < PATIENT, "never given up");
        };
        assert!(matches!(outcome, Err(CodecError::Stalled { .. })));
        assert!(begun.elapsed() >= idle);
    });
}

#[test]
fn who_takes_what_we_send_is_not_silent() {
    let idle = Duration::from_millis(400);
    run(async {
        let (a, mut b) = pipe(64);
        let (mut sender, mut receiver) = frames_with_idle(a, idle);
        // Noise, so that compression leaves enough of it.
        let mut noise = 1_u32;
        let frame: Vec<u8> = std::iter::repeat_with(|| {
            noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            noise.to_be_bytes()[0]
        })
        .take(24 * 64)
        .collect();
        let slow_reader = async {
            let mut buffer = [0; 64];
            loop {
                tokio::time::sleep(idle / 8).await;
                if b.read(&mut buffer).await.unwrap() == 0 {
                    break;
                }
            }
        };
        let begun = Instant::now();
        let sending = async {
            sender.send(&frame).await.unwrap();
            sender.flush().await.unwrap();
            begun.elapsed()
        };
        tokio::select! {
            outcome = receiver.receive() => panic!("given up while it was taking: {outcome:?}"),
            () = slow_reader => panic!("the pipe ended"),
            took = sending => assert!(took > idle, "the test was too quick to tell: {took:?}"),
        }
    });
}

#[test]
fn a_dropped_receive_loses_nothing() {
    let wire = sent(&[(0..200).collect(), b"second".to_vec()]);
    run(async {
        let (mut ours, theirs) = pipe(1 << 16);
        let (_sender, mut receiver) = frames_with_idle(theirs, PATIENT);
        let mut heard = Vec::new();
        for byte in wire {
            ours.write_all(&[byte]).await.unwrap();
            // Polled at least once, then dropped.
            for _ in 0..3 {
                match futures::poll!(std::pin::pin!(receiver.receive())) {
                    Poll::Ready(frame) => heard.extend(frame.unwrap()),
                    Poll::Pending => {}
                }
            }
        }
        assert_eq!(heard, [(0..200).collect(), b"second".to_vec()]);
    });
}
