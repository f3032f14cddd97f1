//! `fingerpost due`

use clap::Args;
use fingerpost_proto::api::{self, DueService};

use crate::commands::Context;
use crate::error::CliError;
use crate::output::words::count;
use crate::output::{one_line, table};

#[derive(Debug, Args)]
pub(crate) struct Due {
    /// After how many days without a confirmation a service is due [default: what your networks' charters say, or 180]
    #[arg(long)]
    days: Option<u32>,
}

pub(crate) async fn run(due: Due, context: &Context) -> Result<(), CliError> {
    let target = context
        .target(&["due"])
        .with("days", due.days.map(|days| days.to_string()));
    let due: api::Due = context.client.get(&target).await?;
    context.output.emit(&due, |due| in_words(due, context))?;
    let name = one_line(&due.organisation.name);
    context.output.talk(&match (due.services.len(), due.of) {
        (0, 0) => format!("{name} lists no services yet."),
        (0, of) => format!("All is confirmed: {} of {name}.", count(of, "service")),
        (some, of) => format!(
            "{some} of {} to be looked at. When you have: fingerpost assure SERVICE, or fingerpost assure --all",
            count(of, "service")
        ),
    });
    Ok(())
}

fn in_words(due: &api::Due, context: &Context) -> String {
    if due.services.is_empty() {
        return String::new();
    }
    let row = |service: &DueService| {
        [
            service.name.clone(),
            service
                .assured_date
                .clone()
                .unwrap_or_else(|| "never".to_owned()),
            service
                .age_days
                .map_or_else(String::new, |days| days.to_string()),
            match service.findings.confirmed {
                0 => String::new(),
                some => some.to_string(),
            },
            service.id.clone(),
        ]
    };
    let header = ["name", "last assured", "days ago", "confirmed by", "id"];
    let mut text = table(&context.output, header, due.services.iter().map(row));
    for service in &due.services {
        for report in &service.findings.reports {
            text.push_str(&format!(
                "{}: {} reports on {}: {}\n",
                one_line(&service.name),
                one_line(&report.organisation.name),
                one_line(&report.posted),
                one_line(&report.text)
            ));
        }
    }
    text
}
