//! One node as a process: it does what it is asked in lines of JSON on its standard input, and answers in others.

use std::io::{BufRead, Write, stdin, stdout};
use std::path::Path;
use std::sync::Arc;

use fingerpost_config::{Home, Settings};
use fingerpost_daemon::keys::Keys;
use fingerpost_daemon::node::{By, Node};
use fingerpost_daemon::run::Running;
use fingerpost_daemon::search::{Kind, Query};
use fingerpost_proto::api::{CreateOrg, Fields, Follow, Found, Invite};
use fingerpost_proto::ids::OrgId;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

/// What a node is asked.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum Ask {
    /// Make an organisation.
    Organisation(String),
    /// Make a network of that organisation's.
    Network(String),
    /// Give a ticket.
    Invite,
    /// Join with a ticket, and answer at once; how it went is told by [`Ask::Joined`].
    Join(String),
    /// Follow one area only.
    Follow(String),
    /// How many states are lacking.
    Lacking,
    /// Wait until it has joined.
    Joined,
    /// Add a service with this name.
    Service(String),
    /// Set the description of a service.
    Describe(String, String),
    /// How many documents are held, and how many exchanges have come to their end.
    Held,
    /// Whether search has everything that is held: 1, or 0.
    Indexed,
    /// How many services are found, with this word.
    Services(Option<String>),
    /// How many nodes are connected.
    Connected,
    /// Bytes that sessions carried.
    Traffic,
    /// Come to an end.
    Stop,
}

fn by() -> By {
    By::user("bench").unwrap()
}

fn settings(port: u16, interval_s: u32) -> Settings {
    let mut settings = Settings::default();
    settings.network.listen = vec![format!("/ip4/127.0.0.1/tcp/{port}")];
    settings.network.mdns = false;
    settings.sync.interval_s = interval_s;
    settings
}

struct Asked {
    runtime: Runtime,
    node: Arc<Node>,
    joining: Option<tokio::task::JoinHandle<()>>,
}

impl Asked {
    fn org(&self) -> OrgId {
        self.node.own_org(None).unwrap()
    }

    fn answer(&mut self, ask: Ask) -> Value {
        let node = Arc::clone(&self.node);
        match ask {
            Ask::Organisation(name) => {
                let request = CreateOrg {
                    name,
                    identifiers: vec![],
                };
                json!(node.create_org(&request, &by()).unwrap().id)
            }
            Ask::Network(name) => {
                let request = Found {
                    name,
                    charter: String::new(),
                    vouches: 1,
                    founders: Vec::new(),
                };
                node.found(&self.org(), &request, &by()).unwrap();
                Value::Null
            }
            Ask::Invite => {
                let request = Invite {
                    network: None,
                    valid_s: 86_400,
                    note: None,
                };
                json!(node.invite(&self.org(), &request).unwrap().ticket)
            }
            Ask::Join(ticket) => {
                let org = self.org();
                self.joining = Some(self.runtime.spawn(async move {
                    node.join(org, &ticket, true, by()).await.unwrap();
                }));
                Value::Null
            }
            Ask::Follow(area) => {
                let follow = Follow {
                    areas: vec![area],
                    ..Follow::default()
                };
                node.follow(&follow).unwrap();
                Value::Null
            }
            Ask::Lacking => json!(node.status().unwrap().lacking.states),
            Ask::Joined => {
                if let Some(joining) = self.joining.take() {
                    self.runtime.block_on(joining).unwrap();
                }
                Value::Null
            }
            Ask::Service(name) => {
                let fields = Fields {
                    fields: vec![("name".into(), name)],
                };
                json!(
                    node.add_service(&self.org(), &fields, &by())
                        .unwrap()
                        .service
                )
            }
            Ask::Describe(service, text) => {
                let fields = Fields {
                    fields: vec![("description".into(), text)],
                };
                node.set_service(&self.org(), &service, &fields, &by())
                    .unwrap();
                Value::Null
            }
            Ask::Held => json!(node.document_count()),
            Ask::Indexed => json!(u64::from(node.is_index_ready())),
            Ask::Services(text) => {
                let query = Query {
                    text,
                    kind: Some(Kind::Service),
                    limit: 10,
                    ..Query::default()
                };
                json!(node.search(query).map_or(0, |page| page.total))
            }
            Ask::Connected => json!(node.net().connected().len()),
            Ask::Traffic => json!(node.traffic()),
            Ask::Stop => Value::Null,
        }
    }
}

/// Runs a node in a home until it is told to stop, or its parent is gone.
pub(crate) fn run(home: &Path, port: u16, interval_s: u32) {
    let home = Home::at(home);
    home.prepare().unwrap();
    let keys = Keys::open(&home.keys()).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    let running = runtime
        .block_on(Running::start(home, settings(port, interval_s), keys))
        .unwrap();
    let mut asked = Asked {
        runtime,
        node: Arc::clone(&running.node),
        joining: None,
    };
    println!("\"ready\"");
    for line in stdin().lock().lines() {
        let ask: Ask = serde_json::from_str(&line.unwrap()).unwrap();
        let stop = matches!(ask, Ask::Stop);
        let answer = asked.answer(ask);
        if stop {
            asked.runtime.block_on(running.stop()).unwrap();
            println!("{answer}");
            return;
        }
        println!("{answer}");
        stdout().flush().unwrap();
    }
}
