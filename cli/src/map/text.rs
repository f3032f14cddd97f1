//! The map as text: for Graphviz, for Mermaid, and for a terminal.

use super::Graph;

/// The map in the language of Graphviz.
pub(crate) fn dot(graph: &Graph) -> String {
    let mut text = String::from("digraph map {\n  rankdir=LR;\n  node [shape=box];\n");
    for (at, place) in graph.places.iter().enumerate() {
        text.push_str(&format!(
            "  p{at} [label={}];\n",
            quoted(&format!("{}\n{}", place.label, place.kind))
        ));
    }
    for link in &graph.links {
        text.push_str(&format!(
            "  p{} -> p{} [label={}];\n",
            link.from,
            link.to,
            quoted(&link.label)
        ));
    }
    text.push_str("}\n");
    text
}

fn quoted(text: &str) -> String {
    let safe = text
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n");
    format!("\"{safe}\"")
}

/// The map in the language of Mermaid, which many wikis and repositories draw.
pub(crate) fn mermaid(graph: &Graph) -> String {
    let mut text = String::from("flowchart LR\n");
    for (at, place) in graph.places.iter().enumerate() {
        text.push_str(&format!("  p{at}[\"{}\"]\n", entities(&place.label)));
    }
    for link in &graph.links {
        text.push_str(&format!(
            "  p{} -->|\"{}\"| p{}\n",
            link.from,
            entities(&link.label),
            link.to
        ));
    }
    text
}

/// Letters, digits and plain signs as they are, and everything that Mermaid may obey as a number.
fn entities(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            letter if letter.is_alphanumeric() || " -,.'()/’".contains(letter) => {
                safe.push(letter)
            }
            other => safe.push_str(&format!("#{};", u32::from(other))),
        }
    }
    safe
}

/// The map as lines, one a seat.
pub(crate) fn lines(graph: &Graph) -> String {
    let name = |at: usize| {
        graph
            .places
            .get(at)
            .map_or("", |place| place.label.as_str())
    };
    let lines = graph.links.iter();
    lines
        .map(|link| format!("{} → {}: {}\n", name(link.from), name(link.to), link.label))
        .collect()
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
    fn names_of_others_stay_within_their_quotes() {
        let place = |label: &str| Place {
            label: label.into(),
            kind: "forum".into(),
        };
        let graph = Graph {
            places: vec![place("A \"b\"; x -> y"), place("C\\")],
            links: vec![Link {
                from: 0,
                to: 1,
                label: "chair | \"]".into(),
            }],
        };
        assert_eq!(
            dot(&graph),
            "digraph map {\n  rankdir=LR;\n  node [shape=box];\n  p0 [label=\"A \\\"b\\\"; x -> y\\nforum\"];\n  p1 [label=\"C\\\\\\nforum\"];\n  p0 -> p1 [label=\"chair | \\\"]\"];\n}\n"
        );
        assert_eq!(
            mermaid(&graph),
            "flowchart LR\n  p0[\"A #34;b#34;#59; x -#62; y\"]\n  p1[\"C#92;\"]\n  p0 -->|\"chair #124; #34;#93;\"| p1\n"
        );
        assert_eq!(lines(&graph), "A \"b\"; x -> y → C\\: chair | \"]\n");
    }
}
