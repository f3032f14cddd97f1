//! Amendments of charters: which are known, and which is in force.

use super::receive::Received;
use super::writes::Writes;
use super::{
    Accepted, CheckedAmendment, Item, Outcome, Refusal, Replica, ReplicaError, network_key,
};
use crate::cbor;
use crate::certificate::{Amendment, charter_id};
use crate::ids::{CharterId, DocKey, DocName, NetworkId, RecordId};
use crate::limits;
use crate::roster::Terms;
use crate::signed::Signed;
use crate::storage::{Storage, Table};

/// Amendments with the ids of their texts.
pub type Proposals = Vec<(CharterId, Signed<Amendment>)>;

/// The text that a network has agreed on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InForce {
    /// Its name.
    pub id: CharterId,
    /// The network's name by it.
    pub name: String,
    /// The text.
    pub text: String,
    /// How many distinct members must vouch for an organisation.
    pub vouches_needed: u32,
    /// All texts that were ever in force, the founding one first, this one last.
    pub chain: Vec<CharterId>,
}

impl<S: Storage> Replica<S> {
    pub(super) fn receive_amendment(&mut self, now_s: u64, item: &CheckedAmendment) -> Received<S> {
        let amendment = item.amendment.get();
        let ahead_s = amendment.proposed_at_s.saturating_sub(now_s);
        if ahead_s > limits::CLOCK_AHEAD_MAX_S {
            return Ok(Outcome::Refused(Refusal::FromTheFuture(ahead_s)));
        }
        let id = charter_id(&item.amendment);
        if let Some(answer) = self.check_amendment(&id, amendment)? {
            return Ok(answer);
        }
        let mut writes = Writes::default();
        writes.put_amendment(
            amendment.network,
            id,
            Terms {
                previous: amendment.previous,
                vouches_needed: amendment.vouches_needed,
            },
            cbor::to_vec(&item.to_item()),
        );
        self.apply(writes)?;
        Ok(Outcome::Accepted(Accepted {
            key: DocKey {
                org: amendment.proposer,
                name: DocName::Card,
            },
            id: RecordId::from_bytes(*id.as_bytes()),
            only_state: false,
        }))
    }

    /// Whether an amendment is taken: a member proposes it and has not proposed many, or somebody
    /// accepts it already.
    fn check_amendment(
        &mut self,
        id: &CharterId,
        amendment: &Amendment,
    ) -> Result<Option<Outcome>, ReplicaError<S::Error>> {
        let proposer = amendment.proposer;
        let stranger = Some(Outcome::Refused(Refusal::NotAMember(proposer)));
        let Some(network) = self.networks.get_mut(&amendment.network) else {
            return Ok(stranger);
        };
        if network.amendments().contains_key(id) {
            return Ok(Some(Outcome::AlreadyKnown));
        }
        let mut standings = network.standings.iter();
        let is_accepted =
            standings.any(|(_, it)| it.amendments.values().any(|accepted| accepted == id));
        drop(standings);
        if is_accepted {
            return Ok(None);
        }
        if !network.refresh().is_member(&proposer) {
            return Ok(stranger);
        }
        let proposed = self.amendments(&amendment.network)?;
        let of_proposer = proposed
            .iter()
            .filter(|(_, known)| known.get().proposer == proposer);
        let full = of_proposer.count() >= limits::AMENDMENTS_PER_ORG_MAX;
        Ok(full.then_some(Outcome::Refused(Refusal::TooManyAmendments)))
    }

    /// The amendments of a network's charter that are known, in force or not.
    ///
    /// # Errors
    /// [`ReplicaError`].
    pub fn amendments(&self, network: &NetworkId) -> Result<Proposals, ReplicaError<S::Error>> {
        let mut amendments = Vec::new();
        let mut sound = true;
        self.storage
            .scan(Table::Amendments, network.as_bytes(), &mut |_, value| {
                match stored_amendment(value) {
                    Some(amendment) => amendments.push((charter_id(&amendment), amendment)),
                    None => sound = false,
                }
                sound
            })?;
        super::damaged_unless(sound, Table::Amendments)?;
        Ok(amendments)
    }

    /// An amendment as it travels.
    ///
    /// # Errors
    /// [`ReplicaError`].
    pub fn amendment_item(
        &self,
        network: &NetworkId,
        id: &CharterId,
    ) -> Result<Option<Item>, ReplicaError<S::Error>> {
        let stored = self
            .storage
            .get(Table::Amendments, &network_key(network, id.as_bytes()))?;
        let damaged = |_| ReplicaError::Damaged(Table::Amendments);
        stored
            .map(|bytes| cbor::from_slice(&bytes).map_err(damaged))
            .transpose()
    }

    /// The text of a network's charter that is in force; `None` if the network is not known.
    ///
    /// # Errors
    /// [`ReplicaError`].
    pub fn terms_in_force(
        &mut self,
        network: &NetworkId,
    ) -> Result<Option<InForce>, ReplicaError<S::Error>> {
        let Some(known) = self.networks.get_mut(network) else {
            return Ok(None);
        };
        let roster = known.refresh();
        let founding = CharterId::from_bytes(*network.as_bytes());
        let id = roster.charter_in_force().unwrap_or(founding);
        let chain = roster.chain().to_vec();
        let founding = InForce {
            id,
            name: known.charter.name.clone(),
            text: known.charter.text.clone(),
            vouches_needed: known.charter.vouches_needed,
            chain,
        };
        let amendment = match self.amendment_item(network, &id)? {
            Some(Item::Amendment { amendment, .. }) => {
                Signed::<Amendment>::from_trusted(&amendment).ok()
            }
            _ => None,
        };
        Ok(Some(match amendment {
            None => founding,
            Some(amendment) => InForce {
                name: amendment.get().name.clone(),
                text: amendment.get().text.clone(),
                vouches_needed: amendment.get().vouches_needed,
                ..founding
            },
        }))
    }

    /// The ids of the amendments of a network.
    pub(crate) fn amendment_ids(&self, network: &NetworkId) -> Vec<CharterId> {
        self.networks
            .get(network)
            .map(|known| known.amendments().keys().copied().collect())
            .unwrap_or_default()
    }
}

/// Reads an amendment from its stored form, which this node checked before it stored it.
pub(super) fn stored_amendment(bytes: &[u8]) -> Option<Signed<Amendment>> {
    match cbor::from_slice(bytes).ok()? {
        Item::Amendment { amendment, .. } => Signed::from_trusted(&amendment).ok(),
        _ => None,
    }
}
