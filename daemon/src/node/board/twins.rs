//! Organisations that are like one's own.

use std::collections::BTreeMap;

use fingerpost_proto::api::{Twin, Twins, TwinsWhere};
use fingerpost_proto::ids::OrgId;
use fingerpost_proto::matching::{OrgProfile, alike};

use crate::node::{Node, NodeError};
use crate::search::Query;

/// Most words by which others are looked for in the index.
const WORDS_MAX: usize = 12;
/// Most results that are looked at for each of them.
const HITS_MAX: usize = 200;
/// Most organisations whose whole listing is read: those that the most words find.
const READ_MAX: usize = 40;
/// Most that are shown.
const SHOWN_MAX: usize = 10;

impl Node {
    /// Organisations that are like one of this node's, by what they list.
    ///
    /// # Errors
    /// [`NodeError`].
    pub fn twins(&self, org: &OrgId, place: TwinsWhere) -> Result<Twins, NodeError> {
        let listing = self.listing_of(org)?.ok_or_else(|| {
            NodeError::not_found(
                "there is no listing yet by which others could be compared",
                "fingerpost listing import FILE",
            )
        })?;
        let lexicon = self.lexicon()?;
        let words = &*lexicon.vocabulary;
        let ours = OrgProfile::of(&listing, words);
        let mut twins = Vec::new();
        for other in self.similar(org, &ours)? {
            let Some(listing) = self.listing_of(&other)? else {
                continue;
            };
            let theirs = OrgProfile::of(&listing, words);
            let Some(likeness) = alike(&ours, &theirs, words) else {
                continue;
            };
            let wanted = match place {
                TwinsWhere::Anywhere => true,
                TwinsWhere::Near => likeness.near,
                TwinsWhere::Elsewhere => !likeness.near,
            };
            if wanted {
                twins.push(Twin {
                    organisation: self.org_named(&other),
                    score: likeness.score,
                    near: likeness.near,
                    reasons: likeness.reasons,
                    services: listing.services.len(),
                });
            }
        }
        twins.sort_by(|one, other| {
            (other.score, &one.organisation.name, one.organisation.id).cmp(&(
                one.score,
                &other.organisation.name,
                other.organisation.id,
            ))
        });
        twins.truncate(SHOWN_MAX);
        Ok(Twins {
            organisation: self.org_named(org),
            twins,
        })
    }

    /// The organisations that the most of one's own words find.
    fn similar(&self, org: &OrgId, ours: &OrgProfile) -> Result<Vec<OrgId>, NodeError> {
        let mut found: BTreeMap<OrgId, usize> = BTreeMap::new();
        for word in ours.search_words(WORDS_MAX) {
            let query = Query {
                // A term of several words is one phrase.
                text: Some(format!("\"{}\"", word.replace('"', " "))),
                limit: HITS_MAX,
                ..Query::default()
            };
            let mut of_word: Vec<OrgId> = Vec::new();
            for hit in self.index.search(&query)?.results {
                if let Ok(other) = hit.org.parse()
                    && other != *org
                    && !of_word.contains(&other)
                {
                    of_word.push(other);
                }
            }
            for other in of_word {
                *found.entry(other).or_default() += 1;
            }
        }
        let mut ranked: Vec<(usize, OrgId)> = found.into_iter().map(|(org, n)| (n, org)).collect();
        ranked.sort_by(|(a, one), (b, other)| b.cmp(a).then(one.cmp(other)));
        ranked.truncate(READ_MAX);
        Ok(ranked.into_iter().map(|(_, org)| org).collect())
    }
}
