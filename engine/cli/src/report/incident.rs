//! The page of one incident: verdict, map of how it spread, reasons, evidence, and what was done.

use std::fmt::Write as _;

use theriac_contract::Incident;

use super::{
    page::{hypotheses, plan_card},
    style::{STYLE, escape},
};
use crate::{
    propagation::Propagation,
    story::Story,
    words::{counted, fit, odds, time_of_day},
};

/// Beside the style of all pages.
const OWN_STYLE: &str = "
main{max-width:1000px}pre{font-size:12px;margin:2px 0 10px;white-space:pre-wrap;overflow-wrap:anywhere;color:var(--quiet)}
svg .box{fill:var(--card);stroke:var(--edge);stroke-width:1.5}svg .cause{stroke:var(--bad);stroke-width:2.5}svg .impact{stroke:var(--act)}svg .apart{stroke-dasharray:4 3}
svg .name{fill:var(--ink);font-weight:600;font-size:13px}svg .call{fill:none;stroke:var(--quiet);stroke-width:1.5}svg .head{fill:var(--quiet)}
";

/// Symptoms that are shown.
const SYMPTOMS_MAX: usize = 20;

/// The whole page. `judged` is the revision whose verdict is explained.
pub(crate) fn page(incident: &Incident, judged: &Incident, map: &Propagation, story: &Story) -> String {
    let mut page = format!(
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content=\"width=device-width\"><title>{id}</title><style>{STYLE}{OWN_STYLE}</style><main><h1>{summary}</h1><p class=quiet>{id}, from {from} on{until}</p>",
        id = escape(incident.id.as_str()),
        summary = escape(&judged.summary).replace(" %", "&nbsp;%"),
        from = &incident.opened.to_string()[..19],
        until = incident.ended.map_or_else(String::new, |ended| format!(", until {}", time_of_day(ended))),
    );
    page.push_str("<section class=card><h2>How it spread</h2><p class=quiet>An arrow leads from whom trouble came to whom it reached: from callee to caller, from host to guest.</p><div class=scroll>");
    page.push_str(&svg(incident, map));
    page.push_str("</div></section><section class=\"card scroll\"><h2>Why</h2>");
    hypotheses(&mut page, &judged.hypotheses);
    page.push_str("</section><section class=card><h2>What shows it</h2>");
    let seen = incident.symptoms.iter().filter_map(|symptom| story.last_sight(&symptom.id));
    let mut seen: Vec<_> = seen.collect();
    seen.sort_by(|a, b| a.p_value.total_cmp(&b.p_value).then_with(|| a.series.cmp(&b.series)));
    for symptom in seen.iter().take(SYMPTOMS_MAX) {
        let _ = write!(
            page,
            "<div>{} <span class=quiet>{}</span></div>",
            escape(&symptom.explanation),
            odds(symptom.p_value)
        );
        if !symptom.examples.is_empty() {
            let _ = write!(page, "<pre>{}</pre>", escape(&counted(&symptom.examples).join("\n")));
        }
    }
    if seen.len() > SYMPTOMS_MAX {
        let _ = write!(page, "<p class=quiet>and {} more</p>", seen.len() - SYMPTOMS_MAX);
    }
    page.push_str("</section><section class=card><h2>What was done</h2>");
    let plans: Vec<_> = story.plans.iter().filter(|plan| plan.incident == incident.id).collect();
    plans.iter().for_each(|plan| plan_card(&mut page, plan, story));
    if plans.is_empty() {
        page.push_str("<p>Nothing.</p>");
    }
    page.push_str("</section></main></html>\n");
    page
}

const BOX: (f64, f64) = (220.0, 64.0);
const GAP: (f64, f64) = (70.0, 18.0);

/// Columns by distance from the cause, the cause on the left; what no call leads to on the right.
fn svg(incident: &Incident, map: &Propagation) -> String {
    let far = map.places.iter().filter_map(|place| place.distance).max().map_or(0, |far| far + 1);
    let mut rows = vec![0_usize; far + 1];
    let mut corners = Vec::with_capacity(map.places.len());
    for place in &map.places {
        let column = place.distance.unwrap_or(far);
        corners.push((column as f64 * (BOX.0 + GAP.0) + 4.0, rows[column] as f64 * (BOX.1 + GAP.1) + 4.0));
        rows[column] += 1;
    }
    let columns = if rows[far] > 0 { far + 1 } else { far }.max(1);
    let width = columns as f64 * (BOX.0 + GAP.0) - GAP.0 + 8.0;
    let height = rows.iter().max().copied().unwrap_or(0).max(1) as f64 * (BOX.1 + GAP.1) + 8.0;
    let mut svg = format!(
        "<svg viewBox=\"0 0 {width} {height}\" style=\"max-width:{width}px\" role=img aria-label=\"how it spread\"><defs><marker id=to viewBox=\"0 0 8 8\" refX=8 refY=4 markerWidth=7 markerHeight=7 orient=auto><path class=head d=\"M0 0L8 4L0 8z\" /></marker></defs>"
    );
    for (place, (x, y)) in map.places.iter().zip(&corners) {
        if let Some((from_x, from_y)) = place.from.and_then(|from| corners.get(from)) {
            let (x1, y1) = (from_x + BOX.0, from_y + BOX.1 / 2.0);
            let (x2, y2) = (x - 2.0, y + BOX.1 / 2.0);
            let middle = f64::midpoint(x1, x2);
            let _ = write!(
                svg,
                "<path class=call marker-end=\"url(#to)\" d=\"M{x1} {y1}C{middle} {y1} {middle} {y2} {x2} {y2}\" />"
            );
        }
    }
    for (index, (place, (x, y))) in map.places.iter().zip(&corners).enumerate() {
        let role = map.role(index);
        let class = if role == "passes it on" { "through" } else { role };
        let after = place.onset.since(incident.opened).as_seconds();
        let (text, name) = (x + 10.0, escape(fit(&place.name, 24).trim_end()));
        let _ = write!(
            svg,
            "<rect class=\"box {class}\" x={x} y={y} width={} height={} rx=8 /><text class=name x={text} y={}>{name}</text><text x={text} y={}>{role}, +{after:.0} s, {} symptom{}</text><text x={text} y={}>{}</text>",
            BOX.0,
            BOX.1,
            y + 20.0,
            y + 38.0,
            place.symptoms,
            if place.symptoms == 1 { "" } else { "s" },
            y + 54.0,
            escape(fit(&place.worst.signal, 34).trim_end()),
        );
    }
    svg.push_str("</svg>");
    svg
}

#[cfg(test)]
mod tests {
    use theriac_contract::Role;

    use super::*;
    use crate::propagation::tests::{incident, spread};

    #[test]
    fn every_place_is_on_the_map_once_and_names_cannot_become_markup() {
        let incident = incident(&[("bank", 10, 1e-5), ("pay<b>", 15, 1e-7), ("search", 12, 1e-6)], "bank");
        let incident = spread(
            incident,
            &[("bank", Role::Cause, Some(0), None), ("pay<b>", Role::Impact, Some(1), Some("bank")), {
                ("search", Role::Apart, None, None)
            }],
        );
        let map = Propagation::of(&incident);
        let svg = svg(&incident, &map);
        assert_eq!((svg.matches("<rect").count(), svg.matches("class=call").count()), (3, 1));
        assert!(svg.contains("pay&lt;b&gt;") && svg.contains("box cause") && svg.contains("box apart"));
    }
}
