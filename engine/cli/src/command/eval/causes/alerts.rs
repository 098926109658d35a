//! Streams of alerts: which instance is at fault, after learning from those that are confirmed.

use std::{collections::BTreeMap, path::Path};

use anyhow::{Context, Result};
use theriac_datasets::{
    alerts::{self, Failure, PUBLISHED},
    ranking::{self, Answer, Ranked},
};
use theriac_diagnose::{
    channel::confirmed::{Alert, Alerts, Confirmed, Group, Model, Prior},
    weighing::Weighed,
};

use super::{
    Arguments, Baseline, Cell, Evaluation, Judged, Measure, Subject, Told, conclude, name_of, timed,
};

const MEASURES: [(&str, &str, Measure); 3] = [
    ("hr1", "HR@1", Measure::Accuracy(1)),
    ("hr3", "HR@3", Measure::Accuracy(3)),
    ("hr5", "HR@5", Measure::Accuracy(5)),
];
const LEADING: [&str; 4] = ["alerts.hr1", "alerts.hr3", "alerts.hr5", "alerts.fault_f1"];

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    arguments.no_stream("what is given are alerts, and no telemetry that they were raised in")?;
    let folder = arguments.folder("alerts-sockshop")?;
    let failures =
        alerts::open(&folder).context("cannot read the failures (datasets/README.md has the layout)")?;
    let learnt = failures.iter().filter(|failure| failure.train).count();
    let subject = Subject {
        command: "eval alerts",
        title: format!(
            "alerts ({}), {} failures after {learnt} confirmed ones",
            name_of(&folder),
            failures.len() - learnt
        ),
        digest: alerts::digest(&failures),
        measures: &MEASURES,
        leading: &LEADING,
        channels: Group::ALL.map(Group::name).to_vec(),
    };
    conclude(arguments, &subject, |without| evaluate(&failures, without.map(|index| Group::ALL[index])))
}

/// What is told of each failure of the part `test`, to be judged beside that of other data sets.
pub(in crate::command::eval) fn told_of(data: Option<&Path>) -> Result<Vec<Told>> {
    let folder = Arguments::within(data).folder("alerts-sockshop")?;
    let failures =
        alerts::open(&folder).context("cannot read the failures (datasets/README.md has the layout)")?;
    let evaluation = evaluate(&failures, None);
    let judged = evaluation.cells.iter().flat_map(|cell| &cell.judged);
    Ok(judged.map(|one| one.told("alerts", |suspect| Some(suspect.entity.0.clone()))).collect())
}

fn evaluate(failures: &[Failure], without: Option<Group>) -> Evaluation {
    let (train, test): (Vec<&Failure>, Vec<&Failure>) = failures.iter().partition(|failure| failure.train);
    let model = Model::learn(&confirmed(&train), &Prior::default(), without);
    let mut faults = Vec::new();
    let judged = test.iter().map(|failure| {
        let alerts = given(&failure.alerts);
        let (weighed, milliseconds) = timed(|| model.diagnose(&alerts));
        faults.push((failure.fault.as_str(), likeliest_fault(&weighed)));
        Judged { answer: answer(failure, instances(&weighed)), weighed, milliseconds }
    });
    let judged: Vec<Judged> = judged.collect();
    let count = |failure: &&Failure| answer(failure, alerts::baseline::distinct_alerts(&failure.alerts));
    let counting =
        Baseline { method: "distinct alerts", answers: test.iter().map(count).collect(), as_listed: true };
    let published = PUBLISHED
        .iter()
        .map(|row| (format!("TVDiag ({})", row.data), row.hit_rates.iter().copied().map(Some).collect()));
    let ranks: Vec<Option<usize>> = judged.iter().map(|one| one.answer.rank()).collect();
    let others = vec![
        ("alerts.avg3".to_owned(), ranking::average_accuracy(&ranks, 3)),
        ("alerts.mrr3".to_owned(), ranking::reciprocal(&ranks, 3)),
        ("alerts.fault_f1".to_owned(), fault_f1(&faults)),
    ];
    let cell = Cell {
        key: "alerts".to_owned(),
        title: "instances".to_owned(),
        judged,
        baselines: vec![counting],
        published: published.collect(),
    };
    Evaluation { cells: vec![cell], others }
}

/// What may be learnt from. Labels of other failures go nowhere but into the score.
fn confirmed(train: &[&Failure]) -> Vec<Confirmed> {
    let one = |failure: &&Failure| {
        let cause = failure.alerts.nodes.iter().position(|node| *node == failure.instance)?;
        Some(Confirmed { alerts: given(&failure.alerts), cause, fault: failure.fault.clone() })
    };
    train.iter().filter_map(one).collect()
}

/// Alerts as the engine has them: entities by index; what is said of others is left out.
fn given(alerts: &alerts::Alerts) -> Alerts {
    let index: BTreeMap<&str, usize> =
        alerts.nodes.iter().enumerate().map(|(index, node)| (node.as_str(), index)).collect();
    let at = |name: &str| index.get(name).copied();
    let metrics = alerts.metrics.iter().filter_map(|alert| {
        let (metric, direction) = (alert.metric.clone(), alert.direction.clone());
        Some(Alert::Metric { entity: at(&alert.instance)?, metric, direction })
    });
    let calls = alerts.calls.iter().filter_map(|alert| {
        let failed = alert.kind != "PD";
        Some(Alert::Call { caller: at(&alert.caller), callee: at(&alert.callee)?, failed })
    });
    let logs = alerts.logs.iter().filter_map(|alert| {
        Some(Alert::Log { entity: at(&alert.instance)?, template: alert.number().to_owned() })
    });
    let all = metrics.chain(calls).chain(logs).collect();
    Alerts { entities: alerts.nodes.clone(), neighbours: alerts.edges.clone(), alerts: all }
}

/// Instances by the probability of all faults at them.
fn instances(weighed: &[Weighed]) -> Vec<Ranked> {
    let mut sums: BTreeMap<&str, f64> = BTreeMap::new();
    for one in weighed {
        if let Some(suspect) = &one.suspect {
            *sums.entry(&suspect.entity.0).or_default() += one.probability;
        }
    }
    let mut ranking: Vec<Ranked> =
        sums.into_iter().map(|(name, score)| Ranked { name: name.to_owned(), score }).collect();
    ranking::sort(&mut ranking);
    ranking
}

/// The kind of fault that is most probable, wherever it is.
fn likeliest_fault(weighed: &[Weighed]) -> String {
    let mut sums: BTreeMap<&str, f64> = BTreeMap::new();
    for one in weighed {
        if let Some(suspect) = &one.suspect {
            *sums.entry(&suspect.part).or_default() += one.probability;
        }
    }
    let most = sums.into_iter().max_by(|a, b| a.1.total_cmp(&b.1).then_with(|| b.0.cmp(a.0)));
    most.map(|(fault, _)| fault.to_owned()).unwrap_or_default()
}

/// The harmonic mean of precision and recall, each a mean over kinds weighted by how often they are
/// true, as published.
fn fault_f1(faults: &[(&str, String)]) -> f64 {
    let mut kinds: Vec<&str> = faults.iter().map(|one| one.0).collect();
    kinds.sort_unstable();
    kinds.dedup();
    let (mut precision, mut recall) = (0.0, 0.0);
    for kind in kinds {
        let support = faults.iter().filter(|one| one.0 == kind).count() as f64;
        let named = faults.iter().filter(|one| one.1 == kind).count() as f64;
        let right = faults.iter().filter(|one| one.0 == kind && one.1 == kind).count() as f64;
        precision += support * right / named.max(1.0);
        recall += right;
    }
    let count = faults.len().max(1) as f64;
    let (precision, recall) = (precision / count, recall / count);
    if precision + recall > 0.0 { 2.0 * precision * recall / (precision + recall) } else { 0.0 }
}

fn answer(failure: &Failure, ranking: Vec<Ranked>) -> Answer {
    let (case, truth) = (failure.id.to_string(), failure.instance.clone());
    Answer { case, truth, ranking, candidates: failure.alerts.nodes.len() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(id: u64, instance: &str, fault: &str, train: bool) -> Failure {
        let metric = alerts::MetricAlert {
            instance: format!("a-{}", id % 3),
            metric: "cpu".to_owned(),
            direction: "up".to_owned(),
        };
        let nodes = vec!["a-0".to_owned(), "a-1".to_owned(), "a-2".to_owned()];
        let alerts = alerts::Alerts { nodes, metrics: vec![metric], ..alerts::Alerts::default() };
        Failure { id, instance: instance.to_owned(), fault: fault.to_owned(), train, alerts }
    }

    #[test]
    fn labels_of_the_test_part_do_not_reach_the_rankings() {
        let failures = |instance: &str, fault: &str| -> Vec<Failure> {
            let train = (0..18).map(|id| failure(id, &format!("a-{}", id % 3), "cpu", true));
            train.chain((18..24).map(|id| failure(id, instance, fault, false))).collect()
        };
        let rankings = |failures: &[Failure]| -> Vec<Vec<Ranked>> {
            let evaluation = evaluate(failures, None);
            evaluation.cells[0].judged.iter().map(|one| one.answer.ranking.clone()).collect()
        };
        let found = rankings(&failures("a-1", "cpu"));
        assert_eq!(found, rankings(&failures("a-2", "something else")));
        assert_eq!(found[0][0].name, "a-0");
        assert!(found[0][0].score > 2.0 * found[0][1].score);
    }

    #[test]
    fn f1_is_that_of_weighted_precision_and_recall() {
        let faults =
            [("a", "a"), ("a", "a"), ("a", "b"), ("b", "b")].map(|(truth, named)| (truth, named.to_owned()));
        // Precision (3·1 + 1·½)/4, recall 3/4.
        assert!((fault_f1(&faults) - 2.0 * 0.875 * 0.75 / 1.625).abs() < 1e-12);
    }
}
