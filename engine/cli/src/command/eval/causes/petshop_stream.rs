//! PetShop as a stream: the fault-free period through the live loop, the rows of an issue right behind it,
//! detection included.
//!
//! The fault-free period was recorded four months after the issues, so whatever else was different then comes
//! with the two rows before the trigger. A row is five minutes: nothing is told within two minutes of the
//! first hypothesis.

use anyhow::{Context, Result};
use serde_json::json;
use theriac_contract::{
    EdgeKind, Entity, Fact, GivenEdge, GivenTopology, Interval, Telemetry, Timestamp,
    telemetry::{PointBuilder, PointKind, PointRow, Temporality},
};
use theriac_datasets::petshop::{self, FIRST_ROW, Issue, Metrics, Scenario};

use super::{
    super::streaming::{Fault, Heard, Listener, hear},
    Arguments, SEED, stream,
};
use crate::{config::Config, output::Report};

/// Rows that are handed over together: far fewer than the fault-free period has.
const BATCH_ROWS: usize = 16;

pub(super) fn run(arguments: &Arguments) -> Result<()> {
    let folder = arguments.folder("petshop-low")?;
    let scenario = petshop::open(&folder).context("cannot read the scenario")?;
    let report = Report::new("eval petshop --streaming", "default".to_owned(), scenario.digest(), Some(SEED));
    let heard =
        scenario.issues.iter().map(|issue| listen(&scenario, issue)).collect::<Result<Vec<Heard>>>()?;
    stream::tell("PetShop", "petshop", (&folder, arguments), &heard, report)
}

/// The name of a node as a service: what lies behind a stroke would be an instance.
fn service(node: &str) -> Entity {
    Entity(node.replace('/', ":"))
}

/// The call graph as a file would give it.
fn given(scenario: &Scenario) -> GivenTopology {
    let edge = |(from, to): &(String, String)| GivenEdge {
        from: service(from),
        to: service(to),
        kind: EdgeKind::Calls,
        per_second: None,
    };
    GivenTopology { edges: scenario.calls.iter().map(edge).collect(), ..GivenTopology::default() }
}

fn listen(scenario: &Scenario, issue: &Issue) -> Result<Heard> {
    let mut listener = Listener::new(&Config::default())?;
    listener.learn(vec![Fact::TopologyGiven { topology: given(scenario) }]);
    let ordinary = &scenario.normal.times;
    let step = ordinary.windows(2).map(|pair| pair[1] - pair[0]).find(|step| *step > 0.0).unwrap_or(300.0);
    let behind = ordinary.last().map_or(0.0, |last| last + step);
    let shift = behind - issue.metrics.times.first().copied().unwrap_or_default();
    push(&mut listener, &scenario.normal, 0.0)?;
    push(&mut listener, &issue.metrics, shift)?;
    let time = |row: usize| issue.metrics.times.get(row).map_or(Timestamp(0), |seconds| at(seconds + shift));
    let last = issue.metrics.times.len().saturating_sub(1);
    let fault = Fault {
        case: issue.name.clone(),
        truth: issue.root_cause.clone(),
        // Who tells at the instant at which the row begins knows nothing of it yet.
        from: time(FIRST_ROW).plus(Interval(1)),
        until: time(last),
        candidates: scenario.nodes.len(),
    };
    let named = |entity: &Entity| {
        let is_meant = |node: &&str| service(node).as_str() == entity.service();
        scenario.nodes.iter().map(String::as_str).filter(is_meant).collect()
    };
    Ok(hear(&fault, &listener.finish(), named))
}

/// All rows, so many seconds later than they were recorded.
fn push(listener: &mut Listener, metrics: &Metrics, shift: f64) -> Result<()> {
    let mut points = PointBuilder::default();
    for (row, seconds) in metrics.times.iter().enumerate() {
        for (key, values) in &metrics.series {
            let Some(value) = values.get(row).copied().filter(|value| !value.is_nan()) else { continue };
            points.push(&PointRow {
                time: at(seconds + shift),
                start_time: None,
                resource: &json!({ "service.name": service(&key.node) }).to_string(),
                scope: "{}",
                name: &format!("{}.{}", key.metric, key.statistic.to_lowercase()),
                unit: "",
                attributes: "{}",
                kind: PointKind::Gauge,
                temporality: Temporality::Unspecified,
                monotonic: false,
                value: Some(value),
                histogram: None,
            });
        }
        if (row + 1) % BATCH_ROWS == 0 || row + 1 == metrics.times.len() {
            listener.push(&[Telemetry::Points(points.finish())])?;
        }
    }
    Ok(())
}

fn at(seconds: f64) -> Timestamp {
    Timestamp(0).plus(Interval::from_millis((seconds * 1e3).round() as i64))
}
