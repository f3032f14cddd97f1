//! Keys that change, are lost or stolen.

use std::collections::BTreeMap;

use fingerpost_proto::card::{Card, Membership, Objection, SuccessorVote};
use fingerpost_proto::certificate::{FORMAT, LastRecord, Rekeying, Revocation};
use fingerpost_proto::ids::{DocName, OrgId};
use fingerpost_proto::keys::SecretKey;
use fingerpost_proto::record::{Instance, SignedRecord};
use fingerpost_proto::replica::Item;
use fingerpost_proto::signed::{Carry, Signed};

use super::world::{Org, World};

/// More machines than this make a run slow and show nothing more.
const NODES_MAX: usize = 260;

impl World {
    /// An organisation goes on under a new key, which the old one names.
    pub(super) fn rekey(&mut self, node: usize) -> bool {
        let (card, old) = (self.own_card(node), self.nodes[node].org);
        let (root, at_s) = (
            SecretKey::from_seed(&self.random.bytes()),
            self.clock_s(node),
        );
        let rekeying = Rekeying {
            format: FORMAT,
            old: self.orgs[old].id(),
            new: root.org_id(),
            at_s,
        };
        let mut rekeyings = card.rekeyings.clone();
        rekeyings.push(Carry::new(&Signed::sign(rekeying, &self.orgs[old].root)));
        if rekeyings.len() > fingerpost_proto::limits::REKEYINGS_MAX {
            return false;
        }
        let departure = self.departure(node);
        let old = self.orgs[old].id();
        self.go_on_as(node, root, rekeyings, Membership::default());
        // The old key leaves, so that whoever holds a copy of it, or of a node, speaks for nobody.
        if let Some(departure) = departure {
            self.depart(node, old, departure);
        }
        true
    }

    /// An organisation whose root key is lost claims its place under a new one, for others to sign.
    pub(super) fn claim(&mut self, node: usize) -> bool {
        let old = self.own_id(node);
        let root = SecretKey::from_seed(&self.random.bytes());
        let membership = Membership {
            claims: [old].into(),
            ..Membership::default()
        };
        let old = self.nodes[node].org;
        self.go_on_as(node, root, Vec::new(), membership);
        self.claims.push((old, self.nodes[node].org));
        let vouchers = self.orgs[old].vouched_by.clone();
        self.tell(node, &vouchers);
        true
    }

    /// All nodes of an organisation write for it under its new key from now on.
    fn go_on_as(
        &mut self,
        node: usize,
        root: SecretKey,
        rekeyings: Vec<Carry<Rekeying>>,
        membership: Membership,
    ) {
        let old = self.nodes[node].org;
        let (old_id, new_id) = (self.orgs[old].id(), root.org_id());
        let nodes = std::mem::take(&mut self.orgs[old].nodes);
        self.orgs[old].replaced = true;
        let has_listing = self.orgs[old].has_listing;
        self.orgs.push(Org {
            root,
            nodes: Vec::new(),
            replaced: false,
            has_listing,
            tickets: Vec::new(),
            vouched_by: Vec::new(),
        });
        let new = self.orgs.len() - 1;
        for node in nodes {
            if self.nodes[node].stolen || !self.nodes[node].up {
                // It missed the change: nobody counts on it any more.
                self.nodes[node].stolen = true;
                continue;
            }
            self.orgs[new].nodes.push(node);
            self.nodes[node].org = new;
            self.nodes[node].replica.add_own(new_id);
            self.nodes[node].replica.remove_own(&old_id);
        }
        let mut card = Card::new(format!("Organisation {new}, formerly {old}"));
        card.rekeyings = rekeyings;
        let accepted_at_s = self.clock_s(node);
        let membership = Membership {
            epoch: 1,
            accepted_at_s,
            ..membership
        };
        card.networks.insert(self.network, membership);
        self.publish_card(node, card);
    }

    /// One of those who vouched for an organisation that lost its key is asked to sign for its claim.
    pub(super) fn sign(&mut self) -> bool {
        let Some((old, new)) = self.random.pick(&self.claims).copied() else {
            return false;
        };
        let vouchers = self.orgs[old].vouched_by.clone();
        let Some(voucher) = self.random.pick(&vouchers).copied() else {
            return false;
        };
        let Some(node) = self.able_node(voucher) else {
            return false;
        };
        if let Some(claimant) = self.able_node(new) {
            self.tell(claimant, &[voucher]);
        }
        self.takes_part(node) && self.sign_at(node)
    }

    /// Signs for a claim on which the node's organisation has a say.
    fn sign_at(&mut self, node: usize) -> bool {
        let (network, own) = (self.network, self.own_id(node));
        let asked = self.nodes[node].replica.inquire(&network, |inquiry| {
            let open = inquiry.successions().into_iter().filter(|vote| {
                !vote.complete && vote.voters.contains(&own) && !vote.signed.contains(&own)
            });
            open.map(|vote| (vote.old, vote.new))
                .collect::<Vec<(OrgId, OrgId)>>()
        });
        let asked = asked.unwrap_or_default();
        let Some((old, to)) = self.random.pick(&asked).copied() else {
            return false;
        };
        let at_s = self.clock_s(node);
        self.edit(node, |_, membership| {
            membership
                .successors
                .insert(old, SuccessorVote { to, at_s });
            true
        })
    }

    /// A second office machine.
    pub(super) fn second_node(&mut self, node: usize) -> bool {
        let org = self.nodes[node].org;
        if self.orgs[org].nodes.len() > 1 || self.nodes.len() >= NODES_MAX {
            return false;
        }
        self.add_node(org);
        self.edit(node, |_, _| true)
    }

    /// A machine is stolen: its sibling revokes it, and the thief writes on for as long as it is believed.
    pub(super) fn revoke(&mut self) -> bool {
        let with_siblings: Vec<usize> = (0..self.orgs.len())
            .filter(|org| self.orgs[*org].nodes.len() > 1)
            .collect();
        let Some(org) = self.random.pick(&with_siblings).copied() else {
            return false;
        };
        match self.able_node(org) {
            Some(node) => self.takes_part(node) && self.revoke_sibling(node),
            None => false,
        }
    }

    fn revoke_sibling(&mut self, node: usize) -> bool {
        let org = self.nodes[node].org;
        let siblings = self.orgs[org].nodes.clone();
        let Some(stolen) = siblings
            .into_iter()
            .find(|it| *it != node && !self.nodes[*it].stolen)
        else {
            return false;
        };
        // A revocation travels on the card. If the stolen node left and came back unheard, the card that revokes
        // it is of an epoch that was left, and not everybody takes it: see the page on certificates.
        let own = self.orgs[org].id();
        let [here, there] = [node, stolen].map(|at| {
            let standing = self.nodes[at].replica.standing(&self.network, &own);
            standing.map(|it| (it.epoch, it.left_epoch))
        });
        if here != there {
            return false;
        }
        self.nodes[stolen].stolen = true;
        self.orgs[org].nodes.retain(|it| *it != stolen);
        let revocation = Revocation {
            format: FORMAT,
            org: self.orgs[org].id(),
            node: self.nodes[stolen].id,
            revoked_at_s: self.clock_s(node),
            last: self.last_records(node, stolen),
        };
        if self.nodes[stolen].up {
            self.steal(stolen);
        }
        let revocation = Carry::new(&Signed::sign(revocation, &self.orgs[org].root));
        self.edit(node, |card, _| {
            card.revocations.push(revocation);
            true
        });
        if self.orgs[org].has_listing {
            self.publish_listing(node);
        }
        true
    }

    /// The last records of a sibling that a node holds, of each document.
    fn last_records(&self, node: usize, sibling: usize) -> Vec<LastRecord> {
        let replica = &self.nodes[node].replica;
        let mut last: BTreeMap<(DocName, Instance), u64> = BTreeMap::new();
        for key in replica.documents_of(&self.own_id(node)).collect::<Vec<_>>() {
            for item in replica.items(&key).expect("memory does not fail") {
                let Item::Record { record, .. } = item else {
                    continue;
                };
                let record = SignedRecord::from_trusted(&record).expect("a node holds records");
                for seen in record.get().clock() {
                    if seen.writer.node == self.nodes[sibling].id {
                        let seq = last.entry((key.name, seen.writer.instance)).or_default();
                        *seq = seen.seq.max(*seq);
                    }
                }
            }
        }
        last.into_iter()
            .map(|((document, instance), seq)| LastRecord {
                document,
                instance,
                seq,
            })
            .collect()
    }

    /// What a thief says in the organisation's name.
    fn steal(&mut self, node: usize) {
        let own = self.own_id(node);
        let all: Vec<OrgId> = self
            .orgs
            .iter()
            .map(Org::id)
            .filter(|it| *it != own)
            .collect();
        let at_s = self.clock_s(node);
        self.edit(node, |card, membership| {
            card.revocations.clear();
            let objection = |org: OrgId| {
                let reason = "Never heard of them".into();
                (org, Objection { reason, at_s })
            };
            membership.objections = all.into_iter().take(60).map(objection).collect();
            membership.vouches.clear();
            true
        });
        self.publish_listing(node);
    }
}
