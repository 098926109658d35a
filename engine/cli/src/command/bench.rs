//! `theriac bench`: rows a second on one core, stage by stage and through the whole path.

pub(super) mod bank;
mod checkpoint;
mod diagnosis;
mod spans;
mod update;

use std::{hint::black_box, time::Instant};

use anyhow::Result;
use clap::{Args, Subcommand};
use theriac_connectors::{
    decode::{Rows, otlp_json},
    topics::Fsync,
};
use theriac_contract::{
    Entity, Interval, Series, SignalKind, Snapshot, Telemetry, Tick, Timestamp, telemetry::Logs,
};
use theriac_datasets::simulator::{Scenario, World};
use theriac_detect::Detect;
use theriac_monitor::{Monitor, Step};
use theriac_templates::{Miner, Settings};

use crate::{
    config::Config,
    environment::Simulation,
    output::{Format, Report, quantile, say},
    wiring,
};

/// Arguments of `theriac bench`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    part: Option<Part>,
    /// Rows of simulated telemetry at least
    #[arg(long, default_value_t = 100_000)]
    points: usize,
    /// Times that each stage is measured; the median counts
    #[arg(long, default_value_t = 5)]
    repetitions: usize,
    /// text, or json for one object with the figures
    #[arg(long, value_enum, default_value_t)]
    output: Format,
}

/// Parts that are measured alone.
#[derive(Debug, Subcommand)]
enum Part {
    /// Measure the bank of detectors at up to a million series, beside what memory bears
    Bank(bank::Arguments),
    /// Measure what saving the state costs, against how often it is done
    Checkpoint(checkpoint::Arguments),
    /// Measure how long it takes from an incident to ranked causes
    Diagnosis(diagnosis::Arguments),
}

const SEED: u64 = 7;
/// Simulated time between two collections.
const STEP: Interval = Interval::from_seconds(10);
/// Series of the synthetic bank.
const BANK_SERIES: usize = 10_000;
/// Its ticks: enough to be past the warm-up of every detector that matters for speed.
const BANK_TICKS: u64 = 100;

/// What is measured.
struct Stage {
    metric: &'static str,
    what: &'static str,
    /// Amounts a second, sorted.
    rates: Vec<f64>,
}

impl Stage {
    fn median(&self) -> f64 {
        quantile(&self.rates, 0.5).unwrap_or(f64::NAN)
    }
}

/// Measures work that says how much it did. What it needs is made outside of the measured time.
fn measure<T>(
    metric: &'static str,
    what: &'static str,
    repetitions: usize,
    mut prepare: impl FnMut() -> Result<T>,
    mut work: impl FnMut(T) -> Result<usize>,
) -> Result<Stage> {
    let mut rates = Vec::new();
    for _ in 0..repetitions.max(1) {
        let prepared = prepare()?;
        let begun = Instant::now();
        let amount = work(prepared)?;
        rates.push(amount as f64 / begun.elapsed().as_secs_f64());
    }
    rates.sort_by(f64::total_cmp);
    Ok(Stage { metric, what, rates })
}

fn decode(payloads: &[Vec<String>]) -> Result<Vec<Vec<Telemetry>>> {
    let mut rows = Rows::default();
    let mut batches = Vec::new();
    for lines in payloads {
        for line in lines {
            otlp_json::decode(line.as_bytes(), &mut rows)?;
        }
        batches.push(rows.take());
    }
    Ok(batches)
}

fn frame(config: &Config, batches: &[Vec<Telemetry>]) -> Result<Vec<Tick>> {
    let mut monitor = Monitor::new(config.monitor.clone());
    let mut ticks = Vec::new();
    for together in batches {
        monitor.push(together)?;
        ticks.extend(std::iter::from_fn(|| monitor.seal()));
    }
    monitor.finish();
    ticks.extend(std::iter::from_fn(|| monitor.seal()));
    Ok(ticks)
}

/// What the logs among the batches say.
fn log_lines(batches: &[Vec<Telemetry>]) -> Result<Vec<String>> {
    let mut lines = Vec::new();
    for telemetry in batches.iter().flatten() {
        if let Telemetry::Logs(batch) = telemetry {
            let logs = Logs::new(batch)?;
            lines.extend((0..batch.num_rows()).map(|row| logs.body.value(row).to_owned()));
        }
    }
    Ok(lines)
}

fn mine(mut miner: Miner, lines: &[String]) -> Miner {
    lines.iter().for_each(|line| {
        miner.add(line);
    });
    miner
}

/// Settings with a step that does not wait for metric points.
fn stepping(config: &Config) -> Config {
    let mut config = config.clone();
    config.monitor.step = Step::Fixed(STEP);
    config
}

/// Ticks of many series with values that repeat after a thousand.
fn synthetic() -> Vec<Tick> {
    let series = |index: usize| {
        let entity = Entity(format!("service-{index}"));
        let signal = "process.memory.usage";
        Series {
            key: Series::key_of("default", &entity, None, signal, "{}"),
            entity,
            peer: None,
            signal: signal.to_owned(),
            kind: SignalKind::Metric,
            unit: "By".to_owned(),
            attributes: "{}".to_owned(),
            domain: "default".to_owned(),
        }
    };
    let tick = |number: u64| Tick {
        number,
        start: Timestamp(STEP.0.saturating_mul(number as i64)),
        step: STEP,
        values: (0..BANK_SERIES)
            .map(|index| ((number as usize * 7_919 + index * 104_729) % 1_009) as f64)
            .collect(),
        opened: if number == 0 { (0..BANK_SERIES).map(series).collect() } else { Vec::new() },
        ..Tick::default()
    };
    (0..BANK_TICKS).map(tick).collect()
}

fn detect(config: &Config, ticks: &[Tick]) -> usize {
    let mut detect = Detect::new(config.detect.clone());
    for tick in ticks {
        black_box(detect.step(tick, &Snapshot::default()));
    }
    ticks.iter().map(|tick| tick.values.len()).sum()
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    if let Some(Part::Bank(arguments)) = &arguments.part {
        return bank::run(arguments);
    }
    if let Some(Part::Checkpoint(arguments)) = &arguments.part {
        return checkpoint::run(arguments);
    }
    if let Some(Part::Diagnosis(arguments)) = &arguments.part {
        return diagnosis::run(arguments);
    }
    let repetitions = arguments.repetitions;
    let mut config = Config::default();
    config.topics.fsync = Fsync::Never;
    let scenario = Scenario { seed: SEED, ..Scenario::default() };
    let world = World::new(&scenario);
    let (mut fleet, mut payloads, mut rows) = (world.clone(), Vec::new(), 0);
    let mut counted = Rows::default();
    while rows < arguments.points {
        let lines = fleet.advance(fleet.now().plus(STEP)).otlp;
        for line in &lines {
            otlp_json::decode(line.as_bytes(), &mut counted)?;
        }
        rows += counted.take().iter().map(Telemetry::rows).sum::<usize>();
        payloads.push(lines);
    }
    let horizon = fleet.now();
    let bytes: usize = payloads.iter().flatten().map(String::len).sum();
    let batches = decode(&payloads)?;
    let ticks = frame(&config, &batches)?;
    let bank = synthetic();
    let lines = log_lines(&batches)?;
    let spans = spans::batches(arguments.points / spans::A_TRACE);
    let span_rows: usize = spans.iter().flatten().map(Telemetry::rows).sum();
    let span_config = stepping(&config);
    let nothing = || Ok(());
    let mut stages = vec![
        measure("bench.decode_rows_per_s", "decode: OTLP/JSON to Arrow, rows", repetitions, nothing, |()| {
            black_box(decode(&payloads)?);
            Ok(rows)
        })?,
        measure("bench.frame_rows_per_s", "frame: Arrow to ticks, rows", repetitions, nothing, |()| {
            black_box(frame(&config, &batches)?);
            Ok(rows)
        })?,
        measure(
            "bench.miner.lines_per_s",
            "templates: log lines of templates that are known",
            repetitions,
            || Ok(mine(Miner::new(Settings::default()), &lines)),
            |miner| {
                black_box(mine(miner, &lines));
                Ok(lines.len())
            },
        )?,
        measure(
            "bench.spans.statistics_per_s",
            "span statistics: Arrow to values of sealed ticks, spans",
            repetitions,
            nothing,
            |()| {
                black_box(frame(&span_config, &spans)?);
                Ok(span_rows)
            },
        )?,
        measure(
            "bench.detect_fleet_series_ticks_per_s",
            "detect: the fleet, series-ticks",
            repetitions,
            nothing,
            |()| Ok(detect(&config, &ticks)),
        )?,
        measure(
            "bench.detect_series_ticks_per_s",
            "detect: 10000 series, series-ticks",
            repetitions,
            nothing,
            |()| Ok(detect(&config, &bank)),
        )?,
    ];
    // The simulator is part of what the loop reads from; its own time is taken off.
    let simulate = measure(
        "",
        "",
        repetitions,
        || Ok(world.clone()),
        |mut world| {
            while world.now() < horizon {
                black_box(world.advance(world.now().plus(STEP)));
            }
            Ok(rows)
        },
    )?;
    let mut path = measure(
        "bench.path_rows_per_s",
        "whole path: decode to topics on disk, rows",
        repetitions,
        || Ok((tempfile::tempdir()?, world.clone())),
        |(folder, world)| {
            let config = Config { data_dir: folder.path().to_owned(), ..config.clone() };
            let (mut driver, _) = wiring::open(&config, Simulation::new(world, STEP, horizon), &mut ())?;
            driver.run_to_end(&|| false, &mut ())?;
            Ok(rows)
        },
    )?;
    let simulated = 1.0 / simulate.median();
    path.rates.iter_mut().for_each(|rate| *rate = 1.0 / (1.0 / *rate - simulated));
    stages.push(path);
    if arguments.output == Format::Json {
        let digest = config.digest(&config.playbooks()?)?;
        let mut report = Report::new("bench", digest, String::new(), Some(SEED));
        report.set("bench.rows", rows as f64);
        report.set("bench.spans.rows", span_rows as f64);
        for stage in &stages {
            report.set(stage.metric, stage.median());
        }
        return report.print();
    }
    say!("{rows} rows, {bytes} bytes of OTLP/JSON, {} ticks; one thread, {repetitions} times", ticks.len());
    say!("{}", spans::about(span_rows));
    say!("{:<56} {:>12} {:>12} {:>12}", "a second and core", "median", "least", "most");
    for stage in &stages {
        let at = |share| quantile(&stage.rates, share).unwrap_or(f64::NAN);
        say!("{:<56} {:>12.0} {:>12.0} {:>12.0}", stage.what, at(0.5), at(0.0), at(1.0));
    }
    Ok(())
}
