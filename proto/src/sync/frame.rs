//! The frames of the sync protocol.
//!
//! A frame is a deterministic CBOR array that begins with its number. On a stream each frame stands
//! behind its length (four bytes, big-endian); the stream as a whole is compressed below that.

use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};

use super::follow::{Followed, Spared};
use crate::cbor::{self, CborError};
use crate::ids::{CharterId, NetworkId};
use crate::limits;
use crate::record::Hash;
use crate::replica::Item;

/// The version of the sync protocol.
pub const VERSION: u32 = 1;

/// Which documents a part of a session is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(index_only)]
pub enum Scope {
    /// Cards, departures and amendments: they decide whose other documents count.
    #[n(0)]
    Cards,
    /// Everything else, of members.
    #[n(1)]
    Rest,
    /// Sealed documents, which members keep for one another.
    #[n(2)]
    Sealed,
}

/// Why a side ends a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Farewell {
    /// Everything was exchanged.
    #[n(0)]
    Done,
    /// The two share no network.
    #[n(1)]
    NothingInCommon,
    /// Busy with other sessions: try again later.
    #[n(2)]
    Busy,
    /// The other side broke the protocol.
    #[n(3)]
    Violation,
}

/// Names a network to whoever knows it, and to nobody else: a hash over its id and both nonces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(transparent)]
pub struct Tag(#[cbor(n(0), with = "minicbor::bytes")] pub [u8; 16]);

impl Tag {
    /// The tag of a network in the session with these nonces (the initiator's first).
    pub fn of(network: &NetworkId, nonces: &[[u8; 16]; 2]) -> Self {
        let [initiator, responder] = nonces;
        let parts: [&[u8]; 4] = [
            b"fingerpost/tag/1\0",
            network.as_bytes(),
            initiator,
            responder,
        ];
        Self(
            Hash::of(&parts.concat())
                .0
                .first_chunk()
                .copied()
                .unwrap_or_default(),
        )
    }
}

/// An item's id in one session: salted, so that nobody can prepare items that collide.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(transparent)]
pub struct SaltedId(#[cbor(n(0), with = "minicbor::bytes")] pub [u8; 32]);

/// One frame.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum Frame {
    /// The first frame of each side: all that a stranger learns.
    #[n(0)]
    Hello {
        /// [`VERSION`].
        #[n(0)]
        version: u32,
        /// Random.
        #[cbor(n(1), with = "minicbor::bytes")]
        nonce: [u8; 16],
    },
    /// The networks of the initiator, then those of them that the responder shares.
    #[n(1)]
    Networks {
        /// Their tags.
        #[cbor(n(0), decode_with = "cbor::at_most::<{ limits::TAGS_MAX }, _, _>")]
        tags: Vec<Tag>,
        /// Of the responder: those in which it knows the initiator's node for one of a member's or
        /// applicant's. The initiator names none: it has not heard yet which are shared.
        #[cbor(n(1), decode_with = "cbor::at_most::<{ limits::TAGS_MAX }, _, _>")]
        known: Vec<Tag>,
    },
    /// Asks for the charter of a shared network.
    #[n(2)]
    WantCharter {
        /// Which.
        #[n(0)]
        tag: Tag,
    },
    /// A charter.
    #[n(3)]
    Charter {
        /// Its bytes.
        #[cbor(n(0), with = "minicbor::bytes")]
        charter: Vec<u8>,
        /// The amendment in force, if there is one.
        #[n(1)]
        in_force: Option<Item>,
        /// All texts that were ever in force, the founding one first, the present one last.
        #[cbor(
            n(2),
            decode_with = "cbor::at_most::<{ limits::AMENDMENTS_IN_FORCE_MAX + 1 }, _, _>"
        )]
        chain: Vec<CharterId>,
    },
    /// The initiator begins a scope.
    #[n(4)]
    Open {
        /// Which.
        #[n(0)]
        scope: Scope,
        /// How many items the initiator holds of it.
        #[n(1)]
        count: u64,
        /// The first message of the reconciliation.
        #[cbor(n(2), with = "minicbor::bytes")]
        message: Vec<u8>,
    },
    /// The next message of the reconciliation.
    #[n(5)]
    Reconcile {
        /// As `negentropy` encodes it.
        #[cbor(n(0), with = "minicbor::bytes")]
        message: Vec<u8>,
    },
    /// One side holds next to nothing of the scope beside the other: both send everything.
    #[n(6)]
    SendAll,
    /// Asks for items.
    #[n(7)]
    Want {
        /// Which, at most [`limits::WANT_MAX_IDS`].
        #[cbor(n(0), decode_with = "cbor::at_most::<{ limits::WANT_MAX_IDS }, _, _>")]
        ids: Vec<SaltedId>,
    },
    /// Items, in any number that fits a frame.
    #[n(8)]
    Items {
        /// The items.
        #[cbor(
            n(0),
            decode_with = "cbor::at_most::<{ limits::ITEMS_MAX as usize }, _, _>"
        )]
        items: Vec<Item>,
    },
    /// This side has sent all it has to send of the scope.
    #[n(9)]
    Done {
        /// Which.
        #[n(0)]
        scope: Scope,
    },
    /// What became of everything that was received in this session.
    #[n(10)]
    Receipt {
        /// How many items were new.
        #[n(0)]
        accepted: u64,
        /// How many were refused.
        #[n(1)]
        refused: u64,
        /// Whether this side now has all of the other's: false if the reconciliation was broken off, or
        /// if a state of the other side's organisations is still missing.
        #[n(2)]
        complete: bool,
    },
    /// The last frame of each side.
    #[n(11)]
    Bye {
        /// Why.
        #[n(0)]
        farewell: Farewell,
    },
    /// A node shows itself to a peer that does not know it, or asks one that it does not know to do so.
    #[n(12)]
    Introduce {
        /// The cards of its own organisations, at most [`limits::INTRODUCTION_MAX_ITEMS`] records.
        #[cbor(
            n(0),
            decode_with = "cbor::at_most::<{ limits::INTRODUCTION_MAX_ITEMS }, _, _>"
        )]
        items: Vec<Item>,
        /// The delegations under which it acts for them, at most as many.
        #[cbor(
            n(1),
            decode_with = "cbor::at_most::<{ limits::INTRODUCTION_MAX_ITEMS }, _, _>"
        )]
        delegations: Vec<ByteVec>,
        /// The shared networks in which it knows the peer for one of a member's or applicant's. Of the
        /// responder: those in which it takes what the peer sends, which it also does while it knows nobody.
        #[cbor(n(2), decode_with = "cbor::at_most::<{ limits::TAGS_MAX }, _, _>")]
        known: Vec<Tag>,
    },
    /// What this side follows, if not everything: the states of other documents are not to be sent to it. Before the
    /// scope of all that are no cards.
    #[n(13)]
    Follow {
        /// What.
        #[n(0)]
        followed: Followed,
    },
    /// Records that went before without their states, which this side has, since the other does not follow them.
    #[n(14)]
    Spared {
        /// Which.
        #[cbor(
            n(0),
            decode_with = "cbor::at_most::<{ limits::ITEMS_MAX as usize }, _, _>"
        )]
        records: Vec<Spared>,
    },
}

/// Why bytes are not a frame.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// Over [`limits::FRAME_MAX_BYTES`].
    #[error("a frame of {0} bytes, over the limit")]
    TooLarge(usize),
    /// Not a frame.
    #[error("not a frame: {0}")]
    Malformed(#[from] CborError),
    /// A list in the frame is over its limit.
    #[error("a list in a frame is over its limit")]
    TooMany,
}

impl Frame {
    /// The frame's bytes, without the length.
    pub fn to_bytes(&self) -> Vec<u8> {
        cbor::to_vec(self)
    }

    /// Reads a frame; the size is checked first.
    ///
    /// # Errors
    /// Any [`FrameError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, FrameError> {
        if bytes.len() > limits::FRAME_MAX_BYTES {
            return Err(FrameError::TooLarge(bytes.len()));
        }
        let frame = cbor::from_slice(bytes).map_err(|error| match error {
            CborError::TooMany => FrameError::TooMany,
            other => FrameError::Malformed(other),
        })?;
        match &frame {
            Self::Charter { charter, .. } if charter.len() > limits::CHARTER_MAX_BYTES => {
                Err(FrameError::TooMany)
            }
            Self::Follow { followed } if followed.is_too_long() => Err(FrameError::TooMany),
            _ => Ok(frame),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{DocKey, DocName, OrgId, RecordId};
    use proptest::prelude::*;

    fn any_frame() -> impl Strategy<Value = Frame> {
        let bytes = || prop::collection::vec(any::<u8>(), 0..60);
        let item = (
            bytes(),
            prop::option::of(bytes()),
            prop::option::of(bytes()),
        )
            .prop_map(|(record, delegation, state)| Item::Record {
                record,
                delegation,
                state,
            });
        let departure = (bytes(), bytes()).prop_map(|(departure, delegation)| Item::Departure {
            departure,
            delegation,
        });
        prop_oneof![
            (any::<u32>(), any::<[u8; 16]>())
                .prop_map(|(version, nonce)| Frame::Hello { version, nonce }),
            prop::collection::vec(any::<[u8; 16]>().prop_map(Tag), 0..5).prop_map(|tags| {
                Frame::Networks {
                    known: tags.iter().skip(1).copied().collect(),
                    tags,
                }
            }),
            (any::<u64>(), bytes()).prop_map(|(count, message)| Frame::Open {
                scope: Scope::Rest,
                count,
                message
            }),
            bytes().prop_map(|message| Frame::Reconcile { message }),
            Just(Frame::SendAll),
            prop::collection::vec(any::<[u8; 32]>().prop_map(SaltedId), 0..5)
                .prop_map(|ids| Frame::Want { ids }),
            prop::collection::vec(prop_oneof![item.clone(), departure], 0..4)
                .prop_map(|items| Frame::Items { items }),
            (
                prop::collection::vec(item, 0..3),
                bytes(),
                any::<[u8; 16]>()
            )
                .prop_map(|(items, delegation, tag)| Frame::Introduce {
                    items,
                    delegations: vec![delegation.into()],
                    known: vec![Tag(tag)],
                }),
            (any::<u64>(), any::<u64>(), any::<bool>()).prop_map(
                |(accepted, refused, complete)| Frame::Receipt {
                    accepted,
                    refused,
                    complete
                }
            ),
            (
                prop::collection::vec(".{0,12}", 0..4),
                any::<bool>(),
                any::<[u8; 16]>(),
                any::<[u8; 32]>()
            )
                .prop_map(|(areas, some_networks, tag, org)| Frame::Follow {
                    followed: Followed {
                        types: areas.iter().skip(1).cloned().collect(),
                        areas,
                        some_networks,
                        networks: vec![Tag(tag)],
                        organisations: vec![OrgId::from_bytes(org)],
                    }
                }),
            prop::collection::vec(any::<[u8; 32]>(), 0..4).prop_map(|ids| {
                let spared = |id: [u8; 32]| {
                    let key = DocKey {
                        org: OrgId::from_bytes(id),
                        name: DocName::Listing(3),
                    };
                    Spared::of(&key, RecordId::from_bytes(id))
                };
                Frame::Spared {
                    records: ids.into_iter().map(spared).collect(),
                }
            }),
            Just(Frame::Bye {
                farewell: Farewell::Busy
            }),
        ]
    }

    proptest! {
        #[test]
        fn frames_come_back(frame in any_frame()) {
            prop_assert_eq!(Frame::parse(&frame.to_bytes()), Ok(frame));
        }

        #[test]
        fn nonsense_is_refused_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = Frame::parse(&bytes);
        }

        #[test]
        fn a_cut_frame_is_refused(frame in any_frame(), cut in 1usize..20) {
            let bytes = frame.to_bytes();
            let end = bytes.len().saturating_sub(cut);
            prop_assert!(Frame::parse(&bytes[..end]).is_err());
        }
    }

    #[test]
    fn limits_are_checked() {
        let large = vec![0; limits::FRAME_MAX_BYTES + 1];
        assert_eq!(Frame::parse(&large), Err(FrameError::TooLarge(large.len())));
        let ids = vec![SaltedId([0; 32]); limits::WANT_MAX_IDS + 1];
        assert_eq!(
            Frame::parse(&Frame::Want { ids }.to_bytes()),
            Err(FrameError::TooMany)
        );
        let tags = vec![Tag([0; 16]); limits::TAGS_MAX + 1];
        assert_eq!(
            Frame::parse(
                &Frame::Networks {
                    tags: tags.clone(),
                    known: Vec::new()
                }
                .to_bytes()
            ),
            Err(FrameError::TooMany)
        );
        let known = Frame::Networks {
            tags: Vec::new(),
            known: tags,
        };
        assert_eq!(Frame::parse(&known.to_bytes()), Err(FrameError::TooMany));
        let tiny = Item::Departure {
            departure: Vec::new(),
            delegation: Vec::new(),
        };
        let items = |count: u64| Frame::Items {
            items: vec![tiny.clone(); count as usize],
        };
        assert!(Frame::parse(&items(limits::ITEMS_MAX).to_bytes()).is_ok());
        let many = items(limits::ITEMS_MAX + 1).to_bytes();
        assert_eq!(Frame::parse(&many), Err(FrameError::TooMany));
        let introduce = |items: usize, delegations: usize| Frame::Introduce {
            items: vec![tiny.clone(); items],
            delegations: vec![Vec::new().into(); delegations],
            known: Vec::new(),
        };
        let most = limits::INTRODUCTION_MAX_ITEMS;
        assert!(Frame::parse(&introduce(most, most).to_bytes()).is_ok());
        for (items, delegations) in [(most + 1, 0), (0, most + 1)] {
            let many = introduce(items, delegations).to_bytes();
            assert_eq!(Frame::parse(&many), Err(FrameError::TooMany));
        }
        let charter = vec![0; limits::CHARTER_MAX_BYTES + 1];
        assert_eq!(
            Frame::parse(
                &Frame::Charter {
                    charter,
                    in_force: None,
                    chain: Vec::new(),
                }
                .to_bytes()
            ),
            Err(FrameError::TooMany)
        );
    }
}
