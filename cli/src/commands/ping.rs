//! `fingerpost ping`

use clap::Args;
use fingerpost_proto::api::{self, PINGS_MAX, Pinged, PingedNode};

use crate::client::Target;
use crate::commands::Context;
use crate::commands::peers::{milliseconds, path_in_words};
use crate::error::CliError;
use crate::output::one_line;
use crate::output::words::count;

#[derive(Debug, Args)]
pub(crate) struct Ping {
    /// The organisation, by name or id
    organisation: String,
    /// How often each of its nodes is asked
    #[arg(long, short, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=PINGS_MAX as i64))]
    count: u16,
}

pub(crate) async fn run(ping: Ping, context: &Context) -> Result<(), CliError> {
    let request = api::Ping {
        org: ping.organisation,
        times: usize::from(ping.count),
    };
    let pinged: Pinged = context
        .client
        .post(&Target::new(&["ping"]), &request)
        .await?;
    context.output.emit(&pinged, in_words)?;
    let is_reached = |node: &PingedNode| !node.round_trips_us.is_empty();
    match pinged.nodes.iter().any(is_reached) {
        true => Ok(()),
        false => Err(CliError::Refused {
            message: format!(
                "No node of {} can be reached now.",
                one_line(&pinged.organisation.name)
            ),
            hint: "Its machine may be off; what you publish reaches it when it is back. To look for a fault on \
                   this side: fingerpost doctor"
                .to_owned(),
        }),
    }
}

fn in_words(pinged: &Pinged) -> String {
    let lines = pinged.nodes.iter().map(|node| {
        let path = path_in_words(node.path, node.via.as_ref(), false);
        let of = format!(
            "{} ({}), {path}:",
            one_line(&pinged.organisation.name),
            node.node.short()
        );
        match (&node.error, summary(&node.round_trips_us)) {
            (None, Some(summary)) => {
                let each = node.round_trips_us.iter().map(|it| milliseconds(*it));
                format!(
                    "{of}\n  {}\n  {} of {} came back: {summary}\n",
                    each.collect::<Vec<_>>().join(", "),
                    node.round_trips_us.len(),
                    count(node.sent, "question"),
                )
            }
            (error, _) => format!(
                "{of}\n  {}\n",
                one_line(error.as_deref().unwrap_or("nothing came back"))
            ),
        }
    });
    lines.collect()
}

/// Least, middle and greatest.
fn summary(times_us: &[u64]) -> Option<String> {
    let mut sorted = times_us.to_vec();
    sorted.sort_unstable();
    let middle = sorted.get(sorted.len() / 2)?;
    Some(format!(
        "least {}, middle {}, greatest {}",
        milliseconds(*sorted.first()?),
        milliseconds(*middle),
        milliseconds(*sorted.last()?)
    ))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn times_are_summed_up() {
        let told = summary(&[3_250, 1_000, 20_999]).unwrap();
        assert_eq!(told, "least 1.0 ms, middle 3.2 ms, greatest 20.9 ms");
        assert_eq!(summary(&[]), None);
    }
}
