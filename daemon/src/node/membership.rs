//! Networks: found, invite, join, leave, and who is in them.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::time::Duration;

use fingerpost_proto::api::{
    CharterView, Found, Invite, Invited, Leave, Left, Member, Members, NetworkInfo, VouchInfo,
};
use fingerpost_proto::card::Membership;
use fingerpost_proto::charter::{Charter, FORMAT};
use fingerpost_proto::ids::{DocName, InviteId, NetworkId, NodeId, OrgId};
use fingerpost_proto::limits;
use fingerpost_proto::replica::{Checked, Item, Outcome, Replica};
use fingerpost_proto::roster::Place;
use fingerpost_proto::storage::Storage;
use fingerpost_proto::sync::{FetchedCharter, Receipt, receipts};
use fingerpost_proto::ticket::Ticket;

use super::documents::By;
use super::listing::shard_of;
use super::names::{card_of, org_ref};
use super::{Node, NodeError, lock, now_s};
use crate::keys::{fresh_key, random};
use crate::store::SledStorage;

/// Longest that an invitation may be valid: a year.
const INVITATION_MAX_S: u64 = 366 * 24 * 60 * 60;

/// How long `join` waits for the first exchange with the inviter, so that its answer can say more.
const JOIN_WAIT_MS: u64 = 10_000;
const JOIN_POLL_MS: u64 = 50;

fn same_name(a: &str, b: &str) -> bool {
    a.trim() == b.trim()
}

impl Node {
    /// Founds a network with the organisation as its first member.
    ///
    /// # Errors
    /// [`NodeError`].
    pub fn found(&self, org: &OrgId, request: &Found, by: &By) -> Result<NetworkInfo, NodeError> {
        let charter = Charter {
            format: FORMAT,
            name: request.name.trim().to_owned(),
            text: request.charter.clone(),
            vouches_needed: 1,
            anchors: vec![*org],
            founded_at_s: now_s(),
            nonce: random()?,
        };
        charter.check().map_err(|error| {
            NodeError::bad_input(
                format!("{error}; nothing was founded"),
                "give the network a name, and a charter of at most 64 KiB",
            )
        })?;
        let network = charter.network();
        let what = format!("network founded: {}", charter.name);
        self.accept_charter(org, charter, None, &what, by)?;
        self.network_info(network, Some(org))
    }

    /// Writes the acceptance of a charter on the organisation's card.
    fn accept_charter(
        &self,
        org: &OrgId,
        charter: Charter,
        ticket: Option<&Ticket>,
        what: &str,
        by: &By,
    ) -> Result<(), NodeError> {
        let network = charter.network();
        let left_epoch = {
            let mut replica = self.replica();
            replica.add_network(charter)?;
            replica
                .standing(&network, org)
                .map_or(0, |standing| standing.left_epoch)
        };
        self.net().subscribe(network);
        self.edit_card(org, what, by, |card| {
            let membership = card.networks.entry(network).or_insert_with(|| Membership {
                epoch: left_epoch + 1,
                accepted_at_s: now_s(),
                ..Membership::default()
            });
            if let Some(ticket) = ticket {
                membership.invitation = Some(ticket.redeem(*org, now_s()));
            }
            Ok(())
        })?;
        // The card was announced before the listing could be: members may see it only now.
        let replica = self.replica();
        let keys: Vec<_> = replica
            .documents_of(org)
            .filter(|key| !key.name.is_card())
            .collect();
        self.released(replica, &keys)?;
        Ok(())
    }

    /// Makes a ticket for a network.
    ///
    /// # Errors
    /// [`NodeError`].
    pub fn invite(&self, org: &OrgId, request: &Invite) -> Result<Invited, NodeError> {
        let network = self.network(request.network.as_deref())?;
        if request.valid_s == 0 || request.valid_s > INVITATION_MAX_S {
            return Err(NodeError::bad_input(
                "an invitation is valid for a minute at least and a year at most; none was made",
                "such as --expires 7d",
            ));
        }
        let mut replica = self.replica();
        let name = replica
            .charter(&network)
            .map(|c| c.name.clone())
            .unwrap_or_default();
        if replica.place_among(org, &[network]) != Some(Place::Member) {
            return Err(NodeError::refused(
                format!(
                    "only a member can invite, and this organisation is not a member of {name} yet"
                ),
                "fingerpost status says what it is waiting for",
            ));
        }
        let delegation = self.own_delegation(&replica, org)?;
        drop(replica);
        let expires_at_s = now_s().saturating_add(request.valid_s);
        let addresses = self.addresses_for_ticket();
        let keys = lock(&self.keys);
        let key = fresh_key()?;
        let ticket = Ticket::issue(
            network,
            delegation,
            keys.node(),
            key,
            now_s(),
            expires_at_s,
            addresses,
        );
        Ok(Invited {
            ticket: ticket.to_text(),
            id: InviteId::from_bytes(ticket.key.public()),
            network,
            name,
            expires_at_s,
        })
    }

    fn ticket(text: &str) -> Result<Ticket, NodeError> {
        let bad = |error| {
            NodeError::bad_input(
                format!("{error}; nothing was changed"),
                "ask whoever invited you for a new ticket: fingerpost invite",
            )
        };
        let ticket = Ticket::parse(text).map_err(bad)?;
        ticket.check_expiry(now_s()).map_err(bad)?;
        Ok(ticket)
    }

    /// What a ticket invites to: the charter, read from the network.
    ///
    /// # Errors
    /// [`NodeError`].
    pub async fn preview(
        self: &std::sync::Arc<Self>,
        text: &str,
    ) -> Result<CharterView, NodeError> {
        let ticket = Self::ticket(text)?;
        let charter = self.charter_for(&ticket).await?;
        let invitation = ticket.invitation.get();
        Ok(CharterView {
            network: invitation.network,
            name: charter.name().to_owned(),
            charter: charter.text().to_owned(),
            vouches_needed: charter.vouches_needed(),
            invited_by: invitation.voucher,
            expires_at_s: invitation.expires_at_s,
        })
    }

    async fn charter_for(
        self: &std::sync::Arc<Self>,
        ticket: &Ticket,
    ) -> Result<FetchedCharter, NodeError> {
        self.find_charter(ticket).await.map_err(|reason| {
            NodeError::refused(
                format!("the network could not be reached at the addresses of this ticket ({reason}); nothing was changed"),
                "check that this machine is online and that a member's node is running, then try again",
            )
        })
    }

    /// Joins the network of a ticket.
    ///
    /// # Errors
    /// [`NodeError`].
    pub async fn join(
        self: &std::sync::Arc<Self>,
        org: OrgId,
        text: &str,
        accepted: bool,
        by: By,
    ) -> Result<NetworkInfo, NodeError> {
        let ticket = Self::ticket(text)?;
        let network = ticket.network();
        if self.replica().place_among(&org, &[network]) == Some(Place::Member) {
            return self.network_info(network, Some(&org));
        }
        if ticket.invitation.get().voucher == org {
            return Err(NodeError::refused(
                "this ticket was made by the same organisation; nobody can vouch for themselves",
                "hand the ticket to the organisation that is to join",
            ));
        }
        let charter = self.charter_for(&ticket).await?;
        if !accepted {
            return Err(NodeError::refused(
                format!(
                    "the charter of {} was not accepted; nothing was changed",
                    charter.name()
                ),
                "read it, then join with --accept-charter",
            ));
        }
        let what = format!("network joined: {}", charter.name());
        let began_s = now_s();
        let node = std::sync::Arc::clone(self);
        tokio::task::spawn_blocking(move || {
            // First where to find the others: stopped right after this, the node still gets to them.
            node.remember_contacts(&ticket)?;
            node.accept_charter(&org, charter.founding, Some(&ticket), &what, &by)
        })
        .await
        .map_err(NodeError::internal)??;
        self.sync_with_sought();
        // Often the first exchange is over in a moment; if not, it goes on without us.
        for _ in 0..JOIN_WAIT_MS / JOIN_POLL_MS {
            if self.has_met_anybody(network, began_s)? {
                break;
            }
            tokio::time::sleep(Duration::from_millis(JOIN_POLL_MS)).await;
        }
        self.network_info(network, Some(&org))
    }

    pub(super) fn network_info(
        &self,
        network: NetworkId,
        org: Option<&OrgId>,
    ) -> Result<NetworkInfo, NodeError> {
        let mut replica = self.replica();
        let org = org.copied().or_else(|| best_placed(&mut replica, &network));
        let place = org.and_then(|org| replica.place_among(&org, &[network]));
        let members = replica
            .roster(&network)
            .map_or(0, |roster| roster.member_count());
        let charter = replica.charter(&network).cloned().ok_or_else(|| {
            NodeError::not_found(
                "this node is not in that network",
                "fingerpost status shows its networks",
            )
        })?;
        let standing = org.and_then(|org| replica.standing(&network, &org).cloned());
        let waiting_for = (place == Some(Place::Applicant)).then(|| {
            let held = standing.map_or(0, |standing| standing.vouches.len());
            match held {
                0 => format!("{} member(s) must vouch for it", charter.vouches_needed),
                _ => "word from the network that its vouches count: an exchange with a member is needed".to_owned(),
            }
        });
        Ok(NetworkInfo {
            id: network,
            short: network.short(),
            name: charter.name,
            place,
            members,
            vouches_needed: charter.vouches_needed,
            waiting_for,
            asks: Vec::new(),
        })
    }

    /// Everybody that a network knows of.
    ///
    /// # Errors
    /// [`NodeError`].
    pub fn members(&self, network: Option<&str>) -> Result<Members, NodeError> {
        let network = self.network(network)?;
        let connected = self.net().connected();
        let mut replica = self.replica();
        let receipts = receipts(&replica)?;
        let name = replica
            .charter(&network)
            .map(|charter| charter.name.clone())
            .unwrap_or_default();
        let places: Vec<(OrgId, Place)> = replica
            .roster(&network)
            .map(|roster| roster.places().map(|(org, place)| (*org, place)).collect())
            .unwrap_or_default();
        let mut members = Vec::new();
        for (org, place) in places {
            members.push(member(
                &mut replica,
                network,
                (org, place),
                &receipts,
                &connected,
            ));
        }
        members.sort_by(|a, b| (a.place, &a.org.name).cmp(&(b.place, &b.org.name)));
        Ok(Members {
            network,
            name,
            members,
        })
    }

    /// Leaves a network: a signed statement that reaches peers; the listing is kept here.
    ///
    /// # Errors
    /// [`NodeError`].
    pub fn leave(&self, org: &OrgId, request: &Leave, by: &By) -> Result<Left, NodeError> {
        let network = self.network_to_leave(org, request)?;
        let name = self
            .replica()
            .charter(&network)
            .map(|c| c.name.clone())
            .unwrap_or_default();
        if !same_name(&name, &request.confirm) {
            return Err(NodeError::refused(
                format!(
                    "the confirmation does not match: the network is called \"{name}\"; nothing was changed"
                ),
                format!("to leave it: fingerpost leave --confirm \"{name}\""),
            ));
        }
        let membership = self
            .own_card(&self.replica(), org)?
            .networks
            .get(&network)
            .cloned();
        let Some(membership) = membership else {
            return Ok(Left {
                network,
                name,
                already: true,
                told: 0,
            });
        };
        // Those who were connected as members, to be told; afterwards they are strangers.
        let connected = self.net().connected();
        let item = self.depart(network, org, &membership)?;
        self.announce_item(&item, &[network]);
        self.edit_card(org, &format!("network left: {name}"), by, |card| {
            card.networks.remove(&network);
            Ok(())
        })?;
        for node in &connected {
            self.sync_soon(*node);
        }
        Ok(Left {
            network,
            name,
            already: false,
            told: connected.len(),
        })
    }

    fn network_to_leave(&self, org: &OrgId, request: &Leave) -> Result<NetworkId, NodeError> {
        if request.network.is_some() {
            return self.network(request.network.as_deref());
        }
        // Without a name: the one that is confirmed, so that repeating the command does no harm.
        let replica = self.replica();
        let named: Vec<NetworkId> = replica
            .networks()
            .filter(|(id, charter)| {
                same_name(&charter.name, &request.confirm) && replica.standing(id, org).is_some()
            })
            .map(|(id, _)| id)
            .collect();
        drop(replica);
        match named.as_slice() {
            [network] => Ok(*network),
            _ => self.network(None),
        }
    }

    pub(super) fn depart(
        &self,
        network: NetworkId,
        org: &OrgId,
        membership: &Membership,
    ) -> Result<Item, NodeError> {
        let mut replica = self.replica();
        let delegation = self.own_delegation(&replica, org)?;
        let departure: Checked = {
            let keys = lock(&self.keys);
            replica.departure(now_s(), network, *org, membership, &delegation, keys.node())
        };
        if let Outcome::Refused(refusal) = replica.receive(now_s(), departure)? {
            return Err(refusal.into());
        }
        replica.storage_mut().flush()?;
        replica
            .departure_item(&network, org)?
            .ok_or_else(|| NodeError::internal("the departure was not kept"))
    }

    /// Addresses to give to others: what was configured, then what this node listens on. Loopback
    /// addresses are given only by a node that listens on nothing else.
    pub(super) fn addresses_for_others(&self) -> Vec<String> {
        let mut addresses = self.settings.network.external.clone();
        let listening = self.net().listen_addresses();
        let local = |address: &&String| {
            address.starts_with("/ip4/127.") || address.starts_with("/ip6/::1/")
        };
        let link_local = |address: &&String| address.starts_with("/ip6/fe80");
        let wide: Vec<String> = listening
            .iter()
            .filter(|a| !local(a) && !link_local(a))
            .cloned()
            .collect();
        addresses.extend(if wide.is_empty() { listening } else { wide });
        let mut seen = std::collections::BTreeSet::new();
        addresses.retain(|address| seen.insert(address.clone()));
        addresses.truncate(limits::ADDRESSES_MAX);
        addresses
    }

    pub(super) fn set_own_addresses(&self, card: &mut fingerpost_proto::card::Card) {
        card.nodes.insert(self.id(), self.addresses_for_others());
    }

    /// Whether this node may publish of its own accord. After a start it first hears from the others, if
    /// there are any: should its store have lost its end, it must not write again at a place already used.
    pub fn has_heard(&self) -> bool {
        self.exchanged.load(Ordering::Acquire)
            || (self.member_nodes().is_empty() && lock(&self.rescue).nodes().is_empty())
    }

    /// Puts this node's addresses on the cards of its organisations, where they changed.
    pub fn refresh_addresses(&self) {
        for org in self.own_orgs() {
            let edited = By::node().and_then(|by| {
                self.edit_card(&org, "addresses of this node changed", &by, |card| {
                    self.set_own_addresses(card);
                    Ok(())
                })
            });
            if let Err(error) = edited {
                tracing::debug!("the addresses on a card were not renewed: {error}");
            }
        }
    }

    /// Follows the gossip of every network that this node takes part in.
    pub(super) fn subscribe_all(&self) {
        let replica = self.replica();
        for (network, _) in replica.networks().filter(|(id, _)| replica.is_active(id)) {
            self.net().subscribe(network);
        }
    }

    /// Follows a change of who is in which network.
    pub(super) fn note_roster_change(&self) {
        self.write_rescue();
        let replica = self.replica();
        for (network, _) in replica.networks() {
            match replica.is_active(&network) {
                true => self.net().subscribe(network),
                false => self.net().unsubscribe(network),
            }
        }
    }
}

fn best_placed(replica: &mut Replica<SledStorage>, network: &NetworkId) -> Option<OrgId> {
    let own: Vec<OrgId> = replica.own().iter().copied().collect();
    own.into_iter()
        .filter_map(|org| Some((replica.place_among(&org, &[*network])?, org)))
        .min()
        .map(|(_, org)| org)
}

/// The nodes that an organisation has delegated, by its card.
pub(super) fn nodes_of(replica: &Replica<SledStorage>, org: &OrgId) -> Vec<NodeId> {
    card_of(replica, org)
        .map(|card| card.nodes.into_keys().collect())
        .unwrap_or_default()
}

fn services_of(replica: &Replica<SledStorage>, org: &OrgId) -> usize {
    let listings = replica
        .documents_of(org)
        .filter(|key| matches!(key.name, DocName::Listing(_)));
    listings
        .filter_map(|key| shard_of(replica, &key))
        .map(|state| state.services.len())
        .sum()
}

fn member(
    replica: &mut Replica<SledStorage>,
    network: NetworkId,
    (org, place): (OrgId, Place),
    receipts: &BTreeMap<NodeId, Receipt>,
    connected: &[NodeId],
) -> Member {
    let card = card_of(replica, &org);
    let membership = card.as_ref().and_then(|card| card.networks.get(&network));
    let since_s = membership.map(|membership| membership.accepted_at_s);
    let by_invitation: BTreeMap<OrgId, bool> = replica
        .standing(&network, &org)
        .map(|standing| {
            let vouches = standing.vouches.iter();
            vouches
                .map(|vouch| (vouch.voucher, vouch.by_invitation.is_some()))
                .collect()
        })
        .unwrap_or_default();
    let (vouchers, has_voice, anchor) = replica
        .inquire(&network, |inquiry| {
            let roster = inquiry.roster();
            (
                inquiry.vouchers(&org),
                roster.has_voice(&org),
                roster.is_anchor(&org),
            )
        })
        .unwrap_or_default();
    let vouched_by = vouchers.into_iter().map(|(voucher, counts)| VouchInfo {
        org: org_ref(replica, &voucher),
        note: None,
        by_invitation: by_invitation.get(&voucher).copied().unwrap_or(false),
        counts,
    });
    let vouched_by = vouched_by.collect();
    let nodes = nodes_of(replica, &org);
    Member {
        org: org_ref(replica, &org),
        short: org.short(),
        place,
        has_voice,
        anchor,
        vouched_by,
        objections: Vec::new(),
        objections_needed: 0,
        since_s,
        last_exchange_s: nodes
            .iter()
            .filter_map(|n| Some(receipts.get(n)?.at_s))
            .max(),
        connected: nodes.iter().any(|node| connected.contains(node)),
        services: services_of(replica, &org),
        latest_held: true,
        away: None,
        succession: None,
        blocked: replica.blocked().contains(&org),
        own: replica.own().contains(&org),
    }
}
