//! What it costs to hold a federation: disk, memory, starting, and doing nothing.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::fill;
use crate::measure::{anonymous_mb, cpu_s, disk_bytes, peak_mb, rss_mb};
use crate::node::Ask;
use crate::peers::Peer;

/// How long it is left alone.
const QUIET: Duration = Duration::from_secs(60);

/// A federation of this size.
pub(crate) fn measure(size: u32) -> Value {
    let dir = tempfile::tempdir().unwrap();
    let home = fill::home(dir.path(), size);
    let each = |name: &str| disk_bytes(&home.join(name)) as f64 / f64::from(size);
    let disk = json!({"store": each("store"), "index": each("index"), "all": disk_bytes(&home) as f64 / f64::from(size)});
    let begun = Instant::now();
    let mut node = Peer::start(&home, 30);
    let found = node.count(&Ask::Services(Some("advice".into())));
    let first_answer_s = begun.elapsed().as_secs_f64();
    let start_cpu_s = cpu_s(node.pid());
    node.reach(&Ask::Indexed, 1, Duration::from_millis(20));
    let started = (rss_mb(node.pid()), anonymous_mb(node.pid()));
    let cpu = cpu_s(node.pid());
    std::thread::sleep(QUIET);
    let idle = (cpu_s(node.pid()) - cpu) / QUIET.as_secs_f64();
    let result = json!({
        "organisations": size,
        "documents": node.count(&Ask::Held),
        "found": found,
        "disk_bytes_an_organisation": disk,
        "first_answer_s": first_answer_s,
        "start_cpu_s": start_cpu_s,
        "after_start_mb": {"rss": started.0, "anonymous": started.1},
        "quiet_mb": {"rss": rss_mb(node.pid()), "anonymous": anonymous_mb(node.pid()), "peak": peak_mb(node.pid())},
        "quiet_cpu_percent": idle * 100.0,
    });
    node.stop();
    result
}
