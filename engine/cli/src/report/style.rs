//! What all pages look like.

/// Colours follow the reader's choice of light or dark.
pub(crate) const STYLE: &str = "
:root{--ink:#1c2430;--quiet:#667085;--line:#2f6fde;--bad:#d92d20;--good:#12805c;--act:#b54708;--card:#fff;--page:#f4f6f9;--edge:#e4e7ec}
@media(prefers-color-scheme:dark){:root{--ink:#e6eaf0;--quiet:#98a2b3;--card:#1b222c;--page:#11161d;--edge:#2b3441;--line:#6ea0ff}}
*{box-sizing:border-box}body{margin:0;background:var(--page);color:var(--ink);font:15px/1.5 system-ui,sans-serif}
main{max-width:960px;margin:0 auto;padding:24px 16px 64px}h1{font-size:26px;margin:8px 0}h2{font-size:18px;margin:0 0 4px}
.card{background:var(--card);border:1px solid var(--edge);border-radius:10px;padding:16px 20px;margin:16px 0}
.figures{display:flex;gap:12px;flex-wrap:wrap}.figures div{background:var(--card);border:1px solid var(--edge);border-radius:10px;padding:10px 16px;min-width:120px}
.figures b{display:block;font-size:22px}.quiet{color:var(--quiet)}.good{color:var(--good)}.bad{color:var(--bad)}
table{border-collapse:collapse;width:100%;font-size:14px}td,th{text-align:left;padding:6px 8px;border-bottom:1px solid var(--edge);vertical-align:top}th{color:var(--quiet);font-weight:500}
.scroll{overflow-x:auto}svg{width:100%;height:auto;margin:8px 0}
.line{fill:none;stroke:var(--line);stroke-width:1.5}.band{fill:var(--good);opacity:.13}.fault{fill:var(--bad);opacity:.09}
svg text{font:11px system-ui,sans-serif;fill:var(--quiet)}line.seen{stroke:var(--bad)}text.seen{fill:var(--bad)}line.acted{stroke:var(--act)}text.acted{fill:var(--act)}line.ended{stroke:var(--good)}text.ended{fill:var(--good)}
.bar{display:inline-block;height:9px;border-radius:4px;background:var(--line);vertical-align:middle;margin-right:6px}
details{margin-top:8px}summary{cursor:pointer;color:var(--quiet)}code{font-size:13px}ul{margin:4px 0;padding-left:20px}
";

/// Escapes text for HTML.
pub(crate) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// Three significant digits.
pub(super) fn short(value: f64) -> String {
    let size = value.abs();
    match size {
        _ if size >= 1e9 => format!("{:.2}G", value / 1e9),
        _ if size >= 1e6 => format!("{:.2}M", value / 1e6),
        _ if size >= 1e4 => format!("{:.1}k", value / 1e3),
        _ if size >= 10.0 => format!("{value:.0}"),
        _ if size >= 0.1 || size == 0.0 => format!("{value:.2}"),
        _ => format!("{value:.1e}"),
    }
}

#[cfg(test)]
mod tests {
    use super::escape;

    #[test]
    fn text_cannot_become_markup() {
        assert_eq!(escape("<b a=\"1\">&"), "&lt;b a=&quot;1&quot;&gt;&amp;");
    }
}
