//! Charters, invitations, joining, vouching, objecting, blocking and being away.

use std::fs::File;

use fingerpost_proto::api;
use fingerpost_proto::ids::{CharterId, NetworkId};
use fingerpost_proto::limits::CHARTER_MAX_BYTES;

use super::{FOUNDER, document, done, file, has, last_body, streams};
use crate::fake::{Fake, NAME, other, run_in, text};

#[test]
fn found_advises_two_vouches_and_tells_the_other_founders() {
    let fake = Fake::contented();
    let (data, talk) = done(&fake, &["found", "North West"]);
    assert_eq!(data, format!("{}\n", NetworkId::from_bytes([3; 32])));
    has(&talk, &["was founded", "--vouches 2 --founder ORG"]);

    let (_dir, charter) = file("charter.txt", "Be kind.\n");
    let charter = charter.to_str().unwrap();
    let args = [
        "found",
        "North West",
        "--vouches",
        "2",
        "--founder",
        FOUNDER,
    ];
    let (_, talk) = done(&fake, &[&args[..], &["--charter", charter]].concat());
    assert!(!talk.contains("With one vouch"), "{talk}");
    has(
        &talk,
        &["The other founder must accept the charter with a ticket"],
    );
    assert_eq!(last_body(&fake)["charter"], "Be kind.\n");
    assert_eq!(document(&fake, &args)["place"], "applicant");
}

#[test]
fn found_refuses_what_could_never_admit_anybody() {
    let fake = Fake::contented();
    let args = ["found", "North West", "--vouches", "3"];
    let (_, talk) = streams(&fake.run(&args), 2);
    has(
        &talk,
        &[
            "With 3 vouches needed and 1 founder",
            "Name 2 more founders",
        ],
    );
    // One who is named twice is one founder.
    let twice = ["--founder", FOUNDER, "--founder", FOUNDER];
    let (_, talk) = streams(&fake.run(&[&args[..], &twice].concat()), 2);
    has(&talk, &["and 2 founders", "Name 1 more founder with"]);
    let (_, talk) = streams(&fake.run(&["found", "N", "--founder", "org1qqqq"]), 2);
    has(&talk, &["Which founder?", "fingerpost org id"]);
    assert_eq!(fake.requests().len(), 0);
}

#[test]
fn an_empty_or_huge_charter_is_refused_before_the_daemon_is_asked() {
    let fake = Fake::contented();
    let (_dir, path) = file("charter.txt", " \n\t\n");
    let charter = path.to_str().unwrap();
    for args in [
        &["found", "North West", "--charter", charter][..],
        &["charter", "propose", charter],
    ] {
        std::fs::write(&path, " \n\t\n").unwrap();
        let (_, talk) = streams(&fake.run(args), 1);
        has(&talk, &["is empty", "Nothing was changed", "hint: "]);
        File::create(&path).unwrap().set_len(10_000_000).unwrap();
        let (_, talk) = streams(&fake.run(args), 1);
        has(&talk, &["is larger than", "Nothing was changed"]);
        // Whatever is written to it, no more than the limit is read.
        let long = "x".repeat(CHARTER_MAX_BYTES + 1);
        std::fs::write(&path, &long).unwrap();
        streams(&fake.run(args), 1);
        std::fs::write(&path, [0xff, 0xfe]).unwrap();
        has(&streams(&fake.run(args), 1).1, &["UTF-8"]);
    }
    let output = run_in(fake.home(), &["charter", "propose", "-"], b"");
    has(&streams(&output, 1).1, &["Standard input is empty"]);
    assert_eq!(fake.requests().len(), 0);
}

#[test]
fn charter_show_says_who_accepted_what_and_when_and_what_lacks() {
    let fake = Fake::contented();
    let (data, _) = done(&fake, &["charter", "show"]);
    has(
        &data,
        &[
            "1 vouch needed to join; 3 members have a voice",
            "Meet once a year.",
            "The founding text is accepted by: Crèche [31mAid2J (2026-09-21), Aid & Co (2026-09-21), New Key (2026-09-21), Second Founder (2026-09-21), Newer Key (2026-09-21)\n",
            "Accepted by: Crèche [31mAid2J (2027-01-15)",
            "1 of 2 acceptances needed; 1 lacking. Not yet: Aid & Co\n",
            "  - vouches needed: 1\n  + vouches needed: 2\n",
            "  - Meet once a year.\n  + Meet every month.\n",
        ],
    );
    assert!(!data.contains("+ Be kind"), "{data}");
    let shown = document(&fake, &["charter", "show"]);
    assert_eq!(shown["accepted"][1]["name"], "Aid & Co");
    assert_eq!(shown["accepted"][1]["at_s"], 1_790_000_000);
    assert_eq!(shown["accepted"].as_array().unwrap().len(), 5);
    assert_eq!(shown["proposed"][0]["needed"], 2);
}

#[test]
fn charter_propose_and_accept_say_what_changes_and_what_lacks() {
    let fake = Fake::contented();
    let id = CharterId::from_bytes([6; 32]);
    let args = ["charter", "propose", "--vouches", "2"];
    let (data, talk) = done(&fake, &args);
    assert_eq!(data, format!("{id}\n"));
    has(
        &talk,
        &[
            "- vouches needed: 1\n+ vouches needed: 2\n",
            "- Meet once a year.\n+ Meet every month.\n",
            "comes into force with 2 acceptances; it has 1 so far",
            &format!("fingerpost charter accept {}", id.short()),
        ],
    );
    let (_, talk) = done(&fake, &["charter", "accept"]);
    has(&talk, &["Accepted. "]);
    assert_eq!(document(&fake, &args)["accepted"][0]["at_s"], 1_800_000_000);
}

#[test]
fn invite_draws_the_ticket_beside_printing_it() {
    let fake = Fake::contented();
    let (data, talk) = done(&fake, &["invite", "--qr"]);
    assert_eq!(data, "fingerpost-ticket\n");
    let drawn = talk.lines().filter(|line| line.starts_with('█'));
    assert!(drawn.count() > 10, "{talk}");
    let (_, talk) = done(&fake, &["invite"]);
    assert!(!talk.contains('█'), "{talk}");
    let (_, talk) = streams(&fake.run(&["invite", "--qr", "--json"]), 2);
    has(&talk, &["\"code\":\"usage\""]);
}

#[test]
fn invitations_are_listed_and_cancelled() {
    let fake = Fake::contented();
    let (data, _) = done(&fake, &["invite", "list"]);
    has(
        &data,
        &[
            "used",
            "18 May 2033",
            "also Copycat, which must be vouched for",
            "for Crèche",
        ],
    );
    assert_eq!(data.lines().count(), 2, "{data}");
    let listed = document(&fake, &["invite", "list"]);
    assert_eq!(listed["invitations"][0]["state"], "used");
    let (_, talk) = done(&fake, &["invite", "cancel", "inv1x"]);
    has(&talk, &["is cancelled"]);
}

#[test]
fn waiting_shows_who_vouches_and_what_lacks() {
    let fake = Fake::contented();
    let (data, talk) = done(&fake, &["waiting"]);
    has(
        &data,
        &[
            "South Aid",
            "2026-09-21",
            "1 of 2: Crèche [31mAid2J",
            "came with an invitation that Crèche [31mAid2J had used already",
            "vouch of Aid & Co on its way",
        ],
    );
    assert!(
        !data.contains("Gone"),
        "a vouch that does not count: {data}"
    );
    has(&talk, &["asks for 2 vouches", "fingerpost vouch ORG"]);
    assert_eq!(document(&fake, &["waiting"])["applicants"][0]["missing"], 1);

    let nobody = api::Waiting {
        network: NetworkId::from_bytes([3; 32]),
        name: "North West".into(),
        vouches_needed: 1,
        applicants: Vec::new(),
    };
    let body = serde_json::to_vec(&nobody).unwrap();
    let fake = Fake::new(move |_| (200, body.clone()));
    let (data, talk) = done(&fake, &["waiting"]);
    assert_eq!(
        (data.as_str(), talk.as_str()),
        ("", "Nobody waits to join North West.\n")
    );
}

#[test]
fn what_is_said_about_another_is_told_in_one_sentence() {
    let fake = Fake::contented();
    for args in [
        &["vouch", "South Aid"][..],
        &["object", "South Aid", "--reason", "x"],
        &["object", "South Aid", "--withdraw"],
    ] {
        let (data, talk) = done(&fake, args);
        assert_eq!(talk, "");
        assert_eq!(
            data,
            "North West: Crèche [31mAid2J has spoken. (It had been said before; nothing was changed.)\n"
        );
        assert_eq!(document(&fake, args)["subject"]["name"], "South Aid");
    }
}

#[test]
fn blocks_are_set_ended_and_listed() {
    let fake = Fake::contented();
    let (data, talk) = done(&fake, &["block", "South Aid"]);
    has(&data, &["Crèche [31mAid2J"]);
    has(
        &talk,
        &["Nobody else's view is changed", "fingerpost unblock ORG"],
    );
    has(
        &done(&fake, &["unblock", "South Aid"]).1,
        &["No longer blocked"],
    );
    assert_eq!(
        document(&fake, &["block", "--list"])["blocked"][0]["name"],
        NAME
    );

    let none = serde_json::to_vec(&api::Blocks {
        blocked: Vec::new(),
        changed: false,
    })
    .unwrap();
    let fake = Fake::new(move |_| (200, none.clone()));
    has(&done(&fake, &["block", "--list"]).1, &["blocks nobody"]);
    has(&done(&fake, &["unblock", "x"]).1, &["was not blocked"]);
    has(&done(&fake, &["block", "x"]).1, &["was blocked already"]);
}

#[test]
fn members_shows_the_whole_of_each() {
    let fake = Fake::contented();
    let (data, _) = done(&fake, &["members"]);
    let header = data.lines().next().unwrap();
    for column in ["name", "id", "state", "since", "vouches", "seen", "listing"] {
        assert!(header.contains(column), "{header}");
    }
    has(
        &data,
        &[
            "needs none",
            "this node",
            "latest",
            "Aid & Co is blocked on this node\n",
            "older",
            "1 of 2: Crèche [31mAid2J",
            "waiting",
            "Objections to Aid & Co: 1 of the 2 that remove it\n",
            "  Crèche [31mAid2J on 2027-01-15: Crèche [31mAid2J says so\n",
            "no reason (does not count)",
            "Aid & Co is away from 2026-12-20 to 2027-01-04: ask Crèche",
            "Aid & Co has its last day on 2027-03-31; people can turn to South Aid (org1",
        ],
    );
    let row = |name: &str| data.lines().find(|line| line.starts_with(name)).unwrap();
    has(row("New Key"), &["by succession", "none yet"]);
    has(
        row("Second Founder"),
        &["needs none; has Crèche [31mAid2J  "],
    );
    has(row("Newer Key"), &["by succession", "latest"]);
    has(row("Older Key"), &["succeeded"]);
    has(row("Old Key"), &["succeeded", "1 of 2: Crèche"]);
    assert!(!row("Aid & Co").contains("by succession"), "{data}");
    let shown = document(&fake, &["members"]);
    assert_eq!(shown["vouches_needed"], 2);
    assert_eq!(shown["members"][1]["objections_needed"], 2);
    // The second request asks about the very network that the first has found.
    let lines: Vec<String> = fake.requests().into_iter().map(|one| one.line).collect();
    let network = NetworkId::from_bytes([3; 32]);
    assert_eq!(lines[1], format!("GET /v1/waiting?network={network}"));
}

#[test]
fn being_away_is_told_with_its_days() {
    let fake = Fake::contented();
    let args = ["away", "--until", "2027-01-04"];
    let (data, _) = done(&fake, &args);
    has(
        &data,
        &["is away from 2026-12-20 to 2027-01-04: ask Crèche"],
    );
    assert_eq!(document(&fake, &args)["pauses"][0]["until"], "2027-01-04");
    let none = serde_json::to_vec(&api::Pauses {
        organisation: other(8, "South Aid"),
        pauses: Vec::new(),
    })
    .unwrap();
    let fake = Fake::new(move |_| (200, none.clone()));
    let (data, talk) = done(&fake, &["away", "--back"]);
    assert_eq!(data, "");
    has(&talk, &["South Aid is open to referrals"]);
    let output = fake.run(&["away", "--until", "2027-01-04", "--from", "2027-02-01"]);
    has(&streams(&output, 2).1, &["end before it begins"]);
}

#[test]
fn status_says_what_to_do_and_names_the_node_in_full() {
    let fake = Fake::contented();
    let (data, _) = done(&fake, &["status"]);
    let node = fingerpost_proto::ids::NodeId::from_bytes([2; 32]);
    has(
        &data,
        &[
            "Waiting for: a member to be reached",
            "To do: vouch for Crèche [31mAid2J",
            &node.to_string(),
        ],
    );
    let output = fake.run(&["status", "--json"]);
    has(text(&output.stdout), &["\"asks\":[\"vouch for "]);
}

#[test]
fn show_says_first_where_to_go_and_when_it_is_shut() {
    let (data, _) = done(&Fake::contented(), &["show", "s-1"]);
    let mut lines = data.lines();
    assert_eq!(lines.next(), Some("Service s-1"));
    has(
        lines.next().unwrap(),
        &["has become part of Aid & Co (org1"],
    );
    has(
        lines.next().unwrap(),
        &["last day on 2027-03-31", "people can turn to South Aid"],
    );
    has(
        lines.next().unwrap(),
        &["is away from 2026-12-20 to 2027-01-04"],
    );
    assert_eq!(lines.next(), Some(""));
}
