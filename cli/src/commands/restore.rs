//! `fingerpost restore FILE`, and `fingerpost restore --from-network`

use std::path::{Path, PathBuf};

use clap::Args;
use fingerpost_proto::api::{self, Restored, RestoredBackup, UseBackup};
use fingerpost_proto::ids::DocName;

use crate::client::Target;
use crate::commands::Context;
use crate::commands::backup::read_backup;
use crate::error::CliError;
use crate::input::secret::{KeySource, kept_passphrase};
use crate::output::one_line;
use crate::output::words::moment;

#[derive(Debug, Args)]
pub(crate) struct Restore {
    /// A file of `fingerpost backup`
    #[arg(value_name = "FILE", conflicts_with_all = ["from_network", "ticket", "words_file", "key_file"])]
    file: Option<PathBuf>,
    /// Fetch everything from the other members' nodes: they are the backup
    #[arg(long, required_unless_present = "file", requires = "ticket")]
    from_network: bool,
    /// A ticket of any member, which says where the network is; it is not used up
    #[arg(long, value_name = "TICKET")]
    ticket: Option<String>,
    /// File with the words of the paper key [default: they are asked for]
    #[arg(long, value_name = "FILE", conflicts_with = "key_file")]
    words_file: Option<String>,
    /// File of `fingerpost key export`
    #[arg(long, value_name = "FILE")]
    key_file: Option<String>,
    /// File whose first line is the passphrase of the backup or the key file [default: asked for]
    #[arg(long, value_name = "FILE", conflicts_with = "words_file")]
    passphrase_file: Option<String>,
}

pub(crate) async fn run(restore: Restore, context: &Context) -> Result<(), CliError> {
    match (&restore.file, &restore.ticket) {
        (Some(path), _) => from_file(path, restore.passphrase_file.as_deref(), context).await,
        (None, Some(ticket)) => from_network(&restore, ticket, context).await,
        (None, None) => Err(CliError::usage(
            "Neither a backup nor a ticket is named.",
            "fingerpost restore FILE, or: fingerpost restore --from-network --ticket TICKET",
        )),
    }
}

async fn from_file(
    path: &Path,
    passphrase_file: Option<&str>,
    context: &Context,
) -> Result<(), CliError> {
    let file = read_backup(path)?;
    let passphrase = kept_passphrase(passphrase_file, "Passphrase of the backup: ", context)?;
    let body = UseBackup {
        file,
        passphrase: passphrase.to_string(),
    };
    context
        .output
        .talk("Reading the backup, and asking the other nodes for what is newer…");
    let target = Target::new(&["backup", "restore"]);
    let restored: RestoredBackup = context.client.post(&target, &body).await?;
    context.output.emit(&restored, all_in_words)?;
    for note in &restored.notes {
        context.output.talk(&format!("note: {}", one_line(note)));
    }
    for org in &restored.need_pass {
        context.output.talk(&format!(
            "note: the root key of {} is not in the backup, and this node is another than the one that made it. \
             Have this node let in by one that holds the key: fingerpost node add",
            one_line(&org.name)
        ));
    }
    Ok(())
}

fn all_in_words(restored: &RestoredBackup) -> String {
    let parts: Vec<String> = restored.organisations.iter().map(in_words).collect();
    format!(
        "Backup of {}\n{}",
        moment(restored.made_at_s),
        parts.concat()
    )
}

async fn from_network(restore: &Restore, ticket: &str, context: &Context) -> Result<(), CliError> {
    if restore.passphrase_file.is_some() && restore.key_file.is_none() {
        return Err(CliError::usage(
            "There is a passphrase, and no file that it is for.",
            "Name the file of the key too: --key-file FILE",
        ));
    }
    let source = KeySource {
        key_file: restore.key_file.as_deref(),
        words_file: restore.words_file.as_deref(),
        passphrase_file: restore.passphrase_file.as_deref(),
    };
    let body = api::Restore {
        key: source.read(context)?,
        ticket: ticket.to_owned(),
    };
    context
        .output
        .talk("Looking for the network, and for what it keeps of your organisation…");
    let restored: Restored = context
        .client
        .post(&Target::new(&["restore"]), &body)
        .await?;
    context.output.emit(&restored, in_words)?;
    if !restored.complete {
        context.output.talk(
            "The rest comes by itself as other nodes are met; `fingerpost status` shows what lacks. Change \
             nothing in the listing before it is here.",
        );
    }
    Ok(())
}

fn in_words(restored: &Restored) -> String {
    let mut text = format!(
        "{} ({})\n{}\n",
        one_line(&restored.organisation.name),
        restored.organisation.id,
        one_line(&restored.summary)
    );
    for (documents, how) in [
        (&restored.with_history, "Back with history"),
        (&restored.without_history, "Back without history"),
    ] {
        if !documents.is_empty() {
            let names: Vec<String> = documents.iter().map(DocName::to_string).collect();
            text.push_str(&format!("{how}: {}\n", names.join(", ")));
        }
    }
    text
}
