//! Sock Shop 1: which service and which metric of it is behind a change, from metrics alone; also where
//! it is noticed a minute late.

use std::path::Path;

use anyhow::{Context, Result};
use theriac_contract::Direction;
use theriac_datasets::{
    ranking::{Answer, Ranked},
    sockshop::{
        self, Case, PUBLISHED,
        baseline::{Scorer, services},
    },
};
use theriac_diagnose::{
    channel::{Channel, Incident, Series, Settings, diagnose},
    family,
    weighing::Suspect,
};

use super::{
    Arguments, Baseline, Cell, Evaluation, Judged, Measure, Subject, Told, conclude, mean, name_of, ranked,
    timed,
};

const MEASURES: [(&str, &str, Measure); 3] = [
    ("ac1", "AC@1", Measure::Accuracy(1)),
    ("ac3", "AC@3", Measure::Accuracy(3)),
    ("avg5", "Avg@5", Measure::Average(5)),
];
const LEADING: [&str; 4] =
    ["sockshop.avg5", "sockshop.late60.avg5", "sockshop.metric_ac1", "sockshop.late60.metric_ac1"];
/// Rows on either side of the time at which the change is noticed: ten minutes, as published.
const ROWS: usize = 300;

/// What is ranked.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Level {
    Service,
    Metric,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    if arguments.streaming {
        return super::sockshop_stream::run(arguments);
    }
    let folder = arguments.folder("sockshop1-dev")?;
    let cases =
        sockshop::open(&folder).context("cannot read the cases (datasets/README.md has the layout)")?;
    let subject = Subject {
        command: "eval sockshop",
        title: format!("Sock Shop 1 ({}), {} cases", name_of(&folder), cases.len()),
        digest: sockshop::digest(&cases),
        measures: &MEASURES,
        leading: &LEADING,
        channels: Channel::ALL.map(Channel::name).to_vec(),
    };
    let settings = Settings::default();
    conclude(arguments, &subject, |without| {
        evaluate(&cases, &settings, without.map(|index| Channel::ALL[index]))
    })
}

/// What is told of each case that is noticed at once, to be judged beside that of other data sets.
pub(in crate::command::eval) fn told_of(data: Option<&Path>) -> Result<Vec<Told>> {
    let folder = Arguments::within(data).folder("sockshop1-dev")?;
    let cases =
        sockshop::open(&folder).context("cannot read the cases (datasets/README.md has the layout)")?;
    let mut told = Vec::new();
    for case in &cases {
        let cell =
            cell(std::slice::from_ref(case), &case.fault, (Level::Service, 0), &Settings::default(), None);
        let name = |suspect: &Suspect| Some(Case::service_of(&suspect.entity.0).to_owned());
        told.extend(cell.judged.iter().map(|one| one.told("sockshop", name)));
    }
    Ok(told)
}

fn evaluate(cases: &[Case], settings: &Settings, without: Option<Channel>) -> Evaluation {
    let mut faults: Vec<&str> = cases.iter().map(|case| case.fault.as_str()).collect();
    faults.sort_unstable();
    faults.dedup();
    let mut cells = Vec::new();
    for (level, late_seconds) in
        [(Level::Service, 0), (Level::Service, 60), (Level::Metric, 0), (Level::Metric, 60)]
    {
        cells.extend(faults.iter().map(|fault| cell(cases, fault, (level, late_seconds), settings, without)));
    }
    // As published: the plain mean over kinds of fault.
    let others = [
        ("sockshop.avg5", "sockshop.", Measure::Average(5)),
        ("sockshop.ac1", "sockshop.", Measure::Accuracy(1)),
        ("sockshop.late60.avg5", "sockshop.late60.", Measure::Average(5)),
        ("sockshop.late60.ac1", "sockshop.late60.", Measure::Accuracy(1)),
        ("sockshop.metric_ac1", "sockshop.metric.", Measure::Accuracy(1)),
        ("sockshop.late60.metric_ac1", "sockshop.late60.metric.", Measure::Accuracy(1)),
    ];
    let others = others.map(|(name, prefix, measure)| (name.to_owned(), mean(&cells, prefix, measure)));
    Evaluation { cells, others: others.to_vec() }
}

fn cell(
    cases: &[Case],
    fault: &str,
    (level, late): (Level, usize),
    settings: &Settings,
    without: Option<Channel>,
) -> Cell {
    let cases: Vec<&Case> = cases.iter().filter(|case| case.fault == fault).collect();
    let judged = cases.iter().map(|case| {
        let incident = incident(case, late, settings);
        let (weighed, milliseconds) = timed(|| diagnose(&incident, settings, without));
        let ranking = match level {
            Level::Service => ranked(&weighed, |entity, _| Some(Case::service_of(entity).to_owned())),
            Level::Metric => {
                ranked(&weighed, |entity, part| (!part.is_empty()).then(|| format!("{entity}_{part}")))
            }
        };
        Judged { answer: answer(case, level, ranking), weighed, milliseconds }
    });
    let baseline = |method, scorer: Scorer| {
        let rank = |case: &&Case| {
            let metrics = scorer.rank(case, late);
            let ranking = match level {
                Level::Service => services(&metrics),
                Level::Metric => by_part(&metrics),
            };
            answer(case, level, ranking)
        };
        Baseline { method, answers: cases.iter().map(rank).collect(), as_listed: true }
    };
    let published = PUBLISHED.iter().filter(|row| level == Level::Service && row.late_seconds == late);
    let figure = |row: &sockshop::Published| match fault {
        "cpu" => Some(row.cpu),
        "mem" => Some(row.mem),
        _ => None,
    };
    let level_key = if level == Level::Metric { "metric." } else { "" };
    let late_key = if late > 0 { format!("late{late}.") } else { String::new() };
    let noticed = if late > 0 { format!("noticed {late} s late") } else { "noticed at once".to_owned() };
    let what = if level == Level::Metric { "metrics" } else { "services" };
    Cell {
        key: format!("sockshop.{late_key}{level_key}{fault}"),
        title: format!("{what}, {fault}, {noticed}"),
        judged: judged.collect(),
        baselines: vec![baseline("BARO", Scorer::Baro), baseline("N-Sigma", Scorer::NSigma)],
        published: published.map(|row| (row.method.to_owned(), vec![None, None, figure(row)])).collect(),
    }
}

/// The part of a metric: `cpu` of `carts_cpu`, `lat` of `carts_lat_90`.
fn part(metric: &str) -> &str {
    metric.split('_').nth(1).unwrap_or_default()
}

fn entity(metric: &str) -> &str {
    metric.split('_').next().unwrap_or(metric)
}

fn by_part(metrics: &[Ranked]) -> Vec<Ranked> {
    let mut ranking: Vec<Ranked> = Vec::new();
    for metric in metrics {
        let name = format!("{}_{}", entity(&metric.name), part(&metric.name));
        if ranking.iter().all(|known| known.name != name) {
            ranking.push(Ranked { name, score: metric.score });
        }
    }
    ranking
}

fn answer(case: &Case, level: Level, ranking: Vec<Ranked>) -> Answer {
    let truth = match level {
        Level::Service => case.service.clone(),
        Level::Metric => {
            let (service, part) = case.true_metric();
            format!("{service}_{part}")
        }
    };
    let name = |metric: &str| match level {
        Level::Service => Case::service_of(metric).to_owned(),
        Level::Metric => format!("{}_{}", entity(metric), part(metric)),
    };
    let mut candidates: Vec<String> = case.metrics.iter().map(|(metric, _)| name(metric)).collect();
    candidates.sort();
    candidates.dedup();
    Answer { case: case.name.clone(), truth, ranking, candidates: candidates.len() }
}

/// The rows around the time at which the change is noticed. The guard before it counts as the incident:
/// a detector is late.
fn incident(case: &Case, late_seconds: usize, settings: &Settings) -> Incident {
    let mut steps: Vec<f64> = case.times.windows(2).map(|pair| pair[1] - pair[0]).collect();
    steps.sort_by(f64::total_cmp);
    let step_seconds = steps.get(steps.len() / 2).copied().filter(|step| *step > 0.0).unwrap_or(1.0);
    let rows = |seconds: f64| (seconds / step_seconds) as usize;
    let noticed = (case.normal_rows + rows(late_seconds as f64)).min(case.times.len());
    let begin = noticed.saturating_sub(rows(settings.guard_seconds));
    let first = noticed.saturating_sub(ROWS);
    let last = (noticed + ROWS).min(case.times.len());
    let series = case.metrics.iter().map(|(name, values)| Series {
        entity: entity(name).to_owned(),
        part: part(name).to_owned(),
        family: family(name, "{}", Direction::None, false),
        ordinary: values[first.min(begin)..begin].to_vec(),
        before: Vec::new(),
        during: values[begin..last].to_vec(),
    });
    Incident { series: series.collect(), step_seconds, ..Incident::default() }
}

#[cfg(test)]
mod tests {
    use super::{
        super::tests::{folder, halved_and_doubled, hangs_on_no_name},
        *,
    };

    #[test]
    fn nothing_hangs_on_names_of_services() {
        let cases = sockshop::open(&folder("sockshop1-dev")).expect("it reads");
        cases.iter().for_each(|case| hangs_on_no_name(&incident(case, 0, &Settings::default())));
    }

    #[test]
    fn no_setting_is_fitted_to_sock_shop() {
        let cases = sockshop::open(&folder("sockshop1-dev")).expect("it reads");
        for settings in halved_and_doubled() {
            let evaluation = evaluate(&cases, &settings, None);
            for (name, least) in [("sockshop.avg5", 0.99), ("sockshop.late60.avg5", 0.98)] {
                let found = evaluation.others.iter().find(|one| one.0 == name).expect("it is there").1;
                assert!(found >= least, "{name} {found} with {settings:?}");
            }
        }
    }
}
