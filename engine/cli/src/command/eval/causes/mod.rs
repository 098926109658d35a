//! `theriac eval petshop | sockshop | alerts`: rankings of causes beside published ones.
//!
//! | module | holds |
//! |---|---|
//! | this | what is judged, and its figures |
//! | [`petshop`], [`sockshop`], [`alerts`] | one data set each: incidents as data, baselines, cells |
//! | `petshop_stream` | the issues of PetShop through the live loop |
//! | `sockshop_stream` | the cases of Sock Shop through the live loop |
//! | `print` | tables, one case, the channels left out in turn |

pub(super) mod alerts;
pub(super) mod petshop;
mod petshop_stream;
mod print;
pub(super) mod sockshop;
mod sockshop_stream;
mod stream;

use std::{collections::BTreeMap, path::Path, time::Instant};

use anyhow::Result;
use theriac_datasets::ranking::{self, Answer, Ranked};
use theriac_diagnose::weighing::{Suspect, Weighed};

use super::{calibration::told::Told, cases::Arguments};
use crate::output::{Format, Report, Wrong};

/// Seed of the intervals.
const SEED: u64 = 1;

/// A measure of a list of ranks.
#[derive(Clone, Copy, Debug)]
enum Measure {
    /// The true cause is among the first so many.
    Accuracy(usize),
    /// The mean of the accuracies up to there.
    Average(usize),
}

impl Measure {
    fn of(self, ranks: &[Option<usize>]) -> f64 {
        match self {
            Self::Accuracy(k) => ranking::accuracy(ranks, k),
            Self::Average(k) => ranking::average_accuracy(ranks, k),
        }
    }

    fn chance(self, answers: &[Answer]) -> f64 {
        match self {
            Self::Accuracy(k) => ranking::chance(answers, k),
            Self::Average(k) => (1..=k).map(|k| ranking::chance(answers, k)).sum::<f64>() / k as f64,
        }
    }
}

/// What was answered to one case, why, and how long it took.
struct Judged {
    answer: Answer,
    weighed: Vec<Weighed>,
    milliseconds: f64,
}

impl Judged {
    /// The same, to be judged beside cases of other data sets.
    fn told(&self, set: &'static str, name: impl Fn(&Suspect) -> Option<String>) -> Told {
        Told::of(set, (&self.answer.case, &self.answer.truth), &self.weighed, name)
    }
}

/// A baseline over the cases of a cell.
struct Baseline {
    method: &'static str,
    answers: Vec<Answer>,
    /// Whether the order among equals counts, as its authors let it.
    as_listed: bool,
}

/// Cases that one published figure is about.
struct Cell {
    /// First part of the names of its figures.
    key: String,
    title: String,
    judged: Vec<Judged>,
    baselines: Vec<Baseline>,
    /// Method and its figures, in the order of the measures; none where it was not published.
    published: Vec<(String, Vec<Option<f64>>)>,
}

impl Cell {
    fn answers(&self) -> Vec<Answer> {
        self.judged.iter().map(|one| one.answer.clone()).collect()
    }

    fn ranks(&self) -> Vec<Option<usize>> {
        self.judged.iter().map(|one| one.answer.rank()).collect()
    }
}

/// One evaluation: cells, and figures that are not of one cell.
struct Evaluation {
    cells: Vec<Cell>,
    others: Vec<(String, f64)>,
}

/// What an evaluation is of.
struct Subject<'a> {
    command: &'static str,
    title: String,
    digest: String,
    /// Name in figures, name in tables, measure.
    measures: &'a [(&'static str, &'static str, Measure)],
    /// The figures that the table without each channel shows.
    leading: &'a [&'static str],
    /// Names of the channels, in the order in which they can be left out.
    channels: Vec<&'static str>,
}

/// Evaluates (`None`: with all channels) and says what came out.
fn conclude(
    arguments: &Arguments,
    subject: &Subject<'_>,
    mut evaluate: impl FnMut(Option<usize>) -> Evaluation,
) -> Result<()> {
    let evaluation = evaluate(None);
    let mut report = Report::new(subject.command, "default".to_owned(), subject.digest.clone(), Some(SEED));
    for (name, value) in figures(&evaluation, subject) {
        report.set(&name, value);
    }
    let times: Vec<f64> =
        evaluation.cells.iter().flat_map(|cell| &cell.judged).map(|one| one.milliseconds).collect();
    report.set_quantiles("diagnosis.ms", &times);
    let mut without = Vec::new();
    if arguments.ablation {
        for (index, channel) in subject.channels.iter().enumerate() {
            let figures = figures(&evaluate(Some(index)), subject);
            for name in subject.leading {
                if let Some(value) = figures.get(*name) {
                    report.set(&format!("without.{channel}.{name}"), *value);
                }
            }
            without.push((*channel, figures));
        }
    }
    if arguments.output == Format::Json {
        return report.print();
    }
    if let Some(id) = &arguments.case {
        let mut all = evaluation.cells.iter().flat_map(|cell| &cell.judged);
        let judged = all.find(|one| one.answer.case == *id);
        print::case(judged.ok_or_else(|| Wrong(format!("there is no case `{id}`; --cases lists them")))?);
        return Ok(());
    }
    print::tables(subject, &evaluation, &report);
    if arguments.cases {
        print::cases(&evaluation);
    }
    if arguments.ablation {
        print::ablation(subject, &report, &without);
    }
    Ok(())
}

/// All figures by name: measures with intervals, chance, empty answers; the baselines' beside them.
fn figures(evaluation: &Evaluation, subject: &Subject<'_>) -> BTreeMap<String, f64> {
    let mut figures: BTreeMap<String, f64> = evaluation.others.iter().cloned().collect();
    for cell in &evaluation.cells {
        let (key, ranks, answers) = (&cell.key, cell.ranks(), cell.answers());
        for (name, _, measure) in subject.measures {
            let (low, high) = ranking::interval(&ranks, SEED, key, |drawn| measure.of(drawn));
            figures.insert(format!("{key}.{name}"), measure.of(&ranks));
            figures.insert(format!("{key}.{name}.low"), low);
            figures.insert(format!("{key}.{name}.high"), high);
            figures.insert(format!("{key}.{name}.chance"), measure.chance(&answers));
            for baseline in &cell.baselines {
                let method = baseline.method.to_lowercase().replace([' ', '-'], "_");
                figures.insert(format!("{key}.{method}.{name}"), measure.of(&baseline_ranks(baseline)));
            }
        }
        figures.insert(format!("{key}.cases"), ranks.len() as f64);
        let empty = answers.iter().filter(|answer| answer.ranking.is_empty()).count();
        figures.insert(format!("{key}.empty"), empty as f64);
    }
    figures
}

fn baseline_ranks(baseline: &Baseline) -> Vec<Option<usize>> {
    let rank = if baseline.as_listed { Answer::rank_as_listed } else { Answer::rank };
    baseline.answers.iter().map(rank).collect()
}

/// The mean of one measure over cells whose key begins so.
fn mean(cells: &[Cell], prefix: &str, measure: Measure) -> f64 {
    let of: Vec<f64> = cells
        .iter()
        .filter(|cell| cell.key.strip_prefix(prefix).is_some_and(|rest| !rest.contains('.')))
        .map(|cell| measure.of(&cell.ranks()))
        .collect();
    of.iter().sum::<f64>() / of.len() as f64
}

/// Runs a diagnosis with a clock beside it, which no result sees.
fn timed(diagnose: impl FnOnce() -> Vec<Weighed>) -> (Vec<Weighed>, f64) {
    let start = Instant::now();
    let weighed = diagnose();
    (weighed, start.elapsed().as_secs_f64() * 1e3)
}

/// What the suspects are called, each where its strongest comes; `unknown` is left out, and what has no
/// name.
fn ranked(weighed: &[Weighed], name: impl Fn(&str, &str) -> Option<String>) -> Vec<Ranked> {
    let mut ranking: Vec<Ranked> = Vec::new();
    for one in weighed {
        let Some(suspect) = &one.suspect else { continue };
        let Some(name) = name(&suspect.entity.0, &suspect.part) else { continue };
        if ranking.iter().all(|known| known.name != name) {
            ranking.push(Ranked { name, score: one.log_odds });
        }
    }
    ranking
}

/// The name of the folder that is read, for titles.
fn name_of(folder: &Path) -> String {
    folder
        .file_name()
        .map_or_else(|| folder.display().to_string(), |name| name.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use theriac_contract::{Entity, Evidence};
    use theriac_datasets::catalogue;
    use theriac_diagnose::{
        channel::{Incident, Settings, diagnose},
        weighing::weigh,
    };

    use super::*;

    /// The folder of a data set below `THERIAC_DATASETS`.
    pub(super) fn folder(name: &str) -> PathBuf {
        catalogue::locate_from_environment(name, None).unwrap_or_else(|missing| panic!("{missing}"))
    }

    /// Each setting for itself at half and at twice its value: constants that come from principle may
    /// be wrong by that much, and must not matter.
    pub(super) fn halved_and_doubled() -> Vec<Settings> {
        let default = Settings::default;
        let mut all = Vec::new();
        for times in [0.5, 2.0] {
            let d = default();
            all.extend([
                Settings { guard_seconds: d.guard_seconds * times, ..default() },
                Settings { materiality: d.materiality * times, ..default() },
                Settings { cause_scale: d.cause_scale * times, ..default() },
                Settings { victim_scale: d.victim_scale * times, ..default() },
                Settings { victim_share: (d.victim_share * times).min(0.9), ..default() },
                Settings { cause_delay_seconds: d.cause_delay_seconds * times, ..default() },
                Settings { victim_delay_times: d.victim_delay_times * times, ..default() },
                Settings { correlation_expected: (d.correlation_expected * times).min(0.95), ..default() },
                Settings { share_min: d.share_min * times, ..default() },
            ]);
        }
        all
    }

    /// The same incident, every entity called otherwise and all rows in another order; with the new names.
    pub(super) fn nameless(incident: &Incident) -> Incident {
        let mut other = incident.clone();
        let name = |text: &mut String| *text = renamed(text);
        for series in &mut other.series {
            name(&mut series.entity);
        }
        for (caller, callee) in &mut other.calls {
            name(caller);
            name(callee);
        }
        if let Some(objective) = &mut other.objective {
            name(&mut objective.entity);
            objective.volumes.iter_mut().for_each(|one| name(&mut one.0));
            objective.volumes.reverse();
        }
        other.series.sort_by_key(|series| renamed(&format!("{} {}", series.part, series.entity)));
        other.calls.reverse();
        other
    }

    fn renamed(text: &str) -> String {
        blake3::hash(text.as_bytes()).to_hex()[..12].to_owned()
    }

    /// Log odds of all suspects of an incident, whatever they are called, in order.
    fn odds(incident: &Incident, name: impl Fn(&str) -> String) -> Vec<(String, f64)> {
        let weighed = diagnose(incident, &Settings::default(), None);
        let one = |one: &Weighed| {
            let suspect = one.suspect.as_ref();
            (suspect.map_or_else(String::new, |suspect| name(&suspect.entity.0)), one.log_odds)
        };
        let mut odds: Vec<(String, f64)> = weighed.iter().map(one).collect();
        odds.sort_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)));
        odds
    }

    /// Names and the order of rows do not matter to what is said of an incident.
    pub(super) fn hangs_on_no_name(incident: &Incident) {
        let (own, other) = (odds(incident, renamed), odds(&nameless(incident), ToOwned::to_owned));
        assert_eq!(own.len(), other.len());
        for (own, other) in own.iter().zip(&other) {
            assert!(own.0 == other.0 && (own.1 - other.1).abs() < 1e-9, "{own:?} {other:?}");
        }
    }

    #[test]
    fn a_suspect_is_where_its_strongest_part_is() {
        let claim = |entity: &str, part: &str, ratio: f64| {
            let suspect = Suspect { entity: Entity(entity.to_owned()), part: part.to_owned() };
            let (channel, text) = ("x".to_owned(), String::new());
            (suspect, Evidence { channel, log_likelihood_ratio: ratio, text, symptoms: Vec::new() })
        };
        let claims = [claim("a", "cpu", -1.0), claim("b", "cpu", 1.0), claim("a", "memory", 2.0)];
        let ranking = ranked(&weigh(&claims, 0.0), |entity, _| Some(entity.to_owned()));
        let found: Vec<(&str, f64)> = ranking.iter().map(|one| (one.name.as_str(), one.score)).collect();
        assert_eq!(found, [("a", 2.0), ("b", 1.0)]);
    }
}
