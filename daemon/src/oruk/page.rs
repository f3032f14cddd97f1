//! Parameters and pages.

use std::collections::BTreeMap;

use axum::http::StatusCode;
use serde_json::{Value, json};

use super::Failure;
use super::times::seconds;

/// Entries on a page where the request does not say.
const PER_PAGE_DEFAULT: usize = 100;
/// Most entries on a page.
pub(super) const PER_PAGE_MAX: usize = 1_000;

/// The parameters of a request. What the specification does not name is passed over.
#[derive(Debug, Default)]
pub(super) struct Parameters(BTreeMap<String, String>);

fn refused(message: String) -> Failure {
    Failure {
        status: StatusCode::BAD_REQUEST,
        message,
    }
}

impl Parameters {
    pub(super) fn new(all: BTreeMap<String, String>) -> Self {
        Self(all)
    }

    /// A text; an empty one is the same as none.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.0
            .get(name)
            .map(|it| it.trim())
            .filter(|it| !it.is_empty())
    }

    pub(super) fn flag(&self, name: &str) -> Result<bool, Failure> {
        match self.text(name) {
            None | Some("false" | "0") => Ok(false),
            Some("true" | "1") => Ok(true),
            Some(other) => Err(refused(format!("{name} is true or false, not {other:?}"))),
        }
    }

    fn number(&self, name: &str, least: usize, default: usize) -> Result<usize, Failure> {
        let Some(text) = self.text(name) else {
            return Ok(default);
        };
        let number = text.parse().ok().filter(|it| *it >= least);
        number.ok_or_else(|| {
            refused(format!(
                "{name} is a whole number from {least}, not {text:?}"
            ))
        })
    }

    /// A distance in metres.
    pub(super) fn metres(&self, name: &str) -> Result<Option<u32>, Failure> {
        let number = self.text(name).map(|text| {
            let metres = text.parse::<f64>().ok().filter(|it| *it >= 0.0);
            // Further than this nothing is from anything.
            metres
                .map(|it| it.min(30_000_000.0) as u32)
                .ok_or_else(|| refused(format!("{name} is a number of metres, not {text:?}")))
        });
        number.transpose()
    }

    /// A moment, in seconds since 1970-01-01 UTC.
    pub(super) fn moment(&self, name: &str) -> Result<Option<i64>, Failure> {
        let moment = self.text(name).map(|text| {
            seconds(text).ok_or_else(|| {
                refused(format!(
                    "{name} is a date such as 2026-11-30 or 2026-11-30T12:00:00Z, not {text:?}"
                ))
            })
        });
        moment.transpose()
    }

    /// Whether all results are wanted, one a line.
    pub(super) fn is_stream(&self) -> Result<bool, Failure> {
        match self.text("format") {
            None | Some("json") => Ok(false),
            Some("ndjson") => Ok(true),
            Some(other) => Err(refused(format!("format is json or ndjson, not {other:?}"))),
        }
    }

    /// Which page, counted from 1, and how many entries one has.
    pub(super) fn paging(&self) -> Result<Paging, Failure> {
        Ok(Paging {
            page: self.number("page", 1, 1)?,
            per_page: self
                .number("per_page", 1, PER_PAGE_DEFAULT)?
                .min(PER_PAGE_MAX),
        })
    }
}

/// Which part of the results is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Paging {
    pub(super) page: usize,
    pub(super) per_page: usize,
}

impl Paging {
    /// How many results come before it.
    pub(super) fn offset(self) -> usize {
        (self.page - 1).saturating_mul(self.per_page)
    }

    /// The page in the envelope of the specification.
    pub(super) fn envelope(self, total: usize, contents: Vec<Value>) -> Value {
        let pages = total.div_ceil(self.per_page);
        json!({
            "total_items": total,
            "total_pages": pages,
            "page_number": self.page,
            "size": contents.len(),
            "first_page": self.page == 1,
            "last_page": self.page >= pages,
            "empty": contents.is_empty(),
            "contents": contents,
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]
mod tests {
    use super::*;

    fn parameters(all: &[(&str, &str)]) -> Parameters {
        let all = all
            .iter()
            .map(|(name, value)| ((*name).into(), (*value).into()));
        Parameters::new(all.collect())
    }

    #[test]
    fn parameters_that_make_no_sense_are_refused_in_words() {
        assert!(parameters(&[("full", "true")]).flag("full").unwrap());
        assert!(!parameters(&[("full", "")]).flag("full").unwrap());
        let refused = parameters(&[("full", "yes")]).flag("full").unwrap_err();
        assert_eq!(refused.message, "full is true or false, not \"yes\"");
        for page in ["0", "-1", "x", "1.5"] {
            assert!(parameters(&[("page", page)]).paging().is_err(), "{page}");
        }
        let paging = parameters(&[("page", "3"), ("per_page", "5000")])
            .paging()
            .unwrap();
        assert_eq!(
            (paging.page, paging.per_page, paging.offset()),
            (3, PER_PAGE_MAX, 2_000)
        );
        assert!(
            parameters(&[("modified_after", "soon")])
                .moment("modified_after")
                .is_err()
        );
        assert!(parameters(&[("format", "xml")]).is_stream().is_err());
        assert_eq!(
            parameters(&[("proximity", "1500.5")])
                .metres("proximity")
                .unwrap(),
            Some(1_500)
        );
        assert!(
            parameters(&[("proximity", "far")])
                .metres("proximity")
                .is_err()
        );
    }

    #[test]
    fn the_envelope_counts_right_at_the_ends() {
        let paging = Paging {
            page: 2,
            per_page: 10,
        };
        let page = paging.envelope(11, vec![Value::Null]);
        assert_eq!(page["total_pages"], 2);
        assert_eq!(
            (page["first_page"].as_bool(), page["last_page"].as_bool()),
            (Some(false), Some(true))
        );
        let none = Paging {
            page: 1,
            per_page: 10,
        }
        .envelope(0, vec![]);
        assert_eq!(
            (none["total_pages"].as_u64(), none["empty"].as_bool()),
            (Some(0), Some(true))
        );
        assert_eq!(
            (none["first_page"].as_bool(), none["last_page"].as_bool()),
            (Some(true), Some(true))
        );
    }
}
