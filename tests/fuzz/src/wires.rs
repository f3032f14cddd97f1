//! The daemon's own decoders: the compressed stream of frames, and the pipe of the merge worker.

use std::time::Duration;

use fingerpost_daemon::merge::{ANSWER_MAX_BYTES, Answer, DOCUMENT_MAX_BYTES, Request};
use fingerpost_daemon::net::{CodecError, frames_with_idle};
use fingerpost_proto::limits;
use futures::io::Cursor;

use super::session;
use super::{Seeds, seed};

/// A stream is handed out in so many frames at most: more would only take longer.
const FRAMES_MAX: usize = 24;

fn block_on<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build();
    runtime.unwrap().block_on(work)
}

async fn received(wire: &[u8]) -> (Vec<Vec<u8>>, Result<(), CodecError>) {
    // Nothing moves in memory: whoever waits has been cut short.
    let (_sender, mut receiver) =
        frames_with_idle(Cursor::new(wire.to_vec()), Duration::from_secs(60));
    let mut frames = Vec::new();
    while frames.len() < FRAMES_MAX {
        match receiver.receive().await {
            Ok(Some(frame)) => {
                assert!(frame.len() <= limits::FRAME_MAX_BYTES);
                // A bomb hands out megabytes: their length is all that is kept of large ones.
                frames.push(if frame.len() > 65_536 {
                    Vec::new()
                } else {
                    frame
                });
            }
            Ok(None) => return (frames, Ok(())),
            Err(error) => return (frames, Err(error)),
        }
    }
    (frames, Ok(()))
}

async fn compressed(frames: &[Vec<u8>]) -> Vec<u8> {
    let mut wire = Cursor::new(Vec::new());
    {
        let (mut sender, _receiver) = frames_with_idle(&mut wire, Duration::from_secs(60));
        for frame in frames {
            sender.send(frame).await.unwrap();
        }
        sender.finish().await.unwrap();
    }
    wire.into_inner()
}

/// A stream is frames within the limit, one at a time, or it is refused; and the same frames, sent by us, are
/// received as they were.
pub fn stream(data: &[u8]) -> bool {
    block_on(async {
        let (frames, outcome) = received(data).await;
        let wire = compressed(&frames).await;
        let (again, sound) = received(&wire).await;
        assert!(sound.is_ok());
        assert_eq!(again, frames);
        outcome.is_ok()
    })
}

pub fn stream_seeds() -> Seeds {
    let [ours, theirs] = session::conversation();
    let bomb = vec![vec![0; limits::FRAME_MAX_BYTES]; 8];
    let streams = [
        ("ours", ours),
        ("theirs", theirs),
        ("empty", Vec::new()),
        ("bomb", bomb),
    ];
    let seeds = streams.into_iter();
    seeds
        .map(|(name, frames)| seed(name, block_on(compressed(&frames))))
        .collect()
}

/// The worker reads what its parent sends: within the limits, and as it was sent.
pub fn merge_request(data: &[u8]) -> bool {
    let mut rest = data;
    let Ok(request) = Request::read(&mut rest) else {
        return false;
    };
    assert!(request.own.len().max(request.sibling.len()) <= DOCUMENT_MAX_BYTES);
    let mut bytes = Vec::new();
    request.write(&mut bytes).unwrap();
    assert_eq!(bytes, data[..data.len() - rest.len()]);
    true
}

pub fn merge_request_seeds() -> Seeds {
    let request = |own: &[u8]| {
        let request = Request {
            own: own.to_vec(),
            sibling: b"the sibling's document".to_vec(),
            actor: [9; 16],
            now_s: 5,
        };
        let mut bytes = Vec::new();
        request.write(&mut bytes).unwrap();
        bytes
    };
    vec![
        seed("first", request(b"")),
        seed("both", request(b"this node's document")),
    ]
}

/// The parent reads what a worker answers that may have been made to talk nonsense.
pub fn merge_answer(data: &[u8]) -> bool {
    let Ok(answer) = Answer::read(data) else {
        return false;
    };
    assert!(answer.document.len().max(answer.value.len()) <= ANSWER_MAX_BYTES);
    let mut bytes = Vec::new();
    answer.write(&mut bytes).unwrap();
    assert_eq!(bytes, data);
    true
}

pub fn merge_answer_seeds() -> Seeds {
    let answer = Answer {
        document: b"merged".to_vec(),
        value: br#"{"format":1}"#.to_vec(),
        heads: vec![[8; 32], [9; 32]],
        gained: true,
        kept: vec!["a".into(), "b".into()],
    };
    let mut bytes = Vec::new();
    answer.write(&mut bytes).unwrap();
    vec![seed("answer", bytes)]
}
