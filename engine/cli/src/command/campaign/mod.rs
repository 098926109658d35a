//! `theriac campaign`: a fleet is broken in every way of a catalogue, and left well for weeks, under the
//! eyes of the engine and of those it is compared with; the scorer says what each of them is worth.
//!
//! | file | what |
//! |---|---|
//! | `mod` | arguments; jobs on all processors; what is printed |
//! | `job` | one fault or one quiet day, from setup to score |
//! | `healer` | who looks after the fleet; the loop over a fleet |
//! | `ablation` | the engine without a part of it |
//! | `listener` | what the engine says, in the scorer's words |
//! | `parquet_file` | a table of all episodes for other programs |
//! | `results` | files, so that it can be broken off and gone on with |
//! | `figures`, `reliability` | names for machines; whether probabilities hold |
//! | `goals`, `slices` | what is hoped for; the campaign cut in several ways |
//! | `tables`, `page` | tables for people; the page |

mod ablation;
mod figures;
mod goals;
mod healer;
mod job;
mod listener;
mod page;
mod parquet_file;
mod reliability;
mod results;
mod slices;
mod tables;

use std::{
    collections::BTreeSet,
    path::PathBuf,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use anyhow::{Context, Result};
use clap::Args;
use healer::Healer;
use indicatif::{ProgressBar, ProgressStyle};
use job::{Job, Stage, measure, play};
use results::Results;
use theriac_datasets::fleet::{Chooser, Mix, Mode, SECOND, Topology, record};

use crate::{
    config::Config,
    output::{Format, Wrong, say},
    wiring,
};

/// Seconds before each fault, and disturbances a day, unless others are asked for.
const WARM_UP: u64 = 1_800;
const DISTURBANCES: f64 = 30.0;

/// Arguments of `theriac campaign`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Faults to heal, each kind once before the next round of all kinds
    #[arg(long, default_value_t = 45)]
    episodes: u64,
    /// Weeks without a fault, full of disturbances that are none
    #[arg(long, default_value_t = 1.0)]
    weeks: f64,
    /// Everything is drawn from it: same seed, same figures
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Who looks after the fleet: theriac, no-guardrails, no-learning, no-escalation, restart-only, and
    /// b0 to b5
    #[arg(long, value_delimiter = ',', default_value = "theriac")]
    healers: Vec<Healer>,
    /// Kinds of fault, by their codes; all if left out
    #[arg(long, value_delimiter = ',')]
    faults: Vec<String>,
    /// How kinds are chosen: uniform, each once a round; prod, as often as production reports such causes;
    /// hard, those that are hard to see through
    #[arg(long, default_value_t)]
    mix: Mix,
    /// How faults come, in shares of 60, 15, 10, 5, 5 and 5: single, concurrent, correlated, cascade,
    /// intermittent, during-healing [default: single; of --mix hard: all]
    #[arg(long, value_delimiter = ',')]
    modes: Vec<Mode>,
    /// Simulated seconds before each fault, in which the engine learns what is usual
    #[arg(long, default_value_t = WARM_UP)]
    warm_up: u64,
    /// Disturbances a day that are no faults
    #[arg(long, default_value_t = DISTURBANCES)]
    disturbances: f64,
    /// Threads; one for each processor if left out
    #[arg(long)]
    threads: Option<usize>,
    /// Folder for results; a campaign that was broken off goes on where it was
    #[arg(long, default_value = "theriac-campaign")]
    data_dir: PathBuf,
    /// Keep what the engine wrote in each episode, to be asked with explain, tap and sql
    #[arg(long)]
    keep: bool,
    /// Configuration; the defaults if left out
    #[arg(short, long)]
    config: Option<PathBuf>,
    /// text, or json for one object with the figures
    #[arg(long, value_enum, default_value_t)]
    output: Format,
}

impl Arguments {
    fn check(&self) -> Result<()> {
        for code in &self.faults {
            if record(code).is_none() {
                let text = format!("there is no fault `{code}`: name some of F01 to F45");
                return Err(Wrong(text).into());
            }
        }
        if !(self.weeks >= 0.0 && self.weeks.is_finite()) {
            return Err(Wrong("--weeks: write a number that is not negative".to_owned()).into());
        }
        Ok(())
    }

    fn stage(&self) -> Result<Stage> {
        let mut config = self.config.as_deref().map_or_else(|| Ok(Config::default()), Config::load)?;
        // What is acted upon is simulated.
        config.plan.dry_run = false;
        Ok(Stage {
            topology: Topology::boutique()?,
            warm_up: self.warm_up * SECOND,
            disturbances: self.disturbances,
            config,
            keep: self.keep.then(|| self.data_dir.join("kept")),
        })
    }

    /// What is to be played, for people.
    fn in_words(&self, chooser: &Chooser) -> String {
        let modes: Vec<&str> = chooser.modes().iter().map(|mode| mode.slug()).collect();
        let left_out = match chooser.left_out() {
            0 => String::new(),
            count => format!(" ({count} cannot come in these modes)"),
        };
        format!(
            "{} episodes with a fault of {} kinds{left_out}, mix {}, modes {}; {} weeks without a fault.",
            self.episodes,
            chooser.kinds(),
            self.mix,
            modes.join(", "),
            self.weeks
        )
    }

    /// Where episodes are kept, and how the same one is played elsewhere.
    fn origin(&self) -> page::Origin {
        let mut arguments = Vec::new();
        if self.warm_up != WARM_UP {
            arguments.extend(["--warm-up".to_owned(), self.warm_up.to_string()]);
        }
        if (self.disturbances - DISTURBANCES).abs() > 0.0 {
            arguments.extend(["--disturbances".to_owned(), self.disturbances.to_string()]);
        }
        if let Some(config) = &self.config {
            arguments.extend(["--config".to_owned(), config.display().to_string()]);
        }
        page::Origin { data_dir: self.data_dir.clone(), arguments }
    }

    /// What must be the same for results to go together.
    fn settings(&self, stage: &Stage) -> Result<String> {
        let digest = stage.config.digest(&stage.config.playbooks()?)?;
        Ok(format!(
            "configuration {digest}, warm-up {} s, {} disturbances a day",
            self.warm_up, self.disturbances
        ))
    }
}

/// A job and who is to play it: what is measured of a job once serves all of them.
type Task = (Job, Vec<Healer>);

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    arguments.check()?;
    let stage = arguments.stage()?;
    let chooser = Chooser::new(arguments.mix, &arguments.faults, &arguments.modes, arguments.seed)
        .map_err(|error| Wrong(error.to_string()))?;
    let jobs = Job::all(&chooser, arguments.episodes, arguments.weeks, arguments.seed);
    let results = Mutex::new(Results::open(&arguments.data_dir, &arguments.settings(&stage)?)?);
    let left: Vec<Task> = {
        let known = lock(&results);
        let is_left = |job: &Job| {
            let left = |healer: &&Healer| !known.episodes.contains_key(&(healer.to_string(), job.key()));
            (*job, arguments.healers.iter().filter(left).copied().collect::<Vec<_>>())
        };
        jobs.iter().map(is_left).filter(|(_, healers)| !healers.is_empty()).collect()
    };
    let stop = wiring::stop_flag()?;
    if !left.is_empty() {
        play_all(arguments, &stage, &left, &results, &stop)?;
    }
    let results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
    let keys: BTreeSet<String> = jobs.iter().map(|job| job.key()).collect();
    let scored = figures::score(&results, &arguments.healers, &keys, arguments.seed);
    let digest = stage.config.digest(&stage.config.playbooks()?)?;
    let report = figures::report(&scored, &digest, arguments.seed);
    let write = |name: &str, text: String| {
        let path = results.path(name);
        std::fs::write(&path, text).with_context(|| path.display().to_string())
    };
    write("report.json", serde_json::to_string_pretty(&report)?)?;
    let about = page::About {
        scored: &scored,
        report: &report,
        played: arguments.in_words(&chooser),
        origin: arguments.origin(),
    };
    write("campaign.html", page::html(&about))?;
    parquet_file::write(&results.path("episodes.parquet"), &scored)?;
    if arguments.output == Format::Json {
        return report.print();
    }
    tables::print(&scored, arguments.seed);
    if chooser.left_out() > 0 {
        say!("\n{} kinds of fault cannot come in these modes and were left out", chooser.left_out());
    }
    let all = jobs.len() * arguments.healers.len();
    let open = all.saturating_sub(scored.iter().map(figures::Scored::played).sum());
    if open > 0 {
        say!("\n{open} of {all} are not played yet: the same command goes on");
    }
    say!("\nresults: {0}, as a page: {0}/campaign.html", arguments.data_dir.display());
    Ok(())
}

/// Plays tasks on all processors. Each is put down as soon as it is over; the order does not show in the
/// figures.
fn play_all(
    arguments: &Arguments,
    stage: &Stage,
    tasks: &[Task],
    results: &Mutex<Results>,
    stop: &AtomicBool,
) -> Result<()> {
    let processors = thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let threads = arguments.threads.unwrap_or(processors).clamp(1, tasks.len());
    let bar = ProgressBar::new(tasks.iter().map(|(_, healers)| healers.len() as u64).sum());
    bar.set_style(ProgressStyle::with_template(
        "{bar:30} {pos} of {len} played, {elapsed} of about {duration}  {msg}",
    )?);
    bar.enable_steady_tick(Duration::from_millis(500));
    if arguments.output == Format::Json {
        bar.set_draw_target(indicatif::ProgressDrawTarget::hidden());
    }
    let next = Mutex::new(tasks.iter());
    let work = || -> Result<()> {
        loop {
            let task = next.lock().unwrap_or_else(PoisonError::into_inner).next();
            let Some((job, healers)) = task else { return Ok(()) };
            bar.set_message(job.key());
            let known = lock(results).measured.get(&job.key()).cloned();
            let yardstick = known.clone().or_else(|| measure(stage, *job));
            if let (None, Some(yardstick)) = (known, &yardstick) {
                lock(results).measured(&job.key(), yardstick)?;
            }
            for healer in healers {
                if stop.load(Ordering::SeqCst) {
                    return Ok(());
                }
                bar.set_message(format!("{healer} {}", job.key()));
                let played = play(stage, *job, *healer, yardstick.as_ref())
                    .with_context(|| format!("{healer} at {}", job.key()))?;
                lock(results).played(played)?;
                bar.inc(1);
            }
        }
    };
    let ended: Vec<Result<()>> = thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        let join = |worker: thread::ScopedJoinHandle<'_, Result<()>>| {
            worker.join().unwrap_or_else(|_| Err(anyhow::anyhow!("a thread of the campaign broke off")))
        };
        workers.into_iter().map(join).collect()
    });
    bar.finish_and_clear();
    ended.into_iter().collect()
}

fn lock(results: &Mutex<Results>) -> std::sync::MutexGuard<'_, Results> {
    results.lock().unwrap_or_else(PoisonError::into_inner)
}
