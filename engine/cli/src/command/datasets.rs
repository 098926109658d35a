//! `theriac datasets`: the public data sets, fetched from where they are published.

use std::{ops::ControlFlow, path::PathBuf};

use anyhow::Result;
use clap::{Args, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};
use theriac_datasets::{
    catalogue::{self, NotFound},
    fetch::{self, Progress},
};

use crate::output::{Wrong, say};

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

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    match &arguments.verb {
        Verb::List => {
            list();
            Ok(())
        }
        Verb::Fetch(arguments) => fetch(arguments),
    }
}

fn list() {
    for dataset in catalogue::all() {
        let how = if dataset.can_be_fetched() {
            format!("{} files, {:.1} MB", dataset.files.len(), dataset.bytes() as f64 / 1e6)
        } else {
            "by hand".to_owned()
        };
        say!("{:<26} {:<20} {how}\n{:<26} {}", dataset.name, dataset.licence, "", dataset.title);
    }
}

fn fetch(arguments: &FetchArguments) -> Result<()> {
    let Some(dataset) = catalogue::find(&arguments.name) else {
        return Err(NotFound { name: arguments.name.clone(), looked_at: Vec::new() }.into());
    };
    let folder = arguments.data.clone().or_else(|| std::env::var_os("THERIAC_DATASETS").map(PathBuf::from));
    let Some(folder) = folder else {
        let text = "where to? give a folder with --data, or set THERIAC_DATASETS";
        return Err(Wrong(text.to_owned()).into());
    };
    let bar = ProgressBar::new(dataset.bytes());
    bar.set_style(ProgressStyle::with_template(
        "{bar:30} {binary_bytes}/{binary_total_bytes} {eta} left  {msg}",
    )?);
    let settings = fetch::Settings { base_url: arguments.mirror.clone(), ..fetch::Settings::default() };
    let fetched = fetch::fetch(dataset, &folder, &settings, &mut |progress| {
        match progress {
            Progress::Start { .. } => bar.println(format!(
                "{}: {}\nlicence: {} ({})\nplease cite: {}",
                dataset.name, dataset.title, dataset.licence, dataset.licence_url, dataset.citation
            )),
            Progress::File { file, .. } => bar.set_message(file.path.clone()),
            Progress::Bytes { done, .. } => bar.set_position(done),
            Progress::Retry { file, reason, .. } => {
                bar.println(format!("{}: {reason}; trying again", file.path))
            }
        }
        ControlFlow::Continue(())
    })?;
    bar.finish_and_clear();
    say!(
        "{} is in {} ({} files fetched, {} were there)",
        dataset.name,
        fetched.dir.display(),
        fetched.fetched,
        fetched.already_here
    );
    Ok(())
}
