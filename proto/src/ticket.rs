//! Tickets: an invitation as one line of text.
//!
//! `fingerpost1_` and base64url of: the network, the inviter and its node, the seed of a one-time key, the
//! invitation's dates and signature, the delegation of the inviter's node, addresses, and four bytes of
//! SHA-256 against typing mistakes. The invitation itself is rebuilt from those, so that the line stays
//! under [`limits::TICKET_MAX_CHARS`] characters. The digit is the version.

use std::net::{Ipv4Addr, Ipv6Addr};

use minicbor::{Decode, Encode};

use crate::cbor;
use crate::certificate::{Delegated, Delegation, FORMAT, Invitation, Redemption, Role};
use crate::ids::{NetworkId, NodeId, OrgId};
use crate::keys::SecretKey;
use crate::limits;
use crate::record::Hash;
use crate::signed::{Carry, Signed, Statement};

const PREFIX: &str = "fingerpost";
const VERSION: &str = "1";
const CHECKSUM_BYTES: usize = 4;

/// A pre-signed vouch, the one-time key that redeems it, and where to find the network.
#[derive(Debug, Clone)]
pub struct Ticket {
    /// The invitation, signed by the inviter's node.
    pub invitation: Signed<Invitation>,
    /// Under which that node acts.
    pub delegation: Signed<Delegation>,
    /// The one-time key.
    pub key: SecretKey,
    /// Where the network can be reached: multiaddrs without the peer id, the inviter's first, then those of
    /// other members' nodes.
    pub addresses: Vec<String>,
}

/// Why a text is not a usable ticket.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TicketError {
    /// It does not begin like a ticket.
    #[error("this is not a ticket: a ticket is one line that begins with \"{PREFIX}{VERSION}_\"")]
    NotATicket,
    /// It is a ticket of another version.
    #[error(
        "this ticket was made by another version of Fingerpost (ticket version {0}, this program reads version {VERSION})"
    )]
    OtherVersion(String),
    /// It was cut short, or a character changed.
    #[error("this ticket is damaged: a part is missing or was changed; copy the whole line again")]
    Damaged,
    /// Its signatures do not fit: somebody altered it on purpose, or made it up.
    #[error("this ticket was not signed by the organisation that it names")]
    Forged,
    /// Too long to be a ticket.
    #[error("this is too long to be a ticket ({0} characters)")]
    TooLong(usize),
    /// It has expired.
    #[error("this ticket has expired: ask for a new one")]
    Expired,
}

#[derive(Encode, Decode)]
#[cbor(array)]
struct Packed {
    #[n(0)]
    network: NetworkId,
    #[n(1)]
    voucher: OrgId,
    #[n(2)]
    node: NodeId,
    #[cbor(n(3), with = "minicbor::bytes")]
    seed: [u8; 32],
    #[n(4)]
    issued_at_s: u64,
    #[n(5)]
    valid_s: u64,
    #[cbor(n(6), with = "minicbor::bytes")]
    signature: [u8; 64],
    #[n(7)]
    role: Role,
    #[n(8)]
    not_before_s: u64,
    #[n(9)]
    not_after_s: Option<u64>,
    #[cbor(n(10), with = "minicbor::bytes")]
    delegation_signature: [u8; 64],
    #[n(11)]
    addresses: Vec<Address>,
}

#[derive(Encode, Decode)]
enum Address {
    #[n(0)]
    Ip4Tcp(#[n(0)] u32, #[n(1)] u16),
    #[n(1)]
    Ip4Quic(#[n(0)] u32, #[n(1)] u16),
    #[n(2)]
    Ip6Tcp(
        #[cbor(n(0), with = "minicbor::bytes")] [u8; 16],
        #[n(1)] u16,
    ),
    #[n(3)]
    Ip6Quic(
        #[cbor(n(0), with = "minicbor::bytes")] [u8; 16],
        #[n(1)] u16,
    ),
    #[n(4)]
    Text(#[n(0)] String),
}

impl Address {
    fn pack(text: &str) -> Self {
        let parts: Vec<&str> = text.split('/').collect();
        let packed = match *parts.as_slice() {
            ["", "ip4", ip, "tcp", port] => Self::ip4(ip, port, Self::Ip4Tcp),
            ["", "ip4", ip, "udp", port, "quic-v1"] => Self::ip4(ip, port, Self::Ip4Quic),
            ["", "ip6", ip, "tcp", port] => Self::ip6(ip, port, Self::Ip6Tcp),
            ["", "ip6", ip, "udp", port, "quic-v1"] => Self::ip6(ip, port, Self::Ip6Quic),
            _ => None,
        };
        packed.unwrap_or_else(|| Self::Text(text.to_owned()))
    }

    fn ip4(ip: &str, port: &str, make: fn(u32, u16) -> Self) -> Option<Self> {
        Some(make(
            ip.parse::<Ipv4Addr>().ok()?.into(),
            port.parse().ok()?,
        ))
    }

    fn ip6(ip: &str, port: &str, make: fn([u8; 16], u16) -> Self) -> Option<Self> {
        Some(make(
            ip.parse::<Ipv6Addr>().ok()?.octets(),
            port.parse().ok()?,
        ))
    }

    fn unpack(self) -> String {
        match self {
            Self::Ip4Tcp(ip, port) => format!("/ip4/{}/tcp/{port}", Ipv4Addr::from(ip)),
            Self::Ip4Quic(ip, port) => format!("/ip4/{}/udp/{port}/quic-v1", Ipv4Addr::from(ip)),
            Self::Ip6Tcp(ip, port) => format!("/ip6/{}/tcp/{port}", Ipv6Addr::from(ip)),
            Self::Ip6Quic(ip, port) => format!("/ip6/{}/udp/{port}/quic-v1", Ipv6Addr::from(ip)),
            Self::Text(text) => text,
        }
    }
}

impl Ticket {
    /// Makes a ticket of a fresh one-time key, for `network`, in the name of the delegated node. Of `addresses`
    /// the line of text keeps as many as fit, from the first on.
    pub fn issue(
        network: NetworkId,
        delegation: Signed<Delegation>,
        node: &SecretKey,
        key: SecretKey,
        issued_at_s: u64,
        expires_at_s: u64,
        addresses: Vec<String>,
    ) -> Self {
        let invitation = Invitation {
            format: FORMAT,
            network,
            voucher: delegation.get().org,
            node: node.node_id(),
            key: key.public(),
            issued_at_s,
            expires_at_s,
        };
        Self {
            invitation: Signed::sign(invitation, node),
            delegation,
            key,
            addresses,
        }
    }

    /// The line of text. Addresses that would make it too long are left out, the last ones first.
    pub fn to_text(&self) -> String {
        let mut count = self.addresses.len().min(limits::ADDRESSES_MAX);
        loop {
            let text = self.pack(self.addresses.get(..count).unwrap_or_default());
            if text.len() <= limits::TICKET_MAX_CHARS || count == 0 {
                return text;
            }
            count -= 1;
        }
    }

    fn pack(&self, addresses: &[String]) -> String {
        let invitation = self.invitation.get();
        let delegation = self.delegation.get();
        let mut bytes = cbor::to_vec(&Packed {
            network: invitation.network,
            voucher: invitation.voucher,
            node: invitation.node,
            seed: self.key.to_seed(),
            issued_at_s: invitation.issued_at_s,
            valid_s: invitation
                .expires_at_s
                .saturating_sub(invitation.issued_at_s),
            signature: *self.invitation.signature(),
            role: delegation.role,
            not_before_s: delegation.not_before_s,
            not_after_s: delegation.not_after_s,
            delegation_signature: *self.delegation.signature(),
            addresses: addresses.iter().map(|a| Address::pack(a)).collect(),
        });
        bytes.extend_from_slice(&checksum(&bytes));
        format!(
            "{PREFIX}{VERSION}_{}",
            data_encoding::BASE64URL_NOPAD.encode(&bytes)
        )
    }

    /// Reads a ticket and checks its signatures. White space around and line breaks within it, as mail
    /// programs add them, do no harm.
    ///
    /// # Errors
    /// Any [`TicketError`] but `Expired`, for which see [`Ticket::check_expiry`].
    pub fn parse(text: &str) -> Result<Self, TicketError> {
        if text.len() > limits::TICKET_MAX_CHARS * 4 {
            return Err(TicketError::TooLong(text.chars().count()));
        }
        let text: String = text.chars().filter(|c| !c.is_whitespace()).collect();
        let (version, body) = text
            .strip_prefix(PREFIX)
            .and_then(|rest| rest.split_once('_'))
            .filter(|(version, _)| {
                (1..=4).contains(&version.len()) && version.bytes().all(|b| b.is_ascii_digit())
            })
            .ok_or(TicketError::NotATicket)?;
        if version != VERSION {
            return Err(TicketError::OtherVersion(version.to_owned()));
        }
        if text.len() > limits::TICKET_MAX_CHARS {
            return Err(TicketError::TooLong(text.len()));
        }
        let bytes = data_encoding::BASE64URL_NOPAD
            .decode(body.as_bytes())
            .map_err(|_| TicketError::Damaged)?;
        let (bytes, sum) = bytes
            .split_last_chunk::<CHECKSUM_BYTES>()
            .ok_or(TicketError::Damaged)?;
        if checksum(bytes) != *sum {
            return Err(TicketError::Damaged);
        }
        let packed: Packed = cbor::from_slice(bytes).map_err(|_| TicketError::Damaged)?;
        Self::unpack(packed)
    }

    fn unpack(packed: Packed) -> Result<Self, TicketError> {
        let key = SecretKey::from_seed(&packed.seed);
        let invitation = Invitation {
            format: FORMAT,
            network: packed.network,
            voucher: packed.voucher,
            node: packed.node,
            key: key.public(),
            issued_at_s: packed.issued_at_s,
            expires_at_s: packed.issued_at_s.saturating_add(packed.valid_s),
        };
        let delegation = Delegation {
            format: FORMAT,
            org: packed.voucher,
            node: packed.node,
            role: packed.role,
            not_before_s: packed.not_before_s,
            not_after_s: packed.not_after_s,
        };
        let invitation = rebuilt(invitation, packed.signature)?;
        let delegation = rebuilt(delegation, packed.delegation_signature)?;
        crate::certificate::check_delegated(invitation.get(), delegation.get())
            .map_err(|_| TicketError::Forged)?;
        let addresses = packed.addresses.into_iter().map(Address::unpack).collect();
        Ok(Self {
            invitation,
            delegation,
            key,
            addresses,
        })
    }

    /// Refuses an expired ticket.
    ///
    /// # Errors
    /// [`TicketError::Expired`].
    pub fn check_expiry(&self, now_s: u64) -> Result<(), TicketError> {
        if now_s >= self.invitation.get().expires_at_s {
            return Err(TicketError::Expired);
        }
        Ok(())
    }

    /// The network that it invites to.
    pub fn network(&self) -> NetworkId {
        self.invitation.get().network
    }

    /// Uses the invitation for an organisation.
    pub fn redeem(&self, subject: OrgId, now_s: u64) -> crate::card::Redeemed {
        let redemption = Redemption {
            format: FORMAT,
            network: self.network(),
            subject,
            key: self.key.public(),
            redeemed_at_s: now_s,
        };
        crate::card::Redeemed {
            invitation: Delegated::new(&self.invitation, &self.delegation),
            redemption: Carry::new(&Signed::sign(redemption, &self.key)),
        }
    }
}

fn checksum(bytes: &[u8]) -> [u8; CHECKSUM_BYTES] {
    let hash = Hash::of(bytes).0;
    hash.first_chunk().copied().unwrap_or_default()
}

fn rebuilt<T: Statement>(statement: T, signature: [u8; 64]) -> Result<Signed<T>, TicketError> {
    Signed::from_parts(statement, signature).map_err(|_| TicketError::Forged)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ticket(addresses: &[&str]) -> Ticket {
        let root = SecretKey::from_seed(&[1; 32]);
        let node = SecretKey::from_seed(&[2; 32]);
        let delegation = Delegation {
            format: FORMAT,
            org: root.org_id(),
            node: node.node_id(),
            role: Role::Admin,
            not_before_s: 1_790_000_000,
            not_after_s: None,
        };
        let delegation = Signed::sign(delegation, &root);
        let addresses = addresses.iter().map(|a| (*a).to_owned()).collect();
        let network = NetworkId::from_bytes([9; 32]);
        let key = SecretKey::from_seed(&[3; 32]);
        Ticket::issue(
            network,
            delegation,
            &node,
            key,
            1_790_000_000,
            1_790_604_800,
            addresses,
        )
    }

    #[test]
    fn a_ticket_comes_back_from_its_text() {
        let addresses = [
            "/ip4/192.168.1.20/tcp/7787",
            "/ip4/192.168.1.20/udp/7787/quic-v1",
            "/dns4/node.example.org/tcp/7787",
        ];
        let text = ticket(&addresses).to_text();
        assert!(text.len() <= limits::TICKET_MAX_CHARS, "{}", text.len());
        let read = Ticket::parse(&format!("  {}\r\n{}\n", &text[..100], &text[100..])).unwrap();
        assert_eq!(read.addresses, addresses);
        assert_eq!(read.network(), NetworkId::from_bytes([9; 32]));
        assert_eq!(read.check_expiry(1_790_604_799), Ok(()));
        assert_eq!(read.check_expiry(1_790_604_800), Err(TicketError::Expired));
        let subject = OrgId::from_bytes([8; 32]);
        let membership = crate::card::Membership {
            invitation: Some(read.redeem(subject, 1_790_000_100)),
            ..Default::default()
        };
        assert_eq!(membership.proven(&read.network(), &subject).len(), 1);
        assert_eq!(
            membership.proven(&read.network(), &OrgId::from_bytes([7; 32])),
            []
        );
        assert_eq!(
            membership.proven(&NetworkId::from_bytes([1; 32]), &subject),
            []
        );
    }

    #[test]
    fn a_late_redemption_proves_nothing() {
        let ticket = ticket(&[]);
        let subject = OrgId::from_bytes([8; 32]);
        let membership = crate::card::Membership {
            invitation: Some(ticket.redeem(subject, 1_790_604_800)),
            ..Default::default()
        };
        assert_eq!(membership.proven(&ticket.network(), &subject), []);
    }

    #[test]
    fn long_addresses_are_left_out_rather_than_breaking_the_limit() {
        let long = format!("/dns4/{}.example.org/tcp/1", "x".repeat(20));
        let text = ticket(&[&long, &long, &long]).to_text();
        assert!(text.len() <= limits::TICKET_MAX_CHARS);
        assert_eq!(Ticket::parse(&text).unwrap().addresses.len(), 1);
    }

    #[test]
    fn each_mistake_has_its_reason() {
        let text = ticket(&["/ip4/10.0.0.1/tcp/1"]).to_text();
        let parse = |text: &str| Ticket::parse(text).map(|_| ()).unwrap_err();
        assert_eq!(parse("hello"), TicketError::NotATicket);
        assert_eq!(parse(""), TicketError::NotATicket);
        assert_eq!(
            parse(&text.replace("fingerpost1", "fingerpost2")),
            TicketError::OtherVersion("2".into())
        );
        assert_eq!(parse(&text[..text.len() - 5]), TicketError::Damaged);
        assert_eq!(
            parse(&text.repeat(30)),
            TicketError::TooLong(text.len() * 30)
        );
        for at in (PREFIX.len() + 2..text.len()).step_by(7) {
            let mut wrong = text.clone().into_bytes();
            wrong[at] = if wrong[at] == b'A' { b'B' } else { b'A' };
            assert_eq!(
                parse(std::str::from_utf8(&wrong).unwrap()),
                TicketError::Damaged,
                "at {at}"
            );
        }
    }

    #[test]
    fn an_altered_ticket_with_a_mended_checksum_is_forged() {
        let mut ticket = ticket(&[]);
        ticket.key = SecretKey::from_seed(&[4; 32]);
        assert_eq!(
            Ticket::parse(&ticket.to_text()).map(|_| ()).unwrap_err(),
            TicketError::Forged
        );
    }
}
