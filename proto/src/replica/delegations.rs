//! The delegations of one node by one organisation.
//!
//! A delegation that is renewed does not undo the one before it: what was written under that still
//! stands. So each record is judged by all delegations that are held or came with it, and it does not
//! matter in which order they arrive.

use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};

use crate::cbor;
use crate::certificate::{Delegation, FORMAT};
use crate::limits;
use crate::planted::{self, Planted};
use crate::record::Record;
use crate::replica::Refusal;
use crate::signed::Signed;
use crate::storage::{Batch, Storage, Table};

use super::{Replica, ReplicaError, delegation_key, node_org_key};

#[derive(Encode, Decode)]
#[cbor(transparent)]
struct Stored(#[n(0)] Vec<ByteVec>);

/// The latest delegations of a node, oldest first.
#[derive(Default)]
pub(super) struct Delegations(Vec<Signed<Delegation>>);

impl Delegations {
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let Stored(all) = cbor::from_kept(bytes).ok()?;
        let all = all.iter().map(|bytes| Signed::from_trusted(bytes).ok());
        Some(Self(all.collect::<Option<_>>()?))
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        cbor::to_vec(&Stored(
            self.0.iter().map(|one| one.to_bytes().into()).collect(),
        ))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn contains(&self, delegation: &Delegation) -> bool {
        self.0.iter().any(|one| one.get() == delegation)
    }

    /// Adds one, and lets the oldest go if there are too many. Answers whether anything changed.
    pub(super) fn add(&mut self, delegation: &Signed<Delegation>) -> bool {
        let order = |one: &Signed<Delegation>| (one.get().not_before_s, one.payload().to_vec());
        match self.0.binary_search_by_key(&order(delegation), order) {
            Ok(_) => false,
            Err(0) if self.0.len() >= limits::DELEGATIONS_PER_NODE_MAX => false,
            Err(at) => {
                self.0.insert(at, delegation.clone());
                if self.0.len() > limits::DELEGATIONS_PER_NODE_MAX {
                    self.0.remove(0);
                }
                true
            }
        }
    }

    /// The latest.
    pub(super) fn last(&self) -> Option<&Signed<Delegation>> {
        self.0.last()
    }

    /// The latest under which a record may have been written; the latest of all if there is none such.
    pub(super) fn covering(&self, record: &Record) -> Option<&Signed<Delegation>> {
        let covers = |one: &&Signed<Delegation>| check(Some(one), record).is_ok();
        self.0.iter().rev().find(covers).or(self.last())
    }
}

/// Whether a delegation is one of a record's writer, of a format that this version knows.
pub(super) fn is_of(delegation: &Delegation, record: &Record) -> bool {
    delegation.format == FORMAT
        && delegation.org == record.org
        && delegation.node == record.writer.node
}

/// Whether a delegation, whose signature was checked, allows a record.
pub(super) fn check(
    delegation: Option<&Signed<Delegation>>,
    record: &Record,
) -> Result<(), Refusal> {
    let node = record.writer.node;
    let Some(delegation) = delegation
        .map(Signed::get)
        .filter(|one| is_of(one, record) || planted::is(Planted::SkipDelegationOwner))
    else {
        return Err(Refusal::NotDelegated {
            org: record.org,
            node,
        });
    };
    if !delegation.holds_at(record.issued_at_s) && !planted::is(Planted::SkipWindow) {
        return Err(Refusal::DelegationNotValid(node));
    }
    if !delegation.role.may_write(record.document) {
        return Err(Refusal::RoleForbids {
            role: delegation.role,
            document: record.document,
        });
    }
    Ok(())
}

impl<S: Storage> Replica<S> {
    /// Keeps a delegation, whose signature was checked, of an organisation that this node writes for or
    /// that has a place in one of its networks, at `now_s` (seconds since 1970-01-01 UTC): its node is
    /// then known for one of that organisation's, before it has written anything. Answers whether it is
    /// known now.
    ///
    /// # Errors
    /// [`ReplicaError`].
    pub fn learn_delegation(
        &mut self,
        now_s: u64,
        delegation: &Signed<Delegation>,
    ) -> Result<bool, ReplicaError<S::Error>> {
        let (org, node) = (delegation.get().org, delegation.get().node);
        let counts = delegation.get().format == FORMAT && delegation.get().holds_at(now_s);
        if !counts || (!self.own().contains(&org) && self.place(&org).is_none()) {
            return Ok(false);
        }
        if self.is_revoked(&org, &node)? {
            return Ok(false);
        }
        let mut held = self.delegations(&org, &node)?;
        if held.contains(delegation.get()) {
            return Ok(true);
        }
        if held.is_empty() && self.count_nodes(&org)? >= limits::NODES_PER_ORG_MAX {
            return Ok(false);
        }
        if held.add(delegation) {
            let mut batch = Batch::default();
            batch.put(
                Table::Delegations,
                delegation_key(&org, &node),
                held.encode(),
            );
            batch.put(Table::NodeOrgs, node_org_key(&node, &org), Vec::new());
            self.storage_mut().commit(batch)?;
        }
        Ok(true)
    }
}
