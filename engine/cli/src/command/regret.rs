//! `theriac regret`: what a run that only looked on would have done, and what that might have saved.
//!
//! How long an incident lasted, what would have been done and how often such plans helped are facts. What
//! acting would have saved is an estimate: nobody knows how the incident would have gone on.

use std::collections::BTreeMap;

use anyhow::Result;
use clap::Args;
use serde::Serialize;
use serde_json::json;
use theriac_contract::{Candidate, Id, Incident, Plan, RecordedFact, Timestamp, Topic, VerificationVerdict};

use crate::{
    estimate::Estimate,
    facts::facts,
    output::{Format, say},
    store::Store,
    story::Story,
    words::{fit, quantity, span},
};

/// Arguments of `theriac regret`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    store: Store,
    /// text, or json for one object
    #[arg(long, value_enum, default_value_t)]
    output: Format,
}

/// Verbs that change nothing.
const HARMLESS: [&str; 2] = ["wait", "notify"];

/// An incident in which nothing was done.
#[derive(Debug, Serialize)]
struct Row {
    incident: Id,
    opened: Timestamp,
    /// Whether it was over when the run ended; else it lasted until then at least.
    over: bool,
    /// How long it lasted, in seconds.
    lasted: f64,
    /// What would have been done: none if no plan was made.
    plan: Option<Shadow>,
}

/// A plan that was not carried out.
#[derive(Debug, Serialize)]
struct Shadow {
    at: Timestamp,
    strategy: String,
    steps: Vec<String>,
    /// Whether it would have changed anything.
    acts: bool,
    /// Probability of the cause that it answers.
    cause_probability: f64,
    /// How often such plans helped.
    estimate: Estimate,
    /// Seconds that such a plan takes: the median of those that helped, or else what its steps allow
    /// for their effect.
    takes: f64,
    /// Plans that [`Self::takes`] is the median of; 0 if it is what the steps say.
    takes_from: usize,
    /// Estimated seconds that acting would have saved: with the mean share, and with its bounds.
    saved: (f64, f64, f64),
}

/// A day, UTC.
#[derive(Debug, Default, Serialize)]
struct Day {
    incidents: usize,
    /// Seconds of incident, in fact.
    lasted: f64,
    /// Incidents in which something would have been done.
    would_act: usize,
    /// Estimated seconds that acting would have saved: with mean shares, with all at their lower and all
    /// at their upper bounds.
    saved: (f64, f64, f64),
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let mut names = Story::TOPICS.to_vec();
    names.push(Topic::Knowledge);
    let topics = arguments.store.locate()?.open(&names)?;
    let story = Story::read(topics.as_ref())?;
    let mut known = Vec::new();
    for shard in 0..topics.partitions(Topic::Knowledge) {
        known.push(facts(topics.as_ref(), shard)?);
    }
    let rows = rows(&story, &known);
    let mut days: BTreeMap<String, Day> = BTreeMap::new();
    for row in &rows {
        let day = days.entry(row.opened.to_string()[..10].to_owned()).or_default();
        day.incidents += 1;
        day.lasted += row.lasted;
        if let Some(plan) = row.plan.as_ref().filter(|plan| plan.acts) {
            day.would_act += 1;
            let (a, b) = (day.saved, plan.saved);
            day.saved = (a.0 + b.0, a.1 + b.1, a.2 + b.2);
        }
    }
    match arguments.output {
        Format::Json => {
            let object = json!({ "incidents": rows, "days": days });
            say!("{}", serde_json::to_string_pretty(&object)?);
        }
        Format::Text => tell(&rows, &days),
    }
    Ok(())
}

/// Incidents in which nothing was carried out, in the order of opening.
fn rows(story: &Story, known: &[Vec<RecordedFact>]) -> Vec<Row> {
    let last = story.incidents.iter().map(|incident| incident.at).max().unwrap_or_default();
    let of = |incident: &Incident| {
        story.plans.iter().filter(|plan| plan.incident == incident.id).collect::<Vec<_>>()
    };
    let mut rows = Vec::new();
    for incident in story.latest() {
        let plans = of(incident);
        if plans.iter().any(|plan| !plan.dry_run && acts(plan)) {
            continue;
        }
        let end = incident.ended.unwrap_or(last);
        // Which shard judged it, its plans' facts tell.
        let facts = known.iter().find(|facts| plans.first().is_some_and(|plan| knows(facts, &plan.id)));
        let plan = plans.iter().find(|plan| acts(plan)).or(plans.first());
        let shadow = plan.and_then(|plan| shadow(plan, end, facts.map_or(&[][..], Vec::as_slice), story));
        rows.push(Row {
            incident: incident.id.clone(),
            opened: incident.opened,
            over: incident.is_over(),
            lasted: end.since(incident.opened).as_seconds(),
            plan: shadow,
        });
    }
    rows
}

fn knows(facts: &[RecordedFact], plan: &Id) -> bool {
    let is = |fact: &RecordedFact| matches!(&fact.fact, theriac_contract::Fact::Planned { plan: known, .. } if known == plan);
    facts.iter().any(is)
}

fn acts(plan: &Plan) -> bool {
    plan.steps().any(|step| !HARMLESS.contains(&step.action.verb.as_str()))
}

fn shadow(plan: &Plan, end: Timestamp, facts: &[RecordedFact], story: &Story) -> Option<Shadow> {
    let estimate = Estimate::of_plan(plan, facts, plan.at)?;
    let is_chosen = |one: &&Candidate| one.strategy == plan.strategy && one.refused.is_none();
    let cause_probability = plan.candidates.iter().find(is_chosen)?.utility.cause_probability;
    let mut took = took(plan, story);
    took.sort_by(f64::total_cmp);
    let takes = took.get(took.len() / 2).copied().unwrap_or_else(|| allowed(plan));
    let acts = acts(plan);
    let left =
        if acts { (end.since(plan.at).as_seconds() - takes).max(0.0) * cause_probability } else { 0.0 };
    Some(Shadow {
        at: plan.at,
        strategy: plan.strategy.clone(),
        steps: plan.steps().map(|step| format!("{} {}", step.action.verb, step.action.target)).collect(),
        acts,
        cause_probability,
        estimate,
        takes,
        takes_from: took.len(),
        saved: (left * estimate.share, left * estimate.low, left * estimate.high),
    })
}

/// Seconds from plan to verified recovery of plans with the same strategy that were carried out before.
fn took(plan: &Plan, story: &Story) -> Vec<f64> {
    let of = |verification: &theriac_contract::Verification| {
        let other = story.plans.iter().find(|other| other.id == verification.plan)?;
        Some(verification.at.since(other.at).as_seconds())
    };
    let like = story.verifications.iter().filter(|one| {
        one.strategy == plan.strategy
            && !one.dry_run
            && one.verdict == VerificationVerdict::Recovered
            && one.at <= plan.at
    });
    like.filter_map(of).collect()
}

/// Seconds that the steps of the first stage allow for an attempt and its effect.
fn allowed(plan: &Plan) -> f64 {
    let steps = plan.stages.first().map_or(&[][..], |stage| stage.steps.as_slice());
    steps.iter().map(|step| step.timeout.as_seconds() + step.settle.as_seconds()).sum()
}

fn tell(rows: &[Row], days: &BTreeMap<String, Day>) {
    if rows.is_empty() {
        say!("no incident in which nothing was done");
        return;
    }
    let shares =
        |(mean, low, high): (f64, f64, f64)| format!("{} ({} to {})", span(mean), span(low), span(high));
    for row in rows {
        let over = if row.over { "" } else { " so far" };
        say!(
            "{}  {}  lasted {}{over} (fact)",
            row.incident.short(),
            &row.opened.to_string()[..19],
            span(row.lasted)
        );
        let Some(plan) = &row.plan else {
            say!("  nothing would have been done");
            continue;
        };
        let Shadow { at, strategy, steps, estimate, takes, takes_from, .. } = plan;
        let after = span(at.since(row.opened).as_seconds());
        say!("  would have: {strategy}: {} (fact), {after} after it began", steps.join(", then "));
        if !plan.acts {
            say!("  which changes nothing, and saves nothing");
            continue;
        }
        say!("  {}", estimate.text());
        let takes = if *takes_from > 0 {
            format!("{takes_from} such plans took {} (median, fact)", span(*takes))
        } else {
            format!("no such plan was timed; its steps allow {}", span(*takes))
        };
        say!(
            "  estimate: acting would have saved {}; the cause is right with {}, and {takes}",
            shares(plan.saved),
            quantity(plan.cause_probability, "1")
        );
    }
    say!(
        "\n{} {:>9} {:>12} {:>9}  saved by acting (estimate)",
        fit("day", 10),
        "incidents",
        "lasted",
        "would act"
    );
    for (day, sums) in days {
        say!(
            "{day} {:>9} {:>12} {:>9}  {}",
            sums.incidents,
            span(sums.lasted),
            sums.would_act,
            shares(sums.saved)
        );
    }
}
