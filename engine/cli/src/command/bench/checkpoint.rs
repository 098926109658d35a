//! `theriac bench checkpoint`: what saving the state costs, against how often it is done.
//!
//! A loop with so many series runs until its detectors have their history, and saves its state
//! some times. It stands still while the state is taken; writing goes on beside it. What an
//! interval costs follows from that: the share of it for which the loop stands still.

use std::{path::PathBuf, time::Instant};

use anyhow::{Result, anyhow};
use clap::Args;
use theriac_contract::{
    Command, Interval, Telemetry, Timestamp,
    telemetry::{PointBuilder, PointKind, PointRow, Temporality},
};
use theriac_engine::{Driver, Environment, EnvironmentError, Next, Observer, Repeatable, Round, Saving};

use crate::{
    checkpoints::{Cost, Meter},
    config::Config,
    output::{Format, Report, say},
    wiring,
};

/// Arguments of `theriac bench checkpoint`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Configuration whose store is measured; a temporary folder if none is named
    #[arg(short, long)]
    config: Option<PathBuf>,
    /// Numbers of series
    #[arg(long, value_delimiter = ',', default_value = "1000,100000")]
    series: Vec<usize>,
    /// Checkpoints for each; the median counts
    #[arg(long, default_value_t = 5)]
    repetitions: usize,
    /// text, or json for one object with the figures
    #[arg(long, value_enum, default_value_t)]
    output: Format,
}

/// Event time between two points of a series.
const STEP: Interval = Interval::from_seconds(10);
/// Ticks before the first checkpoint: past the warm-up of the detectors that keep most.
const WARM_UP: u64 = 40;
/// Ticks between two checkpoints.
const BETWEEN: u64 = 4;
/// Intervals for which the cost is told, seconds.
const INTERVALS: [u64; 5] = [1, 5, 10, 30, 60];

/// A fleet of so many gauges, ten for each of its services, all measured at once.
struct Fleet {
    attributes: Vec<String>,
    tick: u64,
    ticks: u64,
}

impl Fleet {
    fn new(series: usize, ticks: u64) -> Self {
        let resource = |service| format!(r#"{{"service.name":"service-{service}"}}"#);
        let attributes = (0..series.div_ceil(METRICS.len())).map(resource).collect();
        Self { attributes, tick: 0, ticks }
    }
}

const METRICS: [&str; 10] = [
    "process.cpu.utilization",
    "process.memory.usage",
    "http.server.active_requests",
    "http.server.errors",
    "http.server.latency",
    "queue.depth",
    "db.connections",
    "jvm.threads",
    "cache.hits",
    "disk.usage",
];

impl Environment for Fleet {
    fn next(&mut self) -> Result<Next, EnvironmentError> {
        if self.tick == self.ticks {
            return Ok(Next::End);
        }
        self.tick += 1;
        let mut points = PointBuilder::default();
        for (service, resource) in self.attributes.iter().enumerate() {
            for (metric, name) in METRICS.iter().enumerate() {
                let drawn = (self.tick as usize * 7_919 + service * 104_729 + metric * 31) % 1_009;
                points.push(&PointRow {
                    time: Timestamp(STEP.0.saturating_mul(self.tick as i64)),
                    start_time: None,
                    resource,
                    scope: "{}",
                    name,
                    unit: "1",
                    attributes: "{}",
                    kind: PointKind::Gauge,
                    temporality: Temporality::Unspecified,
                    monotonic: false,
                    value: Some(drawn as f64),
                    histogram: None,
                });
            }
        }
        let telemetry = vec![Telemetry::Points(points.finish())];
        Ok(Next::Round(Round { telemetry, ..Round::default() }))
    }

    fn dispatch(&mut self, _: &[Command]) {}

    fn position(&self) -> String {
        self.tick.to_string()
    }

    fn seek(&mut self, position: &str) -> Result<(), EnvironmentError> {
        self.tick = position.parse().map_err(|_| EnvironmentError::Foreign(position.to_owned()))?;
        Ok(())
    }

    /// As a source on Kafka.
    fn repeatable(&self) -> Repeatable {
        Repeatable::Telemetry
    }
}

/// Collects what checkpoints cost.
#[derive(Default)]
struct Costs {
    meter: Meter,
    costs: Vec<Cost>,
    failed: Option<String>,
}

impl Observer for Costs {
    fn saving(&mut self, saving: &Saving<'_>) {
        self.costs.extend(self.meter.saving(saving));
        if let Saving::Failed { error, .. } = saving {
            self.failed = Some(error.to_string());
        }
    }
}

/// What was measured for one number of series.
struct Measured {
    series: usize,
    cost: Cost,
    /// Points a second that the loop does while nothing is saved.
    rate: f64,
}

fn measure(config: &Config, series: usize, repetitions: usize) -> Result<Measured> {
    let folder = tempfile::tempdir()?;
    let repetitions = repetitions.max(1) as u64;
    let ticks = WARM_UP + BETWEEN * repetitions;
    let mut config = Config { data_dir: folder.path().to_owned(), ..config.clone() };
    config.monitor.series_max = config.monitor.series_max.max(2 * series);
    config.monitor.resources_max = config.monitor.resources_max.max(series);
    // By event time: the first behind the warm-up, then one after so many ticks.
    config.checkpoint.every = Interval(STEP.0.saturating_mul(BETWEEN as i64));
    let fleet = Fleet::new(series, ticks);
    let series = fleet.attributes.len() * METRICS.len();
    let below = format!("theriac-bench-{}", std::process::id());
    let objects = config.checkpoint.open(folder.path(), &below)?;
    let mut costs = Costs::default();
    let topics = wiring::open_topics(&config)?;
    let (mut driver, _) = wiring::open_over(&config, fleet, topics, objects.clone(), &mut costs)?;
    let rate = through(&mut driver, &mut costs);
    drop(driver);
    // What was tried out is taken away again, whatever came of it.
    objects.list()?.iter().try_for_each(|name| objects.delete(name))?;
    let rate = rate? * series as f64;
    if let Some(reason) = costs.failed {
        return Err(anyhow!("a checkpoint could not be written: {reason}"));
    }
    // The first ones are of detectors without a history.
    let mut costs = costs.costs.split_off(costs.costs.len().saturating_sub(repetitions as usize));
    costs.sort_by_key(|cost| cost.took);
    let cost = costs.get(costs.len() / 2).copied().ok_or_else(|| anyhow!("nothing was saved"))?;
    Ok(Measured { series, cost, rate })
}

/// Runs the loop to its end; gives ticks a second of those in which nothing was saved.
fn through(driver: &mut Driver<Fleet>, costs: &mut Costs) -> Result<f64> {
    let (mut seconds, mut ticks) = (0.0, 0);
    loop {
        let saved = driver.progress().checkpoints;
        let begun = Instant::now();
        if driver.advance(costs)?.is_none() {
            break;
        }
        let passed = begun.elapsed().as_secs_f64();
        driver.settle(costs)?;
        if driver.progress().checkpoints == saved && driver.progress().round > WARM_UP {
            (seconds, ticks) = (seconds + passed, ticks + 1);
        }
    }
    Ok(f64::from(ticks) / seconds)
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let mut config = arguments.config.as_deref().map(Config::load).transpose()?.unwrap_or_default();
    config.kafka = None;
    config.sources.clear();
    let place = config.checkpoint.store.clone().unwrap_or_else(|| "a temporary folder".to_owned());
    let measured = arguments.series.iter().map(|series| measure(&config, *series, arguments.repetitions));
    let measured = measured.collect::<Result<Vec<_>>>()?;
    if arguments.output == Format::Json {
        let digest = config.digest(&config.playbooks()?)?;
        let mut report = Report::new("bench checkpoint", digest, place, None);
        for Measured { series, cost, rate } in &measured {
            let mut set = |name: &str, value| report.set(&format!("checkpoint.{series}.{name}"), value);
            set("bytes", cost.bytes as f64);
            set("held_s", cost.held.as_secs_f64());
            set("took_s", cost.took.as_secs_f64());
            set("points_per_s", *rate);
        }
        return report.print();
    }
    say!("checkpoints in {place}; {} of each, the median counts", arguments.repetitions);
    say!(
        "{:>10} {:>12} {:>14} {:>11} {:>11}   throughput lost at an interval of",
        "series",
        "points/s",
        "bytes",
        "loop stands",
        "written in"
    );
    let heads: Vec<String> =
        INTERVALS.iter().map(|seconds| format!("{:>9}", format!("{seconds} s"))).collect();
    say!("{:>64}{}", "", heads.concat());
    for Measured { series, cost, rate } in &measured {
        let lost = |seconds: &u64| {
            let share = 100.0 * cost.held.as_secs_f64() / *seconds as f64;
            if share < 100.0 { format!("{share:>7.2} %") } else { format!("{:>9}", "all") }
        };
        let lost: Vec<String> = INTERVALS.iter().map(lost).collect();
        let [held, took] = [cost.held, cost.took].map(|time| format!("{time:.1?}"));
        say!("{series:>10} {rate:>12.0} {:>14} {held:>11} {took:>11} {}", cost.bytes, lost.concat());
    }
    Ok(())
}
