//! The same past under another policy: which decisions would have been others, as fact; what would have
//! come of them, as an estimate.
//!
//! Both runs read the same rounds through the same code with the same settings of detection and diagnosis,
//! and carry out nothing, so whatever differs is due to the policy. What was done in the past shows in
//! the telemetry of both: a decision behind the first that differs is one that would have been made if
//! the first had changed nothing.

use std::{path::Path, sync::atomic::Ordering};

use anyhow::Result;
use serde_json::{Value, json};
use theriac_connectors::topics::Embedded;
use theriac_contract::{Candidate, Id, Plan, RecordedFact, Timestamp, VerificationVerdict};
use theriac_engine::Environment;

use super::decisions::{Collector, Decision, Difference, differences};
use crate::{
    config::Config,
    estimate::Estimate,
    facts::facts,
    output::{self, Format, Wrong, say},
    story::Story,
    wiring,
    words::{fit, span},
};

/// The configuration with another policy: all of `policy` but what is read and how it is noticed and
/// judged.
pub(super) fn with_policy(config: &Config, policy: &Config) -> Config {
    let Config { data_dir, sources, kafka, topology, topics, monitor, detect, diagnose, checkpoint, .. } =
        config.clone();
    let mut other = Config {
        data_dir,
        sources,
        kafka,
        topology,
        topics,
        monitor,
        detect,
        diagnose,
        checkpoint,
        ..policy.clone()
    };
    other.plan.dry_run = true;
    other
}

/// What the recorded run did in fact.
#[derive(Default)]
pub(super) struct Reality {
    story: Story,
    /// What it knew; or what both runs begin with, if that was said.
    facts: Vec<RecordedFact>,
    /// Whether both runs begin with these facts.
    begun_with: bool,
}

impl Reality {
    /// Reads it from the folder of a run.
    pub(super) fn read(folder: &Path) -> Result<Self> {
        let topics = Embedded::open_to_read(&wiring::topics_folder(folder))?;
        Ok(Self { story: Story::read(&topics)?, facts: facts(&topics, 0)?, begun_with: false })
    }

    /// The same where both runs begin with what is known in a folder.
    pub(super) fn begun_with(self, folder: &Path) -> Result<Self> {
        let topics = Embedded::open_to_read(&wiring::topics_folder(folder))?;
        Ok(Self { facts: facts(&topics, 0)?, begun_with: true, ..self })
    }

    /// What may be expected of a plan that was not carried out.
    fn estimate(&self, plan: &Plan, of_others: f64) -> Option<Estimate> {
        if self.begun_with {
            return Estimate::of_plan(plan, &self.facts, Timestamp::MAX);
        }
        Estimate::with_evidence(plan, &self.facts, of_others)
    }

    /// Whether these incidents, by the beginnings of their ids, were recorded.
    pub(super) fn has(&self, incidents: &[String]) -> Result<()> {
        let known = |name: &&String| self.story.incidents.iter().any(|one| begins(&one.id, name));
        match incidents.iter().find(|name| !known(name)) {
            None => Ok(()),
            Some(name) => {
                let text =
                    format!("no incident `{name}` was recorded; `theriac explain` lists those of a folder");
                Err(Wrong(text).into())
            }
        }
    }

    /// What became of a plan like this one that was carried out in the same incident.
    fn outcome(&self, decision: &Decision) -> Option<(VerificationVerdict, f64)> {
        let is = |plan: &&Plan| {
            let target = plan.steps().next().map(|step| step.action.target.as_str());
            !plan.dry_run
                && plan.incident == decision.incident
                && plan.strategy == decision.strategy
                && target == Some(decision.target.as_str())
        };
        let plan = self.story.plans.iter().find(is)?;
        let verdict = self.story.verifications.iter().rfind(|one| one.plan == plan.id)?;
        Some((verdict.verdict, verdict.at.since(plan.at).as_seconds()))
    }
}

/// Opens the past once more.
pub(super) type Past<'a, E> = &'a dyn Fn() -> Result<E>;

/// Both runs, and what differs.
pub(super) fn run<E: Environment>(
    before: &Config,
    after: &Config,
    dry_run_on: [&dyn Fn(&Plan) -> bool; 2],
    past: Past<'_, E>,
    reality: &Reality,
    incidents: &[String],
    format: Format,
) -> Result<()> {
    let first = decide(before, dry_run_on[0], past()?)?;
    let second = decide(after, dry_run_on[1], past()?)?;
    let all = differences(&first.by_incident, &second.by_incident);
    let is_meant = |id: &Id| incidents.is_empty() || incidents.iter().any(|name| begins(id, name));
    let found: Vec<&Difference> = all.iter().filter(|one| is_meant(&one.incident)).collect();
    let count = |run: &Collector<'_>| {
        run.by_incident.iter().filter(|(id, _)| is_meant(id)).map(|(_, all)| all.len()).sum::<usize>()
    };
    let counts = (count(&first), count(&second));
    let weights = (before.plan.evidence_of_others, after.plan.evidence_of_others);
    match format {
        Format::Json => {
            let told: Vec<Value> = found.iter().map(|one| object(one, reality, weights)).collect();
            let object = json!({
                "decisions": { "before": counts.0, "after": counts.1 },
                "policy": { "before": before.playbooks()?.digest(), "after": after.playbooks()?.digest() },
                "differences": told,
            });
            say!("{}", serde_json::to_string_pretty(&object)?);
        }
        Format::Text => tell(&found, counts, reality, weights),
    }
    Ok(())
}

/// Whether an incident is meant by a name: its id, or the beginning of it.
fn begins(id: &Id, name: &str) -> bool {
    let id = id.as_str();
    id.starts_with(name) || id.strip_prefix("incident-").is_some_and(|rest| rest.starts_with(name))
}

fn decide<'a, E: Environment>(
    config: &Config,
    dry_run_on: &'a dyn Fn(&Plan) -> bool,
    past: E,
) -> Result<Collector<'a>> {
    let mut collector = Collector::new(dry_run_on);
    let stop = wiring::stop_flag()?;
    let (mut driver, _) = wiring::open(config, past, &mut collector)?;
    driver.run_to_end(&|| stop.load(Ordering::SeqCst) || output::is_broken(), &mut collector)?;
    Ok(collector)
}

/// What came of a decision, or may be expected of it.
fn outcome(decision: &Decision, reality: &Reality, of_others: f64) -> Value {
    let Some(plan) = &decision.plan else { return Value::Null };
    if let Some((verdict, seconds)) = reality.outcome(decision) {
        return json!({ "fact": verdict, "seconds": seconds });
    }
    json!({ "estimate": reality.estimate(plan, of_others) })
}

fn object(difference: &Difference, reality: &Reality, weights: (f64, f64)) -> Value {
    let side = |decision: &Option<Decision>, of_others: f64| {
        let decision = decision.as_ref()?;
        let mut object = serde_json::to_value(decision).unwrap_or_default();
        object["outcome"] = outcome(decision, reality, of_others);
        Some(object)
    };
    json!({
        "incident": difference.incident,
        "number": difference.number,
        "at": difference.at(),
        "differs_in": difference.differs_in,
        "before": side(&difference.before, weights.0),
        "after": side(&difference.after, weights.1),
    })
}

fn outcome_text(decision: &Decision, reality: &Reality, of_others: f64) -> String {
    let Some(plan) = &decision.plan else { return decision.why.clone() };
    if let Some((verdict, seconds)) = reality.outcome(decision) {
        let verdict = match verdict {
            VerificationVerdict::Recovered => "recovered",
            VerificationVerdict::NotRecovered => "did not recover",
            VerificationVerdict::Unknown => "telemetry does not tell whether it recovered",
        };
        return format!("fact: it was carried out, and {verdict} after {}", span(seconds));
    }
    reality
        .estimate(plan, of_others)
        .map_or_else(|| "no estimate: nothing is believed of it".to_owned(), |estimate| estimate.text())
}

fn tell(found: &[&Difference], counts: (usize, usize), reality: &Reality, weights: (f64, f64)) {
    let (before, after) = counts;
    say!("{before} decisions as configured, {after} by the other policy, {} differ", found.len());
    let Some((first, later)) = found.split_first() else { return };
    let decided = |decision: &Option<Decision>| {
        decision.as_ref().map_or_else(|| "nothing more".to_owned(), Decision::text)
    };
    let place = |one: &Difference| format!("{}  {} decision {}", one.at(), one.incident.short(), one.number);
    let parts = |one: &Difference| {
        if one.differs_in.is_empty() { String::new() } else { format!("  ({})", one.differs_in.join(", ")) }
    };
    say!("\nthe first that differs: {}{}", place(first), parts(first));
    for (name, decision, of_others) in
        [("as configured", &first.before, weights.0), ("other policy", &first.after, weights.1)]
    {
        say!("  {name:<14} {}", decided(decision));
        if let Some(decision) = decision {
            if decision.plan.is_some() {
                say!("  {:<14} worth {}", "", decision.why);
            }
            say!("  {:<14} {}", "", outcome_text(decision, reality, of_others));
        }
    }
    candidates(first);
    if !later.is_empty() {
        say!("\nand every later one:");
    }
    for one in later {
        say!("{}{}", place(one), parts(one));
        for (sign, decision, of_others) in [('-', &one.before, weights.0), ('+', &one.after, weights.1)] {
            let outcome = decision.as_ref().map_or_else(String::new, |decision| {
                format!("; {}", outcome_text(decision, reality, of_others))
            });
            say!("  {sign} {}{outcome}", decided(decision));
        }
    }
}

/// What both considered, side by side.
fn candidates(difference: &Difference) {
    let of = |decision: &Option<Decision>| {
        decision.as_ref().map_or_else(Vec::new, |decision| decision.candidates.clone())
    };
    let (before, after) = (of(&difference.before), of(&difference.after));
    let mut names: Vec<(String, u32)> = Vec::new();
    for one in after.iter().chain(&before) {
        let name = (one.strategy.clone(), one.hypothesis);
        if !names.contains(&name) {
            names.push(name);
        }
    }
    if names.is_empty() {
        return;
    }
    say!("\n  {:<26} {:<34} other policy", "considered (hypothesis)", "as configured");
    let cell = |all: &[Candidate], name: &(String, u32)| {
        let found = all.iter().find(|one| (&one.strategy, one.hypothesis) == (&name.0, name.1));
        match found {
            None => "-".to_owned(),
            Some(Candidate { utility, refused: None, .. }) => format!("{:.1}", utility.expected),
            Some(Candidate { utility, refused: Some(why), .. }) => {
                format!("{:.1}, but {why}", utility.expected)
            }
        }
    };
    for name in &names {
        let title = format!("{} ({})", name.0, name.1);
        say!("  {} {} {}", fit(&title, 26), fit(&cell(&before, name), 34), cell(&after, name));
    }
}
