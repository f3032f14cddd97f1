//! The merge worker, as the node starts it.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod bomb;

use std::path::PathBuf;

use fingerpost_daemon::merge::{DOCUMENT_MAX_BYTES, MergeError, Request, Worker};
use fingerpost_proto::documents::{ChangeNote, OwnDocument};
use serde_json::{Value, json};

fn worker() -> Worker {
    Worker::of(PathBuf::from(env!("CARGO_BIN_EXE_fingerpostd")))
}

fn shard(services: Value) -> Value {
    json!({"format": 1, "kind": "listing", "shard": 0, "services": services})
}

fn document(services: Value) -> OwnDocument {
    let mut document = OwnDocument::new(&[1; 16]);
    document
        .update(&shard(services), &ChangeNote::default(), 1)
        .unwrap();
    document
}

fn request(own: Vec<u8>, sibling: Vec<u8>) -> Request {
    Request {
        own,
        sibling,
        actor: [9; 16],
        now_s: 5,
    }
}

#[tokio::test]
async fn two_documents_become_one_and_a_first_one_is_taken_as_it_is() {
    let mut own = document(json!([]));
    let mut sibling = OwnDocument::load(&own.save(), &[2; 16]).unwrap();
    let add = |document: &mut OwnDocument, id: &str| {
        let services = shard(json!([{"id": id, "name": "n"}]));
        document
            .update(&services, &ChangeNote::default(), 2)
            .unwrap();
    };
    add(&mut own, "a");
    add(&mut sibling, "b");
    let answer = worker()
        .merge(&request(own.save(), sibling.save()))
        .await
        .unwrap();
    let expected = shard(json!([{"id": "a", "name": "n"}, {"id": "b", "name": "n"}]));
    let value: Value = serde_json::from_slice(&answer.value).unwrap();
    assert_eq!(value, expected);
    assert!(answer.gained && answer.kept.is_empty());
    let mut merged = OwnDocument::load(&answer.document, &[3; 16]).unwrap();
    assert_eq!(merged.value().unwrap(), expected);
    assert_eq!(merged.heads(), answer.heads);

    let again = worker()
        .merge(&request(answer.document.clone(), sibling.save()))
        .await
        .unwrap();
    assert!(!again.gained);
    let first = worker()
        .merge(&request(Vec::new(), sibling.save()))
        .await
        .unwrap();
    assert!(first.gained);
    assert_eq!(
        serde_json::from_slice::<Value>(&first.value).unwrap(),
        sibling.value().unwrap()
    );
}

#[tokio::test]
async fn a_full_shard_with_a_long_history_is_within_the_limits() {
    let services: Vec<Value> = (0..60)
        .map(|n| json!({"id": format!("s{n}"), "name": "n", "description": "words ".repeat(600)}))
        .collect();
    let mut own = document(json!(services));
    let mut wire = own.value().unwrap();
    for n in 0..600 {
        wire["services"][n % 60]["description"] =
            json!(format!("{n} {}", "more words ".repeat(30)));
        own.update(&wire, &ChangeNote::default(), 2).unwrap();
    }
    let bytes = own.save();
    let answer = worker()
        .merge(&request(bytes.clone(), bytes))
        .await
        .unwrap();
    assert_eq!(
        serde_json::from_slice::<Value>(&answer.value).unwrap(),
        wire
    );
}

#[tokio::test]
async fn documents_that_are_built_to_do_harm_are_refused() {
    let own = document(json!([{"id": "a", "name": "n"}])).save();
    let mut flipped = own.clone();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 0xff;
    for (what, bytes) in [
        ("ten million nulls in 130 bytes", bomb::nulls(10_000_000)),
        ("320 MiB of zeros, deflated", bomb::zeros(320 << 20)),
        ("rubbish", vec![0x5a; 4096]),
        ("a flipped byte", flipped),
    ] {
        let merged = worker().merge(&request(own.clone(), bytes)).await;
        assert!(
            matches!(merged, Err(MergeError::Refused)),
            "{what}: {merged:?}"
        );
    }
    // What is small enough is read, so it is not the form of the first that is refused.
    let harmless = worker().merge(&request(own.clone(), bomb::nulls(10))).await;
    assert!(harmless.is_ok(), "{harmless:?}");
    let large = vec![0; DOCUMENT_MAX_BYTES + 1];
    let merged = worker().merge(&request(own.clone(), large)).await;
    assert!(matches!(merged, Err(MergeError::TooLarge)));
    let nowhere = Worker::of(PathBuf::from("/nowhere/fingerpostd"));
    let merged = nowhere.merge(&request(own.clone(), own)).await;
    assert!(matches!(merged, Err(MergeError::Start(_))));
}
