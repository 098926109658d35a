//! What evaluations of causes can be asked for: they all go case by case.

use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::Args;
use theriac_datasets::catalogue;

use crate::output::{Format, Wrong};

/// Arguments of the evaluations of causes.
#[derive(Debug, Default, Args)]
pub(super) struct Arguments {
    /// Folder in the layout of the data set, as datasets/README.md describes it; the data set itself
    /// if left out
    pub(super) folder: Option<PathBuf>,
    /// Folder with the data sets; THERIAC_DATASETS if left out
    #[arg(long)]
    pub(super) data: Option<PathBuf>,
    /// List what became of each case
    #[arg(long)]
    pub(super) cases: bool,
    /// Explain one case: the first suspects with what speaks for and against them
    #[arg(long, value_name = "ID")]
    pub(super) case: Option<String>,
    /// Diagnose again without each channel in turn: what is each worth?
    #[arg(long)]
    pub(super) ablation: bool,
    /// Give the telemetry as a stream to the live loop, detection included, instead of saying when to look
    #[arg(long, conflicts_with = "ablation")]
    pub(super) streaming: bool,
    /// text, or json for one object with the figures
    #[arg(long, value_enum, default_value_t)]
    pub(super) output: Format,
}

impl Arguments {
    /// Of a folder, with what all evaluations can be asked for.
    pub(super) fn of(folder: &Path, ablation: bool, output: Format) -> Self {
        Self { folder: Some(folder.to_owned()), ablation, output, ..Self::default() }
    }

    /// Of the data sets below a folder, or of THERIAC_DATASETS.
    pub(super) fn within(data: Option<&Path>) -> Self {
        Self { data: data.map(Path::to_owned), ..Self::default() }
    }

    /// The folder that is given, or that of the data set.
    pub(super) fn folder(&self, name: &str) -> Result<PathBuf> {
        match &self.folder {
            Some(folder) => Ok(folder.clone()),
            None => Ok(catalogue::locate_from_environment(name, self.data.as_deref())?),
        }
    }

    /// Data that has no telemetry to be detected in.
    pub(super) fn no_stream(&self, reason: &str) -> Result<()> {
        if self.streaming { Err(Wrong(format!("--streaming: {reason}")).into()) } else { Ok(()) }
    }
}
