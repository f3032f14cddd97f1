//! A digest as one page: for a terminal, for a wiki, or for a browser and an e-mail.

use fingerpost_proto::api::{Digest, DigestItem};

use crate::output::{one_line, plain};

/// Longest detail of one item, in characters.
const DETAIL_MAX_CHARS: usize = 400;

fn heading(digest: &Digest) -> String {
    format!(
        "{}: {} to {}",
        one_line(&digest.organisation.name),
        one_line(&digest.since),
        one_line(&digest.until)
    )
}

const NOTHING: &str = "Nothing has come up that concerns you.";

/// The lines of an item's detail, not too many.
fn details(item: &DigestItem) -> Vec<String> {
    let detail = item.detail.as_deref().unwrap_or_default();
    let short: String = match detail.chars().count() > DETAIL_MAX_CHARS {
        true => detail.chars().take(DETAIL_MAX_CHARS).chain(['…']).collect(),
        false => detail.to_owned(),
    };
    let lines = plain(&short);
    let lines = lines.lines().map(one_line);
    lines.filter(|line| !line.is_empty()).collect()
}

fn more(count: usize, command: &str) -> Option<String> {
    (count > 0).then(|| format!("and {count} more: {}", one_line(command)))
}

/// As plain text.
pub(crate) fn text(digest: &Digest) -> String {
    let mut page = format!("{}\n", heading(digest));
    for section in &digest.sections {
        page.push_str(&format!("\n{}\n", one_line(&section.title)));
        for item in &section.items {
            let id = item.id.iter().map(|id| format!(" [{}]", one_line(id)));
            page.push_str(&format!(
                "  {}{}\n",
                one_line(&item.text),
                id.collect::<String>()
            ));
            for line in details(item) {
                page.push_str(&format!("      {line}\n"));
            }
        }
        page.extend(more(section.more, &section.command).map(|more| format!("  {more}\n")));
    }
    if digest.sections.is_empty() {
        page.push_str(&format!("\n{NOTHING}\n"));
    }
    page
}

/// As Markdown. What others wrote stands in it as text: nothing in it makes a link, a heading or a tag.
pub(crate) fn markdown(digest: &Digest) -> String {
    let mut page = format!("# {}\n", unmarked(&heading(digest)));
    for section in &digest.sections {
        page.push_str(&format!("\n## {}\n\n", unmarked(&one_line(&section.title))));
        for item in &section.items {
            page.push_str(&format!("- {}\n", unmarked(&one_line(&item.text))));
            for line in details(item) {
                page.push_str(&format!("  - {}\n", unmarked(&line)));
            }
        }
        page.extend(
            more(section.more, &section.command).map(|more| format!("- {}\n", unmarked(&more))),
        );
    }
    if digest.sections.is_empty() {
        page.push_str(&format!("\n{NOTHING}\n"));
    }
    page
}

/// Puts a backslash before every sign that Markdown may obey.
fn unmarked(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars() {
        if letter.is_ascii_punctuation()
            && !matches!(letter, ',' | '.' | ';' | ':' | '\'' | '"' | '/' | '%' | '?')
        {
            safe.push('\\');
        }
        safe.push(letter);
    }
    // A number and a full stop at the beginning make a list.
    match safe.split_once('.') {
        Some((number, rest))
            if !number.is_empty() && number.chars().all(|c| c.is_ascii_digit()) =>
        {
            format!("{number}\\.{rest}")
        }
        _ => safe,
    }
}

/// As a page of HTML that needs nothing else: no script, no font, no picture from elsewhere.
pub(crate) fn html(digest: &Digest) -> String {
    let title = escape(&heading(digest));
    let mut body = format!("<h1>{title}</h1>\n");
    for section in &digest.sections {
        body.push_str(&format!(
            "<h2>{}</h2>\n<ul>\n",
            escape(&one_line(&section.title))
        ));
        for item in &section.items {
            let lines = details(item).into_iter();
            let lines = lines.map(|line| format!("<br><small>{}</small>", escape(&line)));
            body.push_str(&format!(
                "<li>{}{}</li>\n",
                escape(&one_line(&item.text)),
                lines.collect::<String>()
            ));
        }
        let more = more(section.more, &section.command);
        body.extend(more.map(|more| format!("<li>{}</li>\n", escape(&more))));
        body.push_str("</ul>\n");
    }
    if digest.sections.is_empty() {
        body.push_str(&format!("<p>{NOTHING}</p>\n"));
    }
    format!(
        "<!DOCTYPE html>\n<html lang=\"en-GB\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <title>{title}</title>\n\
         <style>body{{font-family:sans-serif;max-width:45em;margin:2em auto;padding:0 1em;line-height:1.4}}\
         h1{{font-size:1.4em}}h2{{font-size:1.1em}}small{{color:#444}}</style>\n\
         </head>\n<body>\n{body}</body>\n</html>\n"
    )
}

/// Text inside HTML.
pub(crate) fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            letter => safe.push(letter),
        }
    }
    safe
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
    use fingerpost_proto::api::{DigestSection, OrgRef};
    use fingerpost_proto::ids::OrgId;

    fn digest(text: &str, detail: &str) -> Digest {
        Digest {
            organisation: OrgRef {
                id: OrgId::from_bytes([1; 32]),
                name: "Northside Advice".into(),
            },
            since: "2026-11-20".into(),
            until: "2026-11-27".into(),
            sections: vec![DigestSection {
                title: "Said to you".into(),
                items: vec![DigestItem {
                    text: text.into(),
                    detail: Some(detail.into()),
                    id: Some("n-1".into()),
                }],
                more: 3,
                command: "fingerpost notice list --mine".into(),
            }],
        }
    }

    #[test]
    fn what_others_write_stays_text() {
        let hostile = digest(
            "<script>x</script> [link](http://e.example) # *bold*",
            "1. first\n<img src=x>\u{1b}[2J",
        );
        let page = html(&hostile);
        assert!(!page.contains("<script>x") && !page.contains("<img") && !page.contains('\u{1b}'));
        let marked = markdown(&hostile);
        assert!(marked.contains("\\[link\\]\\(http"), "{marked}");
        assert!(
            marked.contains("- 1\\. first") && marked.contains("\\<img"),
            "{marked}"
        );
        assert!(!text(&hostile).contains('\u{1b}'));
    }

    #[test]
    fn each_form_has_all_of_it() {
        let given = digest("Aid & Co replies", &"long ".repeat(200));
        assert_eq!(
            text(&given).lines().take(4).collect::<Vec<_>>(),
            [
                "Northside Advice: 2026-11-20 to 2026-11-27",
                "",
                "Said to you",
                "  Aid & Co replies [n-1]"
            ]
        );
        for page in [text(&given), markdown(&given), html(&given)] {
            assert!(page.contains("and 3 more"), "{page}");
            assert!(page.contains('…') && page.len() < 2_000, "{page}");
        }
        let nothing = Digest {
            sections: Vec::new(),
            ..given
        };
        for page in [text(&nothing), markdown(&nothing), html(&nothing)] {
            assert!(page.contains(NOTHING), "{page}");
        }
    }
}
