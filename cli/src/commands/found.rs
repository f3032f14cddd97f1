//! `fingerpost found NAME`

use std::collections::BTreeSet;

use clap::Args;
use fingerpost_proto::api::{self, NetworkInfo};
use fingerpost_proto::ids::OrgId;
use fingerpost_proto::limits;

use crate::commands::Context;
use crate::error::CliError;
use crate::input::{named, read_text};
use crate::output::one_line;
use crate::output::words::count;

#[derive(Debug, Args)]
pub(crate) struct Found {
    /// Name of the network
    name: String,
    /// File with the text that members accept when they join; - reads standard input
    #[arg(long, value_name = "FILE")]
    charter: Option<String>,
    /// How many members must vouch for a newcomer
    #[arg(long, value_name = "K", default_value_t = 1, value_parser = vouches())]
    vouches: u32,
    /// Another founder, by full id; may be given several times. It is a member as soon as it accepts the
    /// charter, without anybody's vouch
    #[arg(long = "founder", value_name = "ORG")]
    founders: Vec<String>,
}

/// As many as there can be founders.
pub(crate) fn vouches() -> clap::builder::RangedI64ValueParser<u32> {
    let most = i64::try_from(limits::ANCHORS_MAX).unwrap_or(1);
    clap::value_parser!(u32).range(1..=most)
}

pub(crate) async fn run(found: Found, context: &Context) -> Result<(), CliError> {
    let founders = founders(&found.founders)?;
    enough(found.vouches, founders.len().saturating_add(1))?;
    let body = api::Found {
        name: found.name,
        charter: match &found.charter {
            None => String::new(),
            Some(file) => read_charter(file)?,
        },
        vouches: found.vouches,
        founders,
    };
    let network: NetworkInfo = context
        .client
        .post(&context.target(&["networks"]), &body)
        .await?;
    context
        .output
        .emit(&network, |network| format!("{}\n", network.id))?;
    context.output.talk(&format!(
        "The network {} was founded ({}). Invite others with: fingerpost invite",
        one_line(&network.name),
        network.short,
    ));
    context.output.talk(&advice(&body));
    Ok(())
}

/// Reads the text of a charter.
///
/// # Errors
/// Those of reading; [`CliError::Refused`] when the file is empty.
pub(crate) fn read_charter(file: &str) -> Result<String, CliError> {
    let text = read_text(file, limits::CHARTER_MAX_BYTES)?;
    if text.trim().is_empty() {
        return Err(CliError::Refused {
            message: format!(
                "{} is empty, and nobody can accept an empty charter. Nothing was changed.",
                named(file)
            ),
            hint: "Write in it what members agree to; a few sentences are enough.".to_owned(),
        });
    }
    Ok(text)
}

fn founders(typed: &[String]) -> Result<Vec<OrgId>, CliError> {
    let parsed = typed.iter().map(|text| {
        text.parse::<OrgId>().map_err(|error| {
            CliError::usage(
                format!("Which founder? {error}."),
                "Ask each founder for the full id that `fingerpost org id` prints there.",
            )
        })
    });
    let founders: BTreeSet<OrgId> = parsed.collect::<Result<_, _>>()?;
    Ok(founders.into_iter().collect())
}

/// Refuses a network that could never admit anybody.
fn enough(vouches: u32, founders: usize) -> Result<(), CliError> {
    let wanted = usize::try_from(vouches).unwrap_or(usize::MAX);
    if wanted <= founders {
        return Ok(());
    }
    Err(CliError::usage(
        format!(
            "With {} needed and {} nobody could ever be admitted.",
            count(vouches, "vouch"),
            count(founders, "founder"),
        ),
        format!(
            "Name {} with --founder ORG, or ask for fewer with --vouches.",
            count(wanted - founders, "more founder"),
        ),
    ))
}

/// What to know about the number of vouches and the other founders.
fn advice(found: &api::Found) -> String {
    let mut text = String::new();
    if found.vouches == 1 {
        text.push_str(
            "With one vouch any single member can let others in. Better are two founders and two \
             vouches: fingerpost found NAME --vouches 2 --founder ORG; or, once three have joined: \
             fingerpost charter propose --vouches 2\n",
        );
    }
    if !found.founders.is_empty() {
        text.push_str(&format!(
            "{} accept the charter with a ticket of yours and need no vouch.\n",
            match found.founders.len() {
                1 => "The other founder must".to_owned(),
                more => format!("The {more} other founders must"),
            }
        ));
    }
    text
}
