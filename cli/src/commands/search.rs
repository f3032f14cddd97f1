//! `fingerpost search`

use clap::{Args, ValueEnum};
use fingerpost_proto::api::{EntryKind, SearchPage, SearchResult};

use crate::client::Target;
use crate::commands::Context;
use crate::error::CliError;
use crate::output::words::{count, grouped};
use crate::output::{csv_row, one_line, table};

#[derive(Debug, Args)]
pub(crate) struct Search {
    /// Words to look for [default: everything]
    text: Vec<String>,
    /// Services, organisations or notices only
    #[arg(long)]
    kind: Option<Kind>,
    /// Most results to print
    #[arg(long, default_value_t = 20)]
    limit: u32,
    /// How many results to pass over
    #[arg(long, default_value_t = 0)]
    offset: u32,
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    filters: Filters,
    #[command(flatten)]
    shown: Shown,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Kind {
    Service,
    Organisation,
    Notice,
}

/// Where.
#[derive(Debug, Args)]
#[command(next_help_heading = "Where")]
struct Place {
    /// Nearest first: a postcode, its first half, or LAT,LNG
    #[arg(long, value_name = "POSTCODE|LAT,LNG", allow_hyphen_values = true)]
    near: Option<String>,
    /// No farther than this, in kilometres
    #[arg(long, value_name = "KM", requires = "near")]
    within: Option<f64>,
    /// In or for an area: a council, county, region or country, by name or GSS code
    #[arg(long, value_name = "NAME|GSS")]
    area: Option<String>,
}

/// What a listing must say.
#[derive(Debug, Args)]
#[command(next_help_heading = "What a listing must say")]
struct Filters {
    /// For people of this age, in years; listings that say no age pass
    #[arg(long, value_name = "YEARS")]
    age: Option<u32>,
    /// For these people, such as women or refugees
    #[arg(long = "for", value_name = "TERM")]
    people: Option<String>,
    /// This kind of support, or a narrower one
    #[arg(long = "type", value_name = "TERM")]
    kind_of_support: Option<String>,
    /// For this stage of the way to work: distant, nearer, ready, in-work
    #[arg(long, value_name = "STAGE")]
    stage: Option<String>,
    /// Fitted to one person (bespoke) or a set course (defined)
    #[arg(long, value_name = "MODEL")]
    model: Option<String>,
    /// In this language, by name or code
    #[arg(long, value_name = "LANGUAGE")]
    language: Option<String>,
    /// Costs the person nothing
    #[arg(long)]
    free: bool,
    /// Takes referrals from: self, gp, social-worker …
    #[arg(long, value_name = "WHO")]
    refer: Option<String>,
    /// In this form: one-to-one, group, online, telephone …
    #[arg(long, value_name = "FORM")]
    format: Option<String>,
    /// Paid by: person, referrer, commissioner …
    #[arg(long, value_name = "WHO")]
    payer: Option<String>,
    /// Open on a day, weekday, or "tuesday evening"
    #[arg(long, value_name = "DATE|WEEKDAY")]
    on: Option<String>,
    /// Open at this moment
    #[arg(long)]
    open_now: bool,
    /// Says that disabled people can get in
    #[arg(long)]
    accessible: bool,
    /// Of one organisation, by name or id
    #[arg(long, value_name = "ORG")]
    organisation: Option<String>,
    /// Confirmed within this time: 90d, 12w, 6m, 1y
    #[arg(long, value_name = "TIME")]
    fresh: Option<String>,
    /// Show also what nobody has confirmed for long
    #[arg(long)]
    include_stale: bool,
}

/// What is shown.
#[derive(Debug, Args)]
#[command(next_help_heading = "What is shown")]
struct Shown {
    /// Count what the results say
    #[arg(long)]
    facets: bool,
    /// Say why each result is there
    #[arg(long)]
    explain: bool,
    /// Print rows for a spreadsheet
    #[arg(long, conflicts_with_all = ["facets", "explain"])]
    csv: bool,
}

pub(crate) async fn run(search: Search, context: &Context) -> Result<(), CliError> {
    if search.shown.csv && context.output.json {
        return Err(CliError::usage(
            "--csv and --json are two forms of one answer.",
            "Leave one of them out.",
        ));
    }
    let organisation = context.org_or(search.filters.organisation.clone())?;
    let page: SearchPage = context.client.get(&target(&search, organisation)).await?;
    if search.shown.csv {
        context.output.data(&as_csv(&page))?;
    } else {
        context.output.emit(&page, |page| in_words(page, context))?;
    }
    for note in &page.notes {
        context.output.talk(&format!("Note: {note}."));
    }
    context.output.talk(&summary(&page, search.offset));
    Ok(())
}

fn target(search: &Search, organisation: Option<String>) -> Target {
    let kind = search.kind.map(|kind| match kind {
        Kind::Service => "service",
        Kind::Organisation => "organisation",
        Kind::Notice => "notice",
    });
    let text = search.text.join(" ");
    let flag = |is_on: bool| is_on.then_some("true");
    let (place, filters, shown) = (&search.place, &search.filters, &search.shown);
    Target::new(&["search"])
        .with("text", (!text.is_empty()).then_some(text))
        .with("kind", kind)
        .with("organisation", organisation)
        .with("limit", Some(search.limit.to_string()))
        .with("offset", Some(search.offset.to_string()))
        .with("near", place.near.as_ref())
        .with("within_km", place.within.map(|km| km.to_string()))
        .with("area", place.area.as_ref())
        .with("age", filters.age.map(|age| age.to_string()))
        .with("for", filters.people.as_ref())
        .with("type", filters.kind_of_support.as_ref())
        .with("stage", filters.stage.as_ref())
        .with("model", filters.model.as_ref())
        .with("language", filters.language.as_ref())
        .with("free", flag(filters.free))
        .with("refer", filters.refer.as_ref())
        .with("format", filters.format.as_ref())
        .with("payer", filters.payer.as_ref())
        .with("on", filters.on.as_ref())
        .with("open_now", flag(filters.open_now))
        .with("accessible", flag(filters.accessible))
        .with("fresh", filters.fresh.as_ref())
        .with("include_stale", flag(filters.include_stale))
        .with("facets", flag(shown.facets))
        .with("explain", flag(shown.explain))
}

fn in_words(page: &SearchPage, context: &Context) -> String {
    let mut text = match page.results.is_empty() {
        true => String::new(),
        false => results(page, context),
    };
    for result in page.results.iter().filter(|result| !result.why.is_empty()) {
        text.push_str(&format!("\n{}\n", one_line(&result.name)));
        for why in &result.why {
            text.push_str(&format!(
                "  {}: {}\n",
                one_line(&why.asked),
                one_line(&why.answer)
            ));
        }
    }
    for group in &page.facets {
        text.push_str(&format!("\n{}\n", one_line(&group.name)));
        for count in &group.counts {
            text.push_str(&format!(
                "  {:>7}  {}\n",
                grouped(count.count),
                one_line(&count.value)
            ));
        }
    }
    text
}

fn results(page: &SearchPage, context: &Context) -> String {
    let has_distance = page
        .results
        .iter()
        .any(|result| result.distance_m.is_some());
    let rows = page.results.iter().map(|result| {
        let of = match result.kind {
            EntryKind::Service => result.organisation.name.clone(),
            EntryKind::Organisation => "(organisation)".to_owned(),
            EntryKind::Notice => format!("(notice) {}", result.organisation.name),
        };
        [
            result.name.clone(),
            of,
            result.status.clone().unwrap_or_default(),
            assured(result),
            result.id.clone(),
        ]
    });
    if !has_distance {
        let header = ["name", "organisation", "status", "last assured", "id"];
        return table(&context.output, header, rows);
    }
    let header = [
        "name",
        "organisation",
        "distance",
        "status",
        "last assured",
        "id",
    ];
    let rows = rows
        .zip(&page.results)
        .map(|([name, of, status, assured, id], result)| {
            let distance = result.distance_m.map(fingerpost_proto::filter::kilometres);
            [name, of, distance.unwrap_or_default(), status, assured, id]
        });
    table(&context.output, header, rows)
}

fn assured(result: &SearchResult) -> String {
    let day = result.assured_date.clone().unwrap_or_default();
    if result.stale {
        format!("{day} (stale)")
    } else {
        day
    }
}

fn as_csv(page: &SearchPage) -> String {
    let mut text = csv_row([
        "id",
        "kind",
        "name",
        "organisation",
        "organisation_id",
        "status",
        "assured_date",
        "stale",
        "distance_m",
    ]);
    for result in &page.results {
        let kind = match result.kind {
            EntryKind::Service => "service",
            EntryKind::Organisation => "organisation",
            EntryKind::Notice => "notice",
        };
        let distance = result.distance_m.map(|it| it.to_string());
        text.push_str(&csv_row([
            result.id.as_str(),
            kind,
            &result.name,
            &result.organisation.name,
            &result.organisation.id.to_string(),
            result.status.as_deref().unwrap_or_default(),
            result.assured_date.as_deref().unwrap_or_default(),
            if result.stale { "true" } else { "false" },
            distance.as_deref().unwrap_or_default(),
        ]));
    }
    text
}

fn summary(page: &SearchPage, offset: u32) -> String {
    let first = usize::try_from(offset).unwrap_or(usize::MAX);
    let last = first.saturating_add(page.results.len());
    let total = count(page.total, "entry");
    let mut text = match (page.total, page.results.len()) {
        (0, _) if page.suggestions.is_empty() => {
            "Nothing was found. Fewer or other words may find more.".to_owned()
        }
        (0, _) => "Nothing was found.".to_owned(),
        (all, shown) if all == shown => format!("{total} found."),
        (_, 0) => format!("{total} found, none of them on this page."),
        (all, _) if last < all => format!(
            "{} to {} of {total} found. The next: --offset {last}",
            grouped(u64::from(offset) + 1),
            grouped(u64::try_from(last).unwrap_or(u64::MAX)),
        ),
        _ => format!("The last {} of {total} found.", page.results.len()),
    };
    for suggestion in &page.suggestions {
        let found = grouped(u64::try_from(suggestion.found).unwrap_or(u64::MAX));
        text.push_str(&format!(
            "\n  without {}: {found}",
            one_line(&suggestion.without)
        ));
    }
    if page.hidden > 0 {
        let hidden = count(page.hidden, "more entry");
        text.push_str(&format!(
            "\n{hidden} left out, because nobody has confirmed them for long. To see them: --include-stale"
        ));
    }
    text
}
