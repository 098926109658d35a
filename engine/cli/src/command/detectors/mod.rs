//! `theriac detectors`: every detector's card, from the registry.
//!
//! | module | holds |
//! |---|---|
//! | [`card`] | what is told of a detector; the page in the repository |
//! | [`committed`] | costs and pictures in the repository |
//! | [`measure`] | what one costs on this machine |
//! | [`pictures`] | the place in data that surprises one most |
//! | [`simulated`] | telemetry for the pictures in the repository |

mod card;
mod committed;
mod measure;
mod pictures;
mod simulated;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use theriac_detectors::SHARED_BYTES_PER_SERIES;

use self::{card::Card, committed::Costs};
use crate::{
    output::{Wrong, say},
    report::cards::{CardView, Page},
    suggest,
};

/// Arguments of `theriac detectors`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The detector whose card is printed; a table of all if left out
    #[arg(conflicts_with_all = ["markdown", "report", "costs", "pictures"])]
    name: Option<String>,
    /// Print all cards as Markdown, as they are in the repository
    #[arg(long, conflicts_with_all = ["report", "costs", "pictures"])]
    markdown: bool,
    /// Write what each detector costs on this machine, as the page in the repository has it
    #[arg(long, value_name = "FILE", conflicts_with_all = ["report", "pictures"])]
    costs: Option<PathBuf>,
    /// Write a picture of each, on simulated telemetry, as the page in the repository has it
    #[arg(long, value_name = "FOLDER", conflicts_with = "report")]
    pictures: Option<PathBuf>,
    /// Write a page: the cards, what each detector costs on this machine, and where it was most
    /// surprised in NAB or SMD
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Folder with the data sets; THERIAC_DATASETS if left out
    #[arg(long, requires = "report")]
    data: Option<PathBuf>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let cards = card::all();
    match (&arguments.name, &arguments.report) {
        (Some(name), _) => {
            let Some(card) = cards.iter().find(|card| card.spec.name == name) else {
                let names: Vec<&str> = cards.iter().map(|card| card.spec.name).collect();
                let mend = suggest::nearest(name, names.iter().copied())
                    .map_or_else(String::new, |name| format!("; did you mean `{name}`?"));
                let text = format!("there is no detector `{name}`{mend}; there are {}", names.join(", "));
                return Err(Wrong(text).into());
            };
            print(card);
        }
        (None, Some(path)) => report(&cards, path, arguments.data.as_deref())?,
        (None, None) if let Some(path) = &arguments.costs => costs(&cards, path)?,
        (None, None) if let Some(folder) = &arguments.pictures => {
            let bar = bar(cards.len())?;
            committed::draw(&cards, folder, &bar)?;
            bar.finish_and_clear();
        }
        (None, None) if arguments.markdown => {
            say!("{}", card::markdown(&cards, &Costs::committed()).trim_end())
        }
        (None, None) => table(&cards),
    }
    Ok(())
}

fn table(cards: &[Card]) {
    for (heading, in_bank) in [("in the bank", true), ("beside the bank", false)] {
        say!("{heading:<15} {:<3} {:>14} {:>8}  sees", "on", "bytes a series", "warm-up");
        for card in cards.iter().filter(|card| card.in_bank() == in_bank) {
            let spec = card.spec;
            say!(
                "{:<15} {:<3} {:>14} {:>8}  {}",
                spec.name,
                card.on(),
                spec.bytes_per_series,
                spec.warmup_ticks,
                spec.sees
            );
        }
        say!("");
    }
    say!(
        "Those in the bank share {SHARED_BYTES_PER_SERIES} bytes a series more. `theriac detectors NAME` has the card."
    );
}

fn print(card: &Card) {
    say!("{}: {}\n", card.spec.name, card.spec.sees);
    for (word, fact) in card.facts() {
        say!("{word:<8} {fact}");
    }
    let parameters = card.parameters();
    if !parameters.is_empty() {
        say!("\nparameters");
    }
    for [name, default, meaning] in parameters {
        say!("  {name:<34} {default:<26} {meaning}");
    }
}

fn bar(steps: usize) -> Result<ProgressBar> {
    let bar = ProgressBar::new(steps as u64);
    bar.set_style(ProgressStyle::with_template("{bar:30} {pos}/{len}  {msg}")?);
    Ok(bar)
}

fn costs(cards: &[Card], path: &Path) -> Result<()> {
    let bar = bar(cards.len())?;
    let text = serde_json::to_string_pretty(&Costs::measured(cards, &bar))? + "\n";
    bar.finish_and_clear();
    std::fs::write(path, text).with_context(|| path.display().to_string())
}

fn report(cards: &[Card], path: &Path, data: Option<&Path>) -> Result<()> {
    let bar = bar(2 * cards.len())?;
    let mut pictures = pictures::all(cards, &pictures::public(data)?, pictures::WIDE, &bar);
    let shared = measure::shared();
    let views = cards.iter().map(|card| {
        bar.set_message(format!("what {} costs", card.spec.name));
        bar.inc(1);
        let cost = measure::cost(card, &shared);
        CardView {
            name: card.spec.name,
            sees: card.spec.sees,
            on: card.on(),
            bytes: card.spec.bytes_per_series,
            nanoseconds: cost.rounded(),
            facts: [card.facts(), vec![("time", cost.told())]].concat(),
            parameters: card.parameters(),
            picture: pictures.remove(card.spec.name),
        }
    });
    let page = Page {
        lead: format!(
            "Measured on {}: one thread, the median of {} runs. All detectors of the bank share {:.1} ns a series and tick, which are not in their figures.",
            measure::machine(),
            measure::REPETITIONS,
            shared.nanoseconds
        ),
        common: card::common(),
        cards: views.collect(),
    };
    bar.finish_and_clear();
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent).with_context(|| parent.display().to_string())?;
    }
    std::fs::write(path, page.html()).with_context(|| path.display().to_string())
}
