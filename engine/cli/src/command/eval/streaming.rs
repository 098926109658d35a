//! The live loop as an evaluation of causes sees it: telemetry in, what was said of incidents out.
//!
//! Nobody says when to look: detection is part of it. What the loop knows of a fault is what it had
//! said by then, so that each instant is scored by the latest revisions before it.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use theriac_contract::{Entity, Fact, Fetch, Id, Incident, Interval, Source, Telemetry, Timestamp};
use theriac_datasets::ranking::{self, Answer, Ranked};
use theriac_engine::Engine;
use theriac_plan::Playbooks;

use crate::{
    config::Config,
    output::{Report, say},
};

/// About so much of a source at once.
const FETCH_BYTES: usize = 1 << 20;
/// Places that are counted.
const PLACES: [usize; 3] = [1, 3, 5];
/// When the answer is read, by its name in figures: how long after the first one.
const INSTANTS: [(&str, Interval); 3] =
    [("first", Interval(0)), ("s60", Interval::from_seconds(60)), ("s120", Interval::from_seconds(120))];

/// A fault that is known to have been there.
pub(super) struct Fault {
    /// Name of the case.
    pub(super) case: String,
    /// What was to be accused.
    pub(super) truth: String,
    /// When it began.
    pub(super) from: Timestamp,
    /// When the last incident that may be its own can begin.
    pub(super) until: Timestamp,
    /// How many could have been accused.
    pub(super) candidates: usize,
}

/// What was answered to one fault.
pub(super) struct Heard {
    /// Time from the fault to the first hypothesis, seconds; none if there was none.
    pub(super) delay_seconds: Option<f64>,
    /// At each of [`INSTANTS`].
    pub(super) answers: [Answer; 3],
    /// The last revision of each of its incidents, the earliest first.
    pub(super) incidents: Vec<Incident>,
}

/// The loop without plans: every revision of every incident, in order.
pub(super) struct Listener {
    engine: Engine,
    revisions: Vec<Incident>,
}

impl Listener {
    pub(super) fn new(config: &Config) -> Result<Self> {
        // Nothing is to be done about the past.
        let none = Playbooks::parse("no playbooks", "playbooks: []")?;
        Ok(Self { engine: Engine::new(&config.engine(), none), revisions: Vec::new() })
    }

    /// What is known beforehand.
    pub(super) fn learn(&mut self, facts: Vec<Fact>) {
        self.engine.learn(facts);
    }

    pub(super) fn push(&mut self, telemetry: &[Telemetry]) -> Result<()> {
        self.engine.monitor.push(telemetry)?;
        self.seal();
        Ok(())
    }

    fn seal(&mut self) {
        while let Some(tick) = self.engine.monitor.seal() {
            self.revisions.extend(self.engine.step(&tick).incidents);
        }
    }

    /// Everything that a source has.
    pub(super) fn read(mut self, source: &mut dyn Source) -> Result<Vec<Incident>> {
        while let Fetch::Batch(fetched) = source.fetch(FETCH_BYTES)? {
            self.push(&fetched.telemetry)?;
        }
        Ok(self.finish())
    }

    pub(super) fn finish(mut self) -> Vec<Incident> {
        self.engine.monitor.finish();
        self.seal();
        self.revisions
    }
}

/// What was said of a fault. `named` are the candidates that an entity stands for.
pub(super) fn hear<'n>(
    fault: &Fault,
    revisions: &[Incident],
    named: impl Fn(&Entity) -> Vec<&'n str>,
) -> Heard {
    // What stood before the fault is not about it.
    let begun = |one: &Incident| one.revision == 0 && fault.from <= one.at && one.opened <= fault.until;
    let ids: BTreeSet<&Id> = revisions.iter().filter(|one| begun(one)).map(|one| &one.id).collect();
    let own: Vec<&Incident> = revisions.iter().filter(|one| ids.contains(&one.id)).collect();
    let first = own.first().map(|one| one.at);
    let answers = INSTANTS.map(|(_, after)| {
        let read = first.map(|at| at.plus(after));
        let mut latest: BTreeMap<&str, &Incident> = BTreeMap::new();
        for one in own.iter().filter(|one| read.is_some_and(|read| one.at <= read)) {
            latest.insert(one.id.as_str(), one);
        }
        let ranking = ranked(latest.values().copied(), &named);
        Answer { case: fault.case.clone(), truth: fault.truth.clone(), ranking, candidates: fault.candidates }
    });
    let mut incidents: Vec<Incident> = Vec::new();
    for one in own {
        match incidents.iter_mut().find(|known| known.id == one.id) {
            Some(known) => *known = one.clone(),
            None => incidents.push(one.clone()),
        }
    }
    Heard { delay_seconds: first.map(|at| at.since(fault.from).as_seconds()), answers, incidents }
}

/// Candidates by the probability of their most probable fault, in whichever incident.
fn ranked<'i, 'n>(
    incidents: impl Iterator<Item = &'i Incident>,
    named: impl Fn(&Entity) -> Vec<&'n str>,
) -> Vec<Ranked> {
    let mut best: BTreeMap<&str, f64> = BTreeMap::new();
    for hypothesis in incidents.flat_map(|incident| &incident.hypotheses) {
        for name in hypothesis.entity.iter().flat_map(&named) {
            let of_name = best.entry(name).or_default();
            *of_name = of_name.max(hypothesis.probability);
        }
    }
    let mut ranking: Vec<Ranked> =
        best.into_iter().map(|(name, score)| Ranked { name: name.to_owned(), score }).collect();
    ranking::sort(&mut ranking);
    ranking
}

/// Figures of all faults, below `prefix`.
pub(super) fn figures(prefix: &str, heard: &[Heard], seed: u64, report: &mut Report) {
    for (index, (instant, _)) in INSTANTS.iter().enumerate() {
        let ranks: Vec<Option<usize>> = heard.iter().map(|one| one.answers[index].rank()).collect();
        for k in PLACES {
            let figure = format!("{prefix}.streaming.{instant}.as{k}");
            report.set(&figure, ranking::accuracy(&ranks, k));
            let (low, high) = ranking::interval(&ranks, seed, &figure, |drawn| ranking::accuracy(drawn, k));
            report.set(&format!("{figure}.low"), low);
            report.set(&format!("{figure}.high"), high);
        }
    }
    let answers: Vec<Answer> = heard.iter().map(|one| one.answers[0].clone()).collect();
    for k in PLACES {
        report.set(&format!("{prefix}.streaming.chance{k}"), ranking::chance(&answers, k));
    }
    let delays: Vec<f64> = heard.iter().filter_map(|one| one.delay_seconds).collect();
    report.set(&format!("{prefix}.streaming.noticed"), delays.len() as f64 / heard.len().max(1) as f64);
    report.set_quantiles(&format!("{prefix}.streaming.delay_s"), &delays);
}

/// A table of [`figures`].
pub(super) fn print(title: &str, prefix: &str, faults: usize, report: &Report) {
    let figure =
        |name: &str| report.metrics.get(&format!("{prefix}.streaming.{name}")).copied().unwrap_or(f64::NAN);
    say!(
        "\n{title}, as a stream, detection included: {faults} faults (not comparable with what is given the minute)"
    );
    say!(
        "noticed {:.1} %, first hypothesis after p50 {:.0} s, p99 {:.0} s",
        100.0 * figure("noticed"),
        figure("delay_s.p50"),
        figure("delay_s.p99")
    );
    say!("{:<32}{:>7}{:>7}{:>7}    95 % of the first", "per cent of faults", "AS@1", "AS@3", "AS@5");
    for ((instant, _), told) in INSTANTS.iter().zip(["first hypothesis", "60 s after it", "120 s after it"]) {
        let row = PLACES.map(|k| format!("{:>7.1}", 100.0 * figure(&format!("{instant}.as{k}")))).concat();
        let end = |end: &str| 100.0 * figure(&format!("{instant}.as1.{end}"));
        say!("{told:<32}{row}    {:.0}-{:.0}", end("low"), end("high"));
    }
    let chance = PLACES.map(|k| format!("{:>7.1}", 100.0 * figure(&format!("chance{k}")))).concat();
    say!("{:<32}{chance}", "chance");
}

/// One line for each fault.
pub(super) fn cases(heard: &[Heard]) {
    say!(
        "\nfault, places of the true cause at the three instants, seconds to the first, it, the first three"
    );
    for one in heard {
        let last = &one.answers[2];
        let places = one
            .answers
            .each_ref()
            .map(|answer| answer.rank().map_or("-".to_owned(), |rank| rank.to_string()))
            .join(" ");
        let delay = one.delay_seconds.map_or("-".to_owned(), |seconds| format!("{seconds:.0}"));
        let first: Vec<String> =
            last.ranking.iter().take(3).map(|one| format!("{} {:.2}", one.name, one.score)).collect();
        say!("  {:<22} {places:>8} {delay:>5}  {:<40} {}", last.case, last.truth, first.join(", "));
    }
}

/// The incidents of one fault, with what speaks for and against.
pub(super) fn explain(heard: &Heard) {
    for incident in &heard.incidents {
        say!("\nas a stream: {} at {}, {}", incident.id, incident.at, incident.summary);
        for symptom in &incident.symptoms {
            say!("   {} {} {} p={:.1e}", symptom.onset, symptom.entity, symptom.signal, symptom.p_value);
        }
        for hypothesis in &incident.hypotheses {
            let entity = hypothesis.entity.as_ref().map_or("", |entity| entity.as_str());
            say!("{:.3}  {entity} {} ({:?})", hypothesis.probability, hypothesis.fault, hypothesis.class);
            for evidence in hypothesis.evidence_for.iter().chain(&hypothesis.evidence_against) {
                say!("   {:>7.2}  {:<13} {}", evidence.log_likelihood_ratio, evidence.channel, evidence.text);
            }
        }
    }
}
