//! How long an edit takes until it is found on every node of a network, and how many bytes it costs.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::measure::{cpu_s, percentile, rss_mb, wire_bytes};
use crate::node::Ask;
use crate::peers::{Peer, join};

const EDITS: usize = 200;
/// How often somebody is compared with: the default of the settings.
const INTERVAL_S: u32 = 30;
/// From one edit to the next.
const BETWEEN: Duration = Duration::from_millis(200);
/// How long traffic without edits is watched.
const QUIET: Duration = Duration::from_secs(60);

/// A network of this many nodes.
pub(crate) fn measure(count: usize) -> Value {
    let dir = tempfile::tempdir().unwrap();
    let mut nodes: Vec<Peer> = (0..count)
        .map(|number| Peer::start(&dir.path().join(number.to_string()), INTERVAL_S))
        .collect();
    let (writer, readers) = nodes.split_first_mut().unwrap();
    writer.ask(&Ask::Organisation("Writer".into()));
    writer.ask(&Ask::Network("Bench".into()));
    let service = writer.ask_text(&Ask::Service("Edited service".into()));
    for (number, reader) in readers.iter_mut().enumerate() {
        join(writer, reader, &format!("Reader {number}"));
        reader.ask(&Ask::Joined);
    }
    let documents = count as u64 + 1;
    for node in &mut nodes {
        node.reach(&Ask::Held, documents, Duration::from_millis(50));
    }
    // Cards that say where each is called spread for a while.
    std::thread::sleep(Duration::from_secs(20));
    let cpu: f64 = nodes.iter().map(|it| cpu_s(it.pid())).sum();
    let wire = wire_bytes();
    std::thread::sleep(QUIET);
    let quiet_per_s = (wire_bytes() - wire) as f64 / QUIET.as_secs_f64();
    let quiet_cpu = nodes.iter().map(|it| cpu_s(it.pid())).sum::<f64>() - cpu;
    let mut times = Vec::new();
    let (begun, wire) = (Instant::now(), wire_bytes());
    for edit in 0..EDITS {
        std::thread::sleep(BETWEEN);
        let word = format!("edit{edit}word");
        let begun = Instant::now();
        nodes[0].ask(&Ask::Describe(service.clone(), word.clone()));
        for node in &mut nodes {
            node.reach(
                &Ask::Services(Some(word.clone())),
                1,
                Duration::from_micros(500),
            );
        }
        times.push(begun.elapsed().as_secs_f64() * 1e3);
    }
    // The exchanges that only confirm are part of it.
    std::thread::sleep(Duration::from_secs(5));
    let spent = (wire_bytes() - wire) as f64 - quiet_per_s * begun.elapsed().as_secs_f64();
    // One edit alone, with all that follows from it.
    std::thread::sleep(Duration::from_secs(5));
    let (alone, wire) = (Instant::now(), wire_bytes());
    nodes[0].ask(&Ask::Describe(service.clone(), "the last word".into()));
    std::thread::sleep(Duration::from_secs(15));
    let one = (wire_bytes() - wire) as f64 - quiet_per_s * alone.elapsed().as_secs_f64();
    let links: u64 = nodes.iter_mut().map(|it| it.count(&Ask::Connected)).sum();
    let rss: f64 = nodes.iter().map(|it| rss_mb(it.pid())).sum();
    for node in nodes {
        node.stop();
    }
    json!({
        "nodes": count,
        "edits": EDITS,
        "visible_everywhere_ms": {"p50": percentile(&mut times, 0.5), "p90": percentile(&mut times, 0.9), "p99": percentile(&mut times, 0.99)},
        "wire_bytes_an_edit": {"many": spent / EDITS as f64, "one_alone": one},
        "links": links / 2,
        "quiet_bytes_a_second_a_node": quiet_per_s / count as f64,
        "quiet_cpu_percent_a_node": quiet_cpu / QUIET.as_secs_f64() / count as f64 * 100.0,
        "rss_mb_a_node": rss / count as f64,
    })
}
