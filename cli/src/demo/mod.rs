//! `fingerpost demo`: a federation of several nodes on this machine.
//!
//! Starts one `fingerpostd` for each listing, in temporary homes, and drives them through the local
//! API that every command uses. Nothing is staged: each claim on the screen is checked, and the first
//! that does not hold ends the demo with exit code 1 and the homes, with their logs, kept.

mod binary;
pub(crate) use binary::installed as find_daemon;
mod forgery;
mod listings;
mod logs;
mod node;
mod screen;
mod spread;
mod story;
mod together;
mod view;

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use tempfile::TempDir;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::demo::node::Node;
use crate::demo::screen::Screen;
use crate::demo::story::Story;
use crate::error::CliError;
use crate::output::Output;

/// How long any single step may take, in seconds: many nodes share few cores.
const STEP_DEADLINE_S: u64 = 600;

/// How many nodes are started, and how many join, at a time.
const AT_A_TIME: usize = 2;

#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// How many nodes, each with one organisation
    #[arg(long, default_value_t = 6, value_parser = clap::value_parser!(u16).range(2..))]
    nodes: u16,
    /// Stay up at the end, and print commands to try
    #[arg(long)]
    keep: bool,
    /// Use the listings in this folder, each *.json an organisation in Open Referral JSON
    #[arg(long, value_name = "DIR")]
    listings: Option<PathBuf>,
}

/// How the demo came to its end.
enum End {
    Finished(Result<(), CliError>),
    Interrupted,
}

pub(crate) async fn run(demo: Demo, output: Output) -> Result<(), CliError> {
    let mut signals = Signals::new()?;
    let inputs = listings::load(demo.listings.as_deref())?;
    let screen = Screen::new(output);
    let wanted = usize::from(demo.nodes);
    if wanted > inputs.len() {
        screen.line(&format!(
            "There are {} listings, so there will be {} nodes and not {wanted}.",
            inputs.len(),
            inputs.len()
        ))?;
    }
    let inputs: Vec<_> = inputs.into_iter().take(wanted).collect();
    if inputs.len() < 2 {
        return Err(CliError::usage(
            "A federation needs two organisations at least, and there is only one listing.",
            "Name a folder with more listings.",
        ));
    }
    if demo.listings.is_none() {
        screen.line(fingerpost_config::samples::NOTICE)?;
    }
    let homes = tempfile::Builder::new()
        .prefix("fingerpost-demo-")
        .tempdir()
        .map_err(CliError::file("the directory for temporary files"))?;
    let mut nodes: Vec<Node> = Vec::new();
    let end = {
        let story = Story {
            inputs: &inputs,
            homes: homes.path(),
            screen: &screen,
            keep: demo.keep,
        };
        tokio::select! {
            biased;
            () = signals.any() => End::Interrupted,
            result = story.tell(&mut nodes) => End::Finished(result),
        }
    };
    screen.clear();
    let end = match end {
        End::Finished(Ok(())) if demo.keep => {
            signals.any().await;
            screen.line("Stopping the nodes and removing their homes.")?;
            Ok(())
        }
        End::Finished(result) => result,
        End::Interrupted => Err(CliError::Stopped(
            "The demo was stopped. Its nodes were ended and their homes removed.".to_owned(),
        )),
    };
    for node in &mut nodes {
        node.end();
    }
    for node in &mut nodes {
        node.kill().await;
    }
    drop(nodes);
    finish(end, homes).await
}

/// Removes the homes, or keeps them after a failure and says where they are.
async fn finish(end: Result<(), CliError>, homes: TempDir) -> Result<(), CliError> {
    match end {
        Err(error) if !matches!(error, CliError::Stopped(_) | CliError::BrokenPipe) => {
            let path = homes.keep();
            Err(CliError::Demo {
                message: error.to_string(),
                hint: format!(
                    "The homes of the nodes, with a daemon.log in each, were kept in {}",
                    path.display()
                ),
            })
        }
        end => {
            let path = homes.path().to_owned();
            if homes.close().is_err() {
                // A node that was being started when the demo was stopped may write a last file.
                tokio::time::sleep(Duration::from_millis(200)).await;
                let _ = std::fs::remove_dir_all(&path);
            }
            end
        }
    }
}

/// The signals that end the demo.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hang_up: Signal,
}

impl Signals {
    fn new() -> Result<Self, CliError> {
        let listen = |kind| signal(kind).map_err(CliError::file("the operating system's signals"));
        Ok(Self {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
            hang_up: listen(SignalKind::hangup())?,
        })
    }

    async fn any(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = self.hang_up.recv() => {}
        }
    }
}

/// A claim that did not hold.
fn failed(message: impl Into<String>) -> CliError {
    CliError::Demo {
        message: message.into(),
        hint: String::new(),
    }
}
