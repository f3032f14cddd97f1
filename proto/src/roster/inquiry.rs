//! How the roster came about: who vouches, objects and signs, and what is missing.
//!
//! The roster itself keeps only what it found. What stands behind it is computed when somebody asks.

use std::collections::BTreeSet;

use super::Roster;
use super::marks::Number;
use super::register::Register;
use super::stage::Stage;
use crate::ids::OrgId;

/// Answers questions about one network; see [`Roster::inquire`].
pub struct Inquiry<'a> {
    roster: &'a Roster,
    known: &'a Register,
    /// Before anybody was removed: the accused are judged by it.
    judging: &'a Stage<'a>,
    /// Before anybody was succeeded: heirs are chosen by it.
    choosing: &'a Stage<'a>,
}

/// How far one organisation has come that says that it goes on for another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SuccessionVote {
    /// Whose place it is.
    pub old: OrgId,
    /// Who claims it.
    pub new: OrgId,
    /// Who has a say: those who vouch for the old one; everybody with a voice, where it is a founder.
    pub voters: BTreeSet<OrgId>,
    /// Those of them who have signed for this claim.
    pub signed: BTreeSet<OrgId>,
    /// How many must sign.
    pub needed: usize,
    /// Whether the claim holds: the new one stands in the place of the old.
    pub complete: bool,
}

impl Roster {
    /// Lets questions be asked that need the statements themselves, which must be those that this roster
    /// was computed from. Costs as much as computing it.
    pub fn inquire<T>(&self, known: &Register, ask: impl FnOnce(&Inquiry<'_>) -> T) -> T {
        let (anchors, needed) = (known.numbers(&self.anchors), self.vouches_needed);
        let judging = Stage::undivided(known, &anchors, needed);
        let choosing = Stage::with_keys_passed_on(known, &anchors, needed);
        ask(&Inquiry {
            roster: self,
            known,
            judging: &judging,
            choosing: &choosing,
        })
    }
}

impl Inquiry<'_> {
    /// The roster that is asked about.
    pub fn roster(&self) -> &Roster {
        self.roster
    }

    /// Who vouches for an organisation, each once, and whether that counts: the voucher is admitted, and its
    /// invitation, if it was one, counts for this organisation.
    pub fn vouchers(&self, subject: &OrgId) -> Vec<(OrgId, bool)> {
        let standing = self.known.get(subject);
        let vouchers: BTreeSet<OrgId> = standing
            .into_iter()
            .flat_map(|standing| standing.vouches.iter().map(|vouch| vouch.voucher))
            .collect();
        let counts = |voucher: &OrgId| {
            self.known.counts(voucher, subject) && self.roster.is_admitted(voucher)
        };
        vouchers
            .into_iter()
            .map(|voucher| (voucher, counts(&voucher)))
            .collect()
    }

    /// How many vouches an organisation lacks; 0 for one that is admitted.
    pub fn missing_vouches(&self, subject: &OrgId) -> u32 {
        if self.roster.is_admitted(subject) {
            return 0;
        }
        // One that changed its key does not vouch twice.
        let counted: BTreeSet<OrgId> = self
            .vouchers(subject)
            .into_iter()
            .filter(|(_, counts)| *counts)
            .map(|(voucher, _)| self.roster.heir_of(&voucher).unwrap_or(voucher))
            .collect();
        let counted = u32::try_from(counted.len()).unwrap_or(u32::MAX);
        self.roster.vouches_needed().saturating_sub(counted)
    }

    /// If an organisation joined with an invitation that counts for another: for which.
    pub fn invitation_used_by(&self, subject: &OrgId) -> Option<OrgId> {
        let standing = self.known.get(subject)?;
        standing.vouches.iter().find_map(|vouch| {
            let (_, key) = vouch.by_invitation?;
            let winner = self.known.winner(&vouch.voucher, &key)?;
            (winner != *subject).then_some(winner)
        })
    }

    /// Everybody to whom somebody objects, with those that go on for them.
    pub fn accused(&self) -> BTreeSet<OrgId> {
        let accused = self.known.objecting().flat_map(|it| &it.objections);
        accused.flat_map(|org| self.line_of(org)).collect()
    }

    /// Everybody that is present and objects to an organisation, and whether the objection counts: whether
    /// the objector has a say in it.
    pub fn objectors(&self, accused: &OrgId) -> Vec<(OrgId, bool)> {
        let against = match self.now(accused) {
            Some(accused) => self.known.ids(self.judging.judgement(accused).0.iter()),
            None => BTreeSet::new(),
        };
        let line = self.line_of(accused);
        let all = self.known.iter();
        let objecting: BTreeSet<OrgId> = all
            .filter(|(org, standing)| {
                standing.accepts()
                    && !line.contains(*org)
                    && !standing.objections.is_disjoint(&line)
            })
            .map(|(org, _)| *org)
            .collect();
        let counts = |org: OrgId| (org, against.contains(&org));
        objecting.into_iter().map(counts).collect()
    }

    /// With how many objections that count an organisation is removed: more than half of those who have
    /// a say in it, itself included.
    pub fn objections_needed(&self, accused: &OrgId) -> usize {
        let with_a_say = match self.now(accused) {
            Some(accused) => self.judging.judgement(accused).1,
            None => self.judging.present_voices() + 1,
        };
        with_a_say / 2 + 1
    }

    /// The claims on the places of others, by the old organisation and the one that claims.
    pub fn successions(&self) -> Vec<SuccessionVote> {
        let claiming = self.known.claiming().filter(|(_, it)| it.accepts());
        let claiming = claiming.filter_map(|(new, it)| Some((self.known.id(new)?, it)));
        let mut votes: Vec<SuccessionVote> = claiming
            .flat_map(|(new, standing)| standing.claims.iter().map(move |old| (*old, new)))
            .map(|(old, new)| self.succession(&old, &new))
            .collect();
        votes.sort_by_key(|vote| (vote.old, vote.new));
        votes
    }

    /// How the word of those who have a say stands on one succession, whether it was claimed or not.
    pub fn succession(&self, old: &OrgId, new: &OrgId) -> SuccessionVote {
        let parties = self.known.number(old).zip(self.known.number(new));
        let votes = parties.map(|(old, new)| {
            let voters = self.choosing.voters_on(old, new);
            let signed = self.known.ids(self.choosing.votes_for(&voters, old, new));
            (self.known.ids(voters.iter()), signed)
        });
        // Nobody has a say in one of whom nobody has heard.
        let (voters, signed) = votes.unwrap_or_default();
        SuccessionVote {
            old: *old,
            new: *new,
            signed,
            needed: voters.len() / 2 + 1,
            voters,
            complete: self.roster.heir_of(old) == Some(self.roster.heir_of(new).unwrap_or(*new)),
        }
    }

    fn now(&self, org: &OrgId) -> Option<Number> {
        Some(self.judging.heirs.now(self.known.number(org)?))
    }

    /// An organisation with its older keys and its heirs: what is objected to one is objected to all.
    pub fn line_of(&self, org: &OrgId) -> BTreeSet<OrgId> {
        match self.now(org) {
            Some(now) => self.known.ids(self.judging.heirs.line_of(now).iter()),
            None => BTreeSet::from([*org]),
        }
    }
}
