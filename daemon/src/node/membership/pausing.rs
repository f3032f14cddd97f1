//! Times in which an organisation is closed to referrals.

use fingerpost_proto::api::{Away, Pauses};
use fingerpost_proto::card::{Card, Pause};
use fingerpost_proto::ids::OrgId;
use fingerpost_proto::limits;
use fingerpost_proto::listing::edit::is_date;

use crate::node::days::today;
use crate::node::documents::By;
use crate::node::names::org_ref;
use crate::node::{Node, NodeError};

/// The pause that an organisation is in on a day, or the next one.
pub(in crate::node) fn pause_of(card: &Card, day: &str) -> Option<Pause> {
    let coming = card
        .pauses
        .iter()
        .filter(|pause| pause.until.as_str() >= day);
    coming
        .min_by_key(|pause| (&pause.from, &pause.until))
        .cloned()
}

impl Node {
    /// Marks a pause, or its end.
    ///
    /// # Errors
    /// [`NodeError`].
    pub fn away(&self, org: &OrgId, request: &Away, by: &By) -> Result<Pauses, NodeError> {
        let today = today();
        let pause = pause(request, &today)?;
        let what = match &pause {
            Some(pause) => format!("away until {}", pause.until),
            None => "back from a pause".to_owned(),
        };
        let mut pauses = Vec::new();
        self.edit_card(org, &what, by, |card| {
            match pause {
                Some(pause) if !card.pauses.contains(&pause) => {
                    card.pauses.retain(|known| known.until >= today);
                    card.pauses.push(pause);
                    card.pauses
                        .sort_by(|a, b| (&a.from, &a.until).cmp(&(&b.from, &b.until)));
                }
                Some(_) => {}
                None => card.pauses.retain(|known| known.until < today),
            }
            if card.pauses.len() > limits::PAUSES_MAX {
                return Err(NodeError::refused(
                    format!(
                        "a card lists at most {} pauses; nothing was changed",
                        limits::PAUSES_MAX
                    ),
                    "fingerpost away --back takes those off that have not ended",
                ));
            }
            pauses = card
                .pauses
                .iter()
                .filter(|known| known.until >= today)
                .cloned()
                .collect();
            Ok(())
        })?;
        Ok(Pauses {
            organisation: org_ref(&self.replica(), org),
            pauses,
        })
    }
}

fn pause(request: &Away, today: &str) -> Result<Option<Pause>, NodeError> {
    let bad = |message: String, hint: &str| {
        Err(NodeError::bad_input(
            format!("{message}; nothing was changed"),
            hint,
        ))
    };
    let Some(until) = request.until.clone() else {
        return match request.from.is_some() || request.note.is_some() {
            true => bad(
                "a pause needs its last day".into(),
                "such as --until 2026-12-31",
            ),
            false => Ok(None),
        };
    };
    let from = request.from.clone().unwrap_or_else(|| today.to_owned());
    for day in [&from, &until] {
        if !is_date(day) {
            return bad(format!("\"{day}\" is not a day"), "write it as 2026-12-31");
        }
    }
    if until < from || until.as_str() < today {
        let message = match until < from {
            true => format!("the pause would end on {until}, before it begins on {from}"),
            false => format!("the pause would have ended already, on {until}"),
        };
        return bad(message, "give its last day: --until 2026-12-31");
    }
    if request
        .note
        .as_ref()
        .is_some_and(|note| note.len() > limits::REASON_MAX_BYTES)
    {
        let message = format!("a note has at most {} bytes", limits::REASON_MAX_BYTES);
        return bad(message, "shorten it");
    }
    Ok(Some(Pause {
        from,
        until,
        note: request.note.clone(),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn away(from: Option<&str>, until: Option<&str>) -> Away {
        Away {
            from: from.map(str::to_owned),
            until: until.map(str::to_owned),
            note: None,
        }
    }

    #[test]
    fn a_pause_begins_today_unless_it_says_otherwise() {
        let pause = |from, until| pause(&away(from, until), "2026-11-25");
        let made = pause(None, Some("2026-11-25")).unwrap().unwrap();
        assert_eq!(
            (made.from.as_str(), made.until.as_str()),
            ("2026-11-25", "2026-11-25")
        );
        assert_eq!(pause(None, None), Ok(None));
        assert!(pause(None, Some("2026-11-24")).is_err());
        assert!(pause(Some("2026-12-24"), Some("2026-12-23")).is_err());
        assert!(pause(Some("2026-12-24"), None).is_err());
        assert!(pause(None, Some("31.12.2026")).is_err());
        let long = Away {
            note: Some("x".repeat(limits::REASON_MAX_BYTES + 1)),
            ..away(None, Some("2026-12-01"))
        };
        assert!(super::pause(&long, "2026-11-25").is_err());
    }

    #[test]
    fn the_pause_of_a_day_is_the_first_that_has_not_ended() {
        let mut card = Card::new("x");
        let pause = |from: &str, until: &str| Pause {
            from: from.into(),
            until: until.into(),
            note: None,
        };
        card.pauses = vec![
            pause("2026-12-20", "2027-01-02"),
            pause("2026-11-01", "2026-11-10"),
        ];
        let of = |day| pause_of(&card, day).map(|pause| pause.from);
        assert_eq!(of("2026-11-10").as_deref(), Some("2026-11-01"));
        assert_eq!(of("2026-11-11").as_deref(), Some("2026-12-20"));
        assert_eq!(of("2027-01-03"), None);
    }
}
