//! `theriac eval rootcausebench`: which change caused an incident, or that none did.
//!
//! | module | holds |
//! |---|---|
//! | [`diagnosis`] | from an incident to an answer |

mod diagnosis;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    time::Instant,
};

use anyhow::{Context, Result};
use theriac_datasets::{
    ranking,
    rootcausebench::{self, Answer, Incident, NONE, anchors},
};
use theriac_diagnose::{
    channel::change::outside,
    weighing::{Suspect, Weighed},
};

use super::{calibration::told::Told, cases::Arguments};
use crate::output::{Format, Report, Wrong, say};

/// Seed of the draws for intervals.
const SEED: u64 = 1;
/// Suspects that are explained.
const EXPLAINED: usize = 4;
/// Pass rates over all 24 incidents that are published with the benchmark, per cent.
const PUBLISHED: [(&str, f64); 8] = [
    ("glm-5.2, grok-4.5, kimi-k3, gpt-5.6", 100.0),
    ("gpt-5.4-mini", 82.0),
    ("gpt-oss-120b", 50.0),
    ("claude-haiku-4.5", 47.0),
    ("gpt-oss-20b", 29.0),
    ("scripted heuristic, always none", 29.0),
    ("last deploy of the alert's service", 21.0),
    ("latest deploy", 4.0),
];

struct Answered<'a> {
    incident: &'a Incident,
    answer: Answer,
    weighed: Vec<Weighed>,
    milliseconds: f64,
}

pub(super) fn run(arguments: &Arguments) -> Result<()> {
    arguments.no_stream("a case is a snapshot, and no telemetry over time")?;
    let folder = arguments.folder("rootcausebench-dev")?;
    let incidents = rootcausebench::open(&folder).context("expected a folder for each incident")?;
    let mut report = Report::new("eval rootcausebench", "default".to_owned(), digest(&incidents), Some(SEED));
    let answered: Vec<Answered<'_>> = incidents.iter().map(answer).collect();
    if let Some(name) = &arguments.case {
        let found = answered.iter().find(|one| one.incident.name == *name);
        let known = || Wrong(format!("there is no incident `{name}`; `--cases` lists them"));
        explain(found.ok_or_else(known)?);
        return Ok(());
    }
    figures(&answered, &mut report);
    if arguments.ablation {
        for channel in diagnosis::CHANNELS {
            let passed = incidents.iter().filter(|incident| {
                incident.truth.passes(&diagnosis::diagnose(incident, Some(channel)).0.root_cause_commit)
            });
            let share = passed.count() as f64 / incidents.len() as f64;
            report.set(&format!("ablation.{channel}.rootcausebench.pass"), share);
        }
    }
    if arguments.output == Format::Json {
        return report.print();
    }
    print(&report, arguments.ablation);
    if arguments.cases {
        cases(&answered);
    }
    Ok(())
}

/// What is told of each incident, to be judged beside that of other data sets.
pub(super) fn told_of(data: Option<&Path>) -> Result<Vec<Told>> {
    let folder = Arguments::within(data).folder("rootcausebench-dev")?;
    let incidents = rootcausebench::open(&folder).context("expected a folder for each incident")?;
    let told = |incident: &Incident| {
        let one = answer(incident);
        let who = (incident.name.as_str(), incident.truth.root_cause_commit.as_str());
        let name = |suspect: &Suspect| {
            let outside = suspect.entity.0 == outside::ENTITY;
            Some(if outside { NONE.to_owned() } else { suspect.part.clone() })
        };
        Told::of("rootcausebench", who, &one.weighed, name).otherwise(NONE)
    };
    Ok(incidents.iter().map(told).collect())
}

fn answer(incident: &Incident) -> Answered<'_> {
    let start = Instant::now();
    let (answer, weighed) = diagnosis::diagnose(incident, None);
    Answered { incident, answer, weighed, milliseconds: start.elapsed().as_secs_f64() * 1e3 }
}

fn digest(incidents: &[Incident]) -> String {
    let mut hasher = blake3::Hasher::new();
    for incident in incidents {
        hasher.update(incident.name.as_bytes());
        incident.commits.iter().for_each(|commit| {
            hasher.update(commit.sha.as_bytes());
        });
    }
    hasher.finalize().to_hex()[..16].to_owned()
}

fn share(answered: &[Answered<'_>], value: impl Fn(&Answered<'_>) -> f64) -> f64 {
    answered.iter().map(value).sum::<f64>() / answered.len().max(1) as f64
}

fn one_if(right: bool) -> f64 {
    f64::from(u8::from(right))
}

/// Mean of the shares of incidents with and without a change as cause that are told as such.
fn balanced_accuracy(answered: &[Answered<'_>]) -> f64 {
    let of = |none: bool| {
        let own: Vec<bool> = answered
            .iter()
            .filter(|one| (one.incident.truth.root_cause_commit == NONE) == none)
            .map(|one| (one.answer.root_cause_commit == NONE) == none)
            .collect();
        own.iter().filter(|right| **right).count() as f64 / own.len() as f64
    };
    f64::midpoint(of(true), of(false))
}

fn figures(answered: &[Answered<'_>], report: &mut Report) {
    let mut set = |name: &str, value: f64| report.set(&format!("rootcausebench.{name}"), value);
    let passed = |one: &Answered<'_>| one.incident.truth.passes(&one.answer.root_cause_commit);
    let ranks: Vec<Option<usize>> = answered.iter().map(|one| passed(one).then_some(1)).collect();
    let measure = |drawn: &[Option<usize>]| ranking::accuracy(drawn, 1);
    let (low, high) = ranking::interval(&ranks, SEED, "rootcausebench.pass", measure);
    set("pass", share(answered, |one| one_if(passed(one))));
    set("pass.low", low);
    set("pass.high", high);
    set("graded", share(answered, |one| one.incident.truth.grade(&one.answer)));
    set(
        "decoys",
        share(answered, |one| {
            one_if(one.incident.truth.decoy_deploy_commits.contains(&one.answer.root_cause_commit))
        }),
    );
    let first = |one: &Answered<'_>| {
        one_if(one.answer.first_failing_service == one.incident.truth.first_failing_service)
    };
    set("first_service", share(answered, first));
    set("blast", share(answered, |one| one.incident.truth.blast_overlap(&one.answer.blast_radius)));
    set(
        "remediation",
        share(answered, |one| one_if(one.answer.remediation == one.incident.truth.remediation)),
    );
    set("balanced_accuracy", balanced_accuracy(answered));
    set("incidents", answered.len() as f64);
    let mut passes: BTreeMap<&str, f64> = BTreeMap::new();
    for one in answered {
        for (name, answer) in anchors(one.incident) {
            *passes.entry(name).or_default() += one_if(one.incident.truth.passes(&answer));
        }
    }
    for (name, count) in passes {
        set(&format!("anchor.{name}"), count / answered.len() as f64);
    }
    let milliseconds: Vec<f64> = answered.iter().map(|one| one.milliseconds).collect();
    report.set_quantiles("diagnosis.ms", &milliseconds);
}

fn print(report: &Report, ablation: bool) {
    let figure = |name: &str| report.metrics.get(name).copied().unwrap_or(f64::NAN);
    let percent = |name: &str| 100.0 * figure(&format!("rootcausebench.{name}"));
    say!("{} incidents, no language model\n", figure("rootcausebench.incidents"));
    say!("passed (the cause, or that no change was it)   {:>6.1} %", percent("pass"));
    say!(
        "  95 % of that                                 {:>6.1} to {:.1}",
        percent("pass.low"),
        percent("pass.high")
    );
    say!("graded                                         {:>6.1} %", percent("graded"));
    say!("answered with a decoy                          {:>6.1} %", percent("decoys"));
    say!("change or none, balanced                       {:>6.1} %", percent("balanced_accuracy"));
    say!("first failing service                          {:>6.1} %", percent("first_service"));
    say!("blast radius, overlap                          {:>6.1} %", percent("blast"));
    say!("remediation                                    {:>6.1} %", percent("remediation"));
    say!("\nwithout any diagnosis, same incidents");
    for (name, text) in [
        ("none", "always none"),
        ("latest_deploy", "latest deploy"),
        ("alert_service_deploy", "last deploy of the alert's service"),
    ] {
        say!("{text:<46} {:>6.1} %", percent(&format!("anchor.{name}")));
    }
    say!("\npublished, all 24 incidents, three attempts each");
    for (name, percent) in PUBLISHED {
        say!("{name:<46} {percent:>6.1} %");
    }
    if ablation {
        say!("\npassed without");
        for channel in diagnosis::CHANNELS {
            let name = format!("ablation.{channel}.rootcausebench.pass");
            say!("{channel:<46} {:>6.1} %", 100.0 * figure(&name));
        }
    }
    say!(
        "\n{:.1} ms an incident (median), {:.1} ms (99 %)",
        figure("diagnosis.ms.p50"),
        figure("diagnosis.ms.p99")
    );
}

fn short(revision: &str) -> &str {
    revision.get(..8).unwrap_or(revision)
}

fn joined(names: &BTreeSet<String>) -> String {
    names.iter().map(String::as_str).collect::<Vec<_>>().join(" ")
}

fn cases(answered: &[Answered<'_>]) {
    say!("\nincident, true and told: cause, remediation, blast radius");
    for one in answered {
        let (truth, answer) = (&one.incident.truth, &one.answer);
        say!("{} {}", if truth.passes(&answer.root_cause_commit) { "+" } else { "-" }, one.incident.name);
        say!(
            "    {:<9} {:<18} {}",
            short(&truth.root_cause_commit),
            truth.remediation,
            joined(&truth.blast_radius)
        );
        say!(
            "    {:<9} {:<18} {}",
            short(&answer.root_cause_commit),
            answer.remediation,
            joined(&answer.blast_radius)
        );
    }
}

fn explain(one: &Answered<'_>) {
    let commits: BTreeMap<&str, &str> =
        one.incident.commits.iter().map(|commit| (commit.sha.as_str(), commit.message.as_str())).collect();
    say!("{}: {}", one.incident.name, short(&one.incident.truth.root_cause_commit));
    for weighed in one.weighed.iter().take(EXPLAINED) {
        let name = match &weighed.suspect {
            None => "no change that is known".to_owned(),
            Some(suspect) if suspect.entity.0 == outside::ENTITY => format!("no change: {}", suspect.part),
            Some(suspect) => {
                let message = commits.get(suspect.part.as_str()).copied().unwrap_or_default();
                format!("{} {message}", short(&suspect.part))
            }
        };
        say!("\n{:>6.1} %  {name}", 100.0 * weighed.probability);
        for evidence in &weighed.evidence {
            say!("  {:>+6.2}  {:<12} {}", evidence.log_likelihood_ratio, evidence.channel, evidence.text);
        }
    }
}
