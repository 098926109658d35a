//! `theriac run`: the loop as a service over live sources, until it is told to stop.

use std::{path::PathBuf, sync::atomic::Ordering};

use anyhow::Result;
use clap::Args;
use theriac_connectors::executor::clock::wall;
use theriac_contract::Tick;
use theriac_engine::{Engine, Observer, Outputs};

use crate::{
    account::Account,
    command::validate,
    config::Config,
    environment::Live,
    output::{Wrong, note, say},
    wiring,
};

/// Arguments of `theriac run`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Configuration
    #[arg(short, long, default_value = "theriac.yaml")]
    config: PathBuf,
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
struct Teller(Account);

impl Teller {
    fn outputs(&self, outputs: &Outputs, repeated: bool) {
        if !repeated {
            for line in self.0.tell(outputs) {
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
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let mut config = Config::load(&arguments.config)?;
    if let Some(folder) = &arguments.data_dir {
        config.data_dir.clone_from(folder);
    }
    let problems = validate::problems(&config, &arguments.config);
    if !problems.is_empty() {
        return Err(Wrong(problems.join("\n")).into());
    }
    let stop = wiring::stop_flag()?;
    let environment = Live::open(&config, wall(), arguments.until_end)?;
    let mut teller = Teller(Account::new(arguments.verbose));
    let (mut driver, recovery) = wiring::open(&config, environment, &mut teller)?;
    wiring::tell(&recovery);
    note!("running; topics in {}; stop with Ctrl-C", config.data_dir.display());
    driver.run_to_end(&|| stop.load(Ordering::SeqCst), &mut teller)?;
    note!("stopped after round {}; nothing is lost", driver.progress().round);
    Ok(())
}
