//! What two nodes of one organisation wrote differently.

use super::{document, done, has, last_body, streams};
use crate::fake::Fake;

#[test]
fn conflicts_are_listed_with_their_values() {
    let fake = Fake::contented();
    let (data, talk) = done(&fake, &["conflicts"]);
    has(
        &data,
        &[
            "c1  services/s-1/description of Crèche [31mAid2J (listing/0)\n",
            "  1  Warm[5m meals.  (alice, 21 September 2026",
            "  2  (empty)  (Crèche",
            "Not merged yet: board, written by node1",
            "its sealed document has not arrived",
        ],
    );
    has(
        &talk,
        &[
            "1 field with more than one value",
            "conflicts resolve ID --keep N",
        ],
    );
    assert_eq!(done(&fake, &["conflicts", "list"]).0, data);
    let listed = document(&fake, &["conflicts"]);
    assert_eq!(listed["conflicts"][0]["values"][0]["who"], "alice");
}

#[test]
fn a_conflict_is_resolved_with_a_number() {
    let fake = Fake::contented();
    let args = ["conflicts", "resolve", "c1", "--keep", "2"];
    let (data, talk) = done(&fake, &args);
    assert_eq!(data, "25 services added\n");
    has(&talk, &["stay in the document's history"]);
    assert_eq!(last_body(&fake)["keep"], 2);
    assert_eq!(document(&fake, &args)["summary"], "25 services added");
    has(
        &streams(&fake.run(&args[..3]), 2).1,
        &["nobody to ask", "--keep"],
    );
}
