//! Sock Shop 1 as a stream: the rows one after the other through the live loop, detection included.
//!
//! The rows with the fault were recorded days after those without; here they follow each other, so
//! that whatever else changed in between comes in the same tick as the fault.

use anyhow::{Context, Result};
use theriac_contract::{
    Entity, Interval, Telemetry, Timestamp,
    telemetry::{PointBuilder, PointKind, PointRow, Temporality},
};
use theriac_datasets::sockshop::{self, Case};

use super::{
    super::streaming::{Fault, Heard, Listener, hear},
    Arguments, SEED, stream,
};
use crate::{config::Config, output::Report};

/// Rows that are handed over together: far fewer than a case has.
const BATCH_ROWS: usize = 16;

pub(super) fn run(arguments: &Arguments) -> Result<()> {
    let folder = arguments.folder("sockshop1-dev")?;
    let cases = sockshop::open(&folder).context("cannot read the cases")?;
    let report =
        Report::new("eval sockshop --streaming", "default".to_owned(), sockshop::digest(&cases), Some(SEED));
    let heard = cases.iter().map(listen).collect::<Result<Vec<Heard>>>()?;
    stream::tell("Sock Shop 1", "sockshop", (&folder, arguments), &heard, report)
}

fn listen(case: &Case) -> Result<Heard> {
    let times = times(case);
    let mut listener = Listener::new(&Config::default())?;
    let mut points = PointBuilder::default();
    for (row, time) in times.iter().enumerate() {
        for (metric, values) in &case.metrics {
            let Some((container, name)) = metric.split_once('_') else { continue };
            if values[row].is_nan() {
                continue;
            }
            points.push(&PointRow {
                time: *time,
                start_time: None,
                resource: &format!("{{\"service.name\":\"{container}\"}}"),
                scope: "{}",
                name,
                unit: "",
                attributes: "{}",
                kind: PointKind::Gauge,
                temporality: Temporality::Unspecified,
                monotonic: false,
                value: Some(values[row]),
                histogram: None,
            });
        }
        if (row + 1) % BATCH_ROWS == 0 || row + 1 == times.len() {
            listener.push(&[Telemetry::Points(points.finish())])?;
        }
    }
    let revisions = listener.finish();
    let mut services: Vec<&str> = case.metrics.iter().map(|(metric, _)| Case::service_of(metric)).collect();
    services.sort_unstable();
    services.dedup();
    let fault = Fault {
        case: case.name.clone(),
        truth: case.service.clone(),
        from: times.get(case.normal_rows).copied().unwrap_or_default(),
        until: times.last().copied().unwrap_or_default(),
        candidates: services.len(),
    };
    let named = |entity: &Entity| {
        let service = Case::service_of(entity.service());
        services.iter().copied().filter(|known| *known == service).collect()
    };
    Ok(hear(&fault, &revisions, named))
}

/// The time of each row, those with the fault right behind those without.
fn times(case: &Case) -> Vec<Timestamp> {
    let at = |seconds: f64| Timestamp(0).plus(Interval::from_millis((seconds * 1e3).round() as i64));
    let normal = case.normal_rows;
    let step = case.times.windows(2).map(|pair| pair[1] - pair[0]).find(|step| *step > 0.0).unwrap_or(1.0);
    let begins = case.times.get(normal.saturating_sub(1)).map_or(0.0, |last| last + step);
    let recorded = case.times.get(normal).copied().unwrap_or_default();
    let shift = begins - recorded;
    let time = |(row, seconds): (usize, &f64)| at(if row < normal { *seconds } else { seconds + shift });
    case.times.iter().enumerate().map(time).collect()
}
