//! What the system says of processes, of loopback, and of directories.

use std::fs;
use std::path::Path;

/// Ticks of a processor's time a second, as Linux gives them to programs.
const TICKS_PER_S: f64 = 100.0;

/// Bytes that loopback has carried, with all headers.
pub(crate) fn wire_bytes() -> u64 {
    let text = fs::read_to_string("/proc/self/net/dev").unwrap_or_default();
    let line = text
        .lines()
        .find_map(|line| line.trim().strip_prefix("lo:"));
    // Received bytes come first; loopback sends what it receives.
    let first = line.and_then(|rest| rest.split_whitespace().next());
    first.and_then(|it| it.parse().ok()).unwrap_or(0)
}

fn status_mb(pid: u32, name: &str) -> f64 {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let kb = line.and_then(|rest| rest.trim_start_matches(':').split_whitespace().next());
    kb.and_then(|it| it.parse::<f64>().ok()).unwrap_or(0.0) / 1024.0
}

/// Memory that a process uses, in MiB, its mapped files included.
pub(crate) fn rss_mb(pid: u32) -> f64 {
    status_mb(pid, "VmRSS")
}

/// Memory that it uses for itself, files not counted.
pub(crate) fn anonymous_mb(pid: u32) -> f64 {
    status_mb(pid, "RssAnon")
}

/// The most that it has used.
pub(crate) fn peak_mb(pid: u32) -> f64 {
    status_mb(pid, "VmHWM")
}

/// Seconds of processor time that a process has used.
pub(crate) fn cpu_s(pid: u32) -> f64 {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The name, in brackets, may contain anything.
    let after = text.rsplit(')').next().unwrap_or_default();
    let fields: Vec<f64> = after
        .split_whitespace()
        .map(|it| it.parse().unwrap_or(0.0))
        .collect();
    (fields.get(11).unwrap_or(&0.0) + fields.get(12).unwrap_or(&0.0)) / TICKS_PER_S
}

/// Blocks that everything in a directory takes, in bytes.
pub(crate) fn disk_bytes(dir: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt;
    let Ok(entries) = fs::read_dir(dir) else {
        return 0;
    };
    let size = |entry: fs::DirEntry| match entry.metadata() {
        Ok(found) if found.is_dir() => disk_bytes(&entry.path()),
        Ok(found) => found.blocks() * 512,
        Err(_) => 0,
    };
    entries.flatten().map(size).sum()
}

/// The value below which this share of the values lie.
pub(crate) fn percentile(values: &mut [f64], share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let at = ((values.len() as f64) * share) as usize;
    values[at.min(values.len() - 1)]
}
