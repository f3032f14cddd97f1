//! What organisations do: join, vouch, invite, object, leave, come back, and much that moves nobody.

use fingerpost_proto::card::{Card, Membership, Objection, Pause, Settled, Succession};
use fingerpost_proto::certificate::{Delegated, FORMAT, Vouch};
use fingerpost_proto::ids::{DocName, InviteId, OrgId};
use fingerpost_proto::keys::SecretKey;
use fingerpost_proto::listing::{Organization, Service, ShardState};
use fingerpost_proto::replica::{Checked, Outcome, State};
use fingerpost_proto::roster::Place;
use fingerpost_proto::signed::Signed;
use fingerpost_proto::ticket::Ticket;

use super::world::World;

/// More vouches than any text asks for only make cards long.
const VOUCHES_CARRIED_MAX: usize = 4;
/// These organisations draw most objections, so that some have a majority against them.
const UNPOPULAR: [usize; 3] = [8, 15, 29];
/// Who cannot do one thing tries another, so often.
const TRIES: usize = 6;

impl World {
    /// Somebody does something.
    pub(super) fn act(&mut self) {
        if self.founded < self.plan.organisations && self.random.chance(100) {
            self.newcomer();
            return;
        }
        let org = self.random.below(self.orgs.len() as u64) as usize;
        let Some(node) = self.able_node(org) else {
            return;
        };
        if !self.takes_part(node) {
            if self.random.chance(300) && self.come_back(node) {
                self.count("rejoin");
            }
            return;
        }
        // Nodes see to this by themselves.
        if self.say_revocations_again(node) {
            self.count("carry");
            return;
        }
        if self.random.chance(400) && self.carry(node) {
            self.count("carry");
            return;
        }
        for _ in 0..TRIES {
            if let Some(kind) = self.something(node) {
                self.count(kind);
                return;
            }
        }
        if self.pause(node) {
            self.count("pause");
        }
    }

    /// What was done, if it could be done.
    fn something(&mut self, node: usize) -> Option<&'static str> {
        match self.random.below(1_000) {
            0..200 => self.vouch(node),
            200..275 => self.object(node).then_some("object"),
            275..290 => self.withdraw(node).then_some("withdraw"),
            290..296 => self.leave(node).then_some("leave"),
            296..310 => self.propose(node).then_some("propose"),
            310..570 => self.accept(node).then_some("accept"),
            570..576 => self.rekey(node).then_some("rekey"),
            576..584 => self.claim(node).then_some("claim"),
            584..644 => self.sign().then_some("sign"),
            644..652 => self.revoke().then_some("revoke"),
            652..664 => self.second_node(node).then_some("node"),
            664..676 => self.block(node),
            676..736 => self.list(node).then_some("list"),
            736..786 => self.settle_invitation(node),
            786..826 => self.merge_or_close(node),
            _ => self.pause(node).then_some("pause"),
        }
    }

    /// A node of an organisation whose people can use it.
    pub(super) fn able_node(&mut self, org: usize) -> Option<usize> {
        let mut able = self.orgs[org].nodes.clone();
        able.retain(|node| self.nodes[*node].up && !self.nodes[*node].stolen);
        self.random.pick(&able).copied()
    }

    pub(super) fn own_id(&self, node: usize) -> OrgId {
        self.orgs[self.nodes[node].org].id()
    }

    pub(super) fn takes_part(&mut self, node: usize) -> bool {
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
        card.networks.insert(self.network, membership);
        // Who has said all that a card has room for says no more.
        let fits = changed && card.check().is_ok();
        if fits {
            self.publish_card(node, card);
        }
        fits
    }

    /// An organisation joins, with an invitation (perhaps one that was used already) or with nothing.
    fn newcomer(&mut self) {
        let Some(inviter) = (0..TRIES).find_map(|_| self.some_member()) else {
            return;
        };
        let root = SecretKey::from_seed(&self.random.bytes());
        let now_s = super::world::EPOCH_S + self.now;
        let mut membership = Membership::default();
        let Some(node) = self.orgs[inviter].nodes.first().copied() else {
            return;
        };
        let mut kind = "join with nothing";
        if self.random.chance(700) {
            let used = self.random.pick(&self.orgs[inviter].tickets).cloned();
            let again = used.filter(|_| self.random.chance(300));
            kind = match again.is_some() {
                true => "join by a used invitation",
                false => "join by invitation",
            };
            let ticket = again.unwrap_or_else(|| {
                let seed = SecretKey::from_seed(&self.random.bytes());
                let until_s = now_s + 7 * 86_400;
                let delegation = self.delegation(node);
                let node_key = &self.nodes[node].key;
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
        let invited = membership.invitation.is_some();
        let org = self.join(root, membership);
        if invited {
            self.orgs[org].vouched_by.push(inviter);
        }
        self.count(kind);
    }

    /// An organisation that takes itself for a member, if the first that comes along is one.
    fn some_member(&mut self) -> Option<usize> {
        let org = self.random.below(self.orgs.len() as u64) as usize;
        let node = self.able_node(org)?;
        self.is_member(node).then_some(org)
    }

    /// Puts a vouch on the card, for somebody who waits or for anybody.
    fn vouch(&mut self, node: usize) -> Option<&'static str> {
        let network = self.network;
        // The word of others counts for nothing yet.
        if !self.random.chance(100) && !self.is_member(node) {
            return None;
        }
        let roster = self.nodes[node].replica.roster(&network)?;
        let waiting = self.random.chance(700);
        let all = roster.places();
        let of = all.filter(|(_, place)| !waiting || *place == Place::Applicant);
        let subjects: Vec<OrgId> = of.map(|(org, _)| *org).collect();
        let subject = self.random.pick(&subjects).copied()?;
        let note = self.random.chance(200).then(|| "Known to us".into());
        let kind = match note.is_some() {
            true => "vouch with a note",
            false => "vouch",
        };
        let vouch = Vouch {
            format: FORMAT,
            network,
            subject,
            voucher: self.own_id(node),
            node: self.nodes[node].id,
            issued_at_s: self.clock_s(node),
            note,
        };
        let vouch = Delegated::new(
            &Signed::sign(vouch, &self.nodes[node].key),
            &self.delegation(node),
        );
        let voucher = self.nodes[node].org;
        let done = self.edit(node, |_, membership| {
            membership.given.len() < 16 && membership.given.insert(subject, vouch).is_none()
        });
        let of = self.index_of(&subject).filter(|_| done)?;
        self.orgs[of].vouched_by.push(voucher);
        self.tell(node, &[of]);
        Some(kind)
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
        let given = membership.given.len();
        let mut carried = false;
        let roster = self.nodes[node].replica.roster(&network);
        for (voucher, vouch) in ready {
            if membership.vouches.contains_key(&voucher) {
                continue;
            }
            // What counts takes the place of what does not.
            if membership.vouches.len() >= VOUCHES_CARRIED_MAX
                && let Some(roster) = roster
            {
                let idle = |it: &&OrgId| !roster.is_admitted(it);
                let idle = membership.vouches.keys().find(idle).copied();
                idle.filter(|_| roster.is_admitted(&voucher))
                    .map(|idle| membership.vouches.remove(&idle));
            }
            if membership.vouches.len() < VOUCHES_CARRIED_MAX {
                membership.vouches.insert(voucher, vouch);
                carried = true;
            }
        }
        let replica = &self.nodes[node].replica;
        membership.given.retain(|subject, _| {
            let carried = replica.standing(&network, subject);
            !carried.is_some_and(|it| it.vouches.iter().any(|vouch| vouch.voucher == own))
        });
        let changed = carried || given != membership.given.len();
        if changed {
            card.networks.insert(network, membership);
            self.publish_card(node, card);
        }
        changed
    }

    /// Notes who used an invitation, or cancels it.
    fn settle_invitation(&mut self, node: usize) -> Option<&'static str> {
        let org = self.nodes[node].org;
        let ticket = self.random.pick(&self.orgs[org].tickets).cloned()?;
        // The one-time key shows on whatever card used it.
        let shown = ticket.redeem(self.own_id(node), 0).redemption.claimed();
        let key = shown.map(|it| InviteId::from_bytes(it.key)).ok()?;
        let (network, own) = (self.network, self.own_id(node));
        let roster = self.nodes[node].replica.roster(&network)?;
        let orgs: Vec<OrgId> = roster.places().map(|(org, _)| *org).collect();
        let replica = &self.nodes[node].replica;
        let used = orgs.into_iter().find(|org| {
            let vouches = replica.standing(&network, org).map(|it| &it.vouches);
            vouches.into_iter().flatten().any(|vouch| {
                vouch.voucher == own && vouch.by_invitation.is_some_and(|(_, used)| used == key)
            })
        });
        let used_by = used.filter(|_| self.random.chance(800));
        let kind = match used_by {
            Some(_) => "settle",
            None => "cancel",
        };
        let at_s = self.clock_s(node);
        let done = self.edit(node, |_, membership| {
            let settled = Settled { used_by, at_s };
            let before = membership.invitations.insert(key, settled.clone());
            before.map(|it| it.used_by) != Some(settled.used_by)
        });
        done.then_some(kind)
    }

    fn object(&mut self, node: usize) -> bool {
        let at = match self.random.chance(800) {
            true => self.random.pick(&UNPOPULAR).copied().unwrap_or(0),
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
        let own = self.own_id(node);
        let departure = self.departure(node);
        departure.is_some_and(|departure| self.depart(node, own, departure))
    }

    /// The departure of the organisation that a node writes for, if it is in the network.
    pub(super) fn departure(&mut self, node: usize) -> Option<Checked> {
        let (network, own) = (self.network, self.own_id(node));
        let card = self.own_card(node);
        let membership = card.networks.get(&network)?;
        let now_s = self.clock_s(node);
        let delegation = self.delegation(node);
        let sender = &self.nodes[node];
        let replica = &sender.replica;
        Some(replica.departure(now_s, network, own, membership, &delegation, &sender.key))
    }

    /// Takes in a departure, and lets it out.
    pub(super) fn depart(&mut self, node: usize, org: OrgId, departure: Checked) -> bool {
        let now_s = self.clock_s(node);
        let replica = &mut self.nodes[node].replica;
        let outcome = replica.receive(now_s, departure);
        if !matches!(outcome, Ok(Outcome::Accepted(_))) {
            return false;
        }
        let item = replica.departure_item(&self.network, &org);
        self.flush(node);
        if let Some(item) = item.expect("memory does not fail") {
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

    fn block(&mut self, node: usize) -> Option<&'static str> {
        let other = self.random.below(self.orgs.len() as u64) as usize;
        let org = self.orgs[other].id();
        let block = !self.nodes[node].replica.blocked().contains(&org);
        let replica = &mut self.nodes[node].replica;
        let changed = replica
            .set_blocked(org, block)
            .expect("memory does not fail");
        self.flush(node);
        changed.then_some(if block { "block" } else { "unblock" })
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
        let bytes = state.to_bytes().expect("within the limits");
        let typed = State::parse(DocName::Listing(0), &bytes).expect("within the limits");
        self.publish(node, DocName::Listing(0), bytes, typed);
    }

    fn merge_or_close(&mut self, node: usize) -> Option<&'static str> {
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
        });
        Some(if merges { "merge" } else { "close" })
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
