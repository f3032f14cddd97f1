//! Founding a network.

use fingerpost_proto::api::{Found, NetworkInfo};
use fingerpost_proto::charter::{Charter, FORMAT};
use fingerpost_proto::ids::OrgId;
use fingerpost_proto::limits;

use crate::keys::random;
use crate::node::documents::By;
use crate::node::lexicon::check_block;
use crate::node::{Node, NodeError, now_s};

const ADVICE: &str = "one vouch is enough to come in here, so one member alone could bring in many: better are two founders \
                      and two vouches; once three have joined, amend it: fingerpost charter propose --vouches 2";

impl Node {
    /// Founds a network with the organisation as its first member. The other founders are members without
    /// anybody's vouch as soon as they accept the charter.
    ///
    /// # Errors
    /// [`NodeError`].
    pub fn found(&self, org: &OrgId, request: &Found, by: &By) -> Result<NetworkInfo, NodeError> {
        let mut anchors = request.founders.clone();
        anchors.push(*org);
        anchors.sort();
        anchors.dedup();
        check_founders(anchors.len(), request.vouches)?;
        let charter = Charter {
            format: FORMAT,
            name: request.name.trim().to_owned(),
            text: request.charter.clone(),
            vouches_needed: request.vouches,
            anchors,
            founded_at_s: now_s(),
            nonce: random()?,
        };
        charter.check().map_err(|error| {
            NodeError::bad_input(
                format!("{error}; nothing was founded"),
                "give the network a name, and a charter of at most 64 KiB",
            )
        })?;
        check_block(&charter.text, "nothing was founded")?;
        let network = charter.network();
        let what = format!("network founded: {}", charter.name);
        self.accept_charter(org, charter, None, &what, by)?;
        let mut info = self.network_info(network, Some(org))?;
        if request.vouches == 1 {
            info.asks.push(ADVICE.to_owned());
        }
        Ok(info)
    }
}

/// Refuses a rule by which nobody could ever be admitted.
fn check_founders(founders: usize, vouches: u32) -> Result<(), NodeError> {
    if vouches == 0 {
        return Err(NodeError::bad_input(
            "a newcomer needs at least one vouch; nothing was founded",
            "leave --vouches out, or give it 1 or more; 2 is a good choice",
        ));
    }
    if vouches as usize > founders {
        return Err(NodeError::bad_input(
            format!(
                "{vouches} members must vouch for a newcomer, but there {} only {founders}: nobody could ever be \
                 admitted; nothing was founded",
                if founders == 1 {
                    "is a single founder,"
                } else {
                    "are founders,"
                }
            ),
            format!(
                "name {} more with --founder ORG, by the ids that \"fingerpost org list\" shows on their machines; or ask \
                 for fewer vouches",
                vouches as usize - founders
            ),
        ));
    }
    if founders > limits::ANCHORS_MAX {
        return Err(NodeError::bad_input(
            format!(
                "a network has at most {} founders; nothing was founded",
                limits::ANCHORS_MAX
            ),
            "found it with some of them, and invite the others",
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_that_nobody_can_meet_is_refused() {
        assert_eq!(check_founders(1, 1), Ok(()));
        assert_eq!(check_founders(2, 2), Ok(()));
        let hint = |founders, vouches| check_founders(founders, vouches).unwrap_err().0.hint;
        assert!(hint(1, 2).unwrap().contains("name 1 more with --founder"));
        assert!(hint(2, 5).unwrap().contains("name 3 more"));
        assert!(hint(1, 0).is_some());
        assert_eq!(check_founders(limits::ANCHORS_MAX, 2), Ok(()));
        assert!(check_founders(limits::ANCHORS_MAX + 1, 2).is_err());
    }
}
