//! Combining two trees that come from one: what each changed, without the history between them.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::tree::collection_name;

type Tree = Map<String, Value>;

/// What becomes of two trees.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Combined {
    /// Both sides' changes. Where both changed one field, it has the value of the other side.
    pub(super) tree: Tree,
    /// The fields that both changed, each to something else.
    pub(super) disputed: Vec<Vec<String>>,
}

/// Adds to `ours` what `theirs` changed of `base`. A change wins over a removal, as everywhere.
pub(super) fn combine(base: &Tree, ours: &Tree, theirs: &Tree) -> Combined {
    let mut disputed = Vec::new();
    let tree = combine_at(base, ours, theirs, &mut Vec::new(), &mut disputed);
    Combined { tree, disputed }
}

fn combine_at(
    base: &Tree,
    ours: &Tree,
    theirs: &Tree,
    place: &mut Vec<String>,
    disputed: &mut Vec<Vec<String>>,
) -> Tree {
    let keys: BTreeSet<&String> = ours.keys().chain(theirs.keys()).collect();
    let nothing = Tree::new();
    let mut tree = Tree::new();
    for key in keys {
        let was = base.get(key);
        let value = match (ours.get(key), theirs.get(key)) {
            (Some(Value::Object(ours)), Some(Value::Object(theirs))) => {
                place.push(key.clone());
                let was = was.and_then(Value::as_object).unwrap_or(&nothing);
                let inner = combine_at(was, ours, theirs, place, disputed);
                place.pop();
                Some(Value::Object(inner))
            }
            (Some(ours), Some(theirs)) => {
                let both_changed = was != Some(ours) && was != Some(theirs) && ours != theirs;
                if both_changed {
                    let mut field = place.clone();
                    field.push(key.clone());
                    disputed.push(field);
                }
                let chosen = if was == Some(theirs) { ours } else { theirs };
                Some(chosen.clone())
            }
            // One side lacks it: it was removed there, unless the other side made or changed it.
            (Some(one), None) | (None, Some(one)) => (was != Some(one)).then(|| one.clone()),
            (None, None) => None,
        };
        tree.extend(value.map(|value| (key.clone(), value)));
    }
    tree
}

/// What two trees have in common: a stand-in for the tree that both come from, if that is not known. What only one
/// of them has then counts as made by it, so that nothing is lost.
pub(super) fn common(one: &Tree, other: &Tree) -> Tree {
    let shared = one.iter().filter_map(|(key, value)| {
        let value = match (value, other.get(key)?) {
            (Value::Object(one), Value::Object(other)) => Value::Object(common(one, other)),
            (one, other) => (one == other).then(|| one.clone())?,
        };
        Some((key.clone(), value))
    });
    shared.collect()
}

/// Takes out the entities with these ids, wherever they stand.
pub(super) fn strip(tree: &mut Tree, ids: &BTreeSet<String>) {
    for (key, value) in tree.iter_mut() {
        let Value::Object(inner) = value else {
            continue;
        };
        if collection_name(key).is_some() {
            inner.retain(|id, _| !ids.contains(id));
        }
        strip(inner, ids);
    }
}

/// The ids of all entities of a tree.
pub(super) fn entity_ids(tree: &Tree) -> BTreeSet<String> {
    let mut ids = BTreeSet::new();
    for (key, value) in tree {
        let Value::Object(inner) = value else {
            continue;
        };
        if collection_name(key).is_some() {
            ids.extend(inner.keys().cloned());
        }
        ids.append(&mut entity_ids(inner));
    }
    ids
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn tree(value: Value) -> Tree {
        value.as_object().unwrap().clone()
    }

    fn combined(base: Value, ours: Value, theirs: Value) -> (Value, Vec<Vec<String>>) {
        let found = combine(&tree(base), &tree(ours), &tree(theirs));
        (Value::Object(found.tree), found.disputed)
    }

    #[test]
    fn each_side_keeps_what_it_did() {
        let base =
            json!({"a": 1, "b": 1, "s[]": {"one": {"n": 1}, "two": {"n": 1}, "three": {"n": 1}}});
        let ours = json!({"a": 2, "b": 1, "s[]": {"one": {"n": 1}, "three": {"n": 1}, "four": {}}});
        let theirs = json!({"a": 1, "s[]": {"two": {"n": 2}, "three": {"n": 3}, "five": {}}});
        let (tree, disputed) = combined(base, ours, theirs);
        // One was removed there, two was removed here and changed there.
        let all =
            json!({"a": 2, "s[]": {"two": {"n": 2}, "three": {"n": 3}, "four": {}, "five": {}}});
        assert_eq!((tree, disputed), (all, vec![]));
    }

    #[test]
    fn a_field_that_both_changed_is_disputed() {
        let base = json!({"s[]": {"one": {"n": 1, "l": [1]}}});
        let ours = json!({"s[]": {"one": {"n": 2, "l": [1, 2]}}});
        let theirs = json!({"s[]": {"one": {"n": 3, "l": [1, 2]}}});
        let (tree, disputed) = combined(base, ours, theirs);
        assert_eq!(tree, json!({"s[]": {"one": {"n": 3, "l": [1, 2]}}}));
        assert_eq!(disputed, [["s[]", "one", "n"]]);
    }

    #[test]
    fn without_a_base_nothing_is_lost() {
        let (one, other) = (
            json!({"a": 1, "s[]": {"x": {"n": 1}, "z": {"n": 1}}}),
            json!({"a": 2, "s[]": {"y": {"n": 1}, "z": {"n": 1}}}),
        );
        let base = common(&tree(one.clone()), &tree(other.clone()));
        assert_eq!(Value::Object(base.clone()), json!({"s[]": {"z": {"n": 1}}}));
        let (tree, disputed) = combined(Value::Object(base), one, other);
        assert_eq!(disputed, [["a"]]);
        let all = json!({"a": 2, "s[]": {"x": {"n": 1}, "y": {"n": 1}, "z": {"n": 1}}});
        assert_eq!(tree, all);
    }

    #[test]
    fn what_was_erased_goes_wherever_it_stands() {
        let mut held = tree(json!({
            "services[]": {"a": {"phones[]": {"p": {}, "q": {}}}, "b": {}}, "b": {"p": 1}, "x_list": [{"id": "b"}],
        }));
        let ids = BTreeSet::from(["b".to_owned(), "p".to_owned()]);
        assert_eq!(
            entity_ids(&held),
            ["a", "b", "p", "q"].map(String::from).into()
        );
        strip(&mut held, &ids);
        let left = json!({"services[]": {"a": {"phones[]": {"q": {}}}}, "b": {"p": 1}, "x_list": [{"id": "b"}]});
        assert_eq!(Value::Object(held), left);
    }

    fn any_tree() -> impl Strategy<Value = Tree> {
        let field = || prop::collection::btree_map("[a-c]", 0..3u8, 0..3);
        let entities = prop::collection::btree_map("[p-s]", field(), 0..4);
        (field(), entities).prop_map(|(fields, entities)| {
            let mut tree: Tree = fields
                .into_iter()
                .map(|(key, value)| (key, value.into()))
                .collect();
            tree.insert("s[]".into(), serde_json::to_value(entities).unwrap());
            tree
        })
    }

    proptest! {
        #[test]
        fn who_changed_nothing_brings_nothing(base in any_tree(), ours in any_tree()) {
            let nothing_new = Combined { tree: ours.clone(), disputed: Vec::new() };
            prop_assert_eq!(combine(&base, &ours, &base), nothing_new.clone());
            prop_assert_eq!(combine(&base, &base, &ours), nothing_new.clone());
            prop_assert_eq!(combine(&base, &ours, &ours), nothing_new);
        }

        #[test]
        fn both_sides_come_to_the_same_but_for_what_is_disputed(base in any_tree(), one in any_tree(), two in any_tree()) {
            let (left, right) = (combine(&base, &one, &two), combine(&base, &two, &one));
            prop_assert_eq!(&left.disputed, &right.disputed);
            if left.disputed.is_empty() {
                prop_assert_eq!(left.tree, right.tree);
            }
        }
    }
}
