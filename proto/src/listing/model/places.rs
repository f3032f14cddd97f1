//! Where a service takes place, and whom it serves by area.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Number, Value};

use super::{Attribute, Contact, Language, Metadata, Phone, Schedule, entity};
use crate::listing::entities::{Entities, Entity, Shape};

entity! {
    /// An area that a service serves.
    ServiceArea, "service_area";
    text: {
        /// HSDS id of the service.
        service_id,
        /// HSDS id of the service at a location.
        service_at_location_id,
        /// Name of the area.
        name,
        /// The area in words.
        description,
        /// The area as a shape.
        extent,
        /// Format of `extent`, such as `geojson`.
        extent_type,
        /// Official address of the area, such as one with its GSS code.
        uri,
        /// The area in words (ORUK 3.0 has this field too).
        service_area,
    }
    many: {
        /// Links to taxonomy terms.
        attributes: Attribute,
        /// Notes on single edits (HSDS).
        metadata: Metadata,
    }
}

entity! {
    /// A service at one place, with what is particular there.
    ServiceAtLocation, "service_at_location";
    text: {
        /// HSDS id of the service.
        service_id,
        /// HSDS id of the location, when it is not written out in `location`.
        location_id,
        /// What is particular to the service at this place.
        description,
    }
    many: {
        /// Areas served from here.
        service_areas: ServiceArea,
        /// People or desks to speak to here.
        contacts: Contact,
        /// Phone numbers here.
        phones: Phone,
        /// When it is open here.
        schedules: Schedule,
        /// Links to taxonomy terms.
        attributes: Attribute,
        /// Notes on single edits (HSDS).
        metadata: Metadata,
    }
    one: {
        /// The place.
        location: Location,
    }
}

entity! {
    /// A place: a building, a postal address, or a virtual one.
    Location, "location";
    text: {
        /// `physical`, `postal` or `virtual`.
        location_type,
        /// Its web page.
        url,
        /// HSDS id of the organisation it belongs to.
        organization_id,
        /// The name.
        name,
        /// Another name people know it by.
        alternate_name,
        /// The place in words.
        description,
        /// How to get there.
        transportation,
        /// Number in another register.
        external_identifier,
        /// Which register that is, such as `UPRN`.
        external_identifier_type,
    }
    number: {
        /// Degrees north (WGS 84).
        latitude,
        /// Degrees east (WGS 84).
        longitude,
    }
    many: {
        /// Languages spoken there.
        languages: Language,
        /// Postal addresses.
        addresses: Address,
        /// People or desks to speak to.
        contacts: Contact,
        /// What makes it accessible, or not.
        accessibility: Accessibility,
        /// Phone numbers.
        phones: Phone,
        /// When it is open.
        schedules: Schedule,
        /// Links to taxonomy terms.
        attributes: Attribute,
        /// Notes on single edits (HSDS).
        metadata: Metadata,
    }
}

entity! {
    /// A postal address.
    Address, "address";
    text: {
        /// HSDS id of the location.
        location_id,
        /// Person or desk the post goes to.
        attention,
        /// First line.
        address_1,
        /// Second line.
        address_2,
        /// Town or city.
        city,
        /// Region.
        region,
        /// County or state.
        state_province,
        /// Postcode.
        postal_code,
        /// Country, as a two-letter code.
        country,
        /// `physical`, `postal` or `virtual`.
        address_type,
    }
    many: {
        /// Links to taxonomy terms.
        attributes: Attribute,
        /// Notes on single edits (HSDS).
        metadata: Metadata,
    }
}

entity! {
    /// What makes a place accessible, or not.
    Accessibility, "accessibility";
    text: {
        /// HSDS id of the location.
        location_id,
        /// What there is.
        description,
        /// How to use it.
        details,
        /// Web page with more.
        url,
        /// What there is (ORUK 3.0 has this field too).
        accessibility,
    }
    many: {
        /// Links to taxonomy terms.
        attributes: Attribute,
        /// Notes on single edits (HSDS).
        metadata: Metadata,
    }
}
