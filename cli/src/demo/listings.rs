//! The listings that the demo imports, and what it looks for in them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use fingerpost_config::samples;
use fingerpost_proto::limits;
use serde::Deserialize;

use crate::demo::failed;
use crate::error::CliError;

/// Shortest word worth searching for, in letters.
const WORD_MIN_LETTERS: usize = 4;

/// Most words of a search.
const WORDS_MAX: usize = 3;

/// One listing, as it is imported, and what the demo needs to know of it.
#[derive(Debug)]
pub(super) struct Input {
    /// File name, for messages.
    pub(super) file: String,
    /// The file as it is.
    pub(super) json: String,
    /// Name of the organisation.
    pub(super) name: String,
    /// Its services, strands included.
    pub(super) services: Vec<ServiceRef>,
}

/// A service in a listing file.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct ServiceRef {
    /// Its id.
    pub(super) id: String,
    /// Its name.
    pub(super) name: String,
}

#[derive(Deserialize)]
struct Organisation {
    name: String,
    services: Vec<ServiceRef>,
}

/// A search whose answer is known from the files.
#[derive(Debug)]
pub(super) struct Question {
    /// The words.
    pub(super) text: String,
    /// A service of the first listing that has all of them in its name.
    pub(super) service: ServiceRef,
}

/// All listings of a folder, by file name, or the bundled samples.
///
/// # Errors
/// [`CliError`] when the folder or one of its files cannot be used.
pub(super) fn load(dir: Option<&Path>) -> Result<Vec<Input>, CliError> {
    let Some(dir) = dir else {
        return samples::ALL
            .iter()
            .map(|(file, json)| parse(file, (*json).to_owned()))
            .collect();
    };
    let what = dir.display().to_string();
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(CliError::file(&*what))? {
        let path = entry.map_err(CliError::file(&*what))?.path();
        if path.extension().is_some_and(|ending| ending == "json") && path.is_file() {
            paths.push(path);
        }
    }
    paths.sort();
    if paths.is_empty() {
        return Err(CliError::usage(
            format!("There is no *.json file in {what}."),
            "Name a folder with listings, or leave --listings out for the bundled samples.",
        ));
    }
    let read = |path: &std::path::PathBuf| {
        let file = path.display().to_string();
        let json = std::fs::read_to_string(path).map_err(CliError::file(&*file))?;
        parse(&file, json)
    };
    paths.iter().map(read).collect()
}

fn parse(file: &str, json: String) -> Result<Input, CliError> {
    if json.len() > limits::IMPORT_MAX_BYTES {
        return Err(failed(format!("{file} is larger than a listing may be.")));
    }
    let organisation: Organisation = serde_json::from_str(&json).map_err(|error| {
        failed(format!(
            "{file} is not an organisation with services: {error}"
        ))
    })?;
    Ok(Input {
        file: file.to_owned(),
        json,
        name: organisation.name,
        services: organisation.services,
    })
}

/// Chooses words from the name of a service of the first listing: the service, of those there, that
/// shares its rarest words with the fewest services of all listings.
///
/// # Errors
/// [`CliError::Demo`] when the first listing has no service with a word in its name.
pub(super) fn question(inputs: &[Input]) -> Result<Question, CliError> {
    let names: Vec<BTreeSet<String>> = inputs
        .iter()
        .flat_map(|input| &input.services)
        .map(|one| words(&one.name))
        .collect();
    let mut frequency: BTreeMap<&str, usize> = BTreeMap::new();
    for word in names.iter().flatten() {
        *frequency.entry(word).or_default() += 1;
    }
    let own = inputs
        .first()
        .map(|first| first.services.as_slice())
        .unwrap_or_default();
    let choice = own.iter().filter_map(|service| {
        let mut rarest: Vec<String> = words(&service.name).into_iter().collect();
        rarest.sort_by_key(|word| frequency.get(word.as_str()).copied().unwrap_or(0));
        rarest.truncate(WORDS_MAX);
        let shares = |name: &&BTreeSet<String>| rarest.iter().all(|word| name.contains(word));
        let shared = names.iter().filter(shares).count();
        (!rarest.is_empty()).then_some((shared, rarest, service))
    });
    let (_, words, service) = choice
        .min_by_key(|(shared, ..)| *shared)
        .ok_or_else(|| failed("The first listing has no service that could be searched for."))?;
    Ok(Question {
        text: words.join(" "),
        service: service.clone(),
    })
}

/// Words that any search splits alike: those with an apostrophe are left out.
fn words(name: &str) -> BTreeSet<String> {
    name.split(|letter: char| !letter.is_alphabetic() && !matches!(letter, '\'' | '’'))
        .filter(|word| word.chars().count() >= WORD_MIN_LETTERS)
        .filter(|word| word.chars().all(char::is_alphabetic))
        .map(str::to_lowercase)
        .collect()
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]
mod tests {
    use super::*;

    #[test]
    fn the_samples_can_be_used_and_asked_about() {
        let inputs = load(None).unwrap();
        assert!(inputs.len() >= 6);
        let question = question(&inputs).unwrap();
        assert!(
            inputs[0]
                .services
                .iter()
                .any(|one| one.id == question.service.id)
        );
        for word in question.text.split(' ') {
            assert!(
                question.service.name.to_lowercase().contains(word),
                "{question:?}"
            );
        }
    }

    #[test]
    fn the_rarest_words_of_the_first_listing_are_chosen() {
        let listing = |names: &[&str]| {
            let services: Vec<_> = names
                .iter()
                .map(|name| serde_json::json!({"id": format!("id of {name}"), "name": name}))
                .collect();
            let json = serde_json::json!({"name": "Org", "services": services});
            parse("x.json", json.to_string()).unwrap()
        };
        let inputs = [
            listing(&["Housing support in Leeds", "Housing support with crèche"]),
            listing(&["Housing support in Leeds"]),
        ];
        let question = question(&inputs).unwrap();
        assert_eq!(question.service.name, "Housing support with crèche");
        assert!(question.text.starts_with("crèche"), "{}", question.text);
        assert!(super::question(&[listing(&["a b"])]).is_err());
    }

    #[test]
    fn a_folder_is_read_by_name_and_a_bad_file_is_named() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(load(Some(dir.path())).unwrap_err().kind().1, 2);
        let write = |file: &str, text: &str| std::fs::write(dir.path().join(file), text).unwrap();
        write("b.json", r#"{"name": "B", "services": []}"#);
        write(
            "a.json",
            r#"{"name": "A", "services": [{"id": "1", "name": "One"}]}"#,
        );
        write("README.md", "no listing");
        let inputs = load(Some(dir.path())).unwrap();
        let names: Vec<&str> = inputs.iter().map(|input| input.name.as_str()).collect();
        assert_eq!(names, ["A", "B"]);
        write("c.json", "[]");
        assert!(
            load(Some(dir.path()))
                .unwrap_err()
                .to_string()
                .contains("c.json")
        );
        assert_eq!(
            load(Some(&dir.path().join("none"))).unwrap_err().kind().1,
            1
        );
    }
}
