//! Why a file was not imported.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::json::{Place, Step, locate};

/// Kinds of reasons not to import a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ImportProblem {
    /// There is nothing in the file.
    Empty,
    /// The file is larger than [`IMPORT_MAX_BYTES`](crate::limits::IMPORT_MAX_BYTES).
    TooLarge,
    /// Brackets are nested too deep.
    TooDeep,
    /// A text or a name is too long.
    TextTooLong,
    /// The file ends in the middle.
    Truncated,
    /// The file is not JSON.
    NotJson,
    /// The file is something else that we recognise.
    OtherStandard,
    /// The file is JSON without services.
    NoServices,
    /// The services belong to different organisations.
    SeveralOrganizations,
    /// Two entries have one id.
    DuplicateId,
    /// A field that must be there is not.
    MissingField,
    /// A field holds a value of the wrong type.
    WrongType,
}

/// Why a file was not imported, where, and what to do. Nothing has been changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportError {
    /// Kind of reason.
    pub problem: ImportProblem,
    /// Where in the file; absent when it is about the file as a whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
    /// What is wrong, with the place in front.
    pub message: String,
    /// What to do about it.
    pub hint: String,
}

impl ImportError {
    /// `message` must name the place already, if there is one.
    pub(super) fn new(
        problem: ImportProblem,
        place: Option<Place>,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) -> ImportError {
        ImportError {
            problem,
            place,
            message: message.into(),
            hint: hint.into(),
        }
    }
}

impl fmt::Display for ImportError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl std::error::Error for ImportError {}

/// A fault found in the parsed value; its place in the bytes is looked up at the end.
pub(super) struct Fault {
    problem: ImportProblem,
    message: String,
    hint: String,
    path: Vec<Step>,
}

impl Fault {
    pub(super) fn new(
        problem: ImportProblem,
        message: impl Into<String>,
        hint: impl Into<String>,
        path: Vec<Step>,
    ) -> Fault {
        Fault {
            problem,
            message: message.into(),
            hint: hint.into(),
            path,
        }
    }

    pub(super) fn duplicate(id: &str, path: Vec<Step>) -> Fault {
        Fault::new(
            ImportProblem::DuplicateId,
            format!("a second entry with the id {id:?}"),
            "Give each entry an id of its own, or remove one of the two.",
            path,
        )
    }

    pub(super) fn not_an_object(path: Vec<Step>) -> Fault {
        Fault::new(
            ImportProblem::WrongType,
            "an object in {} belongs here",
            "Correct this value in the file.",
            path,
        )
    }

    /// Puts what serde says into plainer words.
    pub(super) fn typed(message: &str, mut path: Vec<Step>) -> Fault {
        if let Some(field) = message
            .strip_prefix("missing field `")
            .and_then(|rest| rest.split('`').next())
        {
            path.push(Step::Key(field.to_owned()));
            return Fault::new(
                ImportProblem::MissingField,
                format!("the field {field:?} is missing"),
                "Add it to the file.",
                path,
            );
        }
        let plain = message
            .strip_prefix("invalid type: ")
            .and_then(|rest| rest.split_once(", expected "))
            .map(|(found, expected)| format!("this is {found}; {expected} belongs here"));
        let message = plain.unwrap_or_else(|| {
            if message.contains("any variant of untagged enum") {
                "a number or a text belongs here".to_owned()
            } else {
                message.to_owned()
            }
        });
        Fault::new(
            ImportProblem::WrongType,
            message,
            "Correct this value in the file.",
            path,
        )
    }

    pub(super) fn at(self, bytes: &[u8]) -> ImportError {
        let place = locate(bytes, &self.path);
        let message = format!("{place}: {}", self.message);
        ImportError::new(self.problem, Some(place), message, self.hint)
    }
}

/// A path with one more step.
pub(super) fn join(path: &[Step], step: Step) -> Vec<Step> {
    let mut path = path.to_vec();
    path.push(step);
    path
}
