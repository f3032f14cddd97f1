//! Who is in a network, who waits, and who vouches for and objects to whom.

use std::collections::{BTreeMap, BTreeSet};

use fingerpost_proto::api::{Applicant, Member, Members, ObjectionInfo, VouchInfo, Waiting};
use fingerpost_proto::card::Card;
use fingerpost_proto::ids::{DocName, NetworkId, NodeId, OrgId};
use fingerpost_proto::replica::Replica;
use fingerpost_proto::roster::{Inquiry, Place};
use fingerpost_proto::sync::{Receipt, receipts};

use super::networks::name_of;
use super::pausing::pause_of;
use crate::node::days::today;
use crate::node::listing::shard_of;
use crate::node::names::{card_of, org_ref};
use crate::node::{Node, NodeError, lock};
use crate::store::SledStorage;

/// What the roster says of one organisation.
struct Known {
    org: OrgId,
    place: Place,
    has_voice: bool,
    anchor: bool,
    vouchers: Vec<(OrgId, bool)>,
    objectors: Vec<(OrgId, bool)>,
    /// With its older keys and its heirs: an objection stands against any of them.
    line: BTreeSet<OrgId>,
    objections_needed: usize,
    missing: u32,
    invitation_used_by: Option<OrgId>,
}

impl Known {
    /// Everybody in a network whose place `wanted` names, in one go: asking costs as much as computing the
    /// roster.
    fn all(
        replica: &mut Replica<SledStorage>,
        network: &NetworkId,
        wanted: impl Fn(Place) -> bool,
    ) -> Vec<Self> {
        let ask = |inquiry: &Inquiry<'_>| {
            let accused = inquiry.accused();
            let roster = inquiry.roster();
            let known = |org: OrgId, place: Place| Self {
                org,
                place,
                has_voice: roster.has_voice(&org),
                anchor: roster.is_anchor(&org),
                vouchers: inquiry.vouchers(&org),
                objectors: match accused.contains(&org) {
                    true => inquiry.objectors(&org),
                    false => Vec::new(),
                },
                line: match accused.contains(&org) {
                    true => inquiry.line_of(&org),
                    false => BTreeSet::new(),
                },
                objections_needed: match accused.contains(&org) {
                    true => inquiry.objections_needed(&org),
                    false => 0,
                },
                missing: match place {
                    Place::Applicant => inquiry.missing_vouches(&org),
                    _ => 0,
                },
                invitation_used_by: inquiry.invitation_used_by(&org),
            };
            let places = roster.places().filter(|(_, place)| wanted(*place));
            places.map(|(org, place)| known(*org, place)).collect()
        };
        replica.inquire(network, ask).unwrap_or_default()
    }
}

/// What is known of the exchanges with nodes.
struct Contacts {
    receipts: BTreeMap<NodeId, Receipt>,
    connected: Vec<NodeId>,
}

impl Node {
    /// Everybody that a network knows of.
    ///
    /// # Errors
    /// [`NodeError`].
    pub fn members(&self, network: Option<&str>) -> Result<Members, NodeError> {
        let network = self.network(network)?;
        let connected = self.net().connected();
        let mut replica = self.replica();
        let contacts = Contacts {
            receipts: receipts(&replica)?,
            connected,
        };
        let name = name_of(&mut replica, &network);
        let mut members = Vec::new();
        for known in Known::all(&mut replica, &network, |_| true) {
            let mut member = self.member(&replica, &network, known, &contacts)?;
            member.succession = self.succession_of(&replica, &member.org.id);
            members.push(member);
        }
        members.sort_by(|a, b| (a.place, &a.org.name).cmp(&(b.place, &b.org.name)));
        Ok(Members {
            network,
            name,
            members,
        })
    }

    fn member(
        &self,
        replica: &Replica<SledStorage>,
        network: &NetworkId,
        known: Known,
        contacts: &Contacts,
    ) -> Result<Member, NodeError> {
        let org = known.org;
        let card = card_of(replica, &org);
        let membership = card.as_ref().and_then(|card| card.networks.get(network));
        let nodes: Vec<NodeId> = card
            .iter()
            .flat_map(|card| card.nodes.keys().copied())
            .collect();
        let (services, latest_held) = listing_held(replica, &org)?;
        let objections = known.objectors.into_iter();
        let line = known.line;
        Ok(Member {
            org: org_ref(replica, &org),
            short: org.short(),
            place: known.place,
            has_voice: known.has_voice,
            anchor: known.anchor,
            vouched_by: vouch_infos(replica, network, &org, card.as_ref(), known.vouchers),
            objections: objections
                .map(|(objector, counts)| objection_info(replica, network, &line, objector, counts))
                .collect(),
            objections_needed: known.objections_needed,
            since_s: membership.map(|membership| membership.accepted_at_s),
            last_exchange_s: nodes
                .iter()
                .filter_map(|node| Some(contacts.receipts.get(node)?.at_s))
                .max(),
            connected: nodes.iter().any(|node| contacts.connected.contains(node)),
            services,
            latest_held,
            away: card.as_ref().and_then(|card| pause_of(card, &today())),
            succession: None,
            blocked: replica.blocked().contains(&org),
            own: replica.own().contains(&org),
        })
    }

    /// Who has asked to join a network, and who vouches for them.
    ///
    /// # Errors
    /// [`NodeError`].
    pub fn waiting(&self, network: Option<&str>) -> Result<Waiting, NodeError> {
        let network = self.network(network)?;
        let mut replica = self.replica();
        let name = name_of(&mut replica, &network);
        let vouches_needed = replica
            .roster(&network)
            .map_or(0, |roster| roster.vouches_needed());
        let waiting = Known::all(&mut replica, &network, |place| place == Place::Applicant);
        let mut given = match waiting.is_empty() {
            true => BTreeMap::new(),
            false => given_in(&mut replica, &network),
        };
        let mut applicants: Vec<Applicant> = waiting
            .into_iter()
            .map(|known| {
                let card = card_of(&replica, &known.org);
                let membership = card.as_ref().and_then(|card| card.networks.get(&network));
                let carried: BTreeSet<OrgId> =
                    known.vouchers.iter().map(|(voucher, _)| *voucher).collect();
                let on_the_way = given.remove(&known.org).unwrap_or_default();
                Applicant {
                    org: org_ref(&replica, &known.org),
                    short: known.org.short(),
                    since_s: membership.map(|membership| membership.accepted_at_s),
                    on_the_way: on_the_way
                        .difference(&carried)
                        .map(|voucher| org_ref(&replica, voucher))
                        .collect(),
                    vouched_by: vouch_infos(
                        &replica,
                        &network,
                        &known.org,
                        card.as_ref(),
                        known.vouchers,
                    ),
                    missing: known.missing,
                    invitation_used_by: known
                        .invitation_used_by
                        .map(|other| org_ref(&replica, &other)),
                }
            })
            .collect();
        applicants.sort_by(|a, b| (a.since_s, &a.org.name).cmp(&(b.since_s, &b.org.name)));
        Ok(Waiting {
            network,
            name,
            vouches_needed,
            applicants,
        })
    }

    /// Whether this node neither takes nor shows an organisation from now on.
    ///
    /// # Errors
    /// [`NodeError`].
    pub fn block(&self, subject: &str, block: bool) -> Result<bool, NodeError> {
        let org = self.any_org(subject)?;
        let mut replica = self.replica();
        if replica.own().contains(&org) {
            return Err(NodeError::refused(
                "this node holds that organisation itself; nothing was changed",
                "to take it out of a network: fingerpost leave",
            ));
        }
        let changed = replica.set_blocked(org, block)?;
        if changed {
            use fingerpost_proto::storage::Storage;
            replica.storage_mut().flush()?;
        }
        drop(replica);
        if changed {
            self.feed();
            self.index_again([org].into());
            // What was dropped comes back with the next exchanges.
            self.changed_own();
        }
        Ok(changed)
    }

    /// The organisations that this node blocks.
    pub fn blocks(&self, changed: bool) -> fingerpost_proto::api::Blocks {
        let replica = self.replica();
        let blocked = replica.blocked().iter();
        fingerpost_proto::api::Blocks {
            blocked: blocked.map(|org| org_ref(&replica, org)).collect(),
            changed,
        }
    }

    /// How many sessions came to their end since the start.
    pub(super) fn sessions_finished(&self) -> u64 {
        lock(&self.traffic).sessions
    }
}

/// Vouches that stand ready on members' cards, by whom they are for.
fn given_in(
    replica: &mut Replica<SledStorage>,
    network: &NetworkId,
) -> BTreeMap<OrgId, BTreeSet<OrgId>> {
    let members: Vec<OrgId> = replica
        .roster(network)
        .map(|roster| {
            let members = roster.places().filter(|(_, place)| *place == Place::Member);
            members.map(|(org, _)| *org).collect()
        })
        .unwrap_or_default();
    let mut given: BTreeMap<OrgId, BTreeSet<OrgId>> = BTreeMap::new();
    for voucher in members {
        let membership = card_of(replica, &voucher).and_then(|mut it| it.networks.remove(network));
        for subject in membership.into_iter().flat_map(|it| it.given.into_keys()) {
            given.entry(subject).or_default().insert(voucher);
        }
    }
    given
}

/// How many services of an organisation are held, and whether that is the latest that was heard of.
fn listing_held(replica: &Replica<SledStorage>, org: &OrgId) -> Result<(usize, bool), NodeError> {
    let (mut services, mut latest) = (0, true);
    for key in replica.documents_of(org) {
        if !matches!(key.name, DocName::Listing(_)) {
            continue;
        }
        latest &= replica.shown(&key)?.is_some_and(|shown| !shown.outdated);
        services += shard_of(replica, &key).map_or(0, |state| state.services.len());
    }
    Ok((services, latest))
}

fn vouch_infos(
    replica: &Replica<SledStorage>,
    network: &NetworkId,
    subject: &OrgId,
    card: Option<&Card>,
    vouchers: Vec<(OrgId, bool)>,
) -> Vec<VouchInfo> {
    let direct: BTreeSet<OrgId> = replica
        .standing(network, subject)
        .map(|standing| {
            let direct = standing.vouches.iter();
            let direct = direct.filter(|vouch| vouch.by_invitation.is_none());
            direct.map(|vouch| vouch.voucher).collect()
        })
        .unwrap_or_default();
    let note = |voucher: &OrgId| {
        let vouch = card?.networks.get(network)?.vouches.get(voucher)?;
        vouch.verified().ok()?.get().note.clone()
    };
    vouchers
        .into_iter()
        .map(|(voucher, counts)| VouchInfo {
            org: org_ref(replica, &voucher),
            note: note(&voucher),
            by_invitation: !direct.contains(&voucher),
            counts,
        })
        .collect()
}

fn objection_info(
    replica: &Replica<SledStorage>,
    network: &NetworkId,
    line: &BTreeSet<OrgId>,
    objector: OrgId,
    counts: bool,
) -> ObjectionInfo {
    let said = card_of(replica, &objector).and_then(|mut card| {
        let objections = card.networks.remove(network)?.objections.into_iter();
        let mut of_line = objections.filter(|(accused, _)| line.contains(accused));
        of_line.next().map(|(_, objection)| objection)
    });
    ObjectionInfo {
        org: org_ref(replica, &objector),
        reason: said
            .as_ref()
            .map(|objection| objection.reason.clone())
            .unwrap_or_default(),
        at_s: said.map_or(0, |objection| objection.at_s),
        counts,
    }
}
