//! The command line: one file a command.

mod assure;
mod away;
mod backup;
mod block;
mod bundle;
mod charter;
mod close;
mod completions;
mod config;
mod conflicts;
mod digest;
mod doctor;
mod due;
mod duplicates;
mod erase;
mod explain;
mod export;
mod feed;
mod follow;
mod found;
mod help;
mod invite;
mod join;
mod key;
mod leave;
mod listing;
mod manpages;
mod map;
mod matches;
mod members;
mod node;
mod notice;
mod object;
mod org;
mod peers;
mod ping;
mod record;
mod reply;
mod report;
mod restore;
mod search;
mod seat;
mod service;
mod show;
mod status;
mod succession;
mod twins;
mod unblock;
mod vouch;
mod waiting;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{Args, Parser, Subcommand};
use fingerpost_config::{Home, Surroundings};

use crate::client::{Client, Target};
use crate::demo;
use crate::error::CliError;
use crate::output::Output;

/// Search the federation, keep your listing, run your networks.
///
/// Fingerpost is a directory that many organisations keep together and nobody owns. This program
/// talks to the node of this machine, `fingerpostd`, which must be running.
#[derive(Debug, Parser)]
#[command(name = "fingerpost", version, disable_help_subcommand = true, after_help = AFTER_HELP)]
pub(crate) struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

const AFTER_HELP: &str = "Data goes to standard output, everything else to standard error.\n\
    Exit codes: 0 done, 1 refused or failed, 2 usage, 3 no daemon runs, 4 no such thing,\n\
    5 done, but part of what was handed over was left out.";

/// Options that every command takes.
#[derive(Debug, Args)]
struct Global {
    /// Directory of the node [default: FINGERPOST_HOME, else ~/.local/share/fingerpost]
    #[arg(long, global = true, value_name = "DIR")]
    home: Option<PathBuf>,
    /// Print one JSON document with "format": 1; errors too, on standard error
    #[arg(long, global = true)]
    json: bool,
    /// The organisation that is meant, by name or id: one of this node's, or for looking, anyone's
    #[arg(long, global = true, value_name = "ORG")]
    org: Option<String>,
}

/// Which network a command is about.
#[derive(Debug, Args)]
pub(crate) struct InNetwork {
    /// Which network, by name or id; needed when there are several
    #[arg(long, value_name = "NETWORK")]
    pub(crate) network: Option<String>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// How this node is doing, who has your latest listing, and what it lacks
    Status(status::StatusCommand),
    /// Check this node: keys, permissions, clock, store, peers, disk; and say what to do
    Doctor(doctor::Doctor),
    /// The nodes that this node knows: the way to each, and what each lacks
    Peers(peers::PeersCommand),
    /// Measure the way to the nodes of an organisation
    Ping(ping::Ping),
    /// The settings of this node
    #[command(subcommand)]
    Config(config::Config),
    /// The organisations that this node holds
    #[command(subcommand)]
    Org(org::Org),
    /// Your listing as a whole
    #[command(subcommand)]
    Listing(listing::Listing),
    /// Small edits of single services
    #[command(subcommand)]
    Service(service::Service),
    /// Confirm that services of yours are listed as they are
    Assure(assure::Assure),
    /// What of your listing needs a look: not confirmed for long, or reported by others
    Due(due::Due),
    /// Say that an entry of another organisation is wrong; or, with --confirm, that it is right
    Report(report::Report),
    /// The board: what organisations need and offer, and what they say together
    #[command(subcommand)]
    Notice(notice::Notice),
    /// Answer a notice of another organisation
    Reply(reply::Reply),
    /// What others have for your needs, and which of their needs you may be able to answer
    Matches(matches::Matches),
    /// Organisations that do what yours does, for the same people
    Twins(twins::Twins),
    /// The seats that your organisation holds on forums, boards and other bodies
    #[command(subcommand)]
    Seat(seat::Seat),
    /// Draw who represents whom
    Map(map::Map),
    /// One page of what has concerned your organisation lately
    Digest(digest::Digest),
    /// Notices for news readers, and events for calendars
    Feed(feed::Feed),
    /// What two nodes of your organisation wrote differently at one time
    Conflicts(conflicts::Conflicts),
    /// Search everything that this node holds
    // Boxed: its many options would make every other command as large.
    Search(Box<search::Search>),
    /// What a term or an acronym of the field means
    Explain(explain::Explain),
    /// Show a service or an organisation, who says so, and how old our copy is
    Show(show::Show),
    /// Write everything that this node holds, or a part, as JSON, CSV, workbook, or a page to print
    Export(export::Export),
    /// What different organisations probably list twice, and why; nothing is merged
    Duplicates(duplicates::Duplicates),
    /// Found a network
    Found(found::Found),
    /// The text that members of a network accept, and its amendments
    #[command(subcommand)]
    Charter(charter::Charter),
    /// Make a ticket with which one organisation can join a network
    Invite(invite::Invite),
    /// Join a network with a ticket
    Join(join::Join),
    /// Who has asked to join a network, and who vouches for them
    Waiting(waiting::Waiting),
    /// Say that an organisation belongs in a network
    Vouch(vouch::Vouch),
    /// Object to an organisation: when more than half do, it is removed
    Object(object::Object),
    /// Neither take nor show what an organisation publishes, on this node alone
    Block(block::Block),
    /// End a block
    Unblock(unblock::Unblock),
    /// Keep the listings of some areas, types or networks only; those of others are left to others
    Follow(follow::FollowCommand),
    /// Who belongs to a network
    Members(members::Members),
    /// Say that your organisation is closed to referrals for a while
    Away(away::Away),
    /// Leave a network
    Leave(leave::Leave),
    /// Say that your organisation closes for good, and where people can turn
    Close(close::Close),
    /// What comes after an organisation: merged, or going on under another key
    #[command(subcommand)]
    Succession(succession::Succession),
    /// The machines that may write for your organisation
    #[command(subcommand)]
    Node(node::Node),
    /// The root key of your organisation: keep it safe, bring it back
    #[command(subcommand)]
    Key(key::Key),
    /// Write everything that brings this node's organisations back to one encrypted file
    Backup(backup::Backup),
    /// Erase something for good: here, on every node, and from all history
    Erase(erase::Erase),
    /// Bring your organisation back on a new machine
    Restore(restore::Restore),
    /// What a network's members may see, in one file: for a stick, an e-mail, a place without internet
    #[command(subcommand)]
    Bundle(bundle::Bundle),
    /// Signed records, as they are carried between nodes
    #[command(subcommand)]
    Record(record::Record),
    /// Start a federation of several nodes on this machine and watch it work
    Demo(demo::Demo),
    /// Print a completion script for a shell
    Completions(completions::Completions),
    /// Write the man pages of all commands to a directory
    Manpages(manpages::Manpages),
    /// Explain a command
    Help(help::Help),
}

/// What commands work with.
pub(crate) struct Context {
    /// How to print.
    pub(crate) output: Output,
    /// The daemon.
    pub(crate) client: Client,
    /// Value of `--org`.
    pub(crate) org: Option<String>,
}

impl Context {
    /// A path of the API with the organisation that `--org` names.
    fn target(&self, parts: &[&str]) -> Target {
        Target::new(parts).with("org", self.org.as_deref())
    }

    /// The organisation named by an argument or else by `--org`.
    ///
    /// # Errors
    /// [`CliError::Usage`] when both are there and differ.
    fn org_or(&self, argument: Option<String>) -> Result<Option<String>, CliError> {
        match (argument, &self.org) {
            (Some(argument), Some(org)) if argument != *org => Err(CliError::usage(
                "Two organisations are named.",
                "Name the organisation once: after the command, or with --org.",
            )),
            (argument, org) => Ok(argument.or_else(|| org.clone())),
        }
    }
}

/// Runs the command line of this process.
pub(crate) fn main(args: Vec<OsString>) -> ExitCode {
    let wants_json = args
        .iter()
        .skip(1)
        .take_while(|arg| *arg != "--")
        .any(|arg| arg == "--json");
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) => return explain(&error, wants_json),
    };
    let output = Output::new(cli.global.json);
    match run(cli, output) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => error.report(output.json),
    }
}

/// Prints what clap has to say: help, the version, or what is wrong with the command line.
fn explain(error: &clap::Error, wants_json: bool) -> ExitCode {
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            // A reader that has gone, as in `fingerpost --help | head -1`, is no failure.
            let _ = error.print();
            ExitCode::SUCCESS
        }
        _ if wants_json => {
            let text = error.to_string();
            let message = text.strip_prefix("error: ").unwrap_or(&text).trim();
            CliError::usage(message, "See: fingerpost help").report(true)
        }
        _ => {
            let _ = error.print();
            ExitCode::from(2)
        }
    }
}

fn run(cli: Cli, output: Output) -> Result<(), CliError> {
    cli.check_globals()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(CliError::file("the operating system's timers and sockets"))?;
    runtime.block_on(async {
        match cli.command {
            Command::Help(help) => help::run(&help, &output),
            Command::Completions(completions) => completions::run(&completions, &output),
            Command::Manpages(manpages) => manpages::run(&manpages, &output),
            Command::Demo(demo) => demo::run(demo, output).await,
            command => with_node(command, &context(cli.global, output)?).await,
        }
    })
}

async fn with_node(command: Command, context: &Context) -> Result<(), CliError> {
    match command {
        Command::Status(status) => status::run(&status, context).await,
        Command::Doctor(doctor) => doctor::run(doctor, context).await,
        Command::Peers(peers) => peers::run(peers, context).await,
        Command::Ping(ping) => ping::run(ping, context).await,
        Command::Config(config) => config::run(config, context).await,
        Command::Org(org) => org::run(org, context).await,
        Command::Listing(listing) => listing::run(listing, context).await,
        Command::Service(service) => service::run(service, context).await,
        Command::Assure(assure) => assure::run(assure, context).await,
        Command::Due(due) => due::run(due, context).await,
        Command::Report(report) => report::run(report, context).await,
        Command::Notice(notice) => notice::run(notice, context).await,
        Command::Reply(reply) => reply::run(reply, context).await,
        Command::Matches(matches) => matches::run(matches, context).await,
        Command::Twins(twins) => twins::run(twins, context).await,
        Command::Seat(seat) => seat::run(seat, context).await,
        Command::Map(map) => map::run(map, context).await,
        Command::Digest(digest) => digest::run(digest, context).await,
        Command::Feed(feed) => feed::run(feed, context).await,
        Command::Conflicts(conflicts) => conflicts::run(conflicts, context).await,
        Command::Search(search) => search::run(*search, context).await,
        Command::Explain(explain) => explain::run(explain, context).await,
        Command::Show(show) => show::run(show, context).await,
        Command::Export(export) => export::run(export, context).await,
        Command::Duplicates(duplicates) => duplicates::run(duplicates, context).await,
        Command::Found(found) => found::run(found, context).await,
        Command::Charter(charter) => charter::run(charter, context).await,
        Command::Invite(invite) => invite::run(invite, context).await,
        Command::Join(join) => join::run(join, context).await,
        Command::Waiting(waiting) => waiting::run(waiting, context).await,
        Command::Vouch(vouch) => vouch::run(vouch, context).await,
        Command::Object(object) => object::run(object, context).await,
        Command::Block(block) => block::run(block, context).await,
        Command::Unblock(unblock) => unblock::run(unblock, context).await,
        Command::Follow(follow) => follow::run(follow, context).await,
        Command::Members(members) => members::run(members, context).await,
        Command::Away(away) => away::run(away, context).await,
        Command::Leave(leave) => leave::run(leave, context).await,
        Command::Close(close) => close::run(close, context).await,
        Command::Erase(erase) => erase::run(erase, context).await,
        Command::Succession(succession) => succession::run(succession, context).await,
        Command::Node(node) => node::run(node, context).await,
        Command::Key(key) => key::run(key, context).await,
        Command::Backup(backup) => backup::run(backup, context).await,
        Command::Restore(restore) => restore::run(restore, context).await,
        Command::Bundle(bundle) => bundle::run(bundle, context).await,
        Command::Record(record) => record::run(record, context).await,
        // `run` has dealt with those that need no node.
        Command::Demo(_) | Command::Completions(_) | Command::Manpages(_) | Command::Help(_) => {
            Ok(())
        }
    }
}

fn context(global: Global, output: Output) -> Result<Context, CliError> {
    let around = Surroundings {
        fingerpost_home: std::env::var_os("FINGERPOST_HOME"),
        xdg_data_home: std::env::var_os("XDG_DATA_HOME"),
        home: std::env::var_os("HOME"),
        current_dir: std::env::current_dir().ok(),
    };
    let home = Home::resolve(global.home, &around)?;
    Ok(Context {
        output,
        client: Client::new(home),
        org: global.org,
    })
}

impl Command {
    /// Whether it asks a node anything.
    fn needs_node(&self) -> bool {
        !matches!(
            self,
            Self::Demo(_) | Self::Completions(_) | Self::Manpages(_) | Self::Help(_)
        )
    }

    /// Whether `--org` changes what it does.
    fn takes_org(&self) -> bool {
        match self {
            Self::Org(org) => org.takes_org(),
            Self::Charter(charter) => charter.takes_org(),
            Self::Succession(succession) => succession.takes_org(),
            Self::Node(node) => node.takes_org(),
            Self::Key(key) => key.takes_org(),
            Self::Backup(backup) => backup.takes_org(),
            Self::Status(_)
            | Self::Doctor(_)
            | Self::Peers(_)
            | Self::Ping(_)
            | Self::Config(_)
            | Self::Explain(_)
            | Self::Show(_)
            | Self::Export(_)
            | Self::Map(_)
            | Self::Members(_)
            | Self::Waiting(_)
            | Self::Block(_)
            | Self::Unblock(_)
            | Self::Restore(_)
            | Self::Bundle(_)
            | Self::Record(_) => false,
            _ => self.needs_node(),
        }
    }
}

impl Cli {
    /// Refuses an option where it would do nothing, so that nobody relies on it.
    fn check_globals(&self) -> Result<(), CliError> {
        let command = &self.command;
        let refused = match (&self.global.home, &self.global.org) {
            (Some(_), _) if !command.needs_node() => "--home",
            (_, Some(_)) if !command.takes_org() => "--org",
            _ => return Ok(()),
        };
        Err(CliError::usage(
            format!("{refused} means nothing for this command."),
            format!("Leave {refused} out."),
        ))
    }
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn options_that_would_do_nothing_are_refused() {
        for args in [
            vec!["fingerpost", "status", "--org", "x"],
            vec!["fingerpost", "--org", "x", "members"],
            vec!["fingerpost", "--home", "x", "completions", "bash"],
            vec!["fingerpost", "demo", "--home", "x"],
            vec!["fingerpost", "help", "--org", "x"],
            vec!["fingerpost", "export", "--org", "x"],
            vec!["fingerpost", "record", "export", "y", "--org", "x"],
            vec!["fingerpost", "bundle", "import", "y", "--org", "x"],
            vec!["fingerpost", "--home", "x", "manpages", "man"],
            vec!["fingerpost", "waiting", "--org", "x"],
            vec!["fingerpost", "block", "y", "--org", "x"],
            vec!["fingerpost", "unblock", "y", "--org", "x"],
            vec!["fingerpost", "charter", "show", "--org", "x"],
            vec!["fingerpost", "succession", "status", "--org", "x"],
            vec!["fingerpost", "org", "use", "y", "--org", "x"],
            vec![
                "fingerpost",
                "org",
                "hand-over",
                "y",
                "--to",
                "n",
                "--org",
                "x",
            ],
            vec!["fingerpost", "node", "join", "pass", "--org", "x"],
            vec!["fingerpost", "key", "import", "file", "--org", "x"],
        ] {
            let cli = Cli::try_parse_from(&args).unwrap();
            assert_eq!(cli.check_globals().unwrap_err().kind().1, 2, "{args:?}");
        }
        for args in [
            &["listing", "undo"][..],
            &["org", "rekey"],
            &["charter", "accept"],
            &["succession", "propose", "old"],
            &["node", "revoke", "n"],
            &["key", "print"],
            &["vouch", "y"],
            &["away", "--back"],
        ] {
            let args = [&["fingerpost", "--org", "x"], args].concat();
            let cli = Cli::try_parse_from(&args).unwrap();
            assert!(cli.check_globals().is_ok(), "{args:?}");
        }
    }
}
