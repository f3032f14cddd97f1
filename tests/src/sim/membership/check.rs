//! The end of a run: the network heals, and everybody must agree.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;

use fingerpost_proto::ids::{CharterId, DocKey, DocName, OrgId, RecordId};
use fingerpost_proto::replica::{Checked, Item, Replica};
use fingerpost_proto::roster::{Place, Standing};

use super::world::{Report, World};

/// How often every node speaks with one other in the healed network. Some ten times spread one statement, but
/// statements wait for others: a listing for the vouch that makes its owner a member, and that for a card.
const ROUNDS_MAX: u32 = 80;

/// What all must agree on.
#[derive(Debug, Clone, PartialEq)]
struct View {
    places: BTreeMap<OrgId, Place>,
    voice: BTreeSet<OrgId>,
    heirs: BTreeMap<OrgId, OrgId>,
    anchors: BTreeSet<OrgId>,
    chain: Vec<CharterId>,
    vouches_needed: u32,
    standings: BTreeMap<OrgId, Standing>,
    cards: BTreeMap<OrgId, Vec<RecordId>>,
}

/// The listings that a member holds, and whose it does not want.
type Listings = BTreeMap<OrgId, Vec<RecordId>>;

impl World {
    /// Heals the network, lets all nodes speak with one another, and compares what they hold.
    ///
    /// # Errors
    /// The first thing that does not hold.
    pub fn settle(mut self) -> Result<Report, String> {
        self.plan.cut_per_mille = 0;
        self.plan.loss_per_mille = 0;
        for node in 0..self.nodes.len() {
            self.nodes[node].side = 0;
            self.restart(node);
        }
        // What was announced before the network healed still arrives.
        while let Some(at) = self.parcels.keys().next().copied() {
            self.now = at.max(self.now);
            self.plan.loss_per_mille = 1_000;
            self.arrive();
        }
        let mut fault = String::new();
        for round in 1..=ROUNDS_MAX {
            self.round(round.is_multiple_of(2));
            self.siblings_meet();
            for node in 0..self.nodes.len() {
                self.say_revocations_again(node);
            }
            // Comparing costs as much as some sessions, and agreement takes its time.
            let agreed = match round > 6 && round.is_multiple_of(4) {
                true => self.compare(),
                false => Err(String::new()),
            };
            match agreed {
                Ok(()) => {
                    self.report.rounds = round;
                    return Ok(self.report);
                }
                Err(text) if !text.is_empty() => fault = text,
                Err(_) => {}
            }
        }
        Err(fault)
    }

    /// All nodes speak with one other; or members do with members, from whom alone they have listings.
    fn round(&mut self, members: bool) {
        let mut order: Vec<usize> = (0..self.nodes.len()).collect();
        order.retain(|node| !members || self.is_member(*node));
        for at in (1..order.len()).rev() {
            order.swap(at, self.random.below(at as u64 + 1) as usize);
        }
        for pair in order.chunks(2) {
            if let [one, two] = pair {
                self.session(*one, *two);
            }
        }
    }

    /// Machines of one organisation know one another's addresses, and where their organisation has left, nobody else
    /// speaks with them.
    fn siblings_meet(&mut self) {
        for org in 0..self.orgs.len() {
            if let [one, two, ..] = self.orgs[org].nodes[..] {
                self.session(one, two);
            }
        }
    }

    pub(super) fn is_member(&mut self, node: usize) -> bool {
        let own = self.own_id(node);
        let roster = self.nodes[node].replica.roster(&self.network);
        roster.is_some_and(|roster| roster.is_member(&own))
    }

    fn compare(&mut self) -> Result<(), String> {
        let mut first: Option<(usize, View)> = None;
        let mut listings: Option<Listings> = None;
        let (mut compared, mut honest) = (0, 0);
        for node in 0..self.nodes.len() {
            if self.nodes[node].stolen {
                continue;
            }
            honest += 1;
            if !self.nodes[node].replica.is_active(&self.network) {
                continue;
            }
            compared += 1;
            let view = self.view(node);
            let own = self.orgs[self.nodes[node].org].id();
            match &first {
                None => first = Some((node, view.clone())),
                Some((one, first)) => {
                    let name = DocName::Card;
                    let why = |org: OrgId| self.why([*one, node], &DocKey { org, name });
                    differ(first, &view, &why)
                        .map_err(|what| format!("node {one} and node {node}: {what}"))?;
                }
            }
            if view.places.get(&own) == Some(&Place::Member) {
                let held = self.listings(node, &view);
                let blocked = self.nodes[node].replica.blocked();
                let wanted = listings.get_or_insert_with(|| held.clone());
                for (org, ids) in wanted.iter() {
                    if !blocked.contains(org) && held.get(org) != Some(ids) {
                        let name = DocName::Listing(0);
                        let holder = (0..self.nodes.len()).find(|at| {
                            let key = DocKey { org: *org, name };
                            self.nodes[*at].replica.record_ids(&key) == *ids
                        });
                        let why =
                            self.why([node, holder.unwrap_or(node)], &DocKey { org: *org, name });
                        return Err(format!(
                            "node {node} does not hold the listing of {org:?}{why}"
                        ));
                    }
                }
                let others = held.iter().filter(|(org, _)| !wanted.contains_key(org));
                let more: Vec<_> = others.map(|(org, ids)| (*org, ids.clone())).collect();
                // The first may have blocked some; nobody else may hold more.
                wanted.extend(more);
            }
        }
        let (node, view) = first.ok_or("nobody takes part at the end")?;
        self.report.nodes = honest;
        self.report.compared = compared;
        self.report.places.clear();
        for place in view.places.values() {
            *self.report.places.entry(format!("{place:?}")).or_default() += 1;
        }
        self.report.effects = self.effects(node);
        Ok(())
    }

    /// What each of two nodes holds of a document, who wrote it, and what the other answers to it.
    fn why(&self, ends: [usize; 2], key: &DocKey) -> String {
        let mut text = String::new();
        for (at, other) in [(ends[0], ends[1]), (ends[1], ends[0])] {
            let replica = &self.nodes[at].replica;
            let spoken_for = replica.orgs_of_node(&self.nodes[other].id);
            let own = self.own_id(other);
            let standing = replica.standing(&self.network, &own);
            let epochs = standing.map(|it| (it.epoch, it.left_epoch));
            text += &format!(
                "\nnode {at} knows node {other} for {spoken_for:?}'s, takes {own:?} to have joined and left in {epochs:?}, and holds of {key:?}:"
            );
            for item in replica.items(key).expect("memory does not fail") {
                let stated = matches!(&item, Item::Record { state: Some(_), .. });
                let Ok(Checked::Record(checked)) = item.check() else {
                    continue;
                };
                let record = checked.record.get().clone();
                let node = record.writer.node;
                let writer = self.nodes.iter().position(|it| it.id == node);
                let stolen = writer.is_some_and(|it| self.nodes[it].stolen);
                let there = &self.nodes[other];
                let revoked = there.replica.revocations(&key.org, &node);
                let copy = Replica::open(
                    there.replica.storage().clone(),
                    there.id,
                    there.replica.own().clone(),
                );
                let now_s = self.clock_s(other);
                let answer = copy.map(|mut copy| copy.receive(now_s, Checked::Record(checked)));
                text += &format!(
                    "\n  record {} (with state: {stated}) of node {writer:?} (stolen: {stolen}) having seen {:?}; node {other} knows of {revoked:?} and answers {answer:?}",
                    record.seq, record.saw
                );
            }
        }
        text
    }

    fn view(&mut self, node: usize) -> View {
        let network = self.network;
        let replica = &mut self.nodes[node].replica;
        replica.settle().expect("memory does not fail");
        let roster = replica.roster(&network).expect("it takes part").clone();
        let places: BTreeMap<OrgId, Place> = roster.places().map(|(org, it)| (*org, it)).collect();
        let held = places
            .keys()
            .filter_map(|org| Some((*org, replica.standing(&network, org)?.clone())));
        let standings = held.collect();
        let card = |org: &OrgId| {
            let name = DocName::Card;
            replica.record_ids(&DocKey { org: *org, name })
        };
        // Of those who left, only their own nodes hold a card.
        let cards = places.iter().filter(|(_, place)| **place != Place::Left);
        let cards = cards.map(|(org, _)| (*org, card(org))).collect();
        View {
            voice: places
                .keys()
                .filter(|it| roster.has_voice(it))
                .copied()
                .collect(),
            heirs: places
                .keys()
                .filter_map(|it| Some((*it, roster.heir_of(it)?)))
                .collect(),
            anchors: roster.anchors().clone(),
            chain: roster.chain().to_vec(),
            vouches_needed: roster.vouches_needed(),
            standings,
            cards,
            places,
        }
    }

    fn listings(&self, node: usize, view: &View) -> Listings {
        let replica = &self.nodes[node].replica;
        let mut held = Listings::new();
        for org in replica.organisations() {
            let name = DocName::Listing(0);
            let ids = replica.record_ids(&DocKey { org, name });
            // That of a replaced organisation is held until its heir has one.
            let place = view.places.get(&org);
            if ids.is_empty() || place == Some(&Place::Replaced) {
                continue;
            }
            assert!(
                place == Some(&Place::Member) || replica.own().contains(&org),
                "seed {}: node {node} holds the listing of {org:?}, no member",
                self.plan.seed
            );
            held.insert(org, ids);
        }
        held
    }
}

/// Says what two nodes hold of an organisation's card.
type Why<'a> = dyn Fn(OrgId) -> String + 'a;

fn differ(one: &View, two: &View, why: &Why<'_>) -> Result<(), String> {
    first_difference("standing", &one.standings, &two.standings, why)?;
    first_difference("card", &one.cards, &two.cards, why)?;
    first_difference("heir", &one.heirs, &two.heirs, why)?;
    first_difference("place", &one.places, &two.places, why)?;
    if one == two {
        return Ok(());
    }
    Err(format!(
        "texts {:?} and {:?}, vouches {} and {}, anchors equal: {}, voices equal: {}",
        one.chain,
        two.chain,
        one.vouches_needed,
        two.vouches_needed,
        one.anchors == two.anchors,
        one.voice == two.voice
    ))
}

fn first_difference<V: PartialEq + Debug>(
    what: &str,
    one: &BTreeMap<OrgId, V>,
    two: &BTreeMap<OrgId, V>,
    why: &Why<'_>,
) -> Result<(), String> {
    let orgs: BTreeSet<&OrgId> = one.keys().chain(two.keys()).collect();
    match orgs.into_iter().find(|org| one.get(org) != two.get(org)) {
        None => Ok(()),
        Some(org) => Err(format!(
            "the {what} of {org:?} differs: {:?} and {:?}{}",
            one.get(org),
            two.get(org),
            why(*org)
        )),
    }
}
