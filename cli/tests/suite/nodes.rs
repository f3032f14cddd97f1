//! Organisations of a node, and the nodes of an organisation.

use fingerpost_proto::ids::{NodeId, OrgId};

use super::{NODE, document, done, file, has, last_body, streams};
use crate::fake::{Fake, run_in};

#[test]
fn the_ids_of_the_table_are_whole() {
    assert_eq!(NodeId::from_bytes([6; 32]).to_string(), NODE);
    assert_eq!(OrgId::from_bytes([9; 32]).to_string(), super::FOUNDER);
}

#[test]
fn org_list_shows_which_is_current_and_where_its_key_is() {
    let (data, _) = done(&Fake::contented(), &["org", "list"]);
    for column in ["current", "role", "root key"] {
        assert!(data.lines().next().unwrap().contains(column), "{data}");
    }
    has(&data, &["yes", "admin", "here", "3 entries"]);
}

#[test]
fn org_use_hand_over_and_rekey_say_what_comes_next() {
    let fake = Fake::contented();
    let (data, talk) = done(&fake, &["org", "use", "Aid"]);
    assert_eq!(data, format!("{}\n", OrgId::from_bytes([1; 32])));
    has(&talk, &["Commands mean Crèche [31mAid2J from now on"]);

    let args = ["org", "hand-over", "Aid", "--to", NODE];
    let (data, talk) = done(&fake, &args);
    assert_eq!(data, "fingerpostpass1_abc\n");
    has(
        &talk,
        &[
            "fingerpost node join PASS",
            "It holds the root key, encrypted",
            "by itself, and the key here is wiped",
        ],
    );
    assert_eq!(document(&fake, &args)["pass"], "fingerpostpass1_abc");

    let args = ["org", "rekey", "--confirm", "Aid"];
    let (data, talk) = done(&fake, &args);
    assert_eq!(data, format!("{}\n", OrgId::from_bytes([1; 32])));
    has(
        &talk,
        &[
            "Its other nodes follow by themselves",
            "fingerpost key print",
        ],
    );
    assert!(!talk.contains("node add"), "{talk}");
    let (_, talk) = streams(&fake.run(&["org", "rekey"]), 2);
    has(&talk, &["must be confirmed", "--confirm"]);
}

#[test]
fn ids_are_printed_whole_and_alone() {
    let fake = Fake::contented();
    let node = NodeId::from_bytes([2; 32]).to_string();
    let (data, talk) = done(&fake, &["node", "id"]);
    assert_eq!((data, talk.as_str()), (format!("{node}\n"), ""));
    assert_eq!(document(&fake, &["node", "id"])["node"], node);

    let org = OrgId::from_bytes([1; 32]).to_string();
    for args in [&["org", "id"][..], &["org", "id", &org]] {
        let (data, talk) = done(&fake, args);
        assert_eq!((data, talk.as_str()), (format!("{org}\n"), ""));
    }
    assert_eq!(document(&fake, &["org", "id"])["id"], org);
    let (_, talk) = streams(&fake.run(&["org", "id", "Nobody"]), 4);
    has(
        &talk,
        &["holds no such organisation", "fingerpost org list"],
    );
}

#[test]
fn a_new_organisation_is_told_to_print_its_key() {
    let (_, talk) = done(&Fake::contented(), &["org", "create", "--name", "Aid"]);
    has(
        &talk,
        &["Whoever loses its key loses it", "fingerpost key print"],
    );
}

#[test]
fn node_list_leaves_blank_what_is_not_known() {
    let (data, _) = done(&Fake::contented(), &["node", "list"]);
    let row = data.lines().last().unwrap();
    let short = NodeId::from_bytes([12; 32]).short();
    let words: Vec<&str> = row.split_whitespace().collect();
    assert_eq!(words, [short.as_str(), "revoked", "on", "2027-05-11"]);
}

#[test]
fn node_list_and_add() {
    let fake = Fake::contented();
    let (data, _) = done(&fake, &["node", "list"]);
    has(
        &data,
        &["this node", "editor", "2026-09-21", "revoked on 2027-01-15"],
    );
    assert_eq!(
        document(&fake, &["node", "list"])["nodes"][1]["revoked_at_s"],
        1_800_000_000
    );
    let (data, talk) = done(&fake, &["node", "add", NODE]);
    assert_eq!(data, "fingerpostpass1_abc\n");
    has(&talk, &["Only that node can read it"]);
    let short = NodeId::from_bytes([6; 32]).short();
    let (_, talk) = streams(&fake.run(&["node", "add", &short]), 2);
    has(&talk, &["full identifier is needed", "fingerpost node id"]);
}

#[test]
fn a_pass_is_taken_from_a_file_or_standard_input_whole() {
    let fake = Fake::contented();
    // As it comes out of a letter: broken over lines.
    let (_dir, path) = file("pass.txt", "fingerpostpass1_\n  abc\r\n");
    let (_, talk) = done(&fake, &["node", "join", "--file", path.to_str().unwrap()]);
    has(
        &talk,
        &[
            "writes for Crèche [31mAid2J as admin",
            "and holds its root key",
        ],
    );
    assert_eq!(last_body(&fake)["pass"], "fingerpostpass1_abc");
    streams(
        &run_in(
            fake.home(),
            &["node", "join", "-"],
            b"fingerpostpass1_xyz\n",
        ),
        0,
    );
    assert_eq!(last_body(&fake)["pass"], "fingerpostpass1_xyz");
}

#[test]
fn a_node_is_revoked_only_when_the_name_fits() {
    let fake = Fake::contented();
    let (_, talk) = streams(&fake.run(&["node", "revoke", "node1x"]), 2);
    has(&talk, &["must be confirmed", "--confirm"]);
    assert_eq!(fake.requests().len(), 0);

    let output = fake.run(&["node", "revoke", "node1x", "--confirm", "Another"]);
    has(
        &streams(&output, 1).1,
        &["does not match", "Nothing was changed", "hint: "],
    );
    assert!(
        fake.requests()
            .iter()
            .all(|one| one.line.starts_with("GET"))
    );

    let args = ["node", "revoke", "node1x", "--confirm", "Crèche [31mAid2J"];
    let (data, talk) = done(&fake, &args);
    has(
        &data,
        &[
            NODE,
            "last record of listing/0 that counts: number 12 of 15 January 2027",
        ],
    );
    has(&talk, &["fingerpost org rekey"]);
    assert_eq!(document(&fake, &args)["last"][0]["seq"], 12);
}
