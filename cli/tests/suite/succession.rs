//! Closing, merging, and going on for an organisation that lost its key.

use super::{document, done, has, last_body, streams};
use crate::fake::{Fake, NAME};

const CLOSE: &[&str] = &["close", "--on", "2027-03-31", "--confirm", "Aid"];
const MERGE: &[&str] = &[
    "succession",
    "merge",
    "--into",
    "South Aid",
    "--confirm",
    "Aid",
];

#[test]
fn what_comes_after_an_organisation_is_told() {
    let fake = Fake::contented();
    for args in [CLOSE, MERGE] {
        let (data, talk) = done(&fake, args);
        has(
            &data,
            &[
                "Crèche [31mAid2J has become part of Aid & Co (org1",
                "has its last day on 2027-03-31; people can turn to South Aid (org1",
            ],
        );
        has(&talk, &["It had said so before. Nothing was changed."]);
        assert_eq!(document(&fake, args)["already"], true);
    }
    let advice = "Nobody is named to whom people can turn";
    has(&done(&fake, CLOSE).1, &[advice]);
    let named = [CLOSE, &["--clients-to", "South Aid"]].concat();
    assert!(!done(&fake, &named).1.contains(advice));
}

#[test]
fn going_on_after_all_needs_no_confirmation() {
    let fake = Fake::contented();
    for args in [
        &["close", "--cancel"][..],
        &["succession", "merge", "--cancel"],
        &["close", "--cancel", "--org", NAME],
    ] {
        done(&fake, args);
        assert_eq!(last_body(&fake)["confirm"], NAME, "{args:?}");
    }
    let output = fake.run(&["close", "--cancel", "--org", "Stranger"]);
    has(
        &streams(&output, 4).1,
        &["holds no such organisation", "fingerpost org list"],
    );
}

#[test]
fn closing_and_merging_must_be_confirmed() {
    let fake = Fake::contented();
    for args in [&CLOSE[..3], &MERGE[..4]] {
        let (_, talk) = streams(&fake.run(args), 2);
        has(&talk, &["must be confirmed", "--confirm"]);
    }
    assert_eq!(fake.requests().len(), 0);
}

#[test]
fn claims_are_made_signed_and_listed() {
    let fake = Fake::contented();
    let (data, talk) = done(&fake, &["succession", "propose", "Aid & Co"]);
    assert_eq!(
        data,
        "Crèche [31mAid2J claims to go on for Aid & Co: 1 of 2 signatures, signed by Gone; asked are \
         South Aid\n"
    );
    has(&talk, &["fingerpost succession sign org1", " --to org1"]);
    let (_, talk) = done(&fake, &["succession", "propose", "Aid & Co", "--withdraw"]);
    assert_eq!(talk, "");
    has(
        &done(&fake, &["succession", "sign", "Aid & Co"]).0,
        &["1 of 2 signatures"],
    );
    let (data, _) = done(&fake, &["succession", "status"]);
    has(&data, &["Aid & Co", "1 of 2", "Gone", "claimed"]);
    assert_eq!(data.lines().count(), 2);
    let listed = document(&fake, &["succession", "status"]);
    assert_eq!(listed["successions"][0]["needed"], 2);
}
