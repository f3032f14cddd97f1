//! `fingerpost record export|import`

use clap::Subcommand;
use fingerpost_proto::api::{Delivered, DeliveryOutcome, Records};
use fingerpost_proto::limits;

use crate::client::Target;
use crate::commands::Context;
use crate::error::CliError;
use crate::input::read_input;
use crate::output::one_line;

#[derive(Debug, Subcommand)]
pub(crate) enum Record {
    /// Print the signed records that this node holds of an organisation, as JSON
    Export {
        /// Whose, by name or id
        organisation: String,
        /// Which document only: card, listing/0, listing/1, …
        document: Option<String>,
    },
    /// Hand this node records from a file; it checks them like anything from another node
    Import {
        /// The file that `record export` printed; - reads standard input
        file: String,
    },
}

pub(crate) async fn run(record: Record, context: &Context) -> Result<(), CliError> {
    match record {
        Record::Export {
            organisation,
            document,
        } => {
            let target = Target::new(&["records"]);
            let target = target
                .with("org", Some(organisation))
                .with("document", document);
            let records: Records = context.client.get(&target).await?;
            // Records are for programs: JSON, whether asked for or not.
            context.output.document(&records)
        }
        Record::Import { file } => {
            let bytes = read_input(&file, limits::IMPORT_MAX_BYTES)?;
            let records: Records =
                serde_json::from_slice(&bytes).map_err(|error| CliError::Refused {
                    message: format!(
                        "This is not what `record export` prints: {error}. Nothing was changed."
                    ),
                    hint: "Export the records again, and hand the file over as it is.".to_owned(),
                })?;
            let target = Target::new(&["records"]);
            let delivered: Delivered = context.client.post(&target, &records).await?;
            context.output.emit(&delivered, in_words)?;
            refuse_if_any(&delivered)
        }
    }
}

fn in_words(delivered: &Delivered) -> String {
    let lines = delivered.outcomes.iter().enumerate().map(|(at, outcome)| {
        let outcome = match outcome {
            DeliveryOutcome::Accepted => "new, and kept".to_owned(),
            DeliveryOutcome::AlreadyKnown => "known already".to_owned(),
            DeliveryOutcome::Dominated => "older than what is held; nothing was changed".to_owned(),
            DeliveryOutcome::Refused { reason, message } => {
                format!("refused ({}): {}", one_line(reason), one_line(message))
            }
        };
        format!("{}: {outcome}\n", at + 1)
    });
    lines.collect()
}

fn refuse_if_any(delivered: &Delivered) -> Result<(), CliError> {
    let refused = delivered.outcomes.iter();
    let refused = refused
        .filter(|outcome| matches!(outcome, DeliveryOutcome::Refused { .. }))
        .count();
    if refused == 0 {
        return Ok(());
    }
    Err(CliError::Refused {
        message: format!("{refused} of {} items refused.", delivered.outcomes.len()),
        hint: "What was refused changed nothing here. Ask its organisation for a fresh export."
            .to_owned(),
    })
}
