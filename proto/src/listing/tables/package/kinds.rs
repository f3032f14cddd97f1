//! What the tables of HSDS are called in its versions, and which column of a row names what.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::text_of;
use crate::listing::entities::{Entity, Shape};
use crate::listing::model::{Organization, Service};

/// Kinds of tables, by the names that versions 1 to 3 and the UK profile give them.
const KINDS: &[(&str, &[&str])] = &[
    (
        "organization",
        &["organizations", "organization", "organisations"],
    ),
    ("program", &["programs", "program"]),
    ("service", &["services", "service"]),
    (
        "service_at_location",
        &[
            "service_at_location",
            "service_at_locations",
            "services_at_location",
            "services_at_locations",
        ],
    ),
    ("location", &["locations", "location"]),
    ("phone", &["phones", "phone"]),
    ("contact", &["contacts", "contact"]),
    (
        "address",
        &[
            "addresses",
            "address",
            "physical_addresses",
            "physical_address",
            "postal_addresses",
            "postal_address",
        ],
    ),
    (
        "schedule",
        &[
            "schedules",
            "schedule",
            "regular_schedules",
            "regular_schedule",
        ],
    ),
    ("funding", &["funding", "fundings"]),
    ("service_area", &["service_areas", "service_area"]),
    (
        "required_document",
        &[
            "required_documents",
            "required_document",
            "documents_required",
        ],
    ),
    ("language", &["languages", "language"]),
    (
        "accessibility",
        &[
            "accessibility",
            "accessibilities",
            "accessibility_for_disabilities",
        ],
    ),
    ("cost_option", &["cost_options", "cost_option"]),
    (
        "organization_identifier",
        &["organization_identifiers", "organization_identifier"],
    ),
    ("taxonomy_term", &["taxonomy_terms", "taxonomy_term"]),
    ("taxonomy", &["taxonomies", "taxonomy"]),
    (
        "attribute",
        &[
            "attributes",
            "attribute",
            "service_attributes",
            "services_taxonomy",
            "service_taxonomy",
            "service_taxonomies",
        ],
    ),
    ("metadata", &["metadata"]),
    (
        "service_capacity",
        &["service_capacity", "service_capacities"],
    ),
    ("unit", &["units", "unit"]),
    ("url", &["url", "urls"]),
];

/// Tables that say nothing about services.
pub(super) const PASSED_OVER: &[&str] = &["meta_table_descriptions", "meta_table_description"];

/// Is this the name of a table of an HSDS package?
#[must_use]
pub fn is_package_table(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    PASSED_OVER.contains(&name.as_str()) || table_kind(&name).is_some()
}

pub(in super::super) fn table_kind(name: &str) -> Option<&'static str> {
    let name = name.to_ascii_lowercase();
    KINDS
        .iter()
        .find(|(_, names)| names.contains(&name.as_str()))
        .map(|(kind, _)| *kind)
}

/// Names of the tables of version 3, and of what kind their rows are, in the order of the standard.
pub(in super::super) fn tables() -> impl Iterator<Item = (&'static str, &'static str)> {
    KINDS
        .iter()
        .filter_map(|(kind, names)| names.first().map(|name| (*kind, *name)))
}

/// Every kind of entity that a listing can hold.
pub(in super::super) fn shapes() -> BTreeMap<&'static str, &'static Shape> {
    let mut found = BTreeMap::new();
    let mut open = vec![Organization::shape(), Service::shape()];
    while let Some(shape) = open.pop() {
        if found.insert(shape.kind, shape).is_none() {
            open.extend(shape.many.iter().chain(shape.one).map(|(_, inner)| inner()));
        }
    }
    found
}

/// The column by which a row names the one that stands in this single field.
pub(in super::super) fn reference_of(field: &str) -> String {
    match field {
        "taxonomy_detail" => "taxonomy_id".to_owned(),
        other => format!("{other}_id"),
    }
}

/// Columns by which a row of one kind can name what holds it, the most particular first.
pub(in super::super) fn holders_of(kind: &str) -> &'static [(&'static str, &'static str)] {
    match kind {
        "service" | "program" | "location" | "organization_identifier" => {
            &[("organization_id", "organization")]
        }
        _ => &[
            ("phone_id", "phone"),
            ("contact_id", "contact"),
            ("service_at_location_id", "service_at_location"),
            ("service_id", "service"),
            ("location_id", "location"),
            ("organization_id", "organization"),
        ],
    }
}

/// In which field of `holder` do entities of this kind stand? Services stand beside their organisation.
pub(in super::super) fn field_in(holder: &'static Shape, kind: &str) -> Option<&'static str> {
    if holder.kind == "organization" && kind == "service" {
        return Some("services");
    }
    holder
        .many
        .iter()
        .find(|(_, inner)| inner().kind == kind)
        .map(|(field, _)| *field)
}

/// Columns of versions 1 and 2 under the names of version 3.
pub(super) fn old_columns(table: &str, fields: &mut Map<String, Value>) {
    let renamed: &[(&str, &str)] = match table {
        "organizations" | "organization" => &[("url", "website")],
        "languages" | "language" => &[("language", "name")],
        "taxonomies" | "taxonomy" | "taxonomy_term" => &[("vocabulary", "taxonomy")],
        "services_taxonomy" | "service_taxonomy" | "service_taxonomies" | "service_attributes" => {
            &[
                ("service_id", "link_id"),
                ("taxonomy_id", "taxonomy_term_id"),
            ]
        }
        _ => &[],
    };
    for (old, new) in renamed {
        if let Some(value) = fields.remove(*old) {
            fields.entry(*new).or_insert(value);
        }
    }
    if table.starts_with("physical_") || table.starts_with("postal_") {
        let kind = table.split('_').next().unwrap_or_default();
        fields.entry("address_type").or_insert(Value::from(kind));
    }
    if let Some(day) = text_of(fields, "weekday").and_then(|day| super::super::hours::weekday(&day))
    {
        fields.remove("weekday");
        fields.insert("freq".to_owned(), Value::from("WEEKLY"));
        fields.insert("byday".to_owned(), Value::from(day));
    }
    for time in ["opens_at", "closes_at"] {
        if let Some(text) = text_of(fields, time).filter(|text| text.find(':') == Some(1)) {
            fields.insert(time.to_owned(), Value::from(format!("0{text}")));
        }
    }
}
