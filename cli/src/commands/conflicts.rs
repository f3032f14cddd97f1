//! `fingerpost conflicts`, `conflicts resolve`

use clap::{Args, Subcommand};
use fingerpost_proto::api::{ConflictInfo, ConflictValue, Conflicts as Known, Edited, Resolve};
use serde_json::Value;

use crate::commands::Context;
use crate::error::CliError;
use crate::output::words::{ago, count, moment, now_s};
use crate::output::{ask, one_line};

#[derive(Debug, Args)]
pub(crate) struct Conflicts {
    #[command(subcommand)]
    command: Option<What>,
}

#[derive(Debug, Subcommand)]
enum What {
    /// List the fields that two nodes of your organisation wrote differently [the default]
    List,
    /// Keep one of the values of a field
    Resolve {
        /// The conflict, by the id that `conflicts` shows
        id: String,
        /// Which of its values to keep, from 1 [default: asked for]
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
        keep: Option<u32>,
    },
}

pub(crate) async fn run(conflicts: Conflicts, context: &Context) -> Result<(), CliError> {
    match conflicts.command {
        None | Some(What::List) => list(context).await,
        Some(What::Resolve { id, keep }) => resolve(id, keep, context).await,
    }
}

async fn known(context: &Context) -> Result<Known, CliError> {
    context.client.get(&context.target(&["conflicts"])).await
}

async fn list(context: &Context) -> Result<(), CliError> {
    let known = known(context).await?;
    context
        .output
        .emit(&known, |known| in_words(known, now_s()))?;
    context.output.talk(&match known.conflicts.len() {
        0 => format!(
            "{} has no field with more than one value.",
            one_line(&known.organisation.name)
        ),
        fields => format!(
            "{} with more than one value; the first of each is shown to others. To choose: fingerpost \
             conflicts resolve ID --keep N",
            count(fields, "field")
        ),
    });
    Ok(())
}

fn in_words(known: &Known, now_s: u64) -> String {
    let mut text: String = known
        .conflicts
        .iter()
        .map(|conflict| one_in_words(conflict, now_s))
        .collect();
    for record in &known.unmerged {
        text.push_str(&format!(
            "Not merged yet: {}, written by {} on {}: {}\n",
            record.document,
            record.node.short(),
            moment(record.issued_at_s),
            one_line(&record.reason)
        ));
    }
    text
}

fn one_in_words(conflict: &ConflictInfo, now_s: u64) -> String {
    let mut text = format!(
        "{}  {} of {} ({})\n",
        one_line(&conflict.id),
        one_line(&conflict.field),
        one_line(&conflict.about),
        conflict.document
    );
    for (at, one) in conflict.values.iter().enumerate() {
        let ConflictValue { value, who, at_s } = one;
        text.push_str(&format!(
            "  {}  {}  ({}, {})\n",
            at + 1,
            shown(value),
            one_line(who),
            ago(*at_s, now_s)
        ));
    }
    text
}

/// A value of a field; a text without its quotation marks.
fn shown(value: &Value) -> String {
    match value {
        Value::String(text) if text.trim().is_empty() => "(empty)".to_owned(),
        Value::String(text) => one_line(text),
        Value::Null => "(removed)".to_owned(),
        other => one_line(&other.to_string()),
    }
}

async fn resolve(id: String, keep: Option<u32>, context: &Context) -> Result<(), CliError> {
    let keep = match keep {
        Some(keep) => usize::try_from(keep).unwrap_or(usize::MAX),
        None if context.output.can_ask() => asked(&id, context).await?,
        None => {
            return Err(CliError::usage(
                "Which value is kept must be said, and there is nobody to ask.",
                "Add --keep with the number that `fingerpost conflicts` shows before it.",
            ));
        }
    };
    let target = context.target(&["conflicts", "resolve"]);
    let edited: Edited = context.client.post(&target, &Resolve { id, keep }).await?;
    context
        .output
        .emit(&edited, |edited| format!("{}\n", one_line(&edited.summary)))?;
    context
        .output
        .talk("The other values stay in the document's history.");
    Ok(())
}

/// Shows the values of a conflict and asks which of them to keep.
async fn asked(id: &str, context: &Context) -> Result<usize, CliError> {
    let known = known(context).await?;
    let conflict = known.conflicts.iter().find(|one| one.id == id);
    let Some(conflict) = conflict else {
        return Err(CliError::not_found(
            format!(
                "There is no conflict {}. Nothing was changed.",
                one_line(id)
            ),
            "It may have been settled on another node. See: fingerpost conflicts",
        ));
    };
    context.output.talk(&one_in_words(conflict, now_s()));
    let most = conflict.values.len();
    let answer = ask(&format!("Which value is right? [1 to {most}]"))?;
    match answer.parse::<usize>() {
        Ok(keep) if (1..=most).contains(&keep) => Ok(keep),
        _ => Err(CliError::Stopped(
            "None of the values was chosen. Nothing was changed.".to_owned(),
        )),
    }
}
