//! What this node follows, and letting go of the rest.

use std::collections::BTreeSet;
use std::sync::Arc;

use fingerpost_proto::api::{Follow, FollowedNetwork, Following};
use fingerpost_proto::filter::lists_of;
use fingerpost_proto::geography;
use fingerpost_proto::interest::Follows;
use fingerpost_proto::listing::facts::Aspect;
use fingerpost_proto::storage::Storage;
use fingerpost_proto::vocabulary::Vocabulary;

use super::membership::name_of;
use super::names::org_ref;
use super::{Node, NodeError};

/// So many documents are gone through in one turn: nobody waits longer than for these.
const CHUNK: usize = 64;

/// Goes through what is held whenever what the node follows has changed, until `stop`; first what a former run left.
pub async fn run(node: Arc<Node>, mut stop: tokio::sync::watch::Receiver<bool>) {
    while !*stop.borrow() {
        let mut is_more = true;
        let mut has_begun = false;
        while is_more && !*stop.borrow() {
            is_more = tokio::task::block_in_place(|| node.apply_follows());
            has_begun |= is_more;
            tokio::task::yield_now().await;
        }
        if has_begun {
            // What is lacking now is asked for.
            node.changed_own();
        }
        tokio::select! {
            () = node.follows_due.notified() => {}
            _ = stop.changed() => {}
        }
    }
}

impl Node {
    /// Goes through some documents. Whether there are more.
    fn apply_follows(&self) -> bool {
        let applied = self.replica().apply_follows(CHUNK);
        self.feed();
        applied.unwrap_or_else(|error| {
            tracing::error!("what this node follows could not be applied: {error}");
            false
        })
    }

    /// What this node follows; `changed` says whether that was changed just now.
    ///
    /// # Errors
    /// [`NodeError`], if the store fails.
    pub fn following(&self, changed: bool) -> Result<Following, NodeError> {
        let mut replica = self.replica();
        let follows = replica.follows().clone();
        let networks = follows.networks.iter().map(|id| FollowedNetwork {
            id: *id,
            name: name_of(&mut replica, id),
        });
        let networks = networks.collect();
        let organisations = follows.organisations.iter();
        Ok(Following {
            areas: follows.areas.iter().cloned().collect(),
            types: follows.types.iter().cloned().collect(),
            networks,
            organisations: organisations.map(|org| org_ref(&replica, org)).collect(),
            left_out: replica.unfollowed().len(),
            going_through: replica.is_applying_follows()?,
            changed,
        })
    }

    /// Follows something as well, or no more.
    ///
    /// # Errors
    /// [`NodeError`] with what to do; nothing is changed then.
    pub fn follow(&self, asked: &Follow) -> Result<Following, NodeError> {
        let before = self.replica().follows().clone();
        let named = self.named(asked)?;
        let follows = match (asked.everything, asked.remove) {
            (true, _) => Follows::default(),
            (false, true) => Follows {
                areas: &before.areas - &named.areas,
                types: &before.types - &named.types,
                networks: &before.networks - &named.networks,
                organisations: &before.organisations - &named.organisations,
            },
            (false, false) => Follows {
                areas: &before.areas | &named.areas,
                types: &before.types | &named.types,
                networks: &before.networks | &named.networks,
                organisations: &before.organisations | &named.organisations,
            },
        };
        follows
            .check()
            .map_err(|error| NodeError::bad_input(error.to_string(), "nothing was changed"))?;
        let is_new = follows != before;
        if is_new {
            let mut replica = self.replica();
            replica.set_follows(follows)?;
            replica.storage_mut().flush()?;
            drop(replica);
            self.follows_due.notify_one();
        }
        self.following(is_new)
    }

    /// What people mean. A name with a slip in it would let go of what is wanted, so it must be known.
    fn named(&self, asked: &Follow) -> Result<Follows, NodeError> {
        let mut follows = Follows::default();
        for text in &asked.areas {
            follows.areas.insert(area(text)?);
        }
        for text in &asked.types {
            follows.types.insert(kind(text)?);
        }
        for text in &asked.networks {
            follows.networks.insert(self.network(Some(text))?);
        }
        for text in &asked.organisations {
            follows.organisations.insert(self.any_org(text)?);
        }
        Ok(follows)
    }

    /// What somebody who searches should know of what is not here.
    pub(super) fn left_out_in_words(&self) -> Option<String> {
        let replica = self.replica();
        if replica.follows().is_everything() {
            return None;
        }
        let count = replica.unfollowed().len();
        (count > 0).then(|| {
            format!(
                "this node does not keep the listings of {count} other{}, since it follows only some (fingerpost follow); \
                 their names are found, and to have one of them: fingerpost follow org=NAME",
                if count == 1 { " organisation" } else { " organisations" }
            )
        })
    }
}

fn area(text: &str) -> Result<String, NodeError> {
    let known = geography::area(text).map(|area| area.name.clone());
    known.ok_or_else(|| {
        let near = geography::near_names(text).into_iter().collect();
        not_known(
            "area",
            text,
            near,
            "give a council, county or nation, or a GSS code",
        )
    })
}

fn kind(text: &str) -> Result<String, NodeError> {
    let (vocabulary, lists) = (Vocabulary::built_in(), lists_of(Aspect::Type));
    let known = vocabulary.find(lists, text);
    let known = known.first().map(|term| term.name.clone());
    known.ok_or_else(|| {
        let near = vocabulary.near(lists, text);
        let near = near.iter().map(String::as_str).collect();
        not_known(
            "type",
            text,
            near,
            "fingerpost explain WORD shows the terms that there are",
        )
    })
}

fn not_known(what: &str, text: &str, near: BTreeSet<&str>, otherwise: &str) -> NodeError {
    let hint = match near.is_empty() {
        true => otherwise.to_owned(),
        false => format!(
            "did you mean {}?",
            near.into_iter().collect::<Vec<_>>().join(", ")
        ),
    };
    NodeError::bad_input(
        format!("no {what} is known as {text:?}; nothing was changed"),
        hint,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn areas_and_types_are_kept_by_the_name_that_is_known() {
        assert_eq!(area("lambeth").unwrap(), "Lambeth");
        assert_eq!(area("E09000022").unwrap(), "Lambeth");
        let refused = area("Traford").unwrap_err().to_string();
        assert!(refused.contains("Traford") && refused.contains("nothing was changed"));
        assert!(kind("food bank").is_ok());
        assert!(kind("qqqqqq").is_err());
    }
}
