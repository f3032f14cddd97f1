//! Real nodes on loopback, each with an organisation of its own.

use std::sync::Arc;
use std::time::{Duration, Instant};

use fingerpost_config::{Home, Settings};
use fingerpost_daemon::keys::Keys;
use fingerpost_daemon::node::{By, Node, NodeError};
use fingerpost_daemon::run::Running;
use fingerpost_daemon::search::Query;
use fingerpost_proto::api::{
    CreateOrg, EntryView, Fields, Found, Invite, Member, NetworkInfo, SearchResult, VouchFor,
};
use fingerpost_proto::card::{Card, Membership};
use fingerpost_proto::ids::{NetworkId, OrgId};
use fingerpost_proto::roster::Place;
use tempfile::TempDir;

/// After this a condition is taken never to hold.
const DEADLINE: Duration = Duration::from_secs(90);

pub(crate) fn by() -> By {
    By::user("test").unwrap()
}

fn settings() -> Settings {
    let mut settings = Settings::default();
    settings.network.listen = vec!["/ip4/127.0.0.1/tcp/0".into()];
    settings.network.mdns = false;
    settings
}

/// A real node with an organisation.
pub(crate) struct Site {
    running: Option<Running>,
    pub(crate) org: OrgId,
    pub(crate) name: String,
    dir: TempDir,
}

impl Site {
    /// A node with an organisation that is in no network.
    pub(crate) async fn start(name: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut site = Self {
            running: None,
            org: OrgId::from_bytes([0; 32]),
            name: name.into(),
            dir,
        };
        site.home().prepare().unwrap();
        site.resume().await;
        site.org = site.create_org(name).await;
        site
    }

    /// Another organisation on this node.
    pub(crate) async fn create_org(&self, name: &str) -> OrgId {
        let request = CreateOrg {
            name: name.into(),
            identifiers: Vec::new(),
        };
        self.ask(move |node| node.create_org(&request, &by()).unwrap().id)
            .await
    }

    /// A node whose organisation offers one service, called after it.
    pub(crate) async fn with_service(name: &str) -> (Self, String) {
        let site = Self::start(name).await;
        let (org, fields) = (
            site.org,
            Fields {
                fields: vec![("name".into(), format!("{name} drop-in"))],
            },
        );
        let added = site
            .ask(move |node| node.add_service(&org, &fields, &by()).unwrap())
            .await;
        (site, added.service.unwrap())
    }

    pub(crate) fn home(&self) -> Home {
        Home::at(self.dir.path().join("home"))
    }

    pub(crate) async fn resume(&mut self) {
        let keys = Keys::open(&self.home().keys()).unwrap();
        let running = Running::start(self.home(), settings(), keys).await;
        let running = running.unwrap();
        running
            .node
            .set_merge_worker(env!("CARGO_BIN_EXE_fingerpostd").into());
        self.running = Some(running);
    }

    pub(crate) async fn stop(&mut self) {
        self.running.take().unwrap().stop().await.unwrap();
    }

    pub(crate) fn node(&self) -> &Arc<Node> {
        &self.running.as_ref().unwrap().node
    }

    /// Does something that blocks.
    pub(crate) async fn ask<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Node) -> T + Send + 'static,
    ) -> T {
        let node = Arc::clone(self.node());
        tokio::task::spawn_blocking(move || work(&node))
            .await
            .unwrap()
    }

    /// Does something in the name of the node's first organisation.
    pub(crate) async fn say<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Node, &OrgId, &By) -> Result<T, NodeError> + Send + 'static,
    ) -> Result<T, NodeError> {
        let org = self.org;
        self.ask(move |node| work(node, &org, &by())).await
    }

    /// Waits until something that is asked again and again has an answer.
    pub(crate) async fn until<T: Send + 'static>(
        &self,
        what: &str,
        ask: impl Fn(&Node) -> Option<T> + Send + Sync + 'static,
    ) -> T {
        let begun = Instant::now();
        let ask = Arc::new(ask);
        loop {
            let again = Arc::clone(&ask);
            if let Some(answer) = self.ask(move |node| again(node)).await {
                return answer;
            }
            assert!(begun.elapsed() < DEADLINE, "{}: in vain: {what}", self.name);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    pub(crate) async fn found(&self, name: &str, vouches: u32, founders: &[&Self]) -> NetworkInfo {
        let request = Found {
            name: name.into(),
            charter: "We take care.".into(),
            vouches,
            founders: founders.iter().map(|site| site.org).collect(),
        };
        self.say(move |node, org, by| node.found(org, &request, by))
            .await
            .unwrap()
    }

    pub(crate) async fn ticket(&self, network: NetworkId) -> String {
        let request = Invite {
            network: Some(network.to_string()),
            valid_s: 3_600,
            note: Some("for our neighbours".into()),
        };
        self.say(move |node, org, _| node.invite(org, &request))
            .await
            .unwrap()
            .ticket
    }

    pub(crate) async fn join_as(&self, org: OrgId, ticket: &str) -> NetworkInfo {
        let joined = self.node().join(org, ticket, true, by());
        let joined = tokio::time::timeout(DEADLINE, joined).await;
        joined.expect("joining takes too long").unwrap()
    }

    pub(crate) async fn join(&self, ticket: &str) -> NetworkInfo {
        self.join_as(self.org, ticket).await
    }

    pub(crate) async fn vouch_for(&self, other: OrgId, note: Option<&str>) {
        let request = VouchFor {
            network: None,
            subject: other.to_string(),
            note: note.map(str::to_owned),
        };
        self.say(move |node, org, by| node.vouch(org, &request, by))
            .await
            .unwrap();
    }

    /// Waits until this node sees an organisation at a place in the network.
    pub(crate) async fn sees(&self, network: NetworkId, org: OrgId, place: Place) -> Member {
        let network = network.to_string();
        let what = format!("{} is {place:?}", org.short());
        self.until(&what, move |node| {
            let members = node.members(Some(&network)).unwrap().members;
            members
                .into_iter()
                .find(|member| member.org.id == org && member.place == place)
        })
        .await
    }

    /// Waits until searching for a text finds exactly these names.
    pub(crate) async fn finds(&self, text: &str, names: &[&str]) -> Vec<SearchResult> {
        let (query, names): (String, Vec<String>) = (
            text.to_owned(),
            names.iter().map(|name| (*name).to_owned()).collect(),
        );
        self.until(&format!("{text} finds {names:?}"), move |node| {
            let query = Query {
                text: Some(query.clone()),
                limit: 20,
                ..Query::default()
            };
            let results = node.search(query).unwrap().results;
            let mut found: Vec<&String> = results.iter().map(|result| &result.name).collect();
            found.sort();
            (found == names.iter().collect::<Vec<_>>()).then_some(results)
        })
        .await
    }

    pub(crate) async fn entry(&self, id: &str) -> Result<EntryView, NodeError> {
        let id = id.to_owned();
        self.ask(move |node| node.entry(&id)).await
    }

    /// What this node holds of an organisation's card.
    pub(crate) async fn card_of(&self, org: OrgId) -> Card {
        self.ask(move |node| held_card(node, org)).await
    }

    pub(crate) async fn membership_of(&self, org: OrgId, network: NetworkId) -> Membership {
        let mut card = self.card_of(org).await;
        card.networks.remove(&network).unwrap_or_default()
    }

    pub(crate) async fn network_info(&self, network: NetworkId) -> NetworkInfo {
        let status = self.ask(|node| node.status().unwrap()).await;
        let mut networks = status.networks.into_iter();
        networks.find(|info| info.id == network).unwrap()
    }
}

pub(crate) fn held_card(node: &Node, org: OrgId) -> Card {
    let records = node.export_records(&org.to_string(), Some("card")).unwrap();
    let state = records
        .items
        .into_iter()
        .find_map(|item| item.state)
        .unwrap();
    Card::parse(&data_encoding::BASE64.decode(state.as_bytes()).unwrap()).unwrap()
}
