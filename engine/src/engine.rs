//! The stages in their order. A pure state machine: no clock, no I/O.

use serde::{Deserialize, Serialize};
use theriac_contract::{
    Checkpointed, Command, Completion, Fact, GivenTopology, Incident, Noticed, Outcome, Plan, RecordedFact,
    Sightings, StateError, StateTable, Symptom, Tick, Timestamp, Verification,
    seeded::{self, Bug},
};
use theriac_detect::Detect;
use theriac_diagnose::Diagnose;
use theriac_execute::Execute;
use theriac_knowledge::Knowledge;
use theriac_monitor::Monitor;
use theriac_plan::{Planner, Playbooks};

use crate::{
    records::{self, Output},
    settings::Settings,
    timed::timed,
};

/// What the stages gave for one tick.
#[derive(Clone, Debug, Default)]
pub struct Outputs {
    /// Revisions of symptoms.
    pub symptoms: Vec<Symptom>,
    /// Revisions of incidents.
    pub incidents: Vec<Incident>,
    /// New plans.
    pub plans: Vec<Plan>,
    /// What executors and sagas said.
    pub outcomes: Vec<Outcome>,
    /// Verdicts on plans.
    pub verifications: Vec<Verification>,
    /// What became known, in the order of versions.
    pub facts: Vec<RecordedFact>,
    /// To be sent once all of the above is durable.
    pub commands: Vec<Command>,
}

impl Outputs {
    /// The records to append, in an order that is the same in every run.
    #[must_use]
    pub fn records(&self) -> Vec<Output> {
        let mut out = Vec::new();
        out.extend(self.symptoms.iter().map(records::symptom));
        out.extend(self.incidents.iter().map(records::incident));
        out.extend(self.plans.iter().map(records::plan));
        out.extend(self.outcomes.iter().map(records::outcome));
        out.extend(self.verifications.iter().map(records::verification));
        out.extend(self.facts.iter().map(records::fact));
        if seeded::on(Bug::MapOrder) {
            let map = std::hash::RandomState::new();
            out.sort_by_key(|output| std::hash::BuildHasher::hash_one(&map, &output.record.value));
        }
        out
    }
}

/// State of the engine itself: what one step leaves for the next.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Carried {
    /// Event time of decisions.
    now: Timestamp,
    /// End of the last tick that detection has seen: of the last that was judged, unless ticks
    /// of several shards are joined in between.
    noticed: Timestamp,
    /// End of the last tick that was judged.
    judged: Timestamp,
    completions: Vec<Completion>,
    verifications: Vec<Verification>,
}

const TABLE: &str = "engine";
const TABLE_VERSION: u16 = 2;

/// Monitor, detect, diagnose, plan and execute over knowledge.
pub struct Engine {
    /// Series, ticks, watermarks.
    pub monitor: Monitor,
    /// Detectors and symptoms.
    pub detect: Detect,
    /// Incidents and hypotheses.
    pub diagnose: Diagnose,
    /// Strategies and guardrails.
    pub planner: Planner,
    /// Sagas and verification.
    pub execute: Execute,
    /// What is known.
    pub knowledge: Knowledge,
    carried: Carried,
}

impl Engine {
    /// Fresh stages.
    #[must_use]
    pub fn new(settings: &Settings, playbooks: Playbooks) -> Self {
        Self {
            monitor: Monitor::new(settings.monitor.clone()),
            detect: Detect::new(settings.detect.clone()),
            diagnose: Diagnose::new(settings.diagnose.clone()),
            planner: Planner::new(settings.plan.clone(), playbooks),
            execute: Execute::new(settings.execute.clone()),
            knowledge: Knowledge::new(),
            carried: Carried::default(),
        }
    }

    /// The latest instant that the engine knows to have been reached.
    #[must_use]
    pub const fn now(&self) -> Timestamp {
        self.carried.now
    }

    /// Notes that event time has reached `at`.
    pub fn reach(&mut self, at: Timestamp) {
        self.carried.now = self.carried.now.max(at);
    }

    /// Takes answers of executors; they are judged with the next tick or [`Engine::idle`].
    pub fn answer(&mut self, completions: Vec<Completion>) {
        self.carried.completions.extend(completions);
    }

    /// Facts that do not come from telemetry: configuration, a topology file.
    pub fn learn(&mut self, mut facts: Vec<Fact>) -> Vec<RecordedFact> {
        // That a file says nothing is worth a fact only after one said something.
        let given = self.knowledge.snapshot().topology.has_given();
        facts.retain(|fact| match fact {
            Fact::TopologyGiven { topology } => given || *topology != GivenTopology::default(),
            _ => true,
        });
        self.knowledge.append(self.carried.now, facts)
    }

    /// End of the last tick that detection has seen.
    #[must_use]
    pub const fn noticed(&self) -> Timestamp {
        self.carried.noticed
    }

    /// All stages over one sealed tick.
    pub fn step(&mut self, tick: &Tick) -> Outputs {
        let at = tick.end();
        self.reach(at);
        let sightings = Sightings { flows: self.knowledge.gather(at, &tick.edges), ..Sightings::of(tick) };
        let facts = timed!("learn", self.knowledge.observe(at, &sightings));
        let symptoms = self.detect(tick);
        let mut outputs = self.conclude(at, &symptoms, facts);
        outputs.symptoms = symptoms;
        outputs
    }

    /// Detection alone over one sealed tick, of which knowledge learns nothing yet: what it
    /// noticed is to be joined with what other shards noticed, and comes back to
    /// [`Engine::judge`].
    pub fn notice(&mut self, tick: &Tick) -> Noticed {
        let flows = self.knowledge.gather(tick.end(), &tick.edges);
        let sightings = Sightings { flows, ..self.knowledge.news(&Sightings::of(tick)) };
        Noticed { at: tick.end(), symptoms: self.detect(tick), sightings }
    }

    /// The stages behind detection, over what all shards noticed in one tick. A shard that was
    /// not waited for may come late: it is judged with what is known now.
    pub fn judge(&mut self, noticed: &Noticed) -> Outputs {
        let at = noticed.at.max(self.carried.judged);
        self.reach(at);
        let facts = timed!("learn", self.knowledge.observe(at, &noticed.sightings));
        self.conclude(at, &noticed.symptoms, facts)
    }

    fn detect(&mut self, tick: &Tick) -> Vec<Symptom> {
        self.carried.noticed = tick.end();
        let traces = |id| self.monitor.traces_of(tick.number, id);
        timed!("detect", self.detect.step_shown(tick, self.knowledge.snapshot(), &traces))
    }

    fn conclude(&mut self, at: Timestamp, symptoms: &[Symptom], mut facts: Vec<RecordedFact>) -> Outputs {
        self.carried.judged = at;
        let known = self.knowledge.snapshot();
        let incidents = timed!("diagnose", self.diagnose.step(at, symptoms, known));
        for incident in &incidents {
            facts.extend(self.knowledge.append(incident.at, incident_facts(incident)));
        }
        let trust = self.diagnose.facts();
        facts.extend(self.knowledge.append(at, trust));
        let mut outputs = self.decide(&incidents);
        outputs.incidents = incidents;
        facts.append(&mut outputs.facts);
        outputs.facts = facts;
        outputs
    }

    /// Plan and execute while no tick was sealed: answers came, or time went on.
    pub fn idle(&mut self) -> Outputs {
        self.decide(&[])
    }

    fn decide(&mut self, incidents: &[Incident]) -> Outputs {
        let at = self.carried.now;
        let verifications = std::mem::take(&mut self.carried.verifications);
        let completions = std::mem::take(&mut self.carried.completions);
        let known = self.knowledge.snapshot();
        let planned = timed!("plan", self.planner.step(at, incidents, &verifications, known));
        self.execute.heed(&known.control);
        let begun: Vec<Plan> = planned.to_begin().cloned().collect();
        let mut facts = self.knowledge.append(at, planned.facts);
        let executed = timed!("execute", self.execute.step(at, &begun, incidents, &completions));
        self.planner.settle(&executed.outcomes, &self.knowledge.snapshot().topology);
        facts.extend(self.knowledge.append(at, executed.facts));
        self.carried.verifications.clone_from(&executed.verifications);
        Outputs {
            plans: planned.plans,
            outcomes: executed.outcomes,
            verifications: executed.verifications,
            facts,
            commands: executed.commands,
            ..Outputs::default()
        }
    }
}

fn incident_facts(incident: &Incident) -> Vec<Fact> {
    let mut facts = Vec::new();
    if incident.revision == 0 {
        facts.push(Fact::IncidentOpened { incident: incident.id.clone() });
    }
    if incident.is_over() {
        let best = incident.hypotheses.first();
        facts.push(Fact::IncidentEnded {
            incident: incident.id.clone(),
            cause: best.and_then(|hypothesis| hypothesis.entity.clone()),
            fault: best.map_or_else(|| "unknown".to_owned(), |hypothesis| hypothesis.fault.clone()),
            resolved: incident.phase == theriac_contract::IncidentPhase::Resolved,
        });
    }
    facts
}

impl Checkpointed for Engine {
    fn snapshot(&self) -> Result<Vec<StateTable>, StateError> {
        let mut tables = vec![StateTable::from_json(TABLE, TABLE_VERSION, &self.carried)?];
        tables.extend(self.monitor.snapshot()?);
        tables.extend(self.detect.snapshot()?);
        tables.extend(self.diagnose.snapshot()?);
        tables.extend(self.planner.snapshot()?);
        tables.extend(self.execute.snapshot()?);
        tables.extend(Checkpointed::snapshot(&self.knowledge)?);
        Ok(tables)
    }

    fn restore(&mut self, tables: &[StateTable]) -> Result<(), StateError> {
        self.carried = StateTable::to_json(tables, TABLE, TABLE_VERSION)?;
        self.monitor.restore(tables)?;
        self.detect.restore(tables)?;
        self.diagnose.restore(tables)?;
        self.planner.restore(tables)?;
        self.execute.restore(tables)?;
        self.knowledge.restore(tables)
    }
}

#[cfg(test)]
mod tests;
