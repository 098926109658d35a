//! `theriac eval calibration`: whether the probabilities of causes hold, over the cases of all data sets,
//! and what learning from confirmed causes does to them.
//!
//! | module | holds |
//! |---|---|
//! | [`told`] | what the evaluations of causes told of their cases |
//! | `measures` | reliability, expected calibration error, Brier score, log loss |
//! | `page` | the same as a page |
//!
//! Probabilities are judged as they are, and after a temperature: odds are taken to the power 1/T, which
//! leaves every ranking as it is. T is the one under which the true causes of the other data sets are
//! most probable, each set counting the same, so no case is judged by what was learnt from its own set.
//! Learning is judged as it goes on: each case by the weights that the cases before it gave.

pub(in crate::command) mod measures;
mod page;
pub(in crate::command) mod told;

use std::{collections::BTreeMap, path::PathBuf};

use anyhow::{Context, Result};
use clap::Args;
use theriac_diagnose::channel::reweight::Weights;

use self::{
    measures::{BINS, Judged, TEMPERATURE_RANGE, temperature},
    told::{Answer, Told},
};
use crate::output::{Format, Report, say};

/// Arguments of `theriac eval calibration`.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Folder with the data sets; THERIAC_DATASETS if left out
    #[arg(long)]
    data: Option<PathBuf>,
    /// Write a page with the reliability diagram
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Seed of the order in which causes are confirmed
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Write the weights that all cases together lead to, as JSON
    #[arg(long, value_name = "FILE")]
    weights: Option<PathBuf>,
    /// Judge again without what each channel said, the others as they were: what is each worth?
    #[arg(long)]
    ablation: bool,
    /// text, or json for one object with the figures
    #[arg(long, value_enum, default_value_t)]
    output: Format,
}

/// Name of all cases together.
const ALL: &str = "all";

/// What was judged, in the order of the report.
struct Outcome {
    sets: Vec<&'static str>,
    /// As weighed, with the temperature of the other sets, with what was learnt before each case: from
    /// all sets, and from its own.
    ways: [(&'static str, Vec<(&'static str, Answer)>); 4],
    temperatures: BTreeMap<&'static str, f64>,
    learnt: Weights,
}

impl Outcome {
    /// Answers of one set, or of all.
    fn judged(&self, way: usize, set: &str) -> Judged {
        let answers = self.ways[way].1.iter().filter(|one| set == ALL || one.0 == set);
        Judged::of(answers.map(|one| one.1).collect())
    }

    /// The sets, and all together.
    fn groups(&self) -> impl Iterator<Item = &'static str> {
        self.sets.iter().copied().chain([ALL])
    }
}

pub(super) fn run(arguments: &Arguments) -> Result<()> {
    let cases = told::all(arguments.data.as_deref())?;
    let outcome = judge(&cases, arguments.seed);
    let mut hasher = blake3::Hasher::new();
    for case in &cases {
        [case.set, &case.case].iter().for_each(|name| {
            hasher.update(name.as_bytes());
        });
    }
    let digest = hasher.finalize().to_hex()[..16].to_owned();
    let mut report = Report::new("eval calibration", "default".to_owned(), digest, Some(arguments.seed));
    figures(&outcome, &mut report);
    let without = if arguments.ablation { ablation(&cases) } else { Vec::new() };
    for (channel, outcome) in &without {
        for (set, judged) in outcome {
            report.set(&format!("ablation.{channel}.{set}.right"), judged.right());
            report.set(&format!("ablation.{channel}.{set}.log_loss"), judged.log_loss());
        }
    }
    if let Some(path) = &arguments.weights {
        std::fs::write(path, outcome.learnt.to_json()).with_context(|| path.display().to_string())?;
    }
    if let Some(path) = &arguments.report {
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent).with_context(|| parent.display().to_string())?;
        }
        std::fs::write(path, page::page(&outcome, &report).html())
            .with_context(|| path.display().to_string())?;
    }
    if arguments.output == Format::Json {
        return report.print();
    }
    print(&outcome);
    if arguments.ablation {
        print_ablation(&outcome, &without);
    }
    Ok(())
}

/// By channel: sets in which it said something, with what is named without it.
type Without = Vec<(String, Vec<(&'static str, Judged)>)>;

fn ablation(cases: &[Told]) -> Without {
    let untaught = Weights::default();
    let mut channels: BTreeMap<&str, Vec<&'static str>> = BTreeMap::new();
    for case in cases {
        for (_, evidence) in &case.claims {
            let sets = channels.entry(&evidence.channel).or_default();
            if !sets.contains(&case.set) {
                sets.push(case.set);
            }
        }
    }
    let judged = |channel: &str, set: &'static str| {
        let own = cases.iter().filter(|case| case.set == set);
        (set, Judged::of(own.map(|case| case.without(channel).answer(&untaught, 1.0)).collect()))
    };
    let one = |(channel, sets): (&str, Vec<&'static str>)| {
        (channel.to_owned(), sets.into_iter().map(|set| judged(channel, set)).collect())
    };
    channels.into_iter().map(one).collect()
}

fn print_ablation(outcome: &Outcome, without: &Without) {
    say!("\nShare of cases whose cause is named first, without what each channel said");
    let line = |name: &str, cell: &dyn Fn(&str) -> Option<f64>| {
        let cells =
            outcome.sets.iter().map(|set| cell(set).map_or("-".to_owned(), |share| format!("{share:.3}")));
        say!("{name:<16}{}", cells.map(|cell| format!("{cell:>16}")).collect::<String>());
    };
    say!("{:<16}{}", "", outcome.sets.iter().map(|set| format!("{set:>16}")).collect::<String>());
    line("all channels", &|set| Some(outcome.judged(0, set).right()));
    for (channel, sets) in without {
        line(&format!("- {channel}"), &|set| {
            sets.iter().find(|one| one.0 == set).map(|(_, judged)| judged.right())
        });
    }
}

fn judge(cases: &[Told], seed: u64) -> Outcome {
    let mut sets: Vec<&'static str> = Vec::new();
    for case in cases {
        if !sets.contains(&case.set) {
            sets.push(case.set);
        }
    }
    let untaught = Weights::default();
    let temperatures: BTreeMap<&str, f64> = sets
        .iter()
        .map(|set| (*set, temperature(&cases.iter().filter(|case| case.set != *set).collect::<Vec<_>>())))
        .collect();
    let as_weighed = cases.iter().map(|case| (case.set, case.answer(&untaught, 1.0)));
    let tempered = cases.iter().map(|case| (case.set, case.answer(&untaught, temperatures[case.set])));
    let mut order: Vec<(blake3::Hash, &Told)> = cases.iter().map(|case| (draw(case, seed), case)).collect();
    order.sort_by(|a, b| a.0.as_bytes().cmp(b.0.as_bytes()));
    let mut learnt = Weights::default();
    let mut of_set: BTreeMap<&str, Weights> = BTreeMap::new();
    let (mut from_all, mut from_own) = (Vec::new(), Vec::new());
    for (_, case) in order {
        let own = of_set.entry(case.set).or_default();
        from_all.push((case.set, case.answer(&learnt, 1.0)));
        from_own.push((case.set, case.answer(own, 1.0)));
        learnt.update(case.cause().as_ref(), &case.claims, case.unknown);
        own.update(case.cause().as_ref(), &case.claims, case.unknown);
    }
    let ways = [
        ("as weighed", as_weighed.collect()),
        ("temperature of the other sets", tempered.collect()),
        ("weights of the causes confirmed before, all sets mixed", from_all),
        ("weights of the causes confirmed before, of the same set", from_own),
    ];
    Outcome { sets, ways, temperatures, learnt }
}

/// What puts cases into an order that has nothing to do with them.
fn draw(case: &Told, seed: u64) -> blake3::Hash {
    blake3::hash(format!("{seed} {} {}", case.set, case.case).as_bytes())
}

/// Names of the ways in figures.
const WAYS: [&str; 4] = ["weighed", "tempered", "learning", "learning_own"];

fn figures(outcome: &Outcome, report: &mut Report) {
    for (way, name) in WAYS.into_iter().enumerate() {
        for set in outcome.groups() {
            let judged = outcome.judged(way, set);
            for (measure, value) in [
                ("cases", judged.cases() as f64),
                ("right", judged.right()),
                ("sure", judged.sure()),
                ("ece", judged.calibration_error()),
                ("brier", judged.brier()),
                ("log_loss", judged.log_loss()),
            ] {
                report.set(&format!("calibration.{name}.{set}.{measure}"), value);
            }
        }
    }
    for (set, value) in &outcome.temperatures {
        report.set(&format!("calibration.temperature.{set}"), *value);
    }
    for (channel, weight, deviation) in outcome.learnt.weights() {
        report.set(&format!("learning.weight.{channel}"), weight);
        report.set(&format!("learning.weight.{channel}.deviation"), deviation);
    }
}

fn print(outcome: &Outcome) {
    say!("Probabilities of causes: what is named first, how sure of it, and how often that is right");
    for (way, (title, _)) in outcome.ways.iter().enumerate() {
        say!("\n{title}");
        say!(
            "{:<16}{:>7}{:>9}{:>9}{:>9}{:>9}{:>10}",
            "",
            "cases",
            "right",
            "sure",
            "ECE",
            "Brier",
            "log loss"
        );
        for set in outcome.groups() {
            let judged = outcome.judged(way, set);
            say!(
                "{set:<16}{:>7}{:>9.3}{:>9.3}{:>9.3}{:>9.3}{:>10.3}",
                judged.cases(),
                judged.right(),
                judged.sure(),
                judged.calibration_error(),
                judged.brier(),
                judged.log_loss()
            );
        }
    }
    say!("\nReliability over all cases: how sure, then cases and the share of them that is right, each way");
    let all: Vec<Judged> = (0..outcome.ways.len()).map(|way| outcome.judged(way, ALL)).collect();
    for bin in 0..BINS {
        let cell = |judged: &Judged| match judged.bins()[bin] {
            (0, ..) => format!("{:>16}", "-"),
            (cases, sure, right) => format!("{cases:>6} {sure:.2} {right:.2}"),
        };
        let (low, high) = (bin as f64 / BINS as f64, (bin + 1) as f64 / BINS as f64);
        say!("  {low:.1} to {high:.1}  {}", all.iter().map(cell).collect::<Vec<_>>().join("  "));
    }
    say!("\nTemperature that the other sets give ({} to {})", TEMPERATURE_RANGE.0, TEMPERATURE_RANGE.1);
    outcome.temperatures.iter().for_each(|(set, value)| say!("  {set:<16}{value:>7.2}"));
    say!(
        "\nWeights after all {} confirmed causes, with their standard deviation",
        outcome.learnt.confirmed()
    );
    outcome
        .learnt
        .weights()
        .for_each(|(channel, weight, deviation)| say!("  {channel:<16}{weight:>7.2} ± {deviation:.2}"));
}
