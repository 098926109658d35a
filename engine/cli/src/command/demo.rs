//! `theriac demo`: a simulated fleet is broken in several ways and healed.

use std::{path::PathBuf, sync::atomic::Ordering, time::Duration};

use anyhow::{Context, Result};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use theriac_contract::{Interval, Tick, Timestamp, Topic};
use theriac_datasets::simulator::{Scenario, World};
use theriac_engine::{Engine, Observer, Outputs, Progress};

use crate::{
    account::Account,
    config::Config,
    environment::Simulation,
    output::{self, Format, ask_about, say},
    report::{self, FaultRow, History},
    story::Story,
    wiring,
};

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
    let simulation = Simulation::new(world, step, start.plus(scenario.horizon));
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
    let (mut driver, recovery) = wiring::open(&config, simulation, &mut watcher)?;
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
    say!("ask about it: {}", ask_about(&arguments.data_dir, Topic::Plans, "plans"));
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
