//! `theriac run`: the loop as a service over live sources, until it is told to stop.

use std::{
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
};

use anyhow::Result;
use clap::Args;
use theriac_connectors::{executor::clock::wall, kafka};
use theriac_contract::Tick;
use theriac_engine::{Engine, Observer, Outputs, Saving};

use crate::{
    account::Account,
    checkpoints::{self, Meter},
    command::validate,
    config::Config,
    environment::Live,
    output::{Wrong, note, say},
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
}

/// Prints the account. A service goes on if nobody reads it any more.
pub(crate) struct Teller {
    account: Account,
    meter: Meter,
    verbose: bool,
}

impl Teller {
    pub(crate) fn new(verbose: bool) -> Self {
        Self { account: Account::new(verbose), meter: Meter::default(), verbose }
    }

    fn outputs(&self, outputs: &Outputs, repeated: bool) {
        if !repeated {
            for line in self.account.tell(outputs) {
                say!("{line}");
            }
        }
    }
}

impl Observer for Teller {
    fn tick(&mut self, _: &Engine, _: &Tick, outputs: &Outputs, repeated: bool) {
        self.outputs(outputs, repeated);
    }

    fn idle(&mut self, _: &Engine, outputs: &Outputs, repeated: bool) {
        self.outputs(outputs, repeated);
    }

    fn saving(&mut self, saving: &Saving<'_>) {
        checkpoints::tell(&mut self.meter, saving, self.verbose);
    }
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let file = arguments.config.clone();
    let mut config = match (&file, &arguments.kafka) {
        (None, Some(_)) => Config::default(),
        (file, _) => Config::load(file.as_deref().unwrap_or(Path::new(DEFAULT)))?,
    };
    if let Some(brokers) = &arguments.kafka {
        config.kafka = Some(store::on(brokers, config.kafka));
    }
    if let Some(folder) = &arguments.data_dir {
        config.data_dir.clone_from(folder);
    }
    let problems = validate::problems(&config, file.as_deref().unwrap_or(Path::new(DEFAULT)));
    if !problems.is_empty() {
        return Err(Wrong(problems.join("\n")).into());
    }
    let stop = wiring::stop_flag()?;
    if let Some(kafka) = config.kafka.clone() {
        return on_kafka(config, kafka, arguments, &stop);
    }
    let environment = Live::open(&config, wall(), arguments.until_end)?;
    let mut teller = Teller::new(arguments.verbose);
    let topics = wiring::open_topics(&config)?;
    let checkpoints = config.checkpoint.open(&config.data_dir, "checkpoints")?;
    let (mut driver, recovery) = wiring::open_over(&config, environment, topics, checkpoints, &mut teller)?;
    wiring::tell(&recovery);
    note!("running; topics in {}; stop with Ctrl-C", config.data_dir.display());
    driver.run_to_end(&|| stop.load(Ordering::SeqCst), &mut teller)?;
    note!("stopped after round {}; nothing is lost", driver.progress().round);
    Ok(())
}

#[cfg(feature = "kafka")]
fn on_kafka(config: Config, kafka: kafka::Settings, arguments: &Arguments, stop: &AtomicBool) -> Result<()> {
    let Arguments { verbose, until_end, .. } = *arguments;
    crate::service::run(crate::service::Service { config, kafka, verbose, until_end }, stop)
}

#[cfg(not(feature = "kafka"))]
fn on_kafka(_: Config, _: kafka::Settings, _: &Arguments, _: &AtomicBool) -> Result<()> {
    Err(store::without_kafka())
}
