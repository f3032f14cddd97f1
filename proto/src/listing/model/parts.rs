//! The smaller parts that listings are made of.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Number, Value};

use super::entity;
use crate::listing::entities::{Entities, Entity, Shape};

/// A field that the standard calls a number and that feeds also fill with text, such as the
/// extension of a phone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum NumberOrText {
    /// As a number.
    Number(Number),
    /// As a text.
    Text(String),
}

entity! {
    /// A number in an official register.
    OrganizationIdentifier, "organization_identifier";
    text: {
        /// HSDS id of the organisation.
        organization_id,
        /// Register as in org-id.guide, such as `GB-CHC`.
        identifier_scheme,
        /// Register in words.
        identifier_type,
        /// The number.
        identifier,
    }
    many: {
        /// Links to taxonomy terms.
        attributes: Attribute,
        /// Notes on single edits (HSDS).
        metadata: Metadata,
    }
}

entity! {
    /// A programme that groups services.
    Program, "program";
    text: {
        /// HSDS id of the organisation.
        organization_id,
        /// The name.
        name,
        /// Another name people know it by.
        alternate_name,
        /// What it is.
        description,
    }
    many: {
        /// Links to taxonomy terms.
        attributes: Attribute,
        /// Notes on single edits (HSDS).
        metadata: Metadata,
    }
}

entity! {
    /// A web address with a label.
    Url, "url";
    text: {
        /// HSDS id of the organisation.
        organization_id,
        /// HSDS id of the service.
        service_id,
        /// What the address leads to.
        label,
        /// The address.
        url,
    }
    many: {
        /// Links to taxonomy terms.
        attributes: Attribute,
        /// Notes on single edits (HSDS).
        metadata: Metadata,
    }
}

entity! {
    /// A person or desk to speak to.
    Contact, "contact";
    text: {
        /// HSDS id of the organisation.
        organization_id,
        /// HSDS id of the service.
        service_id,
        /// HSDS id of the service at a location.
        service_at_location_id,
        /// HSDS id of the location.
        location_id,
        /// Name of the person or desk.
        name,
        /// Job title.
        title,
        /// Department.
        department,
        /// E-mail address.
        email,
    }
    many: {
        /// Phone numbers.
        phones: Phone,
        /// Links to taxonomy terms.
        attributes: Attribute,
        /// Notes on single edits (HSDS).
        metadata: Metadata,
    }
}

entity! {
    /// A phone number.
    Phone, "phone";
    required: {
        /// The number as people write it; some feeds put words before it.
        number,
    }
    text: {
        /// HSDS id of the location.
        location_id,
        /// HSDS id of the service.
        service_id,
        /// HSDS id of the organisation.
        organization_id,
        /// HSDS id of the contact.
        contact_id,
        /// HSDS id of the service at a location.
        service_at_location_id,
        /// `voice`, `text`, `fax` and so on.
        r#type,
        /// When and for what to call it.
        description,
    }
    loose: {
        /// Extension.
        extension,
    }
    many: {
        /// Languages spoken on it.
        languages: Language,
        /// Links to taxonomy terms.
        attributes: Attribute,
        /// Notes on single edits (HSDS).
        metadata: Metadata,
    }
}

entity! {
    /// When something is open, in terms of iCalendar's RRULE.
    Schedule, "schedule";
    text: {
        /// HSDS id of the service.
        service_id,
        /// HSDS id of the location.
        location_id,
        /// HSDS id of the service at a location.
        service_at_location_id,
        /// First day on which this holds, `YYYY-MM-DD`.
        valid_from,
        /// Last day on which this holds, `YYYY-MM-DD`.
        valid_to,
        /// Day of the first occurrence, `YYYY-MM-DD`.
        dtstart,
        /// Day of the last occurrence, `YYYY-MM-DD`.
        until,
        /// First day of the week, such as `MO`.
        wkst,
        /// `WEEKLY` or `MONTHLY`.
        freq,
        /// Days, such as `TH,FR`.
        byday,
        /// Weeks of the year.
        byweekno,
        /// Days of the month.
        bymonthday,
        /// Days of the year.
        byyearday,
        /// The opening hours in words.
        description,
        /// Opening time, `HH:MM` or `HH:MM:SS`.
        opens_at,
        /// Closing time, `HH:MM` or `HH:MM:SS`.
        closes_at,
        /// Web page with the times.
        schedule_link,
        /// How people attend.
        attending_type,
        /// Exceptions and remarks.
        notes,
    }
    number: {
        /// Number of occurrences.
        count,
        /// Every how many weeks or months.
        interval,
    }
    loose: {
        /// Offset from UTC, in hours.
        timezone,
    }
    many: {
        /// Links to taxonomy terms.
        attributes: Attribute,
        /// Notes on single edits (HSDS).
        metadata: Metadata,
    }
}

entity! {
    /// Where money comes from.
    Funding, "funding";
    text: {
        /// HSDS id of the organisation.
        organization_id,
        /// HSDS id of the service.
        service_id,
        /// Who pays, in words.
        source,
    }
    many: {
        /// Links to taxonomy terms.
        attributes: Attribute,
        /// Notes on single edits (HSDS).
        metadata: Metadata,
    }
}

entity! {
    /// A document that people must bring.
    RequiredDocument, "required_document";
    text: {
        /// HSDS id of the service.
        service_id,
        /// The document.
        document,
        /// Web page about it.
        uri,
    }
    many: {
        /// Links to taxonomy terms.
        attributes: Attribute,
        /// Notes on single edits (HSDS).
        metadata: Metadata,
    }
}

entity! {
    /// A language.
    Language, "language";
    text: {
        /// HSDS id of the service.
        service_id,
        /// HSDS id of the location.
        location_id,
        /// HSDS id of the phone.
        phone_id,
        /// Name of the language.
        name,
        /// Code of the language, ISO 639.
        code,
        /// What is offered in it.
        note,
        /// The language (feeds of ORUK 3.0).
        language,
    }
    many: {
        /// Links to taxonomy terms.
        attributes: Attribute,
        /// Notes on single edits (HSDS).
        metadata: Metadata,
    }
}

entity! {
    /// What something costs.
    CostOption, "cost_option";
    text: {
        /// HSDS id of the service.
        service_id,
        /// First day on which it holds, `YYYY-MM-DD`.
        valid_from,
        /// Last day on which it holds, `YYYY-MM-DD`.
        valid_to,
        /// For whom.
        option,
        /// Currency, ISO 4217.
        currency,
        /// For what, in words.
        amount_description,
    }
    number: {
        /// How much, in `currency` (pounds when absent).
        amount,
    }
    many: {
        /// Links to taxonomy terms.
        attributes: Attribute,
        /// Notes on single edits (HSDS).
        metadata: Metadata,
    }
}

entity! {
    /// How many places a service has free.
    ServiceCapacity, "service_capacity";
    text: {
        /// HSDS id of the service.
        service_id,
        /// HSDS id of the unit.
        unit_id,
        /// In words.
        description,
        /// When these numbers were true.
        updated,
    }
    number: {
        /// Free now.
        available,
        /// In all.
        maximum,
    }
    many: {
        /// Links to taxonomy terms.
        attributes: Attribute,
        /// Notes on single edits (HSDS).
        metadata: Metadata,
    }
    one: {
        /// What is counted.
        unit: Unit,
    }
}

entity! {
    /// What a capacity counts.
    Unit, "unit";
    text: {
        /// The name, such as `bed`.
        name,
        /// Scheme of `identifier`.
        scheme,
        /// Its name in that scheme.
        identifier,
        /// Web page about it.
        uri,
    }
    many: {
        /// Links to taxonomy terms.
        attributes: Attribute,
        /// Notes on single edits (HSDS).
        metadata: Metadata,
    }
}

entity! {
    /// A link from an entity to a taxonomy term.
    Attribute, "attribute";
    text: {
        /// Id of the entity it belongs to.
        link_id,
        /// Id of the term, when it is not written out in `taxonomy_term`.
        taxonomy_term_id,
        /// What the link says, such as `eligibility`.
        link_type,
        /// Kind of entity it belongs to.
        link_entity,
        /// A value.
        value,
        /// A label.
        label,
    }
    many: {
        /// Notes on single edits (HSDS).
        metadata: Metadata,
    }
    one: {
        /// The term.
        taxonomy_term: TaxonomyTerm,
    }
}

entity! {
    /// A term of a taxonomy.
    TaxonomyTerm, "taxonomy_term";
    text: {
        /// Code in the taxonomy.
        code,
        /// The name.
        name,
        /// What it means.
        description,
        /// Id of the wider term.
        parent_id,
        /// Name of the taxonomy.
        taxonomy,
        /// Language of the name.
        language,
        /// Id of the taxonomy.
        taxonomy_id,
        /// Address of the term.
        term_uri,
        /// The name (ORUK 3.0 has this field too).
        term,
    }
    many: {
        /// Notes on single edits (HSDS).
        metadata: Metadata,
    }
    one: {
        /// The taxonomy, when written out in place.
        taxonomy_detail: Taxonomy,
    }
}

entity! {
    /// A taxonomy.
    Taxonomy, "taxonomy";
    text: {
        /// The name.
        name,
        /// What it is for.
        description,
        /// Its address.
        uri,
        /// Its version.
        version,
    }
    many: {
        /// Notes on single edits (HSDS).
        metadata: Metadata,
    }
}

entity! {
    /// A note on one edit (HSDS).
    Metadata, "metadata";
    text: {
        /// Id of the entity that was edited.
        resource_id,
        /// Kind of that entity.
        resource_type,
        /// Day of the edit, `YYYY-MM-DD`.
        last_action_date,
        /// What was done.
        last_action_type,
        /// Which field.
        field_name,
        /// What it said before.
        previous_value,
        /// What it says now.
        replacement_value,
        /// Who did it.
        updated_by,
    }
}
