//! `theriac run`: the loop as a service over live sources, until it is told to stop.

use std::{
    cell::RefCell,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use anyhow::Result;
use clap::Args;
use theriac_connectors::{executor::clock::wall, kafka};

use crate::{
    command::validate,
    config::Config,
    environment::Live,
    operations::{Operations, Watch},
    output::{Wrong, note},
    store, wiring,
};

/// Where the configuration lies if nothing is said.
const DEFAULT: &str = "theriac.yaml";

/// Arguments of `theriac run`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Configuration [default: theriac.yaml; with --kafka none is needed]
    #[arg(short, long)]
    config: Option<PathBuf>,
    /// Kafka brokers to run on, host:port and more of them after commas
    #[arg(long, value_name = "BROKERS")]
    kafka: Option<String>,
    /// Folder for topics and checkpoints, instead of the configuration's
    #[arg(long)]
    data_dir: Option<PathBuf>,
    /// Tell single symptoms, not only incidents
    #[arg(short, long)]
    verbose: bool,
    /// Stop when every source has ended and every file was read to its end, instead of following
    #[arg(long)]
    until_end: bool,
    /// Address for health and metrics over HTTP, as 127.0.0.1:9464
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<SocketAddr>,
}

/// The configuration that the arguments name, with what they say themselves; all that is wrong
/// with it is said.
fn configuration(arguments: &Arguments) -> Result<Config> {
    let path = arguments.config.as_deref().unwrap_or(Path::new(DEFAULT));
    let mut config = match (&arguments.config, &arguments.kafka) {
        (None, Some(_)) => Config::default(),
        _ => Config::load(path)?,
    };
    if let Some(brokers) = &arguments.kafka {
        config.kafka = Some(store::on(brokers, config.kafka));
    }
    if let Some(folder) = &arguments.data_dir {
        config.data_dir.clone_from(folder);
    }
    config.operations.listen = arguments.listen.or(config.operations.listen);
    let problems = validate::problems(&config, path);
    if !problems.is_empty() {
        return Err(Wrong(problems.join("\n")).into());
    }
    Ok(config)
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let config = configuration(arguments)?;
    let stop = wiring::stop_flag()?;
    let operations = Operations::start(&config.operations, &stop, wall())?;
    match config.kafka.clone() {
        Some(kafka) => on_kafka(config, kafka, arguments, operations, &stop),
        None => alone(config, arguments, &operations, &stop),
    }
}

/// One loop over the sources of the configuration.
fn alone(
    mut config: Config,
    arguments: &Arguments,
    operations: &Arc<Operations>,
    stop: &AtomicBool,
) -> Result<()> {
    let mut first = true;
    operations.join();
    loop {
        let digest = config.digest(&config.playbooks()?)?;
        let mut watch = Watch::new(operations, 0, digest, arguments.verbose);
        let environment = Live::open(&config, wall(), arguments.until_end)?;
        let topics = wiring::open_topics(&config)?;
        let checkpoints = config.checkpoint.open(&config.data_dir, "checkpoints")?;
        let (mut driver, recovery) =
            wiring::open_over(&config, environment, topics, checkpoints, &mut watch)?;
        watch.recovered();
        wiring::tell(&recovery);
        if std::mem::take(&mut first) {
            note!("running; topics in {}; stop with Ctrl-C", config.data_dir.display());
        }
        let next = RefCell::new(None);
        let turns = watch.turns();
        let ends = || {
            turns();
            operations.attend();
            if !stop.load(Ordering::SeqCst) {
                *next.borrow_mut() = operations.next_configuration(&config, || configuration(arguments));
            }
            stop.load(Ordering::SeqCst) || next.borrow().is_some() || operations.has_sayings()
        };
        driver.run_to_end(&ends, &mut watch)?;
        let round = driver.progress().round;
        let told = operations.has_sayings();
        if told {
            // It holds the topics.
            drop(driver);
            let mut sayings = operations.sayings();
            sayings.note(&mut *wiring::open_topics(&config)?);
            sayings.end(None);
        }
        match next.take() {
            Some(next) => config = next,
            None if told && !stop.load(Ordering::SeqCst) => {}
            None => {
                note!("stopped after round {round}; nothing is lost");
                return Ok(());
            }
        }
    }
}

#[cfg(feature = "kafka")]
fn on_kafka(
    config: Config,
    kafka: kafka::Settings,
    arguments: &Arguments,
    operations: Arc<Operations>,
    stop: &AtomicBool,
) -> Result<()> {
    let Arguments { verbose, until_end, .. } = *arguments;
    let service = crate::service::Service { config, kafka, verbose, until_end, operations };
    crate::service::run(service, &|| configuration(arguments), stop)
}

#[cfg(not(feature = "kafka"))]
fn on_kafka(_: Config, _: kafka::Settings, _: &Arguments, _: Arc<Operations>, _: &AtomicBool) -> Result<()> {
    Err(store::without_kafka())
}
