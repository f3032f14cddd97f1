//! A frame on its way in.

use super::frame::{Frame, FrameError};
use crate::ids::NetworkId;
use crate::replica::{Checked, Item, Refusal, State};

/// A received frame, its items checked. Making one needs no replica, so it can be done on any core
/// and without holding a lock.
pub struct Incoming {
    pub(super) frame: Frame,
    pub(super) checked: Vec<Result<Checked, Refusal>>,
    pub(super) size_bytes: usize,
}

impl Incoming {
    /// Parses a frame and checks every signature, hash and limit of the items in it.
    ///
    /// # Errors
    /// [`FrameError`]; refused items are not an error of the frame.
    pub fn parse(bytes: &[u8]) -> Result<Self, FrameError> {
        Self::parse_with(bytes, Item::check)
    }

    /// The same with a check of the caller's, which must answer what [`Item::check`] answers: that is a pure
    /// function, so whoever takes in one item many times over may remember the answer.
    ///
    /// # Errors
    /// [`FrameError`].
    pub fn parse_with(
        bytes: &[u8],
        mut check: impl FnMut(Item) -> Result<Checked, Refusal>,
    ) -> Result<Self, FrameError> {
        let frame = Frame::parse(bytes)?;
        let (frame, checked) = match frame {
            Frame::Items { items } => (
                Frame::Items { items: Vec::new() },
                items.into_iter().map(&mut check).collect(),
            ),
            Frame::Introduce {
                items,
                delegations,
                known,
            } => (
                Frame::Introduce {
                    items: Vec::new(),
                    delegations,
                    known,
                },
                items.into_iter().map(&mut check).collect(),
            ),
            other => (other, Vec::new()),
        };
        Ok(Self {
            frame,
            checked,
            size_bytes: bytes.len(),
        })
    }

    /// Checks the signatures of the vouches on the cards that came, as far as they are for `networks`. The replica would
    /// do so while it takes the cards in; what is found here is remembered on the card.
    pub fn prove_ahead(&self, networks: &[NetworkId]) {
        for checked in self.checked.iter().flatten() {
            if let Checked::Record(item) = checked
                && let Some((_, State::Card(card))) = &item.state
            {
                let of_ours = networks
                    .iter()
                    .filter_map(|id| Some((id, card.networks.get(id)?)));
                for (network, membership) in of_ours {
                    membership.proven(network, &item.record.get().org);
                }
            }
        }
    }
}
