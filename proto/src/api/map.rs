//! Seats on other bodies, and the map of who represents whom.

use serde::{Deserialize, Serialize};

use super::OrgRef;

/// `GET /v1/seats?org=`: the seats that an organisation holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seats {
    /// Whose.
    pub organisation: OrgRef,
    /// The seats, in the order of bodies.
    pub seats: Vec<SeatView>,
}

/// A seat on a body.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeatView {
    /// Its id.
    pub id: String,
    /// The name of the body.
    pub body: String,
    /// The body itself, if it is an organisation of the network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub organisation: Option<OrgRef>,
    /// What sort of body it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// What the organisation does there.
    pub role: String,
}

/// `POST /v1/seats?org=`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddSeat {
    /// The body: an organisation of the network by name or id, or any other by its name.
    pub body: String,
    /// What the organisation does there.
    pub role: String,
    /// What sort of body it is.
    #[serde(default)]
    pub kind: Option<String>,
}

/// `POST /v1/seats/remove?org=`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemoveSeat {
    /// The body, by name, or the id of the seat.
    pub body: String,
    /// Which seat, where the organisation holds several there.
    #[serde(default)]
    pub role: Option<String>,
}

/// `GET /v1/map?peers=`: who represents whom.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MapView {
    /// Organisations, bodies and, if they were asked for, nodes; in the order of their ids.
    pub places: Vec<MapPlace>,
    /// What leads from one to another.
    pub links: Vec<MapLink>,
    /// How many member organisations hold no seat, and are nobody's body: they are left out.
    pub without_seats: usize,
}

/// Something on the map.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct MapPlace {
    /// Unique on the map.
    pub id: String,
    /// Its name.
    pub label: String,
    /// `organisation`, `node`, or what sort of body it is.
    pub kind: String,
}

/// Something that leads from one place to another.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct MapLink {
    /// The place that holds the seat.
    pub from: String,
    /// The place on which it is held.
    pub to: String,
    /// What it does there.
    pub label: String,
}
