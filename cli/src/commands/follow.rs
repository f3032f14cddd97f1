//! `fingerpost follow [CONDITION…]`

use clap::{ArgGroup, Args};
use fingerpost_proto::api::{Follow, Following};

use crate::client::Target;
use crate::commands::Context;
use crate::error::CliError;
use crate::output::one_line;
use crate::output::words::count;

#[derive(Debug, Args)]
#[command(group = ArgGroup::new("how").multiple(false).args(["remove", "everything"]))]
pub(crate) struct FollowCommand {
    /// What to follow as well: area=NAME, type=TERM, network=NAME or org=NAME; without any, what is followed is shown
    #[arg(value_name = "CONDITION", conflicts_with = "everything")]
    conditions: Vec<String>,
    /// Follow these no more
    #[arg(long, requires = "conditions")]
    remove: bool,
    /// Follow everything again
    #[arg(long)]
    everything: bool,
}

pub(crate) async fn run(command: FollowCommand, context: &Context) -> Result<(), CliError> {
    let target = Target::new(&["follow"]);
    if command.conditions.is_empty() && !command.everything {
        let following: Following = context.client.get(&target).await?;
        return context.output.emit(&following, in_words);
    }
    let body = asked(&command)?;
    let following: Following = context.client.post(&target, &body).await?;
    context.output.emit(&following, in_words)?;
    context.output.talk(match following.changed {
        true => {
            "Changed. Cards and records of everybody are kept as before; what is lacking comes with the next exchanges."
        }
        false => "It was so already. Nothing was changed.",
    });
    Ok(())
}

fn asked(command: &FollowCommand) -> Result<Follow, CliError> {
    let mut asked = Follow {
        remove: command.remove,
        everything: command.everything,
        ..Follow::default()
    };
    for condition in &command.conditions {
        let (kind, value) = condition.split_once('=').unwrap_or((condition, ""));
        let values = match kind.trim() {
            "area" => &mut asked.areas,
            "type" => &mut asked.types,
            "network" => &mut asked.networks,
            "org" => &mut asked.organisations,
            _ => return Err(not_read(condition)),
        };
        match value.trim() {
            "" => return Err(not_read(condition)),
            value => values.push(value.to_owned()),
        }
    }
    Ok(asked)
}

fn not_read(condition: &str) -> CliError {
    CliError::usage(
        format!("{condition:?} is nothing that can be followed. Nothing was changed."),
        "Write area=Lambeth, type=\"food bank\", network=\"Our network\" or org=\"Their name\"; several are allowed.",
    )
}

fn in_words(following: &Following) -> String {
    let networks = following.networks.iter().map(|network| &network.name);
    let kinds: [(&str, Vec<String>); 3] = [
        ("areas", following.areas.clone()),
        ("types", following.types.clone()),
        ("networks", networks.cloned().collect()),
    ];
    let mut lines: Vec<String> = Vec::new();
    for (what, names) in kinds {
        if !names.is_empty() {
            lines.push(format!("{what}: {}", one_line(&names.join(", "))));
        }
    }
    if lines.is_empty() {
        lines.push("This node follows everything.".to_owned());
    }
    if !following.organisations.is_empty() {
        let names = following.organisations.iter().map(|org| org.name.as_str());
        let names: Vec<&str> = names.collect();
        lines.push(format!(
            "whatever they list: {}",
            one_line(&names.join(", "))
        ));
    }
    if following.left_out > 0 {
        lines.push(format!(
            "Listings or boards of {} are left to others.",
            count(following.left_out, "organisation")
        ));
    }
    if following.going_through && !following.changed {
        lines.push("What is held is still being gone through.".to_owned());
    }
    lines.join("\n") + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(conditions: &[&str]) -> FollowCommand {
        FollowCommand {
            conditions: conditions.iter().map(|it| (*it).to_owned()).collect(),
            remove: false,
            everything: false,
        }
    }

    #[test]
    fn conditions_are_read_by_their_kind() {
        let asked = asked(&command(&["area=Lambeth", "area= Southwark", "org=A = B"])).unwrap();
        assert_eq!(asked.areas, ["Lambeth", "Southwark"]);
        assert_eq!(asked.organisations, ["A = B"]);
        assert!(asked.types.is_empty() && asked.networks.is_empty());
        for wrong in ["Lambeth", "area=", "=x", "age=5"] {
            assert!(super::asked(&command(&[wrong])).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_is_followed_is_said_in_words() {
        assert_eq!(
            in_words(&Following::default()),
            "This node follows everything.\n"
        );
        let some = Following {
            areas: vec!["Lambeth".into(), "Southwark".into()],
            left_out: 3,
            ..Following::default()
        };
        assert_eq!(
            in_words(&some),
            "areas: Lambeth, Southwark\nListings or boards of 3 organisations are left to others.\n"
        );
    }
}
