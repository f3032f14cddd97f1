//! Where everything stands: in columns, so that whoever represents stands to the left of where it does so.
//!
//! The usual four steps for layered graphs: turn round what closes a circle, choose columns, order each of them
//! so that few lines cross, and then give everything a place. A line that passes a column has a slot of its own there.

use super::Graph;

/// How often the columns are ordered by their neighbours. More changes little.
const SWEEPS: usize = 12;

/// A graph with a place for everything. Positions are in columns and, within a column, in order from the top.
#[derive(Debug, Default)]
pub(super) struct Layout {
    /// What stands in each column, from the top.
    pub(super) columns: Vec<Vec<Slot>>,
    /// Links in the order of the graph's: the slots that each passes, from its left end to its right end.
    pub(super) routes: Vec<Route>,
    /// Places that nothing leads from or to.
    pub(super) apart: Vec<usize>,
}

/// What stands in a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Slot {
    /// A place.
    Place(usize),
    /// A link that passes.
    Passing(usize),
}

/// How a link runs.
#[derive(Debug, Clone, Default)]
pub(super) struct Route {
    /// The place at its left end.
    pub(super) left: usize,
    /// The place at its right end.
    pub(super) right: usize,
    /// The columns between them, from left to right.
    pub(super) between: Vec<usize>,
    /// It leads from right to left, because it closes a circle.
    pub(super) turned: bool,
}

/// Lays out a graph.
pub(super) fn layout(graph: &Graph) -> Layout {
    let count = graph.places.len();
    let turned = circles(graph);
    let ends: Vec<(usize, usize)> = graph
        .links
        .iter()
        .zip(&turned)
        .map(|(link, turned)| match turned {
            true => (link.to, link.from),
            false => (link.from, link.to),
        })
        .collect();
    let column_of = columns(count, &ends);
    let linked = |place: &usize| ends.iter().any(|(from, to)| from == place || to == place);
    let (within, apart): (Vec<usize>, Vec<usize>) = (0..count).partition(linked);
    let width = column_of.iter().max().map_or(0, |last| last + 1);
    let mut columns: Vec<Vec<Slot>> = vec![Vec::new(); width];
    for place in within {
        push(
            &mut columns,
            column_of.get(place).copied(),
            Slot::Place(place),
        );
    }
    let mut routes = Vec::new();
    for (at, (left, right)) in ends.iter().enumerate() {
        let column = |place: &usize| column_of.get(*place).copied().unwrap_or(0);
        let between: Vec<usize> = (column(left) + 1..column(right)).collect();
        for passed in &between {
            push(&mut columns, Some(*passed), Slot::Passing(at));
        }
        routes.push(Route {
            left: *left,
            right: *right,
            between,
            turned: turned.get(at).copied().unwrap_or(false),
        });
    }
    let mut layout = Layout {
        columns,
        routes,
        apart,
    };
    order(&mut layout, &column_of);
    layout
}

fn push(columns: &mut [Vec<Slot>], column: Option<usize>, slot: Slot) {
    if let Some(column) = column.and_then(|at| columns.get_mut(at)) {
        column.push(slot);
    }
}

/// Which links are to be turned round so that no circle is left: those that lead back to a place from which the search is
/// still under way. A link from a place to itself is one of them, and is not drawn further than its place.
fn circles(graph: &Graph) -> Vec<bool> {
    #[derive(Clone, Copy, PartialEq)]
    enum Seen {
        No,
        Open,
        Done,
    }
    let mut seen = vec![Seen::No; graph.places.len()];
    let mut turned = vec![false; graph.links.len()];
    let from = |place: usize| -> Vec<usize> {
        let links = graph.links.iter().enumerate();
        links
            .filter(|(_, link)| link.from == place)
            .map(|(at, _)| at)
            .collect()
    };
    for start in 0..graph.places.len() {
        if seen.get(start) != Some(&Seen::No) {
            continue;
        }
        // A stack of its own: a long chain of bodies must not end the program.
        let mut stack = vec![(start, from(start))];
        if let Some(mark) = seen.get_mut(start) {
            *mark = Seen::Open;
        }
        while let Some((place, rest)) = stack.last_mut() {
            let place = *place;
            let Some(at) = rest.pop() else {
                if let Some(mark) = seen.get_mut(place) {
                    *mark = Seen::Done;
                }
                stack.pop();
                continue;
            };
            let Some(next) = graph.links.get(at).map(|link| link.to) else {
                continue;
            };
            match seen.get(next) {
                Some(Seen::Open) => {
                    if let Some(turn) = turned.get_mut(at) {
                        *turn = true;
                    }
                }
                Some(Seen::No) => {
                    if let Some(mark) = seen.get_mut(next) {
                        *mark = Seen::Open;
                    }
                    stack.push((next, from(next)));
                }
                _ => {}
            }
        }
    }
    turned
}

/// The column of each place: as far to the right as its links allow, so that lines are short.
fn columns(count: usize, ends: &[(usize, usize)]) -> Vec<usize> {
    let mut from_right = vec![0_usize; count];
    // Without circles this settles after as many rounds as the longest chain has links.
    for _ in 0..count {
        let mut settled = true;
        for (left, right) in ends.iter().filter(|(left, right)| left != right) {
            let least = from_right.get(*right).map_or(0, |at| at + 1);
            if let Some(at) = from_right.get_mut(*left).filter(|at| **at < least) {
                *at = least;
                settled = false;
            }
        }
        if settled {
            break;
        }
    }
    let last = from_right.iter().max().copied().unwrap_or(0);
    from_right.iter().map(|at| last - at).collect()
}

/// Orders each column by the mean position of what it is linked with on one side, and then on the other.
fn order(layout: &mut Layout, column_of: &[usize]) {
    // The slots that are linked with one another in neighbouring columns, from left to right.
    let mut joints: Vec<Vec<(Slot, Slot)>> = vec![Vec::new(); layout.columns.len()];
    for (at, route) in layout.routes.iter().enumerate() {
        let mut before = (column_of.get(route.left).copied(), Slot::Place(route.left));
        let passing = route
            .between
            .iter()
            .map(|column| (Some(*column), Slot::Passing(at)));
        let last = (
            column_of.get(route.right).copied(),
            Slot::Place(route.right),
        );
        for next in passing.chain([last]) {
            if let Some(joint) = before.0.and_then(|column| joints.get_mut(column)) {
                joint.push((before.1, next.1));
            }
            before = next;
        }
    }
    let width = layout.columns.len();
    for sweep in 0..SWEEPS {
        let to_right = sweep % 2 == 0;
        for step in 1..width {
            let (at, beside, joint) = match to_right {
                true => (step, step - 1, step - 1),
                false => (width - 1 - step, width - step, width - 1 - step),
            };
            let (Some(fixed), Some(pairs)) =
                (layout.columns.get(beside).cloned(), joints.get(joint))
            else {
                continue;
            };
            let position = |slot: &Slot| fixed.iter().position(|other| other == slot);
            let mean = |slot: &Slot, now: usize| -> u64 {
                let others = pairs.iter().filter_map(|(left, right)| match to_right {
                    true => (right == slot).then_some(left),
                    false => (left == slot).then_some(right),
                });
                let places: Vec<usize> = others.filter_map(position).collect();
                let scaled = |sum: usize, count: usize| {
                    u64::try_from(sum * 1000 / count.max(1)).unwrap_or(u64::MAX)
                };
                match places.len() {
                    // What nothing pulls keeps its place.
                    0 => scaled(now * fixed.len(), layout_len(&layout.columns, at)),
                    some => scaled(places.iter().sum(), some),
                }
            };
            let Some(column) = layout.columns.get(at) else {
                continue;
            };
            let mut ranked: Vec<(u64, usize, Slot)> = column
                .iter()
                .enumerate()
                .map(|(now, slot)| (mean(slot, now), now, *slot))
                .collect();
            ranked.sort_by_key(|(mean, now, _)| (*mean, *now));
            if let Some(column) = layout.columns.get_mut(at) {
                *column = ranked.into_iter().map(|(_, _, slot)| slot).collect();
            }
        }
    }
}

fn layout_len(columns: &[Vec<Slot>], at: usize) -> usize {
    columns.get(at).map_or(1, Vec::len)
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
    use crate::map::{Link, Place};

    fn graph(places: usize, links: &[(usize, usize)]) -> Graph {
        Graph {
            places: (0..places)
                .map(|n| Place {
                    label: format!("p{n}"),
                    kind: "forum".into(),
                })
                .collect(),
            links: links
                .iter()
                .map(|(from, to)| Link {
                    from: *from,
                    to: *to,
                    label: "member".into(),
                })
                .collect(),
        }
    }

    fn column(layout: &Layout, place: usize) -> usize {
        let at = |column: &Vec<Slot>| column.contains(&Slot::Place(place));
        layout.columns.iter().position(at).unwrap()
    }

    #[test]
    fn whoever_represents_stands_to_the_left() {
        let layout = layout(&graph(5, &[(0, 1), (1, 2), (0, 2), (3, 2)]));
        assert!(column(&layout, 0) < column(&layout, 1) && column(&layout, 1) < column(&layout, 2));
        assert_eq!(
            column(&layout, 3),
            column(&layout, 1),
            "close to where it leads"
        );
        assert_eq!(layout.apart, [4]);
        assert_eq!(
            layout.routes[2].between,
            [1],
            "a long link passes the column between"
        );
        assert!(layout.columns[1].contains(&Slot::Passing(2)));
    }

    #[test]
    fn a_circle_is_drawn_with_one_link_turned_round() {
        let layout = layout(&graph(3, &[(0, 1), (1, 2), (2, 0), (1, 1)]));
        let turned: Vec<bool> = layout.routes.iter().map(|route| route.turned).collect();
        assert_eq!(turned, [false, false, true, true]);
        assert_eq!((layout.routes[2].left, layout.routes[2].right), (0, 2));
    }

    #[test]
    fn lines_that_need_not_cross_do_not() {
        let layout = layout(&graph(6, &[(0, 5), (1, 4), (2, 3)]));
        let order = |at: usize| layout.columns[at].clone();
        let right: Vec<Slot> = order(0)
            .iter()
            .map(|slot| match slot {
                Slot::Place(n) => Slot::Place(5 - n),
                other => *other,
            })
            .collect();
        assert_eq!(right, order(1));
        assert!(super::layout(&graph(0, &[])).columns.is_empty());
    }
}
