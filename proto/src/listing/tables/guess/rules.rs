//! What the names of columns mean.

/// Words in a header, each set of which means a field. The first that fits a column, and whose field is free, wins.
/// A header fits when it has all the words of one of the alternatives, separated by `|`; behind `=` it
/// must have no others.
pub(super) const RULES: &[(&str, &str)] = &[
    ("charity number|registered charity", "charity"),
    ("company number|company registration", "company"),
    (
        "organisation id|organization id|org id|provider id",
        "organization.id",
    ),
    ("location id|venue id", "location-id"),
    ("uprn", "service_at_locations.location.external_identifier"),
    (
        "service id|services id|services-id|location id|reference|ref",
        "id",
    ),
    (
        "organisation name|organization name|organisation|organization|provider|charity name",
        "organization.name",
    ),
    (
        "charity name|service name|activity name|project name|service title|activity title|name of service|=name|=title|=service",
        "name",
    ),
    (
        "also known|alternate name|alternative name|acronym|short name",
        "alternate_name",
    ),
    (
        "display address|show address|address public|confidential|secret|address hidden",
        "confidential",
    ),
    ("eligibility and fees", "fees_description"),
    (
        "eligib|who can|for whom|who is it for|must be one|target group|suitable for",
        "eligibility_description",
    ),
    ("min age|minimum age|age from|youngest", "minimum_age"),
    ("max age|maximum age|age to|oldest", "maximum_age"),
    (
        "referral|how to apply|how to access|application process|apply",
        "application_process",
    ),
    ("opening|hours|opening times|session times", "hours"),
    ("dates and hours|recurring dates", "schedules.description"),
    (
        "flat fee|sliding scale|price",
        "cost_options.amount_description",
    ),
    ("fee|cost|charge|eligibility and fees", "fees_description"),
    (
        "description|activities|about|body|summary|details|what we do|overview",
        "description",
    ),
    ("email|e-mail", "email"),
    ("toll-free", "phones.number"),
    ("phone|telephone|tel|mobile|phone number", "phones.number"),
    ("website|web|url|link", "url"),
    ("geolocation|coordinates|lat long", "coordinates"),
    ("latitude|lat", "service_at_locations.location.latitude"),
    (
        "longitude|lon|lng|long",
        "service_at_locations.location.longitude",
    ),
    (
        "postcode|post code|postal code|zip",
        "service_at_locations.location.addresses.postal_code",
    ),
    ("town|city", "service_at_locations.location.addresses.city"),
    (
        "county",
        "service_at_locations.location.addresses.state_province",
    ),
    (
        "physical address|address 1|address line 1|street|address",
        "service_at_locations.location.addresses.address_1",
    ),
    (
        "address 2|address line 2",
        "service_at_locations.location.addresses.address_2",
    ),
    (
        "venue|building|premises",
        "service_at_locations.location.name",
    ),
    ("area code|gss|lad code|la code|ward code", "area-code"),
    (
        "area name|area|borough|district|local authority|lad name|ward",
        "service_areas.name",
    ),
    ("counties|cities", "service_areas.name"),
    ("language", "languages.name"),
    (
        "access|wheelchair|disabled",
        "service_at_locations.location.accessibility.description",
    ),
    (
        "last updated|last assured|last checked|last reviewed|date verified|verified|updated",
        "assured_date",
    ),
    ("open service|status|is service open", "status"),
    (
        "type|category|service type|kind",
        "attributes.taxonomy_term.name",
    ),
    ("contact name|contact person", "contacts.name"),
    ("contact", "contact"),
];
