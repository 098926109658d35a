//! PetShop: which node of a call graph is behind a violated objective.

use std::path::Path;

use anyhow::{Context, Result};
use theriac_contract::Direction;
use theriac_datasets::{
    petshop::{self, FIRST_ROW, Issue, PUBLISHED, Scenario},
    ranking::{Answer, Ranked},
};
use theriac_diagnose::{
    channel::{Channel, Incident, Objective, Series, Settings, diagnose},
    family,
};

use super::{
    Arguments, Baseline, Cell, Evaluation, Judged, Measure, Subject, Told, conclude, name_of, ranked, timed,
};

const MEASURES: [(&str, &str, Measure); 2] =
    [("top1", "top-1 recall", Measure::Accuracy(1)), ("top3", "top-3 recall", Measure::Accuracy(3))];
const LEADING: [&str; 4] = [
    "petshop.latency.top1",
    "petshop.latency.top3",
    "petshop.availability.top1",
    "petshop.availability.top3",
];

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    if arguments.streaming {
        return super::petshop_stream::run(arguments);
    }
    let folder = arguments.folder("petshop-low")?;
    let scenario =
        petshop::open(&folder).context("cannot read the scenario (datasets/README.md has the layout)")?;
    let subject = Subject {
        command: "eval petshop",
        title: format!("PetShop ({}), {} issues", name_of(&folder), scenario.issues.len()),
        digest: scenario.digest(),
        measures: &MEASURES,
        leading: &LEADING,
        channels: Channel::ALL.map(Channel::name).to_vec(),
    };
    let settings = Settings::default();
    conclude(arguments, &subject, |without| {
        evaluate(&scenario, &settings, without.map(|index| Channel::ALL[index]))
    })
}

/// What is told of each issue, to be judged beside that of other data sets.
pub(in crate::command::eval) fn told_of(data: Option<&Path>) -> Result<Vec<Told>> {
    let folder = Arguments::within(data).folder("petshop-low")?;
    let scenario =
        petshop::open(&folder).context("cannot read the scenario (datasets/README.md has the layout)")?;
    let evaluation = evaluate(&scenario, &Settings::default(), None);
    let judged = evaluation.cells.iter().flat_map(|cell| &cell.judged);
    Ok(judged.map(|one| one.told("petshop", |suspect| Some(suspect.entity.0.clone()))).collect())
}

fn evaluate(scenario: &Scenario, settings: &Settings, without: Option<Channel>) -> Evaluation {
    let mut metrics: Vec<&str> = scenario.issues.iter().map(|issue| issue.target.metric.as_str()).collect();
    metrics.sort_unstable_by(|a, b| b.cmp(a));
    metrics.dedup();
    let cells = metrics.into_iter().map(|metric| cell(scenario, metric, settings, without)).collect();
    Evaluation { cells, others: Vec::new() }
}

fn cell(scenario: &Scenario, metric: &str, settings: &Settings, without: Option<Channel>) -> Cell {
    let issues: Vec<&Issue> = scenario.issues.iter().filter(|issue| issue.target.metric == metric).collect();
    let judged = issues.iter().map(|issue| {
        let incident = incident(scenario, issue);
        let (weighed, milliseconds) = timed(|| diagnose(&incident, settings, without));
        let ranking = ranked(&weighed, |entity, _| Some(entity.to_owned()));
        Judged { answer: answer(scenario, issue, ranking), weighed, milliseconds }
    });
    let baseline = |method, as_listed, rank: fn(&Scenario, &Issue) -> Vec<Ranked>| {
        let answers = issues.iter().map(|issue| answer(scenario, issue, rank(scenario, issue))).collect();
        Baseline { method, answers, as_listed }
    };
    let column = usize::from(metric != "latency");
    let of = |row: &petshop::Published| {
        [("low", row.low), ("high", row.high), ("temporal", row.temporal)].map(|(traffic, figures)| {
            (format!("{} ({traffic} traffic)", row.method), vec![Some(figures[column]), None])
        })
    };
    Cell {
        key: format!("petshop.{metric}"),
        title: metric.to_owned(),
        judged: judged.collect(),
        baselines: vec![
            baseline("ranked correlation", true, petshop::baseline::ranked_correlation),
            baseline("traversal", false, petshop::baseline::traversal),
        ],
        published: PUBLISHED.iter().flat_map(of).collect(),
    }
}

fn answer(scenario: &Scenario, issue: &Issue, ranking: Vec<Ranked>) -> Answer {
    let (case, truth) = (issue.name.clone(), issue.root_cause.clone());
    Answer { case, truth, ranking, candidates: scenario.nodes.len() }
}

/// The metric of the objective at every node, its rows before the trigger apart, and the requests.
fn incident(scenario: &Scenario, issue: &Issue) -> Incident {
    let target = &issue.target;
    let during = |values: &[f64]| values.get(FIRST_ROW..).unwrap_or_default().to_vec();
    let series = scenario.nodes.iter().filter_map(|node| {
        let of = |metrics: &'_ petshop::Metrics| {
            metrics.get(node, &target.metric, &target.statistic).map(<[f64]>::to_vec)
        };
        let (ordinary, values) = (of(&scenario.normal)?, of(&issue.metrics)?);
        Some(Series {
            entity: node.clone(),
            part: target.metric.clone(),
            family: family(&target.metric, "{}", Direction::None, false),
            ordinary,
            before: values.iter().take(FIRST_ROW).copied().collect(),
            during: during(&values),
        })
    });
    let volumes = scenario.nodes.iter().filter_map(|node| {
        let requests = issue.metrics.get(node, "requests", "Sum")?;
        Some((node.clone(), during(requests)))
    });
    let objective =
        Objective { entity: target.node.clone(), part: target.metric.clone(), volumes: volumes.collect() };
    let times = &issue.metrics.times;
    let step_seconds = times.windows(2).map(|pair| pair[1] - pair[0]).next().unwrap_or(300.0);
    Incident {
        series: series.collect(),
        step_seconds,
        calls: scenario.calls.clone(),
        objective: Some(objective),
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::tests::{folder, halved_and_doubled, hangs_on_no_name},
        *,
    };

    #[test]
    fn nothing_hangs_on_names_of_nodes() {
        let scenario = petshop::open(&folder("petshop-low")).expect("it reads");
        scenario.issues.iter().for_each(|issue| hangs_on_no_name(&incident(&scenario, issue)));
    }

    #[test]
    fn no_setting_is_fitted_to_petshop() {
        let scenario = petshop::open(&folder("petshop-low")).expect("it reads");
        for settings in halved_and_doubled() {
            for cell in evaluate(&scenario, &settings, None).cells {
                let recall = Measure::Accuracy(1).of(&cell.ranks());
                assert!(recall >= 0.85, "{} {recall} with {settings:?}", cell.key);
            }
        }
    }
}
