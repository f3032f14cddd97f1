//! A real node on loopback, and a peer that means it no good.

#![allow(dead_code, reason = "each test takes what it needs of this")]

mod talk;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use fingerpost_config::{Home, Settings};
use fingerpost_daemon::keys::Keys;
use fingerpost_daemon::net::{
    self, FrameReceiver, FrameSender, IncomingStreams, Net, NetEvent, NetOptions, Stream, frames,
};
use fingerpost_daemon::node::{By, Node, now_s};
use fingerpost_daemon::run::Running;
use fingerpost_daemon::search::Query;
use fingerpost_proto::api::{CreateOrg, Fields, Found, Invite, Status};
use fingerpost_proto::card::{Card, Membership};
use fingerpost_proto::certificate::{Delegation, FORMAT as CERTIFICATE_FORMAT, Role};
use fingerpost_proto::ids::{DocName, NetworkId, OrgId};
use fingerpost_proto::keys::SecretKey;
use fingerpost_proto::listing::{Organization, Service, ShardState};
use fingerpost_proto::record::{FORMAT, Hash, Instance, Record, SignedRecord, Writer};
use fingerpost_proto::replica::Item;
use fingerpost_proto::signed::{Carry, Signed};
use fingerpost_proto::sync::{Farewell, Frame, Scope, Tag, VERSION};
use fingerpost_proto::ticket::Ticket;
use futures::io::{AsyncReadExt, AsyncWriteExt};
use tempfile::TempDir;
use tokio::sync::{Mutex, mpsc};

pub(crate) use talk::Talk;

/// After this a condition is taken never to hold.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);
/// So much more memory than before an attack is no harm, in KiB.
pub(crate) const MEMORY_KIB: u64 = 64 * 1024;
/// What the listing of the attacked organisation says; nobody else's does.
pub(crate) const WORD: &str = "hydrotherapy";

/// Set in the process of a test that runs alone.
const ALONE: &str = "FINGERPOST_TEST_ALONE";

/// Runs the test of this name in a process of its own, so that its memory can be measured, one such process
/// after the other. True in that process.
pub(crate) async fn alone(test: &str) -> bool {
    static TURN: Mutex<()> = Mutex::const_new(());
    if std::env::var_os(ALONE).is_some() {
        return true;
    }
    let _turn = TURN.lock().await;
    let mut command = tokio::process::Command::new(std::env::current_exe().unwrap());
    command
        .args([test, "--exact", "--nocapture"])
        .env(ALONE, "1")
        .kill_on_drop(true);
    let output = command.output().await.unwrap();
    print!("{}", String::from_utf8_lossy(&output.stdout));
    eprint!("{}", String::from_utf8_lossy(&output.stderr));
    let ran = String::from_utf8_lossy(&output.stdout).contains("1 passed");
    assert!(
        output.status.success() && ran,
        "{test} failed in its own process"
    );
    false
}

/// Waits until a condition holds.
pub(crate) async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < DEADLINE, "in vain: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Waits for something that must not take for ever.
pub(crate) async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    let outcome = tokio::time::timeout(DEADLINE, future).await;
    outcome.unwrap_or_else(|_| panic!("in vain: {what}"))
}

fn memory_kib(line: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let value = status
        .lines()
        .find_map(|found| found.strip_prefix(line))
        .unwrap();
    value.trim().trim_end_matches(" kB").parse().unwrap()
}

/// Does something, and says by how much the process's memory rose at the highest, in KiB. What the attacker
/// itself needs counts as well.
pub(crate) async fn measured<T>(work: impl Future<Output = T>) -> (T, u64) {
    // The system begins to count the highest point anew.
    std::fs::write("/proc/self/clear_refs", "5").unwrap();
    let before = memory_kib("VmRSS:");
    let outcome = work.await;
    (outcome, memory_kib("VmHWM:").saturating_sub(before))
}

/// Does something during which memory may rise by [`MEMORY_KIB`] at most.
pub(crate) async fn within_bounds<T>(what: &str, work: impl Future<Output = T>) -> T {
    let before = memory_kib("VmRSS:");
    let (outcome, rise) = measured(work).await;
    println!(
        "{what}: memory {} MiB, at the highest {rise} KiB more",
        before / 1024
    );
    assert!(rise < MEMORY_KIB, "{what}: {rise} KiB more memory");
    outcome
}

fn settings() -> Settings {
    let mut settings = Settings::default();
    settings.network.listen = vec!["/ip4/127.0.0.1/tcp/0".into()];
    settings.network.mdns = false;
    settings
}

/// Starts a node whose merge workers are the program that was built with this test.
pub(crate) async fn started(home: Home, keys: Keys) -> Running {
    let running = Running::start(home, settings(), keys).await.unwrap();
    let worker = env!("CARGO_BIN_EXE_fingerpostd");
    running.node.set_merge_worker(worker.into());
    running
}

/// A real node with an organisation.
pub(crate) struct Site {
    running: Running,
    pub(crate) org: OrgId,
    /// Removed when the site is dropped.
    directory: Option<TempDir>,
}

impl Site {
    /// A node that was started elsewhere, with one of its organisations.
    pub(crate) fn of(running: Running, org: OrgId) -> Self {
        Self {
            running,
            org,
            directory: None,
        }
    }

    /// A node with an organisation that is in no network.
    pub(crate) async fn start(name: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::at(dir.path().join("home"));
        home.prepare().unwrap();
        let keys = Keys::open(&home.keys()).unwrap();
        let running = started(home, keys).await;
        let node = Arc::clone(&running.node);
        let request = CreateOrg {
            name: name.into(),
            identifiers: Vec::new(),
        };
        let org = tokio::task::spawn_blocking(move || {
            node.create_org(&request, &By::user("test").unwrap())
                .unwrap()
                .id
        });
        Self {
            running,
            org: org.await.unwrap(),
            directory: Some(dir),
        }
    }

    /// A node whose organisation has founded a network and published a small listing.
    pub(crate) async fn founder() -> (Self, NetworkId) {
        let site = Self::start("Lambeth Pools").await;
        let org = site.org;
        let network = site
            .blocking(move |node| {
                let by = By::user("test").unwrap();
                let fields = Fields {
                    fields: vec![("name".into(), format!("Gentle {WORD}"))],
                };
                node.add_service(&org, &fields, &by).unwrap();
                let found = Found {
                    name: "Brixton".into(),
                    charter: "We take care.".into(),
                    vouches: 1,
                    founders: Vec::new(),
                };
                node.found(&org, &found, &by).unwrap().id
            })
            .await;
        site.finds_its_listing().await;
        (site, network)
    }

    pub(crate) fn node(&self) -> &Arc<Node> {
        &self.running.node
    }

    pub(crate) async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Node) -> T + Send + 'static,
    ) -> T {
        let node = Arc::clone(self.node());
        tokio::task::spawn_blocking(move || work(&node))
            .await
            .unwrap()
    }

    pub(crate) async fn status(&self) -> Status {
        self.blocking(|node| node.status().unwrap()).await
    }

    /// How often something was refused for this reason.
    pub(crate) async fn refused(&self, reason: &str) -> u64 {
        self.status()
            .await
            .refused
            .get(reason)
            .copied()
            .unwrap_or(0)
    }

    /// Waits until so many refusals have been counted.
    pub(crate) async fn until_refused(&self, reason: &str, count: u64) {
        let begun = Instant::now();
        loop {
            let refused = self.status().await.refused;
            if refused.get(reason).copied().unwrap_or(0) >= count {
                return;
            }
            assert!(
                begun.elapsed() < DEADLINE,
                "never {count} of {reason}: {refused:?}"
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    pub(crate) async fn search(&self, text: &str) -> Vec<String> {
        let query = Query {
            text: Some(text.to_owned()),
            limit: 10,
            ..Query::default()
        };
        let page = self.blocking(move |node| node.search(query).unwrap()).await;
        page.results.into_iter().map(|result| result.name).collect()
    }

    /// Waits until a search finds exactly these: the index follows the store a moment later.
    pub(crate) async fn until_found(&self, text: &str, names: &[&str]) {
        let begun = Instant::now();
        loop {
            let found = self.search(text).await;
            if found == names {
                return;
            }
            assert!(begun.elapsed() < DEADLINE, "{text} finds {found:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Adds a service that has this word in its name.
    pub(crate) async fn publishes(&self, word: &str) {
        let (org, name) = (self.org, format!("Gentle {word}"));
        self.blocking(move |node| {
            let fields = Fields {
                fields: vec![("name".into(), name)],
            };
            node.add_service(&org, &fields, &By::user("test").unwrap())
                .unwrap();
        })
        .await;
    }

    async fn finds_its_listing(&self) {
        self.until_found(WORD, &[&format!("Gentle {WORD}")]).await;
    }

    /// The node answers as it did before the attack.
    pub(crate) async fn is_well(&self) {
        assert_eq!(self.search(WORD).await, [format!("Gentle {WORD}")]);
        let status = self.status().await;
        assert!(status.index.ready);
        assert_eq!(status.warnings, Vec::<String>::new());
        assert_eq!(status.networks.len(), 1);
        assert_eq!(status.lacking.states, 0);
    }

    pub(crate) async fn ticket(&self) -> String {
        let org = self.org;
        let invite = Invite {
            network: None,
            valid_s: 3_600,
            note: None,
        };
        self.blocking(move |node| node.invite(&org, &invite).unwrap().ticket)
            .await
    }

    /// An honest organisation joins with a node of its own, and finds the listing.
    pub(crate) async fn gains_a_member(&self, name: &str) -> Self {
        let newcomer = Self::start(name).await;
        let by = By::user("test").unwrap();
        let ticket = self.ticket().await;
        let joined = newcomer.node().join(newcomer.org, &ticket, true, by);
        soon("joining", joined).await.unwrap();
        newcomer.finds_its_listing().await;
        let found = name.to_owned();
        let begun = Instant::now();
        loop {
            let members = self
                .blocking(|node| node.members(None).unwrap().members)
                .await;
            if members.iter().any(|member| member.org.name == found) {
                return newcomer;
            }
            assert!(begun.elapsed() < DEADLINE, "{found} never became a member");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    pub(crate) async fn stop(self) {
        self.running.stop().await.unwrap();
    }

    /// Stops the node and starts it again with what it has on disk.
    pub(crate) async fn restart(self) -> Self {
        self.running.stop().await.unwrap();
        let directory = self.directory.as_ref().unwrap();
        let home = Home::at(directory.path().join("home"));
        let keys = Keys::open(&home.keys()).unwrap();
        let running = started(home, keys).await;
        Self { running, ..self }
    }
}

/// A peer with a key of its own that does what it likes.
pub(crate) struct Hostile {
    pub(crate) net: Net,
    pub(crate) streams: IncomingStreams,
    seed: [u8; 32],
    heard: Arc<AtomicUsize>,
}

async fn take(net: Net, mut events: mpsc::Receiver<NetEvent>, heard: Arc<AtomicUsize>) {
    while let Some(event) = events.recv().await {
        if let NetEvent::Gossip { message, .. } = event {
            heard.fetch_add(1, Ordering::Relaxed);
            net.report(message, net::Acceptance::Ignore);
        }
    }
}

impl Hostile {
    /// A peer with a connection to the site.
    pub(crate) async fn at(site: &Site, number: u8) -> Self {
        let seed = [number; 32];
        let options = NetOptions {
            seed,
            settings: settings().network,
            agent: "hostile".into(),
        };
        let (net, events, streams) = net::start(options).await.unwrap();
        let heard = Arc::new(AtomicUsize::new(0));
        tokio::spawn(take(net.clone(), events, Arc::clone(&heard)));
        let target = site.node().id();
        net.dial(Some(target), site.node().net().listen_addresses());
        until("a connection", || {
            net.is_connected(&target) && site.node().net().is_connected(&net.node_id())
        })
        .await;
        net.set_trusted([target].into());
        Self {
            net,
            streams,
            seed,
            heard,
        }
    }

    /// How many pieces of gossip it was told.
    pub(crate) fn heard(&self) -> usize {
        self.heard.load(Ordering::Relaxed)
    }

    pub(crate) fn key(&self) -> SecretKey {
        SecretKey::from_seed(&self.seed)
    }

    pub(crate) async fn stream(&self, site: &Site) -> Stream {
        self.net.open_stream(site.node().id()).await.unwrap()
    }

    /// A stream on which frames can be said that make no sense.
    pub(crate) async fn talk(&self, site: &Site) -> Talk {
        let (sender, receiver) = frames(self.stream(site).await);
        Talk {
            sender,
            receiver,
            nonces: [[9; 16], [0; 16]],
        }
    }

    /// A stream on which the two have named a network to each other.
    pub(crate) async fn introduced(&self, site: &Site, network: NetworkId) -> Talk {
        let begun = Instant::now();
        // The place of a session that was just broken off is free a moment later.
        loop {
            let mut talk = self.talk(site).await;
            if talk.hello().await {
                talk.introduce(network).await;
                return talk;
            }
            assert!(begun.elapsed() < DEADLINE, "the node stays busy");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// The same as a node that the site knows for a member's.
    pub(crate) async fn known(&self, site: &Site, network: NetworkId) -> Talk {
        let mut talk = self.talk(site).await;
        assert!(talk.hello().await, "the node is busy");
        let tags = vec![talk.tag(network)];
        talk.say(&[Frame::Networks {
            tags,
            known: Vec::new(),
        }])
        .await;
        match talk.hear().await {
            Some(Frame::Networks { known, .. }) if !known.is_empty() => talk,
            other => panic!("{other:?}"),
        }
    }

    /// Writes bytes to a stream of its own, and waits until the node has given it up.
    pub(crate) async fn throw(&self, site: &Site, bytes: &[u8]) {
        let (mut read, mut write) = self.stream(site).await.split();
        // The node may have hung up before everything is written: that is as it should be.
        let _ = write.write_all(bytes).await;
        let _ = write.flush().await;
        let mut rest = Vec::new();
        let ended = read.read_to_end(&mut rest);
        let _ = soon("the node to hang up", ended).await;
    }
}

/// An organisation on a node of the attacker's.
pub(crate) struct Party {
    pub(crate) root: SecretKey,
    pub(crate) node: SecretKey,
    pub(crate) delegation: Signed<Delegation>,
}

impl Party {
    pub(crate) fn on(node: SecretKey) -> Self {
        let root = SecretKey::from_seed(&Hash::of(&node.public()).0);
        let delegation = Delegation {
            format: CERTIFICATE_FORMAT,
            org: root.org_id(),
            node: node.node_id(),
            role: Role::Admin,
            not_before_s: 0,
            not_after_s: None,
        };
        let delegation = Signed::sign(delegation, &root);
        Self {
            root,
            node,
            delegation,
        }
    }

    pub(crate) fn org(&self) -> OrgId {
        self.root.org_id()
    }

    /// What a record says; the caller may twist it.
    pub(crate) fn record(&self, document: DocName, seq: u64, state: &[u8]) -> Record {
        Record {
            format: FORMAT,
            org: self.org(),
            document,
            writer: Writer {
                node: self.node.node_id(),
                instance: Instance([7; 8]),
            },
            seq,
            saw: Vec::new(),
            heads: Vec::new(),
            state_hash: Hash::of(state),
            state_bytes: state.len() as u64,
            issued_at_s: now_s(),
            generation: None,
        }
    }

    pub(crate) fn sign(&self, record: Record, state: &[u8]) -> Item {
        Item::Record {
            record: SignedRecord::sign(record, &self.node).unwrap().to_bytes(),
            delegation: Some(self.delegation.to_bytes()),
            state: Some(state.to_vec()),
        }
    }

    pub(crate) fn item(&self, document: DocName, seq: u64, state: &[u8]) -> Item {
        self.sign(self.record(document, seq, state), state)
    }

    /// The card with which the organisation joins by a ticket.
    pub(crate) fn card(&self, ticket: &str) -> Item {
        let ticket = Ticket::parse(ticket).unwrap();
        let mut card = Card::new("Wolf in Wool");
        card.delegations.push(Carry::new(&self.delegation));
        let membership = Membership {
            epoch: 1,
            accepted_at_s: now_s(),
            invitation: Some(ticket.redeem(self.org(), now_s())),
            ..Membership::default()
        };
        card.networks.insert(ticket.network(), membership);
        self.item(DocName::Card, 1, &card.to_bytes())
    }
}

/// A listing with one service of that name.
pub(crate) fn listing(name: &str) -> Vec<u8> {
    let mut state = ShardState::empty(0);
    state.organization = Some(Organization {
        id: "o".into(),
        name: "Wolf in Wool".into(),
        ..Organization::default()
    });
    state.services.insert(Service {
        id: "s".into(),
        name: name.into(),
        ..Service::default()
    });
    state.to_bytes().unwrap()
}

/// An attacker whose organisation the node has taken in as a member.
pub(crate) async fn false_member(site: &Site, network: NetworkId, number: u8) -> (Hostile, Party) {
    let hostile = Hostile::at(site, number).await;
    let party = Party::on(hostile.key());
    let mut talk = hostile.introduced(site, network).await;
    let shown = talk.show(vec![party.card(&site.ticket().await)]).await;
    assert_eq!(shown.len(), 1, "the node's own card");
    talk.deliver(Scope::Cards, Vec::new()).await;
    talk.deliver(Scope::Rest, Vec::new()).await;
    assert_eq!(talk.receipt().await, (1, 0), "the card is taken");
    (hostile, party)
}

/// Frames behind their lengths, as one finished zstd stream.
pub(crate) fn compressed(frames: &[&[u8]]) -> Vec<u8> {
    let mut plain = Vec::new();
    for frame in frames {
        plain.extend_from_slice(&u32::try_from(frame.len()).unwrap().to_be_bytes());
        plain.extend_from_slice(frame);
    }
    zstd::bulk::compress(&plain, 3).unwrap()
}
