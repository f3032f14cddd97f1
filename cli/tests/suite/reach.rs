//! The ways to other nodes, and the settings.

use std::fs;

use fingerpost_proto::api::Pinged;
use serde_json::json;

use super::{document, done, has, last_body, streams};
use crate::fake::{Fake, org, run_in, silent};

#[test]
fn each_node_is_listed_with_the_way_to_it() {
    let fake = Fake::contented();
    let (data, _) = done(&fake, &["peers"]);
    let lines: Vec<&str> = data.lines().collect();
    assert_eq!(lines.len(), 4, "{data}");
    has(lines[0], &["path", "round trip", "it lacks", "we lack"]);
    has(
        lines[1],
        &[
            "relayed by Crèche [31mAid2J 5",
            "41.2 ms",
            "never",
            "nothing",
        ],
    );
    has(lines[2], &["direct, QUIC, local network"]);
    has(lines[3], &["not connected"]);
    let listed = document(&fake, &["peers"]);
    assert_eq!(listed["peers"][0]["path"], "relayed");
    assert_eq!(listed["peers"][0]["round_trip_us"], 41_250);

    let address = ["peers", "add", "node.example.org:7787"];
    has(
        &done(&fake, &address).0,
        &["Connected with the node of", "/dns/node.example.org"],
    );
    assert_eq!(
        last_body(&fake),
        json!({"address": "node.example.org:7787"})
    );
    let nobody = Fake::new(|_| (200, br#"{"peers": []}"#.to_vec()));
    has(
        &done(&nobody, &["peers"]).0,
        &["fingerpost join TICKET", "peers add ADDRESS"],
    );
}

#[test]
fn status_says_how_others_reach_this_node() {
    let fake = Fake::contented();
    has(
        &done(&fake, &["status"]).0,
        &[
            "Reached by others\n  Others reach this node through the node of",
            "To do: forward port 7787",
            "It relays for 2 nodes: 1 connection now, 12 connections since the start.",
            "last exchange never",
            "Of it over relays: ",
        ],
    );
    let status = document(&fake, &["status"]);
    assert_eq!(status["reachability"]["way"], "relayed");
}

#[test]
fn a_ping_fails_when_nothing_comes_back() {
    let fake = Fake::contented();
    let (data, _) = done(&fake, &["ping", "Aid", "--count", "3"]);
    has(
        &data,
        &[
            "relayed by Crèche",
            "21.5 ms, 20.0 ms",
            "2 of 3 questions came back: least 20.0 ms, middle 21.5 ms, greatest 21.5 ms",
            "not connected:\n  it did not answer",
        ],
    );
    assert_eq!(last_body(&fake), json!({"org": "Aid", "times": 3}));
    for count in ["0", "101", "many"] {
        streams(&fake.run(&["ping", "Aid", "--count", count]), 2);
    }
    let away = Pinged {
        organisation: org(),
        nodes: vec![silent()],
    };
    let away = serde_json::to_vec(&away).unwrap();
    let fake = Fake::new(move |_| (200, away.clone()));
    let (data, talk) = streams(&fake.run(&["ping", "Aid"]), 1);
    has(&data, &["it did not answer"]);
    has(&talk, &["can be reached now", "fingerpost doctor"]);
}

#[test]
fn settings_are_shown_and_changed_with_their_comments() {
    let fake = Fake::contented();
    let file = fake.home().join("config.toml");
    fs::write(&file, "[network]\nmdns = false # too noisy\n").unwrap();
    let (data, _) = done(&fake, &["config", "show"]);
    let line = |name: &str| {
        data.lines()
            .find(|it| it.starts_with(name))
            .unwrap_or_default()
    };
    has(line("network.mdns"), &["false", "changed"]);
    assert!(!line("network.relay").contains("changed"), "{data}");

    let (data, _) = done(
        &fake,
        &["config", "set", "relay=true", "sync.interval_s=30"],
    );
    has(
        &data,
        &[
            "network.relay = true",
            "sync.interval_s = 30",
            "Restart the daemon",
        ],
    );
    let text = fs::read_to_string(&file).unwrap();
    has(
        &text,
        &[
            "mdns = false # too noisy\nrelay = true\n",
            "interval_s = 30",
        ],
    );
    let shown = document(&fake, &["config", "show"]);
    let relay = shown["settings"].as_array().unwrap().iter();
    let mut relay = relay.filter(|it| it["key"] == "network.relay");
    assert_eq!(relay.next().unwrap()["is_default"], false);

    for (change, code, said) in [
        ("relay", 2, "KEY=VALUE"),
        ("relay=perhaps", 1, "true or false"),
        ("relais=true", 1, "there is no setting"),
        ("port=1", 1, "metrics.port"),
    ] {
        let (data, talk) = streams(&fake.run(&["config", "set", change]), code);
        assert_eq!(data, "");
        has(&talk, &[said, "hint: "]);
    }
    assert_eq!(fs::read_to_string(&file).unwrap(), text);

    // No daemon need run for it.
    let home = tempfile::tempdir().unwrap();
    let (data, _) = streams(
        &run_in(home.path(), &["config", "set", "relay=true"], b""),
        0,
    );
    has(&data, &["when the daemon starts"]);
}
