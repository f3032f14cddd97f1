//! What a replica keeps in memory of one network.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

use crate::card::ProvenVouch;
use crate::charter::Charter;
use crate::ids::{CharterId, InviteId, OrgId};
use crate::limits;
use crate::roster::{Inquiry, Place, Register, Roster, Standing, Terms};

/// What is remembered of a departure.
#[derive(Debug, Clone)]
pub(super) struct Departed {
    pub(super) id: [u8; 32],
    /// What it proves, once somebody has asked: to read it costs signatures.
    proof: OnceLock<Standing>,
}

impl Departed {
    pub(super) fn new(id: [u8; 32]) -> Self {
        Self {
            id,
            proof: OnceLock::new(),
        }
    }

    pub(super) fn proving(id: [u8; 32], standing: Standing) -> Self {
        Self {
            id,
            proof: standing.into(),
        }
    }

    /// What it proves; `read` is asked the first time.
    pub(super) fn proof<E>(
        &self,
        read: impl FnOnce() -> Result<Standing, E>,
    ) -> Result<&Standing, E> {
        if let Some(proof) = self.proof.get() {
            return Ok(proof);
        }
        let standing = read()?;
        Ok(self.proof.get_or_init(|| standing))
    }
}

/// Whether it was asked for its proof makes no difference.
impl PartialEq for Departed {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

pub(super) struct Network {
    pub(super) charter: Charter,
    pub(super) standings: Register,
    pub(super) departures: BTreeMap<OrgId, Departed>,
    /// Whether this node still takes part: false once its organisations have left.
    pub(super) active: bool,
    /// The amendments that are known, in force or not.
    amendments: BTreeMap<CharterId, Terms>,
    /// Members of an earlier roster, and those whose documents were kept for an heir, that are no members any
    /// more; until somebody asks.
    demoted: BTreeSet<OrgId>,
    roster: Roster,
    stale: bool,
    /// Keys of invitations that some organisation has used.
    used_keys: BTreeSet<InviteId>,
    /// Organisations known here that are not admitted. Exact after [`Network::refresh`]; in between, those that are
    /// likely to be are left out.
    pending: usize,
    /// Organisations that came since then and are admitted by what was known when each came: enough of those admitted
    /// vouch for it, or of such as these. So cards that come in the order of admission never wait for the roster.
    likely: BTreeSet<OrgId>,
    /// How many standings there were when the roster was last computed.
    computed_at: usize,
}

impl Network {
    pub(super) fn new(charter: Charter) -> Self {
        Self {
            standings: Register::new(charter.anchors.iter().copied()),
            charter,
            departures: BTreeMap::new(),
            active: true,
            amendments: BTreeMap::new(),
            demoted: BTreeSet::new(),
            roster: Roster::default(),
            stale: true,
            used_keys: BTreeSet::new(),
            pending: 0,
            likely: BTreeSet::new(),
            computed_at: 0,
        }
    }

    /// Takes in what an organisation's statements say now.
    pub(super) fn set_standing(&mut self, org: OrgId, standing: Option<Standing>) {
        if let Some(standing) = &standing {
            let is_new = self.standings.get(&org).is_none();
            if is_new && self.is_vouched_for(&org, &standing.vouches) {
                self.likely.insert(org);
            } else if is_new {
                self.pending += 1;
            }
            self.used_keys.extend(invitation_keys(standing));
        }
        self.stale |= self.standings.set(org, standing);
    }

    /// The amendments that are known, in force or not.
    pub(super) fn amendments(&self) -> &BTreeMap<CharterId, Terms> {
        &self.amendments
    }

    /// By the text in force, as far as the roster was computed.
    fn vouches_needed(&self) -> u32 {
        match self.roster.vouches_needed() {
            0 => self.charter.vouches_needed,
            needed => needed,
        }
    }

    /// Takes in an amendment.
    pub(super) fn set_amendment(&mut self, id: CharterId, terms: Terms) {
        self.stale |= self.amendments.insert(id, terms).is_none();
    }

    /// The organisations that ceased to be members since the last call, as far as is known now.
    pub(super) fn take_demoted(&mut self) -> BTreeSet<OrgId> {
        self.refresh();
        std::mem::take(&mut self.demoted)
    }

    /// The organisations that were replaced, as the roster was last computed.
    pub(super) fn replaced(&self) -> impl Iterator<Item = OrgId> {
        self.roster.heirs().map(|(old, _)| *old)
    }

    /// Whether this node takes part, if `org` stood as `standing` says.
    pub(super) fn active_with(
        &self,
        own: &BTreeSet<OrgId>,
        org: Option<(&OrgId, &Standing)>,
    ) -> bool {
        let standing_of = |own: &OrgId| match org {
            Some((changed, standing)) if changed == own => Some(standing),
            _ => self.standings.get(own),
        };
        let mut own = own.iter().filter_map(standing_of).peekable();
        own.peek().is_none() || own.any(Standing::accepts)
    }

    pub(super) fn update_active(&mut self, own: &BTreeSet<OrgId>) {
        self.active = self.active_with(own, None);
    }

    pub(super) fn accepts(&self, org: &OrgId) -> bool {
        self.standings.get(org).is_some_and(Standing::accepts)
    }

    /// The epoch that an organisation's departure ends; 0 if it never left.
    pub(super) fn left_epoch(&self, org: &OrgId) -> u32 {
        self.standings
            .get(org)
            .map_or(0, |standing| standing.left_epoch)
    }

    pub(super) fn refresh(&mut self) -> &Roster {
        if self.stale {
            let before = std::mem::take(&mut self.roster);
            self.roster = Roster::compute(&self.charter, &self.amendments, &self.standings);
            let were_held = |place| matches!(place, Place::Member | Place::Replaced);
            let held = before.places().filter(|(_, place)| were_held(*place));
            let demoted = held.filter(|(org, _)| !self.roster.is_member(org));
            self.demoted.extend(demoted.map(|(org, _)| *org));
            let heard = self.standings.iter();
            self.pending = heard
                .filter(|(org, _)| !self.roster.is_admitted(org))
                .count();
            let heard = self.standings.iter();
            self.used_keys = heard.flat_map(|(_, it)| invitation_keys(it)).collect();
            self.computed_at = self.standings.len();
            self.likely.clear();
            self.stale = false;
        }
        &self.roster
    }

    /// The roster as it was last computed.
    pub(super) fn last_roster(&self) -> &Roster {
        &self.roster
    }

    /// Answers questions about the roster as it was last computed.
    pub(super) fn inquire<T>(&self, ask: impl FnOnce(&Inquiry<'_>) -> T) -> T {
        self.roster.inquire(&self.standings, ask)
    }

    /// Whether one more organisation may be taken in: there is room for applicants, or members vouch for
    /// it. `vouches` are proven only when they matter, for that costs signatures.
    pub(super) fn has_room_for(
        &mut self,
        org: &OrgId,
        vouches: impl FnOnce() -> Vec<ProvenVouch>,
    ) -> bool {
        if self.pending < limits::APPLICANTS_MAX || self.standings.get(org).is_some() {
            return true;
        }
        // Computing the roster for each card would make a join quadratic.
        let grown = self.standings.len().saturating_sub(self.computed_at);
        if grown > (limits::APPLICANTS_MAX / 4).max(self.computed_at / 16) {
            self.refresh();
        }
        self.pending < limits::APPLICANTS_MAX || self.is_vouched_for(org, &vouches())
    }

    /// Whether enough organisations vouch for one that are admitted, as far as the roster was computed, or are likely to
    /// be.
    fn is_vouched_for(&self, org: &OrgId, vouches: &[ProvenVouch]) -> bool {
        let is_admitted = |org: &OrgId| {
            self.roster.is_admitted(org)
                || self.likely.contains(org)
                || self.charter.anchors.contains(org)
        };
        let unused = |vouch: &&ProvenVouch| {
            vouch
                .by_invitation
                .is_none_or(|(_, key)| !self.used_keys.contains(&key))
        };
        let vouchers: BTreeSet<OrgId> = vouches
            .iter()
            .filter(unused)
            .map(|vouch| vouch.voucher)
            .filter(is_admitted)
            .collect();
        is_admitted(org) || vouchers.len() >= self.vouches_needed() as usize
    }
}

fn invitation_keys(standing: &Standing) -> impl Iterator<Item = InviteId> {
    standing
        .vouches
        .iter()
        .filter_map(|vouch| vouch.by_invitation)
        .map(|(_, key)| key)
}
