//! What the engine says, put down in the words of the scorer.

use std::collections::{BTreeMap, BTreeSet};

use theriac_contract::{Hypothesis, Id, Incident, IncidentPhase, Tick, Verification, VerificationVerdict};
use theriac_datasets::fleet::score::{Event, EventKind};
use theriac_engine::{Engine, Observer, Outputs};

/// Causes that are put down of an incident.
const RANKED: usize = 5;

/// Listens to the loop. What it hears in a round has the time at which the round ended: when it
/// could be known outside.
#[derive(Default)]
pub(super) struct Listener {
    pub(super) log: Vec<Event>,
    heard: Vec<EventKind>,
    /// Places that were told to be in trouble.
    troubled: BTreeSet<String>,
    /// What was named last for each incident.
    named: BTreeMap<Id, EventKind>,
    /// Incidents that are not over, and that a verdict said to have recovered.
    recovered: BTreeSet<Id>,
    /// Plans that only tell somebody or wait.
    harmless: BTreeSet<Id>,
    /// What plans for each incident took for the cause.
    acted_on: BTreeMap<Id, BTreeSet<String>>,
}

impl Listener {
    /// Dates what was heard.
    pub(super) fn stamp(&mut self, at: f64) {
        self.log.extend(self.heard.drain(..).map(|kind| Event { at, kind }));
    }

    fn hear(&mut self, outputs: &Outputs) {
        for symptom in &outputs.symptoms {
            if symptom.revision == 0 {
                for entity in [Some(&symptom.entity), symptom.peer.as_ref()].into_iter().flatten() {
                    self.troubled.insert(entity.to_string());
                    self.heard.push(EventKind::Symptom { entity: entity.to_string() });
                }
            }
        }
        for incident in &outputs.incidents {
            if incident.is_over() {
                self.named.remove(&incident.id);
                self.recovered.remove(&incident.id);
                // What was seen to end is said to have recovered.
                if incident.phase == IncidentPhase::Resolved {
                    self.claim();
                }
                continue;
            }
            let told = diagnosis(incident);
            // How sure it is changes with every revision, and is said with what is acted upon.
            let before = self.named.insert(incident.id.clone(), told.clone());
            if before.as_ref().map(names) != Some(names(&told)) {
                self.heard.push(told);
            }
        }
        // What is acted on is the word that counts, whatever is said of other incidents beside it.
        for plan in &outputs.plans {
            let says = plan.steps().all(|step| step.action.is_harmless());
            if says {
                self.harmless.insert(plan.id.clone());
            }
        }
        for plan in outputs.plans.iter().filter(|plan| !plan.dry_run) {
            let Some(mut told) = self.named.get(&plan.incident).cloned() else { continue };
            if !self.harmless.contains(&plan.id) {
                let before = self.acted_on.entry(plan.incident.clone()).or_default();
                take_first(&mut told, &plan.cause.to_string(), before);
                before.insert(plan.cause.to_string());
            }
            self.heard.push(told);
        }
        // That it did not end by somebody being told is no word on what was done.
        let of_deeds = |verification: &&Verification| {
            verification.verdict == VerificationVerdict::Recovered
                || !self.harmless.contains(&verification.plan)
        };
        let of_deeds: Vec<&Verification> = outputs.verifications.iter().filter(of_deeds).collect();
        for verification in of_deeds {
            let recovered = match verification.verdict {
                VerificationVerdict::Recovered => {
                    self.recovered.insert(verification.incident.clone());
                    self.claim();
                    continue;
                }
                VerificationVerdict::NotRecovered => Some(false),
                _ => None,
            };
            self.recovered.remove(&verification.incident);
            self.heard.push(EventKind::Verified { recovered });
        }
    }

    /// That all is well is said once every incident is over or said to have recovered: of one that ended
    /// beside another that stands it is no word.
    fn claim(&mut self) {
        if self.named.keys().all(|incident| self.recovered.contains(incident)) {
            self.heard.push(EventKind::Verified { recovered: Some(true) });
        }
    }
}

impl Observer for Listener {
    fn tick(&mut self, _: &Engine, _: &Tick, outputs: &Outputs, _: bool) {
        self.hear(outputs);
    }

    fn idle(&mut self, _: &Engine, outputs: &Outputs, _: bool) {
        self.hear(outputs);
    }
}

/// Component and class of causes, and a path.
type Names<'a> = (&'a [(String, String)], &'a [String]);

/// What a diagnosis names, however sure it is.
fn names(kind: &EventKind) -> Option<Names<'_>> {
    match kind {
        EventKind::Diagnosis { ranked, path, .. } => Some((ranked, path)),
        _ => None,
    }
}

/// Where what is named first was acted on before, another plan says what else it takes for a cause.
fn take_first(told: &mut EventKind, cause: &str, before: &BTreeSet<String>) {
    let EventKind::Diagnosis { ranked, probability, .. } = told else { return };
    let place = ranked.iter().position(|(entity, _)| entity == cause);
    if let Some(place) = place.filter(|_| ranked.first().is_some_and(|(first, _)| before.contains(first))) {
        ranked[..=place].rotate_right(1);
        // How sure it is was told of the first.
        if place > 0 {
            *probability = None;
        }
    }
}

fn diagnosis(incident: &Incident) -> EventKind {
    let named = |hypothesis: &Hypothesis| {
        let entity = hypothesis.entity.as_ref()?;
        Some((entity.to_string(), class_of(hypothesis).to_owned()))
    };
    if incident.hypotheses.first().is_some_and(|first| first.entity.is_none()) {
        return EventKind::Abstained;
    }
    let ranked: Vec<(String, String)> = incident.hypotheses.iter().filter_map(named).take(RANKED).collect();
    let mut path: Vec<String> = incident.spread.iter().map(|reached| reached.place.to_string()).collect();
    path.splice(0..0, ranked.first().map(|(entity, _)| entity.clone()));
    path.dedup();
    let probability = incident.hypotheses.first().map(|first| first.probability);
    EventKind::Diagnosis { ranked, path, probability }
}

/// Class of the cause in the words of the fleet's catalogue, or of the engine where that has no word.
fn class_of(hypothesis: &Hypothesis) -> &str {
    if let Some(change) = &hypothesis.change {
        match change.kind.as_str() {
            "deploy" => return "version",
            "configuration" | "flag" => return "configuration",
            "certificate" => return "certificate",
            _ => {}
        }
    }
    match hypothesis.fault.as_str() {
        "memory_leak" | "bad_deploy" => "version",
        "crash_loop" | "hang" => "process",
        "byzantine_replica" => "replica",
        "lying_sensor" => "telemetry",
        "host_fault" | "storage_exhaustion" => "node",
        "network_fault" => "network",
        "traffic_surge" => "load",
        "abusive_tenant" => "tenant",
        "hot_key" => "key",
        "slow_dependency" => "external",
        "pool_exhaustion" | "bad_configuration" => "configuration",
        "lock_contention" => "session",
        "replica_lag" | "data_corruption" => "data",
        "consumer_backlog" => "consumer",
        "poison_record" => "record",
        "certificate_expired" => "certificate",
        "clock_skew" => "node",
        "cache_stampede" => "cache",
        "quota_exceeded" => "external",
        other => other,
    }
}
