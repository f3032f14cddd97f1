//! What other programs subscribe to: Atom for notices, iCalendar for what has a date.
//!
//! The ids are stable: the same notice is the same entry in every feed, whichever node wrote it.

mod atom;
mod ical;

use fingerpost_proto::api::OrgRef;
use uuid::Uuid;

pub(crate) use atom::atom;
pub(crate) use ical::ical;

/// An id that follows from whose something is and the id that it has there.
fn stable_id(owner: &OrgRef, id: &str) -> Uuid {
    let name = format!("fingerpost/entry/{}/{id}", owner.id);
    Uuid::new_v5(&Uuid::NAMESPACE_URL, name.as_bytes())
}
