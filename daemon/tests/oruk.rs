//! The public interface over real listings: every page fits the schemas of Open Referral UK 3.0, and every parameter
//! finds what a plain look at the files finds.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

#[path = "oruk/client.rs"]
mod client;
mod common;
#[path = "oruk/plain.rs"]
mod plain;
#[path = "oruk/schemas.rs"]
mod schemas;
#[path = "corpus/shared.rs"]
mod shared;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use client::Client;
use common::{Site, until};
use fingerpost_config::PublicApiSettings;
use fingerpost_daemon::node::{By, Importing, Node};
use fingerpost_proto::api::CreateOrg;
use fingerpost_proto::geography;
use fingerpost_proto::limits::SERVICES_PER_SHARD_MAX;
use plain::{covers, ids, is_within, terms, text};
use schemas::Schemas;
use serde_json::{Value, json};
use shared::shared;

/// Files of real listings that the node holds, each as an organisation of its own.
const LISTINGS: usize = 12;

/// A node whose public interface is open, and what its listings say.
struct Served {
    site: Site,
    client: Client,
    /// Each service as its file has it, by id.
    services: BTreeMap<String, Value>,
}

async fn serve(site: &Site, settings: PublicApiSettings) -> Client {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let node = Arc::clone(site.node());
    tokio::spawn(async move {
        let never = std::future::pending();
        fingerpost_daemon::oruk::serve_on(listener, &settings, node, never).await
    });
    Client(address)
}

fn open() -> PublicApiSettings {
    PublicApiSettings {
        requests_per_minute: 1_000_000,
        ..PublicApiSettings::default()
    }
}

fn import(node: &Node, name: &str, file: &[u8]) {
    let by = By::user("test").unwrap();
    let request = CreateOrg {
        name: name.to_owned(),
        identifiers: Vec::new(),
    };
    let org = node.create_org(&request, &by).unwrap();
    node.import(&org.id, file, Importing::default(), &by)
        .unwrap();
}

async fn served(folder: PathBuf) -> Served {
    let site = Site::start("Publisher").await;
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|it| it == "json"))
        .collect();
    files.sort();
    let mut services = BTreeMap::new();
    for path in files.into_iter().take(LISTINGS) {
        let bytes = std::fs::read(&path).unwrap();
        let raw: Value = serde_json::from_slice(&bytes).unwrap();
        for service in raw["services"].as_array().unwrap() {
            services.insert(text(&service["id"]), service.clone());
        }
        let name = raw["name"].as_str().unwrap().to_owned();
        let node = Arc::clone(site.node());
        tokio::task::spawn_blocking(move || import(&node, &name, &bytes))
            .await
            .unwrap();
    }
    let (bytes, made_up) = with_places();
    services.extend(made_up);
    let node = Arc::clone(site.node());
    tokio::task::spawn_blocking(move || import(&node, "Made up", &bytes))
        .await
        .unwrap();
    let node = Arc::clone(site.node());
    // The organisations themselves, and the node's own first one, are entries too.
    let wanted = (services.len() + LISTINGS + 2) as u64;
    until("the index has everything", move || {
        node.status().unwrap().index.entries >= wanted
    })
    .await;
    let client = serve(&site, open()).await;
    Served {
        site,
        client,
        services,
    }
}

/// A listing of which some places say where they are and some do not, with its services by id: the real ones here name
/// areas alone.
fn with_places() -> (Vec<u8>, BTreeMap<String, Value>) {
    let uuid = |kind: u128, n: usize| uuid::Uuid::from_u128(kind << 64 | n as u128).to_string();
    let codes = ["M32", "M33", "WA14", "SE5", "M1"];
    let areas = ["Trafford", "Lambeth", "Greater Manchester", "England"];
    let service = |n: usize| {
        let code = codes[n % codes.len()];
        let point = geography::place(code).unwrap().point;
        let degrees = |tenths: i32| f64::from(tenths) / 10_000.0;
        let mut location =
            json!({"id": uuid(3, n), "name": format!("House {n}"), "location_type": "physical"});
        if !n.is_multiple_of(3) {
            let address = json!({"id": uuid(4, n), "address_1": "1 High Street", "postal_code": format!("{code} 0TH")});
            location["addresses"] = json!([address]);
        }
        if n.is_multiple_of(4) {
            location["latitude"] = json!(degrees(point.lat_e4) + 0.01);
            location["longitude"] = json!(degrees(point.lng_e4));
        }
        let mut service = json!({
            "id": uuid(1, n), "name": format!("Housing advice {n}"), "status": "active",
            "url": (["https://example.org/a", "www.example.org", "see the poster"][n % 3]),
            "email": (["advice@example.org", "ask at the door"][n % 2]),
            "last_modified": format!("2026-{:02}-01T10:00:00", n % 9 + 1),
            "service_at_locations": [{"id": uuid(2, n), "location": location}],
            "schedules": [{"id": uuid(6, n), "freq": (["WEEKLY", "DAILY"][n % 2]), "byday": "MO"}],
        });
        if n.is_multiple_of(5) {
            // It serves what its parent does, which stands in another shard.
            if n >= SERVICES_PER_SHARD_MAX {
                service["x_parent_service"] = json!(uuid(1, n - SERVICES_PER_SHARD_MAX));
            }
        } else {
            service["service_areas"] = json!([{"id": uuid(5, n), "name": areas[n % areas.len()]}]);
        }
        service
    };
    let services: Vec<Value> = (0..2 * SERVICES_PER_SHARD_MAX).map(service).collect();
    let file = json!({"id": uuid(9, 0), "name": "Made up", "services": services});
    let by_id = services.into_iter().map(|it| (text(&it["id"]), it));
    (file.to_string().into_bytes(), by_id.collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_fit_the_schemas_and_parameters_filter_truly() {
    let Some((folder, schemas)) = shared("data/moj-oruk").zip(Schemas::load()) else {
        return;
    };
    let served = served(folder).await;
    every_page_fits(&served, &schemas).await;
    services_are_filtered(&served).await;
    places_are_filtered(&served).await;
    terms_are_filtered(&served).await;
    drop(served.site);
}

async fn every_page_fits(served: &Served, schemas: &Schemas) {
    let client = &served.client;
    let details = client.json("/").await;
    schemas.check("api_details", &details);
    assert_eq!(details["version"], "HSDS-UK-3.0");
    let openapi = client.json("/openapi.json").await;
    for (path, list, single) in [
        ("/services", "service_list", "service"),
        ("/services?full=true", "service_list", "service"),
        (
            "/service_at_locations",
            "service_at_location_list",
            "service_at_location",
        ),
        ("/organizations", "organization_list", "organization"),
        ("/taxonomies", "taxonomy_list", "taxonomy"),
        ("/taxonomy_terms", "taxonomy_term_list", "taxonomy_term"),
    ] {
        let pages = client.pages(path, 97).await;
        let mut all = Vec::new();
        for page in &pages {
            schemas.check(list, page);
            all.extend(page["contents"].as_array().unwrap().clone());
        }
        assert!(!all.is_empty(), "{path}");
        assert_eq!(ids(&all).len(), all.len(), "{path}: each once");
        let base = path.split('?').next().unwrap();
        assert!(
            openapi["paths"][format!("{base}/{{id}}")].is_object(),
            "{base}"
        );
        // Some two hundred in all, spread over everything.
        for one in all.iter().step_by(all.len() / 40 + 1) {
            let one = client.json(&format!("{base}/{}", text(&one["id"]))).await;
            schemas.check(single, &one);
        }
        assert_eq!(client.get(&format!("{base}/nowhere"), &[]).await.0, 404);
    }
    let services = client.all("/services").await;
    assert_eq!(ids(&services), served.services.keys().cloned().collect());
    let has_null = |value: &Value| value.as_object().unwrap().values().any(Value::is_null);
    assert!(!services.iter().any(has_null), "nulls are left out");
    let minimal = client.all("/services?minimal=true").await;
    assert_eq!(ids(&minimal), ids(&services));
    assert!(
        minimal
            .iter()
            .all(|it| it["modified_date"].is_string() && it["organization"].is_null())
    );
    let lines = client.lines("/services?format=ndjson&full=true").await;
    assert_eq!(lines, client.all("/services?full=true").await);
}

async fn services_are_filtered(served: &Served) {
    let (client, services) = (&served.client, &served.services);
    let looked = |fits: &dyn Fn(&Value) -> bool| -> BTreeSet<String> {
        let all = services.iter().filter(|(_, service)| fits(service));
        all.map(|(id, _)| id.clone()).collect()
    };
    let mut by_term: BTreeMap<String, usize> = BTreeMap::new();
    for term in services.values().flat_map(terms) {
        *by_term.entry(text(&term["id"])).or_default() += 1;
    }
    for id in by_term.keys() {
        let found = client
            .all(&format!("/services?taxonomy_term_id={id}"))
            .await;
        let wanted = looked(&|service| terms(service).any(|term| term["id"] == **id));
        assert_eq!(ids(&found), wanted, "{id}");
    }
    let taxonomies = client.all("/taxonomies").await;
    for taxonomy in &taxonomies {
        let (id, name) = (text(&taxonomy["id"]), &taxonomy["name"]);
        let found = client.all(&format!("/services?taxonomy_id={id}")).await;
        let wanted = looked(&|service| {
            terms(service).any(|term| term["taxonomy_id"] == *id || term["taxonomy"] == *name)
        });
        assert!(!wanted.is_empty());
        assert_eq!(ids(&found), wanted, "{id}");
    }
    let mut sum = 0;
    for organization in client.all("/organizations").await {
        let id = text(&organization["id"]);
        let found = client.all(&format!("/services?organization_id={id}")).await;
        assert!(found.iter().all(|it| it["organization"]["id"] == *id));
        let whole = client
            .json(&format!("/organizations/{id}?full_service=true"))
            .await;
        assert_eq!(ids(whole["services"].as_array().unwrap()), ids(&found));
        sum += found.len();
    }
    assert_eq!(sum, services.len());
    let all = client.all("/services").await;
    let mut moments: Vec<String> = all.iter().map(|it| text(&it["last_modified"])).collect();
    moments.sort();
    for moment in [
        &moments[0],
        &moments[moments.len() / 2],
        "2026-01-01",
        "2999-01-01",
    ] {
        let found = client
            .all(&format!("/services?modified_after={moment}"))
            .await;
        let later = all
            .iter()
            .filter(|it| it["last_modified"].as_str().unwrap() >= moment);
        assert_eq!(
            ids(&found),
            later.map(|it| text(&it["id"])).collect(),
            "{moment}"
        );
    }
    let found = client.all("/services?search=housing").await;
    assert!(!found.is_empty());
    for service in &found {
        let said = services[&text(&service["id"])].to_string().to_lowercase();
        let parent = services[&text(&service["id"])]["x_parent_service"].as_str();
        let parents = parent.map_or_else(String::new, |id| services[id].to_string().to_lowercase());
        assert!(
            said.contains("hous") || parents.contains("hous"),
            "{service}"
        );
    }
    let both = client
        .all("/services?search=housing&modified_after=2999-01-01")
        .await;
    assert!(both.is_empty());
    for bad in [
        "page=0",
        "per_page=x",
        "full=maybe",
        "modified_after=soon",
        "format=xml",
    ] {
        assert_eq!(
            client.get(&format!("/services?{bad}"), &[]).await.0,
            400,
            "{bad}"
        );
    }
    let beyond = client.json("/services?page=9999").await;
    assert_eq!(
        (&beyond["empty"], &beyond["size"]),
        (&json!(true), &json!(0))
    );
}

async fn places_are_filtered(served: &Served) {
    let (client, services) = (&served.client, &served.services);
    let places = |fits: &dyn Fn(&Value, &Value) -> bool| -> BTreeSet<String> {
        let each = services.values().flat_map(|service| {
            let places = service["service_at_locations"].as_array();
            places
                .into_iter()
                .flatten()
                .map(move |place| (service, place))
        });
        let fitting = each.filter(|(service, place)| fits(service, place));
        fitting.map(|(_, place)| text(&place["id"])).collect()
    };
    let all = client.all("/service_at_locations").await;
    assert_eq!(ids(&all), places(&|_, _| true));
    let centre = geography::place("M32").unwrap().point;
    for metres in [2_000, 15_000, 100_000] {
        let path = format!("/service_at_locations?postcode=M32%200TH&proximity={metres}");
        let found = client.all(&path).await;
        let wanted = places(&|service, place| {
            covers(service, services, "M32") && is_within(&place["location"], centre, metres)
        });
        assert_eq!(ids(&found), wanted, "{metres}");
    }
    let found = client.all("/service_at_locations?postcode=M320TH").await;
    assert_eq!(
        ids(&found),
        places(&|service, _| covers(service, services, "M32"))
    );
    assert_eq!(
        client
            .get("/service_at_locations?postcode=nowhere", &[])
            .await
            .0,
        400
    );
}

async fn terms_are_filtered(served: &Served) {
    let client = &served.client;
    let all = client.all("/taxonomy_terms").await;
    let known: BTreeSet<String> = served
        .services
        .values()
        .flat_map(terms)
        .map(|it| text(&it["id"]))
        .collect();
    assert!(known.is_subset(&ids(&all)));
    let top = client.all("/taxonomy_terms?top_only=true").await;
    let without_parent = all.iter().filter(|it| it["parent_id"].is_null());
    assert_eq!(
        ids(&top),
        without_parent.map(|it| text(&it["id"])).collect()
    );
    for taxonomy in client.all("/taxonomies").await {
        let id = text(&taxonomy["id"]);
        let found = client
            .all(&format!("/taxonomy_terms?taxonomy_id={id}"))
            .await;
        let of_it = all.iter().filter(|it| it["taxonomy_id"] == *id);
        assert_eq!(ids(&found), of_it.map(|it| text(&it["id"])).collect());
    }
    let found = client.all("/taxonomy_terms?search=accommodation").await;
    assert!(
        found
            .iter()
            .all(|it| it.to_string().to_lowercase().contains("accommodation"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn anybody_may_read_and_nobody_write() {
    let site = Site::start("Lambeth Pools").await;
    let client = serve(&site, open()).await;
    let origin = [("origin", "https://example.org")];
    let (status, headers, body) = client.get("/services", &origin).await;
    assert_eq!(
        (status, headers["access-control-allow-origin"].as_str()),
        (200, "*")
    );
    let page: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(page["empty"], true);
    let mark = headers["etag"].clone();
    let (status, headers, body) = client.get("/services", &[("if-none-match", &mark)]).await;
    assert_eq!((status, body.as_str(), &headers["etag"]), (304, "", &mark));

    let org = site.org;
    site.blocking(move |node| {
        let listing = json!({"id": "o", "name": "Lambeth Pools", "services": [{"id": "s", "name": "Swimming"}]});
        let by = By::user("test").unwrap();
        node.import(&org, listing.to_string().as_bytes(), Importing::default(), &by).unwrap();
    })
    .await;
    let (status, headers, _) = client.get("/services", &[("if-none-match", &mark)]).await;
    assert_eq!(status, 200, "an edit is seen at once");
    assert_ne!(headers["etag"], mark);

    for method in ["POST", "PUT", "PATCH", "DELETE"] {
        let (status, headers, _) = client.send(method, "/services", &origin).await;
        assert_eq!(status, 405, "{method}");
        assert_eq!(headers["access-control-allow-origin"], "*");
    }
    assert_eq!(client.send("OPTIONS", "/services", &origin).await.0, 204);
    assert_eq!(client.get("/v1/status", &[]).await.0, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_too_much_is_told_when_to_come_back() {
    let site = Site::start("Lambeth Pools").await;
    let few = PublicApiSettings {
        requests_per_minute: 3,
        ..PublicApiSettings::default()
    };
    let client = serve(&site, few).await;
    let mut last = client.get("/", &[]).await;
    for _ in 0..10 {
        last = client.get("/", &[]).await;
    }
    let (status, headers, body) = last;
    assert_eq!(status, 429, "{body}");
    let after_s: u64 = headers["retry-after"].parse().unwrap();
    assert!((1..=20).contains(&after_s), "{after_s}");
    assert_eq!(headers["access-control-allow-origin"], "*");
}

/// What must pass passes, and what must fail fails: a schema that lets everything through would prove nothing.
#[test]
fn the_schemas_tell_right_from_wrong() {
    let Some(schemas) = Schemas::load() else {
        return;
    };
    let of = |folder: &str, file: &str| -> Option<Value> {
        let path = shared(&format!("hsds/oruk-3.0-mocks/{folder}/{file}.json"))?;
        serde_json::from_slice(&std::fs::read(path).unwrap()).ok()
    };
    let pairs = [
        ("api_details", "api_details"),
        ("service_list", "service_list"),
        ("service_full", "service"),
    ];
    for (file, schema) in pairs {
        let good = of("Default", file).unwrap();
        assert_eq!(
            schemas.errors(schema, &good),
            Vec::<String>::new(),
            "{file}"
        );
        if let Some(bad) = of("Fail", file) {
            assert_ne!(schemas.errors(schema, &bad), Vec::<String>::new(), "{file}");
        }
    }
    let warned = of("Warn", "taxonomy_term").unwrap();
    assert_ne!(
        schemas.errors("taxonomy_term", &warned),
        Vec::<String>::new()
    );
}
