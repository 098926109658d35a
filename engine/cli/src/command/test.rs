//! `theriac test`: what playbooks and policies decide, held against what is expected.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use clap::Args;
use serde_json::json;
use theriac_plan::check::{self, File};

use crate::{
    config::{Config, parse_yaml, read_text},
    output::{Format, Wrong, say},
};

/// Ending of the files that a folder is searched for.
const ENDING: &str = ".test.yaml";

/// Arguments of `theriac test`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Files of tests, or folders with files that end in .test.yaml
    #[arg(required = true)]
    paths: Vec<PathBuf>,
    /// Configuration whose settings, playbooks and policy are tested, unless a file names its own
    #[arg(short, long)]
    config: Option<PathBuf>,
    /// text, or json for one object a test
    #[arg(long, value_enum, default_value_t)]
    output: Format,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let config = match &arguments.config {
        Some(path) => Config::load(path)?,
        None => Config::default(),
    };
    let (mut count, mut failed) = (0, 0);
    for path in files(&arguments.paths)? {
        let origin = path.display().to_string();
        let file: File = parse_yaml(&origin, &read_text(&path)?)?;
        let config = of_file(&config, &file, path.parent().unwrap_or(Path::new("")), &origin)?;
        let problems = config.plan.problems();
        if !problems.is_empty() {
            return Err(Wrong(problems.join("\n")).into());
        }
        for check::Outcome { name, line, differences } in
            check::run(&file.tests, &config.plan, &config.playbooks()?)
        {
            count += 1;
            failed += usize::from(!differences.is_empty());
            if arguments.output == Format::Json {
                let well = differences.is_empty();
                say!(
                    "{}",
                    json!({ "file": origin, "line": line, "name": name, "passed": well, "differences": differences })
                );
                continue;
            }
            let word = if differences.is_empty() { "ok  " } else { "FAIL" };
            say!("{word}  {origin}:{line}: {name}");
            for difference in differences {
                say!("      {difference}");
            }
        }
    }
    if failed > 0 {
        bail!("{failed} of {count} tests failed");
    }
    if arguments.output == Format::Text {
        say!("all {count} tests passed");
    }
    Ok(())
}

/// The configuration with what a file of tests names instead.
fn of_file(config: &Config, file: &File, folder: &Path, origin: &str) -> Result<Config> {
    let mut config = config.clone();
    if !file.playbooks.is_empty() {
        config.playbooks = file.playbooks.iter().map(|path| folder.join(path)).collect();
    }
    if let Some(policy) = &file.policy {
        config.policy = Some(policy.clone());
        config.plan.policy = theriac_plan::Policy::default();
        config.take_policy(folder, origin)?;
    }
    Ok(config)
}

/// The files that are named, and those in the folders that are named, in the order of their names.
fn files(paths: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for path in paths {
        if !path.is_dir() {
            files.push(path.clone());
            continue;
        }
        let unreadable = || format!("{} cannot be read", path.display());
        let entries = fs::read_dir(path).with_context(unreadable)?;
        let mut found: Vec<PathBuf> = Vec::new();
        for entry in entries {
            let file = entry.with_context(unreadable)?.path();
            if file.to_string_lossy().ends_with(ENDING) {
                found.push(file);
            }
        }
        if found.is_empty() {
            let text = format!("{} has no file that ends in {ENDING}", path.display());
            return Err(Wrong(text).into());
        }
        found.sort();
        files.extend(found);
    }
    Ok(files)
}
