//! The same faults as a stream: days of telemetry through the live loop.

use std::{collections::BTreeMap, path::Path};

use anyhow::Result;
use theriac_contract::{Entity, Interval};
use theriac_datasets::nezha::{self, Case, minute, names::service_of};

use super::{
    super::{
        cases::Arguments,
        streaming::{self, Fault, Heard, Listener, hear},
    },
    SEED, Set,
};
use crate::{
    config::Config,
    output::{Format, Report, Wrong},
};

/// A fault that is over may be noticed this much later: in the tick that it ended in.
const LATE: Interval = Interval::from_seconds(60);

pub(super) fn run(sets: &[Set], arguments: &Arguments) -> Result<()> {
    let mut report = Report::new("eval nezha --streaming", "default".to_owned(), String::new(), Some(SEED));
    let mut digest = blake3::Hasher::new();
    let mut all = Vec::new();
    for set in sets {
        let heard = listen(&set.folder, &mut digest)?;
        streaming::figures(&format!("nezha.{}", set.name), &heard, SEED, &mut report);
        all.push(heard);
    }
    report.data = digest.finalize().to_hex()[..16].to_owned();
    if arguments.output == Format::Json {
        return report.print();
    }
    if let Some(id) = &arguments.case {
        let mut cases = all.iter().flatten();
        let found = cases.find(|one| one.answers[0].case == *id);
        streaming::explain(
            found.ok_or_else(|| Wrong(format!("there is no case `{id}`; `--cases` lists them")))?,
        );
        return Ok(());
    }
    for (set, heard) in sets.iter().zip(&all) {
        streaming::print(&set.name, &format!("nezha.{}", set.name), heard.len(), &report);
        if arguments.cases {
            streaming::cases(heard);
        }
    }
    Ok(())
}

fn listen(folder: &Path, digest: &mut blake3::Hasher) -> Result<Vec<Heard>> {
    let cases = Case::read(folder)?;
    let mut heard = Vec::new();
    for day in nezha::days(folder)? {
        let of_day: Vec<&Case> = cases.iter().filter(|case| case.day == day).collect();
        if of_day.is_empty() {
            continue;
        }
        let mut source = nezha::open(folder, Some(&day))?;
        let revisions = Listener::new(&Config::default())?.read(source.as_mut())?;
        let metrics = minute::metrics(folder, &day)?;
        let pods: BTreeMap<String, Vec<String>> = pods(&metrics);
        let named = |entity: &Entity| -> Vec<&str> {
            let of_service = pods.get(entity.service()).map_or(&[][..], Vec::as_slice);
            let mut all = of_service.iter().map(String::as_str);
            match entity.0.split_once('/') {
                Some((_, pod)) => all.find(|known| *known == pod).into_iter().collect(),
                None => all.collect(),
            }
        };
        for case in of_day {
            digest.update(case.id.as_bytes());
            let fault = Fault {
                case: case.id.clone(),
                truth: case.inject_pod.clone(),
                from: case.inject_time,
                until: case.end().plus(LATE),
                candidates: pods.values().map(Vec::len).sum(),
            };
            heard.push(hear(&fault, &revisions, named));
        }
    }
    Ok(heard)
}

/// Pods of each service.
fn pods(metrics: &minute::Metrics) -> BTreeMap<String, Vec<String>> {
    let mut pods: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let all: std::collections::BTreeSet<&String> = metrics.values().flat_map(BTreeMap::keys).collect();
    for pod in all {
        pods.entry(service_of(pod).to_owned()).or_default().push(pod.clone());
    }
    pods
}
