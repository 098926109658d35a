//! `theriac eval nezha`: the cause of an incident from one minute of logs, traces and metrics.
//!
//! | module | holds |
//! |---|---|
//! | [`diagnosis`] | from two minutes to ranked causes |
//! | [`told`] | what came out, as text |
//!
//! What may be known of a case is what the published evaluation is given: which minute to look at
//! (the second of the fault), that minute's metrics, logs and traces, and one fault-free minute of
//! the day. Rankings are of pods (AS@k), and of pods with a resource or a region of the code
//! (AIS@k). A case counts by the place of the truth among distinct entries, at the end of a tie.

mod diagnosis;
mod told;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::Instant,
};

use anyhow::Result;
use theriac_contract::Timestamp;
use theriac_datasets::{
    catalogue,
    nezha::{
        Case, Minute,
        calls::{self, Calls},
        minute,
        published::{self, Row},
    },
    ranking::{self, Answer, Ranked, accuracy},
};
use theriac_diagnose::{
    channel::requests::{CPU, MEMORY, NETWORK, transitions::ARROW, window::Observed},
    weighing::Weighed,
};

use super::{calibration::told::Told, cases::Arguments};
use crate::output::{Format, Report, Wrong};

/// A data set with its name in figures and the table beside it.
struct Set {
    name: String,
    folder: PathBuf,
    published: &'static [Row],
}

/// What was answered to one case.
struct Answered {
    case: Case,
    weighed: Vec<Weighed>,
    /// By pod.
    service: Answer,
    /// By pod and part.
    inner: Answer,
    /// By kind of fault.
    kind: Answer,
    /// Signals of the minute that there are.
    signals: String,
    /// Milliseconds from rows of files to calls and lines with their statements, as they are taken up
    /// when they arrive.
    taken_up: f64,
    /// Milliseconds from those of both minutes to the ranking.
    milliseconds: f64,
}

/// Everything of a data set.
struct Outcome {
    answered: Vec<Answered>,
    /// By channel: the ranks of pods and parts without it.
    without: BTreeMap<&'static str, [Vec<Option<usize>>; 2]>,
}

/// Seed of the draws for intervals.
const SEED: u64 = 1;
/// Places that are counted.
const PLACES: [usize; 3] = [1, 3, 5];

pub(super) fn run(arguments: &Arguments) -> Result<()> {
    let mut report = Report::new("eval nezha", "default".to_owned(), String::new(), Some(SEED));
    let mut digest = blake3::Hasher::new();
    let (mut milliseconds, mut taken_up) = (Vec::new(), Vec::new());
    let mut outcomes = Vec::new();
    for set in sets(arguments)? {
        let outcome = evaluate(&set, arguments, &mut digest)?;
        figures(&set, &outcome, &mut report);
        milliseconds.extend(outcome.answered.iter().map(|one| one.milliseconds));
        taken_up.extend(outcome.answered.iter().map(|one| one.taken_up));
        outcomes.push((set, outcome));
    }
    let asked = arguments.case.as_deref();
    if let Some(id) = asked
        && outcomes.iter().all(|(_, outcome)| outcome.answered.is_empty())
    {
        return Err(Wrong(format!("there is no case `{id}`; `--cases` lists them")).into());
    }
    report.data = digest.finalize().to_hex()[..16].to_owned();
    report.set_quantiles("diagnosis.ms", &milliseconds);
    report.set_quantiles("taken_up.ms", &taken_up);
    if arguments.output == Format::Json {
        return report.print();
    }
    for (set, outcome) in &outcomes {
        if asked.is_some() {
            outcome.answered.iter().for_each(told::explain);
            continue;
        }
        told::print(set, outcome, &report);
        if arguments.cases {
            told::cases(outcome);
        }
        if arguments.ablation {
            told::ablation(outcome);
        }
    }
    if asked.is_none() {
        told::time(&report);
    }
    Ok(())
}

/// Systems with published results.
const SYSTEMS: [(&str, &[Row]); 2] =
    [("trainticket", &published::TRAIN_TICKET), ("onlineboutique", &published::ONLINE_BOUTIQUE)];

/// The system that a folder is named after, `nezha-SYSTEM-PART`: a name for figures, and no input.
fn system(folder: &Path) -> String {
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    let name = name.strip_prefix("nezha-").unwrap_or(&name);
    name.split('-').next().unwrap_or_default().to_owned()
}

fn sets(arguments: &Arguments) -> Result<Vec<Set>> {
    if let Some(folder) = &arguments.folder {
        let name = system(folder);
        let known = SYSTEMS.iter().find(|(system, _)| *system == name);
        return Ok(vec![Set {
            name,
            folder: folder.clone(),
            published: known.map_or(&[], |(_, rows)| *rows),
        }]);
    }
    let set = |(name, published): (&str, &'static [Row])| {
        let data_set = format!("nezha-{name}-dev");
        let folder = catalogue::locate_from_environment(&data_set, arguments.data.as_deref())?;
        Ok(Set { name: name.to_owned(), folder, published })
    };
    SYSTEMS.into_iter().map(set).collect()
}

/// What is told of each case, to be judged beside that of other data sets.
pub(super) fn told_of(data: Option<&Path>) -> Result<Vec<Told>> {
    let arguments = Arguments::within(data);
    let mut told = Vec::new();
    for (set, name) in sets(&arguments)?.iter().zip(["trainticket", "onlineboutique"]) {
        for one in evaluate(set, &arguments, &mut blake3::Hasher::new())?.answered {
            let who = (one.case.id.as_str(), one.case.inject_pod.as_str());
            told.push(Told::of(name, who, &one.weighed, |suspect| {
                Some(diagnosis::pod(&suspect.entity).to_owned())
            }));
        }
    }
    Ok(told)
}

fn evaluate(set: &Set, arguments: &Arguments, digest: &mut blake3::Hasher) -> Result<Outcome> {
    let mut outcome = Outcome { answered: Vec::new(), without: BTreeMap::new() };
    let mut metrics = BTreeMap::new();
    let normals = minute::normal_minutes(&set.folder)?;
    for case in Case::read(&set.folder)? {
        if arguments.case.as_ref().is_some_and(|id| *id != case.id) {
            continue;
        }
        digest.update(case.id.as_bytes());
        if !metrics.contains_key(&case.day) {
            let of_day = (minute::metrics(&set.folder, &case.day)?, calls::read(&set.folder, &case.day)?);
            metrics.insert(case.day.clone(), of_day);
        }
        let (of_day, told) = &metrics[&case.day];
        let normal = normal(&set.folder, &case, &normals, of_day)?;
        let fault = minute::read(&set.folder, "fault", &case.day, &case.minutes.fault_2_scored, of_day)?;
        let at = minute::instant(&set.folder, &case.day, &case.minutes.fault_2_scored)?;
        let none = Calls::default();
        let of_normal = normal_at(&set.folder, &case, &normals)?.and_then(|at| told.get(&at));
        let of_normal = of_normal.or_else(|| told.values().next());
        let told = [of_normal, told.get(&at)].map(|calls| calls.unwrap_or(&none));
        let taken_up = Instant::now();
        let windows = diagnosis::windows([&normal, &fault], told);
        let taken_up = taken_up.elapsed().as_secs_f64() * 1e3;
        let start = Instant::now();
        let windows = [Observed::new(&windows[0]), Observed::new(&windows[1])];
        let weighed = diagnosis::diagnose(&windows, None);
        let milliseconds = start.elapsed().as_secs_f64() * 1e3;
        if arguments.ablation {
            for channel in diagnosis::CHANNELS {
                let weighed = diagnosis::diagnose(&windows, Some(channel));
                let ranks = outcome.without.entry(channel).or_default();
                ranks[0].push(service(&case, &weighed, 0).rank());
                ranks[1].push(inner(&case, &weighed).rank());
            }
        }
        outcome.answered.push(Answered {
            service: service(&case, &weighed, diagnosis::pods(&fault).len()),
            inner: inner(&case, &weighed),
            kind: kind(&case, &weighed),
            signals: told::signals(&normal, &fault),
            case,
            weighed,
            taken_up,
            milliseconds,
        });
    }
    Ok(outcome)
}

/// When the fault-free minute of a case was, if it is of its day.
fn normal_at(folder: &Path, case: &Case, minutes: &BTreeMap<String, String>) -> Result<Option<Timestamp>> {
    let own = minute::normal_of(case, minutes).filter(|(day, _)| *day == case.day);
    Ok(own.map(|(day, name)| minute::instant(folder, day, name)).transpose()?)
}

/// The fault-free minute of a case: spans and logs of its day, or of the nearest one that has some;
/// metrics of its own day.
fn normal(
    folder: &Path,
    case: &Case,
    minutes: &BTreeMap<String, String>,
    metrics: &minute::Metrics,
) -> Result<Minute> {
    let Some((day, name)) = minute::normal_of(case, minutes) else { return Ok(Minute::default()) };
    let mut normal = minute::read(folder, "normal", day, name, metrics)?;
    if normal.metrics.is_empty() {
        // Its spans are of another day; the metrics of the case's own day begin with its fault-free minute.
        normal.metrics = metrics.values().next().cloned().unwrap_or_default();
    }
    Ok(normal)
}

/// Best log odds by name, best first; equal names once.
fn ranked(entries: impl Iterator<Item = (String, f64)>) -> Vec<Ranked> {
    let mut best: BTreeMap<String, f64> = BTreeMap::new();
    for (name, score) in entries {
        let of_name = best.entry(name).or_insert(score);
        *of_name = of_name.max(score);
    }
    let mut ranking: Vec<Ranked> = best.into_iter().map(|(name, score)| Ranked { name, score }).collect();
    ranking::sort(&mut ranking);
    ranking
}

fn answer(case: &Case, truth: String, ranking: Vec<Ranked>, candidates: usize) -> Answer {
    Answer { case: case.id.clone(), truth, ranking, candidates }
}

fn service(case: &Case, weighed: &[Weighed], candidates: usize) -> Answer {
    let entries = weighed
        .iter()
        .filter_map(|one| Some((diagnosis::pod(&one.suspect.as_ref()?.entity).to_owned(), one.log_odds)));
    answer(case, case.inject_pod.clone(), ranked(entries), candidates)
}

/// Whether a part is what a label means: a resource by its name, or a region of the code whose ends
/// hold the two names.
fn is_meant(root_cause: &[String], part: &str) -> bool {
    match root_cause {
        [resource] => !part.is_empty() && resource.to_lowercase().starts_with(part),
        [from, to] => part
            .split_once(ARROW)
            .is_some_and(|(source, target)| source.contains(from) && target.contains(to)),
        _ => false,
    }
}

/// Names of entries with a part; the one that is meant has the name of the truth.
fn inner(case: &Case, weighed: &[Weighed]) -> Answer {
    const MEANT: &str = "the cause";
    let entries = weighed.iter().filter_map(|one| {
        let suspect = one.suspect.as_ref().filter(|suspect| !suspect.part.is_empty())?;
        let pod = diagnosis::pod(&suspect.entity);
        let meant = pod == case.inject_pod && is_meant(&case.root_cause, &suspect.part);
        let name = if meant { MEANT.to_owned() } else { format!("{pod} {}", suspect.part) };
        Some((name, one.log_odds))
    });
    answer(case, MEANT.to_owned(), ranked(entries), 0)
}

/// The kind of a fault as it can be told from outside.
fn kind(case: &Case, weighed: &[Weighed]) -> Answer {
    let truth = match case.root_cause.as_slice() {
        [resource] => {
            let named =
                [CPU, MEMORY, NETWORK].into_iter().find(|part| resource.to_lowercase().starts_with(part));
            named.unwrap_or("other").to_owned()
        }
        _ => "code".to_owned(),
    };
    let entries = weighed.iter().map(|one| {
        let kind = match one.suspect.as_ref().map(|suspect| suspect.part.as_str()) {
            None => "unknown",
            Some(part @ (CPU | MEMORY | NETWORK)) => part,
            Some(_) => "code",
        };
        (kind.to_owned(), one.log_odds)
    });
    answer(case, truth, ranked(entries), 4)
}

fn ranks(outcome: &Outcome, of: impl Fn(&Answered) -> &Answer) -> Vec<Option<usize>> {
    outcome.answered.iter().map(|one| of(one).rank()).collect()
}

/// Ranks that the authors' own run reached on these cases.
fn released(outcome: &Outcome) -> Vec<Option<usize>> {
    outcome.answered.iter().map(|one| one.case.nezha_released_rank.map(|rank| rank as usize)).collect()
}

fn figures(set: &Set, outcome: &Outcome, report: &mut Report) {
    let name = &set.name;
    let services: Vec<Answer> = outcome.answered.iter().map(|one| one.service.clone()).collect();
    let rows = [
        ("as", ranks(outcome, |one| &one.service)),
        ("ais", ranks(outcome, |one| &one.inner)),
        ("released", released(outcome)),
    ];
    for k in PLACES {
        for (measure, ranks) in &rows {
            let figure = format!("nezha.{name}.{measure}{k}");
            report.set(&figure, accuracy(ranks, k));
            let (low, high) = ranking::interval(ranks, SEED, &figure, |drawn| accuracy(drawn, k));
            report.set(&format!("{figure}.low"), low);
            report.set(&format!("{figure}.high"), high);
        }
        report.set(&format!("nezha.{name}.chance{k}"), ranking::chance(&services, k));
    }
    let empty = services.iter().filter(|answer| answer.ranking.is_empty()).count();
    report.set(&format!("nezha.{name}.empty"), empty as f64);
    report.set(&format!("nezha.{name}.cases"), services.len() as f64);
    for (channel, ranks) in &outcome.without {
        for k in PLACES {
            report.set(&format!("ablation.{channel}.nezha.{name}.as{k}"), accuracy(&ranks[0], k));
            report.set(&format!("ablation.{channel}.nezha.{name}.ais{k}"), accuracy(&ranks[1], k));
        }
    }
}
