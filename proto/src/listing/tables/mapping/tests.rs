use super::*;
use crate::limits::TABLE_ROWS_MAX;

const MAPPING: &str = r#"
format = 1
source = "clubs"
id = ["Ref"]
empty = ["NA"]

[constants]
status = "active"
"phones.type" = "voice"

[[column]]
from = "Name"
to = "name"

[[column]]
from = "Phone"
to = "phones.number"

[[column]]
from = "Languages"
to = "languages.name"
split = ";"

[[column]]
from = "Checked"
to = "assured_date"
date = "%d/%m/%Y"

[[column]]
from = "Times"
to = "schedules"
as = "hours"

[[column]]
from = "Secret"
to = "x_confidential"
values = { Y = "true", N = "" }
default = "N"

[[column]]
from = "GSS"
to = "service_areas.uri"
prefix = "http://example.org/id/"

[[column]]
from = "Reach"
to = "contact"
as = "contact"

[[column]]
from = "Where"
to = "service_at_locations.location"
as = "coordinates"
"#;

const HEADER: &str = "Ref,Name,Phone,Languages,Checked,Times,Secret,GSS,Reach,Where\n";

fn read(rows: &str) -> Source {
    let table = Table::from_csv("clubs", format!("{HEADER}{rows}").as_bytes(), 1).unwrap();
    Mapping::parse(MAPPING).unwrap().apply(&table).unwrap()
}

#[test]
fn cells_become_fields() {
    let source = read(
        "7,Lunch club,0161 496 0000,Farsi; Urdu,03/02/2026,Mon 10am-2pm,Y,E08000009,a@example.org 0161 496 0001 or Ann,\"Geo 53.5, -2.25\"\n\
         8,Walks,NA,,31/02/2026,Some days,,,,\n\
         9,NA,,,,,,,,\n",
    );
    assert!(source.organizations.is_empty());
    let first = Value::Object(source.services[0].service.clone());
    assert_eq!(
        first,
        json!({
            "id": "clubs:7", "name": "Lunch club", "status": "active", "assured_date": "2026-02-03",
            "phones": [{"number": "0161 496 0000", "type": "voice"}, {"number": "0161 496 0001"}],
            "languages": [{"name": "Farsi"}, {"name": "Urdu"}],
            "schedules": [{"freq": "WEEKLY", "byday": "MO", "opens_at": "10:00", "closes_at": "14:00", "description": "Mon 10am-2pm"}],
            "x_confidential": "true", "service_areas": [{"uri": "http://example.org/id/E08000009"}],
            "email": "a@example.org", "contacts": [{"name": "Ann"}],
            "service_at_locations": [{"location": {"latitude": 53.5, "longitude": -2.25}}],
        })
    );
    let second = &source.services[1].service;
    assert_eq!(second["schedules"], json!([{"description": "Some days"}]));
    assert!(!second.contains_key("phones") && !second.contains_key("x_confidential"));
    let left_out: Vec<_> = source
        .left_out
        .iter()
        .map(|one| (one.row, one.column.as_deref()))
        .collect();
    assert_eq!(left_out, [(3, Some("Checked")), (4, None)]);
}

#[test]
fn the_ids_of_rows_stay_and_say_nothing_of_a_secret_place() {
    let table = |rows: &str| {
        Table::from_csv("t", format!("Name,Postcode,Secret\n{rows}").as_bytes(), 1).unwrap()
    };
    let mapping = Mapping::parse(
        "format = 1\nsource = \"t\"\nid = [\"Name\", \"Postcode\"]\n[[column]]\nfrom = \"Name\"\nto = \"name\"\n\
         [[column]]\nfrom = \"Postcode\"\nto = \"service_at_locations.location.addresses.postal_code\"\n\
         [[column]]\nfrom = \"Secret\"\nto = \"x_confidential\"\n",
    )
    .unwrap();
    let ids = |rows: &str| {
        let source = mapping.apply(&table(rows)).unwrap();
        source
            .services
            .iter()
            .map(|found| found.service["id"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(
        ids("A,M1 1AA,\nB,M1 1AA,\nA,M1 1AA,\n"),
        ["t:a/m1 1aa", "t:b/m1 1aa", "t:a/m1 1aa#2"]
    );
    assert_eq!(ids("A,M1 1AA,yes\n"), ["t:a"]);
}

#[test]
fn rows_can_name_their_organisation() {
    let mapping = Mapping::parse(
        "format = 1\nsource = \"t\"\npublisher = true\n[[column]]\nfrom = \"Service\"\nto = \"name\"\n\
         [[column]]\nfrom = \"Org\"\nto = \"organization.name\"\n[[column]]\nfrom = \"Org ID\"\nto = \"organization.id\"\n\
         [[column]]\nfrom = \"Charity\"\nto = \"organization.organization_identifiers.identifier\"\n",
    )
    .unwrap();
    let rows = "Service,Org,Org ID,Charity\nA,Acorn,,1\nB,ACORN,,1\nC,,7,\nD,,,\n";
    let source = mapping
        .apply(&Table::from_csv("t", rows.as_bytes(), 1).unwrap())
        .unwrap();
    let of: Vec<&Of> = source.services.iter().map(|found| &found.of).collect();
    assert_eq!(
        of,
        [
            &Of::Organization(0),
            &Of::Organization(0),
            &Of::Absent("7".to_owned()),
            &Of::Importer
        ]
    );
    assert_eq!(
        source.organizations[0]["organization_identifiers"],
        json!([{"identifier": "1"}])
    );
}

#[test]
fn a_wrong_mapping_is_refused_with_the_reason() {
    let column = "[[column]]\nfrom = \"Name\"\nto = \"name\"\n";
    for (text, word) in [
        ("format = 1\nsource = ", "line 2"),
        (&format!("format = 2\nsource = \"t\"\n{column}"), "format 2"),
        ("format = 1\nsource = \"t\"\n", "must have one"),
        (
            &format!(
                "format = 1\nsource = \"t\"\n{column}[[column]]\nfrom = \"x\"\nto = \"nmae\"\n"
            ),
            "no field nmae",
        ),
        (
            &format!("format = 1\nsource = \"t\"\ntypo = 1\n{column}"),
            "typo",
        ),
        (
            &format!(
                "format = 1\nsource = \"t\"\n{}",
                column.repeat(TABLE_COLUMNS_MAX + 1)
            ),
            "more than",
        ),
        (
            &format!(
                "format = 1\nsource = \"t\"\n{column}[[column]]\nfrom = \"x\"\nto = \"email\"\nas = \"contact\"\n"
            ),
            "goes to",
        ),
    ] {
        let error = Mapping::parse(text).unwrap_err().to_string();
        assert!(error.contains(word), "{error}");
    }
    let mapping = Mapping::parse(&format!("format = 1\nsource = \"t\"\n{column}")).unwrap();
    let table = Table::from_csv("t", b"Title\nA\n", 1).unwrap();
    assert!(
        mapping
            .apply(&table)
            .unwrap_err()
            .to_string()
            .contains("it has: Title")
    );
    assert_eq!(
        Mapping::parse(&mapping.to_toml().unwrap()).unwrap(),
        mapping
    );
    assert!(TABLE_ROWS_MAX > table.rows.len());
}
