//! The demo's page: opens from disk, loads nothing.

use std::{collections::BTreeMap, fmt::Write as _};

use theriac_contract::{Candidate, Evidence, Hypothesis, Plan, Timestamp, VerificationVerdict};

use super::{
    FaultRow, incident_line,
    plot::Plot,
    style::{STYLE, escape},
};
use crate::{
    output::Report,
    story::Story,
    words::{counted, sentences},
};

/// Values of series over the run, by canonical key: what the plots are drawn from.
pub(crate) type History = BTreeMap<String, Vec<(Timestamp, f64)>>;

/// The whole page.
pub(crate) fn page(
    rows: &[FaultRow],
    story: &Story,
    start: Timestamp,
    figures: &Report,
    history: &History,
) -> String {
    let mut page = format!(
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content=\"width=device-width\"><title>theriac demo</title><style>{STYLE}</style><main><h1>What was broken, and what became of it</h1><p class=quiet>A simulated shop, seed {}. Configuration {}, theriac {}. Every figure is from event time; the same seed gives the same page.</p>",
        figures.seed.unwrap_or_default(),
        escape(&figures.configuration),
        figures.version
    );
    summary(&mut page, rows, figures);
    table(&mut page, rows, start);
    for row in rows {
        card(&mut page, row, story, start, history);
    }
    page.push_str("</main></html>\n");
    page
}

fn summary(page: &mut String, rows: &[FaultRow], figures: &Report) {
    let whole =
        |name: &str| figures.metrics.get(name).map_or_else(|| "-".to_owned(), |value| format!("{value:.0}"));
    let tiles = [
        (format!("{} of {}", whole("demo.healed"), rows.len()), "faults healed"),
        (format!("{} of {}", whole("demo.cause_right"), rows.len()), "causes named rightly"),
        (format!("{} s", whole("demo.detect_s.p50")), "to detect (median)"),
        (format!("{} s", whole("demo.recover_s.p50")), "to recover (median)"),
        (whole("demo.plans_without_fault"), "plans without a fault"),
    ];
    page.push_str("<div class=figures>");
    for (value, words) in tiles {
        let _ = write!(page, "<div><b>{value}</b><span class=quiet>{words}</span></div>");
    }
    page.push_str("</div>");
}

fn seconds(value: Option<f64>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| format!("{value:.0} s"))
}

fn table(page: &mut String, rows: &[FaultRow], start: Timestamp) {
    page.push_str("<div class=\"card scroll\"><table><tr><th>fault<th>where<th>at<th>detected<th>cause named<th>action<th>recovered<th>verdict</tr>");
    for row in rows {
        let at = row.injected.map(|at| at.since(start).as_seconds());
        let class = if row.healed { "good" } else { "bad" };
        let cause_class = if row.cause_right { "good" } else { "bad" };
        let _ = write!(
            page,
            "<tr><td>{}<td>{}<td>{}<td>{}<td class={cause_class}>{}<td>{}<td>{}<td class={class}>{}</tr>",
            escape(&row.fault),
            escape(row.entity.as_str()),
            seconds(at),
            seconds(row.detect_seconds),
            escape(&row.cause_told()),
            escape(&row.action_told()),
            seconds(row.recover_seconds),
            row.verdict()
        );
    }
    page.push_str("</table></div>");
}

fn card(page: &mut String, row: &FaultRow, story: &Story, start: Timestamp, history: &History) {
    let _ = write!(
        page,
        "<section class=card><h2>{} at {}</h2>",
        escape(&row.fault),
        escape(row.entity.as_str())
    );
    plot(page, row, story, start, history);
    if row.incidents.is_empty() {
        page.push_str("<p class=bad>No incident was opened for it.</p>");
    }
    for incident in &row.incidents {
        let _ = write!(
            page,
            "<p>{}<br><span class=quiet>{}</span></p>",
            escape(&incident.summary),
            escape(&incident_line(incident))
        );
    }
    let believed = row.plans.first().and_then(|plan| {
        story.incidents.iter().find(|i| i.id == plan.incident && i.revision == plan.incident_revision)
    });
    if let Some(incident) = believed.or(row.incidents.first()) {
        hypotheses(page, &incident.hypotheses);
    }
    for plan in &row.plans {
        plan_card(page, plan, story);
    }
    page.push_str("</section>");
}

/// The series of the worst symptom, with what was done drawn into it.
fn plot(page: &mut String, row: &FaultRow, story: &Story, start: Timestamp, history: &History) {
    let refs = row.incidents.iter().flat_map(|incident| &incident.symptoms);
    let mut seen: Vec<_> =
        refs.filter_map(|symptom| story.symptoms.iter().rfind(|known| known.id == symptom.id)).collect();
    seen.sort_by(|a, b| a.p_value.total_cmp(&b.p_value).then_with(|| a.series.cmp(&b.series)));
    let own = |entity: &theriac_contract::Entity| entity.service() == row.entity.service();
    let Some(worst) = seen.iter().find(|symptom| own(&symptom.entity)).or(seen.first()) else { return };
    let (Some(values), Some(begin)) = (history.get(&worst.series), row.injected) else { return };
    let end = row.ended.unwrap_or(begin.plus(theriac_contract::Interval::from_seconds(480)));
    let after = |at: Timestamp| at.since(start).as_seconds();
    let (from, to) = (after(begin) - 240.0, after(end) + 240.0);
    let shown: Vec<(f64, f64)> = values
        .iter()
        .map(|(at, value)| (after(*at), *value))
        .filter(|(at, _)| (from..=to).contains(at))
        .collect();
    let mut marks = Vec::new();
    if let Some(seconds) = row.detect_seconds {
        marks.push((after(begin) + seconds, "seen", "detected".to_owned()));
    }
    for plan in &row.plans {
        marks.push((after(plan.at), "acted", plan.strategy.clone()));
    }
    if let Some(ended) = row.ended {
        marks.push((after(ended), "ended", "fault over".to_owned()));
    }
    let _ = write!(page, "<p class=quiet>{}</p>", escape(&worst.explanation));
    if !worst.examples.is_empty() {
        let _ = write!(page, "<pre>{}</pre>", escape(&counted(&worst.examples).join("\n")));
    }
    let plot = Plot { values: &shown, band: worst.band, shade: (after(begin), after(end)), marks };
    page.push_str(&plot.svg(&escape(&worst.signal)));
}

pub(super) fn hypotheses(page: &mut String, ranked: &[Hypothesis]) {
    page.push_str("<table><tr><th>possible cause<th>probability<th>class<th>because</tr>");
    for hypothesis in ranked {
        let entity = hypothesis.entity.as_ref().map_or("", |entity| entity.as_str());
        let class = format!("{:?}", hypothesis.class).to_lowercase();
        let _ = write!(
            page,
            "<tr><td>{} {}<td style=\"white-space:nowrap\"><span class=bar style=\"width:{:.0}px\"></span>{:.2}<td>{class}<td>{}{}</tr>",
            escape(entity),
            escape(&hypothesis.fault),
            hypothesis.probability * 90.0,
            hypothesis.probability,
            reasons(&hypothesis.evidence_for, "+"),
            reasons(&hypothesis.evidence_against, "-")
        );
    }
    page.push_str("</table>");
}

fn reasons(evidence: &[Evidence], sign: &str) -> String {
    sentences(evidence).into_iter().take(4).fold(String::new(), |mut page, (_, text)| {
        let _ = write!(page, "<div>{sign} {}</div>", escape(text));
        page
    })
}

pub(super) fn plan_card(page: &mut String, plan: &Plan, story: &Story) {
    let _ = write!(page, "<details open><summary>plan: {}</summary><ul>", escape(&plan.strategy));
    for step in plan.steps() {
        let told: Vec<String> = story
            .outcomes
            .iter()
            .filter(|outcome| {
                outcome.plan == plan.id && outcome.step == Some(step.index) && !outcome.detail.is_empty()
            })
            .map(|outcome| escape(&outcome.detail))
            .collect();
        let _ = write!(
            page,
            "<li><b>{} {}</b> <span class=quiet>{}</span></li>",
            escape(&step.action.verb),
            escape(step.action.target.as_str()),
            told.join("; ")
        );
    }
    for verdict in story.verifications.iter().filter(|verdict| verdict.plan == plan.id) {
        let class = if verdict.verdict == VerificationVerdict::Recovered { "good" } else { "bad" };
        let _ = write!(page, "<li class={class}>{}</li>", escape(&verdict.explanation));
    }
    page.push_str("</ul><table><tr><th>considered<th>worth<th></tr>");
    for Candidate { strategy, utility, refused, .. } in plan.candidates.iter().take(6) {
        let _ = write!(
            page,
            "<tr><td>{}<td><code>{}</code><td class=quiet>{}</tr>",
            escape(strategy),
            escape(&utility.formula),
            escape(refused.as_deref().unwrap_or(""))
        );
    }
    page.push_str("</table></details>");
}
