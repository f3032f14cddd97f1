//! Walks the public interface from end to end.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::client::Client;
use crate::plain::{ids, text};
use crate::schemas::Schemas;
use crate::union::{Key, Union, keys_of, places_of, sorted};

/// How many single entries are looked at.
const SINGLES: usize = 200;
/// Which ones is drawn from this; the same in every run.
const SEED: u64 = 20_261_127;
/// Entries on a page: pages end in the middle of listings.
const PER_PAGE: usize = 211;

/// Lists, with their schemas and those of single entries.
const LISTS: [(&str, &str, &str); 8] = [
    ("/services", "service_list", "service"),
    ("/services?full=true", "service_list", "service"),
    (
        "/service_at_locations",
        "service_at_location_list",
        "service_at_location",
    ),
    (
        "/service_at_locations?full=true",
        "service_at_location_list",
        "service_at_location",
    ),
    ("/organizations", "organization_list", "organization"),
    (
        "/organizations?full=true",
        "organization_list",
        "organization",
    ),
    ("/taxonomies", "taxonomy_list", "taxonomy"),
    ("/taxonomy_terms", "taxonomy_term_list", "taxonomy_term"),
];

/// Words that are names, which have one form: some in the data of each publisher.
const WORDS: [&str; 10] = [
    "stretford",
    "urmston",
    "altrincham",
    "chicago",
    "nottingham",
    "salford",
    "bristol",
    "cornwall",
    "bolton",
    "lambeth",
];

/// What there was to look at, in words.
pub(crate) async fn walk(client: &Client, schemas: &Schemas, union: &Union) -> String {
    let walk = Walk { client, union };
    let (pages, all) = walk.pages(schemas).await;
    walk.singles(schemas, &all).await;
    walk.lists_are_whole(&all).await;
    let terms = walk.terms(&all["/taxonomy_terms"]).await;
    walk.organisations(&all["/organizations"]).await;
    walk.moments(&all["/services"]).await;
    let words = walk.words().await;
    let near = walk.places().await;
    walk.together(&all["/services"]).await;
    format!(
        "{pages} pages and {SINGLES} single entries fit; {} services, {} places, {} organisations, {} terms; {terms} terms, \
         {words} words and {near} distances filter truly",
        all["/services"].len(),
        all["/service_at_locations"].len(),
        all["/organizations"].len(),
        all["/taxonomy_terms"].len(),
    )
}

struct Walk<'a> {
    client: &'a Client,
    union: &'a Union,
}

/// Numbers that look random (SplitMix64).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % sides as u64) as usize
    }
}

type Lists = BTreeMap<&'static str, Vec<Value>>;

impl Walk<'_> {
    async fn pages(&self, schemas: &Schemas) -> (usize, Lists) {
        schemas.check("api_details", &self.client.json("/").await);
        let (mut count, mut lists) = (0, Lists::new());
        for (path, list, _) in LISTS {
            let mut all = Vec::new();
            for page in self.client.pages(path, PER_PAGE).await {
                schemas.check(list, &page);
                all.extend(page["contents"].as_array().unwrap().clone());
                count += 1;
            }
            lists.insert(path, all);
        }
        (count, lists)
    }

    /// Some of everything, by id, whole.
    async fn singles(&self, schemas: &Schemas, all: &Lists) {
        let mut dice = Dice(SEED);
        for _ in 0..SINGLES {
            let (path, _, schema) = LISTS[dice.roll(LISTS.len())];
            let of = &all[path];
            let id = text(&of[dice.roll(of.len())]["id"]);
            let base = path.split('?').next().unwrap();
            let one = self.client.json(&format!("{base}/{id}")).await;
            assert_eq!(one["id"], *id, "{base}, seed {SEED}");
            schemas.check(schema, &one);
        }
    }

    /// The services that a request finds.
    async fn services(&self, query: &str) -> Vec<Key> {
        keys_of(&self.client.all(&format!("/services?{query}")).await)
    }

    async fn lists_are_whole(&self, all: &Lists) {
        let services = self.union.which(|_| true);
        assert_eq!(keys_of(&all["/services"]), services);
        assert_eq!(keys_of(&all["/services?full=true"]), services);
        assert_eq!(
            places_of(&all["/service_at_locations"]),
            self.union.places(|_, _| true)
        );
        let mut organisations: Vec<Key> = Vec::new();
        for own in &self.union.0 {
            organisations.push((own.org.clone(), own.id()));
        }
        let key = |it: &Value| (text(&it["x_fingerpost_id"]), text(&it["id"]));
        let shown = all["/organizations"].iter().map(key).collect();
        assert_eq!(sorted(shown), sorted(organisations));
        assert_eq!(ids(&all["/taxonomy_terms"]), self.union.terms());
        let minimal = self.client.all("/services?minimal=true").await;
        assert_eq!(minimal.len(), services.len());
        let lines = self.client.lines("/services?format=ndjson").await;
        assert_eq!(lines, all["/services"]);
    }

    /// By every term that services have, and by every taxonomy; how many terms.
    async fn terms(&self, terms: &[Value]) -> usize {
        for term in terms {
            let id = text(&term["id"]);
            let one = BTreeSet::from([id.clone()]);
            let wanted = self.union.which(|it| it.is_filed(None, &one));
            assert_eq!(
                self.services(&format!("taxonomy_term_id={}", escaped(&id)))
                    .await,
                wanted,
                "{id}"
            );
        }
        for taxonomy in self.client.all("/taxonomies").await {
            let id = text(&taxonomy["id"]);
            let of_it = terms.iter().filter(|it| it["taxonomy_id"] == *id);
            let of_it: BTreeSet<String> = of_it.map(|it| text(&it["id"])).collect();
            assert!(!of_it.is_empty(), "{taxonomy}");
            let query = format!("taxonomy_id={}", escaped(&id));
            assert_eq!(
                self.services(&query).await,
                self.union.which(|it| it.is_filed(None, &of_it)),
                "{id}"
            );
            let places = self
                .client
                .all(&format!("/service_at_locations?{query}"))
                .await;
            assert_eq!(
                places_of(&places),
                self.union
                    .places(|it, place| it.is_filed(Some(place), &of_it)),
                "{id}"
            );
            let found = self.client.all(&format!("/taxonomy_terms?{query}")).await;
            assert_eq!(ids(&found), of_it, "{id}");
        }
        let parents: BTreeSet<&str> = terms
            .iter()
            .filter_map(|it| it["parent_id"].as_str())
            .collect();
        for parent in parents {
            let found = self
                .client
                .all(&format!("/taxonomy_terms?parent_id={}", escaped(parent)))
                .await;
            let under = terms.iter().filter(|it| it["parent_id"] == *parent);
            assert_eq!(
                ids(&found),
                under.map(|it| text(&it["id"])).collect(),
                "{parent}"
            );
        }
        let top = self.client.all("/taxonomy_terms?top_only=true").await;
        let under_none = terms.iter().filter(|it| it["parent_id"].is_null());
        assert_eq!(ids(&top), under_none.map(|it| text(&it["id"])).collect());
        terms.len()
    }

    async fn organisations(&self, organisations: &[Value]) {
        let mut by_id: BTreeSet<String> = ids(organisations);
        by_id.extend(organisations.iter().map(|it| text(&it["x_fingerpost_id"])));
        for id in by_id {
            let query = format!("organization_id={}", escaped(&id));
            let wanted = self.union.which(|it| it.own.id() == id || it.own.org == id);
            assert_eq!(self.services(&query).await, wanted, "{id}");
            let places = self
                .client
                .all(&format!("/service_at_locations?{query}"))
                .await;
            let wanted = self
                .union
                .places(|it, _| it.own.id() == id || it.own.org == id);
            assert_eq!(places_of(&places), wanted, "{id}");
        }
        let whole = self
            .client
            .pages("/organizations?full_service=true", 7)
            .await;
        let contents = whole
            .iter()
            .flat_map(|page| page["contents"].as_array().unwrap());
        let services = contents.flat_map(|it| it["services"].as_array().unwrap().clone());
        assert_eq!(
            keys_of(&services.collect::<Vec<_>>()),
            self.union.which(|_| true)
        );
    }

    async fn moments(&self, services: &[Value]) {
        let mut moments: Vec<String> = services
            .iter()
            .map(|it| text(&it["last_modified"]))
            .collect();
        moments.sort();
        for at in [0, moments.len() / 3, moments.len() / 2, moments.len() - 1] {
            let moment = &moments[at];
            let found = self.services(&format!("modified_after={moment}")).await;
            let later = services
                .iter()
                .filter(|it| it["last_modified"].as_str().unwrap() >= moment.as_str());
            assert_eq!(
                found,
                keys_of(&later.cloned().collect::<Vec<_>>()),
                "{moment}"
            );
        }
        // What a listing says of it is what is shown.
        let said = |it: &Value| {
            it["last_modified"]
                .as_str()
                .and_then(|it| Some(it.get(..19)?.to_owned()))
        };
        let mut own: Vec<String> = self
            .union
            .services()
            .filter_map(|it| said(it.service))
            .collect();
        let shown: BTreeSet<String> = services.iter().filter_map(said).collect();
        own.retain(|moment| !shown.contains(moment));
        assert_eq!(own, Vec::<String>::new());
        assert_eq!(self.services("modified_after=2999-01-01").await, []);
    }

    /// By words; how many were found anywhere.
    async fn words(&self) -> usize {
        let mut found = 0;
        for word in WORDS {
            let wanted = self.union.which(|it| it.has_word(word));
            if wanted.is_empty() {
                continue;
            }
            found += 1;
            assert_eq!(
                self.services(&format!("search={word}")).await,
                wanted,
                "{word}"
            );
            for other in WORDS.iter().filter(|it| **it != word) {
                let both = self
                    .union
                    .which(|it| it.has_word(word) && it.has_word(other));
                if !both.is_empty() {
                    assert_eq!(
                        self.services(&format!("search={word}%20{other}")).await,
                        both,
                        "{word} {other}"
                    );
                }
            }
        }
        assert!(found >= WORDS.len() / 2, "{found} of {WORDS:?}");
        found
    }

    async fn places(&self) -> usize {
        let mut count = 0;
        for outcode in ["M32", "SW9", "WA14", "BS1"] {
            for metres in [None, Some(1_000), Some(10_000), Some(200_000)] {
                let proximity = metres.map_or(String::new(), |it| format!("&proximity={it}"));
                let path = format!("/service_at_locations?postcode={outcode}%201AA{proximity}");
                let found = places_of(&self.client.all(&path).await);
                let wanted = self.union.near(outcode, metres);
                assert_eq!(found, wanted, "{outcode} {metres:?}");
                count += usize::from(!wanted.is_empty());
            }
        }
        assert!(count >= 8, "{count}");
        count
    }

    /// Several parameters at once.
    async fn together(&self, services: &[Value]) {
        let mut dice = Dice(SEED);
        let organisation = loop {
            let service = &services[dice.roll(services.len())];
            let id = text(&service["organization"]["id"]);
            if self
                .union
                .which(|it| it.own.id() == id && it.has_word("nottingham"))
                .len()
                > 1
            {
                break id;
            }
        };
        let query = format!(
            "search=nottingham&organization_id={}",
            escaped(&organisation)
        );
        let wanted = self
            .union
            .which(|it| it.own.id() == organisation && it.has_word("nottingham"));
        assert_eq!(self.services(&query).await, wanted);
        assert_eq!(
            self.services(&format!("{query}&modified_after=2999-01-01"))
                .await,
            []
        );
        for bad in [
            "page=0",
            "per_page=x",
            "full=maybe",
            "modified_after=soon",
            "format=xml",
        ] {
            assert_eq!(
                self.client.get(&format!("/services?{bad}"), &[]).await.0,
                400,
                "{bad}"
            );
        }
        let beyond = self.client.json("/services?page=9999").await;
        assert_eq!(
            (&beyond["empty"], &beyond["size"]),
            (&json!(true), &json!(0))
        );
    }
}

/// A value as it stands in a query.
fn escaped(text: &str) -> String {
    let is_plain = |it: u8| it.is_ascii_alphanumeric() || b"-._~".contains(&it);
    text.bytes()
        .map(|it| match is_plain(it) {
            true => char::from(it).to_string(),
            false => format!("%{it:02X}"),
        })
        .collect()
}
