//! `fingerpost erase`

use clap::Args;
use fingerpost_proto::api::{self, Erased};

use crate::commands::Context;
use crate::error::CliError;
use crate::input::confirmation;
use crate::output::one_line;

#[derive(Debug, Args)]
pub(crate) struct Erase {
    /// Ids of what should go: services, contacts, phones, places, needs
    #[arg(value_name = "ID", required_unless_present = "history")]
    ids: Vec<String>,
    /// Let go of all that your listing and your needs used to say
    #[arg(long)]
    history: bool,
    /// The organisation's name, as confirmation
    #[arg(long, value_name = "NAME")]
    confirm: Option<String>,
}

pub(crate) async fn run(erase: Erase, context: &Context) -> Result<(), CliError> {
    let warning = "What is erased cannot be brought back, and with it goes the history of your listing: what it \
                   said before today. Backups that were made before still hold it: make a new one, and destroy \
                   those.";
    let confirm = confirmation(erase.confirm, context, warning, "erase it")?;
    let body = api::Erase {
        ids: erase.ids,
        history: erase.history,
        confirm,
    };
    let erased: Erased = context
        .client
        .post(&context.target(&["erase"]), &body)
        .await?;
    context.output.emit(&erased, in_words)?;
    for note in &erased.notes {
        context.output.talk(note);
    }
    context.output.talk(
        "Every node that hears of it removes it from its disk too. Backups that were made before still hold it: \
         make a new one with fingerpost backup, and destroy those.",
    );
    Ok(())
}

fn in_words(erased: &Erased) -> String {
    let name = one_line(&erased.organisation.name);
    match erased.ids.len() {
        0 => format!("The history of what {name} said is erased; what it says now stays\n"),
        1 => format!("Erased from what {name} says, with all history\n"),
        count => format!("{count} items erased from what {name} says, with all history\n"),
    }
}

#[cfg(test)]
mod tests {
    use fingerpost_proto::api::OrgRef;
    use fingerpost_proto::ids::OrgId;

    use super::*;

    #[test]
    fn it_says_what_is_gone() {
        let erased = |count: usize| Erased {
            organisation: OrgRef {
                id: OrgId::from_bytes([1; 32]),
                name: "Food  Bank".into(),
            },
            ids: vec!["id".into(); count],
            documents: Vec::new(),
            notes: Vec::new(),
        };
        assert!(in_words(&erased(0)).starts_with("The history of what Food Bank said"));
        assert!(in_words(&erased(1)).starts_with("Erased from what Food Bank says"));
        assert!(in_words(&erased(2)).starts_with("2 items"));
    }
}
