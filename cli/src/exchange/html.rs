//! A page to read and to print: one paragraph a service, no script, nothing loaded from elsewhere.

use fingerpost_proto::listing::tables::Table;

use crate::output::plain;

const STYLE: &str = "body{font:11pt/1.4 serif;max-width:48em;margin:2em auto;padding:0 1em}\
h1{font-size:1.6em}h2{font-size:1.2em;border-bottom:1px solid;margin-top:2em}h3{font-size:1em;margin:1em 0 .2em}\
article{break-inside:avoid}dl{display:grid;grid-template-columns:9em 1fr;margin:.3em 0}dt{font-style:italic}dd{margin:0}\
p{margin:.2em 0;white-space:pre-line}@media print{body{margin:0;max-width:none}h2{break-after:avoid}}";

/// The flat table as a page, grouped by organisation.
pub(super) fn page(table: &Table, title: &str) -> String {
    let title = escaped(title);
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<h1>{title}</h1>\n"
    );
    let column = |name: &str| table.header.iter().position(|header| header == name);
    let (name, owner, words) = (
        column("Service name"),
        column("Organisation"),
        column("Description"),
    );
    let cell = |row: &[String], index: Option<usize>| {
        index
            .and_then(|index| row.get(index))
            .cloned()
            .unwrap_or_default()
    };
    let mut rows: Vec<&[String]> = table.rows.iter().map(|row| row.cells.as_slice()).collect();
    rows.sort_by_key(|row| {
        (
            cell(row, owner).to_lowercase(),
            cell(row, name).to_lowercase(),
        )
    });
    let mut current = None;
    for row in rows {
        let of = cell(row, owner);
        if current.as_ref() != Some(&of) {
            page.push_str(&format!("<h2>{}</h2>\n", escaped(&of)));
            current = Some(of);
        }
        page.push_str(&format!(
            "<article>\n<h3>{}</h3>\n",
            escaped(&cell(row, name))
        ));
        let description = without_tags(&cell(row, words));
        if !description.is_empty() {
            page.push_str(&format!("<p>{}</p>\n", escaped(&description)));
        }
        page.push_str("<dl>\n");
        let skipped = [name, owner, words, column("Service ID")];
        for (index, header) in table
            .header
            .iter()
            .enumerate()
            .filter(|(index, _)| !skipped.contains(&Some(*index)))
        {
            let text = without_tags(&cell(row, Some(index)));
            if !text.is_empty() {
                page.push_str(&format!(
                    "<dt>{}</dt><dd>{}</dd>\n",
                    escaped(header),
                    escaped(&text)
                ));
            }
        }
        page.push_str("</dl>\n</article>\n");
    }
    page.push_str("</body>\n</html>\n");
    page
}

/// Some feeds write their texts in HTML: what is left are the words, with a line for each paragraph.
fn without_tags(text: &str) -> String {
    let mut words = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, tag)) = rest.split_once('<') {
        words.push_str(before);
        let name: String = tag
            .trim_start_matches('/')
            .chars()
            .take_while(char::is_ascii_alphanumeric)
            .collect();
        match tag.split_once('>') {
            Some((_, after)) if !name.is_empty() => {
                if matches!(
                    name.to_lowercase().as_str(),
                    "p" | "br" | "li" | "div" | "h1" | "h2" | "h3" | "tr"
                ) {
                    words.push('\n');
                }
                rest = after;
            }
            // "age < 18" is no tag.
            _ => {
                words.push('<');
                rest = tag;
            }
        }
    }
    words.push_str(rest);
    let words = words
        .replace("&nbsp;", " ")
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"")
        .replace("&amp;", "&");
    let lines: Vec<&str> = words
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    plain(&lines.join("\n"))
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;")
}
