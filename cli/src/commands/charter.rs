//! `fingerpost charter show|propose|accept`

use clap::{ArgGroup, Args, Subcommand};
use fingerpost_proto::api::{
    Accept, AcceptedBy, CharterStatus, Member, Members, Proposal, Propose,
};
use fingerpost_proto::ids::OrgId;
use fingerpost_proto::roster::Place;
use serde::Serialize;
use similar::{ChangeTag, TextDiff};

use crate::client::Target;
use crate::commands::found::{read_charter, vouches};
use crate::commands::{Context, InNetwork};
use crate::error::CliError;
use crate::output::words::{count, date};
use crate::output::{one_line, plain};

/// Most lines of a difference that are shown.
const DIFFERENCE_MAX_LINES: usize = 40;

#[derive(Debug, Subcommand)]
pub(crate) enum Charter {
    /// Show the text in force, who accepted what and when, and what still lacks
    Show(InNetwork),
    /// Propose another text, name or number of vouches; you accept it by proposing it
    Propose(Change),
    /// Accept an amendment that another member has proposed
    Accept {
        /// Which, by its id; needed when several are proposed
        amendment: Option<String>,
        #[command(flatten)]
        network: InNetwork,
    },
}

#[derive(Debug, Args)]
#[command(group = ArgGroup::new("change").required(true).multiple(true).args(["file", "name", "vouches"]))]
pub(crate) struct Change {
    /// File with the new text; - reads standard input [default: the text stays]
    file: Option<String>,
    /// A new name for the network
    #[arg(long)]
    name: Option<String>,
    /// How many members must vouch for a newcomer from then on
    #[arg(long, value_name = "K", value_parser = vouches())]
    vouches: Option<u32>,
    #[command(flatten)]
    network: InNetwork,
}

impl Charter {
    /// Whether `--org` can say which organisation speaks.
    pub(crate) fn takes_org(&self) -> bool {
        !matches!(self, Self::Show(_))
    }
}

/// The charter, and who accepts the founding text, as the members' cards say.
#[derive(Serialize)]
struct Shown {
    #[serde(flatten)]
    charter: CharterStatus,
    accepted: Vec<AcceptedBy>,
    /// Members that have a voice, for saying who is still asked.
    #[serde(skip)]
    voices: Vec<OrgId>,
}

pub(crate) async fn run(charter: Charter, context: &Context) -> Result<(), CliError> {
    match charter {
        Charter::Show(network) => show(network, context).await,
        Charter::Propose(change) => propose(change, context).await,
        Charter::Accept { amendment, network } => {
            let body = Accept {
                network: network.network,
                amendment,
            };
            let target = context.target(&["charter", "accept"]);
            let accepted: Proposal = context.client.post(&target, &body).await?;
            context
                .output
                .emit(&accepted, |proposal| format!("{}\n", proposal.id))?;
            context
                .output
                .talk(&format!("Accepted. {}", outlook(&accepted)));
            Ok(())
        }
    }
}

async fn show(network: InNetwork, context: &Context) -> Result<(), CliError> {
    let target = Target::new(&["charter"]).with("network", network.network);
    let charter: CharterStatus = context.client.get(&target).await?;
    let target = Target::new(&["members"]).with("network", Some(charter.network.to_string()));
    let members: Members = context.client.get(&target).await?;
    let members = members.members.into_iter();
    let members: Vec<Member> = members
        .filter(|member| member.place == Place::Member)
        .collect();
    let voices = members.iter().filter(|member| member.has_voice);
    let voices = voices.map(|member| member.org.id).collect();
    let accepted = members.into_iter().map(|member| AcceptedBy {
        org: member.org,
        at_s: member.since_s,
    });
    let shown = Shown {
        charter,
        accepted: accepted.collect(),
        voices,
    };
    context.output.emit(&shown, in_words)
}

fn in_words(shown: &Shown) -> String {
    let charter = &shown.charter;
    let text = plain(charter.text.trim());
    let mut words = format!(
        "Charter of {} ({})\n{} needed to join; {} on amendments and objections.\n\n{}\n\n",
        one_line(&charter.name),
        charter.network,
        count(charter.vouches_needed, "vouch"),
        match charter.voices {
            1 => "1 member has a voice".to_owned(),
            voices => format!("{} have a voice", count(voices, "member")),
        },
        if text.is_empty() {
            "(The charter has no text.)"
        } else {
            &text
        },
    );
    let anchors: Vec<String> = charter
        .anchors
        .iter()
        .map(|org| one_line(&org.name))
        .collect();
    words.push_str(&format!(
        "In force: {}\nAdmission rests on: {}\n",
        charter.in_force.short(),
        anchors.join(", ")
    ));
    words.push_str(&format!(
        "The founding text is accepted by: {}\n",
        acceptances(&shown.accepted)
    ));
    for amendment in &charter.adopted {
        words.push_str(&format!("\n{}", heading("Amendment", amendment)));
        words.push_str(&format!(
            "  In force. Accepted by: {}\n",
            acceptances(&amendment.accepted)
        ));
    }
    for proposal in &charter.proposed {
        words.push_str(&format!("\n{}", heading("Proposed:", proposal)));
        words.push_str(&lacks(proposal, shown));
        words.push_str(&indented(&difference(charter, proposal)));
    }
    words
}

fn heading(what: &str, proposal: &Proposal) -> String {
    format!(
        "{what} {} by {} on {}\n",
        proposal.short,
        one_line(&proposal.proposed_by.name),
        date(proposal.proposed_at_s),
    )
}

/// Who has accepted a proposal, how many lack, and who is still asked.
fn lacks(proposal: &Proposal, shown: &Shown) -> String {
    let waits = shown.accepted.iter().filter(|member| {
        let accepted = proposal
            .accepted
            .iter()
            .any(|one| one.org.id == member.org.id);
        shown.voices.contains(&member.org.id) && !accepted
    });
    let waits: Vec<String> = waits.map(|member| one_line(&member.org.name)).collect();
    let lacking = proposal.needed.saturating_sub(proposal.accepted.len());
    format!(
        "  Accepted by: {}\n  {} of {} needed; {} lacking. Not yet: {}\n",
        acceptances(&proposal.accepted),
        proposal.accepted.len(),
        count(proposal.needed, "acceptance"),
        lacking,
        if waits.is_empty() {
            "nobody else has a voice".to_owned()
        } else {
            waits.join(", ")
        },
    )
}

fn acceptances(accepted: &[AcceptedBy]) -> String {
    let one = |by: &AcceptedBy| match by.at_s {
        Some(at_s) => format!("{} ({})", one_line(&by.org.name), date(at_s)),
        None => one_line(&by.org.name),
    };
    let all: Vec<String> = accepted.iter().map(one).collect();
    if all.is_empty() {
        "nobody yet".to_owned()
    } else {
        all.join(", ")
    }
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("  {line}\n")).collect()
}

async fn propose(change: Change, context: &Context) -> Result<(), CliError> {
    let body = Propose {
        network: change.network.network,
        name: change.name,
        text: match &change.file {
            Some(file) => Some(read_charter(file)?),
            None => None,
        },
        vouches: change.vouches,
    };
    let target = Target::new(&["charter"]).with("network", body.network.as_deref());
    let before: CharterStatus = context.client.get(&target).await?;
    let target = context.target(&["charter", "propose"]);
    let proposal: Proposal = context.client.post(&target, &body).await?;
    context
        .output
        .emit(&proposal, |proposal| format!("{}\n", proposal.id))?;
    context.output.talk(&format!(
        "{}Proposed, and accepted by your organisation. {}",
        difference(&before, &proposal),
        outlook(&proposal)
    ));
    Ok(())
}

/// What has to happen for a proposal to come into force.
fn outlook(proposal: &Proposal) -> String {
    let lacking = proposal.needed.saturating_sub(proposal.accepted.len());
    if proposal.in_force || lacking == 0 {
        return format!("{} is in force.", proposal.short);
    }
    format!(
        "{} comes into force with {}; it has {} so far. Other members accept it with: fingerpost \
         charter accept {}",
        proposal.short,
        count(proposal.needed, "acceptance"),
        proposal.accepted.len(),
        proposal.short,
    )
}

/// What a proposal changes, line by line: `-` what goes, `+` what comes.
fn difference(before: &CharterStatus, proposal: &Proposal) -> String {
    let mut lines = Vec::new();
    if before.name != proposal.name {
        lines.push(format!("- name: {}", one_line(&before.name)));
        lines.push(format!("+ name: {}", one_line(&proposal.name)));
    }
    if before.vouches_needed != proposal.vouches_needed {
        lines.push(format!("- vouches needed: {}", before.vouches_needed));
        lines.push(format!("+ vouches needed: {}", proposal.vouches_needed));
    }
    for change in TextDiff::from_lines(&before.text, &proposal.text).iter_all_changes() {
        let mark = match change.tag() {
            ChangeTag::Delete => '-',
            ChangeTag::Insert => '+',
            ChangeTag::Equal => continue,
        };
        lines.push(format!("{mark} {}", one_line(change.value())));
    }
    let more = lines.len().saturating_sub(DIFFERENCE_MAX_LINES);
    lines.truncate(DIFFERENCE_MAX_LINES);
    if more > 0 {
        lines.push(format!("and {} more", count(more, "line")));
    }
    lines.into_iter().map(|line| format!("{line}\n")).collect()
}
