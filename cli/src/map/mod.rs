//! Drawing who represents whom: as a picture, or as text for other programs.
//!
//! The layout is a function of the graph alone, so the same seats always give the same picture, and two people can
//! talk about it.

mod layout;
mod svg;
mod text;

use fingerpost_proto::api::MapView;

pub(crate) use svg::svg;
pub(crate) use text::{dot, lines, mermaid};

/// What is drawn.
#[derive(Debug, Clone, Default)]
pub(crate) struct Graph {
    /// The places, each once.
    pub(crate) places: Vec<Place>,
    /// What leads from one to another, by their position among the places.
    pub(crate) links: Vec<Link>,
}

/// Something on the map.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    /// Its name.
    pub(crate) label: String,
    /// What it is: decides its colour.
    pub(crate) kind: String,
}

/// Something that leads from one place to another.
#[derive(Debug, Clone)]
pub(crate) struct Link {
    /// Where it begins.
    pub(crate) from: usize,
    /// Where it ends.
    pub(crate) to: usize,
    /// What it says.
    pub(crate) label: String,
}

impl Graph {
    /// The graph of a map. Links to places that are not there are left out.
    pub(crate) fn of(map: &MapView) -> Self {
        let position = |id: &str| map.places.iter().position(|place| place.id == id);
        let places = map.places.iter().map(|place| Place {
            label: crate::output::one_line(&place.label),
            kind: crate::output::one_line(&place.kind),
        });
        let links = map.links.iter().filter_map(|link| {
            Some(Link {
                from: position(&link.from)?,
                to: position(&link.to)?,
                label: crate::output::one_line(&link.label),
            })
        });
        Self {
            places: places.collect(),
            links: links.collect(),
        }
    }
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]
pub(crate) mod tests {
    use super::*;
    use std::path::Path;

    /// The forums and boards of one London borough, as the seed data give them; nothing where those are not to be had.
    pub(crate) fn bromley() -> Option<Graph> {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data/seeds");
        let read = |name: &str| std::fs::read_to_string(dir.join(name)).ok();
        let (Some(bodies), Some(seats)) = (read("bromley-bodies.csv"), read("bromley-seats.csv"))
        else {
            eprintln!("skipped: the shared data are not here");
            return None;
        };
        let rows = |text: &str| -> Vec<Vec<String>> {
            let lines = text.lines().skip(1).filter(|line| !line.is_empty());
            lines
                .map(|line| line.split(',').map(str::to_owned).collect())
                .collect()
        };
        let bodies = rows(&bodies);
        let at = |id: &str| bodies.iter().position(|row| row[0] == id).unwrap();
        Some(Graph {
            places: bodies
                .iter()
                .map(|row| Place {
                    label: row[1].clone(),
                    kind: row[2].clone(),
                })
                .collect(),
            links: rows(&seats)
                .iter()
                .map(|row| Link {
                    from: at(&row[0]),
                    to: at(&row[1]),
                    label: row[2].clone(),
                })
                .collect(),
        })
    }

    #[test]
    fn a_real_structure_is_drawn_whole_and_alike_every_time() {
        let Some(graph) = bromley() else {
            return;
        };
        assert_eq!((graph.places.len(), graph.links.len()), (32, 38));
        let picture = svg(&graph, "Bromley, 2008");
        assert_eq!(picture, svg(&graph, "Bromley, 2008"));
        for drawn in [picture, dot(&graph), mermaid(&graph), lines(&graph)] {
            assert!(drawn.contains("co-opted member"), "{drawn}");
        }
        if let Some(path) = std::env::var_os("FINGERPOST_MAP_SVG") {
            std::fs::write(path, svg(&graph, "Bromley, 2008")).unwrap();
        }
    }
}
