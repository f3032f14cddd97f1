//! Organisations and services as typed structures, with the field names of Open Referral UK 3
//! and HSDS 3 (the union of ORUK 3.0 and HSDS 3.2).
//!
//! Only what nothing works without is required: an id, a name, a phone's number. Real feeds leave
//! out much that the schemas demand, and a listing that is honest about a gap serves people better
//! than one that is refused. Fields that no struct knows, `x_…` and vendors' own alike, are carried
//! in `extra`. An explicit null is the same as an absent field. Numbers keep the form they came in (12 or 12.0).

mod parts;
mod places;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Number, Value};

use super::entities::{Entities, Entity, Shape};

pub use parts::{
    Attribute, Contact, CostOption, Funding, Language, Metadata, NumberOrText,
    OrganizationIdentifier, Phone, Program, RequiredDocument, Schedule, ServiceCapacity, Taxonomy,
    TaxonomyTerm, Unit, Url,
};
pub use places::{Accessibility, Address, Location, ServiceArea, ServiceAtLocation};

/// Defines an entity: the struct, how it reads and writes, and its [`Shape`].
macro_rules! entity {
    (
        $(#[$doc:meta])*
        $name:ident, $kind:literal;
        $(required: { $( $(#[$rdoc:meta])* $required:ident ),* $(,)? })?
        $(text: { $( $(#[$tdoc:meta])* $text:ident ),* $(,)? })?
        $(number: { $( $(#[$ndoc:meta])* $number:ident ),* $(,)? })?
        $(loose: { $( $(#[$ldoc:meta])* $loose:ident ),* $(,)? })?
        $(many: { $( $(#[$mdoc:meta])* $many:ident : $many_of:ident ),* $(,)? })?
        $(one: { $( $(#[$odoc:meta])* $one:ident : $one_of:ident ),* $(,)? })?
    ) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
        pub struct $name {
            /// The stable id, unique in its collection; a UUID in a well-made listing.
            pub id: String,
            $($( $(#[$rdoc])* pub $required: String, )*)?
            $($( $(#[$tdoc])* #[serde(default, skip_serializing_if = "Option::is_none")]
                pub $text: Option<String>, )*)?
            $($( $(#[$ndoc])* #[serde(default, skip_serializing_if = "Option::is_none")]
                pub $number: Option<Number>, )*)?
            $($( $(#[$ldoc])* #[serde(default, skip_serializing_if = "Option::is_none")]
                pub $loose: Option<NumberOrText>, )*)?
            $($( $(#[$mdoc])* #[serde(default, skip_serializing_if = "Entities::is_empty")]
                pub $many: Entities<$many_of>, )*)?
            $($( $(#[$odoc])* #[serde(default, skip_serializing_if = "Option::is_none")]
                pub $one: Option<Box<$one_of>>, )*)?
            /// Fields that this version does not know, carried as they came.
            #[serde(flatten, deserialize_with = "crate::json::fields_without_nulls")]
            pub extra: Map<String, Value>,
        }

        impl Entity for $name {
            fn id(&self) -> &str {
                &self.id
            }

            fn shape() -> &'static Shape {
                static SHAPE: Shape = Shape {
                    kind: $kind,
                    required: &[$($(stringify!($required)),*)?],
                    text: &[$($(stringify!($text)),*)?],
                    number: &[$($(stringify!($number)),*)?],
                    loose: &[$($(stringify!($loose)),*)?],
                    many: &[$($((stringify!($many), <$many_of as Entity>::shape)),*)?],
                    one: &[$($((stringify!($one), <$one_of as Entity>::shape)),*)?],
                };
                &SHAPE
            }
        }
    };
}
pub(crate) use entity;

entity! {
    /// An organisation as its listing describes it. Its services stand beside it, in shards.
    Organization, "organization";
    required: {
        /// The name.
        name,
    }
    text: {
        /// Another name people know it by.
        alternate_name,
        /// What the organisation is and does.
        description,
        /// Its e-mail address.
        email,
        /// Its website.
        website,
        /// Tax status (HSDS).
        tax_status,
        /// Tax number (HSDS, deprecated there).
        tax_id,
        /// Legal form.
        legal_status,
        /// Address of its logo.
        logo,
        /// An address that identifies it.
        uri,
        /// HSDS id of the organisation it is part of.
        parent_organization_id,
    }
    number: {
        /// Year in which it was founded.
        year_incorporated,
    }
    many: {
        /// Further websites.
        additional_websites: Url,
        /// Numbers in official registers.
        organization_identifiers: OrganizationIdentifier,
        /// Where its money comes from.
        funding: Funding,
        /// People or desks to speak to.
        contacts: Contact,
        /// Phone numbers.
        phones: Phone,
        /// Places it works from.
        locations: Location,
        /// Programmes that group its services.
        programs: Program,
        /// Links to taxonomy terms.
        attributes: Attribute,
        /// Notes on single edits (HSDS).
        metadata: Metadata,
    }
}

entity! {
    /// A service, or (with `x_parent_service` in `extra`) a strand of one.
    Service, "service";
    required: {
        /// The name.
        name,
    }
    text: {
        /// HSDS id of the organisation that provides it.
        organization_id,
        /// HSDS id of the programme it belongs to.
        program_id,
        /// Another name people know it by.
        alternate_name,
        /// What it is; HTML in some feeds.
        description,
        /// Its web page.
        url,
        /// Its e-mail address.
        email,
        /// `active`, `inactive`, `defunct` or `temporarily closed`.
        status,
        /// Interpreting on offer.
        interpretation_services,
        /// How to apply or be referred.
        application_process,
        /// What it costs, in words (HSDS 3.1).
        fees_description,
        /// How long people wait.
        wait_time,
        /// What it costs, in words (ORUK 3.0).
        fees,
        /// Accreditations.
        accreditations,
        /// Who may come, in words.
        eligibility_description,
        /// Day on which the entry was last checked, `YYYY-MM-DD`.
        assured_date,
        /// Who checked it.
        assurer_email,
        /// Licences it holds.
        licenses,
        /// A short-lived warning to show beside it.
        alert,
        /// When the entry was last changed; without time zone in some feeds.
        last_modified,
    }
    number: {
        /// Youngest age, in years; -1 in feeds that mean "none".
        minimum_age,
        /// Oldest age, in years; -1 in feeds that mean "none".
        maximum_age,
    }
    many: {
        /// Further web pages.
        additional_urls: Url,
        /// Phone numbers.
        phones: Phone,
        /// When it is open.
        schedules: Schedule,
        /// Whom it serves, by area.
        service_areas: ServiceArea,
        /// Where it takes place.
        service_at_locations: ServiceAtLocation,
        /// Languages in which it is offered.
        languages: Language,
        /// Who pays for it.
        funding: Funding,
        /// What it costs.
        cost_options: CostOption,
        /// What to bring.
        required_documents: RequiredDocument,
        /// People or desks to speak to.
        contacts: Contact,
        /// Places free.
        capacities: ServiceCapacity,
        /// Links to taxonomy terms.
        attributes: Attribute,
        /// Notes on single edits (HSDS).
        metadata: Metadata,
    }
    one: {
        /// The programme it belongs to, when written out in place.
        program: Program,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn unknown_fields_are_carried_and_nulls_are_absent() {
        let service: Service = serde_json::from_value(json!({
            "id": "s", "name": "Counselling", "description": null, "phones": null, "program": null,
            "minimum_age": -1, "maximum_age": 12.0, "x_payer": {"nhs": true, "none": null},
            "pc_targetAudience": [{"id": "Homeless"}], "serviceId": "s", "x_null": null,
        }))
        .unwrap();
        assert_eq!(service.description, None);
        assert_eq!(
            serde_json::to_value(&service).unwrap(),
            json!({
                "id": "s", "name": "Counselling", "minimum_age": -1, "maximum_age": 12.0,
                "x_payer": {"nhs": true}, "pc_targetAudience": [{"id": "Homeless"}], "serviceId": "s",
            })
        );
    }

    #[test]
    fn the_shape_names_every_field_of_the_struct() {
        let shape = Service::shape();
        assert!(shape.knows("id") && shape.knows("minimum_age") && shape.knows("schedules"));
        assert!(!shape.knows("x_payer"));
        let location = shape
            .many("service_at_locations")
            .unwrap()
            .one("location")
            .unwrap();
        assert_eq!(location.kind, "location");
        assert_eq!(
            location.many("addresses").unwrap().required,
            Vec::<&str>::new()
        );
    }
}
