//! `fingerpost waiting`

use clap::Args;
use fingerpost_proto::api::{self, Applicant, VouchInfo};

use crate::client::Target;
use crate::commands::{Context, InNetwork};
use crate::error::CliError;
use crate::output::words::{count, date, names};
use crate::output::{one_line, table};

#[derive(Debug, Args)]
pub(crate) struct Waiting {
    #[command(flatten)]
    network: InNetwork,
}

pub(crate) async fn run(waiting: Waiting, context: &Context) -> Result<(), CliError> {
    let target = Target::new(&["waiting"]).with("network", waiting.network.network);
    let waiting: api::Waiting = context.client.get(&target).await?;
    context
        .output
        .emit(&waiting, |waiting| in_words(waiting, context))?;
    let name = one_line(&waiting.name);
    context.output.talk(&match waiting.applicants.len() {
        0 => format!("Nobody waits to join {name}."),
        _ => format!(
            "{name} asks for {}. To give yours: fingerpost vouch ORG",
            count(waiting.vouches_needed, "vouch")
        ),
    });
    Ok(())
}

/// How many vouches of those needed count, and whose: `1 of 2: Aid`.
pub(crate) fn vouches(given: &[VouchInfo], needed: u32) -> String {
    let counting: Vec<&str> = given
        .iter()
        .filter(|vouch| vouch.counts)
        .map(|vouch| vouch.org.name.as_str())
        .collect();
    let number = format!("{} of {needed}", counting.len());
    if counting.is_empty() {
        number
    } else {
        format!("{number}: {}", counting.join(", "))
    }
}

fn in_words(waiting: &api::Waiting, context: &Context) -> String {
    if waiting.applicants.is_empty() {
        return String::new();
    }
    let row = |applicant: &Applicant| {
        let on_the_way = match applicant.on_the_way.as_slice() {
            [] => String::new(),
            some => format!("vouch of {} on its way", names(some)),
        };
        let second = applicant.invitation_used_by.as_ref().map(|first| {
            format!(
                "came with an invitation that {} had used already",
                first.name
            )
        });
        let remarks: Vec<String> = second
            .into_iter()
            .chain(Some(on_the_way).filter(|text| !text.is_empty()))
            .collect();
        [
            applicant.org.name.clone(),
            applicant.short.clone(),
            applicant.since_s.map(date).unwrap_or_default(),
            vouches(&applicant.vouched_by, waiting.vouches_needed),
            applicant.missing.to_string(),
            remarks.join("; "),
        ]
    };
    let header = ["name", "id", "since", "vouches", "lacks", "remarks"];
    table(&context.output, header, waiting.applicants.iter().map(row))
}
