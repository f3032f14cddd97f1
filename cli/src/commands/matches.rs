//! `fingerpost matches`

use clap::Args;
use fingerpost_proto::api::{self, Matched, NoticeView};
use fingerpost_proto::matching::Reason;

use crate::commands::Context;
use crate::error::CliError;
use crate::output::one_line;
use crate::output::words::count;

#[derive(Debug, Args)]
pub(crate) struct Matches {
    /// Only what others have for your needs
    #[arg(long, conflicts_with = "others")]
    mine: bool,
    /// Only needs of others that you may be able to answer
    #[arg(long)]
    others: bool,
}

pub(crate) async fn run(matches: Matches, context: &Context) -> Result<(), CliError> {
    let mut found: api::Matches = context.client.get(&context.target(&["matches"])).await?;
    if matches.mine {
        found.others.clear();
    }
    if matches.others {
        found.needs.clear();
    }
    context.output.emit(&found, in_words)?;
    let answered = found
        .needs
        .iter()
        .filter(|one| !one.matches.is_empty())
        .count();
    let mut said = Vec::new();
    if !matches.others {
        said.push(match found.needs.len() {
            0 => {
                "You have put up no needs: fingerpost notice post --kind need --title …".to_owned()
            }
            all => format!(
                "{} of yours, {answered} with something that may answer it.",
                count(all, "need")
            ),
        });
    }
    if !matches.mine {
        said.push(match found.others.len() {
            0 => "No need of others fits what you list and offer.".to_owned(),
            some => format!(
                "{} of others that you may be able to answer: fingerpost reply NOTICE TEXT",
                count(some, "need")
            ),
        });
    }
    context.output.talk(&said.join("\n"));
    Ok(())
}

fn in_words(found: &api::Matches) -> String {
    let mut text = String::new();
    for one in &found.needs {
        text.push_str(&format!("You need: {}\n", of_need(&one.need, false)));
        text.push_str(&answers(one));
    }
    for one in &found.others {
        text.push_str(&format!("{}\n", of_need(&one.need, true)));
        text.push_str(&answers(one));
    }
    text
}

fn of_need(need: &NoticeView, of_others: bool) -> String {
    let title = one_line(&need.title);
    let id = one_line(&need.id);
    match of_others {
        true => format!(
            "{} needs: {title} ({id})",
            one_line(&need.organisation.name)
        ),
        false => format!("{title} ({id})"),
    }
}

fn answers(one: &Matched) -> String {
    if one.matches.is_empty() {
        return "  nothing yet\n".to_owned();
    }
    let lines = one.matches.iter().map(|found| {
        format!(
            "  {}: {}, {} ({})\n      {}\n",
            one_line(&found.kind),
            one_line(&found.title),
            one_line(&found.organisation.name),
            one_line(&found.id),
            reasons(&found.reasons)
        )
    });
    lines.collect()
}

/// Reasons as one line.
pub(crate) fn reasons(reasons: &[Reason]) -> String {
    let reasons: Vec<String> = reasons
        .iter()
        .map(|reason| one_line(&reason.to_string()))
        .collect();
    reasons.join("; ")
}
