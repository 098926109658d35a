//! What the repository holds of the detectors beside the registry: what each costs, measured once on
//! a named machine, and a picture of each, drawn on simulated telemetry.

use std::{collections::BTreeMap, path::Path};

use anyhow::{Context, Result};
use indicatif::ProgressBar;
use serde::{Deserialize, Serialize};

use super::{
    card::Card,
    measure,
    pictures::{self, Around},
    simulated,
};

/// Ticks around the place in a picture of the repository: a file is small.
const NEAR: Around = [160, 60];

/// What `detectors/costs.json` holds.
#[derive(Serialize, Deserialize)]
pub(super) struct Costs {
    pub(super) machine: String,
    /// What the detectors of the bank share, in nanoseconds a series and tick.
    pub(super) shared: f64,
    /// By the name of the detector.
    pub(super) detectors: BTreeMap<String, Cost>,
}

/// What one costs.
#[derive(Serialize, Deserialize)]
pub(super) struct Cost {
    /// Nanoseconds a series and tick.
    pub(super) nanoseconds: f64,
    /// Over so many series.
    pub(super) series: usize,
}

impl Costs {
    /// Those in the repository.
    pub(super) fn committed() -> Self {
        let text = include_str!("../../../../../detectors/costs.json");
        serde_json::from_str(text).expect("a test holds every detector against it")
    }

    /// Of the detector that goes by this name.
    pub(super) fn of(&self, name: &str) -> &Cost {
        self.detectors.get(name).expect("a test holds every detector against it")
    }

    /// Measured on this machine.
    pub(super) fn measured(cards: &[Card], bar: &ProgressBar) -> Self {
        let shared = measure::shared();
        let tenth = |nanoseconds: f64| (10.0 * nanoseconds).round() / 10.0;
        let cost = |card: &Card| {
            bar.set_message(format!("what {} costs", card.spec.name));
            bar.inc(1);
            let measure::Cost { nanoseconds, series } = measure::cost(card, &shared);
            (card.spec.name.to_owned(), Cost { nanoseconds: tenth(nanoseconds), series })
        };
        Self {
            machine: measure::machine(),
            shared: tenth(shared.nanoseconds),
            detectors: cards.iter().map(cost).collect(),
        }
    }
}

/// Writes a file for each picture into `folder`.
pub(super) fn draw(cards: &[Card], folder: &Path, bar: &ProgressBar) -> Result<()> {
    std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    for (name, picture) in pictures::all(cards, &simulated::courses()?, NEAR, bar) {
        let path = folder.join(format!("{name}.svg"));
        std::fs::write(&path, picture.file()).with_context(|| path.display().to_string())?;
    }
    Ok(())
}
