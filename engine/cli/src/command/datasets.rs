//! `theriac datasets`: the public data sets, fetched from where they are published.

use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::{Args, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};
use theriac_datasets::{catalogue, fetch};

/// Arguments of `theriac datasets`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

/// What to do.
#[derive(Debug, Subcommand)]
enum Verb {
    /// What there is, with licence and size
    List,
    /// Fetch one: pinned source, checked, resumable
    Fetch(FetchArguments),
}

/// Arguments of `theriac datasets fetch`.
#[derive(Debug, Args)]
struct FetchArguments {
    /// Name, as `theriac datasets list` gives it
    name: String,
    /// Folder to put data sets in; THERIAC_DATASETS if left out
    #[arg(long)]
    data: Option<PathBuf>,
    /// Fetch from a mirror instead of the published address
    #[arg(long)]
    mirror: Option<String>,
}
