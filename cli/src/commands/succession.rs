//! `fingerpost succession merge|propose|sign|status`

use clap::{ArgGroup, Args, Subcommand};
use fingerpost_proto::api::{
    Claim, Closing, Merge as MergeBody, OrgRef, SignSuccession, SuccessionInfo, Successions,
};

use crate::client::Target;
use crate::commands::{Context, InNetwork, close};
use crate::error::CliError;
use crate::input::{confirmation, own_org};
use crate::output::words::names;
use crate::output::{one_line, table};

#[derive(Debug, Subcommand)]
pub(crate) enum Succession {
    /// Say that your organisation has become part of another: links and results lead there
    Merge(Merge),
    /// Say that your organisation goes on for one that has lost its root key
    Propose {
        /// The organisation that lost its key, by name or id
        #[arg(value_name = "OLD")]
        old: String,
        /// Take the claim back
        #[arg(long)]
        withdraw: bool,
        #[command(flatten)]
        network: InNetwork,
    },
    /// Confirm, as one that vouches for the old organisation, who goes on for it
    Sign(Sign),
    /// Who claims to go on for whom, who has signed, and how many lack
    Status(InNetwork),
}

#[derive(Debug, Args)]
#[command(group = ArgGroup::new("what").required(true).multiple(false).args(["into", "cancel"]))]
pub(crate) struct Merge {
    /// Into which organisation, by name or id
    #[arg(long, value_name = "ORG")]
    into: Option<String>,
    /// It does not merge after all
    #[arg(long)]
    cancel: bool,
    /// The name of your organisation, as confirmation
    #[arg(long, value_name = "NAME")]
    confirm: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Sign {
    /// The organisation that lost its key, by name or id
    #[arg(value_name = "OLD")]
    old: String,
    /// Who goes on for it, by name or id; needed when several claim to
    #[arg(long, value_name = "NEW")]
    to: Option<String>,
    /// Take the signature back
    #[arg(long)]
    withdraw: bool,
    #[command(flatten)]
    network: InNetwork,
}

impl Succession {
    /// Whether `--org` can say which organisation speaks.
    pub(crate) fn takes_org(&self) -> bool {
        !matches!(self, Self::Status(_))
    }
}

pub(crate) async fn run(succession: Succession, context: &Context) -> Result<(), CliError> {
    match succession {
        Succession::Merge(merge) => run_merge(merge, context).await,
        Succession::Propose {
            old,
            withdraw,
            network,
        } => {
            let body = Claim {
                network: network.network,
                old,
                withdraw,
            };
            let target = context.target(&["succession", "propose"]);
            let info: SuccessionInfo = context.client.post(&target, &body).await?;
            context.output.emit(&info, in_words)?;
            if !withdraw && !info.complete {
                context.output.talk(&format!(
                    "Those who vouch for it sign with: fingerpost succession sign {} --to {}\nSpeak to \
                     them first: they must be sure that it is you.",
                    info.old.id.short(),
                    info.new.id.short(),
                ));
            }
            Ok(())
        }
        Succession::Sign(sign) => {
            let body = SignSuccession {
                network: sign.network.network,
                old: sign.old,
                new: sign.to,
                withdraw: sign.withdraw,
            };
            let target = context.target(&["succession", "sign"]);
            let info: SuccessionInfo = context.client.post(&target, &body).await?;
            context.output.emit(&info, in_words)
        }
        Succession::Status(network) => status(network, context).await,
    }
}

async fn run_merge(merge: Merge, context: &Context) -> Result<(), CliError> {
    let confirm = match (&merge.into, merge.confirm) {
        (Some(into), confirm) => {
            let warning = format!(
                "Search results and links of your organisation will lead to {}. It can be taken back: \
                 fingerpost succession merge --cancel",
                one_line(into)
            );
            confirmation(confirm, context, &warning, "merge it")?
        }
        (None, Some(name)) => name,
        (None, None) => own_org(context, context.org.as_deref()).await?.name,
    };
    let body = MergeBody {
        into: merge.into,
        confirm,
    };
    let target = context.target(&["succession", "merge"]);
    let closing: Closing = context.client.post(&target, &body).await?;
    close::tell(&closing, context)
}

fn in_words(info: &SuccessionInfo) -> String {
    let (old, new) = (one_line(&info.old.name), one_line(&info.new.name));
    if info.complete {
        return format!("{new} goes on for {old}: {} signed\n", names(&info.signed));
    }
    let signed = if info.signed.is_empty() {
        "nobody has signed".to_owned()
    } else {
        format!("signed by {}", names(&info.signed))
    };
    let asked: Vec<OrgRef> = info
        .voters
        .iter()
        .filter(|voter| !info.signed.contains(voter))
        .cloned()
        .collect();
    format!(
        "{new} claims to go on for {old}: {} of {} signatures, {signed}{}\n",
        info.signed.len(),
        info.needed,
        if asked.is_empty() {
            String::new()
        } else {
            format!("; asked are {}", names(&asked))
        }
    )
}

async fn status(network: InNetwork, context: &Context) -> Result<(), CliError> {
    let target = Target::new(&["succession"]).with("network", network.network);
    let known: Successions = context.client.get(&target).await?;
    if known.successions.is_empty() {
        context.output.talk(&format!(
            "In {} nobody claims to go on for another.",
            one_line(&known.name)
        ));
    }
    context.output.emit(&known, |known| {
        if known.successions.is_empty() {
            return String::new();
        }
        let row = |info: &SuccessionInfo| {
            [
                info.old.name.clone(),
                info.old.id.short(),
                info.new.name.clone(),
                info.new.id.short(),
                format!("{} of {}", info.signed.len(), info.needed),
                names(&info.signed),
                if info.complete { "goes on" } else { "claimed" }.to_owned(),
            ]
        };
        let header = ["old", "id", "new", "new id", "signed", "by", "state"];
        table(&context.output, header, known.successions.iter().map(row))
    })
}
