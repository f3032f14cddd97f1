//! Keeping entries right: confirming one's own, reporting others', and what is due.

use fingerpost_proto::api::{
    Assure, Due, DueService, Edited, EntryView, Findings, PostReport, Posted, ReportView,
};
use fingerpost_proto::board::edit::{REPORT_DAYS, days_after, days_between};
use fingerpost_proto::board::tally::{findings, is_open};
use fingerpost_proto::board::{Report, Verdict};
use fingerpost_proto::ids::{DocKey, DocName, OrgId};
use fingerpost_proto::limits::REASON_MAX_BYTES;
use fingerpost_proto::listing::{Listing, Service, ShardState};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::notices::Seen;
use crate::node::days::today;
use crate::node::documents::By;
use crate::node::listing::no_service;
use crate::node::{Node, NodeError, now_s};
use crate::search::Kind;

/// The field of a service with the name of who assured it.
const ASSURED_BY: &str = "x_assured_by";
/// The field of a service with the moment of that, in seconds since 1970-01-01 UTC.
const ASSURED_AT: &str = "x_assured_at_s";
/// Statuses of services that nobody needs to confirm.
const ENDED: [&str; 2] = ["inactive", "defunct"];

/// Who assured an entry, as it says itself.
pub(in crate::node) fn assurer_of(content: &Value) -> Option<String> {
    let text = |field: &str| content.get(field)?.as_str().map(str::to_owned);
    text("assured_date")?;
    text(ASSURED_BY).or_else(|| text("assurer_email"))
}

fn is_current(service: &Service) -> bool {
    let status = service.status.as_deref();
    !status.is_some_and(|status| ENDED.contains(&status))
}

impl Node {
    /// Says that own entries are right: sets the day, who says so, and the moment.
    ///
    /// # Errors
    /// [`NodeError`]; nothing is changed then.
    pub fn assure(&self, org: &OrgId, request: &Assure, by: &By) -> Result<Edited, NodeError> {
        if request.all == request.services.is_empty() {
            let name = self.org_named(org).name;
            let (today, at_s) = (today(), now_s());
            return self.edit_listing(org, by, "assured", |current| {
                let mut listing = current.cloned().ok_or_else(|| {
                    NodeError::not_found(
                        "there is no listing to assure yet; nothing was changed",
                        "fingerpost listing import FILE",
                    )
                })?;
                let email = listing.organization.email.clone();
                for id in chosen(&listing, request)? {
                    let service = listing
                        .services
                        .get_mut(&id)
                        .ok_or_else(|| no_service(&id))?;
                    service.assured_date = Some(today.clone());
                    service.assurer_email.clone_from(&email);
                    service.extra.insert(ASSURED_BY.into(), name.clone().into());
                    service.extra.insert(ASSURED_AT.into(), at_s.into());
                }
                Ok(listing)
            });
        }
        Err(NodeError::bad_input(
            "say which services are right, or that all are; nothing was changed",
            "fingerpost assure SERVICE, or fingerpost assure --all; fingerpost due shows what needs it",
        ))
    }

    /// Says of another organisation's service that its entry is wrong, or right.
    ///
    /// # Errors
    /// [`NodeError`]; nothing is changed then.
    pub fn report(&self, org: &OrgId, request: &PostReport, by: &By) -> Result<Posted, NodeError> {
        let wrong = request.wrong.as_deref().map(str::trim);
        if wrong.is_some_and(|text| text.is_empty() || text.len() > REASON_MAX_BYTES) {
            return Err(NodeError::bad_input(
                format!(
                    "a report says in 1 to {REASON_MAX_BYTES} bytes what is wrong; nothing was changed"
                ),
                "fingerpost report SERVICE \"phone disconnected\"",
            ));
        }
        let (owner, service, name) = self.others_service(org, request)?;
        let unique = format!("fingerpost/report/{owner}/{service}");
        let id = Uuid::new_v5(&Uuid::NAMESPACE_URL, unique.as_bytes()).to_string();
        let what = match wrong {
            Some(_) => format!("reported: {name}"),
            None => format!("confirmed: {name}"),
        };
        let ((), changed) = self.add_to_board(org, &what, by, |board, today| {
            board.reports.insert(Report {
                id: id.clone(),
                organisation: owner.to_string(),
                service: service.clone(),
                verdict: match wrong {
                    Some(_) => Verdict::Wrong,
                    None => Verdict::Right,
                },
                text: wrong.map(str::to_owned),
                posted: today.to_owned(),
                posted_at_s: Some(now_s()),
                expires: days_after(today, REPORT_DAYS),
                extra: Map::new(),
            });
            Ok(())
        })?;
        self.posted(org, id, changed)
    }

    /// The service of another organisation that a report is about: whose, its id and its name.
    fn others_service(
        &self,
        org: &OrgId,
        request: &PostReport,
    ) -> Result<(OrgId, String, String), NodeError> {
        let of = request.organisation.as_deref();
        let of = of.map(|text| self.any_org(text)).transpose()?;
        let hits = self.index.lookup(request.service.trim())?;
        let mut found: Vec<(OrgId, String, String)> = Vec::new();
        for hit in hits.into_iter().filter(|hit| hit.kind == Kind::Service) {
            let Ok(owner) = hit.org.parse::<OrgId>() else {
                continue;
            };
            if of.is_none_or(|of| of == owner) {
                found.push((owner, hit.id, hit.name));
            }
        }
        match found.as_slice() {
            [(owner, ..)] if owner == org => Err(NodeError::refused(
                "that is your own service; nothing was changed",
                "to change it: fingerpost service set; to confirm it: fingerpost assure SERVICE",
            )),
            [one] => Ok(one.clone()),
            [] => Err(NodeError::not_found(
                format!(
                    "this node knows no service with the id {}; nothing was changed",
                    request.service
                ),
                "fingerpost search finds services with their ids",
            )),
            _ => Err(NodeError::bad_input(
                "several organisations publish a service with this id; nothing was changed",
                "say whose is meant: --of ORGANISATION",
            )),
        }
    }

    /// What others say of an entry.
    pub(in crate::node) fn findings_of(&self, entry: &EntryView) -> Result<Findings, NodeError> {
        let seen = self.seen(None)?;
        let at_s = entry.content.get(ASSURED_AT).and_then(Value::as_u64);
        Ok(told(
            &seen,
            &entry.organisation.id,
            &entry.id,
            entry.assured_date.as_deref(),
            at_s,
        ))
    }

    /// What an organisation should look at: what others report, and what was not confirmed for `days`; where
    /// nobody says how many, for as many as the charters of this node's networks say.
    ///
    /// # Errors
    /// [`NodeError`].
    pub fn due(&self, org: &OrgId, days: Option<u32>) -> Result<Due, NodeError> {
        let days = match days {
            Some(days) => days,
            None => self.lexicon()?.stale_after_days,
        };
        let listing = self.listing_of(org)?;
        let mut seen = self.seen(Some(&org.to_string()))?;
        // Only those who speak of this organisation: a long listing asks each of them once for every service.
        let owner = org.to_string();
        let about = |report: &Report| report.organisation == owner;
        seen.boards
            .retain(|board| board.state.reports.iter().any(about));
        let services = listing.iter().flat_map(|listing| listing.services.iter());
        let services: Vec<&Service> = services.filter(|service| is_current(service)).collect();
        let of = services.len();
        let mut due: Vec<DueService> = Vec::new();
        for service in services {
            let assured = service.assured_date.as_deref();
            let at_s = service.extra.get(ASSURED_AT).and_then(Value::as_u64);
            let age_days = assured.and_then(|day| days_between(day, &seen.today));
            let findings = told(&seen, org, &service.id, assured, at_s);
            if findings.reports.is_empty() && age_days.is_some_and(|age| age < i64::from(days)) {
                continue;
            }
            due.push(DueService {
                id: service.id.clone(),
                name: service.name.clone(),
                assured_date: service.assured_date.clone(),
                age_days,
                findings,
            });
        }
        due.sort_by(|one, other| {
            let pressing =
                |it: &DueService| (it.findings.reports.is_empty(), it.age_days.is_some());
            (pressing(one), other.age_days, &one.name, &one.id).cmp(&(
                pressing(other),
                one.age_days,
                &other.name,
                &other.id,
            ))
        });
        Ok(Due {
            organisation: self.org_named(org),
            days,
            services: due,
            of,
        })
    }

    /// The listing of any organisation as this node shows it, if it has one.
    pub(in crate::node) fn listing_of(&self, org: &OrgId) -> Result<Option<Listing>, NodeError> {
        let replica = self.replica();
        let keys: Vec<DocKey> = replica.documents_of(org).collect();
        let mut shards: Vec<ShardState> = Vec::new();
        for key in keys {
            if let DocName::Listing(shard) = key.name
                && let Some(shown) = replica.shown(&key)?
            {
                shards.extend(ShardState::parse(&shown.state, shard).ok());
            }
        }
        Ok(Listing::from_shards(&shards))
    }
}

/// What others say of a service, in the words of the API.
fn told(
    seen: &Seen,
    owner: &OrgId,
    service: &str,
    assured_date: Option<&str>,
    assured_at_s: Option<u64>,
) -> Findings {
    let found = findings(owner, service, seen.pairs(), &seen.today);
    let open = found.wrong.iter();
    let open = open.filter(|(_, report)| is_open(report, assured_date, assured_at_s));
    Findings {
        confirmed: found.right.len(),
        confirmed_on: found.right.first().map(|(_, report)| report.posted.clone()),
        reports: open
            .map(|(org, report)| ReportView {
                organisation: seen.owner(org),
                text: report.text.clone().unwrap_or_default(),
                posted: report.posted.clone(),
            })
            .collect(),
    }
}

/// The ids of the services that are to be assured.
fn chosen(listing: &Listing, request: &Assure) -> Result<Vec<String>, NodeError> {
    if request.all {
        let current = listing
            .services
            .iter()
            .filter(|service| is_current(service));
        return Ok(current.map(|service| service.id.clone()).collect());
    }
    let id_of = |text: &String| {
        if listing.services.contains(text) {
            return Ok(text.clone());
        }
        let wanted = text.trim().to_lowercase();
        let services = listing.services.iter();
        let named: Vec<&Service> = services
            .filter(|service| service.name.trim().to_lowercase() == wanted)
            .collect();
        match named.as_slice() {
            [one] => Ok(one.id.clone()),
            [] => Err(no_service(text)),
            _ => Err(NodeError::bad_input(
                format!(
                    "{} services are called \"{text}\"; nothing was changed",
                    named.len()
                ),
                "name one by its id: fingerpost listing show",
            )),
        }
    };
    request.services.iter().map(id_of).collect()
}
