//! `theriac demo`: a simulated fleet is broken in several ways and healed.

use std::{path::PathBuf, sync::atomic::Ordering, time::Duration};

use anyhow::{Context, Result};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
#[cfg(feature = "kafka")]
use theriac_connectors::kafka::{self, KafkaTopics};
use theriac_contract::{Interval, Tick, Timestamp, Topic, Topics};
use theriac_datasets::simulator::{Scenario, World};
use theriac_engine::{Engine, Observer, Outputs, Progress};

use crate::{
    account::Account,
    checkpoints::open_folder,
    config::Config,
    environment::Simulation,
    output::{self, Format, ask_about, say},
    report::{self, FaultRow, History},
    store,
    story::Story,
    wiring,
};
#[cfg(feature = "kafka")]
use crate::{broker::Broker, output::Wrong};

/// Arguments of `theriac demo`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Everything is drawn from it: same seed, same bytes
    #[arg(long, default_value_t = 7)]
    seed: u64,
    /// Folder for topics, checkpoints and the report; emptied first unless --keep
    #[arg(long, default_value = "theriac-demo")]
    data_dir: PathBuf,
    /// Go on with what is in the folder instead of emptying it
    #[arg(long)]
    keep: bool,
    /// Keep the telemetry as a live run does, for `theriac replay --recorded`
    #[arg(long, conflicts_with_all = ["keep", "kafka"])]
    record: bool,
    /// Keep the topics on Kafka instead: brokers, host:port and more of them after commas. Without
    /// any, one is started for the demo and ended after it, which needs Java 17 and Maven
    #[arg(long, value_name = "BROKERS", num_args = 0..=1)]
    kafka: Option<Option<String>>,
    /// Configuration; the defaults if left out
    #[arg(short, long)]
    config: Option<PathBuf>,
    /// Look only: plans are made, nothing is done
    #[arg(long)]
    dry_run: bool,
    /// Tell single symptoms, not only incidents
    #[arg(short, long)]
    verbose: bool,
    /// text, or json for one object with the figures
    #[arg(long, value_enum, default_value_t)]
    output: Format,
}

/// Prints the account above a progress bar.
struct Watcher {
    account: Account,
    bar: ProgressBar,
    quiet: bool,
    start: Timestamp,
    history: History,
}

impl Watcher {
    fn outputs(&self, outputs: &Outputs, repeated: bool) {
        if self.quiet || repeated {
            return;
        }
        for line in self.account.tell(outputs) {
            self.bar.suspend(|| say!("{line}"));
        }
    }
}

impl Observer for Watcher {
    fn tick(&mut self, engine: &Engine, tick: &Tick, outputs: &Outputs, repeated: bool) {
        for (series, value) in engine.monitor.series().iter().zip(&tick.values) {
            if value.is_finite() {
                self.history.entry(series.key.clone()).or_default().push((tick.start, *value));
            }
        }
        self.outputs(outputs, repeated);
    }

    fn idle(&mut self, _: &Engine, outputs: &Outputs, repeated: bool) {
        self.outputs(outputs, repeated);
    }

    fn round(&mut self, progress: &Progress) {
        let done = progress.now.since(self.start).as_seconds().max(0.0);
        self.bar.set_position(done as u64);
    }
}

/// A folder that an earlier demo wrote is emptied; anything else is left alone.
fn prepare(arguments: &Arguments) -> Result<()> {
    if arguments.keep {
        return Ok(());
    }
    for part in [wiring::topics_folder(&arguments.data_dir), wiring::checkpoints_folder(&arguments.data_dir)]
    {
        if part.exists() {
            std::fs::remove_dir_all(&part)
                .with_context(|| format!("{} cannot be emptied", part.display()))?;
        }
    }
    Ok(())
}

/// How the names of the demo's topics on Kafka begin: none of them is a service's.
const PREFIX: &str = "theriac-demo.";

/// Topics that are not in the folder, and what they need to be there.
#[derive(Default)]
struct Store {
    topics: Option<Box<dyn Topics>>,
    #[cfg(feature = "kafka")]
    _broker: Option<Broker>,
}

#[cfg(feature = "kafka")]
fn open(arguments: &Arguments, config: &Config) -> Result<Store> {
    let Some(named) = &arguments.kafka else { return Ok(Store::default()) };
    if named.is_none() && arguments.keep {
        let text = "--keep needs a broker that was there before: name it with --kafka BROKERS";
        return Err(Wrong(text.to_owned()).into());
    }
    let broker = named.is_none().then(Broker::start).transpose()?;
    let brokers = broker.as_ref().map(|broker| broker.address.as_str()).or(named.as_deref());
    let settings = kafka::Settings {
        group: PREFIX.trim_end_matches('.').to_owned(),
        prefix: PREFIX.to_owned(),
        shards: 1,
        ..store::on(brokers.unwrap_or_default(), config.kafka.clone())
    };
    if !arguments.keep {
        kafka::remove(&settings)?;
    }
    kafka::ensure(&settings)?;
    let topics = KafkaTopics::open(&settings, 0, None)?;
    Ok(Store { topics: Some(Box::new(topics)), _broker: broker })
}

#[cfg(not(feature = "kafka"))]
fn open(arguments: &Arguments, _: &Config) -> Result<Store> {
    if arguments.kafka.is_some() { Err(store::without_kafka()) } else { Ok(Store::default()) }
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let mut config = arguments.config.as_deref().map_or_else(|| Ok(Config::default()), Config::load)?;
    config.data_dir.clone_from(&arguments.data_dir);
    // What is acted upon is simulated.
    config.plan.dry_run = arguments.dry_run;
    prepare(arguments)?;
    let scenario = Scenario::demo(arguments.seed);
    let world = World::new(&scenario);
    let start = world.now();
    let step = Interval::from_seconds(i64::from(scenario.tick_seconds));
    let mut simulation = Simulation::new(world, step, start.plus(scenario.horizon));
    simulation.live = arguments.record;
    let bar = ProgressBar::new(scenario.horizon.as_seconds() as u64);
    bar.set_style(ProgressStyle::with_template(
        "{bar:30} {human_pos} of {human_len} simulated seconds, {elapsed} real",
    )?);
    bar.enable_steady_tick(Duration::from_millis(200));
    let json = arguments.output == Format::Json;
    let mut watcher = Watcher {
        account: Account::new(arguments.verbose),
        bar,
        quiet: json,
        start,
        history: History::new(),
    };
    if !json {
        say!(
            "a simulated shop of {} services; {} faults are coming, and some changes that are harmless (seed {})\n",
            scenario.services.len(),
            scenario.faults.len(),
            arguments.seed
        );
    }
    let stop = wiring::stop_flag()?;
    // It must outlive the topics.
    let store = open(arguments, &config)?;
    let (mut driver, recovery) = match store.topics {
        None => wiring::open(&config, simulation, &mut watcher)?,
        Some(topics) => {
            let checkpoints = wiring::checkpoints_folder(&config.data_dir);
            wiring::open_over(&config, simulation, topics, open_folder(&checkpoints)?, &mut watcher)?
        }
    };
    wiring::tell(&recovery);
    driver.run_to_end(&|| stop.load(Ordering::SeqCst) || output::is_broken(), &mut watcher)?;
    watcher.bar.finish_and_clear();
    let story = Story::read(driver.topics())?;
    let rows = report::rows(driver.environment.world.truth(), &story);
    let digest = config.digest(&config.playbooks()?)?;
    let figures = report::figures(&rows, &story, &digest, arguments.seed);
    let path = arguments.data_dir.join("report.html");
    let page = report::page(&rows, &story, start, &figures, &watcher.history);
    std::fs::write(&path, page).with_context(|| path.display().to_string())?;
    if json {
        return figures.print();
    }
    print_table(&rows, start);
    say!("\nreport:       {}", path.display());
    match &arguments.kafka {
        None => say!("ask about it: {}", ask_about(&arguments.data_dir, Topic::Plans, "plans")),
        Some(Some(brokers)) => say!("ask about it: theriac tap plans --kafka {brokers} --prefix {PREFIX}"),
        // What held it is gone.
        Some(None) => {}
    }
    Ok(())
}

fn print_table(rows: &[FaultRow], start: Timestamp) {
    let seconds =
        |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |seconds| format!("{seconds:.0} s"));
    let head = ["fault", "where", "at", "detected", "cause named", "action", "recovered", "verdict"];
    let mut table = vec![head.map(str::to_owned)];
    table.extend(rows.iter().map(|row| {
        [
            row.fault.clone(),
            row.entity.as_str().to_owned(),
            seconds(row.injected.map(|at| at.since(start).as_seconds())),
            seconds(row.detect_seconds),
            row.cause_told(),
            row.action_told(),
            seconds(row.recover_seconds),
            row.verdict().to_owned(),
        ]
    }));
    let width = |column: usize| table.iter().map(|cells| cells[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; 8] = std::array::from_fn(width);
    say!("");
    for cells in &table {
        let line: Vec<String> = (cells.iter().zip(widths).enumerate())
            .map(|(column, (cell, width))| match column {
                // Times end where their columns end.
                2 | 3 | 6 => format!("{cell:>width$}"),
                _ => format!("{cell:<width$}"),
            })
            .collect();
        say!("{}", line.join("  ").trim_end());
    }
    let healed = rows.iter().filter(|row| row.healed).count();
    let named = rows.iter().filter(|row| row.cause_right).count();
    say!("\n{healed} of {} faults healed, {named} causes named rightly", rows.len());
}
