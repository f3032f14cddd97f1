//! `fingerpost listing import`

use clap::Args;
use fingerpost_proto::api::{Edited, ListingView, OrgInfo};
use fingerpost_proto::limits;
use fingerpost_proto::listing::import::{ImportError, ImportProblem, parse_import};
use fingerpost_proto::listing::source::{ChooseError, Whose, choose, unlisted};
use fingerpost_proto::listing::tables::LeftOut;
use fingerpost_proto::listing::tables::guess::guess;
use fingerpost_proto::listing::tables::mapping::{Mapping, MappingError};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::commands::{Context, listing};
use crate::error::CliError;
use crate::exchange::{Loaded, load, refused, sheet, source_of_json};
use crate::input::{own_org, read_text};
use crate::output::one_line;

/// Largest mapping file, in bytes.
const MAPPING_MAX_BYTES: usize = 256 * 1024;

#[derive(Debug, Args)]
pub(crate) struct Import {
    /// A file, the directory of a CSV package, or the web address of a feed; - reads standard input
    #[arg(value_name = "SOURCE")]
    source: String,
    /// Also remove services that the source does not hold
    #[arg(long)]
    replace: bool,
    /// Show what would change, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Propose a mapping for a spreadsheet, and import nothing
    #[arg(long, conflicts_with_all = ["mapping", "replace", "dry_run", "organisation", "publisher"])]
    guess: bool,
    /// Read a spreadsheet by this mapping
    #[arg(long, value_name = "FILE")]
    mapping: Option<String>,
    /// Take the services of this organisation alone, where the source has those of several
    #[arg(long, value_name = "NAME", conflicts_with = "publisher")]
    organisation: Option<String>,
    /// Take the services of all organisations, as their publisher; each says whose it is
    #[arg(long)]
    publisher: bool,
    /// The sheet of a workbook to propose a mapping for [default: the first with rows]
    #[arg(long, value_name = "NAME", requires = "guess")]
    sheet: Option<String>,
}

/// What an import did.
#[derive(Serialize)]
struct Imported {
    #[serde(flatten)]
    edited: Edited,
    dry_run: bool,
    left_out: Vec<LeftOut>,
    left_out_more: usize,
}

/// A proposed mapping.
#[derive(Serialize)]
struct Proposed {
    mapping: Mapping,
    toml: String,
}

pub(crate) async fn run(import: Import, context: &Context) -> Result<(), CliError> {
    let output = context.output;
    let loaded = load(&import.source, &|text| output.talk(text)).await?;
    if import.guess {
        return propose(&import, &loaded, context);
    }
    let (bytes, left_out, notes) = prepare(&import, loaded, context).await?;
    let target = context
        .target(&["listing", "import"])
        .with("replace", import.replace.then_some("true"))
        .with("dry_run", import.dry_run.then_some("true"));
    let mut edited: Edited = context.client.post_bytes(&target, bytes).await?;
    edited.notes.splice(0..0, notes);
    report(edited, left_out, &import, context)
}

fn report(
    edited: Edited,
    mut left_out: Vec<LeftOut>,
    import: &Import,
    context: &Context,
) -> Result<(), CliError> {
    let count = left_out.len();
    let left_out_more = cut(&mut left_out);
    for one in &left_out {
        context
            .output
            .talk(&format!("left out: {}", one_line(&in_words(one))));
    }
    if left_out_more > 0 {
        context
            .output
            .talk(&format!("left out: {left_out_more} more"));
    }
    listing::tell_notes(&edited, context);
    let imported = Imported {
        edited,
        dry_run: import.dry_run,
        left_out,
        left_out_more,
    };
    context.output.emit(&imported, |imported| {
        let before = if imported.dry_run {
            "Nothing was changed. This would be: "
        } else {
            ""
        };
        format!("{before}{}", listing::edit_in_words(&imported.edited))
    })?;
    listing::advise_undo(&imported.edited, context);
    match count {
        0 => Ok(()),
        _ => Err(CliError::Partly {
            message: match import.dry_run {
                true => format!("{} would be left out.", parts(count)),
                false => format!("{} left out; everything else was imported.", parts(count)),
            },
            hint: "Correct them in the source and import it again; what is there already stays as it is.".to_owned(),
        }),
    }
}

fn parts(count: usize) -> String {
    match count {
        1 => "1 row or cell".to_owned(),
        _ => format!("{count} rows or cells"),
    }
}

/// Keeps as many as are named one by one, and gives how many more there are.
fn cut(left_out: &mut Vec<LeftOut>) -> usize {
    let more = left_out.len().saturating_sub(limits::LEFT_OUT_MAX);
    left_out.truncate(limits::LEFT_OUT_MAX);
    more
}

fn in_words(one: &LeftOut) -> String {
    let row = if one.row == 0 {
        String::new()
    } else {
        format!(" row {}", one.row)
    };
    let column = one
        .column
        .as_ref()
        .map(|column| format!(", {column}"))
        .unwrap_or_default();
    format!("{}{row}{column}: {}", one.table, one.reason)
}

fn propose(import: &Import, loaded: &Loaded, context: &Context) -> Result<(), CliError> {
    let Loaded::Sheets(sheets) = loaded else {
        return Err(CliError::usage(
            "This needs no mapping: it is in the terms of Open Referral already.",
            "Import it without --guess.",
        ));
    };
    let found = sheet(sheets, import.sheet.as_deref())?;
    let table = found.table(1)?;
    let mut mapping = guess(&table, &slug(&found.name, &import.source));
    if sheets.len() > 1 {
        mapping.sheet = Some(found.name.clone());
    }
    let toml = mapping.to_toml().map_err(mapping_refused)?;
    let unused = mapping.unused.len();
    context
        .output
        .emit(&Proposed { mapping, toml }, |proposed| {
            proposed.toml.clone()
        })?;
    context.output.talk(&format!(
        "Save this, look at it, and import with it: fingerpost listing import {} --mapping FILE --dry-run",
        import.source
    ));
    if unused > 0 {
        context.output.talk(&format!(
            "{unused} columns are not mapped; they stand under \"unused\"."
        ));
    }
    Ok(())
}

/// A name for the source: that of the file, since sheets are often called "Sheet1".
fn slug(sheet: &str, source: &str) -> String {
    let stem = std::path::Path::new(source)
        .file_stem()
        .map(|stem| stem.to_string_lossy().into_owned());
    let name = stem
        .filter(|stem| stem != "-")
        .unwrap_or_else(|| sheet.to_owned());
    let slug: String = name
        .to_lowercase()
        .chars()
        .map(|letter| {
            if letter.is_alphanumeric() {
                letter
            } else {
                '-'
            }
        })
        .collect();
    slug.split('-')
        .filter(|part| !part.is_empty())
        .collect::<Vec<_>>()
        .join("-")
}

/// What goes to the daemon, what does not and why, and what people should know.
async fn prepare(
    import: &Import,
    loaded: Loaded,
    context: &Context,
) -> Result<(Vec<u8>, Vec<LeftOut>, Vec<String>), CliError> {
    let mut publisher = import.publisher;
    let source = match loaded {
        Loaded::Json(bytes) => {
            no_mapping(import)?;
            let chosen = import.publisher || import.organisation.is_some();
            // A listing of one organisation goes as it is, so that errors name its lines; so does what is wrong.
            if !chosen && parse_import(&bytes).map_or_else(|error| !is_divided(&error), |_| true) {
                return Ok((bytes, Vec::new(), Vec::new()));
            }
            match source_of_json(&import.source, &bytes) {
                Ok(Some(source)) => source,
                _ if !chosen => return Ok((bytes, Vec::new(), Vec::new())),
                Err(error) => return Err(error),
                Ok(None) => {
                    return Err(refused(
                        "There are no services with their organisations in it. Nothing was changed.",
                        "Leave --organisation and --publisher out.",
                    ));
                }
            }
        }
        Loaded::Source(source) => {
            no_mapping(import)?;
            source
        }
        Loaded::Sheets(sheets) => {
            let Some(path) = &import.mapping else {
                return Err(refused(
                    "A spreadsheet needs a mapping that says what its columns mean. Nothing was changed.",
                    format!(
                        "fingerpost listing import {} --guess proposes one.",
                        import.source
                    ),
                ));
            };
            let mapping =
                Mapping::parse(&read_text(path, MAPPING_MAX_BYTES)?).map_err(mapping_refused)?;
            let table = sheet(&sheets, mapping.sheet.as_deref())?.table(mapping.header_row)?;
            publisher |= mapping.publisher && import.organisation.is_none();
            mapping.apply(&table).map_err(mapping_refused)?
        }
    };
    let whose = match (&import.organisation, publisher) {
        (Some(name), _) => Whose::Named(name),
        (None, true) => Whose::Publisher,
        (None, false) => Whose::Only,
    };
    let chosen = choose(source, whose, &importer(context).await?).map_err(choose_refused)?;
    let bytes = serde_json::to_vec(&chosen.listing).map_err(|error| {
        refused(
            format!("The listing cannot be written: {error}. Nothing was changed."),
            "",
        )
    })?;
    Ok((bytes, chosen.left_out, chosen.notes))
}

/// Is it wrong only in that it holds services of several organisations, or in another envelope?
fn is_divided(error: &ImportError) -> bool {
    match error.problem {
        ImportProblem::SeveralOrganizations | ImportProblem::NoServices => true,
        ImportProblem::MissingField => error
            .place
            .as_ref()
            .is_some_and(|place| place.path.ends_with("].organization")),
        _ => false,
    }
}

fn no_mapping(import: &Import) -> Result<(), CliError> {
    match import.mapping {
        Some(_) => Err(CliError::usage(
            "A mapping means nothing for this source: it is in the terms of Open Referral already.",
            "Leave --mapping out.",
        )),
        None => Ok(()),
    }
}

/// The organisation that imports, as its listing describes it, or as it would.
async fn importer(context: &Context) -> Result<Map<String, Value>, CliError> {
    let own: OrgInfo = own_org(context, context.org.as_deref()).await?;
    let target = crate::client::Target::new(&["listing"]).with("org", Some(own.id.to_string()));
    match context.client.get::<ListingView>(&target).await {
        Ok(view) => {
            let mut fields = match view.listing {
                Value::Object(fields) => fields,
                _ => Map::new(),
            };
            fields.remove("services");
            Ok(fields)
        }
        Err(error) if error.kind().0 == "not_found" => Ok(unlisted(&own.id, &own.name)),
        Err(error) => Err(error),
    }
}

fn mapping_refused(error: MappingError) -> CliError {
    refused(
        format!("{error}. Nothing was changed."),
        "docs/guide/exchange.md explains mappings; --guess proposes one.",
    )
}

fn choose_refused(error: ChooseError) -> CliError {
    let hint = match error {
        ChooseError::Several(_) => {
            "Take one of them with --organisation NAME; or, if you publish for all of them, --publisher."
        }
        ChooseError::Unknown { .. } => "Write the name as it stands there.",
        ChooseError::Nothing => "Is it the right file?",
    };
    refused(format!("Not imported: {error}. Nothing was changed."), hint)
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
    fn rows_that_are_left_out_are_named() {
        let one = |row, column: Option<&str>| LeftOut {
            table: "clubs".to_owned(),
            row,
            column: column.map(str::to_owned),
            reason: "it has no name".to_owned(),
        };
        assert_eq!(in_words(&one(7, None)), "clubs row 7: it has no name");
        assert_eq!(
            in_words(&one(7, Some("Name"))),
            "clubs row 7, Name: it has no name"
        );
        assert_eq!(in_words(&one(0, None)), "clubs: it has no name");
        let mut many = vec![one(1, None); limits::LEFT_OUT_MAX + 3];
        assert_eq!(cut(&mut many), 3);
        assert_eq!((many.len(), cut(&mut many)), (limits::LEFT_OUT_MAX, 0));
        assert_eq!(slug("Sheet1", "files/GM Food banks.xlsx"), "gm-food-banks");
        assert_eq!(slug("Sheet1", "-"), "sheet1");
    }
}
