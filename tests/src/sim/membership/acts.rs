//! What organisations do: join, vouch, invite, object, leave, come back, and much that moves nobody.

use fingerpost_proto::card::{Card, Membership, Objection, Pause, Settled, Succession};
use fingerpost_proto::certificate::{Delegated, FORMAT, Vouch};
use fingerpost_proto::ids::{DocName, InviteId, OrgId};
use fingerpost_proto::keys::SecretKey;
use fingerpost_proto::listing::{Organization, Service, ShardState};
use fingerpost_proto::replica::Outcome;
use fingerpost_proto::roster::Place;
use fingerpost_proto::signed::Signed;
use fingerpost_proto::ticket::Ticket;

use super::world::World;

/// More vouches than any text asks for only make cards long.
const VOUCHES_CARRIED_MAX: usize = 3;
/// So few organisations draw most objections, so that some have a majority against them.
const UNPOPULAR: u64 = 6;

impl World {
    /// Somebody does something.
    pub(super) fn act(&mut self) {
        if self.founded < self.plan.organisations && self.random.chance(40) {
            self.newcomer();
            return;
        }
        let org = self.random.below(self.orgs.len() as u64) as usize;
        let able: Vec<usize> = self.orgs[org].nodes.clone();
        let able: Vec<usize> = able
            .into_iter()
            .filter(|node| self.nodes[*node].up && !self.nodes[*node].stolen)
            .collect();
        let Some(node) = self.random.pick(&able).copied() else {
            return;
        };
        if !self.takes_part(node) {
            if self.random.chance(500) && self.come_back(node) {
                self.count("rejoin");
            }
            return;
        }
        let (kind, done) = match self.random.below(1_000) {
            0..250 => ("carry", self.carry(node)),
            250..390 => ("vouch", self.vouch(node)),
            390..480 => ("object", self.object(node)),
            480..505 => ("withdraw", self.withdraw(node)),
            505..520 => ("leave", self.leave(node)),
            520..528 => ("propose", self.propose(node)),
            528..690 => ("accept", self.accept(node)),
            690..696 => ("rekey", self.rekey(node)),
            696..701 => ("claim", self.claim(node)),
            701..760 => ("sign", self.sign(node)),
            760..768 => ("revoke", self.revoke(node)),
            768..778 => ("node", self.second_node(node)),
            778..788 => ("block", self.block(node)),
            788..850 => ("listing", self.list(node)),
            850..885 => ("settle", self.settle_invitation(node)),
            885..930 => ("close", self.merge_or_close(node)),
            _ => ("pause", self.pause(node)),
        };
        if done {
            self.count(kind);
        } else if self.pause(node) {
            self.count("pause");
        }
    }

    pub(super) fn own_id(&self, node: usize) -> OrgId {
        self.orgs[self.nodes[node].org].id()
    }

    fn takes_part(&mut self, node: usize) -> bool {
        let own = self.own_id(node);
        let standing = self.nodes[node].replica.standing(&self.network, &own);
        standing.is_some_and(|it| it.accepts())
    }

    /// The card of a node's organisation, and what it says of the network.
    pub(super) fn edit(
        &mut self,
        node: usize,
        change: impl FnOnce(&mut Card, &mut Membership) -> bool,
    ) -> bool {
        let mut card = self.own_card(node);
        let mut membership = card.networks.remove(&self.network).unwrap_or_default();
        let changed = change(&mut card, &mut membership);
        if changed {
            card.networks.insert(self.network, membership);
            self.publish_card(node, card);
        }
        changed
    }

    /// An organisation joins, with an invitation (perhaps one that was used already) or with nothing.
    fn newcomer(&mut self) {
        let inviter = self.random.below(self.orgs.len() as u64) as usize;
        let root = SecretKey::from_seed(&self.random.bytes());
        let now_s = super::world::EPOCH_S + self.now;
        let mut membership = Membership::default();
        let Some(node) = self.orgs[inviter].nodes.first().copied() else {
            return;
        };
        if self.random.chance(700) {
            let used = self.random.pick(&self.orgs[inviter].tickets).cloned();
            let again = used.filter(|_| self.random.chance(300));
            let ticket = again.unwrap_or_else(|| {
                let seed = SecretKey::from_seed(&self.random.bytes());
                let node_key = &self.nodes[node].key;
                let until_s = now_s + 7 * 86_400;
                let delegation = self.delegation(node);
                Ticket::issue(
                    self.network,
                    delegation,
                    node_key,
                    seed,
                    now_s,
                    until_s,
                    Vec::new(),
                )
            });
            membership.invitation = Some(ticket.redeem(root.org_id(), now_s));
            self.orgs[inviter].tickets.push(ticket);
        }
        self.join(root, membership);
        self.count("join");
    }

    /// Puts a vouch on the card, for somebody who waits or for anybody.
    fn vouch(&mut self, node: usize) -> bool {
        let network = self.network;
        let Some(roster) = self.nodes[node].replica.roster(&network) else {
            return false;
        };
        let waiting = self.random.chance(700);
        let all = roster.places();
        let of = all.filter(|(_, place)| !waiting || *place == Place::Applicant);
        let subjects: Vec<OrgId> = of.map(|(org, _)| *org).collect();
        let Some(subject) = self.random.pick(&subjects).copied() else {
            return false;
        };
        let vouch = Vouch {
            format: FORMAT,
            network,
            subject,
            voucher: self.own_id(node),
            node: self.nodes[node].id,
            issued_at_s: self.clock_s(node),
            note: self.random.chance(200).then(|| "Known to us".into()),
        };
        let vouch = Delegated::new(
            &Signed::sign(vouch, &self.nodes[node].key),
            &self.delegation(node),
        );
        let voucher = self.nodes[node].org;
        if let Some(org) = self.orgs.iter_mut().find(|org| org.id() == subject) {
            org.vouched_by.push(voucher);
        }
        self.edit(node, |_, membership| {
            membership.given.len() < 16 && membership.given.insert(subject, vouch).is_none()
        })
    }

    /// Carries the vouches that others hold ready for it, and lets go of those that their subjects carry.
    fn carry(&mut self, node: usize) -> bool {
        let (network, own) = (self.network, self.own_id(node));
        let org = self.nodes[node].org;
        let mut ready = Vec::new();
        for voucher in self.orgs[org].vouched_by.clone().into_iter().rev().take(4) {
            let voucher = self.orgs[voucher].id();
            for card in self.held_cards(node, voucher) {
                let given = card
                    .networks
                    .get(&network)
                    .and_then(|it| it.given.get(&own));
                ready.extend(given.map(|vouch| (voucher, vouch.clone())));
            }
        }
        let mut card = self.own_card(node);
        let Some(mut membership) = card.networks.remove(&network) else {
            return false;
        };
        let before = (membership.vouches.len(), membership.given.len());
        for (voucher, vouch) in ready {
            if membership.vouches.len() < VOUCHES_CARRIED_MAX {
                membership.vouches.entry(voucher).or_insert(vouch);
            }
        }
        let replica = &self.nodes[node].replica;
        membership.given.retain(|subject, _| {
            let carried = replica.standing(&network, subject);
            !carried.is_some_and(|it| it.vouches.iter().any(|vouch| vouch.voucher == own))
        });
        let changed = before != (membership.vouches.len(), membership.given.len());
        if changed {
            card.networks.insert(network, membership);
            self.publish_card(node, card);
        }
        changed
    }

    /// Notes who used an invitation, or cancels it.
    fn settle_invitation(&mut self, node: usize) -> bool {
        let org = self.nodes[node].org;
        let Some(ticket) = self.random.pick(&self.orgs[org].tickets).cloned() else {
            return false;
        };
        // The one-time key shows on whatever card used it.
        let shown = ticket.redeem(self.own_id(node), 0).redemption.claimed();
        let Ok(key) = shown.map(|it| InviteId::from_bytes(it.key)) else {
            return false;
        };
        let (network, own) = (self.network, self.own_id(node));
        let Some(roster) = self.nodes[node].replica.roster(&network) else {
            return false;
        };
        let orgs: Vec<OrgId> = roster.places().map(|(org, _)| *org).collect();
        let replica = &self.nodes[node].replica;
        let used = orgs.into_iter().find(|org| {
            let vouches = replica.standing(&network, org).map(|it| &it.vouches);
            vouches.into_iter().flatten().any(|vouch| {
                vouch.voucher == own && vouch.by_invitation.is_some_and(|(_, used)| used == key)
            })
        });
        let used_by = used.filter(|_| self.random.chance(800));
        let at_s = self.clock_s(node);
        self.edit(node, |_, membership| {
            let settled = Settled { used_by, at_s };
            let before = membership.invitations.insert(key, settled.clone());
            before.map(|it| it.used_by) != Some(settled.used_by)
        })
    }

    fn object(&mut self, node: usize) -> bool {
        let at = match self.random.chance(800) {
            true => self.random.below(UNPOPULAR) as usize * 29,
            false => self.random.below(self.orgs.len() as u64) as usize,
        };
        let own = self.own_id(node);
        let Some(accused) = self
            .orgs
            .get(at)
            .map(|org| org.id())
            .filter(|it| *it != own)
        else {
            return false;
        };
        let at_s = self.clock_s(node);
        self.edit(node, |_, membership| {
            let reason = "They do not answer".into();
            let objection = Objection { reason, at_s };
            membership.objections.insert(accused, objection).is_none()
        })
    }

    fn withdraw(&mut self, node: usize) -> bool {
        self.edit(node, |_, membership| {
            membership.objections.pop_first().is_some()
        })
    }

    fn leave(&mut self, node: usize) -> bool {
        let (network, own) = (self.network, self.own_id(node));
        let card = self.own_card(node);
        let Some(membership) = card.networks.get(&network) else {
            return false;
        };
        let now_s = self.clock_s(node);
        let delegation = self.delegation(node);
        let sender = &mut self.nodes[node];
        let departure =
            sender
                .replica
                .departure(now_s, network, own, membership, &delegation, &sender.key);
        let outcome = sender
            .replica
            .receive(now_s, departure)
            .expect("memory does not fail");
        if !matches!(outcome, Outcome::Accepted(_)) {
            return false;
        }
        let item = sender
            .replica
            .departure_item(&network, &own)
            .expect("memory does not fail");
        self.flush(node);
        if let Some(item) = item {
            self.announce(node, &item);
        }
        true
    }

    /// Accepts the charter again.
    fn come_back(&mut self, node: usize) -> bool {
        let own = self.own_id(node);
        let standing = self.nodes[node].replica.standing(&self.network, &own);
        let Some(left_epoch) = standing.map(|it| it.left_epoch) else {
            return false;
        };
        self.edit(node, |_, membership| {
            membership.epoch = left_epoch + 1;
            true
        })
    }

    fn block(&mut self, node: usize) -> bool {
        let other = self.random.below(self.orgs.len() as u64) as usize;
        let org = self.orgs[other].id();
        let block = !self.nodes[node].replica.blocked().contains(&org);
        let replica = &mut self.nodes[node].replica;
        let changed = replica
            .set_blocked(org, block)
            .expect("memory does not fail");
        self.flush(node);
        changed
    }

    fn list(&mut self, node: usize) -> bool {
        let org = self.nodes[node].org;
        // One in three lists its services.
        if !org.is_multiple_of(3) {
            return false;
        }
        self.orgs[org].has_listing = true;
        self.publish_listing(node);
        true
    }

    pub(super) fn publish_listing(&mut self, node: usize) {
        let mut state = ShardState::empty(0);
        state.organization = Some(Organization {
            id: "organisation".into(),
            name: "An organisation".into(),
            ..Organization::default()
        });
        state.services.insert(Service {
            id: "service".into(),
            name: format!("Advice as of {}", self.now),
            ..Service::default()
        });
        let state = state.to_bytes().expect("within the limits");
        self.publish(node, DocName::Listing(0), state);
    }

    fn merge_or_close(&mut self, node: usize) -> bool {
        let other = self.random.below(self.orgs.len() as u64) as usize;
        let to = self.orgs[other].id();
        let merges = self.random.chance(500);
        self.edit(node, |card, _| {
            card.succession = Some(match merges {
                true => Succession {
                    merged_into: Some(to),
                    ..Succession::default()
                },
                false => Succession {
                    closes_on: Some("2027-03-31".into()),
                    clients_to: vec![to],
                    ..Succession::default()
                },
            });
            true
        })
    }

    fn pause(&mut self, node: usize) -> bool {
        let note = Some(format!("Away {}", self.now));
        self.edit(node, |card, _| {
            card.pauses = vec![Pause {
                from: "2026-12-24".into(),
                until: "2027-01-02".into(),
                note,
            }];
            true
        })
    }
}
