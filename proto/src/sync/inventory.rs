//! What one side holds of a scope, ready for range-based reconciliation.
//!
//! One item per undominated record, departure, amendment and sealed document. The order is by the hash of the organisation,
//! so that an organisation's documents travel side by side (they compress well together) and a session that
//! was cut continues with what is left of a range. Only many cards travel in another: each after those that vouch for it.

use std::collections::{BTreeMap, BTreeSet};

use negentropy::{Id, Negentropy, NegentropyStorageVector};

use super::frame::{SaltedId, Scope};
use crate::ids::{CharterId, DocKey, NetworkId, NodeId, OrgId, RecordId};
use crate::limits;
use crate::planted::{self, Planted};
use crate::record::Hash;
use crate::replica::{Holding, Item, Replica, ReplicaError};
use crate::roster::Place;
use crate::storage::Storage;

/// An item by what it is, not by its id: the current one is sent, even if it changed meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum ItemRef {
    Document(DocKey),
    /// What is kept of a document in the place of a record whose state is not here.
    StandIn(DocKey),
    Departure(NetworkId, OrgId),
    Amendment(NetworkId, CharterId),
    Sealed(DocKey, RecordId),
}

impl ItemRef {
    /// Its place in the order. Amendments come last: who proposes one must be known for a member first.
    fn position(&self) -> u64 {
        match self {
            Self::Document(key) | Self::StandIn(key) | Self::Sealed(key, _) => position(&key.org),
            Self::Departure(_, org) => position(org),
            // The greatest number stands for the end of all ranges.
            Self::Amendment(..) => u64::MAX - 1,
        }
    }

    fn is_card(&self) -> bool {
        matches!(self, Self::Document(key) if key.name.is_card())
    }

    /// Its place among cards that come in the order of these ranks. What says more of an organisation comes after its
    /// card.
    fn rank(&self, ranks: &BTreeMap<OrgId, usize>) -> usize {
        let rank = |org| ranks.get(org).copied().unwrap_or(usize::MAX - 1);
        match self {
            Self::Document(key) | Self::StandIn(key) | Self::Sealed(key, _) => rank(&key.org),
            Self::Departure(_, org) => rank(org),
            Self::Amendment(..) => usize::MAX,
        }
    }
}

/// The items of one scope in one session.
pub(super) struct Inventory {
    items: BTreeMap<SaltedId, ItemRef>,
    ordered: NegentropyStorageVector,
    lacking: Vec<SaltedId>,
    /// Records whose states peers have left out, as this node does not follow them.
    spared: Vec<SaltedId>,
    /// What was handed out to be sent: each item goes once, however often it is asked for.
    handed_out: BTreeSet<ItemRef>,
    /// Of the sealed documents, those that the peer, their owner, does not expect of this node.
    besides: BTreeSet<RecordId>,
    /// The networks of which the peer may see the scope.
    open: Vec<NetworkId>,
}

/// The peer of a session and what the two share.
pub(super) struct Shared<'a> {
    pub(super) peer: NodeId,
    pub(super) networks: &'a [NetworkId],
    /// Of those, the ones in which the peer takes anything from this node; `None` means all.
    pub(super) welcome: Option<&'a [NetworkId]>,
    pub(super) salt: &'a [u8; 32],
}

impl Inventory {
    pub(super) fn collect<S: Storage>(
        replica: &mut Replica<S>,
        scope: Scope,
        shared: &Shared<'_>,
    ) -> Result<Self, ReplicaError<S::Error>> {
        let peer_orgs = replica.orgs_of_node(&shared.peer)?;
        let mut open = Vec::new();
        let mut departed = Vec::new();
        for network in shared.networks {
            let standing = Standing::of(replica, network, &peer_orgs);
            let active = replica.is_active(network);
            // Whoever has left lets go of everybody, and still tells those whom it has met; and of its own
            // departure those who say that they know it, for it may have left before it met anybody.
            let has_met = standing.is_any() || (!active && !peer_orgs.is_empty());
            let is_known = shared.welcome.is_some_and(|all| all.contains(network));
            if scope == Scope::Cards && (has_met || (!active && is_known)) {
                departed.push((*network, has_met));
            }
            let welcome = shared.welcome.is_none_or(|all| all.contains(network));
            if active && welcome && standing.may_see(scope) {
                open.push(*network);
            }
        }
        let mut inventory = Self::empty();
        for (network, all) in departed {
            let departures: Vec<_> = replica.departures(&network).collect();
            for (org, id) in departures {
                if all || replica.own().contains(&org) {
                    inventory.add(
                        &id,
                        Holding::Held,
                        ItemRef::Departure(network, org),
                        shared.salt,
                    );
                }
            }
        }
        match scope {
            Scope::Sealed => {
                let peer = (&shared.peer, peer_orgs.as_slice());
                inventory.add_sealed(replica, peer, &open, shared.salt);
            }
            Scope::Cards | Scope::Rest => {
                inventory.add_documents(replica, scope, &open, shared.salt)?;
            }
        }
        if scope == Scope::Cards {
            for network in &open {
                for id in replica.amendment_ids(network) {
                    let item = ItemRef::Amendment(*network, id);
                    inventory.add(id.as_bytes(), Holding::Held, item, shared.salt);
                }
            }
        }
        // A peer's word that something is not followed is not taken for ever: some others are asked each time. By their
        // salted ids it is others in each session.
        inventory.spared.sort_unstable();
        let again = inventory.spared.iter().take(limits::UNFOLLOWED_ASKED_MAX);
        inventory.lacking.extend(again);
        inventory.ordered.seal().ok();
        inventory.open = open;
        Ok(inventory)
    }

    fn empty() -> Self {
        Self {
            items: BTreeMap::new(),
            ordered: NegentropyStorageVector::new(),
            lacking: Vec::new(),
            spared: Vec::new(),
            handed_out: BTreeSet::new(),
            besides: BTreeSet::new(),
            open: Vec::new(),
        }
    }

    fn add_documents<S: Storage>(
        &mut self,
        replica: &mut Replica<S>,
        scope: Scope,
        open: &[NetworkId],
        salt: &[u8; 32],
    ) -> Result<(), ReplicaError<S::Error>> {
        // One look-up of the roster for each organisation, not for each document.
        let mut visible: Option<(OrgId, bool)> = None;
        let wanted: Vec<_> = replica
            .summaries()
            .filter(|(key, _)| key.name.is_card() == (scope == Scope::Cards))
            .map(|(key, summary)| (*key, *summary))
            .collect();
        for (key, summary) in wanted {
            let shown = match visible {
                Some((org, shown)) if org == key.org => shown,
                _ => match scope {
                    Scope::Cards => {
                        let place = replica.place_among(&key.org, open);
                        !matches!(place, Some(Place::Left) | None)
                    }
                    Scope::Rest | Scope::Sealed => replica.is_shown_among(&key.org, open),
                },
            };
            visible = Some((key.org, shown));
            if !shown {
                continue;
            }
            let item = ItemRef::Document(key);
            self.add(summary.id.as_bytes(), summary.holding, item, salt);
            if summary.holding.is_lacking()
                && let Some((id, _)) = replica.stand_in(&key)?
            {
                let id = Hash::of(&[b"stand-in".as_slice(), id.as_bytes()].concat());
                self.add(&id.0, Holding::Held, ItemRef::StandIn(key), salt);
            }
        }
        Ok(())
    }

    /// The sealed documents that both keep for their owners, or that belong to one of the two. Both sides must come to
    /// the same, or they would send each other in every session what each has already. What a node holds besides is
    /// handed to its owner once: what it keeps no more because the network has grown, and older ones, for lack of
    /// anything newer.
    fn add_sealed<S: Storage>(
        &mut self,
        replica: &mut Replica<S>,
        (peer, peer_orgs): (&NodeId, &[OrgId]),
        open: &[NetworkId],
        salt: &[u8; 32],
    ) {
        let own: Vec<OrgId> = replica.own().iter().copied().collect();
        let mut kept: Option<(OrgId, bool)> = None;
        let held: Vec<_> = replica.sealed().collect();
        let with_current: BTreeSet<DocKey> = held
            .iter()
            .filter(|(_, _, current)| *current)
            .map(|(key, ..)| *key)
            .collect();
        for (key, record, current) in held {
            let both_keep = match kept {
                Some((org, both)) if org == key.org => both,
                _ => [&own, peer_orgs].into_iter().all(|keepers: &[OrgId]| {
                    keepers.contains(&key.org) || replica.keeps_sealed(keepers, &key.org, open)
                }),
            };
            kept = Some((key.org, both_keep));
            let to_owner = peer_orgs.contains(&key.org)
                && (current || !with_current.contains(&key) || replica.lacks_state(&key))
                && !replica.was_handed(peer, &record);
            if !(both_keep && current) && to_owner {
                self.besides.insert(record);
            }
            if (both_keep && current) || to_owner {
                let id = Hash::of(&[b"sealed".as_slice(), record.as_bytes()].concat());
                self.add(&id.0, Holding::Held, ItemRef::Sealed(key, record), salt);
            }
        }
    }

    /// The records whose sealed forms were handed to their owner although the owner did not have to expect them.
    pub(super) fn handed_besides(&self) -> impl Iterator<Item = RecordId> + '_ {
        self.handed_out.iter().filter_map(|item| match item {
            ItemRef::Sealed(_, record) if self.besides.contains(record) => Some(*record),
            _ => None,
        })
    }

    fn add(&mut self, id: &[u8; 32], holding: Holding, item: ItemRef, salt: &[u8; 32]) {
        let salted = SaltedId(Hash::of(&[salt.as_slice(), id].concat()).0);
        if self.items.contains_key(&salted) {
            return;
        }
        // A vector that is not sealed yet takes every insertion.
        self.ordered
            .insert(item.position(), Id::from_byte_array(salted.0))
            .ok();
        self.items.insert(salted, item);
        match holding {
            Holding::Lacking => self.lacking.push(salted),
            Holding::Unfollowed { by_peer: true } => self.spared.push(salted),
            Holding::Held | Holding::Unfollowed { by_peer: false } => {}
        }
    }

    pub(super) fn len(&self) -> u64 {
        self.items.len() as u64
    }

    /// Ids of records that are held without their state, to be asked for again, and of some of which a peer has left it
    /// out.
    pub(super) fn lacking(&self) -> &[SaltedId] {
        &self.lacking
    }

    /// All items, each document once: cards as they are admitted, all else in the order of the reconciliation.
    pub(super) fn all<S: Storage>(&mut self, replica: &mut Replica<S>) -> Vec<ItemRef> {
        // They are in the order of their ids already.
        let mut all: Vec<ItemRef> = self.items.values().copied().collect();
        all.sort_by_cached_key(ItemRef::position);
        self.hand_out(all, replica)
    }

    /// The items with these ids, each document once, in the same order.
    pub(super) fn pick<S: Storage>(
        &mut self,
        ids: &[SaltedId],
        replica: &mut Replica<S>,
    ) -> Vec<ItemRef> {
        let mut picked: Vec<(u64, SaltedId, ItemRef)> = ids
            .iter()
            .filter_map(|id| {
                let item = *self.items.get(id)?;
                Some((item.position(), *id, item))
            })
            .collect();
        picked.sort_unstable_by_key(|(position, id, _)| (*position, *id));
        self.hand_out(
            picked.into_iter().map(|(_, _, item)| item).collect(),
            replica,
        )
    }

    fn hand_out<S: Storage>(
        &mut self,
        mut items: Vec<ItemRef>,
        replica: &mut Replica<S>,
    ) -> Vec<ItemRef> {
        items.retain(|item| self.handed_out.insert(*item) || planted::is(Planted::SendAgain));
        // So few are taken in any order.
        if items.len() > limits::APPLICANTS_MAX / 4 && items.iter().any(ItemRef::is_card) {
            let mut ranks: BTreeMap<OrgId, usize> = BTreeMap::new();
            for network in &self.open {
                for (rank, org) in replica.cards_in_order(network).into_iter().enumerate() {
                    ranks.entry(org).or_insert(rank);
                }
            }
            items.sort_by_key(|item| item.rank(&ranks));
        }
        items
    }

    /// What reconciles it, once.
    pub(super) fn reconciler(
        &mut self,
    ) -> Result<Negentropy<'static, NegentropyStorageVector>, negentropy::Error> {
        let ordered = std::mem::take(&mut self.ordered);
        Negentropy::owned(ordered, limits::RECONCILE_FRAME_MAX_BYTES)
    }
}

/// Where the peer of a session stands in one network.
pub(super) struct Standing(Option<Place>);

impl Standing {
    pub(super) fn of<S: Storage>(
        replica: &mut Replica<S>,
        network: &NetworkId,
        orgs: &[OrgId],
    ) -> Self {
        let one = [*network];
        Self(
            orgs.iter()
                .filter_map(|org| replica.place_among(org, &one))
                .min(),
        )
    }

    /// Whether the peer's node is one of an organisation that has, or had, a place in the network.
    pub(super) fn is_any(&self) -> bool {
        self.0.is_some()
    }

    /// Members see everything. Those that wait, were removed or replaced see cards alone, those that left
    /// departures, and nodes that we do not know nothing.
    pub(super) fn may_see(&self, scope: Scope) -> bool {
        matches!(
            (self.0, scope),
            (Some(Place::Member), _)
                | (
                    Some(Place::Applicant | Place::Removed | Place::Replaced),
                    Scope::Cards
                )
        )
    }
}

fn position(org: &OrgId) -> u64 {
    Hash::of(org.as_bytes())
        .0
        .first_chunk()
        .map_or(0, |bytes| u64::from_be_bytes(*bytes))
}

/// Loads an item. Of a document, all undominated records. Cards travel first, so that a delegation that
/// came with the card is not sent, and checked, again with every shard.
pub(super) fn load<S: Storage>(
    replica: &Replica<S>,
    item: ItemRef,
) -> Result<Vec<Item>, ReplicaError<S::Error>> {
    match item {
        ItemRef::Document(key) => replica.items_after_card(&key),
        ItemRef::StandIn(key) => {
            let stand_in = replica.stand_in(&key)?;
            Ok(stand_in.into_iter().map(|(_, item)| item).collect())
        }
        ItemRef::Departure(network, org) => Ok(replica
            .departure_item(&network, &org)?
            .into_iter()
            .collect()),
        ItemRef::Amendment(network, id) => {
            Ok(replica.amendment_item(&network, &id)?.into_iter().collect())
        }
        ItemRef::Sealed(key, record) => {
            Ok(replica.sealed_item(&key, &record)?.into_iter().collect())
        }
    }
}
