//! `fingerpost explain TERM`

use clap::Args;
use fingerpost_proto::vocabulary::{Explanation, Vocabulary};

use crate::client::Target;
use crate::commands::Context;
use crate::error::CliError;
use crate::output::one_line;

#[derive(Debug, Args)]
pub(crate) struct Explain {
    /// An acronym or a term, such as CMHT
    #[arg(required = true, value_name = "TERM")]
    term: Vec<String>,
}

pub(crate) async fn run(explain: Explain, context: &Context) -> Result<(), CliError> {
    let term = explain.term.join(" ");
    let target = Target::new(&["explain"]).with("term", Some(&term));
    let explanation: Explanation = match context.client.get(&target).await {
        Err(error) if error.kind().0 == "no_daemon" => {
            context.output.talk(
                "Note: no daemon runs, so terms that your networks' charters explain are not known.",
            );
            Vocabulary::built_in().explain(&term)
        }
        answer => answer?,
    };
    if explanation.is_empty() && !context.output.json {
        return Err(CliError::not_found(
            format!("Nothing is known of {:?}.", one_line(&term)),
            match explanation.near.is_empty() {
                true => "A network's charter can explain terms of its own.".to_owned(),
                false => format!("Terms like it: {}.", one_line(&explanation.near.join(", "))),
            },
        ));
    }
    context.output.emit(&explanation, in_words)?;
    match explanation.is_empty() {
        // The answer has been printed, with the near terms in it.
        true => Err(CliError::not_found(
            "Nothing is known of this term.",
            "\"near\" in the answer lists terms like it.",
        )),
        false => Ok(()),
    }
}

fn in_words(explanation: &Explanation) -> String {
    let mut text = String::new();
    for meaning in &explanation.meanings {
        text.push_str(&one_line(&meaning.term));
        if let Some(stands_for) = &meaning.stands_for {
            text.push_str(&format!(": {}", one_line(stands_for)));
        }
        if let Some(from) = &meaning.from {
            text.push_str(&format!(" (in the network {})", one_line(from)));
        }
        text.push_str(&format!("\n  {}\n", one_line(&meaning.means)));
    }
    for term in &explanation.terms {
        text.push_str(&format!(
            "{}: a term of the list \"{}\"",
            one_line(&term.name),
            term.list
        ));
        if let Some(under) = &term.under {
            text.push_str(&format!(", part of {}", one_line(under)));
        }
        text.push('\n');
        if !term.narrower.is_empty() {
            text.push_str(&format!(
                "  Narrower: {}\n",
                one_line(&term.narrower.join(", "))
            ));
        }
    }
    if !explanation.synonyms.is_empty() {
        text.push_str(&format!(
            "Also called: {}\n",
            one_line(&explanation.synonyms.join(", "))
        ));
    }
    text
}
