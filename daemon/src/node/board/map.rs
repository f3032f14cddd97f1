//! Seats on other bodies, and the map that they make together.

use std::collections::{BTreeMap, BTreeSet};

use fingerpost_proto::api::{AddSeat, MapLink, MapPlace, MapView, RemoveSeat, SeatView, Seats};
use fingerpost_proto::card::{Card, Seat};
use fingerpost_proto::ids::{DocName, OrgId};
use fingerpost_proto::limits::SEATS_MAX;
use fingerpost_proto::matching::fold;
use fingerpost_proto::replica::Replica;

use crate::node::documents::By;
use crate::node::listing::new_id;
use crate::node::names::{card_of, org_ref};
use crate::node::{Node, NodeError};
use crate::store::SledStorage;

/// What a body is that nobody says more of.
const BODY: &str = "body";
const ORGANISATION: &str = "organisation";
const NODE: &str = "node";

fn no_seat(body: &str) -> NodeError {
    NodeError::not_found(
        format!("your organisation holds no such seat on \"{body}\"; nothing was changed"),
        "fingerpost seat list shows the seats",
    )
}

impl Node {
    /// The seats that an own organisation holds.
    ///
    /// # Errors
    /// [`NodeError`].
    pub fn seats(&self, org: &OrgId) -> Result<Seats, NodeError> {
        let replica = self.replica();
        let card = self.own_card(&replica, org)?;
        let mut seats: Vec<SeatView> = card
            .seats
            .into_iter()
            .map(|(id, seat)| SeatView {
                id,
                body: seat.body,
                organisation: seat.organisation.map(|body| org_ref(&replica, &body)),
                kind: seat.kind,
                role: seat.role,
            })
            .collect();
        seats.sort_by(|a, b| (&a.body, &a.role, &a.id).cmp(&(&b.body, &b.role, &b.id)));
        Ok(Seats {
            organisation: org_ref(&replica, org),
            seats,
        })
    }

    /// Notes on the card that an organisation holds a seat. The same seat twice is one.
    ///
    /// # Errors
    /// [`NodeError`].
    pub fn add_seat(&self, org: &OrgId, request: &AddSeat, by: &By) -> Result<Seats, NodeError> {
        let known = self.any_org(&request.body).ok();
        if known == Some(*org) {
            return Err(NodeError::refused(
                "an organisation holds no seat on itself; nothing was changed",
                "name another body",
            ));
        }
        let name = known.map(|body| self.org_named(&body).name);
        let clean = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        let seat = Seat {
            body: name.unwrap_or_else(|| clean(&request.body)),
            organisation: known,
            kind: request
                .kind
                .as_deref()
                .map(clean)
                .filter(|kind| !kind.is_empty()),
            role: clean(&request.role),
        };
        let id = new_id()?;
        let what = format!("seat on {}: {}", seat.body, seat.role);
        self.edit_card(org, &what, by, |card| {
            let same = |held: &&mut Seat| {
                key_of(held) == key_of(&seat) && fold(&held.role) == fold(&seat.role)
            };
            let held = card.seats.len();
            match card.seats.values_mut().find(same) {
                Some(held) => *held = seat.clone(),
                None if held >= SEATS_MAX => {
                    return Err(NodeError::refused(
                        format!("a card lists at most {SEATS_MAX} seats; nothing was changed"),
                        "take one off that is not held any more: fingerpost seat remove BODY",
                    ));
                }
                None => drop(card.seats.insert(id, seat.clone())),
            }
            Ok(())
        })?;
        self.seats(org)
    }

    /// Takes a seat off the card.
    ///
    /// # Errors
    /// [`NodeError`].
    pub fn remove_seat(
        &self,
        org: &OrgId,
        request: &RemoveSeat,
        by: &By,
    ) -> Result<Seats, NodeError> {
        let what = format!("no seat any more on {}", request.body);
        self.edit_card(org, &what, by, |card| {
            let wanted = |id: &str, seat: &Seat| {
                let role = request.role.as_deref();
                let body = id == request.body
                    || fold(&seat.body) == fold(&request.body)
                    || seat
                        .organisation
                        .is_some_and(|body| body.matches(&request.body));
                body && role.is_none_or(|role| fold(role) == fold(&seat.role))
            };
            let held = card.seats.iter();
            let found: Vec<String> = held
                .filter(|(id, seat)| wanted(id, seat))
                .map(|(id, _)| id.clone())
                .collect();
            match found.as_slice() {
                [one] => drop(card.seats.remove(one)),
                [] => return Err(no_seat(&request.body)),
                _ => {
                    return Err(NodeError::bad_input(
                        format!(
                            "your organisation holds {} seats there; nothing was changed",
                            found.len()
                        ),
                        "say which: --role chair",
                    ));
                }
            }
            Ok(())
        })?;
        self.seats(org)
    }

    /// Who represents whom, by the cards of this node's organisations and of members; with `peers`, also the nodes
    /// that this one knows.
    ///
    /// # Errors
    /// [`NodeError`].
    pub fn map(&self, peers: bool) -> Result<MapView, NodeError> {
        let mut map = Map::default();
        let replica = self.replica();
        let keys: Vec<_> = replica.documents_named(DocName::Card).collect();
        drop(replica);
        let mut without = BTreeSet::new();
        for key in keys {
            let replica = self.replica();
            if self.left_out(&replica, &key.org) == Some(true) {
                continue;
            }
            let Some(card) = card_of(&replica, &key.org) else {
                continue;
            };
            if card.seats.is_empty() {
                without.insert(key.org);
            }
            map.add(&replica, &key.org, &card);
        }
        if peers {
            self.add_peers(&mut map)?;
        }
        without.retain(|org| !map.places.contains_key(&org.to_string()));
        Ok(MapView {
            places: map.places.into_values().collect(),
            links: map.links.into_iter().collect(),
            without_seats: without.len(),
        })
    }

    /// The nodes of members that this one knows, with the organisations that they speak for, and which it is connected to.
    fn add_peers(&self, map: &mut Map) -> Result<(), NodeError> {
        let status = self.status()?;
        let this = status.node.to_string();
        map.place(&this, "this node", NODE);
        for org in &status.organisations {
            map.place(&org.org.id.to_string(), &org.org.name, ORGANISATION);
            map.link(&org.org.id.to_string(), &this, "writes on");
        }
        for peer in status.peers {
            let id = peer.node.to_string();
            map.place(&id, &peer.node.short(), NODE);
            for org in peer.organisations {
                map.place(&org.id.to_string(), &org.name, ORGANISATION);
                map.link(&org.id.to_string(), &id, "writes on");
            }
            if peer.connected {
                map.link(&this, &id, "connected");
            }
        }
        Ok(())
    }
}

/// What bodies are told apart by: the organisation, where it is one, or the name.
fn key_of(seat: &Seat) -> String {
    match seat.organisation {
        Some(org) => org.to_string(),
        None => format!("body/{}", fold(&seat.body)),
    }
}

#[derive(Default)]
struct Map {
    places: BTreeMap<String, MapPlace>,
    links: BTreeSet<MapLink>,
}

impl Map {
    fn place(&mut self, id: &str, label: &str, kind: &str) {
        let place = self
            .places
            .entry(id.to_owned())
            .or_insert_with(|| MapPlace {
                id: id.to_owned(),
                label: label.to_owned(),
                kind: kind.to_owned(),
            });
        // Whoever says what sort of body it is knows more than who says nothing.
        if place.kind == BODY {
            place.kind = kind.to_owned();
        }
    }

    fn link(&mut self, from: &str, to: &str, label: &str) {
        self.links.insert(MapLink {
            from: from.to_owned(),
            to: to.to_owned(),
            label: label.to_owned(),
        });
    }

    fn add(&mut self, replica: &Replica<SledStorage>, org: &OrgId, card: &Card) {
        let from = org.to_string();
        for seat in card.seats.values() {
            let to = key_of(seat);
            let kind = seat.kind.as_deref();
            self.place(&from, &card.name, ORGANISATION);
            match seat.organisation {
                Some(body) => {
                    let name = card_of(replica, &body).map_or(seat.body.clone(), |card| card.name);
                    self.place(&to, &name, ORGANISATION);
                }
                None => self.place(&to, &seat.body, kind.unwrap_or(BODY)),
            }
            self.link(&from, &to, &seat.role);
        }
    }
}
