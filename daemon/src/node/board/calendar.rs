//! What has a date: events and trainings of boards, and the courses of listings.

use fingerpost_proto::api::{Calendar, CalendarEvent};
use fingerpost_proto::ids::{DocKey, DocName};
use fingerpost_proto::listing::model::{Location, Schedule};
use fingerpost_proto::listing::{Service, ShardState};

use super::seen::Viewer;
use crate::node::days::today;
use crate::node::names::org_ref;
use crate::node::{Node, NodeError};
use fingerpost_proto::board::is_day_or_moment;

/// Most events of one calendar.
const EVENTS_MAX: usize = 5_000;

impl Node {
    /// What has a date, of everybody with whom an organisation shares a network: the events on boards that it sees, and
    /// the dated schedules of services. Opening hours that go on without end are no event.
    ///
    /// # Errors
    /// [`NodeError`].
    pub fn calendar(&self, org: Option<&str>, mine: bool) -> Result<Calendar, NodeError> {
        let seen = self.seen(org)?;
        let wanted =
            |owner: &fingerpost_proto::ids::OrgId| !mine || seen.viewer.org == Some(*owner);
        let mut events = Vec::new();
        for (board, notice) in seen.notices() {
            let Some(starts) = notice.starts.clone().filter(|_| wanted(&board.org)) else {
                continue;
            };
            events.push(CalendarEvent {
                organisation: seen.owner(&board.org),
                id: notice.id.clone(),
                title: notice.title.clone(),
                text: notice.text.clone(),
                starts,
                ends: notice.ends.clone(),
                recurs: None,
                place: (!notice.areas.is_empty()).then(|| notice.areas.join(", ")),
                issued_at_s: board.issued_at_s,
            });
        }
        self.add_courses(&seen.viewer, mine, &mut events)?;
        events.sort_by(|a, b| (&a.starts, &a.title, &a.id).cmp(&(&b.starts, &b.title, &b.id)));
        events.truncate(EVENTS_MAX);
        Ok(Calendar { events })
    }

    fn add_courses(
        &self,
        viewer: &Viewer,
        mine: bool,
        events: &mut Vec<CalendarEvent>,
    ) -> Result<(), NodeError> {
        let orgs = match (mine, viewer.org) {
            (true, org) => org.into_iter().collect(),
            (false, _) => self.replica().organisations(),
        };
        let today = today();
        for org in orgs {
            let replica = self.replica();
            if self.left_out(&replica, &org).is_some() {
                continue;
            }
            let keys: Vec<DocKey> = replica.documents_of(&org).collect();
            let mut held = Vec::new();
            for key in keys {
                if let DocName::Listing(shard) = key.name {
                    held.extend(replica.shown(&key)?.map(|shown| (shard, shown)));
                }
            }
            let owner = org_ref(&replica, &org);
            drop(replica);
            for (shard, shown) in held {
                let Ok(state) = ShardState::parse(&shown.state, shard) else {
                    continue;
                };
                let at_s = shown.record.get().issued_at_s;
                let of_service = state.services.iter().flat_map(courses);
                let coming = of_service.filter(|(_, _, _, last)| last.as_str() >= today.as_str());
                events.extend(coming.map(|(service, schedule, place, _)| {
                    CalendarEvent {
                        organisation: owner.clone(),
                        id: format!("{}/{}", service.id, schedule.id),
                        title: service.name.clone(),
                        text: schedule
                            .description
                            .clone()
                            .or_else(|| service.description.clone()),
                        starts: moment(schedule.dtstart.as_deref(), schedule.opens_at.as_deref()),
                        ends: schedule
                            .closes_at
                            .as_deref()
                            .filter(|_| schedule.opens_at.is_some())
                            .map(|time| moment(schedule.dtstart.as_deref(), Some(time))),
                        recurs: rule(schedule),
                        place: place.and_then(name_of),
                        issued_at_s: at_s,
                    }
                }));
                if events.len() > EVENTS_MAX {
                    return Ok(());
                }
            }
        }
        Ok(())
    }
}

type Course<'a> = (&'a Service, &'a Schedule, Option<&'a Location>, String);

/// The schedules of a service that begin on a day and come to an end, each with its last day.
fn courses(service: &Service) -> Vec<Course<'_>> {
    let here = service.schedules.iter().map(|schedule| (schedule, None));
    let there = service.service_at_locations.iter().flat_map(|place| {
        let location = place.location.as_deref();
        let at_place = location
            .iter()
            .flat_map(|it| it.schedules.iter())
            .collect::<Vec<_>>();
        let all = place.schedules.iter().chain(at_place);
        all.map(|schedule| (schedule, location)).collect::<Vec<_>>()
    });
    let dated = here.chain(there).filter_map(|(schedule, location)| {
        let begins = schedule
            .dtstart
            .as_deref()
            .filter(|day| is_day_or_moment(day) && day.len() == 10)?;
        let last = match (
            &schedule.until,
            &schedule.valid_to,
            &schedule.count,
            &schedule.freq,
        ) {
            (Some(day), ..) | (None, Some(day), ..) => day.get(..10)?.to_owned(),
            // So many times: as long as it takes at most, once a month.
            (None, None, Some(count), Some(_)) => {
                let months = count.as_u64().unwrap_or(1).min(120);
                fingerpost_proto::board::edit::days_after(begins, u32::try_from(months * 31).ok()?)
            }
            (None, None, _, None) => begins.to_owned(),
            (None, None, None, Some(_)) => return None,
        };
        Some((service, schedule, location, last))
    });
    dated.collect()
}

/// A day with a time of day, where that has the form `HH:MM` or longer.
fn moment(day: Option<&str>, time: Option<&str>) -> String {
    let day = day.unwrap_or_default();
    let with_time = time.and_then(|time| Some(format!("{day}T{}", time.get(..5)?)));
    let good = with_time.filter(|text| is_day_or_moment(text));
    good.unwrap_or_else(|| day.to_owned())
}

/// The rule of a schedule, of the parts that have the form of RFC 5545; `None` if it happens once.
fn rule(schedule: &Schedule) -> Option<String> {
    let plain = |text: &str, more: &str| {
        let letters = text.chars();
        let fit = |letter: char| letter.is_ascii_alphanumeric() || more.contains(letter);
        (!text.is_empty() && letters.into_iter().all(fit)).then(|| text.to_owned())
    };
    let freq = plain(&schedule.freq.as_deref()?.to_uppercase(), "")?;
    let mut parts = vec![format!("FREQ={freq}")];
    for (name, value) in [
        ("INTERVAL", schedule.interval.as_ref()),
        (
            "COUNT",
            schedule.count.as_ref().filter(|_| schedule.until.is_none()),
        ),
    ] {
        parts.extend(
            value
                .and_then(|it| it.as_u64())
                .map(|number| format!("{name}={number}")),
        );
    }
    let until = schedule.until.as_deref().or(schedule.valid_to.as_deref());
    let until = until.filter(|_| schedule.count.is_none() || schedule.until.is_some());
    if let Some(day) = until
        .and_then(|day| day.get(..10))
        .filter(|day| is_day_or_moment(day))
    {
        // A rule whose events have a time ends at a time.
        let time = schedule.opens_at.as_ref().map_or("", |_| "T235959");
        parts.push(format!("UNTIL={}{time}", day.replace('-', "")));
    }
    for (name, value) in [
        ("BYDAY", &schedule.byday),
        ("BYWEEKNO", &schedule.byweekno),
        ("BYMONTHDAY", &schedule.bymonthday),
        ("BYYEARDAY", &schedule.byyearday),
        ("WKST", &schedule.wkst),
    ] {
        let value = value.as_deref().map(|text| text.replace(' ', ""));
        parts.extend(
            value
                .and_then(|text| plain(&text, ",+-"))
                .map(|text| format!("{name}={text}")),
        );
    }
    Some(parts.join(";"))
}

fn name_of(location: &Location) -> Option<String> {
    let address = location.addresses.iter().next();
    let lines = address
        .into_iter()
        .flat_map(|it| [&it.address_1, &it.city, &it.postal_code]);
    let parts: Vec<&str> = std::iter::once(&location.name)
        .chain(lines)
        .flatten()
        .map(String::as_str)
        .collect();
    (!parts.is_empty()).then(|| parts.join(", "))
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
    use serde_json::json;

    fn service(schedule: serde_json::Value) -> Service {
        serde_json::from_value(json!({"id": "s", "name": "Course", "schedules": [schedule]}))
            .unwrap()
    }

    #[test]
    fn a_course_has_a_beginning_an_end_and_a_rule() {
        let course = service(json!({
            "id": "a", "dtstart": "2027-01-12", "freq": "WEEKLY", "byday": "TU, TH", "until": "2027-03-30",
            "opens_at": "18:00:00", "closes_at": "20:00",
        }));
        let found = courses(&course);
        assert_eq!(found[0].3, "2027-03-30");
        assert_eq!(
            rule(found[0].1).as_deref(),
            Some("FREQ=WEEKLY;UNTIL=20270330T235959;BYDAY=TU,TH")
        );
        assert_eq!(
            moment(Some("2027-01-12"), Some("18:00:00")),
            "2027-01-12T18:00"
        );
        assert_eq!(moment(Some("2027-01-12"), Some("evening")), "2027-01-12");
    }

    #[test]
    fn opening_hours_without_end_are_no_course_and_strange_rules_are_left_out() {
        let hours =
            service(json!({"id": "a", "dtstart": "2027-01-12", "freq": "WEEKLY", "byday": "MO"}));
        assert!(courses(&hours).is_empty());
        let open = service(json!({"id": "a", "freq": "WEEKLY", "opens_at": "09:00"}));
        assert!(courses(&open).is_empty());
        let strange = service(json!({
            "id": "a", "dtstart": "2027-01-12", "freq": "WEEKLY", "count": 6, "byday": "MO\r\nEND:VEVENT",
        }));
        assert_eq!(
            rule(courses(&strange)[0].1).as_deref(),
            Some("FREQ=WEEKLY;COUNT=6")
        );
        let once = service(json!({"id": "a", "dtstart": "2027-01-12"}));
        assert_eq!(
            (courses(&once)[0].3.as_str(), rule(courses(&once)[0].1)),
            ("2027-01-12", None)
        );
    }
}
