//! Networks: invite and join here; each other concern in a file of its own.

mod charter;
mod chores;
mod closing;
mod founding;
mod invitations;
mod leaving;
mod members;
mod networks;
mod pausing;
mod succession;
mod takeover;
mod vouching;

use std::sync::atomic::Ordering;
use std::time::Duration;

use fingerpost_proto::api::{CharterView, Invite, Invited, NetworkInfo, UseTicket};
use fingerpost_proto::card::Membership;
use fingerpost_proto::charter::Charter;
use fingerpost_proto::ids::{InviteId, NetworkId, NodeId, OrgId};
use fingerpost_proto::limits;
use fingerpost_proto::replica::Replica;
use fingerpost_proto::roster::Place;
use fingerpost_proto::sync::FetchedCharter;
use fingerpost_proto::ticket::{Ticket, TicketError};

use super::bundles::carried_charter;
use super::days::moment;
use super::documents::By;
use super::names::card_of;
use super::{Node, NodeError, lock, now_s};
use crate::keys::fresh_key;
use crate::store::SledStorage;

pub(super) use chores::Chores;
pub(super) use networks::name_of;
pub(super) use pausing::pause_of;

/// Longest that an invitation may be valid: a year.
const INVITATION_MAX_S: u64 = 366 * 24 * 60 * 60;

/// How long `join` waits for the first exchange with the inviter, so that its answer can say more.
const JOIN_WAIT_MS: u64 = 10_000;
const JOIN_POLL_MS: u64 = 50;

impl Node {
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
        let network = self.network_of(org, request.network.as_deref())?;
        check_note(request.note.as_deref())?;
        if request.valid_s == 0 || request.valid_s > INVITATION_MAX_S {
            return Err(NodeError::bad_input(
                "an invitation is valid for a minute at least and a year at most; none was made",
                "such as --expires 7d",
            ));
        }
        let mut replica = self.replica();
        let name = name_of(&mut replica, &network);
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
        let addresses = self.addresses_for_ticket(&network);
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
        drop(keys);
        self.note_invitation(org, &ticket, request.note.as_deref())?;
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
        check_dates(&ticket, now_s())?;
        Ok(ticket)
    }

    /// What a ticket invites to: the charter, read from the network, or from a bundle's line.
    ///
    /// # Errors
    /// [`NodeError`].
    pub async fn preview(
        self: &std::sync::Arc<Self>,
        request: &UseTicket,
    ) -> Result<CharterView, NodeError> {
        let ticket = Self::ticket(&request.ticket)?;
        let charter = self
            .charter_for(&ticket, request.charter.as_deref())
            .await?;
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

    /// The charter of a ticket's network: as a bundle carries it, if one was handed over, else from a node.
    async fn charter_for(
        self: &std::sync::Arc<Self>,
        ticket: &Ticket,
        carried: Option<&str>,
    ) -> Result<FetchedCharter, NodeError> {
        if let Some(line) = carried {
            return carried_charter(line, &ticket.network());
        }
        self.find_charter(ticket).await.map_err(|reason| {
            NodeError::refused(
                format!("the network could not be reached at the addresses of this ticket ({reason}); nothing was changed"),
                "check that this machine is online and that a member's node is running, then try again; with a bundle \
                 of the network, none is needed: fingerpost join TICKET --bundle FILE",
            )
        })
    }

    /// Joins the network of a ticket, whose charter a node of the network hands out.
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
        let request = UseTicket {
            ticket: text.to_owned(),
            accept_charter: accepted,
            charter: None,
        };
        self.join_with(org, &request, by).await
    }

    /// Joins the network of a ticket.
    ///
    /// # Errors
    /// [`NodeError`].
    pub async fn join_with(
        self: &std::sync::Arc<Self>,
        org: OrgId,
        request: &UseTicket,
        by: By,
    ) -> Result<NetworkInfo, NodeError> {
        let ticket = Self::ticket(&request.ticket)?;
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
        let carried = request.charter.as_deref();
        let charter = self.charter_for(&ticket, carried).await?;
        if !request.accept_charter {
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
        if carried.is_some() {
            return self.network_info(network, Some(&org));
        }
        // Often the first exchange is over in a moment; if not, it goes on without us.
        for _ in 0..JOIN_WAIT_MS / JOIN_POLL_MS {
            if self.has_met_anybody(network, began_s)? {
                break;
            }
            tokio::time::sleep(Duration::from_millis(JOIN_POLL_MS)).await;
        }
        self.network_info(network, Some(&org))
    }

    /// Addresses to give to others: what was configured or found out, then places at relays, then what this node listens
    /// on. Loopback addresses are given only by a node that listens on nothing else.
    pub(super) fn addresses_for_others(&self) -> Vec<String> {
        let mut addresses = self.net().external_addresses();
        let relayed = self.net().relayed_addresses().into_iter();
        addresses.extend(relayed.map(|(_, address)| address));
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

/// Refuses a ticket whose dates do not fit this machine's clock, and says what that clock says: it may be
/// the clock that is wrong.
fn check_dates(ticket: &Ticket, now_s: u64) -> Result<(), NodeError> {
    let invitation = ticket.invitation.get();
    let clock = moment(now_s);
    if invitation.issued_at_s > now_s.saturating_add(limits::CLOCK_AHEAD_MAX_S) {
        return Err(NodeError::refused(
            format!(
                "by the clock of this machine it is {clock}, but this ticket was made on {}: one of the two clocks is wrong; nothing was changed",
                moment(invitation.issued_at_s)
            ),
            "set this machine's clock, then join again: others refuse what is dated wrongly",
        ));
    }
    match ticket.check_expiry(now_s) {
        Err(TicketError::Expired) => Err(NodeError::bad_input(
            format!(
                "{}: it could be used until {}, and by the clock of this machine it is {clock}; nothing was changed",
                TicketError::Expired,
                moment(invitation.expires_at_s)
            ),
            "ask whoever invited you for a new ticket: fingerpost invite; or set this machine's clock, if it is wrong",
        )),
        _ => Ok(()),
    }
}

/// Refuses a note that is too long.
fn check_note(note: Option<&str>) -> Result<(), NodeError> {
    match note {
        Some(note) if note.len() > limits::NOTE_MAX_BYTES => Err(NodeError::bad_input(
            format!(
                "a note has at most {} bytes; nothing was changed",
                limits::NOTE_MAX_BYTES
            ),
            "shorten it",
        )),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fingerpost_proto::certificate::{Delegation, FORMAT, Role};
    use fingerpost_proto::keys::SecretKey;
    use fingerpost_proto::signed::Signed;

    const MADE_S: u64 = 1_796_083_200;
    const WEEK_S: u64 = 7 * 24 * 60 * 60;
    const YEAR_S: u64 = 365 * 24 * 60 * 60;

    fn ticket() -> Ticket {
        let (root, node) = (
            SecretKey::from_seed(&[1; 32]),
            SecretKey::from_seed(&[2; 32]),
        );
        let delegation = Delegation {
            format: FORMAT,
            org: root.org_id(),
            node: node.node_id(),
            role: Role::Admin,
            not_before_s: 0,
            not_after_s: None,
        };
        Ticket::issue(
            NetworkId::from_bytes([9; 32]),
            Signed::sign(delegation, &root),
            &node,
            SecretKey::from_seed(&[3; 32]),
            MADE_S,
            MADE_S + WEEK_S,
            Vec::new(),
        )
    }

    #[test]
    fn a_clock_that_is_a_year_off_is_named_when_joining() {
        assert_eq!(check_dates(&ticket(), MADE_S), Ok(()));
        assert_eq!(
            check_dates(&ticket(), MADE_S - limits::CLOCK_AHEAD_MAX_S),
            Ok(())
        );
        let behind = check_dates(&ticket(), MADE_S - YEAR_S).unwrap_err().0;
        assert!(
            behind.message.contains("2025-12-01 00:00 UTC"),
            "{}",
            behind.message
        );
        assert!(behind.hint.unwrap().contains("clock"));
        let ahead = check_dates(&ticket(), MADE_S + YEAR_S).unwrap_err().0;
        assert!(
            ahead.message.contains("2027-12-01 00:00 UTC"),
            "{}",
            ahead.message
        );
        assert!(ahead.hint.unwrap().contains("clock"));
    }

    #[test]
    fn a_note_is_as_long_as_a_vouch_can_carry() {
        let note = |length: usize| check_note(Some(&"x".repeat(length)));
        assert_eq!(note(limits::NOTE_MAX_BYTES), Ok(()));
        assert!(note(limits::NOTE_MAX_BYTES + 1).is_err());
    }
}
