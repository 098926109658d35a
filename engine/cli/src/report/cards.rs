//! The page of `theriac detectors`: opens from disk, loads nothing.

use std::fmt::Write as _;

pub(crate) use super::stretch::Stretch;

use super::style::{STYLE, escape};

/// What the page shows.
pub(crate) struct Page {
    /// Where and how it was measured.
    pub(crate) lead: String,
    /// What holds for all.
    pub(crate) common: Vec<String>,
    /// In order.
    pub(crate) cards: Vec<CardView>,
}

/// One detector.
pub(crate) struct CardView {
    /// Name, unique on the page.
    pub(crate) name: &'static str,
    /// What it notices.
    pub(crate) sees: &'static str,
    /// Whether it runs by default.
    pub(crate) on: &'static str,
    /// State a series.
    pub(crate) bytes: usize,
    /// Time a series and tick.
    pub(crate) nanoseconds: String,
    /// What is told, with the word under which it is.
    pub(crate) facts: Vec<(&'static str, String)>,
    /// Name, default with its unit, and meaning of what can be set.
    pub(crate) parameters: Vec<[String; 3]>,
    /// Where it was surprised most.
    pub(crate) picture: Option<Picture>,
}

/// A stretch of data.
pub(crate) struct Picture {
    /// Where it is from.
    pub(crate) caption: String,
    /// What it shows.
    pub(crate) stretch: Stretch,
}

/// Beside the style of all pages.
const OWN_STYLE: &str = "
main{max-width:1000px}p,figcaption{overflow-wrap:anywhere}.number{text-align:right;white-space:nowrap}dl{display:grid;grid-template-columns:max-content minmax(0,1fr);gap:2px 16px;margin:10px 0}
dt{color:var(--quiet)}dd{margin:0;overflow-wrap:anywhere}a{color:inherit;text-decoration-color:var(--edge)}figure{margin:12px 0 0}
svg .line{stroke-width:1}.base{stroke:var(--edge)}.p{fill:none;stroke:var(--act);stroke-width:1}.expected{fill:none;stroke:var(--good);stroke-width:1;stroke-dasharray:4 3}.mark{stroke:var(--bad);opacity:.5}
.legend span{margin-right:18px}.legend i{display:inline-block;width:14px;height:10px;margin-right:6px;border-radius:2px}i.values{border-top:2px solid var(--line);height:4px}i.expected{border-top:2px dashed var(--good);height:4px}i.band{opacity:.3;background:var(--good)}i.p{background:none;border-top:2px solid var(--act);height:4px}
";

impl Page {
    /// The whole page.
    pub(crate) fn html(&self) -> String {
        let mut page = format!(
            "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content=\"width=device-width\"><title>theriac detectors</title><style>{STYLE}{OWN_STYLE}</style><main><h1>Detectors</h1><p class=quiet>{}</p>",
            escape(&self.lead)
        );
        for line in &self.common {
            let _ = write!(page, "<p>{}</p>", code(line));
        }
        page.push_str("<section class=card><div class=scroll><table><tr><th><th>sees<th>on<th class=number>bytes a series<th class=number>ns a series and tick</tr>");
        for CardView { name, sees, on, bytes, nanoseconds, .. } in &self.cards {
            let _ = write!(
                page,
                "<tr><td><a href=\"#{name}\">{name}</a><td>{}<td>{on}<td class=number>{bytes}<td class=number>{nanoseconds}</tr>",
                escape(sees)
            );
        }
        page.push_str("</table></div></section><p>Each picture shows the place in public data with the smallest p-value that the detector gives by itself; labels are not looked at.</p><p class=\"legend quiet\"><span><i class=values></i>values</span><span><i class=expected></i>expected</span><span><i class=band></i>99 of 100 ordinary values</span><span><i class=p></i>p-value, less likely further down</span></p>");
        self.cards.iter().for_each(|card| card.write(&mut page));
        page.push_str("</main></html>\n");
        page
    }
}

impl Picture {
    /// As a file of its own: SVG.
    pub(crate) fn file(&self) -> String {
        self.stretch.file(&self.caption)
    }
}

impl CardView {
    fn write(&self, page: &mut String) {
        let _ = write!(
            page,
            "<section class=card id={name}><h2>{name}</h2><p>Sees {}.</p><dl>",
            escape(self.sees),
            name = self.name
        );
        for (word, fact) in &self.facts {
            let _ = write!(page, "<dt>{word}<dd>{}", code(fact));
        }
        page.push_str("</dl>");
        if !self.parameters.is_empty() {
            page.push_str("<div class=scroll><table><tr><th>parameter<th>default<th></tr>");
            for [name, default, meaning] in &self.parameters {
                let (name, default, meaning) = (escape(name), escape(default), escape(meaning));
                let _ = write!(page, "<tr><td><code>{name}</code><td>{default}<td>{meaning}</tr>");
            }
            page.push_str("</table></div>");
        }
        match &self.picture {
            Some(picture) => {
                let caption = escape(&picture.caption);
                let svg = picture.stretch.svg();
                let _ = write!(page, "<figure><figcaption class=quiet>{caption}</figcaption>{svg}</figure>");
            }
            None => page.push_str(
                "<p class=quiet>No picture: the data sets that are here have nothing that it judges.</p>",
            ),
        }
        page.push_str("</section>");
    }
}

/// Text in which backticks mean code.
fn code(text: &str) -> String {
    let parts = text.split('`').enumerate().map(|(place, part)| {
        let part = escape(part);
        if place % 2 == 1 { format!("<code>{part}</code>") } else { part }
    });
    parts.collect()
}

#[cfg(test)]
mod tests {
    use super::code;

    #[test]
    fn backticks_become_code_and_nothing_becomes_markup() {
        assert_eq!(code("`a<b` & c"), "<code>a&lt;b</code> &amp; c");
    }
}
