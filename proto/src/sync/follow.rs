//! What the two sides of a session follow, and the states that are spared for it: see [`crate::interest`].

use std::collections::BTreeSet;

use minicbor::{Decode, Encode};

use super::error::SessionError;
use super::frame::{Frame, Tag};
use super::session::{Handled, Session};
use crate::cbor;
use crate::ids::{DocKey, NetworkId, OrgId, RecordId};
use crate::interest::{Follows, Interest};
use crate::limits;
use crate::record::SignedRecord;
use crate::replica::{Item, Replica, State};
use crate::storage::Storage;

/// What one side follows, as it tells the other.
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Followed {
    /// Names or GSS codes of areas.
    #[cbor(n(0), decode_with = "cbor::at_most::<{ limits::FOLLOWED_MAX }, _, _>")]
    pub areas: Vec<String>,
    /// What a service does.
    #[cbor(n(1), decode_with = "cbor::at_most::<{ limits::FOLLOWED_MAX }, _, _>")]
    pub types: Vec<String>,
    /// Whether only members of some networks are followed.
    #[n(2)]
    pub some_networks: bool,
    /// Those of them that the two share.
    #[cbor(n(3), decode_with = "cbor::at_most::<{ limits::FOLLOWED_MAX }, _, _>")]
    pub networks: Vec<Tag>,
    /// Organisations of which everything is wanted.
    #[cbor(n(4), decode_with = "cbor::at_most::<{ limits::FOLLOWED_MAX }, _, _>")]
    pub organisations: Vec<OrgId>,
}

impl Followed {
    /// Whether a text in it is longer than a name may be.
    pub(super) fn is_too_long(&self) -> bool {
        let mut texts = self.areas.iter().chain(&self.types);
        texts.any(|text| text.len() > limits::NAME_MAX_BYTES)
    }
}

/// A record whose state was left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Spared {
    /// The document, as [`DocKey::to_bytes`] writes it.
    #[cbor(n(0), with = "minicbor::bytes")]
    document: [u8; 35],
    #[n(1)]
    record: RecordId,
}

impl Spared {
    /// Of this record.
    pub fn of(key: &DocKey, record: RecordId) -> Self {
        Self {
            document: key.to_bytes(),
            record,
        }
    }
}

/// What the peer of a session follows.
pub(super) struct Follower {
    interest: Interest,
    /// `None` means all.
    networks: Option<Vec<NetworkId>>,
    organisations: BTreeSet<OrgId>,
}

impl Follower {
    fn wants<S: Storage>(&self, replica: &Replica<S>, key: &DocKey, bytes: &[u8]) -> bool {
        if key.name.is_card() || self.organisations.contains(&key.org) {
            return true;
        }
        let networks = self.networks.as_ref();
        let is_there = networks.is_none_or(|all| replica.was_member_among(&key.org, all));
        let state = || State::parse(key.name, bytes).ok();
        is_there && state().is_none_or(|state| self.interest.wants(&state))
    }

    /// Takes the state out of an item that the peer does not follow. Answers which it was, and how large the state.
    pub(super) fn spare<S: Storage>(
        &self,
        replica: &Replica<S>,
        item: &mut Item,
    ) -> Option<(Spared, u64)> {
        let Item::Record { record, state, .. } = item else {
            return None;
        };
        let record = SignedRecord::from_trusted(record).ok()?;
        let key = record.get().key();
        let bytes = state.take_if(|bytes| !self.wants(replica, &key, bytes))?;
        Some((Spared::of(&key, record.id()), bytes.len() as u64))
    }

    /// Whether the peer keeps the states of everything that is shown of an organisation.
    pub(super) fn wants_all_of<S: Storage>(&self, replica: &Replica<S>, org: &OrgId) -> bool {
        replica.documents_of(org).all(|key| {
            let shown = replica.shown(&key).ok().flatten();
            shown.is_none_or(|shown| self.wants(replica, &key, &shown.state))
        })
    }
}

impl Session {
    /// Tells the peer what this node follows, unless that is everything.
    pub(super) fn push_followed(&mut self, follows: &Follows) {
        if follows.is_everything() {
            return;
        }
        let shared = self.shared.iter().copied();
        let networks: Vec<NetworkId> = shared.filter(|it| follows.networks.contains(it)).collect();
        self.push(Frame::Follow {
            followed: Followed {
                areas: follows.areas.iter().cloned().collect(),
                types: follows.types.iter().cloned().collect(),
                some_networks: !follows.networks.is_empty(),
                networks: self.tags(&networks),
                organisations: follows.organisations.iter().copied().collect(),
            },
        });
    }

    /// Takes in what the peer follows; once in a session.
    pub(super) fn handle_followed<S: Storage>(
        &mut self,
        followed: &Followed,
        replica: &Replica<S>,
    ) -> Handled<S> {
        if self.follower.is_some() {
            return Err(SessionError::OutOfOrder);
        }
        let networks = self.named(&self.shared, &followed.networks);
        // Of what a node writes for, it keeps everything: siblings have it from others as well.
        let mut organisations: BTreeSet<OrgId> = followed.organisations.iter().copied().collect();
        organisations.extend(replica.orgs_of_node(&self.peer)?);
        self.follower = Some(Follower {
            interest: Interest::of(&followed.areas, &followed.types),
            networks: followed.some_networks.then_some(networks),
            organisations,
        });
        Ok(())
    }

    /// Notes which states the peer has left out.
    pub(super) fn handle_spared<S: Storage>(
        &mut self,
        spared: &[Spared],
        replica: &mut Replica<S>,
    ) -> Handled<S> {
        if self.is_heeded != Some(true) {
            // It comes after the records themselves; of those nothing was taken.
            return Ok(());
        }
        for Spared { document, record } in spared {
            if let Some(key) = DocKey::from_bytes(document) {
                replica.note_unfollowed(&key, record)?;
            }
        }
        Ok(())
    }
}
