//! Counting what boards say about a service or a statement, by origin: each organisation counts once, however often
//! and through whomever its word arrives, and nobody counts in its own cause.

use std::collections::BTreeMap;

use super::{BoardState, Notice, Report, Verdict, text_hash};
use crate::ids::OrgId;

/// What is said of a service by others than its owner.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Findings {
    /// Those who say that something in the entry is wrong, the newest first.
    pub wrong: Vec<(OrgId, Report)>,
    /// Those who used the service and say that the entry is right, the newest first.
    pub right: Vec<(OrgId, Report)>,
}

/// What boards say of one service on a day written `YYYY-MM-DD`. `boards` are those of organisations whose word
/// counts; the owner's own does not.
#[must_use]
pub fn findings<'a>(
    owner: &OrgId,
    service: &str,
    boards: impl IntoIterator<Item = (&'a OrgId, &'a BoardState)>,
    today: &str,
) -> Findings {
    let owner_id = owner.to_string();
    let mut latest: BTreeMap<OrgId, &Report> = BTreeMap::new();
    for (org, board) in boards {
        if org == owner {
            continue;
        }
        let said = board.reports.iter().filter(|report| {
            report.organisation == owner_id
                && report.service == service
                && report.expires.as_str() >= today
        });
        for report in said {
            let known = latest.entry(*org).or_insert(report);
            if when(report) > when(known) {
                *known = report;
            }
        }
    }
    let mut findings = Findings::default();
    for (org, report) in latest {
        match report.verdict {
            Verdict::Wrong => findings.wrong.push((org, report.clone())),
            Verdict::Right => findings.right.push((org, report.clone())),
            Verdict::Other(_) => {}
        }
    }
    for list in [&mut findings.wrong, &mut findings.right] {
        list.sort_by(|(a, one), (b, other)| when(other).cmp(&when(one)).then(a.cmp(b)));
    }
    findings
}

/// When something was said; the id settles what was said at one moment, on every node alike.
fn when(report: &Report) -> (&str, u64, &str) {
    (&report.posted, report.posted_at_s.unwrap_or(0), &report.id)
}

/// Whether a report still stands after the owner confirmed its entry: `assured_date` is the day of that, and
/// `assured_at_s` the moment, where it is known.
#[must_use]
pub fn is_open(report: &Report, assured_date: Option<&str>, assured_at_s: Option<u64>) -> bool {
    match (report.posted_at_s, assured_at_s, assured_date) {
        // Within one second, and of one day alone, nobody can tell which came first: better to look once too often.
        (Some(said), Some(assured), _) => said >= assured,
        (_, _, Some(day)) => report.posted.as_str() >= day,
        (_, _, None) => true,
    }
}

/// Who signs a statement.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Signers {
    /// Those who signed the wording that it has now, each with the day.
    pub current: Vec<(OrgId, Option<String>)>,
    /// Those who signed another wording than the one it has now.
    pub earlier: Vec<(OrgId, Option<String>)>,
}

/// Who signs a statement of `owner`. Each organisation counts once; the owner, whose statement it is, does not.
#[must_use]
pub fn signers<'a>(
    owner: &OrgId,
    statement: &Notice,
    boards: impl IntoIterator<Item = (&'a OrgId, &'a BoardState)>,
) -> Signers {
    let (owner_id, hash) = (owner.to_string(), text_hash(statement));
    let mut signers = Signers::default();
    for (org, board) in boards {
        if org == owner {
            continue;
        }
        let signed = board
            .signatures
            .iter()
            .filter(|it| it.organisation == owner_id && it.notice == statement.id);
        let best = signed.max_by_key(|it| (it.text_hash == hash, it.posted.clone()));
        if let Some(signature) = best {
            let list = match signature.text_hash == hash {
                true => &mut signers.current,
                false => &mut signers.earlier,
            };
            list.push((*org, signature.posted.clone()));
        }
    }
    signers.current.sort();
    signers.current.dedup_by_key(|(org, _)| *org);
    signers.earlier.sort();
    signers.earlier.dedup_by_key(|(org, _)| *org);
    signers
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    const TODAY: &str = "2026-11-27";

    fn org(n: u8) -> OrgId {
        OrgId::from_bytes([n; 32])
    }

    fn report(id: &str, verdict: &str, posted_at_s: u64) -> serde_json::Value {
        json!({
            "id": id, "organisation": org(1).to_string(), "service": "s", "verdict": verdict,
            "posted": "2026-11-20", "posted_at_s": posted_at_s, "expires": "2027-01-01",
        })
    }

    fn board(reports: Vec<serde_json::Value>) -> BoardState {
        serde_json::from_value(json!({"format": 1, "kind": "board", "reports": reports})).unwrap()
    }

    fn count(boards: &[(OrgId, BoardState)]) -> (usize, usize) {
        let boards = boards.iter().map(|(org, board)| (org, board));
        let found = findings(&org(1), "s", boards, TODAY);
        (found.wrong.len(), found.right.len())
    }

    #[test]
    fn each_organisation_counts_once_by_its_latest_word_and_the_owner_not_at_all() {
        let many = board(vec![
            report("a", "wrong", 1),
            report("b", "right", 3),
            report("c", "wrong", 2),
        ]);
        assert_eq!(count(&[(org(2), many.clone())]), (0, 1));
        assert_eq!(count(&[(org(1), many.clone())]), (0, 0));
        assert_eq!(
            count(&[
                (org(2), many),
                (org(3), board(vec![report("a", "wrong", 1)]))
            ]),
            (1, 1)
        );
    }

    #[test]
    fn what_has_expired_or_is_about_another_service_does_not_count() {
        for (field, value) in [
            ("expires", json!("2026-11-26")),
            ("service", json!("t")),
            ("organisation", json!(org(5).to_string())),
            ("verdict", json!("moved")),
        ] {
            let mut changed = report("a", "wrong", 1);
            changed[field] = value;
            assert_eq!(count(&[(org(2), board(vec![changed]))]), (0, 0), "{field}");
        }
    }

    #[test]
    fn a_report_stands_until_the_owner_confirms_after_it() {
        let report: Report = serde_json::from_value(report("a", "wrong", 100)).unwrap();
        assert!(is_open(&report, None, None));
        assert!(is_open(&report, Some("2026-11-20"), None));
        assert!(!is_open(&report, Some("2026-11-21"), None));
        assert!(is_open(&report, Some("2026-11-20"), Some(100)));
        assert!(!is_open(&report, Some("2026-11-20"), Some(101)));
    }

    #[test]
    fn a_signature_counts_for_the_wording_that_was_signed() {
        let mut statement: Notice = serde_json::from_value(json!({
            "id": "n", "kind": "statement", "title": "One report", "expires": "2026-12-31",
        }))
        .unwrap();
        let signed = |hash: String| -> BoardState {
            serde_json::from_value(json!({"format": 1, "kind": "board", "signatures": [
                {"id": "x", "organisation": org(1).to_string(), "notice": "n", "text_hash": hash}]}))
            .unwrap()
        };
        let boards = [
            (org(1), signed(text_hash(&statement))),
            (org(2), signed(text_hash(&statement))),
            (org(3), signed("00".into())),
        ];
        let of = |statement: &Notice| {
            let all = boards.iter().map(|(org, board)| (org, board));
            let found = signers(&org(1), statement, all);
            (found.current.len(), found.earlier.len())
        };
        assert_eq!(of(&statement), (1, 1));
        statement.title.push('s');
        assert_eq!(of(&statement), (0, 2));
    }

    proptest! {
        /// Echo changes nothing: the same boards in any order, and each any number of times, give the same.
        #[test]
        fn counting_does_not_depend_on_order_or_repetition(
            verdicts in prop::collection::vec((2u8..6, any::<bool>(), 0u64..4), 0..8),
            again in prop::collection::vec(0usize..8, 0..8),
        ) {
            let mut boards: Vec<(OrgId, BoardState)> = Vec::new();
            for (at, (who, wrong, at_s)) in verdicts.iter().enumerate() {
                let verdict = if *wrong { "wrong" } else { "right" };
                boards.push((org(*who), board(vec![report(&format!("r{at}"), verdict, *at_s)])));
            }
            let all = |boards: &[(OrgId, BoardState)]| {
                findings(&org(1), "s", boards.iter().map(|(org, board)| (org, board)), TODAY)
            };
            let once = all(&boards);
            let mut echoed: Vec<_> = again.iter().filter_map(|at| boards.get(*at).cloned()).collect();
            echoed.extend(boards.iter().rev().cloned());
            prop_assert_eq!(all(&echoed), once);
        }
    }
}
