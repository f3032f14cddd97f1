//! Own needs with what others have for them, and others' needs with what this organisation has.
//!
//! Services of others are looked for in the search index, by the words of the need and what is another word for the
//! same: only what it finds is read.

use std::collections::{BTreeMap, BTreeSet};

use fingerpost_proto::api::{MatchView, Matched, Matches};
use fingerpost_proto::board::Notice;
use fingerpost_proto::ids::{DocKey, DocName, OrgId};
use fingerpost_proto::listing::{Service, ShardState};
use fingerpost_proto::matching::{Pairing, Profile, Side, pair};
use fingerpost_proto::vocabulary::Vocabulary;

use super::notices::Seen;
use super::seen::Board;
use crate::node::{Node, NodeError};
use crate::search::{Kind, Query};

/// Most words of one need that the index is asked for.
const WORDS_MAX: usize = 16;
/// Most services that are read for each of them.
const HITS_MAX: usize = 40;
/// Most matches of one need that are shown.
const SHOWN_MAX: usize = 10;

/// A service, and whose it is.
type Candidate = (OrgId, Service);

impl Node {
    /// Own needs with what others offer, and others' needs with what an organisation offers.
    ///
    /// # Errors
    /// [`NodeError`].
    pub fn matches(&self, org: &OrgId) -> Result<Matches, NodeError> {
        let seen = self.seen(Some(&org.to_string()))?;
        let on = |side: Side, own: bool| {
            let standing = seen.notices();
            let wanted = standing.filter(move |(board, notice)| {
                Side::of(&notice.kind) == side && (board.org == *org) == own
            });
            wanted.collect::<Vec<_>>()
        };
        let lexicon = self.lexicon()?;
        let words = &*lexicon.vocabulary;
        let mut needs = Vec::new();
        for (board, notice) in on(Side::Need, true) {
            let need = Profile::of_notice(notice, words);
            let mut found = self.answers(&need, &on(Side::Offer, false), &seen, words);
            let services = self.candidates(&need, words)?;
            let others = services.iter().filter(|(owner, _)| owner != org);
            found.extend(others.filter_map(|service| self.may_answer(&need, service, words)));
            needs.push(self.matched(&seen, board, notice, found));
        }
        let own_services: Vec<Candidate> = match self.listing_of(org)? {
            Some(listing) => {
                let services = listing.services.into_iter();
                services.map(|service| (*org, service)).collect()
            }
            None => Vec::new(),
        };
        let mut others = Vec::new();
        for (board, notice) in on(Side::Need, false) {
            let need = Profile::of_notice(notice, words);
            let mut found = self.answers(&need, &on(Side::Offer, true), &seen, words);
            let services = own_services.iter();
            found.extend(services.filter_map(|service| self.may_answer(&need, service, words)));
            if !found.is_empty() {
                others.push(self.matched(&seen, board, notice, found));
            }
        }
        Ok(Matches {
            organisation: self.org_named(org),
            needs,
            others,
        })
    }

    fn matched(
        &self,
        seen: &Seen,
        board: &Board,
        notice: &Notice,
        mut matches: Vec<MatchView>,
    ) -> Matched {
        matches.sort_by(|one, other| {
            (other.score, &one.title, one.organisation.id, &one.id).cmp(&(
                one.score,
                &other.title,
                other.organisation.id,
                &other.id,
            ))
        });
        matches.truncate(SHOWN_MAX);
        Matched {
            need: self.notice_view(seen, board, notice),
            matches,
        }
    }

    /// Which of some notices may answer a need.
    fn answers(
        &self,
        need: &Profile,
        offers: &[(&Board, &Notice)],
        seen: &Seen,
        words: &Vocabulary,
    ) -> Vec<MatchView> {
        let view = |(board, notice): &(&Board, &Notice)| {
            let offer = Profile::of_notice(notice, words);
            let Pairing { score, reasons } = pair(need, &offer, words)?;
            Some(MatchView {
                kind: notice.kind.to_string(),
                id: notice.id.clone(),
                title: notice.title.clone(),
                organisation: seen.owner(&board.org),
                score,
                reasons,
            })
        };
        offers.iter().filter_map(view).collect()
    }

    /// Whether a service may answer a need.
    fn may_answer(
        &self,
        need: &Profile,
        (org, service): &Candidate,
        words: &Vocabulary,
    ) -> Option<MatchView> {
        let offer = Profile::of_service(service, words);
        let Pairing { score, reasons } = pair(need, &offer, words)?;
        Some(MatchView {
            kind: Kind::Service.as_str().to_owned(),
            id: service.id.clone(),
            title: service.name.clone(),
            organisation: self.org_named(org),
            score,
            reasons,
        })
    }

    /// Services that share a word with a need, as the index finds them.
    fn candidates(&self, need: &Profile, words: &Vocabulary) -> Result<Vec<Candidate>, NodeError> {
        let mut wanted: BTreeMap<DocKey, BTreeSet<String>> = BTreeMap::new();
        for word in need.search_words(words, WORDS_MAX) {
            let query = Query {
                text: Some(word),
                kind: Some(Kind::Service),
                limit: HITS_MAX,
                ..Query::default()
            };
            for hit in self.index.search(&query)?.results {
                if let (Ok(org), Ok(name)) = (hit.org.parse(), hit.document.parse::<DocName>()) {
                    wanted
                        .entry(DocKey { org, name })
                        .or_default()
                        .insert(hit.id);
                }
            }
        }
        let mut found = Vec::new();
        for (key, ids) in wanted {
            let DocName::Listing(shard) = key.name else {
                continue;
            };
            let shown = self.replica().shown(&key)?;
            let state = shown.and_then(|shown| ShardState::parse(&shown.state, shard).ok());
            let services = state.into_iter().flat_map(|state| state.services);
            let wanted = services.filter(|service| ids.contains(&service.id));
            found.extend(wanted.map(|service| (key.org, service)));
        }
        Ok(found)
    }
}
