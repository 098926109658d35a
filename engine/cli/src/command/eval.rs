//! `theriac eval`: the live code path over public benchmarks, beside published results.

use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::{Args, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};
use theriac_contract::{
    Telemetry,
    telemetry::{PointBuilder, PointKind, PointRow, Temporality},
};
use theriac_datasets::{
    catalogue,
    nab::{Corpus, NabFile, Profile, Scorer, published},
};
use theriac_detect::Detect;
use theriac_monitor::Monitor;

use crate::{
    config::Config,
    output::{Format, Report, say},
};

/// Arguments of `theriac eval`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    benchmark: Benchmark,
}

/// Which benchmark.
#[derive(Debug, Subcommand)]
enum Benchmark {
    /// Numenta Anomaly Benchmark: 58 files, one configuration, one pass, no look-ahead
    Nab(NabArguments),
}

/// Arguments of `theriac eval nab`.
#[derive(Debug, Args)]
struct NabArguments {
    /// Folder with the data sets; THERIAC_DATASETS if left out
    #[arg(long)]
    data: Option<PathBuf>,
    /// Configuration; the defaults if left out
    #[arg(short, long)]
    config: Option<PathBuf>,
    /// Write the score of every row to this folder, one CSV for each file
    #[arg(long)]
    scores: Option<PathBuf>,
    /// text, or json for one object with the figures
    #[arg(long, value_enum, default_value_t)]
    output: Format,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    match &arguments.benchmark {
        Benchmark::Nab(arguments) => nab(arguments),
    }
}

/// Rows of a batch: many, but far fewer than a file, so that nothing can be gained by
/// looking at a file as a whole.
const BATCH_ROWS: usize = 256;

/// After an alert, weaker ones are held back for this share of the rows seen so far.
const REFRACTORY_SHARE: f64 = 0.02;

/// The decimal exponent of the p-value that gives the score 1: detectors stop there.
const EXPONENT_MAX: f64 = 300.0;

/// Scores of a file's rows, 0 to 1: the strength of an alert, `-log10(p) / 300`, at the row
/// that raised it, else 0. A row that came too late to be judged has 0.
fn alerts(config: &Config, file: &NabFile) -> Result<Vec<f64>> {
    let mut monitor = Monitor::new(config.monitor.clone());
    let mut detect = Detect::new(config.detect.clone());
    let mut surprise = vec![0.0; file.times.len()];
    let mut waiting = 0;
    let mut judge = |monitor: &mut Monitor, detect: &mut Detect, until: usize| {
        while let Some(tick) = monitor.seal() {
            detect.step(&tick, 0);
            let Some(reading) = detect.readings().first() else { continue };
            // Rows lie in the order of the file; a tick is told by the last of its rows.
            let mut last = None;
            for row in waiting..until {
                let at = file.times[row];
                if at >= tick.start && at < tick.end() {
                    last = Some(row);
                } else if at >= tick.end() {
                    break;
                }
            }
            if let Some(row) = last {
                surprise[row] = exponent(reading.p_value);
                waiting = row + 1;
            }
        }
    };
    let mut rows = PointBuilder::default();
    for (first, chunk) in (0..).step_by(BATCH_ROWS).zip(file.times.chunks(BATCH_ROWS)) {
        for (time, value) in chunk.iter().zip(&file.values[first..]) {
            rows.push(&PointRow {
                time: *time,
                start_time: None,
                resource: "{\"service.name\":\"nab\"}",
                scope: "{}",
                // The names of the files tell what they hold; the detectors are not to know.
                name: "value",
                unit: "",
                attributes: "{}",
                kind: PointKind::Gauge,
                temporality: Temporality::Unspecified,
                monotonic: false,
                value: Some(*value),
                histogram: None,
            });
        }
        monitor.push(&[Telemetry::Points(rows.finish())])?;
        judge(&mut monitor, &mut detect, first + chunk.len());
    }
    monitor.finish();
    judge(&mut monitor, &mut detect, file.times.len());
    Ok(edges(&surprise))
}

/// `-log10(p)`, capped at [`EXPONENT_MAX`].
fn exponent(p_value: f64) -> f64 {
    (-libm::log10(p_value)).clamp(0.0, EXPONENT_MAX)
}

/// Keeps the first row of each episode: a row is silent while a stronger or equal one lies
/// within the refractory time before it.
fn edges(surprise: &[f64]) -> Vec<f64> {
    let mut last: Option<(usize, f64)> = None;
    let mut scores = vec![0.0; surprise.len()];
    for (row, value) in surprise.iter().enumerate() {
        let hold = (REFRACTORY_SHARE * row as f64) as usize;
        let held = last.is_some_and(|(at, strength)| row - at <= hold && *value <= strength);
        if *value > 0.0 && !held {
            scores[row] = value / EXPONENT_MAX;
            last = Some((row, *value));
        }
    }
    scores
}

fn nab(arguments: &NabArguments) -> Result<()> {
    let folder = catalogue::locate_from_environment("nab", arguments.data.as_deref())?;
    let corpus = Corpus::open(&folder)?;
    let config = arguments.config.as_deref().map_or_else(|| Ok(Config::default()), Config::load)?;
    let bar = ProgressBar::new(corpus.rows() as u64);
    bar.set_style(ProgressStyle::with_template("{bar:30} {human_pos}/{human_len} rows {per_sec}  {msg}")?);
    let mut scores = Vec::new();
    for file in &corpus.files {
        bar.set_message(file.layout.name.clone());
        scores.push(alerts(&config, file).with_context(|| file.layout.name.clone())?);
        bar.inc(file.times.len() as u64);
    }
    bar.finish_and_clear();
    if let Some(folder) = &arguments.scores {
        write_scores(folder, &corpus, &scores)?;
    }
    let scorer = Scorer::new(&corpus.layouts(), &scores)?;
    let digest = config.digest(&config.playbooks()?)?;
    let mut report = Report::new("eval nab", digest, corpus.digest(), None);
    for profile in Profile::ALL {
        let best = scorer.best(profile);
        let name = profile.name();
        report.set(&format!("nab.{name}"), best.score);
        report.set(&format!("nab.{name}.threshold"), best.threshold);
        report.set(&format!("nab.{name}.windows_hit"), best.windows_hit as f64);
        report.set(&format!("nab.{name}.false_alarm_rows"), best.false_alarm_rows as f64);
        report.set(&format!("nab.{name}.fixed_threshold"), scorer.at(profile, FIXED_THRESHOLD).score);
        report
            .set(&format!("nab.{name}.leave_one_category_out"), scorer.leave_one_category_out(profile).score);
    }
    report.set("nab.files", corpus.files.len() as f64);
    report.set("nab.rows", corpus.rows() as f64);
    if arguments.output == Format::Json {
        return report.print();
    }
    print_table(&report, &scorer);
    Ok(())
}

/// The threshold that is fixed beforehand: p = 1e-6.
const FIXED_THRESHOLD: f64 = 6.0 / EXPONENT_MAX;

fn write_scores(folder: &std::path::Path, corpus: &Corpus, scores: &[Vec<f64>]) -> Result<()> {
    for (file, scores) in corpus.files.iter().zip(scores) {
        let path = folder.join(&file.layout.name);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent).with_context(|| parent.display().to_string())?;
        }
        let mut text = String::from("timestamp,value,anomaly_score\n");
        for ((time, value), score) in file.times.iter().zip(&file.values).zip(scores) {
            text.push_str(&format!("{time},{value},{score}\n"));
        }
        std::fs::write(&path, text).with_context(|| path.display().to_string())?;
    }
    Ok(())
}

fn print_table(report: &Report, scorer: &Scorer) {
    let figure = |name: &str| report.metrics.get(name).copied().unwrap_or(f64::NAN);
    say!("Numenta Anomaly Benchmark 1.1: {} files, {} rows\n", figure("nab.files"), figure("nab.rows"));
    say!("{:<22} {:>9} {:>9} {:>9}   looks ahead", "detector", "standard", "low FP", "low FN");
    let ours = Profile::ALL.map(|profile| figure(&format!("nab.{}", profile.name())));
    let mut rows: Vec<(String, [f64; 3], &str)> = published()
        .iter()
        .map(|known| {
            let ahead = match known.causal {
                Some(true) => "no",
                Some(false) => "yes",
                None => "not known",
            };
            (
                known.detector.to_owned(),
                [known.standard, known.reward_low_fp_rate, known.reward_low_fn_rate],
                ahead,
            )
        })
        .collect();
    rows.push(("theriac (this run)".to_owned(), ours, "no"));
    rows.sort_by(|a, b| b.1[0].total_cmp(&a.1[0]).then_with(|| a.0.cmp(&b.0)));
    for (name, [standard, low_fp, low_fn], ahead) in rows {
        say!("{name:<22} {standard:>9.2} {low_fp:>9.2} {low_fn:>9.2}   {ahead}");
    }
    say!("\nthis run, by how the threshold was chosen:");
    for (label, suffix) in [
        ("best for each profile (the rule of the benchmark)", ""),
        ("fixed beforehand at p = 1e-6", ".fixed_threshold"),
        ("chosen without the category that is scored", ".leave_one_category_out"),
    ] {
        let [a, b, c] = Profile::ALL.map(|profile| figure(&format!("nab.{}{suffix}", profile.name())));
        say!("  {label:<50} {a:>7.2} {b:>7.2} {c:>7.2}");
    }
    say!("\n{:<24} {:>8} {:>14} {:>18}", "category (standard)", "windows", "gain of max", "false alarm rows");
    for category in scorer.best(Profile::Standard).categories {
        say!(
            "{:<24} {:>4}/{:<3} {:>7.1} of {:<5.1} {:>14}",
            category.category,
            category.windows_hit,
            category.windows,
            category.gain,
            category.gain_max,
            category.false_alarm_rows
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_episode_alerts_once_unless_it_grows() {
        let mut surprise = vec![0.0; 1_000];
        surprise[500..520].fill(6.0);
        surprise[505] = 12.0;
        surprise[600] = 6.0;
        let scores = edges(&surprise);
        let rows: Vec<usize> = (0..1_000).filter(|row| scores[*row] > 0.0).collect();
        assert_eq!(rows, [500, 505, 516, 600]);
    }
}
