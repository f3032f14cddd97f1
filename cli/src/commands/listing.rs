//! `fingerpost listing import|show|export|history|undo`

mod import;

use clap::Subcommand;
use fingerpost_proto::api::{Edited, History, HistoryItem, ListingView};
use fingerpost_proto::listing::{EntityRef, FieldChange};
use serde_json::Value;

use crate::client::Target;
use crate::commands::Context;
use crate::error::CliError;
use crate::exchange::{Format, write_listings};
use crate::output::words::{ago, count, now_s};
use crate::output::{entity_lines, json_pretty, one_line, table};

/// Most changes of one kind that are written out.
const CHANGES_MAX: usize = 20;
/// How much is shown of a value that would change.
const DETAIL_MAX_LETTERS: usize = 60;

#[derive(Debug, Subcommand)]
pub(crate) enum Listing {
    /// Take a listing from a file, a package, a spreadsheet or a feed
    ///
    /// Open Referral JSON (ORUK 3, HSDS 3) and CSV packages of HSDS 1 to 3, also zipped, are read as they are; a
    /// spreadsheet (CSV, XLSX) needs a mapping, which --guess proposes. Importing again updates services by
    /// their id and adds new ones. Rows that cannot be read are named, and the exit code is then 5.
    Import(import::Import),
    /// Show a listing
    Show {
        /// Whose, by name or id [default: this node's organisation]
        organisation: Option<String>,
    },
    /// Write a listing as Open Referral JSON, CSV package, workbook, or a page to print
    Export {
        /// Whose, by name or id [default: this node's organisation]
        organisation: Option<String>,
        #[command(flatten)]
        target: crate::exchange::Target,
    },
    /// Who changed what in your listing, and when; newest first
    History,
    /// Take back the latest change of your listing
    Undo,
}

/// Says after an edit how to take it back, if it did anything.
pub(crate) fn advise_undo(edited: &Edited, context: &Context) {
    if !edited.records.is_empty() {
        context
            .output
            .talk("Take it back with: fingerpost listing undo");
    }
}

pub(crate) async fn run(listing: Listing, context: &Context) -> Result<(), CliError> {
    match listing {
        Listing::Import(import) => import::run(import, context).await,
        Listing::Show { organisation } => {
            let view = view(organisation, context).await?;
            context.output.emit(&view, |view| in_words(view, context))
        }
        Listing::Export {
            organisation,
            target,
        } => {
            let view = view(organisation, context).await?;
            warn_if_outdated(&view, context);
            export(&view, &target, context)
        }
        Listing::History => {
            let history: History = context
                .client
                .get(&context.target(&["listing", "history"]))
                .await?;
            context
                .output
                .emit(&history, |history| history_in_words(history, context))
        }
        Listing::Undo => {
            let target = context.target(&["listing", "undo"]);
            report(
                &context.client.post_bytes(&target, Vec::new()).await?,
                context,
            )
        }
    }
}

/// Writes a listing as it is wanted; without a file and in JSON, just as the API gives it.
fn export(
    view: &ListingView,
    target: &crate::exchange::Target,
    context: &Context,
) -> Result<(), CliError> {
    if target.output.is_none() && target.format() == Format::Json {
        return context.output.emit(view, |view| json_pretty(&view.listing));
    }
    let mut organization = view.listing.clone();
    let services = organization
        .as_object_mut()
        .and_then(|fields| fields.remove("services"));
    let whole =
        serde_json::json!({"organization": organization, "services": services.unwrap_or_default()});
    let listing: fingerpost_proto::listing::Listing =
        serde_json::from_value(whole).map_err(|error| CliError::Answer(error.to_string()))?;
    let name = view.organisation.name.clone();
    let (content, told) = write_listings(&[listing], &name, true, target)?;
    let written = serde_json::json!({
        "organisation": view.organisation,
        "output": target.output.as_ref().map(|path| path.display().to_string()),
        "content": content,
    });
    context
        .output
        .emit(&written, |_| content.clone().unwrap_or_default())?;
    context.output.talk(&format!("Exported: {told}."));
    Ok(())
}

async fn view(organisation: Option<String>, context: &Context) -> Result<ListingView, CliError> {
    let target = Target::new(&["listing"]).with("org", context.org_or(organisation)?);
    context.client.get(&target).await
}

/// Says what an edit did; for this command and `service`.
pub(crate) fn report(edited: &Edited, context: &Context) -> Result<(), CliError> {
    tell_notes(edited, context);
    context.output.emit(edited, edit_in_words)?;
    Ok(())
}

/// Says what people should know about an edit.
pub(crate) fn tell_notes(edited: &Edited, context: &Context) {
    for note in &edited.notes {
        context.output.talk(&format!("note: {}", one_line(note)));
    }
}

pub(crate) fn edit_in_words(edited: &Edited) -> String {
    let mut text = format!(
        "{}: {}\n",
        one_line(&edited.organisation.name),
        one_line(&edited.summary)
    );
    let changes = &edited.changes;
    for field in changes.organization_fields.iter().take(CHANGES_MAX) {
        text.push_str(&format!(
            "  changed  organisation: {}\n",
            one_line(&field.field)
        ));
    }
    let name =
        |service: &EntityRef| format!("{} ({})", one_line(&service.name), one_line(&service.id));
    let added = changes.added.iter().map(name).collect();
    let removed = changes.removed.iter().map(name).collect();
    let changed = changes.changed.iter().map(|change| {
        let fields = one_line(&change.fields.join(", "));
        let details: String = change.details.iter().map(detail).collect();
        format!("{}: {fields}{details}", name(&change.service))
    });
    let changed = changed.collect();
    for (what, services) in [
        ("added  ", added),
        ("changed", changed),
        ("removed", removed),
    ] {
        let services: Vec<String> = services;
        for service in services.iter().take(CHANGES_MAX) {
            text.push_str(&format!("  {what}  {service}\n"));
        }
        if let Some(more) = services
            .len()
            .checked_sub(CHANGES_MAX)
            .filter(|more| *more > 0)
        {
            text.push_str(&format!("  {what}  and {more} more\n"));
        }
    }
    text
}

/// A field before and after, on a line of its own.
fn detail(change: &FieldChange) -> String {
    let text = |value: &Option<Value>| match value {
        None => "(nothing)".to_owned(),
        Some(Value::String(text)) => short(text),
        Some(other) => short(&other.to_string()),
    };
    let (before, after) = (text(&change.before), text(&change.after));
    format!(
        "\n             {}: {before} -> {after}",
        one_line(&change.field)
    )
}

fn short(text: &str) -> String {
    let line = one_line(text);
    match line.char_indices().nth(DETAIL_MAX_LETTERS) {
        Some((end, _)) => format!("{}…", line.get(..end).unwrap_or_default()),
        None => line,
    }
}

fn warn_if_outdated(view: &ListingView, context: &Context) {
    if view.outdated {
        context
            .output
            .talk("A newer version of this listing is known, and its content has not arrived yet.");
    }
}

fn in_words(view: &ListingView, context: &Context) -> String {
    warn_if_outdated(view, context);
    let mut organisation = view.listing.clone();
    let services = organisation
        .as_object_mut()
        .and_then(|fields| fields.remove("services"));
    let services = match services {
        Some(Value::Array(services)) => services,
        _ => Vec::new(),
    };
    let age = view
        .issued_at_s
        .map(|at_s| format!(", last changed {}", ago(at_s, now_s())));
    let mut text = format!(
        "{}{}\n\n{}\n",
        count(services.len(), "entry"),
        age.unwrap_or_default(),
        entity_lines(&organisation),
    );
    if !services.is_empty() {
        let field = |service: &Value, name: &str| {
            service
                .get(name)
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned()
        };
        let row = |service: &Value| {
            ["name", "status", "assured_date", "id"].map(|name| field(service, name))
        };
        let header = ["name", "status", "last assured", "id"];
        text.push_str(&table(&context.output, header, services.iter().map(row)));
    }
    text
}

pub(crate) fn history_in_words(history: &History, context: &Context) -> String {
    if history.entries.is_empty() {
        return format!(
            "The listing of {} is empty.\n",
            one_line(&history.organisation.name)
        );
    }
    let now_s = now_s();
    let row = |item: &HistoryItem| {
        [
            ago(item.at_s, now_s),
            item.who.clone(),
            item.what.clone(),
            item.documents.join(", "),
        ]
    };
    let header = ["when", "who", "what", "in"];
    table(&context.output, header, history.entries.iter().map(row))
}
