//! `fingerpost export`: the merged view, or a part of it, for other programs and for people.

use std::collections::BTreeMap;

use clap::Args;
use fingerpost_proto::api::{ExportPage, OrgRef};
use fingerpost_proto::listing::Listing;
use serde::Serialize;

use crate::client;
use crate::commands::Context;
use crate::error::CliError;
use crate::exchange::{Target, write_listings};

#[derive(Debug, Args)]
pub(crate) struct Export {
    /// Only services that a search for these words finds
    text: Vec<String>,
    /// Only services of this organisation, by name or id
    #[arg(long, value_name = "ORG")]
    organisation: Option<String>,
    /// Only services that serve or are in this area: a name, a GSS code, a town, or a postcode's beginning
    #[arg(long, value_name = "AREA")]
    area: Option<String>,
    #[command(flatten)]
    target: Target,
}

/// What an export wrote.
#[derive(Serialize)]
struct Exported {
    organisations: Vec<OrgRef>,
    services: usize,
    output: Option<String>,
    /// The export itself, where it was not written to a file.
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<String>,
}

pub(crate) async fn run(export: Export, context: &Context) -> Result<(), CliError> {
    let text = export.text.join(" ");
    let mut found: BTreeMap<String, (OrgRef, Listing)> = BTreeMap::new();
    let mut next = Some(0);
    while let Some(offset) = next {
        let target = client::Target::new(&["export"])
            .with("text", (!text.is_empty()).then_some(&text))
            .with("organisation", export.organisation.as_deref())
            .with("area", export.area.as_deref())
            .with("offset", (offset > 0).then(|| offset.to_string()));
        let page: ExportPage = context.client.get(&target).await?;
        for part in page.listings {
            found.insert(
                part.organisation.id.to_string(),
                (part.organisation, part.listing),
            );
        }
        // An answer that leads back would never end.
        next = page.next.filter(|next| *next > offset);
    }
    let (organisations, listings): (Vec<OrgRef>, Vec<Listing>) = found.into_values().unzip();
    let services = listings.iter().map(|listing| listing.services.len()).sum();
    let (content, told) = write_listings(&listings, "Directory", false, &export.target)?;
    let output = export
        .target
        .output
        .as_ref()
        .map(|path| path.display().to_string());
    let exported = Exported {
        organisations,
        services,
        output,
        content,
    };
    context.output.emit(&exported, |exported| {
        exported.content.clone().unwrap_or_default()
    })?;
    context.output.talk(&format!("Exported: {told}."));
    Ok(())
}
