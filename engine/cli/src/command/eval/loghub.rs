//! `theriac eval loghub`: templates of logs against the true ones.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use clap::Args;
use theriac_datasets::{
    catalogue,
    loghub::{self, Accuracy, LabelSet, Labelled, System, measure, normal_form, published},
};
use theriac_templates::{Miner, Settings, TemplateId};

use crate::output::{Format, Report, say};

/// Arguments of `theriac eval loghub`.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Folder with NAME_2k.log_structured.csv (or .csv.gz), there or one folder below; the data set
    /// `loghub` of THERIAC_DATASETS if left out
    #[arg(long)]
    data: Option<PathBuf>,
    /// List the templates of this system that were not found as they are, the most frequent first
    #[arg(long, value_name = "SYSTEM")]
    differences: Option<String>,
    /// text, or json for one object with the figures
    #[arg(long, value_enum, default_value_t)]
    output: Format,
}

/// What the miner made of the lines of one system.
struct Mined {
    groups: Vec<TemplateId>,
    templates: Vec<String>,
}

/// One pass; a line has the template that it has when the last line is read.
fn mine(lines: &[String]) -> Mined {
    let mut miner = Miner::new(Settings::default());
    let given: Vec<TemplateId> = lines.iter().map(|line| miner.add(line).template).collect();
    let groups: Vec<TemplateId> = given.into_iter().map(|id| miner.current(id)).collect();
    let texts: BTreeMap<TemplateId, String> =
        miner.templates().into_iter().map(|known| (known.id, known.text)).collect();
    let templates = groups.iter().map(|id| texts.get(id).cloned().unwrap_or_default()).collect();
    Mined { groups, templates }
}

/// Accuracy with templates in the form in which they are compared, and letter for letter.
fn score(labelled: &Labelled, mined: &Mined) -> (Accuracy, Accuracy) {
    let as_labelled = measure(&labelled.templates, &mined.groups, &mined.templates);
    let form = |texts: &[String]| -> Vec<String> { texts.iter().map(|text| normal_form(text)).collect() };
    let compared = measure(&form(&labelled.templates), &mined.groups, &form(&mined.templates));
    // How lines are grouped is a matter of the labels, not of how they are spelt.
    (Accuracy { ga: as_labelled.ga, fga: as_labelled.fga, ..compared }, as_labelled)
}

/// Means over systems.
#[derive(Default)]
struct Means {
    sums: BTreeMap<String, (f64, usize)>,
}

impl Means {
    fn add(&mut self, name: &str, value: f64) {
        let (sum, count) = self.sums.entry(name.to_owned()).or_default();
        *sum += value;
        *count += 1;
    }
}

fn data(path: Option<&Path>) -> Result<PathBuf> {
    // A folder that is named is taken as it is: it may hold systems that nobody has published.
    match path {
        Some(path) if !path.join("loghub").is_dir() => Ok(path.to_owned()),
        _ => Ok(catalogue::locate_from_environment("loghub", path)?),
    }
}

pub(super) fn run(arguments: &Arguments) -> Result<()> {
    let folder = data(arguments.data.as_deref())?;
    let systems =
        loghub::open(&folder).context("`theriac datasets fetch loghub` gets a whole copy of the data set")?;
    let mut digest = blake3::Hasher::new();
    let mut report = Report::new("eval loghub", "default".to_owned(), String::new(), None);
    let mut means = Means::default();
    let mut rows = Vec::new();
    for system in &systems {
        let mut row = format!("{:<12}", system.name);
        for (set, labelled) in &system.labels {
            labelled.contents.iter().chain(&labelled.templates).for_each(|text| {
                digest.update(text.as_bytes());
                digest.update(b"\n");
            });
            let mined = mine(&labelled.contents);
            let (accuracy, as_labelled) = score(labelled, &mined);
            if *set == LabelSet::Original {
                row += &format!("{:>5} of {:>3}", accuracy.found, accuracy.templates);
            }
            for (name, value) in figures(*set, &accuracy, &as_labelled) {
                report.set(&format!("loghub.{}.{name}", system.name), value);
                means.add(&name, value);
            }
            row += &match set {
                LabelSet::Original => format!("   {}", numbers([accuracy.ga, accuracy.fga])),
                LabelSet::Corrected => format!("  {}", numbers([accuracy.ga, accuracy.fga])),
                LabelSet::V2 => {
                    let all = [accuracy.pa, accuracy.fta, as_labelled.pa, as_labelled.fta];
                    format!("  {}", numbers(all))
                }
            };
        }
        rows.push(row);
    }
    report.data = digest.finalize().to_hex()[..16].to_owned();
    for (name, (sum, count)) in &means.sums {
        report.set(&format!("loghub.{name}"), sum / *count as f64);
    }
    if arguments.output == Format::Json {
        return report.print();
    }
    print(&report, &rows, &systems);
    if let Some(name) = &arguments.differences {
        differences(name, &systems)?;
    }
    Ok(())
}

/// Names of figures: those of the original labels for groups, those of v2 for templates, have the
/// plain names.
fn figures(set: LabelSet, accuracy: &Accuracy, as_labelled: &Accuracy) -> Vec<(String, f64)> {
    let mut figures = vec![
        (format!("{}.ga", set.name()), accuracy.ga),
        (format!("{}.fga", set.name()), accuracy.fga),
        (format!("{}.pa", set.name()), accuracy.pa),
        (format!("{}.fta", set.name()), accuracy.fta),
    ];
    match set {
        LabelSet::Original => {
            figures.push(("ga".to_owned(), accuracy.ga));
            figures.push(("fga".to_owned(), accuracy.fga));
        }
        LabelSet::Corrected => {}
        LabelSet::V2 => {
            figures.push(("pa".to_owned(), accuracy.pa));
            figures.push(("fta".to_owned(), accuracy.fta));
            figures.push(("as_labelled.pa".to_owned(), as_labelled.pa));
            figures.push(("as_labelled.fta".to_owned(), as_labelled.fta));
        }
    }
    figures
}

fn numbers<const N: usize>(values: [f64; N]) -> String {
    values.map(|value| format!("{value:>6.3}")).concat()
}

fn print(report: &Report, rows: &[String], systems: &[System]) {
    let mean = |name: &str| report.metrics.get(&format!("loghub.{name}")).copied().unwrap_or(f64::NAN);
    let with_v2 = systems.iter().filter(|system| system.labels.contains_key(&LabelSet::V2)).count();
    say!("{} systems ({with_v2} with labels v2), one pass, one configuration\n", systems.len());
    say!("                           original     corrected   v2, templates   as labelled");
    say!("system      templates     GA   FGA      GA   FGA      PA   FTA      PA   FTA");
    rows.iter().for_each(|row| say!("{row}"));
    say!(
        "{:<12}{:>12}   {}  {}  {}",
        "mean",
        "",
        numbers([mean("ga"), mean("fga")]),
        numbers([mean("corrected.ga"), mean("corrected.fga")]),
        numbers([mean("pa"), mean("fta"), mean("as_labelled.pa"), mean("as_labelled.fta")])
    );
    say!("\npublished, means of 14 systems; not all of them are the same as these");
    say!("data  parser                                  GA   FGA    PA   FTA");
    for row in &published::ROWS {
        say!("{:<5} {:<36}{}", row.data, row.parser, numbers([row.ga, row.fga, row.pa, row.fta]));
    }
}

/// Templates of a system that came out otherwise, on the newest labels that it has.
fn differences(name: &str, systems: &[System]) -> Result<()> {
    let system = systems.iter().find(|system| system.name.eq_ignore_ascii_case(name)).with_context(|| {
        let known: Vec<&str> = systems.iter().map(|system| system.name.as_str()).collect();
        format!("there is no system `{name}`; there are: {}", known.join(", "))
    })?;
    let Some((set, labelled)) = system.labels.last_key_value() else { return Ok(()) };
    let mined = mine(&labelled.contents);
    let mut wrong: BTreeMap<(String, String), usize> = BTreeMap::new();
    for (truth, found) in labelled.templates.iter().zip(&mined.templates) {
        let (truth, found) = (normal_form(truth), normal_form(found));
        if truth != found {
            *wrong.entry((truth, found)).or_default() += 1;
        }
    }
    let ordered: BTreeSet<_> =
        wrong.iter().map(|(texts, lines)| (std::cmp::Reverse(*lines), texts)).collect();
    say!("\n{}, labels {}: lines, true template, template found", system.name, set.name());
    for (std::cmp::Reverse(lines), (truth, found)) in ordered {
        say!("{lines:>5}  {truth}\n       {found}");
    }
    Ok(())
}
