//! The nodes as the benchmark sees them: processes that are asked.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use fingerpost_config::Home;
use serde_json::Value;

use crate::measure::anonymous_mb;
use crate::node::Ask;

/// How long anything may take before the benchmark gives up.
const PATIENCE: Duration = Duration::from_secs(3_600);

/// The port of a home, the same after each start, or nobody would find the node again.
fn port(home: &Path) -> u16 {
    let file = home.join("bench-port");
    let known = fs::read_to_string(&file).ok();
    known.and_then(|port| port.parse().ok()).unwrap_or_else(|| {
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        Home::at(home).prepare().unwrap();
        fs::write(file, port.to_string()).unwrap();
        port
    })
}

/// A node in a process of its own, which is killed when this is dropped.
pub(crate) struct Peer {
    home: PathBuf,
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
    /// How long it took from its start until it could be asked.
    pub(crate) start_s: f64,
    /// The most memory for itself, files not counted, that was seen while something was waited for.
    pub(crate) anonymous_peak_mb: f64,
}

impl Peer {
    /// Starts a node that exchanges with somebody every `interval_s` seconds.
    pub(crate) fn start(home: &Path, interval_s: u32) -> Self {
        let begun = Instant::now();
        let mut child = Command::new(std::env::current_exe().unwrap())
            .arg("node")
            .arg(home)
            .arg(port(home).to_string())
            .arg(interval_s.to_string())
            // As the daemon does with itself.
            .env("MALLOC_ARENA_MAX", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let to = child.stdin.take().unwrap();
        let from = BufReader::new(child.stdout.take().unwrap());
        let mut peer = Self {
            home: home.to_owned(),
            child,
            to,
            from,
            start_s: 0.0,
            anonymous_peak_mb: 0.0,
        };
        peer.read();
        peer.start_s = begun.elapsed().as_secs_f64();
        peer
    }

    pub(crate) fn home(&self) -> &Path {
        &self.home
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    fn read(&mut self) -> Value {
        let mut line = String::new();
        self.from.read_line(&mut line).unwrap();
        serde_json::from_str(&line).expect("the node ended; what it said is above")
    }

    pub(crate) fn ask(&mut self, ask: &Ask) -> Value {
        writeln!(self.to, "{}", serde_json::to_string(ask).unwrap()).unwrap();
        self.to.flush().unwrap();
        self.read()
    }

    pub(crate) fn ask_text(&mut self, ask: &Ask) -> String {
        self.ask(ask).as_str().expect("a text").to_owned()
    }

    pub(crate) fn count(&mut self, ask: &Ask) -> u64 {
        self.ask(ask).as_u64().expect("a number")
    }

    /// Asks again and again until the number is reached.
    pub(crate) fn reach(&mut self, ask: &Ask, wanted: u64, pause: Duration) {
        let end = Instant::now() + PATIENCE;
        while self.count(ask) < wanted {
            assert!(Instant::now() < end, "{ask:?} never came to {wanted}");
            self.anonymous_peak_mb = self.anonymous_peak_mb.max(anonymous_mb(self.pid()));
            std::thread::sleep(pause);
        }
    }

    pub(crate) fn stop(mut self) {
        self.ask(&Ask::Stop);
        self.child.wait().unwrap();
    }

    /// Ends it as a power cut would, but for what the system has in its cache.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// Lets a node with an organisation of its own begin to join the network of another.
pub(crate) fn join(host: &mut Peer, guest: &mut Peer, name: &str) {
    guest.ask(&Ask::Organisation(name.to_owned()));
    let ticket = host.ask_text(&Ask::Invite);
    guest.ask(&Ask::Join(ticket));
}
