//! `fingerpost restore --from-network`

use clap::Args;
use fingerpost_proto::api::{self, Restored};
use fingerpost_proto::ids::DocName;

use crate::client::Target;
use crate::commands::Context;
use crate::error::CliError;
use crate::input::secret::KeySource;
use crate::output::one_line;

#[derive(Debug, Args)]
pub(crate) struct Restore {
    /// Fetch everything from the other members' nodes: they are the backup
    #[arg(long, required = true)]
    from_network: bool,
    /// A ticket of any member, which says where the network is; it is not used up
    #[arg(long, value_name = "TICKET")]
    ticket: String,
    /// File with the words of the paper key [default: they are asked for]
    #[arg(long, value_name = "FILE", conflicts_with = "key_file")]
    words_file: Option<String>,
    /// File of `fingerpost key export`
    #[arg(long, value_name = "FILE")]
    key_file: Option<String>,
    /// File whose first line is the passphrase of the key file [default: asked for]
    #[arg(
        long,
        value_name = "FILE",
        requires = "key_file",
        conflicts_with = "words_file"
    )]
    passphrase_file: Option<String>,
}

pub(crate) async fn run(restore: Restore, context: &Context) -> Result<(), CliError> {
    let source = KeySource {
        key_file: restore.key_file.as_deref(),
        words_file: restore.words_file.as_deref(),
        passphrase_file: restore.passphrase_file.as_deref(),
    };
    let body = api::Restore {
        key: source.read(context)?,
        ticket: restore.ticket,
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
