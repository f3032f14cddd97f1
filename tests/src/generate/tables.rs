//! What real listings look like, as figures: how long, how many, which words and terms, where.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use crate::sim::Random;

/// Something of which each has its weight.
#[derive(Debug)]
pub struct Weighted<T> {
    entries: Vec<T>,
    /// The weights of each and all before it together.
    up_to: Vec<u64>,
}

impl<T> Weighted<T> {
    fn new(entries: impl IntoIterator<Item = (T, u64)>) -> Self {
        let mut weighted = Self {
            entries: Vec::new(),
            up_to: Vec::new(),
        };
        let mut total = 0;
        for (entry, weight) in entries {
            total += weight;
            weighted.entries.push(entry);
            weighted.up_to.push(total);
        }
        weighted
    }

    /// One of them, each as often as its weight says.
    pub fn draw(&self, random: &mut Random) -> Option<&T> {
        let drawn = random.below(self.total());
        let at = self.up_to.partition_point(|up_to| *up_to <= drawn);
        self.entries.get(at)
    }

    /// All weights together.
    pub fn total(&self) -> u64 {
        self.up_to.last().copied().unwrap_or(0)
    }

    /// Each with its weight.
    pub fn iter(&self) -> impl Iterator<Item = (&T, u64)> {
        let before = std::iter::once(&0).chain(&self.up_to);
        let weights = self.up_to.iter().zip(before).map(|(to, from)| to - from);
        self.entries.iter().zip(weights)
    }
}

/// A taxonomy term as services have it.
#[derive(Debug)]
pub struct Term {
    /// What it says of a service: its type, who may come, how it is delivered.
    pub link_type: &'static str,
    /// The taxonomy that it is from.
    pub taxonomy: &'static str,
    /// The term.
    pub name: &'static str,
}

/// The middle of a postcode's outward part.
#[derive(Debug)]
pub struct Spot {
    /// The outward part.
    pub outcode: &'static str,
    /// In degrees.
    pub latitude: f64,
    /// In degrees.
    pub longitude: f64,
    /// GSS code of the local authority.
    pub authority: &'static str,
    /// Its name.
    pub authority_name: &'static str,
}

/// All of it.
#[derive(Debug)]
pub struct Tables {
    /// Words of descriptions and of services' names, all in lower case.
    pub words: Weighted<&'static str>,
    /// Words of charities' names.
    pub names: Weighted<&'static str>,
    /// Words with which charities' names end.
    pub ends: Weighted<&'static str>,
    /// Terms of services.
    pub terms: Weighted<Term>,
    /// Places; a town has as many as it has outward codes, so that more people live where there are more.
    pub spots: Vec<Spot>,
    figures: BTreeMap<&'static str, Vec<u64>>,
}

/// The rows of a table, without comments, as columns.
fn rows(text: &'static str) -> impl Iterator<Item = Vec<&'static str>> {
    let rows = text.lines().filter(|line| !line.starts_with('#'));
    rows.map(|line| line.split('\t').collect())
}

fn counted(row: &[&'static str]) -> Option<(&'static str, u64)> {
    Some((*row.first()?, row.get(1)?.parse().ok()?))
}

impl Tables {
    /// The tables, read once.
    pub fn get() -> &'static Self {
        static TABLES: OnceLock<Tables> = OnceLock::new();
        TABLES.get_or_init(Self::read)
    }

    fn read() -> Self {
        let names = || rows(include_str!("tables/names.tsv"));
        let is_end = |row: &Vec<&str>| row.get(2) == Some(&"end");
        Self {
            words: Weighted::new(
                rows(include_str!("tables/words.tsv")).filter_map(|row| counted(&row)),
            ),
            names: Weighted::new(
                names()
                    .filter(|row| !is_end(row))
                    .filter_map(|row| counted(&row)),
            ),
            ends: Weighted::new(names().filter(is_end).filter_map(|row| counted(&row))),
            terms: Weighted::new(
                rows(include_str!("tables/terms.tsv")).filter_map(|row| term(&row)),
            ),
            spots: spots(),
            figures: rows(include_str!("tables/figures.tsv"))
                .filter_map(|row| {
                    let steps = row.get(1)?.split('|').map(str::parse);
                    Some((*row.first()?, steps.collect::<Result<_, _>>().ok()?))
                })
                .collect(),
        }
    }

    /// The percentiles of something that was counted in real listings, in equal steps; none if it was not counted.
    pub fn percentiles(&self, what: &str) -> &[u64] {
        self.figures.get(what).map_or(&[], Vec::as_slice)
    }

    /// A number, distributed as in real listings: a point of the percentiles, or between two of them.
    pub fn figure(&self, what: &str, random: &mut Random) -> u64 {
        let steps = self.percentiles(what);
        let at = random.below(steps.len().saturating_sub(1) as u64) as usize;
        match (steps.get(at), steps.get(at + 1)) {
            (Some(low), Some(high)) => random.between(*low, *high),
            _ => steps.first().copied().unwrap_or(0),
        }
    }
}

fn term(row: &[&'static str]) -> Option<(Term, u64)> {
    let term = Term {
        link_type: row.first()?,
        taxonomy: row.get(1)?,
        name: row.get(2)?,
    };
    Some((term, row.get(3)?.parse().ok()?))
}

fn spots() -> Vec<Spot> {
    let areas = rows(include_str!("../../../proto/geography/areas.tsv"));
    let areas: BTreeMap<&'static str, &'static str> = areas
        .filter_map(|row| Some((*row.first()?, *row.get(1)?)))
        .collect();
    let degrees = |text: &str| text.parse::<f64>().ok().map(|it| it / 10_000.0);
    let outcodes = rows(include_str!("../../../proto/geography/outcodes.tsv"));
    let spots = outcodes.filter_map(|row| {
        let authority = row.get(3)?;
        Some(Spot {
            outcode: row.first()?,
            latitude: degrees(row.get(1)?)?,
            longitude: degrees(row.get(2)?)?,
            authority,
            authority_name: areas.get(authority)?,
        })
    });
    spots.collect()
}
