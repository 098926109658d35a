//! The page of `theriac eval`: opens from disk, loads nothing.

use std::fmt::Write as _;

pub(crate) use super::strip::{Alert, FilePlot, Line, Sight, Sweep};

use super::style::{STYLE, escape};

/// What the page shows.
pub(crate) struct Page<'a> {
    /// Heading.
    pub(crate) title: String,
    /// What was run, and how.
    pub(crate) lead: String,
    /// Figures with words, at the top.
    pub(crate) tiles: Vec<(String, String)>,
    /// Tables, in order.
    pub(crate) tables: Vec<Table>,
    /// Figures over thresholds, after the first table.
    pub(crate) sweep: Option<Sweep>,
    /// What the marks in the plots mean.
    pub(crate) legend: Vec<(Sight, &'static str)>,
    /// Plots, by category.
    pub(crate) files: Vec<FilePlot<'a>>,
}

/// A table.
pub(crate) struct Table {
    heading: String,
    head: Vec<String>,
    rows: Vec<TableRow>,
    folded: bool,
}

/// A row of a table.
pub(crate) struct TableRow {
    /// Cells; the first is text, the others stand to the right.
    pub(crate) cells: Vec<String>,
    /// Whether it is this run, among others.
    pub(crate) ours: bool,
    /// Name of the file that the first cell leads to.
    pub(crate) link: Option<String>,
}

/// Longer tables without links show so many rows, and this run.
const ROWS_SHOWN: usize = 12;

impl Table {
    pub(crate) fn new(heading: &str, head: &[&str], rows: Vec<TableRow>) -> Self {
        let head = head.iter().map(|&cell| cell.to_owned()).collect();
        Self { heading: heading.to_owned(), head, rows, folded: false }
    }

    /// The same, shown when it is asked for.
    pub(crate) fn folded(self) -> Self {
        Self { folded: true, ..self }
    }
}

/// Beside the style of all pages.
const OWN_STYLE: &str = "
main{max-width:1000px}h2.category{margin:28px 0 0}h3{font-size:15px;margin:0;overflow-wrap:anywhere}
.card.file{padding:12px 16px 4px}.card.file p{margin:0}.card.file svg{margin:4px 0}
th+th,td+td{text-align:right;white-space:nowrap}tr.ours td{font-weight:600;color:var(--line)}
a{color:inherit;text-decoration-color:var(--edge)}nav{display:flex;flex-wrap:wrap;gap:2px 14px}
.window{fill:var(--act);opacity:.16}.warm{fill:var(--quiet);opacity:.09}svg .line{stroke-width:1}
.score{fill:none;stroke:var(--act);stroke-width:1}.base{stroke:var(--edge)}
.hit line,.false line,.uncounted line{stroke-width:1.2;opacity:.6}.hit line{stroke:var(--good)}.false line{stroke:var(--bad)}.uncounted line{stroke:var(--quiet)}
.hit path{fill:var(--good)}.false path{fill:var(--bad)}.uncounted path{fill:var(--quiet)}line.weak{stroke:var(--quiet);opacity:.45}
svg .curve1{stroke:var(--good)}svg .curve2{stroke:var(--act)}svg text.curve0{fill:var(--line)}svg text.curve1{fill:var(--good);stroke:none}svg text.curve2{fill:var(--act);stroke:none}.mark{stroke:var(--quiet);stroke-dasharray:4 3}
.legend span{margin-right:18px}.legend i{display:inline-block;width:14px;height:10px;margin-right:6px;border-radius:2px}
i.window{opacity:.3;background:var(--act)}i.warm{opacity:.25;background:var(--quiet)}i.hit{background:var(--good)}i.false{background:var(--bad)}i.uncounted{background:var(--quiet)}i.weak{background:var(--quiet);opacity:.45}i.score{background:none;border-top:2px solid var(--act);height:4px}
";

impl Page<'_> {
    /// The whole page.
    pub(crate) fn html(&self) -> String {
        let mut page = format!(
            "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content=\"width=device-width\"><title>theriac eval</title><style>{STYLE}{OWN_STYLE}</style><main><h1>{}</h1><p class=quiet>{}</p>",
            escape(&self.title),
            escape(&self.lead)
        );
        page.push_str("<div class=figures>");
        for (value, words) in &self.tiles {
            let _ =
                write!(page, "<div><b>{}</b><span class=quiet>{}</span></div>", escape(value), escape(words));
        }
        page.push_str("</div>");
        for (index, table) in self.tables.iter().enumerate() {
            self.table(&mut page, table);
            if let (0, Some(sweep)) = (index, &self.sweep) {
                let _ = write!(
                    page,
                    "<section class=card><h2>{}</h2>{}</section>",
                    escape(&sweep.title),
                    sweep.svg()
                );
            }
        }
        self.plots(&mut page);
        page.push_str("</main></html>\n");
        page
    }

    /// Where a file stands on the page.
    fn anchor(&self, name: &str) -> Option<usize> {
        self.files.iter().position(|file| file.name == name)
    }

    fn table(&self, page: &mut String, table: &Table) {
        let _ = write!(page, "<section class=card><h2>{}</h2>", escape(&table.heading));
        let linked = table.rows.iter().any(|row| row.link.is_some());
        if table.folded {
            let _ = write!(page, "<details><summary>{} rows</summary>", table.rows.len());
        }
        if linked || table.rows.len() <= ROWS_SHOWN {
            self.rows(page, table, |_, _| true);
        } else {
            self.rows(page, table, |place, row| place < ROWS_SHOWN || row.ours);
            let _ = write!(page, "<details><summary>all {} rows</summary>", table.rows.len());
            self.rows(page, table, |_, _| true);
            page.push_str("</details>");
        }
        if table.folded {
            page.push_str("</details>");
        }
        page.push_str("</section>");
    }

    fn rows(&self, page: &mut String, table: &Table, shown: impl Fn(usize, &TableRow) -> bool) {
        page.push_str("<div class=scroll><table><tr>");
        for cell in &table.head {
            let _ = write!(page, "<th>{}", escape(cell));
        }
        page.push_str("</tr>");
        for (place, row) in table.rows.iter().enumerate().filter(|(place, row)| shown(*place, row)) {
            let class = if row.ours { " class=ours" } else { "" };
            let _ = write!(page, "<tr{class} data-place={}>", place + 1);
            for (column, cell) in row.cells.iter().enumerate() {
                let anchor = row.link.as_deref().filter(|_| column == 0).and_then(|name| self.anchor(name));
                let _ = match anchor {
                    Some(anchor) => write!(page, "<td><a href=\"#f{anchor}\">{}</a>", escape(cell)),
                    None => write!(page, "<td>{}", escape(cell)),
                };
            }
            page.push_str("</tr>");
        }
        page.push_str("</table></div>");
    }

    fn plots(&self, page: &mut String) {
        if self.files.is_empty() {
            return;
        }
        let mut categories: Vec<&str> = self.files.iter().map(|file| file.category).collect();
        categories.sort_unstable();
        categories.dedup();
        page.push_str("<section class=card><h2>Files</h2><nav>");
        for (index, category) in categories.iter().enumerate() {
            let _ = write!(page, "<a href=\"#c{index}\">{}</a>", escape(category));
        }
        page.push_str("</nav><p class=\"legend quiet\"><span><i class=window></i>labelled</span><span><i class=warm></i>probation or warm-up</span><span><i class=score></i>lasting score, 0 to 1</span>");
        for (sight, words) in &self.legend {
            let _ = write!(page, "<span><i class={}></i>{}</span>", sight.class(), escape(words));
        }
        page.push_str("</p></section>");
        for (index, category) in categories.iter().enumerate() {
            let _ = write!(page, "<h2 class=category id=c{index}>{}</h2>", escape(category));
            for (place, file) in self.files.iter().enumerate().filter(|(_, file)| file.category == *category)
            {
                let _ = write!(
                    page,
                    "<section class=\"card file\" id=f{place}><h3>{}</h3><p class=quiet>{}</p>{}</section>",
                    escape(file.name),
                    escape(&file.caption),
                    file.svg()
                );
            }
        }
    }
}
