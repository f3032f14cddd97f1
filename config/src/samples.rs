//! The listings that `fingerpost demo` imports when it is given no others.
//!
//! Facts come from a public catalogue, descriptions were written for this project, and the
//! organisations named have no part in it: `samples/README.md` has source and licence.

/// File name and JSON of each sample listing, in the order in which the demo hands them to nodes.
pub const ALL: &[(&str, &str)] = &[
    (
        "gm-womens-support-alliance.json",
        include_str!("../samples/gm-womens-support-alliance.json"),
    ),
    (
        "big-life-group.json",
        include_str!("../samples/big-life-group.json"),
    ),
    (
        "achieve-nw.json",
        include_str!("../samples/achieve-nw.json"),
    ),
    (
        "women-in-prison.json",
        include_str!("../samples/women-in-prison.json"),
    ),
    ("seetec.json", include_str!("../samples/seetec.json")),
    ("nacro.json", include_str!("../samples/nacro.json")),
];

/// What to say wherever the samples are shown.
pub const NOTICE: &str = "Sample listings: facts from the Ministry of Justice's public catalogue \
    (MIT licence, Crown copyright), descriptions by this project. The organisations named did not \
    publish them and have no part in this project.";

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;
    use std::collections::HashSet;

    /// Most that all samples together may add to a binary, in bytes.
    const TOTAL_MAX_BYTES: usize = 400 * 1024;

    fn parsed() -> Vec<(&'static str, Value)> {
        let parse = |json| serde_json::from_str(json).unwrap();
        ALL.iter()
            .map(|(file, json)| (*file, parse(json)))
            .collect()
    }

    fn services(sample: &Value) -> &[Value] {
        sample["services"].as_array().unwrap()
    }

    fn keys(value: &Value, found: &mut HashSet<String>) {
        match value {
            Value::Object(map) => {
                for (key, inner) in map {
                    found.insert(key.clone());
                    keys(inner, found);
                }
            }
            Value::Array(list) => list.iter().for_each(|inner| keys(inner, found)),
            _ => {}
        }
    }

    #[test]
    fn every_file_of_the_folder_is_bundled_once() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/samples");
        let mut on_disk: Vec<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name.ends_with(".json"))
            .collect();
        let mut bundled: Vec<String> = ALL.iter().map(|(file, _)| (*file).to_owned()).collect();
        on_disk.sort();
        bundled.sort();
        assert_eq!(bundled, on_disk);
        assert!(ALL.iter().map(|(_, json)| json.len()).sum::<usize>() <= TOTAL_MAX_BYTES);
    }

    #[test]
    fn every_sample_names_its_source_and_that_the_organisation_has_no_part() {
        for (file, sample) in parsed() {
            let source = &sample["x_source"];
            for key in ["publisher", "repository", "commit", "licence"] {
                assert!(
                    source[key].as_str().is_some_and(|text| !text.is_empty()),
                    "{file} {key}"
                );
            }
            let statement = source["statement"].as_str().unwrap();
            assert!(statement.contains("did not publish"), "{file}");
            assert!(statement.contains("no part"), "{file}");
            assert!(
                sample["description"].as_str().unwrap().contains("no part"),
                "{file}"
            );
        }
    }

    #[test]
    fn no_sample_carries_the_source_s_own_sentences() {
        for (file, sample) in parsed() {
            let mut found = HashSet::new();
            keys(&sample, &mut found);
            assert!(found.iter().all(|key| !key.ends_with("_raw")), "{file}");
        }
    }

    #[test]
    fn ids_are_unique_and_every_strand_has_its_service() {
        let mut organisations = HashSet::new();
        let mut ids = HashSet::new();
        for (file, sample) in parsed() {
            assert!(organisations.insert(sample["id"].clone()), "{file}");
            let own: HashSet<&Value> = services(&sample).iter().map(|one| &one["id"]).collect();
            for service in services(&sample) {
                assert!(
                    ids.insert(service["id"].clone()),
                    "{file} {}",
                    service["id"]
                );
                assert_eq!(service["organization_id"], sample["id"], "{file}");
                assert!(
                    service["description"].is_string(),
                    "{file} {}",
                    service["id"]
                );
                assert!(matches!(
                    service["status"].as_str(),
                    Some("active" | "defunct")
                ));
                if let Some(parent) = service.get("x_parent_service") {
                    assert!(own.contains(parent), "{file} {}", service["id"]);
                }
            }
        }
    }
}
