//! Listings from files: Open Referral UK 3 and HSDS 3 as people really have them.
//!
//! Taken are an organisation with its `services`; a page of services (`contents`), an array of
//! services or one service, where each carries the same `organization` inside. A file is taken
//! whole or not at all: nothing here changes anything, and every refusal names the place.
//!
//! Ids become UUIDs. One that is not is replaced by a UUID made of the organisation's id, the kind
//! of entity and the id (so a second import finds the same), and kept in `x_original_id`. Entities
//! without id get one made of their content. A service must have an id: without one a second
//! import could not find it again.

mod error;
mod form;
mod ids;

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::entities::{Entities, Entity};
use super::model::{Organization, Service};
use crate::json::{self, Bounds, JsonError, Step};
use crate::limits::{IMPORT_MAX_BYTES, JSON_MAX_DEPTH, NAME_MAX_BYTES, TEXT_MAX_BYTES};

use error::Fault;
pub use error::{ImportError, ImportProblem};
use form::Parts;
use ids::Normaliser;

/// What a file holds.
#[derive(Clone, Debug, PartialEq)]
pub struct Import {
    /// The organisation.
    pub organization: Organization,
    /// Its services.
    pub services: Entities<Service>,
    /// The organisation is described only inside the services, probably in part.
    pub organization_in_passing: bool,
    /// What people should know about how the file was read, one sentence each.
    pub notes: Vec<String>,
}

const IMPORT_BOUNDS: Bounds = Bounds {
    max_bytes: IMPORT_MAX_BYTES,
    max_depth: JSON_MAX_DEPTH,
    max_text_bytes: TEXT_MAX_BYTES,
};

/// Reads a listing file.
///
/// # Errors
/// [`ImportError`] with what is wrong, where, and what to do about it.
pub fn parse_import(bytes: &[u8]) -> Result<Import, ImportError> {
    // Spreadsheet programs like to put a byte order mark in front.
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    form::refuse_other_formats(bytes)?;
    let mut value = json::parse_bounded(bytes, &IMPORT_BOUNDS).map_err(from_json)?;
    // The place of an explicit null is still in the bytes; in the value it is absent.
    json::strip_nulls(&mut value);
    read(value).map_err(|fault| fault.at(bytes))
}

fn read(value: Value) -> Result<Import, Fault> {
    let parts = form::take_apart(value)?;
    let Parts {
        mut organization,
        organization_path,
        services,
        organization_in_passing,
        mut notes,
    } = parts;

    let mut normaliser = Normaliser::new(&mut organization, &organization_path)?;
    normaliser.entity(
        &mut organization,
        Organization::shape(),
        &organization_path,
        None,
    )?;
    let mut collected = Entities::default();
    let organization: Organization = typed(organization, &organization_path)?;
    check_name(&organization.name, &organization_path)?;
    for (mut service, path) in services {
        normaliser.service(&mut service, &path)?;
        let service: Service = typed(service, &path)?;
        check_name(&service.name, &path)?;
        if let Some(earlier) = collected.insert(service) {
            return Err(Fault::duplicate(&earlier.id, path));
        }
    }
    notes.extend(normaliser.notes());
    Ok(Import {
        organization,
        services: collected,
        organization_in_passing,
        notes,
    })
}

fn typed<T: DeserializeOwned>(value: Value, path: &[Step]) -> Result<T, Fault> {
    serde_path_to_error::deserialize(value).map_err(|error| {
        let mut full = path.to_vec();
        full.extend(json::steps_of(error.path()));
        Fault::typed(&error.inner().to_string(), full)
    })
}

fn check_name(name: &str, path: &[Step]) -> Result<(), Fault> {
    let here = || error::join(path, Step::Key("name".to_owned()));
    if name.trim().is_empty() {
        return Err(Fault::new(
            ImportProblem::MissingField,
            "the name is empty",
            "Give every organisation and service a name.",
            here(),
        ));
    }
    if name.len() > NAME_MAX_BYTES {
        return Err(Fault::new(
            ImportProblem::TextTooLong,
            format!(
                "this name has {} bytes; at most {NAME_MAX_BYTES} are allowed",
                name.len()
            ),
            "Move the longer text to the description.",
            here(),
        ));
    }
    Ok(())
}

fn from_json(error: JsonError) -> ImportError {
    let message = error.to_string();
    let (problem, place, hint) = match error {
        JsonError::TooLarge { .. } => (
            ImportProblem::TooLarge,
            None,
            "Export less at a time, or split the listing into several organisations.",
        ),
        JsonError::TooDeep { place, .. } => (
            ImportProblem::TooDeep,
            Some(place),
            "Listings are at most 16 brackets deep. Is this an export of listings?",
        ),
        JsonError::TextTooLong { place, .. } => (
            ImportProblem::TextTooLong,
            Some(place),
            "Shorten this text, or put it on a web page and link to it.",
        ),
        JsonError::Syntax {
            place,
            truncated: true,
            ..
        } => (
            ImportProblem::Truncated,
            Some(place),
            "The file ends too early. Export or download it again.",
        ),
        JsonError::Syntax { place, .. } => (
            ImportProblem::NotJson,
            Some(place),
            "The file must be JSON in UTF-8. Look at the place named for a missing comma or quote.",
        ),
        JsonError::Field { place, .. } => (
            ImportProblem::WrongType,
            Some(place),
            "Correct this value in the file.",
        ),
    };
    ImportError::new(problem, place, message, hint)
}

#[cfg(test)]
#[allow(
    clippy::disallowed_methods,
    reason = "tests may read the real listings that lie beside the project"
)]
mod tests;
