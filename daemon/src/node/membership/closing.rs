//! What comes after an organisation, by its own word: it closes, or becomes part of another.

use fingerpost_proto::api::{Close, Closing, Merge};
use fingerpost_proto::card::{Card, Succession};
use fingerpost_proto::ids::OrgId;
use fingerpost_proto::limits;
use fingerpost_proto::listing::edit::is_date;

use crate::node::documents::By;
use crate::node::names::{card_of, org_ref};
use crate::node::{Node, NodeError};

impl Node {
    /// Says on which day an organisation closes and where the people it served can turn, or that it does not
    /// close after all.
    ///
    /// # Errors
    /// [`NodeError`].
    pub fn close_org(&self, org: &OrgId, request: &Close, by: &By) -> Result<Closing, NodeError> {
        self.check_confirmed(org, &request.confirm)?;
        let Some(on) = &request.on else {
            if !request.clients_to.is_empty() {
                return Err(NodeError::bad_input(
                    "a closing needs its last day; nothing was changed",
                    "such as --on 2026-12-31",
                ));
            }
            return self.succeed(org, "does not close after all", by, |succession| {
                succession.closes_on = None;
                succession.clients_to.clear();
            });
        };
        if !is_date(on) {
            return Err(NodeError::bad_input(
                format!("\"{on}\" is not a day; nothing was changed"),
                "write it as 2026-12-31",
            ));
        }
        let mut clients_to = Vec::new();
        for text in &request.clients_to {
            let to = self.other_org(org, text)?;
            if !clients_to.contains(&to) {
                clients_to.push(to);
            }
        }
        if clients_to.len() > limits::SUCCESSIONS_PER_NETWORK_MAX {
            return Err(NodeError::bad_input(
                format!(
                    "people can be sent to at most {} organisations; nothing was changed",
                    limits::SUCCESSIONS_PER_NETWORK_MAX
                ),
                "name those that matter most",
            ));
        }
        self.succeed(org, &format!("closes on {on}"), by, |succession| {
            succession.closes_on = Some(on.clone());
            succession.clients_to = clients_to;
        })
    }

    /// Says that an organisation became part of another, or that it did not after all.
    ///
    /// # Errors
    /// [`NodeError`].
    pub fn merge_org(&self, org: &OrgId, request: &Merge, by: &By) -> Result<Closing, NodeError> {
        self.check_confirmed(org, &request.confirm)?;
        let Some(text) = &request.into else {
            return self.succeed(org, "does not merge after all", by, |succession| {
                succession.merged_into = None;
            });
        };
        let into = self.other_org(org, text)?;
        let end = self.end_of_line(&into);
        if end == *org {
            return Err(NodeError::refused(
                format!(
                    "{} says itself that it became part of this organisation; nothing was changed",
                    org_ref(&self.replica(), &into).name
                ),
                "one of the two must go on: let the other take its merger back first",
            ));
        }
        self.succeed(
            org,
            &format!("merged into {}", into.short()),
            by,
            |succession| {
                succession.merged_into = Some(into);
            },
        )
    }

    /// Any organisation but this one, whose card is here.
    fn other_org(&self, org: &OrgId, text: &str) -> Result<OrgId, NodeError> {
        let other = self.any_org(text)?;
        if other == *org {
            return Err(NodeError::bad_input(
                "an organisation cannot come after itself; nothing was changed",
                "name another one; \"fingerpost members\" shows them",
            ));
        }
        if card_of(&self.replica(), &other).is_none() {
            return Err(NodeError::not_found(
                format!(
                    "this node knows no organisation {}; nothing was changed",
                    other.short()
                ),
                "it must be in a network of this node: \"fingerpost members\" shows those that are",
            ));
        }
        Ok(other)
    }

    pub(in crate::node) fn check_confirmed(
        &self,
        org: &OrgId,
        confirm: &str,
    ) -> Result<(), NodeError> {
        let name = self.own_card(&self.replica(), org)?.name;
        if name.trim() == confirm.trim() {
            return Ok(());
        }
        Err(NodeError::refused(
            format!(
                "the confirmation does not match: the organisation is called \"{name}\"; nothing was changed"
            ),
            format!("repeat the command with --confirm \"{name}\""),
        ))
    }

    fn succeed(
        &self,
        org: &OrgId,
        what: &str,
        by: &By,
        edit: impl FnOnce(&mut Succession),
    ) -> Result<Closing, NodeError> {
        let changed = self.edit_card(org, what, by, |card: &mut Card| {
            let mut succession = card.succession.take().unwrap_or_default();
            edit(&mut succession);
            card.succession = (succession != Succession::default()).then_some(succession);
            Ok(())
        })?;
        let replica = self.replica();
        Ok(Closing {
            organisation: org_ref(&replica, org),
            succession: self.succession_of(&replica, org).unwrap_or_default(),
            already: !changed,
        })
    }
}
