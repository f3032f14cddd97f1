//! Whether this machine's clock, or that of others, is wrong, as far as a node can tell.
//!
//! Nobody's clock is trusted, and no peer is asked for the time. But what is dated ahead of this node's clock is
//! refused, and so is what this node dates ahead of everybody else's: both leave traces here.

use std::collections::BTreeMap;

use fingerpost_proto::ids::{NodeId, OrgId};
use fingerpost_proto::record::Hash;
use fingerpost_proto::sync::Receipt;

use super::days::moment;

/// One odd item is somebody's mistake; this many are a clock.
const AHEAD_MIN: u64 = 3;
/// A change is held by others at the latest so long after it was made, if they were met since, in seconds.
const TAKEN_WITHIN_S: u64 = 60;

/// What to say if so many items were refused since the start because they are dated in the future.
pub(super) fn warn_of_the_future(refused: u64, now_s: u64) -> Option<String> {
    (refused >= AHEAD_MIN).then(|| {
        format!(
            "your clock or that of others is wrong: {refused} changes of others were refused because they are dated in the \
             future; by this machine it is {}. If that is not so, set its clock; if it is, theirs are ahead, and what they \
             send is taken when that time has come",
            moment(now_s)
        )
    })
}

/// An own organisation as it was last published.
pub(super) struct Latest {
    /// Which.
    pub(super) org: OrgId,
    /// Its name.
    pub(super) name: String,
    /// The hash over its undominated records.
    pub(super) fingerprint: Hash,
    /// When the last of them was issued.
    pub(super) issued_at_s: u64,
}

/// What to say if nodes were met since an own change, and none of them took it.
pub(super) fn warn_of_the_past(
    latest: &Latest,
    receipts: &BTreeMap<NodeId, Receipt>,
    now_s: u64,
) -> Option<String> {
    let since = latest.issued_at_s.saturating_add(TAKEN_WITHIN_S);
    let held = (latest.org, latest.fingerprint);
    // Those alone that hold anything of it: others may not see it at all.
    let met: Vec<&Receipt> = receipts
        .values()
        .filter(|receipt| receipt.at_s > since)
        .filter(|receipt| receipt.held.iter().any(|(org, _)| *org == latest.org))
        .collect();
    let nobody = !met.is_empty() && met.iter().all(|receipt| !receipt.held.contains(&held));
    nobody.then(|| {
        format!(
            "{} node(s) were met since the last change of {} and none has taken it: if this machine's clock is wrong (by it, \
             it is {}), others refuse what it dates in the future; set the clock, then change something",
            met.len(),
            latest.name,
            moment(now_s)
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_S: u64 = 1_796_083_200;

    #[test]
    fn one_odd_item_is_no_wrong_clock() {
        assert_eq!(warn_of_the_future(AHEAD_MIN - 1, NOW_S), None);
        let said = warn_of_the_future(AHEAD_MIN, NOW_S).unwrap();
        assert!(
            said.contains("your clock or that of others is wrong"),
            "{said}"
        );
        assert!(said.contains("2026-12-01 00:00 UTC"), "{said}");
    }

    #[test]
    fn a_change_that_nobody_takes_is_told() {
        let latest = Latest {
            org: OrgId::from_bytes([1; 32]),
            name: "Brixton Advice".into(),
            fingerprint: Hash::of(b"new"),
            issued_at_s: NOW_S,
        };
        let receipt = |at_s, org: u8, held: &[u8]| Receipt {
            at_s,
            held: vec![(OrgId::from_bytes([org; 32]), Hash::of(held))],
        };
        let warns = |receipts: Vec<Receipt>| {
            let nodes = (0..).map(|n| NodeId::from_bytes([n; 32]));
            warn_of_the_past(&latest, &nodes.zip(receipts).collect(), NOW_S).is_some()
        };
        let late = NOW_S + TAKEN_WITHIN_S + 1;
        assert!(warns(vec![
            receipt(late, 1, b"old"),
            receipt(late, 1, b"older")
        ]));
        assert!(!warns(vec![
            receipt(late, 1, b"old"),
            receipt(late, 1, b"new")
        ]));
        assert!(
            !warns(vec![receipt(late - 1, 1, b"old")]),
            "they may not have been asked yet"
        );
        assert!(
            !warns(vec![receipt(late, 2, b"old")]),
            "they may not see it"
        );
        assert!(!warns(Vec::new()));
    }
}
