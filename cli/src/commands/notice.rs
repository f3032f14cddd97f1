//! `fingerpost notice post|list|show|edit|close|sign|history|undo`

use clap::{Args, Subcommand};
use fingerpost_proto::api::{
    History, NoticeContent, NoticeDetail, NoticeState, NoticeView, Notices, Posted, Sign,
};

use crate::client::Target;
use crate::commands::{Context, listing};
use crate::error::CliError;
use crate::input::{last_day, names_nobody};
use crate::output::words::count;
use crate::output::{one_line, plain, table};

#[derive(Debug, Subcommand)]
pub(crate) enum Notice {
    /// Put up a notice: what you need, what you offer, or what others should know
    Post(Post),
    /// The notices of all members that stand
    List(List),
    /// Show a notice with its replies and signatures
    Show(Named),
    /// Change one of your notices
    Edit(Edit),
    /// Take one of your notices down: it is answered, or not needed any more
    Close(Named),
    /// Sign a statement of another organisation, word for word
    ///
    /// The signature stands on your own board. If the statement is changed later, your signature no longer counts until you
    /// sign again.
    Sign(SignIt),
    /// Who changed what on your board
    History,
    /// Take back the last change of your board
    Undo,
}

#[derive(Debug, Args)]
pub(crate) struct Post {
    /// What sort of notice it is
    #[arg(long, value_parser = ["need", "offer", "training", "venue", "funding", "event", "volunteering", "question", "statement"])]
    kind: String,
    /// One line that says it
    #[arg(long)]
    title: String,
    #[command(flatten)]
    content: Fields,
}

/// What a notice may say besides its kind and title.
#[derive(Debug, Args)]
pub(crate) struct Fields {
    /// The whole of it
    #[arg(long)]
    text: Option<String>,
    /// An area that it concerns: a name or a GSS code
    #[arg(long, value_name = "AREA")]
    area: Vec<String>,
    /// A language that it concerns: a name or a code
    #[arg(long, value_name = "LANGUAGE")]
    language: Vec<String>,
    /// Last day on which it is shown, or for how long, such as 30d [default: 60 days]
    #[arg(long, value_name = "DATE|30d", value_parser = last_day)]
    expires: Option<String>,
    /// When an event or a training begins: 2027-01-31, or 2027-01-31T18:00
    #[arg(long, value_name = "WHEN")]
    starts: Option<String>,
    /// When it ends
    #[arg(long, value_name = "WHEN")]
    ends: Option<String>,
    /// Only for the members of this network [default: all of your networks]
    #[arg(long, value_name = "NETWORK")]
    network: Vec<String>,
    /// It names nobody whom you serve, though it may look so
    #[arg(long)]
    yes: bool,
}

#[derive(Debug, Args)]
pub(crate) struct List {
    /// Notices of one kind only, such as need
    #[arg(long)]
    kind: Option<String>,
    /// Notices that concern this area
    #[arg(long)]
    area: Option<String>,
    /// Your own only
    #[arg(long)]
    mine: bool,
    /// Your own, also those that are closed or have expired
    #[arg(long, conflicts_with = "mine")]
    all_mine: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Named {
    /// Its id, or the beginning of it, as `notice list` prints it
    notice: String,
}

#[derive(Debug, Args)]
pub(crate) struct Edit {
    /// Its id, or the beginning of it, as `notice list --mine` prints it
    notice: String,
    /// One line that says it
    #[arg(long)]
    title: Option<String>,
    #[command(flatten)]
    content: Fields,
    /// It concerns every area
    #[arg(long, conflicts_with = "area")]
    no_area: bool,
    /// It concerns no language in particular
    #[arg(long, conflicts_with = "language")]
    no_language: bool,
    /// It is for all of your networks
    #[arg(long, conflicts_with = "network")]
    all_networks: bool,
}

#[derive(Debug, Args)]
pub(crate) struct SignIt {
    /// The statement's id, or the beginning of it
    notice: String,
    /// Take your signature back
    #[arg(long)]
    withdraw: bool,
}

impl Fields {
    fn into_content(self, kind: Option<String>, title: Option<String>) -> NoticeContent {
        let some = |list: Vec<String>| (!list.is_empty()).then_some(list);
        NoticeContent {
            kind,
            title,
            text: self.text,
            areas: some(self.area),
            languages: some(self.language),
            expires: self.expires,
            starts: self.starts,
            ends: self.ends,
            networks: some(self.network),
        }
    }
}

pub(crate) async fn run(notice: Notice, context: &Context) -> Result<(), CliError> {
    match notice {
        Notice::Post(it) => post(it, context).await,
        Notice::List(it) => list(it, context).await,
        Notice::Show(it) => show(&it, context).await,
        Notice::Edit(it) => edit(it, context).await,
        Notice::Close(it) => {
            let target = context.target(&["notices", &it.notice, "close"]);
            let posted: Posted = context.client.post_bytes(&target, Vec::new()).await?;
            report(&posted, context, "was taken down. Others no longer see it.")
        }
        Notice::Sign(it) => sign(it, context).await,
        Notice::History => history(context).await,
        Notice::Undo => {
            let target = context.target(&["board", "undo"]);
            let posted: Posted = context.client.post_bytes(&target, Vec::new()).await?;
            context.output.emit(&posted, |posted| {
                format!("{}: taken back\n", one_line(&posted.organisation.name))
            })
        }
    }
}

async fn post(post: Post, context: &Context) -> Result<(), CliError> {
    let texts = [Some(post.title.as_str()), post.content.text.as_deref()];
    names_nobody(texts, post.content.yes, context)?;
    let content = post.content.into_content(Some(post.kind), Some(post.title));
    let target = context.target(&["notices"]);
    let posted: Posted = context.client.post(&target, &content).await?;
    report(&posted, context, "was put up.")
}

async fn edit(edit: Edit, context: &Context) -> Result<(), CliError> {
    let texts = [edit.title.as_deref(), edit.content.text.as_deref()];
    names_nobody(texts, edit.content.yes, context)?;
    let mut content = edit.content.into_content(None, edit.title);
    for (none, list) in [
        (edit.no_area, &mut content.areas),
        (edit.no_language, &mut content.languages),
        (edit.all_networks, &mut content.networks),
    ] {
        if none {
            *list = Some(Vec::new());
        }
    }
    if content == NoticeContent::default() {
        return Err(CliError::usage(
            "Nothing is to be changed.",
            "Say what, such as --title or --expires: fingerpost help notice edit",
        ));
    }
    let target = context.target(&["notices", &edit.notice]);
    let posted: Posted = context.client.patch(&target, &content).await?;
    report(&posted, context, "was changed.")
}

async fn sign(sign: SignIt, context: &Context) -> Result<(), CliError> {
    let target = context.target(&["notices", &sign.notice]);
    let read: NoticeDetail = context.client.get(&target).await?;
    let body = Sign {
        text_hash: Some(read.text_hash),
        withdraw: sign.withdraw,
    };
    let target = context.target(&["notices", &sign.notice, "sign"]);
    let posted: Posted = context.client.post(&target, &body).await?;
    let done = match sign.withdraw {
        true => "is no longer signed by you.",
        false => {
            "is signed by you, as it reads now. If it is changed, your signature no longer counts."
        }
    };
    report(&posted, context, done)
}

/// Prints the id of what was written, and says what was done.
pub(crate) fn report(posted: &Posted, context: &Context, done: &str) -> Result<(), CliError> {
    context
        .output
        .emit(posted, |posted| format!("{}\n", one_line(&posted.id)))?;
    let what = match &posted.notice {
        Some(notice) => format!("\"{}\"", one_line(&notice.title)),
        None => "It".to_owned(),
    };
    context
        .output
        .talk(&match (posted.changed, &posted.notice) {
            (false, _) => format!("{what} was like that already. Nothing was changed."),
            (true, Some(notice)) if notice.own && notice.state == NoticeState::Open => {
                format!(
                    "{what} {done} It is shown until {}.",
                    one_line(&notice.expires)
                )
            }
            (true, _) => format!("{what} {done}"),
        });
    Ok(())
}

async fn list(list: List, context: &Context) -> Result<(), CliError> {
    let target = context
        .target(&["notices"])
        .with("kind", list.kind)
        .with("area", list.area)
        .with("mine", list.mine.then_some("true"))
        .with("all", list.all_mine.then_some("true"));
    let page: Notices = context.client.get(&target).await?;
    context.output.emit(&page, |page| in_words(page, context))?;
    context.output.talk(&match page.notices.len() {
        0 => {
            "There are no such notices. To put one up: fingerpost notice post --kind need --title …"
                .to_owned()
        }
        some => format!("{} found.", count(some, "notice")),
    });
    Ok(())
}

fn in_words(page: &Notices, context: &Context) -> String {
    if page.notices.is_empty() {
        return String::new();
    }
    let row = |notice: &NoticeView| {
        let until = match notice.state {
            NoticeState::Open => notice.expires.clone(),
            NoticeState::Closed => "closed".to_owned(),
            NoticeState::Expired => "expired".to_owned(),
        };
        [
            notice.kind.clone(),
            notice.title.clone(),
            notice.organisation.name.clone(),
            notice.areas.join(", "),
            until,
            match notice.replies {
                0 => String::new(),
                some => some.to_string(),
            },
            notice.id.clone(),
        ]
    };
    let header = [
        "kind",
        "title",
        "organisation",
        "area",
        "until",
        "replies",
        "id",
    ];
    table(&context.output, header, page.notices.iter().map(row))
}

async fn show(named: &Named, context: &Context) -> Result<(), CliError> {
    let target = context.target(&["notices", &named.notice]);
    let detail: NoticeDetail = context.client.get(&target).await?;
    context.output.emit(&detail, detail_in_words)
}

fn detail_in_words(detail: &NoticeDetail) -> String {
    let notice = &detail.notice;
    let mut text = format!("{}: {}\n", one_line(&notice.kind), one_line(&notice.title));
    if let Some(whole) = &notice.text {
        text.push_str(&format!("\n{}\n\n", plain(whole).trim()));
    }
    let list = |words: &[String]| one_line(&words.join(", "));
    let owner = &notice.organisation;
    let lines = [
        (
            "From",
            format!("{} ({})", one_line(&owner.name), owner.id.short()),
        ),
        ("Areas", list(&notice.areas)),
        ("Languages", list(&notice.languages)),
        (
            "Begins",
            one_line(notice.starts.as_deref().unwrap_or_default()),
        ),
        ("Ends", one_line(notice.ends.as_deref().unwrap_or_default())),
        ("Only for", list(&notice.networks)),
        (
            "Put up",
            one_line(notice.posted.as_deref().unwrap_or_default()),
        ),
        ("Shown until", one_line(&notice.expires)),
        ("Id", one_line(&notice.id)),
    ];
    for (label, value) in lines.iter().filter(|(_, value)| !value.is_empty()) {
        text.push_str(&format!("{label}: {value}\n"));
    }
    match notice.state {
        NoticeState::Open => {}
        NoticeState::Closed => text.push_str("It is closed: others no longer see it.\n"),
        NoticeState::Expired => text.push_str("It has expired: others no longer see it.\n"),
    }
    if !detail.signed_by.is_empty() {
        let signed = detail.signed_by.iter().filter(|it| it.current).count();
        text.push_str(&format!(
            "\nSigned by {}:\n",
            count(signed, "other organisation")
        ));
        for signature in &detail.signed_by {
            let earlier = match signature.current {
                true => "",
                false => " (an earlier wording: this does not count)",
            };
            let on = signature.posted.as_deref().unwrap_or("day not given");
            text.push_str(&format!(
                "  {}, {}{earlier}\n",
                one_line(&signature.organisation.name),
                one_line(on)
            ));
        }
    }
    if !detail.replies.is_empty() {
        text.push_str("\nReplies:\n");
        for reply in &detail.replies {
            let on = reply.posted.as_deref().unwrap_or("day not given");
            text.push_str(&format!(
                "  {}, {}: {}\n",
                one_line(&reply.organisation.name),
                one_line(on),
                one_line(&reply.text)
            ));
        }
    }
    text
}

async fn history(context: &Context) -> Result<(), CliError> {
    let target: Target = context.target(&["board", "history"]);
    let history: History = context.client.get(&target).await?;
    context.output.emit(&history, |history| {
        listing::history_in_words(history, context)
    })
}
