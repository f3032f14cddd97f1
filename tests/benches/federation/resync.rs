//! What two nodes that know each other pay to find out that they hold the same, or nearly.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::fill;
use crate::measure::{cpu_s, wire_bytes};
use crate::node::Ask;
use crate::peers::{Peer, join};

const POLL: Duration = Duration::from_millis(5);

fn sessions(peer: &mut Peer) -> u64 {
    peer.ask(&Ask::Traffic)["sessions"].as_u64().unwrap()
}

fn session_bytes(peer: &mut Peer) -> u64 {
    let traffic = peer.ask(&Ask::Traffic);
    let of = |name: &str| traffic[name].as_u64().unwrap();
    of("sent_bytes") + of("received_bytes")
}

/// Starts both, and waits until they have compared all that they hold once.
fn meet(one: &Path, other: &Path, documents: u64) -> Value {
    let full = Peer::start(one, 3_600);
    let wire = wire_bytes();
    let mut known = Peer::start(other, 3_600);
    let begun = Instant::now();
    known.reach(&Ask::Connected, 1, POLL);
    let connected_s = begun.elapsed().as_secs_f64();
    let cpu = cpu_s(full.pid()) + cpu_s(known.pid());
    known.reach(&Ask::Held, documents, POLL);
    while sessions(&mut known) == 0 {
        std::thread::sleep(POLL);
    }
    let took_s = begun.elapsed().as_secs_f64();
    let cpu = cpu_s(full.pid()) + cpu_s(known.pid()) - cpu;
    let result = json!({
        "wire_bytes": wire_bytes() - wire,
        "session_bytes": session_bytes(&mut known),
        "sessions": sessions(&mut known),
        "connected_s": connected_s,
        "finished_s": took_s,
        "cpu_s": cpu,
    });
    full.stop();
    known.stop();
    result
}

/// With a federation of this size, and 0, 1, 10 and 1,000 organisations that one of them lacks.
pub(crate) fn measure(size: u32) -> Value {
    let dir = tempfile::tempdir().unwrap();
    let full = fill::home(dir.path(), size);
    let known = dir.path().join("known");
    let mut host = Peer::start(&full, 3_600);
    let mut guest = Peer::start(&known, 1);
    let documents = host.count(&Ask::Held);
    join(&mut host, &mut guest, "Newcomer");
    guest.reach(&Ask::Held, documents + 1, Duration::from_millis(50));
    guest.ask(&Ask::Joined);
    host.reach(&Ask::Held, documents + 1, Duration::from_millis(50));
    // Both know all that there is to know of each other.
    let seen = sessions(&mut guest);
    while sessions(&mut guest) < seen + 3 {
        std::thread::sleep(POLL);
    }
    host.stop();
    guest.stop();
    let mut results = Vec::new();
    let mut documents = documents + 1;
    let mut known_orgs = size;
    for different in [0, 1, 10, fill::MORE - 11] {
        documents += fill::add(&full, size, known_orgs..known_orgs + different);
        known_orgs += different;
        let mut result = meet(&full, &known, documents);
        result["different"] = json!(different);
        println!("{result}");
        results.push(result);
    }
    json!({ "organisations": size, "meetings": results })
}
