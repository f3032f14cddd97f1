//! Which of the accepted forms a file has, and what it is when it has none of them.

use serde_json::{Map, Value};

use super::error::{Fault, ImportError, ImportProblem, join};
use crate::json::Step;
use crate::limits::IMPORT_MAX_BYTES;

/// A file taken apart, not yet typed.
pub(super) struct Parts {
    pub(super) organization: Value,
    pub(super) organization_path: Vec<Step>,
    pub(super) services: Vec<(Value, Vec<Step>)>,
    pub(super) organization_in_passing: bool,
    pub(super) notes: Vec<String>,
}

/// Recognises files that are not JSON at all.
pub(super) fn refuse_other_formats(bytes: &[u8]) -> Result<(), ImportError> {
    let whole =
        |problem, message: &str, hint: &str| Err(ImportError::new(problem, None, message, hint));
    if bytes.len() > IMPORT_MAX_BYTES {
        return whole(
            ImportProblem::TooLarge,
            &format!(
                "the file has {} bytes; at most {IMPORT_MAX_BYTES} are allowed",
                bytes.len()
            ),
            "Export less at a time, or split the listing into several organisations.",
        );
    }
    let text = bytes.trim_ascii_start();
    match text.first() {
        None => whole(
            ImportProblem::Empty,
            "the file is empty",
            "Export the listing again, and check that the export finished.",
        ),
        Some(b'{' | b'[') => Ok(()),
        _ if text.starts_with(b"PK\x03\x04") => whole(
            ImportProblem::OtherStandard,
            "this is a ZIP file or a spreadsheet (XLSX), not JSON",
            "Export the listing as Open Referral UK 3 JSON.",
        ),
        _ if text.starts_with(b"%PDF") => whole(
            ImportProblem::OtherStandard,
            "this is a PDF, not JSON",
            "Export the listing as Open Referral UK 3 JSON.",
        ),
        _ if text.starts_with(b"\xff\xfe") || text.starts_with(b"\xfe\xff") => whole(
            ImportProblem::NotJson,
            "this text is in UTF-16",
            "Save the file as UTF-8.",
        ),
        Some(b'<') => whole(
            ImportProblem::OtherStandard,
            "this is a web page (HTML) or XML, not JSON",
            "Download the data itself. An address that ends in /services often gives it.",
        ),
        _ if looks_like_csv(text) => whole(
            ImportProblem::OtherStandard,
            "this looks like a table (CSV), not JSON",
            "Export the listing as Open Referral UK 3 JSON. The CSV files of HSDS are not read.",
        ),
        _ => Ok(()),
    }
}

fn looks_like_csv(text: &[u8]) -> bool {
    let first_line = text.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let separators = |wanted: u8| first_line.iter().filter(|byte| **byte == wanted).count();
    let names_id = first_line.starts_with(b"id") || first_line.starts_with(b"\"id");
    separators(b',') >= 2
        || separators(b';') >= 2
        || separators(b'\t') >= 2
        || (names_id && separators(b',') > 0)
}

/// Finds the organisation and the services.
pub(super) fn take_apart(value: Value) -> Result<Parts, Fault> {
    match value {
        Value::Array(items) => from_list(items, &[], Vec::new()),
        Value::Object(fields) => from_object(fields),
        _ => Err(Fault::new(
            ImportProblem::NoServices,
            "this is a single value, not a listing",
            ACCEPTED,
            Vec::new(),
        )),
    }
}

const ACCEPTED: &str = "A listing is an Open Referral UK 3 organisation with its \"services\", \
     or a page of services (\"contents\") that each carry their \"organization\".";

fn from_object(mut fields: Map<String, Value>) -> Result<Parts, Fault> {
    match fields.remove("services") {
        Some(Value::Array(items)) => return from_organization(fields, items),
        Some(_) => {
            return Err(Fault::new(
                ImportProblem::WrongType,
                "\"services\" must be an array",
                "Put the services in square brackets.",
                vec![Step::Key("services".to_owned())],
            ));
        }
        None => {}
    }
    match fields.remove("contents") {
        Some(Value::Array(items)) => {
            let notes = page_notes(&fields);
            return from_list(items, &[Step::Key("contents".to_owned())], notes);
        }
        Some(other) => {
            fields.insert("contents".to_owned(), other);
        }
        None => {}
    }
    if fields.get("organization").is_some_and(Value::is_object) {
        return from_list_of_one(fields);
    }
    Err(other_standard(&fields))
}

fn from_organization(fields: Map<String, Value>, items: Vec<Value>) -> Result<Parts, Fault> {
    let path = vec![Step::Key("services".to_owned())];
    let organization_id = fields.get("id").cloned();
    let mut services = Vec::with_capacity(items.len());
    for (index, mut item) in items.into_iter().enumerate() {
        let here = join(&path, Step::Index(index));
        let Some(service) = item.as_object_mut() else {
            return Err(Fault::not_an_object(here));
        };
        // The organisation around the services is the one that counts; a copy inside is dropped.
        if service.get("organization").is_some_and(Value::is_object) {
            let inner = service.remove("organization").unwrap_or_default();
            if inner.get("id").is_some() && inner.get("id") != organization_id.as_ref() {
                return Err(several(join(&here, Step::Key("organization".to_owned()))));
            }
        }
        services.push((item, here));
    }
    Ok(Parts {
        organization: Value::Object(fields),
        organization_path: Vec::new(),
        services,
        organization_in_passing: false,
        notes: Vec::new(),
    })
}

fn from_list_of_one(mut service: Map<String, Value>) -> Result<Parts, Fault> {
    let organization = service.remove("organization").unwrap_or_default();
    Ok(Parts {
        organization,
        organization_path: vec![Step::Key("organization".to_owned())],
        services: vec![(Value::Object(service), Vec::new())],
        organization_in_passing: true,
        notes: Vec::new(),
    })
}

fn from_list(items: Vec<Value>, path: &[Step], notes: Vec<String>) -> Result<Parts, Fault> {
    let mut found: Option<(Value, Vec<Step>)> = None;
    let mut services = Vec::with_capacity(items.len());
    for (index, mut item) in items.into_iter().enumerate() {
        let here = join(path, Step::Index(index));
        let inner_path = join(&here, Step::Key("organization".to_owned()));
        let Some(service) = item.as_object_mut() else {
            return Err(Fault::not_an_object(here));
        };
        let Some(inner) = service.remove("organization").filter(Value::is_object) else {
            return Err(Fault::new(
                ImportProblem::MissingField,
                "this entry does not carry its \"organization\"",
                ACCEPTED,
                inner_path,
            ));
        };
        match &mut found {
            None => found = Some((inner, inner_path)),
            Some((first, _)) if first.get("id") != inner.get("id") => {
                return Err(several(inner_path));
            }
            // What one service says about the organisation and another does not, is all kept.
            Some((first, _)) => complete(first, inner),
        }
        services.push((item, here));
    }
    let Some((organization, organization_path)) = found else {
        return Err(Fault::new(
            ImportProblem::NoServices,
            "there are no services in this file",
            ACCEPTED,
            path.to_vec(),
        ));
    };
    Ok(Parts {
        organization,
        organization_path,
        services,
        organization_in_passing: true,
        notes,
    })
}

fn complete(first: &mut Value, other: Value) {
    if let (Value::Object(first), Value::Object(other)) = (first, other) {
        for (field, value) in other {
            first.entry(field).or_insert(value);
        }
    }
}

fn several(path: Vec<Step>) -> Fault {
    Fault::new(
        ImportProblem::SeveralOrganizations,
        "this service belongs to another organisation than those before it",
        "One listing is one organisation's. Split the file by organisation.",
        path,
    )
}

fn page_notes(fields: &Map<String, Value>) -> Vec<String> {
    match fields.get("total_pages").and_then(Value::as_u64) {
        Some(pages) if pages > 1 => vec![format!(
            "This file is one page of {pages}; import the other pages too."
        )],
        _ => Vec::new(),
    }
}

/// Names the standard that the object is of, as far as it can be told.
fn other_standard(fields: &Map<String, Value>) -> Fault {
    let has = |field: &str| fields.contains_key(field);
    let (problem, message, hint) = if has("content") {
        (
            ImportProblem::OtherStandard,
            "this is a page of Open Referral UK 1 (\"content\"), not of version 3 (\"contents\")",
            "Ask the publisher for the version 3 feed, or convert the file.",
        )
    } else if has("@context") || has("@graph") || has("@type") {
        (
            ImportProblem::OtherStandard,
            "this is JSON-LD (schema.org), not Open Referral",
            ACCEPTED,
        )
    } else if has("features") && fields.get("type").is_some() {
        (
            ImportProblem::OtherStandard,
            "this is GeoJSON, not Open Referral",
            ACCEPTED,
        )
    } else if has("resourceType") {
        (
            ImportProblem::OtherStandard,
            "this is FHIR, not Open Referral",
            ACCEPTED,
        )
    } else if has("openapi_url") || has("openapi") {
        (
            ImportProblem::OtherStandard,
            "this describes an interface; it does not hold the listing",
            "Download the address of the feed with /services at the end.",
        )
    } else {
        (
            ImportProblem::NoServices,
            "there is no \"services\" in this file",
            ACCEPTED,
        )
    };
    Fault::new(problem, message, hint, Vec::new())
}
