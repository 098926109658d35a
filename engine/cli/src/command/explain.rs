//! `theriac explain`: one incident for a person: what caused it, why that and nothing else, how it
//! spread, what shows it, what was done, and how the verdict came to be.

use std::{collections::BTreeSet, io::IsTerminal};

use anyhow::{Context, Result};
use clap::Args;
use crossterm::style::Stylize;
use serde_json::json;
use theriac_contract::{Entity, Hypothesis, Incident, IncidentPhase, Role, Symptom, Timestamp};

use crate::{
    account::Account,
    output::{Format, Wrong, say},
    propagation::Propagation,
    report,
    store::Store,
    story::Story,
    words::{counted, fit, odds, sentences, span, time_of_day, wrap},
};

/// Characters of a line at most.
const WIDTH: usize = 100;

/// Arguments of `theriac explain`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The incident: its id, the beginning of it, or `last`; all are listed if it is left out
    incident: Option<String>,
    #[command(flatten)]
    store: Store,
    /// Symptoms that are shown, the least likely first
    #[arg(long, default_value_t = 8)]
    symptoms: usize,
    /// Write a page with the map of how it spread
    #[arg(long, value_name = "FILE")]
    report: Option<std::path::PathBuf>,
    /// text, or json for one object
    #[arg(long, value_enum, default_value_t)]
    output: Format,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let topics = arguments.store.locate()?.open(&Story::TOPICS)?;
    let story = Story::read(topics.as_ref())?;
    let Some(name) = &arguments.incident else { return list(&story, arguments.output) };
    let incident = find(&story, name)?;
    let case = Case::of(&story, incident);
    if let Some(path) = &arguments.report {
        let page = report::incident::page(incident, case.judged, &case.map, &story);
        std::fs::write(path, page).with_context(|| path.display().to_string())?;
    }
    match arguments.output {
        Format::Json => say!("{}", serde_json::to_string_pretty(&case.object())?),
        Format::Text => case.print(arguments.symptoms),
    }
    Ok(())
}

/// The incident that is meant.
fn find<'a>(story: &'a Story, name: &str) -> Result<&'a Incident> {
    let latest = story.latest();
    let found: Vec<&Incident> = if name == "last" {
        latest.last().copied().into_iter().collect()
    } else {
        let begins = |incident: &&&Incident| {
            let id = incident.id.as_str();
            id.starts_with(name) || id.strip_prefix("incident-").is_some_and(|rest| rest.starts_with(name))
        };
        latest.iter().filter(begins).copied().collect()
    };
    match found.as_slice() {
        [incident] => Ok(incident),
        [] => {
            let text = format!("no incident `{name}` among {}; `theriac explain` lists them", latest.len());
            Err(Wrong(text).into())
        }
        several => {
            let names: Vec<&str> = several.iter().map(|incident| incident.id.short()).collect();
            Err(Wrong(format!("`{name}` may be any of {}", names.join(", "))).into())
        }
    }
}

fn list(story: &Story, format: Format) -> Result<()> {
    let latest = story.latest();
    if format == Format::Json {
        say!("{}", serde_json::to_string_pretty(&latest)?);
        return Ok(());
    }
    for incident in &latest {
        say!(
            "{}  {}  {:<9} {}",
            incident.id.short(),
            &incident.opened.to_string()[..19],
            phase(incident.phase),
            fit(&incident.summary, WIDTH - 52).trim_end()
        );
    }
    if latest.is_empty() {
        say!("no incident so far");
    }
    Ok(())
}

const fn phase(phase: IncidentPhase) -> &'static str {
    match phase {
        IncidentPhase::Opened | IncidentPhase::Updated => "open",
        IncidentPhase::Resolved => "resolved",
        IncidentPhase::Lost => "lost",
    }
}

/// An incident with all that was said and done about it.
struct Case<'a> {
    story: &'a Story,
    incident: &'a Incident,
    /// The revision whose verdict is explained: the last one before it was over.
    judged: &'a Incident,
    map: Propagation,
}

impl<'a> Case<'a> {
    fn of(story: &'a Story, incident: &'a Incident) -> Self {
        let mut own = story.incidents.iter().filter(|revision| revision.id == incident.id);
        let judged = own.rfind(|revision| !revision.is_over()).unwrap_or(incident);
        let map = Propagation::of(judged);
        Self { story, incident, judged, map }
    }

    /// Symptoms as they were seen last, the least likely first.
    fn symptoms(&self) -> Vec<&'a Symptom> {
        let seen = self.incident.symptoms.iter().filter_map(|symptom| self.story.last_sight(&symptom.id));
        let mut seen: Vec<&Symptom> = seen.collect();
        seen.sort_by(|a, b| a.p_value.total_cmp(&b.p_value).then_with(|| a.series.cmp(&b.series)));
        seen
    }

    fn object(&self) -> serde_json::Value {
        let places = self.map.places.iter().enumerate().map(|(index, place)| {
            json!({
                "place": place.name,
                "role": self.map.role(index),
                "onset": place.onset,
                "symptoms": place.symptoms,
                "steps_from_cause": place.distance,
                "reached_from": place.from.map(|from| self.map.places[from].name.clone()),
            })
        });
        let plans: Vec<_> =
            self.story.plans.iter().filter(|plan| plan.incident == self.incident.id).collect();
        let verdicts = self.story.verifications.iter().filter(|verdict| verdict.incident == self.incident.id);
        json!({
            "incident": self.incident,
            "judged": self.judged,
            "symptoms": self.symptoms(),
            "propagation": places.collect::<Vec<_>>(),
            "plans": plans,
            "verifications": verdicts.collect::<Vec<_>>(),
        })
    }

    fn print(&self, symptoms: usize) {
        self.head();
        self.causes();
        self.spread();
        self.evidence(symptoms);
        self.done();
        self.history();
    }

    fn head(&self) {
        let incident = self.incident;
        let (from, until) = (incident.opened, incident.ended.unwrap_or(incident.at));
        let lasted = span(until.since(from).as_seconds());
        let ended = match incident.ended {
            Some(ended) => format!("to {} ({lasted})", time_of_day(ended)),
            None => format!("for {lasted} so far"),
        };
        say!("{}  {}", incident.id, phase(incident.phase));
        say!("{}  {ended}  domain {}", &from.to_string()[..19], incident.domain);
        indented(0, &self.judged.summary);
        self.felt();
    }

    /// Where the cause became a failure, and who feels it.
    fn felt(&self) {
        let judged = self.judged;
        let first = judged.symptoms.iter().find(|one| Some(&one.id) == judged.critical_failure.as_ref());
        if let Some(first) = first {
            let (signal, about, onset) = (&first.signal, first.about(), time_of_day(first.onset));
            indented(0, &format!("first failure: {signal} of {about} from {onset} on"));
        }
        let felt = judged.spread.iter().filter(|one| one.role == Role::Impact);
        let felt: Vec<&str> = felt.map(|one| one.place.as_str()).collect();
        if !felt.is_empty() {
            indented(0, &format!("felt by: {}", felt.join(", ")));
        }
    }

    fn causes(&self) {
        heading("Why");
        for hypothesis in &self.judged.hypotheses {
            let entity = hypothesis.entity.as_ref().map_or("", |entity| entity.as_str());
            let class = format!("{:?}", hypothesis.class).to_lowercase();
            let words = format!("{} {entity}", hypothesis.fault.replace('_', " "));
            say!("{:>4.0} %  {}  {class}", hypothesis.probability * 100.0, fit(&words, 60));
            // The first is explained whole, of the others what speaks most.
            let most = if hypothesis.rank == 1 { usize::MAX } else { 2 };
            reasons(hypothesis, most);
        }
    }

    fn spread(&self) {
        if self.map.places.is_empty() {
            return;
        }
        heading("How it spread");
        if let Some(cause) = self.map.cause() {
            self.branch(cause, "", "");
        }
        for index in (0..self.map.places.len()).filter(|index| self.map.role(*index) == "apart") {
            self.place(index, "");
        }
    }

    fn branch(&self, index: usize, first: &str, then: &str) {
        self.place(index, first);
        let onward: Vec<usize> = self.map.onward(index).collect();
        for (at, next) in onward.iter().enumerate() {
            let last = at + 1 == onward.len();
            let (mark, rest) = if last { ("└─ ", "   ") } else { ("├─ ", "│  ") };
            self.branch(*next, &format!("{then}{mark}"), &format!("{then}{rest}"));
        }
    }

    fn place(&self, index: usize, lead: &str) {
        let place = &self.map.places[index];
        let after = place.onset.since(self.incident.opened).as_seconds();
        let name = fit(&format!("{lead}{}", place.name), 34);
        let count = format!("{} symptom{}", place.symptoms, if place.symptoms == 1 { "" } else { "s" });
        let line = format!(
            "{name} {:>7}  {:<13} {:<13} {}",
            format!("+{after:.0} s"),
            self.map.role(index),
            count,
            place.worst.signal
        );
        say!("  {}", fit(&line, WIDTH - 2).trim_end());
    }

    fn evidence(&self, most: usize) {
        let symptoms = self.symptoms();
        let all = symptoms.len() as u64 + self.incident.symptoms_shed;
        // Many instances show the same; one of each kind says more than ten of one.
        let mut met = BTreeSet::new();
        let kinds = symptoms.iter().filter(|symptom| {
            let peer = symptom.peer.as_ref().map(Entity::service);
            met.insert((symptom.entity.service(), peer, &symptom.signal))
        });
        let shown: Vec<&&Symptom> = kinds.take(most).collect();
        heading(&format!(
            "What shows it ({} of {all} symptoms, one of each kind at each service, the least likely first)",
            shown.len()
        ));
        for symptom in shown {
            indented(2, &format!("{}  ({})", symptom.explanation, odds(symptom.p_value)));
            for example in counted(&symptom.examples) {
                for line in example.lines() {
                    say!("      {}", fit(line, WIDTH - 6).trim_end());
                }
            }
        }
    }

    fn done(&self) {
        let account = Account::new(false);
        let mut told: Vec<(Timestamp, String)> = Vec::new();
        for plan in self.story.plans.iter().filter(|plan| plan.incident == self.incident.id) {
            told.extend(account.plan(plan).into_iter().map(|line| (plan.at, line)));
            for candidate in
                plan.candidates.iter().filter(|candidate| candidate.strategy != plan.strategy).take(2)
            {
                let why = candidate.refused.as_deref().unwrap_or(&candidate.utility.formula);
                told.push((plan.at, format!("{:<20}not {}: {why}", "", candidate.strategy)));
            }
            let outcomes = self.story.outcomes.iter().filter(|outcome| outcome.plan == plan.id);
            told.extend(outcomes.filter_map(|outcome| Some((outcome.at, account.outcome(outcome)?))));
            let verdicts = self.story.verifications.iter().filter(|verdict| verdict.plan == plan.id);
            told.extend(verdicts.map(|verdict| (verdict.at, account.verification(verdict))));
        }
        told.sort_by_key(|(at, _)| *at);
        heading("What was done");
        told.iter().for_each(|(_, line)| indented(2, line));
        if told.is_empty() {
            say!("  nothing");
        }
    }

    fn history(&self) {
        heading("How the verdict came to be");
        let mut before = String::new();
        for revision in self.story.incidents.iter().filter(|revision| revision.id == self.incident.id) {
            let verdict =
                crate::account::hypotheses(&revision.hypotheses[..revision.hypotheses.len().min(2)]);
            // What only counts more symptoms says nothing new.
            if verdict != before || revision.is_over() {
                let line = format!("{}  {:<9} {verdict}", time_of_day(revision.at), phase(revision.phase));
                say!("  {}", fit(&line, WIDTH - 2).trim_end());
            }
            before = verdict;
        }
    }
}

fn reasons(hypothesis: &Hypothesis, most: usize) {
    for evidence in [&hypothesis.evidence_for, &hypothesis.evidence_against] {
        for (ratio, text) in sentences(evidence).into_iter().take(most) {
            indented(8, &format!("{ratio:+.1} {text}"));
        }
    }
    if let Some(change) = &hypothesis.change {
        let (from, to) = (&change.from, &change.to);
        indented(
            8,
            &format!("{}  {} of {} from {from} to {to}", time_of_day(change.at), change.kind, change.entity),
        );
    }
}

fn heading(text: &str) {
    let colour = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    say!("");
    if colour {
        say!("{}", text.bold());
    } else {
        say!("{text}");
    }
}

/// A text in lines that fit, further in from the second on.
fn indented(by: usize, text: &str) {
    if by + text.chars().count() <= WIDTH {
        say!("{:by$}{text}", "");
        return;
    }
    let hang = text.len() - text.trim_start().len();
    for (number, line) in wrap(text.trim_start(), WIDTH - by - hang - 4).into_iter().enumerate() {
        let by = by + hang + if number == 0 { 0 } else { 4 };
        say!("{:by$}{line}", "");
    }
}
