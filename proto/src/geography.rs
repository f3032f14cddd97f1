//! Where places lie: postcodes, points, and the areas of local government.
//!
//! The tables are built in (`proto/geography`, with their sources and licences), so that a search by place asks
//! no other computer. A postcode is known to its first half only: distances from it are rough, and whoever
//! shows them says so.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use crate::words::fold;

/// How far up areas nest at most: authority, county, region, country, Great Britain, the Kingdom.
const ANCESTORS_MAX: usize = 8;

/// No place in the Kingdom is so far from the centre of the nearest outcode, in metres.
const OUTCODE_REACH_M: u32 = 60_000;

/// A point on the earth, in ten-thousandths of a degree (about ten metres).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Point {
    /// Degrees north × 10,000.
    pub lat_e4: i32,
    /// Degrees east × 10,000.
    pub lng_e4: i32,
}

impl Point {
    /// The point at these degrees; `None` outside ±90 and ±180, and for 0, 0, which feeds write for "unknown".
    #[must_use]
    pub fn from_degrees(latitude: f64, longitude: f64) -> Option<Point> {
        let is_on_earth = latitude.abs() <= 90.0 && longitude.abs() <= 180.0;
        let point = Point {
            lat_e4: (latitude * 1e4).round() as i32,
            lng_e4: (longitude * 1e4).round() as i32,
        };
        (is_on_earth && (point.lat_e4, point.lng_e4) != (0, 0)).then_some(point)
    }

    /// How far it is to another point as the crow flies, in metres; good to one in a hundred over some hundred
    /// kilometres. The same number on every machine: it needs nothing but the four operations and roots.
    #[must_use]
    pub fn distance_m(self, other: Point) -> u32 {
        const METRES_PER_STEP: f64 = 11.119_508;
        let middle = f64::from(self.lat_e4 / 2 + other.lat_e4 / 2) / 1e4;
        let north = f64::from(other.lat_e4 - self.lat_e4);
        let turn = (other.lng_e4 - self.lng_e4).rem_euclid(3_600_000);
        let east = f64::from(turn.min(3_600_000 - turn)) * cosine(middle);
        ((north * north + east * east).sqrt() * METRES_PER_STEP).round() as u32
    }
}

/// The cosine of an angle in degrees, -90 to 90, by its series: libraries differ in the last digit.
fn cosine(degrees: f64) -> f64 {
    let square =
        (degrees * std::f64::consts::PI / 180.0) * (degrees * std::f64::consts::PI / 180.0);
    let (mut sum, mut part) = (1.0, 1.0);
    for n in [1.0, 3.0, 5.0, 7.0, 9.0, 11.0, 13.0] {
        part = -part * square / (n * (n + 1.0));
        sum += part;
    }
    sum
}

/// An area of local government.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Area {
    /// Its GSS code.
    pub code: String,
    /// Its name.
    pub name: String,
    /// The code of the area that it lies in, if it is not the whole.
    pub lies_in: Option<String>,
}

/// A place that somebody named by a postcode or by coordinates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Where it is.
    pub point: Point,
    /// Whether the point is only the centre of a postcode's first half.
    pub is_rough: bool,
    /// The GSS code of its local authority, where that is known.
    pub authority: Option<String>,
    /// What it is called: the outcode, or the coordinates.
    pub name: String,
}

struct Outcode {
    point: Point,
    authority: Option<String>,
}

struct Tables {
    outcodes: BTreeMap<String, Outcode>,
    areas: BTreeMap<String, Area>,
    /// Names as they are compared, with codes.
    by_name: BTreeMap<String, String>,
    former: BTreeMap<String, String>,
}

static TABLES: LazyLock<Tables> = LazyLock::new(|| {
    let mut tables = Tables {
        outcodes: BTreeMap::new(),
        areas: BTreeMap::new(),
        by_name: BTreeMap::new(),
        former: BTreeMap::new(),
    };
    for [outcode, lat, lng, authority] in rows(include_str!("../geography/outcodes.tsv")) {
        let (Ok(lat_e4), Ok(lng_e4)) = (lat.parse(), lng.parse()) else {
            continue;
        };
        let entry = Outcode {
            point: Point { lat_e4, lng_e4 },
            authority: some(authority),
        };
        tables.outcodes.insert(outcode.to_owned(), entry);
    }
    for [code, name, _] in rows(include_str!("../geography/former.tsv")) {
        tables.by_name.insert(fold(name), code.to_owned());
    }
    for [former, _, today] in rows(include_str!("../geography/former.tsv")) {
        tables.former.insert(former.to_owned(), today.to_owned());
    }
    for [code, name, lies_in, others] in rows(include_str!("../geography/areas.tsv")) {
        let names = others
            .split('|')
            .chain([name])
            .filter(|name| !name.is_empty());
        // A name that a present area has is that area's, whatever a former one was called.
        for name in names {
            tables.by_name.insert(fold(name), code.to_owned());
        }
        let area = Area {
            code: code.to_owned(),
            name: name.to_owned(),
            lies_in: some(lies_in),
        };
        tables.areas.insert(code.to_owned(), area);
    }
    tables
});

/// The rows of a table whose columns stand between tabs; comments and short rows are passed over.
pub(crate) fn rows<const N: usize>(table: &str) -> impl Iterator<Item = [&str; N]> {
    let lines = table.lines().filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| line.split('\t').collect::<Vec<_>>().try_into().ok())
}

fn some(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

/// The first half of a postcode, in capitals: from a whole one, with or without its space, or from a half.
#[must_use]
pub fn outcode_of(postcode: &str) -> Option<String> {
    let packed: String = postcode
        .chars()
        .filter(|c| !c.is_whitespace())
        .map(|c| c.to_ascii_uppercase())
        .collect();
    if !packed.is_ascii() || packed.len() > 7 {
        return None;
    }
    if TABLES.outcodes.contains_key(&packed) && packed.len() <= 4 {
        return Some(packed);
    }
    // The second half is a digit and two letters.
    let (first, second) = packed.split_at_checked(packed.len().checked_sub(3)?)?;
    let is_second = second.char_indices().all(|(at, c)| {
        if at == 0 {
            c.is_ascii_digit()
        } else {
            c.is_ascii_alphabetic()
        }
    });
    (is_second && TABLES.outcodes.contains_key(first)).then(|| first.to_owned())
}

/// The place of a postcode (whole, or its first half), or of "LATITUDE,LONGITUDE".
#[must_use]
pub fn place(text: &str) -> Option<Place> {
    if let Some((latitude, longitude)) = text.split_once(',') {
        let (lat, lng) = (
            latitude.trim().parse().ok()?,
            longitude.trim().parse().ok()?,
        );
        let point = Point::from_degrees(lat, lng)?;
        return Some(Place {
            point,
            is_rough: false,
            authority: authority_at(point).map(str::to_owned),
            name: format!("{lat},{lng}"),
        });
    }
    let name = outcode_of(text)?;
    let outcode = TABLES.outcodes.get(&name)?;
    Some(Place {
        point: outcode.point,
        is_rough: true,
        authority: outcode.authority.clone(),
        name,
    })
}

/// The outcodes whose authority is known, from south to north, each with its place in the table.
static BY_LATITUDE: LazyLock<Vec<(usize, &'static Outcode)>> = LazyLock::new(|| {
    let all = TABLES.outcodes.values().enumerate();
    let mut known: Vec<_> = all.filter(|(_, it)| it.authority.is_some()).collect();
    known.sort_by_key(|(_, it)| it.point.lat_e4);
    known
});

/// The local authority at a point: that of the nearest outcode's centre, so near a border it may be the neighbour.
#[must_use]
pub fn authority_at(point: Point) -> Option<&'static str> {
    let (south, north) =
        BY_LATITUDE.split_at(BY_LATITUDE.partition_point(|(_, it)| it.point.lat_e4 < point.lat_e4));
    let mut nearest = (OUTCODE_REACH_M, usize::MAX, None);
    // From the point's latitude outwards, until latitude alone makes all that follow farther than what was found.
    let mut look = |outcodes: &mut dyn Iterator<Item = &(usize, &'static Outcode)>| {
        for (at, outcode) in outcodes {
            let right_north = Point {
                lng_e4: point.lng_e4,
                ..outcode.point
            };
            if point.distance_m(right_north) > nearest.0 {
                break;
            }
            let distance_m = point.distance_m(outcode.point);
            if (distance_m, *at) < (nearest.0, nearest.1) {
                nearest = (distance_m, *at, outcode.authority.as_deref());
            }
        }
    };
    look(&mut south.iter().rev());
    look(&mut north.iter());
    nearest.2
}

/// The area with this GSS code (one of today or a former one), or with this name.
#[must_use]
pub fn area(text: &str) -> Option<&'static Area> {
    let code = text.trim().to_ascii_uppercase();
    if let Some(area) = area_of_code(&code) {
        return Some(area);
    }
    area_of_code(TABLES.by_name.get(&fold(text))?)
}

fn area_of_code(code: &str) -> Option<&'static Area> {
    let today = TABLES.former.get(code).map_or(code, String::as_str);
    TABLES.areas.get(today)
}

/// The GSS code at the end of an address such as `http://statistics.data.gov.uk/id/statistical-geography/E09000022`.
#[must_use]
pub fn code_in_uri(uri: &str) -> Option<&'static str> {
    let last = uri.trim_end_matches('/').rsplit(['/', '#', '=']).next()?;
    area_of_code(&last.to_ascii_uppercase()).map(|area| area.code.as_str())
}

/// The codes of everything that an area lies in, the smallest first; without itself.
#[must_use]
pub fn lies_in(code: &str) -> Vec<&'static str> {
    let mut found = Vec::new();
    let mut next = area_of_code(code).and_then(|area| area.lies_in.as_deref());
    while let Some(code) = next {
        found.push(code);
        if found.len() >= ANCESTORS_MAX {
            break;
        }
        next = area_of_code(code).and_then(|area| area.lies_in.as_deref());
    }
    found
}

/// Names of areas that are spelt almost like this one, for "did you mean".
#[must_use]
pub fn near_names(text: &str) -> BTreeSet<&'static str> {
    let folded = fold(text);
    let close = TABLES
        .by_name
        .iter()
        .filter(|(name, _)| crate::words::distance(name, &folded, 2).is_some());
    close
        .filter_map(|(_, code)| area_of_code(code).map(|area| area.name.as_str()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_nearest_outcode_decides(lat_e4 in 490_000..610_000_i32, lng_e4 in -90_000..30_000_i32) {
            let point = Point { lat_e4, lng_e4 };
            let known = TABLES.outcodes.values().filter(|it| it.authority.is_some());
            let nearest = known.min_by_key(|it| point.distance_m(it.point)).unwrap();
            let is_near = point.distance_m(nearest.point) <= OUTCODE_REACH_M;
            let expected = nearest.authority.as_deref().filter(|_| is_near);
            prop_assert_eq!(authority_at(point), expected);
        }
    }

    #[test]
    fn the_tables_are_whole() {
        assert!(TABLES.outcodes.len() > 2_800 && TABLES.areas.len() > 380);
        for area in TABLES.areas.values() {
            if let Some(code) = &area.lies_in {
                assert!(TABLES.areas.contains_key(code), "{area:?}");
            }
            assert!(lies_in(&area.code).len() < ANCESTORS_MAX, "{area:?}");
        }
        for (name, outcode) in &TABLES.outcodes {
            let known = outcode.authority.iter().all(|code| area(code).is_some());
            assert!(known, "{name}");
        }
        assert!(
            TABLES
                .former
                .values()
                .all(|code| TABLES.areas.contains_key(code))
        );
    }

    #[test]
    fn a_postcode_is_known_by_its_first_half() {
        for text in ["SW9", "sw9", "SW9 7AA", "sw97aa"] {
            let place = place(text).unwrap();
            assert_eq!(
                (place.name.as_str(), place.is_rough),
                ("SW9", true),
                "{text}"
            );
            assert_eq!(place.authority.as_deref(), Some("E09000022"));
        }
        for text in ["", "ZZ9 9ZZ", "SW9 7A", "Brixton", "SW97AAA"] {
            assert_eq!(place(text), None, "{text}");
        }
        assert_eq!(outcode_of("M1 1AA").as_deref(), Some("M1"));
        assert_eq!(outcode_of("M11AA").as_deref(), Some("M1"));
    }

    #[test]
    fn a_point_has_an_authority() {
        let place = place("53.4239, -2.3212").unwrap();
        assert!(!place.is_rough);
        assert_eq!(place.authority.as_deref(), Some("E08000009"));
        assert_eq!(super::place("91,0"), None);
        assert_eq!(super::place("0,0"), None);
        assert_eq!(
            authority_at(Point {
                lat_e4: 406_000,
                lng_e4: -740_000
            }),
            None
        );
    }

    #[test]
    fn areas_are_found_by_name_code_former_code_and_other_name() {
        for text in ["Trafford", "E08000009", "e08000009", "trafford"] {
            assert_eq!(area(text).unwrap().code, "E08000009", "{text}");
        }
        assert_eq!(area("E08000019").unwrap().name, "Sheffield");
        assert_eq!(area("E08000019").unwrap().code, "E08000039");
        assert_eq!(area("Kettering").unwrap().name, "North Northamptonshire");
        assert_eq!(area("Yorkshire & the Humber").unwrap().code, "E12000003");
        assert_eq!(area("Bristol").unwrap().code, "E06000023");
        assert_eq!(area("Atlantis"), None);
        assert_eq!(
            lies_in("E08000009"),
            [
                "E11000001",
                "E12000002",
                "E92000001",
                "K03000001",
                "K02000001"
            ]
        );
        let uri = "http://statistics.data.gov.uk/id/statistical-geography/E12000007";
        assert_eq!(code_in_uri(uri), Some("E12000007"));
        assert_eq!(code_in_uri("https://example.org/"), None);
        assert!(near_names("Traford").contains("Trafford"));
    }

    #[test]
    fn distances_are_those_of_the_map() {
        let (london, leeds) = (
            place("51.5074,-0.1278").unwrap(),
            place("53.8008,-1.5491").unwrap(),
        );
        let distance_m = london.point.distance_m(leeds.point);
        assert!((271_000..275_000).contains(&distance_m), "{distance_m}");
        let (west, east) = (
            Point {
                lat_e4: 0,
                lng_e4: -1_799_999,
            },
            Point {
                lat_e4: 0,
                lng_e4: 1_799_999,
            },
        );
        assert!(west.distance_m(east) < 50);
        for degrees in [0.0, 30.0, 51.5, 60.0, 89.0_f64] {
            assert!((cosine(degrees) - degrees.to_radians().cos()).abs() < 1e-6);
        }
    }

    proptest! {
        #[test]
        fn distance_is_symmetric_and_nought_to_itself(
            a in (-900_000..900_000, -1_800_000..1_800_000), b in (-900_000..900_000, -1_800_000..1_800_000)
        ) {
            let (a, b) = (Point { lat_e4: a.0, lng_e4: a.1 }, Point { lat_e4: b.0, lng_e4: b.1 });
            prop_assert_eq!(a.distance_m(b), b.distance_m(a));
            prop_assert_eq!(a.distance_m(a), 0);
        }

        #[test]
        fn no_text_is_too_strange_for_a_place(text in ".{0,20}") {
            let _ = (place(&text), area(&text), code_in_uri(&text), outcode_of(&text));
        }
    }
}
