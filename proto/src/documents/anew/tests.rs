use proptest::prelude::*;
use serde_json::json;

use super::*;

const SECRET: &str = "Ms Poe 07700 900123";

fn note(who: &str) -> ChangeNote {
    ChangeNote {
        who: who.to_owned(),
        ..ChangeNote::default()
    }
}

fn shard(services: &Value) -> Value {
    json!({"format": 1, "kind": "listing", "shard": 0, "services": services})
}

fn service(id: &str, name: &str) -> Value {
    json!({"id": id, "name": name})
}

/// A document on a node of its own.
fn on(document: &mut OwnDocument, node: u8) -> OwnDocument {
    OwnDocument::load(&document.save(), &[node; 16]).unwrap()
}

fn say(document: &mut OwnDocument, services: &Value, time_s: i64) {
    document
        .update(&shard(services), &note("someone"), time_s)
        .unwrap();
}

fn begun(services: &Value) -> OwnDocument {
    let mut document = OwnDocument::new(&[1; 16]);
    say(&mut document, services, 1);
    document
}

fn erase(document: &mut OwnDocument, ids: &[&str]) {
    let ids: Vec<String> = ids.iter().map(|id| (*id).to_owned()).collect();
    document.begin_anew(&ids, &note("eraser"), 9).unwrap();
}

fn services(document: &OwnDocument) -> Value {
    document.value().unwrap()["services"].clone()
}

fn merge(one: &mut OwnDocument, other: &mut OwnDocument) -> super::super::Merged {
    one.merge(other, &note("node"), 10).unwrap()
}

/// Merges all into each other until nothing changes; they then say the same.
fn settle(documents: &mut [OwnDocument]) {
    for round in 0..8 {
        let mut gained = false;
        for at in 0..documents.len() {
            for from in 0..documents.len() {
                if at != from {
                    let mut other = documents[from].clone();
                    gained |= merge(&mut documents[at], &mut other).gained;
                }
            }
        }
        if !gained {
            let heads = documents[0].heads();
            let value = documents[0].value().unwrap();
            for document in documents.iter_mut() {
                assert_eq!(document.heads(), heads);
                assert_eq!(document.value().unwrap(), value);
            }
            return;
        }
        assert!(round < 7, "they do not come to an end");
    }
}

/// Whether a text stands in the raw bytes of a document, packed or not.
fn contains(document: &mut OwnDocument, text: &str) -> bool {
    let plain = document.doc.save_nocompress();
    plain
        .windows(text.len())
        .any(|window| window == text.as_bytes())
}

#[test]
fn what_is_erased_is_gone_with_its_history() {
    let mut document = begun(&json!([service("a", "debt advice"), service("b", SECRET)]));
    say(
        &mut document,
        &json!([service("a", "advice"), service("b", SECRET)]),
        2,
    );
    assert!(contains(&mut document, SECRET));
    let before = document.value().unwrap();
    erase(&mut document, &["b"]);
    assert!(!contains(&mut document, SECRET));
    assert!(!contains(&mut document, "debt advice"), "an older version");
    assert_eq!(services(&document), json!([service("a", "advice")]));
    assert_eq!(document.generation(), 1);
    assert!(document.was_erased("b") && !document.was_erased("a"));
    let history = document.history();
    assert_eq!((history.len(), history[0].who.as_str()), (1, "eraser"));
    // Without anything to erase, it says what it said.
    let mut other = OwnDocument::new(&[1; 16]);
    other.update(&before, &note("x"), 1).unwrap();
    erase(&mut other, &[]);
    assert_eq!(other.value().unwrap(), before);
    // And it can be gone on from, after a restart too.
    let mut document = on(&mut document, 2);
    say(
        &mut document,
        &json!([service("a", "advice"), service("c", "c")]),
        3,
    );
    assert_eq!(document.generation(), 1);
    assert_eq!(document.history().len(), 2);
}

#[test]
fn a_sibling_takes_the_erasure_and_keeps_its_own_edits() {
    let mut office = begun(&json!([
        service("a", "a"),
        service("b", SECRET),
        service("d", "d")
    ]));
    let mut laptop = on(&mut office, 2);
    // Unseen by either: an edit before the erasure, and edits on the laptop.
    say(
        &mut office,
        &json!([service("a", "a"), service("b", SECRET), service("d", "dd")]),
        2,
    );
    let edited = json!([
        service("a", "aa"),
        service("b", "Ms Poe moved"),
        service("c", "c"),
        service("d", "d")
    ]);
    say(&mut laptop, &edited, 3);
    erase(&mut office, &["b"]);
    say(
        &mut office,
        &json!([service("a", "a"), service("d", "dd"), service("e", "e")]),
        4,
    );
    let all = json!([
        service("a", "aa"),
        service("c", "c"),
        service("d", "dd"),
        service("e", "e")
    ]);
    for turn in [false, true] {
        let (mut one, mut two) = (office.clone(), laptop.clone());
        let merged = match turn {
            false => merge(&mut one, &mut two),
            true => merge(&mut two, &mut one),
        };
        assert!(
            merged.gained && merged.ahead && merged.kept.is_empty(),
            "{merged:?}"
        );
        let result = if turn { &mut two } else { &mut one };
        assert_eq!(services(result), all, "{turn}");
        assert!(!contains(result, SECRET) && !contains(result, "Ms Poe moved"));
        assert!(result.conflicts().unwrap().is_empty());
    }
    let mut documents = [office, laptop];
    settle(&mut documents);
    assert_eq!(services(&documents[0]), all);
}

#[test]
fn what_both_wrote_is_shown_as_a_conflict() {
    let mut office = begun(&json!([service("a", "a"), service("b", "b")]));
    let mut laptop = on(&mut office, 2);
    say(
        &mut office,
        &json!([service("a", "of the office"), service("b", "b")]),
        2,
    );
    say(
        &mut laptop,
        &json!([service("a", "of the laptop"), service("b", "of the laptop")]),
        3,
    );
    erase(&mut office, &[]);
    say(
        &mut office,
        &json!([service("a", "of the office"), service("b", "of the office")]),
        4,
    );
    let mut documents = [office, laptop];
    settle(&mut documents);
    for document in &mut documents {
        let conflicts = document.conflicts().unwrap();
        let told: Vec<(String, usize)> = conflicts
            .iter()
            .map(|it| (it.path.join("/"), it.values.len()))
            .collect();
        assert_eq!(
            told,
            [("services/a/name".into(), 2), ("services/b/name".into(), 2)]
        );
    }
}

#[test]
fn a_change_there_wins_over_a_removal_here_and_a_removal_there_over_nothing() {
    let mut office = begun(&json!([
        service("a", "a"),
        service("b", "b"),
        service("c", "c")
    ]));
    let mut laptop = on(&mut office, 2);
    say(
        &mut office,
        &json!([service("b", "b"), service("c", "c")]),
        2,
    );
    say(
        &mut laptop,
        &json!([service("a", "aa"), service("c", "c")]),
        3,
    );
    erase(&mut office, &[]);
    merge(&mut laptop, &mut office);
    assert_eq!(
        services(&laptop),
        json!([service("a", "aa"), service("c", "c")])
    );
}

#[test]
fn conflicts_that_wait_still_do() {
    let mut office = begun(&json!([service("a", "a"), service("b", "b")]));
    let mut laptop = on(&mut office, 2);
    say(
        &mut office,
        &json!([service("a", "of the office"), service("b", "one")]),
        2,
    );
    say(
        &mut laptop,
        &json!([service("a", "of the laptop"), service("b", "two")]),
        3,
    );
    merge(&mut office, &mut laptop);
    let before = office.conflicts().unwrap();
    assert_eq!(before.len(), 2);
    erase(&mut office, &["b"]);
    let after = office.conflicts().unwrap();
    assert_eq!(after.len(), 1);
    assert_eq!(after[0].values, before[0].values);
    assert_eq!(services(&office)[0]["name"], before[0].values[0].value);
}

#[test]
fn two_that_erase_apart_end_with_neither() {
    let start = json!([
        service("a", "first secret"),
        service("b", "second secret"),
        service("c", "c")
    ]);
    let mut office = begun(&start);
    let mut laptop = on(&mut office, 2);
    let mut third = on(&mut office, 3);
    erase(&mut office, &["a"]);
    say(
        &mut office,
        &json!([
            service("b", "second secret"),
            service("c", "c"),
            service("d", "d")
        ]),
        2,
    );
    erase(&mut laptop, &["b"]);
    say(
        &mut laptop,
        &json!([service("a", "first secret"), service("c", "cc")]),
        3,
    );
    let edited = json!([
        service("a", "first secret"),
        service("b", "second secret"),
        service("c", "c"),
        service("e", "e")
    ]);
    say(&mut third, &edited, 4);
    let mut documents = [office, laptop, third];
    settle(&mut documents);
    for document in &mut documents {
        assert_eq!(
            services(document),
            json!([service("c", "cc"), service("d", "d"), service("e", "e")])
        );
        assert!(!contains(document, "first secret") && !contains(document, "second secret"));
        assert!(document.conflicts().unwrap().is_empty());
    }
}

#[test]
fn one_that_missed_several_beginnings_is_told_from_them() {
    let mut office = begun(&json!([
        service("a", "a"),
        service("b", "b"),
        service("c", "c")
    ]));
    let mut laptop = on(&mut office, 2);
    say(
        &mut laptop,
        &json!([
            service("a", "a"),
            service("b", "b"),
            service("c", "c"),
            service("z", "z")
        ]),
        2,
    );
    for id in ["a", "b"] {
        erase(&mut office, &[id]);
        let mut held = services(&office);
        held.as_array_mut()
            .unwrap()
            .push(service(&format!("{id}2"), "new"));
        say(&mut office, &held, 3);
    }
    assert_eq!(office.generation(), 2);
    merge(&mut laptop, &mut office);
    let all = json!([
        service("a2", "new"),
        service("b2", "new"),
        service("c", "c"),
        service("z", "z")
    ]);
    assert_eq!(services(&laptop), all);
}

#[test]
fn a_history_that_was_lost_loses_nothing_that_is_held() {
    let mut office = begun(&json!([service("a", "a"), service("b", "b")]));
    erase(&mut office, &["b"]);
    let state = office.value().unwrap();
    let mut anew = OwnDocument::recovered(&state, 1, &[5; 16], &note("node"), 5).unwrap();
    assert_eq!((anew.generation(), anew.value().unwrap()), (1, state));
    say(&mut anew, &json!([service("a", "a"), service("n", "n")]), 6);
    say(
        &mut office,
        &json!([service("a", "a"), service("o", "o")]),
        6,
    );
    let mut documents = [office, anew];
    settle(&mut documents);
    let all = json!([service("a", "a"), service("n", "n"), service("o", "o")]);
    assert_eq!(services(&documents[0]), all);
    let plain = OwnDocument::recovered(&shard(&json!([])), 0, &[5; 16], &note("node"), 5);
    assert_eq!(plain.unwrap().generation(), 0);
}

#[test]
fn what_is_remembered_of_former_histories_is_bounded() {
    let mut document = begun(&json!([service("a", "a")]));
    // Each start of a node is an actor of its own.
    for start in 0..40u16 {
        let mut actor = [0; 16];
        actor[..2].copy_from_slice(&start.to_be_bytes());
        document = OwnDocument::load(&document.save(), &actor).unwrap();
        say(&mut document, &json!([service("a", &start.to_string())]), 2);
        let ids: Vec<String> = (0..60).map(|id| format!("{start}-{id}")).collect();
        document.begin_anew(&ids, &note("eraser"), 3).unwrap();
    }
    let says = Beginning::of(&mut document.doc).says;
    assert_eq!(says.generation, 40);
    assert_eq!(says.erased.len(), limits::ERASED_MAX);
    assert!(document.was_erased("39-59") && !document.was_erased("0-0"));
    let size_bytes = serde_json::to_string(&says.lineage).unwrap().len();
    assert!(
        size_bytes < limits::LINEAGE_MAX_BYTES + 1024,
        "{size_bytes}"
    );
    // As many waiting values as are carried, and no more.
    let many = |with: &str| -> Value {
        let all =
            (0..limits::CONFLICTS_CARRIED_MAX + 2).map(|at| service(&format!("s{at:03}"), with));
        Value::Array(all.collect())
    };
    let mut office = begun(&many("start"));
    let mut laptop = on(&mut office, 2);
    say(&mut office, &many("office"), 2);
    say(&mut laptop, &many("laptop"), 2);
    merge(&mut office, &mut laptop);
    erase(&mut office, &[]);
    assert_eq!(
        office.conflicts().unwrap().len(),
        limits::CONFLICTS_CARRIED_MAX
    );
}

#[test]
fn whether_a_document_ever_held_something_is_known_from_its_history() {
    let mut document = begun(&json!([service("a", "a"), service("b", "b")]));
    say(&mut document, &json!([service("a", "a")]), 2);
    let ask = ["a", "b", "c"].map(String::from).into();
    let held = document.ever_held(&ask).unwrap();
    assert_eq!(held, ["a", "b"].map(String::from).into());
}

/// What a node does.
#[derive(Debug, Clone)]
enum Act {
    Put(u8, u8),
    Remove(u8),
    Erase(u8),
    Forget,
    Merge(u8),
}

fn any_act() -> impl Strategy<Value = (u8, Act)> {
    let act = prop_oneof![
        6 => (0..5u8, 0..4u8).prop_map(|(id, name)| Act::Put(id, name)),
        2 => (0..5u8).prop_map(Act::Remove),
        1 => (0..5u8).prop_map(Act::Erase),
        1 => Just(Act::Forget),
        3 => (0..3u8).prop_map(Act::Merge),
    ];
    (0..3u8, act)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]
    /// Whatever is edited, erased and merged on three nodes in whatever order: they end equal, and nothing that was
    /// erased stands in any of them, in no version.
    #[test]
    fn they_end_equal_and_without_what_was_erased(acts in prop::collection::vec(any_act(), 0..24)) {
        let mut start = begun(&json!([]));
        let mut documents: Vec<OwnDocument> = (1..4).map(|node| on(&mut start, node)).collect();
        let mut erased = BTreeSet::new();
        let mut texts = 0;
        for (node, act) in acts {
            let mut document = documents[usize::from(node)].clone();
            let mut held = services(&document).as_array().cloned().unwrap_or_default();
            match act {
                Act::Put(id, name) => {
                    // Ids are never used again, as with UUIDs.
                    if erased.contains(&id) || document.was_erased(&format!("s{id}")) { continue; }
                    texts += 1;
                    held.retain(|it| it["id"] != format!("s{id}"));
                    held.push(service(&format!("s{id}"), &format!("text-of-{id}-{name}-{texts}-")));
                    say(&mut document, &Value::Array(held), 5);
                }
                Act::Remove(id) => {
                    held.retain(|it| it["id"] != format!("s{id}"));
                    say(&mut document, &Value::Array(held), 5);
                }
                Act::Erase(id) => {
                    erased.insert(id);
                    erase(&mut document, &[&format!("s{id}")]);
                }
                Act::Forget => erase(&mut document, &[]),
                Act::Merge(other) => {
                    let mut other = documents[usize::from(other)].clone();
                    merge(&mut document, &mut other);
                }
            }
            documents[usize::from(node)] = on(&mut document, node + 1);
        }
        settle(&mut documents);
        for id in erased {
            for document in &mut documents {
                prop_assert!(!contains(document, &format!("text-of-{id}-")), "{}", id);
            }
        }
    }
}
