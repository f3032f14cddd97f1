//! One page of what concerns an organisation.

use std::collections::BTreeSet;

use fingerpost_proto::api::{Digest, DigestItem, DigestSection, MatchView, Matched, OrgRef};
use fingerpost_proto::board::edit::{days_after, days_between};
use fingerpost_proto::board::{Notice, NoticeKind};
use fingerpost_proto::ids::OrgId;
use fingerpost_proto::matching::{OrgProfile, Reason};
use fingerpost_proto::vocabulary::Vocabulary;

use super::notices::Seen;
use super::seen::Board;
use crate::node::{Node, NodeError};

/// Most items of one section: all of it must fit a page.
const ITEMS_MAX: usize = 8;
/// Most matches of one need.
const MATCHES_MAX: usize = 3;
/// A notice that expires within so many days is mentioned.
const EXPIRES_SOON_DAYS: u32 = 7;
/// Longest that a digest looks back, in days.
const DAYS_MAX: u32 = 366;

fn section(title: &str, command: &str, mut items: Vec<DigestItem>) -> Option<DigestSection> {
    let more = items.len().saturating_sub(ITEMS_MAX);
    items.truncate(ITEMS_MAX);
    (!items.is_empty()).then(|| DigestSection {
        title: title.to_owned(),
        items,
        more,
        command: command.to_owned(),
    })
}

fn item(text: String, detail: Option<String>, id: Option<&str>) -> DigestItem {
    DigestItem {
        text,
        detail,
        id: id.map(str::to_owned),
    }
}

/// What a digest is made from.
struct Sources<'a> {
    org: OrgId,
    seen: &'a Seen,
    since: String,
}

impl Sources<'_> {
    fn is_new(&self, day: Option<&String>) -> bool {
        day.is_some_and(|day| *day >= self.since)
    }

    fn own(&self) -> impl Iterator<Item = (&Board, &Notice)> {
        self.seen
            .notices()
            .filter(|(board, _)| board.org == self.org)
    }

    fn owner(&self, org: &OrgId) -> OrgRef {
        self.seen.owner(org)
    }

    /// Replies to its notices, and signatures of its statements.
    fn answers(&self) -> Vec<DigestItem> {
        let mut items = Vec::new();
        for (board, notice) in self.own() {
            for (from, reply) in self.seen.replies(&board.org, &notice.id) {
                if self.is_new(reply.posted.as_ref()) {
                    let text =
                        format!("{} replies to \"{}\"", self.owner(&from).name, notice.title);
                    items.push(item(text, Some(reply.text.clone()), Some(&notice.id)));
                }
            }
            for (from, posted) in self.seen.signers(board, notice).current {
                if self.is_new(posted.as_ref()) {
                    let text = format!("{} signs \"{}\"", self.owner(&from).name, notice.title);
                    items.push(item(text, None, Some(&notice.id)));
                }
            }
        }
        items
    }

    fn expiring(&self) -> Vec<DigestItem> {
        let soon = days_after(&self.seen.today, EXPIRES_SOON_DAYS);
        let ending = self.own().filter(|(_, notice)| notice.expires <= soon);
        let items = ending.map(|(_, notice)| {
            let text = format!("\"{}\" is shown until {}", notice.title, notice.expires);
            item(text, None, Some(&notice.id))
        });
        items.collect()
    }

    /// New notices of others in the areas in which the organisation works, but for those that were told of already.
    fn new_notices(
        &self,
        ours: &OrgProfile,
        told: &BTreeSet<&str>,
        words: &Vocabulary,
    ) -> Vec<DigestItem> {
        let others = self.seen.notices().filter(|(board, notice)| {
            board.org != self.org
                && self.is_new(notice.posted.as_ref())
                && !told.contains(notice.id.as_str())
                && ours.works_in(&notice.areas, words)
        });
        let mut items: Vec<(Option<&String>, DigestItem)> = others
            .map(|(board, notice)| {
                let kind = match notice.kind {
                    NoticeKind::Other(_) => "notice".to_owned(),
                    ref known => known.to_string(),
                };
                let text = format!("{kind}: {} ({})", notice.title, self.owner(&board.org).name);
                (
                    notice.posted.as_ref(),
                    item(text, notice.text.clone(), Some(&notice.id)),
                )
            })
            .collect();
        items.sort_by(|(a, one), (b, other)| b.cmp(a).then(one.text.cmp(&other.text)));
        items.into_iter().map(|(_, item)| item).collect()
    }
}

fn in_words(found: &MatchView) -> String {
    let reasons: Vec<String> = found.reasons.iter().map(Reason::to_string).collect();
    format!(
        "{} ({}): {}",
        found.title,
        found.organisation.name,
        reasons.join("; ")
    )
}

fn answered(matched: &[Matched]) -> Vec<DigestItem> {
    let answered = matched.iter().filter(|one| !one.matches.is_empty());
    let items = answered.map(|one| {
        let best: Vec<String> = one.matches.iter().take(MATCHES_MAX).map(in_words).collect();
        let text = format!("you need \"{}\"", one.need.title);
        item(text, Some(best.join("\n")), Some(&one.need.id))
    });
    items.collect()
}

fn answerable(matched: &[&Matched]) -> Vec<DigestItem> {
    let items = matched.iter().map(|one| {
        let best: Vec<String> = one.matches.iter().take(MATCHES_MAX).map(in_words).collect();
        let text = format!(
            "{} needs \"{}\"",
            one.need.organisation.name, one.need.title
        );
        item(text, Some(best.join("\n")), Some(&one.need.id))
    });
    items.collect()
}

impl Node {
    /// What has concerned an organisation for some days; with `mine`, only what is said to it and what it should look at
    /// itself.
    ///
    /// # Errors
    /// [`NodeError`].
    pub fn digest(&self, org: &OrgId, days: u32, mine: bool) -> Result<Digest, NodeError> {
        let seen = self.seen(Some(&org.to_string()))?;
        let since = days_before(&seen.today, days.min(DAYS_MAX));
        let sources = Sources {
            org: *org,
            seen: &seen,
            since,
        };
        let mut sections = vec![
            section(
                "Said to you",
                "fingerpost notice list --mine",
                sources.answers(),
            ),
            section(
                "Waiting for your word",
                "fingerpost status",
                self.asked(org)?,
            ),
            section(
                "To be looked at in your listing",
                "fingerpost due",
                self.due_items(org)?,
            ),
            section(
                "Your notices that end soon",
                "fingerpost notice list --mine",
                sources.expiring(),
            ),
        ];
        if !mine {
            let matches = self.matches(org)?;
            let fresh = |one: &&Matched| sources.is_new(one.need.posted.as_ref());
            let new: Vec<&Matched> = matches.others.iter().filter(fresh).collect();
            let told: BTreeSet<&str> = new.iter().map(|one| one.need.id.as_str()).collect();
            let listing = self.listing_of(org)?;
            let lexicon = self.lexicon()?;
            let words = &*lexicon.vocabulary;
            let ours = listing.map(|listing| OrgProfile::of(&listing, words));
            let notices = sources.new_notices(&ours.unwrap_or_default(), &told, words);
            sections.extend([
                section(
                    "For your needs",
                    "fingerpost matches --mine",
                    answered(&matches.needs),
                ),
                section(
                    "Needs that you may be able to answer",
                    "fingerpost matches --others",
                    answerable(&new),
                ),
                section("New where you work", "fingerpost notice list", notices),
            ]);
        }
        Ok(Digest {
            organisation: self.org_named(org),
            since: sources.since,
            until: seen.today.clone(),
            sections: sections.into_iter().flatten().collect(),
        })
    }

    fn due_items(&self, org: &OrgId) -> Result<Vec<DigestItem>, NodeError> {
        let due = self.due(org, None)?;
        let mut items = Vec::new();
        for service in &due.services {
            for report in &service.findings.reports {
                let text = format!(
                    "{} reports a fault in \"{}\"",
                    report.organisation.name, service.name
                );
                items.push(item(text, Some(report.text.clone()), Some(&service.id)));
            }
        }
        let old = due.services.iter();
        let old = old.filter(|it| it.age_days.is_none_or(|age| age >= i64::from(due.days)));
        match old.count() {
            0 => {}
            old => items.push(item(
                format!(
                    "{old} of {} services not confirmed for {} days",
                    due.of, due.days
                ),
                None,
                None,
            )),
        }
        Ok(items)
    }

    /// What the networks of an organisation ask of it.
    fn asked(&self, org: &OrgId) -> Result<Vec<DigestItem>, NodeError> {
        let own = self.replica().own().len();
        // With several organisations on one node, what is asked of which is not told apart.
        if own != 1 || !self.replica().own().contains(org) {
            return Ok(Vec::new());
        }
        let networks = self.status()?.networks.into_iter();
        let asks = networks.flat_map(|network| {
            let name = network.name;
            network
                .asks
                .into_iter()
                .map(move |ask| item(format!("{name}: {ask}"), None, None))
        });
        Ok(asks.collect())
    }
}

/// The day that lies so many days before another one.
fn days_before(day: &str, days: u32) -> String {
    let past = |candidate: &String| days_between(candidate, day).is_some();
    let date: Option<jiff::civil::Date> = day.parse().ok();
    let earlier = date.and_then(|date| {
        let span = jiff::Span::new().try_days(i64::from(days)).ok()?;
        date.checked_sub(span).ok()
    });
    let earlier = earlier.map(|date| date.to_string()).filter(past);
    earlier.unwrap_or_else(|| day.to_owned())
}
