//! `theriac eval compare A B`: what each has on the same files, and whether that could be chance.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use clap::Args;
use serde::Deserialize;
use theriac_datasets::{
    nab::{Profile, Results, Scorer},
    scoring::paired::Paired,
};

use super::{nab::file_gain, results};
use crate::output::{Format, Report, Wrong, say};

/// Arguments of `theriac eval compare`.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// What `eval --output json` printed, a folder that `eval --results` wrote, or a detector's folder
    /// of NAB's `results/`
    a: PathBuf,
    /// As A; positive differences mean that B is better
    b: PathBuf,
    /// Figure of each file to compare: gain, vus_pr, auc_pr, f1, …; gain or vus_pr if left out
    #[arg(long)]
    measure: Option<String>,
    /// Seed of the bootstrap
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// text, or json for one object with the figures
    #[arg(long, value_enum, default_value_t)]
    output: Format,
}

/// The figures of one evaluation.
#[derive(Deserialize)]
struct Figures {
    #[serde(default)]
    configuration: String,
    #[serde(default)]
    data: String,
    metrics: BTreeMap<String, f64>,
}

pub(super) fn run(arguments: &Arguments) -> Result<()> {
    let (a, b) = (load(&arguments.a)?, load(&arguments.b)?);
    if !a.data.is_empty() && !b.data.is_empty() && a.data != b.data {
        let text = format!("the two are of different data: digests {} and {}", a.data, b.data);
        return Err(Wrong(text).into());
    }
    let measure = arguments.measure.clone().unwrap_or_else(|| headline(&a).to_owned());
    let (of_a, of_b) = (by_file(&a, &measure), by_file(&b, &measure));
    let both: Vec<(&str, f64, f64)> =
        of_a.iter().filter_map(|(file, value)| Some((*file, *value, *of_b.get(file)?))).collect();
    let differences: Vec<f64> = both.iter().map(|(_, a, b)| b - a).collect();
    let Some(paired) = Paired::of(&differences, arguments.seed) else {
        let text = format!(
            "no file has `{measure}` in both; {} has {} such files, {} has {}",
            arguments.a.display(),
            of_a.len(),
            arguments.b.display(),
            of_b.len()
        );
        return Err(Wrong(text).into());
    };
    let configuration = format!("{} {}", a.configuration, b.configuration);
    let mut report = Report::new("eval compare", configuration, a.data.clone(), Some(arguments.seed));
    report.set("compare.files", both.len() as f64);
    report.set("compare.files_in_one_only", (of_a.len() + of_b.len() - 2 * both.len()) as f64);
    report.set("compare.mean", paired.mean);
    report.set("compare.mean.low", paired.interval.0);
    report.set("compare.mean.high", paired.interval.1);
    report.set("compare.better", paired.better as f64);
    report.set("compare.worse", paired.worse as f64);
    report.set("compare.equal", paired.equal as f64);
    report.set("compare.sign_p", paired.sign_p);
    for (file, a, b) in &both {
        report.set(&format!("compare.file.{file}"), b - a);
    }
    if arguments.output == Format::Json {
        return report.print();
    }
    say!("{measure} by file\n\n{:<58} {:>9} {:>9} {:>9}", "file", "A", "B", "B - A");
    let mut sorted = both;
    sorted.sort_by(|x, y| (x.2 - x.1).total_cmp(&(y.2 - y.1)).then_with(|| x.0.cmp(y.0)));
    for (file, a, b) in &sorted {
        say!("{file:<58} {a:>9.3} {b:>9.3} {:>+9.3}", b - a);
    }
    say!(
        "\nB is better on {}, worse on {}, equal on {} files; sign test p = {:.4}",
        paired.better,
        paired.worse,
        paired.equal,
        paired.sign_p
    );
    say!(
        "mean difference {:+.4}, 95 % between {:+.4} and {:+.4} (bootstrap over files, seed {})",
        paired.mean,
        paired.interval.0,
        paired.interval.1,
        arguments.seed
    );
    Ok(())
}

/// The figure that is compared if none is named.
fn headline(figures: &Figures) -> &'static str {
    let is_gain = |name: &String| name.starts_with("nab.file.") && name.ends_with(".gain");
    if figures.metrics.keys().any(is_gain) { "gain" } else { "vus_pr" }
}

/// One figure of each file.
fn by_file<'a>(figures: &'a Figures, measure: &str) -> BTreeMap<&'a str, f64> {
    let figures = figures.metrics.iter().filter_map(|(name, value)| {
        let (_, rest) = name.split_once(".file.")?;
        let file = rest.strip_suffix(measure)?.strip_suffix('.')?;
        Some((file, *value))
    });
    figures.collect()
}

fn load(path: &Path) -> Result<Figures> {
    let file = if path.is_dir() { path.join(results::FIGURES) } else { path.to_owned() };
    if path.is_dir() && !file.is_file() {
        return score_results(path);
    }
    let text = fs::read_to_string(&file).with_context(|| file.display().to_string())?;
    serde_json::from_str(&text).map_err(|error| {
        let text = format!("{}: not what `theriac eval --output json` prints: {error}", file.display());
        Wrong(text).into()
    })
}

/// Scores the result files of a detector, each file at the threshold that is best for all.
fn score_results(folder: &Path) -> Result<Figures> {
    let wrong = |text: String| Wrong(format!("{}: {text}", folder.display()));
    let results = Results::open(folder).map_err(|error| Wrong(error.to_string()))?;
    if results.layouts.is_empty() {
        let text =
            format!("neither {} nor result files CATEGORY/DETECTOR_FILE.csv are in it", results::FIGURES);
        return Err(wrong(text).into());
    }
    let scorer = Scorer::new(&results.layouts, &results.scores).map_err(|error| wrong(error.to_string()))?;
    let threshold = scorer.best(Profile::Standard).threshold;
    let mut metrics = BTreeMap::new();
    for (layout, scores) in results.layouts.iter().zip(&results.scores) {
        let gain = file_gain(layout, scores, threshold)?;
        metrics.insert(format!("nab.file.{}.gain", layout.name), gain.gain);
    }
    Ok(Figures { configuration: String::new(), data: String::new(), metrics })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_of_files_are_found_by_their_names() {
        let metrics =
            [("nab.file.a/b.csv.gain", 1.0), ("nab.file.a/b.csv.windows_hit", 2.0), ("nab.standard", 3.0)];
        let metrics = metrics.map(|(name, value)| (name.to_owned(), value)).into();
        let figures = Figures { configuration: String::new(), data: String::new(), metrics };
        assert_eq!(headline(&figures), "gain");
        assert_eq!(by_file(&figures, "gain"), BTreeMap::from([("a/b.csv", 1.0)]));
    }

    #[test]
    fn result_files_of_other_detectors_are_scored() {
        let dir = tempfile::tempdir().unwrap();
        assert!(load(dir.path()).is_err());
        fs::create_dir_all(dir.path().join("cats")).unwrap();
        let mut text = String::from("timestamp,value,anomaly_score,label,S(t)_standard\n");
        for row in 0..100 {
            let (score, label) = (u8::from(row == 60), u8::from((60..70).contains(&row)));
            text.push_str(&format!("2020-01-01 00:00:00,1,{score},{label},0\n"));
        }
        fs::write(dir.path().join("cats/other_a_b.csv"), text).unwrap();
        let figures = load(dir.path()).unwrap();
        assert_eq!(by_file(&figures, "gain"), BTreeMap::from([("cats/a_b.csv", 2.0)]));
    }
}
