//! What people hand over: files, dates, identifiers, confirmations and secrets.
//!
//! A question is asked on a terminal only, and each has a flag that answers it. Secrets never stand on
//! the command line, where other users of the machine could read them.

pub(crate) mod secret;

use std::io::Read;

use fingerpost_proto::api::{OrgInfo, Organisations};
use fingerpost_proto::board::personal::{Suspicion, suspicions};
use fingerpost_proto::ids::NodeId;
use jiff::Timestamp;
use jiff::civil::Date;

use crate::client::Target;
use crate::commands::Context;
use crate::error::CliError;
use crate::output::words::{date, now_s, parse_duration_s};
use crate::output::{ask, one_line, plain};

/// Reads a file, or standard input for `-`, up to `max_bytes`.
///
/// # Errors
/// [`CliError::File`]; [`CliError::Refused`] when it is larger.
pub(crate) fn read_input(path: &str, max_bytes: usize) -> Result<Vec<u8>, CliError> {
    let limit = u64::try_from(max_bytes)
        .unwrap_or(u64::MAX)
        .saturating_add(1);
    let mut bytes = Vec::new();
    if path == "-" {
        let stdin = std::io::stdin().lock();
        stdin
            .take(limit)
            .read_to_end(&mut bytes)
            .map_err(CliError::file("standard input"))?;
    } else {
        let file = std::fs::File::open(path).map_err(CliError::file(path))?;
        file.take(limit)
            .read_to_end(&mut bytes)
            .map_err(CliError::file(path))?;
    }
    if bytes.len() > max_bytes {
        return Err(CliError::Refused {
            message: format!(
                "{} is larger than {max_bytes} bytes, the most that is taken. Nothing was changed.",
                named(path),
            ),
            hint: "Is it the right file?".to_owned(),
        });
    }
    Ok(bytes)
}

/// [`read_input`] for a text in UTF-8.
///
/// # Errors
/// As [`read_input`]; [`CliError::Refused`] when it is no text.
pub(crate) fn read_text(path: &str, max_bytes: usize) -> Result<String, CliError> {
    String::from_utf8(read_input(path, max_bytes)?).map_err(|_| CliError::Refused {
        message: format!("{} is not text in UTF-8. Nothing was changed.", named(path)),
        hint: "Save it as plain text in UTF-8.".to_owned(),
    })
}

/// How a file is called in a sentence.
pub(crate) fn named(path: &str) -> &str {
    if path == "-" { "Standard input" } else { path }
}

/// Checks a day as it is typed, `YYYY-MM-DD`, and gives it back as it was.
///
/// # Errors
/// What a day looks like.
pub(crate) fn parse_day(text: &str) -> Result<String, String> {
    match text.parse::<Date>() {
        // The parser takes more forms than people should have to read on a card.
        Ok(day) if day.to_string() == text => Ok(text.to_owned()),
        _ => Err(format!(
            "\"{}\" is not a day of the calendar such as 2027-03-31",
            plain(text)
        )),
    }
}

/// Reads the last day of something: a day, or how long from now, such as `30d` or `8w`.
///
/// # Errors
/// What both look like.
pub(crate) fn last_day(text: &str) -> Result<String, String> {
    if let Ok(day) = parse_day(text) {
        return Ok(day);
    }
    let length_s = parse_duration_s(text).map_err(|_| {
        format!(
            "\"{}\" is neither a day such as 2027-03-31 nor a time from now such as 30d",
            plain(text)
        )
    })?;
    Ok(date(now_s().saturating_add(length_s)))
}

/// Reads since when something is meant: how long ago, such as `7d`, a day, whose first moment in UTC is meant, or a
/// moment.
///
/// # Errors
/// What these look like; or that the moment is still to come.
pub(crate) fn since(text: &str) -> Result<u64, String> {
    let now_s = now_s();
    if let Ok(length_s) = parse_duration_s(text) {
        return Ok(now_s.saturating_sub(length_s));
    }
    let moment = match parse_day(text) {
        Ok(day) => format!("{day}T00:00Z").parse::<Timestamp>(),
        Err(_) => text.parse::<Timestamp>(),
    };
    let at_s = moment.ok().map(Timestamp::as_second);
    match at_s.and_then(|at_s| u64::try_from(at_s).ok()) {
        Some(at_s) if at_s <= now_s => Ok(at_s),
        Some(_) => Err(format!("{} is still to come", plain(text))),
        None => Err(format!(
            "\"{}\" is neither a time ago such as 7d, nor a day such as 2026-11-01, nor a moment such as \
             2026-11-01T18:00Z",
            plain(text)
        )),
    }
}

/// Makes sure that texts that everybody will read name nobody whom an organisation serves: what looks like a person's
/// data is confirmed by `yes`, or on the terminal.
///
/// # Errors
/// [`CliError::Refused`] when there is nobody to ask; [`CliError::Stopped`] when the answer is no.
pub(crate) fn names_nobody(
    texts: [Option<&str>; 2],
    yes: bool,
    context: &Context,
) -> Result<(), CliError> {
    let mut found: Vec<Suspicion> = texts.into_iter().flatten().flat_map(suspicions).collect();
    found.sort_unstable();
    found.dedup();
    if found.is_empty() {
        return Ok(());
    }
    let found: Vec<String> = found.iter().map(Suspicion::to_string).collect();
    let warning = format!(
        "This text seems to hold {}. Everybody in your networks will read it, and it must name nobody whom you serve.",
        found.join(" and ")
    );
    if yes {
        context.output.talk(&format!("warning: {warning}"));
        return Ok(());
    }
    if !context.output.can_ask() {
        return Err(CliError::Refused {
            message: format!("{warning} Nothing was published."),
            hint: "Leave it out; or, if it is your organisation's own, add --yes.".to_owned(),
        });
    }
    context.output.talk(&format!("warning: {warning}"));
    match ask("Publish it all the same? Type yes:")?
        .to_lowercase()
        .as_str()
    {
        "yes" => Ok(()),
        _ => Err(CliError::Stopped("Nothing was published.".to_owned())),
    }
}

/// Reads the full id of a node.
///
/// # Errors
/// [`CliError::Usage`].
pub(crate) fn parse_node(text: &str) -> Result<NodeId, CliError> {
    text.parse().map_err(|error| {
        CliError::usage(
            format!("Which node? {error}."),
            "On the other machine, `fingerpost node id` prints its node id in full.",
        )
    })
}

/// The name that confirms something about an organisation: `flag`, or what is typed after a
/// warning.
///
/// # Errors
/// [`CliError::Usage`] when there is nobody to ask; [`CliError::Stopped`] without an answer.
pub(crate) fn confirmation(
    flag: Option<String>,
    context: &Context,
    warning: &str,
    what: &str,
) -> Result<String, CliError> {
    match flag {
        Some(name) => Ok(name),
        None if context.output.can_ask() => {
            context.output.talk(warning);
            ask(&format!("Type the name of the organisation to {what}:"))
        }
        None => Err(CliError::usage(
            format!("To {what} must be confirmed, and there is nobody to ask."),
            "Add --confirm with the organisation's name.",
        )),
    }
}

/// Whether a typed name is this one; the daemon compares confirmations in the same way.
pub(crate) fn same_name(known: &str, typed: &str) -> bool {
    one_line(known).to_lowercase() == one_line(typed).to_lowercase()
}

/// The organisation of this node that a command means: the named one, the current or the only one.
///
/// # Errors
/// That of the daemon, or "not found".
pub(crate) async fn own_org(context: &Context, named: Option<&str>) -> Result<OrgInfo, CliError> {
    let held: Organisations = context.client.get(&Target::new(&["orgs"])).await?;
    let only = held.organisations.len() == 1;
    let is_meant = |org: &OrgInfo| match named {
        Some(text) => same_name(&org.name, text) || org.id.matches(text),
        None => org.current || only,
    };
    held.organisations
        .into_iter()
        .find(is_meant)
        .ok_or_else(|| {
            CliError::not_found(
                "This node holds no such organisation. Nothing was changed.",
                "See those that it holds with: fingerpost org list",
            )
        })
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]
mod tests {
    use super::*;

    #[test]
    fn since_when_is_a_time_ago_a_day_or_a_moment() {
        assert_eq!(since("2026-11-01"), Ok(1_793_491_200));
        assert_eq!(since("2026-11-01T18:00Z"), Ok(1_793_556_000));
        assert_eq!(since("2026-11-01T18:00:00+01:00"), Ok(1_793_552_400));
        let week_s = now_s() - since("7d").unwrap();
        assert!((604_800..604_860).contains(&week_s), "{week_s}");
        assert!(since("2999-01-01").unwrap_err().contains("still to come"));
        for wrong in ["tomorrow", "7", "2026-11", "2026-11-01T18:00", "1960-01-01"] {
            assert!(since(wrong).unwrap_err().contains("neither"), "{wrong}");
        }
    }

    #[test]
    fn days_are_read_in_one_form_only() {
        assert_eq!(parse_day("2028-02-29"), Ok("2028-02-29".to_owned()));
        for wrong in [
            "2027-02-29",
            "2027-13-01",
            "20270301",
            "2027-3-1",
            "01/03/2027",
            "2027-03-01T10:00",
            "tomorrow",
            "",
        ] {
            let told = parse_day(wrong).unwrap_err();
            assert!(told.contains("2027-03-31"), "{wrong}: {told}");
        }
    }

    #[test]
    fn a_last_day_is_a_day_or_a_time_from_now() {
        assert_eq!(last_day("2028-02-29"), Ok("2028-02-29".to_owned()));
        let later = last_day("30d").unwrap();
        assert!(
            parse_day(&later).is_ok() && later > date(now_s()),
            "{later}"
        );
        assert!(last_day("soon").unwrap_err().contains("30d"));
    }

    #[test]
    fn a_node_is_named_in_full() {
        let node = NodeId::from_bytes([7; 32]);
        assert_eq!(parse_node(&node.to_string()).unwrap(), node);
        for wrong in [node.short().as_str(), "laptop", "net1qqqq"] {
            assert_eq!(parse_node(wrong).unwrap_err().kind().1, 2, "{wrong}");
        }
    }

    #[test]
    fn names_are_compared_as_people_type_them() {
        assert!(same_name("Brixton  Advice", " brixton advice "));
        assert!(!same_name("Brixton Advice", "Brixton"));
    }
}
