//! The map as a picture.

use super::Graph;
use super::layout::{Layout, Route, Slot, layout};
use crate::output::page;

/// All lengths are in pixels.
const BOX_WIDTH: usize = 190;
const LINE_HEIGHT: usize = 15;
/// Room for each link at the side of a box: its label stands there, on a line of its own.
const PORT_HEIGHT: usize = 16;
const PADDING: usize = 8;
const GAP: usize = 14;
const MARGIN: usize = 24;
const TITLE_HEIGHT: usize = 30;
/// Where links bend from one column to the next, beside the labels.
const BEND: usize = 90;
const LABEL_MAX_CHARS: usize = 44;
const LABEL_CHAR: usize = 6;
const NAME_MAX_CHARS: usize = 22;
const NAME_LINES_MAX: usize = 4;
/// How many boxes without links stand beside one another below.
const APART_COLUMNS: usize = 5;

/// Fill and edge of a box, by words in the kind of the place; the first that fits. Told apart without colours as well: the
/// kind stands in the box.
const COLOURS: &[(&str, &str, &str)] = &[
    ("node", "#eceff1", "#607d8b"),
    ("forum", "#e3f2e6", "#2e7d4f"),
    ("board", "#fff3d6", "#a86b00"),
    ("committee", "#fff3d6", "#a86b00"),
    ("council", "#fff3d6", "#a86b00"),
    ("group", "#fbe9e7", "#a1442b"),
];
const OTHER_COLOURS: (&str, &str) = ("#e4eefb", "#2b5f9e");

/// Where a box stands.
#[derive(Debug, Clone, Copy, Default)]
struct Frame {
    x: usize,
    y: usize,
    height: usize,
}

/// The map as an SVG document.
pub(crate) fn svg(graph: &Graph, title: &str) -> String {
    let layout = layout(graph);
    let drawing = Drawing::new(graph, &layout);
    let mut body = String::new();
    for at in 0..graph.links.len() {
        body.push_str(&drawing.link(at));
    }
    for place in 0..graph.places.len() {
        body.push_str(&drawing.place(place));
    }
    let (width, height) = (drawing.width, drawing.height);
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" \
         font-family=\"'DejaVu Sans', Verdana, sans-serif\">\n\
         <title>{0}</title>\n\
         <defs><marker id=\"end\" viewBox=\"0 0 8 8\" refX=\"8\" refY=\"4\" markerWidth=\"8\" markerHeight=\"8\" \
         orient=\"auto-start-reverse\"><path d=\"M0 0 L8 4 L0 8 z\" fill=\"#555\"/></marker></defs>\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n\
         <text x=\"{MARGIN}\" y=\"{1}\" font-size=\"16\" font-weight=\"bold\" fill=\"#222\">{0}</text>\n{body}</svg>\n",
        escape(title),
        MARGIN + 4,
    )
}

struct Drawing<'a> {
    graph: &'a Graph,
    layout: &'a Layout,
    /// By place.
    frames: Vec<Frame>,
    /// For each link: the height at which it leaves its left end, passes the columns between, and arrives.
    heights: Vec<Vec<usize>>,
    /// The left edge of each column.
    column_x: Vec<usize>,
    /// How wide the labels of each column may be.
    label_width: Vec<usize>,
    width: usize,
    height: usize,
}

impl<'a> Drawing<'a> {
    fn new(graph: &'a Graph, layout: &'a Layout) -> Self {
        let mut drawing = Self {
            graph,
            layout,
            frames: vec![Frame::default(); graph.places.len()],
            heights: vec![Vec::new(); graph.links.len()],
            column_x: Vec::new(),
            label_width: Vec::new(),
            width: 0,
            height: 0,
        };
        drawing.set_columns();
        drawing.set_boxes();
        drawing.set_ports();
        drawing
    }

    /// Links that begin, or else end, at a place, in the order in which they are drawn there.
    fn links_at(&self, place: usize, leaving: bool) -> Vec<usize> {
        let at_place = |route: &&Route| match leaving {
            true => route.left == place,
            false => route.right == place,
        };
        let routes = self.layout.routes.iter().enumerate();
        let found = routes.filter(|(_, route)| at_place(route) && route.left != route.right);
        let mut links: Vec<usize> = found.map(|(at, _)| at).collect();
        links.sort_by_key(|at| (self.neighbour(*at, leaving), *at));
        links
    }

    /// The position, in the next column, of where a link goes on.
    fn neighbour(&self, at: usize, leaving: bool) -> Option<usize> {
        let route = self.layout.routes.get(at)?;
        let (column, slot) = match (route.between.as_slice(), leaving) {
            ([], true) => (self.column_of(route.right)?, Slot::Place(route.right)),
            ([], false) => (self.column_of(route.left)?, Slot::Place(route.left)),
            ([first, ..], true) => (*first, Slot::Passing(at)),
            ([.., last], false) => (*last, Slot::Passing(at)),
        };
        let column = self.layout.columns.get(column)?;
        column.iter().position(|other| *other == slot)
    }

    fn column_of(&self, place: usize) -> Option<usize> {
        let holds = |column: &Vec<Slot>| column.contains(&Slot::Place(place));
        self.layout.columns.iter().position(holds)
    }

    fn set_columns(&mut self) {
        let mut x = MARGIN;
        for at in 0..self.layout.columns.len() {
            let begins_here = |route: &Route| self.column_of(route.left) == Some(at);
            let labels = self.graph.links.iter().zip(&self.layout.routes);
            let longest = labels
                .filter(|(_, route)| begins_here(route))
                .map(|(link, _)| link.label.chars().count().min(LABEL_MAX_CHARS))
                .max()
                .unwrap_or(0);
            let label_width = longest * LABEL_CHAR + PADDING;
            self.column_x.push(x);
            self.label_width.push(label_width);
            x += BOX_WIDTH + label_width + BEND;
        }
        let last = self.label_width.last().copied().unwrap_or(0) + BEND;
        let apart = match self.layout.apart.len().min(APART_COLUMNS) {
            0 => 0,
            some => some * (BOX_WIDTH + GAP) + MARGIN,
        };
        self.width = (x - last.min(x)).max(apart) + MARGIN;
    }

    fn box_height(&self, place: usize) -> usize {
        let ports = self
            .links_at(place, true)
            .len()
            .max(self.links_at(place, false).len());
        let lines = self
            .graph
            .places
            .get(place)
            .map_or(1, |place| name_lines(&place.label).len());
        let text = (lines + 1) * LINE_HEIGHT + PADDING;
        (ports * PORT_HEIGHT + PADDING).max(text)
    }

    fn set_boxes(&mut self) {
        let height_of = |drawing: &Self, slot: &Slot| match slot {
            Slot::Place(place) => drawing.box_height(*place),
            Slot::Passing(_) => PORT_HEIGHT,
        };
        let totals: Vec<usize> = self
            .layout
            .columns
            .iter()
            .map(|column| column.iter().map(|slot| height_of(self, slot) + GAP).sum())
            .collect();
        let tallest = totals.iter().max().copied().unwrap_or(0);
        let mut passing: Vec<(usize, usize, usize)> = Vec::new();
        for (at, (column, total)) in self.layout.columns.iter().zip(&totals).enumerate() {
            let mut y = MARGIN + TITLE_HEIGHT + (tallest - total) / 2;
            for slot in column {
                let height = height_of(self, slot);
                match slot {
                    Slot::Place(place) => {
                        let x = self.column_x.get(at).copied().unwrap_or(MARGIN);
                        if let Some(frame) = self.frames.get_mut(*place) {
                            *frame = Frame { x, y, height };
                        }
                    }
                    Slot::Passing(link) => passing.push((*link, at, y + height / 2)),
                }
                y += height + GAP;
            }
        }
        passing.sort_by_key(|(link, column, _)| (*link, *column));
        for (link, _, y) in passing {
            if let Some(heights) = self.heights.get_mut(link) {
                heights.push(y);
            }
        }
        self.set_apart(MARGIN + TITLE_HEIGHT + tallest);
    }

    /// Those without links stand below, in rows.
    fn set_apart(&mut self, top: usize) {
        let mut y = top;
        for row in self.layout.apart.chunks(APART_COLUMNS) {
            let height = row
                .iter()
                .map(|place| self.box_height(*place))
                .max()
                .unwrap_or(0);
            for (at, place) in row.iter().enumerate() {
                if let Some(frame) = self.frames.get_mut(*place) {
                    let x = MARGIN + at * (BOX_WIDTH + GAP);
                    *frame = Frame { x, y, height };
                }
            }
            y += height + GAP;
        }
        self.height = y + MARGIN;
    }

    /// Gives each link a port of its own on both of its boxes.
    fn set_ports(&mut self) {
        for place in 0..self.graph.places.len() {
            let Some(frame) = self.frames.get(place).copied() else {
                continue;
            };
            for leaving in [true, false] {
                let links = self.links_at(place, leaving);
                let free = frame.height - (links.len() * PORT_HEIGHT).min(frame.height);
                for (port, link) in links.iter().enumerate() {
                    let y = frame.y + free / 2 + port * PORT_HEIGHT + PORT_HEIGHT / 2;
                    if let Some(heights) = self.heights.get_mut(*link) {
                        match leaving {
                            true => heights.insert(0, y),
                            false => heights.push(y),
                        }
                    }
                }
            }
        }
    }

    fn link(&self, at: usize) -> String {
        let (Some(route), Some(link), Some(heights)) = (
            self.layout.routes.get(at),
            self.graph.links.get(at),
            self.heights.get(at),
        ) else {
            return String::new();
        };
        let (Some(first), Some(begin)) = (self.column_of(route.left), heights.first()) else {
            return String::new();
        };
        let column_x = |column: usize| self.column_x.get(column).copied().unwrap_or(0);
        let start = column_x(first) + BOX_WIDTH;
        let bend = start + self.label_width.get(first).copied().unwrap_or(0);
        let mut path = format!("M{start} {begin} H{bend}");
        let (mut x, mut y) = (bend, *begin);
        for (step, next_y) in heights.iter().skip(1).enumerate() {
            let next_x = column_x(first + step + 1);
            let middle = (x + next_x) / 2;
            path.push_str(&format!(
                " C{middle} {y} {middle} {next_y} {next_x} {next_y}"
            ));
            y = *next_y;
            x = next_x;
            // Through a column, and beside its labels.
            if step + 2 < heights.len() {
                let across =
                    BOX_WIDTH + self.label_width.get(first + step + 1).copied().unwrap_or(0);
                x = next_x + across;
                path.push_str(&format!(" H{x}"));
            }
        }
        let (marker, dashes) = match route.turned {
            true => ("marker-start", " stroke-dasharray=\"5 3\""),
            false => ("marker-end", ""),
        };
        let label = shortened(&link.label, LABEL_MAX_CHARS);
        format!(
            "<g><title>{}</title><path d=\"{path}\" fill=\"none\" stroke=\"#777\" stroke-width=\"1.2\"{dashes} \
             {marker}=\"url(#end)\"/>\
             <text x=\"{}\" y=\"{}\" font-size=\"10\" fill=\"#333\">{}</text></g>\n",
            escape(&link.label),
            start + 4,
            begin - 3,
            escape(&label),
        )
    }

    fn place(&self, at: usize) -> String {
        let (Some(place), Some(frame)) = (self.graph.places.get(at), self.frames.get(at)) else {
            return String::new();
        };
        let kind = place.kind.to_lowercase();
        let known = COLOURS.iter().find(|(word, ..)| kind.contains(word));
        let (fill, edge) = known.map_or(OTHER_COLOURS, |(_, fill, edge)| (*fill, *edge));
        let lines = name_lines(&place.label);
        let text_height = (lines.len() + 1) * LINE_HEIGHT;
        let mut y = frame.y + (frame.height - text_height.min(frame.height)) / 2 + LINE_HEIGHT - 4;
        let middle = frame.x + BOX_WIDTH / 2;
        let mut text = format!(
            "<g><title>{}</title><rect x=\"{}\" y=\"{}\" width=\"{BOX_WIDTH}\" height=\"{}\" rx=\"5\" fill=\"{fill}\" \
             stroke=\"{edge}\" stroke-width=\"1.4\"/>",
            escape(&place.label),
            frame.x,
            frame.y,
            frame.height,
        );
        for line in lines {
            text.push_str(&format!(
                "<text x=\"{middle}\" y=\"{y}\" font-size=\"12\" font-weight=\"bold\" text-anchor=\"middle\" \
                 fill=\"#222\">{}</text>",
                escape(&line)
            ));
            y += LINE_HEIGHT;
        }
        text.push_str(&format!(
            "<text x=\"{middle}\" y=\"{y}\" font-size=\"10\" text-anchor=\"middle\" fill=\"{edge}\">{}</text></g>\n",
            escape(&shortened(&place.kind, LABEL_MAX_CHARS))
        ));
        text
    }
}

/// A name on at most [`NAME_LINES_MAX`] lines.
fn name_lines(name: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in name.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + word.chars().count() < NAME_MAX_CHARS => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(shortened(word, NAME_MAX_CHARS)),
        }
    }
    if lines.len() > NAME_LINES_MAX {
        lines.truncate(NAME_LINES_MAX);
        if let Some(last) = lines.last_mut() {
            *last = shortened(&format!("{last} and more words"), last.chars().count() + 1);
        }
    }
    lines
}

fn shortened(text: &str, most: usize) -> String {
    match text.chars().count() > most {
        true => text
            .chars()
            .take(most.saturating_sub(1))
            .chain(['…'])
            .collect(),
        false => text.to_owned(),
    }
}

/// Text inside XML. Characters that XML does not know are left out.
fn escape(text: &str) -> String {
    let is_known = |it: &char| !it.is_control() && !matches!(it, '\u{fffe}' | '\u{ffff}');
    page::escape(&text.chars().filter(is_known).collect::<String>())
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

    #[test]
    fn boxes_do_not_overlap_and_stand_within_the_picture() {
        let Some(graph) = crate::map::tests::bromley() else {
            return;
        };
        let layout = layout(&graph);
        let drawing = Drawing::new(&graph, &layout);
        for (at, one) in drawing.frames.iter().enumerate() {
            assert!(one.x + BOX_WIDTH <= drawing.width && one.y + one.height <= drawing.height);
            for other in &drawing.frames[at + 1..] {
                let beside = one.x + BOX_WIDTH <= other.x || other.x + BOX_WIDTH <= one.x;
                let above = one.y + one.height <= other.y || other.y + other.height <= one.y;
                assert!(beside || above, "{one:?} {other:?}");
            }
        }
        // Every link has its own height at both ends.
        for (route, heights) in layout.routes.iter().zip(&drawing.heights) {
            assert_eq!(heights.len(), route.between.len() + 2);
        }
    }

    #[test]
    fn names_of_others_cannot_break_the_picture() {
        let place = |label: &str| Place {
            label: label.into(),
            kind: "</svg>".into(),
        };
        let graph = Graph {
            places: vec![place("A & B <script>"), place(&"long ".repeat(80))],
            links: vec![
                Link {
                    from: 0,
                    to: 1,
                    label: "\"chair\"".into(),
                },
                Link {
                    from: 1,
                    to: 1,
                    label: "itself".into(),
                },
            ],
        };
        let drawn = svg(&graph, "x\u{1b}<y>");
        assert!(!drawn.contains("<script>") && !drawn.contains('\u{1b}'));
        assert_eq!(drawn.matches("</svg>").count(), 1);
        assert!(drawn.contains("A &amp; B"));
        assert!(svg(&Graph::default(), "nothing").contains("</svg>"));
    }
}
