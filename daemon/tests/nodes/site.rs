//! A node of a federation on loopback that can be stopped, started again and lost.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use fingerpost_config::{Home, Settings};
use fingerpost_daemon::keys::Keys;
use fingerpost_daemon::node::{By, Node};
use fingerpost_daemon::run::Running;
use fingerpost_proto::api::{CreateOrg, Fields, Found, Invite, OrgInfo};
use fingerpost_proto::ids::{NodeId, OrgId};
use tempfile::TempDir;

/// After this a condition is taken never to hold.
const DEADLINE: Duration = Duration::from_secs(90);

fn settings() -> Settings {
    let mut settings = Settings::default();
    settings.network.listen = vec!["/ip4/127.0.0.1/tcp/0".into()];
    settings.network.mdns = false;
    settings.sync.interval_s = 2;
    settings
}

pub(crate) fn by() -> By {
    By::user("test").unwrap()
}

/// A node with a home.
pub(crate) struct Site {
    running: Option<Running>,
    home: TempDir,
}

impl Site {
    /// A node that holds nothing.
    pub(crate) async fn start() -> Self {
        let mut site = Self {
            running: None,
            home: tempfile::tempdir().unwrap(),
        };
        site.resume().await;
        site
    }

    /// A node with an organisation, and a network that it has founded.
    pub(crate) async fn founder(name: &str, network: &str) -> (Self, OrgId) {
        let site = Self::start().await;
        let org = site.create(name).await;
        let network = network.to_owned();
        site.with(move |node| {
            let found = Found {
                name: network,
                charter: "We take care.".into(),
                vouches: 1,
                founders: Vec::new(),
            };
            node.found(&org, &found, &by()).unwrap();
        })
        .await;
        (site, org)
    }

    /// A node with an organisation that has joined by an invitation of the founder's.
    pub(crate) async fn member(name: &str, founder: &Self, inviter: OrgId) -> (Self, OrgId) {
        let site = Self::start().await;
        let org = site.create(name).await;
        let ticket = founder.ticket(inviter).await;
        site.node().join(org, &ticket, true, by()).await.unwrap();
        site.until("membership", move |node| {
            let members = node.members(None).unwrap().members;
            members.len() > 1 && node.invite(&org, &an_hour()).is_ok()
        })
        .await;
        founder
            .until("the new member", move |node| {
                let members = node.members(None).unwrap().members;
                members.iter().any(|member| member.org.id == org)
            })
            .await;
        (site, org)
    }

    pub(crate) fn home(&self) -> PathBuf {
        self.home.path().join("home")
    }

    /// Starts the node in its home.
    pub(crate) async fn resume(&mut self) {
        let home = Home::at(self.home());
        home.prepare().unwrap();
        let keys = Keys::open(&home.keys()).unwrap();
        let running = Running::start(home, settings(), keys).await.unwrap();
        running
            .node
            .set_merge_worker(env!("CARGO_BIN_EXE_fingerpostd").into());
        self.running = Some(running);
    }

    /// Ends the node; its home stays.
    pub(crate) async fn pause(&mut self) {
        if let Some(running) = self.running.take() {
            running.stop().await.unwrap();
        }
    }

    pub(crate) fn node(&self) -> &Arc<Node> {
        &self.running.as_ref().unwrap().node
    }

    pub(crate) fn id(&self) -> NodeId {
        self.node().id()
    }

    /// Calls another node: after a restart it listens elsewhere than its card says.
    pub(crate) fn meet(&self, other: &Self) {
        let addresses = other.node().net().listen_addresses();
        self.node().net().dial(Some(other.id()), addresses);
    }

    /// Asks the node for something, away from the tasks that serve the network.
    pub(crate) async fn with<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Node) -> T + Send + 'static,
    ) -> T {
        let node = Arc::clone(self.node());
        tokio::task::spawn_blocking(move || work(&node))
            .await
            .unwrap()
    }

    /// Waits until something holds of the node.
    pub(crate) async fn until(
        &self,
        what: &str,
        holds: impl Fn(&Node) -> bool + Send + Sync + 'static,
    ) {
        let begun = Instant::now();
        let holds = Arc::new(holds);
        loop {
            let now = Arc::clone(&holds);
            if self.with(move |node| now(node)).await {
                return;
            }
            if begun.elapsed() >= DEADLINE {
                let status = self.with(|node| node.status().unwrap()).await;
                panic!("in vain: {what}; {status:#?}");
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    pub(crate) async fn create(&self, name: &str) -> OrgId {
        let request = CreateOrg {
            name: name.into(),
            identifiers: Vec::new(),
        };
        self.with(move |node| node.create_org(&request, &by()).unwrap().id)
            .await
    }

    pub(crate) async fn add_service(&self, org: OrgId, name: &str) {
        let fields = Fields {
            fields: vec![("name".into(), name.into())],
        };
        self.with(move |node| node.add_service(&org, &fields, &by()).unwrap())
            .await;
    }

    /// Waits until the listing of an organisation has exactly these services.
    pub(crate) async fn shows(&self, org: OrgId, names: &[&str]) {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let what = format!("{names:?} of {}", org.short());
        self.until(&what, move |node| services(node, org) == names)
            .await;
    }

    pub(crate) async fn ticket(&self, org: OrgId) -> String {
        self.with(move |node| node.invite(&org, &an_hour()).unwrap().ticket)
            .await
    }

    pub(crate) async fn info(&self, org: OrgId) -> Option<OrgInfo> {
        self.with(move |node| node.orgs().unwrap().into_iter().find(|it| it.id == org))
            .await
    }
}

fn an_hour() -> Invite {
    Invite {
        network: None,
        valid_s: 3_600,
        note: None,
    }
}

/// The names of an organisation's services as a node shows them, sorted.
pub(crate) fn services(node: &Node, org: OrgId) -> Vec<String> {
    let Ok(view) = node.listing(Some(&org.to_string())) else {
        return Vec::new();
    };
    let services = view.listing["services"].as_array().cloned();
    let mut names: Vec<String> = services
        .unwrap_or_default()
        .iter()
        .map(|service| service["name"].as_str().unwrap_or_default().to_owned())
        .collect();
    names.sort();
    names
}
