//! `theriac eval`: the live code path over public benchmarks and other labelled data, beside
//! published results.
//!
//! | module | holds |
//! |---|---|
//! | [`live`] | rows in, two scores a row out: the only place that reads the live path |
//! | [`nab`] | data with windows, by NAB's rules |
//! | [`labelled`] | data with labelled rows, by TSB-AD's measures |
//! | [`ablation`] | the same without one part at a time |
//! | [`results`] | result files in NAB's layout |
//! | [`compare`] | two evaluations, file by file |
//! | [`loghub`] | templates of logs |
//! | [`cases`] | what evaluations of causes can be asked for |
//! | [`nezha`] | causes of incidents, from logs, traces and metrics |
//! | [`rootcausebench`] | causes of incidents among changes |
//! | [`streaming`] | the live loop over telemetry of known faults |
//! | [`calibration`] | whether probabilities of causes hold, and what learning does to them |
//! | [`causes`] | rankings of causes: metrics over a call graph, metrics alone, alerts |
//! | [`false_discovery`] | the share of false symptoms, where it is known what is false |

mod ablation;
pub(super) mod calibration;
mod cases;
mod causes;
mod compare;
mod false_discovery;
mod labelled;
pub(super) mod live;
mod loghub;
mod nab;
mod nezha;
mod results;
mod rootcausebench;
mod streaming;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::{Args, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};
use theriac_datasets::{
    catalogue,
    nab::Corpus,
    tsb::{
        cut_outs,
        folder::{self, Folder, FolderError},
        smd,
    },
};

use crate::{
    config::Config,
    output::{Format, Report, Wrong},
};

/// Arguments of `theriac eval`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    verb: Option<Verb>,
    /// nab (58 files), smd (7 machines), tsb (the 17 series of TSB-AD that NAB and SMD give), or a
    /// folder in the layout of NAB, SMD or an evaluation of causes, or with one CSV for each recording
    #[arg(required = true)]
    what: Option<String>,
    #[command(flatten)]
    options: Options,
}

/// What can be done with evaluations.
#[derive(Debug, Subcommand)]
enum Verb {
    /// Hold two evaluations against each other, file by file
    Compare(compare::Arguments),
    /// Count false symptoms in series of which it is known when something is wrong
    FalseDiscovery(false_discovery::Arguments),
    /// Hold templates of logs against the true ones
    Loghub(loghub::Arguments),
    /// Find the causes of incidents from one minute of logs, traces and metrics
    Nezha(cases::Arguments),
    /// Find the change that caused each incident, or that none did
    Rootcausebench(cases::Arguments),
    /// Rank causes in PetShop: metrics over a call graph
    Petshop(cases::Arguments),
    /// Rank causes in Sock Shop 1: metrics alone
    Sockshop(cases::Arguments),
    /// Rank causes in streams of alerts, after learning from those that are confirmed
    Alerts(cases::Arguments),
    /// Tell whether the probabilities of causes hold, over the cases of all five data sets
    Calibration(calibration::Arguments),
}

/// How to evaluate.
#[derive(Debug, Args)]
struct Options {
    /// Folder with the data sets; THERIAC_DATASETS if left out
    #[arg(long)]
    data: Option<PathBuf>,
    /// Configuration; the defaults if left out
    #[arg(short, long)]
    config: Option<PathBuf>,
    /// Let SMD's training part go before the rows that are scored; not comparable with TSB-AD
    #[arg(long)]
    history: bool,
    /// Evaluate again without each part of the detectors in turn: what is each worth?
    #[arg(long)]
    ablation: bool,
    /// Write the score of every row to this folder, in the layout of NAB's `results/`
    #[arg(long, value_name = "DIR")]
    results: Option<PathBuf>,
    /// Name of the detector in that folder
    #[arg(long, default_value = "theriac")]
    detector: String,
    /// Write a page with tables and a plot of every file
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// text, or json for one object with the figures
    #[arg(long, value_enum, default_value_t)]
    output: Format,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    match &arguments.verb {
        Some(Verb::Compare(arguments)) => return compare::run(arguments),
        Some(Verb::FalseDiscovery(arguments)) => return false_discovery::run(arguments),
        Some(Verb::Loghub(arguments)) => return loghub::run(arguments),
        Some(Verb::Nezha(arguments)) => return nezha::run(arguments),
        Some(Verb::Rootcausebench(arguments)) => return rootcausebench::run(arguments),
        Some(Verb::Petshop(arguments)) => return causes::petshop::run(arguments),
        Some(Verb::Sockshop(arguments)) => return causes::sockshop::run(arguments),
        Some(Verb::Alerts(arguments)) => return causes::alerts::run(arguments),
        Some(Verb::Calibration(arguments)) => return calibration::run(arguments),
        None => {}
    }
    let options = &arguments.options;
    if let Some(folder) = &options.results {
        results::check(folder, &options.detector)?;
    }
    let config = options.config.as_deref().map_or_else(|| Ok(Config::default()), Config::load)?;
    let what = arguments.what.as_deref().unwrap_or_default();
    let data = options.data.as_deref();
    match what {
        "nab" => {
            let corpus = nab_corpus(data)?;
            nab::run("eval nab", Some("Numenta Anomaly Benchmark 1.1"), &corpus, &config, options)
        }
        "smd" => {
            let machines = open_smd(data)?;
            labelled::run("eval smd", labelled::Set::Smd, machines, &config, options)
        }
        "tsb" => {
            let mut recordings = cut_outs::from_nab(&nab_corpus(data)?)?;
            recordings.extend(cut_outs::from_smd(&open_smd(data)?)?);
            labelled::run("eval tsb", labelled::Set::CutOuts, recordings, &config, options)
        }
        other if Path::new(other).join("cases.json").is_file() => {
            nezha::run(&cases::Arguments::of(Path::new(other), options.ablation, options.output))
        }
        other if theriac_datasets::rootcausebench::is_here(Path::new(other)) => {
            rootcausebench::run(&cases::Arguments::of(Path::new(other), options.ablation, options.output))
        }
        other if theriac_datasets::petshop::is_here(Path::new(other)) => {
            causes::petshop::run(&cases::Arguments::of(Path::new(other), options.ablation, options.output))
        }
        other if theriac_datasets::alerts::is_here(Path::new(other)) => {
            causes::alerts::run(&cases::Arguments::of(Path::new(other), options.ablation, options.output))
        }
        other if theriac_datasets::sockshop::is_here(Path::new(other)) => {
            causes::sockshop::run(&cases::Arguments::of(Path::new(other), options.ablation, options.output))
        }
        other => match folder::open(Path::new(other)) {
            Ok(Folder::Nab(corpus)) => nab::run("eval DIR", None, &corpus, &config, options),
            Ok(Folder::Smd(machines)) => {
                labelled::run("eval DIR", labelled::Set::Smd, machines, &config, options)
            }
            Ok(Folder::Series(series)) => {
                labelled::run("eval DIR", labelled::Set::Series, series, &config, options)
            }
            Err(FolderError::NotThere(_)) => {
                Err(Wrong(format!("`{other}` is neither nab, smd or tsb nor a folder")).into())
            }
            Err(error) => Err(Wrong(error.to_string()).into()),
        },
    }
}

pub(super) fn nab_corpus(data: Option<&Path>) -> Result<Corpus> {
    let folder = catalogue::locate_from_environment("nab", data)?;
    Corpus::open(&folder).context("`theriac datasets fetch nab` gets a whole copy")
}

pub(super) fn open_smd(data: Option<&Path>) -> Result<Vec<theriac_datasets::tsb::Recording>> {
    let folder = catalogue::locate_from_environment("smd", data)?;
    smd::open(&folder).context("`theriac datasets fetch smd` gets a whole copy")
}

/// The digest of a configuration, for the head of a report.
fn digest(config: &Config) -> Result<String> {
    config.digest(&config.playbooks()?)
}

/// A bar over rows.
fn progress(rows: usize) -> Result<ProgressBar> {
    let bar = ProgressBar::new(rows as u64);
    bar.set_style(ProgressStyle::with_template("{bar:30} {human_pos}/{human_len} rows {per_sec}  {msg}")?);
    Ok(bar)
}

/// Says what came out: the figures without each part in turn if that is asked for (`again`
/// evaluates with another configuration), result files and page, and the text or the object.
fn conclude(
    options: &Options,
    config: &Config,
    figures: &ablation::Figures,
    mut report: Report,
    again: impl FnMut(&Config) -> Result<Report>,
    page: impl FnOnce(&Report) -> String,
    print: impl FnOnce(&Report),
) -> Result<()> {
    if options.ablation {
        ablation::run(config, figures, &mut report, again)?;
    }
    write_extras(options, &report, || page(&report))?;
    if options.output == Format::Json {
        return report.print();
    }
    print(&report);
    if options.ablation {
        ablation::print(config, figures, &report);
    }
    Ok(())
}

/// Writes what was asked for beside the figures: result files are there already, so the
/// figures go with them; the page.
fn write_extras(options: &Options, report: &Report, page: impl FnOnce() -> String) -> Result<()> {
    if let Some(folder) = &options.results {
        let path = folder.join(results::FIGURES);
        std::fs::write(&path, serde_json::to_string_pretty(report)?)
            .with_context(|| path.display().to_string())?;
    }
    if let Some(path) = &options.report {
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent).with_context(|| parent.display().to_string())?;
        }
        std::fs::write(path, page()).with_context(|| path.display().to_string())?;
    }
    Ok(())
}
