//! The charter of a network, as one who is about to join reads it.

use crate::certificate::{Amendment, FORMAT};
use crate::charter::{Charter, CharterError};
use crate::ids::{CharterId, NetworkId};
use crate::limits;
use crate::replica::{Checked, Item, Replica, ReplicaError};
use crate::signed::Signed;
use crate::storage::{Storage, Table};

/// The founding charter, and what it has become by a member's word. Whether the amendment is in force, the
/// roster tells once the cards are here.
#[derive(Debug, Clone, PartialEq)]
pub struct FetchedCharter {
    /// The founding charter: its hash is the network's id.
    pub founding: Charter,
    /// The amendment in force, its signatures checked.
    pub amendment: Option<Signed<Amendment>>,
    /// All texts that were ever in force, the founding one first.
    pub chain: Vec<CharterId>,
}

impl FetchedCharter {
    /// What this node itself holds of a network; `None` if it does not know it.
    ///
    /// # Errors
    /// [`ReplicaError`].
    pub fn held<S: Storage>(
        replica: &mut Replica<S>,
        network: &NetworkId,
    ) -> Result<Option<Self>, ReplicaError<S::Error>> {
        let Some(founding) = replica.charter(network).cloned() else {
            return Ok(None);
        };
        let in_force = replica.terms_in_force(network)?;
        let chain = in_force.map(|terms| terms.chain).unwrap_or_default();
        let amendment = match chain.last() {
            Some(id) => replica.amendment_item(network, id)?,
            None => None,
        };
        let damaged = |_| ReplicaError::Damaged(Table::Amendments);
        Self::check(founding, amendment, chain)
            .map(Some)
            .map_err(damaged)
    }

    /// Checks what a peer says of the network that `founding` founds.
    ///
    /// # Errors
    /// [`CharterError`] if the amendment is none, or one of another network.
    pub fn check(
        founding: Charter,
        in_force: Option<Item>,
        chain: Vec<CharterId>,
    ) -> Result<Self, CharterError> {
        let network = founding.network();
        let amendment = match in_force.map(Item::check) {
            None => None,
            Some(Ok(Checked::Amendment(item))) => Some(item.amendment),
            Some(_) => return Err(CharterError::OtherNetwork),
        };
        let other = |amendment: &Signed<Amendment>| {
            amendment.get().network != network || amendment.get().format != FORMAT
        };
        if amendment.as_ref().is_some_and(other)
            || chain.len() > limits::AMENDMENTS_IN_FORCE_MAX + 1
        {
            return Err(CharterError::OtherNetwork);
        }
        Ok(Self {
            founding,
            amendment,
            chain,
        })
    }

    /// The network's name by the text in force.
    pub fn name(&self) -> &str {
        match &self.amendment {
            Some(amendment) => &amendment.get().name,
            None => &self.founding.name,
        }
    }

    /// The text in force.
    pub fn text(&self) -> &str {
        match &self.amendment {
            Some(amendment) => &amendment.get().text,
            None => &self.founding.text,
        }
    }

    /// How many vouches the text in force asks for.
    pub fn vouches_needed(&self) -> u32 {
        match &self.amendment {
            Some(amendment) => amendment.get().vouches_needed,
            None => self.founding.vouches_needed,
        }
    }
}
