//! The daemon from start to end: one lock, one runtime, one tree of tasks, one clean stop.

use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;

use fingerpost_config::{Home, HomeError, Settings, SettingsError, Surroundings};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use crate::api;
use crate::keys::{KeyError, Keys};
use crate::net::{self, IncomingStreams, Net, NetError, NetEvent, NetOptions};
use crate::node::{
    Node, OpenError, Opened, Outgoing, run_feeder, run_follower, run_merger, run_scheduler,
    run_tasks,
};

/// Why the daemon ended.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The home.
    #[error(transparent)]
    Home(#[from] HomeError),
    /// The settings.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The log.
    #[error("{0}")]
    Log(String),
    /// Another daemon has this home.
    #[error(
        "another fingerpostd is already running with the home {0}; nothing was changed. Stop it first, or choose another --home"
    )]
    Running(PathBuf),
    /// The lock file.
    #[error("the lock file {path} could not be used: {source}")]
    Lock {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The keys.
    #[error(transparent)]
    Keys(#[from] KeyError),
    /// The network.
    #[error(transparent)]
    Net(#[from] NetError),
    /// The store or the index.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The socket.
    #[error(transparent)]
    Socket(#[from] api::SocketError),
    /// The system refused something basic.
    #[error("the system refused: {0}")]
    System(#[from] std::io::Error),
}

/// How long requests that are under way may take to finish when the daemon is asked to stop.
const DRAIN: std::time::Duration = std::time::Duration::from_secs(10);

/// After a new address, how long to wait for more of them; and how long between two looks at whether the
/// others were heard.
const RENEW_AFTER: std::time::Duration = std::time::Duration::from_secs(1);

/// How long to wait when others reach this node in another way: a relay that was lost is mostly replaced by then, and
/// one new card says both.
const RENEW_SETTLED: std::time::Duration = std::time::Duration::from_secs(3);

fn surroundings() -> Surroundings {
    Surroundings {
        fingerpost_home: std::env::var_os("FINGERPOST_HOME"),
        xdg_data_home: std::env::var_os("XDG_DATA_HOME"),
        home: std::env::var_os("HOME"),
        current_dir: std::env::current_dir().ok(),
    }
}

/// Takes the home for this process; the lock is held as long as the file is open.
fn take(home: &Home) -> Result<File, RunError> {
    let path = home.lock();
    let failed = |source| RunError::Lock {
        path: path.clone(),
        source,
    };
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => Err(RunError::Running(home.dir().to_owned())),
        Err(std::fs::TryLockError::Error(source)) => Err(failed(source)),
    }
}

/// Runs the daemon until SIGTERM or SIGINT.
///
/// # Errors
/// Any [`RunError`].
pub fn run(home: Option<PathBuf>) -> Result<(), RunError> {
    let home = Home::resolve(home, &surroundings())?;
    home.prepare()?;
    let settings = Settings::load(&home.config())?;
    crate::log::start(&settings.log).map_err(RunError::Log)?;
    let _lock = take(&home)?;
    let keys = Keys::open(&home.keys())?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let result = runtime.block_on(serve(home, settings, keys));
    runtime.shutdown_timeout(std::time::Duration::from_secs(5));
    result
}

/// Looks at a home whose daemon does not run.
///
/// # Errors
/// Any [`RunError`].
pub fn examine(home: Option<PathBuf>) -> Result<fingerpost_proto::api::Checkup, RunError> {
    let home = Home::resolve(home, &surroundings())?;
    let _lock = take(&home)?;
    Ok(crate::doctor::without_node(&home))
}

/// A node with its network and its tasks, without the local API.
pub struct Running {
    /// The node.
    pub node: Arc<Node>,
    net: Net,
    stop: watch::Sender<bool>,
    tasks: JoinSet<()>,
}

impl Running {
    /// Starts a node in a prepared home that this process has taken.
    ///
    /// # Errors
    /// [`RunError`].
    pub async fn start(home: Home, settings: Settings, keys: Keys) -> Result<Self, RunError> {
        let options = NetOptions {
            seed: keys.node().to_seed(),
            settings: settings.network.clone(),
            agent: format!("fingerpostd/{}", env!("CARGO_PKG_VERSION")),
        };
        let (net, events, streams) = net::start(options).await?;
        let opening = {
            let net = net.clone();
            tokio::task::spawn_blocking(move || Node::open(home, settings, keys, net))
        };
        let Opened { node, outgoing } = opening.await.map_err(std::io::Error::other)??;
        let (stop, stopped) = watch::channel(false);
        let mut tasks = JoinSet::new();
        tasks.spawn(publish(net.clone(), outgoing));
        tasks.spawn(watch_network(Arc::clone(&node), events, stopped.clone()));
        tasks.spawn(accept(Arc::clone(&node), streams));
        tasks.spawn(run_feeder(Arc::clone(&node), stopped.clone()));
        tasks.spawn(run_follower(Arc::clone(&node), stopped.clone()));
        tasks.spawn(run_merger(Arc::clone(&node), stopped.clone()));
        tasks.spawn(run_tasks(Arc::clone(&node), stopped.clone()));
        tasks.spawn(run_scheduler(Arc::clone(&node), stopped));
        Ok(Self {
            node,
            net,
            stop,
            tasks,
        })
    }

    /// Becomes true when the node is to stop.
    pub fn stopped(&self) -> watch::Receiver<bool> {
        self.stop.subscribe()
    }

    /// Tells every task, and whoever holds [`Running::stopped`], to come to an end.
    pub fn begin_stop(&self) {
        self.stop.send(true).ok();
    }

    /// Ends the tasks and makes everything durable.
    ///
    /// # Errors
    /// [`RunError::System`].
    pub async fn stop(mut self) -> Result<(), RunError> {
        self.begin_stop();
        self.net.shutdown().await;
        self.tasks.shutdown().await;
        let node = self.node;
        tokio::task::spawn_blocking(move || node.close())
            .await
            .map_err(std::io::Error::other)?;
        Ok(())
    }
}

async fn serve(home: Home, settings: Settings, keys: Keys) -> Result<(), RunError> {
    let socket = home.socket()?;
    let listener = api::bind(&socket).await?;
    let dir = home.dir().to_owned();
    let running = Running::start(home, settings, keys).await?;
    tracing::info!(
        "node {} ready in {}",
        running.node.id().short(),
        dir.display()
    );
    let serving = tokio::spawn(api::serve(
        listener,
        Arc::clone(&running.node),
        running.stopped(),
    ));
    let (node, stopped) = (Arc::clone(&running.node), running.stopped());
    tokio::spawn(async move {
        let settings = node.settings().metrics.clone();
        if let Err(error) = api::serve_figures(&settings, node, stopped).await {
            tracing::warn!(
                "the figures are not served on port {}: {error}; all else goes on",
                settings.port
            );
        }
    });
    let (node, stopped) = (Arc::clone(&running.node), running.stopped());
    tokio::spawn(async move {
        let settings = node.settings().public_api.clone();
        if let Err(error) = crate::oruk::serve(&settings, node, stopped).await {
            tracing::warn!(
                "the directory is not served on port {}: {error}; all else goes on",
                settings.port
            );
        }
    });
    // Nobody may be listening for this; it is not needed outside systemd.
    sd_notify::notify(&[sd_notify::NotifyState::Ready]).ok();
    wait_for_signal().await?;
    tracing::info!("stopping");
    sd_notify::notify(&[sd_notify::NotifyState::Stopping]).ok();
    running.begin_stop();
    tokio::time::timeout(DRAIN, serving).await.ok();
    running.stop().await?;
    std::fs::remove_file(&socket).ok();
    tracing::info!("stopped");
    Ok(())
}

async fn wait_for_signal() -> std::io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}

async fn publish(net: Net, mut outgoing: mpsc::Receiver<Outgoing>) {
    while let Some(Outgoing { network, bytes }) = outgoing.recv().await {
        if let Err(error) = net.publish(network, bytes).await {
            // Nobody to tell right now: the next sync with each peer carries it.
            tracing::debug!("an announcement was not sent: {error}");
        }
    }
}

async fn accept(node: Arc<Node>, mut streams: IncomingStreams) {
    // They end with this task, so that nobody holds the store when the daemon has stopped.
    let mut answers = JoinSet::new();
    loop {
        tokio::select! {
            stream = streams.next() => match stream {
                Some((peer, stream)) => {
                    answers.spawn(Arc::clone(&node).answer(peer, stream));
                }
                None => return,
            },
            Some(_) = answers.join_next() => {}
        }
    }
}

async fn watch_network(
    node: Arc<Node>,
    mut events: mpsc::Receiver<NetEvent>,
    mut stop: watch::Receiver<bool>,
) {
    let mut renew: Option<tokio::time::Instant> = None;
    loop {
        let renewing = async {
            match renew {
                Some(at) => tokio::time::sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            event = events.recv() => match event {
                Some(event) => handle(&node, event, &mut renew),
                None => return,
            },
            () = renewing => {
                renew = tokio::task::block_in_place(|| match node.has_heard() {
                    true => {
                        node.refresh_addresses();
                        None
                    }
                    false => Some(tokio::time::Instant::now() + RENEW_AFTER),
                });
            }
            _ = stop.changed() => return,
        }
    }
}

fn handle(node: &Arc<Node>, event: NetEvent, renew: &mut Option<tokio::time::Instant>) {
    match event {
        NetEvent::Connected {
            node: peer,
            address,
            outbound,
        } => {
            node.peer_connected(peer, address, outbound);
        }
        NetEvent::Disconnected { node: peer } => node.peer_disconnected(&peer),
        NetEvent::Gossip {
            message,
            from,
            bytes,
            ..
        } => {
            let acceptance = tokio::task::block_in_place(|| node.handle_gossip(from, &bytes));
            node.net().report(message, acceptance);
        }
        NetEvent::Listening { address } => {
            tracing::info!("listening on {address}");
            // Addresses come in a bunch; one new card for all of them.
            *renew = Some(tokio::time::Instant::now() + RENEW_AFTER);
        }
        NetEvent::AddressesChanged => {
            let at = tokio::time::Instant::now() + RENEW_SETTLED;
            *renew = Some(renew.map_or(at, |earlier| earlier.min(at)));
        }
        NetEvent::Warning(text) => tracing::warn!("{text}"),
        _ => {}
    }
}
