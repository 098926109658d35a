//! `theriac replay`: the past through the live code path, at full speed. Broken off, it
//! goes on where it was when it is called again with the same arguments.

mod counterfactual;
mod decisions;

use std::{
    path::{Path, PathBuf},
    sync::atomic::Ordering,
};

use anyhow::Result;
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use theriac_connectors::{executor::clock::wall, kafka, read::FileSettings};
use theriac_contract::{Incident, IncidentPhase, Plan, StoredRecord, Tick, Timestamp, Topic, Topics};
use theriac_datasets::{catalogue, nezha};
use theriac_engine::{Engine, Environment, Observer, Outputs, Progress};

use self::counterfactual::Reality;
use super::knowledge::bring;
use crate::{
    account::{Account, hypothesis},
    config::{Config, SourceConfig},
    environment::{Recorded, Replay},
    output::{self, Format, Report, Wrong, ask_about, say},
    store, wiring,
};

/// Arguments of `theriac replay`.
#[derive(Clone, Debug, Args)]
pub(crate) struct Arguments {
    /// Files, folders or patterns: CSV, Parquet, JSON lines, OTLP/JSON, log lines; compressed or not.
    /// With --diff, incidents of a recorded run, that of -c if --recorded names none
    files: Vec<String>,
    /// Configuration; its file sources are read if no files are named
    #[arg(short, long)]
    config: Option<PathBuf>,
    /// A labelled data set instead of files: nezha-trainticket-dev, nezha-onlineboutique-dev
    #[arg(long, conflicts_with = "files")]
    dataset: Option<String>,
    /// A recorded run instead of files: the folder of `theriac watch --record` or `theriac run`,
    /// round for round as it was
    #[arg(long, value_name = "DIR", conflicts_with = "dataset")]
    recorded: Option<PathBuf>,
    /// Another configuration, whose playbooks and plan settings are held against those of -c
    #[arg(long, value_name = "FILE", requires = "diff")]
    policy: Option<PathBuf>,
    /// Tell the first decision that differs under --policy, and every later one
    #[arg(long, requires = "policy")]
    diff: bool,
    /// Begin with what is known in the folder of a run, instead of with nothing
    #[arg(long, value_name = "DIR")]
    knowledge: Option<PathBuf>,
    /// Begin with what is known on a branch of that folder, or of the recorded one
    #[arg(long, value_name = "NAME")]
    branch: Option<String>,
    /// What Kafka brokers keep of the input topics instead of files, host:port and more of them
    /// after commas; which topics, the section `kafka` of the configuration says
    #[arg(long, value_name = "BROKERS", requires = "from", conflicts_with_all = ["files", "dataset", "recorded"])]
    kafka: Option<String>,
    /// On Kafka, begin with the first record of each partition at or after this instant, by the
    /// times that Kafka keeps
    #[arg(long, value_name = "TIME", requires = "to", conflicts_with_all = ["files", "dataset", "recorded"])]
    from: Option<Timestamp>,
    /// End before the first record at or after this instant
    #[arg(long, value_name = "TIME", requires = "from")]
    to: Option<Timestamp>,
    /// Day of the data set, where it has several (2023-01-29); the first if left out
    #[arg(long, requires = "dataset")]
    day: Option<String>,
    /// Folder with the data sets; THERIAC_DATASETS if left out
    #[arg(long)]
    data: Option<PathBuf>,
    /// Folder for topics and checkpoints
    #[arg(long, default_value = "theriac-replay")]
    data_dir: PathBuf,
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
    incidents: Vec<Incident>,
    symptoms: u64,
    plans: u64,
    first: Option<Timestamp>,
    last: Option<Timestamp>,
}

impl Watcher {
    fn outputs(&mut self, outputs: &Outputs) {
        self.symptoms += outputs.symptoms.iter().filter(|symptom| symptom.revision == 0).count() as u64;
        self.plans += outputs.plans.len() as u64;
        for incident in &outputs.incidents {
            match self.incidents.iter_mut().find(|known| known.id == incident.id) {
                Some(known) => *known = incident.clone(),
                None => self.incidents.push(incident.clone()),
            }
        }
        if !self.quiet {
            for line in self.account.tell(outputs) {
                self.bar.suspend(|| say!("{line}"));
            }
        }
    }
}

impl Observer for Watcher {
    fn tick(&mut self, _: &Engine, tick: &Tick, outputs: &Outputs, _: bool) {
        self.first.get_or_insert(tick.start);
        self.last = Some(tick.end());
        self.outputs(outputs);
    }

    fn idle(&mut self, _: &Engine, outputs: &Outputs, _: bool) {
        self.outputs(outputs);
    }

    fn round(&mut self, progress: &Progress) {
        self.bar.set_position(progress.bytes);
        self.bar.set_message(format!("{} ticks, {} incidents", progress.ticks, self.incidents.len()));
    }
}

/// The source that the arguments name.
fn source(arguments: &Arguments, config: &mut Config) -> Result<Box<dyn theriac_contract::Source>> {
    if let Some(name) = &arguments.dataset {
        let folder = catalogue::locate_from_environment(name, arguments.data.as_deref())?;
        return Ok(nezha::open(&folder, arguments.day.as_deref())?);
    }
    if let (Some(from), Some(to)) = (arguments.from, arguments.to) {
        return kept(arguments, config, from, to);
    }
    if !arguments.files.is_empty() {
        config.sources =
            arguments.files.iter().map(|path| SourceConfig::File(FileSettings::of(path))).collect();
    }
    if config.sources.is_empty() {
        let text = "nothing to replay: name files, a configuration with file sources (-c), a --dataset, what was --recorded, or what is on --kafka with --from and --to";
        return Err(Wrong(text.to_owned()).into());
    }
    // A file that cannot be read is one that was named wrongly.
    wiring::past(config).map_err(|error| Wrong(format!("{error:#}")).into())
}

/// What Kafka keeps of the input topics.
fn kept(
    arguments: &Arguments,
    config: &Config,
    from: Timestamp,
    to: Timestamp,
) -> Result<Box<dyn theriac_contract::Source>> {
    let settings = match &arguments.kafka {
        Some(brokers) => Some(store::on(brokers, config.kafka.clone())),
        None => config.kafka.clone(),
    };
    let Some(settings) = settings else {
        let text = "--from and --to are about what Kafka keeps: name the brokers with --kafka, or a configuration with a section `kafka` with -c";
        return Err(Wrong(text.to_owned()).into());
    };
    let now = (wall())();
    if to > now {
        let text = format!("--to {to} lies ahead: what has not come in yet is not the past; it is {now}");
        return Err(Wrong(text).into());
    }
    if from >= to {
        return Err(Wrong(format!("nothing lies between {from} and {to}: --to must be later")).into());
    }
    between(&settings, from, to)
}

#[cfg(feature = "kafka")]
fn between(
    settings: &kafka::Settings,
    from: Timestamp,
    to: Timestamp,
) -> Result<Box<dyn theriac_contract::Source>> {
    Ok(Box::new(kafka::KafkaSource::open_between(settings, from, to)?))
}

#[cfg(not(feature = "kafka"))]
fn between(_: &kafka::Settings, _: Timestamp, _: Timestamp) -> Result<Box<dyn theriac_contract::Source>> {
    Err(store::without_kafka())
}

/// Input of which nothing could be read was named wrongly; what is wrong is on the topic.
fn nothing_read(topics: &dyn Topics) -> Result<()> {
    let letters = topics.end(Topic::DeadLetters, 0);
    let first = topics.read(Topic::DeadLetters, 0, topics.start(Topic::DeadLetters, 0), 1)?;
    let Some(StoredRecord { record, .. }) = first.first() else { return Ok(()) };
    let header = |name| record.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_slice());
    let text = |name| String::from_utf8_lossy(header(name).unwrap_or_default()).into_owned();
    let more = if letters > 1 { format!(" (and {} more dead letters)", letters - 1) } else { String::new() };
    Err(Wrong(format!("nothing could be read: {}: {}{more}", text("origin"), text("reason"))).into())
}

/// The recorded rounds; they cannot be read and written in the same folder.
fn recorded(folder: &Path, data_dir: &Path) -> Result<Recorded> {
    let same = |target: PathBuf| folder.canonicalize().is_ok_and(|folder| folder == target);
    if data_dir.canonicalize().is_ok_and(same) {
        let text =
            format!("{} is what was recorded; name another folder with --data-dir", data_dir.display());
        return Err(Wrong(text).into());
    }
    Recorded::open(folder)
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let mut config = arguments.config.as_deref().map_or_else(|| Ok(Config::default()), Config::load)?;
    let run = std::mem::replace(&mut config.data_dir, arguments.data_dir.clone());
    if arguments.recorded.is_some() && !arguments.files.is_empty() && !arguments.diff {
        let text = "a recorded run has no files: leave them out, or name incidents together with --policy and --diff";
        return Err(Wrong(text.to_owned()).into());
    }
    if let Some(policy) = &arguments.policy {
        let incidents = !arguments.files.is_empty() && arguments.files.iter().all(|name| is_incident(name));
        let recorded = arguments.recorded.clone().or_else(|| incidents.then_some(run));
        return against(&Arguments { recorded, ..arguments.clone() }, config, policy);
    }
    // Nothing in the past can be acted upon.
    config.plan.dry_run = true;
    begin(arguments, &config.data_dir)?;
    if let Some(folder) = &arguments.recorded {
        let environment = recorded(folder, &config.data_dir)?;
        return replay(arguments, &config, environment, None);
    }
    let source = source(arguments, &mut config)?;
    let bytes_total = source.bytes_total();
    replay(arguments, &config, Replay::new(source), bytes_total)
}

/// Whether a word is the id of an incident, and no file.
fn is_incident(word: &str) -> bool {
    word.starts_with("incident-") && !Path::new(word).exists()
}

/// Puts what is to be known from the start into a folder.
fn begin(arguments: &Arguments, folder: &Path) -> Result<()> {
    let from = match (&arguments.knowledge, &arguments.branch, &arguments.recorded) {
        (Some(from), ..) | (None, Some(_), Some(from)) => from,
        (None, Some(name), None) => {
            let text = format!("--branch {name}: name the folder that it is a branch of with --knowledge");
            return Err(Wrong(text).into());
        }
        (None, None, _) => return Ok(()),
    };
    bring(from, arguments.branch.as_deref(), folder)
}

/// The past once as configured and once with another policy, in folders that are not kept.
fn against(arguments: &Arguments, mut config: Config, policy: &Path) -> Result<()> {
    let policy = Config::load(policy)?;
    let mut reality = match &arguments.recorded {
        Some(folder) => {
            // What is wrong with the folder is said first.
            recorded(folder, &config.data_dir)?;
            let reality = Reality::read(folder)?;
            reality.has(&arguments.files)?;
            reality
        }
        None => Reality::default(),
    };
    let shadows = [config.plan.clone(), policy.plan.clone()];
    let dry_run = |settings: &theriac_plan::Settings, plan: &Plan| {
        plan.steps().any(|step| settings.dry_run_on(&step.action.target))
    };
    let (as_configured, by_policy) =
        (|plan: &Plan| dry_run(&shadows[0], plan), |plan: &Plan| dry_run(&shadows[1], plan));
    let dry_run_on: [&dyn Fn(&Plan) -> bool; 2] = [&as_configured, &by_policy];
    let folders = [tempfile::tempdir()?, tempfile::tempdir()?];
    for folder in &folders {
        begin(arguments, folder.path())?;
    }
    if arguments.knowledge.is_some() || arguments.branch.is_some() {
        reality = reality.begun_with(folders[0].path())?;
    }
    config.plan.dry_run = true;
    let mut other = counterfactual::with_policy(&config, &policy);
    folders[0].path().clone_into(&mut config.data_dir);
    folders[1].path().clone_into(&mut other.data_dir);
    let (incidents, format) = (&arguments.files, arguments.output);
    if let Some(folder) = &arguments.recorded {
        let past = || Recorded::open(folder);
        return counterfactual::run(&config, &other, dry_run_on, &past, &reality, incidents, format);
    }
    let read = config.clone();
    let past = || Ok(Replay::new(source(arguments, &mut read.clone())?));
    counterfactual::run(&config, &other, dry_run_on, &past, &reality, &[], format)
}

fn replay<E: Environment>(
    arguments: &Arguments,
    config: &Config,
    environment: E,
    bytes_total: Option<u64>,
) -> Result<()> {
    let bar = match bytes_total {
        Some(total) => ProgressBar::new(total),
        None => ProgressBar::no_length(),
    };
    bar.set_style(ProgressStyle::with_template(
        "{bar:30} {binary_bytes}/{binary_total_bytes} {binary_bytes_per_sec} {eta} left  {msg}",
    )?);
    let mut watcher = Watcher {
        account: Account::new(arguments.verbose),
        bar,
        quiet: arguments.output == Format::Json,
        incidents: Vec::new(),
        symptoms: 0,
        plans: 0,
        first: None,
        last: None,
    };
    let stop = wiring::stop_flag()?;
    let (mut driver, recovery) = wiring::open(config, environment, &mut watcher)?;
    wiring::tell(&recovery);
    driver.run_to_end(&|| stop.load(Ordering::SeqCst) || output::is_broken(), &mut watcher)?;
    watcher.bar.finish_and_clear();
    let counts = driver.engine.monitor.counts();
    if counts.points + counts.logs + counts.spans == 0 {
        nothing_read(driver.topics())?;
    }
    if arguments.output == Format::Json {
        let digest = config.digest(&config.playbooks()?)?;
        let mut report = Report::new("replay", digest, String::new(), None);
        report.set("replay.points", counts.points as f64);
        report.set("replay.logs", counts.logs as f64);
        report.set("replay.spans", counts.spans as f64);
        report.set("replay.late", counts.late as f64);
        report.set("replay.series", driver.engine.monitor.series().len() as f64);
        report.set("replay.symptoms", watcher.symptoms as f64);
        report.set("replay.incidents", watcher.incidents.len() as f64);
        report.set("replay.plans", watcher.plans as f64);
        return report.print();
    }
    say!("");
    if let (Some(first), Some(last)) = (watcher.first, watcher.last) {
        say!("{first} to {last}");
    }
    say!(
        "{} points, {} log records, {} spans in {} series; {} rows came too late, {} dead letters",
        counts.points,
        counts.logs,
        counts.spans,
        driver.engine.monitor.series().len(),
        counts.late,
        driver.topics().end(Topic::DeadLetters, 0),
    );
    say!(
        "{} symptoms, {} incidents, {} plans (dry run)",
        watcher.symptoms,
        watcher.incidents.len(),
        watcher.plans
    );
    for incident in &watcher.incidents {
        let state = match incident.phase {
            IncidentPhase::Resolved => "resolved",
            IncidentPhase::Lost => "lost",
            IncidentPhase::Opened | IncidentPhase::Updated => "open",
        };
        let cause = incident.hypotheses.first().map_or_else(String::new, hypothesis);
        say!("  {}  {:<8} {:<18} {cause}", incident.opened, state, incident.id.short());
    }
    say!("\nask about it:  {}", ask_about(&config.data_dir, Topic::Incidents, "incidents_now"));
    Ok(())
}
